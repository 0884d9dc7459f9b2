import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isoMicroseconds } from '../../../src/base/time.ts'
import type { EventDocument } from '../../../src/events/fields.ts'
import { ask } from '../../../src/store/cluster/client.ts'
import type { KindName } from '../../support/servers/servers.ts'
import { unavailable } from '../../support/servers/servers.ts'
import { idsOf, storeContract } from '../contract.ts'
import { document, START_US, sessionEvent } from '../documents.ts'
import { LiveStores } from './live.ts'

const KINDS = ['opensearch3', 'opensearch2', 'elasticsearch', 'elasticsearch8'] as const satisfies readonly KindName[]
const events = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => sessionEvent(from + i))

for (const kind of KINDS) {
  describe.skipIf(await unavailable(kind))(kind, () => {
    let stores: LiveStores
    beforeAll(async () => {
      stores = await LiveStores.on(kind)
    })
    afterAll(() => stores.remove())

    /** One request beside the store. */
    async function request<T>(method: 'GET' | 'POST', path: string, body?: object): Promise<T> {
      const client = await stores.client()
      try {
        return await ask<T>(client, { method, path, ...(body === undefined ? {} : { body }) })
      } finally {
        await client.close()
      }
    }

    storeContract(kind, () => stores.open())

    describe('a stream that was rolled over', () => {
      test('takes no event twice, from this process or another', async () => {
        const namespace = stores.namespace()
        const first = await stores.open(namespace)
        expect(await first.write(events(0, 20))).toMatchObject({ stored: 20, duplicates: 0 })
        await request('POST', `/logs-borescope.l2tp-${namespace}/_rollover`)
        // This one does not know of the roll-over: it writes copies, notices, and takes them out again.
        expect(await first.write(events(10, 30))).toMatchObject({ stored: 10, duplicates: 10 })
        expect(await first.write(events(5, 31))).toMatchObject({ stored: 1, duplicates: 25 })
        await first.close()
        const second = await stores.open(namespace)
        expect(await second.write(events(0, 32))).toMatchObject({ stored: 1, duplicates: 31 })
        await request('POST', `/logs-borescope.l2tp-${namespace}/_rollover`)
        await request('POST', `/logs-borescope.l2tp-${namespace}/_rollover`)
        expect(await second.write(events(0, 32))).toMatchObject({ stored: 0, duplicates: 32 })
        expect(await idsOf(second, {})).toEqual(events(0, 32).map((event) => event['event.id']))
        await second.close()
      })

      test('is pruned in all of its indices', async () => {
        const namespace = stores.namespace()
        const store = await stores.open(namespace)
        await store.write(events(0, 20))
        await request('POST', `/logs-borescope.l2tp-${namespace}/_rollover`)
        await store.write(events(20, 40))
        const now = sessionEvent(30)['@timestamp']
        expect(await store.prune({ maxAgeMs: 5, now })).toBe(25)
        expect((await store.stats()).oldest).toBe(sessionEvent(25)['@timestamp'])
        await expect(store.prune({ maxBytes: 1 })).rejects.toThrow(/set store\.deleteAfterDays/)
        await store.close()
      })
    })

    test('gives each dataset a stream of its own, and says of which in data_stream.*', async () => {
      const namespace = stores.namespace()
      const store = await stores.open(namespace)
      const metric = { 'event.kind': 'metric', 'event.dataset': 'borescope.sensor', 'event.action': 'capture.analysed' }
      await store.write([
        document('a'),
        document('b', { 'event.dataset': 'borescope.ppp' }),
        document('c', { 'event.kind': 'alert', 'event.dataset': 'borescope.alerts', 'event.action': 'alert.raised' }),
        document('d', metric),
        document('e', { ...metric, 'event.kind': 'event' }),
      ])
      expect(await idsOf(store, {})).toEqual(['a', 'b', 'c', 'd', 'e'])
      const found = await request<{ hits: { hits: { _index: string; _source: Record<string, unknown> }[] } }>(
        'POST',
        `/*-borescope.*-${namespace}/_search`,
        { sort: [{ 'event.id': 'asc' }] },
      )
      expect(found.hits.hits.map(({ _source }) => _source['data_stream'])).toEqual(
        [
          ['logs', 'borescope.l2tp'],
          ['logs', 'borescope.ppp'],
          ['logs', 'borescope.alerts'],
          ['metrics', 'borescope.sensor'],
          ['logs', 'borescope.sensor'],
        ].map(([type, dataset]) => ({ type, dataset, namespace })),
      )
      for (const { _index, _source } of found.hits.hits) {
        const { type, dataset } = _source['data_stream'] as Record<string, string>
        expect(_index).toMatch(new RegExp(`^\\.ds-${type}-${dataset}-${namespace}-`))
      }
      expect((await store.write([document('f', { 'event.dataset': 'borescope.nonsense' })])).rejected).toEqual([
        { index: 0, id: 'f', reason: expect.stringContaining('event.dataset') },
      ])
      await store.close()
    })

    test('maps a field of the catalogue that a dataset does not foresee, before it is stored', async () => {
      const namespace = stores.namespace()
      const store = await stores.open(namespace)
      await store.write([document('plain')])
      const strange = document('strange', { 'event.dataset': 'borescope.ssh', 'dns.question.name': 'p-1' })
      expect(await store.write([strange])).toMatchObject({ stored: 1, rejected: [], later: [] })
      expect(await idsOf(store, { kql: 'dns.question.name: p-1' })).toEqual(['strange'])
      await request('POST', `/logs-borescope.ssh-${namespace}/_rollover`)
      await store.write([{ ...strange, 'event.id': 'after' }])
      expect(await idsOf(store, { kql: 'dns.question.name: p-*' })).toEqual(['strange', 'after'])
      await store.close()
    })

    test('streams more than a page in any order, each event once', async () => {
      const store = await stores.open()
      const start = (i: number) => (i % 3 === 0 ? {} : { 'event.start': isoMicroseconds(START_US - (i % 50)) })
      const all: EventDocument[] = events(0, 2500).map((event, i) => ({ ...event, ...start(i) }))
      for (let from = 0; from < all.length; from += 500) await store.write(all.slice(from, from + 500))
      const ids = all.map((event) => event['event.id'])
      expect(await idsOf(store, {})).toEqual(ids)
      expect(await idsOf(store, { limit: 1700 })).toEqual(ids.slice(0, 1700))
      // Ties are broken by the order of storing; what is missing comes last.
      const byStart = all
        .map((event, i) => ({ event, i }))
        .sort((a, b) => {
          const [x, y] = [a.event['event.start'], b.event['event.start']]
          if (x === y) return a.i - b.i
          if (x === undefined || y === undefined) return x === undefined ? 1 : -1
          return x < y ? -1 : 1
        })
      const sort = [{ field: 'event.start', descending: false }] as const
      expect(await idsOf(store, { sort })).toEqual(byStart.map(({ event }) => event['event.id']))
      for (const field of ['source.port', 'source.ip', 'user.name', 'event.duration', 'event.risk_score'] as const) {
        const found = await idsOf(store, { sort: [{ field, descending: true }] })
        expect({ field, size: new Set(found).size, length: found.length }).toEqual({ field, size: 2500, length: 2500 })
      }
      const groups = await store.aggregate({}, { by: ['event.id'], limit: 3 })
      expect(groups.map(({ key }) => key[0])).toEqual(ids.toSorted().slice(0, 3))
      await store.close()
    })

    test('keeps dates that its index cannot hold', async () => {
      const store = await stores.open()
      const odd = document('odd', {
        'event.start': '1969-12-31T23:59:59.999999Z',
        'event.end': '+012345-01-01T00:00:00.000000Z',
        'tls.server.not_after': '2026-03-01T10:00:00.123456789Z',
      })
      expect(await store.write([odd])).toMatchObject({ stored: 1 })
      expect(await store.get('odd')).toEqual(odd)
      expect(await idsOf(store, { kql: 'tls.server.not_after >= 2026-03-01T10:00:00.123456Z' })).toEqual(['odd'])
      const tooOld = document('old', { '@timestamp': '1969-12-31T23:59:59.999999Z' })
      expect((await store.write([tooOld])).rejected[0].reason).toMatch(/from 1970 to 2262/)
      await store.close()
    })

    test('is found by others once its writer is closed', async () => {
      const namespace = stores.namespace()
      const writer = await stores.open(namespace)
      await writer.write(events(0, 5))
      await writer.close()
      await expect(writer.count({})).rejects.toThrow(/is closed/)
      await expect(writer.write(events(0, 1))).rejects.toThrow(/is closed/)
      const reader = await stores.open(namespace, { readOnly: true })
      expect(await reader.count({})).toBe(5)
      await expect(reader.write(events(0, 1))).rejects.toThrow(/for reading only/)
      await reader.close()
    })
  })
}
