import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, connect, createServer as createTcpServer, type Server } from 'node:net'
import { Webhook } from 'standardwebhooks'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { EventDocument } from '../../src/events/fields.ts'
import { WebhookSink } from '../../src/output/webhook.ts'
import { alert, FULL_ALERT, HOSTILE, hostileAlert, notificationOf } from '../support/alerts.ts'
import { type Certificates, makeCertificates } from '../support/certificates.ts'

const ONE = notificationOf(FULL_ALERT)
const THREE = ['a', 'b', 'c'].map((entity) => notificationOf(alert({ entity })))
const TOKEN = 'T0K3N-that-nobody-may-see'

interface Seen {
  readonly method: string | undefined
  readonly path: string | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

let certificates: Certificates
const servers: Server[] = []
const sinks: WebhookSink[] = []

beforeAll(() => {
  certificates = makeCertificates()
})
afterAll(() => rmSync(certificates.folder, { recursive: true }))
afterEach(async () => {
  for (const sink of sinks.splice(0)) await sink.close()
  for (const server of servers.splice(0)) server.close()
})

async function listening(server: Server): Promise<number> {
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

type Answer = (response: ServerResponse, index: number, request: Seen) => void
const FINE: Answer = (response) => response.end('ok')

async function peer(answer: Answer = FINE, secure = false): Promise<{ url: string; seen: Seen[] }> {
  const seen: Seen[] = []
  const serve = (request: IncomingMessage, response: ServerResponse) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text
    })
    request.on('end', () => {
      seen.push({ method: request.method, path: request.url, headers: request.headers, body })
      answer(response, seen.length - 1, seen[seen.length - 1])
    })
  }
  const server = secure
    ? createHttpsServer({ cert: certificates.cert, key: certificates.key }, serve)
    : createServer(serve)
  const port = await listening(server)
  return { url: `${secure ? 'https://localhost' : 'http://127.0.0.1'}:${port}/hook/${TOKEN}`, seen }
}

function sink(
  url: string,
  options: Partial<ConstructorParameters<typeof WebhookSink>[0]> = {},
  now?: () => number,
): WebhookSink {
  const made = new WebhookSink({ url, method: 'POST', headers: {}, tls: {}, timeoutMs: 5000, ...options }, now)
  sinks.push(made)
  return made
}

const STORED = (count: number) => ({ stored: count, duplicates: 0, rejected: [], later: [] })

describe('a request', () => {
  test('carries the nested document if nothing else is said', async () => {
    const { url, seen } = await peer()
    const hook = sink(url, { method: 'PUT', headers: { 'X-Team': 'soc' } })
    expect(await hook.write([ONE])).toEqual(STORED(1))
    expect(seen[0]).toMatchObject({ method: 'PUT', path: `/hook/${TOKEN}` })
    expect(seen[0].headers).toMatchObject({
      'content-type': 'application/json',
      'x-team': 'soc',
      'user-agent': 'Borescope',
    })
    expect(JSON.parse(seen[0].body)).toMatchObject({
      event: { id: ONE['event.id'], action: 'alert.notified' },
      user: { name: 'alice' },
    })
    expect(hook.answer).toEqual({ accepted: true, text: 'HTTP 200: ok' })
  })

  test('carries a body made from a template', async () => {
    const { url, seen } = await peer()
    const body = {
      text: '{{rule.level}}: {{message}}',
      count: '{{alert.events}}',
      ids: '{{alert.evidence}}',
      nothing: '{{dns.question.name}}',
      list: [1, 'at {{@timestamp}}'],
    }
    await sink(url, { body }).write([ONE])
    expect(JSON.parse(seen[0].body)).toEqual({
      text: `high: ${ONE.message}`,
      count: 12,
      ids: ['7d793037a0760186574b', '9e107d9d372bb6826bd8'],
      nothing: null,
      list: [1, 'at 2026-01-31T12:00:00.000000Z'],
    })
  })

  test('is whole JSON whatever the fields hold', async () => {
    const { url, seen } = await peer()
    for (const options of [
      {},
      { body: { a: 'x {{user.name}} y' } },
      { preset: 'slack' },
      { preset: 'teams' },
      { preset: 'pagerduty', routingKey: 'key' },
    ] as const) {
      expect(await sink(url, options).write(HOSTILE.map((text) => notificationOf(hostileAlert(text))))).toEqual(
        STORED(HOSTILE.length),
      )
    }
    expect(seen).toHaveLength(5 * HOSTILE.length)
    for (const { body } of seen) expect(typeof JSON.parse(body)).toBe('object')
  })
})

describe('a signature', () => {
  const SECRET = `whsec_${Buffer.from('a secret of at least 24 bytes').toString('base64')}`

  test('is one that the library of Standard Webhooks verifies, and no other body has it', async () => {
    const { url, seen } = await peer()
    await sink(url, { signingSecret: SECRET }).write([ONE])
    const [{ headers, body }] = seen
    const receiver = new Webhook(SECRET)
    const signed = headers as Record<string, string>
    expect(receiver.verify(body, signed)).toMatchObject({ event: { id: ONE['event.id'] } })
    expect(() => receiver.verify(body.replace('alice', 'mallory'), signed)).toThrow()
    expect(() => receiver.verify(body, { ...signed, 'webhook-id': 'other' })).toThrow()
    expect(headers['webhook-id']).toBe(ONE['event.id'])
  })

  test('is refused when it is old', async () => {
    const { url, seen } = await peer()
    await sink(url, { signingSecret: SECRET }, () => Date.now() - 600_000).write([ONE])
    expect(() => new Webhook(SECRET).verify(seen[0].body, seen[0].headers as Record<string, string>)).toThrow(/too old/)
  })

  test('may be made with any text', async () => {
    const { url, seen } = await peer()
    await sink(url, { signingSecret: 'just a text' }).write([ONE])
    const receiver = new Webhook(new TextEncoder().encode('just a text'), { format: 'raw' })
    expect(receiver.verify(seen[0].body, seen[0].headers as Record<string, string>)).toBeTypeOf('object')
  })
})

describe('an answer', () => {
  const status =
    (code: number, text = 'no', headers: Record<string, string> = {}): Answer =>
    (response) =>
      response.writeHead(code, headers).end(text)

  test.each([400, 413, 422])('%i: it is rejected, and the next ones are sent', async (code) => {
    const { url, seen } = await peer((response, index) =>
      index === 1 ? response.writeHead(code).end('bad') : response.end(),
    )
    expect(await sink(url).write(THREE)).toEqual({
      stored: 2,
      duplicates: 0,
      rejected: [{ index: 1, id: THREE[1]['event.id'], reason: expect.stringContaining(`HTTP ${code}: bad`) }],
      later: [],
    })
    expect(seen).toHaveLength(3)
  })

  test.each([401, 403, 404, 408, 410, 429, 500, 502, 503, 504])('%i: it waits', async (code) => {
    const { url } = await peer(status(code))
    await expect(sink(url).write(THREE)).rejects.toMatchObject({
      retry: 'later',
      message: expect.stringContaining(`HTTP ${code}`),
    })
  })

  test('that refuses in the middle of a batch: what was sent is not sent again', async () => {
    const { url, seen } = await peer((response, index) =>
      index === 1 ? response.writeHead(503).end() : response.end(),
    )
    const result = await sink(url).write(THREE)
    expect(result).toMatchObject({ stored: 1, rejected: [] })
    expect(result.later.map(({ index, id }) => [index, id])).toEqual(
      [1, 2].map((index) => [index, THREE[index]['event.id']]),
    )
    expect(seen).toHaveLength(2)
  })

  test('with Retry-After: the peer is left alone for so long', async () => {
    let nowMs = 1_000_000
    const { url, seen } = await peer((response, index) =>
      index === 0 ? response.writeHead(429, { 'retry-after': '30' }).end() : response.end(),
    )
    const hook = sink(url, {}, () => nowMs)
    await expect(hook.write([ONE])).rejects.toMatchObject({ retry: 'later', afterMs: 30_000 })
    nowMs += 10_000
    await expect(hook.write([ONE])).rejects.toMatchObject({ retry: 'later', afterMs: 20_000 })
    expect(seen).toHaveLength(1)
    nowMs += 20_000
    expect(await hook.write([ONE])).toEqual(STORED(1))
    const dated = await peer(status(503, '', { 'retry-after': new Date(nowMs + 60_000).toUTCString() }))
    await expect(sink(dated.url, {}, () => nowMs).write([ONE])).rejects.toMatchObject({ afterMs: 60_000 })
  })

  test('that redirects is not followed', async () => {
    const other = await peer()
    const { url } = await peer(status(302, '', { location: other.url }))
    await expect(sink(url).write([ONE])).rejects.toMatchObject({
      retry: 'later',
      message: expect.stringContaining('redirects are not followed'),
    })
    expect(other.seen).toEqual([])
  })

  test('without end is read to a bound', async () => {
    const { url } = await peer((response) => {
      response.writeHead(200)
      const more = () => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
        response.once('drain', more)
      }
      more()
    })
    const hook = sink(url)
    expect(await hook.write([ONE])).toEqual(STORED(1))
    expect(hook.answer?.text.length).toBeLessThanOrEqual(500)
  })

  test('that never comes', async () => {
    const { url } = await peer(() => {})
    await expect(sink(url, { timeoutMs: 200 }).write([ONE])).rejects.toMatchObject({
      retry: 'later',
      message: expect.stringContaining('no answer within 200 ms'),
    })
  })

  test('that is not waited for: it can be broken off', async () => {
    const stop = new AbortController()
    const { url } = await peer(() => stop.abort())
    await expect(sink(url, { timeoutMs: 60_000 }).write([ONE], stop.signal)).rejects.toMatchObject({ retry: 'later' })
  })
})

test('a peer that is not there is asked again later', async () => {
  const server = createTcpServer()
  const port = await listening(server)
  server.close()
  await once(server, 'close')
  await expect(sink(`http://127.0.0.1:${port}/`).write([ONE])).rejects.toMatchObject({
    retry: 'later',
    message: expect.stringContaining('ECONNREFUSED'),
  })
})

describe('TLS', () => {
  test("with an authority of one's own, and refused without it", async () => {
    const { url, seen } = await peer(FINE, true)
    expect(await sink(url, { tls: { ca: certificates.ca } }).write([ONE])).toEqual(STORED(1))
    await expect(sink(url).write([ONE])).rejects.toMatchObject({
      retry: 'later',
      message: expect.stringMatching(/certificate/),
    })
    expect(seen).toHaveLength(1)
  })
})

describe('a proxy', () => {
  /** CONNECT for https, absolute addresses for http. */
  async function proxy(): Promise<{ url: string; asked: string[] }> {
    const asked: string[] = []
    const server = createServer((request, response) => {
      asked.push(`${request.method} ${new URL(request.url ?? '').host}`)
      response.end('through the proxy')
    })
    server.on('connect', (request, client, head) => {
      asked.push(`CONNECT ${request.url}`)
      const [host, port] = String(request.url).split(':')
      const upstream = connect(Number(port), host, () => {
        client.write('HTTP/1.1 200 Connection established\r\n\r\n')
        upstream.write(head)
        upstream.pipe(client).pipe(upstream)
      })
      upstream.on('error', () => client.destroy())
      client.on('error', () => upstream.destroy())
    })
    return { url: `http://127.0.0.1:${await listening(server)}`, asked }
  }

  test('is used for http and https', async () => {
    const { url: proxyUrl, asked } = await proxy()
    const { url, seen } = await peer(FINE, true)
    expect(await sink(url, { proxy: proxyUrl, tls: { ca: certificates.ca } }).write([ONE])).toEqual(STORED(1))
    expect(seen).toHaveLength(1)
    const plain = sink('http://somewhere.invalid/hook', { proxy: proxyUrl })
    expect(await plain.write([ONE])).toEqual(STORED(1))
    expect(asked).toEqual([`CONNECT ${new URL(url).host}`, 'POST somewhere.invalid'])
  })
})

test('the password of a proxy is in no error', async () => {
  const refusing = createServer()
  refusing.on('connect', (request, client) => {
    client.end(`HTTP/1.1 407 no\r\nx: ${request.headers['proxy-authorization']}\r\n\r\n`)
  })
  const proxy = `http://user:PR0XY-S3CRET@127.0.0.1:${await listening(refusing)}`
  const hook = sink('https://somewhere.invalid/', { proxy })
  const error = await hook.write([ONE]).then(() => '', String)
  expect(error).toContain('somewhere.invalid')
  expect(`${error} ${hook.answer?.text}`).not.toMatch(/PR0XY-S3CRET|cHJ|dXNlcjpQUj/)
})

test('secrets are in no error, answer, target or preview', async () => {
  const { url } = await peer((response, _, { path, headers, body }) =>
    response.writeHead(500).end(`${path} ${headers['authorization']} ${body}`),
  )
  const documents: readonly EventDocument[] = [ONE]
  for (const options of [
    { headers: { authorization: 'Bearer S3CRET' } },
    { preset: 'pagerduty', routingKey: 'R0UTING-S3CRET' },
  ] as const) {
    const hook = sink(url, { ...options, signingSecret: 'S1GN-S3CRET' })
    const error = await hook.write(documents).then(() => '', String)
    const told = `${error} ${hook.answer?.text} ${hook.target} ${hook.preview(documents)}`
    expect(error).toContain('HTTP 500')
    for (const secret of [TOKEN, 'S3CRET']) expect(told).not.toContain(secret)
  }
})
