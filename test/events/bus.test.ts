import { EcsVersion } from '@elastic/ecs'
import { describe, expect, test } from 'vitest'
import { ECS_VERSION, EventBus, type Origin } from '../../src/events/bus.ts'
import type { RaisedEvent } from '../../src/events/catalogue.ts'
import { type EventDocument, isField, nest } from '../../src/events/fields.ts'

const ORIGIN: Origin = { capture: 'a.pcap', number: 7, offset: 1234 }
const TIME_US = 1_234_567_890_000_001

function anomaly(fields: Partial<RaisedEvent<'protocol.anomaly'>['fields']> = {}, timeUs = TIME_US): RaisedEvent {
  return {
    name: 'protocol.anomaly',
    timeUs,
    message: 'A packet broke the rules',
    fields: { 'anomaly.name': 'l2tp.version', 'anomaly.layer': 'l2tp', ...fields },
  }
}

function documentsOf(events: readonly RaisedEvent[], origin: Origin | null = ORIGIN, name = 'test'): EventDocument[] {
  const bus = new EventBus({ name, version: '1.2.3' })
  const documents: EventDocument[] = []
  bus.subscribe((document) => documents.push(document))
  bus.origin = origin
  for (const event of events) bus.emit(event)
  return documents
}

function documentOf(event: RaisedEvent, origin: Origin | null = ORIGIN): EventDocument {
  return documentsOf([event], origin)[0]
}

test('a raised event becomes a whole document', () => {
  expect(documentOf(anomaly({ 'source.ip': '192.0.2.1', 'source.port': 1701 }))).toEqual({
    '@timestamp': '2009-02-13T23:31:30.000001Z',
    'event.id': expect.stringMatching(/^[0-9a-f]{20}$/),
    'event.kind': 'event',
    'event.category': ['network'],
    'event.type': ['protocol', 'info'],
    'event.action': 'protocol.anomaly',
    'event.dataset': 'borescope.protocol',
    'event.module': 'borescope',
    'event.sequence': 1,
    message: 'A packet broke the rules',
    'source.ip': '192.0.2.1',
    'source.port': 1701,
    'anomaly.name': 'l2tp.version',
    'anomaly.layer': 'l2tp',
    'related.ip': ['192.0.2.1'],
    'borescope.capture': 'a.pcap',
    'borescope.frame.number': 7,
    'borescope.frame.offset': 1234,
    'observer.name': 'test',
    'observer.product': 'Borescope',
    'observer.type': 'ids',
    'observer.version': '1.2.3',
    'ecs.version': ECS_VERSION,
  })
})

test('every field of a document is declared', () => {
  expect(Object.keys(documentOf(anomaly())).filter((name) => !isField(name))).toEqual([])
})

test('the ECS version is that of the names', () => {
  expect(EcsVersion).toContain(ECS_VERSION.split('.').slice(0, 2).join('.'))
})

test('without a packet there is no place in a capture', () => {
  const names = Object.keys(documentOf(anomaly(), null))
  expect(names.filter((name) => name.startsWith('borescope.'))).toEqual([])
})

test('what is undefined does not leave the process', () => {
  const nested = nest(documentOf(anomaly({ 'anomaly.detail': undefined })))
  expect(nested['anomaly']).toEqual({ name: 'l2tp.version', layer: 'l2tp' })
})

describe('the id', () => {
  const id = documentOf(anomaly())['event.id']

  test('is the same wherever and whenever the same thing is seen again', () => {
    expect(documentOf(anomaly(), null)['event.id']).toBe(id)
    expect(documentOf(anomaly(), { capture: 'b.pcapng', number: 99, offset: 0 })['event.id']).toBe(id)
    expect(documentsOf([anomaly()], ORIGIN, 'another sensor')[0]['event.id']).toBe(id)
    expect(documentOf(anomaly({ 'anomaly.detail': undefined }))['event.id']).toBe(id)
  })

  test('is another for another event, time, sentence, host or lineage', () => {
    const others: RaisedEvent[] = [
      anomaly({}, TIME_US + 1),
      { ...anomaly(), message: 'Another packet broke the rules' },
      anomaly({ 'source.ip': '192.0.2.1' }),
      anomaly({ 'destination.ip': '192.0.2.1' }),
      anomaly({ 'source.ip': '192.0.2.1', 'source.port': 1 }),
      anomaly({ 'borescope.lineage': ['t-1'] }),
      anomaly({ 'borescope.lineage': ['t-1', 's-1'] }),
      {
        name: 'capture.damaged',
        timeUs: TIME_US,
        message: anomaly().message,
        fields: { 'anomaly.name': 'a', 'capture.fault.offset': 1, 'event.reason': 'b' },
      },
    ]
    const ids = documentsOf(others).map((document) => document['event.id'])
    expect(new Set([id, ...ids]).size).toBe(others.length + 1)
  })
})

test('related fields gather every address, user and host once, and nothing empty', () => {
  const document = documentOf({
    name: 'ppp.authentication.failed',
    timeUs: TIME_US,
    message: 'refused',
    fields: {
      'source.ip': '192.0.2.1',
      'source.port': 1701,
      'destination.ip': '192.0.2.1',
      'destination.port': 1701,
      'network.type': 'ipv4',
      'network.transport': 'udp',
      'network.protocol': 'ppp',
      'borescope.lineage': [],
      'event.outcome': 'failure',
      'ppp.authentication.attempts': 1,
      'user.name': 'alice',
      'l2tp.initiator.host_name': 'lac',
      'l2tp.responder.host_name': '',
    },
  })
  expect(document).toMatchObject({ 'related.ip': ['192.0.2.1'], 'related.user': ['alice'], 'related.hosts': ['lac'] })
  expect(documentOf(anomaly())).not.toHaveProperty(['related.ip'])
})

test('an empty user name is nobody', () => {
  const { fields } = anomaly()
  const event = { ...anomaly(), fields: { ...fields, 'user.name': '' } } as RaisedEvent
  expect(documentOf(event)).not.toHaveProperty(['related.user'])
})

test('subscribers are called in their order, and events are counted by name', () => {
  const bus = new EventBus({ name: 'test', version: '1' })
  const calls: string[] = []
  bus.subscribe(() => calls.push('first'))
  bus.subscribe(() => calls.push('second'))
  bus.emit(anomaly())
  bus.emit(anomaly())
  expect(calls).toEqual(['first', 'second', 'first', 'second'])
  expect([...bus.counts]).toEqual([['protocol.anomaly', 2]])
})

test('everyone sees a cause before its effect', () => {
  const bus = new EventBus({ name: 'test', version: '1' })
  const seen: unknown[] = []
  bus.subscribe((document) => {
    if (document['anomaly.name'] === 'cause') bus.emit(anomaly({ 'anomaly.name': 'effect' }))
  })
  bus.subscribe((document) => seen.push(document['anomaly.name']))
  bus.emit(anomaly({ 'anomaly.name': 'cause' }))
  expect(seen).toEqual(['cause', 'effect'])
})
