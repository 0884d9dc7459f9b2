import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isoMicroseconds, parseMicroseconds } from '../../src/base/time.ts'

test('a time has six digits of a second', () => {
  expect(isoMicroseconds(0)).toBe('1970-01-01T00:00:00.000000Z')
  expect(isoMicroseconds(1_234_567_890_000_001)).toBe('2009-02-13T23:31:30.000001Z')
  expect(isoMicroseconds(1_234_567_890_999_999)).toBe('2009-02-13T23:31:30.999999Z')
  expect(isoMicroseconds(1_234_567_890_500_000)).toBe('2009-02-13T23:31:30.500000Z')
})

test('before the epoch the digits still count forward', () => {
  expect(isoMicroseconds(-1)).toBe('1969-12-31T23:59:59.999999Z')
  expect(isoMicroseconds(-1_000_000)).toBe('1969-12-31T23:59:59.000000Z')
})

test('times whose seconds take turns keep their own text', () => {
  const seconds = [0, 64, -64, 1_760_000_000, 1_760_000_064, 8_000_000_000]
  for (let round = 0; round < 2; round++)
    for (const second of seconds)
      expect(isoMicroseconds(second * 1e6 + 7)).toBe(new Date(second * 1000).toISOString().replace('.000Z', '.000007Z'))
})

test('text and number order times alike, and Date reads the text', () => {
  const time = fc.integer({ min: 0, max: 4_000_000_000_000_000 })
  fc.assert(
    fc.property(time, time, (a, b) => {
      expect(isoMicroseconds(a) < isoMicroseconds(b)).toBe(a < b)
      expect(Date.parse(isoMicroseconds(a))).toBe(Math.floor(a / 1000))
    }),
  )
})

test('a time beyond what a number holds exactly is shown as the last one that it does', () => {
  const last = '2255-06-05T23:47:34.740991Z'
  for (const timeUs of [Number.MAX_SAFE_INTEGER, 1e17, 1.8446744073709552e19, 1.8e25, Number.POSITIVE_INFINITY]) {
    expect(isoMicroseconds(timeUs)).toBe(last)
  }
  const first = '1684-07-28T00:12:25.259009Z'
  for (const timeUs of [Number.MIN_SAFE_INTEGER, -1e18, Number.NEGATIVE_INFINITY])
    expect(isoMicroseconds(timeUs)).toBe(first)
})

test('what was written is read back, and nothing else as a time', () => {
  fc.assert(
    fc.property(fc.integer({ min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER }), (timeUs) => {
      expect(parseMicroseconds(isoMicroseconds(timeUs))).toBe(timeUs)
    }),
  )
  expect(parseMicroseconds('2026-03-02T10:00:01.5Z')).toBe(Date.UTC(2026, 2, 2, 10, 0, 1) * 1000 + 5)
  expect(parseMicroseconds('2026-03-02T10:00:0x.000000Z')).toBeNaN()
  expect(parseMicroseconds('2026-13-02T10:00:00.000000Z')).toBeNaN()
  expect(parseMicroseconds('')).toBeNaN()
})
