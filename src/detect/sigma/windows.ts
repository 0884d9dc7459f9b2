/**
 * The windows of one correlation: for each group the events that still count, sorted by time, and what can be measured of them.
 * All of them share one pool of entries on typed arrays: most windows hold one event, and there are very many.
 *
 * A window is named by the place of its group. Its entries are chained, the oldest first.
 */
import type { SigmaCorrelation } from './parse.ts'
import { enlarged } from './recent-keys.ts'

/** How many event ids a firing carries. */
export const EVIDENCE_MAX = 20
/** Numbers that a window of `value_sum`, `value_avg` or `value_percentile` holds. */
export const NUMBERS_MAX = 10_000
/** Events of each rule that a window of `temporal_ordered` holds. */
export const ORDERED_MAX = 64
/** A window with more distinct values has them in a map. */
const SCANNED_MAX = 16
const NONE = -1
/** What an entry takes in memory, with its id; and what the text of a value takes, with its place in a map, and each of its characters. */
const ENTRY_BYTES = 90
const TEXT_BYTES = 70
const CHARACTER_BYTES = 2
const FIRST_ENTRIES = 16

/** An entry as it is written down: time, id, key, number, input, hits. */
export type SavedRow = readonly [number, string, string, number, number, number]

export interface SavedWindow {
  readonly sum: number
  readonly entries: readonly SavedRow[]
}

export class Windows {
  readonly #type: SigmaCorrelation['type']
  readonly #percentile: number
  readonly #inputs: number
  readonly #entriesMax: number
  /** Types that count distinct things have each of them once, with its newest event. */
  readonly #isDistinct: boolean
  // By window
  #first = new Int32Array(0)
  #last = new Int32Array(0)
  #sizes = new Int32Array(0)
  #sums = new Float64Array(0)
  /** What the values take that `value_count` counts. */
  #textBytes = new Float64Array(0)
  readonly #maps = new Map<number, Map<string, number>>()
  // By entry
  #timeUs = new Float64Array(FIRST_ENTRIES)
  #number = new Float64Array(FIRST_ENTRIES)
  #input = new Int32Array(FIRST_ENTRIES)
  #hits = new Int32Array(FIRST_ENTRIES)
  /** For free entries, the next free one. */
  #next = new Int32Array(FIRST_ENTRIES)
  #previous = new Int32Array(FIRST_ENTRIES)
  readonly #ids: string[] = []
  /** The values that `value_count` counts; empty for the other types. */
  readonly #texts: string[] = []
  #entriesUsed = 0
  #freeEntry = NONE

  constructor(correlation: SigmaCorrelation, entriesMax: number) {
    this.#type = correlation.type
    this.#percentile = correlation.percentile
    this.#inputs = correlation.rules.length
    this.#entriesMax = entriesMax
    this.#isDistinct = correlation.type === 'value_count' || correlation.type === 'temporal'
  }

  /** Makes room for so many windows. */
  reserve(windows: number): void {
    const before = this.#sizes.length
    if (windows <= before) return
    this.#first = enlarged(this.#first, windows).fill(NONE, before)
    this.#last = enlarged(this.#last, windows).fill(NONE, before)
    this.#sizes = enlarged(this.#sizes, windows)
    this.#sums = enlarged(this.#sums, windows)
    this.#textBytes = enlarged(this.#textBytes, windows)
  }

  size(window: number): number {
    return this.#sizes[window]
  }

  /** What a window takes in memory, by an estimate. */
  bytes(window: number): number {
    return this.#sizes[window] * ENTRY_BYTES + this.#textBytes[window]
  }

  /** Of a window that is not empty. */
  firstUs(window: number): number {
    return this.#timeUs[this.#first[window]]
  }

  events(window: number): number {
    let events = 0
    for (let entry = this.#first[window]; entry !== NONE; entry = this.#next[entry]) events += this.#hits[entry]
    return events
  }

  distinct(window: number): number | null {
    if (this.#isDistinct) return this.#sizes[window]
    return this.#type === 'temporal_ordered' ? new Set(this.#list(window, (entry) => this.#input[entry])).size : null
  }

  evidence(window: number): string[] {
    const ids: string[] = []
    for (let at = this.#first[window]; at !== NONE && ids.length < EVIDENCE_MAX; at = this.#next[at]) {
      ids.push(this.#ids[at])
    }
    return ids
  }

  clear(window: number): void {
    for (let entry = this.#first[window]; entry !== NONE; ) {
      const next = this.#next[entry]
      this.#release(entry)
      entry = next
    }
    this.#first[window] = NONE
    this.#last[window] = NONE
    this.#sizes[window] = 0
    this.#sums[window] = 0
    this.#textBytes[window] = 0
    this.#maps.delete(window)
  }

  save(window: number): SavedWindow {
    const row = (entry: number): SavedRow => [
      this.#timeUs[entry],
      this.#ids[entry],
      this.#keyOf(entry),
      this.#number[entry],
      this.#input[entry],
      this.#hits[entry],
    ]
    return { sum: this.#sums[window], entries: this.#list(window, row) }
  }

  /** What `save` gave, or null if `saved` is no window of this kind. */
  check(saved: unknown): SavedWindow | null {
    const { sum, entries } = (saved ?? {}) as { readonly sum?: unknown; readonly entries?: unknown }
    if (typeof sum !== 'number' || !Array.isArray(entries) || entries.length > this.#entriesMax) return null
    const keys = new Set<string>()
    let lastUs = Number.NEGATIVE_INFINITY
    for (const row of entries) {
      if (!Array.isArray(row)) return null
      const [timeUs, id, key, number, input, hits] = row
      const isRight =
        [timeUs, number, input, hits].every((part) => typeof part === 'number') &&
        [id, key].every((part) => typeof part === 'string') &&
        timeUs >= lastUs &&
        input >= 0 &&
        input < this.#inputs &&
        !(this.#isDistinct && keys.has(key))
      if (!isRight) return null
      keys.add(key)
      lastUs = timeUs
    }
    return { sum, entries }
  }

  /** Fills an empty window with what was checked. */
  restore(window: number, { sum, entries }: SavedWindow): void {
    for (const [timeUs, id, key, number, input, hits] of entries) {
      const entry = this.#take(window, timeUs, id, number, input)
      this.#hits[entry] = hits
      this.#know(window, entry, key)
      this.#place(window, entry)
    }
    this.#sums[window] = sum
  }

  /** Forgets what happened before `fromUs`. */
  expire(window: number, fromUs: number): void {
    const last = this.#last[window]
    if (last === NONE || this.#timeUs[this.#first[window]] >= fromUs) return
    if (this.#timeUs[last] < fromUs) this.clear(window)
    else while (this.#timeUs[this.#first[window]] < fromUs) this.#forget(window, this.#first[window])
  }

  /**
   * `text` is what `value_count` counts, `number` what is added up, or the input. False if a number that still counts had to go
   * for it.
   */
  insert(window: number, timeUs: number, id: string, text: string, number: number, input: number): boolean {
    const known = this.#isDistinct ? this.#find(window, text, input) : NONE
    if (known !== NONE) {
      this.#hits[known]++
      if (timeUs <= this.#timeUs[known]) return true
      this.#unlink(window, known)
      this.#timeUs[known] = timeUs
      this.#ids[known] = id
      this.#place(window, known)
      return true
    }
    if (this.#type === 'temporal_ordered') this.#makeRoom(window, input)
    const entry = this.#take(window, timeUs, id, number, input)
    this.#know(window, entry, text)
    this.#sums[window] += number
    this.#place(window, entry)
    if (this.#sizes[window] <= this.#entriesMax) return true
    this.#forget(window, this.#first[window])
    return this.#entriesMax !== NUMBERS_MAX
  }

  measure(window: number): number {
    switch (this.#type) {
      case 'event_count':
      case 'value_count':
      case 'temporal':
        return this.#sizes[window]
      case 'temporal_ordered':
        return this.#longestChain(window)
      case 'value_sum':
        return this.#sums[window]
      case 'value_avg':
        return this.#sums[window] / this.#sizes[window]
      case 'value_percentile': {
        const sorted = this.#list(window, (entry) => this.#number[entry]).sort((a, b) => a - b)
        return sorted[Math.max(0, Math.ceil((this.#percentile / 100) * sorted.length) - 1)]
      }
    }
  }

  #list<T>(window: number, of: (entry: number) => T): T[] {
    const list: T[] = []
    for (let entry = this.#first[window]; entry !== NONE; entry = this.#next[entry]) list.push(of(entry))
    return list
  }

  #keyOf(entry: number): string {
    return this.#type === 'value_count' ? this.#texts[entry] : String(this.#number[entry])
  }

  #find(window: number, text: string, input: number): number {
    const isCount = this.#type === 'value_count'
    if (this.#sizes[window] > SCANNED_MAX && isCount) return this.#mapOf(window).get(text) ?? NONE
    let entry = this.#first[window]
    while (entry !== NONE && (isCount ? this.#texts[entry] !== text : this.#input[entry] !== input)) {
      entry = this.#next[entry]
    }
    return entry
  }

  /** Made when it is first asked for: few windows hold so many. */
  #mapOf(window: number): Map<string, number> {
    let map = this.#maps.get(window)
    if (map === undefined) {
      map = new Map()
      for (let at = this.#first[window]; at !== NONE; at = this.#next[at]) map.set(this.#texts[at], at)
      this.#maps.set(window, map)
    }
    return map
  }

  #know(window: number, entry: number, text: string): void {
    if (this.#type !== 'value_count') return
    this.#texts[entry] = text
    this.#textBytes[window] += bytesOf(text)
    this.#maps.get(window)?.set(text, entry)
  }

  #take(window: number, timeUs: number, id: string, number: number, input: number): number {
    let entry = this.#freeEntry
    if (entry !== NONE) this.#freeEntry = this.#next[entry]
    else {
      if (this.#entriesUsed === this.#next.length) this.#grow()
      entry = this.#entriesUsed++
    }
    this.#timeUs[entry] = timeUs
    this.#ids[entry] = id
    this.#number[entry] = number
    this.#input[entry] = input
    this.#hits[entry] = 1
    this.#sizes[window]++
    return entry
  }

  #grow(): void {
    const entries = this.#next.length * 2
    this.#timeUs = enlarged(this.#timeUs, entries)
    this.#number = enlarged(this.#number, entries)
    this.#input = enlarged(this.#input, entries)
    this.#hits = enlarged(this.#hits, entries)
    this.#next = enlarged(this.#next, entries)
    this.#previous = enlarged(this.#previous, entries)
  }

  /** Its texts are let go: a pool that was full once must not hold them. */
  #release(entry: number): void {
    this.#ids[entry] = ''
    if (this.#type === 'value_count') this.#texts[entry] = ''
    this.#next[entry] = this.#freeEntry
    this.#freeEntry = entry
  }

  /** Behind every entry of the same time, so that the order of arrival stays. */
  #place(window: number, entry: number): void {
    const timeUs = this.#timeUs[entry]
    let before = this.#last[window]
    while (before !== NONE && this.#timeUs[before] > timeUs) before = this.#previous[before]
    const after = before === NONE ? this.#first[window] : this.#next[before]
    this.#previous[entry] = before
    this.#next[entry] = after
    if (before === NONE) this.#first[window] = entry
    else this.#next[before] = entry
    if (after === NONE) this.#last[window] = entry
    else this.#previous[after] = entry
  }

  #unlink(window: number, entry: number): void {
    const before = this.#previous[entry]
    const after = this.#next[entry]
    if (before === NONE) this.#first[window] = after
    else this.#next[before] = after
    if (after === NONE) this.#last[window] = before
    else this.#previous[after] = before
  }

  #forget(window: number, entry: number): void {
    if (this.#type === 'value_count') {
      this.#maps.get(window)?.delete(this.#texts[entry])
      this.#textBytes[window] -= bytesOf(this.#texts[entry])
    }
    this.#sums[window] -= this.#number[entry]
    this.#sizes[window]--
    this.#unlink(window, entry)
    this.#release(entry)
  }

  /** A flood of one rule may not push out the events of the others. */
  #makeRoom(window: number, input: number): void {
    let count = 0
    let oldest = NONE
    for (let entry = this.#first[window]; entry !== NONE; entry = this.#next[entry]) {
      if (this.#input[entry] !== input) continue
      count++
      if (oldest === NONE) oldest = entry
    }
    if (count >= ORDERED_MAX) this.#forget(window, oldest)
  }

  /** How many of the rules, from the first on, were seen in their order. */
  #longestChain(window: number): number {
    let reached = 0
    for (let entry = this.#first[window]; entry !== NONE; entry = this.#next[entry]) {
      if (this.#input[entry] === reached && ++reached === this.#inputs) break
    }
    return reached
  }
}

function bytesOf(text: string): number {
  return TEXT_BYTES + CHARACTER_BYTES * text.length
}
