/** Flows that are followed where the threads' results are put together, with both ends in one thread. */
import { expect, test } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import { Frame } from '../../src/dissect/frame.ts'
import { DistantFlows } from '../../src/parallel/distant-flows.ts'
import { OwnNews } from '../../src/parallel/flow-news.ts'
import { allocateShared, RingWriter, SharedBlocks } from '../../src/parallel/memory.ts'
import type { FlowListener } from '../../src/track/flow-record.ts'
import { trackLimits } from '../../src/track-limits.ts'
import * as craft from '../support/craft.ts'

function packetFrom(port: number, timeUs: number): Frame {
  const udp = craft.udp(new Uint8Array(8), { sourcePort: port, targetPort: 9 })
  const bytes = craft.ipv4(udp, { protocol: craft.IP_PROTOCOL.udp, source: '10.0.0.5', target: '192.0.2.53' })
  const frame = new Frame()
  Object.assign(frame, { timeUs, capture: 'a.pcap', number: port, offset: 24 })
  frame.inner.decode(bytes, 0, bytes.length)
  return frame
}

function ends() {
  const shared = allocateShared(1, 1)
  const rings = [new RingWriter(shared, 0)]
  const teller = { origin: { capture: 'a.pcap', number: 7, offset: 70 }, named() {}, forgotten() {} }
  const flows = new DistantFlows(rings, new SharedBlocks(shared, rings), ['a.pcap'], 0, teller)
  const told: string[] = []
  const listener: FlowListener = {
    flowClosed: ({ carrier, ports, packets }) => {
      const { position, capture, number, offset } = news.occasion
      told.push(
        `${carrier} ${ports & 0xffff}/${ports >>> 16} ${packets} at ${position}: ${capture} ${number} ${offset}`,
      )
    },
    said() {},
    found() {},
    raise() {},
  }
  const limits = trackLimits(loadConfig(undefined, {}).config)
  const news = new OwnNews({ shared, ring: 0, limits }, listener)
  return { flows, news, told, rings }
}

test('are told up to an operation, and no further than the batch: nothing is waited for', () => {
  const { flows, news, told, rings } = ends()
  flows.observe(packetFrom(1000, 1e15), 8, 0)
  flows.observe(packetFrom(2000, 1e15 + 1), 16, 0)
  flows.carrierClosed(8)
  const first = flows.position
  flows.carrierClosed(16)
  const second = flows.position
  flows.endBatch(1)
  news.tellUpTo(Number.MAX_VALUE)
  expect(told).toEqual([])
  news.over()
  news.tellUpTo(first)
  news.tellUpTo(first)
  expect(told).toEqual([`8 1000/9 1,0 at ${first}: 0 7 70`])
  news.tellUpTo(Number.MAX_VALUE)
  news.tellUpTo(Number.MAX_VALUE)
  expect(told[1]).toBe(`16 2000/9 1,0 at ${second}: 0 7 70`)
  expect(told).toHaveLength(2)
  expect(rings[0].isDone(rings[0].head)).toBe(true)
})

test('go on in the next batch', () => {
  const { flows, news, told } = ends()
  flows.observe(packetFrom(1000, 1e15), 8, 0)
  flows.endBatch(1)
  news.over()
  news.tellUpTo(Number.MAX_VALUE)
  flows.observe(packetFrom(1000, 1e15 + 1), 8, 0)
  flows.suspend()
  flows.endBatch(2)
  news.over()
  news.tellUpTo(Number.MAX_VALUE)
  expect(told).toHaveLength(1)
  expect(told[0]).toMatch(/^8 1000\/9 2,0 /)
})
