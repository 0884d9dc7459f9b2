/** The service around a sensor: what it sheds, reads again, answers and keeps. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Context } from '../src/commands/context.ts'
import type { DestinationKind } from '../src/deliveries.ts'
import type { EventDocument } from '../src/events/fields.ts'
import { imbalance } from '../src/output/delivery-status.ts'
import { Pipeline } from '../src/pipeline.ts'
import { keepPast } from '../src/retro-notices.ts'
import { SensorService } from '../src/sensor-service.ts'
import { ServiceLog } from '../src/service/log.ts'
import { Notifier } from '../src/service/notify.ts'
import type { SensorSnapshot } from '../src/service/snapshot.ts'
import type { EventStore } from '../src/store/stores.ts'
import { ScriptedDestination, unavailable } from './output/support.ts'
import { document } from './store/documents.ts'
import { TestClock, TestSource } from './support/live-source.ts'
import { habitsOf } from './support/habits.ts'
import { simulate } from './support/traffic.ts'

let folder: string
const opened: Service[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'borescope-service-'))
})
afterEach(async () => {
  for (const service of opened.splice(0)) await service.pipeline.abort().catch(() => {})
  rmSync(folder, { recursive: true })
})

class TestContext extends Context {
  readonly store = Object.assign(new ScriptedDestination(), { prune: async () => 0 })

  override get storeKind(): DestinationKind {
    return 'remote'
  }

  override async createStore(): Promise<EventStore> {
    return this.store as unknown as EventStore
  }
}

/** A service whose time the test moves, second by second. */
class Service {
  readonly pipeline: Pipeline
  readonly store: ScriptedDestination
  readonly source: TestSource
  readonly service: SensorService
  readonly events: EventDocument[] = []
  readonly lines: { 'log.level': string; message: string }[] = []
  readonly said: string[] = []
  readonly warnings: string[]
  ms = 0

  private constructor(context: TestContext, pipeline: Pipeline, warnings: string[]) {
    this.warnings = warnings
    this.pipeline = pipeline
    this.store = context.store
    const sensor = pipeline.sensor()
    sensor.bus.subscribe((event) => this.events.push(event))
    this.source = new TestSource('eth1', new TestClock(0))
    const log = new ServiceLog({
      level: 'info',
      format: 'json',
      perMinute: 1000,
      name: 'test',
      isTerminal: false,
      write: (line) => this.lines.push(JSON.parse(line)),
    })
    this.service = new SensorService({
      context,
      pipeline,
      sensor,
      sources: [this.source],
      log,
      notifier: new Notifier({ send: (text) => this.said.push(text), watchdogUs: 3_000_000, warn: log.warn }),
      monotonicMs: () => this.ms,
    })
    this.sensor = sensor
    opened.push(this)
  }

  readonly sensor

  static async open(config: object): Promise<Service> {
    const path = join(folder, 'borescope.json')
    writeFileSync(path, JSON.stringify({ delivery: { path: join(folder, 'spool'), ...QUICK }, ...config }))
    const context = new TestContext(path)
    const warnings: string[] = []
    const pipeline = await Pipeline.open(context, {
      command: 'test',
      store: true,
      notify: 'alerts' in config,
      baseline: 'baseline' in config,
      warn: (message) => warnings.push(message),
      isLive: true,
    })
    const service = new Service(context, pipeline, warnings)
    await service.service.start()
    return service
  }

  pass(seconds: number): void {
    for (let i = 0; i < seconds; i++) {
      this.ms += 1000
      this.service.tick(this.ms * 1000)
    }
  }

  see(packets: Iterable<{ readonly timeUs: number; readonly bytes: Uint8Array }>): void {
    const { frame } = this.sensor
    for (const { bytes, timeUs } of packets) {
      Object.assign(frame, { bytes, start: 0, end: bytes.length, timeUs, originalLength: bytes.length, linkType: 1 })
      this.sensor.observe()
    }
  }

  named(name: string): EventDocument[] {
    return this.events.filter((event) => event['event.action'] === name)
  }

  get counts() {
    return this.pipeline.sinks[0].delivery.counts
  }

  get troubles(): readonly string[] {
    return (this.pipeline.deliveries.report().sensor as { troubles: readonly string[] }).troubles
  }
}

const QUICK = {
  batchSeconds: 0.005,
  backoffSeconds: 0.005,
  backoffMaxSeconds: 0.01,
  queueBytesMax: 60_000,
  batchBytes: 20_000,
}
const RULE = (title: string, id: string) =>
  `title: ${title}\nid: ${id}\nlogsource: { product: borescope }\ndetection:\n  s: { event.action: l2tp.tunnel.opened }\n  condition: s\nlevel: high\n`
const TRAFFIC = simulate({ clients: 60, seed: 4, flowsPerSession: 8, spreadUs: 60_000_000 }).packets

describe('more events than the store takes', () => {
  test('are shed by name: flows first, then events, alerts not; it is told, and it recovers', async () => {
    const run = await Service.open({
      delivery: { path: join(folder, 'spool'), ...QUICK, spoolBytesMax: 0, queueBytesMax: 750_000 },
    })
    run.store.otherwise = () => unavailable()
    run.see(TRAFFIC)
    run.pass(1)
    const { dropped, accepted } = run.counts
    expect(accepted).toBeGreaterThan(500)
    expect(dropped['queue_full.flows']).toBeGreaterThan(50)
    expect(dropped['queue_full.alerts']).toBeUndefined()
    expect(imbalance(run.counts)).toBe(0)
    // Flows are given up before any other event is.
    const flows = run.named('flow.closed').length
    if (dropped['queue_full.events'] !== undefined) expect(dropped['queue_full.flows']).toBeGreaterThan(flows * 0.9)
    const lost = Object.values(dropped).reduce((sum, count) => sum + count, 0)
    const [shed, ...more] = run.named('sensor.events.shed')
    expect(more).toEqual([])
    expect(shed).toMatchObject({ 'delivery.destination': 'store', 'delivery.drop_reasons': Object.keys(dropped) })
    // That it is told takes the place of one more.
    expect(lost - (shed['delivery.dropped'] ?? 0)).toBeLessThanOrEqual(1)
    expect(run.troubles).toContain('store loses events: more come than it takes')

    run.store.otherwise = () => 'take'
    await vi.waitFor(() => expect(run.counts.queued + run.counts.inFlight).toBe(0))
    run.pass(12)
    const [recovered] = run.named('sensor.delivery.recovered')
    expect(recovered['delivery.dropped']).toBeGreaterThanOrEqual(lost)
    expect(run.troubles).toEqual([])
    const alerts = run.named('alert.raised').map((event) => event['event.id'])
    expect(alerts.length).toBeGreaterThan(0)
    expect(run.store.stored).toEqual(expect.arrayContaining(alerts))
    run.see([{ ...TRAFFIC[0], timeUs: TRAFFIC[TRAFFIC.length - 1].timeUs + 1 }])
    expect(imbalance(run.counts)).toBe(0)
  })

  test('or than the threads behind the packets take, which is told in the same way', async () => {
    const run = await Service.open({})
    run.pass(1)
    Object.assign(run.sensor, { shed: { 'queue_full.flows': 40 } })
    run.pass(2)
    expect(run.named('sensor.events.shed')).toMatchObject([
      {
        'delivery.destination': 'detection',
        'delivery.dropped': 40,
        'delivery.drop_reasons': ['queue_full.flows'],
      },
    ])
    expect(run.troubles).toContain('detection loses events: more come than it takes')
    run.pass(15)
    expect(run.named('sensor.delivery.recovered')).toMatchObject([{ 'delivery.destination': 'detection' }])
    expect(run.troubles).toEqual([])
  })

  test('go to disk first, and from there into the store when it is back: nothing is lost', async () => {
    const run = await Service.open({})
    run.store.otherwise = () => unavailable()
    run.see(TRAFFIC)
    run.pass(1)
    expect(run.counts.spooled).toBeGreaterThan(100)
    expect(run.counts.dropped).toEqual({})
    expect(run.named('sensor.events.shed')).toEqual([])
    run.store.otherwise = () => 'take'
    await vi.waitFor(() => expect(run.counts.spooled + run.counts.queued + run.counts.inFlight).toBe(0), 10_000)
    expect(run.counts.stored).toBe(run.counts.accepted)
  })
})

describe('a reload', () => {
  const rules = () => join(folder, 'rules')
  const config = (more = {}) => ({ detect: { builtin: false, rules: [rules()] }, ...more })
  const write = (more = {}) =>
    writeFileSync(
      join(folder, 'borescope.json'),
      JSON.stringify({ delivery: { path: join(folder, 'spool'), ...QUICK }, ...config(more) }),
    )
  const A = RULE('First', '11111111-1111-4111-8111-111111111111')
  const B = RULE('Second', '22222222-2222-4222-8222-222222222222')
  beforeEach(() => {
    mkdirSync(rules())
    writeFileSync(join(rules(), 'a.yml'), A)
  })
  const half = Math.floor(TRAFFIC.length / 2)
  const alerted = (run: Service) =>
    run.named('alert.raised').map((event) => `${event['rule.name']} ${event['alert.entity']}`)

  test('brings new rules, and rules that are the same remember what they said', async () => {
    const once = await Service.open(config())
    once.see(TRAFFIC)
    const expected = alerted(once)
    expect(new Set(expected).size).toBe(expected.length)
    await once.pipeline.abort()

    const run = await Service.open(config())
    run.see(TRAFFIC.slice(0, half))
    const before = alerted(run)
    expect(before.length).toBeGreaterThan(0)
    writeFileSync(join(rules(), 'b.yml'), B)
    await run.service.reload()
    expect(run.named('sensor.reloaded')).toMatchObject([
      { 'sensor.reload.rules': 2, 'sensor.state.restored': expect.any(Number), 'sensor.state.outdated': 0 },
    ])
    // The same packets again: the first rule has said it, the second one has not.
    run.see(TRAFFIC.slice(0, half).map(({ bytes, timeUs }) => ({ bytes, timeUs: timeUs + 600_000_000 })))
    expect(alerted(run).filter((alert) => alert.startsWith('First'))).toEqual(before)
    const again = run.events
      .slice(run.events.findIndex((event) => event['event.action'] === 'sensor.reloaded'))
      .filter((event) => event['event.action'] === 'l2tp.tunnel.opened')
    const entities = new Set(again.map((event) => `Second ${event['source.ip']}, ${event['destination.ip']}`))
    expect(entities.size).toBeGreaterThan(5)
    expect(new Set(alerted(run).filter((alert) => alert.startsWith('Second')))).toEqual(entities)
  })

  test('of something wrong is refused with file and line, and the old goes on', async () => {
    const run = await Service.open(config())
    for (const wrong of ['{', JSON.stringify({ tracks: {} }), JSON.stringify({ enrich: { assets: '/nowhere.csv' } })]) {
      writeFileSync(join(folder, 'borescope.json'), wrong)
      await run.service.reload()
    }
    expect(run.named('sensor.reload_refused').map((event) => event['event.reason'])).toEqual([
      expect.stringContaining('borescope.json:1: '),
      expect.stringContaining('tracks: no such key'),
      expect.stringContaining('/nowhere.csv'),
    ])
    expect(run.lines.some(({ message }) => message.startsWith('not reloaded, the old configuration'))).toBe(true)
    expect(run.named('sensor.reloaded')).toEqual([])
    run.see(TRAFFIC.slice(0, half))
    expect(alerted(run).length).toBeGreaterThan(0)
    expect(run.said.filter((text) => text.startsWith('RELOADING=1'))).toHaveLength(3)
    expect(run.said.at(-1)).toMatch(/^READY=1/)
  })

  test('leaves a rule out that is wrong, as a start does, and tells of it', async () => {
    const run = await Service.open(config())
    const rulesNow = () => (run.pipeline.deliveries.report().sensor as SensorSnapshot).rules
    expect(rulesNow()).toEqual({ used: 1, wrong: 0 })
    writeFileSync(join(rules(), 'b.yml'), B.replace('condition: s', 'condition: nowhere'))
    await run.service.reload()
    const [reloaded] = run.named('sensor.reloaded')
    expect(reloaded).toMatchObject({
      'sensor.reload.rules': 1,
      'sensor.reload.mistakes': [expect.stringMatching(/^b\.yml:\d+: /)],
    })
    expect(run.lines.some(({ message }) => /a rule is wrong and not used: b\.yml:\d+/.test(message))).toBe(true)
    expect(rulesNow()).toEqual({ used: 1, wrong: 1 })
    run.see(TRAFFIC.slice(0, half))
    expect(alerted(run).length).toBeGreaterThan(0)
    writeFileSync(join(rules(), 'b.yml'), B)
    await run.service.reload()
    expect(rulesNow()).toEqual({ used: 2, wrong: 0 })
  })

  test('that is asked for twenty times at once is one, also if it is refused', async () => {
    const run = await Service.open(config())
    writeFileSync(join(folder, 'borescope.json'), '{')
    // As signals that wait come: one right after the other.
    await Promise.all(Array.from({ length: 20 }, () => Promise.resolve().then(() => run.service.reload())))
    expect(run.named('sensor.reload_refused')).toHaveLength(1)
  })

  test('names what only a restart brings', async () => {
    const run = await Service.open(config())
    write({ store: { path: '/other.db' }, track: { tunnelsMax: 5 } })
    await run.service.reload()
    expect(run.named('sensor.reloaded')).toMatchObject([
      { 'sensor.reload.restart': ['track.tunnelsMax', 'store.path'] },
    ])
    expect(run.lines.map(({ message }) => message)).toContain(
      'changed, but only a restart brings it: track.tunnelsMax, store.path',
    )
  })

  test('asked for while one is under way is done once after it', async () => {
    const run = await Service.open(config())
    await Promise.all([run.service.reload(), run.service.reload(), run.service.reload()])
    expect(run.named('sensor.reloaded').length).toBeLessThanOrEqual(2)
  })

  test('brings other routes and sinks of alerts, and loses no alert on the way', async () => {
    const sink = (name: string) => ({ [name]: { type: 'file', path: join(folder, `${name}.ndjson`) } })
    const run = await Service.open(config({ alerts: { sinks: sink('before') } }))
    run.see(TRAFFIC.slice(0, half))
    write({ alerts: { sinks: sink('after') } })
    const replace = vi.spyOn(run.pipeline, 'replace')
    const reloading = run.service.reload()
    await vi.waitFor(() => expect(replace).toHaveBeenCalled())
    run.see(TRAFFIC.slice(half))
    await reloading
    await run.pipeline.deliveries.flush(5000)
    const counts = Object.fromEntries(run.pipeline.deliveries.destinations.map(({ name, stored }) => [name, stored]))
    expect(Object.keys(counts)).toEqual(['store', 'alerts-after'])
    expect(counts['alerts-after']).toBeGreaterThan(0)
    const told = ['before', 'after'].flatMap((name) =>
      readFileSync(join(folder, `${name}.ndjson`), 'utf8')
        .trim()
        .split('\n')
        .flatMap((line) => JSON.parse(line).alert.notification.ids as string[]),
    )
    const raised = run.named('alert.raised').map((event) => event['event.id'])
    expect(told.sort()).toEqual(raised.sort())
  })
})

describe('what searches of the past have left', () => {
  const told = (name: string) => {
    const path = join(folder, `${name}.ndjson`)
    return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : []
  }
  const sinks = (name: string) => ({
    alerts: { sinks: { [name]: { type: 'file', path: join(folder, `${name}.ndjson`) } } },
  })
  const found = (id: string) =>
    document(id, { 'event.action': 'alert.raised', 'event.kind': 'alert', 'rule.id': 'r', 'rule.level': 'high' })
  const settings = (more: object) => {
    const path = join(folder, 'search.json')
    writeFileSync(path, JSON.stringify({ delivery: { path: join(folder, 'spool'), ...QUICK }, ...more }))
    return new Context(path).config
  }

  test('is told by a sensor that tells people, at its start and from time to time, as it is configured by then', async () => {
    keepPast(settings(sinks('before')), [found('a')])
    const run = await Service.open(sinks('before'))
    await run.pipeline.tellPast()
    expect(told('before')).toHaveLength(1)
    writeFileSync(
      join(folder, 'borescope.json'),
      JSON.stringify({ delivery: { path: join(folder, 'spool'), ...QUICK }, ...sinks('after') }),
    )
    await run.service.reload()
    keepPast(settings(sinks('after')), [found('b')])
    run.pass(601)
    await run.pipeline.tellPast()
    expect([told('before').length, told('after').length]).toEqual([1, 1])
  })

  test('waits beside one that does not', async () => {
    keepPast(settings(sinks('people')), [found('a')])
    const run = await Service.open({})
    await run.pipeline.tellPast()
    expect(told('people')).toEqual([])
  })
})

describe('how it does', () => {
  test('an interface that is down, a store that fails, a loop that stands still are named', async () => {
    const run = await Service.open({})
    run.pass(1)
    expect(run.troubles).toEqual([])
    run.source.state = 'down'
    expect(run.troubles).toEqual(['eth1 is down'])
    run.source.state = 'up'
    run.ms += 11_000
    expect(run.troubles).toEqual(['the packet loop stands still for 11 s'])
    run.pass(1)
    expect(run.troubles).toEqual([])
  })

  test('is not well, and says so in its log, while packets are not kept as evidence', async () => {
    const run = await Service.open({})
    const losses = vi.spyOn(run.pipeline, 'reportEvidence').mockReturnValue(['ENOSPC: no space left on device'])
    run.pass(10)
    const says = 'packets are not kept as evidence: ENOSPC: no space left on device'
    expect(run.troubles).toEqual([says])
    expect(run.lines.map(({ message }) => message)).toContain(says)
    losses.mockReturnValue([])
    run.pass(10)
    expect(run.troubles).toEqual([])
  })

  test('is not well while its state cannot be saved', async () => {
    const statePath = join(folder, 'state')
    writeFileSync(statePath, 'a file')
    const run = await Service.open({ service: { statePath } })
    await run.service.end()
    await run.service.finish()
    expect(run.troubles).toEqual([
      'stopping',
      expect.stringContaining(`the state of the sensor cannot be written to ${statePath}`),
    ])
  })

  test('packets, events, alerts and tables are counted', async () => {
    const run = await Service.open({})
    run.see(TRAFFIC)
    run.pass(2)
    const sensor = run.pipeline.deliveries.report().sensor as SensorSnapshot
    expect(sensor.packets['packets']).toBe(TRAFFIC.length)
    expect(sensor.events['l2tp']).toBeGreaterThan(100)
    expect(Object.values(sensor.alerts).length).toBeGreaterThan(0)
    expect(sensor.tables.find(({ name }) => name === 'tunnels')?.capacity).toBe(100_000)
    for (const name of ['correlation_groups', 'suppressions', 'incidents']) {
      const table = sensor.tables.find((of) => of.name === name)
      expect(table?.size, name).toBeGreaterThan(0)
      expect(table?.capacity, name).toBeGreaterThanOrEqual(10_000)
    }
    expect(run.said.filter((text) => text.startsWith('STATUS')).at(-1)).toMatch(
      /STATUS=\d+ packets, \d+\/s, \d+ alerts, eth1/,
    )
  })
})

test('it ends within its time although the store is gone, with everything in the spool', async () => {
  const run = await Service.open({ service: { stopSeconds: 0.2, statePath: join(folder, 'state') } })
  run.store.otherwise = () => unavailable()
  run.see(TRAFFIC)
  await run.service.end()
  await run.service.finish()
  const { accepted, spooled, dropped } = run.counts
  expect([spooled, dropped]).toEqual([accepted, {}])
  expect(run.named('l2tp.tunnel.closed').some((event) => event['l2tp.closed_by'] === 'capture_end')).toBe(false)
  expect(run.said.at(-1)).toBe('STOPPING=1')
})

test('it ends in good order although its store cannot be tidied up', async () => {
  const run = await Service.open({})
  Object.assign(run.store, { prune: () => Promise.reject(new Error('no space is left')) })
  run.see(TRAFFIC.slice(0, 50))
  await run.service.end()
  await run.service.finish()
  expect(run.counts.stored).toBeGreaterThan(0)
  expect(run.warnings).toEqual(['the store cannot be tidied up: no space is left'])
})

test('two sensors do not keep their state in one folder, nor answer at one address', async () => {
  const service = { statePath: join(folder, 'state') }
  const first = await Service.open({ service })
  const apart = (name: string) => ({ delivery: { path: join(folder, name), ...QUICK } })
  await expect(Service.open({ service, ...apart('second') })).rejects.toThrow(
    /state belongs to process .*BORESCOPE_SERVICE__STATE_PATH/,
  )
  await first.service.end()
  await first.service.finish()
  await Service.open({ service, ...apart('third') })
  // One sensor may have both in one folder.
  const both = join(folder, 'both')
  await Service.open({ service: { statePath: both }, delivery: { path: both, ...QUICK } })

  const server = createServer()
  await new Promise<void>((listens) => server.listen(0, '127.0.0.1', listens))
  const { port } = server.address() as AddressInfo
  await expect(Service.open({ service: { port }, ...apart('fourth') })).rejects.toThrow(
    `(service.host, service.port): listen EADDRINUSE: address already in use 127.0.0.1:${port}`,
  )
  server.close()
})

test('what its habits tell at the start comes behind what it remembers: an alert of before stands for it', async () => {
  const path = join(folder, 'baselines.ndjson')
  const run = async () => {
    writeFileSync(path, habitsOf(1001))
    const one = await Service.open({
      service: { statePath: join(folder, 'state') },
      baseline: { path, entitiesMax: 1000 },
    })
    expect(one.named('sensor.table.filled')).toMatchObject([{ 'sensor.table': 'baselines' }])
    await one.service.end()
    await one.service.finish()
    return one.named('alert.raised').length
  }
  expect(await run()).toBe(1)
  expect(await run()).toBe(0)
})
