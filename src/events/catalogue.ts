/**
 * Every event that the sensor can raise, declared once. Types, documentation, and the check of rules follow from it.
 *
 * An event says what was seen, never what it means: meaning begins to the right of the waist. Names are
 * `<thing>.<what happened>` in the past tense.
 */
import type { FieldName, FieldValue } from './fields.ts'

interface EventDeclaration {
  readonly says: string
  readonly dataset: string
  readonly kind: 'event' | 'alert' | 'metric'
  readonly category: readonly string[]
  readonly type: readonly string[]
  /** Fields that the event always carries, beyond the base ones. */
  readonly always: readonly FieldName[]
  /** Fields that it carries when they are known. */
  readonly may: readonly FieldName[]
}

const OUTER = [
  'source.ip',
  'source.port',
  'destination.ip',
  'destination.port',
  'network.type',
  'network.transport',
  'network.protocol',
] as const
const OUTER_MAY = ['network.community_id', 'network.vlan.id'] as const
const TUNNEL = [...OUTER, 'l2tp.version', 'l2tp.tunnel.uid', 'borescope.lineage'] as const
const TUNNEL_MAY = [
  ...OUTER_MAY,
  'l2tp.tunnel.initiator_id',
  'l2tp.tunnel.responder_id',
  'l2tp.tunnel.adopted',
  'l2tp.initiator.host_name',
  'l2tp.initiator.vendor_name',
  'l2tp.initiator.firmware',
  'l2tp.initiator.receive_window',
  'l2tp.responder.host_name',
  'l2tp.responder.vendor_name',
  'l2tp.responder.firmware',
  'l2tp.responder.receive_window',
  'l2tp.authentication.method',
  'l2tp.authentication.verdict',
] as const
const TRAFFIC = [
  'event.start',
  'event.end',
  'event.duration',
  'source.bytes',
  'source.packets',
  'destination.bytes',
  'destination.packets',
  'network.bytes',
  'network.packets',
] as const
const RESULT_MAY = [
  'l2tp.result.code',
  'l2tp.result.text',
  'l2tp.error.code',
  'l2tp.error.text',
  'l2tp.error.message',
] as const
const CONTROL_COUNTS = [
  'l2tp.control.messages',
  'l2tp.control.retransmissions',
  'l2tp.control.gaps',
  'l2tp.control.anomalies',
] as const
const SESSION = [...TUNNEL, 'l2tp.session.uid'] as const
const SESSION_MAY = [
  'l2tp.tunnel.initiator_id',
  'l2tp.tunnel.responder_id',
  'l2tp.initiator.host_name',
  'l2tp.responder.host_name',
  'l2tp.session.kind',
  'l2tp.session.initiator_id',
  'l2tp.session.responder_id',
  'l2tp.session.adopted',
  'l2tp.call.serial_number',
  'l2tp.call.called_number',
  'l2tp.call.calling_number',
  'l2tp.call.sub_address',
  'l2tp.call.tx_speed',
  'l2tp.call.rx_speed',
  'l2tp.call.private_group',
  'l2tp.call.proxy_authentication',
  'user.name',
] as const
const MESSAGE = [
  ...OUTER,
  'l2tp.version',
  'l2tp.message.type',
  'l2tp.message.finding',
  'l2tp.tunnel.target_id',
] as const
const MESSAGE_MAY = [
  'borescope.lineage',
  'l2tp.tunnel.uid',
  'l2tp.tunnel.state',
  'l2tp.session.uid',
  'l2tp.session.state',
  'l2tp.session.target_id',
  'l2tp.message.ns',
  'l2tp.message.nr',
  'l2tp.message.expected_ns',
] as const
const LINK_MAY = [
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
const LINK = [...OUTER, 'borescope.lineage'] as const

export const CATALOGUE = {
  'l2tp.tunnel.requested': {
    says: 'A host asked another for a tunnel: the first SCCRQ of an attempt.',
    dataset: 'l2tp',
    kind: 'event',
    category: ['network'],
    type: ['connection', 'start'],
    always: [...TUNNEL],
    may: [...TUNNEL_MAY],
  },
  'l2tp.tunnel.opened': {
    says: 'Both ends completed the control connection handshake.',
    dataset: 'l2tp',
    kind: 'event',
    category: ['network', 'session'],
    type: ['connection', 'start', 'allowed'],
    always: [...TUNNEL],
    may: [...TUNNEL_MAY],
  },
  'l2tp.tunnel.adopted': {
    says: 'Traffic showed a tunnel that was open before the capture began.',
    dataset: 'l2tp',
    kind: 'event',
    category: ['network', 'session'],
    type: ['connection', 'info'],
    always: [...TUNNEL],
    may: [...TUNNEL_MAY],
  },
  'l2tp.tunnel.failed': {
    says: 'A tunnel was asked for and did not come about: refused, abandoned half-open, or never answered.',
    dataset: 'l2tp',
    kind: 'event',
    category: ['network', 'session'],
    type: ['connection', 'denied', 'end'],
    always: [...TUNNEL, 'event.outcome', 'event.reason', 'l2tp.tunnel.state', 'l2tp.closed_by', ...CONTROL_COUNTS],
    may: [...TUNNEL_MAY, ...RESULT_MAY, 'event.start', 'event.end', 'event.duration'],
  },
  'l2tp.tunnel.closed': {
    says: 'An open tunnel ended: StopCCN, silence, or the end of the capture.',
    dataset: 'l2tp',
    kind: 'event',
    category: ['network', 'session'],
    type: ['connection', 'end'],
    always: [...TUNNEL, 'event.reason', 'l2tp.closed_by', 'l2tp.tunnel.sessions', ...TRAFFIC, ...CONTROL_COUNTS],
    may: [...TUNNEL_MAY, ...RESULT_MAY],
  },
  'l2tp.tunnel.authenticated': {
    says: 'An end answered the tunnel challenge of the other; with the shared secret the answer is verified.',
    dataset: 'l2tp',
    kind: 'event',
    category: ['network', 'authentication'],
    type: ['info'],
    always: [...TUNNEL, 'event.outcome', 'l2tp.authentication.verdict', 'l2tp.message.type'],
    may: [...TUNNEL_MAY],
  },
  'l2tp.avp.hidden': {
    says: 'A control message carried a hidden AVP.',
    dataset: 'l2tp',
    kind: 'event',
    category: ['network'],
    type: ['info'],
    always: [
      ...OUTER,
      'l2tp.version',
      'l2tp.message.type',
      'l2tp.avp.type',
      'l2tp.avp.name',
      'l2tp.avp.vendor_id',
      'l2tp.avp.verdict',
    ],
    may: ['borescope.lineage', 'l2tp.tunnel.uid', 'l2tp.tunnel.target_id', 'l2tp.session.target_id', 'l2tp.avp.value'],
  },
  'l2tp.control.unexpected': {
    says: 'A control message arrived that the state of its tunnel or session does not allow.',
    dataset: 'l2tp',
    kind: 'event',
    category: ['network'],
    type: ['protocol', 'info'],
    always: [...MESSAGE],
    may: [...MESSAGE_MAY],
  },
  'l2tp.control.out_of_order': {
    says: 'A control message whose Ns or Nr does not fit: outside the window, in conflict with an earlier one, or acknowledging what was never sent.',
    dataset: 'l2tp',
    kind: 'event',
    category: ['network'],
    type: ['protocol', 'info'],
    always: [...MESSAGE],
    may: [...MESSAGE_MAY],
  },
  'l2tp.control.unknown': {
    says: 'A message named a tunnel or a session that its receiver never assigned.',
    dataset: 'l2tp',
    kind: 'event',
    category: ['network'],
    type: ['protocol', 'info'],
    always: [...MESSAGE],
    may: [...MESSAGE_MAY],
  },
  'l2tp.session.requested': {
    says: 'One end asked for a session in an open tunnel (ICRQ or OCRQ).',
    dataset: 'l2tp',
    kind: 'event',
    category: ['network', 'session'],
    type: ['connection', 'start'],
    always: [...SESSION],
    may: [...SESSION_MAY],
  },
  'l2tp.session.opened': {
    says: 'Both ends completed the set-up of a session.',
    dataset: 'l2tp',
    kind: 'event',
    category: ['network', 'session'],
    type: ['connection', 'start', 'allowed'],
    always: [...SESSION],
    may: [...SESSION_MAY],
  },
  'l2tp.session.adopted': {
    says: 'Traffic showed a session that was open before the capture began.',
    dataset: 'l2tp',
    kind: 'event',
    category: ['network', 'session'],
    type: ['connection', 'info'],
    always: [...SESSION],
    may: [...SESSION_MAY],
  },
  'l2tp.session.failed': {
    says: 'A session was asked for and did not come about.',
    dataset: 'l2tp',
    kind: 'event',
    category: ['network', 'session'],
    type: ['connection', 'denied', 'end'],
    always: [...SESSION, 'event.outcome', 'event.reason', 'l2tp.session.state', 'l2tp.closed_by'],
    may: [
      ...SESSION_MAY,
      ...RESULT_MAY,
      'l2tp.call.q931_cause',
      'l2tp.call.disconnect_cause',
      'event.start',
      'event.end',
      'event.duration',
    ],
  },
  'l2tp.session.closed': {
    says: 'An open session ended: CDN, the end of its tunnel, silence, or the end of the capture.',
    dataset: 'l2tp',
    kind: 'event',
    category: ['network', 'session'],
    type: ['connection', 'end'],
    always: [...SESSION, 'event.reason', 'l2tp.closed_by', ...TRAFFIC],
    may: [
      ...SESSION_MAY,
      ...RESULT_MAY,
      'l2tp.call.q931_cause',
      'l2tp.call.disconnect_cause',
      'l2tp.session.sequenced',
      'l2tp.session.lost',
      'l2tp.session.reordered',
    ],
  },
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
  'flow.closed': {
    says: 'A flow inside a session ended: by FIN or RST, by silence, with its session, or with the capture.',
    dataset: 'flow',
    kind: 'event',
    category: ['network'],
    type: ['connection', 'end'],
    always: [
      'source.ip',
      'destination.ip',
      'network.type',
      'network.transport',
      'flow.uid',
      'borescope.lineage',
      'event.reason',
      'l2tp.tunnel.uid',
      'l2tp.session.uid',
      'outer.source.ip',
      'outer.destination.ip',
      ...TRAFFIC,
    ],
    may: [
      'source.port',
      'destination.port',
      'network.community_id',
      'network.protocol',
      'flow.tcp.state',
      'flow.icmp.type',
      'flow.icmp.code',
      'user.name',
    ],
  },
  'protocol.recognised': {
    says: 'A protocol of the family was seen between two hosts for the first time in the capture.',
    dataset: 'protocol',
    kind: 'event',
    category: ['network'],
    type: ['protocol', 'info'],
    always: ['source.ip', 'destination.ip', 'network.type', 'network.transport', 'network.protocol'],
    may: ['source.port', 'destination.port', ...OUTER_MAY],
  },
  'protocol.anomaly': {
    says: 'A packet broke the rules of its protocol. The name of the anomaly says how.',
    dataset: 'protocol',
    kind: 'event',
    category: ['network'],
    type: ['protocol', 'info'],
    always: ['anomaly.name', 'anomaly.layer'],
    may: [
      'source.ip',
      'source.port',
      'destination.ip',
      'destination.port',
      'network.type',
      'network.transport',
      'network.protocol',
      ...OUTER_MAY,
      'anomaly.detail',
      'anomaly.suppressed',
      'borescope.lineage',
      'l2tp.tunnel.uid',
      'l2tp.session.uid',
      'l2tp.message.type',
      'l2tp.tunnel.target_id',
      'l2tp.session.target_id',
    ],
  },
  'sensor.table.filled': {
    says: 'A table of the sensor reached its bound; what came later was not followed.',
    dataset: 'sensor',
    kind: 'event',
    category: ['host'],
    type: ['error'],
    always: ['sensor.table', 'sensor.capacity'],
    may: [],
  },
  'capture.damaged': {
    says: 'A capture file is truncated or corrupt; it was analysed up to the fault.',
    dataset: 'sensor',
    kind: 'event',
    category: ['file'],
    type: ['error'],
    always: ['anomaly.name', 'capture.fault.offset', 'event.reason'],
    may: [],
  },
  'capture.analysed': {
    says: 'A capture was read to its end.',
    dataset: 'sensor',
    kind: 'metric',
    category: ['network'],
    type: ['info'],
    always: [
      'capture.packets',
      'capture.bytes',
      'capture.duplicates',
      'capture.l2tp',
      'capture.foreign',
      'capture.flawed',
    ],
    may: ['event.start', 'event.end', 'event.duration'],
  },
  'alert.raised': {
    says: 'A rule matched, or a correlation of events reached its threshold.',
    dataset: 'alerts',
    kind: 'alert',
    category: ['intrusion_detection', 'network'],
    type: ['indicator'],
    always: ['rule.id', 'rule.name', 'rule.level', 'event.severity', 'alert.entity', 'alert.events', 'alert.evidence'],
    may: [
      'rule.description',
      'rule.reference',
      'rule.category',
      'event.risk_score',
      'event.start',
      'event.end',
      'event.duration',
      'event.reason',
      'alert.values',
      'threat.framework',
      'threat.tactic.id',
      'threat.tactic.name',
      'threat.technique.id',
      'threat.technique.name',
      'threat.technique.reference',
      'threat.technique.subtechnique.id',
      'threat.technique.subtechnique.name',
      'source.ip',
      'source.port',
      'destination.ip',
      'destination.port',
      'network.type',
      'network.transport',
      'network.protocol',
      'user.name',
      'outer.source.ip',
      'outer.destination.ip',
      'l2tp.tunnel.uid',
      'l2tp.session.uid',
      'flow.uid',
      'borescope.lineage',
      'anomaly.name',
      'l2tp.initiator.host_name',
      'ppp.authentication.method',
    ],
  },
} as const satisfies Record<string, EventDeclaration>

export type EventName = keyof typeof CATALOGUE

type Always<N extends EventName> = (typeof CATALOGUE)[N]['always'][number]
type May<N extends EventName> = (typeof CATALOGUE)[N]['may'][number]

/** An event as it is raised: its name, its time in microseconds since the epoch, one sentence, and its own fields. */
export type RaisedEvent<N extends EventName = EventName> = {
  [E in N]: {
    readonly name: E
    readonly timeUs: number
    readonly message: string
    readonly fields: { readonly [F in Always<E>]: FieldValue<F> } & {
      readonly [F in Exclude<May<E>, Always<E>>]?: FieldValue<F> | undefined
    }
  }
}[N]

/** What trackers and detectors are given to raise events with. */
export type Emit = (event: RaisedEvent) => void
