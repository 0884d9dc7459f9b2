/** Events as nested ECS documents, one JSON object a line: to stdout or a pipe, to a file that appears only when it is whole, or to one that grows. */
import { once } from 'node:events'
import { createWriteStream, type WriteStream } from 'node:fs'
import { rename, unlink } from 'node:fs/promises'
import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { InTurn } from '../base/in-turn.ts'
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
  if (path === '-') return new PipeWriter(process.stdout, readerGone)
  const { path: target, partial, mode = 0o600 } = targetFile(path)
  if (partial === null) return new PipeWriter(createWriteStream(path), readerGone)
  if (grows) {
    const file = new AppendedFile(target, mode)
    await file.open()
    return new GrowingFile(file)
  }
  const stream = createWriteStream(partial, { mode })
  await once(stream, 'open')
  return new WholeFile(stream, partial, target)
}

let hasStdout = false

/** Whether events go to stdout: then it is dealt with here that it cannot be written. */
export function eventsTakeStdout(): boolean {
  return hasStdout
}

class PipeWriter implements NdjsonWriter {
  readonly #stream: Writable
  readonly #failed: (error: NodeJS.ErrnoException) => void
  #isRead = true
  /** Why it was closed by the system: whatever is written from then on fails for another reason. */
  #end: Error | null = null

  constructor(stream: Writable, readerGone: () => void) {
    this.#stream = stream
    // What else goes wrong is told by the write that it befell.
    this.#failed = ({ code }) => {
      if (code !== 'EPIPE' || !this.#isRead) return
      this.#isRead = false
      readerGone()
    }
    stream.on('error', this.#failed)
    if (stream === process.stdout) hasStdout = true
  }

  async write(batch: readonly EventDocument[]): Promise<DeliveryResult> {
    if (this.#isRead) {
      const error = await new Promise<NodeJS.ErrnoException | null | undefined>((written) =>
        this.#stream.write(asNdjson(batch), written),
      )
      if (error?.code === 'EPIPE') this.#failed(error)
      else if (error) {
        if (this.#stream.destroyed) this.#end ??= error
        throw this.#end ?? error
      }
    }
    return allOf(batch)
  }

  async close(): Promise<void> {
    if (this.#stream === process.stdout) this.#leaveStdout()
    else if (this.#isRead) {
      this.#stream.end()
      await finished(this.#stream)
    }
  }

  async abort(): Promise<void> {
    if (this.#stream === process.stdout) this.#leaveStdout()
    else this.#stream.destroy()
  }

  #leaveStdout(): void {
    this.#stream.off('error', this.#failed)
    hasStdout = false
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
