/** What is asked of ILM and ISM, which the servers of the tests do not have. */
import { expect, test } from 'vitest'
import {
  installPolicy,
  type Lifecycle,
  lifecycleKind,
  lifecycleTemplate,
} from '../../../src/store/cluster/lifecycle.ts'
import type { Product } from '../../../src/store/cluster/client.ts'
import { type FakeAnswer, type FakeRequest, FakeServer } from './fake.ts'
import { clientOf, connectionTo } from './live.ts'

const LIFECYCLE: Lifecycle = { rolloverDays: 7, rolloverBytes: 5e9, warmAfterDays: 0, deleteAfterDays: 90 }
const WARM: Lifecycle = { ...LIFECYCLE, warmAfterDays: 10 }

/** The requests that a policy causes on a server that has these addresses. */
async function installed(product: Product, lifecycle: Lifecycle, has: Record<string, FakeAnswer>) {
  await using server = await FakeServer.listening(({ method, path }) => {
    const known = Object.keys(has).find((prefix) => `${method} ${path}`.startsWith(prefix))
    return known === undefined ? { status: 400, body: { error: 'no handler found' } } : has[known]
  })
  const client = await clientOf(product, connectionTo(server.url))
  const kind = await lifecycleKind(client, lifecycle)
  await installPolicy(client, kind, lifecycle, ['logs-borescope.*'])
  await client.close()
  const puts = server.requests.filter(({ method }) => method === 'PUT')
  return { kind, puts: puts.map(({ path, body }: FakeRequest) => ({ path, body: JSON.parse(body) })) }
}

test('Elasticsearch deletes by the life cycle of data streams', async () => {
  const streams = { 'GET /_data_stream': { status: 404 } }
  expect(await installed('elasticsearch', LIFECYCLE, streams)).toEqual({ kind: 'stream', puts: [] })
  expect(lifecycleTemplate('stream', LIFECYCLE)).toEqual({
    settings: {},
    template: { lifecycle: { enabled: true, data_retention: '90d' } },
  })
  const forever = { ...LIFECYCLE, deleteAfterDays: 0 }
  expect(lifecycleTemplate('stream', forever).template).toEqual({ lifecycle: { enabled: true } })
})

test('Elasticsearch moves to warm nodes by ILM, if it is there', async () => {
  const streams = { 'GET /_data_stream': { status: 404 } }
  const ilm = { 'GET /_ilm/policy/borescope': { status: 404 }, 'PUT /_ilm/policy/borescope': {} }
  const { kind, puts } = await installed('elasticsearch', WARM, { ...streams, ...ilm })
  expect(kind).toBe('ilm')
  expect(puts[0].body.policy.phases).toEqual({
    hot: { actions: { rollover: { max_age: '7d', max_primary_shard_size: '5000000000b' } } },
    warm: { min_age: '10d', actions: { forcemerge: { max_num_segments: 1 } } },
    delete: { min_age: '90d', actions: { delete: {} } },
  })
  expect(lifecycleTemplate('ilm', WARM)).toEqual({ settings: { 'lifecycle.name': 'borescope' }, template: {} })
  expect((await installed('elasticsearch', WARM, streams)).kind).toBe('stream')
})

test('OpenSearch does both by ISM, whose policy is changed only if it is another', async () => {
  const path = '/_plugins/_ism/policies/borescope'
  const first = await installed('opensearch', WARM, { [`GET ${path}`]: { status: 404 }, [`PUT ${path}`]: {} })
  expect(first.kind).toBe('ism')
  const { policy } = first.puts[0].body
  expect(policy.ism_template).toEqual([{ index_patterns: ['logs-borescope.*'], priority: 100 }])
  expect(policy.states.map(({ name }: { name: string }) => name)).toEqual(['hot', 'warm', 'delete'])
  expect(policy.states[0].actions).toEqual([
    { rollover: { min_index_age: '7d', min_primary_shard_size: '5000000000b' } },
  ])
  expect(policy.states[0].transitions).toEqual([{ state_name: 'warm', conditions: { min_rollover_age: '10d' } }])
  const present = { body: { _seq_no: 7, _primary_term: 3, policy } }
  expect((await installed('opensearch', WARM, { [`GET ${path}`]: present })).puts).toEqual([])
  const changed = await installed('opensearch', LIFECYCLE, { [`GET ${path}`]: present, [`PUT ${path}`]: {} })
  expect(changed.puts[0].path).toBe(`${path}?if_seq_no=7&if_primary_term=3`)
  expect(changed.puts[0].body.policy.states.map(({ name }: { name: string }) => name)).toEqual(['hot', 'delete'])
})

test('a server that has none of them keeps everything', async () => {
  for (const product of ['elasticsearch', 'opensearch'] as const) {
    expect(await installed(product, WARM, {})).toEqual({ kind: 'none', puts: [] })
  }
  expect(lifecycleTemplate('none', WARM)).toEqual({ settings: {}, template: {} })
})
