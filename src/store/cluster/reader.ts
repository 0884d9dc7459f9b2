/** Queries over all streams of a store. */
import { isoMicroseconds } from '../../base/time.ts'
import { type EventDocument, FIELDS, type FieldName } from '../../events/fields.ts'
import { addressKey } from '../address.ts'
import { compileDsl } from '../kql-dsl.ts'
import {
  type Aggregation,
  type Bucket,
  type Group,
  type GroupOrder,
  LARGEST_FIRST,
  type Metric,
  type Search,
  type Selection,
  type Sort,
  selectionQuery,
  StoreError,
  type StoreStats,
} from '../search.ts'
import { isList, refuseInterval, refuseMetric, refuseOrder } from '../values.ts'
import { ask, type Call, type ClusterClient, reasonOf, refusal } from './client.ts'
import { decode, sourceFilter } from './documents.ts'
import { STORE_FIELDS, typeOf } from './mapping.ts'

declare global {
  interface JSON {
    /** https://tc39.es/proposal-json-parse-with-source/#sec-json.rawjson */
    rawJSON(text: string): unknown
  }
}

export interface Hit {
  readonly _index: string
  readonly _id: string
  readonly _source?: Record<string, unknown>
  readonly sort: readonly (string | number | boolean | null)[]
}

interface SearchReply {
  readonly pit_id?: string
  readonly hits: { readonly total?: { readonly value: number }; readonly hits: readonly Hit[] }
  readonly aggregations?: Record<string, unknown>
}

/** Documents of one request. */
const PAGE = 1000
/** Buckets of one request: below the default of `search.max_buckets`. */
const GROUPS_PAGE = 10_000
/** With counts of distinct values, each of which holds a sketch of 16 kB on every shard. */
const DISTINCT_PAGE = 500
/** Up to so many distinct values are counted, beyond it they are estimated: of each group, and of all events (the most that a cluster allows: a sketch of 256 kB). */
const DISTINCT_EXACT = { grouped: 3000, ungrouped: 40_000 } as const
const BUCKETS_MAX = 65_536
const KEEP_ALIVE = '5m'
const EVERYTHING = { ignore_unavailable: true, allow_no_indices: true }

export class Reader {
  readonly #client: ClusterClient
  readonly #pattern: string

  constructor(client: ClusterClient, pattern: string) {
    this.#client = client
    this.#pattern = pattern
  }

  async *search(search: Search): AsyncGenerator<EventDocument> {
    const wanted = search.fields === undefined ? null : new Set(search.fields)
    const sort = sortOf(search.sort ?? [])
    const body = { query: compileDsl(selectionQuery(search)), sort, ...sourceFilter(search.fields) }
    for await (const { _source } of this.hits(body, search.limit)) yield decode(_source ?? {}, wanted)
  }

  /** The hits of a query in their order, as they were when it began. */
  async *hits(
    body: { readonly query: object; readonly sort: readonly SortClause[] },
    limit = Number.POSITIVE_INFINITY,
  ): AsyncGenerator<Hit> {
    if (limit <= 0) return
    const isSmall = limit <= PAGE || (await this.#count(body.query)) <= PAGE
    if (isSmall) {
      yield* (await this.#search({ ...body, size: Math.min(limit, PAGE), track_total_hits: false })).hits.hits
      return
    }
    let pit = await openPit(this.#client, this.#pattern)
    try {
      let after: readonly unknown[] | null = null
      for (let left = limit; left > 0; ) {
        const size = Math.min(left, PAGE)
        const page: SearchReply = await ask<SearchReply>(this.#client, {
          method: 'POST',
          path: '/_search',
          body: {
            ...body,
            size,
            track_total_hits: false,
            pit: { id: pit, keep_alive: KEEP_ALIVE },
            ...(after === null ? {} : { search_after: after }),
          },
        })
        pit = page.pit_id ?? pit
        const { hits } = page.hits
        yield* hits
        if (hits.length < size) return
        left -= size
        after = cursorOf(hits[hits.length - 1], body.sort)
      }
    } finally {
      await closePit(this.#client, pit)
    }
  }

  count(selection: Selection): Promise<number> {
    return this.#count(compileDsl(selectionQuery(selection)))
  }

  async aggregate(selection: Selection, aggregation: Aggregation): Promise<Group[]> {
    refuseOrder(aggregation)
    const { by, limit, metric, order = LARGEST_FIRST } = aggregation
    if (metric !== undefined) refuseMetric(metric)
    const query = compileDsl(selectionQuery(selection))
    if (by.length === 0) return this.#ungrouped(query, metric)
    const aggs = bucketAggregations(metric, DISTINCT_EXACT.grouped)
    const top = new TopGroups(by, limit, order)
    const sources = by.map((field, i) => ({ [`k${i}`]: { terms: { field: groupField(field), missing_bucket: true } } }))
    const size = metric?.of === 'distinct' ? DISTINCT_PAGE : GROUPS_PAGE
    let after: Record<string, unknown> | undefined
    do {
      const composite = { size, sources, ...(after === undefined ? {} : { after }) }
      const reply = await this.#search({
        size: 0,
        query,
        track_total_hits: false,
        aggs: { groups: { composite, aggs } },
      })
      const groups = reply.aggregations?.['groups'] as CompositeReply | undefined
      for (const bucket of groups?.buckets ?? []) {
        const key = by.map((field, i) => keyValue(field, bucket.key[`k${i}`]))
        top.add({ key, count: bucket.doc_count, ...bucketValues(bucket, metric, DISTINCT_EXACT.grouped) })
      }
      after = groups?.after_key
    } while (after !== undefined)
    return top.groups()
  }

  async #ungrouped(query: object, metric: Metric | undefined): Promise<Group[]> {
    const aggs = bucketAggregations(metric, DISTINCT_EXACT.ungrouped)
    const reply = await this.#search({ size: 0, query, track_total_hits: true, aggs })
    const count = reply.hits.total?.value ?? 0
    if (count === 0) return []
    const found = reply.aggregations as unknown as BucketReply
    return [{ key: [], count, ...bucketValues(found, metric, DISTINCT_EXACT.ungrouped) }]
  }

  async histogram(selection: Selection, intervalMs: number): Promise<Bucket[]> {
    refuseInterval(intervalMs)
    const query = compileDsl(selectionQuery(selection))
    const histogram = { field: STORE_FIELDS.timeUs, interval: intervalMs * 1000, min_doc_count: 1 }
    const call = this.#searchCall({ size: 0, query, track_total_hits: false, aggs: { times: { histogram } } })
    const reply = await this.#client.request(call)
    if (reply.status >= 300) {
      if (!/too_many_buckets|max_buckets/.test(JSON.stringify(reply.body))) throw refusal(this.#client, call, reply)
      const advice = 'ask for longer ones, or for less time'
      throw new StoreError(`the histogram has more intervals than the cluster takes (${reasonOf(reply)}): ${advice}`)
    }
    const times = (reply.body as SearchReply).aggregations?.['times'] as HistogramReply | undefined
    const buckets = times?.buckets ?? []
    if (buckets.length > BUCKETS_MAX) {
      throw new StoreError(
        `the histogram has more than ${BUCKETS_MAX} intervals: ask for longer ones, or for less time`,
      )
    }
    return buckets.map(({ key, doc_count }) => ({ from: isoMicroseconds(key), count: doc_count }))
  }

  async get(id: string): Promise<EventDocument | null> {
    if (id === '') return null
    const field = 'event.id' satisfies FieldName
    const query = { bool: { filter: [{ prefix: { [field]: { value: id } } }] } }
    // The id itself comes before everything that begins with it.
    const sort = [{ [field]: { order: 'asc', unmapped_type: 'keyword' } }]
    const { hits } = await this.#search({ query, sort, size: 2, track_total_hits: false })
    const found = hits.hits.map(({ _source }) => decode(_source ?? {}, null))
    if (found.length > 1 && found[0][field] !== id && found[1][field] !== found[0][field]) {
      throw new StoreError(`more than one event id begins with "${id}": give more of it`)
    }
    return found[0] ?? null
  }

  async stats(): Promise<StoreStats> {
    const { first, last } = BOUNDS
    const body = { size: 0, track_total_hits: true, aggs: { first, last } }
    const { hits, aggregations } = await this.#search(body)
    const call = {
      method: 'GET',
      path: `/${this.#pattern}/_stats/store`,
      query: { filter_path: '_all.total' },
    } as const
    const sizes = await this.#client.request(call)
    if (sizes.status >= 300 && sizes.status !== 404) throw refusal(this.#client, call, sizes)
    const total = (sizes.body as { _all?: { total?: { store?: { size_in_bytes?: number } } } } | undefined)?._all?.total
    const isoOf = (bound: unknown) => {
      const value = (bound as { value: number | null } | undefined)?.value ?? null
      return value === null ? null : isoMicroseconds(value)
    }
    return {
      events: hits.total?.value ?? 0,
      bytesOnDisk: total?.store?.size_in_bytes ?? 0,
      oldest: isoOf(aggregations?.['first']),
      newest: isoOf(aggregations?.['last']),
    }
  }

  async #count(query: object): Promise<number> {
    const call = { method: 'POST', path: `/${this.#pattern}/_count`, query: EVERYTHING, body: { query } } as const
    const { count } = await ask<{ count: number }>(this.#client, call)
    return count
  }

  #searchCall(body: object): Call {
    return { method: 'POST', path: `/${this.#pattern}/_search`, query: EVERYTHING, body }
  }

  #search(body: object): Promise<SearchReply> {
    return ask<SearchReply>(this.#client, this.#searchCall(body))
  }
}

type SortClause = Record<string, { readonly order: string; readonly missing?: string; readonly unmapped_type: string }>

/** The two products name a point in time differently. */
async function openPit(client: ClusterClient, pattern: string): Promise<string> {
  const path = client.product === 'elasticsearch' ? `/${pattern}/_pit` : `/${pattern}/_search/point_in_time`
  const query = { keep_alive: KEEP_ALIVE }
  const reply = await ask<{ id?: string; pit_id?: string }>(client, { method: 'POST', path, query })
  return (reply.id ?? reply.pit_id) as string
}

/** One that could not be closed ends by itself. */
async function closePit(client: ClusterClient, pit: string): Promise<void> {
  const isElasticsearch = client.product === 'elasticsearch'
  const path = isElasticsearch ? '/_pit' : '/_search/point_in_time'
  const body = isElasticsearch ? { id: pit } : { pit_id: [pit] }
  await client.request({ method: 'DELETE', path, body }).catch(() => undefined)
}

function sortOf(sort: readonly Sort[]): SortClause[] {
  const clauses = sort.map(({ field, descending }) => {
    if (isList(field)) throw new StoreError(`${field} is a list, which has no order`)
    if (typeOf(field) === 'text') throw new StoreError(`${field} is a text, which has no order in a cluster`)
    return sortBy(field, typeOf(field), descending)
  })
  if (clauses.length === 0) clauses.push(sortBy(STORE_FIELDS.timeUs, 'long', false))
  // Batches of events overtake each other on their way, so the order of storing alone does not say what came first.
  const isDescending = sort.at(-1)?.descending ?? false
  clauses.push(sortBy('event.sequence' satisfies FieldName, 'long', isDescending))
  clauses.push(sortBy(STORE_FIELDS.order, 'long', isDescending))
  return clauses
}

export function sortBy(field: string, type: string, descending: boolean): SortClause {
  return { [field]: { order: descending ? 'desc' : 'asc', missing: '_last', unmapped_type: type } }
}

/**
 * Where the next page begins. The nanoseconds of a date and the number that stands for a missing value have more digits than
 * a JavaScript number: the one is rounded to the microsecond that it was, the other written out.
 */
function cursorOf({ sort }: Hit, clauses: readonly SortClause[]): unknown[] {
  return sort.map((value, i) => {
    if (typeof value !== 'number' || Number.isSafeInteger(value)) return value
    if (value >= 2 ** 63) return JSON.rawJSON('9223372036854775807')
    if (value <= -(2 ** 63)) return JSON.rawJSON('-9223372036854775808')
    const [{ unmapped_type: type }] = Object.values(clauses[i])
    return type === 'date_nanos' ? JSON.rawJSON(`${Math.round(value / 1000)}000`) : value
  })
}

interface BucketReply {
  readonly first: { readonly value: number | null }
  readonly last: { readonly value: number | null }
  readonly metric?: StatsReply | { readonly value: number }
}

interface StatsReply {
  readonly count: number
  readonly sum: number
  readonly avg: number | null
  readonly min: number | null
  readonly max: number | null
}

interface CompositeReply {
  readonly after_key?: Record<string, unknown>
  readonly buckets: readonly (BucketReply & {
    readonly key: Record<string, string | number | boolean | null>
    readonly doc_count: number
  })[]
}

interface HistogramReply {
  readonly buckets: readonly { readonly key: number; readonly doc_count: number }[]
}

const BOUNDS = { first: { min: { field: STORE_FIELDS.timeUs } }, last: { max: { field: STORE_FIELDS.timeUs } } }

function bucketAggregations(metric: Metric | undefined, exactMax: number): object {
  if (metric === undefined) return BOUNDS
  const field = groupField(metric.field)
  if (metric.of !== 'distinct') return { ...BOUNDS, metric: { stats: { field } } }
  return { ...BOUNDS, metric: { cardinality: { field, precision_threshold: exactMax } } }
}

function bucketValues(
  { first, last, metric: found }: BucketReply,
  metric: Metric | undefined,
  exactMax: number,
): Omit<Group, 'key' | 'count'> {
  const bounds = { first: isoMicroseconds(first.value ?? 0), last: isoMicroseconds(last.value ?? 0) }
  if (metric === undefined || found === undefined) return bounds
  if ('value' in found) {
    return { ...bounds, metric: found.value, ...(found.value > exactMax ? { isEstimate: true } : {}) }
  }
  if (found.count === 0) return { ...bounds, metric: null }
  const name = { sum: 'sum', average: 'avg', minimum: 'min', maximum: 'max', distinct: 'count' } as const
  return { ...bounds, metric: found[name[metric.of]] }
}

/** The field of the index by whose values events are grouped. */
function groupField(field: FieldName): string {
  if (field === '@timestamp') return STORE_FIELDS.timeUs
  const type = typeOf(field)
  if (type === 'text') throw new StoreError(`${field} is a text, which a cluster does not group`)
  if (type === 'date_nanos') throw new StoreError(`${field} is a date, which a cluster groups only to the millisecond`)
  return field
}

type KeyValue = string | number | boolean | null

function keyValue(field: FieldName, value: KeyValue): KeyValue {
  return field === '@timestamp' && typeof value === 'number' ? isoMicroseconds(value) : value
}

/** The first groups of many: what cannot be among them any more is let go from time to time. */
class TopGroups {
  readonly #compare: (a: Group, b: Group) => number
  readonly #limit: number
  #groups: Group[] = []

  constructor(by: readonly FieldName[], limit: number, order: GroupOrder) {
    this.#limit = limit
    const compareOrder = comparisonOf(order)
    const isAddress = by.map((field) => FIELDS[field].kind === 'ip')
    this.#compare = (a, b) => {
      const first = compareOrder(a, b)
      if (first !== 0) return first
      for (let i = 0; i < a.key.length; i++) {
        const next = isAddress[i] ? compareAddresses(a.key[i], b.key[i]) : compareKeys(a.key[i], b.key[i])
        if (next !== 0) return next
      }
      return 0
    }
  }

  add(group: Group): void {
    this.#groups.push(group)
    if (this.#groups.length > 2 * this.#limit + GROUPS_PAGE) this.#groups = this.groups()
  }

  groups(): Group[] {
    return this.#groups.sort(this.#compare).slice(0, this.#limit)
  }
}

/** But for the order of the keys. */
function comparisonOf({ by, descending }: GroupOrder): (a: Group, b: Group) => number {
  const sign = descending ? -1 : 1
  if (by === 'count') return (a, b) => sign * (a.count - b.count)
  return (a, b) => {
    const [one, other] = [a.metric ?? null, b.metric ?? null]
    if (one === other) return b.count - a.count
    if (one === null || other === null) return one === null ? 1 : -1
    return sign * (one - other)
  }
}

/** No value comes first, then falling together with the order of SQLite: false, true; numbers; texts by their UTF-8 bytes. */
function compareKeys(a: KeyValue, b: KeyValue): number {
  if (a === b) return 0
  if (a === null) return -1
  if (b === null) return 1
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b))
  return a < b ? -1 : 1
}

/** IPv4 before IPv6, as the embedded store has it. */
function compareAddresses(a: KeyValue, b: KeyValue): number {
  if (a === null || b === null) return compareKeys(a, b)
  const [one, other] = [String(a), String(b)]
  const isV6 = Number(one.includes(':')) - Number(other.includes(':'))
  return isV6 === 0 ? compareKeys(addressKey(one), addressKey(other)) : isV6
}
