import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { type ParsedMail, simpleParser } from 'mailparser'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { EmailSink } from '../../src/output/email.ts'
import { alert, FULL_ALERT, HOSTILE, hostileAlert, notificationOf, notificationsOf } from '../support/alerts.ts'
import { type Certificates, makeCertificates } from '../support/certificates.ts'

const ONE = notificationOf(FULL_ALERT)
const THREE = ['a', 'b', 'c'].map((entity) => notificationOf(alert({ entity })))
const STORED = (count: number) => ({ stored: count, duplicates: 0, rejected: [], later: [] })

let certificates: Certificates
const servers: { close(): unknown }[] = []
const sinks: EmailSink[] = []

beforeAll(() => {
  certificates = makeCertificates()
})
afterAll(() => rmSync(certificates.folder, { recursive: true }))
afterEach(async () => {
  for (const sink of sinks.splice(0)) await sink.close()
  for (const server of servers.splice(0)) server.close()
})

/** A mail server; `mails` holds what it took, parsed. */
async function peer(options: SMTPServerOptions = {}): Promise<{ port: number; mails: ParsedMail[]; raw: string[] }> {
  const mails: ParsedMail[] = []
  const raw: string[] = []
  const server = new SMTPServer({
    authOptional: true,
    key: certificates.key,
    cert: certificates.cert,
    onData(stream, _session, callback) {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', async () => {
        raw.push(Buffer.concat(chunks).toString())
        mails.push(await simpleParser(Buffer.concat(chunks)))
        callback()
      })
    },
    ...options,
  })
  server.on('error', () => {})
  servers.push(server)
  const listener = server.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  return { port: (listener.address() as AddressInfo).port, mails, raw }
}

function sink(port: number, options: Partial<ConstructorParameters<typeof EmailSink>[0]> = {}): EmailSink {
  const made = new EmailSink({
    host: '127.0.0.1',
    port,
    security: 'starttls',
    from: 'Borescope <borescope@example.org>',
    to: ['soc@example.org', 'night@example.org'],
    subjectPrefix: '[Borescope]',
    digest: true,
    tls: { ca: certificates.ca, serverName: 'localhost' },
    timeoutMs: 5000,
    ...options,
  })
  sinks.push(made)
  return made
}

test('a mail has text and HTML, and ids by which it is threaded', async () => {
  const { port, mails } = await peer()
  const [first, second] = notificationsOf([alert({ at: 0 }), alert({ at: 9 })], {
    deduplicateUs: 0,
    throttle: null,
    group: { by: ['rule.id'], waitUs: 0, repeatUs: 60e6 },
    groupsMax: 9,
    groupsBytesMax: 1e9,
  })
  const mailer = sink(port)
  expect(await mailer.write([first])).toEqual(STORED(1))
  expect(await mailer.write([second])).toEqual(STORED(1))
  expect(mails[0]).toMatchObject({
    subject: '[Borescope] [HIGH] Password guessing: alice',
    messageId: `<${first['event.id']}@example.org>`,
  })
  expect(mails[0].inReplyTo).toBeUndefined()
  expect(mails[0].headers.get('auto-submitted')).toBe('auto-generated')
  expect([mails[0].to].flat().map((to) => to?.text)).toEqual(['soc@example.org, night@example.org'])
  expect(mails[0].text).toContain('Password guessing: alice (12 events)')
  expect(mails[0].html).toContain('<h2')
  expect(mails[1]).toMatchObject({ inReplyTo: `<${first['event.id']}@example.org>` })
  expect(mailer.answer).toMatchObject({ accepted: true, text: expect.stringMatching(/^250 /) })
})

test('several become one digest, or a mail each', async () => {
  const { port, mails } = await peer()
  expect(await sink(port).write(THREE)).toEqual(STORED(3))
  expect(mails).toHaveLength(1)
  expect(mails[0].subject).toBe('[Borescope] [HIGH] 3 notifications: Password guessing: a and others')
  for (const entity of ['a', 'b', 'c']) expect(mails[0].text).toContain(`Password guessing: ${entity} (12 events)`)
  expect(await sink(port, { digest: false }).write(THREE)).toEqual(STORED(3))
  expect(mails).toHaveLength(4)
  // The same notifications again are the same mail again.
  await sink(port).write(THREE)
  expect(mails[4].messageId).toBe(mails[0].messageId)
})

test('hostile names add no header, no recipient and no second mail', async () => {
  const { port, mails } = await peer()
  const hostile = HOSTILE.map((text) => notificationOf(hostileAlert(text)))
  expect(await sink(port, { digest: false }).write(hostile)).toEqual(STORED(HOSTILE.length))
  expect(mails).toHaveLength(HOSTILE.length)
  const names = [...mails[0].headers.keys()]
  for (const [index, mail] of mails.entries()) {
    expect([...mail.headers.keys()]).toEqual(names)
    expect(mail.messageId).toBe(`<${hostile[index]['event.id']}@example.org>`)
    expect(mail.attachments).toEqual([])
    expect([mail.to].flat()[0]?.value.map(({ address }) => address)).toEqual(['soc@example.org', 'night@example.org'])
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(mail.subject).not.toMatch(/[\u0000-\u001f\u202e]/)
    expect(mail.html).not.toContain('<script')
  }
})

describe('security', () => {
  test('STARTTLS is demanded: a server without it gets nothing', async () => {
    const { port, mails } = await peer({ hideSTARTTLS: true, disabledCommands: ['STARTTLS'] })
    await expect(sink(port).write([ONE])).rejects.toMatchObject({ retry: 'later' })
    expect(await sink(port, { security: 'none' }).write([ONE])).toEqual(STORED(1))
    expect(mails).toHaveLength(1)
  })

  test('TLS from the start', async () => {
    const { port, mails } = await peer({ secure: true })
    expect(await sink(port, { security: 'tls' }).write([ONE])).toEqual(STORED(1))
    expect(mails).toHaveLength(1)
  })

  test('an unknown authority, or the certificate of another host, is refused', async () => {
    const { port, mails } = await peer()
    await expect(sink(port, { tls: { serverName: 'localhost' } }).write([ONE])).rejects.toMatchObject({
      retry: 'later',
      message: expect.stringMatching(/certificate/),
    })
    await expect(
      sink(port, { tls: { ca: certificates.ca, serverName: 'other.example' } }).write([ONE]),
    ).rejects.toThrow(/altnames/)
    expect(mails).toEqual([])
  })

  test('a wrong password waits for a right one, and is in no error', async () => {
    const onAuth: SMTPServerOptions['onAuth'] = ({ username, password }, _, callback) =>
      password === 'right' ? callback(null, { user: String(username) }) : callback(new Error(`wrong: ${password}`))
    const { port, mails } = await peer({ onAuth, authOptional: false })
    const wrong = sink(port, { user: 'u', password: 'S3CRET' })
    const error = await wrong.write([ONE]).then(
      () => null,
      (reason: Error) => reason,
    )
    expect(error).toMatchObject({ retry: 'later' })
    expect(`${error} ${wrong.answer?.text} ${wrong.target} ${wrong.preview([ONE])}`).not.toContain('S3CRET')
    expect(await sink(port, { user: 'u', password: 'right' }).write([ONE])).toEqual(STORED(1))
    expect(mails).toHaveLength(1)
  })
})

describe('a server', () => {
  const refusing = (responseCode: number): SMTPServerOptions => ({
    onData(stream, _, callback) {
      stream.resume().on('end', () => callback(Object.assign(new Error('not this one'), { responseCode })))
    },
  })

  test('that refuses a mail for good: it is rejected, and the next one is sent', async () => {
    let count = 0
    const { port } = await peer({
      onData(stream, _, callback) {
        stream
          .resume()
          .on('end', () => callback(count++ === 0 ? Object.assign(new Error('spam'), { responseCode: 554 }) : null))
      },
    })
    const result = await sink(port, { digest: false }).write(THREE)
    expect(result).toMatchObject({ stored: 2, later: [] })
    expect(result.rejected).toEqual([{ index: 0, id: THREE[0]['event.id'], reason: expect.stringContaining('spam') }])
    expect((await sink(port).write(THREE)).stored).toBe(3)
  })

  test('that refuses a digest for good refuses all of it', async () => {
    const { port } = await peer(refusing(552))
    expect((await sink(port).write(THREE)).rejected.map(({ index }) => index)).toEqual([0, 1, 2])
  })

  test('that refuses for now is asked again', async () => {
    const { port } = await peer(refusing(451))
    await expect(sink(port).write(THREE)).rejects.toMatchObject({ retry: 'later' })
  })

  test('that fails in the middle of a batch: what was sent is not sent again', async () => {
    let count = 0
    const { port } = await peer({
      onData(stream, _, callback) {
        stream
          .resume()
          .on('end', () => callback(count++ === 0 ? null : Object.assign(new Error('full'), { responseCode: 452 })))
      },
    })
    const result = await sink(port, { digest: false }).write(THREE)
    expect(result).toMatchObject({ stored: 1, rejected: [] })
    expect(result.later.map(({ index }) => index)).toEqual([1, 2])
  })

  test('that knows none of the recipients: the configuration is wrong, the mail waits', async () => {
    const { port } = await peer({
      onRcptTo: (_address, _session, callback) =>
        callback(Object.assign(new Error('no such user'), { responseCode: 550 })),
    })
    await expect(sink(port).write([ONE])).rejects.toMatchObject({
      retry: 'later',
      message: expect.stringContaining('no such user'),
    })
  })

  test('that knows one of two takes it, and says so', async () => {
    const { port } = await peer({
      onRcptTo: ({ address }, _, callback) =>
        callback(address.startsWith('soc') ? null : Object.assign(new Error('no'), { responseCode: 550 })),
    })
    const mailer = sink(port)
    expect(await mailer.write([ONE])).toEqual(STORED(1))
    expect(mailer.answer?.text).toContain('refused for night@example.org')
  })

  test('that hangs, that is not there, and one that is not waited for', async () => {
    const stop = new AbortController()
    const silent = createServer((socket) => {
      servers.push({ close: () => socket.destroy() })
    })
    servers.push(silent)
    silent.listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const { port } = silent.address() as AddressInfo
    await expect(sink(port, { timeoutMs: 300 }).write([ONE])).rejects.toMatchObject({ retry: 'later' })
    silent.once('connection', () => stop.abort())
    await expect(sink(port).write([ONE], stop.signal)).rejects.toMatchObject({
      retry: 'later',
      message: expect.stringContaining('stopped'),
    })
    silent.close()
    await expect(sink(1).write([ONE])).rejects.toMatchObject({ retry: 'later' })
  })
})
