import { expect, test } from 'vitest'
import { resultOf } from '../../src/base/steps.ts'
import { pathsOfThings, ThingsOfPaths } from '../../src/evidence/thing-table.ts'
import { Random } from '../support/random.ts'

const key = (high: number, low: number) => high * 2 ** 32 + low

test('the tables say what the entries say, each thing once, the things in their order', () => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = new Random(seed)
    const paths = 1 + random.below(200)
    const model: Set<number>[] = Array.from({ length: paths }, () => new Set())
    const entries: number[] = []
    for (let i = random.below(400); i > 0; i--) {
      const path = random.below(paths)
      const count = random.below(5)
      entries.push(path, count)
      for (let n = 0; n < count; n++) {
        const [high, low] = [
          random.below(6) * 0x1_0001,
          random.chance(0.5) ? random.below(9) : 0xffff_fff0 + random.below(9),
        ]
        entries.push(high, low)
        model[path].add(key(high, low))
      }
    }
    const of = new ThingsOfPaths(paths, Uint32Array.from(entries))
    for (let path = 0; path < paths; path++) {
      const found: number[] = []
      for (let i = of.firsts[path]; i < of.firsts[path + 1]; i++) found.push(key(of.words[i * 2], of.words[i * 2 + 1]))
      expect(found).toEqual([...model[path]])
    }
    const { sorted, pathNumbers } = resultOf(pathsOfThings(of))
    const wanted = [...new Set(model.flatMap((things) => [...things]))].sort((a, b) => a - b)
    expect(sorted.length).toBe(wanted.length * 4)
    for (const [rank, thing] of wanted.entries()) {
      const [high, low, first, count] = sorted.subarray(rank * 4, rank * 4 + 4)
      expect(key(high, low)).toBe(thing)
      const having = model.flatMap((things, path) => (things.has(thing) ? [path] : []))
      expect([...pathNumbers.subarray(first, first + count)]).toEqual(having)
    }
  }
})
