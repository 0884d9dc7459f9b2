/**
 * Rules → predicates, built once out of closures.
 *
 * Matching is case-insensitive unless `cased`. A list field matches if any of its elements does. Scalars are compared
 * as text, so that `4624` in a rule meets both the number and the string.
 */
import { compileCidr } from './cidr.ts'
import type { Condition } from './condition.ts'
import type { EventModel } from './model.ts'
import type { Detection, DetectionItem, SigmaRule, SigmaScalar } from './parse.ts'
import {
  compilePatterns,
  isAscii,
  literalPattern,
  lowerCase,
  type Pattern,
  parsePattern,
  plainText,
} from './pattern.ts'
import { compileRegex, RegexError } from './regex.ts'
import { type Requirements, requiredOf } from './requirements.ts'
import { ENCODINGS, fail, PLACES, transform } from './values.ts'

export type Predicate<E> = (event: E) => boolean

export interface CompiledRule<E> {
  readonly rule: SigmaRule
  readonly matches: Predicate<E>
  readonly required: Requirements
}

/** Throws SigmaError. */
export function compileRule<E>(rule: SigmaRule, model: EventModel<E, unknown>): CompiledRule<E> {
  const selections = new Map<string, Costed<E>>()
  for (const [name, detection] of rule.detections) selections.set(name, compileDetection(detection, model))
  return {
    rule,
    matches: compileCondition(rule.condition, selections).test,
    required: requiredOf(rule),
  }
}

/** Every field that the rule reads, with the place where it does. */
export function fieldsOf(rule: SigmaRule): { field: string; key: string; line: number }[] {
  const fields: { field: string; key: string; line: number }[] = []
  const visit = (detection: Detection): void => {
    if (detection.kind !== 'item') {
      for (const part of detection.parts) visit(part)
      return
    }
    const { field, modifiers, values, key, line } = detection.item
    if (field !== null) fields.push({ field, key, line })
    if (modifiers.includes('fieldref')) for (const value of values) fields.push({ field: String(value), key, line })
  }
  for (const detection of rule.detections.values()) visit(detection)
  return fields
}

/** A predicate, and about how many simple comparisons it costs. */
interface Costed<E> {
  readonly test: Predicate<E>
  readonly cost: number
}

function compileCondition<E>(condition: Condition, selections: ReadonlyMap<string, Costed<E>>): Costed<E> {
  if (condition.kind === 'selection') return selections.get(condition.name)!
  if (condition.kind === 'not') {
    const { test, cost } = compileCondition(condition.operand, selections)
    return { test: (event) => !test(event), cost }
  }
  const operands = condition.operands.map((operand) => compileCondition(operand, selections))
  return joined(operands, condition.kind === 'and' ? allOf : anyOf)
}

function compileDetection<E>(detection: Detection, model: EventModel<E, unknown>): Costed<E> {
  if (detection.kind === 'item') {
    return { test: compileItem(detection.item, model), cost: costOf(detection.item) }
  }
  const parts = detection.parts.map((part) => compileDetection(part, model))
  return joined(parts, detection.kind === 'all' ? allOf : anyOf)
}

/** The cheapest first: most events fail, or pass, by them alone. */
function joined<E>(parts: readonly Costed<E>[], join: (tests: readonly Predicate<E>[]) => Predicate<E>): Costed<E> {
  const sorted = parts.toSorted((a, b) => a.cost - b.cost)
  return { test: join(sorted.map(({ test }) => test)), cost: parts.reduce((sum, { cost }) => sum + cost, 0) }
}

/** A regular expression is a run over the text, a keyword one over all texts of the event. */
const REGEX_COST = 50
const KEYWORD_COST = 200
const TEXT_COST = 3

function costOf({ field, modifiers, values }: DetectionItem): number {
  if (field === null) return KEYWORD_COST * values.length
  if (modifiers.includes('re')) return REGEX_COST * values.length
  return modifiers.length === 0 ? 1 : TEXT_COST + values.length
}

function allOf<E>(parts: readonly Predicate<E>[]): Predicate<E> {
  if (parts.length === 1) return parts[0]
  const [first, second] = parts
  if (parts.length === 2) return (event) => first(event) && second(event)
  return (event) => {
    for (let i = 0; i < parts.length; i++) if (!parts[i](event)) return false
    return true
  }
}

function anyOf<E>(parts: readonly Predicate<E>[]): Predicate<E> {
  if (parts.length === 1) return parts[0]
  const [first, second] = parts
  if (parts.length === 2) return (event) => first(event) || second(event)
  return (event) => {
    for (let i = 0; i < parts.length; i++) if (parts[i](event)) return true
    return false
  }
}

// One item

type ValueTest = (value: unknown) => boolean

const ORDER = ['lt', 'lte', 'gt', 'gte'] as const
type Order = (typeof ORDER)[number]

const DATE_PARTS = ['minute', 'hour', 'day', 'week', 'month', 'year'] as const
type DatePart = (typeof DATE_PARTS)[number]

const REGEX_FLAGS = ['i', 'm', 's'] as const
const SINGLES = ['all', 'cased', 'neq', 're', 'cidr', 'exists', 'fieldref'] as const
const MODIFIERS: readonly string[] = [...PLACES, ...ENCODINGS, ...SINGLES, ...REGEX_FLAGS, ...ORDER, ...DATE_PARTS]
/**
 * Which modifiers may stand beside one that gives the value another type. `all`, `neq` and `cased` are named where
 * they fit.
 */
const COMPANIONS: Readonly<Record<string, readonly string[]>> = {
  re: ['all', 'neq', 'cased', ...REGEX_FLAGS],
  cidr: ['all', 'neq'],
  exists: [],
  fieldref: ['all', 'neq', 'cased', ...PLACES],
  lt: ['all', ...DATE_PARTS],
  lte: ['all', ...DATE_PARTS],
  gt: ['all', ...DATE_PARTS],
  gte: ['all', ...DATE_PARTS],
  minute: ['neq', ...ORDER],
  hour: ['neq', ...ORDER],
  day: ['neq', ...ORDER],
  week: ['neq', ...ORDER],
  month: ['neq', ...ORDER],
  year: ['neq', ...ORDER],
}

function compileItem<E>(item: DetectionItem, model: EventModel<E, unknown>): Predicate<E> {
  checkModifiers(item)
  const has = (modifier: string) => item.modifiers.includes(modifier)
  let predicate: Predicate<E>
  if (item.field === null) predicate = compileKeywords(item, model)
  else if (has('exists')) predicate = compileExists(item, model.field(item.field))
  else if (has('fieldref')) predicate = compileReferences(item, model)
  else {
    const read = model.field(item.field)
    const tests = has('all')
      ? item.values.map((value) => compileValues(item, [value]))
      : [compileValues(item, item.values)]
    predicate = allOf(tests.map((test) => (event: E) => anyElement(read(event), test)))
  }
  return has('neq') ? (event) => !predicate(event) : predicate
}

function checkModifiers(item: DetectionItem): void {
  for (const modifier of item.modifiers) {
    if (modifier === 'expand') {
      fail(item, 'the modifier expand needs placeholders that are not given: the rule is refused')
    }
    if (!MODIFIERS.includes(modifier)) fail(item, `unknown modifier "${modifier}"; known are ${MODIFIERS.join(', ')}`)
    const companions = COMPANIONS[modifier]
    const stranger = companions && item.modifiers.find((other) => other !== modifier && !companions.includes(other))
    if (stranger !== undefined) fail(item, `the modifiers ${modifier} and ${stranger} do not go together`)
    if ((REGEX_FLAGS as readonly string[]).includes(modifier) && !item.modifiers.includes('re')) {
      fail(item, `the modifier ${modifier} is part of re`)
    }
  }
  if (new Set(item.modifiers).size < item.modifiers.length) fail(item, 'a modifier is given twice')
}

function anyElement(value: unknown, test: ValueTest): boolean {
  if (!Array.isArray(value)) return test(value)
  if (value.length === 0) return test(undefined)
  for (let i = 0; i < value.length; i++) if (test(value[i])) return true
  return false
}

function compileKeywords<E>(item: DetectionItem, model: EventModel<E, unknown>): Predicate<E> {
  const stranger = item.modifiers.find((modifier) => {
    return !(['all', 'cased', 're', 'neq'] as string[]).concat(REGEX_FLAGS, PLACES, ENCODINGS).includes(modifier)
  })
  if (stranger !== undefined) fail(item, `the modifier ${stranger} needs a field`)
  const groups = item.modifiers.includes('all') ? item.values.map((value) => [value]) : [item.values]
  return allOf(
    groups.map((values) => {
      const test = compileValues(item, values)
      return (event: E) => model.some(event, test)
    }),
  )
}

function compileExists<E>(item: DetectionItem, read: (event: E) => unknown): Predicate<E> {
  const [wanted] = item.values
  if (typeof wanted !== 'boolean' || item.values.length > 1) fail(item, 'exists takes true or false')
  return (event) => (read(event) !== undefined) === wanted
}

/** The test of one value of the event against all values of the item. */
function compileValues(item: DetectionItem, values: readonly SigmaScalar[]): ValueTest {
  const part = DATE_PARTS.find((name) => item.modifiers.includes(name))
  const order = ORDER.filter((name) => item.modifiers.includes(name))
  if (part !== undefined || order.length > 0) return compileNumbers(item, values, part, order)
  if (item.modifiers.includes('cidr')) return compileNetworks(item, values)
  if (item.modifiers.includes('re')) return compileRegexes(item, values)
  return compileTexts(item, values)
}

function compileNumbers(
  item: DetectionItem,
  values: readonly SigmaScalar[],
  part: DatePart | undefined,
  order: readonly Order[],
): ValueTest {
  if (order.length > 1) fail(item, `the modifiers ${order[0]} and ${order[1]} do not go together`)
  const numbers = values.map((value) => (typeof value === 'number' ? value : fail(item, 'expected a number')))
  const read = part === undefined ? numberOf : (value: unknown) => datePart(value, part)
  const compare = COMPARE[order[0] ?? 'eq']
  return (value) => {
    const number = read(value)
    for (let i = 0; i < numbers.length; i++) if (compare(number, numbers[i])) return true
    return false
  }
}

const COMPARE: Readonly<Record<Order | 'eq', (a: number, b: number) => boolean>> = {
  lt: (a, b) => a < b,
  lte: (a, b) => a <= b,
  gt: (a, b) => a > b,
  gte: (a, b) => a >= b,
  eq: (a, b) => a === b,
}

/** What bounds are compared with. NaN, for what is no number, compares as false with everything. */
export function numberOf(value: unknown): number {
  if (typeof value === 'number') return value
  return typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN
}

const DATE = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2}))?/

/** A part of the date as it is written: no time zone is converted (specification, "Time modifiers"). */
function datePart(value: unknown, part: DatePart): number {
  const match = typeof value === 'string' ? DATE.exec(value) : null
  if (match === null) return Number.NaN
  switch (part) {
    case 'year':
      return Number(match[1])
    case 'month':
      return Number(match[2])
    case 'day':
      return Number(match[3])
    case 'hour':
      return Number(match[4])
    case 'minute':
      return Number(match[5])
    case 'week':
      return isoWeek(Number(match[1]), Number(match[2]), Number(match[3]))
  }
}

const DAY_MS = 86_400_000

/** ISO 8601: the week belongs to the year that holds its Thursday. */
function isoWeek(year: number, month: number, day: number): number {
  const date = Date.UTC(year, month - 1, day)
  const weekday = (new Date(date).getUTCDay() + 6) % 7
  const thursday = date + (3 - weekday) * DAY_MS
  const first = Date.UTC(new Date(thursday).getUTCFullYear(), 0, 1)
  return Math.floor((thursday - first) / (7 * DAY_MS)) + 1
}

function compileNetworks(item: DetectionItem, values: readonly SigmaScalar[]): ValueTest {
  const networks = values.map((value) => {
    return compileCidr(String(value)) ?? fail(item, `"${value}" is not a network, as in 192.0.2.0/24 or 2001:db8::/32`)
  })
  return (value) => typeof value === 'string' && networks.some((network) => network(value))
}

function compileRegexes(item: DetectionItem, values: readonly SigmaScalar[]): ValueTest {
  const flags = {
    ignoreCase: item.modifiers.includes('i'),
    multiline: item.modifiers.includes('m'),
    dotAll: item.modifiers.includes('s'),
  }
  const tests = values.map((value) => {
    if (value === null || value === '') fail(item, 'expected a regular expression')
    try {
      return compileRegex(String(value), flags)
    } catch (error) {
      if (error instanceof RegexError) fail(item, `${error.message}: ${value}`)
      throw error
    }
  })
  return (value) => {
    const text = textOf(value)
    if (text === null) return false
    for (let i = 0; i < tests.length; i++) if (tests[i](text)) return true
    return false
  }
}

function compileTexts(item: DetectionItem, values: readonly SigmaScalar[]): ValueTest {
  const cased = item.modifiers.includes('cased')
  const exact = new Set<string>()
  const patterns: Pattern[] = []
  let absent = false
  for (const value of values) {
    if (value === null) {
      if (item.field === null || item.modifiers.some((modifier) => modifier !== 'neq' && modifier !== 'all')) {
        fail(item, 'null stands for a missing field: it takes no modifier but neq')
      }
      absent = true
      continue
    }
    const pattern = typeof value === 'string' ? parsePattern(value) : literalPattern(String(value))
    for (const variant of transform(item, pattern)) {
      const text = plainText(variant)
      if (text === null) patterns.push(variant)
      else exact.add(cased ? text : text.toLowerCase())
    }
  }
  const tests = compilePatterns(patterns, cased)
  const [only] = exact
  if (exact.size === 1 && tests.length === 0 && !absent && isAscii(only)) return singleText(only, cased)
  return (value) => {
    if (value === undefined || value === null) return absent
    const original = textOf(value)
    if (original === null) return false
    const text = cased ? original : lowerCase(original)
    if (exact.size > 0 && exact.has(text)) return true
    for (let i = 0; i < tests.length; i++) if (tests[i](text)) return true
    return false
  }
}

/**
 * Nothing that is not ASCII turns into ASCII of another length when it is lower-cased: most values differ in length.
 */
function singleText(only: string, cased: boolean): ValueTest {
  return (value) => {
    const text = textOf(value)
    if (text === null || text.length !== only.length) return false
    return text === only || (!cased && text.toLowerCase() === only)
  }
}

/** A scalar as text; null for what is none. */
function textOf(value: unknown): string | null {
  if (typeof value === 'string') return value
  return typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint' ? String(value) : null
}

function compileReferences<E>(item: DetectionItem, model: EventModel<E, unknown>): Predicate<E> {
  const read = model.field(item.field!)
  const cased = item.modifiers.includes('cased')
  const place = PLACES.find((name) => item.modifiers.includes(name))
  const compare = place === undefined ? same : PLACE_TESTS[place]
  const predicates = item.values.map((value): Predicate<E> => {
    if (typeof value !== 'string' || value === '') fail(item, 'fieldref takes the name of a field')
    const other = model.field(value)
    return (event) => {
      const part = other(event)
      return anyElement(read(event), (left) => anyElement(part, (right) => compareTexts(left, right, cased, compare)))
    }
  })
  return item.modifiers.includes('all') ? allOf(predicates) : anyOf(predicates)
}

const same = (a: string, b: string): boolean => a === b

const PLACE_TESTS: Readonly<Record<(typeof PLACES)[number], (a: string, b: string) => boolean>> = {
  contains: (a, b) => a.includes(b),
  startswith: (a, b) => a.startsWith(b),
  endswith: (a, b) => a.endsWith(b),
}

/** A missing field is like no other. */
function compareTexts(
  left: unknown,
  right: unknown,
  cased: boolean,
  compare: (a: string, b: string) => boolean,
): boolean {
  const a = textOf(left)
  const b = textOf(right)
  if (a === null || b === null) return false
  return cased ? compare(a, b) : compare(a.toLowerCase(), b.toLowerCase())
}
