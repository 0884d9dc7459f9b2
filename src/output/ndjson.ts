/** Events as nested ECS documents, one JSON object a line: to stdout, to a file that appears only when it is whole, or to one that grows. */
import { once } from 'node:events'
import { createWriteStream, type WriteStream } from 'node:fs'
import { rename, unlink } from 'node:fs/promises'
import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { targetFile } from '../base/target-file.ts'
import { type EventDocument, nest } from '../events/fields.ts'
import type { DeliveryResult } from './destination.ts'

export class NdjsonWriter {
  /** Rejects with the system's error if the file cannot be made or written. */
  readonly opened: Promise<void>
  readonly #path: string
  readonly #temporary: string | null
  readonly #stream: Writable
  readonly #ended: Promise<void>

  /**
   * `-` is stdout. A file is written beside itself and renamed by `close`, unless it grows: then what comes is appended to
   * it. A pipe or a device is written as it is.
   */
  constructor(path: string, grows = false) {
    const target = path === '-' ? null : targetFile(path)
    this.#path = target?.path ?? path
    this.#temporary = grows ? null : (target?.partial ?? null)
    const mode = target?.mode ?? 0o600
    const flags = grows ? 'a' : 'w'
    if (target === null) {
      this.#stream = process.stdout
      this.#ended = this.opened = Promise.resolve()
      return
    }
    const stream = createWriteStream(this.#temporary ?? path, { mode, flags })
    this.#stream = stream
    // Listened to from the start, so that a full disk rejects `write` or `close` instead of ending the process.
    this.#ended = finished(stream)
    // Nobody waits for a pipe that nobody reads yet.
    this.opened = target.partial === null ? Promise.resolve() : isOpen(stream, this.#ended)
    for (const promise of [this.#ended, this.opened]) promise.catch(() => {})
  }

  async write(batch: readonly EventDocument[]): Promise<DeliveryResult> {
    let lines = ''
    for (const document of batch) lines += `${JSON.stringify(nest(document))}\n`
    if (!this.#stream.write(lines)) await Promise.race([once(this.#stream, 'drain'), this.#ended])
    return { stored: batch.length, duplicates: 0, rejected: [], later: [] }
  }

  async close(): Promise<void> {
    if (this.#stream === process.stdout) return
    this.#stream.end()
    await this.#ended
    if (this.#temporary !== null) await rename(this.#temporary, this.#path)
  }

  /** Gives up: nothing is left behind. */
  async abort(): Promise<void> {
    if (this.#stream !== process.stdout) {
      this.#stream.destroy()
      // A file that is only now being opened would come after it was deleted.
      await this.#ended.catch(() => {})
    }
    if (this.#temporary !== null) await unlink(this.#temporary).catch(() => {})
  }
}

async function isOpen(stream: WriteStream, ended: Promise<void>): Promise<void> {
  await Promise.race([once(stream, 'open'), ended])
}
