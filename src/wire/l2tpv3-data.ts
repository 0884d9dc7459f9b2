/**
 * What stands behind the session of an L2TPv3 data message: the cookie, the L2-specific sublayer, the payload (RFC 3931
 * sections 4.1 and 4.6, RFC 4454 section 5.1 for ATM, RFC 5085 for the V bit).
 *
 * Nothing on the wire says how long the cookie is or whether there is a sublayer: both follow from what the receiver asked
 * for when the session was set up, or from `inferLayout`. The view is on the path of every packet and allocates nothing.
 */
import { NO_BYTES, equal, hex, u24 } from '../base/bytes.ts'
import { SUBLAYER } from './l2tpv3-avp.ts'

/** How the data messages of a session in one direction are laid out. */
export interface L2tpV3Layout {
  /** 0, 4 or 8. */
  readonly cookieLength: number
  /** A number of the registry "L2-Specific Sublayer Type". */
  readonly sublayer: number
  /** A number of the registry "L2TPv3 Pseudowire Types"; 0 if nobody said. */
  readonly pseudowireType: number
}

const SUBLAYER_LENGTH = 4
const BIT_V = 0x80
const BIT_S = 0x40
/** B and E: not both zero in the pieces of a frame (RFC 4623). */
const FRAGMENT_BITS = 0x30
const BIT_T = 0x08
const BIT_G = 0x04
const BIT_C = 0x02
const BIT_U = 0x01
const SEQUENCE_MODULUS = 0x100_0000

/** `l2tpv3.data_truncated`: the message ends inside the cookie or the sublayer that its session has. */
export type L2tpV3DataFlaw = 'l2tpv3.data_truncated'

/** A reusable window on what a data message holds behind its session. After a flaw the payload is empty. */
export class L2tpV3DataView {
  bytes: Uint8Array = NO_BYTES
  cookieStart = 0
  /** Octets of the cookie; 0 without one. */
  cookieLength = 0
  /** As the layout has it. */
  sublayer = 0
  /** The first octet of a sublayer that begins with flags; 0 without one. */
  sublayerFlags = 0
  /** The S bit: `sequence` means something. */
  hasSequence = false
  /** 24 bits. */
  sequence = 0
  /** The V bit: this is a message of connectivity verification, not of the circuit. */
  isControlChannel = false
  /** The payload is a piece of a frame. */
  isFragment = false
  payloadStart = 0
  payloadEnd = 0
  /** On the wire; past `payloadEnd` if the capture cut the message. */
  payloadWireEnd = 0

  /** `start` is behind the session. */
  decode(
    bytes: Uint8Array,
    start: number,
    end: number,
    wireEnd: number,
    cookieLength: number,
    sublayer: number,
  ): L2tpV3DataFlaw | null {
    this.bytes = bytes
    this.cookieStart = start
    this.cookieLength = cookieLength
    this.sublayer = sublayer
    this.sublayerFlags = 0
    this.hasSequence = false
    this.sequence = 0
    this.isControlChannel = false
    this.isFragment = false
    this.payloadStart = end
    this.payloadEnd = end
    this.payloadWireEnd = end
    const at = start + cookieLength
    const payloadStart = sublayer === SUBLAYER.NONE ? at : at + SUBLAYER_LENGTH
    if (payloadStart > end) return 'l2tpv3.data_truncated'
    if (sublayer !== SUBLAYER.NONE) {
      this.sublayerFlags = bytes[at]
      // MPT and PSP number with 16 bits of their own and put flow ids there: only their length is the same.
      if (sublayer === SUBLAYER.DEFAULT || sublayer === SUBLAYER.ATM) {
        this.isControlChannel = (bytes[at] & BIT_V) !== 0
        this.isFragment = (bytes[at] & FRAGMENT_BITS) !== 0
        this.hasSequence = (bytes[at] & BIT_S) !== 0
        this.sequence = u24(bytes, at + 1)
      }
    }
    this.payloadStart = payloadStart
    this.payloadEnd = end
    this.payloadWireEnd = wireEnd
    return null
  }

  /** Whether the cookie is the one that the receiver assigned. */
  hasCookie(cookie: Uint8Array): boolean {
    return cookie.length === this.cookieLength && equal(this.bytes, this.cookieStart, cookie, 0, this.cookieLength)
  }
}

/** How far a 24-bit sequence number is ahead of another: 1 is the next, 0 the same, negative an older one. */
export function sequenceStep(from: number, to: number): number {
  const ahead = (to - from + SEQUENCE_MODULUS) % SEQUENCE_MODULUS
  return ahead < SEQUENCE_MODULUS / 2 ? ahead : ahead - SEQUENCE_MODULUS
}

/** Cookie and sublayer as a dissection shows them. */
export function describeL2tpV3Data(view: L2tpV3DataView): Record<string, unknown> {
  const { bytes, cookieStart, cookieLength, sublayer, sublayerFlags } = view
  return {
    ...(cookieLength === 0 ? {} : { cookie: hex(bytes, cookieStart, cookieStart + cookieLength) }),
    ...(sublayer === SUBLAYER.DEFAULT || sublayer === SUBLAYER.ATM
      ? {
          sublayerFlags,
          hasSequence: view.hasSequence,
          sequence: view.sequence,
          ...(view.isControlChannel ? { isControlChannel: true } : {}),
          ...(view.isFragment ? { isFragment: true } : {}),
          ...(sublayer === SUBLAYER.ATM ? atmBits(sublayerFlags) : {}),
        }
      : {}),
  }
}

/** RFC 4454: transport type, congestion, loss priority, command/response. */
function atmBits(flags: number): Record<string, unknown> {
  return {
    isCell: (flags & BIT_T) !== 0,
    isCongested: (flags & BIT_G) !== 0,
    isLossPriority: (flags & BIT_C) !== 0,
    commandResponse: flags & BIT_U,
  }
}

/** Whether the payload behind an ATM sublayer is cells (administrative ones, on an AAL5 circuit) and not an AAL5 frame. */
export function isAtmCell(sublayerFlags: number): boolean {
  return (sublayerFlags & BIT_T) !== 0
}
