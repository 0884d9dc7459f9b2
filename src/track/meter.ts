/**
 * What things carried: packets and bytes by role, and the time of the last packet. Each thing has a row of 64 bytes, so that
 * counting a packet touches one line of the processor's cache. Role 0 is the tunnel's initiator.
 */
import { FIRST_ROWS } from '../base/growing.ts'
import type { SavedMeter } from './saved.ts'

const ROW = 8
const PACKETS = 0
const BYTES = 2
const LAST_US = 4
/** A number for each role, for its owner to use: it lies where counting looks anyway. */
const MARK = 5
/** Of the thing, not of a role. */
const PASS = 7
/** Allocators put large buffers 16 bytes past a page: with this before them rows are lines of the cache, and not halves of two. */
const LEAD_BYTES = 48

export class Meter {
  #rows = lineAligned(FIRST_ROWS * ROW)
  /** The same memory. */
  #words = new Int32Array(this.#rows.buffer, LEAD_BYTES)
  #passes = 0

  /** Begins the row of a thing; `index` is its place in its pool. */
  open(index: number, timeUs: number): void {
    while ((index + 1) * ROW > this.#rows.length) this.#grow()
    this.#rows.fill(0, index * ROW, (index + 1) * ROW)
    this.#rows[index * ROW + LAST_US] = timeUs
    this.renewPass(index)
  }

  /** A packet of `bytes` octets; its time is read from it, because a double argument would be boxed. */
  count(index: number, role: number, bytes: number, packet: { readonly timeUs: number }): void {
    const rows = this.#rows
    const at = index * ROW
    rows[at + PACKETS + role]++
    rows[at + BYTES + role] += bytes
    rows[at + LAST_US] = packet.timeUs
  }

  /** Packets from before the thing was known to be there, the last of them at `lastUs`. */
  add(index: number, role: number, packets: number, bytes: number, lastUs = 0): void {
    const rows = this.#rows
    const at = index * ROW
    rows[at + PACKETS + role] += packets
    rows[at + BYTES + role] += bytes
    rows[at + LAST_US] = Math.max(rows[at + LAST_US], lastUs)
  }

  /** Takes a packet back that turned out not to belong to the thing. */
  discount(index: number, role: number, bytes: number): void {
    this.#rows[index * ROW + PACKETS + role]--
    this.#rows[index * ROW + BYTES + role] -= bytes
  }

  packets(index: number, role: number): number {
    return this.#rows[index * ROW + PACKETS + role]
  }

  bytes(index: number, role: number): number {
    return this.#rows[index * ROW + BYTES + role]
  }

  lastUs(index: number): number {
    return this.#rows[index * ROW + LAST_US]
  }

  mark(index: number, role: number): number {
    return this.#rows[index * ROW + MARK + role]
  }

  setMark(index: number, role: number, mark: number): void {
    const at = index * ROW + MARK + role
    if (this.#rows[at] === mark) return
    this.#rows[at] = mark
    this.renewPass(index)
  }

  /** The same as long as the marks are, and the owner does not renew it; no other thing has it. A signed number of 32 bits, never 0. */
  pass(index: number): number {
    return this.#rows[index * ROW + PASS] | 0
  }

  /** What is known of the thing by its pass may no longer be true. */
  renewPass(index: number): void {
    this.#passes = (this.#passes + 1) | 0 || 1
    this.#rows[index * ROW + PASS] = this.#passes
  }

  /** Where the row of a thing stands in `words`, as they are now. */
  placeOf(index: number): number {
    return index * ROW * 2
  }

  get words(): Int32Array {
    return this.#words
  }

  save(index: number): SavedMeter {
    return {
      packets: [this.packets(index, 0), this.packets(index, 1)],
      bytes: [this.bytes(index, 0), this.bytes(index, 1)],
      lastUs: this.lastUs(index),
    }
  }

  /** Goes on from what was saved; the row is open. */
  restore(index: number, { packets, bytes, lastUs }: SavedMeter): void {
    for (const role of [0, 1] as const) this.add(index, role, packets[role], bytes[role])
    this.#rows[index * ROW + LAST_US] = lastUs
  }

  #grow(): void {
    const rows = lineAligned(this.#rows.length * 2)
    rows.set(this.#rows)
    this.#rows = rows
    this.#words = new Int32Array(rows.buffer, LEAD_BYTES)
  }
}

function lineAligned(doubles: number): Float64Array<ArrayBuffer> {
  return new Float64Array(new ArrayBuffer(LEAD_BYTES + doubles * 8), LEAD_BYTES, doubles)
}
