import { expect, test } from 'vitest'
import { RecentViews } from '../../src/dissect/recent-views.ts'

test('a view has the offsets of its array, wherever that begins in its buffer', () => {
  const views = new RecentViews()
  const bytes = Uint8Array.from([9, 9, 1, 2, 3, 4, 5]).subarray(2)

  expect(views.of(bytes).getInt32(0)).toBe(0x01020304)
  expect(views.of(bytes).getInt32(1)).toBe(0x02030405)
  expect(views.of(bytes).byteLength).toBe(5)
})

test('buffers that take turns keep their views', () => {
  const views = new RecentViews()
  const buffers = Array.from({ length: 16 }, (_, i) => new Uint8Array(8).fill(i))
  const first = buffers.map((bytes) => views.of(bytes))

  for (const [i, bytes] of buffers.entries()) expect(views.of(bytes)).toBe(first[i])
})

test('with more of them each is still read right', () => {
  const views = new RecentViews()
  const buffers = Array.from({ length: 40 }, (_, i) => new Uint8Array(8).fill(i))

  for (let round = 0; round < 3; round++)
    for (const [i, bytes] of buffers.entries()) expect(views.of(bytes).getUint8(7)).toBe(i)
})
