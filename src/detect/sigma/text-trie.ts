/** Texts in lower case, found where others begin, end, or hold them. */
import { lowerCase } from './pattern.ts'

interface TrieNode<R> {
  readonly rules: R[]
  readonly next: Map<number, TrieNode<R>>
}

const ASCII = 128
const CAPITAL_A = 0x41
const CAPITAL_Z = 0x5a

/** Of an ASCII code unit: what stays the same in every text, however it is lower-cased. */
export function lowerCode(code: number): number {
  return code >= CAPITAL_A && code <= CAPITAL_Z ? code + 32 : code
}

export class TextTrie<R> {
  readonly #root: TrieNode<R> = { rules: [], next: new Map() }
  readonly #step: 1 | -1
  /** Of ASCII code units: whether a text begins so. */
  readonly #first = new Uint8Array(ASCII)
  #beginsBeyond = false

  /** `backwards` for texts that are read from their ends. */
  constructor(backwards = false) {
    this.#step = backwards ? -1 : 1
  }

  /** `text` is not empty. */
  add(text: string, rule: R): void {
    let node = this.#root
    const from = this.#step === 1 ? 0 : text.length - 1
    const first = text.charCodeAt(from)
    if (first < ASCII) this.#first[first] = 1
    else this.#beginsBeyond = true
    for (let i = from; i >= 0 && i < text.length; i += this.#step) {
      const code = text.charCodeAt(i)
      let next = node.next.get(code)
      if (next === undefined) {
        next = { rules: [], next: new Map() }
        node.next.set(code, next)
      }
      node = next
    }
    if (!node.rules.includes(rule)) node.rules.push(rule)
  }

  /** Texts with which `text` begins, or ends where they are read backwards. */
  look(text: string, found: (rule: R) => void): void {
    if (text === '') return
    const at = this.#step === 1 ? 0 : text.length - 1
    const code = text.charCodeAt(at)
    if (code >= ASCII || this.#first[lowerCode(code)] === 1) this.#walk(text, at, found)
  }

  /** Texts that stand anywhere in `text`. */
  search(text: string, found: (rule: R) => void): void {
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (code >= ASCII) {
        this.#searchLower(lowerCase(text), found)
        return
      }
      if (this.#first[lowerCode(code)] === 1) this.#walk(text, i, found)
    }
  }

  #searchLower(text: string, found: (rule: R) => void): void {
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (code < ASCII ? this.#first[code] === 1 : this.#beginsBeyond) this.#walkLower(text, i, found)
    }
  }

  /** As long as the text is ASCII, it need not be lower-cased. */
  #walk(text: string, from: number, found: (rule: R) => void): void {
    let node = this.#root
    for (let i = from; i >= 0 && i < text.length; i += this.#step) {
      const code = text.charCodeAt(i)
      if (code >= ASCII) {
        const lower = lowerCase(text)
        this.#walkLower(lower, this.#step === 1 ? from : lower.length - 1, found)
        return
      }
      const next = node.next.get(lowerCode(code))
      if (next === undefined) return
      node = next
      for (let j = 0; j < node.rules.length; j++) found(node.rules[j])
    }
  }

  #walkLower(text: string, from: number, found: (rule: R) => void): void {
    let node = this.#root
    for (let i = from; i >= 0 && i < text.length; i += this.#step) {
      const next = node.next.get(text.charCodeAt(i))
      if (next === undefined) return
      node = next
      for (let j = 0; j < node.rules.length; j++) found(node.rules[j])
    }
  }
}
