/** How often the commands ask the store: as often for ten thousand rows as for one, or for hundreds at a time. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { isoMicroseconds } from '../../src/base/time.ts'
import { alerts, sessions, tunnels, users } from '../../src/commands/lists.ts'
import { show } from '../../src/commands/show.ts'
import { openEmbeddedStore } from '../../src/store/embedded.ts'
import type { EventStore } from '../../src/store/stores.ts'
import { document, START_US } from '../store/documents.ts'

const TUNNELS = 10_000
const ASKING = new Set<keyof EventStore>(['search', 'count', 'aggregate', 'histogram', 'get'])

let folder: string
let store: EventStore
let asked: string[]
let printed: string[]

/** The store, and a note of every question. */
function counting(inner: EventStore): EventStore {
  return new Proxy(inner, {
    get(target, name: keyof EventStore) {
      if (ASKING.has(name)) asked.push(name)
      return target[name].bind(target)
    },
  })
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'borescope-queries-'))
  const inner = await openEmbeddedStore({ path: join(folder, 'events.db') })
  for (let at = 0; at < TUNNELS; at += 1000) {
    await inner.write(Array.from({ length: 1000 }, (_, i) => lifeOf(at + i)).flat())
  }
  const evidence = Array.from({ length: 20 }, (_, i) => `link-${i}`)
  const lineage = ['t-0000', 's-0000']
  await inner.write([
    document('alert-1', { 'event.kind': 'alert', 'alert.evidence': evidence, 'borescope.lineage': lineage }),
  ])
  store = counting(inner)
}, 60_000)

afterAll(async () => {
  await store.close()
  rmSync(folder, { recursive: true })
})

beforeEach(() => {
  asked = []
  printed = []
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => printed.push(String(text)) > 0)
  vi.spyOn(process.stderr, 'write').mockImplementation(() => true)
})

afterEach(() => {
  vi.restoreAllMocks()
})

/** A tunnel with a session with a link in it, in the order in which they end. */
function lifeOf(i: number) {
  const name = String(i).padStart(4, '0')
  const lineage = [`t-${name}`, `s-${name}`]
  const at = (step: number) => isoMicroseconds(START_US + i * 1000 + step)
  const user = `user${i % 100}`
  return [
    document(`link-${i}`, {
      '@timestamp': at(0),
      'event.action': 'ppp.link.opened',
      'user.name': user,
      'borescope.lineage': lineage,
    }),
    document(`session-${i}`, {
      '@timestamp': at(1),
      'event.action': 'l2tp.session.closed',
      'l2tp.session.uid': lineage[1],
      'borescope.lineage': lineage,
    }),
    document(`tunnel-${i}`, {
      '@timestamp': at(2),
      'event.action': 'l2tp.tunnel.closed',
      'l2tp.tunnel.uid': lineage[0],
      'borescope.lineage': [lineage[0]],
    }),
  ]
}

function rows(): Record<string, unknown>[] {
  return JSON.parse(printed.join(''))
}

describe('the questions of a command', () => {
  const all = { limit: TUNNELS, json: true }

  test('tunnels: one', async () => {
    await tunnels(store, '', all)
    expect(rows()).toHaveLength(TUNNELS)
    expect(asked).toEqual(['search'])
  })

  test('tunnels of a user: one for each kind of tunnel, and one', async () => {
    await tunnels(store, 'borescope.lineage: *', all)
    expect(rows()).toHaveLength(TUNNELS)
    expect(asked).toEqual(['aggregate', 'aggregate', 'aggregate', 'search'])
  })

  test('sessions: one, and one for the links of every 500', async () => {
    await sessions(store, '', all)
    expect(rows()).toHaveLength(TUNNELS)
    expect(asked).toEqual(['search', ...Array.from({ length: TUNNELS / 500 }, () => 'search')])
    asked = []
    await sessions(store, '', { limit: 100, json: true })
    expect(asked).toEqual(['search', 'search'])
  })

  test('users and alerts: one', async () => {
    await users(store, '', all)
    expect(rows()).toHaveLength(100)
    await users(store, '', { limit: 3 })
    expect(process.stderr.write).toHaveBeenLastCalledWith('3 users; --limit shows more\n')
    asked.splice(1, 1)
    await alerts(store, '', all)
    expect(asked).toEqual(['search', 'search'])
  })

  test('show: a few, however much there is to tell', async () => {
    await show(store, 's-0042', { limit: 500, json: true })
    expect(rows().map((row) => (row['event'] as { id: string }).id)).toEqual(['link-42', 'session-42', 'tunnel-42'])
    expect(asked).toEqual(['aggregate', 'search', 'search'])
    asked = []
    printed = []
    await show(store, 'alert-1', { limit: 500, json: true })
    expect(rows()).toHaveLength(1 + 20 + 2)
    expect(asked).toEqual(['get', 'search', 'search'])
  })
})
