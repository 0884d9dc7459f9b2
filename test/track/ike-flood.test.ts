import { describe, expect, test } from 'vitest'
import { message, notify1 } from '../support/ike.ts'
import { CLIENT, mainMode, pairNumber, SA, SERVER, Tap } from '../support/ike-tap.ts'

function flood(tap: Tap, count: number, source: (index: number) => string, target: (index: number) => string): void {
  for (let i = 0; i < count; i++) {
    tap.nowUs += 1000
    tap.send(message({ initiator: pairNumber(i).initiator }, [[1, SA]]), source(i), target(i))
  }
}

function count(tap: Tap, name: string): number {
  return tap.names.filter((told) => told === name).length
}

const spoofed = (index: number) => `203.0.113.${index % 250}`

describe('of a flood', () => {
  test('against one gateway so many a minute are told, from beginning to end, and the others counted', () => {
    const tap = new Tap({ ikeExchangesMax: 5000, requestsPerMinute: 100 })
    flood(tap, 2000, spoofed, () => SERVER)
    tap.wait(40)
    expect(count(tap, 'started')).toBe(100)
    expect(count(tap, 'failed')).toBe(100)
    expect(tap.tracker.suppressed).toBe(1900)
    tap.wait(60)
    flood(tap, 1, spoofed, () => SERVER)
    expect(tap.last).toMatchObject({ 'borescope.suppressed': 1900 })
  })

  test('of one host against many likewise', () => {
    const tap = new Tap({ ikeExchangesMax: 5000, requestsPerMinute: 100 })
    flood(
      tap,
      2000,
      () => CLIENT,
      (index) => `198.51.100.${index % 250}`,
    )
    expect(count(tap, 'started')).toBe(100)
  })

  test('that fills the table the requests beyond are told and counted as well', () => {
    const tap = new Tap({ ikeExchangesMax: 10, requestsPerMinute: 100 })
    flood(tap, 2000, spoofed, () => SERVER)
    expect(count(tap, 'started')).toBe(100)
    expect(tap.tracker.size).toBe(10)
    expect(tap.tracker.suppressed).toBe(1900)
  })

  test('that is refused by the gateway no more is told', () => {
    const tap = new Tap({ ikeExchangesMax: 5000, requestsPerMinute: 100 })
    for (let i = 0; i < 500; i++) {
      tap.nowUs += 1000
      const pair = pairNumber(i)
      tap.up(message({ initiator: pair.initiator }, [[1, SA]]))
      tap.down(message({ ...pair, exchange: 5 }, [[11, notify1(14)]]))
    }
    expect(count(tap, 'started')).toBe(100)
    expect(count(tap, 'failed')).toBe(100)
  })

  test('an SA that is established is told whatever came before', () => {
    const tap = new Tap({ ikeExchangesMax: 5000, requestsPerMinute: 100 })
    flood(tap, 2000, spoofed, () => SERVER)
    mainMode(tap, 6, pairNumber(9999))
    expect(tap.names.at(-1)).toBe('established')
    tap.tracker.finish(tap.nowUs)
    expect(count(tap, 'closed')).toBe(1)
    // But a flood of these is one too.
    const both = new Tap({ ikeExchangesMax: 5000, requestsPerMinute: 100 })
    for (let i = 0; i < 500; i++) {
      both.nowUs += 1000
      mainMode(both, 6, pairNumber(i))
    }
    expect(count(both, 'started')).toBe(100)
    expect(count(both, 'established')).toBe(200)
  })

  test('of malformed messages the findings are bounded by their receiver', () => {
    const tap = new Tap({ requestsPerMinute: 100 })
    for (let i = 0; i < 2000; i++) {
      tap.nowUs += 1000
      tap.send(message({ length: 5000 }, []), `203.${i >> 8}.113.${i & 255}`, SERVER)
    }
    expect(count(tap, 'protocol.anomaly')).toBe(300)
    expect(tap.tracker.suppressed).toBe(1700)
  })
})
