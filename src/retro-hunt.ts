/**
 * The past, seen with what a list says now: events of the last days are searched for indicators that are new, and what is found becomes
 * an event, once, for each value and source. Rules make alerts of it as of anything else.
 */
import { isoMicroseconds, parseMicroseconds } from './base/time.ts'
import { Detector } from './detect/detector.ts'
import { INCIDENT_DEFAULTS } from './detect/incidents.ts'
import type { RuleSet } from './detect/rules.ts'
import type { Enrichable } from './enrich/enrichers.ts'
import type { Intel, Match } from './enrich/intel/intel.ts'
import { EventBus, type Observer } from './events/bus.ts'
import type { RaisedEvent } from './events/catalogue.ts'
import { eventId } from './events/event-id.ts'
import type { EventDocument } from './events/fields.ts'
import type { EventStore } from './store/stores.ts'

/** Pairs of a value and a source that are told; what is beyond them is counted. */
const FINDINGS_MAX = 10_000
const EVIDENCE_MAX = 20
const LINEAGE_MAX = 50
const GROUPS_MAX = 10_000
/** The past, as KQL: alerts and incidents repeat what other events say, and an earlier search says nothing new. */
export const SEARCHED = 'not event.kind: alert and not event.dataset: (borescope.incidents or borescope.intel)'

export interface Hunt {
  /** Events that were searched. */
  readonly events: number
  /** Findings that are new, with the alerts and incidents about them: to be stored. */
  readonly documents: readonly EventDocument[]
  readonly findings: number
  readonly alerts: number
  /** Findings that an earlier search has stored. */
  readonly known: number
  /** Findings beyond the bound. */
  readonly leftOut: number
}

interface Finding {
  readonly match: Match
  readonly first: EventDocument
  events: number
  firstUs: number
  lastUs: number
  readonly evidence: string[]
  readonly lineage: Set<string>
}

/** Searches the events of the store since `sinceMs`. Nothing is stored. The findings have the time `nowMs`. */
export async function hunt(
  store: EventStore,
  indicators: Intel,
  rules: RuleSet,
  observer: Observer,
  sinceMs: number,
  nowMs: number,
): Promise<Hunt> {
  const found = new Map<string, Finding>()
  let events = 0
  let leftOut = 0
  const search = { kql: SEARCHED, since: new Date(sinceMs).toISOString(), sort: OLDEST_FIRST }
  for await (const document of store.search(search)) {
    events++
    const match = indicators.match(document)
    // What the list said at the time was told at the time.
    if (match === null || isToldAlready(document, match)) continue
    const key = keyOf(document, match)
    const finding = found.get(key)
    if (finding !== undefined) count(finding, document)
    else if (found.size < FINDINGS_MAX) found.set(key, begin(document, match))
    else leftOut++
  }
  const raised: RaisedEvent<'indicator.recognised'>[] = []
  for (const finding of found.values()) {
    const event = eventOf(finding, nowMs)
    if ((await store.get(event.id ?? '')) === null) raised.push(event)
  }
  const documents = documentsOf(raised, rules, observer)
  const alerts = documents.filter((document) => document['event.action'] === 'alert.raised').length
  return { events, documents, findings: raised.length, alerts, known: found.size - raised.length, leftOut }
}

const OLDEST_FIRST = [{ field: '@timestamp', descending: false }] as const

function isToldAlready(document: EventDocument, { value, hit }: Match): boolean {
  return document['threat.indicator.name'] === value && document['threat.indicator.provider'] === hit.feed
}

/** An address inside a session is told apart by who carries it. */
function keyOf(document: EventDocument, { type, value, hit }: Match): string {
  const { 'source.ip': source, 'outer.source.ip': outer, 'user.name': user } = document
  return JSON.stringify([hit.feed, type, value, source, outer, user])
}

function begin(document: EventDocument, match: Match): Finding {
  const timeUs = parseMicroseconds(document['@timestamp'])
  const finding: Finding = {
    match,
    first: document,
    events: 0,
    firstUs: timeUs,
    lastUs: timeUs,
    evidence: [],
    lineage: new Set(),
  }
  count(finding, document)
  return finding
}

function count(finding: Finding, document: EventDocument): void {
  const { evidence, lineage } = finding
  const timeUs = parseMicroseconds(document['@timestamp'])
  finding.events++
  finding.firstUs = Math.min(finding.firstUs, timeUs)
  finding.lastUs = Math.max(finding.lastUs, timeUs)
  if (evidence.length < EVIDENCE_MAX) evidence.push(document['event.id'])
  for (const id of document['borescope.lineage'] ?? []) if (lineage.size < LINEAGE_MAX) lineage.add(id)
}

/** Its id follows from the list, the value, the source and the first event: the same finding is the same event. */
function eventOf(finding: Finding, nowMs: number): RaisedEvent<'indicator.recognised'> {
  const { match, first, events, firstUs, lastUs, evidence, lineage } = finding
  const { value, hit } = match
  const who = first['user.name'] ?? first['source.ip'] ?? 'somebody'
  const times = events === 1 ? 'one event' : `${events} events`
  return {
    name: 'indicator.recognised',
    timeUs: nowMs * 1000,
    id: eventId(firstUs, `indicator.recognised\n${keyOf(first, match)}\n${first['event.id']}`),
    message: `${value}, now on the list ${hit.feed}, stands in ${times} about ${who}`,
    fields: {
      'threat.indicator.name': value,
      'threat.indicator.provider': hit.feed,
      'intel.events': events,
      'intel.evidence': evidence,
      'intel.action': first['event.action'],
      'event.start': isoMicroseconds(firstUs),
      'event.end': isoMicroseconds(lastUs),
      'event.duration': (lastUs - firstUs) * 1000,
      'source.ip': first['source.ip'],
      'destination.ip': first['destination.ip'],
      'outer.source.ip': first['outer.source.ip'],
      'outer.destination.ip': first['outer.destination.ip'],
      'user.name': first['user.name'],
      'l2tp.tunnel.uid': first['l2tp.tunnel.uid'],
      'l2tp.session.uid': first['l2tp.session.uid'],
      'borescope.lineage': lineage.size === 0 ? undefined : [...lineage],
    },
  }
}

function documentsOf(
  raised: readonly RaisedEvent<'indicator.recognised'>[],
  rules: RuleSet,
  observer: Observer,
): EventDocument[] {
  const documents: EventDocument[] = []
  const bus = new EventBus(observer)
  const byId = new Map(raised.map((event) => [event.id ?? '', event.fields]))
  bus.enrich((document) => addPast(document, byId))
  const incidents = { ...INCIDENT_DEFAULTS, isOneStory: true }
  const detector = new Detector(rules, bus.emit, { groupsMax: GROUPS_MAX, entitiesMax: GROUPS_MAX, incidents })
  bus.subscribe(detector.observe)
  bus.subscribe((document) => documents.push(document))
  for (const event of raised) bus.emit(event)
  detector.end()
  return documents
}

/** An alert has the time of the search; when it happened stands in its beginning and its end. */
function addPast(
  document: Enrichable,
  findings: ReadonlyMap<string, RaisedEvent<'indicator.recognised'>['fields']>,
): void {
  if (document['event.action'] !== 'alert.raised') return
  const about = (document['alert.evidence'] ?? []).flatMap((id) => findings.get(id) ?? [])
  if (about.length === 0) return
  const [start] = about.map((fields) => fields['event.start']).sort()
  const end = about.map((fields) => fields['event.end']).sort()[about.length - 1]
  document['alert.retrospective'] = true
  document['event.start'] = start
  document['event.end'] = end
  document['event.duration'] = (parseMicroseconds(end) - parseMicroseconds(start)) * 1000
}
