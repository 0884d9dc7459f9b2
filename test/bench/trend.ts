/** Whether a series grows, asked in a way that neither a peak nor a saw's teeth answer. */

export interface Trend {
  /** The median of all slopes between two values (Theil 1950, Sen 1968), by step of the series. */
  readonly perStep: number
  /**
   * How sure its sign is, in standard deviations of what chance alone would give (Mann 1945, Kendall 1975).
   */
  readonly z: number
}

/** One in two hundred series that only vary is taken for one that grows. */
const SURE = 2.58

export function trendOf(values: readonly number[]): Trend {
  const slopes: number[] = []
  let score = 0
  for (let i = 0; i < values.length; i++) {
    for (let j = i + 1; j < values.length; j++) {
      slopes.push((values[j] - values[i]) / (j - i))
      score += Math.sign(values[j] - values[i])
    }
  }
  if (slopes.length === 0) return { perStep: 0, z: 0 }
  const { length } = values
  const deviation = Math.sqrt((length * (length - 1) * (2 * length + 5)) / 18)
  return { perStep: medianOf(slopes), z: (score - Math.sign(score)) / deviation }
}

/** Whether a series grows over so many steps by more than `least`, and not by chance. */
export function isRising({ perStep, z }: Trend, steps: number, least: number): boolean {
  return z > SURE && perStep * steps > least
}

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
