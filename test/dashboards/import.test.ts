import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { savedObjectsNdjson } from '../../src/dashboards/dashboards.ts'
import { DashboardsError, type DashboardsServer, identify, importObjects } from '../../src/dashboards/import.ts'
import type { Product } from '../../src/dashboards/saved-object.ts'

interface Received {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

type Behaviour = (request: Received, response: ServerResponse) => void

let server: Server | undefined
let received: Received[] = []

afterEach(async () => {
  server?.closeAllConnections()
  await new Promise((done) => (server === undefined ? done(null) : server.close(done)))
  server = undefined
  received = []
})

/** A server in this process that answers as it is told; resolves to its address. */
async function serve(behaviour: Behaviour): Promise<URL> {
  server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text
    })
    request.on('end', () => {
      const { method = '', url = '', headers } = request
      const whole = { method, url, headers, body }
      received.push(whole)
      behaviour(whole, response)
    })
  })
  await new Promise<void>((done) => server!.listen(0, '127.0.0.1', done))
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
}

function json(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

/** The import API, as both products have it. */
function product(name: Product, answer: Behaviour): Behaviour {
  const named = name === 'kibana' ? { 'kbn-name': 'kibana.example' } : { 'osd-name': 'dashboards.example' }
  return (request, response) => {
    for (const [header, value] of Object.entries(named)) response.setHeader(header, value)
    if (request.url.endsWith('/api/status')) return json(response, 200, { version: { number: '9.4.3' } })
    answer(request, response)
  }
}

const target = (url: URL, change: Partial<DashboardsServer> = {}): DashboardsServer => ({
  url,
  username: '',
  ca: '',
  password: '',
  apiKey: '',
  space: '',
  tenant: '',
  ...change,
})

/** The lines of the file in a multipart form, and the name that it has there. */
function fileOf({ headers, body }: Received): { name: string; lines: string[] } {
  const boundary = /^multipart\/form-data; boundary=(.+)$/.exec(headers['content-type'] ?? '')?.[1] ?? ''
  const [head, ...rest] = body.split(`--${boundary}`)[1].split('\r\n\r\n')
  return { name: /filename="([^"]+)"/.exec(head)?.[1] ?? '', lines: rest.join('\r\n\r\n').trimEnd().split('\n') }
}

describe('which product it is', () => {
  test.each([
    ['kibana', 'kibana'],
    ['opensearch', 'opensearch'],
  ] as const)('%s names itself', async (name, expected) => {
    const url = await serve(product(name, () => {}))
    expect(await identify(target(url))).toBe(expected)
  })

  test('even where one must log in first', async () => {
    const url = await serve((_, response) => json(response, 401, {}, { 'kbn-name': 'x' }))
    expect(await identify(target(url))).toBe('kibana')
  })

  test('the cluster itself is no Kibana', async () => {
    const url = await serve((_, response) =>
      json(response, 400, { error: 'no handler found' }, { 'x-elastic-product': 'Elasticsearch' }),
    )
    await expect(identify(target(url))).rejects.toThrow(/is the cluster itself: name the address of its Kibana/)
  })

  test('something else is neither', async () => {
    const url = await serve((_, response) => json(response, 404, {}))
    await expect(identify(target(url))).rejects.toThrow(
      `${url.origin} answers with 404, but as neither Kibana nor OpenSearch Dashboards`,
    )
  })

  test('nobody at all', async () => {
    const url = await serve(() => {})
    await new Promise((done) => server!.close(done))
    server = undefined
    await expect(identify(target(url))).rejects.toThrow(/cannot be reached: .*ECONNREFUSED/)
  })

  test('an answer that breaks off is told, and not waited for', async () => {
    const url = await serve((_, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('half')
      response.destroy()
    })
    await expect(identify(target(url))).rejects.toBeInstanceOf(DashboardsError)
  })

  test('an address that is none of the web', async () => {
    await expect(identify(target(new URL('ftp://kibana.example')))).rejects.toThrow(/begins with https/)
  })
})

describe('an import', () => {
  test('sends every object to Kibana, in its space, over what is there', async () => {
    const ndjson = savedObjectsNdjson('kibana')
    const url = await serve(
      product('kibana', (request, response) =>
        json(response, 200, { success: true, successCount: fileOf(request).lines.length, warnings: [] }),
      ),
    )
    const report = await importObjects(
      target(url, { username: 'elastic', password: 'päss', space: 'net ops' }),
      'kibana',
      ndjson,
    )
    expect(report).toEqual({ imported: ndjson.trimEnd().split('\n').length, refused: [] })
    const [request] = received
    expect(`${request.method} ${request.url}`).toBe('POST /s/net%20ops/api/saved_objects/_import?overwrite=true')
    expect(request.headers['kbn-xsrf']).toBeDefined()
    expect(request.headers.authorization).toBe(`Basic ${Buffer.from('elastic:päss').toString('base64')}`)
    // The products look at the ending.
    expect(fileOf(request).name).toMatch(/\.ndjson$/)
    expect(fileOf(request).lines.join('\n')).toBe(ndjson.trimEnd())
  })

  test('sends them to OpenSearch Dashboards, into its tenant, below its base path', async () => {
    const url = await serve(
      product('opensearch', (_, response) => json(response, 200, { success: true, successCount: 77 })),
    )
    const below = new URL('/dashboards', url)
    const report = await importObjects(target(below, { tenant: 'global' }), 'opensearch', '{}\n')
    expect(report).toEqual({ imported: 77, refused: [] })
    const [request] = received
    expect(request.url).toBe('/dashboards/api/saved_objects/_import?overwrite=true')
    expect(request.headers['osd-xsrf']).toBeDefined()
    expect(request.headers['securitytenant']).toBe('global')
    expect(request.headers.authorization).toBeUndefined()
  })

  test('an API key goes before a password', async () => {
    const url = await serve(product('kibana', (_, response) => json(response, 200, { successCount: 0 })))
    await importObjects(target(url, { username: 'u', password: 'p', apiKey: 'abc=' }), 'kibana', '{}\n')
    expect(received[0].headers.authorization).toBe('ApiKey abc=')
  })

  test('names each object that was refused, and why', async () => {
    const errors = [
      {
        type: 'visualization',
        id: 'a',
        meta: { title: 'A' },
        error: { type: 'missing_references', references: [{ type: 'index-pattern', id: 'borescope' }] },
      },
      { type: 'lens', id: 'b', title: 'B', error: { type: 'unsupported_type' } },
      { type: 'dashboard', id: 'c', meta: {}, error: { type: 'conflict', destinationId: 'd' } },
      {
        type: 'search',
        id: 'd',
        meta: { title: 'D' },
        error: { type: 'unknown', message: 'too new', statusCode: 400 },
      },
      null,
    ]
    const url = await serve(
      product('kibana', (_, response) => json(response, 200, { success: false, successCount: 3, errors })),
    )
    expect(await importObjects(target(url), 'kibana', '{}\n')).toEqual({
      imported: 3,
      refused: [
        { type: 'visualization', id: 'a', title: 'A', reason: 'it needs index-pattern borescope, which is not there' },
        { type: 'lens', id: 'b', title: 'B', reason: 'this product has no such objects' },
        { type: 'dashboard', id: 'c', title: '', reason: 'another object stands in its place' },
        { type: 'search', id: 'd', title: 'D', reason: 'too new' },
        { type: '', id: '', title: '', reason: 'no reason given' },
      ],
    })
  })

  test.each([
    [401, { message: 'Unauthorized' }, /refuses user elastic: set dashboards\.username and dashboards\.password/],
    [403, { message: 'Unable to bulk_create' }, /may not import saved objects: Unable to bulk_create/],
    [404, { message: 'Not Found' }, /no import API there: a wrong base path, or no such space: Not Found/],
    [413, { message: 'Payload content length greater' }, /refuses the import with 413: Payload/],
    [503, 'Kibana server is not ready yet', /refuses the import with 503$/],
  ])('says what to do about %i', async (status, body, says) => {
    const url = await serve(product('kibana', (_, response) => json(response, status, body)))
    const login = { username: 'elastic', password: 'a secret' }
    const failure = await importObjects(target(url, login), 'kibana', '{}\n').catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(DashboardsError)
    expect(String(failure)).toMatch(says)
    expect(String(failure)).not.toContain('a secret')
  })

  test('a way to the log-in page is a refusal', async () => {
    const url = await serve(
      product('opensearch', (_, response) => response.writeHead(302, { location: '/app/login?nextUrl=%2F' }).end()),
    )
    await expect(importObjects(target(url), 'opensearch', '{}\n')).rejects.toThrow(
      /refuses nobody: set dashboards\.username/,
    )
  })

  test.each(['<html>a proxy</html>', '[]', '{"success":true}'])('an answer that is no result: %s', async (body) => {
    const url = await serve(product('kibana', (_, response) => response.writeHead(200).end(body)))
    await expect(importObjects(target(url), 'kibana', '{}\n')).rejects.toThrow(/something else than a result/)
  })

  test('spaces are of Kibana, tenants of OpenSearch Dashboards', async () => {
    const url = new URL('http://127.0.0.1:9')
    await expect(importObjects(target(url, { tenant: 't' }), 'kibana', '')).rejects.toThrow(/no tenants: use --space/)
    await expect(importObjects(target(url, { space: 's' }), 'opensearch', '')).rejects.toThrow(
      /no spaces: use --tenant/,
    )
  })
})
