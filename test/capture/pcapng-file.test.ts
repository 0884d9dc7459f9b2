import { expect, test } from 'vitest'
import { ByteWindow } from '../../src/capture/byte-window.ts'
import { emptyPacket } from '../../src/capture/packet.ts'
import { isPcapng, PcapngFile } from '../../src/capture/pcapng-file.ts'
import {
  enhancedPacket,
  interfaceDescription,
  join,
  pcapngBlock,
  pcapngFile,
  pcapngOption,
  sectionHeader,
  u16,
  u32,
  u64,
} from '../support/pcap.ts'
import { MemoryBytes, previewed, readAll } from './support.ts'

const TIME_US = 1_700_000_000_123_456
const BYTES = Uint8Array.of(1, 2, 3, 4, 5)
const PACKET = enhancedPacket({ bytes: BYTES }, BigInt(TIME_US))
const NOTHING = new Uint8Array(0)

async function read(file: Uint8Array, blockBytes?: number) {
  const source = new PcapngFile('test', new ByteWindow(new MemoryBytes(file, blockBytes)))
  const result = await readAll(source)
  return { ...result, notes: source.notes, skipped: Object.fromEntries(source.notes.skipped) }
}

/** The file of one section with one microsecond interface, and what is given. */
function section(...blocks: Uint8Array[]): Uint8Array {
  return join([sectionHeader({}), interfaceDescription({}), ...blocks])
}

test.each([false, true])(
  'an Enhanced Packet Block gives bytes, time, lengths, interface and offset (big-endian: %s)',
  async (bigEndian) => {
    const packets = [{ timeUs: TIME_US, timeNs: 789, bytes: BYTES, originalLength: 99, interfaceId: 1 }]
    const interfaces = [{}, { linkType: 113, resolution: 9 }]
    const file = pcapngFile({ bigEndian, interfaces, packets })
    const { packets: read1, fault } = await read(file)
    expect(fault).toBeNull()
    expect(read1).toEqual([
      {
        bytes: [1, 2, 3, 4, 5],
        timeUs: TIME_US,
        timeNs: 789,
        originalLength: 99,
        linkType: 113,
        interfaceId: 1,
        number: 1,
        offset: 28 + 20 + 20 + 8 + 4,
      },
    ])
  },
)

test('sections may differ in byte order, and each has its own interfaces', async () => {
  const little = pcapngFile({ packets: [{ timeUs: 1, bytes: BYTES }], interfaces: [{ linkType: 1 }] })
  const big = pcapngFile({ packets: [{ timeUs: 2, bytes: BYTES }], interfaces: [{ linkType: 9 }], bigEndian: true })
  const { packets, fault, notes } = await read(join([little, big, little]))
  expect(fault).toBeNull()
  expect(packets.map(({ timeUs, linkType, number }) => [timeUs, linkType, number])).toEqual([
    [1, 1, 1],
    [2, 9, 2],
    [1, 1, 3],
  ])
  expect(notes.interfaces.map((declared) => [declared.section, declared.id])).toEqual([
    [1, 0],
    [2, 0],
    [3, 0],
  ])
})

test('a Simple Packet Block is cut to the snap length and takes the time of the packet before it', async () => {
  const simple = pcapngBlock(3, join([u32(60), BYTES]))
  const file = join([sectionHeader({}), interfaceDescription({ snapLength: 5 }), PACKET, simple])
  const { packets } = await read(file)
  expect(packets[1]).toMatchObject({ bytes: [1, 2, 3, 4, 5], originalLength: 60, timeUs: TIME_US, interfaceId: 0 })
})

test('the obsolete Packet Block is read', async () => {
  const time = [u32(Math.floor(TIME_US / 2 ** 32)), u32(TIME_US % 2 ** 32)]
  const block = pcapngBlock(2, join([u16(0), u16(3), ...time, u32(5), u32(50), BYTES]))
  expect((await read(section(block))).packets[0]).toMatchObject({
    timeUs: TIME_US,
    originalLength: 50,
    bytes: [...BYTES],
  })
})

test('names, secrets, custom and unknown blocks are passed over', async () => {
  const passed = [4, 10, 0xbad, 0x40000bad, 0x7777].map((type) => pcapngBlock(type, Uint8Array.of(1, 2, 3, 4)))
  const { packets, fault, skipped } = await read(section(...passed, PACKET))
  expect(fault).toBeNull()
  expect(packets).toHaveLength(1)
  expect(skipped).toEqual({ 'capture.block_unknown': 1 })
})

test('what section, interface, packet and statistics say is kept in the notes', async () => {
  const statistics = join([
    u32(0),
    u32(0),
    u32(0),
    pcapngOption(4, u64(1000n)),
    pcapngOption(5, u64(7n)),
    pcapngOption(7, u64(8n)),
  ])
  const file = join([
    sectionHeader({ application: 'dumpcap', os: 'Linux', comment: 'of the section' }),
    interfaceDescription({ name: 'eth0', filter: 'udp port 1701', snapLength: 96, resolution: 0x8a }),
    enhancedPacket({ bytes: BYTES, comment: 'of the packet' }, 0n),
    pcapngBlock(5, statistics),
  ])
  const { notes } = await read(file)
  expect(notes).toMatchObject({ format: 'pcapng, little-endian', sections: 1, application: 'dumpcap', os: 'Linux' })
  expect(notes.comments).toEqual([
    { packet: 0, text: 'of the section' },
    { packet: 1, text: 'of the packet' },
  ])
  expect(notes.interfaces[0]).toMatchObject({
    name: 'eth0',
    filter: 'udp port 1701',
    snapLength: 96,
    resolution: '2^-10 s',
    received: 1000,
    dropped: 7,
    droppedByOs: 8,
  })
})

test('a packet of an undeclared interface is skipped and counted, and those after it are read: that it is missing is a fault', async () => {
  const stray = enhancedPacket({ bytes: BYTES, interfaceId: 1 }, 0n)
  const { packets, fault, skipped } = await read(section(PACKET, stray, stray, PACKET))
  expect(fault).toEqual({
    name: 'capture.interface_undeclared',
    offset: section(PACKET).length,
    message: '2 packets were passed over, from this one on',
  })
  expect(packets.map(({ number }) => number)).toEqual([1, 4])
  expect(skipped).toEqual({ 'capture.interface_undeclared': 2 })
})

test('a packet longer than its block, and blocks too short for their kind, are skipped and counted', async () => {
  const long = pcapngBlock(6, join([u32(0), u32(0), u32(0), u32(6), u32(6), Uint8Array.of(1, 2, 3, 4)]))
  const short = [1, 2, 3, 5, 6].map((type) => pcapngBlock(type, NOTHING))
  const { packets, fault, skipped } = await read(section(long, ...short, PACKET))
  expect(fault).toMatchObject({
    name: 'capture.packet_length',
    message: '4 packets were passed over, from this one on',
  })
  expect(packets).toHaveLength(1)
  expect(skipped).toEqual({ 'capture.packet_length': 1, 'capture.block_short': 5 })
})

test('an option that runs past its block is counted; the packet stands', async () => {
  const body = join([u32(0), u32(0), u32(0), u32(4), u32(4), Uint8Array.of(1, 2, 3, 4), u16(1), u16(50)])
  const { packets, skipped } = await read(section(pcapngBlock(6, body)))
  expect(packets).toHaveLength(1)
  expect(skipped).toEqual({ 'capture.option_length': 1 })
})

test('a time before 1970 or beyond 2^53 microseconds is moved to that bound and counted', async () => {
  const file = join([
    sectionHeader({}),
    interfaceDescription({ offsetSeconds: -5 }),
    enhancedPacket({ bytes: BYTES }, 4_999_999n),
    enhancedPacket({ bytes: BYTES }, 5_000_001n),
    enhancedPacket({ bytes: BYTES }, 2n ** 64n - 1n),
  ])
  const { packets, skipped } = await read(file)
  expect(packets.map(({ timeUs }) => timeUs)).toEqual([0, 1, Number.MAX_SAFE_INTEGER])
  expect(skipped).toEqual({ 'capture.time_range': 2 })
})

test('a length without the padding is understood, whether the padding is there or not', async () => {
  const body = join([u32(0), u32(0), u32(0), u32(5), u32(5), BYTES])
  const length = u32(body.length + 12)
  const unpadded = join([u32(6), length, body, length])
  const padded = join([u32(6), length, body, new Uint8Array(3), length])
  for (const block of [unpadded, padded]) {
    const { packets, fault } = await read(section(block, PACKET, block))
    expect(fault).toBeNull()
    expect(packets.map((packet) => packet.bytes)).toEqual([[...BYTES], [...BYTES], [...BYTES]])
  }
})

test.each([
  ['capture.block_length', join([u32(6), u32(11), u32(0), u32(0)])],
  ['capture.record_length', join([u32(6), u32(0x2000000), u32(0), u32(0)])],
  ['capture.block_trailer', join([u32(6), u32(16), u32(0), u32(20)])],
  ['capture.byte_order', join([u32(0x0a0d0d0a), u32(28), u32(0x11223344), new Uint8Array(16)])],
  ['capture.block_length', pcapngBlock(0x0a0d0d0a, u32(0x1a2b3c4d))],
  ['capture.version', pcapngBlock(0x0a0d0d0a, join([u32(0x1a2b3c4d), u16(2), u16(0), u64(0n)]))],
])('what hides where the next block begins is the fault %s', async (name, block) => {
  const before = section(PACKET)
  const { packets, fault } = await read(join([before, block, PACKET]))
  expect(packets).toHaveLength(1)
  expect(fault).toMatchObject({ name, offset: before.length })
})

test('every block size gives the same packets', async () => {
  const file = section(PACKET, PACKET)
  const whole = await read(file)
  for (let blockBytes = 1; blockBytes < file.length; blockBytes++) expect(await read(file, blockBytes)).toEqual(whole)
})

test('every truncation is a fault at the block that is cut, or the end of a block', async () => {
  const ends = [28, 28 + 20, 28 + 20 + PACKET.length, 28 + 20 + 2 * PACKET.length]
  const file = section(PACKET, PACKET)
  for (let length = 12; length < file.length; length++) {
    const { packets, fault } = await read(file.subarray(0, length))
    expect(packets).toHaveLength(ends.slice(2).filter((end) => end <= length).length)
    if (ends.includes(length)) expect(fault).toBeNull()
    else expect(fault).toMatchObject({ name: 'capture.truncated', offset: ends.findLast((end) => end <= length) ?? 0 })
  }
})

test('the section header alone does not make a file: the byte-order magic must follow', () => {
  expect(isPcapng(sectionHeader({}), 0)).toBe(true)
  expect(isPcapng(sectionHeader({}, true), 0)).toBe(true)
  expect(isPcapng(join([u32(0x0a0d0d0a), u32(28), u32(0)]), 0)).toBe(false)
})

test('the packets that come next are known before, up to a block that is none of the first interface or not whole', async () => {
  const of = (...bytes: number[]) => enhancedPacket({ bytes: Uint8Array.from(bytes) }, BigInt(TIME_US))
  const short = of(9)
  short[20] = 200
  const file = section(of(1), of(2, 3), pcapngBlock(4, NOTHING), of(4), short, of(5))
  const source = new PcapngFile('test', new ByteWindow(new MemoryBytes(file.subarray(0, -1))))
  await source.fill()
  expect(previewed(source).said).toEqual([])
  expect(source.next(emptyPacket())).toBe(true)
  const { said, came } = previewed(source)
  expect(said).toEqual([[1, 2, 3]])
  expect(came).toEqual(said)
  expect(source.next(emptyPacket())).toBe(true)
  expect(previewed(source).said).toEqual([])
})
