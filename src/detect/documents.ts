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
const FRAMES_MAX = 20

/** Of several events: the shared fields on which all of them agree, everything that they belong to, and their packets. */
export interface Summary {
  readonly shared: { -readonly [F in (typeof SHARED_FIELDS)[number]]?: EventDocument[F] }
  readonly lineage: Set<string>
  /** `CAPTURE#NUMBER@OFFSET` of the first ones. */
  readonly frames: Set<string>
}

export const DOCUMENTS: EventModel<EventDocument, Summary> = {
  field(name) {
    if (isDerived(name)) return DERIVED[name]
    return (document) => (document as Readonly<Record<string, unknown>>)[name]
  },
  some(document, test) {
    for (const value of Object.values(document)) {
      if (Array.isArray(value) ? value.some(test) : test(value)) return true
    }
    return false
  },
  id: (document) => document['event.id'],
  timeUs: (document) => parseMicroseconds(document['@timestamp']),
  fold(summary, document) {
    if (summary === undefined) {
      const first: Summary = { shared: {}, lineage: new Set(), frames: new Set() }
      for (const name of SHARED_FIELDS) share(first, name, document)
      addLineage(first, document)
      addFrame(first, document)
      return first
    }
    for (const name of SHARED_FIELDS) {
      if (summary.shared[name] !== undefined && summary.shared[name] !== document[name]) delete summary.shared[name]
    }
    addLineage(summary, document)
    addFrame(summary, document)
    return summary
  },
}

/** Documents are plain JSON as they are; of a summary the set is not. */
export const DOCUMENT_STATE: StateCodec<EventDocument, Summary> = {
  saveEvent: (document) => document,
  loadEvent: (value) =>
    isRecord(value) && typeof value['event.id'] === 'string' && typeof value['@timestamp'] === 'string'
      ? (value as unknown as EventDocument)
      : null,
  saveSummary: ({ shared, lineage, frames }) => ({ shared, lineage: [...lineage], frames: [...frames] }),
  loadSummary(value) {
    if (!isRecord(value) || !isRecord(value['shared']) || !Array.isArray(value['lineage'])) return null
    const known = Object.entries(value['shared']).filter(([name]) =>
      (SHARED_FIELDS as readonly string[]).includes(name),
    )
    const texts = (list: unknown, most: number) => new Set(Array.isArray(list) ? list.slice(0, most).map(String) : [])
    return {
      shared: Object.fromEntries(known),
      lineage: texts(value['lineage'], LINEAGE_MAX),
      frames: texts(value['frames'], FRAMES_MAX),
    }
  },
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function share<F extends (typeof SHARED_FIELDS)[number]>(summary: Summary, name: F, document: EventDocument): void {
  if (document[name] !== undefined) summary.shared[name] = document[name]
}

function addLineage(summary: Summary, document: EventDocument): void {
  for (const id of document['borescope.lineage'] ?? []) {
    if (summary.lineage.size >= LINEAGE_MAX) return
    summary.lineage.add(id)
  }
}

function addFrame({ frames }: Summary, document: EventDocument): void {
  const number = document['borescope.frame.number']
  if (number === undefined || frames.size >= FRAMES_MAX) return
  frames.add(`${document['borescope.capture']}#${number}@${document['borescope.frame.offset']}`)
}

/** `borescope.l2tp` is the service `l2tp`. */
export function sourceOf(dataset: string | undefined): SigmaLogSource {
  return { product: PRODUCT, category: undefined, service: dataset?.slice(PRODUCT.length + 1) }
}
