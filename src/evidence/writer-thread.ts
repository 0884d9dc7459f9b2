/** The thread that packs and writes chunks, so that the packet path never waits for the disk. */
import { setImmediate } from 'node:timers/promises'
import { isMainThread, type MessagePort, workerData } from 'node:worker_threads'
import { Assembler, type AssemblerCounters } from './assembler.ts'
import { Drainer, type QueueLayout } from './queue.ts'
import { newCounters, SegmentWriter, type WriterCounters, type WriterOptions } from './segment-writer.ts'

export interface WriterThreadData {
  readonly queue: QueueLayout
  readonly options: WriterOptions
  readonly segments: SegmentOptions
  /** Where it is told, in words, what the disk refused: before the chunk that met it is given back. */
  readonly problems: MessagePort
}

export interface SegmentOptions {
  /** The number of the first segment. */
  readonly first: number
  /** A segment is closed when it is so large, before it is packed, or so old. */
  readonly bytes: number
  readonly ms: number
  readonly pathsMax: number
  /** The program, for the section headers. */
  readonly application: string
}

/** All that is counted in this thread. */
export interface WriterThreadCounters extends WriterCounters, AssemblerCounters {}

/** The order of the counters in shared memory. */
export const COUNTER_NAMES = [
  ...Object.keys(newCounters()),
  'cut',
  'alerted',
  'unnamed',
  'thingsLeftOut',
] as readonly (keyof WriterThreadCounters)[]

/** How often old segments are looked for while nothing comes. */
const IDLE_MS = 10_000

/** A part of what closing a segment takes is done after so many chunks: what came meanwhile is written before the next part. */
const CHUNKS_PER_STEP = 4

async function run({ queue, options, segments, problems }: WriterThreadData): Promise<void> {
  const assembler = new Assembler(segments.pathsMax, segments.application)
  const drainer = new Drainer(queue, assembler.told)
  const writer = new SegmentWriter(options)
  let segment = segments.first - 1
  let isDue = true
  let bytes = 0
  let begunMs = 0
  let chunks = 0
  let told = ''
  const publish = () => {
    const counters: WriterThreadCounters = { ...writer.counters, ...assembler.counters }
    for (const [i, name] of COUNTER_NAMES.entries()) drainer.counters[i] = counters[name]
    if (writer.lastError === told) return
    told = writer.lastError
    problems.postMessage(told)
  }
  for (;;) {
    const chunk = drainer.next(IDLE_MS, () => writer.rest())
    if (chunk === null) break
    if (isDue || bytes >= segments.bytes || performance.now() - begunMs >= segments.ms) {
      await writer.forcing
      writer.begin(++segment)
      assembler.begin(segment)
      bytes = 0
      begunMs = performance.now()
    }
    const handover = assembler.assemble(chunk, drainer.heldWritten)
    const isWritten = writer.write(handover)
    assembler.settle(isWritten)
    // What follows a chunk that was lost is lost with it, if it is in the same segment.
    isDue = !isWritten
    bytes += handover.payload.length
    publish()
    drainer.release()
    if (++chunks % CHUNKS_PER_STEP === 0) writer.proceed()
    // The event loop is told what the disk answered; what a refused chunk has ended is closed then.
    if (writer.forcing !== null) await (isWritten ? setImmediate() : writer.forcing)
  }
  await writer.forcing
  writer.seal()
  publish()
}

if (!isMainThread) await run(workerData as WriterThreadData)
