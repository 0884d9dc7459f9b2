/**
 * A process for tests that kill it: the service of `watch` over the packets of a capture instead of an interface, on the time of
 * those packets. It goes on behind the last packet that its saved state knows. Prints how many packets were taken, and at its end
 * `ended`.
 *
 *     node fed-sensor.ts CAPTURE CONFIGURATION
 */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { LiveCounters, LiveSource } from '../../src/capture/live.ts'
import type { Packet } from '../../src/capture/packet.ts'
import { openCapture } from '../../src/capture/sources.ts'
import { Context } from '../../src/commands/context.ts'
import { Frame } from '../../src/dissect/frame.ts'
import { type LiveClock, LiveLoop } from '../../src/live-loop.ts'
import { Pipeline } from '../../src/pipeline.ts'
import { SensorService } from '../../src/sensor-service.ts'
import { ServiceLog } from '../../src/service/log.ts'
import { Notifier } from '../../src/service/notify.ts'

/** A run over a whole capture takes so many pauses, at most. */
const PAUSES = 1200
const NO_LOSS: Omit<LiveCounters, 'packets' | 'bytes' | 'received'> = {
  kernelDrops: 0,
  freezes: 0,
  interfaceDrops: 0,
  ownDrops: 0,
  truncated: 0,
  ringFill: 0,
  ringFillHighest: 0,
  rebinds: 0,
}

class FedSource implements LiveSource {
  readonly ring = null
  readonly name = 'fed0'
  readonly state = 'up'
  readonly latencyMs = 0
  readonly #packets: readonly Packet[]
  readonly #atOnce: number
  #at = 0
  #isPaused = false
  ended: () => void = () => {}
  /** Whether the state was saved by this process. */
  isSaved: () => boolean = () => true

  constructor(packets: readonly Packet[], atOnce: number) {
    this.#packets = packets
    this.#atOnce = atOnce
  }

  next(packet: Packet): boolean {
    if (this.#at === this.#packets.length || this.#isPaused) return false
    Object.assign(packet, this.#packets[this.#at++])
    this.#isPaused = this.#at % this.#atOnce === 0
    return true
  }

  async wait(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 2))
    process.stdout.write(`${this.#at}\n`)
    // Half way the state must have been saved: whoever kills finds one.
    if (this.#at >= this.#packets.length / 2 && !this.isSaved()) return
    this.#isPaused = false
    if (this.#at === this.#packets.length) this.ended()
  }

  look(): boolean {
    return false
  }

  get counters(): LiveCounters {
    return { packets: this.#at, bytes: 0, received: this.#at, ...NO_LOSS }
  }

  learn(): void {}
  close(): void {}
}

async function packetsOf(path: string): Promise<Packet[]> {
  const source = await openCapture(path)
  const packets: Packet[] = []
  const frame = new Frame()
  while (await source.fill()) {
    while (source.next(frame)) {
      const { start, end, timeUs, timeNs, originalLength, linkType, interfaceId, number, offset } = frame
      const bytes = frame.bytes.slice(start, end)
      const length = end - start
      packets.push({
        bytes,
        start: 0,
        end: length,
        block: 0,
        blockEnd: length,
        timeUs,
        timeNs,
        originalLength,
        linkType,
        interfaceId,
        number,
        offset,
      })
    }
  }
  await source.close()
  return packets
}

/** The time of the last packet that the state knows; minus infinity without one. */
function savedUs(folder: string): number {
  const path = join(folder, 'trackers.state')
  if (!existsSync(path)) return Number.NEGATIVE_INFINITY
  const [, clock] = readFileSync(path, 'utf8').split('\n')
  return (JSON.parse(clock) as { savedUs: number | null }).savedUs ?? Number.NEGATIVE_INFINITY
}

const [capture, configuration] = process.argv.slice(2)
const context = new Context(configuration)
const knownUs = savedUs(context.config.service.statePath)
const all = await packetsOf(capture)
const packets = all.filter(({ timeUs }) => timeUs > knownUs)
const log = new ServiceLog({
  level: 'info',
  format: 'json',
  perMinute: 100,
  name: 'fed',
  isTerminal: false,
  write: (line) => process.stderr.write(line),
})
const pipeline = await Pipeline.open(context, {
  command: 'borescope watch',
  store: true,
  notify: true,
  isLive: true,
  warn: log.warn,
})
const sensor = pipeline.sensor()
const source = new FedSource(packets, Math.ceil(all.length / PAUSES))
const wallUs = () => (sensor.counts.packets === 0 ? Math.max(knownUs, 0) : sensor.frame.timeUs)
const clock: LiveClock = { monotonicMs: () => wallUs() / 1000, wallUs, sleep: async () => {} }
const notifier = new Notifier({ send: null, watchdogUs: 0, warn: log.warn })
const service = new SensorService({
  context,
  pipeline,
  sensor,
  sources: [source],
  log,
  notifier,
  wallUs,
  // The packets after it will come again: all parts must end at the same one.
  stateSliceMs: Number.POSITIVE_INFINITY,
})
const hooks = { tick: (nowUs: number) => service.tick(nowUs), end: () => service.end() }
const loop = new LiveLoop(sensor, [source], hooks, clock)
const statePath = join(context.config.service.statePath, 'trackers.state')
const startedMs = Date.now()
source.ended = () => loop.stop()
source.isSaved = () => {
  // The time of packets stands still meanwhile, and with it the loop's own ticks.
  service.tick(wallUs())
  return (statSync(statePath, { throwIfNoEntry: false })?.mtimeMs ?? 0) > startedMs
}
process.on('SIGTERM', () => loop.stop())
process.on('SIGHUP', () => void service.reload())
await service.start()
await loop.run()
await service.finish()
process.stdout.write('ended\n')
