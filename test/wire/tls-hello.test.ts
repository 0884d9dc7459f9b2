import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  describeClientHello,
  describeServerHello,
  highestVersion,
  TlsHelloView,
  type TlsClientHello,
} from '../../src/wire/tls-hello.ts'
import { be16, concat, fromHex } from '../support/craft.ts'
import {
  alpn,
  clientHello,
  type Extension,
  groups,
  keyShares,
  pointFormats,
  serverHello,
  serverName,
  signatureAlgorithms,
  supportedVersions,
} from '../support/tls.ts'
import { inWindow } from '../support/window.ts'

const EXTENSIONS: readonly Extension[] = [
  serverName('www.example.com'),
  alpn('h2', 'http/1.1'),
  groups(0x3a3a, 4588, 29),
  pointFormats(0, 1),
  signatureAlgorithms(0x0403, 0x0804),
  supportedVersions(0x0304, 0x0303),
  keyShares(4588, 29),
  [35, new Uint8Array(0)],
  [41, fromHex('0000')],
  [42, new Uint8Array(0)],
  [0xfe0d, fromHex('00')],
]
const CLIENT = clientHello({ sessionId: fromHex('aabbcc'), suites: [0x1a1a, 0x1301, 0xc02f], extensions: EXTENSIONS })
const SERVER = serverHello({
  extensions: [[43, be16(0x0304)], [51, concat(be16(29), be16(2), fromHex('abcd'))], alpn('h2')],
})

function client(body: Uint8Array): TlsClientHello {
  return describeClientHello(body, 0, body.length)
}

describe('describeClientHello', () => {
  test('tells what the client offers, in its order', () => {
    expect(client(CLIENT)).toEqual({
      version: 0x0303,
      sessionIdLength: 3,
      cipherSuites: [0x1a1a, 0x1301, 0xc02f],
      compressionMethods: [0],
      extensions: [0, 16, 10, 11, 13, 43, 51, 35, 41, 42, 0xfe0d],
      serverName: 'www.example.com',
      alpn: ['h2', 'http/1.1'],
      groups: [0x3a3a, 4588, 29],
      pointFormats: [0, 1],
      signatureAlgorithms: [0x0403, 0x0804],
      versions: [0x0304, 0x0303],
      keyShareGroups: [4588, 29],
      hasSessionTicket: true,
      hasPreSharedKey: true,
      hasEarlyData: true,
      hasGrease: true,
      hasEch: true,
    })
  })

  test('a hello of SSL 3.0 has no extensions', () => {
    expect(client(clientHello({ version: 0x0300 }))).toEqual({
      version: 0x0300,
      sessionIdLength: 0,
      cipherSuites: [0x1301],
      compressionMethods: [0],
      extensions: [],
    })
  })

  test('names what leads out of the hello, and keeps what stands before', () => {
    const broken = (at: number, value: number) => {
      const body = CLIENT.slice()
      body[at] = value
      return client(body)
    }
    expect(broken(34, 33).flaw).toBe('tls.session_id_length')
    expect(broken(38, 1).flaw).toBe('tls.cipher_suites_length')
    expect(broken(39, 7).flaw).toBe('tls.cipher_suites_length')
    expect(broken(46, 0).flaw).toBe('tls.compression_length')
    expect(broken(46, 200)).toMatchObject({ cipherSuites: [0x1a1a, 0x1301, 0xc02f], flaw: 'tls.compression_length' })
    expect(broken(49, 0)).toMatchObject({ compressionMethods: [0], flaw: 'tls.extensions_length' })
    expect(broken(53, 255)).toMatchObject({ extensions: [], flaw: 'tls.extension_length' })
  })

  test('names extensions whose data is not what they promise', () => {
    const wrong: readonly Extension[] = [
      [0, fromHex('0003 00 0000')],
      [0, fromHex('0004 01 0001 61')],
      [0, fromHex('00')],
      [10, fromHex('0004 0017')],
      [11, fromHex('02 00')],
      [11, new Uint8Array(0)],
      [13, fromHex('0002')],
      [16, fromHex('0003 05 6832')],
      [43, fromHex('04 0304')],
      [51, fromHex('0006 001d 0020 aabb')],
    ]
    for (const extension of wrong) {
      const told = client(clientHello({ extensions: [extension, alpn('h2')] }))
      expect(told.flaw, `extension ${extension[0]}`).toBe('tls.extension_data')
      expect(told.extensions).toEqual([extension[0], 16])
    }
  })

  test('every truncation is a flaw', () => {
    for (let length = 0; length < CLIENT.length; length++) {
      // Without the last octets of extensions it would be a hello of SSL 3.0.
      const isWholeWithout = length === 48
      expect(client(CLIENT.subarray(0, length)).flaw === undefined, `cut at ${length}`).toBe(isWholeWithout)
    }
  })

  test('takes no server name that is longer than its list, wherever the message stands', () => {
    const said = (list: string) => {
      const body = clientHello({ extensions: [[0, fromHex(list)]] })
      const { among, elsewhere } = inWindow(body, describeClientHello)
      expect(among).toEqual(elsewhere)
      return among.serverName
    }
    expect(said('0006 00 0003 6c6e73')).toBe('lns')
    expect(said('0006 00 0004 6c6e73')).toBeUndefined()
    expect(said('0006 01 0003 6c6e73')).toBeUndefined()
    expect(said('0007 00 0003 6c6e73')).toBeUndefined()
    expect(said('0003 00 0000')).toBeUndefined()
  })

  test('keeps bounded lists of what may be endless', () => {
    const many = Array.from({ length: 5000 }, (_, i) => i)
    const told = client(
      clientHello({
        suites: many,
        extensions: [alpn(...many.map((i) => String(i))), keyShares(...many), [0, longName()]],
      }),
    )
    expect(told.cipherSuites.length).toBe(1024)
    expect(told.alpn?.length).toBe(64)
    expect(told.keyShareGroups?.length).toBe(64)
    expect(told.serverName?.length).toBe(255)
    expect(told.flaw).toBeUndefined()
  })

  test('reads nothing outside the body, whatever its octets', () => {
    fc.assert(
      fc.property(
        fc.nat(CLIENT.length),
        fc.array(fc.tuple(fc.nat(CLIENT.length - 1), fc.nat(255)), { maxLength: 6 }),
        (length, changes) => {
          const body = CLIENT.slice()
          for (const [at, value] of changes) body[at] = value
          const { among, elsewhere } = inWindow(body.subarray(0, length), describeClientHello)
          expect(among).toEqual(elsewhere)
          expect(inWindow(body.subarray(0, length), describeServerHello)).toSatisfy(
            (told: { among: unknown; elsewhere: unknown }) =>
              JSON.stringify(told.among) === JSON.stringify(told.elsewhere),
          )
        },
      ),
      { seed: 8446, numRuns: 2000 },
    )
  })
})

function longName(): Uint8Array {
  return concat(be16(303), fromHex('00'), be16(300), new Uint8Array(300).fill(0x61))
}

describe('describeServerHello', () => {
  test('tells what the server chose', () => {
    expect(describeServerHello(SERVER, 0, SERVER.length)).toEqual({
      version: 0x0303,
      selectedVersion: 0x0304,
      sessionIdLength: 0,
      cipherSuite: 0x1301,
      compressionMethod: 0,
      extensions: [43, 51, 16],
      group: 29,
      alpn: ['h2'],
    })
  })

  test('knows a request to try again, and a server that was asked for less than it can', () => {
    const retry = fromHex('cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c')
    const asked = serverHello({ random: retry, extensions: [[51, be16(29)]] })
    expect(describeServerHello(asked, 0, asked.length)).toMatchObject({ isHelloRetryRequest: true, group: 29 })
    for (const [mark, version] of [
      ['01', 0x0304],
      ['00', 0x0303],
    ] as const) {
      const lowered = serverHello({ random: fromHex(`${'33'.repeat(24)}444f574e475244${mark}`) })
      expect(describeServerHello(lowered, 0, lowered.length).downgradedFrom).toBe(version)
    }
  })

  test('every truncation is a flaw', () => {
    for (let length = 0; length < SERVER.length; length++) {
      const isWholeWithout = length === 38
      expect(describeServerHello(SERVER, 0, length).flaw === undefined, `cut at ${length}`).toBe(isWholeWithout)
    }
    const wrong = serverHello({ extensions: [[43, fromHex('03')]] })
    expect(describeServerHello(wrong, 0, wrong.length).flaw).toBe('tls.extension_data')
  })
})

describe('TlsHelloView', () => {
  test('after a flaw the windows that were not reached are empty', () => {
    const view = new TlsHelloView()
    expect(view.decodeClient(CLIENT, 0, 36)).toBe('tls.session_id_length')
    expect(view.suitesStart).toBe(view.suitesEnd)
    expect(view.extensionsStart).toBe(view.extensionsEnd)
  })
})

describe('highestVersion', () => {
  test('is that of the list, GREASE aside, or of the head', () => {
    expect(highestVersion(client(CLIENT))).toBe(0x0304)
    expect(highestVersion(client(clientHello({ version: 0x0302 })))).toBe(0x0302)
    expect(highestVersion(client(clientHello({ extensions: [supportedVersions(0xfafa)] })))).toBe(0x0303)
  })
})
