/**
 * A live server that lets only those in whom it knows, over TLS, with the certificates, users and roles that deploy/setup.sh
 * makes for a deployment.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { Deliveries } from '../../src/deliveries.ts'
import { ask } from '../../src/store/cluster/client.ts'
import type { Connection } from '../../src/store/cluster/client.ts'
import { examineCluster } from '../../src/store/cluster/examine.ts'
import { openSearchClient } from '../../src/store/cluster/opensearch.ts'
import { type ClusterStore, openClusterStore } from '../../src/store/cluster/store.ts'
import { optionsFor } from '../store/cluster/live.ts'
import { idsOf } from '../store/contract.ts'
import { sessionEvent } from '../store/documents.ts'
import { ServerProcess } from '../support/servers/process.ts'
import { unavailable } from '../support/servers/servers.ts'
import { Producer, SETTINGS } from './support.ts'

const KIND = 'opensearch2secured'
const PASSWORDS = {
  ADMIN_PASSWORD: 'a'.repeat(24),
  DASHBOARDS_PASSWORD: 'b'.repeat(24),
  SENSOR_PASSWORD: 'c'.repeat(24),
}
const SENSOR = { username: 'borescope', password: PASSWORDS.SENSOR_PASSWORD }
const ADMIN = { username: 'admin', password: PASSWORDS.ADMIN_PASSWORD }

function lacking(...tools: readonly string[]): boolean {
  const missing = tools.filter((tool) => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0)
  if (missing.length > 0) process.stderr.write(`\nSKIPPED: test/live/security.test.ts needs ${missing.join(', ')}\n\n`)
  return missing.length > 0
}

/** The settings that docker-compose.yml gives the server. */
const TLS = Object.fromEntries(
  ['http', 'transport'].flatMap((layer) =>
    [
      ['pemkey', 'tls.key'],
      ['pemcert', 'tls.crt'],
      ['pemtrustedcas', 'ca.crt'],
    ].map(([part, file]) => [`plugins.security.ssl.${layer}.${part}_filepath`, `cluster/${file}`]),
  ),
)
const SECURITY = {
  ...TLS,
  'plugins.security.allow_default_init_securityindex': true,
  'plugins.security.ssl.http.enabled': true,
  'plugins.security.nodes_dn': 'CN=opensearch',
  'plugins.security.restapi.roles_enabled': 'all_access',
}

describe.skipIf(lacking('openssl', 'htpasswd') || (await unavailable(KIND)) !== null)(
  'a server with TLS, users and roles',
  { timeout: 300_000 },
  () => {
    let folder: string
    let server: ServerProcess
    let ca: string

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'borescope-security-'))
      const setup = (...words: string[]) => {
        const script = resolve(import.meta.dirname, '../../deploy/setup.sh')
        const { status, stderr } = spawnSync('sh', [script, ...words], { env: { ...process.env, ...PASSWORDS } })
        if (status !== 0) throw new Error(`setup.sh ${words.join(' ')}: ${stderr}`)
      }
      setup('certificates', folder, 'opensearch')
      setup('opensearch', join(folder, 'opensearch'))
      ca = readFileSync(join(folder, 'trust', 'ca.crt'), 'utf8')
      server = await ServerProcess.launch(KIND, SECURITY, {
        ca,
        user: 'admin',
        password: ADMIN.password,
        prepare(configuration, archives) {
          cpSync(join(archives, 'config'), join(configuration, 'opensearch-security'), { recursive: true })
          cpSync(join(folder, 'opensearch'), join(configuration, 'cluster'), { recursive: true })
          for (const file of ['internal_users.yml', 'roles.yml'])
            cpSync(join(folder, 'opensearch', file), join(configuration, 'opensearch-security', file))
        },
      })
    })
    afterAll(async () => {
      await server?.remove()
      rmSync(folder, { recursive: true })
    })

    function options(namespace: string, changes: Partial<Connection>) {
      const base = optionsFor(server.url, namespace)
      return { ...base, connection: { ...base.connection, ca, ...SENSOR, ...changes } }
    }

    async function openStore(namespace: string, changes: Partial<Connection> = {}): Promise<ClusterStore> {
      const all = options(namespace, changes)
      return openClusterStore(await openSearchClient(all.connection), all)
    }

    async function request(method: 'GET' | 'POST' | 'PUT', path: string, as: Partial<Connection>, body?: object) {
      const client = await openSearchClient(options('x', as).connection)
      try {
        return await client.request({ method, path, ...(body === undefined ? {} : { body }) })
      } finally {
        await client.close()
      }
    }

    it('lets the sensor do all that a store does, and nothing beside', async () => {
      const store = await openStore('allowed')
      const events = Array.from({ length: 30 }, (_, i) => sessionEvent(i))
      expect(await store.write(events.slice(0, 20))).toMatchObject({ stored: 20, later: [] })
      const rolled = await request('POST', '/logs-borescope.l2tp-allowed/_rollover', SENSOR)
      expect(rolled.body).toMatchObject({ rolled_over: true })
      // Into a new index, with a look into the older one, and with a field that the mapping lacks.
      expect(await store.write(events)).toMatchObject({ stored: 10, duplicates: 20 })
      const strange = { ...sessionEvent(99), 'dns.question.name': 'p-1' }
      expect(await store.write([strange])).toMatchObject({ stored: 1, rejected: [], later: [] })
      expect(await idsOf(store, { kql: 'dns.question.name: p-1' })).toEqual([strange['event.id']])
      expect(await store.count({})).toBe(31)
      expect((await store.stats()).events).toBe(31)
      expect(await store.aggregate({}, { by: ['event.action'], limit: 9 })).not.toEqual([])
      const now = strange['@timestamp']
      expect(await store.prune({ maxAgeMs: 80, now })).toBe(19)
      await store.close()

      expect((await request('PUT', '/elsewhere/_doc/1', SENSOR, { a: 1 })).status).toBe(403)
      expect((await request('GET', '/_plugins/_security/api/internalusers', SENSOR)).status).toBe(403)
      expect((await request('PUT', '/elsewhere/_doc/1', ADMIN, { a: 1 })).status).toBe(201)
      expect((await request('GET', '/elsewhere/_search', SENSOR)).status).toBe(403)
    })

    it('streams pages of it to somebody who only asks', async () => {
      const writer = await openStore('pages')
      const events = Array.from({ length: 2500 }, (_, i) => sessionEvent(i))
      expect(await writer.write(events)).toMatchObject({ stored: 2500 })
      await writer.close()
      const all = { ...options('pages', {}), readOnly: true }
      const reader = await openClusterStore(await openSearchClient(all.connection), all)
      expect(await idsOf(reader, {})).toHaveLength(2500)
      await reader.close()
    })

    it('is examined by doctor, and found to be in order', async () => {
      const all = options('examined', {})
      const client = await openSearchClient(all.connection)
      const findings = await examineCluster(client, all)
      await client.close()
      expect(findings.filter(({ state }) => state === 'wrong')).toEqual([])
      expect(findings).toContainEqual({
        of: 'privileges',
        state: 'fine',
        says: expect.stringMatching(/^borescope with the roles .*borescope/),
      })
      // Nothing that can be seen is hidden from the role.
      expect(findings.map(({ says }) => says).join()).not.toContain('grant the privilege')
    })

    it('is told apart from one that is not what it says, and from one that knows somebody else', async () => {
      const failure = async (changes: Partial<Connection>) => {
        const store = await openStore('refused', changes)
        const error = await store.write([sessionEvent(0)]).then(
          () => null,
          (thrown: unknown) => thrown,
        )
        await store.close()
        return error
      }
      const system = { ...options('refused', {}).connection } as Partial<Connection>
      delete (system as { ca?: string }).ca
      const untrusted = await openClusterStore(await openSearchClient(system as Connection), options('refused', {}))
      await expect(untrusted.write([sessionEvent(0)])).rejects.toMatchObject({
        retry: 'later',
        message: expect.stringMatching(/certificate .* is not trusted .*store\.caFile/),
      })
      await untrusted.close()
      expect(await failure({ password: 'wrong' })).toMatchObject({
        retry: 'later',
        message: expect.stringMatching(/knows these credentials not/),
      })
      // Somebody whom it knows, and who may not store.
      expect(await failure({ username: 'kibanaserver', password: PASSWORDS.DASHBOARDS_PASSWORD })).toMatchObject({
        retry: 'later',
        message: expect.stringMatching(/no permissions for/),
      })
      const { body } = await request('GET', '/_cat/indices/*refused*', ADMIN)
      expect(body ?? '').toBe('')
    })

    it('gets every event once the password is right', async () => {
      const path = join(folder, 'spool')
      const wrong = await openStore('late', { password: 'of yesterday' })
      const first = new Deliveries({ ...SETTINGS, path, holdBackSeconds: 0.1 }, 'test', () => {})
      const delivery = first.open('store', wrong, 'remote')
      const producer = new Producer(delivery)
      await producer.make(700)
      await vi.waitFor(() => expect(delivery.status().lastError?.message).toContain('credentials'), { timeout: 30_000 })
      await first.close()
      await wrong.close()
      expect(delivery.counts).toMatchObject({ spooled: 700, stored: 0, dropped: {} })

      const right = await openStore('late')
      const second = new Deliveries({ ...SETTINGS, path }, 'test', () => {})
      const next = second.open('store', right, 'remote')
      await next.flush()
      await second.close()
      const { counts } = next
      expect(counts).toMatchObject({ resumed: 700, quarantined: producer.poisoned.size, spooled: 0, dropped: {} })
      expect(counts.stored + counts.duplicates).toBe(producer.wholesome.length)
      await right.close()
      const client = await openSearchClient(options('late', ADMIN).connection)
      const { count } = await ask<{ count: number }>(client, { method: 'GET', path: '/logs-borescope.*-late/_count' })
      await client.close()
      expect(count).toBe(producer.wholesome.length)
    })
  },
)
