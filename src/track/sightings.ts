/** Packets of things that nobody saw begin. After a few of them it is believed that the thing is there. */
import { BoundedMap } from './bounded-map.ts'

/** Things of which packets are being counted. */
const THINGS_MAX = 4096

export class Sightings {
  readonly #enough: number
  readonly #counts = new BoundedMap<string, number>(THINGS_MAX)

  /** `enough` packets are believed. */
  constructor(enough: number) {
    this.#enough = enough
  }

  /** A packet of the thing named by `key`: true if it is believed now, and counted no more. */
  observe(key: string): boolean {
    const count = (this.#counts.take(key) ?? 0) + 1
    if (count >= this.#enough) return true
    this.#counts.set(key, count)
    return false
  }
}
