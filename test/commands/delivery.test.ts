/** A replay into a store that may be gone, and the commands that an operator has for that. */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ALERTS } from '../../src/alert-config.ts'
import { Context } from '../../src/commands/context.ts'
import { analyse } from '../../src/commands/replay.ts'
import type { DestinationKind } from '../../src/deliveries.ts'
import { Deliveries, FolderInUseError } from '../../src/deliveries.ts'
import type { EventDocument } from '../../src/events/fields.ts'
import { imbalance } from '../../src/output/delivery-status.ts'
import { Quarantine } from '../../src/output/quarantine.ts'
import { keepPast } from '../../src/retro-notices.ts'
import { StoreError } from '../../src/store/search.ts'
import type { EventStore } from '../../src/store/stores.ts'
import { event, events, ScriptedDestination, unavailable } from '../output/support.ts'
import { document } from '../store/documents.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const CAPTURE = join(ROOT, 'pcaps/l2tp-mschapv2.pcap')

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'borescope-delivery-'))
  vi.stubEnv('BORESCOPE_DELIVERY__PATH', join(folder, 'spool'))
  vi.stubEnv('BORESCOPE_STORE__PATH', join(folder, 'events.db'))
  vi.stubEnv('BORESCOPE_DELIVERY__HOLD_BACK_SECONDS', '0.2')
  vi.stubEnv('BORESCOPE_DELIVERY__BACKOFF_SECONDS', '0.02')
  vi.spyOn(process.stderr, 'write').mockReturnValue(true)
})
afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
  rmSync(folder, { recursive: true })
})

/** Knows a store that is reached over a network, in place of the configured one. */
class RemoteContext extends Context {
  readonly store = Object.assign(new ScriptedDestination(), { prune: async () => 0 })

  override get storeKind(): DestinationKind {
    return 'remote'
  }

  override async createStore(): Promise<EventStore> {
    return this.store as unknown as EventStore
  }
}

const replay = (context: Context) => analyse(context, [CAPTURE], { store: true, order: 'time', quiet: true })

function borescope(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(join(ROOT, 'bin/borescope'), args, { cwd: folder, env: process.env })
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

describe('a replay into a cluster', () => {
  test('stores every event, and the state of the delivery as one more', async () => {
    const context = new RemoteContext(undefined)
    const { sinks, summary } = await replay(context)
    const raised = Object.values(summary.counts).reduce((sum, count) => sum + count, 0)
    expect(sinks[0].delivery.counts).toMatchObject({
      accepted: raised + 1,
      stored: raised + 1,
      spooled: 0,
      dropped: {},
    })
    expect(readdirSync(join(folder, 'spool', 'store'))).toEqual([])
    const { code, stdout } = await borescope('status')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^borescope replay, process \d+, ended at /)
    expect(stdout).toMatch(/store +ok +\d+ +0 +\d+ /)
  })

  test('that cannot be reached leaves the events in the spool, and the next one sends them first', async () => {
    const context = new RemoteContext(undefined)
    context.store.otherwise = () => new StoreError('the cluster cannot be reached', { retry: 'later' })
    const { sinks } = await replay(context)
    const { counts } = sinks[0].delivery
    expect(counts).toMatchObject({ accepted: counts.spooled, stored: 0, queued: 0, inFlight: 0, dropped: {} })
    expect(counts.spooled).toBeGreaterThan(10)
    expect(imbalance(counts)).toBe(0)

    const status = await borescope('status')
    expect(status.code).toBe(5)
    expect(status.stdout).toMatch(/store +spooling/)
    expect(status.stdout).toContain("'borescope spool send' or the next run sends them")
    expect(status.stdout).toContain('the cluster cannot be reached')
    const json = JSON.parse((await borescope('status', '--json')).stdout)
    expect(json).toMatchObject({ process: 'ended', destinations: [{ name: 'store', spooled: counts.spooled }] })
    const metrics = await borescope('status', '--format', 'prometheus')
    expect(metrics.stdout).toContain(`borescope_delivery_spooled{destination="store"} ${counts.spooled}\n`)

    // The configured store of the command is a file: it does not take over what waits for a cluster.
    const sent = await borescope('spool', 'send')
    expect(sent.code).toBe(5)
    expect(sent.stderr).toContain('the configured store is a file')

    context.store.otherwise = () => 'take'
    const again = await replay(context)
    const { resumed, stored, duplicates, spooled } = again.sinks[0].delivery.counts
    expect([resumed, spooled]).toEqual([counts.spooled, 0])
    expect(stored).toBe(counts.spooled + 1)
    // The replay raises the same events again; the state of the delivery is another one.
    expect(duplicates).toBe(counts.spooled - 1)
    expect((await borescope('status')).code).toBe(0)
  })

  test('ends with the error of a store that says there is no hope', async () => {
    const context = new RemoteContext(undefined)
    context.store.script.push(new StoreError('of another world', { retry: 'never' }))
    await expect(replay(context)).rejects.toThrow('of another world')
    const json = JSON.parse((await borescope('status', '--json')).stdout)
    expect(json.destinations[0]).toMatchObject({ state: 'failed', lastError: { message: 'of another world' } })
  })

  test('is refused while another process owns the folder, which is named', async () => {
    const context = new RemoteContext(undefined)
    const other = new Deliveries(context.config.delivery, 'the sensor', () => {})
    other.open('store', new ScriptedDestination(), 'remote')
    await expect(replay(context)).rejects.toThrow(FolderInUseError)
    await expect(replay(context)).rejects.toThrow(/"the sensor".*BORESCOPE_DELIVERY__PATH/)
    // A file needs no spool.
    const { sinks } = await replay(new Context(undefined))
    expect(sinks[0].delivery.counts.stored).toBeGreaterThan(10)
    await other.close()
  })
})

describe('a folder that cannot be used', () => {
  test('costs what needs the spool, and that is counted', async () => {
    writeFileSync(join(folder, 'spool'), 'a file')
    const warnings: string[] = []
    const { config } = new Context(undefined)
    const deliveries = new Deliveries(config.delivery, 'test', (message) => warnings.push(message))
    const destination = new ScriptedDestination()
    destination.otherwise = () => unavailable()
    const delivery = deliveries.open('store', destination, 'remote')
    for (const one of events('e', 0, 10)) delivery.push(one)
    await deliveries.flush()
    await deliveries.close()
    expect(delivery.counts).toMatchObject({ spooled: 0, dropped: { 'spool_failed.events': 10 } })
    expect(imbalance(delivery.counts)).toBe(0)
    expect(warnings[0]).toMatch(/nothing can be spooled in .*EEXIST|ENOTDIR/)
  })
})

describe('status', () => {
  test('without any delivery says so', async () => {
    const { code, stdout } = await borescope('status')
    expect(code).toBe(0)
    expect(stdout).toContain('Nothing was delivered yet')
    expect(JSON.parse((await borescope('status', '--json')).stdout)).toMatchObject({
      process: 'none',
      destinations: [],
    })
  })

  test('of a process that was killed counts what lies on disk, not what it said of its memory', async () => {
    const { config } = new Context(undefined)
    const deliveries = new Deliveries({ ...config.delivery, queueBytesMax: 1000 }, 'test', () => {})
    const destination = new ScriptedDestination()
    destination.otherwise = () => unavailable()
    const delivery = deliveries.open('store', destination, 'remote')
    for (const one of [...events('e', 0, 20), event('last', { message: 'x'.repeat(3000) })]) delivery.push(one)
    const report = { ...deliveries.report(), pid: 999_999_999 }
    expect(report.destinations[0].inFlight).toBeGreaterThan(0)
    await deliveries.close()
    writeFileSync(join(folder, 'spool', 'status.json'), JSON.stringify(report))
    const { code, stdout } = await borescope('status')
    expect(code).toBe(5)
    expect(stdout).toContain('was killed')
    const json = JSON.parse((await borescope('status', '--json')).stdout)
    expect(json).toMatchObject({ process: 'killed', destinations: [{ spooled: 21 }] })
  })
})

describe('status of what searches of the past have found', () => {
  const alert = document('found', {
    'event.action': 'alert.raised',
    'event.kind': 'alert',
    'event.severity': 73,
    'rule.id': 'r-1',
    'rule.level': 'high',
  })
  const withSinks = () => {
    const { config } = new Context(undefined)
    const sink = { type: 'file' as const, path: join(folder, 'people.ndjson') }
    return { ...config, alerts: ALERTS.parse({ sinks: { people: sink } }) }
  }

  test('counts what waits, since when, and who sends it', async () => {
    expect(keepPast(withSinks(), [alert])).toBe(1)
    const { code, stdout } = await borescope('status')
    expect(code).toBe(5)
    expect(stdout).toMatch(
      /alerts-people: 1 notification of what was found in retrospect waits, the oldest for .*; the next 'borescope intel add'/,
    )
    const json = JSON.parse((await borescope('status', '--json')).stdout)
    expect(json).toMatchObject({
      process: 'none',
      destinations: [],
      retro: [{ delivery: 'alerts-people', notifications: 1, oldest: new Date(alert['@timestamp']).toISOString() }],
    })
  })

  test('is well while a sensor runs that tells people, and not beside one that tells nobody', async () => {
    const config = withSinks()
    keepPast(config, [alert])
    for (const [name, code] of [
      ['alerts-people', 0],
      ['store', 5],
    ] as const) {
      const deliveries = new Deliveries(config.delivery, 'the sensor', () => {})
      deliveries.open(name, new ScriptedDestination(), 'remote')
      try {
        writeFileSync(join(folder, 'spool', 'status.json'), JSON.stringify(deliveries.report()))
        expect((await borescope('status')).code).toBe(code)
      } finally {
        await deliveries.close()
      }
    }
  })
})

describe('quarantine', () => {
  const bad = document('bad', { 'source.ip': 'localhost' as never })
  const good = document('good')

  test('lists, gives again and deletes what was refused', async () => {
    const file = join(folder, 'spool', 'store', 'quarantine.ndjson')
    const quarantine = new Quarantine(file, 1e6)
    quarantine.add(good, 'the mapping was wrong')
    quarantine.add(bad, 'no address')
    const listed = await borescope('quarantine', 'list')
    expect(listed.stdout).toMatch(/store +bad +l2tp\.tunnel\.opened +no address/)
    expect(listed.stderr).toBe('2 events\n')
    const json = JSON.parse((await borescope('quarantine', 'list', 'store', '--json')).stdout)
    expect(
      json.map(({ id, event: { observer } }: { id: string; event: { observer: object } }) => [id, observer]),
    ).toEqual(expect.arrayContaining([['good', { name: 'sensor-1' }]]))

    const retried = await borescope('quarantine', 'retry')
    expect([retried.code, retried.stdout]).toEqual([
      0,
      'store: 1 stored, 0 were there already, 1 refused again, 0 wait in the spool\n',
    ])
    expect(readdirSync(join(folder, 'spool', 'store'))).toEqual(['quarantine.ndjson'])
    expect((await borescope('query', '--since', '2020-01-01', '--count')).stdout).toBe('1\n')
    expect((await borescope('quarantine', 'list')).stdout).toMatch(/bad.*source\.ip: not an address/)

    expect((await borescope('quarantine', 'clear')).stdout).toBe('store: 1 event deleted\n')
    expect((await borescope('quarantine', 'list')).stderr).toBe('0 events\n')
    const unknown = await borescope('quarantine', 'list', 'nobody')
    expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining('knows no destination nobody')])
  })

  test('holds what was found in retrospect, too', async () => {
    const file = join(folder, 'spool', 'retro', 'alerts-people', 'quarantine.ndjson')
    new Quarantine(file, 1e6).add(bad, 'HTTP 400')
    const status = await borescope('status')
    expect(status.stdout).toMatch(/retro\/alerts-people: 1 notification .* refused: 'borescope quarantine list'/)
    const json = JSON.parse((await borescope('status', '--json')).stdout)
    expect(json.retroRefused).toEqual([{ delivery: 'alerts-people', notifications: 1 }])
    expect((await borescope('quarantine', 'list')).stdout).toMatch(/retro\/alerts-people +bad .* HTTP 400/)

    const people = join(folder, 'people.ndjson')
    writeFileSync(join(folder, 'borescope.yaml'), `alerts: { sinks: { people: { type: file, path: ${people} } } }`)
    const retried = await borescope('quarantine', 'retry', '--config', join(folder, 'borescope.yaml'))
    expect([retried.code, retried.stdout]).toEqual([
      0,
      'retro/alerts-people: 1 stored, 0 were there already, 0 refused again, 0 wait in the spool\n',
    ])
    expect(readFileSync(people, 'utf8')).toContain('"id":"bad"')
    expect((await borescope('quarantine', 'list')).stderr).toBe('0 events\n')

    new Quarantine(file, 1e6).add(bad, 'HTTP 400')
    expect((await borescope('quarantine', 'clear')).stdout).toBe('retro/alerts-people: 1 event deleted\n')
  })

  test('keeps what cannot be given back', async () => {
    const file = join(folder, 'spool', 'elsewhere', 'quarantine.ndjson')
    mkdirSync(join(folder, 'spool', 'elsewhere'), { recursive: true })
    new Quarantine(file, 1e6).add(good as EventDocument, 'no')
    const { code, stderr } = await borescope('quarantine', 'retry')
    expect([code, stderr]).toEqual([2, expect.stringContaining('the configuration has no destination elsewhere')])
    expect(statSync(file).size).toBeGreaterThan(100)
  })
})
