/**
 * What carries PPP links and inner flows: an L2TP session, and whatever else holds a PPP frame or an IP packet inside.
 *
 * Each kind of carrier has an owner, the tracker that keeps its records in a pool. The key of a carrier joins its index in
 * that pool with the number of its owner, so that a flow, which is a row of integers, leads back to it.
 */
import type { RaisedEvent } from '../events/catalogue.ts'
import type { HostFields } from './outer.ts'
import type { PackedLink } from './packed-ppp.ts'
import type { PppLink } from './ppp-link.ts'
import type { Role } from './role.ts'

export interface Carrier {
  /** Names it among all carriers that live. */
  readonly key: number
  readonly owner: CarrierOwner
  /** Stable over replays. */
  readonly uid: string
  userName: string | undefined
  /** A link that nobody has spoken of lately is packed. */
  link: PppLink | PackedLink | null
  /** Of an L2TP session: the PPPoE session in which the same PPP link was seen. */
  accessUid?: string | undefined
}

/** What names a carrier, and what it is part of, in events about what is inside. */
export type CarrierIdentity = Partial<
  Omit<RaisedEvent<'ppp.link.opened'>['fields'], keyof CarrierHosts | 'user.name'>
> & {
  readonly 'borescope.lineage': readonly string[]
}

/** The ends of a carrier: hosts, or on a link of its own the stations. */
export type CarrierHosts = Partial<HostFields> & {
  readonly 'source.mac'?: string
  readonly 'destination.mac'?: string
}

/** What went through a carrier, as the fields of an event. */
export type CarrierTraffic = Pick<
  RaisedEvent<'ppp.link.closed'>['fields'],
  | 'event.start'
  | 'event.end'
  | 'event.duration'
  | 'source.bytes'
  | 'source.packets'
  | 'destination.bytes'
  | 'destination.packets'
  | 'network.bytes'
  | 'network.packets'
>

/** The tracker that keeps the carriers of one kind. */
export interface CarrierOwner {
  /** The carrier at an index of the owner's pool. */
  at(index: number): Carrier
  /** All that live. */
  carriers(): Iterable<Carrier>
  identify(carrier: Carrier): CarrierIdentity
  /** The two ends, the one in the role `source` as the source. */
  hosts(carrier: Carrier, source: Role): CarrierHosts
  traffic(carrier: Carrier, source: Role): CarrierTraffic
}

export const OWNERS_MAX = 8

export class Carriers {
  readonly #owners: CarrierOwner[] = []

  /** Makes an owner known. The keys of its carriers are `keyOf` the number that it gets. */
  admit(owner: CarrierOwner): number {
    this.#owners.push(owner)
    return this.#owners.length - 1
  }

  /** All that live, by their ids. */
  byUid(): Map<string, Carrier> {
    const all = new Map<string, Carrier>()
    for (const owner of this.#owners) for (const carrier of owner.carriers()) all.set(carrier.uid, carrier)
    return all
  }

  at(key: number): Carrier {
    return this.#owners[ownerOf(key)].at(indexOf(key))
  }
}

/** The key of the carrier at an index of the pool of the owner with that number. */
export function keyOf(owner: number, index: number): number {
  return index * OWNERS_MAX + owner
}

export function ownerOf(key: number): number {
  return key & (OWNERS_MAX - 1)
}

export function indexOf(key: number): number {
  return key >>> 3
}

/** The hosts of the carrier: what speaks between them is PPP. */
export function pppHosts(carrier: Carrier, source: Role) {
  return { ...carrier.owner.hosts(carrier, source), 'network.protocol': 'ppp' }
}
