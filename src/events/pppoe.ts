/** PPPoE: discovery and sessions on an access line. Their fields and events. */
import { TRAFFIC } from './common.ts'
import { type EventShape, type FieldDeclaration, own } from './declaration.ts'

export const PPPOE_FIELDS = {
  'pppoe.session.uid': own('keyword', 'Our id of the session, or of the attempt at one, stable over replays.'),
  'pppoe.session.id': own('long', 'Session id that the access concentrator gave.'),
  'pppoe.session.state': own('keyword', '`discovering`, `offered`, `requested`, `established` or `closed`.'),
  'pppoe.session.adopted': own('boolean', 'True if the session was seen by its frames only.'),
  'pppoe.service_name': own('keyword', 'Service-Name that was asked for, or granted.'),
  'pppoe.ac_name': own('keyword', 'AC-Name of the access concentrator.'),
  'pppoe.offers': own('long', 'Access concentrators that answered.'),
  'pppoe.circuit_id': own('keyword', 'Agent Circuit ID that an access node appended (TR-101).'),
  'pppoe.remote_id': own('keyword', 'Agent Remote ID that an access node appended (TR-101).'),
  'pppoe.max_payload': own('long', 'PPP-Max-Payload that was asked for (RFC 4638).'),
  'pppoe.error.name': own('keyword', '`Service-Name-Error`, `AC-System-Error` or `Generic-Error`.'),
  'pppoe.error.message': own('keyword', 'What the error tag says.'),
  'pppoe.closed_by': own('keyword', '`client`, `server`, `silence`, `capacity` or `capture_end`.'),
} as const satisfies Record<string, FieldDeclaration>

/** The host that asked, and the access concentrator. */
const STATIONS = ['network.protocol', 'pppoe.session.uid', 'borescope.lineage'] as const
const SESSION_MAY = [
  'source.mac',
  'destination.mac',
  'network.vlan.id',
  'l2tp.tunnel.uid',
  'l2tp.session.uid',
  'pppoe.session.id',
  'pppoe.session.adopted',
  'pppoe.service_name',
  'pppoe.ac_name',
  'pppoe.offers',
  'pppoe.circuit_id',
  'pppoe.remote_id',
  'pppoe.max_payload',
  'user.name',
] as const
const ERROR_MAY = ['pppoe.error.name', 'pppoe.error.message', 'pppoe.closed_by'] as const

export const PPPOE_EVENTS = {
  'pppoe.concentrator.seen': {
    says: 'A station offered PPPoE service that had not before in the capture.',
    dataset: 'pppoe',
    kind: 'event',
    category: ['network'],
    type: ['info'],
    always: ['network.protocol', 'source.mac'],
    may: ['network.vlan.id', 'pppoe.ac_name', 'pppoe.service_name'],
  },
  'pppoe.session.opened': {
    says: 'An access concentrator granted a PPPoE session.',
    dataset: 'pppoe',
    kind: 'event',
    category: ['network', 'session'],
    type: ['connection', 'start'],
    always: [...STATIONS, 'pppoe.session.id'],
    may: [...SESSION_MAY],
  },
  'pppoe.session.adopted': {
    says: 'A PPPoE session was found by its frames: its discovery was not seen.',
    dataset: 'pppoe',
    kind: 'event',
    category: ['network', 'session'],
    type: ['connection', 'info'],
    always: [...STATIONS, 'pppoe.session.id'],
    may: [...SESSION_MAY],
  },
  'pppoe.session.failed': {
    says: 'A host asked for a PPPoE session and got none: refused, or not answered.',
    dataset: 'pppoe',
    kind: 'event',
    category: ['network', 'session'],
    type: ['connection', 'denied'],
    always: [...STATIONS, 'event.reason', 'event.outcome', 'pppoe.session.state'],
    may: [...SESSION_MAY, ...ERROR_MAY, 'event.start', 'event.end', 'event.duration'],
  },
  'pppoe.session.forwarded': {
    says: 'The same PPP link was seen in a PPPoE session and in an L2TP session: the access concentrator carries it on.',
    dataset: 'pppoe',
    kind: 'event',
    category: ['network', 'session'],
    type: ['connection', 'info'],
    always: [...STATIONS, 'pppoe.session.id', 'l2tp.tunnel.uid', 'l2tp.session.uid'],
    may: [...SESSION_MAY],
  },
  'pppoe.session.closed': {
    says: 'A PPPoE session ended: by PADT, by silence, or with the capture.',
    dataset: 'pppoe',
    kind: 'event',
    category: ['network', 'session'],
    type: ['connection', 'end'],
    always: [...STATIONS, 'pppoe.session.id', 'event.reason', 'pppoe.closed_by', ...TRAFFIC],
    may: [...SESSION_MAY, ...ERROR_MAY],
  },
} as const satisfies Record<string, EventShape>
