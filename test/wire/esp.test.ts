import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { describeEsp, EspTrailerView, EspView, isCarriedByEsp } from '../../src/wire/esp.ts'
import { fromHex } from '../support/craft.ts'
import { inWindow } from '../support/window.ts'

/** SPI, sequence number 7, and 12 octets of what may be anything. */
const PACKET = fromHex('c9b37d51 00000007 00112233445566778899aabb')

const view = new EspView()
const trailer = new EspTrailerView()

describe('EspView', () => {
  test('reads the header, and gives the rest as one window', () => {
    expect(view.decode(PACKET, 0, PACKET.length)).toBeNull()
    expect(view).toMatchObject({ spi: 0xc9b37d51, sequence: 7, payloadStart: 8, payloadEnd: 20, wireEnd: 20 })
    expect(view.isSnapped).toBe(false)
  })

  test('every truncation of the header is a flaw with an empty payload', () => {
    for (let length = 0; length < 8; length++) {
      const { among, elsewhere } = inWindow(PACKET.subarray(0, length), (bytes, start, end) => [
        view.decode(bytes, start, end),
        view.payloadEnd - view.payloadStart,
      ])
      expect(among).toEqual(['esp.truncated', 0])
      expect(elsewhere).toEqual(among)
    }
  })

  test('a header without room for a trailer is empty, and can be read', () => {
    for (let length = 8; length < 10; length++) {
      expect(view.decode(PACKET, 0, length)).toBe('esp.empty')
      expect(view).toMatchObject({ spi: 0xc9b37d51, sequence: 7 })
    }
    expect(view.decode(PACKET, 0, 10)).toBeNull()
  })

  test('a capture cut short is no flaw of the sender', () => {
    expect(view.decode(PACKET, 0, 8, PACKET.length)).toBeNull()
    expect(view.isSnapped).toBe(true)
    expect([view.payloadStart, view.payloadEnd]).toEqual([8, 8])
  })

  test('an SPI of zero is never sent, and those up to 255 are reserved', () => {
    const zero = fromHex('00000000 00000001 0011223344556677')
    expect(view.decode(zero, 0, zero.length)).toBe('esp.spi_zero')
    expect(describeEsp(view)).toEqual({ layer: 'esp', spi: '0x00000000', sequence: 1, length: 16 })
    const reserved = fromHex('000000ff 00000001 0011223344556677')
    expect(view.decode(reserved, 0, reserved.length)).toBeNull()
    expect(describeEsp(view)['findings']).toEqual(['esp.spi_reserved'])
    const first = fromHex('00000100 00000001 0011223344556677')
    view.decode(first, 0, first.length)
    expect(describeEsp(view)['findings']).toBeUndefined()
  })
})

describe('describeEsp', () => {
  test('finds lengths and sequence numbers that no sender uses', () => {
    const odd = fromHex('c9b37d51 00000000 001122')
    view.decode(odd, 0, odd.length)
    expect(describeEsp(view)).toEqual({
      layer: 'esp',
      spi: '0xc9b37d51',
      sequence: 0,
      length: 11,
      findings: ['esp.alignment', 'esp.sequence_zero'],
    })
  })

  test('tells the length on the wire of a packet that was cut', () => {
    view.decode(PACKET, 0, 14, PACKET.length)
    expect(describeEsp(view)).toEqual({ layer: 'esp', spi: '0xc9b37d51', sequence: 7, length: 20, isSnapped: true })
  })
})

describe('EspTrailerView', () => {
  function read(digits: string): string | null {
    const bytes = fromHex(digits)
    return trailer.decode(bytes, 0, bytes.length)
  }

  test('finds the content before the padding', () => {
    expect(read('aabbcc 0102030405 05 11')).toBeNull()
    expect(trailer).toMatchObject({ padLength: 5, nextHeader: 17, contentStart: 0, contentEnd: 3 })
    expect(read('aabb 00 04')).toBeNull()
    expect(trailer).toMatchObject({ padLength: 0, nextHeader: 4, contentEnd: 2 })
  })

  test('padding that does not count up is named, and left off all the same', () => {
    expect(read('aabbcc 0102040405 05 11')).toBe('esp.padding')
    expect(trailer.contentEnd).toBe(3)
    expect(read('aabb 0000 02 04')).toBe('esp.padding')
  })

  test('padding longer than the packet leaves no content', () => {
    expect(read('aabb 03 04')).toBe('esp.pad_length')
    expect(trailer.contentStart).toBe(trailer.contentEnd)
  })

  test('padding may be all that there is', () => {
    expect(read('0102 02 3b')).toBeNull()
    expect(trailer).toMatchObject({ padLength: 2, nextHeader: 59, contentStart: 0, contentEnd: 0 })
  })

  test('one octet is no trailer', () => {
    expect(read('')).toBe('esp.trailer_truncated')
    expect(read('04')).toBe('esp.trailer_truncated')
  })

  test('whatever the octets, the content stays inside them', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(20), (bytes, from) => {
        const start = Math.min(from, bytes.length)
        trailer.decode(bytes, start, bytes.length)
        expect(trailer.contentStart).toBe(start)
        expect(trailer.contentEnd).toBeGreaterThanOrEqual(start)
        expect(trailer.contentEnd).toBeLessThanOrEqual(bytes.length)
      }),
      { seed: 50, numRuns: 1000 },
    )
  })
})

test('few next headers are met inside ESP', () => {
  expect([4, 6, 17, 41, 59, 115, 60].every(isCarriedByEsp)).toBe(true)
  expect(Array.from({ length: 256 }, (_, value) => value).filter(isCarriedByEsp).length).toBeLessThan(32)
})
