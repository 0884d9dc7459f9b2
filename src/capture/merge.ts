/** Several captures as one, in the order of time: the two directions of a tap, or the files of a rotated capture. */
import type { Upcoming } from '../base/upcoming.ts'
import { type CaptureFault, copyPacket, emptyPacket, type Packet } from './packet.ts'
import type { Source } from './sources.ts'

export interface MergedSource {
  readonly sources: readonly Source[]
  /** Where the packet came from that `next` gave last, and which of the sources that is. */
  readonly current: Source
  readonly place: number
  fill(): Promise<boolean>
  next(packet: Packet): boolean
  /** As the current source does it: the others may have a packet before those. */
  preview(upcoming: Upcoming): void
  /** The faults met so far, in the order of the sources. */
  readonly faults: readonly { readonly source: Source; readonly fault: CaptureFault }[]
  readonly progress: { readonly bytesRead: number; readonly bytesTotal: number | null }
  close(): Promise<void>
}

/**
 * Merges by (timeUs, timeNs, place in `sources`). The packets of one source stay in their order, also where its clock
 * steps back: only first packets are compared. A packet keeps the number and the offset that it has in its own file.
 */
export function mergeByTime(sources: readonly Source[]): MergedSource {
  if (sources.length === 0) throw new RangeError('mergeByTime needs at least one source')
  return sources.length === 1 ? new Single(sources) : new Merge(sources)
}

class Single implements MergedSource {
  readonly sources: readonly Source[]
  readonly current: Source
  readonly place = 0

  constructor(sources: readonly Source[]) {
    this.sources = sources
    this.current = sources[0]
  }

  fill(): Promise<boolean> {
    return this.current.fill()
  }

  next(packet: Packet): boolean {
    return this.current.next(packet)
  }

  preview(upcoming: Upcoming): void {
    this.current.preview(upcoming)
  }

  get faults(): MergedSource['faults'] {
    return faultsOf(this.sources)
  }

  get progress(): MergedSource['progress'] {
    return this.current.progress
  }

  close(): Promise<void> {
    return this.current.close()
  }
}

class Merge implements MergedSource {
  readonly sources: readonly Source[]
  current: Source
  place = 0
  /** A binary heap of the lanes that have a packet, the earliest first. */
  readonly #heap: Lane[] = []
  /** The lanes that must be filled before anyone knows which packet is next. */
  #empty: Lane[]
  /** Whether the packet of the first lane has been given out. It is replaced on the next call: till then it is in use. */
  #isTaken = false

  constructor(sources: readonly Source[]) {
    this.sources = sources
    this.current = sources[0]
    this.#empty = sources.map((source, order) => new Lane(source, order))
  }

  async fill(): Promise<boolean> {
    const waiting: Lane[] = []
    for (const lane of this.#empty) {
      if (!(await lane.source.fill())) continue
      if (lane.source.next(lane.packet)) this.#insert(lane)
      else waiting.push(lane)
    }
    this.#empty = waiting
    return this.#heap.length > 0 || waiting.length > 0
  }

  next(packet: Packet): boolean {
    if (this.#isTaken) this.#replaceFirst()
    if (this.#empty.length > 0 || this.#heap.length === 0) return false

    const first = this.#heap[0]
    copyPacket(first.packet, packet)
    this.current = first.source
    this.place = first.order
    this.#isTaken = true
    return true
  }

  preview(upcoming: Upcoming): void {
    this.current.preview(upcoming)
  }

  get faults(): MergedSource['faults'] {
    return faultsOf(this.sources)
  }

  get progress(): MergedSource['progress'] {
    let bytesRead = 0
    let bytesTotal: number | null = 0
    for (const { progress } of this.sources) {
      bytesRead += progress.bytesRead
      bytesTotal = bytesTotal === null || progress.bytesTotal === null ? null : bytesTotal + progress.bytesTotal
    }
    return { bytesRead, bytesTotal }
  }

  async close(): Promise<void> {
    for (const source of this.sources) await source.close()
  }

  #replaceFirst(): void {
    this.#isTaken = false
    const heap = this.#heap
    const first = heap[0]
    if (!first.source.next(first.packet)) {
      this.#empty.push(first)
      const last = heap.pop()!
      if (heap.length === 0) return
      heap[0] = last
    }
    this.#sink()
  }

  #sink(): void {
    const heap = this.#heap
    const lane = heap[0]
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1], heap[child])) child++
      if (!isBefore(heap[child], lane)) break
      heap[at] = heap[child]
      at = child
    }
    heap[at] = lane
  }

  #insert(lane: Lane): void {
    const heap = this.#heap
    let at = heap.push(lane) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(lane, heap[parent])) break
      heap[at] = heap[parent]
      at = parent
    }
    heap[at] = lane
  }
}

/** One source and its first packet. */
class Lane {
  readonly source: Source
  readonly order: number
  readonly packet: Packet = emptyPacket()

  constructor(source: Source, order: number) {
    this.source = source
    this.order = order
  }
}

function isBefore(a: Lane, b: Lane): boolean {
  if (a.packet.timeUs !== b.packet.timeUs) return a.packet.timeUs < b.packet.timeUs
  if (a.packet.timeNs !== b.packet.timeNs) return a.packet.timeNs < b.packet.timeNs
  return a.order < b.order
}

function faultsOf(sources: readonly Source[]): MergedSource['faults'] {
  return sources.flatMap((source) => (source.fault === null ? [] : [{ source, fault: source.fault }]))
}
