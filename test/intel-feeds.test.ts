import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { TaxiiError } from '../src/enrich/intel/taxii.ts'
import { type FeedEntry, IntelFeeds } from '../src/intel-feeds.ts'

const NOW_MS = Date.UTC(2026, 0, 10)
let folder: string
let feeds: IntelFeeds
let server: Server | null = null

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'intel-'))
  feeds = new IntelFeeds(join(folder, 'intel'), 1000)
})
afterEach(async () => {
  server?.closeAllConnections()
  await new Promise<void>((done) => (server === null ? done() : server.close(() => done())))
  server = null
  rmSync(folder, { recursive: true })
})

async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  server = createServer(answer)
  await new Promise<void>((done) => server?.listen(0, '127.0.0.1', () => done()))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const feed = (fields: Partial<FeedEntry> & Pick<FeedEntry, 'source' | 'kind'>): FeedEntry => ({
  name: 'mine',
  isAllowList: false,
  ...fields,
})
const has = (address: string) => [...feeds.tables().listed.find('ip', address)].length

describe('a file', () => {
  test('is read, kept, found, changed and removed', async () => {
    const source = join(folder, 'list.txt')
    writeFileSync(source, '192.0.2.1\n192.0.2.2\n')
    feeds.add(feed({ source, kind: 'file', confidence: 60 }))
    expect((await feeds.update(feeds.list()[0], NOW_MS)).isChanged).toBe(true)
    expect([has('192.0.2.1'), has('192.0.2.9')]).toEqual([1, 0])
    expect((await feeds.update(feeds.list()[0], NOW_MS)).isChanged).toBe(false)
    writeFileSync(source, '192.0.2.9\n')
    const changed = await feeds.update(feeds.list()[0], NOW_MS)
    expect(changed.isChanged).toBe(true)
    expect(changed.fresh.map(({ value }) => value)).toEqual(['192.0.2.9'])
    feeds.searched('mine')
    expect([has('192.0.2.1'), has('192.0.2.9')]).toEqual([0, 1])
    writeFileSync(source, '192.0.2.9 ; described now\n')
    // What it looks for is the same.
    expect(await feeds.update(feeds.list()[0], NOW_MS)).toMatchObject({ isChanged: true, fresh: [] })
    feeds.remove('mine')
    expect(readdirSync(join(folder, 'intel'))).toEqual(['feeds.json'])
    expect(() => feeds.remove('mine')).toThrow('there is no list "mine"')
  })

  test('what nobody has looked for yet is fresh still, as long as the list says it', async () => {
    const source = join(folder, 'list.txt')
    writeFileSync(source, '192.0.2.1\n192.0.2.2\n')
    feeds.add(feed({ source, kind: 'file' }))
    const fresh = async () => (await feeds.update(feeds.list()[0], NOW_MS)).fresh.map(({ value }) => value)
    expect(await fresh()).toEqual(['192.0.2.1', '192.0.2.2'])
    // The process ended before it looked.
    expect(await fresh()).toEqual(['192.0.2.1', '192.0.2.2'])
    writeFileSync(source, '192.0.2.2\n192.0.2.3\n')
    expect(await fresh()).toEqual(['192.0.2.2', '192.0.2.3'])
    feeds.searched('mine')
    expect(await fresh()).toEqual([])
    writeFileSync(source, '192.0.2.4\n')
    await fresh()
    feeds.remove('mine')
    expect(readdirSync(join(folder, 'intel'))).toEqual(['feeds.json'])
  })

  test('that is a folder or a device, which has no end, is refused', async () => {
    for (const [source, what] of [
      [folder, 'a folder'],
      ['/dev/zero', 'a device'],
    ]) {
      feeds.add(feed({ source, kind: 'file' }))
      await expect(feeds.update(feeds.list()[0], NOW_MS)).rejects.toThrow(`${source} is ${what}, not a list`)
      feeds.remove('mine')
    }
  })

  test('what the list saw last too long ago is left out', async () => {
    const source = join(folder, 'list.csv')
    writeFileSync(source, 'ip,last_seen,malware\n192.0.2.1,2026-01-09,x\n192.0.2.2,2025-01-01,x\n')
    feeds.add(feed({ source, kind: 'file', expireDays: 30 }))
    expect((await feeds.update(feeds.list()[0], NOW_MS)).feed.indicators).toBe(1)
  })

  test('names that lead elsewhere, and names twice, are refused', () => {
    expect(() => feeds.add(feed({ name: '../x', source: 'x', kind: 'file' }))).toThrow(/letters, digits/)
    feeds.add(feed({ source: 'x', kind: 'file' }))
    expect(() => feeds.add(feed({ source: 'x', kind: 'file' }))).toThrow('there is a list "mine" already')
  })

  test('a damaged list of lists is named', () => {
    mkdirSync(join(folder, 'intel'))
    writeFileSync(join(folder, 'intel/feeds.json'), '[{"name": 5}]')
    expect(() => feeds.list()).toThrow(/feeds\.json/)
  })
})

describe('an address', () => {
  test('is asked whether there is anything new, with the authorization from its file', async () => {
    const asked: (string | undefined)[] = []
    const source = await serve((request, response) => {
      asked.push(request.headers['if-none-match'], request.headers.authorization)
      if (request.headers['if-none-match'] === '"1"') response.writeHead(304).end()
      else response.writeHead(200, { etag: '"1"' }).end('192.0.2.1\n')
    })
    const authorizationFile = join(folder, 'token')
    writeFileSync(authorizationFile, 'Bearer secret\n')
    feeds.add(feed({ source, kind: 'http', authorizationFile }))
    await feeds.update(feeds.list()[0], NOW_MS)
    expect((await feeds.update(feeds.list()[0], NOW_MS)).isChanged).toBe(false)
    expect(asked).toEqual([undefined, 'Bearer secret', '"1"', 'Bearer secret'])
    expect(readFileSync(join(folder, 'intel/feeds.json'), 'utf8')).not.toContain('secret')
    expect(has('192.0.2.1')).toBe(1)
  })

  test('that fails leaves the list as it was', async () => {
    let isBroken = false
    const source = await serve((_, response) => {
      if (isBroken) response.writeHead(503).end()
      else response.end('192.0.2.1\n')
    })
    feeds.add(feed({ source, kind: 'http' }))
    await feeds.update(feeds.list()[0], NOW_MS)
    isBroken = true
    await expect(feeds.update(feeds.list()[0], NOW_MS)).rejects.toThrow('answered 503')
    expect(has('192.0.2.1')).toBe(1)
  })
})

describe('TAXII', () => {
  const indicator = (address: string) => ({
    type: 'indicator',
    id: address,
    pattern: `[ipv4-addr:value = '${address}']`,
    pattern_type: 'stix',
  })
  const taxii = (response: ServerResponse, body: object, last = '2026-01-01T00:00:00.000Z') =>
    response
      .writeHead(200, { 'content-type': 'application/taxii+json;version=2.1', 'x-taxii-date-added-last': last })
      .end(JSON.stringify(body))

  test('pages are followed, and the next visit begins where this one ended', async () => {
    const asked: string[] = []
    const base = await serve((request, response) => {
      const url = new URL(request.url ?? '', 'http://x')
      asked.push(url.search)
      if (url.searchParams.has('added_after'))
        taxii(response, { objects: [indicator('192.0.2.3')] }, '2026-01-03T00:00:00.000Z')
      else if (url.searchParams.get('next') === 'two')
        taxii(response, { objects: [indicator('192.0.2.2')] }, '2026-01-02T00:00:00.000Z')
      else taxii(response, { more: true, next: 'two', objects: [indicator('192.0.2.1')] })
    })
    feeds.add(feed({ source: `${base}/root/collections/1`, kind: 'taxii' }))
    await feeds.update(feeds.list()[0], NOW_MS)
    expect(feeds.list()[0]).toMatchObject({ indicators: 2, addedAfter: '2026-01-02T00:00:00.000Z' })
    await feeds.update(feeds.list()[0], NOW_MS)
    expect(['192.0.2.1', '192.0.2.2', '192.0.2.3'].map(has)).toEqual([1, 1, 1])
    expect(asked[2]).toContain('added_after=2026-01-02')
  })

  test.each([
    ['another kind of answer', (response: ServerResponse) => response.end('<html>')],
    ['a refusal', (response: ServerResponse) => response.writeHead(401).end()],
    ['more without where', (response: ServerResponse) => taxii(response, { more: true, objects: [] })],
  ])('%s is an error', async (_, answer) => {
    const base = await serve((__, response) => void answer(response))
    feeds.add(feed({ source: `${base}/c/`, kind: 'taxii' }))
    await expect(feeds.update(feeds.list()[0], NOW_MS)).rejects.toThrow(TaxiiError)
  })

  test('a server that leads in a circle is left', async () => {
    const base = await serve((_, response) => void taxii(response, { more: true, next: 'same', objects: [] }))
    feeds.add(feed({ source: `${base}/c/`, kind: 'taxii' }))
    await expect(feeds.update(feeds.list()[0], NOW_MS)).rejects.toThrow(/does not say where/)
  })
})

test('a MISP feed: its manifest, and what of its events can be read', async () => {
  const source = join(folder, 'misp')
  const [good, bad] = ['11111111-1111-1111-1111-111111111111', '22222222-2222-2222-2222-222222222222']
  mkdirSync(source)
  writeFileSync(join(source, 'manifest.json'), JSON.stringify({ [good]: {}, [bad]: {}, '../../etc/passwd': {} }))
  writeFileSync(
    join(source, `${good}.json`),
    JSON.stringify({ Event: { Attribute: [{ type: 'ip-dst', value: '192.0.2.1', to_ids: true }] } }),
  )
  writeFileSync(join(source, `${bad}.json`), '{')
  feeds.add(feed({ source, kind: 'misp' }))
  const { problems } = await feeds.update(feeds.list()[0], NOW_MS)
  expect(has('192.0.2.1')).toBe(1)
  expect(problems).toEqual([expect.stringContaining(bad), 'manifest.json: "../../etc/passwd" is no UUID'])
})
