/** How much of the heap something takes, whether it is garbage by then or not. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Octets that `work` allocated. No collection may fall into it: what does not fill the young generation is small enough. */
export function allocatedBy(work: () => void): number {
  collect()
  const before = process.memoryUsage().heapUsed
  work()
  return process.memoryUsage().heapUsed - before
}
