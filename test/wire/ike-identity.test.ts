import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { distinguishedName, identityText } from '../../src/wire/ike-identity.ts'
import { concat, fromHex, ipBytes, utf8 } from '../support/craft.ts'

function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const body = concat(...parts)
  const head = body.length < 128 ? [tag, body.length] : [tag, 0x82, body.length >> 8, body.length & 255]
  return concat(Uint8Array.from(head), body)
}

function rdn(oid: string, value: string): Uint8Array {
  return der(0x31, der(0x30, der(0x06, fromHex(oid)), der(0x0c, utf8(value))))
}

const NAME = der(0x30, rdn('550406', 'DE'), rdn('55040a', 'Example'), rdn('550403', 'vpn.example'))

test.each([
  [1, ipBytes('192.0.2.7'), '192.0.2.7'],
  [2, utf8('vpn.example'), 'vpn.example'],
  [3, utf8('alice@example'), 'alice@example'],
  [4, concat(ipBytes('10.0.0.0'), ipBytes('255.0.0.0')), '10.0.0.0/255.0.0.0'],
  [5, ipBytes('2001:db8::7'), '2001:db8::7'],
  [6, concat(ipBytes('2001:db8::'), ipBytes('ffff::')), '2001:db8::/ffff::'],
  [7, concat(ipBytes('10.0.0.1'), ipBytes('10.0.0.9')), '10.0.0.1-10.0.0.9'],
  [8, concat(ipBytes('::1'), ipBytes('::2')), '::1-::2'],
  [9, NAME, 'C=DE, O=Example, CN=vpn.example'],
  [11, utf8('group1'), 'group1'],
  [11, fromHex('00ff'), '00ff'],
  [1, fromHex('0a0000'), '0a0000'],
  [9, fromHex('3003020100'), '3003020100'],
  [10, concat(fromHex('820b'), utf8('vpn.example')), 'DNS:vpn.example'],
  [10, concat(fromHex('300f 8704c0000207 8107'), utf8('a@b.org')), 'IP:192.0.2.7, email:a@b.org'],
  [10, der(0xa4, NAME), 'DN:C=DE, O=Example, CN=vpn.example'],
  [10, fromHex('a0020101'), 'a0020101'],
  [10, fromHex('8205aabb'), '8205aabb'],
  [13, new Uint8Array(0), ''],
  [200, fromHex('abcd'), 'abcd'],
])('identity type %i', (type, bytes, expected) => {
  expect(identityText(type, bytes, 0, bytes.length)).toBe(expected)
})

describe('X.500', () => {
  test('names with attributes that have no letters keep their identifier', () => {
    const name = der(0x30, rdn('2a0304', 'x'))
    expect(distinguishedName(name, 0, name.length)).toBe('2a0304=x')
  })

  test('names in BMPString are read', () => {
    const name = der(0x30, der(0x31, der(0x30, der(0x06, fromHex('550403')), der(0x1e, fromHex('00e4 00f6')))))
    expect(distinguishedName(name, 0, name.length)).toBe('CN=äö')
  })

  test('names cut anywhere are none', () => {
    for (let end = 0; end < NAME.length; end++) expect(distinguishedName(NAME, 0, end)).toBeUndefined()
  })

  test('random bytes are no reason to throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.integer({ min: 0, max: 255 }), (bytes, type) => {
        expect(typeof identityText(type, bytes, 0, bytes.length)).toBe('string')
      }),
      { seed: 9 },
    )
  })
})
