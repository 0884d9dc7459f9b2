import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { IkeTcpCursor, isIkeTcpPrefix, mayBeFrames } from '../../src/wire/ike-tcp.ts'
import { be16, be32, concat, fromHex, utf8 } from '../support/craft.ts'
import { message, sa1, transform1 } from '../support/ike.ts'

const MESSAGE = message({}, [[1, sa1([transform1([7, 2, 1, 14])])]])
const IKE = concat(be16(MESSAGE.length + 6), be32(0), MESSAGE)
const ESP = concat(be16(26), be32(0xc0ffee01), be32(1), new Uint8Array(16))

function walk(bytes: Uint8Array) {
  const cursor = new IkeTcpCursor().over(bytes, 0, bytes.length)
  const frames: string[] = []
  while (cursor.next()) frames.push(`${cursor.content} ${cursor.start}-${cursor.end}`)
  return { frames, flaw: cursor.flaw, at: cursor.at }
}

test('the prefix is six letters, or as many of them as there are', () => {
  const prefix = utf8('IKETCP')
  for (let end = 1; end <= 6; end++) expect(isIkeTcpPrefix(prefix, 0, end)).toBe(true)
  expect(isIkeTcpPrefix(prefix, 0, 0)).toBe(false)
  expect(isIkeTcpPrefix(utf8('IKETCQ'), 0, 6)).toBe(false)
  expect(isIkeTcpPrefix(concat(utf8('xx'), prefix, utf8('rest')), 2, 12)).toBe(true)
})

describe('frames', () => {
  test('are IKE behind the marker, ESP without', () => {
    const bytes = concat(IKE, ESP, IKE)
    expect(walk(bytes)).toEqual({
      frames: [
        `ike 6-${IKE.length}`,
        `esp ${IKE.length + 2}-${IKE.length + 26}`,
        `ike ${IKE.length + 32}-${bytes.length}`,
      ],
      flaw: null,
      at: bytes.length,
    })
  })

  test('that are cut anywhere are left for later', () => {
    const bytes = concat(ESP, IKE)
    for (let end = 0; end < bytes.length; end++) {
      const { frames, flaw, at } = walk(bytes.subarray(0, end))
      expect(frames).toHaveLength(end < ESP.length ? 0 : 1)
      expect(at).toBe(end < ESP.length ? 0 : ESP.length)
      expect(flaw).toBeNull()
    }
  })

  test('of one octet 0xff keep translators awake', () => {
    const bytes = concat(ESP, fromHex('0003ff'), ESP)
    expect(walk(bytes)).toEqual({ frames: ['esp 2-26', 'keepalive 28-29', 'esp 31-55'], flaw: null, at: bytes.length })
  })

  test.each([0, 1, 2, 3, 5])('of length %i cannot be', (length) => {
    expect(walk(concat(ESP, be16(length), new Uint8Array(8)))).toEqual({
      frames: ['esp 2-26'],
      flaw: 'iketcp.length',
      at: 26,
    })
  })
})

describe('a way back', () => {
  test.each([
    ['an IKE message', IKE, true],
    ['the beginning of an IKE message', IKE.subarray(0, 40), true],
    ['ESP to the end', concat(ESP, ESP), true],
    ['ESP and the beginning of an IKE message', concat(ESP, IKE.subarray(0, 50)), true],
    ['ESP and a keepalive', concat(ESP, fromHex('0003ff')), true],
    ['a keepalive alone, which may be anything', fromHex('0003ff'), false],
    ['the beginning of ESP, which may be anything', ESP.subarray(0, 20), false],
    ['ESP with a reserved SPI', concat(be16(26), be32(255), new Uint8Array(20)), false],
    ['an IKE header of another length', concat(be16(50), IKE.subarray(2)), false],
    ['the middle of a message', IKE.subarray(9), false],
    ['letters', utf8('GET / HTTP/1.1\r\n\r\n'), false],
    ['nothing', new Uint8Array(0), false],
    ['too little', fromHex('001a'), false],
  ])('%s: %s', (_, bytes, expected) => {
    expect(mayBeFrames(bytes, 0, bytes.length)).toBe(expected)
  })
})

test('any bytes give frames inside the window', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(20), (bytes, start) => {
      const from = Math.min(start, bytes.length)
      const cursor = new IkeTcpCursor().over(bytes, from, bytes.length)
      let last = from
      while (cursor.next()) {
        expect(cursor.start).toBeGreaterThan(last)
        expect(cursor.end).toBeLessThanOrEqual(bytes.length)
        last = cursor.end
      }
      expect(typeof mayBeFrames(bytes, from, bytes.length)).toBe('boolean')
    }),
    { seed: 5 },
  )
})
