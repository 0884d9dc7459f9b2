/** Flows inside tunnels: their fields and events. */
import { TRAFFIC } from './common.ts'
import { type EventShape, type FieldDeclaration, own } from './declaration.ts'

export const FLOW_FIELDS = {
  'flow.uid': own('keyword', 'Our id of the inner flow, stable over replays.'),
  'flow.carrier': own('keyword', 'What the flow runs in: the id of an L2TP session, or of whatever else carries it.'),
  'flow.tcp.state': own('keyword', '`attempted`, `established`, `closed`, `reset`, `refused` or `partial`.'),
  'flow.icmp.type': own('long', 'ICMP type of the first packet.'),
  'flow.icmp.code': own('long', 'ICMP code of the first packet.'),
  'flow.sent.bytes': own(
    'long',
    'What the source has sent to the destination in this carrier, in flows that ended within the last hour (up to 66 minutes), this one included. Only from 1,000,000 on, and of flows with 10,000 or more.',
  ),
  'flow.sent.port_bytes': own('long', 'The same to the destination port of the flow alone.'),
} as const satisfies Record<string, FieldDeclaration>

/** What every event about something inside a flow carries: the flow, and all that it runs in. */
export const INNER_FLOW = [
  'source.ip',
  'destination.ip',
  'network.type',
  'network.transport',
  'network.protocol',
  'flow.uid',
  'flow.carrier',
  'borescope.lineage',
] as const
export const INNER_FLOW_MAY = [
  'source.port',
  'destination.port',
  'network.community_id',
  'outer.source.ip',
  'outer.destination.ip',
  'l2tp.tunnel.uid',
  'l2tp.session.uid',
  'pptp.connection.uid',
  'pptp.call.uid',
  'pppoe.session.uid',
  'esp.tunnel.uid',
  'ike.uid',
  'user.name',
  'borescope.suppressed',
] as const

export const FLOW_EVENTS = {
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
      'flow.carrier',
      'borescope.lineage',
      'event.reason',
      ...TRAFFIC,
    ],
    may: [
      'outer.source.ip',
      'outer.destination.ip',
      'l2tp.tunnel.uid',
      'l2tp.session.uid',
      'pptp.connection.uid',
      'pptp.call.uid',
      'pppoe.session.uid',
      'esp.tunnel.uid',
      'ike.uid',
      'source.port',
      'destination.port',
      'network.community_id',
      'network.protocol',
      'flow.tcp.state',
      'flow.icmp.type',
      'flow.icmp.code',
      'flow.sent.bytes',
      'flow.sent.port_bytes',
      'user.name',
    ],
  },
} as const satisfies Record<string, EventShape>
