/** The state of deliveries as Prometheus scrapes it (text format 0.0.4). */
import { Counter, Gauge, Registry } from 'prom-client'
import type { DestinationStatus } from './delivery-status.ts'

interface Metric {
  readonly kind: 'counter' | 'gauge'
  readonly says: string
  readonly value: (status: DestinationStatus) => number | null
}

/** Each has the label `destination`. Counters begin with the process. */
const METRICS: Readonly<Record<string, Metric>> = {
  borescope_delivery_accepted_total: counter('Events given to the delivery.', ({ accepted }) => accepted),
  borescope_delivery_resumed_total: counter('Events that an earlier process left.', ({ resumed }) => resumed),
  borescope_delivery_stored_total: counter('Events that the destination took.', ({ stored }) => stored),
  borescope_delivery_duplicates_total: counter('Events that it had already.', ({ duplicates }) => duplicates),
  borescope_delivery_quarantined_total: counter('Events that it refused for good.', ({ quarantined }) => quarantined),
  borescope_delivery_retries_total: counter('Requests and events that were put off.', ({ retries }) => retries),
  borescope_delivery_spooled: gauge('Events that wait on disk.', ({ spooled }) => spooled),
  borescope_delivery_queued: gauge('Events that wait in memory.', ({ queued }) => queued),
  borescope_delivery_in_flight: gauge('Events in requests without an answer yet.', ({ inFlight }) => inFlight),
  borescope_delivery_events_per_second: gauge('Events that came to rest, lately.', ({ rate }) => rate),
  borescope_delivery_spool_bytes: gauge('Size of the spool.', ({ spool }) => spool?.bytes ?? null),
  borescope_delivery_spool_oldest_timestamp_seconds: gauge(
    'When the oldest part of the spool was begun.',
    ({ spool }) => seconds(spool?.oldest ?? null),
  ),
  borescope_delivery_spool_troubles_total: counter('Errors of its disk.', ({ spool }) => spool?.troubles ?? null),
  borescope_delivery_quarantine_bytes: gauge('Size of the quarantine.', ({ quarantine }) => quarantine?.bytes ?? null),
  borescope_delivery_up: gauge('1, or 0 while the destination fails.', ({ state, failingSince }) =>
    state === 'failed' || failingSince !== null ? 0 : 1,
  ),
}

/** The metrics of some deliveries, those that were lost with the reason as a label. */
export async function prometheusText(destinations: readonly DestinationStatus[]): Promise<string> {
  const registry = new Registry()
  for (const [name, { kind, says, value }] of Object.entries(METRICS)) {
    const options = { name, help: says, labelNames: ['destination'], registers: [registry] }
    const metric = kind === 'counter' ? new Counter(options) : new Gauge(options)
    for (const status of destinations) {
      const current = value(status)
      if (current !== null) metric.inc({ destination: status.name }, current)
    }
  }
  const dropped = new Counter({
    name: 'borescope_delivery_dropped_total',
    help: 'Events that are lost, by reason.',
    labelNames: ['destination', 'reason'],
    registers: [registry],
  })
  for (const status of destinations) {
    for (const [reason, count] of Object.entries(status.dropped)) {
      dropped.inc({ destination: status.name, reason }, count)
    }
  }
  return registry.metrics()
}

function counter(says: string, value: Metric['value']): Metric {
  return { kind: 'counter', says, value }
}

function gauge(says: string, value: Metric['value']): Metric {
  return { kind: 'gauge', says, value }
}

function seconds(iso: string | null): number | null {
  return iso === null ? null : Date.parse(iso) / 1000
}
