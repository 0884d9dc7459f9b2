import { expect, test } from 'vitest'
import { Halves } from '../../src/track/halves.ts'

test('only a lone value answers for its pair', () => {
  const halves = new Halves(10)
  expect(halves.only(1, 2)).toBe(-1)
  halves.add(1, 2, 7)
  expect(halves.only(1, 2)).toBe(7)
  expect(halves.only(2, 1)).toBe(-1)
  halves.add(1, 2, 9)
  expect(halves.only(1, 2)).toBe(-1)
  halves.remove(1, 2, 7)
  expect(halves.only(1, 2)).toBe(9)
  halves.remove(1, 2, 9)
  expect(halves.only(1, 2)).toBe(-1)
})

test('no room is said, and nothing is kept', () => {
  const halves = new Halves(1)
  expect(halves.add(1, 1, 5)).toBe(true)
  expect(halves.add(2, 2, 5)).toBe(false)
  expect(halves.only(2, 2)).toBe(-1)
})
