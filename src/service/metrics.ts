/** How a running sensor does, as Prometheus scrapes it (text format 0.0.4). */
import { Counter, Gauge, Registry } from 'prom-client'
import type { SensorSnapshot, SourceSnapshot } from './snapshot.ts'

type Labels = Readonly<Record<string, string>>
type Sample = readonly [labels: Labels, value: number]

interface Metric {
  readonly kind: 'counter' | 'gauge'
  readonly says: string
  readonly samples: (snapshot: SensorSnapshot) => readonly Sample[]
}

/** Counters begin with the process. */
const METRICS: Readonly<Record<string, Metric>> = {
  borescope_info: gauge('1, with the name and the version of the sensor.', ({ name, version }) => [
    [{ name, version }, 1],
  ]),
  borescope_uptime_seconds: gauge('Since the process began to watch.', ({ uptimeSeconds }) => single(uptimeSeconds)),
  borescope_packets_total: counter('Packets, by what they were; those of kind "packets" are all.', ({ packets }) =>
    by('kind', packets),
  ),
  borescope_packets_per_second: gauge('Packets, lately.', ({ packetsPerSecond }) => single(packetsPerSecond)),
  borescope_interface_up: gauge(
    '1, or 0 while an interface is down or gone.',
    perSource(({ isUp }) => (isUp ? 1 : 0)),
  ),
  borescope_interface_packets_total: counter(
    'Packets of an interface.',
    perSource(({ packets }) => packets),
  ),
  borescope_interface_bytes_total: counter(
    'Bytes of an interface, as captured.',
    perSource(({ bytes }) => bytes),
  ),
  borescope_interface_drops_total: counter('Packets that were lost, by who lost them.', ({ sources }) =>
    sources.flatMap((source): Sample[] => [
      [{ ...labelsOf(source), reason: 'ring_full' }, source.kernelDrops],
      [{ ...labelsOf(source), reason: 'interface' }, source.interfaceDrops],
      [{ ...labelsOf(source), reason: 'sensor' }, source.ownDrops],
    ]),
  ),
  borescope_ring_fill_ratio: gauge(
    'How much of the ring waits to be read.',
    perSource(({ ringFill }) => ringFill),
  ),
  borescope_ring_fill_highest_ratio: gauge(
    'The most of it so far.',
    perSource(({ ringFillHighest }) => ringFillHighest),
  ),
  borescope_events_total: counter('Events that were raised.', ({ events }) => by('dataset', events)),
  borescope_alerts_total: counter('Alerts that were raised.', ({ alerts }) => by('level', alerts)),
  borescope_rules: gauge('Rules and correlations that are used, and mistakes that keep some from it.', ({ rules }) =>
    by('state', rules),
  ),
  borescope_table_entries: gauge('Things that are followed.', ({ tables }) =>
    tables.map(({ name, size }) => [{ table: name }, size]),
  ),
  borescope_table_capacity: gauge('How many may be followed.', ({ tables }) =>
    tables.map(({ name, capacity }) => [{ table: name }, capacity]),
  ),
  borescope_evictions_total: counter('Things given up because there were too many.', ({ evicted }) =>
    by('table', evicted),
  ),
  borescope_evidence_packets_total: counter('Packets that were kept as evidence.', ({ evidence }) =>
    evidence === null ? [] : single(evidence.packets),
  ),
  borescope_evidence_bytes_total: counter('What they took on the disk.', ({ evidence }) =>
    evidence === null ? [] : single(evidence.bytes),
  ),
  borescope_evidence_dropped_total: counter('Packets that could not be kept, by reason.', ({ evidence }) =>
    evidence === null ? [] : by('reason', evidence.dropped),
  ),
  borescope_event_loop_delay_seconds: gauge('How late the event loop is, over the last minute.', ({ loopDelay }) => [
    [{ quantile: '0.5' }, loopDelay.p50],
    [{ quantile: '0.99' }, loopDelay.p99],
    [{ quantile: '1' }, loopDelay.max],
  ]),
  borescope_resident_memory_bytes: gauge('Memory of the process.', ({ rssBytes }) => single(rssBytes)),
  borescope_heap_bytes: gauge('Of it the heap of JavaScript that is in use.', ({ heapBytes }) => single(heapBytes)),
  borescope_cpu_seconds_total: counter('Time of processors, user and system.', ({ cpuSeconds }) => single(cpuSeconds)),
  borescope_state_bytes: gauge('Size of what is remembered over a restart, when it was last saved.', ({ state }) =>
    state === null ? [] : single(state.bytes),
  ),
  borescope_state_saved_timestamp_seconds: gauge('When that was.', ({ state }) =>
    state === null || state.saved === null ? [] : single(Date.parse(state.saved) / 1000),
  ),
  borescope_state_failures_total: counter('Times that it could not be saved.', ({ state }) =>
    state === null ? [] : single(state.failures),
  ),
  borescope_reloads_total: counter('Reloads of the configuration, by outcome.', ({ reloads }) =>
    by('outcome', { succeeded: reloads.succeeded, refused: reloads.refused }),
  ),
  borescope_ready: gauge('1 if the sensor captures and delivers, else 0.', ({ troubles }) =>
    single(troubles.length === 0 ? 1 : 0),
  ),
}

export async function sensorMetrics(snapshot: SensorSnapshot): Promise<string> {
  const registry = new Registry()
  for (const [name, { kind, says, samples }] of Object.entries(METRICS)) {
    const values = samples(snapshot)
    // Without one the library would say 0.
    if (values.length === 0) continue
    const options = { name, help: says, labelNames: Object.keys(values[0]?.[0] ?? {}), registers: [registry] }
    const metric = kind === 'counter' ? new Counter(options) : new Gauge(options)
    for (const [labels, value] of values) metric.inc({ ...labels }, value)
  }
  return registry.metrics()
}

function counter(says: string, samples: Metric['samples']): Metric {
  return { kind: 'counter', says, samples }
}

function gauge(says: string, samples: Metric['samples']): Metric {
  return { kind: 'gauge', says, samples }
}

function single(value: number): Sample[] {
  return [[{}, value]]
}

function by(label: string, counts: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(counts).map(([name, count]) => [{ [label]: name }, count])
}

function perSource(value: (source: SourceSnapshot) => number): Metric['samples'] {
  return ({ sources }) => sources.map((source) => [labelsOf(source), value(source)])
}

/** Where an interface has several rings, each is told by itself. */
function labelsOf({ name, ring }: SourceSnapshot): Labels {
  return ring === null ? { interface: name } : { interface: name, ring: String(ring) }
}
