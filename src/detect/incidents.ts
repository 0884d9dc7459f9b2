/**
 * Alerts of one story become one incident: those that share a source, a user, a tunnel, a session or whatever they are about,
 * within a time. An alert that belongs to several joins the one that was opened first; if it is grave enough, the others become parts
 * of that.
 *
 * All on the time of events: the same alerts give the same incidents, ids included. At most `openMax` are open, and they take about
 * `bytesMax` of memory; when it is more, the one that was quiet for longest is closed early, and says so.
 */
import { hash } from 'node:crypto'
import { HOUR_US } from '../base/time.ts'
import type { Emit } from '../events/catalogue.ts'
import { lineageOf, type Summary, sharedOf } from './documents.ts'
import { Incident, type IncidentAlert, loadIncident, type Tally } from './incident.ts'
import type { StateEntry } from './sigma/state.ts'

export interface IncidentOptions {
  /** An incident is over when nothing of it has happened for so long. */
  readonly idleUs: number
  /** An incident that lasts longer is closed; what goes on is a new one. */
  readonly lastUs: number
  readonly openMax: number
  /** What all that are open may take in memory, as it is estimated. */
  readonly bytesMax: number
  /** Whether all alerts are one story: what one search has found. */
  readonly isOneStory?: boolean
}

export const INCIDENT_DEFAULTS: IncidentOptions = {
  idleUs: HOUR_US,
  lastUs: 24 * HOUR_US,
  openMax: 10_000,
  bytesMax: 134_217_728,
}

export interface IncidentCounters {
  opened: number
  closed: number
  /** Of the closed ones: those that became a part of another one. */
  merged: number
  /** Of the closed ones: those that were given up because there were too many. */
  forgotten: number
}

/** Where the findings of one rule about one entity are counted. */
export interface Strand {
  incident: Incident
  readonly rule: string
}

export const INCIDENT = 'incident'

/** From medium on an alert makes one story of two: that both hosts use an old cipher does not. */
const BRIDGE_SEVERITY = 47
/** The key that all alerts share where they are one story. */
const ONE_STORY = 'all'

export class Incidents {
  readonly counters: IncidentCounters = { opened: 0, closed: 0, merged: 0, forgotten: 0 }
  readonly #emit: Emit
  readonly #options: IncidentOptions
  /** By id; the one in which something happened least recently first. */
  readonly #open = new Map<string, Incident>()
  readonly #byKey = new Map<string, Incident>()
  /** Of those that are open. */
  #bytes = 0

  constructor(emit: Emit, options: IncidentOptions) {
    this.#emit = emit
    this.#options = options
  }

  get size(): number {
    return this.#open.size
  }

  get capacity(): number {
    return this.#options.openMax
  }

  /** What the open ones take in memory, as it is estimated. */
  get bytes(): number {
    return this.#bytes
  }

  get bytesMax(): number {
    return this.#options.bytesMax
  }

  /** Finds, or makes, the incident of an alert that is about to be raised; `tell` comes after it was. */
  join(alert: IncidentAlert): Strand {
    const { rule, entity, timeUs, firstUs } = alert
    const keys = this.#options.isOneStory === true ? [ONE_STORY] : keysOf(alert)
    const [elder, ...younger] = this.#having(keys, timeUs)
    let incident = elder
    if (incident === undefined) {
      this.#makeRoom(timeUs)
      const id = `n-${hash('sha1', `incident\n${rule.id}\n${entity}\n${timeUs}`).slice(0, 12)}`
      incident = new Incident(id, timeUs, firstUs)
      this.#bytes += incident.bytes
      this.counters.opened++
    }
    const before = incident.bytes
    if (rule.severity >= BRIDGE_SEVERITY) for (const part of younger) this.#merge(incident, part, timeUs)
    incident.add(alert, keys)
    this.#bytes += incident.bytes - before
    for (const key of incident.keys) {
      const other = this.#byKey.get(key)
      if (other === undefined || !other.isOpen) this.#byKey.set(key, incident)
    }
    this.#touch(incident)
    this.#makeMemory(timeUs)
    return { incident, rule: rule.id }
  }

  /** Tells that the incident is there, or that it has become graver. */
  tell({ incident }: Strand, timeUs: number): void {
    const { severity } = incident.gravest.rule
    if (severity <= incident.told) return
    const name = incident.told === 0 ? 'incident.opened' : 'incident.updated'
    incident.told = severity
    this.#emit(incident.event(name, timeUs))
  }

  /** Events that belong to a finding that was told. False if its incident is over: they belong to the next one. */
  count(strand: Strand, timeUs: number, events: number): boolean {
    const at = this.#of(strand)
    if (at === null || this.#isOver(at.incident, timeUs)) return false
    at.incident.count(at.tally, timeUs, events)
    this.#touch(at.incident)
    return true
  }

  /** Whether nothing more can be counted there: its incident is over. One that became a part of another leads there from now on. */
  isOver(strand: Strand): boolean {
    return this.#of(strand) === null
  }

  /** What the strand finds goes on: its incident stays open until it is released. */
  hold(strand: Strand): void {
    strand.incident.live++
  }

  release(strand: Strand): void {
    const at = this.#of(strand)
    if (at !== null) at.incident.live--
  }

  /** Closes what is over, by the clock of the packets. */
  expire(nowUs: number): void {
    for (const incident of this.#open.values()) if (this.#isOver(incident, nowUs)) this.#close(incident, nowUs)
  }

  /** Closes everything: no more alerts will come. */
  end(nowUs: number): void {
    for (const incident of [...this.#open.values()]) {
      if (this.#isOver(incident, nowUs)) this.#close(incident, nowUs)
      else this.#finish(incident, Math.max(nowUs, incident.lastUs), 'the events end here')
    }
  }

  /** The most recent one first. */
  *save(): Generator<StateEntry> {
    for (const incident of [...this.#open.values()].reverse()) yield { kind: INCIDENT, ...incident.save() }
  }

  /** Takes up what `save` wrote; call it with the oldest one first. False if the entry is none. */
  restore(entry: StateEntry): boolean {
    const incident = loadIncident(entry)
    if (incident === null) return false
    this.#makeRoom(incident.lastUs)
    // What goes on is held again by those that are restored with it.
    incident.live = 0
    for (const key of incident.keys) this.#byKey.set(key, incident)
    this.#open.set(incident.id, incident)
    this.#bytes += incident.bytes
    this.#makeMemory(incident.lastUs)
    return true
  }

  /** The strand of a rule in an incident that was restored; null if it is not there. */
  strand(id: unknown, rule: string): Strand | null {
    const incident = typeof id === 'string' ? this.#open.get(id) : undefined
    return incident?.tallies.has(rule) ? { incident, rule } : null
  }

  /** Those that share a key, the first one that was opened first. */
  #having(keys: readonly string[], timeUs: number): Incident[] {
    const found = new Set<Incident>()
    for (const key of keys) {
      const incident = this.#byKey.get(key)
      if (incident === undefined) continue
      if (this.#isOver(incident, timeUs)) this.#close(incident, timeUs)
      else found.add(incident)
    }
    return [...found].sort((a, b) => a.openedUs - b.openedUs || (a.id < b.id ? -1 : 1))
  }

  #of(strand: Strand): { readonly incident: Incident; readonly tally: Tally } | null {
    while (strand.incident.mergedInto !== null) strand.incident = strand.incident.mergedInto
    const { incident, rule } = strand
    const tally = incident.tallies.get(rule)
    return incident.isOpen && tally !== undefined ? { incident, tally } : null
  }

  #isOver({ live, lastUs, openedUs }: Incident, nowUs: number): boolean {
    return (live === 0 && nowUs > lastUs + this.#options.idleUs) || nowUs > openedUs + this.#options.lastUs
  }

  #touch(incident: Incident): void {
    this.#open.delete(incident.id)
    this.#open.set(incident.id, incident)
  }

  #merge(elder: Incident, part: Incident, timeUs: number): void {
    elder.absorb(part)
    this.counters.merged++
    this.#finish(part, timeUs, `it is a part of ${elder.id}`)
  }

  /** The end has the time at which it was due, whenever it is noticed. */
  #close(incident: Incident, nowUs: number): void {
    const idleUs = incident.lastUs + this.#options.idleUs
    const fullUs = incident.openedUs + this.#options.lastUs
    if (incident.live === 0 && idleUs <= fullUs) this.#finish(incident, Math.min(idleUs, nowUs), 'it is quiet again')
    else this.#finish(incident, Math.min(fullUs, nowUs), 'it goes on for too long; what follows is a new incident')
  }

  #finish(incident: Incident, timeUs: number, reason: string): void {
    this.#bytes -= incident.bytes
    this.#open.delete(incident.id)
    for (const key of incident.keys) if (this.#byKey.get(key) === incident) this.#byKey.delete(key)
    this.counters.closed++
    const event = incident.event('incident.closed', timeUs, reason)
    incident.close()
    this.#emit(event)
  }

  #makeRoom(nowUs: number): void {
    if (this.#open.size >= this.#options.openMax) this.#forget(nowUs, 'too many incidents are open')
  }

  /** The last one that something happened in stays, however large it is. */
  #makeMemory(nowUs: number): void {
    while (this.#bytes > this.#options.bytesMax && this.#open.size > 1) {
      this.#forget(nowUs, 'the open incidents take too much memory')
    }
  }

  /** Gives up the one that was quiet for longest. */
  #forget(nowUs: number, reason: string): void {
    for (const incident of this.#open.values()) {
      this.counters.forgotten++
      this.#finish(incident, Math.max(nowUs, incident.lastUs), reason)
      return
    }
  }
}

/**
 * What makes alerts one story. An address inside a session says nothing without the session: there the session, the user and the
 * outer address stand for it.
 */
function keysOf({ rule, entity, summary }: IncidentAlert): string[] {
  const shared = sharedOf(summary)
  const lineage = lineageOf(summary)
  const keys: string[] = []
  for (const id of lineage) keys.push(id)
  const inside = shared['outer.source.ip'] !== undefined || shared['flow.uid'] !== undefined || hasFlow(lineage)
  const source = shared['outer.source.ip'] ?? (inside ? undefined : shared['source.ip'])
  if (source !== undefined) keys.push(`source ${source}`)
  const user = shared['user.name']
  if (user !== undefined && user !== '') keys.push(`user ${user}`)
  if (!inside || keys.length === 0) keys.push(entity === 'all' ? `rule ${rule.id}` : `about ${entity}`)
  return keys
}

function hasFlow(lineage: Summary['lineage']): boolean {
  for (const id of lineage) if (id.startsWith('f-')) return true
  return false
}
