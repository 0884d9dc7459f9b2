import { expect, test } from 'vitest'
import type { Carrier, CarrierOwner } from '../../src/track/carrier.ts'
import { SameLinks } from '../../src/track/same-links.ts'
import { fromHex } from '../support/craft.ts'

const OWNERS = [{}, {}] as unknown as readonly CarrierOwner[]
const MAGIC = fromHex('0104057805060badcafe')

function carrier(owner: 0 | 1, uid: string): Carrier {
  return { key: 0, owner: OWNERS[owner], uid, userName: undefined, link: null }
}

function found(...notes: readonly (readonly [octets: Uint8Array, by: Carrier, seconds: number])[]): string[] {
  const pairs: string[] = []
  const links = new SameLinks()
  links.attach((first, second) => pairs.push(`${first.uid} ${second.uid}`))
  for (const [octets, by, seconds] of notes) links.note(octets, 0, octets.length, by, seconds * 1e6)
  return pairs
}

const ACCESS = carrier(0, 'o-1')
const SESSION = carrier(1, 's-1')

test('the same octets in carriers of two kinds tie them to each other, in either order', () => {
  expect(found([MAGIC, ACCESS, 0], [MAGIC, SESSION, 1])).toEqual(['o-1 s-1'])
  expect(found([MAGIC, SESSION, 0], [MAGIC, ACCESS, 1])).toEqual(['s-1 o-1'])
})

test('nothing follows from octets that come again in one carrier, late, or in one kind only', () => {
  expect(found([MAGIC, ACCESS, 0], [MAGIC, ACCESS, 1])).toEqual([])
  expect(found([MAGIC, ACCESS, 0], [MAGIC, SESSION, 31])).toEqual([])
  expect(found([MAGIC, ACCESS, 0], [MAGIC, carrier(0, 'o-2'), 1])).toEqual([])
})

test('few octets, and other octets, are no mark', () => {
  expect(found([MAGIC.subarray(0, 7), ACCESS, 0], [MAGIC.subarray(0, 7), SESSION, 1])).toEqual([])
  expect(found([MAGIC, ACCESS, 0], [fromHex('0104057805060badcaff'), SESSION, 1])).toEqual([])
})

test('a record that was given to another carrier is not the one that showed the mark', () => {
  const reused = { ...ACCESS, uid: 'o-1' }
  const links = new SameLinks()
  const pairs: string[] = []
  links.attach((first, second) => pairs.push(`${first.uid} ${second.uid}`))
  links.note(MAGIC, 0, MAGIC.length, reused, 0)
  Object.assign(reused, { uid: 'o-9' })
  links.note(MAGIC, 0, MAGIC.length, SESSION, 1e6)
  expect(pairs).toEqual([])
})

test('marks are bounded: the oldest go', () => {
  const links = new SameLinks()
  const pairs: string[] = []
  links.attach((first, second) => pairs.push(`${first.uid} ${second.uid}`))
  links.note(MAGIC, 0, MAGIC.length, ACCESS, 0)
  for (let i = 0; i < 9000; i++) {
    const other = Uint8Array.from({ length: 12 }, (_, at) => (i >> (at * 2)) & 0xff)
    links.note(other, 0, other.length, ACCESS, 1)
  }
  links.note(MAGIC, 0, MAGIC.length, SESSION, 2)
  expect(pairs).toEqual([])
})
