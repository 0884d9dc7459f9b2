/**
 * A bounded map from a pair of 32-bit integers to a non-negative integer, on typed arrays: open addressing with linear
 * probing, deletion by shifting back, growth by doubling until the capacity. Nothing is allocated except when it grows.
 */
import { mixPair } from './hash.ts'

const EMPTY = -1
const FIRST_SLOTS = 1024

export class PairTable {
  readonly capacity: number
  size = 0
  #mask: number
  #a: Int32Array
  #b: Int32Array
  #values: Int32Array

  constructor(capacity: number) {
    this.capacity = capacity
    this.#mask = FIRST_SLOTS - 1
    this.#a = new Int32Array(FIRST_SLOTS)
    this.#b = new Int32Array(FIRST_SLOTS)
    this.#values = new Int32Array(FIRST_SLOTS).fill(EMPTY)
  }

  /** The value, or -1. */
  find(a: number, b: number): number {
    const keysA = this.#a
    const keysB = this.#b
    const values = this.#values
    const mask = this.#mask
    const left = a | 0
    const right = b | 0
    for (let slot = mixPair(left, right) & mask; ; slot = (slot + 1) & mask) {
      const value = values[slot]
      if (value === EMPTY || (keysA[slot] === left && keysB[slot] === right)) return value
    }
  }

  /** Inserts or replaces; false if the table is full and the pair is not in it. */
  insert(a: number, b: number, value: number): boolean {
    const slot = this.#slotOf(a | 0, b | 0)
    if (this.#values[slot] === EMPTY) {
      if (this.size >= this.capacity) return false
      // Two thirds full is where linear probing begins to walk.
      if ((this.size + 1) * 3 > this.#values.length * 2) {
        this.#grow()
        return this.insert(a, b, value)
      }
      this.#a[slot] = a
      this.#b[slot] = b
      this.size++
    }
    this.#values[slot] = value
    return true
  }

  remove(a: number, b: number): void {
    const values = this.#values
    const mask = this.#mask
    let hole = this.#slotOf(a | 0, b | 0)
    if (values[hole] === EMPTY) return
    this.size--
    for (let slot = (hole + 1) & mask; values[slot] !== EMPTY; slot = (slot + 1) & mask) {
      const home = mixPair(this.#a[slot], this.#b[slot]) & mask
      // The entry may move into the hole only if its home does not lie between the hole and its place.
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue
      this.#a[hole] = this.#a[slot]
      this.#b[hole] = this.#b[slot]
      values[hole] = values[slot]
      hole = slot
    }
    values[hole] = EMPTY
  }

  #slotOf(a: number, b: number): number {
    const mask = this.#mask
    let slot = mixPair(a, b) & mask
    while (this.#values[slot] !== EMPTY && (this.#a[slot] !== a || this.#b[slot] !== b)) slot = (slot + 1) & mask
    return slot
  }

  #grow(): void {
    const a = this.#a
    const b = this.#b
    const values = this.#values
    const slots = values.length * 2
    this.#mask = slots - 1
    this.#a = new Int32Array(slots)
    this.#b = new Int32Array(slots)
    this.#values = new Int32Array(slots).fill(EMPTY)
    for (let i = 0; i < values.length; i++) {
      if (values[i] === EMPTY) continue
      const slot = this.#slotOf(a[i], b[i])
      this.#a[slot] = a[i]
      this.#b[slot] = b[i]
      this.#values[slot] = values[i]
    }
  }
}
