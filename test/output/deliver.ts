/**
 * A process for the kill -9 test: delivers the events from one number to another to the cluster at an address. It prints its
 * counts at the beginning and at the end, and about every thousand events how many it has pushed.
 *
 *     node deliver.ts ADDRESS FOLDER FROM TO
 */
import { loadConfig } from '../../src/config.ts'
import { Deliveries } from '../../src/deliveries.ts'
import type { EventDocument } from '../../src/events/fields.ts'
import { DeliveryError, type DeliveryResult, type Destination, type Rejection } from '../../src/output/destination.ts'
import type { Answer } from '../support/stand-in-cluster.ts'
import { numbered } from './support.ts'

const [address, folder, from, to] = process.argv.slice(2)

class ClusterDestination implements Destination {
  async write(batch: readonly EventDocument[], signal: AbortSignal): Promise<DeliveryResult> {
    const body = JSON.stringify(batch.map((document) => document['event.id']))
    let response: Response
    try {
      response = await fetch(address, { method: 'POST', body, signal })
    } catch (cause) {
      throw new DeliveryError('the connection broke', { retry: 'later', cause })
    }
    if (response.status === 413) throw new DeliveryError('413', { retry: 'smaller' })
    if (!response.ok) {
      const afterMs = Number(response.headers.get('retry-after') ?? 0) * 1000
      throw new DeliveryError(String(response.status), { retry: 'later', afterMs })
    }
    const answers = (await response.json()) as Answer[]
    const listed = (status: Answer['status']): Rejection[] =>
      answers.flatMap((answer, index) =>
        answer.status === status ? [{ index, id: batch[index]['event.id'], reason: status }] : [],
      )
    return {
      stored: answers.filter(({ status }) => status === 'stored').length,
      duplicates: answers.filter(({ status }) => status === 'duplicate').length,
      rejected: listed('rejected'),
      later: listed('later'),
    }
  }

  async close(): Promise<void> {}
}

const { config } = loadConfig(undefined, {
  BORESCOPE_DELIVERY__PATH: folder,
  BORESCOPE_DELIVERY__QUEUE_BYTES_MAX: '65536',
  BORESCOPE_DELIVERY__BATCH_BYTES: '32768',
  BORESCOPE_DELIVERY__SEGMENT_BYTES: '65536',
  BORESCOPE_DELIVERY__REQUEST_SECONDS: '0.3',
  BORESCOPE_DELIVERY__BACKOFF_SECONDS: '0.01',
  BORESCOPE_DELIVERY__BACKOFF_MAX_SECONDS: '0.1',
  BORESCOPE_DELIVERY__HOLD_BACK_SECONDS: '0.02',
})
const deliveries = new Deliveries(config.delivery, 'deliver', () => {})
const delivery = deliveries.open('cluster', new ClusterDestination(), 'remote')
process.stdout.write(`${JSON.stringify(delivery.counts)}\n`)
for (let i = Number(from); i < Number(to); i++) {
  delivery.push(numbered(i))
  if (i % 50 === 0) await deliveries.drain()
  if (i % 1000 === 999) process.stdout.write(`${i + 1}\n`)
}
// What is put off again and again may outlast the patience of one flush.
while (delivery.counts.queued + delivery.counts.spooled > 0) await deliveries.flush()
await deliveries.close()
process.stdout.write(`${JSON.stringify(delivery.counts)}\n`)
