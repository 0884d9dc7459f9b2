/**
 * The spool: documents that wait on disk for a destination that is slow or gone, in a folder of their own.
 *
 * A lane is a row of segments, read from the oldest. Beside them the last line of
 * `cursor.ndjson` says which records of the segments that are still there were delivered: after a crash, what was under way goes out a second time, and nothing else. All file access is
 * synchronous and in large pieces: a document is either in the caller's memory or in a file, and never between.
 */
import * as fs from 'node:fs'
import { join } from 'node:path'
import type { EventDocument } from '../events/fields.ts'
import { LANES, type Lane } from './lanes.ts'
import { Segment, type SpoolFiles, segmentOf, type Ticket } from './segment.ts'

export const FSYNC_POLICIES = ['always', 'interval', 'never'] as const

export interface SpoolOptions {
  readonly folder: string
  /** Of all segments together. */
  readonly bytesMax: number
  /** A segment that has reached this is followed by a new one. */
  readonly segmentBytes: number
  /** When what was written is forced onto the disk: before it counts as spooled, once a second, or when the system likes. */
  readonly fsync: (typeof FSYNC_POLICIES)[number]
  readonly files?: SpoolFiles
}

export type Spooling = 'spooled' | 'full' | 'failed'

export interface SpooledDocument {
  readonly document: EventDocument
  readonly bytes: number
  readonly lane: Lane
  readonly ticket: Ticket
}

/** What is wrong with the disk: nothing is lost by it that is not counted. */
export interface SpoolTrouble {
  readonly message: string
  readonly atMs: number
}

const CURSOR = 'cursor.ndjson'
/** The cursor is written anew when it is so large. */
const CURSOR_BYTES_MAX = 1_048_576
const SYNC_MS = 1000

export class Spool {
  /** Documents found at the start, left by an earlier process. */
  readonly resumed: number
  /** Documents that are gone, by reason: `spool_full.<lane>`, `spool_corrupt`. */
  readonly dropped = new Map<string, number>()
  trouble: SpoolTrouble | null = null
  troubles = 0
  readonly #options: SpoolOptions
  readonly #files: SpoolFiles
  readonly #segments: Record<Lane, Segment[]> = { alerts: [], events: [], flows: [] }
  /** The segments that are being written to. */
  readonly #open = new Map<Segment, number>()
  #number = 0
  /** 0: it is written anew, whatever the last process left. */
  #cursorBytes = 0
  #bytes = 0
  #sync: NodeJS.Timeout | null = null

  /**
   * Takes up what lies in the folder; the caller owns it. A folder that cannot be made or read is trouble, not an error:
   * then the spool is empty, and appending to it fails.
   */
  constructor(options: SpoolOptions) {
    this.#options = options
    this.#files = options.files ?? fs
    this.#attempt(() => {
      this.#files.mkdirSync(options.folder, { recursive: true, mode: 0o700 })
      this.#takeUp()
    })
    this.resumed = this.records + (this.dropped.get('spool_corrupt') ?? 0)
    if (options.fsync === 'interval') this.#sync = setInterval(() => this.#syncLater(), SYNC_MS).unref()
  }

  /** Documents that nobody has read yet. */
  get records(): number {
    let records = 0
    for (const lane of LANES) records += this.recordsOf(lane)
    return records
  }

  recordsOf(lane: Lane): number {
    let records = 0
    for (const { unread } of this.#segments[lane]) records += unread
    return records
  }

  get bytes(): number {
    return this.#bytes
  }

  /** When the oldest segment was begun, by the clock of the machine; null if there is none. */
  get oldestMs(): number | null {
    let oldest: number | null = null
    for (const lane of LANES) {
      for (const { createdMs, isDone } of this.#segments[lane]) {
        if (!isDone && (oldest === null || createdMs < oldest)) oldest = createdMs
      }
    }
    return oldest
  }

  /**
   * Writes documents behind those of their lane. If they do not fit, the oldest of the lowest class go, as long as that is no
   * higher than theirs.
   *
   * @returns `full` if nothing less important could make room, `failed` if the disk did (then `trouble` says how); in both
   * cases none of them is in the spool
   */
  append(lane: Lane, payloads: readonly Buffer[]): Spooling {
    while (true) {
      const segment = this.#writable(lane)
      if (segment === null) return 'failed'
      const octets = segment.encode(payloads)
      const isRoom = this.#bytes + octets.length <= this.#options.bytesMax || this.#makeRoom(lane, octets.length)
      if (!isRoom) return 'full'
      // Making room may have taken the segment itself.
      if (!segment.isThere) continue
      const isWritten = this.#attempt(() => this.#write(segment, octets))
      if (isWritten) {
        segment.appended(payloads.length, octets.length)
        this.#bytes += octets.length
        return 'spooled'
      }
      // A full disk is a full spool: what is less important makes room.
      if (!this.#isDiskFull || !this.#dropOldest(lane)) return 'failed'
    }
  }

  /** Reads documents of a lane, the oldest first, until `bytesMax` are reached. */
  read(lane: Lane, bytesMax: number, documentsMax: number): SpooledDocument[] {
    const read: SpooledDocument[] = []
    let bytes = 0
    for (const segment of [...this.#segments[lane]]) {
      if (bytes >= bytesMax || read.length >= documentsMax) break
      if (segment.unread === 0) continue
      let lost = 0
      const isRead = this.#attempt(() => {
        lost = segment.read((payload, ticket) => {
          read.push({ document: JSON.parse(payload.toString()), bytes: payload.length, lane, ticket })
          bytes += payload.length
          return bytes < bytesMax && read.length < documentsMax
        })
      })
      if (!isRead) lost = segment.forget()
      if (lost > 0) this.#drop('spool_corrupt', lost)
      this.#removeIfDone(segment)
    }
    return read
  }

  /** These are where they belong. */
  acknowledge(tickets: Iterable<Ticket>): void {
    let isChanged = false
    for (const { segment, number } of tickets) {
      segment.acknowledge(number)
      if (!segment.isThere) continue
      isChanged = true
      this.#removeIfDone(segment)
    }
    if (isChanged) this.#saveCursor()
  }

  /** Not delivered by this process: it stays in the file for the next one. */
  release({ segment }: Ticket): void {
    if (segment.isThere) segment.unread++
  }

  close(): void {
    if (this.#sync !== null) clearInterval(this.#sync)
    for (const segment of [...this.#open.keys()]) this.#seal(segment)
  }

  #takeUp(): void {
    const { folder } = this.#options
    const cursor = readCursor(folder, this.#files, (error) => this.#complain(error))
    // A number is not used again while the cursor may know an older file of that name.
    for (const name of cursor.keys()) this.#number = Math.max(this.#number, segmentOf(name)?.number ?? 0)
    for (const name of this.#files.readdirSync(folder).sort()) {
      const found = segmentOf(name)
      if (found === null) continue
      const { lane, number } = found
      const { mtimeMs } = this.#files.statSync(join(folder, name))
      const segment = new Segment(folder, lane, number, mtimeMs, this.#files)
      this.#number = Math.max(this.#number, number)
      this.#segments[lane].push(segment)
      this.#attempt(() => {
        const { lost, tail } = segment.examine(cursor.get(name) ?? [])
        if (lost > 0) this.#drop('spool_corrupt', lost)
        if (tail > 0) this.#files.truncateSync(segment.path, segment.bytes)
      })
      this.#bytes += segment.bytes
      this.#removeIfDone(segment)
    }
  }

  #saveCursor(): void {
    this.#attempt(() => {
      const cursor: Record<string, readonly number[]> = {}
      for (const lane of LANES) for (const { name, acknowledged } of this.#segments[lane]) cursor[name] = acknowledged
      const path = join(this.#options.folder, CURSOR)
      const line = `${JSON.stringify(cursor)}\n`
      // To append is cheap; to replace a file makes some file systems wait for the disk.
      if (this.#cursorBytes > 0 && this.#cursorBytes < CURSOR_BYTES_MAX) {
        this.#files.appendFileSync(path, line, { mode: 0o600 })
        this.#cursorBytes += line.length
        return
      }
      this.#files.writeFileSync(`${path}.partial`, line, { mode: 0o600 })
      this.#files.renameSync(`${path}.partial`, path)
      this.#cursorBytes = line.length
    })
  }

  /** The segment at the end of a lane; null if it cannot be made. */
  #writable(lane: Lane): Segment | null {
    const last = this.#segments[lane].at(-1)
    if (last !== undefined && this.#open.has(last)) {
      if (last.bytes < this.#options.segmentBytes) return last
      this.#seal(last)
    }
    const { folder, fsync } = this.#options
    const segment = new Segment(folder, lane, this.#number + 1, Date.now(), this.#files)
    const isMade = this.#attempt(() => {
      this.#files.mkdirSync(folder, { recursive: true, mode: 0o700 })
      this.#open.set(segment, this.#files.openSync(segment.path, 'ax', 0o600))
      this.#number++
      this.#segments[lane].push(segment)
      if (fsync === 'always') this.#syncFolder()
    })
    return isMade ? segment : null
  }

  #write(segment: Segment, octets: Buffer): void {
    const fd = this.#open.get(segment) as number
    try {
      for (let written = 0; written < octets.length; ) {
        written += this.#files.writeSync(fd, octets, written, octets.length - written)
      }
      if (this.#options.fsync === 'always') this.#files.fdatasyncSync(fd)
    } catch (error) {
      // Half a record must not stand before the next one; if it cannot be cut off, the next one goes elsewhere.
      if (!this.#attempt(() => this.#files.ftruncateSync(fd, segment.bytes))) this.#seal(segment)
      throw error
    }
  }

  /** No more is written to it. */
  #seal(segment: Segment): void {
    const fd = this.#open.get(segment)
    if (fd === undefined) return
    this.#open.delete(segment)
    this.#attempt(() => {
      if (this.#options.fsync !== 'never' && segment.isThere) this.#files.fdatasyncSync(fd)
    })
    this.#attempt(() => this.#files.closeSync(fd))
    this.#removeIfDone(segment)
  }

  #makeRoom(lane: Lane, bytes: number): boolean {
    if (bytes > this.#options.bytesMax) return false
    while (this.#bytes + bytes > this.#options.bytesMax) if (!this.#dropOldest(lane)) return false
    return true
  }

  /** Takes away the oldest segment of the lowest class, down to the one given. False if there is none. */
  #dropOldest(lane: Lane): boolean {
    for (let i = LANES.length - 1; i >= LANES.indexOf(lane); i--) {
      const victim = this.#segments[LANES[i]].find(({ bytes }) => bytes > 0)
      if (victim === undefined) continue
      const lost = victim.forget()
      if (lost > 0) this.#drop(`spool_full.${victim.lane}`, lost)
      this.#remove(victim)
      return true
    }
    return false
  }

  #removeIfDone(segment: Segment): void {
    if (segment.isThere && segment.isDone && !(this.#open.has(segment) && segment.bytes === 0)) this.#remove(segment)
  }

  #remove(segment: Segment): void {
    segment.isThere = false
    const { [segment.lane]: lane } = this.#segments
    lane.splice(lane.indexOf(segment), 1)
    this.#bytes -= segment.bytes
    this.#seal(segment)
    this.#attempt(() => this.#files.unlinkSync(segment.path))
  }

  #drop(reason: string, count: number): void {
    this.dropped.set(reason, (this.dropped.get(reason) ?? 0) + count)
  }

  #syncLater(): void {
    for (const fd of this.#open.values()) {
      this.#files.fdatasync(fd, (error) => {
        // It may have been closed in the meantime, and is on the disk then.
        if (error !== null && error.code !== 'EBADF') this.#complain(error)
      })
    }
  }

  #syncFolder(): void {
    const fd = this.#files.openSync(this.#options.folder, 'r')
    try {
      this.#files.fdatasyncSync(fd)
    } finally {
      this.#files.closeSync(fd)
    }
  }

  get #isDiskFull(): boolean {
    return this.trouble !== null && /ENOSPC|EDQUOT/.test(this.trouble.message)
  }

  #attempt(work: () => void): boolean {
    try {
      work()
      return true
    } catch (error) {
      this.#complain(error)
      return false
    }
  }

  #complain(error: unknown): void {
    this.troubles++
    this.trouble = { message: messageOf(error), atMs: Date.now() }
  }
}

/** What the segments know to be delivered. A cursor that cannot be read costs repetitions, no documents. */
function readCursor(folder: string, files: SpoolFiles, complain: (error: unknown) => void): Map<string, number[]> {
  const cursor = new Map<string, number[]>()
  let text = ''
  try {
    text = files.readFileSync(join(folder, CURSOR), 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') complain(error)
  }
  // The last one may have been cut short by a crash.
  const line = text.split('\n').findLast((candidate) => candidate !== '' && isJson(candidate))
  if (line === undefined && text !== '') complain(new Error(`${join(folder, CURSOR)} cannot be read`))
  for (const [name, acknowledged] of Object.entries(JSON.parse(line ?? '{}') ?? {})) {
    if (segmentOf(name) !== null && isCursor(acknowledged)) cursor.set(name, acknowledged)
  }
  return cursor
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function isCursor(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((number) => Number.isInteger(number) && number >= 0 && number < 2 ** 32)
}

export interface SpoolContent {
  readonly records: number
  readonly bytes: number
  /** When the oldest segment was last written to; null if there is none. */
  readonly oldestMs: number | null
  /** What whoever takes it up will find missing. */
  readonly damage: readonly SegmentDamage[]
  /** Why it is not known what was delivered already; null if it is. */
  readonly cursorTrouble: string | null
}

export interface SegmentDamage {
  /** The path of the file. */
  readonly path: string
  /** Records that are lost between others that are sound. */
  readonly lost: number
  /** Octets at its end that are no whole record: a crash in the middle of writing leaves such. */
  readonly tail: number
  /** Why the file cannot be read at all; null if it can. */
  readonly trouble: string | null
}

/** What lies in a spool that no process owns; nothing is changed. */
export function inspectSpool(folder: string): SpoolContent {
  let records = 0
  let bytes = 0
  let oldestMs: number | null = null
  let cursorTrouble: string | null = null
  const damage: SegmentDamage[] = []
  const cursor = readCursor(folder, fs, (error) => {
    cursorTrouble = messageOf(error)
  })
  for (const name of fs.readdirSync(folder).sort()) {
    const found = segmentOf(name)
    if (found === null) continue
    const path = join(folder, name)
    try {
      const { mtimeMs, size } = fs.statSync(path)
      const segment = new Segment(folder, found.lane, found.number, mtimeMs, fs)
      const { lost, tail } = segment.examine(cursor.get(name) ?? [])
      if (lost > 0 || tail > 0) damage.push({ path, lost, tail, trouble: null })
      if (segment.unread === 0) continue
      records += segment.unread
      bytes += size
      oldestMs = Math.min(oldestMs ?? mtimeMs, mtimeMs)
    } catch (error) {
      damage.push({ path, lost: 0, tail: 0, trouble: messageOf(error) })
    }
  }
  return { records, bytes, oldestMs, damage, cursorTrouble }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
