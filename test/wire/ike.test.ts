import { describe, expect, test } from 'vitest'
import { exchangeName, IkePayloadCursor, IkeView } from '../../src/wire/ike.ts'
import { describeIke } from '../../src/wire/ike-describe.ts'
import { be32, concat } from '../support/craft.ts'
import { encrypted, message, protectedMessage, AGGRESSIVE, INVALID_KE, viewOf, describeBytes } from '../support/ike.ts'

describe('the header', () => {
  test('is read', () => {
    const ike = viewOf(AGGRESSIVE)
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
    expect(viewOf(INVALID_KE)).toMatchObject({ version: 2, isResponse: true, isFromInitiator: false })
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
    const cursor = new IkePayloadCursor().over(viewOf(bytes))
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
      const cursor = new IkePayloadCursor().over(viewOf(bytes))
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
