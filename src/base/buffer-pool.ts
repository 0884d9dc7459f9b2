/**
 * Reused buffers of a few sizes under one bound. A buffer that was given back keeps its octets: who takes it writes first.
 */

const SIZE_MIN_LOG2 = 11

export class BufferPool {
  /** Octets that buffers may have in all, in use or waiting. */
  readonly capacity: number
  /** The largest buffer: a power of two. */
  readonly sizeMax: number
  /** Octets of the buffers in use. */
  used = 0
  #waiting = 0
  readonly #free: Uint8Array[][] = []

  constructor(capacity: number, sizeMax: number) {
    this.capacity = capacity
    this.sizeMax = 1 << sizeClass(sizeMax)
    for (let log2 = SIZE_MIN_LOG2; log2 <= sizeClass(sizeMax); log2++) this.#free.push([])
  }

  /** A buffer of at least `length` octets (up to `sizeMax`), or null if the capacity does not allow it now. */
  take(length: number): Uint8Array | null {
    const kind = sizeClass(length) - SIZE_MIN_LOG2
    if (kind >= this.#free.length) return null
    const size = 1 << (kind + SIZE_MIN_LOG2)
    const waiting = this.#free[kind].pop()
    if (waiting !== undefined) this.#waiting -= size
    else if (!this.#hasRoom(size)) return null
    this.used += size
    return waiting ?? new Uint8Array(size)
  }

  give(buffer: Uint8Array): void {
    if (buffer.length === 0) return
    this.used -= buffer.length
    this.#waiting += buffer.length
    this.#free[sizeClass(buffer.length) - SIZE_MIN_LOG2].push(buffer)
  }

  /** Buffers that wait in other sizes are let go if that makes room. */
  #hasRoom(size: number): boolean {
    if (this.used + size > this.capacity) return false
    if (this.used + this.#waiting + size > this.capacity) {
      for (const list of this.#free) list.length = 0
      this.#waiting = 0
    }
    return true
  }
}

/** The exponent of the smallest size that holds `length` octets. */
function sizeClass(length: number): number {
  return Math.max(SIZE_MIN_LOG2, 32 - Math.clz32(length - 1))
}
