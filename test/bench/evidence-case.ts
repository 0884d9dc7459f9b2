/**
 * One case of keeping evidence, alone in its process: `node evidence-case.ts replay MIX FOLDER HOW`, `extract FOLDER` or
 * `disk FILE BYTES`; prints JSON.
 */
import { closeSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { mergeByTime } from '../../src/capture/merge.ts'
import { openCapture } from '../../src/capture/sources.ts'
import { loadConfig } from '../../src/config.ts'
import { CaptureWriter } from '../../src/evidence/capture-writer.ts'
import { EvidenceReader } from '../../src/evidence/reader.ts'
import { extractFromStore } from '../../src/extraction.ts'
import { thingSubject } from '../../src/extraction-subject.ts'
import { Recording } from '../../src/recording.ts'
import { Sensor } from '../../src/sensor.ts'
import { median } from './median.ts'

const [name, ...parameters] = process.argv.slice(2)
const { config } = loadConfig(undefined, {})

export interface ReplayResult {
  readonly packets: number
  readonly seconds: number
  /** Processor time of the packet path's thread, and of all threads. */
  readonly pathSeconds: number
  readonly allSeconds: number
  readonly recorded: number
  readonly dropped: number
  /** On the disk, indexes included. */
  readonly bytes: number
}

/** The sensor alone, or with everything kept until it is on the disk. */
async function replay(mix: string, folder: string, how: string): Promise<ReplayResult> {
  const evidence = {
    ...config.evidence,
    path: folder,
    maxBytes: 1e12,
    compress: how === 'compressed',
    snapData: how === 'headers' ? ('headers' as const) : ('whole' as const),
  }
  const startedMs = performance.now()
  const pathBefore = process.threadCpuUsage()
  const allBefore = process.cpuUsage()
  const recording = how === 'none' ? null : Recording.open(evidence, 'bench')
  const sensor = new Sensor(config, 'bench')
  recording?.attach(sensor)
  await sensor.run(mergeByTime([await openCapture(mix)]), () => recording?.drain())
  const path = process.threadCpuUsage(pathBefore)
  await recording?.close()
  const seconds = (performance.now() - startedMs) / 1000
  const all = process.cpuUsage(allBefore)
  const counters = recording?.counters
  const dropped = counters === undefined ? 0 : Object.values(counters.dropped).reduce((sum, count) => sum + count, 0)
  return {
    packets: sensor.counts.packets,
    seconds,
    pathSeconds: (path.user + path.system) / 1e6,
    allSeconds: (all.user + all.system) / 1e6,
    recorded: counters?.recorded ?? 0,
    dropped,
    bytes: counters?.bytes ?? 0,
  }
}

export interface DiskResult {
  readonly seconds: number
}

/** So many bytes one after another, until they are on the disk: what no way of keeping packets is faster than. */
function disk(path: string, bytes: number): DiskResult {
  const piece = Buffer.alloc(0x8_0000, 1)
  const startedMs = performance.now()
  const file = openSync(path, 'w')
  for (let written = 0; written < bytes; ) written += writeSync(file, piece)
  fsyncSync(file)
  closeSync(file)
  const seconds = (performance.now() - startedMs) / 1000
  rmSync(path)
  return { seconds }
}

export interface ExtractResult {
  readonly storePackets: number
  readonly storeBytes: number
  /** Medians over some tunnels: opening the store included. */
  readonly milliseconds: number
  readonly packets: number
  readonly bytesRead: number
}

const TUNNELS = 9

async function extract(folder: string): Promise<ExtractResult> {
  const first = new EvidenceReader(folder, null)
  const tunnels = first.namesBeginning('t-', TUNNELS * 20).filter((_, i) => i % 20 === 0)
  const storePackets = first.segments.reduce((sum, { directory }) => sum + directory.packets, 0)
  const storeBytes = first.segments.reduce((sum, { directory }) => sum + directory.fileBytes, 0)
  first.close()
  const out = join(folder, 'out.pcapng')
  const runs: { ms: number; packets: number; bytes: number }[] = []
  for (const tunnel of tunnels) {
    const startedMs = performance.now()
    const reader = new EvidenceReader(folder, null)
    const subject = thingSubject(tunnel, (prefix, limit) => reader.namesBeginning(prefix, limit))
    const writer = new CaptureWriter(out, 'bench', '')
    const window = { fromUs: Number.NEGATIVE_INFINITY, toUs: Number.POSITIVE_INFINITY }
    await extractFromStore(reader, subject, { config, espKeys: [], window, isInner: false }, writer)
    await writer.close()
    reader.close()
    runs.push({ ms: performance.now() - startedMs, packets: writer.totals.packets, bytes: reader.bytesRead })
  }
  rmSync(out)
  return {
    storePackets,
    storeBytes,
    milliseconds: median(runs.map(({ ms }) => ms)),
    packets: median(runs.map(({ packets }) => packets)),
    bytesRead: median(runs.map(({ bytes }) => bytes)),
  }
}

const [first, second, third] = parameters

function measure(): Promise<object> | object {
  switch (name) {
    case 'replay':
      return replay(first, second, third)
    case 'extract':
      return extract(first)
    case 'disk':
      return disk(first, Number(second))
    default:
      throw new Error(`no such case: ${name}`)
  }
}

process.stdout.write(JSON.stringify(await measure()))
