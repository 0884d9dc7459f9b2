import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { SkfMessages } from '../../src/track/ike-skf.ts'

test('fragments in any order are one message', () => {
  const skf = new SkfMessages()
  expect(skf.fragment(0, 1, false, 3, 3, 33)).toBe('first')
  expect(skf.fragment(0, 1, false, 1, 3, 11)).toBe('further')
  expect(skf.isComplete(0)).toBe(false)
  expect(skf.fragment(0, 1, false, 2, 3, 22)).toBe('further')
  expect(skf.isComplete(0)).toBe(true)
  expect(skf).toMatchObject({ messages: 1, incomplete: 0, finding: null })
})

test('the same fragment again is a repetition, with other content a finding', () => {
  const skf = new SkfMessages()
  skf.fragment(0, 1, false, 1, 2, 11)
  expect(skf.fragment(0, 1, false, 1, 2, 11)).toBe('repeated')
  expect(skf.finding).toBeNull()
  skf.fragment(0, 1, false, 1, 2, 12)
  expect(skf.finding).toBe('ike.fragment_conflict')
})

test('a message may be cut again into more pieces, not into fewer', () => {
  const skf = new SkfMessages()
  skf.fragment(0, 1, false, 1, 2, 11)
  expect(skf.fragment(0, 1, false, 1, 4, 12)).toBe('further')
  expect(skf.finding).toBeNull()
  expect(skf.fragment(0, 1, false, 1, 3, 13)).toBe('further')
  expect(skf.finding).toBe('ike.fragment_total')
  expect(skf.messages).toBe(1)
})

test('more pieces than any message has are a finding, and none is kept', () => {
  const skf = new SkfMessages()
  expect(skf.fragment(0, 1, false, 40_000, 65_535, 1)).toBe('first')
  expect(skf.finding).toBe('ike.fragment_total')
})

test('messages of which pieces lack are counted, of both ends, answers apart from requests', () => {
  const skf = new SkfMessages()
  skf.fragment(0, 1, false, 1, 2, 11)
  skf.fragment(1, 1, true, 1, 2, 21)
  skf.fragment(1, 1, true, 2, 2, 22)
  skf.fragment(1, 1, false, 1, 2, 23)
  expect(skf).toMatchObject({ messages: 3, incomplete: 0 })
  skf.fragment(0, 2, false, 1, 2, 31)
  expect(skf.incomplete).toBe(1)
  skf.finish()
  expect(skf.incomplete).toBe(3)
  skf.reset()
  expect(skf).toMatchObject({ messages: 0, incomplete: 0, finding: null })
})

test('whatever is claimed is taken', () => {
  const piece = fc.tuple(fc.nat(3), fc.boolean(), fc.nat(0xffff), fc.nat(0xffff), fc.nat(3))
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
      const skf = new SkfMessages()
      for (const [id, isResponse, number, total, digest] of pieces)
        expect(['first', 'further', 'repeated']).toContain(skf.fragment(0, id, isResponse, number, total, digest))
      expect(skf.incomplete).toBeLessThanOrEqual(skf.messages)
    }),
    { seed: 4 },
  )
})
