/** Which packets somebody means who names a tunnel, a user, an alert: as ids of things, and as times where there are none. */
import { parseMicroseconds } from './base/time.ts'
import type { EventDocument } from './events/fields.ts'
import { EvidenceError } from './evidence/problem.ts'
import { type Thing, thingOf, thingOfSpi } from './evidence/things.ts'
import type { EventStore } from './store/stores.ts'

export interface Subject {
  /** What it is called in full, for the manifest. */
  readonly ids: readonly string[]
  /** Null: everything in the time. */
  readonly things: readonly Thing[] | null
  /** Of events that belong to no thing: the time of the packet that raised them, in microseconds. */
  readonly timesUs: readonly number[]
}

export const EVERYTHING: Subject = { ids: [], things: null, timesUs: [] }

/** The beginning of the id of a thing. */
const THING = /^[a-mo-z]-[0-9a-f]{1,12}$/
const INCIDENT = /^n-[0-9a-f]{1,12}$/
const SPI = /^(?:spi:|0x)([0-9a-f]{1,8})$/i
const EVIDENCE_MAX = 500
const SESSION_UIDS = ['l2tp.session.uid', 'pptp.call.uid', 'pppoe.session.uid'] as const
const SESSIONS_MAX = 100_000

export function isThingId(id: string): boolean {
  return THING.test(id)
}

/** The SPI of ESP or AH that the text names: `spi:c0ffee01` or `0xc0ffee01`; null if it names none. */
export function spiSubject(id: string): Subject | null {
  const [, digits] = SPI.exec(id) ?? []
  if (digits === undefined) return null
  return {
    ids: [`spi:${digits.toLowerCase().padStart(8, '0')}`],
    things: [thingOfSpi(Number.parseInt(digits, 16))],
    timesUs: [],
  }
}

/**
 * The one thing whose id begins so.
 *
 * @param namesBeginning the ids that begin with a text, at most as many as asked for
 * @throws EvidenceError if there is none, or more than one
 */
export function thingSubject(
  id: string,
  namesBeginning: (prefix: string, limit: number) => readonly string[],
): Subject {
  const names = namesBeginning(id, 6)
  if (names.length === 0) throw new EvidenceError(`no packets are kept of ${id}`)
  if (names.length > 1) throw new EvidenceError(`${id} is the beginning of several: ${names.slice(0, 5).join(', ')}`)
  return subjectOf(names)
}

function subjectOf(ids: readonly string[]): Subject {
  const things = ids.map(thingOf).filter((thing) => thing !== null)
  return { ids, things, timesUs: [] }
}

/** The packets that an event is about, or for an alert those of the events that led to it. */
export function eventSubject(events: readonly EventDocument[]): Subject {
  const ids = new Set<string>()
  const timesUs = new Set<number>()
  for (const event of events) {
    // The last one is what the event is about; what it is inside of comes before.
    const own = event['borescope.lineage']?.at(-1)
    if (own !== undefined) ids.add(own)
    else if (event['event.kind'] !== 'alert' || events.length === 1) timesUs.add(parseMicroseconds(event['@timestamp']))
  }
  return { ...subjectOf([...ids]), timesUs: [...timesUs] }
}

/** Of an incident the packets of all of its alerts. @throws EvidenceError if the store knows no such event or incident */
export async function storedEventSubject(store: EventStore, id: string): Promise<Subject> {
  const events = INCIDENT.test(id) ? await storedAlerts(store, id) : [await store.get(id)].filter((it) => it !== null)
  if (events.length === 0) throw new EvidenceError(`no event has the id ${id}, or several begin with it`)
  const evidence = [...new Set(events.flatMap((event) => (event['alert.evidence'] ?? []).slice(0, EVIDENCE_MAX)))]
  const found: EventDocument[] = []
  for (let at = 0; at < evidence.length; at += EVIDENCE_MAX) {
    const kql = `event.id: (${evidence.slice(at, at + EVIDENCE_MAX).join(' or ')})`
    for await (const event of store.search({ kql })) found.push(event)
  }
  return eventSubject(found.length === 0 ? events : found)
}

/** Those of an incident and of its parts. */
async function storedAlerts(store: EventStore, id: string): Promise<EventDocument[]> {
  const ids = new Set<string>()
  const parts = new Set<string>()
  for await (const told of store.search({ kql: `event.action: incident.* and incident.id: ${id}*` })) {
    ids.add(told['incident.id'] ?? '')
    for (const part of told['incident.parts'] ?? []) parts.add(part)
  }
  const alerts: EventDocument[] = []
  if (ids.size !== 1) return alerts
  const kql = `event.kind: alert and incident.id: (${[...ids, ...parts].join(' or ')})`
  for await (const alert of store.search({ kql })) alerts.push(alert)
  return alerts
}

/** All sessions of a user. @throws EvidenceError if the store knows of none */
export async function storedUserSubject(store: EventStore, user: string): Promise<Subject> {
  const ids = new Set<string>()
  const kql = `user.name: ${JSON.stringify(user)}`
  for (const field of SESSION_UIDS) {
    const groups = await store.aggregate({ kql: `${kql} and ${field}: *` }, { by: [field], limit: SESSIONS_MAX })
    for (const { key } of groups) ids.add(String(key[0]))
  }
  if (ids.size === 0) throw new EvidenceError(`no session of ${user} is stored`)
  return subjectOf([...ids])
}

/** Gathers what a replay tells of an event or of a user, in place of a store. */
export class SubjectGatherer {
  readonly #id: string
  readonly #user: string | undefined
  readonly #events = new Map<string, EventDocument>()
  readonly #sessions = new Set<string>()

  constructor(id: string, user: string | undefined) {
    this.#id = id
    this.#user = user
  }

  /** A subscriber of the bus. */
  readonly observe = (document: EventDocument): void => {
    if (this.#user === undefined) {
      this.#events.set(document['event.id'], document)
      return
    }
    if (document['user.name'] !== this.#user) return
    for (const field of SESSION_UIDS) {
      const uid = document[field]
      if (uid !== undefined) this.#sessions.add(uid)
    }
  }

  /** @throws EvidenceError if there was no such event, or no session of the user */
  subject(): Subject {
    if (this.#user !== undefined) {
      if (this.#sessions.size === 0) throw new EvidenceError(`the captures hold no session of ${this.#user}`)
      return subjectOf([...this.#sessions])
    }
    if (INCIDENT.test(this.#id)) return this.#incident()
    const found = [...this.#events.keys()].filter((id) => id.startsWith(this.#id))
    if (found.length !== 1) {
      const how = found.length === 0 ? 'no event has' : 'several events have'
      throw new EvidenceError(`${how} an id that begins with ${this.#id}`)
    }
    return this.#ledTo([this.#events.get(found[0]) as EventDocument])
  }

  #incident(): Subject {
    const told = [...this.#events.values()].filter((event) => event['incident.id']?.startsWith(this.#id))
    const ids = new Set(told.map((event) => event['incident.id']))
    if (ids.size !== 1) {
      throw new EvidenceError(
        `${ids.size === 0 ? 'no incident has' : 'several incidents have'} an id that begins with ${this.#id}`,
      )
    }
    for (const event of told) for (const part of event['incident.parts'] ?? []) ids.add(part)
    const alerts = [...this.#events.values()].filter((event) => event['event.kind'] === 'alert')
    return this.#ledTo(alerts.filter((alert) => ids.has(alert['incident.id'])))
  }

  /** The packets of the events that led to alerts, or of the events themselves if they are none. */
  #ledTo(events: readonly EventDocument[]): Subject {
    const evidence = new Set(events.flatMap((event) => event['alert.evidence'] ?? []))
    const found = [...evidence].map((id) => this.#events.get(id)).filter((document) => document !== undefined)
    return eventSubject(found.length === 0 ? events : found)
  }
}
