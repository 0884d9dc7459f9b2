import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Nap } from '../../../src/capture/live/nap.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** Whether it is over after so many milliseconds, and not one before. */
async function lasts(nap: Promise<void>, milliseconds: number): Promise<boolean> {
  let isOver = false
  void nap.then(() => {
    isOver = true
  })
  await vi.advanceTimersByTimeAsync(milliseconds - 1)
  const isEarly = isOver
  await vi.advanceTimersByTimeAsync(1)
  return isOver && !isEarly
}

test('naps of one length and of others end in time, one after the other', async () => {
  const nap = new Nap()
  for (const milliseconds of [33, 33, 12, 33, 1, 1])
    expect(await lasts(nap.take(milliseconds), milliseconds)).toBe(true)
  expect(vi.getTimerCount()).toBe(0)
})

test('one takes the place of another that is not over', async () => {
  const nap = new Nap()
  let isFirstOver = false
  void nap.take(33).then(() => {
    isFirstOver = true
  })
  await vi.advanceTimersByTimeAsync(20)
  expect(await lasts(nap.take(33), 33)).toBe(true)
  expect(isFirstOver).toBe(false)
  expect(vi.getTimerCount()).toBe(0)
})
