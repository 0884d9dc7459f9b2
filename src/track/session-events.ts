/** What is told of sessions: their events, field by field. The initiator of the tunnel is the source. */
import { hash } from 'node:crypto'
import { isoMicroseconds } from '../base/time.ts'
import type { Emit, RaisedEvent } from '../events/catalogue.ts'
import type { L2tpControl } from '../wire/l2tp-avp.ts'
import { PROXY_AUTHEN_TYPES } from '../wire/l2tp-tables.ts'
import type { CallFacts } from './call-facts.ts'
import type { CarrierTraffic } from './carrier.ts'
import { resultFields } from './control-message.ts'
import { INITIATOR, RESPONDER, type Role } from './role.ts'
import type { Session, SessionState } from './session.ts'
import type { ClosedBy, Tunnel } from './tunnel.ts'
import { known, type TunnelEvents } from './tunnel-events.ts'

type ClosedFields = RaisedEvent<'l2tp.session.closed'>['fields']
export type SessionDetails = Pick<
  ClosedFields,
  | 'l2tp.session.pseudowire'
  | 'l2tp.session.cookie_bytes'
  | 'l2tp.session.sublayer'
  | 'l2tp.session.layout'
  | 'l2tp.session.remote_end_id'
  | 'l2tp.session.circuit_status'
>
export type SessionSum = Pick<
  ClosedFields,
  'l2tp.session.sequenced' | 'l2tp.session.lost' | 'l2tp.session.reordered' | 'l2tp.session.cookie_mismatches'
>

/** How a session ended. */
export interface SessionEnd {
  readonly timeUs: number
  readonly closedBy: ClosedBy
  readonly reason: string
  /** The message that ended it; null if none did. */
  readonly control: L2tpControl | null
  /** Of its last packet. */
  readonly lastUs: number
}

/** Who knows the tunnels. */
interface Tunnels {
  readonly events: TunnelEvents
  at(index: number): Tunnel
}

export class SessionEvents {
  readonly #tunnels: Tunnels
  readonly #emit: Emit
  readonly #version: Tunnel['version']
  readonly #variety: { describe(session: Session): SessionDetails } | null

  /** `variety` adds what the sessions of a version have beyond those of version 2. */
  constructor(
    tunnels: Tunnels,
    emit: Emit,
    version: Tunnel['version'],
    variety: { describe(session: Session): SessionDetails } | null,
  ) {
    this.#tunnels = tunnels
    this.#emit = emit
    this.#version = version
    this.#variety = variety
  }

  requested(session: Session, tunnel: Tunnel, request: 'ICRQ' | 'OCRQ', timeUs: number): void {
    this.#emit({
      name: 'l2tp.session.requested',
      timeUs,
      message: `${request} in the tunnel ${this.#tunnels.events.names(tunnel)}`,
      fields: this.describe(session, tunnel),
    })
  }

  opened(session: Session, tunnel: Tunnel, timeUs: number): void {
    this.#emit({
      name: 'l2tp.session.opened',
      timeUs,
      message: `${this.#words} session open in the tunnel ${this.#tunnels.events.names(tunnel)}`,
      fields: this.describe(session, tunnel),
    })
  }

  adopted(session: Session, tunnel: Tunnel, timeUs: number): void {
    this.#emit({
      name: 'l2tp.session.adopted',
      timeUs,
      message: `${this.#words} session already open in the tunnel ${this.#tunnels.events.names(tunnel)}`,
      fields: this.describe(session, tunnel),
    })
  }

  closed(session: Session, tunnel: Tunnel, end: SessionEnd, carried: CarrierTraffic & SessionSum): void {
    this.#emit({
      name: 'l2tp.session.closed',
      timeUs: end.timeUs,
      message: `${this.#words} session closed in the tunnel ${this.#tunnels.events.names(tunnel)}: ${end.reason}`,
      fields: { ...this.describe(session, tunnel), ...causeOf(session, end), ...carried },
    })
  }

  /** `state` is the one in which it ended. */
  failed(session: Session, tunnel: Tunnel, end: SessionEnd, state: SessionState): void {
    this.#emit({
      name: 'l2tp.session.failed',
      timeUs: end.timeUs,
      message: `${this.#words} session did not come about in the tunnel ${this.#tunnels.events.names(tunnel)}: ${end.reason}`,
      fields: {
        ...this.describe(session, tunnel),
        ...causeOf(session, end),
        'l2tp.session.state': state,
        'event.outcome': end.closedBy === 'capture_end' ? 'unknown' : 'failure',
      },
    })
  }

  /** Field by field: what is spread into an object grows by three fields at a time, and leaves a kilobyte of garbage. */
  describe(session: Session, tunnel: Tunnel) {
    const { call } = session
    const hosts = this.#tunnels.events.hostFields(tunnel)
    const identity = this.identify(session)
    const details = this.#variety?.describe(session)
    return {
      'source.ip': hosts['source.ip'],
      'source.port': hosts['source.port'],
      'destination.ip': hosts['destination.ip'],
      'destination.port': hosts['destination.port'],
      'network.type': hosts['network.type'],
      'network.transport': hosts['network.transport'],
      'network.protocol': hosts['network.protocol'],
      'esp.tunnel.uid': identity['esp.tunnel.uid'],
      'ike.uid': identity['ike.uid'],
      'l2tp.tunnel.uid': identity['l2tp.tunnel.uid'],
      'l2tp.session.uid': identity['l2tp.session.uid'],
      'pppoe.session.uid': identity['pppoe.session.uid'],
      'l2tp.tunnel.initiator_id': identity['l2tp.tunnel.initiator_id'],
      'l2tp.tunnel.responder_id': identity['l2tp.tunnel.responder_id'],
      'l2tp.session.initiator_id': identity['l2tp.session.initiator_id'],
      'l2tp.session.responder_id': identity['l2tp.session.responder_id'],
      'l2tp.initiator.host_name': identity['l2tp.initiator.host_name'],
      'l2tp.responder.host_name': identity['l2tp.responder.host_name'],
      'l2tp.call.calling_number': identity['l2tp.call.calling_number'],
      'borescope.lineage': identity['borescope.lineage'],
      'l2tp.session.pseudowire': details?.['l2tp.session.pseudowire'],
      'l2tp.session.cookie_bytes': details?.['l2tp.session.cookie_bytes'],
      'l2tp.session.sublayer': details?.['l2tp.session.sublayer'],
      'l2tp.session.layout': details?.['l2tp.session.layout'],
      'l2tp.session.remote_end_id': details?.['l2tp.session.remote_end_id'],
      'l2tp.session.circuit_status': details?.['l2tp.session.circuit_status'],
      'l2tp.version': this.#version,
      'l2tp.session.kind': session.kind,
      'l2tp.session.adopted': session.isAdopted || undefined,
      'l2tp.call.serial_number': call?.serialNumber,
      'l2tp.call.called_number': call?.calledNumber,
      'l2tp.call.sub_address': call?.subAddress,
      'l2tp.call.tx_speed': call?.txSpeed,
      'l2tp.call.rx_speed': call?.rxSpeed,
      'l2tp.call.private_group': call?.privateGroup,
      'l2tp.call.proxy_authentication': proxyAuthentication(call),
      'user.name': session.userName,
    }
  }

  /** What names a session and its tunnel in any event about what is inside. */
  identify(session: Session) {
    const tunnel = this.#tunnels.at(session.tunnel)
    return {
      'esp.tunnel.uid': tunnel.protection?.uid,
      'ike.uid': tunnel.protection?.ikeUid,
      'l2tp.tunnel.uid': tunnel.uid,
      'l2tp.session.uid': session.uid,
      'pppoe.session.uid': session.accessUid,
      'l2tp.tunnel.initiator_id': known(tunnel.ids[INITIATOR]),
      'l2tp.tunnel.responder_id': known(tunnel.ids[RESPONDER]),
      'l2tp.session.initiator_id': known(session.idOf(INITIATOR)),
      'l2tp.session.responder_id': known(session.idOf(RESPONDER)),
      'l2tp.initiator.host_name': tunnel.ends[INITIATOR].hostName,
      'l2tp.responder.host_name': tunnel.ends[RESPONDER].hostName,
      'l2tp.call.calling_number': session.callingNumber,
      'borescope.lineage': [...tunnel.lineage, session.uid],
    }
  }

  hosts(session: Session, source: Role) {
    return this.#tunnels.events.hostFields(this.#tunnels.at(session.tunnel), source)
  }

  /** What events call it: of its tunnel, its numbers as far as they are known, and its start. */
  uidOf(session: Session, tunnel: Tunnel): string {
    const digest = hash('sha1', `${tunnel.uid} ${session.idOf(0)} ${session.idOf(1)} ${session.startUs}`)
    // Joined, for what `+` makes of two strings of this length is a tree that keeps both.
    return ['s', digest.slice(0, 12)].join('-')
  }

  get #words(): string {
    return this.#version === 2 ? 'L2TP' : 'L2TPv3'
  }
}

function causeOf({ startUs }: Session, { closedBy, reason, control, lastUs }: SessionEnd) {
  return {
    ...resultFields(control),
    'event.reason': reason,
    'l2tp.closed_by': closedBy,
    'l2tp.call.q931_cause': control?.q931Cause,
    'l2tp.call.disconnect_cause': control?.disconnectText,
    'event.start': isoMicroseconds(startUs),
    'event.end': isoMicroseconds(lastUs),
    'event.duration': Math.round((lastUs - startUs) * 1000),
  }
}

function proxyAuthentication(call: CallFacts | null): string | undefined {
  const type = call?.proxyAuthenType
  if (type === undefined) return undefined
  const names: Readonly<Record<number, string>> = PROXY_AUTHEN_TYPES
  return names[type] ?? String(type)
}
