/**
 * Packets that a capture holds twice: a SPAN port that copies ingress and egress, or a capture on "any" interface that sees
 * a packet on each hop.
 *
 * A copy has the same IP identification, addresses, length and transport bytes, and comes within milliseconds. TTL and
 * header checksum are left out: a copy taken behind a router differs in them. A real retransmission comes later, with
 * another identification. Remembered are 44 bits of a digest in a direct-mapped table: a copy that was forgotten counts as a
 * packet, and of two different packets within the window one is taken for a copy once in 2^44 times.
 */
import { hashWindow, mix32 } from '../base/hash.ts'
import type { IpView } from '../wire/ip.ts'
import type { LinkView } from '../wire/link.ts'
import { PPPOE_HEADER_LENGTH, type PppoeView } from '../wire/pppoe.ts'
import { PLAIN_IP_HEADER_LENGTH, type PlainDataView } from './plain-data.ts'
import { RecentViews } from './recent-views.ts'

/** A capture on many hops brings its copies within a few packets; 32 kB stay in the processor's nearest cache. */
const SLOTS = 4096
const SLOT = 2
/** Of the transport header and payload that enter the digest: UDP, L2TP, PPP, inner IP, and ports and sequence numbers of inner TCP. */
const DIGESTED_BYTES = 56
/** Two addresses of Ethernet. */
const STATIONS_LENGTH = 12

export class Duplicates {
  readonly #windowUs: number
  /** Of each slot the time, in microseconds modulo 2^32, and half of the digest; the other half chose the slot. */
  readonly #slots = new Int32Array(SLOTS * SLOT)
  readonly #views = new RecentViews()

  /** Copies further apart than `windowUs` are packets of their own; 0 turns the check off. */
  constructor(windowUs: number) {
    this.#windowUs = windowUs
  }

  /** Whether this packet was seen within the window; remembers it. `frame.timeUs` is read here, not passed: a double argument would be boxed. */
  isDuplicate(ip: IpView, frame: { readonly timeUs: number }): boolean {
    // Without a header that could be read there is nothing to tell a copy by.
    if (this.#windowUs === 0 || ip.addressLength === 0) return false
    const { payloadStart } = ip
    const view = this.#views.of(ip.bytes)
    let low = ip.id ^ (ip.wireEnd - payloadStart)
    const addressesEnd = ip.sourceAt + ip.addressLength * 2
    for (let at = ip.sourceAt; at < addressesEnd; at += 4) low = mixAddress(low, view.getInt32(at))
    return this.#isSame(view, payloadStart, ip.payloadEnd, low, ip.fragmentOffset, frame)
  }

  /** The same of a plain data message: with the same digest, since only one of two copies may have been taken for one. */
  isDuplicateData(plain: PlainDataView, frame: { readonly timeUs: number }): boolean {
    if (this.#windowUs === 0) return false
    const { view, ipAt, ipLength } = plain
    const identity = view.getUint16(ipAt + 4) ^ (ipLength - PLAIN_IP_HEADER_LENGTH)
    const low = mixAddress(mixAddress(identity, plain.source), plain.receiver)
    return this.#isSame(view, ipAt + PLAIN_IP_HEADER_LENGTH, ipAt + ipLength, low, 0, frame)
  }

  /** `headLow` and `headHigh` are the digest of the IP header. */
  #isSame(
    view: DataView,
    payloadStart: number,
    payloadEnd: number,
    headLow: number,
    headHigh: number,
    frame: { readonly timeUs: number },
  ): boolean {
    const end = payloadEnd - payloadStart > DIGESTED_BYTES ? payloadStart + DIGESTED_BYTES : payloadEnd
    let low = headLow
    let high = headHigh
    let at = payloadStart
    for (; at + 8 <= end; at += 8) {
      low = Math.imul(low ^ view.getInt32(at, true), 0x85ebca6b)
      high = Math.imul(high ^ view.getInt32(at + 4, true), 0xc2b2ae35) ^ (low >>> 15)
    }
    for (; at + 2 <= end; at += 2) low = Math.imul(low ^ view.getUint16(at), 0x85ebca6b)
    if (at < end) high ^= view.getUint8(at)
    return this.#isSeen(low, high, frame)
  }

  /** The same of a frame of PPPoE that has no IP header: by its stations, header and all that is in it. */
  isSameFrame(
    { stationsAt }: LinkView,
    { bytes, payloadStart, payloadEnd }: PppoeView,
    frame: { readonly timeUs: number },
  ): boolean {
    if (this.#windowUs === 0) return false
    const low = hashWindow(bytes, payloadStart - PPPOE_HEADER_LENGTH, payloadEnd)
    const high = stationsAt === -1 ? 0 : hashWindow(bytes, stationsAt, stationsAt + STATIONS_LENGTH)
    return this.#isSeen(low, high, frame)
  }

  #isSeen(lowDigest: number, highDigest: number, frame: { readonly timeUs: number }): boolean {
    const low = mix32(lowDigest ^ (highDigest >>> 7))
    const high = mix32(highDigest ^ low)
    const slots = this.#slots
    const slot = (low & (SLOTS - 1)) * SLOT
    const nowUs = frame.timeUs | 0
    const age = (nowUs - slots[slot]) | 0
    const isSame = slots[slot + 1] === high && age <= this.#windowUs && age >= -this.#windowUs
    slots[slot] = nowUs
    slots[slot + 1] = high
    return isSame
  }
}

function mixAddress(digest: number, word: number): number {
  return Math.imul(digest ^ word, 0x9e3779b1)
}
