/** What every store must do, whatever is below it. Each test gets an empty store of its own. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { isoMicroseconds } from '../../src/base/time.ts'
import type { EventDocument, FIELDS } from '../../src/events/fields.ts'
import { QueryError } from '../../src/store/query-error.ts'
import type { Search } from '../../src/store/search.ts'
import type { EventStore } from '../../src/store/stores.ts'
import { document, START_US, sessionEvent } from './documents.ts'
import { CASES, DOCUMENTS, ERRORS, NOW_US } from './query-cases.ts'

const DAY_MS = 86_400_000

export async function idsOf(store: EventStore, search: Search): Promise<string[]> {
  const ids: string[] = []
  for await (const found of store.search(search)) ids.push(found['event.id'])
  return ids
}

/** `now` in a case is NOW_US, but a store takes it from the clock: dates are written out for it. */
function written(query: string): string {
  return query.replace(/\bnow\b/g, `${isoMicroseconds(NOW_US)}||`)
}

export function storeContract(name: string, open: () => Promise<EventStore>): void {
  describe(`${name}: the contract of stores`, () => {
    let store: EventStore
    beforeEach(async () => {
      store = await open()
    })
    afterEach(() => store.close())

    test('finds what each query case finds, and counts it', async () => {
      await store.write(DOCUMENTS)
      const sort = [{ field: 'event.id', descending: false }] as const
      for (const { query, finds } of CASES) {
        const kql = written(query)
        expect({ query, finds: (await idsOf(store, { kql, sort })).join('') }).toEqual({ query, finds })
        expect({ query, count: await store.count({ kql }) }).toEqual({ query, count: finds.length })
      }
    })

    test('refuses each wrong query', async () => {
      for (const { query } of ERRORS) await expect(store.count({ kql: query })).rejects.toBeInstanceOf(QueryError)
      await expect(idsOf(store, { kql: 'nothing: 1' })).rejects.toBeInstanceOf(QueryError)
      await expect(store.count({ since: 'yesterday' })).rejects.toThrow(/this is no date/)
    })

    test('gives documents back as they were written', async () => {
      const odd = document('odd', {
        '@timestamp': '2026-03-01T10:00:00Z',
        'event.start': '1970-01-01T00:00:00.000001Z',
        'event.duration': 1_700_000_000_000_000_000,
        'source.ip': '::FFFF:10.0.0.1',
        'destination.ip': '2001:db8:0:0:1::',
        'ppp.dns': [],
        'user.name': 'nul\u0000 "quoted" \\ 💥',
        'l2tp.tunnel.adopted': false,
        'event.risk_score': 0.1,
      })
      const all = [...DOCUMENTS, odd, sessionEvent(7)]
      await store.write(all)
      for (const written of all) expect(await store.get(written['event.id'])).toEqual(written)
    })

    test('stores an event once, within a batch and over batches', async () => {
      const first = await store.write([document('x'), document('y'), document('x', { message: 'again' })])
      expect(first).toEqual({ stored: 2, duplicates: 1, rejected: [], later: [] })
      expect(await store.write([document('y'), document('z')])).toEqual({
        stored: 1,
        duplicates: 1,
        rejected: [],
        later: [],
      })
      expect((await store.get('x'))?.message).toBe('Something happened.')
      expect(await store.count({})).toBe(3)
      expect(await store.write([])).toEqual({ stored: 0, duplicates: 0, rejected: [], later: [] })
    })

    test('rejects a poison document alone, with its id and the field', async () => {
      const poison: Record<string, unknown>[] = [
        { 'source.port': '1701' },
        { 'source.port': 1.5 },
        { 'source.ip': 'localhost' },
        { 'related.ip': ['10.0.0.1', 'x'] },
        { 'event.category': 'network' },
        { 'user.name': 5 },
        { 'user.name': null },
        { 'event.risk_score': Number.NaN },
        { 'event.end': 'noon' },
        { 'l2tp.tunnel.adopted': 'true' },
        { message: {} },
        { 'no.such.field': 'x' },
        { 'network.bytes': 5n },
        { 'rule.name': () => 'x' },
      ]
      const bad = poison.map((fields, i) => ({ ...document(`bad${i}`), ...fields }) as EventDocument)
      const result = await store.write([document('good1'), ...bad, document('good2')])
      expect(result.stored).toBe(2)
      expect(result.rejected.map(({ index }) => index)).toEqual(poison.map((_, i) => i + 1))
      expect(result.rejected.map(({ id }) => id)).toEqual(poison.map((_, i) => `bad${i}`))
      const reasons = new Map(result.rejected.map(({ id, reason }) => [id, reason]))
      expect(reasons.size).toBe(poison.length)
      for (const [i, fields] of poison.slice(0, -1).entries()) {
        expect(reasons.get(`bad${i}`)).toContain(Object.keys(fields)[0])
      }
      expect(await idsOf(store, {})).toEqual(['good1', 'good2'])
    })

    test('rejects an event without an id or a time', async () => {
      const nameless = { '@timestamp': '2026-03-01T00:00:00Z' } as EventDocument
      const { stored, rejected } = await store.write([nameless])
      expect(stored).toBe(0)
      expect(rejected).toHaveLength(1)
      expect(rejected[0]).toMatchObject({ index: 0, id: '' })
    })

    test('sorts, with missing values last, and breaks off at the limit', async () => {
      const at = (i: number) => isoMicroseconds(START_US + i)
      await store.write([
        document('p', { '@timestamp': at(2), 'source.port': 2 }),
        document('q', { '@timestamp': at(1) }),
        document('r', { '@timestamp': at(3), 'source.port': 10 }),
        document('s', { '@timestamp': at(0), 'source.port': 2 }),
      ])
      const sorted = (field: 'source.port' | '@timestamp', descending: boolean, limit = 10) =>
        idsOf(store, {
          sort: [
            { field, descending },
            { field: 'event.id', descending: false },
          ],
          limit,
        })
      expect(await idsOf(store, {})).toEqual(['s', 'q', 'p', 'r'])
      expect(await sorted('source.port', false)).toEqual(['p', 's', 'r', 'q'])
      expect(await sorted('source.port', true)).toEqual(['r', 'p', 's', 'q'])
      expect(await sorted('@timestamp', true, 2)).toEqual(['r', 'p'])
      expect(await idsOf(store, { limit: 0 })).toEqual([])
      const byList = idsOf(store, { sort: [{ field: 'related.ip', descending: false }] })
      await expect(byList).rejects.toThrow(/is a list/)
    })

    test('selects by time, from since inclusive to until exclusive', async () => {
      await store.write(DOCUMENTS)
      expect(await idsOf(store, { since: '2026-01-31', until: '2026-03-01T11:30:00.500000Z' })).toEqual(['e', 'd', 'a'])
      expect(await store.count({ since: '2026-03-01', kql: 'user.name: bob or user.name: ""' })).toBe(1)
      expect(await store.count({ until: 'now-10y' })).toBe(0)
    })

    test('gives only the fields that were asked for', async () => {
      await store.write(DOCUMENTS)
      const found: EventDocument[] = []
      for await (const one of store.search({ kql: 'user.name: bob', fields: ['user.name', 'ppp.dns', 'rule.id'] })) {
        found.push(one)
      }
      expect(found).toEqual([{ 'user.name': 'bob', 'ppp.dns': ['192.0.2.53', '2001:DB8::53'] }])
    })

    test('groups by one field and by several, lists by element, with first and last', async () => {
      await store.write(DOCUMENTS)
      const byKind = await store.aggregate({}, { by: ['event.kind'], limit: 5 })
      expect(byKind).toEqual([
        { key: ['event'], count: 5, first: '2025-12-31T23:00:00.000000Z', last: '2026-03-01T23:59:59.999999Z' },
        { key: ['alert'], count: 1, first: '2026-02-28T09:00:00.000000Z', last: '2026-02-28T09:00:00.000000Z' },
      ])
      const keys = async (kql: string, ...by: (keyof typeof FIELDS)[]) =>
        (await store.aggregate({ kql }, { by, limit: 50 })).map(({ key, count }) => [...key, count])
      expect(await keys('borescope.lineage: *', 'borescope.lineage')).toEqual([
        ['t1', 2],
        ['s1', 1],
        ['s2', 1],
        ['t2', 1],
      ])
      expect(await keys('event.outcome: *', 'event.outcome', 'event.category')).toEqual([
        ['failure', 'authentication', 1],
        ['failure', 'network', 1],
        ['success', 'network', 1],
      ])
      expect(await keys('source.port: * or user.name: bob', 'source.port')).toEqual([
        [null, 1],
        [0, 1],
        [1701, 1],
        [40000, 1],
      ])
      expect(await keys('l2tp.tunnel.adopted: *', 'l2tp.tunnel.adopted')).toEqual([
        [false, 1],
        [true, 1],
      ])
      expect(await keys('user.name: *alice', 'source.ip')).toEqual([['2001:db8::1', 1]])
      expect(await keys('ppp.dns: *', 'ppp.dns', 'ppp.compression')).toHaveLength(4)
      expect(await keys('nowhere', 'event.kind')).toEqual([])
      expect(await store.aggregate({}, { by: ['event.id'], limit: 2 })).toHaveLength(2)
    })

    test('computes a metric for each group', async () => {
      await store.write(Array.from({ length: 8 }, (_, i) => sessionEvent(i)))
      const metric = async (of: 'sum' | 'average' | 'minimum' | 'maximum', field: keyof typeof FIELDS) =>
        (await store.aggregate({}, { by: ['network.type'], limit: 5, metric: { of, field } }))[0].metric
      expect(await metric('sum', 'source.bytes')).toBe(37 * 28)
      expect(await metric('average', 'source.bytes')).toBe((37 * 28) / 8)
      expect(await metric('minimum', 'l2tp.tunnel.initiator_id')).toBe(0)
      expect(await metric('maximum', 'l2tp.tunnel.initiator_id')).toBe(7)
      expect(await metric('sum', 'destination.bytes')).toBeNull()
      const users = { of: 'distinct', field: 'l2tp.session.uid' } as const
      expect((await store.aggregate({}, { by: [], limit: 1, metric: users }))[0]).toMatchObject({
        key: [],
        count: 8,
        metric: 2,
      })
      await expect(metric('sum', 'user.name')).rejects.toThrow(/user\.name/)
    })

    test('orders groups by their count or by a metric, in both directions', async () => {
      const flow = (id: string, user: string | undefined, bytes: number | undefined) =>
        document(id, { 'user.name': user, 'network.bytes': bytes, 'source.port': bytes === undefined ? 1 : bytes % 7 })
      await store.write([
        flow('a1', 'alice', 10),
        flow('a2', 'alice', 20),
        flow('a3', 'alice', 30),
        flow('b1', 'bob', 500),
        flow('c1', 'carol', 25),
        flow('c2', 'carol', 35),
        flow('d1', 'dave', undefined),
        flow('d2', 'dave', undefined),
        flow('e1', 'erin', 60),
        flow('n1', undefined, 1),
      ])
      const ordered = async (
        by: 'count' | 'metric',
        descending: boolean,
        of?: 'sum' | 'maximum' | 'average' | 'distinct',
        limit = 10,
      ) => {
        const metric = of && { of, field: of === 'distinct' ? ('source.port' as const) : ('network.bytes' as const) }
        const order = { by, descending }
        const groups = await store.aggregate({}, { by: ['user.name'], limit, order, ...(metric && { metric }) })
        return groups.map(({ key }) => (key[0] === null ? '-' : String(key[0])[0])).join('')
      }
      expect(await ordered('count', true)).toBe('acd-be')
      expect(await ordered('count', false)).toBe('-becda')
      // Of the same sum the larger group comes first, then the earlier key; without a sum it comes last either way.
      expect(await ordered('metric', true, 'sum')).toBe('bace-d')
      expect(await ordered('metric', false, 'sum')).toBe('-acebd')
      expect(await ordered('metric', true, 'maximum')).toBe('beca-d')
      expect(await ordered('metric', false, 'average')).toBe('-acebd')
      expect(await ordered('metric', true, 'distinct')).toBe('acd-be')
      expect(await ordered('metric', true, 'sum', 2)).toBe('ba')
      expect(await ordered('count', false, 'sum', 3)).toBe('-be')
      await expect(ordered('metric', true)).rejects.toThrow(/no metric to order groups by/)
    })

    test('counts events in intervals', async () => {
      await store.write(DOCUMENTS)
      expect(await store.histogram({ since: '2026-01-31' }, DAY_MS)).toEqual([
        { from: '2026-01-31T00:00:00.000000Z', count: 1 },
        { from: '2026-02-28T00:00:00.000000Z', count: 1 },
        { from: '2026-03-01T00:00:00.000000Z', count: 3 },
      ])
      await expect(store.histogram({}, 0)).rejects.toThrow(/at least one millisecond/)
    })

    test('gets an event by its id or a unique beginning of it', async () => {
      await store.write([document('abc1'), document('abd2'), document('ab')])
      expect((await store.get('abc1'))?.['event.id']).toBe('abc1')
      expect((await store.get('abd'))?.['event.id']).toBe('abd2')
      expect((await store.get('ab'))?.['event.id']).toBe('ab')
      await expect(store.get('a')).rejects.toThrow(/more than one event id begins with "a"/)
      expect(await store.get('b')).toBeNull()
      expect(await store.get('')).toBeNull()
    })

    test('says how much it holds', async () => {
      expect(await store.stats()).toMatchObject({ events: 0, oldest: null, newest: null })
      await store.write(DOCUMENTS)
      const stats = await store.stats()
      expect(stats).toMatchObject({
        events: 6,
        oldest: '2025-12-31T23:00:00.000000Z',
        newest: '2026-03-01T23:59:59.999999Z',
      })
      expect(stats.bytesOnDisk).toBeGreaterThan(0)
    })

    test('lets old events go by age, from everything that finds them', async () => {
      await store.write(DOCUMENTS)
      const now = isoMicroseconds(NOW_US)
      expect(await store.prune({ maxAgeMs: 3 * DAY_MS, now })).toBe(2)
      expect(await idsOf(store, {})).toEqual(['d', 'a', 'b', 'c'])
      expect(await store.count({ kql: 'avp_length or anomaly.name: * or user.name: ""' })).toBe(0)
      expect(await store.prune({ maxAgeMs: 3 * DAY_MS, now })).toBe(0)
      expect(await store.write([DOCUMENTS[4]])).toMatchObject({ stored: 1 })
      expect(await idsOf(store, { kql: 'avp_length' })).toEqual(['e'])
    })

    test('sees at once what a write acknowledged, and commits concurrent writes', async () => {
      const writes = Array.from({ length: 20 }, (_, i) => store.write([sessionEvent(2 * i), sessionEvent(2 * i + 1)]))
      await writes[0]
      expect(await store.count({})).toBeGreaterThanOrEqual(2)
      const results = await Promise.all(writes)
      expect(results.every(({ stored }) => stored === 2)).toBe(true)
      expect(await store.count({})).toBe(40)
    })

    test('streams a search while others write, and ends it early without harm', async () => {
      await store.write(Array.from({ length: 1000 }, (_, i) => sessionEvent(i)))
      let seen = 0
      for await (const one of store.search({})) {
        expect(one['event.id']).toBe(sessionEvent(seen)['event.id'])
        if (seen++ === 300) await store.write([document('meanwhile')])
        if (seen === 700) break
      }
      expect(await store.count({})).toBe(1001)
    })
  })
}
