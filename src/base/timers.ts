/**
 * Deadlines on packet time: a wheel of one-second slots holding small integers in linked lists on typed arrays.
 *
 * One deadline an index. A thing that is touched by every packet does not move its deadline each time: when the deadline
 * comes its owner looks at the thing's last packet and schedules again, if it lives.
 */
import { FIRST_ROWS } from './growing.ts'
import { SECOND_US } from './time.ts'

const NONE = -1
const SLOTS = 4096
/** The list after the wheel: what has come due and waits for its callback. */
const DUE = SLOTS

export class Timers {
  #next = new Int32Array(FIRST_ROWS).fill(NONE)
  #previous = new Int32Array(FIRST_ROWS).fill(NONE)
  #slotOf = new Int32Array(FIRST_ROWS).fill(NONE)
  #dueUs = new Float64Array(FIRST_ROWS)
  readonly #heads = new Int32Array(SLOTS + 1).fill(NONE)
  /** The latest second that `advance` was told. */
  #second = Number.NEGATIVE_INFINITY

  /** Sets the deadline of `index`, or moves it. One that has passed already comes at the next second. */
  schedule(index: number, dueUs: number): void {
    if (index >= this.#next.length) this.#grow(index)
    this.cancel(index)
    this.#dueUs[index] = dueUs
    this.#link(index, slotOf(Math.max(Math.floor(dueUs / SECOND_US), this.#second)))
  }

  cancel(index: number): void {
    if (index >= this.#slotOf.length) return
    const slot = this.#slotOf[index]
    if (slot === NONE) return
    const next = this.#next[index]
    const previous = this.#previous[index]
    if (previous === NONE) this.#heads[slot] = next
    else this.#next[previous] = next
    if (next !== NONE) this.#previous[next] = previous
    this.#slotOf[index] = NONE
  }

  /**
   * Calls `expire` once for every index whose deadline lies in a second before that of `nowUs`, and yields after each; the
   * callback may schedule and cancel as it likes. Cheap when the second has not changed; a clock that is set back changes nothing.
   */
  *advance(nowUs: number, expire: (index: number) => void): Generator<void> {
    const second = Math.floor(nowUs / SECOND_US)
    if (second <= this.#second) return
    // Slots that came round: at most all of them once, however far the clock jumped.
    const from = Math.max(this.#second, second - SLOTS)
    this.#second = second
    for (let s = from; s < second; s++) yield* this.#sweep(slotOf(s), second * SECOND_US, expire)
  }

  /** What is due leaves the slot first: then whatever a callback does to the slot disturbs no walk. */
  *#sweep(slot: number, limitUs: number, expire: (index: number) => void): Generator<void> {
    for (let index = this.#heads[slot]; index !== NONE; ) {
      const next = this.#next[index]
      if (this.#dueUs[index] < limitUs) {
        this.cancel(index)
        this.#link(index, DUE)
      }
      index = next
    }
    for (let index = this.#heads[DUE]; index !== NONE; index = this.#heads[DUE]) {
      this.cancel(index)
      expire(index)
      yield
    }
  }

  #link(index: number, slot: number): void {
    const head = this.#heads[slot]
    this.#slotOf[index] = slot
    this.#next[index] = head
    this.#previous[index] = NONE
    if (head !== NONE) this.#previous[head] = index
    this.#heads[slot] = index
  }

  #grow(index: number): void {
    let length = this.#next.length
    while (length <= index) length *= 2
    this.#next = grown(this.#next, length)
    this.#previous = grown(this.#previous, length)
    this.#slotOf = grown(this.#slotOf, length)
    const dueUs = new Float64Array(length)
    dueUs.set(this.#dueUs)
    this.#dueUs = dueUs
  }
}

/** Seconds before the epoch have slots too. */
function slotOf(second: number): number {
  return ((second % SLOTS) + SLOTS) % SLOTS
}

function grown(old: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  const array = new Int32Array(length).fill(NONE)
  array.set(old)
  return array
}
