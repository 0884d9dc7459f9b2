/**
 * One direction of a TCP stream whose messages can be recognised where they begin: takes segments as they come and gives
 * their octets in order, of each place the first that came.
 *
 * A few segments that came early are kept. When one does not come, the stream goes on behind the gap, with a segment that
 * begins with a message.
 */

/** A segment further away than this is not of the stream as it stood. */
const WINDOW = 0x10_0000

/** Who is given the octets, and knows how messages begin. `Finding` are the names of what may be wrong. */
export interface SegmentReader<Finding extends string> {
  /** Octets are missing; a message behind them was found. */
  readonly gap: Finding
  /** Octets are missing, and nothing behind them looks like a message: the stream waits for a segment that does. */
  readonly lost: Finding
  /** Whether a stream that was not followed so far may begin with this segment. */
  mayBegin(bytes: Uint8Array, start: number, end: number): boolean
  /** Whether the stream may go on with this segment, which stands behind a gap. */
  mayGoOn(bytes: Uint8Array, start: number, end: number): boolean
  /** The next octets. A finding: what came is no message, and the stream is lost. */
  append(bytes: Uint8Array, start: number, end: number): Finding | null
  /** The rest of what was appended will not come: the capture cut its segment. Then the stream is lost. */
  cut?(): void
  /** The stream is lost: what is kept of it belongs to nothing that will come. */
  lose(): void
}

/** Segments that came early are kept to this many and this size; then the gap before them is given up. */
export interface EarlyLimits {
  readonly segmentsMax: number
  readonly bytesMax: number
}

interface EarlySegment {
  readonly sequence: number
  readonly bytes: Uint8Array
}

export class SegmentOrder<Finding extends string> {
  readonly #reader: SegmentReader<Finding>
  readonly #limits: EarlyLimits
  /** The sequence number behind what the reader was given. */
  #next = 0
  #isInStep = false
  #early: EarlySegment[] = []
  #earlyBytes = 0

  constructor(reader: SegmentReader<Finding>, limits: EarlyLimits) {
    this.#reader = reader
    this.#limits = limits
  }

  /** It is known where the next message begins. */
  get isInStep(): boolean {
    return this.#isInStep
  }

  /** The sequence number behind what the reader was given; of a stream that is in step. */
  get next(): number {
    return this.#next
  }

  /** The stream begins with this sequence number, whatever stands there. */
  begin(sequence: number): void {
    this.lose()
    this.#next = sequence | 0
    this.#isInStep = true
  }

  /** Forgets the stream: the next segment that may begin one does. */
  lose(): void {
    this.#isInStep = false
    this.#early = []
    this.#earlyBytes = 0
    this.#reader.lose()
  }

  /** Takes the payload of a segment, of which `missing` octets at its end were not captured. */
  push(sequence: number, bytes: Uint8Array, start: number, end: number, missing = 0): Finding | null {
    if (end <= start) return null
    if (!this.#isInStep) {
      if (!this.#reader.mayBegin(bytes, start, end)) return null
      this.#next = sequence | 0
      this.#isInStep = true
    }
    const ahead = (sequence - this.#next) | 0
    if (Math.abs(ahead) > WINDOW) return this.#jump(sequence, bytes, start, end)
    if (ahead > 0) return this.#keepEarly(sequence, bytes, start, end)
    const from = start - ahead
    if (from >= end) return null
    const finding = this.#append(bytes, from, end) ?? this.#takeEarly()
    if (missing > 0) {
      this.#reader.cut?.()
      this.lose()
    }
    return finding
  }

  /** Far from where the stream stood: the capture lost much, or one of the two is forged. */
  #jump(sequence: number, bytes: Uint8Array, start: number, end: number): Finding | null {
    if (!this.#reader.mayBegin(bytes, start, end)) return null
    this.begin(sequence)
    return this.#append(bytes, start, end) ?? this.#reader.gap
  }

  #append(bytes: Uint8Array, start: number, end: number): Finding | null {
    this.#next = (this.#next + end - start) | 0
    const finding = this.#reader.append(bytes, start, end)
    if (finding !== null) this.lose()
    return finding
  }

  #keepEarly(sequence: number, bytes: Uint8Array, start: number, end: number): Finding | null {
    if (this.#early.some((segment) => segment.sequence === sequence)) return null
    this.#early.push({ sequence, bytes: bytes.slice(start, end) })
    this.#earlyBytes += end - start
    const { segmentsMax, bytesMax } = this.#limits
    return this.#early.length <= segmentsMax && this.#earlyBytes <= bytesMax ? null : this.#giveUpGap()
  }

  /** Segments that came early and fit now. */
  #takeEarly(): Finding | null {
    for (let i = 0; i < this.#early.length; ) {
      const { sequence, bytes } = this.#early[i]
      const ahead = (sequence - this.#next) | 0
      if (ahead > 0) {
        i++
        continue
      }
      this.#early.splice(i, 1)
      this.#earlyBytes -= bytes.length
      if (-ahead < bytes.length) {
        const finding = this.#append(bytes, -ahead, bytes.length)
        if (finding !== null) return finding
      }
      i = 0
    }
    return null
  }

  /** The oldest of the early segments that begins with a message is the new beginning. */
  #giveUpGap(): Finding {
    const { gap, lost } = this.#reader
    const next = this.#next
    const early = this.#early.sort((a, b) => ((a.sequence - next) | 0) - ((b.sequence - next) | 0))
    this.lose()
    const at = early.findIndex(({ bytes }) => this.#reader.mayGoOn(bytes, 0, bytes.length))
    if (at === -1) return lost
    const [first, ...others] = early.slice(at)
    this.#early = others
    this.#earlyBytes = others.reduce((sum, { bytes }) => sum + bytes.length, 0)
    this.#next = first.sequence | 0
    this.#isInStep = true
    return this.#append(first.bytes, 0, first.bytes.length) ?? this.#takeEarly() ?? gap
  }
}
