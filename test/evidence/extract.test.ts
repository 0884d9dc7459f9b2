/** `borescope extract`, as it is typed: ids of every kind, times, users, alerts, manifests; from a store and from captures. */
import { spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Manifest } from '../../src/evidence/manifest.ts'
import { readCapture } from './support.ts'

const ROOT = join(import.meta.dirname, '../..')
const CAPTURE = join(ROOT, 'pcaps/l2tp-inner-attack.pcap')
const KEY = 'f'.repeat(64)

let folder = ''
let alert = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'borescope-extract-'))
  writeFileSync(join(folder, 'key'), `${KEY}\n`, { mode: 0o600 })
  writeFileSync(join(folder, 'other key'), `${'0'.repeat(64)}\n`, { mode: 0o600 })
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const other = generateKeyPairSync('ed25519')
  writeFileSync(join(folder, 'sign.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  writeFileSync(join(folder, 'sign.pub'), publicKey.export({ type: 'spki', format: 'pem' }))
  writeFileSync(join(folder, 'other.pub'), other.publicKey.export({ type: 'spki', format: 'pem' }))
  run('replay', '--quiet', CAPTURE, '--evidence', 'kept')
  const { stdout } = run('alerts', '--level', 'high', '--json')
  alert = (JSON.parse(stdout) as { rule: { name: string }; event: { id: string } }[]).filter(({ rule }) =>
    rule.name.startsWith('Login guessing'),
  )[0].event.id
})
afterAll(() => {
  rmSync(folder, { recursive: true })
})

function tryRun(parameters: readonly string[], more: Record<string, string> = {}) {
  const environment = { ...process.env, BORESCOPE_STORE__PATH: 'events.db', BORESCOPE_DELIVERY__PATH: 'spool', ...more }
  const { status, stdout, stderr } = spawnSync(join(ROOT, 'bin/borescope'), parameters, {
    cwd: folder,
    env: environment,
    encoding: 'utf8',
  })
  return { status, stdout, stderr }
}

function run(...parameters: readonly string[]): { stdout: string; stderr: string } {
  const { status, stdout, stderr } = tryRun(parameters)
  if (status !== 0) throw new Error(`${parameters.join(' ')}: ${stderr}`)
  return { stdout, stderr }
}

/** The packets that the command writes. */
async function extracted(...parameters: readonly string[]) {
  run('extract', ...parameters, '-o', 'out.pcapng')
  return readCapture(join(folder, 'out.pcapng'))
}

const STORE = ['--evidence', 'kept']
const CAPTURES = ['--from-captures', CAPTURE]
const SESSION = 's-bec23dbe78c1'
const TUNNEL = 't-381c6d15db56'

describe('from a store and from the capture the same', () => {
  const inTime = ['--from', '2026-11-23T15:28:00Z', '--to', '2026-11-23T15:28:05Z']
  test.each([
    ['a tunnel', [TUNNEL]],
    ['a session, by the beginning of its id', [SESSION.slice(0, 6)]],
    ['a session in a time', [SESSION, ...inTime]],
    ['everything in a time', inTime],
    ['a user', ['--user', 'bob']],
    ['what is inside', [SESSION, '--inner']],
  ])('of %s', async (_, what) => {
    const times = (packets: Awaited<ReturnType<typeof extracted>>) =>
      packets.map(({ timeUs, bytes }) => [timeUs, bytes.length])
    const fromCaptures = await extracted(...what, ...CAPTURES)
    const fromStore = await extracted(...what, ...STORE)
    expect(fromStore.length).toBeGreaterThan(20)
    const isTimeOnly = what[0] === '--from'
    // The store holds none of what belongs to no protocol of ours.
    if (!isTimeOnly) expect(fromStore.map(({ timeUs }) => timeUs)).toEqual(fromCaptures.map(({ timeUs }) => timeUs))
    else expect(fromStore.length).toBeLessThanOrEqual(fromCaptures.length)
    expect(times(fromStore).every(([, length]) => length > 0)).toBe(true)
  })

  test('of an alert: the packets of what led to it', async () => {
    const fromStore = await extracted(alert, ...STORE)
    const fromCaptures = await extracted(alert.slice(0, 10), ...CAPTURES)
    expect(fromStore.map(({ timeUs }) => timeUs)).toEqual(fromCaptures.map(({ timeUs }) => timeUs))
    expect(fromStore.length).toBeGreaterThan(50)
    // Log-ins by SSH, and nothing else.
    for (const { bytes } of await extracted(alert, '--inner', ...STORE))
      expect([bytes.readUInt16BE(20), bytes.readUInt16BE(22)]).toContain(22)
  })
})

test('of an incident: the packets of all of its alerts, from a store and from the capture the same', async () => {
  const { stdout } = run('incidents', '--json')
  const [{ incident }] = JSON.parse(stdout) as { incident: { id: string } }[]
  const kept = await extracted(incident.id.slice(0, 10), ...STORE)
  const times = (packets: readonly { timeUs: number }[]) => packets.map(({ timeUs }) => timeUs)
  expect(times(await extracted(incident.id, ...CAPTURES))).toEqual(times(kept))
  const ofAlert = new Set(times(await extracted(alert, ...STORE)))
  expect(ofAlert.size).toBeGreaterThan(0)
  expect(ofAlert.difference(new Set(times(kept)))).toEqual(new Set())
})

test('of what may lie in a damaged segment: the damage is told beside what is missed', () => {
  cpSync(join(folder, 'kept'), join(folder, 'damaged'), { recursive: true })
  const segment = join(folder, 'damaged/00000001.pcapng')
  writeFileSync(segment, readFileSync(segment).subarray(0, 3000))
  rmSync(join(folder, 'damaged/00000001.index'))
  const { status, stderr } = tryRun(['extract', 'f-0123456789ab', '--evidence', 'damaged', '-o', 'x'])
  expect([status, stderr]).toEqual([
    2,
    expect.stringMatching(/00000001\.pcapng .*\(byte \d+\)\n.*no packets are kept of/),
  ])
})

describe('a manifest', () => {
  const verify = (...more: string[]) => tryRun(['extract', '--verify', 'signed.pcapng.manifest.json', ...more])

  beforeAll(() => {
    run('extract', SESSION, ...STORE, '-o', 'signed.pcapng', '--sign', 'sign.pem')
  })

  test('says what is in the file, and where it came from', async () => {
    const manifest = JSON.parse(readFileSync(join(folder, 'signed.pcapng.manifest.json'), 'utf8')) as Manifest
    const packets = await readCapture(join(folder, 'signed.pcapng'))
    expect(manifest).toMatchObject({
      packets: packets.length,
      cutPackets: packets.filter(({ bytes, originalLength }) => bytes.length < originalLength).length,
      request: { ids: [SESSION], inner: false },
      removed: { segments: 0, before: null },
      problems: [],
    })
    expect(manifest.sources).toMatchObject([{ file: '00000001.pcapng', state: 'closed', packets: packets.length }])
    expect(verify('--public-key', 'sign.pub')).toMatchObject({ status: 0 })
    expect(verify()).toMatchObject({ status: 0 })
  })

  test('is refused for another key, a changed file, and any changed line', () => {
    expect(verify('--public-key', 'other.pub').stderr).toContain('another key')
    const path = join(folder, 'signed.pcapng.manifest.json')
    const text = readFileSync(path, 'utf8')
    const capture = join(folder, 'signed.pcapng')
    const octets = readFileSync(capture)
    octets[octets.length - 9] ^= 1
    writeFileSync(capture, octets)
    expect(verify()).toMatchObject({ status: 3, stderr: expect.stringContaining('SHA-256') })
    octets[octets.length - 9] ^= 1
    writeFileSync(capture, octets)
    for (const [line, instead] of [
      ['"packets": 3', '"packets": 4'],
      [SESSION, 's-000000000000'],
      ['"segments": 0', '"segments": 1'],
      ['"Ed25519",\n    "publicKey": "MCow', '"Ed25519",\n    "publicKey": "MCox'],
    ]) {
      expect(text).toContain(line)
      writeFileSync(path, text.replace(line, instead))
      expect(verify()).toMatchObject({ status: 3, stderr: expect.stringContaining('signature') })
    }
    writeFileSync(path, text.replace(/,\s*"signature": \{[^}]*\}/, ''))
    expect(verify('--public-key', 'sign.pub').stderr).toContain('not signed')
    writeFileSync(path, text)
    expect(verify('--public-key', 'sign.pub').status).toBe(0)
  })
})

describe('an encrypted store', () => {
  const withKey = (file: string) => ({ BORESCOPE_EVIDENCE__ENCRYPTION_KEY_FILE: file })

  test('is opened with its key, and with no other', async () => {
    const keeping = tryRun(['replay', '--quiet', '--no-store', CAPTURE, '--evidence', 'sealed'], withKey('key'))
    expect(keeping).toMatchObject({ status: 0, stderr: '' })
    expect(readdirSync(join(folder, 'sealed'))).toEqual(['00000001.index', '00000001.pcapng.sealed'])
    const right = tryRun(['extract', TUNNEL, '--evidence', 'sealed', '-o', 'sealed.pcapng'], withKey('key'))
    expect(right).toMatchObject({ status: 0 })
    expect((await readCapture(join(folder, 'sealed.pcapng'))).length).toBe(3197)
    const wrong = tryRun(['extract', TUNNEL, '--evidence', 'sealed', '-o', 'wrong.pcapng'], withKey('other key'))
    expect(wrong.stderr).toContain('another key')
    const none = tryRun(['extract', TUNNEL, '--evidence', 'sealed', '-o', 'wrong.pcapng'])
    expect(none.stderr).toContain('no key is configured')
    expect([wrong.status, none.status, existsSync(join(folder, 'wrong.pcapng'))]).toEqual([2, 2, false])
  })

  test('takes no key that others can read, and none that is none', () => {
    writeFileSync(join(folder, 'open'), KEY, { mode: 0o644 })
    writeFileSync(join(folder, 'short'), 'abc', { mode: 0o600 })
    for (const [file, says] of [
      ['open', 'chmod 600'],
      ['short', '64 hexadecimal digits'],
      ['absent', 'cannot be read'],
    ])
      expect(tryRun(['extract', TUNNEL, ...STORE, '-o', 'x'], withKey(file))).toMatchObject({
        status: 2,
        stderr: expect.stringContaining(says),
      })
  })
})

test('who has had enough of the packets may go', () => {
  const command = `set -o pipefail; '${join(ROOT, 'bin/borescope')}' extract ${TUNNEL} --from-captures '${CAPTURE}' -o - | head -c 1`
  const { status, stderr } = spawnSync('bash', ['-c', command], { cwd: folder, encoding: 'utf8' })
  expect([status, stderr]).toEqual([0, expect.not.stringContaining('error of Borescope')])
})

test('an SPI whose packets cannot be opened has none inside, and is known all the same', () => {
  const { status, stderr } = tryRun([
    'extract',
    '0xc5ecf5da',
    '--from-captures',
    join(ROOT, 'pcaps/ipsec-psk-main.pcap'),
    '--inner',
    ...['-o', 'inner.pcapng', '--manifest'],
  ])
  expect([status, stderr]).toEqual([0, expect.not.stringContaining('no packets are kept')])
  const manifest = JSON.parse(readFileSync(join(folder, 'inner.pcapng.manifest.json'), 'utf8')) as Manifest
  expect(manifest.sources).toHaveLength(1)
})

test.each([
  [[], 'where to?'],
  [[...STORE, '-o', 'x'], 'which packets?'],
  [[TUNNEL], 'where to?'],
  [['t-0123', ...STORE, '-o', 'x'], 'no packets are kept of t-0123'],
  [['f-', ...STORE, '-o', 'x'], 'no event has the id'],
  [['n-0123', ...STORE, '-o', 'x'], 'no event has the id'],
  [['0xdeadbeef', ...STORE, '-o', 'x'], 'no packets are kept of spi:deadbeef'],
  [['f-0', ...STORE, '-o', 'x'], 'several'],
  [[TUNNEL, '--evidence', 'nowhere', '-o', 'x'], 'there is no evidence at nowhere'],
  [[TUNNEL, ...STORE, '-o', '.'], 'is a directory'],
  [[TUNNEL, ...STORE, '-o', '-', '--manifest'], 'needs a name'],
  [[TUNNEL, ...STORE, '-o', 'x', '--manifest', 'missing/x.json'], 'there is no folder missing'],
  [[TUNNEL, ...STORE, '-o', 'x', '--manifest', './x'], 'would take the place of the packets in x'],
  [[TUNNEL, ...STORE, '-o', 'x', '--from', 'yesterday'], 'is no time'],
  [[TUNNEL, ...STORE, '-o', 'x', '--from', '2026-11-02', '--to', '2026-11-01'], 'nothing is at or after 2026-11-02'],
  [[TUNNEL, '--user', 'bob', ...STORE, '-o', 'x'], 'either an id or --user'],
  [['--verify', 'key'], 'is no manifest'],
])('a wrong command says what is wrong: %s', (parameters, says) => {
  const { status, stderr } = tryRun(['extract', ...parameters])
  expect([status, stderr]).toEqual([2, expect.stringContaining(says)])
  expect(readdirSync(folder).filter((name) => name === 'x' || name.endsWith('.partial'))).toEqual([])
})
