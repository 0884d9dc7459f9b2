/**
 * Events on their way into a real cluster that is killed, stands still and comes back: every one is accounted for, and the
 * server holds each of the accepted ones once.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { Deliveries, QUARANTINE } from '../../src/deliveries.ts'
import type { Delivery } from '../../src/output/delivery.ts'
import { droppedIn, imbalance } from '../../src/output/delivery-status.ts'
import { readQuarantine } from '../../src/output/quarantine.ts'
import { type ClusterStore, openClusterStore } from '../../src/store/cluster/store.ts'
import { clientOf, optionsFor } from '../store/cluster/live.ts'
import { type OwnServer, ownServer, unavailable } from '../support/servers/servers.ts'
import { ask, held, Producer, SETTINGS } from './support.ts'

const NAMESPACE = 'live'
const NOTHING_LEFT = { spooled: 0, queued: 0, inFlight: 0 }
const NONE_LEFT = { ...NOTHING_LEFT, dropped: {} }
const PATIENCE = { timeout: 90_000, interval: 20 }

for (const kind of ['opensearch3', 'opensearch2', 'elasticsearch', 'elasticsearch8'] as const) {
  describe.skipIf((await unavailable(kind)) !== null)(
    `events on their way into a server of ${kind}`,
    { timeout: 300_000 },
    () => {
      let server: OwnServer
      let store: ClusterStore
      let folder: string

      beforeAll(async () => {
        server = await ownServer(kind)
      })
      afterAll(() => server.stop())
      beforeEach(async () => {
        folder = mkdtempSync(join(tmpdir(), 'borescope-live-'))
        store = await openStore()
      })
      afterEach(async () => {
        await store.close()
        await ask(server.url, 'DELETE', `/_data_stream/*-${NAMESPACE}`)
        rmSync(folder, { recursive: true })
      })

      async function openStore(): Promise<ClusterStore> {
        const options = optionsFor(server.url, NAMESPACE)
        return openClusterStore(await clientOf(server.product, options.connection), options)
      }

      function deliveriesWith(changes: Partial<typeof SETTINGS> = {}): Deliveries {
        return new Deliveries({ ...SETTINGS, path: folder, ...changes }, 'test', () => {})
      }

      function quarantined(): string[] {
        return readQuarantine(join(folder, 'store', QUARANTINE)).events.map(({ id }) => id)
      }

      /** Events flow: some have arrived, and more are on their way. */
      async function flowing(delivery: Delivery, producer: Producer): Promise<void> {
        await producer.make(500)
        await vi.waitFor(() => expect(delivery.counts.stored).toBeGreaterThan(0), PATIENCE)
        await producer.make(100)
      }

      /** The delivery has noticed that the server does not take events any more. */
      async function failing(delivery: Delivery): Promise<void> {
        await vi.waitFor(() => expect(delivery.status().failingSince).not.toBeNull(), PATIENCE)
        expect(imbalance(delivery.counts)).toBe(0)
      }

      it('all arrive, once, though it is killed in mid-stream', async () => {
        const deliveries = deliveriesWith()
        const delivery = deliveries.open('store', store, 'remote')
        const producer = new Producer(delivery)
        await flowing(delivery, producer)
        await producer.makeDuring(server.kill())
        await producer.make(1500)
        await failing(delivery)
        expect(delivery.counts.spooled).toBeGreaterThan(500)

        await producer.makeDuring(server.start())
        await producer.make(500)
        await delivery.flush()
        await deliveries.close()

        const { counts } = delivery
        const { count, ids } = await held(server.url, NAMESPACE)
        expect(ids).toEqual(producer.wholesome.toSorted())
        expect(counts).toMatchObject({
          accepted: producer.ids.length,
          quarantined: producer.poisoned.size,
          ...NONE_LEFT,
        })
        expect(counts.stored + counts.duplicates).toBe(count)
        expect(quarantined().toSorted()).toEqual([...producer.poisoned].toSorted())
      })

      it('all arrive, once, though it stands still in mid-stream and the sensor ends before it goes on', async () => {
        const first = deliveriesWith()
        const delivery = first.open('store', store, 'remote')
        const producer = new Producer(delivery)
        await flowing(delivery, producer)
        server.pause()
        await producer.make(1000)
        await failing(delivery)
        // Both the requests that the server has read and those that wait in its sockets are broken off.
        await first.close()
        const before = delivery.counts
        expect(before).toMatchObject({ queued: 0, inFlight: 0, dropped: {} })
        expect(imbalance(before)).toBe(0)

        const second = deliveriesWith()
        const next = second.open('store', store, 'remote')
        expect(next.counts.resumed).toBe(before.spooled)
        producer.goOnWith(next)
        await producer.make(500)
        server.resume()
        await producer.make(500)
        await next.flush()
        await second.close()

        const { counts } = next
        const { count, ids } = await held(server.url, NAMESPACE)
        expect(ids).toEqual(producer.wholesome.toSorted())
        expect(before.accepted + counts.accepted).toBe(producer.ids.length)
        expect(counts).toMatchObject(NONE_LEFT)
        expect(before.stored + before.duplicates + counts.stored + counts.duplicates).toBe(count)
        expect(before.quarantined + counts.quarantined).toBe(producer.poisoned.size)
        expect(quarantined().toSorted()).toEqual([...producer.poisoned].toSorted())
      })

      it('are dropped by the count, and no alert is, when it is gone for longer than the spool lasts', async () => {
        const deliveries = deliveriesWith({ spoolBytesMax: 1_000_000 })
        const delivery = deliveries.open('store', store, 'remote')
        const producer = new Producer(delivery)
        await producer.make(500)
        // Nothing is under way: of a request without an answer nobody knows whether the server took its events.
        await delivery.flush()
        await server.kill()
        await producer.make(3000)
        await failing(delivery)
        expect(delivery.counts.dropped['spool_full.flows']).toBeGreaterThan(100)

        await server.start()
        await delivery.flush()
        await deliveries.close()

        const { counts } = delivery
        const { count, ids } = await held(server.url, NAMESPACE)
        expect(counts).toMatchObject({ accepted: producer.ids.length, ...NOTHING_LEFT })
        expect(counts.stored + counts.duplicates).toBe(count)
        expect(count + counts.quarantined + droppedIn(counts)).toBe(producer.ids.length)
        expect(new Set(ids).size).toBe(count)
        expect(producer.wholesome).toEqual(expect.arrayContaining(ids))
        expect(ids).toEqual(expect.arrayContaining(producer.alerts))
      })
    },
  )
}
