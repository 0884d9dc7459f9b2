import { describe, expect, test } from 'vitest'
import {
  fileTimeText,
  le16,
  le32,
  le64,
  oemEnd,
  oemText,
  TEXT_OCTETS_MAX,
  utf16,
  utf16End,
  uuidText,
} from '../../src/base/little-endian.ts'
import { fromHex } from '../support/craft.ts'

const BYTES = fromHex('01 02 83 f4 05 06 07 88')

describe('integers', () => {
  test('have their lowest octet first', () => {
    expect(le16(BYTES, 0)).toBe(0x0201)
    expect(le32(BYTES, 0)).toBe(0xf4830201)
    expect(le64(BYTES, 0)).toBe(0x88070605_f4830201n)
  })
})

describe('text', () => {
  test('of UTF-16 ends at its NUL, or at the end', () => {
    const bytes = fromHex('6100 e400 0000 6200')
    expect(utf16(bytes, 0, bytes.length)).toBe('aä')
    expect(utf16(bytes, 6, 8)).toBe('b')
    expect(utf16(bytes, 0, 3)).toBe('a')
    expect(utf16(bytes, 4, 4)).toBe('')
    expect(utf16End(bytes, 0, 8)).toBe(6)
    expect(utf16End(bytes, 6, 8)).toBe(8)
  })

  test('that is no UTF-16 is a name all the same', () => {
    expect(utf16(fromHex('00d8 6100'), 0, 4)).toBe('\ufffda')
    expect(utf16(fromHex('fffe 6100'), 0, 4)).toBe('\ufeffa')
  })

  test('of single octets ends at its NUL, or at the end', () => {
    const bytes = fromHex('6162 00 63')
    expect(oemText(bytes, 0, 4)).toBe('ab')
    expect(oemText(bytes, 3, 4)).toBe('c')
    expect(oemEnd(bytes, 0, 4)).toBe(3)
    expect(oemEnd(bytes, 3, 4)).toBe(4)
  })

  test('is cut where no name goes on', () => {
    const bytes = new Uint8Array(70_000).fill(0x61)
    expect(utf16(bytes, 0, bytes.length)).toHaveLength(TEXT_OCTETS_MAX / 2)
    expect(oemText(bytes, 0, bytes.length)).toHaveLength(TEXT_OCTETS_MAX)
  })
})

describe('a UUID', () => {
  test('has its first three groups in the order of the sender', () => {
    const bytes = fromHex('33221100 5544 7766 8899 aabbccddeeff')
    expect(uuidText(bytes, 0)).toBe('00112233-4455-6677-8899-aabbccddeeff')
    expect(uuidText(bytes, 0, false)).toBe('33221100-5544-7766-8899-aabbccddeeff')
  })
})

describe('a FILETIME', () => {
  test('counts from 1601', () => {
    expect(fileTimeText(fromHex('00 80 3e d5 de b1 9d 01'), 0)).toBe('1970-01-01T00:00:00.000Z')
    expect(fileTimeText(fromHex('0080350cd1dfd601'), 0)).toBe('2021-01-01T00:00:00.000Z')
  })

  test('of zero is none, and one that no calendar has is none either', () => {
    expect(fileTimeText(new Uint8Array(8), 0)).toBeUndefined()
    expect(fileTimeText(new Uint8Array(8).fill(255), 0)).toBeUndefined()
  })
})
