/**
 * How often something may be told: the first few times in a minute for each key, and of the others how many there were. A
 * flood then costs the index some lines a second instead of two a packet.
 */
import { SECOND_US } from '../base/time.ts'
import { BoundedMap } from './bounded-map.ts'
import { checkFields, isCount, isNumber, isText } from './saved-fields.ts'

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

/** With its key. */
export type SavedAllowance = Readonly<Allowance> & { readonly key: string }

const SAVED = { key: isText, minute: isNumber, timeUs: isNumber, detail: isText, told: isCount, suppressed: isCount }

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

  /** What still bounds something in the minute of `nowUs`, or has a count to tell; the oldest first. */
  *save(nowUs: number): Generator<SavedAllowance> {
    const minute = Math.floor(nowUs / MINUTE_US)
    for (const [key, allowance] of this.#byKey.entries())
      if (allowance.minute >= minute || allowance.suppressed > 0) yield { key, ...allowance }
  }

  /** Throws SavedFault. */
  restore(saved: unknown): void {
    checkFields(saved, SAVED, Object.keys(SAVED))
    const { key, ...allowance } = saved as SavedAllowance
    this.#byKey.set(key, allowance)
  }

  #of(key: string): Allowance {
    const known = this.#byKey.get(key)
    if (known !== undefined) return known
    const allowance = { minute: Number.NaN, timeUs: Number.NaN, detail: '', told: 0, suppressed: 0 }
    this.#byKey.set(key, allowance)
    return allowance
  }
}
