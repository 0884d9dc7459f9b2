import { existsSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import { type KindName, ownServer, sharedServer, type TestServer, unavailable } from './servers.ts'

const STREAM = 'borescope-selftest'

/** What a server answered, which must be a success. */
async function ask(server: TestServer, method: string, path: string, body?: unknown): Promise<unknown> {
  const text = Array.isArray(body) ? body.map((line) => `${JSON.stringify(line)}\n`).join('') : JSON.stringify(body)
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: { 'content-type': Array.isArray(body) ? 'application/x-ndjson' : 'application/json' },
    ...(body !== undefined && { body: text }),
  })
  const answer = await response.json()
  if (!response.ok) throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`)
  return answer
}

/** One document more in the data stream, which the first one makes. */
async function index(server: TestServer, id: string): Promise<unknown> {
  await ask(server, 'PUT', `/_index_template/${STREAM}`, {
    index_patterns: [STREAM],
    data_stream: {},
    template: { mappings: { properties: { '@timestamp': { type: 'date_nanos' }, 'source.ip': { type: 'ip' } } } },
  })
  const document = { '@timestamp': '2026-01-01T00:00:00Z', 'source.ip': '192.0.2.1' }
  return ask(server, 'POST', `/${STREAM}/_bulk?refresh=true`, [{ create: { _id: id } }, document])
}

async function count(server: TestServer): Promise<unknown> {
  return ask(server, 'GET', `/${STREAM}/_count?q=source.ip:"192.0.2.0/24"`)
}

function describeServer(kind: KindName, missing: string | null, product: string, version: RegExp): void {
  describe.skipIf(missing !== null)(`a server of ${kind}`, () => {
    afterAll(async () => {
      const shared = await sharedServer(kind)
      await ask(shared, 'DELETE', `/_data_stream/${STREAM}`)
      await ask(shared, 'DELETE', `/_index_template/${STREAM}`)
    })

    it('says what it is, and takes a document into a data stream', async () => {
      const shared = await sharedServer(kind)
      expect(shared.product).toBe(product)
      expect(shared.version).toMatch(version)
      expect(await index(shared, 'one')).toMatchObject({ errors: false, items: [{ create: { status: 201 } }] })
      expect(await count(shared)).toMatchObject({ count: 1 })
    })

    it('is the same for whoever asks again', async () => {
      expect(await sharedServer(kind)).toEqual(await sharedServer(kind))
    })

    it('of one’s own stands beside the shared one, survives kill -9 with its data, and is gone in the end', async () => {
      const own = await ownServer(kind)
      try {
        expect(own.url).not.toBe((await sharedServer(kind)).url)
        await expect(count(own)).rejects.toThrow('index_not_found')
        await index(own, 'one')
        await index(own, 'two')
        await own.kill()
        await expect(count(own)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } })
        await own.start()
        expect(await count(own)).toMatchObject({ count: 2 })
      } finally {
        await own.stop()
      }
      await expect(count(own)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } })
      expect(existsSync(own.folder)).toBe(false)
    })

    it('that stands still takes connections and does not answer, until it goes on', async () => {
      await using own = await ownServer(kind)
      own.pause()
      const answer = fetch(`${own.url}/`).then(({ status }) => status)
      await expect(fetch(`${own.url}/`, { signal: AbortSignal.timeout(1000) })).rejects.toThrow('timeout')
      own.resume()
      expect(await answer).toBe(200)
    })

    it('that stands still can be removed', async () => {
      const own = await ownServer(kind)
      own.pause()
      await own.stop()
      await expect(count(own)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } })
    })
  })
}

describeServer('opensearch3', await unavailable('opensearch3'), 'opensearch', /^3\./)
describeServer('opensearch2', await unavailable('opensearch2'), 'opensearch', /^2\.19\./)
describeServer('elasticsearch', await unavailable('elasticsearch'), 'elasticsearch', /^9\./)
