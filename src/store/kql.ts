/**
 * The Kibana Query Language: text to a tree, by recursive descent.
 *
 *     query  = and { "or" and }
 *     and    = not { "and" not }
 *     not    = "not" not | term
 *     term   = "(" query ")" | field ":" "{" query "}" | field ":" values | field range value | words
 *     values = "(" values combined by and, or, not ")" | value
 *
 * Every value is checked against the kind of its field while the tree is built, so a tree that exists can be compiled.
 * Three compilers stand beside each other: `kql-predicate.ts` (in memory), `kql-sql.ts` (embedded store), and the query DSL
 * of the cluster store.
 */
import { FIELDS, type FieldName } from '../events/fields.ts'
import type { QueryNode, Span } from './kql-tree.ts'
import { comparison, isStar, type Literal, type RangeOperator, wordsNode } from './kql-values.ts'
import { nearest } from './nearest.ts'
import { QueryError, type QueryFault } from './query-error.ts'
import { matchesWildcard } from './wildcard.ts'

export const QUERY_CHARACTERS_MAX = 16_384
const DEPTH_MAX = 64
/** Bound of the leaves after wildcards in field names are resolved. */
const LEAVES_MAX = 4096
const STARS_MAX = 16

const ALL: QueryNode = { type: 'all' }
const FIELD_NAMES = Object.keys(FIELDS) as FieldName[]

/**
 * Parses a query. The empty query matches everything. `nowUs` is what `now` means in dates, in microseconds.
 *
 * @throws {QueryError} with the position and what was expected
 */
export function parseQuery(query: string, nowUs: number = Date.now() * 1000): QueryNode {
  return new Parser(query, nowUs).parse()
}

/** Combines nodes; `and` of nothing is everything. */
export function conjunction(nodes: readonly QueryNode[]): QueryNode {
  const children = nodes.filter((node) => node.type !== 'all')
  if (children.length === 0) return ALL
  return children.length === 1 ? children[0] : { type: 'and', children }
}

class Parser {
  readonly #text: string
  readonly #nowUs: number
  #at = 0
  #depth = 0
  #leaves = 0

  constructor(text: string, nowUs: number) {
    this.#text = text
    this.#nowUs = nowUs
  }

  parse(): QueryNode {
    if (this.#text.length > QUERY_CHARACTERS_MAX) {
      const problem = `the query is longer than ${QUERY_CHARACTERS_MAX} characters`
      this.#fail({ problem, start: QUERY_CHARACTERS_MAX, end: QUERY_CHARACTERS_MAX + 1 })
    }
    this.#space()
    if (this.#at === this.#text.length) return ALL
    const node = this.#combined(() => this.#term(''))
    if (this.#at < this.#text.length) this.#failAfterTerm()
    return node
  }

  /** The precedence of `or`, `and` and `not` over any kind of leaf. */
  #combined(leaf: () => QueryNode): QueryNode {
    const alternatives: QueryNode[] = []
    do {
      const parts: QueryNode[] = []
      do parts.push(this.#negated(leaf))
      while (this.#keyword('and'))
      alternatives.push(parts.length === 1 ? parts[0] : { type: 'and', children: parts })
    } while (this.#keyword('or'))
    return alternatives.length === 1 ? alternatives[0] : { type: 'or', children: alternatives }
  }

  #negated(leaf: () => QueryNode): QueryNode {
    let negations = 0
    while (this.#keyword('not')) negations++
    const node = this.#peek() === '(' ? this.#group(leaf) : leaf()
    return negations % 2 === 0 ? node : { type: 'not', child: node }
  }

  #group(leaf: () => QueryNode): QueryNode {
    return this.#enclosed('(', ')', () => this.#combined(leaf))
  }

  #enclosed(open: string, close: string, inner: () => QueryNode): QueryNode {
    const start = this.#at
    if (++this.#depth > DEPTH_MAX) {
      this.#fail({ problem: `more than ${DEPTH_MAX} groups inside each other`, start, end: start + 1 })
    }
    this.#at++
    this.#space()
    const node = inner()
    if (this.#peek() !== close) {
      if (this.#at < this.#text.length) this.#failAfterTerm(close)
      this.#fail({ problem: `this "${open}" is never closed`, expected: `"${close}"`, start, end: start + 1 })
    }
    this.#at++
    this.#space()
    this.#depth--
    return node
  }

  /** A condition on a field, or bare words. `prefix` is what the braces around it stand for. */
  #term(prefix: string): QueryNode {
    const literal = this.#literal(false)
    const next = this.#peek()
    if (next === ':') {
      this.#at++
      this.#space()
      if (this.#peek() === '{') return this.#nested(prefix, literal)
      const fields = this.#fields(prefix, literal)
      const colons = takesColons(fields)
      if (this.#peek() === '(') return this.#group(() => this.#value(fields, this.#literal(colons), null))
      return this.#value(fields, this.#literal(colons), null)
    }
    if (next === '<' || next === '>') {
      const operator = this.#operator()
      const fields = this.#fields(prefix, literal)
      return this.#value(fields, this.#literal(takesColons(fields)), operator)
    }
    if (prefix !== '') {
      this.#fail({ problem: 'inside braces every term needs a field', expected: '":" or a comparison', ...literal })
    }
    return this.#leaf(isStar(literal) ? ALL : this.#checked(wordsNode(null, literal)))
  }

  #nested(prefix: string, literal: Literal): QueryNode {
    if (literal.parts.length > 1) {
      this.#fail({ problem: 'the name before a brace has no wildcards', expected: 'a name such as l2tp', ...literal })
    }
    const inner = `${prefix}${literal.parts[0]}.`
    if (!FIELD_NAMES.some((name) => name.startsWith(inner))) this.#failField(inner.slice(0, -1), literal)
    return this.#enclosed('{', '}', () => this.#combined(() => this.#term(inner)))
  }

  /** The fields that a name with or without wildcards means. */
  #fields(prefix: string, literal: Literal): readonly FieldName[] {
    const parts = [prefix + literal.parts[0], ...literal.parts.slice(1)]
    const fields = FIELD_NAMES.filter((name) => matchesWildcard(name, parts))
    if (fields.length === 0) this.#failField(parts.join('*'), literal)
    return fields
  }

  /** A value for one field, or for those of several fields whose kind it fits. */
  #value(fields: readonly FieldName[], literal: Literal, operator: RangeOperator | null): QueryNode {
    if (operator === null && isStar(literal) && fields.length === FIELD_NAMES.length) return this.#leaf(ALL)
    const nodes: QueryNode[] = []
    let refusal: QueryFault | null = null
    for (const field of fields) {
      const node = comparison(field, literal, operator, this.#nowUs)
      if ('problem' in node) refusal ??= node
      else nodes.push(this.#leaf(node))
    }
    if (nodes.length === 0) this.#fail(refusal as QueryFault)
    return nodes.length === 1 ? nodes[0] : { type: 'or', children: nodes }
  }

  #leaf(node: QueryNode): QueryNode {
    if (++this.#leaves > LEAVES_MAX) {
      const problem = `more than ${LEAVES_MAX} comparisons (a wildcard in a field name counts once for every field)`
      this.#fail({ problem, start: Math.max(0, this.#at - 1), end: this.#at })
    }
    return node
  }

  #checked(node: QueryNode | QueryFault): QueryNode {
    if ('problem' in node) this.#fail(node)
    return node
  }

  #operator(): RangeOperator {
    const sign = this.#text[this.#at++]
    const equal = this.#text[this.#at] === '='
    if (equal) this.#at++
    this.#space()
    return `${sign}${equal ? '=' : ''}` as RangeOperator
  }

  /** Takes a keyword if it stands here as a word of its own. */
  #keyword(word: 'and' | 'or' | 'not'): boolean {
    if (keywordAt(this.#text, this.#at) !== word) return false
    this.#at += word.length
    this.#space()
    return true
  }

  #peek(): string | undefined {
    return this.#text[this.#at]
  }

  #space(): void {
    while (this.#at < this.#text.length && isSpace(this.#text[this.#at])) this.#at++
  }

  #literal(colons: boolean): Literal {
    const literal = this.#peek() === '"' ? this.#quoted() : this.#unquoted(colons)
    this.#space()
    return literal
  }

  #quoted(): Literal {
    const start = this.#at++
    let text = ''
    for (;;) {
      const character = this.#peek()
      if (character === undefined) {
        this.#fail({
          problem: 'this quotation mark has no partner',
          expected: "'\"' at the end",
          start,
          end: start + 1,
        })
      }
      this.#at++
      if (character === '"') return { parts: [text], quoted: true, start, end: this.#at }
      text += character === '\\' ? this.#escaped('"\\') : character
    }
  }

  /** Runs to a special character, to `and`, `or` or `not`, or (with colons, which then belong to it) to a space. */
  #unquoted(colons: boolean): Literal {
    const start = this.#at
    const parts = ['']
    let end = start
    for (let character = this.#peek(); character !== undefined; character = this.#peek()) {
      if (isSpace(character)) {
        if (colons) break
        const at = this.#at
        this.#space()
        if (this.#at === this.#text.length || keywordAt(this.#text, this.#at) !== null || this.#isSpecial()) break
        parts[parts.length - 1] += this.#text.slice(at, this.#at)
        continue
      }
      if (character === '*') this.#star(parts)
      else if (character === ':' ? !colons : this.#isSpecial()) break
      else if (end === start && keywordAt(this.#text, start) !== null) break
      else parts[parts.length - 1] += this.#character()
      end = this.#at
    }
    if (end === start) this.#failNothing()
    return { parts, quoted: false, start, end }
  }

  #isSpecial(): boolean {
    return '():<>"{}'.includes(this.#text[this.#at])
  }

  #star(parts: string[]): void {
    this.#at++
    if (parts[parts.length - 1] !== '' || parts.length === 1) parts.push('')
    if (parts.length > STARS_MAX + 1) {
      this.#fail({ problem: `more than ${STARS_MAX} wildcards in one value`, start: this.#at - 1, end: this.#at })
    }
  }

  #character(): string {
    const character = this.#text[this.#at++]
    return character === '\\' ? this.#escaped('\\():<>"*{} ') : character
  }

  /** What stands after a backslash; a backslash before anything else is a backslash, as in `CORP\alice`. */
  #escaped(specials: string): string {
    const rest = this.#text.slice(this.#at, this.#at + 5)
    const unicode = /^u([0-9a-fA-F]{4})/.exec(rest)
    if (unicode !== null) {
      this.#at += 5
      return String.fromCharCode(Number.parseInt(unicode[1], 16))
    }
    const keyword = specials.includes('(') ? /^(?:and|or|not)(?![^\s()])/i.exec(rest) : null
    if (keyword !== null) {
      this.#at += keyword[0].length
      return keyword[0]
    }
    const next = rest[0]
    if (next !== undefined && specials.includes(next)) {
      this.#at++
      return next
    }
    const white = next === 't' ? '\t' : next === 'n' ? '\n' : next === 'r' ? '\r' : null
    if (white === null) return '\\'
    this.#at++
    return white
  }

  #failNothing(): never {
    const start = this.#at
    const keyword = keywordAt(this.#text, start)
    const found = keyword ?? this.#text[start]
    const problem = found === undefined ? 'the query ends here' : `"${found}" cannot stand here`
    this.#fail({ problem, expected: 'a field, a value or a group', start, end: start + (found?.length ?? 1) })
  }

  /** Something follows a complete term that does not belong there. */
  #failAfterTerm(close?: string): never {
    const start = this.#at
    const found = keywordAt(this.#text, start) ?? this.#text[start]
    const before = this.#text.slice(0, start).trimEnd()
    const name = /[^\s():<>"{}]+$/.exec(before)?.[0]
    const hint = (found === ':' || found === '<' || found === '>') && name !== undefined
    const problem = hint ? `an "and" or "or" is missing before "${name}"` : `"${found}" cannot stand here`
    const expected = `"and", "or"${close === undefined ? ' or the end of the query' : ` or "${close}"`}`
    this.#fail({ problem, expected, start, end: start + found.length })
  }

  #failField(name: string, span: Span): never {
    const words = name.split(/\s+/)
    const last = words[words.length - 1]
    if (words.length > 1 && last in FIELDS) {
      const start = span.end - last.length
      const problem = `an "and" or "or" is missing before "${last}"`
      this.#fail({ problem, expected: '"and" or "or"', start, end: span.end })
    }
    const guess = name.includes('*') ? null : nearest(name, FIELD_NAMES)
    const problem = name.includes('*') ? `no field matches "${name}"` : `there is no field "${name}"`
    const { start, end } = span
    this.#fail({ problem: guess === null ? problem : `${problem}; did you mean "${guess}"?`, start, end })
  }

  #fail(fault: QueryFault): never {
    throw new QueryError(this.#text, fault)
  }
}

function isSpace(character: string): boolean {
  return character.trim() === ''
}

/** Addresses and times hold colons and no spaces, so there a colon belongs to the value. */
function takesColons(fields: readonly FieldName[]): boolean {
  return fields.every((field) => FIELDS[field].kind.startsWith('ip') || FIELDS[field].kind === 'date')
}

/** The keyword that stands here as a word of its own, in lower case. */
function keywordAt(text: string, at: number): 'and' | 'or' | 'not' | null {
  const match = /^(?:and|or|not)(?=[\s()]|$)/i.exec(text.slice(at, at + 4))
  return match === null ? null : (match[0].toLowerCase() as 'and' | 'or' | 'not')
}
