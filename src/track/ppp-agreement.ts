/**
 * What the ends of a PPP link agree on: the options in a Configure-Ack are those that the other end, the asker, asked for
 * (RFC 1661 section 5.2).
 */
import { addressText } from '../base/address.ts'
import { u16, u32 } from '../base/bytes.ts'
import { PPP } from '../wire/ppp.ts'
import { CCP, endpointName, IPCP, IPV6CP, LCP, MPPE, type PppOptionCursor } from '../wire/ppp-options.ts'
import { NONE, type PppLink } from './ppp-link.ts'
import type { Role } from './role.ts'

/** Code of the header format with short numbers and classes (RFC 2686 section 3). */
const MULTILINK_SHORT_WITH_CLASSES = 6

/** RFC 1661 section 6, and of multilink RFC 1990 section 5.1. */
export function agreeLcp(link: PppLink, asker: Role, options: PppOptionCursor): void {
  const agreed = link.agreed[asker]
  // A new negotiation replaces the old one.
  agreed.lcp = true
  agreed.mru = undefined
  agreed.authProtocol = 0
  agreed.chapAlgorithm = undefined
  agreed.isShortSequence = false
  agreed.endpoint = undefined
  while (options.next()) {
    const { bytes, type, valueStart: at, valueEnd } = options
    const length = valueEnd - at
    if (type === LCP.MRU && length === 2) agreed.mru = u16(bytes, at)
    else if (type === LCP.AUTHENTICATION_PROTOCOL && length >= 2) {
      agreed.authProtocol = u16(bytes, at)
      agreed.chapAlgorithm = length >= 3 && agreed.authProtocol === PPP.CHAP ? bytes[at + 2] : undefined
    } else if (type === LCP.SHORT_SEQUENCE_NUMBER) agreed.isShortSequence = true
    else if (type === LCP.MULTILINK_HEADER_FORMAT && length === 2)
      agreed.isShortSequence = bytes[at] === MULTILINK_SHORT_WITH_CLASSES
    else if (type === LCP.ENDPOINT_DISCRIMINATOR) agreed.endpoint = endpointName(bytes, at, valueEnd)
    else if (type === LCP.PROTOCOL_FIELD_COMPRESSION) link.noteCompression('pfc')
    else if (type === LCP.ADDRESS_AND_CONTROL_FIELD_COMPRESSION) link.noteCompression('acfc')
  }
}

/** RFC 1332 section 3, RFC 1877. */
export function agreeIpcp(link: PppLink, asker: Role, options: PppOptionCursor): void {
  const agreed = link.agreed[asker]
  agreed.ipcp = true
  let dns: readonly string[] = NONE
  let nbns: readonly string[] = NONE
  while (options.next()) {
    const { bytes, type, valueStart: at, valueEnd } = options
    if (type === IPCP.IP_COMPRESSION_PROTOCOL && valueEnd - at >= 2)
      link.noteCompression(u16(bytes, at) === PPP.VJ_COMPRESSED ? 'vj' : 'iphc')
    if (valueEnd - at !== 4) continue
    const address = addressText(bytes, at, 4)
    if (type === IPCP.IP_ADDRESS) agreed.address = address
    else if (type === IPCP.PRIMARY_DNS || type === IPCP.SECONDARY_DNS) dns = dns.concat(address)
    else if (type === IPCP.PRIMARY_NBNS || type === IPCP.SECONDARY_NBNS) nbns = nbns.concat(address)
  }
  agreed.dns = dns
  agreed.nbns = nbns
}

/** RFC 5072 section 4. */
export function agreeIpv6cp(link: PppLink, asker: Role, options: PppOptionCursor): void {
  const agreed = link.agreed[asker]
  agreed.ipv6cp = true
  while (options.next()) {
    const { bytes, type, valueStart: at, valueEnd } = options
    if (type !== IPV6CP.INTERFACE_IDENTIFIER || valueEnd - at !== 8) continue
    agreed.interfaceId = [0, 2, 4, 6]
      .map((i) =>
        u16(bytes, at + i)
          .toString(16)
          .padStart(4, '0'),
      )
      .join(':')
  }
}

/** RFC 1962 section 4. Gives the bits of the MPPE option (RFC 3078 section 2.1), 0 without one. */
export function agreeCcp(link: PppLink, options: PppOptionCursor): number {
  let bits = 0
  while (options.next()) {
    const { bytes, type, valueStart: at, valueEnd } = options
    if (type === CCP.MPPE && valueEnd - at === 4) {
      bits = u32(bytes, at)
      if ((bits & MPPE.MPPC) !== 0) link.noteCompression('mppc')
    } else if (type === CCP.DEFLATE) link.noteCompression('deflate')
    else if (type === CCP.BSD_COMPRESS) link.noteCompression('bsd')
    else if (type === CCP.STAC_LZS) link.noteCompression('stac')
    else if (type === CCP.PREDICTOR_1) link.noteCompression('predictor')
  }
  return bits
}
