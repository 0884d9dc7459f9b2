/**
 * An analysis on several threads: one reads the packets, others follow the flows inside carriers, and whatever is to the right of
 * the waist stays in the thread of the command; of two threads that one follows the flows, too. The events are those of one
 * thread, in their order.
 */
import { statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import type { Config } from '../config-schema.ts'
import type { Detector } from '../detect/detector.ts'
import type { RuleSet } from '../detect/rules.ts'
import { EventBus } from '../events/bus.ts'
import { emptyCounts, type PathCounts } from '../path-counts.ts'
import { type Damage, detectorOf } from '../sensor.ts'
import type { Timeline, Timelines } from '../timeline.ts'
import type { FlowListener } from '../track/flow-record.ts'
import { trackLimits } from '../track-limits.ts'
import { Crew, ThreadError } from './crew.ts'
import { OwnNews, RowNews } from './flow-news.ts'
import type { SharedMemory } from './memory.ts'
import { Merger } from './merger.ts'
import type { PacketReply, PacketRequest, PacketWorkerData, Progress } from './packet-worker.ts'

/** Threads take a tenth of a second to begin: this many bytes are worth it. */
const WORTH_BYTES = 64 * 2 ** 20
/** The same on two processors, where what V8 compiles for two threads in the first seconds takes turns with them. */
const WORTH_BYTES_OF_TWO = 2 ** 31

/** How many threads make an analysis of these captures faster. */
export function threadsFor(paths: readonly string[], processors = availableParallelism()): number {
  if (processors < 2) return 1
  let bytes = 0
  for (const path of paths) bytes += statSync(path, { throwIfNoEntry: false })?.size ?? 0
  if (bytes < (processors === 2 ? WORTH_BYTES_OF_TWO : WORTH_BYTES)) return 1
  return processors === 2 ? 2 : 3
}

export class Threads implements Timelines {
  readonly #config: Config
  readonly #version: string
  readonly #rules: RuleSet | null
  readonly #followers: number
  readonly #crew: Crew<PacketRequest, PacketReply>

  /** Two at least, this one among them; `capturesMax` captures are open at one time. */
  constructor(config: Config, version: string, rules: RuleSet | null, threads: number, capturesMax: number) {
    const followers = threads - 2
    this.#followers = followers
    this.#config = config
    this.#version = version
    this.#rules = rules
    const dataFor = (shared: SharedMemory): PacketWorkerData => ({
      shared,
      config,
      isFollowedByBatches: followers === 0,
    })
    this.#crew = new Crew(config, followers, capturesMax, new URL('./packet-worker.ts', import.meta.url), dataFor)
  }

  async open(paths: readonly string[], problems: string[]): Promise<Timeline | null> {
    this.#crew.ask({ type: 'open', paths })
    const { reply } = await this.#crew.next()
    if (reply.type !== 'opened') throw new ThreadError(`the packet thread answered with ${reply.type}`)
    problems.push(...reply.problems)
    return reply.names.length === 0 ? null : new ThreadedTimeline(this, reply.names, reply.progress)
  }

  /** For the timeline that is open. */
  begin(captures: readonly string[]): {
    readonly bus: EventBus
    readonly detector: Detector | null
    readonly merger: Merger
  } {
    const bus = new EventBus({ name: this.#config.sensor.name, version: this.#version })
    const detector = this.#rules === null ? null : detectorOf(this.#config, this.#rules, bus.emit)
    if (detector !== null) bus.subscribe(detector.observe)
    const { own } = this.#crew
    const newsFor = (listener: FlowListener) =>
      own === null ? new RowNews(this.#followers, listener) : new OwnNews(own, listener)
    const merger = new Merger(bus, trackLimits(this.#config), newsFor, captures, (nowUs) => detector?.expire(nowUs))
    return { bus, detector, merger }
  }

  /** The packet thread works; what all threads found in each batch is put together, and then `pause` awaited. */
  async work(merger: Merger, seen: (progress: Progress) => void, pause: () => unknown) {
    this.#crew.ask({ type: 'run' })
    for (;;) {
      const { reply, batches } = await this.#crew.next()
      if (reply.type === 'ended') return reply
      if (reply.type !== 'batch') throw new ThreadError(`the packet thread answered with ${reply.type}`)
      merger.merge(reply.items, batches)
      seen(reply.progress)
      if ((await pause()) === true) this.#crew.signals.stop()
      this.#crew.signals.merged(reply.batch)
    }
  }

  close(): Promise<void> {
    return this.#crew.close()
  }
}

class ThreadedTimeline implements Timeline {
  readonly sensor = null
  readonly bus: EventBus
  readonly names: readonly string[]
  counts: PathCounts
  trafficNs = 0
  progress: Progress
  faults: readonly Damage[] = []
  readonly #threads: Threads
  readonly #detector: Detector | null
  readonly #merger: Merger

  constructor(threads: Threads, names: readonly string[], progress: Progress) {
    const { bus, detector, merger } = threads.begin(names)
    this.#threads = threads
    this.#detector = detector
    this.#merger = merger
    this.bus = bus
    this.names = names
    this.progress = progress
    this.counts = emptyCounts()
  }

  async run(pause: () => unknown): Promise<void> {
    const seen = (progress: Progress) => {
      this.progress = progress
      this.counts.packets = progress.packets
    }
    const { counts, trafficNs, faults } = await this.#threads.work(this.#merger, seen, pause)
    this.#detector?.end()
    this.counts = counts
    this.trafficNs = trafficNs
    this.faults = faults
  }
}
