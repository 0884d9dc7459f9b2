/** Short ways to say what happened, for the stories of rules. */
import type { EventName } from '../../src/events/catalogue.ts'
import type { EventDocument } from '../../src/events/fields.ts'
import { event, series } from './events.ts'

export const CLIENT = '198.51.100.7'
export const OTHER = '198.51.100.8'
export const SERVER = '192.0.2.1'
export const INNER = '10.9.0.10'
export const TARGET = '10.20.0.5'

export interface RuleCase {
  readonly fires: () => readonly EventDocument[]
  /** What the alert is about. */
  readonly entity: string
  readonly misses: Readonly<Record<string, () => readonly EventDocument[]>>
}

type Fields = Parameters<typeof event>[2]

/** Between the client and the server outside. */
const OUTER: Fields = { 'source.ip': CLIENT, 'destination.ip': SERVER }
/** From a host inside a session to another behind the server. */
const INSIDE: Fields = { 'flow.carrier': 's-1', 'source.ip': INNER, 'destination.ip': TARGET }

export function seen(name: EventName, atSeconds: number, fields: Fields = {}): EventDocument {
  return event(name, atSeconds, { ...OUTER, ...fields })
}

export function inner(name: EventName, atSeconds: number, fields: Fields = {}): EventDocument {
  return event(name, atSeconds, { ...INSIDE, ...fields })
}

export function flow(atSeconds: number, fields: Fields = {}): EventDocument {
  return inner('flow.closed', atSeconds, { 'network.transport': 'tcp', ...fields })
}

/** So many of them, one after the other. */
export function many(
  name: EventName,
  count: number,
  everySeconds: number,
  fields: (index: number) => Fields = () => ({}),
  fromSeconds = 0,
): EventDocument[] {
  return series(name, count, everySeconds, (index) => ({ ...OUTER, ...fields(index) }), fromSeconds)
}

export function manyInner(
  name: EventName,
  count: number,
  everySeconds: number,
  fields: (index: number) => Fields = () => ({}),
): EventDocument[] {
  return series(name, count, everySeconds, (index) => ({ ...INSIDE, ...fields(index) }))
}

export function manyFlows(
  count: number,
  everySeconds: number,
  fields: (index: number) => Fields = () => ({}),
): EventDocument[] {
  return manyInner('flow.closed', count, everySeconds, (index) => ({ 'network.transport': 'tcp', ...fields(index) }))
}
