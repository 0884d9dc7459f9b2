/**
 * The shape of encrypted traffic between two ends: how much, how long, how often, in which rhythm. Nothing else leaves an ESP tunnel.
 *
 * Each pair of associations has one row of numbers, counted in windows of a fixed length from its first packet. Direction 0 is that of the
 * initiator. Lengths are those of the ESP packet, SPI to ICV. Counting a packet allocates nothing.
 */
import { FIRST_ROWS } from '../base/growing.ts'

export type Direction = 0 | 1

/** Upper edges, in octets of ESP, of the classes of length; the last has none. */
export const LENGTH_EDGES = [96, 144, 208, 304, 480, 720, 1024] as const
const LENGTHS = LENGTH_EDGES.length + 1
/** A gap of 2^n ms falls into class n + 1; shorter than a millisecond is 0, and the last takes the rest. */
const GAPS = 14
/** A window is divided into that many slots, to see in how many there was traffic. */
export const SLOTS = 32

/** Longer packets are not keepalives, whatever their rhythm. */
const CADENCE_LENGTH_MAX = 400
/** Different lengths a direction that are followed as cadences. */
const CADENCES = 4
/** Faster than this is a stream, or a hand. */
const CADENCE_PERIOD_MIN_US = 800_000
/** How far a period may be off: what the timers of hosts add, and the way to the sensor. */
const CADENCE_TOLERANCE = 0.03
const CADENCE_JITTER_US = 30_000
/** Periods after which what did not come is taken for stopped. */
const OVERDUE = 1.6
/** How often a period must have come again before packets count as periodic. */
const CADENCE_HITS_MIN = 3
const CADENCE_HITS_MAX = 8
/** Packets without so long a pause between them are one burst. */
const BURST_PAUSE_US = 1_000_000

// Fields of a cadence: something that comes again and again.
const LENGTH = 0
const LAST_US = 1
const BEFORE_US = 2
const BEFORE_THAT_US = 3
const PERIOD_US = 4
const HITS = 5
/** Packets in this window since the period is known. */
const DUE = 6
const CADENCE = 7

// Fields of a direction.
const PACKETS = 0
const BYTES = 1
const SQUARES = 2
const LENGTH_MIN = 3
const LENGTH_MAX = 4
const ACTIVE = 5
const SMALL_PACKETS = 6
const SMALL_BYTES = 7
const GAPS_SEEN = 8
const GAP_SUM = 9
const GAP_SQUARES = 10
const PACKET_US = 11
const LENGTHS_AT = 12
const GAPS_AT = LENGTHS_AT + LENGTHS
const CADENCES_AT = GAPS_AT + GAPS
const DIRECTION = CADENCES_AT + CADENCES * CADENCE
/** What a new window begins with at zero: everything before the cadences but the time of the last packet. */
const WINDOWED = [
  PACKETS,
  BYTES,
  SQUARES,
  LENGTH_MAX,
  ACTIVE,
  SMALL_PACKETS,
  SMALL_BYTES,
  GAPS_SEEN,
  GAP_SUM,
  GAP_SQUARES,
]

// Fields of a pair, before those of its two directions.
const START_US = 0
const ANY_US = 1
const FLOOR = 2
const TURNS = 3
const LAST_DIRECTION = 4
const BURSTS = 5
const BURST_BYTES = 6
const BURST_BYTES_MAX = 7
const BEAT_AT = 8
const DIRECTIONS_AT = BEAT_AT + CADENCE
const ROW = DIRECTIONS_AT + 2 * DIRECTION

/** Something that came again and again, at one length in one direction. */
export interface Cadence {
  readonly direction: Direction
  /** Octets of ESP. */
  readonly length: number
  readonly periodUs: number
  /** Packets of the window that belong to it. */
  readonly packets: number
}

export interface DirectionShape {
  /** Without the small ones. */
  readonly packets: number
  readonly bytes: number
  readonly lengthMin: number
  readonly lengthMax: number
  readonly lengthMean: number
  /** Standard deviation. */
  readonly lengthDeviation: number
  /** Packets by class of `LENGTH_EDGES`. */
  readonly lengths: readonly number[]
  /** Gaps by class: the first is below 1 ms, each further one twice as wide as the one before. */
  readonly gaps: readonly number[]
  readonly gapMeanUs: number
  readonly gapDeviationUs: number
  /** Slots of the window, of `SLOTS`, with a packet in them. */
  readonly activeSlots: number
  /** At most as long as the floor: too short to carry what a user sends. */
  readonly smallPackets: number
  readonly smallBytes: number
}

/** One window of one pair. */
export interface TrafficWindow {
  readonly startUs: number
  readonly durationUs: number
  readonly directions: readonly [DirectionShape, DirectionShape]
  /** How often a packet went the other way than the one before it. */
  readonly turns: number
  /** Groups of packets with at least a second of silence before each. */
  readonly bursts: number
  readonly burstBytesMax: number
  readonly cadences: readonly Cadence[]
  /** Packets of up to so many octets are the small ones. */
  readonly floor: number
  /** The period at which bursts come, over several windows, or 0. */
  readonly beatUs: number
}

const SILENCE: DirectionShape = {
  packets: 0,
  bytes: 0,
  lengthMin: 0,
  lengthMax: 0,
  lengthMean: 0,
  lengthDeviation: 0,
  lengths: new Array(LENGTHS).fill(0),
  gaps: new Array(GAPS).fill(0),
  gapMeanUs: 0,
  gapDeviationUs: 0,
  activeSlots: 0,
  smallPackets: 0,
  smallBytes: 0,
}

export class TrafficMeter {
  readonly windowUs: number
  #rows = new Float64Array(FIRST_ROWS * ROW)

  constructor(windowUs: number) {
    this.windowUs = windowUs
  }

  /** Begins the row of a pair; `index` is its place in its pool. */
  open(index: number, packet: { readonly timeUs: number }): void {
    while ((index + 1) * ROW > this.#rows.length) this.#grow()
    const at = index * ROW
    this.#rows.fill(0, at, at + ROW)
    this.#rows[at + START_US] = packet.timeUs
    this.#rows[at + LAST_DIRECTION] = -1
  }

  /** Packets of up to `length` octets of ESP are too short for anything that a user sends, as far as is known of the pair. */
  setFloor(index: number, length: number): void {
    this.#rows[index * ROW + FLOOR] = length
  }

  /** Whether the window of the pair ends before the packet: then read it, and call `next`. */
  isDue(index: number, packet: { readonly timeUs: number }): boolean {
    return packet.timeUs - this.#rows[index * ROW + START_US] >= this.windowUs
  }

  /** When the window that is open ends. */
  endUs(index: number): number {
    return this.#rows[index * ROW + START_US] + this.windowUs
  }

  /** Whether the window that is open has no packet yet. */
  isEmpty(index: number): boolean {
    const rows = this.#rows
    const up = index * ROW + DIRECTIONS_AT
    const down = up + DIRECTION
    return rows[up + PACKETS] + rows[up + SMALL_PACKETS] + rows[down + PACKETS] + rows[down + SMALL_PACKETS] === 0
  }

  /** A packet of `length` octets of ESP; its time is read from it, because a double argument would be boxed. */
  count(index: number, direction: Direction, length: number, packet: { readonly timeUs: number }): void {
    const rows = this.#rows
    const pair = index * ROW
    const at = pair + DIRECTIONS_AT + direction * DIRECTION
    const isDueAgain = length <= CADENCE_LENGTH_MAX && this.#follow(at, length, packet)
    if (length <= rows[pair + FLOOR]) {
      rows[at + SMALL_PACKETS]++
      rows[at + SMALL_BYTES] += length
      return
    }
    rows[at + PACKETS]++
    rows[at + BYTES] += length
    rows[at + SQUARES] += length * length
    if (length > rows[at + LENGTH_MAX]) rows[at + LENGTH_MAX] = length
    if (rows[at + LENGTH_MIN] === 0 || length < rows[at + LENGTH_MIN]) rows[at + LENGTH_MIN] = length
    rows[at + LENGTHS_AT + lengthClass(length)]++
    const slot = (((packet.timeUs - rows[pair + START_US]) / this.windowUs) * SLOTS) | 0
    rows[at + ACTIVE] = (rows[at + ACTIVE] | (1 << Math.min(Math.max(slot, 0), SLOTS - 1))) >>> 0
    this.#measureGap(at, packet)
    if (!isDueAgain) this.#measurePair(pair, direction, length, packet)
  }

  /** The window as it stands. Not for the packet path. */
  window(index: number, endUs: number): TrafficWindow {
    const rows = this.#rows
    const pair = index * ROW
    const startUs = rows[pair + START_US]
    return {
      startUs,
      durationUs: Math.min(this.windowUs, Math.max(0, endUs - startUs)),
      directions: [this.#direction(pair, 0), this.#direction(pair, 1)],
      turns: rows[pair + TURNS],
      bursts: rows[pair + BURSTS],
      burstBytesMax: Math.max(rows[pair + BURST_BYTES_MAX], rows[pair + BURST_BYTES]),
      cadences: [...this.#cadences(pair, 0), ...this.#cadences(pair, 1)],
      floor: rows[pair + FLOOR],
      beatUs: rows[pair + BEAT_AT + HITS] >= CADENCE_HITS_MIN ? rows[pair + BEAT_AT + PERIOD_US] : 0,
    }
  }

  /** `windows` windows without a packet, before the one that is open. */
  emptyWindow(index: number, windows: number): TrafficWindow {
    const durationUs = windows * this.windowUs
    const startUs = this.#rows[index * ROW + START_US] - durationUs
    return {
      startUs,
      durationUs,
      directions: [SILENCE, SILENCE],
      turns: 0,
      bursts: 0,
      burstBytesMax: 0,
      cadences: [],
      floor: 0,
      beatUs: 0,
    }
  }

  /** Whether something longer than `length` keeps coming at a steady pace, and is not overdue at `nowUs`. */
  isAwaiting(index: number, length: number, nowUs: number): boolean {
    const rows = this.#rows
    const pair = index * ROW
    const isDue = (slot: number): boolean =>
      rows[slot + HITS] >= CADENCE_HITS_MIN && nowUs - rows[slot + LAST_US] <= OVERDUE * rows[slot + PERIOD_US]
    if (isDue(pair + BEAT_AT)) return true
    for (let direction = 0; direction < 2; direction++) {
      const first = pair + DIRECTIONS_AT + direction * DIRECTION + CADENCES_AT
      for (let slot = first; slot < first + CADENCES * CADENCE; slot += CADENCE)
        if (rows[slot + LENGTH] > length && isDue(slot)) return true
    }
    return false
  }

  /** Begins the window in which `packet` falls. Answers how many windows without a packet lie between. */
  next(index: number, packet: { readonly timeUs: number }): number {
    const rows = this.#rows
    const pair = index * ROW
    const passed = Math.max(1, Math.floor((packet.timeUs - rows[pair + START_US]) / this.windowUs))
    rows[pair + START_US] += passed * this.windowUs
    rows[pair + TURNS] = 0
    rows[pair + BURSTS] = 0
    rows[pair + BURST_BYTES] = 0
    rows[pair + BURST_BYTES_MAX] = 0
    for (let direction = 0; direction < 2; direction++) {
      const at = pair + DIRECTIONS_AT + direction * DIRECTION
      for (const field of WINDOWED) rows[at + field] = 0
      rows[at + LENGTH_MIN] = 0
      rows.fill(0, at + LENGTHS_AT, at + CADENCES_AT)
      for (let slot = 0; slot < CADENCES; slot++) rows[at + CADENCES_AT + slot * CADENCE + DUE] = 0
    }
    return passed - 1
  }

  /** True if a packet of that length was due in that direction. */
  #follow(at: number, length: number, packet: { readonly timeUs: number }): boolean {
    const rows = this.#rows
    const slot = this.#cadenceOf(at + CADENCES_AT, length, packet)
    const isDue = this.#beat(slot, packet)
    if (rows[slot + HITS] > 0) rows[slot + DUE]++
    return isDue
  }

  /** The row of a length; one that keeps no period gives way to it. */
  #cadenceOf(first: number, length: number, packet: { readonly timeUs: number }): number {
    const rows = this.#rows
    let weakest = first
    for (let slot = first; slot < first + CADENCES * CADENCE; slot += CADENCE) {
      if (rows[slot + LENGTH] === length) return slot
      // A cadence that stopped is worth no more than none.
      if (packet.timeUs - rows[slot + LAST_US] > 4 * rows[slot + PERIOD_US]) rows[slot + HITS] = 0
      const isWeaker =
        rows[slot + HITS] < rows[weakest + HITS] ||
        (rows[slot + HITS] === rows[weakest + HITS] && rows[slot + LAST_US] < rows[weakest + LAST_US])
      if (isWeaker) weakest = slot
    }
    rows.fill(0, weakest, weakest + CADENCE)
    rows[weakest + LENGTH] = length
    return weakest
  }

  /**
   * Takes the time of an arrival into a cadence; true once it keeps its period. Two ends that ask each other at the same pace
   * send two cadences of the same length: so the arrival before the last counts as well.
   */
  #beat(slot: number, packet: { readonly timeUs: number }): boolean {
    const rows = this.#rows
    const now = packet.timeUs
    const last = rows[slot + LAST_US]
    const before = rows[slot + BEFORE_US]
    const beforeThat = rows[slot + BEFORE_THAT_US]
    const period = rows[slot + PERIOD_US]
    if (period > 0) {
      const isDue =
        isMultiple(now - last, period) || isMultiple(now - before, period) || isMultiple(now - beforeThat, period)
      rows[slot + HITS] = isDue ? Math.min(rows[slot + HITS] + 1, CADENCE_HITS_MAX) : rows[slot + HITS] - 1
      if (rows[slot + HITS] < 0) rows[slot + PERIOD_US] = 0
    }
    if (rows[slot + PERIOD_US] === 0) {
      rows[slot + HITS] = 0
      if (before > 0 && isPeriod(now - last, last - before)) rows[slot + PERIOD_US] = now - last
      else if (beforeThat > 0 && isPeriod(now - before, last - beforeThat)) rows[slot + PERIOD_US] = now - before
      if (rows[slot + PERIOD_US] > 0) rows[slot + HITS] = 1
    }
    rows[slot + BEFORE_THAT_US] = before
    rows[slot + BEFORE_US] = last
    rows[slot + LAST_US] = now
    return rows[slot + HITS] >= CADENCE_HITS_MIN
  }

  #measureGap(at: number, packet: { readonly timeUs: number }): void {
    const rows = this.#rows
    const gap = packet.timeUs - rows[at + PACKET_US]
    const isFirst = rows[at + PACKET_US] === 0
    rows[at + PACKET_US] = packet.timeUs
    if (isFirst || gap < 0) return
    rows[at + GAPS_SEEN]++
    rows[at + GAP_SUM] += gap
    rows[at + GAP_SQUARES] += gap * gap
    rows[at + GAPS_AT + gapClass(gap)]++
  }

  /** What the two directions do together, keepalives apart. */
  #measurePair(pair: number, direction: number, length: number, packet: { readonly timeUs: number }): void {
    const rows = this.#rows
    if (rows[pair + LAST_DIRECTION] === 1 - direction) rows[pair + TURNS]++
    rows[pair + LAST_DIRECTION] = direction
    const isNew = rows[pair + ANY_US] === 0 || packet.timeUs - rows[pair + ANY_US] >= BURST_PAUSE_US
    rows[pair + ANY_US] = packet.timeUs
    if (isNew) {
      this.#beat(pair + BEAT_AT, packet)
      if (rows[pair + BURST_BYTES] > rows[pair + BURST_BYTES_MAX])
        rows[pair + BURST_BYTES_MAX] = rows[pair + BURST_BYTES]
      rows[pair + BURST_BYTES] = 0
    }
    // A burst that runs over the edge of a window is one of both.
    if (isNew || rows[pair + BURSTS] === 0) rows[pair + BURSTS]++
    rows[pair + BURST_BYTES] += length
  }

  #direction(pair: number, direction: Direction): DirectionShape {
    const rows = this.#rows
    const at = pair + DIRECTIONS_AT + direction * DIRECTION
    const packets = rows[at + PACKETS]
    const gaps = rows[at + GAPS_SEEN]
    return {
      packets,
      bytes: rows[at + BYTES],
      lengthMin: rows[at + LENGTH_MIN],
      lengthMax: rows[at + LENGTH_MAX],
      lengthMean: mean(rows[at + BYTES], packets),
      lengthDeviation: deviation(rows[at + BYTES], rows[at + SQUARES], packets),
      lengths: [...rows.subarray(at + LENGTHS_AT, at + LENGTHS_AT + LENGTHS)],
      gaps: [...rows.subarray(at + GAPS_AT, at + GAPS_AT + GAPS)],
      gapMeanUs: mean(rows[at + GAP_SUM], gaps),
      gapDeviationUs: deviation(rows[at + GAP_SUM], rows[at + GAP_SQUARES], gaps),
      activeSlots: bitCount(rows[at + ACTIVE]),
      smallPackets: rows[at + SMALL_PACKETS],
      smallBytes: rows[at + SMALL_BYTES],
    }
  }

  *#cadences(pair: number, direction: Direction): Generator<Cadence> {
    const rows = this.#rows
    const first = pair + DIRECTIONS_AT + direction * DIRECTION + CADENCES_AT
    for (let slot = first; slot < first + CADENCES * CADENCE; slot += CADENCE) {
      if (rows[slot + DUE] === 0 || rows[slot + HITS] < CADENCE_HITS_MIN) continue
      yield { direction, length: rows[slot + LENGTH], periodUs: rows[slot + PERIOD_US], packets: rows[slot + DUE] }
    }
  }

  #grow(): void {
    const rows = new Float64Array(this.#rows.length * 2)
    rows.set(this.#rows)
    this.#rows = rows
  }
}

/** Whether two gaps in succession are the same, and long enough to be a timer's. */
function isPeriod(gap: number, earlier: number): boolean {
  return gap >= CADENCE_PERIOD_MIN_US && Math.abs(gap - earlier) <= CADENCE_TOLERANCE * gap + CADENCE_JITTER_US
}

/** A packet may be lost, or other traffic have come instead of it. */
function isMultiple(gap: number, period: number): boolean {
  const times = Math.round(gap / period)
  return times >= 1 && times <= 2 && Math.abs(gap - times * period) <= CADENCE_TOLERANCE * period + CADENCE_JITTER_US
}

function lengthClass(length: number): number {
  let at = 0
  while (at < LENGTH_EDGES.length && length > LENGTH_EDGES[at]) at++
  return at
}

function gapClass(gapUs: number): number {
  return Math.min(32 - Math.clz32(Math.min(gapUs, 0x7fff_ffff) / 1000), GAPS - 1)
}

function mean(sum: number, count: number): number {
  return count === 0 ? 0 : sum / count
}

function deviation(sum: number, squares: number, count: number): number {
  if (count === 0) return 0
  const average = sum / count
  return Math.sqrt(Math.max(0, squares / count - average * average))
}

function bitCount(bits: number): number {
  let left = bits
  let count = 0
  for (; left !== 0; left &= left - 1) count++
  return count
}
