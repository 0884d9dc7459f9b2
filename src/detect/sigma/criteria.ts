/** What the condition of a correlation asks of a count, a sum or an average. */

export const COMPARISONS = ['gt', 'gte', 'lt', 'lte', 'eq', 'neq'] as const
export type Comparison = (typeof COMPARISONS)[number]

export interface Criterion {
  readonly comparison: Comparison
  readonly value: number
}

/** What numbers there may be. */
export interface Measure {
  readonly name: string
  readonly least: number
  readonly most: number
  readonly isWhole: boolean
}

export const COMPARE: Readonly<Record<Comparison, (measure: number, value: number) => boolean>> = {
  gt: (measure, value) => measure > value,
  gte: (measure, value) => measure >= value,
  lt: (measure, value) => measure < value,
  lte: (measure, value) => measure <= value,
  eq: (measure, value) => measure === value,
  neq: (measure, value) => measure !== value,
}

/** Whether some number fulfils all criteria: if any does, then one that is near a value, or lies between two of them. */
export function canHold(criteria: readonly Criterion[], { least, most, isWhole }: Measure): boolean {
  const values = criteria.map(({ value }) => value).sort((a, b) => a - b)
  const near = isWhole
    ? values.flatMap((value) => [-1, 0, 1, 2].map((step) => Math.floor(value) + step))
    : [values[0] - 1, ...values.flatMap((value, at) => [value, (value + (values[at + 1] ?? value + 2)) / 2])]
  return [least, ...near].some(
    (number) =>
      number >= least &&
      number <= most &&
      Number.isFinite(number) &&
      criteria.every(({ comparison, value }) => COMPARE[comparison](number, value)),
  )
}
