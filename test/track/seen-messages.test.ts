import { expect, test } from 'vitest'
import { SeenMessages } from '../../src/track/seen-messages.ts'

test('each channel remembers its own last messages', () => {
  const seen = new SeenMessages()
  for (let channel = 0; channel < 1000; channel++) seen.open(channel)
  for (let channel = 0; channel < 1000; channel++)
    for (let ns = 65_500 + (channel % 7); ns < 65_560; ns++) seen.remember(channel, ns & 0xffff, channel * ns)
  expect(seen.digestOf(999, 23)).toBe(999 * 65_559)
  expect(seen.digestOf(998, 23)).toBe(998 * 65_559)
  expect(seen.digestOf(999, 65_520)).toBeUndefined()
  expect(seen.list(5).length).toBe(32)
})

test('a channel that begins anew remembers nothing', () => {
  const seen = new SeenMessages()
  seen.open(0)
  seen.open(1)
  expect(seen.digestOf(0, 0)).toBeUndefined()
  seen.remember(0, 31, -5)
  seen.remember(1, 0, 7)
  expect(seen.list(0)).toEqual([[31, -5]])
  seen.open(0)
  expect(seen.list(0)).toEqual([])
  expect(seen.list(1)).toEqual([[0, 7]])
})
