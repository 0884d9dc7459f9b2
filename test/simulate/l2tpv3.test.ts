/** Peers that speak L2TPv3 on bad networks, against the truth that they know. */
import { describe, expect, test } from 'vitest'
import type { EventDocument } from '../../src/events/fields.ts'
import type { SimulationOptions } from '../support/scenario.ts'
import { countsOf, eventsOf, named } from '../support/sensor.ts'
import { simulate } from '../support/traffic.ts'
import { connectionId, sessionIdOf, translated, type TranslationOptions } from '../support/translate-l2tpv3.ts'

const FAULTS = { loss: 0.1, duplicate: 0.05, reorder: 0.15 }
const RICH = { sessionsPerTunnel: 2, outgoingCalls: 0.3, wrongPasswords: 0.2, servers: 2 }
const SECRET = 'shared'
const SEEDS = [1, 2, 3]

const NETWORKS: Record<string, SimulationOptions> = {
  'a perfect network': {},
  'a network that loses packets': { loss: 0.2 },
  'a network that reorders packets': { reorder: 0.4 },
  'a network that doubles packets': { duplicate: 0.3 },
  'a bad network with several sessions, asked for by either end': { ...FAULTS, ...RICH },
  'the same inner address everywhere': { ...FAULTS, sessionsPerTunnel: 3, sameInnerAddress: true },
}
const WAYS: Record<string, TranslationOptions> = {
  'over UDP': {},
  'over IP': { overIp: true },
  'over UDP, signed': { secret: SECRET },
}

function run(options: SimulationOptions, way: TranslationOptions) {
  const simulation = simulate({ clients: 8, ...options })
  const packets = translated(simulation.packets, way)
  const secrets = way.secret === undefined ? [] : [way.secret]
  return { ...simulation, packets, events: eventsOf(packets, { secrets, capture: { duplicateWindowMs: 0 } }) }
}

function only(events: readonly EventDocument[]): EventDocument {
  expect(events).toHaveLength(1)
  return events[0]
}

describe.each(Object.entries(WAYS))('%s', (_, way) => {
  describe.each(Object.entries(NETWORKS))('on %s', (__, options) => {
    test.each(SEEDS)('every tunnel and session opens and closes once, with its user (seed %i)', (seed) => {
      const { events, truth } = run({ ...options, seed }, way)
      for (const tunnel of truth.tunnels) {
        const isTunnel = (event: EventDocument) =>
          event['source.ip'] === tunnel.client.address &&
          event['l2tp.tunnel.initiator_id'] === connectionId(tunnel.clientTunnelId)
        only(named(events, 'l2tp.tunnel.opened').filter(isTunnel))
        expect(only(named(events, 'l2tp.tunnel.closed').filter(isTunnel))).toMatchObject({
          'l2tp.version': 3,
          'l2tp.tunnel.responder_id': connectionId(tunnel.serverTunnelId),
          'l2tp.tunnel.sessions': tunnel.sessions.length,
          'l2tp.authentication.verdict': way.secret === undefined ? undefined : 'verified',
        })
        for (const session of tunnel.sessions) {
          const id = sessionIdOf(tunnel.clientTunnelId, session.clientSessionId)
          const isSession = (event: EventDocument) => isTunnel(event) && event['l2tp.session.initiator_id'] === id
          only(named(events, 'l2tp.session.opened').filter(isSession))
          expect(only(named(events, 'l2tp.session.closed').filter(isSession))).toMatchObject({
            'l2tp.session.responder_id': sessionIdOf(tunnel.serverTunnelId, session.serverSessionId),
            'l2tp.session.pseudowire': 'PPP',
            'l2tp.session.sublayer': 'default',
            'l2tp.session.layout': 'negotiated',
          })
          const logins = events.filter(
            (event) => isSession(event) && String(event['event.action']).startsWith('ppp.authentication.'),
          )
          expect(logins.map((event) => [event['user.name'], event['event.outcome']])).toEqual(
            session.authentication === null ? [] : [[session.user, session.authentication]],
          )
        }
      }
      const counts = countsOf(events)
      for (const name of [
        'l2tp.control.unexpected',
        'l2tp.control.out_of_order',
        'l2tp.control.unknown',
        'protocol.anomaly',
        'l2tp.tunnel.adopted',
      ]) {
        expect(counts[name], name).toBeUndefined()
      }
    })
  })

  test.each(SEEDS)('flows never mix between sessions that use the same addresses (seed %i)', (seed) => {
    const { events, truth } = run({ seed, sessionsPerTunnel: 3, sameInnerAddress: true }, way)
    const flows = named(events, 'flow.closed')
    const expected = truth.tunnels.flatMap(({ sessions }) => sessions.flatMap((session) => session.flows))
    const bytes = (up: number, down: number) => [up, down].sort((a, b) => a - b).join()
    expect(
      flows.map((event) => bytes(event['source.bytes'] as number, event['destination.bytes'] as number)).sort(),
    ).toEqual(expected.map(({ up, down }) => bytes(up.innerBytes, down.innerBytes)).sort())
  })

  test.each(SEEDS)('a tap that misses packets: everything is still told of once (seed %i)', (seed) => {
    const { events, truth } = run({ ...FAULTS, seed, tapLoss: 0.05 }, way)
    const counts = countsOf(events)
    expect((counts['l2tp.tunnel.opened'] ?? 0) + (counts['l2tp.tunnel.adopted'] ?? 0)).toBe(truth.tunnels.length)
    expect(counts['l2tp.tunnel.closed']).toBe(truth.tunnels.length)
    const sessions = (counts['l2tp.session.opened'] ?? 0) + (counts['l2tp.session.adopted'] ?? 0)
    expect(sessions).toBe(counts['l2tp.session.closed'])
    expect(counts['l2tp.control.out_of_order']).toBeUndefined()
    expect(counts['protocol.anomaly']).toBeUndefined()
  })

  test('a capture that is cut anywhere is told to its end, and every thing that it tells of ends once', () => {
    const { packets } = run({ ...FAULTS, seed: 5, clients: 4, helloUs: 2_000_000 }, way)
    const step = Math.ceil(packets.length / 40)
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
})

test('the same seed gives the same events, byte for byte', () => {
  const once = run({ ...FAULTS, ...RICH, seed: 9, tapLoss: 0.05 }, {})
  const again = run({ ...FAULTS, ...RICH, seed: 9, tapLoss: 0.05 }, {})
  expect(JSON.stringify(once.events)).toBe(JSON.stringify(again.events))
})
