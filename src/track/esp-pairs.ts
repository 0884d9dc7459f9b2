/**
 * Which two associations make a pair, and which one takes the place of which.
 *
 * The negotiation is encrypted, so both are inferred: a new SPI belongs to a pair between the same ends that lacks its direction; else
 * to one whose association in that direction is old enough to be rekeyed; else it begins a pair of its own.
 */
import type { Endpoints } from '../base/endpoints.ts'
import { PairTable } from '../base/pair-table.ts'
import { Pool } from '../base/pool.ts'
import { SECOND_US } from '../base/time.ts'
import type { CarrierOwner } from './carrier.ts'
import { type Carriage, type EspAssociation, EspTunnel, NONE } from './esp-association.ts'
import type { Meter } from './meter.ts'
import { INITIATOR, RESPONDER, type Role } from './role.ts'
import { NO_PAUSE, silentSince } from './saved.ts'

/** Nobody rekeys sooner than this: then it is another pair between the same hosts. */
const REKEY_AGE_US = 5 * SECOND_US
/** What comes from another IKE SA takes over only from what was in use until then: else the hosts began anew. */
const HANDOVER_US = 10 * SECOND_US

export class EspPairs {
  readonly capacity: number
  /** Of a restarted sensor. */
  pause = NO_PAUSE
  readonly #endpoints: Endpoints
  readonly #associations: Pool<EspAssociation>
  /** Of the associations. */
  readonly #meter: Meter
  readonly #tunnels: Pool<EspTunnel>
  /** (one end, the other) → the first of the pairs between them. */
  readonly #byEnds: PairTable

  constructor(
    endpoints: Endpoints,
    associations: Pool<EspAssociation>,
    meter: Meter,
    owner: CarrierOwner,
    ownerNumber: number,
  ) {
    this.capacity = associations.capacity
    this.#endpoints = endpoints
    this.#associations = associations
    this.#meter = meter
    this.#tunnels = new Pool(this.capacity, (index) => new EspTunnel(index, owner, ownerNumber))
    this.#byEnds = new PairTable(this.capacity)
  }

  get size(): number {
    return this.#tunnels.size
  }

  at(index: number): EspTunnel {
    return this.#tunnels.at(index)
  }

  /** The pair that a new association belongs to, or null. */
  find(association: EspAssociation): EspTunnel | null {
    const { source, destination, carriage, startUs } = association
    let half: EspTunnel | null = null
    let old: EspTunnel | null = null
    for (let index = this.#firstBetween(source, destination); index !== NONE; index = this.at(index).next) {
      const tunnel = this.at(index)
      if (tunnel.carriage !== carriage || this.#isAnothers(tunnel, association)) continue
      const role = roleOf(tunnel, source)
      if (tunnel.associations[role] === NONE) {
        if (!this.#isGone(tunnel, startUs)) half = nearer(half, tunnel, startUs)
      } else if (this.#mayBeRekeyed(tunnel, role, startUs)) old = this.#quieter(old, tunnel, source)
    }
    return half ?? old
  }

  /** A pair between the same ends that lacks this direction, other than `except`; or null. */
  findHalf({ source, destination, carriage }: EspAssociation, except: EspTunnel): EspTunnel | null {
    for (let index = this.#firstBetween(source, destination); index !== NONE; index = this.at(index).next) {
      const tunnel = this.at(index)
      if (tunnel === except || tunnel.carriage !== carriage) continue
      if (tunnel.associations[roleOf(tunnel, source)] === NONE) return tunnel
    }
    return null
  }

  /** A new pair; null if there is no room. */
  open(association: EspAssociation): EspTunnel | null {
    const index = this.#tunnels.take()
    if (index === NONE) return null
    const { source, destination, parent, carriage, startUs } = association
    const isBack = parent !== null && !parent.isFromInitiator
    const tunnel = this.at(index)
    tunnel.reset(carriage, isBack ? destination : source, isBack ? source : destination, startUs)
    tunnel.vlan = association.vlan
    for (const end of tunnel.endpoints) this.#endpoints.holdAgain(end)
    this.#link(tunnel)
    return tunnel
  }

  /** A pair that a restarted sensor takes up, between the endpoints of its roles; null if there is no room. */
  resume(carriage: Carriage, initiator: number, responder: number, startUs: number): EspTunnel | null {
    const index = this.#tunnels.take()
    if (index === NONE) return null
    const tunnel = this.at(index)
    tunnel.reset(carriage, initiator, responder, startUs)
    for (const end of tunnel.endpoints) this.#endpoints.holdAgain(end)
    this.#link(tunnel)
    return tunnel
  }

  /** Indices of all pairs. */
  used(): Generator<number> {
    return this.#tunnels.used()
  }

  /** One end sends from another port by now. */
  move(tunnel: EspTunnel, role: Role, source: number, destination: number): void {
    this.#unlink(tunnel)
    for (const end of tunnel.endpoints) this.#endpoints.release(end)
    tunnel.endpoints[role] = source
    tunnel.endpoints[1 - role] = destination
    for (const end of tunnel.endpoints) this.#endpoints.holdAgain(end)
    this.#link(tunnel)
  }

  free(tunnel: EspTunnel): void {
    this.#unlink(tunnel)
    for (const end of tunnel.endpoints) this.#endpoints.release(end)
    this.#tunnels.free(tunnel.index)
  }

  /** Its IKE SA was deleted before: nothing new belongs to it. */
  #isGone({ associations }: EspTunnel, startUs: number): boolean {
    return associations.some((index) => index !== NONE && this.#associations.at(index).parentEndedUs < startUs)
  }

  /** Made by another IKE SA, and out of use by now. */
  #isAnothers({ associations }: EspTunnel, { parent, startUs }: EspAssociation): boolean {
    if (parent === null) return false
    return associations.every((index) => {
      if (index === NONE) return true
      const { parent: other } = this.#associations.at(index)
      return (
        other !== null &&
        other.uid !== parent.uid &&
        startUs - silentSince(this.#meter.lastUs(index), this.pause) > HANDOVER_US
      )
    })
  }

  #mayBeRekeyed(tunnel: EspTunnel, role: Role, startUs: number): boolean {
    if ((tunnel.switched & (1 << role)) !== 0 || this.#isGone(tunnel, startUs)) return false
    return startUs - this.#associations.at(tunnel.associations[role]).startUs >= REKEY_AGE_US
  }

  /** Of several the one that is half way through a rekeying, or else the one that was used least recently. */
  #quieter(best: EspTunnel | null, tunnel: EspTunnel, source: number): EspTunnel {
    if (best === null) return tunnel
    const isHalfWay = best.switched !== 0
    if (isHalfWay !== (tunnel.switched !== 0)) return isHalfWay ? best : tunnel
    const lastUs = (one: EspTunnel) => this.#meter.lastUs(one.associations[roleOf(one, source)])
    return lastUs(tunnel) < lastUs(best) ? tunnel : best
  }

  #firstBetween(a: number, b: number): number {
    return this.#byEnds.find(Math.min(a, b), Math.max(a, b))
  }

  #link(tunnel: EspTunnel): void {
    const [a, b] = tunnel.endpoints
    tunnel.next = this.#firstBetween(a, b)
    this.#byEnds.insert(Math.min(a, b), Math.max(a, b), tunnel.index)
  }

  #unlink(tunnel: EspTunnel): void {
    const [a, b] = tunnel.endpoints
    const first = this.#firstBetween(a, b)
    if (first === tunnel.index) {
      if (tunnel.next === NONE) this.#byEnds.remove(Math.min(a, b), Math.max(a, b))
      else this.#byEnds.insert(Math.min(a, b), Math.max(a, b), tunnel.next)
      return
    }
    for (let index = first; index !== NONE; index = this.at(index).next) {
      if (this.at(index).next !== tunnel.index) continue
      this.at(index).next = tunnel.next
      return
    }
  }
}

/** The role of the end that sends. */
export function roleOf(tunnel: EspTunnel, source: number): Role {
  return tunnel.endpoints[INITIATOR] === source ? INITIATOR : RESPONDER
}

function nearer(best: EspTunnel | null, tunnel: EspTunnel, startUs: number): EspTunnel {
  if (best === null) return tunnel
  return Math.abs(tunnel.startUs - startUs) < Math.abs(best.startUs - startUs) ? tunnel : best
}
