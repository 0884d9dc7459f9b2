/**
 * Detection alone in its process: `node detect-case.ts EVENTS RULES ENTITIES` sends events past so many rules (`all`: ours; `none`;
 * `2000 flows`, `2000 hard`: see rule-sets.ts) and past learned habits of so many entities (0: none), and prints its result as JSON.
 *
 * Time is that of the processor, of all threads of the process: on a machine that is busy it says what one core would do.
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
  readonly seconds: number
  readonly entities: number
  readonly evicted: number
  /** What is reached when all garbage is gone, beyond what was before. */
  readonly keptBytes: number
}

const BLOCK = 500
const WARM_UP_BLOCKS = 20
const [events, rules, entitiesMax] = [Number(process.argv[2]), process.argv[3], Number(process.argv[4])]

const [size, aim = 'spread'] = rules.split(' ')
const set = rules === 'none' ? null : rules === 'all' ? ownRules() : ruleSet(Number(size), aim as Aim)
const detector = set === null ? null : new Detector(set, () => {}, { groupsMax: 100_000, entitiesMax: 100_000 })
const habits =
  entitiesMax === 0
    ? null
    : new Baselines(() => {}, { entitiesMax, learnUs: 7 * DAY_US, observationsMin: 20, freezeUs: 24 * HOUR_US })

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
let seconds = 0
let blocks = 0

function look(block: readonly EventDocument[]): void {
  const before = process.cpuUsage()
  for (const document of block) {
    detector?.observe(document)
    habits?.observe(document)
  }
  // The sensor lets time pass after each block of packets that it has read.
  detector?.expire(parseMicroseconds(block[block.length - 1]['@timestamp']))
  const { user, system } = process.cpuUsage(before)
  // The first ones build the indices of the rules, and find nothing compiled.
  if (++blocks > WARM_UP_BLOCKS) seconds += (user + system) / 1e6
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
  events: events - WARM_UP_BLOCKS * BLOCK,
  rules: set === null ? 0 : set.rules.length + set.correlations.length,
  seconds,
  entities: counters?.entities ?? 0,
  evicted: counters?.evicted ?? 0,
  keptBytes: reached() - before,
}
process.stdout.write(JSON.stringify(figures))
