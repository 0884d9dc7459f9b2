/** A sensor's side of deliveries into live clusters, and the cluster's own word on what it holds. */
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import type { EventDocument } from '../../src/events/fields.ts'
import type { Delivery } from '../../src/output/delivery.ts'
import { imbalance } from '../../src/output/delivery-status.ts'
import { sessionEvent } from '../store/documents.ts'

/** One event in so many has an address that is none: it must be quarantined, and nothing with it. */
const POISON_EVERY = 100
const ALERT_EVERY = 50

/** Small batches and short pauses, so that a fault meets many requests. */
export const SETTINGS = {
  ...loadConfig(undefined, {}).config.delivery,
  batchBytes: 65_536,
  batchEvents: 100,
  batchSeconds: 0.05,
  queueBytesMax: 262_144,
  segmentBytes: 131_072,
  requestSeconds: 2,
  backoffSeconds: 0.05,
  backoffMaxSeconds: 0.5,
  holdBackSeconds: 60,
}

/** A sensor's side of the matter: it makes events, numbered on from the last, and hands them to a delivery that it never waits for. */
export class Producer {
  readonly ids: string[] = []
  readonly alerts: string[] = []
  readonly poisoned = new Set<string>()
  #delivery: Delivery

  constructor(delivery: Delivery) {
    this.#delivery = delivery
  }

  /** After a new start: the same events, another delivery. */
  goOnWith(delivery: Delivery): void {
    this.#delivery = delivery
  }

  async make(count: number): Promise<void> {
    for (const end = this.ids.length + count; this.ids.length < end; ) {
      this.#delivery.push(this.#next())
      if (this.ids.length % 50 === 0) {
        await new Promise(setImmediate)
        expect(imbalance(this.#delivery.counts)).toBe(0)
      }
    }
  }

  /** Makes a hundred events a second for as long as something else takes. */
  async makeDuring(other: Promise<unknown>): Promise<void> {
    let isOver = false
    const end = other.finally(() => {
      isOver = true
    })
    while (!isOver) {
      await this.make(20)
      await delay(200)
    }
    await end
  }

  /** Those that the server should have in the end. */
  get wholesome(): string[] {
    return this.ids.filter((id) => !this.poisoned.has(id))
  }

  /** Of the three classes that matter differently. */
  #next(): EventDocument {
    const number = this.ids.length
    const event = { ...sessionEvent(number), 'event.dataset': number % 2 === 1 ? 'borescope.flow' : 'borescope.l2tp' }
    this.ids.push(event['event.id'])
    if (number % ALERT_EVERY === 0) {
      this.alerts.push(event['event.id'])
      return { ...event, 'event.kind': 'alert', 'event.dataset': 'borescope.alerts' }
    }
    if (number % POISON_EVERY !== POISON_EVERY - 1) return event
    this.poisoned.add(event['event.id'])
    return { ...event, 'source.ip': 'nowhere' }
  }
}

/** One request beside the store; rejects with what the server says. */
export async function ask(url: string, method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const answer = (await response.json()) as Record<string, unknown>
  if (!response.ok) throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`)
  return answer
}

/** The server's own count, and the ids that it holds, asked for without the store that is under test. */
export async function held(url: string, namespace: string): Promise<{ count: number; ids: string[] }> {
  const streams = `logs-borescope.*-${namespace}`
  await ask(url, 'POST', `/${streams}/_refresh`)
  const { count } = (await ask(url, 'GET', `/${streams}/_count`)) as { count: number }
  const ids: string[] = []
  for (let after: unknown[] = []; ; ) {
    const page = (await ask(url, 'POST', `/${streams}/_search`, {
      size: 5000,
      _source: false,
      fields: ['event.id'],
      sort: ['event.id'],
      ...(after.length > 0 && { search_after: after }),
    })) as { hits: { hits: { fields: Record<string, string[]>; sort: unknown[] }[] } }
    const { hits } = page.hits
    if (hits.length === 0) return { count, ids }
    ids.push(...hits.map(({ fields }) => fields['event.id'][0]))
    after = hits[hits.length - 1].sort
  }
}
