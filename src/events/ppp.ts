/** PPP links and who logs in on them: their fields and events. */
import { OUTER, TRAFFIC } from './common.ts'
import { type EventShape, type FieldDeclaration, own } from './declaration.ts'

export const PPP_FIELDS = {
  'ppp.phase': own('keyword', 'How far the link came: `establish`, `authenticate`, `network` or `terminated`.'),
  'ppp.authentication.method': own(
    'keyword',
    '`PAP`, `CHAP-MD5`, `MS-CHAP`, `MS-CHAPv2`, `EAP-MD5`, `EAP-TLS` …, or `none`.',
  ),
  'ppp.authentication.server_name': own('keyword', 'The name that the authenticator gave in its challenge.'),
  'ppp.authentication.attempts': own('long', 'Answers that the peer sent, with their repetitions left out.'),
  'ppp.authentication.message': own('keyword', 'The message of the success or failure.'),
  'ppp.error.code': own('long', 'MS-CHAP error code (E=).'),
  'ppp.error.text': own('keyword', 'The MS-CHAP error in words.'),
  'ppp.error.retry': own('boolean', 'MS-CHAP R=1: the authenticator allows another try.'),
  'ppp.client.ip': own('ip', 'IPv4 address that IPCP gave to the client.'),
  'ppp.server.ip': own('ip', 'IPv4 address of the server end.'),
  'ppp.client.interface_id': own('keyword', 'IPV6CP interface identifier of the client.'),
  'ppp.server.interface_id': own('keyword', 'IPV6CP interface identifier of the server.'),
  'ppp.dns': own('ip[]', 'DNS servers given to the client.'),
  'ppp.nbns': own('ip[]', 'NetBIOS name servers given to the client.'),
  'ppp.client.mru': own('long', 'MRU that the client announced.'),
  'ppp.server.mru': own('long', 'MRU that the server announced.'),
  'ppp.compression': own('keyword[]', '`pfc`, `acfc`, `vj`, `deflate`, `mppc` …: what was agreed.'),
  'ppp.mppe.bits': own('long', 'MPPE key strength agreed: 40, 56 or 128.'),
  'ppp.mppe.stateless': own('boolean', 'MPPE changes its key with every packet.'),
  'ppp.protocols': own('keyword[]', 'PPP protocols that the link carried.'),
  'ppp.packets.encrypted': own('long', 'Packets encrypted or compressed by CCP (PPP protocol 0x00fd).'),
  'ppp.terminated_by': own('keyword', '`client`, `server`, or absent.'),
} as const satisfies Record<string, FieldDeclaration>

const LINK_MAY = [
  ...OUTER,
  'source.mac',
  'destination.mac',
  'esp.tunnel.uid',
  'ike.uid',
  'l2tp.tunnel.uid',
  'l2tp.session.uid',
  'l2tp.tunnel.initiator_id',
  'l2tp.tunnel.responder_id',
  'l2tp.session.initiator_id',
  'l2tp.session.responder_id',
  'l2tp.initiator.host_name',
  'l2tp.responder.host_name',
  'l2tp.call.calling_number',
  'user.name',
  'ppp.authentication.method',
  'ppp.authentication.server_name',
] as const
const LINK_NETWORK_MAY = [
  'ppp.client.ip',
  'ppp.server.ip',
  'ppp.client.interface_id',
  'ppp.server.interface_id',
  'ppp.dns',
  'ppp.nbns',
  'ppp.client.mru',
  'ppp.server.mru',
  'ppp.compression',
  'ppp.mppe.bits',
  'ppp.mppe.stateless',
] as const
const LINK = ['network.protocol', 'borescope.lineage'] as const

export const PPP_EVENTS = {
  'ppp.authentication.succeeded': {
    says: 'A PPP peer logged in.',
    dataset: 'ppp',
    kind: 'event',
    category: ['authentication', 'network'],
    type: ['start', 'allowed'],
    always: [...LINK, 'event.outcome', 'ppp.authentication.attempts'],
    may: [...LINK_MAY, 'ppp.authentication.message'],
  },
  'ppp.authentication.failed': {
    says: 'A PPP peer tried to log in and was refused.',
    dataset: 'ppp',
    kind: 'event',
    category: ['authentication', 'network'],
    type: ['start', 'denied'],
    always: [...LINK, 'event.outcome', 'ppp.authentication.attempts'],
    may: [...LINK_MAY, 'ppp.authentication.message', 'ppp.error.code', 'ppp.error.text', 'ppp.error.retry'],
  },
  'ppp.link.opened': {
    says: 'A PPP link carries a network protocol: addresses are agreed.',
    dataset: 'ppp',
    kind: 'event',
    category: ['network', 'session'],
    type: ['connection', 'start'],
    always: [...LINK],
    may: [...LINK_MAY, ...LINK_NETWORK_MAY],
  },
  'ppp.link.closed': {
    says: 'A PPP link ended.',
    dataset: 'ppp',
    kind: 'event',
    category: ['network', 'session'],
    type: ['connection', 'end'],
    always: [...LINK, 'event.reason', 'ppp.phase', ...TRAFFIC],
    may: [...LINK_MAY, ...LINK_NETWORK_MAY, 'ppp.protocols', 'ppp.packets.encrypted', 'ppp.terminated_by'],
  },
} as const satisfies Record<string, EventShape>
