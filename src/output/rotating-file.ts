/**
 * Notifications as NDJSON in a file that is appended to, and rotated by size and age: `alerts.ndjson`, `alerts.ndjson.1.gz`
 * (the youngest) and so on. A file that somebody else renames, as logrotate does, is opened anew under its name.
 */
import { createReadStream, createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { makeFolder } from '../base/folder.ts'
import { InTurn } from '../base/in-turn.ts'
import type { EventDocument } from '../events/fields.ts'
import { AppendedFile } from './appended-file.ts'
import { DeliveryError, type DeliveryResult } from './destination.ts'
import { asNdjson } from './json.ts'
import type { Sink, SinkAnswer } from './sink.ts'

export interface RotatingFileOptions {
  readonly path: string
  /** A batch that would make the file larger goes into a new one. */
  readonly maxBytes: number
  readonly maxAgeMs: number
  /** Rotated files that are kept; with 0 the old file is deleted. */
  readonly keep: number
}

export class RotatingFileSink implements Sink {
  readonly #options: RotatingFileOptions
  readonly #now: () => number
  readonly #file: AppendedFile
  #bornMs = 0
  readonly #batches = new InTurn()
  answer: SinkAnswer | null = null

  /** `now` is the clock by which files age, in milliseconds since the epoch. */
  constructor(options: RotatingFileOptions, now: () => number = Date.now) {
    this.#options = options
    this.#now = now
    // Some file systems do not know when a file was made.
    this.#file = new AppendedFile(options.path, 0o640, ({ size, birthtimeMs }) => {
      this.#bornMs = size === 0 || birthtimeMs === 0 ? now() : birthtimeMs
    })
  }

  get target(): string {
    return this.#options.path
  }

  preview(batch: readonly EventDocument[]): string {
    return asNdjson(batch).trimEnd()
  }

  write(batch: readonly EventDocument[]): Promise<DeliveryResult> {
    return this.#batches.run(() => this.#write(batch))
  }

  async close(): Promise<void> {
    await this.#batches.idle()
    await this.#file.close()
  }

  async #write(batch: readonly EventDocument[]): Promise<DeliveryResult> {
    const lines = Buffer.from(asNdjson(batch))
    try {
      await this.#makeRoom(lines.length)
      await this.#file.append(lines, true)
    } catch (error) {
      const says = error instanceof Error ? error.message : String(error)
      this.answer = { accepted: false, text: says }
      throw new DeliveryError(says, { retry: 'later', cause: error })
    }
    this.answer = { accepted: true, text: `${batch.length} appended to ${this.#options.path}` }
    return { stored: batch.length, duplicates: 0, rejected: [], later: [] }
  }

  /** Another file, if this one cannot take so many bytes more. */
  async #makeRoom(length: number): Promise<void> {
    makeFolder(dirname(this.#options.path))
    const { size } = await (await this.#file.open()).stat()
    const { maxBytes, maxAgeMs } = this.#options
    const isFull = size > 0 && (size + length > maxBytes || this.#now() - this.#bornMs >= maxAgeMs)
    if (!isFull) return
    await this.#file.close()
    await this.#rotate()
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

async function renameIfThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
