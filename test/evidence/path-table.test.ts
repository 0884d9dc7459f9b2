import { expect, test } from 'vitest'
import { PathTable, pathsWaiting } from '../../src/evidence/path-table.ts'
import { Random } from '../support/random.ts'

const FIRST = 2 ** 32 - 10_000

function wordsOf(table: PathTable, path: number): number[] {
  return Array.from({ length: table.countOf(path) * 2 }, (_, i) => table.thingWord(path, i))
}

test('every path stands for what was said of it, as long as a packet may wait, also when numbers begin again', () => {
  const table = new PathTable(100)
  const random = new Random(3)
  const model = new Map<number, number[]>()
  for (let n = 0; n < 20_000; n++) {
    const path = (FIRST + n) >>> 0
    const words = Array.from({ length: random.below(12) * 2 }, () => random.below(2 ** 32))
    table.set(path, Uint32Array.from(words), words.length / 2)
    model.set(n, words)
    const other = n - random.below(Math.min(n + 1, pathsWaiting(100)))
    if (random.chance(0.05)) {
      const more = [random.below(2 ** 32), random.below(2 ** 32)]
      expect(table.add((FIRST + other) >>> 0, Uint32Array.from(more), 1)).toBe(true)
      model.get(other)?.push(...more)
    }
    expect(wordsOf(table, (FIRST + other) >>> 0)).toEqual(model.get(other))
  }
  expect(table.add(FIRST - 200_000, Uint32Array.of(1, 2), 1)).toBe(false)
})

test('a path that takes the row of another was written nowhere, and nothing is known of its alerts', () => {
  const table = new PathTable(1)
  table.set(5, Uint32Array.of(1, 2), 1)
  table.setNumber(5, 7, 3)
  table.setAlert(5, 11)
  expect([table.segmentOf(5), table.numberOf(5), table.alertOf(5)]).toEqual([7, 3, 11])
  table.add(5, Uint32Array.of(3, 4), 1)
  expect([table.segmentOf(5), table.alertOf(5)]).toEqual([7, 0])
  table.set(5 + 2 ** 20, Uint32Array.of(9, 9), 1)
  expect([table.segmentOf(5), table.alertOf(5), wordsOf(table, 5)]).toEqual([0, 0, [9, 9]])
})
