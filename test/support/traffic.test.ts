import { expect, test } from 'vitest'
import { AUTHENTICATION_METHODS, type SimulationOptions, type Traffic } from './scenario.ts'
import { simulate } from './traffic.ts'

const FAULTS = { loss: 0.1, duplicate: 0.05, reorder: 0.1, replay: 0.02 }
const ALL: SimulationOptions = {
  seed: 3,
  clients: 16,
  sessionsPerTunnel: 2,
  wrongPasswords: 0.2,
  outgoingCalls: 0.3,
  behindNat: 0.3,
  overIpv6: 0.2,
  tunnelSecret: 'shared',
  hiddenAvps: true,
}

function sum(traffic: readonly Traffic[]): Traffic {
  const total = { packets: 0, frameBytes: 0, innerBytes: 0 }
  for (const { packets, frameBytes, innerBytes } of traffic) {
    total.packets += packets
    total.frameBytes += frameBytes
    total.innerBytes += innerBytes
  }
  return total
}

test('the same options give the same packets and the same truth; another seed gives others', () => {
  const first = simulate({ ...ALL, ...FAULTS })
  expect(simulate({ ...ALL, ...FAULTS })).toEqual(first)
  expect(simulate({ ...ALL, ...FAULTS, seed: 4 }).packets).not.toEqual(first.packets)
})

test.each([
  ['on a perfect network', {}],
  ['on a bad network', FAULTS],
])('%s every tunnel and session completes, and every end of it is known', (_, faults) => {
  const { truth } = simulate({ ...ALL, ...faults })
  const sessions = truth.tunnels.flatMap((tunnel) => tunnel.sessions)
  for (const tunnel of truth.tunnels) {
    expect(tunnel.established).toBe(true)
    expect(tunnel.closedBy).not.toBeNull()
  }
  for (const session of sessions) {
    expect(session.established).toBe(true)
    expect(session.authentication).not.toBeNull()
    expect(session.networkUp).toBe(session.authentication === 'success')
    expect(session.flows).toHaveLength(session.networkUp ? 3 : 0)
    expect(session.closedBy).not.toBeNull()
  }
  expect(new Set(sessions.map((session) => session.method))).toEqual(new Set(AUTHENTICATION_METHODS))
  expect(new Set(sessions.map((session) => session.authentication))).toEqual(new Set(['success', 'failure']))
})

test('what the truth counts is what the tap saw', () => {
  const { packets, truth } = simulate({ ...ALL, ...FAULTS, tapLoss: 0.05 })
  const total = sum(truth.tunnels.map((tunnel) => tunnel.traffic))
  expect(total.packets).toBe(packets.length)
  expect(total.frameBytes).toBe(packets.reduce((bytes, packet) => bytes + packet.bytes.length, 0))
  const sessions = truth.tunnels.flatMap((tunnel) => tunnel.sessions)
  expect(sum(sessions.flatMap((session) => [session.up, session.down])).innerBytes).toBe(total.innerBytes)
  for (const { up, down, flows } of sessions) {
    const inFlows = sum(flows.flatMap((flow) => [flow.up, flow.down]))
    expect(inFlows.packets).toBeLessThan(up.packets + down.packets)
  }
})

test('each fault happens as often as it was asked for, and the tap sees packets in the order of time', () => {
  const { packets, truth } = simulate({ clients: 40, seed: 2, ...FAULTS, tapLoss: 0.05 })
  const { sent, lost, duplicated, reordered, replayed, missedByTap } = truth.network
  const copies = sent + duplicated + replayed
  expect(lost / copies).toBeCloseTo(0.1, 1)
  expect(duplicated / sent).toBeCloseTo(0.05, 1)
  expect(reordered / sent).toBeCloseTo(0.1, 1)
  expect(replayed).toBeGreaterThan(0)
  expect(missedByTap).toBeGreaterThan(0)
  expect(packets.length).toBeGreaterThan(copies - lost - missedByTap)
  expect(packets.every((packet, i) => i === 0 || packet.timeUs >= packets[i - 1].timeUs)).toBe(true)
})

test('where nothing arrives an end gives up, and the truth says that nothing was established', () => {
  const { packets, truth } = simulate({ clients: 1, loss: 1, seed: 5 })
  expect(truth.tunnels[0]).toMatchObject({ established: false, closedBy: null })
  expect(packets.length).toBeLessThan(12)
})
