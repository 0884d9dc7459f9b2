import { afterEach, expect, test, vi } from 'vitest'
import type { EventDocument } from '../../src/events/fields.ts'
import { Batcher } from '../../src/output/batch.ts'

const EVENT = { '@timestamp': '', 'event.id': '', 'event.action': '' } satisfies EventDocument

afterEach(() => {
  vi.useRealTimers()
})

function batcher(): { readonly batcher: Batcher; readonly written: number[] } {
  const written: number[] = []
  return { written, batcher: new Batcher({ write: async (batch) => void written.push(batch.length) }) }
}

test('a full batch goes at once, one that is not after a second', () => {
  vi.useFakeTimers()
  const { batcher: some, written } = batcher()
  for (let i = 0; i < 1025; i++) some.push(EVENT)
  expect(written).toEqual([1024])
  vi.advanceTimersByTime(999)
  expect(written).toEqual([1024])
  vi.advanceTimersByTime(1)
  expect(written).toEqual([1024, 1])
  vi.advanceTimersByTime(60_000)
  expect(written).toEqual([1024, 1])
})

test('flush writes the rest, and nothing if there is none', async () => {
  const { batcher: some, written } = batcher()
  await some.flush()
  some.push(EVENT)
  await some.flush()
  await some.flush()
  expect(written).toEqual([1])
})

test('the first failure of the writer comes out of drain and flush', async () => {
  const failing = new Batcher({ write: () => Promise.reject(new Error('no room')) })
  failing.push(EVENT)
  await expect(failing.flush()).rejects.toThrow('no room')
  await expect(failing.drain()).rejects.toThrow('no room')
})
