/**
 * What follows things through time, and how they hang together: tunnels carry sessions, sessions carry PPP links and inner
 * flows. This is the order in which a packet meets them.
 */
import { Endpoints } from '../base/endpoints.ts'
import type { Upcoming } from '../base/upcoming.ts'
import { Ahead } from '../dissect/ahead.ts'
import type { EspKeyring } from '../dissect/esp-keyring.ts'
import type { Frame, Protection } from '../dissect/frame.ts'
import type { Emit } from '../events/catalogue.ts'
import { Anomalies, type AnomalyLimits } from './anomalies.ts'
import { type Carrier, Carriers } from './carrier.ts'
import { CarrierFlows, type FlowSink } from './carrier-flows.ts'
import { Version2 } from './dialect.ts'
import { type EspLimits, EspTracker } from './esp-tracker.ts'
import { type IkeStreamLimits, IkeStreams } from './ike-tcp.ts'
import { type IkeLimits, IkeTracker } from './ike-tracker.ts'
import { flowUidIn } from './flow-name.ts'
import type { FlowRecord } from './flow-record.ts'
import type { TellerLimits } from './flow-teller.ts'
import type { FlowLimits } from './inner-flow.ts'
import { Inside } from './inside.ts'
import { L2tpV3Tracker } from './l2tpv3-tracker.ts'
import { LocalFlows } from './local-flows.ts'
import { type PppSecret, PppSecrets } from './ppp-secrets.ts'
import { PppLinkTracker } from './ppp-tracker.ts'
import { type PppoeLimits, PppoeTracker } from './pppoe-tracker.ts'
import { type PptpCallLimits, PptpCallTracker } from './pptp-call-tracker.ts'
import { type PptpConnectionLimits, PptpConnectionTracker } from './pptp-connection-tracker.ts'
import { Routes } from './routes.ts'
import {
  checkPause,
  NO_PAUSE,
  PAUSE,
  type Pause,
  type SavedEntry,
  type Saves,
  savePauses,
  Uptake,
  withEarlier,
} from './saved.ts'
import { checkAssociation, checkPair, type SavedAssociation, type SavedPair } from './saved-esp.ts'
import { checkTunnel, type SavedTunnel } from './saved-tunnel.ts'
import { type SessionLimits, SessionTracker } from './session-tracker.ts'
import { type TunnelLimits, TunnelTracker } from './tunnel-tracker.ts'

export interface TrackLimits
  extends TunnelLimits,
    SessionLimits,
    FlowLimits,
    TellerLimits,
    IkeLimits,
    IkeStreamLimits,
    EspLimits,
    AnomalyLimits,
    PptpConnectionLimits,
    PptpCallLimits,
    PppoeLimits {}

/**
 * What the packet in a frame is part of, for comparison only: the numbers of its trail name other things later, these marks do
 * not. Reused from packet to packet.
 */
export class Marks {
  flow = 0
  carrier = ''
  tunnel = ''
  tunnelV3 = ''
  exchange = ''
  association = ''
  connection = ''
  protection: Protection | null = null
}

export class Trackers {
  readonly anomalies: Anomalies
  readonly tunnels: TunnelTracker
  readonly sessions: SessionTracker
  /** Of plain data messages of version 2. */
  readonly routes: Routes
  readonly v3: L2tpV3Tracker
  readonly flows: CarrierFlows
  readonly ike: IkeTracker
  readonly esp: EspTracker
  readonly pptpConnections: PptpConnectionTracker
  readonly pptpCalls: PptpCallTracker
  readonly pppoe: PppoeTracker
  readonly ikeStreams: IkeStreams
  readonly #ahead = new Ahead()
  readonly #carriers = new Carriers()
  /** Null if another thread follows the flows. */
  readonly #ownFlows: LocalFlows | null
  readonly #saving: readonly Saves[]
  /** In which nobody looked, before the first packet. */
  #pause = NO_PAUSE

  /** `learnPort` is told every port on which L2TP turns out to be spoken. `secrets` are the shared secrets of tunnels, `pppSecrets` the passwords of users. `flowSink` follows the flows inside carriers, if this thread is not to. */
  constructor(
    emit: Emit,
    limits: TrackLimits,
    secrets: readonly Uint8Array[],
    espKeys: EspKeyring,
    pppSecrets: readonly PppSecret[],
    learnPort: (port: number) => void,
    flowSink: FlowSink | null = null,
  ) {
    // Two ends a tunnel, some of them on their way out.
    const endpoints = new Endpoints(limits.tunnelsMax * 2 + 1024)
    this.anomalies = new Anomalies(emit, limits)
    const dialect = new Version2(secrets)
    this.tunnels = new TunnelTracker(endpoints, emit, this.anomalies, dialect, secrets, limits, learnPort)
    const carriers = this.#carriers
    const resumed = (carrier: Carrier) => this.flows.resumed(carrier)
    const ownFlows = flowSink === null ? new LocalFlows(carriers, emit, limits, resumed) : null
    this.#ownFlows = ownFlows
    this.flows = new CarrierFlows(carriers, flowSink ?? (ownFlows as LocalFlows))
    this.ike = new IkeTracker(emit, this.anomalies, limits)
    this.esp = new EspTracker(emit, this.anomalies, this.flows, carriers, this.ike.lookup, espKeys, limits)
    const links = new PppLinkTracker(emit, this.anomalies, new PppSecrets(pppSecrets), (carrier) =>
      this.flows.carrierRenamed(carrier),
    )
    const inside = new Inside(carriers, links, this.flows)
    this.ikeStreams = new IkeStreams(this.ike, emit, this.anomalies, limits)
    this.sessions = new SessionTracker(this.tunnels, inside, emit, limits, dialect)
    this.tunnels.attach(this.sessions)
    this.routes = new Routes(this.tunnels, this.sessions)
    this.v3 = new L2tpV3Tracker(
      new Endpoints(limits.tunnelsMax * 2 + 1024),
      emit,
      this.anomalies,
      inside,
      secrets,
      limits,
      learnPort,
    )
    this.tunnels.offerTo(this.v3.tunnels)
    this.pptpCalls = new PptpCallTracker(inside, emit, this.anomalies, limits)
    this.pptpConnections = new PptpConnectionTracker(this.pptpCalls, emit, this.anomalies, limits)
    this.pppoe = new PppoeTracker(inside, emit, this.anomalies, limits)
    this.#saving = [this.ike, this.pppoe, this.pptpConnections, ...(ownFlows === null ? [] : [ownFlows])]
  }

  /** What was counted instead of told: see `Allowances`. */
  get suppressed(): number {
    const { anomalies, tunnels, flows, esp, ike, v3 } = this
    const all = [anomalies, tunnels, v3.tunnels, esp, ike, flows]
    return all.reduce((sum, { suppressed }) => sum + suppressed, 0)
  }

  /** An L2TPv2 message, control or data, that the dissector found whole. */
  observe(frame: Frame): void {
    const { l2tp } = frame
    const found = this.tunnels.find(frame)
    if (found === -1 || l2tp.isControl) this.tunnels.observeControl(frame, found)
    else this.sessions.observeData(frame, found)
  }

  /** What data messages that come soon will need of the tables is fetched for all of them at once. Changes nothing. */
  prefetch(upcoming: Upcoming): void {
    const ahead = this.#ahead
    ahead.read(upcoming)
    this.tunnels.prefetch(ahead)
    this.sessions.prefetch(ahead)
  }

  /** Allocates nothing. */
  mark({ trail, protection }: Frame, marks: Marks): void {
    const { flow, carrier, tunnel, tunnelV3, exchange, association, connection } = trail
    marks.flow = flow === -1 ? 0 : this.flowSerialOf(flow)
    marks.carrier = carrier === -1 ? '' : this.#carriers.at(carrier).uid
    marks.tunnel = tunnel === -1 ? '' : this.tunnels.at(tunnel).uid
    marks.tunnelV3 = tunnelV3 === -1 ? '' : this.v3.tunnels.at(tunnelV3).uid
    marks.exchange = exchange === -1 ? '' : this.ike.uidOf(exchange)
    marks.association = association === -1 ? '' : this.esp.uidOf(association)
    marks.connection = connection === -1 ? '' : this.pptpConnections.at(connection).uid
    marks.protection = protection
  }

  /** Tells the flows apart that one number of a trail names one after another; 0 if another thread follows the flows. */
  flowSerialOf(flow: number): number {
    return this.#ownFlows?.serialOf(flow) ?? 0
  }

  /** The flow of a trail, overwritten by the next; null if another thread follows the flows. */
  flowOf(flow: number): FlowRecord | null {
    return this.#ownFlows?.recordOf(flow) ?? null
  }

  /** What events call the flow of a trail; empty if another thread follows the flows. */
  flowUidOf(flow: number): string {
    const record = this.flowOf(flow)
    return record === null ? '' : flowUidIn(this.#carriers.at(record.carrier).uid, record)
  }

  /** The ids of everything that the packet in the frame is part of, as events have them: outermost first, each once. The flow is asked for only if wanted. */
  uidsOf({ trail, protection }: Frame, withFlow: boolean): string[] {
    const { flow, carrier, tunnel, tunnelV3, exchange, association, connection, discovery } = trail
    const uids = new Set<string>()
    const add = (lineage: readonly string[]) => {
      for (const uid of lineage) if (uid !== '') uids.add(uid)
    }
    if (exchange !== -1) add([this.ike.uidOf(exchange)])
    if (association !== -1) add(this.esp.lineageOf(association))
    if (protection !== null) add(protection.lineage)
    if (tunnel !== -1) add(this.tunnels.at(tunnel).lineage)
    if (tunnelV3 !== -1) add(this.v3.tunnels.at(tunnelV3).lineage)
    if (connection !== -1) add(this.pptpConnections.at(connection).lineage)
    if (carrier !== -1) {
      const found = this.#carriers.at(carrier)
      add(found.owner.identify(found)['borescope.lineage'])
    }
    if (flow !== -1 && withFlow) add([this.flowUidOf(flow)])
    add([discovery])
    return [...uids]
  }

  /** Time has come to `nowUs`: what fell silent ends. Yields after each thing. Cheap when the second has not changed. */
  *expire(nowUs: number): Generator<void> {
    yield* this.flows.expire(nowUs)
    yield* this.sessions.expire(nowUs)
    yield* this.tunnels.expire(nowUs)
    yield* this.v3.expire(nowUs)
    yield* this.esp.expire(nowUs)
    yield* this.pptpCalls.expire(nowUs)
    yield* this.pptpConnections.expire(nowUs)
    yield* this.pppoe.expire(nowUs)
    yield* this.ike.expire(nowUs)
    yield* this.ikeStreams.expire(nowUs)
  }

  /**
   * What a restarted sensor needs to go on with open things under their ids: tunnels with their sessions and PPP links, pairs of IPsec
   * associations, IKE SAs, PPPoE sessions, PPTP connections and calls, and the flows that this thread follows. Entries may be taken one after
   * the other while packets go on.
   */
  *save(): Generator<SavedEntry> {
    yield* savePauses(this.#pause)
    for (const saved of this.esp.save()) yield { kind: 'pair' in saved ? 'esp.pair' : 'esp.association', saved }
    for (const tunnel of this.tunnels.save()) yield { kind: 'l2tp', saved: tunnel }
    for (const tunnel of this.v3.tunnels.save()) yield { kind: 'l2tpv3', saved: tunnel }
    for (const tracker of this.#saving) yield* tracker.save()
  }

  /** Takes up what `save` gave, before the first packet. What finds no room or is damaged is left out, and counted. */
  restore(entries: Iterable<SavedEntry>, last: Pause): Uptake {
    const uptake = new Uptake()
    const byKind = new Map<string, SavedEntry[]>()
    for (const tracker of this.#saving) {
      const own: SavedEntry[] = []
      for (const kind of tracker.savedKinds) byKind.set(kind, own)
    }
    const accept = <T>(kind: string, list: T[], check: () => T) => {
      const whole = uptake.accept(kind, check)
      if (whole !== null) list.push(whole)
    }
    const pauses: Pause[] = []
    const pairs: SavedPair[] = []
    const associations: SavedAssociation[] = []
    const tunnels: SavedTunnel[] = []
    for (const entry of entries) {
      const { kind, saved } = entry
      if (kind === PAUSE) accept(kind, pauses, () => checkPause(saved))
      else if (kind === 'esp.pair')
        accept(kind, pairs, () => checkPair((saved as { readonly pair?: unknown } | null)?.pair))
      else if (kind === 'esp.association')
        accept(kind, associations, () =>
          checkAssociation((saved as { readonly association?: unknown } | null)?.association),
        )
      else if (kind === 'l2tp' || kind === 'l2tpv3') accept(kind, tunnels, () => checkTunnel(saved))
      else if (byKind.has(kind)) byKind.get(kind)?.push(entry)
      else uptake.refuse(kind, 'a sensor of this version and with these settings does not take it up')
    }
    const pause = withEarlier(last, pauses)
    this.#pause = pause
    uptake.restored += pauses.length
    // In the order in which their deadlines were set: what ends in one second ends in that order.
    for (const tunnel of tunnels.sort((a, b) => a.stateUs - b.stateUs)) {
      const tracker = tunnel.version === 2 ? this.tunnels : this.v3.tunnels
      uptake.take('l2tp', () => tracker.restore(tunnel, pause, uptake))
    }
    const esp = this.esp.restore(pairs, associations, pause)
    uptake.restored += esp.pairs
    uptake.leftOut += esp.leftOut
    for (const tracker of this.#saving) tracker.restore(byKind.get(tracker.savedKinds[0]) ?? [], pause, uptake)
    return uptake
  }

  /** The sensor stops, and another one will go on from `save`: what that does not hold is told as at the end of a capture. */
  suspend(): void {
    this.flows.suspend()
  }

  /** The end of the capture, at the time of its last packet. Yields after each thing, so that whoever is slow can keep up. */
  *finish(nowUs: number): Generator<void> {
    yield* this.pppoe.finish(nowUs)
    yield* this.tunnels.finish(nowUs)
    yield* this.v3.finish(nowUs)
    yield* this.pptpConnections.finish(nowUs)
    yield* this.pptpCalls.finish(nowUs)
    // That an IKE SA was deleted may only be known now, and is why its associations ended.
    this.ike.finish(nowUs)
    yield* this.esp.finish(nowUs)
  }
}
