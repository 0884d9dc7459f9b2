/**
 * Writing pcapng (draft-ietf-opsawg-pcapng), little-endian, with time stamps in nanoseconds. For reading it back where it was
 * written, block by block; any other file is read by `capture/pcapng-file.ts`.
 */
import { le32 } from '../base/little-endian.ts'

export const BLOCK = { SECTION: 0x0a0d0d0a, INTERFACE: 1, PACKET: 6 } as const

const BYTE_ORDER_MAGIC = 0x1a2b3c4d
const OPTION_COMMENT = 1
const SHB_USERAPPL = 4
const IF_NAME = 2
const IF_TSRESOL = 9
const NANOSECONDS = 9
const END_OF_OPTIONS = 0
const TWO_32 = 4_294_967_296

/** Of a block without a body. */
export const BLOCK_OVERHEAD = 12
/** Of an Enhanced Packet Block without packet and options. */
export const PACKET_OVERHEAD = 32
/** Where the packet begins in its block. */
export const PACKET_DATA_AT = 28

export interface StoredPacket {
  readonly timeUs: number
  readonly timeNs: number
  readonly originalLength: number
}

export function padded(length: number): number {
  return (length + 3) & ~3
}

function block(type: number, body: Uint8Array): Buffer {
  const length = BLOCK_OVERHEAD + body.length
  const out = Buffer.alloc(length)
  out.writeUInt32LE(type, 0)
  out.writeUInt32LE(length, 4)
  out.set(body, 8)
  out.writeUInt32LE(length, length - 4)
  return out
}

function option(code: number, value: Uint8Array): Buffer {
  const out = Buffer.alloc(4 + padded(value.length))
  out.writeUInt16LE(code, 0)
  out.writeUInt16LE(value.length, 2)
  out.set(value, 4)
  return out
}

const LAST_OPTION = option(END_OF_OPTIONS, new Uint8Array(0))

export function sectionHeader(application: string, comment: string): Buffer {
  const head = Buffer.alloc(16)
  head.writeUInt32LE(BYTE_ORDER_MAGIC, 0)
  head.writeUInt16LE(1, 4)
  head.writeBigInt64LE(-1n, 8)
  const options = [option(SHB_USERAPPL, Buffer.from(application))]
  if (comment !== '') options.push(option(OPTION_COMMENT, Buffer.from(comment)))
  return block(BLOCK.SECTION, Buffer.concat([head, ...options, LAST_OPTION]))
}

/** `name` is where the packets came from: the interface, or the capture. */
export function interfaceDescription(linkType: number, name: string): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt16LE(linkType, 0)
  const options = [option(IF_NAME, Buffer.from(name)), option(IF_TSRESOL, Uint8Array.of(NANOSECONDS))]
  return block(BLOCK.INTERFACE, Buffer.concat([head, ...options, LAST_OPTION]))
}

export function packetBlockLength(captured: number): number {
  return PACKET_OVERHEAD + padded(captured)
}

/**
 * Writes an Enhanced Packet Block at `at`, all but the `captured` octets of the packet, which belong at `at + PACKET_DATA_AT` and are to be
 * copied afterwards. Gives where it ends. Allocates nothing.
 */
export function writePacketFrame(
  view: DataView,
  at: number,
  interfaceId: number,
  packet: StoredPacket,
  captured: number,
): number {
  const length = packetBlockLength(captured)
  const { timeUs, timeNs } = packet
  // timeUs * 1000 does not fit into a double: its halves do. The remainder operator would call a function.
  const high = Math.floor(timeUs / TWO_32)
  const low = (timeUs - high * TWO_32) * 1000 + timeNs
  const carry = Math.floor(low / TWO_32)
  view.setUint32(at, BLOCK.PACKET, true)
  view.setUint32(at + 4, length, true)
  view.setUint32(at + 8, interfaceId, true)
  view.setUint32(at + 12, high * 1000 + carry, true)
  view.setUint32(at + 16, low - carry * TWO_32, true)
  view.setUint32(at + 20, captured, true)
  view.setUint32(at + 24, packet.originalLength, true)
  // What padding there is, is in this word: the packet overwrites the rest of it. An empty packet has its original length there.
  if (captured > 0) view.setUint32(at + length - 8, 0, true)
  view.setUint32(at + length - 4, length, true)
  return at + length
}

/** The same with the octets, from `start` on. `view` and `target` are the same memory, which must have room. */
export function writePacket(
  view: DataView,
  target: Uint8Array,
  at: number,
  interfaceId: number,
  packet: StoredPacket,
  bytes: Uint8Array,
  start: number,
  captured: number,
): number {
  const end = writePacketFrame(view, at, interfaceId, packet, captured)
  copyBytes(bytes, start, start + captured, target, at + PACKET_DATA_AT)
  return end
}

const { copy } = Buffer.prototype

/** Unlike `set(subarray())` without an object for each packet, and as fast. */
export function copyBytes(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): void {
  if (end > start) copy.call(from, to, at, start, end)
}

/** The same of so few octets that a call for them would take longer. */
export function copyFewBytes(from: DataView, start: number, end: number, to: DataView, at: number): void {
  let source = start
  let target = at
  for (; source + 4 <= end; source += 4, target += 4) to.setUint32(target, from.getUint32(source, true), true)
  for (; source < end; source++, target++) to.setUint8(target, from.getUint8(source))
}

/** One packet of a store, overwritten by the next. */
export class PacketBlock {
  interfaceId = 0
  timeUs = 0
  timeNs = 0
  originalLength = 0
  /** The window of the packet. */
  start = 0
  end = 0

  /** Reads the block at `at`; false if it is no whole packet. */
  decode(bytes: Uint8Array, at: number, end: number): boolean {
    if (at + PACKET_OVERHEAD > end || le32(bytes, at) !== BLOCK.PACKET) return false
    const length = le32(bytes, at + 4)
    if (length < PACKET_OVERHEAD || (length & 3) !== 0 || length > end - at) return false
    const captured = le32(bytes, at + 20)
    if (captured > length - PACKET_OVERHEAD || le32(bytes, at + length - 4) !== length) return false
    const high = le32(bytes, at + 12)
    const low = le32(bytes, at + 16)
    // The nanoseconds as two numbers below 2^53: high * 2^32 = 1000 * whole + rest.
    const whole = Math.floor(high / 1000)
    const rest = (high % 1000) * TWO_32 + low
    this.timeUs = whole * TWO_32 + Math.floor(rest / 1000)
    this.timeNs = rest % 1000
    this.interfaceId = le32(bytes, at + 8)
    this.originalLength = le32(bytes, at + 24)
    this.start = at + PACKET_DATA_AT
    this.end = this.start + captured
    return true
  }
}

/** The link type of an interface description, and the name that it has. */
export function readInterface(bytes: Uint8Array, at: number, end: number): { linkType: number; name: string } {
  const linkType = bytes[at + 8] | (bytes[at + 9] << 8)
  for (let option = at + 16; option + 4 <= end - 4; ) {
    const code = bytes[option] | (bytes[option + 1] << 8)
    const length = bytes[option + 2] | (bytes[option + 3] << 8)
    if (code === END_OF_OPTIONS || option + 4 + length > end - 4) break
    if (code === IF_NAME) {
      const name = Buffer.from(bytes.buffer, bytes.byteOffset + option + 4, length).toString('utf8')
      return { linkType, name }
    }
    option += 4 + padded(length)
  }
  return { linkType, name: '' }
}
