/**
 * Asks a store for the packets of things. Indexes say where they lie; of the segments only those parts are read that hold some.
 * What is damaged is told, and the rest is given; a damaged index is made again in memory from its segment.
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { basename } from 'node:path'
import { crc32 } from 'node:zlib'
import { SEALED_HEADER_BYTES, Unpacker } from './container.ts'
import type { EvidenceProblem } from './problem.ts'
import { walk } from './recovery.ts'
import { indexPath, listSegments, type SegmentFile, sizeOf } from './segment-file.ts'
import { decodeDirectory, decodeIndexHeader, type Directory, INDEX_HEADER_BYTES } from './segment-index.ts'
import { nameOf, type Thing } from './things.ts'

/** What is asked for. */
export interface Wanted {
  /** Packets of any of these; null for all. */
  readonly things: readonly Thing[] | null
  /** At or after, and before, in microseconds. */
  readonly fromUs: number
  readonly toUs: number
  /** Also the packets that one must have seen to understand those: of what the things are inside of. */
  readonly hasContext: boolean
}

/** One segment, and those of its packets that are wanted. */
export interface Found {
  readonly segment: OpenedSegment
  /** Offsets, ascending. */
  readonly offsets: Uint32Array
  /** Of each whether it was asked for, or is context. */
  readonly isWanted: Uint8Array
}

/** Read at once of a plain segment. */
const WINDOW_BYTES = 0x4000
const WINDOWS_MAX = 1024
const CHUNKS_MAX = 24
const FLOW_LETTER = 'f'

export class EvidenceReader {
  readonly folder: string
  readonly segments: readonly OpenedSegment[]
  readonly problems: EvidenceProblem[] = []
  readonly #key: Uint8Array | null

  /** @throws EvidenceError if there is no store */
  constructor(folder: string, key: Uint8Array | null) {
    this.folder = folder
    this.#key = key
    const segments: OpenedSegment[] = []
    for (const file of listSegments(folder)) {
      const segment = this.#open(file)
      if (segment !== null) segments.push(segment)
    }
    this.segments = segments
  }

  /** Bytes of segments and postings that were read so far; directories come on top. */
  get bytesRead(): number {
    return this.segments.reduce((sum, segment) => sum + segment.bytesRead, 0)
  }

  #open(file: SegmentFile): OpenedSegment | null {
    try {
      return OpenedSegment.open(this.folder, file, this.#key, this.problems)
    } catch (error) {
      // Rolled out since it was listed.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
      this.#problem(file, 'evidence.unreadable', (error as Error).message)
      return null
    }
  }

  #problem({ path }: SegmentFile, name: EvidenceProblem['name'], message: string): void {
    this.problems.push({ name, file: basename(path), offset: 0, message })
  }

  /** The names of things that begin so, at most `limit` of them. */
  namesBeginning(prefix: string, limit: number): string[] {
    const range = rangeOf(prefix)
    const names = new Set<string>()
    if (range === null) return []
    for (const { directory } of this.segments) {
      const later = directory.later.flatMap(({ things }) => things).filter((thing) => isWithin(thing, range))
      for (const thing of [...directory.thingsBetween(range.first, range.last), ...later]) {
        names.add(nameOf(thing))
        if (names.size >= limit) return [...names]
      }
    }
    return [...names]
  }

  /** Segment by segment, the oldest first. */
  select(wanted: Wanted): Found[] {
    const later = this.#later()
    const chosen = this.segments.map((segment) => {
      const isInTime = segment.directory.lastUs >= wanted.fromUs && segment.directory.firstUs < wanted.toUs
      return { segment, paths: isInTime ? pathsOf(segment, wanted.things, later) : new Set<number>() }
    })
    const around = wanted.hasContext && wanted.things !== null ? thingsAround(chosen, later) : null
    const found: Found[] = []
    for (const { segment, paths } of chosen) {
      const context = around === null ? [] : contextOf(segment, around, later)
      const all = new Set([...paths, ...context])
      if (all.size > 0) found.push(segment.postings(all, paths, this.problems))
    }
    return found
  }

  /** What later segments say of the paths of earlier ones. */
  #later(): Map<string, Thing[]> {
    const later = new Map<string, Thing[]>()
    for (const { directory } of this.segments) {
      for (const { segment, path, things } of directory.later) {
        const key = `${segment} ${path}`
        later.set(key, [...(later.get(key) ?? []), ...things])
      }
    }
    return later
  }

  close(): void {
    for (const segment of this.segments) segment.close()
  }
}

interface Range {
  readonly first: Thing
  readonly last: Thing
}

/** All things whose name begins so: a letter, a dash, and up to twelve digits; or `spi:` and up to eight. */
function rangeOf(prefix: string): Range | null {
  const [, letter, digits] = /^([a-z])-([0-9a-f]{0,12})$/.exec(prefix) ?? []
  if (digits === undefined) return null
  const base = (letter.charCodeAt(0) << 16) >>> 0
  const thing = (text: string): Thing => ({
    high: (base | Number.parseInt(text.slice(0, 4), 16)) >>> 0,
    low: Number.parseInt(text.slice(4), 16),
  })
  return { first: thing(digits.padEnd(12, '0')), last: thing(digits.padEnd(12, 'f')) }
}

function isWithin({ high, low }: Thing, { first, last }: Range): boolean {
  const isAfter = high > first.high || (high === first.high && low >= first.low)
  return isAfter && (high < last.high || (high === last.high && low <= last.low))
}

function keyOf({ high, low }: Thing): string {
  return `${high} ${low}`
}

function pathsOf(
  { directory }: OpenedSegment,
  things: readonly Thing[] | null,
  later: ReadonlyMap<string, readonly Thing[]>,
): Set<number> {
  if (things === null) return new Set(Array.from({ length: directory.pathCount }, (_, path) => path))
  const paths = new Set<number>()
  for (const thing of things) for (const path of directory.pathsOf(thing)) paths.add(path)
  if (later.size === 0) return paths
  const wanted = new Set(things.map(keyOf))
  for (const [key, found] of later) {
    const [segment, path] = key.split(' ').map(Number)
    // A chunk that was lost may have taken a path of its segment with it.
    if (segment !== directory.segment || path >= directory.pathCount) continue
    if (found.some((thing) => wanted.has(keyOf(thing)))) paths.add(path)
  }
  return paths
}

function thingsOfPath(
  { directory }: OpenedSegment,
  path: number,
  later: ReadonlyMap<string, readonly Thing[]>,
): Thing[] {
  return [...directory.path(path).things, ...(later.get(`${directory.segment} ${path}`) ?? [])]
}

/** Everything that the chosen packets are part of, but for flows. */
function thingsAround(
  chosen: readonly { readonly segment: OpenedSegment; readonly paths: ReadonlySet<number> }[],
  later: ReadonlyMap<string, readonly Thing[]>,
): Map<string, Thing> {
  const around = new Map<string, Thing>()
  for (const { segment, paths } of chosen)
    for (const path of paths)
      for (const thing of thingsOfPath(segment, path, later)) if (!isFlow(thing)) around.set(keyOf(thing), thing)
  return around
}

/** Paths that are part of nothing else. */
function contextOf(
  segment: OpenedSegment,
  around: ReadonlyMap<string, Thing>,
  later: ReadonlyMap<string, readonly Thing[]>,
): number[] {
  const paths = pathsOf(segment, [...around.values()], later)
  return [...paths].filter((path) =>
    thingsOfPath(segment, path, later).every((thing) => isFlow(thing) || around.has(keyOf(thing))),
  )
}

function isFlow(thing: Thing): boolean {
  return nameOf(thing)[0] === FLOW_LETTER
}

/** A segment that is being read. */
export class OpenedSegment {
  readonly file: SegmentFile
  readonly directory: Directory
  bytesRead = 0
  readonly #fd: number
  readonly #unpacker: Unpacker
  /** Postings in the index file; or in memory, if the index was made again. */
  readonly #postings: { readonly path: string; readonly at: number } | Buffer
  readonly #remake: () => { directory: Directory; postings: Buffer } | null
  /** The blocks that were read last, by where they begin: windows of a plain segment, chunks of a packed one. */
  readonly #blocks = new Map<number, Uint8Array>()
  #blockOf: number[] = []

  private constructor(
    file: SegmentFile,
    fd: number,
    unpacker: Unpacker,
    directory: Directory,
    postings: { readonly path: string; readonly at: number } | Buffer,
    remake: () => { directory: Directory; postings: Buffer } | null,
  ) {
    this.file = file
    this.#fd = fd
    this.#unpacker = unpacker
    this.directory = directory
    this.#postings = postings
    this.#remake = remake
    this.#blockOf = directory.chunks.map(({ start }) => start)
  }

  /** Null if nothing of it can be read; why is among the problems. */
  static open(
    folder: string,
    file: SegmentFile,
    key: Uint8Array | null,
    problems: EvidenceProblem[],
  ): OpenedSegment | null {
    const name = basename(file.path)
    const fd = openSync(file.path, 'r')
    const header = Buffer.alloc(SEALED_HEADER_BYTES)
    const length = readSync(fd, header, 0, header.length, 0)
    const unpacker = Unpacker.open(file.form, header.subarray(0, length), file.number, key)
    if ('name' in unpacker) {
      closeSync(fd)
      problems.push({ ...unpacker, file: name, offset: 0 })
      return null
    }
    const remake = () => remade(file, key, problems)
    const path = indexPath(folder, file.number)
    const directory = file.isOpen ? null : readDirectory(path, file.path)
    if (directory !== null) {
      const at = sizeOf(path) - directory.packets * 4
      return new OpenedSegment(file, fd, unpacker, directory, { path, at }, remake)
    }
    if (!file.isOpen) {
      const message = 'is missing or damaged: it is made again from its segment'
      problems.push({ name: 'evidence.index_damaged', file: basename(path), offset: 0, message })
    }
    const again = remake()
    if (again !== null) return new OpenedSegment(file, fd, unpacker, again.directory, again.postings, remake)
    closeSync(fd)
    return null
  }

  /** The offsets of the packets on some paths; those on the wanted ones are marked. */
  postings(paths: ReadonlySet<number>, wanted: ReadonlySet<number>, problems: EvidenceProblem[]): Found {
    let total = 0
    for (const path of paths) total += this.directory.path(path).packets
    const keys = new Float64Array(total)
    let count = 0
    const index = Buffer.isBuffer(this.#postings) ? null : openSync(this.#postings.path, 'r')
    try {
      for (const path of paths) {
        const isWanted = wanted.has(path) ? 1 : 0
        const octets = this.#postingsOf(path, index, problems)
        // One number that sorts by the offset and remembers the mark.
        for (let at = 0; at < octets.length; at += 4) keys[count++] = octets.readUInt32LE(at) * 2 + isWanted
      }
    } finally {
      if (index !== null) closeSync(index)
    }
    const sorted = keys.subarray(0, count).sort()
    return {
      segment: this,
      offsets: Uint32Array.from(sorted, (value) => Math.floor(value / 2)),
      isWanted: Uint8Array.from(sorted, (value) => value % 2),
    }
  }

  #postingsOf(path: number, index: number | null, problems: EvidenceProblem[]): Buffer {
    const { posting, packets, crc } = this.directory.path(path)
    const from = this.#postings
    let octets: Buffer
    if (Buffer.isBuffer(from)) octets = from.subarray(posting * 4, (posting + packets) * 4)
    else {
      octets = Buffer.alloc(packets * 4)
      readSync(index as number, octets, 0, octets.length, from.at + posting * 4)
      this.bytesRead += octets.length
    }
    if (crc32(octets) === crc) return octets
    const file = basename(this.file.path)
    problems.push({
      name: 'evidence.index_damaged',
      file,
      offset: 0,
      message: 'its index is damaged: it is made again',
    })
    const again = this.#remake()
    return again === null ? Buffer.alloc(0) : again.postings.subarray(posting * 4, (posting + packets) * 4)
  }

  /** The bytes around an offset, and where in them it is. They hold until the next call. */
  at(offset: number, problems: EvidenceProblem[]): { readonly bytes: Uint8Array; readonly at: number } | null {
    return this.#unpacker.form === 'plain' ? this.#window(offset) : this.#chunk(offset, problems)
  }

  #window(offset: number): { bytes: Uint8Array; at: number } | null {
    const start = offset - (offset % WINDOW_BYTES)
    const window = this.#cached(start, WINDOWS_MAX, () => this.#read(start, WINDOW_BYTES))
    const at = offset - start
    if (at + 8 > window.length) {
      const bytes = this.#read(offset, WINDOW_BYTES)
      return bytes.length < 8 ? null : this.#long(bytes, offset)
    }
    const length = Buffer.from(window.buffer, window.byteOffset, window.length).readUInt32LE(at + 4)
    // It goes beyond the window.
    return at + length <= window.length ? { bytes: window, at } : this.#long(null, offset, length)
  }

  #long(bytes: Buffer | null, offset: number, length = bytes?.readUInt32LE(4) ?? 0) {
    if (bytes !== null && length <= bytes.length) return { bytes, at: 0 }
    return length > this.directory.fileBytes ? null : { bytes: this.#read(offset, length), at: 0 }
  }

  #chunk(offset: number, problems: EvidenceProblem[]): { bytes: Uint8Array; at: number } | null {
    const number = this.#chunkNumber(offset)
    const place = this.directory.chunks[number]
    if (place === undefined) return null
    const bytes = this.#cached(number, CHUNKS_MAX, () => {
      const unpacked = this.#unpacker.unpack(this.#read(place.fileStart, place.fileLength), 0, number)
      if (!('name' in unpacked)) return unpacked.bytes
      problems.push({ ...unpacked, file: basename(this.file.path), offset: place.fileStart })
      return new Uint8Array(0)
    })
    return bytes.length === 0 ? null : { bytes, at: offset - place.start }
  }

  #chunkNumber(offset: number): number {
    let low = 0
    let high = this.#blockOf.length
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      if (this.#blockOf[middle] <= offset) low = middle
      else high = middle
    }
    return low
  }

  #cached(key: number, max: number, make: () => Uint8Array): Uint8Array {
    const known = this.#blocks.get(key)
    if (known !== undefined) return known
    if (this.#blocks.size >= max) this.#blocks.delete(this.#blocks.keys().next().value as number)
    const made = make()
    this.#blocks.set(key, made)
    return made
  }

  #read(start: number, length: number): Buffer {
    const out = Buffer.alloc(length)
    let got = 0
    while (got < length) {
      const more = readSync(this.#fd, out, got, length - got, start + got)
      if (more === 0) break
      got += more
    }
    this.bytesRead += got
    return out.subarray(0, got)
  }

  close(): void {
    this.#blocks.clear()
    closeSync(this.#fd)
  }
}

function readDirectory(path: string, segmentPath: string): Directory | null {
  let bytes: Buffer
  try {
    const fd = openSync(path, 'r')
    try {
      const head = Buffer.alloc(INDEX_HEADER_BYTES)
      if (readSync(fd, head, 0, head.length, 0) < head.length) return null
      const header = decodeIndexHeader(head)
      if (header === null || header.fileBytes !== sizeOf(segmentPath)) return null
      if (sizeOf(path) !== INDEX_HEADER_BYTES + header.directoryBytes + header.packets * 4) return null
      bytes = Buffer.alloc(header.directoryBytes)
      readSync(fd, bytes, 0, bytes.length, INDEX_HEADER_BYTES)
      return decodeDirectory(header, bytes)
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

/** The index of a segment, made from the segment as far as it can be read; null if nothing can. */
function remade(
  file: SegmentFile,
  key: Uint8Array | null,
  problems: EvidenceProblem[],
): { directory: Directory; postings: Buffer } | null {
  const bytes = readFileSync(file.path)
  const { index, fileEnd, isClosed, problem } = walk(file, bytes, key)
  // One that is being written has no end yet.
  const isWritten = file.isOpen && !isClosed && fileEnd === bytes.length
  if (problem !== null && !isWritten) problems.push(problem)
  if (index.chunks === 0) return null
  const encoded = index.encode(fileEnd, 0, new Uint8Array(32))
  const header = decodeIndexHeader(encoded.subarray(0, INDEX_HEADER_BYTES))
  if (header === null) return null
  const directoryEnd = INDEX_HEADER_BYTES + header.directoryBytes
  const directory = decodeDirectory(header, encoded.subarray(INDEX_HEADER_BYTES, directoryEnd))
  return directory === null
    ? null
    : { directory: { ...directory, sha256: '' }, postings: encoded.subarray(directoryEnd) }
}
