/**
 * The pcap file format (draft-ietf-opsawg-pcap): micro- and nanosecond files of either byte order, and the variant with
 * longer record headers that old Linux versions of libpcap wrote.
 */
import type { Upcoming } from '../base/upcoming.ts'
import { u16By, u32By } from './byte-order.ts'
import { type ByteWindow, RECORD_BYTES_MAX } from './byte-window.ts'
import { type CaptureFault, type CaptureNotes, emptyNotes, type Packet } from './packet.ts'

const MAGIC_MICROSECONDS = 0xa1b2c3d4
const MAGIC_NANOSECONDS = 0xa1b23c4d
const MAGIC_MODIFIED = 0xa1b2cd34

export const PCAP_HEADER_BYTES = 24
const RECORD_HEADER_BYTES = 16
const MODIFIED_RECORD_HEADER_BYTES = 24
const LINK_TYPE_BITS = 0xffff

/** Whether the four bytes at `at` begin a pcap file. */
export function isPcap(bytes: Uint8Array, at: number): boolean {
  return isMagic(u32By(bytes, at, false)) || isMagic(u32By(bytes, at, true))
}

function isMagic(magic: number): boolean {
  return magic === MAGIC_MICROSECONDS || magic === MAGIC_NANOSECONDS || magic === MAGIC_MODIFIED
}

export class PcapFile {
  readonly name: string
  readonly notes: CaptureNotes
  readonly #window: ByteWindow
  readonly #isLittle: boolean
  readonly #isNanoseconds: boolean
  readonly #recordHeaderBytes: number
  readonly #linkType: number
  /** Before version 2.4 programs disagreed on which of the two lengths comes first: the captured one is the smaller. */
  readonly #lengthsMaySwap: boolean
  #number = 0

  /** The window stands on the file header, all of which is there. */
  constructor(name: string, window: ByteWindow) {
    const { bytes, at } = window
    const isLittle = isMagic(u32By(bytes, at, true))
    const magic = u32By(bytes, at, isLittle)
    this.name = name
    this.#window = window
    this.#isLittle = isLittle
    this.#isNanoseconds = magic === MAGIC_NANOSECONDS
    this.#recordHeaderBytes = magic === MAGIC_MODIFIED ? MODIFIED_RECORD_HEADER_BYTES : RECORD_HEADER_BYTES
    this.#lengthsMaySwap = u16By(bytes, at + 4, isLittle) === 2 && u16By(bytes, at + 6, isLittle) < 4
    this.#linkType = u32By(bytes, at + 20, isLittle) & LINK_TYPE_BITS
    this.notes = this.#noteHeader(u32By(bytes, at + 16, isLittle))
    window.at += PCAP_HEADER_BYTES
  }

  get fault(): CaptureFault | null {
    return this.#window.fault
  }

  get progress(): { readonly bytesRead: number; readonly bytesTotal: number | null } {
    return this.#window.stream
  }

  fill(): Promise<boolean> {
    return this.#window.fill()
  }

  next(packet: Packet): boolean {
    const window = this.#window
    const { bytes, view, at } = window
    const start = at + this.#recordHeaderBytes
    if (start > window.end) return window.need(this.#recordHeaderBytes)
    const isLittle = this.#isLittle
    let captured = view.getUint32(at + 8, isLittle)
    let original = view.getUint32(at + 12, isLittle)
    if (this.#lengthsMaySwap && captured > original) {
      const swapped = captured
      captured = original
      original = swapped
    }
    if (captured > RECORD_BYTES_MAX) {
      return window.fail('capture.record_length', at, `a packet of ${captured} bytes; the most is ${RECORD_BYTES_MAX}`)
    }
    // The header of a file, read as that of a record, says that nothing was captured: its time zone, always zero, stands there.
    if (captured === 0 && original === 0 && isPcap(bytes, at)) {
      const advice = 'read them one by one, or join them with mergecap'
      return window.fail('capture.second_header', at, `another capture begins in the middle of the file: ${advice}`)
    }
    const end = start + captured
    if (end > window.end) return window.need(end - at)

    const fraction = view.getUint32(at + 4, isLittle)
    if (this.#isNanoseconds) {
      const microseconds = Math.floor(fraction / 1000)
      packet.timeUs = view.getUint32(at, isLittle) * 1e6 + microseconds
      packet.timeNs = fraction - microseconds * 1000
    } else {
      packet.timeUs = view.getUint32(at, isLittle) * 1e6 + fraction
      packet.timeNs = 0
    }
    packet.bytes = bytes
    packet.start = start
    packet.end = end
    packet.block = window.block
    packet.blockEnd = window.end
    packet.originalLength = original
    packet.linkType = this.#linkType
    packet.interfaceId = 0
    packet.number = ++this.#number
    packet.offset = window.offsetOf(at)
    window.at = end
    return true
  }

  preview(upcoming: Upcoming): void {
    const { bytes, view, end } = this.#window
    upcoming.over(bytes, this.#linkType)
    for (let at = this.#window.at; !upcoming.isFull && at + this.#recordHeaderBytes <= end; ) {
      const start = at + this.#recordHeaderBytes
      const packetEnd = start + view.getUint32(at + 8, this.#isLittle)
      if (packetEnd > end) return
      upcoming.add(start, packetEnd)
      at = packetEnd
    }
  }

  close(): Promise<void> {
    return this.#window.stream.close()
  }

  #noteHeader(snapLength: number): CaptureNotes {
    const unit = this.#isNanoseconds ? 'nanoseconds' : 'microseconds'
    const variant = this.#recordHeaderBytes === RECORD_HEADER_BYTES ? 'pcap' : 'modified pcap'
    const notes = emptyNotes(`${variant}, ${unit}, ${this.#isLittle ? 'little' : 'big'}-endian`)
    notes.sections = 1
    notes.interfaces.push({
      section: 1,
      id: 0,
      linkType: this.#linkType,
      snapLength,
      name: null,
      description: null,
      filter: null,
      os: null,
      resolution: this.#isNanoseconds ? '10^-9 s' : '10^-6 s',
      received: null,
      dropped: null,
      droppedByOs: null,
    })
    return notes
  }
}
