/** What is not wrong with a rule, but not good: what an analyst will miss, and what can never match. */
import { CATALOGUE, type EventName } from '../events/catalogue.ts'
import { isField } from '../events/fields.ts'
import { isDerived } from './derived.ts'
import { DISCRIMINATOR, PRODUCT } from './documents.ts'
import { carriedBy } from './rule-tests.ts'
import { type RuleSet, raisesAlerts } from './rules.ts'
import { fieldsOf } from './sigma/compile.ts'
import type { Condition } from './sigma/condition.ts'
import type { SigmaCorrelation, SigmaHeader, SigmaRule } from './sigma/parse.ts'
import type { SigmaProblem } from './sigma/problem.ts'
import { requiredOf } from './sigma/requirements.ts'

export const LINT_CHECKS = {
  description: 'says what happened, in more than a few words',
  falsepositives: 'names what may look the same',
  references: 'points to where one can read on',
  attack: 'has a technique of ATT&CK',
  level: 'gives a reason for a high level',
  title: 'has a title of its own',
  event: 'names the events that it looks at',
  field: 'asks only for what its events carry',
  unused: 'uses what it defines',
  twice: 'says nothing twice',
} as const
export type LintCheck = keyof typeof LINT_CHECKS

export interface LintFinding extends SigmaProblem {
  readonly check: LintCheck
}

const DESCRIPTION_CHARACTERS = 40
/** A person is called for it: what they are to think, and to do, takes some words. */
const REASON_CHARACTERS = 120

/** Findings in the order of their files and lines. */
export function lintRules(set: RuleSet): LintFinding[] {
  const findings: LintFinding[] = []
  const titles = new Map<string, SigmaHeader>()
  const alerting = new Set(raisesAlerts(set))
  for (const rule of [...set.rules, ...set.correlations]) {
    const tell = (check: LintCheck, key: string, message: string, line = rule.lines[key] ?? rule.line) => {
      findings.push({ file: rule.file, line, key, message, check })
    }
    lintPaperwork(rule, alerting.has(rule), tell)
    const other = titles.get(rule.title.toLowerCase())
    if (other === undefined) titles.set(rule.title.toLowerCase(), rule)
    else tell('title', 'title', `the title is that of ${other.file}:${other.line}`)
  }
  for (const rule of set.rules) findings.push(...lintRule(rule))
  for (const correlation of set.correlations) findings.push(...lintCorrelation(correlation, set))
  return findings.sort((a, b) => (a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1))
}

function lintPaperwork(
  rule: SigmaHeader,
  raises: boolean,
  tell: (check: LintCheck, key: string, message: string) => void,
): void {
  const description = rule.description?.trim() ?? ''
  if (description === '') tell('description', 'description', 'expected a description')
  else if (raises && description.length < DESCRIPTION_CHARACTERS) {
    tell('description', 'description', `the description has fewer than ${DESCRIPTION_CHARACTERS} characters`)
  }
  if (rule.references.length === 0) tell('references', 'references', 'expected a reference')
  for (const key of ['references', 'falsepositives', 'tags'] as const) {
    const twice = rule[key].find((text, index) => rule[key].indexOf(text) < index)
    if (twice !== undefined) tell('twice', key, `"${twice}" is given twice`)
  }
  if (!raises) return
  if (rule.falsepositives.length === 0) tell('falsepositives', 'falsepositives', 'expected what may look the same')
  if (!rule.tags.some((tag) => /^attack\.t\d/i.test(tag))) tell('attack', 'tags', 'expected a technique of ATT&CK')
  const isHigh = rule.level === 'high' || rule.level === 'critical'
  if (isHigh && description.length < REASON_CHARACTERS) {
    tell(
      'level',
      'level',
      `level ${rule.level} without a description that gives the reason (${REASON_CHARACTERS} characters)`,
    )
  }
}

function lintRule(rule: SigmaRule): LintFinding[] {
  const findings: LintFinding[] = []
  const tell = (check: LintCheck, line: number, key: string, message: string) => {
    findings.push({ file: rule.file, line, key, message, check })
  }
  const used = new Set<string>()
  collectNames(rule.condition, used)
  for (const name of rule.detections.keys()) {
    if (used.has(name)) continue
    tell('unused', rule.lines['detection'] ?? rule.line, `detection.${name}`, 'the condition never asks for it')
  }
  const line = rule.lines['detection'] ?? rule.line
  const names = requiredOf(rule).get(DISCRIMINATOR)
  if (names === undefined) {
    tell(
      'event',
      line,
      'detection',
      `the rule does not name its events by ${DISCRIMINATOR}: it is tried on every event`,
    )
    return findings
  }
  const events: EventName[] = []
  for (const name of names) {
    if (!Object.hasOwn(CATALOGUE, name)) tell('event', line, DISCRIMINATOR, `there is no event "${name}"`)
    else if (!isOfService(name as EventName, rule)) {
      tell('event', line, DISCRIMINATOR, `${name} is not of the service ${rule.logsource.service}: it never gets here`)
    } else events.push(name as EventName)
  }
  if (events.length === 0) return findings
  for (const { field, key, line: at } of fieldsOf(rule)) {
    if (isDerived(field) || events.some((name) => carriedBy(name).has(field))) continue
    tell('field', at, key, `${events.join(', ')} ${events.length === 1 ? 'does' : 'do'} not carry ${field}`)
  }
  return findings
}

function isOfService(name: EventName, { logsource: { product, service } }: SigmaRule): boolean {
  return product !== PRODUCT || service === undefined || CATALOGUE[name].dataset === service
}

/** A group whose field no event carries never begins. */
function lintCorrelation(correlation: SigmaCorrelation, set: RuleSet): LintFinding[] {
  const findings: LintFinding[] = []
  const line = correlation.lines['correlation'] ?? correlation.line
  for (const name of correlation.rules) {
    const rule = set.rules.find((known) => known.id === name || known.name === name)
    const events = rule === undefined ? undefined : requiredOf(rule).get(DISCRIMINATOR)
    if (rule === undefined || events === undefined) continue
    for (const field of [...correlation.groupBy, ...correlation.fields]) {
      const table = correlation.aliases.get(field)
      const said = table?.get(rule.name ?? '') ?? table?.get(rule.id ?? '') ?? field
      const isCarried = [...events].some((event) => {
        return Object.hasOwn(CATALOGUE, event) && carriedBy(event as EventName).has(said)
      })
      if (isCarried || !isField(said)) continue
      const message = `the events of "${rule.title}" do not carry ${said}: they are never counted`
      findings.push({ file: correlation.file, line, key: 'correlation', message, check: 'field' })
    }
  }
  return findings
}

function collectNames(condition: Condition, names: Set<string>): void {
  if (condition.kind === 'selection') names.add(condition.name)
  else if (condition.kind === 'not') collectNames(condition.operand, names)
  else for (const operand of condition.operands) collectNames(operand, names)
}
