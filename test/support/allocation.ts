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

/** Frames one after the other in one buffer, as a capture holds them. */
export class Tape {
  bytes = new Uint8Array(16 << 20)
  readonly #edges: number[] = [0]

  add(frame: Uint8Array): void {
    const start = this.#edges[this.#edges.length - 1]
    this.bytes.set(frame, start)
    this.#edges.push(start + frame.length)
  }

  get edges(): Int32Array {
    return Int32Array.from(this.#edges)
  }
}
