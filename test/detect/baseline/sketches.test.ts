import { describe, expect, test } from 'vitest'
import { DAY_US, HOUR_US } from '../../../src/base/time.ts'
import { Beacon } from '../../../src/detect/baseline/beacon.ts'
import { DDSketch } from '../../../src/detect/baseline/ddsketch.ts'
import { DriftDetector } from '../../../src/detect/baseline/drift.ts'
import { HoltWinters } from '../../../src/detect/baseline/holt-winters.ts'
import { HyperLogLog } from '../../../src/detect/baseline/hyperloglog.ts'
import { Rarity } from '../../../src/detect/baseline/rarity.ts'
import { Random } from '../../support/random.ts'

/** What a model remembers goes through a file. */
function written<T>(saved: T): T {
  return JSON.parse(JSON.stringify(saved)) as T
}

describe('DDSketch', () => {
  test('gives quantiles within five per cent, from ones to billions', () => {
    const random = new Random(1)
    const sketch = new DDSketch()
    const values = Array.from({ length: 4000 }, () => Math.exp(random.below(21_000) / 1000))
    for (const value of values) sketch.add(value)
    values.sort((a, b) => a - b)
    for (const q of [0.01, 0.25, 0.5, 0.75, 0.99, 1]) {
      const exact = values[Math.floor(q * (values.length - 1))]
      expect(Math.abs(sketch.quantile(q) - exact) / exact, `quantile ${q}`).toBeLessThan(0.051)
    }
  })

  test('counts nothing, zeros and what is out of its range', () => {
    const sketch = new DDSketch()
    expect(sketch.quantile(0.5)).toBe(0)
    for (const value of [0, 0, 0.4, Number.NaN, 5]) sketch.add(value)
    expect(sketch.quantile(0.5)).toBe(0)
    expect(Math.abs(sketch.quantile(1) - 5)).toBeLessThan(0.26)
    sketch.add(1e30)
    expect(sketch.quantile(1)).toBeGreaterThan(1e8)
  })

  test('forgets slowly: what was usual once no longer is', () => {
    const sketch = new DDSketch()
    for (let i = 0; i < 4000; i++) sketch.add(10)
    for (let i = 0; i < 20_000; i++) sketch.add(1000)
    expect(sketch.count).toBeLessThan(4096)
    expect(sketch.quantile(0.05)).toBeGreaterThan(900)
  })

  test('goes on from what was written', () => {
    const sketch = new DDSketch()
    for (const value of [0, 3, 50, 50, 7000]) sketch.add(value)
    const again = DDSketch.restore(written(sketch.save()))
    for (const both of [sketch, again]) both.add(51)
    expect([0, 0.5, 1].map((q) => again.quantile(q))).toEqual([0, 0.5, 1].map((q) => sketch.quantile(q)))
  })
})

describe('HyperLogLog', () => {
  test.each([0, 1, 64])('counts %d values exactly', (count) => {
    const sketch = new HyperLogLog()
    for (let i = 0; i < count; i++) for (let twice = 0; twice < 2; twice++) sketch.add(`user ${i}`)
    expect(sketch.size).toBe(count)
  })

  test.each([65, 1000, 3000, 100_000])('estimates %d values within ten per cent', (count) => {
    const sketch = new HyperLogLog()
    for (let i = 0; i < count; i++) sketch.add(`user ${i}`)
    for (let i = 0; i < count; i += 3) sketch.add(`user ${i}`)
    expect(Math.abs(sketch.size - count) / count).toBeLessThan(0.1)
  })
})

describe('Holt-Winters', () => {
  /** Office hours: 100 an hour by day, 5 at night. */
  const usual = (hour: number) => (hour % 24 >= 8 && hour % 24 < 18 ? 100 : 5)

  function trained(): HoltWinters {
    const series = new HoltWinters()
    for (let hour = 0; hour < 500; hour++) expect(series.step(hour, usual(hour), true)).toBeNull()
    return series
  }

  test('says nothing of the habits of the week', () => {
    const series = trained()
    for (let hour = 500; hour < 1000; hour++) expect(series.step(hour, usual(hour), true)).toBeNull()
  })

  test('tells the third hour of five outside the band, with what it expected', () => {
    const series = trained()
    const night = 24 * 21 + 1
    const told = [0, 1, 2].map((hour) => series.step(night + hour, 60, false))
    expect(told.slice(0, 2)).toEqual([null, null])
    expect(told[2]?.observed).toBe(60)
    expect(told[2]?.high).toBeLessThan(20)
  })

  test('leaves one hour alone', () => {
    const series = trained()
    expect(series.step(504, 400, false)).toBeNull()
    for (let hour = 505; hour < 520; hour++) expect(series.step(hour, usual(hour), true)).toBeNull()
  })

  test('says nothing before it has seen two weeks', () => {
    const series = new HoltWinters()
    for (let hour = 0; hour < 336; hour++) expect(series.step(hour, hour % 7 === 0 ? 9000 : 1, true)).toBeNull()
  })

  test('goes on from what was written', () => {
    const series = trained()
    const again = HoltWinters.restore(written(series.save()))
    for (let hour = 500; hour < 503; hour++) {
      const [a, b] = [series, again].map((each) => each.step(hour, 500, false))
      expect(b === null).toBe(a === null)
      expect(b?.high ?? 0).toBeCloseTo(a?.high ?? 0, 2)
    }
  })
})

describe('drift', () => {
  test('finds a shift that lasts, and no single day', () => {
    const random = new Random(2)
    const drift = new DriftDetector()
    const noise = () => 10 + (random.below(100) - 50) / 100
    for (let day = 0; day < 40; day++) expect(drift.step(noise(), true)).toBeNull()
    expect(drift.step(14, true)).toBeNull()
    for (let day = 0; day < 10; day++) expect(drift.step(noise(), true)).toBeNull()
    const told = Array.from({ length: 7 }, () => drift.step(noise() + 2.5, true))
    expect(told.filter((each) => each !== null).length).toBeGreaterThan(0)
  })

  test('begins anew after it was told, and goes on from what was written', () => {
    const drift = new DriftDetector()
    for (let day = 0; day < 20; day++) drift.step(day % 2 === 0 ? 10 : 11, true)
    drift.step(14, true)
    const again = DriftDetector.restore(written(drift.save()))
    const both = [drift, again].map((each) => Array.from({ length: 9 }, () => each.step(14, false)))
    expect(both[1]).toEqual(both[0])
    expect(both[0].filter((each) => each !== null).length).toBeGreaterThan(1)
  })
})

describe('rarity', () => {
  test('takes a new value for unlikely where values hardly ever are new', () => {
    const rarity = new Rarity()
    expect(rarity.probability('anything')).toBe(1)
    for (let i = 0; i < 100; i++) rarity.add(i % 2 === 0 ? 'home' : 'office', i)
    expect(rarity.probability('elsewhere')).toBeLessThan(0.03)
    expect(rarity.probability('home')).toBe(0.5)
    expect(rarity.values).toEqual(['home', 'office'])
  })

  test('takes a new value for likely where every other one is', () => {
    const rarity = new Rarity()
    for (let i = 0; i < 400; i++) rarity.add(i % 2 === 0 ? 'home' : `hotel ${i}`, i)
    expect(rarity.probability('hotel')).toBeGreaterThan(0.4)
    expect(rarity.values.length).toBe(64)
    expect(rarity.has('home')).toBe(true)
  })

  test('forgets what has been away for half a year before what is rare', () => {
    const rarity = new Rarity()
    for (let i = 0; i < 10; i++) rarity.add('old', 0)
    for (let i = 0; i < 64; i++) rarity.add(`new ${i}`, 200 * DAY_US)
    expect(rarity.has('old')).toBe(false)
    expect(rarity.values.length).toBe(64)
  })

  test('goes on from what was written', () => {
    const rarity = new Rarity()
    for (let i = 0; i < 30; i++) rarity.add(`v${i % 4}`, i)
    const again = Rarity.restore(written(rarity.save()))
    expect(again.probability('new')).toBe(rarity.probability('new'))
    expect(again.values).toEqual(rarity.values)
    expect(again.total).toBe(30)
  })
})

describe('beacon', () => {
  const from = (starts: readonly number[], bytes: (index: number) => number): Beacon => {
    const beacon = new Beacon()
    for (const [index, start] of starts.entries()) beacon.add(start, bytes(index))
    return beacon
  }
  const clock = Array.from({ length: 144 }, (_, index) => index * 600e6)

  test('gives a clock the full score, or nearly', () => {
    expect(from(clock, () => 512).score()).toBeGreaterThan(0.95)
    expect(from(clock, () => 512).periodSeconds).toBe(600)
  })

  test('lets a little jitter pass', () => {
    const random = new Random(3)
    const starts = clock.map((start) => start + random.below(30_000_000))
    expect(from(starts, () => 500 + random.below(20)).score()).toBeGreaterThan(0.9)
  })

  test('gives people a low score', () => {
    const random = new Random(4)
    let now = 9 * HOUR_US
    const starts = Array.from({ length: 200 }, () => {
      now += random.below(10) === 0 ? random.below(3600) * 1e6 : random.below(20) * 1e6
      return now
    })
    expect(from(starts, () => Math.exp(random.below(14_000) / 1000)).score()).toBeLessThan(0.7)
  })

  test('says nothing of a few connections, or of many at one time', () => {
    expect(from(clock.slice(0, 23), () => 512).score()).toBe(0)
    expect(
      from(
        clock.map(() => 5),
        () => 512,
      ).score(),
    ).toBe(0)
  })

  test('remembers the last 256, and goes on from what was written', () => {
    const beacon = from(
      Array.from({ length: 500 }, (_, index) => index * 60e6),
      () => 100,
    )
    expect(beacon.count).toBe(256)
    expect(Beacon.restore(written(beacon.save())).score()).toBe(beacon.score())
  })
})
