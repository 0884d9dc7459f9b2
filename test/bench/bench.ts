/**
 * `npm run bench`: how fast, and in how much memory, beside other tools and other ways in the same run.
 *
 * Machines are noisy, so ratios mean more than figures, and the median of rounds more than any of them. `--json` prints one
 * object; `--packets N`, `--rounds N` and `--events N,N` (of the stores: 1000000 takes two minutes, 5000000 ten) change the
 * size; `--only NAME` leaves the others out. `--only soak` lets a sensor watch for a while, which nothing else does:
 * `--minutes N`, and `--rate N` packets a second.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { clusterLines, measureCluster } from './cluster.ts'
import { detectionLines, measureDetection } from './detect.ts'
import { evidenceLines, measureEvidence } from './evidence.ts'
import { fleetLines, measureFleet } from './fleet.ts'
import { liveLines, measureLive } from './live.ts'
import { measurePackets, packetLines } from './packets.ts'
import { measureSoak, soakLines } from './soak.ts'
import { measureStore, storeLines } from './store.ts'
import { measureThreads, threadsLines } from './threads.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    packets: { type: 'string', default: '2000000' },
    rounds: { type: 'string', default: '3' },
    events: { type: 'string', default: '200000' },
    minutes: { type: 'string', default: '5' },
    rate: { type: 'string', default: '10000' },
    only: {
      type: 'string',
      multiple: true,
      default: ['packets', 'threads', 'detect', 'fleet', 'store', 'evidence', 'cluster', 'live'],
    },
  },
})

function tell(what: string): void {
  if (!values.json) process.stderr.write(`${what}\x1b[K\r`)
}

const scratch = mkdtempSync(join(tmpdir(), 'borescope-bench-run-'))
const sizes = values.events.split(',').map(Number)
/** As many as a server of the tests takes in some seconds. */
const CLUSTER_EVENTS = 100_000
const DETECTED_EVENTS = 200_000
const FLEET_SENSORS = 100
const figures: Record<string, object | null> = {}
const tables: string[][] = []
try {
  if (values.only.includes('packets')) {
    const packets = measurePackets(Number(values.packets), Number(values.rounds), scratch, tell)
    figures['packets'] = packets
    tables.push(packetLines(packets))
  }
  if (values.only.includes('threads')) {
    const threads = measureThreads(Number(values.packets), Number(values.rounds), tell)
    figures['threads'] = threads
    tables.push(threadsLines(threads))
  }
  if (values.only.includes('detect')) {
    tell('detection')
    const detection = measureDetection(DETECTED_EVENTS, Number(values.rounds))
    figures['detect'] = detection
    tables.push(detectionLines(detection))
  }
  if (values.only.includes('fleet')) {
    tell(`${FLEET_SENSORS} sensors`)
    const fleet = measureFleet(FLEET_SENSORS, DETECTED_EVENTS)
    figures['fleet'] = fleet
    tables.push(fleetLines(fleet))
  }
  if (values.only.includes('store')) {
    tell('embedded store')
    const store = measureStore(sizes)
    figures['store'] = store
    tables.push(storeLines(store))
  }
  if (values.only.includes('evidence')) {
    const evidence = measureEvidence(Number(values.packets), Number(values.rounds), scratch, tell)
    figures['evidence'] = evidence
    tables.push(evidenceLines(evidence))
  }
  if (values.only.includes('cluster')) {
    for (const kind of ['opensearch3', 'elasticsearch'] as const) {
      tell(`${kind}: delivery beside a bare loop`)
      const cluster = await measureCluster(kind, Math.min(CLUSTER_EVENTS, ...sizes), Number(values.rounds), scratch)
      figures[kind] = cluster
      tables.push(clusterLines(cluster))
    }
  }
  if (values.only.includes('live')) {
    const live = await measureLive(Number(values.packets), Number(values.rounds), tell)
    figures['live'] = typeof live === 'string' ? null : live
    tables.push(liveLines(live))
  }
  if (values.only.includes('soak')) {
    tell(`a sensor watches for ${values.minutes} minutes`)
    const soak = measureSoak(Number(values.minutes), Number(values.rate), scratch)
    figures['soak'] = soak
    tables.push(soakLines(soak))
  }
} finally {
  rmSync(scratch, { recursive: true })
}
tell('')
process.stdout.write(
  values.json ? `${JSON.stringify(figures)}\n` : `${tables.map((lines) => lines.join('\n')).join('\n\n')}\n`,
)
