import { expect, test } from 'vitest'
import { Endpoints } from '../../src/base/endpoints.ts'
import { Defragmenter } from '../../src/dissect/defragment.ts'
import { Dissector } from '../../src/dissect/dissector.ts'
import { Frame } from '../../src/dissect/frame.ts'
import type { RaisedEvent } from '../../src/events/catalogue.ts'
import { Meter } from '../../src/track/meter.ts'
import { INITIATOR, RESPONDER, type Role } from '../../src/track/role.ts'
import { Uptake } from '../../src/track/saved.ts'
import type { Tunnel } from '../../src/track/tunnel.ts'
import { TunnelEvents } from '../../src/track/tunnel-events.ts'
import { TunnelLifecycle } from '../../src/track/tunnel-lifecycle.ts'
import { TunnelTable } from '../../src/track/tunnel-table.ts'
import { LINKTYPE } from '../../src/wire/link.ts'
import { datagram } from '../support/craft.ts'
import { CLIENT, SERVER, START_US } from './support.ts'

const SECOND_US = 1_000_000

/** Lives without a tracker: a test says itself what a message does to a tunnel. */
class Lives {
  readonly events: RaisedEvent[] = []
  /** What the sessions were told. */
  readonly sessions: string[] = []
  readonly ports: number[] = []
  readonly meter = new Meter()
  readonly table: TunnelTable
  readonly lifecycle: TunnelLifecycle
  readonly #frame = new Frame()
  readonly #dissector = new Dissector(new Defragmenter({ datagramsMax: 8, piecesMax: 8, timeoutSeconds: 30 }, () => {}))

  constructor(capacity = 10) {
    const emit = (event: RaisedEvent) => void this.events.push(event)
    const endpoints = new Endpoints(100)
    this.table = new TunnelTable(endpoints, capacity, (index) => this.meter.renewPass(index))
    this.lifecycle = new TunnelLifecycle(
      this.table,
      this.meter,
      new TunnelEvents(endpoints, emit),
      emit,
      2,
      (port) => void this.ports.push(port),
      { setupTimeoutUs: 60 * SECOND_US, idleTimeoutUs: 300 * SECOND_US },
    )
    this.lifecycle.attach({
      control: () => -1,
      save: () => [],
      restore: () => true,
      tunnelOpened: () => void this.sessions.push('opened'),
      tunnelClosed: (_tunnel, _timeUs, closedBy, reason) => void this.sessions.push(`${closedBy}: ${reason}`),
      tunnelForgotten: () => void this.sessions.push('forgotten'),
    })
  }

  get names(): string[] {
    return this.events.map(({ name }) => name)
  }

  get last() {
    const { name, timeUs, fields } = this.events.at(-1) as RaisedEvent<'l2tp.tunnel.closed'>
    return [name, (timeUs - START_US) / SECOND_US, fields['event.reason']]
  }

  /** A set-up that was told of, by the initiator's first message; null if there is no room. */
  open(seconds: number): Tunnel | null {
    const bytes = datagram(new Uint8Array(20), { source: CLIENT, target: SERVER, sourcePort: 1701, targetPort: 1701 })
    const frame = this.#frame
    Object.assign(frame, { bytes, start: 0, end: bytes.length, originalLength: bytes.length })
    frame.linkType = LINKTYPE.ETHERNET
    frame.timeUs = at(seconds)
    this.#dissector.dissect(frame)
    const tunnel = this.lifecycle.open(frame, INITIATOR)
    if (tunnel === null) return null
    tunnel.isTold = true
    tunnel.requests = 1
    this.lifecycle.watch(tunnel)
    return tunnel
  }

  /** One with these numbers that both ends have agreed on. */
  establish(seconds: number, ids: readonly [number, number] = [100, 200]): Tunnel {
    const tunnel = this.open(seconds) as Tunnel
    for (const role of [INITIATOR, RESPONDER] as const) this.lifecycle.assign(tunnel, role, ids[role], at(seconds))
    this.lifecycle.establish(tunnel, at(seconds))
    return tunnel
  }

  packet(tunnel: Tunnel, sender: Role, seconds: number): void {
    this.meter.count(tunnel.index, sender, 100, { timeUs: at(seconds) })
  }

  /** Time goes on to so many seconds after the start. */
  expire(seconds: number): this {
    for (const _ of this.lifecycle.expire(at(seconds)));
    return this
  }
}

function at(seconds: number): number {
  return START_US + seconds * SECOND_US
}

test('a set-up is given up without progress, whatever is sent, and an open tunnel when nothing is', () => {
  const lives = new Lives()
  const opening = lives.open(0) as Tunnel
  lives.packet(opening, INITIATOR, 59)
  expect(lives.expire(62).last).toEqual(['l2tp.tunnel.failed', 60, 'no answer to 1 SCCRQ, no progress for 60 s'])
  expect(opening.state).toBe('closed')

  const others = new Lives()
  const open = others.establish(0)
  others.packet(open, RESPONDER, 250)
  expect(others.expire(302).last[0]).toBe('l2tp.tunnel.opened')
  expect(others.expire(552).last).toEqual(['l2tp.tunnel.closed', 550, 'silent for 300 s'])
  expect(others.sessions).toEqual(['opened', 'silence: tunnel: silent for 300 s', 'forgotten'])
  expect(others.table.tunnels.size).toBe(0)
})

test('a tunnel that was closed is remembered while one of its peers repeats itself, and not when both go on', () => {
  for (const senders of [[], [INITIATOR], [INITIATOR, RESPONDER]] as const) {
    const lives = new Lives()
    const tunnel = lives.establish(0)
    lives.lifecycle.close(tunnel, at(10), 'initiator', 'shut down')
    expect(lives.last).toEqual(['l2tp.tunnel.closed', 10, 'shut down'])
    // It is looked at 35 seconds after its end, and as long after that.
    for (const seconds of [46, 82]) {
      for (const sender of senders) lives.packet(tunnel, sender, seconds - 5)
      lives.expire(seconds)
    }
    expect(lives.table.tunnels.size).toBe(senders.length === 1 ? 1 : 0)
    expect(lives.expire(160).table.tunnels.size).toBe(0)
  }
})

test('a number that is assigned again ends the tunnel that had it', () => {
  const lives = new Lives()
  const before = lives.establish(0)
  lives.establish(5, [100, 201])
  expect(lives.names).toEqual(['l2tp.tunnel.opened', 'l2tp.tunnel.closed', 'l2tp.tunnel.opened'])
  expect(lives.events[1].fields).toMatchObject({ 'event.reason': 'its tunnel id was assigned again' })
  expect([before.state, lives.table.tunnels.size]).toEqual(['closed', 1])
})

test('a full table is told once', () => {
  const lives = new Lives(1)
  expect([0, 1, 2].map((seconds) => lives.open(seconds) === null)).toEqual([false, true, true])
  expect(lives.names).toEqual(['sensor.table.filled'])
})

test('the end of the capture closes what is open, and tells nothing again of what was closed', () => {
  const lives = new Lives()
  lives.lifecycle.close(lives.establish(0), at(1), 'responder', 'shut down')
  lives.establish(2, [101, 201])
  for (const _ of lives.lifecycle.finish(at(3)));
  expect(lives.last).toEqual(['l2tp.tunnel.closed', 3, 'the capture ended'])
  expect(lives.names.filter((name) => name === 'l2tp.tunnel.closed')).toHaveLength(2)
  expect([lives.sessions.at(-2), lives.table.tunnels.size]).toEqual(['capture_end: the capture ended', 0])
})

test('a restarted sensor finds a tunnel by its numbers, and counts no time in which nobody looked', () => {
  const before = new Lives()
  before.packet(before.establish(0), INITIATOR, 100)
  const [saved] = before.lifecycle.save()
  const after = new Lives()
  expect(after.lifecycle.restore(saved, { savedUs: at(100), nowUs: at(1100) }, new Uptake())).toBe(true)
  const tunnel = after.table.tunnels.at(0)
  expect([tunnel.state, tunnel.ids, tunnel.wasUnseen]).toEqual(['established', [100, 200], true])
  expect([after.ports, after.sessions]).toEqual([[1701, 1701], ['opened']])
  expect(after.expire(1399).names).toEqual([])
  expect(after.expire(1402).last).toEqual(['l2tp.tunnel.closed', 1400, 'silent for 300 s'])
})
