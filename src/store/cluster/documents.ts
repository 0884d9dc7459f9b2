/** Documents on their way into a cluster and back: nested as ECS writes them, with what the store adds. */
import { type EventDocument, FIELDS, type FieldName, isField, nest } from '../../events/fields.ts'
import { instantUs } from '../dates.ts'
import { flawOf, NO_IDENTITY } from '../values.ts'
import { STORE_FIELDS, STREAMS, type StreamType, streamKey } from './mapping.ts'

export interface Encoded {
  /** Which stream: its key, without the namespace. */
  readonly stream: string
  readonly id: string
  readonly timeUs: number
  /** Fields that the document carries although its dataset does not foresee them. */
  readonly beyond: readonly FieldName[]
  readonly source: Record<string, unknown>
}

/** The first microsecond that a date_nanos cannot hold: its nanoseconds are 64 bits. */
const NANOS_END_US = 2 ** 63 / 1000
/** More than six digits after the point. */
const BELOW_MICROSECOND = /\.\d{7,}Z$/

const DATES = (Object.keys(FIELDS) as FieldName[]).filter((field) => FIELDS[field].kind === 'date')
const RANKS = new Map<string, number>(Object.keys(FIELDS).map((field, rank) => [field, rank]))

/** What the cluster is sent, but for the order of storing; or why the document cannot be stored. */
export function encode(document: EventDocument, namespace: string): Encoded | string {
  const beyond: FieldName[] = []
  const dataset = document['event.dataset']
  const isMetric = document['event.kind'] === 'metric' && STREAMS.has(streamKey('metrics', String(dataset)))
  const type: StreamType = isMetric ? 'metrics' : 'logs'
  const stream = streamKey(type, String(dataset))
  const foreseen = STREAMS.get(stream)?.fields
  for (const [name, value] of Object.entries(document)) {
    if (value === undefined) continue
    if (!isField(name)) return `there is no field "${name}"`
    const flaw = flawOf(FIELDS[name].kind, value)
    if (flaw !== null) return `${name}: ${flaw}`
    if (foreseen?.has(name) !== true) beyond.push(name)
  }
  const id = document['event.id']
  const timeUs = document['@timestamp'] === undefined ? null : instantUs(document['@timestamp'])
  if (id === undefined || id === '' || timeUs === null) return NO_IDENTITY
  if (foreseen === undefined)
    return `event.dataset: ${dataset ?? 'it is missing, and'} names no dataset of the catalogue`
  if (timeUs < 0 || timeUs >= NANOS_END_US) return '@timestamp: a cluster keeps dates from 1970 to 2262'
  const source = nest(document)
  source['data_stream'] = { type, dataset, namespace }
  const store = { time_us: timeUs, ...keptDates(document, source) }
  source['borescope'] = { ...(source['borescope'] as object | undefined), store }
  return { stream, id, timeUs, beyond, source }
}

/** Takes the dates out of `source` that the index would refuse or cut, and gives them as they were. */
function keptDates(document: EventDocument, source: Record<string, unknown>): { kept?: Record<string, string> } {
  let kept: Record<string, string> | null = null
  for (const field of DATES) {
    const text = document[field] as string | undefined
    if (text === undefined) continue
    const timeUs = instantUs(text) as number
    const isWithin = timeUs >= 0 && timeUs < NANOS_END_US
    if (isWithin && !BELOW_MICROSECOND.test(text)) continue
    kept ??= {}
    kept[field] = text
    setAt(source, field, isWithin ? text.replace(/(\.\d{6})\d+Z$/, '$1Z') : undefined)
  }
  return kept === null ? {} : { kept }
}

function setAt(source: Record<string, unknown>, field: string, value: string | undefined): void {
  const parts = field.split('.')
  let node = source
  for (const part of parts.slice(0, -1)) node = node[part] as Record<string, unknown>
  node[parts[parts.length - 1]] = value
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
