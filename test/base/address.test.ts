import { isIPv4, isIPv6 } from 'node:net'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { addressText, ipv4Text } from '../../src/base/address.ts'
import { ipBytes } from '../support/craft.ts'

function shown(text: string): string {
  const bytes = ipBytes(text)
  return addressText(bytes, 0, bytes.length)
}

test('IPv4 is dotted text', () => {
  expect(ipv4Text(0xc000_02ff)).toBe('192.0.2.255')
  expect(ipv4Text(-1)).toBe('255.255.255.255')
  expect(shown('0.0.0.0')).toBe('0.0.0.0')
})

test('IPv6 is the canonical text of RFC 5952 section 4', () => {
  expect(shown('2001:0db8::0001')).toBe('2001:db8::1')
  expect(shown('2001:db8:0:0:0:0:2:1')).toBe('2001:db8::2:1')
  expect(shown('2001:db8:0:1:1:1:1:1')).toBe('2001:db8:0:1:1:1:1:1')
  expect(shown('2001:0:0:1:0:0:0:1')).toBe('2001:0:0:1::1')
  expect(shown('2001:db8:0:0:1:0:0:1')).toBe('2001:db8::1:0:0:1')
  expect(shown('2001:DB8:AAAA:bbbb:cccc:dddd:eeee:ffff')).toBe('2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff')
  expect(shown('::')).toBe('::')
  expect(shown('::1')).toBe('::1')
  expect(shown('1::')).toBe('1::')
  expect(shown('0:1:2:3:4:5:6:7')).toBe('0:1:2:3:4:5:6:7')
})

test('IPv6 text is what a URL makes of the address', () => {
  const group = fc.oneof(fc.constant(0), fc.constant(0), fc.integer({ min: 0, max: 0xffff }))
  fc.assert(
    fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
      const bytes = Uint8Array.from(groups.flatMap((word) => [word >> 8, word & 0xff]))
      const canonical = new URL(`http://[${groups.map((word) => word.toString(16)).join(':')}]`).hostname.slice(1, -1)
      const text = addressText(Uint8Array.of(7, ...bytes), 1, 16)
      expect(text).toBe(canonical)
      expect(isIPv6(text)).toBe(true)
    }),
  )
})

test('IPv4 text is read back as the same address', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 4, maxLength: 4 }), (bytes) => {
      const text = addressText(bytes, 0, 4)
      expect(isIPv4(text)).toBe(true)
      expect(ipBytes(text)).toEqual(bytes)
    }),
  )
})
