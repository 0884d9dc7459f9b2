/**
 * Gives memory back that the heap of JavaScript does not need any more.
 *
 * V8 keeps pages that became empty until a collection favours memory over speed (Heap::ShouldReduceMemory), which those of a busy
 * process never do: it stays at its highest mark, and the mark rises with each rarer peak. Where all of them favour memory, to store
 * many events takes a tenth more of the processor; so two at a time do, now and then. The first may have begun before it was told.
 */
import { constants, type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks'
import { setFlagsFromString } from 'node:v8'

const EVERY_MS = 300_000
const COLLECTIONS = 2

const { NODE_PERFORMANCE_GC_MAJOR } = constants
type GcEntry = PerformanceEntry & { readonly detail: { readonly kind: number } }

/** What V8 is told and asked. A test brings its own. */
export interface HeapControl {
  /** Of all threads. */
  favourMemory(isFavoured: boolean): void
  /** Calls back after each collection of the whole heap of this thread, until what it gives is called. */
  watch(collected: () => void): () => void
}

const V8: HeapControl = {
  favourMemory: (isFavoured) => setFlagsFromString(isFavoured ? '--optimize-for-size' : '--no-optimize-for-size'),
  watch(collected) {
    const observer = new PerformanceObserver((list) => {
      for (const { detail } of list.getEntries() as GcEntry[])
        if (detail.kind === NODE_PERFORMANCE_GC_MAJOR) collected()
    })
    observer.observe({ entryTypes: ['gc'] })
    return () => observer.disconnect()
  },
}

export class HeapTrim {
  readonly #control: HeapControl
  /** When the last one ended. */
  #endedMs: number
  #nowMs: number
  #unwatch: (() => void) | null = null

  constructor(nowMs: number, control: HeapControl = V8) {
    this.#control = control
    this.#endedMs = nowMs
    this.#nowMs = nowMs
  }

  /** About once a second. */
  tick(nowMs: number): void {
    this.#nowMs = nowMs
    if (this.#unwatch !== null || nowMs - this.#endedMs < EVERY_MS) return
    this.#control.favourMemory(true)
    let left = COLLECTIONS
    this.#unwatch = this.#control.watch(() => {
      if (--left === 0) this.end()
    })
  }

  /** All is as it was before. */
  end(): void {
    if (this.#unwatch === null) return
    this.#unwatch()
    this.#unwatch = null
    this.#control.favourMemory(false)
    this.#endedMs = this.#nowMs
  }
}
