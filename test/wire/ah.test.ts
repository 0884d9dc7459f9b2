import { describe, expect, test } from 'vitest'
import { AhView, describeAh } from '../../src/wire/ah.ts'
import { fromHex } from '../support/craft.ts'
import { inWindow } from '../support/window.ts'

/** ICMP behind a header of six words: an integrity check value of 96 bits. */
const PACKET = fromHex('01 04 0000 0000010a 00000003 0102030405060708090a0b0c 0800f7ff')

const view = new AhView()

describe('AhView', () => {
  test('reads the header, and leaves what it protects', () => {
    expect(view.decode(PACKET, 0, PACKET.length)).toBeNull()
    expect(view).toMatchObject({
      nextHeader: 1,
      payloadLength: 4,
      spi: 266,
      sequence: 3,
      payloadStart: 24,
      payloadEnd: 28,
    })
    expect(describeAh(view, false)).toEqual({
      layer: 'ah',
      nextHeader: 1,
      payloadLength: 4,
      reserved: 0,
      spi: '0x0000010a',
      sequence: 3,
      icvLength: 12,
      icv: '0102030405060708090a0b0c',
    })
  })

  test('every truncation is a flaw with an empty payload', () => {
    for (let length = 0; length < 24; length++) {
      const { among, elsewhere } = inWindow(PACKET.subarray(0, length), (bytes, start, end) => [
        view.decode(bytes, start, end),
        view.payloadEnd - view.payloadStart,
      ])
      expect(among).toEqual([length < 12 ? 'ah.truncated' : 'ah.length', 0])
      expect(elsewhere).toEqual(among)
    }
  })

  test('a capture cut short is told from a length that lies', () => {
    expect(view.decode(PACKET, 0, 20, PACKET.length)).toBe('ah.truncated')
    expect(view.decode(PACKET, 0, 26, PACKET.length)).toBeNull()
    expect([view.payloadStart, view.payloadEnd, view.wireEnd]).toEqual([24, 26, 28])
  })

  test('a length of zero is a flaw, and nothing follows', () => {
    const zero = fromHex('33 00 0000 0000010a 00000003 33000000')
    expect(view.decode(zero, 0, zero.length)).toBe('ah.length')
    expect(view.payloadStart).toBe(view.payloadEnd)
  })

  test('a header without any check value, out of line in IPv6, and reserved values are found', () => {
    const bare = fromHex('3b 01 0001 000000ff 00000003')
    expect(view.decode(bare, 0, bare.length)).toBeNull()
    expect(describeAh(view, true)['findings']).toEqual(['ah.spi_reserved', 'ah.reserved', 'ah.no_icv', 'ah.alignment'])
    expect(describeAh(view, false)['findings']).toEqual(['ah.spi_reserved', 'ah.reserved', 'ah.no_icv'])
    const zero = fromHex('3b 02 0000 00000000 00000003 00000000')
    expect(view.decode(zero, 0, zero.length)).toBeNull()
    expect(describeAh(view, true)['findings']).toEqual(['ah.spi_zero'])
  })
})
