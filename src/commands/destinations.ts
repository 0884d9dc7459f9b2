/** The destinations of deliveries by their names: for commands that send what an earlier process could not. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { openSink, sinkOfDelivery } from '../alerting.ts'
import type { DestinationKind } from '../deliveries.ts'
import type { Destination } from '../output/destination.ts'
import { PAST_FOLDER } from '../retro-notices.ts'
import type { Context } from './context.ts'

/** The name of the store among the deliveries. */
export const STORE = 'store'

export interface OpenedDestination {
  readonly destination: Destination
  readonly kind: DestinationKind
}

/** Null if the configuration has none of that name. */
export async function openDestination(context: Context, name: string): Promise<OpenedDestination | null> {
  if (name === STORE) return { destination: await context.createStore(), kind: context.storeKind }
  const sink = sinkOfDelivery(context.config, name)
  return sink === null ? null : { destination: openSink(context.config, sink, process.env), kind: 'remote' }
}

/** The names under which something lies in the folder of the spools, but for what searches of the past have left there. */
export function namesIn(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== PAST_FOLDER)
    .map(({ name }) => name)
    .sort()
}

/** The same, and those of what searches of the past could not send, as `retro/alerts-people`. */
export function namesWithPastIn(folder: string): string[] {
  return [...namesIn(folder), ...namesIn(join(folder, PAST_FOLDER)).map((name) => `${PAST_FOLDER}/${name}`)]
}
