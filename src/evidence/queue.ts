/**
 * The way from the packet path to the thread that writes, in shared memory made at the start: two lanes of chunks, and a ring of
 * words for what is told beside them (`tellings.ts`). One side fills chunks in turn, the other writes them in turn; counters say
 * how far each has come, so that neither ever waits for a message.
 *
 * A chunk of the lane `NOW` is handed over when it is full, or old. One of the lane `HELD` may be closed and kept back for a
 * while: an alert in that time decides how much of its packets is written.
 */
import { NOTE, NOTE_WORDS, originWord } from './notes.ts'
import { sharedMemory } from './shared-memory.ts'
import type { StoredPacket } from './blocks.ts'
import { CONTROL, CONTROL_WORDS, TELLING_WORDS, type Told, TellingReader, TellingWriter } from './tellings.ts'

export const LANE = { NOW: 0, HELD: 1 } as const
export type LaneNumber = (typeof LANE)[keyof typeof LANE]

/** What the words of a chunk's head mean. */
const HEAD = { END: 0, PACKETS: 1 } as const
const HEAD_WORDS = 4
/** The doubles of the head follow its words. */
const HEAD_BYTES = HEAD_WORDS * 4 + 16

/** What the writer counts, for the other side to read. */
const COUNTER_DOUBLES = 16
const TELLINGS_AT = CONTROL_WORDS * 4 + COUNTER_DOUBLES * 8
const CONTROL_BYTES = TELLINGS_AT + TELLING_WORDS * 4
/** Chunks lie in pieces of memory of so much at most. */
const PIECE_BYTES = 0x4000_0000

/** There are notes for as many packets as fill a chunk if they have so many octets on average; of smaller ones fewer octets fit. */
const PACKET_BYTES = 128
/** The writer is woken when so many chunks of a lane wait, or a quarter of all: each time is a call of the kernel. */
const WAKE_CHUNKS = 4

export interface QueueLayout {
  /** For all but the chunks, and for those: first the lane `NOW`, then the lane `HELD`. */
  readonly memory: SharedArrayBuffer
  readonly pieces: readonly SharedArrayBuffer[]
  readonly chunkBytes: number
  /** How many there are in each lane. */
  readonly chunks: readonly [now: number, held: number]
}

export function newQueue(nowBytes: number, heldBytes: number, chunkBytes: number): QueueLayout {
  const chunks = [chunksOf(nowBytes, chunkBytes), chunksOf(heldBytes, chunkBytes)] as const
  const pieces: SharedArrayBuffer[] = []
  for (let left = chunks[0] + chunks[1]; left > 0; left -= chunksInPiece(chunkBytes))
    pieces.push(sharedMemory(Math.min(left, chunksInPiece(chunkBytes)) * chunkSize(chunkBytes)))
  return { memory: sharedMemory(CONTROL_BYTES), pieces, chunkBytes, chunks }
}

function chunksOf(bytes: number, chunkBytes: number): number {
  return Math.max(4, Math.floor(bytes / chunkBytes))
}

function packetsMax(chunkBytes: number): number {
  return Math.ceil(chunkBytes / PACKET_BYTES)
}

function chunkSize(chunkBytes: number): number {
  return (HEAD_BYTES + packetsMax(chunkBytes) * NOTE_WORDS * 4 + chunkBytes + 7) & ~7
}

function chunksInPiece(chunkBytes: number): number {
  return Math.floor(PIECE_BYTES / chunkSize(chunkBytes))
}

/** One chunk in shared memory: octets that packets stand in, not always one right behind the other, and notes that say where. */
export class SharedChunk {
  readonly lane: LaneNumber
  readonly packetsMax: number
  readonly bytes: Buffer
  readonly view: DataView
  /** `NOTE_WORDS` of each packet. */
  readonly notes: Uint32Array
  /** The same memory, for the times. */
  readonly noteTimes: Float64Array
  readonly #head: Int32Array
  readonly #times: Float64Array

  constructor({ pieces, chunkBytes, chunks }: QueueLayout, lane: LaneNumber, index: number) {
    this.lane = lane
    const number = lane === LANE.NOW ? index : chunks[0] + index
    const memory = pieces[Math.floor(number / chunksInPiece(chunkBytes))]
    const at = (number % chunksInPiece(chunkBytes)) * chunkSize(chunkBytes)
    this.packetsMax = packetsMax(chunkBytes)
    const notes = this.packetsMax * NOTE_WORDS
    this.#head = new Int32Array(memory, at, HEAD_WORDS)
    this.#times = new Float64Array(memory, at + HEAD_WORDS * 4, 2)
    this.notes = new Uint32Array(memory, at + HEAD_BYTES, notes)
    this.noteTimes = new Float64Array(memory, at + HEAD_BYTES, notes >> 1)
    this.bytes = Buffer.from(memory, at + HEAD_BYTES + notes * 4, chunkBytes)
    this.view = new DataView(memory, at + HEAD_BYTES + notes * 4, chunkBytes)
  }

  /** Where the octets end. */
  get end(): number {
    return this.#head[HEAD.END]
  }
  set end(at: number) {
    this.#head[HEAD.END] = at
  }

  get packets(): number {
    return this.#head[HEAD.PACKETS]
  }
  set packets(count: number) {
    this.#head[HEAD.PACKETS] = count
  }

  get firstUs(): number {
    return this.#times[0]
  }
  get lastUs(): number {
    return this.#times[1]
  }

  clear(): void {
    this.end = 0
    this.packets = 0
    this.#times[0] = Number.POSITIVE_INFINITY
    this.#times[1] = Number.NEGATIVE_INFINITY
  }

  /** Notes a packet of which the `captured` octets stand at `at`. Its time is read from it: a double argument would be boxed. */
  note(packet: StoredPacket, at: number, captured: number, origin: number, path: number, shape: number): void {
    const { timeUs } = packet
    const { packets, notes } = this
    const note = packets * NOTE_WORDS
    notes[note + NOTE.AT] = at
    notes[note + NOTE.CAPTURED] = captured
    notes[note + NOTE.ORIGINAL] = packet.originalLength
    notes[note + NOTE.ORIGIN] = originWord(origin, packet)
    notes[note + NOTE.PATH] = path
    notes[note + NOTE.SHAPE] = shape
    this.noteTimes[(note + NOTE.TIME) >> 1] = timeUs
    this.packets = packets + 1
    if (timeUs < this.#times[0]) this.#times[0] = timeUs
    if (timeUs > this.#times[1]) this.#times[1] = timeUs
  }

  /** Whether the newest packet is older than the other by so much. */
  isBefore(packet: { readonly timeUs: number }, byUs: number): boolean {
    return this.#times[1] <= packet.timeUs - byUs
  }

  /** Whether the packets reach from so long before the other one. */
  reachesBack(packet: { readonly timeUs: number }, byUs: number): boolean {
    return this.#times[0] <= packet.timeUs - byUs
  }
}

function chunksIn(layout: QueueLayout, lane: LaneNumber): SharedChunk[] {
  return Array.from({ length: layout.chunks[lane] }, (_, index) => new SharedChunk(layout, lane, index))
}

function counterOf(layout: QueueLayout): Float64Array {
  return new Float64Array(layout.memory, CONTROL_WORDS * 4, COUNTER_DOUBLES)
}

/** The packet path's end of a lane: chunks are filled, closed, and handed over in one order. */
export class FillerLane {
  readonly #chunks: readonly SharedChunk[]
  readonly #control: Int32Array
  readonly #lane: LaneNumber
  /** Of each chunk the number of the next path when it was begun. */
  readonly #pathsAt: Int32Array
  #closed = 0
  #filled = 0

  constructor(layout: QueueLayout, lane: LaneNumber, control: Int32Array) {
    this.#chunks = chunksIn(layout, lane)
    this.#lane = lane
    this.#control = control
    this.#pathsAt = new Int32Array(this.#chunks.length)
  }

  get capacity(): number {
    return this.#chunks.length
  }

  get #written(): number {
    return Atomics.load(this.#control, CONTROL.WRITTEN + this.#lane)
  }

  /** Chunks that may be filled, the one that is being filled among them. */
  get free(): number {
    return this.#chunks.length - ((this.#closed - this.#written) | 0)
  }

  /** Chunks that are closed and not handed over. */
  get held(): number {
    return (this.#closed - this.#filled) | 0
  }

  /** Chunks that were handed over and are not written. */
  get waiting(): number {
    return (this.#filled - this.#written) | 0
  }

  /** How many chunks were handed over so far, modulo 2^32. */
  get filled(): number {
    return this.#filled
  }

  /** The chunk that is next to be filled; only if one is free. */
  get current(): SharedChunk {
    return this.#chunks[(this.#closed >>> 0) % this.#chunks.length]
  }

  /** The chunk that has been closed for longest; only if one is held. */
  get oldest(): SharedChunk {
    return this.#chunks[(this.#filled >>> 0) % this.#chunks.length]
  }

  /** Empties the next chunk to be filled. Paths are numbered from `nextPath` on from now on. */
  begin(nextPath: number): SharedChunk {
    const chunk = this.current
    chunk.clear()
    this.#pathsAt[(this.#closed >>> 0) % this.#chunks.length] = nextPath
    return chunk
  }

  close(): void {
    this.#closed = (this.#closed + 1) | 0
  }

  /** Hands the oldest over. */
  publish(): void {
    this.#filled = (this.#filled + 1) | 0
    Atomics.store(this.#control, CONTROL.FILLED + this.#lane, this.#filled)
  }

  /** How many paths have been numbered since the oldest chunk was begun that is not written. */
  pathsSince(nextPath: number, isFilling: boolean): number {
    const written = this.#written
    if (written === this.#closed && !isFilling) return 0
    return (nextPath - this.#pathsAt[(written >>> 0) % this.#chunks.length]) | 0
  }

  /** The same since the oldest chunk was begun that is not handed over. */
  pathsHeldBack(nextPath: number, isFilling: boolean): number {
    if (this.#filled === this.#closed && !isFilling) return 0
    return (nextPath - this.#pathsAt[(this.#filled >>> 0) % this.#chunks.length]) | 0
  }

  /** The writer is gone: gives how many packets it had left, and takes them as written. */
  abandon(): number {
    let lost = 0
    for (let i = this.#written; i !== this.#filled; i = (i + 1) | 0)
      lost += this.#chunks[(i >>> 0) % this.#chunks.length].packets
    Atomics.store(this.#control, CONTROL.WRITTEN + this.#lane, this.#filled)
    return lost
  }
}

/** The packet path's end. */
export class Filler {
  readonly now: FillerLane
  readonly held: FillerLane
  readonly tellings: TellingWriter
  readonly counters: Float64Array
  readonly #control: Int32Array
  #isAbandoned = false
  /** Something was handed over since the writer was woken. */
  #isQuiet = false
  /** Packets that were handed over when there was no writer any more. */
  lost = 0

  constructor(layout: QueueLayout) {
    this.#control = new Int32Array(layout.memory, 0, CONTROL_WORDS)
    this.counters = counterOf(layout)
    this.now = new FillerLane(layout, LANE.NOW, this.#control)
    this.held = new FillerLane(layout, LANE.HELD, this.#control)
    this.tellings = new TellingWriter(layout.memory, TELLINGS_AT, this.#control)
  }

  /** Hands the oldest closed chunk of a lane over; the writer, if it sleeps, takes it when it is woken. */
  publish(lane: FillerLane): void {
    lane.publish()
    this.#isQuiet = true
    if (this.#isAbandoned) this.lost += lane.abandon()
    else if (lane.waiting >= Math.min(WAKE_CHUNKS, lane.capacity >> 2)) this.wake()
  }

  /** What was handed over is taken now. */
  wake(): void {
    if (!this.#isQuiet) return
    this.#isQuiet = false
    this.#signal()
  }

  /** The writer is gone: what it had left, and all that follows, is lost. */
  abandon(): void {
    this.lost += this.now.abandon() + this.held.abandon()
    this.#isAbandoned = true
    this.tellings.abandon()
    Atomics.add(this.#control, CONTROL.DONE, 1)
    Atomics.notify(this.#control, CONTROL.DONE)
  }

  stop(): void {
    Atomics.store(this.#control, CONTROL.STOP, 1)
    this.#signal()
  }

  #signal(): void {
    Atomics.add(this.#control, CONTROL.SIGNAL, 1)
    Atomics.notify(this.#control, CONTROL.SIGNAL)
  }

  /** Nothing that was handed over is still to be written. */
  get isIdle(): boolean {
    return this.now.waiting === 0 && this.held.waiting === 0
  }

  /** Resolves when `isDone` says so; asked whenever the writer has written. */
  async until(isDone: () => boolean): Promise<void> {
    this.wake()
    for (;;) {
      const before = Atomics.load(this.#control, CONTROL.DONE)
      if (isDone()) return
      const { async, value } = Atomics.waitAsync(this.#control, CONTROL.DONE, before, WAIT_MS)
      if (async) await value
    }
  }
}

const WAIT_MS = 100

/** The writer's end. */
export class Drainer {
  readonly counters: Float64Array
  readonly #control: Int32Array
  readonly #lanes: readonly [readonly SharedChunk[], readonly SharedChunk[]]
  readonly #written: [number, number] = [0, 0]
  readonly #tellings: TellingReader
  #lane: LaneNumber = LANE.NOW

  /** `told` is given what was told, in its order, before the chunks that came after it. */
  constructor(layout: QueueLayout, told: Told) {
    this.#control = new Int32Array(layout.memory, 0, CONTROL_WORDS)
    this.counters = counterOf(layout)
    this.#lanes = [chunksIn(layout, LANE.NOW), chunksIn(layout, LANE.HELD)]
    this.#tellings = new TellingReader(layout.memory, TELLINGS_AT, this.#control, told)
  }

  /**
   * The next chunk; null when there are no more and none will come. `idle` is called before it is waited for, and again every `timeoutMs`;
   * while it says that there is more to do it is not waited for.
   */
  next(timeoutMs: number, idle: () => boolean): SharedChunk | null {
    for (;;) {
      const signal = Atomics.load(this.#control, CONTROL.SIGNAL)
      // In turn: neither lane waits for the other to be empty.
      const other = this.#lane === LANE.NOW ? LANE.HELD : LANE.NOW
      const chunk = this.#take(other) ?? this.#take(this.#lane)
      // After the chunk: what it needs was told before it was handed over.
      this.#tellings.read()
      if (chunk !== null) return chunk
      if (Atomics.load(this.#control, CONTROL.STOP) === 1 && signal === Atomics.load(this.#control, CONTROL.SIGNAL))
        return null
      if (!idle()) Atomics.wait(this.#control, CONTROL.SIGNAL, signal, timeoutMs)
    }
  }

  #take(lane: LaneNumber): SharedChunk | null {
    const written = this.#written[lane]
    if (Atomics.load(this.#control, CONTROL.FILLED + lane) === written) return null
    this.#lane = lane
    const chunks = this.#lanes[lane]
    return chunks[(written >>> 0) % chunks.length]
  }

  /** How many chunks of the lane `HELD` were written before the one that `next` gave, modulo 2^32. */
  get heldWritten(): number {
    return this.#written[LANE.HELD]
  }

  /** The chunk that `next` gave has been written, or lost. */
  release(): void {
    const lane = this.#lane
    this.#written[lane] = (this.#written[lane] + 1) | 0
    Atomics.store(this.#control, CONTROL.WRITTEN + lane, this.#written[lane])
    Atomics.add(this.#control, CONTROL.DONE, 1)
    Atomics.notify(this.#control, CONTROL.DONE)
  }
}
