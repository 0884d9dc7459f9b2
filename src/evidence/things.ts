/**
 * What a packet is part of, as 64 bits each: the letter of an id and its 48 bits, or an SPI. Two unsigned 32-bit halves, for
 * typed arrays.
 */

/** Twelve hexadecimal digits after a letter: what the trackers call a tunnel, a session, a flow … */
const UID = /^([a-z])-([0-9a-f]{12})$/
const SPI_LETTER = 0x23
const LETTER_SHIFT = 16

export interface Thing {
  readonly high: number
  readonly low: number
}

/** Null if the text is no whole id. */
export function thingOf(uid: string): Thing | null {
  const [, letter, digits] = UID.exec(uid) ?? []
  if (digits === undefined) return null
  const high = ((letter.charCodeAt(0) << LETTER_SHIFT) | Number.parseInt(digits.slice(0, 4), 16)) >>> 0
  return { high, low: Number.parseInt(digits.slice(4), 16) }
}

/** The SPI of ESP or AH, signed or not. */
export function thingOfSpi(spi: number): Thing {
  return { high: (SPI_LETTER << LETTER_SHIFT) >>> 0, low: spi >>> 0 }
}

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
