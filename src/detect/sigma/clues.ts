/**
 * Clues: what an event shows if a rule matches it. Of every rule a few are chosen of which one is there in each event that the rule
 * matches, and that few other events have; by them it is found. The reverse is not true: an event with a clue need not match.
 */
import { type Network, parseNetwork } from './cidr.ts'
import type { Condition } from './condition.ts'
import type { Detection, DetectionItem, SigmaRule, SigmaScalar } from './parse.ts'
import { isAscii, literalPattern, literalsOf, type Pattern, parsePattern, plainText } from './pattern.ts'
import { regexLiterals } from './regex-literals.ts'
import { ENCODINGS, PLACES, transform } from './values.ts'

/** Texts are in lower case, and so is what they are compared with. */
export type Clue =
  /** The field is, begins with, or ends with the text. */
  | { readonly kind: 'value' | 'start' | 'end'; readonly field: string; readonly text: string }
  /** The text stands somewhere in the field; in any field where it is null. */
  | { readonly kind: 'part'; readonly field: string | null; readonly text: string }
  /** The field is a number not below `min` and one not above `max`; of a list, the same one or two. */
  | { readonly kind: 'number'; readonly field: string; readonly min: number; readonly max: number }
  /** The field is an address in the network. */
  | { readonly kind: 'network'; readonly field: string; readonly network: Network }
  /** The field is there. */
  | { readonly kind: 'present'; readonly field: string }

/** One of them is there in every event that the rule matches; null if nothing can be said. */
type Clues = readonly Clue[] | null

/** How often the rules name each value of a field, and all values of it: what is named often is expected to be seen often. */
export type ValueCounts = ReadonlyMap<string, { readonly byValue: ReadonlyMap<string, number>; readonly all: number }>

export function countValues(rules: readonly SigmaRule[]): ValueCounts {
  const fields = new Map<string, { byValue: Map<string, number>; all: number }>()
  const visit = (detection: Detection): void => {
    if (detection.kind !== 'item') {
      for (const part of detection.parts) visit(part)
      return
    }
    const { field, modifiers, values } = detection.item
    if (field === null || modifiers.length > 0) return
    const counts = fields.get(field) ?? { byValue: new Map<string, number>(), all: 0 }
    fields.set(field, counts)
    for (const value of values) {
      const text = String(value).toLowerCase()
      counts.byValue.set(text, (counts.byValue.get(text) ?? 0) + 1)
      counts.all++
    }
  }
  for (const rule of rules) for (const detection of rule.detections.values()) visit(detection)
  return fields
}

/**
 * The rarest clues of a rule. `known` is the field by which rules have been told apart already: it is the same in all events that
 * come so far.
 */
export function cluesOf(rule: SigmaRule, counts: ValueCounts, known: string | null): readonly Clue[] | null {
  return new Finder(rule, counts, known).find()
}

const TEXT_MODIFIERS: ReadonlySet<string> = new Set([...PLACES, ...ENCODINGS, 'all', 'cased'])
const BOUNDS = { lt: false, lte: false, gt: true, gte: true } as const

/** In how many events something is expected, by experience. */
const LIKELY = { bound: 0.4, range: 0.1, network: 0.2, present: 0.8 } as const
/** To look at all of an event is the last choice. */
const ANYWHERE = 1

class Finder {
  readonly #rule: SigmaRule
  readonly #counts: ValueCounts
  readonly #known: string | null

  constructor(rule: SigmaRule, counts: ValueCounts, known: string | null) {
    this.#rule = rule
    this.#counts = counts
    this.#known = known
  }

  find(): Clues {
    return this.#inCondition(this.#rule.condition)
  }

  #inCondition(condition: Condition): Clues {
    if (condition.kind === 'not') return null
    if (condition.kind === 'selection') return this.#inDetection(this.#rule.detections.get(condition.name)!)
    const operands = condition.operands.map((operand) => this.#inCondition(operand))
    return condition.kind === 'and' ? this.#rarest(operands) : oneOf(operands)
  }

  #inDetection(detection: Detection): Clues {
    if (detection.kind === 'item') return this.#inItem(detection.item)
    const parts = detection.parts.map((part) => this.#inDetection(part))
    return detection.kind === 'all' ? this.#rarest(parts) : oneOf(parts)
  }

  #inItem(item: DetectionItem): Clues {
    const { field, modifiers, values } = item
    const present: Clues = field === null ? null : [{ kind: 'present', field }]
    if (modifiers.includes('neq') || (field !== null && field === this.#known)) return null
    if (modifiers.includes('exists')) return values[0] === true ? present : null
    if (values.includes(null)) return null
    const each = values.map((value) => this.#inValue(item, value) ?? present)
    return modifiers.includes('all') ? this.#rarest(each) : oneOf(each)
  }

  #inValue(item: DetectionItem, value: SigmaScalar): Clues {
    const { field, modifiers } = item
    if (modifiers.includes('re')) {
      const texts = regexLiterals(String(value), modifiers.includes('i'))
      return texts?.map((text) => ({ kind: 'part', field, text })) ?? null
    }
    if (modifiers.includes('cidr')) {
      const network = field === null ? null : parseNetwork(String(value))
      return network === null ? null : [{ kind: 'network', field: field!, network }]
    }
    const [modifier] = modifiers.filter((name) => name !== 'all')
    if (field !== null && modifier !== undefined && modifier in BOUNDS && typeof value === 'number') {
      if (modifiers.some((name) => !(name in BOUNDS) && name !== 'all') || Number.isNaN(value)) return null
      const isLower = BOUNDS[modifier as keyof typeof BOUNDS]
      const [min, max] = isLower ? [value, Number.POSITIVE_INFINITY] : [Number.NEGATIVE_INFINITY, value]
      return [{ kind: 'number', field, min, max }]
    }
    if (modifiers.some((name) => !TEXT_MODIFIERS.has(name))) return null
    const pattern = typeof value === 'string' ? parsePattern(value) : literalPattern(String(value))
    return oneOf(
      transform(item, pattern).map((variant) => this.#inPattern(field, variant, modifiers.includes('cased'))),
    )
  }

  #inPattern(field: string | null, pattern: Pattern, cased: boolean): Clues {
    const whole = plainText(pattern)
    if (whole !== null && field !== null) return [{ kind: 'value', field, text: whole.toLowerCase() }]
    const clues: Clue[] = []
    for (const { text, isStart, isEnd } of literalsOf(pattern, cased)) {
      // Only ASCII is the same in every text however that is lower-cased.
      if (text === '' || (cased && !isAscii(text))) continue
      const lower = text.toLowerCase()
      if (field === null || (!isStart && !isEnd)) clues.push({ kind: 'part', field, text: lower })
      else clues.push({ kind: isStart ? 'start' : 'end', field, text: lower })
    }
    return this.#rarest(clues.map((clue) => [clue]))
  }

  /** Of what must all be there, what is there least often. */
  #rarest(parts: readonly Clues[]): Clues {
    let best: Clues = null
    let least = Number.POSITIVE_INFINITY
    for (const part of [...parts, ...rangesOf(parts)]) {
      if (part === null) continue
      let likely = part.some(({ field }) => field === null) ? ANYWHERE : 0
      for (const clue of part) likely += this.#likelihood(clue)
      if (likely < least) {
        best = part
        least = likely
      }
    }
    return best
  }

  #likelihood(clue: Clue): number {
    switch (clue.kind) {
      case 'value': {
        const counts = this.#counts.get(clue.field)
        return counts === undefined ? 1 : (counts.byValue.get(clue.text) ?? 1) / (counts.all + 1)
      }
      case 'start':
      case 'end':
        // To look at an end is cheaper than to look at all of a text.
        return 2 ** -clue.text.length / 2
      case 'part':
        return 2 ** -clue.text.length
      case 'number':
        return Number.isFinite(clue.min) && Number.isFinite(clue.max) ? LIKELY.range : LIKELY.bound
      case 'network':
      case 'present':
        return LIKELY[clue.kind]
    }
  }
}

/** A lower and an upper bound of one field make a range. */
function rangesOf(parts: readonly Clues[]): Clues[] {
  const ranges = new Map<string, Clue & { kind: 'number' }>()
  for (const part of parts) {
    const clue = part?.length === 1 ? part[0] : null
    if (clue?.kind !== 'number') continue
    const { field, min, max } = ranges.get(clue.field) ?? clue
    ranges.set(field, { kind: 'number', field, min: Math.max(min, clue.min), max: Math.min(max, clue.max) })
  }
  return [...ranges.values()].map((range) => [range])
}

function oneOf(parts: readonly Clues[]): Clues {
  const all: Clue[] = []
  for (const part of parts) {
    if (part === null) return null
    all.push(...part)
  }
  return all
}
