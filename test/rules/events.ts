/** Events for rules: made from the catalogue, or taken from packets; and the alerts that the shipped rules raise about them. */
import { join } from 'node:path'
import { alertsAbout, carriedBy, syntheticEvent } from '../../src/detect/rule-tests.ts'
import { loadRules } from '../../src/detect/rules.ts'
import type { EventName } from '../../src/events/catalogue.ts'
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
  const carried = carriedBy(name)
  for (const field of Object.keys(fields)) if (!carried.has(field)) throw new Error(`${name} does not carry ${field}`)
  return syntheticEvent(name, START_US + Math.round(atSeconds * 1e6), JSON.stringify(fields), fields)
}

/** The alerts that the shipped rules raise about these events, in the order in which they are raised. */
export function alertsOf(events: readonly EventDocument[]): EventDocument[] {
  return alertsAbout(RULES, events)
}
