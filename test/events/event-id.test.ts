import { describe, expect, test } from 'vitest'
import { eventId } from '../../src/events/event-id.ts'

describe('the id of an event', () => {
  test('begins with its second', () => {
    expect(eventId(0, 'x')).toMatch(/^00000000[0-9a-f]{12}$/)
    // 2026-03-01T12:00:00.999999Z
    expect(eventId(1_772_366_400_999_999, 'x')).toMatch(/^69a42a40[0-9a-f]{12}$/)
    expect(eventId(1_772_366_401_000_000, 'x')).toMatch(/^69a42a41[0-9a-f]{12}$/)
  })

  test('depends within a second on nothing but what identifies the event', () => {
    expect(eventId(5_000_000, 'x')).toBe(eventId(5_999_999, 'x'))
    expect(eventId(5_000_000, 'x')).not.toBe(eventId(5_000_000, 'y'))
    expect(eventId(5_000_000, 'x').slice(8)).toBe(eventId(6_000_000, 'x').slice(8))
  })

  test('has its 20 digits for times that no 32 bits of seconds hold', () => {
    expect(eventId(-1, 'x')).toMatch(/^00000000[0-9a-f]{12}$/)
    expect(eventId(2 ** 52, 'x')).toMatch(/^ffffffff[0-9a-f]{12}$/)
    expect(eventId(Number.MAX_SAFE_INTEGER, 'x')).toMatch(/^ffffffff[0-9a-f]{12}$/)
  })
})
