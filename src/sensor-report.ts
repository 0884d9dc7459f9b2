/** Collects how a running sensor does. */
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { isoMicroseconds } from './base/time.ts'
import { CATALOGUE } from './events/catalogue.ts'
import type { EventDocument } from './events/fields.ts'
import type { Pipeline } from './pipeline.ts'
import type { LoopDelay, SensorSnapshot, TableSnapshot } from './service/snapshot.ts'
import { VERSION } from './version.ts'
import type { WatchedSensor, WatchedSource } from './watched-sensor.ts'

/** What the rate is of. */
const RATE_SECONDS = 10
/** Each look at how late the event loop is wakes the sensor, which costs more than all else on a silent interface. */
const RESOLUTION_MS = 100
const DELAY_MS = 60_000

export class SensorReport {
  readonly #name: string
  readonly #sensor: WatchedSensor
  readonly #pipeline: Pipeline
  readonly #sources: readonly WatchedSource[]
  readonly #startedMs = performance.now()
  readonly #alerts: Record<string, number> = {}
  readonly #delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  /** Of the minute before. */
  #delayBefore: LoopDelay | null = null
  #delaySinceMs = performance.now()
  /** When, and how many packets there were, by the last looks. */
  readonly #looks: { readonly ms: number; readonly packets: number }[] = []
  readonly #reloads = { succeeded: 0, refused: 0, last: null as string | null, problem: null as string | null }

  constructor(name: string, sensor: WatchedSensor, pipeline: Pipeline, sources: readonly WatchedSource[]) {
    this.#name = name
    this.#sensor = sensor
    this.#pipeline = pipeline
    this.#sources = sources
    this.#delay.enable()
  }

  /** An event that was raised. */
  count(document: EventDocument): void {
    if (document['event.kind'] !== 'alert') return
    const level = document['rule.level'] ?? 'medium'
    this.#alerts[level] = (this.#alerts[level] ?? 0) + 1
  }

  /** About once a second. */
  tick(nowMs: number): void {
    this.#looks.push({ ms: nowMs, packets: this.#sensor.counts.packets })
    if (this.#looks.length > RATE_SECONDS) this.#looks.shift()
    if (nowMs - this.#delaySinceMs < DELAY_MS) return
    this.#delayBefore = this.#delayNow()
    this.#delay.reset()
    this.#delaySinceMs = nowMs
  }

  /** A reload came to its end; `problem` says why it was refused. */
  reloaded(problem: string | null): void {
    if (problem === null) this.#reloads.succeeded++
    else this.#reloads.refused++
    this.#reloads.last = new Date().toISOString()
    this.#reloads.problem = problem
  }

  /** In a few words. */
  line(): string {
    const alerts = Object.values(this.#alerts).reduce((sum, count) => sum + count, 0)
    const { packets } = this.#sensor.counts
    return `${packets} packets, ${Math.round(this.#rate())}/s, ${alerts} alerts, ${[...new Set(this.#sources.map(({ name }) => name))].join(' ')}`
  }

  snapshot(state: SensorSnapshot['state'], troubles: readonly string[]): SensorSnapshot {
    const { counts, tables, lastPacketUs, bus, detector } = this.#sensor
    const { rss, heapUsed } = process.memoryUsage()
    const { user, system } = process.cpuUsage()
    const events: Record<string, number> = {}
    for (const [name, count] of bus.counts) {
      const { dataset } = CATALOGUE[name]
      events[dataset] = (events[dataset] ?? 0) + count
    }
    return {
      name: this.#name,
      version: VERSION,
      uptimeSeconds: Math.round((performance.now() - this.#startedMs) / 1000),
      packets: { ...counts },
      packetsPerSecond: Math.round(this.#rate()),
      lastPacket: lastPacketUs === null ? null : isoMicroseconds(lastPacketUs),
      sources: this.#sources.map(({ name, ring, state: link, counters }) => ({
        name,
        ring,
        isUp: link === 'up',
        packets: counters.packets,
        bytes: counters.bytes,
        kernelDrops: counters.kernelDrops,
        interfaceDrops: counters.interfaceDrops,
        ownDrops: counters.ownDrops,
        ringFill: counters.ringFill,
        ringFillHighest: counters.ringFillHighest,
      })),
      events,
      alerts: { ...this.#alerts },
      rules: this.#rules(),
      tables: [...tables, ...(detector?.tables ?? []), ...this.#habits()],
      evicted: {
        correlation_groups: detector?.counters.evicted ?? 0,
        suppressions: detector?.counters.forgotten ?? 0,
        baselines: this.#pipeline.baselines?.counters.evicted ?? 0,
        alert_groups: this.#pipeline.router?.counters.forgotten ?? 0,
      },
      evidence: this.#evidence(),
      loopDelay: worse(this.#delayNow(), this.#delayBefore),
      rssBytes: rss,
      heapBytes: heapUsed,
      cpuSeconds: (user + system) / 1e6,
      state,
      reloads: { ...this.#reloads },
      troubles,
    }
  }

  #rules(): SensorSnapshot['rules'] {
    const { rules, correlations, problems } = this.#pipeline.knowledge.rules
    const wrong = problems.filter(({ severity }) => severity === 'error').length
    return { used: rules.length + correlations.length, wrong }
  }

  #evidence(): SensorSnapshot['evidence'] {
    const counters = this.#pipeline.evidence
    if (counters === null) return null
    const { packets, bytes, dropped } = counters
    return { packets, bytes, dropped }
  }

  #habits(): TableSnapshot[] {
    const { baselines } = this.#pipeline
    if (baselines === null) return []
    return [
      { name: 'baselines', size: baselines.counters.entities, capacity: baselines.capacity },
      { name: 'baseline_bytes', size: baselines.bytes, capacity: baselines.bytesMax },
    ]
  }

  /** Packets a second. */
  #rate(): number {
    const first = this.#looks.at(0)
    const last = this.#looks.at(-1)
    if (first === undefined || last === undefined || last.ms === first.ms) return 0
    return ((last.packets - first.packets) / (last.ms - first.ms)) * 1000
  }

  /** In seconds, beyond the time that the measurement itself waits. */
  #delayNow(): LoopDelay {
    const late = (ns: number) => Math.max(0, ns / 1e9 - RESOLUTION_MS / 1000)
    if (this.#delay.count === 0) return { p50: 0, p99: 0, max: 0 }
    return {
      p50: late(this.#delay.percentile(50)),
      p99: late(this.#delay.percentile(99)),
      max: late(this.#delay.max),
    }
  }
}

function worse(now: LoopDelay, before: LoopDelay | null): LoopDelay {
  if (before === null) return now
  return {
    p50: Math.max(now.p50, before.p50),
    p99: Math.max(now.p99, before.p99),
    max: Math.max(now.max, before.max),
  }
}
