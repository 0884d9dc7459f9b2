/** Lets the first few messages that say the same through in each minute, and counts the others. */

/** Texts are told apart up to so many; beyond it the oldest is forgotten, with its count told. */
const KEYS_MAX = 1024
const MINUTE_MS = 60_000

interface Allowance {
  readonly sinceMs: number
  readonly example: string
  let: number
  suppressed: number
}

/** Messages that were left out: how many, and one of them. */
export interface Suppressed {
  readonly example: string
  readonly count: number
}

export class MessageLimiter {
  readonly #perMinute: number
  readonly #ended: (suppressed: Suppressed) => void
  /** The oldest first. */
  readonly #byKey = new Map<string, Allowance>()

  /** `ended` is told what was left out when the minute of a message is over. */
  constructor(perMinute: number, ended: (suppressed: Suppressed) => void) {
    this.#perMinute = perMinute
    this.#ended = ended
  }

  /** Whether a message may go out; `nowMs` only goes forward. Numbers in it make no difference. */
  admits(message: string, nowMs: number): boolean {
    this.sweep(nowMs)
    const key = message.replace(/\d+/g, '#')
    let allowance = this.#byKey.get(key)
    if (allowance === undefined) {
      if (this.#byKey.size >= KEYS_MAX) this.#endOldest()
      allowance = { sinceMs: nowMs, example: message, let: 0, suppressed: 0 }
      this.#byKey.set(key, allowance)
    }
    if (allowance.let < this.#perMinute) {
      allowance.let++
      return true
    }
    allowance.suppressed++
    return false
  }

  /** Ends the minutes that are over. */
  sweep(nowMs: number): void {
    for (const { sinceMs } of this.#byKey.values()) {
      if (nowMs - sinceMs < MINUTE_MS) return
      this.#endOldest()
    }
  }

  /** Ends all of them. */
  end(): void {
    while (this.#byKey.size > 0) this.#endOldest()
  }

  #endOldest(): void {
    for (const [key, { example, suppressed }] of this.#byKey) {
      this.#byKey.delete(key)
      if (suppressed > 0) this.#ended({ example, count: suppressed })
      return
    }
  }
}
