/** A destination that does what it is told to, and knows what it was given. */
import { DeliveryError, type DeliveryResult, type Destination, type Rejection } from '../../src/output/destination.ts'
import { Delivery, type DeliveryOptions } from '../../src/output/delivery.ts'
import { imbalance } from '../../src/output/delivery-status.ts'
import type { EventDocument } from '../../src/events/fields.ts'

/** What becomes of one request. `hang`: no answer, ever, unless it is broken off. */
export type Step =
  | 'take'
  | 'hang'
  | Error
  | { readonly reject?: (id: string) => boolean; readonly later?: (id: string) => boolean; readonly lie?: boolean }

export class ScriptedDestination implements Destination {
  /** Ids in the order in which they were stored. */
  readonly stored: string[] = []
  /** The ids of each request, whatever became of it. */
  readonly requests: string[][] = []
  /** What happens to the next requests; after that everything is taken. */
  readonly script: Step[] = []
  /** Asked when the script is empty. */
  otherwise: (batch: readonly EventDocument[]) => Step = () => 'take'
  underWay = 0
  underWayMax = 0
  readonly #known = new Set<string>()

  async write(batch: readonly EventDocument[], signal?: AbortSignal): Promise<DeliveryResult> {
    const ids = batch.map((document) => document['event.id'])
    this.requests.push(ids)
    this.underWay++
    this.underWayMax = Math.max(this.underWayMax, this.underWay)
    try {
      await Promise.resolve()
      const step = this.script.shift() ?? this.otherwise(batch)
      if (step instanceof Error) throw step
      if (step === 'hang') {
        return await new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
      }
      return this.#take(ids, step === 'take' ? {} : step)
    } finally {
      this.underWay--
    }
  }

  async close(): Promise<void> {}

  #take(ids: readonly string[], { reject, later, lie }: Exclude<Step, string | Error>): DeliveryResult {
    const result = { stored: 0, duplicates: 0, rejected: [] as Rejection[], later: [] as Rejection[] }
    for (const [index, id] of ids.entries()) {
      if (reject?.(id)) result.rejected.push({ index, id, reason: `no field for ${id}` })
      else if (later?.(id)) result.later.push({ index, id, reason: 'shard missing' })
      else if (this.#known.has(id)) result.duplicates++
      else {
        this.#known.add(id)
        this.stored.push(id)
        result.stored++
      }
    }
    return lie === true ? { ...result, stored: result.stored + 1 } : result
  }
}

export const unavailable = (afterMs?: number) =>
  new DeliveryError('503 Service Unavailable', afterMs === undefined ? { retry: 'later' } : { retry: 'later', afterMs })
export const tooLarge = () => new DeliveryError('413 Content Too Large', { retry: 'smaller' })

/** `a…` is an alert, `f…` a flow, anything else another event. */
export function event(id: string, extra: Partial<EventDocument> = {}): EventDocument {
  const [kind, dataset] = id.startsWith('a') ? ['alert', 'alert'] : ['event', id.startsWith('f') ? 'flow' : 'l2tp']
  return {
    '@timestamp': '2026-01-01T00:00:00.000000Z',
    'event.id': id,
    'event.action': `${dataset}.seen`,
    'event.kind': kind,
    'event.dataset': `borescope.${dataset}`,
    ...extra,
  }
}

export function events(prefix: string, from: number, to: number): EventDocument[] {
  return Array.from({ length: to - from }, (_, i) => event(`${prefix}${from + i}`))
}

export const OPTIONS: DeliveryOptions = {
  name: 'test',
  order: 'priority',
  batchBytes: 1_000_000,
  batchEvents: 10,
  batchMs: 1000,
  requestsMax: 2,
  requestMs: 60_000,
  queueBytesMax: 1_000_000,
  backoffMinMs: 1000,
  backoffMaxMs: 60_000,
  holdsBack: true,
  patienceMs: 30_000,
  giveUpMs: Number.POSITIVE_INFINITY,
  spool: null,
  quarantine: null,
  // Half of the pause is chance: with this it is always three quarters.
  random: () => 0.5,
}

export class TestDelivery extends Delivery {
  constructor(destination: Destination, options: Partial<DeliveryOptions> = {}) {
    super(destination, { ...OPTIONS, ...options })
  }

  pushAll(documents: readonly EventDocument[]): void {
    for (const document of documents) this.push(document)
  }

  /** 0, or the identity does not hold. */
  get imbalance(): number {
    return imbalance(this.counts)
  }
}

/** The event of a number: one in a hundred is an alert, four in ten are flows. */
export function numbered(i: number): EventDocument {
  const kind = i % 100 === 0 ? 'a' : i % 5 < 2 ? 'f' : 'e'
  return event(`${kind}${i}`)
}
