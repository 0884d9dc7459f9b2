/** Where the bytes of a capture come from: a file, or anything that yields blocks (stdin, a pipe, a decompressor). */
import { closeSync, readSync } from 'node:fs'

export interface StreamFlaw {
  readonly name: 'capture.read' | 'capture.compression' | 'capture.compression_truncated'
  readonly message: string
}

export interface ByteStream {
  /** Writes at most `length` bytes at `at`; resolves to how many, 0 at the end. Never rejects: see `flaw`. */
  read(into: Uint8Array, at: number, length: number): Promise<number>
  /** Set when `read` gave 0 although the data did not end there. */
  readonly flaw: StreamFlaw | null
  /** Bytes taken so far of the file on disk, and its size where that is known. */
  readonly bytesRead: number
  readonly bytesTotal: number | null
  close(): Promise<void>
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/**
 * A regular file. The read is synchronous: nothing else has work while the packets of the last block are gone, and a
 * blocking read costs less than a trip through the thread pool.
 */
export class FileBytes implements ByteStream {
  flaw: StreamFlaw | null = null
  bytesRead = 0
  readonly bytesTotal: number
  #descriptor: number

  constructor(descriptor: number, bytesTotal: number) {
    this.#descriptor = descriptor
    this.bytesTotal = bytesTotal
  }

  async read(into: Uint8Array, at: number, length: number): Promise<number> {
    if (this.#descriptor === -1) return 0
    try {
      const count = readSync(this.#descriptor, into, at, length, null)
      this.bytesRead += count
      return count
    } catch (error) {
      this.flaw = { name: 'capture.read', message: messageOf(error) }
      return 0
    }
  }

  async close(): Promise<void> {
    if (this.#descriptor === -1) return
    closeSync(this.#descriptor)
    this.#descriptor = -1
  }
}

/** Whatever yields blocks of bytes. A generator may return a flaw when its data ended badly. */
export class IteratedBytes implements ByteStream {
  flaw: StreamFlaw | null = null
  readonly #blocks: AsyncIterator<Uint8Array, StreamFlaw | null | undefined>
  readonly #origin: ByteStream | null
  readonly #release: () => Promise<void>
  #block: Uint8Array | null = null
  #at = 0
  #taken = 0
  #ended = false

  /** Progress is counted at the origin, if there is one. `release` must also end a read that is under way. */
  constructor(
    blocks: AsyncIterator<Uint8Array, StreamFlaw | null | undefined>,
    origin: ByteStream | null,
    release: () => Promise<void>,
  ) {
    this.#blocks = blocks
    this.#origin = origin
    this.#release = release
  }

  get bytesRead(): number {
    return this.#origin === null ? this.#taken : this.#origin.bytesRead
  }

  get bytesTotal(): number | null {
    return this.#origin === null ? null : this.#origin.bytesTotal
  }

  async read(into: Uint8Array, at: number, length: number): Promise<number> {
    while (this.#block === null || this.#at === this.#block.length) {
      if (this.#ended || !(await this.#advance())) return 0
    }
    const count = Math.min(length, this.#block.length - this.#at)
    into.set(this.#block.subarray(this.#at, this.#at + count), at)
    this.#at += count
    this.#taken += count
    return count
  }

  async close(): Promise<void> {
    this.#ended = true
    await this.#release()
    await this.#blocks.return?.()
  }

  async #advance(): Promise<boolean> {
    try {
      const result = await this.#blocks.next()
      if (result.done !== true) {
        this.#block = result.value
        this.#at = 0
        return true
      }
      this.flaw = result.value ?? null
    } catch (error) {
      this.flaw = { name: 'capture.read', message: messageOf(error) }
    }
    this.#block = null
    this.#ended = true
    return false
  }
}
