import { describe, expect, test } from 'vitest'
import { notificationDetails, notificationName } from '../../src/wire/ike-notify.ts'
import { be16, be32, concat, fromHex, ipBytes, utf8 } from '../support/craft.ts'

function details(version: number, notification: number, data: Uint8Array, protocol = 0) {
  return notificationDetails(version, notification, protocol, data, 0, data.length)
}

test.each([
  [1, 14, 'NO-PROPOSAL-CHOSEN'],
  [1, 36136, 'R-U-THERE'],
  [1, 40501, 'UNITY-LOAD-BALANCE'],
  [1, 12345, 'NOTIFY-STATUS (Microsoft)'],
  [1, 9999, '9999'],
  [2, 14, 'NO_PROPOSAL_CHOSEN'],
  [2, 47, 'STATE_NOT_FOUND'],
  [2, 48, 'TS_MAX_QUEUE'],
  [2, 49, 'REGISTRATION_FAILED'],
  [2, 16435, 'USE_PPK'],
  [2, 16438, 'INTERMEDIATE_EXCHANGE_SUPPORTED'],
  [2, 16441, 'ADDITIONAL_KEY_EXCHANGE'],
  [2, 16442, 'USE_AGGFRAG'],
  [2, 16443, 'SUPPORTED_AUTH_METHODS'],
  [2, 16444, 'SA_RESOURCE_INFO'],
  [2, 16447, 'IKE_SA_INIT_FULL_TRANSCRIPT_AUTH'],
  [2, 8192, 'PDN_CONNECTION_REJECTION (3GPP) or ME_CONNECT_FAILED (strongSwan)'],
  [2, 41101, 'DEVICE_IDENTITY (3GPP)'],
  [2, 65535, '65535'],
])('notification %i/%i is %s', (version, notification, name) => {
  expect(notificationName(version, notification)).toBe(name)
})

const SHORT = [
  [1, 24577, be32(1), { replayDetection: true }],
  [1, 36136, be32(77), { sequence: 77 }],
  [1, 36137, be32(77), { sequence: 77 }],
  [1, 40501, ipBytes('192.0.2.9'), { address: '192.0.2.9' }],
  [1, 12345, be32(13801), { status: 13801 }],
  [2, 1, Uint8Array.of(36), { payloadType: 36, payload: 'IDr' }],
  [2, 9, be32(5), { messageId: 5 }],
  [2, 11, be32(0xc0ffee01), { spi: 'c0ffee01' }],
  [2, 17, be16(31), { groupNumber: 31, group: 'curve25519' }],
  [2, 16385, be32(16), { windowSize: 16 }],
  [2, 16387, fromHex('1234 02'), { cpi: 0x1234, transformId: 2, transform: 'IPCOMP_DEFLATE' }],
  [2, 16397, ipBytes('192.0.2.9'), { address: '192.0.2.9' }],
  [2, 16398, ipBytes('2001:db8::9'), { address: '2001:db8::9' }],
  [2, 16403, be32(3600), { lifetimeSeconds: 3600 }],
  [2, 16422, concat(be32(1), be32(2), be32(3)), { nonce: 1, expectedSendMessageId: 2, expectedReceiveMessageId: 3 }],
  [2, 16442, Uint8Array.of(1), { flags: 1 }],
  [2, 55502, ipBytes('192.0.2.9'), { address: '192.0.2.9' }],
  [2, 55503, ipBytes('2001:db8::9'), { address: '2001:db8::9' }],
  [2, 55506, be16(4500), { port: 4500 }],
] as const

test.each(SHORT)(
  'the data of %i/%i are read, and cut anywhere they are not',
  (version, notification, data, expected) => {
    expect(details(version, notification, data)).toEqual(expected)
    for (let end = 0; end < data.length; end++)
      expect(notificationDetails(version, notification, 0, data, 0, end)).toBeUndefined()
  },
)

describe('data of varying length', () => {
  test('name the lifetime of the phase that the notification is about', () => {
    const data = concat(fromHex('800b 0001 000c 0004'), be32(3600))
    expect(details(1, 24576, data, 1)).toMatchObject({
      attributes: [
        { name: 'life type', text: 'seconds' },
        { name: 'life duration', value: 3600 },
      ],
    })
    expect(details(1, 24576, concat(fromHex('8001 0001 8002 0e10')), 3)).toMatchObject({
      attributes: [{ name: 'life type' }, { name: 'life duration', value: 3600 }],
    })
    // Of one that is cut, the attributes that are whole.
    const counts = Array.from({ length: data.length + 1 }, (_, end) => {
      const { attributes } = notificationDetails(1, 24576, 1, data, 0, end) as {
        readonly attributes: readonly unknown[]
      }
      return attributes.length
    })
    expect(counts).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2])
  })

  test('name where a client is sent', () => {
    expect(details(2, 16407, concat(fromHex('0104'), ipBytes('192.0.2.9'), new Uint8Array(20)))).toEqual({
      gatewayTypeNumber: 1,
      gatewayType: 'IPv4',
      gateway: '192.0.2.9',
      nonceLength: 20,
    })
    expect(details(2, 16407, concat(fromHex('0210'), ipBytes('2001:db8::9')))).toMatchObject({ gateway: '2001:db8::9' })
    expect(details(2, 16408, concat(fromHex('030b'), utf8('vpn.example')))).toMatchObject({
      gatewayType: 'FQDN',
      gateway: 'vpn.example',
    })
    expect(details(2, 16407, fromHex('0902abcd'))).toMatchObject({ gatewayType: '9', gateway: 'abcd' })
    expect(details(2, 16407, fromHex('0104c0'))).toBeUndefined()
    expect(details(2, 16407, fromHex('01'))).toBeUndefined()
  })

  test('list algorithms and methods by name', () => {
    expect(details(2, 16431, fromHex('0001000200030004000500070063'))).toEqual({
      algorithms: ['SHA1', 'SHA2-256', 'SHA2-384', 'SHA2-512', 'Identity', 'STREEBOG_512', '99'],
    })
    expect(details(2, 16424, fromHex('0001000300'))).toEqual({ methods: ['PACE', 'Secure PSK Authentication'] })
    expect(details(2, 16443, fromHex('0202 0301aa 050ebbccdd 00'))).toEqual({
      methods: ['shared key message integrity code', 'RSA digital signature', 'digital signature'],
    })
    expect(details(2, 16431, new Uint8Array(4000))).toMatchObject({ algorithms: { length: 64 } })
  })

  test('tell of tickets, tokens and puzzles how long they are', () => {
    expect(details(2, 16409, concat(be32(86400), new Uint8Array(200)))).toEqual({
      lifetimeSeconds: 86400,
      ticketLength: 200,
    })
    expect(details(2, 16413, new Uint8Array(200))).toEqual({ ticketLength: 200 })
    expect(details(2, 16419, new Uint8Array(16))).toEqual({ tokenLength: 16 })
    expect(details(2, 16434, concat(be16(5), Uint8Array.of(18), new Uint8Array(20)))).toEqual({
      prf: 'PRF_HMAC_SHA2_256',
      difficulty: 18,
      cookieLength: 20,
    })
  })

  test('read PPK identities and ROHC parameters', () => {
    expect(details(2, 16436, concat(Uint8Array.of(2), utf8('branch-7')))).toEqual({
      ppkIdType: 'PPK_ID_FIXED',
      ppkId: 'branch-7',
    })
    expect(details(2, 16436, fromHex('0100ff'))).toEqual({ ppkIdType: 'PPK_ID_OPAQUE', ppkId: '00ff' })
    expect(details(2, 16416, fromHex('8001000f 80020006'))).toEqual({
      attributes: [
        { name: 'MAX_CID', value: 15 },
        { name: 'ROHC_PROFILE', value: 6 },
      ],
    })
  })

  test('that nobody registered are told if they are words', () => {
    expect(details(2, 14, utf8('";id;echo -n "'))).toEqual({ text: '";id;echo -n "' })
    expect(details(2, 14, utf8('short'))).toBeUndefined()
    expect(details(1, 14, fromHex('00112233445566778899'))).toBeUndefined()
    expect((details(1, 16, new Uint8Array(4000).fill(0x41)) as { text: string }).text).toHaveLength(512)
  })
})
