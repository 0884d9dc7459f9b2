/** The fields of application protocols: tshark's names, and how what Borescope dissected reads under them. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Layer } from '../../src/dissect/layer.ts'
import { ja3sText, ja3Text } from '../../src/wire/tls-fingerprint.ts'
import type { TlsClientHello, TlsServerHello } from '../../src/wire/tls-hello.ts'

/** Packets in which tshark sees one of them. */
const FILTER = 'dns || mdns || llmnr || tls || http || ssh || rdp'

/** A field that every packet has, so that lines are never ambiguous. */
const NUMBER = 'frame.number'
const MALFORMED = '_ws.malformed'
const PROTOCOLS = 'frame.protocols'

export interface InnerPacket {
  readonly number: number
  readonly protocols: string
  readonly isMalformed: boolean
  /** All occurrences of each field of `INNER_FIELDS`, sorted. */
  readonly values: ReadonlyMap<string, readonly string[]>
}

/** What stands between occurrences, and between fields: nothing that a name could hold. */
const BETWEEN_VALUES = '\x1e'
const BETWEEN_FIELDS = '\x1f'

/** tshark's answers by packet number, among the first `packetsMax`. Each packet is read alone, as Borescope does. */
export async function askInner(path: string, packetsMax: number): Promise<Map<number, InnerPacket>> {
  const names = [NUMBER, MALFORMED, PROTOCOLS, ...Object.keys(INNER_FIELDS)]
  const child = spawn(
    'tshark',
    [
      ...['-n', '-r', path, '-c', String(packetsMax), '-Y', FILTER, '-T', 'fields'],
      ...['-E', 'occurrence=a', '-E', `aggregator=${BETWEEN_VALUES}`, '-E', `separator=${BETWEEN_FIELDS}`],
      ...['-o', 'tcp.desegment_tcp_streams:FALSE', '-o', 'http.dechunk_body:FALSE', '-o', 'ip.defragment:TRUE'],
      ...names.flatMap((name) => ['-e', name]),
    ],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  )
  const packets = new Map<number, InnerPacket>()
  for await (const line of createInterface({ input: child.stdout })) {
    const columns = line.split(BETWEEN_FIELDS)
    const [number, malformed, protocols, ...rest] = columns
    if (columns.length !== names.length) continue
    const values = new Map<string, readonly string[]>()
    Object.keys(INNER_FIELDS).forEach((name, i) => {
      if (rest[i] !== '') values.set(name, rest[i].split(BETWEEN_VALUES).map(spelt).sort())
    })
    const opaque = values.get('tls.record.opaque_type')
    if (opaque !== undefined) {
      // What is encrypted in TLS 1.3 states its type under another name.
      values.set('tls.record.content_type', [...(values.get('tls.record.content_type') ?? []), ...opaque].sort())
      values.delete('tls.record.opaque_type')
    }
    packets.set(Number(number), { number: Number(number), protocols, isMalformed: malformed !== '', values })
  }
  return packets
}

/** Numbers come in decimal or hexadecimal digits, truths as words, the root of all names by its own. */
function spelt(value: string): string {
  if (/^0x[0-9a-f]+$/i.test(value)) return String(Number.parseInt(value, 16))
  if (value === 'True') return '1'
  if (value === 'False') return '0'
  return value === '<Root>' ? '' : value
}

type Values = readonly (string | number | boolean | undefined)[]
type Reader = (layers: readonly Layer[]) => Values

const DNS_LAYERS = new Set(['dns', 'mdns', 'llmnr'])

interface Item {
  readonly name: string
  readonly type: number
  readonly class: number
  readonly [field: string]: unknown
}

function dnsLayers(layers: readonly Layer[]): readonly Layer[] {
  return layers.filter((layer) => DNS_LAYERS.has(layer.layer) && layer['flags'] !== undefined)
}

function header(field: string): Reader {
  return (layers) => dnsLayers(layers).map((layer) => layer[field] as number)
}

function flag(name: string): Reader {
  return (layers) => dnsLayers(layers).map((layer) => (layer['flags'] as readonly string[]).includes(name))
}

/** In an update the same counts have other names (RFC 2136 section 2.2). */
function counter(field: string, isUpdate: boolean): Reader {
  return (layers) =>
    dnsLayers(layers)
      .filter((layer) => (layer['opcode'] === 5) === isUpdate)
      .map((layer) => layer[field] as number)
}

function questions(field: string): Reader {
  return (layers) =>
    dnsLayers(layers).flatMap((layer) => (layer['questions'] as readonly Item[]).map((item) => item[field] as string))
}

function recordsOf(layers: readonly Layer[]): readonly Item[] {
  return dnsLayers(layers).flatMap((layer) => layer['records'] as readonly Item[])
}

/** A field of the records of some types, or of all. */
function records(field: string, ...types: readonly number[]): Reader {
  return (layers) =>
    recordsOf(layers)
      .filter(({ type }) => types.length === 0 || types.includes(type))
      .map((record) => record[field] as string)
}

function edns(
  read: (edns: { readonly udpSize: number; readonly options: readonly { length: number }[] }) => Values,
): Reader {
  return (layers) =>
    dnsLayers(layers).flatMap((layer) => (layer['edns'] === undefined ? [] : read(layer['edns'] as never)))
}

function both(...readers: readonly Reader[]): Reader {
  return (layers) => readers.flatMap((read) => read(layers))
}

interface Message {
  readonly type?: number
  readonly length?: number
  readonly isPartial?: true
  readonly clientHello?: TlsClientHello & { readonly ja3: string }
  readonly serverHello?: TlsServerHello & { readonly ja3s: string }
  readonly certificateLengths?: readonly number[]
}

/** A record that goes on in the next segment is nothing to tshark while it does not put segments together. */
function tlsLayers(layers: readonly Layer[]): readonly Layer[] {
  return layers.filter((layer) => layer.layer === 'tls' && layer['isPartial'] !== true)
}

function tlsField(field: string): Reader {
  return (layers) => tlsLayers(layers).map((layer) => layer[field] as number)
}

function messages(layers: readonly Layer[]): readonly Message[] {
  return tlsLayers(layers).flatMap((layer) => (layer['messages'] as readonly Message[] | undefined) ?? [])
}

function client(read: (hello: TlsClientHello & { readonly ja3: string }) => Values): Reader {
  return (layers) => messages(layers).flatMap(({ clientHello }) => (clientHello === undefined ? [] : read(clientHello)))
}

function server(read: (hello: TlsServerHello & { readonly ja3s: string }) => Values): Reader {
  return (layers) => messages(layers).flatMap(({ serverHello }) => (serverHello === undefined ? [] : read(serverHello)))
}

function alerts(field: 'level' | 'description'): Reader {
  return (layers) =>
    tlsLayers(layers).flatMap((layer) => {
      const alert = layer['alert'] as { readonly level: string; readonly description: number } | undefined
      if (alert === undefined) return []
      return [field === 'level' ? (alert.level === 'warning' ? 1 : 2) : alert.description]
    })
}

function of(name: string, field: string, type?: string): Reader {
  return (layers) =>
    layers
      .filter((layer) => layer.layer === name && (name === 'http' || layer['isPartial'] !== true))
      .filter((layer) => type === undefined || layer['type'] === type)
      .map((layer) => layer[field] as string)
}

function httpVersion(type: string): Reader {
  return (layers) =>
    of('http', 'version', type)(layers).map((version) => (version === undefined ? version : `HTTP/${version}`))
}

function rdpNegotiation(field: string): Reader {
  return (layers) =>
    of(
      'rdp',
      'negotiation',
    )(layers).map((value) => (value === undefined ? undefined : (value as unknown as Record<string, number>)[field]))
}

const NEGOTIATION_TYPES: Readonly<Record<string, number>> = { request: 1, response: 2, failure: 3 }

const [A, NS, CNAME, SOA, NULL, PTR, MX, TXT, AAAA, SRV, SVCB, HTTPS] = [1, 2, 5, 6, 10, 12, 15, 16, 28, 33, 64, 65]

export const INNER_FIELDS: Readonly<Record<string, Reader>> = {
  'dns.id': header('id'),
  'dns.flags.response': header('isResponse'),
  'dns.flags.opcode': header('opcode'),
  'dns.flags.authoritative': (layers) => notLlmnr(responses(layers)).map((layer) => hasFlag(layer, 'AA')),
  'dns.flags.truncated': flag('TC'),
  'dns.flags.recdesired': (layers) => notLlmnr(dnsLayers(layers)).map((layer) => hasFlag(layer, 'RD')),
  'dns.flags.recavail': (layers) => notLlmnr(responses(layers)).map((layer) => hasFlag(layer, 'RA')),
  'dns.flags.rcode': (layers) => responses(layers).map((layer) => (layer['responseCode'] as number) & 15),
  'dns.count.queries': counter('questionCount', false),
  'dns.count.zones': counter('questionCount', true),
  'dns.count.answers': counter('answerCount', false),
  'dns.count.prerequisites': counter('answerCount', true),
  'dns.count.auth_rr': counter('authorityCount', false),
  'dns.count.updates': counter('authorityCount', true),
  'dns.count.add_rr': header('additionalCount'),
  'dns.qry.name': questions('name'),
  'dns.qry.type': questions('type'),
  'dns.resp.name': both(
    (layers) => recordsOf(layers).flatMap(({ type, name }) => (type === SRV ? [] : [name])),
    edns(() => ['']),
  ),
  'dns.srv.name': (layers) =>
    recordsOf(layers).flatMap(({ type, name }) => (type === SRV ? [withoutService(name)] : [])),
  'dns.resp.type': both(
    records('type'),
    edns(() => [41]),
  ),
  'dns.resp.ttl': (layers) => recordsOf(layers).map(({ ttl }) => ttl as number),
  'dns.resp.len': both(
    records('dataLength'),
    edns(({ options }) => [options.reduce((sum, { length }) => sum + 4 + length, 0)]),
  ),
  'dns.rr.udp_payload_size': edns(({ udpSize }) => [udpSize]),
  'dns.a': records('address', A),
  'dns.aaaa': records('address', AAAA),
  'dns.ns': records('target', NS),
  'dns.cname': records('target', CNAME),
  'dns.ptr.domain_name': records('target', PTR),
  'dns.mx.preference': records('preference', MX),
  'dns.mx.mail_exchange': records('target', MX),
  'dns.txt': (layers) =>
    recordsOf(layers).flatMap(({ type, texts }) => (type === TXT ? (texts as readonly string[]) : [])),
  'dns.null': records('data', NULL),
  'dns.soa.mname': records('primary', SOA),
  'dns.soa.rname': records('mailbox', SOA),
  'dns.soa.serial_number': records('serial', SOA),
  'dns.soa.refresh_interval': records('refresh', SOA),
  'dns.soa.retry_interval': records('retry', SOA),
  'dns.soa.expire_limit': records('expire', SOA),
  'dns.soa.minimum_ttl': records('minimum', SOA),
  'dns.srv.priority': records('priority', SRV),
  'dns.srv.weight': records('weight', SRV),
  'dns.srv.port': records('port', SRV),
  'dns.srv.target': records('target', SRV),
  'dns.svcb.svcpriority': records('priority', SVCB, HTTPS),
  'dns.svcb.targetname': records('target', SVCB, HTTPS),
  'tls.record.content_type': tlsField('contentType'),
  'tls.record.opaque_type': () => [],
  'tls.record.version': tlsField('version'),
  'tls.record.length': tlsField('length'),
  'tls.handshake.type': (layers) => messages(layers).map(({ type }) => type),
  'tls.handshake.length': (layers) => messages(layers).map(({ length }) => length),
  'tls.handshake.version': both(
    client(({ version }) => [version]),
    server(({ version }) => [version]),
  ),
  'tls.handshake.session_id_length': both(
    client((hello) => [hello.sessionIdLength]),
    server((hello) => [hello.sessionIdLength]),
  ),
  'tls.handshake.ciphersuite': both(
    client((hello) => hello.cipherSuites),
    server(({ cipherSuite }) => [cipherSuite]),
  ),
  'tls.handshake.comp_method': both(
    client((hello) => hello.compressionMethods),
    server(({ compressionMethod }) => [compressionMethod]),
  ),
  'tls.handshake.extension.type': both(
    client(({ extensions }) => extensions),
    server(({ extensions }) => extensions),
  ),
  'tls.handshake.extensions_server_name': client(({ serverName }) => [serverName]),
  'tls.handshake.extensions_alpn_str': both(
    client(({ alpn = [] }) => alpn),
    server(({ alpn = [] }) => alpn),
  ),
  'tls.handshake.extensions_supported_group': client(({ groups = [] }) => groups),
  'tls.handshake.extensions_key_share_group': both(
    client(({ keyShareGroups = [] }) => keyShareGroups),
    server(({ group, isHelloRetryRequest }) => [isHelloRetryRequest ? undefined : group]),
  ),
  'tls.handshake.sig_hash_alg': client(({ signatureAlgorithms = [] }) => signatureAlgorithms),
  'tls.handshake.extensions.supported_version': both(
    client(({ versions = [] }) => versions),
    server(({ selectedVersion }) => [selectedVersion]),
  ),
  'tls.handshake.certificate_length': (layers) =>
    messages(layers).flatMap(({ certificateLengths = [] }) => certificateLengths),
  'tls.handshake.ja3': client((hello) => [hello.ja3]),
  'tls.handshake.ja3_full': client((hello) => [ja3Text(hello)]),
  'tls.handshake.ja3s': server((hello) => [hello.ja3s]),
  'tls.handshake.ja3s_full': server((hello) => [ja3sText(hello)]),
  'tls.alert_message.level': alerts('level'),
  'tls.alert_message.desc': alerts('description'),
  'http.request.method': of('http', 'method', 'request'),
  'http.request.uri': of('http', 'target', 'request'),
  'http.request.version': httpVersion('request'),
  'http.response.version': httpVersion('response'),
  'http.response.code': of('http', 'status', 'response'),
  'http.host': of('http', 'host'),
  'http.user_agent': of('http', 'userAgent'),
  'http.server': of('http', 'server'),
  'http.content_type': of('http', 'contentType'),
  'http.content_length': of('http', 'contentLength'),
  'http.transfer_encoding': of('http', 'transferEncoding'),
  'http.location': of('http', 'location'),
  'http.referer': of('http', 'referrer'),
  'http.upgrade': of('http', 'upgrade'),
  'http.x_forwarded_for': of('http', 'forwardedFor'),
  'ssh.protocol': of('ssh', 'line'),
  'ssh.message_code': of('ssh', 'messageType'),
  'ssh.kex_algorithms': of('ssh', 'kexAlgorithms'),
  'ssh.server_host_key_algorithms': of('ssh', 'hostKeyAlgorithms'),
  'ssh.encryption_algorithms_client_to_server': of('ssh', 'encryptionClientToServer'),
  'ssh.encryption_algorithms_server_to_client': of('ssh', 'encryptionServerToClient'),
  'ssh.mac_algorithms_client_to_server': of('ssh', 'macClientToServer'),
  'ssh.mac_algorithms_server_to_client': of('ssh', 'macServerToClient'),
  'ssh.compression_algorithms_client_to_server': of('ssh', 'compressionClientToServer'),
  'ssh.compression_algorithms_server_to_client': of('ssh', 'compressionServerToClient'),
  'ssh.kex.hassh': of('ssh', 'hassh'),
  'ssh.kex.hasshserver': of('ssh', 'hasshServer'),
  'rdp.rt_cookie': (layers) =>
    of('rdp', 'user')(layers).map((user) => (user === undefined ? user : `Cookie: mstshash=${user}`)),
  'rdp.neg_type': (layers) => rdpNegotiation('type')(layers).map((type) => NEGOTIATION_TYPES[String(type)]),
  'rdp.negReq.requestedProtocols': rdpNegotiation('requested'),
  'rdp.negReq.selectedProtocol': rdpNegotiation('selected'),
  'rdp.negFailure.failureCode': rdpNegotiation('failureCode'),
}

function responses(layers: readonly Layer[]): readonly Layer[] {
  return dnsLayers(layers).filter((layer) => layer['isResponse'] === true)
}

/** tshark shows service and protocol apart from the name. */
function withoutService(name: string): string {
  return name.split('.').slice(2).join('.')
}

/** Flags that LLMNR has others in place of (RFC 4795 section 2.1.1). */
function notLlmnr(layers: readonly Layer[]): readonly Layer[] {
  return layers.filter(({ layer }) => layer !== 'llmnr')
}

function hasFlag(layer: Layer, name: string): boolean {
  return (layer['flags'] as readonly string[]).includes(name)
}

/** tshark shows a dot inside a label as it is. */
function unescaped(value: string): string {
  return value.replaceAll('\\.', '.')
}

/** What Borescope says under each name, sorted. */
export function innerValues(layers: readonly Layer[]): Map<string, readonly string[]> {
  const values = new Map<string, readonly string[]>()
  for (const [name, read] of Object.entries(INNER_FIELDS)) {
    const found = read(layers)
      .filter((value) => value !== undefined)
      .map((value) => (typeof value === 'boolean' ? (value ? '1' : '0') : unescaped(String(value))))
    if (found.length > 0) values.set(name, found.sort())
  }
  return values
}
