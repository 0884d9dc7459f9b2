/** What Kibana and OpenSearch Dashboards ask the cluster for the sake of a visualisation: its state as a `_search` request. */
import { parseQuery } from '../../src/store/kql.ts'
import { compileDsl } from '../../src/store/kql-dsl.ts'
import type { Aggregation } from './formats.ts'

export const METRICS = new Set(['count', 'cardinality', 'sum', 'avg', 'min', 'max'])

type Request = Record<string, unknown>

export function queryOf(kql: string): Request {
  return compileDsl(parseQuery(kql, 0)) as unknown as Request
}

/** The request without hits: buckets one within the other, the metrics in each of them. */
export function searchOf(kql: string, aggregations: readonly Aggregation[]): Request {
  const metrics = aggregations.filter(({ type }) => METRICS.has(type))
  const buckets = aggregations.filter(({ type }) => !METRICS.has(type))
  return { size: 0, track_total_hits: true, query: queryOf(kql), aggs: nested(buckets, metrics) }
}

function nested(buckets: readonly Aggregation[], metrics: readonly Aggregation[]): Request {
  const aggs: Request = {}
  // How many there are is in every bucket anyway.
  for (const { id, type, params } of metrics) if (type !== 'count') aggs[id] = { [type]: { field: params.field } }
  const [bucket, ...rest] = buckets
  if (bucket !== undefined) aggs[bucket.id] = { ...bucketOf(bucket, metrics), aggs: nested(rest, metrics) }
  return aggs
}

function bucketOf({ type, params }: Aggregation, metrics: readonly Aggregation[]): Request {
  switch (type) {
    case 'terms': {
      const by = metrics.find(({ id }) => id === params.orderBy)!
      const order = { [by.type === 'count' ? '_count' : by.id]: params.order }
      return { terms: { field: params.field, size: params.size, order } }
    }
    case 'date_histogram':
      // `auto` becomes an interval by the span that is looked at.
      return { date_histogram: { field: params.field, fixed_interval: '1m', min_doc_count: params.min_doc_count } }
    case 'filters':
      return {
        filters: {
          filters: Object.fromEntries(params.filters!.map(({ label, input }) => [label, queryOf(input.query)])),
        },
      }
    default:
      throw new Error(`no such bucket: ${type}`)
  }
}
