import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { applicationTag, BER, BerCursor, berElementEnd, contextTag } from '../../src/wire/ber.ts'
import { application, bitString, boolean, context, element, integer, octets, oid, sequence } from '../support/ber.ts'
import { fromHex } from '../support/craft.ts'

function over(bytes: Uint8Array, end = bytes.length, wireEnd = end): BerCursor {
  return new BerCursor(bytes, 0, end, wireEnd)
}

describe('a cursor', () => {
  test('walks the elements of one level, and down', () => {
    const bytes = sequence(integer(5), context(1, octets('abc')), boolean(true))
    const outer = over(bytes)
    expect(outer.take(BER.SEQUENCE)).toBe(true)
    const inner = outer.inner()
    expect(inner.take(BER.INTEGER)).toBe(true)
    expect(inner.integer()).toBe(5)
    expect(inner.take(contextTag(1))).toBe(true)
    const value = inner.inner()
    expect(value.take(BER.OCTET_STRING)).toBe(true)
    expect(value.text()).toBe('abc')
    expect(value.next()).toBe(false)
    expect(inner.take(BER.BOOLEAN)).toBe(true)
    expect(inner.boolean()).toBe(true)
    expect(inner.next()).toBe(false)
    expect(outer.next()).toBe(false)
    expect(outer.state).toMatchObject({ flaw: null, isSnapped: false })
  })

  test('reads lengths of one to four octets', () => {
    for (const length of [0, 127, 128, 255, 256, 65_535, 65_536]) {
      const cursor = over(octets(new Uint8Array(length)))
      expect(cursor.next()).toBe(true)
      expect(cursor.length).toBe(length)
    }
    const long = over(fromHex('04 84 00000002 6162'))
    expect(long.next()).toBe(true)
    expect(long.text()).toBe('ab')
  })

  test('refuses what these protocols do not have', () => {
    const cases = [
      ['30 80 0201 05 0000', 'ber.indefinite'],
      ['3f 21 00', 'ber.tag'],
      ['04 85 0100000000', 'ber.length'],
      ['04 05 00', 'ber.truncated'],
    ] as const
    for (const [digits, flaw] of cases) {
      const cursor = over(fromHex(digits))
      expect(cursor.next()).toBe(false)
      expect(cursor.state.flaw).toBe(flaw)
      expect(cursor.next()).toBe(false)
    }
  })

  test('names an element that ends outside its parent', () => {
    const outer = over(fromHex('30 03 04 05 00 0000 0000'))
    outer.next()
    expect(outer.inner().next()).toBe(false)
    expect(outer.state.flaw).toBe('ber.length')
  })

  test('goes no deeper than any message does', () => {
    let bytes = octets('x')
    for (let i = 0; i < 60; i++) bytes = sequence(bytes)
    let cursor = over(bytes)
    let depth = 0
    while (cursor.next()) {
      depth++
      cursor = cursor.inner()
    }
    expect(depth).toBeLessThan(60)
    expect(cursor.state.flaw).toBe('ber.too_deep')
  })

  test('reads no more elements than any message has', () => {
    const cursor = over(new Uint8Array(100_000))
    let elements = 0
    while (cursor.next()) elements++
    expect(elements).toBe(20_000)
    expect(cursor.state.flaw).toBe('ber.too_deep')
  })

  test('every truncation is a flaw; of what the capture cut it is none', () => {
    const bytes = sequence(integer(70_000), octets(new Uint8Array(200)))
    for (let end = 0; end < bytes.length; end++) {
      const cursor = over(bytes, end)
      const found = cursor.next()
      expect(found).toBe(false)
      if (end > 0) expect(cursor.state.flaw).toBe('ber.truncated')
      const snapped = over(bytes, end, bytes.length)
      if (snapped.next()) {
        const inner = snapped.inner()
        while (inner.next()) expect(inner.valueEnd).toBeLessThanOrEqual(end)
      }
      expect(snapped.state).toMatchObject({ flaw: null, isSnapped: true })
    }
  })
})

describe('values', () => {
  function only(bytes: Uint8Array): BerCursor {
    const cursor = over(bytes)
    expect(cursor.next()).toBe(true)
    return cursor
  }

  test('of integers have a sign, and are no number where they are too long', () => {
    for (const value of [0, 1, 127, 128, 255, 256, -1, -128, -129, -135, 65_536, 0x7fffffff, 4294967295])
      expect(only(integer(value)).integer()).toBe(value)
    expect(only(fromHex('02 00')).integer()).toBeNaN()
    expect(only(fromHex('02 07 01000000000000')).integer()).toBeNaN()
  })

  test('of bit strings are 32 bits', () => {
    expect(only(bitString(0x40810010)).bits()).toBe(0x40810010)
    expect(only(fromHex('03 02 07 80')).bits()).toBe(0x80000000)
    expect(only(fromHex('03 01 00')).bits()).toBe(0)
  })

  test('of object identifiers are dotted', () => {
    for (const dotted of ['1.3.6.1.5.5.2', '1.2.840.113554.1.2.2', '2.16.840.1.113730.3.4.2', '0.9'])
      expect(only(oid(dotted)).oid()).toBe(dotted)
    expect(
      only(element(6, new Uint8Array(100).fill(1)))
        .oid()
        .split('.'),
    ).toHaveLength(32)
    expect(only(element(6, new Uint8Array(100).fill(255))).oid()).toBe('')
  })

  test('of text are bounded', () => {
    expect(only(octets('x'.repeat(5000))).text()).toHaveLength(2048)
  })
})

describe('the end of an element', () => {
  test('is told as soon as its length is there', () => {
    const bytes = application(10, octets(new Uint8Array(300)))
    for (let end = 0; end < bytes.length; end++) expect(berElementEnd(bytes, 0, end)).toBe(end < 4 ? 0 : bytes.length)
    expect(applicationTag(10)).toBe(bytes[0])
  })

  test('is not told of forms that no message has', () => {
    for (const digits of ['30 80', '3f 03', '30 85 0000000001'])
      expect(berElementEnd(fromHex(digits), 0, fromHex(digits).length)).toBe(-1)
  })
})

describe('whatever the octets', () => {
  test('nothing leaves the window and the walk ends', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(20), (bytes, more) => {
        const walk = (cursor: BerCursor): void => {
          while (cursor.next()) {
            expect(cursor.valueStart).toBeLessThanOrEqual(bytes.length)
            expect(cursor.valueEnd).toBeLessThanOrEqual(bytes.length)
            if ((cursor.tag & 0x20) !== 0) walk(cursor.inner())
          }
        }
        walk(over(bytes, bytes.length, bytes.length + more))
      }),
      { numRuns: 2000 },
    )
  })
})
