import { expect, test } from 'vitest'
import { Allowances } from '../../src/track/allowances.ts'

const MINUTE_US = 60_000_000

test('the first few of a key in a minute are told, and the next one says how many were not', () => {
  const allowances = new Allowances(2, 8)
  expect([1, 2, 3, 4].map((timeUs) => allowances.take('a', timeUs, ''))).toEqual([0, 0, -1, -1])
  expect(allowances.take('b', 5, '')).toBe(0)
  expect(allowances.take('a', MINUTE_US, '')).toBe(2)
  expect(allowances.take('a', MINUTE_US + 1, '')).toBe(0)
  expect(allowances.suppressed).toBe(2)
})

test('the same at the same microsecond is told once', () => {
  const allowances = new Allowances(5, 8)
  expect(allowances.take('a', 1, 'x')).toBe(0)
  expect(allowances.take('a', 1, 'x')).toBe(-1)
  expect(allowances.take('a', 1, 'y')).toBe(1)
})

test('keys beyond the bound are forgotten, the oldest first', () => {
  const allowances = new Allowances(1, 2)
  expect(['a', 'b', 'c', 'a'].map((key) => allowances.take(key, 1, key))).toEqual([0, 0, 0, 0])
  expect(allowances.take('c', 2, '')).toBe(-1)
})
