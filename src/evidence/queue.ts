/**
 * The way from the packet path to the thread that writes: a ring of chunks in shared memory, all made at the start. One side
 * fills them in turn, the other writes them in turn; two counters say how far each has come, so that neither ever waits for a message.
 */

/** What the words of a chunk's head mean. */
const HEAD = { PAYLOAD: 0, PACKETS: 1, ENTRY_WORDS: 2, SEGMENT: 3, CONTROL: 4 } as const
const HEAD_WORDS = 8
/** The doubles of the head follow its words. */
const HEAD_BYTES = HEAD_WORDS * 4 + 16

/** `SIGNAL` changes whenever the writer has something to look at. */
const CONTROL = { FILLED: 0, WRITTEN: 1, STOP: 2, BROKEN: 3, SIGNAL: 4 } as const
const CONTROL_WORDS = 8
/** What the writer counts, for the other side to read. */
const COUNTER_DOUBLES = 16

/** Bytes of what paths stand for, in each chunk. */
const ENTRY_BYTES = 0x2_0000
const PACKET_BYTES_MIN = 36

export interface QueueLayout {
  readonly memory: SharedArrayBuffer
  readonly chunkBytes: number
  readonly chunks: number
}

export function newQueue(bytes: number, chunkBytes: number): QueueLayout {
  const chunks = Math.max(4, Math.floor(bytes / chunkBytes))
  const size = CONTROL_WORDS * 4 + COUNTER_DOUBLES * 8 + chunks * chunkSize(chunkBytes)
  return { memory: new SharedArrayBuffer(size), chunkBytes, chunks }
}

function packetsMax(chunkBytes: number): number {
  return Math.ceil(chunkBytes / PACKET_BYTES_MIN)
}

function chunkSize(chunkBytes: number): number {
  return (HEAD_BYTES + packetsMax(chunkBytes) * 4 + ENTRY_BYTES + chunkBytes + 7) & ~7
}

/** One chunk in shared memory. */
export class SharedChunk {
  readonly payload: Buffer
  readonly view: DataView
  /** Of each packet its path. */
  readonly paths: Uint32Array
  readonly entries: Uint32Array
  readonly #head: Int32Array
  readonly #times: Float64Array

  constructor({ memory, chunkBytes }: QueueLayout, index: number) {
    const at = CONTROL_WORDS * 4 + COUNTER_DOUBLES * 8 + index * chunkSize(chunkBytes)
    const packets = packetsMax(chunkBytes)
    this.#head = new Int32Array(memory, at, HEAD_WORDS)
    this.#times = new Float64Array(memory, at + HEAD_WORDS * 4, 2)
    const pathsAt = at + HEAD_BYTES
    this.paths = new Uint32Array(memory, pathsAt, packets)
    this.entries = new Uint32Array(memory, pathsAt + packets * 4, ENTRY_BYTES / 4)
    const payloadAt = pathsAt + packets * 4 + ENTRY_BYTES
    this.payload = Buffer.from(memory, payloadAt, chunkBytes)
    this.view = new DataView(memory, payloadAt, chunkBytes)
  }

  get payloadBytes(): number {
    return this.#head[HEAD.PAYLOAD]
  }
  set payloadBytes(bytes: number) {
    this.#head[HEAD.PAYLOAD] = bytes
  }

  get packets(): number {
    return this.#head[HEAD.PACKETS]
  }
  set packets(count: number) {
    this.#head[HEAD.PACKETS] = count
  }

  get entryWords(): number {
    return this.#head[HEAD.ENTRY_WORDS]
  }
  set entryWords(words: number) {
    this.#head[HEAD.ENTRY_WORDS] = words
  }

  /** The number of the segment that it belongs to. */
  get segment(): number {
    return this.#head[HEAD.SEGMENT] >>> 0
  }
  set segment(number: number) {
    this.#head[HEAD.SEGMENT] = number
  }

  get firstUs(): number {
    return this.#times[0]
  }
  get lastUs(): number {
    return this.#times[1]
  }

  clear(segment: number): void {
    this.#head.fill(0)
    this.segment = segment
    this.#times[0] = Number.POSITIVE_INFINITY
    this.#times[1] = Number.NEGATIVE_INFINITY
  }

  /** Takes the time of a packet, read from it: a double argument would be boxed. */
  widen(packet: { readonly timeUs: number }): void {
    const { timeUs } = packet
    if (timeUs < this.#times[0]) this.#times[0] = timeUs
    if (timeUs > this.#times[1]) this.#times[1] = timeUs
  }
}

/** What both sides share. */
class QueueEnd {
  protected readonly chunks: readonly SharedChunk[]
  protected readonly control: Int32Array
  readonly counters: Float64Array

  constructor(layout: QueueLayout) {
    this.chunks = Array.from({ length: layout.chunks }, (_, index) => new SharedChunk(layout, index))
    this.control = new Int32Array(layout.memory, 0, CONTROL_WORDS)
    this.counters = new Float64Array(layout.memory, CONTROL_WORDS * 4, COUNTER_DOUBLES)
  }
}

/** The packet path's end. */
export class Filler extends QueueEnd {
  #filled = 0
  #isAbandoned = false
  /** Packets that were handed over when there was no writer any more. */
  lost = 0

  /** Chunks that may be filled, the one that is being filled among them. */
  get free(): number {
    return this.chunks.length - ((this.#filled - Atomics.load(this.control, CONTROL.WRITTEN)) | 0)
  }

  get capacity(): number {
    return this.chunks.length
  }

  /** The chunk that is next to be filled; only if one is free. */
  get current(): SharedChunk {
    return this.chunks[(this.#filled >>> 0) % this.chunks.length]
  }

  /** Hands the current chunk over. */
  publish(): void {
    if (this.#isAbandoned) {
      this.lost += this.current.packets
      return
    }
    this.#filled = (this.#filled + 1) | 0
    Atomics.store(this.control, CONTROL.FILLED, this.#filled)
    this.#signal()
  }

  /** The writer is gone: what it had left, and all that follows, is lost. */
  abandon(): void {
    const written = Atomics.load(this.control, CONTROL.WRITTEN)
    for (let i = written; i !== this.#filled; i = (i + 1) | 0)
      this.lost += this.chunks[(i >>> 0) % this.chunks.length].packets
    Atomics.store(this.control, CONTROL.WRITTEN, this.#filled)
    Atomics.notify(this.control, CONTROL.WRITTEN)
    this.#isAbandoned = true
  }

  stop(): void {
    Atomics.store(this.control, CONTROL.STOP, 1)
    this.#signal()
  }

  #signal(): void {
    Atomics.add(this.control, CONTROL.SIGNAL, 1)
    Atomics.notify(this.control, CONTROL.SIGNAL)
  }

  /** How often a chunk was lost: what follows it in its segment is lost, too. */
  get broken(): number {
    return Atomics.load(this.control, CONTROL.BROKEN)
  }

  /** Resolves when another chunk was written, or after the time. */
  async written(timeoutMs: number): Promise<void> {
    const before = Atomics.load(this.control, CONTROL.WRITTEN)
    const { async, value } = Atomics.waitAsync(this.control, CONTROL.WRITTEN, before, timeoutMs)
    if (async) await value
  }
}

/** The writer's end. */
export class Drainer extends QueueEnd {
  #written = 0

  /** The next chunk; null when there are no more and none will come. `idle` is called once every `timeoutMs` without one. */
  next(timeoutMs: number, idle: () => void): SharedChunk | null {
    for (;;) {
      const signal = Atomics.load(this.control, CONTROL.SIGNAL)
      if (Atomics.load(this.control, CONTROL.FILLED) !== this.#written)
        return this.chunks[(this.#written >>> 0) % this.chunks.length]
      if (Atomics.load(this.control, CONTROL.STOP) === 1) return null
      if (Atomics.wait(this.control, CONTROL.SIGNAL, signal, timeoutMs) === 'timed-out') idle()
    }
  }

  /** The chunk that `next` gave has been written, or lost. */
  release(isLost: boolean): void {
    if (isLost) Atomics.add(this.control, CONTROL.BROKEN, 1)
    this.#written = (this.#written + 1) | 0
    Atomics.store(this.control, CONTROL.WRITTEN, this.#written)
    Atomics.notify(this.control, CONTROL.WRITTEN)
  }
}
