/** Frames as a sender of PPP multilink cuts them (RFC 1990 section 3). */
import * as craft from './craft.ts'

const FIRST = 0x80
const LAST = 0x40

/** The fragments of a frame, so many octets in each, numbered from `sequence`. */
export function cut(frame: Uint8Array, size: number, sequence: number, isShort = false): Uint8Array[] {
  const pieces: Uint8Array[] = []
  for (let at = 0; at < frame.length; at += size) {
    const flags = (at === 0 ? FIRST : 0) | (at + size >= frame.length ? LAST : 0)
    const number = sequence + pieces.length
    const header = isShort
      ? craft.be16((flags << 8) | (number & 0xfff))
      : craft.be32(((flags << 24) | (number & 0xffffff)) >>> 0)
    pieces.push(craft.concat(header, frame.subarray(at, at + size)))
  }
  return pieces
}
