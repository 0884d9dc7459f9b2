import { describe, expect, test } from 'vitest'
import { exchangeName, IkePayloadCursor, IkeView } from '../../src/wire/ike.ts'
import { describeIke } from '../../src/wire/ike-describe.ts'
import { be32, concat, fromHex } from '../support/craft.ts'
import { encrypted, message, protectedMessage } from '../support/ike.ts'

/** Aggressive mode, message 1, of a strongSwan initiator: SA, KE, NONCE, ID "vpngroup", five vendor ids. */
const AGGRESSIVE = fromHex(
  '37ff1673787927de000000000000000001100400000000000000016c0400003800000001000000010000002c01010001000000240101000080010007800e0080' +
    '800200028004000280030001800b0001800c2a300a000084d79c8bf4cfb27937f7547819f0a1cecb6841f8bb2207e417b1cf6c4b487fed8224955b95e52346bb' +
    '572c70bd1ab6e8f6a39f4d3c46d695f64cbde8e799e43fc899e0c137e846b31c9576ba840a34dd269d766aaaab09f65ad518bea40eee9776c5eeda0955ddf82f' +
    '29ebd90576cb2a96e7b3551389c481dae38c19dc9aa7834a05000024643d57ee2ddc7996f3798db25c6fa688d7ceb478487bb12c0e26fe7e53a8fee20d000010' +
    '0200000076706e67726f75700d00000c09002689dfd6b7120d000014afcad71368a1f1c96b8696fc775701000d0000184048b7d56ebce88525e7de7f00d6c2d3' +
    '800000000d0000144a131c81070358455c5728f20e95452f0000001490cb80913ebb696e086381b5ec427b1f',
)

/** IKE_SA_INIT response of a responder that wants group 14. */
const INVALID_KE = fromHex('f472e139959adec400000000000000002920222000000000000000260000000a00000011000e')

function view(bytes: Uint8Array): IkeView {
  const decoded = new IkeView()
  expect(decoded.decode(bytes, 0, bytes.length)).toBeNull()
  return decoded
}

function describeBytes(bytes: Uint8Array) {
  return describeIke(view(bytes))
}

describe('the header', () => {
  test('is read', () => {
    const ike = view(AGGRESSIVE)
    expect(ike).toMatchObject({
      version: 1,
      minorVersion: 0,
      exchangeType: 4,
      flags: 0,
      messageId: 0,
      length: 364,
      nextPayload: 1,
      trailing: 0,
    })
    expect(ike.initiatorSpi).toBe('37ff1673787927de')
    expect(ike.isUnanswered).toBe(true)
    expect(ike.isOpaque).toBe(false)
  })

  test('of IKEv2 says who sends and whether it answers', () => {
    expect(view(INVALID_KE)).toMatchObject({ version: 2, isResponse: true, isFromInitiator: false })
  })

  test('of every truncation is a flaw', () => {
    const ike = new IkeView()
    for (let end = 0; end < AGGRESSIVE.length; end++) {
      expect(ike.decode(AGGRESSIVE, 0, end)).toBe(end < 28 ? 'ike.truncated' : 'ike.length')
    }
  })

  test('cut by the capture is read, and its payloads are truncated', () => {
    for (let end = 28; end < AGGRESSIVE.length; end++) {
      const ike = new IkeView()
      expect(ike.decode(AGGRESSIVE, 0, end, AGGRESSIVE.length)).toBeNull()
      const { flaws } = describeIke(ike)
      expect(flaws).toContain('ike.payload_truncated')
    }
  })

  test.each([
    ['a version that is neither 1 nor 2', { version: 0x30 }, 'ike.version'],
    ['a length below the header', { length: 27 }, 'ike.length'],
    ['a length beyond the datagram', { length: 29 }, 'ike.length'],
    ['no initiator', { initiator: '0000000000000000' }, 'ike.initiator_spi'],
  ])('with %s is a flaw', (_, fields, flaw) => {
    const bytes = message(fields, [])
    expect(new IkeView().decode(bytes, 0, bytes.length)).toBe(flaw)
  })

  test('and what follows the message in the datagram is a finding', () => {
    expect(describeBytes(concat(message({}, []), be32(0))).flaws).toEqual(['ike.trailing_data'])
  })
})

describe('the walk over the payloads', () => {
  const walk = (bytes: Uint8Array) => {
    const cursor = new IkePayloadCursor().over(view(bytes))
    const seen: string[] = []
    while (cursor.next()) seen.push(`${cursor.type} ${cursor.length} > ${cursor.followingType}`)
    return { seen, flaw: cursor.flaw }
  }

  test('gives every payload with what it says that follows', () => {
    expect(walk(AGGRESSIVE)).toEqual({
      seen: [
        '1 56 > 4',
        '4 132 > 10',
        '10 36 > 5',
        '5 16 > 13',
        '13 12 > 13',
        '13 20 > 13',
        '13 24 > 13',
        '13 20 > 13',
        '13 20 > 0',
      ],
      flaw: null,
    })
  })

  test('ends at what is encrypted, and keeps the type of what lies inside', () => {
    const bytes = protectedMessage({ exchange: 35, flags: 8 }, 60)
    bytes[28] = 35
    expect(walk(bytes)).toEqual({ seen: ['46 64 > 35'], flaw: null })
    expect(walk(encrypted({ flags: 1 }, 60))).toEqual({ seen: [], flaw: null })
  })

  test('tells the critical bit of IKEv2 from bits that mean nothing', () => {
    const reservedOf = (version: number, octet: number) => {
      const bytes = message({ version, exchange: version === 0x10 ? 2 : 34 }, [[99, new Uint8Array(4)]])
      bytes[29] = octet
      const cursor = new IkePayloadCursor().over(view(bytes))
      cursor.next()
      return [cursor.isCritical, cursor.reserved]
    }
    expect(reservedOf(0x20, 0x80)).toEqual([true, 0])
    expect(reservedOf(0x20, 0x81)).toEqual([true, 1])
    expect(reservedOf(0x10, 0x80)).toEqual([false, 0x80])
  })

  test('of every truncation that the capture made ends with a flaw', () => {
    for (let end = 28; end < AGGRESSIVE.length; end++) {
      const ike = new IkeView()
      expect(ike.decode(AGGRESSIVE, 0, end, AGGRESSIVE.length)).toBeNull()
      const cursor = new IkePayloadCursor().over(ike)
      while (cursor.next()) expect(cursor.valueEnd).toBeLessThanOrEqual(end)
      expect(cursor.flaw).toBe('ike.payload_truncated')
    }
  })
})

test.each([
  [1, 2, 'main'],
  [1, 32, 'quick'],
  [1, 99, '99'],
  [2, 34, 'IKE_SA_INIT'],
  [2, 39, 'GSA_AUTH'],
  [2, 44, 'IKE_FOLLOWUP_KE'],
  [2, 2, '2'],
])('exchange %i/%i is %s', (version, exchange, name) => {
  expect(exchangeName(version, exchange)).toBe(name)
})
