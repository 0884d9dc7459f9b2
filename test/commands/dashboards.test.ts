/** `borescope dashboards` and `borescope attack` from outside: files, exit codes, what is said. */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { savedObjectsNdjson } from '../../src/dashboards/dashboards.ts'

const ROOT = resolve(import.meta.dirname, '../..')

let scratch: string
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'borescope-dashboards-'))
})
afterAll(() => rmSync(scratch, { recursive: true }))

function borescope(
  args: readonly string[],
  environment: Record<string, string> = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(join(ROOT, 'bin/borescope'), args, {
    cwd: scratch,
    env: { PATH: process.env['PATH'], HOME: scratch, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
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

describe('borescope dashboards export', () => {
  test('writes the objects to stdout, for Kibana unless told otherwise', async () => {
    expect(await borescope(['dashboards', 'export'])).toEqual({
      code: 0,
      stdout: savedObjectsNdjson('kibana'),
      stderr: '',
    })
  })

  test('writes them into a file, as a whole', async () => {
    const file = join(scratch, 'dashboards.ndjson')
    const { code, stdout, stderr } = await borescope(['dashboards', 'export', '--for', 'opensearch', '-o', file])
    expect(`${code} ${stdout}`).toBe('0 ')
    expect(stderr).toMatch(/^\d+ objects for OpenSearch Dashboards in .*dashboards\.ndjson\n$/)
    expect(readFileSync(file, 'utf8')).toBe(savedObjectsNdjson('opensearch'))
    expect(readdirSync(scratch).filter((name) => name.includes('partial'))).toEqual([])
  })

  test.each([
    [['-o', '.'], /is a directory/],
    [['-o', 'no/such/folder/x.ndjson'], /x\.ndjson: there is no folder no\/such\/folder/],
    [['--for', 'grafana'], /Allowed choices are kibana, opensearch/],
  ])('refuses %j', async (options, says) => {
    const { code, stderr } = await borescope(['dashboards', 'export', ...options])
    expect(code).toBe(2)
    expect(stderr).toMatch(says)
  })
})

describe('borescope dashboards import', () => {
  let server: Server
  let url: string
  let answer: object = {}
  let authorization: string | undefined
  let status = 200
  beforeAll(async () => {
    server = createServer((request, response) => {
      authorization = request.headers.authorization
      const isImport = request.url?.includes('_import') ?? false
      request.resume().on('end', () => {
        response.writeHead(isImport ? status : 200, { 'osd-name': 'test' }).end(JSON.stringify(isImport ? answer : {}))
      })
    })
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterAll(() => new Promise((done) => server.close(done)))

  test('says how many objects went where', async () => {
    answer = { success: true, successCount: 77 }
    const login = { BORESCOPE_DASHBOARDS__USERNAME: 'admin', BORESCOPE_DASHBOARDS__PASSWORD: 'hidden' }
    expect(await borescope(['dashboards', 'import', url], login)).toEqual({
      code: 0,
      stdout: '77 objects imported into OpenSearch Dashboards\n',
      stderr: '',
    })
    expect(authorization).toBe(`Basic ${Buffer.from('admin:hidden').toString('base64')}`)
  })

  test('takes the address from the configuration, and answers in JSON', async () => {
    const { code, stdout } = await borescope(['dashboards', 'import', '--json'], { BORESCOPE_DASHBOARDS__URL: url })
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toEqual({ product: 'opensearch', imported: 77, refused: [] })
  })

  test('names what was refused, with control characters made visible, and exits with 2', async () => {
    answer = {
      success: false,
      successCount: 76,
      errors: [{ type: 'search', id: 'borescope-x', meta: { title: 'X\u001b[31m' }, error: { type: 'conflict' } }],
    }
    const { code, stdout } = await borescope(['dashboards', 'import', url])
    expect(code).toBe(2)
    expect(stdout).toBe(
      'refused  search borescope-x "X\\u001b[31m": another object stands in its place\n76 objects imported into OpenSearch Dashboards\n',
    )
  })

  test('says what to do when the log-in is refused, without the password', async () => {
    status = 401
    const { code, stdout, stderr } = await borescope(['dashboards', 'import', url, '--user', 'eve'], {
      BORESCOPE_DASHBOARDS__PASSWORD: 'hidden',
    })
    status = 200
    expect(`${code} ${stdout}`).toBe('2 ')
    expect(stderr).toContain('refuses user eve: set dashboards.username and dashboards.password')
    expect(stderr).not.toContain('hidden')
  })

  test.each([
    [[], {}, /name the address of Kibana or OpenSearch Dashboards, or set dashboards\.url/],
    [['kibana:5601'], {}, /kibana:5601: expected an address that begins with https/],
    [['not an address'], {}, /is no address: expected https/],
    [['https://u:p@kibana.example'], {}, /a password in an address is seen/],
    [['https://kibana.example', '--ca', 'none.pem'], {}, /dashboards\.caFile: none\.pem cannot be read/],
    [['http://127.0.0.1:9'], {}, /cannot be reached/],
  ])('refuses %j', async (args, environment, says) => {
    const { code, stderr } = await borescope(['dashboards', 'import', ...args], environment)
    expect(code).toBe(2)
    expect(stderr).toMatch(says)
  })

  test('takes only a certificate for a certificate', async () => {
    const file = join(scratch, 'not.pem')
    writeFileSync(file, 'hello')
    const { code, stderr } = await borescope(['dashboards', 'import', 'https://kibana.example', '--ca', file])
    expect(code).toBe(2)
    expect(stderr).toContain(`${file} holds no certificate in PEM`)
  })
})

test('borescope config masks the password and the key of the user interface', async () => {
  const { stdout } = await borescope(['config'], {
    BORESCOPE_DASHBOARDS__PASSWORD: 'hidden',
    BORESCOPE_DASHBOARDS__API_KEY: 'secret-key',
  })
  expect(stdout).toContain('dashboards:')
  expect(stdout).not.toMatch(/hidden|secret-key/)
})

describe('borescope attack layer', () => {
  test('is by default of the rules', async () => {
    const { code, stdout } = await borescope(['attack', 'layer'])
    expect(code).toBe(0)
    const layer = JSON.parse(stdout) as { name: string; versions: object; techniques: object[] }
    expect(layer).toMatchObject({ name: 'Borescope: rules', versions: { layer: '4.5' } })
    expect(layer.techniques.length).toBeGreaterThan(20)
  })

  test('of the alerts counts them, in a stretch of time, and is named as one likes', async () => {
    const capture = join(ROOT, 'pcaps/l2tp-bruteforce-mschapv2.pcap')
    expect((await borescope(['replay', '--quiet', capture])).code).toBe(0)
    const file = join(scratch, 'layer.json')
    const args = ['attack', 'layer', '--from', 'alerts', '--since', '2020-01-01', '--name', 'ours', '-o', file]
    const { code, stdout, stderr } = await borescope(args)
    expect(`${code} ${stdout}`).toBe('0 ')
    expect(stderr).toMatch(/^\d+ techniques? in /)
    const layer = JSON.parse(readFileSync(file, 'utf8')) as {
      name: string
      description: string
      techniques: { techniqueID: string; score: number; comment: string }[]
    }
    expect(layer.name).toBe('ours')
    expect(layer.description).toMatch(/^Techniques that \d+ alerts of Borescope showed, since 2020-01-01\.$/)
    const alerts = JSON.parse((await borescope(['alerts', '--json'])).stdout) as {
      rule: { name: string }
      threat?: { technique?: { subtechnique?: { id?: string[] } } }
    }[]
    const guessing = alerts.filter(({ threat }) => threat?.technique?.subtechnique?.id?.includes('T1110.001'))
    expect(guessing.length).toBeGreaterThan(0)
    const technique = layer.techniques.find(({ techniqueID }) => techniqueID === 'T1110.001')
    expect(technique?.score).toBe(guessing.length)
    for (const { rule } of guessing) expect(technique?.comment).toContain(rule.name)
    // The technique itself was tagged for the sake of its sub-technique alone.
    expect(layer.techniques.map(({ techniqueID }) => techniqueID)).not.toContain('T1110')
    const none = JSON.parse((await borescope(['attack', 'layer', '--from', 'alerts', '--until', '2001-01-01'])).stdout)
    expect((none as { techniques: object[] }).techniques).toEqual([])
  })

  test('has no time where it is of the rules', async () => {
    const { code, stderr } = await borescope(['attack', 'layer', '--since', '2020-01-01', '-o', 'x.json'])
    expect(code).toBe(2)
    expect(stderr).toContain('--since and --until go with --from alerts')
    expect(existsSync(join(scratch, 'x.json'))).toBe(false)
  })
})
