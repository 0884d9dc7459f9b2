import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { isoMicroseconds } from '../src/base/time.ts'
import type { Indicator } from '../src/enrich/intel/indicator.ts'
import { IndicatorTable } from '../src/enrich/intel/index-table.ts'
import { Intel } from '../src/enrich/intel/intel.ts'
import type { EventDocument } from '../src/events/fields.ts'
import { hunt } from '../src/retro-hunt.ts'
import { openEmbeddedStore } from '../src/store/embedded.ts'
import type { EventStore } from '../src/store/stores.ts'
import { document } from './store/documents.ts'
import { builtinRules } from './support/replay.ts'
import { assertDeclared } from './support/sensor.ts'

const NOW_MS = Date.UTC(2026, 0, 31, 12)
const OBSERVER = { name: 'test', version: '0' }

let folder: string
let store: EventStore

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'borescope-retro-'))
  store = await openEmbeddedStore({ path: join(folder, 'events.db') })
})

afterEach(async () => {
  await store.close()
  rmSync(folder, { recursive: true })
})

/** `hours` before now, somebody inside a session talks to a host. */
function flow(id: string, hours: number, more: Partial<EventDocument> = {}): EventDocument {
  return document(id, {
    '@timestamp': isoMicroseconds((NOW_MS - hours * 3_600_000) * 1000),
    'event.action': 'flow.closed',
    'event.dataset': 'borescope.flow',
    'source.ip': '10.9.0.10',
    'destination.ip': '203.0.113.7',
    'outer.source.ip': '198.51.100.7',
    'user.name': 'alice',
    'borescope.lineage': ['t-1', 's-1', `f-${id}`],
    ...more,
  })
}

function listOf(...indicators: Indicator[]): Intel {
  const allowed = new IndicatorTable([], 10)
  return new Intel(new IndicatorTable([{ name: 'mine', indicators }], 100), allowed)
}

const BAD: Indicator = { type: 'ip', value: '203.0.113.7', confidence: 90 }
const search = (days = 7, intel = listOf(BAD)) =>
  hunt(store, intel, builtinRules(), OBSERVER, NOW_MS - days * 86_400_000, NOW_MS)

describe('a search of the past', () => {
  test('makes one finding of all events of a source about a value, and an alert with its incident', async () => {
    await store.write([flow('a', 30), flow('b', 20), flow('c', 10), flow('d', 10, { 'destination.ip': '192.0.2.1' })])
    const { events, findings, alerts, known, documents } = await search()
    expect({ events, findings, alerts, known }).toEqual({ events: 4, findings: 1, alerts: 1, known: 0 })
    for (const each of documents) assertDeclared(each)
    const [finding, alert] = documents
    expect(finding).toMatchObject({
      '@timestamp': '2026-01-31T12:00:00.000000Z',
      message: '203.0.113.7, now on the list mine, stands in 3 events about alice',
      'event.action': 'indicator.recognised',
      'threat.indicator.name': '203.0.113.7',
      'threat.indicator.provider': 'mine',
      'intel.events': 3,
      'intel.evidence': ['a', 'b', 'c'],
      'intel.action': 'flow.closed',
      'event.start': '2026-01-30T06:00:00.000000Z',
      'event.end': '2026-01-31T02:00:00.000000Z',
      'source.ip': '10.9.0.10',
      'user.name': 'alice',
      'borescope.lineage': ['t-1', 's-1', 'f-a', 'f-b', 'f-c'],
    })
    expect(alert).toMatchObject({
      'rule.name': 'Indicator found in what happened before',
      'alert.entity': '10.9.0.10, 203.0.113.7',
      'alert.evidence': [finding['event.id']],
      'alert.retrospective': true,
      '@timestamp': '2026-01-31T12:00:00.000000Z',
      'event.start': '2026-01-30T06:00:00.000000Z',
      'event.end': '2026-01-31T02:00:00.000000Z',
      'event.duration': 20 * 3_600_000_000_000,
    })
    expect(documents.map((each) => each['event.action'])).toContain('incident.opened')
  })

  test('tells a finding once, however often it is made', async () => {
    await store.write([flow('a', 30)])
    const first = await search()
    await store.write(first.documents)
    expect(await search()).toMatchObject({ events: 1, findings: 0, alerts: 0, known: 1, documents: [] })
    await store.write([flow('b', 5, { 'source.ip': '10.9.0.11' })])
    const again = await search()
    expect(again).toMatchObject({ findings: 1, alerts: 1, known: 1 })
    expect(again.documents[0]['source.ip']).toBe('10.9.0.11')
  })

  test('goes back as far as it is told', async () => {
    await store.write([flow('a', 24 * 8), flow('b', 24 * 6)])
    expect((await search(7)).documents[0]['intel.evidence']).toEqual(['b'])
    expect((await search(9)).documents[0]['intel.evidence']).toEqual(['a', 'b'])
    expect(await search(1)).toMatchObject({ events: 0, findings: 0 })
  })

  test('leaves out what was told at the time, and alerts', async () => {
    const told = { 'threat.indicator.name': '203.0.113.7', 'threat.indicator.provider': 'mine' }
    await store.write([flow('a', 3, told), flow('b', 2, { 'event.kind': 'alert' })])
    expect(await search()).toMatchObject({ events: 1, findings: 0 })
  })

  test('tells clients apart that have the same address inside', async () => {
    await store.write([flow('a', 3), flow('b', 2, { 'outer.source.ip': '198.51.100.8', 'user.name': 'bob' })])
    const { documents, findings, alerts } = await search()
    expect([findings, alerts]).toEqual([2, 2])
    const named = documents.filter((each) => each['event.action'] === 'indicator.recognised')
    expect(named.map((each) => each['user.name'])).toEqual(['alice', 'bob'])
  })

  test('is one incident, whoever was concerned', async () => {
    const sources = Array.from({ length: 200 }, (_, i) => `10.9.${i >> 4}.${i & 15}`)
    await store.write(
      sources.map((source, i) =>
        flow(`e${i}`, 100 - i / 10, {
          'source.ip': source,
          'outer.source.ip': `198.51.100.${i}`,
          'user.name': `user${i}`,
          'borescope.lineage': [`s-${i}`],
        }),
      ),
    )
    const { documents, findings, alerts } = await search()
    expect([findings, alerts]).toEqual([200, 200])
    const [opened, ...others] = documents.filter((each) => each['event.action'] === 'incident.opened')
    expect(others).toEqual([])
    const raised = documents.filter((each) => each['event.action'] === 'alert.raised')
    expect(new Set(raised.map((alert) => alert['incident.id']))).toEqual(new Set([opened['incident.id']]))
  })

  test('finds names, pages and fingerprints as the lists do at the time', async () => {
    await store.write([
      flow('a', 3, {
        'event.action': 'dns.answered',
        'dns.question.name': 'www.evil.example',
        'destination.ip': '192.0.2.1',
      }),
    ])
    const { documents } = await search(7, listOf({ type: 'domain-name', value: 'evil.example' }))
    expect(documents[0]).toMatchObject({ 'threat.indicator.name': 'www.evil.example', 'intel.action': 'dns.answered' })
  })
})
