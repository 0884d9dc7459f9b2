/** One incident: what its alerts have in common, what happened in which order, how grave it is, and the event that tells it. */
import { textBytes } from '../base/memory.ts'
import { isoMicroseconds } from '../base/time.ts'
import type { RaisedEvent } from '../events/catalogue.ts'
import { tacticRank, tacticShortName, tactic, techniqueName } from './attack.ts'
import { framesOf, lineageOf, type Summary, sharedOf } from './documents.ts'

/** What of each sort an incident names; the rest is counted. */
const NAMED_MAX = 50
/** Keys by which further alerts find the incident. */
const KEYS_MAX = 200
/** What an incident takes in memory, what each of its rules takes, and a place in one of its sets. */
const INCIDENT_BYTES = 2000
const TALLY_BYTES = 500
const PLACE_BYTES = 56

/** What of a rule an incident tells; it outlives the rule. */
export interface AlertRule {
  readonly id: string
  readonly name: string
  readonly level: string
  readonly severity: number
  /** Ids, as `TA0006`. */
  readonly tactics: readonly string[]
  /** Ids of techniques and sub-techniques. */
  readonly techniques: readonly string[]
}

/** An alert on its way into an incident. */
export interface IncidentAlert {
  readonly rule: AlertRule
  readonly entity: string
  readonly timeUs: number
  readonly firstUs: number
  /** Events that no incident has counted yet. */
  readonly events: number
  readonly evidence: readonly string[]
  readonly summary: Summary
}

/** What one rule found in an incident. */
export interface Tally {
  readonly rule: AlertRule
  /** The first one, and how many there are (bounded). */
  readonly entities: Set<string>
  alerts: number
  events: number
  firstUs: number
  lastUs: number
}

export type IncidentEventName = 'incident.opened' | 'incident.updated' | 'incident.closed'
type IncidentFields = RaisedEvent<'incident.closed'>['fields']

export class Incident {
  readonly id: string
  readonly openedUs: number
  firstUs: number
  lastUs: number
  alerts = 0
  events = 0
  /** Findings of correlations that go on: an incident with any is not over. */
  live = 0
  /** The gravest severity that was told. */
  told = 0
  isOpen = true
  /** An estimate of what it takes in memory: it follows from what is known, whatever way that came here. */
  bytes = INCIDENT_BYTES
  /** Where it went on, if it turned out to be a part of another one. */
  mergedInto: Incident | null = null
  /** By id of the rule, in the order of their first alerts. */
  readonly tallies = new Map<string, Tally>()
  readonly keys = new Set<string>()
  readonly entities = new Set<string>()
  readonly addresses = new Set<string>()
  readonly users = new Set<string>()
  readonly lineage = new Set<string>()
  readonly evidence = new Set<string>()
  readonly frames = new Set<string>()
  /** Ids of incidents that became a part of this one. */
  readonly parts = new Set<string>()

  constructor(id: string, openedUs: number, firstUs: number) {
    this.id = id
    this.openedUs = openedUs
    this.firstUs = firstUs
    this.lastUs = openedUs
  }

  /** The tally of the alert's rule, with the alert in it. */
  add(alert: IncidentAlert, keys: readonly string[]): Tally {
    const { rule, entity, timeUs, firstUs, events, evidence, summary } = alert
    let tally = this.tallies.get(rule.id)
    if (tally === undefined) {
      tally = { rule, entities: new Set(), alerts: 0, events: 0, firstUs, lastUs: timeUs }
      this.enter(tally)
    }
    tally.alerts++
    tally.firstUs = Math.min(tally.firstUs, firstUs)
    this.alerts++
    this.firstUs = Math.min(this.firstUs, firstUs)
    this.name(tally.entities, [entity], NAMED_MAX)
    this.name(this.entities, [entity], NAMED_MAX)
    this.name(this.keys, keys, KEYS_MAX)
    this.name(this.evidence, evidence, NAMED_MAX)
    this.name(this.lineage, lineageOf(summary), NAMED_MAX)
    this.name(this.frames, framesOf(summary), NAMED_MAX)
    const shared = sharedOf(summary)
    for (const field of ADDRESSES) this.name(this.addresses, nonEmpty(shared[field]), NAMED_MAX)
    this.name(this.users, nonEmpty(shared['user.name']), NAMED_MAX)
    this.count(tally, timeUs, events)
    return tally
  }

  /** Events of a rule that has its alert already. */
  count(tally: Tally, timeUs: number, events: number): void {
    tally.events += events
    tally.lastUs = Math.max(tally.lastUs, timeUs)
    this.events += events
    this.lastUs = Math.max(this.lastUs, timeUs)
  }

  /** Takes over everything of another one, which is over with that. */
  absorb(other: Incident): void {
    other.mergedInto = this
    this.name(this.parts, [other.id, ...other.parts], NAMED_MAX)
    for (const [id, theirs] of other.tallies) {
      const ours = this.tallies.get(id)
      if (ours === undefined) this.enter(theirs)
      else {
        ours.alerts += theirs.alerts
        ours.events += theirs.events
        ours.firstUs = Math.min(ours.firstUs, theirs.firstUs)
        ours.lastUs = Math.max(ours.lastUs, theirs.lastUs)
        this.name(ours.entities, theirs.entities, NAMED_MAX)
      }
    }
    this.alerts += other.alerts
    this.events += other.events
    this.live += other.live
    this.firstUs = Math.min(this.firstUs, other.firstUs)
    this.lastUs = Math.max(this.lastUs, other.lastUs)
    this.name(this.keys, other.keys, KEYS_MAX)
    for (const name of SETS) this.name(this[name], other[name], NAMED_MAX)
  }

  /** It is over and was told: whoever still holds it holds nothing large. */
  close(): void {
    this.isOpen = false
    this.tallies.clear()
    for (const name of [...SETS, 'keys', 'parts'] as const) this[name].clear()
  }

  /** A rule that it had no finding of. */
  enter(tally: Tally): void {
    this.tallies.set(tally.rule.id, tally)
    this.bytes += TALLY_BYTES
    for (const text of tally.entities) this.bytes += bytesOf(text)
  }

  /** Texts into one of its sets, as long as there are fewer than `most`. */
  name(set: Set<string>, values: Iterable<string>, most: number): void {
    for (const value of values) {
      if (set.size >= most) return
      if (set.has(value)) continue
      set.add(value)
      this.bytes += bytesOf(value)
    }
  }

  /** The rule with the highest severity, the first one among equals. */
  get gravest(): Tally {
    return [...this.tallies.values()].reduce((best, tally) => (tally.rule.severity > best.rule.severity ? tally : best))
  }

  /**
   * From 0 to 100. With M the highest severity, s those of the other rules, and t the number of tactics:
   *
   *     M + (100 − M) × (1 − Π(1 − s / 400) × 0.9^(t − 1))
   *
   * What is grave stays grave; every further rule and every further step of the attack closes a part of what is missing to 100. How
   * often a rule fired does not count: ten thousand refused log-ins are one finding.
   */
  get risk(): number {
    const { gravest } = this
    let rest = 0.9 ** Math.max(0, this.#tactics().length - 1)
    for (const tally of this.tallies.values()) if (tally !== gravest) rest *= 1 - tally.rule.severity / 400
    const highest = gravest.rule.severity
    return Math.round((highest + (100 - highest) * (1 - rest)) * 10) / 10
  }

  event(name: IncidentEventName, timeUs: number, reason?: string): RaisedEvent {
    const { gravest, risk } = this
    const title = others(gravest.rule.name, this.tallies.size, 'rule')
    const entities = [...new Set([...gravest.entities, ...this.entities])].slice(0, NAMED_MAX)
    const about = others(entities[0], entities.length, 'entity')
    const says = `${counted(this.alerts, 'alert')}, ${counted(this.events, 'event')}, risk ${risk}`
    const why = reason === undefined ? '' : `; over: ${reason}`
    const fields: IncidentFields = {
      'incident.id': this.id,
      'incident.state': name === 'incident.closed' ? 'closed' : 'open',
      'incident.title': title,
      'incident.level': gravest.rule.level,
      'incident.entities': entities,
      'incident.alerts': this.alerts,
      'incident.events': this.events,
      'incident.rules': this.#inTime().map(({ rule }) => rule.name),
      'incident.story': this.#inTime().map(line),
      'incident.frames': listOf(this.frames),
      'incident.parts': listOf(this.parts),
      'incident.part_of': this.mergedInto?.id,
      'alert.evidence': [...this.evidence],
      'event.severity': gravest.rule.severity,
      'event.risk_score': risk,
      'event.start': isoMicroseconds(this.firstUs),
      'event.end': isoMicroseconds(this.lastUs),
      'event.duration': (this.lastUs - this.firstUs) * 1000,
      'event.reason': reason,
      'incident.addresses': listOf(this.addresses),
      'incident.users': listOf(this.users),
      'borescope.lineage': listOf(this.lineage),
      ...this.#threat(),
    }
    return { name, timeUs, message: `Incident ${this.id}: ${title}: ${about} (${says})${why}`, fields }
  }

  /** The rules by the time of what they found first. */
  #inTime(): Tally[] {
    return [...this.tallies.values()]
      .sort((a, b) => a.firstUs - b.firstUs || b.rule.severity - a.rule.severity || (a.rule.id < b.rule.id ? -1 : 1))
      .slice(0, NAMED_MAX)
  }

  /** Ids, in the order of the kill chain. */
  #tactics(): string[] {
    const ids = new Set([...this.tallies.values()].flatMap(({ rule }) => rule.tactics))
    return [...ids].sort((a, b) => tacticRank(a) - tacticRank(b) || (a < b ? -1 : 1))
  }

  #threat() {
    const tactics = this.#tactics()
    const ids = [...new Set([...this.tallies.values()].flatMap(({ rule }) => rule.techniques))].sort()
    if (tactics.length + ids.length === 0) return {}
    const whole = [...new Set(ids.map((id) => id.slice(0, 5)))]
    const subs = ids.filter((id) => id.includes('.'))
    const nameOf = (id: string) => techniqueName(id) ?? id
    return {
      'threat.framework': 'MITRE ATT&CK',
      'threat.tactic.id': tactics.length === 0 ? undefined : tactics,
      'threat.tactic.name':
        tactics.length === 0 ? undefined : tactics.map((id) => tactic(tacticShortName(id) ?? '')?.name ?? id),
      'threat.technique.id': whole.length === 0 ? undefined : whole,
      'threat.technique.name': whole.length === 0 ? undefined : whole.map(nameOf),
      'threat.technique.subtechnique.id': subs.length === 0 ? undefined : subs,
      'threat.technique.subtechnique.name': subs.length === 0 ? undefined : subs.map(nameOf),
    }
  }

  /** Plain JSON, for `loadIncident`. */
  save(): Readonly<Record<string, unknown>> {
    const { id, openedUs, firstUs, lastUs, alerts, events, live, told } = this
    const tallies = [...this.tallies.values()].map((tally) => ({ ...tally, entities: [...tally.entities] }))
    const sets = Object.fromEntries([...SETS, 'keys', 'parts'].map((name) => [name, [...this[name as SetName]]]))
    return { id, openedUs, firstUs, lastUs, alerts, events, live, told, tallies, ...sets }
  }
}

const SETS = ['entities', 'addresses', 'users', 'lineage', 'evidence', 'frames'] as const
type SetName = (typeof SETS)[number] | 'keys' | 'parts'
const ADDRESSES = ['outer.source.ip', 'source.ip', 'outer.destination.ip', 'destination.ip'] as const
const NUMBERS = ['openedUs', 'firstUs', 'lastUs', 'alerts', 'events', 'live', 'told'] as const

/** What `save` wrote; null if it is none of that. */
export function loadIncident(entry: Readonly<Record<string, unknown>>): Incident | null {
  const { id, tallies } = entry
  if (typeof id !== 'string' || !Array.isArray(tallies) || tallies.length === 0) return null
  if (NUMBERS.some((name) => typeof entry[name] !== 'number')) return null
  const names = [...SETS, 'keys', 'parts'] as const
  if (names.some((name) => !isTexts(entry[name]))) return null
  const incident = new Incident(id, entry['openedUs'] as number, entry['firstUs'] as number)
  for (const name of ['lastUs', 'alerts', 'events', 'live', 'told'] as const) incident[name] = entry[name] as number
  for (const name of names) incident.name(incident[name], entry[name] as string[], KEYS_MAX)
  for (const value of tallies) {
    const tally = loadTally(value)
    if (tally === null) return null
    incident.enter(tally)
  }
  return incident
}

function loadTally(value: unknown): Tally | null {
  const { rule, entities, alerts, events, firstUs, lastUs } = (value ?? {}) as Partial<
    Omit<Tally, 'entities'> & { entities: string[] }
  >
  const isRight =
    [alerts, events, firstUs, lastUs, rule?.severity].every((number) => typeof number === 'number') &&
    [rule?.id, rule?.name, rule?.level].every((text) => typeof text === 'string') &&
    [entities, rule?.tactics, rule?.techniques].every(isTexts)
  return isRight ? ({ rule, entities: new Set(entities), alerts, events, firstUs, lastUs } as Tally) : null
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((text) => typeof text === 'string')
}

/** `10:04:07 high Password guessing: alice (1 alert, 57 events)`, with the date in front. */
function line({ rule, entities, alerts, events, firstUs }: Tally): string {
  const about = others(first(entities), entities.size, 'entity')
  const time = isoMicroseconds(firstUs).replace(/\.\d+Z$/, 'Z')
  return `${time} ${rule.level} ${rule.name}: ${about} (${counted(alerts, 'alert')}, ${counted(events, 'event')})`
}

function bytesOf(text: string): number {
  return PLACE_BYTES + textBytes(text)
}

function nonEmpty(value: string | undefined): string[] {
  return value === undefined || value === '' ? [] : [value]
}

function listOf(set: ReadonlySet<string>): string[] | undefined {
  return set.size === 0 ? undefined : [...set]
}

function first(set: ReadonlySet<string>): string {
  for (const value of set) return value
  return ''
}

/** `alice and 2 other entities`: the count includes the one that is named. */
function others(name: string, count: number, what: 'rule' | 'entity'): string {
  if (count <= 1) return name
  const plural = what === 'rule' ? 'rules' : 'entities'
  return `${name} and ${count - 1} other ${count === 2 ? what : plural}`
}

function counted(value: number, singular: string): string {
  return `${value} ${singular}${value === 1 ? '' : 's'}`
}
