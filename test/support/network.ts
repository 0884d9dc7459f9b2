/**
 * A network with a bystander's tap in its middle: loses, repeats, delays, reorders and replays packets.
 */
import { Agenda } from './agenda.ts'
import type { Random } from './random.ts'
import type { Settings, Traffic } from './scenario.ts'

export interface Packet {
  readonly timeUs: number
  /** The whole Ethernet frame. */
  readonly bytes: Uint8Array
}

export type Count = readonly [traffic: Traffic, innerBytes: number]

export class Network {
  readonly packets: Packet[] = []
  readonly fate = { sent: 0, lost: 0, duplicated: 0, reordered: 0, replayed: 0, missedByTap: 0 }
  readonly settings: Settings
  readonly random: Random
  nowUs: number
  readonly #agenda = new Agenda<() => void>()

  constructor(settings: Settings, random: Random) {
    this.settings = settings
    this.random = random
    this.nowUs = settings.startUs
  }

  after(delayUs: number, action: () => void): void {
    this.#agenda.push(this.nowUs + Math.round(delayUs), action)
  }

  run(): void {
    while (this.#agenda.size > 0) {
      this.nowUs = this.#agenda.due
      this.#agenda.pop()()
    }
  }

  /** `counts` are raised whenever the tap sees the frame; `deliver` is called whenever it arrives. */
  send(frame: Uint8Array, counts: readonly Count[], deliver: () => void): void {
    const { random, settings } = this
    this.fate.sent++
    if (random.chance(settings.duplicate)) {
      this.fate.duplicated++
      this.#copy(this.#travelUs(), frame, counts, deliver)
    }
    if (random.chance(settings.replay)) {
      this.fate.replayed++
      this.#copy(1_000_000 + random.below(20_000_000), frame, counts, deliver)
    }
    let travelUs = this.#travelUs()
    if (random.chance(settings.reorder)) {
      this.fate.reordered++
      travelUs += settings.delayUs * (1 + random.below(4))
    }
    this.#copy(travelUs, frame, counts, deliver)
  }

  /** Half of the way, to the tap. */
  #travelUs(): number {
    const { delayUs } = this.settings
    return 0.4 * delayUs + this.random.below(0.2 * delayUs)
  }

  #copy(travelUs: number, frame: Uint8Array, counts: readonly Count[], deliver: () => void): void {
    const { random, settings } = this
    const isLost = random.chance(settings.loss)
    if (isLost) this.fate.lost++
    if (isLost && random.chance(0.5)) return
    this.after(travelUs, () => {
      if (!isLost && random.chance(settings.tapLoss)) this.fate.missedByTap++
      else this.#tap(frame, counts)
      if (!isLost) this.after(this.#travelUs(), deliver)
    })
  }

  #tap(frame: Uint8Array, counts: readonly Count[]): void {
    this.packets.push({ timeUs: this.nowUs, bytes: frame })
    for (const [traffic, innerBytes] of counts) {
      traffic.packets++
      traffic.frameBytes += frame.length
      traffic.innerBytes += innerBytes
    }
  }
}
