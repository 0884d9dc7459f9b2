/** Evaluates the conditions of indicators on events, and takes from a condition what it can be looked up by. */
import { networkRange } from '../../base/ip-number.ts'
import type { EventDocument } from '../../events/fields.ts'
import { type Condition, type Indicator, type IndicatorType, normal, valuesOf } from './indicator.ts'
import { PATHS } from './stix-pattern.ts'

/** Lookups that one pattern may become. */
const KEYS_MAX = 10_000

/** Whether a condition holds of an event. */
export function holds(condition: Condition, document: EventDocument): boolean {
  switch (condition.op) {
    case 'and':
      return condition.of.every((part) => holds(part, document))
    case 'or':
      return condition.of.some((part) => holds(part, document))
    case 'not':
      return !holds(condition.of[0], document)
  }
  const { op, path, values } = condition
  const found = read(path, document)
  if (op === '!=') return found.some((value) => !equal(path, value, values[0]))
  return found.some((value) => compare(op, path, value, values))
}

function compare(op: string, path: string, value: string, values: readonly (string | number)[]): boolean {
  if (op === 'in') return values.some((each) => equal(path, value, each))
  if (op === '=' || op === 'subset') return equal(path, value, values[0])
  const [left, right] = [Number(value), Number(values[0])]
  if (op === '<') return left < right
  if (op === '<=') return left <= right
  return op === '>' ? left > right : left >= right
}

function equal(path: string, value: string, expected: string | number): boolean {
  if (PATHS[path] !== 'ip') return normal('domain-name', value) === normal('domain-name', String(expected))
  const range = networkRange(String(expected))
  const address = networkRange(value)
  if (range?.family === 4 && address?.family === 4) return address.low >= range.low && address.high <= range.high
  return range?.family === 6 && address?.family === 6 && address.low >= range.low && address.high <= range.high
}

function read(path: string, document: EventDocument): string[] {
  if (path === 'network-traffic:src_port') return some(document['source.port'])
  if (path === 'network-traffic:dst_port') return some(document['destination.port'])
  if (path === 'network-traffic:src_ref.value') return some(document['source.ip'], document['outer.source.ip'])
  if (path === 'network-traffic:dst_ref.value')
    return some(document['destination.ip'], document['outer.destination.ip'])
  const type = PATHS[path]
  return type === null || type === undefined ? [] : valuesOf(document, type).map(([, value]) => value)
}

function some(...values: readonly (string | number | undefined)[]): string[] {
  return values.filter((value) => value !== undefined).map(String)
}

/**
 * The indicators by which a condition is found: for each way in which it can hold one equality that is looked up, with what else
 * must hold. Null if a way has none (a port alone, a negation).
 */
export function lookups(
  condition: Condition,
  about: Omit<Indicator, 'type' | 'value' | 'condition'>,
): Indicator[] | null {
  if (condition.op === 'or') {
    const parts = condition.of.map((part) => lookups(part, about))
    if (parts.some((part) => part === null)) return null
    const all = parts.flatMap((part) => part ?? [])
    return all.length > KEYS_MAX ? null : all
  }
  if (condition.op === 'and') {
    for (const part of condition.of) {
      const found = lookups(part, about)
      if (found !== null) return found.map((indicator) => ({ ...indicator, condition }))
    }
    return null
  }
  if (condition.op !== '=' && condition.op !== 'in' && condition.op !== 'subset') return null
  const { path, values } = condition
  const type: IndicatorType | null | undefined = PATHS[path]
  if (type === null || type === undefined || values.length > KEYS_MAX) return null
  // Source and destination are told apart by the condition; any other equality is the look-up itself.
  const isSided = path.includes('_ref')
  return values.map((value) => ({
    ...about,
    type,
    value: normal(type, String(value)),
    ...(isSided ? { condition } : {}),
  }))
}
