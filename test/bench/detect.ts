/** The figures of detection for `npm run bench`. */
import type { Detection } from './detect-case.ts'
import { median } from './median.ts'
import { HAS_PUBLIC_RULES } from './rule-sets.ts'
import { runCase } from './run.ts'

/** Past nothing else, to see how many entities fit, and in what. */
const ENTITIES_MAX = 1_000_000
const ENTITIES_EVENTS = 1_500_000
const MEGABYTE = 1_000_000

/** Microseconds of the processor for each event. */
export interface DetectionFigures {
  readonly rules: number
  readonly ownRulesUs: number
  readonly habitsUs: number
  readonly bothUs: number
  /** By the number of rules, of which the same few match; of `2000 flows` and `2000 hard` see rule-sets.ts. */
  readonly byRulesUs: Readonly<Record<string, number>>
  readonly entities: Detection
}

const SIZES = HAS_PUBLIC_RULES ? ['20', '200', '2000', '2000 flows', '2000 hard'] : ['20', '200']

export function measureDetection(events: number, rounds: number): DetectionFigures {
  const run = (rules: string, entities: number, count = events) =>
    runCase<Detection>('detect-case.ts', [String(count), rules, String(entities)])
  const perEvent = ({ events: measured, seconds }: Detection) => (seconds / measured) * 1e6
  const cases: [name: string, rules: string, entities: number][] = [
    ['ownRulesUs', 'all', 0],
    ['habitsUs', 'none', 100_000],
    ['bothUs', 'all', 100_000],
    ...SIZES.map((size): [string, string, number] => [size, size, 0]),
  ]
  const measured = new Map<string, number[]>(cases.map(([name]) => [name, []]))
  let rules = 0
  // One after the other in every round: what disturbs the machine disturbs all of them.
  for (let round = 0; round < rounds; round++) {
    for (const [name, set, entities] of cases) {
      const figures = run(set, entities)
      measured.get(name)!.push(perEvent(figures))
      if (set === 'all') rules = figures.rules
    }
  }
  const of = (name: string) => median(measured.get(name)!)
  return {
    rules,
    ownRulesUs: of('ownRulesUs'),
    habitsUs: of('habitsUs'),
    bothUs: of('bothUs'),
    byRulesUs: Object.fromEntries(SIZES.map((size) => [size, of(size)])),
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
  entities,
}: DetectionFigures): string[] {
  const rate = (us: number) => Math.round(1e6 / us).toLocaleString('en')
  const cost = ([size, us]: [string, number]) => `${us.toFixed(2)} us past ${size}`
  const ratio =
    byRulesUs['2000'] === undefined ? '' : `; 2000 against 20: ${(byRulesUs['2000'] / byRulesUs['20']).toFixed(2)}`
  return [
    `detection, one core: ${rate(bothUs)} events/s past ${rules} rules and learned habits, ${rate(ownRulesUs)} past the rules, ${rate(habitsUs)} past the habits`,
    `an event by the number of rules: ${Object.entries(byRulesUs).map(cost).join(', ')}${ratio}`,
    `habits of ${entities.entities.toLocaleString('en')} entities, the bound is ${ENTITIES_MAX.toLocaleString('en')}: ${Math.round(entities.keptBytes / MEGABYTE)} MB, ${entities.evicted.toLocaleString('en')} forgotten`,
  ]
}
