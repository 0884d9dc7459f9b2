/**
 * A bounded hash map from a few integers to a non-negative integer, on a typed array: open addressing with linear probing, deletion by
 * shifting back, growth by doubling until the capacity. Nothing is allocated except when it grows.
 *
 * A key is a pair, as nearly everything that is followed has a name of two parts: who gave it, as the number of an endpoint, and what was
 * given (a tunnel, a session, a call, an SPI); or both ends of a conversation. The third integer, zero in most tables, is for names
 * whose giver is not looked up before: tunnels over IPv4 are found by address, number and port (decision 30). It is free: with the value
 * a slot has four words then, which divide a line of the processor's cache, so that a look-up touches one of them.
 */
import { FIRST_ROWS } from './growing.ts'
import { mixPair } from './hash.ts'

const EMPTY = -1
const SLOT = 4
const VALUE = 2
const THIRD = 3
const FIRST_SLOTS = FIRST_ROWS * 2

export class PairTable {
  readonly capacity: number
  size = 0
  #mask = FIRST_SLOTS - 1
  #slots = emptySlots(FIRST_SLOTS)

  constructor(capacity: number) {
    this.capacity = capacity
  }

  /** The value, or -1. */
  find(a: number, b: number, c = 0): number {
    const slots = this.#slots
    const mask = this.#mask
    const first = a | 0
    const second = b | 0
    for (let slot = hashOf(first, second, c) & mask; ; slot = (slot + 1) & mask) {
      const at = slot * SLOT
      const value = slots[at + VALUE]
      if (value === EMPTY || (slots[at] === first && slots[at + 1] === second && slots[at + THIRD] === c)) return value
    }
  }

  /** Where `find` begins to look, for `fetchWords`: a place in `words`, as they are now. */
  placeOf(a: number, b: number, c = 0): number {
    return (hashOf(a | 0, b | 0, c) & this.#mask) * SLOT
  }

  get words(): Int32Array {
    return this.#slots
  }

  /** Inserts or replaces; false if the table is full and the pair is not in it. */
  insert(a: number, b: number, value: number, c = 0): boolean {
    const at = this.#slotOf(a | 0, b | 0, c) * SLOT
    const slots = this.#slots
    if (slots[at + VALUE] === EMPTY) {
      if (this.size >= this.capacity) return false
      // Two thirds full is where linear probing begins to walk.
      if ((this.size + 1) * 3 > (this.#mask + 1) * 2) {
        this.#grow()
        return this.insert(a, b, value, c)
      }
      slots[at] = a
      slots[at + 1] = b
      slots[at + THIRD] = c
      this.size++
    }
    slots[at + VALUE] = value
    return true
  }

  remove(a: number, b: number, c = 0): void {
    const slots = this.#slots
    const mask = this.#mask
    let hole = this.#slotOf(a | 0, b | 0, c)
    if (slots[hole * SLOT + VALUE] === EMPTY) return
    this.size--
    for (let slot = (hole + 1) & mask; slots[slot * SLOT + VALUE] !== EMPTY; slot = (slot + 1) & mask) {
      const home = hashOf(slots[slot * SLOT], slots[slot * SLOT + 1], slots[slot * SLOT + THIRD]) & mask
      // The entry may move into the hole only if its home does not lie between the hole and its place.
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue
      slots.copyWithin(hole * SLOT, slot * SLOT, slot * SLOT + SLOT)
      hole = slot
    }
    slots[hole * SLOT + VALUE] = EMPTY
  }

  /** The slot of the pair, or the empty one where it would go. */
  #slotOf(a: number, b: number, c: number): number {
    const slots = this.#slots
    const mask = this.#mask
    for (let slot = hashOf(a, b, c) & mask; ; slot = (slot + 1) & mask) {
      const at = slot * SLOT
      if (slots[at + VALUE] === EMPTY || (slots[at] === a && slots[at + 1] === b && slots[at + THIRD] === c))
        return slot
    }
  }

  #grow(): void {
    const old = this.#slots
    const count = (this.#mask + 1) * 2
    this.#mask = count - 1
    this.#slots = emptySlots(count)
    for (let at = 0; at < old.length; at += SLOT) {
      if (old[at + VALUE] === EMPTY) continue
      const to = this.#slotOf(old[at], old[at + 1], old[at + THIRD]) * SLOT
      for (let word = 0; word < SLOT; word++) this.#slots[to + word] = old[at + word]
    }
  }
}

/** The third integer is small, and mostly zero. */
function hashOf(a: number, b: number, c: number): number {
  return mixPair(a, b ^ (c << 16))
}

function emptySlots(count: number): Int32Array {
  return new Int32Array(count * SLOT).fill(EMPTY)
}
