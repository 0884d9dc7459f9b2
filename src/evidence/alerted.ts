/** What raised alerts: tunnels, sessions and hosts of which everything is kept from then on. Bounded; the oldest goes first. */
import { isIPv4 } from 'node:net'
import { hashWindow } from '../base/hash.ts'
import { ipv4Number, ipv6Number } from '../base/ip-number.ts'
import type { EventDocument } from '../events/fields.ts'
import type { Path } from './paths.ts'

/** How much of what is around an alert is kept whole. */
export const ALERT_SCOPES = ['tunnel', 'session', 'none'] as const
export type AlertScope = (typeof ALERT_SCOPES)[number]

/** Sigma's levels, as `rule.level` has them. */
export const ALERT_LEVELS = ['informational', 'low', 'medium', 'high', 'critical'] as const
export type AlertLevel = (typeof ALERT_LEVELS)[number]

/** First letters of ids: what a tunnel is, in each protocol, and what a session is. */
const TUNNELS: ReadonlySet<string> = new Set(['t', 'p', 'e', 'o'])
const SESSIONS: ReadonlySet<string> = new Set(['s', 'c', 'o'])
const WANTED: Readonly<Record<AlertScope, readonly ReadonlySet<string>[]>> = {
  tunnel: [TUNNELS, SESSIONS],
  session: [SESSIONS, TUNNELS],
  none: [],
}

export class Alerted {
  readonly #scope: AlertScope
  readonly #levels: ReadonlySet<string>
  readonly #capacity: number
  readonly #uids = new Set<string>()
  readonly #peers = new Set<number>()
  /** Rises whenever something is added. */
  age = 0
  /** Things that had to make room for others. */
  forgotten = 0

  /** Alerts below the level change nothing. */
  constructor(scope: AlertScope, level: AlertLevel, capacity: number) {
    this.#scope = scope
    this.#levels = new Set(ALERT_LEVELS.slice(ALERT_LEVELS.indexOf(level)))
    this.#capacity = capacity
  }

  /** A subscriber of the bus: takes alerts, passes over everything else. */
  readonly observe = (document: EventDocument): void => {
    if (document['event.kind'] !== 'alert' || this.#scope === 'none') return
    if (!this.#levels.has(document['rule.level'] ?? 'medium')) return
    const lineage = document['borescope.lineage'] ?? []
    for (const wanted of WANTED[this.#scope]) {
      const uids = lineage.filter((uid) => wanted.has(uid[0]))
      for (const uid of uids) this.#add(this.#uids, uid)
      if (uids.length > 0) return
    }
    for (const uid of lineage) this.#add(this.#uids, uid)
    const address = document['outer.source.ip'] ?? document['source.ip']
    if (lineage.length === 0 && address !== undefined) this.#add(this.#peers, hashOfAddress(address))
  }

  #add<T>(set: Set<T>, value: T): void {
    if (set.has(value)) return
    if (set.size >= this.#capacity) {
      set.delete(set.values().next().value as T)
      this.forgotten++
    }
    set.add(value)
    this.age++
  }

  hasPath(path: Path): boolean {
    if (path.alertAge !== this.age) this.#look(path)
    return path.isAlerted
  }

  // By itself: what holds a closure allocates at every call.
  #look(path: Path): void {
    path.alertAge = this.age
    path.isAlerted = path.uids.some((uid) => this.#uids.has(uid))
  }

  /** `source` and `destination` are hashes of addresses. */
  hasPeer(source: number, destination: number): boolean {
    return this.#peers.size > 0 && (this.#peers.has(source) || this.#peers.has(destination))
  }
}

/** As `hashWindow` gives it for the address in a packet. */
function hashOfAddress(text: string): number {
  if (isIPv4(text)) {
    const value = ipv4Number(text)
    return hashWindow(Uint8Array.of(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255), 0, 4)
  }
  const value = ipv6Number(text) ?? 0n
  return hashWindow(
    Uint8Array.from({ length: 16 }, (_, i) => Number((value >> BigInt(120 - i * 8)) & 255n)),
    0,
    16,
  )
}
