/**
 * What an event must have for a rule to match, as far as the rule says so: by it rules are filed. Every rule that matches an event
 * meets its requirements; the reverse is not true.
 */
import type { Condition } from './condition.ts'
import type { Detection, SigmaRule } from './parse.ts'
import { parsePattern, plainText } from './pattern.ts'

/** Field → the values, in lower case, one of which the field must have for the rule to match. */
export type Requirements = ReadonlyMap<string, ReadonlySet<string>>

const NOTHING: Requirements = new Map()

/** For some fields, the values (in lower case) one of which the field must have for the rule to match. */
export function requiredOf(rule: SigmaRule): ReadonlyMap<string, ReadonlySet<string>> {
  return requiredBy(rule.condition, rule.detections)
}

function requiredBy(condition: Condition, detections: ReadonlyMap<string, Detection>): Requirements {
  switch (condition.kind) {
    case 'not':
      return NOTHING
    case 'selection':
      return requiredIn(detections.get(condition.name)!)
    case 'and':
      return requiredByAll(condition.operands.map((operand) => requiredBy(operand, detections)))
    case 'or':
      return requiredByAny(condition.operands.map((operand) => requiredBy(operand, detections)))
  }
}

function requiredIn(detection: Detection): Requirements {
  if (detection.kind !== 'item') {
    const parts = detection.parts.map(requiredIn)
    return detection.kind === 'all' ? requiredByAll(parts) : requiredByAny(parts)
  }
  const { field, modifiers, values } = detection.item
  if (field === null || modifiers.some((modifier) => modifier !== 'cased')) return NOTHING
  const required = new Set<string>()
  for (const value of values) {
    const text = value === null ? null : typeof value === 'string' ? plainText(parsePattern(value)) : String(value)
    if (text === null) return NOTHING
    required.add(text.toLowerCase())
  }
  return new Map([[field, required]])
}

function requiredByAll(parts: readonly Requirements[]): Requirements {
  const all = new Map<string, ReadonlySet<string>>()
  for (const part of parts) {
    for (const [field, values] of part) {
      const known = all.get(field)
      if (known === undefined || values.size < known.size) all.set(field, values)
    }
  }
  return all
}

function requiredByAny([first, ...others]: readonly Requirements[]): Requirements {
  const any = new Map<string, ReadonlySet<string>>()
  for (const [field, values] of first) {
    const union = new Set(values)
    const everywhere = others.every((part) => {
      for (const value of part.get(field) ?? []) union.add(value)
      return part.has(field)
    })
    if (everywhere) any.set(field, union)
  }
  return any
}
