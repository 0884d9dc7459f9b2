/**
 * One direction of a PPTP control connection: takes TCP segments as they come and gives messages in order.
 *
 * It keeps what a message lacks its end of. When it is out of step it waits for a segment that begins with a message: senders
 * write each message by itself.
 */
import { NO_BYTES } from '../base/bytes.ts'
import { type EarlyLimits, SegmentOrder, type SegmentReader } from '../dissect/segment-order.ts'
import {
  describePptp,
  PPTP_HEADER_LENGTH,
  PPTP_MESSAGE_BYTES_MAX,
  PptpCursor,
  type PptpFlaw,
  type PptpMessage,
  PptpView,
} from '../wire/pptp.ts'

const EARLY: EarlyLimits = { segmentsMax: 8, bytesMax: 8192 }

/** Takes a message. `flaw` is that of a message which is told all the same: its type is unknown. */
export type PptpSink = (message: PptpMessage, flaw: PptpFlaw | null) => void

/** `pptp.gap`: octets are missing. Other flaws: what came is no message, and the stream is out of step. */
export type PptpStreamFinding = 'pptp.gap' | PptpFlaw

/** Where a stream stands: the sequence number that is due, and what is there of a message that lacks its end, in hexadecimal digits. */
export interface SavedStream {
  readonly next: number
  readonly held: string
}

export class PptpStream implements SegmentReader<PptpStreamFinding> {
  readonly gap = 'pptp.gap'
  readonly lost = 'pptp.gap'
  readonly #segments = new SegmentOrder<PptpStreamFinding>(this, EARLY)
  readonly #cursor = new PptpCursor()
  #buffer: Uint8Array = NO_BYTES
  #length = 0
  /** Of the segment at hand. */
  #sink: PptpSink | null = null

  /** Forgets everything, and gives the memory back. */
  release(): void {
    this.#segments.lose()
    this.#buffer = NO_BYTES
  }

  /** Null if it is out of step. Segments that came early are not part of it. */
  save(): SavedStream | null {
    if (!this.#segments.isInStep) return null
    return { next: this.#segments.next, held: Buffer.from(this.#buffer.subarray(0, this.#length)).toString('hex') }
  }

  /** Into one that was released. */
  restore({ next, held }: SavedStream): void {
    this.#segments.begin(next)
    const bytes = Buffer.from(held, 'hex')
    if (bytes.length > 0) this.append(bytes, 0, bytes.length)
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
    this.#sink = sink
    const finding = this.#segments.push(sequence, bytes, start, end, missing)
    this.#sink = null
    return finding
  }

  mayBegin(bytes: Uint8Array, start: number, end: number): boolean {
    return isPptpStart(bytes, start, end)
  }

  mayGoOn(bytes: Uint8Array, start: number, end: number): boolean {
    return isPptpStart(bytes, start, end)
  }

  append(bytes: Uint8Array, start: number, end: number): PptpFlaw | null {
    if (this.#buffer === NO_BYTES) this.#buffer = new Uint8Array(PPTP_MESSAGE_BYTES_MAX)
    for (let at = start; at < end; ) {
      const taken = Math.min(end - at, this.#buffer.length - this.#length)
      this.#buffer.set(bytes.subarray(at, at + taken), this.#length)
      this.#length += taken
      at += taken
      const flaw = this.#walk()
      if (flaw !== null) return flaw
    }
    return null
  }

  /** What stands of the message is told. */
  cut(): void {
    const { view } = this.#cursor
    const isHeaderThere = this.#length >= PPTP_HEADER_LENGTH
    if (isHeaderThere && view.decode(this.#buffer, 0, this.#length) === 'pptp.truncated')
      this.#sink?.(describePptp(view, this.#length), null)
  }

  lose(): void {
    this.#length = 0
  }

  #walk(): PptpFlaw | null {
    const cursor = this.#cursor.over(this.#buffer, 0, this.#length)
    while (cursor.next()) this.#sink?.(describePptp(cursor.view), cursor.messageFlaw)
    if (cursor.flaw !== null && cursor.flaw !== 'pptp.truncated') return cursor.flaw
    this.#buffer.copyWithin(0, cursor.restStart, this.#length)
    this.#length -= cursor.restStart
    return null
  }
}

const VIEW = new PptpView()

/** Whether a segment begins with a message of PPTP, whole or not. */
export function isPptpStart(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < PPTP_HEADER_LENGTH) return false
  const flaw = VIEW.decode(bytes, start, end)
  return flaw === null || flaw === 'pptp.truncated' || flaw === 'pptp.control_type'
}
