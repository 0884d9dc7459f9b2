/**
 * What paths stand for, on the writer's side: a row of integers for each, found by its number. There are rows for the paths that
 * the packet path remembers, and for those that may be numbered while a packet waits: so the row of a packet is never another's.
 */
import { THINGS_MAX } from './tellings.ts'

/** So many may be numbered while a packet waits, however few are remembered. */
const WAITING_MIN = 65_536
const ROW_WORDS = 16
/** How many things; in which segment it was written last, and under which number there; what is known about alerts; the things. */
const COUNT = 0
const SEGMENT = 1
const NUMBER = 2
const ALERT = 3
const THINGS = 4
const INLINE_MAX = (ROW_WORDS - THINGS) / 2
const FIRST_ROWS = 4096

/** How many paths may be numbered while a packet waits to be written, if so many are remembered. */
export function pathsWaiting(pathsMax: number): number {
  return Math.max(pathsMax, WAITING_MIN)
}

export class PathTable {
  readonly #mask: number
  #rows = new Int32Array(FIRST_ROWS * ROW_WORDS)
  /** Of paths with more things than a row has room for, all of them. */
  readonly #long = new Map<number, Uint32Array>()
  /** Things that were found out later of paths that had as many as are kept. */
  leftOut = 0
  #next = 0

  constructor(pathsMax: number) {
    let rows = FIRST_ROWS
    while (rows < pathsMax + pathsWaiting(pathsMax)) rows *= 2
    this.#mask = rows - 1
  }

  #rowOf(path: number): number {
    return (path & this.#mask) * ROW_WORDS
  }

  /** The path `path` stands for these things. */
  set(path: number, words: Uint32Array, count: number): void {
    const at = this.#rowOf(path)
    while (at >= this.#rows.length) this.#grow()
    if (this.#rows[at + COUNT] > INLINE_MAX) this.#long.delete(at)
    this.#rows[at + COUNT] = count
    this.#rows[at + SEGMENT] = 0
    this.#rows[at + ALERT] = 0
    this.#setThings(at, words, count)
    this.#next = (path + 1) | 0
  }

  #setThings(at: number, words: Uint32Array, count: number): void {
    if (count > INLINE_MAX) this.#long.set(at, words.slice(0, count * 2))
    else for (let i = 0; i < count * 2; i++) this.#rows[at + THINGS + i] = words[i]
  }

  #grow(): void {
    const larger = new Int32Array(this.#rows.length * 2)
    larger.set(this.#rows)
    this.#rows = larger
  }

  /** The path stands for these things, too. False if its row has become another's. */
  add(path: number, words: Uint32Array, count: number): boolean {
    if (((this.#next - path) | 0) > this.#mask) return false
    const at = this.#rowOf(path)
    const before = this.#rows[at + COUNT]
    const all = Math.min(THINGS_MAX, before + count)
    this.leftOut += before + count - all
    const joined = new Uint32Array((before + count) * 2)
    for (let i = 0; i < before * 2; i++) joined[i] = this.thingWord(path, i)
    joined.set(words.subarray(0, count * 2), before * 2)
    this.#rows[at + COUNT] = all
    this.#rows[at + ALERT] = 0
    this.#setThings(at, joined, all)
    return true
  }

  countOf(path: number): number {
    return this.#rows[this.#rowOf(path) + COUNT]
  }

  /** One of the `countOf` times two words of its things. */
  thingWord(path: number, index: number): number {
    const at = this.#rowOf(path)
    const count = this.#rows[at + COUNT]
    return count > INLINE_MAX ? (this.#long.get(at) as Uint32Array)[index] : this.#rows[at + THINGS + index] >>> 0
  }

  /** The segment in which it was written last; 0 if in none. */
  segmentOf(path: number): number {
    return this.#rows[this.#rowOf(path) + SEGMENT]
  }

  numberOf(path: number): number {
    return this.#rows[this.#rowOf(path) + NUMBER]
  }

  setNumber(path: number, segment: number, number: number): void {
    const at = this.#rowOf(path)
    this.#rows[at + SEGMENT] = segment
    this.#rows[at + NUMBER] = number
  }

  /** What `setAlert` noted; 0 if nothing since the path has these things. */
  alertOf(path: number): number {
    return this.#rows[this.#rowOf(path) + ALERT]
  }

  setAlert(path: number, note: number): void {
    this.#rows[this.#rowOf(path) + ALERT] = note
  }
}
