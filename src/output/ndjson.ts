/** Events as nested ECS documents, one JSON object a line: to stdout, to a file that appears only when it is whole, or to one that grows. */
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { rename, unlink } from 'node:fs/promises'
import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { targetFile } from '../base/target-file.ts'
import { type EventDocument, nest } from '../events/fields.ts'
import type { DeliveryResult } from './destination.ts'

export class NdjsonWriter {
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
    this.#stream = path === '-' ? process.stdout : createWriteStream(this.#temporary ?? path, { mode, flags })
    // Listened to from the start, so that a full disk rejects `write` or `close` instead of ending the process.
    this.#ended = path === '-' ? Promise.resolve() : finished(this.#stream)
    this.#ended.catch(() => {})
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
