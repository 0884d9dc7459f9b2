import { expect, test } from 'vitest'
import { Upcoming } from '../../src/base/upcoming.ts'
import { ByteWindow } from '../../src/capture/byte-window.ts'
import { mergeByTime } from '../../src/capture/merge.ts'
import { PcapFile } from '../../src/capture/pcap-file.ts'
import { type CapturedPacket, pcapFile } from '../support/pcap.ts'
import { emptyPacket } from '../../src/capture/packet.ts'
import { MemoryBytes } from './support.ts'

/** A source of packets at these times, given block by block; the packet's first byte is its place in the source. */
async function source(name: string, times: readonly number[], options: { blockBytes?: number; cut?: number } = {}) {
  const packets = times.map((timeNs, index): CapturedPacket => {
    return { timeUs: Math.floor(timeNs / 1000), timeNs: timeNs % 1000, bytes: Uint8Array.of(index, 0, 0) }
  })
  const file = pcapFile({ packets, nanoseconds: true })
  const window = new ByteWindow(new MemoryBytes(file.subarray(0, file.length - (options.cut ?? 0)), options.blockBytes))
  await window.require(24)
  return new PcapFile(name, window)
}

async function order(sources: readonly PcapFile[]): Promise<string[]> {
  const merged = mergeByTime(sources)
  const packet = emptyPacket()
  const seen: string[] = []
  while (await merged.fill()) {
    while (merged.next(packet)) seen.push(`${merged.current.name}${packet.bytes[packet.start]}`)
  }
  return seen
}

test('packets come in the order of time, down to the nanosecond', async () => {
  const sources = [await source('a', [1000, 3000, 5001]), await source('b', [2000, 4000, 5000, 6000])]
  expect(await order(sources)).toEqual(['a0', 'b0', 'a1', 'b1', 'b2', 'a2', 'b3'])
})

test('at the same time the order of the sources decides', async () => {
  const times = [1000, 1000, 2000]
  const sources = [await source('a', times), await source('b', times), await source('c', times)]
  expect(await order(sources)).toEqual(['a0', 'a1', 'b0', 'b1', 'c0', 'c1', 'a2', 'b2', 'c2'])
})

test('a clock that steps back reorders nothing within its own file and stalls nobody', async () => {
  const sources = [await source('a', [5000, 1000, 6000]), await source('b', [2000, 5500])]
  expect(await order(sources)).toEqual(['b0', 'a0', 'a1', 'b1', 'a2'])
})

test('the size of the blocks in which the sources fill has no influence', async () => {
  const expected = ['a0', 'b0', 'a1', 'b1', 'a2', 'b2']
  for (const blockBytes of [1, 7, 19, 20, 43, 1000]) {
    const sources = [await source('a', [1000, 3000, 5000], { blockBytes }), await source('b', [2000, 4000, 6000])]
    expect(await order(sources)).toEqual(expected)
  }
})

test('many sources of different lengths, some of them empty', async () => {
  const sources = await Promise.all(
    Array.from({ length: 20 }, (_, index) => {
      const times = Array.from({ length: index % 7 }, (_, at) => 1000 * (at * 20 + ((index * 7) % 20) + 1))
      return source(`${index}.`, times)
    }),
  )
  const merged = mergeByTime(sources)
  const packet = emptyPacket()
  const times: number[] = []
  while (await merged.fill()) while (merged.next(packet)) times.push(packet.timeUs)
  expect(times).toHaveLength(sources.reduce((sum, _, index) => sum + (index % 7), 0))
  expect(times).toEqual(times.toSorted((a, b) => a - b))
})

test('a fault ends its own source only, and is named with it', async () => {
  const cut = await source('cut', [1000, 2000], { cut: 1 })
  const whole = await source('whole', [1500, 2500])
  const merged = mergeByTime([cut, whole])
  const packet = emptyPacket()
  let count = 0
  while (await merged.fill()) while (merged.next(packet)) count++
  expect(count).toBe(3)
  expect(merged.faults).toEqual([{ source: cut, fault: expect.objectContaining({ name: 'capture.truncated' }) }])
})

test('one source is passed through', async () => {
  const only = await source('a', [2000, 1000])
  const merged = mergeByTime([only])
  expect(merged.current).toBe(only)
  expect(merged.progress.bytesTotal).toBe(24 + 2 * 19)
  await merged.fill()
  const upcoming = new Upcoming()
  merged.preview(upcoming)
  expect(upcoming.count).toBe(2)
  expect(await order([only])).toEqual(['a0', 'a1'])
  expect(merged.faults).toEqual([])
})

test('of several sources the one that gave the last packet says what it will give next', async () => {
  const merged = mergeByTime([await source('a', [2000, 5000, 6000]), await source('b', [1000, 3000, 4000, 7000])])
  const packet = emptyPacket()
  const upcoming = new Upcoming()
  const said: [place: number, packets: number[]][] = []
  await merged.fill()
  while (merged.next(packet)) {
    merged.preview(upcoming)
    const { bytes, starts, count } = upcoming
    said.push([merged.place, Array.from({ length: count }, (_, i) => bytes[starts[i]])])
  }
  // The first packet of each is taken from its source already.
  expect(said.slice(0, 4)).toEqual([
    [1, [1, 2, 3]],
    [0, [1, 2]],
    [1, [2, 3]],
    [1, [3]],
  ])
})

test('progress is the sum of the sources', async () => {
  const merged = mergeByTime([await source('a', [1000]), await source('b', [1000])])
  expect(merged.progress).toEqual({ bytesRead: 2 * 43, bytesTotal: 2 * 43 })
  await merged.close()
})

test('no source at all is an error of the program', () => {
  expect(() => mergeByTime([])).toThrow(RangeError)
})
