/** A capture several times over, each time later by its length: the same traffic, going on. */
import type { Upcoming } from '../../src/base/upcoming.ts'
import type { Packet } from '../../src/capture/packet.ts'
import { openCapture, type Source } from '../../src/capture/sources.ts'

export class Repeated implements Source {
  readonly name: string
  readonly #path: string
  #source: Source
  #left: number
  #firstUs = Number.NaN
  #lastUs = 0
  #shiftUs = 0

  constructor(source: Source, times: number, path: string) {
    this.#path = path
    this.name = source.name
    this.#source = source
    this.#left = times - 1
  }

  async fill(): Promise<boolean> {
    if (await this.#source.fill()) return true
    if (this.#left-- === 0) return false
    await this.#source.close()
    this.#source = await openCapture(this.#path)
    this.#shiftUs += this.#lastUs - this.#firstUs + 1_000_000
    return this.#source.fill()
  }

  next(packet: Packet): boolean {
    if (!this.#source.next(packet)) return false
    if (Number.isNaN(this.#firstUs)) this.#firstUs = packet.timeUs
    if (this.#shiftUs === 0) this.#lastUs = packet.timeUs
    packet.timeUs += this.#shiftUs
    return true
  }

  preview(upcoming: Upcoming): void {
    this.#source.preview(upcoming)
  }

  get fault() {
    return this.#source.fault
  }

  get progress() {
    return this.#source.progress
  }

  get notes() {
    return this.#source.notes
  }

  close(): Promise<void> {
    return this.#source.close()
  }
}
