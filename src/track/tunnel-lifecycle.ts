/**
 * The lives of tunnels: from the record of a set-up to the last that its peers may repeat, over a restart of the sensor too. A
 * tunnel ends by what its peers say, by silence, by another one that takes its numbers, or with the capture.
 */
import { SECOND_US } from '../base/time.ts'
import { Timers } from '../base/timers.ts'
import type { Frame } from '../dissect/frame.ts'
import type { Emit } from '../events/catalogue.ts'
import { IP_PROTOCOL } from '../wire/ip.ts'
import { FullTable } from './full-table.ts'
import type { Meter } from './meter.ts'
import { vlanOf } from './outer.ts'
import { INITIATOR, RESPONDER, type Role } from './role.ts'
import { NO_PAUSE, type Pause, silentSince, type Uptake } from './saved.ts'
import { loadTunnel, type SavedTunnel, saveTunnel } from './saved-tunnel.ts'
import { type ClosedBy, NO_ID, type Tunnel } from './tunnel.ts'
import type { TunnelEvents } from './tunnel-events.ts'
import type { TunnelSessions } from './tunnel-sessions.ts'
import type { TunnelTable } from './tunnel-table.ts'

export interface TunnelLifecycleLimits {
  /** A set-up that makes no progress is half-open, and given up, after this. */
  readonly setupTimeoutUs: number
  /** An open tunnel without any packet is taken for dead after this. */
  readonly idleTimeoutUs: number
}

/** A tunnel that ended is remembered while its peers may still repeat themselves: a full retransmission cycle (RFC 2661 section 5.7). */
export const LINGER_US = 35 * SECOND_US

/** The mark of a role whose data has not been seen: no 32-bit address. */
export const NOT_SEEN = Number.NaN

export class TunnelLifecycle {
  readonly #table: TunnelTable
  readonly #meter: Meter
  readonly #events: TunnelEvents
  readonly #version: Tunnel['version']
  readonly #learnPort: (port: number) => void
  readonly #limits: TunnelLifecycleLimits
  readonly #full: FullTable
  readonly #timers = new Timers()
  readonly #expire = (index: number) => this.#expired(index)
  #sessions: TunnelSessions | null = null
  #nowUs = 0
  #pause = NO_PAUSE

  constructor(
    table: TunnelTable,
    meter: Meter,
    events: TunnelEvents,
    emit: Emit,
    version: Tunnel['version'],
    learnPort: (port: number) => void,
    limits: TunnelLifecycleLimits,
  ) {
    this.#table = table
    this.#meter = meter
    this.#events = events
    this.#version = version
    this.#learnPort = learnPort
    this.#limits = limits
    this.#full = new FullTable(emit)
  }

  /** They end with their tunnels. */
  attach(sessions: TunnelSessions): void {
    this.#sessions = sessions
  }

  // --- beginning

  /** A record for a tunnel between the hosts of the frame, which `sender` sent; null if there is no room. */
  open(frame: Frame, sender: Role): Tunnel | null {
    const { timeUs } = frame
    const tunnel = this.#table.open(frame, sender)
    if (tunnel === null) {
      this.#full.tell('tunnels', this.#table.tunnels.capacity, timeUs)
      return null
    }
    const { index } = tunnel
    tunnel.version = this.#version
    tunnel.transport = frame.ip.protocol === IP_PROTOCOL.L2TP ? '115' : 'udp'
    tunnel.vlan = vlanOf(frame)
    tunnel.protection = frame.protection
    this.#meter.open(index, timeUs)
    this.#meter.setMark(index, INITIATOR, NOT_SEEN)
    this.#meter.setMark(index, RESPONDER, NOT_SEEN)
    return tunnel
  }

  establish(tunnel: Tunnel, timeUs: number): void {
    tunnel.enter('established', timeUs)
    this.#sessions?.tunnelOpened?.(tunnel)
    this.#events.opened(tunnel, timeUs)
    this.watch(tunnel)
  }

  // --- numbers

  assign(tunnel: Tunnel, role: Role, id: number, timeUs: number): void {
    const earlier = this.#table.assign(tunnel, role, id)
    if (earlier !== null) this.replace(earlier, timeUs, 'its tunnel id was assigned again')
  }

  /** A message may lack the id of its sender, or the capture may have cut it off: then the answer will show it. */
  assignOrList(tunnel: Tunnel, role: Role, id: number | undefined, timeUs: number): void {
    if (id === undefined) this.#table.list(tunnel, role)
    else this.assign(tunnel, role, id, timeUs)
  }

  // --- time

  *expire(nowUs: number): Generator<void> {
    this.#nowUs = nowUs
    yield* this.#timers.advance(nowUs, this.#expire)
  }

  /** Looks after it from now on: what it carries moves its deadline on. */
  watch(tunnel: Tunnel): void {
    this.#timers.schedule(tunnel.index, this.#deadline(tunnel))
  }

  #expired(index: number): void {
    if (!this.#table.tunnels.isUsed(index)) return
    const tunnel = this.#table.tunnels.at(index)
    if (tunnel.state === 'closed') {
      this.#linger(tunnel)
      return
    }
    const isOpen = tunnel.state === 'established'
    const timeoutUs = isOpen ? this.#limits.idleTimeoutUs : this.#limits.setupTimeoutUs
    const dueUs = this.#deadline(tunnel)
    if (dueUs > this.#nowUs) {
      this.#timers.schedule(index, dueUs)
      return
    }
    this.close(
      tunnel,
      dueUs,
      'silence',
      `${isOpen ? 'silent' : 'no progress'} for ${Math.round(timeoutUs / SECOND_US)} s`,
    )
    // Peers that are silent repeat nothing; if they speak after all, the tunnel is adopted.
    if (isOpen) this.#forget(tunnel)
  }

  /** A set-up must make progress, an open tunnel must carry something. */
  #deadline({ index, state, stateUs }: Tunnel): number {
    const isOpen = state === 'established'
    const sinceUs = isOpen ? this.#meter.lastUs(index) : stateUs
    const { idleTimeoutUs, setupTimeoutUs } = this.#limits
    const timeoutUs = state === 'closed' ? LINGER_US : isOpen ? idleTimeoutUs : setupTimeoutUs
    return silentSince(sinceUs, this.#pause) + timeoutUs
  }

  /**
   * A closed tunnel is forgotten when its peers are quiet. If one goes on, it has not heard; if both do, the tunnel is alive
   * whatever the StopCCN said: forgotten, it will be adopted.
   */
  #linger(tunnel: Tunnel): void {
    const { index, lingering } = tunnel
    const packets = [this.#meter.packets(index, INITIATOR), this.#meter.packets(index, RESPONDER)] as const
    const isQuiet = silentSince(this.#meter.lastUs(index), this.#pause) + LINGER_US <= this.#nowUs
    const doBothGoOn = tunnel.isLingering && packets[0] > lingering[0] && packets[1] > lingering[1]
    if (isQuiet || doBothGoOn) {
      this.#forget(tunnel)
      return
    }
    tunnel.isLingering = true
    lingering[0] = packets[0]
    lingering[1] = packets[1]
    this.#timers.schedule(index, this.#nowUs + LINGER_US)
  }

  // --- ending

  /** Everything that is open is told, a tunnel at a time. */
  *finish(nowUs: number): Generator<void> {
    this.#nowUs = nowUs
    for (const index of this.#table.tunnels.used()) {
      const tunnel = this.#table.tunnels.at(index)
      if (tunnel.state !== 'closed') this.close(tunnel, nowUs, 'capture_end', 'the capture ended')
      this.#forget(tunnel)
      yield
    }
  }

  close(tunnel: Tunnel, timeUs: number, closedBy: ClosedBy, reason: string): void {
    const { state } = tunnel
    const meter = this.#meter
    const { index } = tunnel
    const traffic = {
      packets: [meter.packets(index, INITIATOR), meter.packets(index, RESPONDER)],
      bytes: [meter.bytes(index, INITIATOR), meter.bytes(index, RESPONDER)],
      lastUs: meter.lastUs(index),
    } as const
    this.#sessions?.tunnelClosed(tunnel, timeUs, closedBy, closedBy === 'capture_end' ? reason : `tunnel: ${reason}`)
    tunnel.enter('closed', timeUs)
    if (state === 'established') this.#events.closed(tunnel, timeUs, closedBy, reason, traffic)
    else if (tunnel.isTold)
      this.#events.failed(
        tunnel,
        timeUs,
        state,
        closedBy,
        tunnel.stoppedBy === -1 ? halfOpenReason(tunnel, state, reason) : reason,
        traffic,
      )
    this.#timers.schedule(tunnel.index, timeUs + LINGER_US)
  }

  /** Another tunnel takes the place of this one. */
  replace(tunnel: Tunnel, timeUs: number, reason: string): void {
    if (tunnel.state !== 'closed') this.close(tunnel, timeUs, 'silence', reason)
    this.#forget(tunnel)
  }

  #forget(tunnel: Tunnel): void {
    this.#timers.cancel(tunnel.index)
    this.#sessions?.tunnelForgotten?.(tunnel)
    this.#table.forget(tunnel)
  }

  // --- over a restart of the sensor

  /** Every tunnel with its sessions; entries may be taken one after the other while packets go on. */
  *save(): Generator<SavedTunnel> {
    for (const index of this.#table.tunnels.used()) {
      const tunnel = this.#table.tunnels.at(index)
      const sessions = this.#sessions?.save(tunnel) ?? []
      yield saveTunnel(tunnel, this.#table.endpointsOf(tunnel), this.#meter.save(index), sessions)
    }
  }

  /**
   * Takes up what `save` gave; for a tracker that has seen no packet of it. False if there is no room; sessions that find none are counted.
   */
  restore(saved: SavedTunnel, pause: Pause, uptake: Uptake): boolean {
    this.#pause = pause
    const { savedUs, nowUs } = pause
    const tunnel = this.#table.resume(saved.endpoints, saved.traffic.lastUs)
    if (tunnel === null) return false
    const { index } = tunnel
    tunnel.version = this.#version
    loadTunnel(tunnel, saved, nowUs > savedUs)
    this.#meter.open(index, nowUs)
    this.#meter.restore(index, saved.traffic)
    for (const role of [INITIATOR, RESPONDER] as const) {
      this.#meter.setMark(index, role, NOT_SEEN)
      if (saved.ids[role] !== NO_ID) this.assign(tunnel, role, saved.ids[role], nowUs)
      if (tunnel.protection === null) this.#learnPort(saved.endpoints[role][1])
    }
    if (saved.lacking !== -1) this.#table.list(tunnel, saved.lacking)
    for (const session of saved.sessions.toReversed())
      if (this.#sessions?.restore(tunnel, session, pause) === false) uptake.leftOut++
    tunnel.sessions = saved.sessionCount
    if (tunnel.state === 'established') this.#sessions?.tunnelOpened?.(tunnel)
    this.watch(tunnel)
    return true
  }
}

function halfOpenReason(tunnel: Tunnel, state: Tunnel['state'], reason: string): string {
  if (state === 'opening') return `no answer to ${tunnel.requests} SCCRQ, ${reason}`
  return `half-open: SCCRP was not followed by SCCCN, ${reason}`
}
