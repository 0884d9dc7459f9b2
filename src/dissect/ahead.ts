/**
 * What data messages of L2TP will be looked up by, read before their turn: from a few packets at once, so that what they need of large
 * tables comes out of memory for all of them in the time that it takes for one.
 *
 * Only what nearly all packets are is read, and it is guessed rather than checked: Ethernet, IPv4, UDP, L2TPv2, PPP and IPv4 with ports.
 * Whatever is said of a packet may be wrong, and nothing depends on it: each one is dissected when it comes. Packets of several sessions
 * differ in their headers, and a branch that the processor guesses wrong costs as much as all the rest here: so lengths are computed.
 */
import { i32, u16 } from '../base/bytes.ts'
import { fetchWords } from '../base/fetch.ts'
import { type Upcoming, UPCOMING_MAX } from '../base/upcoming.ts'
import { IP_PROTOCOL } from '../wire/ip.ts'
import { ETHERTYPE, LINKTYPE } from '../wire/link.ts'
import { PPP } from '../wire/ppp.ts'

const ETHERNET_LENGTH = 14
const UDP_LENGTH = 8
/** Up to the ports inside, or the identifier of an echo, with all that may stand before them. */
const HEADERS_LENGTH = 14 + 20 + 8 + 12 + 4 + 20 + 6
const CACHE_LINE = 64

/** Of the first word of L2TP (RFC 2661 section 3.1): control, offset, and the version. */
const PLAIN_BITS = 0x8000 | 0x0200 | 0x000f
const VERSION_2 = 2

export class Ahead {
  /** Messages below. */
  count = 0
  // Of each message:
  /** The IPv4 address and the port of the receiver. */
  readonly receiver = new Int32Array(UPCOMING_MAX)
  readonly port = new Int32Array(UPCOMING_MAX)
  readonly tunnelId = new Int32Array(UPCOMING_MAX)
  readonly sessionId = new Int32Array(UPCOMING_MAX)
  /** What its tunnel, its session and the flow inside turned out to be, for whoever looks further; -1 if they are not known. */
  readonly tunnel = new Int32Array(UPCOMING_MAX)
  readonly carrier = new Int32Array(UPCOMING_MAX)
  readonly flow = new Int32Array(UPCOMING_MAX)
  /**
   * Of the IP packet inside: both addresses, and both ports as one word, as they stand there; of ICMP twice the identifier, as if it were
   * an echo. The protocol is -1 if there is none.
   */
  readonly innerProtocol = new Int32Array(UPCOMING_MAX)
  readonly source = new Int32Array(UPCOMING_MAX)
  readonly destination = new Int32Array(UPCOMING_MAX)
  readonly ports = new Int32Array(UPCOMING_MAX)
  /** Of each message a place in a table, for `fetch`. */
  readonly places = new Int32Array(UPCOMING_MAX)
  /** Whatever was read only to have it at hand: a read whose outcome nobody keeps need not be made. */
  touched = 0

  /** Has the processor read the words of a table at the places of all messages. */
  fetch(words: Int32Array): void {
    this.touched ^= fetchWords(words, this.places, this.count)
  }

  read({ bytes, linkType, count, starts, ends }: Upcoming): void {
    this.count = 0
    if (linkType !== LINKTYPE.ETHERNET) return
    let touched = 0
    for (let i = 0; i < count; i++)
      if (starts[i] + HEADERS_LENGTH <= ends[i])
        touched ^= bytes[starts[i]] ^ bytes[starts[i] + CACHE_LINE] ^ bytes[starts[i] + HEADERS_LENGTH - 1]
    this.touched ^= touched
    let read = 0
    for (let i = 0; i < count; i++)
      if (starts[i] + HEADERS_LENGTH <= ends[i]) read += this.#readOne(bytes, starts[i], read)
    this.count = read
  }

  /** The number of messages that were read: 0 or 1. */
  #readOne(bytes: Uint8Array, start: number, place: number): 0 | 1 {
    if (u16(bytes, start + 12) !== ETHERTYPE.IPV4 || bytes[start + 23] !== IP_PROTOCOL.UDP) return 0
    const udp = start + ETHERNET_LENGTH + (bytes[start + 14] & 0x0f) * 4
    const flags = u16(bytes, udp + UDP_LENGTH)
    if ((flags & PLAIN_BITS) !== VERSION_2) return 0
    // Behind the flags the length, if there is one; behind the numbers Ns and Nr.
    const ids = udp + UDP_LENGTH + 2 + ((flags >> 13) & 2)
    this.receiver[place] = i32(bytes, start + 30)
    this.port[place] = u16(bytes, udp + 2)
    this.tunnelId[place] = u16(bytes, ids)
    this.sessionId[place] = u16(bytes, ids + 2)
    // Address and control field (ff 03) may be left out, and of the protocol the octet that is even.
    const ppp = ids + 4 + ((flags >> 9) & 4)
    const protocol = ppp + (((bytes[ppp] + 1) >> 8) << 1)
    const inner = protocol + 2 - (bytes[protocol] & 1)
    const isIpv4 = bytes[inner - 1] === PPP.IPV4 && (bytes[protocol] & ~PPP.IPV4) === 0
    this.#readInner(bytes, inner, place, isIpv4)
    return 1
  }

  /** Another packet, of which it is known what carries it: the one that begins here, of IP. No more than `UPCOMING_MAX`. */
  add(carrier: number, bytes: Uint8Array, start: number): void {
    this.carrier[this.count] = carrier
    this.#readInner(bytes, start, this.count++, bytes[start] >> 4 === 4)
  }

  #readInner(bytes: Uint8Array, inner: number, place: number, isIpv4: boolean): void {
    this.innerProtocol[place] = isIpv4 ? bytes[inner + 9] : -1
    this.source[place] = i32(bytes, inner + 12)
    this.destination[place] = i32(bytes, inner + 16)
    const payload = inner + (bytes[inner] & 0x0f) * 4
    const isIcmp = bytes[inner + 9] === IP_PROTOCOL.ICMP
    this.ports[place] = isIcmp ? Math.imul(u16(bytes, payload + 4), 0x10001) : i32(bytes, payload)
  }
}
