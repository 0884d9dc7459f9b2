/**
 * IPsec associations as a bystander sees them: who sends ESP or AH to whom under which SPI, which two of them belong together, what
 * their sequence numbers say, and what is inside where it can be read.
 *
 * An association is one direction: it is found by both ends (addresses, and ports where UDP carries it), the kind of carriage, and
 * the SPI. Whoever forges packets can name any SPI, so that an association is a candidate first: it is believed when a second packet
 * goes on from the first, when the other direction answers, or when its content can be read.
 */
import { hashWindow, mixPair } from '../base/hash.ts'
import { Endpoints } from '../base/endpoints.ts'
import { Pool } from '../base/pool.ts'
import { SECOND_US } from '../base/time.ts'
import { Timers } from '../base/timers.ts'
import type { EspKeyring } from '../dissect/esp-keyring.ts'
import type { Frame, Protection } from '../dissect/frame.ts'
import { InsidePacket } from '../dissect/ipsec-inside.ts'
import type { Emit } from '../events/catalogue.ts'
import { AhView } from '../wire/ah.ts'
import { EspView, spiText } from '../wire/esp.ts'
import { NULL_VERDICT, NullRecogniser } from '../wire/esp-null.ts'
import { EspOpener } from '../wire/esp-open.ts'
import { IP_PROTOCOL } from '../wire/ip.ts'
import { ikePortContent, NON_IKE_MARKER_LENGTH, nattContent } from '../wire/nat-t.ts'
import { Allowances } from './allowances.ts'
import type { Anomalies } from './anomalies.ts'
import { type Carrier, type CarrierOwner, type Carriers, keyOf } from './carrier.ts'
import type { CarrierFlows } from './carrier-flows.ts'
import {
  CARRIAGE,
  type Carriage,
  EspAssociation,
  type EspClosedBy,
  type EspTunnel,
  NONE,
  READING,
} from './esp-association.ts'
import { EspEvents, lineageOf } from './esp-events.ts'
import { EspNames } from './esp-names.ts'
import { EspPairs, roleOf } from './esp-pairs.ts'
import { EspScans, isScan } from './esp-scans.ts'
import { ARRIVAL, type Arrival, SequenceWindows } from './esp-sequence.ts'
import { EspTraffic } from './esp-traffic.ts'
import { EspTrafficEvents } from './esp-traffic-events.ts'
import { FullTable } from './full-table.ts'
import type { IkeEnding, IkeLookup } from './ike-lookup.ts'
import { Meter } from './meter.ts'
import { vlanOf } from './outer.ts'
import { INITIATOR, RESPONDER, type Role } from './role.ts'
import type { Pause, SavedEndpoint } from './saved.ts'
import {
  loadAssociation,
  loadPair,
  type SavedAssociation,
  type SavedPair,
  saveAssociation,
  savePair,
} from './saved-esp.ts'

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
/** Packets that supplied keys must fail to open before that is told. */
const REFUSED_AFTER = 8
/** SPIs that came to nothing, of one source in a minute, that are told one by one. */
const LONE_TOLD = 3
const SPI_RESERVED_MAX = 255
const DEPTHS = 5
/** A pair whose first packet has no higher number is seen from its start. */
const FIRST_SEQUENCE_MAX = 8

export class EspTracker implements CarrierOwner {
  readonly events: EspEvents
  readonly #endpoints: Endpoints
  readonly #anomalies: Anomalies
  readonly #flows: CarrierFlows
  readonly #ike: IkeLookup
  readonly #keyring: EspKeyring
  readonly #limits: EspLimits
  readonly #associations: Pool<EspAssociation>
  readonly #pairs: EspPairs
  /** Among the owners of carriers. */
  readonly #number: number
  readonly #names: EspNames
  readonly #byIke = new Map<string, Set<number>>()
  readonly #meter = new Meter()
  readonly #tunnelMeter = new Meter()
  readonly #windows: SequenceWindows
  readonly #traffic: EspTraffic
  readonly #timers = new Timers()
  readonly #recogniser: NullRecogniser
  readonly #allowances: Allowances
  readonly #full: FullTable
  readonly #scans: EspScans
  readonly #esp = new EspView()
  readonly #ah = new AhView()
  readonly #insides: readonly InsidePacket[]
  readonly #expire = (index: number) => this.#expired(index)
  #candidates = 0
  #nowUs = 0
  #lost = 0
  /** The pair whose content was found last, and the end that sent it. */
  #tunnel: EspTunnel | null = null
  #sender: Role = INITIATOR
  /** The packet that `observe` found, until the next call. */
  inside: InsidePacket

  constructor(
    emit: Emit,
    anomalies: Anomalies,
    flows: CarrierFlows,
    carriers: Carriers,
    ike: IkeLookup,
    keyring: EspKeyring,
    limits: EspLimits,
  ) {
    const { espAssociationsMax: capacity } = limits
    this.#endpoints = new Endpoints(capacity * 2 + 1024)
    this.#windows = new SequenceWindows(limits.espReplayWindow)
    this.events = new EspEvents(this.#endpoints, emit, this.#windows)
    this.#anomalies = anomalies
    this.#flows = flows
    this.#ike = ike
    this.#keyring = keyring
    this.#limits = limits
    this.#number = carriers.admit(this)
    this.#associations = new Pool(capacity, (index) => new EspAssociation(index))
    this.#pairs = new EspPairs(this.#endpoints, this.#associations, this.#meter, this, this.#number)
    this.#names = new EspNames(capacity)
    this.#scans = new EspScans(limits.sourcesMax)
    this.#recogniser = new NullRecogniser({ packetsMin: limits.espNullPackets })
    this.#allowances = new Allowances(limits.reportsPerMinute, limits.sourcesMax)
    this.#traffic = new EspTraffic(
      new EspTrafficEvents(this.events, emit, this.#allowances, (index) => this.#pairs.at(index)),
      limits.espWindowUs,
    )
    this.#full = new FullTable(emit)
    this.#insides = Array.from({ length: DEPTHS }, () => new InsidePacket())
    this.inside = this.#insides[0]
    ike.onEnded((uid, timeUs, ending) => this.#ikeEnded(uid, timeUs, ending))
  }

  /** Associations followed, candidates included. */
  get size(): number {
    return this.#associations.size
  }

  get pairs(): number {
    return this.#pairs.size
  }

  /** Findings that were not told. */
  get suppressed(): number {
    return this.#allowances.suppressed
  }

  /** Packets that were sent, by their sequence numbers, and not seen, on the associations that have ended. */
  get lost(): number {
    return this.#lost
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
    for (const index of this.#associations.used()) {
      const association = this.#associations.at(index)
      if (association.state === 'candidate') this.#settle(association, nowUs)
      if (!this.#associations.isUsed(index) || association.tunnel === NONE) continue
      if (association.isReplaced || this.#fellSilentWithIke(association)) this.#closeUnused(association, nowUs)
      else this.#close(association, nowUs, 'capture_end', 'the capture ended')
      yield
    }
  }

  /** What events call an association; empty while nobody believes in it. */
  uidOf(index: number): string {
    return this.#associations.at(index).uid
  }

  /** From the IKE SA that made it to the association itself; without it if nobody believes in it yet. */
  lineageOf(index: number): readonly string[] {
    const association = this.#associations.at(index)
    return association.tunnel === NONE ? [] : lineageOf(association, this.#tunnelOf(association))
  }

  // --- over a restart of the sensor

  /** Every pair, then every association that belongs to one. Candidates are nothing yet. */
  *save(): Generator<{ readonly pair: SavedPair } | { readonly association: SavedAssociation }> {
    for (const index of this.#pairs.used()) {
      const tunnel = this.#pairs.at(index)
      yield { pair: savePair(tunnel, tunnel.endpoints.map(this.#endpointOf), this.#tunnelMeter.save(index)) }
    }
    for (const index of this.#associations.used()) {
      const association = this.#associations.at(index)
      if (association.tunnel === NONE) continue
      const window = this.#windows.save(index)
      const tunnel = this.#tunnelOf(association)
      yield { association: saveAssociation(association, tunnel, this.#meter.save(index), window) }
    }
  }

  /**
   * Takes up what `save` gave, all of it, for a tracker that has seen no packet. Gives how many pairs there are, and how many things
   * found no room.
   */
  restore(
    pairs: readonly SavedPair[],
    associations: readonly SavedAssociation[],
    { savedUs, nowUs }: Pause,
  ): { readonly pairs: number; readonly leftOut: number } {
    const byUid = new Map<string, EspTunnel>()
    for (const pair of pairs) {
      const tunnel = this.#resumePair(pair, nowUs)
      if (tunnel !== null) byUid.set(pair.uid, tunnel)
    }
    let leftOut = pairs.length - byUid.size
    for (const saved of associations) {
      const tunnel = byUid.get(saved.pair)
      if (tunnel === undefined || !this.#resume(saved, tunnel, nowUs > savedUs)) leftOut++
    }
    for (const tunnel of byUid.values()) if (tunnel.members === 0) this.#pairs.free(tunnel)
    return { pairs: this.#pairs.size, leftOut }
  }

  /** Other keys are there: associations of which nothing was opened are tried with them. */
  keysChanged(): void {
    for (const index of this.#associations.used()) {
      const association = this.#associations.at(index)
      const { source, destination, carriage, reading, opened } = association
      const isKeyed = reading === READING.KEYS
      if (carriage === CARRIAGE.AH || reading === READING.NOT_ENCRYPTED || (isKeyed && opened > 0)) continue
      if (isKeyed) association.reading = READING.OPAQUE
      association.refused = 0
      association.isRefusalTold = false
      const [from, to] = [this.#endpoints.bytes(source), this.#endpoints.bytes(destination)]
      this.#supplyKeys(association, Uint8Array.of(...from, ...to), 0, from.length, from.length)
    }
  }

  #resumePair(saved: SavedPair, nowUs: number): EspTunnel | null {
    const [initiator, responder] = saved.endpoints.map(([address, port]) => {
      const bytes = Buffer.from(address, 'hex')
      return this.#endpoints.hold(bytes, 0, bytes.length, port)
    })
    const isThere = initiator !== NONE && responder !== NONE
    const tunnel = isThere ? this.#pairs.resume(saved.carriage, initiator, responder, saved.startUs) : null
    // The pair holds them itself.
    for (const end of [initiator, responder]) this.#endpoints.release(end)
    if (tunnel === null) return null
    loadPair(tunnel, saved)
    this.#tunnelMeter.open(tunnel.index, saved.startUs)
    this.#tunnelMeter.restore(tunnel.index, saved.traffic)
    this.#traffic.open(tunnel.index, false, { timeUs: nowUs })
    return tunnel
  }

  #resume(saved: SavedAssociation, tunnel: EspTunnel, isLater: boolean): boolean {
    const index = this.#associations.take()
    if (index === NONE) return false
    const { role } = saved
    const [source, destination] = [tunnel.endpoints[role], tunnel.endpoints[1 - role]]
    const association = this.#associations.at(index)
    association.reset(saved.spi, tunnel.carriage, source, destination, saved.startUs)
    loadAssociation(association, saved)
    for (const end of [source, destination]) this.#endpoints.holdAgain(end)
    const [from, to] = [this.#endpoints.bytes(source), this.#endpoints.bytes(destination)]
    association.addresses = mixPair(hashWindow(from, 0, from.length), hashWindow(to, 0, to.length))
    association.tunnel = tunnel.index
    tunnel.members++
    if (saved.isCurrent) tunnel.associations[role] = index
    this.#meter.open(index, saved.startUs)
    this.#meter.restore(index, saved.traffic)
    this.#windows.restore(index, saved.window, isLater)
    this.#traffic.beginHolding(index)
    this.#names.insert(association)
    this.#remember(association)
    if (association.reading === READING.KEYS) {
      // The keys may have changed since.
      association.reading = READING.UNDECIDED
      this.#supplyKeys(association, Uint8Array.of(...from, ...to), 0, from.length, from.length)
    }
    this.#timers.schedule(index, this.#deadline(association))
    return true
  }

  readonly #endpointOf = (id: number): SavedEndpoint => [
    Buffer.from(this.#endpoints.bytes(id)).toString('hex'),
    this.#endpoints.port(id),
  ]

  // --- carriers

  at(index: number): Carrier {
    return this.#pairs.at(index)
  }

  identify(carrier: Carrier) {
    const { uid, protection } = carrier as EspTunnel
    return { 'esp.tunnel.uid': uid, 'ike.uid': protection.ikeUid, 'borescope.lineage': protection.lineage }
  }

  hosts(carrier: Carrier, source: Role) {
    return this.events.tunnelHosts(carrier as EspTunnel, source)
  }

  traffic(carrier: Carrier, source: Role) {
    return this.events.traffic(carrier as EspTunnel, this.#tunnelMeter, source)
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
    const known = this.#find(frame, carriage, esp.spi | 0)
    if (known !== NONE) return this.#observeKnown(frame, this.#associations.at(known), esp.sequence | 0)
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
    const known = this.#find(frame, CARRIAGE.AH, ah.spi | 0)
    if (known !== NONE) return this.#observeKnown(frame, this.#associations.at(known), ah.sequence | 0)
    if (ah.spi <= SPI_RESERVED_MAX) this.#report(frame, 'ah.spi_reserved', CARRIAGE.AH, spiText(ah.spi))
    return this.#observeUnknown(frame, CARRIAGE.AH, ah.spi, ah.sequence)
  }

  #find({ ip, sourcePort, destinationPort }: Frame, carriage: Carriage, spi: number): number {
    const hasPorts = carriage === CARRIAGE.ESP_UDP || carriage === CARRIAGE.ESP_TCP
    const source = this.#endpoints.find(ip.bytes, ip.sourceAt, ip.addressLength, hasPorts ? sourcePort : 0)
    if (source === NONE) return NONE
    const destination = this.#endpoints.find(
      ip.bytes,
      ip.destinationAt,
      ip.addressLength,
      hasPorts ? destinationPort : 0,
    )
    if (destination === NONE) return NONE
    const index = this.#names.find(source, destination, carriage, spi)
    if (index === NONE) return NONE
    const association = this.#associations.at(index)
    return association.source === source && association.destination === destination ? index : NONE
  }

  #observeKnown(frame: Frame, association: EspAssociation, sequence: number): Outcome {
    this.#mark(frame, association)
    this.#count(frame, association)
    if (association.reading === READING.KEYS) return this.#observeKeyed(frame, association, sequence)
    const arrival = this.#windows.take(association.index, sequence)
    if (arrival > ARRIVAL.LATE) this.#tellArrival(frame, association, sequence, arrival)
    else if (association.state !== 'live') this.#lookAgain(frame, association, arrival)
    if (frame.timeUs > association.parentEndedUs + ORPHAN_US) this.#lookForOrphan(frame, association)
    if (arrival === ARRIVAL.AGAIN || arrival === ARRIVAL.BELOW || association.reading === READING.OPAQUE)
      return OUTCOME.DONE
    return this.#open(frame, association)
  }

  /** With keys that fit, only what is authentic moves the window, as at the receiver (RFC 4303 section 3.4.3). */
  #observeKeyed(frame: Frame, association: EspAssociation, sequence: number): Outcome {
    const { index } = association
    const isOpened = this.#openWithKeys(frame, association)
    if (!isOpened && association.opened > 0 && !this.#esp.isSnapped) return OUTCOME.DONE
    const arrival = this.#windows.take(index, sequence)
    if (arrival === ARRIVAL.AHEAD && isOpened) {
      this.#windows.believe(index)
      this.#tellArrival(frame, association, sequence, ARRIVAL.RESUMED)
    } else if (arrival > ARRIVAL.LATE) this.#tellArrival(frame, association, sequence, arrival)
    else if (association.state !== 'live') this.#lookAgain(frame, association, arrival)
    if (frame.timeUs > association.parentEndedUs + ORPHAN_US) this.#lookForOrphan(frame, association)
    if (!isOpened || arrival === ARRIVAL.AGAIN || arrival === ARRIVAL.BELOW) return OUTCOME.DONE
    const { bytes, contentStart, contentEnd, nextHeader } = association.openers[0]
    return this.#enter(frame, association, nextHeader, bytes, contentStart, contentEnd)
  }

  #mark({ trail }: Frame, { index, spi }: EspAssociation): void {
    trail.association = index
    trail.spi = spi | 0
  }

  #count(frame: Frame, { index, tunnel, role, carriage }: EspAssociation): void {
    const { ip } = frame
    const bytes = ip.wireEnd - ip.headerStart
    this.#meter.count(index, 0, bytes, frame)
    if (tunnel !== NONE) this.#tunnelMeter.count(tunnel, role, bytes, frame)
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
    } else if (frame.timeUs - association.replacedUs > OVERLAP_US) this.#split(association, frame.timeUs)
  }

  // --- content

  #open(frame: Frame, association: EspAssociation): Outcome {
    if (association.reading === READING.CLEAR) {
      const { bytes, nextHeader, payloadStart, payloadEnd } = this.#ah
      return this.#enter(frame, association, nextHeader, bytes, payloadStart, payloadEnd)
    }
    const { nullState } = association
    const recogniser = this.#recogniser
    const isRead = recogniser.look(nullState, this.#esp, frame.ip)
    if (association.reading === READING.UNDECIDED && nullState.verdict !== NULL_VERDICT.UNDECIDED)
      this.#decide(frame, association)
    if (!isRead) return OUTCOME.DONE
    const { bytes, contentStart, contentEnd, nextHeader } = recogniser
    return this.#enter(frame, association, nextHeader, bytes, contentStart, contentEnd)
  }

  #decide(frame: Frame, association: EspAssociation): void {
    if (association.nullState.verdict === NULL_VERDICT.ENCRYPTED) {
      association.reading = READING.OPAQUE
      return
    }
    association.reading = READING.NOT_ENCRYPTED
    this.#setMode(association, this.#recogniser.nextHeader)
    this.#believe(association, frame.timeUs)
    this.#tellRead(frame, association, 'is not encrypted')
  }

  /** Whether one of the keys opened the packet; it is the only one from then on. */
  #openWithKeys(frame: Frame, association: EspAssociation): boolean {
    const { plain } = this.#insides[Math.min(frame.depth, DEPTHS - 1)]
    for (const opener of association.openers) {
      const verdict = opener.open(this.#esp, plain)
      if (verdict === 'opened') {
        if (association.opened === 0) {
          association.openers = [opener]
          association.opened = 1
          this.#setMode(association, opener.nextHeader)
          this.#believe(association, frame.timeUs)
          this.#tellRead(frame, association, `is opened with keys for ${opener.keys.suite}`)
        } else association.opened++
        return true
      }
      if (verdict === 'snapped') return false
      if (verdict === 'corrupt') {
        association.corrupt++
        this.#report(frame, 'esp.corrupt', association.carriage, spiText(association.spi), association)
      }
    }
    if (association.opened === 0 && ++association.refused >= REFUSED_AFTER) this.#tellRefused(frame, association)
    return false
  }

  #enter(
    frame: Frame,
    association: EspAssociation,
    nextHeader: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): Outcome {
    const inside = this.#insides[Math.min(frame.depth, DEPTHS - 1)]
    if (!inside.compose(frame.ip, nextHeader, bytes, start, end)) return OUTCOME.DONE
    this.#believe(association, frame.timeUs)
    if (association.tunnel === NONE) return OUTCOME.DONE
    if (association.mode === undefined) this.#setMode(association, nextHeader)
    if (association.reading !== READING.KEYS) association.opened++
    this.inside = inside
    this.#tunnel = this.#pairs.at(association.tunnel)
    this.#tunnel.isRead = true
    this.#sender = association.role
    return OUTCOME.INSIDE
  }

  #setMode(association: EspAssociation, nextHeader: number): void {
    const isTunnel = nextHeader === IP_PROTOCOL.IPIP || nextHeader === IP_PROTOCOL.IPV6
    association.mode = isTunnel ? 'tunnel' : 'transport'
  }

  #tellRead(frame: Frame, association: EspAssociation, words: string): void {
    if (association.tunnel === NONE) return
    this.events.tell('esp.association.read', frame.timeUs, association, this.#tunnelOf(association), words, {})
  }

  #tellRefused(frame: Frame, association: EspAssociation): void {
    if (association.isRefusalTold || association.tunnel === NONE) return
    association.isRefusalTold = true
    const reason = `the keys for ${association.openers.map(({ keys }) => keys.suite).join(', ')} opened none of ${association.refused} packets`
    this.events.tell(
      'esp.keys.refused',
      frame.timeUs,
      association,
      this.#tunnelOf(association),
      `is not opened: ${reason}`,
      { 'event.reason': reason },
    )
  }

  // --- sequence numbers

  #tellArrival(frame: Frame, association: EspAssociation, sequence: number, arrival: Arrival): void {
    if (association.tunnel === NONE || arrival === ARRIVAL.AHEAD) return
    const suppressed = this.#allowances.take(`${association.uid} ${arrival}`, frame.timeUs, String(sequence >>> 0))
    if (suppressed !== -1)
      this.events.arrived(association, this.#tunnelOf(association), frame.timeUs, sequence >>> 0, arrival, suppressed)
  }

  // --- associations that nobody knows yet

  #observeUnknown(frame: Frame, carriage: Carriage, spi: number, sequence: number): Outcome {
    const addresses = addressesOf(frame)
    const elsewhere = this.#names.findElsewhere(addresses, carriage, spi)
    const other = elsewhere === NONE ? null : this.#associations.at(elsewhere)
    if (other !== null && this.#isContinued(other, sequence)) {
      this.#follow(frame, other)
      return this.#observeKnown(frame, other, sequence)
    }
    const association = this.#begin(frame, carriage, spi, sequence, addresses)
    if (association === null) return OUTCOME.DONE
    if (other !== null && other.state !== 'candidate') this.#collide(frame, association, other)
    if (association.reading !== READING.KEYS) return this.#open(frame, association)
    if (!this.#openWithKeys(frame, association)) return OUTCOME.DONE
    const { bytes, contentStart, contentEnd, nextHeader } = association.openers[0]
    return this.#enter(frame, association, nextHeader, bytes, contentStart, contentEnd)
  }

  #begin(frame: Frame, carriage: Carriage, spi: number, sequence: number, addresses: number): EspAssociation | null {
    const { ip, timeUs } = frame
    if (this.#candidates * CANDIDATE_SHARE >= this.#associations.capacity) {
      this.#full.tell('esp_associations', this.#associations.capacity, timeUs, 'IPsec associations nobody believes in')
      return null
    }
    const hasPorts = carriage === CARRIAGE.ESP_UDP || carriage === CARRIAGE.ESP_TCP
    const [sourcePort, destinationPort] = hasPorts ? [frame.sourcePort, frame.destinationPort] : [0, 0]
    const source = this.#endpoints.hold(ip.bytes, ip.sourceAt, ip.addressLength, sourcePort)
    const destination = this.#endpoints.hold(ip.bytes, ip.destinationAt, ip.addressLength, destinationPort)
    const index = source === NONE || destination === NONE ? NONE : this.#associations.take()
    if (index === NONE) {
      this.#endpoints.release(source)
      this.#endpoints.release(destination)
      this.#full.tell('esp_associations', this.#associations.capacity, timeUs, 'IPsec associations')
      return null
    }
    const association = this.#associations.at(index)
    association.reset(spi, carriage, source, destination, timeUs)
    this.#mark(frame, association)
    association.firstSequence = sequence
    association.addresses = addresses
    association.vlan = vlanOf(frame)
    association.outside = frame.protection
    association.parent = this.#ike.parentOf(frame)
    this.#candidates++
    this.#meter.open(index, timeUs)
    this.#windows.open(index, sequence)
    this.#traffic.beginHolding(index)
    this.#count(frame, association)
    this.#names.insert(association)
    this.#supplyKeys(association, ip.bytes, ip.sourceAt, ip.destinationAt, ip.addressLength)
    this.#timers.schedule(index, timeUs + CANDIDATE_US)
    return association
  }

  #supplyKeys(
    association: EspAssociation,
    bytes: Uint8Array,
    sourceAt: number,
    destinationAt: number,
    addressLength: number,
  ): void {
    if (association.carriage === CARRIAGE.AH) {
      association.reading = READING.CLEAR
      return
    }
    const openers = this.#keyring
      .candidates(bytes, sourceAt, destinationAt, addressLength, association.spi)
      .flatMap(({ keys }) => (keys === null ? [] : [new EspOpener(keys)]))
    if (openers.length === 0) return
    association.openers = openers
    association.reading = READING.KEYS
  }

  /** A second packet, an answer, or content that can be read: from now on it is told of. */
  #believe(association: EspAssociation, timeUs: number): void {
    if (association.state !== 'candidate') return
    const { source, destination } = association
    const tunnel = this.#pairs.find(association) ?? this.#openTunnel(association, timeUs)
    if (tunnel === null) return
    association.role = roleOf(tunnel, source)
    this.#accept(association, tunnel, timeUs)
    const answer = this.#names.latest(destination, source)
    if (answer === NONE) return
    const other = this.#associations.at(answer)
    const isAnswer = other.carriage === association.carriage && Math.abs(other.startUs - association.startUs) <= PAIR_US
    if (other.state === 'candidate' && isAnswer) this.#believe(other, timeUs)
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
    const packets = this.#meter.packets(index, 0)
    const bytes = this.#meter.bytes(index, 0)
    this.#tunnelMeter.add(tunnel.index, role, packets, bytes, this.#meter.lastUs(index))
    this.#traffic.adopt(tunnel.index, role, index)
    this.#remember(association)
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
    const spis = tunnel.associations.map((index) => this.#associations.at(index).spi)
    this.events.rekeyed(tunnel, timeUs, spis)
  }

  /** The association that sent in this role so far gives way. */
  #replace(association: EspAssociation, tunnel: EspTunnel, timeUs: number): void {
    const before = tunnel.associations[association.role]
    if (before === NONE) return
    const old = this.#associations.at(before)
    old.state = 'replaced'
    old.replacedUs = timeUs
    association.predecessor = { uid: old.uid, spi: old.spi }
    this.#timers.schedule(before, this.#deadline(old))
  }

  /** It did not give way after all: what seemed to replace it is a pair of its own. */
  #split(association: EspAssociation, timeUs: number): void {
    const tunnel = this.#tunnelOf(association)
    const { role } = association
    const current = tunnel.associations[role]
    association.state = 'live'
    association.replacedUs = Number.POSITIVE_INFINITY
    tunnel.associations[role] = association.index
    tunnel.switched = 0
    this.#timers.schedule(association.index, this.#deadline(association))
    if (current === NONE || current === association.index) return
    const successor = this.#associations.at(current)
    successor.predecessor = null
    const other = this.#pairs.findHalf(successor, tunnel) ?? this.#openTunnel(successor, timeUs)
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
    const { source, destination, carriage, startUs } = association
    const answer = this.#names.latest(destination, source)
    const other = answer === NONE ? null : this.#associations.at(answer)
    const isPaired = other !== null && other.carriage === carriage && Math.abs(other.startUs - startUs) <= PAIR_US
    if (isPaired || this.#countLone(association, timeUs) <= LONE_TOLD) this.#believe(association, timeUs)
    if (association.state === 'candidate') this.#forget(association)
  }

  /** How many SPIs of this source came to nothing in this minute. */
  #countLone(association: EspAssociation, timeUs: number): number {
    const spis = this.#scans.count(this.#endpoints.digest(association.source), association.startUs)
    if (isScan(spis)) this.events.scanned(association, timeUs, spis)
    return spis
  }

  // --- ends that move, SPIs that meet

  /** Whether a number may be the next of a stream whose packets come from another port by now. */
  #isContinued({ index }: EspAssociation, sequence: number): boolean {
    const ahead = (sequence - this.#windows.highest(index)) | 0
    return ahead > 0 && ahead <= this.#limits.espReplayWindow
  }

  #follow(frame: Frame, association: EspAssociation): void {
    const { ip, sourcePort, destinationPort, timeUs } = frame
    const source = this.#endpoints.hold(ip.bytes, ip.sourceAt, ip.addressLength, sourcePort)
    const destination = this.#endpoints.hold(ip.bytes, ip.destinationAt, ip.addressLength, destinationPort)
    if (source === NONE || destination === NONE) {
      this.#endpoints.release(source)
      this.#endpoints.release(destination)
      return
    }
    const before = this.#endpoints.port(association.source)
    const tunnel = association.tunnel === NONE ? null : this.#tunnelOf(association)
    if (tunnel !== null) this.#moveTunnel(tunnel, association.role, source, destination)
    this.#move(association, source, destination)
    this.#endpoints.release(source)
    this.#endpoints.release(destination)
    if (tunnel === null || before === sourcePort) return
    const suppressed = this.#allowances.take(`${tunnel.uid} moved`, timeUs, String(sourcePort))
    if (suppressed !== -1) this.events.moved(tunnel, association.role, before, timeUs, suppressed)
  }

  /** The other direction moves with it: its packets go to the new port. */
  #moveTunnel(tunnel: EspTunnel, role: Role, source: number, destination: number): void {
    const back = tunnel.associations[1 - role]
    this.#pairs.move(tunnel, role, source, destination)
    if (back !== NONE) this.#move(this.#associations.at(back), destination, source)
  }

  #move(association: EspAssociation, source: number, destination: number): void {
    this.#names.remove(association)
    this.#endpoints.holdAgain(source)
    this.#endpoints.holdAgain(destination)
    this.#endpoints.release(association.source)
    this.#endpoints.release(association.destination)
    association.source = source
    association.destination = destination
    this.#names.insert(association)
  }

  #collide(frame: Frame, association: EspAssociation, other: EspAssociation): void {
    this.#believe(association, frame.timeUs)
    if (association.tunnel === NONE) return
    const [from, elsewhere] = [association, other].map(({ source }) => this.#endpoints.port(source))
    const reason = `port ${from} uses the SPI that port ${elsewhere} uses`
    this.events.tell(
      'esp.spi.collided',
      frame.timeUs,
      association,
      this.#tunnelOf(association),
      `collides: ${reason}`,
      {
        'event.reason': reason,
      },
    )
  }

  // --- IKE

  #remember({ index, parent }: EspAssociation): void {
    if (parent === null) return
    const known = this.#byIke.get(parent.uid)
    if (known === undefined) this.#byIke.set(parent.uid, new Set([index]))
    else known.add(index)
  }

  #ikeEnded(uid: string, timeUs: number, ending: IkeEnding): void {
    if (ending !== 'deleted') return
    for (const index of this.#byIke.get(uid) ?? []) {
      const association = this.#associations.at(index)
      association.parentEndedUs = timeUs
      this.#timers.schedule(index, Math.min(this.#deadline(association), timeUs + ORPHAN_US))
    }
  }

  /** Another IKE SA between the hosts may have taken the association over; if there is none, nobody answers for it. */
  #lookForOrphan(frame: Frame, association: EspAssociation): void {
    if (association.isOrphanTold || association.tunnel === NONE) return
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
      this.#tunnelOf(association),
      `goes on: ${reason}`,
      { 'event.reason': reason },
    )
  }

  // --- life and death

  #openTunnel(association: EspAssociation, timeUs: number): EspTunnel | null {
    const tunnel = this.#pairs.open(association)
    if (tunnel === null) {
      this.#full.tell('esp_tunnels', this.#pairs.capacity, timeUs, 'pairs of IPsec associations')
      return null
    }
    const { parent, outside } = association
    this.#tunnelMeter.open(tunnel.index, association.startUs)
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
    const tunnel = this.#tunnelOf(association)
    const { index, role } = association
    const lost = this.#windows.lost(index)
    tunnel.lost += lost
    this.#lost += lost
    this.events.associationClosed(association, tunnel, timeUs, closedBy, reason, this.#meter)
    if (tunnel.associations[role] === index) {
      tunnel.associations[role] = NONE
      // A direction that has ended is not half way through a rekeying.
      tunnel.switched &= ~(1 << role)
    }
    if (closedBy !== 'rekey') tunnel.ending = { closedBy, reason }
    this.#forget(association)
    if (--tunnel.members > 0) return
    this.#traffic.close(tunnel.index, this.#tunnelMeter.lastUs(tunnel.index))
    this.#flows.carrierClosed(tunnel)
    if (tunnel.isOpen) this.events.tunnelClosed(tunnel, timeUs, this.#tunnelMeter)
    if (this.#tunnel === tunnel) this.#tunnel = null
    this.#pairs.free(tunnel)
  }

  #forget(association: EspAssociation): void {
    const { index, source, destination, parent } = association
    this.#timers.cancel(index)
    if (association.state === 'candidate') this.#candidates--
    this.#names.remove(association)
    if (parent !== null) {
      const siblings = this.#byIke.get(parent.uid)
      siblings?.delete(index)
      if (siblings?.size === 0) this.#byIke.delete(parent.uid)
    }
    this.#endpoints.release(source)
    this.#endpoints.release(destination)
    this.#associations.free(index)
  }

  #deadline(association: EspAssociation): number {
    const { index, startUs, parentEndedUs, isOutlivedTold, parent } = association
    const lastUs = this.#meter.lastUs(index)
    if (association.state === 'candidate') return lastUs + CANDIDATE_US
    if (association.isReplaced) return lastUs + OVERLAP_US
    let dueUs = lastUs + this.#limits.espIdleUs
    if (!this.#tunnelOf(association).isOneWayTold) dueUs = Math.min(dueUs, startUs + ONE_WAY_US)
    if (!isOutlivedTold && parent?.lifetimeSeconds !== undefined)
      dueUs = Math.min(dueUs, startUs + parent.lifetimeSeconds * SECOND_US)
    const endedUs = parentEndedUs + ORPHAN_US
    return endedUs > this.#nowUs ? Math.min(dueUs, endedUs) : dueUs
  }

  #expired(index: number): void {
    if (!this.#associations.isUsed(index)) return
    const association = this.#associations.at(index)
    if (this.#endedWithIke(association)) {
      this.#closeUnused(association, association.parentEndedUs + ORPHAN_US)
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
    const lastUs = this.#meter.lastUs(index)
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
    if (state === 'candidate' || parentEndedUs + ORPHAN_US > this.#nowUs) return false
    return this.#fellSilentWithIke(association)
  }

  /** Neither direction went on after the IKE SA was deleted. */
  #fellSilentWithIke({ tunnel, parentEndedUs }: EspAssociation): boolean {
    return this.#tunnelMeter.lastUs(tunnel) <= parentEndedUs + FADE_US && parentEndedUs < Number.POSITIVE_INFINITY
  }

  /** What time alone shows of an association that goes on. */
  #examine(association: EspAssociation): void {
    const { index, startUs, parent } = association
    const tunnel = this.#tunnelOf(association)
    if (!tunnel.isOneWayTold && startUs + ONE_WAY_US <= this.#nowUs) {
      tunnel.isOneWayTold = true
      const packets = this.#tunnelMeter.packets(tunnel.index, association.role)
      const isAlone = tunnel.associations[1 - association.role] === NONE
      if (isAlone && packets >= ONE_WAY_PACKETS) this.events.oneWay(tunnel, startUs + ONE_WAY_US, packets)
    }
    const lifetimeUs = (parent?.lifetimeSeconds ?? Number.POSITIVE_INFINITY) * SECOND_US
    if (association.isOutlivedTold || startUs + lifetimeUs > this.#nowUs) return
    association.isOutlivedTold = true
    if (this.#meter.lastUs(index) <= startUs + lifetimeUs) return
    const reason = `it is older than the ${parent?.lifetimeSeconds} s that its IKE SA may live`
    this.events.tell('esp.association.outlived', startUs + lifetimeUs, association, tunnel, `goes on: ${reason}`, {
      'event.reason': reason,
    })
  }

  #tunnelOf({ tunnel }: EspAssociation): EspTunnel {
    return this.#pairs.at(tunnel)
  }

  #report(frame: Frame, name: string, carriage: Carriage, detail: string, association?: EspAssociation): void {
    const layer = carriage === CARRIAGE.AH ? 'ah' : 'esp'
    const hosts = carriage === CARRIAGE.ESP || carriage === CARRIAGE.AH ? 'ip' : 'udp'
    const tunnel = association === undefined || association.tunnel === NONE ? undefined : this.#tunnelOf(association)
    this.#anomalies.report(frame, name, layer, detail, hosts, {
      'network.protocol': layer,
      'esp.tunnel.uid': tunnel?.uid,
      'borescope.lineage': tunnel?.protection.lineage,
    })
  }
}

/** The addresses of the frame in their order, as a number. */
function addressesOf({ ip }: Frame): number {
  const { bytes, sourceAt, destinationAt, addressLength } = ip
  return mixPair(
    hashWindow(bytes, sourceAt, sourceAt + addressLength),
    hashWindow(bytes, destinationAt, destinationAt + addressLength),
  )
}
