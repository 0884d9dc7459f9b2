/**
 * Tells people what a search of the past has found: by the routes, filters and throttles that hold for every alert, but as one
 * notification of each rule for each route, however many old events a list matches.
 *
 * A search runs beside a sensor, which owns the folder of the spools: what is not delivered waits in a folder of its own, and goes out
 * with the next search.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Alerting, type PreparedAlerting } from './alerting.ts'
import type { Config } from './config-schema.ts'
import { Deliveries } from './deliveries.ts'
import { SECOND_US } from './base/time.ts'
import type { EventDocument } from './events/fields.ts'
import type { CalmOptions } from './output/alert-router.ts'

/** Below the folder of the deliveries. */
const FOLDER = 'retro'
/** How long a sink is waited for; then its notifications wait in the spool. */
const PATIENCE_MS = 10_000

export interface PastTold {
  /** One for every sink that was told. */
  readonly notifications: number
  /** Those that wait for the next search, or were refused. */
  readonly undelivered: number
}

/**
 * Sends, for `patienceMs` at most, what alerts among the documents of a search are to say, and what an earlier search left. Closes the sinks.
 *
 * @throws {FolderInUseError} if another search is telling
 */
export async function tellPast(
  config: Config,
  { routes, sinks }: PreparedAlerting,
  documents: readonly EventDocument[],
  warn: (message: string) => void,
  patienceMs = PATIENCE_MS,
): Promise<PastTold> {
  const folder = join(config.delivery.path, FOLDER)
  if (documents.length === 0 && !existsSync(folder)) {
    for (const sink of sinks.values()) await sink.close()
    return { notifications: 0, undelivered: 0 }
  }
  const deliveries = new Deliveries({ ...config.delivery, path: folder }, 'borescope intel', warn)
  const alerting = new Alerting(
    { routes: routes.map((route) => ({ ...route, calm: asOne(route.calm) })), sinks },
    deliveries,
  )
  try {
    const router = alerting.router()
    for (const document of documents) router.observe(document)
    router.end()
    await deliveries.flush(patienceMs)
    const counts = alerting.deliveries.map(({ delivery }) => delivery.counts)
    return {
      notifications: router.counters.notifications,
      undelivered: counts.reduce(
        (sum, { accepted, resumed, stored, duplicates }) => sum + accepted + resumed - stored - duplicates,
        0,
      ),
    }
  } finally {
    await deliveries.close()
    await alerting.close()
  }
}

/** All alerts of a search have its time, so that a wait of any length ends with it. */
function asOne(calm: CalmOptions): CalmOptions {
  return { ...calm, group: { by: ['rule.id'], waitUs: SECOND_US, repeatUs: 0 } }
}
