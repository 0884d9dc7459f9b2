import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { SyslogSink } from '../../src/output/syslog.ts'
import { alert, FULL_ALERT, HOSTILE, hostileAlert, notificationOf } from '../support/alerts.ts'
import { type Certificates, makeCertificates } from '../support/certificates.ts'
import { parseSyslog } from '../support/siem-parsers.ts'

const BATCH = [notificationOf(FULL_ALERT), notificationOf(alert({ entity: 'bob' }))]
const HOSTILE_BATCH = HOSTILE.map((text) => notificationOf(hostileAlert(text)))

let certificates: Certificates
const servers: (Server | UdpSocket)[] = []

beforeAll(() => {
  certificates = makeCertificates()
})
afterAll(() => rmSync(certificates.folder, { recursive: true }))
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

function sink(
  transport: 'udp' | 'tcp' | 'tls',
  port: number,
  options: Partial<ConstructorParameters<typeof SyslogSink>[0]> = {},
) {
  return new SyslogSink({
    transport,
    host: '127.0.0.1',
    port,
    format: 'rfc5424',
    facility: 'local0',
    maxBytes: 8192,
    awaitClose: true,
    timeoutMs: 5000,
    tls: transport === 'tls' ? { ca: certificates.ca, serverName: 'localhost' } : {},
    ...options,
  })
}

/** Octet counting read backwards: throws where a length and what follows do not agree. */
function unframe(bytes: Buffer): string[] {
  const messages: string[] = []
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(' ', at)
    const digits = bytes.subarray(at, space).toString()
    if (!/^[1-9]\d*$/.test(digits)) throw new Error(`no length at ${at}: ${digits.slice(0, 40)}`)
    const end = space + 1 + Number(digits)
    if (end > bytes.length) throw new Error(`${end - bytes.length} octets are missing`)
    messages.push(bytes.subarray(space + 1, end).toString())
    at = end
  }
  return messages
}

async function listening(server: Server): Promise<number> {
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** A peer that reads connections to their ends. */
async function collector(secure = false): Promise<{ port: number; messages: string[] }> {
  const messages: string[] = []
  const serve = (socket: Socket) => {
    const chunks: Buffer[] = []
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.on('end', () => messages.push(...unframe(Buffer.concat(chunks))))
    socket.on('error', () => {})
  }
  const server = secure
    ? createTlsServer({ cert: certificates.cert, key: certificates.key }, serve)
    : createServer(serve)
  return { port: await listening(server), messages }
}

describe.each([false, true])('a stream (TLS: %s)', (secure) => {
  const transport = secure ? 'tls' : 'tcp'

  test('carries every message in a frame of its own', async () => {
    const { port, messages } = await collector(secure)
    const sent = sink(transport, port)
    expect(await sent.write(BATCH)).toEqual({ stored: 2, duplicates: 0, rejected: [], later: [] })
    expect(await sent.write(HOSTILE_BATCH)).toMatchObject({ stored: HOSTILE.length })
    const ids = messages.map((message) => parseSyslog(message).data['borescope@32473']['id'])
    expect(ids).toEqual([...BATCH, ...HOSTILE_BATCH].map((document) => document['event.id']))
    expect(sent.answer).toMatchObject({ accepted: true })
  })

  test('that breaks in the middle of a frame is not taken for delivered', async () => {
    let connections = 0
    const serve = (socket: Socket) => {
      connections++
      socket.on('error', () => {})
      // What lies unread when a socket is destroyed makes a reset of it.
      socket.once('data', () => (secure ? socket.destroy() : socket.resetAndDestroy()))
    }
    const server = secure
      ? createTlsServer({ cert: certificates.cert, key: certificates.key }, serve)
      : createServer(serve)
    const many = Array.from({ length: 2000 }, () => BATCH).flat()
    await expect(sink(transport, await listening(server)).write(many)).rejects.toMatchObject({ retry: 'later' })
    expect(connections).toBe(1)
  })

  test('that nobody closes is not taken for delivered, unless the configuration says so', async () => {
    const sockets: Socket[] = []
    const serve = (socket: Socket) => {
      sockets.push(socket)
      socket.on('error', () => {})
    }
    const options = { cert: certificates.cert, key: certificates.key, allowHalfOpen: true, pauseOnConnect: false }
    const server = secure ? createTlsServer(options, serve) : createServer(options, serve)
    const port = await listening(server)
    await expect(sink(transport, port, { timeoutMs: 2000 }).write(BATCH)).rejects.toThrow(
      'no orderly close within 2000 ms',
    )
    expect(await sink(transport, port, { awaitClose: false }).write(BATCH)).toMatchObject({ stored: 2 })
    for (const socket of sockets) socket.destroy()
  })

  test('can be broken off', async () => {
    const server = createServer((socket) => socket.on('error', () => {}).resume())
    const port = await listening(server)
    const stop = new AbortController()
    server.once('connection', () => stop.abort())
    await expect(sink(transport, port, { timeoutMs: 60_000 }).write(BATCH, stop.signal)).rejects.toThrow('stopped')
    await expect(sink(transport, port).write(BATCH, stop.signal)).rejects.toThrow('stopped')
  })
})

test('a peer that is not there is asked again later', async () => {
  const server = createServer()
  const port = await listening(server)
  server.close()
  await once(server, 'close')
  servers.length = 0
  await expect(sink('tcp', port).write(BATCH)).rejects.toMatchObject({
    retry: 'later',
    message: expect.stringContaining('ECONNREFUSED'),
  })
})

describe('TLS', () => {
  test('refuses an authority that it does not know', async () => {
    const { port, messages } = await collector(true)
    await expect(sink('tls', port, { tls: { serverName: 'localhost' } }).write(BATCH)).rejects.toMatchObject({
      retry: 'later',
      message: expect.stringMatching(/certificate/),
    })
    expect(messages).toEqual([])
  })

  test('refuses the certificate of another host', async () => {
    const { port, messages } = await collector(true)
    const other = { tls: { ca: certificates.ca, serverName: 'other.example' } }
    await expect(sink('tls', port, other).write(BATCH)).rejects.toThrow(/altnames/)
    expect(messages).toEqual([])
  })

  test('shows a certificate of its own, and learns when it is refused', async () => {
    const names: string[] = []
    const server = createTlsServer(
      {
        cert: certificates.cert,
        key: certificates.key,
        ca: certificates.ca,
        requestCert: true,
        rejectUnauthorized: true,
      },
      (socket) => {
        names.push(String(socket.getPeerCertificate().subject?.CN))
        socket.on('error', () => {}).resume()
      },
    ).on('tlsClientError', () => {})
    const port = await listening(server)
    const { ca, cert, key } = certificates
    expect(await sink('tls', port, { tls: { ca, cert, key, serverName: 'localhost' } }).write(BATCH)).toMatchObject({
      stored: 2,
    })
    expect(names).toEqual(['localhost'])
    await expect(sink('tls', port).write(BATCH)).rejects.toMatchObject({ retry: 'later' })
  })
})

describe('UDP', () => {
  test('carries one message a datagram', async () => {
    const socket = createSocket('udp4')
    servers.push(socket)
    const messages: string[] = []
    const all = new Promise<void>((resolve) => {
      socket.on('message', (bytes) => {
        messages.push(bytes.toString())
        if (messages.length === BATCH.length + HOSTILE.length) resolve()
      })
    })
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    const sent = sink('udp', socket.address().port)
    expect(await sent.write([...BATCH, ...HOSTILE_BATCH])).toMatchObject({ stored: BATCH.length + HOSTILE.length })
    await all
    expect(new Set(messages.map((message) => parseSyslog(message).data['borescope@32473']['id']))).toEqual(
      new Set([...BATCH, ...HOSTILE_BATCH].map((document) => document['event.id'])),
    )
    expect(sent.answer?.text).toContain('no receipt')
  })

  test('learns that nobody listens', async () => {
    const socket = createSocket('udp4')
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    const { port } = socket.address()
    await new Promise<void>((resolve) => socket.close(() => resolve()))
    await expect(sink('udp', port).write(BATCH)).rejects.toMatchObject({ retry: 'later' })
  })
})

test('what fits into no message is rejected, and the others are sent', async () => {
  const { port, messages } = await collector()
  const huge = notificationOf(hostileAlert('😀'.repeat(2000)))
  const result = await sink('tcp', port, { format: 'json', maxBytes: 900 }).write([huge, BATCH[0]])
  expect(result.rejected.map(({ index, id }) => [index, id])).toContainEqual([0, huge['event.id']])
  expect(result.stored + result.rejected.length).toBe(2)
  expect(messages).toHaveLength(result.stored)
})
