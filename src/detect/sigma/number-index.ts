/** Ranges of numbers, found by a number that lies in them. */

interface Range<R> {
  readonly min: number
  readonly max: number
  readonly rule: R
}

export class NumberIndex<R> {
  /** By their lower ends. */
  readonly #mins: Float64Array
  readonly #maxs: Float64Array
  readonly #rules: readonly R[]

  constructor(ranges: readonly Range<R>[]) {
    const sorted = ranges.toSorted((a, b) => (a.min < b.min ? -1 : Number(a.min > b.min)))
    this.#mins = Float64Array.from(sorted, ({ min }) => min)
    this.#maxs = Float64Array.from(sorted, ({ max }) => max)
    this.#rules = sorted.map(({ rule }) => rule)
  }

  /** Of each range that begins at or below `high` and ends at or above `low`; none if either is no number. */
  look(low: number, high: number, found: (rule: R) => void): void {
    for (let i = 0; i < this.#mins.length && this.#mins[i] <= high; i++) {
      if (this.#maxs[i] >= low) found(this.#rules[i])
    }
  }
}
