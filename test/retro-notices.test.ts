import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ALERTS } from '../src/alert-config.ts'
import { prepareAlerting } from '../src/alerting.ts'
import { loadConfig } from '../src/config.ts'
import type { Config } from '../src/config-schema.ts'
import { Deliveries } from '../src/deliveries.ts'
import type { EventDocument } from '../src/events/fields.ts'
import { type PastTold, tellPast } from '../src/retro-notices.ts'
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

async function tell(config: Config, documents: readonly EventDocument[], patienceMs = 10_000): Promise<PastTold> {
  return tellPast(config, prepareAlerting(config, {}), documents, () => {}, patienceMs)
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

  test('nothing found leaves nothing behind', async () => {
    const config = configured({ sinks: { people: fileSink('people') } })
    expect(await tell(config, [])).toEqual({ notifications: 0, undelivered: 0 })
    expect(existsSync(config.delivery.path)).toBe(false)
  })
})
