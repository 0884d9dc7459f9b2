/** What rules look for in the texts of one field, joined: equal texts, beginnings, ends and parts. */
import type { Clue } from './clues.ts'
import { GramIndex, hasGram } from './gram-index.ts'
import { isAscii, lowerCase } from './pattern.ts'
import { lowerCode, TextTrie } from './text-trie.ts'

export interface SoughtText<R> {
  readonly kind: Extract<Clue, { text: string }>['kind']
  /** In lower case. */
  readonly text: string
  readonly rule: R
}

export class TextIndex<R> {
  readonly #values = new Map<string, R[]>()
  /** Those of the values that are written as a number is. */
  readonly #numbers = new Map<number, R[]>()
  /** Of each value a mark, by its length and its ends, or by the number that it is: most need not be looked up. */
  readonly #sketches: Uint8Array
  /** Whether a value is not ASCII: it may be another text's lower case that is longer. */
  #isBeyond = false
  readonly #starts: TextTrie<R> | null
  readonly #ends: TextTrie<R> | null
  /** Parts that are too short for grams, or are not of ASCII characters. */
  readonly #parts: TextTrie<R> | null
  readonly #grams: GramIndex<R> | null
  /** Whether more than whole values is sought. */
  readonly #isPartial: boolean
  /** Texts in which nothing was found, by their sketches: the same few come again and again. */
  readonly #barren: string[] = new Array(BARREN_SLOTS).fill('')
  /** The last such text: many fields hold the same one nearly always, and to compare is quicker than to make its sketch. */
  #barrenLast: string | null = null
  #found: (rule: R) => void = () => {}
  #finds = 0

  constructor(sought: readonly SoughtText<R>[]) {
    const values = sought.filter(({ kind }) => kind === 'value')
    this.#sketches = new Uint8Array(2 ** Math.ceil(Math.log2(values.length * SKETCHES_A_VALUE + 1)))
    for (const { text, rule } of values) this.#addValue(text, rule)
    const parts = sought.filter(({ kind }) => kind === 'part')
    const long = parts.filter(({ text }) => hasGram(text))
    const short = parts.filter(({ text }) => !hasGram(text))
    this.#starts = trieOf(sought.filter(({ kind }) => kind === 'start'))
    this.#ends = trieOf(
      sought.filter(({ kind }) => kind === 'end'),
      true,
    )
    this.#parts = trieOf(short)
    this.#grams = long.length === 0 ? null : new GramIndex(long)
    this.#isPartial = parts.length > 0 || this.#starts !== null || this.#ends !== null
  }

  #addValue(text: string, rule: R): void {
    append(this.#values, text, rule)
    const number = Number(text)
    if (String(number) === text) {
      append(this.#numbers, number, rule)
      this.#mark(number)
    }
    this.#isBeyond ||= !isAscii(text)
    this.#mark(sketchOf(text))
  }

  #mark(sketch: number): void {
    this.#sketches[sketch & (this.#sketches.length - 1)] = 1
  }

  #isMarked(sketch: number): boolean {
    return this.#sketches[sketch & (this.#sketches.length - 1)] === 1
  }

  /** Calls `found` for what may be in a scalar; more than once, where it is there more than once. */
  look(value: unknown, found: (rule: R) => void): void {
    if (typeof value === 'string') this.#lookText(value, found)
    else if (typeof value === 'number' && Number.isFinite(value)) {
      if (this.#isMarked(value)) report(this.#numbers.get(value), found)
      if (this.#isPartial) this.#lookInside(String(value), found)
    } else this.#lookText(String(value), found)
  }

  #lookText(text: string, found: (rule: R) => void): void {
    if (text === this.#barrenLast) return
    const sketch = sketchOf(text)
    const mayBeValue = this.#isBeyond || this.#isMarked(sketch)
    const slot = sketch % BARREN_SLOTS
    if ((!mayBeValue && !this.#isPartial) || (this.#barren[slot] === text && text !== '')) {
      if (text.length <= BARREN_CHARACTERS_MAX) this.#barrenLast = text
      return
    }
    this.#found = found
    const finds = this.#finds
    if (mayBeValue) report(this.#values.get(lowerCase(text)), this.#find)
    this.#lookInside(text, this.#find)
    if (this.#finds === finds && text.length <= BARREN_CHARACTERS_MAX) this.#barren[slot] = text
  }

  readonly #find = (rule: R): void => {
    this.#finds++
    this.#found(rule)
  }

  #lookInside(text: string, found: (rule: R) => void): void {
    this.#starts?.look(text, found)
    this.#ends?.look(text, found)
    this.#parts?.search(text, found)
    this.#grams?.search(text, found)
  }
}

const BARREN_SLOTS = 32
/** Longer texts are not worth keeping. */
const BARREN_CHARACTERS_MAX = 128
/** For each value so many, of which it marks one. */
const SKETCHES_A_VALUE = 32

/** The same for texts that are the same in lower case, if that is ASCII. */
function sketchOf(text: string): number {
  if (text === '') return 0
  const first = sketchCode(text.charCodeAt(0))
  const last = sketchCode(text.charCodeAt(text.length - 1))
  return text.length * 1031 + first * 61 + last
}

/** Of all characters beyond ASCII only the Kelvin sign is ASCII in lower case. */
function sketchCode(code: number): number {
  return code === KELVIN ? SMALL_K : lowerCode(code)
}

const KELVIN = 0x212a
const SMALL_K = 0x6b

function trieOf<R>(sought: readonly SoughtText<R>[], backwards = false): TextTrie<R> | null {
  if (sought.length === 0) return null
  const trie = new TextTrie<R>(backwards)
  for (const { text, rule } of sought) trie.add(text, rule)
  return trie
}

function append<K, R>(lists: Map<K, R[]>, key: K, rule: R): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [rule])
  else if (!list.includes(rule)) list.push(rule)
}

function report<R>(rules: readonly R[] | undefined, found: (rule: R) => void): void {
  if (rules !== undefined) for (let i = 0; i < rules.length; i++) found(rules[i])
}
