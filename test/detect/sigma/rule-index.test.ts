/** Rules that are found by clues are the rules that match, whatever the rules and the events. */
import { describe, expect, it } from 'vitest'
import { compileRule } from '../../../src/detect/sigma/compile.ts'
import { SigmaEngine } from '../../../src/detect/sigma/engine.ts'
import { parseSigma, type SigmaRule } from '../../../src/detect/sigma/parse.ts'
import { Random } from '../../support/random.ts'
import { PLAIN, type Plain } from './support.ts'

const SOURCE = { product: 'test', category: undefined, service: undefined }
const RULES = 200
const EVENTS = 400

/** Random rules and events that have much in common. */
class Chance {
  readonly #random: Random
  readonly #fields: readonly string[]

  constructor(seed: number, fields: number) {
    this.#random = new Random(seed)
    this.#fields = Array.from({ length: fields }, (_, i) => `f${i}`)
  }

  rule(number: number): SigmaRule {
    const detection = {
      s: this.#random.chance(0.3) ? [this.#map(), this.#map()] : this.#map(),
      t: this.#random.chance(0.1) ? [this.#text(2, 6), this.#text(4, 8)] : this.#map(),
      condition: this.#random.pick(['s', 's or t', 's and not t', 's and t', '1 of them', 'not s and t']),
    }
    const text = JSON.stringify({ title: `R${number}`, logsource: { product: 'test' }, detection })
    const { rules, problems } = parseSigma(text, 'x.yml')
    expect(problems, text).toEqual([])
    return rules[0]
  }

  event(): Plain {
    const event: Record<string, unknown> = {}
    for (const field of this.#fields) {
      if (this.#random.chance(0.4)) event[field] = this.#random.chance(0.15) ? this.#list() : this.#scalar()
    }
    if (this.#random.chance(0.9)) event['action'] = this.#action()
    return event
  }

  #map(): Record<string, unknown> {
    const map: Record<string, unknown> = this.#random.chance(0.5) ? { action: this.#action() } : {}
    for (let i = this.#random.below(3); i >= 0; i--) Object.assign(map, this.#item())
    return map
  }

  #item(): Record<string, unknown> {
    const field = this.#random.pick(this.#fields)
    const some = <T>(make: () => T): T[] => Array.from({ length: 1 + this.#random.below(3) }, make)
    const kind = this.#random.below(12)
    if (kind === 0) return { [`${field}|exists`]: this.#random.chance(0.7) }
    if (kind === 1) return { [`${field}|re${this.#random.pick(['', '|i', '|neq'])}`]: some(() => this.#regex()) }
    if (kind === 2) return { [`${field}|fieldref`]: this.#random.pick(this.#fields) }
    if (kind === 3) return { [`${field}|cidr`]: this.#random.pick(['10.0.0.0/8', '2001:db8::/32']) }
    if (kind === 4) {
      return { [`${field}|gte`]: this.#random.below(9), [`${field}|lt`]: this.#random.below(9) }
    }
    if (kind === 5) return { [`${field}|${this.#random.pick(['lt', 'lte', 'gt', 'gte'])}`]: this.#random.below(9) }
    if (kind === 6) return { [field]: some(() => this.#random.pick([1, 2, '3', true, null, 'A'])) }
    const modifier = this.#random.pick(['', '|contains', '|startswith', '|endswith', '|neq', '|windash|contains'])
    const more = modifier === '|neq' ? '' : this.#random.pick(['', '', '|all', '|cased'])
    return { [`${field}${modifier}${more}`]: some(() => this.#value()) }
  }

  #action(): string {
    return this.#random.pick(['open', 'Open', 'shut', 'move'])
  }

  #value(): string {
    const plain = this.#text(1, 6)
    return this.#random.chance(0.3) ? `${plain}${this.#random.pick(['*', '?'])}${this.#text(0, 5)}` : plain
  }

  #regex(): string {
    return `${this.#text(1, 3)}${this.#random.pick(['.*', '?', '+', '|', '$', '[ab]'])}${this.#text(1, 3)}`
  }

  #scalar(): unknown {
    if (this.#random.chance(0.3)) return this.#random.below(9)
    if (this.#random.chance(0.1)) return this.#random.pick([true, null, undefined, '3', ' 4 ', '', '10.1.2.3', 2n])
    return this.#text(0, 12)
  }

  #list(): unknown[] {
    return Array.from({ length: this.#random.below(4) }, () => this.#scalar())
  }

  #text(least: number, most: number): string {
    const characters = ['a', 'a', 'b', 'B', '-', 'a', 's', 'k', 'é', 'Σ', '\u212a', '\u0130']
    const length = least + this.#random.below(most - least + 1)
    return Array.from({ length }, () => this.#random.pick(characters)).join('')
  }
}

describe('rules that are found by what an event shows', () => {
  it.each([
    [1, 3, null],
    [2, 3, 'action'],
    [3, 30, null],
    [4, 30, 'action'],
    [5, 30, 'f0'],
  ])('are those that match, in their order (seed %i, %i fields, told apart by %s)', (seed, fields, discriminator) => {
    const chance = new Chance(seed, fields)
    const rules = Array.from({ length: RULES }, (_, i) => chance.rule(i))
    const matched: string[] = []
    const handlers = { matched: (rule: SigmaRule) => matched.push(rule.title), fired() {}, ended() {} }
    const engine = new SigmaEngine({ rules, correlations: [] }, PLAIN, handlers, {
      discriminator,
      groupsMax: 1,
      groupsBytesMax: 1e6,
    })
    expect(engine.problems).toEqual([])
    const source = engine.source(SOURCE)
    const compiled = rules.map((rule) => compileRule(rule, PLAIN))
    let found = 0
    for (let i = 0; i < EVENTS; i++) {
      const event = chance.event()
      matched.length = 0
      engine.observe(event, source)
      const expected = compiled.filter(({ matches }) => matches(event)).map(({ rule }) => rule.title)
      expect(matched).toEqual(expected)
      found += expected.length
    }
    expect(found).toBeGreaterThan(500)
    expect(engine.evaluations).toBeLessThan((RULES * EVENTS) / 2)
  })

  it('are found whether or not the host tells the fields of its events', () => {
    const rules = Array.from({ length: 30 }, (_, i) => {
      const text = `title: R${i}\nlogsource: { product: test }\ndetection: { s: { f${i}|exists: true }, condition: s }\n`
      return parseSigma(text, 'x.yml').rules[0]
    })
    const { stored: _, ...silent } = PLAIN
    for (const model of [PLAIN, silent]) {
      const matched: string[] = []
      const handlers = { matched: (rule: SigmaRule) => matched.push(rule.title), fired() {}, ended() {} }
      const engine = new SigmaEngine({ rules, correlations: [] }, model, handlers, {
        discriminator: null,
        groupsMax: 1,
        groupsBytesMax: 1e6,
      })
      const source = engine.source(SOURCE)
      engine.observe({ f7: 1, other: 2, f3: null }, source)
      engine.observe({ f9: undefined }, source)
      expect(matched).toEqual(['R3', 'R7'])
      expect(engine.evaluations).toBe(2)
    }
  })
})
