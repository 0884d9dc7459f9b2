/**
 * Rules over event documents: what matches becomes an `alert.raised` event. One alert a rule and entity: what the rule
 * finds again within its suppression window is counted, and told by the next alert.
 */
import { textBytes } from '../base/memory.ts'
import { isoMicroseconds, SECOND_US } from '../base/time.ts'
import type { Emit, RaisedEvent } from '../events/catalogue.ts'
import type { EventDocument } from '../events/fields.ts'
import { attackTag, tactic, techniqueName, techniqueTactics, techniqueUrl } from './attack.ts'
import {
  DISCRIMINATOR,
  DOCUMENT_STATE,
  DOCUMENTS,
  framesOf,
  lineageOf,
  type Summary,
  sharedOf,
  sourceOf,
} from './documents.ts'
import type { AlertRule } from './incident.ts'
import {
  INCIDENT,
  INCIDENT_DEFAULTS,
  type IncidentCounters,
  type IncidentOptions,
  Incidents,
  type Strand,
} from './incidents.ts'
import { alertPolicy, categoryOf, type RuleSet } from './rules.ts'
import type { CorrelatorCounters, Firing } from './sigma/correlate.ts'
import { SigmaEngine, type SourceRules } from './sigma/engine.ts'
import type { SigmaHeader, SigmaLevel, SigmaRule } from './sigma/parse.ts'
import { type Restored, readState, type StateEntry, writeState } from './sigma/state.ts'
import { EVIDENCE_MAX } from './sigma/windows.ts'

export interface DetectorOptions {
  /** Groups that each correlation follows. */
  readonly groupsMax: number
  /** Entities, over all rules, whose alerts are being suppressed. */
  readonly entitiesMax: number
  /** What the groups of all correlations may take in memory, by an estimate. */
  readonly groupsBytesMax?: number
  /** What those entities may take. */
  readonly entitiesBytesMax?: number
  /** How alerts become incidents. */
  readonly incidents?: IncidentOptions
  /** Told when what an alert stands for is over, with its running total. */
  readonly ended?: (incident: EndedIncident) => void
}

export interface EndedIncident {
  readonly rule: SigmaHeader
  readonly entity: string
  /** All events, those counted after the alert among them. */
  readonly events: number
  readonly firstUs: number
  readonly lastUs: number
}

export interface DetectorCounters extends CorrelatorCounters {
  alerts: number
  /** Matches that an earlier alert stands for. */
  suppressed: number
  /** Suppressed entities given up because there were too many, or because they took too much memory. */
  forgotten: number
  readonly incidents: IncidentCounters
}

type AlertFields = RaisedEvent<'alert.raised'>['fields']

type AlertRuleFields = Pick<AlertFields, 'rule.id' | 'rule.name' | 'rule.level' | 'event.severity'> &
  Partial<AlertFields>

/** What of an alert is the same every time: for the alert, and for its incident. */
interface RuleFields {
  readonly alert: AlertRuleFields
  readonly incident: AlertRule
}

interface PlainRule {
  readonly rule: SigmaRule
  readonly fields: RuleFields
  readonly entity: readonly ((document: EventDocument) => unknown)[]
  readonly suppressUs: number
}

/** What matched for one rule and entity: in all, and since the last alert. */
interface Suppression {
  readonly rule: SigmaRule
  readonly entity: string
  readonly beganUs: number
  lastUs: number
  total: number
  untilUs: number
  firstUs: number
  events: number
  evidence: string[]
  summary: Summary | undefined
  /** Where its matches are counted, and how many wait for the next alert to be. */
  strand: Strand | null
  uncounted: number
  /** What it takes in memory, as it was counted last. */
  bytes: number
}

/** Of a table; that it was reached is told once. */
interface Bound {
  readonly table: string
  readonly capacity: number
  readonly says: string
  /** How many have been given up for it so far. */
  readonly givenUp: () => number
  isTold: boolean
}

/** A finding of a correlation that goes on. */
interface Course {
  readonly strand: Strand
  readonly rule: string
  /** Events that its incident has counted. */
  counted: number
}

const GROUPS_BYTES_MAX = 536_870_912
const ENTITIES_BYTES_MAX = 268_435_456
/** What a suppression takes in memory beside its texts and its summary, and what the id of an event takes. */
const SUPPRESSION_BYTES = 400
const EVIDENCE_BYTES = 50
/** A document of what a detector remembers is no larger. */
const STATE_BYTES_MAX = 256 * 1024 * 1024
/** Whose state it is, in the document that holds it. */
export const DETECTOR_STATE = 'borescope.detector'
const SUPPRESSION = 'suppression'
const CLOCK = 'clock'
const COURSE = 'course'

/** Of an alert: severity as ECS events carry it, and the risk score, which is the same number. */
const SEVERITIES: Readonly<Record<SigmaLevel, number>> = {
  informational: 10,
  low: 21,
  medium: 47,
  high: 73,
  critical: 99,
}
const DEFAULT_LEVEL: SigmaLevel = 'medium'
/** Datasets of what is raised here: a rule cannot feed itself. */
const OWN: ReadonlySet<string> = new Set(['borescope.alerts', 'borescope.incidents'])
/** How often, by the clock of the packets, suppressions that are over are looked for. */
const SWEEP_US = 60 * SECOND_US

export class Detector {
  readonly #engine: SigmaEngine<EventDocument, Summary>
  readonly #emit: Emit
  readonly #ended: DetectorOptions['ended']
  readonly #entitiesMax: number
  readonly #groupsBytesMax: number
  readonly #entitiesBytesMax: number
  readonly #plain = new Map<SigmaRule, PlainRule>()
  readonly #fields = new Map<SigmaHeader, RuleFields>()
  readonly #sources = new Map<string, SourceRules<EventDocument>>()
  readonly #incidents: Incidents
  /** By correlation and group. */
  readonly #courses = new Map<string, Course>()
  /** By rule and entity, least recently matched first. */
  readonly #suppressions = new Map<string, Suppression>()
  /** Of all of them. */
  #suppressionBytes = 0
  readonly #bounds: readonly Bound[]
  /** What was given up when the bounds were looked at last. */
  #givenUp = 0
  #nowUs = Number.NEGATIVE_INFINITY
  #sweepUs = Number.NEGATIVE_INFINITY
  #alerts = 0
  #suppressed = 0
  #crowdedOut = 0
  #weighedOut = 0

  constructor(set: RuleSet, emit: Emit, options: DetectorOptions) {
    this.#emit = emit
    this.#ended = options.ended
    this.#entitiesMax = options.entitiesMax
    this.#groupsBytesMax = options.groupsBytesMax ?? GROUPS_BYTES_MAX
    this.#entitiesBytesMax = options.entitiesBytesMax ?? ENTITIES_BYTES_MAX
    this.#incidents = new Incidents(emit, options.incidents ?? INCIDENT_DEFAULTS)
    this.#engine = new SigmaEngine(
      set,
      DOCUMENTS,
      {
        matched: (rule, document) => this.#matched(this.#plain.get(rule)!, document),
        fired: (firing) => this.#fired(firing),
        ended: ({ correlation, group, events, firstUs, lastUs }) => {
          this.#endCourse(courseKey(this.#fields.get(correlation)!, group), events, lastUs)
          options.ended?.({ rule: correlation, entity: entityOf(group), events, firstUs, lastUs })
        },
      },
      { discriminator: DISCRIMINATOR, groupsMax: options.groupsMax, groupsBytesMax: this.#groupsBytesMax },
    )
    this.#bounds = [
      {
        table: 'correlation_groups',
        capacity: options.groupsMax,
        says: `A correlation has more than ${options.groupsMax} groups`,
        givenUp: () => this.#engine.crowdedOut,
        isTold: false,
      },
      {
        table: 'correlation_group_bytes',
        capacity: this.#groupsBytesMax,
        says: `The groups of all correlations take more than ${this.#groupsBytesMax} bytes`,
        givenUp: () => this.#engine.weighedOut,
        isTold: false,
      },
      {
        table: 'suppressions',
        capacity: this.#entitiesMax,
        says: `Alerts stand for more than ${this.#entitiesMax} entities`,
        givenUp: () => this.#crowdedOut,
        isTold: false,
      },
      {
        table: 'suppression_bytes',
        capacity: this.#entitiesBytesMax,
        says: `The entities that alerts stand for take more than ${this.#entitiesBytesMax} bytes`,
        givenUp: () => this.#weighedOut,
        isTold: false,
      },
    ]
    for (const rule of set.rules) {
      const { entity, suppressUs } = alertPolicy(rule)
      this.#plain.set(rule, { rule, fields: ruleFields(rule), entity: entity.map(DOCUMENTS.field), suppressUs })
    }
    for (const correlation of set.correlations) this.#fields.set(correlation, ruleFields(correlation))
  }

  /** An event from the bus. Alerts and incidents are not looked at. */
  readonly observe = (document: EventDocument): void => {
    const dataset = document['event.dataset'] ?? ''
    if (OWN.has(dataset)) return
    let source = this.#sources.get(dataset)
    if (source === undefined) {
      source = this.#engine.source(sourceOf(dataset))
      this.#sources.set(dataset, source)
    }
    this.#engine.observe(document, source)
    const givenUp = this.#engine.crowdedOut + this.#engine.weighedOut + this.#crowdedOut + this.#weighedOut
    if (givenUp === this.#givenUp) return
    this.#givenUp = givenUp
    this.#tellFilled(DOCUMENTS.timeUs(document))
  }

  /** Each bound that was reached, once. */
  #tellFilled(timeUs: number): void {
    for (const bound of this.#bounds) {
      if (bound.isTold || bound.givenUp() === 0) continue
      bound.isTold = true
      this.#emit({
        name: 'sensor.table.filled',
        timeUs,
        message: `${bound.says}: what was quiet for longest is forgotten`,
        fields: { 'sensor.table': bound.table, 'sensor.capacity': bound.capacity },
      })
    }
  }

  /** Lets time pass, by the clock of the packets. */
  expire(nowUs: number): void {
    this.#nowUs = Math.max(this.#nowUs, nowUs)
    this.#engine.expire(nowUs)
    if (nowUs < this.#sweepUs + SWEEP_US) return
    this.#sweepUs = nowUs
    for (const [key, suppression] of this.#suppressions) {
      if (suppression.untilUs <= nowUs) this.#drop(key, suppression)
    }
    this.#incidents.expire(nowUs)
    this.#letGo()
  }

  /** Ends every incident: no more events will come. */
  end(): void {
    this.#engine.end()
    for (const suppression of this.#suppressions.values()) this.#endSuppression(suppression)
    this.#suppressions.clear()
    this.#suppressionBytes = 0
    this.#incidents.end(this.#nowUs)
  }

  /**
   * Everything that is remembered, as a text that `restore` takes: the same events after it give the same alerts. What would make
   * it larger than `bytesMax` is left out, the least recent first, and counted.
   */
  save(bytesMax = STATE_BYTES_MAX): { readonly text: string; readonly leftOut: number } {
    return writeState(this.entries(), DETECTOR_STATE, bytesMax)
  }

  /** What `save` writes; entries may be taken one after the other while events go on. */
  *entries(): Generator<StateEntry> {
    const saved = (timeUs: number) => (Number.isFinite(timeUs) ? timeUs : null)
    yield { kind: CLOCK, nowUs: saved(this.#nowUs), sweepUs: saved(this.#sweepUs) }
    yield* this.#incidents.save()
    for (const [key, { strand, rule, counted }] of this.#courses) {
      yield { kind: COURSE, key, rule, counted, incident: strand.incident.id }
    }
    for (const [key, { rule, summary, strand, bytes: _bytes, ...rest }] of [...this.#suppressions].reverse()) {
      const saved = summary === undefined ? null : DOCUMENT_STATE.saveSummary(summary)
      const incident = strand?.incident.id ?? null
      yield { kind: SUPPRESSION, rule: rule.id, key, summary: saved, incident, ...rest }
    }
    yield* this.#engine.save(DOCUMENT_STATE)
  }

  /** Takes up what `save` wrote; for a detector that has seen no event. Throws StateError if it is not whole. */
  restore(text: string, bytesMax = STATE_BYTES_MAX): Restored {
    return this.restoreEntries(readState(text, DETECTOR_STATE, bytesMax))
  }

  /** The same with the entries of a document that was read and found whole. */
  restoreEntries(entries: Iterable<StateEntry>): Restored {
    const groups: StateEntry[] = []
    const byKind: Record<string, StateEntry[]> = { [SUPPRESSION]: [], [INCIDENT]: [], [COURSE]: [] }
    for (const entry of entries) {
      if (entry.kind === CLOCK) {
        const { nowUs, sweepUs } = entry
        if (typeof nowUs === 'number') this.#nowUs = nowUs
        if (typeof sweepUs === 'number') this.#sweepUs = sweepUs
      } else (byKind[entry.kind] ?? groups).push(entry)
    }
    const result = this.#engine.restore(groups, DOCUMENT_STATE)
    for (const entry of byKind[INCIDENT].reverse()) result[this.#incidents.restore(entry) ? 'restored' : 'outdated']++
    for (const entry of byKind[COURSE]) result[this.#restoreCourse(entry) ? 'restored' : 'outdated']++
    const byId = new Map([...this.#plain.keys()].map((rule) => [rule.id, rule]))
    for (const entry of byKind[SUPPRESSION].reverse()) {
      const suppression = loadSuppression(entry, byId)
      if (suppression === null) result.outdated++
      else {
        this.#makeRoom()
        suppression.strand = this.#incidents.strand(entry['incident'], suppression.rule.id ?? suppression.rule.title)
        this.#suppressions.set(String(entry['key']), suppression)
        this.#weigh(String(entry['key']), suppression)
        result.restored++
      }
    }
    return result
  }

  /** An incident that is over is not held any longer by what was counted there. */
  #letGo(): void {
    for (const [key, { strand }] of this.#courses) if (this.#incidents.isOver(strand)) this.#courses.delete(key)
    for (const suppression of this.#suppressions.values()) {
      if (suppression.strand !== null && this.#incidents.isOver(suppression.strand)) suppression.strand = null
    }
  }

  #drop(key: string, suppression: Suppression): void {
    this.#suppressions.delete(key)
    this.#suppressionBytes -= suppression.bytes
    this.#endSuppression(suppression)
  }

  #endSuppression({ rule, entity, total, beganUs, lastUs }: Suppression): void {
    this.#ended?.({ rule, entity, events: total, firstUs: beganUs, lastUs })
  }

  get counters(): DetectorCounters {
    return {
      ...this.#engine.counters,
      alerts: this.#alerts,
      suppressed: this.#suppressed,
      forgotten: this.#crowdedOut + this.#weighedOut,
      incidents: this.#incidents.counters,
    }
  }

  /** How much is remembered, and how much may be. */
  get tables(): readonly { readonly name: string; readonly size: number; readonly capacity: number }[] {
    const { groups, groupsMax, bytes } = this.#engine
    return [
      { name: 'correlation_groups', size: groups, capacity: groupsMax },
      { name: 'correlation_group_bytes', size: bytes, capacity: this.#groupsBytesMax },
      { name: 'suppressions', size: this.#suppressions.size, capacity: this.#entitiesMax },
      { name: 'suppression_bytes', size: this.#suppressionBytes, capacity: this.#entitiesBytesMax },
      { name: 'incidents', size: this.#incidents.size, capacity: this.#incidents.capacity },
      { name: 'incident_bytes', size: this.#incidents.bytes, capacity: this.#incidents.bytesMax },
    ]
  }

  #restoreCourse({ key, rule, counted, incident }: StateEntry): boolean {
    if (typeof key !== 'string' || typeof rule !== 'string' || typeof counted !== 'number') return false
    const strand = this.#incidents.strand(incident, rule)
    if (strand === null) return false
    this.#incidents.hold(strand)
    this.#courses.set(key, { strand, rule, counted })
    return true
  }

  /** What a correlation found after its alert is told now. */
  #endCourse(key: string, events: number, lastUs: number): void {
    const course = this.#courses.get(key)
    if (course === undefined) return
    this.#courses.delete(key)
    if (events > course.counted) this.#incidents.count(course.strand, lastUs, events - course.counted)
    this.#incidents.release(course.strand)
  }

  #matched(plain: PlainRule, document: EventDocument): void {
    const timeUs = DOCUMENTS.timeUs(document)
    const values = plain.entity.map((read) => read(document) ?? '')
    // Inside sessions many have the same address: who carries it tells them apart.
    const key = `${plain.fields.incident.id}${JSON.stringify(values)}${document['outer.source.ip'] ?? ''}`
    const current = this.#suppressions.get(key) ?? startSuppression(plain.rule, entityOf(values), timeUs)
    if (current.total > 0) this.#suppressions.delete(key)
    else this.#makeRoom()
    this.#suppressions.set(key, current)
    if (current.events === 0) current.firstUs = timeUs
    current.lastUs = Math.max(current.lastUs, timeUs)
    current.total++
    current.events++
    if (current.evidence.length < EVIDENCE_MAX) current.evidence.push(document['event.id'])
    current.summary = DOCUMENTS.fold(current.summary, document)
    if (timeUs < current.untilUs) {
      this.#suppressed++
      if (current.strand === null || !this.#incidents.count(current.strand, timeUs, 1)) current.uncounted++
      this.#weigh(key, current)
      return
    }
    current.strand = this.#raise(plain.fields, current.entity, timeUs, current.uncounted + 1, {
      events: current.events,
      distinct: null,
      firstUs: Math.min(current.firstUs, timeUs),
      lastUs: timeUs,
      evidence: current.evidence,
      summary: current.summary,
    })
    current.untilUs = timeUs + plain.suppressUs
    current.events = 0
    current.uncounted = 0
    current.evidence = []
    current.summary = undefined
    this.#weigh(key, current)
  }

  /** Counts what a suppression takes now, which is the most recent one; for that older ones may have to go. */
  #weigh(key: string, suppression: Suppression): void {
    const { entity, evidence, summary } = suppression
    const texts = textBytes(key) + textBytes(entity) + evidence.length * EVIDENCE_BYTES
    const bytes = SUPPRESSION_BYTES + texts + (summary?.bytes ?? 0)
    this.#suppressionBytes += bytes - suppression.bytes
    suppression.bytes = bytes
    while (this.#suppressionBytes > this.#entitiesBytesMax && this.#suppressions.size > 1) {
      this.#forgetOldest()
      this.#weighedOut++
    }
  }

  #makeRoom(): void {
    if (this.#suppressions.size < this.#entitiesMax) return
    this.#forgetOldest()
    this.#crowdedOut++
  }

  #forgetOldest(): void {
    for (const [key, suppression] of this.#suppressions) {
      this.#drop(key, suppression)
      return
    }
  }

  #fired(firing: Firing<EventDocument, Summary>): void {
    const fields = this.#fields.get(firing.correlation)!
    const { events } = firing
    const strand = this.#raise(fields, entityOf(firing.group), DOCUMENTS.timeUs(firing.event), events, firing)
    this.#incidents.hold(strand)
    this.#courses.set(courseKey(fields, firing.group), { strand, rule: fields.incident.id, counted: events })
  }

  #raise(
    rule: RuleFields,
    entity: string,
    timeUs: number,
    uncounted: number,
    what: Pick<Firing<EventDocument, Summary>, 'events' | 'distinct' | 'firstUs' | 'lastUs' | 'evidence' | 'summary'>,
  ): Strand {
    this.#alerts++
    const { events, distinct, firstUs, lastUs, evidence, summary } = what
    const lineage = lineageOf(summary)
    const frames = framesOf(summary)
    const about = { rule: rule.incident, entity, timeUs, firstUs, events: uncounted, evidence, summary }
    const strand = this.#incidents.join(about)
    this.#emit({
      name: 'alert.raised',
      timeUs,
      message: `${rule.incident.name}: ${entity} (${events === 1 ? '1 event' : `${events} events`})`,
      fields: {
        ...rule.alert,
        ...sharedOf(summary),
        'alert.entity': entity,
        'alert.events': events,
        'alert.evidence': evidence,
        'alert.values': distinct ?? undefined,
        'alert.frames': list(frames),
        'incident.id': strand.incident.id,
        'event.start': isoMicroseconds(firstUs),
        'event.end': isoMicroseconds(lastUs),
        'event.duration': (lastUs - firstUs) * 1000,
        'borescope.lineage': list(lineage),
      },
    })
    this.#incidents.tell(strand, timeUs)
    return strand
  }
}

function courseKey({ incident }: RuleFields, group: readonly string[]): string {
  return `${incident.id}${JSON.stringify(group)}`
}

function startSuppression(rule: SigmaRule, entity: string, timeUs: number): Suppression {
  return {
    rule,
    entity,
    beganUs: timeUs,
    lastUs: timeUs,
    total: 0,
    untilUs: timeUs,
    firstUs: timeUs,
    events: 0,
    evidence: [],
    summary: undefined,
    strand: null,
    uncounted: 0,
    bytes: 0,
  }
}

/** Null if the rule is gone, or the entry is none. */
function loadSuppression(entry: StateEntry, rules: ReadonlyMap<unknown, SigmaRule>): Suppression | null {
  const rule = rules.get(entry['rule'])
  const { entity, beganUs, lastUs, total, untilUs, firstUs, events, evidence, uncounted } = entry
  const isRight =
    typeof entity === 'string' &&
    [beganUs, lastUs, total, untilUs, firstUs, events, uncounted].every((value) => typeof value === 'number') &&
    Array.isArray(evidence) &&
    evidence.length <= EVIDENCE_MAX &&
    evidence.every((id) => typeof id === 'string')
  if (rule === undefined || !isRight) return null
  const numbers = { beganUs, lastUs, total, untilUs, firstUs, events, uncounted } as Record<
    'beganUs' | 'lastUs' | 'total' | 'untilUs' | 'firstUs' | 'events' | 'uncounted',
    number
  >
  const summary = DOCUMENT_STATE.loadSummary(entry['summary']) ?? undefined
  return { rule, entity, evidence, summary, strand: null, bytes: 0, ...numbers }
}

/** What has no value for any of its fields is about everything there is. */
function entityOf(values: readonly unknown[]): string {
  return values.filter((value) => value !== '').join(', ') || 'all'
}

function ruleFields(rule: SigmaHeader): RuleFields {
  const level = rule.level ?? DEFAULT_LEVEL
  const id = rule.id ?? rule.title
  const threat = threatFields(rule.tags)
  const techniques = [...(threat['threat.technique.id'] ?? []), ...(threat['threat.technique.subtechnique.id'] ?? [])]
  const tactics = threat['threat.tactic.id'] ?? []
  const incident = { id, name: rule.title, level, severity: SEVERITIES[level], tactics, techniques }
  const alert: AlertRuleFields = {
    'rule.id': id,
    'rule.name': rule.title,
    'rule.level': level,
    'rule.description': rule.description?.trim(),
    'rule.reference': rule.references[0],
    'rule.category': categoryOf(rule),
    'event.severity': SEVERITIES[level],
    'event.risk_score': SEVERITIES[level],
    ...threat,
  }
  return { alert, incident }
}

/** A sub-technique brings its technique; tactics are those of the tags, or of the techniques if no tag names one. */
function threatFields(tags: readonly string[]): Partial<AlertFields> {
  const ids = tags.map(attackTag).filter((tag) => tag !== undefined)
  const given = ids.filter(({ kind }) => kind === 'technique').map(({ id }) => id)
  const tagged = ids.filter(({ kind }) => kind === 'tactic').map(({ id }) => id)
  if (given.length + tagged.length === 0) return {}
  const techniques = distinct(given.map((id) => id.slice(0, 5)))
  const subtechniques = distinct(given.filter((id) => id.includes('.')))
  const shortNames = tagged.length > 0 ? tagged : distinct(given.flatMap(techniqueTactics))
  const tactics = distinct(shortNames)
    .map(tactic)
    .filter((known) => known !== undefined)
  return {
    'threat.framework': 'MITRE ATT&CK',
    'threat.tactic.id': list(tactics.map(({ id }) => id)),
    'threat.tactic.name': list(tactics.map(({ name }) => name)),
    'threat.technique.id': list(techniques),
    'threat.technique.name': list(techniques.map(nameOf)),
    'threat.technique.reference': list(distinct(given).map(techniqueUrl)),
    'threat.technique.subtechnique.id': list(subtechniques),
    'threat.technique.subtechnique.name': list(subtechniques.map(nameOf)),
  }
}

/** The lists of ids and names stay in step: what has no name goes by its id. */
function nameOf(id: string): string {
  return techniqueName(id) ?? id
}

function distinct(values: readonly string[]): string[] {
  return [...new Set(values)]
}

function list(values: readonly string[]): readonly string[] | undefined {
  return values.length === 0 ? undefined : values
}
