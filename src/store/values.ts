/** Values of fields, the same for every store: which fit their field, and what may be computed of them. */
import { isIPv4, isIPv6 } from 'node:net'
import { inspect } from 'node:util'
import type { FieldKind } from '../events/declaration.ts'
import { FIELDS, type FieldName } from '../events/fields.ts'
import { instantUs } from './dates.ts'
import { type Aggregation, type Metric, StoreError } from './search.ts'

export const NO_IDENTITY = 'an event has an event.id and a @timestamp'

export function isList(field: FieldName): boolean {
  return FIELDS[field].kind.endsWith('[]')
}

/** @throws {StoreError} if the field has no such metric */
export function refuseMetric({ of, field }: Metric): void {
  const numeric = FIELDS[field].kind === 'long' || FIELDS[field].kind === 'float'
  if (isList(field) || (of !== 'distinct' && !numeric)) {
    throw new StoreError(`there is no ${of} of ${field}: name a field of numbers`)
  }
}

/** @throws {StoreError} if the groups have nothing that they could be ordered by */
export function refuseOrder({ metric, order }: Aggregation): void {
  if (order?.by === 'metric' && metric === undefined) throw new StoreError('there is no metric to order groups by')
}

/** @throws {StoreError} if the interval cannot be one of a histogram */
export function refuseInterval(intervalMs: number): void {
  if (!(intervalMs >= 1)) throw new StoreError('the interval of a histogram is at least one millisecond')
}

const INT64_BOUND = 2 ** 63

/** An IPv4 or IPv6 address without a zone. */
export function isAddress(value: unknown): value is string {
  return typeof value === 'string' && (isIPv4(value) || (isIPv6(value) && !value.includes('%')))
}

/** A whole number of 64 bits. */
export function isWhole(value: unknown): value is number {
  return Number.isInteger(value) && Math.abs(value as number) < INT64_BOUND
}

/** Why a value does not fit its field, or null if it does. */
export function flawOf(kind: FieldKind, value: unknown): string | null {
  if (kind === 'keyword[]' || kind === 'ip[]') {
    if (!Array.isArray(value)) return `not a list: ${shown(value)}`
    const element = kind === 'ip[]' ? 'ip' : 'keyword'
    for (const item of value) {
      const flaw = flawOf(element, item)
      if (flaw !== null) return flaw
    }
    return null
  }
  if (kind === 'boolean') return typeof value === 'boolean' ? null : `not true or false: ${shown(value)}`
  if (kind === 'long') return isWhole(value) ? null : `not a whole number of 64 bits: ${shown(value)}`
  if (kind === 'float') return Number.isFinite(value) ? null : `not a number: ${shown(value)}`
  if (typeof value !== 'string') return `not a text: ${shown(value)}`
  if (kind === 'ip') return isAddress(value) ? null : `not an address: ${shown(value)}`
  if (kind === 'date') return instantUs(value) === null ? `not an ISO 8601 date in UTC: ${shown(value)}` : null
  return null
}

function shown(value: unknown): string {
  const text = inspect(value, { depth: 1, breakLength: Number.POSITIVE_INFINITY })
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}
