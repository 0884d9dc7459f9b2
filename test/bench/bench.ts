/**
 * `npm run bench`: how fast, and in how much memory, beside other tools and other ways in the same run.
 *
 * Machines are noisy, so ratios mean more than figures, and the median of rounds more than any of them. `--json` prints one
 * object; `--packets N`, `--rounds N` and `--events N,N` (of the stores that are asked) change the size; `--only packets`,
 * `--only threads`, `--only detect`, `--only store` or `--only cluster` leaves the others out.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { clusterLines, measureCluster } from './cluster.ts'
import { detectionLines, measureDetection } from './detect.ts'
import { measurePackets, packetLines } from './packets.ts'
import { measureStore, storeLines } from './store.ts'
import { measureThreads, threadsLines } from './threads.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    packets: { type: 'string', default: '2000000' },
    rounds: { type: 'string', default: '3' },
    events: { type: 'string', default: '1000000,5000000' },
    only: { type: 'string', multiple: true, default: ['packets', 'threads', 'detect', 'store', 'cluster'] },
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
    const detection = measureDetection(DETECTED_EVENTS)
    figures['detect'] = detection
    tables.push(detectionLines(detection))
  }
  if (values.only.includes('store')) {
    tell('embedded store')
    const store = measureStore(sizes, scratch)
    figures['store'] = store
    tables.push(storeLines(store))
  }
  if (values.only.includes('cluster')) {
    for (const kind of ['opensearch3', 'elasticsearch'] as const) {
      tell(`${kind}: delivery beside a bare loop`)
      const cluster = await measureCluster(kind, Math.min(CLUSTER_EVENTS, ...sizes), Number(values.rounds), scratch)
      figures[kind] = cluster
      tables.push(clusterLines(cluster))
    }
  }
} finally {
  rmSync(scratch, { recursive: true })
}
tell('')
process.stdout.write(
  values.json ? `${JSON.stringify(figures)}\n` : `${tables.map((lines) => lines.join('\n')).join('\n\n')}\n`,
)
