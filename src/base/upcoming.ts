/** Where the packets stand that a source will give next, as far as they are in memory already: a hint, which may be wrong or empty. */
import { NO_BYTES } from './bytes.ts'

/** So many at once: their look-ups wait for memory together, and what they bring still fits into the processor's nearest caches. */
export const UPCOMING_MAX = 64

export class Upcoming {
  /** What all of them stand in. */
  bytes = NO_BYTES
  /** LINKTYPE_ number, that of all. */
  linkType = 0
  count = 0
  readonly starts = new Int32Array(UPCOMING_MAX)
  readonly ends = new Int32Array(UPCOMING_MAX)

  get isFull(): boolean {
    return this.count === UPCOMING_MAX
  }

  /** Begins anew. */
  over(bytes: Uint8Array, linkType: number): void {
    this.bytes = bytes
    this.linkType = linkType
    this.count = 0
  }

  /** The next packet, if there is room for it. */
  add(start: number, end: number): void {
    if (this.isFull) return
    this.starts[this.count] = start
    this.ends[this.count] = end
    this.count++
  }
}
