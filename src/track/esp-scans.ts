/** SPIs that came to nothing, counted for each source by the minute: many of them are a search for those that are in use. */
import { PairTable } from '../base/pair-table.ts'
import { SECOND_US } from '../base/time.ts'

/** A source is told at so many SPIs in a minute, and again at twice as many. */
const TOLD_FROM = 20

export class EspScans {
  readonly #sourcesMax: number
  /** (source, minute) → SPIs. */
  #counts: PairTable

  constructor(sourcesMax: number) {
    this.#sourcesMax = sourcesMax
    this.#counts = new PairTable(sourcesMax)
  }

  /** One more SPI of a source, named by a digest of its address: how many it is in that minute. When the table is full it begins anew. */
  count(source: number, timeUs: number): number {
    const minute = Math.floor(timeUs / (60 * SECOND_US)) | 0
    const spis = Math.max(this.#counts.find(source, minute), 0) + 1
    if (!this.#counts.insert(source, minute, spis)) {
      this.#counts = new PairTable(this.#sourcesMax)
      this.#counts.insert(source, minute, spis)
    }
    return spis
  }
}

/** Whether that many SPIs are to be told as a scan. */
export function isScan(spis: number): boolean {
  return spis % TOLD_FROM === 0 && isPowerOfTwo(spis / TOLD_FROM)
}

function isPowerOfTwo(number: number): boolean {
  return (number & (number - 1)) === 0
}
