/**
 * PPP encapsulation as tunnels carry it (RFC 1661 section 2), and the multilink header (RFC 1990).
 *
 * L2TP, PPTP and PPPoE carry a PPP frame without the flags, the escapes and the frame check sequence of RFC 1662, because
 * the tunnel delimits the frame. What remains is an optional Address and Control field and a Protocol field of one or two
 * octets. Both forms of either are read at any time: a bystander that missed the negotiation must still understand the link,
 * and the forms cannot be confused.
 */
import { hexWord, NO_BYTES, u16, u24, u32 } from '../base/bytes.ts'

const ALL_STATIONS = 0xff
const UNNUMBERED_INFORMATION = 0x03

/** The PPP protocol numbers that code acts on. */
export const PPP = {
  PADDING: 0x0001,
  ROHC_SMALL_CID: 0x0003,
  IPV4: 0x0021,
  IPX: 0x002b,
  VJ_COMPRESSED: 0x002d,
  VJ_UNCOMPRESSED: 0x002f,
  BRIDGING: 0x0031,
  MULTILINK: 0x003d,
  ENCRYPTED_LINK: 0x0055,
  ENCRYPTED: 0x0053,
  IPV6: 0x0057,
  MULTIPLEXED: 0x0059,
  IPHC_FULL_HEADER: 0x0061,
  COMPRESSED_LINK: 0x00fb,
  COMPRESSED: 0x00fd,
  MPLS_UNICAST: 0x0281,
  MPLS_MULTICAST: 0x0283,
  IPCP: 0x8021,
  OSINLCP: 0x8023,
  ATCP: 0x8029,
  IPXCP: 0x802b,
  BCP: 0x8031,
  NBFCP: 0x803f,
  ECP: 0x8053,
  ILECP: 0x8055,
  IPV6CP: 0x8057,
  VSNCP: 0x805b,
  ILCCP: 0x80fb,
  CCP: 0x80fd,
  MPLSCP: 0x8281,
  LCP: 0xc021,
  PAP: 0xc023,
  LQR: 0xc025,
  SPAP: 0xc027,
  CBCP: 0xc029,
  BACP: 0xc02b,
  BAP: 0xc02d,
  CHAP: 0xc223,
  EAP: 0xc227,
} as const

/** Protocol names of the IANA registry "PPP DLL Protocol Numbers", by their usual short form where there is one. */
const PPP_PROTOCOLS: ReadonlyMap<number, string> = new Map([
  [0x0001, 'Padding'],
  [0x0003, 'ROHC small-CID'],
  [0x0005, 'ROHC large-CID'],
  [0x0021, 'IPv4'],
  [0x0023, 'OSI Network Layer'],
  [0x0025, 'Xerox NS IDP'],
  [0x0027, 'DECnet Phase IV'],
  [0x0029, 'AppleTalk'],
  [0x002b, 'IPX'],
  [0x002d, 'VJ Compressed TCP/IP'],
  [0x002f, 'VJ Uncompressed TCP/IP'],
  [0x0031, 'Bridging PDU'],
  [0x0033, 'Stream Protocol (ST-II)'],
  [0x0035, 'Banyan Vines'],
  [0x0039, 'AppleTalk EDDP'],
  [0x003b, 'AppleTalk SmartBuffered'],
  [0x003d, 'MP'],
  [0x003f, 'NetBIOS Framing'],
  [0x0041, 'Cisco Systems'],
  [0x0043, 'Ascom Timeplex'],
  [0x0045, 'Fujitsu LBLB'],
  [0x0047, 'DCA Remote LAN'],
  [0x0049, 'SDTP'],
  [0x004b, 'SNA over 802.2'],
  [0x004d, 'SNA'],
  [0x004f, 'IPv6 Header Compression'],
  [0x0051, 'KNX Bridging Data'],
  [0x0053, 'Encryption'],
  [0x0055, 'Individual Link Encryption'],
  [0x0057, 'IPv6'],
  [0x0059, 'PPP Muxing'],
  [0x005b, 'VSNP'],
  [0x005d, 'TNP'],
  [0x0061, 'RTP IPHC Full Header'],
  [0x0063, 'RTP IPHC Compressed TCP'],
  [0x0065, 'RTP IPHC Compressed Non TCP'],
  [0x0067, 'RTP IPHC Compressed UDP 8'],
  [0x0069, 'RTP IPHC Compressed RTP 8'],
  [0x006f, 'Stampede Bridging'],
  [0x0073, 'MP+'],
  [0x00c1, 'NTCITS IPI'],
  [0x00fb, 'Compressed Link in MP'],
  [0x00fd, 'Compressed Datagram'],
  [0x0201, '802.1d Hello'],
  [0x0203, 'IBM Source Routing BPDU'],
  [0x0205, 'DEC LANBridge100 Spanning Tree'],
  [0x0207, 'CDP'],
  [0x0209, 'Netcs Twin Routing'],
  [0x020b, 'STP (Scheduled Transfer)'],
  [0x020d, 'EDP'],
  [0x0211, 'OSCP'],
  [0x0213, 'OSCP'],
  [0x0231, 'Luxcom'],
  [0x0233, 'Sigma Network Systems'],
  [0x0235, 'Apple Client Server Protocol'],
  [0x0281, 'MPLS Unicast'],
  [0x0283, 'MPLS Multicast'],
  [0x0285, 'IEEE P1284.4'],
  [0x0287, 'TETRA TNP1'],
  [0x0289, 'Multichannel Flow Treatment'],
  [0x2063, 'RTP IPHC Compressed TCP No Delta'],
  [0x2065, 'RTP IPHC Context State'],
  [0x2067, 'RTP IPHC Compressed UDP 16'],
  [0x2069, 'RTP IPHC Compressed RTP 16'],
  [0x4001, 'Cray Communications Control'],
  [0x4003, 'CDPD Mobile Network Registration'],
  [0x4005, 'Expand Accelerator'],
  [0x4007, 'ODSICP NCP'],
  [0x4009, 'DOCSIS DLL'],
  [0x400b, 'Cetacean Network Detection'],
  [0x4021, 'Stacker LZS'],
  [0x4023, 'RefTek'],
  [0x4025, 'Fibre Channel'],
  [0x4027, 'OpenDOF'],
  [0x405b, 'VSP'],
  [0x405d, 'TLSP'],
  [0x8021, 'IPCP'],
  [0x8023, 'OSINLCP'],
  [0x8025, 'XNSCP'],
  [0x8027, 'DNCP'],
  [0x8029, 'ATCP'],
  [0x802b, 'IPXCP'],
  [0x8031, 'BCP'],
  [0x8033, 'Stream Protocol CP'],
  [0x8035, 'BVCP'],
  [0x803d, 'Multilink CP'],
  [0x803f, 'NBFCP'],
  [0x8041, 'Cisco Systems CP'],
  [0x8043, 'Ascom Timeplex CP'],
  [0x8045, 'Fujitsu LBLB CP'],
  [0x8047, 'RLNCP'],
  [0x8049, 'SDCP'],
  [0x804b, 'SNA over 802.2 CP'],
  [0x804d, 'SNACP'],
  [0x804f, 'IPv6 Header Compression CP'],
  [0x8051, 'KNX Bridging CP'],
  [0x8053, 'ECP'],
  [0x8055, 'ILECP'],
  [0x8057, 'IPV6CP'],
  [0x8059, 'PPPMuxCP'],
  [0x805b, 'VSNCP'],
  [0x805d, 'TNCP'],
  [0x806f, 'Stampede Bridging CP'],
  [0x8073, 'MP+ CP'],
  [0x80c1, 'NTCITS IPI CP'],
  [0x80fb, 'ILCCP'],
  [0x80fd, 'CCP'],
  [0x8207, 'CDPCP'],
  [0x8209, 'Netcs Twin Routing CP'],
  [0x820b, 'STP CP'],
  [0x820d, 'EDPCP'],
  [0x8235, 'Apple Client Server CP'],
  [0x8281, 'MPLSCP'],
  [0x8285, 'IEEE P1284.4 CP'],
  [0x8287, 'TETRA TNP1 CP'],
  [0x8289, 'Multichannel Flow Treatment CP'],
  [0xc021, 'LCP'],
  [0xc023, 'PAP'],
  [0xc025, 'LQR'],
  [0xc027, 'SPAP'],
  [0xc029, 'CBCP'],
  [0xc02b, 'BACP'],
  [0xc02d, 'BAP'],
  [0xc05b, 'VSAP'],
  [0xc081, 'Container CP'],
  [0xc223, 'CHAP'],
  [0xc225, 'RSA Authentication'],
  [0xc227, 'EAP'],
  [0xc229, 'SIEP'],
  [0xc26f, 'Stampede Bridging Authorization'],
  [0xc281, 'Proprietary Authentication'],
  [0xc283, 'Proprietary Authentication'],
  [0xc481, 'Proprietary Node ID Authentication'],
])

/** The name of a PPP protocol number, or 'unknown'. */
export function pppProtocolName(protocol: number): string {
  return PPP_PROTOCOLS.get(protocol) ?? 'unknown'
}

export type PppFlaw = 'ppp.truncated' | 'ppp.protocol'

export class PppView {
  bytes: Uint8Array = NO_BYTES
  /** Whether FF 03 stood before the protocol, that is: no Address-and-Control-Field-Compression in this frame. */
  hasAddress = false
  protocol = 0
  /** 1 under Protocol-Field-Compression, else 2. */
  protocolLength = 0
  payloadStart = 0
  payloadEnd = 0
  /** Where the frame ended on the wire: past `payloadEnd` if the capture cut it. */
  wireEnd = 0

  decode(bytes: Uint8Array, start: number, end: number, wireEnd: number = end): PppFlaw | null {
    if (end - start < 1) return 'ppp.truncated'
    let at = start
    // FF is no valid protocol octet (RFC 1661 section 2 reserves it), so it can only be the all-stations address.
    const hasAddress = bytes[at] === ALL_STATIONS
    if (hasAddress) {
      if (end - start < 3) return 'ppp.truncated'
      if (bytes[at + 1] !== UNNUMBERED_INFORMATION) return 'ppp.protocol'
      at += 2
    }
    let protocol = bytes[at]
    let protocolLength = 1
    if ((protocol & 1) === 0) {
      if (end - at < 2) return 'ppp.truncated'
      protocol = u16(bytes, at)
      protocolLength = 2
      if ((protocol & 1) === 0) return 'ppp.protocol'
    }
    this.bytes = bytes
    this.hasAddress = hasAddress
    this.protocol = protocol
    this.protocolLength = protocolLength
    this.payloadStart = at + protocolLength
    this.payloadEnd = end
    this.wireEnd = wireEnd
    return null
  }

  get isSnapped(): boolean {
    return this.wireEnd > this.payloadEnd
  }

  /** Network and link control protocols are numbered from 0x8000 on; what lies below is data (RFC 1661 section 2). */
  get isControl(): boolean {
    return this.protocol >= 0x8000
  }
}

export interface PppRecord {
  readonly address?: number
  readonly control?: number
  readonly protocol: number
  readonly protocolName: string
}

export function describePpp(view: PppView): PppRecord {
  const record = { protocol: view.protocol, protocolName: pppProtocolName(view.protocol) }
  return view.hasAddress ? { address: ALL_STATIONS, control: UNNUMBERED_INFORMATION, ...record } : record
}

export type MultilinkFlaw = 'mp.truncated'

/** The header of a multilink fragment (RFC 1990 section 3, classes of RFC 2686 section 3). */
export class MultilinkView {
  isFirst = false
  isLast = false
  classNumber = 0
  /** 24 bits, or 12 in the short format. */
  sequence = 0
  payloadStart = 0
  payloadEnd = 0

  /** `isShort` tells that LCP option 18, or option 27 with code 6, was acknowledged: the two formats look alike. */
  decode(bytes: Uint8Array, start: number, end: number, isShort: boolean): MultilinkFlaw | null {
    const headerLength = isShort ? 2 : 4
    if (end - start < headerLength) return 'mp.truncated'
    const head = bytes[start]
    this.isFirst = (head & 0x80) !== 0
    this.isLast = (head & 0x40) !== 0
    this.classNumber = isShort ? (head >> 4) & 0x03 : (head >> 2) & 0x0f
    this.sequence = isShort ? u16(bytes, start) & 0x0fff : u24(bytes, start + 1)
    this.payloadStart = start + headerLength
    this.payloadEnd = end
    return null
  }
}

export type LqrFlaw = 'lqr.truncated'

/** A Link-Quality-Report (RFC 1989 section 2.6): what the sender counted, all of it modulo 2^32. */
export interface LqrRecord {
  readonly magicNumber: string
  readonly lastOutReports: number
  readonly lastOutPackets: number
  readonly lastOutOctets: number
  readonly peerInReports: number
  readonly peerInPackets: number
  readonly peerInDiscards: number
  readonly peerInErrors: number
  readonly peerInOctets: number
  readonly peerOutReports: number
  readonly peerOutPackets: number
  readonly peerOutOctets: number
}

/** `view` is a frame of protocol 0xc025. */
export function describeLqr(view: PppView): LqrRecord | LqrFlaw {
  const { bytes, payloadStart: at } = view
  if (view.payloadEnd - at < 48) return 'lqr.truncated'
  return {
    magicNumber: `0x${hexWord(u32(bytes, at))}`,
    lastOutReports: u32(bytes, at + 4),
    lastOutPackets: u32(bytes, at + 8),
    lastOutOctets: u32(bytes, at + 12),
    peerInReports: u32(bytes, at + 16),
    peerInPackets: u32(bytes, at + 20),
    peerInDiscards: u32(bytes, at + 24),
    peerInErrors: u32(bytes, at + 28),
    peerInOctets: u32(bytes, at + 32),
    peerOutReports: u32(bytes, at + 36),
    peerOutPackets: u32(bytes, at + 40),
    peerOutOctets: u32(bytes, at + 44),
  }
}
