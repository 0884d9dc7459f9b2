/** How a running sensor does: what its endpoints, its status file and its metrics tell. Plain values. */

/** Of an interface that is being watched, or of one of its rings. Counters begin with the process. */
export interface SourceSnapshot {
  readonly name: string
  /** Null if it is the only one of its interface. */
  readonly ring: number | null
  readonly isUp: boolean
  readonly packets: number
  readonly bytes: number
  /** Lost, by who lost them. */
  readonly kernelDrops: number
  readonly interfaceDrops: number
  readonly ownDrops: number
  /** 0 to 1: now, and the most that was met. */
  readonly ringFill: number
  readonly ringFillHighest: number
}

export interface TableSnapshot {
  readonly name: string
  readonly size: number
  readonly capacity: number
}

/** In seconds. */
export interface LoopDelay {
  readonly p50: number
  readonly p99: number
  readonly max: number
}

export interface SensorSnapshot {
  readonly name: string
  readonly version: string
  readonly uptimeSeconds: number
  /** By what they were: `packets` is all of them. */
  readonly packets: Readonly<Record<string, number>>
  /** Over the last seconds. */
  readonly packetsPerSecond: number
  /** ISO 8601; null before the first packet. */
  readonly lastPacket: string | null
  readonly sources: readonly SourceSnapshot[]
  /** By dataset, and of the alerts by level. */
  readonly events: Readonly<Record<string, number>>
  readonly alerts: Readonly<Record<string, number>>
  /** Rules and correlations that are used, and mistakes that keep some from it. */
  readonly rules: { readonly used: number; readonly wrong: number }
  readonly tables: readonly TableSnapshot[]
  /** Things given up because there were too many, by table. */
  readonly evicted: Readonly<Record<string, number>>
  /** Of packets that are kept; null if none are. */
  readonly evidence: {
    readonly packets: number
    readonly bytes: number
    /** Packets that could not be kept, by reason. */
    readonly dropped: Readonly<Record<string, number>>
  } | null
  readonly loopDelay: LoopDelay
  readonly rssBytes: number
  readonly heapBytes: number
  readonly cpuSeconds: number
  /** Of what is remembered over a restart; null if nothing is. */
  readonly state: {
    readonly saved: string | null
    readonly bytes: number
    readonly entries: number
    readonly leftOut: number
    readonly failures: number
    readonly problem: string | null
  } | null
  readonly reloads: {
    readonly succeeded: number
    readonly refused: number
    /** ISO 8601; null before the first. */
    readonly last: string | null
    /** Why the last one was refused; null if it was not. */
    readonly problem: string | null
  }
  /** Why it does not capture and deliver as it should; empty if it does. */
  readonly troubles: readonly string[]
}
