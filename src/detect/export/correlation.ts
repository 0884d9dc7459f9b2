/** Correlations for a cluster: as thresholds and sequences of Kibana where it has them, and as ES|QL. */
import type { Comparison } from '../sigma/criteria.ts'
import type { SigmaCorrelation, SigmaRule } from '../sigma/parse.ts'
import { type Expression, expressionOf, joined, Unexportable } from './expression.ts'
import { eqlOf, esqlField, esqlOf, kqlOf } from './languages.ts'

/** Finds a rule or correlation by the name or id that another refers to. */
export type Lookup = (name: string) => SigmaRule | SigmaCorrelation | undefined

export interface Threshold {
  readonly query: string
  readonly groupBy: readonly string[]
  readonly count: number
  /** At least so many distinct values of a field; null if events are counted. */
  readonly distinct: { readonly field: string; readonly count: number } | null
}

/** Kibana groups by so many fields. */
const GROUP_FIELDS_MAX = 5

/** Null if it is none: then it is a sequence or a query in ES|QL. */
export function thresholdOf(correlation: SigmaCorrelation, find: Lookup): Threshold | null {
  const { type, groupBy, fields, aliases } = correlation
  const count = leastOf(correlation)
  const isCounted = type === 'event_count' || (type === 'value_count' && fields.length === 1)
  if (!isCounted || count === null || aliases.size > 0 || groupBy.length > GROUP_FIELDS_MAX) return null
  const query = kqlOf(joined('or', inputsOf(correlation, find)))
  return type === 'event_count'
    ? { query, groupBy, count, distinct: null }
    : { query, groupBy, count: 1, distinct: { field: fields[0], count } }
}

/** A sequence in EQL: rules, or counts of one rule by the same fields, one after the other. */
export function sequenceOf(correlation: SigmaCorrelation, find: Lookup): string {
  const { groupBy, rules, timespanUs, aliases } = correlation
  if (aliases.size > 0) throw new Unexportable('it names fields by aliases')
  if (leastOf(correlation) !== rules.length) {
    throw new Unexportable('it is content with a part of its rules, and a sequence wants all of them')
  }
  const steps = rules.map((name) => step(correlation, lookUp(name, find), find))
  const by = groupBy.length === 0 ? '' : ` by ${groupBy.join(', ')}`
  return [`sequence${by} with maxspan=${timespanUs / 1_000_000}s`, ...steps].join('\n  ')
}

function step(outer: SigmaCorrelation, part: SigmaRule | SigmaCorrelation, find: Lookup): string {
  if (part.kind === 'rule') return `[any where ${eqlOf(expressionOf(part))}]`
  const count = leastOf(part)
  const isSame = part.groupBy.join() === outer.groupBy.join()
  if (part.type !== 'event_count' || count === null || !isSame || part.rules.length !== 1) {
    throw new Unexportable(`a step of it is "${part.title}", which counts in a way that a sequence cannot`)
  }
  return `[any where ${eqlOf(joined('or', inputsOf(part, find)))}] with runs=${count}`
}

const COMPARE: Readonly<Record<Comparison, string>> = { gt: '>', gte: '>=', lt: '<', lte: '<=', eq: '==', neq: '!=' }

/** The whole question in ES|QL, over all sensors; `since` limits the time, which Kibana does by itself. */
export function correlationEsql(
  correlation: SigmaCorrelation,
  find: Lookup,
  index: string,
  since: string | null,
): string {
  const { type, groupBy, fields, criteria, aliases } = correlation
  if (aliases.size > 0) throw new Unexportable('it names fields by aliases')
  if (type === 'temporal_ordered') throw new Unexportable('ES|QL knows no order of events: it is a sequence in EQL')
  const inputs = inputsOf(correlation, find)
  const where = esqlOf(joined('or', inputs))
  const field = fields[0] === undefined ? '' : esqlField(fields[0])
  const measures: Readonly<Record<typeof type, string>> = {
    event_count: 'COUNT(*)',
    value_count: `COUNT_DISTINCT(${field})`,
    value_sum: `SUM(${field})`,
    value_avg: `AVG(${field})`,
    value_percentile: `PERCENTILE(${field}, ${correlation.percentile})`,
    temporal: 'COUNT_DISTINCT(rule)',
  }
  if (type === 'value_count' && fields.length > 1) throw new Unexportable('it counts pairs of values')
  const marks = inputs.map((input, i) => `${esqlOf(input)}, ${i}`).join(', ')
  const tests = criteria.map(({ comparison, value }) => `measure ${COMPARE[comparison]} ${value}`)
  const by = groupBy.map(esqlField)
  return [
    `FROM ${index}`,
    `| WHERE ${since === null ? '' : `@timestamp >= NOW() - ${since} AND `}${where}`,
    ...by.map((name) => `| WHERE ${name} IS NOT NULL`),
    ...(type === 'temporal' ? [`| EVAL rule = CASE(${marks})`] : []),
    `| STATS measure = ${measures[type]}, events = COUNT(*), sensors = COUNT_DISTINCT(observer.name), first = MIN(@timestamp), last = MAX(@timestamp)${by.length === 0 ? '' : ` BY ${by.join(', ')}`}`,
    `| WHERE ${tests.join(' AND ')}`,
  ].join('\n')
}

/** Of a condition that is one lower bound: the least whole number that meets it. */
function leastOf({ criteria }: SigmaCorrelation): number | null {
  const [only] = criteria
  if (criteria.length !== 1 || (only.comparison !== 'gte' && only.comparison !== 'gt')) return null
  return only.comparison === 'gte' ? Math.ceil(only.value) : Math.floor(only.value) + 1
}

/** What the rules that it counts look for. */
function inputsOf({ rules }: SigmaCorrelation, find: Lookup): Expression[] {
  return rules.map((name) => {
    const part = lookUp(name, find)
    if (part.kind === 'rule') return expressionOf(part)
    throw new Unexportable(`it counts what "${part.title}" finds, which is a correlation itself`)
  })
}

function lookUp(name: string, find: Lookup): SigmaRule | SigmaCorrelation {
  const part = find(name)
  if (part === undefined) throw new Unexportable(`there is no rule "${name}"`)
  return part
}
