/**
 * Rules as detection rules of Kibana (Elastic Security): one JSON object a line, as "Import rules" takes them. The types are those of
 * its detection engine: `query` in KQL, `eql`, `threshold`, `esql`.
 */
import { tactic, techniqueName, techniqueTactics, techniqueUrl, attackTag } from '../attack.ts'
import { alertPolicy } from '../rules.ts'
import type { SigmaCorrelation, SigmaHeader, SigmaLevel, SigmaRule } from '../sigma/parse.ts'
import { correlationEsql, type Lookup, sequenceOf, thresholdOf } from './correlation.ts'
import { type Expression, expressionOf, readsForeignText, Unexportable } from './expression.ts'
import { eqlOf, kqlOf } from './languages.ts'

/** Where events are, of all sensors. */
export const LOGS = 'logs-borescope.*-*'
const METRICS = 'metrics-borescope.*-*'
const INTERVAL_SECONDS = 300
/** So much longer than it must a rule looks back, for events that come late. */
const SLACK_SECONDS = 60
const SEVERITY: Readonly<Record<SigmaLevel, 'low' | 'medium' | 'high' | 'critical'>> = {
  informational: 'low',
  low: 'low',
  medium: 'medium',
  high: 'high',
  critical: 'critical',
}
const RISK: Readonly<Record<SigmaLevel, number>> = { informational: 10, low: 21, medium: 47, high: 73, critical: 99 }

export type KibanaRule = Readonly<Record<string, unknown>> & { readonly rule_id: string; readonly type: string }

/** @throws {Unexportable} */
export function kibanaRule(rule: SigmaRule | SigmaCorrelation, find: Lookup): KibanaRule {
  return rule.kind === 'rule' ? plainRule(rule) : correlationRule(rule, find)
}

function plainRule(rule: SigmaRule): KibanaRule {
  const expression = expressionOf(rule)
  const { entity, suppressUs } = alertPolicy(rule)
  const common = {
    ...header(rule, 0),
    // One alert an entity while that of the sensor would be suppressed.
    alert_suppression: {
      group_by: entity.slice(0, 3),
      duration: { value: Math.max(1, Math.round(suppressUs / 60_000_000)), unit: 'm' },
      missing_fields_strategy: 'suppress',
    },
  }
  // KQL tells upper from lower case.
  const condition = readsForeignText(expression) ? eqlOrNull(expression) : null
  if (condition !== null) {
    return { ...common, type: 'eql', language: 'eql', index: [LOGS, METRICS], query: `any where ${condition}` }
  }
  return { ...common, type: 'query', language: 'kuery', index: [LOGS, METRICS], query: kqlOf(expression), filters: [] }
}

/** Null where EQL cannot say it, and KQL can. */
function eqlOrNull(expression: Expression): string | null {
  try {
    return eqlOf(expression)
  } catch (error) {
    if (error instanceof Unexportable) return null
    throw error
  }
}

function correlationRule(correlation: SigmaCorrelation, find: Lookup): KibanaRule {
  const common = header(correlation, correlation.timespanUs / 1_000_000)
  if (correlation.type === 'temporal_ordered') {
    const query = sequenceOf(correlation, find)
    return { ...common, type: 'eql', language: 'eql', index: [LOGS, METRICS], query }
  }
  const threshold = thresholdOf(correlation, find)
  if (threshold !== null) {
    const { query, groupBy, count, distinct } = threshold
    const cardinality = distinct === null ? [] : [{ field: distinct.field, value: distinct.count }]
    return {
      ...common,
      type: 'threshold',
      language: 'kuery',
      index: [LOGS, METRICS],
      query,
      filters: [],
      threshold: { field: groupBy, value: count, cardinality },
    }
  }
  const query = correlationEsql(correlation, find, `${LOGS},${METRICS}`, null)
  return { ...common, type: 'esql', language: 'esql', query }
}

function header(rule: SigmaHeader, windowSeconds: number): KibanaRule {
  const level = rule.level ?? 'medium'
  return {
    rule_id: rule.id ?? rule.title,
    type: '',
    name: rule.title,
    description: rule.description?.trim() || rule.title,
    author: rule.author === undefined ? [] : [rule.author],
    license: 'Apache-2.0',
    references: rule.references,
    false_positives: rule.falsepositives,
    tags: ['Borescope', `Level: ${level}`],
    severity: SEVERITY[level],
    risk_score: RISK[level],
    severity_mapping: [],
    risk_score_mapping: [],
    threat: threats(rule),
    enabled: false,
    interval: `${INTERVAL_SECONDS}s`,
    from: `now-${windowSeconds + INTERVAL_SECONDS + SLACK_SECONDS}s`,
    to: 'now',
    max_signals: 100,
    version: 1,
    exceptions_list: [],
    actions: [],
    setup: '',
    note: '',
  }
}

/** A tactic with the techniques that serve it, sub-techniques below theirs. */
function threats({ tags }: SigmaHeader): object[] {
  const parsed = tags.map(attackTag).filter((tag) => tag !== undefined)
  const ids = parsed.filter(({ kind }) => kind === 'technique').map(({ id }) => id)
  const tagged = parsed.filter(({ kind }) => kind === 'tactic').map(({ id }) => id)
  const served = [...new Set(ids.flatMap(techniqueTactics))]
  const tactics = tagged.length > 0 ? tagged : served
  return tactics.flatMap((shortName) => {
    const known = tactic(shortName)
    if (known === undefined) return []
    const of = ids.filter((id) => techniqueTactics(id).includes(shortName))
    const whole = [...new Set(of.map((id) => id.slice(0, 5)))]
    const technique = whole.map((id) => ({
      ...named(id),
      subtechnique: of.filter((sub) => sub.startsWith(`${id}.`)).map(named),
    }))
    const reference = `https://attack.mitre.org/tactics/${known.id}/`
    return [{ framework: 'MITRE ATT&CK', tactic: { ...known, reference }, technique }]
  })
}

function named(id: string): { readonly id: string; readonly name: string; readonly reference: string } {
  return { id, name: techniqueName(id) ?? id, reference: techniqueUrl(id) }
}
