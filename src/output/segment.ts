/** One append-only file of a spool: which of its records are unread, read and not yet acknowledged, or done with. */
import type * as fs from 'node:fs'
import { basename, join } from 'node:path'
import { LANES, type Lane } from './lanes.ts'
import { encodeRecord, RecordCursor } from './spool-record.ts'

/** What the spool asks of the file system; tests put failures in between. */
export type SpoolFiles = Pick<
  typeof fs,
  | 'appendFileSync'
  | 'closeSync'
  | 'fdatasync'
  | 'fdatasyncSync'
  | 'ftruncateSync'
  | 'mkdirSync'
  | 'openSync'
  | 'readSync'
  | 'readdirSync'
  | 'readFileSync'
  | 'renameSync'
  | 'statSync'
  | 'truncateSync'
  | 'unlinkSync'
  | 'writeFileSync'
  | 'writeSync'
>

/** A record that was read: acknowledged by its number. */
export interface Ticket {
  readonly segment: Segment
  readonly number: number
}

const NAME = /^(alerts|events|flows)-(\d{10})\.spool$/
/** What is read at one time when a segment is looked through. */
const PIECE_BYTES = 1_048_576

export class Segment {
  readonly lane: Lane
  readonly number: number
  readonly path: string
  readonly createdMs: number
  /** Octets of whole records. */
  bytes = 0
  /** Records that wait to be read, and the octet at which the first of them stands at the earliest. */
  unread = 0
  /** Read and not acknowledged. */
  outstanding = 0
  /** False once the file is gone. */
  isThere = true
  /** All records below this number are acknowledged, and these beyond it. */
  #acknowledged = 0
  readonly #acknowledgedBeyond = new Set<number>()
  /** The number of the next record to be written. */
  #next = 0
  /** The number of the next record to be read is this one or a higher one, and it stands at this octet or behind it. */
  #readNumber = 0
  #readAt = 0
  readonly #files: SpoolFiles

  constructor(folder: string, lane: Lane, number: number, createdMs: number, files: SpoolFiles) {
    this.lane = lane
    this.number = number
    this.path = join(folder, `${lane}-${String(number).padStart(10, '0')}.spool`)
    this.createdMs = createdMs
    this.#files = files
  }

  get name(): string {
    return basename(this.path)
  }

  /** What is acknowledged, for the cursor: everything below the first number, then from one number to before the next. */
  get acknowledged(): readonly number[] {
    const ranges: number[] = []
    for (const number of [...this.#acknowledgedBeyond].sort((a, b) => a - b)) {
      if (ranges.at(-1) === number) ranges[ranges.length - 1] = number + 1
      else ranges.push(number, number + 1)
    }
    return [this.#acknowledged, ...ranges]
  }

  get isDone(): boolean {
    return this.unread === 0 && this.outstanding === 0
  }

  /**
   * Looks through a file that an earlier process left, and counts the records that are not acknowledged.
   *
   * @returns records that are lost between others that are sound, and the octets of a tail that is no record
   */
  examine([below = 0, ...ranges]: readonly number[]): { readonly lost: number; readonly tail: number } {
    this.#acknowledged = below
    for (let i = 0; i + 1 < ranges.length; i += 2) {
      for (let number = ranges[i]; number < ranges[i + 1]; number++) this.#acknowledgedBeyond.add(number)
    }
    this.#next = below
    this.#readNumber = below
    let lost = 0
    const size = this.#files.statSync(this.path).size
    this.bytes = this.#walk(0, size, (number, _, start) => {
      if (number < below) return true
      if (this.#next === below) this.#readAt = start
      for (let missing = this.#next; missing < number; missing++) if (!this.#acknowledgedBeyond.has(missing)) lost++
      if (!this.#acknowledgedBeyond.has(number)) this.unread++
      this.#next = number + 1
      return true
    })
    if (this.#next === below) this.#readAt = this.bytes
    return { lost, tail: size - this.bytes }
  }

  /** The octets of the next records; written by the caller, who then says so with `appended`. */
  encode(payloads: readonly Buffer[]): Buffer {
    return Buffer.concat(payloads.map((payload, i) => encodeRecord(this.#next + i, payload)))
  }

  appended(records: number, bytes: number): void {
    this.#next += records
    this.unread += records
    this.bytes += bytes
  }

  /**
   * Gives the next records to `take` until it answers false or none is left.
   *
   * @returns how many were expected and are not there, because the file was damaged since
   */
  read(take: (payload: Buffer, ticket: Ticket) => boolean): number {
    let isStopped = false
    this.#walk(this.#readAt, this.bytes, (number, payload, _, end) => {
      this.#readAt = end
      this.#readNumber = number + 1
      if (this.#acknowledgedBeyond.has(number)) return true
      this.unread--
      this.outstanding++
      isStopped = !take(payload, { segment: this, number })
      return !isStopped
    })
    return isStopped ? 0 : this.forget()
  }

  /** Gives up what is unread; says how much that is. */
  forget(): number {
    const lost = this.unread
    this.unread = 0
    return lost
  }

  acknowledge(number: number): void {
    this.outstanding--
    this.#acknowledgedBeyond.add(number)
    // Damaged records are never read: what was passed by and is not outstanding is done with.
    if (this.outstanding === 0) {
      for (const done of this.#acknowledgedBeyond) if (done < this.#readNumber) this.#acknowledgedBeyond.delete(done)
      this.#acknowledged = this.#readNumber
    }
    while (this.#acknowledgedBeyond.delete(this.#acknowledged)) this.#acknowledged++
  }

  /** Calls `take` for each sound record until it answers false. Gives the end of the last one. */
  #walk(
    from: number,
    size: number,
    take: (number: number, payload: Buffer, start: number, end: number) => boolean,
  ): number {
    const fd = this.#files.openSync(this.path, 'r')
    try {
      let soundEnd = from
      let wanted = PIECE_BYTES
      for (let at = from; at < size; ) {
        const piece = readPiece(this.#files, fd, at, Math.min(wanted, size - at))
        const records = new RecordCursor(piece)
        while (records.next()) {
          soundEnd = at + records.end
          if (!take(records.number, records.payload, at + records.start, soundEnd)) return soundEnd
        }
        const isWhole = at + piece.length >= size || piece.length < Math.min(wanted, size - at)
        if (isWhole) break
        at += records.rest
        wanted = Math.max(PIECE_BYTES, records.needed)
      }
      return soundEnd
    } finally {
      this.#files.closeSync(fd)
    }
  }
}

function readPiece(files: SpoolFiles, fd: number, at: number, length: number): Buffer {
  const piece = Buffer.allocUnsafe(length)
  let read = 0
  while (read < length) {
    const count = files.readSync(fd, piece, read, length - read, at + read)
    if (count === 0) break
    read += count
  }
  return piece.subarray(0, read)
}

/** The lane and the number of a segment's file; null for any other file. */
export function segmentOf(name: string): { readonly lane: Lane; readonly number: number } | null {
  const match = NAME.exec(name)
  if (match === null) return null
  return { lane: LANES.find((lane) => lane === match[1]) as Lane, number: Number(match[2]) }
}
