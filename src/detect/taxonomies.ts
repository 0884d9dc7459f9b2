/**
 * The classic network taxonomies of public Sigma rules (Zeek's logs, proxies, web servers, DNS servers, firewalls, NetFlow), as
 * tables: which of our events stand for a line of such a log, and which of our fields for its columns. What a bystander cannot
 * know says why.
 */
import type { EventName } from '../events/catalogue.ts'
import type { FieldName } from '../events/fields.ts'
import { DISCRIMINATOR, PRODUCT } from './documents.ts'
import type { DerivedField } from './derived.ts'
import type { FieldMapping, Taxonomy } from './sigma/taxonomy.ts'

type Fields = Readonly<Record<string, FieldName | DerivedField | { readonly missing: string }>>

const ends = {
  src_ip: 'source.ip',
  src_port: 'source.port',
  dst_ip: 'destination.ip',
  dst_port: 'destination.port',
} as const satisfies Fields

const ZEEK_ENDS = {
  uid: 'flow.uid',
  community_id: 'network.community_id',
  'id.orig_h': 'source.ip',
  'id.orig_p': 'source.port',
  'id.resp_h': 'destination.ip',
  'id.resp_p': 'destination.port',
} as const satisfies Fields

const BODY = { missing: 'bodies of requests and answers are not kept' }
const HEADERS = { missing: 'only the headers that the events name are kept, not the list of all' }
const COOKIE = { missing: 'cookies are secrets, which are never kept' }

/** W3C's extended log format, which proxies and web servers share. */
const W3C = {
  ...ends,
  'c-ip': 'source.ip',
  's-ip': 'destination.ip',
  's-port': 'destination.port',
  'cs-method': 'http.request.method',
  'cs-host': 'url.domain',
  'r-dns': 'url.domain',
  'c-uri': 'url.full',
  'cs-uri': 'url.full',
  'c-uri-extension': 'url.extension',
  'c-uri-query': 'url.query',
  'c-uri-stem': 'url.path',
  'cs-uri-stem': 'url.path',
  // Public rules look for paths in it: what they mean is the whole target.
  'cs-uri-query': 'url.original',
  'cs-version': 'http.version',
  'c-useragent': 'user_agent.original',
  'cs-user-agent': 'user_agent.original',
  'cs-referer': 'http.request.referrer',
  'cs-referrer': 'http.request.referrer',
  'cs-username': 'http.authentication.user',
  'cs-bytes': 'http.request.body.bytes',
  'sc-bytes': 'http.response.body.bytes',
  'sc-status': 'http.response.status_code',
  'cs-mime-type': 'http.request.mime_type',
  'rs-mime-type': 'http.response.mime_type',
  'cs-cookie': COOKIE,
  'cs-body': BODY,
} as const satisfies Fields

const DNS_FIELDS = {
  ...ends,
  query: 'dns.question.name',
  QueryName: 'dns.question.name',
  parent_domain: 'dns.question.registered_domain',
  record_type: 'dns.question.type',
  answer: 'dns.response.data',
  answers: 'dns.response.data',
  response: 'dns.response.data',
  rcode: 'dns.response_code',
} as const satisfies Fields

/** Who forwards and who drops a packet is not seen: an answer shows that a flow was let through, silence shows nothing. */
const FIREWALL = {
  ...ends,
  action: 'firewall.action',
  blocked: 'firewall.blocked',
  protocol: 'network.transport',
  app: 'network.protocol',
  bytes: 'network.bytes',
  username: 'user.name',
} as const satisfies Fields

function taxonomy(logsource: Taxonomy['logsource'], events: readonly EventName[], fields: Fields): Taxonomy {
  return {
    logsource,
    target: { product: PRODUCT, category: undefined, service: undefined },
    events: { field: DISCRIMINATOR, values: events },
    fields: fields satisfies Readonly<Record<string, FieldMapping>>,
  }
}

const zeek = (service: string, events: readonly EventName[], fields: Fields): Taxonomy =>
  taxonomy({ product: 'zeek', service }, events, { ...ZEEK_ENDS, ...fields })

const HTTP_EVENTS = ['http.requested', 'winrm.requested'] as const satisfies readonly EventName[]
const DNS_EVENTS = ['dns.answered', 'dns.queried'] as const satisfies readonly EventName[]
const FLOW_EVENTS = ['flow.closed'] as const satisfies readonly EventName[]

export const TAXONOMIES: readonly Taxonomy[] = [
  taxonomy({ category: 'proxy' }, HTTP_EVENTS, W3C),
  taxonomy({ category: 'webserver' }, HTTP_EVENTS, W3C),
  taxonomy({ category: 'webserver', product: 'apache' }, HTTP_EVENTS, W3C),
  taxonomy({ category: 'webserver', product: 'nginx' }, HTTP_EVENTS, W3C),
  taxonomy({ category: 'dns' }, DNS_EVENTS, DNS_FIELDS),
  taxonomy({ category: 'firewall' }, FLOW_EVENTS, FIREWALL),
  taxonomy({ service: 'netflow' }, FLOW_EVENTS, {
    ...ends,
    'source.ip': 'source.ip',
    'source.port': 'source.port',
    'destination.ip': 'destination.ip',
    'destination.port': 'destination.port',
    'network.transport': 'network.transport',
    'network.bytes': 'network.bytes',
    'network.packets': 'network.packets',
  }),
  zeek('conn', FLOW_EVENTS, {
    proto: 'network.transport',
    service: 'network.protocol',
    orig_bytes: 'source.bytes',
    resp_bytes: 'destination.bytes',
    orig_pkts: 'source.packets',
    resp_pkts: 'destination.packets',
    conn_state: { missing: "Zeek's codes of connection states stand for more than flow.tcp.state tells" },
    duration: { missing: 'it is in seconds there, event.duration in nanoseconds' },
  }),
  zeek('dns', DNS_EVENTS, {
    query: 'dns.question.name',
    qtype_name: 'dns.question.type',
    qclass_name: 'dns.question.class',
    rcode_name: 'dns.response_code',
    answers: 'dns.response.data',
    Z: { missing: 'the reserved bits of the header are in no event' },
  }),
  zeek('http', HTTP_EVENTS, {
    ...W3C,
    method: 'http.request.method',
    host: 'url.domain',
    uri: 'url.original',
    referrer: 'http.request.referrer',
    version: 'http.version',
    user_agent: 'user_agent.original',
    request_body_len: 'http.request.body.bytes',
    response_body_len: 'http.response.body.bytes',
    status_code: 'http.response.status_code',
    username: 'http.authentication.user',
    resp_mime_types: 'http.response.mime_type',
    orig_mime_types: 'http.request.mime_type',
    client_header_names: HEADERS,
    server_header_names: HEADERS,
    post_body: BODY,
    password: { missing: 'passwords are never kept' },
  }),
  zeek('ssl', ['tls.established', 'tls.failed'], {
    version: 'tls.version',
    cipher: 'tls.cipher',
    curve: 'tls.curve',
    server_name: 'tls.client.server_name',
    resumed: 'tls.resumed',
    established: 'tls.established',
    next_protocol: 'tls.next_protocol',
    subject: 'tls.server.subject',
    issuer: 'tls.server.issuer',
    ja3: 'tls.client.ja3',
    ja3s: 'tls.server.ja3s',
    last_alert: 'tls.alert.description',
    validation_status: { missing: 'certificates are not validated' },
  }),
  zeek('x509', ['tls.established', 'tls.failed'], {
    'certificate.serial': 'zeek.certificate.serial',
    'certificate.subject': 'tls.server.subject',
    'certificate.issuer': 'tls.server.issuer',
    'certificate.sig_alg': 'tls.server.x509.signature_algorithm',
    'certificate.key_alg': 'tls.server.x509.public_key_algorithm',
    'certificate.key_length': 'tls.server.x509.public_key_size',
    'san.dns': 'tls.server.x509.alternative_names',
    fingerprint: 'tls.server.hash.sha256',
  }),
  zeek('ssh', ['ssh.negotiated', 'ssh.authentication.inferred'], {
    client: 'ssh.client.software',
    server: 'ssh.server.software',
    cipher_alg: 'ssh.cipher',
    mac_alg: 'ssh.mac',
    kex_alg: 'ssh.kex_algorithm',
    host_key_alg: 'ssh.host_key_algorithm',
    hassh: 'ssh.client.hassh',
    hasshServer: 'ssh.server.hassh',
    auth_attempts: 'ssh.authentication.attempts',
    auth_success: { missing: 'it is a boolean there, event.outcome here' },
  }),
  zeek('socks', ['socks.requested'], {
    version: { missing: 'it is a number there, and 4A is not told apart' },
    user: 'socks.authentication.user',
    'request.host': 'socks.request.host',
    'request.name': 'socks.request.host',
    request_p: 'socks.request.port',
    'bound.host': 'socks.bound.host',
    bound_p: 'socks.bound.port',
    status: 'socks.reply',
    password: { missing: 'passwords are never kept' },
  }),
  zeek('rdp', ['rdp.requested'], {
    cookie: 'rdp.user',
    security_protocol: 'rdp.selected_protocol',
    result: { missing: 'it is another word there than rdp.failure here' },
  }),
  zeek('smb_files', ['smb.file.opened', 'smb.file.renamed', 'smb.file.deleted', 'smb.pipe.opened'], {
    path: 'smb.share.path',
    name: 'zeek.smb.name',
    size: 'file.size',
    action: { missing: "Zeek's names of actions are ours only in part" },
  }),
  zeek('smb_mapping', ['smb.tree.connected'], { path: 'smb.share.path', share_type: 'smb.share.type' }),
  zeek('dce_rpc', ['dcerpc.called'], {
    endpoint: 'dcerpc.interface.name',
    operation: 'zeek.dce_rpc.operation',
    named_pipe: 'smb.pipe',
  }),
  zeek('ntlm', ['ntlm.authenticated', 'ntlm.failed'], {
    username: 'user.effective.name',
    domainname: 'user.effective.domain',
    hostname: 'ntlm.workstation',
    server_nb_computer_name: 'ntlm.server.name',
    success: { missing: 'it is a boolean there, event.outcome here' },
  }),
  zeek('kerberos', ['kerberos.ticket.issued', 'kerberos.ticket.refused', 'kerberos.ticket.requested'], {
    request_type: 'kerberos.request',
    client: 'user.effective.name',
    service: 'kerberos.service',
    cipher: 'kerberos.ticket.etype',
    error_msg: 'error.code',
    success: { missing: 'it is a boolean there, event.outcome here' },
  }),
]
