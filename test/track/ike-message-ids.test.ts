import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MessageIds } from '../../src/track/ike-message-ids.ts'

describe('requests', () => {
  test('in their order, of both ends, are well', () => {
    const ids = new MessageIds()
    for (let id = 0; id < 100; id++) {
      expect(ids.request(0, id)).toBeNull()
      expect(ids.response(1, id)).toBeNull()
      expect(ids.request(1, id)).toBeNull()
      expect(ids.response(0, id)).toBeNull()
    }
    expect(ids.missing).toBe(0)
  })

  test('of an SA that was joined late begin anywhere', () => {
    const ids = new MessageIds()
    expect(ids.request(0, 1000)).toBeNull()
    expect(ids.missing).toBe(0)
  })

  test('that are passed over are counted, until they come late', () => {
    const ids = new MessageIds()
    ids.request(0, 1)
    expect(ids.request(0, 4)).toBeNull()
    expect(ids.missing).toBe(2)
    expect(ids.request(0, 2)).toBeNull()
    expect(ids.missing).toBe(1)
  })

  test('far ahead are a finding', () => {
    const ids = new MessageIds()
    ids.request(0, 1)
    expect(ids.request(0, 65)).toBeNull()
    expect(ids.request(0, 200)).toBe('ike.message_id_gap')
  })

  test('with a number that was used, or is long past, are a finding', () => {
    const ids = new MessageIds()
    for (const id of [1, 2, 3]) ids.request(0, id)
    expect(ids.request(0, 2)).toBe('ike.message_id_reused')
    ids.request(0, 40)
    expect(ids.request(0, 5)).toBe('ike.message_id_reused')
  })
})

describe('answers', () => {
  test('to what nobody asked are a finding', () => {
    const ids = new MessageIds()
    ids.request(0, 1)
    expect(ids.response(1, 2)).toBe('ike.response_unsolicited')
  })

  test('that contradict each other are a finding', () => {
    const ids = new MessageIds()
    ids.request(0, 1)
    expect(ids.response(1, 1)).toBeNull()
    expect(ids.response(1, 1)).toBe('ike.response_conflict')
  })

  test('whose requests the capture does not have are none', () => {
    expect(new MessageIds().response(1, 7)).toBeNull()
  })

  test('that come long after are forgotten', () => {
    const ids = new MessageIds()
    ids.request(0, 1)
    ids.request(0, 60)
    expect(ids.response(1, 1)).toBeNull()
    expect(ids.response(1, 1)).toBeNull()
  })
})

test('any numbers in any order are taken', () => {
  const step = fc.record({ isRequest: fc.boolean(), role: fc.constantFrom(0 as const, 1 as const), id: fc.nat(90) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const ids = new MessageIds()
      const seen = new Set<string>()
      for (const { isRequest, role, id } of steps) {
        if (!isRequest) {
          ids.response(role, id)
          continue
        }
        const finding = ids.request(role, id)
        // The same number twice is never taken for new.
        if (seen.has(`${role} ${id}`)) expect(finding).toBe('ike.message_id_reused')
        seen.add(`${role} ${id}`)
        expect(ids.missing).toBeGreaterThanOrEqual(0)
      }
    }),
    { seed: 3 },
  )
})
