/**
 * How the data messages of an L2TPv3 session are laid out, found from the messages alone.
 *
 * A session that was set up by hand, or before the sensor looked, tells nobody how long its cookie is, whether there is a
 * sublayer and what it carries (RFC 3931 section 4.1). The cookie has 0, 4 or 8 octets and the sublayer 0 or 4, so the
 * payload begins at one of four places; at each of them every kind of payload is tried on every sample. What a reading
 * explains is counted in bits: how unlikely random octets were to fit. A reading that any sample contradicts is out, and the
 * one that explains most is the answer, with the confidence that its lead over the others allows.
 */
import { u16, u32 } from '../base/bytes.ts'
import { FrameRelayView } from './frame-relay.ts'
import { ETHERTYPE, etherTypeName } from './link.ts'
import { PSEUDOWIRE, SUBLAYER } from './l2tpv3-avp.ts'
import type { L2tpV3Layout } from './l2tpv3-data.ts'
import { PPP, pppProtocolName, PppView } from './ppp.ts'

/** Samples beyond these are not looked at: they would cost and tell nothing new. */
export const SAMPLES_MAX = 8
/** Octets of a sample that a reading may look at: all headers lie within them. */
export const SAMPLE_OCTETS_MAX = 160

/** A data message behind its session; on the wire it went on to `wireEnd`. */
export interface L2tpV3Sample {
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
  readonly wireEnd: number
}

/** `certain`: no other reading comes near. `likely`: well supported. `guess`: the best of little. */
export type LayoutConfidence = 'certain' | 'likely' | 'guess'

export interface InferredLayout extends L2tpV3Layout {
  readonly confidence: LayoutConfidence
  /** What the reading explains in all samples together. */
  readonly evidenceBits: number
}

const CERTAIN_BITS = 40
const CERTAIN_LEAD_BITS = 12
const LIKELY_BITS = 20
const LIKELY_LEAD_BITS = 4
const GUESS_BITS = 8
const OFFSETS = [0, 4, 8, 12] as const
const SUBLAYER_LENGTH = 4

/** A reading that the octets contradict. */
const IMPOSSIBLE = -1

type Reading = (bytes: Uint8Array, at: number, end: number, wireEnd: number) => number

/**
 * Each kind of payload with what speaks for it before anything is read, in bits. Frame Relay needs the malus: some station
 * addresses, constant as a cookie is, end like its own, and then both readings explain the packet behind them.
 */
const READINGS: readonly (readonly [pseudowireType: number, reading: Reading, priorBits: number])[] = [
  [PSEUDOWIRE.ETHERNET, ethernetBits, 12],
  [PSEUDOWIRE.PPP, pppBits, 8],
  [PSEUDOWIRE.IP, ipBits, 8],
  [PSEUDOWIRE.HDLC, hdlcBits, 4],
  [PSEUDOWIRE.FRAME_RELAY, frameRelayBits, 0],
  [PSEUDOWIRE.ATM_AAL5, aal5Bits, 0],
]

interface Candidate {
  readonly offset: number
  readonly pseudowireType: number
  readonly bits: number
  /** With what spoke for it before. */
  readonly score: number
}

/** The layout that all samples of one session and direction have in common; null if nothing can be said. */
export function inferLayout(samples: readonly L2tpV3Sample[]): InferredLayout | null {
  const looked = samples.slice(0, SAMPLES_MAX)
  let best: Candidate | null = null
  let secondScore = 0
  for (const offset of OFFSETS) {
    if (!isPrefix(looked, offset)) continue
    for (const [pseudowireType, reading, priorBits] of READINGS) {
      const bits = bitsOfAll(looked, offset, reading)
      const score = bits === 0 ? 0 : bits + priorBits
      if (score <= (best?.score ?? 0)) secondScore = Math.max(secondScore, score)
      else {
        secondScore = best?.score ?? 0
        best = { offset, pseudowireType, bits, score }
      }
    }
  }
  if (best === null || best.bits < GUESS_BITS) return null
  const { cookieLength, hasSublayer, isSure } = splitPrefix(looked, best.offset)
  const sublayer = !hasSublayer
    ? SUBLAYER.NONE
    : best.pseudowireType === PSEUDOWIRE.ATM_AAL5
      ? SUBLAYER.ATM
      : SUBLAYER.DEFAULT
  const confidence = confidenceOf(best.bits, best.score - secondScore, isSure)
  return { cookieLength, sublayer, pseudowireType: best.pseudowireType, confidence, evidenceBits: best.bits }
}

/** Flags and reserved word of a data message over UDP, as every known sender has them. */
const DATA_HEAD = 0x00030000
const DATA_HEADER_LENGTH = 8
/** The least that a single message must explain to be taken for L2TPv3 on a port where nobody announced it. */
const RECOGNIZED_BITS = 36

/**
 * Whether a datagram on any port is L2TPv3 beyond doubt: the request that opens a control connection, or a data message of
 * a tunnel set up by hand whose payload reads as a whole.
 */
export function isL2tpV3(bytes: Uint8Array, start: number, end: number, wireEnd: number): boolean {
  if (end - start < DATA_HEADER_LENGTH) return false
  const head = u32(bytes, start)
  if (head >>> 16 === 0xc803) return isOpening(bytes, start, end, wireEnd)
  if (head !== DATA_HEAD || u32(bytes, start + 4) === 0) return false
  const layout = inferLayout([{ bytes, start: start + DATA_HEADER_LENGTH, end, wireEnd }])
  return layout !== null && layout.evidenceBits >= RECOGNIZED_BITS
}

/** An SCCRQ: connection 0, both numbers 0, and the Message Type AVP first. */
function isOpening(bytes: Uint8Array, start: number, end: number, wireEnd: number): boolean {
  return (
    end - start >= 20 &&
    u16(bytes, start + 2) === wireEnd - start &&
    u32(bytes, start + 4) === 0 &&
    u32(bytes, start + 8) === 0 &&
    (u16(bytes, start + 12) & 0x7fff) === 8 &&
    u32(bytes, start + 14) === 0 &&
    u16(bytes, start + 18) === 1
  )
}

function confidenceOf(bits: number, leadBits: number, isSplitSure: boolean): LayoutConfidence {
  if (bits >= CERTAIN_BITS && leadBits >= CERTAIN_LEAD_BITS) return isSplitSure ? 'certain' : 'likely'
  return bits >= LIKELY_BITS && leadBits >= LIKELY_LEAD_BITS ? 'likely' : 'guess'
}

function bitsOfAll(samples: readonly L2tpV3Sample[], offset: number, reading: Reading): number {
  let sum = 0
  for (const { bytes, start, end, wireEnd } of samples) {
    const at = start + offset
    if (at >= end) return 0
    const bits = reading(bytes, at, Math.min(end, start + SAMPLE_OCTETS_MAX), wireEnd)
    if (bits === IMPOSSIBLE) return 0
    sum += bits
  }
  return sum
}

// --- What stands before the payload -----------------------------------------------------------------------------------

/** Whether so many octets can be a cookie, a sublayer, or both: a cookie never changes, a sublayer has its form. */
function isPrefix(samples: readonly L2tpV3Sample[], offset: number): boolean {
  if (samples.some(({ start, end }) => end - start < offset)) return false
  switch (offset) {
    case 4:
      return isConstant(samples, 0, 4) || isSublayer(samples, 0)
    case 8:
      return isConstant(samples, 0, 4) && (isConstant(samples, 4, 4) || isSublayer(samples, 4))
    case 12:
      return isConstant(samples, 0, 8) && isSublayer(samples, 8)
    default:
      return true
  }
}

function splitPrefix(
  samples: readonly L2tpV3Sample[],
  offset: number,
): { readonly cookieLength: number; readonly hasSublayer: boolean; readonly isSure: boolean } {
  if (offset === 0) return { cookieLength: 0, hasSublayer: false, isSure: true }
  const sublayerAt = offset - SUBLAYER_LENGTH
  const hasSublayer = offset === 12 || isSublayer(samples, sublayerAt)
  // One sample cannot show that a number changes or a cookie does not.
  const isSure = samples.length > 1 || isZero(samples[0], sublayerAt)
  return { cookieLength: hasSublayer ? sublayerAt : offset, hasSublayer, isSure }
}

function isConstant(samples: readonly L2tpV3Sample[], from: number, length: number): boolean {
  const [first] = samples
  return samples.every(({ bytes, start }) => {
    for (let i = from; i < from + length; i++) if (bytes[start + i] !== first.bytes[first.start + i]) return false
    return true
  })
}

function isZero({ bytes, start }: L2tpV3Sample, at: number): boolean {
  return u32(bytes, start + at) === 0
}

/**
 * The form of a sublayer: zero throughout where numbers are not used, else the S bit and a number that is not always the
 * same. (A cookie has such a first octet once in 256 times, and stays as it is.)
 */
function isSublayer(samples: readonly L2tpV3Sample[], at: number): boolean {
  const fits = samples.every((sample) => {
    const flags = sample.bytes[sample.start + at]
    return (flags & 0xf0) === 0x40 ? true : isZero(sample, at) || (flags & 0xf0) === 0xc0
  })
  if (!fits) return false
  const isNumbered = samples.every((sample) => !isZero(sample, at))
  return !isNumbered || samples.length === 1 || !isConstant(samples, at, SUBLAYER_LENGTH)
}

// --- What a reading explains ------------------------------------------------------------------------------------------

const IPV4_HEADER_LENGTH = 20
const IPV6_HEADER_LENGTH = 40
const ETHERNET_LENGTH = 14
/** Without its checksum, the least that an Ethernet frame has: what is shorter was padded with zeros. */
const ETHERNET_PAYLOAD_MIN = 46
const VLAN_TAGS_MAX = 3

function ipBits(bytes: Uint8Array, at: number, end: number, wireEnd: number): number {
  if (end <= at) return IMPOSSIBLE
  const version = bytes[at] >> 4
  if (version === 4) return ipv4Bits(bytes, at, end, wireEnd)
  return version === 6 ? ipv6Bits(bytes, at, end, wireEnd) : IMPOSSIBLE
}

function ipv4Bits(bytes: Uint8Array, at: number, end: number, wireEnd: number): number {
  const headerLength = (bytes[at] & 0x0f) * 4
  if (headerLength < IPV4_HEADER_LENGTH) return IMPOSSIBLE
  if (end - at < headerLength) return wireEnd > end ? 4 : IMPOSSIBLE
  const totalLength = u16(bytes, at + 2)
  if (totalLength < headerLength || totalLength > wireEnd - at) return IMPOSSIBLE
  if (!hasRightChecksum(bytes, at, headerLength)) return IMPOSSIBLE
  return 8 + 16 + (totalLength === wireEnd - at ? 12 : 4)
}

/** The ones' complement sum over a header that holds its own checksum is all ones (RFC 1071). */
function hasRightChecksum(bytes: Uint8Array, at: number, headerLength: number): boolean {
  let sum = 0
  for (let i = at; i < at + headerLength; i += 2) sum += u16(bytes, i)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return sum === 0xffff
}

function ipv6Bits(bytes: Uint8Array, at: number, end: number, wireEnd: number): number {
  if (end - at < IPV6_HEADER_LENGTH) return wireEnd > end ? 4 : IMPOSSIBLE
  const length = u16(bytes, at + 4) + IPV6_HEADER_LENGTH
  if (length > wireEnd - at) return IMPOSSIBLE
  const isKnown = IPV6_NEXT_HEADERS.has(bytes[at + 6])
  return 4 + (length === wireEnd - at ? 12 : 4) + (isKnown ? 5 : 0)
}

const IPV6_NEXT_HEADERS: ReadonlySet<number> = new Set([0, 4, 6, 17, 41, 43, 44, 47, 50, 51, 58, 59, 60, 89, 103, 115])

function ethernetBits(bytes: Uint8Array, at: number, end: number, wireEnd: number): number {
  if (end - at < ETHERNET_LENGTH) return IMPOSSIBLE
  // No station sends from a group address, and none has the address zero.
  if ((bytes[at + 6] & 1) === 1 || (u32(bytes, at + 6) === 0 && u16(bytes, at + 10) === 0)) return IMPOSSIBLE
  const isBroadcast = u32(bytes, at) === 0xffffffff && u16(bytes, at + 4) === 0xffff
  const bits = typedBits(bytes, at + ETHERNET_LENGTH, end, wireEnd, u16(bytes, at + 12), 0)
  return bits === IMPOSSIBLE ? IMPOSSIBLE : bits + (isBroadcast ? 24 : 1)
}

/** What an EtherType and its payload explain together. */
function typedBits(
  bytes: Uint8Array,
  at: number,
  end: number,
  wireEnd: number,
  etherType: number,
  depth: number,
): number {
  switch (etherType) {
    case ETHERTYPE.IPV4:
    case ETHERTYPE.IPV6:
      return sum(14, ipBits(bytes, at, end, wireEnd))
    case ETHERTYPE.ARP:
      return isArp(bytes, at, end) ? 48 : IMPOSSIBLE
    case ETHERTYPE.VLAN:
    case ETHERTYPE.QINQ:
    case ETHERTYPE.QINQ_OLD:
      if (depth >= VLAN_TAGS_MAX || end - at < 4) return IMPOSSIBLE
      return sum(12, typedBits(bytes, at + 4, end, wireEnd, u16(bytes, at + 2), depth + 1))
    case ETHERTYPE.PPPOE_SESSION:
    case ETHERTYPE.PPPOE_DISCOVERY:
      return end - at >= 6 && bytes[at] === 0x11 && u16(bytes, at + 4) + 6 <= wireEnd - at ? 24 : IMPOSSIBLE
    default:
      if (etherType >= 0x0600) return etherTypeName(etherType) === 'unknown' ? 0 : 10
      return etherType > 1500 ? IMPOSSIBLE : llcBits(bytes, at, end, wireEnd, etherType)
  }
}

function sum(bits: number, more: number): number {
  return more === IMPOSSIBLE ? IMPOSSIBLE : bits + more
}

function isArp(bytes: Uint8Array, at: number, end: number): boolean {
  return end - at >= 8 && u32(bytes, at) === 0x00010800 && u16(bytes, at + 4) === 0x0604
}

/** An 802.3 length that the frame holds, exactly or with the padding of the shortest frame. */
function llcBits(bytes: Uint8Array, at: number, end: number, wireEnd: number, length: number): number {
  const room = wireEnd - at
  if (length < 3 || length > room || end - at < 3) return IMPOSSIBLE
  const isExact = length === room
  if (!isExact && room > ETHERNET_PAYLOAD_MIN + 4) return IMPOSSIBLE
  return (isExact ? 10 : 6) + (LLC_HEADERS.has((bytes[at] << 8) | bytes[at + 1]) ? 14 : 0)
}

/** Spanning tree, SNAP, NetBIOS, IS-IS, Novell. */
const LLC_HEADERS: ReadonlySet<number> = new Set([0x4242, 0xaaaa, 0xf0f0, 0xfefe, 0xe0e0])

function pppBits(bytes: Uint8Array, at: number, end: number, wireEnd: number): number {
  const ppp = new PppView()
  if (ppp.decode(bytes, at, end) !== null) return IMPOSSIBLE
  if (pppProtocolName(ppp.protocol) === 'unknown') return IMPOSSIBLE
  const hasAddress = bytes[at] === 0xff
  const bits = (hasAddress ? 16 : 0) + 6
  const { payloadStart } = ppp
  if (ppp.protocol === PPP.IPV4 || ppp.protocol === PPP.IPV6) {
    const version = ppp.protocol === PPP.IPV4 ? 4 : 6
    if (payloadStart < end && bytes[payloadStart] >> 4 !== version) return IMPOSSIBLE
    return sum(bits, ipBits(bytes, payloadStart, end, wireEnd))
  }
  // Control protocols: code, identifier, length.
  if (ppp.protocol < 0x8000) return bits
  if (end - payloadStart < 4) return IMPOSSIBLE
  const length = u16(bytes, payloadStart + 2)
  const isSane = bytes[payloadStart] >= 1 && bytes[payloadStart] <= 15 && length >= 4
  if (!isSane || length > wireEnd - payloadStart) return IMPOSSIBLE
  return bits + 4 + (length === wireEnd - payloadStart ? 14 : 2)
}

function hdlcBits(bytes: Uint8Array, at: number, end: number, wireEnd: number): number {
  if (end - at < 4 || (bytes[at] !== 0x0f && bytes[at] !== 0x8f) || bytes[at + 1] !== 0) return IMPOSSIBLE
  const protocol = u16(bytes, at + 2)
  if (CISCO_PROTOCOLS.has(protocol)) return 28
  return protocol >= 0x0600 ? sum(12, typedBits(bytes, at + 4, end, wireEnd, protocol, 0)) : IMPOSSIBLE
}

/** SLARP keepalives, Cisco Discovery Protocol, ISO. */
const CISCO_PROTOCOLS: ReadonlySet<number> = new Set([0x8035, 0x2000, 0xfefe])

function frameRelayBits(bytes: Uint8Array, at: number, end: number, wireEnd: number): number {
  const frame = new FrameRelayView()
  if (frame.decode(bytes, at, end) !== null) return IMPOSSIBLE
  const isIetf = frame.control !== 0
  if (frame.etherType >= 0x0600) {
    return sum(isIetf ? 10 : 0, typedBits(bytes, frame.payloadStart, end, wireEnd, frame.etherType, 0))
  }
  return isIetf ? 4 : IMPOSSIBLE
}

/** LLC and SNAP with an EtherType (RFC 2684 section 5.1). */
function aal5Bits(bytes: Uint8Array, at: number, end: number, wireEnd: number): number {
  if (end - at < 8 || u32(bytes, at) !== 0xaaaa0300 || u16(bytes, at + 4) !== 0) return IMPOSSIBLE
  const etherType = u16(bytes, at + 6)
  return etherType >= 0x0600 ? sum(44, typedBits(bytes, at + 8, end, wireEnd, etherType, 0)) : IMPOSSIBLE
}
