import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Pool } from '../../src/base/pool.ts'

test('records are made once and used again', () => {
  const made: number[] = []
  const pool = new Pool(2, (index) => {
    made.push(index)
    return { index }
  })
  const first = pool.take()
  const record = pool.at(first)
  pool.free(first)
  expect(pool.at(pool.take())).toBe(record)
  expect(made).toEqual([0])
})

test('a pool at its capacity gives -1 until something is freed', () => {
  const pool = new Pool(1, () => ({}))
  expect(pool.take()).toBe(0)
  expect(pool.take()).toBe(-1)
  pool.free(0)
  expect(pool.take()).toBe(0)
})

test('freeing twice, or what was never taken, does nothing', () => {
  const pool = new Pool(3, () => ({}))
  const index = pool.take()
  pool.free(index)
  pool.free(index)
  pool.free(2)
  expect(pool.size).toBe(0)
  expect(pool.take()).not.toBe(pool.take())
})

test('the set may change while it is walked', () => {
  const pool = new Pool(10, (index) => index)
  for (let i = 0; i < 5; i++) pool.take()
  const seen: number[] = []
  for (const index of pool.used()) {
    seen.push(index)
    pool.free(index)
    pool.free(index + 1)
  }
  expect(seen).toEqual([0, 2, 4])
  expect(pool.size).toBe(0)
})

test('what is in use is what was taken and not freed', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 8 }), fc.array(fc.integer({ min: -1, max: 9 })), (capacity, steps) => {
      const pool = new Pool(capacity, (index) => index)
      const model = new Set<number>()
      for (const step of steps) {
        if (step === -1) {
          const index = pool.take()
          if (model.size === capacity) expect(index).toBe(-1)
          else expect(model.has(index)).toBe(false)
          if (index !== -1) model.add(index)
        } else {
          pool.free(step)
          model.delete(step)
        }
        expect([...pool.used()]).toEqual([...model].sort((a, b) => a - b))
        expect(pool.size).toBe(model.size)
        expect(pool.isUsed(step)).toBe(model.has(step))
      }
    }),
  )
})
