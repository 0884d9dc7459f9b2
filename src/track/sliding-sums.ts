/**
 * What many small amounts add up to within the time that has just passed, for each key: ten uploads of an hour as one. Off the packet
 * path: amounts are of things that ended.
 */

/** Parts of a window; one more is kept, so that the whole window is always in the sum. */
const PARTS = 10

interface Sum {
  /** By the number of the part, modulo their count. */
  readonly amounts: Float64Array
  /** The number of the youngest part. */
  part: number
}

export class SlidingSums {
  readonly #partUs: number
  readonly #keysMax: number
  /** Who was silent for longest is in front. */
  readonly #byKey = new Map<string, Sum>()

  /** Windows of `windowUs`, or up to a tenth longer. `keysMax` keys are remembered. */
  constructor(windowUs: number, keysMax: number) {
    this.#partUs = windowUs / PARTS
    this.#keysMax = keysMax
  }

  /** What the key adds up to within the window that ends now, this amount included if it is not older than the window. */
  add(key: string, amount: number, timeUs: number): number {
    const part = Math.floor(timeUs / this.#partUs)
    const sum = this.#byKey.get(key) ?? { amounts: new Float64Array(PARTS + 1), part }
    this.#byKey.delete(key)
    this.#byKey.set(key, sum)
    if (this.#byKey.size > this.#keysMax) this.#byKey.delete(this.#byKey.keys().next().value as string)
    const { amounts } = sum
    for (let passed = Math.max(sum.part, part - amounts.length) + 1; passed <= part; passed++)
      amounts[passed % amounts.length] = 0
    sum.part = Math.max(sum.part, part)
    if (part > sum.part - amounts.length) amounts[part % amounts.length] += amount
    return amounts.reduce((all, one) => all + one, 0)
  }
}
