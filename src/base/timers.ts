/**
 * Deadlines on packet time: a wheel of one-second slots holding small integers in linked lists on typed arrays.
 *
 * One deadline an index. A thing that is touched by every packet does not move its deadline each time: when the deadline
 * comes its owner looks at the thing's last packet and schedules again, if it lives.
 */
import { SECOND_US } from './time.ts'

const NONE = -1
const SLOTS = 4096

export class Timers {
  #next = new Int32Array(1024).fill(NONE)
  #previous = new Int32Array(1024).fill(NONE)
  #slotOf = new Int32Array(1024).fill(NONE)
  #dueUs = new Float64Array(1024)
  readonly #heads = new Int32Array(SLOTS).fill(NONE)
  #second = Number.NaN

  schedule(index: number, dueUs: number): void {
    if (index >= this.#next.length) this.#grow(index)
    this.cancel(index)
    const slot = Math.floor(dueUs / SECOND_US) % SLOTS
    const head = this.#heads[slot]
    this.#dueUs[index] = dueUs
    this.#slotOf[index] = slot
    this.#next[index] = head
    this.#previous[index] = NONE
    if (head !== NONE) this.#previous[head] = index
    this.#heads[slot] = index
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
   * Calls `expire` for every index whose deadline lies at or before `nowUs`, to the second; the callback may schedule again.
   * Cheap when the second has not changed.
   */
  advance(nowUs: number, expire: (index: number) => void): void {
    const second = Math.floor(nowUs / SECOND_US)
    if (second === this.#second) return
    if (!(second > this.#second)) {
      // The first packet, or a clock that was set back.
      this.#second = second
      return
    }
    // Slots that came round: at most all of them once, however far the clock jumped.
    const from = Math.max(this.#second, second - SLOTS)
    this.#second = second
    for (let s = from; s < second; s++) this.#sweep(s % SLOTS, nowUs, expire)
  }

  #sweep(slot: number, nowUs: number, expire: (index: number) => void): void {
    for (let index = this.#heads[slot]; index !== NONE; ) {
      const next = this.#next[index]
      if (this.#dueUs[index] <= nowUs) {
        this.cancel(index)
        expire(index)
        // The callback may have taken `next` out of this list; then start over, what is due was removed.
        index = next !== NONE && this.#slotOf[next] !== slot ? this.#heads[slot] : next
      } else {
        index = next
      }
    }
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

function grown(old: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  const array = new Int32Array(length).fill(NONE)
  array.set(old)
  return array
}
