/**
 * How much a pair of hosts behaves like a program that calls home: the score of RITA (Active Countermeasures, version 5), from
 * four parts of equal weight: evenness of the gaps, evenness of the sizes, spread over the day, and duration.
 */
import { HOUR_US } from '../../base/time.ts'

/** Starts remembered: the last ones. */
const STARTS_MAX = 256
/** Starts without which there is no score. */
export const STARTS_MIN = 24
const DAY_HOURS = 24
/** What a start takes in memory: two numbers, and room to grow. */
const START_BYTES = 24
/** Hours with starts from which on duration counts. */
const DURATION_HOURS_MIN = 6
/** Share of the highest bin that tells two heights of bins apart. */
const BIMODAL_SHARE = 0.05
const BIMODAL_HOURS_MIN = 11

export interface SavedBeacon {
  readonly starts: readonly number[]
  readonly sizes: readonly number[]
}

export class Beacon {
  #starts: number[] = []
  #sizes: number[] = []

  get count(): number {
    return this.#starts.length
  }

  /** An estimate of what it takes in memory. */
  get bytes(): number {
    return this.#starts.length * START_BYTES
  }

  add(startUs: number, bytes: number): void {
    this.#starts.push(startUs)
    this.#sizes.push(bytes)
    if (this.#starts.length <= STARTS_MAX) return
    this.#starts.shift()
    this.#sizes.shift()
  }

  /** The median gap in seconds. */
  get periodSeconds(): number {
    return quantile(this.#gaps(), 0.5) / 1e6
  }

  /** From 0 to 1; 0 if there is too little to say. */
  score(): number {
    if (this.#starts.length < STARTS_MIN) return 0
    const gaps = this.#gaps()
    if (gaps.length < 3) return 0
    // Gaps are rounded to seconds: jitter below one is the network's.
    const even = evenness(
      gaps.map((gap) => Math.round(gap / 1e6)),
      1,
    )
    const parts = [even, evenness(this.#sizes, 0), this.#spread(), this.#duration()]
    return Math.round(parts.reduce((sum, part) => sum + part, 0) * 250) / 1000
  }

  save(): SavedBeacon {
    return { starts: this.#starts, sizes: this.#sizes }
  }

  static restore({ starts, sizes }: SavedBeacon): Beacon {
    const beacon = new Beacon()
    beacon.#starts = starts.slice(-STARTS_MAX)
    beacon.#sizes = sizes.slice(-STARTS_MAX)
    return beacon
  }

  /** Between starts that differ. */
  #gaps(): number[] {
    const sorted = [...this.#starts].sort((a, b) => a - b)
    return sorted.slice(1).flatMap((start, i) => (start > sorted[i] ? [start - sorted[i]] : []))
  }

  /** Starts by hour over the time in which there were any, a day at most. */
  #bins(): number[] {
    const last = Math.floor(Math.max(...this.#starts) / HOUR_US)
    const first = Math.max(Math.floor(Math.min(...this.#starts) / HOUR_US), last - DAY_HOURS + 1)
    const bins = new Array<number>(last - first + 1).fill(0)
    for (const start of this.#starts) {
      const hour = Math.floor(start / HOUR_US)
      if (hour >= first) bins[hour - first]++
    }
    return bins
  }

  #spread(): number {
    // The last hour is not over: it has less than the others for that reason alone.
    const all = this.#bins()
    const bins = all.length > 1 ? all.slice(0, -1) : all
    const mean = bins.reduce((sum, bin) => sum + bin, 0) / bins.length
    const variance = bins.reduce((sum, bin) => sum + (bin - mean) ** 2, 0) / bins.length
    return Math.max(Math.max(0, 1 - Math.sqrt(variance) / mean), bimodality(bins))
  }

  #duration(): number {
    const bins = this.#bins()
    const used = bins.filter((bin) => bin > 0).length
    if (used < DURATION_HOURS_MIN) return 0
    let run = 0
    let longest = 0
    for (const bin of bins) {
      run = bin > 0 ? run + 1 : 0
      longest = Math.max(longest, run)
    }
    return Math.min(1, Math.max(bins.length / DAY_HOURS, longest / 12))
  }
}

/** Half from the symmetry of the values (Bowley's skewness), half from how close they lie to their median. */
function evenness(values: readonly number[], fallback: number): number {
  const [low, median, high] = [0.25, 0.5, 0.75].map((q) => quantile(values, q))
  const isFlat = high - low < 10 || median === low || median === high
  const skew = isFlat ? 0 : (low + high - 2 * median) / (high - low)
  const spread = quantile(
    values.map((value) => Math.abs(value - median)),
    0.5,
  )
  const closeness = median >= 1 ? Math.max(0, (median - spread) / median) : fallback
  return (1 - Math.abs(skew) + closeness) / 2
}

/** Whether the hours have one or two heights, one hour left out. */
function bimodality(bins: readonly number[]): number {
  const used = bins.filter((bin) => bin > 0)
  if (used.length < BIMODAL_HOURS_MIN) return 0
  const width = Math.max(1, Math.ceil(Math.max(...used) * BIMODAL_SHARE))
  const heights = new Map<number, number>()
  for (const bin of used) {
    const height = Math.floor(bin / width)
    heights.set(height, (heights.get(height) ?? 0) + 1)
  }
  const [most = 0, second = 0] = [...heights.values()].sort((a, b) => b - a)
  return Math.min(1, (most + second) / (used.length - 1))
}

function quantile(values: readonly number[], q: number): number {
  if (values.length === 0) return 0
  const sorted = [...values].sort((a, b) => a - b)
  const at = q * (sorted.length - 1)
  const low = Math.floor(at)
  return sorted[low] + (at - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low])
}
