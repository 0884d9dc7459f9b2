/** Whether an alert is one that a route is about, by lists; queries are given to the router as functions. */
import type { EventDocument } from '../events/fields.ts'

export interface AlertLists {
  /** Sigma levels. */
  readonly levels?: readonly string[] | undefined
  /** Ids or titles of rules. */
  readonly rules?: readonly string[] | undefined
  /** ATT&CK ids and tactics (`T1110`, `attack.t1110.001`, `credential-access`), or categories of rules. */
  readonly tags?: readonly string[] | undefined
}

/** An alert must be in every list that is given, in whatever case it is written. */
export function matchesLists({ levels, rules, tags }: AlertLists): (alert: EventDocument) => boolean {
  const levelSet = setOf(levels)
  const ruleSet = setOf(rules)
  const tagSet = setOf(
    tags?.map((tag) =>
      tag
        .toLowerCase()
        .replace(/^attack\./, '')
        .replaceAll('_', '-'),
    ),
  )
  return (alert) =>
    isAnyIn(levelSet, [alert['rule.level']]) &&
    isAnyIn(ruleSet, [alert['rule.id'], alert['rule.name']]) &&
    isAnyIn(tagSet, tagsOf(alert))
}

function setOf(list: readonly string[] | undefined): ReadonlySet<string> | null {
  return list === undefined ? null : new Set(list.map((item) => item.toLowerCase()))
}

function isAnyIn(set: ReadonlySet<string> | null, values: readonly (string | undefined)[]): boolean {
  return set === null || values.some((value) => value !== undefined && set.has(value.toLowerCase()))
}

function tagsOf(alert: EventDocument): (string | undefined)[] {
  return [
    alert['rule.category'],
    ...(alert['threat.technique.id'] ?? []),
    ...(alert['threat.technique.subtechnique.id'] ?? []),
    ...(alert['threat.tactic.id'] ?? []),
    ...(alert['threat.tactic.name'] ?? []).map((name) => name.toLowerCase().replaceAll(' ', '-')),
  ]
}
