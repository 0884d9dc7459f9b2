/**
 * The pcapng file format (draft-ietf-opsawg-pcapng): any number of sections, each in its own byte order and with its own
 * interfaces. Blocks that carry no packets and describe none (names, decryption secrets, custom and unknown ones) are
 * passed over unread.
 *
 * What is wrong inside a block costs that block, and is counted in the notes. What makes the next block's place unknown
 * ends the file, with a fault.
 */
import type { Upcoming } from '../base/upcoming.ts'
import { NO_BYTES, text } from '../base/bytes.ts'
import { i64By, u16By, u32By, u64By } from './byte-order.ts'
import { type ByteWindow, RECORD_BYTES_MAX } from './byte-window.ts'
import {
  type CaptureFault,
  type CaptureNotes,
  type CaptureSkip,
  emptyNotes,
  type InterfaceNotes,
  type Packet,
} from './packet.ts'
import { TimestampUnit } from './timestamp.ts'

const SECTION_HEADER = 0x0a0d0d0a
const INTERFACE_DESCRIPTION = 1
const OBSOLETE_PACKET = 2
const SIMPLE_PACKET = 3
const NAME_RESOLUTION = 4
const INTERFACE_STATISTICS = 5
const ENHANCED_PACKET = 6
const DECRYPTION_SECRETS = 10
const CUSTOM_COPIED = 0x0000_0bad
const CUSTOM_NOT_COPIED = 0x4000_0bad

/** As much of a section header as tells pcapng from everything else. */
export const PCAPNG_HEADER_BYTES = 12

const BYTE_ORDER_MAGIC = 0x1a2b3c4d
/** Of an Enhanced Packet Block, before the packet. */
const ENHANCED_HEADER_BYTES = 28
const BLOCK_BYTES_MIN = 12
const SECTION_HEADER_BYTES_MIN = 28

const OPTION_COMMENT = 1
const SHB_HARDWARE = 2
const SHB_OS = 3
const SHB_USERAPPL = 4
const IF_NAME = 2
const IF_DESCRIPTION = 3
const IF_TSRESOL = 9
const IF_FILTER = 11
const IF_OS = 12
const IF_TSOFFSET = 14
const ISB_IFRECV = 4
const ISB_IFDROP = 5
const ISB_OSDROP = 7

const RESOLUTION_DEFAULT = 6
const FILTER_IS_TEXT = 0

/** Bounds for what one section may declare, and for what the notes of one file keep. */
const INTERFACES_MAX = 65_536
const INTERFACE_NOTES_MAX = 65_536
const COMMENTS_MAX = 1_000
const TEXT_BYTES_MAX = 4_096

interface Interface {
  readonly linkType: number
  readonly snapLength: number
  readonly unit: TimestampUnit
  readonly notes: InterfaceNotes
}

/** Whether the twelve bytes at `at` begin a pcapng file. */
export function isPcapng(bytes: Uint8Array, at: number): boolean {
  return u32By(bytes, at, false) === SECTION_HEADER && sectionIsLittle(bytes, at) !== null
}

function sectionIsLittle(bytes: Uint8Array, at: number): boolean | null {
  if (u32By(bytes, at + 8, true) === BYTE_ORDER_MAGIC) return true
  return u32By(bytes, at + 8, false) === BYTE_ORDER_MAGIC ? false : null
}

export class PcapngFile {
  readonly name: string
  readonly notes: CaptureNotes = emptyNotes('pcapng')
  readonly #window: ByteWindow
  readonly #options = new OptionCursor()
  #isLittle = false
  #interfaces: Interface[] = []
  #number = 0
  #lastTimeUs = 0
  #lastTimeNs = 0
  #lastSkip: CaptureSkip | null = null
  /** Packets that could not be read, and which one was the first. */
  #lost = 0
  #firstLost: Pick<CaptureFault, 'name' | 'offset'> | null = null

  constructor(name: string, window: ByteWindow) {
    this.name = name
    this.#window = window
  }

  /** What ended it too early, or else that single packets were passed over: those behind them are read. */
  get fault(): CaptureFault | null {
    const { fault } = this.#window
    if (fault !== null || this.#firstLost === null) return fault
    const packets = this.#lost === 1 ? '1 packet was' : `${this.#lost} packets were`
    return { ...this.#firstLost, message: `${packets} passed over, from this one on` }
  }

  get progress(): { readonly bytesRead: number; readonly bytesTotal: number | null } {
    return this.#window.stream
  }

  fill(): Promise<boolean> {
    return this.#window.fill()
  }

  /** A packet without a time of its own (Simple Packet Block) gets the time of the packet before it. */
  next(packet: Packet): boolean {
    const window = this.#window
    for (;;) {
      const { bytes, at } = window
      if (at + BLOCK_BYTES_MIN > window.end) return window.need(BLOCK_BYTES_MIN)
      if (u32By(bytes, at, false) === SECTION_HEADER && !this.#takeByteOrder(bytes, at)) return false

      const end = this.#blockEnd(bytes, at)
      if (end === -1) return false
      const type = u32By(bytes, at, this.#isLittle)
      const body = at + 8
      const bodyEnd = end - 4
      if (type === SECTION_HEADER && !this.#openSection(bytes, at, bodyEnd)) return false

      window.at = end
      if (type === ENHANCED_PACKET) {
        if (this.#readTimed(packet, bytes, body, bodyEnd, u32By(bytes, body, this.#isLittle))) return true
        this.#lose(at)
      } else if (type === SIMPLE_PACKET) {
        if (this.#readSimple(packet, bytes, body, bodyEnd)) return true
        this.#lose(at)
      } else if (type === OBSOLETE_PACKET) {
        if (this.#readTimed(packet, bytes, body, bodyEnd, u16By(bytes, body, this.#isLittle))) return true
        this.#lose(at)
      } else {
        this.#readDescription(type, bytes, body, bodyEnd)
      }
    }
  }

  /** Enhanced Packet Blocks of the first interface, up to the first block of another kind. */
  preview(upcoming: Upcoming): void {
    const { bytes, end } = this.#window
    const isLittle = this.#isLittle
    upcoming.over(bytes, this.#interfaces.length === 0 ? -1 : this.#interfaces[0].linkType)
    for (let at = this.#window.at; !upcoming.isFull && at + ENHANCED_HEADER_BYTES <= end; ) {
      const start = at + ENHANCED_HEADER_BYTES
      const blockEnd = at + u32By(bytes, at + 4, isLittle)
      const packetEnd = start + u32By(bytes, at + 20, isLittle)
      const isPlain = u32By(bytes, at, isLittle) === ENHANCED_PACKET && u32By(bytes, at + 8, isLittle) === 0
      if (!isPlain || packetEnd > blockEnd || blockEnd > end) return
      upcoming.add(start, packetEnd)
      at = blockEnd
    }
  }

  close(): Promise<void> {
    return this.#window.stream.close()
  }

  /** Where the block at `at` ends, or -1: it is incomplete, or its two lengths make no sense. */
  #blockEnd(bytes: Uint8Array, at: number): number {
    const window = this.#window
    const length = u32By(bytes, at + 4, this.#isLittle)
    if (length < BLOCK_BYTES_MIN) {
      window.fail('capture.block_length', at, `a block of ${length} bytes; the least is ${BLOCK_BYTES_MIN}`)
      return -1
    }
    if (length > RECORD_BYTES_MAX) {
      window.fail('capture.record_length', at, `a block of ${length} bytes; the most is ${RECORD_BYTES_MAX}`)
      return -1
    }
    const end = at + length
    if (end > window.end) {
      window.need(length)
      return -1
    }
    if (u32By(bytes, end - 4, this.#isLittle) === length) return end
    return this.#paddedBlockEnd(bytes, at, length)
  }

  /** Some programs give the length without the padding to four bytes that they nevertheless write. */
  #paddedBlockEnd(bytes: Uint8Array, at: number, length: number): number {
    const window = this.#window
    const end = at + ((length + 3) & ~3)
    if (end > window.end) {
      window.need(end - at)
      return -1
    }
    const trailer = u32By(bytes, end - 4, this.#isLittle)
    if (trailer === length) return end
    window.fail('capture.block_trailer', at, `a block of ${length} bytes ends with the length ${trailer}`)
    return -1
  }

  #takeByteOrder(bytes: Uint8Array, at: number): boolean {
    const isLittle = sectionIsLittle(bytes, at)
    if (isLittle === null) {
      return this.#window.fail('capture.byte_order', at, 'a section header without the byte-order magic 1a2b3c4d')
    }
    this.#isLittle = isLittle
    return true
  }

  #openSection(bytes: Uint8Array, at: number, bodyEnd: number): boolean {
    if (bodyEnd + 4 - at < SECTION_HEADER_BYTES_MIN) {
      return this.#window.fail('capture.block_length', at, `a section header of ${bodyEnd + 4 - at} bytes`)
    }
    const version = u16By(bytes, at + 12, this.#isLittle)
    if (version !== 1) return this.#window.fail('capture.version', at, `pcapng version ${version}; only 1 is known`)

    this.#interfaces = []
    this.notes.sections++
    this.notes.format = `pcapng, ${this.#isLittle ? 'little' : 'big'}-endian`
    const options = this.#options.over(bytes, at + 24, bodyEnd, this.#isLittle)
    while (options.next()) {
      if (options.code === SHB_HARDWARE) this.notes.hardware ??= options.text()
      else if (options.code === SHB_OS) this.notes.os ??= options.text()
      else if (options.code === SHB_USERAPPL) this.notes.application ??= options.text()
      else if (options.code === OPTION_COMMENT) this.#keepComment(0)
    }
    if (options.isDamaged) this.#skip('capture.option_length')
    return true
  }

  /** An Enhanced Packet Block, or an obsolete Packet Block: they differ in where the interface is named. */
  #readTimed(packet: Packet, bytes: Uint8Array, body: number, bodyEnd: number, interfaceId: number): boolean {
    this.#number++
    const start = body + 20
    if (start > bodyEnd) return this.#skip('capture.block_short')
    const end = start + u32By(bytes, body + 12, this.#isLittle)
    const original = u32By(bytes, body + 16, this.#isLittle)
    if (!this.#deliver(packet, bytes, interfaceId, start, end, bodyEnd, original)) return false

    if (!this.#interfaces[interfaceId].unit.stamp(packet, bytes, body + 4, this.#isLittle))
      this.#skip('capture.time_range')
    this.#lastTimeUs = packet.timeUs
    this.#lastTimeNs = packet.timeNs
    packet.offset = this.#window.offsetOf(body - 8)
    const optionsAt = end + (-(end - start) & 3)
    if (optionsAt < bodyEnd) this.#readPacketOptions(bytes, optionsAt, bodyEnd)
    return true
  }

  #readSimple(packet: Packet, bytes: Uint8Array, body: number, bodyEnd: number): boolean {
    this.#number++
    const start = body + 4
    if (start > bodyEnd) return this.#skip('capture.block_short')
    const original = u32By(bytes, body, this.#isLittle)
    const snapLength = this.#interfaces.length === 0 ? 0 : this.#interfaces[0].snapLength
    const captured = snapLength === 0 ? original : Math.min(original, snapLength)
    if (!this.#deliver(packet, bytes, 0, start, start + captured, bodyEnd, original)) return false

    packet.timeUs = this.#lastTimeUs
    packet.timeNs = this.#lastTimeNs
    packet.offset = this.#window.offsetOf(body - 8)
    return true
  }

  /** Fills all of the packet but its time and its place. */
  #deliver(
    packet: Packet,
    bytes: Uint8Array,
    interfaceId: number,
    start: number,
    end: number,
    bodyEnd: number,
    original: number,
  ): boolean {
    if (interfaceId >= this.#interfaces.length) return this.#skip('capture.interface_undeclared')
    if (end > bodyEnd) return this.#skip('capture.packet_length')
    packet.bytes = bytes
    packet.start = start
    packet.end = end
    packet.block = this.#window.block
    packet.blockEnd = this.#window.end
    packet.originalLength = original
    packet.linkType = this.#interfaces[interfaceId].linkType
    packet.interfaceId = interfaceId
    packet.number = this.#number
    return true
  }

  #readPacketOptions(bytes: Uint8Array, at: number, end: number): void {
    const options = this.#options.over(bytes, at, end, this.#isLittle)
    while (options.next()) if (options.code === OPTION_COMMENT) this.#keepComment(this.#number)
    if (options.isDamaged) this.#skip('capture.option_length')
  }

  #readDescription(type: number, bytes: Uint8Array, body: number, bodyEnd: number): void {
    switch (type) {
      case INTERFACE_DESCRIPTION:
        this.#declareInterface(bytes, body, bodyEnd)
        return
      case INTERFACE_STATISTICS:
        this.#readStatistics(bytes, body, bodyEnd)
        return
      case SECTION_HEADER:
      case NAME_RESOLUTION:
      case DECRYPTION_SECRETS:
      case CUSTOM_COPIED:
      case CUSTOM_NOT_COPIED:
        return
      default:
        this.#skip('capture.block_unknown')
    }
  }

  #declareInterface(bytes: Uint8Array, body: number, bodyEnd: number): void {
    if (bodyEnd - body < 8) {
      this.#skip('capture.block_short')
      return
    }
    if (this.#interfaces.length === INTERFACES_MAX) {
      this.#skip('capture.interface_limit')
      return
    }
    const notes: InterfaceNotes = {
      section: this.notes.sections,
      id: this.#interfaces.length,
      linkType: u16By(bytes, body, this.#isLittle),
      snapLength: u32By(bytes, body + 4, this.#isLittle),
      name: null,
      description: null,
      filter: null,
      os: null,
      resolution: '',
      received: null,
      dropped: null,
      droppedByOs: null,
    }
    let resolution = RESOLUTION_DEFAULT
    let offsetSeconds = 0
    const options = this.#options.over(bytes, body + 8, bodyEnd, this.#isLittle)
    while (options.next()) {
      const { code } = options
      if (code === IF_NAME) notes.name = options.text()
      else if (code === IF_DESCRIPTION) notes.description = options.text()
      else if (code === IF_FILTER) notes.filter = options.filter()
      else if (code === IF_OS) notes.os = options.text()
      else if (code === IF_TSRESOL && options.length > 0) resolution = bytes[options.valueStart]
      else if (code === IF_TSOFFSET && options.length >= 8) offsetSeconds = options.signed64()
    }
    if (options.isDamaged) this.#skip('capture.option_length')

    const unit = new TimestampUnit(resolution, offsetSeconds)
    notes.resolution = unit.name
    this.#interfaces.push({ linkType: notes.linkType, snapLength: notes.snapLength, unit, notes })
    if (this.notes.interfaces.length < INTERFACE_NOTES_MAX) this.notes.interfaces.push(notes)
  }

  /** The counters run from the start of the capture: the last block of an interface says it all. */
  #readStatistics(bytes: Uint8Array, body: number, bodyEnd: number): void {
    if (bodyEnd - body < 12) {
      this.#skip('capture.block_short')
      return
    }
    const interfaceId = u32By(bytes, body, this.#isLittle)
    if (interfaceId >= this.#interfaces.length) {
      this.#skip('capture.interface_undeclared')
      return
    }
    const { notes } = this.#interfaces[interfaceId]
    const options = this.#options.over(bytes, body + 12, bodyEnd, this.#isLittle)
    while (options.next()) {
      if (options.length < 8) continue
      if (options.code === ISB_IFRECV) notes.received = options.unsigned64()
      else if (options.code === ISB_IFDROP) notes.dropped = options.unsigned64()
      else if (options.code === ISB_OSDROP) notes.droppedByOs = options.unsigned64()
    }
    if (options.isDamaged) this.#skip('capture.option_length')
  }

  #keepComment(packet: number): void {
    if (this.notes.comments.length < COMMENTS_MAX) this.notes.comments.push({ packet, text: this.#options.text() })
  }

  #skip(name: CaptureSkip): false {
    this.notes.skipped.set(name, (this.notes.skipped.get(name) ?? 0) + 1)
    this.#lastSkip = name
    return false
  }

  /** The packet in the block at `at` was just skipped. */
  #lose(at: number): void {
    this.#lost++
    this.#firstLost ??= { name: this.#lastSkip as CaptureSkip, offset: this.#window.offsetOf(at) }
  }
}

/** Walks the options of one block. The end mark may be missing: then the block's end is theirs. */
class OptionCursor {
  code = 0
  length = 0
  valueStart = 0
  isDamaged = false
  #bytes: Uint8Array = NO_BYTES
  #at = 0
  #end = 0
  #isLittle = false

  over(bytes: Uint8Array, start: number, end: number, isLittle: boolean): this {
    this.#bytes = bytes
    this.#at = start
    this.#end = end
    this.#isLittle = isLittle
    this.isDamaged = false
    return this
  }

  next(): boolean {
    const at = this.#at
    if (at + 4 > this.#end) return false
    this.code = u16By(this.#bytes, at, this.#isLittle)
    this.length = u16By(this.#bytes, at + 2, this.#isLittle)
    this.valueStart = at + 4
    if (this.code === 0) return false
    if (this.valueStart + this.length > this.#end) {
      this.isDamaged = true
      return false
    }
    this.#at = this.valueStart + ((this.length + 3) & ~3)
    return true
  }

  text(): string {
    return textUntilNul(this.#bytes, this.valueStart, Math.min(this.length, TEXT_BYTES_MAX))
  }

  /** The capture filter as an expression; null for one that is stored as compiled code. */
  filter(): string | null {
    if (this.length === 0 || this.#bytes[this.valueStart] !== FILTER_IS_TEXT) return null
    return textUntilNul(this.#bytes, this.valueStart + 1, Math.min(this.length - 1, TEXT_BYTES_MAX))
  }

  unsigned64(): number {
    return u64By(this.#bytes, this.valueStart, this.#isLittle)
  }

  signed64(): number {
    return i64By(this.#bytes, this.valueStart, this.#isLittle)
  }
}

/** Option texts are not terminated, but some programs write the NUL of their C strings. */
function textUntilNul(bytes: Uint8Array, start: number, length: number): string {
  const nul = bytes.indexOf(0, start)
  return text(bytes, start, nul === -1 ? start + length : Math.min(nul, start + length))
}
