/** `borescope alert` and `replay --notify` from outside: processes, and a peer that writes down what it is told. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'

const ROOT = resolve(import.meta.dirname, '../..')
const BRUTE_FORCE = join(ROOT, 'pcaps/l2tp-bruteforce-mschapv2.pcap')
const TOKEN = 'T0K3N-that-nobody-may-see'

let scratch: string
let peer: Server
let told: Record<string, unknown>[]
let status: number

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'borescope-alert-'))
  peer = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text
    })
    request.on('end', () => {
      told.push(JSON.parse(body))
      response.writeHead(status).end(status === 200 ? 'thank you' : `you sent ${request.url}`)
    })
  }).listen(0, '127.0.0.1')
  await once(peer, 'listening')
  const { port } = peer.address() as AddressInfo
  writeFileSync(join(scratch, 'open.url'), 'http://127.0.0.1:1/', { mode: 0o644 })
  writeFileSync(
    join(scratch, 'borescope.yaml'),
    `alerts:
  sinks:
    hook: { type: webhook, url: 'http://127.0.0.1:${port}/${TOKEN}' }
    log: { type: file, path: alerts.ndjson }
    unset: { type: webhook, url: { env: NOWHERE } }
    open: { type: webhook, url: { file: open.url } }
  routes:
    - { minLevel: medium, sinks: [hook, log] }
delivery: { holdBackSeconds: 0.5, backoffSeconds: 0.1 }
`,
  )
})
afterAll(() => {
  peer.close()
  rmSync(scratch, { recursive: true })
})
beforeEach(() => {
  told = []
  status = 200
})

function borescope(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(join(ROOT, 'bin/borescope'), args, {
    cwd: scratch,
    env: { PATH: process.env['PATH'], HOME: scratch },
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  return new Promise((done) => child.on('close', (code) => done({ code, stdout, stderr })))
}

describe('alert test', () => {
  test('sends one alert that is marked as a test, and says what the peer answered', async () => {
    const { code, stdout } = await borescope('alert', 'test', 'hook', '--level', 'critical')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^hook \(http:\/\/127\.0\.0\.1:\d+\): taken: HTTP 200: thank you\n$/)
    expect(told).toHaveLength(1)
    expect(told[0]).toMatchObject({ rule: { level: 'critical' }, alert: { notification: { kind: 'test' } } })
  })

  test('exits with 5 if the peer does not take it, and shows no secret', async () => {
    status = 403
    const { code, stdout, stderr } = await borescope('alert', 'test', 'hook')
    expect(code).toBe(5)
    expect(stdout).toContain('not taken: HTTP 403: you sent ********')
    expect(stdout + stderr).not.toContain(TOKEN)
    expect(told).toHaveLength(1)
    status = 400
    expect(await borescope('alert', 'test', 'hook', '--json')).toMatchObject({
      code: 5,
      stdout: expect.stringContaining('"accepted":false'),
    })
  })

  test('sends nothing with --dry-run, and shows what it would', async () => {
    const { code, stdout } = await borescope('alert', 'test', 'hook', '--dry-run')
    expect(code).toBe(0)
    expect(stdout).toContain('POST http://127.0.0.1')
    expect(stdout).toContain('"kind": "test"')
    expect(stdout).not.toContain(TOKEN)
    expect(told).toEqual([])
  })

  test('names the sinks there are, and what is not set', async () => {
    expect(await borescope('alert', 'test', 'hok')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('known: hook, log, unset'),
    })
    expect(await borescope('alert', 'test', 'unset')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('alerts.sinks.unset.url: the environment variable NOWHERE is not set'),
    })
  })
})

test('doctor says what is wrong with a sink', async () => {
  const { code, stdout } = await borescope('doctor')
  expect(code).toBe(2)
  expect(stdout).toMatch(/wrong +alerts +alerts\.sinks\.unset\.url: the environment variable NOWHERE is not set/)
  expect(stdout).toMatch(/wrong +secrets +open\.url holds a secret and is open to other users: chmod 600 open\.url/)
})

test('alert sinks lists them with their state', async () => {
  const { code, stdout } = await borescope('alert', 'sinks', '--json')
  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toMatchObject([
    { name: 'hook', type: 'webhook', levels: ['medium', 'high', 'critical'] },
    { name: 'log', type: 'file', target: 'alerts.ndjson' },
    { name: 'unset', state: 'wrong', says: expect.stringContaining('NOWHERE') },
    { name: 'open', type: 'webhook' },
  ])
  expect((await borescope('alert', 'sinks')).stdout).toMatch(/^sink +type +leads to +levels +state/)
})

describe('replay', () => {
  test('tells nobody unless it is asked to, and says that', async () => {
    const { code, stdout } = await borescope('replay', '--no-store', BRUTE_FORCE)
    expect(code).toBe(0)
    expect(told).toEqual([])
    expect(existsSync(join(scratch, 'alerts.ndjson'))).toBe(false)
    expect(stdout).toContain('nobody was told of the alerts; --notify does')
  })

  test('tells the same of the same capture, every time', async () => {
    const first = await borescope('replay', '--no-store', '--notify', BRUTE_FORCE)
    expect(first).toMatchObject({ code: 0, stdout: expect.stringMatching(/Notifications: \d+ sent to hook/) })
    const once = told
    expect(once.length).toBeGreaterThan(0)
    const log = readFileSync(join(scratch, 'alerts.ndjson'), 'utf8')
    told = []
    const second = await borescope('replay', '--no-store', '--notify', '--json', BRUTE_FORCE)
    expect(JSON.parse(second.stdout).notifications.sinks.hook).toMatchObject({ stored: once.length })
    // Several requests are under way at one time.
    const sorted = (list: Record<string, unknown>[]) => list.map((body) => JSON.stringify(body)).sort()
    expect(sorted(told)).toEqual(sorted(once))
    expect(readFileSync(join(scratch, 'alerts.ndjson'), 'utf8').slice(log.length).split('\n').sort()).toEqual(
      log.split('\n').sort(),
    )
  })

  test('keeps what the peer does not take, and the next one delivers it', async () => {
    status = 503
    const first = await borescope('replay', '--no-store', '--notify', '--json', BRUTE_FORCE)
    expect(first.code).toBe(5)
    const { spooled } = JSON.parse(first.stdout).notifications.sinks.hook
    expect(spooled).toBeGreaterThan(0)
    expect(JSON.parse((await borescope('alert', 'sinks', '--json')).stdout)[0]).toMatchObject({
      spooled,
      says: expect.stringContaining('HTTP 503'),
    })
    expect((await borescope('spool', 'send')).code).toBe(5)
    told = []
    status = 200
    const second = JSON.parse(
      (await borescope('replay', '--no-store', '--notify', '--json', join(ROOT, 'pcaps/l2tp-tunnelauth.pcap'))).stdout,
    )
    expect(second.notifications.sinks.hook).toMatchObject({ resumed: spooled, spooled: 0 })
    expect(told.length).toBe(second.notifications.sinks.hook.stored)
  })

  test("keeps what the peer does not take, for 'spool send'", async () => {
    status = 503
    const first = await borescope('replay', '--no-store', '--notify', '--json', BRUTE_FORCE)
    const { spooled } = JSON.parse(first.stdout).notifications.sinks.hook
    told = []
    status = 200
    const sent = await borescope('spool', 'send', '--json')
    expect(sent.code).toBe(0)
    expect(JSON.parse(sent.stdout)['alerts-hook']).toMatchObject({ stored: spooled, spooled: 0 })
    expect(told).toHaveLength(spooled)
  })

  test('with nobody to tell is a mistake', async () => {
    const { code, stderr } = await borescope('-c', '/dev/null', 'replay', '--no-store', '--notify', BRUTE_FORCE)
    expect(code).toBe(2)
    expect(stderr).toContain('no sinks are configured (alerts.sinks)')
  })
})
