/**
 * What the pairs of ESP associations are used for, as far as lengths and times tell: stretches of one kind of use, and the L2TP
 * tunnels that were set up, logged into and torn down inside.
 *
 * Windows are read as they end and joined while their class stays the same, so a quiet tunnel tells little and a busy one no more than
 * a few lines a minute.
 */
import { Timers } from '../base/timers.ts'
import { type EspLengths, EspLengthTable, type EspShape, espLengthOf, possibleShapes } from './esp-overhead.ts'
import { type L2tpEvidence, type L2tpFinding, L2tpInEsp } from './l2tp-in-esp.ts'
import { USER_INNER_MIN } from './l2tp-lengths.ts'
import { classify, type TrafficClass, type TrafficVerdict } from './traffic-class.ts'
import { type Direction, TrafficMeter, type TrafficWindow } from './traffic-shape.ts'

/** A time in which a pair was used in one way. */
export interface Stretch {
  readonly class: TrafficClass
  readonly startUs: number
  readonly endUs: number
  readonly windows: number
  /** Packets and octets of ESP, keepalives included, of the initiator and of the other end. */
  readonly packets: readonly [number, number]
  readonly bytes: readonly [number, number]
  /** Of the window with the most octets: what decided. */
  readonly window: TrafficWindow
  readonly verdict: TrafficVerdict
  /** What all lengths so far have in common, and what is no longer than a keepalive under the suites that they leave. */
  readonly lengths: EspLengths
  readonly keepaliveLength: number
}

interface EarlyPacket {
  readonly direction: Direction
  readonly length: number
  readonly timeUs: number
}

export interface TrafficTold {
  classified(index: number, stretch: Stretch): void
  inferred(index: number, finding: L2tpFinding, evidence: L2tpEvidence): void
}

/** Packets of an association that are kept until it is believed, and its pair with it. */
const HELD = 4
/** A pair waits for its second direction to be believed for so many packets, and so long: what each said first is told in order. */
const EARLY_PACKETS = 32
const EARLY_US = 5_000_000
const BOTH = 0b11

export class EspTraffic {
  readonly #told: TrafficTold
  readonly #meter: TrafficMeter
  readonly #l2tp = new L2tpInEsp()
  readonly #lengths = new EspLengthTable()
  readonly #stretches: (Stretch | undefined)[] = []
  readonly #timers = new Timers()
  readonly #isTimed: boolean[] = []
  readonly #expire = (index: number) => this.#expired(index)
  #nowUs = 0
  /** By association: how many packets are held, their lengths and times. */
  #heldPackets = new Uint8Array(0)
  #heldLengths = new Int32Array(0)
  #heldUs = new Float64Array(0)
  readonly #early: (EarlyPacket[] | undefined)[] = []
  /** By pair: the directions that were adopted, a bit each. */
  readonly #adopted: number[] = []

  constructor(told: TrafficTold, windowUs: number) {
    this.#told = told
    this.#meter = new TrafficMeter(windowUs)
  }

  /** An association that nobody believes in yet; `index` is its place in its pool. */
  beginHolding(index: number): void {
    if (index >= this.#heldPackets.length) this.#grow(index)
    this.#heldPackets[index] = 0
  }

  /** A packet of it. */
  hold(index: number, length: number, packet: { readonly timeUs: number }): void {
    const held = this.#heldPackets[index]
    if (held === HELD) return
    this.#heldLengths[index * HELD + held] = length
    this.#heldUs[index * HELD + held] = packet.timeUs
    this.#heldPackets[index]++
  }

  /** The association is believed: what was held of it belongs to that pair. The other direction may follow at once. */
  adopt(index: number, direction: Direction, association: number): void {
    const early = this.#early[index] ?? []
    this.#early[index] = early
    for (let at = 0; at < this.#heldPackets[association]; at++)
      early.push({
        direction,
        length: this.#heldLengths[association * HELD + at],
        timeUs: this.#heldUs[association * HELD + at],
      })
    this.#heldPackets[association] = 0
    this.#adopted[index] |= 1 << direction
  }

  /**
   * Begins a pair with its first packet; `index` is its place in its pool. `isFromStart`: nothing went through it before, as far as
   * sequence numbers tell.
   */
  open(index: number, isFromStart: boolean, packet: { readonly timeUs: number }): void {
    this.#meter.open(index, packet)
    this.#l2tp.open(index, isFromStart)
    this.#lengths.open(index)
    this.#stretches[index] = undefined
    this.#early[index] = undefined
    this.#adopted[index] = 0
    this.#isTimed[index] = false
    this.#timers.cancel(index)
  }

  /** A packet of `length` octets, SPI to ICV; its time is read from it. Direction 0 is that of the initiator. */
  count(index: number, direction: Direction, length: number, packet: { readonly timeUs: number }): void {
    const early = this.#early[index]
    if (early === undefined) this.#count(index, direction, length, packet)
    else this.#countLate(index, early, { direction, length, timeUs: packet.timeUs })
  }

  /** Time has come to `nowUs`: windows that ended are read. */
  *expire(nowUs: number): Generator<void> {
    this.#nowUs = nowUs
    yield* this.#timers.advance(nowUs, this.#expire)
  }

  /** No more packets will come. */
  close(index: number, nowUs: number): void {
    if (this.#early[index] !== undefined) this.#countEarly(index)
    this.#timers.cancel(index)
    if (this.#meter.isDue(index, { timeUs: nowUs })) this.#read(index, nowUs)
    this.#settle(index, nowUs, true)
    if (!this.#meter.isEmpty(index)) this.#join(index, this.#meter.window(index, nowUs), 1)
    this.#tell(index)
    this.#l2tp.close(index)
  }

  #count(index: number, direction: Direction, length: number, packet: { readonly timeUs: number }): void {
    if (this.#meter.isDue(index, packet)) this.#read(index, packet.timeUs)
    if (!this.#isTimed[index]) this.#arm(index)
    this.#lengths.see(index, length)
    this.#meter.count(index, direction, length, packet)
    if (this.#l2tp.observe(index, direction, length, packet)) this.#settle(index, packet.timeUs, false)
  }

  /** A packet behind those of before: counted with them once both directions are there. */
  #countLate(index: number, early: EarlyPacket[], packet: EarlyPacket): void {
    early.push(packet)
    const isWaiting =
      this.#adopted[index] !== BOTH && early.length < EARLY_PACKETS && packet.timeUs - early[0].timeUs < EARLY_US
    if (!isWaiting) this.#countEarly(index)
  }

  /** What both directions carried before they were believed, in the order of time. */
  #countEarly(index: number): void {
    const early = this.#early[index] ?? []
    this.#early[index] = undefined
    early.sort((a, b) => a.timeUs - b.timeUs)
    for (const packet of early) this.#count(index, packet.direction, packet.length, packet)
  }

  #arm(index: number): void {
    this.#isTimed[index] = true
    this.#timers.schedule(index, this.#meter.endUs(index))
  }

  /** A window that ended is read without waiting for the next packet; after one without packets there is no hurry. */
  #expired(index: number): void {
    this.#isTimed[index] = false
    const isOver = this.#meter.endUs(index) <= this.#nowUs
    const isQuiet = this.#meter.isEmpty(index) && !this.#l2tp.isPending(index)
    if (isOver) this.#read(index, this.#nowUs)
    if (!isOver || !isQuiet) this.#arm(index)
  }

  /** The window that ended before `nowUs`, and the empty ones after it. */
  #read(index: number, nowUs: number): void {
    this.#settle(index, nowUs, false)
    this.#join(index, this.#meter.window(index, nowUs), 1)
    const empty = this.#meter.next(index, { timeUs: nowUs })
    if (empty > 0) this.#join(index, this.#meter.emptyWindow(index, empty), empty)
    this.#meter.setFloor(index, this.#l2tp.floorOf(index))
  }

  #settle(index: number, nowUs: number, isOver: boolean): void {
    for (let finding = this.#l2tp.settle(index, nowUs, isOver); finding !== null; ) {
      this.#told.inferred(index, finding, this.#l2tp.evidence(index))
      finding = this.#l2tp.settle(index, nowUs, isOver)
    }
  }

  #join(index: number, window: TrafficWindow, windows: number): void {
    const lengths = this.#lengths.lengths(index)
    const keepaliveLength = this.#keepaliveLength(index, lengths)
    const verdict = classify(window, {
      keepaliveLength,
      signallingPackets: this.#l2tp.takeSignalling(index),
      before: this.#stretches[index]?.class,
      isAwaiting: this.#meter.isAwaiting(index, keepaliveLength, window.startUs + window.durationUs),
    })
    const stretch: Stretch = { ...stretchOf(window, verdict), windows, lengths, keepaliveLength }
    const before = this.#stretches[index]
    if (before !== undefined && before.class !== stretch.class) this.#tell(index)
    const last = this.#stretches[index]
    this.#stretches[index] = last === undefined ? stretch : joined(last, stretch)
  }

  #tell(index: number): void {
    const stretch = this.#stretches[index]
    if (stretch === undefined) return
    this.#stretches[index] = undefined
    this.#told.classified(index, stretch)
  }

  #grow(index: number): void {
    const associations = Math.max(64, (index + 1) * 2)
    this.#heldPackets = grown(this.#heldPackets, new Uint8Array(associations))
    this.#heldLengths = grown(this.#heldLengths, new Int32Array(associations * HELD))
    this.#heldUs = grown(this.#heldUs, new Float64Array(associations * HELD))
  }

  /** What comes at a steady pace and is no longer than that is a keepalive: under some suite too short for a user's packet. */
  #keepaliveLength(index: number, lengths: EspLengths): number {
    const shapes = possibleShapes(lengths)
    return Math.max(this.#l2tp.floorOf(index), ...shapes.map(keepaliveUnder))
  }
}

function grown<T extends Uint8Array | Int32Array | Float64Array>(old: T, array: T): T {
  array.set(old)
  return array
}

/** The longest ESP packet that may carry less than the shortest packet of a user. */
function keepaliveUnder(shape: EspShape): number {
  return espLengthOf(shape, USER_INNER_MIN + shape.alignment - 2)
}

function stretchOf(window: TrafficWindow, verdict: TrafficVerdict) {
  const [up, down] = window.directions
  return {
    class: verdict.class,
    startUs: window.startUs,
    endUs: window.startUs + window.durationUs,
    packets: [up.packets + up.smallPackets, down.packets + down.smallPackets],
    bytes: [up.bytes + up.smallBytes, down.bytes + down.smallBytes],
    window,
    verdict,
  } as const
}

function joined(before: Stretch, next: Stretch): Stretch {
  const { window, verdict } = next.verdict.evidence.bytes > before.verdict.evidence.bytes ? next : before
  return {
    ...next,
    startUs: before.startUs,
    windows: before.windows + next.windows,
    packets: [before.packets[0] + next.packets[0], before.packets[1] + next.packets[1]],
    bytes: [before.bytes[0] + next.bytes[0], before.bytes[1] + next.bytes[1]],
    window,
    verdict,
  }
}
