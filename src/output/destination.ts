/** Where documents go, seen from the output side: a store or a sink is one by its shape. */
import type { EventDocument } from '../events/fields.ts'

export interface Rejection {
  /** In the batch. */
  readonly index: number
  readonly id: string
  readonly reason: string
}

export interface DeliveryResult {
  readonly stored: number
  readonly duplicates: number
  readonly rejected: readonly Rejection[]
  readonly later: readonly Rejection[]
}

export interface Destination {
  write(batch: readonly EventDocument[], signal?: AbortSignal): Promise<DeliveryResult>
  close(): Promise<void>
}

export type Retry = 'later' | 'smaller' | 'never'

export class DeliveryError extends Error {
  override readonly name = 'DeliveryError'
  readonly retry: Retry
  readonly afterMs: number | undefined

  constructor(message: string, options: { retry: Retry; afterMs?: number; cause?: unknown }) {
    super(message, { cause: options.cause })
    this.retry = options.retry
    this.afterMs = options.afterMs
  }
}
