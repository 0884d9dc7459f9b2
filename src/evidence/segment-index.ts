/**
 * What a segment holds, beside it in a file: which things, on which paths, and where the packets of each path lie. It is made
 * when the segment is closed, and can be made again from the segment.
 *
 *     header (128) · chunks · interfaces · things, sorted · paths of the things · paths · their things · entries of earlier
 *     segments · postings: of each path the offsets of its packets, ascending
 *
 * All but the postings, the directory, is read and verified at once; of the postings only those of the paths that are wanted,
 * which have a CRC-32 each.
 */
import { crc32 } from 'node:zlib'
import { BLOCK, readInterface } from './blocks.ts'
import { le32 } from '../base/little-endian.ts'
import { resultOf } from '../base/steps.ts'
import { CHUNK_KIND, type Chunk } from './chunk.ts'
import { isBefore, isSame, type Thing } from './things.ts'
import { pathsOfThings, ThingsOfPaths } from './thing-table.ts'

const MAGIC = 'BSPIDX01'
export const INDEX_HEADER_BYTES = 128
const CHUNK_WORDS = 8
const THING_WORDS = 4
const PATH_WORDS = 5
const PLACE_WORDS = 3

export interface ChunkPlace {
  /** Of the chunk in the segment before it was packed. */
  readonly start: number
  readonly length: number
  readonly fileStart: number
  readonly fileLength: number
  readonly firstUs: number
  readonly lastUs: number
}

export interface Interface {
  readonly linkType: number
  readonly name: string
}

/** What was found out later about a path of an earlier segment. */
export interface LaterEntry {
  readonly segment: number
  readonly path: number
  readonly things: readonly Thing[]
}

interface PathPlace {
  readonly things: readonly Thing[]
  readonly posting: number
  readonly packets: number
  readonly crc: number
}

/** Everything but the postings. */
export interface Directory {
  readonly segment: number
  /** It was cut short by a crash, and closed later. */
  readonly isRecovered: boolean
  readonly packets: number
  readonly bytes: number
  readonly fileBytes: number
  readonly firstUs: number
  readonly lastUs: number
  readonly sealedMs: number
  /** SHA-256 of the segment file, hexadecimal; empty while it is written. */
  readonly sha256: string
  readonly chunks: readonly ChunkPlace[]
  readonly interfaces: readonly Interface[]
  readonly later: readonly LaterEntry[]
  readonly pathCount: number
  path(number: number): PathPlace
  /** Of each path of a thing its number. */
  pathsOf(thing: Thing): readonly number[]
  /** Things of which the id begins so: all between the two. */
  thingsBetween(first: Thing, last: Thing): readonly Thing[]
}

/** Gathers what an index says, chunk by chunk. */
export class IndexBuilder {
  readonly #segment: number
  readonly #chunks: ChunkPlace[] = []
  readonly #interfaces: Interface[] = []
  readonly #later: LaterEntry[] = []
  /** What paths of this segment stand for, as they came: path, how many things, two words for each. */
  #entries = new Uint32Array(1024)
  #entryWords = 0
  #pathsKnown = 0
  #offsets = new Uint32Array(4096)
  #paths = new Uint32Array(4096)
  #packets = 0
  #bytes = 0
  #firstUs = Number.POSITIVE_INFINITY
  #lastUs = Number.NEGATIVE_INFINITY
  isRecovered = false

  constructor(segment: number) {
    this.#segment = segment
  }

  get packets(): number {
    return this.#packets
  }

  get bytes(): number {
    return this.#bytes
  }

  get chunks(): number {
    return this.#chunks.length
  }

  /** False if the packets of the chunk are not those that its trailer counts. */
  add(chunk: Chunk, bytes: Uint8Array, fileStart: number, fileLength: number): boolean {
    const { start, payloadEnd, end, paths, entries, firstUs, lastUs, kind } = chunk
    let packet = 0
    this.#reserve(paths.length)
    for (let at = start; at < payloadEnd; at += le32(bytes, at + 4)) {
      const type = le32(bytes, at)
      if (type === BLOCK.INTERFACE) this.#interfaces.push(readInterface(bytes, at, at + le32(bytes, at + 4)))
      if (type !== BLOCK.PACKET) continue
      if (packet === paths.length) return false
      this.#offsets[this.#packets + packet] = this.#bytes + (at - start)
      this.#paths[this.#packets + packet] = paths[packet]
      packet++
    }
    if (packet !== paths.length) return false
    this.#packets += packet
    if (kind === CHUNK_KIND.RECOVERED) this.isRecovered = true
    this.#chunks.push({ start: this.#bytes, length: end - start, fileStart, fileLength, firstUs, lastUs })
    this.#bytes += end - start
    if (packet > 0) {
      this.#firstUs = Math.min(this.#firstUs, firstUs)
      this.#lastUs = Math.max(this.#lastUs, lastUs)
    }
    this.#takeEntries(entries)
    return true
  }

  #reserve(more: number): void {
    const needed = this.#packets + more
    if (needed <= this.#offsets.length) return
    const size = Math.max(needed, this.#offsets.length * 2)
    const [offsets, paths] = [this.#offsets, this.#paths]
    this.#offsets = new Uint32Array(size)
    this.#paths = new Uint32Array(size)
    this.#offsets.set(offsets)
    this.#paths.set(paths)
  }

  #takeEntries(words: Uint32Array): void {
    if (this.#entryWords + words.length > this.#entries.length) {
      const larger = new Uint32Array(Math.max(this.#entryWords + words.length, this.#entries.length * 2))
      larger.set(this.#entries)
      this.#entries = larger
    }
    for (let at = 0; at + 3 <= words.length; ) {
      const segment = words[at]
      const path = words[at + 1]
      const end = at + 3 + words[at + 2] * 2
      if (segment === this.#segment) {
        if (path >= this.#pathsKnown) this.#pathsKnown = path + 1
        for (let i = at + 1; i < end; i++) this.#entries[this.#entryWords++] = words[i]
      } else {
        const things: Thing[] = []
        for (let i = at + 3; i < end; i += 2) things.push({ high: words[i], low: words[i + 1] })
        this.#later.push({ segment, path, things })
      }
      at = end
    }
  }

  /** The index as a file. `sha256` is that of the segment file. */
  encode(fileBytes: number, sealedMs: number, sha256: Uint8Array): Buffer {
    return Buffer.concat(resultOf(this.encoding(fileBytes, sealedMs, sha256)))
  }

  /** The same in steps, for who has something else to do between them, and in parts. */
  *encoding(fileBytes: number, sealedMs: number, sha256: Uint8Array): Generator<void, Buffer[]> {
    const places = this.#places()
    const postings = this.#postings(places)
    yield
    sumUp(postings, places)
    yield
    const directory = yield* this.#directory(places)
    const head = Buffer.alloc(INDEX_HEADER_BYTES)
    head.write(MAGIC, 'latin1')
    const counts = [this.#segment, this.isRecovered ? 1 : 0, this.#packets, this.#bytes, lengthOf(directory)]
    for (const [i, value] of counts.entries()) head.writeUInt32LE(value, 8 + i * 4)
    head.writeUInt32LE(checksumOf(directory), 28)
    const doubles = [fileBytes, sealedMs, this.#packets > 0 ? this.#firstUs : 0, this.#packets > 0 ? this.#lastUs : 0]
    for (const [i, value] of doubles.entries()) head.writeDoubleLE(value, 32 + i * 8)
    head.set(sha256, 64)
    head.writeUInt32LE(crc32(head.subarray(0, INDEX_HEADER_BYTES - 4)), INDEX_HEADER_BYTES - 4)
    return [head, ...directory, octetsOf(postings)]
  }

  /** Of each path where its packets begin among all, how many it has, and room for their checksum. */
  #places(): Uint32Array {
    const paths = this.#pathCount()
    const places = new Uint32Array(paths * PLACE_WORDS)
    for (let i = 0; i < this.#packets; i++) places[this.#paths[i] * PLACE_WORDS + 1]++
    let first = 0
    for (let at = 0; at < places.length; at += PLACE_WORDS) {
      places[at] = first
      first += places[at + 1]
    }
    return places
  }

  /** Packets by path, in their order: the second half of a counting sort. */
  #postings(places: Uint32Array): Uint32Array {
    const postings = new Uint32Array(this.#packets)
    const next = new Uint32Array(places.length / PLACE_WORDS)
    for (let path = 0; path < next.length; path++) next[path] = places[path * PLACE_WORDS]
    for (let i = 0; i < this.#packets; i++) postings[next[this.#paths[i]]++] = this.#offsets[i]
    return postings
  }

  #pathCount(): number {
    let count = Math.max(1, this.#pathsKnown)
    for (let i = 0; i < this.#packets; i++) if (this.#paths[i] >= count) count = this.#paths[i] + 1
    return count
  }

  *#directory(places: Uint32Array): Generator<void, Buffer[]> {
    const paths = places.length / PLACE_WORDS
    const of = new ThingsOfPaths(paths, this.#entries.subarray(0, this.#entryWords))
    yield
    const pathWords = new Uint32Array(paths * PATH_WORDS)
    for (let path = 0; path < paths; path++) {
      pathWords[path * PATH_WORDS] = places[path * PLACE_WORDS]
      pathWords[path * PATH_WORDS + 1] = places[path * PLACE_WORDS + 1]
      pathWords[path * PATH_WORDS + 2] = places[path * PLACE_WORDS + 2]
      pathWords[path * PATH_WORDS + 3] = of.firsts[path]
      pathWords[path * PATH_WORDS + 4] = of.firsts[path + 1] - of.firsts[path]
    }
    const { sorted, pathNumbers } = yield* pathsOfThings(of)
    yield
    const later: number[] = []
    for (const { segment, path, things } of this.#later) {
      later.push(segment, path, things.length)
      for (const { high, low } of things) later.push(high, low)
    }
    const interfaces = Buffer.from(JSON.stringify(this.#interfaces))
    const parts = [
      Buffer.alloc(28),
      this.#chunkTable(),
      Buffer.concat([interfaces, Buffer.alloc(-interfaces.length & 3, ' ')]),
      octetsOf(sorted),
      octetsOf(pathNumbers),
      octetsOf(pathWords),
      octetsOf(of.words),
      words(later),
    ]
    for (const [i, part] of parts.slice(1).entries()) parts[0].writeUInt32LE(part.length, i * 4)
    return parts
  }

  #chunkTable(): Buffer {
    const out = Buffer.alloc(this.#chunks.length * CHUNK_WORDS * 4)
    for (const [i, chunk] of this.#chunks.entries()) {
      const at = i * CHUNK_WORDS * 4
      out.writeUInt32LE(chunk.start, at)
      out.writeUInt32LE(chunk.length, at + 4)
      out.writeUInt32LE(chunk.fileStart, at + 8)
      out.writeUInt32LE(chunk.fileLength, at + 12)
      out.writeDoubleLE(chunk.firstUs, at + 16)
      out.writeDoubleLE(chunk.lastUs, at + 24)
    }
    return out
  }
}

/** The checksum of the packets of each path. */
function sumUp(postings: Uint32Array, places: Uint32Array): void {
  const octets = octetsOf(postings)
  for (let at = 0; at < places.length; at += PLACE_WORDS) {
    const start = places[at] * 4
    places[at + 2] = crc32(octets.subarray(start, start + places[at + 1] * 4))
  }
}

function lengthOf(parts: readonly Buffer[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0)
}

function checksumOf(parts: readonly Buffer[]): number {
  return parts.reduce((sum, part) => crc32(part, sum), 0)
}

function octetsOf(array: Uint32Array): Buffer {
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength)
}

function words(numbers: readonly number[]): Buffer {
  return octetsOf(Uint32Array.from(numbers))
}

export interface IndexHeader {
  readonly segment: number
  readonly isRecovered: boolean
  readonly packets: number
  readonly bytes: number
  readonly directoryBytes: number
  readonly directoryCrc: number
  readonly fileBytes: number
  readonly sealedMs: number
  readonly firstUs: number
  readonly lastUs: number
  readonly sha256: string
}

/** Null if these are not the first 128 bytes of an index. */
export function decodeIndexHeader(head: Buffer): IndexHeader | null {
  if (head.length < INDEX_HEADER_BYTES || head.toString('latin1', 0, 8) !== MAGIC) return null
  if (head.readUInt32LE(INDEX_HEADER_BYTES - 4) !== crc32(head.subarray(0, INDEX_HEADER_BYTES - 4))) return null
  return {
    segment: head.readUInt32LE(8),
    isRecovered: head.readUInt32LE(12) === 1,
    packets: head.readUInt32LE(16),
    bytes: head.readUInt32LE(20),
    directoryBytes: head.readUInt32LE(24),
    directoryCrc: head.readUInt32LE(28),
    fileBytes: head.readDoubleLE(32),
    sealedMs: head.readDoubleLE(40),
    firstUs: head.readDoubleLE(48),
    lastUs: head.readDoubleLE(56),
    sha256: head.toString('hex', 64, 96),
  }
}

/** Null if the bytes are not what the header says. */
export function decodeDirectory(header: IndexHeader, bytes: Buffer): Directory | null {
  if (bytes.length !== header.directoryBytes || crc32(bytes) !== header.directoryCrc) return null
  const parts: Buffer[] = []
  let at = 28
  for (let i = 0; i < 7; i++) {
    const length = bytes.readUInt32LE(i * 4)
    parts.push(bytes.subarray(at, at + length))
    at += length
  }
  const [chunks, interfaces, sorted, pathNumbers, paths, things, later] = parts
  const sortedThings = new Words(sorted)
  const numbers = new Words(pathNumbers)
  const rows = new Words(paths)
  const keys = new Words(things)
  return {
    ...header,
    chunks: readChunks(chunks),
    interfaces: JSON.parse(interfaces.toString('utf8')) as Interface[],
    later: readLater(new Words(later)),
    pathCount: rows.length / PATH_WORDS,
    path: (number) => readPath(rows, keys, number * PATH_WORDS),
    pathsOf(thing) {
      const found = lowerBound(sortedThings, thing)
      if (found * THING_WORDS >= sortedThings.length || !isSame(thingAt(sortedThings, found), thing)) return []
      const first = sortedThings.at(found * THING_WORDS + 2)
      return numbers.slice(first, first + sortedThings.at(found * THING_WORDS + 3))
    },
    thingsBetween(first, last) {
      const found: Thing[] = []
      for (let i = lowerBound(sortedThings, first); i * THING_WORDS < sortedThings.length; i++) {
        const thing = thingAt(sortedThings, i)
        if (isBefore(last, thing)) break
        found.push(thing)
      }
      return found
    },
  }
}

/** Unsigned 32-bit numbers, wherever they lie. */
class Words {
  readonly #bytes: Buffer
  readonly length: number

  constructor(bytes: Buffer) {
    this.#bytes = bytes
    this.length = bytes.length / 4
  }

  at(index: number): number {
    return this.#bytes.readUInt32LE(index * 4)
  }

  slice(start: number, end: number): number[] {
    return Array.from({ length: end - start }, (_, i) => this.at(start + i))
  }
}

function thingAt(sorted: Words, index: number): Thing {
  return { high: sorted.at(index * THING_WORDS), low: sorted.at(index * THING_WORDS + 1) }
}

/** The first thing that is not before this one. */
function lowerBound(sorted: Words, thing: Thing): number {
  let low = 0
  let high = sorted.length / THING_WORDS
  while (low < high) {
    const middle = (low + high) >>> 1
    if (isBefore(thingAt(sorted, middle), thing)) low = middle + 1
    else high = middle
  }
  return low
}

function readChunks(bytes: Buffer): ChunkPlace[] {
  const chunks: ChunkPlace[] = []
  for (let at = 0; at + CHUNK_WORDS * 4 <= bytes.length; at += CHUNK_WORDS * 4) {
    chunks.push({
      start: bytes.readUInt32LE(at),
      length: bytes.readUInt32LE(at + 4),
      fileStart: bytes.readUInt32LE(at + 8),
      fileLength: bytes.readUInt32LE(at + 12),
      firstUs: bytes.readDoubleLE(at + 16),
      lastUs: bytes.readDoubleLE(at + 24),
    })
  }
  return chunks
}

function readPath(rows: Words, keys: Words, at: number): PathPlace {
  const first = rows.at(at + 3)
  const things: Thing[] = []
  for (let i = first; i < first + rows.at(at + 4); i++) things.push({ high: keys.at(i * 2), low: keys.at(i * 2 + 1) })
  return { posting: rows.at(at), packets: rows.at(at + 1), crc: rows.at(at + 2), things }
}

function readLater(rows: Words): LaterEntry[] {
  const later: LaterEntry[] = []
  for (let at = 0; at < rows.length; ) {
    const things: Thing[] = []
    const count = rows.at(at + 2)
    for (let i = 0; i < count; i++) things.push({ high: rows.at(at + 3 + i * 2), low: rows.at(at + 4 + i * 2) })
    later.push({ segment: rows.at(at), path: rows.at(at + 1), things })
    at += 3 + count * 2
  }
  return later
}
