import { describe, expect, it } from 'vitest'
import { isoMicroseconds } from '../../src/base/time.ts'
import { Detector, type DetectorOptions, type EndedIncident } from '../../src/detect/detector.ts'
import { parseMicroseconds } from '../../src/base/time.ts'
import { readRules } from '../../src/detect/rules.ts'
import { EventBus } from '../../src/events/bus.ts'
import { CATALOGUE } from '../../src/events/catalogue.ts'
import type { EventDocument } from '../../src/events/fields.ts'

const START_US = 1_767_225_600_000_000

const PLAIN = `title: Broken packet
id: 5638f7c0-ac70-491d-8465-2a65075e0d86
description: |
  A packet that breaks its protocol.
references: [https://example.org/a, https://example.org/b]
tags: [attack.t1499.002]
logsource: { product: borescope, service: protocol }
detection:
  sel: { event.action: protocol.anomaly, anomaly.name|startswith: l2tp. }
  condition: sel
level: medium
`
const CORRELATION = `title: Login refused
id: 5638f7c0-ac70-491d-8465-2a65075e0d87
name: login_refused
logsource: { product: borescope, service: ppp }
detection:
  sel: { event.action: ppp.authentication.failed }
  condition: sel
level: informational
---
title: Password guessing
id: 5638f7c0-ac70-491d-8465-2a65075e0d88
tags: [attack.t1110.001, attack.initial-access]
correlation:
  type: value_count
  rules: [login_refused]
  group-by: [source.ip]
  timespan: 5m
  condition: { field: user.name, gte: 3 }
level: high
`

function start(text: string, entitiesMax = 100, bounds: Partial<DetectorOptions> = {}) {
  const { problems, ...set } = readRules([{ file: 'ppp/x.yml', text }])
  expect(problems).toEqual([])
  const bus = new EventBus({ name: 'test', version: '0' })
  const alerts: EventDocument[] = []
  const incidents: EventDocument[] = []
  const filled: EventDocument[] = []
  const ended: EndedIncident[] = []
  const options = { groupsMax: 100, entitiesMax, ...bounds, ended: (incident: EndedIncident) => ended.push(incident) }
  const detector = new Detector({ ...set, problems }, bus.emit, options)
  bus.subscribe(detector.observe)
  bus.subscribe((document) => {
    if (document['event.action'] === 'alert.raised') alerts.push(document)
    if (document['event.action'].startsWith('incident.')) incidents.push(document)
    if (document['event.action'] === 'sensor.table.filled') filled.push(document)
  })
  const anomaly = (second: number, source = '192.0.2.1', name = 'l2tp.avp_length') =>
    bus.emit({
      name: 'protocol.anomaly',
      timeUs: START_US + second * 1_000_000,
      message: 'A bad packet.',
      fields: {
        'anomaly.name': name,
        'anomaly.layer': 'l2tp',
        'source.ip': source,
        'destination.ip': '198.51.100.1',
        'source.port': 1701 + second,
        'borescope.lineage': [`tunnel-${second}`],
      },
    })
  const failure = (second: number, user: string) =>
    bus.emit({
      name: 'ppp.authentication.failed',
      timeUs: START_US + second * 1_000_000,
      message: 'Refused.',
      fields: {
        'source.ip': '192.0.2.1',
        'source.port': 1701,
        'destination.ip': '198.51.100.1',
        'destination.port': 1701,
        'network.type': 'ipv4',
        'network.transport': 'udp',
        'network.protocol': 'l2tp',
        'borescope.lineage': ['t1', `s${second}`],
        'l2tp.tunnel.uid': 't1',
        'l2tp.session.uid': `s${second}`,
        'event.outcome': 'failure',
        'ppp.authentication.attempts': 1,
        'user.name': user,
      },
    })
  return { detector, alerts, incidents, filled, ended, anomaly, failure }
}

describe('a rule', () => {
  it('raises an alert with everything that responders need', () => {
    const { alerts, anomaly } = start(PLAIN)
    anomaly(1)
    expect(alerts).toHaveLength(1)
    expect(alerts[0]).toMatchObject({
      '@timestamp': '2026-01-01T00:00:01.000000Z',
      message: 'Broken packet: 192.0.2.1, 198.51.100.1 (1 event)',
      'event.kind': 'alert',
      'event.severity': 47,
      'event.risk_score': 47,
      'rule.id': '5638f7c0-ac70-491d-8465-2a65075e0d86',
      'rule.name': 'Broken packet',
      'rule.level': 'medium',
      'rule.description': 'A packet that breaks its protocol.',
      'rule.reference': 'https://example.org/a',
      'rule.category': 'ppp',
      'alert.entity': '192.0.2.1, 198.51.100.1',
      'alert.events': 1,
      'event.duration': 0,
      'anomaly.name': 'l2tp.avp_length',
      'source.ip': '192.0.2.1',
      'source.port': 1702,
      'borescope.lineage': ['tunnel-1'],
      'threat.framework': 'MITRE ATT&CK',
      'threat.tactic.id': ['TA0040'],
      'threat.tactic.name': ['Impact'],
      'threat.technique.id': ['T1499'],
      'threat.technique.name': ['Endpoint Denial of Service'],
      'threat.technique.reference': ['https://attack.mitre.org/techniques/T1499/002/'],
      'threat.technique.subtechnique.id': ['T1499.002'],
      'threat.technique.subtechnique.name': ['Service Exhaustion Flood'],
    })
    expect(alerts[0]['alert.evidence']).toHaveLength(1)
    expect(alerts[0]['alert.values']).toBeUndefined()
  })

  it('carries only fields that the catalogue declares for alerts', () => {
    const { alerts, failure, anomaly } = start(`${PLAIN}---\n${CORRELATION}`)
    anomaly(1)
    for (const [i, user] of ['a', 'b', 'c'].entries()) failure(i, user)
    const { always, may } = CATALOGUE['alert.raised']
    const declared = new Set<string>([...always, ...may])
    const base =
      /^(@timestamp|message|ecs\.|event\.(id|kind|category|type|action|dataset|module|sequence)|observer\.|related\.)/
    expect(alerts).toHaveLength(2)
    for (const alert of alerts) {
      for (const name of always) expect(alert).toHaveProperty([name])
      expect(Object.keys(alert).filter((name) => !declared.has(name) && !base.test(name))).toEqual([])
    }
  })

  it('gives one alert an entity while it is suppressed; the next one tells how many there were', () => {
    const { alerts, anomaly, detector } = start(`${PLAIN}borescope: { suppress: 10m }\n`)
    for (let second = 0; second < 600; second++) anomaly(second)
    anomaly(5, '192.0.2.2')
    expect(alerts.map((alert) => alert['source.ip'])).toEqual(['192.0.2.1', '192.0.2.2'])
    anomaly(600)
    expect(alerts).toHaveLength(3)
    expect(alerts[2]).toMatchObject({
      'alert.events': 600,
      'event.start': '2026-01-01T00:00:01.000000Z',
      'event.end': '2026-01-01T00:10:00.000000Z',
      'source.ip': '192.0.2.1',
    })
    expect(alerts[2]['alert.evidence']).toHaveLength(20)
    expect(alerts[2]['borescope.lineage']).toHaveLength(50)
    expect(alerts[2]).not.toHaveProperty(['source.port'])
    expect(detector.counters).toMatchObject({ alerts: 3, suppressed: 599 })
  })

  it('is about the entity that it names', () => {
    const { alerts, anomaly } = start(`${PLAIN}borescope: { entity: [anomaly.name] }\n`)
    anomaly(0, '192.0.2.1')
    anomaly(1, '192.0.2.2')
    anomaly(2, '192.0.2.2', 'l2tp.version')
    expect(alerts.map((alert) => alert['alert.entity'])).toEqual(['l2tp.avp_length', 'l2tp.version'])
  })

  it('tells clients apart that have the same address inside their sessions', () => {
    const { alerts, detector } = start(PLAIN)
    const inside = (second: number, outer: string): EventDocument => ({
      '@timestamp': isoMicroseconds(START_US + second * 1_000_000),
      'event.id': `${second}`,
      'event.action': 'protocol.anomaly',
      'event.dataset': 'borescope.protocol',
      'anomaly.name': 'l2tp.avp_length',
      'source.ip': '192.168.1.10',
      'destination.ip': '10.20.0.5',
      'outer.source.ip': outer,
    })
    for (const [second, outer] of ['192.0.2.1', '192.0.2.2', '192.0.2.1'].entries())
      detector.observe(inside(second, outer))
    expect(alerts.map((alert) => alert['outer.source.ip'])).toEqual(['192.0.2.1', '192.0.2.2'])
    expect(new Set(alerts.map((alert) => alert['incident.id'])).size).toBe(2)
  })

  it('tells the running total when a suppression is over, and forgets it', () => {
    const { anomaly, detector, ended } = start(PLAIN)
    for (let second = 0; second < 5; second++) anomaly(second)
    detector.expire(START_US + 60_000_000)
    expect(ended).toEqual([])
    detector.expire(START_US + 3_700_000_000)
    expect(ended).toMatchObject([
      { entity: '192.0.2.1, 198.51.100.1', events: 5, firstUs: START_US, lastUs: START_US + 4_000_000 },
    ])
    detector.end()
    expect(ended).toHaveLength(1)
  })

  it('does not hold an incident that is over', () => {
    const { anomaly, detector, failure } = start(`${PLAIN}borescope: { suppress: 10h }\n---\n${CORRELATION}`)
    const holders = () => [...detector.entries()].filter(({ kind }) => kind === 'suppression' || kind === 'course')
    anomaly(0)
    for (const [i, user] of ['a', 'b', 'b', 'c'].entries()) failure(i, user)
    detector.expire(START_US + 30_000_000)
    expect(holders().map(({ incident }) => typeof incident)).toEqual(['string', 'string'])
    detector.expire(START_US + 3_700_000_000)
    expect(holders()).toMatchObject([{ kind: 'suppression', incident: null }])
    anomaly(3_701)
    detector.expire(START_US + 3_800_000_000)
    expect(holders()).toMatchObject([{ kind: 'suppression', incident: null, uncounted: 1 }])
  })

  it('follows a bounded number of entities', () => {
    const { anomaly, detector, ended, filled } = start(PLAIN, 3)
    for (let i = 0; i < 10; i++) anomaly(i, `192.0.2.${i}`)
    expect(detector.counters.forgotten).toBe(7)
    expect(filled).toMatchObject([{ 'sensor.table': 'suppressions', 'sensor.capacity': 3 }])
    detector.end()
    expect(ended).toHaveLength(10)
  })

  it('follows entities within a bounded memory', () => {
    const { anomaly, detector, ended, filled } = start(PLAIN, 1000, { entitiesBytesMax: 50_000 })
    for (let i = 0; i < 100; i++) anomaly(i, `${i} ${'x'.repeat(1000)}`)
    const bytes = detector.tables.find(({ name }) => name === 'suppression_bytes')
    expect(bytes?.size).toBeLessThanOrEqual(50_000)
    expect(bytes?.size).toBeGreaterThan(30_000)
    expect(bytes?.capacity).toBe(50_000)
    expect(detector.counters.forgotten).toBe(
      100 - (detector.tables.find(({ name }) => name === 'suppressions')?.size ?? 0),
    )
    expect(filled).toMatchObject([
      {
        'sensor.table': 'suppression_bytes',
        'sensor.capacity': 50_000,
        message:
          'The entities that alerts stand for take more than 50000 bytes: what was quiet for longest is forgotten',
      },
    ])
    detector.end()
    expect(ended).toHaveLength(100)
    expect(detector.tables.find(({ name }) => name === 'suppression_bytes')?.size).toBe(0)
  })

  it('meets only events of its log source', () => {
    const { alerts, anomaly } = start(PLAIN.replace('service: protocol', 'service: l2tp'))
    anomaly(0)
    expect(alerts).toEqual([])
  })

  it('tells once that the groups of correlations take too much, and that there are too many of one', () => {
    const long = (i: number) => `user ${i} ${'x'.repeat(1000)}`
    const heavy = start(CORRELATION.replace('[source.ip]', '[user.name]'), 100, { groupsBytesMax: 20_000 })
    for (let i = 0; i < 50; i++) heavy.failure(i, long(i))
    expect(heavy.filled).toMatchObject([{ 'sensor.table': 'correlation_group_bytes', 'sensor.capacity': 20_000 }])
    const many = start(CORRELATION.replace('[source.ip]', '[user.name]'), 100)
    for (let i = 0; i < 150; i++) many.failure(i, long(i))
    expect(many.filled).toMatchObject([{ 'sensor.table': 'correlation_groups', 'sensor.capacity': 100 }])
  })

  it('never meets alerts', () => {
    const any = 'title: Any\nid: 5638f7c0-ac70-491d-8465-2a65075e0d89\nlogsource: { product: borescope }\nlevel: low\n'
    const { alerts, anomaly } = start(`${any}detection: { sel: { event.action: '*' }, condition: sel }\n`)
    anomaly(0)
    expect(alerts).toHaveLength(1)
  })
})

describe('a correlation', () => {
  it('raises one alert for its group, with what its events have in common', () => {
    const { alerts, failure, ended, detector } = start(CORRELATION)
    for (const [i, user] of ['a', 'b', 'b', 'c', 'd'].entries()) failure(i, user)
    expect(alerts).toHaveLength(1)
    expect(alerts[0]).toMatchObject({
      '@timestamp': '2026-01-01T00:00:03.000000Z',
      message: 'Password guessing: 192.0.2.1 (4 events)',
      'event.severity': 73,
      'rule.name': 'Password guessing',
      'alert.entity': '192.0.2.1',
      'alert.events': 4,
      'alert.values': 3,
      'event.start': '2026-01-01T00:00:00.000000Z',
      'event.end': '2026-01-01T00:00:03.000000Z',
      'event.duration': 3_000_000_000,
      'destination.ip': '198.51.100.1',
      'l2tp.tunnel.uid': 't1',
      'borescope.lineage': ['t1', 's0', 's1', 's2', 's3'],
      'threat.tactic.name': ['Initial Access'],
    })
    expect(alerts[0]).not.toHaveProperty(['user.name'])
    expect(alerts[0]).not.toHaveProperty(['l2tp.session.uid'])
    detector.end()
    expect(ended).toMatchObject([{ entity: '192.0.2.1', events: 5 }])
  })
})

describe('incidents', () => {
  it('make one story of rules and correlations, with what no alert was raised for', () => {
    const { alerts, incidents, anomaly, failure, detector } = start(
      `${PLAIN}borescope: { suppress: 10m }\n---\n${CORRELATION}`,
    )
    for (let second = 0; second < 300; second++) {
      anomaly(second)
      failure(second, `user${second % 7}`)
      detector.expire(START_US + second * 1_000_000)
    }
    detector.end()
    expect(alerts).toHaveLength(2)
    expect(new Set([...alerts, ...incidents].map((event) => event['incident.id'])).size).toBe(1)
    expect(incidents.map((event) => event['event.action'])).toEqual([
      'incident.opened',
      'incident.updated',
      'incident.closed',
    ])
    expect(incidents[2]['incident.story']).toEqual([
      '2026-01-01T00:00:00Z high Password guessing: 192.0.2.1 (1 alert, 300 events)',
      '2026-01-01T00:00:00Z medium Broken packet: 192.0.2.1, 198.51.100.1 (1 alert, 300 events)',
    ])
    expect(incidents[2]['incident.events']).toBe(600)
    expect(detector.counters.incidents).toEqual({ opened: 1, closed: 1, merged: 0, forgotten: 0 })
  })

  it('follow the alert that they belong to', () => {
    const { incidents, alerts, anomaly } = start(PLAIN)
    anomaly(1)
    expect(Number(incidents[0]['event.sequence'])).toBeGreaterThan(Number(alerts[0]['event.sequence']))
  })
})

describe('what a detector remembers', () => {
  const text = `${PLAIN}borescope: { suppress: 3m }\n---\n${CORRELATION}`
  type Story = readonly ((detector: ReturnType<typeof start>) => void)[]
  const story: Story = Array.from(
    { length: 60 },
    (_, i) =>
      ({ anomaly, failure, detector }: ReturnType<typeof start>) => {
        const second = i * 20
        if (i % 3 === 0) failure(second, `user${i % 5}`)
        else anomaly(second, `192.0.2.${i % 4}`)
        detector.expire(START_US + second * 1_000_000)
      },
  )
  const plain = (alerts: readonly EventDocument[]) =>
    alerts.map(({ 'event.id': _, 'event.sequence': __, ...alert }) => alert)

  it('lets the alerts of a stream that was cut at any event be those of one piece', () => {
    const whole = start(text)
    for (const step of story) step(whole)
    whole.detector.end()
    expect(whole.alerts.length).toBeGreaterThan(10)
    expect(whole.incidents.length).toBeGreaterThan(3)
    for (let cut = 0; cut <= story.length; cut++) {
      const before = start(text)
      for (const step of story.slice(0, cut)) step(before)
      const { text: state, leftOut } = before.detector.save()
      const after = start(text)
      expect(after.detector.restore(state).outdated + leftOut).toBe(0)
      expect(after.detector.tables).toEqual(before.detector.tables)
      for (const step of story.slice(cut)) step(after)
      after.detector.end()
      const told = plain([...before.incidents, ...after.incidents])
      expect(told, `incidents, cut before event ${cut}`).toEqual(plain(whole.incidents))
      expect(plain([...before.alerts, ...after.alerts]), `cut before event ${cut}`).toEqual(plain(whole.alerts))
    }
  })

  it('holds no more than its bounds, and nothing of rules that are gone', () => {
    const before = start(text)
    for (const step of story) step(before)
    const { text: state } = before.detector.save()
    const small = start(text, 1)
    small.detector.restore(state)
    expect(small.detector.counters.forgotten).toBeGreaterThan(0)
    const other = start(text.replace('5638f7c0-ac70-491d-8465-2a65075e0d86', '5638f7c0-ac70-491d-8465-2a65075e0d85'))
    expect(other.detector.restore(state).outdated).toBeGreaterThan(0)
    expect(before.detector.save(1500).leftOut).toBeGreaterThan(0)
  })

  it('is taken whole or not at all', () => {
    const { detector } = start(text)
    const { text: state } = detector.save()
    expect(() => start(text).detector.restore(state.slice(0, -5))).toThrow('torn')
  })
})

describe('a timestamp', () => {
  it.each([0, 1, 999_999, START_US + 123_456, -1, Number.MAX_SAFE_INTEGER])('of %i µs is read back', (timeUs) => {
    expect(parseMicroseconds(isoMicroseconds(timeUs))).toBe(timeUs)
  })
})
