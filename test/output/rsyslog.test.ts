/** rsyslog as the peer: what a real collector makes of our messages, over UDP, TCP and TLS. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { EventDocument } from '../../src/events/fields.ts'
import { SyslogSink } from '../../src/output/syslog.ts'
import { FULL_ALERT, HOSTILE, hostileAlert, notificationOf } from '../support/alerts.ts'
import { type Certificates, makeCertificates } from '../support/certificates.ts'

const MODULES = '/usr/lib/x86_64-linux-gnu/rsyslog'
const RSYSLOGD = ['/usr/sbin/rsyslogd', '/sbin/rsyslogd'].find((path) => existsSync(path))
const hasTls = existsSync(join(MODULES, 'lmnsd_gtls.so'))
if (RSYSLOGD === undefined) {
  process.stderr.write(
    'SKIPPED: no rsyslogd on this machine (apt-get install rsyslog rsyslog-gnutls): nothing is said about a real syslog collector\n',
  )
} else if (!hasTls) {
  process.stderr.write('SKIPPED: rsyslog has no module for TLS here (apt-get install rsyslog-gnutls)\n')
}

interface Seen {
  readonly pri: string
  readonly time: string
  readonly host: string
  readonly app: string
  readonly msgid: string
  readonly msg: string
  readonly sd: Readonly<Record<string, Readonly<Record<string, string>>>>
}

describe.skipIf(RSYSLOGD === undefined)('rsyslog', () => {
  let folder: string
  let certificates: Certificates
  let daemon: ChildProcess
  let ports: { udp: number; tcp: number; tls: number }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'borescope-rsyslog-'))
    certificates = makeCertificates()
    ports = { udp: await freePort('udp'), tcp: await freePort('tcp'), tls: await freePort('tcp') }
    writeFileSync(join(folder, 'rsyslog.conf'), configuration())
    daemon = spawn(RSYSLOGD ?? '', ['-n', '-f', join(folder, 'rsyslog.conf'), '-i', join(folder, 'pid')], {
      stdio: 'pipe',
    })
    await listens(ports.tcp)
    if (hasTls) await listens(ports.tls)
  })
  afterAll(async () => {
    daemon.kill()
    await once(daemon, 'close')
    for (const path of [folder, certificates.folder]) rmSync(path, { recursive: true })
  })

  function configuration(): string {
    const tls = hasTls
      ? `
global(defaultNetstreamDriverCAFile="${join(certificates.folder, 'ca.pem')}"
       defaultNetstreamDriverCertFile="${join(certificates.folder, 'cert.pem')}"
       defaultNetstreamDriverKeyFile="${join(certificates.folder, 'key.pem')}")
input(type="imtcp" address="127.0.0.1" port="${ports.tls}" ruleset="take"
      streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="anon")`
      : ''
    return `
global(workDirectory="${folder}" maxMessageSize="64k" parser.escapeControlCharactersOnReceive="off")
module(load="imudp")
module(load="imtcp")
module(load="mmpstrucdata")
template(name="line" type="list" option.jsonf="on") {
  property(outname="pri" name="pri" format="jsonf")
  property(outname="time" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="host" name="hostname" format="jsonf")
  property(outname="app" name="app-name" format="jsonf")
  property(outname="msgid" name="msgid" format="jsonf")
  property(outname="msg" name="msg" format="jsonf")
  property(outname="sd" name="$!rfc5424-sd" format="jsonf")
}
ruleset(name="take") {
  action(type="mmpstrucdata" sd_name.lowercase="off")
  action(type="omfile" file="${join(folder, 'seen')}" template="line" asyncWriting="off" flushOnTXEnd="on")
}
input(type="imudp" address="127.0.0.1" port="${ports.udp}" ruleset="take")
input(type="imtcp" address="127.0.0.1" port="${ports.tcp}" ruleset="take")
${tls}
`
  }

  async function send(
    transport: 'udp' | 'tcp' | 'tls',
    batch: readonly EventDocument[],
    format: 'rfc5424' | 'cef' | 'json' = 'rfc5424',
  ): Promise<Seen[]> {
    const before = seen().length
    const sink = new SyslogSink({
      transport,
      host: '127.0.0.1',
      port: ports[transport],
      format,
      facility: 'local0',
      maxBytes: 8192,
      awaitClose: true,
      timeoutMs: 60_000,
      tls: transport === 'tls' ? { ca: certificates.ca, serverName: 'localhost' } : {},
    })
    expect(await sink.write(batch)).toMatchObject({ stored: batch.length })
    await expect.poll(() => seen().length, { timeout: 60_000 }).toBe(before + batch.length)
    return seen().slice(before)
  }

  function seen(): Seen[] {
    const path = join(folder, 'seen')
    const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : []
    return lines
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line))
      .map((line) => ({ ...line, sd: line.sd === '' ? {} : JSON.parse(line.sd) }))
  }

  const transports = hasTls ? (['udp', 'tcp', 'tls'] as const) : (['udp', 'tcp'] as const)

  test.each(transports)('reads header, structured data and message over %s', async (transport) => {
    const notification = notificationOf(FULL_ALERT)
    const [line] = await send(transport, [notification])
    expect(line).toMatchObject({
      pri: '131',
      host: 'lns-frankfurt',
      app: 'borescope',
      msgid: 'alert.notified',
      msg: notification.message,
    })
    expect(line.time).toBe('2026-01-31T12:00:00.000000Z')
    expect(line.sd['borescope@32473']).toMatchObject({ id: notification['event.id'], entity: 'alice', level: 'high' })
  })

  test.each(transports)('takes hostile names over %s for what they are: one message each', async (transport) => {
    const notifications = HOSTILE.map((text) => notificationOf(hostileAlert(text)))
    const lines = await send(transport, notifications)
    // Datagrams may overtake one another.
    expect(lines.map(({ sd }) => sd['borescope@32473']['id']).sort()).toEqual(
      notifications.map((document) => document['event.id']).sort(),
    )
    expect(
      lines.every(({ app, msgid, pri }) => app === 'borescope' && msgid === 'alert.notified' && pri === '131'),
    ).toBe(true)
    const users = lines.map(({ sd }) => sd['borescope@32473']['user'])
    expect(users).toContain('pipe|equals=back\\slash')
    expect(users).toContain('emoji 😀 and ümlaut')
    expect(users).toContain('17 <14>1 - - - - - forged')
  })

  test('passes CEF and JSON on as they are', async () => {
    const notification = notificationOf(FULL_ALERT)
    const [cef] = await send('tcp', [notification], 'cef')
    expect(cef.msg).toMatch(/^CEF:0\|Borescope\|Borescope\|1\.2\.3\|/)
    const [json] = await send('tcp', [notification], 'json')
    expect(JSON.parse(json.msg)).toMatchObject({ event: { id: notification['event.id'] } })
  })

  test('that was killed between two batches gets the second one when it is back', async () => {
    const [first, second] = ['one', 'two'].map((entity) =>
      notificationOf({ ...FULL_ALERT, 'alert.entity': entity, message: entity }),
    )
    await send('tcp', [first])
    daemon.kill('SIGKILL')
    await once(daemon, 'close')
    const sink = new SyslogSink({
      transport: 'tcp',
      host: '127.0.0.1',
      port: ports.tcp,
      format: 'rfc5424',
      facility: 'local0',
      maxBytes: 8192,
      awaitClose: true,
      timeoutMs: 5000,
      tls: {},
    })
    await expect(sink.write([second])).rejects.toMatchObject({ retry: 'later' })
    rmSync(join(folder, 'pid'), { force: true })
    daemon = spawn(RSYSLOGD ?? '', ['-n', '-f', join(folder, 'rsyslog.conf'), '-i', join(folder, 'pid')], {
      stdio: 'pipe',
    })
    await listens(ports.tcp)
    const [line] = await send('tcp', [second])
    expect(line.msg).toBe('two')
  })
})

test.skipIf(RSYSLOGD === undefined)('the rsyslog that was asked says its version', () => {
  expect(String(spawnSync(RSYSLOGD ?? '', ['-v']).stdout)).toMatch(/^rsyslogd +8\./)
})

async function freePort(kind: 'udp' | 'tcp'): Promise<number> {
  if (kind === 'udp') {
    const socket = createSocket('udp4')
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    const { port } = socket.address()
    await new Promise<void>((resolve) => socket.close(() => resolve()))
    return port
  }
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return port
}

/** Asks until somebody answers. */
async function listens(port: number): Promise<void> {
  await vi.waitFor(
    () =>
      new Promise<void>((resolve, reject) => {
        const socket = connect(port, '127.0.0.1')
        socket.once('error', reject)
        socket.once('connect', () => {
          socket.destroy()
          resolve()
        })
      }),
    { timeout: 60_000 },
  )
}
