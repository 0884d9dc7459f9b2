import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PairTable } from '../../src/base/pair-table.ts'

const INT32 = fc.oneof(
  fc.integer({ min: 0, max: 7 }),
  fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff }),
  fc.integer({ min: 0x8000_0000, max: 0xffff_ffff }),
)

const OPERATION = fc.record({
  kind: fc.constantFrom('insert', 'insert', 'remove', 'find'),
  a: INT32,
  b: INT32,
  c: fc.constantFrom(0, 0, 1, 0x10000),
  value: fc.integer({ min: 0, max: 0x7fff_ffff }),
})

function keyOf(a: number, b: number, c: number): string {
  return `${a | 0}/${b | 0}/${c}`
}

test('an empty table finds nothing, and removing from it does nothing', () => {
  const table = new PairTable(10)
  expect(table.find(0, 0)).toBe(-1)
  table.remove(0, 0)
  expect(table.size).toBe(0)
})

test('a signed and an unsigned reading of the same 32 bits are one key', () => {
  const table = new PairTable(10)
  table.insert(0xffff_ffff, 0x8000_0000, 7)
  expect(table.find(-1, -0x8000_0000)).toBe(7)
  table.remove(-1, -0x8000_0000)
  expect(table.size).toBe(0)
})

test('the order of the pair matters', () => {
  const table = new PairTable(10)
  table.insert(1, 2, 3)
  expect(table.find(2, 1)).toBe(-1)
})

test('a third integer makes another key, and is zero where it is left out', () => {
  const table = new PairTable(10)
  table.insert(1, 2, 3, 1701)
  expect(table.find(1, 2)).toBe(-1)
  table.insert(1, 2, 4)
  expect([table.find(1, 2, 1701), table.find(1, 2, 0), table.find(1, 2, 1702)]).toEqual([3, 4, -1])
})

test('a full table refuses new pairs, replaces known ones, and takes new ones again after a removal', () => {
  const table = new PairTable(2)
  expect(table.insert(1, 1, 10)).toBe(true)
  expect(table.insert(2, 2, 20)).toBe(true)
  expect(table.insert(3, 3, 30)).toBe(false)
  expect(table.find(3, 3)).toBe(-1)
  expect(table.insert(1, 1, 11)).toBe(true)
  expect(table.find(1, 1)).toBe(11)
  table.remove(2, 2)
  expect(table.insert(3, 3, 30)).toBe(true)
  expect(table.size).toBe(2)
})

test('it answers as a Map does, whatever is done to it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.array(OPERATION, { maxLength: 200 }), (capacity, operations) => {
      const table = new PairTable(capacity)
      const model = new Map<string, number>()
      for (const { kind, a, b, c, value } of operations) {
        const key = keyOf(a, b, c)
        if (kind === 'insert') {
          const fits = model.has(key) || model.size < capacity
          expect(table.insert(a, b, value, c)).toBe(fits)
          if (fits) model.set(key, value)
        } else if (kind === 'remove') {
          table.remove(a, b, c)
          model.delete(key)
        }
        expect(table.find(a, b, c)).toBe(model.get(key) ?? -1)
        expect(table.size).toBe(model.size)
      }
      for (const [key, value] of model) {
        const [a, b, c] = key.split('/').map(Number)
        expect(table.find(a, b, c)).toBe(value)
      }
    }),
  )
})

test('thousands of entries survive growth and the removal of every other one', () => {
  const table = new PairTable(10_000)
  for (let i = 0; i < 10_000; i++) table.insert(i & 0x3f, i, i)
  for (let i = 0; i < 10_000; i += 2) table.remove(i & 0x3f, i)
  const wrong: number[] = []
  for (let i = 0; i < 10_000; i++) if (table.find(i & 0x3f, i) !== (i % 2 === 0 ? -1 : i)) wrong.push(i)
  expect(wrong).toEqual([])
  expect(table.size).toBe(5000)
})
