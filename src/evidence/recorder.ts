/**
 * Keeps packets as evidence: the end of the packet path. A packet is copied once or twice and indexed by what the trackers found
 * it to be part of; packing and writing is another thread's work. Nothing here waits, and nothing is allocated a packet.
 *
 * Control goes to the queue at once. Data of which only the headers are kept is first held whole for some seconds: an alert in
 * that time makes it worth keeping.
 */
import { hashWindow } from '../base/hash.ts'
import type { Packet } from '../capture/packet.ts'
import { type Recent, RecentPackets } from '../capture/recent.ts'
import type { Verdict } from '../dissect/dissector.ts'
import type { Frame } from '../dissect/frame.ts'
import type { EventDocument } from '../events/fields.ts'
import type { Trackers } from '../track/trackers.ts'
import type { IpView } from '../wire/ip.ts'
import { Alerted, type AlertLevel, type AlertScope } from './alerted.ts'
import { interfaceDescription, packetBlockLength, sectionHeader, writePacket } from './blocks.ts'
import { OuterHeader } from './outer-header.ts'
import { type Path, Paths } from './paths.ts'
import type { Filler, SharedChunk } from './queue.ts'
import { CLASS, type PacketClass, type Snap, Snapper } from './snap.ts'
import type { Thing } from './things.ts'

export interface RecorderOptions {
  /** What is kept of data, of what IPsec hides, and of what the sensor does not follow. Control is kept whole. */
  readonly data: Snap
  readonly encrypted: Snap
  readonly other: Snap
  readonly alerts: AlertScope
  readonly alertLevel: AlertLevel
  readonly alertedMax: number
  /** How long data is held for an alert to come. */
  readonly beforeUs: number
  readonly ringBytes: number
  /** A segment is closed when it is so large, or so old. */
  readonly segmentBytes: number
  readonly segmentMs: number
  /** A chunk is handed over when it is full, or so old. */
  readonly flushMs: number
  readonly pathsMax: number
  /** The number of the first segment. */
  readonly firstSegment: number
  /** The program, for the section headers. */
  readonly application: string
}

/** Packets, by what became of them. `recorded` were handed over to be written. */
export interface RecorderCounters {
  recorded: number
  /** Recorded without the end of their payload, as the snap rules say. */
  cut: number
  /** Recorded whole because of an alert, which the rules alone would have cut. */
  alerted: number
  /** Not wanted by the rules. */
  passedOver: number
  /** The queue was full: the disk is too slow. Data goes before control. */
  droppedData: number
  droppedControl: number
  /** Held for a shorter time than configured, because the ring was full. */
  heldShort: number
  held: number
}

/** Chunks at the end of the queue that only control may use. */
const RESERVED = 2
/** Longer than any packet of a capture. */
const PACKET_BYTES_MAX = 0x4_0000
/** How often the clock is looked at. */
const PACKETS_PER_LOOK = 256
const INTERFACES_MAX = 65_536
/** Words of an entry with as many things as a path can have. */
const ENTRY_WORDS_MAX = 64

interface Origin {
  readonly capture: string
  readonly linkType: number
  readonly interfaceId: number
  readonly key: number
  segment: number
  number: number
}

export class EvidenceRecorder {
  readonly counters: RecorderCounters = {
    recorded: 0,
    cut: 0,
    alerted: 0,
    passedOver: 0,
    droppedData: 0,
    droppedControl: 0,
    heldShort: 0,
    held: 0,
  }
  readonly #options: RecorderOptions
  readonly #filler: Filler
  readonly #alerted: Alerted
  readonly #snapper = new Snapper()
  readonly #outer = new OuterHeader()
  readonly #snaps: readonly Snap[]
  readonly #ring: RecentPackets<Path> | null
  readonly #header: Buffer
  #paths: Paths
  /** Null between two chunks. */
  #chunk: SharedChunk | null = null
  #chunkMs = 0
  #segment: number
  #segmentMs = 0
  #segmentBytes = 0
  #nextPath = 0
  #nextInterface = 0
  #isSegmentDue = true
  #broken = 0
  #origins: Origin[] = []
  #origin: Origin | null = null
  #looks = 0

  constructor(filler: Filler, options: RecorderOptions) {
    this.#filler = filler
    this.#options = options
    this.#alerted = new Alerted(options.alerts, options.alertLevel, options.alertedMax)
    this.#snaps = ['whole', options.data, options.encrypted, options.other]
    const isHeld = options.beforeUs > 0 && options.alerts !== 'none' && this.#snaps.includes('headers')
    this.#ring = isHeld ? new RecentPackets<Path>(options.ringBytes, NO_PATH) : null
    this.#header = sectionHeader(options.application, '')
    this.#segment = options.firstSegment - 1
    this.#paths = this.#newPaths()
  }

  #newPaths(): Paths {
    return new Paths(this.#options.pathsMax, (path, things) => this.#writeEntry(path.segment, path.number, things))
  }

  /** Another sensor begins, whose numbers mean other things. What is held goes. */
  beginTimeline(): void {
    this.#releaseAll()
    this.#paths = this.#newPaths()
  }

  /** A subscriber of the bus. */
  readonly observe = (document: EventDocument): void => this.#alerted.observe(document)

  record(frame: Frame, verdict: Verdict, trackers: Trackers): void {
    const { counters } = this
    const outer = this.#outer.of(frame)
    const isPiece = outer?.isFragment
    const packetClass = isPiece ? CLASS.CONTROL : this.#snapper.classOf(frame, verdict)
    const snap = this.#snaps[packetClass]
    this.#release(frame)
    if (++this.#looks % PACKETS_PER_LOOK === 0) this.#lookAtClock()
    if (snap === 'none') {
      counters.passedOver++
      return
    }
    const path = this.#paths.of(frame, verdict, trackers, outer)
    if (snap === 'whole') this.#write(frame, frame.end, this.#originOf(frame), path, packetClass === CLASS.CONTROL)
    else this.#hold(frame, packetClass, outer, path)
  }

  #hold(frame: Frame, packetClass: PacketClass, outer: IpView | null, path: Path): void {
    const ring = this.#ring
    const headersEnd = this.#snapper.headersEnd(frame, packetClass, outer)
    const source = outer === null ? 0 : hashWindow(outer.bytes, outer.sourceAt, outer.sourceAt + outer.addressLength)
    const destination =
      outer === null ? 0 : hashWindow(outer.bytes, outer.destinationAt, outer.destinationAt + outer.addressLength)
    const origin = this.#originOf(frame)
    const length = frame.end - frame.start
    while (ring !== null && ring.size > 0 && !ring.hasRoom(length)) this.#releaseOldest(ring, true)
    if (ring === null || !ring.hasRoom(length)) {
      const isAlerted = this.#isAlerted(path, source, destination)
      this.#writeCut(frame, headersEnd, isAlerted, origin, path)
      return
    }
    this.counters.held++
    ring.push(frame, headersEnd - frame.start, origin.key, source, destination, path)
  }

  #isAlerted(path: Path, source: number, destination: number): boolean {
    return this.#alerted.hasPath(path) || this.#alerted.hasPeer(source, destination)
  }

  /** What has been held long enough goes, as far as the queue takes it. */
  #release(frame: Packet): void {
    const ring = this.#ring
    if (ring === null) return
    while (ring.isOldestBefore(frame, this.#options.beforeUs) && this.#mayWriteData()) this.#releaseOldest(ring, false)
  }

  #releaseAll(): void {
    const ring = this.#ring
    while (ring !== null && ring.size > 0) this.#releaseOldest(ring, false)
  }

  #releaseOldest(ring: RecentPackets<Path>, isShort: boolean): void {
    const oldest = ring.oldest()
    const { start, keep, interfaceKey, tag, source, destination } = oldest
    if (isShort) this.counters.heldShort++
    this.#writeCut(oldest, start + keep, this.#isAlerted(tag, source, destination), this.#origins[interfaceKey], tag)
    ring.shift()
  }

  #writeCut(packet: Packet | Recent<Path>, headersEnd: number, isAlerted: boolean, origin: Origin, path: Path): void {
    const isLonger = headersEnd < packet.end
    const isWritten = this.#write(packet, isAlerted ? packet.end : headersEnd, origin, path, false)
    if (!isWritten || !isLonger) return
    if (isAlerted) this.counters.alerted++
    else this.counters.cut++
  }

  #mayWriteData(): boolean {
    return this.#filler.free > RESERVED
  }

  /** False if the queue is full. */
  #write(packet: Packet | Recent<Path>, end: number, origin: Origin, path: Path, isControl: boolean): boolean {
    const { counters } = this
    const captured = end - packet.start
    const chunk = isControl || this.#mayWriteData() ? this.#chunkFor(packetBlockLength(captured)) : null
    if (chunk === null || captured > PACKET_BYTES_MAX) {
      if (isControl) counters.droppedControl++
      else counters.droppedData++
      return false
    }
    if (origin.segment !== this.#segment) this.#describe(chunk, origin)
    if (path.segment !== this.#segment) {
      path.segment = this.#segment
      path.number = this.#nextPath++
      this.#putEntry(chunk, this.#segment, path.number, path.things)
    }
    const at = chunk.payloadBytes
    chunk.payloadBytes = writePacket(
      chunk.view,
      chunk.payload,
      at,
      origin.number,
      packet,
      packet.bytes,
      packet.start,
      captured,
    )
    chunk.paths[chunk.packets] = path.number
    chunk.packets++
    chunk.widen(packet)
    counters.recorded++
    return true
  }

  /** A chunk with so much room, and room for whatever must be said of a packet; null if none is free. */
  #chunkFor(bytes: number): SharedChunk | null {
    const known = this.#chunk
    if (known !== null) {
      const isFull =
        known.payloadBytes + bytes + this.#header.length + DESCRIPTION_BYTES_MAX > known.payload.length ||
        known.packets === known.paths.length ||
        known.entryWords + ENTRY_WORDS_MAX > known.entries.length
      if (!isFull) return known
      this.#publish(known)
    }
    if (this.#filler.free === 0) return null
    this.#beginSegmentIfDue()
    const chunk = this.#filler.current
    chunk.clear(this.#segment)
    this.#chunk = chunk
    this.#chunkMs = performance.now()
    if (this.#segmentBytes === 0) this.#put(chunk, this.#header)
    return chunk
  }

  #beginSegmentIfDue(): void {
    const { broken } = this.#filler
    if (broken === this.#broken && !this.#isSegmentDue) return
    this.#broken = broken
    this.#isSegmentDue = false
    this.#segment++
    this.#segmentBytes = 0
    this.#segmentMs = performance.now()
    this.#nextPath = 0
    this.#nextInterface = 0
  }

  #publish(chunk: SharedChunk): void {
    this.#segmentBytes += chunk.payloadBytes
    this.#chunk = null
    this.#filler.publish()
    if (this.#segmentBytes >= this.#options.segmentBytes) this.#isSegmentDue = true
  }

  #put(chunk: SharedChunk, block: Uint8Array): void {
    chunk.payload.set(block, chunk.payloadBytes)
    chunk.payloadBytes += block.length
  }

  #describe(chunk: SharedChunk, origin: Origin): void {
    origin.segment = this.#segment
    origin.number = this.#nextInterface++
    const name = origin.interfaceId === 0 ? origin.capture : `${origin.capture} (interface ${origin.interfaceId})`
    this.#put(chunk, interfaceDescription(origin.linkType, name.slice(0, NAME_LENGTH_MAX)))
  }

  /** What a path stands for, or more of it. */
  #writeEntry(segment: number, path: number, things: readonly Thing[]): void {
    if (segment === 0 || things.length === 0) return
    const chunk = this.#chunkFor(0)
    if (chunk !== null) this.#putEntry(chunk, segment, path, things)
  }

  #putEntry(chunk: SharedChunk, segment: number, path: number, things: readonly Thing[]): void {
    const { entries } = chunk
    const count = Math.min(things.length, (ENTRY_WORDS_MAX - 3) >> 1)
    let at = chunk.entryWords
    entries[at++] = segment
    entries[at++] = path
    entries[at++] = count
    for (let i = 0; i < count; i++) {
      entries[at++] = things[i].high
      entries[at++] = things[i].low
    }
    chunk.entryWords = at
  }

  /** Where a packet was captured. */
  #originOf(frame: Frame): Origin {
    const known = this.#origin
    return known !== null && isFrom(known, frame) ? known : this.#findOrigin(frame)
  }

  #findOrigin(frame: Frame): Origin {
    let origin = this.#origins.find((candidate) => isFrom(candidate, frame))
    if (origin === undefined) {
      // So many are an attack on the table, or a mistake: they share the last row.
      if (this.#origins.length === INTERFACES_MAX) return this.#origins[INTERFACES_MAX - 1]
      const { capture, linkType, interfaceId } = frame
      origin = { capture, linkType, interfaceId, key: this.#origins.length, segment: 0, number: 0 }
      this.#origins.push(origin)
    }
    this.#origin = origin
    return origin
  }

  #lookAtClock(): void {
    const nowMs = performance.now()
    const { flushMs, segmentMs } = this.#options
    if (this.#segmentBytes > 0 && nowMs - this.#segmentMs >= segmentMs) this.#isSegmentDue = true
    if (this.#chunk !== null && (this.#isSegmentDue || nowMs - this.#chunkMs >= flushMs)) this.#publish(this.#chunk)
  }

  /** Between packets, also when none come: about ten times a second. `nowUs` is the time that packets have. */
  tick(nowUs: number): void {
    const ring = this.#ring
    const now = { timeUs: nowUs }
    while (ring?.isOldestBefore(now, this.#options.beforeUs) && this.#mayWriteData()) this.#releaseOldest(ring, false)
    this.#lookAtClock()
  }

  /** For whoever can wait, as a replay can: until the queue is half empty. */
  async drain(): Promise<void> {
    const { capacity } = this.#filler
    while (this.#filler.free * 2 < capacity) await this.#filler.written(WAIT_MS)
  }

  /** Resolves when everything that is held has been written, or counted as lost. Whoever can wait loses nothing. */
  async flush(): Promise<void> {
    const ring = this.#ring
    while (ring !== null && ring.size > 0) {
      await this.drain()
      for (let i = 0; i < PACKETS_PER_LOOK && ring.size > 0 && this.#mayWriteData(); i++)
        this.#releaseOldest(ring, false)
    }
    await this.drain()
    if (this.#chunk !== null) this.#publish(this.#chunk)
    while (this.#filler.free < this.#filler.capacity) await this.#filler.written(WAIT_MS)
  }
}

/** As long as a description with the longest name. */
const DESCRIPTION_BYTES_MAX = 512
const NAME_LENGTH_MAX = 100
const WAIT_MS = 100

const NO_PATH: Path = null as unknown as Path

function isFrom(origin: Origin, { capture, linkType, interfaceId }: Frame): boolean {
  return origin.capture === capture && origin.linkType === linkType && origin.interfaceId === interfaceId
}
