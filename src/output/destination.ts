/** Where events are delivered: what a destination is, what it answers, and how it fails. A store is one, and so is each sink. */
import type { EventDocument } from '../events/fields.ts'

export interface Rejection {
  /** Where in the batch the document stands, from 0. */
  readonly index: number
  /** The event.id of the document, or an empty text if it has none. */
  readonly id: string
  readonly reason: string
}

/** What became of a batch: each of its documents is in one of the four. */
export interface DeliveryResult {
  readonly stored: number
  /** Events that the destination had already, by their event.id. */
  readonly duplicates: number
  /** Those that it will never take. */
  readonly rejected: readonly Rejection[]
  /** Those that it could not take now. */
  readonly later: readonly Rejection[]
}

export interface Destination {
  /**
   * Resolves when it is known of each event what became of it. Rejects if that is known of none; a `retry` of the error says
   * what may be done (see {@link DeliveryError}), without one nothing. A write that the signal breaks off may be repeated.
   */
  write(batch: readonly EventDocument[], signal?: AbortSignal): Promise<DeliveryResult>
  close(): Promise<void>
}

/** Whether a batch that failed as a whole may be tried again: as it is, after some time; in smaller pieces; or not at all. */
export type Retry = 'later' | 'smaller' | 'never'

/** What a destination throws that has no kind of error of its own. */
export class DeliveryError extends Error {
  override readonly name = 'DeliveryError'
  readonly retry: Retry
  /** The least time to wait before the next attempt (Retry-After), if the destination said one. */
  readonly afterMs?: number

  constructor(message: string, { retry, afterMs, cause }: { retry: Retry; afterMs?: number; cause?: unknown }) {
    super(message, cause === undefined ? undefined : { cause })
    this.retry = retry
    if (afterMs !== undefined) this.afterMs = afterMs
  }
}

/** What any error says of a repetition; one that says nothing is the end. */
export function retryOf(error: unknown): { readonly retry: Retry; readonly afterMs: number } {
  const { retry, afterMs } = (error ?? {}) as { retry?: unknown; afterMs?: unknown }
  return {
    retry: retry === 'later' || retry === 'smaller' ? retry : 'never',
    afterMs: typeof afterMs === 'number' && afterMs > 0 ? afterMs : 0,
  }
}
