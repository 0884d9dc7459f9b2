import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { measurePayload, type PingPattern, pingPattern } from '../../src/wire/icmp-payload.ts'
import { concat, fromHex, utf8 } from '../support/craft.ts'
import { inWindow } from '../support/window.ts'

function pattern(bytes: Uint8Array): PingPattern {
  return pingPattern(bytes, 0, bytes.length)
}

function counting(from: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => from + i)
}

const STAMP = fromHex('65a1b2c300000000 0102030400000000')

describe('pingPattern', () => {
  test('knows the ping of each system', () => {
    expect(pattern(utf8('abcdefghijklmnopqrstuvwabcdefghi'))).toBe('windows')
    expect(pattern(concat(STAMP, counting(16, 40)))).toBe('counting')
    expect(pattern(concat(STAMP.subarray(0, 8), counting(8, 48)))).toBe('counting')
    expect(pattern(counting(0, 1472))).toBe('counting')
    expect(pattern(concat(STAMP.subarray(0, 4), new Uint8Array(52)))).toBe('uniform')
    expect(pattern(utf8('XXXXXXXXXXXXXXXXXXXX'))).toBe('uniform')
    expect(pattern(concat(STAMP.subarray(0, 8), fromHex('abcdabcdabcdabcd')))).toBe('cisco')
    expect(pattern(STAMP)).toBe('short')
    expect(pattern(new Uint8Array(0))).toBe('empty')
  })

  test('calls everything else by no name', () => {
    expect(pattern(utf8('GET / HTTP/1.1\r\nHost: a'))).toBe('other')
    expect(pattern(concat(STAMP, counting(16, 40), fromHex('00')))).toBe('other')
    expect(pattern(utf8('abcdefghijklmnopqrstuvwxyz'))).toBe('other')
    expect(pattern(concat(counting(0, 50), fromHex('ff')))).toBe('other')
  })

  test('reads nothing outside the payload', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (octets) => {
        const { among, elsewhere } = inWindow(octets, pingPattern)
        expect(among).toBe(elsewhere)
        const measured = inWindow(octets, measurePayload)
        expect(measured.among).toEqual(measured.elsewhere)
      }),
      { seed: 792, numRuns: 1000 },
    )
  })
})

describe('measurePayload', () => {
  test('counts octets, kinds of octets and what can be printed', () => {
    expect(measurePayload(utf8('aab\n'), 0, 4)).toEqual({ length: 4, distinct: 3, printable: 3 })
    expect(measurePayload(utf8(''), 0, 0)).toEqual({ length: 0, distinct: 0, printable: 0 })
  })
})
