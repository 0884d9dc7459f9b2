/** A bounded set of reusable records, addressed by small integers. Records are made when first needed and kept. */
import { FIRST_ROWS } from './growing.ts'

export class Pool<T> {
  readonly capacity: number
  size = 0
  readonly #make: (index: number) => T
  readonly #records: T[] = []
  #inUse = new Uint8Array(FIRST_ROWS)
  readonly #free: number[] = []

  constructor(capacity: number, make: (index: number) => T) {
    this.capacity = capacity
    this.#make = make
  }

  /** The index of a record for the caller to reset, or -1 when the capacity is reached. */
  take(): number {
    if (this.size >= this.capacity) return -1
    this.size++
    const reused = this.#free.pop()
    if (reused !== undefined) {
      this.#inUse[reused] = 1
      return reused
    }
    const index = this.#records.length
    this.#records.push(this.#make(index))
    if (index >= this.#inUse.length) this.#grow()
    this.#inUse[index] = 1
    return index
  }

  at(index: number): T {
    return this.#records[index]
  }

  free(index: number): void {
    if (!this.isUsed(index)) return
    this.#inUse[index] = 0
    this.size--
    this.#free.push(index)
  }

  isUsed(index: number): boolean {
    return this.#inUse[index] === 1
  }

  /** Indices in use, ascending. The set may change while it is walked. */
  *used(): Generator<number> {
    for (let i = 0; i < this.#records.length; i++) if (this.isUsed(i)) yield i
  }

  #grow(): void {
    const inUse = new Uint8Array(this.#inUse.length * 2)
    inUse.set(this.#inUse)
    this.#inUse = inUse
  }
}
