/**
 * Bounded reassembly of one TCP connection (RFC 9293 section 3.4): both directions in the order of their sequence numbers.
 *
 * The first octet that came for a place stays; what comes for it later is compared, and a difference is told, because two
 * receivers may then read two different streams. What the reader is done with stays in the buffer as long as there is room,
 * for that comparison. A hole is waited for until the other end acknowledges what lies in it (then the capture lost it), or
 * until the bounds of waiting are reached; then the reader is told how much is missing.
 */
import type { BufferPool } from '../base/buffer-pool.ts'
import { equal, NO_BYTES } from '../base/bytes.ts'
import { TCP_ACK, TCP_RST, TCP_SYN, type TcpView } from '../wire/tcp.ts'
import { DONE, type Side, SKIP_REST } from './inner-protocol.ts'

/** Who is given the streams. */
export interface StreamSink {
  /** As in `StreamReader`. */
  read(side: Side, bytes: Uint8Array, start: number, end: number): number
  gap(side: Side, length: number): boolean
  /** Something came again with other content. At most once a direction. */
  conflict(side: Side): void
}

/** Pieces beyond a hole, in one direction. */
const RANGES_MAX = 16
/** Nearly all connections never have a hole. */
const NO_RANGES = new Int32Array(0)
/** A segment further ahead than any window in use is forged or belongs to another connection. */
const AHEAD_MAX = 1 << 24
/** Segments after which an acknowledged hole is taken for a loss of the capture: what was only reordered has come by then. */
const PATIENCE_ACKNOWLEDGED = 4
/** Segments after which a hole is given up even if nobody acknowledged what was in it. */
const PATIENCE = 256

class Half {
  isKnown = false
  isIgnored = false
  hasConflict = false
  /** Sequence number of the first octet in the buffer. The following are offsets from it. */
  base = 0
  buffer: Uint8Array = NO_BYTES
  /** From here to `ready` the buffer holds what came; before may lie a hole that was given up. */
  whole = 0
  /** The reader is done with what lies before. */
  taken = 0
  /** Everything before has come. */
  ready = 0
  /** Octets from `ready` on that the reader does not want to see. */
  skip = 0
  /** What has come beyond a hole: pairs of offsets, ascending, not touching each other. */
  ranges = NO_RANGES
  rangeCount = 0
  /** Segments of the connection since there is a hole. */
  waited = 0
  isAcknowledged = false
  acknowledged = 0

  reset(): void {
    this.isKnown = false
    this.isIgnored = false
    this.hasConflict = false
    this.isAcknowledged = false
    this.skip = 0
    this.#empty()
  }

  begin(sequence: number): void {
    this.isKnown = true
    this.base = sequence
    this.#empty()
  }

  #empty(): void {
    this.whole = 0
    this.taken = 0
    this.ready = 0
    this.rangeCount = 0
    this.waited = 0
  }

  /** The offset after the last octet in the buffer. */
  get top(): number {
    return this.rangeCount === 0 ? this.ready : this.ranges[this.rangeCount * 2 - 1]
  }

  /** Lets go of the first `length` octets, which the reader is done with. */
  shift(length: number): void {
    this.buffer.copyWithin(0, length, this.top)
    this.base = (this.base + length) | 0
    this.whole = Math.max(0, this.whole - length)
    this.taken -= length
    this.ready -= length
    for (let i = 0; i < this.rangeCount * 2; i++) this.ranges[i] -= length
  }
}

export class TcpStream {
  readonly #pool: BufferPool
  readonly #halves: readonly [Half, Half] = [new Half(), new Half()]
  #sink: StreamSink | null = null
  #isDone = true

  constructor(pool: BufferPool) {
    this.#pool = pool
  }

  open(sink: StreamSink): void {
    this.#sink = sink
    this.#isDone = false
    for (const half of this.#halves) half.reset()
  }

  /** `side` is known to begin with this sequence number. */
  expect(side: Side, sequence: number): void {
    this.#halves[side].begin(sequence)
  }

  /** A segment of `side`, whose payload went on to `wireEnd` on the wire. False: the sink wants nothing more. */
  observe(side: Side, tcp: TcpView, wireEnd: number): boolean {
    if (this.#isDone) return false
    const half = this.#halves[side]
    const other = this.#halves[side === 0 ? 1 : 0]
    const { flags, payloadStart, payloadEnd } = tcp
    if ((flags & TCP_ACK) !== 0) {
      other.isAcknowledged = true
      other.acknowledged = tcp.acknowledgement
    }
    let sequence = tcp.sequence
    if ((flags & TCP_SYN) !== 0) {
      sequence = (sequence + 1) | 0
      // Until data came, the last SYN is the one that counts: a port may be used again.
      if (!half.isKnown || half.top === 0) half.begin(sequence)
      // Who answers a SYN says where the other end began.
      if ((flags & TCP_ACK) !== 0 && (!other.isKnown || other.top === 0)) other.begin(tcp.acknowledgement | 0)
    }
    if (payloadEnd > payloadStart && (flags & TCP_RST) === 0 && !half.isIgnored) {
      if (!half.isKnown) half.begin(sequence)
      this.#take(side, half, sequence, tcp.bytes, payloadStart, payloadEnd)
      if (wireEnd > payloadEnd) this.#cut(side, half, (sequence + wireEnd - payloadStart) | 0)
    }
    for (const end of SIDES) if (this.#halves[end].rangeCount > 0) this.#wait(end, this.#halves[end])
    return !this.#isDone
  }

  /** No more will come: what lies beyond holes is shown, and the buffers are given back. */
  close(): void {
    for (const side of SIDES) {
      const half = this.#halves[side]
      while (!this.#isDone && half.rangeCount > 0) this.#lose(side, half)
    }
    this.abandon()
  }

  /** Gives the buffers back and shows nothing more. */
  abandon(): void {
    this.#isDone = true
    this.#sink = null
    for (const half of this.#halves) {
      this.#pool.give(half.buffer)
      half.buffer = NO_BYTES
      half.reset()
    }
  }

  #take(side: Side, half: Half, sequence: number, bytes: Uint8Array, start: number, end: number): void {
    let offset = (sequence - half.base) | 0
    if (offset + (end - start) <= 0 || offset > half.ready + AHEAD_MAX) return
    // A keepalive repeats one octet, with any content.
    if (end - start === 1 && offset === half.ready - 1) return
    let from = start
    if (offset < 0) {
      from -= offset
      offset = 0
    }
    if (half.skip > 0 && half.rangeCount === 0 && offset <= half.ready) {
      from += half.ready - offset
      if (from < end) this.#pass(side, half, bytes, from, end)
      return
    }
    const length = end - from
    if (offset + length > half.buffer.length) {
      const moved = this.#makeRoom(side, half, offset, length)
      if (moved === -1) return
      offset -= moved
    }
    this.#store(side, half, offset, bytes, from, end)
    if (half.taken < half.ready) this.#deliver(side, half)
  }

  /** Octets in order of which the reader does not want to see the first: they are not even copied. */
  #pass(side: Side, half: Half, bytes: Uint8Array, start: number, end: number): void {
    const passed = Math.min(half.skip, end - start)
    half.base = (half.base + half.ready + passed) | 0
    half.whole = 0
    half.taken = 0
    half.ready = 0
    half.skip -= passed
    if (start + passed < end) this.#take(side, half, half.base, bytes, start + passed, end)
  }

  /** Room for what comes at `offset`; gives how far offsets moved, or -1 if the stream was given up. */
  #makeRoom(side: Side, half: Half, offset: number, length: number): number {
    let moved = 0
    const { sizeMax } = this.#pool
    while (offset - moved + length - Math.min(half.taken, offset - moved) > sizeMax) {
      // The reader waits for more than there is room for, or what lies in the hole will not come.
      if (half.rangeCount === 0 && offset - moved <= half.ready) {
        this.#finish()
        return -1
      }
      const before = half.base
      if (half.rangeCount > 0) this.#lose(side, half)
      else this.#miss(side, half, offset - moved)
      if (this.#isDone || half.isIgnored) return -1
      moved += (half.base - before) | 0
    }
    if (offset - moved + length > half.buffer.length) moved += this.#fit(half, offset - moved, length)
    return this.#isDone ? -1 : moved
  }

  /** Shifts what is done with out of the buffer, or takes a larger one; gives how far offsets moved. */
  #fit(half: Half, offset: number, length: number): number {
    const { buffer } = half
    const until = offset + length
    const spare = Math.min(half.taken, offset)
    const needed = until - spare
    if (needed <= buffer.length) {
      // Half a buffer at least, so that not every segment moves it.
      const moved = Math.min(spare, Math.max(until - buffer.length, buffer.length >> 1))
      half.shift(moved)
      return moved
    }
    const larger = this.#pool.take(needed)
    if (larger === null) {
      this.#finish()
      return 0
    }
    const moved = Math.max(0, until - larger.length)
    if (moved > 0) half.shift(moved)
    larger.set(buffer.subarray(0, half.top))
    this.#pool.give(buffer)
    half.buffer = larger
    return moved
  }

  #store(side: Side, half: Half, offset: number, bytes: Uint8Array, start: number, end: number): void {
    const { buffer, ready } = half
    let at = offset
    let from = start
    if (at < ready) {
      const known = Math.min(ready - at, end - from)
      const unseen = Math.min(known, Math.max(0, half.whole - at))
      if (!equal(buffer, at + unseen, bytes, from + unseen, known - unseen)) this.#conflict(side, half)
      at += known
      from += known
      if (from === end) return
    }
    if (half.rangeCount === 0 && at === ready) {
      buffer.set(bytes.subarray(from, end), at)
      half.ready = at + end - from
    } else this.#storeBeyond(side, half, at, bytes, from, end)
  }

  /** Fills what is empty between the ranges, and compares what is not. */
  #storeBeyond(side: Side, half: Half, offset: number, bytes: Uint8Array, start: number, end: number): void {
    const { buffer, ranges } = half
    const until = offset + end - start
    let at = offset
    for (let i = 0; i < half.rangeCount && at < until; i++) {
      const rangeStart = ranges[i * 2]
      const rangeEnd = ranges[i * 2 + 1]
      if (rangeEnd <= at) continue
      if (rangeStart >= until) break
      if (at < rangeStart) buffer.set(bytes.subarray(start + at - offset, start + rangeStart - offset), at)
      const from = Math.max(at, rangeStart)
      const to = Math.min(until, rangeEnd)
      if (!equal(buffer, from, bytes, start + from - offset, to - from)) this.#conflict(side, half)
      at = to
    }
    if (at < until) buffer.set(bytes.subarray(start + at - offset, end), at)
    if (half.ranges === NO_RANGES) half.ranges = new Int32Array((RANGES_MAX + 1) * 2)
    if (half.rangeCount === 0) half.waited = 0
    addRange(half, offset, until)
    if (half.ranges[0] <= half.ready) closeFirst(half)
    else if (half.rangeCount > RANGES_MAX) this.#lose(side, half)
  }

  #conflict(side: Side, half: Half): void {
    if (half.hasConflict) return
    half.hasConflict = true
    this.#sink?.conflict(side)
  }

  #deliver(side: Side, half: Half): void {
    while (!this.#isDone && !half.isIgnored && half.taken < half.ready) {
      const waiting = half.ready - half.taken
      if (half.skip > 0) {
        const passed = Math.min(half.skip, waiting)
        half.taken += passed
        half.skip -= passed
        continue
      }
      const done = this.#sink?.read(side, half.buffer, half.taken, half.ready) ?? DONE
      if (done < 0) this.#finish()
      else if (done === SKIP_REST) this.#ignore(half)
      else {
        half.taken += Math.min(done, waiting)
        half.skip = Math.max(0, done - waiting)
      }
      if (done < waiting) return
    }
  }

  /** There is a hole: decides whether it is still waited for. */
  #wait(side: Side, half: Half): void {
    half.waited++
    const isAcknowledged = half.isAcknowledged && ((half.acknowledged - half.base) | 0) >= half.ranges[0]
    if (half.waited >= (isAcknowledged ? PATIENCE_ACKNOWLEDGED : PATIENCE)) this.#lose(side, half)
  }

  /** Gives the first hole up. */
  #lose(side: Side, half: Half): void {
    this.#miss(side, half, half.ranges[0])
    if (this.#isDone || half.isIgnored) return
    closeFirst(half)
    this.#deliver(side, half)
  }

  /** The octets up to `offset` will not come. What the reader was still waiting to complete goes with them. */
  #miss(side: Side, half: Half, offset: number): void {
    const missing = offset - half.ready
    const skipped = Math.min(half.skip, missing)
    half.skip -= skipped
    half.whole = offset
    half.taken = offset
    half.ready = offset
    half.waited = 0
    if (offset > half.buffer.length) {
      // Nothing of it is in the buffer: begin anew there.
      half.base = (half.base + offset) | 0
      half.whole = 0
      half.taken = 0
      half.ready = 0
    }
    if (missing > skipped && this.#sink?.gap(side, missing - skipped) !== true) this.#finish()
  }

  /** The capture cut the end of a segment off. */
  #cut(side: Side, half: Half, sequence: number): void {
    const offset = (sequence - half.base) | 0
    if (this.#isDone || half.isIgnored || half.rangeCount > 0 || offset <= half.ready) return
    this.#miss(side, half, offset)
  }

  #ignore(half: Half): void {
    half.isIgnored = true
    half.rangeCount = 0
    this.#pool.give(half.buffer)
    half.buffer = NO_BYTES
    if (this.#halves[0].isIgnored && this.#halves[1].isIgnored) this.#finish()
  }

  #finish(): void {
    this.#isDone = true
  }
}

const SIDES = [0, 1] as const

/** Adds a range, joining those that it touches. There is room for one more than may stay. */
function addRange(half: Half, start: number, end: number): void {
  const { ranges } = half
  let first = 0
  while (first < half.rangeCount && ranges[first * 2 + 1] < start) first++
  let last = first
  let from = start
  let to = end
  for (; last < half.rangeCount && ranges[last * 2] <= end; last++) {
    from = Math.min(from, ranges[last * 2])
    to = Math.max(to, ranges[last * 2 + 1])
  }
  ranges.copyWithin((first + 1) * 2, last * 2, half.rangeCount * 2)
  ranges[first * 2] = from
  ranges[first * 2 + 1] = to
  half.rangeCount += 1 - (last - first)
}

/** The first range has come to touch what is ready. */
function closeFirst(half: Half): void {
  const { ranges } = half
  half.ready = Math.max(half.ready, ranges[1])
  ranges.copyWithin(0, 2, half.rangeCount * 2)
  half.rangeCount--
}
