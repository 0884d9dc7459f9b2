/**
 * Frames that a switch, a router or a cloud copies to a sensor over IP: GRE with Ethernet or IP in it (RFC 2784, RFC 1701), ERSPAN
 * of types I, II and III (draft-foschiano-erspan-03), VXLAN (RFC 7348), Geneve (RFC 8926), and TZSP, which MikroTik's routers send.
 */
import { NO_BYTES, u16, u32 } from '../base/bytes.ts'
import type { GreView } from './gre.ts'
import { ETHERTYPE, LINKTYPE } from './link.ts'
import type { UdpView } from './udp.ts'

/** UDP ports that mirrored frames are sent to. */
export const MIRROR_PORTS = { VXLAN: 4789, GENEVE: 6081, TZSP: 37_008 } as const

/** Types of GRE: ERSPAN type I (without sequence numbers) and II, and type III. */
const ERSPAN = 0x88be
const ERSPAN_III = 0x22eb
const ERSPAN_II_LENGTH = 8
const ERSPAN_III_LENGTH = 12
const ERSPAN_III_MORE_LENGTH = 8
/** In the last word of the header of type III: what the frame begins with, and whether a subheader follows. */
const ERSPAN_FRAME_TYPE = 0x7c00
const ERSPAN_IS_IP = 0x0800
const ERSPAN_HAS_MORE = 0x0001

const VXLAN_LENGTH = 8
/** The network identifier is valid: set in every VXLAN header. */
const VXLAN_IDENTIFIED = 0x08
const GENEVE_LENGTH = 8

const TZSP_LENGTH = 4
const TZSP_VERSION = 1
const TZSP_ETHERNET = 1
const TZSP_TAG = { PADDING: 0, END: 1 } as const

export type MirrorProtocol = 'gre' | 'erspan' | 'vxlan' | 'geneve' | 'tzsp'

/** A reusable window on a mirrored frame. */
export class MirrorView {
  bytes = NO_BYTES
  /** What carries the frame, and where its header begins; GRE has one of its own. */
  protocol: MirrorProtocol = 'gre'
  headerStart = 0
  /** LINKTYPE_ number of what is mirrored: Ethernet, or IP without a link header. */
  linkType: number = LINKTYPE.ETHERNET
  payloadStart = 0
  payloadEnd = 0

  /** False if the packet, which was decoded without a flaw, mirrors nothing. */
  readGre({ bytes, version, protocol, hasSequence, payloadStart, payloadEnd }: GreView): boolean {
    if (version !== 0) return false
    this.headerStart = payloadStart
    this.protocol = protocol === ERSPAN || protocol === ERSPAN_III ? 'erspan' : 'gre'
    switch (protocol) {
      case ERSPAN:
        return this.#found(bytes, payloadStart + (hasSequence ? ERSPAN_II_LENGTH : 0), payloadEnd, true)
      case ERSPAN_III: {
        const at = payloadStart + ERSPAN_III_LENGTH
        if (at > payloadEnd) return false
        const word = u16(bytes, at - 2)
        const isEthernet = (word & ERSPAN_FRAME_TYPE) !== ERSPAN_IS_IP
        const more = (word & ERSPAN_HAS_MORE) === 0 ? 0 : ERSPAN_III_MORE_LENGTH
        return this.#found(bytes, at + more, payloadEnd, isEthernet)
      }
      default:
        return this.#typed(bytes, payloadStart, payloadEnd, protocol)
    }
  }

  /** False if the datagram, which was decoded without a flaw, mirrors nothing. */
  readUdp({ bytes, destinationPort, payloadStart: at, payloadEnd: end }: UdpView): boolean {
    this.headerStart = at
    switch (destinationPort) {
      case MIRROR_PORTS.VXLAN:
        this.protocol = 'vxlan'
        if (end - at < VXLAN_LENGTH || (bytes[at] & VXLAN_IDENTIFIED) === 0) return false
        return this.#found(bytes, at + VXLAN_LENGTH, end, true)
      case MIRROR_PORTS.GENEVE:
        this.protocol = 'geneve'
        // The first octet holds the version, which is 0, and the length of the options in words.
        if (end - at < GENEVE_LENGTH || bytes[at] >= 0x40) return false
        return this.#typed(bytes, at + GENEVE_LENGTH + bytes[at] * 4, end, u16(bytes, at + 2))
      case MIRROR_PORTS.TZSP:
        this.protocol = 'tzsp'
        if (end - at < TZSP_LENGTH || bytes[at] !== TZSP_VERSION || u16(bytes, at + 2) !== TZSP_ETHERNET) return false
        return this.#tagged(bytes, at + TZSP_LENGTH, end)
      default:
        return false
    }
  }

  #tagged(bytes: Uint8Array, start: number, end: number): boolean {
    for (let at = start; at < end; ) {
      const tag = bytes[at++]
      if (tag === TZSP_TAG.END) return this.#found(bytes, at, end, true)
      if (tag === TZSP_TAG.PADDING) continue
      if (at === end) return false
      at += 1 + bytes[at]
    }
    return false
  }

  #typed(bytes: Uint8Array, start: number, end: number, etherType: number): boolean {
    const isEthernet = etherType === ETHERTYPE.TRANSPARENT_ETHERNET
    if (!isEthernet && etherType !== ETHERTYPE.IPV4 && etherType !== ETHERTYPE.IPV6) return false
    return this.#found(bytes, start, end, isEthernet)
  }

  #found(bytes: Uint8Array, start: number, end: number, isEthernet: boolean): boolean {
    this.bytes = bytes
    this.linkType = isEthernet ? LINKTYPE.ETHERNET : LINKTYPE.RAW
    this.payloadStart = start
    this.payloadEnd = end
    return start < end
  }
}

/** The header before the mirrored frame, without that of GRE. */
export function describeMirror({
  bytes,
  protocol,
  headerStart: at,
  payloadStart,
}: MirrorView): Record<string, unknown> {
  if (at === payloadStart) return { layer: protocol }
  switch (protocol) {
    case 'erspan':
      return {
        layer: protocol,
        version: bytes[at] >> 4,
        vlan: u16(bytes, at) & 0x0fff,
        session: u16(bytes, at + 2) & 0x03ff,
      }
    case 'vxlan':
      return { layer: protocol, flags: bytes[at], vni: u32(bytes, at + 4) >>> 8 }
    case 'geneve':
      return { layer: protocol, protocol: u16(bytes, at + 2), vni: u32(bytes, at + 4) >>> 8 }
    default:
      return { layer: protocol }
  }
}
