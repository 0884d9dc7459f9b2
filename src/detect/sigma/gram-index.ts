/**
 * Texts that are sought anywhere in others: of each, four characters that few of the others have stand for it, and one walk over a
 * text finds all that it may hold.
 */
import { lowerCase } from './pattern.ts'
import { lowerCode } from './text-trie.ts'

const GRAM_CHARACTERS = 4
const ASCII = 128
/** For each gram so many bits, of which it sets one: few places of a text go further, and all bits stay near the processor. */
const BITS_A_GRAM = 32
const BITS_MIN = 1024

export class GramIndex<R> {
  readonly #byGram = new Map<number, R[]>()
  /** One bit for each gram, by some of its own bits. */
  readonly #bits: Int32Array
  readonly #mask: number

  /** Of texts in lower case that `hasGram`. */
  constructor(sought: readonly { readonly text: string; readonly rule: R }[]) {
    const frequency = new Map<number, number>()
    for (const { text } of sought) {
      for (const gram of gramsOf(text)) frequency.set(gram, (frequency.get(gram) ?? 0) + 1)
    }
    for (const { text, rule } of sought) {
      const gram = rarest(gramsOf(text), frequency)
      const rules = this.#byGram.get(gram)
      if (rules === undefined) this.#byGram.set(gram, [rule])
      else if (!rules.includes(rule)) rules.push(rule)
    }
    const bits = Math.max(this.#byGram.size * BITS_A_GRAM, BITS_MIN)
    this.#mask = 2 ** Math.ceil(Math.log2(bits)) - 1
    this.#bits = new Int32Array((this.#mask + 1) / 32)
    for (const gram of this.#byGram.keys()) {
      const hash = hashOf(gram) & this.#mask
      this.#bits[hash >>> 5] |= 1 << (hash & 31)
    }
  }

  /** Of each text that may stand in `text`. */
  search(text: string, found: (rule: R) => void): void {
    const bits = this.#bits
    const mask = this.#mask
    let gram = 0
    let characters = 0
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (code >= ASCII) {
        const lower = lowerCase(text)
        if (lower !== text) {
          this.search(lower, found)
          return
        }
        characters = 0
        continue
      }
      gram = ((gram << 7) | lowerCode(code)) & 0xfffffff
      if (++characters < GRAM_CHARACTERS) continue
      const hash = hashOf(gram) & mask
      if ((bits[hash >>> 5] & (1 << (hash & 31))) === 0) continue
      const rules = this.#byGram.get(gram)
      if (rules !== undefined) for (let j = 0; j < rules.length; j++) found(rules[j])
    }
  }
}

/** Whether a text holds four ASCII characters in a row: only these are the same in every text, however it is lower-cased. */
export function hasGram(text: string): boolean {
  return gramsOf(text).length > 0
}

function gramsOf(text: string): number[] {
  const grams: number[] = []
  let gram = 0
  let characters = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    characters = code < ASCII ? characters + 1 : 0
    gram = ((gram << 7) | code) & 0xfffffff
    if (characters >= GRAM_CHARACTERS) grams.push(gram)
  }
  return grams
}

function rarest(grams: readonly number[], frequency: ReadonlyMap<number, number>): number {
  let best = grams[0]
  for (const gram of grams) if (frequency.get(gram)! < frequency.get(best)!) best = gram
  return best
}

function hashOf(gram: number): number {
  return Math.imul(gram, 0x9e3779b1) >>> 8
}
