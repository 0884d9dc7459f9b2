/** Rules as a tree of plain tests, of which queries in other languages are written. What cannot be said there is refused, with why. */
import { FIELDS, isField } from '../../events/fields.ts'
import type { Condition } from '../sigma/condition.ts'
import type { Detection, DetectionItem, SigmaRule } from '../sigma/parse.ts'

export type Expression =
  | { readonly kind: 'and' | 'or'; readonly operands: readonly Expression[] }
  | { readonly kind: 'not'; readonly operand: Expression }
  | Test

export type Order = 'lt' | 'lte' | 'gt' | 'gte'

export type Test =
  | { readonly kind: 'equals'; readonly field: string; readonly value: string | number | boolean }
  /** `*` is any run of characters, `?` one; a backslash before either, or before a backslash, makes it plain. */
  | { readonly kind: 'like'; readonly field: string; readonly pattern: string }
  | { readonly kind: 'compare'; readonly field: string; readonly order: Order; readonly value: number }
  | { readonly kind: 'network'; readonly field: string; readonly network: string }
  | { readonly kind: 'missing'; readonly field: string }

/** Why a rule cannot be written in another language. */
export class Unexportable extends Error {
  override readonly name = 'Unexportable'
}

/** @throws {Unexportable} */
export function expressionOf(rule: SigmaRule): Expression {
  const { service, product } = rule.logsource
  const condition = ofCondition(rule.condition, rule.detections)
  if (product === undefined || service === undefined) return condition
  return {
    kind: 'and',
    operands: [{ kind: 'equals', field: 'event.dataset', value: `${product}.${service}` }, condition],
  }
}

function ofCondition(condition: Condition, detections: ReadonlyMap<string, Detection>): Expression {
  switch (condition.kind) {
    case 'selection':
      return ofDetection(detections.get(condition.name)!)
    case 'not':
      return { kind: 'not', operand: ofCondition(condition.operand, detections) }
    default:
      return joined(
        condition.kind,
        condition.operands.map((operand) => ofCondition(operand, detections)),
      )
  }
}

function ofDetection(detection: Detection): Expression {
  if (detection.kind === 'item') return ofItem(detection.item)
  return joined(detection.kind === 'all' ? 'and' : 'or', detection.parts.map(ofDetection))
}

export function joined(kind: 'and' | 'or', operands: readonly Expression[]): Expression {
  return operands.length === 1 ? operands[0] : { kind, operands }
}

const ORDERS: readonly string[] = ['lt', 'lte', 'gt', 'gte']
const PLACES: readonly string[] = ['contains', 'startswith', 'endswith']

function ofItem({ field, modifiers, values }: DetectionItem): Expression {
  if (field === null) throw new Unexportable('it searches for words in all fields')
  if (!isField(field)) throw new Unexportable(`${field} is no field of stored events`)
  const has = (modifier: string) => modifiers.includes(modifier)
  const known = [...ORDERS, ...PLACES, 'all', 'neq', 'cidr', 'exists']
  const stranger = modifiers.find((modifier) => !known.includes(modifier))
  if (stranger !== undefined) throw new Unexportable(`the modifier ${stranger} has no counterpart`)
  const order = ORDERS.find(has) as Order | undefined
  const tests = values.map((value): Expression => {
    if (has('exists')) {
      const missing: Test = { kind: 'missing', field }
      return value === true ? { kind: 'not', operand: missing } : missing
    }
    if (value === null) return { kind: 'missing', field }
    if (order !== undefined) return { kind: 'compare', field, order, value: Number(value) }
    if (has('cidr')) return { kind: 'network', field, network: String(value) }
    return textTest(field, value, modifiers)
  })
  const all = joined(has('all') ? 'and' : 'or', tests)
  return has('neq') ? { kind: 'not', operand: all } : all
}

function textTest(field: string, value: string | number | boolean, modifiers: readonly string[]): Test {
  if (typeof value !== 'string') return { kind: 'equals', field, value }
  const front = modifiers.includes('contains') || modifiers.includes('endswith') ? '*' : ''
  const back = modifiers.includes('contains') || modifiers.includes('startswith') ? '*' : ''
  const pattern = `${front}${value}${back}`
  return hasWildcard(pattern) ? { kind: 'like', field, pattern } : { kind: 'equals', field, value: plain(value) }
}

function hasWildcard(pattern: string): boolean {
  return /[*?]/.test(pattern.replace(/\\[*?\\]/g, ''))
}

/** Without the backslashes that make characters plain. */
function plain(text: string): string {
  return text.replace(/\\([*?\\])/g, '$1')
}

/** The characters of a pattern: plain text, and wildcards by themselves. */
export function piecesOf(pattern: string): { readonly text: string; readonly isWildcard: boolean }[] {
  return [...pattern.matchAll(/\\([*?\\])|([*?])|([^*?\\]+|\\)/g)].map(([, escaped, wildcard, text]) => ({
    text: escaped ?? wildcard ?? text,
    isWildcard: wildcard !== undefined,
  }))
}

/** Fields that hold a list. */
export function isList(field: string): boolean {
  return isField(field) && FIELDS[field].kind.endsWith('[]')
}

/** Fields whose values are compared without regard to case: texts that others wrote. */
export function isText(field: string): boolean {
  return isField(field) && (FIELDS[field].kind === 'keyword' || FIELDS[field].kind === 'text')
}

/** Families of fields whose texts come from the network as they are, in upper and lower case. */
const FOREIGN = /^(user|url|user_agent|dns|tls|http|file|smb|ssh|kerberos|ldap)\./

/** Whether it looks for texts that others wrote: those are to be compared without regard to case. */
export function readsForeignText(expression: Expression): boolean {
  if ('operands' in expression) return expression.operands.some(readsForeignText)
  if ('operand' in expression) return readsForeignText(expression.operand)
  const { kind, field } = expression
  return kind === 'like' || (kind === 'equals' && FOREIGN.test(field) && /[A-Za-z]/.test(String(expression.value)))
}
