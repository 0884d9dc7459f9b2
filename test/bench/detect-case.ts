/**
 * Detection alone in its process: `node detect-case.ts EVENTS RULES ENTITIES WARMUP` sends events past so many rules (`all`: ours;
 * `none`; `2000 flows`, `2000 hard`: see rule-sets.ts) and past learned habits of so many entities (0: none), and prints its result
 * as JSON. The first `WARMUP` events are not measured: they build the indices of the rules, and find nothing compiled.
 *
 * Time is that of the processor: of all threads of the process, which says what one core would do on a machine that is busy; and of
 * the thread that detects, which says what an event costs when all that compiles beside it has come to rest.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { DAY_US, HOUR_US, parseMicroseconds } from '../../src/base/time.ts'
import { Baselines } from '../../src/detect/baseline/baselines.ts'
import { Detector } from '../../src/detect/detector.ts'
import type { EventDocument } from '../../src/events/fields.ts'
import { generateEvents } from './events.ts'
import { type Aim, ownRules, ruleSet } from './rule-sets.ts'

export interface Detection {
  readonly events: number
  readonly rules: number
  /** Of all threads: the runtime compiles and collects in others. */
  readonly seconds: number
  /** Of the thread that detects. */
  readonly threadSeconds: number
  readonly entities: number
  readonly evicted: number
  /** What is reached when all garbage is gone, beyond what was before. */
  readonly keptBytes: number
}

const BLOCK = 500
const [, , , rules] = process.argv
const [events, entitiesMax, warmUp] = [2, 4, 5].map((place) => Number(process.argv[place]))

const [size, aim = 'spread'] = rules.split(' ')
const set = rules === 'none' ? null : rules === 'all' ? ownRules() : ruleSet(Number(size), aim as Aim)
const detector = set === null ? null : new Detector(set, () => {}, { groupsMax: 100_000, entitiesMax: 100_000 })
const habits =
  entitiesMax === 0
    ? null
    : new Baselines(() => {}, {
        entitiesMax,
        bytesMax: 1e12,
        learnUs: 7 * DAY_US,
        observationsMin: 20,
        freezeUs: 24 * HOUR_US,
      })

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
let seconds = 0
let threadSeconds = 0
let seen = 0

function look(block: readonly EventDocument[]): void {
  const before = usage()
  for (const document of block) {
    detector?.observe(document)
    habits?.observe(document)
  }
  // The sensor lets time pass after each block of packets that it has read.
  detector?.expire(parseMicroseconds(block[block.length - 1]['@timestamp']))
  const after = usage()
  seen += block.length
  if (seen <= warmUp) return
  seconds += after.seconds - before.seconds
  threadSeconds += after.threadSeconds - before.threadSeconds
}

/** Linux brings the time of a thread up to date when it is asked for that of the process: in this order. */
function usage(): { readonly seconds: number; readonly threadSeconds: number } {
  const whole = process.cpuUsage()
  const thread = process.threadCpuUsage()
  return { seconds: (whole.user + whole.system) / 1e6, threadSeconds: (thread.user + thread.system) / 1e6 }
}

/** The events are made piece by piece, and are gone when they have been looked at, as in the sensor. */
function run(): void {
  let block: EventDocument[] = []
  for (const document of generateEvents(events)) {
    block.push(document)
    if (block.length < BLOCK) continue
    look(block)
    block = []
  }
  if (block.length > 0) look(block)
}

function reached(): number {
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

const before = reached()
run()
const counters = habits?.counters
const figures: Detection = {
  events: events - warmUp,
  rules: set === null ? 0 : set.rules.length + set.correlations.length,
  seconds,
  threadSeconds,
  entities: counters?.entities ?? 0,
  evicted: counters?.evicted ?? 0,
  keptBytes: reached() - before,
}
process.stdout.write(JSON.stringify(figures))
