/**
 * Runs conditions in EQL and ES|QL over documents, as far as exported rules go: read from their text, by the grammars of both languages
 * (brackets around everything that is joined), so that a wrong name, bracket or quote is a wrong answer here.
 */
import type { EventDocument } from '../../../src/events/fields.ts'
import { compileCidr } from '../../../src/detect/sigma/cidr.ts'

type Value = string | number | boolean | null
type Predicate = (document: EventDocument) => boolean
/** Null: neither true nor false, as what ES|QL says of a field that an event lacks. */
type Answer = (document: EventDocument) => boolean | null

const TOKEN = /\s*(?:("(?:[^"\\]|\\.)*")|([<>=!]=|like~|[()<>:,])|([?`\w@.~-]+`?))/y

export function evaluator(text: string): Predicate {
  const parser = new Parser(text)
  const answer = parser.whole()
  return (document) => answer(document) === true
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

  whole(): Answer {
    const predicate = this.#expression()
    if (this.#at < this.#tokens.length) throw new Error(`unexpected ${this.#tokens[this.#at]}`)
    return predicate
  }

  #expression(): Answer {
    if (/^not$/i.test(this.#peek())) {
      this.#next()
      const operand = this.#expression()
      return (document) => {
        const answer = operand(document)
        return answer === null ? null : !answer
      }
    }
    if (this.#peek() === 'COALESCE') {
      this.#next()
      this.#expect('(')
      const operand = this.#expression()
      for (const token of [',', 'false', ')']) this.#expect(token)
      return (document) => operand(document) ?? false
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
    const decisive = words.has('or')
    return (document) => {
      const answers = operands.map((operand) => operand(document))
      if (answers.includes(decisive)) return decisive
      return answers.includes(null) ? null : !decisive
    }
  }

  #test(): Answer {
    const name = this.#next()
    if (/^cidr_?match$/i.test(name)) {
      this.#expect('(')
      const field = this.#next()
      this.#expect(',')
      const network = compileCidr(String(this.#literal()))
      this.#expect(')')
      return asked(field, (value) => network?.(String(value)) ?? false)
    }
    if (name === 'TO_LOWER') {
      this.#expect('(')
      const field = this.#next()
      this.#expect(')')
      const operator = this.#next()
      if (operator === '==') {
        const wanted = this.#literal()
        return asked(field, (value) => String(value).toLowerCase() === wanted)
      }
      if (operator !== 'LIKE') throw new Error(`expected LIKE, not ${operator}`)
      const pattern = like(String(this.#literal()), '')
      return asked(field, (value) => pattern.test(String(value).toLowerCase()))
    }
    if (name === 'CONCAT') return this.#inList()
    return this.#comparison(name)
  }

  #inList(): Answer {
    for (const token of ['(', '","', ',', 'MV_CONCAT', '(']) this.#expect(token)
    const field = this.#next()
    for (const token of [',', '","', ')', ',', '","', ')', 'LIKE']) this.#expect(token)
    const pattern = like(String(this.#literal()), '')
    return asked(field, (value) => Array.isArray(value) && pattern.test(`,${value.join(',')},`))
  }

  #comparison(field: string): Answer {
    const operator = this.#next()
    if (operator === 'IS') {
      this.#expect('NULL')
      return (document) => isAbsent(read(document, field))
    }
    const value = this.#literal()
    if (value === null) return (document) => isAbsent(read(document, field)) === (operator === '==')
    if (operator === 'like~') {
      // To EQL a backslash in a pattern is a character like any other.
      const pattern = like(String(value).replaceAll('\\', '\\\\'), 'i')
      return asked(field, (value) => pattern.test(String(value)))
    }
    if (operator === ':') {
      const wanted = String(value).toLowerCase()
      return asked(field, (given) => String(given).toLowerCase() === wanted)
    }
    return asked(field, (given) => !Array.isArray(given) && COMPARE[operator](given as number, value as number))
  }

  #literal(): Value {
    const token = this.#next()
    if (token === 'null') return null
    if (token === 'true' || token === 'false') return token === 'true'
    return token.startsWith('"') ? unescaped(token.slice(1, -1)) : Number(token)
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

/** What a field is asked: EQL finds nothing where there is none (its question mark), ES|QL has no answer. */
function asked(field: string, holds: (value: unknown) => boolean): Answer {
  return (document) => {
    const value = read(document, field)
    if (isAbsent(value)) return field.startsWith('?') ? false : null
    return holds(value)
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

const WHITE: Readonly<Record<string, string>> = { t: '\t', r: '\r', n: '\n' }

/** A line feed as it is ends a text in both languages. */
function unescaped(text: string): string {
  if (/[\r\n]/.test(text)) throw new Error('a text over several lines')
  return text.replace(/\\(.)/g, (_, character: string) => WHITE[character] ?? character)
}
