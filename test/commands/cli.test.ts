/** The command line from outside: a process, its output, its exit code. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as craft from '../support/craft.ts'
import { pcapFile } from '../support/pcap.ts'
import { discoveryFrame, pppoeTag, sessionFrame } from '../support/pppoe.ts'
import { enhancedGre, outgoingCallReply, outgoingCallRequest, startReply, startRequest } from '../support/pptp.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const BRUTE_FORCE = join(ROOT, 'pcaps/l2tp-bruteforce-mschapv2.pcap')
const CLEAN = join(ROOT, 'pcaps/l2tp-mschapv2.pcap')

/** What `ip xfrm state` of the lab's client said while l2tp-ipsec-downgrade was recorded. */
const ESP_STATE = `src 10.99.0.11 dst 10.99.0.1
\tproto esp spi 0xcf6d26d9 reqid 1 mode transport
\tauth-trunc hmac(sha256) 0xffe10093dbd859b176b8f7b59e0dbed2b72dfc288de8f72a1be86b6de9d79aed 128
\tenc cbc(aes) 0x3896d044d7391d62142785ef039bc47191c79b118839e7181a3fc8f5a7f66180
src 10.99.0.1 dst 10.99.0.11
\tproto esp spi 0xc3cfb58e reqid 1 mode transport
\tauth-trunc hmac(sha256) 0x7bc7f7ef4b81241c041ef5094305ef166fdb210aa687c195c28d8f613c7b4592 128
\tenc cbc(aes) 0xcd4ea149742ee0d5e95365e83da561cefded62fb250f121a73cf3cf8fbbee420
`
const ESP_KEYS = 'esp.keys'

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

let scratch: string
beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'borescope-cli-'))
  await borescope(['replay', '--quiet', BRUTE_FORCE, CLEAN])
})
afterAll(() => rmSync(scratch, { recursive: true }))

function borescope(
  args: readonly string[],
  input?: Uint8Array | null,
  environment: Record<string, string> = {},
): Promise<Ended> {
  const child = spawn(join(ROOT, 'bin/borescope'), args, {
    cwd: scratch,
    env: { PATH: process.env['PATH'], HOME: scratch, ...environment },
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  child.stdin?.on('error', () => {})
  if (input) child.stdin?.end(input)
  return new Promise((done) => child.on('close', (code) => done({ code, stdout, stderr })))
}

describe('help', () => {
  test('names every command, the exit codes and examples', async () => {
    const { code, stdout } = await borescope(['--help'])
    expect(code).toBe(0)
    for (const name of [
      'replay',
      'watch',
      'dissect',
      'query',
      'tunnels',
      'sessions',
      'users',
      'alerts',
      'show',
      'rules',
      'status',
      'spool',
      'quarantine',
      'attack',
      'dashboards',
      'config',
      'fields',
      'doctor',
    ]) {
      expect(stdout).toContain(`  ${name}`)
    }
    expect(stdout).toContain('Exit codes:')
  })

  test('exists for every command', async () => {
    const names = [
      'replay',
      'dissect',
      'query',
      'tunnels',
      'show',
      'rules',
      'attack',
      'dashboards',
      'status',
      'spool',
      'quarantine',
    ]
    for (const name of [...names, 'watch', 'baseline', 'intel', 'config', 'fields', 'doctor']) {
      const { code, stdout } = await borescope([name, '--help'])
      expect(code, name).toBe(0)
      expect(stdout).toContain(`Usage: borescope ${name}`)
    }
  })
})

describe('wrong usage exits with 2', () => {
  test('an unknown command', async () => {
    const { code, stderr } = await borescope(['reply'])
    expect(code).toBe(2)
    expect(stderr).toContain("unknown command 'reply'")
  })

  test('a configuration with an unknown key, named with its line', async () => {
    const path = join(scratch, 'wrong.yaml')
    writeFileSync(path, 'sensor:\n  name: x\ntrack:\n  tunnelMax: 5\n')
    const { code, stderr } = await borescope(['-c', path, 'config'])
    expect(code).toBe(2)
    expect(stderr).toContain(`${path}:4: track.tunnelMax: no such key`)
    expect(stderr).toContain('tunnelsMax')
  })

  test('a query that cannot be read', async () => {
    const { code, stderr } = await borescope(['query', 'user.name: (alice'])
    expect(code).toBe(2)
    expect(stderr).toContain('^')
  })

  test('a store that is not there yet: says what to do', async () => {
    const { code, stderr } = await borescope(['tunnels'], undefined, {
      BORESCOPE_STORE__PATH: join(scratch, 'none.db'),
    })
    expect(code).toBe(2)
    expect(stderr).toContain("'borescope replay FILE'")
  })
})

describe('replay', () => {
  test('tells what happened', async () => {
    const { code, stdout } = await borescope(['replay', '--no-store', BRUTE_FORCE])
    expect(code).toBe(0)
    expect(stdout).toContain('25 requested, 25 opened, 0 failed')
    expect(stdout).toMatch(/alice +10\.99\.0\.66 +MS-CHAPv2 +1 +24/)
    expect(stdout).toContain('T1110')
    expect(stdout).not.toContain('\u001b[')
  })

  test('stores nothing twice', async () => {
    const store = { BORESCOPE_STORE__PATH: join(scratch, 'twice.db') }
    const first = JSON.parse((await borescope(['replay', '--json', CLEAN], undefined, store)).stdout)
    const second = JSON.parse((await borescope(['replay', '--json', CLEAN], undefined, store)).stdout)
    const none = { resumed: 0, quarantined: 0, spooled: 0, dropped: {} }
    expect(first.store).toEqual({ ...none, stored: expect.any(Number), duplicates: 0 })
    expect(second.store).toEqual({ ...none, stored: 0, duplicates: first.store.stored })
  })

  test('reads stdin', async () => {
    const { code, stdout } = await borescope(['replay', '--no-store', '--json', '-'], readFileSync(CLEAN))
    expect(code).toBe(0)
    expect(JSON.parse(stdout).packets).toBe(303)
  })

  test('writes NDJSON that is whole, one nested document a line', async () => {
    const path = join(scratch, 'events.ndjson')
    const { code } = await borescope(['replay', '--no-store', '-q', '--out', path, CLEAN])
    expect(code).toBe(0)
    const events = readFileSync(path, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(events.filter(({ event }) => event.action === 'capture.analysed')).toHaveLength(1)
    expect(events.every((event) => typeof event.event.id === 'string' && event.ecs.version)).toBe(true)
  })

  test('gives the same bytes twice', async () => {
    const [first, second] = await Promise.all([
      borescope(['replay', '--no-store', '--out', '-', CLEAN]),
      borescope(['replay', '--no-store', '--out', '-', CLEAN]),
    ])
    expect(first.stdout.length).toBeGreaterThan(1000)
    expect(first.stdout).toBe(second.stdout)
  })

  test('exits with 1 for --fail-on only when something is that bad', async () => {
    expect((await borescope(['replay', '--no-store', '-q', '--fail-on', 'high', BRUTE_FORCE])).code).toBe(1)
    expect((await borescope(['replay', '--no-store', '-q', '--fail-on', 'medium', CLEAN])).code).toBe(0)
  })

  test('a truncated capture is analysed up to the fault, which is named; exit code 3', async () => {
    const path = join(scratch, 'cut.pcap')
    writeFileSync(path, readFileSync(CLEAN).subarray(0, 100_001))
    const { code, stderr, stdout } = await borescope(['replay', '--no-store', '--json', path])
    expect(code).toBe(3)
    expect(stderr).toMatch(/cut\.pcap is damaged at byte \d+: .*capture\.truncated/)
    expect(JSON.parse(stdout).packets).toBeGreaterThan(50)
  })

  test('a missing file and a file that is no capture: exit code 3, no summary', async () => {
    expect((await borescope(['replay', '--no-store', join(scratch, 'nowhere.pcap')])).code).toBe(3)
    const path = join(scratch, 'text.pcap')
    writeFileSync(path, 'this is not a capture at all, only text\n')
    const { code, stderr } = await borescope(['replay', '--no-store', path])
    expect(code).toBe(3)
    expect(stderr).toContain('neither pcap nor pcapng')
  })

  test('a folder is searched for captures, and what else is in it is let be', async () => {
    const { code, stdout, stderr } = await borescope([
      'replay',
      '--no-store',
      '--json',
      join(ROOT, 'pcaps'),
      '--order',
      'each',
    ])
    expect(stderr).toBe('')
    expect(code).toBe(0)
    expect(JSON.parse(stdout).captures).toBe(
      readdirSync(join(ROOT, 'pcaps')).filter((name) => name.endsWith('.pcap')).length,
    )
    expect((await borescope(['replay', '--no-store', join(ROOT, 'docs')])).code).toBe(3)
  })

  test('a pipe named by --out is written to, not replaced', async () => {
    const { execFileSync } = await import('node:child_process')
    const path = join(scratch, 'events.fifo')
    execFileSync('mkfifo', [path])
    const reader = spawn('cat', [path])
    let text = ''
    reader.stdout.setEncoding('utf8').on('data', (piece: string) => {
      text += piece
    })
    const closed = new Promise((done) => reader.on('close', done))
    expect((await borescope(['replay', '--no-store', '-q', '--out', path, CLEAN])).code).toBe(0)
    await closed
    expect(text).toContain('capture.analysed')
    expect(statSync(path).isFIFO()).toBe(true)
  })

  test('an output that cannot be written is the usage, not an error of ours', async () => {
    const { code, stderr } = await borescope(['replay', '--no-store', '--out', scratch, CLEAN])
    expect(code).toBe(2)
    expect(stderr).toContain('is a directory')
  })

  test('ends in good order when nobody reads the events any more: what was read is stored', async () => {
    const folder = mkdtempSync(join(scratch, 'unread-'))
    const child = spawn(join(ROOT, 'bin/borescope'), ['replay', '--order', 'each', '--out', '-', join(ROOT, 'pcaps')], {
      cwd: folder,
      env: { PATH: process.env['PATH'], HOME: folder },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    child.stdout.once('data', () => child.stdout.destroy())
    expect(await new Promise((done) => child.on('close', done))).toBe(0)
    const at = { BORESCOPE_STORE__PATH: join(folder, '.borescope/events.db') }
    const delivery = { BORESCOPE_DELIVERY__PATH: join(folder, '.borescope/spool') }
    const status = JSON.parse((await borescope(['status', '--json'], undefined, { ...at, ...delivery })).stdout)
    const store = status.destinations.find(({ name }: { name: string }) => name === 'store')
    expect([status.process, store.accepted > 0, store.accepted - store.stored]).toEqual(['ended', true, 0])
    expect((await borescope(['query', '--since', '2020-01-01', '--count'], undefined, at)).stdout).toBe(
      `${store.stored}\n`,
    )
  })

  test('goes on when nobody reads the messages any more', async () => {
    const child = spawn(join(ROOT, 'bin/borescope'), ['rules', 'export'], {
      cwd: scratch,
      env: { PATH: process.env['PATH'], HOME: scratch },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    child.stderr.destroy()
    expect(await new Promise((done) => child.on('close', done))).toBe(0)
  })

  test.each([
    ['missing/events.ndjson', 'there is no folder'],
    ['no-folder/events.ndjson', 'ENOTDIR'],
  ])('an output that cannot be made (%s) is refused before a packet is read', async (file, says) => {
    writeFileSync(join(scratch, 'no-folder'), '')
    // Stdin stays open: whoever reads it first waits for ever.
    const { code, stderr, stdout } = await borescope(['replay', '--no-store', '--out', join(scratch, file), '-'], null)
    expect(`${code} ${stdout}`).toBe('2 ')
    expect(stderr).toContain(says)
  })

  test('gives the same bytes with three threads as with one', async () => {
    const [one, three] = await Promise.all(
      ['1', '3'].map((threads) => borescope(['replay', '--no-store', '--threads', threads, '--out', '-', CLEAN])),
    )
    expect(three.code).toBe(0)
    expect(one.stdout.length).toBeGreaterThan(1000)
    expect(three.stdout).toBe(one.stdout)
  })

  test('packets are kept by one thread: more are refused, and nothing is begun', async () => {
    const folder = join(scratch, 'evidence-of-threads')
    const replay = (...more: string[]) => borescope(['replay', '--no-store', '-q', ...more, CLEAN])
    const { code, stderr } = await replay('--evidence', folder, '--threads', '2')
    expect(code).toBe(2)
    expect(stderr).toContain('--evidence needs one thread')
    expect(existsSync(folder)).toBe(false)
    expect((await replay('--evidence', folder, '--threads', '1')).code).toBe(0)
    expect(existsSync(folder)).toBe(true)
    expect((await replay('--threads', 'none')).code).toBe(2)
  })

  test('the store is not touched by --no-store', async () => {
    const store = join(scratch, 'untouched.db')
    await borescope(['replay', '--no-store', '-q', CLEAN], undefined, { BORESCOPE_STORE__PATH: store })
    expect(existsSync(store)).toBe(false)
  })
})

describe('what is stored', () => {
  test('users', async () => {
    const { stdout } = await borescope(['users', '--json'])
    const [alice] = JSON.parse(stdout)
    expect(alice).toMatchObject({ user: 'alice', succeeded: 2, failed: 24, methods: ['MS-CHAPv2'] })
  })

  test('tunnels, sessions and alerts as tables and as JSON', async () => {
    expect(JSON.parse((await borescope(['tunnels', '--json'])).stdout)).toHaveLength(26)
    expect(JSON.parse((await borescope(['sessions', '--json'])).stdout)).toHaveLength(26)
    const { stdout } = await borescope(['alerts'])
    expect(stdout).toMatch(/critical|high/)
    expect((await borescope(['sessions', 'user.name: alice and source.ip: 10.99.0.11'])).stderr).toContain('1 session')
    // Any event of a tunnel may be the one that matches: here the log-in of a user inside it.
    const filter = 'event.action: ppp.authentication.succeeded and user.name: alice and source.ip: 10.99.0.11'
    expect((await borescope(['tunnels', filter])).stderr).toBe('1 tunnel\n')
    expect((await borescope(['tunnels', '--limit', '26'])).stderr).toBe('26 tunnels\n')
    expect((await borescope(['tunnels', '--limit', '25'])).stderr).toBe('25 tunnels; --limit shows more\n')
  })

  test('incidents: a brute force is one, with a count and a story', async () => {
    const listed = JSON.parse((await borescope(['incidents', '--level', 'high', '--json'])).stdout)
    expect(listed).toHaveLength(1)
    const [{ incident, event }] = listed
    expect(incident).toMatchObject({ level: 'critical', state: 'closed' })
    expect(incident.title).toContain('VPN login succeeded after password guessing')
    expect(event.risk_score).toBeGreaterThan(99)
    const { stdout } = await borescope(['incidents'])
    expect(stdout).toMatch(new RegExp(`critical +99 .*${incident.id}`))
    // Any event of it may be the one that matches: here an alert.
    const own = await borescope(['incidents', 'rule.name: "Password guessing against one VPN account"', '--json'])
    expect(JSON.parse(own.stdout).map((row: (typeof listed)[0]) => row.incident.id)).toEqual([incident.id])
    expect((await borescope(['incidents', 'user.name: nobody'])).stderr).toBe('0 incidents\n')
    const { stdout: story } = await borescope(['show', incident.id.slice(0, 8)])
    expect(story).toMatch(/^CRITICAL {2}VPN login succeeded after password guessing and \d other rules\n/)
    expect(story).toContain('high Password guessing against one VPN account: 10.99.0.66, alice (1 alert, 24 events)')
    expect(story).toMatch(/packets +l2tp-bruteforce-mschapv2\.pcap: \d+, \d+/)
    expect(story).toMatch(/alert\.raised +Password guessing against one VPN account/)
    const [alert] = JSON.parse((await borescope(['alerts', '--level', 'critical', '--json'])).stdout)
    expect(alert.incident.id).toBe(incident.id)
    expect(alert.alert.frames[0]).toMatch(/^l2tp-bruteforce-mschapv2\.pcap#\d+@\d+$/)
    expect((await borescope(['show', alert.event.id])).stdout).toContain(`incident ${incident.id}`)
    expect((await borescope(['show', 'n-000000000000'])).code).toBe(2)
  })

  test('query in each format', async () => {
    const query = ['query', 'event.action: ppp.authentication.failed', '-n', '3', '--fields', 'user.name,source.ip']
    expect(JSON.parse((await borescope([...query, '--format', 'json'])).stdout)).toHaveLength(3)
    expect((await borescope([...query, '--format', 'ndjson'])).stdout.trimEnd().split('\n')).toHaveLength(3)
    expect((await borescope([...query, '--format', 'csv'])).stdout).toBe(
      'user.name,source.ip\nalice,10.99.0.66\nalice,10.99.0.66\nalice,10.99.0.66\n',
    )
    const table = await borescope(query)
    expect(table.stdout).toMatch(/^user\.name +source\.ip\nalice +10\.99\.0\.66\n/)
    expect(table.stderr).toBe('3 of 24 events; --limit shows more\n')
  })

  test('counting, by field and in all', async () => {
    expect((await borescope(['query', 'event.action: ppp.authentication.failed', '--count'])).stdout).toBe('24\n')
    const groups = JSON.parse(
      (await borescope(['query', 'event.action: ppp.authentication.*', '--by', 'event.outcome', '--json'])).stdout,
    )
    expect(groups).toEqual([
      expect.objectContaining({ 'event.outcome': 'failure', count: 24 }),
      expect.objectContaining({ 'event.outcome': 'success', count: 2 }),
    ])
    const misspelt = await borescope(['query', 'not event.action: (ppp.authentication.fail or flow.*)', '--count'])
    expect(Number(misspelt.stdout)).toBeGreaterThan(0)
    expect(misspelt.stderr).toBe(
      'borescope: no event is called "ppp.authentication.fail"; did you mean "ppp.authentication.failed"?\n',
    )
    const nobody = ['query', 'user.name: nobody', '--by', 'user.name', '--format', 'ndjson']
    expect((await borescope(nobody)).stdout).toBe('')
  })

  test('metrics of groups, and of everything', async () => {
    const flows = ['query', 'event.action: flow.closed', '--sum', 'network.bytes', '--distinct', 'destination.ip']
    const [all] = JSON.parse((await borescope([...flows, '--json'])).stdout)
    const groups = JSON.parse((await borescope([...flows, '--by', 'source.ip', '--limit', 'all', '--json'])).stdout)
    const sums = groups.map((group: Record<string, number>) => group['sum(network.bytes)'])
    expect(all['sum(network.bytes)']).toBe(sums.reduce((sum: number, part: number) => sum + part, 0))
    expect(all['distinct(destination.ip)']).toBeGreaterThan(0)
    const { stdout } = await borescope([...flows, '--by', 'source.ip', '--format', 'csv'])
    expect(stdout).toMatch(/^source\.ip,count,sum\(network\.bytes\),distinct\(destination\.ip\),first,last\n/)
    const sumOf = (group: Record<string, number>) => group['sum(network.bytes)']
    const falling = [...groups].sort((a, b) => sumOf(b) - sumOf(a))
    const rising = [...groups].sort((a, b) => sumOf(a) - sumOf(b))
    const sorted = [...flows, '--by', 'source.ip', '--json', '--limit', '2', '--sort']
    expect(JSON.parse((await borescope([...sorted, '-sum'])).stdout)).toEqual(falling.slice(0, 2))
    expect(JSON.parse((await borescope([...sorted, 'sum(network.bytes)'])).stdout)).toEqual(rising.slice(0, 2))
    const unknown = await borescope([...sorted, '-bytes'])
    expect([unknown.code, unknown.stderr]).toEqual([
      2,
      expect.stringContaining(
        'expected one of count, sum(network.bytes), distinct(destination.ip); with - for falling',
      ),
    ])
    const wrong = await borescope(['query', '--by', 'source.ip', '--avg', 'user.name'])
    expect(wrong.code).toBe(2)
    expect(wrong.stderr).toContain('there is no average of user.name: name a field of numbers')
  })

  test('events over time, as bars and as numbers', async () => {
    const failed = ['query', 'event.action: ppp.authentication.failed', '--every', '1s']
    const bars = await borescope(failed)
    expect(bars.stdout).toMatch(/^2026-\d\d-\d\d \d\d:\d\d:\d\d +\d+ {2}█+/)
    expect(bars.stderr).toMatch(/^24 events in \d+ intervals, UTC\n$/)
    const rows = (await borescope([...failed, '--format', 'csv'])).stdout.trimEnd().split('\n')
    expect(rows[0]).toBe('from,count')
    expect(rows.slice(1).reduce((sum, row) => sum + Number(row.split(',')[1]), 0)).toBe(24)
    expect((await borescope(['query', '--every', '1 hour'])).stderr).toContain('expected a number and a unit')
    expect((await borescope([...failed, '--count'])).stderr).toContain('exclude each other')
  })

  test('every event, as a stream that ends quietly with its reader', async () => {
    const all = ['query', '--limit', 'all', '--format', 'ndjson']
    const { stdout } = await borescope(all)
    const count = Number((await borescope(['query', '--count'])).stdout)
    expect(stdout.trimEnd().split('\n')).toHaveLength(count)
    expect(JSON.parse((await borescope(['query', '--limit', 'all', '--json'])).stdout)).toHaveLength(count)
    expect((await borescope(['query', '--limit', 'all'])).stderr).toContain('--format ndjson')
    const child = spawn(join(ROOT, 'bin/borescope'), all, {
      cwd: scratch,
      env: { PATH: process.env['PATH'], HOME: scratch },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let complaint = ''
    child.stderr.on('data', (text) => {
      complaint += text
    })
    child.stdout.once('data', () => child.stdout.destroy())
    const code = await new Promise((done) => child.on('close', done))
    expect({ code, complaint }).toEqual({ code: 0, complaint: '' })
  })

  test('how a query is understood, without a store', async () => {
    const { code, stdout } = await borescope(['query', 'source.ip: 10.0.0.0/8', '--explain'], undefined, {
      BORESCOPE_STORE__PATH: join(scratch, 'nowhere.db'),
    })
    expect(code).toBe(0)
    for (const part of ['"type": "network"', 'e."source.ip" BETWEEN ? AND ?', '"gte": "10.0.0.0"']) {
      expect(stdout).toContain(part)
    }
    expect((await borescope(['query', 'sorce.ip: 10.0.0.0/8', '--explain'])).code).toBe(2)
  })

  test('a filter is understood by itself: it cannot reach beyond its list', async () => {
    const { code, stderr } = await borescope(['alerts', 'event.kind: event) or (event.kind: event'])
    expect(code).toBe(2)
    expect(stderr).not.toContain('event.kind: alert')
  })

  test('a beginning that several ids share is refused, whatever the limit', async () => {
    const { code, stderr } = await borescope(['show', 't-', '--limit', '1'])
    expect(code).toBe(2)
    expect(stderr).toContain('t- is the beginning of several')
  })

  test('tunnels are of every kind, and one filter finds all that carry what it asks for', async () => {
    const store = { BORESCOPE_STORE__PATH: join(scratch, 'kinds.db') }
    const captures = ['ipsec-espnull', 'pptp', 'l2tpv3-static'].map((name) => join(ROOT, 'pcaps', `${name}.pcap`))
    await borescope(['replay', '--quiet', '--order', 'each', ...captures], undefined, store)
    const kinds = async (...filter: string[]): Promise<string[]> => {
      const { stdout } = await borescope(['tunnels', '--json', ...filter], undefined, store)
      return JSON.parse(stdout).map(({ network }: { network: { protocol: string } }) => network.protocol)
    }
    expect((await kinds()).sort()).toEqual(['esp', 'l2tp', ...Array(5).fill('l2tpv3'), 'pptp'])
    expect((await kinds('user.name: alice')).sort()).toEqual(['esp', 'l2tp', 'pptp'])
  })

  test('show tells the story of a tunnel, of a session and of an alert', async () => {
    const [tunnel] = JSON.parse((await borescope(['tunnels', 'source.ip: 10.99.0.11', '--json'])).stdout)
    const story = (await borescope(['show', tunnel.l2tp.tunnel.uid])).stdout
    for (const part of [
      'l2tp.tunnel.requested',
      'ppp.authentication.succeeded',
      'as 192.168.42.10',
      'flow.closed',
      'l2tp.tunnel.closed',
    ]) {
      expect(story).toContain(part)
    }
    const flows = ['query', `event.action: flow.closed and l2tp.tunnel.uid: ${tunnel.l2tp.tunnel.uid}`, '-n', '1']
    const [flow] = JSON.parse((await borescope([...flows, '--format', 'json'])).stdout)
    const { stdout: inside } = await borescope(['show', flow.flow.uid])
    // What a thing is part of belongs to its story; what else is in there does not.
    for (const part of ['l2tp.tunnel.opened', 'l2tp.session.opened', 'ppp.link.opened']) expect(inside).toContain(part)
    expect(inside.match(/flow\.closed/g)).toHaveLength(1)
    const [alert] = JSON.parse((await borescope(['alerts', '--level', 'high', '--json'])).stdout)
    expect((await borescope(['show', alert.event.id.slice(0, 12)])).stdout).toContain('ATT&CK')
    expect((await borescope(['show', 't-nowhere'])).code).toBe(2)
  })
})

describe('a list of indicators', () => {
  test('tells people what it finds in the past, as one notification', async () => {
    const list = join(scratch, 'told.txt')
    writeFileSync(list, '10.99.0.66\n10.99.0.11\n')
    const told = join(scratch, 'told.ndjson')
    const config = join(scratch, 'told.yaml')
    writeFileSync(config, `alerts: { sinks: { people: { type: file, path: ${told} } } }\n`)
    const lists = {
      BORESCOPE_INTEL__PATH: join(scratch, 'told-intel'),
      BORESCOPE_INTEL__RETRO_DAYS: '3650',
      BORESCOPE_DELIVERY__PATH: join(scratch, 'told-delivery'),
      // The alerts themselves are kept apart from what the other tests count.
      BORESCOPE_STORE__PATH: join(scratch, 'told.db'),
    }
    await borescope(['replay', '--quiet', BRUTE_FORCE], undefined, lists)
    const added = await borescope(['--config', config, 'intel', 'add', 'told', list], undefined, lists)
    expect(added.stdout).toMatch(/1 notification of what was found\n$/)
    const [line, ...more] = readFileSync(told, 'utf8').trimEnd().split('\n')
    expect(more).toEqual([])
    expect(JSON.parse(line)).toMatchObject({
      alert: { retrospective: true },
      rule: { name: 'Indicator found in what happened before' },
    })
  })

  test('is looked for in what is stored when it is added or changes, and tells what it finds once', async () => {
    const list = join(scratch, 'indicators.txt')
    const lists = { BORESCOPE_INTEL__PATH: join(scratch, 'retro-intel'), BORESCOPE_INTEL__RETRO_DAYS: '3650' }
    writeFileSync(list, '192.0.2.99\n')
    const added = await borescope(['intel', 'add', 'mine', list], undefined, lists)
    expect(added.stdout).toMatch(/mine: 1 new indicator in [\d,]+ events of before: 0 findings, 0 alerts\n/)
    writeFileSync(list, '192.0.2.99\n10.99.0.66\n')
    const changed = await borescope(['intel', 'update'], undefined, lists)
    expect(changed.stdout).toMatch(/mine: 1 new indicator in .*: [1-9]\d* findings?, [1-9]\d* alerts?\n/)
    const query = ['query', 'event.action: indicator.recognised', '--count']
    const { stdout: count } = await borescope(query)
    expect(Number(count)).toBeGreaterThan(0)
    const alerts = await borescope(['alerts', 'rule.name: "Indicator found in what happened before"', '--json'])
    expect(JSON.parse(alerts.stdout).length).toBeGreaterThan(0)
    // What an earlier search said is nothing that happened.
    const past = await borescope(['intel', 'retro', '--since', '2020-01-01', '--json'], undefined, lists)
    const actions = past.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).action)
    expect(actions).toContain('l2tp.tunnel.opened')
    expect(actions.filter((action) => /^(indicator|incident)\./.test(action))).toEqual([])
    // Nothing new, or the same anew: nothing is told twice.
    expect((await borescope(['intel', 'update'], undefined, lists)).stdout).not.toContain('of before')
    await borescope(['intel', 'remove', 'mine'], undefined, lists)
    const again = await borescope(['intel', 'add', 'mine', list], undefined, lists)
    expect(again.stdout).toMatch(/0 findings, 0 alerts \([1-9]\d* known already\)/)
    expect((await borescope(query)).stdout).toBe(count)
    await borescope(['intel', 'remove', 'mine'], undefined, lists)
    const none = await borescope(['intel', 'add', 'mine', list, '--retro-days', '0'], undefined, lists)
    expect(none.stdout).not.toContain('of before')
  })

  test('that is had, but cannot be looked for, is said to be new, and is looked for later', async () => {
    const list = join(scratch, 'unsearched.txt')
    const lists = { BORESCOPE_INTEL__PATH: join(scratch, 'unsearched-intel'), BORESCOPE_INTEL__RETRO_DAYS: '3650' }
    writeFileSync(list, '192.0.2.99\n')
    await borescope(['intel', 'add', 'later', list], undefined, lists)
    writeFileSync(list, '192.0.2.99\n192.0.2.98\n')
    const broken = join(scratch, 'no-store.db')
    writeFileSync(broken, 'this is no store')
    const failed = await borescope(['intel', 'update'], undefined, { ...lists, BORESCOPE_STORE__PATH: broken })
    expect(failed.code).toBe(3)
    expect(failed.stderr).toContain('later is new, but was not searched for: ')
    const searched = await borescope(['intel', 'update'], undefined, lists)
    expect(searched.stdout).toMatch(/later: 1 new indicator in /)
    rmSync(list)
    const gone = await borescope(['intel', 'update'], undefined, lists)
    expect(gone.code).toBe(3)
    expect(gone.stderr).toContain('later stays as it was: ')
  })
})

describe('the rest', () => {
  test('rules check finds the shipped rules right, and a wrong one wrong', async () => {
    expect((await borescope(['rules', 'check'])).code).toBe(0)
    const { mkdirSync } = await import('node:fs')
    const folder = join(scratch, 'rules')
    mkdirSync(folder, { recursive: true })
    writeFileSync(
      join(folder, 'wrong.yml'),
      'title: Wrong\nid: 6a1f2f0c-5c1c-4c8e-9f0b-0a1b2c3d4e5f\nlogsource: {product: borescope}\ndetection:\n  selection:\n    user.nam: x\n  condition: selection\nlevel: low\n',
    )
    const { code, stdout } = await borescope(['rules', 'check', folder])
    expect(code).toBe(2)
    expect(stdout).toContain('wrong.yml:6')
  })

  test("rules that are not there, and a variable that is no key, are the user's to mend", async () => {
    expect((await borescope(['rules', 'check', join(scratch, 'nowhere')])).code).toBe(2)
    const { code, stderr } = await borescope(['config'], undefined, { BORESCOPE_STORE_PATH: '/tmp/x.db' })
    expect(code).toBe(2)
    expect(stderr).toContain('BORESCOPE_STORE_PATH: no such setting')
  })

  test('config masks secrets', async () => {
    const path = join(scratch, 'secret.yaml')
    writeFileSync(path, 'secrets:\n  l2tp: [hunter2]\n')
    const { stdout } = await borescope(['-c', path, 'config'])
    expect(stdout).toContain('********')
    expect(stdout).not.toContain('hunter2')
  })

  test('fields lists the catalogue', async () => {
    expect(JSON.parse((await borescope(['fields', '--json'])).stdout).fields['source.ip']).toMatchObject({
      kind: 'ip',
      ecs: true,
    })
  })

  test('the reference of fields in docs is the catalogue of this version', async () => {
    const { stdout } = await borescope(['fields', '--format', 'markdown'])
    expect(readFileSync(join(ROOT, 'docs/fields.md'), 'utf8'), 'npm run docs writes it').toBe(stdout)
  })

  test('doctor finds everything fine', async () => {
    const { code, stdout } = await borescope(['doctor'])
    expect(code).toBe(0)
    expect(stdout).not.toContain('wrong')
  })

  test('dissect says that what it is written to is full', () => {
    const { status, stderr } = spawnSync(
      'sh',
      ['-c', `'${join(ROOT, 'bin/borescope')}' dissect '${CLEAN}' > /dev/full`],
      {
        encoding: 'utf8',
      },
    )
    expect([status, stderr]).toEqual([2, expect.stringContaining('stdout: ENOSPC')])
  })

  test('a disk that takes a part of the output is told, and events go on where they stopped once there is room', async ({
    skip,
  }) => {
    skip(spawnSync('prlimit', ['--version']).error !== undefined, 'a limit that is lifted needs prlimit')
    const command = join(ROOT, 'bin/borescope')
    const limited = (args: string) => `ulimit -S -f 8; exec '${command}' ${args} > out`
    const { status, stderr } = spawnSync('sh', ['-c', limited('fields --json')], { cwd: scratch, encoding: 'utf8' })
    expect([status, stderr]).toEqual([2, expect.stringContaining('stdout: EFBIG')])

    const events = `replay --no-store --quiet --out - '${BRUTE_FORCE}'`
    const child = spawn('sh', ['-c', limited(events)], { cwd: scratch, stdio: ['ignore', 'ignore', 'pipe'] })
    let told = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      told += text
      if (told.includes('it will be tried again'))
        spawnSync('prlimit', ['--pid', String(child.pid), '--fsize=unlimited'])
    })
    expect(await new Promise((done) => child.on('close', done)), told).toBe(0)
    const { stdout } = await borescope(['replay', '--no-store', '--quiet', '--out', '-', BRUTE_FORCE])
    expect(readFileSync(join(scratch, 'out'), 'utf8')).toBe(stdout)
  })

  test('a file that may not be as large is no error of our own', () => {
    const replay = `exec '${join(ROOT, 'bin/borescope')}' replay --no-store --quiet --out events.ndjson '${BRUTE_FORCE}'`
    const { status, stderr } = spawnSync('sh', ['-c', `ulimit -S -f 8; ${replay}`], { cwd: scratch, encoding: 'utf8' })
    expect([status, stderr]).toEqual([2, 'borescope: EFBIG: file too large, write\n'])
  })

  test('dissect gives one line a packet', async () => {
    const { code, stdout } = await borescope(['dissect', CLEAN])
    expect(code).toBe(0)
    expect(stdout.trimEnd().split('\n')).toHaveLength(303)
  })

  test('keys of ESP open what IPsec hides, in a replay and in dissections', async () => {
    const capture = join(ROOT, 'pcaps/l2tp-ipsec-downgrade.pcap')
    const environment = { BORESCOPE_SECRETS__ESP_KEYS: ESP_KEYS }
    writeFileSync(join(scratch, ESP_KEYS), ESP_STATE, { mode: 0o600 })
    const replayed = await borescope(['replay', '--no-store', '--out', '-', capture], undefined, environment)
    expect(replayed.stderr).not.toContain('open to other users')
    const events = replayed.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    const logIns = events.filter(({ event }) => event.action === 'ppp.authentication.succeeded')
    expect(logIns.map(({ user, esp }) => [user.name, esp?.tunnel.uid.slice(0, 2)])).toEqual([
      ['alice', 'e-'],
      ['bob', undefined],
    ])
    const analysed = events.find(({ event }: { event: { action: string } }) => event.action === 'capture.analysed')
    expect(analysed.capture).toMatchObject({ ipsec: 56, opened: 56, lost: 0 })

    const stored = { ...environment, BORESCOPE_STORE__PATH: 'esp.db' }
    await borescope(['replay', '--quiet', capture], undefined, stored)
    const shown = await borescope(['show', logIns[0].esp.tunnel.uid], undefined, stored)
    expect(shown.stdout).toContain('protected by AES-CBC-256/HMAC-SHA2-256-128, transport mode')
    expect(shown.stdout).toMatch(/27 packets \([\d,]+ bytes\), in [\d.]+ s, 27 opened/)
    expect(shown.stdout).toContain('alice at 10.99.0.11 logged in by PAP')

    const dissected = await borescope(['dissect', capture], undefined, environment)
    expect(dissected.stdout.split('\n').filter((line) => line.includes('"opened"'))).toHaveLength(56)

    expect((await borescope(['doctor'], undefined, environment)).stdout).toContain(`of 2 SAs in ${ESP_KEYS}`)
    writeFileSync(join(scratch, ESP_KEYS), `${ESP_STATE}src nonsense\n`)
    const wrong = await borescope(['doctor'], undefined, environment)
    expect(wrong.code).toBe(2)
    expect(wrong.stdout).toMatch(/wrong +ESP keys +esp.keys: line 9: /)
  })

  test('a password never leaves the sensor', async () => {
    const capture = join(ROOT, 'pcaps/l2tp-ipsec-downgrade.pcap')
    const out = await Promise.all([
      borescope(['replay', '--no-store', '--out', '-', capture]),
      borescope(['dissect', capture]),
    ])
    for (const { stdout } of out) {
      expect(stdout).toContain('bob')
      expect(stdout).not.toContain('pw-bob')
      expect(stdout).not.toContain(Buffer.from('pw-bob').toString('hex'))
    }
  })
})

describe('calls of PPTP and sessions of PPPoE', () => {
  const CLIENT = '198.51.100.7'
  const SERVER = '192.0.2.1'
  const BRAS = { source: '02:00:00:00:00:02', target: '02:00:00:00:00:01' }

  function control(payload: Uint8Array, fields: craft.TcpFields, isBack = false): Uint8Array {
    const ends = isBack ? { source: SERVER, target: CLIENT } : { source: CLIENT, target: SERVER }
    const ports = isBack ? { sourcePort: 1723, targetPort: 40_000 } : { sourcePort: 40_000, targetPort: 1723 }
    return craft.ethernet(craft.ipv4(craft.tcp(payload, { ...ports, ...fields }), { ...ends, protocol: 6 }))
  }

  function ipcp(code: number, ip: string): Uint8Array {
    return craft.ppp(0x8021, craft.pppPacket(code, 1, craft.pppOption(3, craft.ipBytes(ip))), { addressControl: false })
  }

  test('are sessions in the lists, and have their stories', async () => {
    const call = outgoingCallRequest({ callId: 11 })
    const packets = [
      control(startRequest(), { sequence: 1 }),
      control(startReply(), { sequence: 1 }, true),
      control(call, { sequence: 1 + startRequest().length }),
      control(outgoingCallReply({ callId: 22, peerCallId: 11 }), { sequence: 1 + startReply().length }, true),
      ...[1, 2].flatMap((code) => [
        craft.ethernet(
          craft.ipv4(enhancedGre(ipcp(code, '10.9.8.1'), { callId: 22, sequence: code }), {
            source: CLIENT,
            target: SERVER,
            protocol: 47,
          }),
        ),
        craft.ethernet(
          craft.ipv4(enhancedGre(ipcp(code, '10.9.8.7'), { callId: 11, sequence: code }), {
            source: SERVER,
            target: CLIENT,
            protocol: 47,
          }),
        ),
      ]),
      discoveryFrame(0x19, [pppoeTag(0x0101, '')]),
      discoveryFrame(0x65, [pppoeTag(0x0101, '')], { sessionId: 9, ethernet: BRAS }),
      ...[1, 2].flatMap((code) => [
        sessionFrame(9, ipcp(code, '10.1.1.1')),
        sessionFrame(9, ipcp(code, '10.1.1.7'), { ethernet: BRAS }),
      ]),
    ]
    const capture = join(scratch, 'neighbours.pcap')
    writeFileSync(
      capture,
      pcapFile({ packets: packets.map((bytes, i) => ({ timeUs: 1_700_000_000_000_000 + i * 10_000, bytes })) }),
    )
    const own = { BORESCOPE_STORE__PATH: join(scratch, 'neighbours.db') }
    const { stdout } = await borescope(['replay', capture], undefined, own)
    expect(stdout).toContain('PPTP  1 control connection, 1 call, 0 failed\n')
    expect(stdout).toContain('PPPoE  1 session, 0 failed')
    const table = (await borescope(['sessions'], undefined, own)).stdout
    expect(table).toMatch(/c-\w+ .*198\.51\.100\.7 +192\.0\.2\.1 .*10\.9\.8\.\d/)
    expect(table).toMatch(/o-\w+ .*02-00-00-00-00-01 +02-00-00-00-00-02 .*10\.1\.1\.\d/)
    const filter = 'event.action: ppp.link.opened and ppp.client.ip: "10.9.8.0/24"'
    const rows = JSON.parse((await borescope(['sessions', filter, '--json'], undefined, own)).stdout)
    expect(rows).toHaveLength(1)
    const story = (await borescope(['show', rows[0].pptp.call.uid], undefined, own)).stdout
    for (const part of ['pptp.connection.opened', 'pptp.call.opened', 'ppp.link.opened', 'pptp.call.closed'])
      expect(story).toContain(part)
  })
})
