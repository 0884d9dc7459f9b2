import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { EventName } from '../../src/events/catalogue.ts'
import { CATALOGUE } from '../../src/events/catalogue.ts'
import type { EventDocument } from '../../src/events/fields.ts'
import { ESP_SHAPES, type EspShape } from '../../src/track/esp-overhead.ts'
import * as craft from '../support/craft.ts'
import { Random } from '../support/random.ts'
import { eventsOfFile, type SensorOptions, TestSensor } from '../support/sensor.ts'
import {
  bulk,
  inEsp,
  keepalives,
  login,
  merge,
  refusedLogin,
  setUp,
  type TunnelPacket,
  tearDown,
  voice,
  web,
} from '../support/tunnel-traffic.ts'

const LAB = resolve(process.env['BORESCOPE_CAPTURES'] ?? join(import.meta.dirname, '../../../shared/captures'), 'lab')
if (!existsSync(LAB))
  process.stderr.write(`\nSKIPPED in test/track/esp-traffic-events.test.ts: no captures at ${LAB}\n\n`)

const SECOND_US = 1_000_000
const START_US = 1_700_000_000 * SECOND_US
const [CLIENT, SERVER] = ['198.51.100.7', '192.0.2.1']
const AES_CBC = ESP_SHAPES.find(({ suites }) => suites.includes('AES-CBC/128')) as EspShape

interface Change {
  /** UDP ports of both ends, for NAT traversal. */
  readonly ports?: readonly [number, number]
  readonly sequence?: number
  /** When both directions go on under other SPIs. */
  readonly rekeyUs?: number
  readonly options?: SensorOptions
}

/** The events of a sensor by which that conversation went in ESP. */
function eventsOf(packets: readonly TunnelPacket[], change: Change = {}): readonly EventDocument[] {
  const { ports, rekeyUs = Number.POSITIVE_INFINITY, options = {} } = change
  const run = new TestSensor(options)
  const random = new Random(1)
  const sequences = new Map<number, number>()
  for (const { timeUs, direction, length } of packets) {
    const spi = 0x1000_0001 + direction + (timeUs >= rekeyUs ? 16 : 0)
    const sequence = (sequences.get(spi) ?? change.sequence ?? 0) + 1
    sequences.set(spi, sequence)
    const esp = craft.concat(craft.be32(spi), craft.be32(sequence), random.bytes(length - 8))
    const ends = direction === 0 ? { source: CLIENT, target: SERVER } : { source: SERVER, target: CLIENT }
    const [from, to] = ports === undefined ? [0, 0] : direction === 0 ? ports : [ports[1], ports[0]]
    const payload = ports === undefined ? esp : craft.udp(esp, { ...ends, sourcePort: from, targetPort: to })
    const protocol = ports === undefined ? craft.IP_PROTOCOL.esp : craft.IP_PROTOCOL.udp
    run.see(craft.ethernet(craft.ipv4(payload, { ...ends, protocol, id: sequence & 0xffff })), timeUs)
  }
  return run.finish()
}

function told(events: readonly EventDocument[], name: EventName): EventDocument[] {
  return events.filter((event) => event['event.action'] === name)
}

function findings(events: readonly EventDocument[]): unknown[] {
  return told(events, 'esp.content.inferred').map((event) => event['esp.l2tp.finding'])
}

function classes(events: readonly EventDocument[]): unknown[] {
  return told(events, 'esp.traffic.classified').map((event) => event['esp.traffic.class'])
}

const SESSION = inEsp(
  merge(
    setUp(START_US),
    login(START_US + SECOND_US),
    voice(new Random(3), START_US + 20.5 * SECOND_US, 29),
    keepalives(new Random(4), START_US + 2 * SECOND_US, 70),
    tearDown(START_US + 81 * SECOND_US),
  ),
  AES_CBC,
)

describe.each([
  ['on its own', {}],
  ['in UDP', { ports: [40_000, 4500] as const }],
])('ESP %s', (_, change: Change) => {
  const events = eventsOf(SESSION, change)

  test('is told of by what it gives away', () => {
    expect(findings(events)).toEqual(['set_up', 'logged_in', 'torn_down'])
    expect(classes(events)).toEqual(['signalling', 'idle', 'voice', 'idle', 'signalling'])
  })

  test('names the ends, the pair, and what decided', () => {
    const [pair] = told(events, 'esp.tunnel.opened')
    const call = told(events, 'esp.traffic.classified')[2]
    expect(call).toMatchObject({
      'source.ip': CLIENT,
      'destination.ip': SERVER,
      'esp.tunnel.uid': pair['esp.tunnel.uid'],
      'borescope.lineage': pair['borescope.lineage'],
      'esp.suites': ['AES-CBC/128', 'AES-CBC/256'],
      'esp.alignment': 16,
      'esp.traffic.windows': 3,
    })
    expect(call['esp.traffic.confidence']).toBeGreaterThan(0.6)
    expect(call['esp.traffic.because']).toContain('packets 1000 is at least 60')
    expect(call['esp.traffic.lengths']).toEqual(['209-304: 1000'])
    expect(call.message).toBe(`ESP between ${CLIENT} and ${SERVER}: a call for 30 s, as it looks (97 %)`)
  })

  test('says of the tunnel inside who asked, under which suites it fits, and how long its messages were', () => {
    const [opened, loggedIn, closed] = told(events, 'esp.content.inferred')
    expect(opened).toMatchObject({
      'source.ip': CLIENT,
      'esp.suites': ['AES-CBC/128'],
      'esp.l2tp.modes': ['transport'],
      'esp.l2tp.set_up_packets': 7,
    })
    expect(opened['esp.l2tp.lengths']).toHaveLength(6)
    expect(loggedIn).toMatchObject({ 'event.outcome': 'success', 'esp.l2tp.method': 'MS-CHAP' })
    expect(closed).toMatchObject({ 'esp.l2tp.closed_by': 'initiator' })
    for (const event of [opened, loggedIn, closed]) expect(event['esp.l2tp.confidence']).toBeGreaterThan(0.5)
  })

  test('carries every field that its events always have', () => {
    for (const name of ['esp.traffic.classified', 'esp.content.inferred'] as const)
      for (const event of told(events, name))
        expect(CATALOGUE[name].always.filter((field) => event[field] === undefined)).toEqual([])
  })
})

test('a call goes on through a rekeying as one', () => {
  const events = eventsOf(SESSION, { rekeyUs: START_US + 35 * SECOND_US })
  expect(told(events, 'esp.tunnel.rekeyed')).toHaveLength(1)
  expect(classes(events)).toEqual(['signalling', 'idle', 'voice', 'idle', 'signalling'])
  expect(findings(events)).toEqual(['set_up', 'logged_in', 'torn_down'])
})

test('each attempt of a client that is refused is told', () => {
  const attempts = [0, 1, 2, 3, 4].flatMap((at) => [
    ...setUp(START_US + at * 4 * SECOND_US),
    ...refusedLogin(START_US + (at * 4 + 1) * SECOND_US),
  ])
  const events = eventsOf(inEsp(attempts, AES_CBC))
  const refused = told(events, 'esp.content.inferred').filter((event) => event['esp.l2tp.finding'] === 'not_logged_in')
  expect(refused).toHaveLength(5)
  for (const event of refused) expect(event).toMatchObject({ 'event.outcome': 'failure', 'source.ip': CLIENT })
})

test('a pair that is older than the capture is classified, and nothing is said of a set-up', () => {
  const events = eventsOf(SESSION, { sequence: 5000 })
  expect(findings(events)).toEqual([])
  expect(classes(events)).toContain('voice')
})

test('the window is as long as the configuration says', () => {
  const packets = inEsp(web(new Random(5), START_US, 120), AES_CBC)
  const windows = (seconds: number) =>
    told(eventsOf(packets, { options: { track: { espWindowSeconds: seconds } } }), 'esp.traffic.classified')
      .map((event) => Number(event['esp.traffic.windows']))
      .reduce((a, b) => a + b)
  expect(windows(10)).toBe(12)
  expect(windows(60)).toBe(2)
})

test('lone packets with SPIs that nobody uses are no traffic', () => {
  const run = new TestSensor()
  for (let packet = 0; packet < 30; packet++) {
    const esp = craft.concat(craft.be32(0x2000_0000 + packet), craft.be32(1), new Uint8Array(60))
    const ip = craft.ipv4(esp, { source: CLIENT, target: SERVER, protocol: craft.IP_PROTOCOL.esp, id: packet })
    run.see(craft.ethernet(ip), START_US + packet * SECOND_US)
  }
  expect(told(run.finish(), 'esp.traffic.classified')).toEqual([])
})

test('one direction alone is classified as well', () => {
  const packets = inEsp(bulk(START_US, 30, 0), AES_CBC).filter(({ direction }) => direction === 0)
  const events = eventsOf(packets)
  expect(classes(events)).toContain('bulk_up')
  expect(findings(events)).toEqual([])
})

test('stretches of bulk are added up in their direction, over the last four hours', () => {
  const uploads = [0, 1, 2, 10].map((hour) => inEsp(bulk(START_US + hour * 3600 * SECOND_US, 30, 0), AES_CBC))
  const stretches = told(eventsOf(merge(...uploads)), 'esp.traffic.classified').filter(
    (event) => event['esp.traffic.class'] === 'bulk_up',
  )
  expect(stretches).toHaveLength(4)
  const sent = stretches.map((event) => event['source.bytes'] ?? 0)
  const sums = [sent[0], sent[0] + sent[1], sent[0] + sent[1] + sent[2], sent[3]]
  expect(stretches.map((event) => event['esp.traffic.bulk_bytes'])).toEqual(sums)
})

test('the same packets give the same events', () => {
  expect(eventsOf(SESSION)).toEqual(eventsOf(SESSION))
})

describe.skipIf(!existsSync(LAB))('in the laboratory', () => {
  const SESSION_FOUND = ['set_up', 'logged_in', 'torn_down']
  const FOUND: Readonly<Record<string, readonly string[]>> = {
    'ipsec-aggressive': SESSION_FOUND,
    'ipsec-cert': SESSION_FOUND,
    'ipsec-ikev2': SESSION_FOUND,
    'ipsec-psk-forceencaps': SESSION_FOUND,
    'ipsec-psk-main': SESSION_FOUND,
    'l2tp-ipsec-downgrade': SESSION_FOUND,
    // Two clients behind one address, one after the other.
    'ipsec-psk-nat': [...SESSION_FOUND, ...SESSION_FOUND],
    // The client is unplugged; nobody says farewell.
    'ipsec-rekey-dpd': ['set_up', 'logged_in'],
    // It is read, so there is nothing to infer.
    'ipsec-espnull': [],
    // No association comes about.
    'ipsec-wrongpsk': [],
    'ike-scan': [],
  }

  test.each(Object.entries(FOUND))('%s: what was done inside is told', async (capture, found) => {
    const events = await eventsOfFile(join(LAB, `${capture}.pcap`))
    expect(findings(events).toSorted()).toEqual(found.toSorted())
  })

  test('eighty pings, one a second, are one periodic stretch through five rekeyings', async () => {
    const events = await eventsOfFile(join(LAB, 'ipsec-rekey-dpd.pcap'))
    const [stretch] = told(events, 'esp.traffic.classified').filter(
      (event) => event['esp.traffic.class'] === 'periodic',
    )
    expect(told(events, 'esp.tunnel.rekeyed')).toHaveLength(5)
    expect(stretch['esp.traffic.windows']).toBeGreaterThanOrEqual(7)
  })
})
