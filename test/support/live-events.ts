/** The events of a file of NDJSON, and how two looks at the same packets are compared. */
import { readFileSync } from 'node:fs'

interface Nested {
  readonly [name: string]: Nested & string & number & string[]
}
/** An event as it was written. */
export type Told = Nested

export function eventsIn(path: string): Told[] {
  const text = readFileSync(path, 'utf8')
  return text === ''
    ? []
    : text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Told)
}

/** The names of events. */
export const actions = (events: readonly Told[]) => events.map(({ event }) => String(event['action']))
const UNTOLD = new Set(['sensor.interface.up', 'sensor.interface.down', 'capture.analysed'])
/** Every socket stamps a packet by itself, a microsecond apart: what follows from times is left out. */
const TIMED = /^(@timestamp|observer|capture|offset|start|end|duration|created|.*_ms|.*seconds|mean|deviation)$/

/** A packet as incidents name it: its place in a recording is another one. */
const FRAME = /^\S+#(\d+)@\d+$/

/** What of the events does not depend on who looked, nor on when he stopped looking. Ids are counted in the order of their coming. */
export function essence(events: readonly Told[]): unknown[] {
  const ids = new Map<string, string>()
  const nameOf = (text: string) => {
    if (!ids.has(text)) ids.set(text, `id ${ids.size}`)
    return ids.get(text)
  }
  const stable = (value: unknown): unknown => {
    if (typeof value === 'string')
      return value.replace(FRAME, '#$1').replace(/\b([a-z]+-[0-9a-f]{12}|[0-9a-f]{20})\b/g, (id) => nameOf(id) ?? '')
    if (Array.isArray(value)) return value.map(stable)
    if (typeof value !== 'object' || value === null) return value
    const kept = Object.entries(value).filter(([name]) => !TIMED.test(name))
    return Object.fromEntries(kept.map(([name, inner]) => [name, stable(inner)]))
  }
  return events.filter(({ event }) => !UNTOLD.has(String(event['action']))).map(stable)
}

/** When it was seen of each packet that caused an event, in microseconds. */
export function timesOf(events: readonly Told[]): Map<number, number> {
  const times = new Map<number, number>()
  for (const event of events) {
    const number = event['borescope']?.['frame']?.['number']
    if (number !== undefined) times.set(Number(number), microsecondsOf(String(event['@timestamp'])))
  }
  return times
}

function microsecondsOf(time: string): number {
  return Date.parse(time) * 1000 + Number(time.slice(23, 26))
}
