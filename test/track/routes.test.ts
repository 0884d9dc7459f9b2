import { describe, expect, test } from 'vitest'
import { PlainDataView } from '../../src/dissect/plain-data.ts'
import { Meter } from '../../src/track/meter.ts'
import { Routes } from '../../src/track/routes.ts'
import * as craft from '../support/craft.ts'
import { Random } from '../support/random.ts'
import { Peers, type Side } from './support.ts'

/** A message to session 9 of tunnel 7. */
function message(more: Partial<PlainDataView> = {}): PlainDataView {
  const names = { source: 1, receiver: 2, receiverPort: craft.L2TP_PORT, tunnelId: 7, sessionId: 9, ids: (7 << 16) | 9 }
  return Object.assign(new PlainDataView(), names, more)
}

/** Routes among trackers that answer the same to all messages, and count how often they are asked. */
class Known {
  readonly tunnelMeter = new Meter()
  readonly sessionMeter = new Meter()
  readonly sessions = {
    size: 1,
    findOpen: () => this.session,
    passOf: (index: number) => this.sessionMeter.pass(index),
  }
  readonly routes = new Routes(
    { findPlain: () => this.#count(this.tunnel), passOf: (index) => this.tunnelMeter.pass(index) },
    this.sessions,
  )
  tunnel = 5
  session = 3
  asked = 0

  constructor() {
    this.tunnelMeter.open(2, 0)
    this.sessionMeter.open(3, 0)
  }

  #count(tunnel: number): number {
    this.asked++
    return tunnel
  }

  find(more: Partial<PlainDataView> = {}) {
    return this.routes.find(message(more)) && [this.routes.tunnel, this.routes.session]
  }
}

describe('a route', () => {
  test('is looked up once, and known from then on', () => {
    const known = new Known()
    for (const _ of [1, 2, 3]) expect(known.find()).toEqual([5, 3])
    expect(known.asked).toBe(1)
  })

  test.each([
    ['its tunnel has another pass', (known: Known) => known.tunnelMeter.renewPass(2)],
    ['its session has another pass', (known: Known) => known.sessionMeter.renewPass(3)],
    ['what stands for its tunnel is another one', (known: Known) => known.tunnelMeter.open(2, 1)],
    ['its session is marked', (known: Known) => known.sessionMeter.setMark(3, 0, 1)],
  ])('is looked up again when %s', (_, change) => {
    const known = new Known()
    known.find()
    change(known)
    known.session = -1
    expect(known.find()).toBe(false)
    expect(known.asked).toBe(2)
  })

  test('is that of one receiver, one port, both numbers and one source', () => {
    const known = new Known()
    known.find()
    for (const other of [
      { receiver: 8 },
      { receiverPort: 8 },
      { ids: (7 << 16) | 8 },
      { ids: (8 << 16) | 9 },
      { source: 8 },
    ]) {
      known.tunnel = -1
      expect(known.find(other)).toBe(false)
      known.tunnel = 5
      expect(known.find()).toEqual([5, 3])
    }
  })

  test('is none of a message of which all is zero, while nothing is followed yet', () => {
    const known = new Known()
    known.tunnel = -1
    const nothing = { source: 0, receiver: 0, receiverPort: 0, tunnelId: 0, sessionId: 0, ids: 0 }
    expect(known.find(nothing)).toBe(false)
    expect(known.asked).toBe(1)
  })

  test('is looked up each time among more sessions than are remembered', () => {
    const known = new Known()
    known.sessions.size = 100_000
    for (const _ of [1, 2, 3]) expect(known.find()).toEqual([5, 3])
    expect(known.asked).toBe(3)
  })

  test('is not remembered where there was none', () => {
    const known = new Known()
    known.session = -1
    expect(known.find()).toBe(false)
    known.session = 3
    expect(known.find()).toEqual([5, 3])
  })
})

/** Has every answer compared with what the trackers say at that moment. */
function compared(peers: Peers): { found: number; missed: number } {
  const { routes, tunnels, sessions } = peers.run.sensor.trackers
  const find = routes.find.bind(routes)
  const counts = { found: 0, missed: 0 }
  routes.find = (plain) => {
    const isFound = find(plain)
    const tunnel = tunnels.findPlain(plain)
    const session = tunnel === -1 ? -1 : sessions.findOpen(tunnel, plain.sessionId)
    expect(isFound).toBe(session !== -1)
    if (isFound) expect([routes.tunnel, routes.session]).toEqual([tunnel, session])
    counts[isFound ? 'found' : 'missed']++
    return isFound
  }
  return counts
}

const inner = craft.ppp(craft.PPP.ipv4, craft.ipv4(craft.udp(new Uint8Array(8))))

test.each([1, 2, 3, 4])('whatever the peers do, routes say what a look-up says: %i', (seed) => {
  const random = new Random(seed)
  const peers = new Peers()
  const counts = compared(peers)
  const side = (): Side => random.pick(['client', 'server'])
  const begin = () => {
    Object.assign(peers.ns, { client: 0, server: 0 })
    Object.assign(peers.tunnelIds, { client: 100 + random.below(3), server: 200 + random.below(3) })
    peers.open()
  }
  const call = () => {
    Object.assign(peers.sessionIds, { client: 11 + random.below(3), server: 21 + random.below(3) })
    peers.call()
  }
  const changes = [
    begin,
    call,
    call,
    () => peers.send(side(), (header) => craft.hello(header), { sourcePort: 1700 + random.below(3) }),
    () =>
      peers.send('client', (header) =>
        craft.cdn({
          ...header,
          sessionId: peers.sessionIds.server,
          assignedSessionId: peers.sessionIds.client,
          result: 1,
        }),
      ),
    () =>
      peers.send('client', (header) =>
        craft.stopccn({ ...header, assignedTunnelId: peers.tunnelIds.client, result: 1 }),
      ),
    () => peers.wait(random.pick([1, 40])),
  ]
  begin()
  call()
  for (let i = 0; i < 600; i++) {
    if (random.chance(0.2)) random.pick(changes)()
    const from = side()
    const sessionId = random.chance(0.8)
      ? peers.sessionIds[from === 'client' ? 'server' : 'client']
      : 11 + random.below(13)
    const isForged = random.chance(0.1)
    peers.data(from, inner, { sessionId, ...(isForged ? { source: '203.0.113.9' } : {}) })
  }
  expect(counts.found).toBeGreaterThan(50)
  expect(counts.missed).toBeGreaterThan(50)
})
