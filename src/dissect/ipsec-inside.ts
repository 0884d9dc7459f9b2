/**
 * The IP packet inside one of ESP or AH, as the receiver has it after decapsulation: of tunnel mode what was carried; of transport
 * mode the outer header again, with the protocol and the length of what it protected (RFC 4303 section 3.1.1).
 *
 * So both modes, and everything downstream, are the same.
 */
import { sumOf } from '../wire/checksum.ts'
import { ESP_DUMMY } from '../wire/esp.ts'
import { ESP_PLAIN_MAX } from '../wire/esp-open.ts'
import { IP_PROTOCOL, type IpView } from '../wire/ip.ts'

const IPV4_HEADER = 20
const IPV6_HEADER = 40
/** Room before the plain octets for a header of either family. */
const HEADROOM = 64

/** One buffer, for one depth of nesting. `plain` is where openers write; the packet ends up around it. */
export class InsidePacket {
  readonly plain: Uint8Array
  /** Where the packet is, after `compose`. */
  bytes: Uint8Array
  start = 0
  end = 0
  readonly #buffer = new Uint8Array(HEADROOM + ESP_PLAIN_MAX)

  constructor() {
    this.plain = this.#buffer.subarray(HEADROOM)
    this.bytes = this.#buffer
  }

  /**
   * Makes the packet whose content of protocol `nextHeader` lies in a window of `content`, which is `plain` or any other array;
   * `ip` is the header outside. False if there is none: a dummy, or too much for the length field.
   */
  compose(ip: IpView, nextHeader: number, content: Uint8Array, start: number, end: number): boolean {
    if (nextHeader === ESP_DUMMY || end <= start) return false
    if (nextHeader === IP_PROTOCOL.IPIP || nextHeader === IP_PROTOCOL.IPV6) {
      this.bytes = content
      this.start = start
      this.end = end
      return true
    }
    const headerLength = ip.version === 6 ? IPV6_HEADER : IPV4_HEADER
    if (end - start + headerLength > 0xffff) return false
    const at = content === this.plain ? start + HEADROOM : this.#copy(content, start, end)
    this.bytes = this.#buffer
    this.start = at - headerLength
    this.end = at + end - start
    if (ip.version === 6) this.#header6(ip, nextHeader)
    else this.#header4(ip, nextHeader)
    return true
  }

  #copy(content: Uint8Array, start: number, end: number): number {
    const buffer = this.#buffer
    for (let i = start; i < end; i++) buffer[HEADROOM + i - start] = content[i]
    return HEADROOM
  }

  /** Without options and as a whole: those were the business of the way. */
  #header4({ bytes: outer, headerStart }: IpView, protocol: number): void {
    const { bytes, start: at } = this
    const length = this.end - at
    for (let i = 0; i < IPV4_HEADER; i++) bytes[at + i] = outer[headerStart + i]
    bytes[at] = 0x45
    bytes[at + 2] = length >> 8
    bytes[at + 3] = length
    bytes[at + 6] &= 0x40
    bytes[at + 7] = 0
    bytes[at + 9] = protocol
    bytes[at + 10] = 0
    bytes[at + 11] = 0
    const sum = sumOf(bytes, at, at + IPV4_HEADER)
    const folded = (sum & 0xffff) + (sum >>> 16)
    const checksum = ~((folded & 0xffff) + (folded >>> 16))
    bytes[at + 10] = checksum >> 8
    bytes[at + 11] = checksum
  }

  #header6({ bytes: outer, headerStart }: IpView, nextHeader: number): void {
    const { bytes, start: at } = this
    const length = this.end - at - IPV6_HEADER
    for (let i = 0; i < IPV6_HEADER; i++) bytes[at + i] = outer[headerStart + i]
    bytes[at + 4] = length >> 8
    bytes[at + 5] = length
    bytes[at + 6] = nextHeader
  }
}
