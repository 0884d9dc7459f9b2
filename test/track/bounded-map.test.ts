import { expect, test } from 'vitest'
import { BoundedMap } from '../../src/track/bounded-map.ts'
import { Random } from '../support/random.ts'

/** The same in the simplest way: an array, the oldest entry first. */
class Plain {
  entries: [number, number][] = []

  set(key: number, value: number): void {
    this.take(key)
    if (this.entries.length === 8) this.entries.shift()
    this.entries.push([key, value])
  }

  take(key: number): number | undefined {
    const value = this.entries.find(([known]) => known === key)?.[1]
    this.entries = this.entries.filter(([known]) => known !== key)
    return value
  }
}

test('the oldest entry makes room, whatever was taken and set again before', () => {
  const random = new Random(1)
  const map = new BoundedMap<number, number>(8)
  const plain = new Plain()
  for (let step = 0; step < 10_000; step++) {
    const key = random.below(20)
    if (random.below(3) === 0) expect(map.take(key)).toBe(plain.take(key))
    else {
      map.set(key, step)
      plain.set(key, step)
    }
    expect([...map.values()]).toEqual(plain.entries.map(([, value]) => value))
  }
})
