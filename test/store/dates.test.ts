import { describe, expect, test } from 'vitest'
import { isoMicroseconds } from '../../src/base/time.ts'
import { instantUs } from '../../src/store/dates.ts'
import { Random } from '../support/random.ts'

describe('the instant of a document', () => {
  test('is read back from what the sensor writes, day by day and back again', () => {
    const random = new Random(3)
    for (let i = 0; i < 5000; i++) {
      const timeUs = Math.floor((random.next() / 2 ** 32) * 2 ** 52) - (i % 7 === 0 ? 2 ** 51 : 0)
      for (const near of [timeUs, timeUs + 1, timeUs + 999_999, timeUs - 60_000_000]) {
        expect(instantUs(isoMicroseconds(near))).toBe(near)
      }
    }
  })

  test('is the same whichever day was read before', () => {
    const usual = '2026-03-01T23:59:58.123456Z'
    const texts = ['2026-03-01T24:00:00.000000Z', '2026-03-01T23:60:00.000000Z', '2026-02-30T00:00:00.000000Z', usual]
    for (let at = 0; at < usual.length; at++) {
      for (const other of ['x', '9', ':', '/', ' ', 'é']) texts.push(usual.slice(0, at) + other + usual.slice(at + 1))
    }
    for (const text of [...texts, '2026-03-01T23:59:58.1234567', '2026-03-01T23:59:58.12345678Z', '']) {
      instantUs('1999-01-01T00:00:00Z')
      const afresh = instantUs(text)
      for (const day of [text.slice(0, 10), '2026-03-01']) {
        instantUs(`${day}T00:00:00.000000Z`)
        expect({ text, us: instantUs(text) }).toEqual({ text, us: afresh })
      }
    }
    expect(instantUs(usual)).toBe(Date.UTC(2026, 2, 1, 23, 59, 58) * 1000 + 123_456)
    expect(instantUs('2026-03-01T24:00:00.000000Z')).toBe(Date.UTC(2026, 2, 2) * 1000)
    for (const text of ['2026-03-01T23:60:00.000000Z', '2026-03-01T23:59:58.12345xZ', '2026-03-01 23:59:58.123456Z']) {
      expect(instantUs(text)).toBeNull()
    }
  })
})
