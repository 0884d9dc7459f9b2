import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ALERTS } from '../src/alert-config.ts'
import { loadConfig } from '../src/config.ts'
import type { Config } from '../src/config-schema.ts'
import { Deliveries } from '../src/deliveries.ts'
import type { EventDocument } from '../src/events/fields.ts'
import { inspectPast, keepPast, sendPast } from '../src/retro-notices.ts'
import { document } from './store/documents.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'borescope-notices-'))
})

afterEach(() => rmSync(folder, { recursive: true }))

const NOW = '2026-01-31T12:00:00.000000Z'

/** An alert of a search: what it is about happened so many hours before. */
function past(id: string, hours: number, more: Partial<EventDocument> = {}): EventDocument {
  const happened = new Date(Date.parse(NOW) - hours * 3_600_000).toISOString().replace('Z', '000Z')
  return document(id, {
    '@timestamp': NOW,
    'event.action': 'alert.raised',
    'event.dataset': 'borescope.alerts',
    'event.kind': 'alert',
    'event.severity': 73,
    'event.start': happened,
    'event.end': happened,
    message: `Indicator found in what happened before: ${id} (1 event)`,
    'rule.id': 'r-1',
    'rule.name': 'Indicator found in what happened before',
    'rule.level': 'high',
    'alert.entity': id,
    'alert.events': 1,
    'alert.evidence': [`of-${id}`],
    'alert.retrospective': true,
    ...more,
  })
}

function configured(alerts: object): Config {
  const { config } = loadConfig(undefined, {})
  return { ...config, delivery: { ...config.delivery, path: join(folder, 'delivery') }, alerts: ALERTS.parse(alerts) }
}

const fileSink = (name: string) => ({ type: 'file', path: join(folder, 'out', `${name}.ndjson`) })

type Nested = { readonly [name: string]: unknown; readonly message: string }

function sentTo(name: string): Nested[] {
  const path = join(folder, 'out', `${name}.ndjson`)
  if (!existsSync(path)) return []
  return readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Nested)
}

const warnings: string[] = []

const send = (config: Config, patienceMs = 10_000) =>
  sendPast(config, { command: 'test', warn: (message) => warnings.push(message), patienceMs })

async function tell(config: Config, documents: readonly EventDocument[], patienceMs = 10_000) {
  return { notifications: keepPast(config, documents), undelivered: await send(config, patienceMs) }
}

/** Everything that lies in the folder of what was found in the past, but for what says how the sending went. */
function left(config: Config): string[] {
  const names = readdirSync(join(config.delivery.path, 'retro'), { recursive: true }) as string[]
  return names.filter((name) => /kept|\.spool$|lock/.test(name))
}

describe('what a search of the past has found', () => {
  test('is one notification, however much it is, with the times at which it happened', async () => {
    const config = configured({ sinks: { people: fileSink('people') } })
    const alerts = Array.from({ length: 10_000 }, (_, i) => past(`10.9.0.${i}`, 100 - i / 1000))
    const other = past('incident', 1, { 'event.action': 'incident.opened' })
    expect(await tell(config, [...alerts, other])).toEqual({ notifications: 1, undelivered: 0 })
    const [told, ...more] = sentTo('people')
    expect(more).toEqual([])
    expect(told).toMatchObject({
      '@timestamp': NOW,
      event: {
        action: 'alert.notified',
        start: '2026-01-27T08:00:00.000000Z',
        end: '2026-01-27T17:59:56.400000Z',
      },
      alert: { retrospective: true, notification: { kind: 'first', alerts: 10_000 } },
      message:
        'Indicator found in what happened before: 10.9.0.0 and at least 99 others (10000 alerts, 10000 events; found in retrospect, of 2026-01-27T08:00:00Z to 2026-01-27T17:59:56Z)',
    })
  })

  test('goes by the routes of all alerts, with what they leave out', async () => {
    const config = configured({
      sinks: { soc: fileSink('soc'), night: fileSink('night'), all: fileSink('all') },
      routes: [
        { match: 'user.name: alice', sinks: ['soc'], continue: true },
        { minLevel: 'critical', sinks: ['night'] },
        { sinks: ['all'], deduplicateSeconds: 60 },
      ],
    })
    const alice = past('a', 5, { 'user.name': 'alice' })
    const result = await tell(config, [alice, past('b', 4), past('b', 4)])
    expect(result).toEqual({ notifications: 2, undelivered: 0 })
    expect(sentTo('soc').map((each) => each.message)).toEqual([
      'Indicator found in what happened before: a (1 event); found in retrospect, of 2026-01-31T07:00:00Z',
    ])
    expect(sentTo('night')).toEqual([])
    expect(sentTo('all')[0]).toMatchObject({ alert: { notification: { alerts: 2, duplicates: 1 } } })
  })

  test('waits for the next search if it cannot be sent, even if that finds nothing', async () => {
    const config = configured({ sinks: { people: fileSink('people') } })
    // A file where the folder of the sink should be.
    writeFileSync(join(folder, 'out'), '')
    expect(await tell(config, [past('a', 5)], 0)).toEqual({ notifications: 1, undelivered: 1 })
    rmSync(join(folder, 'out'))
    mkdirSync(join(folder, 'out'))
    expect(await tell(config, [])).toEqual({ notifications: 0, undelivered: 0 })
    expect(sentTo('people')).toHaveLength(1)
  })

  test('is told while a sensor owns the folder of the deliveries', async () => {
    const config = configured({ sinks: { people: fileSink('people') } })
    const sensor = new Deliveries(config.delivery, 'borescope watch', () => {})
    sensor.claim(true)
    try {
      expect(await tell(config, [past('a', 5)])).toEqual({ notifications: 1, undelivered: 0 })
    } finally {
      await sensor.close()
    }
  })

  test('is told by the next one who sends if the search ends before it tells', async () => {
    const config = configured({ sinks: { people: fileSink('people') } })
    expect(keepPast(config, [past('a', 5)])).toBe(1)
    expect(keepPast(config, [past('b', 4, { '@timestamp': '2026-01-31T12:00:01.000000Z' })])).toBe(1)
    expect(await send(config)).toBe(0)
    expect(sentTo('people').map(({ message }) => message)).toEqual([
      'Indicator found in what happened before: a (1 event); found in retrospect, of 2026-01-31T07:00:00Z',
      'Indicator found in what happened before: b (1 event); found in retrospect, of 2026-01-31T08:00:00Z',
    ])
    expect(left(config)).toEqual([])
    await send(config)
    expect(sentTo('people')).toHaveLength(2)
  })

  test('is the same notification if it is kept a second time', async () => {
    const config = configured({ sinks: { people: fileSink('people') } })
    keepPast(config, [past('a', 5)])
    await tell(config, [past('a', 5)])
    expect(sentTo('people')).toHaveLength(1)
    await tell(config, [past('a', 5)])
    expect(new Set(sentTo('people').map(({ event }) => (event as { id: string }).id)).size).toBe(1)
  })

  test('waits while another search tells', async () => {
    const config = configured({ sinks: { people: fileSink('people') } })
    const other = new Deliveries({ ...config.delivery, path: join(config.delivery.path, 'retro') }, 'other', () => {})
    other.claim(true)
    expect(await tell(config, [past('a', 5)], 0)).toEqual({ notifications: 1, undelivered: 1 })
    expect(sentTo('people')).toEqual([])
    // It is through while this one still waits for it.
    const sending = send(config)
    await other.close()
    expect(await sending).toBe(0)
    expect(sentTo('people')).toHaveLength(1)
  })

  test('waits for a sink that is not configured now', async () => {
    const both = configured({ sinks: { people: fileSink('people'), others: fileSink('others') } })
    keepPast(both, [past('a', 5)])
    expect(await send(configured({ sinks: { people: fileSink('people') } }))).toBe(1)
    expect(warnings.at(-1)).toBe('notifications wait for sinks that are not configured: others')
    expect([sentTo('people').length, sentTo('others').length]).toEqual([1, 0])
    expect(await send(both)).toBe(0)
    expect([sentTo('people').length, sentTo('others').length]).toEqual([1, 1])
    expect(left(both)).toEqual([])
  })

  test('waits where no spool may take it', async () => {
    const configuredSo = configured({ sinks: { people: fileSink('people') } })
    const config = { ...configuredSo, delivery: { ...configuredSo.delivery, spoolBytesMax: 0 } }
    writeFileSync(join(folder, 'out'), '')
    expect(await tell(config, [past('a', 5)], 0)).toEqual({ notifications: 1, undelivered: 1 })
    rmSync(join(folder, 'out'))
    expect(await send(config)).toBe(0)
    expect(sentTo('people')).toHaveLength(1)
    expect(left(config)).toEqual([])
  })

  test('is said to be lost where what was kept is damaged, and the rest is told', async () => {
    const config = configured({ sinks: { people: fileSink('people') } })
    keepPast(config, [past('a', 5)])
    const [name] = left(config)
    const path = join(config.delivery.path, 'retro', name)
    writeFileSync(path, `{"sink":"peo\n${readFileSync(path, 'utf8')}`)
    await send(config)
    expect(warnings).toContain(`${path}:1: a notification cannot be read, and is lost`)
    expect(sentTo('people')).toHaveLength(1)
  })

  test('is counted while it waits, kept or spooled, with its age', async () => {
    const config = configured({ sinks: { people: fileSink('people'), others: fileSink('others') } })
    const { path } = config.delivery
    expect(inspectPast(path)).toEqual([])
    keepPast(config, [past('a', 5)])
    keepPast(config, [past('b', 5, { '@timestamp': '2026-01-30T12:00:00.000000Z' })])
    const oldestMs = Date.parse('2026-01-30T12:00:00Z')
    expect(inspectPast(path)).toEqual([
      { delivery: 'alerts-people', notifications: 2, oldestMs },
      { delivery: 'alerts-others', notifications: 2, oldestMs },
    ])
    const kept = left(config)
    writeFileSync(join(folder, 'out'), '')
    const beforeMs = Date.now()
    expect(await send(config, 0)).toBe(4)
    expect(left(config)).not.toEqual(kept)
    const spooled = inspectPast(path)
    expect(spooled.map(({ delivery, notifications }) => [delivery, notifications]).sort()).toEqual([
      ['alerts-others', 2],
      ['alerts-people', 2],
    ])
    // The clock of files is coarser than that of the process.
    for (const waiting of spooled) expect(waiting.oldestMs).toBeGreaterThan(beforeMs - 1000)
    rmSync(join(folder, 'out'))
    expect(await send(config)).toBe(0)
    expect(inspectPast(path)).toEqual([])
  })

  test('nothing found leaves nothing behind', async () => {
    const config = configured({ sinks: { people: fileSink('people') } })
    expect(await tell(config, [])).toEqual({ notifications: 0, undelivered: 0 })
    expect(existsSync(config.delivery.path)).toBe(false)
  })
})
