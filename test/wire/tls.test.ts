import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  certificateWindows,
  describeAlert,
  looksLikeTls,
  TlsHandshakeView,
  TlsRecordView,
  tlsVersionName,
} from '../../src/wire/tls.ts'
import { describeTlsRecords } from '../../src/wire/tls-describe.ts'
import { cipherSuiteName, isGrease } from '../../src/wire/tls-tables.ts'
import { concat, fromHex } from '../support/craft.ts'
import { clientHello, handshakeMessage, serverHello, serverName, tlsRecord, vector } from '../support/tls.ts'
import { inWindow } from '../support/window.ts'

const HELLO = tlsRecord(22, handshakeMessage(1, clientHello({ extensions: [serverName('a.example')] })))

const record = new TlsRecordView()
const handshake = new TlsHandshakeView()

describe('TlsRecordView', () => {
  test('reads a record, whole or not', () => {
    expect(record.decode(HELLO, 0, HELLO.length)).toBeNull()
    expect(record).toMatchObject({ contentType: 22, version: 0x0301, fragmentStart: 5, isWhole: true })
    expect(record.fragmentEnd).toBe(HELLO.length)
    expect(record.decode(HELLO, 0, 20)).toBeNull()
    expect(record).toMatchObject({ fragmentEnd: 20, recordEnd: HELLO.length, isWhole: false })
  })

  test('names its flaws', () => {
    const flaw = (digits: string) => record.decode(fromHex(digits), 0, fromHex(digits).length)
    for (let length = 0; length < 5; length++) expect(record.decode(HELLO, 0, length)).toBe('tls.truncated')
    expect(flaw('13 0301 0001 00')).toBe('tls.content_type')
    expect(flaw('16 0201 0001 00')).toBe('tls.version')
    expect(flaw('16 0305 0001 00')).toBe('tls.version')
    expect(flaw('16 0301 4801 00')).toBe('tls.record_length')
    expect(flaw('16 0301 0000')).toBe('tls.record_length')
    expect(flaw('17 0303 0000')).toBeNull()
  })
})

describe('TlsHandshakeView', () => {
  test('reads a message, whole or not', () => {
    const message = handshakeMessage(14, new Uint8Array(3))
    expect(handshake.decode(message, 0, 7)).toBeNull()
    expect(handshake).toMatchObject({ type: 14, length: 3, bodyStart: 4, bodyEnd: 7, isWhole: true })
    expect(handshake.decode(message, 0, 6)).toBeNull()
    expect(handshake.isWhole).toBe(false)
    for (let length = 0; length < 4; length++) expect(handshake.decode(message, 0, length)).toBe('tls.truncated')
    expect(handshake.decode(fromHex('0b020001'), 0, 4)).toBe('tls.handshake_length')
  })
})

describe('looksLikeTls', () => {
  test('knows hellos and alerts, and asks for more where there is little', () => {
    expect(looksLikeTls(HELLO, 0, HELLO.length)).toBe(true)
    expect(looksLikeTls(tlsRecord(22, handshakeMessage(2, serverHello())), 0, 6)).toBe(true)
    expect(looksLikeTls(fromHex('15 0301 0002 0228'), 0, 7)).toBe(true)
    for (let length = 0; length < 6; length++) expect(looksLikeTls(HELLO, 0, length)).toBeUndefined()
  })

  test('refuses what begins otherwise', () => {
    for (const digits of [
      '47',
      '1602',
      '160305',
      '160301000101',
      '160301000107',
      '17030300050000',
      '1503010003022800',
    ]) {
      const bytes = fromHex(digits)
      expect(looksLikeTls(bytes, 0, bytes.length), digits).toBe(false)
    }
  })
})

describe('certificateWindows', () => {
  const chain = vector(3, vector(3, fromHex('aabb')), vector(3, fromHex('cc')))

  test('finds each certificate', () => {
    expect(certificateWindows(chain, 0, chain.length)).toEqual({
      certificates: [
        { start: 6, end: 8 },
        { start: 11, end: 12 },
      ],
    })
    const none = vector(3)
    expect(certificateWindows(none, 0, 3)).toEqual({ certificates: [] })
  })

  test('every truncation, and a length that lies, is a flaw', () => {
    for (let length = 0; length < chain.length; length++)
      expect(certificateWindows(chain, 0, length).flaw).toBe('tls.certificate_length')
    const lying = vector(3, fromHex('000009 aa'))
    expect(certificateWindows(lying, 0, lying.length).flaw).toBe('tls.certificate_length')
    const endless = vector(3, ...Array.from({ length: 50 }, () => vector(3, fromHex('aa'))))
    expect(certificateWindows(endless, 0, endless.length).certificates.length).toBe(16)
  })
})

describe('describeAlert', () => {
  test('names alerts in clear, and refuses encrypted ones', () => {
    expect(describeAlert(fromHex('0228'), 0, 2)).toEqual({
      level: 'fatal',
      description: 40,
      descriptionName: 'handshake_failure',
    })
    expect(describeAlert(fromHex('01fe'), 0, 2)).toMatchObject({ level: 'warning', descriptionName: '254' })
    expect(describeAlert(fromHex('0328'), 0, 2)).toBeNull()
    expect(describeAlert(fromHex('0228aabb'), 0, 4)).toBeNull()
  })
})

describe('describeTlsRecords', () => {
  test('describes the messages of each record', () => {
    const flight = concat(
      tlsRecord(
        22,
        concat(
          handshakeMessage(2, serverHello()),
          handshakeMessage(11, vector(3, vector(3, new Uint8Array(30)))),
          handshakeMessage(14, new Uint8Array(0)),
        ),
        0x0303,
      ),
      tlsRecord(20, fromHex('01')),
      tlsRecord(22, fromHex('8a6f0102030405')),
      tlsRecord(21, fromHex('0228')),
    )
    const { records, next, flaw } = describeTlsRecords(flight, 0, flight.length)
    expect({ next, flaw }).toEqual({ next: flight.length, flaw: null })
    expect(records).toMatchObject([
      {
        contentTypeName: 'handshake',
        versionName: 'TLS 1.2',
        messages: [
          { typeName: 'server_hello', serverHello: { cipherSuite: 0x1301 } },
          { typeName: 'certificate', certificateLengths: [30] },
          { typeName: 'server_hello_done', length: 0 },
        ],
      },
      { contentTypeName: 'change_cipher_spec' },
      { messages: [{ isEncrypted: true }] },
      { contentTypeName: 'alert' },
    ])
    // After the change of the cipher an alert is encrypted, whatever it looks like.
    expect(records[3].alert).toBeUndefined()
  })

  test('tells an alert in clear, and what goes on in the next segment', () => {
    const alert = tlsRecord(21, fromHex('0228'))
    expect(describeTlsRecords(alert, 0, alert.length).records[0].alert?.descriptionName).toBe('handshake_failure')
    const { records } = describeTlsRecords(HELLO, 0, 30)
    expect(records).toMatchObject([{ isPartial: true, messages: [{ typeName: 'client_hello', isPartial: true }] }])
    expect(describeTlsRecords(HELLO, 0, 7).records[0].messages).toEqual([{ isPartial: true }])
  })

  test('every truncation is told, and reads nothing beyond', () => {
    for (let length = 0; length < HELLO.length; length++) {
      const { among, elsewhere } = inWindow(HELLO.subarray(0, length), (bytes, start, end) => {
        const { records, flaw } = describeTlsRecords(bytes, start, end)
        return { records, flaw }
      })
      expect(among).toEqual(elsewhere)
      if (length > 0) expect(among.flaw !== null || among.records[0].isPartial).toBe(true)
    }
  })

  test('stops where no record begins', () => {
    const mixed = concat(tlsRecord(23, fromHex('aa')), fromHex('474554202f'))
    expect(describeTlsRecords(mixed, 0, mixed.length)).toMatchObject({ next: 6, flaw: 'tls.content_type' })
  })

  test('is bounded, and keeps to its window, whatever the octets', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (octets) => {
        const { among, elsewhere } = inWindow(
          concat(fromHex('16 0301 00'), octets),
          (bytes, start, end) => describeTlsRecords(bytes, start, end).records,
        )
        expect(among).toEqual(elsewhere)
      }),
      { seed: 5246, numRuns: 1000 },
    )
    const endless = concat(...Array.from({ length: 500 }, () => tlsRecord(23, fromHex('aa'))))
    expect(describeTlsRecords(endless, 0, endless.length).records.length).toBe(64)
  })
})

describe('names', () => {
  test('of versions, suites and GREASE', () => {
    expect([0x0300, 0x0304, 0x7f1c, 0x0505].map(tlsVersionName)).toEqual([
      'SSL 3.0',
      'TLS 1.3',
      'TLS 1.3 draft 28',
      '0x0505',
    ])
    expect([0x0000, 0x1301, 0xc02f, 0xfeff, 0xeeee].map(cipherSuiteName)).toEqual([
      'TLS_NULL_WITH_NULL_NULL',
      'TLS_AES_128_GCM_SHA256',
      'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256',
      'SSL_RSA_FIPS_WITH_3DES_EDE_CBC_SHA',
      '0xeeee',
    ])
    expect([0x0a0a, 0xfafa, 0x0a1a, 0x1301].map(isGrease)).toEqual([true, true, false, false])
  })
})
