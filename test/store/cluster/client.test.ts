import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { type Connection, isCompressed, type Product } from '../../../src/store/cluster/client.ts'
import { type ClusterStore, openClusterStore } from '../../../src/store/cluster/store.ts'
import { StoreError } from '../../../src/store/search.ts'
import { document } from '../documents.ts'
import { type Behaviour, FakeServer, type FakeRequest, freshCluster } from './fake.ts'
import { clientOf, connectionTo, optionsFor } from './live.ts'

/** The store in a server that answers writes as told. */
async function storeOn(
  product: Product,
  onBulk: Behaviour,
  changes: Partial<Connection> = {},
): Promise<{ server: FakeServer; store: ClusterStore }> {
  const server = await FakeServer.listening(
    freshCluster(product, (request) => (request.path.startsWith('/_bulk') ? onBulk(request) : null)),
  )
  const connection = connectionTo(server.url, changes)
  const client = await clientOf(product, connection)
  return { server, store: await openClusterStore(client, { ...optionsFor(server.url, 'default'), connection }) }
}

async function failureOf(work: Promise<unknown>): Promise<StoreError> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(StoreError)
  return error as StoreError
}

const failed = (status: number, type: string, reason: string) => ({
  create: { _index: 'logs-borescope.l2tp-default', status, error: { type, reason } },
})

const BATCH = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((id) => document(id))

test('what stays on this machine is not compressed, unless it is asked for', () => {
  const on = (compression: boolean | 'auto', ...nodes: string[]) =>
    isCompressed({ ...connectionTo(nodes[0]), nodes, compression })
  expect(on('auto', 'http://127.0.0.1:9200', 'https://localhost:9200', 'http://[::1]:9200')).toBe(false)
  expect(on('auto', 'http://127.0.0.1:9200', 'http://10.0.0.1:9200')).toBe(true)
  expect(on('auto', 'https://localhost.example.net:9200')).toBe(true)
  expect(on(true, 'http://localhost:9200')).toBe(true)
  expect(on(false, 'http://10.0.0.1:9200')).toBe(false)
})

describe.each(['elasticsearch', 'opensearch'] as const)('the client of %s', (product) => {
  test('gives a verdict on each event', async () => {
    const { server, store } = await storeOn(product, () => ({
      body: {
        errors: true,
        items: [
          { create: { _index: 'logs-borescope.l2tp-default', status: 201 } },
          failed(409, 'version_conflict_engine_exception', 'document already exists'),
          failed(400, 'document_parsing_exception', 'failed to parse field [source.ip]'),
          failed(429, 'es_rejected_execution_exception', 'queue is full'),
          failed(503, 'unavailable_shards_exception', 'primary shard is not active'),
          failed(400, 'index_closed_exception', 'closed'),
          failed(403, 'cluster_block_exception', 'index [x] blocked by: [FORBIDDEN/8/index write (api)];'),
          { create: { _index: 'logs-borescope.l2tp-default', status: 201 } },
        ],
      },
    }))
    expect(await store.write(BATCH)).toEqual({
      stored: 2,
      duplicates: 1,
      rejected: [{ index: 2, id: 'c', reason: 'failed to parse field [source.ip]' }],
      later: [
        { index: 3, id: 'd', reason: 'queue is full' },
        { index: 4, id: 'e', reason: 'primary shard is not active' },
        { index: 5, id: 'f', reason: 'closed' },
        { index: 6, id: 'g', reason: 'index [x] blocked by: [FORBIDDEN/8/index write (api)];' },
      ],
    })
    const bulk = server.requests.find(({ path }) => path.startsWith('/_bulk')) as FakeRequest
    const lines = bulk.body
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines).toHaveLength(16)
    expect(lines[0]).toEqual({ create: { _index: 'logs-borescope.l2tp-default', _id: 'a' } })
    expect(bulk.headers['content-encoding']).toBe('gzip')
    await store.close()
    await server[Symbol.asyncDispose]()
  })

  test.each([
    [429, { 'retry-after': '7' }, 'later', 7000, /overloaded or not ready/],
    [413, {}, 'smaller', undefined, /takes no request of this size/],
    [503, {}, 'later', undefined, /overloaded or not ready/],
    [502, {}, 'later', undefined, /overloaded or not ready/],
    [500, {}, 'later', undefined, /failed with 500/],
    [401, {}, 'later', undefined, /check the user and password/],
    [403, {}, 'later', undefined, /give the user the privilege/],
    [400, {}, 'never', undefined, /failed with 400/],
  ] as const)('takes a reply of %i for what it is', async (status, headers, retry, afterMs, says) => {
    const { server, store } = await storeOn(product, () => ({
      status,
      headers,
      body: { error: { reason: 'because' } },
    }))
    const error = await failureOf(store.write(BATCH))
    expect({ retry: error.retry, afterMs: error.afterMs }).toEqual({ retry, afterMs })
    expect(error.message).toMatch(says)
    expect(error.message).toContain('because')
    await store.close()
    await server[Symbol.asyncDispose]()
  })

  test.each([
    ['hangs', 'hang', /did not answer in time/],
    ['resets the connection', 'reset', /cannot be reached|ECONNRESET|other side closed/],
    ['answers with something else', { body: 'Welcome to nginx' }, /answered for 0 of 8 events/],
    ['answers for fewer events', { body: { items: [] } }, /answered for 0 of 8 events/],
  ] as const)('tries later if the server %s', async (_, answer, says) => {
    const { server, store } = await storeOn(product, () => answer, answer === 'hang' ? { requestTimeoutMs: 300 } : {})
    const error = await failureOf(store.write(BATCH))
    expect(error.retry).toBe('later')
    expect(error.message).toMatch(says)
    await server[Symbol.asyncDispose]()
    await store.close()
  })

  test('breaks a write off when it is told to', async () => {
    const stop = new AbortController()
    const { server, store } = await storeOn(product, () => {
      stop.abort()
      return 'hang'
    })
    const error = await failureOf(store.write(BATCH, stop.signal))
    expect(error.retry).toBe('later')
    expect(error.message).toMatch(/was broken off/)
    await server[Symbol.asyncDispose]()
    await store.close()
  })

  test('is opened before anybody is there, and writes once somebody is', async () => {
    let isThere = false
    await using server = await FakeServer.listening((request) => {
      if (!isThere) return 'reset'
      const items = [{ create: { _index: 'logs-borescope.l2tp-default', status: 201 } }]
      return freshCluster(product, ({ path }) => (path.startsWith('/_bulk') ? { body: { items } } : null))(request)
    })
    const client = await clientOf(product, connectionTo(server.url))
    const store = await openClusterStore(client, optionsFor(server.url, 'default'))
    expect((await failureOf(store.write(BATCH.slice(0, 1)))).retry).toBe('later')
    isThere = true
    expect(await store.write(BATCH.slice(0, 1))).toMatchObject({ stored: 1 })
    await store.close()
  })

  test('says that nobody is there', async () => {
    const server = await FakeServer.listening(() => ({}))
    await server[Symbol.asyncDispose]()
    const client = await clientOf(product, connectionTo(server.url))
    const error = await failureOf(openClusterStore(client, { ...optionsFor(server.url, 'x'), readOnly: true }))
    expect(error.retry).toBe('later')
    expect(error.message).toMatch(/cannot be reached \(.*ECONNREFUSED.*is store\.nodes right/)
  })

  test('goes on to the next node when one is down, and asks them in turn', async () => {
    const gone = await FakeServer.listening(() => ({}))
    await gone[Symbol.asyncDispose]()
    await using one = await FakeServer.listening(freshCluster(product))
    await using other = await FakeServer.listening(freshCluster(product))
    const client = await clientOf(product, connectionTo(one.url, { nodes: [gone.url, one.url, other.url] }))
    for (let i = 0; i < 6; i++) expect((await client.request({ method: 'GET', path: '/' })).status).toBe(200)
    expect(one.requests.length).toBeGreaterThan(1)
    expect(other.requests.length).toBeGreaterThan(1)
    await client.close()
  })

  test('sends the credentials', async () => {
    await using server = await FakeServer.listening(freshCluster(product))
    const client = await clientOf(product, connectionTo(server.url, { username: 'sensor', password: 'pass:word' }))
    await client.request({ method: 'GET', path: '/' })
    expect(server.requests[0].headers.authorization).toBe(`Basic ${Buffer.from('sensor:pass:word').toString('base64')}`)
    await client.close()
  })

  test('refuses another product or version, and says which it is', async () => {
    const other = product === 'elasticsearch' ? 'opensearch' : 'elasticsearch'
    const open = async (server: FakeServer) => {
      const client = await clientOf(product, connectionTo(server.url))
      return openClusterStore(client, { ...optionsFor(server.url, 'x'), readOnly: true })
    }
    await using wrong = await FakeServer.listening(freshCluster(other))
    expect((await failureOf(open(wrong))).message).toMatch(new RegExp(`set store\\.kind to ${other}`))
    const version = { number: '1.3.0', ...(product === 'opensearch' ? { distribution: 'opensearch' } : {}) }
    await using old = await FakeServer.listening(
      freshCluster(product, ({ path }) => (path === '/' ? { body: { version } } : null)),
    )
    expect((await failureOf(open(old))).message).toMatch(/is .* 1\.3\.0: Borescope stores into/)
  })
})

test('Elasticsearch is spoken to in the API of version 8, which 8 and 9 know, and with an API key', async () => {
  await using server = await FakeServer.listening(freshCluster('elasticsearch'))
  const client = await clientOf('elasticsearch', connectionTo(server.url, { apiKey: 'a2V5' }))
  await client.request({ method: 'POST', path: '/_search', body: { size: 0 } })
  await client.request({ method: 'POST', path: '/_bulk', body: '{}\n' })
  const [search, bulk] = server.requests
  expect(search.headers).toMatchObject({
    accept: 'application/vnd.elasticsearch+json; compatible-with=8',
    'content-type': 'application/vnd.elasticsearch+json; compatible-with=8',
    authorization: 'ApiKey a2V5',
  })
  expect(bulk.headers['content-type']).toBe('application/vnd.elasticsearch+x-ndjson; compatible-with=8')
  await client.close()
})

test('what is no Elasticsearch is told so', async () => {
  await using server = await FakeServer.listening(() => ({ headers: { 'x-elastic-product': 'Something' } }))
  const client = await clientOf('elasticsearch', connectionTo(server.url))
  const error = await failureOf(client.request({ method: 'GET', path: '/' }))
  expect(error).toMatchObject({ retry: 'later', message: expect.stringMatching(/is no Elasticsearch/) })
  await client.close()
})

test('counts of distinct values beyond what a cluster counts one by one are marked as estimates', async () => {
  const bodies: { aggs: object }[] = []
  let distinct = 0
  await using server = await FakeServer.listening(
    freshCluster('opensearch', ({ path, body }) => {
      if (!path.includes('/_search')) return null
      const { aggs } = JSON.parse(body)
      bodies.push({ aggs: aggs.metric ?? aggs.groups.aggs.metric })
      const values = { first: { value: 0 }, last: { value: 0 }, metric: { value: distinct } }
      const buckets = [{ key: { k0: 'alice' }, doc_count: 9, ...values }]
      return { body: { hits: { total: { value: 9 }, hits: [] }, aggregations: { ...values, groups: { buckets } } } }
    }),
  )
  const client = await clientOf('opensearch', connectionTo(server.url))
  const store = await openClusterStore(client, { ...optionsFor(server.url, 'default'), readOnly: true })
  const metric = { of: 'distinct', field: 'source.ip' } as const
  for (const [by, exactMax] of [
    [[], 40_000],
    [['user.name'], 3000],
  ] as const) {
    for (distinct of [exactMax, exactMax + 1]) {
      const [group] = await store.aggregate({}, { by, limit: 1, metric })
      expect([group.metric, group.isEstimate]).toEqual([distinct, distinct > exactMax ? true : undefined])
    }
    expect(bodies.pop()?.aggs).toEqual({ cardinality: { field: 'source.ip', precision_threshold: exactMax } })
  }
  await store.close()
})

describe('TLS', () => {
  const folder = mkdtempSync(join(tmpdir(), 'borescope-tls-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2']
  const made = (() => {
    try {
      execFileSync(
        'openssl',
        ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, ...subject],
        {
          stdio: 'ignore',
        },
      )
      return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') }
    } catch {
      process.stderr.write('\n*** openssl makes no certificate here: the tests of TLS do not run.\n\n')
      return null
    }
  })()

  test.skipIf(made === null).each(['elasticsearch', 'opensearch'] as const)('of %s is verified', async (product) => {
    const pair = made as { key: string; cert: string }
    await using server = await FakeServer.listening(freshCluster(product), pair)
    const statusWith = async (changes: Partial<Connection>) => {
      const client = await clientOf(product, connectionTo(server.url, changes))
      try {
        return (await client.request({ method: 'GET', path: '/' })).status
      } finally {
        await client.close()
      }
    }
    const error = await failureOf(statusWith({}))
    expect(error).toMatchObject({ retry: 'later', message: expect.stringMatching(/not trusted .*store\.caFile/) })
    expect(await statusWith({ ca: pair.cert })).toBe(200)
    expect(await statusWith({ verifyTls: false })).toBe(200)
  })
})
