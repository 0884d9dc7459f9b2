/**
 * Generic Routing Encapsulation (RFC 2784, RFC 2890) and the enhanced form that carries PPP in PPTP (RFC 2637 section 4.1).
 */
import { u16, u32 } from '../base/bytes.ts'

const FLAG_CHECKSUM = 0x8000
const FLAG_ROUTING = 0x4000
const FLAG_KEY = 0x2000
const FLAG_SEQUENCE = 0x1000
const FLAG_ACKNOWLEDGEMENT = 0x0080
const VERSION_BITS = 0x0007

/** `gre.version`: neither 0 nor 1. `gre.routing`: source routes, which RFC 2784 took away and nobody sends. */
export type GreFlaw = 'gre.truncated' | 'gre.version' | 'gre.routing'

/** A reusable window on one GRE packet. After a flaw only `flags` and `protocol` mean anything, and the payload is empty. */
export class GreView {
  flags = 0
  /** 0, or 1 for PPTP. */
  version = 0
  /** An EtherType; 0x880b is PPP. */
  protocol = 0
  hasKey = false
  /** In version 1 the length of the payload and the call id, 16 bits each. */
  key = 0
  hasSequence = false
  sequence = 0
  hasAcknowledgement = false
  acknowledgement = 0
  payloadStart = 0
  payloadEnd = 0

  decode(bytes: Uint8Array, start: number, end: number): GreFlaw | null {
    this.payloadStart = end
    this.payloadEnd = end
    this.flags = 0
    this.protocol = 0
    if (end - start < 4) return 'gre.truncated'
    const flags = u16(bytes, start)
    this.flags = flags
    this.version = flags & VERSION_BITS
    this.protocol = u16(bytes, start + 2)
    if (this.version > 1) return 'gre.version'
    if ((flags & FLAG_ROUTING) !== 0) return 'gre.routing'
    const hasChecksum = this.version === 0 && (flags & FLAG_CHECKSUM) !== 0
    this.hasKey = (flags & FLAG_KEY) !== 0
    this.hasSequence = (flags & FLAG_SEQUENCE) !== 0
    this.hasAcknowledgement = this.version === 1 && (flags & FLAG_ACKNOWLEDGEMENT) !== 0
    const words =
      (hasChecksum ? 1 : 0) + (this.hasKey ? 1 : 0) + (this.hasSequence ? 1 : 0) + (this.hasAcknowledgement ? 1 : 0)
    if (end - start < 4 + words * 4) return 'gre.truncated'
    let at = start + (hasChecksum ? 8 : 4)
    this.key = this.hasKey ? u32(bytes, at) : 0
    if (this.hasKey) at += 4
    this.sequence = this.hasSequence ? u32(bytes, at) : 0
    if (this.hasSequence) at += 4
    this.acknowledgement = this.hasAcknowledgement ? u32(bytes, at) : 0
    if (this.hasAcknowledgement) at += 4
    this.payloadStart = at
    // PPTP says how long the payload is; an acknowledgement alone has none.
    const stated = this.version === 1 && this.hasKey ? at + (this.key >>> 16) : end
    this.payloadEnd = stated < end ? stated : end
    return null
  }
}

export const GRE_PPP = 0x880b

export function describeGre(gre: GreView): Record<string, unknown> {
  const { version, key } = gre
  return {
    layer: 'gre',
    flags: gre.flags,
    version,
    protocol: gre.protocol,
    ...(gre.hasKey && version === 1 ? { payloadLength: key >>> 16, callId: key & 0xffff } : {}),
    ...(gre.hasKey && version === 0 ? { key } : {}),
    ...(gre.hasSequence ? { sequence: gre.sequence } : {}),
    ...(gre.hasAcknowledgement ? { acknowledgement: gre.acknowledgement } : {}),
  }
}
