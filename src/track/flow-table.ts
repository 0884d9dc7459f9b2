/**
 * The records of inner flows, and how one is found: one row of 64 bytes each, a line of the processor's cache, in one
 * buffer that is read as integers and as doubles; and an open-addressing index that keeps the hash beside the row.
 *
 * A data packet touches one slot of the index and one row. Two million flows take some 200 MB.
 */
import { mix32, mixPair } from '../base/hash.ts'
import { doubled, FIRST_ROWS } from '../base/growing.ts'

const NONE = -1

/**
 * Rows begin 48 bytes into their buffer: allocators put large buffers 16 bytes past a page, and so a row is one line of the
 * cache instead of two halves. In words and in doubles:
 */
const LEAD_WORDS = 12
const LEAD_DOUBLES = 6

/** Words (32 bits) of a row; row `flow` begins at `flow * ROW`, and these are places in it. */
export const ROW = 16
/** The first of them. */
export const CARRIER = LEAD_WORDS
/** The lower and the higher address, as integers; the ports in the same order, 16 bits each. */
export const LOW = LEAD_WORDS + 1
export const HIGH = LEAD_WORDS + 2
export const PORTS = LEAD_WORDS + 3
/** IP protocol, and whether the addresses are IPv6: part of the key. */
export const KIND = LEAD_WORDS + 4
export const STATE = LEAD_WORDS + 5
/** Packets of the side that opened the flow, then of the other. */
export const PACKETS = LEAD_WORDS + 6

/** Doubles of a row, after the words above; row `flow` begins at `flow * DOUBLES`. */
export const DOUBLES = 8
/** Bytes of the side that opened the flow, then of the other. */
export const BYTES = LEAD_DOUBLES + 4
export const FIRST_US = LEAD_DOUBLES + 6
export const LAST_US = LEAD_DOUBLES + 7

/** An index entry: 8 bits of the hash, 24 bits of the row. All ones means none, so the last row is never used. */
const TAG_SHIFT = 24
const FLOW_BITS = (1 << TAG_SHIFT) - 1

export class FlowTable {
  readonly capacity: number
  size = 0
  /** Replaced when the table grows: read it anew for every packet. */
  words: Int32Array
  /** The same memory. */
  doubles: Float64Array
  /** Lists of the flows of one carrier. */
  next = new Int32Array(FIRST_ROWS)
  previous = new Int32Array(FIRST_ROWS)
  /** Of each row a number that is new whenever the row is; 0 while it is free. */
  serials = new Int32Array(FIRST_ROWS)
  #rows = FIRST_ROWS
  #used = 0
  #serial = 0
  readonly #free: number[] = []
  /** Of each slot the row and 8 bits of the hash, which spare a look at most rows that are not the right one. Half of the slots stay empty. */
  #index = new Int32Array(FIRST_ROWS * 2).fill(NONE)

  constructor(capacity: number) {
    this.capacity = Math.min(capacity, FLOW_BITS - 1)
    const buffer = new ArrayBuffer((FIRST_ROWS * ROW + LEAD_WORDS) * 4)
    this.words = new Int32Array(buffer)
    this.doubles = new Float64Array(buffer)
  }

  /** The row of a flow, or -1. */
  find(carrier: number, low: number, high: number, ports: number, kind: number): number {
    const index = this.#index
    const words = this.words
    const mask = index.length - 1
    const hash = keyHash(carrier, low, high, ports, kind)
    const tag = hash >>> TAG_SHIFT
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const entry = index[slot]
      if (entry === NONE) return NONE
      if (entry >>> TAG_SHIFT !== tag) continue
      const flow = entry & FLOW_BITS
      const at = flow * ROW
      if (
        words[at + PORTS] === ports &&
        words[at + LOW] === low &&
        words[at + HIGH] === high &&
        words[at + CARRIER] === carrier &&
        words[at + KIND] === kind
      ) {
        return flow
      }
    }
  }

  /** The hash of a flow, for `guess`. */
  hashOf(carrier: number, low: number, high: number, ports: number, kind: number): number {
    return keyHash(carrier, low, high, ports, kind)
  }

  /** Where `guess` begins to look, for `fetchWords`: a place in `slots`, as they are now. */
  placeOf(hash: number): number {
    return hash & (this.#index.length - 1)
  }

  get slots(): Int32Array {
    return this.#index
  }

  /** The row of the flow with that hash, as far as the index tells; -1 if there is none. */
  guess(hash: number): number {
    const index = this.#index
    const mask = index.length - 1
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const entry = index[slot]
      if (entry === NONE) return NONE
      if (entry >>> TAG_SHIFT === hash >>> TAG_SHIFT) return entry & FLOW_BITS
    }
  }

  /** A row for a flow that is not in the table, all but its key zero; -1 if the capacity is reached. */
  insert(carrier: number, low: number, high: number, ports: number, kind: number): number {
    if (this.size >= this.capacity) return NONE
    const flow = this.#free.pop() ?? this.#used++
    if (flow >= this.#rows) this.#growRows()
    this.size++
    this.serials[flow] = ++this.#serial
    const at = flow * ROW
    const { words } = this
    words.fill(0, at + LEAD_WORDS, at + LEAD_WORDS + ROW)
    words[at + CARRIER] = carrier
    words[at + LOW] = low
    words[at + HIGH] = high
    words[at + PORTS] = ports
    words[at + KIND] = kind
    if (this.size * 2 > this.#index.length) this.#growIndex()
    this.#link(keyHash(carrier, low, high, ports, kind), flow)
    return flow
  }

  remove(flow: number): void {
    const index = this.#index
    const mask = index.length - 1
    let hole = this.#hashOf(flow) & mask
    while ((index[hole] & FLOW_BITS) !== flow) hole = (hole + 1) & mask
    for (let slot = (hole + 1) & mask; index[slot] !== NONE; slot = (slot + 1) & mask) {
      // An entry may move into the hole only if its home does not lie between the hole and its place.
      if (((slot - this.#hashOf(index[slot] & FLOW_BITS)) & mask) < ((slot - hole) & mask)) continue
      index[hole] = index[slot]
      hole = slot
    }
    index[hole] = NONE
    this.serials[flow] = 0
    this.size--
    this.#free.push(flow)
  }

  /** The rows in use, ascending. The table may change while it is walked. */
  *used(): Generator<number> {
    for (let flow = 0; flow < this.#used; flow++) if (this.serials[flow] !== 0) yield flow
  }

  /** The row of a flow as it is now. */
  row(flow: number): Int32Array {
    return this.words.subarray(flow * ROW + LEAD_WORDS, (flow + 1) * ROW + LEAD_WORDS)
  }

  #link(hash: number, flow: number): void {
    const index = this.#index
    const mask = index.length - 1
    let slot = hash & mask
    while (index[slot] !== NONE) slot = (slot + 1) & mask
    index[slot] = ((hash >>> TAG_SHIFT) << TAG_SHIFT) | flow
  }

  #hashOf(flow: number): number {
    const at = flow * ROW
    const { words } = this
    return keyHash(words[at + CARRIER], words[at + LOW], words[at + HIGH], words[at + PORTS], words[at + KIND])
  }

  #growIndex(): void {
    const old = this.#index
    this.#index = new Int32Array(old.length * 2).fill(NONE)
    for (const entry of old) if (entry !== NONE) this.#link(this.#hashOf(entry & FLOW_BITS), entry & FLOW_BITS)
  }

  #growRows(): void {
    this.#rows *= 2
    const buffer = new ArrayBuffer((this.#rows * ROW + LEAD_WORDS) * 4)
    const words = new Int32Array(buffer)
    words.set(this.words)
    this.words = words
    this.doubles = new Float64Array(buffer)
    this.next = doubled(this.next)
    this.previous = doubled(this.previous)
    this.serials = doubled(this.serials)
  }
}

function keyHash(carrier: number, low: number, high: number, ports: number, kind: number): number {
  return mixPair(mix32(low ^ Math.imul(carrier, 0x9e3779b1)) ^ high, ports ^ Math.imul(kind, 0x01000193))
}
