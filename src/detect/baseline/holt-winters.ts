/**
 * A number an hour with the habits of the week: Holt-Winters with additive seasons and a band of the deviations that are usual
 * at that hour (Brutlag: "Aberrant Behavior Detection in Time Series for Network Monitoring", LISA 2000).
 */

const HOURS_OF_WEEK = 168
const ALPHA = 0.1
const BETA = 0.0035
const GAMMA = 0.1
/** The band is so many usual deviations wide on each side. */
const WIDTH = 3
/** Of the last five hours so many must lie outside. */
const OUTSIDE_MIN = 3
const OUTSIDE_OF = 5
/** The first two weeks teach the seasons. */
const TRAINING = 2 * HOURS_OF_WEEK

const NO_HOURS = new Float32Array(0)

/** An hour outside the band, for the third time in five hours. */
export interface OutsideBand {
  readonly observed: number
  readonly low: number
  readonly high: number
}

export interface SavedSeries {
  readonly level: number
  readonly trend: number
  readonly hours: number
  readonly outside: number
  readonly seasons: readonly number[]
  readonly deviations: readonly number[]
}

export class HoltWinters {
  #level = 0
  #trend = 0
  #hours = 0
  /** Bits of the last five hours: which lay outside. */
  #outside = 0
  /** Made when an hour is over: most of those who are seen once are never seen again. */
  #seasons = NO_HOURS
  #deviations = NO_HOURS

  /** Hours that were learned. */
  get hours(): number {
    return this.#hours
  }

  /** An estimate of what it takes in memory. */
  get bytes(): number {
    return this.#seasons.byteLength + this.#deviations.byteLength
  }

  /** The value of the next hour, `hour` counting from the Unix epoch. Answers when the hours lie outside the band. */
  step(hour: number, value: number, learns: boolean): OutsideBand | null {
    this.#make()
    const season = ((hour % HOURS_OF_WEEK) + HOURS_OF_WEEK) % HOURS_OF_WEEK
    const expected = this.#level + this.#trend + this.#seasons[season]
    // Counts vary by their square root even if nothing changes.
    const deviation = Math.max(this.#deviations[season], Math.sqrt(Math.max(expected, 1)))
    const isTrained = this.#hours >= TRAINING
    const isOutside = isTrained && Math.abs(value - expected) > WIDTH * deviation
    this.#outside = ((this.#outside << 1) | (isOutside ? 1 : 0)) & ((1 << OUTSIDE_OF) - 1)
    if (learns) this.#learn(season, value, expected)
    if (!isOutside || ones(this.#outside) < OUTSIDE_MIN) return null
    this.#outside = 0
    return { observed: value, low: Math.max(0, expected - WIDTH * deviation), high: expected + WIDTH * deviation }
  }

  save(): SavedSeries {
    return {
      level: this.#level,
      trend: this.#trend,
      hours: this.#hours,
      outside: this.#outside,
      seasons: Array.from({ length: HOURS_OF_WEEK }, (_, hour) => this.#seasons[hour] ?? 0),
      deviations: Array.from({ length: HOURS_OF_WEEK }, (_, hour) => this.#deviations[hour] ?? 0),
    }
  }

  static restore(saved: SavedSeries): HoltWinters {
    const series = new HoltWinters()
    series.#level = saved.level
    series.#trend = saved.trend
    series.#hours = saved.hours
    series.#outside = saved.outside
    const [seasons, deviations] = [saved.seasons.slice(0, HOURS_OF_WEEK), saved.deviations.slice(0, HOURS_OF_WEEK)]
    if (saved.hours === 0) return series
    series.#make()
    series.#seasons.set(seasons)
    series.#deviations.set(deviations)
    return series
  }

  #make(): void {
    if (this.#seasons.length > 0) return
    this.#seasons = new Float32Array(HOURS_OF_WEEK)
    this.#deviations = new Float32Array(HOURS_OF_WEEK)
  }

  #learn(season: number, value: number, expected: number): void {
    if (this.#hours < HOURS_OF_WEEK) {
      // The first week: its mean is the level, the distance from it the season.
      this.#level += (value - this.#level) / (this.#hours + 1)
      this.#seasons[season] = value
      if (this.#hours === HOURS_OF_WEEK - 1) {
        for (let i = 0; i < HOURS_OF_WEEK; i++) this.#seasons[i] -= this.#level
      }
    } else {
      const before = this.#level
      this.#level = ALPHA * (value - this.#seasons[season]) + (1 - ALPHA) * (before + this.#trend)
      this.#trend = BETA * (this.#level - before) + (1 - BETA) * this.#trend
      this.#seasons[season] = GAMMA * (value - this.#level) + (1 - GAMMA) * this.#seasons[season]
      const distance = Math.abs(value - expected)
      // The second week measures how far off the first was; from then on deviations fade.
      this.#deviations[season] =
        this.#hours < TRAINING ? distance : GAMMA * distance + (1 - GAMMA) * this.#deviations[season]
    }
    this.#hours++
  }
}

function ones(bits: number): number {
  let count = 0
  for (let rest = bits; rest !== 0; rest &= rest - 1) count++
  return count
}
