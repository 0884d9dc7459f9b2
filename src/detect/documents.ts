/** How the rules see event documents: fields, time, log source, and what several events have in common. */
import { parseMicroseconds } from '../base/time.ts'
import { documentBytes } from '../events/document-bytes.ts'
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
/**
 * What a summary takes in memory whose texts are short, as addresses and ids are; what an id of its lineage takes, and a packet. Measured
 * with a summary for each group: those that one event begins share it.
 */
const SUMMARY_BYTES = 700
const MEMBER_BYTES = 70
const FRAME_BYTES = 80
const SHORT_CHARACTERS = 16
/** Of texts that hold a character beyond Latin-1, and of the others as much, for attackers choose. */
const CHARACTER_BYTES = 2

/** Of a packet that an event came from. */
interface Place {
  readonly capture: string
  readonly number: number
  readonly offset: number
}

/**
 * Of several events: the shared fields on which all of them agree, everything that they belong to, and their first packets. That of
 * one event is made once and never changes, however many groups it begins: its lineage is the event's own. Only what stands for
 * several is changed.
 */
export interface Summary {
  /** In the order of `SHARED_FIELDS`; undefined where they differ or have none. */
  readonly values: unknown[]
  readonly lineage: readonly string[] | Set<string>
  /** Restored ones are texts already. */
  readonly frames: (Place | string)[]
  /** What it takes in memory, by an estimate. */
  bytes: number
}

/** What of a summary an alert takes over. */
export function sharedOf({ values }: Summary): Partial<EventDocument> {
  return Object.fromEntries(SHARED_FIELDS.flatMap((name, i) => (values[i] === undefined ? [] : [[name, values[i]]])))
}

export function lineageOf({ lineage }: Summary): readonly string[] {
  return [...new Set(lineage)].slice(0, LINEAGE_MAX)
}

/** `CAPTURE#NUMBER@OFFSET` of the packets. */
export function framesOf({ frames }: Summary): readonly string[] {
  return [...new Set(frames.map(textOf))]
}

function textOf(frame: Place | string): string {
  return typeof frame === 'string' ? frame : `${frame.capture}#${frame.number}@${frame.offset}`
}

/** Every rule and correlation that an event concerns asks for these. */
let readDocument: EventDocument | null = null
let readUs = 0
let summarized: EventDocument | null = null
let summary: Summary = { values: [], lineage: [], frames: [], bytes: 0 }

export const DOCUMENTS: EventModel<EventDocument, Summary> = {
  field(name) {
    if (isDerived(name)) return DERIVED[name]
    return (document) => (document as Readonly<Record<string, unknown>>)[name]
  },
  stored: {
    has: (name) => !isDerived(name),
    fields: (document) => document,
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
    const all = before.lineage instanceof Set ? before : copied(before)
    const { values } = all
    for (let i = 0; i < values.length; i++) {
      const value = values[i]
      if (value === undefined || value === document[SHARED_FIELDS[i]]) continue
      values[i] = undefined
      all.bytes -= valueBytes(value)
    }
    addLineage(all, document)
    addFrame(all, document)
    return all
  },
  summaryBytes: ({ bytes }) => bytes,
  eventBytes: documentBytes,
}

/** Documents are plain JSON as they are; of a summary the set is not. */
export const DOCUMENT_STATE: StateCodec<EventDocument, Summary> = {
  saveEvent: (document) => document,
  loadEvent: (value) =>
    isRecord(value) && typeof value['event.id'] === 'string' && typeof value['@timestamp'] === 'string'
      ? (value as unknown as EventDocument)
      : null,
  saveSummary: (saved) => ({ shared: sharedOf(saved), lineage: lineageOf(saved), frames: saved.frames.map(textOf) }),
  loadSummary(value) {
    if (!isRecord(value) || !isRecord(value['shared']) || !Array.isArray(value['lineage'])) return null
    const { shared, lineage, frames } = value
    return weighed({
      values: SHARED_FIELDS.map((name) => shared[name]),
      lineage: lineage.slice(0, LINEAGE_MAX).map(String),
      frames: Array.isArray(frames) ? frames.slice(0, FRAMES_MAX).map(String) : [],
    })
  },
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function summaryOf(document: EventDocument): Summary {
  const values: unknown[] = []
  for (let i = 0; i < SHARED_FIELDS.length; i++) values.push(document[SHARED_FIELDS[i]])
  const made = weighed({ values, lineage: document['borescope.lineage'] ?? [], frames: [] })
  addFrame(made, document)
  return made
}

/** One that may be changed. */
function copied(before: Summary): Summary {
  return weighed({ values: before.values.slice(), lineage: new Set(lineageOf(before)), frames: before.frames.slice() })
}

function weighed(parts: Omit<Summary, 'bytes'>): Summary {
  const { values, lineage, frames } = parts
  let bytes = SUMMARY_BYTES + frames.length * FRAME_BYTES
  for (const value of values) bytes += valueBytes(value)
  for (const id of lineage) bytes += MEMBER_BYTES + valueBytes(id)
  return { ...parts, bytes }
}

function valueBytes(value: unknown): number {
  return typeof value === 'string' ? CHARACTER_BYTES * Math.max(0, value.length - SHORT_CHARACTERS) : 0
}

function addLineage(all: Summary, document: EventDocument): void {
  const lineage = all.lineage as Set<string>
  for (const id of document['borescope.lineage'] ?? []) {
    if (lineage.size >= LINEAGE_MAX) return
    if (lineage.has(id)) continue
    lineage.add(id)
    all.bytes += MEMBER_BYTES + valueBytes(id)
  }
}

function addFrame(all: Summary, document: EventDocument): void {
  const number = document['borescope.frame.number']
  if (number === undefined || all.frames.length >= FRAMES_MAX) return
  all.frames.push({
    capture: document['borescope.capture'] ?? '',
    number,
    offset: document['borescope.frame.offset'] ?? 0,
  })
  all.bytes += FRAME_BYTES
}

/** `borescope.l2tp` is the service `l2tp`. */
export function sourceOf(dataset: string | undefined): SigmaLogSource {
  return { product: PRODUCT, category: undefined, service: dataset?.slice(PRODUCT.length + 1) }
}
