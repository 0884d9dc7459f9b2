/**
 * Data messages as nearly all are, read by words in one go: Ethernet, at most one VLAN tag, IPv4 without options (RFC 791), a
 * whole UDP datagram, L2TP version 2 without padding (RFC 2661 section 3.1), PPP (RFC 1661 section 2), IP.
 *
 * The dissector says the same of such a frame, layer by layer, in more than twice the time; what is otherwise in any way is left
 * to it. Each session has its own form of the headers, and the packets of many sessions come mixed: what depends on that form is
 * computed, because a branch on it would be guessed wrong every other time.
 */
import { ETHERTYPE, LINKTYPE } from '../wire/link.ts'
import { PPP } from '../wire/ppp.ts'
import type { IpView } from '../wire/ip.ts'

const ETHERNET_HEADER_LENGTH = 14
const ETHERTYPE_AT = 12
const VLAN_TAG_LENGTH = 4
export const PLAIN_IP_HEADER_LENGTH = 20
const UDP_HEADER_LENGTH = 8
/** UDP, the shortest headers of L2TP and of PPP, and the shortest one of IP: all fields below lie within it. */
const DATAGRAM_LENGTH_MIN = UDP_HEADER_LENGTH + 6 + 1 + 20
const FRAME_LENGTH_MIN = ETHERNET_HEADER_LENGTH + PLAIN_IP_HEADER_LENGTH + DATAGRAM_LENGTH_MIN

/** EtherType of IPv4, version 4, five words of header. */
const IPV4_WITHOUT_OPTIONS = 0x080045
/** In the word that begins with the fragment offset: More Fragments, the offset, and the protocol, which is to be UDP alone. */
const FRAGMENT_AND_PROTOCOL = 0x3fff00ff
const WHOLE_UDP = 17
/** The flags of L2TP but those of which a plain data message may have any: Length, Sequence and Priority. */
const FIXED_FLAGS = 0xffff & ~(0x4000 | 0x0800 | 0x0100)
const VERSION_2 = 2
/** The second octet of Address and Control, in the first word of PPP. */
const CONTROL_FIELD = 0x00ff0000
const UNNUMBERED_INFORMATION = 0x00030000

const NO_VIEW = new DataView(new ArrayBuffer(0))

/** What the packet in a frame is read from and into. */
interface PlainFrame {
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
  readonly linkType: number
  readonly inner: IpView
}

export class PlainDataView {
  /** Of the bytes of the frame. */
  view: DataView = NO_VIEW
  /** Where the IP header stands, and how many octets its packet has. */
  ipAt = 0
  ipLength = 0
  /** IPv4 addresses as signed numbers. */
  source = 0
  receiver = 0
  receiverPort = 0
  /** Tunnel and session id in one word, as they stand there. */
  ids = 0
  tunnelId = 0
  sessionId = 0
  hasSequence = false
  ns = 0

  /**
   * False if the frame holds anything else. After true `frame.inner` is what PPP carries; the other views of the frame are still
   * those of an earlier packet. `view` is of the frame's bytes; of each port `ports` says whether it `speaks` nothing but L2TP.
   */
  read(frame: PlainFrame, view: DataView, ports: Uint8Array, speaks: number): boolean {
    const { start, end } = frame
    if (frame.linkType !== LINKTYPE.ETHERNET || end - start < FRAME_LENGTH_MIN) return false
    let typeAt = start + ETHERTYPE_AT
    if (view.getUint16(typeAt) === ETHERTYPE.VLAN) typeAt += VLAN_TAG_LENGTH
    if (view.getInt32(typeAt) >>> 8 !== IPV4_WITHOUT_OPTIONS) return false
    const ipAt = typeAt + 2
    const ipLength = view.getUint16(ipAt + 2)
    const ipEnd = ipAt + ipLength
    if (ipEnd > end || (view.getInt32(ipAt + 6) & FRAGMENT_AND_PROTOCOL) !== WHOLE_UDP) return false

    const udpAt = ipAt + PLAIN_IP_HEADER_LENGTH
    const bothPorts = view.getInt32(udpAt)
    const receiverPort = bothPorts & 0xffff
    if (ports[receiverPort] !== speaks && ports[bothPorts >>> 16] !== speaks) return false
    const udpLength = view.getUint16(udpAt + 4)
    const messageEnd = udpAt + udpLength
    if (udpLength < DATAGRAM_LENGTH_MIN || messageEnd > ipEnd) return false

    const l2tpAt = udpAt + UDP_HEADER_LENGTH
    const flags = view.getUint16(l2tpAt)
    if ((flags & FIXED_FLAGS) !== VERSION_2) return false
    const hasLength = (flags >>> 14) & 1
    const hasSequence = (flags >>> 11) & 1
    if (((view.getUint16(l2tpAt + 2) ^ (messageEnd - l2tpAt)) & -hasLength) !== 0) return false
    const idsAt = l2tpAt + 2 + hasLength * 2
    const ids = view.getInt32(idsAt)

    const pppAt = idsAt + 4 + hasSequence * 4
    const head = view.getInt32(pppAt)
    // One for FF, the address of all stations; zero for any other octet.
    const hasAddress = ((head >>> 24) + 1) >>> 8
    if (((head ^ UNNUMBERED_INFORMATION) & CONTROL_FIELD & -hasAddress) !== 0) return false
    const rest = head << (hasAddress * 16)
    // The last octet of a protocol number is odd, and no other one.
    const isCompressed = (rest >>> 24) & 1
    const protocol = rest >>> (16 + isCompressed * 8)
    if (protocol !== PPP.IPV4 && protocol !== PPP.IPV6) return false
    const innerAt = pppAt + hasAddress * 2 + 2 - isCompressed
    if (frame.inner.decodeWords(frame.bytes, view, innerAt, messageEnd) !== null) return false

    this.view = view
    this.ipAt = ipAt
    this.ipLength = ipLength
    this.source = view.getInt32(ipAt + 12)
    this.receiver = view.getInt32(ipAt + 16)
    this.receiverPort = receiverPort
    this.ids = ids
    this.tunnelId = ids >>> 16
    this.sessionId = ids & 0xffff
    this.hasSequence = hasSequence !== 0
    this.ns = view.getUint16(idsAt + 4)
    return true
  }
}
