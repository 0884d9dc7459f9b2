import fc from 'fast-check'
import { expect, test } from 'vitest'
import { hashWindow, mix32, mixPair } from '../../src/base/hash.ts'

test('the mixing is Murmur3’s finaliser', () => {
  expect(mix32(0)).toBe(0)
  expect(mix32(1) >>> 0).toBe(0x514e28b7)
  expect(mix32(-1) >>> 0).toBe(0x81f16f39)
})

test('consecutive numbers spread over the slots of a table', () => {
  const slots = new Map<number, number>()
  for (let i = 0; i < 4096; i++) {
    const slot = mixPair(1701, i) & 1023
    slots.set(slot, (slots.get(slot) ?? 0) + 1)
  }
  expect(slots.size).toBeGreaterThan(950)
  expect(Math.max(...slots.values())).toBeLessThan(20)
})

test('a window hashes by its bytes and length, wherever it stands', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 0, max: 9 }), (bytes, before) => {
      const moved = new Uint8Array(before + bytes.length + 3).fill(0xaa)
      moved.set(bytes, before)
      expect(hashWindow(moved, before, before + bytes.length)).toBe(hashWindow(bytes, 0, bytes.length))
    }),
  )
  expect(hashWindow(new Uint8Array(2), 0, 1)).not.toBe(hashWindow(new Uint8Array(2), 0, 2))
})

test('one changed bit changes the hash', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), fc.nat(), (bytes, seed) => {
      const changed = Uint8Array.from(bytes)
      changed[seed % bytes.length] ^= 1 << (seed % 8)
      expect(hashWindow(changed, 0, bytes.length)).not.toBe(hashWindow(bytes, 0, bytes.length))
    }),
  )
})
