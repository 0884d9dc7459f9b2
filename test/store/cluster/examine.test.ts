import { describe, expect, test } from 'vitest'
import type { Product } from '../../../src/store/cluster/client.ts'
import { examineCluster, type Finding, PRIVILEGES } from '../../../src/store/cluster/examine.ts'
import { STREAMS } from '../../../src/store/cluster/mapping.ts'
import { type FakeAnswer, FakeServer, freshCluster } from './fake.ts'
import { clientOf, connectionTo, optionsFor } from './live.ts'

const GB = 2 ** 30

function node(name: string, usedGb: number, timestamp = Date.now()) {
  return { name, timestamp, fs: { total: { total_in_bytes: 100 * GB, available_in_bytes: (100 - usedGb) * GB } } }
}

function watermarks(low: string, flood: string) {
  const prefix = 'cluster.routing.allocation.disk.watermark'
  return { persistent: {}, defaults: { [`${prefix}.low`]: low, [`${prefix}.flood_stage`]: flood } }
}

/** What is found on a bare server of this product that answers these paths. */
async function findings(product: Product, answers: Record<string, FakeAnswer>): Promise<Finding[]> {
  await using server = await FakeServer.listening(
    freshCluster(product, ({ path }) => {
      const known = Object.keys(answers).find((prefix) => path.startsWith(prefix))
      return known === undefined ? null : answers[known]
    }),
  )
  const client = await clientOf(product, connectionTo(server.url))
  try {
    return await examineCluster(client, optionsFor(server.url, 'lab'))
  } finally {
    await client.close()
  }
}

async function finding(
  of: string,
  product: Product,
  answers: Record<string, FakeAnswer>,
): Promise<Finding | undefined> {
  return (await findings(product, answers)).find((one) => one.of === of)
}

test('a cluster that is not there is wrong, and nothing else is asked', async () => {
  const client = await clientOf('opensearch', connectionTo('http://127.0.0.1:1'))
  const found = await examineCluster(client, optionsFor('http://127.0.0.1:1', 'lab'))
  expect(found).toEqual([{ of: 'cluster', state: 'wrong', says: expect.stringMatching(/is store\.nodes right/) }])
  await client.close()
})

describe('a bare server', () => {
  test.each(['elasticsearch', 'opensearch'] as const)('of %s is described, with what it lacks', async (product) => {
    const found = await findings(product, { '/_plugins': { status: 400 } })
    expect(found[0]).toMatchObject({ of: 'cluster', state: 'fine' })
    expect(found.map(({ of }) => of)).toEqual(expect.arrayContaining(['privileges', 'templates']))
    expect(found.filter(({ state }) => state === 'wrong')).toEqual([])
  })

  test('may lack data streams, words and constants', async () => {
    const found = await findings('opensearch', {
      '/_data_stream': { status: 400 },
      '/_index_template/_simulate': { status: 400 },
    })
    expect(found.filter(({ of }) => of === 'abilities').map(({ says }) => says)).toEqual([
      expect.stringMatching(/lacks data streams/),
      expect.stringMatching(/lacks the pattern tokenizer/),
      expect.stringMatching(/lacks constant_keyword/),
    ])
    expect(found.find(({ of }) => of === 'life cycle')).toMatchObject({
      state: 'note',
      says: expect.stringMatching(/ISM/),
    })
  })
})

test('the licence of Elasticsearch', async () => {
  const licence = (status: string) => ({ '/_license': { body: { license: { type: 'basic', status } } } })
  expect(await finding('licence', 'elasticsearch', licence('active'))).toMatchObject({
    state: 'fine',
    says: 'basic, active',
  })
  expect(await finding('licence', 'elasticsearch', licence('expired'))).toMatchObject({ state: 'wrong' })
  expect(await finding('licence', 'elasticsearch', {})).toMatchObject({ state: 'note' })
})

test.each([
  ['green', 'fine'],
  ['yellow', 'note'],
  ['red', 'wrong'],
])('a cluster that is %s is %s', async (status, state) => {
  const body = { status, number_of_nodes: 3, unassigned_shards: 2 }
  const found = await finding('health', 'opensearch', { '/_cluster/health': { body } })
  expect(found).toMatchObject({ state, says: expect.stringMatching(/3 nodes, 2 shards without a node/) })
})

test.each([
  [50, '85%', '95%', 'fine', /50 % used$/],
  [86, '85%', '95%', 'note', /over the low watermark \(85%\)/],
  [96, '85%', '95%', 'wrong', /over the flood stage \(95%\): nothing is stored/],
  [96, '0.85', '0.95', 'wrong', /flood stage/],
  [86, '20gb', '5gb', 'note', /low watermark/],
  [70, '20gb', '5gb', 'fine', /70 % used$/],
] as const)(
  'a disk of which %i %% are used, with the watermarks %s and %s, is %s',
  async (used, low, flood, state, says) => {
    const found = await finding('disk', 'opensearch', {
      '/_nodes/stats/fs': { body: { nodes: { a: node('n1', used) } } },
      '/_cluster/settings': { body: watermarks(low, flood) },
    })
    expect(found).toMatchObject({ state, says: expect.stringMatching(says) })
  },
)

test('a clock that differs', async () => {
  const at = (timestamp: number) => ({ '/_nodes/stats/fs': { body: { nodes: { a: node('n1', 5, timestamp) } } } })
  expect(await finding('clock', 'opensearch', at(Date.now()))).toBeUndefined()
  const ahead = await finding('clock', 'opensearch', at(Date.now() + 3_600_000))
  expect(ahead).toMatchObject({ state: 'note', says: expect.stringMatching(/clock of n1 is 3[56]\d\d.* s ahead of/) })
})

test('privileges that are lacking are named', async () => {
  const cluster = Object.fromEntries(PRIVILEGES.cluster.map((name) => [name, name !== 'manage_ilm']))
  const index = {
    'logs-borescope.*-lab': Object.fromEntries(PRIVILEGES.index.map((name) => [name, name !== 'delete'])),
  }
  const path = '/_security/user/_has_privileges'
  const lacking = { [path]: { body: { username: 'sensor', has_all_requested: false, cluster, index } } }
  const found = await finding('privileges', 'elasticsearch', lacking)
  expect(found).toMatchObject({
    state: 'wrong',
    says: expect.stringMatching(/^sensor lacks manage_ilm, delete: grant/),
  })
  const all = { [path]: { body: { username: 'sensor', has_all_requested: true, cluster: {}, index: {} } } }
  expect(await finding('privileges', 'elasticsearch', all)).toMatchObject({ state: 'fine' })
  const user = { '/_plugins/_security/authinfo': { body: { user_name: 'sensor', roles: ['writer'] } } }
  expect(await finding('privileges', 'opensearch', user)).toMatchObject({
    state: 'fine',
    says: 'sensor with the roles writer',
  })
  const denied = { '/_cluster/health': { status: 403, body: { error: { reason: 'no' } } } }
  expect(await finding('health', 'elasticsearch', denied)).toMatchObject({
    state: 'note',
    says: expect.stringMatching(/monitor/),
  })
})

test('templates of this version, of another, and none', async () => {
  const templates = (version: string) => ({
    '/_component_template': {
      body: {
        component_templates: [...STREAMS.keys()].map((key) => ({
          name: `${key}@mappings`,
          component_template: { _meta: { version }, template: {} },
        })),
      },
    },
  })
  const { version } = optionsFor('http://x', 'lab')
  expect(await finding('templates', 'opensearch', templates(version))).toMatchObject({ state: 'fine' })
  expect(await finding('templates', 'opensearch', templates('999.0.0'))).toMatchObject({
    state: 'note',
    says: expect.stringMatching(/later/),
  })
  expect(await finding('templates', 'opensearch', templates('0.0.1'))).toMatchObject({
    says: expect.stringMatching(/updates them/),
  })
  expect(await finding('templates', 'opensearch', {})).toMatchObject({
    says: expect.stringMatching(/not installed yet/),
  })
})
