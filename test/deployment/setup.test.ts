import { spawn, spawnSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type DashboardsServer, identify } from '../../src/dashboards/import.ts'
import { PRIVILEGES } from '../../src/store/cluster/examine.ts'
import { streamPattern } from '../../src/store/cluster/store.ts'

const SCRIPT = resolve(import.meta.dirname, '../../deploy/setup.sh')
const PASSWORDS = {
  ADMIN_PASSWORD: 'a'.repeat(48),
  DASHBOARDS_PASSWORD: 'b'.repeat(48),
  SENSOR_PASSWORD: 'c'.repeat(48),
}

/** Why what the script calls cannot be called here; null where it can. */
function lacking(...tools: readonly string[]): string | null {
  const missing = tools.filter((tool) => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0)
  if (missing.length === 0) return null
  process.stderr.write(`\nSKIPPED in test/deployment/setup.test.ts: no ${missing.join(', ')} on this machine\n\n`)
  return missing.join(', ')
}

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'borescope-setup-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

/** Not waited for in place: the server that it talks to is in this process. */
function setup(...args: readonly string[]): Promise<{ code: number | null; stderr: string }> {
  const child = spawn('sh', [SCRIPT, ...args], {
    env: { PATH: process.env['PATH'], ...PASSWORDS },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  return new Promise((done) => child.on('close', (code) => done({ code, stderr })))
}

const read = (...path: readonly string[]): string => readFileSync(join(folder, ...path), 'utf8')

test.each([[], ['certificate'], ['certificates', '/x'], ['elasticsearch', 'https://x'], ['opensearch']])(
  'says what it expects: %s %s',
  async (...args) => {
    const { code, stderr } = await setup(...args)
    expect(code).toBe(1)
    expect(stderr).toMatch(/^setup: expected/)
  },
)

describe.skipIf(lacking('openssl') !== null)('certificates', () => {
  const NAMES = ['elasticsearch', 'kibana']
  beforeAll(async () => {
    expect(await setup('certificates', folder, ...NAMES)).toEqual({ code: 0, stderr: '' })
  })

  test('are signed by an authority of their own, for the host and for this machine', () => {
    const authority = new X509Certificate(read('trust/ca.crt'))
    expect(authority.ca).toBe(true)
    expect(authority.verify(authority.publicKey)).toBe(true)
    for (const name of NAMES) {
      const certificate = new X509Certificate(read(name, 'tls.crt'))
      expect(certificate.ca).toBe(false)
      expect(certificate.checkIssued(authority)).toBe(true)
      expect(certificate.verify(authority.publicKey)).toBe(true)
      for (const host of [name, 'localhost']) expect(certificate.checkHost(host)).toBe(host)
      expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1')
      expect(certificate.checkHost('elsewhere.example')).toBeUndefined()
      expect(read(name, 'ca.crt')).toBe(read('trust/ca.crt'))
    }
  })

  test('have keys that only their owner can read, in the form that Java reads', () => {
    for (const path of ['authority/ca.key', ...NAMES.map((name) => `${name}/tls.key`)]) {
      expect(statSync(join(folder, path)).mode & 0o077).toBe(0)
      expect(read(path)).toMatch(/^-----BEGIN PRIVATE KEY-----/)
    }
  })

  test('stay when it runs again, and a new host gets its own beside them', async () => {
    const before = read('kibana/tls.crt')
    expect((await setup('certificates', folder, ...NAMES, 'opensearch')).code).toBe(0)
    expect(read('kibana/tls.crt')).toBe(before)
    const authority = new X509Certificate(read('trust/ca.crt'))
    expect(new X509Certificate(read('opensearch/tls.crt')).checkIssued(authority)).toBe(true)
  })

  describe('of a server', () => {
    let server: Server
    let url: string
    const received: { request: string; authorization: string | undefined; body: string }[] = []
    let refused = ''
    beforeAll(async () => {
      const options = { key: read('kibana/tls.key'), cert: read('kibana/tls.crt') }
      server = createServer(options, (request, response) => {
        let body = ''
        request.setEncoding('utf8').on('data', (text: string) => {
          body += text
        })
        request.on('end', () => {
          const line = `${request.method} ${request.url}`
          received.push({ request: line, authorization: request.headers.authorization, body })
          response.writeHead(line === refused ? 403 : 200, { 'kbn-name': 'kibana' }).end('{}')
        })
      })
      await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
      url = `https://localhost:${(server.address() as AddressInfo).port}`
    })
    afterAll(() => new Promise((done) => server.close(done)))

    const target = (ca = ''): DashboardsServer => ({
      url: new URL(url),
      username: '',
      password: '',
      apiKey: '',
      space: '',
      tenant: '',
      ca,
    })

    test('are believed by who is given the authority, and by nobody else', async () => {
      expect(await identify(target(read('trust/ca.crt')))).toBe('kibana')
      await expect(identify(target())).rejects.toThrow(/certificate is not trusted .* with --ca/)
    })

    test.skipIf(lacking('curl') !== null)(
      'let users of Elasticsearch be made over them, without a password in sight',
      async () => {
        received.length = 0
        expect(await setup('elasticsearch', url, join(folder, 'trust/ca.crt'))).toEqual({ code: 0, stderr: '' })
        expect(received.map(({ request }) => request)).toEqual([
          'POST /_security/user/kibana_system/_password',
          'PUT /_security/role/borescope',
          'PUT /_security/user/borescope',
        ])
        const basic = `Basic ${Buffer.from(`elastic:${PASSWORDS.ADMIN_PASSWORD}`).toString('base64')}`
        for (const { authorization } of received) expect(authorization).toBe(basic)
        const [password, role, user] = received.map(({ body }) => JSON.parse(body) as Record<string, unknown>)
        expect(password).toEqual({ password: PASSWORDS.DASHBOARDS_PASSWORD })
        // What `borescope doctor` will look for.
        expect(role).toEqual({
          cluster: PRIVILEGES.cluster,
          indices: [{ names: streamPattern('*').split(','), privileges: PRIVILEGES.index }],
        })
        expect(user).toMatchObject({ password: PASSWORDS.SENSOR_PASSWORD, roles: ['borescope'] })
      },
    )

    test.skipIf(lacking('curl') !== null)('stop at the first refusal', async () => {
      received.length = 0
      refused = 'PUT /_security/role/borescope'
      const { code, stderr } = await setup('elasticsearch', url, join(folder, 'trust/ca.crt'))
      expect(code).not.toBe(0)
      expect(stderr).toContain('setup: PUT /_security/role/borescope was refused')
      expect(received).toHaveLength(2)
    })
  })
})

describe.skipIf(lacking('htpasswd') !== null)('the users of OpenSearch', () => {
  test('have hashes of their passwords, once and for all', async () => {
    expect(await setup('opensearch', folder)).toEqual({ code: 0, stderr: '' })
    const users = read('internal_users.yml')
    const hashes = [...users.matchAll(/^([a-z]+):\n {2}hash: "(.*)"$/gm)].map(([, name, hash]) => ({ name, hash }))
    expect(hashes.map(({ name }) => name)).toEqual(['admin', 'kibanaserver', 'borescope'])
    const passwords = Object.values(PASSWORDS)
    for (const [i, { hash }] of hashes.entries()) {
      expect(hash).toMatch(/^\$2y\$12\$[./A-Za-z0-9]{53}$/)
      expect(users).not.toContain(passwords[i])
      const file = join(folder, `htpasswd-${i}`)
      const check = spawnSync('sh', ['-c', 'printf "x:%s\\n" "$2" > "$1" && htpasswd -vi "$1" x', '-', file, hash], {
        input: passwords[i],
      })
      expect(check.status).toBe(0)
    }
    expect(existsSync(join(folder, 'roles.yml'))).toBe(true)
    await setup('opensearch', folder)
    expect(read('internal_users.yml')).toBe(users)
  })
})
