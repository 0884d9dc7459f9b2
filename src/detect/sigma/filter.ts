/**
 * Filters (specification 2.1.0): exceptions that stand in files of their own, so that the rules of others stay as they are.
 * A rule that a filter names matches what its own condition matches and the filter's condition too.
 */
import type { Condition } from './condition.ts'
import type { Detection, SigmaFilter, SigmaLogSource, SigmaRule } from './parse.ts'
import type { SigmaProblem } from './problem.ts'

/** No YAML key can begin like this, so that no search identifier of the rule is met. */
const PREFIX = '\u0000'

/**
 * The rules with the filters in them. A filter that names a rule which is not there, or one of another log source, is a problem;
 * for the other rules that it names it is in force.
 */
export function applyFilters(
  rules: readonly SigmaRule[],
  filters: readonly SigmaFilter[],
): { readonly rules: readonly SigmaRule[]; readonly problems: readonly SigmaProblem[] } {
  if (filters.length === 0) return { rules, problems: [] }
  const problems: SigmaProblem[] = []
  const byName = new Map<string, number>()
  for (const [index, { id, name }] of rules.entries()) {
    for (const text of [id, name]) if (text !== undefined) byName.set(text.toLowerCase(), index)
  }
  const filtered = [...rules]
  for (const [number, filter] of filters.entries()) {
    const targets = new Set<number>()
    const refuse = (message: string) => {
      problems.push({ file: filter.file, line: filter.lines['filter'] ?? filter.line, key: 'filter.rules', message })
    }
    for (const name of filter.rules ?? []) {
      const index = byName.get(name.toLowerCase())
      if (index === undefined) refuse(`there is no rule "${name}" whose events could be left out`)
      else if (!covers(filter.logsource, rules[index].logsource)) {
        refuse(`the rule "${rules[index].title}" looks at another log source than the filter`)
      } else targets.add(index)
    }
    if (filter.rules === null) {
      for (const [index, rule] of rules.entries()) if (covers(filter.logsource, rule.logsource)) targets.add(index)
      if (targets.size === 0) refuse('no rule looks at the log source of the filter')
    }
    for (const index of targets) filtered[index] = narrowed(filtered[index], filter, `${PREFIX}${number} `)
  }
  return { rules: filtered, problems }
}

/** A filter is for the rules that look at its log source, or at a part of it. */
function covers(filter: SigmaLogSource, rule: SigmaLogSource): boolean {
  const fits = (wide: string | undefined, narrow: string | undefined) => wide === undefined || wide === narrow
  return (
    fits(filter.product, rule.product) && fits(filter.category, rule.category) && fits(filter.service, rule.service)
  )
}

function narrowed(rule: SigmaRule, filter: SigmaFilter, prefix: string): SigmaRule {
  const detections = new Map<string, Detection>(rule.detections)
  for (const [name, detection] of filter.detections) detections.set(prefix + name, detection)
  const condition: Condition = { kind: 'and', operands: [rule.condition, renamed(filter.condition, prefix)] }
  return { ...rule, detections, condition }
}

function renamed(condition: Condition, prefix: string): Condition {
  switch (condition.kind) {
    case 'selection':
      return { kind: 'selection', name: prefix + condition.name }
    case 'not':
      return { kind: 'not', operand: renamed(condition.operand, prefix) }
    case 'and':
    case 'or':
      return { kind: condition.kind, operands: condition.operands.map((operand) => renamed(operand, prefix)) }
  }
}
