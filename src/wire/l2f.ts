/**
 * Layer Two Forwarding (RFC 2341), the ancestor of L2TP on the same port: enough to recognise and name it.
 *
 * The header is read in the 32-bit rows of RFC 2341 section 4.1: the sequence octet keeps its place when the S bit
 * says that it means nothing; Offset and Key are there only when their bit is set.
 */
import { NO_BYTES, u16, u32 } from '../base/bytes.ts'

const FLAG_OFFSET = 0x8000
const FLAG_KEY = 0x4000
const FLAG_PRIORITY = 0x2000
const FLAG_SEQUENCE = 0x1000
const FLAG_CHECKSUM = 0x0008
const VERSION_BITS = 0x0007
const HEADER_LENGTH_MIN = 10
const CHECKSUM_LENGTH = 2

/**
 * `l2f.truncated`: the datagram ends inside the header, or before the checksum that the C bit promises.
 * `l2f.version`: the version is not 1.
 * `l2f.length`: Length is longer than the datagram, or shorter than the header that it counts.
 * `l2f.offset`: the payload would begin past the end of the message.
 */
export type L2fFlaw = 'l2f.truncated' | 'l2f.version' | 'l2f.length' | 'l2f.offset'

/** What an L2F packet carries (RFC 2341 section 4.2.3). */
export const L2F_PROTOCOLS = { 1: 'management', 2: 'PPP', 3: 'SLIP' } as const
export type L2fProtocol = (typeof L2F_PROTOCOLS)[keyof typeof L2F_PROTOCOLS]

/** The first octet of a management payload (RFC 2341 section 4.4). */
export const L2F_MESSAGES = { 1: 'L2F_CONF', 2: 'L2F_OPEN', 3: 'L2F_CLOSE', 4: 'L2F_ECHO', 5: 'L2F_ECHO_RESP' } as const
export type L2fMessage = (typeof L2F_MESSAGES)[keyof typeof L2F_MESSAGES]

/** A reusable window on one L2F packet. After a flaw only `flags` means anything, and the payload is empty. */
export class L2fView {
  bytes: Uint8Array = NO_BYTES
  flags = 0
  protocol = 0
  /** Meaningful only with `hasSequence`. */
  sequence = 0
  /** Multiplex ID: the connection within the tunnel; 0 for management. */
  mid = 0
  /** Client ID: the tunnel, by the number that the receiver assigned. */
  clid = 0
  /** The whole packet without the checksum, as given. */
  length = 0
  /** Octets between the header and the payload; 0 when absent. */
  offset = 0
  key = 0
  hasSequence = false
  hasKey = false
  hasChecksum = false
  isPriority = false
  payloadStart = 0
  payloadEnd = 0

  /** `wireEnd` is where the datagram ended on the wire; the capture may have cut it at `end`. */
  decode(bytes: Uint8Array, start: number, end: number, wireEnd: number = end): L2fFlaw | null {
    this.bytes = bytes
    this.flags = end - start < 2 ? 0 : u16(bytes, start)
    this.payloadStart = end
    this.payloadEnd = end
    if (end - start < HEADER_LENGTH_MIN) return 'l2f.truncated'
    const { flags } = this
    if ((flags & VERSION_BITS) !== 1) return 'l2f.version'
    this.hasSequence = (flags & FLAG_SEQUENCE) !== 0
    this.hasKey = (flags & FLAG_KEY) !== 0
    this.hasChecksum = (flags & FLAG_CHECKSUM) !== 0
    this.isPriority = (flags & FLAG_PRIORITY) !== 0

    const hasOffset = (flags & FLAG_OFFSET) !== 0
    const headerLength = HEADER_LENGTH_MIN + (hasOffset ? 2 : 0) + (this.hasKey ? 4 : 0)
    if (end - start < headerLength) return 'l2f.truncated'
    this.protocol = bytes[start + 2]
    this.sequence = bytes[start + 3]
    this.mid = u16(bytes, start + 4)
    this.clid = u16(bytes, start + 6)
    this.length = u16(bytes, start + 8)
    this.offset = hasOffset ? u16(bytes, start + 10) : 0
    this.key = this.hasKey ? u32(bytes, start + headerLength - 4) : 0

    const messageEnd = start + this.length
    if (this.length < headerLength || messageEnd > wireEnd) return 'l2f.length'
    if (this.hasChecksum && messageEnd + CHECKSUM_LENGTH > wireEnd) return 'l2f.truncated'
    const payloadStart = start + headerLength + this.offset
    if (payloadStart > messageEnd) return 'l2f.offset'
    this.payloadStart = Math.min(payloadStart, end)
    this.payloadEnd = Math.min(messageEnd, end)
    return null
  }
}

export interface L2fDescription {
  readonly protocol: L2fProtocol | 'unknown'
  /** For management packets: which message. */
  readonly message?: L2fMessage | 'unknown'
  readonly mid: number
  readonly clid: number
  readonly length: number
  readonly offset: number
  readonly sequence?: number
  readonly isPriority: boolean
  readonly hasKey: boolean
  readonly hasChecksum: boolean
}

/** Copies what an event reports of a packet that `decode` accepted. The key authenticates the tunnel: it stays unshown. */
export function describeL2f(packet: L2fView): L2fDescription {
  const protocols: Readonly<Record<number, L2fProtocol>> = L2F_PROTOCOLS
  const messages: Readonly<Record<number, L2fMessage>> = L2F_MESSAGES
  const { bytes, payloadStart, payloadEnd, protocol } = packet
  const isManagement = protocol === 1 && payloadStart < payloadEnd
  return {
    protocol: protocols[protocol] ?? 'unknown',
    ...(isManagement ? { message: messages[bytes[payloadStart]] ?? 'unknown' } : {}),
    mid: packet.mid,
    clid: packet.clid,
    length: packet.length,
    offset: packet.offset,
    ...(packet.hasSequence ? { sequence: packet.sequence } : {}),
    isPriority: packet.isPriority,
    hasKey: packet.hasKey,
    hasChecksum: packet.hasChecksum,
  }
}
