/** Captures kept as evidence, and taken out again, in one process. */
import { openCapture } from '../../src/capture/sources.ts'
import { mergeByTime } from '../../src/capture/merge.ts'
import { emptyPacket } from '../../src/capture/packet.ts'
import { loadConfig } from '../../src/config.ts'
import type { Config } from '../../src/config-schema.ts'
import type { RuleSet } from '../../src/detect/rules.ts'
import type { EspKeyEntry } from '../../src/dissect/esp-keyring.ts'
import type { EventDocument } from '../../src/events/fields.ts'
import { CaptureWriter } from '../../src/evidence/capture-writer.ts'
import { EvidenceReader } from '../../src/evidence/reader.ts'
import { extractFromStore } from '../../src/extraction.ts'
import { EVERYTHING, spiSubject, type Subject, thingSubject } from '../../src/extraction-subject.ts'
import { Recording, type RecordingCounters } from '../../src/recording.ts'
import { Sensor } from '../../src/sensor.ts'

export const ALL_TIME = { fromUs: Number.NEGATIVE_INFINITY, toUs: Number.POSITIVE_INFINITY }

export interface KeepOptions {
  readonly evidence?: Partial<Config['evidence']>
  readonly rules?: RuleSet | null
  readonly espKeys?: readonly EspKeyEntry[]
}

export function configOf(folder: string, { evidence = {} }: KeepOptions = {}): Config {
  const { config } = loadConfig(undefined, {})
  return { ...config, evidence: { ...config.evidence, ...evidence, path: folder } }
}

export interface Kept {
  readonly config: Config
  readonly counters: RecordingCounters
  readonly events: readonly EventDocument[]
}

/** Replays captures, one timeline after the other, and keeps their packets in the folder. */
export async function keep(
  timelines: readonly (readonly string[])[],
  folder: string,
  options: KeepOptions = {},
): Promise<Kept> {
  const config = configOf(folder, options)
  const recording = Recording.open(config.evidence, 'test')
  const events: EventDocument[] = []
  for (const paths of timelines) {
    const sensor = new Sensor(config, 'test', options.rules ?? null, options.espKeys ?? [])
    sensor.bus.subscribe((event) => events.push(event))
    recording.attach(sensor)
    const source = mergeByTime(await Promise.all(paths.map((path) => openCapture(path))))
    await sensor.run(source, () => recording.drain())
    await source.close()
    await recording.flush()
    recording.report(sensor.bus.emit, sensor.nowUs)
  }
  await recording.close()
  return { config, counters: recording.counters, events }
}

/** The subject that an id or an SPI names, in a store. */
export function subjectIn(reader: EvidenceReader, id: string | null): Subject {
  if (id === null) return EVERYTHING
  return spiSubject(id) ?? thingSubject(id, (prefix, limit) => reader.namesBeginning(prefix, limit))
}

export interface TakeOptions {
  readonly isInner?: boolean
  readonly espKeys?: readonly EspKeyEntry[]
  readonly key?: Uint8Array | null
  readonly fromUs?: number
  readonly toUs?: number
}

/** Writes what the store holds of an id to a file; null stands for everything. */
export async function take(
  { config }: Pick<Kept, 'config'>,
  id: string | null,
  out: string,
  options: TakeOptions = {},
): Promise<{ readonly reader: EvidenceReader; readonly packets: number }> {
  const reader = new EvidenceReader(config.evidence.path, options.key ?? null)
  const writer = new CaptureWriter(out, 'test', '')
  const { fromUs, toUs } = { ...ALL_TIME, ...options }
  const { espKeys = [], isInner = false } = options
  const extraction = { config, espKeys, window: { fromUs, toUs }, isInner }
  await extractFromStore(reader, subjectIn(reader, id), extraction, writer)
  await writer.close()
  reader.close()
  return { reader, packets: writer.totals.packets }
}

export interface ReadPacket {
  readonly timeUs: number
  readonly timeNs: number
  readonly originalLength: number
  readonly linkType: number
  readonly bytes: Buffer
}

/** All packets of a capture file. */
export async function readCapture(path: string): Promise<ReadPacket[]> {
  const source = await openCapture(path)
  const packet = emptyPacket()
  const packets: ReadPacket[] = []
  while (await source.fill()) {
    while (source.next(packet)) {
      const { timeUs, timeNs, originalLength, linkType, bytes, start, end } = packet
      packets.push({ timeUs, timeNs, originalLength, linkType, bytes: Buffer.from(bytes.slice(start, end)) })
    }
  }
  await source.close()
  if (source.fault !== null) throw new Error(`${path}: ${source.fault.message}`)
  return packets
}
