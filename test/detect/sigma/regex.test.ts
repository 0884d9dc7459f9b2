import { describe, expect, it } from 'vitest'
import { compileRegex } from '../../../src/detect/sigma/regex.ts'
import { Random } from '../../support/random.ts'

const PLAIN = { ignoreCase: false, multiline: false, dotAll: false }

describe('a regular expression', () => {
  it.each([
    ['a(b|c)+d', 'xabcbd', 'ad'],
    ['(a+)+$', 'aaa', 'b'],
    ['\\w+`(\\w+|-|.)`[\\w+|\\s]', 'ab`cd`e', 'ab`cd'],
    ['^(a|ab)(c|bcd)$', 'abbcd', 'abbd'],
    ['(?i)start.*end.*x', 'START end X', 'end start x'],
    ['(?:0[0-9]{1,3}\\.){3}', '01.02.03.', '01.02.3.'],
    ['[^a-c\\d]{2}', 'axyb', 'a1b2'],
    ['\\bcat\\b', 'a cat.', 'concat'],
    ['\\Bcat', 'concat', 'a cat'],
    ['x{2,3}y', 'axxy', 'axy'],
    ['x{,3}', 'x{,3}', 'xxx'],
    ['a{', 'a{', 'a'],
    ['[]a]b', ']b', 'b'],
    ['[a-]+z', '-a-z', 'z'],
    ['[[:alpha:]_]+[[:digit:]]', 'ab_1', '1'],
    ['\\x41\\u0042\\x{43}', 'ABC', 'abc'],
    ['a|b|', 'zzz', null],
    ['\\d{3}-\\D', 'x123-y', '123-4'],
    ['foo(?i:BAR)baz', 'foobarbaz', 'fooBARBAZ'],
    ['\\Aab\\z', 'ab', 'xab'],
    ['(?P<name>ab)+?c', 'ababc', 'ab'],
    ['\\.\\*\\(\\[', 'x.*([', '.*('],
    ['a\\tb', 'a\tb', 'atb'],
    ['(a*)*b', 'aaab', 'aaa'],
    ['(?#says)ab', 'ab', 'a'],
    // As in PCRE, a line ends with a line feed and with nothing else, and before the last one of a text is its end.
    ['ab$', 'ab\n', 'ab\n\n'],
    ['ab$', 'xab', 'ab\r\n'],
    ['a.b', 'a\rb', 'a\nb'],
    ['a.b', 'a\u2028b', 'ab'],
    ['(?m)^b$', 'a\nb\n\nc', 'a\rb'],
    ['(?m)^b$', 'b', 'b\r\nc'],
    ['(?s)a.b', 'a\nb', 'ab'],
  ])('%s finds %j and not %j', (source, hit, miss) => {
    const test = compileRegex(source, PLAIN)
    expect(test(hit)).toBe(true)
    if (miss !== null) expect(test(miss)).toBe(false)
  })

  it.each([1, 2, 3, 4, 5])('means the same to the automaton as to the runtime (seed %i)', (seed) => {
    const random = new Random(seed)
    const some = (most: number, of: () => string) => Array.from({ length: 1 + random.below(most) }, of).join('')
    const atom = (depth: number): string => {
      switch (random.below(depth > 0 ? 12 : 6)) {
        case 0:
          return random.pick(['.', '[ab]', '[^a]', '\\w', '\\s'])
        case 1:
          return random.pick(['\\b', '\\B', '^', '$'])
        case 6:
          return `(?:${sequence(depth - 1)}|${sequence(depth - 1)})`
        case 7:
          return `(${sequence(depth - 1)})${random.pick(['*', '+?', '?', '{2}', '{1,2}'])}`
        case 8:
          return `(?=${sequence(depth - 1)})`
        case 9:
          return `(?!${sequence(depth - 1)})`
        case 10:
          return `(?<=${sequence(depth - 1)})`
        case 11:
          return `(?<!${sequence(depth - 1)})`
        default:
          return random.pick(['a', 'b', 'c', ' '])
      }
    }
    const sequence = (depth: number): string => some(3, () => atom(depth))
    let found = 0
    for (let i = 0; i < 400; i++) {
      const source = sequence(3)
      // A comment is nothing to the pattern, and something that the runtime does not know.
      const automaton = compileRegex(`(?#)${source}`, PLAIN)
      const native = compileRegex(source, PLAIN)
      const runtime = new RegExp(source.replaceAll('.', '[^\\n]').replaceAll('$', '(?=\\n?$)'))
      for (let j = 0; j < 20; j++) {
        const text = some(7, () => random.pick(['a', 'b', 'c', ' ', 'A', '\n', '\r']))
        if (runtime.test(text)) found++
        expect(automaton(text), `${source} on ${JSON.stringify(text)}`).toBe(runtime.test(text))
        expect(native(text), `${source} on ${JSON.stringify(text)}`).toBe(runtime.test(text))
      }
    }
    expect(found).toBeGreaterThan(1000)
    expect(found).toBeLessThan(7000)
  })

  it('ends on patterns and texts that make a backtracking engine run for ever', () => {
    const text = `${'a'.repeat(5000)}!`
    expect(compileRegex('(a+)+b', PLAIN)(text)).toBe(false)
    expect(compileRegex('(a|a)*b', PLAIN)(text)).toBe(false)
    expect(compileRegex('a*a*a*a*a*b', PLAIN)(text)).toBe(false)
    expect(compileRegex('^(([a-z])+.)+[A-Z]([a-z])+$', PLAIN)(text)).toBe(false)
    expect(compileRegex('(a?){30}a{30}b', PLAIN)(text)).toBe(false)
    expect(compileRegex('a{0,63}a{0,63}.*b', PLAIN)(text)).toBe(false)
    expect(compileRegex('(?=(a+)+b)', PLAIN)(text)).toBe(false)
    expect(compileRegex('^(?=.*a)(?=.*(a|a)*b).*!$', PLAIN)(text)).toBe(false)
    expect(compileRegex('(?<=(a+)+)!', PLAIN)(text)).toBe(true)
  })

  it('looks around', () => {
    const test = compileRegex('foo(?!bar)', PLAIN)
    expect(test('foobaz')).toBe(true)
    expect(test('foobar')).toBe(false)
    const password = compileRegex('^(?=.*[a-z])(?=.*\\d)(?!.*\\s).{4,}$', PLAIN)
    expect(['abc1', 'abcd', 'ab 1', 'a1'].map(password)).toEqual([true, false, false, false])
  })

  it('refers back within a budget', () => {
    const test = compileRegex('(ab)\\1', PLAIN)
    expect(test('xabab')).toBe(true)
    expect(test('xabxab')).toBe(false)
    expect(compileRegex('^(a.)\\1$', PLAIN)('a\ra\r\n')).toBe(true)
  })

  it.each([
    ['(a*)*\\1', 'back references'],
    ['(?:(?=a)b){51}', 'look-around'],
    ['a{2,1}', 'wrong way'],
    ['[b-a]', 'wrong way'],
    ['[a', 'lacks a ]'],
    ['(a', 'lacks a )'],
    ['a)', 'too many'],
    ['*a', 'nothing stands before'],
    ['a**', 'repetition follows'],
    ['a++', 'possessive'],
    ['a\\', 'backslash'],
    ['\\p', 'not supported'],
    ['(?>a)', 'not supported'],
    ['((a{100}){100}){100}', 'too large'],
    [`${'('.repeat(200)}a${')'.repeat(200)}`, 'nested'],
  ])('%s is refused: %s', (source, reason) => {
    expect(() => compileRegex(source, PLAIN)).toThrow(reason)
  })
})
