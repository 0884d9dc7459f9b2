import { describe, expect, it } from 'vitest'
import { compileRule } from '../../../src/detect/sigma/compile.ts'
import { applyFilters } from '../../../src/detect/sigma/filter.ts'
import { parseSigma } from '../../../src/detect/sigma/parse.ts'
import { PLAIN, type Plain, ruleText } from './support.ts'

const RULE = ruleText('selection: { a: [1, 2] }\ncondition: selection', 'title: R\nid: r-1\nname: r')
const OTHER = ruleText('selection: { a: 1 }\ncondition: 1 of them', 'title: S\nid: s-1').replace('test', 'test2')

function filter(body: string, logsource = 'product: test'): string {
  return `---\ntitle: F\nlogsource: { ${logsource} }\nfilter:\n${body.trim().replaceAll(/^/gm, '  ')}\n`
}

/** Which of the events the rules still match, and what is wrong with the filters. */
function matched(text: string, events: readonly Plain[]) {
  const { rules, filters, problems } = parseSigma(text, 'x.yml')
  expect(problems).toEqual([])
  const applied = applyFilters(rules, filters)
  const predicates = applied.rules.map((rule) => compileRule(rule, PLAIN).matches)
  return {
    ids: predicates.map((matches) => events.filter(matches).map(({ id }) => id)),
    problems: applied.problems.map(({ line, key, message }) => `${line} ${key}: ${message}`),
  }
}

const EVENTS = [
  { id: 'x', a: 1, user: 'alice' },
  { id: 'y', a: 2, user: 'backup' },
  { id: 'z', a: 3, user: 'alice' },
]

describe('a filter', () => {
  it.each(['r', 'r-1', 'R-1'])('leaves events out of the rule that it names by %s', (name) => {
    const { ids, problems } = matched(
      RULE + filter(`rules: [${name}]\nselection: { user: backup }\ncondition: not selection`),
      EVENTS,
    )
    expect(ids).toEqual([['x']])
    expect(problems).toEqual([])
  })

  it('keeps apart what it calls like the rule does, and takes no part in its patterns', () => {
    const own = ruleText('selection: { a: [1, 2] }\ncondition: all of them', 'title: R\nname: r')
    const text =
      own + filter('rules: [r]\nselection: { user: alice }\nadmins: { a: 1 }\ncondition: selection and admins')
    expect(matched(text, EVENTS).ids).toEqual([['x']])
  })

  it('goes with others for the same rule', () => {
    const text =
      RULE +
      filter('rules: [r]\nselection: { user: backup }\ncondition: not selection') +
      filter('rules: [r]\nselection: { user: alice }\ncondition: not 1 of sel*')
    expect(matched(text, EVENTS).ids).toEqual([[]])
  })

  it('for any rule is for those of its log source', () => {
    const any = filter('rules: any\nselection: { user: alice }\ncondition: not selection')
    expect(matched(`${RULE}---\n${OTHER}${any}`, EVENTS).ids).toEqual([['y'], ['x']])
    const wide = filter('rules: any\nselection: { user: alice }\ncondition: not selection', 'definition: all')
    expect(matched(`${RULE}---\n${OTHER}${wide}`, EVENTS).ids).toEqual([['y'], []])
  })

  it('that names what is not there is told, and in force for the others', () => {
    const text = `${RULE}---\n${OTHER}${filter('rules: [gone, s-1, r]\nselection: { user: backup }\ncondition: not selection')}`
    const { ids, problems } = matched(text, EVENTS)
    expect(ids).toEqual([['x'], ['x']])
    expect(problems).toEqual([
      '18 filter.rules: there is no rule "gone" whose events could be left out',
      '18 filter.rules: the rule "S" looks at another log source than the filter',
    ])
  })

  it('for a log source that no rule looks at is told', () => {
    const text = RULE + filter('rules: any\nselection: { user: alice }\ncondition: not selection', 'product: nobody')
    expect(matched(text, EVENTS).problems).toEqual(['11 filter.rules: no rule looks at the log source of the filter'])
  })

  it.each([
    ['selection: { a: 1 }\ncondition: selection', 'filter.rules', 'ids or names'],
    ['rules: [r]\nselection: { a: 1 }', 'filter.condition', 'expected a condition'],
    ['rules: [r]\ncondition: selection', 'filter', 'at least one search identifier'],
    ['rules: [r]\nselection: { a: 1 }\ncondition: not other', 'filter.condition', 'not a search identifier'],
  ])('%j is refused at %s: %s', (body, key, message) => {
    const { problems, filters } = parseSigma(filter(body), 'x.yml')
    expect(filters).toEqual([])
    expect(problems).toMatchObject([{ key, message: expect.stringContaining(message) }])
  })
})
