/**
 * Detection alone in its process, on one core: `node detect-case.ts EVENTS`; prints its result as JSON. The same events go past
 * the rules, and past rules and learned habits.
 */
import { DAY_US, HOUR_US, parseMicroseconds } from '../../src/base/time.ts'
import { Baselines } from '../../src/detect/baseline/baselines.ts'
import { Detector } from '../../src/detect/detector.ts'
import { loadRules } from '../../src/detect/rules.ts'
import type { EventDocument } from '../../src/events/fields.ts'
import { generateEvents } from './events.ts'

export interface Detection {
  readonly events: number
  readonly rules: number
  readonly rulesSeconds: number
  readonly allSeconds: number
  readonly rssBytes: number
}

const BLOCK = 500
const count = Number(process.argv[2])
const set = loadRules(new URL('../../rules', import.meta.url).pathname)

/** Time past the observers alone: the events are made piece by piece, and are gone when they have been looked at, as in the sensor. */
function seconds(observers: readonly ((document: EventDocument) => void)[], expire: (nowUs: number) => void): number {
  let elapsedMs = 0
  let block: EventDocument[] = []
  const look = () => {
    const startedMs = performance.now()
    for (const document of block) for (const observe of observers) observe(document)
    // The sensor lets time pass after each block of packets that it has read.
    expire(parseMicroseconds(block[block.length - 1]['@timestamp']))
    elapsedMs += performance.now() - startedMs
    block = []
  }
  for (const document of generateEvents(count)) {
    block.push(document)
    if (block.length === BLOCK) look()
  }
  if (block.length > 0) look()
  return elapsedMs / 1000
}

function detector(): Detector {
  return new Detector(set, () => {}, { groupsMax: 100_000, entitiesMax: 100_000 })
}

const alone = detector()
const rulesSeconds = seconds([alone.observe], (nowUs) => alone.expire(nowUs))
const both = detector()
const habits = new Baselines(() => {}, {
  entitiesMax: 100_000,
  learnUs: 7 * DAY_US,
  observationsMin: 20,
  freezeUs: 24 * HOUR_US,
})
const allSeconds = seconds([both.observe, habits.observe], (nowUs) => both.expire(nowUs))
const figures: Detection = {
  events: count,
  rules: set.rules.length + set.correlations.length,
  rulesSeconds,
  allSeconds,
  rssBytes: process.resourceUsage().maxRSS * 1024,
}
process.stdout.write(JSON.stringify(figures))
