import { describe, expect, it } from 'vitest'
import { type Condition, parseCondition } from '../../../src/detect/sigma/condition.ts'

const NAMES = ['a', 'b', 'sel_one', 'sel_two', '_hidden', 'filter']

function show(condition: Condition): string {
  if (condition.kind === 'selection') return condition.name
  if (condition.kind === 'not') return `not ${show(condition.operand)}`
  return `(${condition.operands.map(show).join(` ${condition.kind} `)})`
}

const parse = (text: string): string => show(parseCondition(text, NAMES, 'detection.condition', 7))

describe('a condition', () => {
  it.each([
    ['a', 'a'],
    ['a or b and not filter', '(a or (b and not filter))'],
    ['(a or b) and not filter', '((a or b) and not filter)'],
    ['not not a', 'not not a'],
    ['NOT a AND b', '(not a and b)'],
    ['((a))', 'a'],
    ['1 of sel_*', '(sel_one or sel_two)'],
    ['any of sel_*', '(sel_one or sel_two)'],
    ['all of sel_*', '(sel_one and sel_two)'],
    ['1 of *_two', 'sel_two'],
    ['1 of s*_*o*', '(sel_one or sel_two)'],
    ['a and not 1 of filter*', '(a and not filter)'],
    ['1 of them', '(a or b or sel_one or sel_two or filter)'],
    ['all of them', '(a and b and sel_one and sel_two and filter)'],
    ['1 of *', '(a or b or sel_one or sel_two or filter)'],
    ['all of *e*', '(sel_one and sel_two and filter)'],
    ['1 of _*', '_hidden'],
    ['(a)and(b)', '(a and b)'],
  ])('%s is read as %s', (text, expected) => {
    expect(parse(text)).toBe(expected)
  })

  it.each([
    ['', 'not the end'],
    ['a and', 'not the end'],
    ['a b', 'expected and, or'],
    ['(a', 'expected )'],
    ['a)', 'expected and, or'],
    ['nothing', 'is not a search identifier'],
    ['1 of nothing*', 'no search identifier fits'],
    ['1 of *dden', 'no search identifier fits'],
    ['2 of sel_*', 'expected 1 of'],
    ['1 of', 'expected a pattern'],
    ['a | count() > 5', 'deprecated'],
    [`${'('.repeat(70)}a${')'.repeat(70)}`, 'nested'],
    [`${'not '.repeat(70)}a`, 'nested'],
  ])('%j is refused: %s', (text, reason) => {
    expect(() => parse(text)).toThrow(reason)
  })

  it('is refused with its key and line', () => {
    expect(() => parse('x')).toThrow(expect.objectContaining({ key: 'detection.condition', line: 7 }))
  })
})
