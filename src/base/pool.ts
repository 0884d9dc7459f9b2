/** A bounded set of reusable records, addressed by small integers. Records are made when first needed and kept. */
export class Pool<T> {
  readonly capacity: number
  size = 0
  readonly #make: (index: number) => T
  readonly #records: T[] = []
  readonly #inUse: boolean[] = []
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
      this.#inUse[reused] = true
      return reused
    }
    const index = this.#records.length
    this.#records.push(this.#make(index))
    this.#inUse.push(true)
    return index
  }

  at(index: number): T {
    return this.#records[index]
  }

  free(index: number): void {
    if (!this.#inUse[index]) return
    this.#inUse[index] = false
    this.size--
    this.#free.push(index)
  }

  isUsed(index: number): boolean {
    return this.#inUse[index] === true
  }

  /** Indices in use, ascending. The set may change while it is walked. */
  *used(): Generator<number> {
    for (let i = 0; i < this.#records.length; i++) if (this.#inUse[i]) yield i
  }
}
