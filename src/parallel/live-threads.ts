/**
 * Interfaces that several threads watch: one takes the packets, others follow the flows, and whatever is to the right of the waist
 * stays in the thread of the command. What comes out is what one thread tells of the same packets in the order of their time stamps.
 */
import { LiveError } from '../capture/live.ts'
import type { PreparedInterface } from '../capture/live/open.ts'
import type { Config } from '../config-schema.ts'
import type { Detector } from '../detect/detector.ts'
import type { RuleSet } from '../detect/rules.ts'
import type { Restored } from '../detect/sigma/state.ts'
import type { EspKeyEntry } from '../dissect/esp-keyring.ts'
import { EventBus } from '../events/bus.ts'
import type { LiveHooks } from '../live-loop.ts'
import { emptyCounts } from '../path-counts.ts'
import { detectorOf, replacedDetector } from '../sensor.ts'
import type { TableSnapshot } from '../service/snapshot.ts'
import { trackLimits } from '../track-limits.ts'
import type { Pause, SavedEntry } from '../track/saved.ts'
import { VERSION } from '../version.ts'
import type { RestoredTrackers, SavedTrackers, WatchedSensor, WatchedSource } from '../watched-sensor.ts'
import { Crew, ThreadError } from './crew.ts'
import { RowNews } from './flow-news.ts'
import type { LiveReply, LiveRequest, LiveStatus, LiveWorkerData } from './live-worker.ts'
import { Merger } from './merger.ts'

export interface LiveThreadsOptions {
  readonly config: Config
  readonly rules: RuleSet
  readonly espKeys: readonly EspKeyEntry[]
  readonly interfaces: readonly PreparedInterface[]
  /** Threads beside the one for packets. */
  readonly followers: number
  readonly packetsMax?: number | undefined
}

/**
 * With so many batches waiting, flows are shed: the other half of the way is for what matters more. When it is used up, too, packets are
 * lost in the rings, and those of data before those of control messages.
 */
const SHED_FROM = 16

const NOTHING: LiveStatus = {
  tickUs: null,
  nowUs: 0,
  lastPacketUs: null,
  trafficNs: 0,
  counts: emptyCounts(),
  tables: [],
  sources: [],
}

const NOTHING_SAVED: SavedTrackers = { nowUs: 0, entries: [] }

interface Waiting {
  readonly resolve: (reply: LiveReply) => void
  readonly reject: (error: Error) => void
}

export class LiveThreads implements WatchedSensor {
  readonly bus: EventBus
  detector: Detector | null
  /** As of the last batch. */
  sources: readonly WatchedSource[] = []
  readonly #config: Config
  readonly #crew: Crew<LiveRequest, LiveReply>
  readonly #merger: Merger
  #status = NOTHING
  /** Flows that live. */
  #flows = 0
  #saved = NOTHING_SAVED
  #onTick: (nowUs: number) => void = () => {}
  /** The timeline ends: whatever is still to come is worth waiting for. */
  #isEnding = false
  /** Whoever waits for replies, by their types. */
  readonly #waiting = new Map<LiveReply['type'], Waiting>()
  /** Why no more replies come; null while they do. */
  #failure: Error | null = null

  private constructor({ config, rules, espKeys, interfaces, followers, packetsMax }: LiveThreadsOptions) {
    this.#config = config
    this.bus = new EventBus({ name: config.sensor.name, version: VERSION })
    this.detector = detectorOf(config, rules, this.bus.emit)
    this.bus.subscribe((document) => this.detector?.observe(document))
    const names = interfaces.map(({ sockets: { name } }) => name)
    this.#merger = new Merger(
      this.bus,
      trackLimits(config),
      (listener) => new RowNews(followers, listener),
      names,
      (nowUs) => this.detector?.expire(nowUs),
    )
    const dataFor = (shared: LiveWorkerData['shared']): LiveWorkerData => ({
      shared,
      config,
      espKeys,
      interfaces,
      packetsMax: packetsMax ?? null,
    })
    this.#crew = new Crew(config, followers, 1, new URL('./live-worker.ts', import.meta.url), dataFor)
    void this.#listen()
  }

  /**
   * Starts the threads, which open the interfaces.
   *
   * @throws {LiveError} what the user can mend
   */
  static async open(options: LiveThreadsOptions): Promise<LiveThreads> {
    const threads = new LiveThreads(options)
    try {
      const reply = await threads.#ask({ type: 'open' }, 'opened')
      threads.#status = reply.status
      threads.sources = reply.status.sources.map(({ name, ring }, at) => threads.#sourceAt(at, name, ring))
    } catch (error) {
      await threads.close()
      throw error
    }
    return threads
  }

  /** Until `stop`. */
  async run({ tick, end }: Pick<LiveHooks, 'tick' | 'end'>): Promise<void> {
    this.#onTick = (nowUs) => tick?.(nowUs)
    await this.#ask({ type: 'run' }, 'stopped')
    await end?.()
  }

  stop(): void {
    this.#crew.ask({ type: 'stop' })
  }

  async close(): Promise<void> {
    this.#failure ??= new ThreadError('the threads have ended')
    await this.#crew.close()
  }

  get counts() {
    return this.#status.counts
  }

  get trafficNs(): number {
    return this.#status.trafficNs
  }

  get nowUs(): number {
    return this.#status.nowUs
  }

  get lastPacketUs(): number | null {
    return this.#status.lastPacketUs
  }

  get tables(): readonly TableSnapshot[] {
    const { flowsMax } = this.#config.track
    return [...this.#status.tables, { name: 'flows', size: this.#flows, capacity: flowsMax }]
  }

  get shed(): Readonly<Record<string, number>> {
    const { shedFlows } = this.#merger
    return shedFlows === 0 ? {} : { 'queue_full.flows': shedFlows }
  }

  replaceRules(rules: RuleSet): Restored {
    const { next, kept } = replacedDetector(this.#config, rules, this.bus.emit, this.detector)
    this.detector = next
    return kept
  }

  replaceEspKeys(entries: readonly EspKeyEntry[]): void {
    this.#crew.ask({ type: 'espKeys', entries })
  }

  async prepareToSave(): Promise<void> {
    this.#saved = await this.#ask({ type: 'save' }, 'saved')
  }

  /** Once for each `prepareToSave`. */
  save(): SavedTrackers {
    const saved = this.#saved
    this.#saved = NOTHING_SAVED
    return saved
  }

  restore(entries: readonly SavedEntry[], pause: Pause): Promise<RestoredTrackers> {
    return this.#ask({ type: 'restore', entries, pause }, 'restored')
  }

  async end(): Promise<void> {
    this.#isEnding = true
    await this.#ask({ type: 'end', isSuspended: false }, 'ended')
    this.detector?.end()
  }

  async suspend(): Promise<void> {
    this.#isEnding = true
    await this.#ask({ type: 'end', isSuspended: true }, 'ended')
  }

  #sourceAt(at: number, name: string, ring: number | null): WatchedSource {
    const now = () => this.#status.sources[at]
    return {
      name,
      ring,
      get state() {
        return now().state
      },
      get counters() {
        return now().counters
      },
    }
  }

  /** Rejects if a thread fails, or the interfaces cannot be opened. */
  #ask<Type extends LiveReply['type']>(request: LiveRequest, type: Type): Promise<Extract<LiveReply, { type: Type }>> {
    if (this.#failure !== null) return Promise.reject(this.#failure)
    const reply = new Promise<LiveReply>((resolve, reject) => {
      this.#waiting.set(type, { resolve, reject })
    })
    this.#crew.ask(request)
    return reply as Promise<Extract<LiveReply, { type: Type }>>
  }

  async #listen(): Promise<void> {
    try {
      while (this.#failure === null) await this.#take()
    } catch (error) {
      this.#failure ??= error as Error
      for (const { reject } of this.#waiting.values()) reject(this.#failure)
      this.#waiting.clear()
    }
  }

  async #take(): Promise<void> {
    const { reply, batches } = await this.#crew.next()
    if (reply.type === 'refused') throw new LiveError(reply.code, reply.message)
    if (reply.type !== 'batch') {
      this.#waiting.get(reply.type)?.resolve(reply)
      this.#waiting.delete(reply.type)
      return
    }
    this.#status = reply.status
    this.#flows = batches.reduce((sum, { flows }) => sum + flows, 0)
    this.#merger.merge(reply.items, batches, this.#crew.waiting >= SHED_FROM && !this.#isEnding)
    this.#crew.signals.merged(reply.batch)
    const { tickUs } = reply.status
    if (tickUs !== null) this.#onTick(tickUs)
    // Whoever delivers has a turn, however many batches wait.
    await new Promise<void>((resolve) => setImmediate(resolve))
  }
}
