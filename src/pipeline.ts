/**
 * Everything right of the waist, composed in one place for whoever has a sensor: enrichers, rules, learned habits, the summary,
 * the store and other sinks, alerts on their way to people.
 *
 *     sensor.bus ─► enrichers ─► detector, baselines, summary, deliveries, alert router
 */
import { Alerting, type PreparedAlerting, prepareAlerting } from './alerting.ts'
import type { Config } from './config-schema.ts'
import { saveBaselines } from './baseline-file.ts'
import { createBaselines, readBaselines } from './commands/baseline.ts'
import { type Context, UsageError } from './commands/context.ts'
import { Summary, type SummaryBounds } from './commands/summary.ts'
import { warn } from './commands/terminal.ts'
import { Deliveries } from './deliveries.ts'
import type { Baselines } from './detect/baseline/baselines.ts'
import { mistakesIn } from './detect/rules.ts'
import type { Restored } from './detect/sigma/state.ts'
import type { EventBus } from './events/bus.ts'
import type { Emit, RaisedEvent } from './events/catalogue.ts'
import { type EventSink, ndjsonSink, storeSink } from './event-sinks.ts'
import { type Knowledge, loadKnowledge } from './knowledge.ts'
import type { AlertRouter } from './output/alert-router.ts'
import type { DeliveryCounts } from './output/delivery-status.ts'
import { Recording, type RecordingCounters } from './recording.ts'
import { sendPast } from './retro-notices.ts'
import { Sensor } from './sensor.ts'
import { VERSION } from './version.ts'
import type { WatchedSensor } from './watched-sensor.ts'

export interface PipelineOptions {
  /** What the process is called by `borescope status`. */
  readonly command: string
  /** A file for the events as NDJSON; `-` is stdout. */
  readonly out?: string | undefined
  /** Told once if that is a pipe and whoever reads it has had enough. */
  readonly readerGone?: () => void
  readonly store: boolean
  /** Whether people are told of alerts. */
  readonly notify?: boolean | undefined
  /** Whether habits are learned. */
  readonly baseline?: boolean | undefined
  /** A folder for packets that are kept, in place of the configured one. */
  readonly evidence?: string | undefined
  /** Whether what makes the events cannot wait for those who take them. */
  readonly isLive?: boolean
  readonly warn?: (message: string) => void
}

/** A sensor that runs for months keeps no more for the summary at its end, which shows a dozen: the store has it all. */
const LIVE_SUMMARY: SummaryBounds = { alerts: 100, incidents: 100, users: 1000 }

/** What became of the alerts that people were to be told of. */
export interface Notified {
  heldBack: number
  duplicates: number
  unrouted: number
  readonly sinks: { readonly name: string; readonly counts: DeliveryCounts }[]
}

/** Everything of a configuration that may take the place of another one while the sensor runs, loaded and checked. */
export interface Replacement {
  readonly knowledge: Knowledge
  /** Null if nobody is told of alerts. */
  readonly alerting: PreparedAlerting | null
  readonly alerts: Config['alerts']
}

export class Pipeline {
  readonly summary: Summary
  readonly deliveries: Deliveries
  readonly sinks: EventSink[] = []
  /** Null unless habits are learned. */
  readonly baselines: Baselines | null
  readonly #context: Context
  readonly #command: string
  readonly #warn: (message: string) => void
  readonly #notified: Notified = { heldBack: 0, duplicates: 0, unrouted: 0, sinks: [] }
  #knowledge: Knowledge
  #alerting: Alerting | null = null
  #alerts: Config['alerts']
  /** Null unless what was found in the past is being told. */
  #tellingPast: Promise<void> | null = null
  #recording: Recording | null = null
  #router: AlertRouter | null = null
  #sensor: WatchedSensor | null = null
  /** What is told while habits are read, before there is a timeline that it could go to. */
  readonly #early: RaisedEvent[] = []
  /** The habits outlive the sensors of the timelines: what deviates goes to the one at work. */
  #emit: Emit = (event) => this.#early.push(event)

  private constructor(context: Context, options: PipelineOptions) {
    const tell = options.warn ?? warn
    this.#context = context
    this.#alerts = context.config.alerts
    this.#warn = tell
    this.#command = options.command
    this.summary = options.isLive ? new Summary(LIVE_SUMMARY) : new Summary()
    this.#knowledge = loadKnowledge(context)
    for (const line of mistakesIn(this.#knowledge.rules)) tell(`a rule is wrong and not used: ${line}`)
    this.baselines = options.baseline ? createBaselines(context.config, (event) => this.#emit(event)) : null
    if (this.baselines !== null) readBaselines(context.config.baseline.path, this.baselines)
    this.deliveries = new Deliveries(context.config.delivery, options.command, tell, options.isLive)
  }

  /**
   * Loads what the configuration names, and begins to deliver. What was opened before an error is closed again.
   *
   * @throws {UsageError | ConfigError | FolderInUseError | StoreError} what the user can mend
   */
  static async open(context: Context, options: PipelineOptions): Promise<Pipeline> {
    const pipeline = new Pipeline(context, options)
    try {
      await pipeline.#open(options)
    } catch (error) {
      await pipeline.abort()
      throw error
    }
    return pipeline
  }

  async #open(options: PipelineOptions): Promise<void> {
    const { notify, out, store, isLive = false, readerGone = () => {} } = options
    const { deliveries, sinks } = this
    this.#recording = recordingOf(this.#context, options)
    const alerting = notify ? prepared(this.#context) : null
    if (alerting !== null) this.#alerting = new Alerting(alerting, deliveries)
    if (out !== undefined) sinks.push(await ndjsonSink(out, deliveries, { grows: isLive, readerGone }))
    if (store) sinks.push(await storeSink(this.#context, deliveries))
  }

  /** A sensor for the next timeline, with everything behind it. */
  sensor(): Sensor {
    const { rules, espKeys } = this.#knowledge
    const sensor = new Sensor(this.#context.config, VERSION, rules, espKeys)
    this.attach(sensor.bus, sensor)
    return sensor
  }

  /**
   * Everything behind the bus of the next timeline. `sensor` is null if it is over before anything may be replaced. Packets can be kept
   * of a sensor in this thread only.
   */
  attach(bus: EventBus, sensor: WatchedSensor | null): void {
    const isHere = sensor instanceof Sensor
    if (!isHere && this.#recording !== null) throw new Error('packets are kept by a sensor of this thread')
    this.#sensor = sensor
    this.#emit = bus.emit
    bus.enrich((document) => {
      for (const enrich of this.#knowledge.enrichers) enrich(document)
    })
    if (this.baselines !== null) bus.subscribe(this.baselines.observe)
    bus.subscribe(this.summary.observe)
    for (const { delivery } of this.sinks) bus.subscribe(delivery.push)
    // Of each timeline for itself: the next one may lie a year before.
    this.#router = this.#alerting?.router() ?? null
    if (this.#router !== null) bus.subscribe((document) => this.#router?.observe(document))
    if (isHere) this.#recording?.attach(sensor)
  }

  /** Everything is in its place that listens to the first timeline, with what it remembers: what came up before that is told. */
  tellEarly(): void {
    for (const event of this.#early.splice(0)) this.#emit(event)
  }

  /** Null if nobody is told of alerts, or no timeline is under way. */
  get router(): AlertRouter | null {
    return this.#router
  }

  get knowledge(): Knowledge {
    return this.#knowledge
  }

  /**
   * What another configuration brings, loaded and checked; nothing changes yet. As at the start, a rule that is wrong is left out.
   *
   * @throws {UsageError | ConfigError} what is wrong with it, in lines that say where
   */
  prepare(context: Context): Replacement {
    const knowledge = loadKnowledge(context)
    const alerting = this.#alerting === null ? null : prepared(context)
    return { knowledge, alerting, alerts: context.config.alerts }
  }

  /** Puts it in the place of what there was, between two packets. Says what became of what the rules remember. */
  replace({ knowledge, alerting, alerts }: Replacement): { readonly kept: Restored; readonly ready: Promise<void> } {
    const kept = this.#sensor?.replaceRules(knowledge.rules) ?? { restored: 0, outdated: 0 }
    this.#sensor?.replaceEspKeys(knowledge.espKeys)
    this.#knowledge = knowledge
    this.#alerts = alerts
    if (alerting === null || this.#alerting === null || this.#router === null) return { kept, ready: Promise.resolve() }
    const { router, ready } = this.#alerting.replace(alerting, this.#router)
    this.#router = router
    return { kept, ready }
  }

  /** Resolves when all that takes events and packets can take more: a capture file waits. */
  async drain(): Promise<void> {
    await this.deliveries.drain()
    await this.#recording?.drain()
  }

  /** Time goes on: packets that are kept reach the disk. */
  tickEvidence(nowUs: number): void {
    this.#recording?.tick(nowUs)
  }

  /** Tells of packets that could not be kept since the last call, and of damage that was found at the start. Gives the reasons. */
  reportEvidence(nowUs: number): string[] {
    return this.#recording?.report(this.#emit, nowUs) ?? []
  }

  /** Null if no packets are kept. */
  get evidence(): RecordingCounters | null {
    return this.#recording === null ? null : this.#recording.counters
  }

  /** Sends what searches of the past have left for whoever tells people of alerts. One at a time; never rejects. */
  tellPast(): Promise<void> {
    if (this.#alerting === null) return Promise.resolve()
    const config = { ...this.#context.config, alerts: this.#alerts }
    this.#tellingPast ??= sendPast(config, { command: this.#command, warn: this.#warn })
      .then(
        () => {},
        (error: Error) => this.#warn(`what was found in the past cannot be told: ${error.message}`),
      )
      .finally(() => {
        this.#tellingPast = null
      })
    return this.#tellingPast
  }

  /** The sensor has ended its timeline, or stops in the middle of it: its packets are kept, alerts that were gathered go out. */
  async endTimeline(isOver = true): Promise<void> {
    await this.#recording?.flush()
    this.reportEvidence(this.#sensor?.nowUs ?? 0)
    if (isOver) this.#router?.end()
    else this.#router?.sendGathered()
    for (const name of ['heldBack', 'duplicates', 'unrouted'] as const)
      this.#notified[name] += this.#router?.counters[name] ?? 0
    if (isOver) this.#router = null
  }

  /**
   * Delivers what there is, for `deadlineMs` at most, and closes everything. Rejects with the error of a destination for which
   * there is no hope.
   */
  async finish(deadlineMs = Number.POSITIVE_INFINITY): Promise<void> {
    try {
      await this.deliveries.flush(deadlineMs)
      await this.deliveries.close()
      await this.#tellingPast
      await this.maintain()
      try {
        for (const sink of this.sinks) await sink.finish()
      } finally {
        this.saveBaselines()
      }
    } catch (error) {
      await this.abort()
      throw error
    }
    await this.#alerting?.close()
    await this.#recording?.close()
  }

  /** What is too old or too much for a store goes. Never rejects: what is in it is safe all the same. */
  async maintain(): Promise<void> {
    for (const sink of this.sinks) {
      await sink.maintain().catch((error: Error) => this.#warn(`the store cannot be tidied up: ${error.message}`))
    }
  }

  saveBaselines(): void {
    if (this.baselines !== null) saveBaselines(this.#context.config.baseline.path, this.baselines)
  }

  /** After an error: what is left goes into the spools. */
  async abort(): Promise<void> {
    try {
      await this.deliveries.close()
      await this.#tellingPast
      for (const sink of this.sinks) await sink.abort()
    } finally {
      await this.#alerting?.close()
      await this.#recording?.close()
    }
  }

  /** Null if nobody was to be told. */
  get notified(): Notified | null {
    if (this.#alerting === null) return null
    const sinks = this.#alerting.deliveries.map(({ name, delivery }) => ({ name, counts: delivery.counts }))
    return { ...this.#notified, sinks }
  }
}

/** Null if no packets are to be kept. */
function recordingOf({ config }: Context, options: PipelineOptions): Recording | null {
  if (options.evidence === undefined && !config.evidence.enabled) return null
  const folder = options.evidence === undefined ? {} : { path: options.evidence }
  const recording = Recording.open({ ...config.evidence, ...folder }, VERSION)
  for (const { file, message } of recording.recovery.problems) (options.warn ?? warn)(`${file} ${message}`)
  return recording
}

function prepared({ config }: Context): PreparedAlerting {
  if (Object.keys(config.alerts.sinks).length === 0) {
    throw new UsageError('--notify has nobody to tell: no sinks are configured (alerts.sinks)')
  }
  return prepareAlerting(config, process.env)
}
