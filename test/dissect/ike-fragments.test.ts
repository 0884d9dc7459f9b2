import { expect, test } from 'vitest'
import { IkeFragments } from '../../src/dissect/ike-fragments.ts'
import { utf8 } from '../support/craft.ts'

test('pieces in any order, and twice, make the message once', () => {
  const fragments = new IkeFragments(4)
  expect(fragments.add('a', 3, true, utf8('ef'))).toBeNull()
  expect(fragments.add('a', 1, false, utf8('ab'))).toBeNull()
  expect(fragments.add('a', 1, false, utf8('xx'))).toBeNull()
  expect(fragments.add('a', 2, false, utf8('cd'))).toEqual(utf8('abcdef'))
  expect(fragments.add('a', 2, false, utf8('cd'))).toBeNull()
})

test('pieces of different messages do not mix', () => {
  const fragments = new IkeFragments(4)
  expect(fragments.add('a', 1, false, utf8('a'))).toBeNull()
  expect(fragments.add('b', 2, true, utf8('b'))).toBeNull()
  expect(fragments.add('b', 1, false, utf8('B'))).toEqual(utf8('Bb'))
})

test('the oldest message ends when there are too many', () => {
  const fragments = new IkeFragments(2)
  for (const key of ['a', 'b', 'c']) fragments.add(key, 1, false, utf8(key))
  expect(fragments.add('a', 2, true, utf8('!'))).toBeNull()
  expect(fragments.add('c', 2, true, utf8('!'))).toEqual(utf8('c!'))
})

test('piece 0, piece 65 and more than 64 KiB are refused', () => {
  const fragments = new IkeFragments(2)
  for (const number of [0, 65]) {
    expect(fragments.add('a', number, true, utf8('a'))).toBeNull()
    expect(fragments.finding).toBe('ike.fragment_number')
  }
  for (let i = 1; i <= 59; i++) expect(fragments.add('a', i, false, new Uint8Array(1100))).toBeNull()
  expect(fragments.finding).toBeNull()
  expect(fragments.add('a', 60, true, new Uint8Array(1100))).toBeNull()
  expect(fragments.finding).toBe('ike.fragment_size')
})

test('a piece that comes again with other content is told, and the first one counts', () => {
  const fragments = new IkeFragments(2)
  fragments.add('a', 1, false, utf8('ab'))
  fragments.add('a', 1, false, utf8('ab'))
  expect(fragments.finding).toBeNull()
  for (const other of ['ax', 'abc', '']) {
    fragments.add('a', 1, false, utf8(other))
    expect(fragments.finding).toBe('ike.fragment_conflict')
  }
  expect(fragments.add('a', 2, true, utf8('cd'))).toEqual(utf8('abcd'))
  expect(fragments.finding).toBeNull()
})

test('a piece behind the last one, and a last one before others, are refused', () => {
  const fragments = new IkeFragments(2)
  fragments.add('a', 2, true, utf8('cd'))
  fragments.add('a', 3, false, utf8('ef'))
  expect(fragments.finding).toBe('ike.fragment_number')
  fragments.add('a', 1, true, utf8('gh'))
  expect(fragments.finding).toBe('ike.fragment_number')
  expect(fragments.add('a', 1, false, utf8('ab'))).toEqual(utf8('abcd'))
})
