/** Integer mixing for the open-addressing tables. Multiplications modulo 2^32; the constants are Murmur3's finaliser. */

export function mix32(value: number): number {
  let h = value
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}

export function mixPair(a: number, b: number): number {
  return mix32(Math.imul(a, 0x9e3779b1) ^ (b + 0x7f4a7c15))
}

/** A hash of a window, for telling "the same bytes again" from "other bytes". Not for hostile collisions. */
export function hashWindow(bytes: Uint8Array, start: number, end: number): number {
  let h = 0x811c9dc5
  for (let i = start; i < end; i++) h = Math.imul(h ^ bytes[i], 0x01000193)
  return mix32(h ^ (end - start))
}
