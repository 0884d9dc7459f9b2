/**
 * The packet thread of `watch`: it takes packets from the rings of the interfaces, in the order of their time stamps, and does with
 * them what the packet thread of `replay` does. Whoever puts the threads' results together is told with every tick of the loop, also
 * when there is nothing to tell.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { type LiveErrorCode, LiveError, type LiveSource } from '../capture/live.ts'
import { openPrepared, type PreparedInterface } from '../capture/live/open.ts'
import type { Config } from '../config-schema.ts'
import type { EspKeyEntry } from '../dissect/esp-keyring.ts'
import { LiveLoop } from '../live-loop.ts'
import type { PathCounts } from '../path-counts.ts'
import { Sensor } from '../sensor.ts'
import type { TableSnapshot } from '../service/snapshot.ts'
import type { Pause, SavedEntry } from '../track/saved.ts'
import type { RestoredTrackers, WatchedSource } from '../watched-sensor.ts'
import { EspKeys } from '../wire/esp-algorithms.ts'
import { DistantFlows } from './distant-flows.ts'
import { RingWriter, SharedBlocks, type SharedMemory, Signals } from './memory.ts'
import { type ItemBatch, Outbox } from './outbox.ts'

export interface LiveWorkerData {
  readonly shared: SharedMemory
  readonly config: Config
  readonly espKeys: readonly EspKeyEntry[]
  readonly interfaces: readonly PreparedInterface[]
  /** The thread stops by itself after so many packets. */
  readonly packetsMax: number | null
}

/** What the thread is asked for. */
export type LiveRequest =
  | { readonly type: 'open' }
  | { readonly type: 'restore'; readonly entries: readonly SavedEntry[]; readonly pause: Pause }
  | { readonly type: 'run' }
  | { readonly type: 'save' }
  | { readonly type: 'espKeys'; readonly entries: readonly EspKeyEntry[] }
  /** No more packets than have come in by now. */
  | { readonly type: 'stop' }
  /** When it has stopped: the timeline ends, or goes on in another process. */
  | { readonly type: 'end'; readonly isSuspended: boolean }

/** How the thread does. Plain values. */
export interface LiveStatus {
  /** The time that events have, with that of the clock while it is quiet; null between two looks at the clock. */
  readonly tickUs: number | null
  /** That of the packets. */
  readonly nowUs: number
  readonly lastPacketUs: number | null
  readonly trafficNs: number
  readonly counts: PathCounts
  /** Without the flows, which other threads have. */
  readonly tables: readonly TableSnapshot[]
  readonly sources: readonly WatchedSource[]
}

export type LiveReply =
  | { readonly type: 'opened'; readonly status: LiveStatus }
  | { readonly type: 'refused'; readonly code: LiveErrorCode; readonly message: string }
  | ({ readonly type: 'restored' } & RestoredTrackers)
  | { readonly type: 'batch'; readonly batch: number; readonly items: ItemBatch; readonly status: LiveStatus }
  | { readonly type: 'saved'; readonly nowUs: number; readonly entries: readonly SavedEntry[] }
  | { readonly type: 'stopped' }
  | { readonly type: 'ended' }

/** Things to tell that make a batch before its time. */
const BATCH_ITEMS = 4096
/** How long saving may hold packets up at one time. */
const SLICE_MS = 2
/** Batches that may wait to be put together; then the rings have to hold what comes, and the kernel counts what does not fit. */
const BATCHES_AHEAD = 32

class LiveThread {
  readonly #data: LiveWorkerData
  readonly #send: (reply: LiveReply) => void
  readonly #signals: Signals
  readonly #outbox: Outbox
  readonly #flows: DistantFlows
  readonly #sensor: Sensor
  #sources: readonly LiveSource[] = []
  #loop: LiveLoop | null = null
  #isStopped = false
  #batches = 0
  #end: (isSuspended: boolean) => void = () => {}

  constructor(data: LiveWorkerData, send: (reply: LiveReply) => void) {
    const { shared, config, espKeys, interfaces } = data
    this.#data = data
    this.#send = send
    this.#signals = new Signals(shared)
    const rings = shared.rings.map((_, ring) => new RingWriter(shared, ring))
    const names = interfaces.map(({ sockets: { name } }) => name)
    const outbox: Outbox = new Outbox(names, () => this.#flows.position)
    this.#outbox = outbox
    this.#flows = new DistantFlows(rings, new SharedBlocks(shared, rings), names, 0, outbox)
    this.#sensor = new Sensor(config, '', null, received(espKeys), {
      bus: outbox,
      flowSink: this.#flows,
      timekeeper: outbox,
    })
  }

  async answer(request: LiveRequest): Promise<void> {
    switch (request.type) {
      case 'open':
        this.#send(await this.#open())
        break
      case 'restore':
        this.#send({ type: 'restored', ...this.#sensor.restore(request.entries, request.pause) })
        break
      case 'run':
        await this.#run()
        break
      case 'save':
        this.#send(await this.#save())
        break
      case 'espKeys':
        this.#sensor.replaceEspKeys(received(request.entries))
        break
      case 'stop':
        this.#isStopped = true
        this.#loop?.stop()
        break
      case 'end':
        this.#end(request.isSuspended)
    }
  }

  async #open(): Promise<LiveReply> {
    const sources: LiveSource[] = []
    try {
      for (const prepared of this.#data.interfaces) sources.push(...(await openPrepared(prepared)))
    } catch (error) {
      for (const source of sources) source.close()
      if (error instanceof LiveError) return { type: 'refused', code: error.code, message: error.message }
      throw error
    }
    this.#sources = sources
    return { type: 'opened', status: this.#status(null) }
  }

  /** In slices between packets. */
  async #save(): Promise<LiveReply> {
    const saved = this.#sensor.save()
    const entries: SavedEntry[] = []
    let sliceMs = performance.now()
    for (const entry of saved.entries) {
      entries.push(entry)
      if (performance.now() - sliceMs < SLICE_MS) continue
      await new Promise<void>((resolve) => setImmediate(resolve))
      sliceMs = performance.now()
    }
    // All that the entries know of has been told before they come.
    this.#endBatch(null)
    return { type: 'saved', nowUs: saved.nowUs, entries }
  }

  async #run(): Promise<void> {
    const { packetsMax } = this.#data
    const told = new Promise<boolean>((resolve) => {
      this.#end = resolve
    })
    const breathe = async () => this.#endFullBatch()
    this.#loop = new LiveLoop(this.#sensor, this.#sources, {
      tick: (nowUs) => this.#endBatch(nowUs),
      pause: breathe,
      end: async () => {
        this.#endBatch(null)
        this.#send({ type: 'stopped' })
        if (await told) await this.#sensor.suspend()
        else await this.#sensor.end(breathe)
      },
      ...(packetsMax === null ? {} : { packetsMax }),
    })
    if (this.#isStopped) this.#loop.stop()
    await this.#loop.run()
    this.#endBatch(null)
    for (const source of this.#sources) source.close()
    this.#send({ type: 'ended' })
  }

  #endFullBatch(): void {
    if (this.#outbox.size >= BATCH_ITEMS) this.#endBatch(null)
  }

  #endBatch(tickUs: number | null): void {
    const batch = ++this.#batches
    this.#flows.endBatch(batch)
    this.#send({ type: 'batch', batch, items: this.#outbox.take(), status: this.#status(tickUs) })
    this.#signals.waitForMerged(batch, BATCHES_AHEAD)
  }

  #status(tickUs: number | null): LiveStatus {
    const { nowUs, lastPacketUs, trafficNs, counts, tables } = this.#sensor
    return {
      tickUs,
      nowUs,
      lastPacketUs,
      trafficNs,
      counts: { ...counts },
      tables: tables.filter(({ name }) => name !== 'flows'),
      sources: this.#sources.map(({ name, ring, state, counters }) => ({ name, ring, state, counters })),
    }
  }
}

function received(entries: readonly EspKeyEntry[]): EspKeyEntry[] {
  return entries.map((entry) => ({ ...entry, keys: entry.keys === null ? null : EspKeys.received(entry.keys) }))
}

function serve(): void {
  const port = parentPort
  if (port === null) return
  const thread = new LiveThread(workerData as LiveWorkerData, (reply) => port.postMessage(reply))
  port.on('message', (request: LiveRequest) => thread.answer(request))
}

serve()
