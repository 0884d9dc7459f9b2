/**
 * Notifications as NDJSON in a file that is appended to, and rotated by size and age: `alerts.ndjson`, `alerts.ndjson.1.gz`
 * (the youngest) and so on. A file that somebody else renames, as logrotate does, is opened anew under its name.
 */
import { createReadStream, createWriteStream } from 'node:fs'
import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { type EventDocument, nest } from '../events/fields.ts'
import { DeliveryError, type DeliveryResult } from './destination.ts'
import type { Sink, SinkAnswer } from './sink.ts'

export interface RotatingFileOptions {
  readonly path: string
  /** A batch that would make the file larger goes into a new one. */
  readonly maxBytes: number
  readonly maxAgeMs: number
  /** Rotated files that are kept; with 0 the old file is deleted. */
  readonly keep: number
}

const NEWLINE = 0x0a

export class RotatingFileSink implements Sink {
  readonly #options: RotatingFileOptions
  readonly #now: () => number
  #file: FileHandle | null = null
  #bornMs = 0
  /** Batches are written one after the other, whoever asks. */
  #turn: Promise<unknown> = Promise.resolve()
  answer: SinkAnswer | null = null

  /** `now` is the clock by which files age, in milliseconds since the epoch. */
  constructor(options: RotatingFileOptions, now: () => number = Date.now) {
    this.#options = options
    this.#now = now
  }

  get target(): string {
    return this.#options.path
  }

  preview(batch: readonly EventDocument[]): string {
    return linesOf(batch).trimEnd()
  }

  write(batch: readonly EventDocument[]): Promise<DeliveryResult> {
    const written = this.#turn.then(() => this.#write(batch))
    this.#turn = written.catch(() => {})
    return written
  }

  async close(): Promise<void> {
    await this.#turn
    await this.#release()
  }

  async #write(batch: readonly EventDocument[]): Promise<DeliveryResult> {
    const lines = Buffer.from(linesOf(batch))
    try {
      const file = await this.#fileFor(lines.length)
      await append(file, lines)
    } catch (error) {
      const says = error instanceof Error ? error.message : String(error)
      this.answer = { accepted: false, text: says }
      throw new DeliveryError(says, { retry: 'later', cause: error })
    }
    this.answer = { accepted: true, text: `${batch.length} appended to ${this.#options.path}` }
    return { stored: batch.length, duplicates: 0, rejected: [], later: [] }
  }

  async #release(): Promise<void> {
    const file = this.#file
    this.#file = null
    await file?.close()
  }

  /** The file that takes so many bytes more. */
  async #fileFor(length: number): Promise<FileHandle> {
    let file = await this.#current()
    const { size } = await file.stat()
    const { maxBytes, maxAgeMs } = this.#options
    const isFull = size > 0 && (size + length > maxBytes || this.#now() - this.#bornMs >= maxAgeMs)
    if (isFull) {
      await this.#release()
      await this.#rotate()
      file = await this.#current()
    }
    return file
  }

  /** The open file, if it is still the one of that name. */
  async #current(): Promise<FileHandle> {
    const { path } = this.#options
    if (this.#file !== null) {
      const [held, named] = await Promise.all([this.#file.stat(), stat(path).catch(() => null)])
      if (named !== null && named.ino === held.ino && named.dev === held.dev) return this.#file
      await this.#release()
    }
    await mkdir(dirname(path), { recursive: true })
    const file = await open(path, 'a+', 0o640)
    try {
      const { size, birthtimeMs } = await file.stat()
      // Some file systems do not know when a file was made.
      this.#bornMs = size === 0 || birthtimeMs === 0 ? this.#now() : birthtimeMs
      await endTornLine(file, size)
    } catch (error) {
      await file.close()
      throw error
    }
    this.#file = file
    return file
  }

  /** Every file moves up by one, the oldest goes; the youngest is compressed. Whatever was left uncompressed stays readable. */
  async #rotate(): Promise<void> {
    const { path, keep } = this.#options
    if (keep === 0) return rm(path, { force: true })
    for (const ending of ['', '.gz']) await rm(`${path}.${keep}${ending}`, { force: true })
    for (let age = keep - 1; age >= 1; age--) {
      for (const ending of ['', '.gz']) await renameIfThere(`${path}.${age}${ending}`, `${path}.${age + 1}${ending}`)
    }
    await rename(path, `${path}.1`)
    const partial = `${path}.1.gz.partial`
    await pipeline(
      createReadStream(`${path}.1`),
      createGzip(),
      createWriteStream(partial, { mode: 0o640, flush: true }),
    )
    await rename(partial, `${path}.1.gz`)
    await rm(`${path}.1`)
  }
}

function linesOf(batch: readonly EventDocument[]): string {
  return batch.map((document) => `${JSON.stringify(nest(document))}\n`).join('')
}

/** All or nothing, and safe on the disk: what a full disk cuts off is taken back. */
async function append(file: FileHandle, bytes: Buffer): Promise<void> {
  const { size } = await file.stat()
  try {
    await file.appendFile(bytes)
    await file.datasync()
  } catch (error) {
    await file.truncate(size).catch(() => {})
    throw error
  }
}

/** A crash may have left half a line behind: what follows shall not become part of it. */
async function endTornLine(file: FileHandle, size: number): Promise<void> {
  if (size === 0) return
  const last = Buffer.alloc(1)
  await file.read(last, 0, 1, size - 1)
  if (last[0] !== NEWLINE) await file.appendFile('\n')
}

async function renameIfThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
