/** The data view (index pattern) over the events: how their fields are shown, and what they mean. */
import { FIELDS } from '../events/fields.ts'
import { DATA_VIEW_REFERENCE, type Product, type Reference, type SavedObject, savedObject } from './saved-object.ts'

const DATA_VIEW_ID = 'borescope'

/** The data streams of all datasets and namespaces: of events and alerts, and of what is measured. */
export const INDEX_PATTERN = 'logs-borescope.*-*,metrics-borescope.*-*'

/** What a query over the data view refers to. */
export const OF_DATA_VIEW: Reference = { name: DATA_VIEW_REFERENCE, type: 'index-pattern', id: DATA_VIEW_ID }

/** Kibana takes no longer description of a field. */
const DESCRIPTION_CHARACTERS_MAX = 300

export function dataView(product: Product): SavedObject {
  const common = {
    title: INDEX_PATTERN,
    timeFieldName: '@timestamp',
    fields: '[]',
    fieldFormatMap: JSON.stringify(formats()),
  }
  const attributes =
    product === 'kibana'
      ? { ...common, name: 'Borescope', sourceFilters: '[]', fieldAttrs: JSON.stringify(descriptions()) }
      : common
  return savedObject(product, { type: 'index-pattern', id: DATA_VIEW_ID, attributes, references: [] })
}

interface Format {
  readonly id: string
  readonly params?: Readonly<Record<string, unknown>>
}

const DURATION: Format = {
  id: 'duration',
  params: { inputFormat: 'nanoseconds', outputFormat: 'asSeconds', outputPrecision: 1 },
}

/** Numbers that people read otherwise than as numbers, and links. */
function formats(): Record<string, Format> {
  const all: Record<string, Format> = {
    'event.duration': DURATION,
    'esp.loss': { id: 'percent', params: { pattern: '0.0%' } },
    'rule.reference': { id: 'url' },
    'threat.technique.reference': { id: 'url' },
  }
  for (const [name, { kind }] of Object.entries(FIELDS))
    if (kind === 'long' && name.endsWith('.bytes')) all[name] = { id: 'bytes' }
  // Numbers that name something are not counted in thousands.
  for (const [name, { kind }] of Object.entries(FIELDS))
    if (kind === 'long' && /(\.port|_id|\.code|\.number)$/.test(name)) all[name] = { id: 'string' }
  return all
}

function descriptions(): Record<string, { customDescription: string }> {
  return Object.fromEntries(
    Object.entries(FIELDS).map(([name, { says }]) => [
      name,
      { customDescription: says.replaceAll('`', '').slice(0, DESCRIPTION_CHARACTERS_MAX) },
    ]),
  )
}
