/** A sensor that is cut off in mid-stream, and one that goes on from what it left: together they tell what one would have told. */
import { describe, expect, test } from 'vitest'
import type { EventDocument } from '../../src/events/fields.ts'
import type { SavedEntry } from '../../src/track/saved.ts'
import { Random } from '../support/random.ts'
import { cutOff, inFull, type Packet, packetsOf, saved } from '../support/restart.ts'
import type { SimulationOptions } from '../support/scenario.ts'
import { named, TestSensor } from '../support/sensor.ts'
import { simulate } from '../support/traffic.ts'
import { translated, type TranslationOptions } from '../support/translate-l2tpv3.ts'

/** What is told of tunnels, sessions and PPP links: flows are cut where the sensor is. */
const told = (events: readonly EventDocument[]) =>
  events
    .filter(({ 'event.action': action }) => /^(l2tp\.(tunnel|session)|ppp)\./.test(action))
    .map(({ 'event.action': action, 'event.id': id, message }) => `${action} ${id} ${message}`)
    .sort()

const NETWORKS: Record<string, SimulationOptions> = {
  'a perfect network': { sessionsPerTunnel: 2, outgoingCalls: 0.3, wrongPasswords: 0.2 },
  'IPv6 outside': { overIpv6: 1 },
  'clients behind one NAT address': { behindNat: 1 },
  'a shared secret and hidden AVPs': { sessionsPerTunnel: 2, tunnelSecret: 'shared', hiddenAvps: true },
}

describe.each(Object.entries(NETWORKS))('on %s', (_, network) => {
  const secrets = network.tunnelSecret === undefined ? [] : [network.tunnelSecret]
  const options = { secrets, capture: { duplicateWindowMs: 0 } }
  test.each([1, 2, 3])('two sensors tell what one tells, wherever the cut is (seed %i)', (seed) => {
    const { packets } = simulate({ clients: 6, seed, ...network })
    const random = new Random(seed)
    const whole = new TestSensor(options)
    for (const { bytes, timeUs } of packets) whole.see(bytes, timeUs)
    whole.finish()
    for (let i = 0; i < 8; i++) {
      const at = 1 + random.below(packets.length - 1)
      const { first, second } = cutOff(packets, at, options)
      expect(told([...first, ...second]), `cut at ${at}`).toEqual(told(whole.events))
    }
  })
})

test('every cut of one connection, from the first packet to the last', () => {
  const { packets } = simulate({ clients: 1, seed: 7, flowsPerSession: 1 })
  const options = { capture: { duplicateWindowMs: 0 } }
  const whole = new TestSensor(options)
  for (const { bytes, timeUs } of packets) whole.see(bytes, timeUs)
  whole.finish()
  for (let at = 1; at < packets.length; at++) {
    const { first, second } = cutOff(packets, at, options)
    expect(told([...first, ...second]), `cut at ${at}`).toEqual(told(whole.events))
  }
})

describe('after a pause', () => {
  const options = { capture: { duplicateWindowMs: 0 } }
  const { packets } = simulate({ clients: 6, seed: 3, sessionsPerTunnel: 2, spreadUs: 1, helloUs: 5_000_000 })
  const middle = packets.findIndex(({ timeUs }) => timeUs - packets[0].timeUs > 3_000_000)

  test('tunnels and sessions go on under their ids, and nothing is taken for an anomaly', () => {
    const { first, second } = cutOff(packets, middle, options, 2_000_000)
    const opened = new Set(named(first, 'l2tp.session.opened').map((event) => event['l2tp.session.uid']))
    expect(opened.size).toBeGreaterThan(4)
    const closed = named(second, 'l2tp.session.closed').map((event) => event['l2tp.session.uid'])
    for (const uid of opened) {
      const isClosed =
        closed.includes(uid) || named(first, 'l2tp.session.closed').some((e) => e['l2tp.session.uid'] === uid)
      expect(isClosed, `${uid} is closed`).toBe(true)
    }
    expect(named(second, 'l2tp.tunnel.adopted')).toEqual([])
    expect(named(second, 'l2tp.session.adopted')).toEqual([])
    for (const name of ['l2tp.control.out_of_order', 'l2tp.control.unexpected', 'l2tp.control.unknown'] as const)
      expect(named(second, name), name).toEqual([])
  })

  test('a long one does not make them silent: they have their time again', () => {
    const hours = 3_600_000_000
    const { first, second } = cutOff(packets, middle, options, 0, 2 * hours)
    const opened = named(first, 'l2tp.tunnel.opened').map((event) => event['l2tp.tunnel.uid'])
    const closed = named(second, 'l2tp.tunnel.closed')
    expect(closed.filter((event) => opened.includes(event['l2tp.tunnel.uid'])).length).toBeGreaterThan(0)
    expect(closed.filter((event) => event['l2tp.closed_by'] === 'silence')).toEqual([])
  })

  test('the names of users and hosts are known', () => {
    const { first, second } = cutOff(packets, middle, options, 1_000_000)
    const users = new Map(
      named(first, 'ppp.authentication.succeeded').map((event) => [event['l2tp.session.uid'], event['user.name']]),
    )
    const flows = named(second, 'flow.closed').filter((event) => users.has(event['l2tp.session.uid']))
    expect(flows.length).toBeGreaterThan(10)
    for (const flow of flows) expect(flow['user.name']).toBe(users.get(flow['l2tp.session.uid']))
    for (const event of named(second, 'l2tp.tunnel.closed')) expect(event['l2tp.initiator.host_name']).toBeDefined()
  })
})

describe('L2TPv3', () => {
  test.each([
    ['over UDP', {}],
    ['over IP', { overIp: true }],
    ['signed', { secret: 'shared' }],
  ] as const)('%s: two sensors tell what one tells', (_, way: TranslationOptions) => {
    const options = { secrets: way.secret === undefined ? [] : [way.secret], capture: { duplicateWindowMs: 0 } }
    const packets = translated(simulate({ clients: 4, seed: 5, sessionsPerTunnel: 2 }).packets, way)
    const whole = new TestSensor(options)
    for (const { bytes, timeUs } of packets) whole.see(bytes, timeUs)
    whole.finish()
    const random = new Random(5)
    for (let i = 0; i < 8; i++) {
      const at = 1 + random.below(packets.length - 1)
      const { first, second } = cutOff(packets, at, options)
      expect(told([...first, ...second]), `cut at ${at}`).toEqual(told(whole.events))
    }
  })
})

describe('IPsec', () => {
  const ASSOCIATIONS = /^esp\.(association|tunnel)\./

  test.each(['ipsec-ikev2.pcap', 'ipsec-psk-main.pcap', 'ipsec-espnull.pcap'])(
    '%s: associations go on under their ids, wherever the cut is',
    async (name) => {
      const packets = await packetsOf(new URL(`../../pcaps/${name}`, import.meta.url))
      const whole = new TestSensor()
      for (const { bytes, timeUs } of packets) whole.see(bytes, timeUs)
      whole.finish()
      expect(named(whole.events, 'esp.tunnel.opened').length).toBeGreaterThan(0)
      // Once both associations are believed: candidates are nothing yet.
      const opened = named(whole.events, 'esp.tunnel.opened').at(-1)
      const from = (opened?.['borescope.frame.number'] ?? 0) + 1
      for (let at = from; at < packets.length; at += 7) {
        const { first, second } = cutOff(packets, at, {})
        expect(inFull([...first, ...second], ASSOCIATIONS), `cut at ${at}`).toEqual(inFull(whole.events, ASSOCIATIONS))
      }
    },
  )

  test('packets that were sent meanwhile are no forgeries', async () => {
    const packets = await packetsOf(new URL('../../pcaps/ipsec-ikev2.pcap', import.meta.url))
    const middle = Math.floor(packets.length / 2)
    const pauseUs = (packets[middle + 20].timeUs ?? 0) - packets[middle - 1].timeUs
    const { first, second } = cutOff(packets, middle, { track: { espReplayWindow: 64 } }, pauseUs)
    const uids = named(first, 'esp.tunnel.opened').map((event) => event['esp.tunnel.uid'])
    const closed = named(second, 'esp.tunnel.closed').map((event) => event['esp.tunnel.uid'])
    expect(closed).toEqual(uids)
    expect(second.filter((event) => event['event.action'].startsWith('esp.sequence.'))).toEqual([])
    expect(named(second, 'esp.association.seen')).toEqual([])
  })
})

test.each([
  ['l2tp', ['uid', 'endpoints', 'ids', 'ends', 'channels', 'traffic', 'sessions', 'stateUs']],
  ['esp.pair', ['uid', 'endpoints', 'traffic', 'protection', 'startUs']],
  ['esp.association', ['uid', 'spi', 'pair', 'role', 'window', 'traffic', 'parent']],
])('an entry of %s that is damaged is refused by name, and the rest is taken up', async (kind, fields) => {
  const run = new TestSensor({ capture: { duplicateWindowMs: 0 } })
  const { packets } = simulate({ clients: 2, seed: 2, sessionsPerTunnel: 2 })
  for (const { bytes, timeUs } of packets.slice(0, packets.length / 2)) run.see(bytes, timeUs)
  const ipsec = await packetsOf(new URL('../../pcaps/ipsec-ikev2.pcap', import.meta.url))
  const laterUs = run.sensor.nowUs - ipsec[0].timeUs
  for (const { bytes, timeUs } of ipsec.slice(0, ipsec.length / 2)) run.see(bytes, timeUs + laterUs)
  const entries = saved(run)
  const at = entries.findIndex((entry) => entry.kind === kind)
  expect(at).not.toBe(-1)
  const pause = { savedUs: run.sensor.nowUs, nowUs: run.sensor.nowUs }
  const inner = kind.split('.')[1]
  for (const field of fields) {
    const entry = structuredClone(entries[at]) as unknown as { saved: Record<string, Record<string, unknown>> }
    const record = inner === undefined ? entry.saved : entry.saved[inner]
    delete record[field]
    const all = [...entries.slice(0, at), entry as unknown as SavedEntry, ...entries.slice(at + 1)]
    const { problems, restored } = new TestSensor().sensor.trackers.restore(all, pause)
    expect(problems).toEqual([`${kind}: ${field} is missing`])
    expect(restored).toBeGreaterThan(1)
  }
})

describe('a value in an entry that is not what it must be', () => {
  /** Every value of an entry, but for those that refer to another one, replaced by one of another kind. */
  function* wrong(value: unknown): Generator<unknown> {
    if (typeof value !== 'object' || value === null) return
    for (const [key, inner] of Object.entries(value)) {
      const put = (other: unknown) =>
        Array.isArray(value) ? value.map((each, at) => (String(at) === key ? other : each)) : { ...value, [key]: other }
      yield put(typeof inner === 'object' ? 'not this' : { not: 'this' })
      for (const other of wrong(inner)) yield put(other)
    }
  }

  test.each([
    ['l2tp', async () => simulate({ clients: 1, seed: 2, tunnelSecret: 'shared' }).packets],
    ['l2tpv3', async () => translated(simulate({ clients: 1, seed: 2 }).packets, {})],
    ['esp.pair', async () => packetsOf(new URL('../../pcaps/ipsec-espnull.pcap', import.meta.url))],
    ['esp.association', async () => packetsOf(new URL('../../pcaps/ipsec-espnull.pcap', import.meta.url))],
  ] as const)('%s: is named, and nothing of the entry is taken up', async (kind, packets) => {
    const run = new TestSensor({ capture: { duplicateWindowMs: 0 }, secrets: ['shared'] })
    const all = await packets()
    for (const { bytes, timeUs } of all.slice(0, all.length * 0.7)) run.see(bytes, timeUs)
    const entry = saved(run).find((each) => each.kind === kind)
    expect(entry).toBeDefined()
    const pause = { savedUs: run.sensor.nowUs, nowUs: run.sensor.nowUs }
    for (const value of wrong(entry?.['saved'])) {
      const { sensor } = new TestSensor()
      const { problems, restored } = sensor.trackers.restore([{ kind, saved: value }], pause)
      expect(problems, JSON.stringify(value)).toEqual([
        expect.stringMatching(`^${kind}: (\\w+ is not what it must be|\\w+ is missing|it is no record)$`),
      ])
      expect(restored).toBe(0)
      expect([sensor.trackers.tunnels.size, sensor.trackers.v3.tunnels.size, sensor.trackers.esp.size]).toEqual([
        0, 0, 0,
      ])
    }
  })
})

test.each([
  ['L2TPv2', (packets: readonly Packet[]) => packets],
  ['L2TPv3', (packets: readonly Packet[]) => translated(packets, {})],
] as const)('%s: sessions that find no room in a tunnel that does are counted', (_, translate) => {
  const packets = translate(simulate({ clients: 3, seed: 2, sessionsPerTunnel: 2, spreadUs: 1 }).packets)
  const run = new TestSensor({ capture: { duplicateWindowMs: 0 } })
  for (const { bytes, timeUs } of packets.slice(0, packets.length / 2)) run.see(bytes, timeUs)
  const entries = saved(run).filter(({ kind }) => kind.startsWith('l2tp'))
  const sessions = entries.reduce((sum, { saved: tunnel }) => sum + (tunnel as { sessions: [] }).sessions.length, 0)
  expect(sessions).toBeGreaterThan(3)
  const pause = { savedUs: run.sensor.nowUs, nowUs: run.sensor.nowUs }
  const small = new TestSensor({ track: { sessionsMax: 2 } }).sensor.trackers.restore(entries, pause)
  expect(small).toMatchObject({ restored: entries.length, leftOut: sessions - 2, problems: [] })
})

test('no secret is written down', () => {
  const { packets } = simulate({ clients: 8, seed: 2, sessionsPerTunnel: 4, flowsPerSession: 1 })
  const run = new TestSensor({ capture: { duplicateWindowMs: 0 } })
  const texts: string[] = []
  for (const [number, { bytes, timeUs }] of packets.entries()) {
    run.see(bytes, timeUs)
    if (number % 50 === 0) texts.push(JSON.stringify(saved(run)))
  }
  const text = texts.join('\n')
  expect(text).toContain('user5@example.com')
  for (const word of ['password', 'proof', 'serverAnswer', 'keys', 'secret']) expect(text).not.toContain(`"${word}"`)
  expect(text).not.toContain('secret-')
})
