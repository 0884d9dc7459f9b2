/** Incidents as a table: in the list of them, and in the summary of a replay. */
import type { EventDocument } from '../events/fields.ts'
import { duration, paintLevel, when } from './terminal.ts'

export const INCIDENT_COLUMNS = [
  {
    title: 'level',
    value: (event: EventDocument) => event['incident.level'],
    paint: (event: EventDocument, text: string) => paintLevel(event['incident.level'] ?? '', text),
  },
  { title: 'risk', value: (event: EventDocument) => event['event.risk_score']?.toFixed(0), right: true },
  { title: 'began', value: (event: EventDocument) => when(event['event.start'] ?? event['@timestamp']) },
  {
    title: 'lasted',
    value: (event: EventDocument) => duration(event['event.duration'] ?? 0),
    right: true,
  },
  { title: 'incident', value: (event: EventDocument) => event['incident.id'] },
  { title: 'what', value: (event: EventDocument) => event['incident.title'], widthMax: 64 },
  { title: 'about', value: (event: EventDocument) => event['incident.entities']?.[0], widthMax: 40 },
  { title: 'alerts', value: (event: EventDocument) => event['incident.alerts'], right: true },
  { title: 'events', value: (event: EventDocument) => event['incident.events'], right: true },
] as const
