import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Timers } from '../../src/base/timers.ts'

const SECOND = 1_000_000
const START = 1_700_000_000 * SECOND

function advance(timers: Timers, nowUs: number, expire: (index: number) => void): void {
  for (const _ of timers.advance(nowUs, expire));
}

function expiredAt(timers: Timers, nowUs: number): number[] {
  const expired: number[] = []
  advance(timers, nowUs, (index) => expired.push(index))
  return expired
}

describe('a deadline', () => {
  test('comes when its second has passed, once', () => {
    const timers = new Timers()
    expiredAt(timers, START)
    timers.schedule(3, START + 2.5 * SECOND)
    expect(expiredAt(timers, START + 2.9 * SECOND)).toEqual([])
    expect(expiredAt(timers, START + 3 * SECOND)).toEqual([3])
    expect(expiredAt(timers, START + 9 * SECOND)).toEqual([])
  })

  test('moves when it is scheduled again, and is gone when it is cancelled', () => {
    const timers = new Timers()
    expiredAt(timers, START)
    timers.schedule(1, START + SECOND)
    timers.schedule(1, START + 5 * SECOND)
    timers.schedule(2, START + SECOND)
    timers.cancel(2)
    timers.cancel(2)
    timers.cancel(1_000_000)
    expect(expiredAt(timers, START + 4 * SECOND)).toEqual([])
    expect(expiredAt(timers, START + 6 * SECOND)).toEqual([1])
  })

  test('that lies far ahead comes only after the wheel has turned often enough', () => {
    const timers = new Timers()
    expiredAt(timers, START)
    timers.schedule(0, START + 10_000 * SECOND)
    for (let second = 1; second <= 10_000; second++) expect(expiredAt(timers, START + second * SECOND)).toEqual([])
    expect(expiredAt(timers, START + 10_001 * SECOND)).toEqual([0])
  })

  test('set before the clock is known comes at the first advance that is later', () => {
    const timers = new Timers()
    timers.schedule(0, START)
    expect(expiredAt(timers, START + 5 * SECOND)).toEqual([0])
  })

  test('that has passed already comes at the next second', () => {
    const timers = new Timers()
    expiredAt(timers, START)
    timers.schedule(0, START - 100 * SECOND)
    expect(expiredAt(timers, START + SECOND)).toEqual([0])
  })

  test('before the epoch is a deadline too', () => {
    const timers = new Timers()
    expiredAt(timers, -50 * SECOND)
    timers.schedule(0, -40 * SECOND)
    timers.schedule(1, -1)
    expect(expiredAt(timers, -45 * SECOND)).toEqual([])
    expect(expiredAt(timers, -2 * SECOND)).toEqual([0])
    expect(expiredAt(timers, 0)).toEqual([1])
  })
})

test('however far the clock jumps, everything due comes once, and nothing else', () => {
  const timers = new Timers()
  expiredAt(timers, START)
  for (let i = 0; i < 3000; i++) timers.schedule(i, START + i * 7 * SECOND)
  const expired = expiredAt(timers, START + 14_000 * SECOND)
  expect(expired.sort((a, b) => a - b)).toEqual(Array.from({ length: 2000 }, (_, i) => i))
  expect(expiredAt(timers, START + 21_000 * SECOND)).toHaveLength(1000)
})

test('a clock that is set back stops time until it has caught up', () => {
  const timers = new Timers()
  expiredAt(timers, START)
  timers.schedule(0, START + 5 * SECOND)
  expect(expiredAt(timers, START - 100 * SECOND)).toEqual([])
  timers.schedule(1, START - 90 * SECOND)
  expect(expiredAt(timers, START - 50 * SECOND)).toEqual([])
  expect(expiredAt(timers, START + SECOND)).toEqual([1])
  expect(expiredAt(timers, START + 6 * SECOND)).toEqual([0])
})

describe('the callback', () => {
  test('may schedule its own index again, even in the past', () => {
    const timers = new Timers()
    advance(timers, START, () => {})
    timers.schedule(0, START + SECOND)
    let calls = 0
    const again = (index: number) => {
      calls++
      timers.schedule(index, START)
    }
    advance(timers, START + 10_000 * SECOND, again)
    expect(calls).toBe(1)
    advance(timers, START + 10_001 * SECOND, again)
    expect(calls).toBe(2)
  })

  test('may cancel or move others that are due in the same second', () => {
    const timers = new Timers()
    advance(timers, START, () => {})
    for (let i = 0; i < 6; i++) timers.schedule(i, START + SECOND)
    const expired: number[] = []
    advance(timers, START + 2 * SECOND, (index) => {
      expired.push(index)
      timers.cancel((index + 1) % 6)
      timers.schedule((index + 3) % 6, START + 9 * SECOND)
    })
    expect(expired.length).toBeGreaterThan(0)
    expect(new Set(expired).size).toBe(expired.length)
    const later: number[] = []
    advance(timers, START + 10 * SECOND, (index) => later.push(index))
    const moved = new Set(expired.map((index) => (index + 3) % 6))
    for (const index of expired) expect(later.includes(index)).toBe(moved.has(index) && later.includes(index))
    expect(later.every((index) => moved.has(index))).toBe(true)
  })
})

const OPERATION = fc.oneof(
  fc.record({
    kind: fc.constant('schedule'),
    index: fc.integer({ min: 0, max: 12 }),
    second: fc.integer({ min: -20, max: 9000 }),
  }),
  fc.record({ kind: fc.constant('cancel'), index: fc.integer({ min: 0, max: 12 }), second: fc.constant(0) }),
  fc.record({
    kind: fc.constant('advance'),
    index: fc.constant(0),
    second: fc.oneof(fc.integer({ min: -3, max: 5 }), fc.integer({ min: 0, max: 20_000 })),
  }),
)

/** What the callback does when an index expires: nothing, or something to another one. */
const REACTION = fc.record({
  to: fc.integer({ min: 0, max: 12 }),
  kind: fc.constantFrom('nothing', 'cancel', 'schedule'),
  second: fc.integer({ min: -10, max: 5000 }),
})

test('it expires what a plain list of deadlines would, whatever the callback does', () => {
  fc.assert(
    fc.property(
      fc.array(OPERATION, { maxLength: 60 }),
      fc.array(REACTION, { minLength: 13, maxLength: 13 }),
      (operations, reactions) => {
        const timers = new Timers()
        const deadlines = new Map<number, number>()
        let nowUs = START
        let latestUs = START
        advance(timers, nowUs, () => {})
        const schedule = (index: number, dueUs: number) => {
          timers.schedule(index, dueUs)
          // What is due already waits for the next second.
          deadlines.set(index, Math.max(dueUs, latestUs))
        }
        const cancel = (index: number) => {
          timers.cancel(index)
          deadlines.delete(index)
        }
        for (const { kind, index, second } of operations) {
          if (kind === 'schedule') schedule(index, nowUs + second * SECOND + 0.25 * SECOND)
          else if (kind === 'cancel') cancel(index)
          else {
            nowUs += second * SECOND
            latestUs = Math.max(latestUs, nowUs)
            const seen = new Set<number>()
            advance(timers, nowUs, (expired) => {
              expect(seen.has(expired)).toBe(false)
              seen.add(expired)
              expect(deadlines.has(expired)).toBe(true)
              expect(deadlines.get(expired)).toBeLessThan(latestUs)
              deadlines.delete(expired)
              const { to, kind: reaction, second: delay } = reactions[expired]
              if (reaction === 'cancel') cancel(to)
              else if (reaction === 'schedule') schedule(to, latestUs + delay * SECOND)
            })
            for (const dueUs of deadlines.values()) {
              expect(Math.floor(dueUs / SECOND)).toBeGreaterThanOrEqual(Math.floor(latestUs / SECOND))
            }
          }
        }
      },
    ),
  )
})
