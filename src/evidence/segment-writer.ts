/**
 * Writes segments, one at a time, and keeps the store within its bounds. It knows nothing of threads: `writer-thread.ts` runs it.
 *
 * A chunk is written whole or, as far as the file goes, not at all. When the disk is full the oldest segments go; if there are none,
 * the chunk is lost, the segment is closed as it is, and chunks are dropped until the next segment begins.
 */
import { createHash, type Hash } from 'node:crypto'
import { closeSync, fdatasync, fsyncSync, ftruncateSync, openSync, renameSync, rmSync } from 'node:fs'
import { CHUNK_KIND, type ChunkKind, type ChunkSummary, encodeTrailer } from './chunk.ts'
import { type Form, Packer } from './container.ts'
import {
  indexPath,
  listSegments,
  openPath,
  segmentPath,
  sizeOf,
  writeAll,
  writeWhole,
  writtenMs,
} from './segment-file.ts'
import { IndexBuilder } from './segment-index.ts'

export interface WriterOptions {
  readonly folder: string
  readonly form: Form
  readonly key: Uint8Array | null
  /** Of all files of the store together. */
  readonly bytesMax: number
  /** Segments that were closed longer ago go. */
  readonly ageMsMax: number
}

/** What a writer did, ever rising. */
export interface WriterCounters {
  segments: number
  packets: number
  /** In the files, packed. */
  bytes: number
  removedBySize: number
  removedByAge: number
  /** To make room on a full disk. */
  removedByDisk: number
  removedBytes: number
  /** Packets in chunks that could not be written. */
  lostPackets: number
  failures: number
}

export function newCounters(): WriterCounters {
  return {
    segments: 0,
    packets: 0,
    bytes: 0,
    removedBySize: 0,
    removedByAge: 0,
    removedByDisk: 0,
    removedBytes: 0,
    lostPackets: 0,
    failures: 0,
  }
}

/** What is handed over to be written: the blocks, of each packet its path, and what the paths stand for. */
export interface Handover {
  readonly payload: Uint8Array
  readonly paths: Uint32Array
  readonly entries: Uint32Array
  readonly firstUs: number
  readonly lastUs: number
}

interface OpenSegment {
  readonly number: number
  readonly path: string
  readonly file: number
  readonly packer: Packer
  readonly index: IndexBuilder
  readonly hash: Hash
  fileBytes: number
  /** How much of it was forced onto the disk. */
  forcedBytes: number
  /** The disk refused some of what had been written. */
  isDoubtful: boolean
}

/** So much is worth a wait for the disk while there is nothing else to do. */
const FORCE_BYTES = 0x40_0000

interface ClosedSegment {
  readonly number: number
  readonly path: string
  readonly bytes: number
  readonly sealedMs: number
}

export class SegmentWriter {
  readonly counters = newCounters()
  /** Of the last failure, for people; empty if there was none. */
  lastError = ''
  readonly #options: WriterOptions
  readonly #closed: ClosedSegment[] = []
  #closedBytes = 0
  #open: OpenSegment | null = null
  /** What closing the segment before that takes, and how large its file is. */
  #closing: Generator<void> | null = null
  #closingBytes = 0
  #forcing: Promise<void> | null = null

  constructor(options: WriterOptions) {
    this.#options = options
    for (const { number, path, isOpen } of listSegments(options.folder)) {
      if (isOpen) continue
      const index = indexPath(options.folder, number)
      this.#admit({ number, path, bytes: sizeOf(path) + sizeOf(index), sealedMs: writtenMs(path) })
    }
  }

  /** Bytes of all files of the store. */
  get bytes(): number {
    return this.#closedBytes + this.#closingBytes + (this.#open?.fileBytes ?? 0)
  }

  /** Begins a segment. What closing the one before takes is left to `proceed`: at once it would hold up dozens of chunks. */
  begin(number: number): void {
    this.#closeUp()
    this.#end()
    const { folder, form, key } = this.#options
    const path = segmentPath(folder, number, form)
    const packer = new Packer(form, key, number)
    this.#attempt(() => {
      const file = openSync(openPath(path), 'wx', 0o600)
      const segment = { number, path, file, packer, index: new IndexBuilder(number), hash: createHash('sha256') }
      this.#open = { ...segment, fileBytes: 0, forcedBytes: 0, isDoubtful: false }
    })
    if (this.#open !== null && !this.#attempt(() => this.#append([packer.header]))) this.#abandon()
  }

  /** False if it was lost. */
  write(handover: Handover): boolean {
    const { paths } = handover
    if (this.#open === null) {
      this.counters.lostPackets += paths.length
      return false
    }
    const { index, fileBytes } = this.#open
    if (!this.#attempt(() => this.#writeChunk(CHUNK_KIND.DATA, handover))) {
      this.counters.lostPackets += paths.length
      if (index.chunks === 0) this.#abandon()
      else this.seal()
      return false
    }
    this.counters.packets += paths.length
    this.counters.bytes += this.#open.fileBytes - fileBytes
    this.prune()
    return true
  }

  /** Closes the open segment, if there is one: its last chunk, its index, its name. While the disk is `forcing`, only the first. */
  seal(): void {
    this.#closeUp()
    this.#end()
    this.#closeUp()
  }

  /** Does a part of what closing a segment takes; false if there is nothing to do, or nothing before the disk has answered. */
  proceed(): boolean {
    const steps = this.#closing
    if (steps === null || this.#forcing !== null) return false
    // While it runs the disk may be found full: then it is not there to be finished.
    this.#closing = null
    if (steps.next().done) this.#closingBytes = 0
    else this.#closing = steps
    return true
  }

  #closeUp(): void {
    while (this.proceed());
  }

  /** The last chunk of the open segment. */
  #end(): void {
    const segment = this.#open
    if (segment === null) return
    const last: Handover = { payload: NOTHING, paths: NO_WORDS, entries: NO_WORDS, firstUs: 0, lastUs: 0 }
    const isEmpty = segment.index.chunks === 0
    const isEnded = !isEmpty && this.#attempt(() => this.#writeChunk(CHUNK_KIND.LAST, last))
    this.#open = null
    if (isEnded) {
      this.#closing = this.#close(segment)
      this.#closingBytes = segment.fileBytes
      return
    }
    // Without its last chunk it is as good as one that a crash left open: closed when the store is opened again.
    closeSync(segment.file)
    if (isEmpty) rmSync(openPath(segment.path), { force: true })
  }

  *#close(segment: OpenSegment): Generator<void> {
    const isForced = this.#attempt(() => fsyncSync(segment.file))
    closeSync(segment.file)
    if (!isForced || segment.isDoubtful) return
    yield
    const sealedMs = Date.now()
    const index = yield* segment.index.encoding(segment.fileBytes, sealedMs, segment.hash.digest())
    yield
    this.#attempt(() => writeWhole(indexPath(this.#options.folder, segment.number), index))
    renameSync(openPath(segment.path), segment.path)
    this.counters.segments++
    const bytes = segment.fileBytes + sizeOf(indexPath(this.#options.folder, segment.number))
    this.#closingBytes = 0
    this.#admit({ number: segment.number, path: segment.path, bytes, sealedMs })
    this.prune()
  }

  /**
   * There is nothing to write now: what can wait is done, a part at a time, so that closing a segment takes less long. True if more can be
   * done.
   */
  rest(): boolean {
    this.prune()
    if (this.proceed()) return true
    const segment = this.#open
    if (segment !== null && this.#forcing === null && segment.fileBytes - segment.forcedBytes >= FORCE_BYTES)
      this.#forcing = this.#force(segment)
    return false
  }

  /** Resolves when the disk has answered, by the event loop; null if it was not asked. Until then no segment is closed. */
  get forcing(): Promise<void> | null {
    return this.#forcing
  }

  /** Another thread waits for the disk: packets come meanwhile. */
  #force(segment: OpenSegment): Promise<void> {
    segment.forcedBytes = segment.fileBytes
    return new Promise((resolve) => {
      fdatasync(segment.file, (error) => {
        this.#forcing = null
        if (error !== null) {
          segment.isDoubtful = true
          this.#note(error)
        }
        resolve()
      })
    })
  }

  #note({ message }: Error): void {
    this.counters.failures++
    this.lastError = message
  }

  #writeChunk(kind: ChunkKind, { payload, paths, entries, firstUs, lastUs }: Handover): void {
    const segment = this.#open as OpenSegment
    const summary: ChunkSummary = { kind, number: segment.index.chunks, firstUs, lastUs }
    const trailer = encodeTrailer(summary, payload, paths, entries)
    const start = segment.fileBytes
    this.#append(segment.packer.pack(kind, summary.number, payload, trailer))
    const chunk = { ...summary, start: 0, payloadEnd: payload.length, paths, entries }
    const end = payload.length + trailer.length
    segment.index.add({ ...chunk, end }, payload, start, segment.fileBytes - start)
  }

  /** All parts, or none. */
  #append(parts: readonly Uint8Array[]): void {
    const segment = this.#open as OpenSegment
    try {
      let at = segment.fileBytes
      for (const part of parts) {
        writeAll(segment.file, part, at)
        at += part.length
      }
    } catch (error) {
      ftruncateSync(segment.file, segment.fileBytes)
      throw error
    }
    for (const part of parts) {
      segment.hash.update(part)
      segment.fileBytes += part.length
    }
  }

  /** Again and again while the disk is full and there is an older segment to give up. */
  #attempt(write: () => void): boolean {
    for (;;) {
      try {
        write()
        return true
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException
        const isFull = code === 'ENOSPC' || code === 'EDQUOT'
        // What is being closed may be all that there is to give up.
        if (isFull && this.#closed.length === 0) this.#closeUp()
        if (isFull && this.#closed.length > 0) {
          this.#removeOldest('removedByDisk')
          continue
        }
        this.#note(error as Error)
        return false
      }
    }
  }

  #abandon(): void {
    if (this.#open === null) return
    closeSync(this.#open.file)
    rmSync(openPath(this.#open.path), { force: true })
    this.#open = null
  }

  #admit(segment: ClosedSegment): void {
    this.#closed.push(segment)
    this.#closedBytes += segment.bytes
  }

  /** What is too old goes, and as much as is too much. */
  prune(): void {
    const { bytesMax, ageMsMax } = this.#options
    while (this.#closed.length > 0 && this.bytes > bytesMax) this.#removeOldest('removedBySize')
    const oldestMs = Date.now() - ageMsMax
    while (this.#closed.length > 0 && this.#closed[0].sealedMs < oldestMs) this.#removeOldest('removedByAge')
  }

  #removeOldest(why: 'removedBySize' | 'removedByAge' | 'removedByDisk'): void {
    const segment = this.#closed.shift() as ClosedSegment
    // The index first: without it the segment still explains itself.
    rmSync(indexPath(this.#options.folder, segment.number), { force: true })
    rmSync(segment.path, { force: true })
    this.#closedBytes -= segment.bytes
    this.counters[why]++
    this.counters.removedBytes += segment.bytes
  }
}

const NOTHING = new Uint8Array(0)
const NO_WORDS = new Uint32Array(0)
