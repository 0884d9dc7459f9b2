/**
 * What raised alerts: tunnels, sessions and hosts of which everything is kept from then on. Bounded; the oldest goes first. The
 * packet path sees the alerts, the writer keeps the packets.
 */
import { isIPv4 } from 'node:net'
import { hashWindow } from '../base/hash.ts'
import { ipv4Number, ipv6Number } from '../base/ip-number.ts'
import type { EventDocument } from '../events/fields.ts'
import { peerThing, type Thing, thingOf } from './things.ts'

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

/** The packet path's end: which things of an alert are meant, and how many at one time. */
export class AlertWatch {
  readonly #scope: AlertScope
  readonly #levels: ReadonlySet<string>
  readonly #capacity: number
  readonly #tell: (isAlerted: boolean, thing: Thing) => void
  readonly #things = new Map<string, Thing>()

  /** Alerts below the level change nothing. `tell` is told what everything is to be kept of, and of what no more. */
  constructor(
    scope: AlertScope,
    level: AlertLevel,
    capacity: number,
    tell: (isAlerted: boolean, thing: Thing) => void,
  ) {
    this.#scope = scope
    this.#levels = new Set(ALERT_LEVELS.slice(ALERT_LEVELS.indexOf(level)))
    this.#capacity = capacity
    this.#tell = tell
  }

  /** A subscriber of the bus: takes alerts, passes over everything else. */
  readonly observe = (document: EventDocument): void => {
    if (document['event.kind'] !== 'alert' || this.#scope === 'none') return
    if (!this.#levels.has(document['rule.level'] ?? 'medium')) return
    const lineage = document['borescope.lineage'] ?? []
    for (const wanted of WANTED[this.#scope]) {
      const uids = lineage.filter((uid) => wanted.has(uid[0]))
      for (const uid of uids) this.#add(uid, thingOf(uid))
      if (uids.length > 0) return
    }
    for (const uid of lineage) this.#add(uid, thingOf(uid))
    const address = document['outer.source.ip'] ?? document['source.ip']
    if (lineage.length === 0 && address !== undefined) this.#add(address, peerThing(hashOfAddress(address)))
  }

  #add(name: string, thing: Thing | null): void {
    if (thing === null || this.#things.has(name)) return
    if (this.#things.size >= this.#capacity) {
      const [oldest, forgotten] = this.#things.entries().next().value as [string, Thing]
      this.#things.delete(oldest)
      this.#tell(false, forgotten)
    }
    this.#things.set(name, thing)
    this.#tell(true, thing)
  }
}

/** The writer's end. */
export class Alerted {
  /** By the high word. */
  readonly #things = new Map<number, Set<number>>()
  /** Changes with what is here. */
  age = 1

  add(high: number, low: number): void {
    const lows = this.#things.get(high)
    if (lows === undefined) this.#things.set(high, new Set([low]))
    else lows.add(low)
    this.age++
  }

  delete(high: number, low: number): void {
    const lows = this.#things.get(high)
    lows?.delete(low)
    if (lows?.size === 0) this.#things.delete(high)
    this.age++
  }

  get isEmpty(): boolean {
    return this.#things.size === 0
  }

  hasAny(high: number): boolean {
    return this.#things.has(high)
  }

  has(high: number, low: number): boolean {
    return this.#things.get(high)?.has(low) === true
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
