/**
 * A watching sensor under steady churn, alone in its process: `node soak-case.ts MINUTES RATE MIX SCRATCH` prints what it took as
 * JSON, after the warm-up and at the end: its memory by what it is for, and how full its tables are. The traffic is a capture over and over, at so many packets a second by the clock of the machine; its clients are others each
 * time, eight populations in turn, so that tunnels, users' addresses and flows come and go without end. Everything is at work that `watch` has: rules, habits,
 * the embedded store, the state that is saved.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { GCProfiler, getHeapStatistics } from 'node:v8'
import type { Worker } from 'node:worker_threads'
import type { LiveCounters, LiveSource } from '../../src/capture/live.ts'
import type { Packet } from '../../src/capture/packet.ts'
import { openCapture, type Source } from '../../src/capture/sources.ts'
import { Context } from '../../src/commands/context.ts'
import { LiveLoop } from '../../src/live-loop.ts'
import { Pipeline } from '../../src/pipeline.ts'
import { SensorService } from '../../src/sensor-service.ts'
import { ServiceLog } from '../../src/service/log.ts'
import { Notifier } from '../../src/service/notify.ts'
import type { SensorSnapshot } from '../../src/service/snapshot.ts'
import { disguise } from './disguise.ts'
import { median } from './median.ts'
import { type Trend, trendOf } from './trend.ts'

const [minutes, rate, mix, scratch] = [Number(process.argv[2]), Number(process.argv[3]), ...process.argv.slice(4)]

/** What the ring of an interface holds, in packets of this traffic. */
const RING_PACKETS = 100_000
/** Of a shorter run, a part of it. */
const WARM_UP_MINUTES = 5
const WARM_UP_SHARE = 0.3
/** Clients that take turns. */
const POPULATIONS = 8
const SAMPLE_MS = 1000

export interface Soak {
  readonly minutes: number
  readonly packets: number
  readonly lost: number
  readonly events: number
  readonly alerts: number
  readonly dropped: number
  readonly warmUpMinutes: number
  readonly memory: Readonly<Record<keyof Sample, Course>>
  readonly loopDelay: SensorSnapshot['loopDelay']
  readonly stateBytes: number
  readonly stateSaved: boolean
  /** After the warm-up and at the end. */
  readonly tables: Readonly<Record<string, readonly [number, number]>>
}

/** A capture over and over, paced; what nobody fetches in time is lost, as in a ring. */
class Churn implements LiveSource {
  readonly ring = null
  readonly name = 'churn0'
  readonly state = 'up'
  readonly latencyMs = 0
  readonly #startedMs = performance.now()
  readonly #startUs = Date.now() * 1000
  #source: Source
  #given = 0
  #lost = 0
  #pass = 0
  #bytes = 0
  #isExhausted = false

  constructor(source: Source) {
    this.#source = source
  }

  next(packet: Packet): boolean {
    const due = Math.floor(((performance.now() - this.#startedMs) * rate) / 1000)
    const behind = due - this.#given - this.#lost
    if (behind <= 0 || this.#isExhausted) return false
    if (behind > RING_PACKETS) this.#lost += behind - RING_PACKETS
    if (!this.#source.next(packet)) {
      this.#isExhausted = true
      return false
    }
    this.#given++
    this.#bytes += packet.end - packet.start
    packet.timeUs = this.#startUs + Math.floor(((this.#given + this.#lost) * 1e6) / rate)
    packet.timeNs = 0
    disguise(packet.bytes, packet.start, packet.end, this.#pass)
    return true
  }

  /** Reads on while the loop waits: the next block, or the capture from its start with other clients. */
  async wait(): Promise<void> {
    if (this.#isExhausted) {
      this.#isExhausted = false
      if (!(await this.#source.fill())) {
        await this.#source.close()
        this.#source = await openCapture(mix)
        this.#pass = (this.#pass + 1) % POPULATIONS
        await this.#source.fill()
      }
      return
    }
    await new Promise((resolve) => setTimeout(resolve, 1))
  }

  look(): boolean {
    return false
  }

  get counters(): LiveCounters {
    const lost = this.#lost
    return {
      packets: this.#given,
      bytes: this.#bytes,
      received: this.#given + lost,
      kernelDrops: lost,
      freezes: 0,
      interfaceDrops: 0,
      ownDrops: 0,
      truncated: 0,
      ringFill: 0,
      ringFillHighest: 0,
      rebinds: 0,
    }
  }

  learn(): void {}
  close(): void {}
}

/** How a figure went, minute by minute, after the warm-up. */
export interface Course {
  /** Of the first and of the last two fifths of the minutes. */
  readonly first: number
  readonly last: number
  readonly trend: Trend
}

/** In bytes, but for events. */
interface Sample {
  /** Resident. */
  readonly rss: number
  /** Of that, pages of files: code, and what of the store is mapped. */
  readonly files: number
  /** What the heap of the packets' thread holds of the other pages, with its garbage. */
  readonly heap: number
  /** The same of the thread that writes the store. */
  readonly store: number
  /** What neither of them holds: buffers, SQLite, what malloc keeps, code, stacks. */
  readonly rest: number
  /** Of the rest, buffers that JavaScript knows of. */
  readonly buffers: number
  /** Of the heap, what the last collection left that went through all of it. */
  readonly live: number
  /** Events that wait for the store, in memory. */
  readonly waiting: number
}

const SAMPLES_PER_MINUTE = 60_000 / SAMPLE_MS

/**
 * What events wait for is in the heap as well, and comes and goes by tens of megabytes: what is live is that of the moment of a
 * minute at which least was.
 */
const OF_A_MINUTE: Readonly<Partial<Record<keyof Sample, (values: readonly number[]) => number>>> = {
  live: (values) => Math.min(...values),
}

function courseOf(samples: readonly Sample[], kind: keyof Sample): Course {
  const minutes: number[] = []
  for (let at = 0; at < samples.length; at += SAMPLES_PER_MINUTE) {
    const values = samples.slice(at, at + SAMPLES_PER_MINUTE).map((sample) => sample[kind])
    minutes.push((OF_A_MINUTE[kind] ?? median)(values))
  }
  const part = Math.ceil(minutes.length * 0.4)
  return { first: median(minutes.slice(0, part)), last: median(minutes.slice(-part)), trend: trendOf(minutes) }
}

/** Resident pages that are not those of a file, of the whole process. */
function anonymousBytes(): number {
  return Number(/^RssAnon:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024
}

const folder = join(scratch, 'soak')
mkdirSync(folder)
const path = join(folder, 'borescope.json')
writeFileSync(
  path,
  JSON.stringify({
    store: { path: join(folder, 'events.db') },
    delivery: { path: join(folder, 'spool') },
    // What is remembered of those who are gone reaches its bounds within the warm-up.
    baseline: { path: join(folder, 'baselines.ndjson'), entitiesMax: 2000 },
    detect: { groupsMax: 500, entitiesMax: 1000, incidentIdleSeconds: 30, incidentLastSeconds: 120 },
    // Things fall silent within the run.
    track: { tunnelIdleSeconds: 20, flowIdleSeconds: 5, tcpIdleSeconds: 10, setupTimeoutSeconds: 10 },
    service: { statePath: join(folder, 'state'), stateSeconds: 10 },
  }),
)
const workers: Worker[] = []
process.on('worker', (worker) => workers.push(worker))
const context = new Context(path)
const log = new ServiceLog({
  level: 'warn',
  format: 'json',
  perMinute: 10,
  name: 'soak',
  isTerminal: false,
  write: (line) => process.stderr.write(line),
})
const pipeline = await Pipeline.open(context, {
  command: 'soak',
  store: true,
  baseline: true,
  isLive: true,
  warn: log.warn,
})
const sensor = pipeline.sensor()
const first = await openCapture(mix)
await first.fill()
const source = new Churn(first)
const service = new SensorService({
  context,
  pipeline,
  sensor,
  sources: [source],
  log,
  notifier: new Notifier({ send: null, watchdogUs: 0, warn: log.warn }),
})
const loop = new LiveLoop(sensor, [source], { tick: (nowUs) => service.tick(nowUs), end: () => service.end() })
let live = 0
let collections = new GCProfiler()
collections.start()
/** What is left after the last collection of all of the heap. */
function lookAtCollections(): void {
  const major = collections.stop().statistics.findLast(({ gcType }) => gcType === 'MarkSweepCompact')
  if (major !== undefined) live = major.afterGC.heapStatistics.usedHeapSize
  collections = new GCProfiler()
  collections.start()
}
const samples: Sample[] = []
const sampling = setInterval(async () => {
  lookAtCollections()
  const { rss, external } = process.memoryUsage()
  const anonymous = anonymousBytes()
  const heap = getHeapStatistics().total_physical_size
  const waiting = pipeline.sinks.reduce(
    (sum, { delivery }) => sum + delivery.counts.queued + delivery.counts.inFlight,
    0,
  )
  const heaps = await Promise.all(workers.map((worker) => worker.getHeapStatistics()))
  const store = heaps.reduce((sum, { total_physical_size: held }) => sum + held, 0)
  const rest = anonymous - heap - store
  samples.push({ rss, files: rss - anonymous, heap, store, rest, buffers: external, live, waiting })
}, SAMPLE_MS)
setTimeout(() => loop.stop(), minutes * 60_000)
const warmUpMinutes = Math.min(WARM_UP_MINUTES, minutes * WARM_UP_SHARE)
let tablesBefore: SensorSnapshot['tables'] = []
setTimeout(() => {
  tablesBefore = (pipeline.deliveries.report().sensor as SensorSnapshot).tables
}, warmUpMinutes * 60_000)
await service.start()
const running = loop.run()
await running
clearInterval(sampling)
const report = pipeline.deliveries.report()
const snapshot = report.sensor as SensorSnapshot
await service.finish()
const after = samples.slice(Math.floor((samples.length * warmUpMinutes) / minutes))
const soak: Soak = {
  minutes,
  packets: source.counters.packets,
  lost: source.counters.kernelDrops,
  events: Object.values(snapshot.events).reduce((sum, count) => sum + count, 0),
  alerts: Object.values(snapshot.alerts).reduce((sum, count) => sum + count, 0),
  dropped: report.destinations.reduce(
    (sum, { dropped }) => sum + Object.values(dropped).reduce((all, count) => all + count, 0),
    0,
  ),
  warmUpMinutes,
  memory: {
    rss: courseOf(after, 'rss'),
    files: courseOf(after, 'files'),
    heap: courseOf(after, 'heap'),
    store: courseOf(after, 'store'),
    rest: courseOf(after, 'rest'),
    buffers: courseOf(after, 'buffers'),
    live: courseOf(after, 'live'),
    waiting: courseOf(after, 'waiting'),
  },
  loopDelay: snapshot.loopDelay,
  stateBytes: snapshot.state?.bytes ?? 0,
  stateSaved: snapshot.state?.saved !== null,
  tables: Object.fromEntries(snapshot.tables.map(({ name, size }, at) => [name, [tablesBefore[at].size, size]])),
}
process.stdout.write(JSON.stringify(soak))
