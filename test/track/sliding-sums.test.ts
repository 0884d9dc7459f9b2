import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SlidingSums } from '../../src/track/sliding-sums.ts'

const HOUR_US = 3_600_000_000
const MINUTE_US = 60_000_000

test('sums of one key, until the window has passed', () => {
  const sums = new SlidingSums(HOUR_US, 8)
  expect(sums.add('a', 5, 0)).toBe(5)
  expect(sums.add('a', 7, 59 * MINUTE_US)).toBe(12)
  expect(sums.add('b', 1, 60 * MINUTE_US)).toBe(1)
  expect(sums.add('a', 1, 70 * MINUTE_US)).toBe(8)
  expect(sums.add('a', 2, 500 * MINUTE_US)).toBe(2)
})

test('nothing of the last window is left out, and nothing older than a tenth more is counted', () => {
  const additions = fc.array(
    fc.record({ key: fc.constantFrom('a', 'b'), amount: fc.nat(1000), afterUs: fc.nat(40 * MINUTE_US) }),
    { minLength: 1, maxLength: 60 },
  )
  fc.assert(
    fc.property(additions, (all) => {
      const sums = new SlidingSums(HOUR_US, 8)
      const seen: { key: string; amount: number; timeUs: number }[] = []
      let timeUs = 1_700_000_000_000_000
      for (const { key, amount, afterUs } of all) {
        timeUs += afterUs
        seen.push({ key, amount, timeUs })
        const sumSince = (sinceUs: number) =>
          seen.filter((one) => one.key === key && one.timeUs >= sinceUs).reduce((sum, one) => sum + one.amount, 0)
        const sum = sums.add(key, amount, timeUs)
        expect(sum).toBeGreaterThanOrEqual(sumSince(timeUs - HOUR_US))
        expect(sum).toBeLessThanOrEqual(sumSince(timeUs - 1.1 * HOUR_US))
      }
    }),
  )
})

test('keys beyond the bound are forgotten, the one that was silent for longest first', () => {
  const sums = new SlidingSums(HOUR_US, 2)
  sums.add('a', 1, 1)
  sums.add('b', 1, 2)
  sums.add('a', 1, 3)
  sums.add('c', 1, 4)
  expect(sums.add('a', 1, 5)).toBe(3)
  expect(sums.add('b', 1, 6)).toBe(1)
})

test('what comes with an earlier time is counted, where it is not too old', () => {
  const sums = new SlidingSums(HOUR_US, 2)
  sums.add('a', 1, 10 * HOUR_US)
  expect(sums.add('a', 2, 10 * HOUR_US - 20 * MINUTE_US)).toBe(3)
  expect(sums.add('a', 4, 2 * HOUR_US)).toBe(3)
  expect(sums.add('a', 8, 10 * HOUR_US + 50 * MINUTE_US)).toBe(9)
})
