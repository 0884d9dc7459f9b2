/** The packet path of `watch`, from interfaces to the bus: in this thread, or in several. */
import type { LiveOptions, LiveSource } from './capture/live.ts'
import { closePrepared, openLive, type PreparedInterface, prepareRings } from './capture/live/open.ts'
import type { Context } from './commands/context.ts'
import { type LiveHooks, LiveLoop } from './live-loop.ts'
import { LiveThreads } from './parallel/live-threads.ts'
import type { Pipeline } from './pipeline.ts'
import type { Sensor } from './sensor.ts'
import type { WatchedSensor, WatchedSource } from './watched-sensor.ts'

/** Packets on their way, until it is stopped. */
export interface PacketPath {
  readonly sensor: WatchedSensor
  readonly sources: readonly WatchedSource[]
  /** Until `stop`, or as many packets as were asked for; then `end` has been awaited. */
  run(hooks: Required<Pick<LiveHooks, 'tick' | 'end'>>): Promise<void>
  stop(): void
  close(): Promise<void>
}

/** Interfaces that are being opened while the process may; no packet is taken yet. */
export interface Opening {
  /** Throws a `LiveError` that says what to do. */
  open(name: string, options: LiveOptions): Promise<void>
  /** When privileges are given up. Throws a `LiveError`. */
  start(context: Context, pipeline: Pipeline, packetsMax: number | undefined): Promise<PacketPath>
  /** Instead of starting. */
  close(): Promise<void>
}

export class OneThreadOpening implements Opening {
  readonly #sources: LiveSource[] = []

  async open(name: string, options: LiveOptions): Promise<void> {
    this.#sources.push(await openLive(name, options))
  }

  async start(_: Context, pipeline: Pipeline, packetsMax: number | undefined): Promise<PacketPath> {
    return new OneThreadPath(pipeline.sensor(), this.#sources, packetsMax)
  }

  async close(): Promise<void> {
    for (const source of this.#sources) source.close()
  }
}

class OneThreadPath implements PacketPath {
  readonly sensor: Sensor
  readonly sources: readonly LiveSource[]
  readonly #packetsMax: number | undefined
  #loop: LiveLoop | null = null
  #isStopped = false

  constructor(sensor: Sensor, sources: readonly LiveSource[], packetsMax: number | undefined) {
    this.sensor = sensor
    this.sources = sources
    this.#packetsMax = packetsMax
  }

  async run(hooks: LiveHooks): Promise<void> {
    const packetsMax = this.#packetsMax
    this.#loop = new LiveLoop(this.sensor, this.sources, packetsMax === undefined ? hooks : { ...hooks, packetsMax })
    if (this.#isStopped) this.#loop.stop()
    await this.#loop.run()
  }

  stop(): void {
    this.#isStopped = true
    this.#loop?.stop()
  }

  async close(): Promise<void> {
    for (const source of this.sources) source.close()
  }
}

export class ThreadsOpening implements Opening {
  readonly #threads: number
  readonly #interfaces: PreparedInterface[] = []

  constructor(threads: number) {
    this.#threads = threads
  }

  async open(name: string, options: LiveOptions): Promise<void> {
    this.#interfaces.push(await prepareRings(name, options, this.#threads))
  }

  async start({ config }: Context, pipeline: Pipeline, packetsMax: number | undefined): Promise<PacketPath> {
    const { rules, espKeys } = pipeline.knowledge
    // The threads that read them close the sockets.
    const interfaces = this.#interfaces.splice(0)
    const followers = this.#threads - 1
    const threads = await LiveThreads.open({ config, rules, espKeys, interfaces, followers, packetsMax })
    pipeline.attach(threads.bus, threads)
    return new ThreadsPath(threads)
  }

  async close(): Promise<void> {
    for (const prepared of this.#interfaces) await closePrepared(prepared)
  }
}

class ThreadsPath implements PacketPath {
  readonly sensor: LiveThreads

  constructor(threads: LiveThreads) {
    this.sensor = threads
  }

  get sources(): readonly WatchedSource[] {
    return this.sensor.sources
  }

  run(hooks: LiveHooks): Promise<void> {
    return this.sensor.run(hooks)
  }

  stop(): void {
    this.sensor.stop()
  }

  close(): Promise<void> {
    return this.sensor.close()
  }
}
