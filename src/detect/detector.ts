/**
 * Rules over event documents: what matches becomes an `alert.raised` event. One alert a rule and entity: what the rule
 * finds again within its suppression window is counted, and told by the next alert.
 */
import { isoMicroseconds, SECOND_US } from '../base/time.ts'
import type { Emit, RaisedEvent } from '../events/catalogue.ts'
import type { EventDocument } from '../events/fields.ts'
import { attackTag, tactic, techniqueName, techniqueTactics, techniqueUrl } from './attack.ts'
import { DISCRIMINATOR, DOCUMENT_STATE, DOCUMENTS, type Summary, sourceOf } from './documents.ts'
import { alertPolicy, categoryOf, type RuleSet } from './rules.ts'
import { type CorrelatorCounters, EVIDENCE_MAX, type Firing } from './sigma/correlate.ts'
import { SigmaEngine, type SourceRules } from './sigma/engine.ts'
import type { SigmaHeader, SigmaLevel, SigmaRule } from './sigma/parse.ts'
import { type Restored, readState, type StateEntry, writeState } from './sigma/state.ts'

export interface DetectorOptions {
  /** Groups that each correlation follows. */
  readonly groupsMax: number
  /** Entities, over all rules, whose alerts are being suppressed. */
  readonly entitiesMax: number
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
  /** Suppressed entities given up because there were too many. */
  forgotten: number
}

type AlertFields = RaisedEvent<'alert.raised'>['fields']

/** What of an alert is the same every time. */
type RuleFields = Pick<AlertFields, 'rule.id' | 'rule.name' | 'rule.level' | 'event.severity'> & Partial<AlertFields>

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
}

/** A document of what a detector remembers is no larger. */
const STATE_BYTES_MAX = 256 * 1024 * 1024
/** Whose state it is, in the document that holds it. */
export const DETECTOR_STATE = 'borescope.detector'
const SUPPRESSION = 'suppression'
const CLOCK = 'clock'

/** Of an alert: severity as ECS events carry it, and the risk score, which is the same number. */
const SEVERITIES: Readonly<Record<SigmaLevel, number>> = {
  informational: 10,
  low: 21,
  medium: 47,
  high: 73,
  critical: 99,
}
const DEFAULT_LEVEL: SigmaLevel = 'medium'
const ALERTS = 'borescope.alerts'
/** How often, by the clock of the packets, suppressions that are over are looked for. */
const SWEEP_US = 60 * SECOND_US

export class Detector {
  readonly #engine: SigmaEngine<EventDocument, Summary>
  readonly #emit: Emit
  readonly #ended: DetectorOptions['ended']
  readonly #entitiesMax: number
  readonly #plain = new Map<SigmaRule, PlainRule>()
  readonly #fields = new Map<SigmaHeader, RuleFields>()
  readonly #sources = new Map<string, SourceRules<EventDocument>>()
  /** By rule and entity, least recently matched first. */
  readonly #suppressions = new Map<string, Suppression>()
  #sweepUs = Number.NEGATIVE_INFINITY
  #alerts = 0
  #suppressed = 0
  #forgotten = 0

  constructor(set: RuleSet, emit: Emit, options: DetectorOptions) {
    this.#emit = emit
    this.#ended = options.ended
    this.#entitiesMax = options.entitiesMax
    this.#engine = new SigmaEngine(
      set,
      DOCUMENTS,
      {
        matched: (rule, document) => this.#matched(this.#plain.get(rule)!, document),
        fired: (firing) => this.#fired(firing),
        ended: ({ correlation, group, events, firstUs, lastUs }) => {
          options.ended?.({ rule: correlation, entity: entityOf(group), events, firstUs, lastUs })
        },
      },
      { discriminator: DISCRIMINATOR, groupsMax: options.groupsMax },
    )
    for (const rule of set.rules) {
      const { entity, suppressUs } = alertPolicy(rule)
      this.#plain.set(rule, { rule, fields: ruleFields(rule), entity: entity.map(DOCUMENTS.field), suppressUs })
    }
    for (const correlation of set.correlations) this.#fields.set(correlation, ruleFields(correlation))
  }

  /** An event from the bus. Alerts are not looked at: a rule cannot feed itself. */
  readonly observe = (document: EventDocument): void => {
    const dataset = document['event.dataset'] ?? ''
    if (dataset === ALERTS) return
    let source = this.#sources.get(dataset)
    if (source === undefined) {
      source = this.#engine.source(sourceOf(dataset))
      this.#sources.set(dataset, source)
    }
    this.#engine.observe(document, source)
  }

  /** Lets time pass, by the clock of the packets. */
  expire(nowUs: number): void {
    this.#engine.expire(nowUs)
    if (nowUs < this.#sweepUs + SWEEP_US) return
    this.#sweepUs = nowUs
    for (const [key, suppression] of this.#suppressions) {
      if (suppression.untilUs > nowUs) continue
      this.#suppressions.delete(key)
      this.#endSuppression(suppression)
    }
  }

  /** Ends every incident: no more events will come. */
  end(): void {
    this.#engine.end()
    for (const suppression of this.#suppressions.values()) this.#endSuppression(suppression)
    this.#suppressions.clear()
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
    yield { kind: CLOCK, sweepUs: Number.isFinite(this.#sweepUs) ? this.#sweepUs : null }
    for (const [key, { rule, summary, ...rest }] of [...this.#suppressions].reverse()) {
      const saved = summary === undefined ? null : DOCUMENT_STATE.saveSummary(summary)
      yield { kind: SUPPRESSION, rule: rule.id, key, summary: saved, ...rest }
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
    const suppressions: StateEntry[] = []
    for (const entry of entries) {
      if (entry.kind === SUPPRESSION) suppressions.push(entry)
      else if (entry.kind !== CLOCK) groups.push(entry)
      else if (typeof entry['sweepUs'] === 'number') this.#sweepUs = entry['sweepUs']
    }
    const result = this.#engine.restore(groups, DOCUMENT_STATE)
    const byId = new Map([...this.#plain.keys()].map((rule) => [rule.id, rule]))
    for (const entry of suppressions.reverse()) {
      const suppression = loadSuppression(entry, byId)
      if (suppression === null) result.outdated++
      else {
        this.#makeRoom()
        this.#suppressions.set(String(entry['key']), suppression)
        result.restored++
      }
    }
    return result
  }

  #endSuppression({ rule, entity, total, beganUs, lastUs }: Suppression): void {
    this.#ended?.({ rule, entity, events: total, firstUs: beganUs, lastUs })
  }

  get counters(): DetectorCounters {
    return {
      ...this.#engine.counters,
      alerts: this.#alerts,
      suppressed: this.#suppressed,
      forgotten: this.#forgotten,
    }
  }

  #matched(plain: PlainRule, document: EventDocument): void {
    const timeUs = DOCUMENTS.timeUs(document)
    const values = plain.entity.map((read) => read(document) ?? '')
    const key = `${plain.fields['rule.id']}${JSON.stringify(values)}`
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
      return
    }
    this.#raise(plain.fields, current.entity, timeUs, {
      events: current.events,
      distinct: null,
      firstUs: Math.min(current.firstUs, timeUs),
      lastUs: timeUs,
      evidence: current.evidence,
      summary: current.summary,
    })
    current.untilUs = timeUs + plain.suppressUs
    current.events = 0
    current.evidence = []
    current.summary = undefined
  }

  #makeRoom(): void {
    if (this.#suppressions.size < this.#entitiesMax) return
    for (const [key, suppression] of this.#suppressions) {
      this.#suppressions.delete(key)
      this.#endSuppression(suppression)
      this.#forgotten++
      return
    }
  }

  #fired(firing: Firing<EventDocument, Summary>): void {
    const fields = this.#fields.get(firing.correlation)!
    this.#raise(fields, entityOf(firing.group), DOCUMENTS.timeUs(firing.event), firing)
  }

  #raise(
    rule: RuleFields,
    entity: string,
    timeUs: number,
    what: Pick<Firing<EventDocument, Summary>, 'events' | 'distinct' | 'firstUs' | 'lastUs' | 'evidence' | 'summary'>,
  ): void {
    this.#alerts++
    const { events, distinct, firstUs, lastUs, evidence, summary } = what
    this.#emit({
      name: 'alert.raised',
      timeUs,
      message: `${rule['rule.name']}: ${entity} (${events === 1 ? '1 event' : `${events} events`})`,
      fields: {
        ...rule,
        ...summary.shared,
        'alert.entity': entity,
        'alert.events': events,
        'alert.evidence': evidence,
        'alert.values': distinct ?? undefined,
        'event.start': isoMicroseconds(firstUs),
        'event.end': isoMicroseconds(lastUs),
        'event.duration': (lastUs - firstUs) * 1000,
        'borescope.lineage': summary.lineage.size === 0 ? undefined : [...summary.lineage],
      },
    })
  }
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
  }
}

/** Null if the rule is gone, or the entry is none. */
function loadSuppression(entry: StateEntry, rules: ReadonlyMap<unknown, SigmaRule>): Suppression | null {
  const rule = rules.get(entry['rule'])
  const { entity, beganUs, lastUs, total, untilUs, firstUs, events, evidence } = entry
  const isRight =
    typeof entity === 'string' &&
    [beganUs, lastUs, total, untilUs, firstUs, events].every((value) => typeof value === 'number') &&
    Array.isArray(evidence) &&
    evidence.length <= EVIDENCE_MAX &&
    evidence.every((id) => typeof id === 'string')
  if (rule === undefined || !isRight) return null
  const numbers = { beganUs, lastUs, total, untilUs, firstUs, events } as Record<
    'beganUs' | 'lastUs' | 'total' | 'untilUs' | 'firstUs' | 'events',
    number
  >
  return { rule, entity, evidence, summary: DOCUMENT_STATE.loadSummary(entry['summary']) ?? undefined, ...numbers }
}

/** What has no value for any of its fields is about everything there is. */
function entityOf(values: readonly unknown[]): string {
  return values.filter((value) => value !== '').join(', ') || 'all'
}

function ruleFields(rule: SigmaHeader): RuleFields {
  const level = rule.level ?? DEFAULT_LEVEL
  return {
    'rule.id': rule.id ?? rule.title,
    'rule.name': rule.title,
    'rule.level': level,
    'rule.description': rule.description?.trim(),
    'rule.reference': rule.references[0],
    'rule.category': categoryOf(rule),
    'event.severity': SEVERITIES[level],
    'event.risk_score': SEVERITIES[level],
    ...threatFields(rule.tags),
  }
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
