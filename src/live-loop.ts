/**
 * Watched interfaces → sensor, until stopped: the packet loop of `watch`.
 *
 * It works in slices of a few milliseconds, so that timers, signals and deliveries have their turn. With several interfaces, or
 * several rings of one, the packets go in the order of their time stamps: a packet waits for those of quieter ones that the kernel
 * may still be holding.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { LiveCounters, LiveSource } from './capture/live.ts'
import { copyPacket, type Packet } from './capture/packet.ts'
import { SECOND_US } from './base/time.ts'
import { Frame } from './dissect/frame.ts'
import { Lookahead } from './lookahead.ts'
import type { Sensor } from './sensor.ts'

export interface LiveHooks {
  /**
   * Called about ten times a second, between packets; when nothing comes for a while, twice. `nowUs` is the time that events have
   * (packet time, moved on by the wall clock when it is quiet).
   */
  tick?(nowUs: number): void
  /** Awaited between slices of packets: there the slow side may hold the packet path back. */
  pause?(): Promise<void>
  /** In place of the end of the timeline, when all packets are taken. */
  end?(): Promise<void>
  /** The loop stops by itself after so many packets. */
  readonly packetsMax?: number
}

/** A slice ends after this, looked at every so many packets. */
const SLICE_MS = 4
const SLICE_LOOK_PACKETS = 64
const TICK_MS = 100
/** Where nothing has come for so many ticks, the next ones are so far apart: each wakes the sensor. */
const IDLE_TICKS = 20
const IDLE_TICK_MS = 500
const LOSS_MS = 10_000
/** What had come in by the time of `stop` is waited for no longer than this. */
const DRAIN_MS = 5000
/** A time stamp further ahead of the wall clock than this is of another clock, and says nothing about order. */
const STRANGE_US = SECOND_US

/** How long a held packet waits until its turn is looked at again. */
const HOLD_MS = 5

/** Milliseconds that only go forward, and microseconds since 1970. A test brings its own. */
export interface LiveClock {
  monotonicMs(): number
  wallUs(): number
  sleep(milliseconds: number): Promise<void>
}

const CLOCK: LiveClock = {
  monotonicMs: () => performance.now(),
  wallUs: () => Date.now() * 1000,
  sleep: (milliseconds) => delay(milliseconds),
}

export class LiveLoop {
  readonly #sensor: Sensor
  readonly #hooks: LiveHooks
  readonly #clock: LiveClock
  readonly #lanes: readonly Lane[]
  readonly #interfaces: readonly Interface[]
  /** What a packet may be behind those of another interface, in milliseconds. */
  readonly #horizonMs: number
  /** With several lanes, packets from before it are not waited for any more. */
  #dueUs = Number.NEGATIVE_INFINITY
  #isStopping = false
  #isEnding = false
  /** The time of the last packet, and when it was taken. */
  #lastUs = Number.NaN
  #lastMs = 0
  #isQuiet = true
  /** What fell silent, as long as not all of it has ended. */
  #ending: Generator<void> | null = null
  /** Whether the packet in the frame waits for that. */
  #isHeld = false
  #tickedMs = Number.NEGATIVE_INFINITY
  /** Ticks since the last packet. */
  #quietTicks = 0
  #lossesToldMs = 0
  #portsLearned = 0

  constructor(sensor: Sensor, sources: readonly LiveSource[], hooks: LiveHooks, clock: LiveClock = CLOCK) {
    this.#sensor = sensor
    this.#hooks = hooks
    this.#clock = clock
    const interfaces = new Map<string, Interface>()
    this.#lanes = sources.map((source) => {
      const of = interfaces.get(source.name) ?? new Interface(source.name)
      interfaces.set(source.name, of)
      const lane = new Lane(
        source,
        of,
        new Lookahead(sensor.trackers),
        sources.length === 1 ? sensor.frame : new Frame(),
      )
      of.lanes.push(lane)
      return lane
    })
    this.#interfaces = [...interfaces.values()]
    this.#horizonMs = Math.max(0, ...sources.map(({ latencyMs }) => latencyMs))
  }

  /** Until `stop`; then what has come in by then is taken, and the timeline ends. */
  async run(): Promise<void> {
    this.#lossesToldMs = this.#clock.monotonicMs()
    while (!this.#isStopping) await this.#turn()
    // How full the rings were must be known before they are emptied: a signal may come before the next tick.
    for (const one of this.#interfaces) this.#lookAt(one, this.#nowUs())
    await this.#drain()
    this.#finishHeld()
    this.#tick()
    this.#finishHeld()
    this.#tellLosses()
    if (this.#hooks.end !== undefined) await this.#hooks.end()
    else await this.#sensor.end(async () => this.#hooks.pause?.())
  }

  stop(): void {
    this.#isStopping = true
  }

  async #turn(): Promise<void> {
    const isMore = this.#slice()
    if (this.#isStopping) return
    if (this.#clock.monotonicMs() - this.#tickedMs >= TICK_MS) this.#tick()
    await this.#hooks.pause?.()
    if (isMore || this.#ending !== null) await new Promise<void>((resolve) => setImmediate(resolve))
    else await this.#wait()
  }

  /** Until any interface has packets, but not beyond the next tick; a packet that is held back has its time, too. */
  async #wait(): Promise<void> {
    const tickMs = this.#isIdle ? IDLE_TICK_MS : TICK_MS
    const untilTickMs = Math.max(1, Math.ceil(this.#tickedMs + tickMs - this.#clock.monotonicMs()))
    // Waiting would let go of the packet that is held.
    if (this.#lanes.some(({ isFull }) => isFull)) await this.#clock.sleep(Math.min(untilTickMs, HOLD_MS))
    else if (this.#lanes.length === 1) await this.#lanes[0].source.wait(untilTickMs)
    else await Promise.race(this.#lanes.map(({ source }) => source.wait(untilTickMs)))
  }

  /** An interface that is down is to be taken up again soon when it comes back. */
  get #isIdle(): boolean {
    return this.#quietTicks >= IDLE_TICKS && this.#interfaces.every(({ wasUp }) => wasUp)
  }

  /** Some packets, for as long as a slice may take. True if it ended before they did. */
  #slice(): boolean {
    const { counts } = this.#sensor
    const packetsMax = this.#hooks.packetsMax ?? Number.POSITIVE_INFINITY
    const startedMs = this.#clock.monotonicMs()
    const before = counts.packets
    let isCutShort = false
    while (!isCutShort) {
      if (!this.#end(startedMs + SLICE_MS)) isCutShort = true
      else if (!this.#take()) break
      else if (counts.packets >= packetsMax) {
        this.#isStopping = true
        this.#isEnding = true
        isCutShort = true
      } else if (counts.packets % SLICE_LOOK_PACKETS === 0) {
        isCutShort = this.#clock.monotonicMs() - startedMs >= SLICE_MS
      }
    }
    this.#isQuiet = !isCutShort && !this.#lanes.some(({ isFull }) => isFull)
    if (counts.packets > before) {
      this.#lastUs = this.#sensor.frame.timeUs
      this.#lastMs = this.#clock.monotonicMs()
      this.#quietTicks = 0
    }
    return isCutShort
  }

  /** Ends what fell silent, for as long as there is time. True if that is all of it. */
  #end(untilMs: number): boolean {
    if (this.#ending === null) return true
    while (this.#ending.next().done !== true) if (this.#clock.monotonicMs() >= untilMs) return false
    this.#ending = null
    return true
  }

  /** The next packet through the sensor; false if there is none whose turn it is. One that has to wait is taken at the next call. */
  #take(): boolean {
    if (!this.#isHeld) {
      if (!this.#fetch()) return false
      this.#ending = this.#sensor.arrive()
      this.#isHeld = this.#ending !== null
      if (this.#isHeld) return true
    }
    this.#isHeld = false
    this.#sensor.examine()
    return true
  }

  #finishHeld(): void {
    this.#end(Number.POSITIVE_INFINITY)
    if (this.#isHeld) this.#take()
  }

  /** Puts the next packet into the frame; false if there is none whose turn it is. */
  #fetch(): boolean {
    const { frame } = this.#sensor
    if (this.#lanes.length === 1) {
      const { source, ahead } = this.#lanes[0]
      if (!ahead.next(source, frame)) return false
      frame.capture = source.name
    } else {
      const lane = this.#earliest()
      if (lane === null) return false
      copyPacket(lane.packet, frame)
      frame.capture = lane.source.name
      // The rings of an interface count for themselves.
      frame.number = ++lane.of.packets
      lane.isFull = false
    }
    return true
  }

  /** The lane with the earliest packet, if no interface may still bring an earlier one. */
  #earliest(): Lane | null {
    let first: Lane | null = null
    let isAnyEmpty = false
    for (const lane of this.#lanes) {
      if (!lane.isFull) lane.isFull = lane.ahead.next(lane.source, lane.packet)
      if (!lane.isFull) isAnyEmpty = true
      else if (first === null || isBefore(lane.packet, first.packet)) first = lane
    }
    if (first === null || !isAnyEmpty || this.#isEnding) return first
    const { timeUs } = first.packet
    // What was due at the last look is due now: the clock need not be asked for every packet.
    if (timeUs < this.#dueUs) return first
    const wallUs = this.#clock.wallUs()
    this.#dueUs = wallUs - this.#horizonMs * 1000
    return timeUs < this.#dueUs || timeUs - wallUs > STRANGE_US ? first : null
  }

  /** Takes what came in before `stop`, also what the kernel has not handed over yet. */
  async #drain(): Promise<void> {
    if (this.#isEnding) return
    const deadlineMs = this.#clock.monotonicMs() + DRAIN_MS
    const stopUs = this.#clock.wallUs()
    await this.#clock.sleep(this.#horizonMs)
    this.#isEnding = true
    while (this.#slice() && this.#clock.monotonicMs() < deadlineMs && !(this.#lastUs > stopUs)) {
      await this.#hooks.pause?.()
    }
  }

  #tick(): void {
    const nowMs = this.#clock.monotonicMs()
    this.#tickedMs = nowMs
    this.#quietTicks++
    const nowUs = this.#nowUs()
    this.#ending ??= this.#sensor.advance(nowUs)
    this.#end(nowMs + SLICE_MS)
    for (const one of this.#interfaces) this.#lookAt(one, nowUs)
    this.#learnPorts()
    if (nowMs - this.#lossesToldMs >= LOSS_MS) this.#tellLosses()
    this.#hooks.tick?.(nowUs)
  }

  /** Packet time; when it is quiet, as much later as has passed since. */
  #nowUs(): number {
    if (Number.isNaN(this.#lastUs)) return this.#clock.wallUs()
    if (!this.#isQuiet) return this.#lastUs
    return this.#lastUs + Math.floor((this.#clock.monotonicMs() - this.#lastMs) * 1000)
  }

  #lookAt(one: Interface, nowUs: number): void {
    // A source that takes another interface lets go of what it gave: a packet that waits for its turn comes first.
    if (this.#isHeld || one.lanes.some(({ isFull }) => isFull)) return
    // One that vanished and came back between two looks was gone all the same.
    let isOther = false
    for (const { source } of one.lanes) if (source.look()) isOther = true
    const isUp = one.lanes.every(({ source }) => source.state === 'up')
    if (one.wasUp && (!isUp || isOther)) this.#tellInterface('sensor.interface.down', one.name, nowUs)
    if (isUp && (!one.wasUp || isOther)) this.#tellInterface('sensor.interface.up', one.name, nowUs)
    one.wasUp = isUp
  }

  #tellInterface(event: 'sensor.interface.down' | 'sensor.interface.up', name: string, timeUs: number): void {
    this.#sensor.bus.origin = null
    this.#sensor.bus.emit({
      name: event,
      timeUs,
      message: event === 'sensor.interface.down' ? `${name} is down or gone` : `${name} is up`,
      fields: { 'observer.ingress.interface.name': name },
    })
  }

  #learnPorts(): void {
    const { learnedPorts } = this.#sensor
    const count = learnedPorts.udp.length + learnedPorts.tcp.length
    if (count === this.#portsLearned) return
    this.#portsLearned = count
    for (const { source } of this.#lanes) source.learn(learnedPorts)
  }

  #tellLosses(): void {
    this.#lossesToldMs = this.#clock.monotonicMs()
    const timeUs = this.#nowUs()
    this.#sensor.bus.origin = null
    for (const lane of this.#lanes) this.#tellLoss(lane, timeUs)
  }

  #tellLoss(lane: Lane, timeUs: number): void {
    const now = lane.source.counters
    const before = lane.told
    lane.told = now
    const kernel = now.kernelDrops - before.kernelDrops
    const missed = now.interfaceDrops - before.interfaceDrops
    const own = now.ownDrops - before.ownDrops
    if (kernel + missed + own === 0) return
    const { name, ring } = lane.source
    const where = ring === null ? name : `${name}, ring ${ring},`
    this.#sensor.bus.emit({
      name: 'sensor.loss',
      timeUs,
      message: `${where} lost ${kernel + missed + own} packets: ${kernel} for want of room in the ring, ${missed} in the interface, ${own} in the sensor`,
      fields: {
        'observer.ingress.interface.name': name,
        'sensor.loss.kernel': kernel,
        'sensor.loss.interface': missed,
        'sensor.loss.own': own,
        'sensor.loss.packets': now.packets - before.packets,
        'sensor.ring.number': ring ?? undefined,
        'sensor.ring.freezes': now.freezes - before.freezes,
        'sensor.ring.fill': Number(now.ringFillHighest.toFixed(3)),
      },
    })
  }
}

class Interface {
  readonly name: string
  readonly lanes: Lane[] = []
  /** Packets that were taken, of several rings. */
  packets = 0
  /** One that is down from the beginning is told of. */
  wasUp = true

  constructor(name: string) {
    this.name = name
  }
}

class Lane {
  readonly source: LiveSource
  readonly of: Interface
  readonly ahead: Lookahead
  readonly packet: Packet
  /** Whether the packet waits for its turn. */
  isFull = false
  /** The counters at the last time that losses were told. What was lost while the sensor started counts, too. */
  told: Pick<LiveCounters, 'packets' | 'kernelDrops' | 'interfaceDrops' | 'ownDrops' | 'freezes'> = {
    packets: 0,
    kernelDrops: 0,
    interfaceDrops: 0,
    ownDrops: 0,
    freezes: 0,
  }

  constructor(source: LiveSource, of: Interface, ahead: Lookahead, packet: Packet) {
    this.source = source
    this.of = of
    this.ahead = ahead
    this.packet = packet
  }
}

function isBefore(a: Packet, b: Packet): boolean {
  return a.timeUs < b.timeUs || (a.timeUs === b.timeUs && a.timeNs < b.timeNs)
}
