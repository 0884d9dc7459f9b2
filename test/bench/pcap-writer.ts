/** A capture in the making, written through one buffer: frames are built where they will stand in the file. */
import { createHash } from 'node:crypto'
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'

const BUFFER_BYTES = 1 << 20
const RECORD_HEADER = 16
export const FRAME_BYTES_MAX = 2048

export class PcapWriter {
  readonly bytes = Buffer.alloc(BUFFER_BYTES)
  packets = 0
  written = 0
  readonly #view = new DataView(this.bytes.buffer, this.bytes.byteOffset, BUFFER_BYTES)
  readonly #file: number
  #at = 24

  constructor(path: string) {
    this.#file = openSync(path, 'w')
    const view = this.#view
    view.setUint32(0, 0xa1b2c3d4, true)
    view.setUint16(4, 2, true)
    view.setUint16(6, 4, true)
    view.setUint32(16, 65535, true)
    view.setUint32(20, 1, true)
  }

  /** Where in `bytes` the next frame starts, with room for the largest one. */
  begin(): number {
    if (this.#at + RECORD_HEADER + FRAME_BYTES_MAX > BUFFER_BYTES) this.#flush()
    return this.#at + RECORD_HEADER
  }

  /** Makes the bytes from `begin()` to `end` the next packet. */
  commit(timeUs: number, end: number): void {
    const length = end - this.#at - RECORD_HEADER
    const seconds = Math.floor(timeUs / 1_000_000)
    this.#view.setUint32(this.#at, seconds, true)
    this.#view.setUint32(this.#at + 4, timeUs - seconds * 1_000_000, true)
    this.#view.setUint32(this.#at + 8, length, true)
    this.#view.setUint32(this.#at + 12, length, true)
    this.#at = end
    this.packets++
  }

  add(timeUs: number, frame: Uint8Array): void {
    const start = this.begin()
    this.bytes.set(frame, start)
    this.commit(timeUs, start + frame.length)
  }

  close(): void {
    this.#flush()
    closeSync(this.#file)
  }

  #flush(): void {
    for (let at = 0; at < this.#at; ) at += writeSync(this.#file, this.bytes, at, this.#at - at)
    this.written += this.#at
    this.#at = 0
  }
}

export function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8
  bytes[at + 1] = value
}

export function put32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}

/** A digest of the files that decide the bytes of a capture, so that a change to any of them makes a new one. */
export function versionOf(files: readonly string[]): string {
  const digest = createHash('sha256')
  for (const file of ['pcap-writer.ts', '../support/craft.ts', '../support/random.ts', ...files]) {
    digest.update(readFileSync(new URL(file, import.meta.url)))
  }
  return digest.digest('hex').slice(0, 8)
}
