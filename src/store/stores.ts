/** Where events are kept and asked for: what a store is, and which there are. */
import type { EventDocument } from '../events/fields.ts'
import { openEmbeddedStore } from './embedded.ts'
import type { Aggregation, Bucket, Group, Retention, Search, Selection, StoreStats, WriteResult } from './search.ts'

/**
 * A store of events, queried in KQL. Queries reject with a QueryError if they are wrong, anything with a StoreError if
 * the store is.
 */
export interface EventStore {
  /**
   * Resolves when it is known of each event whether it is safe. Rejects with a StoreError if that is known of none; its
   * `retry` says what may be done. A write that was broken off by the signal may be tried again.
   */
  write(batch: readonly EventDocument[], signal?: AbortSignal): Promise<WriteResult>
  search(search: Search): AsyncIterable<EventDocument>
  count(selection: Selection): Promise<number>
  aggregate(selection: Selection, aggregation: Aggregation): Promise<Group[]>
  histogram(selection: Selection, intervalMs: number): Promise<Bucket[]>
  /** By the event.id, or by a beginning of it that only one event has. */
  get(id: string): Promise<EventDocument | null>
  stats(): Promise<StoreStats>
  /** Takes away the oldest events beyond the retention; resolves to how many. */
  prune(retention: Retention): Promise<number>
  close(): Promise<void>
}

/** Each opens a store from the options of its kind. */
export const STORES = {
  embedded: openEmbeddedStore,
} satisfies Record<string, (options: never) => Promise<EventStore>>
