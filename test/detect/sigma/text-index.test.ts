import { describe, expect, it } from 'vitest'
import { type SoughtText, TextIndex } from '../../../src/detect/sigma/text-index.ts'
import { Random } from '../../support/random.ts'

function finder(sought: readonly [kind: SoughtText<string>['kind'], text: string][]) {
  const index = new TextIndex(sought.map(([kind, text]) => ({ kind, text, rule: `${kind} ${text}` })))
  return (value: unknown) => {
    const rules = new Set<string>()
    index.look(value, (rule) => rules.add(rule))
    return [...rules].sort()
  }
}

describe('an index of texts', () => {
  it('finds values, starts, ends and parts, whatever their case', () => {
    const found = finder([
      ['value', 'cmd.exe'],
      ['start', 'c:\\'],
      ['end', '\\cmd.exe'],
      ['part', '\\windows\\'],
      ['part', 'x'],
    ])
    expect(found('CMD.exe')).toEqual(['part x', 'value cmd.exe'])
    expect(found('C:\\Windows\\CMD.EXE')).toEqual(['end \\cmd.exe', 'part \\windows\\', 'part x', 'start c:\\'])
    expect(found('c:')).toEqual([])
    expect(found('')).toEqual([])
  })

  it('finds numbers as they are written, and what is in them', () => {
    const found = finder([
      ['value', '443'],
      ['value', '0443'],
      ['value', '1e3'],
      ['value', 'true'],
      ['end', '43'],
    ])
    expect(found(443)).toEqual(['end 43', 'value 443'])
    expect(found(1000)).toEqual([])
    expect(found('1E3')).toEqual(['value 1e3'])
    expect(found(true)).toEqual(['value true'])
    expect(found(443n)).toEqual(['end 43', 'value 443'])
    expect(found(Number.NaN)).toEqual([])
  })

  it.each([1, 2, 3])('leaves nothing out, and adds only to long parts (seed %i)', (seed) => {
    const random = new Random(seed)
    const characters = ['a', 'a', 'b', 'B', 'k', '-', 'é', 'É', 'Σ', 'ς', '\u212a', '\u0130', '😀']
    const text = (least: number, most: number) =>
      Array.from({ length: least + random.below(most - least + 1) }, () => random.pick(characters)).join('')
    const kinds = ['value', 'start', 'end', 'part'] as const
    const sought = Array.from({ length: 200 }, (): [SoughtText<string>['kind'], string] => {
      const kind = random.pick(kinds)
      return [kind, text(1, kind === 'value' ? 4 : 6).toLowerCase()]
    })
    const find = finder(sought)
    const holds = { value: 'toString', start: 'startsWith', end: 'endsWith', part: 'includes' } as const
    for (let i = 0; i < 2000; i++) {
      const value = text(0, 12)
      const lower = value.toLowerCase()
      const found = find(value)
      const expected = sought.filter(([kind, each]) => {
        return kind === 'value' ? lower === each : lower[holds[kind] as 'includes'](each)
      })
      expect(found, value).toEqual(expect.arrayContaining(expected.map((each) => each.join(' '))))
      const exact = found.filter((rule) => !/^part .{4,}/u.test(rule))
      for (const rule of exact)
        expect(
          expected.map((each) => each.join(' ')),
          value,
        ).toContain(rule)
    }
  })
})
