/** A destination that is opened by the first batch: one that is gone when the process starts is no reason not to start. */
import type { EventDocument } from '../events/fields.ts'
import type { DeliveryResult, Destination } from './destination.ts'

export class OpeningDestination implements Destination {
  readonly #open: () => Promise<Destination>
  #opened: Promise<Destination> | null = null

  /** `open` is called again after it failed; what it rejects with is what `write` rejects with. */
  constructor(open: () => Promise<Destination>) {
    this.#open = open
  }

  async write(batch: readonly EventDocument[], signal?: AbortSignal): Promise<DeliveryResult> {
    this.#opened ??= this.#open().catch((error: unknown) => {
      this.#opened = null
      throw error
    })
    const destination = await this.#opened
    signal?.throwIfAborted()
    return destination.write(batch, signal)
  }

  async close(): Promise<void> {
    const destination = await this.#opened?.catch(() => null)
    await destination?.close()
  }
}
