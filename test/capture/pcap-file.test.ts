import { expect, test } from 'vitest'
import { UPCOMING_MAX } from '../../src/base/upcoming.ts'
import { ByteWindow, RECORD_BYTES_MAX } from '../../src/capture/byte-window.ts'
import { isPcap, PcapFile } from '../../src/capture/pcap-file.ts'
import { join, type PcapOptions, pcapFile, u32 } from '../support/pcap.ts'
import { MemoryBytes, previewed, readAll } from './support.ts'

const FIRST = { timeUs: 1_700_000_000_999_999, timeNs: 0, bytes: Uint8Array.of(1, 2, 3) }
const SECOND = { timeUs: 1_700_000_001_000_000, timeNs: 0, bytes: Uint8Array.of(4, 5, 6, 7), originalLength: 1500 }
const PACKETS = [FIRST, SECOND]

async function read(file: Uint8Array, blockBytes?: number) {
  const window = new ByteWindow(new MemoryBytes(file, blockBytes))
  await window.require(24)
  const source = new PcapFile('test', window)
  return { ...(await readAll(source)), notes: source.notes }
}

function times({ packets }: Awaited<ReturnType<typeof read>>): [number, number][] {
  return packets.map(({ timeUs, timeNs }) => [timeUs, timeNs])
}

test('a packet carries its bytes, time, wire length, link type, number and offset', async () => {
  const { packets, fault } = await read(pcapFile({ packets: PACKETS, linkType: 101 }))
  expect(fault).toBeNull()
  expect(packets).toEqual([
    {
      bytes: [1, 2, 3],
      timeUs: FIRST.timeUs,
      timeNs: 0,
      originalLength: 3,
      linkType: 101,
      interfaceId: 0,
      number: 1,
      offset: 24,
    },
    {
      bytes: [4, 5, 6, 7],
      timeUs: SECOND.timeUs,
      timeNs: 0,
      originalLength: 1500,
      linkType: 101,
      interfaceId: 0,
      number: 2,
      offset: 43,
    },
  ])
})

test.each<[string, Partial<PcapOptions>]>([
  ['big-endian', { bigEndian: true }],
  ['little-endian', {}],
])('nanoseconds keep their remainder beside the microseconds, %s', async (_, options) => {
  const packets = [{ ...FIRST, timeNs: 999 }, SECOND]
  const result = await read(pcapFile({ packets, nanoseconds: true, ...options }))
  expect(times(result)).toEqual([
    [FIRST.timeUs, 999],
    [SECOND.timeUs, 0],
  ])
  expect(result.notes.format).toContain('nanoseconds')
  expect(result.notes.interfaces[0].resolution).toBe('10^-9 s')
})

test('the variant with 24-byte record headers is read in both byte orders', async () => {
  for (const bigEndian of [false, true]) {
    const { packets, fault } = await read(pcapFile({ packets: PACKETS, modified: true, bigEndian }))
    expect(fault).toBeNull()
    expect(packets.map(({ bytes }) => bytes)).toEqual([
      [1, 2, 3],
      [4, 5, 6, 7],
    ])
  }
})

test('the bits above the link type, which tell of a frame check sequence, are not part of it', async () => {
  const { packets } = await read(pcapFile({ packets: [FIRST], linkType: 0x44000001 }))
  expect(packets[0].linkType).toBe(1)
})

test('versions before 2.4 may hold the two lengths in either order', async () => {
  const normal = pcapFile({ packets: [SECOND], minorVersion: 3 })
  const swapped = normal.slice()
  swapped.set(normal.subarray(32, 36), 36)
  swapped.set(normal.subarray(36, 40), 32)
  for (const file of [normal, swapped]) {
    const { packets, fault } = await read(file)
    expect(fault).toBeNull()
    expect(packets[0]).toMatchObject({ bytes: [4, 5, 6, 7], originalLength: 1500 })
  }
})

test('a fraction of more than a second carries over into the seconds', async () => {
  const file = pcapFile({ packets: [FIRST] })
  file.set(u32(1_000_000), 28)
  expect(times(await read(file))).toEqual([[1_700_000_001_000_000, 0]])
})

test('a packet longer than the snap length of the header is still a packet', async () => {
  const { packets, fault } = await read(pcapFile({ packets: PACKETS, snapLength: 2 }))
  expect(fault).toBeNull()
  expect(packets).toHaveLength(2)
})

test('a file without packets ends without a fault', async () => {
  expect(await read(pcapFile({ packets: [] }))).toMatchObject({ packets: [], fault: null })
})

test('every block size gives the same packets', async () => {
  const file = pcapFile({ packets: PACKETS })
  const whole = await read(file)
  for (let blockBytes = 1; blockBytes < file.length; blockBytes++) expect(await read(file, blockBytes)).toEqual(whole)
})

test('every truncation delivers the whole packets and names the offset of the broken one', async () => {
  const file = pcapFile({ packets: PACKETS })
  for (let length = 24; length < file.length; length++) {
    const { packets, fault } = await read(file.subarray(0, length))
    const whole = length < 43 ? 0 : 1
    expect(packets).toHaveLength(whole)
    if (length === 24 || length === 43) expect(fault).toBeNull()
    else expect(fault).toMatchObject({ name: 'capture.truncated', offset: whole === 0 ? 24 : 43 })
  }
})

test('a packet larger than one block is read whole', async () => {
  const bytes = new Uint8Array(3_000_000).fill(7)
  const { packets, fault } = await read(pcapFile({ packets: [FIRST, { timeUs: 1, bytes }, SECOND] }))
  expect(fault).toBeNull()
  expect(packets.map((packet) => packet.bytes.length)).toEqual([3, 3_000_000, 4])
})

test('a length beyond the limit is a fault with its offset, after the packets before it', async () => {
  const file = pcapFile({ packets: PACKETS })
  file.set(u32(RECORD_BYTES_MAX + 1), 43 + 8)
  const { packets, fault } = await read(file)
  expect(packets).toHaveLength(1)
  expect(fault).toMatchObject({ name: 'capture.record_length', offset: 43 })
})

test('only the known magic numbers are a pcap file', () => {
  expect(isPcap(pcapFile({ packets: [] }), 0)).toBe(true)
  expect(isPcap(join([u32(0xa1b2c3d5)]), 0)).toBe(false)
})

test('the packets that come next are known before, as many as fit into one look, but none that is not whole', async () => {
  const packets = Array.from({ length: UPCOMING_MAX + 3 }, (_, i) => ({ ...FIRST, bytes: new Uint8Array(i).fill(i) }))
  for (const bigEndian of [false, true]) {
    const file = pcapFile({ packets, linkType: 101, bigEndian })
    const window = new ByteWindow(new MemoryBytes(file.subarray(0, -1)))
    await window.require(24)
    const source = new PcapFile('test', window)
    const first = previewed(source)
    expect(first.said).toHaveLength(UPCOMING_MAX)
    expect(first.said[5]).toEqual([101, 5, 5, 5, 5, 5])
    expect(first.came).toEqual(first.said)
    const second = previewed(source)
    expect(second.said).toHaveLength(2)
    expect(second.came).toEqual(second.said)
    expect(previewed(source).said).toEqual([])
  }
})

test.each([false, true])(
  'two files behind one another are one, and a fault where the other begins (big-endian: %s)',
  async (bigEndian) => {
    const first = pcapFile({ packets: PACKETS })
    const { packets, fault } = await read(join([first, pcapFile({ packets: PACKETS, bigEndian })]))
    expect(packets).toHaveLength(2)
    expect(fault).toMatchObject({ name: 'capture.second_header', offset: first.length })
    expect(fault?.message).toContain('mergecap')
  },
)

test('a packet of which nothing was captured is a packet', async () => {
  const { packets, fault } = await read(pcapFile({ packets: [{ timeUs: 5, bytes: new Uint8Array(0) }, FIRST] }))
  expect(fault).toBeNull()
  expect(packets).toHaveLength(2)
})
