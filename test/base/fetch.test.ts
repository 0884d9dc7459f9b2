import { expect, test } from 'vitest'
import { fetchWords } from '../../src/base/fetch.ts'

test.each([0, 1, 3, 4, 5, 31, 32])('of %d places each is read once, and none behind them', (count) => {
  const words = Int32Array.from({ length: 31 }, (_, i) => 1 << i)
  const places = new Int32Array(40).fill(1_000_000)
  for (let i = 0; i < count; i++) places[i] = (i * 7) % 31
  const expected = Array.from({ length: count }, (_, i) => words[places[i]]).reduce((read, word) => read ^ word, 0)
  expect(fetchWords(words, places, count)).toBe(expected)
})
