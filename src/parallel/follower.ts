/** Follows flows as the packet thread asks for it: its operations, one after the other. Names, user and story a flow gets from whoever is told. */
import { UPCOMING_MAX } from '../base/upcoming.ts'
import { Ahead } from '../dissect/ahead.ts'
import { Frame } from '../dissect/frame.ts'
import type { FlowListener } from '../track/flow-record.ts'
import { type FlowLimits, InnerFlowTracker } from '../track/inner-flow.ts'
import { OP_WORDS, RingReader, WORDS_MASK, type SharedMemory } from './memory.ts'
import {
  BATCH,
  CAPTURE,
  CARRIER,
  CARRIER_CLOSED,
  END,
  EXPIRE,
  FINISH,
  KIND,
  KIND_BITS,
  NUMBER,
  OFFSET,
  PACKET,
  POSITION,
  RESET,
  SENDER_SHIFT,
  START,
  TIME_US,
} from './operation.ts'

export interface FollowerData {
  readonly shared: SharedMemory
  readonly ring: number
  /** Those of this follower. */
  readonly limits: FlowLimits
}

/** The packet, or the moment, during which things happen. */
export interface Occasion {
  readonly position: number
  readonly operation: number
  /** The number of a name, or -1. */
  readonly capture: number
  readonly number: number
  readonly offset: number
}

/**
 * The packets of so many operations behind one are asked for at once. Each lies somewhere in the cache of another core, and whoever
 * waits for one after the other spends a tenth of the time of this thread on it.
 */
const TOUCHED_AHEAD = 15
/** Flows whose rows no longer fit into the caches: from so many on those of the packets behind are asked for as well. */
const FLOWS_MIN = 100_000
/** Octets: the headers of IP and of what it carries are in the line of the cache in which they begin, or in the next. */
const HALF_A_LINE = 32

export class Follower implements Occasion {
  readonly #reader: RingReader
  readonly #doubles: Float64Array
  readonly #words: Int32Array
  readonly #bytes: Uint8Array
  /** The same octets. */
  readonly #view: DataView
  readonly #limits: FlowLimits
  readonly #flowsMin: number
  readonly #listener: FlowListener
  readonly #frame = new Frame()
  /** Operations whose packets were touched and that are still to come. */
  #left = 0
  readonly #ahead = new Ahead()
  /** Kept so that the reading is not left out. */
  #touched = 0
  #tracker: InnerFlowTracker

  constructor({ shared, ring, limits }: FollowerData, listener: FlowListener, flowsMin = FLOWS_MIN) {
    this.#flowsMin = flowsMin
    this.#reader = new RingReader(shared, ring)
    this.#doubles = this.#reader.doubles
    this.#words = this.#reader.words
    this.#bytes = new Uint8Array(shared.bytes)
    this.#view = new DataView(shared.bytes)
    this.#limits = limits
    this.#listener = listener
    this.#tracker = new InnerFlowTracker(listener, limits)
  }

  /** Flows that live. */
  get size(): number {
    return this.#tracker.size
  }

  get position(): number {
    return this.#doubles[this.#reader.double + POSITION]
  }

  get operation(): number {
    return this.#words[this.#reader.word + KIND] & KIND_BITS
  }

  get capture(): number {
    return this.#words[this.#reader.word + CAPTURE]
  }

  get number(): number {
    return this.#doubles[this.#reader.double + NUMBER]
  }

  get offset(): number {
    return this.#doubles[this.#reader.double + OFFSET]
  }

  /** Of an operation of the kind `BATCH`. */
  get batch(): number {
    return this.#doubles[this.#reader.double + TIME_US]
  }

  /** Waits for the next operation. */
  next(): void {
    this.#reader.next()
    if (--this.#left < 0) this.#touch()
  }

  /** Reads a little of this packet and of those behind it, and does nothing with it. */
  #touch(): void {
    const { word } = this.#reader
    const words = this.#words
    const bytes = this.#bytes
    const isLarge = this.#tracker.size >= this.#flowsMin
    const behind = Math.min(this.#reader.ahead, isLarge ? UPCOMING_MAX - 1 : TOUCHED_AHEAD)
    let touched = this.#touched
    for (let at = word; at <= word + behind * OP_WORDS; at += OP_WORDS) {
      const start = words[(at & WORDS_MASK) + START]
      touched ^= bytes[start] ^ bytes[start + HALF_A_LINE]
    }
    this.#touched = touched
    this.#left = behind
    if (isLarge) this.#prefetch(behind)
  }

  #prefetch(behind: number): void {
    const { word } = this.#reader
    const words = this.#words
    const ahead = this.#ahead
    ahead.count = 0
    for (let at = word; at <= word + behind * OP_WORDS; at += OP_WORDS) {
      const place = at & WORDS_MASK
      if ((words[place + KIND] & KIND_BITS) === PACKET)
        ahead.add(words[place + CARRIER], this.#bytes, words[place + START])
    }
    this.#tracker.prefetch(ahead)
  }

  /** The packet thread may have the room of all operations so far. */
  release(): void {
    this.#reader.release()
  }

  /** Does what the operation asks for. */
  follow(): void {
    const { double, word } = this.#reader
    const doubles = this.#doubles
    const words = this.#words
    const kind = words[word + KIND]
    switch (kind & KIND_BITS) {
      case PACKET: {
        const frame = this.#frame
        frame.timeUs = doubles[double + TIME_US]
        // It could be read where it came from, in the same window.
        frame.inner.decodeWords(this.#bytes, this.#view, words[word + START], words[word + END])
        this.#tracker.born = doubles[double + POSITION]
        this.#tracker.observe(frame, words[word + CARRIER], (kind >> SENDER_SHIFT) as 0 | 1)
        break
      }
      case CARRIER_CLOSED:
        this.#tracker.carrierClosed(words[word + CARRIER])
        break
      case EXPIRE:
        for (const _ of this.#tracker.expire(doubles[double + TIME_US]));
        break
      case FINISH:
        for (const _ of this.#tracker.finish());
        break
      case RESET:
        this.#tracker = new InnerFlowTracker(this.#listener, this.#limits)
        break
      case BATCH:
        break
      default:
        throw new RangeError(`an operation of kind ${kind & KIND_BITS} is unknown`)
    }
  }
}
