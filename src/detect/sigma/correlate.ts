/**
 * Correlations (specification 2.1.0): what several events say together.
 *
 * Windows slide on the time of events. A window holds what happened at most one time span before its newest event; an
 * event that comes late is put in its place, and one that is older than the window is counted as `late`.
 *
 * A correlation fires once, when its condition begins to hold for a group; it stays quiet, counting on, until the
 * condition has not held for one time span. A condition with upper bounds alone (`lt`, `lte`, `neq`) cannot be judged
 * before time has passed: it looks at whole spans, each beginning with an event, when they are over.
 *
 * Everything is bounded: groups by the least recently used, windows by what the condition needs to know. Everything can be
 * saved and taken up again, at any event, without a difference in what fires.
 */
import { createHash } from 'node:crypto'
import type { EventModel } from './model.ts'
import type { Comparison, SigmaCorrelation } from './parse.ts'
import { SigmaError } from './problem.ts'
import type { StateCodec, StateEntry } from './state.ts'

/** How many event ids a firing carries. */
export const EVIDENCE_MAX = 20
/** The largest count that a condition may ask for. */
const THRESHOLD_MAX = 100_000
/** Numbers that a window of `value_sum`, `value_avg` or `value_percentile` holds. */
const NUMBERS_MAX = 10_000
/** Events of each rule that a window of `temporal_ordered` holds. */
const ORDERED_MAX = 64

export interface Firing<E, S> {
  readonly correlation: SigmaCorrelation
  /** The values of the group-by fields, in their order. */
  readonly group: readonly string[]
  /** How many events led here. */
  readonly events: number
  /** How many distinct values (`value_count`) or rules (`temporal`, `temporal_ordered`); null for other types. */
  readonly distinct: number | null
  readonly firstUs: number
  readonly lastUs: number
  /** Ids of the first `EVIDENCE_MAX` events. */
  readonly evidence: readonly string[]
  /** The event that made the condition hold. */
  readonly event: E
  readonly summary: S
}

/** A firing that is over. `events` counts on from the firing. */
export interface Incident {
  readonly correlation: SigmaCorrelation
  readonly group: readonly string[]
  readonly events: number
  readonly firstUs: number
  readonly lastUs: number
}

export interface CorrelatorHandlers<E, S> {
  fired(firing: Firing<E, S>): void
  ended(incident: Incident): void
  /** The condition holds at this event: what correlations of correlations look at. */
  held(event: E): void
}

export interface CorrelatorCounters {
  /** Groups given up because there were too many. */
  evicted: number
  /** Events left out because they were older than their window. */
  late: number
  /** Events left out because they lack a field of the group, or the value. */
  incomplete: number
  /** Numbers that a full window of a sum, an average or a percentile gave up before their time. */
  crowded: number
}

interface Entry {
  timeUs: number
  id: string
  key: string
  number: number
  input: number
  hits: number
}

interface Group<E, S> {
  readonly values: readonly string[]
  readonly window: Window
  summary: S | undefined
  newest: E | undefined
  newestUs: number
  /** When the condition last held; −∞ while nothing is going on. */
  heldUs: number
  incidentEvents: number
  incidentFirstUs: number
  incidentLastUs: number
}

type Reader<E> = (event: E) => unknown

const GROUP = 'group'

export class Correlator<E, S> {
  readonly correlation: SigmaCorrelation
  readonly counters: CorrelatorCounters = { evicted: 0, late: 0, incomplete: 0, crowded: 0 }
  readonly #model: EventModel<E, S>
  readonly #handlers: CorrelatorHandlers<E, S>
  readonly #groupsMax: number
  /** In the order of their last event, least recent first. */
  readonly #groups = new Map<string, Group<E, S>>()
  /** For each input, the readers of the group-by fields. */
  readonly #groupReaders: readonly (readonly Reader<E>[])[]
  readonly #valueReaders: readonly (readonly Reader<E>[])[]
  readonly #holds: (measure: number) => boolean
  readonly #deferred: boolean
  readonly #windowMax: number
  readonly #inputs: number
  readonly #fingerprint: string

  /**
   * `inputs` gives, for each rule that the correlation refers to, the ids and names by which aliases may call it.
   * Throws SigmaError if the condition needs more than a window may hold.
   */
  constructor(
    correlation: SigmaCorrelation,
    inputs: readonly (readonly string[])[],
    model: EventModel<E, S>,
    handlers: CorrelatorHandlers<E, S>,
    groupsMax: number,
  ) {
    this.correlation = correlation
    this.#model = model
    this.#handlers = handlers
    this.#groupsMax = groupsMax
    const readers = (fields: readonly string[]) =>
      inputs.map((names) => fields.map((field) => model.field(resolveAlias(correlation, field, names))))
    this.#groupReaders = readers(correlation.groupBy)
    this.#valueReaders = readers(correlation.fields)
    const tests = correlation.criteria.map(
      ({ comparison, value }) =>
        (measure: number) =>
          COMPARE[comparison](measure, value),
    )
    this.#holds = (measure) => tests.every((test) => test(measure))
    this.#deferred = correlation.criteria.every(({ comparison }) => UPPER_BOUNDS.includes(comparison))
    this.#windowMax = windowMax(correlation, inputs.length)
    this.#inputs = inputs.length
    this.#fingerprint = fingerprint(correlation)
  }

  get groups(): number {
    return this.#groups.size
  }

  /** An event that matched the rule with the number `input` in the correlation's list. */
  add(event: E, input: number): void {
    const readers = this.#groupReaders[input]
    let key = ''
    for (let i = 0; i < readers.length; i++) {
      const text = keyText(readers[i](event))
      if (text === null) {
        this.counters.incomplete++
        return
      }
      key = readers.length === 1 ? text : joinKey(key, text)
    }
    const value = this.#value(event, input)
    if (value === null) {
      this.counters.incomplete++
      return
    }
    const group = this.#touch(key, event, readers)
    const timeUs = this.#model.timeUs(event)
    const { timespanUs } = this.correlation
    if (this.#deferred && group.window.size > 0 && timeUs > group.window.firstUs + timespanUs) this.#judge(group)
    if (timeUs >= group.newestUs) {
      group.newestUs = timeUs
      group.newest = event
    }
    if (timeUs < group.newestUs - timespanUs) {
      this.counters.late++
      return
    }
    if (!this.#deferred) group.window.expire(group.newestUs - timespanUs)
    if (group.window.size === 0) group.summary = undefined
    if (!group.window.insert(timeUs, this.#model.id(event), value, input)) this.counters.crowded++
    group.summary = this.#model.fold(group.summary, event)
    if (!this.#deferred) this.#evaluate(group, event, timeUs)
  }

  /** Closes the groups in which nothing happened for a time span before `nowUs`. */
  expire(nowUs: number): void {
    for (const [key, group] of this.#groups) {
      if (group.newestUs + this.correlation.timespanUs >= nowUs) break
      this.#close(group)
      this.#groups.delete(key)
    }
  }

  /** Closes every group: the events are over. */
  end(): void {
    for (const group of this.#groups.values()) this.#close(group)
    this.#groups.clear()
  }

  /** What is going on, the group with the newest event first. */
  *save(codec: StateCodec<E, S>): Generator<StateEntry> {
    for (const group of [...this.#groups.values()].reverse()) {
      yield {
        kind: GROUP,
        correlation: this.#fingerprint,
        values: group.values,
        newestUs: group.newestUs,
        heldUs: group.heldUs === Number.NEGATIVE_INFINITY ? null : group.heldUs,
        incident: [group.incidentEvents, group.incidentFirstUs, group.incidentLastUs],
        summary: group.summary === undefined ? null : codec.saveSummary(group.summary),
        newest: this.#deferred && group.newest !== undefined ? codec.saveEvent(group.newest) : null,
        window: group.window.save(),
      }
    }
  }

  /** Takes up a group behind those that are there: call it with the oldest one first. False if the entry is not for this. */
  restore(entry: StateEntry, codec: StateCodec<E, S>): boolean {
    if (entry.kind !== GROUP || entry['correlation'] !== this.#fingerprint) return false
    const { values, newestUs, heldUs, incident } = entry
    const window = new Window(this.correlation, this.#windowMax)
    if (!isList(values, 'string') || values.length !== this.correlation.groupBy.length) return false
    if (typeof newestUs !== 'number' || !(heldUs === null || typeof heldUs === 'number')) return false
    if (!isList(incident, 'number') || incident.length !== 3) return false
    if (!window.restore(entry['window'], this.#inputs)) return false
    const summary = codec.loadSummary(entry['summary'])
    const newest = codec.loadEvent(entry['newest'])
    if (window.size > 0 && (summary === null || (this.#deferred && newest === null))) return false
    if (this.#groups.size >= this.#groupsMax) this.#evict()
    const [incidentEvents, incidentFirstUs, incidentLastUs] = incident
    this.#groups.set(values.length === 1 ? values[0] : values.reduce(joinKey, ''), {
      values,
      window,
      summary: summary ?? undefined,
      newest: newest ?? undefined,
      newestUs,
      heldUs: heldUs ?? Number.NEGATIVE_INFINITY,
      incidentEvents,
      incidentFirstUs,
      incidentLastUs,
    })
    return true
  }

  #touch(key: string, event: E, readers: readonly Reader<E>[]): Group<E, S> {
    let group = this.#groups.get(key)
    if (group !== undefined) this.#groups.delete(key)
    else {
      if (this.#groups.size >= this.#groupsMax) this.#evict()
      group = {
        values: readers.map((read) => keyText(read(event)) ?? ''),
        window: new Window(this.correlation, this.#windowMax),
        summary: undefined,
        newest: undefined,
        newestUs: Number.NEGATIVE_INFINITY,
        heldUs: Number.NEGATIVE_INFINITY,
        incidentEvents: 0,
        incidentFirstUs: 0,
        incidentLastUs: 0,
      }
    }
    this.#groups.set(key, group)
    return group
  }

  #evict(): void {
    for (const [key, group] of this.#groups) {
      this.#endIncident(group)
      this.#groups.delete(key)
      this.counters.evicted++
      return
    }
  }

  /** The value that the correlation counts or adds up; null if the event has none. */
  #value(event: E, input: number): string | number | null {
    const readers = this.#valueReaders[input]
    switch (this.correlation.type) {
      case 'value_count': {
        if (readers.length === 1) return keyText(readers[0](event))
        const parts = readers.map((read) => keyText(read(event)))
        return parts.includes(null) ? null : JSON.stringify(parts)
      }
      case 'value_sum':
      case 'value_avg':
      case 'value_percentile': {
        const value = readers[0](event)
        const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
        return typeof number === 'number' && Number.isFinite(number) ? number : null
      }
      default:
        return input
    }
  }

  #evaluate(group: Group<E, S>, event: E, timeUs: number): void {
    const holds = this.#holds(group.window.measure())
    const active = group.heldUs !== Number.NEGATIVE_INFINITY
    const over = active && group.newestUs - group.heldUs > this.correlation.timespanUs
    if (over) this.#endIncident(group)
    if (!holds) {
      if (active && !over) this.#extendIncident(group, timeUs)
      return
    }
    if (active && !over) this.#extendIncident(group, timeUs)
    else this.#fire(group, event)
    group.heldUs = group.newestUs
    this.#handlers.held(event)
  }

  #fire(group: Group<E, S>, event: E): void {
    const { window } = group
    const firing: Firing<E, S> = {
      correlation: this.correlation,
      group: group.values,
      events: window.events,
      distinct: window.distinct,
      firstUs: window.firstUs,
      lastUs: group.newestUs,
      evidence: window.evidence(),
      event,
      summary: group.summary!,
    }
    group.incidentEvents = firing.events
    group.incidentFirstUs = firing.firstUs
    group.incidentLastUs = firing.lastUs
    this.#handlers.fired(firing)
  }

  #extendIncident(group: Group<E, S>, timeUs: number): void {
    group.incidentEvents++
    if (timeUs > group.incidentLastUs) group.incidentLastUs = timeUs
  }

  #endIncident(group: Group<E, S>): void {
    if (group.heldUs === Number.NEGATIVE_INFINITY) return
    group.heldUs = Number.NEGATIVE_INFINITY
    this.#handlers.ended({
      correlation: this.correlation,
      group: group.values,
      events: group.incidentEvents,
      firstUs: group.incidentFirstUs,
      lastUs: group.incidentLastUs,
    })
  }

  #close(group: Group<E, S>): void {
    if (this.#deferred) this.#judge(group)
    else this.#endIncident(group)
  }

  /** A condition with upper bounds alone, at the end of its span. */
  #judge(group: Group<E, S>): void {
    const event = group.newest
    if (event !== undefined && group.window.size > 0 && this.#holds(group.window.measure())) {
      this.#fire(group, event)
      group.heldUs = group.newestUs
      this.#handlers.held(event)
      this.#endIncident(group)
    }
    group.window.clear()
  }
}

const UPPER_BOUNDS: readonly Comparison[] = ['lt', 'lte', 'neq']

const COMPARE: Readonly<Record<Comparison, (measure: number, value: number) => boolean>> = {
  gt: (measure, value) => measure > value,
  gte: (measure, value) => measure >= value,
  lt: (measure, value) => measure < value,
  lte: (measure, value) => measure <= value,
  eq: (measure, value) => measure === value,
  neq: (measure, value) => measure !== value,
}

function resolveAlias(correlation: SigmaCorrelation, field: string, names: readonly string[]): string {
  const table = correlation.aliases.get(field)
  if (table === undefined) return field
  for (const name of names) {
    const resolved = table.get(name)
    if (resolved !== undefined) return resolved
  }
  const line = correlation.lines['correlation'] ?? correlation.line
  throw new SigmaError('correlation.aliases', line, `the alias ${field} names no field for the rule ${names[0]}`)
}

/** A count is told from every other by one event more than the largest number in the condition. */
function windowMax(correlation: SigmaCorrelation, inputs: number): number {
  switch (correlation.type) {
    case 'event_count':
    case 'value_count': {
      const threshold = Math.max(...correlation.criteria.map(({ value }) => value))
      if (threshold > THRESHOLD_MAX) {
        const line = correlation.lines['correlation'] ?? correlation.line
        throw new SigmaError('correlation.condition', line, `counts above ${THRESHOLD_MAX} are not supported`)
      }
      return Math.max(1, Math.ceil(threshold) + 1)
    }
    case 'temporal':
      return inputs
    case 'temporal_ordered':
      return inputs * ORDERED_MAX
    default:
      return NUMBERS_MAX
  }
}

/** What of a correlation must be the same for its windows to mean the same. */
function fingerprint(correlation: SigmaCorrelation): string {
  const { id, type, rules, groupBy, aliases, timespanUs, criteria, fields, percentile } = correlation
  const names = [...aliases].map(([alias, table]) => [alias, [...table]])
  const says = JSON.stringify([id, type, rules, groupBy, names, timespanUs, criteria, fields, percentile])
  return createHash('sha256').update(says).digest('hex').slice(0, 32)
}

function joinKey(key: string, text: string): string {
  return `${key}${text.length}:${text}`
}

function isList(value: unknown, of: 'string'): value is string[]
function isList(value: unknown, of: 'number'): value is number[]
function isList(value: unknown, of: 'string' | 'number'): boolean {
  return Array.isArray(value) && value.every((element) => typeof element === of)
}

/** A field value as a part of a key; null if there is none. */
function keyText(value: unknown): string | null {
  if (value === undefined || value === null) return null
  return typeof value === 'string' ? value : String(value)
}

/** The events of one group, sorted by time, and what can be measured of them. */
class Window {
  readonly #type: SigmaCorrelation['type']
  readonly #percentile: number
  readonly #inputs: number
  readonly #entriesMax: number
  readonly #entries: Entry[] = []
  /** Of types that count distinct things: each of them once, with its newest event. */
  readonly #byKey: Map<string, Entry> | null
  #sum = 0

  constructor(correlation: SigmaCorrelation, entriesMax: number) {
    this.#type = correlation.type
    this.#percentile = correlation.percentile
    this.#inputs = correlation.rules.length
    this.#entriesMax = entriesMax
    this.#byKey = correlation.type === 'value_count' || correlation.type === 'temporal' ? new Map() : null
  }

  get size(): number {
    return this.#entries.length
  }

  get firstUs(): number {
    return this.#entries[0].timeUs
  }

  get events(): number {
    let events = 0
    for (const entry of this.#entries) events += entry.hits
    return events
  }

  get distinct(): number | null {
    if (this.#byKey !== null) return this.#byKey.size
    return this.#type === 'temporal_ordered' ? new Set(this.#entries.map((entry) => entry.input)).size : null
  }

  evidence(): string[] {
    return this.#entries.slice(0, EVIDENCE_MAX).map((entry) => entry.id)
  }

  clear(): void {
    this.#entries.length = 0
    this.#byKey?.clear()
    this.#sum = 0
  }

  save(): unknown {
    const entries = this.#entries.map(({ timeUs, id, key, number, input, hits }) => [
      timeUs,
      id,
      key,
      number,
      input,
      hits,
    ])
    return { sum: this.#sum, entries }
  }

  /** False, and nothing is changed that matters, if `saved` is no window of this kind. */
  restore(saved: unknown, inputs: number): boolean {
    const { sum, entries } = (saved ?? {}) as { readonly sum?: unknown; readonly entries?: unknown }
    if (typeof sum !== 'number' || !Array.isArray(entries) || entries.length > this.#entriesMax) return false
    let lastUs = Number.NEGATIVE_INFINITY
    for (const row of entries) {
      if (!Array.isArray(row)) return false
      const [timeUs, id, key, number, input, hits] = row
      const isRight =
        isList([timeUs, number, input, hits], 'number') &&
        isList([id, key], 'string') &&
        timeUs >= lastUs &&
        input >= 0 &&
        input < inputs &&
        this.#byKey?.has(key) !== true
      if (!isRight) return false
      const entry: Entry = { timeUs, id, key, number, input, hits }
      this.#entries.push(entry)
      this.#byKey?.set(key, entry)
      lastUs = timeUs
    }
    this.#sum = sum
    return true
  }

  /** Forgets what happened before `fromUs`. */
  expire(fromUs: number): void {
    let gone = 0
    while (gone < this.#entries.length && this.#entries[gone].timeUs < fromUs) this.#forget(this.#entries[gone++])
    if (gone === this.#entries.length) this.clear()
    else if (gone > 0) this.#entries.splice(0, gone)
  }

  /** False if a number that still counts had to go for it. */
  insert(timeUs: number, id: string, value: string | number, input: number): boolean {
    const key = String(value)
    const known = this.#byKey?.get(key)
    if (known !== undefined) {
      known.hits++
      if (timeUs <= known.timeUs) return true
      this.#entries.splice(this.#entries.indexOf(known), 1)
      known.timeUs = timeUs
      known.id = id
      this.#place(known)
      return true
    }
    if (this.#type === 'temporal_ordered') this.#makeRoom(input)
    const number = typeof value === 'number' ? value : 0
    const entry = { timeUs, id, key, number, input, hits: 1 }
    this.#byKey?.set(key, entry)
    this.#sum += number
    this.#place(entry)
    if (this.#entries.length <= this.#entriesMax) return true
    this.#forget(this.#entries.shift()!)
    return this.#entriesMax !== NUMBERS_MAX
  }

  measure(): number {
    switch (this.#type) {
      case 'event_count':
      case 'value_count':
      case 'temporal':
        return this.#entries.length
      case 'temporal_ordered':
        return this.#longestChain()
      case 'value_sum':
        return this.#sum
      case 'value_avg':
        return this.#sum / this.#entries.length
      case 'value_percentile': {
        const sorted = this.#entries.map((entry) => entry.number).sort((a, b) => a - b)
        return sorted[Math.max(0, Math.ceil((this.#percentile / 100) * sorted.length) - 1)]
      }
    }
  }

  /** Behind every entry of the same time, so that the order of arrival stays. */
  #place(entry: Entry): void {
    let at = this.#entries.length
    while (at > 0 && this.#entries[at - 1].timeUs > entry.timeUs) at--
    if (at === this.#entries.length) this.#entries.push(entry)
    else this.#entries.splice(at, 0, entry)
  }

  #forget(entry: Entry): void {
    this.#byKey?.delete(entry.key)
    this.#sum -= entry.number
  }

  /** A flood of one rule may not push out the events of the others. */
  #makeRoom(input: number): void {
    let count = 0
    for (const entry of this.#entries) if (entry.input === input) count++
    if (count < ORDERED_MAX) return
    const oldest = this.#entries.findIndex((entry) => entry.input === input)
    this.#forget(this.#entries.splice(oldest, 1)[0])
  }

  /** How many of the rules, from the first on, were seen in their order. */
  #longestChain(): number {
    let reached = 0
    for (const entry of this.#entries) {
      if (entry.input === reached && ++reached === this.#inputs) break
    }
    return reached
  }
}
