/** Events for rules: made from the catalogue, or taken from packets; and the alerts that the shipped rules raise about them. */
import { join } from 'node:path'
import { isoMicroseconds } from '../../src/base/time.ts'
import { Detector } from '../../src/detect/detector.ts'
import { parseMicroseconds } from '../../src/base/time.ts'
import { loadRules } from '../../src/detect/rules.ts'
import { EventBus } from '../../src/events/bus.ts'
import { CATALOGUE, type EventName } from '../../src/events/catalogue.ts'
import type { EventDocument } from '../../src/events/fields.ts'

export const RULES_FOLDER = join(import.meta.dirname, '../../rules')
export const RULES = loadRules(RULES_FOLDER)

const START_US = 1_767_225_600_000_000

type Fields = Omit<EventDocument, '@timestamp' | 'event.id' | 'event.action'>

/**
 * One event, `atSeconds` after the start of the story. Fields that every event of this name carries may be left out; a
 * field that no event of this name carries is refused.
 */
export function event(name: EventName, atSeconds: number, fields: Fields): EventDocument {
  const { dataset, kind } = CATALOGUE[name]
  const carried = carriedBy(name)
  for (const field of Object.keys(fields)) if (!carried.has(field)) throw new Error(`${name} does not carry ${field}`)
  const timeUs = START_US + Math.round(atSeconds * 1e6)
  return {
    '@timestamp': isoMicroseconds(timeUs),
    'event.id': `${name} ${atSeconds} ${JSON.stringify(fields)}`,
    'event.action': name,
    'event.dataset': `borescope.${dataset}`,
    'event.kind': kind,
    ...fields,
  }
}

/** The names of the fields that an event of this name may have. */
export function carriedBy(name: EventName): ReadonlySet<string> {
  const { always, may } = CATALOGUE[name]
  const base = ['@timestamp', 'message', 'event.action', 'event.dataset', 'event.kind', 'event.id']
  return new Set<string>([...base, ...always, ...may])
}

/** `count` events `everySeconds` apart; `fields` is asked for each. */
export function series(
  name: EventName,
  count: number,
  everySeconds: number,
  fields: (index: number) => Fields,
  fromSeconds = 0,
): EventDocument[] {
  return Array.from({ length: count }, (_, index) => event(name, fromSeconds + index * everySeconds, fields(index)))
}

/** The alerts that the shipped rules raise about these events, in the order in which they are raised. */
export function alertsOf(events: readonly EventDocument[]): EventDocument[] {
  const alerts: EventDocument[] = []
  const bus = new EventBus({ name: 'test', version: 'test' })
  bus.subscribe((alert) => alerts.push(alert))
  const detector = new Detector(RULES, bus.emit, { groupsMax: 10_000, entitiesMax: 10_000 })
  for (const document of events) {
    detector.observe(document)
    detector.expire(parseMicroseconds(document['@timestamp']))
  }
  detector.end()
  return alerts
}
