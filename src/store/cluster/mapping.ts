/**
 * Which data streams there are, and how each maps its fields: both follow from the catalogue. A stream maps the fields that
 * the events of its dataset may carry, and no others (`dynamic: false`).
 */
import { CATALOGUE, type EventName } from '../../events/catalogue.ts'
import type { FieldKind } from '../../events/declaration.ts'
import { ENRICHMENT_MAY } from '../../events/enrichment.ts'
import { FIELDS, type FieldName } from '../../events/fields.ts'
import { WORDS_ANALYSIS, WORDS_FIELD } from '../kql-dsl.ts'
import { NAME_FIELDS } from '../words.ts'

/** More fields and objects than this are refused by the cluster. */
export const MAPPED_MAX = 400

/**
 * What the store adds to a document, beside `data_stream.*`: the time as a number, because aggregations cut a `date_nanos`
 * to milliseconds; the order of storing, for events without a sequence; and dates that a `date_nanos` cannot hold.
 */
export const STORE_FIELDS = {
  timeUs: 'borescope.store.time_us',
  order: 'borescope.store.order',
  kept: 'borescope.store.kept',
} as const

export type StreamType = 'logs' | 'metrics'

/** A data stream but for its namespace. */
export interface Stream {
  readonly type: StreamType
  /** With the prefix: `borescope.l2tp`. */
  readonly dataset: string
  readonly fields: ReadonlySet<FieldName>
}

/** What every document holds, whatever its event: the bus adds it. */
const BASE = [
  '@timestamp',
  'message',
  'ecs.version',
  'event.id',
  'event.kind',
  'event.category',
  'event.type',
  'event.action',
  'event.dataset',
  'event.module',
  'event.sequence',
  'observer.name',
  'observer.product',
  'observer.type',
  'observer.version',
  'borescope.capture',
  'borescope.frame.number',
  'borescope.frame.offset',
  'related.ip',
  'related.user',
  'related.hosts',
] as const satisfies readonly FieldName[]

export function streamKey(type: StreamType, dataset: string): string {
  return `${type}-${dataset}`
}

/** Every stream of the catalogue, by its key. */
export const STREAMS: ReadonlyMap<string, Stream> = new Map(
  [
    ...Map.groupBy(Object.keys(CATALOGUE) as EventName[], (name) => {
      const { dataset, kind } = CATALOGUE[name]
      return streamKey(kind === 'metric' ? 'metrics' : 'logs', `borescope.${dataset}`)
    }),
  ].map(([key, names]) => {
    const at = key.indexOf('-')
    const fields = new Set<FieldName>([...BASE, ...ENRICHMENT_MAY])
    for (const name of names) for (const field of [...CATALOGUE[name].always, ...CATALOGUE[name].may]) fields.add(field)
    return [key, { type: key.slice(0, at) as StreamType, dataset: key.slice(at + 1), fields }]
  }),
)

/** What a cluster can do beyond the least, found out by asking it. */
export interface Capabilities {
  readonly dataStreams: boolean
  /** The tokenizer of `WORDS_ANALYSIS`: without it words are those of the standard analyzer. */
  readonly words: boolean
  readonly constantKeyword: boolean
}

/** Longer texts are kept and not searched: a term of the index has at most 32,766 bytes, a character at most four. */
const KEYWORD_CHARACTERS_MAX = 8191

type Properties = Record<string, unknown>

const TYPES: Record<FieldKind, string> = {
  keyword: 'keyword',
  'keyword[]': 'keyword',
  text: 'text',
  ip: 'ip',
  'ip[]': 'ip',
  long: 'long',
  float: 'double',
  boolean: 'boolean',
  date: 'date_nanos',
}

/** The type of a field in the index. */
export function typeOf(field: FieldName): string {
  return TYPES[FIELDS[field].kind]
}

const ANALYZER = Object.keys(WORDS_ANALYSIS.analyzer)[0]

function property(field: FieldName, { words }: Capabilities): Properties {
  const type = typeOf(field)
  const copied = field === 'message' || (NAME_FIELDS as readonly FieldName[]).includes(field)
  return {
    type,
    ...(type === 'keyword' ? { ignore_above: KEYWORD_CHARACTERS_MAX } : {}),
    ...(type === 'text' ? { norms: false, analyzer: words ? ANALYZER : 'standard' } : {}),
    ...(copied ? { copy_to: WORDS_FIELD } : {}),
  }
}

/** The properties of fields, nested as the documents are. */
export function propertiesOf(fields: Iterable<FieldName>, capabilities: Capabilities): Properties {
  const root: Properties = {}
  for (const field of fields) place(root, field, property(field, capabilities))
  return root
}

function place(root: Properties, name: string, mapping: Properties): void {
  const parts = name.split('.')
  let node = root
  for (const part of parts.slice(0, -1)) {
    node[part] ??= { properties: {} }
    node = (node[part] as { properties: Properties }).properties
  }
  node[parts[parts.length - 1]] = mapping
}

/** The whole mapping of a stream. */
export function mappingOf(
  { type, dataset, fields }: Stream,
  capabilities: Capabilities,
): { readonly [key: string]: unknown; readonly properties: Properties } {
  const properties = propertiesOf(fields, capabilities)
  const constant = (value: string) =>
    capabilities.constantKeyword ? { type: 'constant_keyword', value } : { type: 'keyword' }
  place(properties, 'data_stream.type', constant(type))
  place(properties, 'data_stream.dataset', constant(dataset))
  place(properties, 'data_stream.namespace', { type: 'keyword' })
  place(properties, STORE_FIELDS.timeUs, { type: 'long' })
  place(properties, STORE_FIELDS.order, { type: 'long' })
  place(properties, WORDS_FIELD, { type: 'text', norms: false, analyzer: capabilities.words ? ANALYZER : 'standard' })
  return { dynamic: false, date_detection: false, numeric_detection: false, properties }
}

/** How many fields and objects a mapping counts against `index.mapping.total_fields.limit`. */
export function mappedCount(properties: Properties): number {
  let count = 0
  for (const value of Object.values(properties)) {
    count++
    const inner = (value as { properties?: Properties }).properties
    if (inner !== undefined) count += mappedCount(inner)
  }
  return count
}

/** The leaves of properties by their dotted names, with their types. */
export function leavesOf(properties: Properties, prefix = ''): Map<string, string> {
  const leaves = new Map<string, string>()
  for (const [name, value] of Object.entries(properties)) {
    const { type, properties: inner } = value as { type?: string; properties?: Properties }
    if (inner !== undefined) for (const [leaf, kind] of leavesOf(inner, `${prefix}${name}.`)) leaves.set(leaf, kind)
    else if (type !== undefined) leaves.set(`${prefix}${name}`, type)
  }
  return leaves
}
