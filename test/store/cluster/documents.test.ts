import { describe, expect, test } from 'vitest'
import type { EventDocument } from '../../../src/events/fields.ts'
import { decode, type Encoded, encode, sourceFilter } from '../../../src/store/cluster/documents.ts'
import { document, sessionEvent } from '../documents.ts'

function encoded(event: EventDocument): Encoded {
  const outcome = encode(event, 'lab')
  if (typeof outcome === 'string') throw new Error(outcome)
  return outcome
}

test('a document is nested, and says of which stream it is', () => {
  const { stream, id, timeUs, source, beyond } = encoded(
    document('a', { 'user.name': 'bob', 'borescope.lineage': ['t'] }),
  )
  expect({ stream, id, timeUs, beyond }).toEqual({
    stream: 'logs-borescope.l2tp',
    id: 'a',
    timeUs: 1_772_366_400_000_000,
    beyond: [],
  })
  expect(source).toMatchObject({
    '@timestamp': '2026-03-01T12:00:00.000000Z',
    user: { name: 'bob' },
    data_stream: { type: 'logs', dataset: 'borescope.l2tp', namespace: 'lab' },
    borescope: { lineage: ['t'], store: { time_us: 1_772_366_400_000_000 } },
  })
})

test('it comes back as it was, and without what was added', () => {
  for (const event of [sessionEvent(3), document('b', { 'ppp.dns': [], 'user.name': 'nul\u0000 💥' })]) {
    const source = JSON.parse(JSON.stringify(encoded(event).source))
    expect(decode(source, null)).toEqual(event)
    expect(decode(source, new Set(['user.name']))).toEqual({ 'user.name': event['user.name'] })
  }
  expect(sourceFilter(undefined)).toEqual({})
  expect(sourceFilter(['user.name'])).toEqual({ _source: ['user.name', 'borescope.store.kept'] })
})

describe('dates that an index of nanoseconds cannot hold', () => {
  const event = document('c', {
    'event.start': '1969-12-31T23:59:59.999999Z',
    'event.end': '2262-04-12T00:00:00.000000Z',
    'tls.server.not_after': '2026-03-01T10:00:00.123456789Z',
  })

  test('are kept beside it', () => {
    const { source } = encoded(event)
    const sent = JSON.parse(JSON.stringify(source))
    expect(sent.event).not.toHaveProperty('start')
    expect(sent.event).not.toHaveProperty('end')
    expect(sent.tls.server.not_after).toBe('2026-03-01T10:00:00.123456Z')
    expect(decode(sent, null)).toEqual(event)
    expect(decode(sent, new Set(['event.start']))).toEqual({ 'event.start': event['event.start'] })
  })

  test('are refused where they are the time of the event', () => {
    expect(encode(document('d', { '@timestamp': '1969-12-31T23:59:59Z' }), 'x')).toMatch(/from 1970 to 2262/)
  })
})

test('what is no event of the catalogue is refused with its reason', () => {
  expect(encode({ '@timestamp': '2026-03-01T00:00:00Z' } as EventDocument, 'x')).toBe(
    'an event has an event.id and a @timestamp',
  )
  expect(encode(document('', {}), 'x')).toBe('an event has an event.id and a @timestamp')
  expect(encode({ ...document('e'), 'source.port': 1.5 }, 'x')).toMatch(/^source\.port: not a whole number/)
  expect(encode({ ...document('f'), 'no.such': 1 } as EventDocument, 'x')).toBe('there is no field "no.such"')
  expect(encode(document('g', { 'event.dataset': 'borescope.x' }), 'x')).toMatch(
    /^event\.dataset: borescope\.x names no dataset/,
  )
  expect(encode(document('h', { 'event.dataset': undefined }), 'x')).toMatch(/^event\.dataset: it is missing/)
})

test('fields that the dataset does not foresee are named', () => {
  expect(encoded(document('i', { 'dns.question.name': 'p' })).beyond).toEqual(['dns.question.name'])
  expect(encoded(document('j', { 'event.kind': 'metric' })).stream).toBe('logs-borescope.l2tp')
  const metric = document('k', { 'event.kind': 'metric', 'event.dataset': 'borescope.sensor' })
  expect(encoded(metric).stream).toBe('metrics-borescope.sensor')
})
