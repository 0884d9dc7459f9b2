/** What is told of tunnels: their events, field by field. The initiator is the source. */
import { hash } from 'node:crypto'
import type { Endpoints } from '../base/endpoints.ts'
import { isoMicroseconds } from '../base/time.ts'
import type { Emit } from '../events/catalogue.ts'
import { pseudowireName } from '../wire/l2tpv3-avp.ts'
import { resultFields } from './control-message.ts'
import { INITIATOR, RESPONDER, type Role } from './role.ts'
import { type ClosedBy, NO_ID, type Tunnel, type TunnelState, type TunnelVerdict } from './tunnel.ts'

/** Outer IP packets and bytes of each role, and the time of the last packet. */
export interface TunnelTraffic {
  readonly packets: readonly [number, number]
  readonly bytes: readonly [number, number]
  readonly lastUs: number
}

const VERDICT_WORDS: Record<TunnelVerdict, string> = {
  unkeyed: 'with a digest that needs no secret',
  verified: 'with the right secret',
  wrong_secret: 'with a secret that is not configured',
  unverified: 'not verified, no secret is configured',
}
const VERDICT_OUTCOMES: Record<TunnelVerdict, string> = {
  unkeyed: 'unknown',
  verified: 'success',
  wrong_secret: 'failure',
  unverified: 'unknown',
}

export class TunnelEvents {
  readonly #endpoints: Endpoints
  readonly #emit: Emit

  constructor(endpoints: Endpoints, emit: Emit) {
    this.#endpoints = endpoints
    this.#emit = emit
  }

  /** `suppressed` requests to the same responder were not told before it. */
  requested(tunnel: Tunnel, timeUs: number, suppressed: number): void {
    this.#emit({
      name: 'l2tp.tunnel.requested',
      timeUs,
      message: `${this.#nameOf(tunnel, INITIATOR)} asks ${this.#nameOf(tunnel, RESPONDER)} for an ${wordsOf(tunnel)}`,
      fields: { ...this.describe(tunnel), 'borescope.suppressed': suppressed === 0 ? undefined : suppressed },
    })
  }

  opened(tunnel: Tunnel, timeUs: number): void {
    this.#emit({
      name: 'l2tp.tunnel.opened',
      timeUs,
      message: `${wordsOf(tunnel)} open: ${this.names(tunnel)}`,
      fields: this.describe(tunnel),
    })
  }

  adopted(tunnel: Tunnel, timeUs: number): void {
    this.#emit({
      name: 'l2tp.tunnel.adopted',
      timeUs,
      message: `${wordsOf(tunnel)} already open${tunnel.isUnmanaged ? ' without a control connection' : ''}: ${this.names(tunnel)}`,
      fields: this.describe(tunnel),
    })
  }

  authenticated(tunnel: Tunnel, role: Role, message: string, verdict: TunnelVerdict, timeUs: number): void {
    const did = tunnel.version === 2 ? 'answered the tunnel challenge' : `signed its ${message}`
    this.#emit({
      name: 'l2tp.tunnel.authenticated',
      timeUs,
      message: `${this.#nameOf(tunnel, role)} ${did}: ${VERDICT_WORDS[verdict]}`,
      fields: {
        ...this.describe(tunnel),
        'event.outcome': VERDICT_OUTCOMES[verdict],
        'l2tp.authentication.verdict': verdict,
        'l2tp.message.type': message,
      },
    })
  }

  failed(
    tunnel: Tunnel,
    timeUs: number,
    state: TunnelState,
    closedBy: ClosedBy,
    reason: string,
    { lastUs }: TunnelTraffic,
  ): void {
    this.#emit({
      name: 'l2tp.tunnel.failed',
      timeUs,
      message: `${wordsOf(tunnel)} did not come about: ${this.names(tunnel)}, ${reason}`,
      fields: {
        ...this.describe(tunnel),
        ...resultFields(tunnel.result),
        ...controlCounts(tunnel),
        'event.outcome': closedBy === 'capture_end' ? 'unknown' : 'failure',
        'event.reason': reason,
        'l2tp.tunnel.state': state,
        'l2tp.closed_by': closedBy,
        'event.start': isoMicroseconds(tunnel.startUs),
        'event.end': isoMicroseconds(lastUs),
        'event.duration': Math.round((lastUs - tunnel.startUs) * 1000),
      },
    })
  }

  closed(
    tunnel: Tunnel,
    timeUs: number,
    closedBy: ClosedBy,
    reason: string,
    { packets, bytes, lastUs }: TunnelTraffic,
  ): void {
    this.#emit({
      name: 'l2tp.tunnel.closed',
      timeUs,
      message: `${wordsOf(tunnel)} closed: ${this.names(tunnel)}, ${reason}`,
      fields: {
        ...this.describe(tunnel),
        ...resultFields(tunnel.result),
        ...controlCounts(tunnel),
        'event.reason': reason,
        'l2tp.closed_by': closedBy,
        'l2tp.tunnel.sessions': tunnel.sessions,
        'event.start': isoMicroseconds(tunnel.startUs),
        'event.end': isoMicroseconds(lastUs),
        'event.duration': Math.round((lastUs - tunnel.startUs) * 1000),
        'source.bytes': bytes[INITIATOR],
        'source.packets': packets[INITIATOR],
        'destination.bytes': bytes[RESPONDER],
        'destination.packets': packets[RESPONDER],
        'network.bytes': bytes[INITIATOR] + bytes[RESPONDER],
        'network.packets': packets[INITIATOR] + packets[RESPONDER],
      },
    })
  }

  /** The sentence's subject: `10.0.0.1 (lac) → 10.0.0.2 (lns)`. */
  names(tunnel: Tunnel): string {
    return `${this.#nameOf(tunnel, INITIATOR)} → ${this.#nameOf(tunnel, RESPONDER)}`
  }

  /** What events call it: of its ends and their numbers, as far as they are known, and its start. */
  uidOf(tunnel: Tunnel): string {
    const {
      'source.ip': from,
      'source.port': fromPort,
      'destination.ip': to,
      'destination.port': toPort,
    } = this.hostFields(tunnel)
    return `t-${hash('sha1', `${from} ${fromPort} ${to} ${toPort} ${tunnel.ids[INITIATOR]} ${tunnel.ids[RESPONDER]} ${tunnel.startUs}`).slice(0, 12)}`
  }

  address(tunnel: Tunnel, role: Role): string {
    return this.#endpoints.address(tunnel.endpoints[role])
  }

  hostFields(tunnel: Tunnel, source: Role = INITIATOR) {
    const [from, to] =
      source === INITIATOR ? tunnel.endpoints : [tunnel.endpoints[RESPONDER], tunnel.endpoints[INITIATOR]]
    const hasPorts = tunnel.transport === 'udp' || this.#endpoints.port(from) !== 0
    return {
      'source.ip': this.#endpoints.address(from),
      'source.port': hasPorts ? this.#endpoints.port(from) : undefined,
      'destination.ip': this.#endpoints.address(to),
      'destination.port': hasPorts ? this.#endpoints.port(to) : undefined,
      'network.type': this.#endpoints.isIpv6(from) ? 'ipv6' : 'ipv4',
      'network.transport': tunnel.transport,
      'network.protocol': tunnel.version === 2 ? 'l2tp' : 'l2tpv3',
    } as const
  }

  describe(tunnel: Tunnel) {
    const [initiator, responder] = tunnel.ends
    const hosts = this.hostFields(tunnel)
    return {
      'source.ip': hosts['source.ip'],
      'source.port': hosts['source.port'],
      'destination.ip': hosts['destination.ip'],
      'destination.port': hosts['destination.port'],
      'network.type': hosts['network.type'],
      'network.transport': hosts['network.transport'],
      'network.protocol': hosts['network.protocol'],
      'network.vlan.id': tunnel.vlan,
      'l2tp.version': tunnel.version,
      'l2tp.tunnel.uid': tunnel.uid,
      'l2tp.tunnel.unmanaged': tunnel.isUnmanaged || undefined,
      'l2tp.initiator.router_id': initiator.routerId,
      'l2tp.responder.router_id': responder.routerId,
      'l2tp.initiator.pseudowires': initiator.pseudowires?.map(pseudowireName),
      'l2tp.responder.pseudowires': responder.pseudowires?.map(pseudowireName),
      'l2tp.tunnel.initiator_id': known(tunnel.ids[INITIATOR]),
      'l2tp.tunnel.responder_id': known(tunnel.ids[RESPONDER]),
      'l2tp.tunnel.adopted': tunnel.isAdopted || undefined,
      'l2tp.initiator.host_name': initiator.hostName,
      'l2tp.initiator.vendor_name': initiator.vendorName,
      'l2tp.initiator.firmware': initiator.firmware,
      'l2tp.initiator.receive_window': initiator.window,
      'l2tp.responder.host_name': responder.hostName,
      'l2tp.responder.vendor_name': responder.vendorName,
      'l2tp.responder.firmware': responder.firmware,
      'l2tp.responder.receive_window': responder.window,
      'l2tp.authentication.method': authenticationOf(tunnel),
      'l2tp.authentication.verdict': tunnel.verdict,
      'esp.tunnel.uid': tunnel.protection?.uid,
      'ike.uid': tunnel.protection?.ikeUid,
      'borescope.lineage': tunnel.lineage,
    }
  }

  #nameOf(tunnel: Tunnel, role: Role): string {
    const { hostName } = tunnel.ends[role]
    const address = this.address(tunnel, role)
    return hostName === undefined ? address : `${address} (${hostName})`
  }
}

function wordsOf(tunnel: Tunnel): string {
  return tunnel.version === 2 ? 'L2TP tunnel' : 'L2TPv3 tunnel'
}

/** An id that somebody assigned, for an event. */
export function known(id: number): number | undefined {
  return id === NO_ID ? undefined : id
}

function controlCounts(tunnel: Tunnel) {
  const [first, second] = tunnel.channels
  return {
    'l2tp.control.messages': first.messages + second.messages,
    'l2tp.control.retransmissions': first.retransmissions + second.retransmissions,
    'l2tp.control.gaps': first.gaps + second.gaps,
    'l2tp.control.anomalies': tunnel.controlAnomalies,
  }
}

function authenticationOf(tunnel: Tunnel): string | undefined {
  if (tunnel.isAdopted) return undefined
  const [first, second] = tunnel.ends
  if (first.challenge !== undefined && second.challenge !== undefined) return 'mutual'
  return first.challenge === undefined && second.challenge === undefined ? 'none' : 'challenge'
}
