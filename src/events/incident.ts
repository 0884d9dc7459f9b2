/** Incidents: alerts that make one story. */
import { type EventShape, type FieldDeclaration, own } from './declaration.ts'

export const INCIDENT_FIELDS = {
  'incident.id': own('keyword', 'Of an alert: the incident that it belongs to. `n-` and 12 digits.'),
  'incident.state': own('keyword', '`open` or `closed`.'),
  'incident.title': own('keyword', 'The rule of the gravest alert, and how many other rules found something.'),
  'incident.level': own('keyword', 'The highest level of its alerts.'),
  'incident.entities': own('keyword[]', 'What its alerts are about, the gravest first (bounded).'),
  'incident.addresses': own('ip[]', 'Sources and destinations of its alerts (the first ones, bounded).'),
  'incident.users': own('keyword[]', 'Who is named in its alerts (the first ones, bounded).'),
  'incident.alerts': own('long', 'How many alerts it has so far.'),
  'incident.events': own(
    'long',
    'How many events its rules found so far, those included that no alert of their own was raised for.',
  ),
  'incident.rules': own('keyword[]', 'The rules that found something, in the order of time.'),
  'incident.story': own(
    'keyword[]',
    'A line for each of these rules: when it first found something, its level, about what, with how many alerts and events.',
  ),
  'incident.frames': own('keyword[]', 'Packets behind its alerts, as `alert.frames` (the first ones, bounded).'),
  'incident.parts': own('keyword[]', 'Incidents that became a part of this one.'),
  'incident.part_of': own('keyword', 'The incident that this one became a part of.'),
} as const satisfies Record<string, FieldDeclaration>

const ALWAYS = [
  'incident.id',
  'incident.state',
  'incident.title',
  'incident.level',
  'incident.entities',
  'incident.alerts',
  'incident.events',
  'incident.rules',
  'incident.story',
  'alert.evidence',
  'event.severity',
  'event.risk_score',
  'event.start',
  'event.end',
  'event.duration',
] as const
const MAY = [
  'incident.frames',
  'incident.parts',
  'incident.part_of',
  'event.reason',
  'incident.addresses',
  'incident.users',
  'borescope.lineage',
  'threat.framework',
  'threat.tactic.id',
  'threat.tactic.name',
  'threat.technique.id',
  'threat.technique.name',
  'threat.technique.subtechnique.id',
  'threat.technique.subtechnique.name',
] as const

const SHAPE = {
  dataset: 'incidents',
  kind: 'event',
  category: ['intrusion_detection', 'network'],
  always: ALWAYS,
  may: MAY,
} as const

export const INCIDENT_EVENTS = {
  'incident.opened': {
    ...SHAPE,
    says: 'The first alert of a story was raised. Alerts that share a source, a user, a tunnel or a session with it will join.',
    type: ['start'],
  },
  'incident.updated': {
    ...SHAPE,
    says: 'An incident became graver: an alert of a higher level joined it, and this is its story so far.',
    type: ['info'],
  },
  'incident.closed': {
    ...SHAPE,
    says: 'An incident is over, or became a part of another one; this is its whole story.',
    type: ['end'],
  },
} as const satisfies Record<string, EventShape>
