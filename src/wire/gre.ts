/**
 * Generic Routing Encapsulation (RFC 2784, RFC 2890, source routes of RFC 1701) and the enhanced form that carries the calls
 * of PPTP (RFC 2637 section 4.1).
 */
import { hex, NO_BYTES, u16, u32 } from '../base/bytes.ts'

const FLAG_CHECKSUM = 0x8000
const FLAG_ROUTING = 0x4000
const FLAG_KEY = 0x2000
const FLAG_SEQUENCE = 0x1000
const FLAG_ACKNOWLEDGEMENT = 0x0080
const VERSION_BITS = 0x0007

export const GRE_PPP = 0x880b
/** Routes longer than this are an attack: nobody has sent any for decades. */
const ROUTES_MAX = 16

/**
 * `gre.version`: neither 0 nor 1. `gre.routing`: source routes in version 1, or routes that do not end. `gre.key`: version 1
 * without the call that it belongs to. `gre.length`: version 1 states more payload than the packet had on the wire.
 */
export type GreFlaw = 'gre.truncated' | 'gre.version' | 'gre.routing' | 'gre.key' | 'gre.length'

/** A reusable window on one GRE packet. After a flaw only `flags`, `version` and `protocol` mean anything, and the payload is empty. */
export class GreView {
  bytes: Uint8Array = NO_BYTES
  flags = 0
  /** 0, or 1 for PPTP. */
  version = 0
  /** An EtherType; 0x880b is PPP. */
  protocol = 0
  hasChecksum = false
  /** Stands there, without a meaning, where there are routes. */
  checksum = 0
  hasKey = false
  /** Version 0. */
  key = 0
  /** Version 1: octets of payload, as given. */
  payloadLength = 0
  /** Version 1: the call, by the number that the receiver of the packet gave it. */
  callId = 0
  hasSequence = false
  sequence = 0
  hasAcknowledgement = false
  acknowledgement = 0
  /** Where the source routes stand; nowhere if both are the same. */
  routesStart = 0
  routesEnd = 0
  payloadStart = 0
  /** As captured. */
  payloadEnd = 0
  /** On the wire. */
  wireEnd = 0

  /** `wireEnd` is where the packet ended on the wire; the capture may have cut it at `end`. */
  decode(bytes: Uint8Array, start: number, end: number, wireEnd: number = end): GreFlaw | null {
    const flaw = this.#read(bytes, start, end, wireEnd)
    if (flaw === null) return null
    this.payloadStart = end
    this.payloadEnd = end
    this.wireEnd = end
    return flaw
  }

  #read(bytes: Uint8Array, start: number, end: number, wireEnd: number): GreFlaw | null {
    this.bytes = bytes
    this.flags = 0
    this.version = 0
    this.protocol = 0
    if (end - start < 4) return 'gre.truncated'
    const flags = u16(bytes, start)
    this.flags = flags
    this.version = flags & VERSION_BITS
    this.protocol = u16(bytes, start + 2)
    if (this.version > 1) return 'gre.version'
    const isEnhanced = this.version === 1
    if (isEnhanced && (flags & FLAG_ROUTING) !== 0) return 'gre.routing'
    this.hasChecksum = !isEnhanced && (flags & FLAG_CHECKSUM) !== 0
    this.hasKey = (flags & FLAG_KEY) !== 0
    this.hasSequence = (flags & FLAG_SEQUENCE) !== 0
    this.hasAcknowledgement = isEnhanced && (flags & FLAG_ACKNOWLEDGEMENT) !== 0
    if (isEnhanced && !this.hasKey) return 'gre.key'
    const hasRoutes = (flags & FLAG_ROUTING) !== 0
    // Checksum and offset stand there together if either has a meaning.
    const hasOffset = this.hasChecksum || hasRoutes
    const words =
      (hasOffset ? 1 : 0) + (this.hasKey ? 1 : 0) + (this.hasSequence ? 1 : 0) + (this.hasAcknowledgement ? 1 : 0)
    if (end - start < 4 + words * 4) return 'gre.truncated'
    let at = start + (hasOffset ? 8 : 4)
    this.checksum = hasOffset ? u16(bytes, start + 4) : 0
    this.key = this.hasKey && !isEnhanced ? u32(bytes, at) : 0
    this.payloadLength = isEnhanced ? u16(bytes, at) : 0
    this.callId = isEnhanced ? u16(bytes, at + 2) : 0
    if (this.hasKey) at += 4
    this.sequence = this.hasSequence ? u32(bytes, at) : 0
    if (this.hasSequence) at += 4
    this.acknowledgement = this.hasAcknowledgement ? u32(bytes, at) : 0
    if (this.hasAcknowledgement) at += 4
    this.routesStart = at
    this.routesEnd = at
    if (hasRoutes) {
      const flaw = this.#walkRoutes(end)
      if (flaw !== null) return flaw
    }
    this.payloadStart = this.routesEnd
    // PPTP says how long the payload is; an acknowledgement alone has none.
    this.wireEnd = isEnhanced ? this.payloadStart + this.payloadLength : wireEnd
    this.payloadEnd = this.wireEnd < end ? this.wireEnd : end
    return this.wireEnd > wireEnd ? 'gre.length' : null
  }

  /** Entries of address family, offset, length and octets, until one without family and length (RFC 1701). */
  #walkRoutes(end: number): GreFlaw | null {
    for (let routes = 0; routes <= ROUTES_MAX; routes++) {
      const at = this.routesEnd
      if (end - at < 4) return 'gre.truncated'
      const length = this.bytes[at + 3]
      if (end - at < 4 + length) return 'gre.truncated'
      this.routesEnd = at + 4 + length
      if (length === 0 && u16(this.bytes, at) === 0) return null
    }
    return 'gre.routing'
  }
}

export function describeGre(gre: GreView): Record<string, unknown> {
  const { version, key, payloadLength, callId, routesStart, routesEnd } = gre
  return {
    layer: 'gre',
    flags: gre.flags,
    version,
    protocol: gre.protocol,
    ...(gre.hasChecksum || routesStart < routesEnd ? { checksum: gre.checksum } : {}),
    ...(version === 1 ? { payloadLength, callId } : {}),
    ...(gre.hasKey && version === 0 ? { key } : {}),
    ...(gre.hasSequence ? { sequence: gre.sequence } : {}),
    ...(gre.hasAcknowledgement ? { acknowledgement: gre.acknowledgement } : {}),
    ...(routesStart < routesEnd ? { routes: describeRoutes(gre) } : {}),
  }
}

interface GreRoute {
  readonly addressFamily: number
  readonly offset: number
  readonly length: number
  readonly information: string
}

function describeRoutes({ bytes, routesStart, routesEnd }: GreView): GreRoute[] {
  const routes: GreRoute[] = []
  for (let at = routesStart; at < routesEnd; at += 4 + bytes[at + 3]) {
    const length = bytes[at + 3]
    routes.push({
      addressFamily: u16(bytes, at),
      offset: bytes[at + 2],
      length,
      information: hex(bytes, at + 4, at + 4 + length),
    })
  }
  return routes
}
