/**
 * Little-endian reads, for the protocols of Windows; like `bytes.ts` without bounds checks, because `decode` has made them.
 * Text is bounded here once for all who take names out of packets: no name that a system accepts is longer.
 */
import { text } from './bytes.ts'

/** The longest text that is taken out of a message, in octets; what follows is cut. */
export const TEXT_OCTETS_MAX = 2048

export function le16(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8)
}

export function le32(bytes: Uint8Array, at: number): number {
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0
}

/** An unsigned 64-bit value: for values that are printed, never for counting. */
export function le64(bytes: Uint8Array, at: number): bigint {
  return (BigInt(le32(bytes, at + 4)) << 32n) | BigInt(le32(bytes, at))
}

// A byte order mark is kept: with and without it are two names.
const UTF16 = new TextDecoder('utf-16le', { ignoreBOM: true })

/** The octets as UTF-16LE, up to the first NUL; what is not UTF-16 becomes U+FFFD. An odd octet at the end is left out. */
export function utf16(bytes: Uint8Array, start: number, end: number): string {
  const octets = Math.min(end - start, TEXT_OCTETS_MAX)
  return untilNul(UTF16.decode(bytes.subarray(start, start + octets - (octets & 1))))
}

/** The octets as text of one octet a character, up to the first NUL. Names in other code pages than UTF-8 lose their accents. */
export function oemText(bytes: Uint8Array, start: number, end: number): string {
  return untilNul(text(bytes, start, Math.min(end, start + TEXT_OCTETS_MAX)))
}

function untilNul(words: string): string {
  const nul = words.indexOf('\0')
  return nul === -1 ? words : words.slice(0, nul)
}

/** Where the UTF-16 text that begins at `start` ends: after its NUL, or at `end`. */
export function utf16End(bytes: Uint8Array, start: number, end: number): number {
  for (let at = start; at + 2 <= end; at += 2) if (bytes[at] === 0 && bytes[at + 1] === 0) return at + 2
  return end
}

/** Where the text of single octets that begins at `start` ends: after its NUL, or at `end`. */
export function oemEnd(bytes: Uint8Array, start: number, end: number): number {
  const nul = bytes.subarray(start, end).indexOf(0)
  return nul === -1 ? end : start + nul + 1
}

/**
 * A UUID of 16 octets in the usual grouping. Its first three groups are numbers in the byte order of the sender, the rest is
 * octets (DCE 1.1, appendix A).
 */
export function uuidText(bytes: Uint8Array, at: number, isLittleEndian = true): string {
  const order = isLittleEndian ? LITTLE_ENDIAN : BIG_ENDIAN
  let out = ''
  for (let i = 0; i < 16; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) out += '-'
    out += HEX[bytes[at + order[i]]]
  }
  return out
}

const LITTLE_ENDIAN = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15]
const BIG_ENDIAN = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]
const HEX = Array.from({ length: 256 }, (_, octet) => octet.toString(16).padStart(2, '0'))

/** Between 1601, where Windows begins to count, and 1970, in units of 100 ns. */
const EPOCH_TICKS = 116_444_736_000_000_000n

/** A FILETIME (100 ns since 1601) as ISO 8601; undefined for 0, which means none, and for times that no calendar has. */
export function fileTimeText(bytes: Uint8Array, at: number): string | undefined {
  const ticks = le64(bytes, at)
  if (ticks === 0n) return undefined
  const date = new Date(Number((ticks - EPOCH_TICKS) / 10_000n))
  return date.getUTCFullYear() <= 9999 ? date.toISOString() : undefined
}
