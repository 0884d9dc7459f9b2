/**
 * The packet thread: it reads the captures, and follows everything but the flows inside carriers. Those it hands on, and
 * what it has to tell it sends to whoever puts the threads' results together.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { mergeByTime } from '../capture/merge.ts'
import { CaptureError, openCapture, type Source } from '../capture/sources.ts'
import { loadEspKeys } from '../config.ts'
import type { Config } from '../config-schema.ts'
import type { EspKeyEntry } from '../dissect/esp-keyring.ts'
import type { PathCounts } from '../path-counts.ts'
import { type Damage, Sensor } from '../sensor.ts'
import { DistantFlows } from './distant-flows.ts'
import { RingWriter, SharedBlocks, type SharedMemory, Signals } from './memory.ts'
import { type ItemBatch, Outbox } from './outbox.ts'

export interface PacketWorkerData {
  readonly shared: SharedMemory
  readonly config: Config
  /** Whoever follows flows begins with a batch when it is whole: then nobody may wait for one that is not. */
  readonly isFollowedByBatches: boolean
}

/** What the thread is asked for. */
export type PacketRequest =
  | { readonly type: 'open'; readonly paths: readonly string[] }
  | { readonly type: 'run' }
  | { readonly type: 'close' }

export interface Progress {
  readonly bytesRead: number
  readonly bytesTotal: number | null
  readonly packets: number
}

export interface PacketBatch {
  readonly type: 'batch'
  readonly batch: number
  readonly items: ItemBatch
  readonly progress: Progress
}

export type PacketReply =
  | {
      readonly type: 'opened'
      readonly names: readonly string[]
      readonly progress: Progress
      /** Why captures could not be opened. */
      readonly problems: readonly string[]
    }
  | PacketBatch
  | {
      readonly type: 'ended'
      readonly counts: PathCounts
      readonly trafficNs: number
      readonly faults: readonly Damage[]
    }

/** Blocks of 256 KiB, and things to tell, that make a batch. */
const BATCH_BLOCKS = 4
const BATCH_ITEMS = 4096
/** Batches that may wait to be put together. */
const BATCHES_AHEAD = 8

class PacketThread {
  readonly #config: Config
  readonly #shared: SharedMemory
  readonly #isFollowedByBatches: boolean
  readonly #signals: Signals
  readonly #rings: readonly RingWriter[]
  readonly #espKeys: readonly EspKeyEntry[]
  #sources: readonly Source[] = []
  #blocks: SharedBlocks
  #batches = 0
  #position = 0

  constructor({ shared, config, isFollowedByBatches }: PacketWorkerData) {
    this.#shared = shared
    this.#isFollowedByBatches = isFollowedByBatches
    this.#config = config
    this.#signals = new Signals(shared)
    this.#rings = shared.rings.map((_, ring) => new RingWriter(shared, ring))
    this.#espKeys = loadEspKeys(config).entries
    this.#blocks = new SharedBlocks(shared, this.#rings)
  }

  async open(paths: readonly string[]): Promise<PacketReply> {
    // Nobody reads what the last timeline left.
    for (const ring of this.#rings) ring.waitFor(ring.head)
    this.#blocks = new SharedBlocks(this.#shared, this.#rings)
    const problems: string[] = []
    const sources: Source[] = []
    for (const path of paths) {
      try {
        sources.push(await openCapture(path, this.#blocks))
      } catch (error) {
        if (!(error instanceof CaptureError)) throw error
        problems.push(error.message)
      }
    }
    this.#sources = sources
    const { bytesTotal } = sources.length === 0 ? { bytesTotal: 0 } : mergeByTime(sources).progress
    const progress = { bytesRead: 0, bytesTotal, packets: 0 }
    return { type: 'opened', names: sources.map(({ name }) => name), progress, problems }
  }

  /** The captures that are open, on one timeline. */
  async run(send: (reply: PacketReply) => void): Promise<void> {
    const captures = this.#sources.map(({ name }) => name)
    const outbox: Outbox = new Outbox(captures, () => flows.position)
    const flows = new DistantFlows(this.#rings, this.#blocks, captures, this.#position, outbox)
    const parts = { bus: outbox, flowSink: flows, timekeeper: outbox }
    const sensor = new Sensor(this.#config, '', null, this.#espKeys, parts)
    const source = mergeByTime(this.#sources)
    let blocks = 0
    let endedAt = flows.position
    const end = () => {
      const batch = ++this.#batches
      blocks = 0
      flows.endBatch(batch)
      endedAt = flows.position
      const progress = { ...progressOf(source), packets: sensor.counts.packets }
      send({ type: 'batch', batch, items: outbox.take(), progress })
      this.#signals.waitForMerged(batch, BATCHES_AHEAD)
    }
    if (this.#isFollowedByBatches) {
      for (const ring of this.#rings)
        ring.beforeWaiting = () => {
          if (flows.position > endedAt) end()
        }
    }
    try {
      await sensor.run(source, () => {
        if (++blocks === BATCH_BLOCKS || outbox.size >= BATCH_ITEMS) end()
        return this.#signals.isStopped
      })
    } finally {
      await source.close()
    }
    end()
    this.#position = flows.position
    const faults = source.faults.map(({ source: { name }, fault }) => ({ capture: name, fault }))
    send({ type: 'ended', counts: sensor.counts, trafficNs: sensor.trafficNs, faults })
  }
}

function progressOf({ progress: { bytesRead, bytesTotal } }: Pick<Source, 'progress'>) {
  return { bytesRead, bytesTotal }
}

function serve(): void {
  const port = parentPort
  if (port === null) return
  const thread = new PacketThread(workerData as PacketWorkerData)
  const send = (reply: PacketReply) => port.postMessage(reply)
  port.on('message', async (request: PacketRequest) => {
    if (request.type === 'open') send(await thread.open(request.paths))
    else if (request.type === 'run') await thread.run(send)
    else port.close()
  })
}

serve()
