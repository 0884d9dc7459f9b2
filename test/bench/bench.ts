/**
 * `npm run bench`: how fast, and in how much memory, beside other tools and other ways in the same run.
 *
 * Machines are noisy, so ratios mean more than figures, and the median of rounds more than any of them. `--json` prints one
 * object; `--packets N`, `--rounds N` and `--events N,N` (of the stores: 1000000 takes two minutes, 5000000 ten) change the
 * size; `--only NAME` leaves the others out. Two take long and come only when they are named: `soak` lets a sensor watch for a
 * while (`--minutes N`, `--rate N` packets a second), `scale` opens very many sessions at once (`--tunnels N`, ten in each).
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
import { measureScale, scaleLines } from './scale.ts'
import { measureSoak, soakLines } from './soak.ts'
import { measureStore, storeLines } from './store.ts'
import { measureThreads, threadsLines } from './threads.ts'

/** As many as a server of the tests takes in some seconds. */
const CLUSTER_EVENTS = 100_000
const DETECTED_EVENTS = 200_000
const FLEET_SENSORS = 100

/** Figures for programs, and lines for people. */
interface Measured {
  readonly figures: object | null
  readonly lines: readonly string[]
}

const scratch = mkdtempSync(join(tmpdir(), 'borescope-bench-run-'))

const CASES: Readonly<Record<string, () => Measured | Promise<Measured>>> = {
  packets() {
    const figures = measurePackets(packets, rounds, scratch, tell)
    return { figures, lines: packetLines(figures) }
  },
  threads() {
    const figures = measureThreads(packets, rounds, tell)
    return { figures, lines: threadsLines(figures) }
  },
  detect() {
    tell('detection')
    const figures = measureDetection(DETECTED_EVENTS, rounds)
    return { figures, lines: detectionLines(figures) }
  },
  fleet() {
    tell(`${FLEET_SENSORS} sensors`)
    const figures = measureFleet(FLEET_SENSORS, DETECTED_EVENTS)
    return { figures, lines: fleetLines(figures) }
  },
  store() {
    tell('embedded store')
    const figures = measureStore(sizes)
    return { figures, lines: storeLines(figures) }
  },
  evidence() {
    const figures = measureEvidence(packets, rounds, scratch, tell)
    return { figures, lines: evidenceLines(figures) }
  },
  opensearch3: () => cluster('opensearch3'),
  elasticsearch: () => cluster('elasticsearch'),
  async live() {
    const figures = await measureLive(packets, rounds, tell)
    return { figures: typeof figures === 'string' ? null : figures, lines: liveLines(figures) }
  },
  soak() {
    tell(`a sensor watches for ${values.minutes} minutes`)
    const figures = measureSoak(Number(values.minutes), Number(values.rate), scratch)
    return { figures, lines: soakLines(figures) }
  },
  scale() {
    const figures = measureScale(Number(values.tunnels), tell)
    return { figures, lines: scaleLines(figures) }
  },
}

const LONG = ['soak', 'scale']
/** Several cases by one name. */
const GROUPS: Readonly<Record<string, readonly string[]>> = { cluster: ['opensearch3', 'elasticsearch'] }

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    packets: { type: 'string', default: '2000000' },
    rounds: { type: 'string', default: '3' },
    events: { type: 'string', default: '200000' },
    minutes: { type: 'string', default: '5' },
    rate: { type: 'string', default: '10000' },
    tunnels: { type: 'string', default: '10000' },
    only: { type: 'string', multiple: true },
  },
})
const packets = Number(values.packets)
const rounds = Number(values.rounds)
const sizes = values.events.split(',').map(Number)

function tell(what: string): void {
  if (!values.json) process.stderr.write(`${what}\x1b[K\r`)
}

async function cluster(kind: 'opensearch3' | 'elasticsearch'): Promise<Measured> {
  tell(`${kind}: delivery beside a bare loop`)
  const figures = await measureCluster(kind, Math.min(CLUSTER_EVENTS, ...sizes), rounds, scratch)
  return { figures, lines: clusterLines(figures) }
}

const named = values.only?.flatMap((name) => GROUPS[name] ?? [name])
const unknown = named?.find((name) => !(name in CASES))
if (unknown !== undefined) {
  process.stderr.write(
    `no such case: ${unknown}; there are ${[...Object.keys(CASES), ...Object.keys(GROUPS)].join(', ')}\n`,
  )
  process.exit(2)
}
const figures: Record<string, object | null> = {}
const tables: string[] = []
try {
  for (const name of named ?? Object.keys(CASES).filter((each) => !LONG.includes(each))) {
    const measured = await CASES[name]()
    figures[name] = measured.figures
    tables.push(measured.lines.join('\n'))
  }
} finally {
  rmSync(scratch, { recursive: true })
}
tell('')
process.stdout.write(values.json ? `${JSON.stringify(figures)}\n` : `${tables.join('\n\n')}\n`)
