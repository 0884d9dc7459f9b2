/**
 * Every question of every dashboard, asked of real servers into which the recorded events were written as a sensor writes
 * them, and computed again from the events themselves.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { savedObjectsNdjson } from '../../src/dashboards/dashboards.ts'
import { INDEX_PATTERN } from '../../src/dashboards/data-view.ts'
import { type EventDocument, FIELDS } from '../../src/events/fields.ts'
import { parseQuery } from '../../src/store/kql.ts'
import { compilePredicate } from '../../src/store/kql-predicate.ts'
import { STORES } from '../../src/store/stores.ts'
import { sharedServer, unavailable } from '../support/servers/servers.ts'
import { HAS_LAB, recordedEvents } from './events.ts'
import { type Aggregation, FORMATS } from './formats.ts'
import { METRICS, searchOf } from './to-search.ts'

const VISUALIZATIONS = savedObjectsNdjson('kibana')
  .trimEnd()
  .split('\n')
  .map((line) => FORMATS.kibana.parse(JSON.parse(line)))
  .filter((object) => object.type === 'visualization')
  .filter(({ attributes }) => attributes.visState.type !== 'markdown')

interface Bucket {
  readonly key: string | number
  readonly key_as_string?: string
  readonly doc_count: number
  readonly [id: string]: unknown
}
interface SearchAnswer {
  readonly _shards: { readonly failed: number }
  readonly hits: { readonly total: { readonly value: number } }
  readonly aggregations?: Readonly<Record<string, unknown>>
}

let events: EventDocument[]
/** As stores hold them: each id once. */
let distinct: Map<string, EventDocument>
beforeAll(async () => {
  events = await recordedEvents()
})

for (const kind of ['opensearch3', 'elasticsearch'] as const) {
  const missing = await unavailable(kind)
  describe.skipIf(missing !== null)(`over the events in ${kind}`, () => {
    const namespace = `dashboards_${process.pid}`
    // What the data view spans, but for what other tests put there.
    const indices = INDEX_PATTERN.replace(/-\*(?=,|$)/g, `-${namespace}`)
    let url: string

    async function request(method: string, path: string, body?: object): Promise<unknown> {
      const response = await fetch(`${url}/${path}`, {
        method,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        headers: { 'content-type': 'application/json' },
      })
      const answer = await response.json()
      expect(response.status, JSON.stringify(answer).slice(0, 2000)).toBeLessThan(300)
      return answer
    }

    beforeAll(async () => {
      const server = await sharedServer(kind)
      url = server.url
      const store = await STORES[server.product]({
        connection: { nodes: [url], verifyTls: true, requestTimeoutMs: 60_000, compression: false },
        namespace,
        shards: 1,
        replicas: 0,
        lifecycle: { rolloverDays: 30, rolloverBytes: 50_000_000_000, warmAfterDays: 0, deleteAfterDays: 0 },
        version: '0.0.1',
      })
      let stored = 0
      for (let i = 0; i < events.length; i += 2000) {
        const result = await store.write(events.slice(i, i + 2000))
        expect([...result.rejected, ...result.later]).toEqual([])
        stored += result.stored
      }
      await store.close()
      distinct = new Map(events.map((event) => [event['event.id'], event]))
      expect(stored).toBe(distinct.size)
      await request('POST', `${indices}/_refresh`)
    })
    afterAll(() => request('DELETE', `_data_stream/${indices}`))

    test.each(VISUALIZATIONS)('$attributes.title', async ({ attributes }) => {
      const kql = attributes.kibanaSavedObjectMeta.searchSourceJSON.query.query
      const { aggs } = attributes.visState
      const answer = (await request('POST', `${indices}/_search`, searchOf(kql, aggs))) as SearchAnswer
      expect(answer._shards.failed).toBe(0)
      const matching = [...distinct.values()].filter(compilePredicate(parseQuery(kql, 0)))
      expect(answer.hits.total.value).toBe(matching.length)
      compare(answer.aggregations ?? {}, aggs, matching)
      const first = aggs.find(({ type }) => !METRICS.has(type))
      if (HAS_LAB && first !== undefined) expect(bucketsOf(answer.aggregations?.[first.id]).length).toBeGreaterThan(0)
    })
  })
}

/** What the server says of some events, against the events themselves; and of each bucket, against those in it. */
function compare(
  answer: Readonly<Record<string, unknown>>,
  aggregations: readonly Aggregation[],
  within: readonly EventDocument[],
): void {
  const metrics = aggregations.filter(({ type }) => METRICS.has(type))
  for (const metric of metrics) {
    if (metric.type === 'count') continue
    const { value } = answer[metric.id] as { value: number | null }
    const expected = metricOf(metric, within)
    if (expected === null) expect(value ?? 0).toBe(0)
    else expect(value).toBeCloseTo(expected, 6)
  }
  const [bucket, ...rest] = aggregations.filter(({ type }) => !METRICS.has(type))
  if (bucket === undefined) return
  // Each shard gives its most frequent values alone: the server says by how much their sum may be too low.
  const { doc_count_error_upper_bound: error = 0 } = answer[bucket.id] as { doc_count_error_upper_bound?: number }
  for (const found of bucketsOf(answer[bucket.id])) {
    const inside = within.filter(membership(bucket, found))
    const lacking = inside.length - found.doc_count
    expect(lacking, `${bucket.type} ${bucket.params.field ?? ''}: ${found.key}`).toBeGreaterThanOrEqual(0)
    expect(lacking, `${bucket.type} ${bucket.params.field ?? ''}: ${found.key}`).toBeLessThanOrEqual(error)
    if (lacking === 0) compare(found, [...metrics, ...rest], inside)
  }
}

function bucketsOf(result: unknown): Bucket[] {
  const { buckets } = result as { buckets: readonly Bucket[] | Readonly<Record<string, Omit<Bucket, 'key'>>> }
  if (Array.isArray(buckets)) return buckets
  return Object.entries(buckets).map(([key, bucket]) => ({ ...bucket, key }) as Bucket)
}

function membership({ type, params }: Aggregation, { key, key_as_string }: Bucket): (event: EventDocument) => boolean {
  switch (type) {
    case 'filters':
      return compilePredicate(parseQuery(params.filters!.find(({ label }) => label === key)!.input.query, 0))
    case 'date_histogram':
      return (event) => Math.floor(Date.parse(event['@timestamp']) / 60_000) * 60_000 === key
    default: {
      const isBoolean = FIELDS[params.field as keyof typeof FIELDS].kind === 'boolean'
      const wanted = isBoolean ? key_as_string : String(key)
      return (event) => valuesOf(event, params.field).some((value) => String(value) === wanted)
    }
  }
}

function valuesOf(event: EventDocument, field: string | undefined): readonly (string | number | boolean)[] {
  const value = event[field as keyof EventDocument] as undefined | string | number | boolean | readonly string[]
  if (value === undefined) return []
  return typeof value === 'object' ? value : [value]
}

function metricOf({ type, params }: Aggregation, within: readonly EventDocument[]): number | null {
  const values = within.flatMap((event) => [...valuesOf(event, params.field)])
  if (type === 'cardinality') return new Set(values).size
  if (values.length === 0) return null
  const isDate = FIELDS[params.field as keyof typeof FIELDS].kind === 'date'
  const numbers = values.map((value) => (isDate ? Date.parse(String(value)) : Number(value)))
  switch (type) {
    case 'sum':
      return numbers.reduce((sum, value) => sum + value, 0)
    case 'avg':
      return numbers.reduce((sum, value) => sum + value, 0) / numbers.length
    case 'min':
      return numbers.reduce((a, b) => Math.min(a, b))
    default:
      return numbers.reduce((a, b) => Math.max(a, b))
  }
}
