/**
 * Sets of rules that differ in nothing but how many they are: in all of them the same rules match the events of the benchmark,
 * and the others do not. First our own, then public ones: spread over the families of events, as our own are; or all of them watching
 * flows, which most events are; or, to be as hard as it gets, watching fields that every flow has, searches of keywords among them.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DOCUMENTS, PRODUCT, sourceOf } from '../../src/detect/documents.ts'
import { loadRules, type RuleSet } from '../../src/detect/rules.ts'
import { compileRule, fieldsOf } from '../../src/detect/sigma/compile.ts'
import { type Detection, parseSigma, type SigmaCorrelation, type SigmaRule } from '../../src/detect/sigma/parse.ts'
import { translateRule } from '../../src/detect/sigma/taxonomy.ts'
import type { EventDocument } from '../../src/events/fields.ts'
import { PUBLIC } from '../detect/sigma/public.ts'
import { generateEvents } from './events.ts'

const SAMPLE_EVENTS = 20_000
/** In every set, of rules and correlations: those that the events feed, as many as make the smallest set at most. */
const MATCHING_MAX = 20
const OURS = join(import.meta.dirname, '../../rules')
/** Of a flow, what rules of other log sources look at is: long and short texts, numbers, addresses. */
const FLOW_FIELDS = [
  'message',
  'user.name',
  'flow.uid',
  'network.community_id',
  'destination.port',
  'network.protocol',
  'source.ip',
  'destination.ip',
  'event.reason',
  'outer.source.ip',
  'l2tp.session.uid',
  'flow.tcp.state',
]
const FLOWS = {
  logsource: {},
  target: { product: PRODUCT, category: undefined, service: 'flow' },
  events: { field: 'event.action', values: ['flow.closed'] },
} as const

/** Where the public rules look. */
export type Aim = 'spread' | 'flows' | 'hard'

/** Whether there are enough rules for it. */
export const HAS_PUBLIC_RULES = PUBLIC.present

/** Our rules, all of them. */
export function ownRules(): RuleSet {
  return loadRules(OURS)
}

/** So many rules and correlations: the smallest set is the same as the others without what never matches. */
export function ruleSet(size: number, aim: Aim): RuleSet {
  const own = ownRules()
  const sample = [...generateEvents(SAMPLE_EVENTS)]
  const matching = own.rules.filter((rule) => matchesAny(rule, sample))
  const counting = countersOf(matching, own.correlations, 'some')
  // What also counts others would need them. Together these are few enough.
  const core = withoutServants([...matching, ...countersOf(matching, own.correlations, 'every')], own.correlations)
  if (core.length > MATCHING_MAX) throw new Error(`${core.length} rules and correlations match, which is too many`)
  const others: (SigmaRule | SigmaCorrelation)[] = [
    ...own.rules.filter((rule) => !matching.includes(rule)),
    ...own.correlations.filter((each) => !counting.has(each)),
  ]
  if (core.length + others.length < size) others.push(...publicRules(own, sample, aim))
  const all = [...core, ...others].slice(0, size)
  return {
    ...own,
    rules: all.filter((each) => each.kind === 'rule'),
    correlations: all.filter((each) => each.kind === 'correlation'),
  }
}

/** What counts matches of some of the rules, or of such rules only; and what counts that. */
function countersOf(
  rules: readonly SigmaRule[],
  correlations: readonly SigmaCorrelation[],
  how: 'some' | 'every',
): ReadonlySet<SigmaCorrelation> {
  const names = new Set(rules.flatMap(namesOf))
  const counting = new Set<SigmaCorrelation>()
  for (let before = -1; counting.size > before; ) {
    before = counting.size
    for (const correlation of correlations) {
      if (!correlation.rules[how]((name) => names.has(name))) continue
      counting.add(correlation)
      for (const name of namesOf(correlation)) names.add(name)
    }
  }
  return counting
}

/** Without what only serves correlations that are not among them: it would stand for itself, and raise an alert for everything. */
function withoutServants(
  core: readonly (SigmaRule | SigmaCorrelation)[],
  correlations: readonly SigmaCorrelation[],
): (SigmaRule | SigmaCorrelation)[] {
  const served = new Set(core.flatMap((each) => (each.kind === 'correlation' ? each.rules : [])))
  const serving = new Set(correlations.flatMap((each) => each.rules))
  return core.filter((each) => {
    const names = namesOf(each)
    return names.some((name) => served.has(name)) || !names.some((name) => serving.has(name))
  })
}

function namesOf({ id, name }: SigmaRule | SigmaCorrelation): string[] {
  return [id, name].filter((each) => each !== undefined)
}

/** Public rules that match none of the sample. */
function publicRules(own: RuleSet, sample: readonly EventDocument[], aim: Aim): SigmaRule[] {
  const folder = join(PUBLIC.folder, 'rules')
  const families = [
    ...new Set(own.rules.map(({ logsource }) => logsource.service).filter((service) => service !== undefined)),
  ]
  const fields: Record<string, string> = {}
  const rules: SigmaRule[] = []
  for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
    if (!file.endsWith('.yml')) continue
    for (const rule of parseSigma(readFileSync(join(folder, file), 'utf8'), file).rules) {
      for (const { field } of fieldsOf(rule)) {
        fields[field] ??= aim === 'hard' ? FLOW_FIELDS[Object.keys(fields).length % FLOW_FIELDS.length] : field
      }
      const family = { product: PRODUCT, category: undefined, service: families[rules.length % families.length] }
      const aimed = aim === 'spread' ? { ...rule, logsource: family } : translateRule(rule, { ...FLOWS, fields })
      if (aim !== 'hard' && hasKeywords(rule)) continue
      if (compiles(aimed) && !matchesAny(aimed, sample)) rules.push(aimed)
    }
  }
  return rules
}

function hasKeywords({ detections }: SigmaRule): boolean {
  const isSearch = (detection: Detection): boolean =>
    detection.kind === 'item' ? detection.item.field === null : detection.parts.some(isSearch)
  return [...detections.values()].some(isSearch)
}

/** Some public rules hold placeholders that nobody fills. */
function compiles(rule: SigmaRule): boolean {
  try {
    compileRule(rule, DOCUMENTS)
    return true
  } catch {
    return false
  }
}

function matchesAny(rule: SigmaRule, sample: readonly EventDocument[]): boolean {
  const { matches } = compileRule(rule, DOCUMENTS)
  const { service } = rule.logsource
  return sample.some(
    (document) =>
      (service === undefined || service === sourceOf(document['event.dataset']).service) && matches(document),
  )
}
