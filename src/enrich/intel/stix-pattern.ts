/**
 * STIX patterns (STIX 2.1, section 9): the comparison subset. An observation is a boolean expression over properties of cyber
 * observables; several may be joined by OR. What needs more than one observation (AND, FOLLOWEDBY, WITHIN, REPEATS, START … STOP),
 * and what needs an expression language (MATCHES, LIKE), is refused with its place.
 */
import type { Condition, IndicatorType } from './indicator.ts'

/** What of the pattern cannot be evaluated, and where. */
export class PatternError extends Error {
  override readonly name = 'PatternError'
}

interface Token {
  readonly kind: 'word' | 'text' | 'number' | 'sign'
  readonly value: string
  readonly at: number
}

/** Properties that an event shows, and the type by which an equality with them is looked up. */
export const PATHS: Readonly<Record<string, IndicatorType | null>> = {
  'ipv4-addr:value': 'ip',
  'ipv6-addr:value': 'ip',
  'network-traffic:src_ref.value': 'ip',
  'network-traffic:dst_ref.value': 'ip',
  'domain-name:value': 'domain-name',
  'network-traffic:dst_ref.value#domain': 'domain-name',
  'url:value': 'url',
  "x509-certificate:hashes.'SHA-256'": 'x509-certificate',
  "x509-certificate:hashes.'SHA-1'": 'x509-certificate',
  'x509-certificate:serial_number': 'x509-serial',
  'autonomous-system:number': 'as',
  'user-account:account_login': 'user-account',
  'user-account:user_id': 'user-account',
  'network-traffic:src_port': null,
  'network-traffic:dst_port': null,
}

const TOKEN =
  /\s*(?:('(?:\\.|[^'\\])*')|(-?\d+(?:\.\d+)?)(?![\w-])|([A-Za-z][\w-]*(?::[\w.'\-[\]*]+)?)|(!=|<=|>=|[=<>()[\],]))/y

/** The pattern as alternatives of one condition each. @throws {PatternError} */
export function parsePattern(pattern: string): Condition {
  return new Parser(tokens(pattern), pattern.length).parse()
}

function tokens(pattern: string): Token[] {
  const list: Token[] = []
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < pattern.length) {
    const from = TOKEN.lastIndex
    const match = TOKEN.exec(pattern)
    if (match === null) {
      if (pattern.slice(from).trim() === '') break
      throw new PatternError(`at ${from + 1}: "${pattern.slice(from, from + 12)}" cannot be read`)
    }
    const at = from + match[0].search(/\S/)
    const [, text, number, word, sign] = match
    if (text !== undefined) list.push({ kind: 'text', value: text.slice(1, -1).replace(/\\(.)/g, '$1'), at })
    else if (number !== undefined) list.push({ kind: 'number', value: number, at })
    else if (word !== undefined) list.push({ kind: 'word', value: word, at })
    else list.push({ kind: 'sign', value: sign, at })
  }
  return list
}

const DEPTH_MAX = 32

class Parser {
  readonly #tokens: readonly Token[]
  readonly #length: number
  #next = 0
  #depth = 0

  constructor(list: readonly Token[], length: number) {
    this.#tokens = list
    this.#length = length
  }

  parse(): Condition {
    const alternatives = [this.#observation()]
    while (this.#next < this.#tokens.length) {
      const { value } = this.#take()
      if (value.toUpperCase() !== 'OR') {
        this.#next--
        this.#fail(`${value.toUpperCase()} joins observations in a way that needs more than one event`)
      }
      alternatives.push(this.#observation())
    }
    return alternatives.length === 1 ? alternatives[0] : { op: 'or', of: alternatives }
  }

  #observation(): Condition {
    if (this.#is('(')) {
      this.#next++
      this.#deeper()
      const inner = [this.#observation()]
      while (this.#is('OR')) {
        this.#next++
        inner.push(this.#observation())
      }
      this.#expect(')')
      this.#depth--
      return inner.length === 1 ? inner[0] : { op: 'or', of: inner }
    }
    this.#expect('[')
    const condition = this.#or()
    this.#expect(']')
    return condition
  }

  #or(): Condition {
    const parts = [this.#and()]
    while (this.#is('OR')) {
      this.#next++
      parts.push(this.#and())
    }
    return parts.length === 1 ? parts[0] : { op: 'or', of: parts }
  }

  #and(): Condition {
    const parts = [this.#term()]
    while (this.#is('AND')) {
      this.#next++
      parts.push(this.#term())
    }
    return parts.length === 1 ? parts[0] : { op: 'and', of: parts }
  }

  #term(): Condition {
    if (!this.#is('(')) return this.#comparison()
    this.#next++
    this.#deeper()
    const inner = this.#or()
    this.#expect(')')
    this.#depth--
    return inner
  }

  #comparison(): Condition {
    const { kind, value: path } = this.#take()
    if (kind !== 'word' || !path.includes(':')) {
      this.#next--
      this.#fail('expected a property such as ipv4-addr:value')
    }
    if (!Object.hasOwn(PATHS, path)) {
      this.#next--
      this.#fail(`no event shows ${path}`)
    }
    const isNegated = this.#is('NOT')
    if (isNegated) this.#next++
    const comparison = this.#operation(path)
    return isNegated ? { op: 'not', of: [comparison] } : comparison
  }

  #operation(path: string): Condition {
    const { value } = this.#take()
    const operator = value.toUpperCase()
    switch (operator) {
      case '=':
      case '!=':
      case '<':
      case '<=':
      case '>':
      case '>=':
        return { op: operator, path, values: [this.#literal()] }
      case 'ISSUBSET':
        return { op: 'subset', path, values: [this.#literal()] }
      case 'IN': {
        this.#expect('(')
        const values = [this.#literal()]
        while (this.#is(',')) {
          this.#next++
          values.push(this.#literal())
        }
        this.#expect(')')
        return { op: 'in', path, values }
      }
    }
    this.#next--
    return this.#fail(`the comparison ${operator} is not evaluated`)
  }

  #literal(): string | number {
    const { kind, value } = this.#take()
    if (kind === 'text') return value
    if (kind === 'number') return Number(value)
    this.#next--
    return this.#fail('expected a text in quotes or a number')
  }

  #deeper(): void {
    if (++this.#depth > DEPTH_MAX) this.#fail('too many parentheses inside each other')
  }

  #is(value: string): boolean {
    const token = this.#tokens[this.#next]
    return token !== undefined && token.kind !== 'text' && token.value.toUpperCase() === value
  }

  #expect(value: string): void {
    if (!this.#is(value)) this.#fail(`expected "${value}"`)
    this.#next++
  }

  #take(): Token {
    const token = this.#tokens[this.#next]
    if (token === undefined) return this.#fail('the pattern ends here')
    this.#next++
    return token
  }

  #fail(says: string): never {
    throw new PatternError(`at ${(this.#tokens[this.#next]?.at ?? this.#length) + 1}: ${says}`)
  }
}
