import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { describeCertificate, readCertificate } from '../../src/wire/ike-certificate.ts'
import { concat, fromHex, utf8 } from '../support/craft.ts'
import { MODERN, OLD } from '../support/ike-certificates.ts'

describe('a certificate', () => {
  test('is read with its names, its time and its key', () => {
    expect(describeCertificate(MODERN, 0, MODERN.length)).toEqual({
      subject: 'C=DE, O=Example\\, Ltd, CN=vpn.example',
      issuer: 'C=DE, O=Example\\, Ltd, CN=vpn.example',
      serialNumber: '5a01',
      alternativeNames: ['DNS:vpn.example', 'IP Address:192.0.2.1', 'email:alice@example'],
      validFrom: '2026-01-01T00:00:00.000Z',
      validTo: '2035-01-01T00:00:00.000Z',
      sha256: 'bad90a48e9b9d82cbb841237ba16aaedf5069812cbb5f5adec0c60faef5950cb',
      keyType: 'ec',
      keyBits: undefined,
      curve: 'prime256v1',
      signatureAlgorithm: 'ecdsa-with-SHA256',
      isAuthority: false,
      isSelfIssued: true,
    })
  })

  test('shows a short key and an old signature', () => {
    expect(describeCertificate(OLD, 0, OLD.length)).toMatchObject({
      subject: 'CN=old',
      keyType: 'rsa',
      keyBits: 1024,
      signatureAlgorithm: 'ecdsa-with-SHA1',
      validTo: '2011-01-01T00:00:00.000Z',
      isSelfIssued: false,
    })
  })

  test('is read where it stands in a larger buffer, and not beyond', () => {
    const bytes = concat(utf8('before'), MODERN, utf8('behind'))
    expect(describeCertificate(bytes, 6, 6 + MODERN.length)?.serialNumber).toBe('5a01')
  })

  test('that is cut anywhere is none', () => {
    for (let end = 0; end < MODERN.length; end++) expect(describeCertificate(MODERN, 0, end)).toBeUndefined()
  })

  test('with changed bytes is another or none, and no reason to throw', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 6 }), (changes) => {
        const bytes = Uint8Array.from(OLD)
        for (const [at, value] of changes) bytes[at % bytes.length] = value
        const described = describeCertificate(bytes, 0, bytes.length)
        if (described !== undefined) expect(described.sha256).toMatch(/^[0-9a-f]{64}$/)
      }),
      { numRuns: 500, seed: 3 },
    )
  })

  test('larger than any that is worth reading is left alone', () => {
    const bytes = concat(fromHex('30 83 010000'), new Uint8Array(0x10000))
    expect(describeCertificate(bytes, 0, bytes.length)).toBeUndefined()
  })
})

describe('a CERT payload', () => {
  test.each([4, 5])('of encoding %i is an X.509 certificate', (encoding) => {
    expect(readCertificate(encoding, OLD, 0, OLD.length).certificate?.subject).toBe('CN=old')
    expect(readCertificate(encoding, OLD, 0, 20)).toEqual({})
  })

  test('of encoding 1 is the first certificate of PKCS #7', () => {
    const seq = (tag: number, ...parts: readonly Uint8Array[]) => {
      const body = concat(...parts)
      return concat(Uint8Array.of(tag, 0x82, body.length >> 8, body.length & 255), body)
    }
    const signed = seq(0x30, fromHex('020101 3100 3000'), seq(0xa0, OLD, MODERN), fromHex('3100'))
    const wrapped = seq(0x30, fromHex('06092a864886f70d010702'), seq(0xa0, signed))
    expect(readCertificate(1, wrapped, 0, wrapped.length).certificate?.subject).toBe('CN=old')
    for (let end = 0; end < wrapped.length; end += 7) expect(readCertificate(1, wrapped, 0, end)).toEqual({})
    const other = wrapped.slice()
    other[14] = 1
    expect(readCertificate(1, other, 0, other.length)).toEqual({})
  })

  test('of encoding 12 says where the certificate is', () => {
    const bytes = concat(new Uint8Array(20).fill(0xab), utf8('http://pki.example/vpn.der'))
    expect(readCertificate(12, bytes, 0, bytes.length)).toEqual({
      certificateHash: 'ab'.repeat(20),
      url: 'http://pki.example/vpn.der',
    })
    expect(readCertificate(12, bytes, 0, 20)).toEqual({ certificateHash: 'ab'.repeat(20) })
    expect(readCertificate(12, bytes, 0, 19)).toEqual({})
  })

  test('of any other encoding is opaque', () => {
    expect(readCertificate(7, MODERN, 0, MODERN.length)).toEqual({})
  })
})
