/**
 * How much memory it takes to follow very many things at once, and what a packet costs then: `node scale-case.ts TUNNELS SESSIONS
 * FLOWS` (of each tunnel, of each session) sets them all up, keeps them all open, and then sends data in sessions from all over.
 * Prints its result as JSON.
 *
 * The packets come from another process through a pipe: as a file they would be gigabytes, and what makes them would be counted
 * as the sensor's memory.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, openSync, readSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getHeapStatistics } from 'node:v8'
import type { Upcoming } from '../../src/base/upcoming.ts'
import type { Packet } from '../../src/capture/packet.ts'
import { loadConfig } from '../../src/config.ts'
import { Lookahead } from '../../src/lookahead.ts'
import { Sensor } from '../../src/sensor.ts'

const ETHERNET = 1
const START_US = 1_760_000_000_000_000
const DATA_PACKETS = 200_000
const ROUNDS = 10
const BLOCK_BYTES = 1 << 18
const LENGTH_BYTES = 2

/** Packets as `scale-traffic.ts` writes them, in a buffer that is used again. */
class PacketPipe {
  readonly bytes = Buffer.alloc(BLOCK_BYTES)
  /** Of the packet in the buffer. */
  start = 0
  end = 0
  readonly #file: number
  #filled = 0

  constructor(path: string) {
    this.#file = openSync(path, 'r')
  }

  /** False after the last packet. */
  next(): boolean {
    this.start = this.end
    if (!this.#has(LENGTH_BYTES)) return false
    const length = this.bytes.readUInt16BE(this.start)
    if (!this.#has(LENGTH_BYTES + length)) throw new Error('the packets end in the middle of one')
    this.start += LENGTH_BYTES
    this.end = this.start + length
    return true
  }

  /** Whether so many octets from `start` on are there, or come. */
  #has(count: number): boolean {
    while (this.#filled - this.start < count) {
      if (this.start > 0) {
        this.bytes.copyWithin(0, this.start, this.#filled)
        this.#filled -= this.start
        this.start = 0
      }
      const read = readSync(this.#file, this.bytes, this.#filled, BLOCK_BYTES - this.#filled, null)
      if (read === 0) return false
      this.#filled += read
    }
    return true
  }
}

const [tunnels, sessions, flows] = process.argv.slice(2).map(Number)
const { config } = loadConfig(undefined, {})
// Some sessions are refused and open again: they are remembered as well.
const room = {
  tunnelsMax: tunnels,
  sessionsMax: Math.ceil(tunnels * sessions * 1.1),
  flowsMax: tunnels * sessions * flows,
}
const track = Object.fromEntries(
  Object.entries(room).map(([limit, least]) => [limit, Math.max(least, config.track[limit as keyof typeof room])]),
)
const sensor = new Sensor({ ...config, track: { ...config.track, ...track } }, 'bench')
const { frame, trackers } = sensor
frame.linkType = ETHERNET
frame.capture = 'scale'
let nowUs = START_US

function send(bytes: Uint8Array, start: number, end: number): void {
  frame.bytes = bytes
  frame.start = start
  frame.end = end
  frame.originalLength = end - start
  frame.timeUs = ++nowUs
  frame.number++
  sensor.observe()
}

const scratch = mkdtempSync(join(tmpdir(), 'borescope-scale-'))
const fifo = join(scratch, 'packets')
spawnSync('mkfifo', [fifo])
const traffic = spawn(
  process.execPath,
  [
    join(import.meta.dirname, 'scale-traffic.ts'),
    String(tunnels),
    String(sessions),
    String(flows),
    String(DATA_PACKETS),
    fifo,
  ],
  { stdio: ['ignore', 'ignore', 'inherit'] },
)
const pipe = new PacketPipe(fifo)
while (pipe.next() && pipe.end > pipe.start) send(pipe.bytes, pipe.start, pipe.end)
const open = { tunnels: trackers.tunnels.size, sessions: trackers.sessions.size, flows: trackers.flows.size }
const packets = sensor.counts.packets
const memory = process.memoryUsage()
const measured = {
  rssBytes: memory.rss,
  rssMaxBytes: process.resourceUsage().maxRSS * 1024,
  heapBytes: getHeapStatistics().total_heap_size,
  buffersBytes: memory.arrayBuffers,
}

const ends: number[] = []
const data = Buffer.alloc(DATA_PACKETS * 1600)
while (pipe.next()) ends.push((ends.at(-1) ?? 0) + pipe.bytes.copy(data, ends.at(-1) ?? 0, pipe.start, pipe.end))
await once(traffic, 'exit')
rmSync(scratch, { recursive: true })

/** The data as a source, as the packet loops have it. */
const recorded = {
  at: 0,
  next(packet: Packet): boolean {
    if (this.at === ends.length) return false
    packet.bytes = data
    packet.start = this.at === 0 ? 0 : ends[this.at - 1]
    packet.end = ends[this.at++]
    return true
  },
  preview(upcoming: Upcoming): void {
    upcoming.over(data, ETHERNET)
    for (let i = this.at; i < ends.length && !upcoming.isFull; i++) upcoming.add(i === 0 ? 0 : ends[i - 1], ends[i])
  },
}
const lookahead = new Lookahead(trackers)

function play(): void {
  recorded.at = 0
  while (lookahead.next(recorded, frame)) send(data, frame.start, frame.end)
}

play()
const startedUs = process.threadCpuUsage()
for (let round = 0; round < ROUNDS; round++) play()
const { user, system } = process.threadCpuUsage(startedUs)
process.stdout.write(
  JSON.stringify({ ...open, packets, ...measured, packetNs: ((user + system) * 1000) / (ROUNDS * ends.length) }),
)
