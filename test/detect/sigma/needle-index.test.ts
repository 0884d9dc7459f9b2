/** Rules that are found by parts of texts are the rules that match, whatever the texts. */
import { describe, expect, it } from 'vitest'
import { compileRule } from '../../../src/detect/sigma/compile.ts'
import { SigmaEngine } from '../../../src/detect/sigma/engine.ts'
import { NeedleIndex } from '../../../src/detect/sigma/needle-index.ts'
import { parseSigma, type SigmaRule } from '../../../src/detect/sigma/parse.ts'
import { needlesOf } from '../../../src/detect/sigma/requirements.ts'
import { Random } from '../../support/random.ts'
import { PLAIN, type Plain, ruleText } from './support.ts'

const SOURCE = { product: 'test', category: undefined, service: undefined }

function needles(detection: string, known: readonly string[] = []): string[] | null {
  const { rules, problems } = parseSigma(ruleText(detection), 'x.yml')
  expect(problems).toEqual([])
  return needlesOf(rules[0], known)?.map(({ field, text }) => `${field} ${text}`) ?? null
}

describe('the needles of a rule', () => {
  it.each<[string, string[] | null]>([
    ["s: { a|contains: ['PowerShell', cmd.exe] }\ncondition: s", ['a powershell', 'a cmd.exe']],
    ["s: { a: 'C:\\*\\windows' }\ncondition: s", ['a c:*\\windows']],
    ["s: { a: 'one*twotwo?three' }\ncondition: s", ['a twotwo']],
    ['s: { a|contains|all: [abcd, abcdefgh] }\ncondition: s', ['a abcdefgh']],
    ['s: { a|endswith: abcd, b|startswith: abcdef }\ncondition: s', ['b abcdef']],
    ['s: [{ a|endswith: abcd }, { b: abcdef }]\ncondition: s', ['a abcd', 'b abcdef']],
    ['s: { a|contains: abcd }\nt: { a|contains: efghi }\ncondition: s and not t', ['a abcd']],
    ['s: { a|contains: abcd }\nt: { b|contains: efghi }\ncondition: s or t', ['a abcd', 'b efghi']],
    ['s: { a|contains: 12345 }\ncondition: s', ['a 12345']],
    ["s: { a|windash|contains: ' -exec' }\ncondition: s", ['a exec']],
    ['s: { a|contains: [abc, abcdef] }\ncondition: s', null],
    ['s: { a|re: abcdef }\ncondition: s', null],
    ['s: { a|neq: abcdef }\ncondition: s', null],
    ['s: [abcdef, ghijkl]\ncondition: s', ['null abcdef', 'null ghijkl']],
    ['s: [abcdefgh]\nt: { a|contains: ijkl }\ncondition: s and t', ['a ijkl']],
    ['s: [abc]\ncondition: s', null],
    ['s: { a: [abcdef, null] }\ncondition: s', null],
    ['s: { a|contains: abcd }\ncondition: not s', null],
    ['s: { a|contains: abcd }\nt: { a|exists: true }\ncondition: s or t', null],
  ])('of %j are %j', (detection, expected) => {
    expect(needles(detection)).toEqual(expected)
  })
})

describe('the needles of a rule that is filed', () => {
  it('are not in the fields by which it is', () => {
    const detection = 's: { action: flow.closed, a|contains: abcd }\ncondition: s'
    expect(needles(detection)).toEqual(['action flow.closed'])
    expect(needles(detection, ['action'])).toEqual(['a abcd'])
    expect(needles(detection, ['action', 'a'])).toBeNull()
    expect(needles('s: [{ action: flow.closed }, { a: abcd }]\ncondition: s', ['action'])).toBeNull()
  })
})

describe('an index of needles', () => {
  it('finds each seeker once, by whatever it has', () => {
    const seekers = [
      {
        name: 'one',
        needles: [
          { field: 'a', text: 'powershell' },
          { field: 'b', text: 'hello' },
        ],
      },
      { name: 'two', needles: [{ field: 'a', text: 'powerful' }] },
      { name: 'nächst', needles: [{ field: 'a', text: 'äbcdeö' }] },
    ]
    const index = new NeedleIndex<Plain, (typeof seekers)[number]>(seekers, PLAIN)
    const found = (event: Plain) => {
      const names: string[] = []
      index.search(event, ({ name }) => names.push(name))
      return names.sort()
    }
    expect(found({ a: 'a PowerShell, a powershell', b: 'hello' })).toEqual(['one'])
    expect(found({ a: ['x', 'POWERFUL powershell'] })).toEqual(['one', 'two'])
    expect(found({ a: 'äbcdeö' })).toEqual(['nächst'])
    expect(found({ a: 'powäershell', b: null })).toEqual([])
    expect(found({})).toEqual([])
  })

  it.each([1, 2, 3])('leaves out no rule that matches (seed %i)', (seed) => {
    const random = new Random(seed)
    const characters = ['a', 'a', 'b', 'B', '-', 'a', 'é', 'Σ', '\u212a']
    const text = (least: number, most: number) =>
      Array.from({ length: least + random.below(most - least + 1) }, () => random.pick(characters)).join('')
    const value = () => {
      const plain = text(3, 6)
      return random.chance(0.3) ? `${plain}${random.pick(['*', '?'])}${text(0, 5)}` : plain
    }
    const item = () => {
      const modifier = random.pick([
        '',
        '|contains',
        '|startswith',
        '|endswith',
        '|contains|all',
        '|windash|contains',
        '|contains|cased',
      ])
      return { [`${random.pick(['x', 'y'])}${modifier}`]: Array.from({ length: 1 + random.below(3) }, value) }
    }
    const map = () => Object.assign({}, item(), random.chance(0.5) ? item() : {})
    const rules: SigmaRule[] = Array.from({ length: 150 }, (_, i) => {
      const detection = {
        s: random.chance(0.3) ? [map(), map()] : map(),
        t: map(),
        condition: random.pick(['s', 's or t', 's and not t', 's and t', '1 of them']),
      }
      const rule = JSON.stringify({ title: `R${i}`, logsource: { product: 'test' }, detection })
      return parseSigma(rule, 'x.yml').rules[0]
    })
    const matched: string[] = []
    const handlers = { matched: (rule: SigmaRule) => matched.push(rule.title), fired() {}, ended() {} }
    const engine = new SigmaEngine({ rules, correlations: [] }, PLAIN, handlers, { discriminator: null, groupsMax: 1 })
    const source = engine.source(SOURCE)
    const compiled = rules.map((rule) => compileRule(rule, PLAIN))
    let found = 0
    for (let i = 0; i < 400; i++) {
      const event: Plain = {
        x: random.chance(0.1) ? [text(0, 9), text(0, 30)] : text(0, 40),
        y: random.chance(0.8) ? text(0, 40) : random.below(1e6),
      }
      matched.length = 0
      engine.observe(event, source)
      const expected = compiled.filter(({ matches }) => matches(event)).map(({ rule }) => rule.title)
      expect(matched.sort(), JSON.stringify(event)).toEqual(expected.sort())
      found += expected.length
    }
    expect(found).toBeGreaterThan(500)
    expect(engine.evaluations).toBeLessThan(150 * 400)
  })
})
