/**
 * A watching sensor under steady churn, alone in its process: `node soak-case.ts MINUTES RATE MIX SCRATCH` prints what it took as
 * JSON. The traffic is a capture over and over, at so many packets a second by the clock of the machine; its clients are others each
 * time, eight populations in turn, so that tunnels, users' addresses and flows come and go without end. Everything is at work that `watch` has: rules, habits,
 * the embedded store, the state that is saved.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
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
  /** Medians of the first and of the last quarter after the warm-up. */
  readonly rssBytes: readonly [number, number]
  readonly heapBytes: readonly [number, number]
  readonly loopDelay: SensorSnapshot['loopDelay']
  readonly stateBytes: number
  readonly stateSaved: boolean
  readonly tables: Readonly<Record<string, number>>
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

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0
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
    detect: { groupsMax: 500, entitiesMax: 1000 },
    // Things fall silent within the run.
    track: { tunnelIdleSeconds: 20, flowIdleSeconds: 5, tcpIdleSeconds: 10, setupTimeoutSeconds: 10 },
    service: { statePath: join(folder, 'state'), stateSeconds: 10 },
  }),
)
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
const memory: { rss: number; heap: number }[] = []
const sampling = setInterval(() => {
  const { rss, heapUsed } = process.memoryUsage()
  memory.push({ rss, heap: heapUsed })
}, SAMPLE_MS)
setTimeout(() => loop.stop(), minutes * 60_000)
await service.start()
const running = loop.run()
await running
clearInterval(sampling)
const report = pipeline.deliveries.report()
const snapshot = report.sensor as SensorSnapshot
await service.finish()
const after = memory.slice(Math.floor(memory.length * WARM_UP_SHARE))
const quarter = Math.ceil(after.length / 4)
const ends = (of: 'rss' | 'heap') =>
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
  rssBytes: ends('rss'),
  heapBytes: ends('heap'),
  loopDelay: snapshot.loopDelay,
  stateBytes: snapshot.state?.bytes ?? 0,
  stateSaved: snapshot.state?.saved !== null,
  tables: Object.fromEntries(snapshot.tables.map(({ name, size }) => [name, size])),
}
process.stdout.write(JSON.stringify(soak))
