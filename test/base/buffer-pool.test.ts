import { describe, expect, test } from 'vitest'
import { BufferPool } from '../../src/base/buffer-pool.ts'

describe('BufferPool', () => {
  test('gives the smallest size that is large enough', () => {
    const pool = new BufferPool(1 << 20, 65_536)
    expect([1, 2048, 2049, 4096, 65_536].map((length) => pool.take(length)?.length)).toEqual([
      2048, 2048, 4096, 4096, 65_536,
    ])
    expect(pool.used).toBe(2048 * 2 + 4096 * 2 + 65_536)
    expect(pool.take(65_537)).toBeNull()
  })

  test('gives back what it was given', () => {
    const pool = new BufferPool(1 << 20, 65_536)
    const buffer = pool.take(100) as Uint8Array
    pool.give(buffer)
    expect(pool.used).toBe(0)
    expect(pool.take(2000)).toBe(buffer)
    expect(pool.take(2000)).not.toBe(buffer)
  })

  test('stops at its capacity, and lets go of what waits in other sizes', () => {
    const pool = new BufferPool(8192, 8192)
    const small = [pool.take(1), pool.take(1), pool.take(1), pool.take(1)] as Uint8Array[]
    expect(pool.take(1)).toBeNull()
    for (const buffer of small) pool.give(buffer)
    expect(pool.take(8192)?.length).toBe(8192)
    expect(pool.take(1)).toBeNull()
    pool.give(new Uint8Array(0))
    expect(pool.used).toBe(8192)
  })
})
