import { expect, test } from 'vitest'
import { AVPS, isPlausible, readAvp, VENDORS } from '../../src/wire/l2tp-attributes.ts'

test('the tables know every attribute of the registry but the one that is reserved', () => {
  const missing = Array.from({ length: 103 }, (_, type) => type).filter((type) => !(type in AVPS))
  expect(missing).toEqual([20])
})

test('the tables have no name twice', () => {
  const rows = [...Object.values(AVPS), ...Object.values(VENDORS).flatMap(({ avps }) => Object.values(avps))]
  const names = rows.map(([name]) => name)
  expect(new Set(names).size).toBe(names.length)
})

test('the tables read no value that is too short, and take for plausible only what fits', () => {
  expect(readAvp(0, 9, Uint8Array.of(1), 0, 1)).toBeUndefined()
  expect(readAvp(0, 20, Uint8Array.of(1), 0, 1)).toBeUndefined()
  expect(readAvp(0, 66, Uint8Array.of(0, 1, 0xff), 0, 3)).toBe('0001ff')
  expect(readAvp(0, 37, new Uint8Array(4), 0, 4)).toBe('00000000')
  expect(readAvp(0, 68, Uint8Array.of(0, 5), 0, 2)).toBe(5)
  expect(readAvp(0, 62, Uint8Array.of(0, 5, 0, 7), 0, 4)).toEqual([5, 7])
  expect(isPlausible(0, 9, Uint8Array.of(1, 2), 0, 2)).toBe(true)
  expect(isPlausible(0, 9, Uint8Array.of(1, 2, 3), 0, 3)).toBe(false)
  expect(isPlausible(0, 7, Uint8Array.of(0x61, 0xff), 0, 2)).toBe(false)
  expect(isPlausible(77, 7, Uint8Array.of(0x61, 0xff), 0, 2)).toBe(true)
})
