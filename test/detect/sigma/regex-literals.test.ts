import { describe, expect, it } from 'vitest'
import { compileRegex } from '../../../src/detect/sigma/regex.ts'
import { regexLiterals } from '../../../src/detect/sigma/regex-literals.ts'
import { Random } from '../../support/random.ts'

const FLAGS = { ignoreCase: false, multiline: false, dotAll: false }

describe('the literals of a regular expression', () => {
  it.each<[string, string[] | null]>([
    ['abc', ['abc']],
    ['ABC[dD]\\\\e', ['abcd\\e']],
    ['a.bcd.e', ['bcd']],
    ['abc?de', ['ab']],
    ['ab(cd)ef', ['abcdef']],
    ['ab(?:cd|x)efg', ['efg']],
    ['abc|de.f', ['abc', 'de']],
    ['abc|.', null],
    ['(abc){2,}d', ['abc']],
    ['(abc){0,2}d', ['d']],
    ['ab(?=cdefg)cd', ['abcd']],
    ['a\\bb^c$', ['abc']],
    ['(a)b\\1c', ['ab']],
    ['(?<quote>["\'])xy\\k<quote>', ['xy']],
    ['(a)(b)(c)(d)(e)(f)(g)(h)(i)[jk]\\10', ['abcdefghi']],
    ['aжbc', ['bc']],
    ['[^a]', null],
    ['', null],
  ])('%j are %j', (source, expected) => {
    expect(regexLiterals(source, false)).toEqual(expected)
  })

  it('hold no letter that a stranger may stand for where case is ignored', () => {
    const automaton = compileRegex('DISK(?#)', { ...FLAGS, ignoreCase: true })
    expect(automaton('d\u0131\u017fk')).toBe(true)
    expect(regexLiterals('DISK', true)).toEqual(['d'])
    expect(regexLiterals('disk', true)).toEqual(['disk'])
    expect(regexLiterals('(?i)cl(?-i)is', false)).toEqual(['clis'])
  })

  it.each([1, 2, 3])('stand in every text in which something is found (seed %i)', (seed) => {
    const random = new Random(seed)
    const pieces = ['a', 'b', 'S', 'i', '.', 'k?', 'b+', '[sS]', '(ab)', '(a|b)', '(?:Si){2}', '\\w', '^', '\\b', '|']
    const characters = ['a', 'b', 'B', 's', 'S', 'i', 'k', '\u212a', '\u017f', '\u0131', '\u0130', ' ']
    const text = (pick: readonly string[], most: number) =>
      Array.from({ length: 1 + random.below(most) }, () => random.pick(pick)).join('')
    let found = 0
    for (let i = 0; i < 2000; i++) {
      const source = text(pieces, 6)
      const ignoreCase = random.chance(0.5)
      const literals = regexLiterals(source, ignoreCase)
      const test = compileRegex(source, { ...FLAGS, ignoreCase })
      for (let j = 0; j < 10 && literals !== null; j++) {
        const subject = text(characters, 12)
        if (!test(subject)) continue
        found++
        expect(
          literals.some((literal) => subject.toLowerCase().includes(literal)),
          `${source} in ${subject}`,
        ).toBe(true)
      }
    }
    expect(found).toBeGreaterThan(1000)
  })
})
