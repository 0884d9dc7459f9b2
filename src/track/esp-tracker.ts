/**
 * IPsec associations as a bystander sees them: who sends ESP or AH to whom under which SPI, what their sequence numbers say, and
 * what is inside where it can be read. How they come and go is in `esp-lifecycle.ts`.
 *
 * An association is one direction: it is found by both ends (addresses, and ports where UDP carries it), the kind of carriage, and
 * the SPI.
 */
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
import { CARRIAGE, type Carriage, type EspAssociation, type EspTunnel, NONE, READING } from './esp-association.ts'
import { EspContent } from './esp-content.ts'
import { EspEvents, lineageOf } from './esp-events.ts'
import { EspLifecycle, type EspLifecycleLimits, ORPHAN_US } from './esp-lifecycle.ts'
import { ARRIVAL, type Arrival } from './esp-sequence.ts'
import { EspTable } from './esp-table.ts'
import { EspTraffic } from './esp-traffic.ts'
import { EspTrafficEvents } from './esp-traffic-events.ts'
import type { IkeLookup } from './ike-lookup.ts'
import { INITIATOR, RESPONDER, type Role } from './role.ts'
import type { Pause } from './saved.ts'
import type { SavedAssociation, SavedPair } from './saved-esp.ts'

export interface EspLimits extends EspLifecycleLimits {
  readonly espAssociationsMax: number
  /** Numbers remembered below the highest, of each association; a power of two, 32 or more. */
  readonly espReplayWindow: number
  /** Packets that must agree before an association counts as not encrypted. */
  readonly espNullPackets: number
  /** What a pair is used for is judged in windows of that length. */
  readonly espWindowUs: number
  /** Findings of one kind about one association, and lone packets of one source, that are told in a minute. */
  readonly reportsPerMinute: number
}

/** What `observe` says of a packet. `INSIDE`: the packet that it carries is in `inside`. */
export const OUTCOME = { NOT_IPSEC: 0, DONE: 1, INSIDE: 2 } as const
export type Outcome = (typeof OUTCOME)[keyof typeof OUTCOME]

const SPI_RESERVED_MAX = 255

export class EspTracker implements CarrierOwner {
  readonly events: EspEvents
  readonly #anomalies: Anomalies
  readonly #flows: CarrierFlows
  readonly #limits: EspLimits
  readonly #table: EspTable
  /** Among the owners of carriers. */
  readonly #number: number
  readonly #traffic: EspTraffic
  readonly #allowances: Allowances
  readonly #lifecycle: EspLifecycle
  readonly #esp = new EspView()
  readonly #ah = new AhView()
  readonly #content: EspContent
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
    this.#limits = limits
    this.#number = carriers.admit(this)
    const table = new EspTable(limits.espAssociationsMax, limits.espReplayWindow, this, this.#number)
    this.#table = table
    this.events = new EspEvents(table.endpoints, emit, table.windows)
    this.#allowances = new Allowances(limits.reportsPerMinute, limits.sourcesMax)
    this.#traffic = new EspTraffic(
      new EspTrafficEvents(this.events, emit, this.#allowances, (index) => table.pairs.at(index)),
      limits.espWindowUs,
    )
    this.#lifecycle = new EspLifecycle(table, this.#traffic, this.events, flows, ike, emit, limits)
    this.#content = new EspContent(this.#esp, this.#ah, keyring, limits.espNullPackets, {
      read: (frame, association, words) => this.#becameReadable(frame, association, words),
      corrupt: (frame, association) =>
        this.#report(frame, 'esp.corrupt', association.carriage, spiText(association.spi), association),
      refused: (frame, association) => this.#tellRefused(frame, association),
    })
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
    return this.#lifecycle.lost
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
    if (this.#tunnel === null || !frame.hasInner) return
    const carrier = keyOf(this.#number, this.#tunnel.index)
    this.#flows.observe(frame, carrier, this.#sender)
    if (frame.trail.flow !== -1) frame.trail.carrier = carrier
  }

  *expire(nowUs: number): Generator<void> {
    yield* this.#lifecycle.expire(nowUs)
    yield* this.#traffic.expire(nowUs)
  }

  /** The end of the capture: everything that is open is told. */
  finish(nowUs: number): Generator<void> {
    return this.#lifecycle.finish(nowUs)
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
    this.#lifecycle.resume(pause)
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
    this.#lifecycle.watch(association)
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
    else if (association.state !== 'live') this.#lifecycle.lookAgain(frame, association, arrival)
    if (frame.timeUs > association.parentEndedUs + ORPHAN_US) this.#lifecycle.lookForOrphan(frame, association)
    if (frame.timeUs > association.outlivesUs) this.#lifecycle.tellOutlived(frame, association)
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
    else if (association.state !== 'live') this.#lifecycle.lookAgain(frame, association, arrival)
    if (frame.timeUs > association.parentEndedUs + ORPHAN_US) this.#lifecycle.lookForOrphan(frame, association)
    if (frame.timeUs > association.outlivesUs) this.#lifecycle.tellOutlived(frame, association)
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

  // --- content

  /** The packet in `inside` goes on its way, if one was found and somebody believes in the association. */
  #enter(frame: Frame, association: EspAssociation, isFound: boolean): Outcome {
    if (!isFound) return OUTCOME.DONE
    this.#lifecycle.believe(association, frame.timeUs)
    if (association.tunnel === NONE) return OUTCOME.DONE
    association.mode ??= this.#content.mode
    if (association.reading !== READING.KEYS) association.opened++
    this.#tunnel = this.#table.tunnelOf(association)
    this.#tunnel.isRead = true
    this.#sender = association.role
    return OUTCOME.INSIDE
  }

  #becameReadable(frame: Frame, association: EspAssociation, words: string): void {
    this.#lifecycle.believe(association, frame.timeUs)
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
    const association = this.#lifecycle.begin(frame, carriage, spi, sequence)
    if (association === null) return OUTCOME.DONE
    const { ip } = frame
    this.#mark(frame, association)
    this.#count(frame, association)
    this.#content.supplyKeys(association, ip.bytes, ip.sourceAt, ip.destinationAt, ip.addressLength)
    if (other !== null && other.state !== 'candidate') this.#collide(frame, association, other)
    if (association.reading !== READING.KEYS)
      return this.#enter(frame, association, this.#content.look(frame, association))
    if (!this.#content.open(frame, association)) return OUTCOME.DONE
    return this.#enter(frame, association, this.#content.lookInOpened(frame, association))
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
    this.#lifecycle.believe(association, frame.timeUs)
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
