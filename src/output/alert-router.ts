/**
 * Which alerts people are told of, through which sinks, and how often. Routes are looked at in order; what one takes goes no
 * further unless the route says so. Within a route duplicates are left out, and the alerts of a group become few
 * notifications: the first one soon, the others gathered. Nothing is left out silently: a notification says how many alerts
 * it stands for, how many had to wait, and how many duplicates there were.
 *
 * All on the time of events: the same events give the same notifications, ids included.
 */
import { textBytes } from '../base/memory.ts'
import { isoMicroseconds, parseMicroseconds } from '../base/time.ts'
import type { EventDocument, FieldName } from '../events/fields.ts'
import { Agenda, type Entry } from './agenda.ts'
import { Gathered, type SavedGathered } from './notification.ts'

export interface CalmOptions {
  /** An alert that says the same of the same within this time is left out. 0: none is. */
  readonly deduplicateUs: number
  /** At most that many notifications of a group in that time; the others wait and become one. Null: no limit. */
  readonly throttle: { readonly notifications: number; readonly periodUs: number } | null
  /** Null: every alert is a notification. */
  readonly group: {
    /** Alerts that agree in these fields are one group. */
    readonly by: readonly FieldName[]
    /** How long the first notification of a group waits for further alerts. */
    readonly waitUs: number
    /** How long further alerts are gathered after a notification. */
    readonly repeatUs: number
  } | null
  /** Groups remembered by a route, and alerts remembered as possible originals of duplicates. */
  readonly groupsMax: number
  /** What both may take in memory for each route, by an estimate. */
  readonly groupsBytesMax: number
}

export interface Route {
  readonly matches: (alert: EventDocument) => boolean
  readonly sinks: readonly string[]
  /** Whether the routes below are looked at too. A sink is not told twice. */
  readonly goesOn: boolean
  readonly calm: CalmOptions
}

export interface RouterCounters {
  alerts: number
  /** Alerts that no route takes. */
  unrouted: number
  duplicates: number
  /** Alerts that had to wait because of a throttle. */
  heldBack: number
  /** One for every sink that is told. */
  notifications: number
  /** Groups given up early because there were too many, or because they took too much memory. */
  forgotten: number
}

export type Notify = (sink: string, notification: EventDocument) => void

/** A line of what a router remembers. */
export type RouterEntry =
  | { readonly kind: 'clock'; readonly nowUs: number | null }
  | { readonly kind: 'group'; readonly route: string; readonly group: SavedGroup }
  | { readonly kind: 'original'; readonly route: string; readonly says: string; readonly timeUs: number }

type SavedGroup = Omit<Group, 'gathered' | 'due' | 'bytes'> & {
  readonly gathered: SavedGathered | null
  readonly dueUs: number | null
}

/** By these alerts are grouped if grouping is off: the throttle is for each rule and entity. */
const RULE_AND_ENTITY: readonly FieldName[] = ['rule.id', 'alert.entity']

export class AlertRouter {
  readonly counters: RouterCounters = {
    alerts: 0,
    unrouted: 0,
    duplicates: 0,
    heldBack: 0,
    notifications: 0,
    forgotten: 0,
  }
  readonly #routes: readonly RouteState[]
  readonly #agenda = new Agenda<Due>()
  #nowUs = Number.NEGATIVE_INFINITY
  /** The clock as a text, and the next deadline: most events need no more than comparing two texts. */
  #latest = ''
  #deadline: string | null = null

  constructor(routes: readonly Route[], notify: Notify) {
    this.#routes = routes.map((route, index) => new RouteState(route, index, this.counters, this.#agenda, notify))
  }

  /** Every document of the bus: alerts are what it is about, and all tell the time. */
  readonly observe = (document: EventDocument): void => {
    const timestamp = document['@timestamp']
    const isAlert = document['event.action'] === 'alert.raised'
    if (timestamp > this.#latest) this.#latest = timestamp
    if (isAlert || (this.#deadline !== null && this.#latest >= this.#deadline)) {
      this.advance(parseMicroseconds(this.#latest))
      if (isAlert) this.#take(document)
    }
  }

  /** Lets time pass: sends what is due. */
  advance(nowUs: number): void {
    if (nowUs > this.#nowUs) this.#nowUs = nowUs
    while (this.#agenda.nextUs <= this.#nowUs) {
      const { nextUs } = this.#agenda
      const due = this.#agenda.take()
      due?.state.send(due.group, nextUs, false)
    }
    this.#setDeadline()
  }

  /** No more alerts will come: what was gathered goes out now. */
  end(): void {
    for (const route of this.#routes) route.end(this.#nowUs)
    this.#setDeadline()
  }

  /** The sensor stops for a while: what was gathered goes out now, and what is remembered stays. */
  sendGathered(): void {
    for (const route of this.#routes) route.sendGathered(this.#nowUs)
    this.#setDeadline()
  }

  /** What is being gathered, held back and remembered, as plain values; the most important first. */
  *save(): Generator<RouterEntry> {
    yield { kind: 'clock', nowUs: Number.isFinite(this.#nowUs) ? this.#nowUs : null }
    for (const route of this.#routes) yield* route.save()
  }

  /** Takes up what `save` gave, for a router that has seen nothing. Entries of routes that are not there any more are counted. */
  restore(entries: Iterable<RouterEntry>): { readonly restored: number; readonly outdated: number } {
    const byKey = new Map(this.#routes.map((route) => [route.key, route]))
    let restored = 0
    let outdated = 0
    for (const entry of entries) {
      if (entry.kind === 'clock') {
        this.#nowUs = entry.nowUs ?? Number.NEGATIVE_INFINITY
        if (entry.nowUs !== null) this.#latest = isoMicroseconds(entry.nowUs)
        continue
      }
      const route = byKey.get(entry.route)
      if (route === undefined) outdated++
      else {
        route.restore(entry)
        restored++
      }
    }
    this.#setDeadline()
    return { restored, outdated }
  }

  /** Goes on in place of a router with other routes: what was gathered for routes that are not there any more goes out now. */
  inherit(before: AlertRouter): void {
    const keys = new Set(this.#routes.map(({ key }) => key))
    for (const route of before.#routes) if (!keys.has(route.key)) route.end(before.#nowUs)
    this.restore(before.save())
    Object.assign(this.counters, before.counters)
  }

  #setDeadline(): void {
    const { nextUs } = this.#agenda
    this.#deadline = nextUs === Number.POSITIVE_INFINITY ? null : isoMicroseconds(nextUs)
  }

  #take(alert: EventDocument): void {
    this.counters.alerts++
    const told = new Set<string>()
    let isTaken = false
    for (const state of this.#routes) {
      const { route } = state
      if (!route.matches(alert)) continue
      isTaken = true
      const sinks = route.sinks.filter((sink) => !told.has(sink))
      for (const sink of sinks) told.add(sink)
      if (sinks.length > 0) state.take(alert, sinks, this.#nowUs)
      if (!route.goesOn) break
    }
    if (!isTaken) this.counters.unrouted++
    this.advance(this.#nowUs)
  }
}

/** A group whose notification is to go out. */
interface Due {
  readonly state: RouteState
  readonly group: Group
}

interface Group {
  readonly key: string
  readonly sinks: readonly string[]
  /** The id of its first notification; null before that. */
  id: string | null
  notifications: number
  /** When the last ones were sent, as many as the throttle asks for. */
  readonly sentUs: number[]
  gathered: Gathered | null
  due: Entry<Due> | null
  isThrottled: boolean
  duplicates: number
  /** What it takes in memory, as it was counted last. */
  bytes: number
}

/** What a group takes in memory beside its key and what it gathers, and what the sentence of an alert takes beside its text. */
const GROUP_BYTES = 500
const ORIGINAL_BYTES = 80

/** A route with its groups. */
class RouteState {
  readonly route: Route
  /** Names it over restarts: its place, its sinks and how it keeps calm. */
  readonly key: string
  readonly #index: number
  readonly #counters: RouterCounters
  readonly #agenda: Agenda<Due>
  readonly #notify: Notify
  readonly #by: readonly FieldName[]
  readonly #waitUs: number
  readonly #repeatUs: number
  /** Least recently touched first. */
  readonly #groups = new Map<string, Group>()
  /** When an alert that says this was last seen; the oldest first. */
  readonly #originals = new Map<string, number>()
  #groupBytes = 0
  #originalBytes = 0

  constructor(route: Route, index: number, counters: RouterCounters, agenda: Agenda<Due>, notify: Notify) {
    this.route = route
    // What it may take in memory makes it no other route.
    const { groupsBytesMax: _, ...calm } = route.calm
    this.key = JSON.stringify([index, route.sinks, calm])
    this.#index = index
    this.#counters = counters
    this.#agenda = agenda
    this.#notify = notify
    const { group } = route.calm
    this.#by = group?.by ?? RULE_AND_ENTITY
    this.#waitUs = group?.waitUs ?? 0
    this.#repeatUs = group?.repeatUs ?? 0
  }

  take(alert: EventDocument, sinks: readonly string[], nowUs: number): void {
    const key = JSON.stringify([sinks, this.#by.map((field) => alert[field] ?? null)])
    if (this.#isDuplicate(alert, sinks, nowUs)) {
      this.#counters.duplicates++
      const original = this.#groups.get(key)
      if (original !== undefined) original.duplicates++
      return
    }
    const group = this.#groupOf(key, sinks, nowUs)
    if (group.gathered === null) this.#open(group, alert, nowUs)
    group.gathered?.add(alert, group.isThrottled)
    if (group.isThrottled) this.#counters.heldBack++
    this.#weigh(group)
    this.#makeMemory(nowUs)
  }

  /** Counts what the group takes now. */
  #weigh(group: Group): void {
    const bytes = GROUP_BYTES + textBytes(group.key) + (group.gathered?.bytes ?? 0)
    this.#groupBytes += bytes - group.bytes
    group.bytes = bytes
  }

  /** What takes more gives way: alerts that are remembered for their duplicates, or groups, which are told early. */
  #makeMemory(nowUs: number): void {
    while (this.#groupBytes + this.#originalBytes > this.route.calm.groupsBytesMax) {
      if (this.#originalBytes > this.#groupBytes) this.#forgetOriginal(this.#originals.keys().next().value as string)
      else if (this.#groups.size > 1) this.#forget(this.#groups.values().next().value as Group, nowUs)
      else return
    }
  }

  #forgetOriginal(says: string): void {
    if (this.#originals.delete(says)) this.#originalBytes -= ORIGINAL_BYTES + textBytes(says)
  }

  #remember(says: string, timeUs: number): void {
    this.#forgetOriginal(says)
    this.#originals.set(says, timeUs)
    this.#originalBytes += ORIGINAL_BYTES + textBytes(says)
  }

  #forget(group: Group, nowUs: number): void {
    this.#drop(group)
    this.#counters.forgotten++
    this.send(group, nowUs, true)
  }

  #drop(group: Group): void {
    if (this.#groups.delete(group.key)) this.#groupBytes -= group.bytes
    group.bytes = 0
  }

  sendGathered(nowUs: number): void {
    for (const group of this.#groups.values()) this.send(group, nowUs, false)
  }

  end(nowUs: number): void {
    for (const group of this.#groups.values()) this.send(group, nowUs, true)
    this.#groups.clear()
    this.#originals.clear()
    this.#groupBytes = 0
    this.#originalBytes = 0
  }

  *save(): Generator<RouterEntry> {
    for (const { gathered, due, bytes: _bytes, ...group } of this.#groups.values()) {
      const saved = { ...group, gathered: gathered?.save() ?? null, dueUs: due?.dueUs ?? null }
      yield { kind: 'group', route: this.key, group: saved }
    }
    for (const [says, timeUs] of this.#originals) yield { kind: 'original', route: this.key, says, timeUs }
  }

  restore(entry: Exclude<RouterEntry, { kind: 'clock' }>): void {
    if (entry.kind === 'original') {
      this.#remember(entry.says, entry.timeUs)
      return
    }
    const { gathered, dueUs, ...saved } = entry.group
    const group: Group = {
      ...saved,
      sentUs: [...saved.sentUs],
      gathered: gathered === null ? null : Gathered.restore(gathered),
      due: null,
      bytes: 0,
    }
    if (dueUs !== null) group.due = this.#agenda.add(dueUs, { state: this, group })
    this.#groups.set(group.key, group)
    this.#weigh(group)
  }

  /** Begins to gather, until the group's time has come. */
  #open(group: Group, alert: EventDocument, nowUs: number): void {
    const lastUs = group.sentUs.at(-1)
    const isBurst = lastUs === undefined || lastUs + this.#repeatUs <= nowUs
    const groupUs = isBurst ? nowUs + this.#waitUs : lastUs + this.#repeatUs
    const throttleUs = this.#throttledUntil(group)
    group.gathered = new Gathered(alert)
    group.isThrottled = throttleUs > groupUs
    group.due = this.#agenda.add(Math.max(groupUs, throttleUs), { state: this, group })
  }

  #throttledUntil(group: Group): number {
    const { throttle } = this.route.calm
    if (throttle === null || group.sentUs.length < throttle.notifications) return Number.NEGATIVE_INFINITY
    return group.sentUs[group.sentUs.length - throttle.notifications] + throttle.periodUs
  }

  /** What was gathered, if anything was. */
  send(group: Group, nowUs: number, isLast: boolean): void {
    const { gathered, duplicates } = group
    if (gathered === null) return
    const kind = group.id === null ? 'first' : isLast ? 'summary' : 'repeat'
    const seed = `${this.#index}\n${group.key}\n${group.id}\n${group.notifications}`
    const document = gathered.document(kind, isoMicroseconds(nowUs), group.id, duplicates, seed)
    if (group.due !== null) this.#agenda.remove(group.due)
    group.due = null
    group.gathered = null
    group.isThrottled = false
    group.duplicates = 0
    group.id ??= document['event.id']
    group.notifications++
    group.sentUs.push(nowUs)
    if (group.sentUs.length > (this.route.calm.throttle?.notifications ?? 1)) group.sentUs.shift()
    if (this.#groups.has(group.key)) this.#weigh(group)
    for (const sink of group.sinks) {
      this.#counters.notifications++
      this.#notify(sink, document)
    }
  }

  #groupOf(key: string, sinks: readonly string[], nowUs: number): Group {
    let group = this.#groups.get(key)
    if (group !== undefined && this.#isOver(group, nowUs)) {
      this.#drop(group)
      group = undefined
    }
    this.#groups.delete(key)
    if (group === undefined) {
      this.#makeRoom(nowUs)
      group = {
        key,
        sinks,
        id: null,
        notifications: 0,
        sentUs: [],
        gathered: null,
        due: null,
        isThrottled: false,
        duplicates: 0,
        bytes: 0,
      }
    }
    this.#groups.set(key, group)
    return group
  }

  /** Whether what happens next is a new story. */
  #isOver(group: Group, nowUs: number): boolean {
    const lastUs = group.sentUs.at(-1)
    if (group.gathered !== null || lastUs === undefined) return false
    return lastUs + Math.max(this.#repeatUs, this.#waitUs, this.route.calm.throttle?.periodUs ?? 0) <= nowUs
  }

  #makeRoom(nowUs: number): void {
    for (const group of this.#groups.values()) {
      if (this.#isOver(group, nowUs)) this.#drop(group)
      else if (this.#groups.size < this.route.calm.groupsMax) return
      else this.#forget(group, nowUs)
    }
  }

  #isDuplicate(alert: EventDocument, sinks: readonly string[], nowUs: number): boolean {
    const { deduplicateUs, groupsMax } = this.route.calm
    if (deduplicateUs === 0) return false
    const says = JSON.stringify([sinks, alert['rule.id'], alert['alert.entity'], alert.message])
    const originalUs = this.#originals.get(says)
    if (originalUs !== undefined && nowUs < originalUs + deduplicateUs) return true
    this.#forgetOriginal(says)
    for (const [oldest, timeUs] of this.#originals) {
      if (this.#originals.size < groupsMax && nowUs < timeUs + deduplicateUs) break
      this.#forgetOriginal(oldest)
    }
    this.#remember(says, nowUs)
    return false
  }
}
