/** The packets of a subject, in the order of time, out of a store or out of captures; as they were captured, or what is inside. */
import { type MergedSource, mergeByTime } from './capture/merge.ts'
import { emptyPacket, type Packet } from './capture/packet.ts'
import { openCapture, type Source } from './capture/sources.ts'
import type { Config } from './config-schema.ts'
import type { RuleSet } from './detect/rules.ts'
import type { Verdict } from './dissect/dissector.ts'
import type { EspKeyEntry } from './dissect/esp-keyring.ts'
import type { Frame } from './dissect/frame.ts'
import { PacketBlock } from './evidence/blocks.ts'
import type { CaptureWriter } from './evidence/capture-writer.ts'
import { FlowWords } from './evidence/flow-words.ts'
import { OuterHeader } from './evidence/outer-header.ts'
import { type PathKeeper, Paths } from './evidence/paths.ts'
import type { EvidenceReader, Found } from './evidence/reader.ts'
import type { EvidenceProblem } from './evidence/problem.ts'
import { nameOf, type Thing } from './evidence/things.ts'
import { type Recorder, Sensor } from './sensor.ts'
import type { Subject, SubjectGatherer } from './extraction-subject.ts'
import type { Trackers } from './track/trackers.ts'
import { VERSION } from './version.ts'

const LINKTYPE_RAW = 101
/** Packets between two looks at what has gathered for the file. */
const PACKETS_PER_DRAIN = 256

export interface Window {
  readonly fromUs: number
  readonly toUs: number
}

/** Writes packets to the file: as they are, or what is inside of them. */
class Output {
  readonly #writer: CaptureWriter
  readonly #sensor: Sensor | null
  #taken = 0

  /** With a sensor what is inside is written. */
  constructor(writer: CaptureWriter, sensor: Sensor | null) {
    this.#writer = writer
    this.#sensor = sensor
  }

  /** `isWanted` is false of what must only be seen to understand the others. */
  take(packet: Packet, interfaceName: string, isWanted: boolean): void {
    if (this.#sensor !== null) this.#decapsulate(this.#sensor, packet, interfaceName, isWanted)
    else if (isWanted) this.#writer.write(packet, packet.linkType, interfaceName)
  }

  /** To be awaited after every packet: seldom waits. */
  settle(): Promise<void> | undefined {
    return ++this.#taken % PACKETS_PER_DRAIN === 0 ? this.#writer.drain() : undefined
  }

  #decapsulate(sensor: Sensor, packet: Packet, interfaceName: string, isWanted: boolean): void {
    const { frame } = sensor
    frame.bytes = packet.bytes
    frame.start = packet.start
    frame.end = packet.end
    frame.timeUs = packet.timeUs
    frame.timeNs = packet.timeNs
    frame.originalLength = packet.originalLength
    frame.linkType = packet.linkType
    frame.interfaceId = packet.interfaceId
    frame.number = packet.number
    frame.offset = packet.offset
    frame.capture = interfaceName
    sensor.observe()
    if (!isWanted || !frame.hasInner) return
    const { bytes, headerStart, payloadEnd, wireEnd } = frame.inner
    const { timeUs, timeNs } = packet
    const inner = { bytes, start: headerStart, end: payloadEnd, timeUs, timeNs, originalLength: wireEnd - headerStart }
    this.#writer.write(inner, LINKTYPE_RAW, `inside ${interfaceName}`)
  }
}

export interface Extraction {
  readonly config: Config
  readonly espKeys: readonly EspKeyEntry[]
  readonly window: Window
  /** What is inside, instead of what was captured. */
  readonly isInner: boolean
}

function outputOf(writer: CaptureWriter, { config, espKeys, isInner }: Extraction): Output {
  return new Output(writer, isInner ? new Sensor(config, VERSION, null, espKeys) : null)
}

// --- from a store

/** What was taken from each segment. */
export interface Taken {
  readonly found: Found
  packets: number
}

/** Writes the packets of a subject that the store holds. Gives what each segment contributed. */
export async function extractFromStore(
  reader: EvidenceReader,
  subject: Subject,
  extraction: Extraction,
  writer: CaptureWriter,
): Promise<Taken[]> {
  const { window, isInner } = extraction
  const taken = select(reader, subject, window, isInner).map((found) => ({ found, packets: 0 }))
  const output = outputOf(writer, extraction)
  const refs = inOrder(taken, reader, subject, window)
  const block = new PacketBlock()
  const packet: Packet = emptyPacket()
  for (const { segmentAt, at } of refs) {
    const of = taken[segmentAt]
    if (!readPacket(of.found, of.found.offsets[at], block, packet, reader)) continue
    const isWanted = of.found.isWanted[at] === 1
    if (isWanted) of.packets++
    output.take(packet, of.found.segment.directory.interfaces[block.interfaceId]?.name ?? '', isWanted)
    await output.settle()
  }
  return taken
}

/** What the index says; events without things are looked for by their time alone. */
function select(reader: EvidenceReader, subject: Subject, { fromUs, toUs }: Window, hasContext: boolean): Found[] {
  const { things, timesUs } = subject
  if (things === null || things.length > 0) return reader.select({ things, fromUs, toUs, hasContext })
  const first = Math.min(...timesUs)
  return reader.select({ things: null, fromUs: first, toUs: Math.max(...timesUs) + 1, hasContext: false })
}

/** The packets of all segments by time; packets of the same time as they were written. */
function* inOrder(
  taken: readonly Taken[],
  reader: EvidenceReader,
  { things, timesUs }: Subject,
  { fromUs, toUs }: Window,
): Generator<{ segmentAt: number; at: number }> {
  const total = taken.reduce((sum, { found }) => sum + found.offsets.length, 0)
  const times = new Float64Array(total)
  const rest = new Uint16Array(total)
  const places = new Uint32Array(total * 2)
  const instants = things !== null && things.length === 0 ? new Set(timesUs) : null
  const block = new PacketBlock()
  let count = 0
  let isSorted = true
  for (const [segmentAt, { found }] of taken.entries()) {
    for (let at = 0; at < found.offsets.length; at++) {
      const where = found.segment.at(found.offsets[at], reader.problems)
      if (where === null || !block.decode(where.bytes, where.at, where.bytes.length)) continue
      const isContext = found.isWanted[at] === 0
      if (block.timeUs >= toUs || (block.timeUs < fromUs && !isContext)) continue
      if (instants !== null && !instants.has(block.timeUs)) continue
      times[count] = block.timeUs
      rest[count] = block.timeNs
      places[count * 2] = segmentAt
      places[count * 2 + 1] = at
      if (count > 0 && times[count - 1] - block.timeUs + (rest[count - 1] - block.timeNs) / 1000 > 0) isSorted = false
      count++
    }
  }
  const order = Uint32Array.from({ length: count }, (_, i) => i)
  if (!isSorted) order.sort((a, b) => times[a] - times[b] || rest[a] - rest[b] || a - b)
  for (const i of order) yield { segmentAt: places[i * 2], at: places[i * 2 + 1] }
}

function readPacket(
  { segment }: Found,
  offset: number,
  block: PacketBlock,
  packet: Packet,
  reader: EvidenceReader,
): boolean {
  const where = segment.at(offset, reader.problems)
  if (where === null || !block.decode(where.bytes, where.at, where.bytes.length)) return false
  packet.bytes = where.bytes
  packet.start = block.start
  packet.end = block.end
  packet.timeUs = block.timeUs
  packet.timeNs = block.timeNs
  packet.originalLength = block.originalLength
  packet.linkType = segment.directory.interfaces[block.interfaceId]?.linkType ?? 0
  packet.interfaceId = block.interfaceId
  packet.number++
  packet.offset = offset
  return true
}

// --- from captures

const PATHS_MAX = 16_777_216

/** Of every packet of some captures its path, as a sensor finds it. */
class PathCollector implements Recorder, PathKeeper {
  readonly paths = new Map<number, readonly Thing[]>()
  /** From 1 on: 0 is none. */
  readonly #paths = new Paths(PATHS_MAX, this, 1)
  readonly #sensor: Sensor
  readonly #outer = new OuterHeader()
  readonly #flow = new FlowWords()
  /** By the order of packets. */
  #of = new Uint32Array(65_536)

  constructor(sensor: Sensor) {
    this.#sensor = sensor
  }

  record(frame: Frame, verdict: Verdict, trackers: Trackers): void {
    const outer = this.#outer.of(frame)
    const path = this.#paths.of(frame, verdict, trackers, outer)
    const index = this.#sensor.counts.packets - 1
    if (index >= this.#of.length) {
      const larger = new Uint32Array(index * 2)
      larger.set(this.#of)
      this.#of = larger
    }
    this.#of[index] = path
  }

  begin(path: number, things: readonly Thing[], flow: Uint32Array | null): boolean {
    this.paths.set(path, flow === null ? things : [...things, this.#flow.thingAt(flow, 0)])
    return true
  }

  extend(path: number, things: readonly Thing[]): void {
    this.paths.set(path, [...(this.paths.get(path) ?? []), ...things])
  }

  readonly pathAt = (index: number): number => (index < this.#of.length ? this.#of[index] : 0)

  namesBeginning(prefix: string, limit: number): string[] {
    const names = new Set<string>()
    for (const things of this.paths.values()) {
      for (const thing of things) if (nameOf(thing).startsWith(prefix)) names.add(nameOf(thing))
      if (names.size >= limit) break
    }
    return [...names]
  }
}

/** How a subject is found while captures are read for the first time. */
export interface CaptureSubject {
  /** Told of everything that happens; null if events are not needed. */
  readonly gatherer: SubjectGatherer | null
  readonly find: (namesBeginning: (prefix: string, limit: number) => readonly string[]) => Subject
}

export interface FromCaptures {
  readonly subject: Subject
  /** Of each capture the packets that were written. */
  readonly packets: ReadonlyMap<string, number>
  readonly faults: readonly EvidenceProblem[]
}

/** Reads the captures twice: to find out what their packets are part of, and to write those of the subject. */
export async function extractFromCaptures(
  paths: readonly string[],
  wanted: CaptureSubject,
  rules: RuleSet | null,
  extraction: Extraction,
  writer: CaptureWriter,
): Promise<FromCaptures> {
  const { config, espKeys, window } = extraction
  const sensor = new Sensor(config, VERSION, rules, espKeys)
  const collector = new PathCollector(sensor)
  sensor.recorder = collector
  if (wanted.gatherer !== null) sensor.bus.subscribe(wanted.gatherer.observe)
  const first = await openAll(paths)
  try {
    await sensor.run(first, () => undefined)
  } finally {
    await first.close()
  }
  const subject = wanted.find((prefix, limit) => collector.namesBeginning(prefix, limit))
  const isWanted = chooser(collector, subject, window)
  const packets = new Map<string, number>()
  const output = outputOf(writer, extraction)
  const packet = emptyPacket()
  const second = await openAll(paths)
  try {
    let index = 0
    while (await second.fill()) {
      while (second.next(packet)) {
        const { name } = second.current
        const isChosen = isWanted(index++, packet)
        if (isChosen) packets.set(name, (packets.get(name) ?? 0) + 1)
        if (isChosen || extraction.isInner) output.take(packet, name, isChosen)
        await output.settle()
      }
    }
    const faults = second.faults.map(({ source, fault }) => ({
      name: 'evidence.unreadable' as const,
      file: source.name,
      offset: fault.offset,
      message: fault.message,
    }))
    return { subject, packets, faults }
  } finally {
    await second.close()
  }
}

async function openAll(paths: readonly string[]): Promise<MergedSource> {
  const sources: Source[] = []
  for (const path of paths) sources.push(await openCapture(path))
  return mergeByTime(sources)
}

function chooser(
  { paths, pathAt }: PathCollector,
  { things, timesUs }: Subject,
  { fromUs, toUs }: Window,
): (index: number, packet: Packet) => boolean {
  const names = new Set((things ?? []).map(nameOf))
  const chosen = new Set<number>()
  for (const [path, of] of paths) if (of.some((thing) => names.has(nameOf(thing)))) chosen.add(path)
  const instants = new Set(timesUs)
  return (index, { timeUs }) => {
    if (timeUs < fromUs || timeUs >= toUs) return false
    if (things === null) return true
    return things.length > 0 ? chosen.has(pathAt(index)) : instants.has(timeUs)
  }
}
