/** Reads in the byte order of the machine that wrote the file. Unchecked, like those of `base/bytes.ts`. */
import { u16, u32 } from '../base/bytes.ts'

export function u16By(bytes: Uint8Array, at: number, isLittle: boolean): number {
  return isLittle ? bytes[at] | (bytes[at + 1] << 8) : u16(bytes, at)
}

export function u32By(bytes: Uint8Array, at: number, isLittle: boolean): number {
  if (!isLittle) return u32(bytes, at)
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0
}

/** An unsigned 64-bit value, rounded to a double above 2^53. */
export function u64By(bytes: Uint8Array, at: number, isLittle: boolean): number {
  const high = u32By(bytes, isLittle ? at + 4 : at, isLittle)
  const low = u32By(bytes, isLittle ? at : at + 4, isLittle)
  return high * 0x1_0000_0000 + low
}

/** A 64-bit value in two's complement, rounded to a double beyond 2^53. */
export function i64By(bytes: Uint8Array, at: number, isLittle: boolean): number {
  const high = u32By(bytes, isLittle ? at + 4 : at, isLittle) | 0
  const low = u32By(bytes, isLittle ? at : at + 4, isLittle)
  return high * 0x1_0000_0000 + low
}
