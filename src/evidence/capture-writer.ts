/** Writes a pcapng file that appears whole or not at all, or to stdout; and sums up what it wrote. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs'
import { type TargetFile, targetFile } from '../base/target-file.ts'
import { interfaceDescription, packetBlockLength, sectionHeader, type StoredPacket, writePacket } from './blocks.ts'
import { writeAll } from './segment-file.ts'

export interface OutputPacket extends StoredPacket {
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
}

/** What was written so far. */
export interface OutputTotals {
  packets: number
  /** Of the file. */
  bytes: number
  /** Packets that the capture or the snap rules cut. */
  cut: number
  /** Microseconds; NaN before the first packet. */
  firstUs: number
  lastUs: number
}

const BUFFER_BYTES = 0x10_0000

export class CaptureWriter {
  readonly totals: OutputTotals = { packets: 0, bytes: 0, cut: 0, firstUs: Number.NaN, lastUs: Number.NaN }
  readonly #target: TargetFile | null
  readonly #file: number | null
  readonly #hash = createHash('sha256')
  readonly #interfaces = new Map<string, number>()
  #buffer = Buffer.alloc(BUFFER_BYTES)
  #view = new DataView(this.#buffer.buffer, this.#buffer.byteOffset)
  #used = 0

  /** `-` is stdout; a pipe or a device is written as it is. @throws the system's error if the file cannot be made */
  constructor(path: string, application: string, comment: string) {
    this.#target = path === '-' ? null : targetFile(path)
    this.#file = this.#target === null ? null : openSync(this.#target.partial ?? path, 'w', 0o600)
    this.#put(sectionHeader(application, comment))
  }

  /** `interfaceName` is where the packet was captured. Call `drain` now and then. */
  write(packet: OutputPacket, linkType: number, interfaceName: string): void {
    const key = `${linkType} ${interfaceName}`
    let id = this.#interfaces.get(key)
    if (id === undefined) {
      id = this.#interfaces.size
      this.#interfaces.set(key, id)
      this.#put(interfaceDescription(linkType, interfaceName))
    }
    const captured = packet.end - packet.start
    this.#reserve(packetBlockLength(captured))
    this.#used = writePacket(this.#view, this.#buffer, this.#used, id, packet, packet.bytes, packet.start, captured)
    const { totals } = this
    totals.packets++
    if (captured < packet.originalLength) totals.cut++
    if (!(packet.timeUs >= totals.firstUs)) totals.firstUs = packet.timeUs
    if (!(packet.timeUs <= totals.lastUs)) totals.lastUs = packet.timeUs
  }

  #put(block: Uint8Array): void {
    this.#reserve(block.length)
    this.#buffer.set(block, this.#used)
    this.#used += block.length
  }

  #reserve(bytes: number): void {
    const needed = this.#used + bytes
    if (needed <= this.#buffer.length) return
    const larger = Buffer.alloc(Math.max(needed, this.#buffer.length * 2))
    larger.set(this.#buffer.subarray(0, this.#used))
    this.#buffer = larger
    this.#view = new DataView(larger.buffer, larger.byteOffset)
  }

  /** Writes what has gathered, if it is much. */
  async drain(atLeast: number = BUFFER_BYTES / 2): Promise<void> {
    if (this.#used < atLeast || this.#used === 0) return
    const bytes = this.#buffer.subarray(0, this.#used)
    this.#hash.update(bytes)
    if (this.#file !== null) writeAll(this.#file, bytes, this.#target?.partial == null ? null : this.totals.bytes)
    // The stream keeps what it is given until the reader took it.
    else if (!process.stdout.write(Buffer.from(bytes))) await once(process.stdout, 'drain')
    this.totals.bytes += bytes.length
    this.#used = 0
  }

  /** The file is there from now on. Gives its SHA-256, hexadecimal. */
  async close(): Promise<string> {
    await this.drain(0)
    if (this.#file !== null) {
      const { path, partial } = this.#target as TargetFile
      if (partial !== null) fsyncSync(this.#file)
      closeSync(this.#file)
      if (partial !== null) renameSync(partial, path)
    }
    return this.#hash.digest('hex')
  }

  /** Gives up: nothing is left behind. */
  abort(): void {
    if (this.#file === null) return
    closeSync(this.#file)
    if (this.#target?.partial != null) rmSync(this.#target.partial, { force: true })
  }
}
