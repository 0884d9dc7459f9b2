/**
 * What a packet is part of, as 64 bits each: the letter of an id and its 48 bits, or an SPI. Two unsigned 32-bit halves, for
 * typed arrays.
 */

/** A letter, a hyphen, twelve hexadecimal digits: what the trackers call a tunnel, a session, a flow … */
const UID_LENGTH = 14
const HYPHEN = 0x2d
const SPI_LETTER = 0x23
const PEER_LETTER = 0x40
const LETTER_SHIFT = 16

export interface Thing {
  readonly high: number
  readonly low: number
}

/** Null if the text is no whole id. */
export function thingOf(uid: string): Thing | null {
  const letter = uid.charCodeAt(0)
  if (uid.length !== UID_LENGTH || letter < 0x61 || letter > 0x7a || uid.charCodeAt(1) !== HYPHEN) return null
  const upper = hexadecimal(uid, 2, 6)
  const middle = hexadecimal(uid, 6, 10)
  const lower = hexadecimal(uid, 10, 14)
  if (upper < 0 || middle < 0 || lower < 0) return null
  return { high: (letter << LETTER_SHIFT) | upper, low: ((middle << 16) | lower) >>> 0 }
}

/** Of lower-case digits; negative if one is none. */
function hexadecimal(text: string, start: number, end: number): number {
  let value = 0
  for (let i = start; i < end; i++) {
    const code = text.charCodeAt(i)
    if (code >= 0x30 && code <= 0x39) value = (value << 4) | (code - 0x30)
    else if (code >= 0x61 && code <= 0x66) value = (value << 4) | (code - 0x57)
    else return -1
  }
  return value
}

/** The SPI of ESP or AH, signed or not. */
export function thingOfSpi(spi: number): Thing {
  return { high: (SPI_LETTER << LETTER_SHIFT) >>> 0, low: spi >>> 0 }
}

/** A host, by the hash of its address: only to compare with, for hashes may agree. */
export function peerThing(hash: number): Thing {
  return { high: PEER_HIGH, low: hash >>> 0 }
}

/** The high word of every host. */
export const PEER_HIGH = PEER_LETTER << LETTER_SHIFT

/** The id, or for an SPI `spi:` and eight hexadecimal digits. */
export function nameOf({ high, low }: Thing): string {
  const digits = low.toString(16).padStart(8, '0')
  const letter = high >>> LETTER_SHIFT
  if (letter === SPI_LETTER) return `spi:${digits}`
  return `${String.fromCharCode(letter)}-${(high & 0xffff).toString(16).padStart(4, '0')}${digits}`
}

export function isBefore(a: Thing, b: Thing): boolean {
  return a.high !== b.high ? a.high < b.high : a.low < b.low
}

export function isSame(a: Thing, b: Thing): boolean {
  return a.high === b.high && a.low === b.low
}
