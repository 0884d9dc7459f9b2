import { describe, expect, it } from 'vitest'
import { compileRule } from '../../../src/detect/sigma/compile.ts'
import { parseSigma } from '../../../src/detect/sigma/parse.ts'
import { matcher, PLAIN, refusal, ruleText, selection } from './support.ts'

/** Field map, values of the field `f` that it matches, values that it does not. */
type Case = readonly [map: string, hits: readonly unknown[], misses: readonly unknown[]]

function check([map, hits, misses]: Case): void {
  const matches = selection(map)
  for (const f of hits) expect(matches({ f }), `${map} should match ${JSON.stringify(f)}`).toBe(true)
  for (const f of misses) expect(matches({ f }), `${map} should not match ${JSON.stringify(f)}`).toBe(false)
}

describe('values', () => {
  it.each<Case>([
    ['f: Alice', ['alice', 'ALICE', ['bob', 'Alice']], ['alice1', '', undefined, null, ['bob'], []]],
    ['f: [a, b]', ['A', 'b'], ['c', 'ab']],
    ['f: 4624', [4624, '4624'], [46240, '04624', undefined]],
    ["f: '17'", [17, '17'], [1.7, 'x']],
    ['f: 1.5', [1.5, '1.5'], [1, 15]],
    ['f: true', [true, 'True'], [false, 1]],
    ['f: null', [undefined, null, []], ['', 0, 'null']],
    ["f: ''", [''], [undefined, null, ' ']],
    ["f: [null, '']", ['', null, undefined], ['x']],
    ['f: 12345678901234567890', ['12345678901234567890'], ['12345678901234567891', 12345678901234567000]],
    ['f: straße', ['STRAßE'], ['strasse']],
  ])('%s', (...given) => check(given))
})

describe('wildcards and escapes', () => {
  it.each<Case>([
    ["f: 'adm*'", ['admin', 'ADM', 'adm*'], ['xadm']],
    ["f: '*cmd.exe'", ['c:\\cmd.exe', 'cmd.exe'], ['cmd.exe ', 'cmdXexe']],
    ["f: '*mid*'", ['a mid b', 'mid'], ['mi d']],
    ["f: 'prog?.exe'", ['progA.exe', 'prog?.exe'], ['prog.exe', 'progAB.exe']],
    ["f: 'a*b*c'", ['abc', 'a b b c', 'axbxc'], ['acb', 'ab', 'abcd']],
    ["f: 'a*b?d*e'", ['abcde', 'a bb bxd e'], ['abde', 'abce']],
    ["f: '*ab*ab'", ['abab', 'xab ab'], ['ab', 'aab']],
    ["f: '?'", ['x', '?'], ['', 'xy']],
    ["f: '*'", ['', 'anything'], [undefined]],
    ["f: '\\*'", ['*'], ['x', '\\*', '']],
    ["f: '\\?x'", ['?x'], ['ax', '\\?x']],
    ["f: 'a\\b'", ['a\\b'], ['ab', 'a\\\\b']],
    ["f: 'a\\\\b'", ['a\\b'], ['a\\\\b']],
    ["f: 'a\\\\*'", ['a\\', 'a\\bc'], ['a*', 'a']],
    ["f: 'a\\\\\\*'", ['a\\*'], ['a\\b', 'a\\']],
    ["f: 'a\\\\\\b'", ['a\\\\b'], ['a\\b']],
    ["f: 'a\\\\\\\\b'", ['a\\\\b'], ['a\\b']],
    ["f: 'a\\'", ['a\\'], ['a']],
  ])('%s', (...given) => check(given))
})

describe('string modifiers', () => {
  it.each<Case>([
    ['f|contains: Mid', ['a mid b', 'MID'], ['m id', undefined]],
    ["f|contains: 'a*b'", ['x a--b x'], ['ba']],
    ['f|startswith: ab', ['ABc'], ['xab']],
    ['f|endswith: yz', ['xYZ'], ['yzx']],
    ['f|contains|all: [one, two]', ['two one', ['one two']], ['one', 'two']],
    ['f|all: [one, two]', [['one', 'two', 'three']], [['one'], 'one']],
    ['f|cased: Alice', ['Alice'], ['alice', 'ALICE']],
    ['f|contains|cased: Li', ['aLib'], ['alib']],
    ['f|startswith: 46', [4624, '46'], [146]],
    ['f|neq: [a, b]', ['c', undefined], ['a', 'B']],
    ['f|contains|neq: x', ['abc'], ['axc']],
    ["f|contains|windash: ' -enc '", [' -enc ', ' /ENC ', ' –enc ', ' —enc ', ' ―enc '], [' enc ', ' +enc ']],
    ["f|windash|contains: '-a/b'", ['-a-b', '/a—b'], ['-a b']],
    ['f|base64: foo', ['Zm9v'], ['foo', 'Zm9']],
    ["f|base64offset|contains: '/bin/sh'", ['L2Jpbi9za', 'xvYmluL3Noy', 'L2Jpbi9zaA'], ['L2Jpbi9']],
    ['f|wide|base64: cmd', [Buffer.from('cmd', 'utf16le').toString('base64')], ['Y21k']],
    ['f|utf16le|base64: cmd', ['YwBtAGQA'], ['AGMAbQBk']],
    ['f|utf16be|base64: cmd', ['AGMAbQBk'], ['YwBtAGQA']],
    ['f|utf16|base64: cmd', ['//5jAG0AZAA='], ['YwBtAGQA']],
    ['f|wide: ab', ['a\0b\0'], ['ab']],
    ['f|base64: é', ['w6k='], ['6Q==']],
    ["f|windash|base64: '-a'", ['LWE=', 'L2E='], ['K2E=']],
  ])('%s', (...given) => check(given))

  it('finds base64offset at each of the three places', () => {
    const matches = selection("f|base64offset|contains: 'http://'")
    for (const before of ['', 'a', 'ab', 'abc', 'abcd']) {
      for (const after of ['', 'x', 'xy', 'xyz']) {
        expect(matches({ f: btoa(`${before}http://${after}`) })).toBe(true)
      }
    }
    expect(matches({ f: btoa('https//') })).toBe(false)
  })
})

describe('other modifiers', () => {
  it.each<Case>([
    ['f|re: ^ab+c$', ['abbc'], ['ABBC', 'xabc']],
    ['f|re|i: ^ab+c$', ['ABBC'], ['ac']],
    ["f|re|m: '^b$'", ['a\nb\nc'], ['ab']],
    ["f|re|s: 'a.b'", ['a\nb'], ['ab']],
    ["f|re: 'a.b'", ['axb'], ['a\nb']],
    ['f|re|ignorecase: ^ab+c$', ['ABBC'], ['ac']],
    ["f|re|multiline|dotall: '^b.c$'", ['a\nb\nc'], ['ab']],
    ['f|re|all: [a, b]', ['xbax'], ['a']],
    ['f|re: 17', [4176], [467]],
    ['f|cidr: 10.0.0.0/8', ['10.255.0.1', '::ffff:10.1.1.1'], ['11.0.0.1', '10.0.0', '10.0.0.0.1', '', 'x', 10]],
    ['f|cidr: 192.0.2.77/24', ['192.0.2.1'], ['192.0.3.1']],
    ['f|cidr: 0.0.0.0/0', ['1.2.3.4'], ['::1', 'x']],
    ['f|cidr: 192.0.2.1', ['192.0.2.1'], ['192.0.2.2']],
    ["f|cidr: '2001:db8::/33'", ['2001:db8:7fff::1', '2001:0DB8::'], ['2001:db8:8000::', '192.0.2.1', '2001:db8:::1']],
    ["f|cidr: 'fe80::/10'", ['fe80::1%eth0', 'febf::1'], ['fec0::1', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9']],
    ["f|cidr: '::1/128'", ['::1', '0:0:0:0:0:0:0:1'], ['::2', '::']],
    ["f|cidr: '::/0'", ['::192.0.2.1', '1:2:3:4:5:6:192.0.2.1'], ['192.0.2.1::', '192.0.2.1::1', '1::192.0.2.1:2']],
    ['f|cidr: [10.0.0.0/8, 192.168.0.0/16]', ['192.168.1.1', ['1.1.1.1', '10.0.0.1']], ['1.1.1.1']],
    ['f|gt: 5', [6, '6', 5.5], [5, 4, 'x', '', undefined, null]],
    ['f|gte: 5', [5], [4]],
    ['f|lt: 5', [4, -1], [5, undefined]],
    ['f|lte: 5', [5], [6]],
    ['f|neq: 5', [4, 'x', undefined], [5, '5']],
    ['f|exists: true', ['', 0, 'x', null], [undefined]],
    ['f|exists: false', [undefined], ['', null]],
    ['f|hour: 23', ['2026-01-02T23:59:00.000001Z', '2026-01-02 23:00'], ['2026-01-02T22:59:00Z', '2026-01-02', 23]],
    ['f|hour|gte: 22', ['2026-01-02T23:59:00Z'], ['2026-01-02T21:59:00Z']],
    ['f|minute: [58, 59]', ['2026-01-02T23:59:00Z'], ['2026-01-02T23:57:00Z']],
    ['f|day: 2', ['2026-01-02'], ['2026-02-01']],
    ['f|month|lt: 3', ['2026-02-28'], ['2026-03-01']],
    ['f|year: 2026', ['2026-02-28'], ['2025-12-31']],
    ['f|week: 1', ['2026-01-01', '2025-12-29'], ['2025-12-28', '2026-01-05']],
    ['f|week: 53', ['2020-12-31', '2021-01-03'], ['2021-01-04']],
  ])('%s', (...given) => check(given))

  it('compares fields', () => {
    expect(selection('f|fieldref: g')({ f: 'Abc', g: 'aBC' })).toBe(true)
    expect(selection('f|fieldref|cased: g')({ f: 'Abc', g: 'aBC' })).toBe(false)
    expect(selection('f|fieldref: g')({ f: 5, g: '5' })).toBe(true)
    expect(selection('f|fieldref: g')({ f: 'x' })).toBe(false)
    expect(selection('f|fieldref: g')({})).toBe(false)
    expect(selection('f|fieldref: g')({ f: ['a', 'b'], g: ['c', 'B'] })).toBe(true)
    expect(selection('f|fieldref|contains: g')({ f: 'xabcx', g: 'ABC' })).toBe(true)
    expect(selection('f|fieldref|startswith: g')({ f: 'abc', g: 'ab' })).toBe(true)
    expect(selection('f|fieldref|endswith: g')({ f: 'abc', g: 'bc' })).toBe(true)
    expect(selection('f|fieldref|endswith: g')({ f: 'abc', g: 'ab' })).toBe(false)
    expect(selection('f|fieldref|neq: g')({ f: 'a', g: 'b' })).toBe(true)
    expect(selection('f|fieldref|neq: g')({ f: 'a', g: 'A' })).toBe(false)
    expect(selection('f|fieldref: [g, h]')({ f: 'a', g: 'b', h: 'a' })).toBe(true)
  })
})

describe('detections', () => {
  it('join the fields of a map with and', () => {
    const matches = selection('a: 1\nb: 2')
    expect(matches({ a: 1, b: 2 })).toBe(true)
    expect(matches({ a: 1, b: 3 })).toBe(false)
  })

  it('join the maps of a list with or', () => {
    const matches = matcher('sel:\n  - a: 1\n    b: 2\n  - c: 3\ncondition: sel')
    expect(matches({ a: 1, b: 2 })).toBe(true)
    expect(matches({ c: 3 })).toBe(true)
    expect(matches({ a: 1 })).toBe(false)
  })

  it('look for keywords in every text of the event', () => {
    const matches = matcher("words: [evil, 'b?d', 4711]\ncondition: words")
    expect(matches({ x: 'this is EVIL' })).toBe(true)
    expect(matches({ x: ['good', 'a bad one'] })).toBe(true)
    expect(matches({ x: 14711 })).toBe(true)
    expect(matches({ x: 'good', evil: 'no' })).toBe(false)
  })

  it('take one keyword without a list', () => {
    expect(matcher('words: evil\ncondition: words')({ x: 'evil' })).toBe(true)
  })

  it("want every keyword with '|all', wherever each of them is", () => {
    const matches = matcher("words:\n  '|all': [one, two]\ncondition: words")
    expect(matches({ a: 'one', b: 'two' })).toBe(true)
    expect(matches({ a: 'one' })).toBe(false)
  })

  it('mix keywords and maps in one list', () => {
    const matches = matcher('sel:\n  - evil\n  - a: 1\ncondition: sel')
    expect(matches({ a: 1 })).toBe(true)
    expect(matches({ b: 'evil' })).toBe(true)
    expect(matches({ b: 'good' })).toBe(false)
  })

  it('are joined by the condition', () => {
    const matches = matcher('sel_a: { a: 1 }\nsel_b: { b: 2 }\nfilter: { c: 3 }\ncondition: 1 of sel_* and not filter')
    expect(matches({ a: 1 })).toBe(true)
    expect(matches({ b: 2, c: 3 })).toBe(false)
  })

  it('are joined with or by a list of conditions', () => {
    const matches = matcher('x: { a: 1 }\ny: { a: 2 }\ncondition: [x, y]')
    expect([1, 2, 3].map((a) => matches({ a }))).toEqual([true, true, false])
  })
})

describe('a rule is refused', () => {
  it.each([
    ['sel: { f|expand: x }', 'expand needs placeholders'],
    ['sel: { f|nonsense: x }', 'unknown modifier "nonsense"'],
    ['sel: { f|contains|contains: x }', 'twice'],
    ['sel: { f|re|contains: x }', 'do not go together'],
    ['sel: { f|contains|re: x }', 'do not go together'],
    ['sel: { f|i: x }', 'part of re'],
    ['sel: { f|lt|gt: 1 }', 'do not go together'],
    ['sel: { f|lt: x }', 'expected a number'],
    ['sel: { f|hour: x }', 'expected a number'],
    ['sel: { f|exists: 1 }', 'true or false'],
    ['sel: { f|exists: [true, false] }', 'true or false'],
    ['sel: { f|cidr: 10.0.0.0/33 }', 'is not a network'],
    ['sel: { f|cidr: host }', 'is not a network'],
    ["sel: { f|re: '(a' }", 'lacks a )'],
    ["sel: { f|re: '' }", 'expected a regular expression'],
    ['sel: { f|contains: null }', 'takes no modifier'],
    ["sel: { f|base64: 'a*' }", 'wildcards'],
    ['sel: { f|fieldref: 5 }', 'name of a field'],
    ["sel: { '|gt': 5 }", 'needs a field'],
    ["sel: { '': 5 }", 'expected a field name'],
    ['sel: { f: { g: 1 } }', 'not a map or a list'],
    ['sel: { f: [] }', 'at least one value'],
    ['sel: []', 'at least one value'],
    ['sel: {}', 'at least one field'],
    ['sel: { f: x }\ntimeframe: 5m', 'write a correlation'],
  ])('%s: %s', (detection, reason) => {
    expect(refusal(`${detection}\ncondition: sel`)).toContain(reason)
  })
})

describe('the values that a rule requires of a field', () => {
  const required = (detection: string): string[] | null => {
    const { rules } = parseSigma(ruleText(detection), 'test.yml')
    const set = compileRule(rules[0], PLAIN).required.get('action')
    return set === undefined ? null : [...set].sort()
  }

  it.each([
    ['s: { action: Open }\ncondition: s', ['open']],
    ['s: { action: [a, b], x: 1 }\ncondition: s', ['a', 'b']],
    ['s: { action: [1, true] }\ncondition: s', ['1', 'true']],
    ['s: { action: [a, b] }\nt: { action: b }\ncondition: s and t', ['b']],
    ['s: { action: a }\nt: { x: 1 }\ncondition: s and t', ['a']],
    ['s: { action: a }\nt: { action: b }\ncondition: s or t', ['a', 'b']],
    ['s:\n  - action: a\n  - action: b\ncondition: s', ['a', 'b']],
    ['s: { action: a }\nf: { action: b }\ncondition: s and not f', ['a']],
    ['s: { action: a }\nt: { x: 1 }\ncondition: s or t', null],
    ["s: { action: 'a*' }\ncondition: s", null],
    ['s: { action|contains: a }\ncondition: s', null],
    ['s: { action: null }\ncondition: s', null],
    ['s: { action: a }\ncondition: not s', null],
  ])('%j: %j', (detection, expected) => {
    expect(required(detection)).toEqual(expected)
  })
})
