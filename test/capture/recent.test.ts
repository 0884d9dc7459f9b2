import { expect, test } from 'vitest'
import { RecentPackets } from '../../src/capture/recent.ts'
import { Random } from '../support/random.ts'

interface Held {
  readonly bytes: Buffer
  readonly timeUs: number
  readonly keep: number
  readonly tag: number
}

function packetOf({ bytes, timeUs }: Held) {
  return {
    bytes: Buffer.concat([Buffer.from('before'), bytes, Buffer.from('behind')]),
    start: 6,
    end: 6 + bytes.length,
    timeUs,
    timeNs: timeUs % 1000,
    originalLength: bytes.length + 1,
    linkType: 1,
    interfaceId: 0,
    number: 1,
    offset: 0,
  }
}

test.each([1, 2, 3, 4])('what goes in comes out, whole and in its order (seed %i)', (seed) => {
  const random = new Random(seed)
  const size = 1000 + random.below(4000)
  const ring = new RecentPackets<number>(size, -1)
  const model: Held[] = []
  const leave = () => {
    const { bytes, start, end, timeUs, timeNs, originalLength, keep, interfaceKey, source, tag } = ring.oldest()
    const expected = model.shift() as Held
    expect(Buffer.from(bytes.slice(start, end))).toEqual(expected.bytes)
    expect([timeUs, timeNs, originalLength]).toEqual([
      expected.timeUs,
      expected.timeUs % 1000,
      expected.bytes.length + 1,
    ])
    expect([keep, tag, interfaceKey, source]).toEqual([expected.keep, expected.tag, 3, 4])
    ring.shift()
  }
  let pushed = 0
  let shed = 0
  for (let i = 0; i < 20_000; i++) {
    if (random.chance(0.3) && model.length > 0) leave()
    const length = 1 + random.below(random.chance(0.1) ? size : 200)
    const held = { bytes: Buffer.from(random.bytes(length)), timeUs: i, keep: random.below(length + 1), tag: i }
    while (!ring.hasRoom(length) && model.length > 0) {
      leave()
      shed++
    }
    expect(ring.hasRoom(length)).toBe(true)
    ring.push(packetOf(held), held.keep, 3, 4, 5, held.tag)
    model.push(held)
    pushed++
    expect(ring.size).toBe(model.length)
    // Never more than there is room for.
    expect(model.reduce((sum, { bytes }) => sum + bytes.length, 0)).toBeLessThanOrEqual(size)
    expect(ring.isOldestBefore({ timeUs: i + 10 }, 10)).toBe(model[0].timeUs <= i)
  }
  while (model.length > 0) leave()
  expect(ring.size).toBe(0)
  expect(pushed).toBe(20_000)
  expect(shed).toBeGreaterThan(100)
})

test('what is longer than the ring never has room', () => {
  const ring = new RecentPackets<null>(100, null)
  expect(ring.hasRoom(100)).toBe(true)
  expect(ring.hasRoom(101)).toBe(false)
})
