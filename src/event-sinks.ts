/** Where all events go: the store, and a file that the command line names. */
import type { Context } from './commands/context.ts'
import { STORE } from './commands/destinations.ts'
import { number } from './commands/terminal.ts'
import type { Deliveries } from './deliveries.ts'
import type { Delivery } from './output/delivery.ts'
import type { DeliveryCounts } from './output/delivery-status.ts'
import { type NdjsonOptions, openNdjson } from './output/ndjson.ts'
import { VERSION } from './version.ts'

export interface EventSink {
  readonly delivery: Delivery
  readonly isStore: boolean
  /** What stands at the end of the summary. */
  readonly says: () => string
  /** From time to time while it goes on, and at the end: what is too old or too much goes. */
  maintain(): Promise<unknown>
  /** Everything is delivered, or lies in the spool. */
  finish(): Promise<void>
  abort(): Promise<void>
}

/** Rejects with the system's error if the file cannot be written. */
export async function ndjsonSink(path: string, deliveries: Deliveries, options: NdjsonOptions): Promise<EventSink> {
  const writer = await openNdjson(path, options)
  return {
    delivery: deliveries.openFile(path, writer),
    isStore: false,
    says: () => `Events written to ${path}`,
    maintain: async () => {},
    finish: () => writer.close(),
    abort: () => writer.abort(),
  }
}

export async function storeSink(context: Context, deliveries: Deliveries): Promise<EventSink> {
  const store = await context.createStore()
  const delivery = deliveries.open(STORE, store, context.storeKind)
  // Where one sensor writes one file, `borescope status` says the same.
  if (context.storeKind === 'remote') {
    deliveries.reportHealth(delivery, { name: context.config.sensor.name, version: VERSION })
  }
  return {
    delivery,
    isStore: true,
    says: () => `Events: ${deliverySays(delivery.counts, context.storeName)}`,
    maintain: () => store.prune(context.retention),
    finish: () => store.close(),
    abort: () => store.close(),
  }
}

/** What became of the events of a delivery, in words. */
export function deliverySays(counts: DeliveryCounts, where: string, verb = 'stored in'): string {
  const { stored, duplicates, quarantined, spooled } = counts
  const parts = [`${number(stored)} ${verb} ${where}`]
  if (duplicates > 0) parts.push(`${number(duplicates)} were there already`)
  if (quarantined > 0) parts.push(`${number(quarantined)} refused (see 'borescope quarantine list')`)
  if (spooled > 0) parts.push(`${number(spooled)} wait in the spool (sent by the next run, or 'borescope spool send')`)
  for (const [reason, count] of Object.entries(counts.dropped)) parts.push(`${number(count)} lost (${reason})`)
  return parts.join(', ')
}
