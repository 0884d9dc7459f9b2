/** What a reader of captures hands over: the packet, why reading stopped, and what the file says about itself. */
import { NO_BYTES } from '../base/bytes.ts'

/** One packet, overwritten by the next: keep values, never the object. */
export interface Packet {
  /** The reader's reused buffer. The window `start..end` is valid until the next call of `next` or `fill`. */
  bytes: Uint8Array
  start: number
  end: number
  /** What stands in `bytes` now: packets of the same block are read from octets that have not changed between them. 0 if that is not known. */
  block: number
  /** How far octets of that block are there; of meaning only with a block. */
  blockEnd: number
  /** Microseconds since 1970, an integer between 0 and 2^53 - 1. */
  timeUs: number
  /** The nanoseconds beyond `timeUs`, 0 to 999. */
  timeNs: number
  /** Bytes on the wire; more than `end - start` when the snap length cut the packet. */
  originalLength: number
  /** LINKTYPE_ number of the interface. */
  linkType: number
  /** The pcapng interface within its section; 0 in a pcap file. */
  interfaceId: number
  /** Ordinal in the file, from 1. */
  number: number
  /** Where the packet's record begins in the (decompressed) file, in bytes. */
  offset: number
}

/** A packet for a source to write into. */
export function emptyPacket(): Packet {
  return {
    bytes: NO_BYTES,
    start: 0,
    end: 0,
    block: 0,
    blockEnd: 0,
    timeUs: 0,
    timeNs: 0,
    originalLength: 0,
    linkType: 0,
    interfaceId: 0,
    number: 0,
    offset: 0,
  }
}

/** Makes `to` what `from` is; both then share the window. */
export function copyPacket(from: Packet, to: Packet): void {
  to.bytes = from.bytes
  to.start = from.start
  to.end = from.end
  to.block = from.block
  to.blockEnd = from.blockEnd
  to.timeUs = from.timeUs
  to.timeNs = from.timeNs
  to.originalLength = from.originalLength
  to.linkType = from.linkType
  to.interfaceId = from.interfaceId
  to.number = from.number
  to.offset = from.offset
}

/** Why a capture could not be read to its end; for single packets that could not be read see `CaptureSkip`. */
export type CaptureFlaw =
  | 'capture.truncated'
  | 'capture.record_length'
  | 'capture.second_header'
  | 'capture.block_length'
  | 'capture.block_trailer'
  | 'capture.byte_order'
  | 'capture.version'
  | 'capture.compression'
  | 'capture.compression_truncated'
  | 'capture.read'

export interface CaptureFault {
  readonly name: CaptureFlaw | CaptureSkip
  /** Where the flaw is in the (decompressed) file, in bytes. */
  readonly offset: number
  readonly message: string
}

/** What was passed over without stopping, counted in `CaptureNotes.skipped`. If it was a packet it is a fault as well. */
export type CaptureSkip =
  | 'capture.block_short'
  | 'capture.block_unknown'
  | 'capture.interface_undeclared'
  | 'capture.interface_limit'
  | 'capture.packet_length'
  | 'capture.option_length'
  | 'capture.time_range'

export interface InterfaceNotes {
  /** The section of the file, from 1, and the number of the interface within it, from 0. */
  readonly section: number
  readonly id: number
  readonly linkType: number
  /** The most bytes kept of a packet; 0 is no limit. */
  readonly snapLength: number
  name: string | null
  description: string | null
  filter: string | null
  os: string | null
  /** Timestamp unit, as in '10^-6 s'. */
  resolution: string
  /** Packets received, dropped by the interface and dropped by the operating system, as the capturing program counted. */
  received: number | null
  dropped: number | null
  droppedByOs: number | null
}

export interface CaptureNotes {
  /** pcap or pcapng, as in 'pcap, nanoseconds, little-endian'. */
  format: string
  sections: number
  hardware: string | null
  os: string | null
  application: string | null
  readonly interfaces: InterfaceNotes[]
  /** Comments of the file (packet 0) and of single packets; the first `COMMENTS_MAX`. */
  readonly comments: { readonly packet: number; readonly text: string }[]
  readonly skipped: Map<CaptureSkip, number>
}

export function emptyNotes(format: string): CaptureNotes {
  return {
    format,
    sections: 0,
    hardware: null,
    os: null,
    application: null,
    interfaces: [],
    comments: [],
    skipped: new Map(),
  }
}
