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
  expect(fragments.add('a', 0, true, utf8('a'))).toBeNull()
  expect(fragments.add('a', 65, true, utf8('a'))).toBeNull()
  for (let i = 1; i <= 63; i++) expect(fragments.add('a', i, false, new Uint8Array(1100))).toBeNull()
  expect(fragments.add('a', 64, true, new Uint8Array(1100))).toBeNull()
})
