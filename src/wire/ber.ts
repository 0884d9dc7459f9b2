/**
 * BER and DER (ITU-T X.690) as Kerberos, LDAP and SPNEGO use them: a cursor over the elements of one level.
 *
 * These protocols need neither indefinite lengths (RFC 4511 section 5.1 forbids them, DER has none) nor tag numbers above 30,
 * so both are flaws here. A cursor goes down one level by `inner()`; all cursors of one message share a state, where the first
 * flaw stays, and which bounds how deep and how long anybody reads.
 */
import { text } from '../base/bytes.ts'
import { TEXT_OCTETS_MAX } from '../base/little-endian.ts'

/** Identifier octets of the universal types that are met (X.690 section 8.1.2); a constructed bit is part of them. */
export const BER = {
  BOOLEAN: 0x01,
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OCTET_STRING: 0x04,
  OID: 0x06,
  ENUMERATED: 0x0a,
  GENERAL_STRING: 0x1b,
  SEQUENCE: 0x30,
  SET: 0x31,
} as const

const CONSTRUCTED = 0x20
const APPLICATION = 0x40
const CONTEXT = 0x80

/** The identifier octet of an element tagged [n] that has elements inside. */
export function contextTag(number: number): number {
  return CONTEXT | CONSTRUCTED | number
}

export function applicationTag(number: number): number {
  return APPLICATION | CONSTRUCTED | number
}

/**
 * `ber.truncated`: an element ends outside the message. `ber.length`: it ends outside its parent, or its length has more octets
 * than any message. `ber.indefinite`, `ber.tag`: forms that these protocols do not have. `ber.too_deep`: more levels, or more
 * elements, than any message needs.
 */
export type BerFlaw = 'ber.truncated' | 'ber.length' | 'ber.indefinite' | 'ber.tag' | 'ber.too_deep'

const DEPTH_MAX = 40
const ELEMENTS_MAX = 20_000

/** What all cursors of one message know together. */
export class BerState {
  flaw: BerFlaw | null = null
  /** The capture, or a reader that keeps only the beginning of messages, cut the message before its end. */
  isSnapped = false
  elements = 0
}

export class BerCursor {
  readonly bytes: Uint8Array
  readonly state: BerState
  /** Where this level ends in the buffer, and on the wire. */
  readonly end: number
  readonly wireEnd: number
  readonly #depth: number
  #at: number
  /** The identifier octet. */
  tag = 0
  start = 0
  valueStart = 0
  /** Where the value ends in the buffer; on the wire at `valueWireEnd`. */
  valueEnd = 0
  valueWireEnd = 0

  /** `wireEnd` is where the elements ended on the wire; the capture may have cut them at `end`. */
  constructor(
    bytes: Uint8Array,
    start: number,
    end: number,
    wireEnd: number = end,
    state: BerState = new BerState(),
    depth = 0,
  ) {
    this.bytes = bytes
    this.state = state
    this.#depth = depth
    this.#at = start
    this.end = end
    this.wireEnd = wireEnd
  }

  next(): boolean {
    if (this.state.flaw !== null || this.#at >= this.wireEnd) return false
    if (++this.state.elements > ELEMENTS_MAX) return this.#stop('ber.too_deep')
    const { bytes } = this
    const start = this.#at
    if (this.end - start < 2) return this.#cut()
    if ((bytes[start] & 0x1f) === 0x1f) return this.#stop('ber.tag')
    const first = bytes[start + 1]
    if (first === 0x80) return this.#stop('ber.indefinite')
    let length = first
    let valueStart = start + 2
    if (first > 0x80) {
      const octets = first & 0x7f
      if (this.end - valueStart < octets) return this.#cut()
      length = 0
      for (let i = 0; i < octets; i++) {
        if (length > 0xffffff) return this.#stop('ber.length')
        length = length * 256 + bytes[valueStart + i]
      }
      valueStart += octets
    }
    const valueWireEnd = valueStart + length
    if (valueWireEnd > this.wireEnd) return this.#stop(this.#depth === 0 ? 'ber.truncated' : 'ber.length')
    if (valueWireEnd > this.end) this.state.isSnapped = true
    this.tag = bytes[start]
    this.start = start
    this.valueStart = valueStart
    this.valueEnd = Math.min(valueWireEnd, this.end)
    this.valueWireEnd = valueWireEnd
    this.#at = valueWireEnd
    return true
  }

  /** The next element if it has this tag. */
  take(tag: number): boolean {
    return this.next() && this.tag === tag
  }

  /** The elements inside this one. */
  inner(): BerCursor {
    if (this.#depth >= DEPTH_MAX) this.state.flaw ??= 'ber.too_deep'
    const { bytes, valueStart, valueEnd, valueWireEnd, state } = this
    return new BerCursor(bytes, valueStart, valueEnd, valueWireEnd, state, this.#depth + 1)
  }

  #cut(): false {
    if (this.wireEnd > this.end) this.state.isSnapped = true
    else this.state.flaw ??= this.#depth === 0 ? 'ber.truncated' : 'ber.length'
    return false
  }

  #stop(flaw: BerFlaw): false {
    this.state.flaw ??= flaw
    return false
  }

  // --- the value of this element -----------------------------------------------------------------------------------------

  get length(): number {
    return this.valueWireEnd - this.valueStart
  }

  /** An INTEGER or ENUMERATED of up to six octets; NaN for others. */
  integer(): number {
    const { bytes, valueStart, valueEnd } = this
    const octets = valueEnd - valueStart
    if (octets === 0 || octets > 6) return Number.NaN
    let value = bytes[valueStart] > 0x7f ? bytes[valueStart] - 256 : bytes[valueStart]
    for (let at = valueStart + 1; at < valueEnd; at++) value = value * 256 + bytes[at]
    return value
  }

  boolean(): boolean {
    return this.valueEnd > this.valueStart && this.bytes[this.valueStart] !== 0
  }

  /** Character strings, and octet strings that hold text. Bounded. */
  text(): string {
    return text(this.bytes, this.valueStart, Math.min(this.valueEnd, this.valueStart + TEXT_OCTETS_MAX))
  }

  /** The first 32 bits of a BIT STRING, the first of them as the highest. */
  bits(): number {
    let word = 0
    for (let i = 1; i <= 4; i++) {
      const at = this.valueStart + i
      word = word * 256 + (at < this.valueEnd ? this.bytes[at] : 0)
    }
    return word
  }

  /** Dotted decimal numbers. Bounded. */
  oid(): string {
    return oidText(this.bytes, this.valueStart, this.valueEnd)
  }
}

const ARCS_MAX = 32

function oidText(bytes: Uint8Array, start: number, end: number): string {
  const arcs: number[] = []
  let arc = 0
  for (let at = start; at < end && arcs.length < ARCS_MAX; at++) {
    arc = arc * 128 + (bytes[at] & 0x7f)
    if (arc > Number.MAX_SAFE_INTEGER / 128) break
    if ((bytes[at] & 0x80) !== 0) continue
    // The first number holds two arcs (X.690 section 8.19.4).
    if (arcs.length === 0) arcs.push(Math.min(Math.floor(arc / 40), 2), arc - Math.min(Math.floor(arc / 40), 2) * 40)
    else arcs.push(arc)
    arc = 0
  }
  return arcs.join('.')
}

/**
 * Where the element that begins at `start` ends: 0 if its header is not complete yet, -1 if it has a form that these protocols
 * do not use. For cutting a stream into messages.
 */
export function berElementEnd(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < 2) return 0
  const first = bytes[start + 1]
  if ((bytes[start] & 0x1f) === 0x1f || first === 0x80 || first > 0x84) return -1
  if (first < 0x80) return start + 2 + first
  const octets = first & 0x7f
  if (end - start < 2 + octets) return 0
  let length = 0
  for (let i = 0; i < octets; i++) length = length * 256 + bytes[start + 2 + i]
  return start + 2 + octets + length
}
