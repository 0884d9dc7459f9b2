import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type IkeStreamFinding, IkeStream } from '../../src/dissect/ike-stream.ts'
import { be16, be32, concat, utf8 } from '../support/craft.ts'
import { message, sa1, transform1 } from '../support/ike.ts'

const MESSAGE = message({}, [[1, sa1([transform1([7, 2, 1, 14])])]])
const IKE = concat(be16(MESSAGE.length + 6), be32(0), MESSAGE)
const esp = (sequence: number, length = 24) =>
  concat(be16(length + 2), be32(0xc0ffee01), be32(sequence), new Uint8Array(length - 8))
const PREFIX = utf8('IKETCP')

class Direction {
  readonly frames: string[] = []
  readonly findings: IkeStreamFinding[] = []
  readonly stream = new IkeStream({
    frame: (content, bytes, start, end) => {
      this.frames.push(content === 'ike' ? `ike ${end - start}` : `esp ${bytes[start + 7]}`)
    },
  })

  push(sequence: number, bytes: Uint8Array): this {
    const finding = this.stream.push(sequence >>> 0, bytes, 0, bytes.length)
    if (finding !== null) this.findings.push(finding)
    return this
  }
}

function begun(sequence = 0xffff_ffee): Direction {
  const direction = new Direction()
  direction.stream.begin(sequence)
  return direction
}

/** Where the octet `at` of a stream that began with `begun()` stands. */
const place = (at: number) => (0xffff_ffef + at) >>> 0

describe('a stream', () => {
  const bytes = concat(PREFIX, IKE, esp(1), esp(2), IKE)
  const expected = [`ike ${MESSAGE.length}`, 'esp 1', 'esp 2', `ike ${MESSAGE.length}`]

  test('in one segment gives its frames', () => {
    const direction = begun().push(place(0), bytes)
    expect(direction.frames).toEqual(expected)
    expect(direction.stream.hasPrefix).toBe(true)
    expect(direction.findings).toEqual([])
  })

  test('octet by octet gives the same, over the end of the sequence numbers too', () => {
    const direction = begun()
    for (let at = 0; at < bytes.length; at++) direction.push(place(at), bytes.subarray(at, at + 1))
    expect(direction.frames).toEqual(expected)
  })

  test('cut anywhere, repeated and disordered gives the same', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: bytes.length - 1 }), { maxLength: 8 }),
        fc.array(fc.nat(7), { maxLength: 6 }),
        fc.nat(),
        (cuts, repeated, order) => {
          const at = [...new Set([0, ...cuts])].sort((a, b) => a - b)
          const segments = at.map((from, i) => ({ from, to: at[i + 1] ?? bytes.length }))
          const sent = [...segments, ...repeated.map((i) => segments[i % segments.length])]
          // A rotation is a disorder that stays within what is kept.
          const turned = [...sent.slice(order % sent.length), ...sent.slice(0, order % sent.length)]
          const direction = begun()
          for (const { from, to } of turned) direction.push(place(from), bytes.subarray(from, to))
          expect(direction.frames).toEqual(expected)
          expect(direction.findings).toEqual([])
        },
      ),
      { seed: 6 },
    )
  })

  test('of the end that answers has no prefix', () => {
    const direction = begun().push(place(0), concat(IKE, esp(1)))
    expect(direction.frames).toEqual([`ike ${MESSAGE.length}`, 'esp 1'])
    expect(direction.stream.hasPrefix).toBe(false)
  })

  test('that is found in its middle begins where frames can be recognised', () => {
    const direction = new Direction()
    direction
      .push(5000, new Uint8Array(40).fill(0x55))
      .push(5040, concat(esp(7), IKE))
      .push(5040 + 26 + IKE.length, esp(8))
    expect(direction.frames).toEqual(['esp 7', `ike ${MESSAGE.length}`, 'esp 8'])
  })

  test('of another protocol gives nothing', () => {
    const direction = new Direction()
      .push(1, utf8('GET / HTTP/1.1\r\nHost: example\r\n\r\n'))
      .push(33, utf8('more of it'))
    expect(direction.frames).toEqual([])
    expect(direction.findings).toEqual([])
    expect(direction.stream.isForeign).toBe(false)
  })

  test('of another protocol from its SYN on is not looked at again', () => {
    const direction = begun().push(place(0), utf8('GET / HTTP/1.1\r\n')).push(place(16), esp(1))
    expect(direction.stream.isForeign).toBe(true)
    expect(direction.frames).toEqual([])
    direction.stream.begin(99)
    direction.push(100, esp(2))
    expect(direction.frames).toEqual(['esp 2'])
  })
})

describe('a gap', () => {
  test('is given up when too much has come behind it, and frames go on', () => {
    const direction = begun().push(place(0), concat(PREFIX, esp(1)))
    let at = 6 + 26 + 26
    for (let sequence = 3; sequence < 25; sequence++, at += 26) direction.push(place(at), esp(sequence))
    expect(direction.findings).toEqual(['iketcp.gap'])
    expect(direction.frames).toEqual(['esp 1', ...Array.from({ length: 22 }, (_, i) => `esp ${i + 3}`)])
  })

  test('behind which nothing looks like a frame is a loss, until something does', () => {
    const direction = begun().push(place(0), concat(PREFIX, esp(1)))
    for (let i = 0; i < 18; i++) direction.push(place(100 + i * 30), new Uint8Array(30).fill(0x55))
    expect(direction.findings).toEqual(['iketcp.lost'])
    direction.push(place(5000), esp(9))
    expect(direction.frames).toEqual(['esp 1', 'esp 9'])
  })

  test('that is large is jumped over, and back when the jump was forged', () => {
    const direction = begun().push(place(0), concat(PREFIX, esp(1)))
    direction.push(place(0x2000_0000), esp(66))
    direction.push(place(32), esp(2))
    expect(direction.frames).toEqual(['esp 1', 'esp 66', 'esp 2'])
    expect(direction.findings).toEqual(['iketcp.gap', 'iketcp.gap'])
    direction.push(place(0x2000_0000), utf8('no frame at all'))
    expect(direction.findings).toHaveLength(2)
  })
})

test('a length that cannot be is a finding, and the stream waits for a frame', () => {
  const direction = begun().push(place(0), concat(PREFIX, be16(1), new Uint8Array(20)))
  expect(direction.findings).toEqual(['iketcp.length'])
  direction.push(place(28), esp(4))
  expect(direction.frames).toEqual(['esp 4'])
})

test('whatever comes, little is kept, and frames lie inside what came', () => {
  const segment = fc.record({
    sequence: fc.oneof(fc.nat(3000), fc.nat(0xffff_ffff)),
    bytes: fc.oneof(fc.uint8Array({ maxLength: 100 }), fc.constantFrom(IKE, esp(1), concat(esp(2), IKE), PREFIX)),
  })
  fc.assert(
    fc.property(fc.array(segment, { maxLength: 60 }), (segments) => {
      const stream = new IkeStream({
        frame: (_content, bytes, start, end) => {
          expect(start).toBeLessThanOrEqual(end)
          expect(end).toBeLessThanOrEqual(bytes.length)
        },
      })
      for (const { sequence, bytes } of segments) stream.push(sequence, bytes, 0, bytes.length)
    }),
    { numRuns: 300, seed: 12 },
  )
})
