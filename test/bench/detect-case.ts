/**
 * Detection alone in its process, on one core: `node detect-case.ts EVENTS`; prints its result as JSON. The same events go past
 * nobody, past the rules, and past rules and learned habits.
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
  readonly nobodySeconds: number
  readonly rulesSeconds: number
  readonly allSeconds: number
  readonly rssBytes: number
}

const BLOCK = 500
const documents = [...generateEvents(Number(process.argv[2]))]
const set = loadRules(new URL('../../rules', import.meta.url).pathname)

function seconds(observers: readonly ((document: EventDocument) => void)[], expire: (nowUs: number) => void): number {
  const startedMs = performance.now()
  for (const [index, document] of documents.entries()) {
    for (const observe of observers) observe(document)
    // The sensor lets time pass after each block that it has read, some hundred packets.
    if (index % BLOCK === 0) expire(parseMicroseconds(document['@timestamp']))
  }
  return (performance.now() - startedMs) / 1000
}

function detector(): Detector {
  return new Detector(set, () => {}, { groupsMax: 100_000, entitiesMax: 100_000 })
}

const nobodySeconds = seconds([], () => {})
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
  events: documents.length,
  rules: set.rules.length + set.correlations.length,
  nobodySeconds,
  rulesSeconds,
  allSeconds,
  rssBytes: process.resourceUsage().maxRSS * 1024,
}
process.stdout.write(JSON.stringify(figures))
