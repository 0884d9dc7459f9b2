/**
 * Values that something usually has, and how likely another one is. The chance of a value never seen is estimated by how often
 * that happened before: who comes from a new network every day may do so tomorrow.
 */
import { DAY_US } from '../../base/time.ts'

/** Values kept; of more the rarest is forgotten. */
const VALUES_MAX = 64
/** How much the last value changes what is thought of the chance of a new one, once there are enough of them. */
const NOVELTY_WEIGHT = 0.02
/** A value that was not seen for so long is forgotten. */
const FORGET_US = 180 * DAY_US
/** What a value takes in memory beside its characters. */
const VALUE_BYTES = 170

interface Seen {
  count: number
  lastUs: number
}

export interface SavedRarity {
  readonly total: number
  readonly novelty: number
  /** Value, how often, and when last. */
  readonly values: readonly (readonly [string, number, number])[]
}

export class Rarity {
  readonly #values = new Map<string, Seen>()
  #total = 0
  /** The chance that the next value is new, as far as the last ones show. */
  #novelty = 1
  #bytes = 0

  /** An estimate of what the values take in memory. */
  get bytes(): number {
    return this.#bytes
  }

  get total(): number {
    return this.#total
  }

  /** The values, most frequent first. */
  get values(): readonly string[] {
    return [...this.#values].sort(([, a], [, b]) => b.count - a.count).map(([value]) => value)
  }

  /** The probability, from 0 to 1, that a value like this one comes next. */
  probability(value: string): number {
    const seen = this.#values.get(value)
    if (this.#total === 0) return 1
    return seen === undefined ? Math.max(this.#novelty, 0.5 / this.#total) : seen.count / this.#total
  }

  has(value: string): boolean {
    return this.#values.has(value)
  }

  add(value: string, timeUs: number): void {
    const seen = this.#values.get(value)
    this.#total++
    const weight = Math.max(NOVELTY_WEIGHT, 1 / this.#total)
    this.#novelty += weight * ((seen === undefined ? 1 : 0) - this.#novelty)
    if (seen !== undefined) {
      seen.count++
      seen.lastUs = timeUs
      return
    }
    if (this.#values.size >= VALUES_MAX) this.#forget(timeUs)
    this.#keep(value, { count: 1, lastUs: timeUs })
  }

  save(): SavedRarity {
    const values = [...this.#values].map(([value, { count, lastUs }]) => [value, count, lastUs] as const)
    return { total: this.#total, novelty: this.#novelty, values }
  }

  static restore({ total, novelty, values }: SavedRarity): Rarity {
    const rarity = new Rarity()
    rarity.#total = total
    rarity.#novelty = novelty
    for (const [value, count, lastUs] of values.slice(0, VALUES_MAX)) rarity.#keep(value, { count, lastUs })
    return rarity
  }

  /** Lets go of what is old, or else of the rarest and among those of the oldest. */
  #forget(nowUs: number): void {
    let victim: [string, Seen] | null = null
    for (const [value, seen] of this.#values) {
      if (nowUs - seen.lastUs > FORGET_US) {
        this.#drop(value)
        continue
      }
      const isRarer = victim === null || seen.count < victim[1].count
      const isOlder = victim !== null && seen.count === victim[1].count && seen.lastUs < victim[1].lastUs
      if (isRarer || isOlder) victim = [value, seen]
    }
    if (this.#values.size >= VALUES_MAX && victim !== null) this.#drop(victim[0])
  }

  #keep(value: string, seen: Seen): void {
    this.#values.set(value, seen)
    this.#bytes += VALUE_BYTES + value.length
  }

  #drop(value: string): void {
    this.#values.delete(value)
    this.#bytes -= VALUE_BYTES + value.length
  }
}
