/** The table of keys beside a map of JavaScript, which keeps an order too. */
import { describe, expect, test } from 'vitest'
import { RecentKeys } from '../../../src/detect/sigma/recent-keys.ts'
import { Random } from '../../support/random.ts'

function write(keys: RecentKeys, parts: readonly string[]): void {
  keys.begin()
  for (const part of parts) keys.append(part)
}

/** From the oldest to the newest, and back again. */
function order(keys: RecentKeys): string[][] {
  const forth: string[][] = []
  for (let place = keys.oldest; place !== -1; place = keys.newerThan(place)) forth.push(keys.partsOf(place))
  const back: string[][] = []
  for (let place = keys.newest; place !== -1; place = keys.olderThan(place)) back.push(keys.partsOf(place))
  expect(back.reverse()).toEqual(forth)
  return forth
}

const PARTS = [
  '',
  'a',
  'b',
  'ab',
  '10.0.0.1',
  'é',
  '\ud83d\ude00',
  '\ud800',
  '\u0000',
  '\u00ff',
  'x'.repeat(31),
  'y'.repeat(400),
]

describe('a table of keys', () => {
  test.each([1, 2, 3])('is a map that knows what was used last (seed %i)', (seed) => {
    const random = new Random(seed)
    const keys = new RecentKeys()
    const known = new Map<string, { place: number; parts: string[] }>()
    for (let step = 0; step < 4000; step++) {
      const parts = Array.from({ length: random.below(4) }, () => random.pick(PARTS))
      const id = JSON.stringify(parts)
      write(keys, parts)
      const before = known.get(id)
      expect(keys.find()).toBe(before?.place ?? -1)
      if (before === undefined) {
        const place = keys.add()
        expect(place).toBeLessThan(keys.places)
        expect([...known.values()].some((other) => other.place === place)).toBe(false)
        known.set(id, { place, parts })
      } else {
        known.delete(id)
        if (random.chance(0.4)) keys.remove(before.place)
        else {
          keys.touch(before.place)
          known.set(id, before)
        }
      }
      if (step % 50 === 0) expect(order(keys)).toEqual([...known.values()].map(({ parts }) => parts))
      expect(keys.size).toBe(known.size)
    }
  })

  test('tells keys apart by where their parts end', () => {
    const keys = new RecentKeys()
    for (const parts of [[], [''], ['', ''], ['ab'], ['a', 'b'], ['ab', ''], ['', 'ab']]) {
      write(keys, parts)
      expect(keys.find(), JSON.stringify(parts)).toBe(-1)
      keys.add()
    }
    expect(order(keys)).toEqual([[], [''], ['', ''], ['ab'], ['a', 'b'], ['ab', ''], ['', 'ab']])
  })

  test('takes the places of keys that are gone', () => {
    const keys = new RecentKeys()
    for (let i = 0; i < 100_000; i++) {
      write(keys, [`a key that is longer than one chunk, with the number ${i}`])
      keys.add()
      if (keys.size > 100) keys.remove(keys.oldest)
    }
    expect(keys.places).toBe(128)
    expect(order(keys)[0]).toEqual(['a key that is longer than one chunk, with the number 99900'])
  })
})
