/** The oracle's fields of Windows' protocols, and what a dissection says of the same packet. */
import type { Layer } from '../../src/dissect/layer.ts'

export type Values = readonly string[]

/** The values of one field in a packet, in the order of the wire; `null` where a dissection has no opinion. */
export type FieldReader = (layers: readonly Layer[]) => Values

type Path = string

/** All values that a path leads to; lists on the way are gone through. */
function valuesAt(value: unknown, path: readonly string[]): unknown[] {
  if (value === undefined || value === null) return []
  if (Array.isArray(value)) return value.flatMap((item) => valuesAt(item, path))
  const [first, ...rest] = path
  if (first === undefined) return [value]
  return typeof value === 'object' ? valuesAt((value as Record<string, unknown>)[first], rest) : []
}

function of(layer: string, ...paths: readonly Path[]): FieldReader {
  return (layers) =>
    layers
      .filter((candidate) => candidate.layer === layer)
      .flatMap((candidate) => paths.flatMap((path) => valuesAt(candidate, path.split('.'))))
      .map(String)
}

/** SMB1 carries logins in its commands. */
function anyLogin(path: Path): FieldReader {
  return (layers) =>
    layers
      .flatMap((layer) =>
        layer.layer === 'smb'
          ? valuesAt(layer, ['blocks', 'security', ...path.split('.')])
          : valuesAt(layer, ['security', ...path.split('.')]),
      )
      .map(String)
}

function kerberos(path: Path): FieldReader {
  return (layers) =>
    layers.flatMap((layer) => {
      const parts = path.split('.')
      if (layer.layer === 'kerberos') return valuesAt(layer, parts).map(String)
      if (layer.layer === 'smb') return valuesAt(layer, ['blocks', 'security', 'kerberos', ...parts]).map(String)
      return valuesAt(layer, ['security', 'kerberos', ...parts]).map(String)
    })
}

function both(...readers: readonly FieldReader[]): FieldReader {
  return (layers) => readers.flatMap((reader) => reader(layers))
}

/** How often a name stands for a number in the tables of the specifications. */
function numbered(reader: FieldReader, numbers: Readonly<Record<string, number>>): FieldReader {
  return (layers) => reader(layers).map((name) => String(numbers[name] ?? name))
}

const DISPOSITIONS = { supersede: 0, open: 1, create: 2, 'open if': 3, overwrite: 4, 'overwrite if': 5 }
const SHARE_TYPES = { disk: 1, pipe: 2, printer: 3 }
const SCOPES = { baseObject: 0, singleLevel: 1, wholeSubtree: 2, subordinateSubtree: 3 }
const AUTHENTICATION_TYPES = { none: 0, SPNEGO: 9, NTLM: 10, TLS: 14, Kerberos: 16, Netlogon: 68 }
const LEVELS = { none: 1, connect: 2, call: 3, packet: 4, 'packet integrity': 5, 'packet privacy': 6 }
const RESULTS = { acceptance: 0, 'user rejection': 1, 'provider rejection': 2, negotiate_ack: 3 }
const STATES = { 'accept-completed': 0, 'accept-incomplete': 1, reject: 2, 'request-mic': 3 }
const DIALECTS = {
  '2.0.2': 0x0202,
  '2.1': 0x0210,
  '2.???': 0x02ff,
  '3.0': 0x0300,
  '3.0.2': 0x0302,
  '3.1.1': 0x0311,
}
const CIPHERS = { 'AES-128-CCM': 1, 'AES-128-GCM': 2, 'AES-256-CCM': 3, 'AES-256-GCM': 4 }
const SIGNINGS = { 'HMAC-SHA256': 0, 'AES-CMAC': 1, 'AES-GMAC': 2 }

/** Every field that is compared. Numbers are compared as numbers, texts without regard to case only where said. */
export const WINDOWS_FIELDS: Readonly<Record<string, FieldReader>> = {
  'nbss.type': of('nbss', 'type'),
  // SMB 1
  'smb.cmd': (layers) =>
    layers
      .filter(({ layer }) => layer === 'smb')
      .flatMap((layer) => {
        const commands = valuesAt(layer, ['blocks', 'command'])
        return commands.length === 0 ? valuesAt(layer, ['command']) : commands
      })
      .map(String),
  'smb.nt_status': (layers) =>
    layers
      .filter(({ layer, flags2 }) => layer === 'smb' && (Number(flags2) & 0x4000) !== 0)
      .map(({ status }) => String(status ?? 0)),
  'smb.flags2': of('smb', 'flags2'),
  'smb.primary_domain': of('smb', 'blocks.domain'),
  'smb.tid': of('smb', 'treeId'),
  'smb.uid': of('smb', 'userId'),
  'smb.mid': of('smb', 'multiplexId'),
  'smb.pid': of('smb', 'processId'),
  'smb.dialect.name': of('smb', 'blocks.dialects'),
  'smb.dialect.index': of('smb', 'blocks.dialectIndex'),
  'smb.account': of('smb', 'blocks.account'),
  'smb.native_os': of('smb', 'blocks.nativeOs'),
  'smb.native_lanman': of('smb', 'blocks.nativeLanMan'),
  'smb.path': of('smb', 'blocks.path'),
  'smb.service': of('smb', 'blocks.service'),
  'smb.trans_name': of('smb', 'blocks.transactionName'),
  'smb.access_mask': (layers) =>
    layers
      .flatMap((layer) =>
        layer.layer === 'smb'
          ? valuesAt(layer, ['blocks', 'desiredAccess'])
          : [...valuesAt(layer, ['desiredAccess']), ...valuesAt(layer, ['maximalAccess'])],
      )
      .map(String),
  'smb.create.disposition': numbered(of('smb', 'blocks.disposition'), DISPOSITIONS),
  // SMB 2 and 3
  'smb2.cmd': of('smb2', 'command'),
  'smb2.nt_status': of('smb2', 'status'),
  'smb2.msg_id': of('smb2', 'messageId'),
  'smb2.tid': of('smb2', 'treeId'),
  'smb2.sesid': both((layers) =>
    layers
      .filter(({ layer }) => layer === 'smb2' || layer === 'smb2-encrypted')
      .map(({ sessionId }) => `0x${String(sessionId)}`),
  ),
  'smb2.flags.response': (layers) => flags(layers, 'isResponse'),
  'smb2.flags.signature': (layers) => flags(layers, 'isSigned'),
  'smb2.flags.chained': (layers) => flags(layers, 'isRelated'),
  'smb2.flags.async': (layers) => flags(layers, 'isAsync'),
  'smb2.dialect': numbered(of('smb2', 'dialects', 'dialect'), DIALECTS),
  'smb2.sec_mode.sign_required': (layers) => flags(layers, 'isSigningRequired'),
  'smb2.client_guid': (layers) => guids(layers, false),
  'smb2.server_guid': (layers) => guids(layers, true),
  'smb2.negotiate_context.cipher_id': numbered(of('smb2', 'ciphers'), CIPHERS),
  'smb2.negotiate_context.signing_id': numbered(of('smb2', 'signings'), SIGNINGS),
  'smb2.negotiate_context.netname': of('smb2', 'netName'),
  'smb2.tree': of('smb2', 'path'),
  'smb2.share_type': numbered(of('smb2', 'shareType'), SHARE_TYPES),
  'smb2.filename': of('smb2', 'fileName', 'newName'),
  'smb2.create.disposition': numbered(of('smb2', 'disposition'), DISPOSITIONS),
  'smb2.find.pattern': of('smb2', 'pattern'),
  'smb2.ioctl.function': of('smb2', 'controlCode'),
  'smb2.file_offset': of('smb2', 'fileOffset'),
  'smb2.disposition.delete_on_close': of('smb2', 'isDeletion'),
  'smb2.header.transform.msg_size': of('smb2-encrypted', 'originalLength'),
  // NTLM and SPNEGO
  'ntlmssp.messagetype': anyLogin('ntlm.messageType'),
  'ntlmssp.negotiateflags': anyLogin('ntlm.flags'),
  'ntlmssp.auth.username': anyLogin('ntlm.user'),
  'ntlmssp.auth.domain': authenticating('domain'),
  'ntlmssp.auth.hostname': authenticating('workstation'),
  'ntlmssp.challenge.target_name': anyLogin('ntlm.targetName'),
  'ntlmssp.challenge.target_info.nb_domain_name': challenge('netbiosDomainName'),
  'ntlmssp.challenge.target_info.nb_computer_name': challenge('netbiosComputerName'),
  'ntlmssp.challenge.target_info.dns_domain_name': challenge('dnsDomainName'),
  'ntlmssp.challenge.target_info.dns_computer_name': challenge('dnsComputerName'),
  'ntlmssp.ntlmv2_response.target_name': anyLogin('ntlm.target.targetSpn'),
  'spnego.negResult': numbered(both(anyLogin('state')), STATES),
  // DCE/RPC
  'dcerpc.pkt_type': (layers) => [...of('dcerpc', 'type')(layers), ...of('dcerpc-datagram', 'type')(layers)],
  'dcerpc.dg_if_id': of('dcerpc-datagram', 'interfaceUuid'),
  'dcerpc.dg_act_id': of('dcerpc-datagram', 'activityUuid'),
  'dcerpc.dg_seqnum': of('dcerpc-datagram', 'sequence'),
  'dcerpc.dg_status': of('dcerpc-datagram', 'status'),
  'dcerpc.cn_call_id': of('dcerpc', 'callId'),
  'dcerpc.cn_frag_len': of('dcerpc', 'fragmentLength'),
  'dcerpc.cn_bind_to_uuid': of('dcerpc', 'contexts.interfaceUuid'),
  'dcerpc.cn_bind_if_ver': (layers) => versions(layers, 0),
  'dcerpc.cn_bind_if_ver_minor': (layers) => versions(layers, 1),
  'dcerpc.cn_ack_result': numbered(of('dcerpc', 'results.result'), RESULTS),
  'dcerpc.cn_sec_addr': of('dcerpc', 'secondaryAddress'),
  'dcerpc.opnum': (layers) => [...of('dcerpc', 'operation')(layers), ...of('dcerpc-datagram', 'operation')(layers)],
  'dcerpc.cn_ctx_id': (layers) =>
    layers
      .filter(({ layer }) => layer === 'dcerpc')
      .flatMap((layer) => [...valuesAt(layer, ['contexts', 'contextId']), ...valuesAt(layer, ['contextId'])])
      .map(String),
  'dcerpc.cn_status': of('dcerpc', 'status'),
  'dcerpc.auth_type': numbered(of('dcerpc', 'authenticationType'), AUTHENTICATION_TYPES),
  'dcerpc.auth_level': numbered(of('dcerpc', 'authenticationLevel'), LEVELS),
  'epm.proto.tcp_port': of('dcerpc', 'towers.port'),
  // Kerberos
  'kerberos.msg_type': kerberos('messageType'),
  'kerberos.error_code': kerberos('errorCode'),
  'kerberos.CNameString': (layers) => kerberos('client')(layers).flatMap((name) => name.split('/')),
  'kerberos.SNameString': (layers) =>
    layers.flatMap((layer) => kerberosOf(layer)).flatMap((message) => [...sname(message)]),
  'kerberos.crealm': (layers) =>
    layers
      .flatMap((layer) => kerberosOf(layer))
      .filter(({ messageType }) => messageType !== 10 && messageType !== 12)
      .flatMap(({ clientRealm }) => (clientRealm === undefined ? [] : [String(clientRealm)])),
  'kerberos.ENCTYPE': kerberos('etypes'),
  'kerberos.padata_type': kerberos('preauthentication'),
  'kerberos.nonce': kerberos('nonce'),
  'kerberos.e_text': kerberos('errorText'),
  // LDAP
  'ldap.messageID': of('ldap', 'messageId'),
  'ldap.protocolOp': of('ldap', 'operation'),
  'ldap.name': of('ldap', 'name'),
  'ldap.mechanism': (layers) =>
    layers
      .filter(({ layer, authentication }) => layer === 'ldap' && authentication === 'SASL')
      .map(({ mechanism }) => String(mechanism)),
  'ldap.baseObject': of('ldap', 'baseObject'),
  'ldap.scope': numbered(of('ldap', 'scope'), SCOPES),
  'ldap.AttributeDescription': (layers) =>
    layers
      .filter(({ layer, operation }) => layer === 'ldap' && operation === 3)
      .flatMap((layer) => valuesAt(layer, ['attributes']))
      .map(String),
  'ldap.resultCode': of('ldap', 'resultCode'),
  'ldap.matchedDN': of('ldap', 'matchedDn'),
  'ldap.errorMessage': of('ldap', 'diagnosticMessage'),
  'ldap.objectName': entry(4),
  'ldap.object': entry(6),
  'ldap.entry': (layers) => [...entry(8)(layers), ...entry(12)(layers), ...entry(14)(layers)],
  'ldap.requestName': extension(23),
  'ldap.responseName': extension(24),
  'ldap.controlType': of('ldap', 'controls'),
  'ldap.newrdn': of('ldap', 'newRdn'),
  // NetBIOS
  'nbdgm.type': of('nbdgm', 'type'),
}

function flags(layers: readonly Layer[], name: string): Values {
  return layers
    .filter((layer) => layer.layer === 'smb2' && layer[name] !== undefined)
    .map((layer) => (layer[name] === true ? '1' : '0'))
}

function guids(layers: readonly Layer[], isResponse: boolean): Values {
  return layers
    .filter((layer) => layer.layer === 'smb2' && layer['isResponse'] === isResponse && layer['guid'] !== undefined)
    .map(({ guid }) => String(guid))
}

function versions(layers: readonly Layer[], index: number): Values {
  return of('dcerpc', 'contexts.interfaceVersion')(layers).map((version) => version.split('.')[index])
}

function extension(operation: number): FieldReader {
  return (layers) =>
    layers
      .filter((layer) => layer.layer === 'ldap' && layer['operation'] === operation)
      .flatMap((layer) => valuesAt(layer, ['extension']))
      .map(String)
}

function entry(operation: number): FieldReader {
  return (layers) =>
    layers
      .filter((layer) => layer.layer === 'ldap' && layer['operation'] === operation)
      .map(({ object }) => String(object))
}

function ntlmOf(layers: readonly Layer[]): Record<string, unknown>[] {
  return layers.flatMap((layer) =>
    valuesAt(layer, layer.layer === 'smb' ? ['blocks', 'security', 'ntlm'] : ['security', 'ntlm']),
  ) as Record<string, unknown>[]
}

function authenticating(name: string): FieldReader {
  return (layers) =>
    ntlmOf(layers)
      .filter(({ messageType }) => messageType === 3)
      .flatMap((message) => valuesAt(message, [name]))
      .map(String)
}

function challenge(name: string): FieldReader {
  return (layers) =>
    ntlmOf(layers)
      .filter(({ messageType }) => messageType === 2)
      .flatMap((message) => valuesAt(message, ['target', name]))
      .map(String)
}

function kerberosOf(layer: Layer): Record<string, unknown>[] {
  if (layer.layer === 'kerberos') return [layer]
  return valuesAt(
    layer,
    layer.layer === 'smb' ? ['blocks', 'security', 'kerberos'] : ['security', 'kerberos'],
  ) as Record<string, unknown>[]
}

/** In the order in which a message has them: the ticket of a request stands in its preauthentication data. */
function sname(message: Record<string, unknown>): string[] {
  const isRequest = message['messageType'] === 10 || message['messageType'] === 12
  const tickets = valuesAt(message, ['ticket', 'service'])
  const own = valuesAt(message, ['service'])
  const more = valuesAt(message, ['additionalTickets', 'service'])
  return [...(isRequest ? [...tickets, ...own] : [...own, ...tickets]), ...more].flatMap((name) =>
    String(name).split('/'),
  )
}

/** One field of one packet, with both answers in the order of the wire. */
export interface WindowsDisagreement {
  readonly capture: string
  readonly number: number
  readonly field: string
  readonly ours: Values
  readonly theirs: Values
  readonly layers: readonly Layer[]
  readonly protocols: string
}

export interface WindowsArgument {
  readonly fields: RegExp
  readonly reason: string
  readonly holds: (disagreement: WindowsDisagreement) => boolean
}

/** Fields that tshark shows again in later packets of a conversation, and whether a packet has its own. */
const REMEMBERED: readonly (readonly [fields: RegExp, isOwn: (layer: Layer) => boolean])[] = [
  [/^smb2\.(tree|share_type)$/, (layer) => layer.layer === 'smb2' && layer['command'] === 3],
  [/^smb2\.filename$/, (layer) => layer.layer === 'smb2' && isRequestOf(layer, 5, 17)],
  [/^dcerpc\.opnum$/, (layer) => layer.layer === 'dcerpc' && layer['type'] === 0],
  [/^smb\.path$/, (layer) => layer.layer === 'smb' && isRequestOf(layer, 0x75, 0x70)],
  [/^smb\.(create\.disposition|access_mask)$/, (layer) => layer.layer === 'smb' && isRequestOf(layer, 0xa2)],
]

function isRequestOf(layer: Layer, ...commands: readonly number[]): boolean {
  return layer['isResponse'] === false && commands.includes(layer['command'] as number)
}

/** Where the two disagree, and why tshark is wrong, silent, or looks at something else. */
export const WINDOWS_ARGUMENTS: readonly WindowsArgument[] = [
  {
    fields: /./,
    reason: 'tshark shows what it remembers of an earlier packet; here a packet is looked at alone',
    holds: ({ field, ours, theirs, layers }) => {
      const remembered = REMEMBERED.find(([fields]) => fields.test(field))
      if (remembered === undefined || (ours.length === 0 && layers.some(remembered[1]))) return false
      return same(ours, theirs.slice(theirs.length - ours.length))
    },
  },
  {
    fields: /^smb\.cmd$/,
    reason: 'tshark also shows the 255 by which a chain of commands ends',
    holds: ({ ours, theirs }) =>
      same(
        ours,
        theirs.filter((value) => value !== '255'),
      ),
  },
  {
    fields: /^kerberos\.msg_type$/,
    reason: 'tshark counts the AP-REQ inside the preauthentication data of a request; here it is part of that request',
    holds: ({ ours, theirs }) =>
      same(
        ours,
        theirs.filter((value) => value !== '14'),
      ),
  },
  {
    fields: /^(smb2\.|ntlmssp\.|smb\.access_mask)/,
    reason: 'tshark decompresses; here a compressed message is named only',
    holds: ({ ours, layers }) => ours.length === 0 && layers.some(({ layer }) => layer === 'smb2-compressed'),
  },
  {
    fields: /^(dcerpc|ntlmssp|kerberos|spnego|epm)\./,
    reason:
      'a fragment of DCE/RPC that goes on in the next segment: tshark says nothing of it, here it is read as far as it goes',
    holds: ({ theirs, layers }) =>
      theirs.length === 0 && layers.some(({ layer, continues }) => layer === 'dcerpc' && continues === true),
  },
  {
    fields: /^(kerberos|spnego|ntlmssp)\./,
    reason: 'a login that goes on in the next segment: tshark gives up at its first field that is not all there',
    holds: ({ ours, theirs, layers }) =>
      isBeginning(theirs, ours) && layers.some(({ continues }) => continues === true),
  },
  {
    fields: /^(kerberos|spnego)\./,
    reason: 'tshark does not know the answers of SPNEGO in DCE/RPC, which come without a frame of GSS-API',
    holds: ({ theirs, layers }) => theirs.length === 0 && layers.some(({ layer }) => layer === 'dcerpc'),
  },
  {
    fields: /^ntlmssp\./,
    reason: 'a message of NTLM with a field outside of it: tshark gives up there, here the other fields are read',
    holds: ({ theirs, layers }) => theirs.length === 0 && JSON.stringify(layers).includes('ntlm.field'),
  },
  {
    fields: /^epm\.proto\.tcp_port$/,
    reason: 'an answer in several fragments: tshark reads it only when they are put together',
    holds: ({ theirs, layers }) =>
      theirs.length === 0 && layers.some(({ isLast, isFirst }) => isFirst !== true || isLast !== true),
  },
]

function isBeginning(part: Values, all: Values): boolean {
  return same(part, all.slice(0, part.length))
}

function same(a: Values, b: Values): boolean {
  return a.length === b.length && a.every((value, index) => value === b[index])
}
