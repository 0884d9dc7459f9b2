/** An IPsec association and a pair of them, as records. */
import { SECOND_US } from '../base/time.ts'
import type { Protection } from '../dissect/frame.ts'
import { NullState } from '../wire/esp-null.ts'
import type { EspOpener } from '../wire/esp-open.ts'
import { type Carrier, type CarrierOwner, keyOf } from './carrier.ts'
import type { IkeParent } from './ike-lookup.ts'
import { INITIATOR, type Role } from './role.ts'

export const NONE = -1

/** How an association is carried, which tells apart SPIs that mean nothing to each other. */
export const CARRIAGE = { ESP: 0, ESP_UDP: 1, ESP_TCP: 2, AH: 3 } as const
export type Carriage = (typeof CARRIAGE)[keyof typeof CARRIAGE]

export const ENCAPSULATIONS: Record<Carriage, string> = { 0: 'none', 1: 'udp', 2: 'tcp', 3: 'none' }
/** `network.protocol` of events. */
export const PROTOCOLS: Record<Carriage, string> = { 0: 'esp', 1: 'esp', 2: 'esp', 3: 'ah' }
export const TRANSPORTS: Record<Carriage, string> = { 0: '50', 1: 'udp', 2: 'tcp', 3: '51' }

/**
 * What is known of its content. `UNDECIDED`: it may turn out not to be encrypted. `KEYS`: keys for it were supplied. `CLEAR`: AH.
 * `OPAQUE`: encrypted, and nobody has the keys; it costs nothing more.
 */
export const READING = { UNDECIDED: 0, OPAQUE: 1, KEYS: 2, NOT_ENCRYPTED: 3, CLEAR: 4 } as const
export type Reading = (typeof READING)[keyof typeof READING]

export type EspClosedBy = 'rekey' | 'ike' | 'silence' | 'capture_end'

/** `candidate`: too little was seen to believe in it. */
export type AssociationState = 'candidate' | 'live' | 'replaced'

export class EspAssociation {
  readonly index: number
  uid = ''
  /** Unsigned. */
  spi = 0
  carriage: Carriage = CARRIAGE.ESP
  state: AssociationState = 'candidate'
  /** Endpoints: addresses, and ports where UDP or TCP carries it. */
  source = NONE
  destination = NONE
  /** A digest of both addresses without the ports. */
  addresses = 0
  vlan: string | undefined
  /** Of the capture's IPsec outside of this one. */
  outside: Protection | null = null
  /** The pair that it belongs to; `NONE` for a candidate. */
  tunnel = NONE
  /** The end of the pair that sends. */
  role: Role = INITIATOR
  startUs = 0
  firstSequence = 0
  predecessor: { readonly uid: string; readonly spi: number } | null = null
  /** When a newer one took its place. */
  replacedUs = Number.POSITIVE_INFINITY
  parent: IkeParent | null = null
  /** When its IKE SA was deleted. */
  parentEndedUs = Number.POSITIVE_INFINITY
  reading: Reading = READING.UNDECIDED
  /** Those of the keys that were supplied; once one of them has opened a packet, that one alone. */
  openers: readonly EspOpener[] = []
  readonly nullState = new NullState()
  /** `transport` or `tunnel`, once the content was read. */
  mode: string | undefined
  opened = 0
  corrupt = 0
  /** Keys that failed, until one of them opened something. */
  refused = 0
  /** When the lifetime of its IKE SA is over, unless that was told. */
  outlivesUs = Number.POSITIVE_INFINITY
  // What was told of it already.
  isRefusalTold = false
  isOrphanTold = false
  isOutlivedTold = false

  constructor(index: number) {
    this.index = index
  }

  reset(spi: number, carriage: Carriage, source: number, destination: number, timeUs: number): void {
    this.uid = ''
    this.spi = spi
    this.carriage = carriage
    this.state = 'candidate'
    this.source = source
    this.destination = destination
    this.addresses = 0
    this.vlan = undefined
    this.outside = null
    this.tunnel = NONE
    this.role = INITIATOR
    this.startUs = timeUs
    this.firstSequence = 0
    this.predecessor = null
    this.replacedUs = Number.POSITIVE_INFINITY
    this.parent = null
    this.parentEndedUs = Number.POSITIVE_INFINITY
    this.reading = READING.UNDECIDED
    this.openers = []
    this.nullState.reset()
    this.mode = undefined
    this.opened = 0
    this.corrupt = 0
    this.refused = 0
    this.outlivesUs = Number.POSITIVE_INFINITY
    this.isRefusalTold = false
    this.isOrphanTold = false
    this.isOutlivedTold = false
  }

  /** Which IKE SA made it, and what was told of its end. */
  descend(parent: IkeParent | null, isOutlivedTold: boolean): void {
    this.parent = parent
    this.isOutlivedTold = isOutlivedTold
    const isBounded = !isOutlivedTold && parent?.lifetimeSeconds !== undefined
    this.outlivesUs = isBounded ? this.startUs + parent.lifetimeSeconds * SECOND_US : Number.POSITIVE_INFINITY
  }

  /** One of the keys that it has now has opened a packet. */
  get hasProvenKeys(): boolean {
    return this.openers.length > 0 && this.openers[0].opened > 0
  }

  /** The keys that it has open it, as far as is known: those that a restarted sensor supplied have yet to prove it. */
  get isReadWithKeys(): boolean {
    return this.reading === READING.KEYS && (this.hasProvenKeys || (this.opened > 0 && !this.isRefusalTold))
  }

  get isReplaced(): boolean {
    return this.state === 'replaced'
  }
}

const NOT_ENDED = { closedBy: 'silence', reason: '' } as const

/** Two associations, one for each direction, and those that took their place: what goes through them is one thing. */
export class EspTunnel implements Carrier {
  readonly index: number
  readonly key: number
  readonly owner: CarrierOwner
  uid = ''
  /** By role. */
  readonly endpoints: [number, number] = [NONE, NONE]
  /** The current association that each role sends on. */
  readonly associations: [number, number] = [NONE, NONE]
  /** Associations that belong to it, old ones too. */
  members = 0
  carriage: Carriage = CARRIAGE.ESP
  protection: Protection = { uid: '', ikeUid: undefined, lineage: [] }
  startUs = 0
  rekeys = 0
  /** Roles that go on under a new SPI since both were on the old ones, a bit each. */
  switched = 0
  isOpen = false
  isOneWayTold = false
  /** Whether some of its content could be read. */
  isRead = false
  lost = 0
  /** How its last association but for those that were replaced ended. */
  ending: { readonly closedBy: EspClosedBy; readonly reason: string } = NOT_ENDED
  vlan: string | undefined
  /** The next pair between the same endpoints. */
  next = NONE
  userName: string | undefined
  link: Carrier['link'] = null

  constructor(index: number, owner: CarrierOwner, ownerNumber: number) {
    this.index = index
    this.key = keyOf(ownerNumber, index)
    this.owner = owner
  }

  reset(carriage: Carriage, initiator: number, responder: number, timeUs: number): void {
    this.uid = ''
    this.endpoints[0] = initiator
    this.endpoints[1] = responder
    this.associations.fill(NONE)
    this.members = 0
    this.carriage = carriage
    this.startUs = timeUs
    this.rekeys = 0
    this.switched = 0
    this.isOpen = false
    this.isOneWayTold = false
    this.isRead = false
    this.lost = 0
    this.ending = NOT_ENDED
    this.vlan = undefined
    this.next = NONE
    this.userName = undefined
    this.link = null
  }
}
