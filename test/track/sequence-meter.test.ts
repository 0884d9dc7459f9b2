import { expect, test } from 'vitest'
import { SequenceMeter } from '../../src/track/sequence-meter.ts'

function counted(...sequences: readonly number[]): [lost: number, reordered: number] {
  const meter = new SequenceMeter()
  meter.open(3)
  for (const sequence of sequences) meter.observe(3, sequence)
  return [meter.lost(3), meter.reordered(3)]
}

test('what is missing is counted, wherever the stream begins', () => {
  expect(counted(7, 8, 9)).toEqual([0, 0])
  expect(counted(7, 9, 12)).toEqual([3, 0])
})

test('what comes late was not lost, and what comes again is no news', () => {
  expect(counted(1, 3, 2, 4)).toEqual([0, 1])
  expect(counted(1, 2, 2)).toEqual([0, 1])
  expect(counted(1, 5, 5, 6)).toEqual([3, 1])
})

test('numbers go round', () => {
  expect(counted(0xfffffffe, 0xffffffff, 0, 1)).toEqual([0, 0])
  expect(counted(0x7fffffff, 0x80000000, 0x80000002)).toEqual([1, 0])
})

test('a jump is no loss', () => {
  expect(counted(1, 2, 0x4000_0000, 0x4000_0001)).toEqual([0, 1])
  expect(counted(0x4000_0000, 1, 2, 4)).toEqual([1, 1])
})

test('rows are apart, begin anew, and grow', () => {
  const meter = new SequenceMeter()
  meter.open(5000)
  meter.open(0)
  meter.observe(5000, 1)
  meter.observe(5000, 5)
  meter.observe(0, 1)
  expect([meter.lost(5000), meter.lost(0)]).toEqual([3, 0])
  meter.open(5000)
  meter.observe(5000, 99)
  expect(meter.lost(5000)).toBe(0)
})
