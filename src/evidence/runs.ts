/**
 * Brings packets into chunks. Packets that stand one behind the other in what was read of a capture are copied together, with what
 * stands between them: a call and a header for each would take longer than the octets. How far ahead is copied is learned from how
 * much of the last piece was wanted: where most packets are not kept, or captures are merged, it comes down to one packet.
 */
import { copyBytes } from './blocks.ts'
import type { SharedChunk } from './queue.ts'

/** Where a packet stands that there is no room for. */
export const NO_ROOM = -1

const AHEAD_MAX = 0x4_0000
/** Between two packets of a capture, at most: headers of records. */
const GAP_MAX = 64
/** If a larger part than this of what is copied ahead was for nothing, less is: the end of a block is always. */
const WASTE_MAX = 1 / 8

/** What a packet of the packet path is read from. */
export interface RunPacket {
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
  readonly block: number
  readonly blockEnd: number
}

export class Runs {
  /** The piece that was copied last: of which block, and from where to where. */
  #block = 0
  #from = 0
  #to = 0
  /** Where the last packet of it ends. */
  #last = 0
  /** What is added to a place in the block to make it one in the chunk. */
  #shift = 0
  /** Octets of the piece that packets were kept of, with the header of a record for each. */
  #wanted = 0
  #ahead = 0

  /** Another chunk is filled from now on. */
  restart(): void {
    this.#block = 0
    this.#to = this.#from
    this.#wanted = 0
  }

  /** Where in the chunk the packet stands now, or `NO_ROOM`. */
  place(packet: RunPacket, chunk: SharedChunk): number {
    const { start, end, block } = packet
    if (chunk.packets >= chunk.packetsMax) return NO_ROOM
    if (block !== 0 && block === this.#block && start >= this.#from && end <= this.#to) {
      this.#wanted += end - start + RECORD_BYTES
      this.#last = end
      return start + this.#shift
    }
    return this.#copy(packet, chunk)
  }

  #copy(packet: RunPacket, chunk: SharedChunk): number {
    const { bytes, start, end, block, blockEnd } = packet
    const at = chunk.end
    const room = chunk.bytes.length - at
    if (end - start > room) return NO_ROOM
    this.#learn(packet)
    let to = end
    if (block !== 0) to = Math.max(end, Math.min(blockEnd, start + Math.min(this.#ahead, room)))
    copyBytes(bytes, start, to, chunk.bytes, at)
    chunk.end = at + (to - start)
    this.#block = block
    this.#from = start
    this.#to = to
    this.#last = end
    this.#shift = at - start
    this.#wanted = end - start + RECORD_BYTES
    return at
  }

  /** How far ahead is worth while, from what became of the last piece. */
  #learn({ start, block }: RunPacket): void {
    const isNext = block === this.#block && start - this.#last <= GAP_MAX
    // The piece may end within this packet.
    const length = (isNext ? this.#last : this.#to) - this.#from
    if (length - this.#wanted > this.#ahead * WASTE_MAX) this.#ahead = Math.min(this.#wanted, this.#ahead >> 1)
    else if (isNext) this.#ahead = Math.min(AHEAD_MAX, Math.max(length, this.#ahead) * 4)
  }
}

/** Of the header of a record, or of the frame of a block, in a capture. */
const RECORD_BYTES = 16
