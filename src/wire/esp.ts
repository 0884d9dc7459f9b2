/**
 * The IP Encapsulating Security Payload (RFC 4303): the header that everybody can read, and the trailer behind the content,
 * which is readable once the packet was opened (`esp-open.ts`) or never was encrypted (`esp-null.ts`).
 *
 * Where the initialisation vector ends and the integrity check value begins depends on algorithms that the packet does not
 * name: the view gives all behind the sequence number as one window.
 */
import { hexWord, NO_BYTES, u32 } from '../base/bytes.ts'
import { isIpv6Extension } from './ip.ts'

export const ESP_HEADER_LENGTH = 8
/** Pad Length and Next Header, without which no ESP packet ends. */
export const ESP_TRAILER_LENGTH = 2
/** Next Header of a packet that carries nothing and is to be thrown away (RFC 4303 section 2.6). */
export const ESP_DUMMY = 59

const SPI_RESERVED_MAX = 255
/** RFC 4303 section 2.4 aligns the trailer, and so the whole packet, to four octets. */
const ALIGNMENT = 4

/**
 * `esp.truncated`: it ends inside the header.
 * `esp.empty`: nothing behind the header that could hold a trailer; probes look like that, senders of ESP never do.
 * `esp.spi_zero`: the SPI that is for local use and never sent (RFC 4303 section 2.1).
 */
export type EspFlaw = 'esp.truncated' | 'esp.empty' | 'esp.spi_zero'

/**
 * What is wrong without stopping a reader. `esp.spi_reserved`: one that IANA keeps for itself. `esp.alignment`: a length that no
 * ESP packet has. `esp.sequence_zero`: the first packet of an SA has 1 (RFC 4303 section 2.2).
 */
export type EspFinding = 'esp.spi_reserved' | 'esp.alignment' | 'esp.sequence_zero'

/** A reusable window on one ESP packet. After `esp.truncated` the payload is empty and nothing else means anything; after the others all does. */
export class EspView {
  bytes: Uint8Array = NO_BYTES
  start = 0
  /** Unsigned. */
  spi = 0
  /** The low 32 bits where the SA uses extended sequence numbers: the others are not sent. */
  sequence = 0
  /** Initialisation vector, ciphertext and integrity check value. */
  payloadStart = 0
  payloadEnd = 0
  wireEnd = 0

  /** `wireEnd` is where the packet ended on the wire; the capture may have cut it at `end`. */
  decode(bytes: Uint8Array, start: number, end: number, wireEnd: number = end): EspFlaw | null {
    this.bytes = bytes
    this.start = start
    this.payloadStart = end
    this.payloadEnd = end
    this.wireEnd = wireEnd
    if (end - start < ESP_HEADER_LENGTH) return 'esp.truncated'
    this.spi = u32(bytes, start)
    this.sequence = u32(bytes, start + 4)
    this.payloadStart = start + ESP_HEADER_LENGTH
    if (wireEnd - this.payloadStart < ESP_TRAILER_LENGTH) return 'esp.empty'
    return this.spi === 0 ? 'esp.spi_zero' : null
  }

  /** The capture holds less than was sent. */
  get isSnapped(): boolean {
    return this.payloadEnd < this.wireEnd
  }

  get hasReservedSpi(): boolean {
    return this.spi <= SPI_RESERVED_MAX
  }

  /** Whether the length is one that an ESP packet can have. */
  get isAligned(): boolean {
    return (this.wireEnd - this.start) % ALIGNMENT === 0
  }
}

/**
 * `esp.pad_length`: more padding than there is content.
 * `esp.padding`: not the octets 1, 2, 3 … that RFC 4303 section 2.4 asks for where the algorithm wants no others.
 */
export type EspTrailerFlaw = 'esp.trailer_truncated' | 'esp.pad_length' | 'esp.padding'

/** A reusable window on the content of an opened packet. After `esp.padding` it is readable all the same, after the others empty. */
export class EspTrailerView {
  padLength = 0
  nextHeader = 0
  contentStart = 0
  contentEnd = 0

  /** `start` is behind the initialisation vector, `end` before the integrity check value. */
  decode(bytes: Uint8Array, start: number, end: number): EspTrailerFlaw | null {
    this.padLength = 0
    this.nextHeader = 0
    this.contentStart = start
    this.contentEnd = start
    if (end - start < ESP_TRAILER_LENGTH) return 'esp.trailer_truncated'
    const padLength = bytes[end - 2]
    const paddingEnd = end - ESP_TRAILER_LENGTH
    this.padLength = padLength
    this.nextHeader = bytes[end - 1]
    if (padLength > paddingEnd - start) return 'esp.pad_length'
    this.contentEnd = paddingEnd - padLength
    for (let i = 1; i <= padLength; i++) if (bytes[this.contentEnd + i - 1] !== i) return 'esp.padding'
    return null
  }
}

/** Protocols that are met inside ESP. One of the 256 values in about eight: what else a next header may be, it is rare. */
const CARRIED: ReadonlySet<number> = new Set([
  1, 2, 4, 6, 17, 41, 46, 47, 50, 51, 58, 59, 88, 89, 94, 103, 108, 112, 115, 132, 137,
])

/** Whether a next header names something that ESP is known to carry. */
export function isCarriedByEsp(nextHeader: number): boolean {
  return CARRIED.has(nextHeader) || isIpv6Extension(nextHeader)
}

export function spiText(spi: number): string {
  return `0x${hexWord(spi)}`
}

/** The header of a packet that `decode` accepted or refused, but not as truncated. */
export function describeEsp(esp: EspView): Record<string, unknown> & { readonly layer: 'esp' } {
  const findings: EspFinding[] = []
  if (esp.hasReservedSpi && esp.spi !== 0) findings.push('esp.spi_reserved')
  if (!esp.isAligned) findings.push('esp.alignment')
  if (esp.sequence === 0) findings.push('esp.sequence_zero')
  return {
    layer: 'esp',
    spi: spiText(esp.spi),
    sequence: esp.sequence,
    length: esp.wireEnd - esp.start,
    ...(findings.length > 0 ? { findings } : {}),
    ...(esp.isSnapped ? { isSnapped: true } : {}),
  }
}
