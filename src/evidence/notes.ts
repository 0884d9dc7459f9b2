/** What the packet path notes of each packet in a chunk: enough for the writer to make a block of pcapng of it. */
import type { StoredPacket } from './blocks.ts'

/** Words of a note. The time is a double in the two words from `TIME` on. */
export const NOTE = { AT: 0, CAPTURED: 1, ORIGINAL: 2, ORIGIN: 3, PATH: 4, SHAPE: 5, TIME: 6 } as const
export const NOTE_WORDS = 8

/** The nanoseconds beyond the microsecond stand below the number of the origin. */
const NANOSECOND_BITS = 10

export function originWord(origin: number, { timeNs }: StoredPacket): number {
  return (origin << NANOSECOND_BITS) | timeNs
}

export function originOf(word: number): number {
  return word >>> NANOSECOND_BITS
}

export function nanosecondsOf(word: number): number {
  return word & ((1 << NANOSECOND_BITS) - 1)
}
