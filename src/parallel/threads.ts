/**
 * An analysis on several threads: one reads the packets, the others follow the flows inside carriers, and whatever is to the
 * right of the waist stays in the thread of the command. The events are those of one thread, in their order.
 */
import { statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { Config } from '../config-schema.ts'
import type { Detector } from '../detect/detector.ts'
import type { RuleSet } from '../detect/rules.ts'
import { EventBus } from '../events/bus.ts'
import { type Damage, detectorOf, emptyCounts, type PathCounts } from '../sensor.ts'
import type { Timeline, Timelines } from '../timeline.ts'
import { trackLimits } from '../track-limits.ts'
import type { FlowBatch } from './flow-rows.ts'
import type { FlowWorkerData } from './flow-worker.ts'
import { allocateShared, type SharedMemory, Signals } from './memory.ts'
import { Merger } from './merger.ts'
import type { PacketReply, PacketRequest, PacketWorkerData, Progress } from './packet-worker.ts'

/** Threads take a tenth of a second to begin: this many bytes are worth it. */
const WORTH_BYTES = 64 * 2 ** 20

/** How many threads make an analysis of these captures faster. */
export function threadsFor(paths: readonly string[]): number {
  if (availableParallelism() < 2) return 1
  let bytes = 0
  for (const path of paths) bytes += statSync(path, { throwIfNoEntry: false })?.size ?? 0
  return bytes < WORTH_BYTES ? 1 : 2
}

/** A thread of the sensor ended before its time. */
export class ThreadError extends Error {
  override readonly name = 'ThreadError'
}

/** What the threads send, and what became of them. */
class Replies {
  readonly #packets: PacketReply[] = []
  readonly #flows: readonly FlowBatch[][]
  #failure: Error | null = null
  #wake: () => void = () => {}

  constructor(followers: number) {
    this.#flows = Array.from({ length: followers }, () => [])
  }

  listen(worker: Worker, what: string, take: (message: never) => void): void {
    worker.on('message', (message) => {
      take(message as never)
      this.#wake()
    })
    worker.on('error', (error) => this.#fail(new ThreadError(`${what} failed: ${error.message}`, { cause: error })))
    worker.on('exit', (code) => this.#fail(new ThreadError(`${what} ended with ${code}`)))
  }

  packets(reply: PacketReply): void {
    this.#packets.push(reply)
  }

  flows(follower: number, batch: FlowBatch): void {
    this.#flows[follower].push(batch)
  }

  /** The packet thread's next one; of a batch when every thread is done with it. */
  async next(): Promise<{ readonly reply: PacketReply; readonly batches: readonly FlowBatch[] }> {
    for (;;) {
      if (this.#failure !== null) throw this.#failure
      const reply = this.#packets[0]
      if (reply !== undefined && (reply.type !== 'batch' || this.#flows.every((batches) => batches.length > 0))) {
        this.#packets.shift()
        const batches = reply.type === 'batch' ? this.#flows.map((queue) => queue.shift() as FlowBatch) : []
        return { reply, batches }
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error
    this.#wake()
  }
}

export class Threads implements Timelines {
  readonly #config: Config
  readonly #version: string
  readonly #rules: RuleSet | null
  readonly #shared: SharedMemory
  readonly #signals: Signals
  readonly #packets: Worker
  readonly #followers: readonly Worker[]
  readonly #replies: Replies

  /** `followers` threads beside the one for packets; `capturesMax` are open at one time. */
  constructor(config: Config, version: string, rules: RuleSet | null, followers: number, capturesMax: number) {
    this.#config = config
    this.#version = version
    this.#rules = rules
    this.#shared = allocateShared(followers, capturesMax)
    this.#signals = new Signals(this.#shared)
    this.#replies = new Replies(followers)
    const shared = this.#shared
    const limits = trackLimits(config)
    const share = (capacity: number) => Math.ceil(capacity / followers)
    const own = {
      ...limits,
      flowsMax: share(limits.flowsMax),
      conversationsMax: share(limits.conversationsMax),
      streamBytesMax: share(limits.streamBytesMax),
    }
    const packetData: PacketWorkerData = { shared, config }
    this.#packets = new Worker(new URL('./packet-worker.ts', import.meta.url), { workerData: packetData })
    this.#replies.listen(this.#packets, 'the packet thread', (reply: PacketReply) => this.#replies.packets(reply))
    this.#followers = shared.rings.map((_, ring) => {
      const data: FlowWorkerData = { shared, ring, limits: own }
      const worker = new Worker(new URL('./flow-worker.ts', import.meta.url), { workerData: data })
      this.#replies.listen(worker, 'a flow thread', (batch: FlowBatch) => this.#replies.flows(ring, batch))
      return worker
    })
  }

  async open(paths: readonly string[], problems: string[]): Promise<Timeline | null> {
    this.#ask({ type: 'open', paths })
    const { reply } = await this.#replies.next()
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
    const merger = new Merger(bus, trackLimits(this.#config), this.#followers.length, captures, (nowUs) =>
      detector?.expire(nowUs),
    )
    return { bus, detector, merger }
  }

  /** The packet thread works; what all threads found in each batch is put together, and then `pause` awaited. */
  async work(merger: Merger, seen: (progress: Progress) => void, pause: () => unknown) {
    this.#ask({ type: 'run' })
    for (;;) {
      const { reply, batches } = await this.#replies.next()
      if (reply.type === 'ended') return reply
      if (reply.type !== 'batch') throw new ThreadError(`the packet thread answered with ${reply.type}`)
      merger.merge(reply.items, batches)
      seen(reply.progress)
      if ((await pause()) === true) this.#signals.stop()
      this.#signals.merged(reply.batch)
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#packets, ...this.#followers].map((worker) => worker.terminate()))
  }

  #ask(request: PacketRequest): void {
    this.#packets.postMessage(request)
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
