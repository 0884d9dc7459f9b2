/**
 * The part of a byte stream that is in memory: one reused buffer from which records are read in place.
 *
 * A reader takes whole records between `at` and `end`. When the next one is incomplete it says how long it is (`need`)
 * and returns false; `fill` then moves the rest to the front and reads on. The buffer is one block, and grows only when a
 * single record is longer than that. With blocks from elsewhere each is left behind as it is, for whoever still looks at it.
 */
import type { ByteStream } from './byte-stream.ts'
import type { CaptureFault, CaptureFlaw } from './packet.ts'

/** 256 KiB a read stay in the processor's cache: measured, 16 MiB fall out of it and cost a third. */
export const BLOCK_BYTES = 0x4_0000

/** Small files get small buffers: hundreds may be open to be merged. */
const BUFFER_BYTES_MIN = 0x1_0000

/** No record may be longer: such a length is taken for damage. Wireshark's bound for pcapng blocks is the same. */
export const RECORD_BYTES_MAX = 0x100_0000

/** Where the buffers of a window come from, if they are not to be reused at once. */
export interface Blocks {
  /** A block of `BLOCK_BYTES` octets, or its first `length`. */
  take(length: number): Uint8Array
  /** The reader has gone on; a buffer that is no block of theirs is ignored. */
  leave(bytes: Uint8Array): void
}

/** Of all windows together. */
let blocksRead = 0

export class ByteWindow {
  bytes: Uint8Array
  /** The same octets, for reading words: the headers of records. */
  view: DataView
  at = 0
  end = 0
  /** Another one whenever other octets stand in a buffer, of this window or of any other; never 0. */
  block = ++blocksRead
  fault: CaptureFault | null = null
  readonly stream: ByteStream
  #base = 0
  #needed = 0
  #blocks: Blocks | null = null

  constructor(stream: ByteStream) {
    this.stream = stream
    this.bytes = new Uint8Array(Math.min(Math.max(stream.bytesTotal ?? BLOCK_BYTES, BUFFER_BYTES_MIN), BLOCK_BYTES))
    this.view = viewOf(this.bytes)
  }

  /** From the next reading on. */
  readInto(blocks: Blocks): void {
    this.#blocks = blocks
  }

  /** The place in the stream of the byte at `at`. */
  offsetOf(at: number): number {
    return this.#base + at
  }

  /** Says how many bytes from `at` on the reader waits for. */
  need(length: number): false {
    this.#needed = length
    return false
  }

  /** Sets the fault, once; `at` is a place in the buffer. */
  fail(name: CaptureFlaw, at: number, message: string): false {
    this.fault ??= { name, offset: this.offsetOf(at), message }
    return false
  }

  /** Brings one block more, unless there are bytes yet that the reader has not found too few; false when there are no more. */
  async fill(): Promise<boolean> {
    if (this.fault !== null) return false
    if (this.#needed === 0 && this.at < this.end) return true
    this.#makeRoom()
    const room = Math.min(this.bytes.length - this.end, BLOCK_BYTES)
    const count = await this.stream.read(this.bytes, this.end, room)
    this.end += count
    if (count > 0) {
      this.#needed = 0
      return true
    }

    const { flaw } = this.stream
    const rest = this.end - this.at
    if (flaw !== null) this.fail(flaw.name, this.end, flaw.message)
    else if (rest > 0) {
      this.fail('capture.truncated', this.at, `the data ends ${rest} bytes into a record of at least ${this.#needed}`)
    }
    return false
  }

  /** Whether the next `length` bytes are there, reading as far as needed. */
  async require(length: number): Promise<boolean> {
    while (this.end - this.at < length) {
      this.need(length)
      if (!(await this.fill())) return false
    }
    return true
  }

  #makeRoom(): void {
    const rest = this.end - this.at
    const from = this.bytes
    if (this.#needed > from.length) this.bytes = new Uint8Array(this.#needed)
    else if (this.#blocks !== null && from.length <= BLOCK_BYTES) this.bytes = this.#blocks.take(from.length)
    if (this.at > 0 || this.bytes !== from) this.bytes.set(from.subarray(this.at, this.end))
    if (this.bytes !== from) {
      this.view = viewOf(this.bytes)
      this.#blocks?.leave(from)
    }
    this.#base += this.at
    this.at = 0
    this.end = rest
    this.block = ++blocksRead
  }
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength)
}
