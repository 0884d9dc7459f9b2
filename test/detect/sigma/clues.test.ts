import { describe, expect, it } from 'vitest'
import { type Clue, cluesOf, countValues } from '../../../src/detect/sigma/clues.ts'
import { parseSigma } from '../../../src/detect/sigma/parse.ts'
import { ruleText } from './support.ts'

function clues(detection: string, known: string | null = null): string[] | null {
  const { rules, problems } = parseSigma(ruleText(detection), 'x.yml')
  expect(problems).toEqual([])
  return cluesOf(rules[0], countValues(rules), known)?.map(written) ?? null
}

function written(clue: Clue): string {
  if (clue.kind === 'present') return `${clue.field} is there`
  if (clue.kind === 'network') return `${clue.field} in /${clue.network.prefix}`
  if (clue.kind === 'number') return `${clue.field} from ${clue.min} to ${clue.max}`
  return `${clue.field} ${clue.kind} ${clue.text}`
}

describe('the clues of a rule', () => {
  it.each<[string, string[] | null]>([
    ['s: { a: [One, 2] }\ncondition: s', ['a value one', 'a value 2']],
    ["s: { a|contains: ['PowerShell', cmd.exe] }\ncondition: s", ['a part powershell', 'a part cmd.exe']],
    ["s: { a|endswith: '\\cmd.exe', b|contains: abc }\ncondition: s", ['a end \\cmd.exe']],
    ["s: { a|startswith: 'C:', b|contains: a }\ncondition: s", ['a start c:']],
    ["s: { a: 'C:\\*\\windows' }\ncondition: s", ['a value c:*\\windows']],
    ["s: { a: 'one*twotwo?three' }\ncondition: s", ['a part twotwo']],
    ["s: { a: 'one*twotw?three' }\ncondition: s", ['a end three']],
    ["s: { a: '*one*twotwo?thr?*' }\ncondition: s", ['a part twotwo']],
    ['s: { a|contains|all: [abcd, abcdefgh] }\ncondition: s', ['a part abcdefgh']],
    ['s: { a|endswith: abcd, b|startswith: abcdef }\ncondition: s', ['b start abcdef']],
    ['s: [{ a|endswith: abcd }, { b: abcdef }]\ncondition: s', ['a end abcd', 'b value abcdef']],
    ['s: { a|contains: abcd }\nt: { a|contains: efghi }\ncondition: s and not t', ['a part abcd']],
    ['s: { a|contains: abcd }\nt: { b|contains: efghi }\ncondition: s or t', ['a part abcd', 'b part efghi']],
    ["s: { a|windash|contains: ' -exec' }\ncondition: s", ['a part exec']],
    ['s: { a|contains: [Ж, x] }\ncondition: s', ['a part ж', 'a part x']],
    ['s: { a|contains|cased: Жabc }\ncondition: s', ['a is there']],
    ['s: { a|gte: 5 }\ncondition: s', ['a from 5 to Infinity']],
    ['s: { a|gte: 5, b|lt: 9, a|lt: 7 }\ncondition: s', ['a from 5 to 7']],
    ['s: { a|lt: [5, 9] }\ncondition: s', ['a from -Infinity to 5', 'a from -Infinity to 9']],
    ['s: { a|hour|gt: 5 }\ncondition: s', ['a is there']],
    ['s: { a|re: "ab.*cdef" }\ncondition: s', ['a part cdef']],
    ['s: { a|re: "[ab].*" }\ncondition: s', ['a is there']],
    ['s: { a|cidr: [192.0.2.0/24, 2001:db8::/32] }\ncondition: s', ['a in /24', 'a in /32']],
    ['s: { a|fieldref: b }\ncondition: s', ['a is there']],
    ['s: { a|exists: true }\ncondition: s', ['a is there']],
    ["s: { a: '*' }\ncondition: s", ['a is there']],
    ['s: { a|exists: false }\ncondition: s', null],
    ['s: { a|neq: abcdef }\ncondition: s', null],
    ['s: { a: [abcdef, null] }\ncondition: s', null],
    ['s: { a|contains: abcd }\ncondition: not s', null],
    ['s: { a|contains: abcd }\nt: { a: null }\ncondition: s or t', null],
    ['s: [abcdef, ghijkl]\ncondition: s', ['null part abcdef', 'null part ghijkl']],
    ['s: [abcdefgh]\nt: { a|exists: true }\ncondition: s and t', ['a is there']],
  ])('of %j are %j', (detection, expected) => {
    expect(clues(detection)).toEqual(expected)
  })

  it('are not in the field by which rules were told apart', () => {
    const detection = 's: { action: flow.closed, a|exists: true }\ncondition: s'
    expect(clues(detection)).toEqual(['action value flow.closed'])
    expect(clues(detection, 'action')).toEqual(['a is there'])
    expect(clues('s: [{ action: flow.closed }, { a: abcd }]\ncondition: s', 'action')).toBeNull()
  })

  it('are values that other rules name less often', () => {
    const common = ['a', 'b', 'c'].map((value) => ruleText(`s: { x: tcp, y: ${value} }\ncondition: s`))
    const { rules } = parseSigma(common.join('---\n'), 'x.yml')
    const counts = countValues(rules)
    expect(rules.map((rule) => cluesOf(rule, counts, null)!.map(written))).toEqual([
      ['y value a'],
      ['y value b'],
      ['y value c'],
    ])
  })
})
