import { describe, expect, test } from 'vitest'
import { ja3, ja3Text, ja3s, ja3sText, ja4, ja4Text } from '../../src/wire/tls-fingerprint.ts'
import { describeClientHello, describeServerHello, type TlsClientHello } from '../../src/wire/tls-hello.ts'
import {
  alpn,
  type ClientHelloFields,
  clientHello,
  type Extension,
  groups,
  pointFormats,
  serverHello,
  serverName,
  signatureAlgorithms,
  supportedVersions,
} from '../support/tls.ts'

function hello(fields: ClientHelloFields): TlsClientHello {
  const body = clientHello(fields)
  return describeClientHello(body, 0, body.length)
}

/** An extension whose content does not count. */
function bare(type: number): Extension {
  return [type, new Uint8Array(0)]
}

const SUITES = [
  0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f,
  0x0035,
]
const ALGORITHMS = [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601]
const ALPN = ['h2', 'http/1.1']
/** The hello of the example in the description of JA4, with GREASE mixed in. */
const BROWSER: ClientHelloFields = {
  suites: [0x0a0a, ...SUITES],
  extensions: [
    bare(0x1a1a),
    bare(0x001b),
    serverName('www.example.com'),
    bare(0x0033),
    alpn(...ALPN),
    bare(0x4469),
    bare(0x0017),
    bare(0x002d),
    signatureAlgorithms(...ALGORITHMS),
    bare(0x0005),
    bare(0x0023),
    bare(0x0012),
    supportedVersions(0x2a2a, 0x0304, 0x0303),
    bare(0xff01),
    pointFormats(0),
    groups(0x3a3a, 29, 23, 24),
    bare(0x0015),
    bare(0xfafa),
  ],
}

describe('JA3', () => {
  test('gives the values of its first description', () => {
    const first = hello({
      version: 769,
      suites: [47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4],
      extensions: [serverName('a'), groups(23, 24, 25), pointFormats(0)],
    })
    expect(ja3Text(first)).toBe('769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0')
    expect(ja3(first)).toBe('ada70206e40642a3e4461f35503241d5')
    const bareHello = hello({ version: 769, suites: [4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99] })
    expect(ja3Text(bareHello)).toBe('769,4-5-10-9-100-98-3-6-19-18-99,,,')
    expect(ja3(bareHello)).toBe('de350869b8c85de67a350c8d186f11e6')
  })

  test('does not count GREASE', () => {
    expect(ja3Text(hello(BROWSER))).toBe(
      `771,${SUITES.join('-')},27-0-51-16-17513-23-45-13-5-35-18-43-65281-11-10-21,29-23-24,0`,
    )
  })
})

describe('JA3S', () => {
  test('is the MD5 of version, suite and extensions', () => {
    const body = serverHello({ version: 769, suite: 47, extensions: [65281, 0, 11, 35, 5, 16].map(bare) })
    const chosen = describeServerHello(body, 0, body.length)
    expect(ja3sText(chosen)).toBe('769,47,65281-0-11-35-5-16')
    expect(ja3s(chosen)).toBe('836ce314215654b5b1f85f97c73e506f')
  })
})

describe('JA4', () => {
  test('gives the values of its description', () => {
    const browser = hello(BROWSER)
    expect(ja4Text(browser)).toBe(
      't13d1516h2_002f,0035,009c,009d,1301,1302,1303,c013,c014,c02b,c02c,c02f,c030,cca8,cca9_0005,000a,000b,000d,0012,0015,0017,001b,0023,002b,002d,0033,4469,ff01_0403,0804,0401,0503,0805,0501,0806,0601',
    )
    expect(ja4(browser)).toBe('t13d1516h2_8daaf6152771_e5627efa2ab1')
  })

  test('ends without an underscore where there are no signature algorithms', () => {
    const extensions = [5, 10, 11, 13, 0x12, 0x15, 0x17, 0x1b, 0x23, 0x2b, 0x2d, 0x33, 0x4469, 0xff01].map(bare)
    expect(ja4(hello({ extensions }))).toMatch(/_6d807ffa2a79$/)
  })

  test('tells addresses from names, versions and absences', () => {
    expect(ja4(hello({ version: 0x0301, suites: [0x0a0a] }))).toBe('t10i000000_000000000000_000000000000')
    expect(ja4(hello({ version: 0x0303, extensions: [supportedVersions(0x0a0a, 0x0304)] }))).toMatch(/^t13i010100_/)
    expect(ja4(hello({ version: 0x0300 }))).toMatch(/^ts3i/)
    expect(ja4(hello({ version: 0x7f1c }))).toMatch(/^t00i/)
    expect(ja4(hello({ suites: Array.from({ length: 120 }, (_, i) => i) }))).toMatch(/^t12i9900/)
  })

  test('shows protocols that are no letters by their octets', () => {
    const ends = (first: string) => ja4(hello({ extensions: [alpn(first)] })).slice(8, 10)
    expect(ends('http/1.1')).toBe('h1')
    expect(ends('x')).toBe('xx')
    expect(ends('')).toBe('00')
    expect(ends('\xab')).toBe('ab')
    expect(ends('\xab\xcd')).toBe('ad')
    expect(ends('0\xab')).toBe('3b')
    expect(ends('01\xab\xcd')).toBe('3d')
    expect(ends('0\xab\xcd1')).toBe('01')
  })
})
