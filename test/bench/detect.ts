/** The figures of detection for `npm run bench`. */
import type { Detection } from './detect-case.ts'
import { median } from './median.ts'
import { HAS_PUBLIC_RULES } from './rule-sets.ts'
import { runCase } from './run.ts'

/** Past nothing else, to see how many entities fit, and in what. */
const ENTITIES_MAX = 1_000_000
const ENTITIES_EVENTS = 1_500_000
/** Before figures of detection are taken. */
const WARM_UP_EVENTS = 10_000
/**
 * Before those by the number of rules: what compiling and forgetting again costs comes from reading the rules, and depends on how
 * many there are. It passes, and so as many events more are sent.
 */
const LONG_WARM_UP_EVENTS = 100_000
const MEGABYTE = 1_000_000

/** Microseconds of the processor for each event. */
export interface DetectionFigures {
  readonly rules: number
  readonly ownRulesUs: number
  readonly habitsUs: number
  readonly bothUs: number
  /** By the number of rules, of which the same few match; of `2000 flows` and `2000 hard` see rule-sets.ts. */
  readonly byRulesUs: Readonly<Record<string, number>>
  /** The same of the thread that detects alone. */
  readonly byRulesThreadUs: Readonly<Record<string, number>>
  readonly entities: Detection
}

const SIZES = HAS_PUBLIC_RULES ? ['20', '200', '2000', '2000 flows', '2000 hard'] : ['20', '200']

export function measureDetection(events: number, rounds: number): DetectionFigures {
  const run = (rules: string, entities: number, count: number, warmUp = WARM_UP_EVENTS) =>
    runCase<Detection>('detect-case.ts', [count, rules, entities, warmUp].map(String))
  const long = events + LONG_WARM_UP_EVENTS
  const cases: [name: string, run: () => Detection][] = [
    ['ownRulesUs', () => run('all', 0, events)],
    ['habitsUs', () => run('none', 100_000, events)],
    ['bothUs', () => run('all', 100_000, events)],
    ...SIZES.map((size): [string, () => Detection] => [size, () => run(size, 0, long, LONG_WARM_UP_EVENTS)]),
  ]
  const measured = new Map<string, Detection[]>(cases.map(([name]) => [name, []]))
  // One after the other in every round: what disturbs the machine disturbs all of them.
  for (let round = 0; round < rounds; round++) {
    for (const [name, runOnce] of cases) measured.get(name)!.push(runOnce())
  }
  const of = (name: string, kind: 'seconds' | 'threadSeconds' = 'seconds') =>
    median(measured.get(name)!.map((figures) => (figures[kind] / figures.events) * 1e6))
  return {
    rules: measured.get('ownRulesUs')![0].rules,
    ownRulesUs: of('ownRulesUs'),
    habitsUs: of('habitsUs'),
    bothUs: of('bothUs'),
    byRulesUs: Object.fromEntries(SIZES.map((size) => [size, of(size)])),
    byRulesThreadUs: Object.fromEntries(SIZES.map((size) => [size, of(size, 'threadSeconds')])),
    entities: run('none', ENTITIES_MAX, ENTITIES_EVENTS),
  }
}

/** The figures as lines for people. */
export function detectionLines({
  rules,
  ownRulesUs,
  habitsUs,
  bothUs,
  byRulesUs,
  byRulesThreadUs,
  entities,
}: DetectionFigures): string[] {
  const rate = (us: number) => Math.round(1e6 / us).toLocaleString('en')
  const costs = (bySize: Readonly<Record<string, number>>) => {
    const ratio = bySize['2000'] === undefined ? '' : `; 2000 against 20: ${(bySize['2000'] / bySize['20']).toFixed(2)}`
    return `${Object.entries(bySize)
      .map(([size, us]) => `${us.toFixed(2)} us past ${size}`)
      .join(', ')}${ratio}`
  }
  return [
    `detection, one core: ${rate(bothUs)} events/s past ${rules} rules and learned habits, ${rate(ownRulesUs)} past the rules, ${rate(habitsUs)} past the habits`,
    `an event by the number of rules, in the thread that detects: ${costs(byRulesThreadUs)}`,
    `with what the runtime compiles and collects in other threads: ${costs(byRulesUs)}`,
    `habits of ${entities.entities.toLocaleString('en')} entities, the bound is ${ENTITIES_MAX.toLocaleString('en')}: ${Math.round(entities.keptBytes / MEGABYTE)} MB, ${entities.evicted.toLocaleString('en')} forgotten`,
  ]
}
