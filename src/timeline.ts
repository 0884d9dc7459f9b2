/** Captures on one timeline, through a sensor: what a command sees of it, however many threads work on it. */
import { type MergedSource, mergeByTime } from './capture/merge.ts'
import { CaptureError, openCapture, type Source } from './capture/sources.ts'
import type { Config } from './config-schema.ts'
import type { RuleSet } from './detect/rules.ts'
import type { EspKeyEntry } from './dissect/esp-keyring.ts'
import type { EventBus } from './events/bus.ts'
import type { PathCounts } from './path-counts.ts'
import { type Damage, Sensor } from './sensor.ts'

export interface Timeline {
  /** What happens comes out here. */
  readonly bus: EventBus
  /** All of it, in this thread; null if threads share the work. */
  readonly sensor: Sensor | null
  /** Of the captures that could be opened. */
  readonly names: readonly string[]
  readonly counts: Readonly<PathCounts>
  /** From the first packet to the last, in nanoseconds. */
  readonly trafficNs: number
  readonly progress: { readonly bytesRead: number; readonly bytesTotal: number | null }
  /** The captures that could not be read to their end. */
  readonly faults: readonly Damage[]
  /** To the end, or until the answer of `pause` is true; it is awaited between blocks of packets. */
  run(pause: () => unknown): Promise<void>
}

/** Whoever opens one timeline after the other. */
export interface Timelines {
  /** Null if no capture can be opened; why one cannot is added to `problems`. */
  open(paths: readonly string[], problems: string[]): Promise<Timeline | null>
  close(): Promise<void>
}

/** All in one thread. */
export class OneThread implements Timelines {
  readonly #make: () => Sensor

  constructor(config: Config, version: string, rules: RuleSet | null, espKeys: readonly EspKeyEntry[]) {
    this.#make = () => new Sensor(config, version, rules, espKeys)
  }

  async open(paths: readonly string[], problems: string[]): Promise<Timeline | null> {
    const sources: Source[] = []
    for (const path of paths) {
      try {
        sources.push(await openCapture(path))
      } catch (error) {
        if (!(error instanceof CaptureError)) throw error
        problems.push(error.message)
      }
    }
    return sources.length === 0 ? null : new SensorTimeline(this.#make(), mergeByTime(sources))
  }

  async close(): Promise<void> {}
}

class SensorTimeline implements Timeline {
  readonly sensor: Sensor
  readonly #source: MergedSource

  constructor(sensor: Sensor, source: MergedSource) {
    this.sensor = sensor
    this.#source = source
  }

  get bus(): EventBus {
    return this.sensor.bus
  }

  get names(): readonly string[] {
    return this.#source.sources.map(({ name }) => name)
  }

  get counts(): PathCounts {
    return this.sensor.counts
  }

  get trafficNs(): number {
    return this.sensor.trafficNs
  }

  get progress(): Timeline['progress'] {
    return this.#source.progress
  }

  get faults(): readonly Damage[] {
    return this.#source.faults.map(({ source: { name }, fault }) => ({ capture: name, fault }))
  }

  async run(pause: () => unknown): Promise<void> {
    try {
      await this.sensor.run(this.#source, pause)
    } finally {
      await this.#source.close()
    }
  }
}
