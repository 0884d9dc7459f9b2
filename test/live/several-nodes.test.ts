/** Clusters of two live nodes, of which one is killed: the other one takes over, and no event is lost or stored twice. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { Deliveries } from '../../src/deliveries.ts'
import { imbalance } from '../../src/output/delivery-status.ts'
import { type ClusterStore, openClusterStore } from '../../src/store/cluster/store.ts'
import { clientOf, connectionTo, optionsFor } from '../store/cluster/live.ts'
import { sessionEvent } from '../store/documents.ts'
import { SERVER_KINDS } from '../support/servers/kinds.ts'
import { ServerProcess } from '../support/servers/process.ts'
import { unavailable } from '../support/servers/servers.ts'
import { ask, held, Producer, SETTINGS } from './support.ts'

const PATIENCE = { timeout: 90_000, interval: 50 }

for (const kind of ['opensearch3', 'elasticsearch'] as const) {
  describe.skipIf((await unavailable(kind)) !== null)(`two nodes of ${kind}`, { timeout: 300_000 }, () => {
    let first: ServerProcess
    let second: ServerProcess
    let folder: string

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'borescope-nodes-'))
      ;[first, second] = await ServerProcess.launchPair(kind)
    })
    afterAll(async () => {
      await Promise.all([first?.remove(), second?.remove()])
      rmSync(folder, { recursive: true })
    })

    async function openStore(namespace: string, ...nodes: string[]): Promise<ClusterStore> {
      const connection = connectionTo(first.url, { nodes })
      const options = optionsFor(first.url, namespace, { connection, replicas: 1 })
      return openClusterStore(await clientOf(SERVER_KINDS[kind].product, connection), options)
    }

    /** Every shard has its copy: whichever node goes, the other one has all. */
    async function copied(): Promise<void> {
      const health = '/_cluster/health?wait_for_status=green&wait_for_nodes=2&timeout=60s'
      expect(await ask(first.url, 'GET', health)).toMatchObject({ status: 'green', number_of_data_nodes: 2 })
    }

    it('a node that is not there is passed over, for writing and for asking', async () => {
      const dead = 'http://127.0.0.1:1'
      for (const nodes of [
        [dead, first.url],
        [second.url, dead, first.url],
      ]) {
        const store = await openStore(`absent${nodes.length}`, ...nodes)
        // More requests than nodes: each one gets its turn.
        for (let i = 0; i < 6; i++) expect(await store.write([sessionEvent(i)])).toMatchObject({ stored: 1, later: [] })
        for (let i = 0; i < 6; i++) expect(await store.count({})).toBe(6)
        await store.close()
      }
    })

    it('one that is killed in mid-stream loses nothing, nor does the other one when it comes to that', async () => {
      const store = await openStore('killed', first.url, second.url)
      const deliveries = new Deliveries({ ...SETTINGS, path: join(folder, 'spool') }, 'test', () => {})
      const delivery = deliveries.open('store', store, 'remote')
      const producer = new Producer(delivery)
      await producer.make(500)
      await delivery.flush()
      await copied()

      await producer.make(300)
      await producer.makeDuring(second.kill())
      await producer.make(1000)
      await delivery.flush()
      expect(delivery.counts).toMatchObject({ spooled: 0, queued: 0, inFlight: 0, dropped: {} })
      expect((await held(first.url, 'killed')).ids).toEqual(producer.wholesome.toSorted())

      await second.start()
      await copied()
      // Without the node that holds the cluster together nothing can be stored.
      await producer.make(100)
      await producer.makeDuring(first.kill())
      await producer.make(1000)
      await vi.waitFor(() => expect(delivery.status().failingSince).not.toBeNull(), PATIENCE)
      expect(imbalance(delivery.counts)).toBe(0)
      await producer.makeDuring(first.start())
      await delivery.flush()
      await deliveries.close()
      await store.close()

      const { counts } = delivery
      const { count, ids } = await held(second.url, 'killed')
      expect(ids).toEqual(producer.wholesome.toSorted())
      expect(counts.stored + counts.duplicates).toBe(count)
      expect(counts).toMatchObject({ accepted: producer.ids.length, quarantined: producer.poisoned.size, dropped: {} })
    })
  })
}
