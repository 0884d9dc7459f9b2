/** The lives of tunnels without a tracker: a test says itself what a message does to a tunnel. */
import { Endpoints } from '../../src/base/endpoints.ts'
import { Defragmenter } from '../../src/dissect/defragment.ts'
import { Dissector } from '../../src/dissect/dissector.ts'
import { Frame } from '../../src/dissect/frame.ts'
import type { RaisedEvent } from '../../src/events/catalogue.ts'
import { Meter } from '../../src/track/meter.ts'
import { INITIATOR, RESPONDER, type Role } from '../../src/track/role.ts'
import type { Tunnel } from '../../src/track/tunnel.ts'
import { TunnelEvents } from '../../src/track/tunnel-events.ts'
import { TunnelLifecycle } from '../../src/track/tunnel-lifecycle.ts'
import { TunnelTable } from '../../src/track/tunnel-table.ts'
import { LINKTYPE } from '../../src/wire/link.ts'
import { datagram } from '../support/craft.ts'
import { CLIENT, SERVER, START_US } from './support.ts'

const SECOND_US = 1_000_000

export class TunnelLives {
  readonly events: RaisedEvent[] = []
  /** What the sessions were told. */
  readonly sessions: string[] = []
  readonly ports: number[] = []
  readonly meter = new Meter()
  readonly table: TunnelTable
  readonly tunnelEvents: TunnelEvents
  readonly lifecycle: TunnelLifecycle
  /** Of the message that was sent last. */
  readonly frame = new Frame()
  readonly #dissector = new Dissector(new Defragmenter({ datagramsMax: 8, piecesMax: 8, timeoutSeconds: 30 }, () => {}))

  readonly emit = (event: RaisedEvent) => void this.events.push(event)

  constructor(capacity = 10) {
    const endpoints = new Endpoints(100)
    this.table = new TunnelTable(endpoints, capacity, (index) => this.meter.renewPass(index))
    this.tunnelEvents = new TunnelEvents(endpoints, this.emit)
    this.lifecycle = new TunnelLifecycle(
      this.table,
      this.meter,
      this.tunnelEvents,
      this.emit,
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

  /** The initiator sends something. */
  send(seconds: number): Frame {
    const bytes = datagram(new Uint8Array(20), { source: CLIENT, target: SERVER, sourcePort: 1701, targetPort: 1701 })
    const { frame } = this
    Object.assign(frame, { bytes, start: 0, end: bytes.length, originalLength: bytes.length })
    frame.linkType = LINKTYPE.ETHERNET
    frame.timeUs = at(seconds)
    this.#dissector.dissect(frame)
    return frame
  }

  /** A set-up that was told of, by the initiator's first message; null if there is no room. */
  open(seconds: number): Tunnel | null {
    const tunnel = this.lifecycle.open(this.send(seconds), INITIATOR)
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

export function at(seconds: number): number {
  return START_US + seconds * SECOND_US
}
