import { expect, test } from 'vitest'
import { IpView } from '../../src/wire/ip.ts'
import { VjDecompressor } from '../../src/wire/vj.ts'
import * as craft from '../support/craft.ts'

const SLOT = 5
const packet = craft.ipv4(
  craft.tcp(new Uint8Array(100), {
    sourcePort: 5000,
    targetPort: 80,
    sequence: 1000,
    acknowledgement: 0xfffffff0,
    window: 500,
    flags: 0x18,
  }),
  {
    protocol: 6,
    id: 0xffff,
  },
)
const uncompressed = packet.slice()
uncompressed[9] = SLOT

function started(): VjDecompressor {
  const vj = new VjDecompressor()
  expect(vj.restore(uncompressed, 0, uncompressed.length, uncompressed.length)).toBeNull()
  return vj
}

function expand(vj: VjDecompressor, digits: string): string | null {
  const bytes = craft.fromHex(digits)
  return vj.expand(bytes, 0, bytes.length, bytes.length)
}

/** IP total length and id, then TCP sequence, acknowledgement, flags and window. */
function fields({ bytes }: VjDecompressor): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return [view.getUint16(2), view.getUint16(4), view.getUint32(24), view.getUint32(28), bytes[33], view.getUint16(34)]
}

test('an uncompressed packet gets its protocol back', () => {
  const vj = started()
  expect(Buffer.from(vj.bytes.subarray(0, vj.length))).toEqual(Buffer.from(packet.subarray(0, 40)))
  const ip = new IpView()
  expect(ip.decode(vj.bytes, 0, vj.length)).toBeNull()
  expect([ip.protocol, ip.wireEnd]).toEqual([6, 140])
})

test('each change, one byte or three', () => {
  const vj = started()
  expect(expand(vj, '6e 05 abcd 02 10 000100 03 aabbcc')).toBeNull()
  // Window +2, acknowledgement +16 over the end of the number space, sequence +256, id +3.
  expect(fields(vj)).toEqual([43, 2, 1256, 0, 0x10, 502])
  expect([...vj.bytes.subarray(36, 38)]).toEqual([0xab, 0xcd])
})

test('without a change the id goes on by one and the rest stays', () => {
  const vj = started()
  expect(expand(vj, '10 0000 ff')).toBeNull()
  expect(fields(vj)).toEqual([41, 0, 1000, 0xfffffff0, 0x18, 500])
})

test('the two special cases take their changes from the last payload', () => {
  const data = started()
  expect(expand(data, '0f 0000 0102')).toBeNull()
  expect(fields(data)).toEqual([42, 0, 1100, 0xfffffff0, 0x10, 500])
  expect(expand(data, '0f 0000')).toBeNull()
  expect(fields(data).slice(0, 3)).toEqual([40, 1, 1102])
  const echoed = started()
  expect(expand(echoed, '0b 0000 01')).toBeNull()
  expect(fields(echoed)).toEqual([41, 0, 1100, 84, 0x10, 500])
})

test('the urgent pointer', () => {
  const vj = started()
  expect(expand(vj, '01 0000 00 1234')).toBeNull()
  expect([...vj.bytes.subarray(38, 40), vj.bytes[33] & 0x20]).toEqual([0x12, 0x34, 0x20])
})

test('slots are apart, and a packet of one that was never filled is refused', () => {
  const vj = started()
  const other = uncompressed.slice()
  other[9] = 255
  other[21] = 0x89
  expect(vj.restore(other, 0, other.length, other.length)).toBeNull()
  expect(expand(vj, '40 05 0000')).toBeNull()
  expect(vj.bytes[21]).toBe(0x88)
  expect(expand(vj, '40 07 0000')).toBe('vj.slot')
  expect(expand(new VjDecompressor(), '00 0000')).toBe('vj.slot')
})

test('every truncation of either packet is a flaw', () => {
  for (let end = 0; end < 40; end++)
    expect(new VjDecompressor().restore(uncompressed, 0, end, end)).toBe('vj.truncated')
  const changes = craft.fromHex('6e 05 abcd 02 10 000100 03')
  for (let end = 0; end < changes.length; end++)
    expect(started().expand(changes, 0, end, end), `${end}`).toBe('vj.truncated')
})

test('headers that cannot be are a flaw', () => {
  for (const [at, value] of [
    [0, 0x65],
    [0, 0x44],
    [32, 0x40],
  ]) {
    const wrong = uncompressed.slice()
    wrong[at] = value
    expect(new VjDecompressor().restore(wrong, 0, wrong.length, wrong.length)).toBe('vj.header')
  }
})
