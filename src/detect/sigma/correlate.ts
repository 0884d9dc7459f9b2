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
 * Everything is bounded: groups by the least recently used and by what they take in memory, windows by what the condition needs
 * to know. Everything can be saved and taken up again, at any event, without a difference in what fires.
 */
import { createHash } from 'node:crypto'
import { COMPARE, type Comparison } from './criteria.ts'
import type { EventModel } from './model.ts'
import type { SigmaCorrelation } from './parse.ts'
import { SigmaError } from './problem.ts'
import { enlarged, RecentKeys } from './recent-keys.ts'
import type { StateCodec, StateEntry } from './state.ts'
import { NUMBERS_MAX, ORDERED_MAX, Windows } from './windows.ts'

/** The largest count that a condition may ask for. */
const THRESHOLD_MAX = 100_000

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
  /** Groups given up because there were too many, or because they took too much memory. */
  evicted: number
  /** Events left out because they were older than their window. */
  late: number
  /** Events left out because they lack a field of the group, or the value. */
  incomplete: number
  /** Numbers that a full window of a sum, an average or a percentile gave up before their time. */
  crowded: number
}

/** What all correlations of an engine take in memory, by an estimate, and how often each of their bounds was reached. */
export interface Ledger {
  bytes: number
  /** Groups given up because one correlation had too many. */
  crowdedOut: number
}

type Reader<E> = (event: E) => unknown

const GROUP = 'group'
/** What a group takes in memory beside its key, its window and its summary. */
const GROUP_BYTES = 150
/** What of a firing whoever is told of it may remember while it goes on, beside its key. */
const FIRING_BYTES = 300

/** No value: the event lacks it. */
const MISSING = null

/**
 * Groups are numbered by the table of their keys, and what is known of them is kept by that number: a group that comes and goes
 * leaves nothing for the garbage collector but the texts of its events.
 */
export class Correlator<E, S> {
  readonly correlation: SigmaCorrelation
  readonly counters: CorrelatorCounters = { evicted: 0, late: 0, incomplete: 0, crowded: 0 }
  readonly #model: EventModel<E, S>
  readonly #handlers: CorrelatorHandlers<E, S>
  readonly #groupsMax: number
  readonly #ledger: Ledger
  /** Of all groups. */
  #bytes = 0
  /** Of groups, in the order of their last event. */
  readonly #keys = new RecentKeys()
  readonly #windows: Windows
  #newestUs = new Float64Array(0)
  /** What each group takes, as it was counted last. */
  #groupBytes = new Float64Array(0)
  /** When the condition last held; −∞ while nothing is going on. */
  #heldUs = new Float64Array(0)
  #incidentEvents = new Float64Array(0)
  #incidentFirstUs = new Float64Array(0)
  #incidentLastUs = new Float64Array(0)
  readonly #summaries: (S | undefined)[] = []
  /** Only where it is needed: an event holds much memory. */
  readonly #newest: (E | undefined)[] = []
  /** For each input, the readers of the group-by fields. */
  readonly #groupReaders: readonly (readonly Reader<E>[])[]
  readonly #valueReaders: readonly (readonly Reader<E>[])[]
  readonly #deferred: boolean
  readonly #isTextual: boolean
  readonly #isNumeric: boolean
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
    ledger: Ledger,
  ) {
    this.correlation = correlation
    this.#model = model
    this.#handlers = handlers
    this.#groupsMax = groupsMax
    this.#ledger = ledger
    const readers = (fields: readonly string[]) =>
      inputs.map((names) => fields.map((field) => model.field(resolveAlias(correlation, field, names))))
    this.#groupReaders = readers(correlation.groupBy)
    this.#valueReaders = readers(correlation.fields)
    this.#deferred = correlation.criteria.every(({ comparison }) => UPPER_BOUNDS.includes(comparison))
    this.#isTextual = correlation.type === 'value_count'
    this.#isNumeric = NUMERIC.includes(correlation.type)
    this.#windows = new Windows(correlation, windowMax(correlation, inputs.length))
    this.#fingerprint = fingerprint(correlation)
  }

  get groups(): number {
    return this.#keys.size
  }

  /** What all groups take in memory, by an estimate. */
  get bytes(): number {
    return this.#bytes
  }

  /** Gives up the group in which nothing happened for longest; false if there is none. Not while an event is being added. */
  evict(): boolean {
    const group = this.#keys.oldest
    if (group === -1) return false
    this.#endIncident(group)
    this.#release(group)
    this.counters.evicted++
    return true
  }

  /** An event that matched the rule with the number `input` in the correlation's list. */
  add(event: E, input: number): void {
    const group = this.#writeKey(event, input)
    const text = this.#isTextual ? this.#text(event, input) : ''
    const number = this.#isNumeric ? numberOf(this.#valueReaders[input][0](event)) : this.#isTextual ? 0 : input
    if (!group || text === MISSING || number === MISSING) {
      this.counters.incomplete++
      return
    }
    const place = this.#touch()
    this.#insert(place, event, text, number, input)
    this.#weigh(place)
  }

  /** Counts what the group takes now. */
  #weigh(group: number): void {
    const summary = this.#summaries[group]
    const key = this.#keys.bytesOf(group)
    let bytes = GROUP_BYTES + key + this.#windows.bytes(group)
    if (summary !== undefined) bytes += this.#model.summaryBytes(summary)
    if (this.#heldUs[group] !== Number.NEGATIVE_INFINITY) bytes += FIRING_BYTES + 2 * key
    if (this.#deferred) bytes += this.#newestBytes(group)
    const more = bytes - this.#groupBytes[group]
    this.#groupBytes[group] = bytes
    this.#bytes += more
    this.#ledger.bytes += more
  }

  #newestBytes(group: number): number {
    const newest = this.#newest[group]
    return newest === undefined ? 0 : this.#model.eventBytes(newest)
  }

  #insert(group: number, event: E, text: string, number: number, input: number): void {
    const timeUs = this.#model.timeUs(event)
    const { timespanUs } = this.correlation
    const windows = this.#windows
    if (this.#deferred && windows.size(group) > 0 && timeUs > windows.firstUs(group) + timespanUs) this.#judge(group)
    if (timeUs >= this.#newestUs[group]) {
      this.#newestUs[group] = timeUs
      if (this.#deferred) this.#newest[group] = event
    }
    const fromUs = this.#newestUs[group] - timespanUs
    if (timeUs < fromUs) {
      this.counters.late++
      return
    }
    if (!this.#deferred) windows.expire(group, fromUs)
    const summary = windows.size(group) === 0 ? undefined : this.#summaries[group]
    if (!windows.insert(group, timeUs, this.#model.id(event), text, number, input)) this.counters.crowded++
    this.#summaries[group] = this.#model.fold(summary, event)
    if (!this.#deferred) this.#evaluate(group, event, timeUs)
  }

  /** Closes the groups in which nothing happened for a time span before `nowUs`. */
  expire(nowUs: number): void {
    for (let group = this.#keys.oldest; group !== -1; group = this.#keys.oldest) {
      if (this.#newestUs[group] + this.correlation.timespanUs >= nowUs) break
      this.#close(group)
      this.#release(group)
    }
  }

  /** Closes every group: the events are over. */
  end(): void {
    for (let group = this.#keys.oldest; group !== -1; group = this.#keys.oldest) {
      this.#close(group)
      this.#release(group)
    }
  }

  /** What is going on, the group with the newest event first. */
  *save(codec: StateCodec<E, S>): Generator<StateEntry> {
    for (let group = this.#keys.newest; group !== -1; group = this.#keys.olderThan(group)) {
      const heldUs = this.#heldUs[group]
      const summary = this.#summaries[group]
      const newest = this.#newest[group]
      yield {
        kind: GROUP,
        correlation: this.#fingerprint,
        values: this.#keys.partsOf(group),
        newestUs: this.#newestUs[group],
        heldUs: heldUs === Number.NEGATIVE_INFINITY ? null : heldUs,
        incident: [this.#incidentEvents[group], this.#incidentFirstUs[group], this.#incidentLastUs[group]],
        summary: summary === undefined ? null : codec.saveSummary(summary),
        newest: newest === undefined ? null : codec.saveEvent(newest),
        window: this.#windows.save(group),
      }
    }
  }

  /** Takes up a group behind those that are there: call it with the oldest one first. False if the entry is not for this. */
  restore(entry: StateEntry, codec: StateCodec<E, S>): boolean {
    if (entry.kind !== GROUP || entry['correlation'] !== this.#fingerprint) return false
    const { values, newestUs, heldUs, incident } = entry
    if (!isList(values, 'string') || values.length !== this.correlation.groupBy.length) return false
    if (typeof newestUs !== 'number' || !(heldUs === null || typeof heldUs === 'number')) return false
    if (!isList(incident, 'number') || incident.length !== 3) return false
    const window = this.#windows.check(entry['window'])
    if (window === null) return false
    const summary = codec.loadSummary(entry['summary'])
    const newest = codec.loadEvent(entry['newest'])
    if (window.entries.length > 0 && (summary === null || (this.#deferred && newest === null))) return false
    this.#keys.begin()
    for (const value of values) this.#keys.append(value)
    if (this.#keys.find() !== -1) return false
    const group = this.#touch()
    this.#windows.restore(group, window)
    this.#summaries[group] = summary ?? undefined
    if (this.#deferred) this.#newest[group] = newest ?? undefined
    this.#newestUs[group] = newestUs
    this.#heldUs[group] = heldUs ?? Number.NEGATIVE_INFINITY
    this.#incidentEvents[group] = incident[0]
    this.#incidentFirstUs[group] = incident[1]
    this.#incidentLastUs[group] = incident[2]
    this.#weigh(group)
    return true
  }

  /** False if the event lacks a field of the group. */
  #writeKey(event: E, input: number): boolean {
    const readers = this.#groupReaders[input]
    this.#keys.begin()
    for (let i = 0; i < readers.length; i++) {
      const text = keyText(readers[i](event))
      if (text === MISSING) return false
      this.#keys.append(text)
    }
    return true
  }

  /** The group of the key that was written, from now on the most recent one. */
  #touch(): number {
    const known = this.#keys.find()
    if (known !== -1) {
      this.#keys.touch(known)
      return known
    }
    if (this.#keys.size >= this.#groupsMax && this.evict()) this.#ledger.crowdedOut++
    const group = this.#keys.add()
    if (group >= this.#newestUs.length) this.#grow()
    this.#newestUs[group] = Number.NEGATIVE_INFINITY
    this.#groupBytes[group] = 0
    this.#heldUs[group] = Number.NEGATIVE_INFINITY
    this.#incidentEvents[group] = 0
    this.#incidentFirstUs[group] = 0
    this.#incidentLastUs[group] = 0
    return group
  }

  #grow(): void {
    const { places } = this.#keys
    this.#windows.reserve(places)
    this.#newestUs = enlarged(this.#newestUs, places)
    this.#groupBytes = enlarged(this.#groupBytes, places)
    this.#heldUs = enlarged(this.#heldUs, places)
    this.#incidentEvents = enlarged(this.#incidentEvents, places)
    this.#incidentFirstUs = enlarged(this.#incidentFirstUs, places)
    this.#incidentLastUs = enlarged(this.#incidentLastUs, places)
  }

  #release(group: number): void {
    this.#windows.clear(group)
    this.#summaries[group] = undefined
    if (this.#deferred) this.#newest[group] = undefined
    this.#keys.remove(group)
    this.#bytes -= this.#groupBytes[group]
    this.#ledger.bytes -= this.#groupBytes[group]
  }

  /** What `value_count` counts; null if the event has none. */
  #text(event: E, input: number): string | null {
    const readers = this.#valueReaders[input]
    if (readers.length === 1) return keyText(readers[0](event))
    const parts = readers.map((read) => keyText(read(event)))
    return parts.includes(MISSING) ? MISSING : JSON.stringify(parts)
  }

  #holds(group: number): boolean {
    const { criteria } = this.correlation
    const measure = this.#windows.measure(group)
    for (let i = 0; i < criteria.length; i++) {
      if (!COMPARE[criteria[i].comparison](measure, criteria[i].value)) return false
    }
    return true
  }

  #evaluate(group: number, event: E, timeUs: number): void {
    const holds = this.#holds(group)
    const newestUs = this.#newestUs[group]
    const active = this.#heldUs[group] !== Number.NEGATIVE_INFINITY
    const over = active && newestUs - this.#heldUs[group] > this.correlation.timespanUs
    if (over) this.#endIncident(group)
    if (!holds) {
      if (active && !over) this.#extendIncident(group, timeUs)
      return
    }
    if (active && !over) this.#extendIncident(group, timeUs)
    else this.#fire(group, event)
    this.#heldUs[group] = newestUs
    this.#handlers.held(event)
  }

  #fire(group: number, event: E): void {
    const windows = this.#windows
    const firing: Firing<E, S> = {
      correlation: this.correlation,
      group: this.#keys.partsOf(group),
      events: windows.events(group),
      distinct: windows.distinct(group),
      firstUs: windows.firstUs(group),
      lastUs: this.#newestUs[group],
      evidence: windows.evidence(group),
      event,
      summary: this.#summaries[group]!,
    }
    this.#incidentEvents[group] = firing.events
    this.#incidentFirstUs[group] = firing.firstUs
    this.#incidentLastUs[group] = firing.lastUs
    this.#handlers.fired(firing)
  }

  #extendIncident(group: number, timeUs: number): void {
    this.#incidentEvents[group]++
    if (timeUs > this.#incidentLastUs[group]) this.#incidentLastUs[group] = timeUs
  }

  #endIncident(group: number): void {
    if (this.#heldUs[group] === Number.NEGATIVE_INFINITY) return
    this.#heldUs[group] = Number.NEGATIVE_INFINITY
    this.#handlers.ended({
      correlation: this.correlation,
      group: this.#keys.partsOf(group),
      events: this.#incidentEvents[group],
      firstUs: this.#incidentFirstUs[group],
      lastUs: this.#incidentLastUs[group],
    })
  }

  #close(group: number): void {
    if (this.#deferred) this.#judge(group)
    else this.#endIncident(group)
  }

  /** A condition with upper bounds alone, at the end of its span. */
  #judge(group: number): void {
    const event = this.#newest[group]
    if (event !== undefined && this.#windows.size(group) > 0 && this.#holds(group)) {
      this.#fire(group, event)
      this.#heldUs[group] = this.#newestUs[group]
      this.#handlers.held(event)
      this.#endIncident(group)
    }
    this.#windows.clear(group)
  }
}

const NUMERIC: readonly SigmaCorrelation['type'][] = ['value_sum', 'value_avg', 'value_percentile']

const UPPER_BOUNDS: readonly Comparison[] = ['lt', 'lte', 'neq']

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

/** A field value as a number to be added up; null if it is none. */
function numberOf(value: unknown): number | null {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  return typeof number === 'number' && Number.isFinite(number) ? number : MISSING
}
