/**
 * IPsec associations as a bystander sees them: who sends ESP or AH to whom under which SPI, which two of them belong together, what
 * their sequence numbers say, and what is inside where it can be read.
 *
 * An association is one direction: it is found by both ends (addresses, and ports where UDP carries it), the kind of carriage, and
 * the SPI. Whoever forges packets can name any SPI, so that an association is a candidate first: it is believed when a second packet
 * goes on from the first, when the other direction answers, or when its content can be read.
 */
import { SECOND_US } from '../base/time.ts'
import { Timers } from '../base/timers.ts'
import type { EspKeyring } from '../dissect/esp-keyring.ts'
import type { Frame, Protection } from '../dissect/frame.ts'
import type { InsidePacket } from '../dissect/ipsec-inside.ts'
import type { Emit } from '../events/catalogue.ts'
import { AhView } from '../wire/ah.ts'
import { EspView, spiText } from '../wire/esp.ts'
import { ikePortContent, NON_IKE_MARKER_LENGTH, nattContent } from '../wire/nat-t.ts'
import { Allowances } from './allowances.ts'
import type { Anomalies } from './anomalies.ts'
import { type Carrier, type CarrierOwner, type Carriers, keyOf } from './carrier.ts'
import type { CarrierFlows } from './carrier-flows.ts'
import {
  CARRIAGE,
  type Carriage,
  type EspAssociation,
  type EspClosedBy,
  type EspTunnel,
  NONE,
  READING,
} from './esp-association.ts'
import { EspContent } from './esp-content.ts'
import { EspEvents, lineageOf } from './esp-events.ts'
import { roleOf } from './esp-pairs.ts'
import { EspScans, isScan } from './esp-scans.ts'
import { ARRIVAL, type Arrival } from './esp-sequence.ts'
import { EspTable } from './esp-table.ts'
import { EspTraffic } from './esp-traffic.ts'
import { EspTrafficEvents } from './esp-traffic-events.ts'
import { FullTable } from './full-table.ts'
import type { IkeEnding, IkeLookup } from './ike-lookup.ts'
import { vlanOf } from './outer.ts'
import { INITIATOR, RESPONDER, type Role } from './role.ts'
import { NO_PAUSE, type Pause, silentSince } from './saved.ts'
import type { SavedAssociation, SavedPair } from './saved-esp.ts'

export interface EspLimits {
  readonly espAssociationsMax: number
  /** An association without a packet for this long has ended. */
  readonly espIdleUs: number
  /** Numbers remembered below the highest, of each association; a power of two, 32 or more. */
  readonly espReplayWindow: number
  /** Packets that must agree before an association counts as not encrypted. */
  readonly espNullPackets: number
  /** What a pair is used for is judged in windows of that length. */
  readonly espWindowUs: number
  /** Findings of one kind about one association, and lone packets of one source, that are told in a minute. */
  readonly reportsPerMinute: number
  readonly sourcesMax: number
}

/** What `observe` says of a packet. `INSIDE`: the packet that it carries is in `inside`. */
export const OUTCOME = { NOT_IPSEC: 0, DONE: 1, INSIDE: 2 } as const
export type Outcome = (typeof OUTCOME)[keyof typeof OUTCOME]

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
const ORPHAN_US = 30 * SECOND_US
/** SPIs that came to nothing, of one source in a minute, that are told one by one. */
const LONE_TOLD = 3
const SPI_RESERVED_MAX = 255
/** A pair whose first packet has no higher number is seen from its start. */
const FIRST_SEQUENCE_MAX = 8

export class EspTracker implements CarrierOwner {
  readonly events: EspEvents
  readonly #anomalies: Anomalies
  readonly #flows: CarrierFlows
  readonly #ike: IkeLookup
  readonly #limits: EspLimits
  readonly #table: EspTable
  /** Among the owners of carriers. */
  readonly #number: number
  readonly #traffic: EspTraffic
  readonly #timers = new Timers()
  readonly #allowances: Allowances
  readonly #full: FullTable
  readonly #scans: EspScans
  readonly #esp = new EspView()
  readonly #ah = new AhView()
  readonly #content: EspContent
  readonly #expire = (index: number) => this.#expired(index)
  #candidates = 0
  #nowUs = 0
  #pause = NO_PAUSE
  #lost = 0
  /** The pair whose content was found last, and the end that sent it. */
  #tunnel: EspTunnel | null = null
  #sender: Role = INITIATOR
  constructor(
    emit: Emit,
    anomalies: Anomalies,
    flows: CarrierFlows,
    carriers: Carriers,
    ike: IkeLookup,
    keyring: EspKeyring,
    limits: EspLimits,
  ) {
    this.#anomalies = anomalies
    this.#flows = flows
    this.#ike = ike
    this.#limits = limits
    this.#number = carriers.admit(this)
    const table = new EspTable(limits.espAssociationsMax, limits.espReplayWindow, this, this.#number)
    this.#table = table
    this.events = new EspEvents(table.endpoints, emit, table.windows)
    this.#scans = new EspScans(limits.sourcesMax)
    this.#allowances = new Allowances(limits.reportsPerMinute, limits.sourcesMax)
    this.#traffic = new EspTraffic(
      new EspTrafficEvents(this.events, emit, this.#allowances, (index) => table.pairs.at(index)),
      limits.espWindowUs,
    )
    this.#full = new FullTable(emit)
    this.#content = new EspContent(this.#esp, this.#ah, keyring, limits.espNullPackets, {
      read: (frame, association, words) => this.#becameReadable(frame, association, words),
      corrupt: (frame, association) =>
        this.#report(frame, 'esp.corrupt', association.carriage, spiText(association.spi), association),
      refused: (frame, association) => this.#tellRefused(frame, association),
    })
    ike.onEnded((uid, timeUs, ending) => this.#ikeEnded(uid, timeUs, ending))
  }

  /** Associations followed, candidates included. */
  get size(): number {
    return this.#table.associations.size
  }

  get pairs(): number {
    return this.#table.pairs.size
  }

  /** Findings that were not told. */
  get suppressed(): number {
    return this.#allowances.suppressed
  }

  /** Packets that were sent, by their sequence numbers, and not seen, on the associations that have ended. */
  get lost(): number {
    return this.#lost
  }

  /** The packet that `observe` found, until the next call. */
  get inside(): InsidePacket {
    return this.#content.inside
  }

  /** IPsec around the packet in `inside`. */
  get protection(): Protection | null {
    return this.#tunnel?.protection ?? null
  }

  /** A packet that the dissector found to be, or to be able to hold, ESP or AH. */
  observe(frame: Frame, verdict: 'esp' | 'ah' | 'natt' | 'ike'): Outcome {
    const { ip, udp } = frame
    switch (verdict) {
      case 'esp':
        return this.#observeEsp(frame, ip.bytes, ip.payloadStart, ip.payloadEnd, ip.wireEnd, CARRIAGE.ESP)
      case 'ah':
        return this.#observeAh(frame)
      case 'natt': {
        if (nattContent(udp.bytes, udp.payloadStart, udp.payloadEnd, udp.wireEnd) !== 'esp') return OUTCOME.NOT_IPSEC
        return this.#observeEsp(frame, udp.bytes, udp.payloadStart, udp.payloadEnd, udp.wireEnd, CARRIAGE.ESP_UDP)
      }
      default: {
        // ESP of the first drafts, where the cookie of IKE would stand.
        if (ikePortContent(udp.bytes, udp.payloadStart, udp.payloadEnd) !== 'esp') return OUTCOME.NOT_IPSEC
        const start = udp.payloadStart + NON_IKE_MARKER_LENGTH
        return this.#observeEsp(frame, udp.bytes, start, udp.payloadEnd, udp.wireEnd, CARRIAGE.ESP_UDP)
      }
    }
  }

  /** An ESP packet out of a TCP stream (RFC 9329), in the frame that completed it. */
  observeInTcp(frame: Frame, bytes: Uint8Array, start: number, end: number): Outcome {
    return this.#observeEsp(frame, bytes, start, end, end, CARRIAGE.ESP_TCP)
  }

  /** The packet in `inside` is none of the protocols of tunnels: it belongs to a flow. `frame.inner` has been read. */
  observeInner(frame: Frame): void {
    if (this.#tunnel !== null && frame.hasInner)
      this.#flows.observe(frame, keyOf(this.#number, this.#tunnel.index), this.#sender)
  }

  *expire(nowUs: number): Generator<void> {
    this.#nowUs = nowUs
    yield* this.#timers.advance(nowUs, this.#expire)
    yield* this.#traffic.expire(nowUs)
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

  /** What events call an association; empty while nobody believes in it. */
  uidOf(index: number): string {
    return this.#table.associations.at(index).uid
  }

  /** From the IKE SA that made it to the association itself; without it if nobody believes in it yet. */
  lineageOf(index: number): readonly string[] {
    const association = this.#table.associations.at(index)
    return association.tunnel === NONE ? [] : lineageOf(association, this.#table.tunnelOf(association))
  }

  // --- over a restart of the sensor

  /** Every pair, then every association that belongs to one. Candidates are nothing yet. */
  save(): Generator<{ readonly pair: SavedPair } | { readonly association: SavedAssociation }> {
    return this.#table.save()
  }

  /**
   * Takes up what `save` gave, all of it, for a tracker that has seen no packet. Gives how many pairs there are, and how many things
   * found no room.
   */
  restore(
    pairs: readonly SavedPair[],
    associations: readonly SavedAssociation[],
    pause: Pause,
  ): { readonly pairs: number; readonly leftOut: number } {
    const { savedUs, nowUs } = pause
    this.#pause = pause
    this.#table.pairs.pause = pause
    const byUid = new Map<string, EspTunnel>()
    for (const pair of pairs) {
      const tunnel = byUid.has(pair.uid) ? null : this.#table.resumePair(pair)
      if (tunnel === null) continue
      this.#traffic.open(tunnel.index, false, { timeUs: nowUs })
      byUid.set(pair.uid, tunnel)
    }
    let leftOut = 0
    for (const saved of associations) {
      const tunnel = byUid.get(saved.pair)
      if (tunnel === undefined || !this.#resume(saved, tunnel, nowUs > savedUs)) leftOut++
    }
    for (const tunnel of byUid.values()) {
      // A direction that is not there is not half way through a rekeying.
      for (const role of [INITIATOR, RESPONDER]) if (tunnel.associations[role] === NONE) tunnel.switched &= ~(1 << role)
      if (tunnel.members === 0) this.#table.pairs.free(tunnel)
    }
    const { size } = this.#table.pairs
    return { pairs: size, leftOut: leftOut + pairs.length - size }
  }

  /** Other keys are there: associations are tried with them, unless what opened them so far is among them. */
  keysChanged(): void {
    for (const index of this.#table.associations.used()) {
      const association = this.#table.associations.at(index)
      if (this.#content.isToBeTriedAgain(association)) this.#supplyKeys(association)
    }
  }

  #resume(saved: SavedAssociation, tunnel: EspTunnel, isLater: boolean): boolean {
    const association = this.#table.resume(saved, tunnel, isLater)
    if (association === null) return false
    this.#traffic.beginHolding(association.index)
    if (association.reading === READING.KEYS) {
      // The keys may have changed since.
      association.reading = READING.UNDECIDED
      this.#supplyKeys(association)
    }
    this.#timers.schedule(association.index, this.#deadline(association))
    return true
  }

  /** By the ends that it has: what is followed in a packet has them there. */
  #supplyKeys(association: EspAssociation): void {
    const { endpoints } = this.#table
    const [from, to] = [endpoints.bytes(association.source), endpoints.bytes(association.destination)]
    this.#content.supplyKeys(association, Uint8Array.of(...from, ...to), 0, from.length, from.length)
  }

  // --- carriers

  at(index: number): Carrier {
    return this.#table.pairs.at(index)
  }

  *carriers(): Generator<Carrier> {
    for (const index of this.#table.pairs.used()) yield this.#table.pairs.at(index)
  }

  identify(carrier: Carrier) {
    const { uid, protection } = carrier as EspTunnel
    return { 'esp.tunnel.uid': uid, 'ike.uid': protection.ikeUid, 'borescope.lineage': protection.lineage }
  }

  hosts(carrier: Carrier, source: Role) {
    return this.events.tunnelHosts(carrier as EspTunnel, source)
  }

  traffic(carrier: Carrier, source: Role) {
    return this.events.traffic(carrier as EspTunnel, this.#table.tunnelMeter, source)
  }

  // --- packets

  #observeEsp(
    frame: Frame,
    bytes: Uint8Array,
    start: number,
    end: number,
    wireEnd: number,
    carriage: Carriage,
  ): Outcome {
    const esp = this.#esp
    const flaw = esp.decode(bytes, start, end, wireEnd)
    if (flaw !== null) {
      if (flaw !== 'esp.truncated' || wireEnd <= end) this.#report(frame, flaw, carriage, `${wireEnd - start} bytes`)
      return OUTCOME.DONE
    }
    if (!esp.isAligned) this.#report(frame, 'esp.alignment', carriage, `${wireEnd - start} bytes`)
    // As signed numbers: half of the unsigned ones would be boxed at each call.
    const known = this.#table.find(frame, carriage, esp.spi | 0)
    if (known !== NONE) return this.#observeKnown(frame, this.#table.associations.at(known), esp.sequence | 0)
    if (esp.hasReservedSpi) this.#report(frame, 'esp.spi_reserved', carriage, spiText(esp.spi))
    return this.#observeUnknown(frame, carriage, esp.spi, esp.sequence)
  }

  #observeAh(frame: Frame): Outcome {
    const { ip } = frame
    const ah = this.#ah
    const flaw = ah.decode(ip.bytes, ip.payloadStart, ip.payloadEnd, ip.wireEnd)
    if (flaw !== null) {
      if (flaw !== 'ah.truncated' || ip.wireEnd <= ip.payloadEnd)
        this.#report(frame, flaw, CARRIAGE.AH, `${ip.wireEnd - ip.payloadStart} bytes`)
      return OUTCOME.DONE
    }
    const known = this.#table.find(frame, CARRIAGE.AH, ah.spi | 0)
    if (known !== NONE) return this.#observeKnown(frame, this.#table.associations.at(known), ah.sequence | 0)
    if (ah.spi <= SPI_RESERVED_MAX) this.#report(frame, 'ah.spi_reserved', CARRIAGE.AH, spiText(ah.spi))
    return this.#observeUnknown(frame, CARRIAGE.AH, ah.spi, ah.sequence)
  }

  #observeKnown(frame: Frame, association: EspAssociation, sequence: number): Outcome {
    this.#mark(frame, association)
    this.#count(frame, association)
    if (association.reading === READING.KEYS) return this.#observeKeyed(frame, association, sequence)
    const arrival = this.#table.windows.take(association.index, sequence)
    if (arrival > ARRIVAL.LATE) this.#tellArrival(frame, association, sequence, arrival)
    else if (association.state !== 'live') this.#lookAgain(frame, association, arrival)
    if (frame.timeUs > association.parentEndedUs + ORPHAN_US) this.#lookForOrphan(frame, association)
    if (frame.timeUs > association.outlivesUs) this.#tellOutlived(frame, association)
    if (arrival === ARRIVAL.AGAIN || arrival === ARRIVAL.BELOW || association.reading === READING.OPAQUE)
      return OUTCOME.DONE
    return this.#enter(frame, association, this.#content.look(frame, association))
  }

  /** With keys that fit, only what is authentic moves the window, as at the receiver (RFC 4303 section 3.4.3). */
  #observeKeyed(frame: Frame, association: EspAssociation, sequence: number): Outcome {
    const { index } = association
    const isOpened = this.#content.open(frame, association)
    if (!isOpened && association.hasProvenKeys && !this.#esp.isSnapped) return OUTCOME.DONE
    const arrival = this.#table.windows.take(index, sequence)
    if (arrival === ARRIVAL.AHEAD && isOpened) {
      this.#table.windows.believe(index)
      this.#tellArrival(frame, association, sequence, ARRIVAL.RESUMED)
    } else if (arrival > ARRIVAL.LATE) this.#tellArrival(frame, association, sequence, arrival)
    else if (association.state !== 'live') this.#lookAgain(frame, association, arrival)
    if (frame.timeUs > association.parentEndedUs + ORPHAN_US) this.#lookForOrphan(frame, association)
    if (frame.timeUs > association.outlivesUs) this.#tellOutlived(frame, association)
    if (!isOpened || arrival === ARRIVAL.AGAIN || arrival === ARRIVAL.BELOW) return OUTCOME.DONE
    return this.#enter(frame, association, this.#content.lookInOpened(frame, association))
  }

  #mark({ trail }: Frame, { index, spi }: EspAssociation): void {
    trail.association = index
    trail.spi = spi | 0
  }

  #count(frame: Frame, { index, tunnel, role, carriage }: EspAssociation): void {
    const { ip } = frame
    const bytes = ip.wireEnd - ip.headerStart
    this.#table.meter.count(index, 0, bytes, frame)
    if (tunnel !== NONE) this.#table.tunnelMeter.count(tunnel, role, bytes, frame)
    // AH hides nothing.
    if (carriage === CARRIAGE.AH) return
    const { start, wireEnd } = this.#esp
    if (tunnel === NONE) this.#traffic.hold(index, wireEnd - start, frame)
    else this.#traffic.count(tunnel, role, wireEnd - start, frame)
  }

  /** A candidate, or an association that another one took the place of. */
  #lookAgain(frame: Frame, association: EspAssociation, arrival: Arrival): void {
    if (association.state === 'candidate') {
      if (arrival !== ARRIVAL.LATE) this.#believe(association, frame.timeUs)
    } else if (frame.timeUs > this.#sinceUs(association.replacedUs) + OVERLAP_US) this.#split(association, frame.timeUs)
  }

  // --- content

  /** The packet in `inside` goes on its way, if one was found and somebody believes in the association. */
  #enter(frame: Frame, association: EspAssociation, isFound: boolean): Outcome {
    if (!isFound) return OUTCOME.DONE
    this.#believe(association, frame.timeUs)
    if (association.tunnel === NONE) return OUTCOME.DONE
    association.mode ??= this.#content.mode
    if (association.reading !== READING.KEYS) association.opened++
    this.#tunnel = this.#table.tunnelOf(association)
    this.#tunnel.isRead = true
    this.#sender = association.role
    return OUTCOME.INSIDE
  }

  #becameReadable(frame: Frame, association: EspAssociation, words: string): void {
    this.#believe(association, frame.timeUs)
    if (association.tunnel === NONE) return
    this.events.tell('esp.association.read', frame.timeUs, association, this.#table.tunnelOf(association), words, {})
  }

  #tellRefused(frame: Frame, association: EspAssociation): void {
    if (association.isRefusalTold || association.tunnel === NONE) return
    association.isRefusalTold = true
    const reason = `the keys for ${association.openers.map(({ keys }) => keys.suite).join(', ')} opened none of ${association.refused} packets`
    this.events.tell(
      'esp.keys.refused',
      frame.timeUs,
      association,
      this.#table.tunnelOf(association),
      `is not opened: ${reason}`,
      { 'event.reason': reason },
    )
  }

  // --- sequence numbers

  #tellArrival(frame: Frame, association: EspAssociation, sequence: number, arrival: Arrival): void {
    if (association.tunnel === NONE || arrival === ARRIVAL.AHEAD) return
    const suppressed = this.#allowances.take(`${association.uid} ${arrival}`, frame.timeUs, String(sequence >>> 0))
    if (suppressed !== -1)
      this.events.arrived(
        association,
        this.#table.tunnelOf(association),
        frame.timeUs,
        sequence >>> 0,
        arrival,
        suppressed,
      )
  }

  // --- associations that nobody knows yet

  #observeUnknown(frame: Frame, carriage: Carriage, spi: number, sequence: number): Outcome {
    const other = this.#table.findElsewhere(frame, carriage, spi)
    if (other !== null && this.#isContinued(other, sequence)) {
      this.#follow(frame, other)
      return this.#observeKnown(frame, other, sequence)
    }
    const association = this.#begin(frame, carriage, spi, sequence)
    if (association === null) return OUTCOME.DONE
    if (other !== null && other.state !== 'candidate') this.#collide(frame, association, other)
    if (association.reading !== READING.KEYS)
      return this.#enter(frame, association, this.#content.look(frame, association))
    if (!this.#content.open(frame, association)) return OUTCOME.DONE
    return this.#enter(frame, association, this.#content.lookInOpened(frame, association))
  }

  #begin(frame: Frame, carriage: Carriage, spi: number, sequence: number): EspAssociation | null {
    const { ip, timeUs } = frame
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
    const { index } = association
    this.#mark(frame, association)
    association.vlan = vlanOf(frame)
    association.outside = frame.protection
    association.descend(this.#ike.parentOf(frame), false)
    this.#candidates++
    this.#traffic.beginHolding(index)
    this.#count(frame, association)
    this.#content.supplyKeys(association, ip.bytes, ip.sourceAt, ip.destinationAt, ip.addressLength)
    this.#timers.schedule(index, timeUs + CANDIDATE_US)
    return association
  }

  /** A second packet, an answer, or content that can be read: from now on it is told of. */
  #believe(association: EspAssociation, timeUs: number): void {
    if (association.state !== 'candidate') return
    const tunnel = this.#table.pairs.find(association) ?? this.#openTunnel(association, timeUs)
    if (tunnel === null) return
    association.role = roleOf(tunnel, association.source)
    this.#accept(association, tunnel, timeUs)
    const other = this.#findAnswer(association)
    if (other?.state === 'candidate') this.#believe(other, timeUs)
  }

  #accept(association: EspAssociation, tunnel: EspTunnel, timeUs: number): void {
    const { index, role } = association
    this.#candidates--
    association.state = 'live'
    association.uid = this.events.associationUid(association)
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
      this.events.opened(tunnel, association, timeUs)
    }
    this.#tellRekeyed(association, tunnel, timeUs)
    this.#timers.schedule(index, this.#deadline(association))
  }

  #tellSeen(association: EspAssociation, tunnel: EspTunnel, timeUs: number): void {
    const { predecessor } = association
    const words =
      predecessor === null
        ? `began at sequence number ${association.firstSequence}`
        : `replaces ${spiText(predecessor.spi)}`
    this.events.tell('esp.association.seen', timeUs, association, tunnel, words, {})
  }

  #tellRekeyed(association: EspAssociation, tunnel: EspTunnel, timeUs: number): void {
    if (association.predecessor === null) return
    tunnel.switched |= 1 << association.role
    if (tunnel.switched !== 3) return
    tunnel.switched = 0
    tunnel.rekeys++
    const spis = tunnel.associations.map((index) => this.#table.associations.at(index).spi)
    this.events.rekeyed(tunnel, timeUs, spis)
  }

  /** The association that sent in this role so far gives way. */
  #replace(association: EspAssociation, tunnel: EspTunnel, timeUs: number): void {
    const before = tunnel.associations[association.role]
    if (before === NONE) return
    const old = this.#table.associations.at(before)
    old.state = 'replaced'
    old.replacedUs = timeUs
    association.predecessor = { uid: old.uid, spi: old.spi }
    this.#timers.schedule(before, this.#deadline(old))
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
    this.#timers.schedule(association.index, this.#deadline(association))
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
    this.events.tell('esp.association.parted', timeUs, successor, other, `is one of another pair: ${reason}`, {
      'event.reason': reason,
    })
    if (!other.isOpen && other.associations[INITIATOR] !== NONE && other.associations[RESPONDER] !== NONE) {
      other.isOpen = true
      this.events.opened(other, successor, timeUs)
    }
  }

  /** A candidate that nothing came of: a lone packet is told, many of one source are a scan. */
  #settle(association: EspAssociation, timeUs: number): void {
    if (this.#findAnswer(association) !== null || this.#countLone(association, timeUs) <= LONE_TOLD)
      this.#believe(association, timeUs)
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
    if (isScan(spis)) this.events.scanned(association, timeUs, spis)
    return spis
  }

  // --- ends that move, SPIs that meet

  /** Whether a number may be the next of a stream whose packets come from another port by now. */
  #isContinued({ index }: EspAssociation, sequence: number): boolean {
    const ahead = (sequence - this.#table.windows.highest(index)) | 0
    return ahead > 0 && ahead <= this.#limits.espReplayWindow
  }

  #follow(frame: Frame, association: EspAssociation): void {
    const { sourcePort, timeUs } = frame
    const before = this.#table.endpoints.port(association.source)
    const hasMoved = this.#table.follow(frame, association)
    if (!hasMoved || association.tunnel === NONE || before === sourcePort) return
    const tunnel = this.#table.tunnelOf(association)
    const suppressed = this.#allowances.take(`${tunnel.uid} moved`, timeUs, String(sourcePort))
    if (suppressed !== -1) this.events.moved(tunnel, association.role, before, timeUs, suppressed)
  }

  #collide(frame: Frame, association: EspAssociation, other: EspAssociation): void {
    this.#believe(association, frame.timeUs)
    if (association.tunnel === NONE) return
    const [from, elsewhere] = [association, other].map(({ source }) => this.#table.endpoints.port(source))
    const reason = `port ${from} uses the SPI that port ${elsewhere} uses`
    this.events.tell(
      'esp.spi.collided',
      frame.timeUs,
      association,
      this.#table.tunnelOf(association),
      `collides: ${reason}`,
      {
        'event.reason': reason,
      },
    )
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
  #lookForOrphan(frame: Frame, association: EspAssociation): void {
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
    this.events.tell(
      'esp.association.orphaned',
      frame.timeUs,
      association,
      this.#table.tunnelOf(association),
      `goes on: ${reason}`,
      { 'event.reason': reason },
    )
  }

  /** An association that gave way may end its last packets. */
  #tellOutlived(frame: Frame, association: EspAssociation): void {
    if (association.state !== 'live') return
    association.isOutlivedTold = true
    association.outlivesUs = Number.POSITIVE_INFINITY
    const reason = `it is older than the ${association.parent?.lifetimeSeconds} s that its IKE SA may live`
    this.events.tell(
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
    tunnel.uid = this.events.tunnelUid(tunnel, association)
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
    this.#lost += lost
    this.events.associationClosed(association, tunnel, timeUs, closedBy, reason, this.#table.meter)
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
    if (tunnel.isOpen) this.events.tunnelClosed(tunnel, timeUs, this.#table.tunnelMeter)
    if (this.#tunnel === tunnel) this.#tunnel = null
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
    let dueUs = lastUs + this.#limits.espIdleUs
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
    if (lastUs + this.#limits.espIdleUs <= this.#nowUs) {
      this.#close(association, dueUs, 'silence', `silent for ${Math.round(this.#limits.espIdleUs / SECOND_US)} s`)
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
      if (isAlone && packets >= ONE_WAY_PACKETS) this.events.oneWay(tunnel, oneWayUs, packets)
    }
  }

  #report(frame: Frame, name: string, carriage: Carriage, detail: string, association?: EspAssociation): void {
    const layer = carriage === CARRIAGE.AH ? 'ah' : 'esp'
    const hosts = carriage === CARRIAGE.ESP || carriage === CARRIAGE.AH ? 'ip' : 'udp'
    const tunnel =
      association === undefined || association.tunnel === NONE ? undefined : this.#table.tunnelOf(association)
    this.#anomalies.report(frame, name, layer, detail, hosts, {
      'network.protocol': layer,
      'esp.tunnel.uid': tunnel?.uid,
      'borescope.lineage': tunnel?.protection.lineage,
    })
  }
}
