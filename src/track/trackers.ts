/**
 * What follows things through time, and how they hang together: tunnels carry sessions, sessions carry PPP links and inner
 * flows. This is the order in which a packet meets them.
 */
import { Endpoints } from '../base/endpoints.ts'
import type { EspKeyring } from '../dissect/esp-keyring.ts'
import type { Frame } from '../dissect/frame.ts'
import type { Emit } from '../events/catalogue.ts'
import { Anomalies, type AnomalyLimits } from './anomalies.ts'
import { Carriers } from './carrier.ts'
import { CarrierFlows, type FlowSink } from './carrier-flows.ts'
import { Version2 } from './dialect.ts'
import { type EspLimits, EspTracker } from './esp-tracker.ts'
import { type IkeStreamLimits, IkeStreams } from './ike-tcp.ts'
import { type IkeLimits, IkeTracker } from './ike-tracker.ts'
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

export class Trackers {
  readonly anomalies: Anomalies
  readonly tunnels: TunnelTracker
  readonly sessions: SessionTracker
  readonly v3: L2tpV3Tracker
  readonly flows: CarrierFlows
  readonly ike: IkeTracker
  readonly esp: EspTracker
  readonly pptpConnections: PptpConnectionTracker
  readonly pptpCalls: PptpCallTracker
  readonly pppoe: PppoeTracker
  readonly ikeStreams: IkeStreams

  /** `learnPort` is told every port on which L2TP turns out to be spoken. `secrets` are the shared secrets of tunnels, `pppSecrets` the passwords of users. `flowSink` follows the flows inside carriers, if this thread is not to. */
  constructor(
    emit: Emit,
    limits: TrackLimits,
    secrets: readonly Uint8Array[],
    espKeys: EspKeyring,
    pppSecrets: readonly PppSecret[],
    learnPort: (port: number) => void,
    flowSink: FlowSink = new LocalFlows(emit, limits),
  ) {
    // Two ends a tunnel, some of them on their way out.
    const endpoints = new Endpoints(limits.tunnelsMax * 2 + 1024)
    this.anomalies = new Anomalies(emit, limits)
    const dialect = new Version2(secrets)
    this.tunnels = new TunnelTracker(endpoints, emit, this.anomalies, dialect, secrets, limits, learnPort)
    const carriers = new Carriers()
    this.flows = new CarrierFlows(carriers, flowSink)
    this.ike = new IkeTracker(emit, this.anomalies, limits)
    this.esp = new EspTracker(emit, this.anomalies, this.flows, carriers, this.ike.lookup, espKeys, limits)
    const links = new PppLinkTracker(emit, this.anomalies, new PppSecrets(pppSecrets), (carrier) =>
      this.flows.carrierRenamed(carrier),
    )
    const inside = new Inside(carriers, links, this.flows)
    this.ikeStreams = new IkeStreams(this.ike, emit, this.anomalies, limits)
    this.sessions = new SessionTracker(this.tunnels, inside, emit, limits, dialect)
    this.tunnels.attach(this.sessions)
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

  /** Time has come to `nowUs`: what fell silent ends. Cheap when the second has not changed. */
  expire(nowUs: number): void {
    this.flows.expire(nowUs)
    this.sessions.expire(nowUs)
    this.tunnels.expire(nowUs)
    this.v3.expire(nowUs)
    this.esp.expire(nowUs)
    this.pptpCalls.expire(nowUs)
    this.pptpConnections.expire(nowUs)
    this.pppoe.expire(nowUs)
    this.ike.expire(nowUs)
    this.ikeStreams.expire(nowUs)
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
