import { expect, test } from 'vitest'
import {
  BLOCK_OVERHEAD,
  interfaceDescription,
  PacketBlock,
  packetBlockLength,
  readInterface,
  sectionHeader,
  writePacket,
} from '../../src/evidence/blocks.ts'
import { Random } from '../support/random.ts'

function written(packet: { timeUs: number; timeNs: number; originalLength: number }, bytes: Uint8Array): Buffer {
  const out = Buffer.alloc(packetBlockLength(bytes.length), 0xee)
  const view = new DataView(out.buffer, out.byteOffset)
  expect(writePacket(view, out, 0, 7, packet, bytes, 0, bytes.length)).toBe(out.length)
  return out
}

test('a packet block is what the format says, octet by octet', () => {
  const block = written(
    { timeUs: 1_795_448_207_686_858, timeNs: 123, originalLength: 60 },
    Uint8Array.of(1, 2, 3, 4, 5),
  )
  const ns = 1_795_448_207_686_858_123n
  const expected = Buffer.alloc(40)
  expected.writeUInt32LE(6, 0)
  expected.writeUInt32LE(40, 4)
  expected.writeUInt32LE(7, 8)
  expected.writeUInt32LE(Number(ns >> 32n), 12)
  expected.writeUInt32LE(Number(ns & 0xffff_ffffn), 16)
  expected.writeUInt32LE(5, 20)
  expected.writeUInt32LE(60, 24)
  expected.set([1, 2, 3, 4, 5], 28)
  expected.writeUInt32LE(40, 36)
  expect(block).toEqual(expected)
})

test('times come back to the nanosecond, in all of the range', () => {
  const random = new Random(1)
  const block = new PacketBlock()
  for (let i = 0; i < 20_000; i++) {
    const timeUs = i < 3 ? i : Math.floor((random.next() / 2 ** 32) * 2 ** (20 + random.below(34)))
    const timeNs = random.below(1000)
    const length = random.below(40)
    const bytes = written({ timeUs, timeNs, originalLength: 100 }, random.bytes(length))
    expect(block.decode(bytes, 0, bytes.length)).toBe(true)
    expect([block.timeUs, block.timeNs, block.end - block.start]).toEqual([timeUs, timeNs, length])
  }
})

test('a block that is cut anywhere, or whose lengths disagree, is none', () => {
  const bytes = written({ timeUs: 1, timeNs: 0, originalLength: 9 }, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9))
  const block = new PacketBlock()
  for (let end = 0; end < bytes.length; end++) expect(block.decode(bytes, 0, end)).toBe(false)
  for (const at of [4, 20, bytes.length - 4]) {
    const wrong = Buffer.from(bytes)
    wrong.writeUInt32LE(wrong.readUInt32LE(at) + 8, at)
    expect(block.decode(wrong, 0, wrong.length)).toBe(false)
  }
})

test('an interface says what it is and where it was', () => {
  const block = interfaceDescription(113, 'größe.pcap')
  expect(readInterface(block, 0, block.length)).toEqual({ linkType: 113, name: 'größe.pcap' })
  expect(sectionHeader('Borescope', 'x').length).toBeGreaterThan(BLOCK_OVERHEAD)
})
