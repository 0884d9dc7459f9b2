/** What became of flows, batch by batch and in the order of the operations: as other threads tell it, or found here by following them. */
import type { FlowListener } from '../track/flow-record.ts'
import { type FlowBatch, FlowRowReader } from './flow-rows.ts'
import { Follower, type FollowerData, type Occasion } from './follower.ts'
import { BATCH, EXPIRE } from './operation.ts'

export interface FlowNews {
  /** That of which the listener is being told. */
  readonly occasion: Occasion
  /** Another batch, and what other threads found in it. The one before has been told to its end. */
  over(batches: readonly FlowBatch[]): void
  /** Tells the listener what happened up to the operation with this position, and no further than to the end of the batch. */
  tellUpTo(position: number): void
}

/** Of threads that follow flows. */
export class RowNews implements FlowNews {
  occasion: FlowRowReader
  readonly #listener: FlowListener
  readonly #readers: readonly FlowRowReader[]

  constructor(threads: number, listener: FlowListener) {
    this.#listener = listener
    this.#readers = Array.from({ length: threads }, (_, thread) => new FlowRowReader(thread))
    this.occasion = this.#readers[0]
  }

  over(batches: readonly FlowBatch[]): void {
    for (const [thread, batch] of batches.entries()) this.#readers[thread].over(batch)
  }

  tellUpTo(position: number): void {
    for (let reader = this.#first(); reader.position <= position; reader = this.#first()) {
      this.occasion = reader
      reader.tell(this.#listener)
    }
  }

  /** The thread whose next row comes first. */
  #first(): FlowRowReader {
    let first = this.#readers[0]
    for (let at = 1; at < this.#readers.length; at++) if (isBefore(this.#readers[at], first)) first = this.#readers[at]
    return first
  }
}

/** Of the flows that are followed in this thread, as far as the packet thread has said that a batch is whole: nobody waits here. */
export class OwnNews implements FlowNews {
  readonly occasion: Follower
  /** There is an operation that is still to be done. */
  #isAtOne = false
  #isOver = true

  constructor(data: FollowerData, listener: FlowListener) {
    this.occasion = new Follower(data, listener)
  }

  over(): void {
    this.#isOver = false
  }

  tellUpTo(position: number): void {
    const follower = this.occasion
    while (!this.#isOver) {
      if (!this.#isAtOne) follower.next()
      this.#isAtOne = follower.position > position
      if (this.#isAtOne) return
      follower.follow()
      this.#isOver = follower.operation === BATCH
      if (this.#isOver) follower.release()
    }
  }
}

function isBefore(a: FlowRowReader, b: FlowRowReader): boolean {
  const distance = a.position - b.position
  if (distance !== 0 || a.position === Number.POSITIVE_INFINITY) return distance < 0
  if (a.operation !== EXPIRE) return a.born > b.born
  return a.timeUs !== b.timeUs ? a.timeUs < b.timeUs : a.born < b.born
}
