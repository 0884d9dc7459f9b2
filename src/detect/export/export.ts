/** The rules of a set for a cluster: in which form each can run there, and why others cannot. */
import { raisesAlerts, type RuleSet } from '../rules.ts'
import type { SigmaCorrelation, SigmaRule } from '../sigma/parse.ts'
import { correlationEsql, type Lookup, sequenceOf } from './correlation.ts'
import { expressionOf, Unexportable } from './expression.ts'
import { type KibanaRule, kibanaRule, LOGS } from './kibana.ts'
import { esqlOf } from './languages.ts'

export interface LeftOut {
  readonly rule: string
  readonly reason: string
}

export interface Exported<T> {
  readonly rules: readonly T[]
  readonly leftOut: readonly LeftOut[]
}

/** As detection rules of Kibana. */
export function exportKibana(set: RuleSet): Exported<KibanaRule> {
  const find = lookupIn(set)
  return exported(set, (rule) => kibanaRule(rule, find))
}

/** A question in ES|QL, or, of what needs an order of events, in EQL. */
export interface QueryText {
  readonly title: string
  readonly id: string | undefined
  readonly language: 'ES|QL' | 'EQL'
  readonly query: string
}

/** As questions that can be asked by hand, over the events of all sensors. */
export function exportQueries(set: RuleSet): Exported<QueryText> {
  const find = lookupIn(set)
  return exported(set, (rule): QueryText => {
    const { title, id } = rule
    if (rule.kind === 'rule') {
      const query = `FROM ${LOGS}\n| WHERE @timestamp >= NOW() - 1 day AND ${esqlOf(expressionOf(rule))}\n| SORT @timestamp DESC`
      return { title, id, language: 'ES|QL', query }
    }
    if (rule.type === 'temporal_ordered') return { title, id, language: 'EQL', query: sequenceOf(rule, find) }
    const since = `${rule.timespanUs / 1_000_000} seconds`
    return { title, id, language: 'ES|QL', query: correlationEsql(rule, find, LOGS, since) }
  })
}

function exported<T>(set: RuleSet, write: (rule: SigmaRule | SigmaCorrelation) => T): Exported<T> {
  const alerting = new Set<unknown>(raisesAlerts(set))
  const rules: T[] = []
  const leftOut: LeftOut[] = []
  for (const rule of [...set.rules, ...set.correlations]) {
    if (!alerting.has(rule)) continue
    try {
      rules.push(write(rule))
    } catch (error) {
      if (!(error instanceof Unexportable)) throw error
      leftOut.push({ rule: rule.title, reason: error.message })
    }
  }
  return { rules, leftOut }
}

function lookupIn(set: RuleSet): Lookup {
  const all = [...set.rules, ...set.correlations]
  const byName = new Map(all.flatMap((rule) => [rule.name, rule.id].map((name) => [name, rule] as const)))
  return (name) => byName.get(name)
}
