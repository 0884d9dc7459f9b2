/**
 * A segment grows by chunks: pcapng blocks, and after them a block of our own that says of each packet what it is part of, so
 * that a segment explains itself. The type of that block is one of those that pcapng leaves for local use; others skip it.
 *
 *     type, length · version and kind · number of the chunk · bytes before this block · their CRC-32 · packets · words of
 *     entries · first and last time (doubles, microseconds) · a path number for each packet · entries · CRC-32 of all this · length
 *
 * A path is a number within its segment for a set of things. An entry says what a path stands for, as words: the segment, the
 * path, how many things, and two words for each. An entry of an earlier segment, or a second one for a path, adds what was found
 * out later: of which tunnel a fragment or the first packet of an association was.
 */
import { crc32 } from 'node:zlib'
import { le32 } from '../base/little-endian.ts'
import { BLOCK, BLOCK_OVERHEAD } from './blocks.ts'

export const CHUNK_TRAILER = 0xb05c0001

/** What a chunk is: the last one of a segment is empty, and says that the segment is whole, or was taken up after a crash. */
export const CHUNK_KIND = { DATA: 0, LAST: 1, RECOVERED: 2 } as const
export type ChunkKind = (typeof CHUNK_KIND)[keyof typeof CHUNK_KIND]

const VERSION = 1
const HEAD = 48
const FIXED = 8 + HEAD + 4 + 4

export interface ChunkSummary {
  readonly kind: ChunkKind
  readonly number: number
  readonly firstUs: number
  readonly lastUs: number
}

export interface Chunk extends ChunkSummary {
  /** Where the payload begins and ends in the bytes that were read, and where the trailer ends. */
  readonly start: number
  readonly payloadEnd: number
  readonly end: number
  /** Of each packet its path. */
  readonly paths: Uint32Array
  readonly entries: Uint32Array
}

export function encodeTrailer(
  { kind, number, firstUs, lastUs }: ChunkSummary,
  payload: Uint8Array,
  paths: Uint32Array,
  entries: Uint32Array,
): Buffer {
  const length = FIXED + (paths.length + entries.length) * 4
  const out = Buffer.alloc(length)
  out.writeUInt32LE(CHUNK_TRAILER, 0)
  out.writeUInt32LE(length, 4)
  out.writeUInt32LE((VERSION << 8) | kind, 8)
  out.writeUInt32LE(number, 12)
  out.writeUInt32LE(payload.length, 16)
  out.writeUInt32LE(crc32(payload), 20)
  out.writeUInt32LE(paths.length, 24)
  out.writeUInt32LE(entries.length, 28)
  out.writeDoubleLE(firstUs, 32)
  out.writeDoubleLE(lastUs, 40)
  const words = new Uint32Array(out.buffer, out.byteOffset + 8 + HEAD, paths.length + entries.length)
  words.set(paths)
  words.set(entries, paths.length)
  out.writeUInt32LE(crc32(out.subarray(0, length - 8)), length - 8)
  out.writeUInt32LE(length, length - 4)
  return out
}

/** The chunk at `start`; or why there is none. `end` is where the bytes end, or are not known. */
export function decodeChunk(bytes: Uint8Array, start: number, end: number): Chunk | 'truncated' | 'damaged' {
  let at = start
  for (;;) {
    if (at + BLOCK_OVERHEAD > end) return 'truncated'
    const type = le32(bytes, at)
    const length = le32(bytes, at + 4)
    const isKnown =
      type === CHUNK_TRAILER || type === BLOCK.PACKET || type === BLOCK.INTERFACE || type === BLOCK.SECTION
    if (!isKnown || length < BLOCK_OVERHEAD || (length & 3) !== 0) return 'damaged'
    if (length > end - at) return 'truncated'
    if (type === CHUNK_TRAILER) return decodeTrailer(bytes, start, at, at + length)
    at += length
  }
}

function decodeTrailer(bytes: Uint8Array, start: number, at: number, end: number): Chunk | 'damaged' {
  const length = end - at
  if (length < FIXED || le32(bytes, end - 4) !== length) return 'damaged'
  if (crc32(bytes.subarray(at, end - 8)) !== le32(bytes, end - 8)) return 'damaged'
  const head = le32(bytes, at + 8)
  const packets = le32(bytes, at + 24)
  const words = le32(bytes, at + 28)
  if (head >>> 8 !== VERSION || FIXED + (packets + words) * 4 !== length) return 'damaged'
  if (le32(bytes, at + 16) !== at - start || le32(bytes, at + 20) !== crc32(bytes.subarray(start, at))) return 'damaged'
  const body = new Uint8Array(bytes.subarray(at + 8 + HEAD, end - 8))
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, length)
  return {
    kind: (head & 0xff) as ChunkKind,
    number: le32(bytes, at + 12),
    firstUs: view.getFloat64(32, true),
    lastUs: view.getFloat64(40, true),
    start,
    payloadEnd: at,
    end,
    paths: new Uint32Array(body.buffer, body.byteOffset, packets),
    entries: new Uint32Array(body.buffer, body.byteOffset + packets * 4, words),
  }
}
