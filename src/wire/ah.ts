/**
 * The IP Authentication Header (RFC 4302): it protects and hides nothing, so that all behind it is read as if it were not there.
 */
import { hex, NO_BYTES, u16, u32 } from '../base/bytes.ts'
import { spiText } from './esp.ts'

/** Next header, length, reserved, SPI and sequence number: what stands before the integrity check value. */
const FIXED_LENGTH = 12
const SPI_RESERVED_MAX = 255

/**
 * `ah.truncated`: it ends inside the header.
 * `ah.length`: Payload Length says less than the fixed fields take, or more than the packet holds. What follows cannot be found.
 */
export type AhFlaw = 'ah.truncated' | 'ah.length'

/**
 * `ah.no_icv`: nothing authenticates the packet. `ah.alignment`: RFC 4302 section 2.2 wants multiples of eight octets in IPv6.
 * `ah.reserved`: the field that senders must set to zero.
 */
export type AhFinding = 'ah.no_icv' | 'ah.alignment' | 'ah.reserved' | 'ah.spi_reserved' | 'ah.spi_zero'

/** A reusable window on one packet behind AH. After a flaw the payload is empty; after `ah.length` the fixed fields can be read. */
export class AhView {
  bytes: Uint8Array = NO_BYTES
  start = 0
  nextHeader = 0
  /** As sent: 32-bit words less two. */
  payloadLength = 0
  reserved = 0
  /** Unsigned. */
  spi = 0
  sequence = 0
  icvStart = 0
  icvEnd = 0
  payloadStart = 0
  payloadEnd = 0
  wireEnd = 0

  /** `wireEnd` is where the packet ended on the wire; the capture may have cut it at `end`. */
  decode(bytes: Uint8Array, start: number, end: number, wireEnd: number = end): AhFlaw | null {
    this.bytes = bytes
    this.start = start
    this.payloadStart = end
    this.payloadEnd = end
    this.wireEnd = wireEnd
    this.icvStart = end
    this.icvEnd = end
    if (end - start < FIXED_LENGTH) return 'ah.truncated'
    this.nextHeader = bytes[start]
    this.payloadLength = bytes[start + 1]
    this.reserved = u16(bytes, start + 2)
    this.spi = u32(bytes, start + 4)
    this.sequence = u32(bytes, start + 8)
    const headerEnd = start + (this.payloadLength + 2) * 4
    if (headerEnd < start + FIXED_LENGTH || headerEnd > wireEnd) return 'ah.length'
    if (headerEnd > end) return 'ah.truncated'
    this.icvStart = start + FIXED_LENGTH
    this.icvEnd = headerEnd
    this.payloadStart = headerEnd
    return null
  }
}

/** The fields of a header whose fixed part was read; `isVersion6` is what the alignment is judged by. */
export function describeAh(ah: AhView, isVersion6: boolean): Record<string, unknown> & { readonly layer: 'ah' } {
  const findings = findingsOf(ah, isVersion6)
  return {
    layer: 'ah',
    nextHeader: ah.nextHeader,
    payloadLength: ah.payloadLength,
    reserved: ah.reserved,
    spi: spiText(ah.spi),
    sequence: ah.sequence,
    icvLength: ah.icvEnd - ah.icvStart,
    ...(ah.icvEnd > ah.icvStart ? { icv: hex(ah.bytes, ah.icvStart, ah.icvEnd) } : {}),
    ...(findings.length > 0 ? { findings } : {}),
  }
}

function findingsOf(ah: AhView, isVersion6: boolean): AhFinding[] {
  const findings: AhFinding[] = []
  if (ah.spi === 0) findings.push('ah.spi_zero')
  else if (ah.spi <= SPI_RESERVED_MAX) findings.push('ah.spi_reserved')
  if (ah.reserved !== 0) findings.push('ah.reserved')
  if (ah.payloadLength === 1) findings.push('ah.no_icv')
  if (isVersion6 && ah.payloadLength % 2 !== 0) findings.push('ah.alignment')
  return findings
}
