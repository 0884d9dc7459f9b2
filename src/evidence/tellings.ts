/**
 * What is told beside the packets: what paths stand for, where packets were captured, and what raised alerts. A ring of words in
 * shared memory:
 *
 *     kind and count · a number · two words for each of so many things
 *
 * The number is that of a path or of an origin; of an alert how many chunks had been let go of when it came. The last things of the path of
 * a flow are the flow in words (`flow-words.ts`).
 */
import { FLOW_PAIRS } from './flow-words.ts'
import type { Thing } from './things.ts'

/** `SIGNAL` changes whenever the writer has something to look at, `DONE` whenever it has written; two words from `FILLED` and `WRITTEN` on. */
export const CONTROL = { STOP: 0, SIGNAL: 1, DONE: 2, TOLD: 3, READ: 4, FILLED: 5, WRITTEN: 7 } as const
export const CONTROL_WORDS = 16

export const TELLING_WORDS = 0x8_0000
/** Of these, what only alerts may use, which cannot be told again. */
const RESERVED_WORDS = 0x2000
const HEAD_WORDS = 2
/** So many at most in one telling: more than a packet is part of, and than the description of an origin takes. */
export const THINGS_MAX = 64

export const TELLING = { PATH: 1, MORE: 2, ORIGIN: 3, ALERT: 4, CALM: 5, FLOW: 6 } as const
type Kind = (typeof TELLING)[keyof typeof TELLING]

/** Who is told. `words` from `at` on are `count` things; they hold until the call returns. */
export type Told = (kind: number, number: number, words: Uint32Array, count: number) => void

/** The packet path's end. */
export class TellingWriter {
  readonly #words: Uint32Array
  readonly #control: Int32Array
  /** Things that did not go into their telling. */
  leftOut = 0
  #told = 0
  #isAbandoned = false

  constructor(memory: SharedArrayBuffer, at: number, control: Int32Array) {
    this.#words = new Uint32Array(memory, at, TELLING_WORDS)
    this.#control = control
  }

  /** Nobody listens any more. */
  abandon(): void {
    this.#isAbandoned = true
    Atomics.store(this.#control, CONTROL.READ, this.#told)
  }

  get isHalfEmpty(): boolean {
    return this.#used * 2 <= TELLING_WORDS
  }

  get #used(): number {
    return (this.#told - Atomics.load(this.#control, CONTROL.READ)) | 0
  }

  /** What `things` are, and behind them the words of a flow, if it is one; false if there is no room now. */
  tell(kind: Kind, number: number, things: readonly Thing[], flow: Uint32Array | null = null): boolean {
    if (this.#isAbandoned) return true
    const given = Math.min(things.length, flow === null ? THINGS_MAX : THINGS_MAX - 1)
    const count = flow === null ? given : given + FLOW_PAIRS
    const used = this.#used
    const isReserved = kind === TELLING.ALERT || kind === TELLING.CALM
    const free = TELLING_WORDS - used - (isReserved ? 0 : RESERVED_WORDS)
    if (HEAD_WORDS + count * 2 > free) return false
    this.leftOut += things.length - given
    this.#put((kind << 16) | count)
    this.#put(number)
    for (let i = 0; i < given; i++) {
      this.#put(things[i].high)
      this.#put(things[i].low)
    }
    if (flow !== null) for (let i = 0; i < FLOW_PAIRS * 2; i++) this.#put(flow[i])
    Atomics.store(this.#control, CONTROL.TOLD, this.#told)
    // Whoever sleeps for want of packets reads before the ring is full.
    if (used > TELLING_WORDS / 2) {
      Atomics.add(this.#control, CONTROL.SIGNAL, 1)
      Atomics.notify(this.#control, CONTROL.SIGNAL)
    }
    return true
  }

  #put(word: number): void {
    this.#words[this.#told & (TELLING_WORDS - 1)] = word
    this.#told = (this.#told + 1) | 0
  }
}

/** The writer's end. */
export class TellingReader {
  readonly #words: Uint32Array
  readonly #control: Int32Array
  readonly #told: Told
  readonly #things = new Uint32Array((THINGS_MAX + FLOW_PAIRS) * 2)
  #read = 0

  constructor(memory: SharedArrayBuffer, at: number, control: Int32Array, told: Told) {
    this.#words = new Uint32Array(memory, at, TELLING_WORDS)
    this.#control = control
    this.#told = told
  }

  /** Everything that has been told so far. */
  read(): void {
    const end = Atomics.load(this.#control, CONTROL.TOLD)
    if (this.#read === end) return
    while (this.#read !== end) {
      const head = this.#next()
      const number = this.#next()
      const count = head & 0xffff
      for (let i = 0; i < count * 2; i++) this.#things[i] = this.#next()
      this.#told(head >>> 16, number, this.#things, count)
    }
    Atomics.store(this.#control, CONTROL.READ, this.#read)
  }

  #next(): number {
    const word = this.#words[this.#read & (TELLING_WORDS - 1)]
    this.#read = (this.#read + 1) | 0
    return word
  }
}
