/**
 * IPv4 (RFC 791) with options, and IPv6 (RFC 8200) with its extension headers, as one view: the sensor asks both the same
 * questions.
 *
 * A capture may be cut by the snap length: then `payloadEnd` is where the captured bytes end, and `wireEnd` is where the
 * packet ended on the wire.
 */
import { addressText } from '../base/address.ts'
import { hex, NO_BYTES, u16, u32 } from '../base/bytes.ts'

export const IP_PROTOCOL = {
  ICMP: 1,
  IPIP: 4,
  TCP: 6,
  UDP: 17,
  IPV6: 41,
  GRE: 47,
  ESP: 50,
  AH: 51,
  ICMPV6: 58,
  L2TP: 115,
} as const

/** Names for describing; the packet path uses numbers. */
export const IP_PROTOCOL_NAMES: Readonly<Record<number, string>> = {
  0: 'hopopt',
  1: 'icmp',
  2: 'igmp',
  4: 'ipip',
  6: 'tcp',
  17: 'udp',
  41: 'ipv6',
  43: 'ipv6-route',
  44: 'ipv6-frag',
  46: 'rsvp',
  47: 'gre',
  50: 'esp',
  51: 'ah',
  58: 'ipv6-icmp',
  59: 'ipv6-nonxt',
  60: 'ipv6-opts',
  88: 'eigrp',
  89: 'ospf',
  103: 'pim',
  108: 'ipcomp',
  112: 'vrrp',
  115: 'l2tp',
  132: 'sctp',
  135: 'mobility',
  136: 'udplite',
  137: 'mpls-in-ip',
}

export type IpFlaw =
  | 'ip.truncated'
  | 'ip.version'
  | 'ip.header_length'
  | 'ip.total_length'
  | 'ip.extension_length'
  | 'ip.extension_chain'

const HOP_BY_HOP = 0
const ROUTING = 43
const FRAGMENT = 44
const DESTINATION = 60
const MOBILITY = 135
const HIP = 139
const SHIM6 = 140
/** Version 4, five words of header. */
const IPV4_WITHOUT_OPTIONS = 0x45
/** RFC 8200 asks for each extension header at most once, one of them twice; some slack for the odd, no more. */
const EXTENSIONS_MAX = 10

/** Whether an IPv6 packet may go on with this header before the upper layer. */
export function isIpv6Extension(protocol: number): boolean {
  switch (protocol) {
    case HOP_BY_HOP:
    case ROUTING:
    case FRAGMENT:
    case DESTINATION:
    case MOBILITY:
    case HIP:
    case SHIM6:
      return true
    default:
      return false
  }
}

export class IpView {
  bytes = NO_BYTES
  /** 4 or 6. */
  version = 0
  headerStart = 0
  sourceAt = 0
  destinationAt = 0
  /** 4 or 16 bytes. */
  addressLength = 0
  /** The upper-layer protocol, after the extension headers; of an IPv6 fragment, what its header names. */
  protocol = 0
  ttl = 0
  /** Identification: 16 bits of IPv4, 32 of an IPv6 fragment header. */
  id = 0
  isFragment = false
  /** Bytes. */
  fragmentOffset = 0
  moreFragments = false
  /** IPv6: where the fragment header stands (its next-header field closes the unfragmentable part); 0 without one. */
  fragmentHeaderAt = 0
  payloadStart = 0
  payloadEnd = 0
  wireEnd = 0

  /** After a flaw nothing is known of the packet but its version: `addressLength` is 0 and the windows are empty. */
  decode(bytes: Uint8Array, start: number, end: number): IpFlaw | null {
    this.bytes = bytes
    this.headerStart = start
    this.fragmentHeaderAt = 0
    const flaw = this.#read(bytes, start, end)
    if (flaw !== null) this.#empty(start)
    return flaw
  }

  /** The same with a view of those bytes: what nearly all packets begin with, IPv4 without options, is read by words. */
  decodeWords(bytes: Uint8Array, view: DataView, start: number, end: number): IpFlaw | null {
    if (end - start < 20) return this.decode(bytes, start, end)
    const first = view.getInt32(start)
    const totalLength = first & 0xffff
    if (first >>> 24 !== IPV4_WITHOUT_OPTIONS || totalLength < 20) return this.decode(bytes, start, end)
    const identity = view.getInt32(start + 4)
    const upper = view.getUint16(start + 8)
    const wireEnd = start + totalLength
    this.bytes = bytes
    this.version = 4
    this.headerStart = start
    this.fragmentHeaderAt = 0
    this.id = identity >>> 16
    this.moreFragments = (identity & 0x2000) !== 0
    this.fragmentOffset = (identity & 0x1fff) * 8
    this.isFragment = (identity & 0x3fff) !== 0
    this.ttl = upper >>> 8
    this.protocol = upper & 0xff
    this.sourceAt = start + 12
    this.destinationAt = start + 16
    this.addressLength = 4
    this.payloadStart = start + 20
    this.payloadEnd = wireEnd < end ? wireEnd : end
    this.wireEnd = wireEnd
    return null
  }

  #read(bytes: Uint8Array, start: number, end: number): IpFlaw | null {
    this.version = 0
    if (end - start < 1) return 'ip.truncated'
    const version = bytes[start] >> 4
    this.version = version
    if (version === 4) return this.#decode4(bytes, start, end)
    if (version === 6) return this.#decode6(bytes, start, end)
    return 'ip.version'
  }

  #empty(start: number): void {
    this.sourceAt = start
    this.destinationAt = start
    this.addressLength = 0
    this.protocol = 0
    this.ttl = 0
    this.id = 0
    this.isFragment = false
    this.fragmentOffset = 0
    this.moreFragments = false
    this.fragmentHeaderAt = 0
    this.payloadStart = start
    this.payloadEnd = start
    this.wireEnd = start
  }

  /** Captured bytes end before the packet did. */
  get isSnapped(): boolean {
    return this.payloadEnd < this.wireEnd
  }

  #decode4(bytes: Uint8Array, start: number, end: number): IpFlaw | null {
    if (end - start < 20) return 'ip.truncated'
    const headerLength = (bytes[start] & 0x0f) * 4
    if (headerLength < 20) return 'ip.header_length'
    if (end - start < headerLength) return 'ip.truncated'
    const totalLength = u16(bytes, start + 2)
    // Zero is what segmentation offload leaves in packets captured on the sending host.
    const wireEnd = totalLength === 0 ? end : start + totalLength
    if (wireEnd < start + headerLength) return 'ip.total_length'
    const fragment = u16(bytes, start + 6)
    this.id = u16(bytes, start + 4)
    this.moreFragments = (fragment & 0x2000) !== 0
    this.fragmentOffset = (fragment & 0x1fff) * 8
    this.isFragment = (fragment & 0x3fff) !== 0
    this.ttl = bytes[start + 8]
    this.protocol = bytes[start + 9]
    this.sourceAt = start + 12
    this.destinationAt = start + 16
    this.addressLength = 4
    this.payloadStart = start + headerLength
    this.payloadEnd = wireEnd < end ? wireEnd : end
    this.wireEnd = wireEnd
    return null
  }

  #decode6(bytes: Uint8Array, start: number, end: number): IpFlaw | null {
    if (end - start < 40) return 'ip.truncated'
    const payloadLength = u16(bytes, start + 4)
    // Zero: a jumbogram (RFC 2675) or segmentation offload.
    const wireEnd = payloadLength === 0 ? end : start + 40 + payloadLength
    const captured = wireEnd < end ? wireEnd : end
    this.ttl = bytes[start + 7]
    this.sourceAt = start + 8
    this.destinationAt = start + 24
    this.addressLength = 16
    this.id = 0
    this.isFragment = false
    this.moreFragments = false
    this.fragmentOffset = 0
    this.payloadEnd = captured
    this.wireEnd = wireEnd
    let next = bytes[start + 6]
    let at = start + 40
    for (let i = 0; i <= EXTENSIONS_MAX; i++) {
      let length: number
      switch (next) {
        case HOP_BY_HOP:
        case ROUTING:
        case DESTINATION:
        case MOBILITY:
        case HIP:
        case SHIM6:
          if (captured - at < 8) return 'ip.truncated'
          length = (bytes[at + 1] + 1) * 8
          break
        case FRAGMENT: {
          if (captured - at < 8) return 'ip.truncated'
          length = 8
          const fragment = u16(bytes, at + 2)
          this.fragmentHeaderAt = at
          this.fragmentOffset = fragment & 0xfff8
          this.moreFragments = (fragment & 1) === 1
          this.id = u32(bytes, at + 4)
          // An atomic fragment (RFC 6946) is a whole packet.
          this.isFragment = this.moreFragments || this.fragmentOffset !== 0
          break
        }
        default:
          this.protocol = next
          this.payloadStart = at
          return null
      }
      if (at + length > captured) return at + length > wireEnd ? 'ip.extension_length' : 'ip.truncated'
      next = bytes[at]
      at += length
      if (this.isFragment) {
        // What follows belongs to the packet that reassembly gives, its further extension headers too: offsets count from here.
        this.protocol = next
        this.payloadStart = at
        return null
      }
    }
    return 'ip.extension_chain'
  }
}

/** The fields of the header(s), for the dissection of a packet. */
export function describeIp(ip: IpView): Record<string, unknown> {
  const { bytes, headerStart: at } = ip
  const addresses = {
    source: addressText(bytes, ip.sourceAt, ip.addressLength),
    destination: addressText(bytes, ip.destinationAt, ip.addressLength),
  }
  const upper = { protocol: ip.protocol, protocolName: IP_PROTOCOL_NAMES[ip.protocol] ?? 'unknown' }
  const fragment = ip.isFragment ? { fragmentOffset: ip.fragmentOffset, moreFragments: ip.moreFragments } : {}
  if (ip.version === 4) {
    return {
      layer: 'ipv4',
      headerLength: ip.payloadStart - at,
      tos: bytes[at + 1],
      totalLength: u16(bytes, at + 2),
      id: ip.id,
      dontFragment: (bytes[at + 6] & 0x40) !== 0,
      ...fragment,
      ttl: ip.ttl,
      ...upper,
      checksum: u16(bytes, at + 10),
      ...addresses,
      ...(ip.payloadStart - at > 20 ? { options: hex(bytes, at + 20, ip.payloadStart) } : {}),
    }
  }
  return {
    layer: 'ipv6',
    trafficClass: (u16(bytes, at) >> 4) & 0xff,
    flowLabel: u32(bytes, at) & 0xfffff,
    payloadLength: u16(bytes, at + 4),
    hopLimit: ip.ttl,
    ...addresses,
    ...(ip.payloadStart - at > 40 ? { extensions: describeExtensions(ip) } : {}),
    ...(ip.fragmentHeaderAt !== 0 ? { id: ip.id } : {}),
    ...fragment,
    ...upper,
  }
}

function describeExtensions(ip: IpView): string[] {
  const names: string[] = []
  let next = ip.bytes[ip.headerStart + 6]
  for (let at = ip.headerStart + 40; at < ip.payloadStart; ) {
    names.push(IP_PROTOCOL_NAMES[next] ?? String(next))
    const length = next === FRAGMENT ? 8 : (ip.bytes[at + 1] + 1) * 8
    next = ip.bytes[at]
    at += length
  }
  return names
}
