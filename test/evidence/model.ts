/** Random packets of random things, written as segments, beside a plain list of them. */
import { packetBlockLength, interfaceDescription, sectionHeader, writePacket } from '../../src/evidence/blocks.ts'
import { SegmentWriter, type WriterOptions } from '../../src/evidence/segment-writer.ts'
import { type Thing, thingOf } from '../../src/evidence/things.ts'
import type { Random } from '../support/random.ts'

export interface ModelPacket {
  readonly segment: number
  readonly timeUs: number
  readonly things: readonly string[]
  readonly bytes: Uint8Array
}

export function uid(letter: string, number: number): string {
  return `${letter}-${number.toString(16).padStart(12, '0')}`
}

/** A tunnel, perhaps with a session and a flow in it. */
export function lineage(random: Random, tunnels: number): string[] {
  const tunnel = random.below(tunnels)
  const things = [uid('t', tunnel)]
  if (random.chance(0.2)) return things
  const session = tunnel * 4 + random.below(3)
  things.push(uid('s', session))
  if (random.chance(0.8)) things.push(uid('f', session * 1000 + random.below(6)))
  return things
}

export function thingsOf(uids: readonly string[]): Thing[] {
  return uids.map((name) => thingOf(name) as Thing)
}

/** Writes segments as the recorder does, chunk by chunk. */
export class ModelStore {
  readonly packets: ModelPacket[] = []
  readonly writer: SegmentWriter
  #segment = 0
  #isBegun = false
  #paths = new Map<string, number>()
  #timeUs = 1_700_000_000_000_000

  constructor(options: WriterOptions) {
    this.writer = new SegmentWriter(options)
  }

  begin(): void {
    this.#segment++
    this.#isBegun = false
    this.#paths = new Map()
    this.writer.begin(this.#segment)
  }

  /** A chunk of so many packets. Gives whether it was written; then its packets are in the list. */
  chunk(random: Random, count: number, tunnels: number): boolean {
    const packets = Array.from({ length: count }, (): ModelPacket => {
      this.#timeUs += random.below(5000)
      const bytes = random.bytes(1 + random.below(120))
      return { segment: this.#segment, timeUs: this.#timeUs, things: lineage(random, tunnels), bytes }
    })
    const blocks: Uint8Array[] = this.#isBegun ? [] : [sectionHeader('test', ''), interfaceDescription(1, 'model')]
    this.#isBegun = true
    const entries: number[] = []
    const paths: number[] = []
    for (const packet of packets) {
      const key = packet.things.join(' ')
      let path = this.#paths.get(key)
      if (path === undefined) {
        path = this.#paths.size
        this.#paths.set(key, path)
        entries.push(this.#segment, path, packet.things.length)
        for (const { high, low } of thingsOf(packet.things)) entries.push(high, low)
      }
      paths.push(path)
      const block = Buffer.alloc(packetBlockLength(packet.bytes.length))
      const view = new DataView(block.buffer, block.byteOffset)
      const { timeUs } = packet
      writePacket(view, block, 0, 0, { timeUs, timeNs: 7, originalLength: 1500 }, packet.bytes, 0, packet.bytes.length)
      blocks.push(block)
    }
    const isWritten = this.writer.write({
      payload: Buffer.concat(blocks),
      paths: Uint32Array.from(paths),
      entries: Uint32Array.from(entries),
      firstUs: packets[0].timeUs,
      lastUs: packets[packets.length - 1].timeUs,
    })
    if (isWritten) this.packets.push(...packets)
    return isWritten
  }
}
