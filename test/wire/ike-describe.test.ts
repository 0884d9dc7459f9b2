import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { IkePayloadCursor, IkeView } from '../../src/wire/ike.ts'
import { describeIke } from '../../src/wire/ike-describe.ts'
import type { IkePayload, IkePayloadOf } from '../../src/wire/ike-payload.ts'
import { be16, be32, concat, fromHex, utf8 } from '../support/craft.ts'
import { OLD } from '../support/ike-certificates.ts'
import {
  chain,
  COOKIE_I,
  COOKIE_R,
  encrypted,
  message,
  notify1,
  notify2,
  protectedMessage,
  sa1,
  sa2,
  transform1,
  AGGRESSIVE,
  INVALID_KE,
  viewOf,
  describeBytes,
} from '../support/ike.ts'

function only<K extends IkePayload['kind']>(bytes: Uint8Array, kind: K): IkePayloadOf<K> {
  const payload = describeBytes(bytes).payloads.find((candidate) => candidate.kind === kind)
  if (payload === undefined) throw new Error(`no ${kind}`)
  return payload as IkePayloadOf<K>
}

describe('the payloads', () => {
  test('of aggressive mode are described in wire order', () => {
    const described = describeBytes(AGGRESSIVE)
    expect(described).toMatchObject({
      version: '1.0',
      nextPayload: 1,
      exchange: 'aggressive',
      flagNames: [],
      length: 364,
      flaws: [],
    })
    expect(describeBytes(INVALID_KE).flagNames).toEqual(['response'])
    expect(described.payloads.map(({ name, length }) => `${name} ${length}`)).toEqual([
      'SA 56',
      'KE 132',
      'NONCE 36',
      'ID 16',
      'VID 12',
      'VID 20',
      'VID 24',
      'VID 20',
      'VID 20',
    ])
    expect(described.payloads[3]).toMatchObject({ idType: 'ID_FQDN', value: 'vpngroup', protocol: 0, port: 0 })
    expect(described.payloads.slice(4).map((payload) => payload.kind === 'vendor' && payload.vendor)).toEqual([
      'XAUTH',
      'DPD 1.0',
      'IKE fragmentation',
      'NAT-T (RFC 3947)',
      'NAT-T (draft-02\\n)',
    ])
    expect(described.payloads[0]).toMatchObject({
      doi: 'IPSEC',
      situation: 1,
      proposals: [{ number: 1, protocol: 'ISAKMP', spi: '', transforms: [{ number: 1, name: 'KEY_IKE' }] }],
    })
  })

  test('of an IKEv2 refusal name the notification', () => {
    expect(describeBytes(INVALID_KE).payloads).toEqual([
      {
        type: 41,
        name: 'N',
        length: 10,
        isCritical: false,
        kind: 'notify',
        notification: 17,
        notificationName: 'INVALID_KE_PAYLOAD',
        protocol: '0',
        protocolNumber: 0,
        spi: '',
        data: '000e',
        nextType: 0,
        details: { groupNumber: 14, group: 'modp2048' },
      },
    ])
  })

  test('with the E flag are a length', () => {
    expect(describeBytes(encrypted({ responder: COOKIE_R }, 80))).toMatchObject({
      encryptedLength: 80,
      payloads: [],
      flaws: [],
    })
  })

  test('behind SK are not looked for: its next payload lies inside', () => {
    const bytes = protectedMessage({ exchange: 35, flags: 8 }, 60)
    bytes[28] = 35
    expect(describeBytes(bytes).payloads).toEqual([
      { type: 46, name: 'SK', length: 64, isCritical: false, nextType: 35, kind: 'encrypted', dataLength: 60 },
    ])
  })

  test('in SKF say which fragment they are', () => {
    const skf = message({ version: 0x20, exchange: 35 }, [[53, concat(be16(2), be16(3), new Uint8Array(40))]])
    expect(only(skf, 'encrypted')).toMatchObject({ name: 'SKF', dataLength: 40, fragment: 2, fragments: 3 })
  })

  test('with the critical bit are marked', () => {
    const bytes = message({ version: 0x20, exchange: 34 }, [[99, new Uint8Array(4)]])
    bytes[29] = 0x80
    expect(describeBytes(bytes).payloads).toEqual([
      { type: 99, name: '99', length: 8, isCritical: true, nextType: 0, kind: 'other', dataLength: 4 },
    ])
  })

  test('with a length below 4, or beyond the message, end the walk with a flaw', () => {
    for (const length of [0, 3, 9, 0xffff]) {
      const bytes = message({}, [[13, new Uint8Array(4)]])
      bytes.set(be16(length), 30)
      const cursor = new IkePayloadCursor().over(viewOf(bytes))
      expect(cursor.next()).toBe(false)
      expect(cursor.flaw).toBe('ike.payload_length')
    }
  })

  test('that are announced and absent are truncated', () => {
    expect(describeBytes(message({ next: 1 }, [])).flaws).toEqual(['ike.payload_truncated'])
  })

  test('too short for their fields are kept without them', () => {
    for (const [version, type, least] of [
      [0x10, 5, 4],
      [0x10, 11, 8],
      [0x10, 12, 8],
      [0x20, 34, 4],
      [0x20, 41, 4],
      [0x20, 44, 4],
      [0x20, 47, 4],
      [0x20, 48, 4],
    ] as const) {
      for (let length = 0; length < least; length++) {
        const described = describeBytes(
          message({ version, exchange: version === 0x10 ? 5 : 34 }, [[type, new Uint8Array(length)]]),
        )
        expect(described.flaws).toEqual(['ike.field_length'])
        expect(described.payloads).toMatchObject([{ type, kind: 'other' }])
      }
    }
  })
})

describe('a payload', () => {
  test('KE of IKEv2 names its group, the ones of post-quantum cryptography too', () => {
    const ke = (group: number) =>
      only(message({ version: 0x20, exchange: 34 }, [[34, concat(be16(group), be16(0), new Uint8Array(32))]]), 'ke')
    expect(ke(31)).toMatchObject({ group: 'curve25519', dataLength: 32 })
    expect(ke(36)).toMatchObject({ group: 'ml-kem-768' })
    expect(ke(999)).toMatchObject({ group: '999' })
  })

  test('D lists the SPIs', () => {
    const body = concat(be32(1), Uint8Array.of(3, 4), be16(2), be32(0xc0ffee01), be32(0xc0ffee02))
    expect(only(message({ exchange: 5, responder: COOKIE_R }, [[12, body]]), 'delete')).toMatchObject({
      protocol: 'ESP',
      spis: ['c0ffee01', 'c0ffee02'],
    })
    const short = describeBytes(message({ exchange: 5 }, [[12, body.subarray(0, 12)]]))
    expect(short.flaws).toEqual(['ike.field_length'])
  })

  test('N keeps SPI and data', () => {
    const body = concat(be32(1), Uint8Array.of(1, 16), be16(36136), fromHex(COOKIE_I + COOKIE_R), be32(7))
    expect(only(message({ exchange: 5 }, [[11, body]]), 'notify')).toMatchObject({
      notificationName: 'R-U-THERE',
      spi: COOKIE_I + COOKIE_R,
      data: '00000007',
    })
  })

  test('TS reads the ranges of both families', () => {
    const v4 = concat(Uint8Array.of(7, 17), be16(16), be16(1701), be16(1701), Uint8Array.of(10, 0, 0, 1, 10, 0, 0, 9))
    const v6 = concat(
      Uint8Array.of(8, 0),
      be16(40),
      be16(0),
      be16(65535),
      new Uint8Array(16),
      new Uint8Array(16).fill(255),
    )
    const bytes = message({ version: 0x20, exchange: 36 }, [[44, concat(Uint8Array.of(2, 0, 0, 0), v4, v6)]])
    expect(only(bytes, 'ts').selectors).toEqual([
      {
        typeNumber: 7,
        type: 'TS_IPV4_ADDR_RANGE',
        protocol: 17,
        protocolName: 'udp',
        length: 16,
        startPort: 1701,
        endPort: 1701,
        startAddress: '10.0.0.1',
        endAddress: '10.0.0.9',
      },
      {
        typeNumber: 8,
        type: 'TS_IPV6_ADDR_RANGE',
        protocol: 0,
        length: 40,
        startPort: 0,
        endPort: 65535,
        startAddress: '::',
        endAddress: 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
      },
    ])
  })

  test('ID names protocol and port in IKEv1, and the type by the version', () => {
    const body = concat(Uint8Array.of(3, 17), be16(1701), utf8('alice@example'))
    expect(only(message({ exchange: 32 }, [[5, body]]), 'id')).toMatchObject({
      idTypeNumber: 3,
      idType: 'ID_USER_FQDN',
      value: 'alice@example',
      dataLength: 13,
      protocol: 17,
      protocolName: 'udp',
      port: 1701,
    })
    const v2 = only(message({ version: 0x20, exchange: 35 }, [[35, body]]), 'id')
    expect(v2).toMatchObject({ name: 'IDi', idType: 'ID_RFC822_ADDR' })
    expect(v2.protocol).toBeUndefined()
  })

  test('CERTREQ lists authorities: names in IKEv1, hashes of keys in IKEv2', () => {
    const name = fromHex('300e310c300a06035504030c0363 6131')
    expect(only(message({}, [[7, concat(Uint8Array.of(4), name)]]), 'certreq')).toMatchObject({
      encodingNumber: 4,
      authorities: ['CN=ca1'],
    })
    const hashes = concat(Uint8Array.of(4), new Uint8Array(20).fill(1), new Uint8Array(20).fill(2), new Uint8Array(3))
    expect(only(message({ version: 0x20, exchange: 34 }, [[38, hashes]]), 'certreq').authorities).toEqual([
      '01'.repeat(20),
      '02'.repeat(20),
    ])
  })

  test('AUTH of RFC 7427 names its algorithm', () => {
    const ed25519 = concat(Uint8Array.of(14, 0, 0, 0, 7), fromHex('300506032b6570'), new Uint8Array(64))
    expect(only(message({ version: 0x20, exchange: 35 }, [[39, ed25519]]), 'auth')).toMatchObject({
      methodNumber: 14,
      method: 'digital signature',
      algorithm: '1.3.101.112',
      dataLength: 72,
    })
    for (let end = 4; end < 12; end++) {
      const { algorithm } = only(message({ version: 0x20, exchange: 35 }, [[39, ed25519.subarray(0, end)]]), 'auth')
      expect(algorithm).toBeUndefined()
    }
  })

  test('what authenticates is a length only', () => {
    const secret = new Uint8Array(20).fill(0xee)
    const described = [
      describeBytes(
        message({ exchange: 4 }, [
          [8, secret],
          [9, secret],
        ]),
      ),
      describeBytes(message({ version: 0x20, exchange: 35 }, [[39, concat(Uint8Array.of(2, 0, 0, 0), secret)]])),
    ]
    expect(JSON.stringify(described)).not.toContain('eeee')
  })

  test('GSPM and PS are shown, GDOI is read, and what nobody knows is a length', () => {
    const v2 = (type: number) => message({ version: 0x20, exchange: 34 }, [[type, Uint8Array.of(1, 2)]])
    expect(only(v2(49), 'data')).toMatchObject({ name: 'GSPM', dataLength: 2, data: '0102' })
    expect(only(v2(54), 'data')).toMatchObject({ name: 'PS' })
    expect(only(v2(51), 'other')).toMatchObject({ name: 'GSA', dataLength: 2 })
    expect(only(message({ exchange: 33 }, [[18, be32(5)]]), 'gdoi')).toMatchObject({ name: 'SEQ', sequence: 5 })
  })

  test('large values are shown to a bound', () => {
    const ke = only(message({ version: 0x20, exchange: 34 }, [[34, new Uint8Array(60_000)]]), 'ke')
    expect(ke.dataLength).toBe(59_996)
    expect(ke.data).toHaveLength(8192)
  })

  test('CP names its attributes, and of a password its length only', () => {
    const xauth = concat(
      Uint8Array.of(2, 0),
      be16(1),
      be16(16521),
      be16(5),
      utf8('alice'),
      be16(16522),
      be16(6),
      utf8('secret'),
      be16(0x8000 | 16527),
      be16(1),
    )
    const config = only(message({ exchange: 6 }, [[14, xauth]]), 'config')
    expect(config).toMatchObject({
      configType: 'CFG_REPLY',
      attributes: [
        { type: 16521, name: 'XAUTH_USER_NAME', length: 5, value: 'alice' },
        { type: 16522, name: 'XAUTH_USER_PASSWORD', length: 6 },
        { type: 16527, name: 'XAUTH_STATUS', length: 2, value: 'success' },
      ],
    })
    expect(JSON.stringify(config)).not.toContain('secret')
  })

  test('AUTH, EAP, CERT, CERTREQ and NAT-OA are read', () => {
    const v2 = (type: number, ...body: number[]) =>
      message({ version: 0x20, exchange: 35 }, [[type, Uint8Array.from(body)]])
    expect(only(v2(39, 2, 0, 0, 0, 1, 2), 'auth')).toMatchObject({
      method: 'shared key message integrity code',
      dataLength: 2,
    })
    expect(only(v2(48, 1, 9, 0, 5, 26), 'eap')).toMatchObject({
      codeNumber: 1,
      code: 'Request',
      identifier: 9,
      eapLength: 5,
      eapType: 26,
      eapTypeName: 'EAP-MSCHAPv2',
    })
    expect(only(v2(37, 4, 1, 2, 3), 'cert')).toMatchObject({ encoding: 'X.509 signature', dataLength: 3 })
    expect(only(v2(38, 4), 'certreq')).toMatchObject({ encoding: 'X.509 signature', dataLength: 0 })
    expect(only(message({ exchange: 32 }, [[21, Uint8Array.of(1, 0, 0, 0, 192, 0, 2, 1)]]), 'natoa')).toMatchObject({
      address: '192.0.2.1',
    })
  })

  test('that is a fragment points at its bytes', () => {
    const bytes = message({ next: 132, flags: 1 }, [[132, concat(be16(3), Uint8Array.of(2, 1), utf8('abc'))]])
    const piece = only(bytes, 'fragment')
    expect(piece).toMatchObject({ packet: 3, fragment: 2, isLast: true })
    expect(bytes.subarray(piece.start, piece.end)).toEqual(utf8('abc'))
  })
})

describe('hostile bytes', () => {
  const SEEDS = [
    AGGRESSIVE,
    INVALID_KE,
    message({ version: 0x20, exchange: 34 }, [
      [
        33,
        sa2([
          [1, 12, 256],
          [2, 5],
          [3, 12],
          [4, 14],
        ]),
      ],
      [41, notify2(16388, new Uint8Array(20))],
    ]),
    message({}, [
      [1, sa1([transform1([7, 4, 1, 14])])],
      [11, notify1(14)],
      [12, new Uint8Array(12)],
    ]),
  ]

  test('give payloads that lie inside the message', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...SEEDS),
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 12 }),
        fc.nat(),
        (seed, changes, cut) => {
          const bytes = seed.slice()
          for (const [at, value] of changes) bytes[at % bytes.length] = value
          const ike = new IkeView()
          if (ike.decode(bytes, 0, bytes.length - (cut % 8), bytes.length) !== null) return
          const cursor = new IkePayloadCursor().over(ike)
          let walked = 0
          while (cursor.next()) {
            walked++
            expect(cursor.valueStart).toBeLessThanOrEqual(cursor.valueEnd)
            expect(cursor.valueEnd).toBeLessThanOrEqual(ike.payloadEnd)
          }
          const described = describeIke(ike)
          expect(described.payloads.length).toBe(walked)
        },
      ),
      { numRuns: 2000, seed: 7 },
    )
  })

  test('of any kind behind a sound header are described', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.integer({ min: 1, max: 255 }),
        fc.constantFrom(0x10, 0x20),
        (body, next, version) => {
          const bytes = concat(
            message({ version, exchange: version === 0x10 ? 2 : 34, next, length: 28 + body.length }, []),
            body,
          )
          const { payloads, flaws } = describeBytes(bytes)
          const length = payloads.reduce((sum, payload) => sum + payload.length, 0)
          expect(length).toBeLessThanOrEqual(body.length)
          expect(flaws.every((flaw) => flaw.startsWith('ike.'))).toBe(true)
        },
      ),
      { numRuns: 2000, seed: 8 },
    )
  })

  test('behind the last payload, or behind the message, are told', () => {
    const extra = message({ next: 13, length: 28 + 8 + 5 }, [])
    const body = concat(fromHex('00000008aabbccdd'), utf8('extra'))
    expect(describeBytes(concat(extra, body))).toMatchObject({ extraLength: 5, flaws: ['ike.extra_data'] })
    expect(describeBytes(concat(message({}, [[13, utf8('abcd')]]), utf8('x'))).flaws).toEqual(['ike.trailing_data'])
    for (const bytes of [AGGRESSIVE, INVALID_KE, encrypted({}, 40), protectedMessage({ exchange: 35 }, 60)])
      expect(describeBytes(bytes)).not.toHaveProperty('extraLength')
  })

  test('that are certificates are read as long as they are as many as a chain has', () => {
    const body = concat(Uint8Array.of(4), OLD)
    const many = Array.from({ length: 20 }, (): [number, Uint8Array] => [6, body])
    const read = describeBytes(message({ exchange: 4 }, many)).payloads.map((payload) => 'certificate' in payload)
    expect(read.filter(Boolean)).toHaveLength(8)
    expect(read).toHaveLength(20)
  })

  test('cannot make the list of payloads long', () => {
    const many = Array.from({ length: 5000 }, (): [number, Uint8Array] => [13, new Uint8Array(0)])
    expect(describeBytes(message({}, many)).payloads).toHaveLength(256)
    expect(chain(many)).toHaveLength(20_000)
  })
})
