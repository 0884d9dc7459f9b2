import { describe, expect, test } from 'vitest'
import { Meter } from '../../src/track/meter.ts'

describe('a meter', () => {
  test('counts packets and bytes by role, and knows the last packet', () => {
    const meter = new Meter()
    meter.open(3, 10)
    meter.count(3, 0, 100, { timeUs: 20 })
    meter.count(3, 1, 40, { timeUs: 30 })
    meter.count(3, 1, 50, { timeUs: 40 })
    expect([meter.packets(3, 0), meter.bytes(3, 0)]).toEqual([1, 100])
    expect([meter.packets(3, 1), meter.bytes(3, 1)]).toEqual([2, 90])
    expect(meter.lastUs(3)).toBe(40)
  })

  test('takes in what came before, whose last packet may be the last of all', () => {
    const meter = new Meter()
    meter.open(0, 10)
    meter.add(0, 1, 5, 700, 60)
    expect([meter.packets(0, 1), meter.bytes(0, 1), meter.lastUs(0)]).toEqual([5, 700, 60])
    meter.add(0, 0, 2, 30, 50)
    expect(meter.lastUs(0)).toBe(60)
    meter.add(0, 0, 1, 10)
    expect([meter.packets(0, 0), meter.bytes(0, 0), meter.lastUs(0)]).toEqual([3, 40, 60])
  })

  test('gives a thing another pass when a mark changes, or when asked to, and never that of another thing', () => {
    const meter = new Meter()
    const passes = new Set<number>()
    const note = () => passes.add(meter.pass(0))
    meter.open(0, 10)
    meter.open(1, 10)
    note()
    meter.setMark(0, 0, 7)
    note()
    meter.renewPass(0)
    note()
    meter.open(0, 20)
    note()
    expect(passes.size).toBe(4)
    expect(passes).not.toContain(meter.pass(1))
    const before = meter.pass(0)
    meter.setMark(0, 1, 0)
    meter.count(0, 0, 100, { timeUs: 30 })
    expect(meter.pass(0)).toBe(before)
  })

  test('keeps the rows of things beyond its first size', () => {
    const meter = new Meter()
    for (let index = 0; index < 3000; index++) {
      meter.open(index, index)
      meter.count(index, 0, index, { timeUs: index + 1 })
      meter.setMark(index, 1, index * 2)
    }
    meter.discount(2999, 0, 999)
    expect([meter.packets(2999, 0), meter.bytes(2999, 0)]).toEqual([0, 2000])
    expect([meter.bytes(17, 0), meter.lastUs(17), meter.mark(17, 1)]).toEqual([17, 18, 34])
  })
})
