/** Events as nested ECS documents, one JSON object a line: to a file that appears only when it is whole, or to stdout. */
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { rename, unlink } from 'node:fs/promises'
import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { type EventDocument, nest } from '../events/fields.ts'

export class NdjsonWriter {
  readonly #path: string
  readonly #temporary: string | null
  readonly #stream: Writable
  readonly #ended: Promise<void>

  /** `-` is stdout. Any other path is written beside itself and renamed by `close`. */
  constructor(path: string) {
    this.#path = path
    this.#temporary = path === '-' ? null : `${path}.${process.pid}.partial`
    this.#stream = this.#temporary === null ? process.stdout : createWriteStream(this.#temporary, { mode: 0o600 })
    // Listened to from the start, so that a full disk rejects `write` or `close` instead of ending the process.
    this.#ended = this.#temporary === null ? Promise.resolve() : finished(this.#stream)
    this.#ended.catch(() => {})
  }

  async write(batch: readonly EventDocument[]): Promise<void> {
    let lines = ''
    for (const document of batch) lines += `${JSON.stringify(nest(document))}\n`
    if (!this.#stream.write(lines)) await Promise.race([once(this.#stream, 'drain'), this.#ended])
  }

  async close(): Promise<void> {
    if (this.#temporary === null) return
    this.#stream.end()
    await this.#ended
    await rename(this.#temporary, this.#path)
  }

  /** Gives up: nothing is left behind. */
  async abort(): Promise<void> {
    this.#stream.destroy()
    if (this.#temporary !== null) await unlink(this.#temporary).catch(() => {})
  }
}
