/** Sinks behind their delivery, before peers that fail in every way: what was pushed arrives, or is where the counts say. */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import { Deliveries } from '../../src/deliveries.ts'
import { imbalance } from '../../src/output/delivery-status.ts'
import type { Sink } from '../../src/output/sink.ts'
import { SyslogSink } from '../../src/output/syslog.ts'
import { WebhookSink } from '../../src/output/webhook.ts'
import { alert, notificationOf } from '../support/alerts.ts'
import { Random } from '../support/random.ts'

const folders: string[] = []
const servers: Server[] = []
const sockets = new Set<Socket>()

afterEach(() => {
  for (const server of servers.splice(0)) server.close()
  for (const socket of sockets) socket.destroy()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

function deliveriesIn(folder: string, warnings: string[] = []): Deliveries {
  const { config } = loadConfig(undefined, {})
  const delivery = { path: folder, batchSeconds: 0.005, batchEvents: 7, backoffSeconds: 0.005, backoffMaxSeconds: 0.02 }
  return new Deliveries({ ...config.delivery, ...delivery, holdBackSeconds: 20 }, 'test', (text) => warnings.push(text))
}

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'borescope-faults-'))
  folders.push(folder)
  return folder
}

async function listening(server: Server, port = 0): Promise<number> {
  servers.push(server)
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

const NOTIFICATIONS = Array.from({ length: 120 }, (_, index) =>
  notificationOf(alert({ at: index, entity: `user ${index}` })),
)
const IDS = NOTIFICATIONS.map((notification) => notification['event.id'])

/** Everything through one delivery; resolves to what it counted. */
async function deliver(sink: Sink, folder: string) {
  const deliveries = deliveriesIn(folder)
  const delivery = deliveries.open('alerts-x', sink, 'remote')
  for (const notification of NOTIFICATIONS) delivery.push(notification)
  await deliveries.flush()
  expect(imbalance(delivery.counts)).toBe(0)
  await deliveries.close()
  await sink.close()
  return delivery.counts
}

function syslog(port: number): SyslogSink {
  return new SyslogSink({
    transport: 'tcp',
    host: '127.0.0.1',
    port,
    format: 'rfc5424',
    facility: 'local0',
    maxBytes: 8192,
    awaitClose: true,
    timeoutMs: 150,
    tls: {},
  })
}

function idsIn(frames: string): string[] {
  return [...frames.matchAll(/ id="([0-9a-f]{20})"/g)].map(([, id]) => id)
}

test.each([1, 2, 3])('syslog: resets in mid-frame, silence and hang-ups lose nothing (seed %i)', async (seed) => {
  const random = new Random(seed)
  const received = new Set<string>()
  const faults = { reset: 0, silence: 0, hangUp: 0 }
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    const dice = random.next() / 2 ** 32
    if (dice < 0.2) {
      faults.reset++
      socket.once('data', () => socket.resetAndDestroy())
    } else if (dice < 0.3) {
      faults.silence++
      socket.resume()
    } else if (dice < 0.4) {
      faults.hangUp++
      socket.resetAndDestroy()
    } else {
      let text = ''
      socket.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
      socket.on('end', () => {
        for (const id of idsIn(text)) received.add(id)
        socket.end()
      })
    }
  })
  const counts = await deliver(syslog(await listening(server)), newFolder())
  expect(counts).toMatchObject({ accepted: 120, stored: 120, spooled: 0, quarantined: 0, dropped: {} })
  expect([...received].sort()).toEqual([...IDS].sort())
  expect(faults.reset + faults.silence + faults.hangUp).toBeGreaterThan(0)
})

test('syslog: a peer that is gone when the process ends gets everything from the next one', async () => {
  const holder = createServer()
  const port = await listening(holder)
  holder.close()
  await once(holder, 'close')
  servers.length = 0
  const folder = newFolder()
  const warnings: string[] = []
  const deliveries = deliveriesIn(folder, warnings)
  const delivery = deliveries.open('alerts-x', syslog(port), 'remote')
  for (const notification of NOTIFICATIONS) delivery.push(notification)
  await delivery.flush(200)
  await deliveries.close()
  expect(delivery.counts).toMatchObject({ accepted: 120, stored: 0, spooled: 120, dropped: {} })
  expect(warnings.join('\n')).toContain('ECONNREFUSED')

  const received: string[] = []
  const server = createServer((socket) => {
    let text = ''
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    })
    socket.on('end', () => received.push(...idsIn(text)))
  })
  await listening(server, port)
  const next = deliveriesIn(folder)
  const resumed = next.open('alerts-x', syslog(port), 'remote')
  await next.flush()
  await next.close()
  expect(resumed.counts).toMatchObject({ resumed: 120, stored: 120, spooled: 0 })
  expect(received.sort()).toEqual([...IDS].sort())
})

test.each([4, 5])(
  'webhook: errors of every kind and pauses lose nothing, and what is refused for good is kept (seed %i)',
  async (seed) => {
    const random = new Random(seed)
    const received = new Set<string>()
    const refused = new Set<string>()
    const server = createHttpServer((request, response) => {
      let text = ''
      request.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
      request.on('end', () => {
        const { event, alert: about } = JSON.parse(text)
        const dice = random.next() / 2 ** 32
        if (about.entity.endsWith('3')) {
          refused.add(event.id)
          response.writeHead(400).end('not this one')
        } else if (dice < 0.05) response.writeHead(429, { 'retry-after': '0' }).end()
        else if (dice < 0.1) response.writeHead(503).end()
        else if (dice < 0.13) request.socket.resetAndDestroy()
        else if (dice < 0.14) request.resume()
        else {
          received.add(event.id)
          response.end()
        }
      })
    })
    const sink = new WebhookSink({
      url: `http://127.0.0.1:${await listening(server)}/`,
      method: 'POST',
      headers: {},
      tls: {},
      timeoutMs: 300,
    })
    const counts = await deliver(sink, newFolder())
    expect(counts).toMatchObject({ accepted: 120, stored: 108, quarantined: 12, spooled: 0, dropped: {} })
    expect([...received, ...refused].sort()).toEqual([...IDS].sort())
    expect(refused.size).toBe(12)
  },
)
