import { describe, expect, it } from 'vitest'
import { HOUR_US, SECOND_US } from '../../src/base/time.ts'
import { DOCUMENTS } from '../../src/detect/documents.ts'
import type { AlertRule, IncidentAlert } from '../../src/detect/incident.ts'
import { INCIDENT_DEFAULTS, type IncidentOptions, Incidents, type Strand } from '../../src/detect/incidents.ts'
import { CATALOGUE, type RaisedEvent } from '../../src/events/catalogue.ts'
import type { EventDocument } from '../../src/events/fields.ts'
import { Random } from '../support/random.ts'

const START_US = 1_767_225_600_000_000
const SEVERITIES = { informational: 10, low: 21, medium: 47, high: 73, critical: 99 } as const

function rule(
  name: string,
  level: keyof typeof SEVERITIES = 'high',
  tactic = 'TA0006',
  technique = 'T1110',
): AlertRule {
  return { id: `id of ${name}`, name, level, severity: SEVERITIES[level], tactics: [tactic], techniques: [technique] }
}

interface About {
  readonly shared?: Partial<EventDocument>
  readonly lineage?: readonly string[]
  readonly entity?: string
  readonly events?: number
}

function start(options: Partial<IncidentOptions> = {}) {
  const told: RaisedEvent<'incident.closed'>[] = []
  const incidents = new Incidents((event) => told.push(event as RaisedEvent<'incident.closed'>), {
    ...INCIDENT_DEFAULTS,
    ...options,
  })
  const raise = (second: number, of: AlertRule, { shared = {}, lineage = [], entity, events = 1 }: About): Strand => {
    const timeUs = START_US + second * SECOND_US
    const alert: IncidentAlert = {
      rule: of,
      entity: entity ?? Object.values(shared).join(', '),
      timeUs,
      firstUs: timeUs,
      events,
      evidence: [`event-${second}`],
      summary: DOCUMENTS.fold(undefined, {
        ...shared,
        'borescope.lineage': lineage,
        'borescope.capture': 'a.pcap',
        'borescope.frame.number': second,
        'borescope.frame.offset': second * 100,
      } as unknown as EventDocument),
    }
    const strand = incidents.join(alert)
    incidents.tell(strand, timeUs)
    return strand
  }
  const closed = () => told.filter(({ name }) => name === 'incident.closed').map(({ fields }) => fields)
  const at = (second: number) => START_US + second * SECOND_US
  return { incidents, told, raise, closed, at, end: () => incidents.end(Number.NEGATIVE_INFINITY) }
}

const FROM = (address: string) => ({ shared: { 'source.ip': address, 'destination.ip': '198.51.100.1' } })

describe('alerts become one incident', () => {
  it.each<[string, About, About]>([
    ['a source', FROM('192.0.2.1'), { shared: { 'source.ip': '192.0.2.1' }, entity: 'other' }],
    ['a user', { shared: { 'user.name': 'alice' }, entity: 'a' }, { shared: { 'user.name': 'alice' }, entity: 'b' }],
    ['a tunnel', { lineage: ['t-1', 's-1'], entity: 'a' }, { lineage: ['t-1', 's-2'], entity: 'b' }],
    ['what they are about', { entity: '198.51.100.1' }, { entity: '198.51.100.1' }],
    [
      'the outer source',
      FROM('192.0.2.1'),
      { shared: { 'outer.source.ip': '192.0.2.1', 'source.ip': '10.0.0.9' }, lineage: ['f-1'], entity: 'inside' },
    ],
  ])('if they share %s', (_, one, other) => {
    const { raise } = start()
    expect(raise(1, rule('b'), other).incident).toBe(raise(0, rule('a'), one).incident)
  })

  it.each<[string, About, About]>([
    ['nothing', FROM('192.0.2.1'), FROM('192.0.2.2')],
    [
      'an address inside two sessions',
      { shared: { 'source.ip': '192.168.1.10' }, lineage: ['t-1', 's-1', 'f-1'], entity: '192.168.1.10' },
      { shared: { 'source.ip': '192.168.1.10' }, lineage: ['t-2', 's-2', 'f-2'], entity: '192.168.1.10' },
    ],
    [
      'an address inside with one outside',
      { shared: { 'source.ip': '192.168.1.10', 'outer.source.ip': '192.0.2.1' }, lineage: ['t-1'], entity: 'inside' },
      { shared: { 'source.ip': '192.168.1.10' }, entity: 'outside' },
    ],
    ['that nothing is known of either', { entity: 'all' }, { entity: 'all' }],
  ])('not if they share %s', (_, one, other) => {
    const { raise } = start()
    expect(raise(1, rule('b'), other).incident).not.toBe(raise(0, rule('a'), one).incident)
  })

  it('tell a story: rules and tactics in their order, counts, risk, evidence and packets', () => {
    const { incidents, raise, told, closed, at, end } = start()
    const client = FROM('192.0.2.1')
    const guessing = raise(10, rule('Guessing'), { ...client, entity: 'alice', events: 20 })
    raise(0, rule('Scan', 'low', 'TA0043', 'T1595.001'), client)
    incidents.count(guessing, at(15), 580)
    raise(20, rule('Login', 'critical', 'TA0001', 'T1078'), { shared: { ...client.shared, 'user.name': 'alice' } })
    end()
    expect(told.map(({ name }) => name)).toEqual(['incident.opened', 'incident.updated', 'incident.closed'])
    const [incident] = closed()
    expect(incident).toMatchObject({
      'incident.state': 'closed',
      'incident.title': 'Login and 2 other rules',
      'incident.level': 'critical',
      'incident.alerts': 3,
      'incident.events': 602,
      'incident.rules': ['Scan', 'Guessing', 'Login'],
      'incident.story': [
        '2026-01-01T00:00:00Z low Scan: 192.0.2.1, 198.51.100.1 (1 alert, 1 event)',
        '2026-01-01T00:00:10Z high Guessing: alice (1 alert, 600 events)',
        '2026-01-01T00:00:20Z critical Login: 192.0.2.1, 198.51.100.1, alice (1 alert, 1 event)',
      ],
      'incident.addresses': ['192.0.2.1', '198.51.100.1'],
      'incident.users': ['alice'],
      'incident.frames': ['a.pcap#10@1000', 'a.pcap#0@0', 'a.pcap#20@2000'],
      'alert.evidence': ['event-10', 'event-0', 'event-20'],
      'threat.tactic.name': ['Reconnaissance', 'Initial Access', 'Credential Access'],
      'threat.technique.id': ['T1078', 'T1110', 'T1595'],
      'threat.technique.subtechnique.id': ['T1595.001'],
      'event.severity': 99,
      'event.start': '2026-01-01T00:00:00.000000Z',
      'event.end': '2026-01-01T00:00:20.000000Z',
    })
    // 99 + 1 × (1 − (1 − 73/400)(1 − 21/400) × 0.9²)
    expect(incident['event.risk_score']).toBe(99.4)
    const { always, may } = CATALOGUE['incident.closed']
    const declared = new Set<string>([...always, ...may])
    const given = Object.entries(incident).filter(([, value]) => value !== undefined)
    expect(given.map(([name]) => name).filter((name) => !declared.has(name))).toEqual([])
  })

  it('has a risk that grows with rules and tactics, not with alerts, and stays below 100', () => {
    const risk = (...rules: AlertRule[]) => {
      const { raise, closed, end } = start()
      for (const [i, of] of rules.entries()) raise(i, of, FROM('192.0.2.1'))
      end()
      return closed()[0]['event.risk_score']
    }
    expect(risk(rule('a', 'low'))).toBe(21)
    expect(risk(rule('a', 'low'), rule('a', 'low'), rule('a', 'low'))).toBe(21)
    expect(risk(rule('a', 'low'), rule('b', 'low'))).toBe(25.1)
    expect(risk(rule('a', 'low'), rule('b', 'low', 'TA0001'))).toBe(32.6)
    expect(risk(rule('a', 'high'), rule('b', 'high'))).toBe(77.9)
    const many = Array.from({ length: 200 }, (_, i) => rule(`r${i}`, 'critical', `TA${i}`))
    expect(risk(...many)).toBeLessThanOrEqual(100)
  })
})

describe('the life of an incident', () => {
  it('ends when it was quiet for long enough, with the time at which that was', () => {
    const { incidents, raise, told, closed, at } = start({ idleUs: 60 * SECOND_US })
    raise(0, rule('a'), FROM('192.0.2.1'))
    incidents.expire(at(60))
    expect(closed()).toEqual([])
    incidents.expire(at(500))
    expect(told.at(-1)).toMatchObject({ name: 'incident.closed', timeUs: at(60) })
    expect(closed()[0]['event.reason']).toBe('it is quiet again')
    expect(incidents.size).toBe(0)
  })

  it('does not depend on when somebody looks', () => {
    const run = (everySeconds: number) => {
      const { incidents, raise, told, at, end } = start({ idleUs: 60 * SECOND_US })
      for (let second = 0; second < 1000; second++) {
        if (second % 90 === 0) raise(second, rule('a'), FROM('192.0.2.1'))
        if (second % 50 === 0) raise(second, rule('b'), FROM('192.0.2.2'))
        if (second % everySeconds === 0) incidents.expire(at(second))
      }
      incidents.expire(at(999))
      end()
      return told.map(({ name, timeUs, message }) => `${name} ${timeUs} ${message}`).sort()
    }
    expect(run(1)).toEqual(run(997))
  })

  it('goes on as long as a correlation does, and counts what that found', () => {
    const { incidents, raise, closed, at } = start({ idleUs: 60 * SECOND_US })
    const strand = raise(0, rule('a'), { ...FROM('192.0.2.1'), events: 10 })
    incidents.hold(strand)
    incidents.expire(at(3000))
    expect(closed()).toEqual([])
    incidents.count(strand, at(2990), 90)
    incidents.release(strand)
    incidents.expire(at(3000))
    expect(closed()).toEqual([])
    incidents.expire(at(3051))
    expect(closed()[0]).toMatchObject({ 'incident.events': 100, 'event.end': '2026-01-01T00:49:50.000000Z' })
  })

  it('is no longer than its bound, and a new one follows', () => {
    const { raise, closed, end } = start({ idleUs: HOUR_US, lastUs: 2 * HOUR_US })
    const ids = new Set<string>()
    for (let second = 0; second <= 4 * 3600; second += 600)
      ids.add(raise(second, rule('a'), FROM('192.0.2.1')).incident.id)
    end()
    expect(ids.size).toBe(2)
    expect(closed().map((fields) => fields['event.reason'])).toEqual([
      'it goes on for too long; what follows is a new incident',
      'the events end here',
    ])
  })

  it('leaves to the next one what comes after its end', () => {
    const { incidents, raise, at } = start({ idleUs: 60 * SECOND_US })
    const strand = raise(0, rule('a'), FROM('192.0.2.1'))
    expect(incidents.count(strand, at(30), 1)).toBe(true)
    expect(incidents.count(strand, at(91), 1)).toBe(false)
  })

  it('takes in others when an alert belongs to several', () => {
    const { incidents, raise, closed, end } = start()
    const one = raise(0, rule('a'), FROM('192.0.2.1'))
    const two = raise(1, rule('b', 'critical'), { shared: { 'user.name': 'alice' }, events: 7 })
    const other = two.incident.id
    const three = raise(2, rule('c'), { shared: { 'source.ip': '192.0.2.1', 'user.name': 'alice' }, entity: 'x' })
    expect(three.incident).toBe(one.incident)
    expect(closed()).toMatchObject([{ 'incident.id': other, 'incident.part_of': one.incident.id }])
    expect(incidents.count(two, START_US + 3 * SECOND_US, 3)).toBe(true)
    expect(raise(4, rule('b', 'critical'), { shared: { 'user.name': 'alice' } }).incident).toBe(one.incident)
    end()
    expect(closed()[1]).toMatchObject({
      'incident.parts': [other],
      'incident.level': 'critical',
      'incident.alerts': 4,
      'incident.events': 13,
    })
    expect(incidents.counters).toMatchObject({ opened: 2, closed: 2, merged: 1 })
  })

  it('is not made of two because of a weak alert', () => {
    const { raise, incidents } = start()
    raise(0, rule('a'), FROM('192.0.2.1'))
    raise(1, rule('b'), { shared: { 'user.name': 'alice' } })
    raise(2, rule('c', 'low'), { shared: { 'source.ip': '192.0.2.1', 'user.name': 'alice' }, entity: 'x' })
    expect(incidents.size).toBe(2)
  })

  it('is given up early when too many are open, and says so', () => {
    const { raise, closed, incidents } = start({ openMax: 3 })
    for (let i = 0; i < 10; i++) raise(i, rule('a'), FROM(`192.0.2.${i}`))
    expect(incidents.size).toBe(3)
    expect(closed()).toHaveLength(7)
    expect(closed()[0]['event.reason']).toBe('too many incidents are open')
    expect(incidents.counters.forgotten).toBe(7)
  })

  it('is given up early when all of them take too much memory, but for the one that grows', () => {
    const bytesMax = 100_000
    const { raise, closed, incidents } = start({ bytesMax })
    for (let i = 0; i < 2000; i++) {
      const address = `192.0.2.${i % 2 === 0 ? 1 : i % 100}`
      raise(i, rule(`r${i % 7}`), { ...FROM(address), entity: `entity ${i}`, lineage: [`t-${i}`] })
      expect(incidents.bytes).toBeLessThanOrEqual(bytesMax)
    }
    expect(incidents.size).toBeGreaterThan(1)
    expect(incidents.counters.forgotten).toBeGreaterThan(10)
    const reasons = closed().map((fields) => fields['event.reason'])
    expect(new Set(reasons)).toEqual(new Set(['the open incidents take too much memory']))
    expect([...incidents.save()][0]['addresses']).toContain('192.0.2.99')
    const grown = start({ bytesMax: 10 })
    for (let i = 0; i < 20; i++) grown.raise(i, rule('a'), { ...FROM('192.0.2.1'), entity: `entity ${i}` })
    expect(grown.incidents.size).toBe(1)
    expect(grown.incidents.counters.forgotten).toBe(0)
  })

  it('weighs nothing when all are closed', () => {
    const { raise, incidents, end } = start()
    for (let i = 0; i < 50; i++) raise(i, rule(`r${i % 3}`), FROM(`192.0.2.${i % 20}`))
    expect(incidents.bytes).toBeGreaterThan(20 * 1000)
    end()
    expect(incidents.bytes).toBe(0)
  })

  it('holds nothing large once it is closed, whoever still holds it', () => {
    const { raise, incidents, closed, end } = start()
    const strand = raise(0, rule('a'), { ...FROM('192.0.2.1'), lineage: ['t-1'] })
    end()
    expect(closed()[0]['alert.evidence']).toEqual(['event-0'])
    const { evidence, lineage, addresses, keys, tallies } = strand.incident
    expect([evidence, lineage, addresses, keys, tallies].map(({ size }) => size)).toEqual([0, 0, 0, 0, 0])
    expect(incidents.isOver(strand)).toBe(true)
    expect(incidents.count(strand, START_US, 1)).toBe(false)
  })

  it('names no more parts than its bounds', () => {
    const { raise, closed, end } = start()
    for (let i = 0; i < 500; i++) {
      raise(2 * i, rule('a'), FROM(`192.0.2.${i}`))
      raise(2 * i + 1, rule('b'), { shared: { 'source.ip': `192.0.2.${i}`, 'user.name': 'alice' }, entity: `x ${i}` })
    }
    end()
    const whole = closed().at(-1)
    expect(whole?.['incident.alerts']).toBe(1000)
    expect(whole?.['incident.parts']).toHaveLength(50)
  })

  it('names no more than its bounds', () => {
    const { raise, closed, end } = start()
    for (let i = 0; i < 500; i++) {
      raise(i, rule(`r${i}`), { shared: { 'source.ip': '192.0.2.1' }, entity: `entity ${i}`, lineage: [`t-${i}`] })
    }
    end()
    const [fields] = closed()
    expect(fields['incident.alerts']).toBe(500)
    for (const value of Object.values(fields)) if (Array.isArray(value)) expect(value.length).toBeLessThanOrEqual(50)
  })
})

describe('what is remembered of incidents', () => {
  it('lets a stream that was cut anywhere tell the same', () => {
    const random = new Random(7)
    const steps = Array.from({ length: 120 }, (_, i) => ({
      second: i * 40,
      of: rule(`r${random.below(4)}`, random.pick(['low', 'medium', 'high'] as const)),
      about: {
        shared: { 'source.ip': `192.0.2.${random.below(40)}`, 'user.name': `user${random.below(40)}` },
        events: 1 + random.below(5),
      },
    }))
    const options = { idleUs: 100 * SECOND_US, lastUs: HOUR_US, bytesMax: 60_000 }
    const run = (from: ReturnType<typeof start>, of: typeof steps) => {
      for (const { second, of: by, about } of of) from.raise(second, by, about)
    }
    const whole = start(options)
    run(whole, steps)
    whole.end()
    expect(whole.told.length).toBeGreaterThan(20)
    expect(whole.incidents.counters.forgotten).toBeGreaterThan(0)
    for (let cut = 0; cut <= steps.length; cut += 7) {
      const before = start(options)
      run(before, steps.slice(0, cut))
      const after = start(options)
      for (const entry of [...before.incidents.save()].reverse()) {
        expect(after.incidents.restore(JSON.parse(JSON.stringify(entry)))).toBe(true)
      }
      expect(after.incidents.bytes).toBe(before.incidents.bytes)
      run(after, steps.slice(cut))
      after.end()
      expect([...before.told, ...after.told], `cut before alert ${cut}`).toEqual(whole.told)
    }
  })

  it('is refused if it is something else', () => {
    const { incidents, raise } = start()
    raise(0, rule('a'), FROM('192.0.2.1'))
    const [entry] = [...incidents.save()]
    for (const key of Object.keys(entry).filter((name) => name !== 'kind')) {
      expect(start().incidents.restore({ ...entry, [key]: null }), key).toBe(false)
    }
  })
})
