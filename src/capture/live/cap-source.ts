/**
 * Packets of an interface through the npm package `cap` 0.2, which whoever wants it has installed: it is compiled where it is
 * installed, and its last release is of 2019. It calls back for every packet, tells no time and counts no losses, so that
 * packets wait here in a ring of our own, with the time at which they came.
 */
import { createRequire } from 'node:module'
import { type LiveCounters, LiveError, type LiveOptions, type LiveSource } from '../live.ts'
import type { Packet } from '../packet.ts'
import { noInterface } from './interfaces.ts'

/** What of the package is used. */
interface Cap {
  open(device: string, filter: string, bufferBytes: number, buffer: Buffer): string
  setMinBytes?(bytes: number): void
  on(event: 'packet', listener: (bytes: number, isTruncated: boolean) => void): void
  close(): void
}
interface CapModule {
  readonly Cap: {
    new (): Cap
    deviceList(): readonly { readonly name: string }[]
  }
}

const PACKAGE = 'cap'
const LINKTYPES: Readonly<Record<string, number>> = { ETHERNET: 1, NULL: 0, RAW: 101, LINKTYPE_LINUX_SLL: 113 }
/** The package hands out no longer packets. */
const PACKET_BYTES_MAX = 65_535
const HEADER_BYTES = 16

function loadCap(): CapModule {
  try {
    return createRequire(import.meta.url)(PACKAGE) as CapModule
  } catch (error) {
    throw new LiveError(
      'no_backend',
      `the package cap cannot be loaded (${(error as Error).message.split('\n', 1)[0]}): run 'npm install cap' where Borescope is installed, which takes a C++ compiler and the headers of libpcap; or use --backend libpcap`,
    )
  }
}

/**
 * Opens an interface. Throws a `LiveError`.
 *
 * @param filter in the language of libpcap; empty for every packet
 */
export function openCap(name: string, options: LiveOptions, filter: string): LiveSource {
  const { Cap } = loadCap()
  if (!Cap.deviceList().some((device) => device.name === name)) throw noInterface(name)
  return new CapSource(new Cap(), name, options, filter)
}

export class CapSource implements LiveSource {
  readonly ring = null
  readonly name: string
  readonly latencyMs = 5
  readonly state = 'up'
  readonly #cap: Cap
  readonly #linkType: number
  readonly #snapLength: number
  readonly #buffer = Buffer.alloc(PACKET_BYTES_MAX)
  /** Records of 16 bytes (time, length, kept) and packets, one after the other and round again; none is split. */
  readonly #ring: Uint8Array
  readonly #view: DataView
  #readAt = 0
  #writeAt = 0
  /** Bytes from the last read record to the last written one, padding at the end included. */
  #used = 0
  /** What the last record takes: it is in use until the next one is asked for. */
  #taken = 0
  #usedHighest = 0
  readonly #counted = { packets: 0, bytes: 0, received: 0, ownDrops: 0, truncated: 0 }
  #wake: (() => void) | null = null
  #isClosed = false

  constructor(cap: Cap, name: string, options: LiveOptions, filter: string) {
    this.name = name
    this.#cap = cap
    this.#snapLength = Math.min(options.snapLength, PACKET_BYTES_MAX)
    this.#ring = new Uint8Array(options.bufferBytes)
    this.#view = new DataView(this.#ring.buffer)
    let linkType: string
    try {
      linkType = cap.open(name, filter, options.bufferBytes, this.#buffer)
    } catch (error) {
      throw new LiveError('failed', `${name} cannot be watched through cap: ${(error as Error).message}`)
    }
    const known = LINKTYPES[linkType]
    if (known === undefined) throw new LiveError('unsupported', `${name} is a ${linkType}, which is not read`)
    this.#linkType = known
    cap.setMinBytes?.(0)
    cap.on('packet', (bytes) => this.#arrive(bytes))
  }

  next(packet: Packet): boolean {
    this.#release()
    if (this.#used === 0) return false
    const ring = this.#ring
    const view = this.#view
    if (ring.length - this.#readAt < HEADER_BYTES || view.getUint32(this.#readAt + 12) === SKIP) {
      this.#used -= ring.length - this.#readAt
      this.#readAt = 0
    }
    const at = this.#readAt
    const kept = view.getUint32(at + 12)
    packet.bytes = ring
    packet.start = at + HEADER_BYTES
    packet.end = packet.start + kept
    packet.timeUs = view.getFloat64(at)
    packet.timeNs = 0
    packet.originalLength = view.getUint32(at + 8)
    packet.linkType = this.#linkType
    packet.interfaceId = 0
    packet.number = ++this.#counted.packets
    packet.offset = 0
    this.#counted.bytes += kept
    if (kept < packet.originalLength) this.#counted.truncated++
    this.#taken = sizeOf(kept)
    return true
  }

  async wait(timeoutMs: number): Promise<void> {
    this.#release()
    if (this.#isClosed || this.#used > 0) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#wake = null
  }

  /** The package ends the process when the interface vanishes. */
  look(): boolean {
    return false
  }

  get counters(): LiveCounters {
    return {
      ...this.#counted,
      kernelDrops: 0,
      freezes: 0,
      interfaceDrops: 0,
      ringFill: this.#used / this.#ring.length,
      ringFillHighest: this.#usedHighest / this.#ring.length,
      rebinds: 0,
    }
  }

  /** Its filter takes all of UDP, and cannot be changed. */
  learn(): void {}

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#used = 0
    this.#taken = 0
    this.#cap.close()
  }

  #release(): void {
    this.#readAt += this.#taken
    this.#used -= this.#taken
    this.#taken = 0
  }

  #arrive(length: number): void {
    this.#counted.received++
    const kept = Math.min(length, this.#snapLength)
    const size = sizeOf(kept)
    const ring = this.#ring
    const isRound = ring.length - this.#writeAt < size
    const padding = isRound ? ring.length - this.#writeAt : 0
    if (this.#used + padding + size > ring.length) {
      this.#counted.ownDrops++
      return
    }
    if (isRound) {
      if (padding >= HEADER_BYTES) this.#view.setUint32(this.#writeAt + 12, SKIP)
      this.#writeAt = 0
    }
    const at = this.#writeAt
    this.#view.setFloat64(at, Date.now() * 1000)
    this.#view.setUint32(at + 8, length)
    this.#view.setUint32(at + 12, kept)
    ring.set(this.#buffer.subarray(0, kept), at + HEADER_BYTES)
    this.#writeAt += size
    this.#used += padding + size
    this.#usedHighest = Math.max(this.#usedHighest, this.#used)
    this.#wake?.()
  }
}

/** In place of a length: the rest of the ring is empty. */
const SKIP = 0xffff_ffff

function sizeOf(kept: number): number {
  return HEADER_BYTES + Math.ceil(kept / 8) * 8
}
