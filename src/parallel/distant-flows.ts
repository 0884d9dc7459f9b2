/**
 * Flows that other threads follow: the packet thread's end of it. A packet is an operation that names where its bytes stand;
 * only what did not come out of a capture as it is (reassembled, decrypted, expanded) is copied.
 */
import { i32, u16 } from '../base/bytes.ts'
import { mix32 } from '../base/hash.ts'
import { BLOCK_BYTES } from '../capture/byte-window.ts'
import type { Frame } from '../dissect/frame.ts'
import type { Origin } from '../events/bus.ts'
import type { CarrierNames, FlowSink } from '../track/carrier-flows.ts'
import { type IpView, IP_PROTOCOL } from '../wire/ip.ts'
import type { RingWriter, SharedBlocks } from './memory.ts'
import {
  BATCH,
  CAPTURE,
  CARRIER,
  CARRIER_CLOSED,
  END,
  EXPIRE,
  FINISH,
  KIND,
  NO_CAPTURE,
  NUMBER,
  OFFSET,
  PACKET,
  POSITION,
  RESET,
  SENDER_SHIFT,
  START,
  TIME_US,
} from './operation.ts'

/** The thread that tells of flows, as this end sees it. */
export interface TellingSide {
  /** The packet at which the sensor is, if it is at one. */
  readonly origin: Origin | null
  named(carrier: number, names: CarrierNames): void
  forgotten(carrier: number): void
}

export class DistantFlows implements FlowSink {
  /** Operations so far. */
  position = 0
  readonly size = 0
  readonly conversations = 0
  readonly suppressed = 0
  readonly #rings: readonly RingWriter[]
  readonly #blocks: SharedBlocks
  readonly #teller: TellingSide
  readonly #captures: readonly string[]
  /** Of the last packet: the bytes that it stood in, where those are shared, and the number of its capture. */
  #bytes: Uint8Array | null = null
  #base = -1
  #capture = 0
  /** Where copies go. */
  #copies: Uint8Array | null = null
  #copiesAt = 0

  /** `captures` are the names that packets may have. */
  constructor(
    rings: readonly RingWriter[],
    blocks: SharedBlocks,
    captures: readonly string[],
    position: number,
    teller: TellingSide,
  ) {
    this.#rings = rings
    this.#blocks = blocks
    this.#captures = captures
    this.#teller = teller
    this.position = position
    this.#toAll(RESET, 0, 0, null)
  }

  carrierNamed(carrier: number, names: CarrierNames): void {
    this.#teller.named(carrier, names)
  }

  observe(frame: Frame, carrier: number, sender: 0 | 1): void {
    const { inner } = frame
    const length = inner.payloadEnd - inner.headerStart
    if (inner.bytes !== this.#bytes) this.#enter(inner.bytes)
    if (frame.capture !== this.#captures[this.#capture]) this.#capture = this.#captures.indexOf(frame.capture)
    const start = this.#base === -1 ? this.#copy(inner, length) : this.#base + inner.headerStart
    const ring = this.#rings.length === 1 ? this.#rings[0] : this.#rings[this.#shareOf(inner, carrier)]
    ring.next()
    const { doubles, double, words, word } = ring
    doubles[double + POSITION] = ++this.position
    doubles[double + TIME_US] = frame.timeUs
    doubles[double + NUMBER] = frame.number
    doubles[double + OFFSET] = frame.offset
    words[word + KIND] = PACKET | (sender << SENDER_SHIFT)
    words[word + CARRIER] = carrier
    words[word + START] = start
    words[word + END] = start + length
    words[word + CAPTURE] = this.#capture
    if (length > BLOCK_BYTES && this.#base === -1) for (const one of this.#rings) one.waitFor(one.head)
  }

  /** The tables are those of other threads. */
  prefetch(): void {}

  carrierClosed(carrier: number): void {
    this.#toAll(CARRIER_CLOSED, carrier, 0, this.#teller.origin)
    this.#teller.forgotten(carrier)
  }

  expire(nowUs: number): readonly undefined[] {
    this.#toAll(EXPIRE, 0, nowUs, null)
    return []
  }

  suspend(): void {
    this.#toAll(FINISH, 0, 0, null)
  }

  /** Everything so far is the batch of this number: it is worked on now. */
  endBatch(batch: number): void {
    this.#toAll(BATCH, 0, batch, null)
    for (const ring of this.#rings) ring.publish()
  }

  #toAll(kind: number, carrier: number, timeUs: number, origin: Origin | null): void {
    this.position++
    const capture = origin === null ? NO_CAPTURE : this.#captures.indexOf(origin.capture)
    for (const ring of this.#rings) {
      ring.next()
      const { doubles, double, words, word } = ring
      doubles[double + POSITION] = this.position
      doubles[double + TIME_US] = timeUs
      doubles[double + NUMBER] = origin?.number ?? 0
      doubles[double + OFFSET] = origin?.offset ?? 0
      words[word + CAPTURE] = capture
      words[word + KIND] = kind
      words[word + CARRIER] = carrier
    }
  }

  #enter(bytes: Uint8Array): void {
    this.#bytes = bytes
    this.#base = this.#blocks.holds(bytes) ? bytes.byteOffset : -1
  }

  #copy({ bytes, headerStart, payloadEnd }: IpView, length: number): number {
    const window = bytes.subarray(headerStart, payloadEnd)
    if (length > BLOCK_BYTES) return this.#blocks.putHuge(window)
    if (this.#copies === null || this.#copiesAt + length > BLOCK_BYTES) {
      if (this.#copies !== null) this.#blocks.leave(this.#copies)
      this.#copies = this.#blocks.take(BLOCK_BYTES)
      this.#copiesAt = 0
    }
    this.#copies.set(window, this.#copiesAt)
    const start = this.#copies.byteOffset + this.#copiesAt
    this.#copiesAt += length
    return start
  }

  /** All packets of a flow come to one thread, whichever end sent them. */
  #shareOf(inner: IpView, carrier: number): number {
    const { bytes, sourceAt, destinationAt, addressLength, protocol, payloadStart, payloadEnd } = inner
    let sum = Math.imul(carrier, 0x9e3779b1) ^ protocol
    for (let at = 0; at < addressLength; at += 4) sum += i32(bytes, sourceAt + at) ^ Math.imul(at + 1, 0x85ebca6b)
    for (let at = 0; at < addressLength; at += 4) sum += i32(bytes, destinationAt + at) ^ Math.imul(at + 1, 0x85ebca6b)
    const hasPorts = protocol === IP_PROTOCOL.TCP || protocol === IP_PROTOCOL.UDP
    if (hasPorts && inner.fragmentOffset === 0 && payloadEnd - payloadStart >= 4)
      sum += Math.imul(u16(bytes, payloadStart) + u16(bytes, payloadStart + 2), 0xc2b2ae35)
    return (mix32(sum | 0) >>> 0) % this.#rings.length
  }
}
