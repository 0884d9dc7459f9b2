import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ARRIVAL, SequenceWindows } from '../../src/track/esp-sequence.ts'

const NAMES = Object.fromEntries(Object.entries(ARRIVAL).map(([name, code]) => [code, name]))
const WIDTH = 64

/** What becomes of the packets behind the first. */
function take(sequences: readonly number[], windows = new SequenceWindows(WIDTH)): string[] {
  const [first, ...others] = sequences
  windows.open(0, first)
  return others.map((sequence) => NAMES[windows.take(0, sequence)])
}

function outcome(sequences: readonly number[]) {
  const windows = new SequenceWindows(WIDTH)
  const arrivals = take(sequences, windows)
  return {
    arrivals,
    highest: windows.highest(0),
    lost: windows.lost(0),
    late: windows.late(0),
    repeated: windows.repeated(0),
    outside: windows.outside(0),
    forgeries: windows.forgeries(0),
    wraps: windows.wraps(0),
  }
}

describe('SequenceWindows', () => {
  test('takes numbers one after the other', () => {
    expect(outcome([1, 2, 3])).toMatchObject({ arrivals: ['NEXT', 'NEXT'], highest: 3, lost: 0 })
  })

  test('counts what is missing, and takes it back when it comes late', () => {
    expect(outcome([1, 5])).toMatchObject({ arrivals: ['GAP'], lost: 3 })
    expect(outcome([1, 5, 3, 2, 4, 6])).toMatchObject({
      arrivals: ['GAP', 'LATE', 'LATE', 'LATE', 'NEXT'],
      lost: 0,
      late: 3,
    })
  })

  test('what comes late from before the first packet was never missing', () => {
    expect(outcome([100, 103, 99, 101])).toMatchObject({ arrivals: ['GAP', 'LATE', 'LATE'], lost: 1, late: 2 })
    const windows = new SequenceWindows(WIDTH)
    take([0x7fff_fff0, 0x7fff_fff1], windows)
    for (let sequence = 0x7fff_fff2; sequence < 0x8000_0100; sequence++) windows.take(0, sequence)
    expect(NAMES[windows.take(0, 0x8000_0102)]).toBe('GAP')
    expect([NAMES[windows.take(0, 0x8000_0101)], NAMES[windows.take(0, 0x8000_0100)]]).toEqual(['LATE', 'LATE'])
    expect(windows.lost(0)).toBe(0)
  })

  test('knows a number that came before, late ones too', () => {
    expect(outcome([1, 2, 4, 3, 3, 1, 4])).toMatchObject({
      arrivals: ['NEXT', 'GAP', 'LATE', 'AGAIN', 'AGAIN', 'AGAIN'],
      repeated: 3,
      lost: 0,
    })
  })

  test('takes nothing below the window', () => {
    const stream = Array.from({ length: 100 }, (_, index) => index + 1)
    expect(outcome([...stream, 37]).arrivals.at(-1)).toBe('AGAIN')
    expect(outcome([...stream, 36])).toMatchObject({ highest: 100, outside: 1 })
    expect(outcome([...stream, 36]).arrivals.at(-1)).toBe('BELOW')
  })

  test('forgets the numbers that left the window, and keeps those in it', () => {
    const windows = new SequenceWindows(WIDTH)
    take([1, 2, 3, 50, 51], windows)
    expect(NAMES[windows.take(0, 80)]).toBe('GAP')
    expect(NAMES[windows.take(0, 50)]).toBe('AGAIN')
    expect(NAMES[windows.take(0, 49)]).toBe('LATE')
    expect(NAMES[windows.take(0, 3)]).toBe('BELOW')
    expect(windows.lost(0)).toBe(46 + 28 - 1)
  })

  test('does not believe a number far ahead before another goes on from it', () => {
    expect(outcome([1, 2, 5000, 5001, 5002])).toMatchObject({
      arrivals: ['NEXT', 'AHEAD', 'RESUMED', 'NEXT'],
      highest: 5002,
      lost: 4997,
      forgeries: 0,
    })
    expect(outcome([1, 2, 5000, 4999, 5001])).toMatchObject({
      arrivals: ['NEXT', 'AHEAD', 'RESUMED', 'NEXT'],
      lost: 4996,
    })
  })

  test('calls it forged when the stream goes on from where it was', () => {
    const { arrivals, highest, lost, forgeries } = outcome([1, 2, 5000, 3, 4])
    expect([arrivals, highest, lost, forgeries]).toEqual([['NEXT', 'AHEAD', 'FORGED', 'NEXT'], 4, 0, 1])
    const windows = new SequenceWindows(WIDTH)
    take([1, 2, 5000, 3], windows)
    expect(windows.forged(0)).toBe(5000)
  })

  test('numbers far ahead that have nothing to do with each other are all forged', () => {
    expect(outcome([1, 5000, 90_000, 700_000, 2])).toMatchObject({
      arrivals: ['AHEAD', 'FORGED', 'FORGED', 'FORGED'],
      highest: 2,
      forgeries: 3,
    })
  })

  test('the same number far ahead twice is a repetition, not a stream', () => {
    expect(outcome([1, 5000, 5000, 2]).arrivals).toEqual(['AHEAD', 'AGAIN', 'FORGED'])
  })

  test('believes a number far ahead at once when its integrity was checked', () => {
    const windows = new SequenceWindows(WIDTH)
    take([1, 5000], windows)
    windows.believe(0)
    expect([windows.highest(0), windows.lost(0)]).toEqual([5000, 4998])
    expect(NAMES[windows.take(0, 5001)]).toBe('NEXT')
    windows.believe(0)
    expect(windows.highest(0)).toBe(5001)
  })

  test('follows a stream that goes on below the window, not one that it has overtaken', () => {
    expect(outcome([9000, 9001, 1, 2, 3, 4, 5])).toMatchObject({
      arrivals: ['NEXT', 'BELOW', 'BELOW', 'BELOW', 'RESTARTED', 'NEXT'],
      highest: 5,
    })
    expect(outcome([9000, 9001, 1, 2, 3, 9002, 4, 5, 6]).arrivals).not.toContain('RESTARTED')
  })

  test('follows numbers past 2^32, and takes what comes late from before', () => {
    expect(outcome([0xfffffffd, 0xfffffffe, 1, 0xffffffff, 0, 2])).toMatchObject({
      arrivals: ['NEXT', 'WRAPPED', 'LATE', 'LATE', 'NEXT'],
      highest: 2,
      wraps: 1,
      lost: 0,
    })
    expect(outcome([0xfffffff0, 5000, 5001])).toMatchObject({ arrivals: ['AHEAD', 'RESUMED'], wraps: 1 })
  })

  test('keeps associations apart, whatever their number', () => {
    const windows = new SequenceWindows(1024)
    for (let index = 0; index < 300; index++) windows.open(index, index * 10)
    for (let index = 0; index < 300; index++) expect(NAMES[windows.take(index, index * 10 + 1)]).toBe('NEXT')
    windows.open(7, 500)
    expect([windows.highest(7), windows.lost(7), windows.repeated(7)]).toEqual([500, 0, 0])
    expect(windows.highest(8)).toBe(81)
  })

  test('any mixture of loss, delay and repetition within the window is counted as it is', () => {
    const step = fc.record({ isLost: fc.boolean(), delay: fc.nat(20), isRepeated: fc.boolean() })
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 200 }), fc.nat(0xffffffff), (steps, base) => {
        const sent = steps.flatMap(({ isLost, delay, isRepeated }, index) =>
          isLost ? [] : [{ at: index + delay, index }, ...(isRepeated ? [{ at: index + delay + 7, index }] : [])],
        )
        const order = sent.sort((a, b) => a.at - b.at).map(({ index }) => index + 1)
        const windows = new SequenceWindows(WIDTH)
        windows.open(0, base)
        for (const offset of order) windows.take(0, (base + offset) >>> 0)
        const distinct = new Set(order).size
        const reached = Math.max(0, ...order)
        expect(windows.repeated(0)).toBe(order.length - distinct)
        expect(windows.lost(0)).toBe(reached - distinct)
        expect(windows.highest(0)).toBe((base + reached) >>> 0)
        expect(windows.outside(0) + windows.forgeries(0)).toBe(0)
      }),
      { seed: 4303, numRuns: 300 },
    )
  })
})

describe('over a restart of the sensor', () => {
  test('numbers go on with their counts; what lies far above after a pause is no surprise, once', () => {
    const before = new SequenceWindows(64)
    before.open(0, 1)
    for (const sequence of [2, 3, 5, 6]) before.take(0, sequence)
    const saved = JSON.parse(JSON.stringify(before.save(0)))
    const at = (isLater: boolean) => {
      const windows = new SequenceWindows(64)
      windows.restore(3, saved, isLater)
      return windows
    }
    expect(at(false).take(3, 7)).toBe(ARRIVAL.NEXT)
    expect(at(false).take(3, 5000)).toBe(ARRIVAL.AHEAD)
    const later = at(true)
    expect([later.lost(3), later.highest(3)]).toEqual([1, 6])
    expect(later.take(3, 5000)).toBe(ARRIVAL.NEXT)
    expect(later.take(3, 5001)).toBe(ARRIVAL.NEXT)
    expect(later.lost(3)).toBe(1)
    expect(later.take(3, 90_000)).toBe(ARRIVAL.AHEAD)
    const quick = at(true)
    expect(quick.take(3, 8)).toBe(ARRIVAL.GAP)
    expect(quick.take(3, 5000)).toBe(ARRIVAL.AHEAD)
  })
})
