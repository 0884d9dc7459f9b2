/**
 * A watching sensor under steady churn, alone in its process: `node soak-case.ts MINUTES RATE MIX SCRATCH` prints what it took as
 * JSON, after the warm-up and at the end: its memory by what it is for, and how full its tables are. The traffic is a capture over and over, at so many packets a second by the clock of the machine; its clients are others each
 * time, eight populations in turn, so that tunnels, users' addresses and flows come and go without end. Everything is at work that `watch` has: rules, habits,
 * the embedded store, the state that is saved.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { constants, type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks'
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
  /** Medians of the first and of the last quarter after the warm-up. */
  readonly memory: Readonly<Record<keyof Memory, readonly [number, number]>>
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

/** In bytes. */
interface Memory {
  /** Resident. */
  readonly rss: number
  /** Of that, what is neither code nor a file. */
  readonly anonymous: number
  readonly heap: number
  /** Of the heap, what was in use after the last collection that went through all of it. */
  readonly live: number
  /** Buffers outside the heap. */
  readonly outside: number
  /** In use in the heap of the thread that writes the store. */
  readonly store: number
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0
}

/** Whether the collector went through all of the heap. */
function isMajor(entry: PerformanceEntry): boolean {
  // The types know no such detail yet.
  const { detail } = entry as PerformanceEntry & { readonly detail?: { readonly kind: number } }
  return detail?.kind === constants.NODE_PERFORMANCE_GC_MAJOR
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
new PerformanceObserver((list) => {
  if (list.getEntries().some(isMajor)) live = process.memoryUsage().heapUsed
}).observe({ entryTypes: ['gc'] })
const memory: Memory[] = []
const sampling = setInterval(async () => {
  const { rss, heapUsed, external } = process.memoryUsage()
  const heaps = await Promise.all(workers.map((worker) => worker.getHeapStatistics()))
  const store = heaps.reduce((sum, { used_heap_size: used }) => sum + used, 0)
  memory.push({ rss, anonymous: anonymousBytes(), heap: heapUsed, live, outside: external, store })
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
const after = memory.slice(Math.floor((memory.length * warmUpMinutes) / minutes))
const quarter = Math.ceil(after.length / 4)
const ends = (of: keyof Memory) =>
  [median(after.slice(0, quarter).map((one) => one[of])), median(after.slice(-quarter).map((one) => one[of]))] as const
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
    rss: ends('rss'),
    anonymous: ends('anonymous'),
    heap: ends('heap'),
    live: ends('live'),
    outside: ends('outside'),
    store: ends('store'),
  },
  loopDelay: snapshot.loopDelay,
  stateBytes: snapshot.state?.bytes ?? 0,
  stateSaved: snapshot.state?.saved !== null,
  tables: Object.fromEntries(snapshot.tables.map(({ name, size }, at) => [name, [tablesBefore[at].size, size]])),
}
process.stdout.write(JSON.stringify(soak))
