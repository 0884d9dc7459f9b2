import { expect, test } from 'vitest'
import fc from 'fast-check'
import { TimestampUnit } from '../../src/capture/timestamp.ts'
import { join, u32 } from '../support/pcap.ts'

function stamped(ticks: bigint, resolution: number, offsetSeconds = 0) {
  const into = { timeUs: -1, timeNs: -1 }
  const words = join([u32(Number(ticks >> 32n)), u32(Number(ticks & 0xffffffffn))])
  const isInRange = new TimestampUnit(resolution, offsetSeconds).stamp(into, words, 0, true)
  return { ...into, isInRange }
}

/** The same by arithmetic without a limit. */
function exact(ticks: bigint, resolution: number) {
  const exponent = BigInt(resolution & 0x7f)
  const nanoseconds = (ticks * 1_000_000_000n) / (resolution & 0x80 ? 2n ** exponent : 10n ** exponent)
  const timeUs = nanoseconds / 1000n
  if (timeUs > BigInt(Number.MAX_SAFE_INTEGER)) return { timeUs: Number.MAX_SAFE_INTEGER, timeNs: 0, isInRange: false }
  return { timeUs: Number(timeUs), timeNs: Number(nanoseconds % 1000n), isInRange: true }
}

test('every unit gives exact microseconds and nanoseconds for every count', () => {
  const ticks = fc.oneof(fc.bigInt(0n, 2n ** 64n - 1n), fc.bigInt(0n, 2n ** 33n), fc.bigInt(2n ** 60n, 2n ** 61n))
  fc.assert(
    fc.property(ticks, fc.integer({ min: 0, max: 255 }), (count, resolution) => {
      expect(stamped(count, resolution)).toEqual(exact(count, resolution))
    }),
    { numRuns: 5_000, seed: 2661 },
  )
})

test('nanoseconds since 1970, which a double cannot hold, stay exact', () => {
  expect(stamped(1_700_000_000_123_456_789n, 9)).toEqual({
    timeUs: 1_700_000_000_123_456,
    timeNs: 789,
    isInRange: true,
  })
})

test('the offset adds whole seconds, also negative ones', () => {
  expect(stamped(5_000_001n, 6, 1_700_000_000).timeUs).toBe(1_700_000_005_000_001)
  expect(stamped(5_000_001n, 6, -5).timeUs).toBe(1)
  expect(stamped(5_000_001n, 6, -6)).toEqual({ timeUs: 0, timeNs: 0, isInRange: false })
})
