/**
 * What an event must have for a rule to match, as far as the rule says so: by it rules are filed. Every rule that matches an event
 * meets its requirements; the reverse is not true.
 */
import type { Condition } from './condition.ts'
import type { Detection, DetectionItem, SigmaRule, SigmaScalar } from './parse.ts'
import { literalPattern, literalsOf, parsePattern, plainText } from './pattern.ts'
import { ENCODINGS, PLACES, transform } from './values.ts'

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

// Fields

/**
 * Fields of which the event must have one for the rule to match; null if the rule does not say. `known` are those by which it has
 * been filed already.
 */
export function neededBy(rule: SigmaRule, known: readonly string[]): ReadonlySet<string> | null {
  const inDetection = (detection: Detection): ReadonlySet<string> | null => {
    if (detection.kind === 'item') return neededByItem(detection.item, known)
    const parts = detection.parts.map(inDetection)
    return detection.kind === 'all' ? fewest(parts) : anyOf(parts)
  }
  const inCondition = (condition: Condition): ReadonlySet<string> | null => {
    if (condition.kind === 'not') return null
    if (condition.kind === 'selection') return inDetection(rule.detections.get(condition.name)!)
    const operands = condition.operands.map(inCondition)
    return condition.kind === 'and' ? fewest(operands) : anyOf(operands)
  }
  return inCondition(rule.condition)
}

function neededByItem(item: DetectionItem, known: readonly string[]): ReadonlySet<string> | null {
  const { field, modifiers, values } = item
  if (field === null || known.includes(field) || modifiers.includes('neq') || modifiers.includes('exists')) return null
  return values.includes(null) ? null : new Set([field])
}

function fewest(sets: readonly (ReadonlySet<string> | null)[]): ReadonlySet<string> | null {
  let best: ReadonlySet<string> | null = null
  for (const set of sets) if (set !== null && (best === null || set.size < best.size)) best = set
  return best
}

function anyOf(sets: readonly (ReadonlySet<string> | null)[]): ReadonlySet<string> | null {
  return sets.includes(null) ? null : new Set(sets.flatMap((set) => [...set!]))
}

// Parts of texts

/** A text, in lower case, that stands somewhere in the value of a field; of any field where it is null. */
export interface Needle {
  readonly field: string | null
  readonly text: string
}

/** Shorter ones stand in too many texts to tell rules apart. */
export const NEEDLE_CHARACTERS = 4

/**
 * Needles of which one must be found for the rule to match; null if the rule does not say. `known` are the fields by which the
 * rule has been filed already: in every event that comes so far they have what the rule wants.
 */
export function needlesOf(rule: SigmaRule, known: readonly string[]): readonly Needle[] | null {
  const inDetection = (detection: Detection): readonly Needle[] | null => {
    if (detection.kind === 'item') return needlesOfItem(detection.item, known)
    const parts = detection.parts.map(inDetection)
    return detection.kind === 'all' ? mostTelling(parts) : oneOf(parts)
  }
  const inCondition = (condition: Condition): readonly Needle[] | null => {
    if (condition.kind === 'not') return null
    if (condition.kind === 'selection') return inDetection(rule.detections.get(condition.name)!)
    const operands = condition.operands.map(inCondition)
    return condition.kind === 'and' ? mostTelling(operands) : oneOf(operands)
  }
  return inCondition(rule.condition)
}

const TEXT_MODIFIERS: ReadonlySet<string> = new Set([...PLACES, ...ENCODINGS, 'all', 'cased'])

function needlesOfItem(item: DetectionItem, known: readonly string[]): readonly Needle[] | null {
  const { field, modifiers, values } = item
  if (field !== null && known.includes(field)) return null
  if (modifiers.some((modifier) => !TEXT_MODIFIERS.has(modifier))) return null
  const each = values.map((value) => needlesOfValue(item, field, value))
  return modifiers.includes('all') ? mostTelling(each) : oneOf(each)
}

/** The longest run without wildcards of every form that the value may take. */
function needlesOfValue(item: DetectionItem, field: string | null, value: SigmaScalar): readonly Needle[] | null {
  if (value === null) return null
  const pattern = typeof value === 'string' ? parsePattern(value) : literalPattern(String(value))
  const needles: Needle[] = []
  for (const variant of transform(item, pattern)) {
    const text = literalsOf(variant).reduce((longest, run) => (run.length > longest.length ? run : longest), '')
    if (text.length < NEEDLE_CHARACTERS) return null
    needles.push({ field, text: text.toLowerCase() })
  }
  return needles
}

function oneOf(parts: readonly (readonly Needle[] | null)[]): readonly Needle[] | null {
  const all: Needle[] = []
  for (const part of parts) {
    if (part === null) return null
    all.push(...part)
  }
  return all
}

/** The set whose shortest needle is longest: it is found in the fewest texts. One that is sought in every field is the last choice. */
function mostTelling(parts: readonly (readonly Needle[] | null)[]): readonly Needle[] | null {
  let best: readonly Needle[] | null = null
  let most = 0
  for (const part of parts) {
    if (part === null) continue
    const isAnywhere = part.some(({ field }) => field === null)
    const shortest = isAnywhere ? 1 : Math.min(...part.map(({ text }) => text.length))
    if (shortest > most || (shortest === most && part.length < best!.length)) {
      best = part
      most = shortest
    }
  }
  return best
}
