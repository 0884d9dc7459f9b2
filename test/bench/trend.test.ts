import { expect, test } from 'vitest'
import { Random } from '../support/random.ts'
import { isRising, trendOf } from './trend.ts'

/** Minutes of a memory that varies by 20 around 370, and grows by so much in each. */
function course(seed: number, perMinute: number): number[] {
  const random = new Random(seed)
  return Array.from({ length: 25 }, (_, minute) => 360 + random.below(21) + perMinute * minute)
}

const isGrowing = (values: readonly number[]) => isRising(trendOf(values), values.length, 3.7)

test('the slope is that of the series, whatever single values do', () => {
  const straight = Array.from({ length: 25 }, (_, i) => 100 + 2 * i)
  expect(trendOf(straight).perStep).toBe(2)
  const peaked = straight.map((value, i) => (i % 6 === 3 ? 10_000 : value))
  expect(trendOf(peaked).perStep).toBeCloseTo(2, 0)
  expect(trendOf([])).toEqual({ perStep: 0, z: 0 })
})

test('what only varies does not grow, and what grows under it is found', () => {
  const seeds = Array.from({ length: 200 }, (_, seed) => seed)
  expect(seeds.filter((seed) => isGrowing(course(seed, 0))).length).toBeLessThanOrEqual(4)
  expect(seeds.filter((seed) => isGrowing(course(seed, 1))).length).toBeGreaterThanOrEqual(190)
  expect(seeds.filter((seed) => isGrowing(course(seed, -1)))).toEqual([])
})

test('what grows by less than matters does not grow', () => {
  expect(isGrowing(Array.from({ length: 25 }, (_, i) => 370 + i / 100))).toBe(false)
})
