/** What several threads found, put together: the order that one thread would have told it in. */
import { expect, test } from 'vitest'
import { EventBus } from '../../src/events/bus.ts'
import { RowNews } from '../../src/parallel/flow-news.ts'
import { FlowRowWriter } from '../../src/parallel/flow-rows.ts'
import { Merger } from '../../src/parallel/merger.ts'
import { CARRIER_CLOSED, EXPIRE, NO_CAPTURE, PACKET } from '../../src/parallel/operation.ts'
import { Outbox } from '../../src/parallel/outbox.ts'
import {
  CARRIER_ENDED,
  FELL_IDLE,
  FIRST_IS_LOW,
  type FlowListener,
  FlowRecord,
  IS_IPV6,
} from '../../src/track/flow-record.ts'

const LIMITS = { conversationsMax: 100, carrierEventsPerMinute: 100, flowEventsMax: 100 }
const NAMES = {
  uid: 's-1',
  userName: 'alice',
  initiator: '10.99.0.1',
  responder: '10.99.0.2',
  identity: { 'borescope.lineage': ['t-1', 's-1'], 'l2tp.session.uid': 's-1' },
}

/** Of so many threads. */
function rowsOf(threads: number) {
  return (listener: FlowListener) => new RowNews(threads, listener)
}

function flow(port: number, born: number): FlowRecord {
  const record = new FlowRecord()
  record.number = port
  record.carrier = 8
  record.kind = 17
  record.state = FIRST_IS_LOW
  record.ports = (port << 16) | 53
  record.low = Uint8Array.of(10, 0, 0, 5)
  record.high = Uint8Array.of(192, 0, 2, 53)
  record.firstUs = 1e15 + born
  record.lastUs = 1e15 + born + 10
  record.born = born
  return record
}

function closed(writer: FlowRowWriter, position: number, operation: number, record: FlowRecord, timeUs: number): void {
  Object.assign(writer.occasion, {
    position,
    operation,
    capture: operation === PACKET ? 0 : NO_CAPTURE,
    number: position,
  })
  writer.flowClosed(record, operation === EXPIRE ? FELL_IDLE : CARRIER_ENDED, timeUs)
}

function merged(tell: (outbox: Outbox, writers: readonly FlowRowWriter[], at: (position: number) => void) => void) {
  const bus = new EventBus({ name: 'test', version: '1' })
  const lines: string[] = []
  bus.subscribe((event) =>
    lines.push(`${event['source.port'] ?? event['event.action']} ${event['borescope.frame.number'] ?? '-'}`),
  )
  const writers = [new FlowRowWriter(), new FlowRowWriter()]
  let position = 0
  const outbox = new Outbox(['a.pcap'], () => position)
  outbox.named(8, NAMES)
  tell(outbox, writers, (at) => {
    position = at
  })
  const merger = new Merger(bus, LIMITS, rowsOf(2), ['a.pcap'], (nowUs) => lines.push(`clock ${nowUs}`))
  merger.merge(
    outbox.take(),
    writers.map((writer) => writer.take(1, 0)),
  )
  return lines
}

test('by the operation, and before what the packet thread told after it', () => {
  const lines = merged((outbox, [one, two], at) => {
    at(3)
    outbox.expire(7)
    at(5)
    outbox.origin = { capture: 'a.pcap', number: 99, offset: 1 }
    outbox.emit({ name: 'capture.damaged', timeUs: 1, message: 'm', fields: { 'anomaly.name': 'x' } } as never)
    closed(one, 2, PACKET, flow(2, 1), 10)
    closed(two, 3, PACKET, flow(3, 1), 10)
    closed(one, 5, PACKET, flow(5, 1), 10)
    closed(two, 6, PACKET, flow(6, 1), 10)
  })
  expect(lines).toEqual(['2 2', '3 3', 'clock 7', '5 5', 'capture.damaged 99', '6 6'])
})

test('flows that end with their carrier: the youngest first', () => {
  const lines = merged((_, [one, two]) => {
    for (const born of [9, 4]) closed(one, 20, CARRIER_CLOSED, flow(born, born), 10)
    for (const born of [7, 5, 1]) closed(two, 20, CARRIER_CLOSED, flow(born, born), 10)
  })
  expect(lines).toEqual(['9 -', '7 -', '5 -', '4 -', '1 -'])
})

test('the names of a carrier are kept until all that ended with it was told, and no longer', () => {
  const tell = (position: number) =>
    merged((outbox, [one], at) => {
      at(20)
      outbox.forgotten(8)
      closed(one, position, CARRIER_CLOSED, flow(1, 1), 10)
    })
  expect(tell(20)).toEqual(['1 -'])
  expect(() => tell(21)).toThrow('a flow of a carrier without names: 8')
})

test('flows that end in one second: as they fell silent, and of those the oldest first', () => {
  const lines = merged((_, [one, two]) => {
    closed(one, 20, EXPIRE, flow(1, 50), 100)
    closed(one, 20, EXPIRE, flow(2, 60), 300)
    closed(two, 20, EXPIRE, flow(3, 40), 100)
    closed(two, 20, EXPIRE, flow(4, 1), 200)
  })
  expect(lines).toEqual(['3 -', '1 -', '4 -', '2 -'])
})

test('flows are left out and counted when too much waits, and nothing else is', () => {
  const bus = new EventBus({ name: 'test', version: '1' })
  const names: string[] = []
  bus.subscribe((event) => names.push(event['event.action']))
  let position = 0
  const outbox = new Outbox(['a.pcap'], () => position)
  outbox.named(8, NAMES)
  position = 1
  outbox.emit({ name: 'capture.damaged', timeUs: 1, message: 'm', fields: { 'anomaly.name': 'x' } } as never)
  const writer = new FlowRowWriter()
  const found = { name: 'dns.odd', detail: '', timeUs: 10 } as never
  const merger = new Merger(bus, LIMITS, rowsOf(1), ['a.pcap'], () => {})
  closed(writer, 1, PACKET, flow(1, 1), 10)
  writer.found(flow(2, 1), found)
  merger.merge(outbox.take(), [writer.take(1, 0)], true)
  expect(names).toEqual(['protocol.anomaly', 'capture.damaged'])
  expect(merger.shedFlows).toBe(1)
  closed(writer, 2, PACKET, flow(3, 1), 10)
  merger.merge(outbox.take(), [writer.take(2, 0)])
  expect(names.at(-1)).toBe('flow.closed')
  expect(merger.shedFlows).toBe(1)
})

test('a table that several threads found full is told once, and rows grow beyond their first room', () => {
  const lines = merged((_, writers) => {
    for (const writer of writers) {
      writer.occasion = { ...writer.occasion, capture: NO_CAPTURE }
      writer.raise({
        name: 'sensor.table.filled',
        timeUs: 1,
        message: 'm',
        fields: { 'sensor.table': 'flows', 'sensor.capacity': 1 },
      })
      for (let i = 0; i < 200; i++) closed(writer, i + 1, PACKET, flow(i, i), 10)
    }
  })
  expect(lines.filter((line) => line.startsWith('sensor.table.filled'))).toHaveLength(1)
  expect(lines).toHaveLength(401)
})

test('all that a flow is comes through, of IPv6 too; events of one name may have different fields', () => {
  const bus = new EventBus({ name: 'test', version: '1' })
  const events: object[] = []
  bus.subscribe((event) => events.push(event))
  const outbox = new Outbox([], () => 0)
  outbox.named(8, NAMES)
  const messages = [{ 'event.reason': 'a' }, { 'anomaly.name': 'b' }, { 'event.reason': undefined }]
  for (const fields of messages)
    outbox.emit({ name: 'capture.damaged', timeUs: 1, message: 'm', fields: { ...fields } } as never)
  const writer = new FlowRowWriter()
  const record = flow(1000, 1)
  record.kind = 6 | IS_IPV6
  record.low = Uint8Array.from({ length: 16 }, (_, i) => i + 1)
  record.high = Uint8Array.from({ length: 16 }, (_, i) => 255 - i)
  record.packets[0] = 3
  record.packets[1] = 2 ** 32 - 1
  record.bytes[0] = 2 ** 40
  record.bytes[1] = 5
  closed(writer, 1, CARRIER_CLOSED, record, 1e15 + 20)
  new Merger(bus, LIMITS, rowsOf(1), [], () => {}).merge(outbox.take(), [writer.take(1, 0)])
  expect(events.slice(0, 3)).toMatchObject([{ 'event.reason': 'a' }, { 'anomaly.name': 'b' }, {}])
  expect(Object.keys(events[1])).not.toContain('event.reason')
  expect(events[3]).toMatchObject({
    'source.ip': '102:304:506:708:90a:b0c:d0e:f10',
    'destination.ip': 'fffe:fdfc:fbfa:f9f8:f7f6:f5f4:f3f2:f1f0',
    'source.port': 1000,
    'destination.port': 53,
    'source.packets': 3,
    'destination.packets': 2 ** 32 - 1,
    'source.bytes': 2 ** 40,
    'destination.bytes': 5,
    'event.reason': 'session closed',
    'user.name': 'alice',
    'l2tp.session.uid': 's-1',
    'borescope.lineage': ['t-1', 's-1', expect.stringMatching(/^f-/)],
  })
})
