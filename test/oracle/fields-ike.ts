/** The oracle's field names of IKE, and how what Borescope dissected reads under them. */
import type { Layer } from '../../src/dissect/layer.ts'
import type { IkePayload } from '../../src/wire/ike-payload.ts'
import type { IkeAttribute, IkeProposal, IkeTransform } from '../../src/wire/ike-proposal.ts'
import type { Entry } from './fields.ts'
import type { OracleField } from './tshark.ts'

/**
 * How two spellings of a value become one. `number`: decimal or hexadecimal. `octets`: hex digits. `length`: only how many
 * octets. `text`: the octets as UTF-8. `shown`: as tshark shows it. `present`: that it is there.
 */
type Kind = 'number' | 'octets' | 'length' | 'text' | 'shown' | 'present'

/** Every field that is compared, without `isakmp.` before it. */
const KINDS: Readonly<Record<string, Kind>> = {
  ispi: 'octets',
  rspi: 'octets',
  nextpayload: 'number',
  typepayload: 'number',
  payloadlength: 'number',
  criticalpayload: 'number',
  reserved: 'octets',
  reserved7: 'number',
  version: 'number',
  mjver: 'number',
  mnver: 'number',
  exchangetype: 'number',
  flags: 'number',
  flag_e: 'number',
  flag_c: 'number',
  flag_a: 'number',
  flag_i: 'number',
  flag_v: 'number',
  flag_r: 'number',
  messageid: 'number',
  length: 'number',
  'sa.doi': 'number',
  'sa.situation': 'octets',
  'sa.situation.identity_only': 'number',
  'sa.situation.secrecy': 'number',
  'sa.situation.integrity': 'number',
  'prop.number': 'number',
  'prop.protoid': 'number',
  'prop.transforms': 'number',
  spisize: 'number',
  spi: 'octets',
  spinum: 'number',
  'trans.number': 'number',
  'trans.id': 'number',
  'tf.type': 'number',
  'tf.id.encr': 'number',
  'tf.id.prf': 'number',
  'tf.id.integ': 'number',
  'tf.id.dh': 'number',
  'tf.id.esn': 'number',
  'tf.id': 'number',
  'ike.attr.format': 'number',
  'ike.attr.type': 'number',
  'ike.attr.length': 'number',
  'ike.attr.value': 'octets',
  'ike.attr.encryption_algorithm': 'number',
  'ike.attr.hash_algorithm': 'number',
  'ike.attr.authentication_method': 'number',
  'ike.attr.group_description': 'number',
  'ike.attr.group_type': 'number',
  'ike.attr.life_type': 'number',
  'ike.attr.life_duration': 'number',
  'ike.attr.life_duration64': 'number',
  'ike.attr.key_length': 'number',
  'ike.attr.asymmetric_cryptographic_algorithm_type': 'number',
  'ipsec.attr.format': 'number',
  'ipsec.attr.type': 'number',
  'ipsec.attr.length': 'number',
  'ipsec.attr.value': 'octets',
  'ipsec.attr.life_type': 'number',
  'ipsec.attr.life_duration': 'number',
  'ipsec.attr.life_duration64': 'number',
  'ipsec.attr.group_description': 'number',
  'ipsec.attr.encap_mode': 'number',
  'ipsec.attr.auth_algorithm': 'number',
  'ipsec.attr.key_length': 'number',
  'ipsec.attr.key_rounds': 'number',
  'ipsec.attr.cmpr_dict_size': 'number',
  'ipsec.attr.ecn_tunnel': 'number',
  'ipsec.attr.ext_seq_nbr': 'number',
  'ipsec.attr.auth_key_length': 'number',
  'ipsec.attr.addr_preservation': 'number',
  'ipsec.attr.sa_direction': 'number',
  'ike2.attr.format': 'number',
  'ike2.attr.type': 'number',
  'ike2.attr.length': 'number',
  'ike2.attr.value': 'octets',
  'ike2.attr.key_length': 'number',
  'key_exchange.dh_group': 'number',
  'key_exchange.data': 'octets',
  'id.type': 'number',
  'id.protoid': 'number',
  'id.port': 'number',
  'id.data.ipv4_addr': 'shown',
  'id.data.fqdn': 'text',
  'id.data.user_fqdn': 'text',
  'id.data.ipv4_subnet': 'shown',
  'id.data.ipv4_range_start': 'shown',
  'id.data.ipv4_range_end': 'shown',
  'id.data.ipv6_addr': 'shown',
  'id.data.ipv6_subnet': 'shown',
  'id.data.ipv6_range_start': 'shown',
  'id.data.ipv6_range_end': 'shown',
  'id.data.key_id': 'octets',
  'cert.encoding': 'number',
  'cert.x509.hash': 'octets',
  'cert.x509.url': 'text',
  'certreq.type': 'number',
  'ike.certreq.authority': 'octets',
  'auth.method': 'number',
  'auth.data': 'length',
  hash: 'length',
  sig: 'length',
  nonce: 'octets',
  'notify.doi': 'number',
  'notify.protoid': 'number',
  'notify.msgtype': 'number',
  'notify.data': 'octets',
  'notify.data.dpd.are_you_there': 'number',
  'notify.data.dpd.are_you_there_ack': 'number',
  'notify.data.unity.load_balance': 'shown',
  'notify.data.accepted_dh_group': 'number',
  'notify.data.ipcomp.cpi': 'number',
  'notify.data.ipcomp.transform_id': 'number',
  'notify.data.auth_lifetime': 'number',
  'notify.data.redirect.gw_ident.type': 'number',
  'notify.data.redirect.gw_ident.len': 'number',
  'notify.data.redirect.new_resp_gw_ident.ipv4': 'shown',
  'notify.data.redirect.new_resp_gw_ident.ipv6': 'shown',
  'notify.data.redirect.new_resp_gw_ident.fqdn': 'text',
  'notify.data.redirect.nonce_data': 'length',
  'notify.data.redirect.org_resp_gw_ident.ipv4': 'shown',
  'notify.data.redirect.org_resp_gw_ident.ipv6': 'shown',
  'notify.data.ticket_opaque.lifetime': 'number',
  'notify.data.ticket_opaque.data': 'length',
  'notify.data.qcd.token_secret_data': 'length',
  'notify.data.ha.nonce_data': 'number',
  'notify.data.ha.expected_send_req_message_id': 'number',
  'notify.data.ha.expected_recv_req_message_id': 'number',
  'notify.data.signature_hash_algorithms': 'number',
  'notify.data.resp_lifetime.ike.attr.format': 'number',
  'notify.data.resp_lifetime.ike.attr.type': 'number',
  'notify.data.resp_lifetime.ike.attr.length': 'number',
  'notify.data.resp_lifetime.ike.attr.value': 'octets',
  'notify.data.resp_lifetime.ike.attr.life_type': 'number',
  'notify.data.resp_lifetime.ike.attr.life_duration': 'number',
  'notify.data.resp_lifetime.ipsec.attr.format': 'number',
  'notify.data.resp_lifetime.ipsec.attr.type': 'number',
  'notify.data.resp_lifetime.ipsec.attr.length': 'number',
  'notify.data.resp_lifetime.ipsec.attr.value': 'octets',
  'notify.data.resp_lifetime.ipsec.attr.life_type': 'number',
  'notify.data.resp_lifetime.ipsec.attr.life_duration': 'number',
  'delete.doi': 'number',
  'delete.protoid': 'number',
  'delete.spi': 'octets',
  vid_bytes: 'octets',
  'vid.cp.product': 'number',
  'ike.nat_hash': 'octets',
  'ike.nat_original_address_ipv4': 'shown',
  'ike.nat_original_address_ipv6': 'shown',
  'ts.number': 'number',
  'ts.type': 'number',
  'ts.protoid': 'number',
  'ts.selector_length': 'number',
  'ts.start_port': 'number',
  'ts.end_port': 'number',
  'ts.start_ipv4': 'shown',
  'ts.end_ipv4': 'shown',
  'ts.start_ipv6': 'shown',
  'ts.end_ipv6': 'shown',
  'cfg.type': 'number',
  'cfg.identifier': 'number',
  'cfg.attr.format': 'number',
  'cfg.attr.type': 'number',
  'cfg.attr.length': 'number',
  'cfg.attr.internal_ip4_address': 'shown',
  'cfg.attr.internal_ip4_netmask': 'shown',
  'cfg.attr.internal_ip4_dns': 'shown',
  'cfg.attr.internal_ip4_nbns': 'shown',
  'cfg.attr.internal_address_expiry': 'number',
  'cfg.attr.internal_ip4_dhcp': 'shown',
  'cfg.attr.application_version': 'text',
  'cfg.attr.internal_ip6_address': 'shown',
  'cfg.attr.internal_ip6_address.prefix': 'number',
  'cfg.attr.internal_ip6_netmask': 'shown',
  'cfg.attr.internal_ip6_dns': 'shown',
  'cfg.attr.internal_ip6_nbns': 'shown',
  'cfg.attr.internal_ip6_dhcp': 'shown',
  'cfg.attr.internal_ip4_subnet_ip': 'shown',
  'cfg.attr.internal_ip4_subnet_netmask': 'shown',
  'cfg.attr.internal_ip6_subnet_ip': 'shown',
  'cfg.attr.internal_ip6_subnet_prefix': 'number',
  'cfg.attr.internal_ip6_prefix_ip': 'shown',
  'cfg.attr.internal_ip6_prefix_length': 'number',
  'cfg.attr.p_cscf_ip4_address': 'shown',
  'cfg.attr.p_cscf_ip6_address': 'shown',
  'cfg.attr.xauth.type': 'number',
  'cfg.attr.xauth.user_name': 'text',
  'cfg.attr.xauth.user_password': 'length',
  'cfg.attr.xauth.passcode': 'length',
  'cfg.attr.xauth.message': 'text',
  'cfg.attr.xauth.challenge': 'octets',
  'cfg.attr.xauth.domain': 'text',
  'cfg.attr.xauth.status': 'number',
  'cfg.attr.xauth.next_pin': 'length',
  'cfg.attr.xauth.answer': 'length',
  'cfg.attr.unity.banner': 'text',
  'cfg.attr.unity.def_domain': 'text',
  'frag.packetid': 'number',
  'frag.seq': 'number',
  'frag.last': 'number',
  'frag.number': 'number',
  'frag.total': 'number',
  'reassembled.length': 'number',
  'gspm.data': 'octets',
  'enc.data': 'present',
  datapayload: 'length',
  extradata: 'length',
  'seq.seq': 'number',
}
/** Fields of other protocols that stand in payloads. */
const INNER_KINDS: Readonly<Record<string, Kind>> = {
  'eap.code': 'number',
  'eap.id': 'number',
  'eap.len': 'number',
  'eap.type': 'number',
}
const SERIAL_NUMBER = 'x509af.serialNumber'
const VENDOR_NAME = 'isakmp.vid_string'

/** Fields that hold nothing of their own, by why. */
export const IKE_PASSED_OVER: readonly { readonly names: RegExp; readonly reason: string }[] = [
  { names: /^(?!isakmp\.)/, reason: 'other layers, headings, and what a certificate is made of' },
  { names: /^isakmp\.(\w+\.)*attr$/, reason: 'a heading' },
  { names: /^isakmp\.(id|cert|ts|eap)\.data$/, reason: 'a heading, or octets that no reader takes apart' },
  {
    names: /^isakmp\.id\.data\.der_asn1_dn$/,
    reason: 'how many parts a name has; the name is compared as text elsewhere',
  },
  { names: /^isakmp\.ike\.certreq\.authority\.sig$/, reason: 'a heading: the name of the authority' },
  {
    names: /^isakmp\.vid\./,
    reason: 'parts of a vendor id, told in its name; its octets are compared',
  },
  { names: /^isakmp\.auth\.data\.sig\./, reason: 'parts of an octet string that is compared' },
  {
    names: /^isakmp\.(fragments?|fragment\.(count|overlap.*)|reassembled\.in)$/,
    reason: 'which packets the pieces came in',
  },
  { names: /^isakmp\.enc\.(iv|icd|decrypted|contained|padding|pad_length)/, reason: 'ciphertext, counted as a whole' },
  {
    names: /^isakmp\.ike\.attr\.(group_prime|group_generator|group_curve|prf|field_size|group_order|block_size)/,
    reason: 'the value once more',
  },
  { names: /^isakmp\.ipsec\.attr\.(cmpr_algorithm|sig_enco_algorithm)/, reason: 'the value once more' },
  { names: /^isakmp\..*life_duration_bytes$/, reason: 'the value once more' },
  {
    names: /^isakmp\.cfg\.attr\.(value|supported_attributes|internal_ip6_link_\w+)$/,
    reason: 'the value in another form',
  },
  {
    names: /^isakmp\.(sak|sat|kd)\./,
    reason: 'tshark looks for a second generic header in the payloads of group keys',
  },
  {
    names:
      /^isakmp\.(enc_data_length_mult_block_size|ikev2\.integrity_checksum|payloadlength\.invalid|attribute_value_empty|fragment_number\.invalid)$/,
    reason: 'opinions',
  },
  {
    names: /^isakmp\.notify\.(priv\.|data\.(rohc|secure_password_methods|ha\.incoming))/,
    reason: 'octets that are compared, taken apart',
  },
  { names: /^isakmp\.notify\.data\.redirect\.\w+\.data$/, reason: 'octets that are compared, taken apart' },
  { names: /^isakmp\.sa\.next_attribute_payload$|^isakmp\.reserved2$/, reason: 'reserved' },
]

/** What tshark says, of the fields that are compared. */
export function entriesOfIkeOracle(fields: readonly OracleField[]): Entry[] {
  const entries: Entry[] = []
  for (const { name, show, value } of fields) {
    if (name === VENDOR_NAME) entries.push({ name, value: show.startsWith('Unknown') ? 'unknown' : 'known' })
    else if (name === SERIAL_NUMBER) entries.push({ name, value: show.replaceAll(':', '').replace(/^0+/, '') })
    const kind = kindOf(name)
    if (kind === undefined) continue
    const spelt = oracleValue(kind, show, value)
    if (spelt !== '' && (kind !== 'length' || spelt !== '0')) entries.push({ name, value: spelt })
  }
  return entries
}

/** Whether a field of tshark's is compared. */
export function isComparedIke(name: string): boolean {
  return name === VENDOR_NAME || name === SERIAL_NUMBER || kindOf(name) !== undefined
}

function kindOf(name: string): Kind | undefined {
  return name.startsWith('isakmp.') ? KINDS[name.slice('isakmp.'.length)] : INNER_KINDS[name]
}

function oracleValue(kind: Kind, show: string, value: string): string {
  switch (kind) {
    case 'number':
      return show === '' ? '' : BigInt(show === 'True' ? 1 : show === 'False' ? 0 : show).toString()
    case 'octets':
      return value
    case 'length':
      return String(value.length / 2)
    case 'text':
      return Buffer.from(value, 'hex').toString('utf8')
    case 'present':
      return 'present'
    default:
      return show
  }
}

/** What Borescope says, in the oracle's names. */
export function entriesOfIke(layers: readonly Layer[]): Entry[] {
  const entries = new Entries()
  for (const layer of layers) if (layer.layer === 'ike' && layer['payloads'] !== undefined) addMessage(layer, entries)
  return entries.list
}

class Entries {
  readonly list: Entry[] = []

  /** Adds a value in the common spelling; undefined is not there. */
  add(name: string, value: unknown): void {
    if (value === undefined) return
    const kind = KINDS[name]
    const spelt =
      kind === 'number'
        ? BigInt(typeof value === 'boolean' ? Number(value) : (value as string | number)).toString()
        : kind === 'present'
          ? 'present'
          : String(value)
    if (spelt !== '' && (kind !== 'length' || spelt !== '0')) this.list.push({ name: `isakmp.${name}`, value: spelt })
  }

  /** A value whose name needs no prefix. */
  named(name: string, value: string): void {
    this.list.push({ name, value })
  }
}

interface Context {
  readonly version: number
  readonly entries: Entries
}

function addMessage(layer: Layer, entries: Entries): void {
  const [major, minor] = String(layer['version']).split('.').map(Number)
  const flags = layer['flags'] as number
  const payloads = layer['payloads'] as readonly IkePayload[]
  if (layer['isReassembled'] === true) entries.add('reassembled.length', layer['length'])
  entries.add('ispi', layer['initiatorSpi'])
  entries.add('rspi', layer['responderSpi'])
  entries.add('nextpayload', layer['nextPayload'])
  entries.add('version', major * 16 + minor)
  entries.add('mjver', major)
  entries.add('mnver', minor)
  entries.add('exchangetype', layer['exchangeType'])
  entries.add('flags', flags)
  const bits = major === 1 ? { flag_e: 1, flag_c: 2, flag_a: 4 } : { flag_i: 8, flag_v: 16, flag_r: 32 }
  for (const [name, bit] of Object.entries(bits)) entries.add(name, (flags & bit) !== 0)
  entries.add('messageid', layer['messageId'])
  entries.add('length', layer['length'])
  entries.add('enc.data', layer['encryptedLength'])
  for (const payload of payloads) addPayload(payload, { version: major, entries })
  entries.add('extradata', layer['extraLength'])
}

function addPayload(payload: IkePayload, context: Context): void {
  const { version, entries } = context
  entries.add('typepayload', payload.type)
  entries.add('nextpayload', payload.nextType)
  if (version === 2) {
    entries.add('criticalpayload', payload.isCritical)
    entries.add('reserved7', payload.reserved ?? 0)
  } else entries.add('reserved', octet(payload.reserved ?? 0))
  entries.add('payloadlength', payload.length)
  PAYLOADS[payload.kind]?.(payload as never, context)
}

function octet(value: number): string {
  return value.toString(16).padStart(2, '0')
}

type PayloadReaders = {
  readonly [K in IkePayload['kind']]?: (payload: Extract<IkePayload, { kind: K }>, context: Context) => void
}

const PAYLOADS: PayloadReaders = {
  sa: ({ doiNumber, situation, proposals }, context) => {
    const { entries } = context
    entries.add('sa.doi', doiNumber)
    if (situation !== undefined) {
      entries.add('sa.situation', situation.toString(16).padStart(8, '0'))
      entries.add('sa.situation.identity_only', (situation & 1) !== 0)
      entries.add('sa.situation.secrecy', (situation & 2) !== 0)
      entries.add('sa.situation.integrity', (situation & 4) !== 0)
    }
    for (const [i, proposal] of proposals.entries()) addProposal(proposal, i === proposals.length - 1, context)
  },
  ke: ({ groupNumber, data }, { version, entries }) => {
    entries.add('key_exchange.dh_group', groupNumber)
    if (version === 2) entries.add('reserved', '0000')
    entries.add('key_exchange.data', data)
  },
  id: ({ idTypeNumber, value, dataLength, protocol, port }, { version, entries }) => {
    entries.add('id.type', idTypeNumber)
    entries.add('id.protoid', protocol)
    entries.add('id.port', port)
    if (version === 2) entries.add('reserved', '000000')
    const [first, last] = value.split(/[-/]/)
    const identity: Readonly<Record<number, readonly (readonly [string, string | undefined])[]>> = {
      1: [['ipv4_addr', first]],
      2: [['fqdn', value]],
      3: [['user_fqdn', value]],
      4: [
        ['ipv4_addr', first],
        ['ipv4_subnet', last],
      ],
      5: [['ipv6_addr', first]],
      6: [
        ['ipv6_addr', first],
        ['ipv6_subnet', last],
      ],
      7: [
        ['ipv4_range_start', first],
        ['ipv4_range_end', last],
      ],
      8: [
        ['ipv6_range_start', first],
        ['ipv6_range_end', last],
      ],
      11: [['key_id', value.length === dataLength ? Buffer.from(value).toString('hex') : value]],
    }
    for (const [name, text] of identity[idTypeNumber] ?? []) entries.add(`id.data.${name}`, text)
  },
  cert: ({ encodingNumber, certificate, certificateHash, url }, { entries }) => {
    entries.add('cert.encoding', encodingNumber)
    entries.add('cert.x509.hash', certificateHash)
    entries.add('cert.x509.url', url)
    if (certificate !== undefined) entries.named(SERIAL_NUMBER, certificate.serialNumber.toLowerCase())
  },
  certreq: ({ encodingNumber, authorities }, { version, entries }) => {
    entries.add('certreq.type', encodingNumber)
    if (version === 2) for (const authority of authorities) entries.add('ike.certreq.authority', authority)
  },
  hash: ({ name, dataLength }, { entries }) => entries.add(name === 'SIG' ? 'sig' : 'hash', dataLength),
  auth: ({ methodNumber, dataLength }, { entries }) => {
    entries.add('auth.method', methodNumber)
    entries.add('reserved', '000000')
    entries.add('auth.data', dataLength)
  },
  nonce: ({ nonce }, { entries }) => entries.add('nonce', nonce),
  notify: addNotification,
  delete: ({ doiNumber, protocolNumber, spiLength, spiCount, spis }, { entries }) => {
    entries.add('delete.doi', doiNumber)
    entries.add('delete.protoid', protocolNumber)
    entries.add('spisize', spiLength)
    entries.add('spinum', spiCount)
    for (const spi of spis) entries.add('delete.spi', spi)
  },
  vendor: ({ value, vendor }, { entries }) => {
    entries.add('vid_bytes', value)
    entries.named(VENDOR_NAME, vendor === undefined ? 'unknown' : 'known')
  },
  natd: ({ hash }, { entries }) => entries.add('ike.nat_hash', hash),
  natoa: ({ idTypeNumber, address }, { entries }) => {
    entries.add('id.type', idTypeNumber)
    entries.add(`ike.nat_original_address_ipv${idTypeNumber === 5 ? 6 : 4}`, address)
  },
  ts: ({ selectorCount, selectors }, { entries }) => {
    entries.add('ts.number', selectorCount)
    entries.add('reserved', '000000')
    for (const selector of selectors) {
      const { typeNumber } = selector
      entries.add('ts.type', typeNumber)
      entries.add('ts.protoid', selector.protocol)
      entries.add('ts.selector_length', selector.length)
      entries.add('ts.start_port', selector.startPort)
      entries.add('ts.end_port', selector.endPort)
      entries.add(`ts.start_ipv${typeNumber === 8 ? 6 : 4}`, selector.startAddress)
      entries.add(`ts.end_ipv${typeNumber === 8 ? 6 : 4}`, selector.endAddress)
    }
  },
  config: addConfiguration,
  eap: ({ codeNumber, identifier, eapLength, eapType }, { entries }) => {
    entries.named('eap.code', String(codeNumber))
    entries.named('eap.id', String(identifier))
    entries.named('eap.len', String(eapLength))
    if (eapType !== undefined) entries.named('eap.type', String(eapType))
  },
  encrypted: ({ dataLength, fragment, fragments }, { entries }) => {
    entries.add('frag.number', fragment)
    entries.add('frag.total', fragments)
    if (fragment === undefined) entries.add('enc.data', dataLength)
  },
  fragment: ({ packet, fragment, isLast }, { entries }) => {
    entries.add('frag.packetid', packet)
    entries.add('frag.seq', fragment)
    entries.add('frag.last', isLast)
  },
  gdoi: ({ sequence }, { entries }) => entries.add('seq.seq', sequence),
  data: ({ data }, { entries }) => entries.add('gspm.data', data),
  other: ({ dataLength }, { entries }) => entries.add('datapayload', dataLength),
}

function addProposal(proposal: IkeProposal, isLast: boolean, context: Context): void {
  const { entries } = context
  const { number, length, protocolNumber, spi, transformCount, transforms } = proposal
  entries.add('typepayload', 2)
  entries.add('nextpayload', isLast ? 0 : 2)
  entries.add('reserved', '00')
  entries.add('payloadlength', length)
  entries.add('prop.number', number)
  entries.add('prop.protoid', protocolNumber)
  entries.add('spisize', spi.length / 2)
  entries.add('spi', spi)
  entries.add('prop.transforms', transformCount)
  for (const [i, transform] of transforms.entries())
    addTransform(transform, i === transforms.length - 1, protocolNumber, context)
}

const TRANSFORM_FIELDS: Readonly<Record<number, string>> = {
  1: 'tf.id.encr',
  2: 'tf.id.prf',
  3: 'tf.id.integ',
  4: 'tf.id.dh',
  5: 'tf.id.esn',
}
const ISAKMP = 1

function addTransform(
  { number, length, typeNumber, id, attributes }: IkeTransform,
  isLast: boolean,
  protocol: number,
  { version, entries }: Context,
): void {
  entries.add('typepayload', 3)
  entries.add('nextpayload', isLast ? 0 : 3)
  entries.add('reserved', '00')
  entries.add('payloadlength', length)
  if (version === 1) {
    entries.add('trans.number', number)
    entries.add('trans.id', id)
    entries.add('reserved', '0000')
  } else {
    entries.add('tf.type', typeNumber)
    entries.add('reserved', '00')
    entries.add(TRANSFORM_FIELDS[typeNumber] ?? 'tf.id', id)
  }
  const prefix = version === 2 ? 'ike2.attr' : protocol === ISAKMP ? 'ike.attr' : 'ipsec.attr'
  for (const attribute of attributes) addAttribute(prefix, attribute, entries)
}

const ATTRIBUTE_FIELDS: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  'ike2.attr': { 14: 'key_length' },
  'ike.attr': {
    1: 'encryption_algorithm',
    2: 'hash_algorithm',
    3: 'authentication_method',
    4: 'group_description',
    5: 'group_type',
    11: 'life_type',
    12: 'life_duration',
    14: 'key_length',
    20: 'asymmetric_cryptographic_algorithm_type',
  },
  'ipsec.attr': {
    1: 'life_type',
    2: 'life_duration',
    3: 'group_description',
    4: 'encap_mode',
    5: 'auth_algorithm',
    6: 'key_length',
    7: 'key_rounds',
    8: 'cmpr_dict_size',
    10: 'ecn_tunnel',
    11: 'ext_seq_nbr',
    12: 'auth_key_length',
    14: 'addr_preservation',
    15: 'sa_direction',
  },
}

function addAttribute(prefix: string, { type, isShort, length, value }: IkeAttribute, entries: Entries): void {
  entries.add(`${prefix}.format`, isShort)
  entries.add(`${prefix}.type`, type)
  if (!isShort) entries.add(`${prefix}.length`, length)
  const octets = typeof value === 'string' ? value : value.toString(16).padStart(length * 2, '0')
  entries.add(`${prefix}.value`, length === 0 ? '' : octets)
  const field = ATTRIBUTE_FIELDS[prefix.replace(/^.*\.(?=ike|ipsec)/, '')]?.[type]
  if (field === undefined || length === 0) return
  const is64 = field === 'life_duration' && length > 4
  entries.add(`${prefix}.${field}${is64 ? '64' : ''}`, typeof value === 'number' ? value : `0x${value}`)
}

const HASHES = ['SHA1', 'SHA2-256', 'SHA2-384', 'SHA2-512', 'Identity']

type Details = Readonly<Record<string, unknown>>

/** What the data of a notification say, by its number. */
const NOTIFICATIONS: Readonly<Record<number, (details: Details, entries: Entries) => void>> = {
  17: ({ groupNumber }, entries) => entries.add('notify.data.accepted_dh_group', groupNumber),
  16387: ({ cpi, transformId }, entries) => {
    entries.add('notify.data.ipcomp.cpi', cpi)
    entries.add('notify.data.ipcomp.transform_id', transformId)
  },
  16403: ({ lifetimeSeconds }, entries) => entries.add('notify.data.auth_lifetime', lifetimeSeconds),
  16407: (details, entries) => addGateway('new_resp', details, entries),
  16408: (details, entries) => addGateway('org_resp', details, entries),
  16409: ({ lifetimeSeconds, ticketLength }, entries) => {
    entries.add('notify.data.ticket_opaque.lifetime', lifetimeSeconds)
    entries.add('notify.data.ticket_opaque.data', ticketLength)
  },
  16419: ({ tokenLength }, entries) => entries.add('notify.data.qcd.token_secret_data', tokenLength),
  16422: ({ nonce, expectedSendMessageId, expectedReceiveMessageId }, entries) => {
    entries.add('notify.data.ha.nonce_data', nonce)
    entries.add('notify.data.ha.expected_send_req_message_id', expectedSendMessageId)
    entries.add('notify.data.ha.expected_recv_req_message_id', expectedReceiveMessageId)
  },
  16431: ({ algorithms }, entries) => {
    for (const name of algorithms as readonly string[])
      entries.add('notify.data.signature_hash_algorithms', HASHES.includes(name) ? HASHES.indexOf(name) + 1 : name)
  },
  36136: ({ sequence }, entries) => entries.add('notify.data.dpd.are_you_there', sequence),
  36137: ({ sequence }, entries) => entries.add('notify.data.dpd.are_you_there_ack', sequence),
  40501: ({ address }, entries) => entries.add('notify.data.unity.load_balance', address),
}

function addGateway(which: string, details: Details, entries: Entries): void {
  const { gatewayTypeNumber, gateway, nonceLength } = details
  const length = { 1: 4, 2: 16 }[gatewayTypeNumber as number] ?? String(gateway).length
  entries.add('notify.data.redirect.gw_ident.type', gatewayTypeNumber)
  entries.add('notify.data.redirect.gw_ident.len', length)
  const kind = ['ipv4', 'ipv6', 'fqdn'][(gatewayTypeNumber as number) - 1]
  if (kind !== undefined) entries.add(`notify.data.redirect.${which}_gw_ident.${kind}`, gateway)
  entries.add('notify.data.redirect.nonce_data', nonceLength)
}

function addNotification(payload: Extract<IkePayload, { kind: 'notify' }>, { version, entries }: Context): void {
  const { doiNumber, notification, protocolNumber, spi, data, details } = payload
  entries.add('notify.doi', doiNumber)
  entries.add('notify.protoid', protocolNumber)
  entries.add('spisize', spi.length / 2)
  entries.add('notify.msgtype', notification)
  entries.add('spi', spi)
  entries.add('notify.data', data)
  if (details === undefined) return
  if (version === 1 && notification === 24576) {
    const prefix = `notify.data.resp_lifetime.${protocolNumber === ISAKMP ? 'ike' : 'ipsec'}.attr`
    for (const attribute of details.attributes as readonly IkeAttribute[]) addAttribute(prefix, attribute, entries)
  } else NOTIFICATIONS[notification]?.(details as Details, entries)
}

/** Attributes of one value, by type. */
const CONFIGURATION: Readonly<Record<number, string>> = {
  1: 'internal_ip4_address',
  2: 'internal_ip4_netmask',
  3: 'internal_ip4_dns',
  4: 'internal_ip4_nbns',
  5: 'internal_address_expiry',
  6: 'internal_ip4_dhcp',
  7: 'application_version',
  8: 'internal_ip6_address',
  9: 'internal_ip6_netmask',
  10: 'internal_ip6_dns',
  11: 'internal_ip6_nbns',
  12: 'internal_ip6_dhcp',
  20: 'p_cscf_ip4_address',
  21: 'p_cscf_ip6_address',
  16521: 'xauth.user_name',
  16524: 'xauth.message',
  16525: 'xauth.challenge',
  16526: 'xauth.domain',
  28672: 'unity.banner',
  28674: 'unity.def_domain',
}
/** Attributes of two values: an address, and the mask or the length of its prefix. */
const CONFIGURATION_PAIRS: Readonly<Record<number, readonly [string, string]>> = {
  8: ['internal_ip6_address', 'internal_ip6_address.prefix'],
  13: ['internal_ip4_subnet_ip', 'internal_ip4_subnet_netmask'],
  15: ['internal_ip6_subnet_ip', 'internal_ip6_subnet_prefix'],
  18: ['internal_ip6_prefix_ip', 'internal_ip6_prefix_length'],
}
const CONFIGURATION_SECRETS: Readonly<Record<number, string>> = {
  16522: 'xauth.user_password',
  16523: 'xauth.passcode',
  16528: 'xauth.next_pin',
  16529: 'xauth.answer',
}
const CONFIGURATION_NAMES: Readonly<Record<number, readonly [string, readonly string[]]>> = {
  16520: ['xauth.type', ['generic', 'RADIUS-CHAP', 'OTP', 'S/KEY']],
  16527: ['xauth.status', ['fail', 'success']],
}

function addConfiguration(payload: Extract<IkePayload, { kind: 'config' }>, { version, entries }: Context): void {
  entries.add('cfg.type', payload.configTypeNumber)
  if (version === 1) {
    entries.add('reserved', '00')
    entries.add('cfg.identifier', payload.identifier)
  } else entries.add('reserved', '000000')
  for (const { type, isShort, length, value } of payload.attributes) {
    entries.add('cfg.attr.format', isShort)
    entries.add('cfg.attr.type', type)
    if (!isShort) entries.add('cfg.attr.length', length)
    const pair = CONFIGURATION_PAIRS[type]
    const names = CONFIGURATION_NAMES[type]
    const secret = CONFIGURATION_SECRETS[type]
    if (secret !== undefined) entries.add(`cfg.attr.${secret}`, length)
    else if (value === undefined) continue
    else if (names !== undefined) entries.add(`cfg.attr.${names[0]}`, names[1].indexOf(String(value)))
    else if (pair !== undefined) {
      const [first, second] = String(value).split('/')
      entries.add(`cfg.attr.${pair[0]}`, first)
      entries.add(`cfg.attr.${pair[1]}`, second)
    } else if (CONFIGURATION[type] !== undefined) entries.add(`cfg.attr.${CONFIGURATION[type]}`, value)
  }
}
