import { expect, test } from 'vitest'
import { cutOf, outerAtOf, PACKET_OCTETS_MAX, shapeOf } from '../../src/evidence/shape.ts'

test('both parts come out as they went in', () => {
  for (const cut of [0, 1, 63, 65_535, PACKET_OCTETS_MAX])
    for (const outerAt of [-1, 0, 14, 18, 4000]) {
      const shape = shapeOf(cut, outerAt) >>> 0
      expect([cutOf(shape), outerAtOf(shape)]).toEqual([cut, outerAt])
    }
})

test('a header that stands too far behind is as none', () => {
  expect(outerAtOf(shapeOf(5, 100_000) >>> 0)).toBe(-1)
})
