/**
 * Things of which one direction is not known yet, found by the pair of numbers that the other direction will show: only if
 * there is exactly one. Two tables of (pair → how many) and (pair → their values, XORed) answer that without a list.
 */
import { PairTable } from '../base/pair-table.ts'

const NONE = -1

export class Halves {
  readonly #count: PairTable
  readonly #mixed: PairTable

  constructor(capacity: number) {
    this.#count = new PairTable(capacity)
    this.#mixed = new PairTable(capacity)
  }

  /** `value` is not negative. False, and nothing kept, if there is no room. */
  add(a: number, b: number, value: number): boolean {
    const count = this.#count.find(a, b)
    if (count === NONE) return this.#count.insert(a, b, 1) && this.#mixed.insert(a, b, value)
    this.#count.insert(a, b, count + 1)
    this.#mixed.insert(a, b, this.#mixed.find(a, b) ^ value)
    return true
  }

  /** Takes back what `add` accepted. */
  remove(a: number, b: number, value: number): void {
    const count = this.#count.find(a, b)
    if (count === 1) {
      this.#count.remove(a, b)
      this.#mixed.remove(a, b)
    } else {
      this.#count.insert(a, b, count - 1)
      this.#mixed.insert(a, b, this.#mixed.find(a, b) ^ value)
    }
  }

  /** The only value of the pair, or -1 if there is none or more than one. */
  only(a: number, b: number): number {
    return this.#count.find(a, b) === 1 ? this.#mixed.find(a, b) : NONE
  }
}
