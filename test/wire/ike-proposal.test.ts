import { describe, expect, test } from 'vitest'
import { describeSa, type IkeSaFlaw, suitesOf, transformCount } from '../../src/wire/ike-proposal.ts'
import { be16, be32, concat } from '../support/craft.ts'
import { attribute, sa1, sa2, transform1 } from '../support/ike.ts'

function read(version: number, bytes: Uint8Array) {
  const flaws: IkeSaFlaw[] = []
  return { sa: describeSa(version, bytes, 0, bytes.length, flaws), flaws }
}

describe('IKEv1 phase 1', () => {
  const AES = transform1(
    [7, 4, 1, 14],
    [attribute(14, 256), attribute(11, 1), concat(be16(12), be16(4), be32(86400))],
    false,
  )
  const DES = transform1([1, 1, 65001, 1])

  test('gives a suite a transform, in words and one by one', () => {
    const { sa, flaws } = read(1, sa1([AES, DES]))
    expect(flaws).toEqual([])
    expect(transformCount(sa)).toBe(2)
    expect(suitesOf(sa)).toEqual([
      {
        text: 'AES-CBC-256/SHA2-256/modp2048/PSK',
        encryption: 'AES-CBC-256',
        integrity: 'SHA2-256',
        prf: undefined,
        group: 'modp2048',
        authentication: 'PSK',
        lifetime: '86400 seconds',
      },
      {
        text: 'DES-CBC/MD5/modp768/XAUTH-INIT-PSK',
        encryption: 'DES-CBC',
        integrity: 'MD5',
        prf: undefined,
        group: 'modp768',
        authentication: 'XAUTH-INIT-PSK',
        lifetime: undefined,
      },
    ])
  })

  test('reads attributes of both formats', () => {
    const [first] = read(1, sa1([AES])).sa.proposals[0].transforms
    expect(first.attributes.map(({ name, value, text }) => [name, value, text])).toEqual([
      ['encryption', 7, 'AES-CBC'],
      ['hash', 4, 'SHA2-256'],
      ['authentication', 1, 'PSK'],
      ['group', 14, 'modp2048'],
      ['key length', 256, '256'],
      ['life type', 1, 'seconds'],
      ['life duration', 86400, '86400'],
    ])
  })

  test('keeps a long attribute as hexadecimal digits', () => {
    const prime = concat(be16(6), be16(8), be32(0xffffffff), be32(0xc90fdaa2))
    const [transform] = read(1, sa1([transform1([5, 2, 1, 2], [prime])])).sa.proposals[0].transforms
    expect(transform.attributes.at(-1)).toEqual({
      type: 6,
      name: 'group prime',
      isShort: false,
      length: 8,
      value: 'ffffffffc90fdaa2',
      text: 'ffffffffc90fdaa2',
    })
  })

  test('every truncation has a flaw', () => {
    const whole = sa1([AES, DES])
    for (let end = 0; end < whole.length; end++) {
      const flaws: IkeSaFlaw[] = []
      describeSa(1, whole, 0, end, flaws)
      // Without any proposal there is nothing wrong but that there is none.
      expect(flaws.length > 0 || end === 8, `${end} bytes`).toBe(true)
    }
  })

  test.each([
    ['a proposal that is too short', 10, [0, 7], 'ike.proposal_length'],
    ['a proposal that is too long', 10, [0xff, 0xff], 'ike.proposal_length'],
    ['a transform of no length', 18, [0, 0], 'ike.transform_length'],
    ['a transform that is too long', 18, [0, 0xff], 'ike.transform_length'],
    ['a wrong count of transforms', 15, [9], 'ike.transform_count'],
    ['an attribute that is too long', 24, [0, 1, 0xff, 0xff], 'ike.attribute_length'],
  ] as const)('%s is a flaw', (_, at, change, flaw) => {
    const bytes = sa1([DES])
    bytes.set(change, at)
    expect(read(1, bytes).flaws).toContain(flaw)
  })

  test('keeps the numbers beside the names', () => {
    const { sa } = read(1, sa1([AES, DES]))
    expect(sa).toMatchObject({ doi: 'IPSEC', doiNumber: 1, situation: 1, situationNames: ['SIT_IDENTITY_ONLY'] })
    expect(sa.proposals).toMatchObject([
      {
        number: 1,
        length: 72,
        protocol: 'ISAKMP',
        protocolNumber: 1,
        transformCount: 2,
        transforms: [
          { number: 1, length: 40, typeNumber: 1, id: 1, name: 'KEY_IKE' },
          { number: 1, length: 24 },
        ],
      },
    ])
  })

  test('is found behind the labels of secrecy and integrity', () => {
    const plain = sa1([DES])
    const labels = concat(
      be32(7),
      concat(be16(5), be16(0), new Uint8Array(8), be16(9), be16(0), new Uint8Array(4)),
      concat(be16(0), be16(0), be16(0), be16(0)),
    )
    const labelled = concat(be32(1), be32(7), labels, plain.subarray(8))
    expect(read(1, labelled)).toMatchObject({
      sa: {
        situationNames: ['SIT_IDENTITY_ONLY', 'SIT_SECRECY', 'SIT_INTEGRITY'],
        proposals: read(1, plain).sa.proposals,
      },
      flaws: [],
    })
    for (let end = 8; end < 8 + labels.length; end++) {
      const flaws: IkeSaFlaw[] = []
      describeSa(1, labelled, 0, end, flaws)
      expect(flaws, `${end} bytes`).toEqual(['ike.sa_length'])
    }
  })

  test('of another domain of interpretation is named and left alone', () => {
    expect(read(1, concat(be32(2), be32(0)))).toEqual({
      sa: { doi: 'GDOI', doiNumber: 2, proposals: [] },
      flaws: [],
    })
  })
})

test('IKEv1 phase 2 names transform and attributes', () => {
  const transform = concat(Uint8Array.of(0, 0), be16(16), Uint8Array.of(1, 12, 0, 0), attribute(4, 4), attribute(5, 2))
  const sa = concat(
    be32(1),
    be32(1),
    Uint8Array.of(0, 0),
    be16(28),
    Uint8Array.of(1, 3, 4, 1),
    be32(0xc0ffee01),
    transform,
  )
  const described = read(1, sa)
  expect(described.flaws).toEqual([])
  expect(described.sa.proposals[0]).toMatchObject({ protocol: 'ESP', spi: 'c0ffee01' })
  expect(suitesOf(described.sa)[0].text).toBe('ESP_AES-CBC/UDP-encapsulated transport/HMAC-SHA1')
})

describe('IKEv2', () => {
  test('gives a suite a proposal, alternatives joined', () => {
    const { sa, flaws } = read(
      2,
      sa2([
        [1, 12, 256],
        [1, 20, 128],
        [2, 5],
        [3, 12],
        [4, 31],
        [4, 14],
        [6, 36],
        [5, 0],
      ]),
    )
    expect(flaws).toEqual([])
    expect(suitesOf(sa)).toEqual([
      {
        text: 'ENCR_AES_CBC_256+ENCR_AES_GCM_16_128/PRF_HMAC_SHA2_256/AUTH_HMAC_SHA2_256_128/curve25519+modp2048/ml-kem-768/NO_ESN',
        encryption: 'ENCR_AES_CBC_256+ENCR_AES_GCM_16_128',
        integrity: 'AUTH_HMAC_SHA2_256_128',
        prf: 'PRF_HMAC_SHA2_256',
        group: 'curve25519+modp2048',
        authentication: undefined,
        lifetime: undefined,
      },
    ])
  })

  test('of very many proposals the first thousand transforms are read, and the rest of the last proposal', () => {
    const proposal = sa2(Array.from({ length: 255 }, () => [1, 12, 256] as const))
    proposal[0] = 2
    const { sa, flaws } = read(2, concat(...Array.from({ length: 8 }, () => proposal)))
    expect(flaws).toEqual([])
    expect(sa.proposals.map(({ transforms }) => transforms.length)).toEqual([255, 255, 255, 255, 255])
  })

  test('every truncation but none at all has a flaw', () => {
    const whole = sa2([
      [1, 12, 256],
      [2, 5],
      [4, 14],
    ])
    for (let end = 1; end < whole.length; end++) {
      const flaws: IkeSaFlaw[] = []
      describeSa(2, whole, 0, end, flaws)
      expect(flaws.length, `${end} bytes`).toBeGreaterThan(0)
    }
  })

  test.each([
    [1, 28, 'ENCR', 'ENCR_CHACHA20_POLY1305'],
    [1, 35, 'ENCR', 'ENCR_MAGMA_MGM_MAC_KTREE'],
    [2, 9, 'PRF', 'PRF_HMAC_STREEBOG_512'],
    [3, 14, 'INTEG', 'AUTH_HMAC_SHA2_512_256'],
    [4, 28, 'KE', 'ecp256bp'],
    [4, 32, 'KE', 'curve448'],
    [4, 37, 'KE', 'ml-kem-1024'],
    [5, 2, 'SN', 'UNSPECIFIED_SEQUENCE_NUMBERS'],
    [6, 35, 'ADDKE1', 'ml-kem-512'],
    [12, 36, 'ADDKE7', 'ml-kem-768'],
    [13, 2, 'KWA', 'KW_5649_192'],
    [14, 1, 'GCAUTH', 'IMPLICIT'],
  ])('transform %i/%i is %s %s', (typeNumber, id, type, name) => {
    expect(read(2, sa2([[typeNumber, id]])).sa.proposals[0].transforms).toMatchObject([{ typeNumber, type, id, name }])
  })

  test('numbers nobody registered stay numbers', () => {
    expect(suitesOf(read(2, sa2([[1, 1024]])).sa)[0].text).toBe('1024')
    expect(read(2, sa2([[200, 7]])).sa.proposals[0].transforms[0]).toMatchObject({ type: '200', name: '7' })
  })
})
