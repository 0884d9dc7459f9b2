/**
 * Packets that a capture holds twice: a SPAN port that copies ingress and egress, or a capture on "any" interface that sees
 * a packet on each hop.
 *
 * A copy has the same IP identification, addresses, length and transport bytes, and comes within milliseconds. TTL and
 * header checksum are left out: a copy taken behind a router differs in them. A real retransmission comes later, with
 * another identification. Remembered is a 64-bit digest in a direct-mapped table, so a forgotten copy is counted as a
 * packet, and two different packets are taken for copies once in 2^44 or so.
 */
import { i32, u16 } from '../base/bytes.ts'
import { mix32 } from '../base/hash.ts'
import type { IpView } from '../wire/ip.ts'

const SLOTS = 8192
/** Of the transport header and payload that enter the digest: UDP, L2TP, PPP, inner IP, and ports and sequence numbers of inner TCP. */
const DIGESTED_BYTES = 56

export class Duplicates {
  readonly #windowUs: number
  readonly #low = new Int32Array(SLOTS)
  readonly #high = new Int32Array(SLOTS)
  readonly #timeUs = new Float64Array(SLOTS).fill(Number.NEGATIVE_INFINITY)

  /** Copies further apart than `windowUs` are packets of their own; 0 turns the check off. */
  constructor(windowUs: number) {
    this.#windowUs = windowUs
  }

  /** Whether this packet was seen within the window; remembers it. `frame.timeUs` is read here, not passed: a double argument would be boxed. */
  isDuplicate(ip: IpView, frame: { readonly timeUs: number }): boolean {
    // Without a header that could be read there is nothing to tell a copy by.
    if (this.#windowUs === 0 || ip.addressLength === 0) return false
    const { bytes, payloadStart, payloadEnd } = ip
    const end = payloadEnd - payloadStart > DIGESTED_BYTES ? payloadStart + DIGESTED_BYTES : payloadEnd
    let low = ip.id ^ (ip.wireEnd - payloadStart)
    let high = ip.fragmentOffset
    const addressesEnd = ip.sourceAt + ip.addressLength * 2
    for (let at = ip.sourceAt; at < addressesEnd; at += 4) low = Math.imul(low ^ i32(bytes, at), 0x9e3779b1)
    let at = payloadStart
    for (; at + 8 <= end; at += 8) {
      low = Math.imul(low ^ i32(bytes, at), 0x85ebca6b)
      high = Math.imul(high ^ i32(bytes, at + 4), 0xc2b2ae35) ^ (low >>> 15)
    }
    for (; at + 2 <= end; at += 2) low = Math.imul(low ^ u16(bytes, at), 0x85ebca6b)
    if (at < end) high ^= bytes[at]
    low = mix32(low ^ (high >>> 7))
    const slot = low & (SLOTS - 1)
    const age = frame.timeUs - this.#timeUs[slot]
    const isSame =
      this.#low[slot] === low && this.#high[slot] === high && age <= this.#windowUs && age >= -this.#windowUs
    this.#low[slot] = low
    this.#high[slot] = high
    this.#timeUs[slot] = frame.timeUs
    return isSame
  }
}
