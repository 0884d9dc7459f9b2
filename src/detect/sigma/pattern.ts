/**
 * Sigma strings: `*` any run of characters, `?` one character, backslash before either (or before a backslash) makes it
 * plain. A pattern is a list of UTF-16 code units and three special marks; it is compiled into a test that never
 * backtracks further than its last `*`.
 */

/** A code unit, or one of the marks below. */
type Token = number
const ANY_RUN: Token = -1
const ANY_ONE: Token = -2
/** Any character that Windows programs take for the dash of an option. */
const ANY_DASH: Token = -3

export type Pattern = readonly Token[]
export type TextTest = (text: string) => boolean

const BACKSLASH = 0x5c
const STAR = 0x2a
const QUESTION = 0x3f
/** Hyphen, slash, en dash, em dash, horizontal bar. */
const DASHES: readonly number[] = [0x2d, 0x2f, 0x2013, 0x2014, 0x2015]

export function parsePattern(text: string): Pattern {
  const tokens: Token[] = []
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === BACKSLASH) {
      const next = text.charCodeAt(i + 1)
      if (next === STAR || next === QUESTION || next === BACKSLASH) {
        tokens.push(next)
        i++
      } else tokens.push(code)
    } else if (code === STAR) tokens.push(ANY_RUN)
    else if (code === QUESTION) tokens.push(ANY_ONE)
    else tokens.push(code)
  }
  return tokens
}

export function literalPattern(text: string): Pattern {
  const tokens: Token[] = []
  for (let i = 0; i < text.length; i++) tokens.push(text.charCodeAt(i))
  return tokens
}

/** The text of a pattern without wildcards; null if it has one. */
export function plainText(pattern: Pattern): string | null {
  let text = ''
  for (const token of pattern) {
    if (token < 0) return null
    text += String.fromCharCode(token)
  }
  return text
}

export function openStart(pattern: Pattern): Pattern {
  return pattern[0] === ANY_RUN ? pattern : [ANY_RUN, ...pattern]
}

export function openEnd(pattern: Pattern): Pattern {
  return pattern.at(-1) === ANY_RUN ? pattern : [...pattern, ANY_RUN]
}

/** Any dash stands for every dash. A mark instead of 5ⁿ permutations. */
export function anyDash(pattern: Pattern): Pattern {
  return pattern.map((token) => (DASHES.includes(token) ? ANY_DASH : token))
}

/** The pattern with its dash marks written out, for encodings that need plain text; null if there are too many. */
export function writeDashes(pattern: Pattern, variantsMax: number): Pattern[] | null {
  let variants: Token[][] = [[]]
  for (const token of pattern) {
    if (token !== ANY_DASH) for (const variant of variants) variant.push(token)
    else variants = variants.flatMap((variant) => DASHES.map((dash) => [...variant, dash]))
    if (variants.length > variantsMax) return null
  }
  return variants
}

/** So many starts, ends or parts are sought together. */
const TOGETHER_MIN = 6

/**
 * Tests of which one holds if one of the patterns does. Unless `cased`, they must be given text that was lower-cased. Long lists
 * are looked through at one time, by the characters with which they begin or end.
 */
export function compilePatterns(patterns: readonly Pattern[], cased: boolean): TextTest[] {
  const tests: TextTest[] = []
  const sought: Record<Simple['kind'], string[]> = { whole: [], start: [], end: [], part: [] }
  for (const pattern of patterns) {
    const segments = segmentsOf(pattern, cased)
    const simple = simpleOf(segments)
    if (simple === null) tests.push((text) => matchSegments(text, segments))
    else if (simple.text === '') tests.push(ALONE[simple.kind](''))
    else sought[simple.kind].push(simple.text)
  }
  for (const kind of ['whole', 'start', 'end', 'part'] as const) {
    const texts = sought[kind]
    if (texts.length >= TOGETHER_MIN) tests.push(TOGETHER[kind](texts))
    else for (const text of texts) tests.push(ALONE[kind](text))
  }
  return tests
}

const ALONE: Readonly<Record<Simple['kind'], (wanted: string) => TextTest>> = {
  whole: (wanted) => (text) => text === wanted,
  start: (wanted) => (text) => text.startsWith(wanted),
  end: (wanted) => (text) => text.endsWith(wanted),
  part: (wanted) => (text) => text.includes(wanted),
}

const TOGETHER: Readonly<Record<Simple['kind'], (wanted: readonly string[]) => TextTest>> = {
  whole(wanted) {
    const all = new Set(wanted)
    return (text) => all.has(text)
  },
  start(wanted) {
    const byFirst = groupBy(wanted, (text) => text.charCodeAt(0))
    return (text) => byFirst.get(text.charCodeAt(0))?.some((each) => text.startsWith(each)) === true
  },
  end(wanted) {
    const byLast = groupBy(wanted, (text) => text.charCodeAt(text.length - 1))
    return (text) => byLast.get(text.charCodeAt(text.length - 1))?.some((each) => text.endsWith(each)) === true
  },
  part(wanted) {
    const byFirst = groupBy(wanted, (text) => text.charCodeAt(0))
    const bits = new Uint8Array(FIRST_BITS)
    for (const code of byFirst.keys()) bits[code % FIRST_BITS] = 1
    return (text) => {
      for (let i = 0; i < text.length; i++) {
        const code = text.charCodeAt(i)
        if (bits[code % FIRST_BITS] !== 0 && byFirst.get(code)?.some((each) => text.startsWith(each, i))) return true
      }
      return false
    }
  },
}

const FIRST_BITS = 256

function groupBy(texts: readonly string[], codeOf: (text: string) => number): ReadonlyMap<number, readonly string[]> {
  const groups = new Map<number, string[]>()
  for (const text of texts) {
    const group = groups.get(codeOf(text))
    if (group === undefined) groups.set(codeOf(text), [text])
    else group.push(text)
  }
  return groups
}

/** A pattern with wildcards at its ends at most. */
interface Simple {
  readonly kind: 'whole' | 'start' | 'end' | 'part'
  readonly text: string
}

function simpleOf(segments: readonly Segment[]): Simple | null {
  const [first, second, third] = segments
  if (segments.some(({ text }) => text === null)) return null
  if (segments.length === 1) return { kind: 'whole', text: first.text! }
  if (segments.length === 2 && second.text === '') return { kind: 'start', text: first.text! }
  if (segments.length === 2 && first.text === '') return { kind: 'end', text: second.text! }
  if (segments.length === 3 && first.text === '' && third.text === '') return { kind: 'part', text: second.text! }
  return null
}

function segmentsOf(pattern: Pattern, cased: boolean): Segment[] {
  const segments: Segment[] = []
  let tokens: Token[] = []
  for (const token of pattern) {
    if (token !== ANY_RUN) tokens.push(token)
    else {
      segments.push(segmentOf(tokens, cased))
      tokens = []
    }
  }
  segments.push(segmentOf(tokens, cased))
  return segments
}

/** A run of characters between two `*`: plain text, or tokens when a mark is among them. */
interface Segment {
  readonly length: number
  readonly text: string | null
  readonly tokens: readonly Token[]
}

function segmentOf(tokens: readonly Token[], cased: boolean): Segment {
  const plain = plainText(tokens)
  if (plain !== null) {
    const text = cased ? plain : plain.toLowerCase()
    return { length: text.length, text, tokens: [] }
  }
  const folded = tokens.map((token) => {
    if (token < 0 || cased) return token
    const lower = String.fromCharCode(token).toLowerCase()
    return lower.length === 1 ? lower.charCodeAt(0) : token
  })
  return { length: folded.length, text: null, tokens: folded }
}

/** A run of plain characters in a pattern, and whether every text that the pattern fits begins or ends with it. */
export interface Literal {
  readonly text: string
  readonly isStart: boolean
  readonly isEnd: boolean
}

/** The runs of plain characters as they are compared, in their order; unless `cased` with text that was lower-cased. */
export function literalsOf(pattern: Pattern, cased: boolean): Literal[] {
  const segments = segmentsOf(pattern, cased)
  return segments.flatMap(({ text, tokens }, i) => {
    const runs = text === null ? plainRuns(tokens) : [text]
    return runs.map((run, j) => ({
      text: run,
      isStart: i === 0 && j === 0,
      isEnd: i === segments.length - 1 && j === runs.length - 1,
    }))
  })
}

function plainRuns(tokens: readonly Token[]): string[] {
  const runs = ['']
  for (const token of tokens) {
    if (token < 0) runs.push('')
    else runs[runs.length - 1] += String.fromCharCode(token)
  }
  return runs
}

/** Between anchored ends, the leftmost place of each segment is as good as any other: no need to look back. */
function matchSegments(text: string, segments: readonly Segment[]): boolean {
  const first = segments[0]
  if (!standsAt(text, first, 0)) return false
  if (segments.length === 1) return text.length === first.length
  let at = first.length
  const last = segments[segments.length - 1]
  const end = text.length - last.length
  for (let i = 1; i < segments.length - 1; i++) {
    at = find(text, segments[i], at, end)
    if (at < 0) return false
    at += segments[i].length
  }
  return at <= end && standsAt(text, last, end)
}

function find(text: string, segment: Segment, from: number, end: number): number {
  if (segment.text !== null) return text.indexOf(segment.text, from)
  for (let at = from; at + segment.length <= end; at++) if (standsAt(text, segment, at)) return at
  return -1
}

function standsAt(text: string, segment: Segment, at: number): boolean {
  if (segment.text !== null) return text.startsWith(segment.text, at)
  if (at < 0 || at + segment.length > text.length) return false
  const { tokens } = segment
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i]
    if (token === ANY_ONE) continue
    const code = text.charCodeAt(at + i)
    if (token === ANY_DASH ? !DASHES.includes(code) : code !== token) return false
  }
  return true
}

export function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false
  return true
}

const LOWER_SLOTS = 64
/** Longer texts are not worth keeping. */
const LOWER_CHARACTERS_MAX = 1024
const originals: string[] = new Array(LOWER_SLOTS).fill('')
const lowers: string[] = new Array(LOWER_SLOTS).fill('')

/** The text in lower case. Many rules ask for that of the same texts of an event, one after the other. */
export function lowerCase(text: string): string {
  if (text.length > LOWER_CHARACTERS_MAX) return text.toLowerCase()
  const slot = text.length % LOWER_SLOTS
  if (originals[slot] !== text) {
    originals[slot] = text
    lowers[slot] = text.toLowerCase()
  }
  return lowers[slot]
}
