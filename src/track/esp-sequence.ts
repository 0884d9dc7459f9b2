/**
 * Sequence numbers of ESP and AH as a bystander sees them (RFC 4303 section 3.4.3): which came next, late, again, or never.
 *
 * Each association has a window like its receiver's, a bit for each number. What lies above it by more than its width is not
 * believed before another packet goes on from there: a capture that lost much and somebody who forges look alike at first.
 * All of it lies in typed arrays, so that a packet touches a few words and allocates nothing.
 */
import { doubled, FIRST_ROWS } from '../base/growing.ts'

/**
 * What a packet is. `NEXT`: the one after the highest. `GAP`: some are missing before it. `LATE`: missing until now. `AGAIN`: seen
 * before. `BELOW`: below the window, where a receiver takes nothing. `AHEAD`: far above it, not believed yet. `FORGED`: the stream
 * goes on from where it was, so that the number far above it did not belong to it. `RESUMED`: the stream goes on far above.
 * `RESTARTED`: it goes on below the window. `WRAPPED`: it passed 2^32.
 */
export const ARRIVAL = {
  NEXT: 0,
  GAP: 1,
  LATE: 2,
  AGAIN: 3,
  BELOW: 4,
  AHEAD: 5,
  FORGED: 6,
  RESUMED: 7,
  RESTARTED: 8,
  WRAPPED: 9,
} as const
export type Arrival = (typeof ARRIVAL)[keyof typeof ARRIVAL]

// A row of 32-bit words for each association.
const ROW = 8
const HIGHEST = 0
/** How often the numbers passed 2^32. */
const HIGH = 1
/** The number far above that is not believed yet; only while `FAR_COUNT` is not 0. */
const FAR = 2
const FAR_COUNT = 3
/** The last of numbers below the window that follow each other, and how many they are. */
const BELOW = 4
const BELOW_COUNT = 5
/** Of the last one that turned out to be forged. */
const FORGED = 6
/** Where counting began, or the lower edge of the window: what comes late from before was never missing. */
const FIRST = 7

// A row of counts for each association.
const COUNTS = 8
const LOST = 0
const LATE = 1
const AGAIN = 2
const OUTSIDE = 3
const FORGERIES = 4
const RESTARTS = 5
const GAPS = 6

/** In `FAR_COUNT`: nobody looked for a while, so that what lies far above is no surprise. */
const RESUMED_LATER = -1

/** What is remembered of an association's numbers, as plain values. */
export interface SavedWindow {
  readonly highest: number
  readonly wraps: number
  readonly counts: readonly number[]
  /** Nothing came since the sensor was started again. Undefined in what older sensors wrote. */
  readonly isResumed?: boolean | undefined
}

/** So many packets in a row below the window are a stream that goes on there. */
const RESTART_AFTER = 4

export class SequenceWindows {
  readonly #width: number
  readonly #words: number
  #rows = new Int32Array(FIRST_ROWS * ROW)
  #counts = new Float64Array(FIRST_ROWS * COUNTS)
  #bits: Int32Array<ArrayBuffer>

  /** `width` is a multiple of 32. */
  constructor(width: number) {
    this.#width = width
    this.#words = width >>> 5
    this.#bits = new Int32Array(FIRST_ROWS * this.#words)
  }

  /** Begins the window of an association with its first packet. */
  open(index: number, sequence: number): void {
    while ((index + 1) * ROW > this.#rows.length) this.#grow()
    this.#rows.fill(0, index * ROW, (index + 1) * ROW)
    this.#counts.fill(0, index * COUNTS, (index + 1) * COUNTS)
    this.#restart(index, sequence | 0)
  }

  save(index: number): SavedWindow {
    const counts = [...this.#counts.subarray(index * COUNTS, (index + 1) * COUNTS)]
    const isResumed = this.#rows[index * ROW + FAR_COUNT] === RESUMED_LATER
    return { highest: this.highest(index), wraps: this.wraps(index), counts, isResumed }
  }

  /** Begins a window where another one was when it was saved. `isLater`: packets may have passed since. */
  restore(index: number, { highest, wraps, counts, isResumed = false }: SavedWindow, isLater: boolean): void {
    this.open(index, highest)
    this.#rows[index * ROW + HIGH] = wraps
    this.#counts.set(counts.slice(0, COUNTS), index * COUNTS)
    if (isResumed || isLater) this.#rows[index * ROW + FAR_COUNT] = RESUMED_LATER
  }

  /** Takes the next packet. Numbers are taken modulo 2^32: what is nearer above is above. */
  take(index: number, sequence: number): Arrival {
    const rows = this.#rows
    const at = index * ROW
    const ahead = (sequence - rows[at + HIGHEST]) | 0
    if (ahead > this.#width) return this.#far(index, sequence | 0)
    if (ahead <= 0) return this.#behind(index, sequence | 0, ahead)
    const isRefuted = rows[at + FAR_COUNT] > 0
    const hasWrapped = sequence >>> 0 < rows[at + HIGHEST] >>> 0
    this.#advance(index, sequence | 0, ahead)
    if (isRefuted) return this.#refute(index)
    if (hasWrapped) return ARRIVAL.WRAPPED
    return ahead === 1 ? ARRIVAL.NEXT : ARRIVAL.GAP
  }

  /** What was far above is known to be genuine: its integrity was checked. */
  believe(index: number): void {
    const far = this.#rows[index * ROW + FAR]
    if (this.#rows[index * ROW + FAR_COUNT] > 0) this.#resume(index, far, far)
  }

  /** Unsigned. */
  highest(index: number): number {
    return this.#rows[index * ROW + HIGHEST] >>> 0
  }

  /** How often the numbers passed 2^32 since the first packet. */
  wraps(index: number): number {
    return this.#rows[index * ROW + HIGH]
  }

  /** The number that turned out not to belong to the stream, after `FORGED`. */
  forged(index: number): number {
    return this.#rows[index * ROW + FORGED] >>> 0
  }

  /** Numbers that never came, so far. */
  lost(index: number): number {
    return this.#counts[index * COUNTS + LOST]
  }

  gaps(index: number): number {
    return this.#counts[index * COUNTS + GAPS]
  }

  late(index: number): number {
    return this.#counts[index * COUNTS + LATE]
  }

  repeated(index: number): number {
    return this.#counts[index * COUNTS + AGAIN]
  }

  outside(index: number): number {
    return this.#counts[index * COUNTS + OUTSIDE]
  }

  forgeries(index: number): number {
    return this.#counts[index * COUNTS + FORGERIES]
  }

  restarts(index: number): number {
    return this.#counts[index * COUNTS + RESTARTS]
  }

  #behind(index: number, sequence: number, ahead: number): Arrival {
    if (ahead > -this.#width) {
      if (this.#isSet(index, sequence)) {
        this.#counts[index * COUNTS + AGAIN]++
        return ARRIVAL.AGAIN
      }
      this.#set(index, sequence)
      this.#counts[index * COUNTS + LATE]++
      if (((sequence - this.#rows[index * ROW + FIRST]) | 0) > 0) this.#counts[index * COUNTS + LOST]--
      return ARRIVAL.LATE
    }
    return this.#below(index, sequence)
  }

  /** One by one below the window, while nothing comes above it, the stream goes on there. */
  #below(index: number, sequence: number): Arrival {
    const rows = this.#rows
    const at = index * ROW
    this.#counts[index * COUNTS + OUTSIDE]++
    const step = (sequence - rows[at + BELOW]) | 0
    const isNext = rows[at + BELOW_COUNT] !== 0 && step > 0 && step < this.#width
    rows[at + BELOW] = sequence
    rows[at + BELOW_COUNT] = isNext ? rows[at + BELOW_COUNT] + 1 : 1
    if (rows[at + BELOW_COUNT] < RESTART_AFTER) return ARRIVAL.BELOW
    this.#counts[index * COUNTS + RESTARTS]++
    this.#restart(index, sequence)
    return ARRIVAL.RESTARTED
  }

  #far(index: number, sequence: number): Arrival {
    const rows = this.#rows
    const at = index * ROW
    if (rows[at + FAR_COUNT] === RESUMED_LATER) {
      this.#restart(index, sequence)
      return ARRIVAL.NEXT
    }
    const distance = (sequence - rows[at + FAR]) | 0
    const isPending = rows[at + FAR_COUNT] !== 0
    if (isPending && distance === 0) {
      this.#counts[index * COUNTS + AGAIN]++
      return ARRIVAL.AGAIN
    }
    if (isPending && Math.abs(distance) <= this.#width) {
      const far = rows[at + FAR]
      this.#resume(index, far, sequence)
      return ARRIVAL.RESUMED
    }
    rows[at + FORGED] = rows[at + FAR]
    rows[at + FAR] = sequence
    rows[at + FAR_COUNT] = 1
    if (!isPending) return ARRIVAL.AHEAD
    // Nothing goes on from the one before: each of them stands alone.
    this.#counts[index * COUNTS + FORGERIES]++
    return ARRIVAL.FORGED
  }

  #refute(index: number): Arrival {
    const at = index * ROW
    this.#rows[at + FORGED] = this.#rows[at + FAR]
    this.#rows[at + FAR_COUNT] = 0
    this.#counts[index * COUNTS + FORGERIES]++
    return ARRIVAL.FORGED
  }

  /** The stream goes on far above, with two packets, or the same one twice. */
  #resume(index: number, first: number, second: number): void {
    const rows = this.#rows
    const at = index * ROW
    const before = rows[at + HIGHEST]
    const low = ((second - first) | 0) > 0 ? first : second
    const high = low === first ? second : first
    const missing = ((low - before) >>> 0) - 1 + Math.max(0, ((high - low) >>> 0) - 1)
    if (high >>> 0 < before >>> 0) rows[at + HIGH]++
    this.#restart(index, high)
    this.#set(index, low)
    rows[at + FIRST] = low
    this.#counts[index * COUNTS + LOST] += missing
    this.#counts[index * COUNTS + GAPS]++
  }

  #advance(index: number, sequence: number, ahead: number): void {
    const rows = this.#rows
    const at = index * ROW
    const highest = rows[at + HIGHEST]
    if (ahead > 1) {
      for (let i = 1; i < ahead; i++) this.#clear(index, (highest + i) | 0)
      this.#counts[index * COUNTS + LOST] += ahead - 1
      this.#counts[index * COUNTS + GAPS]++
    }
    if (sequence >>> 0 < highest >>> 0) rows[at + HIGH]++
    rows[at + HIGHEST] = sequence
    rows[at + FAR_COUNT] = 0
    rows[at + BELOW_COUNT] = 0
    if (((sequence - rows[at + FIRST]) | 0) > this.#width) rows[at + FIRST] = (sequence - this.#width) | 0
    this.#set(index, sequence)
  }

  #restart(index: number, sequence: number): void {
    const at = index * ROW
    this.#rows[at + HIGHEST] = sequence
    this.#rows[at + FIRST] = sequence
    this.#rows[at + FAR_COUNT] = 0
    this.#rows[at + BELOW_COUNT] = 0
    this.#bits.fill(0, index * this.#words, (index + 1) * this.#words)
    this.#set(index, sequence)
  }

  #isSet(index: number, sequence: number): boolean {
    const bit = (sequence >>> 0) % this.#width
    return (this.#bits[index * this.#words + (bit >>> 5)] & (1 << (bit & 31))) !== 0
  }

  #set(index: number, sequence: number): void {
    const bit = (sequence >>> 0) % this.#width
    this.#bits[index * this.#words + (bit >>> 5)] |= 1 << (bit & 31)
  }

  #clear(index: number, sequence: number): void {
    const bit = (sequence >>> 0) % this.#width
    this.#bits[index * this.#words + (bit >>> 5)] &= ~(1 << (bit & 31))
  }

  #grow(): void {
    this.#rows = doubled(this.#rows)
    this.#bits = doubled(this.#bits)
    const counts = new Float64Array(this.#counts.length * 2)
    counts.set(this.#counts)
    this.#counts = counts
  }
}
