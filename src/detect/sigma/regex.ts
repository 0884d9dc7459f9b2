/**
 * Regular expressions of rules, run over text that an attacker chose, in bounded time.
 *
 * A pattern is parsed (the common part of PCRE) and judged:
 * - the runtime's engine takes texts that are so short that its worst case, by the repetitions of the pattern, is small;
 * - anything else runs on the automaton below, whose time is text × pattern whatever the input. Look-around is no exception: where
 *   it holds is found for all places of a text at once, by running what it looks for from the other end;
 * - back references, which no automaton can do, run on the runtime's engine over as much of a text as its budget allows, and are
 *   refused together with repetitions that could backtrack without end.
 */
import type { TextTest } from './pattern.ts'

/** To a group by its number, or by its name; by a name that is missing it is the letter. */
const BACK_REFERENCE = /^(?:k<[^>]*>|k|[1-9]\d*)/
const REFERENCE_LENGTH_MAX = 256

/** Steps that the runtime's engine may take in its worst case before the automaton takes over: some milliseconds. */
const NATIVE_STEPS = 2 ** 21
/** The same where there is nothing else to take over: a fraction of a second. */
const NATIVE_ONLY_STEPS = 2 ** 26
const INSTRUCTIONS_MAX = 20_000
const NESTING_MAX = 100
/** Look-around that a pattern may hold, every repetition of it counted. */
const LOOKS_MAX = 50

export interface RegexFlags {
  readonly ignoreCase: boolean
  readonly multiline: boolean
  readonly dotAll: boolean
}

/** Why a pattern is refused. */
export class RegexError extends Error {}

/** Throws RegexError. */
export function compileRegex(source: string, flags: RegexFlags): TextTest {
  const parser = new RegexParser(source, flags)
  const root = parser.parse()
  const native = parser.portable ? nativeRegex(parser.translated(), flags) : null
  const judged = parser.nested || parser.unbounded > 1 ? Number.POSITIVE_INFINITY : parser.choices
  if (!parser.linear) {
    const longest = charactersWithin(NATIVE_ONLY_STEPS, judged, parser.unbounded)
    if (native === null || longest < 1) {
      throw new RegexError('back references are refused beside repetitions that can backtrack without bound')
    }
    return (text) => native.test(text.length > longest ? text.slice(0, longest) : text)
  }
  const automaton = new Automaton(root)
  const longest = native === null ? -1 : charactersWithin(NATIVE_STEPS, judged, parser.unbounded)
  return (text) => (text.length > longest ? automaton.finds(text) : native!.test(text))
}

/** The pattern as it is read. Throws RegexError. */
export function parseRegex(source: string, flags: RegexFlags): RegexNode {
  return new RegexParser(source, flags).parse()
}

/**
 * How long a text may be so that a backtracking engine takes no more than `steps`: at each place, it may try every choice of the
 * bounded repetitions, and, where there is one without bound, every length of it.
 */
function charactersWithin(steps: number, choices: number, unbounded: number): number {
  return Math.floor((steps / choices) ** (1 / (1 + unbounded)))
}

/**
 * Of a translated pattern. Inline flags at the very start are PCRE; the runtime takes them beside the pattern. Null if it refuses it.
 */
function nativeRegex(source: string, flags: RegexFlags): RegExp | null {
  const inline = /^\(\?([ims]+)\)/.exec(source)
  const letters = inline === null ? '' : inline[1]
  try {
    const ignoreCase = flags.ignoreCase || letters.includes('i')
    return new RegExp(inline === null ? source : source.slice(inline[0].length), ignoreCase ? 'i' : '')
  } catch {
    return null
  }
}

/**
 * What says to the runtime what a character says to PCRE, where a line ends with a line feed and with nothing else, and before the
 * last one is the end of the text, too.
 */
const NATIVE = {
  inLine: '[^\\n]',
  any: '[^]',
  lineStart: '(?<![^\\n])',
  lineEnd: '(?![^\\n])',
  lastLineEnd: '(?![^\\n]|\\n[^])',
}

/** Which UTF-16 code units: a table for ASCII, ranges (pairs, inclusive) beyond. */
export interface CharSet {
  readonly ascii: Uint8Array
  readonly ranges: readonly number[]
  readonly negated: boolean
  readonly ignoreCase: boolean
}

type Assertion = 'start' | 'end' | 'line_start' | 'line_end' | 'last_line_end' | 'boundary' | 'no_boundary'

export type RegexNode =
  | { readonly kind: 'empty' }
  | { readonly kind: 'set'; readonly set: CharSet }
  | { readonly kind: 'assert'; readonly assertion: Assertion }
  | { readonly kind: 'cat' | 'alt'; readonly parts: readonly RegexNode[] }
  | { readonly kind: 'repeat'; readonly part: RegexNode; readonly min: number; readonly max: number }
  | { readonly kind: 'look'; readonly part: RegexNode; readonly ahead: boolean; readonly negated: boolean }

const EMPTY: RegexNode = { kind: 'empty' }
const DIGIT = [0x30, 0x39]
const WORD = [0x30, 0x39, 0x41, 0x5a, 0x5f, 0x5f, 0x61, 0x7a]
const SPACE = [
  0x09, 0x0d, 0x20, 0x20, 0xa0, 0xa0, 0x1680, 0x1680, 0x2000, 0x200a, 0x2028, 0x2029, 0x202f, 0x202f, 0x205f, 0x205f,
  0x3000, 0x3000, 0xfeff, 0xfeff,
]
const HORIZONTAL_SPACE = [0x09, 0x09, 0x20, 0x20, 0xa0, 0xa0]
const LINE_FEED = 0x0a
const POSIX_CLASSES: Readonly<Record<string, readonly number[]>> = {
  alpha: [0x41, 0x5a, 0x61, 0x7a],
  digit: DIGIT,
  alnum: [0x30, 0x39, 0x41, 0x5a, 0x61, 0x7a],
  upper: [0x41, 0x5a],
  lower: [0x61, 0x7a],
  space: [0x09, 0x0d, 0x20, 0x20],
  blank: [0x09, 0x09, 0x20, 0x20],
  punct: [0x21, 0x2f, 0x3a, 0x40, 0x5b, 0x60, 0x7b, 0x7e],
  xdigit: [0x30, 0x39, 0x41, 0x46, 0x61, 0x66],
  word: WORD,
}
const CONTROL_ESCAPES: Readonly<Record<string, number>> = {
  n: 0x0a,
  r: 0x0d,
  t: 0x09,
  f: 0x0c,
  v: 0x0b,
  a: 0x07,
  e: 0x1b,
}

function complement(ranges: readonly number[]): number[] {
  const out: number[] = []
  let next = 0
  for (let i = 0; i < ranges.length; i += 2) {
    if (ranges[i] > next) out.push(next, ranges[i] - 1)
    next = ranges[i + 1] + 1
  }
  if (next <= 0xffff) out.push(next, 0xffff)
  return out
}

function inRanges(ranges: readonly number[], code: number): boolean {
  for (let i = 0; i < ranges.length; i += 2) if (code >= ranges[i] && code <= ranges[i + 1]) return true
  return false
}

function charSet(ranges: readonly number[], negated: boolean, ignoreCase: boolean): CharSet {
  const ascii = new Uint8Array(128)
  for (let code = 0; code < 128; code++) ascii[code] = Number(holds(ranges, code, ignoreCase) !== negated)
  return { ascii, ranges, negated, ignoreCase }
}

function holds(ranges: readonly number[], code: number, ignoreCase: boolean): boolean {
  if (inRanges(ranges, code)) return true
  if (!ignoreCase) return false
  const char = String.fromCharCode(code)
  const lower = char.toLowerCase()
  const upper = char.toUpperCase()
  return (
    (lower.length === 1 && inRanges(ranges, lower.charCodeAt(0))) ||
    (upper.length === 1 && inRanges(ranges, upper.charCodeAt(0)))
  )
}

export function hasCode(set: CharSet, code: number): boolean {
  return code < 128 ? set.ascii[code] === 1 : holds(set.ranges, code, set.ignoreCase) !== set.negated
}

class RegexParser {
  /** No back reference: an automaton can run it. */
  linear = true
  /** The runtime reads it as PCRE does. */
  portable = true
  unbounded = 0
  nested = false
  choices = 1
  readonly #source: string
  #flags: RegexFlags
  #at = 0
  #depth = 0
  /** The pattern up to `#translatedTo`, for the runtime. */
  #translated = ''
  #translatedTo = 0

  constructor(source: string, flags: RegexFlags) {
    this.#source = source
    this.#flags = flags
  }

  /** After `parse`: the pattern for the runtime. */
  translated(): string {
    return this.#translated + this.#source.slice(this.#translatedTo)
  }

  /** Of the character that was read last. */
  #translate(native: string): void {
    this.#translated += this.#source.slice(this.#translatedTo, this.#at - 1) + native
    this.#translatedTo = this.#at
  }

  parse(): RegexNode {
    const root = this.#alternatives()
    if (this.#at < this.#source.length) throw new RegexError('the regular expression has a ) too many')
    return root
  }

  #alternatives(): RegexNode {
    if (++this.#depth > NESTING_MAX) throw new RegexError(`groups are nested more than ${NESTING_MAX} deep`)
    const flags = this.#flags
    const parts = [this.#sequence()]
    while (this.#source[this.#at] === '|') {
      this.#at++
      parts.push(this.#sequence())
    }
    this.#flags = flags
    this.#depth--
    return parts.length === 1 ? parts[0] : { kind: 'alt', parts }
  }

  #sequence(): RegexNode {
    const parts: RegexNode[] = []
    while (this.#at < this.#source.length && this.#source[this.#at] !== '|' && this.#source[this.#at] !== ')') {
      const before = this.unbounded + this.choices
      const alternating = this.#at
      const atom = this.#atom()
      if (atom !== null) parts.push(this.#repeated(atom, this.unbounded + this.choices > before, alternating))
    }
    return parts.length === 1 ? parts[0] : { kind: 'cat', parts }
  }

  /** `variable` says that the atom has a repetition inside. */
  #repeated(atom: RegexNode, variable: boolean, from: number): RegexNode {
    const quantifier = this.#quantifier()
    if (quantifier === null) return atom
    const { min, max } = quantifier
    const branching = variable || (atom.kind !== 'set' && this.#source.slice(from, this.#at).includes('|'))
    if (branching && max > 1) this.nested = true
    if (max === Number.POSITIVE_INFINITY) this.unbounded++
    else this.choices = Math.min(this.choices * (max - min + 1), Number.MAX_SAFE_INTEGER)
    if ('*+?{'.includes(this.#source[this.#at] ?? ' ') && this.#quantifier() !== null) {
      throw new RegexError('a repetition follows a repetition')
    }
    return { kind: 'repeat', part: atom, min, max }
  }

  #quantifier(): { min: number; max: number } | null {
    const rest = this.#source.slice(this.#at, this.#at + 24)
    const parts = /^(?:([*+?])|\{(\d{1,6})(?:(,)(\d{0,6}))?\})([?+]?)/.exec(rest)
    if (parts === null) return null
    this.#at += parts[0].length
    // A possessive repetition finds what a greedy one finds, or less; the runtime does not know it.
    if (parts[5] === '+') throw new RegexError('possessive repetitions are not supported')
    if (parts[1] !== undefined)
      return { min: parts[1] === '+' ? 1 : 0, max: parts[1] === '?' ? 1 : Number.POSITIVE_INFINITY }
    const min = Number(parts[2])
    const max = parts[3] === undefined ? min : parts[4] === '' ? Number.POSITIVE_INFINITY : Number(parts[4])
    if (max < min) throw new RegexError('a repetition has its bounds the wrong way round')
    return { min, max }
  }

  /** Null for what stands for nothing: inline flags and comments. */
  #atom(): RegexNode | null {
    const char = this.#source[this.#at++]
    switch (char) {
      case '(':
        return this.#group()
      case '[':
        return this.#class()
      case '.':
        this.#translate(this.#flags.dotAll ? NATIVE.any : NATIVE.inLine)
        return this.#set(this.#flags.dotAll ? [0, 0xffff] : complement([LINE_FEED, LINE_FEED]))
      case '^':
        if (!this.#flags.multiline) return { kind: 'assert', assertion: 'start' }
        this.#translate(NATIVE.lineStart)
        return { kind: 'assert', assertion: 'line_start' }
      case '$':
        this.#translate(this.#flags.multiline ? NATIVE.lineEnd : NATIVE.lastLineEnd)
        return { kind: 'assert', assertion: this.#flags.multiline ? 'line_end' : 'last_line_end' }
      case '\\':
        return this.#escape()
      case '*':
      case '+':
      case '?':
        throw new RegexError(`nothing stands before ${char}`)
      default: {
        const code = char.charCodeAt(0)
        return this.#set([code, code])
      }
    }
  }

  #group(): RegexNode | null {
    const rest = this.#source.slice(this.#at, this.#at + 80)
    const inline = /^\?([ims]*)(?:-([ims]+))?([:)])/.exec(rest)
    if (inline !== null) {
      if (inline[1] !== '' || inline[2] !== undefined)
        this.portable &&= this.#at === 1 && inline[3] === ')' && !inline[2]
      this.#at += inline[0].length
      const outer = this.#flags
      this.#setFlags(inline[1], inline[2] ?? '')
      if (inline[3] === ')') return null
      const inner = this.#close(this.#alternatives())
      this.#flags = outer
      return inner
    }
    const look = /^\?(<?)([=!])/.exec(rest)
    if (look !== null) {
      this.#at += look[0].length
      return { kind: 'look', part: this.#close(this.#alternatives()), ahead: look[1] === '', negated: look[2] === '!' }
    }
    const special = /^\?(?:P?<([A-Za-z_]\w*)>|'([A-Za-z_]\w*)'|#[^)]*\))/.exec(rest)
    if (special === null) {
      if (rest.startsWith('?')) throw new RegexError(`the group (${rest.slice(0, 2)} is not supported`)
      return this.#close(this.#alternatives())
    }
    this.#at += special[0].length
    if (special[0].startsWith('?#')) {
      this.portable = false
      return null
    }
    this.portable &&= special[0].startsWith('?<')
    return this.#close(this.#alternatives())
  }

  #setFlags(on: string, off: string): void {
    const now = (letter: string, before: boolean) => (on.includes(letter) || before) && !off.includes(letter)
    this.#flags = {
      ignoreCase: now('i', this.#flags.ignoreCase),
      multiline: now('m', this.#flags.multiline),
      dotAll: now('s', this.#flags.dotAll),
    }
  }

  #close(node: RegexNode): RegexNode {
    if (this.#source[this.#at] !== ')') throw new RegexError('the regular expression lacks a )')
    this.#at++
    return node
  }

  #escape(): RegexNode {
    const char = this.#source[this.#at]
    if (char === undefined) throw new RegexError('the regular expression ends in a backslash')
    if (char === 'b' || char === 'B') {
      this.#at++
      return { kind: 'assert', assertion: char === 'b' ? 'boundary' : 'no_boundary' }
    }
    if (char === 'A' || char === 'z' || char === 'Z') {
      this.#at++
      this.portable = false
      return { kind: 'assert', assertion: char === 'A' ? 'start' : char === 'z' ? 'end' : 'last_line_end' }
    }
    const reference = BACK_REFERENCE.exec(this.#source.slice(this.#at, this.#at + REFERENCE_LENGTH_MAX))
    if (reference !== null) {
      this.#at += reference[0].length
      this.linear = false
      return EMPTY
    }
    return this.#set(this.#escapedRanges())
  }

  /** After the backslash: a class, or one character; the same inside and outside of brackets. */
  #escapedRanges(): readonly number[] {
    const char = this.#source[this.#at++]
    if (char === undefined) throw new RegexError('the regular expression ends in a backslash')
    switch (char) {
      case 'd':
        return DIGIT
      case 'D':
        return complement(DIGIT)
      case 'w':
        return WORD
      case 'W':
        return complement(WORD)
      case 's':
        return SPACE
      case 'S':
        return complement(SPACE)
      case 'h':
        this.portable = false
        return HORIZONTAL_SPACE
      case 'x':
      case 'u': {
        const hex = /^(?:\{([0-9a-fA-F]{1,4})\}|([0-9a-fA-F]{2}(?:[0-9a-fA-F]{2})?))/.exec(this.#source.slice(this.#at))
        if (hex === null) break
        const digits = hex[1] ?? (char === 'x' ? hex[2].slice(0, 2) : hex[2])
        if (hex[1] !== undefined) this.portable = false
        this.#at += hex[1] === undefined ? digits.length : hex[0].length
        const code = Number.parseInt(digits, 16)
        return [code, code]
      }
      case '0':
        return [0, 0]
    }
    if (char === 'a' || char === 'e') this.portable = false
    const code = CONTROL_ESCAPES[char]
    if (code !== undefined) return [code, code]
    if (/[A-Za-z]/.test(char)) throw new RegexError(`the escape \\${char} is not supported`)
    return [char.charCodeAt(0), char.charCodeAt(0)]
  }

  #class(): RegexNode {
    const negated = this.#source[this.#at] === '^'
    if (negated) this.#at++
    const ranges: number[] = []
    const start = this.#at
    for (;;) {
      const char = this.#source[this.#at]
      if (char === undefined) throw new RegexError('the regular expression lacks a ]')
      if (char === ']' && this.#at > start) break
      // PCRE takes a first ] as itself; the runtime as the end of an empty class.
      if (char === ']') this.portable = false
      this.#classPart(ranges)
    }
    this.#at++
    return { kind: 'set', set: charSet(ranges, negated, this.#flags.ignoreCase) }
  }

  #classPart(ranges: number[]): void {
    const posix = /^\[:(\^?)([a-z]+):\]/.exec(this.#source.slice(this.#at, this.#at + 16))
    if (posix !== null && POSIX_CLASSES[posix[2]] !== undefined) {
      this.portable = false
      this.#at += posix[0].length
      ranges.push(...(posix[1] === '' ? POSIX_CLASSES[posix[2]] : complement(POSIX_CLASSES[posix[2]])))
      return
    }
    const low = this.#classChar()
    const single = low.length === 2 && low[0] === low[1]
    const next = this.#source[this.#at + 1]
    if (!single || this.#source[this.#at] !== '-' || next === ']' || next === undefined) {
      ranges.push(...low)
      return
    }
    const dash = this.#at++
    const high = this.#classChar()
    if (high.length !== 2 || high[0] !== high[1]) {
      // `a-\d`: the dash is a dash.
      this.#at = dash
      ranges.push(...low)
      return
    }
    if (high[0] < low[0]) throw new RegexError('a range of characters has its ends the wrong way round')
    ranges.push(low[0], high[0])
  }

  #classChar(): readonly number[] {
    const char = this.#source[this.#at++]
    if (char !== '\\') return [char.charCodeAt(0), char.charCodeAt(0)]
    if (this.#source[this.#at] === 'b') {
      this.#at++
      return [0x08, 0x08]
    }
    return this.#escapedRanges()
  }

  #set(ranges: readonly number[]): RegexNode {
    return { kind: 'set', set: charSet(ranges, false, this.#flags.ignoreCase) }
  }
}

type Instruction =
  | { readonly kind: 'set'; readonly set: CharSet }
  | { readonly kind: 'assert'; readonly assertion: Assertion }
  | { readonly kind: 'look'; readonly look: number; readonly negated: boolean }
  | { readonly kind: 'split'; first: number; second: number }
  | { readonly kind: 'match' }

/** What is looked for from a place, and where in the text it was found: 1 at each such place. */
interface Look {
  readonly automaton: Automaton
  holds: Uint8Array
}

/**
 * Thompson's construction, run on all states at once; `set`, `assert` and `look` go on to the next instruction. What is looked for
 * ahead of a place is run backwards from every end that it may have, so that one run finds all places where it begins.
 */
class Automaton {
  readonly #program: Instruction[] = []
  readonly #looks: Look[] = []
  readonly #backwards: boolean
  readonly #marks: Uint32Array
  readonly #stack: Uint32Array
  #current: Uint32Array
  #next: Uint32Array
  #generation = 0

  constructor(root: RegexNode, backwards = false) {
    this.#backwards = backwards
    this.#emit(root)
    this.#push({ kind: 'match' })
    this.#marks = new Uint32Array(this.#program.length)
    this.#stack = new Uint32Array(this.#program.length * 2 + 2)
    this.#current = new Uint32Array(this.#program.length)
    this.#next = new Uint32Array(this.#program.length)
  }

  /** True if the pattern occurs anywhere in `text`. */
  finds(text: string): boolean {
    return this.#run(text, null)
  }

  /** The places where an occurrence ends in the direction of the run. */
  #places(text: string, known: Uint8Array): Uint8Array {
    const places = known.length > text.length ? known.fill(0, 0, text.length + 1) : new Uint8Array(text.length + 1)
    this.#run(text, places)
    return places
  }

  /** From one end to the other; without `places` only to the first occurrence. */
  #run(text: string, places: Uint8Array | null): boolean {
    for (const look of this.#looks) look.holds = look.automaton.#places(text, look.holds)
    const step = this.#backwards ? -1 : 1
    const end = this.#backwards ? 0 : text.length
    let count = 0
    for (let at = text.length - end; ; at += step) {
      this.#renew()
      // The states that stepped over the last character, then a fresh start at this place.
      let states = 0
      let matched = false
      for (let i = 0; i <= count; i++) {
        states = this.#follow(i < count ? this.#current[i] : 0, text, at, this.#next, states)
        if (states >= 0) continue
        if (places === null) return true
        matched = true
        states = -states - 1
      }
      if (matched) places![at] = 1
      if (at === end) return false
      const code = text.charCodeAt(this.#backwards ? at - 1 : at)
      count = 0
      for (let i = 0; i < states; i++) {
        const instruction = this.#program[this.#next[i]]
        if (instruction.kind === 'set' && hasCode(instruction.set, code)) this.#current[count++] = this.#next[i] + 1
      }
    }
  }

  #renew(): void {
    if (++this.#generation < 0xffffffff) return
    this.#marks.fill(0)
    this.#generation = 1
  }

  /** Adds every state that `from` leads to without a character to `states`; −1 − their number if the match is among them. */
  #follow(from: number, text: string, at: number, states: Uint32Array, before: number): number {
    let count = before
    let depth = 0
    let matched = false
    this.#stack[depth++] = from
    while (depth > 0) {
      const state = this.#stack[--depth]
      if (this.#marks[state] === this.#generation) continue
      this.#marks[state] = this.#generation
      const instruction = this.#program[state]
      switch (instruction.kind) {
        case 'match':
          matched = true
          break
        case 'set':
          states[count++] = state
          break
        case 'split':
          this.#stack[depth++] = instruction.first
          this.#stack[depth++] = instruction.second
          break
        case 'assert':
          if (asserted(instruction.assertion, text, at)) this.#stack[depth++] = state + 1
          break
        case 'look':
          if ((this.#looks[instruction.look].holds[at] === 1) !== instruction.negated) this.#stack[depth++] = state + 1
          break
      }
    }
    return matched ? -count - 1 : count
  }

  #push(instruction: Instruction): number {
    if (this.#program.length >= INSTRUCTIONS_MAX)
      throw new RegexError('the repetitions of the regular expression are too large')
    return this.#program.push(instruction) - 1
  }

  #emit(node: RegexNode): void {
    if (node.kind === 'set' || node.kind === 'assert') this.#push(node)
    else if (node.kind === 'cat')
      for (const part of this.#backwards ? node.parts.toReversed() : node.parts) this.#emit(part)
    else if (node.kind === 'alt') this.#emitAlternatives(node.parts)
    else if (node.kind === 'repeat') this.#emitRepeat(node.part, node.min, node.max)
    else if (node.kind === 'look') {
      if (this.#looks.length >= LOOKS_MAX) throw new RegexError(`more than ${LOOKS_MAX} times look-around`)
      // Its end is looked for in the direction in which it lies.
      this.#looks.push({ automaton: new Automaton(node.part, node.ahead), holds: new Uint8Array(0) })
      this.#push({ kind: 'look', look: this.#looks.length - 1, negated: node.negated })
    }
  }

  #emitAlternatives(parts: readonly RegexNode[]): void {
    const ends: number[] = []
    for (let i = 0; i < parts.length; i++) {
      const split = i < parts.length - 1 ? this.#split() : -1
      this.#emit(parts[i])
      if (split < 0) continue
      ends.push(this.#split())
      this.#aim(split, split + 1, this.#program.length)
    }
    for (const end of ends) this.#aim(end, this.#program.length, this.#program.length)
  }

  #emitRepeat(part: RegexNode, min: number, max: number): void {
    for (let i = 0; i < min; i++) this.#emit(part)
    if (max === Number.POSITIVE_INFINITY) {
      const loop = this.#split()
      this.#emit(part)
      const back = this.#split()
      this.#aim(back, loop, loop)
      this.#aim(loop, loop + 1, this.#program.length)
      return
    }
    const skips: number[] = []
    for (let i = min; i < max; i++) {
      skips.push(this.#split())
      this.#emit(part)
    }
    for (const skip of skips) this.#aim(skip, skip + 1, this.#program.length)
  }

  #split(): number {
    return this.#push({ kind: 'split', first: 0, second: 0 })
  }

  #aim(at: number, first: number, second: number): void {
    const split = this.#program[at]
    if (split.kind !== 'split') return
    split.first = first
    split.second = second
  }
}

function asserted(assertion: Assertion, text: string, at: number): boolean {
  switch (assertion) {
    case 'start':
      return at === 0
    case 'end':
      return at === text.length
    case 'line_start':
      return at === 0 || text.charCodeAt(at - 1) === LINE_FEED
    case 'line_end':
      return at === text.length || text.charCodeAt(at) === LINE_FEED
    case 'last_line_end':
      return at === text.length || (at === text.length - 1 && text.charCodeAt(at) === LINE_FEED)
    case 'boundary':
      return isWord(text, at - 1) !== isWord(text, at)
    case 'no_boundary':
      return isWord(text, at - 1) === isWord(text, at)
  }
}

function isWord(text: string, at: number): boolean {
  return at >= 0 && at < text.length && inRanges(WORD, text.charCodeAt(at))
}
