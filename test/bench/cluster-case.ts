/**
 * One way of bringing events into a live cluster, alone in its process; prints its result as JSON.
 *
 *     node cluster-case.ts WAY PRODUCT URL NAMESPACE EVENTS SCRATCH
 *
 * `deliver` is what the sensor does: the delivery with its batches, retries and spool, and the store with its verdict on each
 * event. `bulk` is what one would write by hand: the same documents, nested already, given to the `bulk` of a client as it
 * comes (it makes the JSON, and compresses nothing), in requests as large and as many at a time, without a look at what
 * became of them but whether all were taken. So the sensor is charged with the checks, the nesting and the accounts, and the
 * loop with nothing but what no client can do without.
 */
import { join } from 'node:path'
import { loadConfig } from '../../src/config.ts'
import { Deliveries } from '../../src/deliveries.ts'
import type { EventDocument } from '../../src/events/fields.ts'
import type { ClusterOptions } from '../../src/store/cluster/store.ts'
import { Encoder } from '../../src/store/cluster/documents.ts'
import { Lines } from '../../src/store/cluster/lines.ts'
import { type EventStore, STORES } from '../../src/store/stores.ts'
import { VERSION } from '../../src/version.ts'
import { generateEvents } from './events.ts'

export interface Delivered {
  readonly events: number
  readonly seconds: number
  /** Of the processor, by this process; the server takes its own. */
  readonly cpuSeconds: number
  readonly rssBytes: number
}

const [way, product, url, namespace, count, scratch] = process.argv.slice(2)
const { config } = loadConfig(undefined, { BORESCOPE_DELIVERY__PATH: join(scratch, namespace) })
const { batchEvents, batchBytes, requestsMax } = config.delivery

const OPTIONS: ClusterOptions = {
  connection: {
    nodes: [url],
    verifyTls: true,
    requestTimeoutMs: 60_000,
    compression: config.store.compression,
  },
  namespace,
  shards: 1,
  replicas: 0,
  lifecycle: { rolloverDays: 30, rolloverBytes: 50e9, warmAfterDays: 0, deleteAfterDays: 0 },
  version: VERSION,
}

async function deliver(store: EventStore, events: readonly EventDocument[]): Promise<void> {
  const deliveries = new Deliveries(config.delivery, 'bench', (message) => process.stderr.write(`${message}\n`))
  const delivery = deliveries.open('store', store, 'remote')
  // As often as the packet loop of the sensor does.
  const pushed = 256
  for (let at = 0; at < events.length; at += pushed) {
    for (const event of events.slice(at, at + pushed)) delivery.push(event)
    await deliveries.drain()
  }
  await deliveries.flush()
  await deliveries.close()
  if (delivery.counts.stored !== events.length) throw new Error(`stored: ${JSON.stringify(delivery.counts)}`)
}

type Operation = Record<string, unknown>

/** The client's own `bulk`, as a function. */
async function bulkOf(): Promise<(operations: Operation[]) => Promise<boolean>> {
  if (product === 'opensearch') {
    const { Client } = await import('@opensearch-project/opensearch')
    const client = new Client({ node: url })
    return async (body) => (await client.bulk({ body })).body.errors
  }
  const { Client } = await import('@elastic/elasticsearch')
  const client = new Client({ node: url })
  return async (operations) => (await client.bulk({ operations })).errors
}

/** Requests of lines for `_bulk`, each with as many events as a batch of the delivery holds. */
function requestsOf(events: readonly EventDocument[]): Operation[][] {
  const requests: Operation[][] = [[]]
  const encoder = new Encoder(namespace)
  const lines = new Lines()
  let bytes = 0
  for (const [order, event] of events.entries()) {
    const encoded = encoder.encode(event, order, lines)
    if (typeof encoded === 'string') throw new Error(encoded)
    const request = requests[requests.length - 1]
    const [action, source] = lines.range(encoded.from, encoded.until).toString().split('\n', 2)
    request.push(JSON.parse(action), JSON.parse(source))
    bytes += source.length
    if (request.length < 2 * batchEvents && bytes < batchBytes) continue
    requests.push([])
    bytes = 0
  }
  return requests.filter((request) => request.length > 0)
}

async function measure(): Promise<Delivered> {
  const store = await STORES[product as 'opensearch' | 'elasticsearch'](OPTIONS)
  const [first, ...events] = generateEvents(Number(count) + 1)
  // Templates and the first stream are there before the clock runs.
  await store.write([first])
  const bulk = await bulkOf()
  const requests = way === 'bulk' ? requestsOf(events) : []
  const startedMs = performance.now()
  const started = process.cpuUsage()
  if (way === 'deliver') await deliver(store, events)
  else {
    const next = requests.values()
    await Promise.all(
      Array.from({ length: requestsMax }, async () => {
        for (const request of next) if (await bulk(request)) throw new Error('not every event was taken')
      }),
    )
  }
  const seconds = (performance.now() - startedMs) / 1000
  const { user, system } = process.cpuUsage(started)
  await store.close()
  const cpuSeconds = (user + system) / 1e6
  return { events: events.length, seconds, cpuSeconds, rssBytes: process.resourceUsage().maxRSS * 1024 }
}

process.stdout.write(JSON.stringify(await measure()), () => process.exit())
