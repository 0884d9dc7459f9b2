/**
 * The composition root and the packet loop: the data path on one page.
 *
 *     capture ─► dissect ─► track ─►  events  ─► detect ─► (whoever else subscribes to the bus: store, output)
 */
import { PacketClock } from './base/packet-clock.ts'
import { isoMicroseconds, SECOND_US } from './base/time.ts'
import type { MergedSource } from './capture/merge.ts'
import type { CaptureFault } from './capture/packet.ts'
import { loadPacketSecrets } from './config.ts'
import type { Config } from './config-schema.ts'
import { Detector } from './detect/detector.ts'
import type { RuleSet } from './detect/rules.ts'
import type { Restored } from './detect/sigma/state.ts'
import { Defragmenter } from './dissect/defragment.ts'
import { Dissector, type Verdict } from './dissect/dissector.ts'
import { Duplicates } from './dissect/duplicates.ts'
import { type EspKeyEntry, EspKeyring } from './dissect/esp-keyring.ts'
import { Frame } from './dissect/frame.ts'
import { EventBus } from './events/bus.ts'
import type { Emit } from './events/catalogue.ts'
import { Lookahead } from './lookahead.ts'
import { emptyCounts, type PathCounts } from './path-counts.ts'
import { trackLimits } from './track-limits.ts'
import type { FlowSink } from './track/carrier-flows.ts'
import type { Pause, SavedEntry } from './track/saved.ts'
import { OUTCOME, type Outcome } from './track/esp-tracker.ts'
import { Neighbours } from './track/neighbours.ts'
import { NO_FLOWS } from './track/no-flows.ts'
import { Trackers } from './track/trackers.ts'
import type { RestoredTrackers, SavedTrackers, WatchedSensor } from './watched-sensor.ts'

/** Keeps packets as evidence. */
export interface Recorder {
  /**
   * The packet in the frame, after everybody has followed it: the verdict is that of the packet as it was captured, and the
   * trail of the frame says what it is part of. Allocates nothing, and never waits.
   */
  record(frame: Frame, verdict: Verdict, trackers: Trackers): void
  /** The same of a plain data message, of which only the views `plain` and `inner` hold. Without this all packets are dissected. */
  recordPlain?(frame: Frame, trackers: Trackers): void
}

/** A capture that could not be read to its end. */
export interface Damage {
  readonly capture: string
  readonly fault: CaptureFault
}

/** Flaws before, or in, the header that names hosts. */
const WITHOUT_HOSTS: ReadonlySet<string> = new Set(['link', 'ip', 'pppoe'])

/** Tunnels that end with the capture between two pauses: each may bring hundreds of events. */
const ENDED_AT_ONCE = 16

/** What a sensor may be given in place of its own parts, or beside them. */
export interface SensorParts {
  readonly bus?: EventBus
  /** Follows the flows inside carriers. */
  readonly flowSink?: FlowSink
  /** Told how late it is: at each second of the packets, and whenever time goes on without them. */
  readonly timekeeper?: { expire(nowUs: number): void }
}

export function detectorOf({ detect }: Config, rules: RuleSet, emit: Emit): Detector {
  const { incidentIdleSeconds, incidentLastSeconds, incidentsMax, incidentsBytesMax, ...bounds } = detect
  return new Detector(rules, emit, {
    groupsMax: bounds.groupsMax,
    groupsBytesMax: bounds.groupsBytesMax,
    entitiesMax: bounds.entitiesMax,
    entitiesBytesMax: bounds.entitiesBytesMax,
    incidents: {
      idleUs: incidentIdleSeconds * SECOND_US,
      lastUs: incidentLastSeconds * SECOND_US,
      openMax: incidentsMax,
      bytesMax: incidentsBytesMax,
    },
  })
}

/** A detector for other rules that goes on with what the old one remembers of those that are the same. */
export function replacedDetector(config: Config, rules: RuleSet, emit: Emit, old: Detector | null) {
  const next = detectorOf(config, rules, emit)
  const kept: Restored = old === null ? { restored: 0, outdated: 0 } : next.restore(old.save().text)
  return { next, kept }
}

export class Sensor implements WatchedSensor {
  readonly bus: EventBus
  /** Sources write the next packet here; then comes `observe`. */
  readonly frame = new Frame()
  readonly counts: PathCounts = emptyCounts()
  readonly trackers: Trackers
  /** Nothing: who detects holds back the packets. */
  readonly shed = {}
  /** Null if nothing is to be detected. */
  detector: Detector | null
  recorder: Recorder | null = null
  readonly #config: Config
  readonly #keyring: EspKeyring
  readonly #dissector: Dissector
  readonly #duplicates: Duplicates
  readonly #neighbours: Neighbours
  readonly #clock = new PacketClock()
  /** Until when nobody looked, before the first packet; 0 for a sensor that took nothing up. */
  #resumedUs = 0
  readonly #timekeeper: { expire(nowUs: number): void } | null

  /** Without rules nothing is detected: events only. */
  constructor(
    config: Config,
    version: string,
    rules: RuleSet | null = null,
    espKeys: readonly EspKeyEntry[] = [],
    parts: SensorParts = {},
  ) {
    this.#config = config
    this.bus = parts.bus ?? new EventBus({ name: config.sensor.name, version })
    const { emit } = this.bus
    this.detector = rules === null ? null : detectorOf(config, rules, emit)
    if (this.detector !== null) this.bus.subscribe((document) => this.detector?.observe(document))
    this.#timekeeper = parts.timekeeper ?? null
    this.#keyring = new EspKeyring(espKeys)
    const { track, capture } = config
    const secrets = loadPacketSecrets(config, process.env)
    this.trackers = new Trackers(
      emit,
      trackLimits(config),
      secrets.l2tp,
      this.#keyring,
      secrets.ppp,
      // The ports of what IPsec hides are not those of the network.
      (port) => {
        if (this.frame.protection === null) this.#dissector.learnPort(port)
      },
      track.flows ? parts.flowSink : NO_FLOWS,
    )
    const { anomalies, esp, ikeStreams } = this.trackers
    ikeStreams.attach((frame, bytes, start, end) => this.#followInside(esp.observeInTcp(frame, bytes, start, end)))
    const defragmenter = new Defragmenter(
      {
        datagramsMax: capture.fragmentsMax,
        piecesMax: capture.fragmentPiecesMax,
        timeoutSeconds: capture.fragmentTimeoutSeconds,
      },
      // Fragments that never met are found missing when some other packet comes, which has other hosts.
      (finding, detail, hosts) =>
        hosts === undefined
          ? anomalies.report(this.frame, finding, 'ip', detail, 'ip')
          : anomalies.report(this.frame, finding, 'ip', detail, 'none', {
              'source.ip': hosts.source,
              'destination.ip': hosts.destination,
              'network.type': hosts.version === 6 ? 'ipv6' : 'ipv4',
            }),
    )
    this.#dissector = new Dissector(defragmenter, capture.l2tpPorts)
    this.#duplicates = new Duplicates(capture.duplicateWindowMs * 1000)
    this.#neighbours = new Neighbours(emit, track.neighboursMax)
  }

  /** The time that events have: that of the packets; 0 before the first one. */
  get nowUs(): number {
    return this.counts.packets === 0 ? 0 : this.#clock.nowUs
  }

  /** Of the last packet; null before the first one. */
  get lastPacketUs(): number | null {
    return this.counts.packets === 0 ? null : this.frame.timeUs
  }

  /**
   * Other rules from now on. What the old ones remember of rules that are the same goes on; says how much was taken over, and how
   * much belonged to rules that are gone or say something else.
   */
  replaceRules(rules: RuleSet): Restored {
    const { next, kept } = replacedDetector(this.#config, rules, this.bus.emit, this.detector)
    this.detector = next
    return kept
  }

  async prepareToSave(): Promise<void> {}

  /** What was taken up is, until the first packet, as of the time at which it was. */
  save(): SavedTrackers {
    const nowUs = this.counts.packets === 0 ? this.#resumedUs : this.#clock.nowUs
    return { nowUs, entries: this.trackers.save() }
  }

  restore(entries: readonly SavedEntry[], pause: Pause): RestoredTrackers {
    this.#resumedUs = pause.nowUs
    return this.trackers.restore(entries, pause)
  }

  /** Other keys for ESP from now on. */
  replaceEspKeys(entries: readonly EspKeyEntry[]): void {
    this.#keyring.replace(entries)
    this.trackers.esp.keysChanged()
  }

  /** How full the tables of things that are followed are. */
  get tables(): readonly { readonly name: string; readonly size: number; readonly capacity: number }[] {
    const { tunnels, v3, sessions, flows, ike, esp, pptpConnections, pptpCalls, pppoe } = this.trackers
    const { track } = this.#config
    return [
      { name: 'tunnels', size: tunnels.size, capacity: track.tunnelsMax },
      { name: 'tunnels_v3', size: v3.tunnels.size, capacity: track.tunnelsMax },
      { name: 'sessions', size: sessions.size, capacity: track.sessionsMax },
      { name: 'sessions_v3', size: v3.sessions.size, capacity: track.sessionsMax },
      { name: 'flows', size: flows.size, capacity: track.flowsMax },
      { name: 'ike_exchanges', size: ike.size, capacity: track.ikeExchangesMax },
      { name: 'esp_associations', size: esp.size, capacity: track.espAssociationsMax },
      { name: 'pptp_connections', size: pptpConnections.size, capacity: track.pptpConnectionsMax },
      { name: 'pptp_calls', size: pptpCalls.size, capacity: track.pptpCallsMax },
      { name: 'pppoe_sessions', size: pppoe.size, capacity: track.pppoeSessionsMax },
    ]
  }

  /** From the first packet to the last, in nanoseconds. */
  get trafficNs(): number {
    return this.counts.packets === 0 ? 0 : Math.max(0, Math.round((this.#clock.nowUs - this.#clock.firstUs) * 1000))
  }

  /**
   * Takes everything that a source has, and ends the timeline. `pause` is awaited between blocks of about 256 KiB: there the
   * slow side may hold the packet path back, progress be shown, and reading be stopped by the answer true.
   */
  async run(source: MergedSource, pause: () => unknown): Promise<void> {
    const { frame } = this
    const ahead = source.sources.map(() => new Lookahead(this.trackers))
    while (await source.fill()) {
      while (ahead[source.place].next(source, frame)) {
        frame.capture = source.current.name
        this.observe()
      }
      if ((await pause()) === true) break
    }
    const faults = source.faults.map(({ source: { name }, fault }) => ({ capture: name, fault }))
    await this.end(pause, faults)
  }

  /** Ends the timeline as `finish` does, and lets the slow side catch up from time to time. */
  async end(pause: () => unknown, faults: readonly Damage[] = []): Promise<void> {
    let ended = 0
    for (const _ of this.#ending(faults)) if (++ended % ENDED_AT_ONCE === 0) await pause()
  }

  /** UDP and TCP ports beside the configured ones on which L2TP and IKE were found to be spoken. */
  get learnedPorts(): { readonly udp: readonly number[]; readonly tcp: readonly number[] } {
    return this.#dissector.learned
  }

  /** Time goes on, whether packets come or not: what fell silent ends, a thing at a time as the answer is walked. Nothing happens before the first packet. */
  *advance(nowUs: number): Generator<void> {
    if (this.counts.packets === 0) return
    if (this.#clock.tick({ timeUs: nowUs })) {
      this.bus.origin = null
      yield* this.trackers.expire(this.#clock.nowUs)
    }
    this.detector?.expire(this.#clock.nowUs)
    this.#timekeeper?.expire(this.#clock.nowUs)
  }

  /** The packet in the frame. Nothing here allocates unless there is something to tell. */
  observe(): void {
    const ending = this.arrive()
    if (ending !== null) for (const _ of ending);
    this.examine()
  }

  /**
   * The first half of `observe`: the time of the packet in the frame has come. What fell silent by then ends as the answer is walked;
   * null where nothing can. Until that is done no other packet may come.
   */
  arrive(): Generator<void> | null {
    return this.#clock.tick(this.frame) ? this.#pass() : null
  }

  *#pass(): Generator<void> {
    const { nowUs } = this.#clock
    this.bus.origin = null
    yield* this.trackers.expire(nowUs)
    this.detector?.expire(nowUs)
    this.#timekeeper?.expire(nowUs)
  }

  /** The second half of `observe`. */
  examine(): void {
    const { frame, counts } = this
    counts.packets++
    counts.bytes += frame.end - frame.start
    this.bus.origin = frame
    const { recorder } = this
    if ((recorder === null || recorder.recordPlain !== undefined) && this.#carry()) return
    if (recorder !== null) frame.trail.clear()
    const verdict = this.#dissector.dissect(frame)
    const mayBeCopied = verdict !== 'foreign' && verdict !== 'fragment' && frame.flawLayer !== 'link'
    if (mayBeCopied && this.#isDuplicate(verdict)) {
      counts.duplicates++
      return
    }
    if (frame.link.pppoeAt !== -1 && verdict !== 'pppoe') this.trackers.pppoe.count(frame)
    this.#follow(verdict)
    recorder?.record(frame, verdict, this.trackers)
  }

  /**
   * What nearly all packets are: data of an open session, from its peer. So is what peers still send after a StopCCN, which one of them
   * may not have heard, or a stranger have forged. False for all others, of which nothing was followed yet.
   */
  #carry(): boolean {
    const { frame, counts } = this
    const { tunnels, sessions, routes } = this.trackers
    if (!this.#dissector.isPlainData(frame)) return false
    const isOpen = routes.find(frame.plain)
    if (!isOpen && !tunnels.isClosed(routes.tunnel)) return false
    if (this.#duplicates.isDuplicateData(frame.plain, frame)) {
      counts.duplicates++
      return true
    }
    counts.l2tp++
    if (this.recorder !== null) {
      frame.trail.clear()
      frame.protection = null
    }
    tunnels.countPlain(frame, routes.tunnel)
    if (isOpen) sessions.carryPlain(frame, routes.tunnel, routes.session)
    this.recorder?.recordPlain?.(frame, this.trackers)
    return true
  }

  /** Gives the packet to whoever follows its protocol; what IPsec carried comes here again, as a packet of its own. */
  #follow(verdict: Verdict): void {
    const { frame, counts, trackers } = this
    switch (verdict) {
      case 'l2tp':
        counts.l2tp++
        trackers.observe(frame)
        if (frame.flaw !== null) {
          trackers.anomalies.report(frame, frame.flaw, frame.flawLayer, 'in a data message', 'udp')
        }
        break
      case 'l2tpv3':
        counts.l2tp++
        this.#neighbours.observe(frame, verdict)
        trackers.v3.observe(frame)
        if (frame.flaw !== null) {
          const hosts = frame.hasUdp ? 'udp' : 'ip'
          trackers.anomalies.report(frame, frame.flaw, frame.flawLayer, 'in a data message', hosts)
        }
        break
      case 'foreign':
        counts.foreign++
        break
      case 'fragment':
        counts.fragments++
        break
      case 'flawed':
        counts.flawed++
        this.#reportFlaw()
        break
      case 'inner':
        trackers.esp.observeInner(frame)
        break
      case 'esp':
      case 'ah':
      case 'ike':
      case 'natt':
        this.#neighbours.observe(frame, verdict)
        this.#followIpsec(verdict)
        break
      case 'pptp':
        trackers.pptpConnections.observe(frame)
        break
      case 'gre':
        trackers.pptpCalls.observe(frame)
        break
      case 'pppoe':
        trackers.pppoe.observe(frame)
        break
      case 'ike_tcp':
        if (trackers.ikeStreams.observe(frame)) this.#neighbours.observe(frame, verdict)
        else counts.foreign++
        break
      default:
        this.#neighbours.observe(frame, verdict)
    }
  }

  #followIpsec(verdict: 'esp' | 'ah' | 'ike' | 'natt'): void {
    const { frame, trackers } = this
    const outcome = trackers.esp.observe(frame, verdict)
    if (outcome === OUTCOME.NOT_IPSEC) trackers.ike.observe(frame)
    else this.#followInside(outcome)
  }

  #followInside(outcome: Outcome): void {
    const { frame, counts, trackers } = this
    counts.ipsec++
    if (outcome !== OUTCOME.INSIDE) return
    counts.opened++
    frame.protection = trackers.esp.protection
    const { bytes, start, end } = trackers.esp.inside
    this.#follow(this.#dissector.inside(frame, bytes, start, end))
  }

  /** Frames of PPPoE have an IP header only inside a session. */
  #isDuplicate(verdict: Verdict): boolean {
    const { frame } = this
    if (frame.flawLayer === 'pppoe') return false
    return verdict === 'pppoe' && !frame.hasInner
      ? this.#duplicates.isSameFrame(frame.link, frame.pppoe, frame)
      : this.#duplicates.isDuplicate(frame.ip, frame)
  }

  /** The end of the process, not of what it watches: what `save` does not hold is told, the rest stays open for the sensor that takes it up. */
  async suspend(): Promise<void> {
    this.bus.origin = null
    if (this.counts.packets > 0) this.trackers.suspend()
  }

  /** The end of the timeline: faults are told, everything open is closed, and the totals are given. */
  finish(faults: readonly Damage[] = []): void {
    for (const _ of this.#ending(faults));
  }

  *#ending(faults: readonly Damage[]): Generator<void> {
    const { bus, counts } = this
    const hasPackets = counts.packets > 0
    const { nowUs } = this
    bus.origin = null
    for (const { capture, fault } of faults) {
      bus.emit({
        name: 'capture.damaged',
        timeUs: nowUs,
        message: `${capture} is damaged at byte ${fault.offset}: ${fault.message}`,
        fields: { 'anomaly.name': fault.name, 'capture.fault.offset': fault.offset, 'event.reason': fault.message },
      })
    }
    yield* this.trackers.finish(nowUs)
    bus.emit({
      name: 'capture.analysed',
      timeUs: nowUs,
      message: `${counts.packets} packets analysed`,
      fields: {
        'capture.packets': counts.packets,
        'capture.bytes': counts.bytes,
        'capture.duplicates': counts.duplicates,
        'capture.l2tp': counts.l2tp,
        'capture.foreign': counts.foreign,
        'capture.flawed': counts.flawed,
        'capture.suppressed': this.trackers.suppressed === 0 ? undefined : this.trackers.suppressed,
        ...(counts.ipsec === 0 ? {} : this.#ofIpsec()),
        'event.start': hasPackets ? isoMicroseconds(this.#clock.firstUs) : undefined,
        'event.end': hasPackets ? isoMicroseconds(nowUs) : undefined,
        'event.duration': hasPackets ? this.trafficNs : undefined,
      },
    })
    this.detector?.end()
  }

  #ofIpsec() {
    const { ipsec, opened } = this.counts
    return { 'capture.ipsec': ipsec, 'capture.opened': opened, 'capture.lost': this.trackers.esp.lost }
  }

  #reportFlaw(): void {
    const { frame } = this
    const hosts = frame.hasUdp ? 'udp' : WITHOUT_HOSTS.has(frame.flawLayer) ? 'none' : 'ip'
    this.trackers.anomalies.report(frame, frame.flaw ?? '', frame.flawLayer, '', hosts)
  }
}
