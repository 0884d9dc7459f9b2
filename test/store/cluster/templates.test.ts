/** Templates in a server of their own: they belong to all namespaces, so other tests would meet these. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask, type ClusterClient } from '../../../src/store/cluster/client.ts'
import { STREAMS } from '../../../src/store/cluster/mapping.ts'
import { type ClusterOptions, openClusterStore } from '../../../src/store/cluster/store.ts'
import { installedVersions, isLater } from '../../../src/store/cluster/templates.ts'
import { type OwnServer, ownServer, unavailable } from '../../support/servers/servers.ts'
import { document } from '../documents.ts'
import { clientOf, connectionTo, optionsFor } from './live.ts'

const KIND = 'opensearch3'
const PPP = 'logs-borescope.ppp@mappings'

describe.skipIf(await unavailable(KIND))('templates', () => {
  let server: OwnServer
  let client: ClusterClient
  let puts: string[] = []

  beforeAll(async () => {
    server = await ownServer(KIND)
    client = await clientOf(server.product, connectionTo(server.url))
  })
  afterAll(async () => {
    await client.close()
    await server.stop()
  })

  /** Writes an event with a store of its own, and notes which templates that puts. */
  async function write(changes: Partial<ClusterOptions>, id: string): Promise<void> {
    const inner = await clientOf(server.product, connectionTo(server.url))
    puts = []
    const watched: ClusterClient = {
      ...inner,
      request: (call) => {
        if (call.method === 'PUT') puts.push(call.path.replace(/^\/_(component|index)_template\//, ''))
        return inner.request(call)
      },
    }
    const store = await openClusterStore(watched, optionsFor(server.url, 'lab', changes))
    const event = document(id, { 'event.dataset': 'borescope.ppp', 'user.name': 'bob' })
    expect(await store.write([event])).toMatchObject({ stored: 1, rejected: [] })
    await store.close()
  }

  async function template(name: string) {
    const reply = await ask<{ component_templates: { component_template: { template: object; _meta: object } }[] }>(
      client,
      { method: 'GET', path: `/_component_template/${name}` },
    )
    return reply.component_templates[0].component_template
  }

  test('are made when they are missing, and then left alone', async () => {
    await write({ version: '1.2.0' }, 'a')
    expect(puts).toHaveLength(2 + 2 * STREAMS.size)
    await write({ version: '1.2.0' }, 'b')
    expect(puts).toEqual([])
    expect(await template(PPP)).toMatchObject({ _meta: { managed_by: 'borescope', version: '1.2.0' } })
    const versions = await installedVersions(client)
    expect(versions.get(PPP)).toBe('1.2.0')
  })

  test('are put again when an option changes what they say', async () => {
    await write({ version: '1.2.0', shards: 2 }, 'c')
    expect(puts).toEqual(['borescope@settings'])
  })

  test('are updated by a later version, and never by an earlier one', async () => {
    await write({ version: '1.10.0' }, 'd')
    expect(puts.filter((path) => !path.startsWith('/'))).toHaveLength(1 + 2 * STREAMS.size)
    await write({ version: '1.9.9', replicas: 1 }, 'e')
    expect(puts).toEqual([])
    expect(await template(PPP)).toMatchObject({ _meta: { version: '1.10.0' } })
  })

  test('leave what a user has put into borescope@custom', async () => {
    const body = { template: { settings: { index: { refresh_interval: '7s' } } } }
    await ask(client, { method: 'PUT', path: '/_component_template/borescope@custom', body })
    await write({ version: '1.11.0' }, 'f')
    expect(await template('borescope@custom')).toMatchObject({ template: body.template })
    await ask(client, { method: 'POST', path: '/logs-borescope.ppp-lab/_rollover' })
    const settings = await ask<object>(client, {
      method: 'GET',
      path: '/.ds-logs-borescope.ppp-lab-000002/_settings',
      query: { flat_settings: true },
    })
    expect(JSON.stringify(settings)).toContain('"index.refresh_interval":"7s"')
  })

  test('give an existing stream the fields that are new', async () => {
    const { template: before } = (await template(PPP)) as {
      template: { mappings: { properties: Record<string, object> } }
    }
    const { user: _, ...others } = before.mappings.properties
    const older = { template: { ...before, mappings: { ...before.mappings, properties: others, _meta: {} } } }
    await ask(client, {
      method: 'PUT',
      path: `/_component_template/${PPP}`,
      body: { ...older, _meta: { version: '1.11.0', hash: 'another' } },
    })
    await ask(client, { method: 'DELETE', path: '/_data_stream/logs-borescope.ppp-lab' })
    await ask(client, {
      method: 'POST',
      path: '/_bulk',
      body: '{"create":{"_index":"logs-borescope.ppp-lab","_id":"x"}}\n{"@timestamp":"2026-03-01T00:00:00Z"}\n',
    })
    await write({ version: '1.12.0' }, 'g')
    expect(puts).toContain('/logs-borescope.ppp-lab/_mapping')
    const found = await ask<{ count: number }>(client, {
      method: 'POST',
      path: '/logs-borescope.ppp-lab/_count',
      body: { query: { term: { 'user.name': 'bob' } } },
    })
    expect(found.count).toBe(1)
    expect(await indicesOf('logs-borescope.ppp-lab')).toBe(1)
  })

  test('roll a stream over in which a field has another type', async () => {
    const { template: before } = (await template(PPP)) as {
      template: { mappings: { properties: Record<string, object> } }
    }
    const properties = { ...before.mappings.properties, user: { properties: { name: { type: 'long' } } } }
    await ask(client, {
      method: 'PUT',
      path: `/_component_template/${PPP}`,
      body: {
        template: { ...before, mappings: { ...before.mappings, properties, _meta: {} } },
        _meta: { version: '1.12.0', hash: 'another' },
      },
    })
    await ask(client, { method: 'POST', path: '/logs-borescope.ppp-lab/_rollover' })
    await write({ version: '1.12.0' }, 'h')
    expect(await indicesOf('logs-borescope.ppp-lab')).toBe(3)
  })

  async function indicesOf(stream: string): Promise<number> {
    const reply = await ask<{ data_streams: { indices: object[] }[] }>(client, {
      method: 'GET',
      path: `/_data_stream/${stream}`,
    })
    return reply.data_streams[0].indices.length
  }
})

test('a version is later by its numbers, not by its letters', () => {
  expect(isLater('1.10.0', '1.9.9')).toBe(true)
  expect(isLater('1.9.9', '1.10.0')).toBe(false)
  expect(isLater('1.2.0', '1.2.0')).toBe(false)
  expect(isLater(undefined, '0.0.1')).toBe(false)
})
