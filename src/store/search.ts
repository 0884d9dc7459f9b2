/** What goes into a store and comes out of it; the interface itself is in `stores.ts`. */
import type { FieldName } from '../events/fields.ts'
import { instantUs, type Period, period } from './dates.ts'
import { conjunction, parseQuery } from './kql.ts'
import type { QueryNode } from './kql-tree.ts'
import { QueryError } from './query-error.ts'

/** Whether what failed may be tried again: as it is, after some time; in smaller pieces; or not at all. */
export type Retry = 'later' | 'smaller' | 'never'

/** Something that the one who runs the store can act on; the message says how. */
export class StoreError extends Error {
  override readonly name = 'StoreError'
  readonly retry: Retry
  /** The least time to wait before the next attempt, if the store said one. */
  readonly afterMs?: number

  constructor(message: string, { retry = 'never', afterMs }: { retry?: Retry; afterMs?: number | undefined } = {}) {
    super(message)
    this.retry = retry
    if (afterMs !== undefined) this.afterMs = afterMs
  }
}

export interface Rejection {
  /** Where in the batch the document stands, from 0. */
  readonly index: number
  /** The event.id of the document, or an empty text if it has none. */
  readonly id: string
  readonly reason: string
}

/** What became of a batch: each of its documents is in one of the four. */
export interface WriteResult {
  readonly stored: number
  /** Events that the store had already, by their event.id. */
  readonly duplicates: number
  /** Those that the store will never take. */
  readonly rejected: readonly Rejection[]
  /** Those that it could not take now: to be tried again. */
  readonly later: readonly Rejection[]
}

/** Which events. Everything is optional; all conditions must hold. */
export interface Selection {
  /** A KQL query. */
  readonly kql?: string
  /** A date as in KQL (`2026-01-31T12:00:00Z`, `now-24h`): events at it or after its beginning. */
  readonly since?: string
  /** A date as in KQL: events before its beginning. */
  readonly until?: string
}

export interface Sort {
  readonly field: FieldName
  readonly descending: boolean
}

export interface Search extends Selection {
  /** Missing values come last in both directions. By default oldest first; ties in the order of storing. */
  readonly sort?: readonly Sort[]
  readonly limit?: number
  /** The fields that the documents shall hold; by default all. */
  readonly fields?: readonly FieldName[]
}

export interface Metric {
  readonly of: 'sum' | 'average' | 'minimum' | 'maximum' | 'distinct'
  /** A numeric field; for `distinct` any field that is no list. */
  readonly field: FieldName
}

export interface Aggregation {
  /** A group for each combination of values; a list counts in the group of each of its elements. */
  readonly by: readonly FieldName[]
  readonly limit: number
  readonly metric?: Metric
  /** By default the largest count first. */
  readonly order?: GroupOrder
}

/** Ties come by falling count, then in the order of the keys; groups without the metric come last in both directions. */
export interface GroupOrder {
  readonly by: 'count' | 'metric'
  readonly descending: boolean
}

export const LARGEST_FIRST: GroupOrder = { by: 'count', descending: true }

export interface Group {
  /** The values of the `by` fields; null where events have none. */
  readonly key: readonly (string | number | boolean | null)[]
  readonly count: number
  /** `@timestamp` of the oldest and newest event of the group. */
  readonly first: string
  readonly last: string
  /** The metric, if one was asked for; null if no event of the group has the field. */
  readonly metric?: number | null
  /** Whether the metric is an estimate: a cluster does not count many distinct values one by one. */
  readonly isEstimate?: true
}

export interface Bucket {
  /** Start of the interval; intervals are counted from the Unix epoch. Empty intervals are left out. */
  readonly from: string
  readonly count: number
}

export interface StoreStats {
  readonly events: number
  readonly bytesOnDisk: number
  /** `@timestamp` of the oldest and newest event; null if the store is empty. */
  readonly oldest: string | null
  readonly newest: string | null
}

export interface Retention {
  /** Events older than this by their `@timestamp`, seen from `now`, go. */
  readonly maxAgeMs?: number
  /** The oldest events go until the store is no larger. */
  readonly maxBytes?: number
  /** An ISO 8601 date; by default the clock of the machine. */
  readonly now?: string
}

/**
 * The whole selection as one query.
 *
 * @throws {QueryError}
 */
export function selectionQuery(selection: Selection): QueryNode {
  const { kql, since, until } = selection
  const nowUs = Date.now() * 1000
  const nodes = [parseQuery(kql ?? '', nowUs)]
  const field = '@timestamp'
  const { fromUs, untilUs } = selectionBounds(selection, nowUs)
  if (since !== undefined) {
    nodes.push({ type: 'range', field, range: { low: fromUs, lowIncluded: true }, start: 0, end: since.length })
  }
  if (until !== undefined) {
    nodes.push({ type: 'range', field, range: { high: untilUs, highIncluded: false }, start: 0, end: until.length })
  }
  return conjunction(nodes)
}

/**
 * What `since` and `until` name, in microseconds since the epoch; without them infinities.
 *
 * @throws {QueryError}
 */
export function selectionBounds({ since, until }: Selection, nowUs = Date.now() * 1000): Period {
  return {
    fromUs: since === undefined ? Number.NEGATIVE_INFINITY : boundUs(since, nowUs),
    untilUs: until === undefined ? Number.POSITIVE_INFINITY : boundUs(until, nowUs),
  }
}

function boundUs(text: string, nowUs: number): number {
  const timeUs = instantUs(text) ?? period(text, nowUs)?.fromUs
  if (timeUs !== undefined) return timeUs
  const expected = 'a date such as 2026-01-31, 2026-01-31T12:00:00Z or now-24h'
  throw new QueryError(text, { problem: 'this is no date', expected, start: 0, end: text.length })
}
