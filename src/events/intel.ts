/** What lists say later about what happened before. */
import { type EventShape, type FieldDeclaration, own } from './declaration.ts'

export const INTEL_FIELDS = {
  'intel.events': own('long', 'Events of before that hold the value, from this source.'),
  'intel.evidence': own('keyword[]', 'Ids of these events (the first ones, bounded).'),
  'intel.action': own('keyword', 'The name of the first of these events.'),
} as const satisfies Record<string, FieldDeclaration>

export const INTEL_EVENTS = {
  'indicator.recognised': {
    says: 'A value that came onto a list stands in events of the last days. The time is that of the search; start and end are those of the events.',
    dataset: 'intel',
    kind: 'event',
    category: ['threat'],
    type: ['indicator'],
    always: [
      'threat.indicator.name',
      'threat.indicator.provider',
      'intel.events',
      'intel.evidence',
      'intel.action',
      'event.start',
      'event.end',
      'event.duration',
    ],
    may: [
      'source.ip',
      'destination.ip',
      'outer.source.ip',
      'outer.destination.ip',
      'user.name',
      'l2tp.tunnel.uid',
      'l2tp.session.uid',
      'borescope.lineage',
    ],
  },
} as const satisfies Record<string, EventShape>
