/**
 * Everything between the start of a frame and its IP packet: link headers by LINKTYPE, VLAN tags (IEEE 802.1Q, 802.1ad),
 * MPLS label stacks (RFC 3032), LLC/SNAP, PPPoE sessions (RFC 2516) and PPP (RFC 1661).
 *
 * The view walks them in one go, because the packet path wants the payload and the VLAN and nothing else;
 * `describeLink` gives every layer.
 */
import { hex, NO_BYTES, u16, u32 } from '../base/bytes.ts'
import {
  describePppoe,
  INLINE_CREDITS_LENGTH,
  inlineCredits,
  PPPOE_HEADER_LENGTH,
  type PppoeFlaw,
  type PppoeRecord,
  PppoeTagCursor,
  PppoeView,
} from './pppoe.ts'

/** LINKTYPE_ numbers of the capture formats (the pcap link-type registry). */
export const LINKTYPE = {
  NULL: 0,
  ETHERNET: 1,
  PPP: 9,
  RAW_BSD: 12,
  RAW_OPENBSD: 14,
  PPP_HDLC: 50,
  PPP_ETHER: 51,
  RAW: 101,
  C_HDLC: 104,
  LOOP: 108,
  LINUX_SLL: 113,
  PPP_PPPD: 166,
  PPP_WITH_DIR: 204,
  IPV4: 228,
  IPV6: 229,
  LINUX_SLL2: 276,
} as const

export const ETHERTYPE = {
  IPV4: 0x0800,
  ARP: 0x0806,
  VLAN: 0x8100,
  IPV6: 0x86dd,
  MPLS: 0x8847,
  MPLS_MULTICAST: 0x8848,
  PPPOE_DISCOVERY: 0x8863,
  PPPOE_SESSION: 0x8864,
  QINQ: 0x88a8,
  QINQ_OLD: 0x9100,
  TRANSPARENT_ETHERNET: 0x6558,
} as const

export type LinkFlaw = 'link.truncated' | 'link.unsupported' | 'link.too_deep'

/** More tags or labels than this is an attack or a corruption; no network stacks so many. */
const LAYERS_MAX = 12

export class LinkView {
  bytes = NO_BYTES
  /** EtherType of the payload; for raw IP and PPP the EtherType that stands for what is inside; 0 if it is none. */
  etherType = 0
  /** VLAN id of the outermost tag, or -1. */
  vlanId = -1
  /** Where the PPPoE header of a session stands, or -1: what it carries is read as if it came alone. */
  pppoeAt = -1
  /** Where the addresses of the innermost Ethernet header stand, destination first; -1 without one. */
  stationsAt = -1
  payloadStart = 0
  payloadEnd = 0

  decode(bytes: Uint8Array, start: number, end: number, linkType: number): LinkFlaw | null {
    this.bytes = bytes
    this.vlanId = -1
    this.pppoeAt = -1
    this.stationsAt = -1
    this.etherType = 0
    this.payloadStart = start
    this.payloadEnd = end
    switch (linkType) {
      case LINKTYPE.ETHERNET:
        if (end - start < 14) return 'link.truncated'
        this.stationsAt = start
        return this.#walk(start + 14, u16(bytes, start + 12))
      case LINKTYPE.RAW:
      case LINKTYPE.RAW_BSD:
      case LINKTYPE.RAW_OPENBSD:
      case LINKTYPE.IPV4:
      case LINKTYPE.IPV6:
        return this.#bareIp(start)
      case LINKTYPE.LINUX_SLL:
        if (end - start < 16) return 'link.truncated'
        return this.#walk(start + 16, u16(bytes, start + 14))
      case LINKTYPE.LINUX_SLL2:
        if (end - start < 20) return 'link.truncated'
        return this.#walk(start + 20, u16(bytes, start))
      case LINKTYPE.NULL:
      case LINKTYPE.LOOP:
        if (end - start < 4) return 'link.truncated'
        // The address family is in the byte order of the capturing host and differs between systems; the IP version does not.
        return this.#bareIp(start + 4)
      case LINKTYPE.PPP:
      case LINKTYPE.PPP_HDLC:
      case LINKTYPE.PPP_PPPD:
        return isCiscoHdlc(bytes, start, end) ? this.#walk(start + 4, u16(bytes, start + 2)) : this.#ppp(start)
      case LINKTYPE.PPP_WITH_DIR:
        if (end - start < 1) return 'link.truncated'
        return this.#ppp(start + 1)
      case LINKTYPE.PPP_ETHER:
        return this.#walk(start, ETHERTYPE.PPPOE_SESSION)
      case LINKTYPE.C_HDLC:
        if (end - start < 4) return 'link.truncated'
        return this.#walk(start + 4, u16(bytes, start + 2))
      default:
        return 'link.unsupported'
    }
  }

  #walk(start: number, firstType: number): LinkFlaw | null {
    const bytes = this.bytes
    const end = this.payloadEnd
    let at = start
    let type = firstType
    for (let depth = 0; depth < LAYERS_MAX; depth++) {
      this.payloadStart = at
      switch (type) {
        case ETHERTYPE.VLAN:
        case ETHERTYPE.QINQ:
        case ETHERTYPE.QINQ_OLD:
          if (end - at < 4) return 'link.truncated'
          if (this.vlanId === -1) this.vlanId = u16(bytes, at) & 0x0fff
          type = u16(bytes, at + 2)
          at += 4
          break
        case ETHERTYPE.MPLS:
        case ETHERTYPE.MPLS_MULTICAST:
          return this.#mpls(at)
        case ETHERTYPE.PPPOE_SESSION:
          if (end - at < 6) return 'link.truncated'
          this.pppoeAt = at
          return this.#ppp(at + 6)
        default:
          if (type >= 0x0600) {
            this.etherType = type
            return null
          }
          // An 802.3 length: LLC follows; SNAP (AA AA 03 00 00 00) holds an EtherType again.
          if (end - at < 8 || u32(bytes, at) >>> 8 !== 0xaaaa03) return null
          type = u16(bytes, at + 6)
          at += 8
          if (type < 0x0600) return null
      }
    }
    return 'link.too_deep'
  }

  /** Labels until the bottom of the stack; what follows has no type field, so IP is told by its version nibble. */
  #mpls(start: number): LinkFlaw | null {
    const bytes = this.bytes
    let at = start
    for (let depth = 0; depth < LAYERS_MAX; depth++) {
      if (this.payloadEnd - at < 4) return 'link.truncated'
      const bottom = (bytes[at + 2] & 1) === 1
      at += 4
      if (!bottom) continue
      if (this.payloadEnd - at < 1) return 'link.truncated'
      const nibble = bytes[at] >> 4
      if (nibble === 4 || nibble === 6) return this.#bareIp(at)
      // A pseudowire: an optional control word (first nibble 0), then Ethernet (RFC 4448).
      if (nibble === 0 && this.payloadEnd - at >= 18) {
        this.stationsAt = at + 4
        return this.#walk(at + 18, u16(bytes, at + 16))
      }
      this.payloadStart = at
      return null
    }
    return 'link.too_deep'
  }

  #bareIp(at: number): LinkFlaw | null {
    if (this.payloadEnd - at < 1) return 'link.truncated'
    const version = this.bytes[at] >> 4
    this.payloadStart = at
    if (version === 4) this.etherType = ETHERTYPE.IPV4
    else if (version === 6) this.etherType = ETHERTYPE.IPV6
    return null
  }

  #ppp(start: number): LinkFlaw | null {
    const bytes = this.bytes
    const end = this.payloadEnd
    let at = start
    if (end - at >= 2 && bytes[at] === 0xff && bytes[at + 1] === 0x03) at += 2
    if (end - at < 1) return 'link.truncated'
    let protocol = bytes[at]
    if ((protocol & 1) === 0) {
      if (end - at < 2) return 'link.truncated'
      protocol = u16(bytes, at)
      at++
    }
    this.payloadStart = at + 1
    if (protocol === 0x0021) this.etherType = ETHERTYPE.IPV4
    else if (protocol === 0x0057) this.etherType = ETHERTYPE.IPV6
    return null
  }
}

/** A MAC address with colons. */
export function macText(bytes: Uint8Array, at: number): string {
  return hex(bytes, at, at + 6).replace(/..(?!$)/g, '$&:')
}

/** Captures of serial lines say PPP where the line speaks Cisco HDLC: address 0F (unicast) or 8F (multicast), then a zero. */
function isCiscoHdlc(bytes: Uint8Array, start: number, end: number): boolean {
  return end - start >= 4 && (bytes[start] === 0x0f || bytes[start] === 0x8f) && bytes[start + 1] === 0
}

// --- Describing ---------------------------------------------------------------------------------------------------------

/** One layer of a dissected packet, its fields by their standard names. */
interface LinkLayer {
  readonly layer: string
  readonly flaw?: LinkFlaw | PppoeFlaw | NonNullable<PppoeRecord['flaw']>
  readonly [field: string]: unknown
}

/** The layers before the network layer, and what stands behind them. */
export interface LinkDescription {
  readonly layers: LinkLayer[]
  /** `ppp`: a PPP frame, address or protocol first. `none`: nothing that can be read follows. */
  readonly payload: 'ip' | 'ppp' | 'other' | 'none'
  /** Of the payload, where a type field says it; else 0. */
  readonly etherType: number
  readonly payloadStart: number
  readonly payloadEnd: number
  /** Where the payload ended on the wire, if a layer before it says so. */
  readonly payloadWireEnd: number | undefined
}

const ETHERTYPE_NAMES: ReadonlyMap<number, string> = new Map([
  [0x0800, 'ipv4'],
  [0x0806, 'arp'],
  [0x6558, 'transparent-ethernet'],
  [0x8035, 'rarp'],
  [0x8100, 'vlan'],
  [0x86dd, 'ipv6'],
  [0x8808, 'mac-control'],
  [0x8809, 'slow'],
  [0x880b, 'ppp'],
  [0x8847, 'mpls'],
  [0x8848, 'mpls'],
  [0x8863, 'pppoe-discovery'],
  [0x8864, 'pppoe'],
  [0x888e, 'eapol'],
  [0x88a8, 'vlan'],
  [0x88cc, 'lldp'],
  [0x88e5, 'macsec'],
  [0x9000, 'loopback-test'],
  [0x9100, 'vlan'],
])

/** The usual short name of an EtherType, or 'unknown'. */
export function etherTypeName(etherType: number): string {
  return ETHERTYPE_NAMES.get(etherType) ?? 'unknown'
}

const SLL_PACKET_TYPES = ['unicast', 'broadcast', 'multicast', 'other host', 'outgoing']

/**
 * Describes the link layers of a frame, as `LinkView` walks them. `wireEnd`, here and below, is where the frame ended on the
 * wire; the capture may have cut it at `end`.
 */
export function describeLink(
  bytes: Uint8Array,
  start: number,
  end: number,
  linkType: number,
  wireEnd: number = end,
): LinkDescription {
  return new LinkWalk(bytes, end, wireEnd).frame(start, linkType)
}

/** Describes an Ethernet frame that another layer carries. */
export function describeEthernet(
  bytes: Uint8Array,
  start: number,
  end: number,
  wireEnd: number = end,
): LinkDescription {
  return new LinkWalk(bytes, end, wireEnd).frame(start, LINKTYPE.ETHERNET)
}

/** Describes what stands behind an EtherType that another layer has, a label stack for example. */
export function describeEtherType(
  bytes: Uint8Array,
  start: number,
  end: number,
  etherType: number,
  wireEnd: number = end,
): LinkDescription {
  return new LinkWalk(bytes, end, wireEnd).typed(start, etherType)
}

class LinkWalk {
  readonly #bytes: Uint8Array
  readonly #layers: LinkLayer[] = []
  readonly #wireEnd: number
  #end: number
  #statedEnd: number | undefined

  constructor(bytes: Uint8Array, end: number, wireEnd: number) {
    this.#bytes = bytes
    this.#end = end
    this.#wireEnd = Math.max(end, wireEnd)
  }

  frame(start: number, linkType: number): LinkDescription {
    const bytes = this.#bytes
    switch (linkType) {
      case LINKTYPE.ETHERNET:
        return this.#ethernet(start)
      case LINKTYPE.RAW:
      case LINKTYPE.RAW_BSD:
      case LINKTYPE.RAW_OPENBSD:
      case LINKTYPE.IPV4:
      case LINKTYPE.IPV6:
        return this.#bareIp(start)
      case LINKTYPE.LINUX_SLL:
        return this.#sll(start)
      case LINKTYPE.LINUX_SLL2:
        return this.#sll2(start)
      case LINKTYPE.NULL:
      case LINKTYPE.LOOP:
        return this.#loopback(start)
      case LINKTYPE.PPP:
      case LINKTYPE.PPP_HDLC:
      case LINKTYPE.PPP_PPPD:
        return isCiscoHdlc(bytes, start, this.#end) ? this.#ciscoHdlc(start) : this.#stop('ppp', start)
      case LINKTYPE.PPP_WITH_DIR:
        if (this.#end - start < 1) return this.#flawed('ppp-direction', 'link.truncated', start)
        this.#layers.push({ layer: 'ppp-direction', direction: bytes[start] === 0 ? 'received' : 'sent' })
        return this.#stop('ppp', start + 1)
      case LINKTYPE.PPP_ETHER:
        return this.#pppoe(start, ETHERTYPE.PPPOE_SESSION)
      case LINKTYPE.C_HDLC:
        return this.#ciscoHdlc(start)
      default:
        return this.#flawed('link', 'link.unsupported', start, { linkType })
    }
  }

  typed(start: number, etherType: number): LinkDescription {
    let at = start
    let type = etherType
    for (let depth = 0; depth < LAYERS_MAX; depth++) {
      switch (type) {
        case ETHERTYPE.VLAN:
        case ETHERTYPE.QINQ:
        case ETHERTYPE.QINQ_OLD: {
          if (this.#end - at < 4) return this.#flawed('vlan', 'link.truncated', at)
          const tag = u16(this.#bytes, at)
          const inside = u16(this.#bytes, at + 2)
          this.#layers.push({
            layer: 'vlan',
            tagProtocol: type,
            priority: tag >> 13,
            dropEligible: (tag & 0x1000) !== 0,
            id: tag & 0x0fff,
            etherType: inside,
          })
          type = inside
          at += 4
          break
        }
        case ETHERTYPE.MPLS:
        case ETHERTYPE.MPLS_MULTICAST:
          return this.#mpls(at)
        case ETHERTYPE.PPPOE_SESSION:
        case ETHERTYPE.PPPOE_DISCOVERY:
          return this.#pppoe(at, type)
        case ETHERTYPE.IPV4:
        case ETHERTYPE.IPV6:
          return this.#stop('ip', at, type)
        default: {
          if (type >= 0x0600) return this.#stop('other', at, type)
          const inside = this.#llc(at, type)
          if (inside === 0) return this.#stop('none', at)
          type = inside
          at += 8
        }
      }
    }
    return this.#flawed('link', 'link.too_deep', at)
  }

  #ethernet(start: number): LinkDescription {
    const bytes = this.#bytes
    if (this.#end - start < 14) return this.#flawed('ethernet', 'link.truncated', start)
    const type = u16(bytes, start + 12)
    const addresses = { destination: macText(bytes, start), source: macText(bytes, start + 6) }
    this.#layers.push({
      layer: 'ethernet',
      ...addresses,
      ...(type >= 0x0600 ? { etherType: type, etherTypeName: etherTypeName(type) } : { length: type }),
    })
    return this.typed(start + 14, type)
  }

  #sll(at: number): LinkDescription {
    const bytes = this.#bytes
    if (this.#end - at < 16) return this.#flawed('sll', 'link.truncated', at)
    const protocol = u16(bytes, at + 14)
    const packetType = u16(bytes, at)
    this.#layers.push({
      layer: 'sll',
      packetType,
      packetTypeName: SLL_PACKET_TYPES[packetType] ?? 'unknown',
      hardwareType: u16(bytes, at + 2),
      address: hex(bytes, at + 6, at + 6 + Math.min(u16(bytes, at + 4), 8)),
      protocol,
    })
    return this.typed(at + 16, protocol)
  }

  #sll2(at: number): LinkDescription {
    const bytes = this.#bytes
    if (this.#end - at < 20) return this.#flawed('sll2', 'link.truncated', at)
    const protocol = u16(bytes, at)
    this.#layers.push({
      layer: 'sll2',
      protocol,
      interfaceIndex: u32(bytes, at + 4),
      hardwareType: u16(bytes, at + 8),
      packetType: bytes[at + 10],
      packetTypeName: SLL_PACKET_TYPES[bytes[at + 10]] ?? 'unknown',
      address: hex(bytes, at + 12, at + 12 + Math.min(bytes[at + 11], 8)),
    })
    return this.typed(at + 20, protocol)
  }

  #loopback(at: number): LinkDescription {
    const bytes = this.#bytes
    if (this.#end - at < 4) return this.#flawed('loopback', 'link.truncated', at)
    // The family is a small number in the byte order of the capturing host.
    const family = u16(bytes, at) === 0 ? u16(bytes, at + 2) : bytes[at] | (bytes[at + 1] << 8)
    this.#layers.push({ layer: 'loopback', family })
    return this.#bareIp(at + 4)
  }

  #ciscoHdlc(at: number): LinkDescription {
    const bytes = this.#bytes
    if (this.#end - at < 4) return this.#flawed('chdlc', 'link.truncated', at)
    const protocol = u16(bytes, at + 2)
    this.#layers.push({ layer: 'chdlc', address: bytes[at], control: bytes[at + 1], protocol })
    return this.typed(at + 4, protocol)
  }

  /** LLC behind an 802.3 length. Gives the EtherType in SNAP, or 0. */
  #llc(at: number, length: number): number {
    const bytes = this.#bytes
    // A length of 0, and lengths that the frame does not hold, occur in cooked captures: then the frame's end counts.
    if (length > 0 && at + length < this.#end) {
      this.#end = at + length
      this.#statedEnd = this.#end
    }
    if (this.#end - at < 3) {
      this.#layers.push({ layer: 'llc', flaw: 'link.truncated' })
      return 0
    }
    const [dsap, ssap, control] = [bytes[at], bytes[at + 1], bytes[at + 2]]
    this.#layers.push({ layer: 'llc', dsap, ssap, control })
    if (dsap !== 0xaa || ssap !== 0xaa || control !== 3 || this.#end - at < 8) return 0
    const protocol = u16(bytes, at + 6)
    this.#layers.push({ layer: 'snap', oui: hex(bytes, at + 3, at + 6), protocol })
    return u32(bytes, at) >>> 8 === 0xaaaa03 && protocol >= 0x0600 ? protocol : 0
  }

  #mpls(start: number): LinkDescription {
    const bytes = this.#bytes
    let at = start
    for (let depth = 0; depth < LAYERS_MAX; depth++) {
      if (this.#end - at < 4) return this.#flawed('mpls', 'link.truncated', at)
      const entry = u32(bytes, at)
      const bottom = ((entry >> 8) & 1) === 1
      this.#layers.push({
        layer: 'mpls',
        label: entry >>> 12,
        trafficClass: (entry >> 9) & 7,
        bottom,
        ttl: entry & 0xff,
      })
      at += 4
      if (!bottom) continue
      if (this.#end - at < 1) return this.#stop('none', at)
      const nibble = bytes[at] >> 4
      if (nibble === 4 || nibble === 6) return this.#bareIp(at)
      if (nibble !== 0 || this.#end - at < 18) return this.#stop('none', at)
      this.#layers.push({ layer: 'pseudowire-control-word', sequence: u16(bytes, at + 2) })
      return this.#ethernet(at + 4)
    }
    return this.#flawed('link', 'link.too_deep', at)
  }

  #pppoe(at: number, etherType: number): LinkDescription {
    const isSession = etherType === ETHERTYPE.PPPOE_SESSION
    const layer = isSession ? 'pppoe' : 'pppoe-discovery'
    const view = new PppoeView()
    const flaw = view.decode(this.#bytes, at, this.#end, this.#wireEnd)
    if (flaw === 'pppoe.truncated') return this.#flawed(layer, 'link.truncated', at)
    const record = describePppoe(view, new PppoeTagCursor())
    if (flaw !== null) {
      this.#layers.push({ layer, ...record, flaw })
      return this.#stop('none', at + PPPOE_HEADER_LENGTH)
    }
    this.#end = view.payloadEnd
    this.#statedEnd = view.wireEnd
    if (!isSession) {
      this.#layers.push({ layer, ...record })
      return this.#stop('none', this.#end)
    }
    const credits = inlineCredits(this.#bytes, view.payloadStart, view.payloadEnd)
    this.#layers.push({ layer, ...record, ...credits })
    return this.#stop('ppp', view.payloadStart + (credits === null ? 0 : INLINE_CREDITS_LENGTH))
  }

  #bareIp(at: number): LinkDescription {
    if (this.#end - at < 1) return this.#flawed('link', 'link.truncated', at)
    const version = this.#bytes[at] >> 4
    if (version === 4) return this.#stop('ip', at, ETHERTYPE.IPV4)
    return version === 6 ? this.#stop('ip', at, ETHERTYPE.IPV6) : this.#stop('other', at)
  }

  #flawed(layer: string, flaw: LinkFlaw, at: number, fields: Record<string, unknown> = {}): LinkDescription {
    this.#layers.push({ layer, ...fields, flaw })
    return this.#stop('none', at)
  }

  #stop(payload: LinkDescription['payload'], at: number, etherType = 0): LinkDescription {
    return {
      layers: this.#layers,
      payload,
      etherType,
      payloadStart: at,
      payloadEnd: this.#end,
      payloadWireEnd: this.#statedEnd,
    }
  }
}
