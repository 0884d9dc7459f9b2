import { expect, test } from 'vitest'
import { isSumRight, sumOf } from '../../src/wire/checksum.ts'
import { fromHex } from '../support/craft.ts'

/** RFC 1071 section 3 adds these words up to 2ddf0; the last two octets are what makes the sum right. */
const WORDS = fromHex('0001f203f4f5f6f7 220d')

test('the example of RFC 1071 sums up', () => {
  expect(sumOf(WORDS, 0, 8)).toBe(0x2ddf0)
  expect(isSumRight(sumOf(WORDS, 0, 10))).toBe(true)
  expect(isSumRight(sumOf(WORDS, 0, 8))).toBe(false)
})

test('an odd octet at the end is the first of its word', () => {
  expect(sumOf(fromHex('0001f2'), 0, 3)).toBe(0xf201)
  expect(sumOf(fromHex('aa0001f2'), 1, 4)).toBe(0xf201)
})

test('the longest window folds right', () => {
  expect(isSumRight(sumOf(new Uint8Array(65_535).fill(0xff), 0, 65_534))).toBe(true)
})
