/**
 * The L2TP version 2 message header (RFC 2661 section 3.1), control and data, and what else is heard on its port.
 *
 * The view reads every legal form of the header: Length, sequence numbers, offset and priority each present or absent.
 * `decode` is on the path of every packet: it writes integers and booleans into the view and allocates nothing.
 * What the sender did wrong is a flaw; what is only odd, and stops no receiver, is a bit in `oddities`.
 */
import { NO_BYTES, u16 } from '../base/bytes.ts'

/** The UDP port of L2TP (and of L2F before it). */
export const L2TP_PORT = 1701

const FLAG_CONTROL = 0x8000
const FLAG_LENGTH = 0x4000
const FLAG_SEQUENCE = 0x0800
const FLAG_OFFSET = 0x0200
const FLAG_PRIORITY = 0x0100
const VERSION_BITS = 0x000f
const RESERVED_BITS = 0x34f0
const CONTROL_FLAGS = FLAG_CONTROL | FLAG_LENGTH | FLAG_SEQUENCE | FLAG_OFFSET | FLAG_PRIORITY
const CONTROL_FLAGS_REQUIRED = FLAG_CONTROL | FLAG_LENGTH | FLAG_SEQUENCE

/** The header without any optional field: flags, Tunnel ID, Session ID. */
const HEADER_LENGTH_MIN = 6

/**
 * Why a message cannot be read.
 * `l2tp.truncated`: the datagram ends inside the header.
 * `l2tp.version`: the version is not 2.
 * `l2tp.length`: Length is longer than the datagram, or shorter than the header that it counts.
 * `l2tp.control_flags`: a control message without L or S, or with O or P (RFC 2661 section 3.1 fixes all four).
 * `l2tp.offset`: the offset padding reaches past the end of the message.
 */
export type L2tpFlaw = 'l2tp.truncated' | 'l2tp.version' | 'l2tp.length' | 'l2tp.control_flags' | 'l2tp.offset'

/** A reserved bit of the flags is set; a receiver ignores it. */
export const ODD_RESERVED_BITS = 1
/** The datagram goes on after the end that Length states. */
export const ODD_TRAILING_BYTES = 2
/** The capture, not the sender, cut the message: the payload ends where the capture does. */
export const ODD_SNAPPED = 4

/** The names of the bits in `L2tpView.oddities`. */
export const L2TP_ODDITIES = {
  [ODD_RESERVED_BITS]: 'l2tp.reserved_bits',
  [ODD_TRAILING_BYTES]: 'l2tp.trailing_bytes',
  [ODD_SNAPPED]: 'l2tp.snapped',
} as const
export type L2tpOddity = (typeof L2TP_ODDITIES)[keyof typeof L2TP_ODDITIES]

/** The oddities in words. */
export function oddityNames(oddities: number): L2tpOddity[] {
  const names: L2tpOddity[] = []
  if (oddities & ODD_RESERVED_BITS) names.push(L2TP_ODDITIES[ODD_RESERVED_BITS])
  if (oddities & ODD_TRAILING_BYTES) names.push(L2TP_ODDITIES[ODD_TRAILING_BYTES])
  if (oddities & ODD_SNAPPED) names.push(L2TP_ODDITIES[ODD_SNAPPED])
  return names
}

/**
 * A reusable window on one message.
 *
 * After null every field is valid. After a flaw the fields are partial, for the finding: `flags` is what was read (0 if
 * not even that was there), the fields derived from it agree with it, `tunnelId` and `sessionId` are valid if
 * `isAddressed`, `length`, `ns`, `nr` and `offsetSize` are as stated if they were there, else 0, and all windows are empty.
 */
export class L2tpView {
  bytes: Uint8Array = NO_BYTES
  /** The first 16 bits: T, L, S, O, P, reserved bits and version. */
  flags = 0
  isControl = false
  hasLength = false
  hasSequence = false
  hasOffset = false
  isPriority = false
  /** Whether `tunnelId` and `sessionId` were in the window. Always true after null. */
  isAddressed = false
  /** The Length field as given, counted from the first bit of the flags; 0 when absent. */
  length = 0
  tunnelId = 0
  sessionId = 0
  ns = 0
  nr = 0
  /** The Offset Size field as given: octets of padding between header and payload; 0 when absent. */
  offsetSize = 0
  payloadStart = 0
  /** The end of the payload within the captured bytes. */
  payloadEnd = 0
  /** The end of the message on the wire; past `payloadEnd` only in a snapped message. */
  messageEnd = 0
  /** Bits of `L2TP_ODDITIES`. */
  oddities = 0

  /**
   * Reads the header between `start` and `end`, the captured part of a datagram that on the wire went on to `wireEnd`.
   * A length is compared with the wire, so a capture cut short is never taken for a lie of the sender.
   */
  decode(bytes: Uint8Array, start: number, end: number, wireEnd: number = end): L2tpFlaw | null {
    if (end - start < HEADER_LENGTH_MIN) return this.#refuse('l2tp.truncated', bytes, start, end, wireEnd)
    const flags = u16(bytes, start)
    if ((flags & VERSION_BITS) !== 2) return this.#refuse('l2tp.version', bytes, start, end, wireEnd)

    const isControl = (flags & FLAG_CONTROL) !== 0
    if (isControl && (flags & CONTROL_FLAGS) !== CONTROL_FLAGS_REQUIRED) {
      return this.#refuse('l2tp.control_flags', bytes, start, end, wireEnd)
    }
    const headerLength = headerLengthOf(flags)
    if (end - start < headerLength) return this.#refuse('l2tp.truncated', bytes, start, end, wireEnd)

    let at = start + 2
    let length = 0
    let messageEnd = wireEnd
    let oddities = (flags & RESERVED_BITS) === 0 ? 0 : ODD_RESERVED_BITS
    if (flags & FLAG_LENGTH) {
      length = u16(bytes, at)
      messageEnd = start + length
      if (messageEnd > wireEnd || length < headerLength) {
        return this.#refuse('l2tp.length', bytes, start, end, wireEnd)
      }
      if (messageEnd < wireEnd) oddities |= ODD_TRAILING_BYTES
      at += 2
    }
    const idsAt = at
    at += 4
    let ns = 0
    let nr = 0
    if (flags & FLAG_SEQUENCE) {
      ns = u16(bytes, at)
      nr = u16(bytes, at + 2)
      at += 4
    }
    let offsetSize = 0
    if (flags & FLAG_OFFSET) {
      offsetSize = u16(bytes, at)
      at += 2 + offsetSize
      if (at > messageEnd) return this.#refuse('l2tp.offset', bytes, start, end, wireEnd)
    }
    let payloadEnd = messageEnd
    if (messageEnd > end) {
      oddities |= ODD_SNAPPED
      payloadEnd = end
      if (at > end) at = end
    }
    this.bytes = bytes
    this.#setFlags(flags)
    this.isAddressed = true
    this.length = length
    this.tunnelId = u16(bytes, idsAt)
    this.sessionId = u16(bytes, idsAt + 2)
    this.ns = ns
    this.nr = nr
    this.offsetSize = offsetSize
    this.payloadStart = at
    this.payloadEnd = payloadEnd
    this.messageEnd = messageEnd
    this.oddities = oddities
    return null
  }

  /** A control message without AVPs only acknowledges: a Zero-Length Body message (RFC 2661 section 5.8). */
  get isAcknowledgement(): boolean {
    return this.isControl && this.payloadStart === this.messageEnd
  }

  /** Leaves what can be read of a refused message in the view, and its windows empty. */
  #refuse(flaw: L2tpFlaw, bytes: Uint8Array, start: number, end: number, wireEnd: number): L2tpFlaw {
    const flags = end - start < 2 ? 0 : u16(bytes, start)
    const idsAt = start + (flags & FLAG_LENGTH ? 4 : 2)
    const isAddressed = (flags & VERSION_BITS) === 2 && end - idsAt >= 4
    this.bytes = bytes
    this.#setFlags(flags)
    this.isAddressed = isAddressed
    this.length = this.hasLength && end - start >= 4 ? u16(bytes, start + 2) : 0
    this.tunnelId = isAddressed ? u16(bytes, idsAt) : 0
    this.sessionId = isAddressed ? u16(bytes, idsAt + 2) : 0
    const sequenceAt = idsAt + 4
    const isSequenced = isAddressed && this.hasSequence && end - sequenceAt >= 4
    this.ns = isSequenced ? u16(bytes, sequenceAt) : 0
    this.nr = isSequenced ? u16(bytes, sequenceAt + 2) : 0
    const offsetAt = sequenceAt + (this.hasSequence ? 4 : 0)
    this.offsetSize = isAddressed && this.hasOffset && end - offsetAt >= 2 ? u16(bytes, offsetAt) : 0
    this.payloadStart = end
    this.payloadEnd = end
    this.messageEnd = end
    this.oddities = (flags & RESERVED_BITS ? ODD_RESERVED_BITS : 0) | (wireEnd > end ? ODD_SNAPPED : 0)
    return flaw
  }

  #setFlags(flags: number): void {
    this.flags = flags
    this.isControl = (flags & FLAG_CONTROL) !== 0
    this.hasLength = (flags & FLAG_LENGTH) !== 0
    this.hasSequence = (flags & FLAG_SEQUENCE) !== 0
    this.hasOffset = (flags & FLAG_OFFSET) !== 0
    this.isPriority = (flags & FLAG_PRIORITY) !== 0
  }
}

function headerLengthOf(flags: number): number {
  return (
    HEADER_LENGTH_MIN + (flags & FLAG_LENGTH ? 2 : 0) + (flags & FLAG_SEQUENCE ? 4 : 0) + (flags & FLAG_OFFSET ? 2 : 0)
  )
}

/**
 * Which protocol a datagram on port 1701 speaks: 1 L2F, 2 L2TPv2, 3 L2TPv3 (control and data), 0 none of them.
 *
 * All three keep the version in the lowest bits of the first word. L2F has only three bits for it, and its checksum
 * flag is the fourth (RFC 2341 section 4.1): 9 is L2F too, if the eight bits before it are clear as L2F wants them.
 */
export function l2tpVersion(bytes: Uint8Array, start: number, end: number): 0 | 1 | 2 | 3 {
  if (end - start < 2) return 0
  const flags = u16(bytes, start)
  const version = flags & VERSION_BITS
  if (version === 2 || version === 3 || version === 1) return version
  return (flags & 0x0fff) === 9 ? 1 : 0
}

/**
 * Message types: RFC 2661 section 3.2, modem status of RFC 3573, PPPoE relay of RFC 3817, the explicit acknowledgement
 * of RFC 3931, failover of RFC 4951, multicast of RFC 4045 and connect speed of RFC 5515.
 */
export const L2TP_MESSAGES = {
  1: 'SCCRQ',
  2: 'SCCRP',
  3: 'SCCCN',
  4: 'StopCCN',
  6: 'HELLO',
  7: 'OCRQ',
  8: 'OCRP',
  9: 'OCCN',
  10: 'ICRQ',
  11: 'ICRP',
  12: 'ICCN',
  14: 'CDN',
  15: 'WEN',
  16: 'SLI',
  17: 'MDMST',
  18: 'SRRQ',
  19: 'SRRP',
  20: 'ACK',
  21: 'FSQ',
  22: 'FSR',
  23: 'MSRQ',
  24: 'MSRP',
  25: 'MSE',
  26: 'MSI',
  27: 'MSEN',
  28: 'CSUN',
  29: 'CSURQ',
} as const
export type L2tpMessage = (typeof L2TP_MESSAGES)[keyof typeof L2TP_MESSAGES]

/** The name of a message type; what no document assigns is 'unknown'. */
export function messageName(messageType: number): L2tpMessage | 'unknown' {
  const names: Readonly<Record<number, L2tpMessage>> = L2TP_MESSAGES
  return names[messageType] ?? 'unknown'
}

/** The header as a dissection shows it. Of a refused message: what `decode` could read. */
export function describeL2tp(view: L2tpView): Record<string, unknown> {
  const oddities = oddityNames(view.oddities)
  return {
    layer: 'l2tp',
    type: view.isControl ? 'control' : 'data',
    flags: view.flags,
    version: view.flags & VERSION_BITS,
    ...(view.hasLength ? { length: view.length } : {}),
    ...(view.isAddressed ? { tunnelId: view.tunnelId, sessionId: view.sessionId } : {}),
    ...(view.hasSequence ? { ns: view.ns, nr: view.nr } : {}),
    ...(view.hasOffset ? { offsetSize: view.offsetSize } : {}),
    isPriority: view.isPriority,
    ...(oddities.length > 0 ? { findings: oddities } : {}),
  }
}
