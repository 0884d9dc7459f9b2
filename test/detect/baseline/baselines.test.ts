import { describe, expect, test } from 'vitest'
import { DAY_US, HOUR_US, isoMicroseconds } from '../../../src/base/time.ts'
import { Baselines, type SavedEntity, TEACHING_EVENTS } from '../../../src/detect/baseline/baselines.ts'
import { FEATURES } from '../../../src/detect/baseline/features.ts'
import { CATALOGUE, type EventName, type RaisedEvent } from '../../../src/events/catalogue.ts'
import { ENRICHMENT_MAY } from '../../../src/events/enrichment.ts'
import type { EventDocument } from '../../../src/events/fields.ts'

const OPTIONS = { entitiesMax: 1000, bytesMax: 1e9, learnUs: 7 * DAY_US, observationsMin: 20, freezeUs: 24 * HOUR_US }
const START_US = Date.UTC(2026, 0, 5, 9) * 1000
const PAIR = { 'source.ip': '198.51.100.7', 'destination.ip': '192.0.2.1', 'user.name': 'carol' }

let serial = 0
function at(name: EventName, timeUs: number, fields: Partial<EventDocument>): EventDocument {
  const { dataset, kind } = CATALOGUE[name]
  return {
    ...fields,
    '@timestamp': isoMicroseconds(timeUs),
    'event.id': String(serial++),
    'event.action': name,
    'event.dataset': `borescope.${dataset}`,
    'event.kind': kind,
  } as EventDocument
}

const login = (day: number, fields: Partial<EventDocument> = {}) =>
  at('ppp.authentication.succeeded', START_US + day * DAY_US, {
    ...PAIR,
    'ppp.authentication.method': 'EAP-TLS',
    ...fields,
  })

/** Baselines, and what they raise. */
function watched(options: Partial<typeof OPTIONS> = {}) {
  const raised: RaisedEvent[] = []
  const baselines = new Baselines((event) => raised.push(event), { ...OPTIONS, ...options })
  const deviations = () =>
    raised.flatMap(({ name, fields }) => (name === 'baseline.deviated' ? [`${fields['baseline.feature']}`] : []))
  return { baselines, raised, deviations }
}

/** A month of logins at nine from one network. */
const MONTH = Array.from({ length: 30 }, (_, day) => login(day))

describe('learned habits', () => {
  test('a network that is new, after a month of one', () => {
    const { baselines, raised, deviations } = watched()
    for (const document of MONTH) baselines.observe(document)
    expect(deviations()).toEqual([])
    baselines.observe(login(30, { 'source.ip': '45.9.148.7' }))
    expect(deviations()).toEqual(['user.network', 'gateway.client_network'])
    const [{ message, fields }] = raised
    expect(message).toBe(
      'user carol logged in from a network that is new: 45.9.148.0/24; usual: 198.51.100.0/24 (30 times)',
    )
    expect(fields).toMatchObject({
      'baseline.entity.kind': 'user',
      'baseline.entity.id': 'carol',
      'baseline.observed': '45.9.148.0/24',
      'baseline.expected': '198.51.100.0/24 (30 times)',
      'baseline.learned_days': 30,
      'baseline.observations': 31,
      'user.name': 'carol',
      'source.ip': '45.9.148.7',
    })
  })

  test('says a thing once: what was told is known', () => {
    const { baselines, deviations } = watched()
    for (const document of MONTH) baselines.observe(document)
    for (const day of [30, 31, 32]) baselines.observe(login(day, { 'source.ip': '45.9.148.7' }))
    expect(deviations().filter((feature) => feature === 'user.network')).toEqual(['user.network'])
  })

  test('IPv6 networks count as /48', () => {
    const { baselines, deviations } = watched()
    for (let day = 0; day < 30; day++) baselines.observe(login(day, { 'source.ip': `2001:db8:1:${day}::7` }))
    baselines.observe(login(30, { 'source.ip': '2001:db8:1:ffff::1' }))
    expect(deviations()).toEqual([])
    baselines.observe(login(31, { 'source.ip': '2001:db8:2::1' }))
    expect(deviations()).toContain('user.network')
  })

  test.each([
    ['a cold start', MONTH.slice(0, 5), 5],
    ['too few events', MONTH.slice(0, 15), 15],
  ])('says nothing after %s', (_, history, day) => {
    const { baselines, deviations } = watched()
    for (const document of history) baselines.observe(document)
    baselines.observe(login(day, { 'source.ip': '45.9.148.7' }))
    expect(deviations()).toEqual([])
  })

  test('an hour at which the user never was', () => {
    const { baselines, raised } = watched()
    for (let day = 0; day < 60; day++) if (day % 7 < 5) for (let i = 0; i < 2; i++) baselines.observe(login(day))
    baselines.observe(at('ppp.authentication.succeeded', START_US + 63 * DAY_US + 17 * HOUR_US, PAIR))
    const told = raised.filter(
      ({ fields }) => (fields as { 'baseline.feature'?: string })['baseline.feature'] === 'user.hour',
    )
    expect(told.map(({ message }) => message)).toEqual([
      'user carol logged in at an unusual hour: 02:00; usual: mostly 09:00',
    ])
  })

  test('a session that sends many times what any did', () => {
    const { baselines, raised } = watched()
    const closed = (day: number, bytes: number) =>
      at('ppp.link.closed', START_US + day * DAY_US, {
        ...PAIR,
        'source.bytes': bytes,
        'destination.bytes': 1000,
        'event.duration': 3.6e12,
      })
    for (let day = 0; day < 30; day++) baselines.observe(closed(day, 20_000_000 + day * 100_000))
    baselines.observe(closed(30, 60_000_000))
    expect(raised).toEqual([])
    baselines.observe(closed(31, 9_000_000_000))
    expect(raised.map(({ message }) => message)).toEqual([
      expect.stringMatching(
        /^user carol sent unusually much in one session: 9,000,000,000 bytes; usual: 2\d,\d{3},\d{3} bytes as a rule/,
      ),
    ])
  })

  test('an account that comes back after months', () => {
    const { baselines, deviations } = watched()
    for (const document of MONTH) baselines.observe(document)
    baselines.observe(login(118))
    expect(deviations()).toEqual([])
    baselines.observe(login(118 + 90))
    expect(deviations()).toEqual(['user.absence'])
  })

  test('under attack nothing becomes usual', () => {
    const { baselines, deviations } = watched()
    for (const document of MONTH) baselines.observe(document)
    const alert = at('alert.raised', START_US + 30 * DAY_US, { ...PAIR, 'event.severity': 73 })
    baselines.observe(alert)
    for (let hour = 0; hour < 23; hour++) {
      baselines.observe(
        at('ppp.link.closed', START_US + 30 * DAY_US + hour * HOUR_US, {
          ...PAIR,
          'source.bytes': 5e8,
          'event.duration': 1e12,
        }),
      )
    }
    expect(baselines.counters.frozen).toBeGreaterThan(0)
    const [{ habits }] = baselines.describe('carol')
    expect(Object.fromEntries(habits)['user.sent']).toBe('nothing yet')
    baselines.observe(login(31, { 'source.ip': '45.9.148.7' }))
    expect(deviations()).toContain('user.network')
  })

  test('an alert of little weight changes nothing', () => {
    const { baselines } = watched()
    for (const document of MONTH) baselines.observe(document)
    baselines.observe(at('alert.raised', START_US + 30 * DAY_US, { ...PAIR, 'event.severity': 47 }))
    baselines.observe(login(30))
    expect(baselines.counters.frozen).toBe(0)
  })

  test('of too many entities the longest silent is forgotten, counted, and told once', () => {
    const { baselines, raised } = watched({ entitiesMax: 10 })
    for (let i = 0; i < 50; i++) baselines.observe(login(i, { 'user.name': `user${i}` }))
    expect(baselines.counters.entities).toBe(10)
    expect(baselines.counters.evicted).toBeGreaterThan(30)
    expect([...baselines.describe('user49')].length).toBe(1)
    expect([...baselines.describe('user0')].length).toBe(0)
    expect([...baselines.describe('192.0.2.1')].length).toBe(1)
    expect(raised.filter(({ name }) => name === 'sensor.table.filled').length).toBe(1)
  })

  test('of too much that is known of them, too', () => {
    const bytesMax = 200_000
    const { baselines, raised } = watched({ bytesMax })
    for (let i = 0; i < 3000; i++) {
      baselines.observe(login(i / 100, { 'user.name': `user${i % 300}`, 'source.ip': `198.51.${i % 200}.7` }))
      expect(baselines.bytes).toBeLessThanOrEqual(bytesMax)
    }
    expect(baselines.bytes).toBeGreaterThan(bytesMax / 2)
    expect(baselines.counters.evicted).toBeGreaterThan(100)
    expect([...baselines.describe('user299')].length).toBe(1)
    const told = raised.flatMap(({ name, fields }) => (name === 'sensor.table.filled' ? [fields] : []))
    expect(told).toMatchObject([{ 'sensor.table': 'baseline_bytes', 'sensor.capacity': bytesMax }])
  })

  test('what is known weighs the same when it was saved and taken up, and nothing when it is forgotten', () => {
    const { baselines } = watched()
    for (const document of MONTH) baselines.observe(document)
    for (let i = 0; i < 200; i++) {
      const fields = { ...PAIR, 'flow.carrier': 's-1', 'source.bytes': i, 'destination.port': 443, 'event.duration': i }
      baselines.observe(at('flow.closed', START_US + i * HOUR_US, { ...fields, 'destination.ip': `192.0.2.${i % 90}` }))
      baselines.observe(at('ppp.link.closed', START_US + i * HOUR_US, fields))
    }
    const again = watched().baselines
    for (const saved of baselines.save()) again.restore(JSON.parse(JSON.stringify(saved)) as SavedEntity)
    expect(baselines.bytes).toBeGreaterThan(10_000)
    expect(Math.abs(again.bytes - baselines.bytes)).toBeLessThan(baselines.bytes / 20)
    for (const { id } of [...again.save()]) again.forget(id)
    expect([again.counters.entities, again.bytes]).toEqual([0, 0])
  })

  test('a million conversations stay within the bound', () => {
    const { baselines } = watched({ entitiesMax: 1000 })
    for (let i = 0; i < 1_000_000; i++) {
      baselines.observe({
        '@timestamp': '2026-01-05T09:00:00.000000Z',
        'event.id': '1',
        'event.action': 'flow.closed',
        'event.kind': 'event',
        'flow.carrier': 's-1',
        'source.ip': '10.0.0.1',
        'destination.ip': `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`,
        'destination.port': 443,
        'source.bytes': 1,
      } as EventDocument)
    }
    expect(baselines.counters).toMatchObject({ entities: 1000, evicted: 999_000, observations: 1_000_000 })
  })

  test('a conversation that was seen a few times is remembered as one that was seen often', () => {
    const { baselines } = watched()
    const again = watched().baselines
    for (let seen = 1; seen <= 6; seen++) {
      baselines.observe(
        at('flow.closed', START_US + seen * 1e6, {
          'user.name': 'dora',
          'source.ip': '10.0.0.1',
          'destination.ip': '2001:db8::9',
          'destination.port': 443,
          'source.bytes': 100 + seen,
        }),
      )
      const saved = JSON.parse(JSON.stringify([...baselines.save()])) as SavedEntity[]
      expect(saved).toEqual([
        {
          kind: 'conversation',
          id: 'dora 10.0.0.1 > 2001:db8::9:443',
          firstUs: START_US + 1e6,
          lastUs: START_US + seen * 1e6,
          observations: seen,
          models: {
            'conversation.beacon': {
              beacon: {
                starts: Array.from({ length: seen }, (_, i) => START_US + (i + 1) * 1e6),
                sizes: Array.from({ length: seen }, (_, i) => 101 + i),
              },
              toldDay: null,
            },
          },
        },
      ])
      const [{ habits }] = baselines.describe('dora 10.0.0.1 > 2001:db8::9:443')
      expect(habits).toEqual([['conversation.beacon', `${seen} connections, beacon score 0`]])
      for (const entity of saved) again.restore(entity)
      expect(JSON.parse(JSON.stringify([...again.save()]))).toEqual(saved)
    }
    expect(baselines.forget('dora 10.0.0.1 > 2001:db8::9:443')).toBe(1)
    expect([...baselines.save()]).toEqual([])
  })

  test('cut after every event and taken up again, it says the same', () => {
    const story = [
      ...MONTH,
      login(31, { 'source.ip': '45.9.148.7' }),
      ...Array.from({ length: 40 }, (_, i) =>
        at('flow.closed', START_US + 32 * DAY_US + i * 600e6 * 3, {
          'flow.carrier': 's-1',
          'source.ip': '10.0.0.1',
          'destination.ip': '203.0.113.9',
          'destination.port': 443,
          'source.bytes': 500,
        }),
      ),
      login(130, { 'destination.ip': '203.0.113.66' }),
    ]
    const whole = watched()
    for (const document of story) whole.baselines.observe(document)
    expect(whole.deviations().length).toBeGreaterThan(3)
    const messages: string[] = []
    let saved: SavedEntity[] = []
    for (const document of story) {
      const part = new Baselines((event) => messages.push(event.message), OPTIONS)
      for (const entity of saved) part.restore(entity)
      part.observe(document)
      saved = JSON.parse(JSON.stringify([...part.save()])) as SavedEntity[]
    }
    expect(messages).toEqual(whole.raised.map(({ message }) => message))
  })

  test('features read only what their events carry', () => {
    for (const [name, feature] of Object.entries(FEATURES)) {
      for (const event of feature.events) {
        const carried = new Set<string>([...CATALOGUE[event].always, ...CATALOGUE[event].may, ...ENRICHMENT_MAY])
        const read = new Set<string>()
        const probe = new Proxy({} as EventDocument, { get: (_, field: string) => void read.add(field) })
        if ('text' in feature) feature.text(probe)
        if ('number' in feature) feature.number(probe)
        if (read.size > 0)
          expect(
            [...read].some((field) => carried.has(field)),
            `${name} of ${event}`,
          ).toBe(true)
      }
    }
    expect(TEACHING_EVENTS).toContain('esp.tunnel.closed')
  })
})
