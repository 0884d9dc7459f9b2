/**
 * The memory that the threads of one analysis share: blocks of captured bytes, a ring of operations for each thread that
 * follows flows, and the numbers by which they wait for one another.
 *
 * Bytes and operations are written by the packet thread alone, and are read only below a head that it has published.
 */
import { type Blocks, BLOCK_BYTES, RECORD_BYTES_MAX } from '../capture/byte-window.ts'

/** Operations of a ring, and its 64 bytes each, as doubles and as integers. */
const RING_OPS = 32_768
/** A writer that found the ring full sleeps until a quarter of it is free: to be woken for less takes longer than to write it. */
const ROOM_WAITED_FOR = (RING_OPS / 4) * 3
/** Operations that are worth waking a thread for. */
const WOKEN_EVERY = 4096
/** Operations after which the reader may see them, and the writer have their room again. */
const PUBLISHED_EVERY = 256
const OP_DOUBLES = 8
export const OP_WORDS = 16
/** Words go round by this. */
export const WORDS_MASK = RING_OPS * OP_WORDS - 1
/** Blocks that are on their way at most: the packet thread may be so far ahead. */
const BLOCKS_AHEAD = 40
/** How long a thread waits before it looks by itself: longer than any wake-up, and short for whoever lost one. */
const NAP_MS = 500

// Places among the signals; those of a ring lie on a line of the cache of their own.
const STOP = 0
const MERGED = 1
const RING_SIGNALS = 16
const HEAD = 0
/** Whether one end sleeps until the other wakes it: to wake nobody costs as much as to wake somebody. */
const READER_SLEEPS = 1
const TAIL = 8
const WRITER_SLEEPS = 9

/** What is sent to a thread that begins. */
export interface SharedMemory {
  readonly bytes: SharedArrayBuffer
  readonly blocks: number
  readonly signals: SharedArrayBuffer
  readonly rings: readonly SharedArrayBuffer[]
}

/** `sourcesMax` captures are open at one time, each with a block of its own. */
export function allocateShared(rings: number, sourcesMax: number): SharedMemory {
  const blocks = sourcesMax + BLOCKS_AHEAD + 1
  return {
    // Memory that is never touched is never taken: the one huge record at the end mostly is not.
    bytes: new SharedArrayBuffer(blocks * BLOCK_BYTES + RECORD_BYTES_MAX),
    blocks,
    signals: new SharedArrayBuffer((rings + 1) * RING_SIGNALS * 4),
    rings: Array.from({ length: rings }, () => new SharedArrayBuffer(RING_OPS * OP_WORDS * 4)),
  }
}

/** What the threads tell one another of how far they are. */
export class Signals {
  readonly #words: Int32Array<SharedArrayBuffer>

  constructor({ signals }: SharedMemory) {
    this.#words = new Int32Array(signals)
  }

  stop(): void {
    Atomics.store(this.#words, STOP, 1)
    Atomics.notify(this.#words, MERGED)
  }

  get isStopped(): boolean {
    return Atomics.load(this.#words, STOP) === 1
  }

  /** So many batches have been put together. */
  merged(batches: number): void {
    Atomics.store(this.#words, MERGED, batches)
    Atomics.notify(this.#words, MERGED)
  }

  /** Until no more than `ahead` of the batches so far are waiting. */
  waitForMerged(batches: number, ahead: number): void {
    for (;;) {
      const merged = Atomics.load(this.#words, MERGED)
      if (batches - merged <= ahead) return
      Atomics.wait(this.#words, MERGED, merged, NAP_MS)
    }
  }
}

/** Writes operations for one thread. */
export class RingWriter {
  /** The operation that `next` made room for: at `double` and at `word`. */
  readonly doubles: Float64Array<SharedArrayBuffer>
  readonly words: Int32Array<SharedArrayBuffer>
  double = 0
  word = 0
  /** Operations so far; a 32-bit number that wraps. */
  head = 0
  /** What the reader needs before this end may sleep. It may write one operation, for which there always is room. */
  beforeWaiting: () => void = () => {}
  readonly #signals: Int32Array<SharedArrayBuffer>
  #tail = 0
  /** That one operation is being written. */
  #isWaiting = false

  constructor(shared: SharedMemory, ring: number) {
    this.doubles = new Float64Array(shared.rings[ring])
    this.words = new Int32Array(shared.rings[ring])
    this.#signals = signalsOf(shared, ring)
  }

  /** Begins an operation, when there is room for it. The one before is whole. */
  next(): void {
    if ((this.head & (PUBLISHED_EVERY - 1)) === 0) this.#publish((this.head & (WOKEN_EVERY - 1)) === 0)
    const room = this.#isWaiting ? RING_OPS : RING_OPS - 1
    if (((this.head - this.#tail) | 0) >= room) this.waitFor((this.head - ROOM_WAITED_FOR) | 0)
    const slot = this.head & (RING_OPS - 1)
    this.head = (this.head + 1) | 0
    this.double = slot * OP_DOUBLES
    this.word = slot * OP_WORDS
  }

  /** Everything may be read now. */
  publish(): void {
    this.#publish(true)
  }

  /** Whether the reader is done with everything before `head`. */
  isDone(head: number): boolean {
    if (((this.#tail - head) | 0) < 0) this.#tail = Atomics.load(this.#signals, TAIL)
    return ((this.#tail - head) | 0) >= 0
  }

  waitFor(head: number): void {
    if (this.isDone(head)) return
    if (!this.#isWaiting) {
      this.#isWaiting = true
      this.beforeWaiting()
      this.#isWaiting = false
    }
    this.#publish(true)
    Atomics.store(this.#signals, WRITER_SLEEPS, 1)
    while (!this.isDone(head)) Atomics.wait(this.#signals, TAIL, this.#tail, NAP_MS)
    Atomics.store(this.#signals, WRITER_SLEEPS, 0)
  }

  #publish(wakes: boolean): void {
    Atomics.store(this.#signals, HEAD, this.head)
    if (wakes && Atomics.load(this.#signals, READER_SLEEPS) === 1) Atomics.notify(this.#signals, HEAD)
  }
}

/** Reads the operations of one ring, from where the reader before it stopped. */
export class RingReader {
  readonly doubles: Float64Array<SharedArrayBuffer>
  readonly words: Int32Array<SharedArrayBuffer>
  double = 0
  word = 0
  readonly #signals: Int32Array<SharedArrayBuffer>
  #head: number
  #tail: number

  constructor(shared: SharedMemory, ring: number) {
    this.doubles = new Float64Array(shared.rings[ring])
    this.words = new Int32Array(shared.rings[ring])
    this.#signals = signalsOf(shared, ring)
    this.#tail = Atomics.load(this.#signals, TAIL)
    this.#head = this.#tail
  }

  /** Waits for the next operation. The one before may be overwritten from now on, and the bytes that it named. */
  next(): void {
    if (this.#tail === this.#head) this.#wait()
    else if ((this.#tail & (PUBLISHED_EVERY - 1)) === 0) this.release()
    const slot = this.#tail & (RING_OPS - 1)
    this.#tail = (this.#tail + 1) | 0
    this.double = slot * OP_DOUBLES
    this.word = slot * OP_WORDS
  }

  /** Operations behind this one that need not be waited for. */
  get ahead(): number {
    return (this.#head - this.#tail) | 0
  }

  #wait(): void {
    this.release()
    this.#head = Atomics.load(this.#signals, HEAD)
    if (this.#head !== this.#tail) return
    Atomics.store(this.#signals, READER_SLEEPS, 1)
    for (;;) {
      this.#head = Atomics.load(this.#signals, HEAD)
      if (this.#head !== this.#tail) break
      Atomics.wait(this.#signals, HEAD, this.#head, NAP_MS)
    }
    Atomics.store(this.#signals, READER_SLEEPS, 0)
  }

  /** All operations so far may be overwritten, and the bytes that they named. */
  release(): void {
    Atomics.store(this.#signals, TAIL, this.#tail)
    if (Atomics.load(this.#signals, WRITER_SLEEPS) === 1) Atomics.notify(this.#signals, TAIL)
  }
}

function signalsOf({ signals }: SharedMemory, ring: number): Int32Array<SharedArrayBuffer> {
  return new Int32Array(signals, (ring + 1) * RING_SIGNALS * 4, RING_SIGNALS)
}

/** A block that the reader of captures has left, and where the rings stood then. */
interface Left {
  readonly block: number
  readonly heads: readonly number[]
}

/** Hands out the blocks, each when all threads are done with what it held. */
export class SharedBlocks implements Blocks {
  readonly bytes: Uint8Array<SharedArrayBuffer>
  readonly #rings: readonly RingWriter[]
  readonly #free: number[] = []
  readonly #left: Left[] = []
  /** The blocks that were in use, whole: a view that lives long is cheap to point to from whatever lives long. */
  readonly #views: Uint8Array<SharedArrayBuffer>[] = []
  readonly #hugeAt: number

  constructor(shared: SharedMemory, rings: readonly RingWriter[]) {
    this.bytes = new Uint8Array(shared.bytes)
    this.#rings = rings
    for (let block = shared.blocks - 1; block >= 0; block--) this.#free.push(block)
    this.#hugeAt = shared.blocks * BLOCK_BYTES
  }

  take(length: number): Uint8Array {
    const block = this.#block()
    const at = block * BLOCK_BYTES
    if (length < BLOCK_BYTES) return this.bytes.subarray(at, at + length)
    this.#views[block] ??= this.bytes.subarray(at, at + BLOCK_BYTES)
    return this.#views[block]
  }

  leave(bytes: Uint8Array): void {
    if (!this.holds(bytes)) return
    this.#left.push({ block: bytes.byteOffset / BLOCK_BYTES, heads: this.#rings.map(({ head }) => head) })
  }

  holds(bytes: Uint8Array): boolean {
    return bytes.buffer === this.bytes.buffer
  }

  /** Puts the one record that is longer than a block where it may stay until all threads are done with it. */
  putHuge(bytes: Uint8Array): number {
    this.bytes.set(bytes, this.#hugeAt)
    return this.#hugeAt
  }

  /** The oldest block that nobody reads any more; those that never were in use come last, and so are never touched. */
  #block(): number {
    const oldest = this.#left[0]
    if (oldest !== undefined && this.#rings.every((ring, at) => ring.isDone(oldest.heads[at]))) {
      this.#left.shift()
      return oldest.block
    }
    const free = this.#free.pop()
    if (free !== undefined) return free
    const { block, heads } = this.#left.shift() as Left
    for (const [at, ring] of this.#rings.entries()) ring.waitFor(heads[at])
    return block
  }
}
