import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  looksLikeSocks,
  readCredentials,
  readMethods,
  readSocks4Reply,
  readSocks4Request,
  readSocks5Reply,
  readSocks5Request,
  socksMethodName,
} from '../../src/wire/socks.ts'
import { concat, fromHex, utf8 } from '../support/craft.ts'
import { inWindow } from '../support/window.ts'

const looks = (bytes: Uint8Array) => looksLikeSocks(bytes, 0, bytes.length)
const READERS = [
  readMethods,
  readCredentials,
  readSocks4Request,
  readSocks4Reply,
  readSocks5Request,
  readSocks5Reply,
] as const

const CONNECT4 = concat(fromHex('04 01 0050 c0000202'), utf8('fred'), fromHex('00'))
const CONNECT4A = concat(fromHex('04 01 0050 00000001 00'), utf8('www.example'), fromHex('00'))
const BY_NAME = concat(fromHex('05 01 00 03 0b'), utf8('www.example'), fromHex('01bb'))
const BY_IPV6 = fromHex('05 01 00 04 20010db8000000000000000000000001 0050')

describe('what a client begins with', () => {
  test.each([
    ['one method', fromHex('05 01 00')],
    ['three, and a request that did not wait', concat(fromHex('05 03 00 01 02'), BY_NAME)],
    ['private methods', fromHex('05 02 80 fe')],
    ['version 4', CONNECT4],
    ['version 4 without a user', fromHex('04 01 0050 c0000202 00')],
    ['version 4A', CONNECT4A],
    ['BIND', fromHex('04 02 0050 c0000202 00')],
  ])('%s', (_, bytes) => {
    expect(looks(bytes)).toBe(true)
  })

  test.each([
    ['no method, as DCE/RPC begins', '05 00 0b 03 10000000'],
    ['a method twice', '05 02 00 00'],
    ['methods that nobody registered', '05 02 00 30'],
    ['no acceptable method', '05 01 ff'],
    ['an unknown command', '04 03 0050 c0000202 00'],
    ['port 0', '04 01 0000 c0000202 00'],
    ['no network', '04 01 0050 00000000 00'],
    ['a network that is none', '04 01 0050 f0000001 00'],
    ['a user that is not visible', '04 01 0050 c0000202 07 00'],
    ['a name that is empty', '04 01 0050 00000001 00 00'],
    ['TLS', '16 03 01 00c8'],
  ])('not %s', (_, digits) => {
    expect(looks(fromHex(digits))).toBe(false)
  })

  test('every beginning of a beginning is undecided', () => {
    for (const bytes of [fromHex('05 03 00 01 02'), CONNECT4, CONNECT4A])
      for (let length = 0; length < bytes.length; length++) expect(looks(bytes.subarray(0, length))).toBeUndefined()
    expect(looks(concat(fromHex('04 01 0050 c0000202'), new Uint8Array(400).fill(0x41)))).toBe(false)
  })
})

describe('messages', () => {
  test('methods', () => {
    expect(readMethods(fromHex('05 02 00 02 ff'), 0, 5)).toEqual({ methods: [0, 2], next: 4 })
    expect([0, 1, 2, 9, 4, 0x80].map(socksMethodName)).toEqual([
      'none',
      'gssapi',
      'password',
      'json_parameter_block',
      '4',
      '128',
    ])
  })

  test('credentials give the user, and no password', () => {
    const bytes = concat(fromHex('01 05'), utf8('alice'), fromHex('06'), utf8('secret'), fromHex('05'))
    expect(readCredentials(bytes, 0, bytes.length)).toEqual({ user: 'alice', next: 14 })
    expect(readCredentials(fromHex('05 00'), 0, 2)).toBe('socks.credentials')
  })

  test('requests', () => {
    expect(readSocks4Request(CONNECT4, 0, CONNECT4.length)).toEqual({
      version: '4',
      command: 'connect',
      host: '192.0.2.2',
      port: 80,
      user: 'fred',
      next: CONNECT4.length,
    })
    expect(readSocks4Request(CONNECT4A, 0, CONNECT4A.length)).toMatchObject({ version: '4a', host: 'www.example' })
    expect(readSocks5Request(BY_NAME, 0, BY_NAME.length)).toEqual({
      version: '5',
      command: 'connect',
      host: 'www.example',
      port: 443,
      next: BY_NAME.length,
    })
    expect(readSocks5Request(BY_IPV6, 0, BY_IPV6.length)).toMatchObject({ host: '2001:db8::1', port: 80 })
    const associate = fromHex('05 03 00 01 00000000 0000')
    expect(readSocks5Request(associate, 0, associate.length)).toMatchObject({ command: 'udp_associate', port: 0 })
  })

  test('replies', () => {
    const granted = fromHex('00 5a 0050 c0000202')
    expect(readSocks4Reply(granted, 0, 8)).toMatchObject({ name: 'succeeded', isSuccess: true, port: 80, next: 8 })
    expect(readSocks4Reply(fromHex('00 5c 0000 00000000'), 0, 8)).toMatchObject({
      name: 'identd_unreachable',
      isSuccess: false,
    })
    const refused = fromHex('05 05 00 01 00000000 0000')
    expect(readSocks5Reply(refused, 0, 10)).toMatchObject({ code: 5, name: 'connection_refused', isSuccess: false })
    expect(readSocks5Reply(fromHex('05 20 00 01 00000000 0000'), 0, 10)).toMatchObject({ name: '32' })
  })

  test.each([
    ['a command of version 5 in version 4', readSocks4Request, '04 03 0050 c0000202 00', 'socks.request'],
    ['no command', readSocks5Request, '05 00 00 01 c0000202 0050', 'socks.request'],
    ['what is reserved', readSocks5Request, '05 01 01 01 c0000202 0050', 'socks.request'],
    ['a type of address', readSocks5Request, '05 01 00 02 c0000202 0050', 'socks.request'],
    ['another version', readSocks5Reply, '04 00 00 01 00000000 0000', 'socks.reply'],
    ['a type of address in a reply', readSocks5Reply, '05 00 00 00 00000000 0000', 'socks.reply'],
    ['a reply that version 4 does not know', readSocks4Reply, '00 5e 0000 00000000', 'socks.reply'],
  ] as const)('a flaw: %s', (_, read, digits, flaw) => {
    const bytes = fromHex(digits)
    expect(read(bytes, 0, bytes.length)).toBe(flaw)
  })

  test('a user without an end is a flaw', () => {
    const bytes = concat(fromHex('04 01 0050 c0000202'), new Uint8Array(300).fill(0x41))
    expect(readSocks4Request(bytes, 0, bytes.length)).toBe('socks.text_length')
  })

  test('every truncation asks for more', () => {
    const whole = [
      [readMethods, fromHex('05 02 00 02')],
      [readCredentials, concat(fromHex('01 02'), utf8('me'), fromHex('02'), utf8('no'))],
      [readSocks4Request, CONNECT4],
      [readSocks4Request, CONNECT4A],
      [readSocks4Reply, fromHex('00 5a 0050 c0000202')],
      [readSocks5Request, BY_NAME],
      [readSocks5Request, BY_IPV6],
      [readSocks5Reply, fromHex('05 05 00 01 00000000 0000')],
    ] as const
    for (const [read, bytes] of whole)
      for (let length = 0; length < bytes.length; length++)
        expect(read(bytes.subarray(0, length), 0, length)).toBe('more')
  })

  test('no octets make it read beyond them', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), fc.constantFrom(...READERS), (bytes, read) => {
        for (const one of [read, looksLikeSocks]) {
          const { among, elsewhere } = inWindow<unknown>(bytes, one)
          expect(among).toEqual(elsewhere)
        }
      }),
    )
  })
})
