/** How the rules see event documents: fields, time, log source, and what several events have in common. */
import { parseMicroseconds } from '../base/time.ts'
import type { EventDocument, FieldName } from '../events/fields.ts'
import { DERIVED, isDerived } from './derived.ts'
import type { EventModel } from './sigma/model.ts'
import type { SigmaLogSource } from './sigma/parse.ts'
import type { StateCodec } from './sigma/state.ts'

/** The log source of a rule for these events; its service is the family of the event, for example `l2tp`. */
export const PRODUCT = 'borescope'

/** The field by which rules are filed. */
export const DISCRIMINATOR: FieldName = 'event.action'

/** What an alert takes over from its events, if they agree. */
const SHARED_FIELDS = [
  'source.ip',
  'source.port',
  'destination.ip',
  'destination.port',
  'network.type',
  'network.transport',
  'network.protocol',
  'user.name',
  'outer.source.ip',
  'outer.destination.ip',
  'l2tp.tunnel.uid',
  'l2tp.session.uid',
  'pptp.call.uid',
  'pppoe.session.uid',
  'flow.uid',
  'anomaly.name',
  'l2tp.initiator.host_name',
  'ppp.authentication.method',
] as const satisfies readonly FieldName[]

const LINEAGE_MAX = 50

/**
 * Of several events: the shared fields on which all of them agree, and everything that they belong to. That of one event is made
 * once and never changes, however many groups it begins: its lineage is the event's own. Only what stands for several is changed.
 */
export interface Summary {
  /** In the order of `SHARED_FIELDS`; undefined where they differ or have none. */
  readonly values: unknown[]
  readonly lineage: readonly string[] | Set<string>
}

/** What of a summary an alert takes over. */
export function sharedOf({ values }: Summary): Partial<EventDocument> {
  return Object.fromEntries(SHARED_FIELDS.flatMap((name, i) => (values[i] === undefined ? [] : [[name, values[i]]])))
}

export function lineageOf({ lineage }: Summary): readonly string[] {
  return [...new Set(lineage)].slice(0, LINEAGE_MAX)
}

/** Every rule and correlation that an event concerns asks for these. */
let readDocument: EventDocument | null = null
let readUs = 0
let summarized: EventDocument | null = null
let summary: Summary = { values: [], lineage: [] }

export const DOCUMENTS: EventModel<EventDocument, Summary> = {
  field(name) {
    if (isDerived(name)) return DERIVED[name]
    return (document) => (document as Readonly<Record<string, unknown>>)[name]
  },
  stored: {
    has: (name) => !isDerived(name),
    each(document, seen) {
      for (const name in document) seen(name)
    },
  },
  some(document, test) {
    for (const value of Object.values(document)) {
      if (Array.isArray(value) ? value.some(test) : test(value)) return true
    }
    return false
  },
  id: (document) => document['event.id'],
  timeUs(document) {
    if (document !== readDocument) {
      readUs = parseMicroseconds(document['@timestamp'])
      readDocument = document
    }
    return readUs
  },
  fold(before, document) {
    if (before === undefined) {
      if (document !== summarized) {
        summary = summaryOf(document)
        summarized = document
      }
      return summary
    }
    const lineage = before.lineage instanceof Set ? before.lineage : new Set(lineageOf(before))
    const values = lineage === before.lineage ? before.values : before.values.slice()
    for (let i = 0; i < values.length; i++) {
      if (values[i] !== undefined && values[i] !== document[SHARED_FIELDS[i]]) values[i] = undefined
    }
    addLineage(lineage, document)
    return lineage === before.lineage ? before : { values, lineage }
  },
}

/** Documents are plain JSON as they are; of a summary the set is not. */
export const DOCUMENT_STATE: StateCodec<EventDocument, Summary> = {
  saveEvent: (document) => document,
  loadEvent: (value) =>
    isRecord(value) && typeof value['event.id'] === 'string' && typeof value['@timestamp'] === 'string'
      ? (value as unknown as EventDocument)
      : null,
  saveSummary: (saved) => ({ shared: sharedOf(saved), lineage: lineageOf(saved) }),
  loadSummary(value) {
    if (!isRecord(value) || !isRecord(value['shared']) || !Array.isArray(value['lineage'])) return null
    const { shared, lineage } = value
    return { values: SHARED_FIELDS.map((name) => shared[name]), lineage: lineage.slice(0, LINEAGE_MAX).map(String) }
  },
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function summaryOf(document: EventDocument): Summary {
  const values: unknown[] = []
  for (let i = 0; i < SHARED_FIELDS.length; i++) values.push(document[SHARED_FIELDS[i]])
  return { values, lineage: document['borescope.lineage'] ?? [] }
}

function addLineage(lineage: Set<string>, document: EventDocument): void {
  for (const id of document['borescope.lineage'] ?? []) {
    if (lineage.size >= LINEAGE_MAX) return
    lineage.add(id)
  }
}

/** `borescope.l2tp` is the service `l2tp`. */
export function sourceOf(dataset: string | undefined): SigmaLogSource {
  return { product: PRODUCT, category: undefined, service: dataset?.slice(PRODUCT.length + 1) }
}
