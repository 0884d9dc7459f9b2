/**
 * The condition of a rule. From weak to strong: `or`, `and`, `not`, `1 of` / `any of` / `all of`, parentheses.
 * Quantifiers over name patterns are unfolded here, so that what remains is and, or, not and selections.
 */
import { SigmaError } from './problem.ts'

export type Condition =
  | { readonly kind: 'and' | 'or'; readonly operands: readonly Condition[] }
  | { readonly kind: 'not'; readonly operand: Condition }
  | { readonly kind: 'selection'; readonly name: string }

const NESTING_MAX = 64

/** `names` are the search identifiers of the rule; `key` and `line` say where the condition stands. */
export function parseCondition(text: string, names: readonly string[], key: string, line: number): Condition {
  return new Parser(text, names, key, line).parse()
}

class Parser {
  readonly #tokens: readonly string[]
  readonly #names: readonly string[]
  readonly #key: string
  readonly #line: number
  #at = 0
  #depth = 0

  constructor(text: string, names: readonly string[], key: string, line: number) {
    this.#names = names
    this.#key = key
    this.#line = line
    const tokens: string[] = []
    for (const [token] of text.matchAll(/[()|]|[^\s()|]+/g)) {
      if (token === '|') this.#fail('aggregation with `|` is deprecated and not supported: write a correlation')
      tokens.push(token)
    }
    this.#tokens = tokens
  }

  parse(): Condition {
    const condition = this.#or()
    if (this.#at < this.#tokens.length) this.#fail(`expected and, or, or the end, not "${this.#tokens[this.#at]}"`)
    return condition
  }

  #or(): Condition {
    const operands = [this.#and()]
    while (this.#take('or')) operands.push(this.#and())
    return operands.length === 1 ? operands[0] : { kind: 'or', operands }
  }

  #and(): Condition {
    const operands = [this.#not()]
    while (this.#take('and')) operands.push(this.#not())
    return operands.length === 1 ? operands[0] : { kind: 'and', operands }
  }

  #not(): Condition {
    if (++this.#depth > NESTING_MAX) this.#fail(`nested more than ${NESTING_MAX} deep`)
    const condition: Condition = this.#take('not') ? { kind: 'not', operand: this.#not() } : this.#primary()
    this.#depth--
    return condition
  }

  #primary(): Condition {
    const token = this.#tokens[this.#at]
    if (token === undefined) this.#fail('expected a search identifier, not the end')
    this.#at++
    if (token === '(') {
      const inner = this.#or()
      if (!this.#take(')')) this.#fail('expected )')
      return inner
    }
    if (this.#tokens[this.#at]?.toLowerCase() === 'of') {
      this.#at++
      return this.#quantified(token.toLowerCase())
    }
    if (!this.#names.includes(token)) {
      this.#fail(`"${token}" is not a search identifier of this rule; it has ${this.#names.join(', ')}`)
    }
    return { kind: 'selection', name: token }
  }

  #quantified(quantity: string): Condition {
    if (quantity !== '1' && quantity !== 'any' && quantity !== 'all') {
      this.#fail(`expected 1 of, any of or all of, not "${quantity} of"`)
    }
    const pattern = this.#tokens[this.#at++]
    if (pattern === undefined || pattern === '(' || pattern === ')') this.#fail('expected a pattern or them after of')
    const operands = this.#select(pattern).map((name) => ({ kind: 'selection', name }) as const)
    if (operands.length === 0) this.#fail(`no search identifier fits "${pattern}"`)
    return operands.length === 1 ? operands[0] : { kind: quantity === 'all' ? 'and' : 'or', operands }
  }

  /** `them` is every identifier. One that begins with an underscore is meant only by patterns that do. */
  #select(pattern: string): readonly string[] {
    const names = pattern.startsWith('_') ? this.#names : this.#names.filter((name) => !name.startsWith('_'))
    if (pattern.toLowerCase() === 'them') return names
    const source = pattern.split('*').map((part) => part.replace(/[\\^$.+?()[\]{}|]/g, '\\$&'))
    const whole = new RegExp(`^${source.join('.*')}$`)
    return names.filter((name) => whole.test(name))
  }

  #take(word: string): boolean {
    if (this.#tokens[this.#at]?.toLowerCase() !== word) return false
    this.#at++
    return true
  }

  #fail(message: string): never {
    throw new SigmaError(this.#key, this.#line, message)
  }
}
