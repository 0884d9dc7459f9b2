/**
 * The composition root and the packet loop: the data path on one page.
 *
 *     capture ─► dissect ─► track ─►  events  ─► detect ─► (whoever else subscribes to the bus: store, output)
 */
import { PacketClock } from './base/packet-clock.ts'
import { isoMicroseconds } from './base/time.ts'
import type { MergedSource } from './capture/merge.ts'
import type { CaptureFault } from './capture/packet.ts'
import type { Config } from './config-schema.ts'
import { Detector } from './detect/detector.ts'
import type { RuleSet } from './detect/rules.ts'
import { Defragmenter } from './dissect/defragment.ts'
import { Dissector, type Verdict } from './dissect/dissector.ts'
import { Duplicates } from './dissect/duplicates.ts'
import { type EspKeyEntry, EspKeyring } from './dissect/esp-keyring.ts'
import { Frame } from './dissect/frame.ts'
import { EventBus } from './events/bus.ts'
import { trackLimits } from './track-limits.ts'
import type { FlowSink } from './track/carrier-flows.ts'
import { OUTCOME, type Outcome } from './track/esp-tracker.ts'
import { Neighbours } from './track/neighbours.ts'
import { Trackers } from './track/trackers.ts'

/** What went through the packet path. */
export interface PathCounts {
  packets: number
  /** As captured. */
  bytes: number
  duplicates: number
  l2tp: number
  /** Packets of ESP and AH, and those of them whose content could be read. */
  ipsec: number
  opened: number
  foreign: number
  fragments: number
  flawed: number
}

export function emptyCounts(): PathCounts {
  return {
    packets: 0,
    bytes: 0,
    duplicates: 0,
    l2tp: 0,
    ipsec: 0,
    opened: 0,
    foreign: 0,
    fragments: 0,
    flawed: 0,
  }
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

/** What a sensor may be given instead of its own. */
export interface SensorParts {
  readonly bus?: EventBus
  /** Follows the flows inside carriers. */
  readonly flowSink?: FlowSink
  /** Told, between blocks of packets, how late it is. */
  readonly timekeeper?: { expire(nowUs: number): void }
}

export class Sensor {
  readonly bus: EventBus
  /** Sources write the next packet here; then comes `observe`. */
  readonly frame = new Frame()
  readonly counts: PathCounts = emptyCounts()
  readonly trackers: Trackers
  readonly detector: Detector | null
  readonly #dissector: Dissector
  readonly #duplicates: Duplicates
  readonly #neighbours: Neighbours
  readonly #clock = new PacketClock()
  readonly #timekeeper: { expire(nowUs: number): void } | null

  /** Without rules nothing is detected: events only. */
  constructor(
    config: Config,
    version: string,
    rules: RuleSet | null = null,
    espKeys: readonly EspKeyEntry[] = [],
    parts: SensorParts = {},
  ) {
    this.bus = parts.bus ?? new EventBus({ name: config.sensor.name, version })
    const { emit } = this.bus
    const { groupsMax, entitiesMax } = config.detect
    this.detector = rules === null ? null : new Detector(rules, emit, { groupsMax, entitiesMax })
    if (this.detector !== null) this.bus.subscribe(this.detector.observe)
    this.#timekeeper = parts.timekeeper ?? this.detector
    const { track, capture } = config
    const secrets = config.secrets.l2tp.map((secret) => new TextEncoder().encode(secret))
    this.trackers = new Trackers(
      emit,
      trackLimits(config),
      secrets,
      new EspKeyring(espKeys),
      config.secrets.ppp,
      // The ports of what IPsec hides are not those of the network.
      (port) => {
        if (this.frame.protection === null) this.#dissector.learnPort(port)
      },
      parts.flowSink,
    )
    const { anomalies, esp, ikeStreams } = this.trackers
    ikeStreams.attach((frame, bytes, start, end) => this.#followInside(esp.observeInTcp(frame, bytes, start, end)))
    const defragmenter = new Defragmenter(
      {
        datagramsMax: capture.fragmentsMax,
        piecesMax: capture.fragmentPiecesMax,
        timeoutSeconds: capture.fragmentTimeoutSeconds,
      },
      // Fragments that never met are found missing when some other packet comes: then the detail names the hosts.
      (finding, detail) =>
        anomalies.report(this.frame, finding, 'ip', detail, finding === 'ip.fragment_incomplete' ? 'none' : 'ip'),
    )
    this.#dissector = new Dissector(defragmenter, capture.l2tpPorts)
    this.#duplicates = new Duplicates(capture.duplicateWindowMs * 1000)
    this.#neighbours = new Neighbours(emit, track.neighboursMax)
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
    while (await source.fill()) {
      while (source.next(frame)) {
        frame.capture = source.current.name
        this.observe()
      }
      if (this.counts.packets > 0) this.#timekeeper?.expire(this.#clock.nowUs)
      if ((await pause()) === true) break
    }
    const faults = source.faults.map(({ source: { name }, fault }) => ({ capture: name, fault }))
    let ended = 0
    for (const _ of this.#ending(faults)) if (++ended % ENDED_AT_ONCE === 0) await pause()
  }

  /** The packet in the frame. Nothing here allocates unless there is something to tell. */
  observe(): void {
    const { frame, counts } = this
    counts.packets++
    counts.bytes += frame.end - frame.start
    if (this.#clock.tick(frame)) {
      this.bus.origin = null
      this.trackers.expire(this.#clock.nowUs)
    }
    this.bus.origin = frame
    const verdict = this.#dissector.dissect(frame)
    const mayBeCopied = verdict !== 'foreign' && verdict !== 'fragment' && frame.flawLayer !== 'link'
    if (mayBeCopied && this.#isDuplicate(verdict)) {
      counts.duplicates++
      return
    }
    if (frame.link.pppoeAt !== -1 && verdict !== 'pppoe') this.trackers.pppoe.count(frame)
    this.#follow(verdict)
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

  /** The end of the timeline: faults are told, everything open is closed, and the totals are given. */
  finish(faults: readonly Damage[] = []): void {
    for (const _ of this.#ending(faults));
  }

  *#ending(faults: readonly Damage[]): Generator<void> {
    const { bus, counts } = this
    const hasPackets = counts.packets > 0
    const nowUs = hasPackets ? this.#clock.nowUs : 0
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
