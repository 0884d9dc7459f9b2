/**
 * How much the octets behind a next header look like what it says: the question behind recognising ESP that was never encrypted
 * (RFC 5879 section 8.3), and behind keys for an SA that has no integrity check.
 *
 * The answer is in bits: n bits of evidence are what random octets show once in 2^n packets.
 */
import { u16, u32 } from '../base/bytes.ts'
import { isSumRight, sumOf } from './checksum.ts'
import { IP_PROTOCOL, type IpView } from './ip.ts'

/** The octets cannot be what the next header says. */
export const CONTRADICTION = -1

const OSPF = 89
const L2TP_PORT = 1701
const L2TP_CONTROL = 0xc802
/** The type, reserved bits and version of a data message. */
const L2TP_DATA_MASK = 0xb4ff
const L2TP_VERSION = 2

/**
 * Evidence that the window holds a packet of protocol `nextHeader`, or `CONTRADICTION`. `ip` is the header outside, whose addresses
 * are in the checksums of transport mode; behind a translator of addresses those are wrong, so that a wrong one proves nothing.
 */
export function evidenceOf(
  nextHeader: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  ip: IpView | null,
): number {
  switch (nextHeader) {
    case IP_PROTOCOL.UDP:
      return ofUdp(bytes, start, end, ip)
    case IP_PROTOCOL.TCP:
      return ofTcp(bytes, start, end, ip)
    case IP_PROTOCOL.IPIP:
      return ofIpv4(bytes, start, end)
    case IP_PROTOCOL.IPV6:
      return ofIpv6(bytes, start, end)
    case IP_PROTOCOL.ICMP:
      return end - start >= 8 && isSumRight(sumOf(bytes, start, end)) ? 16 : CONTRADICTION
    case IP_PROTOCOL.ICMPV6:
      return end - start >= 4 && (ip === null || isSumWith(ip, nextHeader, bytes, start, end)) ? 16 : CONTRADICTION
    case IP_PROTOCOL.GRE:
      return ofGre(bytes, start, end)
    case IP_PROTOCOL.ESP:
      return end - start >= 10 && u32(bytes, start) > 255 ? 0 : CONTRADICTION
    case IP_PROTOCOL.AH:
      return ofAh(bytes, start, end)
    case OSPF:
      return ofOspf(bytes, start, end)
    default:
      return 0
  }
}

function ofUdp(bytes: Uint8Array, start: number, end: number, ip: IpView | null): number {
  if (end - start < 8) return CONTRADICTION
  const length = u16(bytes, start + 4)
  if (length < 8 || length > end - start) return CONTRADICTION
  // Less than the whole is what traffic flow confidentiality does (RFC 4303 section 2.7), and a weak proof.
  const ofLength = length === end - start ? 16 : 2
  const hasSum = u16(bytes, start + 6) !== 0
  const ofSum = hasSum && ip !== null && isSumWith(ip, IP_PROTOCOL.UDP, bytes, start, start + length) ? 16 : 0
  const isL2tp = u16(bytes, start) === L2TP_PORT || u16(bytes, start + 2) === L2TP_PORT
  return ofLength + ofSum + (isL2tp ? 12 + ofL2tp(bytes, start + 8, start + length) : 0)
}

/** RFC 2661 section 3.1: the flags of a control message are always the same, and it states its length. */
function ofL2tp(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < 6) return 0
  const flags = u16(bytes, start)
  if (flags === L2TP_CONTROL) return u16(bytes, start + 2) === end - start ? 31 : 15
  return (flags & L2TP_DATA_MASK) === L2TP_VERSION ? 9 : 0
}

function ofTcp(bytes: Uint8Array, start: number, end: number, ip: IpView | null): number {
  if (end - start < 20) return CONTRADICTION
  const headerLength = (bytes[start + 12] >> 4) * 4
  const hasReserved = (bytes[start + 12] & 0x0e) !== 0
  if (headerLength < 20 || headerLength > end - start || hasReserved) return CONTRADICTION
  return ip !== null && isSumWith(ip, IP_PROTOCOL.TCP, bytes, start, end) ? 20 : 4
}

function ofIpv4(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < 20 || bytes[start] >> 4 !== 4) return CONTRADICTION
  const headerLength = (bytes[start] & 0x0f) * 4
  const length = u16(bytes, start + 2)
  if (headerLength < 20 || length < headerLength || length > end - start) return CONTRADICTION
  if (!isSumRight(sumOf(bytes, start, start + headerLength))) return CONTRADICTION
  const ofOptions = headerLength === 20 ? 4 : 0
  return ofOptions + (length === end - start ? 36 : 22)
}

function ofIpv6(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < 40 || bytes[start] >> 4 !== 6) return CONTRADICTION
  const length = u16(bytes, start + 4) + 40
  if (length > end - start) return CONTRADICTION
  return length === end - start ? 20 : 6
}

function ofGre(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < 4 || (u16(bytes, start) & 0x4f7e) !== 0) return CONTRADICTION
  return 8
}

function ofAh(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < 12) return CONTRADICTION
  const length = (bytes[start + 1] + 2) * 4
  return length < 12 || length > end - start || u16(bytes, start + 2) !== 0 ? CONTRADICTION : 16
}

/** Version 2 carries a checksum of its own, which cryptographic authentication leaves out; version 3 that of IPv6. */
function ofOspf(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < 16) return CONTRADICTION
  const version = bytes[start]
  const type = bytes[start + 1]
  const length = u16(bytes, start + 2)
  if ((version !== 2 && version !== 3) || type < 1 || type > 5 || length < 16 || length > end - start)
    return CONTRADICTION
  return length === end - start ? 28 : 14
}

/** Whether the checksum is right that a protocol makes with the pseudo-header (RFC 768, RFC 9293 section 3.1, RFC 8200 section 8.1). */
function isSumWith(ip: IpView, protocol: number, bytes: Uint8Array, start: number, end: number): boolean {
  const { sourceAt, destinationAt, addressLength } = ip
  const ofAddresses =
    sumOf(ip.bytes, sourceAt, sourceAt + addressLength) + sumOf(ip.bytes, destinationAt, destinationAt + addressLength)
  return isSumRight(ofAddresses + protocol + end - start + sumOf(bytes, start, end))
}
