import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { EventDocument } from '../../src/events/fields.ts'
import { RateMeter, SizeEstimate } from '../../src/output/meters.ts'
import { event } from './support.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

test('a size is measured for the first document of a name, and again from time to time', () => {
  const sizes = new SizeEstimate()
  const length = (document: EventDocument) => JSON.stringify(document).length
  const small = event('e1')
  const large = event('e2', { message: 'x'.repeat(1000) })
  expect(sizes.of(small)).toBe(length(small))
  expect(sizes.of(large)).toBe(length(small))
  for (let i = 0; i < 40; i++) sizes.of(large)
  expect(sizes.of(large)).toBe(length(large))
  expect(sizes.of(event('f1'))).toBe(length(event('f1')))
  expect(sizes.of({ ...event('a1'), 'network.bytes': 5n } as unknown as EventDocument)).toBeGreaterThan(100)
})

test('a rate follows what happened in the last seconds', () => {
  const rate = new RateMeter()
  expect(rate.perSecond(0)).toBe(0)
  let count = 0
  for (let second = 0; second < 60; second++) {
    vi.advanceTimersByTime(1000)
    count += 500
    rate.perSecond(count)
  }
  expect(rate.perSecond(count)).toBeCloseTo(500, -1)
  vi.advanceTimersByTime(60_000)
  expect(rate.perSecond(count)).toBeLessThan(2)
})
