/**
 * The packets of the last seconds, whole, in a bounded ring: what comes before an alert is known to matter only after it. The
 * oldest leaves first, and is then written as much as it is worth by that time.
 */
import type { Packet } from './packet.ts'

/** The oldest packet of a ring, overwritten by the next one that becomes it. */
export interface Recent<T> {
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
  readonly timeUs: number
  readonly timeNs: number
  readonly originalLength: number
  /** As many bytes of it matter anyway. */
  readonly keep: number
  readonly interfaceKey: number
  /** Hashes of its outermost addresses. */
  readonly source: number
  readonly destination: number
  readonly tag: T
}

/** Octets a packet takes at least, of those that are worth holding. */
const PACKET_BYTES = 128

export class RecentPackets<T> {
  readonly #bytes: Buffer
  readonly #slots: number
  readonly #at: Int32Array
  readonly #lengths: Int32Array
  readonly #originals: Int32Array
  readonly #keeps: Int32Array
  readonly #interfaces: Int32Array
  readonly #peers: Int32Array
  readonly #times: Float64Array
  readonly #tags: (T | null)[]
  readonly #oldest: { -readonly [K in keyof Recent<T>]: Recent<T>[K] }
  #first = 0
  #size = 0
  #writeAt = 0

  constructor(bytesMax: number, none: T) {
    this.#bytes = Buffer.allocUnsafeSlow(bytesMax)
    const slots = Math.max(16, Math.ceil(bytesMax / PACKET_BYTES))
    this.#slots = slots
    this.#at = new Int32Array(slots)
    this.#lengths = new Int32Array(slots)
    this.#originals = new Int32Array(slots)
    this.#keeps = new Int32Array(slots)
    this.#interfaces = new Int32Array(slots)
    this.#peers = new Int32Array(slots * 2)
    this.#times = new Float64Array(slots * 2)
    this.#tags = new Array<T | null>(slots).fill(null)
    this.#oldest = {
      bytes: this.#bytes,
      start: 0,
      end: 0,
      timeUs: 0,
      timeNs: 0,
      originalLength: 0,
      keep: 0,
      interfaceKey: 0,
      source: 0,
      destination: 0,
      tag: none,
    }
  }

  get size(): number {
    return this.#size
  }

  /** Whether the oldest is of that time or older. The time is read from a packet: a double argument would be boxed. */
  isOldestBefore(packet: { readonly timeUs: number }, minusUs: number): boolean {
    return this.#size > 0 && this.#times[this.#first * 2] <= packet.timeUs - minusUs
  }

  /** False if there is no room; then the oldest must go. Never if the ring is empty and the packet no longer than the ring. */
  hasRoom(length: number): boolean {
    if (this.#size === this.#slots) return false
    if (this.#size === 0) {
      this.#writeAt = 0
      return length <= this.#bytes.length
    }
    const first = this.#at[this.#first]
    if (this.#writeAt <= first) return this.#writeAt + length <= first && this.#writeAt !== first
    // Behind the newest, or at the beginning if the oldest leaves room there.
    return this.#writeAt + length <= this.#bytes.length || length < first
  }

  /** Copies a packet. `hasRoom` has said yes. Allocates nothing. */
  push(packet: Packet, keep: number, interfaceKey: number, source: number, destination: number, tag: T): void {
    const length = packet.end - packet.start
    if (this.#writeAt + length > this.#bytes.length) this.#writeAt = 0
    const slot = (this.#first + this.#size++) % this.#slots
    copy.call(packet.bytes, this.#bytes, this.#writeAt, packet.start, packet.end)
    this.#at[slot] = this.#writeAt
    this.#lengths[slot] = length
    this.#originals[slot] = packet.originalLength
    this.#keeps[slot] = keep
    this.#interfaces[slot] = interfaceKey
    this.#peers[slot * 2] = source
    this.#peers[slot * 2 + 1] = destination
    this.#times[slot * 2] = packet.timeUs
    this.#times[slot * 2 + 1] = packet.timeNs
    this.#tags[slot] = tag
    this.#writeAt += length
  }

  /** The oldest packet; only if there is one. Valid until `shift`. */
  oldest(): Recent<T> {
    const slot = this.#first
    const oldest = this.#oldest
    oldest.start = this.#at[slot]
    oldest.end = oldest.start + this.#lengths[slot]
    oldest.timeUs = this.#times[slot * 2]
    oldest.timeNs = this.#times[slot * 2 + 1]
    oldest.originalLength = this.#originals[slot]
    oldest.keep = this.#keeps[slot]
    oldest.interfaceKey = this.#interfaces[slot]
    oldest.source = this.#peers[slot * 2]
    oldest.destination = this.#peers[slot * 2 + 1]
    oldest.tag = this.#tags[slot] as T
    return oldest
  }

  shift(): void {
    this.#tags[this.#first] = null
    this.#first = (this.#first + 1) % this.#slots
    this.#size--
  }
}

const { copy } = Buffer.prototype
