/** The values of a query, checked against the kind of their field and turned into leaves of the tree. */
import { FIELDS, type FieldName } from '../events/fields.ts'
import { addressesBeside, addressRange } from './address.ts'
import { period } from './dates.ts'
import type { NumberRange, QueryNode, Span, WordTest } from './kql-tree.ts'
import type { QueryFault } from './query-error.ts'
import { splitPattern } from './wildcard.ts'
import { lowered, NOT_WORD, wordsOf } from './words.ts'

/** A value as it was written: the texts between its wildcards, with escapes resolved. */
export interface Literal extends Span {
  readonly parts: readonly string[]
  readonly quoted: boolean
}

export type RangeOperator = '<' | '<=' | '>' | '>='

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?$/

const EXPECTED = {
  number: 'a number',
  ip: 'an IPv4 or IPv6 address, or a network such as 10.0.0.0/8',
  date: 'a date such as 2026-01-31, 2026-01-31T12:00:00Z or now-24h',
  boolean: 'true or false',
}

/** The leaf for `field: value` (operator null) or `field >= value`, or what is wrong with the value. */
export function comparison(
  field: FieldName,
  literal: Literal,
  operator: RangeOperator | null,
  nowUs: number,
): QueryNode | QueryFault {
  const { parts, start, end } = literal
  const text = parts.join('*')
  if (operator === null && isStar(literal)) return { type: 'exists', field, start, end }
  switch (FIELDS[field].kind) {
    case 'keyword':
    case 'keyword[]':
      if (operator !== null) return noRange(field, 'words', literal)
      return parts.length > 1
        ? { type: 'wildcard', field, parts, start, end }
        : { type: 'equals', field, value: text, start, end }
    case 'text':
      return operator === null ? wordsNode(field, literal) : noRange(field, 'text', literal)
    case 'ip':
    case 'ip[]':
      return network(field, text, operator, literal)
    case 'long':
    case 'float':
      return number(field, text, operator, literal)
    case 'date':
      return date(field, text, operator, nowUs, literal)
    case 'boolean':
      if (operator !== null) return noRange(field, 'true or false', literal)
      if (text !== 'true' && text !== 'false') return misfit(field, 'true or false', EXPECTED.boolean, literal)
      return { type: 'equals', field, value: text === 'true', start, end }
  }
}

/** A wildcard alone, and none that was escaped. */
export function isStar({ parts }: Literal): boolean {
  return parts.length === 2 && parts[0] === '' && parts[1] === ''
}

/** Words to look for: of a quoted text all in a row, of any other one of those between its spaces. */
export function wordsNode(field: FieldName | null, literal: Literal): QueryNode | QueryFault {
  const { start, end } = literal
  const words: WordTest[] = []
  for (const piece of literal.quoted ? [literal.parts] : splitPattern(literal.parts, /\s+/)) {
    if (piece.length === 1) {
      const phrase = wordsOf(piece[0])
      if (phrase.length > 0) words.push({ phrase })
    } else {
      const lower = piece.map(lowered)
      const patterns = splitPattern(lower, NOT_WORD)
      if (patterns.length > 0) words.push({ patterns })
    }
  }
  if (words.length === 0) return { problem: 'there is no word in this', expected: 'letters or digits', start, end }
  return { type: 'words', field, words, start, end }
}

function network(field: FieldName, text: string, operator: RangeOperator | null, span: Span): QueryNode | QueryFault {
  const range = addressRange(text)
  if (range === null) return misfit(field, 'addresses', EXPECTED.ip, span)
  const { low, high } = operator === null ? range : addressesBeside(range, operator)
  return { type: 'network', field, low, high, start: span.start, end: span.end }
}

function number(field: FieldName, text: string, operator: RangeOperator | null, span: Span): QueryNode | QueryFault {
  const value = NUMBER.test(text) ? Number(text) : Number.NaN
  if (!Number.isFinite(value)) return misfit(field, 'numbers', EXPECTED.number, span)
  const { start, end } = span
  if (operator === null) return { type: 'equals', field, value, start, end }
  return { type: 'range', field, range: beside(value, operator), start, end }
}

function date(
  field: FieldName,
  text: string,
  operator: RangeOperator | null,
  nowUs: number,
  span: Span,
): QueryNode | QueryFault {
  const named = period(text, nowUs)
  if (named === null) return misfit(field, 'dates', EXPECTED.date, span)
  const { start, end } = span
  return { type: 'range', field, range: datesBeside(named.fromUs, named.untilUs, operator), start, end }
}

function beside(value: number, operator: RangeOperator): NumberRange {
  const included = operator.length === 2
  return operator[0] === '<' ? { high: value, highIncluded: included } : { low: value, lowIncluded: included }
}

/** A period has a first and a last microsecond: what is after it begins where it ends. */
function datesBeside(fromUs: number, untilUs: number, operator: RangeOperator | null): NumberRange {
  switch (operator) {
    case '<':
      return { high: fromUs, highIncluded: false }
    case '<=':
      return { high: untilUs, highIncluded: false }
    case '>':
      return { low: untilUs, lowIncluded: true }
    case '>=':
      return { low: fromUs, lowIncluded: true }
    case null:
      return { low: fromUs, lowIncluded: true, high: untilUs, highIncluded: false }
  }
}

function misfit(field: FieldName, holds: string, expected: string, { start, end }: Span): QueryFault {
  return { problem: `${field} holds ${holds}`, expected, start, end }
}

function noRange(field: FieldName, holds: string, { start, end }: Span): QueryFault {
  return {
    problem: `${field} holds ${holds}, which have no ranges`,
    expected: 'a field of numbers, dates or addresses',
    start,
    end,
  }
}
