/**
 * What a sensor needs that runs for months, around one that watches: its memory survives a restart, its configuration can be read
 * again, it says how it does, sheds what is too much by name, and ends in good order.
 *
 * Driven by the ticks of the packet loop, so that a loop that stands still is noticed: by `/healthz`, and by the watchdog of the
 * service manager.
 */
import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { Context, UsageError } from './commands/context.ts'
import type { Config } from './config-schema.ts'
import { FolderInUseError } from './deliveries.ts'
import { mistakesIn } from './detect/rules.ts'
import type { RaisedEvent } from './events/catalogue.ts'
import { Claim, claimFolder, type Owner } from './output/claim.ts'
import { prometheusText } from './output/metrics.ts'
import type { Pipeline } from './pipeline.ts'
import { keysForRestart } from './reload.ts'
import { SavedState } from './saved-state.ts'
import { SensorReport } from './sensor-report.ts'
import { Endpoints } from './service/endpoints.ts'
import { HeapTrim } from './service/heap-trim.ts'
import type { ServiceLog } from './service/log.ts'
import { sensorMetrics } from './service/metrics.ts'
import type { Notifier } from './service/notify.ts'
import { Shedding } from './shedding.ts'
import { stateParts } from './state-parts.ts'
import type { WatchedSensor, WatchedSource } from './watched-sensor.ts'

export interface SensorServiceOptions {
  readonly context: Context
  readonly pipeline: Pipeline
  readonly sensor: WatchedSensor
  readonly sources: readonly WatchedSource[]
  readonly log: ServiceLog
  readonly notifier: Notifier
  /** Microseconds since the epoch. */
  readonly wallUs?: () => number
  /** Milliseconds that only go forward. */
  readonly monotonicMs?: () => number
  /** As `SavedState` takes it. */
  readonly stateSliceMs?: number
}

const SECOND_MS = 1000
/** Of the folder of the state, which may be that of the spools. */
const STATE_LOCK = 'state.lock'
/** The loop ticks ten times a second. */
const STUCK_MS = 10_000
const MAINTAIN_MS = 600_000
/** Packets that could not be kept are told of together. */
const EVIDENCE_MS = 10_000
/** Before all destinations: what events are given up there, nobody gets. */
const DETECTION = 'detection'
/** A destination that fails for a moment is no trouble. */
const FAILING_MS = 5000

export class SensorService {
  readonly #options: SensorServiceOptions
  readonly #config: Config
  readonly #report: SensorReport
  readonly #shedding: Shedding
  readonly #heap: HeapTrim
  readonly #wallUs: () => number
  readonly #monotonicMs: () => number
  /** Null if nothing is kept. */
  readonly #state: SavedState | null
  /** On the folder of the state. */
  #claim: Claim | null = null
  #endpoints: Endpoints | null = null
  #phase: 'starting' | 'watching' | 'stopping' = 'starting'
  #tickedMs: number
  #lookedMs = 0
  #evidenceToldMs = 0
  /** Why packets were not kept, of the last time that was looked. */
  #evidenceLosses: readonly string[] = []
  #maintainedMs: number
  #reloading: Promise<void> | null = null
  #isReloadWanted = false
  readonly #ending = new AbortController()
  /** How long the last one took. */
  #reloadMs = 0

  constructor(options: SensorServiceOptions) {
    const { context, pipeline, sensor, sources, log } = options
    const { service, baseline, sensor: named } = context.config
    this.#options = options
    this.#config = context.config
    this.#wallUs = options.wallUs ?? (() => Date.now() * 1000)
    this.#monotonicMs = options.monotonicMs ?? (() => performance.now())
    this.#tickedMs = this.#monotonicMs()
    this.#maintainedMs = this.#tickedMs
    this.#heap = new HeapTrim(this.#tickedMs)
    this.#report = new SensorReport(named.name, sensor, pipeline, sources)
    this.#shedding = new Shedding(sensor.bus.emit)
    const parts = () =>
      stateParts(sensor, pipeline, {
        resumeUs: service.resumeSeconds * 1e6,
        wallUs: this.#wallUs,
        baselinesPath: baseline.path,
      })
    this.#state =
      service.statePath === ''
        ? null
        : new SavedState(
            parts(),
            {
              folder: service.statePath,
              everyMs: service.stateSeconds * SECOND_MS,
              bytesMax: service.stateBytesMax,
              settled: () => pipeline.deliveries.settled(),
              warn: log.warn,
              ...(options.stateSliceMs === undefined ? {} : { sliceMs: options.stateSliceMs }),
            },
            this.#tickedMs,
          )
    sensor.bus.subscribe((document) => {
      this.#report.count(document)
      if (document['event.kind'] === 'alert') this.#state?.hasten(this.#monotonicMs())
    })
    pipeline.deliveries.describeSensor = () => this.#snapshot()
  }

  /**
   * Takes up what an earlier process remembered, and opens the endpoints.
   *
   * @throws {FolderInUseError} if another process keeps its state in the same folder
   * @throws {UsageError} if the address of the endpoints cannot be had
   */
  async start(): Promise<void> {
    const { service } = this.#config
    if (this.#state !== null) {
      this.#claimState(service.statePath)
      await this.#restore(this.#state)
    }
    this.#options.pipeline.tellEarly()
    if (service.port !== 0) {
      const opening = Endpoints.open({
        host: service.host,
        port: service.port,
        anyName: service.allowRemote,
        stuck: () => this.#stuck(),
        troubles: () => this.#troubles(),
        status: () => ({ ...this.#snapshot(), destinations: this.#options.pipeline.deliveries.destinations }),
        metrics: () => this.#metrics(),
      })
      this.#endpoints = await opening.catch((error: Error) => {
        throw new UsageError(`nothing can be answered there (service.host, service.port): ${error.message}`)
      })
      this.#options.log.info(`answers at http://${service.host}:${service.port}`, { port: service.port })
    }
    void this.#options.pipeline.tellPast()
    this.#phase = 'watching'
    this.#options.notifier.ready(this.#line())
  }

  /** About ten times a second, between packets, and twice where none come; `nowUs` is the time that events have. */
  tick(nowUs: number): void {
    const { pipeline, sensor, log, notifier } = this.#options
    const nowMs = this.#monotonicMs()
    this.#tickedMs = nowMs
    notifier.alive(nowMs)
    pipeline.router?.advance(nowUs)
    pipeline.tickEvidence(nowUs)
    if (nowMs - this.#lookedMs < SECOND_MS) return
    this.#lookedMs = nowMs
    this.#report.tick(nowMs)
    this.#heap.tick(nowMs)
    if (nowMs - this.#evidenceToldMs >= EVIDENCE_MS) {
      this.#evidenceToldMs = nowMs
      this.#evidenceLosses = pipeline.reportEvidence(nowUs)
      for (const why of this.#evidenceLosses) log.warn(`packets are not kept as evidence: ${why}`)
    }
    const { destinations } = pipeline.deliveries
    this.#shedding.look([...destinations, { name: DETECTION, dropped: sensor.shed }], nowMs, nowUs)
    this.#state?.tick(nowMs)
    notifier.status(this.#line())
    log.tick()
    if (nowMs - this.#maintainedMs >= MAINTAIN_MS) this.#maintain(nowMs)
  }

  /** Reads the configuration again. One at a time: what is asked for meanwhile is done once after it. Never rejects. */
  reload(): Promise<void> {
    this.#isReloadWanted = true
    this.#reloading ??= this.#reloadAll().finally(() => {
      this.#reloading = null
    })
    return this.#reloading
  }

  /** All packets are taken: what is open is kept for the next process, or ends. */
  async end(): Promise<void> {
    const { sensor, pipeline, notifier, log } = this.#options
    this.#phase = 'stopping'
    this.#heap.end()
    this.#ending.abort()
    notifier.stopping()
    log.info('stopping: packets that came in are taken, events are delivered')
    await this.#reloading
    const breathe = () => new Promise<void>((resolve) => setImmediate(resolve))
    if (this.#state === null) {
      await sensor.end(breathe)
      await pipeline.endTimeline()
      return
    }
    // What is open stays open for the sensor that takes it up.
    await sensor.suspend()
    await pipeline.endTimeline(false)
  }

  /** After `end`: delivers within the time that is given, and keeps what is remembered. */
  async finish(): Promise<void> {
    const { pipeline, log } = this.#options
    const finished = pipeline.finish(this.#config.service.stopSeconds * SECOND_MS)
    try {
      await finished
    } finally {
      await this.#state?.saveNow()
      this.#claim?.release()
      await this.#endpoints?.close()
      log.end()
    }
  }

  /** Two that wrote there would take up each other's memory, and halves of it. */
  #claimState(folder: string): void {
    let claim: Claim | Owner
    try {
      claim = claimFolder(folder, 'borescope watch', STATE_LOCK)
    } catch {
      // Nothing can be written there: saving says so.
      return
    }
    if (!(claim instanceof Claim)) throw new FolderInUseError(folder, claim, 'BORESCOPE_SERVICE__STATE_PATH')
    this.#claim = claim
  }

  async #restore(state: SavedState): Promise<void> {
    const { log } = this.#options
    const parts = await state.restore()
    const problems = parts.flatMap(({ problem }) => (problem === null ? [] : [problem]))
    for (const problem of problems) log.warn(`a part of the saved state is not taken up: ${problem}`)
    const refused = parts.flatMap((part) => (part.refused ?? []).map((why) => `${part.name}: ${why}`))
    for (const why of refused) log.warn(`entries of the saved state are not taken up: ${why}`)
    const restored = parts.reduce((sum, part) => sum + part.restored, 0)
    const outdated = parts.reduce((sum, part) => sum + part.outdated, 0)
    if (restored + outdated + problems.length === 0) return
    for (const part of parts) log.info(`state of ${part.name}: ${part.restored} restored, ${part.outdated} outdated`)
    this.#tell({
      name: 'sensor.state.restored',
      timeUs: this.#wallUs(),
      message: `${restored} entries of the saved state were taken up, ${outdated} are outdated`,
      fields: {
        'sensor.state.restored': restored,
        'sensor.state.outdated': outdated,
        'sensor.state.problems': problems.length + refused.length === 0 ? undefined : [...problems, ...refused],
      },
    })
  }

  async #reloadAll(): Promise<void> {
    while (this.#isReloadWanted) {
      // Signals that come together are one wish, and however many come: packets have as much of the time as the loading of rules takes.
      await delay(this.#reloadMs, undefined, { signal: this.#ending.signal }).catch(() => {})
      this.#isReloadWanted = false
      if (this.#phase === 'stopping') return
      const beganMs = performance.now()
      await this.#reloadOnce()
      this.#reloadMs = performance.now() - beganMs
    }
  }

  async #reloadOnce(): Promise<void> {
    const { context: running, pipeline, log, notifier } = this.#options
    notifier.reloading(Math.round(Number(process.hrtime.bigint() / 1000n)))
    try {
      const context = new Context(running.configPath)
      const replacement = pipeline.prepare(context)
      const restart = keysForRestart(this.#config, context.config)
      const { kept, ready } = pipeline.replace(replacement)
      log.level = context.config.service.logLevel
      await ready
      this.#report.reloaded(null)
      const { rules } = replacement.knowledge
      const wrong = mistakesIn(rules)
      for (const line of wrong) log.warn(`a rule is wrong and not used: ${line}`)
      const count = rules.rules.length + rules.correlations.length
      log.info(`reloaded: ${count} rules`, { kept: kept.restored, outdated: kept.outdated })
      if (restart.length > 0) log.warn(`changed, but only a restart brings it: ${restart.join(', ')}`)
      this.#tell({
        name: 'sensor.reloaded',
        timeUs: this.#wallUs(),
        message: `The configuration was read again: ${count} rules${restart.length === 0 ? '' : `; a restart is needed for ${restart.join(', ')}`}`,
        fields: {
          'sensor.reload.rules': count,
          'sensor.state.restored': kept.restored,
          'sensor.state.outdated': kept.outdated,
          'sensor.reload.restart': restart.length === 0 ? undefined : restart,
          'sensor.reload.mistakes': wrong.length === 0 ? undefined : wrong,
        },
      })
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      this.#report.reloaded(reason)
      for (const line of reason.split('\n')) log.error(`not reloaded, the old configuration goes on: ${line}`)
      this.#tell({
        name: 'sensor.reload_refused',
        timeUs: this.#wallUs(),
        message: 'The changed configuration is wrong: the old one goes on',
        fields: { 'event.reason': reason },
      })
    }
    notifier.ready(this.#line())
  }

  #tell(event: RaisedEvent): void {
    const { bus } = this.#options.sensor
    bus.origin = null
    bus.emit(event)
  }

  #maintain(nowMs: number): void {
    this.#maintainedMs = nowMs
    const { pipeline } = this.#options
    void pipeline.tellPast()
    void pipeline.maintain()
  }

  #stuck(): string | null {
    const silentMs = this.#monotonicMs() - this.#tickedMs
    return this.#phase === 'watching' && silentMs > STUCK_MS
      ? `the packet loop stands still for ${Math.round(silentMs / SECOND_MS)} s`
      : null
  }

  #troubles(): string[] {
    const { sources, pipeline } = this.#options
    const troubles: string[] = this.#phase === 'watching' ? [] : [this.#phase]
    const stuck = this.#stuck()
    if (stuck !== null) troubles.push(stuck)
    const down = sources.filter(({ state }) => state === 'down').map(({ name }) => name)
    for (const name of new Set(down)) troubles.push(`${name} is down`)
    for (const { name, state, failingSince, lastError } of pipeline.deliveries.destinations) {
      const failsMs = failingSince === null ? 0 : Date.now() - Date.parse(failingSince)
      if (state === 'failed' || failsMs > FAILING_MS) {
        troubles.push(`${name} fails${failingSince === null ? '' : ` since ${failingSince}`}: ${lastError?.message}`)
      }
    }
    for (const name of this.#shedding.destinations) troubles.push(`${name} loses events: more come than it takes`)
    for (const why of this.#evidenceLosses) troubles.push(`packets are not kept as evidence: ${why}`)
    const unsaved = this.#state?.status.problem ?? null
    if (unsaved !== null) troubles.push(unsaved)
    return troubles
  }

  #snapshot() {
    return this.#report.snapshot(this.#state?.status ?? null, this.#troubles())
  }

  async #metrics(): Promise<string> {
    const { destinations } = this.#options.pipeline.deliveries
    return `${await sensorMetrics(this.#snapshot())}\n${await prometheusText(destinations)}`
  }

  /** For `systemctl status`. */
  #line(): string {
    const troubles = this.#troubles()
    return troubles.length > 0 ? troubles.join('; ') : this.#report.line()
  }
}
