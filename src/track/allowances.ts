/**
 * How often something may be told: the first few times in a minute for each key, and of the others how many there were. A
 * flood then costs the index some lines a second instead of two a packet.
 */
import { SECOND_US } from '../base/time.ts'
import { BoundedMap } from './bounded-map.ts'

const MINUTE_US = 60 * SECOND_US

interface Allowance {
  minute: number
  /** Of the last one that was told. */
  timeUs: number
  detail: string
  told: number
  /** Since the last one that was told. */
  suppressed: number
}

export class Allowances {
  readonly #perMinute: number
  readonly #byKey: BoundedMap<string, Allowance>
  /** All that were left out. */
  suppressed = 0

  /** `keysMax` keys are remembered; a further one ends the oldest. */
  constructor(perMinute: number, keysMax: number) {
    this.#perMinute = perMinute
    this.#byKey = new BoundedMap(keysMax)
  }

  /**
   * How many were left out since the last one that was told; -1 if this one is to be left out too. The same `detail` at the
   * same microsecond would be the same event again.
   */
  take(key: string, timeUs: number, detail: string): number {
    const allowance = this.#of(key)
    const minute = Math.floor(timeUs / MINUTE_US)
    if (allowance.minute !== minute) {
      allowance.minute = minute
      allowance.told = 0
    }
    const isRepeated = allowance.timeUs === timeUs && allowance.detail === detail
    if (isRepeated || allowance.told >= this.#perMinute) {
      this.suppressed++
      allowance.suppressed++
      return -1
    }
    allowance.told++
    allowance.timeUs = timeUs
    allowance.detail = detail
    const { suppressed } = allowance
    allowance.suppressed = 0
    return suppressed
  }

  #of(key: string): Allowance {
    const known = this.#byKey.get(key)
    if (known !== undefined) return known
    const allowance = { minute: Number.NaN, timeUs: Number.NaN, detail: '', told: 0, suppressed: 0 }
    this.#byKey.set(key, allowance)
    return allowance
  }
}
