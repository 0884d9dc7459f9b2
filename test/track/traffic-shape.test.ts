import { describe, expect, test } from 'vitest'
import { type Direction, LENGTH_EDGES, TrafficMeter } from '../../src/track/traffic-shape.ts'
import { Random } from '../support/random.ts'

const SECOND_US = 1_000_000
const WINDOW_US = 10 * SECOND_US
const START_US = 1_700_000_000 * SECOND_US

/** One pair, whose packets are named by their time in milliseconds. */
class Pair {
  readonly meter = new TrafficMeter(WINDOW_US)
  nowUs = START_US

  constructor() {
    this.meter.open(0, { timeUs: START_US })
  }

  at(ms: number, direction: Direction, length: number): this {
    this.nowUs = START_US + ms * 1000
    this.meter.count(0, direction, length, { timeUs: this.nowUs })
    return this
  }

  /** A packet of that length every `periodMs`, with so much jitter. */
  every(periodMs: number, untilMs: number, direction: Direction, length: number, jitterMs = 0, fromMs = 0): this {
    const random = new Random(3)
    for (let ms = fromMs; ms < untilMs; ms += periodMs) this.at(ms + random.below(jitterMs + 1), direction, length)
    return this
  }

  get window() {
    return this.meter.window(0, this.nowUs)
  }

  next(ms: number): number {
    return this.meter.next(0, { timeUs: START_US + ms * 1000 })
  }
}

test('packets and octets are counted by direction and by class of length', () => {
  const { window } = new Pair().at(0, 0, 96).at(1, 0, 97).at(2, 0, 1484).at(3, 1, 1025)
  const [up, down] = window.directions
  expect(up).toMatchObject({ packets: 3, bytes: 1677, lengthMin: 96, lengthMax: 1484, lengthMean: 559 })
  expect(up.lengths).toEqual([1, 1, 0, 0, 0, 0, 0, 1])
  expect(down).toMatchObject({ packets: 1, bytes: 1025, lengthMin: 1025, lengthMax: 1025, lengthDeviation: 0 })
  expect(up.lengths).toHaveLength(LENGTH_EDGES.length + 1)
})

test('gaps are counted within a direction, by powers of two of a millisecond', () => {
  const { window } = new Pair().at(0, 0, 100).at(0.5, 0, 100).at(1, 1, 100).at(20.5, 0, 100).at(2020.5, 0, 100)
  const [up, down] = window.directions
  expect(up.gaps[0]).toBe(1)
  expect(up.gaps[5]).toBe(1)
  expect(up.gaps[11]).toBe(1)
  expect(up.gaps.reduce((a, b) => a + b)).toBe(3)
  expect(up.gapMeanUs).toBeCloseTo(2_020_500 / 3)
  expect(down.gaps.reduce((a, b) => a + b)).toBe(0)
})

test('bursts are parted by a second of silence, whoever speaks', () => {
  const pair = new Pair().at(0, 0, 200).at(500, 1, 300).at(900, 0, 200)
  pair.at(1900, 1, 1000).at(1950, 1, 1000).at(5000, 0, 100)
  expect(pair.window).toMatchObject({ bursts: 3, burstBytesMax: 2000 })
})

test('turns are the changes of direction', () => {
  const pair = new Pair().at(0, 0, 100).at(1, 0, 100).at(2, 1, 100).at(3, 0, 100)
  expect(pair.window.turns).toBe(2)
})

test('the activity of a window is in how many of its 32 slots there was a packet', () => {
  expect(new Pair().every(20, 9990, 0, 200).window.directions[0].activeSlots).toBe(32)
  expect(new Pair().every(20, 300, 0, 200).window.directions[0].activeSlots).toBe(1)
  expect(new Pair().at(0, 0, 100).at(9999, 0, 100).window.directions[0].activeSlots).toBe(2)
})

describe('windows', () => {
  test('one is due when its time is over, from the first packet on', () => {
    const { meter } = new Pair()
    expect(meter.isDue(0, { timeUs: START_US + WINDOW_US - 1 })).toBe(false)
    expect(meter.isDue(0, { timeUs: START_US + WINDOW_US })).toBe(true)
  })

  test('the next begins empty, on the grid of the first, after those without a packet', () => {
    const pair = new Pair().at(0, 0, 100).at(1, 1, 1400)
    expect(pair.next(45_000)).toBe(3)
    expect(pair.window).toMatchObject({ startUs: START_US + 40 * SECOND_US, turns: 0, bursts: 0, burstBytesMax: 0 })
    for (const direction of pair.window.directions)
      expect(direction).toMatchObject({ packets: 0, bytes: 0, lengthMin: 0, lengthMax: 0, activeSlots: 0 })
    expect(pair.meter.emptyWindow(0, 3)).toMatchObject({
      startUs: START_US + 10 * SECOND_US,
      durationUs: 30 * SECOND_US,
    })
  })

  test('time that goes back leaves the window as it is', () => {
    const pair = new Pair().at(20, 0, 100).at(5, 0, 100)
    expect(pair.meter.isDue(0, { timeUs: START_US - SECOND_US })).toBe(false)
    expect(pair.window.directions[0]).toMatchObject({ packets: 2, gapMeanUs: 0 })
  })

  test('a row that is used again forgets what it counted', () => {
    const pair = new Pair().every(1000, 9000, 0, 72)
    pair.meter.open(0, { timeUs: START_US })
    expect(pair.window).toMatchObject({ turns: 0, cadences: [], floor: 0 })
    expect(pair.window.directions[0].packets).toBe(0)
  })
})

describe('what comes at a steady pace', () => {
  test('is found at a second and at a minute, with the jitter of timers', () => {
    const [second] = new Pair().every(1000, 10_000, 0, 152, 20).window.cadences
    expect(second).toMatchObject({ direction: 0, length: 152, packets: 8 })
    expect(second.periodUs).toBeGreaterThan(960_000)
    expect(second.periodUs).toBeLessThan(1_040_000)
    expect(new Pair().every(60_000, 600_000, 1, 72, 400).window.cadences).toHaveLength(1)
  })

  test('is found when both ends ask at the same pace with packets of the same length', () => {
    const pair = new Pair()
    for (let ms = 0; ms < 100_000; ms += 10_000) pair.at(ms, 0, 72).at(ms + 3400, 0, 72)
    const [cadence] = pair.window.cadences
    expect(cadence).toMatchObject({ direction: 0, length: 72 })
    expect(cadence.packets).toBeGreaterThanOrEqual(15)
  })

  test('goes on through other packets of the same length, and through one that is missing', () => {
    const pair = new Pair().every(10_000, 60_000, 0, 72).at(63_000, 0, 72)
    pair.every(10_000, 90_000, 0, 72, 0, 70_000).every(10_000, 140_000, 0, 72, 0, 100_000)
    const [cadence] = pair.window.cadences
    expect(cadence.periodUs).toBe(10_000_000)
    expect(cadence.packets).toBeGreaterThanOrEqual(10)
  })

  test('is not found in packets of a stream, nor in keys that someone presses', () => {
    expect(new Pair().every(20, 10_000, 0, 264).window.cadences).toEqual([])
    const random = new Random(5)
    const typing = new Pair()
    for (let ms = 0; ms < 60_000; ms += 80 + random.below(900)) typing.at(ms, 0, 152)
    expect(typing.window.cadences).toEqual([])
  })

  test('is forgotten when it stops', () => {
    const pair = new Pair().every(1000, 8000, 0, 152)
    expect(pair.meter.isAwaiting(0, 72, pair.nowUs + 1_200_000)).toBe(true)
    expect(pair.meter.isAwaiting(0, 72, pair.nowUs + 2_000_000)).toBe(false)
    expect(pair.meter.isAwaiting(0, 152, pair.nowUs + 1_200_000)).toBe(false)
    for (const length of [156, 160, 164, 168]) pair.at(30_000 + length, 0, length)
    expect(pair.window.cadences).toEqual([])
  })

  test('keeps its place while packets of other lengths come and go', () => {
    const pair = new Pair().every(10_000, 60_000, 0, 72)
    const random = new Random(9)
    for (let ms = 60_001; ms < 69_000; ms += 50) pair.at(ms, 0, 100 + 4 * random.below(60))
    pair.at(70_000, 0, 72)
    expect(pair.window.cadences.map(({ length }) => length)).toContain(72)
  })

  test('bursts of several packets have a beat as well', () => {
    const pair = new Pair()
    for (let ms = 0; ms < 100_000; ms += 15_000)
      for (let packet = 0; packet < 6; packet++) pair.at(ms + packet * 30, (packet % 2) as Direction, 120 + packet * 60)
    expect(pair.window.beatUs).toBe(15_000_000)
  })
})

describe('packets below the floor', () => {
  test('are counted apart, and leave no trace in lengths, gaps and bursts', () => {
    const pair = new Pair()
    pair.meter.setFloor(0, 76)
    pair.at(0, 1, 76).at(1, 0, 60).at(2000, 0, 80)
    const [up, down] = pair.window.directions
    expect(up).toMatchObject({ packets: 1, bytes: 80, smallPackets: 1, smallBytes: 60 })
    expect(down).toMatchObject({ packets: 0, bytes: 0, smallPackets: 1, smallBytes: 76 })
    expect(pair.window).toMatchObject({ bursts: 1, turns: 0, floor: 76 })
  })
})

test('any packets at any time leave a window that adds up', () => {
  const random = new Random(13)
  const meter = new TrafficMeter(WINDOW_US)
  for (let index = 0; index < 40; index++) {
    meter.open(index, { timeUs: START_US })
    const counted = [0, 0]
    let timeUs = START_US
    for (let packet = 0; packet < 500; packet++) {
      timeUs += random.below(20_000) - 500
      const direction = random.below(2) as Direction
      counted[direction]++
      meter.count(index, direction, 1 + random.below(3000), { timeUs })
    }
    const { directions } = meter.window(index, timeUs)
    for (const [at, direction] of directions.entries()) {
      const { packets, lengths, gaps, activeSlots } = direction
      expect(packets).toBe(counted[at])
      expect(lengths.reduce((a, b) => a + b)).toBe(packets)
      expect(gaps.reduce((a, b) => a + b)).toBeLessThan(packets)
      expect(activeSlots).toBeLessThanOrEqual(32)
    }
  }
})
