/**
 * One direction of a PPTP control connection: takes TCP segments as they come and gives messages in order.
 *
 * It keeps what a message lacks its end of, and a few segments that came early. When it is out of step it waits for a segment
 * that begins with a message: senders write each message by itself.
 */
import { NO_BYTES } from '../base/bytes.ts'
import {
  describePptp,
  PPTP_HEADER_LENGTH,
  PPTP_MESSAGE_BYTES_MAX,
  PptpCursor,
  type PptpFlaw,
  type PptpMessage,
  PptpView,
} from '../wire/pptp.ts'

/** Segments that came early are kept to this many and this size; then the gap before them is given up. */
const EARLY_MAX = 8
const EARLY_BYTES_MAX = 8192
/** A segment further away than this is not of the stream as it stood. */
const WINDOW = 0x10_0000

/** Takes a message. `flaw` is that of a message which is told all the same: its type is unknown. */
export type PptpSink = (message: PptpMessage, flaw: PptpFlaw | null) => void

/** `pptp.gap`: octets are missing. Other flaws: what came is no message, and the stream is out of step. */
export type PptpStreamFinding = 'pptp.gap' | PptpFlaw

interface EarlySegment {
  readonly sequence: number
  readonly bytes: Uint8Array
}

export class PptpStream {
  readonly #cursor = new PptpCursor()
  #buffer: Uint8Array = NO_BYTES
  #length = 0
  /** The sequence number behind what is in the buffer. */
  #next = 0
  #isInStep = false
  #early: EarlySegment[] = []
  #earlyBytes = 0

  #reset(): void {
    this.#length = 0
    this.#isInStep = false
    this.#early = []
    this.#earlyBytes = 0
  }

  /** Forgets everything, and gives the memory back. */
  release(): void {
    this.#reset()
    this.#buffer = NO_BYTES
  }

  /** Takes the payload of a segment, of which `missing` octets at its end were not captured. */
  push(
    sequence: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    missing: number,
    sink: PptpSink,
  ): PptpStreamFinding | null {
    if (end <= start) return null
    if (!this.#isInStep) {
      if (!isPptpStart(bytes, start, end)) return null
      this.#next = sequence | 0
      this.#isInStep = true
    }
    const ahead = (sequence - this.#next) | 0
    if (Math.abs(ahead) > WINDOW) return this.#jump(sequence, bytes, start, end, sink)
    if (ahead > 0) return this.#keepEarly(sequence, bytes, start, end, sink)
    // What was had already is passed over; the first of two versions counts.
    const from = start - ahead
    if (from >= end) return null
    const finding = this.#append(bytes, from, end, sink) ?? this.#takeEarly(sink)
    if (missing > 0) this.#cut(sink)
    return finding
  }

  /** Far from where the stream stood: the capture lost much, or one of the two is forged. */
  #jump(sequence: number, bytes: Uint8Array, start: number, end: number, sink: PptpSink): PptpStreamFinding | null {
    if (!isPptpStart(bytes, start, end)) return null
    this.#reset()
    this.#next = sequence | 0
    this.#isInStep = true
    return this.#append(bytes, start, end, sink) ?? 'pptp.gap'
  }

  #append(bytes: Uint8Array, start: number, end: number, sink: PptpSink): PptpFlaw | null {
    if (this.#buffer === NO_BYTES) this.#buffer = new Uint8Array(PPTP_MESSAGE_BYTES_MAX)
    this.#next = (this.#next + end - start) | 0
    for (let at = start; at < end; ) {
      const taken = Math.min(end - at, this.#buffer.length - this.#length)
      this.#buffer.set(bytes.subarray(at, at + taken), this.#length)
      this.#length += taken
      at += taken
      const flaw = this.#walk(sink)
      if (flaw !== null) return flaw
    }
    return null
  }

  #walk(sink: PptpSink): PptpFlaw | null {
    const cursor = this.#cursor.over(this.#buffer, 0, this.#length)
    while (cursor.next()) sink(describePptp(cursor.view), cursor.messageFlaw)
    if (cursor.flaw !== null && cursor.flaw !== 'pptp.truncated') {
      this.#reset()
      return cursor.flaw
    }
    this.#buffer.copyWithin(0, cursor.restStart, this.#length)
    this.#length -= cursor.restStart
    return null
  }

  /** The rest of the message will not come: what stands of it is told. */
  #cut(sink: PptpSink): void {
    const { view } = this.#cursor
    const isHeaderThere = this.#length >= PPTP_HEADER_LENGTH
    if (isHeaderThere && view.decode(this.#buffer, 0, this.#length) === 'pptp.truncated')
      sink(describePptp(view, this.#length), null)
    this.#reset()
  }

  #keepEarly(
    sequence: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    sink: PptpSink,
  ): PptpStreamFinding | null {
    if (this.#early.some((segment) => segment.sequence === sequence)) return null
    this.#early.push({ sequence, bytes: bytes.slice(start, end) })
    this.#earlyBytes += end - start
    if (this.#early.length <= EARLY_MAX && this.#earlyBytes <= EARLY_BYTES_MAX) return null
    return this.#giveUpGap(sink)
  }

  /** Segments that came early and fit now. */
  #takeEarly(sink: PptpSink): PptpFlaw | null {
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
        const flaw = this.#append(bytes, -ahead, bytes.length, sink)
        if (flaw !== null) return flaw
      }
      i = 0
    }
    return null
  }

  /** The oldest of the early segments that begins with a message is the new beginning. */
  #giveUpGap(sink: PptpSink): PptpStreamFinding {
    const next = this.#next
    const early = this.#early.sort((a, b) => ((a.sequence - next) | 0) - ((b.sequence - next) | 0))
    this.#reset()
    const at = early.findIndex(({ bytes }) => isPptpStart(bytes, 0, bytes.length))
    if (at === -1) return 'pptp.gap'
    const [first, ...others] = early.slice(at)
    this.#early = others
    this.#earlyBytes = others.reduce((sum, { bytes }) => sum + bytes.length, 0)
    this.#next = first.sequence | 0
    this.#isInStep = true
    return this.#append(first.bytes, 0, first.bytes.length, sink) ?? this.#takeEarly(sink) ?? 'pptp.gap'
  }
}

const VIEW = new PptpView()

/** Whether a segment begins with a message of PPTP, whole or not. */
export function isPptpStart(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < PPTP_HEADER_LENGTH) return false
  const flaw = VIEW.decode(bytes, start, end)
  return flaw === null || flaw === 'pptp.truncated' || flaw === 'pptp.control_type'
}
