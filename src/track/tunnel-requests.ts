/**
 * Requests for tunnels: what an SCCRQ begins, whether one more is the same request, and what is told of it. A flood of them that
 * nobody answers is told in part.
 */
import { hash } from 'node:crypto'
import type { Frame } from '../dissect/frame.ts'
import type { Emit } from '../events/catalogue.ts'
import { Allowances } from './allowances.ts'
import type { ControlMessage } from './control-message.ts'
import { hostsOf } from './outer.ts'
import { INITIATOR, RESPONDER, type Role } from './role.ts'
import type { Tunnel } from './tunnel.ts'
import type { TunnelEvents } from './tunnel-events.ts'
import { LINGER_US, type TunnelLifecycle } from './tunnel-lifecycle.ts'
import type { TunnelTable } from './tunnel-table.ts'

/** Responders whose requests are counted: as many as a sensor sees servers, and more. */
const RESPONDERS_MAX = 4096

export class TunnelRequests {
  readonly #table: TunnelTable
  readonly #lifecycle: TunnelLifecycle
  readonly #events: TunnelEvents
  readonly #emit: Emit
  readonly #version: Tunnel['version']
  readonly #learnPort: (port: number) => void
  readonly #allowances: Allowances

  /** `perMinute` requests to one responder are told that it has not answered. */
  constructor(
    table: TunnelTable,
    lifecycle: TunnelLifecycle,
    events: TunnelEvents,
    emit: Emit,
    version: Tunnel['version'],
    learnPort: (port: number) => void,
    perMinute: number,
  ) {
    this.#table = table
    this.#lifecycle = lifecycle
    this.#events = events
    this.#emit = emit
    this.#version = version
    this.#learnPort = learnPort
    this.#allowances = new Allowances(perMinute, RESPONDERS_MAX)
  }

  /** Those that were not told. */
  get suppressed(): number {
    return this.#allowances.suppressed
  }

  /** Begins a tunnel, whose record is new, with its request. */
  begin(tunnel: Tunnel, message: ControlMessage): void {
    const { timeUs } = message
    this.#prepare(tunnel, message)
    const suppressed = this.#allowances.take(this.#events.address(tunnel, RESPONDER), timeUs, tunnel.uid)
    if (suppressed !== -1) this.tell(tunnel, timeUs, suppressed)
  }

  /** The tunnel of version 3 that a request of version 2 offers, told of once it is answered; null if there is no offer, or no room. */
  expect(frame: Frame, request: ControlMessage, withdraw: (timeUs: number) => void): Tunnel | null {
    const { assignedControlConnectionId, nonce } = request.control
    const tunnel = assignedControlConnectionId === undefined ? null : this.#lifecycle.open(frame, INITIATOR)
    if (tunnel === null || assignedControlConnectionId === undefined) return null
    const { challenge: _, ...rest } = request.control
    const control = {
      ...rest,
      assignedTunnelId: assignedControlConnectionId,
      ...(nonce === undefined ? {} : { challenge: Uint8Array.from(Buffer.from(nonce, 'hex')) }),
    }
    this.#prepare(tunnel, { ...request, version: 3, control })
    tunnel.withdraw = withdraw
    return tunnel
  }

  /** The peer answers an offer of this tunnel in version 3. `uid` tells whether the record still is that tunnel. */
  withdraw(tunnel: Tunnel, uid: string, timeUs: number): void {
    if (tunnel.uid !== uid || tunnel.state !== 'opening') return
    tunnel.stoppedBy = RESPONDER
    this.#lifecycle.close(tunnel, timeUs, 'responder', 'the peer answered in version 3')
  }

  /** As many others to the same responder were not told before it. */
  tell(tunnel: Tunnel, timeUs: number, suppressed: number): void {
    tunnel.isTold = true
    this.#events.requested(tunnel, timeUs, suppressed)
  }

  /** The table is full: the request is told all the same, for it may be part of the flood that filled it. */
  tellUntracked({ ends, protocol, control, timeUs, ns }: ControlMessage): void {
    const outer = hostsOf(ends, protocol)
    const uid = `t-${hash('sha1', `${timeUs} ${ns} ${JSON.stringify(outer)}`).slice(0, 12)}`
    const suppressed = this.#allowances.take(outer['destination.ip'], timeUs, uid)
    if (suppressed === -1) return
    this.#emit({
      name: 'l2tp.tunnel.requested',
      timeUs,
      message: `${outer['source.ip']} asks ${outer['destination.ip']} for an L2TP tunnel`,
      fields: {
        ...outer,
        'l2tp.version': this.#version,
        'l2tp.tunnel.uid': uid,
        'l2tp.tunnel.initiator_id': control.assignedTunnelId,
        'l2tp.initiator.host_name': control.hostName,
        'l2tp.initiator.vendor_name': control.vendorName,
        'borescope.suppressed': suppressed === 0 ? undefined : suppressed,
        'borescope.lineage': [uid],
      },
    })
  }

  #prepare(tunnel: Tunnel, message: ControlMessage): void {
    const { control, timeUs } = message
    tunnel.introduce(INITIATOR, control)
    tunnel.requestDigest = message.digest
    tunnel.requests = 1
    tunnel.channels[INITIATOR].arrive(message.ns, message.digest, 0, message)
    this.#lifecycle.assignOrList(tunnel, INITIATOR, control.assignedTunnelId, timeUs)
    if (tunnel.lacking === -1) this.#table.list(tunnel, RESPONDER)
    tunnel.uid = this.#events.uidOf(tunnel)
    this.#learnPort(message.ends.sourcePort)
    this.#lifecycle.watch(tunnel)
  }
}

/** One more SCCRQ of a set-up that goes on, or the same one after it: whether that is more than a repetition the answer will tell. */
export function isSameAttempt(tunnel: Tunnel, role: number, message: ControlMessage): boolean {
  if (role !== INITIATOR || tunnel.isAdopted) return false
  if (tunnel.state === 'opening' || tunnel.state === 'answered') return true
  const isAfterSilence = tunnel.state === 'closed' && tunnel.stoppedBy === -1
  return message.digest === tunnel.requestDigest && !isAfterSilence
}

/** The answer to an SCCRQ that came again after the set-up: it tells what that was. */
export function mayBeRestart({ repeated }: Tunnel, sender: Role, ns: number): boolean {
  return repeated !== null && sender === RESPONDER && ns === 0
}

/**
 * The same SCCRQ again was more than a repetition: the responder answers it with another tunnel, or so long after the set-up, or after
 * the end of the tunnel, that nothing of the old one can still be under way. Ends that count from one give the same numbers again.
 */
export function isRestart(tunnel: Tunnel, sender: Role, { ns, control }: ControlMessage): boolean {
  const { repeated, state, stateUs } = tunnel
  if (repeated === null || !mayBeRestart(tunnel, sender, ns)) return false
  const isOver = state === 'closed' || repeated.timeUs - stateUs > LINGER_US
  return isOver || control.assignedTunnelId !== tunnel.ids[RESPONDER]
}
