/**
 * The packets for `scale-case.ts`, in a process of its own so that what they are made of is in nobody else's memory: `node
 * scale-traffic.ts TUNNELS SESSIONS FLOWS DATA OUT` writes to the file OUT, each packet after its length in two octets.
 *
 * First come those that set everything up and keep it open, then a length of zero, then DATA packets in sessions from all over.
 */
import { openSync, writeSync } from 'node:fs'
import { Random } from '../support/random.ts'
import { type Carrier, FlowWriter, type PacketOutput, Tunnel } from './generate.ts'
import { FRAME_BYTES_MAX, put16 } from './pcap-writer.ts'

const BLOCK_BYTES = 1 << 18
const LENGTH_BYTES = 2
/** Sessions that carry data: what is known of so many has no room in any cache. */
const CARRIERS_KEPT = 50_000

class PipeOutput implements PacketOutput {
  readonly bytes = Buffer.alloc(BLOCK_BYTES)
  readonly #file: number
  #at = 0

  constructor(path: string) {
    this.#file = openSync(path, 'w')
  }

  begin(): number {
    if (this.#at + LENGTH_BYTES + FRAME_BYTES_MAX > BLOCK_BYTES) this.flush()
    return this.#at + LENGTH_BYTES
  }

  commit(_timeUs: number, end: number): void {
    put16(this.bytes, this.#at, end - this.#at - LENGTH_BYTES)
    this.#at = end
  }

  write(frame: Uint8Array): void {
    const start = this.begin()
    this.bytes.set(frame, start)
    this.commit(0, start + frame.length)
  }

  flush(): void {
    for (let from = 0; from < this.#at; ) from += writeSync(this.#file, this.bytes, from, this.#at - from)
    this.#at = 0
  }
}

const [tunnels, sessions, flows, data] = process.argv.slice(2, 6).map(Number)
const output = new PipeOutput(process.argv[6])
const random = new Random(1)
const writer = new FlowWriter(random, output)
const kept: Carrier[] = []
const keepEach = Math.max(1, Math.ceil((tunnels * sessions) / CARRIERS_KEPT))
let carriers = 0
for (let i = 0; i < tunnels; i++) {
  const tunnel = new Tunnel(i, random, sessions)
  for (const frame of tunnel.setUp((i * 40503) & 0xffff)) output.write(frame)
  for (const carrier of tunnel.carriers) {
    carrier.flows.length = flows
    for (const flow of carrier.flows) writer.next(0, carrier, flow)
    if (carriers++ % keepEach === 0) kept.push(carrier)
  }
}
output.write(new Uint8Array(0))
for (let i = 0; i < data; i++) {
  const carrier = random.pick(kept)
  writer.next(0, carrier, random.pick(carrier.flows))
}
output.flush()
