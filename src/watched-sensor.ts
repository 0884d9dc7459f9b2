/** What the service around a sensor sees of it, whether it works in this thread or in others. */
import type { Detector } from './detect/detector.ts'
import type { RuleSet } from './detect/rules.ts'
import type { Restored } from './detect/sigma/state.ts'
import type { EspKeyEntry } from './dissect/esp-keyring.ts'
import type { EventBus } from './events/bus.ts'
import type { LiveSource } from './capture/live.ts'
import type { PathCounts } from './path-counts.ts'
import type { TableSnapshot } from './service/snapshot.ts'
import type { Pause, SavedEntry } from './track/saved.ts'

/** What the packet path remembers, as of a time of the packets; 0 before the first one. */
export interface SavedTrackers {
  readonly nowUs: number
  readonly entries: Iterable<SavedEntry>
}

export interface RestoredTrackers {
  readonly restored: number
  readonly leftOut: number
  /** Why entries were left out that no sensor of this version would have written. */
  readonly problems: readonly string[]
}

export interface WatchedSensor {
  readonly bus: EventBus
  readonly counts: Readonly<PathCounts>
  /** From the first packet to the last, in nanoseconds. */
  readonly trafficNs: number
  /** The time that events have; 0 before the first packet. */
  readonly nowUs: number
  /** Of the last packet; null before the first one. */
  readonly lastPacketUs: number | null
  readonly tables: readonly TableSnapshot[]
  /** Events that were given up before anybody could take them, by reason. */
  readonly shed: Readonly<Record<string, number>>
  /** Null if nothing is to be detected. */
  readonly detector: Detector | null
  replaceRules(rules: RuleSet): Restored
  replaceEspKeys(entries: readonly EspKeyEntry[]): void
  /** Awaited before each `save`. */
  prepareToSave(): Promise<void>
  save(): SavedTrackers
  /** Before the first packet. */
  restore(entries: readonly SavedEntry[], pause: Pause): RestoredTrackers | Promise<RestoredTrackers>
  /** The timeline ends. `pause` is awaited from time to time: there whoever is slow may catch up. */
  end(pause: () => unknown): Promise<void>
  /** The process ends, not what it watches: what `save` does not hold is told. */
  suspend(): Promise<void>
}

/** What is told of an interface, or of one of its rings. */
export type WatchedSource = Pick<LiveSource, 'name' | 'ring' | 'state' | 'counters'>
