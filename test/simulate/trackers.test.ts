/** Peers on bad networks, against the truth that they know: what the trackers tell must be what happened, once. */
import { describe, expect, test } from 'vitest'
import type { EventDocument } from '../../src/events/fields.ts'
import { countsOf, eventsOf, named, TestSensor } from '../support/sensor.ts'
import type { AuthenticationMethod, SessionTruth, SimulationOptions, TunnelTruth } from '../support/scenario.ts'
import { type Simulation, simulate } from '../support/traffic.ts'

const FAULTS = { loss: 0.1, duplicate: 0.05, reorder: 0.15 }
const RICH = { sessionsPerTunnel: 2, outgoingCalls: 0.3, wrongPasswords: 0.2, servers: 2 }

/** Networks on which the tap sees every packet that a peer gets. */
const SEEN: Record<string, SimulationOptions> = {
  'a perfect network': {},
  'a network that loses packets': { loss: 0.2 },
  'a network that reorders packets': { reorder: 0.4 },
  'a network that doubles packets': { duplicate: 0.3 },
  'a bad network': FAULTS,
  'clients behind one NAT address': { ...FAULTS, behindNat: 1 },
  'IPv6 outside': { ...FAULTS, overIpv6: 1 },
  'several sessions in a tunnel, asked for by either end': { ...FAULTS, ...RICH },
  'a shared secret and hidden AVPs': { ...FAULTS, ...RICH, tunnelSecret: 'shared', hiddenAvps: true },
  'the same inner address everywhere': { ...FAULTS, sessionsPerTunnel: 3, sameInnerAddress: true },
  'a VLAN': { ...RICH, vlan: 42 },
}
const SEEDS = [1, 2, 3, 4]

const METHODS: Record<AuthenticationMethod, string> = {
  pap: 'PAP',
  'chap-md5': 'CHAP-MD5',
  mschapv2: 'MS-CHAPv2',
  'eap-md5': 'EAP-MD5',
}

function run(options: SimulationOptions): Simulation & { readonly events: readonly EventDocument[] } {
  const simulation = simulate({ clients: 12, ...options })
  const secrets = options.tunnelSecret === undefined ? [] : [options.tunnelSecret]
  // The network doubles packets on purpose: they are not copies of the tap.
  return { ...simulation, events: eventsOf(simulation.packets, { secrets, capture: { duplicateWindowMs: 0 } }) }
}

function expectTunnel(events: readonly EventDocument[], truth: TunnelTruth): EventDocument {
  const isIt = (event: EventDocument) =>
    event['source.ip'] === truth.client.address &&
    event['source.port'] === truth.client.port &&
    event['l2tp.tunnel.initiator_id'] === truth.clientTunnelId
  expect(named(events, 'l2tp.tunnel.requested').filter(isIt)).toHaveLength(1)
  expect(named(events, 'l2tp.tunnel.opened').filter(isIt)).toHaveLength(1)
  const [closed, ...more] = named(events, 'l2tp.tunnel.closed').filter(isIt)
  expect(more).toEqual([])
  expect(closed).toMatchObject({
    'destination.ip': truth.server.address,
    'l2tp.tunnel.responder_id': truth.serverTunnelId,
    'l2tp.initiator.host_name': truth.hostName,
    'l2tp.tunnel.sessions': truth.sessions.length,
  })
  return closed
}

function expectSession(events: readonly EventDocument[], tunnel: EventDocument, truth: SessionTruth): EventDocument {
  const isIt = (event: EventDocument) =>
    event['l2tp.tunnel.uid'] === tunnel['l2tp.tunnel.uid'] &&
    event['l2tp.session.initiator_id'] === truth.clientSessionId
  expect(named(events, 'l2tp.session.opened').filter(isIt)).toHaveLength(1)
  const [closed, ...more] = named(events, 'l2tp.session.closed').filter(isIt)
  expect(more).toEqual([])
  expect(closed).toMatchObject({
    'l2tp.session.responder_id': truth.serverSessionId,
    'l2tp.session.kind': truth.isOutgoing ? 'outgoing' : 'incoming',
  })
  const outcomes = events.filter(
    (event) => isIt(event) && String(event['event.action']).startsWith('ppp.authentication.'),
  )
  expect(
    outcomes.map((event) => [event['user.name'], event['event.outcome'], event['ppp.authentication.method']]),
  ).toEqual(truth.authentication === null ? [] : [[truth.user, truth.authentication, METHODS[truth.method]]])
  const links = named(events, 'ppp.link.opened').filter(isIt)
  expect(links.map((event) => event['ppp.client.ip'])).toEqual(truth.networkUp ? [truth.clientAddress] : [])
  return closed
}

/** Outer packets and IP bytes of the session's data messages, by a reader of its own, up to a frame. */
function dataSeen({ packets }: Simulation, tunnel: TunnelTruth, session: SessionTruth, before: number) {
  const seen = { up: [0, 0], down: [0, 0] }
  packets.slice(0, before - 1).forEach(({ bytes }) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const ip = view.getUint16(12) === 0x8100 ? 18 : 14
    const isIpv6 = bytes[ip] >> 4 === 6
    const udp = ip + (isIpv6 ? 40 : 20)
    const length = isIpv6 ? 40 + view.getUint16(ip + 4) : view.getUint16(ip + 2)
    const flags = view.getUint16(udp + 8)
    if ((flags & 0x8000) !== 0) return
    const ids = udp + 10 + ((flags & 0x4000) === 0 ? 0 : 2)
    const isUp = view.getUint16(udp + 2) === tunnel.server.port && view.getUint16(udp) === tunnel.client.port
    const [tunnelId, sessionId] = [view.getUint16(ids), view.getUint16(ids + 2)]
    const source = [...bytes.subarray(ip + (isIpv6 ? 8 : 12), ip + (isIpv6 ? 24 : 16))].join()
    const client = addressBytes(tunnel.client.address).join()
    if (source === client && isUp && tunnelId === tunnel.serverTunnelId && sessionId === session.serverSessionId)
      count(seen.up, length)
    else if (
      source !== client &&
      tunnelId === tunnel.clientTunnelId &&
      sessionId === session.clientSessionId &&
      view.getUint16(udp + 2) === tunnel.client.port &&
      targetOf(bytes, ip, isIpv6) === client
    ) {
      count(seen.down, length)
    }
  })
  return seen
}

function count(counts: number[], bytes: number): void {
  counts[0]++
  counts[1] += bytes
}

function targetOf(bytes: Uint8Array, ip: number, isIpv6: boolean): string {
  return [...bytes.subarray(ip + (isIpv6 ? 24 : 16), ip + (isIpv6 ? 40 : 20))].join()
}

function addressBytes(address: string): number[] {
  if (!address.includes(':')) return address.split('.').map(Number)
  const [head, tail] = address.split('::').map((part) => part.split(':').map((group) => parseInt(group, 16)))
  const groups = [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail]
  return groups.flatMap((group) => [group >> 8, group & 255])
}

describe.each(Object.entries(SEEN))('%s', (_, options) => {
  test.each(SEEDS)('every tunnel and session opens and closes once, with its user and its bytes (seed %i)', (seed) => {
    const simulation = run({ ...options, seed })
    const { events, truth } = simulation
    for (const tunnelTruth of truth.tunnels) {
      expect(tunnelTruth.established).toBe(true)
      const tunnel = expectTunnel(events, tunnelTruth)
      for (const sessionTruth of tunnelTruth.sessions) {
        const session = expectSession(events, tunnel, sessionTruth)
        const { up, down } = dataSeen(
          simulation,
          tunnelTruth,
          sessionTruth,
          session['borescope.frame.number'] as number,
        )
        const told = ['source.packets', 'source.bytes', 'destination.packets', 'destination.bytes'] as const
        expect(told.map((name) => session[name])).toEqual([...up, ...down])
      }
    }
    const counts = countsOf(events)
    for (const name of [
      'l2tp.control.unexpected',
      'l2tp.control.out_of_order',
      'l2tp.control.unknown',
      'protocol.anomaly',
    ]) {
      expect(counts[name], name).toBeUndefined()
    }
    expect(new Set(events.map((event) => event['event.id'])).size).toBe(events.length)
  })
})

test.each(SEEDS)('flows never mix between sessions that use the same addresses (seed %i)', (seed) => {
  const { events, truth } = run({ seed, sessionsPerTunnel: 3, sameInnerAddress: true })
  const told = named(events, 'flow.closed')
  for (const tunnel of truth.tunnels) {
    const tunnelUid = named(events, 'l2tp.tunnel.closed').find(
      (event) => event['source.ip'] === tunnel.client.address,
    )?.['l2tp.tunnel.uid']
    for (const session of tunnel.sessions) {
      const [{ 'l2tp.session.uid': uid }] = named(events, 'l2tp.session.closed').filter(
        (event) =>
          event['l2tp.tunnel.uid'] === tunnelUid && event['l2tp.session.initiator_id'] === session.clientSessionId,
      )
      const ofSession = told.filter((event) => event['l2tp.session.uid'] === uid)
      const bytes = (up: number, down: number) => [up, down].sort((a, b) => a - b).join()
      expect(
        ofSession.map((event) => bytes(event['source.bytes'] as number, event['destination.bytes'] as number)).sort(),
      ).toEqual(session.flows.map(({ up, down }) => bytes(up.innerBytes, down.innerBytes)).sort())
    }
  }
})

test.each(SEEDS)('verified challenges and recovered AVPs (seed %i)', (seed) => {
  const { events, truth } = run({ ...FAULTS, seed, tunnelSecret: 'shared', hiddenAvps: true })
  const verdicts = named(events, 'l2tp.tunnel.authenticated')
  expect(verdicts).toHaveLength(truth.tunnels.length * 2)
  expect(verdicts.every((event) => event['l2tp.authentication.verdict'] === 'verified')).toBe(true)
  expect(named(events, 'l2tp.avp.hidden').every((event) => event['l2tp.avp.value'] === '+15550199')).toBe(true)
})

test.each(SEEDS)('packets that are replayed seconds later change nothing (seed %i)', (seed) => {
  const { events, truth } = run({ seed, replay: 0.1, wrongPasswords: 0.3 })
  const sessions = truth.tunnels.flatMap((tunnel) => tunnel.sessions)
  const logins = (outcome: string) =>
    sessions.filter((session) => session.authentication === outcome).length || undefined
  expect(countsOf(events)).toMatchObject({
    'l2tp.tunnel.opened': truth.tunnels.length,
    'l2tp.tunnel.closed': truth.tunnels.length,
    'l2tp.session.opened': sessions.length,
    'l2tp.session.closed': sessions.length,
  })
  expect(countsOf(events)['ppp.authentication.succeeded']).toBe(logins('success'))
  expect(countsOf(events)['ppp.authentication.failed']).toBe(logins('failure'))
})

test.each(SEEDS)('a tap that misses packets: every tunnel and session is still told of once (seed %i)', (seed) => {
  const { events, truth } = run({ ...FAULTS, seed, tapLoss: 0.05 })
  const counts = countsOf(events)
  const tunnels = (counts['l2tp.tunnel.opened'] ?? 0) + (counts['l2tp.tunnel.adopted'] ?? 0)
  const sessions = (counts['l2tp.session.opened'] ?? 0) + (counts['l2tp.session.adopted'] ?? 0)
  expect(tunnels).toBe(truth.tunnels.length)
  expect(counts['l2tp.tunnel.closed']).toBe(truth.tunnels.length)
  expect(sessions).toBe(counts['l2tp.session.closed'])
  expect(Math.abs(sessions - truth.tunnels.length)).toBeLessThanOrEqual(1)
  expect(counts['l2tp.control.out_of_order']).toBeUndefined()
})

test('the same seed gives the same events, byte for byte', () => {
  const options = { ...FAULTS, ...RICH, seed: 9, tapLoss: 0.05 }
  expect(JSON.stringify(run(options).events)).toBe(JSON.stringify(run(options).events))
})

test('a capture that is cut anywhere is told to its end, and every thing that it tells of ends once', () => {
  const { packets } = simulate({ ...FAULTS, seed: 5, clients: 4, helloUs: 2_000_000 })
  const step = Math.ceil(packets.length / 60)
  for (let cut = 0; cut < packets.length; cut += step) {
    for (const part of [packets.slice(cut), packets.slice(0, cut)]) {
      const counts = countsOf(eventsOf(part))
      const begun = (counts['l2tp.tunnel.requested'] ?? 0) + (counts['l2tp.tunnel.adopted'] ?? 0)
      expect((counts['l2tp.tunnel.closed'] ?? 0) + (counts['l2tp.tunnel.failed'] ?? 0)).toBe(begun)
      const sessions = (counts['l2tp.session.requested'] ?? 0) + (counts['l2tp.session.adopted'] ?? 0)
      expect((counts['l2tp.session.closed'] ?? 0) + (counts['l2tp.session.failed'] ?? 0)).toBe(sessions)
    }
  }
})

test('a tunnel from before the capture is one, with both of its numbers', () => {
  const { packets, truth } = simulate({ seed: 3, clients: 1, helloUs: 1_000_000, flowsPerSession: 6 })
  const [tunnel] = truth.tunnels
  const late = packets.slice(Math.floor(packets.length / 3))
  const closed = named(eventsOf(late), 'l2tp.tunnel.closed')
  expect(closed).toHaveLength(1)
  const ids = [closed[0]['l2tp.tunnel.initiator_id'], closed[0]['l2tp.tunnel.responder_id']]
  expect(ids.sort()).toEqual([tunnel.clientTunnelId, tunnel.serverTunnelId].sort())
})

test('a small table is full, says so once, and goes on', () => {
  const { packets } = simulate({ seed: 2, clients: 30, spreadUs: 1000 })
  const run = new TestSensor({ track: { tunnelsMax: 10, sessionsMax: 5, flowsMax: 3 } })
  for (const { bytes, timeUs } of packets) run.see(bytes, timeUs)
  expect(run.sensor.trackers.tunnels.size).toBeLessThanOrEqual(10)
  const events = run.finish()
  expect(
    named(events, 'sensor.table.filled')
      .map((event) => event['sensor.table'])
      .sort(),
  ).toEqual(['flows', 'sessions', 'tunnels'])
  expect(named(events, 'l2tp.tunnel.requested').length).toBeGreaterThanOrEqual(30)
  expect(run.sensor.trackers.sessions.size).toBe(0)
  expect(run.sensor.trackers.tunnels.size).toBe(0)
  expect(run.sensor.trackers.flows.size).toBe(0)
})
