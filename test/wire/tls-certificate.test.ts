import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { describeCertificate } from '../../src/wire/tls-certificate.ts'
import { concat, fromHex, utf8 } from '../support/craft.ts'

/** Made for this test: a self-signed one of an authority, and one that it signed. */
const AUTHORITY = fromHex(`
  3082021e308201c4a00302010202141b0a43da94ad3b7ad4b066b00b67cbc67a03d420300a06082a8648ce3d040302303c310b300906035504061302
  444531133011060355040a0c0a4578612c20226d706c653118301606035504030c0f7777772e6578616d706c652e636f6d301e170d32363131323531
  39343530375a170d3236313232353139343530375a303c310b300906035504061302444531133011060355040a0c0a4578612c20226d706c65311830
  1606035504030c0f7777772e6578616d706c652e636f6d3059301306072a8648ce3d020106082a8648ce3d03010703420004319f7f7c3c14a4a0ee73
  c5ced20c68585385cfa6a51109001b4fa0d9b944842a8e76f8849d269a0da70e1d8522002a58851aa703f90cee5c067d01d0910ec9dca381a33081a0
  301d0603551d0e041604142cb8a0b501d3055b5e48c1d42b9468df83621f90301f0603551d230418301680142cb8a0b501d3055b5e48c1d42b9468df
  83621f90300f0603551d130101ff040530030101ff304d0603551d1104463044820f7777772e6578616d706c652e636f6d820d2a2e6578616d706c65
  2e636f6d8704c0000201871020010db8000000000000000000000001860a687474703a2f2f612f62300a06082a8648ce3d0403020348003045022100
  f70123b21c43ce12907b619f524ae17c6798040a9e88f2e718d213141eb5a3f00220763e469cefa0467a18e3b5d213efe8ccd9cd0bf55f86c89a0ae7
  9de9b79121c2`)
const LEAF = fromHex(`
  30820210308201b5a003020102020200ff300a06082a8648ce3d040302303c310b300906035504061302444531133011060355040a0c0a4578612c20
  226d706c653118301606035504030c0f7777772e6578616d706c652e636f6d301e170d3236313132353139353734355a170d32363132323531393537
  34355a300f310d300b060355040a0c044c65616630819f300d06092a864886f70d010101050003818d0030818902818100f4c09b68a4b1fc950f7c1b
  237db82d52d084d3b4815eb9bdb6342f6511a697e2787d7098da322008a6bbc71939d18c1bd528d0bfa1bf4e28b19b9acf72624404cc034dc2570046
  9c844e0f461c5f92781406f5005f140f288804f721e64d21f9d7409799d39d85701a4748253938c336bfae24e787489cfbae3f209da1bf49cf020301
  0001a3818c30818930470603551d110440303e821d612e6578616d706c652c20444e533a666f726765642e6578616d706c65820d706c61696e2e6578
  616d706c65810e6869406578616d706c652e636f6d301d0603551d0e0416041411e9e38c16640e130d08366af368c85556c2608e301f0603551d2304
  18301680142cb8a0b501d3055b5e48c1d42b9468df83621f90300a06082a8648ce3d0403020349003046022100af458e4a0d0f912b7618ccd6a9de89
  d317ef3eb1c67faeaf51d0d113f3031f8b022100eeef4c2ea86815a436e32870ea56827e02cddbbdad421a3634740a86cc00e3ff`)

function described(bytes: Uint8Array) {
  return describeCertificate(bytes, 0, bytes.length)
}

describe('describeCertificate', () => {
  test('tells who it stands for, who says so, and until when', () => {
    expect(described(AUTHORITY)).toEqual({
      sha256: 'adf45671914a877ac49148aa51adde1be9641bb8d22c35fdf92b79d22f32241e',
      length: 546,
      subject: 'C=DE, O=Exa\\, \\"mple, CN=www.example.com',
      subjectCommonName: 'www.example.com',
      issuer: 'C=DE, O=Exa\\, \\"mple, CN=www.example.com',
      issuerCommonName: 'www.example.com',
      serialNumber: '1B0A43DA94AD3B7AD4B066B00B67CBC67A03D420',
      notBefore: '2026-11-25T19:45:07.000Z',
      notAfter: '2026-12-25T19:45:07.000Z',
      alternativeNames: ['www.example.com', '*.example.com', '192.0.2.1', '2001:DB8:0:0:0:0:0:1', 'http://a/b'],
      signatureAlgorithm: 'ecdsa-with-SHA256',
      keyType: 'ec',
      curve: 'prime256v1',
      isSelfIssued: true,
      isAuthority: true,
    })
  })

  test('does not take one name for two, whatever stands in it', () => {
    expect(described(LEAF)).toMatchObject({
      subject: 'O=Leaf',
      issuerCommonName: 'www.example.com',
      serialNumber: 'FF',
      alternativeNames: ['a.example, DNS:forged.example', 'plain.example', 'hi@example.com'],
      keyType: 'rsa',
      keyBits: 1024,
      isSelfIssued: false,
      isAuthority: false,
    })
    expect(described(LEAF).subjectCommonName).toBeUndefined()
  })

  test('reads its own window only', () => {
    const among = concat(utf8('before'), AUTHORITY, utf8('after'))
    expect(describeCertificate(among, 6, 6 + AUTHORITY.length)).toEqual(described(AUTHORITY))
  })

  test('every truncation is unreadable, and so is what is none or too long', () => {
    for (let length = 0; length < AUTHORITY.length; length++) {
      expect(described(AUTHORITY.subarray(0, length)).flaw, `cut at ${length}`).toBe('tls.certificate_unreadable')
    }
    const pem = `-----BEGIN CERTIFICATE-----\n${Buffer.from(AUTHORITY).toString('base64')}\n-----END CERTIFICATE-----\n`
    expect(described(utf8(pem))).toMatchObject({ length: pem.length, flaw: 'tls.certificate_unreadable' })
    expect(described(concat(Uint8Array.of(0x30), new Uint8Array(40_000))).flaw).toBe('tls.certificate_unreadable')
  })

  test('never throws, whatever is changed in one', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(LEAF.length - 1), fc.nat(255)), { maxLength: 8 }), (changes) => {
        const bytes = LEAF.slice()
        for (const [at, value] of changes) bytes[at] = value
        expect(JSON.stringify(described(bytes)).length).toBeLessThan(8000)
      }),
      { seed: 5280, numRuns: 3000 },
    )
  })
})
