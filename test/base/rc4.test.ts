import { expect, test } from 'vitest'
import { hex } from '../../src/base/bytes.ts'
import { Rc4 } from '../../src/base/rc4.ts'
import { fromHex } from '../support/craft.ts'

/** The first 16 octets of the key stream (RFC 6229 section 2). */
const STREAMS = [
  ['0102030405', 'b2396305f03dc027ccc3524a0a1118a8'],
  ['0102030405060708', '97ab8a1bf0afb96132f2f67258da15a8'],
  ['0102030405060708090a0b0c0d0e0f10', '9ac7cc9a609d1ef7b2932899cde41b97'],
] as const

test.each(STREAMS)('the key %s gives the stream of RFC 6229', (key, stream) => {
  const rc4 = new Rc4()
  rc4.start(fromHex(key))
  const zeros = new Uint8Array(16)
  rc4.apply(zeros, 0, 16, zeros, 0)
  expect(hex(zeros, 0, 16)).toBe(stream)
})

test('a stream goes on where it stopped, and starts over with its key', () => {
  const rc4 = new Rc4()
  const key = fromHex('0102030405')
  const whole = new Uint8Array(40)
  rc4.start(key)
  rc4.apply(whole, 0, 40, whole, 0)
  const parts = new Uint8Array(40)
  rc4.start(key)
  rc4.apply(parts, 0, 7, parts, 0)
  rc4.apply(parts, 7, 40, parts, 7)
  expect(parts).toEqual(whole)
})

test('of a longer array only the stated octets are the key', () => {
  const rc4 = new Rc4()
  rc4.start(fromHex('0102030405ffff'), 5)
  const zeros = new Uint8Array(16)
  rc4.apply(zeros, 0, 16, zeros, 0)
  expect(hex(zeros, 0, 16)).toBe('b2396305f03dc027ccc3524a0a1118a8')
})

test('what was encrypted is decrypted by the same, elsewhere', () => {
  const rc4 = new Rc4()
  const message = fromHex('00112233445566778899')
  const sealed = new Uint8Array(14)
  rc4.start(fromHex('aabbcc'))
  rc4.apply(message, 2, 9, sealed, 5)
  expect(hex(sealed, 0, 5)).toBe('0000000000')
  rc4.start(fromHex('aabbcc'))
  rc4.apply(sealed, 5, 12, sealed, 5)
  expect(hex(sealed, 5, 12)).toBe('22334455667788')
})

test('a copy goes on by itself from where the other stood', () => {
  const [rc4, copy] = [new Rc4(), new Rc4()]
  const octets = new Uint8Array(20)
  rc4.start(fromHex('0102030405'))
  rc4.apply(octets, 0, 4, octets, 0)
  copy.copyFrom(rc4)
  rc4.apply(octets, 4, 12, octets, 4)
  copy.apply(octets, 12, 20, octets, 12)
  expect(hex(octets, 12, 20)).toBe(hex(octets, 4, 12))
})
