/**
 * The framing of IKE and ESP in a TCP stream (RFC 9329, section 3; RFC 8229 before it): whoever opens the connection sends six
 * octets that say so, then both ends send frames of a 16-bit length and a message. The length counts itself; four zero octets,
 * the non-ESP marker, stand before an IKE message, any others are the SPI of ESP. A single octet 0xff may be sent to keep
 * translators of addresses awake, as it is over UDP.
 */
import { NO_BYTES, u16, u32 } from '../base/bytes.ts'
import { IKE_HEADER_LENGTH } from './ike.ts'
import { NON_ESP_MARKER_LENGTH } from './nat-t.ts'

/** "IKETCP" */
const PREFIX = [0x49, 0x4b, 0x45, 0x54, 0x43, 0x50] as const
export const IKE_TCP_PREFIX_LENGTH = PREFIX.length
const LENGTH_OCTETS = 2
/** SPI and sequence number. */
const ESP_HEADER_LENGTH = 8
const RESERVED_SPI_MAX = 255
const KEEPALIVE = 0xff

/** `iketcp.length`: a frame that is shorter than its length field, or than anything that may stand in it. */
export type IkeTcpFlaw = 'iketcp.length'
export type IkeTcpContent = 'ike' | 'esp' | 'keepalive'

/** Whether the window begins with the prefix of a stream; as much as there is of it when it is shorter. */
export function isIkeTcpPrefix(bytes: Uint8Array, start: number, end: number): boolean {
  const length = Math.min(end - start, IKE_TCP_PREFIX_LENGTH)
  for (let i = 0; i < length; i++) if (bytes[start + i] !== PREFIX[i]) return false
  return length > 0
}

/** Walks the frames that are complete: `while (frames.next()) …`, then look at `frames.flaw`, and at `frames.at` for the rest. */
export class IkeTcpCursor {
  content: IkeTcpContent = 'ike'
  /** As the frame says, with its own two octets. */
  length = 0
  /** Of the message, behind length and marker. */
  start = 0
  end = 0
  /** Where the next frame begins. */
  at = 0
  flaw: IkeTcpFlaw | null = null
  #bytes: Uint8Array = NO_BYTES
  #end = 0

  over(bytes: Uint8Array, start: number, end: number): this {
    this.#bytes = bytes
    this.#end = end
    this.at = start
    this.flaw = null
    return this
  }

  next(): boolean {
    const { at } = this
    const bytes = this.#bytes
    if (this.flaw !== null || this.#end - at < LENGTH_OCTETS) return false
    const length = u16(bytes, at)
    if (length < LENGTH_OCTETS + NON_ESP_MARKER_LENGTH && length !== LENGTH_OCTETS + 1) {
      this.flaw = 'iketcp.length'
      return false
    }
    if (at + length > this.#end) return false
    if (length === LENGTH_OCTETS + 1) return this.#keepalive(at)
    const isIke = u32(bytes, at + LENGTH_OCTETS) === 0
    this.content = isIke ? 'ike' : 'esp'
    this.length = length
    this.start = at + LENGTH_OCTETS + (isIke ? NON_ESP_MARKER_LENGTH : 0)
    this.end = at + length
    this.at = this.end
    return true
  }

  #keepalive(at: number): boolean {
    if (!isKeepalive(this.#bytes, at, this.#end)) {
      this.flaw = 'iketcp.length'
      return false
    }
    this.content = 'keepalive'
    this.length = LENGTH_OCTETS + 1
    this.start = at + LENGTH_OCTETS
    this.end = this.start + 1
    this.at = this.end
    return true
  }
}

/**
 * Whether a frame may begin at `start`: to find one's way back after a gap. An IKE message must have the length that its frame
 * has; ESP must fill the window to its end, alone or with further frames that do.
 */
export function mayBeFrames(bytes: Uint8Array, start: number, end: number): boolean {
  let isIke = false
  for (let at = start; at < end; ) {
    if (at > start && isKeepalive(bytes, at, end)) {
      at += LENGTH_OCTETS + 1
      continue
    }
    if (end - at < LENGTH_OCTETS + ESP_HEADER_LENGTH) return false
    const length = u16(bytes, at)
    if (length < LENGTH_OCTETS + ESP_HEADER_LENGTH) return false
    const spi = u32(bytes, at + LENGTH_OCTETS)
    if (spi === 0) {
      if (!isIkeFrame(bytes, at, Math.min(at + length, end), length)) return false
      isIke = true
    } else if (spi <= RESERVED_SPI_MAX) return false
    if (at + length > end) return isIke
    at += length
  }
  return end > start
}

function isKeepalive(bytes: Uint8Array, at: number, end: number): boolean {
  return end - at > LENGTH_OCTETS && u16(bytes, at) === LENGTH_OCTETS + 1 && bytes[at + LENGTH_OCTETS] === KEEPALIVE
}

function isIkeFrame(bytes: Uint8Array, at: number, end: number, length: number): boolean {
  const header = at + LENGTH_OCTETS + NON_ESP_MARKER_LENGTH
  if (end - header < IKE_HEADER_LENGTH) return false
  const version = bytes[header + 17] >> 4
  return (version === 1 || version === 2) && u32(bytes, header + 24) === length - LENGTH_OCTETS - NON_ESP_MARKER_LENGTH
}
