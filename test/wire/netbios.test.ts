import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { describeNetbios, describeNetbiosDatagram, netbiosName, NetbiosView } from '../../src/wire/netbios.ts'
import { isNtError, ntStatusName } from '../../src/wire/nt-status.ts'
import { be16, concat, fromHex, utf8 } from '../support/craft.ts'
import { netbiosFrame } from '../support/smb.ts'

/** `FILES`, padded, with the last octet that says what it stands for, each half octet a letter. */
function encoded(name: string, suffix: number): Uint8Array {
  const octets = [...utf8(name.padEnd(15)), suffix]
  return concat(
    Uint8Array.of(32, ...octets.flatMap((octet) => [0x41 + (octet >> 4), 0x41 + (octet & 15)])),
    Uint8Array.of(0),
  )
}

const REQUEST = netbiosFrame(concat(encoded('FILES', 0x20), encoded('PC7', 0)), 0x81)

const view = new NetbiosView()

describe('a frame', () => {
  test('of a message has its length', () => {
    const bytes = netbiosFrame(new Uint8Array(70_000))
    expect(view.decode(bytes, 0, bytes.length)).toBeNull()
    expect(view).toMatchObject({ type: 0, isMessage: true, length: 70_000, payloadStart: 4, payloadEnd: 70_004 })
    expect(describeNetbios(view)).toEqual({ type: 0, typeName: 'message', length: 70_000 })
  })

  test('may go on in the next segment', () => {
    const bytes = netbiosFrame(new Uint8Array(100))
    expect(view.decode(bytes, 0, 30)).toBeNull()
    expect(view).toMatchObject({ payloadEnd: 30, payloadWireEnd: 104 })
  })

  test('that asks for a session names both ends', () => {
    expect(view.decode(REQUEST, 0, REQUEST.length)).toBeNull()
    expect(describeNetbios(view)).toEqual({
      type: 0x81,
      typeName: 'request',
      length: 68,
      calledName: 'FILES<20>',
      callingName: 'PC7<00>',
    })
  })

  test('may refuse one', () => {
    const refusal = netbiosFrame(Uint8Array.of(0x82), 0x83)
    view.decode(refusal, 0, refusal.length)
    expect(describeNetbios(view)).toMatchObject({ typeName: 'negative response', errorName: 'called name not present' })
  })

  test('tells its flaws', () => {
    for (let end = 0; end < 4; end++) expect(view.decode(REQUEST, 0, end)).toBe('netbios.truncated')
    expect(view.decode(fromHex('7f000000'), 0, 4)).toBe('netbios.type')
    expect(view.decode(fromHex('85ffffff'), 0, 4)).toBe('netbios.length')
    for (let end = 4; end < REQUEST.length; end++) {
      expect(view.decode(REQUEST, 0, end)).toBeNull()
      expect(describeNetbios(view)).not.toHaveProperty('calledName')
    }
  })

  test('whatever the octets, the payload stays inside them', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        view.decode(bytes, 0, bytes.length)
        expect(view.payloadStart).toBeLessThanOrEqual(view.payloadEnd)
        expect(view.payloadEnd).toBeLessThanOrEqual(bytes.length)
      }),
    )
  })
})

describe('a name', () => {
  test('that is not encoded is none', () => {
    expect(netbiosName(utf8('not a name of NetBIOS at all, but longer'), 0)).toBe('')
    const odd = encoded('FILES', 0x20)
    odd[7] = 0x20
    expect(netbiosName(odd, 0)).toBe('')
  })
})

describe('a datagram', () => {
  const datagram = (type: number, offset: number): Uint8Array =>
    concat(
      Uint8Array.of(type, 2),
      be16(7),
      fromHex('0a090014 008a'),
      be16(68 + 4),
      be16(offset),
      encoded('PC7', 0),
      encoded('CORP', 0x1d),
      fromHex('ff534d42'),
    )

  test('names both ends and has its content', () => {
    const bytes = datagram(17, 0)
    expect(describeNetbiosDatagram(bytes, 0, bytes.length)).toEqual({
      type: 17,
      typeName: 'direct group',
      datagramId: 7,
      sourceName: 'PC7<00>',
      destinationName: 'CORP<1d>',
      payload: { start: 82, end: 86 },
    })
  })

  test('that is a later piece has none', () => {
    expect(describeNetbiosDatagram(datagram(17, 100), 0, 86)).not.toHaveProperty('payload')
    expect(describeNetbiosDatagram(datagram(19, 0), 0, 86)).toMatchObject({ typeName: 'error' })
  })

  test('is none without a header, and without names when it is cut', () => {
    const bytes = datagram(17, 0)
    for (let end = 0; end < 14; end++) expect(describeNetbiosDatagram(bytes, 0, end)).toBeNull()
    for (let end = 14; end < 82; end++) expect(describeNetbiosDatagram(bytes, 0, end)).not.toHaveProperty('sourceName')
    expect(describeNetbiosDatagram(datagram(99, 0), 0, 86)).toBeNull()
  })
})

describe('a status of Windows', () => {
  test('has a name without its prefix', () => {
    expect(ntStatusName(0)).toBe('SUCCESS')
    expect(ntStatusName(0xc000006d)).toBe('LOGON_FAILURE')
    expect(ntStatusName(0xc0000234)).toBe('ACCOUNT_LOCKED_OUT')
    expect(ntStatusName(0x80000005)).toBe('BUFFER_OVERFLOW')
    expect(ntStatusName(0xc0001234)).toBe('c0001234')
  })

  test('is an error by its highest bits', () => {
    expect(isNtError(0xc0000022)).toBe(true)
    expect(isNtError(0x80000005)).toBe(false)
    expect(isNtError(0x103)).toBe(false)
  })
})
