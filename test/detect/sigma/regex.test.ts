import { describe, expect, it } from 'vitest'
import { compileRegex } from '../../../src/detect/sigma/regex.ts'

const PLAIN = { ignoreCase: false, multiline: false, dotAll: false }

/** Long enough that the automaton takes over, without a character that any pattern here looks for. */
const PADDING = '§'.repeat(2000)

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
  ])('%s finds %j and not %j', (source, hit, miss) => {
    const test = compileRegex(source, PLAIN)
    expect(test(hit)).toBe(true)
    if (miss !== null) expect(test(miss)).toBe(false)
  })

  it('gives the same answer on short and on long texts', () => {
    const patterns = ['ab+c', 'a.{2}c', '[ab]c', '\\bab', 'a(?:b|c)a', '(?i)AB', 'c$', 'a?b?c', 'b{2,}', '(ab)?c']
    let seed = 7
    const letter = () => {
      seed = (seed * 1103515245 + 12345) % 2147483648
      return 'abc '[(seed >> 16) & 3]
    }
    for (const source of patterns) {
      const test = compileRegex(source, PLAIN)
      for (let i = 0; i < 200; i++) {
        const text = Array.from({ length: i % 12 }, letter).join('')
        expect(test(`${PADDING}${text}`), `${source} on ${JSON.stringify(text)}`).toBe(test(`§${text}`))
      }
    }
  })

  it('ends on patterns and texts that make a backtracking engine run for ever', () => {
    const text = `${'a'.repeat(5000)}!`
    expect(compileRegex('(a+)+b', PLAIN)(text)).toBe(false)
    expect(compileRegex('(a|a)*b', PLAIN)(text)).toBe(false)
    expect(compileRegex('a*a*a*a*a*b', PLAIN)(text)).toBe(false)
    expect(compileRegex('^(([a-z])+.)+[A-Z]([a-z])+$', PLAIN)(text)).toBe(false)
    expect(compileRegex('(a?){30}a{30}b', PLAIN)(text)).toBe(false)
  })

  it('looks around where that cannot run away', () => {
    const test = compileRegex('foo(?!bar)', PLAIN)
    expect(test('foobaz')).toBe(true)
    expect(test('foobar')).toBe(false)
    expect(compileRegex('(ab)\\1', PLAIN)('xabab')).toBe(true)
  })

  it.each([
    ['(?=(a+)+)b', 'look-around'],
    ['(a*)*\\1', 'look-around'],
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
