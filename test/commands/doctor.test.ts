/** What `doctor` says of spools and quarantines: the files are made by those who write them, and damaged by the test. */
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ALERTS } from '../../src/alert-config.ts'
import { examineDeliveries } from '../../src/commands/doctor-delivery.ts'
import { loadConfig } from '../../src/config.ts'
import type { Config } from '../../src/config-schema.ts'
import { Deliveries } from '../../src/deliveries.ts'
import { Quarantine } from '../../src/output/quarantine.ts'
import { keepPast } from '../../src/retro-notices.ts'
import { document } from '../store/documents.ts'
import { event, events, ScriptedDestination, unavailable } from '../output/support.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'borescope-doctor-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

function configured(changes: Record<string, string> = {}): Config {
  const path = join(folder, 'spool')
  const cluster = { BORESCOPE_STORE__KIND: 'opensearch', BORESCOPE_STORE__NODES: 'http://127.0.0.1:1' }
  return loadConfig(undefined, { BORESCOPE_DELIVERY__PATH: path, ...cluster, ...changes }).config
}

/** As lines for people, without what depends on the machine. */
function told(config: Config): string[] {
  return examineDeliveries(config).map(({ of, state, says }) => `${state} ${of}: ${says.replaceAll(folder, '')}`)
}

/** Twenty-one events that the destination did not take. */
async function spooled(config: Config, name = 'store'): Promise<string> {
  const deliveries = new Deliveries(
    { ...config.delivery, holdBackSeconds: 0.01, backoffSeconds: 0.01 },
    'test',
    () => {},
  )
  const destination = new ScriptedDestination()
  destination.otherwise = () => unavailable()
  const delivery = deliveries.open(name, destination, 'remote')
  for (const one of [...events('e', 0, 20), event('last', { message: 'x'.repeat(3000) })]) delivery.push(one)
  await deliveries.flush()
  await deliveries.close()
  expect(delivery.counts.spooled).toBe(21)
  const spool = join(folder, 'spool', name)
  return join(spool, readdirSync(spool).find((file) => file.endsWith('.spool')) ?? '')
}

test('with nothing to say it says so, before the folder is there and after', () => {
  const fine = 'fine delivery: /spool: nothing waits and nothing is refused; no process delivers now'
  expect(told(configured())).toEqual([fine])
  mkdirSync(join(folder, 'spool', 'store'), { recursive: true })
  expect(told(configured())).toEqual([fine])
})

test('what waits is counted, with its age, its share of the bound, and who sends it', async () => {
  await spooled(configured())
  const [delivery, spool, ...more] = told(configured())
  expect(more).toEqual([])
  expect(delivery).toBe('fine delivery: /spool: no process delivers now')
  expect(spool).toMatch(
    /^note spool: store: 21 events wait, \d\.\d kB of 1\.0 GB \(< 1 %\), the oldest for \d+(\.\d)? m?s: 'borescope spool send' or the next run sends them$/,
  )
  const full = told(configured({ BORESCOPE_DELIVERY__SPOOL_BYTES_MAX: '6600' }))
  expect(full[1]).toMatch(/^wrong spool: .*it is nearly full, and drops flows first: .*raise delivery\.spoolBytesMax$/)
})

test('what waits for a destination that is not configured is wrong', async () => {
  await spooled(configured(), 'alerts-chat')
  const [, spool] = told(configured())
  expect(spool).toMatch(
    /^wrong spool: alerts-chat: 21 events .*no such destination any more: .*delete \/spool\/alerts-chat/,
  )
  const [, store] = told(configured({ BORESCOPE_STORE__KIND: 'embedded' }))
  expect(store).toMatch(/^wrong spool/)
})

test('a segment with a hole, one with half a record, and one that is no file', async () => {
  const segment = await spooled(configured())
  const sound = readFileSync(segment)
  const bytes = Buffer.from(sound)
  bytes[bytes.length >> 3] ^= 0xff
  writeFileSync(segment, bytes)
  const hole = told(configured())
  expect(hole[1]).toMatch(/^note spool: store: 20 events wait/)
  expect(hole[2]).toMatch(/^wrong spool: store: .*\.spool is damaged, 1 event of it lost: look at the disk/)

  writeFileSync(segment, sound)
  appendFileSync(segment, sound.subarray(0, 30))
  expect(told(configured())[2]).toMatch(/^note spool: store: .*\.spool ends with 30 B that are no whole event/)
  // Nothing was changed by looking.
  expect(readFileSync(segment)).toHaveLength(sound.length + 30)

  rmSync(segment)
  mkdirSync(segment)
  expect(told(configured())[1]).toMatch(/^wrong spool: store: .*\.spool cannot be read \(EISDIR/)
})

test('a cursor that cannot be read is a note', async () => {
  await spooled(configured())
  writeFileSync(join(folder, 'spool', 'store', 'cursor.ndjson'), 'nonsense')
  expect(told(configured())[2]).toMatch(/^note spool: store: .*cursor\.ndjson cannot be read: .*may be sent again/)
})

test('while a process delivers, what it says of itself counts, not files that it is writing', async () => {
  const config = configured()
  const segment = await spooled(config)
  appendFileSync(segment, 'half')
  const deliveries = new Deliveries({ ...config.delivery, backoffSeconds: 60 }, 'the sensor', () => {})
  const destination = new ScriptedDestination()
  destination.otherwise = () => unavailable()
  deliveries.open('store', destination, 'remote')
  try {
    await expect.poll(() => deliveries.report().destinations[0].failingSince).not.toBeNull()
    writeFileSync(join(folder, 'spool', 'status.json'), JSON.stringify(deliveries.report()))
    const [delivery, ...spool] = told(config)
    expect(delivery).toMatch(/^fine delivery: \/spool: process \d+ \("the sensor"\) delivers$/)
    expect(spool[0]).toMatch(/^wrong spool: store: fails since .* UTC: /)
    expect(spool.join()).not.toContain('no whole event')
  } finally {
    await deliveries.close()
  }
})

test('what searches of the past have found waits with its age, and is wrong for a sink that is not configured', () => {
  const sink = { type: 'file' as const, path: join(folder, 'people.ndjson') }
  const configuredSo = configured()
  const config = { ...configuredSo, alerts: ALERTS.parse({ sinks: { people: sink } }) }
  const found = document('found', {
    '@timestamp': new Date(Date.now() - 3 * 3_600_000).toISOString().replace('Z', '000Z'),
    'event.action': 'alert.raised',
    'event.kind': 'alert',
    'event.severity': 73,
    'rule.id': 'r-1',
    'rule.level': 'high',
  })
  expect(keepPast(config, [found])).toBe(1)
  expect(told(config)).toEqual([
    'fine delivery: /spool: no process delivers now',
    expect.stringMatching(
      /^note retro: alerts-people: 1 notification of what was found in retrospect waits, the oldest for 3 h.*: the next 'borescope intel add' or 'update' sends them, or a sensor that watches with --notify$/,
    ),
  ])
  expect(told(configuredSo)[1]).toMatch(
    /^wrong retro: alerts-people: 1 notification .*no such sink any more: name it again, or delete what lies in \/spool\/retro$/,
  )
})

test('what is refused is counted, with the last reason; a quarantine that is nearly full is wrong', () => {
  const path = join(folder, 'spool', 'store', 'quarantine.ndjson')
  const quarantine = new Quarantine(path, 1e6)
  quarantine.add(event('a'), 'no address')
  quarantine.add(event('b'), 'no such field')
  appendFileSync(path, '{"time":')
  const [, found] = told(configured())
  expect(found).toMatch(
    /^note quarantine: store: 2 events refused, \d+ B of 67 MB \(< 1 %\); the oldest at .* UTC, the last for: no such field; 1 line cannot be read; 'borescope quarantine list'/,
  )
  const full = told(configured({ BORESCOPE_DELIVERY__QUARANTINE_BYTES_MAX: '470' }))
  expect(full[1]).toMatch(/^wrong quarantine: .*nearly full: what is refused then is dropped/)
})

test('what the last process lost, and a disk that is smaller than the spool', async () => {
  const config = configured()
  await spooled(configured({ BORESCOPE_DELIVERY__SPOOL_BYTES_MAX: '1' })).catch(() => {})
  expect(told(config)[0]).toMatch(/^wrong delivery: \/spool: .*21 events were lost: 'borescope status' says why$/)
  const vast = configured({ BORESCOPE_DELIVERY__SPOOL_BYTES_MAX: '999999999999999' })
  expect(told(vast)[1]).toMatch(/^note spool: the disk of \/spool has .* left, and a spool may take 1\.0 PB: free some/)
})

test('what was found in retrospect and refused is listed like everything else that is refused', () => {
  const path = join(folder, 'spool', 'retro', 'alerts-people', 'quarantine.ndjson')
  new Quarantine(path, 1e6).add(event('a'), 'HTTP 400')
  expect(told(configured())[1]).toMatch(/^note quarantine: retro\/alerts-people: 1 event refused, .* for: HTTP 400;/)
})
