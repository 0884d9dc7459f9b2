/**
 * A fleet of sensors that write into one place, in a process of its own: `node fleet-case.ts SENSORS EVENTS`; prints its result as
 * JSON. Every sensor sees its own users, and one wrong password for an account that is guessed from everywhere: what none of them
 * can find, one detector over all of their events does.
 */
import { isoMicroseconds, parseMicroseconds } from '../../src/base/time.ts'
import { detectorOf } from '../../src/detect/rule-tests.ts'
import { loadRules } from '../../src/detect/rules.ts'
import { type EventDocument, nest } from '../../src/events/fields.ts'
import { EVENTS_END, generateEvents } from './events.ts'

export interface Fleet {
  readonly sensors: number
  readonly events: number
  readonly rules: number
  /** One detector over all events, merged by time. */
  readonly centralSeconds: number
  /** A detector for each sensor, one after the other. */
  readonly aloneSeconds: number
  /** Alerts about the account that is guessed from everywhere. */
  readonly centralFound: number
  readonly aloneFound: number
  /** Of an event as NDJSON, on average. */
  readonly eventBytes: number
  readonly rssBytes: number
}

const VICTIM = 'admin@example.net'
const RULE = 'Password guessing against one VPN account from many addresses'
const ATTACK_US = parseMicroseconds(EVENTS_END) - 3_600_000_000
/** One sensor after the other sees its guess. */
const GUESS_EVERY_US = 10_000_000

const [sensors, total] = process.argv.slice(2).map(Number)
const set = loadRules(new URL('../../rules', import.meta.url).pathname)

/** What one sensor raises, in the order of time. Users of different sensors are different. */
function eventsOf(sensor: number): EventDocument[] {
  const name = `sensor-${String(sensor).padStart(3, '0')}`
  const site = `site${sensor}`
  const events = [...generateEvents(Math.floor(total / sensors), sensor + 1)].map(
    (event): EventDocument => ({
      ...event,
      'event.id': `${sensor}-${event['event.id']}`,
      'observer.name': name,
      ...(event['user.name'] === undefined ? {} : { 'user.name': `${site}-${event['user.name']}` }),
    }),
  )
  const refusal = events.find((event) => event['event.action'] === 'ppp.authentication.failed')
  if (refusal === undefined) throw new Error('too few events for a refused login')
  events.push({
    ...refusal,
    '@timestamp': isoMicroseconds(ATTACK_US + sensor * GUESS_EVERY_US),
    'event.id': `${sensor}-guess`,
    'source.ip': `203.0.113.${sensor % 250}`,
    'user.name': VICTIM,
  })
  return events.sort(byTime)
}

function byTime(a: EventDocument, b: EventDocument): number {
  return a['@timestamp'] < b['@timestamp'] ? -1 : a['@timestamp'] > b['@timestamp'] ? 1 : 0
}

/** Seconds, and how often the guesses were found. */
function detect(events: readonly EventDocument[]): { readonly seconds: number; readonly found: number } {
  let found = 0
  const detector = detectorOf(set, (alert) => {
    if (alert['rule.name'] === RULE && alert['alert.entity'] === VICTIM) found++
  })
  const startedMs = performance.now()
  let at = 0
  for (const document of events) {
    detector.observe(document)
    if (++at % 500 === 0) detector.expire(parseMicroseconds(document['@timestamp']))
  }
  detector.end()
  return { seconds: (performance.now() - startedMs) / 1000, found }
}

const all: EventDocument[] = []
let aloneSeconds = 0
let aloneFound = 0
for (let sensor = 0; sensor < sensors; sensor++) {
  const events = eventsOf(sensor)
  const { seconds, found } = detect(events)
  aloneSeconds += seconds
  aloneFound += found
  for (const event of events) all.push(event)
}
all.sort(byTime)
const central = detect(all)
const sample = all.slice(0, 10_000)
const bytes = sample.reduce((sum, event) => sum + Buffer.byteLength(JSON.stringify(nest(event))) + 1, 0)
const figures: Fleet = {
  sensors,
  events: all.length,
  rules: set.rules.length + set.correlations.length,
  centralSeconds: central.seconds,
  aloneSeconds,
  centralFound: central.found,
  aloneFound,
  eventBytes: bytes / sample.length,
  rssBytes: process.resourceUsage().maxRSS * 1024,
}
process.stdout.write(JSON.stringify(figures))
