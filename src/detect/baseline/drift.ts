/**
 * Small shifts that last: CUSUM (Page 1954) over a mean and a deviation that are learned with exponential weights. One value
 * out of the ordinary changes little; many a bit too high add up.
 */

/** Values of about this many days back weigh half. */
const WEIGHT = 0.1
/** Shifts below half a deviation are left alone. */
const SLACK = 0.5
/** The sum, in deviations, from which on it is a drift. */
const LIMIT = 5
/** Values before anything is said. */
const TRAINING = 7
/** One value counts for at most so many deviations: a single day is the business of others. */
const STEP_MAX = 3

export interface Drift {
  readonly mean: number
  readonly deviation: number
  readonly sum: number
}

export interface SavedDrift {
  readonly count: number
  readonly mean: number
  readonly variance: number
  readonly sum: number
}

export class DriftDetector {
  #count = 0
  #mean = 0
  #variance = 0
  #sum = 0

  get count(): number {
    return this.#count
  }

  /** The next value; answers when the values have been too high for long enough, and then begins anew. */
  step(value: number, learns: boolean): Drift | null {
    const deviation = Math.max(Math.sqrt(this.#variance), 0.1 * Math.abs(this.#mean), 1e-9)
    const score = (value - this.#mean) / deviation
    const isTrained = this.#count >= TRAINING
    if (isTrained) this.#sum = Math.max(0, this.#sum + Math.min(score, STEP_MAX) - SLACK)
    const drift = isTrained && this.#sum > LIMIT ? { mean: this.#mean, deviation, sum: this.#sum } : null
    if (drift !== null) this.#sum = 0
    // What adds up to a drift must not become the mean before it is found.
    if (learns && (!isTrained || this.#sum < 1)) this.#learn(value)
    return drift
  }

  save(): SavedDrift {
    return { count: this.#count, mean: this.#mean, variance: this.#variance, sum: this.#sum }
  }

  static restore(saved: SavedDrift): DriftDetector {
    const detector = new DriftDetector()
    detector.#count = saved.count
    detector.#mean = saved.mean
    detector.#variance = saved.variance
    detector.#sum = saved.sum
    return detector
  }

  #learn(value: number): void {
    const weight = Math.max(WEIGHT, 1 / (this.#count + 1))
    const distance = value - this.#mean
    this.#mean += weight * distance
    this.#variance = (1 - weight) * (this.#variance + weight * distance * distance)
    this.#count++
  }
}
