/** Network addresses as text. */
import { u16, u32 } from './bytes.ts'

/** An IPv4 address held in a 32-bit integer, as dotted text. */
export function ipv4Text(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`
}

/** An address of 4 or 16 bytes as text; IPv6 in the canonical form of RFC 5952. */
export function addressText(bytes: Uint8Array, at: number, length: number): string {
  if (length === 4) return ipv4Text(u32(bytes, at))
  let runAt = -1
  let runLength = 1 // one group of zeros is not shortened
  for (let i = 0; i < 8; i++) {
    let zeros = 0
    while (i + zeros < 8 && u16(bytes, at + (i + zeros) * 2) === 0) zeros++
    if (zeros > runLength) {
      runAt = i
      runLength = zeros
    }
    if (zeros > 0) i += zeros
  }
  let out = ''
  for (let i = 0; i < 8; i++) {
    if (i === runAt) {
      out += '::'
      i += runLength - 1
      continue
    }
    if (out !== '' && !out.endsWith(':')) out += ':'
    out += u16(bytes, at + i * 2).toString(16)
  }
  return out
}
