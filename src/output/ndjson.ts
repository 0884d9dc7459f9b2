/** Events as nested ECS documents, one JSON object a line: to stdout or a pipe, to a file that appears only when it is whole, or to one that grows. */
import { once } from 'node:events'
import { createWriteStream, fstatSync, type WriteStream } from 'node:fs'
import { rename, unlink } from 'node:fs/promises'
import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { InTurn } from '../base/in-turn.ts'
import { ResumedFile } from '../base/resumed-file.ts'
import { targetFile } from '../base/target-file.ts'
import type { EventDocument } from '../events/fields.ts'
import { AppendedFile } from './appended-file.ts'
import { DeliveryError, type DeliveryResult, type Destination } from './destination.ts'
import { asNdjson } from './json.ts'

export interface NdjsonWriter extends Destination {
  /** Gives up: of a file that is not whole nothing is left behind. */
  abort(): Promise<void>
}

export interface NdjsonOptions {
  /** What comes is appended to the file as it comes; otherwise it is there when it is whole. */
  readonly grows: boolean
  /** Told once, if whoever reads a pipe has had enough. What is written from then on is read by nobody. */
  readonly readerGone: () => void
}

/**
 * `-` is stdout; a pipe or a device is written as it is. A file is open when this resolves.
 *
 * @throws the system's error if the file cannot be made or written
 */
export async function openNdjson(path: string, { grows, readerGone }: NdjsonOptions): Promise<NdjsonWriter> {
  if (path === '-')
    return fstatSync(STDOUT).isFile()
      ? new OpenFile(new ResumedFile(STDOUT))
      : new PipeWriter(() => process.stdout, readerGone)
  const { path: target, partial, mode = 0o600 } = targetFile(path)
  if (partial === null) return new PipeWriter(() => createWriteStream(path), readerGone)
  if (grows) {
    const file = new AppendedFile(target, mode)
    await file.open()
    return new GrowingFile(file)
  }
  const stream = createWriteStream(partial, { mode })
  await once(stream, 'open')
  return new WholeFile(stream, partial, target)
}

const STDOUT = 1
let hasStdout = false

/** Whether events go to stdout: then it is dealt with here that it cannot be written. */
export function eventsTakeStdout(): boolean {
  return hasStdout
}

class PipeWriter implements NdjsonWriter {
  readonly #open: () => Writable
  readonly #failed: (error: NodeJS.ErrnoException) => void
  #stream: Writable
  #isRead = true

  /** A stream that ended with an error is opened anew. */
  constructor(open: () => Writable, readerGone: () => void) {
    this.#open = open
    // What else goes wrong is told by the write that it befell.
    this.#failed = ({ code }) => {
      if (code !== 'EPIPE' || !this.#isRead) return
      this.#isRead = false
      readerGone()
    }
    this.#stream = this.#opened()
    if (this.#stream === process.stdout) hasStdout = true
  }

  async write(batch: readonly EventDocument[]): Promise<DeliveryResult> {
    if (this.#isRead) {
      if (this.#stream.destroyed) this.#stream = this.#opened()
      const error = await new Promise<NodeJS.ErrnoException | null | undefined>((written) =>
        this.#stream.write(asNdjson(batch), written),
      )
      if (error?.code === 'EPIPE') this.#failed(error)
      else if (error) throw error
    }
    return allOf(batch)
  }

  async close(): Promise<void> {
    if (this.#stream === process.stdout) this.#leaveStdout()
    // Why a stream has ended before was told by the write that it befell.
    else if (this.#isRead && !this.#stream.destroyed) {
      this.#stream.end()
      await finished(this.#stream)
    }
  }

  async abort(): Promise<void> {
    if (this.#stream === process.stdout) this.#leaveStdout()
    else this.#stream.destroy()
  }

  #opened(): Writable {
    return this.#open().on('error', this.#failed)
  }

  #leaveStdout(): void {
    this.#stream.off('error', this.#failed)
    hasStdout = false
  }
}

/** A file that whoever started the process has opened. */
class OpenFile implements NdjsonWriter {
  readonly #file: ResumedFile
  /** Those of a batch that failed: they are in the file when it is resumed. */
  readonly #begun = new WeakSet<EventDocument>()

  constructor(file: ResumedFile) {
    this.#file = file
  }

  async write(batch: readonly EventDocument[]): Promise<DeliveryResult> {
    try {
      this.#file.resume()
      this.#begin(batch.filter((document) => !this.#begun.has(document)))
    } catch (error) {
      throw Object.assign(error as NodeJS.ErrnoException, { retry: 'later' })
    }
    return allOf(batch)
  }

  async close(): Promise<void> {}

  async abort(): Promise<void> {}

  #begin(batch: readonly EventDocument[]): void {
    try {
      this.#file.write(Buffer.from(asNdjson(batch)))
    } catch (error) {
      if (this.#file.isTorn) for (const document of batch) this.#begun.add(document)
      throw error
    }
  }
}

class GrowingFile implements NdjsonWriter {
  readonly #file: AppendedFile
  readonly #batches = new InTurn()

  constructor(file: AppendedFile) {
    this.#file = file
  }

  write(batch: readonly EventDocument[]): Promise<DeliveryResult> {
    return this.#batches.run(() => this.#write(batch))
  }

  async close(): Promise<void> {
    await this.#batches.idle()
    await this.#file.close()
  }

  abort(): Promise<void> {
    return this.close()
  }

  async #write(batch: readonly EventDocument[]): Promise<DeliveryResult> {
    try {
      await this.#file.append(Buffer.from(asNdjson(batch)), false)
    } catch (error) {
      throw new DeliveryError((error as Error).message, { retry: 'later', cause: error })
    }
    return allOf(batch)
  }
}

class WholeFile implements NdjsonWriter {
  readonly #stream: WriteStream
  readonly #partial: string
  readonly #path: string
  readonly #ended: Promise<void>

  constructor(stream: WriteStream, partial: string, path: string) {
    this.#stream = stream
    this.#partial = partial
    this.#path = path
    // Listened to from the start, so that a full disk rejects `write` or `close` instead of ending the process.
    this.#ended = finished(stream)
    this.#ended.catch(() => {})
  }

  async write(batch: readonly EventDocument[]): Promise<DeliveryResult> {
    if (!this.#stream.write(asNdjson(batch))) await Promise.race([once(this.#stream, 'drain'), this.#ended])
    return allOf(batch)
  }

  async close(): Promise<void> {
    this.#stream.end()
    await this.#ended
    await rename(this.#partial, this.#path)
  }

  async abort(): Promise<void> {
    this.#stream.destroy()
    await this.#ended.catch(() => {})
    await unlink(this.#partial).catch(() => {})
  }
}

function allOf(batch: readonly EventDocument[]): DeliveryResult {
  return { stored: batch.length, duplicates: 0, rejected: [], later: [] }
}
