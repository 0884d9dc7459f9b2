/** What the writer must know of a packet to cut it, in one word: how much of it is kept without an alert, and where its hosts stand. */

/** Longer than any packet of a capture. */
export const PACKET_OCTETS_MAX = 0x4_0000
/** In place of where the outermost IP header begins. */
export const NO_HEADER = -1
const CUT_BITS = 19
/** One more than where the outermost IP header begins, as far as that fits; 0 if there is none. */
const OUTER_MAX = 0x1fff

/** `cut` octets are kept; `outerAt` is where the outermost IP header begins in the packet. */
export function shapeOf(cut: number, outerAt: number): number {
  return ((outerAt < OUTER_MAX ? outerAt + 1 : 0) << CUT_BITS) | cut
}

export function cutOf(shape: number): number {
  return shape & ((1 << CUT_BITS) - 1)
}

export function outerAtOf(shape: number): number {
  return (shape >>> CUT_BITS) - 1
}
