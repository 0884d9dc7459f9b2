/** The threads of one analysis: one for packets, the others for the flows inside carriers, and what they send to this one. Without others the flows are this one's to follow. */
import { Worker } from 'node:worker_threads'
import type { Config } from '../config-schema.ts'
import { trackLimits } from '../track-limits.ts'
import type { FlowBatch } from './flow-rows.ts'
import type { FollowerData } from './follower.ts'
import { allocateShared, type SharedMemory, Signals } from './memory.ts'

/** A thread of the sensor ended before its time. */
export class ThreadError extends Error {
  override readonly name = 'ThreadError'
}

interface AnyReply {
  readonly type: string
}

/** What the threads send, and what became of them. */
class Replies<Reply extends AnyReply> {
  readonly #packets: Reply[] = []
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

  get waiting(): number {
    return this.#packets.length
  }

  packets(reply: Reply): void {
    this.#packets.push(reply)
  }

  flows(follower: number, batch: FlowBatch): void {
    this.#flows[follower].push(batch)
  }

  /** The packet thread's next one; of a batch when every thread is done with it. */
  async next(): Promise<{ readonly reply: Reply; readonly batches: readonly FlowBatch[] }> {
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

/** `Request` is what the packet thread is asked for, `Reply` what it sends; one of the type `batch` has a part of each thread. */
export class Crew<Request, Reply extends AnyReply> {
  readonly signals: Signals
  /** For whoever follows flows in this thread; null if others do. */
  readonly own: FollowerData | null
  readonly #packets: Worker
  readonly #followers: readonly Worker[]
  readonly #replies: Replies<Reply>

  /** `capturesMax` are open at one time. `packetThread` gets what `dataFor` makes of the memory. */
  constructor(
    config: Config,
    followers: number,
    capturesMax: number,
    packetThread: URL,
    dataFor: (shared: SharedMemory) => object,
  ) {
    const rings = Math.max(1, followers)
    const shared = allocateShared(rings, capturesMax)
    this.signals = new Signals(shared)
    this.#replies = new Replies(followers)
    const limits = trackLimits(config)
    const share = (capacity: number) => Math.ceil(capacity / rings)
    const part = {
      ...limits,
      flowsMax: share(limits.flowsMax),
      conversationsMax: share(limits.conversationsMax),
      streamBytesMax: share(limits.streamBytesMax),
    }
    this.#packets = new Worker(packetThread, { workerData: dataFor(shared) })
    this.#replies.listen(this.#packets, 'the packet thread', (reply: Reply) => this.#replies.packets(reply))
    this.own = followers === 0 ? { shared, ring: 0, limits: part } : null
    this.#followers = shared.rings.slice(0, followers).map((_, ring) => {
      const data: FollowerData = { shared, ring, limits: part }
      const worker = new Worker(new URL('./flow-worker.ts', import.meta.url), { workerData: data })
      this.#replies.listen(worker, 'a flow thread', (batch: FlowBatch) => this.#replies.flows(ring, batch))
      return worker
    })
  }

  ask(request: Request): void {
    this.#packets.postMessage(request)
  }

  /** As `Replies` has it. Rejects with a `ThreadError` when a thread has failed. */
  next(): Promise<{ readonly reply: Reply; readonly batches: readonly FlowBatch[] }> {
    return this.#replies.next()
  }

  /** What the packet thread sent and nobody has taken yet. */
  get waiting(): number {
    return this.#replies.waiting
  }

  async close(): Promise<void> {
    await Promise.all([this.#packets, ...this.#followers].map((worker) => worker.terminate()))
  }
}
