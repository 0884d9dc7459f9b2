/** How fast events come into a live cluster, beside a bare loop of the same client, on a server that is started for it. */
import { NotInstallable } from '../support/servers/installation.ts'
import { type KindName, SERVER_KINDS } from '../support/servers/kinds.ts'
import { ServerProcess } from '../support/servers/process.ts'
import type { Delivered } from './cluster-case.ts'
import { median } from './median.ts'
import { runCase } from './run.ts'

export interface ClusterFigures {
  readonly server: KindName
  readonly events: number
  readonly bulkPerSecond: number
  readonly deliveredPerSecond: number
  /** The second against the first: the median of the rounds' ratios. */
  readonly ofBulk: number
  /** What the client takes of the processor for an event, in each way. */
  readonly bulkCpuUs: number
  readonly deliveredCpuUs: number
  readonly rssBytes: number
}

const WAYS = ['bulk', 'deliver'] as const

/** The medians of some rounds, in which the two ways take turns; null where no server can be run. */
export async function measureCluster(
  server: KindName,
  events: number,
  rounds: number,
  scratch: string,
): Promise<ClusterFigures | null> {
  let running: ServerProcess
  try {
    running = await ServerProcess.launch(server)
  } catch (error) {
    if (error instanceof NotInstallable) return null
    throw error
  }
  try {
    const { product } = SERVER_KINDS[server]
    const run = (way: (typeof WAYS)[number], round: number, count: number) =>
      runCase<Delivered>('cluster-case.ts', [way, product, running.url, `${way}${round}`, String(count), scratch])
    // A server that has just started is not the same as one that has run for a minute.
    for (const way of WAYS) run(way, 0, Math.ceil(events / 5))
    const turns = Array.from({ length: rounds }, (_, i) => WAYS.map((way) => run(way, i + 1, events)))
    const cpuUs = (way: number) =>
      Number(median(turns.map((turn) => (turn[way].cpuSeconds * 1e6) / turn[way].events)).toPrecision(3))
    const perSecond = (way: number) => median(turns.map((turn) => turn[way].events / turn[way].seconds))
    return {
      server,
      events,
      bulkPerSecond: Math.round(perSecond(0)),
      deliveredPerSecond: Math.round(perSecond(1)),
      ofBulk: Number(median(turns.map(([bulk, delivered]) => bulk.seconds / delivered.seconds)).toPrecision(3)),
      bulkCpuUs: cpuUs(0),
      deliveredCpuUs: cpuUs(1),
      rssBytes: Math.max(...turns.map((turn) => turn[1].rssBytes)),
    }
  } finally {
    await running.remove()
  }
}

/** The figures as lines for people. */
export function clusterLines(figures: ClusterFigures | null): string[] {
  if (figures === null) return ['cluster: not measured: no server can be run here']
  const { server, events, bulkPerSecond, deliveredPerSecond, ofBulk, rssBytes, ...cpu } = figures
  return [
    `${server}, ${events.toLocaleString('en')} events`,
    `a bare loop of _bulk           ${bulkPerSecond.toLocaleString('en').padStart(9)} events/s  ${cpu.bulkCpuUs} µs of the client's processor an event`,
    `delivered, each accounted for  ${deliveredPerSecond.toLocaleString('en').padStart(9)} events/s  ${cpu.deliveredCpuUs} µs; ${ofBulk} of the rate, ${Math.round(rssBytes / 1e6)} MB`,
  ]
}
