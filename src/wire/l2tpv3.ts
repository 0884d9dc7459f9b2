/**
 * The L2TP version 3 message header (RFC 3931 sections 3.2 and 4.1), over UDP and straight over IP (protocol 115).
 *
 * Over UDP the header begins as that of version 2 does, so that both share a port: flags and version, then for control the
 * length, the control connection and the sequence numbers, for data a reserved word and the session. Over IP the session
 * comes first, and session 0 announces a control message with the same header behind it. What stands behind the session of
 * a data message (cookie, sublayer, payload) only the session's own agreement tells: see `l2tpv3-data.ts`.
 *
 * `decodeUdp` and `decodeIp` are on the path of every packet: they write integers and booleans into the view and allocate
 * nothing. After null the view is also the window in which an `AvpCursor` finds the AVPs.
 */
import { NO_BYTES, u16, u32 } from '../base/bytes.ts'

const FLAG_CONTROL = 0x8000
const FLAG_LENGTH = 0x4000
const FLAG_SEQUENCE = 0x0800
const CONTROL_FLAGS_REQUIRED = FLAG_CONTROL | FLAG_LENGTH | FLAG_SEQUENCE
const VERSION_BITS = 0x000f
const CONTROL_RESERVED_BITS = 0x37f0
const DATA_RESERVED_BITS = 0x7ff0
const CONTROL_HEADER_LENGTH = 12
const DATA_HEADER_LENGTH = 8
const SESSION_ID_LENGTH = 4
const VERSION = 3

/**
 * Why a message cannot be read.
 * `l2tpv3.truncated`: the datagram ends inside the header.
 * `l2tpv3.version`: the version is not 3.
 * `l2tpv3.length`: Length is longer than the datagram, or shorter than the header that it counts.
 * `l2tpv3.control_flags`: a control message without T, L or S (RFC 3931 section 3.2.1 fixes all three).
 */
export type L2tpV3Flaw = 'l2tpv3.truncated' | 'l2tpv3.version' | 'l2tpv3.length' | 'l2tpv3.control_flags'

/** A reserved bit is set, or the reserved word of a data message is not zero; a receiver ignores both. */
export const V3_ODD_RESERVED_BITS = 1
/** The datagram goes on after the end that Length states. */
export const V3_ODD_TRAILING_BYTES = 2
/** The capture, not the sender, cut the message. */
export const V3_ODD_SNAPPED = 4
/** A data message over UDP for session 0, which stands for control and can be nobody's session. */
export const V3_ODD_SESSION_ZERO = 8

/** The names of the bits in `L2tpV3View.oddities`. */
export const L2TPV3_ODDITIES = {
  [V3_ODD_RESERVED_BITS]: 'l2tpv3.reserved_bits',
  [V3_ODD_TRAILING_BYTES]: 'l2tpv3.trailing_bytes',
  [V3_ODD_SNAPPED]: 'l2tpv3.snapped',
  [V3_ODD_SESSION_ZERO]: 'l2tpv3.session_zero',
} as const
export type L2tpV3Oddity = (typeof L2TPV3_ODDITIES)[keyof typeof L2TPV3_ODDITIES]

/** The oddities in words. */
export function v3OddityNames(oddities: number): L2tpV3Oddity[] {
  const names: L2tpV3Oddity[] = []
  for (const [bit, name] of Object.entries(L2TPV3_ODDITIES)) if (oddities & Number(bit)) names.push(name)
  return names
}

/**
 * A reusable window on one message.
 *
 * After null every field is valid. After a flaw: `flags` is what was read (0 if not even that was there), `isControl` and
 * the bits agree with it, the ids and numbers are as stated if they were there, else 0, and all windows are empty.
 */
export class L2tpV3View {
  bytes: Uint8Array = NO_BYTES
  /** Without UDP: IP protocol 115. */
  isOverIp = false
  /** The first 16 bits of the header: T, L, S, reserved bits and version; of a data message over IP, which has none, 0. */
  flags = 0
  isControl = false
  hasLength = false
  hasSequence = false
  /** The Length field as given, counted from the first bit of the flags; 0 for data, which has none. */
  length = 0
  /** Of control messages: the number that the receiver assigned to the control connection; 0 before it did. */
  controlConnectionId = 0
  ns = 0
  nr = 0
  /** Of data messages: the number that the receiver assigned to the session. */
  sessionId = 0
  /** The 16 bits that a data message over UDP keeps free. */
  reserved = 0
  /** Where the control header begins, behind the zero session of IP: what Length counts from and the digest covers. */
  messageStart = 0
  /** Behind the header: AVPs, or the cookie of a data message. */
  payloadStart = 0
  /** The end of the payload within the captured bytes. */
  payloadEnd = 0
  /** The end of the message on the wire; past `payloadEnd` only in a snapped message. */
  messageEnd = 0
  /** Bits of `L2TPV3_ODDITIES`. */
  oddities = 0

  /** Reads the payload of a UDP datagram that on the wire went on to `wireEnd`. */
  decodeUdp(bytes: Uint8Array, start: number, end: number, wireEnd: number = end): L2tpV3Flaw | null {
    this.#begin(bytes, start, end, false)
    if (end - start < 2) return this.#refuse('l2tpv3.truncated', end, wireEnd)
    this.#setFlags(u16(bytes, start))
    if ((this.flags & VERSION_BITS) !== VERSION) return this.#refuse('l2tpv3.version', end, wireEnd)
    if (this.isControl) return this.#control(start, end, wireEnd)
    if (end - start < DATA_HEADER_LENGTH) return this.#refuse('l2tpv3.truncated', end, wireEnd)
    this.reserved = u16(bytes, start + 2)
    this.sessionId = u32(bytes, start + 4)
    if ((this.flags & DATA_RESERVED_BITS) !== 0 || this.reserved !== 0) this.oddities |= V3_ODD_RESERVED_BITS
    if (this.sessionId === 0) this.oddities |= V3_ODD_SESSION_ZERO
    return this.#accept(start + DATA_HEADER_LENGTH, end, wireEnd)
  }

  /** Reads the payload of an IP packet of protocol 115 that on the wire went on to `wireEnd`. */
  decodeIp(bytes: Uint8Array, start: number, end: number, wireEnd: number = end): L2tpV3Flaw | null {
    this.#begin(bytes, start, end, true)
    if (end - start < SESSION_ID_LENGTH) return this.#refuse('l2tpv3.truncated', end, wireEnd)
    this.sessionId = u32(bytes, start)
    if (this.sessionId !== 0) return this.#accept(start + SESSION_ID_LENGTH, end, wireEnd)
    const at = start + SESSION_ID_LENGTH
    this.messageStart = at
    this.isControl = true
    if (end - at < 2) return this.#refuse('l2tpv3.truncated', end, wireEnd)
    this.#setFlags(u16(bytes, at))
    if ((this.flags & VERSION_BITS) !== VERSION) return this.#refuse('l2tpv3.version', end, wireEnd)
    return this.#control(at, end, wireEnd)
  }

  /** The control connection under the name of what it is in version 2. */
  get tunnelId(): number {
    return this.controlConnectionId
  }

  /** A control message without AVPs only acknowledges, as in version 2. Version 3 has a message of its own for it, too. */
  get isAcknowledgement(): boolean {
    return this.isControl && this.payloadStart === this.messageEnd
  }

  #control(start: number, end: number, wireEnd: number): L2tpV3Flaw | null {
    const { bytes, flags } = this
    if ((flags & CONTROL_FLAGS_REQUIRED) !== CONTROL_FLAGS_REQUIRED) {
      return this.#refuse('l2tpv3.control_flags', end, wireEnd)
    }
    if (end - start < CONTROL_HEADER_LENGTH) return this.#refuse('l2tpv3.truncated', end, wireEnd)
    const length = u16(bytes, start + 2)
    this.length = length
    this.controlConnectionId = u32(bytes, start + 4)
    this.ns = u16(bytes, start + 8)
    this.nr = u16(bytes, start + 10)
    if ((flags & CONTROL_RESERVED_BITS) !== 0) this.oddities |= V3_ODD_RESERVED_BITS
    const messageEnd = start + length
    if (messageEnd > wireEnd || length < CONTROL_HEADER_LENGTH) return this.#refuse('l2tpv3.length', end, wireEnd)
    if (messageEnd < wireEnd) this.oddities |= V3_ODD_TRAILING_BYTES
    return this.#accept(start + CONTROL_HEADER_LENGTH, end, messageEnd)
  }

  #accept(payloadStart: number, end: number, messageEnd: number): null {
    if (messageEnd > end) this.oddities |= V3_ODD_SNAPPED
    this.payloadStart = payloadStart
    this.payloadEnd = Math.min(messageEnd, end)
    this.messageEnd = messageEnd
    return null
  }

  #begin(bytes: Uint8Array, start: number, end: number, isOverIp: boolean): void {
    this.bytes = bytes
    this.isOverIp = isOverIp
    this.#setFlags(0)
    this.length = 0
    this.controlConnectionId = 0
    this.ns = 0
    this.nr = 0
    this.sessionId = 0
    this.reserved = 0
    this.oddities = 0
    this.messageStart = start
    this.payloadStart = end
    this.payloadEnd = end
    this.messageEnd = end
  }

  #setFlags(flags: number): void {
    this.flags = flags
    this.isControl = (flags & FLAG_CONTROL) !== 0
    this.hasLength = (flags & FLAG_LENGTH) !== 0
    this.hasSequence = (flags & FLAG_SEQUENCE) !== 0
  }

  #refuse(flaw: L2tpV3Flaw, end: number, wireEnd: number): L2tpV3Flaw {
    if (wireEnd > end) this.oddities |= V3_ODD_SNAPPED
    return flaw
  }
}

/** The header as a dissection shows it. Of a refused message: what could be read. */
export function describeL2tpV3(view: L2tpV3View): Record<string, unknown> {
  const oddities = v3OddityNames(view.oddities)
  const { isControl, isOverIp } = view
  const isNumbered = isControl && view.hasSequence && view.length !== 0
  return {
    layer: 'l2tpv3',
    type: isControl ? 'control' : 'data',
    transport: isOverIp ? 'ip' : 'udp',
    ...(isControl || !isOverIp ? { flags: view.flags, version: view.flags & VERSION_BITS } : {}),
    ...(isControl && view.hasLength ? { length: view.length } : {}),
    ...(isNumbered ? { controlConnectionId: view.controlConnectionId, ns: view.ns, nr: view.nr } : {}),
    ...(isControl ? {} : { sessionId: view.sessionId }),
    ...(oddities.length > 0 ? { findings: oddities } : {}),
  }
}
