/** What a delivery estimates: how large documents are, and how many come to rest in a second. */
import type { EventDocument } from '../events/fields.ts'
import { asJson } from './json.ts'

/** One document of each name in so many is measured; the others are taken to be as large. */
const MEASURED_EVERY = 32
/** The rate forgets what was so long ago. */
const RATE_MS = 10_000

/** The octets of documents as JSON: those of one name resemble each other, and to write each one out would cost too much. */
export class SizeEstimate {
  readonly #sizes = new Map<string, { bytes: number; uses: number }>()

  of(document: EventDocument): number {
    const name = document['event.action']
    const known = this.#sizes.get(name)
    if (known !== undefined && ++known.uses % MEASURED_EVERY !== 0) return known.bytes
    const bytes = asJson(document).length
    if (known === undefined) this.#sizes.set(name, { bytes, uses: 0 })
    else known.bytes = bytes
    return bytes
  }
}

/** A rate over the last seconds, of a count that only grows. */
export class RateMeter {
  #atMs = Date.now()
  #count = 0
  #perSecond = 0

  perSecond(count: number): number {
    const nowMs = Date.now()
    const passedMs = nowMs - this.#atMs
    if (passedMs >= RATE_MS / 100) {
      const weight = 1 - Math.exp(-passedMs / RATE_MS)
      this.#perSecond += weight * (((count - this.#count) * 1000) / passedMs - this.#perSecond)
      this.#atMs = nowMs
      this.#count = count
    }
    return this.#perSecond
  }
}
