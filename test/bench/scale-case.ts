/**
 * How much memory it takes to follow very many things at once, and what a packet costs then: `node scale-case.ts TUNNELS SESSIONS
 * FLOWS` (of each tunnel, of each session) sets them all up, keeps them all open, and then sends data in sessions from all over.
 * Prints its result as JSON.
 *
 * The packets go straight from the generator into the sensor: as a file they would be tens of gigabytes.
 */
import { loadConfig } from '../../src/config.ts'
import { Sensor } from '../../src/sensor.ts'
import { Random } from '../support/random.ts'
import { type Carrier, FlowWriter, type PacketOutput, Tunnel } from './generate.ts'
import { FRAME_BYTES_MAX } from './pcap-writer.ts'

const ETHERNET = 1
const START_US = 1_760_000_000_000_000
const RECORDED_PACKETS = 200_000
const ROUNDS = 10
/** Sessions that carry them: what is known of so many has no room in any cache. */
const CARRIERS_KEPT = 50_000

/** Gives packets to a sensor instead of writing them, or keeps them to give them later. */
class SensorOutput implements PacketOutput {
  readonly bytes = Buffer.alloc(FRAME_BYTES_MAX)
  readonly #sensor: Sensor
  #recording: Buffer | null = null
  readonly #ends: number[] = []
  #nowUs = START_US

  constructor(sensor: Sensor) {
    this.#sensor = sensor
    sensor.frame.linkType = ETHERNET
    sensor.frame.capture = 'scale'
  }

  begin(): number {
    return 0
  }

  commit(_timeUs: number, end: number): void {
    if (this.#recording === null) this.send(this.bytes, 0, end)
    else this.#ends.push((this.#ends.at(-1) ?? 0) + this.bytes.copy(this.#recording, this.#ends.at(-1) ?? 0, 0, end))
  }

  send(bytes: Uint8Array, start: number, end: number): void {
    const { frame } = this.#sensor
    frame.bytes = bytes
    frame.start = start
    frame.end = end
    frame.originalLength = end - start
    frame.timeUs = ++this.#nowUs
    frame.number++
    this.#sensor.observe()
  }

  record(): void {
    this.#recording = Buffer.alloc(RECORDED_PACKETS * FRAME_BYTES_MAX)
  }

  /** Sends all that was recorded. */
  play(): void {
    const bytes = this.#recording!
    let start = 0
    for (const end of this.#ends) {
      this.send(bytes, start, end)
      start = end
    }
  }
}

const [tunnels, sessions, flows] = process.argv.slice(2).map(Number)
const sensor = new Sensor(loadConfig(undefined, {}).config, 'bench')
const output = new SensorOutput(sensor)
const random = new Random(1)
const writer = new FlowWriter(random, output)
const kept: Carrier[] = []
const keepEach = Math.max(1, Math.ceil((tunnels * sessions) / CARRIERS_KEPT))
let carriers = 0
for (let i = 0; i < tunnels; i++) {
  const tunnel = new Tunnel(i, random, sessions)
  for (const frame of tunnel.setUp((i * 40503) & 0xffff)) output.send(frame, 0, frame.length)
  for (const carrier of tunnel.carriers) {
    carrier.flows.length = flows
    for (const flow of carrier.flows) writer.next(0, carrier, flow)
    if (carriers++ % keepEach === 0) kept.push(carrier)
  }
}
const { trackers } = sensor
const open = { tunnels: trackers.tunnels.size, sessions: trackers.sessions.size, flows: trackers.flows.size }
const packets = sensor.counts.packets
globalThis.gc?.()
const rssBytes = process.memoryUsage.rss()

output.record()
for (let i = 0; i < RECORDED_PACKETS; i++) {
  const carrier = random.pick(kept)
  writer.next(0, carrier, random.pick(carrier.flows))
}
output.play()
const startedMs = performance.now()
for (let round = 0; round < ROUNDS; round++) output.play()
const nanoseconds = (performance.now() - startedMs) * 1e6
process.stdout.write(
  JSON.stringify({ ...open, packets, rssBytes, packetNs: nanoseconds / (ROUNDS * RECORDED_PACKETS) }),
)
