/**
 * One direction of a TCP stream that carries IKE and ESP (RFC 9329): takes segments as they come and gives frames in order.
 *
 * It keeps what a frame lacks its end of. When a segment does not come it goes on behind the gap, where a frame can be
 * recognised, and says so.
 */
import { NO_BYTES } from '../base/bytes.ts'
import {
  IKE_TCP_PREFIX_LENGTH,
  type IkeTcpContent,
  IkeTcpCursor,
  type IkeTcpFlaw,
  isIkeTcpPrefix,
  mayBeFrames,
} from '../wire/ike-tcp.ts'
import { type EarlyLimits, SegmentOrder, type SegmentReader } from './segment-order.ts'

const BUFFER_MIN = 2048
const EARLY: EarlyLimits = { segmentsMax: 16, bytesMax: 32_768 }

/** Takes the frames: an IKE message without its marker, an ESP packet, a keepalive. The bytes are valid during the call only. */
export interface IkeStreamSink {
  frame(content: IkeTcpContent, bytes: Uint8Array, start: number, end: number): void
}

/**
 * `gap`: octets are missing, frames behind them were found again. `lost`: octets are missing and nothing behind them looks
 * like a frame; the direction waits for a segment that does. A flaw: the length of a frame cannot be, likewise.
 */
export type IkeStreamFinding = 'iketcp.gap' | 'iketcp.lost' | IkeTcpFlaw

export class IkeStream implements SegmentReader<IkeStreamFinding> {
  readonly gap = 'iketcp.gap'
  readonly lost = 'iketcp.lost'
  /** The prefix was seen: this end opened the connection. */
  hasPrefix = false
  /** The stream begins with something else: nothing of it is read. */
  isForeign = false
  frames = 0
  readonly #sink: IkeStreamSink
  readonly #segments = new SegmentOrder<IkeStreamFinding>(this, EARLY)
  readonly #cursor = new IkeTcpCursor()
  #buffer: Uint8Array = NO_BYTES
  #length = 0
  /** Nothing came yet since the SYN. */
  #isAtBeginning = false

  constructor(sink: IkeStreamSink) {
    this.#sink = sink
  }

  /** The SYN of this direction: its stream begins with the next octet. */
  begin(sequence: number): void {
    this.#segments.begin(sequence + 1)
    this.hasPrefix = false
    this.isForeign = false
    this.frames = 0
    this.#isAtBeginning = true
  }

  /** Frames were found, and it is known where the next one begins. */
  get isRunning(): boolean {
    return this.#segments.isInStep && !this.#isAtBeginning
  }

  /** Takes the payload of a segment. Without its SYN a stream begins where a frame, or the prefix, can be recognised. */
  push(sequence: number, bytes: Uint8Array, start: number, end: number): IkeStreamFinding | null {
    return this.isForeign ? null : this.#segments.push(sequence, bytes, start, end)
  }

  mayBegin(bytes: Uint8Array, start: number, end: number): boolean {
    if (end - start >= IKE_TCP_PREFIX_LENGTH && isIkeTcpPrefix(bytes, start, end)) return true
    return mayBeFrames(bytes, start, end)
  }

  mayGoOn(bytes: Uint8Array, start: number, end: number): boolean {
    return mayBeFrames(bytes, start, end)
  }

  append(bytes: Uint8Array, start: number, end: number): IkeStreamFinding | null {
    if (this.#isAtBeginning) {
      this.#isAtBeginning = false
      if (!isIkeTcpPrefix(bytes, start, end) && !mayBeFrames(bytes, start, end)) {
        this.#segments.lose()
        this.isForeign = true
        return null
      }
    }
    this.#grow(this.#length + end - start)
    this.#buffer.set(bytes.subarray(start, end), this.#length)
    this.#length += end - start
    return this.#frames()
  }

  lose(): void {
    this.#length = 0
    this.#isAtBeginning = false
  }

  #frames(): IkeStreamFinding | null {
    const buffer = this.#buffer
    let from = 0
    if (!this.hasPrefix && this.frames === 0 && isIkeTcpPrefix(buffer, 0, this.#length)) {
      if (this.#length < IKE_TCP_PREFIX_LENGTH) return null
      this.hasPrefix = true
      from = IKE_TCP_PREFIX_LENGTH
    }
    const cursor = this.#cursor.over(buffer, from, this.#length)
    while (cursor.next()) {
      this.frames++
      this.#sink.frame(cursor.content, buffer, cursor.start, cursor.end)
    }
    if (cursor.flaw !== null) return cursor.flaw
    buffer.copyWithin(0, cursor.at, this.#length)
    this.#length -= cursor.at
    return null
  }

  #grow(length: number): void {
    if (length <= this.#buffer.length) return
    const grown = new Uint8Array(Math.max(BUFFER_MIN, length, this.#buffer.length * 2))
    grown.set(this.#buffer.subarray(0, this.#length))
    this.#buffer = grown
  }
}
