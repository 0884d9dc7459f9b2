/**
 * Van Jacobson compression of TCP/IP headers (RFC 1144), undone: PPP protocols 0x002f (uncompressed, which sets a slot) and
 * 0x002d (compressed, which says what changed since the last packet of its slot).
 *
 * One object a direction of a link. Only headers are rebuilt, in the memory of their slot; the payload is not copied. What
 * was lost is not made up for by TCP's checksum, as a receiver would: after a lost packet sequence numbers are wrong until
 * the sender starts the slot afresh, but addresses, ports, flags and lengths, which is what flows are made of, are right.
 */
import { NO_BYTES, u16 } from '../base/bytes.ts'

const IP_PROTOCOL_TCP = 6
const PROTOCOL_AT = 9
/** The longest IPv4 and TCP headers. */
const HEADERS_MAX = 120
const NO_SLOT = -1

// The bits of the change byte (RFC 1144 section 3.2.2).
export const NEW_CONNECTION = 0x40
export const NEW_IP_ID = 0x20
export const PUSH = 0x10
export const NEW_SEQUENCE = 0x08
export const NEW_ACKNOWLEDGEMENT = 0x04
export const NEW_WINDOW = 0x02
export const URGENT = 0x01
export const SPECIALS = NEW_SEQUENCE | NEW_ACKNOWLEDGEMENT | NEW_WINDOW | URGENT
/** The two combinations that stand for the commonest changes: echoed interactive traffic, and unidirectional data. */
export const ECHOED = NEW_SEQUENCE | NEW_WINDOW | URGENT
export const UNIDIRECTIONAL = NEW_SEQUENCE | NEW_ACKNOWLEDGEMENT | NEW_WINDOW | URGENT

const TCP_PSH_URG = 0x28

export type VjFlaw = 'vj.truncated' | 'vj.header' | 'vj.slot'

interface Slot {
  readonly headers: Uint8Array
  length: number
  /** Payload of the last packet: the unidirectional case adds it to the sequence number. */
  payload: number
}

export class VjDecompressor {
  /** After null: the headers of the packet, rebuilt, from 0 to `length`. The IP total length counts the payload. */
  bytes: Uint8Array = NO_BYTES
  length = 0
  readonly #slots = new Map<number, Slot>()
  #last = NO_SLOT
  #at = 0
  #end = 0

  /** An uncompressed packet: IPv4 and TCP with the slot number in place of the protocol. `wireEnd` is where it ended on the wire. */
  restore(bytes: Uint8Array, start: number, end: number, wireEnd: number): VjFlaw | null {
    if (end - start < 20) return 'vj.truncated'
    const ipLength = (bytes[start] & 0x0f) * 4
    if (ipLength < 20 || bytes[start] >> 4 !== 4) return 'vj.header'
    if (end - start < ipLength + 20) return 'vj.truncated'
    const tcpLength = (bytes[start + ipLength + 12] >> 4) * 4
    if (tcpLength < 20) return 'vj.header'
    if (end - start < ipLength + tcpLength) return 'vj.truncated'
    const index = bytes[start + PROTOCOL_AT]
    const slot = this.#slots.get(index) ?? { headers: new Uint8Array(HEADERS_MAX), length: 0, payload: 0 }
    this.#slots.set(index, slot)
    slot.headers.set(bytes.subarray(start, start + ipLength + tcpLength))
    slot.headers[PROTOCOL_AT] = IP_PROTOCOL_TCP
    slot.length = ipLength + tcpLength
    slot.payload = Math.max(0, wireEnd - start - slot.length)
    this.#last = index
    this.#give(slot)
    return null
  }

  /** A compressed packet: the changes, then the payload. */
  expand(bytes: Uint8Array, start: number, end: number, wireEnd: number): VjFlaw | null {
    if (end - start < 3) return 'vj.truncated'
    const changes = bytes[start]
    this.#at = start + 1
    this.#end = end
    if ((changes & NEW_CONNECTION) !== 0) this.#last = bytes[this.#at++]
    const slot = this.#slots.get(this.#last)
    if (slot === undefined) return 'vj.slot'
    const { headers } = slot
    const tcp = (headers[0] & 0x0f) * 4
    if (this.#at + 2 > end) return 'vj.truncated'
    headers.set(bytes.subarray(this.#at, this.#at + 2), tcp + 16)
    this.#at += 2
    headers[tcp + 13] = (headers[tcp + 13] & ~TCP_PSH_URG) | ((changes & PUSH) !== 0 ? 0x08 : 0)
    this.#apply(headers, tcp, changes & SPECIALS, slot.payload, bytes)
    add16(headers, 4, (changes & NEW_IP_ID) === 0 ? 1 : this.#delta(bytes))
    if (this.#at > end) return 'vj.truncated'
    slot.payload = wireEnd - this.#at
    this.#give(slot)
    return null
  }

  #apply(headers: Uint8Array, tcp: number, special: number, payload: number, bytes: Uint8Array): void {
    if (special === ECHOED) {
      add32(headers, tcp + 4, payload)
      add32(headers, tcp + 8, payload)
      return
    }
    if (special === UNIDIRECTIONAL) {
      add32(headers, tcp + 4, payload)
      return
    }
    if ((special & URGENT) !== 0) {
      headers[tcp + 13] |= 0x20
      const pointer = this.#delta(bytes)
      headers[tcp + 18] = pointer >> 8
      headers[tcp + 19] = pointer
    }
    if ((special & NEW_WINDOW) !== 0) add16(headers, tcp + 14, this.#delta(bytes))
    if ((special & NEW_ACKNOWLEDGEMENT) !== 0) add32(headers, tcp + 8, this.#delta(bytes))
    if ((special & NEW_SEQUENCE) !== 0) add32(headers, tcp + 4, this.#delta(bytes))
  }

  /** One byte, or a zero and two bytes. Past the end it is 0, and `#at` lies past the end too, which is looked at last. */
  #delta(bytes: Uint8Array): number {
    const at = this.#at
    this.#at = at + 1
    if (at >= this.#end) return 0
    if (bytes[at] !== 0) return bytes[at]
    this.#at = at + 3
    return this.#at > this.#end ? 0 : u16(bytes, at + 1)
  }

  #give(slot: Slot): void {
    const total = slot.length + slot.payload
    slot.headers[2] = total >> 8
    slot.headers[3] = total
    this.bytes = slot.headers
    this.length = slot.length
  }
}

function add16(bytes: Uint8Array, at: number, delta: number): void {
  const sum = u16(bytes, at) + delta
  bytes[at] = sum >> 8
  bytes[at + 1] = sum
}

function add32(bytes: Uint8Array, at: number, delta: number): void {
  const low = u16(bytes, at + 2) + delta
  bytes[at + 2] = low >> 8
  bytes[at + 3] = low
  add16(bytes, at, low >>> 16)
}
