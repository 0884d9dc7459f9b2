import fc from 'fast-check'
import { expect, test } from 'vitest'
import { equal, hex, i32, text, u16, u24, u32, u64 } from '../../src/base/bytes.ts'

test('the reads are those of a DataView', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 12, maxLength: 12 }), fc.integer({ min: 0, max: 4 }), (bytes, at) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset)
      expect(u16(bytes, at)).toBe(view.getUint16(at))
      expect(u24(bytes, at)).toBe(view.getUint32(at) >>> 8)
      expect(u32(bytes, at)).toBe(view.getUint32(at))
      expect(i32(bytes, at)).toBe(view.getInt32(at))
      expect(u64(bytes, at)).toBe(view.getBigUint64(at))
    }),
  )
})

test('a read past the end gives zero bits', () => {
  const bytes = Uint8Array.of(0xff)
  expect(u16(bytes, 0)).toBe(0xff00)
  expect(u24(bytes, 0)).toBe(0xff0000)
  expect(u32(bytes, 0)).toBe(0xff000000)
  expect(u32(bytes, 9)).toBe(0)
})

test('what is not UTF-8 is still a text', () => {
  const bytes = Uint8Array.of(0x2d, 0x6c, 0xc3, 0xa4, 0xff, 0x63, 0x2d)
  expect(text(bytes, 1, 6)).toBe('lä\ufffdc')
  expect(text(bytes, 3, 3)).toBe('')
})

test('a name with a byte order mark is not the name without it', () => {
  expect(text(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61), 0, 4)).toBe('\ufeffa')
})

test('hexadecimal digits of a window of a view that does not begin its buffer', () => {
  const bytes = Uint8Array.of(1, 2, 0x0a, 0xff, 5).subarray(1)
  expect(hex(bytes, 1, 3)).toBe('0aff')
  expect(hex(bytes, 2, 2)).toBe('')
})

test('windows are equal if their bytes are', () => {
  const bytes = Uint8Array.of(1, 2, 3, 1, 2, 4)
  expect(equal(bytes, 0, bytes, 3, 2)).toBe(true)
  expect(equal(bytes, 0, bytes, 3, 3)).toBe(false)
  expect(equal(bytes, 0, bytes, 5, 0)).toBe(true)
})
