/** What the tests of the readers share: captures in a scratch folder, and a source read to its end. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Upcoming } from '../../src/base/upcoming.ts'
import type { ByteStream } from '../../src/capture/byte-stream.ts'
import { type CaptureFault, emptyPacket, type Packet } from '../../src/capture/packet.ts'

export interface ReadPacket extends Omit<Packet, 'bytes' | 'start' | 'end' | 'block' | 'blockEnd'> {
  readonly bytes: number[]
}

/** A packet's values, copied out of the reader's buffer. */
function kept({ bytes, start, end, block: _, blockEnd: __, ...fields }: Packet): ReadPacket {
  return { ...fields, bytes: [...bytes.subarray(start, end)] }
}

interface Readable {
  fill(): Promise<boolean>
  next(packet: Packet): boolean
  readonly fault: CaptureFault | null
}

export async function readAll(source: Readable): Promise<{ packets: ReadPacket[]; fault: CaptureFault | null }> {
  const packets: ReadPacket[] = []
  const packet = emptyPacket()
  while (await source.fill()) while (source.next(packet)) packets.push(kept(packet))
  return { packets, fault: source.fault }
}

interface Previewed {
  next(packet: Packet): boolean
  preview(upcoming: Upcoming): void
}

/** What a source says of the packets to come, and those that came then, as far as something was said: octets, with their link type. */
export function previewed(source: Previewed): { readonly said: ReadWindow[]; readonly came: ReadWindow[] } {
  const upcoming = new Upcoming()
  const packet = emptyPacket()
  source.preview(upcoming)
  const { linkType, starts, ends, count } = upcoming
  const said = Array.from({ length: count }, (_, i) => windowOf(upcoming.bytes, starts[i], ends[i], linkType))
  const came: ReadWindow[] = []
  while (came.length < count && source.next(packet))
    came.push(windowOf(packet.bytes, packet.start, packet.end, packet.linkType))
  return { said, came }
}

type ReadWindow = readonly [linkType: number, ...bytes: number[]]

function windowOf(bytes: Uint8Array, start: number, end: number, linkType: number): ReadWindow {
  return [linkType, ...bytes.subarray(start, end)]
}

/** Gives the bytes in blocks of `blockBytes`, to put every boundary inside a record. */
export class MemoryBytes implements ByteStream {
  readonly flaw = null
  readonly bytesTotal: number
  readonly #bytes: Uint8Array
  readonly #blockBytes: number
  bytesRead = 0

  constructor(bytes: Uint8Array, blockBytes = 0x10_0000) {
    this.#bytes = bytes
    this.#blockBytes = blockBytes
    this.bytesTotal = bytes.length
  }

  async read(into: Uint8Array, at: number, length: number): Promise<number> {
    const end = this.bytesRead + Math.min(length, this.#blockBytes)
    const block = this.#bytes.subarray(this.bytesRead, end)
    into.set(block, at)
    this.bytesRead += block.length
    return block.length
  }

  async close(): Promise<void> {}
}

export class Scratch {
  readonly folder = mkdtempSync(join(tmpdir(), 'borescope-capture-'))

  write(name: string, bytes: Uint8Array | string): string {
    const path = join(this.folder, name)
    writeFileSync(path, bytes)
    return path
  }

  remove(): void {
    rmSync(this.folder, { recursive: true })
  }
}
