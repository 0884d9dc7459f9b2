/**
 * One direction of a TCP stream that carries IKE and ESP (RFC 9329): takes segments as they come and gives frames in order.
 *
 * It keeps what a frame lacks its end of, and a few segments that came early. When a segment does not come it goes on behind
 * the gap, where a frame can be recognised, and says so.
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

const BUFFER_MIN = 2048
/** Segments that came early are kept to this many and this size; then the gap before them is given up. */
const EARLY_MAX = 16
const EARLY_BYTES_MAX = 32_768
/** A segment further away than this is not of the stream as it stood. */
const WINDOW = 0x10_0000

/** Takes the frames: an IKE message without its marker, an ESP packet, a keepalive. The bytes are valid during the call only. */
export interface IkeStreamSink {
  frame(content: IkeTcpContent, bytes: Uint8Array, start: number, end: number): void
}

/**
 * `gap`: octets are missing, frames behind them were found again. `lost`: octets are missing and nothing behind them looks
 * like a frame; the direction waits for a segment that does. A flaw: the length of a frame cannot be, likewise.
 */
export type IkeStreamFinding = 'iketcp.gap' | 'iketcp.lost' | IkeTcpFlaw

interface EarlySegment {
  readonly sequence: number
  readonly bytes: Uint8Array
}

export class IkeStream {
  /** The prefix was seen: this end opened the connection. */
  hasPrefix = false
  /** The stream begins with something else: nothing of it is read. */
  isForeign = false
  frames = 0
  readonly #sink: IkeStreamSink
  readonly #cursor = new IkeTcpCursor()
  #buffer: Uint8Array = NO_BYTES
  #length = 0
  /** The sequence number behind what is in the buffer. */
  #next = 0
  /** False before the first segment, and after a loss until a frame is recognised. */
  #isSynchronised = false
  /** Nothing came yet since the SYN. */
  #isAtBeginning = false
  #early: EarlySegment[] = []
  #earlyBytes = 0

  constructor(sink: IkeStreamSink) {
    this.#sink = sink
  }

  /** The SYN of this direction: its stream begins with the next octet. */
  begin(sequence: number): void {
    this.#lose()
    this.hasPrefix = false
    this.isForeign = false
    this.frames = 0
    this.#next = (sequence + 1) | 0
    this.#isSynchronised = true
    this.#isAtBeginning = true
  }

  /** Frames were found, and it is known where the next one begins. */
  get isRunning(): boolean {
    return this.#isSynchronised && !this.#isAtBeginning
  }

  /** Takes the payload of a segment. Without its SYN a stream begins where a frame, or the prefix, can be recognised. */
  push(sequence: number, bytes: Uint8Array, start: number, end: number): IkeStreamFinding | null {
    if (end <= start || this.isForeign) return null
    if (!this.#isSynchronised) {
      if (!isRecognised(bytes, start, end)) return null
      this.#next = sequence | 0
      this.#isSynchronised = true
    }
    const ahead = (sequence - this.#next) | 0
    if (Math.abs(ahead) > WINDOW) return this.#jump(sequence, bytes, start, end)
    if (ahead > 0) return this.#keepEarly(sequence, bytes, start, end)
    // What was had already is passed over; the first of two versions counts.
    const from = start - ahead
    return from >= end ? null : (this.#append(bytes, from, end) ?? this.#takeEarly())
  }

  /** Far from where the stream stood: the capture lost much, or one of the two is forged. Frames tell that it goes on here. */
  #jump(sequence: number, bytes: Uint8Array, start: number, end: number): IkeStreamFinding | null {
    if (!isRecognised(bytes, start, end)) return null
    this.#lose()
    this.#next = sequence | 0
    this.#isSynchronised = true
    return this.#append(bytes, start, end) ?? 'iketcp.gap'
  }

  #append(bytes: Uint8Array, start: number, end: number): IkeStreamFinding | null {
    if (this.#isAtBeginning) {
      this.#isAtBeginning = false
      if (!isIkeTcpPrefix(bytes, start, end) && !mayBeFrames(bytes, start, end)) {
        this.#lose()
        this.isForeign = true
        return null
      }
    }
    this.#next = (this.#next + end - start) | 0
    this.#grow(this.#length + end - start)
    this.#buffer.set(bytes.subarray(start, end), this.#length)
    this.#length += end - start
    return this.#frames()
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
    if (cursor.flaw !== null) {
      this.#lose()
      return cursor.flaw
    }
    buffer.copyWithin(0, cursor.at, this.#length)
    this.#length -= cursor.at
    return null
  }

  #keepEarly(sequence: number, bytes: Uint8Array, start: number, end: number): IkeStreamFinding | null {
    if (this.#early.some((segment) => segment.sequence === sequence)) return null
    this.#early.push({ sequence, bytes: bytes.slice(start, end) })
    this.#earlyBytes += end - start
    if (this.#early.length <= EARLY_MAX && this.#earlyBytes <= EARLY_BYTES_MAX) return null
    return this.#giveUpGap()
  }

  /** Segments that came early and fit now. */
  #takeEarly(): IkeStreamFinding | null {
    for (let i = 0; i < this.#early.length; ) {
      const { sequence, bytes } = this.#early[i]
      const ahead = (sequence - this.#next) | 0
      if (ahead > 0) {
        i++
        continue
      }
      this.#early.splice(i, 1)
      this.#earlyBytes -= bytes.length
      if (-ahead < bytes.length) {
        const finding = this.#append(bytes, -ahead, bytes.length)
        if (finding !== null) return finding
      }
      i = 0
    }
    return null
  }

  /** The oldest of the early segments in which a frame begins is the new beginning. */
  #giveUpGap(): IkeStreamFinding {
    const next = this.#next
    const early = this.#early.sort((a, b) => ((a.sequence - next) | 0) - ((b.sequence - next) | 0))
    this.#lose()
    const at = early.findIndex(({ bytes }) => mayBeFrames(bytes, 0, bytes.length))
    if (at === -1) return 'iketcp.lost'
    const [first, ...others] = early.slice(at)
    this.#early = others
    this.#earlyBytes = others.reduce((sum, { bytes }) => sum + bytes.length, 0)
    this.#next = first.sequence | 0
    this.#isSynchronised = true
    const finding = this.#append(first.bytes, 0, first.bytes.length) ?? this.#takeEarly()
    return finding ?? 'iketcp.gap'
  }

  #lose(): void {
    this.#length = 0
    this.#early = []
    this.#earlyBytes = 0
    this.#isSynchronised = false
    this.#isAtBeginning = false
  }

  #grow(length: number): void {
    if (length <= this.#buffer.length) return
    const grown = new Uint8Array(Math.max(BUFFER_MIN, length, this.#buffer.length * 2))
    grown.set(this.#buffer.subarray(0, this.#length))
    this.#buffer = grown
  }
}

function isRecognised(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start >= IKE_TCP_PREFIX_LENGTH && isIkeTcpPrefix(bytes, start, end)) return true
  return mayBeFrames(bytes, start, end)
}
