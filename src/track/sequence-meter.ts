/** Sequence numbers of 32 bits, one stream a direction: what is missing, and what comes late or again. */
import { doubled, FIRST_ROWS } from '../base/growing.ts'
import { isCount, isWord, orNull, rowOf } from './saved-fields.ts'

const UNKNOWN = 0
const KNOWN = 1
/** A jump further than this is another sender, or one that began again: nothing was lost by it. */
const JUMP_MAX = 0x1_0000

/** `expected`: the number that is due; null if none was seen. */
export type SavedSequence = readonly [lost: number, reordered: number, expected: number | null]

export const isSequence = rowOf(isCount, isCount, orNull(isWord))

export class SequenceMeter {
  #expected = new Int32Array(FIRST_ROWS)
  #known = new Int32Array(FIRST_ROWS)
  #lost = new Int32Array(FIRST_ROWS)
  #reordered = new Int32Array(FIRST_ROWS)

  open(at: number): void {
    while (at >= this.#expected.length) this.#grow()
    this.#known[at] = UNKNOWN
    this.#lost[at] = 0
    this.#reordered[at] = 0
  }

  observe(at: number, sequence: number): void {
    const ahead = this.#known[at] === UNKNOWN ? 0 : (sequence - this.#expected[at]) | 0
    if (ahead > JUMP_MAX || ahead < -JUMP_MAX) this.#reordered[at]++
    else if (ahead < 0) {
      this.#reordered[at]++
      // The last one once more fills no gap.
      if (ahead !== -1 && this.#lost[at] > 0) this.#lost[at]--
      return
    } else this.#lost[at] += ahead
    this.#known[at] = KNOWN
    this.#expected[at] = (sequence + 1) | 0
  }

  save(at: number): SavedSequence {
    return [this.#lost[at], this.#reordered[at], this.#known[at] === KNOWN ? this.#expected[at] : null]
  }

  /** Into a stream that was opened. `isLater`: nobody knows how many passed since it was saved. */
  restore(at: number, [lost, reordered, expected]: SavedSequence, isLater: boolean): void {
    this.#lost[at] = lost
    this.#reordered[at] = reordered
    if (expected === null || isLater) return
    this.#known[at] = KNOWN
    this.#expected[at] = expected
  }

  lost(at: number): number {
    return this.#lost[at]
  }

  reordered(at: number): number {
    return this.#reordered[at]
  }

  #grow(): void {
    this.#expected = doubled(this.#expected)
    this.#known = doubled(this.#known)
    this.#lost = doubled(this.#lost)
    this.#reordered = doubled(this.#reordered)
  }
}
