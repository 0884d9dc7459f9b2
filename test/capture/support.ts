/** What the tests of the readers share: captures in a scratch folder, and a source read to its end. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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
