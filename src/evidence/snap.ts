/** How much of a packet is kept: what class it is of, and where the headers end. */
import type { Verdict } from '../dissect/dissector.ts'
import type { Frame } from '../dissect/frame.ts'
import { IP_PROTOCOL, type IpView } from '../wire/ip.ts'

/** `other` is none of the sensor's protocols. What is broken, and pieces of datagrams, count as control: they are few, and telling. */
export const CLASS = { CONTROL: 0, DATA: 1, ENCRYPTED: 2, OTHER: 3 } as const
export type PacketClass = (typeof CLASS)[keyof typeof CLASS]

export const SNAPS = ['whole', 'headers', 'none'] as const
export type Snap = (typeof SNAPS)[number]

/** Of a payload that is not understood, and of ESP behind its own header: as much as headers and IVs take. */
const UNKNOWN_BYTES = 64
const ESP_BYTES = 24
/** AH, and the headers that it authenticates. */
const AH_BYTES = 96
/** Protocols of PPP from here on are control (RFC 1661 section 2). */
const PPP_CONTROL = 0x8000
const TCP_HEADER_BYTES = 20

/** Looks at frames, one after another: `classOf`, then `headersEnd` of the same frame. */
export class Snapper {
  #verdict: Verdict = 'foreign'

  classOf(frame: Frame, verdict: Verdict): PacketClass {
    this.#verdict = verdict
    switch (verdict) {
      case 'foreign':
        return CLASS.OTHER
      case 'esp':
      case 'ah':
        return CLASS.ENCRYPTED
      case 'natt':
      case 'ike':
      case 'ike_tcp':
        // Both may stand in one segment of TCP: IKE is worth more.
        return frame.trail.association !== -1 && frame.trail.exchange === -1 ? CLASS.ENCRYPTED : CLASS.CONTROL
      case 'l2tp':
        return frame.l2tp.isControl || isPppControl(frame) ? CLASS.CONTROL : CLASS.DATA
      case 'l2tpv3':
        return frame.l2tpv3.isControl || isPppControl(frame) ? CLASS.CONTROL : CLASS.DATA
      case 'gre':
        return isPppControl(frame) ? CLASS.CONTROL : CLASS.DATA
      case 'pppoe':
        return frame.link.pppoeAt === -1 || isPppControl(frame) ? CLASS.CONTROL : CLASS.DATA
      default:
        return CLASS.CONTROL
    }
  }

  /** Where in `frame.bytes` the headers end, that of the inner TCP or UDP included. `outer` is the outermost IP header. */
  headersEnd(frame: Frame, packetClass: PacketClass, outer: IpView | null): number {
    const end = packetClass === CLASS.DATA ? this.#dataHeadersEnd(frame, outer) : this.#outerHeadersEnd(frame, outer)
    return Math.min(end, frame.end)
  }

  #dataHeadersEnd(frame: Frame, outer: IpView | null): number {
    const { inner, bytes } = frame
    if (frame.hasInner && inner.bytes === bytes) return transportEnd(inner)
    // What MPPE or a compression hides, and what no IP packet is.
    if (frame.hasPpp && frame.ppp.bytes === bytes) return frame.ppp.payloadStart + UNKNOWN_BYTES
    if (this.#verdict === 'l2tp' && frame.l2tp.bytes === bytes) return frame.l2tp.payloadStart + UNKNOWN_BYTES
    if (this.#verdict === 'l2tpv3' && frame.l2tpv3.bytes === bytes) return frame.l2tpv3.payloadStart + UNKNOWN_BYTES
    return this.#outerHeadersEnd(frame, outer)
  }

  /** Of IPsec, and of what the sensor does not follow. */
  #outerHeadersEnd(frame: Frame, outer: IpView | null): number {
    if (outer === null) return frame.link.payloadStart + UNKNOWN_BYTES
    switch (outer.protocol) {
      case IP_PROTOCOL.ESP:
        return outer.payloadStart + ESP_BYTES
      case IP_PROTOCOL.AH:
        return outer.payloadStart + AH_BYTES
      case IP_PROTOCOL.UDP:
        return outer.payloadStart + 8 + (this.#verdict === 'foreign' ? 0 : ESP_BYTES)
      case IP_PROTOCOL.TCP:
        return transportEnd(outer) + (this.#verdict === 'foreign' ? 0 : ESP_BYTES)
      default:
        return outer.payloadStart + UNKNOWN_BYTES
    }
  }
}

/** As `headersEnd`, of data of which `frame.inner` is known to stand in the bytes of the frame. */
export function innerHeadersEnd({ inner, end }: Frame): number {
  return Math.min(transportEnd(inner), end)
}

function isPppControl(frame: Frame): boolean {
  return frame.hasPpp && !frame.hasInner && frame.ppp.protocol >= PPP_CONTROL
}

/** The end of the TCP, UDP or ICMP header; of anything else, and of later fragments, what may be one. */
function transportEnd({ protocol, fragmentOffset, bytes, payloadStart, payloadEnd }: IpView): number {
  if (fragmentOffset > 0) return payloadStart
  if (protocol === IP_PROTOCOL.UDP) return payloadStart + 8
  if (protocol !== IP_PROTOCOL.TCP || payloadEnd - payloadStart < TCP_HEADER_BYTES) return payloadStart + UNKNOWN_BYTES
  return payloadStart + Math.max(TCP_HEADER_BYTES, (bytes[payloadStart + 12] >> 4) * 4)
}
