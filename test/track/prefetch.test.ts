import { expect, test } from 'vitest'
import { Upcoming } from '../../src/base/upcoming.ts'
import { Ahead } from '../../src/dissect/ahead.ts'
import { LINKTYPE } from '../../src/wire/link.ts'
import * as craft from '../support/craft.ts'
import { Peers, type Side } from './support.ts'

const CLIENTS = [1, 2, 3, 4, 5]

function segment(isUp: boolean, client: number): Uint8Array {
  const ends = { source: `10.0.0.${client}`, target: '203.0.113.9', sourcePort: 50_000 + client, targetPort: 443 }
  const { source, target, sourcePort, targetPort } = isUp
    ? ends
    : { source: ends.target, target: ends.source, sourcePort: ends.targetPort, targetPort: ends.sourcePort }
  const tcp = craft.tcp(craft.utf8('hello'), { source, target, sourcePort, targetPort })
  return craft.ppp(craft.PPP.ipv4, craft.ipv4(tcp, { source, target, protocol: craft.IP_PROTOCOL.tcp }))
}

function ping(isUp: boolean, client: number): Uint8Array {
  const ends = { source: `10.0.0.${client}`, target: '203.0.113.9' }
  const { source, target } = isUp ? ends : { source: ends.target, target: ends.source }
  const icmp = craft.icmp(craft.utf8('abcdefgh'), { type: isUp ? 8 : 0, id: 0x1234 })
  return craft.ppp(craft.PPP.ipv4, craft.ipv4(icmp, { source, target, protocol: craft.IP_PROTOCOL.icmp }))
}

test('what is looked up before their turn is what packets turn out to be part of', () => {
  const peers = new Peers().open().call()
  const sides: Side[] = ['client', 'server']
  const seen = CLIENTS.flatMap((client) =>
    sides.map((side) => {
      const inside = client === 1 ? ping : segment
      peers.data(side, inside(side === 'client', client))
      const { tunnel, carrier, flow } = peers.run.sensor.frame.trail
      return { tunnel: tunnel * 2 + (side === 'client' ? 1 : 0), carrier, flow }
    }),
  )
  const frames = peers.run.packets.slice(-seen.length).map(({ bytes }) => bytes)
  const stranger = craft.datagram(craft.l2tpData(segment(true, 1), { tunnelId: 9, sessionId: 9 }), {
    target: '192.0.2.9',
  })
  const otherSession = craft.datagram(craft.l2tpData(segment(true, 1), { tunnelId: 200, sessionId: 9 }), {
    target: '192.0.2.1',
  })
  const upcoming = new Upcoming()
  upcoming.over(craft.concat(...frames, stranger, otherSession), LINKTYPE.ETHERNET)
  let at = 0
  for (const { length } of [...frames, stranger, otherSession]) {
    upcoming.add(at, at + length)
    at += length
  }

  const events = peers.run.events.length
  const ahead = new Ahead()
  const { tunnels, sessions } = peers.run.sensor.trackers
  ahead.read(upcoming)
  tunnels.prefetch(ahead)
  sessions.prefetch(ahead)
  const found = Array.from({ length: ahead.count }, (_, i) => {
    const [tunnel, carrier, flow] = [ahead.tunnel[i], ahead.carrier[i], ahead.flow[i]]
    return { tunnel, carrier, flow }
  })
  expect(found).toEqual([
    ...seen,
    { tunnel: -1, carrier: -1, flow: -1 },
    { tunnel: seen[0].tunnel, carrier: -1, flow: -1 },
  ])
  expect(new Set(seen.map(({ flow }) => flow)).size).toBe(CLIENTS.length)
  expect(peers.run.events).toHaveLength(events)
})
