/** An interface and a clock that a test moves. */
import type { LearnedPorts, LiveCounters, LiveSource } from '../../src/capture/live.ts'
import type { Packet } from '../../src/capture/packet.ts'
import type { LiveClock } from '../../src/live-loop.ts'

const LINKTYPE_ETHERNET = 1

interface Arrival {
  readonly timeUs: number
  readonly bytes: Uint8Array
}

export class TestSource implements LiveSource {
  readonly name: string
  readonly ring: number | null
  readonly latencyMs: number
  state: 'up' | 'down' = 'up'
  counters: LiveCounters = {
    packets: 0,
    bytes: 0,
    received: 0,
    kernelDrops: 0,
    freezes: 0,
    interfaceDrops: 0,
    ownDrops: 0,
    truncated: 0,
    ringFill: 0,
    ringFillHighest: 0,
    rebinds: 0,
  }
  readonly learned: LearnedPorts[] = []
  isClosed = false
  /** At the next look there is another interface of its name. */
  isReplaced = false
  /** Runs in every `look`. */
  onLook: () => void = () => {}
  /** Runs in every `wait`, which takes as long as it was asked to. */
  onWait: () => void = () => {}
  readonly #clock: TestClock
  readonly #arrived: Arrival[] = []
  readonly #given = new Uint8Array(65_536)

  constructor(name: string, clock: TestClock, latencyMs = 25, ring: number | null = null) {
    this.name = name
    this.ring = ring
    this.#clock = clock
    this.latencyMs = latencyMs
  }

  deliver(...arrivals: readonly Arrival[]): void {
    this.#arrived.push(...arrivals)
  }

  next(packet: Packet): boolean {
    // What was given before is not to be looked at any more.
    this.#given.fill(0xee)
    const arrival = this.#arrived.shift()
    if (arrival === undefined) return false
    this.#given.set(arrival.bytes)
    this.counters = { ...this.counters, packets: this.counters.packets + 1 }
    packet.bytes = this.#given
    packet.start = 0
    packet.end = arrival.bytes.length
    packet.timeUs = arrival.timeUs
    packet.timeNs = 0
    packet.originalLength = arrival.bytes.length
    packet.linkType = LINKTYPE_ETHERNET
    packet.interfaceId = 0
    packet.number = this.counters.packets
    packet.offset = 0
    return true
  }

  async wait(timeoutMs: number): Promise<void> {
    this.#given.fill(0xee)
    this.#clock.advance(timeoutMs)
    this.onWait()
  }

  look(): boolean {
    this.onLook()
    const { isReplaced } = this
    this.isReplaced = false
    return isReplaced
  }

  count(counters: Partial<LiveCounters>): void {
    this.counters = { ...this.counters, ...counters }
  }

  learn(ports: LearnedPorts): void {
    this.learned.push({ udp: [...ports.udp], tcp: [...ports.tcp] })
  }

  close(): void {
    this.isClosed = true
  }
}

/** Stands still unless somebody waits. */
export class TestClock implements LiveClock {
  #ms = 0
  readonly #startUs: number
  /** What a look at the clock takes, in milliseconds. */
  lookMs = 0

  constructor(startUs: number) {
    this.#startUs = startUs
  }

  monotonicMs(): number {
    this.#ms += this.lookMs
    return this.#ms
  }

  wallUs(): number {
    return this.#startUs + Math.round(this.#ms * 1000)
  }

  async sleep(milliseconds: number): Promise<void> {
    this.advance(milliseconds)
  }

  advance(milliseconds: number): void {
    this.#ms += milliseconds
  }
}
