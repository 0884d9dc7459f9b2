/**
 * A thread that follows flows: it does what the packet thread asks of it, in order, and gives what became of the flows to
 * whoever puts the threads' results together.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { FlowRowWriter } from './flow-rows.ts'
import { Follower, type FollowerData } from './follower.ts'
import { BATCH } from './operation.ts'

/** Works until the process, or whoever started it, ends it. */
function work(data: FollowerData): never {
  const rows = new FlowRowWriter()
  const follower = new Follower(data, rows)
  rows.occasion = follower
  for (;;) {
    follower.next()
    follower.follow()
    if (follower.operation !== BATCH) continue
    const batch = rows.take(follower.batch, follower.size)
    parentPort?.postMessage(batch, [batch.rows.buffer])
  }
}

work(workerData as FollowerData)
