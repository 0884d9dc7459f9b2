/**
 * Which bytes are read as what: from the link header down to the IP header inside PPP.
 *
 * The verdict says what was found; a view of the frame may be read if the verdict reaches it. Nothing is kept between
 * packets but fragments, the ports on which L2TP was learned, and the servers that speak IKE over TCP.
 */
import { u16, u32 } from '../base/bytes.ts'
import { hashWindow } from '../base/hash.ts'
import { PairTable } from '../base/pair-table.ts'
import { GRE_PPP } from '../wire/gre.ts'
import { IKE_PORT } from '../wire/ike.ts'
import { IKE_TCP_PREFIX_LENGTH, isIkeTcpPrefix } from '../wire/ike-tcp.ts'
import { IP_PROTOCOL, type IpView, isIpv6Extension } from '../wire/ip.ts'
import { L2TP_PORT, l2tpVersion } from '../wire/l2tp.ts'
import { isL2tpV3 } from '../wire/l2tpv3-inference.ts'
import { ETHERTYPE } from '../wire/link.ts'
import { MirrorView } from '../wire/mirror.ts'
import { NATT_PORT } from '../wire/nat-t.ts'
import { PPP } from '../wire/ppp.ts'
import { PPTP_PORT } from '../wire/pptp.ts'
import type { Defragmenter } from './defragment.ts'
import type { Frame } from './frame.ts'
import { RecentViews } from './recent-views.ts'

/**
 * `foreign`: whole, and none of our protocols. `fragment`: held back until the datagram is complete. `flawed`: see
 * `frame.flaw`. `inner`: taken out of another packet, none of our protocols, and in `frame.inner`. `gre`: a call of PPTP.
 * `pppoe`: discovery, or a session that carries none of our protocols. The others name the protocol that `frame` holds.
 */
export type Verdict =
  | 'foreign'
  | 'fragment'
  | 'flawed'
  | 'l2tp'
  | 'l2tpv3'
  | 'l2f'
  | 'ike'
  | 'natt'
  | 'ike_tcp'
  | 'esp'
  | 'ah'
  | 'pptp'
  | 'gre'
  | 'pppoe'
  | 'inner'

/** Tunnels in tunnels: a real network nests two or three. */
const DEPTH_MAX = 4
/** A copy may be copied again on its way. */
const MIRRORS_MAX = 2

const TCP_HEADER_LENGTH = 20
const IKE_SERVERS_MAX = 1024
const CONFIGURED = 2
const LEARNED = 1

/** The first words of L2TPv3 over UDP, as every known sender has them. */
const V3_CONTROL = 0xc803
const V3_DATA = 0x0003

export class Dissector {
  readonly #defragmenter: Defragmenter
  /** `CONFIGURED` or `LEARNED` for a port on which L2TP is spoken. */
  readonly #l2tpPorts = new Uint8Array(65536)
  /** The ports that were learned, in that order: for L2TP, and for IKE over TCP. */
  readonly learned: { readonly udp: number[]; readonly tcp: number[] } = { udp: [], tcp: [] }
  /** TCP ports on which IKE is, or may be, spoken. */
  readonly #ikeTcpPorts = new Uint8Array(65536)
  /** By address and port: those on which connections began with the prefix, beside port 4500. */
  readonly #ikeServers = new PairTable(IKE_SERVERS_MAX)
  readonly #views = new RecentViews()
  readonly #mirror = new MirrorView()
  /** How many packets the current frame was mirrored in. */
  #mirrors = 0

  constructor(defragmenter: Defragmenter, l2tpPorts: readonly number[] = [L2TP_PORT]) {
    this.#defragmenter = defragmenter
    for (const port of l2tpPorts) this.#l2tpPorts[port] = CONFIGURED
    this.#ikeTcpPorts[NATT_PORT] = CONFIGURED
  }

  /**
   * Another port on which L2TP was seen to be negotiated: RFC 2661 section 8.1 lets both ends choose their own. The ports
   * of IKE are never learned: one forged answer from there would hide what is really spoken on them.
   */
  learnPort(port: number): void {
    if (port === IKE_PORT || port === NATT_PORT || this.#l2tpPorts[port] !== 0) return
    this.#l2tpPorts[port] = LEARNED
    this.learned.udp.push(port)
  }

  /** Whether the frame holds a data message as nearly all are, now in `frame.plain` and `frame.inner`. `dissect` calls it 'l2tp', too. */
  isPlainData(frame: Frame): boolean {
    if (!frame.plain.read(frame, this.#views.of(frame.bytes), this.#l2tpPorts, CONFIGURED)) return false
    frame.hasInner = true
    return true
  }

  dissect(frame: Frame): Verdict {
    reset(frame)
    frame.hasUdp = false
    frame.isInTcp = false
    frame.sourcePort = 0
    frame.destinationPort = 0
    frame.depth = 0
    frame.protection = null
    this.#mirrors = 0
    const linkFlaw = frame.link.decode(frame.bytes, frame.start, frame.end, frame.linkType)
    const verdict = linkFlaw === null ? this.#outermost(frame) : flawed(frame, 'link', linkFlaw)
    return verdict === 'foreign' ? this.#pppoe(frame) : verdict
  }

  /** What stands behind the link header. */
  #outermost(frame: Frame): Verdict {
    const { link, ip } = frame
    if (link.etherType !== ETHERTYPE.IPV4 && link.etherType !== ETHERTYPE.IPV6) return 'foreign'
    const ipFlaw = ip.decode(frame.bytes, link.payloadStart, link.payloadEnd)
    if (ipFlaw !== null) return flawed(frame, 'ip', ipFlaw)
    if (ip.isFragment) {
      if (!mayBeOurs(frame)) return 'foreign'
      if (!this.#defragmenter.complete(frame)) return 'fragment'
    }
    return this.#transport(frame)
  }

  /**
   * Goes on with the IP packet in a window of other bytes, which was taken out of the one in the frame: `frame.ip` reads it
   * from then on. What is not whole there stays a packet of its own.
   */
  inside(frame: Frame, bytes: Uint8Array, start: number, end: number): Verdict {
    const { ip } = frame
    reset(frame)
    if (++frame.depth > DEPTH_MAX) return flawed(frame, 'ip', 'ip.nested_too_deep')
    const flaw = ip.decode(bytes, start, end)
    if (flaw !== null) return flawed(frame, 'inner.ip', flaw)
    const verdict = ip.isFragment ? 'foreign' : this.#transport(frame)
    if (verdict !== 'foreign') return verdict
    frame.hasInner = frame.inner.decode(bytes, start, end) === null
    return 'inner'
  }

  /**
   * A frame that was copied to the sensor inside an IP packet is read as if it had come alone. What a tunnel or a PPPoE session carries
   * is nobody's copy, and one that came in fragments is left alone: the link header that is kept must be one of the frame's own bytes.
   */
  #mirrored(frame: Frame): Verdict {
    const { bytes, linkType, payloadStart, payloadEnd } = this.#mirror
    if (frame.depth > 0 || frame.link.pppoeAt !== -1) return 'foreign'
    if (bytes !== frame.bytes || ++this.#mirrors > MIRRORS_MAX) return 'foreign'
    if (frame.link.decode(bytes, payloadStart, payloadEnd, linkType) !== null) return 'foreign'
    frame.hasUdp = false
    frame.sourcePort = 0
    frame.destinationPort = 0
    return this.#outermost(frame)
  }

  /** What is none of ours may still be a PPPoE session's own. */
  #pppoe(frame: Frame): Verdict {
    const { link, pppoe } = frame
    const isSession = link.pppoeAt !== -1
    if (!isSession && link.etherType !== ETHERTYPE.PPPOE_DISCOVERY) return 'foreign'
    const at = isSession ? link.pppoeAt : link.payloadStart
    const wireEnd = Math.max(frame.end, frame.start + frame.originalLength)
    const flaw = pppoe.decode(frame.bytes, at, frame.end, wireEnd)
    if (flaw !== null) return flawed(frame, 'pppoe', flaw)
    if (isSession) this.#readPpp(frame, frame.bytes, pppoe.payloadStart, pppoe.payloadEnd, pppoe.wireEnd)
    return 'pppoe'
  }

  #transport(frame: Frame): Verdict {
    const { ip, udp } = frame
    switch (ip.protocol) {
      case IP_PROTOCOL.UDP:
        break
      case IP_PROTOCOL.TCP:
        return this.#tcp(frame)
      case IP_PROTOCOL.GRE:
        return this.#gre(frame)
      case IP_PROTOCOL.L2TP:
        return this.#l2tpV3(frame, frame.l2tpv3.decodeIp(ip.bytes, ip.payloadStart, ip.payloadEnd, ip.wireEnd))
      case IP_PROTOCOL.ESP:
        return 'esp'
      case IP_PROTOCOL.AH:
        return 'ah'
      default:
        return 'foreign'
    }
    const udpFlaw = udp.decode(ip.bytes, ip.payloadStart, ip.payloadEnd, ip.wireEnd)
    if (udpFlaw === 'udp.truncated') return flawed(frame, 'udp', udpFlaw)
    if (!frame.hasUdp) {
      frame.hasUdp = true
      frame.sourcePort = udp.sourcePort
      frame.destinationPort = udp.destinationPort
    }
    const spoken = Math.max(this.#l2tpPorts[udp.sourcePort], this.#l2tpPorts[udp.destinationPort])
    if (spoken === CONFIGURED) return udpFlaw === null ? this.#l2tp(frame) : flawed(frame, 'udp', udpFlaw)
    if (udp.sourcePort === NATT_PORT || udp.destinationPort === NATT_PORT) return 'natt'
    if (udp.sourcePort === IKE_PORT || udp.destinationPort === IKE_PORT) return 'ike'
    // On a port that was learned other programs may speak too: only what decodes is ours.
    if (udpFlaw === null && (spoken === LEARNED ? this.#isPlain(frame) : this.#isUnannounced(frame))) {
      const verdict = this.#l2tp(frame)
      if (verdict === 'l2tp' || verdict === 'l2tpv3') return verdict
      reset(frame)
    }
    return udpFlaw === null && this.#mirror.readUdp(udp) ? this.#mirrored(frame) : 'foreign'
  }

  /** TCP port 4500, or one on which a connection began with the prefix (RFC 9329). What is inside a tunnel is a flow of it. */
  #isIkeTcp({ ip, depth }: Frame): boolean {
    const { bytes, payloadStart: at, payloadEnd } = ip
    if (depth > 0 || payloadEnd - at < TCP_HEADER_LENGTH) return false
    const source = u16(bytes, at)
    const destination = u16(bytes, at + 2)
    if (this.#isIkeServer(ip, ip.sourceAt, source) || this.#isIkeServer(ip, ip.destinationAt, destination)) return true
    const start = at + (bytes[at + 12] >> 4) * 4
    if (payloadEnd - start < IKE_TCP_PREFIX_LENGTH || !isIkeTcpPrefix(bytes, start, payloadEnd)) return false
    const server = hashWindow(ip.bytes, ip.destinationAt, ip.destinationAt + ip.addressLength)
    if (this.#ikeServers.insert(server, destination, 1)) this.#learnIkeTcp(destination)
    return true
  }

  #learnIkeTcp(port: number): void {
    if (this.#ikeTcpPorts[port] === LEARNED) return
    this.#ikeTcpPorts[port] = LEARNED
    this.learned.tcp.push(port)
  }

  /** A port that is spoken on by one server is none of the others' business: it may be that of all the web. */
  #isIkeServer({ bytes, addressLength }: IpView, addressAt: number, port: number): boolean {
    const spoken = this.#ikeTcpPorts[port]
    if (spoken !== LEARNED) return spoken === CONFIGURED
    return this.#ikeServers.find(hashWindow(bytes, addressAt, addressAt + addressLength), port) !== -1
  }

  #ikeTcp(frame: Frame): Verdict {
    const { ip, tcp } = frame
    const flaw = tcp.decode(ip.bytes, ip.payloadStart, ip.payloadEnd)
    if (flaw !== null) return 'foreign'
    frame.hasUdp = true
    frame.isInTcp = true
    frame.sourcePort = tcp.sourcePort
    frame.destinationPort = tcp.destinationPort
    return 'ike_tcp'
  }

  /** Version 2, whose header gives a stranger away, or version 3 without any bit that a sender leaves free. */
  #isPlain({ udp }: Frame): boolean {
    const { bytes, payloadStart, payloadEnd } = udp
    if (payloadEnd - payloadStart < 6) return false
    const head = u16(bytes, payloadStart)
    if ((head & 0x000f) === 2) return true
    return head === V3_CONTROL || (head === V3_DATA && u16(bytes, payloadStart + 2) === 0)
  }

  /** Tunnels of version 3 that are set up by hand announce their ports to nobody: their messages must speak for themselves. */
  #isUnannounced({ udp }: Frame): boolean {
    const { bytes, payloadStart, payloadEnd, wireEnd } = udp
    if (payloadEnd - payloadStart < 8) return false
    const head = u32(bytes, payloadStart)
    if (head !== V3_DATA << 16 && head >>> 16 !== V3_CONTROL) return false
    if (!isL2tpV3(bytes, payloadStart, payloadEnd, wireEnd)) return false
    this.learnPort(udp.sourcePort)
    this.learnPort(udp.destinationPort)
    return true
  }

  #l2tpV3(frame: Frame, flaw: string | null): Verdict {
    return flaw === null ? 'l2tpv3' : flawed(frame, 'l2tpv3', flaw)
  }

  #l2tp(frame: Frame): Verdict {
    const { udp, l2tp } = frame
    switch (l2tpVersion(udp.bytes, udp.payloadStart, udp.payloadEnd)) {
      case 2: {
        const l2tpFlaw = l2tp.decode(udp.bytes, udp.payloadStart, udp.payloadEnd, udp.wireEnd)
        if (l2tpFlaw !== null) return flawed(frame, 'l2tp', l2tpFlaw)
        if (!l2tp.isControl) this.#payload(frame)
        return 'l2tp'
      }
      case 3:
        return this.#l2tpV3(frame, frame.l2tpv3.decodeUdp(udp.bytes, udp.payloadStart, udp.payloadEnd, udp.wireEnd))
      case 1:
        return 'l2f'
      default:
        return flawed(frame, 'l2tp', udp.payloadEnd - udp.payloadStart < 2 ? 'l2tp.truncated' : 'l2tp.version')
    }
  }

  #tcp(frame: Frame): Verdict {
    const { ip, tcp } = frame
    const { bytes, payloadStart: at } = ip
    if (this.#isIkeTcp(frame)) return this.#ikeTcp(frame)
    if (ip.payloadEnd - at < 4 || (u16(bytes, at) !== PPTP_PORT && u16(bytes, at + 2) !== PPTP_PORT)) return 'foreign'
    const flaw = tcp.decode(bytes, at, ip.payloadEnd)
    return flaw === null ? 'pptp' : flawed(frame, 'tcp', flaw)
  }

  /** The calls of PPTP, and what is mirrored; other GRE is none of ours. */
  #gre(frame: Frame): Verdict {
    const { ip, gre } = frame
    const flaw = gre.decode(ip.bytes, ip.payloadStart, ip.payloadEnd, ip.wireEnd)
    if (flaw === null && this.#mirror.readGre(gre)) return this.#mirrored(frame)
    if (gre.version !== 1 || gre.protocol !== GRE_PPP) return 'foreign'
    if (flaw !== null) return flawed(frame, 'gre', flaw)
    if (gre.payloadLength > 0) this.#readPpp(frame, gre.bytes, gre.payloadStart, gre.payloadEnd, gre.wireEnd)
    return 'gre'
  }

  #payload(frame: Frame): void {
    const { l2tp } = frame
    this.#readPpp(frame, l2tp.bytes, l2tp.payloadStart, l2tp.payloadEnd, l2tp.messageEnd)
  }

  /** PPP, and IP in PPP. A flaw here leaves the packet what it is: what carries it still counts it. */
  #readPpp(frame: Frame, bytes: Uint8Array, start: number, end: number, wireEnd: number): void {
    const { ppp, inner } = frame
    const pppFlaw = ppp.decode(bytes, start, end, wireEnd)
    if (pppFlaw !== null) {
      flawed(frame, 'ppp', pppFlaw)
      return
    }
    frame.hasPpp = true
    if (ppp.protocol !== PPP.IPV4 && ppp.protocol !== PPP.IPV6) return
    const innerFlaw = inner.decode(ppp.bytes, ppp.payloadStart, ppp.payloadEnd)
    if (innerFlaw !== null) flawed(frame, 'inner.ip', innerFlaw)
    else frame.hasInner = true
  }
}

/** Of a fragment: an extension header of IPv6 may hide any protocol until the packet is whole. */
function mayBeOurs({ ip }: Frame): boolean {
  switch (ip.protocol) {
    case IP_PROTOCOL.UDP:
    case IP_PROTOCOL.GRE:
    case IP_PROTOCOL.L2TP:
    case IP_PROTOCOL.ESP:
    case IP_PROTOCOL.AH:
      return true
    default:
      return ip.version === 6 && isIpv6Extension(ip.protocol)
  }
}

function reset(frame: Frame): void {
  frame.flaw = null
  frame.flawLayer = ''
  frame.hasPpp = false
  frame.hasInner = false
}

function flawed(frame: Frame, layer: string, flaw: string): Verdict {
  frame.flaw = flaw
  frame.flawLayer = layer
  return 'flawed'
}
