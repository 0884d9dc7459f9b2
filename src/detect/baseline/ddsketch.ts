/**
 * DDSketch: quantiles of a stream of positive numbers with a bounded relative error (Masson, Rim, Lee: "DDSketch: A Fast and
 * Fully-Mergeable Quantile Sketch with Relative-Error Guarantees", VLDB 2019).
 *
 * Values are counted in bins whose bounds grow by a constant factor. Counts fade by halves, so that what was usual a long
 * time ago no longer is.
 */

/** Quantiles are right to this share of their value. */
const ERROR = 0.05
const GAMMA = (1 + ERROR) / (1 - ERROR)
const LOG_GAMMA = Math.log(GAMMA)
/** Bins from one to more than 10^13; what is larger is counted in the last. */
const BINS = 320
/** When so many values have been counted all counts are halved. */
const FADE_AT = 4096

export interface SavedSketch {
  readonly zeros: number
  /** Pairs of a bin and its count. */
  readonly bins: readonly (readonly [number, number])[]
}

export class DDSketch {
  #bins: Float32Array | null = null
  #zeros = 0
  #count = 0

  /** Values below one count as zero: what is measured here comes in whole octets, seconds and events. */
  add(value: number): void {
    if (!(value >= 1)) this.#zeros++
    else {
      this.#bins ??= new Float32Array(BINS)
      this.#bins[binOf(value)]++
    }
    this.#count++
    if (this.#count >= FADE_AT) this.#fade()
  }

  /** How many values are remembered, old ones in part. */
  get count(): number {
    return this.#count
  }

  /** An estimate of what it takes in memory. */
  get bytes(): number {
    return this.#bins?.byteLength ?? 0
  }

  /** The value below which a share `q` (0 to 1) of all lie; 0 for an empty sketch. */
  quantile(q: number): number {
    let rank = q * (this.#count - 1) - this.#zeros
    if (this.#count === 0 || rank < 0 || this.#bins === null) return 0
    let last = 0
    for (let bin = 0; bin < BINS; bin++) {
      if (this.#bins[bin] === 0) continue
      last = bin
      rank -= this.#bins[bin]
      if (rank < 0) break
    }
    return middleOf(last)
  }

  save(): SavedSketch {
    const bins: [number, number][] = []
    this.#bins?.forEach((count, bin) => {
      if (count > 0) bins.push([bin, count])
    })
    return { zeros: this.#zeros, bins }
  }

  static restore({ zeros, bins }: SavedSketch): DDSketch {
    const sketch = new DDSketch()
    sketch.#zeros = zeros
    sketch.#count = zeros
    if (bins.length > 0) sketch.#bins = new Float32Array(BINS)
    for (const [bin, count] of bins) {
      if (sketch.#bins !== null) sketch.#bins[bin] = count
      sketch.#count += count
    }
    return sketch
  }

  #fade(): void {
    this.#zeros /= 2
    if (this.#bins !== null) for (let bin = 0; bin < BINS; bin++) this.#bins[bin] /= 2
    this.#count /= 2
  }
}

function binOf(value: number): number {
  return Math.min(Math.ceil(Math.log(value) / LOG_GAMMA), BINS - 1)
}

function middleOf(bin: number): number {
  return (2 * GAMMA ** bin) / (GAMMA + 1)
}
