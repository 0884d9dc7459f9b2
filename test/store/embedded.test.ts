import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isoMicroseconds } from '../../src/base/time.ts'
import type { EventDocument, FieldName } from '../../src/events/fields.ts'
import { openEmbeddedStore } from '../../src/store/embedded.ts'
import { SPAN } from '../../src/store/layout.ts'
import { idsOf, storeContract } from './contract.ts'
import { document, START_US, sessionEvent } from './documents.ts'

let directory: string
let files = 0
const path = () => join(directory, 'deep', `${files++}.db`)

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'borescope-store-'))
})
afterAll(() => rmSync(directory, { recursive: true }))

const events = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => sessionEvent(from + i))

/** Runs a script of test/store in a process of its own, and reads its lines. */
function run(script: URL, ...parameters: string[]): { child: ChildProcess; lines: AsyncIterable<string> } {
  const child = spawn(process.execPath, [fileURLToPath(script), ...parameters], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return { child, lines: createInterface({ input: child.stdout as NodeJS.ReadableStream }) }
}

storeContract('embedded', () => openEmbeddedStore({ path: path() }))

describe('the file of the embedded store', () => {
  test('is made readable by its owner only', async () => {
    const at = path()
    await (await openEmbeddedStore({ path: at })).close()
    expect(statSync(at).mode & 0o777).toBe(0o600)
    expect(statSync(join(at, '..')).mode & 0o777).toBe(0o700)
  })

  test('is kept over a reopening, and holds no event twice', async () => {
    const at = path()
    const first = await openEmbeddedStore({ path: at })
    await first.write(events(0, 10))
    await first.close()
    const second = await openEmbeddedStore({ path: at })
    expect(await second.write(events(0, 12))).toMatchObject({ stored: 2, duplicates: 10, rejected: [] })
    await second.close()
    const reader = await openEmbeddedStore({ path: at, readOnly: true })
    expect(await idsOf(reader, {})).toEqual(events(0, 12).map((event) => event['event.id']))
    await expect(reader.write(events(0, 1))).rejects.toThrow(/for reading only/)
    await expect(reader.prune({})).rejects.toThrow(/for reading only/)
    await reader.close()
  })

  test.each([
    ['is a text', (at: string) => writeFileSync(at, 'Dear diary'), /no SQLite file.*name another path/],
    ['belongs to another program', (at: string) => foreign(at, 'CREATE TABLE t (x)'), /another program/],
    [
      'is newer',
      (at: string) => changed(at, 'PRAGMA user_version = 99'),
      /schema 99, this Borescope knows 2: use the newer/,
    ],
    ['has lost its pages', (at: string) => damaged(at), /damaged.*replay the captures/],
  ])('is refused with advice if it %s', async (_, make, says) => {
    const at = join(directory, `${files++}.db`)
    await make(at)
    const opened = openEmbeddedStore({ path: at }).then(async (store) => {
      const failure = await store.count({ kql: 'source.bytes > 5' }).finally(() => store.close())
      return failure
    })
    await expect(opened).rejects.toThrow(says)
    await expect(opened).rejects.toThrow(at)
  })

  test('must exist to be read', async () => {
    const at = path()
    await expect(openEmbeddedStore({ path: at, readOnly: true })).rejects.toThrow(`there is no event store at ${at}`)
    await expect(openEmbeddedStore({ path: directory })).rejects.toThrow(/EISDIR/)
  })

  test('knows fields that came after it was made', async () => {
    const at = path()
    await changed(at, "DELETE FROM fields WHERE name = 'ppp.phase'")
    const reader = await openEmbeddedStore({ path: at, readOnly: true })
    expect(await reader.count({ kql: 'ppp.phase: * or ppp.phase: network' })).toBe(0)
    await reader.close()
    const store = await openEmbeddedStore({ path: at })
    await store.write([document('new', { 'ppp.phase': 'network' })])
    expect(await store.count({ kql: 'ppp.phase: network' })).toBe(1)
    await store.close()
  })
})

function foreign(at: string, sql: string): void {
  const database = new DatabaseSync(at)
  database.exec(sql)
  database.close()
}

async function changed(at: string, sql: string): Promise<void> {
  await (await openEmbeddedStore({ path: at })).close()
  foreign(at, sql)
}

async function damaged(at: string): Promise<void> {
  const store = await openEmbeddedStore({ path: at })
  await store.write(events(0, 500))
  await store.close()
  writeFileSync(at, readFileSync(at).fill(0xa5, 8192))
}

describe('indexes', () => {
  const indexesOf = (at: string): string[] => {
    const database = new DatabaseSync(at)
    const rows = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'events'").all()
    database.close()
    return rows.map(({ name }) => name as string).sort()
  }

  test('of an older file become those of this version when it is opened for writing', async () => {
    const at = path()
    const store = await openEmbeddedStore({ path: at })
    await store.write(events(0, 50))
    await store.close()
    const wanted = indexesOf(at)
    const database = new DatabaseSync(at)
    database.exec('DROP INDEX "events_source.ip_talk"; CREATE INDEX "events_source.ip" ON events ("source.ip")')
    database.close()
    const old = await openEmbeddedStore({ path: at, readOnly: true })
    expect(await old.count({ kql: 'source.ip: 198.51.0.7' })).toBe(1)
    await old.close()
    const reopened = await openEmbeddedStore({ path: at })
    expect(await reopened.count({ kql: 'source.ip: 198.51.0.7' })).toBe(1)
    await reopened.close()
    expect(indexesOf(at)).toEqual(wanted)
  })

  test('answer by themselves who talks most', async () => {
    const at = path()
    const store = await openEmbeddedStore({ path: at })
    await store.write(events(0, 500))
    await store.close()
    const database = new DatabaseSync(at)
    const plan = database
      .prepare(
        'EXPLAIN QUERY PLAN SELECT e."source.ip", count(*), min(e."@timestamp"), sum(e."network.bytes") FROM events e ' +
          `WHERE e."source.ip" IS NOT NULL AND +e."@timestamp" >= 0 GROUP BY ${SPAN}, e."source.ip"`,
      )
      .all()
      .map(({ detail }) => detail)
    database.close()
    expect(String(plan)).toContain('USING COVERING INDEX events_source.ip_talk')
  })
})

describe('what an event repeats', () => {
  const LISTS: Partial<EventDocument>[] = [
    { 'related.ip': ['192.0.2.1', '2001:db8::7'] },
    { 'related.ip': ['2001:db8::7', '192.0.2.1'] },
    { 'related.ip': ['192.0.2.1'] },
    { 'related.ip': ['192.0.2.1', '2001:db8::7', '10.0.0.1'] },
    { 'related.ip': ['192.0.2.1', '192.0.2.1'] },
    { 'related.ip': ['192.0.2.1', '2001:DB8::7'] },
    { 'related.ip': [] },
    {},
    { 'related.user': ['alice'], 'borescope.lineage': ['t-1', 's-1'] },
    { 'related.user': ['Alice'], 'borescope.lineage': ['s-1', 't-1'] },
    { 'related.user': [], 'borescope.lineage': ['t-1', 's-1', 'f-1'] },
    { 'flow.carrier': 's-1', 'event.end': '2026-03-01T12:00:00.000000Z' },
    { 'flow.carrier': 't-1', 'event.end': '2026-03-01T12:00:00Z' },
  ]
  const DOCUMENTS = LISTS.map((lists, i) =>
    document(`e${i}`, {
      'source.ip': '192.0.2.1',
      'destination.ip': '2001:db8::7',
      'user.name': 'alice',
      'l2tp.tunnel.uid': 't-1',
      'l2tp.session.uid': 's-1',
      ...lists,
    }),
  )

  test('is found, grouped and given back as if it were stored', async () => {
    const store = await openEmbeddedStore({ path: path() })
    await store.write(DOCUMENTS)
    for (const one of DOCUMENTS) expect(await store.get(one['event.id'])).toEqual(one)
    const found = async (kql: string) => (await idsOf(store, { kql })).join(' ')
    expect(await found('related.ip: 2001:db8::7')).toBe('e0 e1 e3 e5')
    expect(await found('related.ip: 2001:db8::/16')).toBe('e0 e1 e3 e5')
    expect(await found('related.ip: 10.0.0.1')).toBe('e3')
    expect(await found('related.ip: *')).toBe('e0 e1 e2 e3 e4 e5')
    expect(await found('related.user: alice')).toBe('e8')
    expect(await found('related.user: A*')).toBe('e9')
    expect(await found('borescope.lineage: (f-1 or x)')).toBe('e10')
    expect(await found('borescope.lineage: t-*')).toBe('e8 e9 e10')
    expect(await found('flow.carrier: s-1')).toBe('e11')
    expect(await found('event.end >= 2026-03-01T12:00:00Z')).toBe('e11 e12')
    const groups = async (field: FieldName) =>
      (await store.aggregate({}, { by: [field], limit: 9 })).map(({ key, count }) => `${key[0]} ${count}`)
    expect(await groups('related.ip')).toEqual([
      'null 7',
      '192.0.2.1 7',
      '2001:db8::7 3',
      '10.0.0.1 1',
      '2001:DB8::7 1',
    ])
    expect(await groups('borescope.lineage')).toEqual(['null 10', 's-1 3', 't-1 3', 'f-1 1'])
    expect(await groups('flow.carrier')).toEqual(['null 11', 's-1 1', 't-1 1'])
    await store.close()
  })
})

describe('who talks most', () => {
  /** Twelve events, of which the last six are in a later span of the indexes. */
  const inTwoSpans = async () => {
    const at = path()
    const store = await openEmbeddedStore({ path: at })
    const talk = (i: number) =>
      document(`talk${i}`, {
        '@timestamp': isoMicroseconds(START_US + i),
        'source.ip': i % 3 === 0 ? '2001:db8::7' : `192.0.2.${i % 3}`,
        'user.name': i % 2 === 0 ? 'alice' : undefined,
        'network.bytes': 10 ** i,
      })
    await store.write([0, 1, 2, 3, 4, 5].map(talk))
    foreign(at, 'UPDATE sqlite_sequence SET seq = 1000000')
    await store.write([6, 7, 8, 9, 10, 11].map(talk))
    return store
  }
  const at = (i: number) => isoMicroseconds(START_US + i)

  test('is counted over all spans of the indexes', async () => {
    const store = await inTwoSpans()
    const metric = { of: 'sum', field: 'network.bytes' } as const
    expect(await store.aggregate({}, { by: ['source.ip'], limit: 2, metric })).toEqual([
      { key: ['192.0.2.1'], count: 4, first: at(1), last: at(10), metric: 10_010_010_010 },
      { key: ['192.0.2.2'], count: 4, first: at(2), last: at(11), metric: 100_100_100_100 },
    ])
    const latest = { since: at(5) }
    expect(await store.aggregate(latest, { by: ['user.name'], limit: 9 })).toEqual([
      { key: [null], count: 4, first: at(5), last: at(11) },
      { key: ['alice'], count: 3, first: at(6), last: at(10) },
    ])
    await store.close()
  })

  test.each(['minimum', 'maximum', 'average', 'distinct'] as const)('has its %s over all spans', async (of) => {
    const store = await inTwoSpans()
    const metric = { of, field: 'network.bytes' } as const
    const [group] = await store.aggregate({ kql: 'user.name: alice' }, { by: ['user.name'], limit: 1, metric })
    const expected = { minimum: 1, maximum: 1e10, average: 10_101_010_101 / 6, distinct: 6 }[of]
    expect(group).toEqual({ key: ['alice'], count: 6, first: at(0), last: at(10), metric: expected })
    await store.close()
  })
})

describe('the write queue', () => {
  test('splits a large batch over commits and adds the results up', async () => {
    const store = await openEmbeddedStore({ path: path(), commitEventsMax: 7 })
    const batch = [...events(0, 50), ...events(0, 3)]
    expect(await store.write(batch)).toEqual({ stored: 50, duplicates: 3, rejected: [], later: [] })
    await store.close()
  })

  test('says where in a batch that was split the rejected ones stand', async () => {
    const store = await openEmbeddedStore({ path: path(), commitEventsMax: 7 })
    const batch: EventDocument[] = events(0, 20)
    batch[8] = { ...batch[8], 'source.port': 1.5 }
    batch[10] = { ...batch[10], 'rule.name': (() => 'x') as never }
    batch[12] = { ...batch[12], 'source.ip': 'x' }
    const { stored, rejected } = await store.write(batch)
    expect(stored).toBe(17)
    expect(rejected.map(({ index, id }) => [index, id])).toEqual([8, 10, 12].map((i) => [i, batch[i]['event.id']]))
    await store.close()
  })

  test('refuses a batch when it is full, and takes it later', async () => {
    const store = await openEmbeddedStore({ path: path(), queueEventsMax: 30, commitEventsMax: 10 })
    const first = store.write(events(0, 40))
    await expect(store.write(events(40, 50))).rejects.toMatchObject({
      message: expect.stringMatching(/more than 30 events wait/),
      retry: 'later',
    })
    expect((await first).stored).toBe(40)
    expect((await store.write(events(40, 50))).stored).toBe(10)
    await store.close()
  })

  test('answers each of the writes that share a commit for itself', async () => {
    const store = await openEmbeddedStore({ path: path() })
    const poison = { ...sessionEvent(4), 'source.port': 1.5 }
    const results = await Promise.all([
      store.write(events(0, 3)),
      store.write([sessionEvent(2), poison]),
      store.prune({ maxAgeMs: 1, now: '2026-02-01T00:00:00Z' }),
      store.write(events(3, 4)),
    ])
    expect(results).toEqual([
      { stored: 3, duplicates: 0, rejected: [], later: [] },
      { stored: 0, duplicates: 1, rejected: [expect.objectContaining({ index: 1 })], later: [] },
      0,
      { stored: 1, duplicates: 0, rejected: [], later: [] },
    ])
    await store.close()
  })

  test('refuses every write of a commit that failed, and takes them again', async () => {
    const at = path()
    const store = await openEmbeddedStore({ path: at })
    foreign(at, "CREATE TRIGGER fails BEFORE INSERT ON events BEGIN SELECT raise(FAIL, 'no luck'); END")
    const writes = [store.write(events(0, 3)), store.write(events(3, 5))]
    for (const write of writes) await expect(write).rejects.toThrow(/no luck/)
    foreign(at, 'DROP TRIGGER fails')
    expect(await store.write(events(0, 5))).toMatchObject({ stored: 5, duplicates: 0 })
    await store.close()
  })

  test('commits what waits before it closes, and refuses what comes after', async () => {
    const at = path()
    const store = await openEmbeddedStore({ path: at, commitEventsMax: 8 })
    const written = store.write(events(0, 100))
    await store.close()
    expect((await written).stored).toBe(100)
    await expect(store.write(events(0, 1))).rejects.toThrow(/is closed/)
    await expect(store.count({})).rejects.toThrow(/is closed/)
    await store.close()
  })
})

describe('retention by size', () => {
  test('lets writes have their turn between its steps', async () => {
    const store = await openEmbeddedStore({ path: path() })
    await store.write(events(0, 9000))
    const ended: string[] = []
    const pruning = store.prune({ maxBytes: 1 }).then((pruned) => {
      ended.push('pruned')
      return pruned
    })
    const writing = store.write(events(9000, 9100)).then(() => ended.push('written'))
    const again = store.prune({ maxBytes: Number.MAX_SAFE_INTEGER }).then(() => ended.push('pruned again'))
    await Promise.all([pruning, writing, again])
    expect(ended).toEqual(['written', 'pruned', 'pruned again'])
    expect((await store.count({})) + (await pruning)).toBe(9100)
    await store.close()
  })

  test('is ended by a closing only when it is over', async () => {
    const store = await openEmbeddedStore({ path: path() })
    await store.write(events(0, 5000))
    const pruning = store.prune({ maxBytes: 1 })
    await store.close()
    expect(await pruning).toBe(5000)
  })

  test('takes no more where the oldest events were written last', async () => {
    const store = await openEmbeddedStore({ path: path() })
    await store.write(events(4000, 8000))
    await store.prune({ maxBytes: Number.MAX_SAFE_INTEGER })
    const { bytesOnDisk } = await store.stats()
    await store.write(events(0, 4000))
    const pruned = await store.prune({ maxBytes: bytesOnDisk * 0.99 })
    expect(pruned).toBeGreaterThan(3000)
    expect(pruned).toBeLessThan(5000)
    await store.close()
  })

  test('takes the oldest events until the file is small enough', async () => {
    const at = path()
    const store = await openEmbeddedStore({ path: at })
    await store.write(events(0, 6000))
    await store.prune({ maxBytes: Number.MAX_SAFE_INTEGER })
    const { bytesOnDisk } = await store.stats()
    const pruned = await store.prune({ maxBytes: bytesOnDisk / 2 })
    expect(pruned).toBeGreaterThan(1000)
    expect(pruned).toBeLessThan(5000)
    const after = await store.stats()
    expect(after.bytesOnDisk).toBeLessThanOrEqual(bytesOnDisk / 2)
    expect(after.events).toBe(6000 - pruned)
    expect(after.oldest).toBe(sessionEvent(pruned)['@timestamp'])
    expect(await store.count({ kql: 'user17 or borescope.lineage: tunne*' })).toBe(6000 - pruned)
    expect(await store.prune({ maxBytes: 1 })).toBe(6000 - pruned)
    expect(await store.count({})).toBe(0)
    await store.close()
    const database = new DatabaseSync(at)
    const left = (table: string) => database.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.['n']
    expect(left('words')).toBe(0)
    database.close()
  })
})

test('an event whose fields cannot be read any more is damage of the file, however it is asked for', async () => {
  const at = path()
  const store = await openEmbeddedStore({ path: at })
  await store.write(events(0, 3))
  foreign(at, 'UPDATE events SET rest = \'{"1":\' WHERE id = 2')
  const message = /damaged \(malformed JSON\): .*replay the captures/
  await expect(Array.fromAsync(store.search({}))).rejects.toThrow(message)
  await expect(store.get(sessionEvent(1)['event.id'])).rejects.toThrow(message)
  await expect(store.aggregate({}, { by: ['l2tp.tunnel.initiator_id'], limit: 9 })).rejects.toThrow(message)
  expect((await store.get(sessionEvent(0)['event.id']))?.['event.id']).toBe(sessionEvent(0)['event.id'])
  await store.close()
})

describe('the full-text index', () => {
  /** The blocks that words are in; those below 10 are about the index itself. */
  function blocks(at: string): Set<number> {
    const database = new DatabaseSync(at)
    const rows = database.prepare('SELECT CAST(id AS REAL) AS id FROM words_data WHERE id > 10').all()
    database.close()
    return new Set(rows.map(({ id }) => id as number))
  }

  test('is left as it is where few events go, and merged where many do', async () => {
    const at = path()
    const store = await openEmbeddedStore({ path: at })
    await store.write(events(0, 3000))
    const before = blocks(at)
    const keepFrom = (first: number) => store.prune({ maxAgeMs: 0, now: sessionEvent(first)['@timestamp'] })
    expect(await keepFrom(100)).toBe(100)
    expect(blocks(at).size).toBeGreaterThan(20)
    expect(before.difference(blocks(at)).size).toBe(0)
    expect(await keepFrom(2000)).toBe(1900)
    expect(before.intersection(blocks(at)).size).toBeLessThan(before.size / 2)
    expect(blocks(at).size).toBeLessThan(before.size / 2)
    expect(await store.count({ kql: 'user17 or borescope.lineage: tunne*' })).toBe(1000)
    await store.close()
  })
})

describe('other processes', () => {
  test('kill -9 in the middle of writing loses nothing that was acknowledged', async () => {
    const at = path()
    const { child, lines } = run(new URL('./write-forever.ts', import.meta.url), at)
    let acknowledged = 0
    for await (const line of lines) {
      acknowledged = Number(line)
      if (acknowledged >= 2000 && !child.killed) child.kill('SIGKILL')
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    expect(child.signalCode).toBe('SIGKILL')
    const store = await openEmbeddedStore({ path: at })
    const found = new Set(await idsOf(store, {}))
    expect(events(0, acknowledged).filter((event) => !found.has(event['event.id']))).toEqual([])
    expect(await store.count({ kql: 'session' })).toBe(found.size)
    expect((await store.write(events(0, acknowledged))).duplicates).toBe(acknowledged)
    await store.close()
  })

  test('read while this one writes, and see what it acknowledged', async () => {
    const at = path()
    const store = await openEmbeddedStore({ path: at })
    await store.write(events(0, 100))
    const { child, lines } = run(new URL('./read-until.ts', import.meta.url), at, '1000')
    const counts: number[] = []
    let written = 100
    for await (const line of lines) {
      counts.push(Number(line))
      if (written < 1000) {
        await store.write(events(written, written + 300))
        written += 300
      }
    }
    if (child.exitCode === null) await once(child, 'exit')
    expect(child.exitCode).toBe(0)
    expect(counts[0]).toBeGreaterThanOrEqual(100)
    expect(counts.at(-1)).toBe(1000)
    expect(counts).toEqual(counts.toSorted((a, b) => a - b))
    await store.close()
  })
})
