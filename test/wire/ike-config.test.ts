import { expect, test } from 'vitest'
import { type ConfigAttribute, readConfigAttributes } from '../../src/wire/ike-config.ts'
import { be16, be32, concat, fromHex, ipBytes, utf8 } from '../support/craft.ts'

const tlv = (type: number, value: Uint8Array) => concat(be16(type), be16(value.length), value)

function read(version: number, bytes: Uint8Array, end = bytes.length) {
  const attributes: ConfigAttribute[] = []
  return { isWhole: readConfigAttributes(version, bytes, 0, end, attributes), attributes }
}

test.each([
  [1, 'INTERNAL_IP4_ADDRESS', ipBytes('10.1.2.3'), '10.1.2.3'],
  [5, 'INTERNAL_ADDRESS_EXPIRY', be32(3600), 3600],
  [7, 'APPLICATION_VERSION', utf8('Cisco Systems VPN Client 4.8'), 'Cisco Systems VPN Client 4.8'],
  [8, 'INTERNAL_IP6_ADDRESS', concat(ipBytes('2001:db8::1'), Uint8Array.of(64)), '2001:db8::1/64'],
  [10, 'INTERNAL_IP6_DNS', ipBytes('2001:db8::53'), '2001:db8::53'],
  [13, 'INTERNAL_IP4_SUBNET', concat(ipBytes('10.0.0.0'), ipBytes('255.0.0.0')), '10.0.0.0/255.0.0.0'],
  [14, 'SUPPORTED_ATTRIBUTES', fromHex('000100030008'), 'INTERNAL_IP4_ADDRESS, INTERNAL_IP4_DNS, INTERNAL_IP6_ADDRESS'],
  [25, 'INTERNAL_DNS_DOMAIN', utf8('corp.example'), 'corp.example'],
  [16521, 'XAUTH_USER_NAME', utf8('alice'), 'alice'],
  [16524, 'XAUTH_MESSAGE', utf8('Enter passcode'), 'Enter passcode'],
  [28672, 'UNITY_BANNER', utf8('welcome'), 'welcome'],
  [
    28676,
    'UNITY_SPLIT_INCLUDE',
    concat(ipBytes('10.0.0.0'), ipBytes('255.0.0.0'), new Uint8Array(6)),
    '10.0.0.0/255.0.0.0',
  ],
  [1, 'INTERNAL_IP4_ADDRESS', fromHex('0a01'), undefined],
  [1, 'INTERNAL_IP4_ADDRESS', new Uint8Array(0), undefined],
  [22222, '22222', utf8('who knows'), undefined],
])('attribute %i is %s', (type, name, value, expected) => {
  const [attribute] = read(2, tlv(type, value)).attributes
  expect(attribute).toMatchObject({ type, name, isShort: false, length: value.length })
  expect(attribute.value).toBe(expected)
})

test.each([16522, 16523, 16528, 16529])('attribute %i is a secret: its length only', (type) => {
  const [attribute] = read(1, tlv(type, utf8('hunter2'))).attributes
  expect(attribute).toEqual({ type, name: expect.stringMatching(/^XAUTH_/), isShort: false, length: 7 })
})

test('short attributes are of IKEv1 only', () => {
  const status = concat(be16(0x8000 | 16527), be16(1))
  const type = concat(be16(0x8000 | 16520), be16(0))
  expect(read(1, concat(status, type)).attributes).toEqual([
    { type: 16527, name: 'XAUTH_STATUS', isShort: true, length: 2, value: 'success' },
    { type: 16520, name: 'XAUTH_TYPE', isShort: true, length: 2, value: 'generic' },
  ])
  expect(read(2, concat(be16(0x8000 | 7), be16(2), utf8('ab'))).attributes).toEqual([
    { type: 7, name: 'APPLICATION_VERSION', isShort: false, length: 2, value: 'ab' },
  ])
})

test('a list that is cut anywhere but between attributes says so, and keeps what stands before', () => {
  const bytes = concat(tlv(1, ipBytes('10.1.2.3')), tlv(7, utf8('abc')))
  for (let end = 0; end <= bytes.length; end++) {
    const { isWhole, attributes } = read(2, bytes, end)
    expect(isWhole, `${end} octets`).toBe(end === 0 || end === 8 || end === bytes.length)
    expect(attributes.length).toBe(end < 8 ? 0 : end < bytes.length ? 1 : 2)
  }
})

test('a list is bounded', () => {
  expect(read(2, new Uint8Array(40_000)).attributes).toHaveLength(256)
})
