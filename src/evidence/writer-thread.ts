/** The thread that packs and writes chunks, so that the packet path never waits for the disk. */
import { isMainThread, type MessagePort, workerData } from 'node:worker_threads'
import { Drainer, type QueueLayout } from './queue.ts'
import { newCounters, SegmentWriter, type WriterCounters, type WriterOptions } from './segment-writer.ts'

export interface WriterThreadData {
  readonly queue: QueueLayout
  readonly options: WriterOptions
  /** Where it is told, in words, what the disk refused: before the chunk that met it is given back. */
  readonly problems: MessagePort
}

/** The order of the counters in shared memory. */
export const COUNTER_NAMES = Object.keys(newCounters()) as readonly (keyof WriterCounters)[]

/** How often old segments are looked for while nothing comes. */
const IDLE_MS = 10_000

function run({ queue, options, problems }: WriterThreadData): void {
  const drainer = new Drainer(queue)
  const writer = new SegmentWriter(options)
  let segment = 0
  let told = ''
  const publish = () => {
    for (const [i, name] of COUNTER_NAMES.entries()) drainer.counters[i] = writer.counters[name]
    if (writer.lastError === told) return
    told = writer.lastError
    problems.postMessage(told)
  }
  for (;;) {
    const chunk = drainer.next(IDLE_MS, () => writer.prune())
    if (chunk === null) break
    if (chunk.segment !== segment) {
      segment = chunk.segment
      writer.begin(segment)
    }
    const isWritten = writer.write({
      payload: chunk.payload.subarray(0, chunk.payloadBytes),
      paths: chunk.paths.subarray(0, chunk.packets),
      entries: chunk.entries.subarray(0, chunk.entryWords),
      firstUs: chunk.firstUs,
      lastUs: chunk.lastUs,
    })
    publish()
    drainer.release(!isWritten)
  }
  writer.seal()
  publish()
}

if (!isMainThread) run(workerData as WriterThreadData)
