/** Collects documents into batches for something slow, and holds the producer back when that falls behind. */
import type { EventDocument } from '../events/fields.ts'

export interface BatchWriter {
  write(batch: readonly EventDocument[]): Promise<void>
}

const BATCH_EVENTS = 1024
/** A batch that is not full goes after this: what comes over a slow pipe is to be seen too. */
const BATCH_MS = 1000
/** Batches under way at one time; beyond that `drain` waits. */
const BATCHES_MAX = 1

export class Batcher {
  readonly #writer: BatchWriter
  #batch: EventDocument[] = []
  #timer: NodeJS.Timeout | undefined
  readonly #underWay = new Set<Promise<void>>()
  #failure: unknown = null

  constructor(writer: BatchWriter) {
    this.#writer = writer
  }

  /** Synchronous, so that it may stand on the bus. */
  readonly push = (document: EventDocument): void => {
    if (this.#batch.length === 0) this.#timer = setTimeout(() => this.#send(), BATCH_MS).unref()
    this.#batch.push(document)
    if (this.#batch.length >= BATCH_EVENTS) this.#send()
  }

  /** Resolves at once unless too much is under way. Rejects with the first failure of the writer. */
  async drain(): Promise<void> {
    while (this.#underWay.size > BATCHES_MAX) await Promise.race(this.#underWay)
    if (this.#failure !== null) throw this.#failure
  }

  /** Everything that was pushed has been written. */
  async flush(): Promise<void> {
    if (this.#batch.length > 0) this.#send()
    await Promise.all(this.#underWay)
    if (this.#failure !== null) throw this.#failure
  }

  #send(): void {
    clearTimeout(this.#timer)
    const batch = this.#batch
    this.#batch = []
    const done = this.#writer.write(batch).then(
      () => void this.#underWay.delete(done),
      (error: unknown) => {
        this.#failure ??= error
        this.#underWay.delete(done)
      },
    )
    this.#underWay.add(done)
  }
}
