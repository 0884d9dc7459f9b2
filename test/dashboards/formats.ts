/**
 * What the two products accept as saved objects: their attributes, field by field, as Kibana 8.9 to 9.x and OpenSearch
 * Dashboards 2 and 3 read them. An attribute that is not listed here is refused, as Kibana does with those of a dashboard.
 */
import { z } from 'zod'

const json = <T extends z.ZodType>(of: T) =>
  z.string().transform((text, context) => {
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch {
      context.addIssue('expected JSON')
      return z.NEVER
    }
    const result = of.safeParse(value)
    if (result.success) return result.data
    for (const issue of result.error.issues) context.addIssue({ ...issue, code: 'custom', message: issue.message })
    return z.NEVER
  })

const QUERY = z.strictObject({ query: z.string(), language: z.literal('kuery') })
const SEARCH_SOURCE = z.strictObject({
  searchSourceJSON: json(
    z.strictObject({
      query: QUERY,
      filter: z.array(z.never()),
      indexRefName: z.literal('kibanaSavedObjectMeta.searchSourceJSON.index').optional(),
    }),
  ),
})
const REFERENCES = z.array(
  z.strictObject({
    name: z.string(),
    type: z.enum(['index-pattern', 'search', 'visualization', 'dashboard']),
    id: z.string(),
  }),
)

const AGGREGATION = z.strictObject({
  id: z.string(),
  enabled: z.literal(true),
  type: z.enum(['count', 'cardinality', 'sum', 'avg', 'min', 'max', 'terms', 'date_histogram', 'filters']),
  schema: z.enum(['metric', 'group', 'segment', 'bucket']),
  params: z.strictObject({
    field: z.string().optional(),
    customLabel: z.string().optional(),
    size: z.int().positive().optional(),
    order: z.enum(['asc', 'desc']).optional(),
    orderBy: z.string().optional(),
    otherBucket: z.boolean().optional(),
    otherBucketLabel: z.string().optional(),
    missingBucket: z.boolean().optional(),
    missingBucketLabel: z.string().optional(),
    interval: z.literal('auto').optional(),
    min_doc_count: z.literal(1).optional(),
    drop_partials: z.boolean().optional(),
    extended_bounds: z.strictObject({}).optional(),
    filters: z.array(z.strictObject({ label: z.string().min(1), input: QUERY })).optional(),
  }),
})
export type Aggregation = z.output<typeof AGGREGATION>

const VIS_STATE = z.strictObject({
  title: z.string(),
  type: z.enum(['metric', 'histogram', 'line', 'horizontal_bar', 'pie', 'table', 'markdown']),
  aggs: z.array(AGGREGATION),
  params: z.record(z.string(), z.unknown()),
})

const visualization = z.strictObject({
  title: z.string().min(1),
  description: z.string(),
  uiStateJSON: json(z.strictObject({})),
  version: z.literal(1),
  visState: json(VIS_STATE),
  kibanaSavedObjectMeta: SEARCH_SOURCE,
})

const PANEL = z.strictObject({
  version: z.string(),
  type: z.enum(['visualization', 'search']),
  gridData: z.strictObject({
    x: z.int().min(0).max(47),
    y: z.int().min(0),
    w: z.int().min(1).max(48),
    h: z.int().min(1),
    i: z.string(),
  }),
  panelIndex: z.string(),
  panelRefName: z.string(),
  title: z.string(),
  embeddableConfig: z.strictObject({}),
})

/** Kibana's schema of a dashboard's attributes, which forbids others (8.9 to 8.15). OpenSearch Dashboards has the same. */
const dashboard = z.strictObject({
  title: z.string().min(1),
  description: z.string(),
  panelsJSON: json(z.array(PANEL)),
  optionsJSON: json(z.strictObject({ useMargins: z.boolean(), hidePanelTitles: z.boolean() })),
  timeRestore: z.boolean(),
  version: z.literal(1),
  kibanaSavedObjectMeta: SEARCH_SOURCE,
})

const SEARCH_COMMON = {
  title: z.string().min(1),
  description: z.string(),
  columns: z.array(z.string()).min(1),
  sort: z.array(z.tuple([z.string(), z.enum(['asc', 'desc'])])),
  kibanaSavedObjectMeta: SEARCH_SOURCE,
}
const FIELD_FORMATS = json(
  z.record(
    z.string(),
    z.strictObject({
      id: z.enum(['bytes', 'duration', 'percent', 'string', 'url']),
      params: z.record(z.string(), z.unknown()).optional(),
    }),
  ),
)
const DATA_VIEW_COMMON = {
  title: z.string().min(1),
  timeFieldName: z.literal('@timestamp'),
  fields: json(z.array(z.never())),
  fieldFormatMap: FIELD_FORMATS,
}

const KIBANA = z.discriminatedUnion('type', [
  kibana(
    'index-pattern',
    '8.0.0',
    z.strictObject({
      ...DATA_VIEW_COMMON,
      name: z.string().min(1),
      sourceFilters: json(z.array(z.never())),
      fieldAttrs: json(z.record(z.string(), z.strictObject({ customDescription: z.string().min(1).max(300) }))),
    }),
  ),
  kibana(
    'search',
    '8.0.0',
    z.strictObject({
      ...SEARCH_COMMON,
      grid: z.strictObject({}),
      hideChart: z.boolean(),
      isTextBasedQuery: z.literal(false),
    }),
  ),
  kibana('visualization', '8.5.0', visualization),
  kibana('dashboard', '8.9.0', dashboard),
])

const OPENSEARCH = z.discriminatedUnion('type', [
  opensearch('index-pattern', '7.6.0', z.strictObject(DATA_VIEW_COMMON)),
  opensearch('search', '7.9.3', z.strictObject({ ...SEARCH_COMMON, hits: z.literal(0), version: z.literal(1) })),
  opensearch('visualization', '7.10.0', visualization),
  opensearch('dashboard', '7.9.3', dashboard),
])

function kibana<T extends string, A extends z.ZodType>(type: T, form: string, attributes: A) {
  return z.strictObject({
    type: z.literal(type),
    id: z.string().regex(/^[a-z0-9-]+$/),
    attributes,
    references: REFERENCES,
    // Kibana refuses a form that is newer than its own, and one without the core's.
    coreMigrationVersion: z.literal('8.8.0'),
    typeMigrationVersion: z.literal(form),
  })
}

function opensearch<T extends string, A extends z.ZodType>(type: T, form: string, attributes: A) {
  return z.strictObject({
    type: z.literal(type),
    id: z.string().regex(/^[a-z0-9-]+$/),
    attributes,
    references: REFERENCES,
    migrationVersion: z.strictObject({ [type]: z.literal(form) }),
  })
}

/** By product, what one line of an import file must be. */
export const FORMATS = { kibana: KIBANA, opensearch: OPENSEARCH } as const
export type CheckedObject = z.output<typeof KIBANA> | z.output<typeof OPENSEARCH>
