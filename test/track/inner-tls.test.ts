import { describe, expect, test } from 'vitest'
import { be16, concat, fromHex } from '../support/craft.ts'
import {
  alpn,
  clientHello,
  groups,
  handshakeMessage,
  serverHello,
  serverName,
  supportedVersions,
  tlsRecord,
  vector,
} from '../support/tls.ts'
import { Talk } from './inner-talk.ts'

/** A certificate that names itself, made for these tests. */
const CERTIFICATE = fromHex(`
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

const CLIENT_HELLO = handshakeMessage(
  1,
  clientHello({
    suites: [0xc02b, 0x1301],
    extensions: [serverName('www.example.com'), alpn('h2', 'http/1.1'), groups(29)],
  }),
)
const HELLO_1_3 = handshakeMessage(
  1,
  clientHello({ extensions: [serverName('www.example.com'), supportedVersions(0x0304, 0x0303)] }),
)
const SERVER_1_3 = handshakeMessage(
  2,
  serverHello({
    extensions: [
      [43, be16(0x0304)],
      [51, fromHex('001d0001aa')],
    ],
  }),
)
const SERVER_FLIGHT = concat(
  handshakeMessage(2, serverHello({ suite: 0xc02b, extensions: [alpn('h2')] })),
  handshakeMessage(11, vector(3, vector(3, CERTIFICATE))),
  handshakeMessage(12, new Uint8Array(60)),
  handshakeMessage(14, new Uint8Array(0)),
)
const CHANGE = tlsRecord(20, fromHex('01'), 0x0303)
const FINISHED = tlsRecord(22, new Uint8Array(40).fill(0x9a), 0x0303)
const DATA = tlsRecord(23, new Uint8Array(200).fill(0x5c), 0x0303)
const HANDSHAKE_FAILURE = tlsRecord(21, fromHex('0228'), 0x0303)

describe('a handshake of TLS 1.2', () => {
  test('is told when both ends have changed to the new keys', () => {
    const talk = new Talk()
    talk
      .tcp(443)
      .say('client', tlsRecord(22, CLIENT_HELLO))
      .say('server', tlsRecord(22, SERVER_FLIGHT, 0x0303), 100)
      .say('client', concat(tlsRecord(22, handshakeMessage(16, new Uint8Array(33)), 0x0303), CHANGE, FINISHED))
    expect(talk.told('tls.established')).toEqual([])
    talk.finish()
    expect(talk.only('tls.failed')['event.reason']).toBe('broken off')
  })

  test('tells who was asked for, what was agreed and whose the certificate is', () => {
    const talk = new Talk()
    talk
      .tcp(443)
      .say('client', tlsRecord(22, CLIENT_HELLO), 40)
      .say('server', tlsRecord(22, SERVER_FLIGHT, 0x0303), 300)
      .say('client', concat(tlsRecord(22, handshakeMessage(16, new Uint8Array(33)), 0x0303), CHANGE, FINISHED))
      .say('server', concat(CHANGE, FINISHED))
      .say('client', DATA)
      .close()
    talk.finish()
    expect(talk.only('tls.established')).toMatchObject({
      message: 'TLS 1.2 with www.example.com, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
      'network.protocol': 'tls',
      'source.ip': '10.0.0.5',
      'destination.port': 443,
      'tls.established': true,
      'tls.resumed': false,
      'tls.version': '1.2',
      'tls.version_protocol': 'tls',
      'tls.cipher': 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
      'tls.next_protocol': 'h2',
      'tls.client.server_name': 'www.example.com',
      'tls.client.alpn': ['h2', 'http/1.1'],
      'tls.client.ja3': expect.stringMatching(/^[0-9a-f]{32}$/),
      'tls.client.ja4': expect.stringMatching(/^t12d0203h2_/),
      'tls.server.ja3s': expect.stringMatching(/^[0-9a-f]{32}$/),
      'tls.server.hash.sha256': 'ADF45671914A877AC49148AA51ADDE1BE9641BB8D22C35FDF92B79D22F32241E',
      'tls.server.x509.subject.common_name': ['www.example.com'],
      'tls.server.x509.public_key_algorithm': 'ec',
      'tls.server.not_after': '2026-12-25T19:45:07.000Z',
      'tls.server.self_issued': true,
      'tls.server.certificates': 1,
    })
    expect(talk.only('flow.closed')['network.protocol']).toBe('tls')
    expect(talk.findings).toEqual([])
  })

  test('is known to take up an earlier session', () => {
    const talk = new Talk()
    talk
      .tcp(443)
      .say('client', tlsRecord(22, CLIENT_HELLO))
      .say(
        'server',
        concat(tlsRecord(22, handshakeMessage(2, serverHello({ suite: 0xc02b })), 0x0303), CHANGE, FINISHED),
      )
      .say('client', concat(CHANGE, FINISHED))
    expect(talk.only('tls.established')).toMatchObject({ 'tls.resumed': true })
  })

  test('joins messages that span records, and reads two ends that talk at once', () => {
    const talk = new Talk()
    const pieces = [SERVER_FLIGHT.subarray(0, 2), SERVER_FLIGHT.subarray(2, 90), SERVER_FLIGHT.subarray(90)]
    talk
      .tcp(8443)
      .say('client', tlsRecord(22, CLIENT_HELLO))
      .say('server', concat(...pieces.map((piece) => tlsRecord(22, piece, 0x0303)), CHANGE))
      .say('client', concat(CHANGE, FINISHED))
    expect(talk.only('tls.established')).toMatchObject({ 'tls.server.certificates': 1, 'tls.server.self_issued': true })
  })
})

describe('a handshake of TLS 1.3', () => {
  test('is over when the client encrypts', () => {
    const talk = new Talk()
    const connection = talk
      .tcp(443)
      .say('client', tlsRecord(22, HELLO_1_3))
      .say('server', concat(tlsRecord(22, SERVER_1_3, 0x0303), CHANGE, DATA))
    expect(talk.told('tls.established')).toEqual([])
    connection.say('client', concat(CHANGE, DATA))
    expect(talk.only('tls.established')).toMatchObject({
      'tls.version': '1.3',
      'tls.curve': 'x25519',
      'tls.client.version': '1.3',
      'tls.cipher': 'TLS_AES_128_GCM_SHA256',
    })
    expect(talk.only('tls.established')['tls.resumed']).toBeUndefined()
  })

  test('goes on after a request to try again', () => {
    const retry = fromHex('cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c')
    const talk = new Talk()
    talk
      .tcp(443)
      .say('client', tlsRecord(22, HELLO_1_3))
      .say(
        'server',
        tlsRecord(22, handshakeMessage(2, serverHello({ random: retry, extensions: [[43, be16(0x0304)]] }))),
      )
      .say('client', tlsRecord(22, HELLO_1_3))
      .say('server', concat(tlsRecord(22, SERVER_1_3), DATA))
      .say('client', DATA)
    expect(talk.only('tls.established')['tls.curve']).toBe('x25519')
  })
})

describe('a handshake that fails', () => {
  test('is told with the alert that ended it', () => {
    const talk = new Talk()
    talk.tcp(443).say('client', tlsRecord(22, CLIENT_HELLO)).say('server', HANDSHAKE_FAILURE)
    expect(talk.only('tls.failed')).toMatchObject({
      message: 'TLS with www.example.com failed: handshake_failure',
      'event.outcome': 'failure',
      'event.reason': 'handshake_failure',
      'tls.established': false,
      'tls.alert.description': 'handshake_failure',
      'tls.client.server_name': 'www.example.com',
    })
  })

  test('is told when nobody answers, and when octets are missing', () => {
    const unanswered = new Talk()
    unanswered.tcp(443).say('client', tlsRecord(22, CLIENT_HELLO)).close()
    unanswered.finish()
    expect(unanswered.only('tls.failed')['event.reason']).toBe('no answer')

    const lossy = new Talk()
    const connection = lossy.tcp(443).say('client', tlsRecord(22, CLIENT_HELLO))
    connection.next.server += 500
    connection.say('server', tlsRecord(22, SERVER_FLIGHT))
    lossy.finish()
    expect(lossy.only('tls.failed')).toMatchObject({ 'event.reason': 'octets missing', 'event.outcome': 'unknown' })
  })

  test('is told, with a finding, when records stop making sense', () => {
    const talk = new Talk()
    talk.tcp(443).say('client', tlsRecord(22, CLIENT_HELLO)).say('server', 'HTTP/1.1 400 Bad Request\r\n\r\n')
    expect(talk.only('tls.failed')['event.reason']).toBe('broken off')
    expect(talk.findings).toEqual(['tls.content_type'])
  })

  test('holds a bounded part of messages without end', () => {
    const talk = new Talk()
    const endless = concat(fromHex('0b 01ffff'), new Uint8Array(16_000))
    const connection = talk.tcp(443).say('client', tlsRecord(22, CLIENT_HELLO))
    connection.say('server', tlsRecord(22, handshakeMessage(2, serverHello())))
    connection.say('server', tlsRecord(22, endless))
    for (let i = 0; i < 6; i++) connection.say('server', tlsRecord(22, new Uint8Array(16_000)))
    expect(talk.only('tls.failed')['event.reason']).toBe('broken off')
  })
})
