import { expect, test } from 'vitest'
import { isStale, sensorLines } from '../../src/commands/status-sensor.ts'
import { sensorMetrics } from '../../src/service/metrics.ts'
import type { SensorSnapshot } from '../../src/service/snapshot.ts'

const SNAPSHOT: SensorSnapshot = {
  name: 'a "sensor"',
  version: '1.2.3',
  uptimeSeconds: 3600,
  packets: { packets: 100, l2tp: 60, foreign: 40 },
  packetsPerSecond: 7,
  lastPacket: '2026-01-01T00:00:00.000000Z',
  sources: [
    {
      name: 'eth1',
      ring: null,
      isUp: false,
      packets: 100,
      bytes: 6400,
      kernelDrops: 3,
      interfaceDrops: 2,
      ownDrops: 1,
      ringFill: 0.25,
      ringFillHighest: 0.75,
    },
  ],
  events: { l2tp: 5, alerts: 2 },
  alerts: { high: 2 },
  tables: [{ name: 'tunnels', size: 9, capacity: 10 }],
  rules: { used: 306, wrong: 0 },
  evicted: { baselines: 4 },
  evidence: { packets: 50, bytes: 6400, dropped: { 'queue_full.data': 0, disk: 8 } },
  loopDelay: { p50: 0.001, p99: 0.02, max: 0.3 },
  rssBytes: 1e8,
  heapBytes: 5e7,
  cpuSeconds: 12.5,
  state: { saved: '2026-01-01T00:00:00.000Z', bytes: 500, entries: 1, leftOut: 0, failures: 1, problem: null },
  reloads: { succeeded: 1, refused: 1, last: '2026-01-01T00:00:00.000Z', problem: 'rules/a.yml:3: no such field' },
  troubles: ['eth1 is down'],
}

test('metrics are what Prometheus reads: every one with help and type, labels escaped', async () => {
  const text = await sensorMetrics(SNAPSHOT)
  for (const line of [
    'borescope_info{name="a \\"sensor\\"",version="1.2.3"} 1',
    'borescope_packets_total{kind="l2tp"} 60',
    'borescope_interface_up{interface="eth1"} 0',
    'borescope_interface_drops_total{interface="eth1",reason="ring_full"} 3',
    'borescope_interface_drops_total{interface="eth1",reason="interface"} 2',
    'borescope_interface_drops_total{interface="eth1",reason="sensor"} 1',
    'borescope_ring_fill_highest_ratio{interface="eth1"} 0.75',
    'borescope_events_total{dataset="l2tp"} 5',
    'borescope_alerts_total{level="high"} 2',
    'borescope_table_entries{table="tunnels"} 9',
    'borescope_table_capacity{table="tunnels"} 10',
    'borescope_evictions_total{table="baselines"} 4',
    'borescope_evidence_packets_total 50',
    'borescope_evidence_bytes_total 6400',
    'borescope_evidence_dropped_total{reason="disk"} 8',
    'borescope_event_loop_delay_seconds{quantile="0.99"} 0.02',
    'borescope_reloads_total{outcome="refused"} 1',
    'borescope_state_saved_timestamp_seconds 1767225600',
    'borescope_ready 0',
  ]) {
    expect(text.split('\n'), line).toContain(line)
  }
  const names = new Set([...text.matchAll(/^(borescope_\w+)[{ ]/gm)].map(([, name]) => name))
  for (const name of names) {
    expect(text).toMatch(new RegExp(`^# HELP ${name} .+$`, 'm'))
    expect(text).toMatch(new RegExp(`^# TYPE ${name} ${name.endsWith('_total') ? 'counter' : 'gauge'}$`, 'm'))
  }
})

test('a sensor that keeps nothing has no metrics of a state, nor of evidence', async () => {
  const text = await sensorMetrics({ ...SNAPSHOT, state: null, evidence: null })
  expect(text).not.toMatch(/^borescope_(state|evidence)/m)
})

test('people are told what matters: losses, what is full, what failed, what is not well', () => {
  const text = sensorLines(SNAPSHOT, true).join('\n')
  for (const says of [
    '100 packets, 7/s lately',
    '2 alerts',
    'eth1 is down: 100 packets, 6 lost (ring 3, interface 2, sensor 1), ring 25 % full, 75 % at most',
    'Evidence: 50 packets kept (6.4 kB), 8 lost (disk)',
    'Table tunnels: 9 of 10',
    'Given up for want of room in baselines: 4',
    'State not saved 1 time',
    'refused: rules/a.yml:3: no such field',
    'Not well: eth1 is down',
  ]) {
    expect(text).toContain(says)
  }
  expect(sensorLines(SNAPSHOT, false).join('\n')).not.toContain('Not well')
})

test('a status that was not written for long is stale', () => {
  const now = Date.parse('2026-01-01T00:00:20Z')
  expect(isStale('2026-01-01T00:00:10Z', now)).toBe(false)
  expect(isStale('2026-01-01T00:00:00Z', now)).toBe(true)
})
