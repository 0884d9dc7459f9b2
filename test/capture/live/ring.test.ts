import { beforeEach, describe, expect, test } from 'vitest'
import { UPCOMING_MAX } from '../../../src/base/upcoming.ts'
import { Ring } from '../../../src/capture/live/ring.ts'
import { Frame } from '../../../src/dissect/frame.ts'
import { LinkView } from '../../../src/wire/link.ts'
import { allocatedBy } from '../../support/allocation.ts'
import * as craft from '../../support/craft.ts'
import { type RingRecord, STATUS, TestRing } from '../../support/packet-ring.ts'
import { Random } from '../../support/random.ts'
import { previewed } from '../support.ts'

const ETHERNET = 1
const RAW = 101
const BLOCK_BYTES = 4096
const PACKET = craft.ethernet(craft.ipv4(craft.udp(craft.sccrq())))
const packet = new Frame()

let kernel: TestRing
let ring: Ring
beforeEach(() => {
  kernel = new TestRing(4, BLOCK_BYTES)
  ring = new Ring(kernel.memory, BLOCK_BYTES, ETHERNET, false)
})

const read = (from = ring): Uint8Array | null =>
  from.next(packet) ? packet.bytes.slice(packet.start, packet.end) : null

/** The first bytes of all packets that are ready. */
function drain(): number[] {
  const seen: number[] = []
  while (ring.next(packet)) seen.push(packet.bytes[packet.start])
  return seen
}

const numbered = (value: number, length = 60): RingRecord => ({ bytes: new Uint8Array(length).fill(value) })

describe('a packet', () => {
  test('comes with its bytes, time, length and number', () => {
    kernel.fill([{ bytes: PACKET, seconds: 1_764_115_200, nanoseconds: 123_456_789, length: 1514 }])
    expect(read()).toEqual(PACKET)
    expect(packet).toMatchObject({
      timeUs: 1_764_115_200_123_456,
      timeNs: 789,
      originalLength: 1514,
      linkType: ETHERNET,
      interfaceId: 0,
      number: 1,
      offset: 0,
    })
    expect(ring).toMatchObject({ packets: 1, bytesSeen: PACKET.length, truncated: 1, flawed: 0 })
  })

  test('lies in the ring itself', () => {
    kernel.fill([{ bytes: PACKET }])
    read()
    expect(packet.bytes.buffer).toBe(kernel.memory)
    expect(packet.originalLength).toBe(PACKET.length)
    expect(ring.truncated).toBe(0)
  })

  test('has a time up to the end of the field', () => {
    kernel.fill([{ bytes: PACKET, seconds: 0xffff_ffff, nanoseconds: 999_999_999 }])
    read()
    expect(packet).toMatchObject({ timeUs: 4_294_967_295_999_999, timeNs: 999 })
  })

  test('of an interface without link headers begins with IP', () => {
    const bare = new Ring(kernel.memory, BLOCK_BYTES, RAW, false)
    const ip = craft.ipv4(craft.udp(craft.sccrq()))
    kernel.fill([{ bytes: ip, mac: 96, vlanTci: 5, status: STATUS.vlanValid }])
    expect(read(bare)).toEqual(ip)
    expect(packet.linkType).toBe(RAW)
  })
})

describe('blocks', () => {
  test('that the kernel has are not touched', () => {
    expect(ring.next(packet)).toBe(false)
    expect(ring.isReady).toBe(false)
    expect(ring.readyBlocks).toBe(0)
  })

  test('are given back when the packet after their last one is asked for', () => {
    const first = kernel.fill([numbered(1), numbered(2)])
    const second = kernel.fill([numbered(3)])
    expect(ring.readyBlocks).toBe(2)
    expect([read()?.[0], read()?.[0]]).toEqual([1, 2])
    expect(kernel.isKernels(first)).toBe(false)
    expect(read()?.[0]).toBe(3)
    expect(kernel.isKernels(first)).toBe(true)
    expect(kernel.isKernels(second)).toBe(false)
    expect(ring.isReady).toBe(false)
    expect(ring.next(packet)).toBe(false)
    expect(kernel.isKernels(second)).toBe(true)
  })

  test('are ready as long as packets are left', () => {
    kernel.fill([numbered(1), numbered(2)])
    expect(ring.isReady).toBe(true)
    read()
    expect(ring.isReady).toBe(true)
    read()
    expect(ring.isReady).toBe(false)
    kernel.fill([numbered(3)])
    expect(ring.isReady).toBe(true)
  })

  test('are walked round and round, also when all of them wait', () => {
    const expected: number[] = []
    const seen: number[] = []
    for (let round = 0; round < 5; round++) {
      for (let block = 0; block < kernel.blocks; block++) {
        const value = (round * kernel.blocks + block) % 250
        kernel.fill([numbered(value), numbered(value)])
        expected.push(value, value)
      }
      seen.push(...drain())
    }
    expect(seen).toEqual(expected)
  })

  test('without packets, which a time-out may hand over, are passed by', () => {
    kernel.fill([])
    kernel.fill([])
    kernel.fill([numbered(7)])
    expect(drain()).toEqual([7])
    expect(ring.flawed).toBe(0)
  })

  test('that say that packets were lost, or that time was over, are blocks like others', () => {
    kernel.fill([numbered(1)], { status: STATUS.user | STATUS.losing })
    kernel.fill([numbered(2)], { status: STATUS.user | 32 })
    expect(drain()).toEqual([1, 2])
  })

  test('are full to the last byte', () => {
    // 48 bytes of the block's header, 82 before the packet.
    const whole = numbered(9, BLOCK_BYTES - 48 - 82)
    kernel.fill([whole])
    expect(read()).toEqual(whole.bytes)
  })

  test('hold packets of any length, one after the other', () => {
    const random = new Random(7)
    for (let round = 0; round < 200; round++) {
      const lengths = Array.from({ length: random.below(8) }, () => 14 + random.below(300))
      kernel.fill(lengths.map((length, index) => numbered(index, length)))
      const got: number[] = []
      while (ring.next(packet)) {
        const bytes = packet.bytes.subarray(packet.start, packet.end)
        expect(bytes.every((byte) => byte === got.length)).toBe(true)
        got.push(bytes.length)
      }
      expect(got).toEqual(lengths)
    }
  })
})

describe('a VLAN tag that the kernel took out', () => {
  const seen = (record: Omit<RingRecord, 'bytes'>, bytes = PACKET) => {
    kernel.fill([{ bytes, ...record }])
    return read()
  }
  const tagged = (type: number, tci: number) =>
    craft.concat(PACKET.subarray(0, 12), craft.be16(type), craft.be16(tci), PACKET.subarray(12))

  test('goes back to where it was', () => {
    const bytes = seen({ status: STATUS.vlanValid | STATUS.tpidValid, vlanTci: 0x6005, vlanTpid: 0x88a8 })
    expect(bytes).toEqual(tagged(0x88a8, 0x6005))
    expect(packet.originalLength).toBe(PACKET.length + 4)
    const link = new LinkView()
    expect(link.decode(packet.bytes, packet.start, packet.end, ETHERNET)).toBe(null)
    expect(link).toMatchObject({ vlanId: 5, etherType: 0x0800 })
  })

  test('of the usual type has none in old kernels', () => {
    expect(seen({ status: STATUS.vlanValid, vlanTci: 7 })).toEqual(tagged(0x8100, 7))
  })

  test('may be all zeroes where it says that it is there, for priority 0 and no VLAN', () => {
    const status = STATUS.vlanValid | STATUS.tpidValid
    expect(seen({ status, vlanTci: 0, vlanTpid: 0x8100 })).toEqual(tagged(0x8100, 0))
  })

  test('counts also where only its value is there, as in older kernels', () => {
    expect(seen({ status: STATUS.user, vlanTci: 9 })).toEqual(tagged(0x8100, 9))
  })

  test('stands before the one that is left of two', () => {
    const inner = tagged(0x8100, 6)
    const status = STATUS.vlanValid | STATUS.tpidValid
    expect(seen({ status, vlanTci: 5, vlanTpid: 0x88a8 }, inner)).toEqual(
      craft.concat(PACKET.subarray(0, 12), craft.be16(0x88a8), craft.be16(5), inner.subarray(12)),
    )
  })

  test('is left out where nothing could take it: too short a frame, no room before it', () => {
    const status = STATUS.vlanValid
    expect(seen({ status, vlanTci: 5 }, PACKET.subarray(0, 11))).toEqual(PACKET.subarray(0, 11))
    expect(seen({ status, vlanTci: 5, mac: 70 })).toEqual(PACKET)
    expect(seen({ status, vlanTci: 5, mac: 72 })).toEqual(tagged(0x8100, 5))
  })

  test('is not there without either', () => {
    expect(seen({ status: STATUS.user })).toEqual(PACKET)
  })

  test('leaves the packet behind it alone', () => {
    kernel.fill([
      { bytes: PACKET, status: STATUS.vlanValid, vlanTci: 5 },
      { bytes: PACKET, status: STATUS.vlanValid, vlanTci: 6 },
      { bytes: PACKET },
    ])
    expect([read(), read(), read(), read()]).toEqual([tagged(0x8100, 5), tagged(0x8100, 6), PACKET, null])
  })
})

describe('packets that the host sends', () => {
  const sent = { ...numbered(1), type: 4 }

  test('are packets', () => {
    kernel.fill([sent, numbered(2)])
    expect(drain()).toEqual([1, 2])
  })

  test('are left out where they come in again', () => {
    ring = new Ring(kernel.memory, BLOCK_BYTES, ETHERNET, true)
    kernel.fill([sent, numbered(2), sent])
    kernel.fill([sent])
    kernel.fill([numbered(3)])
    expect(drain()).toEqual([2, 3])
    expect(packet.number).toBe(2)
    expect(ring.packets).toBe(2)
  })
})

describe('a block that makes no sense', () => {
  /** What comes out, and that the next block does, too. */
  const survives = (): number[] => {
    kernel.fill([numbered(99)])
    const seen = drain()
    expect(seen.at(-1)).toBe(99)
    expect(ring.isReady).toBe(false)
    return seen.slice(0, -1)
  }

  test.each([
    ['longer than the block', { kept: BLOCK_BYTES }],
    ['longer than any', { kept: 0xffff_ffff }],
    ['longer than it was on the wire', { kept: 61 }],
    ['inside its own header', { mac: 20 }],
    ['behind the block', { mac: 0xffff }],
  ])('ends at a packet that is %s', (_, lies) => {
    kernel.fill([numbered(1), { ...numbered(2), lies }, numbered(3)])
    expect(survives()).toEqual([1])
    expect(ring.flawed).toBe(2)
  })

  test.each([
    ['itself', 0],
    ['the middle of a record', 4],
    ['the end of the block', BLOCK_BYTES],
    ['far away', 0xffff_fff8],
  ])('ends behind a packet that leads to %s', (_, next) => {
    kernel.fill([numbered(1), { ...numbered(2), lies: { next } }, numbered(3), numbered(4)])
    expect(survives()).toEqual([1, 2])
    expect(ring.flawed).toBe(2)
  })

  test.each([0, 3, 47, BLOCK_BYTES - 8, BLOCK_BYTES, 0xffff_ffff])('that begins at %i is passed over', (first) => {
    kernel.fill([numbered(1)], { first })
    expect(survives()).toEqual([])
    expect(ring.flawed).toBe(1)
  })

  test('that counts more packets than it has ends with the last', () => {
    kernel.fill([numbered(1), numbered(2)], { packets: 1_000_000 })
    expect(survives()).toEqual([1, 2])
    expect(ring.flawed).toBe(999_998)
  })

  test('never gives a window outside of itself, whatever is in it', () => {
    const random = new Random(11)
    const bytes = new Uint8Array(kernel.memory)
    const words = new Uint32Array(kernel.memory)
    for (let round = 0; round < 2000; round++) {
      const block = kernel.fill([numbered(1), numbered(2), numbered(3)])
      const start = block * BLOCK_BYTES
      for (let i = 0; i < 6; i++) {
        // Everything but the status; small numbers are more treacherous than large ones.
        const at = start + 12 + random.below(400)
        if (random.below(2) === 0) bytes[at] = random.below(256)
        else words[at >> 2] = random.below(3) === 0 ? random.below(0x1_0000_0000) : random.below(BLOCK_BYTES)
      }
      while (ring.next(packet)) {
        expect(packet.start).toBeGreaterThanOrEqual(start + 68)
        expect(packet.end).toBeLessThanOrEqual(start + BLOCK_BYTES)
        expect(packet.start).toBeLessThanOrEqual(packet.end)
        expect(packet.end - packet.start).toBeLessThanOrEqual(packet.originalLength)
      }
      expect(kernel.isKernels(block)).toBe(true)
    }
  })
})

test('a packet costs no heap', () => {
  const big = new TestRing(16, 65_536)
  const walked = new Ring(big.memory, 65_536, ETHERNET, false)
  const status = new Int32Array(big.memory)
  for (let block = 0; block < 16; block++) big.fill(Array.from({ length: 100 }, (_, i) => numbered(i, 400)))
  const run = (rounds: number) => {
    for (let round = 0; round < rounds; round++) {
      for (let block = 0; block < 16; block++) status[(block * 65_536) / 4 + 2] = STATUS.user
      while (walked.next(packet));
    }
  }
  run(100)
  const packets = 20 * 16 * 100
  const portions = Array.from({ length: 9 }, () => allocatedBy(() => run(20))).sort((a, b) => a - b)
  expect(portions[4] / packets).toBeLessThan(0.5)
})

describe('the packets that come next', () => {
  test('are known before, as far as the block goes', () => {
    kernel.fill([numbered(1), numbered(2, 70), numbered(3, 80)])
    kernel.fill([numbered(4)])
    expect(previewed(ring).said).toEqual([])
    read()
    const { said, came } = previewed(ring)
    expect(said).toEqual([
      [ETHERNET, ...new Uint8Array(70).fill(2)],
      [ETHERNET, ...new Uint8Array(80).fill(3)],
    ])
    expect(came).toEqual(said)
    expect(previewed(ring).said).toEqual([])
  })

  test('are no more than fit into one look', () => {
    const big = new TestRing(1, 65_536)
    const walked = new Ring(big.memory, 65_536, ETHERNET, false)
    big.fill(Array.from({ length: UPCOMING_MAX + 2 }, (_, i) => numbered(i, 4)))
    expect(walked.next(packet)).toBe(true)
    expect(previewed(walked).said).toHaveLength(UPCOMING_MAX)
    expect(previewed(walked).said).toHaveLength(1)
  })

  test('end where a record makes no sense', () => {
    kernel.fill([numbered(1), numbered(2), { ...numbered(3), lies: { kept: 5000 } }, numbered(4)])
    kernel.fill([numbered(5), { ...numbered(6), lies: { next: 4 } }, numbered(7)])
    read()
    expect(previewed(ring).said).toEqual([[ETHERNET, ...new Uint8Array(60).fill(2)]])
    read()
    expect(previewed(ring).said).toEqual([[ETHERNET, ...new Uint8Array(60).fill(6)]])
  })
})
