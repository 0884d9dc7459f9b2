/**
 * Keeps packets as evidence: the end of the packet path. A packet is copied once, with the number of what the trackers found it to
 * be part of; cutting, numbering, packing and writing are another thread's work. Nothing here waits, and nothing is allocated
 * a packet.
 *
 * What is kept whole anyway is handed over as soon as it can be. Data of which only the headers are kept is first held back whole
 * for some seconds: an alert in that time makes it worth keeping.
 */
import type { Verdict } from '../dissect/dissector.ts'
import type { Frame } from '../dissect/frame.ts'
import type { EventDocument } from '../events/fields.ts'
import type { Trackers } from '../track/trackers.ts'
import { type AlertLevel, type AlertScope, AlertWatch } from './alerted.ts'
import { interfaceDescription } from './blocks.ts'
import { OuterHeader } from './outer-header.ts'
import { pathsWaiting } from './path-table.ts'
import { NO_PATH, type PathKeeper, Paths } from './paths.ts'
import type { Filler, FillerLane, SharedChunk } from './queue.ts'
import { NO_ROOM, Runs } from './runs.ts'
import { NO_HEADER, PACKET_OCTETS_MAX, shapeOf } from './shape.ts'
import { CLASS, innerHeadersEnd, type Snap, Snapper } from './snap.ts'
import { TELLING } from './tellings.ts'
import type { Thing } from './things.ts'

export interface RecorderOptions {
  /** What is kept of data, of what IPsec hides, and of what the sensor does not follow. Control is kept whole. */
  readonly data: Snap
  readonly encrypted: Snap
  readonly other: Snap
  readonly alerts: AlertScope
  readonly alertLevel: AlertLevel
  readonly alertedMax: number
  /** How long data is held for an alert to come, at least. */
  readonly beforeUs: number
  /** So many chunks may be held back. */
  readonly heldMax: number
  /** A chunk is handed over when it is full, or so old. */
  readonly flushMs: number
  readonly pathsMax: number
}

/** Packets, by what became of them. `recorded` were handed over to be written. */
export interface RecorderCounters {
  recorded: number
  /** Not wanted by the rules. */
  passedOver: number
  /** The queue was full: the disk is too slow. Data goes before control. */
  droppedData: number
  droppedControl: number
  /** Held for a shorter time than configured, because there was no more room. */
  heldShort: number
  held: number
  /** Paths whose packets are not found by what they turned out to be part of later. */
  unnamed: number
}

/** Chunks at the end of the queue that only control may use. */
const RESERVED = 2
/** How often the clock is looked at. */
const PACKETS_PER_LOOK = 256
/** Names that wait to be told. */
const UNNAMED_MAX = 4096
const ORIGINS_MAX = 65_536
/** Into so many chunks at most what is held is divided by its time, and into half of those that there are. */
const SLICES_MAX = 16
const NAME_LENGTH_MAX = 100

interface Origin {
  readonly capture: string
  readonly linkType: number
  readonly interfaceId: number
  readonly number: number
}

export class EvidenceRecorder implements PathKeeper {
  readonly counters: RecorderCounters = {
    recorded: 0,
    passedOver: 0,
    droppedData: 0,
    droppedControl: 0,
    heldShort: 0,
    held: 0,
    unnamed: 0,
  }
  readonly #options: RecorderOptions
  readonly #filler: Filler
  readonly #now: FillerLane
  readonly #held: FillerLane
  readonly #alerts: AlertWatch
  /** Of alerts, what could not be told yet. */
  readonly #untold: { readonly isAlerted: boolean; readonly thing: Thing }[] = []
  /** Of paths, what they turned out to be and could not be told yet. */
  readonly #unnamed: { readonly path: number; readonly things: readonly Thing[] }[] = []
  readonly #snapper = new Snapper()
  readonly #outer = new OuterHeader()
  readonly #snaps: readonly Snap[]
  readonly #holdUs: number
  readonly #sliceUs: number
  readonly #pathsWaitingMax: number
  /** When the time has come to close what is filled, or to let go of what is held; in a typed array, because a double field would be boxed. */
  readonly #due = Float64Array.of(Number.POSITIVE_INFINITY)
  #paths: Paths
  /** Those that are being filled; null between two. */
  #nowChunk: SharedChunk | null = null
  #heldChunk: SharedChunk | null = null
  readonly #nowRuns = new Runs()
  readonly #heldRuns = new Runs()
  /** The first of them is one of those that only control may use. */
  #isReserved = false
  #nowMs = 0
  #heldMs = 0
  #origins: Origin[] = []
  #origin: Origin | null = null
  #looks = 0

  constructor(filler: Filler, options: RecorderOptions) {
    this.#filler = filler
    this.#now = filler.now
    this.#held = filler.held
    this.#options = options
    this.#alerts = new AlertWatch(options.alerts, options.alertLevel, options.alertedMax, (isAlerted, thing) => {
      this.#untold.push({ isAlerted, thing })
      this.#tellAlerts()
    })
    this.#snaps = ['whole', options.data, options.encrypted, options.other]
    this.#holdUs = options.alerts === 'none' ? 0 : options.beforeUs
    this.#sliceUs = Math.ceil(this.#holdUs / Math.max(1, Math.min(SLICES_MAX, options.heldMax >> 1)))
    this.#pathsWaitingMax = pathsWaiting(options.pathsMax)
    this.#paths = new Paths(options.pathsMax, this)
  }

  /** Another sensor begins, whose numbers mean other things. What is held goes. */
  beginTimeline(): void {
    this.#letGoOfAll()
    this.#paths = new Paths(this.#options.pathsMax, this, this.#paths.next)
  }

  /** A subscriber of the bus. */
  readonly observe = (document: EventDocument): void => this.#alerts.observe(document)

  record(frame: Frame, verdict: Verdict, trackers: Trackers): void {
    const outer = this.#outer.of(frame)
    const packetClass = outer?.isFragment ? CLASS.CONTROL : this.#snapper.classOf(frame, verdict)
    const snap = this.#snaps[packetClass]
    if (!this.#isWanted(frame, snap)) return
    const path = this.#paths.of(frame, verdict, trackers, outer)
    const isKept =
      snap === 'whole'
        ? this.#keep(frame, path, packetClass === CLASS.CONTROL)
        : this.#hold(frame, path, this.#snapper.headersEnd(frame, packetClass, outer), outer?.headerStart ?? NO_HEADER)
    if (isKept) return
    if (packetClass === CLASS.CONTROL) this.counters.droppedControl++
    else this.counters.droppedData++
  }

  recordPlain(frame: Frame, trackers: Trackers): void {
    const snap = this.#snaps[CLASS.DATA]
    if (!this.#isWanted(frame, snap)) return
    const path = this.#paths.of(frame, 'plain', trackers, null)
    const isKept =
      snap === 'whole'
        ? this.#keep(frame, path, false)
        : this.#hold(frame, path, innerHeadersEnd(frame), frame.plain.ipAt)
    if (!isKept) this.counters.droppedData++
  }

  /** Time goes on with every packet; the others are counted. */
  #isWanted(frame: Frame, snap: Snap): boolean {
    if (frame.timeUs >= this.#due[0]) this.#letGo(frame)
    if (++this.#looks % PACKETS_PER_LOOK === 0) this.#lookAtClock()
    if (snap === 'none') this.counters.passedOver++
    return snap !== 'none'
  }

  /** False if there is no room. */
  #keep(frame: Frame, path: number, isControl: boolean): boolean {
    const lane = this.#now
    let chunk = this.#nowChunk
    const origin = this.#originOf(frame)
    if (path === NO_PATH || origin === null || frame.end - frame.start > PACKET_OCTETS_MAX) return false
    // Asked once a chunk: asking what the other thread has done is not free.
    if (this.#isReserved && !isControl) {
      this.#isReserved = lane.free <= RESERVED
      if (this.#isReserved) return false
    }
    let at = chunk === null ? NO_ROOM : this.#nowRuns.place(frame, chunk)
    if (chunk === null || at === NO_ROOM) {
      if (chunk !== null) this.#publishNow(chunk)
      const { free } = lane
      this.#isReserved = free <= RESERVED
      if (free === 0 || (this.#isReserved && !isControl)) return false
      chunk = lane.begin(this.#paths.next)
      this.#nowRuns.restart()
      this.#nowChunk = chunk
      this.#nowMs = performance.now()
      at = this.#nowRuns.place(frame, chunk)
    }
    chunk.note(frame, at, frame.end - frame.start, origin.number, path, 0)
    this.counters.recorded++
    return true
  }

  /** The same of what may be cut by the writer, behind `cutEnd`. The outermost IP header stands at `outerAt`. */
  #hold(frame: Frame, path: number, cutEnd: number, outerAt: number): boolean {
    const { start, end } = frame
    let chunk = this.#heldChunk
    const origin = this.#originOf(frame)
    if (path === NO_PATH || origin === null || end - start > PACKET_OCTETS_MAX) return false
    let at = chunk === null ? NO_ROOM : this.#heldRuns.place(frame, chunk)
    if (chunk === null || at === NO_ROOM) {
      if (chunk !== null) this.#closeHeld()
      if (this.#held.free === 0) return false
      chunk = this.#held.begin(this.#paths.next)
      this.#heldRuns.restart()
      this.#heldChunk = chunk
      this.#heldMs = performance.now()
      // An empty chunk has no time yet.
      if (this.#holdUs > 0) this.#due[0] = Math.min(this.#due[0], frame.timeUs + this.#sliceUs)
      at = this.#heldRuns.place(frame, chunk)
    }
    const shape = shapeOf(cutEnd - start, outerAt === NO_HEADER ? NO_HEADER : outerAt - start)
    chunk.note(frame, at, end - start, origin.number, path, shape)
    this.counters.held++
    return true
  }

  #publishNow(chunk: SharedChunk): void {
    // What it holds is counted already.
    if (chunk.packets === 0) return
    this.#nowChunk = null
    this.#now.close()
    this.#filler.publish(this.#now)
  }

  #closeHeld(): void {
    this.#heldChunk = null
    this.#held.close()
    if (this.#holdUs === 0) this.#publishHeld(false)
    else while (this.#held.held > this.#options.heldMax) this.#publishHeld(true)
    this.#setDue()
  }

  #publishHeld(isShort: boolean): void {
    const { packets } = this.#held.oldest
    if (isShort) this.counters.heldShort += packets
    this.counters.recorded += packets
    this.#filler.publish(this.#held)
  }

  /** What has been held long enough goes. The time is read from a packet: a double argument would be boxed. */
  #letGo(packet: { readonly timeUs: number }): void {
    if (this.#holdUs > 0 && this.#heldChunk?.reachesBack(packet, this.#sliceUs)) this.#closeHeld()
    while (this.#held.held > 0 && this.#held.oldest.isBefore(packet, this.#holdUs)) this.#publishHeld(false)
    this.#setDue()
  }

  #setDue(): void {
    if (this.#holdUs === 0) return
    const filling = this.#heldChunk === null ? Number.POSITIVE_INFINITY : this.#heldChunk.firstUs + this.#sliceUs
    const held = this.#held.held === 0 ? Number.POSITIVE_INFINITY : this.#held.oldest.lastUs + this.#holdUs
    this.#due[0] = Math.min(filling, held)
  }

  #letGoOfAll(): void {
    if (this.#heldChunk !== null) this.#closeHeld()
    while (this.#held.held > 0) this.#publishHeld(false)
  }

  begin(path: number, things: readonly Thing[], flow: Uint32Array | null): boolean {
    // A later path takes the number of an earlier one: no packet that waits may mean that by then.
    if (this.#pathsWaiting(path) >= this.#pathsWaitingMax) {
      this.#letGoEarly(this.#pathsWaitingMax / 2)
      this.#filler.wake()
      if (this.#pathsWaiting(path) >= this.#pathsWaitingMax) return false
    }
    return this.#filler.tellings.tell(flow === null ? TELLING.PATH : TELLING.FLOW, path, things, flow)
  }

  /** How many paths were numbered since the oldest packet that waits. */
  #pathsWaiting(next: number): number {
    const now = this.#now.pathsSince(next, this.#nowChunk !== null)
    return Math.max(now, this.#held.pathsSince(next, this.#heldChunk !== null))
  }

  /**
   * Chunks go since which were begun more than so many paths were numbered. What is younger stays: letting it go brings nothing while the
   * writer has older ones, and would leave chunks all but empty.
   */
  #letGoEarly(paths: number): void {
    const { next } = this.#paths
    if (this.#nowChunk !== null && this.#now.pathsHeldBack(next, true) > paths) this.#publishNow(this.#nowChunk)
    const held = this.#held
    while (held.held > 0 && held.pathsHeldBack(next, true) > paths) this.#publishHeld(true)
    if (held.held > 0 || this.#heldChunk === null || held.pathsHeldBack(next, true) <= paths) return
    this.#closeHeld()
    while (held.held > 0) this.#publishHeld(true)
  }

  extend(path: number, things: readonly Thing[]): void {
    this.#unnamed.push({ path, things })
    this.#tellNames()
    if (this.#unnamed.length <= UNNAMED_MAX) return
    this.#unnamed.shift()
    this.counters.unnamed++
  }

  /** In their order; what finds no room is tried again. */
  #tellNames(): void {
    let told = 0
    for (const { path, things } of this.#unnamed) {
      if (!this.#filler.tellings.tell(TELLING.MORE, path, things)) break
      told++
    }
    this.#unnamed.splice(0, told)
  }

  /** In their order; what finds no room is tried again. */
  #tellAlerts(): void {
    let told = 0
    for (const { isAlerted, thing } of this.#untold) {
      const kind = isAlerted ? TELLING.ALERT : TELLING.CALM
      if (!this.#filler.tellings.tell(kind, this.#held.filled, [thing])) break
      told++
    }
    this.#untold.splice(0, told)
  }

  /** Where a packet was captured; null if that cannot be told now. */
  #originOf(frame: Frame): Origin | null {
    const known = this.#origin
    return known !== null && isFrom(known, frame) ? known : this.#findOrigin(frame)
  }

  #findOrigin(frame: Frame): Origin | null {
    let origin = this.#origins.find((candidate) => isFrom(candidate, frame))
    if (origin === undefined) {
      // So many are an attack on the table, or a mistake: they share the last row.
      if (this.#origins.length === ORIGINS_MAX) return this.#origins[ORIGINS_MAX - 1]
      const { capture, linkType, interfaceId } = frame
      const name = interfaceId === 0 ? capture : `${capture} (interface ${interfaceId})`
      const block = interfaceDescription(linkType, name.slice(0, NAME_LENGTH_MAX))
      origin = { capture, linkType, interfaceId, number: this.#origins.length }
      if (!this.#filler.tellings.tell(TELLING.ORIGIN, origin.number, asThings(block))) return null
      this.#origins.push(origin)
    }
    this.#origin = origin
    return origin
  }

  #lookAtClock(): void {
    const nowMs = performance.now()
    const { flushMs } = this.#options
    if (this.#untold.length > 0) this.#tellAlerts()
    if (this.#unnamed.length > 0) this.#tellNames()
    if (this.#nowChunk !== null && nowMs - this.#nowMs >= flushMs) {
      this.#publishNow(this.#nowChunk)
      this.#filler.wake()
    }
    // With nothing to wait for it is a chunk like any other.
    if (this.#holdUs === 0 && this.#heldChunk !== null && nowMs - this.#heldMs >= flushMs) this.#closeHeld()
  }

  /** Between packets, also when none come: some times a second. `nowUs` is the time that packets have. */
  tick(nowUs: number): void {
    this.#letGo({ timeUs: nowUs })
    this.#lookAtClock()
    this.#filler.wake()
  }

  /** For whoever can wait, as a replay can: until half of what waits for the disk is written. */
  async drain(): Promise<void> {
    // Before it must be waited for.
    this.#letGoEarly(this.#pathsWaitingMax * 0.375)
    if (this.#hasRoom(3 / 4)) return
    await this.#filler.until(() => this.#hasRoom(1 / 2))
  }

  /** Whether no more than such a part of the chunks waits for the disk. */
  #hasRoom(part: number): boolean {
    return (
      this.#now.waiting <= this.#now.capacity * part &&
      this.#held.waiting <= (this.#held.capacity - this.#options.heldMax) * part &&
      this.#pathsWaiting(this.#paths.next) * 2 <= this.#pathsWaitingMax &&
      this.#filler.tellings.isHalfEmpty
    )
  }

  /** Resolves when everything that is held has been written, or counted as lost. Whoever can wait loses nothing. */
  async flush(): Promise<void> {
    // Before the last chunks: names are written with those.
    while (this.#unnamed.length > 0) {
      await this.#filler.until(() => this.#filler.tellings.isHalfEmpty)
      this.#tellNames()
    }
    this.#letGoOfAll()
    if (this.#nowChunk !== null) this.#publishNow(this.#nowChunk)
    await this.#filler.until(() => this.#filler.isIdle)
  }
}

/** Octets as pairs of words, for telling. */
function asThings(block: Buffer): Thing[] {
  const things: Thing[] = []
  for (let at = 0; at < block.length; at += 8)
    things.push({ high: block.readUInt32LE(at), low: at + 4 < block.length ? block.readUInt32LE(at + 4) : 0 })
  return things
}

function isFrom(origin: Origin, { capture, linkType, interfaceId }: Frame): boolean {
  return origin.capture === capture && origin.linkType === linkType && origin.interfaceId === interfaceId
}
