/**
 * The associations and pairs that are followed, under what they are found: both ends, the kind of carriage and the SPI; and what
 * each of them carried. Who holds an endpoint, and for how long, is decided here alone.
 */
import { Endpoints } from '../base/endpoints.ts'
import { hashWindow, mixPair } from '../base/hash.ts'
import { Pool } from '../base/pool.ts'
import type { Frame } from '../dissect/frame.ts'
import type { CarrierOwner } from './carrier.ts'
import { CARRIAGE, type Carriage, EspAssociation, type EspTunnel, NONE } from './esp-association.ts'
import { EspNames } from './esp-names.ts'
import { EspPairs } from './esp-pairs.ts'
import { SequenceWindows } from './esp-sequence.ts'
import { Meter } from './meter.ts'
import type { Role } from './role.ts'
import type { SavedEndpoint } from './saved.ts'
import {
  loadAssociation,
  loadPair,
  type SavedAssociation,
  type SavedPair,
  saveAssociation,
  savePair,
} from './saved-esp.ts'

export class EspTable {
  readonly endpoints: Endpoints
  readonly associations: Pool<EspAssociation>
  readonly pairs: EspPairs
  readonly windows: SequenceWindows
  /** Of associations, by their index; all in role 0. */
  readonly meter = new Meter()
  /** Of pairs. */
  readonly tunnelMeter = new Meter()
  readonly #names: EspNames
  readonly #byIke = new Map<string, Set<number>>()

  /** `owner` tells of the pairs, and has that number among the owners of carriers. */
  constructor(capacity: number, replayWindow: number, owner: CarrierOwner, ownerNumber: number) {
    this.endpoints = new Endpoints(capacity * 2 + 1024)
    this.associations = new Pool(capacity, (index) => new EspAssociation(index))
    this.pairs = new EspPairs(this.endpoints, this.associations, this.meter, owner, ownerNumber)
    this.windows = new SequenceWindows(replayWindow)
    this.#names = new EspNames(capacity)
  }

  tunnelOf({ tunnel }: EspAssociation): EspTunnel {
    return this.pairs.at(tunnel)
  }

  // --- finding

  /** The association of a packet, or -1. The SPI as a signed number. */
  find({ ip, sourcePort, destinationPort }: Frame, carriage: Carriage, spi: number): number {
    const hasPorts = carriage === CARRIAGE.ESP_UDP || carriage === CARRIAGE.ESP_TCP
    const source = this.endpoints.find(ip.bytes, ip.sourceAt, ip.addressLength, hasPorts ? sourcePort : 0)
    if (source === NONE) return NONE
    const destination = this.endpoints.find(
      ip.bytes,
      ip.destinationAt,
      ip.addressLength,
      hasPorts ? destinationPort : 0,
    )
    if (destination === NONE) return NONE
    const index = this.#names.find(source, destination, carriage, spi)
    if (index === NONE) return NONE
    const association = this.associations.at(index)
    return association.source === source && association.destination === destination ? index : NONE
  }

  /** An association of the same hosts and SPI, whatever its ports. */
  findElsewhere(frame: Frame, carriage: Carriage, spi: number): EspAssociation | null {
    return this.#atOrNull(this.#names.findElsewhere(addressesOf(frame), carriage, spi))
  }

  /** The association in the other direction that began last. */
  findAnswer({ source, destination }: EspAssociation): EspAssociation | null {
    return this.#atOrNull(this.#names.latest(destination, source))
  }

  /** Those that an IKE SA made. */
  childrenOf(ikeUid: string): Iterable<number> {
    return this.#byIke.get(ikeUid) ?? []
  }

  // --- coming, moving and going

  /** A new association, of the packet in the frame; null if there is no room. */
  begin(frame: Frame, carriage: Carriage, spi: number, sequence: number): EspAssociation | null {
    const { ip, timeUs } = frame
    const hasPorts = carriage === CARRIAGE.ESP_UDP || carriage === CARRIAGE.ESP_TCP
    const [sourcePort, destinationPort] = hasPorts ? [frame.sourcePort, frame.destinationPort] : [0, 0]
    const source = this.endpoints.hold(ip.bytes, ip.sourceAt, ip.addressLength, sourcePort)
    const destination = this.endpoints.hold(ip.bytes, ip.destinationAt, ip.addressLength, destinationPort)
    const index = source === NONE || destination === NONE ? NONE : this.associations.take()
    if (index === NONE) {
      this.endpoints.release(source)
      this.endpoints.release(destination)
      return null
    }
    const association = this.associations.at(index)
    association.reset(spi, carriage, source, destination, timeUs)
    association.firstSequence = sequence
    association.addresses = addressesOf(frame)
    this.meter.open(index, timeUs)
    this.windows.open(index, sequence)
    this.#names.insert(association)
    return association
  }

  /** It belongs to an IKE SA, if one is known: from now on that one finds it. */
  remember({ index, parent }: EspAssociation): void {
    if (parent === null) return
    const known = this.#byIke.get(parent.uid)
    if (known === undefined) this.#byIke.set(parent.uid, new Set([index]))
    else known.add(index)
  }

  /** It goes on between the ports of the packet in the frame, and its pair with it; false if there is no room. */
  follow({ ip, sourcePort, destinationPort }: Frame, association: EspAssociation): boolean {
    const source = this.endpoints.hold(ip.bytes, ip.sourceAt, ip.addressLength, sourcePort)
    const destination = this.endpoints.hold(ip.bytes, ip.destinationAt, ip.addressLength, destinationPort)
    const hasRoom = source !== NONE && destination !== NONE
    if (hasRoom) {
      if (association.tunnel !== NONE) this.#movePair(this.tunnelOf(association), association.role, source, destination)
      this.#move(association, source, destination)
    }
    this.endpoints.release(source)
    this.endpoints.release(destination)
    return hasRoom
  }

  forget(association: EspAssociation): void {
    const { index, source, destination, parent } = association
    this.#names.remove(association)
    if (parent !== null) {
      const siblings = this.#byIke.get(parent.uid)
      siblings?.delete(index)
      if (siblings?.size === 0) this.#byIke.delete(parent.uid)
    }
    this.endpoints.release(source)
    this.endpoints.release(destination)
    this.associations.free(index)
  }

  /** The other direction moves with it: its packets go to the new port. */
  #movePair(tunnel: EspTunnel, role: Role, source: number, destination: number): void {
    const back = tunnel.associations[1 - role]
    this.pairs.move(tunnel, role, source, destination)
    if (back !== NONE) this.#move(this.associations.at(back), destination, source)
  }

  #move(association: EspAssociation, source: number, destination: number): void {
    this.#names.remove(association)
    this.endpoints.holdAgain(source)
    this.endpoints.holdAgain(destination)
    this.endpoints.release(association.source)
    this.endpoints.release(association.destination)
    association.source = source
    association.destination = destination
    this.#names.insert(association)
  }

  #atOrNull(index: number): EspAssociation | null {
    return index === NONE ? null : this.associations.at(index)
  }

  // --- over a restart of the sensor

  /** Every pair, then every association that belongs to one. Candidates are nothing yet. */
  *save(): Generator<{ readonly pair: SavedPair } | { readonly association: SavedAssociation }> {
    for (const index of this.pairs.used()) {
      const tunnel = this.pairs.at(index)
      yield { pair: savePair(tunnel, tunnel.endpoints.map(this.#endpointOf), this.tunnelMeter.save(index)) }
    }
    for (const index of this.associations.used()) {
      const association = this.associations.at(index)
      if (association.tunnel === NONE) continue
      const window = this.windows.save(index)
      const tunnel = this.tunnelOf(association)
      yield { association: saveAssociation(association, tunnel, this.meter.save(index), window) }
    }
  }

  /** Null if there is no room. */
  resumePair(saved: SavedPair): EspTunnel | null {
    const [initiator, responder] = saved.endpoints.map(([address, port]) => {
      const bytes = Buffer.from(address, 'hex')
      return this.endpoints.hold(bytes, 0, bytes.length, port)
    })
    const isThere = initiator !== NONE && responder !== NONE
    const tunnel = isThere ? this.pairs.resume(saved.carriage, initiator, responder, saved.startUs) : null
    // The pair holds them itself.
    for (const end of [initiator, responder]) this.endpoints.release(end)
    if (tunnel === null) return null
    loadPair(tunnel, saved)
    this.tunnelMeter.open(tunnel.index, saved.startUs)
    this.tunnelMeter.restore(tunnel.index, saved.traffic)
    return tunnel
  }

  /** One of a pair that was taken up; `isLater` if time has passed since. Null if there is no room. */
  resume(saved: SavedAssociation, tunnel: EspTunnel, isLater: boolean): EspAssociation | null {
    const index = this.associations.take()
    if (index === NONE) return null
    const { role } = saved
    const [source, destination] = [tunnel.endpoints[role], tunnel.endpoints[1 - role]]
    const association = this.associations.at(index)
    association.reset(saved.spi, tunnel.carriage, source, destination, saved.startUs)
    loadAssociation(association, saved)
    for (const end of [source, destination]) this.endpoints.holdAgain(end)
    const [from, to] = [this.endpoints.bytes(source), this.endpoints.bytes(destination)]
    association.addresses = mixPair(hashWindow(from, 0, from.length), hashWindow(to, 0, to.length))
    association.tunnel = tunnel.index
    tunnel.members++
    if (saved.isCurrent) tunnel.associations[role] = index
    this.meter.open(index, saved.startUs)
    this.meter.restore(index, saved.traffic)
    this.windows.restore(index, saved.window, isLater)
    this.#names.insert(association)
    this.remember(association)
    return association
  }

  readonly #endpointOf = (id: number): SavedEndpoint => [
    Buffer.from(this.endpoints.bytes(id)).toString('hex'),
    this.endpoints.port(id),
  ]
}

/** The addresses of the frame in their order, as a number. */
function addressesOf({ ip }: Frame): number {
  const { bytes, sourceAt, destinationAt, addressLength } = ip
  return mixPair(
    hashWindow(bytes, sourceAt, sourceAt + addressLength),
    hashWindow(bytes, destinationAt, destinationAt + addressLength),
  )
}
