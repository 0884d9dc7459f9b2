/**
 * A thread that follows flows: it does what the packet thread asks of it, in order, and gives what became of the flows to
 * whoever puts the threads' results together. Its names, its user and its story a flow gets there.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { Frame } from '../dissect/frame.ts'
import { type FlowLimits, InnerFlowTracker } from '../track/inner-flow.ts'
import { FlowRowWriter } from './flow-rows.ts'
import { RingReader, type SharedMemory } from './memory.ts'
import {
  BATCH,
  CAPTURE,
  CARRIER,
  CARRIER_CLOSED,
  END,
  EXPIRE,
  FINISH,
  KIND,
  KIND_BITS,
  NUMBER,
  OFFSET,
  PACKET,
  POSITION,
  RESET,
  SENDER_SHIFT,
  START,
  TIME_US,
} from './operation.ts'

export interface FlowWorkerData {
  readonly shared: SharedMemory
  readonly ring: number
  /** Those of this thread. */
  readonly limits: FlowLimits
}

/** Works until the process, or whoever started it, ends it. */
function work({ shared, ring, limits }: FlowWorkerData): never {
  const reader = new RingReader(shared, ring)
  const { doubles, words } = reader
  const bytes = new Uint8Array(shared.bytes)
  const frame = new Frame()
  const rows = new FlowRowWriter()
  const { occasion } = rows
  let tracker = new InnerFlowTracker(rows, limits)
  for (;;) {
    reader.next()
    const { double, word } = reader
    const kind = words[word + KIND]
    occasion.position = doubles[double + POSITION]
    occasion.operation = kind & KIND_BITS
    occasion.capture = words[word + CAPTURE]
    occasion.number = doubles[double + NUMBER]
    occasion.offset = doubles[double + OFFSET]
    if (occasion.operation === PACKET) {
      frame.timeUs = doubles[double + TIME_US]
      // It could be read where it came from, in the same window.
      frame.inner.decode(bytes, words[word + START], words[word + END])
      tracker.born = occasion.position
      tracker.observe(frame, words[word + CARRIER], (kind >> SENDER_SHIFT) as 0 | 1)
      continue
    }
    switch (occasion.operation) {
      case CARRIER_CLOSED:
        tracker.carrierClosed(words[word + CARRIER])
        break
      case EXPIRE:
        for (const _ of tracker.expire(doubles[double + TIME_US]));
        break
      case BATCH: {
        const batch = rows.take(doubles[double + TIME_US], tracker.size)
        parentPort?.postMessage(batch, [batch.rows.buffer])
        break
      }
      case FINISH:
        for (const _ of tracker.finish());
        break
      case RESET:
        tracker = new InnerFlowTracker(rows, limits)
        break
      default:
        throw new RangeError(`an operation of kind ${occasion.operation} is unknown`)
    }
  }
}

work(workerData as FlowWorkerData)
