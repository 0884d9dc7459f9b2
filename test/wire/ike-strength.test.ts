import { describe, expect, test } from 'vitest'
import {
  gradeOffer,
  gradeSuite,
  IKE_LEVELS,
  isOffered,
  sealedLength1,
  sealedLength2,
} from '../../src/wire/ike-strength.ts'
import { IKE_GROUPS, IKE_V2_TRANSFORM_TYPES } from '../../src/wire/ike-tables.ts'

const level = (text: string) => IKE_LEVELS[gradeSuite(text).best]

describe('a suite', () => {
  test.each([
    ['DES-CBC/MD5/modp768/PSK', 'forbidden', ['des', 'md5', 'modp768']],
    ['3DES-CBC/SHA1/modp1024/PSK', 'deprecated', ['3des', 'modp1024', 'sha1']],
    ['3DES-CBC/MD5/modp2048/RSA-SIG', 'forbidden', ['3des', 'md5']],
    ['AES-CBC-128/SHA2-256/modp2048/PSK', 'sound', []],
    ['AES-CBC-256/SHA2-256/modp2048/PSK', 'sound', []],
    ['AES-CBC-256/SHA2-256/ecp256/RSA-SIG', 'strong', []],
    ['AES-CBC-256/SHA1/ecp384/XAUTH-INIT-PSK', 'deprecated', ['sha1']],
    ['ENCR_AES_CBC_256/PRF_HMAC_SHA2_256/AUTH_HMAC_SHA2_256_128/modp2048', 'sound', []],
    ['ENCR_AES_GCM_16_256/PRF_HMAC_SHA2_384/ecp384', 'strong', []],
    ['ENCR_AES_GCM_16_256/PRF_HMAC_SHA1/modp1024s160', 'forbidden', ['modp1024s160', 'sha1']],
    ['ENCR_CHACHA20_POLY1305/PRF_HMAC_SHA2_256/curve25519/NO_ESN', 'strong', []],
    ['ENCR_AES_GCM_16_256/PRF_HMAC_SHA2_512/curve25519/ml-kem-768', 'quantum_resistant', []],
    ['ENCR_AES_GCM_16_256/PRF_HMAC_SHA2_512/ml-kem-1024', 'quantum_resistant', []],
    ['ENCR_AES_CBC_128/PRF_HMAC_SHA2_256/AUTH_HMAC_SHA2_256_128/curve25519/ml-kem-768', 'sound', []],
    ['ENCR_NULL/PRF_HMAC_SHA2_256/AUTH_HMAC_SHA2_256_128/modp3072', 'forbidden', ['null']],
  ])('%s is %s', (text, expected, weaknesses) => {
    expect(level(text)).toBe(expected)
    expect(gradeSuite(text).weaknesses).toEqual(weaknesses)
  })

  test('with alternatives is as good as the best, and as bad as the worst of them', () => {
    const grade = gradeSuite('ENCR_AES_GCM_16_256+ENCR_3DES/PRF_HMAC_SHA2_256+PRF_HMAC_MD5/curve25519+modp1024')
    expect(grade).toMatchObject({ best: 3, worst: 0, weaknesses: ['3des', 'md5', 'modp1024'] })
  })

  test('of names that say nothing is not called weak', () => {
    expect(gradeSuite('PSK').weaknesses).toEqual([])
    expect(gradeSuite('').weaknesses).toEqual([])
  })
})

test('every algorithm of the registry has a grade', () => {
  const names = [1, 2, 3, 4].flatMap((type) => Object.values(IKE_V2_TRANSFORM_TYPES[type][1]))
  for (const name of names)
    expect(gradeSuite(name).best < 3 || gradeSuite(`${name}/modp768`).weaknesses.length === 1, name).toBe(true)
  expect(Object.values(IKE_GROUPS).filter((name) => gradeSuite(name).best === 2)).toEqual(['modp2048'])
})

test('an offer is as good as its best suite', () => {
  expect(gradeOffer([])).toBeNull()
  expect(gradeOffer(['3DES-CBC/SHA1/modp1024/PSK', 'AES-CBC-256/SHA2-256/modp2048/PSK'])).toEqual({
    best: 2,
    worst: 1,
    weaknesses: ['3des', 'modp1024', 'sha1'],
    isQuantumResistant: false,
  })
})

test.each([
  ['AES-CBC-256/SHA1/modp1024/PSK', ['3DES-CBC/SHA1/modp1024/PSK'], false],
  ['3DES-CBC/SHA1/modp1024/PSK', ['AES-CBC-256/SHA1/modp1024/PSK', '3DES-CBC/SHA1/modp1024/PSK'], true],
  ['A/P/curve25519', ['A+B/P+Q/modp2048+curve25519'], true],
  ['A/P/modp1024', ['A+B/P+Q/modp2048+curve25519'], false],
  ['A/Q', ['A/P', 'B/Q'], false],
  ['A', [], false],
])('%s was offered in %j: %s', (choice, offers, expected) => {
  expect(isOffered(choice, offers)).toBe(expected)
})

// Lengths of messages of strongSwan 5.9.8.
test.each([
  ['ENCR_AES_CBC_256/PRF_HMAC_SHA2_256/AUTH_HMAC_SHA2_256_128/modp2048', 0, 80],
  ['ENCR_AES_CBC_256/PRF_HMAC_SHA2_256/AUTH_HMAC_SHA2_256_128/modp2048', 8, 80],
  ['ENCR_AES_CBC_256/PRF_HMAC_SHA2_256/AUTH_HMAC_SHA2_256_128/modp2048', 16, 96],
  ['ENCR_AES_GCM_16_128/PRF_HMAC_SHA2_256/curve25519', 0, 57],
  ['ENCR_AES_GCM_16_128/PRF_HMAC_SHA2_256/curve25519', 8, 65],
  ['ENCR_3DES/PRF_HMAC_SHA1/AUTH_HMAC_SHA1_96/modp1024', 0, 60],
  ['ENCR_AES_CTR_128/PRF_HMAC_SHA1/AUTH_HMAC_SHA1_96/modp1024', 8, 61],
  ['ENCR_AES_CBC_256/PRF_HMAC_SHA2_256/modp2048', 0, null],
  ['ENCR_MAGMA_MGM_KTREE/PRF_HMAC_STREEBOG_512/gost3410-256', 0, null],
])('of %s, %i octets take %s in IKEv2', (suite, plaintext, expected) => {
  expect(sealedLength2(suite, plaintext)).toBe(expected)
})

test.each([
  ['AES-CBC-256/SHA2-256/modp2048/PSK', 32, 108],
  ['AES-CBC-256/SHA2-256/modp2048/PSK', 28, 92],
  ['AES-CBC-256/SHA2-256/modp2048/PSK', 16, 92],
  ['AES-CBC-128/SHA1/modp1024/PSK', 32, 92],
  ['3DES-CBC/SHA1/modp1024/PSK', 32, 84],
  ['3DES-CBC/MD5/modp1024/PSK', 28, 76],
  ['GOST/STREEBOG/modp1024/PSK', 28, null],
])('of %s, %i octets take %s in IKEv1', (suite, plaintext, expected) => {
  expect(sealedLength1(suite, plaintext)).toBe(expected)
})
