import { describe, expect, it } from 'vitest'
import { SigmaEngine } from '../../../src/detect/sigma/engine.ts'
import { parseSigma } from '../../../src/detect/sigma/parse.ts'
import { PLAIN, type Plain, ruleText, run } from './support.ts'

const SILENT = { matched() {}, fired() {}, ended() {} }
const OPTIONS = { discriminator: 'action', groupsMax: 10, groupsBytesMax: 1e6 }

function sourced(logsource: string): string {
  return `title: '${logsource}'\nlogsource: { ${logsource} }\ndetection: { s: { a: 1 }, condition: s }\n`
}

describe('the engine', () => {
  it('gives an event to the rules of its log source', () => {
    const rules = ['product: p', 'product: p, service: s', 'service: s', 'product: q', 'category: c', 'definition: any']
    const { rules: parsed } = parseSigma(rules.map(sourced).join('---\n'), 'x.yml')
    const matched: string[] = []
    const handlers = { ...SILENT, matched: (rule: { title: string }) => matched.push(rule.title) }
    const engine = new SigmaEngine({ rules: parsed, correlations: [] }, PLAIN, handlers, OPTIONS)
    engine.observe({ a: 1 }, engine.source({ product: 'p', service: 's', category: undefined }))
    expect(matched).toEqual(['product: p', 'product: p, service: s', 'service: s', 'definition: any'])
  })

  it('tests an event only against rules that can match it, however many there are', () => {
    let reads = 0
    const model = {
      ...PLAIN,
      field: (name: string) => (event: Plain) => {
        if (name === 'x') reads++
        return event[name]
      },
    }
    const texts = Array.from({ length: 2000 }, (_, i) =>
      ruleText(`s: { x: 1, action: a${i} }\ncondition: s`, `title: R${i}`),
    )
    const { rules } = parseSigma(texts.join('---\n'), 'x.yml')
    const matched: string[] = []
    const handlers = { ...SILENT, matched: (rule: { title: string }) => matched.push(rule.title) }
    const engine = new SigmaEngine({ rules, correlations: [] }, model, handlers, OPTIONS)
    const source = engine.source({ product: 'test', service: undefined, category: undefined })
    engine.observe({ action: 'A7', x: 1 }, source)
    expect(matched).toEqual(['R7'])
    // Once to find the rule, once to test it.
    expect(reads).toBe(2)
  })

  it.each([20, 200, 2000])('evaluates a handful of rules an event, of %i', (count) => {
    const kinds = ['open', 'shut', 'fail', 'move', 'read']
    const texts = Array.from({ length: count }, (_, i) => {
      const what = [`port: ${i}`, `user: [u${i}, v${i}]`, `port: ${i}, size|gt: 5`, `user: u${i}, name|contains: x`][
        i % 4
      ]
      return ruleText(
        `s: { action: ${kinds[i % 5]}, ${what} }\nf: { user: admin }\ncondition: s and not f`,
        `title: R${i}`,
      )
    })
    const { engine, send, matched } = run(texts.join('---\n'))
    const events = 1000
    for (let i = 0; i < events; i++) {
      const number = i % count
      send({ action: kinds[i % 5], port: number, user: `U${number}`, size: 9, name: 'axb', id: i })
    }
    expect(matched.length).toBeGreaterThanOrEqual(events)
    expect(engine.evaluations / events).toBeLessThanOrEqual(4)
  })

  it.each([
    ['values', (i: number) => `name: n${i}`],
    ['starts', (i: number) => `name|startswith: n${i}.`],
    ['ends', (i: number) => `name|endswith: '.${i}'`],
    ['parts', (i: number) => `name|contains: '.${1000 + i}.'`],
    ['several parts', (i: number) => `name|contains|all: [n, .${1000 + i}.]`],
    ['patterns', (i: number) => `name|re: '[Nn]\\d+\\.${1000 + i}\\.'`],
    ['ranges', (i: number) => `size|gte: ${i * 10}, size|lt: ${i * 10 + 10}`],
    ['networks', (i: number) => `address|cidr: 10.${i >> 8}.${i & 255}.0/24`],
    ['fields', (i: number) => `only.${i}|exists: true`],
  ])('evaluates a handful of 2,000 rules that are told apart by %s', (_, item) => {
    const count = 2000
    const texts = Array.from({ length: count }, (_, i) =>
      ruleText(`s: { action: open, ${item(i)} }\ncondition: s`, `title: R${i}`),
    )
    const { engine, send, matched } = run(texts.join('---\n'))
    const events = 300
    for (let i = 0; i < events; i++) {
      const number = (i * 7) % count
      send({
        action: 'open',
        name: i % 3 === 0 ? `N${number}` : `N${number}.${1000 + number}.${number}`,
        size: number * 10 + 5,
        address: `10.${number >> 8}.${number & 255}.9`,
        [`only.${number}`]: 1,
        id: number,
      })
    }
    expect(matched.length).toBeGreaterThanOrEqual(events / 3)
    expect(engine.evaluations / events).toBeLessThanOrEqual(3)
  })

  it('tells rules of one action apart by what else they require', () => {
    const texts = Array.from({ length: 500 }, (_, i) => {
      const port = i % 2 === 0 ? `port: ${i}` : `user: [u${i}, v${i}]`
      return ruleText(`s: { action: open, x|exists: true, ${port} }\ncondition: s`, `title: R${i}`)
    })
    const { send, matched } = run(texts.join('---\n'))
    send({ action: 'open', x: 1, port: 8, user: 'V7', id: 'a' })
    send({ action: 'open', x: 1, user: ['u1', 'v1', 'u3'], id: 'b' })
    send({ action: 'open', port: 8, id: 'c' }, { action: 'shut', x: 1, port: 8, id: 'd' })
    expect(matched.sort()).toEqual(['R1 b', 'R3 b', 'R7 a', 'R8 a'])
  })

  it('keeps rules that need no value of the discriminating field', () => {
    const text = [
      ruleText("s: { action: 'o*' }\ncondition: s", 'title: Wild'),
      ruleText('s: { action: open }\ncondition: s', 'title: Exact'),
      ruleText('s: { action: null }\ncondition: s', 'title: None'),
    ].join('---\n')
    const { send, matched } = run(text)
    send({ action: 'open', id: 1 }, { action: 'other', id: 2 }, { id: 3 }, { action: ['x', 'open'], id: 4 })
    expect(matched).toEqual(['Wild 1', 'Exact 1', 'Wild 2', 'None 3', 'Wild 4', 'Exact 4'])
  })

  it('refuses a rule that does not compile, and the correlation that needs it, and runs the others', () => {
    const text = `${ruleText("s: { f|re: '(' }\ncondition: s", 'title: Bad\nname: bad')}---
${ruleText('s: { a: 1 }\ncondition: s', 'title: Good')}---
title: Needs bad
correlation: { type: event_count, rules: [bad], timespan: 1m, condition: { gte: 1 } }
`
    const { engine, send, matched } = run(text)
    expect(engine.problems.map(({ key }) => key)).toEqual(['detection.s.f|re', 'correlation.rules'])
    send({ a: 1 })
    expect(matched).toEqual(['Good'])
  })
})
