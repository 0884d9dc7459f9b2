/**
 * Runs conditions in EQL and ES|QL over documents, as far as exported rules go: read from their text, by the grammars of both languages
 * (brackets around everything that is joined), so that a wrong name, bracket or quote is a wrong answer here.
 */
import type { EventDocument } from '../../../src/events/fields.ts'
import { compileCidr } from '../../../src/detect/sigma/cidr.ts'

type Value = string | number | boolean | null
type Predicate = (document: EventDocument) => boolean

const TOKEN = /\s*(?:("(?:[^"\\]|\\.)*")|([<>=!]=|like~|[()<>:,])|([?`\w@.~-]+`?))/y

export function evaluator(text: string): Predicate {
  const parser = new Parser(text)
  return parser.whole()
}

class Parser {
  readonly #tokens: string[] = []
  #at = 0

  constructor(text: string) {
    TOKEN.lastIndex = 0
    while (TOKEN.lastIndex < text.trimEnd().length) {
      const at = TOKEN.lastIndex
      const match = TOKEN.exec(text)
      if (match === null) throw new Error(`not understood at ${at}: ${text.slice(at, at + 40)}`)
      this.#tokens.push(match[1] ?? match[2] ?? match[3])
    }
  }

  whole(): Predicate {
    const predicate = this.#expression()
    if (this.#at < this.#tokens.length) throw new Error(`unexpected ${this.#tokens[this.#at]}`)
    return predicate
  }

  #expression(): Predicate {
    if (/^not$/i.test(this.#peek())) {
      this.#next()
      const operand = this.#expression()
      return (document) => !operand(document)
    }
    if (this.#peek() !== '(') return this.#test()
    this.#next()
    const operands = [this.#expression()]
    const words = new Set<string>()
    while (/^(and|or)$/i.test(this.#peek())) {
      words.add(this.#next().toLowerCase())
      operands.push(this.#expression())
    }
    if (words.size > 1) throw new Error('and beside or')
    this.#expect(')')
    return words.has('or')
      ? (document) => operands.some((operand) => operand(document))
      : (document) => operands.every((operand) => operand(document))
  }

  #test(): Predicate {
    const name = this.#next()
    if (/^cidr_?match$/i.test(name)) {
      this.#expect('(')
      const field = this.#next()
      this.#expect(',')
      const network = compileCidr(String(this.#literal()))
      this.#expect(')')
      return (document) => network?.(String(read(document, field))) ?? false
    }
    if (name === 'TO_LOWER') {
      this.#expect('(')
      const field = this.#next()
      this.#expect(')')
      const operator = this.#next()
      if (operator === '==') {
        const wanted = this.#literal()
        return (document) => String(read(document, field) ?? '').toLowerCase() === wanted
      }
      if (operator !== 'LIKE') throw new Error(`expected LIKE, not ${operator}`)
      const pattern = like(String(this.#literal()), '')
      return (document) => pattern.test(String(read(document, field) ?? '').toLowerCase())
    }
    if (name === 'CONCAT') return this.#inList()
    return this.#comparison(name)
  }

  #inList(): Predicate {
    for (const token of ['(', '","', ',', 'MV_CONCAT', '(']) this.#expect(token)
    const field = this.#next()
    for (const token of [',', '","', ')', ',', '","', ')', 'LIKE']) this.#expect(token)
    const pattern = like(String(this.#literal()), '')
    return (document) => {
      const value = read(document, field)
      return Array.isArray(value) && pattern.test(`,${value.join(',')},`)
    }
  }

  #comparison(field: string): Predicate {
    const operator = this.#next()
    if (operator === 'IS') {
      this.#expect('NULL')
      return (document) => isAbsent(read(document, field))
    }
    const value = this.#literal()
    if (value === null) return (document) => isAbsent(read(document, field)) === (operator === '==')
    if (operator === 'like~') {
      const pattern = like(String(value), 'i')
      return (document) => pattern.test(String(read(document, field) ?? ''))
    }
    if (operator === ':') {
      const wanted = String(value).toLowerCase()
      return (document) => String(read(document, field) ?? '').toLowerCase() === wanted
    }
    return (document) => {
      const given = read(document, field)
      if (isAbsent(given) || Array.isArray(given)) return false
      return COMPARE[operator](given as number, value as number)
    }
  }

  #literal(): Value {
    const token = this.#next()
    if (token === 'null') return null
    if (token === 'true' || token === 'false') return token === 'true'
    return token.startsWith('"') ? token.slice(1, -1).replace(/\\(.)/g, '$1') : Number(token)
  }

  #peek(): string {
    return this.#tokens[this.#at] ?? ''
  }

  #next(): string {
    return this.#tokens[this.#at++] ?? ''
  }

  #expect(token: string): void {
    const got = this.#next()
    if (got !== token) throw new Error(`expected ${token}, not ${got}`)
  }
}

const COMPARE: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  '==': (a, b) => a === b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null
}

function read(document: EventDocument, name: string): unknown {
  return (document as Readonly<Record<string, unknown>>)[name.replace(/^\?/, '').replaceAll('`', '')]
}

/** `*`, `?`, and a backslash before what is plain. */
function like(pattern: string, flags: string): RegExp {
  const source = pattern.replace(/\\(.)|([*?])|([^*?\\]+)/g, (_, escaped, wildcard, plain) =>
    wildcard === undefined ? RegExp.escape(escaped ?? plain) : wildcard === '*' ? '.*' : '.',
  )
  return new RegExp(`^${source}$`, `s${flags}`)
}
