import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type EventDocument, FIELDS, type FieldName, nest } from '../../../src/events/fields.ts'
import { instantUs } from '../../../src/store/dates.ts'
import { decode, type Encoded, Encoder, sourceFilter } from '../../../src/store/cluster/documents.ts'
import { Lines } from '../../../src/store/cluster/lines.ts'
import { flawOf } from '../../../src/store/values.ts'
import { document, sessionEvent } from '../documents.ts'

interface Sent extends Encoded {
  readonly action: unknown
  readonly source: Record<string, Record<string, unknown>>
}

const encoder = new Encoder('lab')

/** What is sent, read again; or why it is not. */
function outcomeOf(event: EventDocument, order = 0): Sent | string {
  const lines = new Lines()
  lines.append('before\n')
  const outcome = encoder.encode(event, order, lines)
  if (typeof outcome === 'string') return outcome
  const text = lines.range(outcome.from, outcome.until).toString()
  const [action, source, end] = text.split('\n').map((line) => (line === '' ? null : JSON.parse(line)))
  expect({ end, from: outcome.from, until: outcome.until }).toEqual({ end: null, from: 7, until: lines.length })
  return { ...outcome, action, source }
}

function encoded(event: EventDocument, order = 0): Sent {
  const outcome = outcomeOf(event, order)
  if (typeof outcome === 'string') throw new Error(outcome)
  return outcome
}

test('a document is nested, and says of which stream it is', () => {
  const { stream, id, timeUs, action, source, beyond } = encoded(
    document('a"', { 'user.name': 'bob', 'borescope.lineage': ['t'] }),
    12,
  )
  expect({ stream, id, timeUs, beyond }).toEqual({
    stream: 'logs-borescope.l2tp',
    id: 'a"',
    timeUs: 1_772_366_400_000_000,
    beyond: [],
  })
  expect(action).toEqual({ create: { _index: 'logs-borescope.l2tp-lab', _id: 'a"' } })
  expect(source).toMatchObject({
    '@timestamp': '2026-03-01T12:00:00.000000Z',
    user: { name: 'bob' },
    data_stream: { type: 'logs', dataset: 'borescope.l2tp', namespace: 'lab' },
    borescope: { lineage: ['t'], store: { time_us: 1_772_366_400_000_000, order: 12 } },
  })
})

test('it comes back as it was, and without what was added', () => {
  for (const event of [sessionEvent(3), document('b', { 'ppp.dns': [], 'user.name': 'nul\u0000 💥' })]) {
    const { source } = encoded(event)
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
    const sent = encoded(event).source
    expect(sent['event']).not.toHaveProperty('start')
    expect(sent['event']).not.toHaveProperty('end')
    expect(sent).toHaveProperty('tls.server.not_after', '2026-03-01T10:00:00.123456Z')
    expect(decode(sent, null)).toEqual(event)
    expect(decode(sent, new Set(['event.start']))).toEqual({ 'event.start': event['event.start'] })
  })

  test('are refused where they are the time of the event', () => {
    expect(outcomeOf(document('d', { '@timestamp': '1969-12-31T23:59:59Z' }))).toMatch(/from 1970 to 2262/)
  })
})

test('what is no event of the catalogue is refused with its reason', () => {
  expect(outcomeOf({ '@timestamp': '2026-03-01T00:00:00Z' } as EventDocument)).toBe(
    'an event has an event.id and a @timestamp',
  )
  expect(outcomeOf(document('', {}))).toBe('an event has an event.id and a @timestamp')
  expect(outcomeOf({ ...document('e'), 'source.port': 1.5 })).toMatch(/^source\.port: not a whole number/)
  expect(outcomeOf({ ...document('f'), 'no.such': 1 } as EventDocument)).toBe('there is no field "no.such"')
  expect(outcomeOf(document('g', { 'event.dataset': 'borescope.x' }))).toMatch(
    /^event\.dataset: borescope\.x names no dataset/,
  )
  expect(outcomeOf(document('h', { 'event.dataset': undefined }))).toMatch(/^event\.dataset: it is missing/)
})

test('fields that the dataset does not foresee are named', () => {
  expect(encoded(document('i', { 'dns.question.name': 'p' })).beyond).toEqual(['dns.question.name'])
  expect(encoded(document('j', { 'event.kind': 'metric' })).stream).toBe('logs-borescope.l2tp')
  const metric = document('k', { 'event.kind': 'metric', 'event.dataset': 'borescope.sensor' })
  expect(encoded(metric).stream).toBe('metrics-borescope.sensor')
})

/** For each kind of field: what it holds, and what it does not. */
const texts = fc.string({ unit: 'binary', maxLength: 12 })
const numbers = fc.oneof(fc.integer(), fc.maxSafeInteger(), fc.double(), fc.constantFrom(-0, 2 ** 62, 2 ** 63, 0.1))
const addresses = fc.oneof(fc.ipV4(), fc.ipV6(), fc.constantFrom('fe80::1%eth0', '01.2.3.4', '1.2.3', '::ffff:1.2.3.4'))
const days = fc.constantFrom('2026-03-01', '2026-02-30', '1969-12-31', '2262-04-12', '2026-13-01', '+012026-03-01')
const times = fc.constantFrom('00:00:00', '23:59:59', '24:00:00', '23:60:00', '12:34:5x')
const fractions = fc.constantFrom('', '.1', '.123456', '.12345x', '.123456789')
const dates = fc
  .tuple(days, times, fractions, fc.constantFrom('Z', 'Z', '+'))
  .map((p) => `${p[0]}T${p[1]}${p[2]}${p[3]}`)
const lists = (one: fc.Arbitrary<unknown>) => fc.array(one, { maxLength: 3 })
const VALUES = {
  keyword: texts,
  'keyword[]': lists(texts),
  text: texts,
  ip: addresses,
  'ip[]': lists(addresses),
  long: numbers,
  float: numbers,
  boolean: fc.boolean(),
  date: dates,
} as const
const odd = fc.oneof(texts, numbers, fc.constantFrom(null, {}, [1], [[]], true))
const NAMES = Object.keys(FIELDS) as FieldName[]
const OWN = new Set<FieldName>(['@timestamp', 'event.id', 'event.kind', 'event.dataset'])
const field = fc.constantFrom(...NAMES.filter((name) => !OWN.has(name))).chain((name) => {
  const fitting = VALUES[FIELDS[name].kind]
  return fc.tuple(fc.constant(name), fc.oneof({ weight: 30, arbitrary: fitting }, { weight: 1, arbitrary: odd }))
})

/** The date as a date_nanos holds it; undefined if it holds none such. */
function held(text: string): string | undefined {
  const timeUs = instantUs(text) as number
  return timeUs < 0 || timeUs >= 2 ** 63 / 1000 ? undefined : text.replace(/(\.\d{6})\d+Z$/, '$1Z')
}

test('any document is sent as it would be nested and written out, or refused for what is wrong with it', () => {
  fc.assert(
    fc.property(fc.array(field, { maxLength: 40 }), (fields) => {
      const event = document('id', Object.fromEntries(fields))
      const flaws = Object.entries(event).flatMap(([name, value]) => {
        const flaw = flawOf(FIELDS[name as FieldName].kind, value)
        return flaw === null ? [] : [`${name}: ${flaw}`]
      })
      const outcome = outcomeOf(event, 5)
      if (flaws.length > 0) {
        expect(flaws).toContain(outcome)
        return
      }
      const isKept = (name: string, value: unknown) =>
        FIELDS[name as FieldName].kind === 'date' && held(value as string) !== value
      const kept = Object.entries(event).filter(([name, value]) => isKept(name, value))
      const changed = { ...event, ...Object.fromEntries(kept.map(([name, value]) => [name, held(value as string)])) }
      const plain = JSON.parse(JSON.stringify(nest(changed)))
      expect((outcome as Sent).source).toEqual({
        ...plain,
        data_stream: { type: 'logs', dataset: 'borescope.l2tp', namespace: 'lab' },
        borescope: {
          ...plain.borescope,
          store: {
            time_us: instantUs(event['@timestamp']),
            order: 5,
            ...(kept.length === 0 ? {} : { kept: Object.fromEntries(kept) }),
          },
        },
      })
    }),
    { seed: 7, numRuns: 1500 },
  )
})

test('more shapes than are remembered are written all the same, and lines longer than were expected', () => {
  const fresh = new Encoder('lab')
  const lines = new Lines()
  const rest = NAMES.filter((name) => FIELDS[name].kind === 'long').slice(0, 60)
  let first: Encoded | string = ''
  for (let i = 0; i < 1500; i++) {
    const turned = [...rest.slice(i % 60), ...rest.slice(0, i % 60)]
    const swapped = turned.toSpliced(i % 59, 2, turned[(i % 59) + 1], turned[i % 59])
    const event = document(`${i}`, Object.fromEntries(swapped.map((name, at) => [name, at])))
    const outcome = fresh.encode({ ...event, message: 'é'.repeat(1000) }, i, lines)
    if (i === 0) first = outcome
    if (typeof outcome === 'string') throw new Error(outcome)
    const source = JSON.parse(lines.range(outcome.from, outcome.until).toString().split('\n')[1])
    expect(decode(source, null)).toEqual({ ...event, message: 'é'.repeat(1000) })
  }
  const { from, until } = first as Encoded
  expect(JSON.parse(lines.range(from, until).toString().split('\n')[1]).borescope.store.order).toBe(0)
  expect(lines.length).toBeGreaterThan(3 << 20)
})
