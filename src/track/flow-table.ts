/**
 * The records of inner flows, and how one is found: one row of 64 bytes each, a line of the processor's cache, in one
 * buffer that is read as integers and as doubles; and an open-addressing index that keeps the hash beside the row.
 *
 * A data packet touches one slot of the index and one row. Two million flows take some 200 MB.
 */
import { mix32, mixPair } from '../base/hash.ts'

const NONE = -1

/** Words (32 bits) of a row. */
export const ROW = 16
export const SESSION = 0
/** The lower and the higher address, as integers; the ports in the same order, 16 bits each. */
export const LOW = 1
export const HIGH = 2
export const PORTS = 3
/** IP protocol, and whether the addresses are IPv6: part of the key. */
export const KIND = 4
export const STATE = 5
/** Packets of the side that opened the flow, then of the other. */
export const PACKETS = 6

/** Doubles of a row, after the words above. */
export const DOUBLES = 8
/** Bytes of the side that opened the flow, then of the other. */
export const BYTES = 4
export const FIRST_US = 6
export const LAST_US = 7

const FIRST_ROWS = 1024

export class FlowTable {
  readonly capacity: number
  size = 0
  /** Row `flow` begins at `flow * ROW`. Replaced when the table grows: read it anew for every packet. */
  words: Int32Array
  /** The same memory: row `flow` begins at `flow * DOUBLES`. */
  doubles: Float64Array
  /** Lists of the flows of one session. */
  next = new Int32Array(FIRST_ROWS)
  previous = new Int32Array(FIRST_ROWS)
  #rows = FIRST_ROWS
  #used = 0
  readonly #free: number[] = []
  /** Pairs: hash, row. Half of the slots stay empty. */
  #index = emptyIndex(FIRST_ROWS * 2)

  constructor(capacity: number) {
    this.capacity = capacity
    const buffer = new ArrayBuffer(FIRST_ROWS * ROW * 4)
    this.words = new Int32Array(buffer)
    this.doubles = new Float64Array(buffer)
  }

  /** The row of a flow, or -1. */
  find(session: number, low: number, high: number, ports: number, kind: number): number {
    const index = this.#index
    const words = this.words
    const mask = index.length / 2 - 1
    const hash = keyHash(session, low, high, ports, kind)
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const flow = index[slot * 2 + 1]
      if (flow === NONE) return NONE
      if (index[slot * 2] !== hash) continue
      const at = flow * ROW
      if (
        words[at + PORTS] === ports &&
        words[at + LOW] === low &&
        words[at + HIGH] === high &&
        words[at + SESSION] === session &&
        words[at + KIND] === kind
      ) {
        return flow
      }
    }
  }

  /** A row for a flow that is not in the table, all but its key zero; -1 if the capacity is reached. */
  insert(session: number, low: number, high: number, ports: number, kind: number): number {
    if (this.size >= this.capacity) return NONE
    const flow = this.#free.pop() ?? this.#used++
    if (flow >= this.#rows) this.#growRows()
    this.size++
    if (this.size * 2 > this.#index.length / 2) this.#growIndex()
    const at = flow * ROW
    const { words } = this
    words.fill(0, at, at + ROW)
    words[at + SESSION] = session
    words[at + LOW] = low
    words[at + HIGH] = high
    words[at + PORTS] = ports
    words[at + KIND] = kind
    this.#link(keyHash(session, low, high, ports, kind), flow)
    return flow
  }

  remove(flow: number): void {
    const index = this.#index
    const mask = index.length / 2 - 1
    const at = flow * ROW
    const { words } = this
    const hash = keyHash(words[at + SESSION], words[at + LOW], words[at + HIGH], words[at + PORTS], words[at + KIND])
    let hole = hash & mask
    while (index[hole * 2 + 1] !== flow) hole = (hole + 1) & mask
    for (let slot = (hole + 1) & mask; index[slot * 2 + 1] !== NONE; slot = (slot + 1) & mask) {
      // An entry may move into the hole only if its home does not lie between the hole and its place.
      if (((slot - index[slot * 2]) & mask) < ((slot - hole) & mask)) continue
      index[hole * 2] = index[slot * 2]
      index[hole * 2 + 1] = index[slot * 2 + 1]
      hole = slot
    }
    index[hole * 2 + 1] = NONE
    this.size--
    this.#free.push(flow)
  }

  #link(hash: number, flow: number): void {
    const index = this.#index
    const mask = index.length / 2 - 1
    let slot = hash & mask
    while (index[slot * 2 + 1] !== NONE) slot = (slot + 1) & mask
    index[slot * 2] = hash
    index[slot * 2 + 1] = flow
  }

  #growIndex(): void {
    const old = this.#index
    this.#index = emptyIndex(old.length)
    for (let at = 0; at < old.length; at += 2) if (old[at + 1] !== NONE) this.#link(old[at], old[at + 1])
  }

  #growRows(): void {
    this.#rows *= 2
    const buffer = new ArrayBuffer(this.#rows * ROW * 4)
    const words = new Int32Array(buffer)
    words.set(this.words)
    this.words = words
    this.doubles = new Float64Array(buffer)
    this.next = doubled(this.next)
    this.previous = doubled(this.previous)
  }
}

/** `slots` empty pairs. */
function emptyIndex(slots: number): Int32Array {
  return new Int32Array(slots * 2).fill(NONE)
}

function doubled(old: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const array = new Int32Array(old.length * 2)
  array.set(old)
  return array
}

function keyHash(session: number, low: number, high: number, ports: number, kind: number): number {
  return mixPair(mix32(low ^ Math.imul(session, 0x9e3779b1)) ^ high, ports ^ Math.imul(kind, 0x01000193))
}
