/** Documents on their way into a cluster and back: nested as ECS writes them, with what the store adds. */
import { type EventDocument, FIELDS, type FieldName } from '../../events/fields.ts'
import { instantUs } from '../dates.ts'
import { flawOf, NO_IDENTITY } from '../values.ts'
import { escaped, isBelowMicrosecond, NANOS_END_US } from './json-values.ts'
import type { Lines } from './lines.ts'
import { STORE_FIELDS, STREAMS, type Stream, streamKey } from './mapping.ts'
import { type Shape, Shapes } from './shapes.ts'

export interface Encoded {
  /** Which stream: its key, without the namespace. */
  readonly stream: string
  readonly id: string
  readonly timeUs: number
  /** Fields that the document carries although its dataset does not foresee them. */
  readonly beyond: readonly FieldName[]
  /** Where its lines in a bulk request begin and end: to create the document, and its JSON. */
  readonly from: number
  readonly until: number
}

/** What does not depend on the document. */
interface StreamTexts {
  readonly key: string
  readonly stream: Stream
  /** A line of a bulk request up to the id of the document. */
  readonly action: string
  /** The document up to its own first field. */
  readonly start: string
  readonly beyond: WeakMap<Shape, readonly FieldName[]>
}

const DATES = (Object.keys(FIELDS) as FieldName[]).filter((field) => FIELDS[field].kind === 'date')
const RANKS = new Map<string, number>(Object.keys(FIELDS).map((field, rank) => [field, rank]))

export class Encoder {
  readonly #shapes = new Shapes()
  /** By the keys of the streams. */
  readonly #texts: ReadonlyMap<string, StreamTexts>

  constructor(namespace: string) {
    this.#texts = new Map(
      [...STREAMS].map(([key, stream]) => {
        const { type, dataset } = stream
        const action = `{"create":{"_index":${JSON.stringify(`${key}-${namespace}`)},"_id":"`
        const start = `{"data_stream":${JSON.stringify({ type, dataset, namespace })}`
        return [key, { key, stream, action, start, beyond: new WeakMap() }]
      }),
    )
  }

  /**
   * Writes what the cluster is sent; or says why the document cannot be stored. `order` tells apart, in the order of storing,
   * what happened in the same microsecond.
   */
  encode(document: EventDocument, order: number, lines: Lines): Encoded | string {
    return this.#encode(document, order, lines, null)
  }

  #encode(document: EventDocument, order: number, lines: Lines, kept: Kept | null): Encoded | string {
    const shape = this.#shapes.of(document)
    if (typeof shape === 'string') return `there is no field "${shape}"`
    const fields = this.#write(shape)
    if (fields === null) return flawIn(shape.fields, this.#shapes.values) ?? this.#withoutKept(document, order, lines)
    const id = document['event.id']
    const timeUs = document['@timestamp'] === undefined ? null : instantUs(document['@timestamp'])
    if (id === undefined || id === '' || timeUs === null) return NO_IDENTITY
    const texts = this.#textsOf(document)
    if (texts === undefined) {
      return `event.dataset: ${document['event.dataset'] ?? 'it is missing, and'} names no dataset of the catalogue`
    }
    const added = `{"time_us":${timeUs},"order":${order}${kept === null ? '' : `,"kept":${JSON.stringify(kept)}`}}`
    const from = lines.length
    const until = lines.append(`${texts.action}${escaped(id)}"}}\n${texts.start}${fields}${added}}}\n`)
    return {
      stream: texts.key,
      id,
      timeUs,
      beyond: beyondOf(texts, shape),
      from,
      until,
    }
  }

  /** The fields of the last document as JSON; null if there is one that cannot be written as it is. */
  #write({ places, writers, before, after }: Shape): string | null {
    const { values } = this.#shapes
    let json = ''
    for (let i = 0; i < writers.length; i++) {
      const value = writers[i](values[places[i]])
      if (value === null) return null
      json += before[i] + value
    }
    return json + after
  }

  /** With the dates that the index would refuse or cut taken out of the fields, and kept beside them as they were. */
  #withoutKept(document: EventDocument, order: number, lines: Lines): Encoded | string {
    const kept: Kept = {}
    const changed: Record<string, unknown> = { ...document }
    for (const field of DATES) {
      const text = document[field] as string | undefined
      if (text === undefined) continue
      const timeUs = instantUs(text) as number
      const isWithin = timeUs >= 0 && timeUs < NANOS_END_US
      if (isWithin && !isBelowMicrosecond(text)) continue
      if (!isWithin && field === '@timestamp') return '@timestamp: a cluster keeps dates from 1970 to 2262'
      kept[field] = text
      changed[field] = isWithin ? text.replace(/(\.\d{6})\d+Z$/, '$1Z') : undefined
    }
    return this.#encode(changed as unknown as EventDocument, order, lines, kept)
  }

  #textsOf(document: EventDocument): StreamTexts | undefined {
    const dataset = String(document['event.dataset'])
    const metrics = document['event.kind'] === 'metric' ? this.#texts.get(streamKey('metrics', dataset)) : undefined
    return metrics ?? this.#texts.get(streamKey('logs', dataset))
  }
}

/** Dates by their fields. */
type Kept = Record<string, string>

function flawIn(fields: readonly FieldName[], values: readonly unknown[]): string | null {
  for (const [i, field] of fields.entries()) {
    const flaw = flawOf(FIELDS[field].kind, values[i])
    if (flaw !== null) return `${field}: ${flaw}`
  }
  return null
}

function beyondOf({ stream, beyond }: StreamTexts, shape: Shape): readonly FieldName[] {
  let fields = beyond.get(shape)
  if (fields === undefined) {
    fields = shape.fields.filter((field) => !stream.fields.has(field))
    beyond.set(shape, fields)
  }
  return fields
}

/** The document of a stored source, its fields in the order of FIELDS. */
export function decode(source: Record<string, unknown>, wanted: ReadonlySet<FieldName> | null): EventDocument {
  const found: [rank: number, name: string, value: unknown][] = []
  const kept = (source['borescope'] as { store?: { kept?: Record<string, string> } } | undefined)?.store?.kept ?? {}
  collect(source, '', (name, value) => {
    const rank = RANKS.get(name)
    if (rank === undefined || kept[name] !== undefined) return
    if (wanted === null || wanted.has(name as FieldName)) found.push([rank, name, value])
  })
  for (const [name, value] of Object.entries(kept)) {
    if (wanted === null || wanted.has(name as FieldName)) found.push([RANKS.get(name) ?? 0, name, value])
  }
  found.sort(([a], [b]) => a - b)
  return Object.fromEntries(found.map(([, name, value]) => [name, value])) as unknown as EventDocument
}

function collect(node: Record<string, unknown>, prefix: string, take: (name: string, value: unknown) => void): void {
  for (const [key, value] of Object.entries(node)) {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      collect(value as Record<string, unknown>, `${prefix}${key}.`, take)
    } else take(prefix + key, value)
  }
}

/** What to ask of `_source` for these fields. */
export function sourceFilter(fields: readonly FieldName[] | undefined): { _source?: readonly string[] } {
  return fields === undefined ? {} : { _source: [...fields, STORE_FIELDS.kept] }
}
