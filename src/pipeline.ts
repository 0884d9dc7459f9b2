/**
 * Everything right of the waist, composed in one place for whoever has a sensor: enrichers, rules, learned habits, the summary,
 * the store and other sinks, alerts on their way to people.
 *
 *     sensor.bus ─► enrichers ─► detector, baselines, summary, deliveries, alert router
 */
import { saveBaselines } from './baseline-file.ts'
import { Alerting } from './alerting.ts'
import { createBaselines, readBaselines } from './commands/baseline.ts'
import { type Context, UsageError } from './commands/context.ts'
import { openEnrichers } from './commands/enrichment.ts'
import { Summary } from './commands/summary.ts'
import { warn } from './commands/terminal.ts'
import { Deliveries } from './deliveries.ts'
import type { Baselines } from './detect/baseline/baselines.ts'
import type { RuleSet } from './detect/rules.ts'
import type { EspKeyEntry } from './dissect/esp-keyring.ts'
import type { Enricher } from './enrich/enrichers.ts'
import type { Emit } from './events/catalogue.ts'
import { type EventSink, ndjsonSink, storeSink } from './event-sinks.ts'
import type { AlertRouter } from './output/alert-router.ts'
import type { DeliveryCounts } from './output/delivery.ts'
import { Sensor } from './sensor.ts'
import { VERSION } from './version.ts'

export interface PipelineOptions {
  /** What the process is called by `borescope status`. */
  readonly command: string
  /** A file for the events as NDJSON; `-` is stdout. */
  readonly out?: string | undefined
  readonly store: boolean
  /** Whether people are told of alerts. */
  readonly notify?: boolean | undefined
  /** Whether habits are learned. */
  readonly baseline?: boolean | undefined
}

/** What became of the alerts that people were to be told of. */
export interface Notified {
  heldBack: number
  duplicates: number
  unrouted: number
  readonly sinks: { readonly name: string; readonly counts: DeliveryCounts }[]
}

export class Pipeline {
  readonly summary = new Summary()
  readonly deliveries: Deliveries
  readonly sinks: EventSink[] = []
  /** Null unless habits are learned. */
  readonly baselines: Baselines | null
  readonly #context: Context
  readonly #rules: RuleSet
  readonly #espKeys: readonly EspKeyEntry[]
  readonly #enrichers: readonly Enricher[]
  readonly #notified: Notified = { heldBack: 0, duplicates: 0, unrouted: 0, sinks: [] }
  #alerting: Alerting | null = null
  #router: AlertRouter | null = null
  /** The habits outlive the sensors of the timelines: what deviates goes to the one at work. */
  #emit: Emit = () => {}

  private constructor(context: Context, options: PipelineOptions) {
    this.#context = context
    const { set } = context.rules()
    if (set.problems.some(({ severity }) => severity === 'error')) {
      warn("some rules are not used because they are wrong: see 'borescope rules check'")
    }
    this.#rules = set
    this.#espKeys = context.espKeys()
    this.#enrichers = openEnrichers(context.config)
    this.baselines = options.baseline ? createBaselines(context.config, (event) => this.#emit(event)) : null
    if (this.baselines !== null) readBaselines(context.config.baseline.path, this.baselines)
    this.deliveries = new Deliveries(context.config.delivery, options.command, warn)
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
    const { deliveries, sinks } = this
    if (options.notify) this.#alerting = openAlerting(this.#context, deliveries)
    if (options.out !== undefined) sinks.push(ndjsonSink(options.out, deliveries))
    if (options.store) sinks.push(await storeSink(this.#context, deliveries))
  }

  /** A sensor for the next timeline, with everything behind it. */
  sensor(): Sensor {
    const sensor = new Sensor(this.#context.config, VERSION, this.#rules, this.#espKeys)
    const { bus } = sensor
    this.#emit = bus.emit
    for (const enricher of this.#enrichers) bus.enrich(enricher)
    if (this.baselines !== null) bus.subscribe(this.baselines.observe)
    bus.subscribe(this.summary.observe)
    for (const { delivery } of this.sinks) bus.subscribe(delivery.push)
    // Of each timeline for itself: the next one may lie a year before.
    this.#router = this.#alerting?.router() ?? null
    if (this.#router !== null) bus.subscribe(this.#router.observe)
    return sensor
  }

  /** The sensor has ended its timeline: alerts that were gathered go out. */
  endTimeline(): void {
    this.#router?.end()
    for (const name of ['heldBack', 'duplicates', 'unrouted'] as const)
      this.#notified[name] += this.#router?.counters[name] ?? 0
    this.#router = null
  }

  /** Delivers what there is, and closes everything. Rejects with the error of a destination for which there is no hope. */
  async finish(): Promise<void> {
    try {
      await this.deliveries.flush()
      await this.deliveries.close()
      for (const sink of this.sinks) await sink.finish()
      if (this.baselines !== null) saveBaselines(this.#context.config.baseline.path, this.baselines)
    } catch (error) {
      await this.abort()
      throw error
    }
    await this.#alerting?.close()
  }

  /** After an error: what is left goes into the spools. */
  async abort(): Promise<void> {
    try {
      await this.deliveries.close()
      for (const sink of this.sinks) await sink.abort()
    } finally {
      await this.#alerting?.close()
    }
  }

  /** Null if nobody was to be told. */
  get notified(): Notified | null {
    if (this.#alerting === null) return null
    const sinks = this.#alerting.deliveries.map(({ name, delivery }) => ({ name, counts: delivery.counts }))
    return { ...this.#notified, sinks }
  }
}

function openAlerting(context: Context, deliveries: Deliveries): Alerting {
  if (Object.keys(context.config.alerts.sinks).length === 0) {
    throw new UsageError('--notify has nobody to tell: no sinks are configured (alerts.sinks)')
  }
  return new Alerting(context.config, deliveries, process.env)
}
