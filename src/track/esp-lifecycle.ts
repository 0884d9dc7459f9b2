/**
 * The lives of associations and of their pairs: when one is believed, which one it replaces, whether it outlives the IKE SA that
 * made it, and when it has ended.
 *
 * Whoever forges packets can name any SPI, so that an association is a candidate first: it is believed when a second packet goes on
 * from the first, when the other direction answers, or when its content can be read.
 */
import { SECOND_US } from '../base/time.ts'
import { Timers } from '../base/timers.ts'
import type { Frame } from '../dissect/frame.ts'
import type { Emit } from '../events/catalogue.ts'
import { spiText } from '../wire/esp.ts'
import type { CarrierFlows } from './carrier-flows.ts'
import { type Carriage, type EspAssociation, type EspClosedBy, type EspTunnel, NONE } from './esp-association.ts'
import type { EspEvents } from './esp-events.ts'
import { roleOf } from './esp-pairs.ts'
import { EspScans, isScan } from './esp-scans.ts'
import { ARRIVAL, type Arrival } from './esp-sequence.ts'
import type { EspTable } from './esp-table.ts'
import type { EspTraffic } from './esp-traffic.ts'
import { FullTable } from './full-table.ts'
import type { IkeEnding, IkeLookup } from './ike-lookup.ts'
import { vlanOf } from './outer.ts'
import { INITIATOR, RESPONDER } from './role.ts'
import { NO_PAUSE, type Pause, silentSince } from './saved.ts'

export interface EspLifecycleLimits {
  /** An association without a packet for this long has ended. */
  readonly espIdleUs: number
  /** Sources of which something is counted, of each kind. */
  readonly sourcesMax: number
}

/** At most one in so many associations may be one that nobody believes in yet. */
const CANDIDATE_SHARE = 4
const CANDIDATE_US = 30 * SECOND_US
/** The other direction of a new association begins within this. */
const PAIR_US = 60 * SECOND_US
/** Both the old and the new association may carry packets for this long; longer, and they are two pairs. */
const OVERLAP_US = 120 * SECOND_US
/** One end that sends alone so long, and so much, is told. */
const ONE_WAY_US = 60 * SECOND_US
const ONE_WAY_PACKETS = 10
/** The last packets of an association may be on their way when its IKE SA is deleted; later ones belong to nobody. */
const FADE_US = 5 * SECOND_US
export const ORPHAN_US = 30 * SECOND_US
/** SPIs that came to nothing, of one source in a minute, that are told one by one. */
const LONE_TOLD = 3
/** A pair whose first packet has no higher number is seen from its start. */
const FIRST_SEQUENCE_MAX = 8

export class EspLifecycle {
  /** Packets that were sent, by their sequence numbers, and not seen, on the associations that have ended. */
  lost = 0
  readonly #table: EspTable
  readonly #traffic: EspTraffic
  readonly #events: EspEvents
  readonly #flows: CarrierFlows
  readonly #ike: IkeLookup
  readonly #idleUs: number
  readonly #timers = new Timers()
  readonly #full: FullTable
  readonly #scans: EspScans
  readonly #expire = (index: number) => this.#expired(index)
  #candidates = 0
  #nowUs = 0
  #pause = NO_PAUSE

  constructor(
    table: EspTable,
    traffic: EspTraffic,
    events: EspEvents,
    flows: CarrierFlows,
    ike: IkeLookup,
    emit: Emit,
    limits: EspLifecycleLimits,
  ) {
    this.#table = table
    this.#traffic = traffic
    this.#events = events
    this.#flows = flows
    this.#ike = ike
    this.#idleUs = limits.espIdleUs
    this.#full = new FullTable(emit)
    this.#scans = new EspScans(limits.sourcesMax)
    ike.onEnded((uid, timeUs, ending) => this.#ikeEnded(uid, timeUs, ending))
  }

  *expire(nowUs: number): Generator<void> {
    this.#nowUs = nowUs
    yield* this.#timers.advance(nowUs, this.#expire)
  }

  /** The end of the capture: everything that is open is told. */
  *finish(nowUs: number): Generator<void> {
    this.#nowUs = nowUs
    for (const index of this.#table.associations.used()) {
      const association = this.#table.associations.at(index)
      if (association.state === 'candidate') this.#settle(association, nowUs)
      if (!this.#table.associations.isUsed(index) || association.tunnel === NONE) continue
      if (association.isReplaced || this.#fellSilentWithIke(association)) this.#closeUnused(association, nowUs)
      else this.#close(association, nowUs, 'capture_end', 'the capture ended')
      yield
    }
  }

  /** A restarted sensor goes on: time in which nobody looked does not count. */
  resume(pause: Pause): void {
    this.#pause = pause
    this.#table.pairs.pause = pause
  }

  /** Looks after it from now on, until it has ended. */
  watch(association: EspAssociation): void {
    this.#timers.schedule(association.index, this.#deadline(association))
  }

  // --- candidates

  /** A candidate, of the packet in the frame; null if there is no room. */
  begin(frame: Frame, carriage: Carriage, spi: number, sequence: number): EspAssociation | null {
    const { timeUs } = frame
    const { capacity } = this.#table.associations
    if (this.#candidates * CANDIDATE_SHARE >= capacity) {
      this.#full.tell('esp_associations', capacity, timeUs, 'IPsec associations nobody believes in')
      return null
    }
    const association = this.#table.begin(frame, carriage, spi, sequence)
    if (association === null) {
      this.#full.tell('esp_associations', capacity, timeUs, 'IPsec associations')
      return null
    }
    association.vlan = vlanOf(frame)
    association.outside = frame.protection
    association.descend(this.#ike.parentOf(frame), false)
    this.#candidates++
    this.#traffic.beginHolding(association.index)
    this.#timers.schedule(association.index, timeUs + CANDIDATE_US)
    return association
  }

  /** A candidate, or an association that another one took the place of. */
  lookAgain(frame: Frame, association: EspAssociation, arrival: Arrival): void {
    if (association.state === 'candidate') {
      if (arrival !== ARRIVAL.LATE) this.believe(association, frame.timeUs)
    } else if (frame.timeUs > this.#sinceUs(association.replacedUs) + OVERLAP_US) this.#split(association, frame.timeUs)
  }

  /** A second packet, an answer, or content that can be read: from now on it is told of. */
  believe(association: EspAssociation, timeUs: number): void {
    if (association.state !== 'candidate') return
    const tunnel = this.#table.pairs.find(association) ?? this.#openTunnel(association, timeUs)
    if (tunnel === null) return
    association.role = roleOf(tunnel, association.source)
    this.#accept(association, tunnel, timeUs)
    const other = this.#findAnswer(association)
    if (other?.state === 'candidate') this.believe(other, timeUs)
  }

  #accept(association: EspAssociation, tunnel: EspTunnel, timeUs: number): void {
    const { index, role } = association
    this.#candidates--
    association.state = 'live'
    association.uid = this.#events.associationUid(association)
    this.#replace(association, tunnel, timeUs)
    tunnel.associations[role] = index
    tunnel.members++
    association.tunnel = tunnel.index
    // What it carried while nobody believed in it.
    const packets = this.#table.meter.packets(index, 0)
    const bytes = this.#table.meter.bytes(index, 0)
    this.#table.tunnelMeter.add(tunnel.index, role, packets, bytes, this.#table.meter.lastUs(index))
    this.#traffic.adopt(tunnel.index, role, index)
    this.#table.remember(association)
    this.#tellSeen(association, tunnel, timeUs)
    if (!tunnel.isOpen && tunnel.associations[INITIATOR] !== NONE && tunnel.associations[RESPONDER] !== NONE) {
      tunnel.isOpen = true
      this.#events.opened(tunnel, association, timeUs)
    }
    this.#tellRekeyed(association, tunnel, timeUs)
    this.watch(association)
  }

  #tellSeen(association: EspAssociation, tunnel: EspTunnel, timeUs: number): void {
    const { predecessor } = association
    const words =
      predecessor === null
        ? `began at sequence number ${association.firstSequence}`
        : `replaces ${spiText(predecessor.spi)}`
    this.#events.tell('esp.association.seen', timeUs, association, tunnel, words, {})
  }

  #tellRekeyed(association: EspAssociation, tunnel: EspTunnel, timeUs: number): void {
    if (association.predecessor === null) return
    tunnel.switched |= 1 << association.role
    if (tunnel.switched !== 3) return
    tunnel.switched = 0
    tunnel.rekeys++
    const spis = tunnel.associations.map((index) => this.#table.associations.at(index).spi)
    this.#events.rekeyed(tunnel, timeUs, spis)
  }

  /** The association that sent in this role so far gives way. */
  #replace(association: EspAssociation, tunnel: EspTunnel, timeUs: number): void {
    const before = tunnel.associations[association.role]
    if (before === NONE) return
    const old = this.#table.associations.at(before)
    old.state = 'replaced'
    old.replacedUs = timeUs
    association.predecessor = { uid: old.uid, spi: old.spi }
    this.watch(old)
  }

  /** It did not give way after all: what seemed to replace it is a pair of its own. */
  #split(association: EspAssociation, timeUs: number): void {
    const tunnel = this.#table.tunnelOf(association)
    const { role } = association
    const current = tunnel.associations[role]
    association.state = 'live'
    association.replacedUs = Number.POSITIVE_INFINITY
    tunnel.associations[role] = association.index
    tunnel.switched = 0
    this.watch(association)
    if (current === NONE || current === association.index) return
    const successor = this.#table.associations.at(current)
    successor.predecessor = null
    const other = this.#table.pairs.findHalf(successor, tunnel) ?? this.#openTunnel(successor, timeUs)
    if (other === null) return
    tunnel.members--
    other.members++
    successor.tunnel = other.index
    successor.role = roleOf(other, successor.source)
    other.associations[successor.role] = current
    const reason = `${spiText(association.spi)}, which it seemed to replace, goes on`
    this.#events.tell('esp.association.parted', timeUs, successor, other, `is one of another pair: ${reason}`, {
      'event.reason': reason,
    })
    if (!other.isOpen && other.associations[INITIATOR] !== NONE && other.associations[RESPONDER] !== NONE) {
      other.isOpen = true
      this.#events.opened(other, successor, timeUs)
    }
  }

  /** A candidate that nothing came of: a lone packet is told, many of one source are a scan. */
  #settle(association: EspAssociation, timeUs: number): void {
    if (this.#findAnswer(association) !== null || this.#countLone(association, timeUs) <= LONE_TOLD)
      this.believe(association, timeUs)
    if (association.state === 'candidate') this.#forget(association)
  }

  /** What seems to be the other direction: it began at about the same time. */
  #findAnswer(association: EspAssociation): EspAssociation | null {
    const other = this.#table.findAnswer(association)
    if (other === null || other.carriage !== association.carriage) return null
    return Math.abs(other.startUs - association.startUs) <= PAIR_US ? other : null
  }

  /** How many SPIs of this source came to nothing in this minute. */
  #countLone(association: EspAssociation, timeUs: number): number {
    const spis = this.#scans.count(this.#table.endpoints.digest(association.source), association.startUs)
    if (isScan(spis)) this.#events.scanned(association, timeUs, spis)
    return spis
  }

  // --- IKE

  #ikeEnded(uid: string, timeUs: number, ending: IkeEnding): void {
    if (ending !== 'deleted') return
    for (const index of this.#table.childrenOf(uid)) {
      const association = this.#table.associations.at(index)
      association.parentEndedUs = timeUs
      this.#timers.schedule(index, Math.min(this.#deadline(association), timeUs + ORPHAN_US))
    }
  }

  /** Another IKE SA between the hosts may have taken the association over; if there is none, nobody answers for it. */
  lookForOrphan(frame: Frame, association: EspAssociation): void {
    if (association.isOrphanTold || association.tunnel === NONE) return
    if (frame.timeUs <= this.#sinceUs(association.parentEndedUs) + ORPHAN_US) return
    const parent = this.#ike.parentOf(frame)
    const isAlive = parent !== null && parent.uid !== association.parent?.uid
    association.isOrphanTold = true
    if (isAlive) {
      association.parentEndedUs = Number.POSITIVE_INFINITY
      return
    }
    const seconds = Math.round((frame.timeUs - association.parentEndedUs) / SECOND_US)
    const reason = `its IKE SA was deleted ${seconds} s ago`
    this.#events.tell(
      'esp.association.orphaned',
      frame.timeUs,
      association,
      this.#table.tunnelOf(association),
      `goes on: ${reason}`,
      { 'event.reason': reason },
    )
  }

  /** An association that gave way may end its last packets. */
  tellOutlived(frame: Frame, association: EspAssociation): void {
    if (association.state !== 'live') return
    association.isOutlivedTold = true
    association.outlivesUs = Number.POSITIVE_INFINITY
    const reason = `it is older than the ${association.parent?.lifetimeSeconds} s that its IKE SA may live`
    this.#events.tell(
      'esp.association.outlived',
      frame.timeUs,
      association,
      this.#table.tunnelOf(association),
      `goes on: ${reason}`,
      { 'event.reason': reason },
    )
  }

  // --- life and death

  #openTunnel(association: EspAssociation, timeUs: number): EspTunnel | null {
    const tunnel = this.#table.pairs.open(association)
    if (tunnel === null) {
      this.#full.tell('esp_tunnels', this.#table.pairs.capacity, timeUs, 'pairs of IPsec associations')
      return null
    }
    const { parent, outside } = association
    this.#table.tunnelMeter.open(tunnel.index, association.startUs)
    this.#traffic.open(tunnel.index, association.firstSequence <= FIRST_SEQUENCE_MAX, { timeUs: association.startUs })
    tunnel.uid = this.#events.tunnelUid(tunnel, association)
    const above = outside?.lineage ?? (parent === null ? [] : [parent.uid])
    tunnel.protection = {
      uid: tunnel.uid,
      ikeUid: parent?.uid ?? outside?.ikeUid,
      lineage: [...above, tunnel.uid],
    }
    return tunnel
  }

  #close(association: EspAssociation, timeUs: number, closedBy: EspClosedBy, reason: string): void {
    const tunnel = this.#table.tunnelOf(association)
    const { index, role } = association
    const lost = this.#table.windows.lost(index)
    tunnel.lost += lost
    this.lost += lost
    this.#events.associationClosed(association, tunnel, timeUs, closedBy, reason, this.#table.meter)
    if (tunnel.associations[role] === index) {
      tunnel.associations[role] = NONE
      // A direction that has ended is not half way through a rekeying.
      tunnel.switched &= ~(1 << role)
    }
    if (closedBy !== 'rekey') tunnel.ending = { closedBy, reason }
    this.#forget(association)
    if (--tunnel.members > 0) return
    this.#traffic.close(tunnel.index, this.#table.tunnelMeter.lastUs(tunnel.index))
    this.#flows.carrierClosed(tunnel)
    if (tunnel.isOpen) this.#events.tunnelClosed(tunnel, timeUs, this.#table.tunnelMeter)
    this.#table.pairs.free(tunnel)
  }

  #forget(association: EspAssociation): void {
    this.#timers.cancel(association.index)
    if (association.state === 'candidate') this.#candidates--
    this.#table.forget(association)
  }

  #deadline(association: EspAssociation): number {
    const { index, startUs, parentEndedUs } = association
    const lastUs = this.#sinceUs(this.#table.meter.lastUs(index))
    if (association.state === 'candidate') return lastUs + CANDIDATE_US
    if (association.isReplaced) return lastUs + OVERLAP_US
    let dueUs = lastUs + this.#idleUs
    if (!this.#table.tunnelOf(association).isOneWayTold) dueUs = Math.min(dueUs, this.#sinceUs(startUs) + ONE_WAY_US)
    const endedUs = this.#sinceUs(parentEndedUs) + ORPHAN_US
    return endedUs > this.#nowUs ? Math.min(dueUs, endedUs) : dueUs
  }

  /** Time in which nobody looked does not count. */
  #sinceUs(timeUs: number): number {
    return silentSince(timeUs, this.#pause)
  }

  #expired(index: number): void {
    if (!this.#table.associations.isUsed(index)) return
    const association = this.#table.associations.at(index)
    if (this.#endedWithIke(association)) {
      this.#closeUnused(association, this.#sinceUs(association.parentEndedUs) + ORPHAN_US)
      return
    }
    const dueUs = this.#deadline(association)
    if (dueUs > this.#nowUs) {
      this.#timers.schedule(index, dueUs)
      return
    }
    if (association.state === 'candidate') {
      this.#settle(association, dueUs)
      return
    }
    const lastUs = this.#sinceUs(this.#table.meter.lastUs(index))
    if (association.isReplaced) {
      this.#closeUnused(association, dueUs)
      return
    }
    if (lastUs + this.#idleUs <= this.#nowUs) {
      this.#close(association, dueUs, 'silence', `silent for ${Math.round(this.#idleUs / SECOND_US)} s`)
      return
    }
    this.#examine(association)
    this.#timers.schedule(index, Math.max(this.#deadline(association), this.#nowUs + SECOND_US))
  }

  #closeUnused(association: EspAssociation, timeUs: number): void {
    if (association.isReplaced) this.#close(association, timeUs, 'rekey', 'another association took its place')
    else this.#close(association, timeUs, 'ike', 'its IKE SA was deleted')
  }

  /** Long enough ago to tell. A candidate is settled by its own deadline. */
  #endedWithIke(association: EspAssociation): boolean {
    const { state, parentEndedUs } = association
    if (state === 'candidate' || this.#sinceUs(parentEndedUs) + ORPHAN_US > this.#nowUs) return false
    return this.#fellSilentWithIke(association)
  }

  /** Neither direction went on after the IKE SA was deleted. */
  #fellSilentWithIke({ tunnel, parentEndedUs }: EspAssociation): boolean {
    return this.#table.tunnelMeter.lastUs(tunnel) <= parentEndedUs + FADE_US && parentEndedUs < Number.POSITIVE_INFINITY
  }

  /** What time alone shows of an association that goes on. */
  #examine(association: EspAssociation): void {
    const { startUs } = association
    const tunnel = this.#table.tunnelOf(association)
    const oneWayUs = this.#sinceUs(startUs) + ONE_WAY_US
    if (!tunnel.isOneWayTold && oneWayUs <= this.#nowUs) {
      tunnel.isOneWayTold = true
      const packets = this.#table.tunnelMeter.packets(tunnel.index, association.role)
      const isAlone = tunnel.associations[1 - association.role] === NONE
      if (isAlone && packets >= ONE_WAY_PACKETS) this.#events.oneWay(tunnel, oneWayUs, packets)
    }
  }
}
