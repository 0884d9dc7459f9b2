import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MPPC_HISTORY_LENGTH, MppcDecompressor } from '../../src/wire/mppc.ts'
import { concat, fromHex, utf8 } from '../support/craft.ts'
import { MppcCompressor } from '../support/mppc.ts'

/** The published example of the same code in another protocol (MS-RDPBCGR section 3.1.8.4). */
const BELLS = 'for.whom.the.bell.tolls,.the.bell.tolls.for.thee!'
const BELLS_PACKED = fromHex('666f722e77686f6d2e7468652e62656c6c2e746f6c6c732c f4372e66fa1f199484')

const target = new Uint8Array(MPPC_HISTORY_LENGTH)

function expanded(mppc: MppcDecompressor, data: Uint8Array, isAtFront = false): Uint8Array | string {
  const buffer = concat(new Uint8Array(3).fill(0xff), data, new Uint8Array(9).fill(0xff))
  return mppc.decompress(buffer, 3, 3 + data.length, isAtFront, target) ?? target.slice(0, mppc.length)
}

describe('MppcDecompressor', () => {
  test('expands the published example', () => {
    expect(expanded(new MppcDecompressor(), BELLS_PACKED)).toEqual(utf8(BELLS))
  })

  test('copies what a copy has just written', () => {
    // X, c, d, then four octets from two before, Y, Z.
    expect(expanded(new MppcDecompressor(), fromHex('586364 f0a16568'))).toEqual(utf8('XcdcdcdYZ'))
  })

  test('gives back whatever was compressed, packet after packet', () => {
    const frames = fc.array(
      fc.oneof(
        fc.uint8Array({ maxLength: 300 }),
        fc
          .array(fc.constantFrom('the ', 'user ', 'alice ', 'é'), { maxLength: 200 })
          .map((words) => utf8(words.join(''))),
        fc.tuple(fc.nat(255), fc.nat(1500)).map(([octet, length]) => new Uint8Array(length).fill(octet)),
      ),
      { maxLength: 24 },
    )
    fc.assert(
      fc.property(frames, (packets) => {
        const compressor = new MppcCompressor()
        const mppc = new MppcDecompressor()
        for (const packet of packets) {
          const { data, isAtFront } = compressor.compress(packet)
          expect(expanded(mppc, data, isAtFront)).toEqual(packet)
        }
      }),
      { seed: 2118, numRuns: 60 },
    )
  })

  test('knows every length and offset that the code can write', () => {
    const random = Uint8Array.from({ length: 4000 }, (_, i) => (i * i * 31 + i * 7) >> 3)
    for (const distance of [1, 63, 64, 319, 320, 3999]) {
      for (const length of [3, 4, 7, 8, 15, 16, 127, 128, 1023, 1024, 3900]) {
        const frame = concat(random.subarray(0, distance), random.subarray(0, Math.min(length, distance)), utf8('|'))
        const { data, isAtFront } = new MppcCompressor().compress(frame)
        expect(expanded(new MppcDecompressor(), data, isAtFront)).toEqual(frame)
      }
    }
    const { data } = new MppcCompressor().compress(new Uint8Array(MPPC_HISTORY_LENGTH))
    expect(expanded(new MppcDecompressor(), data)).toEqual(new Uint8Array(MPPC_HISTORY_LENGTH))
  })

  test('names a copy from before the beginning, one that is too long, and one that is cut', () => {
    expect(expanded(new MppcDecompressor(), fromHex('41 f100'))).toBe('mppc.offset')
    expect(expanded(new MppcDecompressor(), fromHex('41 f07fff f0'))).toBe('mppc.length')
    expect(expanded(new MppcDecompressor(), fromHex('41 f07f80'))).toBe('mppc.truncated')
    // A literal of nine bits of which eight are there.
    expect(expanded(new MppcDecompressor(), fromHex('80'))).toBe('mppc.truncated')
  })

  test('an octet of zeros more is a literal zero, and fewer bits are padding', () => {
    expect(expanded(new MppcDecompressor(), fromHex('41'))).toEqual(utf8('A'))
    expect(expanded(new MppcDecompressor(), fromHex('41 00'))).toEqual(Uint8Array.of(0x41, 0))
    expect(expanded(new MppcDecompressor(), fromHex('c0 80'))).toEqual('mppc.truncated')
    expect(expanded(new MppcDecompressor(), fromHex('a0 80'))).toEqual(Uint8Array.of(0xc1))
  })

  test('forgets its history when the sender does', () => {
    const mppc = new MppcDecompressor()
    expanded(mppc, fromHex('414243'))
    // Three octets from three before: 1111 000011 0.
    const copy = fromHex('f0c0')
    expect(expanded(mppc, copy)).toEqual(utf8('ABC'))
    mppc.flush()
    expect(expanded(mppc, copy)).toBe('mppc.offset')
  })

  test('writes no further than its target', () => {
    const mppc = new MppcDecompressor()
    const small = new Uint8Array(4)
    expect(mppc.decompress(BELLS_PACKED, 0, BELLS_PACKED.length, false, small)).toBe('mppc.length')
    expect(mppc.length).toBe(4)
  })

  test('every truncation ends with a flaw or with less, and never reads on', () => {
    for (let length = 0; length < BELLS_PACKED.length; length++) {
      const given = expanded(new MppcDecompressor(), BELLS_PACKED.subarray(0, length))
      if (typeof given === 'string') expect(given).toBe('mppc.truncated')
      else expect(BELLS.startsWith(Buffer.from(given).toString())).toBe(true)
    }
  })
})
