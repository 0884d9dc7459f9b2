import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { DOCUMENTS } from '../../src/detect/documents.ts'
import { compileRule } from '../../src/detect/sigma/compile.ts'
import { alertPolicy, categoryOf, loadRules, readRules } from '../../src/detect/rules.ts'

const RULE = `title: Login refused
id: 5638f7c0-ac70-491d-8465-2a65075e0d86
name: login_refused
tags: [attack.t1110.001, attack.credential-access, cve.2026-1]
logsource: { product: borescope, service: ppp }
detection:
  sel: { event.action: ppp.authentication.failed }
  condition: sel
level: low
`
const CORRELATION = `title: Many logins refused
id: 5638f7c0-ac70-491d-8465-2a65075e0d87
correlation:
  type: value_count
  rules: [login_refused]
  group-by: [source.ip]
  timespan: 5m
  condition: { field: user.name, gte: 10 }
level: high
`

const read = (...texts: string[]) => readRules(texts.map((text, i) => ({ file: `ppp/${i}.yml`, text })))

describe('a set of rules', () => {
  it('without a fault has no problems', () => {
    const { rules, correlations, problems } = read(RULE, CORRELATION)
    expect(problems).toEqual([])
    expect(rules).toHaveLength(1)
    expect(correlations).toHaveLength(1)
    expect(categoryOf(rules[0])).toBe('ppp')
    expect(alertPolicy(rules[0])).toEqual({ entity: ['source.ip', 'destination.ip'], suppressUs: 3_600_000_000 })
  })

  it('reads what an alert is about', () => {
    const { rules, problems } = read(`${RULE}borescope: { entity: [user.name], suppress: 10m }\n`)
    expect(problems).toEqual([])
    expect(alertPolicy(rules[0])).toEqual({ entity: ['user.name'], suppressUs: 600_000_000 })
  })

  it.each([
    [
      RULE.replace('event.action', 'event.actoin'),
      'detection.sel.event.actoin',
      7,
      'no event has a field "event.actoin"',
    ],
    [RULE.replace('event.action', 'source.ip|fieldref'), 'detection.sel.source.ip|fieldref', 7, 'no event has a field'],
    [RULE.replace('0d86', '0d8'), 'id', 2, 'is not a UUID'],
    [RULE.replace(/id: .*\n/, ''), 'id', 1, 'expected an id'],
    [`${RULE}---\n${RULE}`, 'id', 12, 'the id is that of "Login refused" (ppp/0.yml:1)'],
    [`${RULE}borescope: 5\n`, 'borescope', 10, 'expected a map'],
    [`${RULE}borescope: { entity: who }\n`, 'borescope.entity', 10, 'list of fields'],
    [`${RULE}borescope: { entity: [who] }\n`, 'borescope.entity', 10, 'no event has a field "who"'],
    [`${RULE}borescope: { suppress: 5 }\n`, 'borescope.suppress', 10, 'as in 15m'],
    [`${RULE}borescope: { mute: 5 }\n`, 'borescope.mute', 10, 'unknown key'],
    [RULE.replace('event.action:', 'event.action|expand:'), 'detection.sel.event.action|expand', 7, 'placeholders'],
    [RULE.replace('level: low', 'level: loud'), 'level', 9, 'expected one of'],
    [`${RULE}---\n${CORRELATION.replace('user.name', 'user')}`, 'correlation', 13, 'no event has a field "user"'],
    [`${RULE}---\n${CORRELATION.replace('login_refused', 'other')}`, 'correlation.rules', 13, 'no usable rule'],
    [
      `${RULE}---\n${CORRELATION.replace('value_count', 'value_sum').replace('user.name', 'source.ip')}`,
      'correlation.condition.field',
      13,
      'the field "source.ip" is no number',
    ],
  ])('%j: an error at %s, line %i: %s', (text, key, line, message) => {
    const { rules, correlations, problems } = read(text)
    expect(problems).toMatchObject([
      { file: 'ppp/0.yml', key, line, message: expect.stringContaining(message), severity: 'error' },
    ])
    expect(rules.length + correlations.length).toBe(text.includes('---') ? 1 : 0)
  })

  it.each([
    ['attack.t9999', 'ATT&CK has no technique T9999'],
    ['attack.t1562.004', 'ATT&CK revoked T1562.004: use T1686'],
    ['attack.credential-acces', 'ATT&CK has no tactic "credential-acces"'],
  ])('warns of the tag %s and keeps the rule', (tag, message) => {
    const { rules, problems } = read(RULE.replace('attack.t1110.001', tag))
    expect(problems).toMatchObject([{ key: 'tags', line: 4, message, severity: 'warning' }])
    expect(rules).toHaveLength(1)
  })

  it('warns of a missing level', () => {
    expect(read(RULE.replace('level: low\n', '')).problems).toMatchObject([{ key: 'level', severity: 'warning' }])
  })

  it('leaves out rules of log sources that have no events here, and what builds on them', () => {
    const text = RULE.replace('borescope', 'windows').replace('event.action', 'EventID')
    const { rules, correlations, problems } = read(text, CORRELATION)
    expect([...rules, ...correlations]).toEqual([])
    expect(problems).toMatchObject([
      { line: 5, key: 'logsource', message: expect.stringContaining('log source windows/ppp'), severity: 'warning' },
      { key: 'correlation.rules', message: expect.stringContaining('is left out'), severity: 'warning' },
    ])
  })

  it.each([
    ['service: ppp', 'service: pptpp', 'logsource.service', 'no family of events "pptpp"'],
    ['service: ppp', 'category: dns', 'logsource.category', 'no category'],
  ])('refuses %s made %s', (from, to, key, message) => {
    expect(read(RULE.replace(from, to)).problems).toMatchObject([
      { line: 5, key, message: expect.stringContaining(message), severity: 'error' },
    ])
  })

  it('takes rules without a product for rules about our events', () => {
    expect(read(RULE.replace('product: borescope, ', '')).rules).toHaveLength(1)
    expect(read(RULE.replace('product: borescope, ', '').replace('event.action', 'who')).problems).toMatchObject([
      { message: 'no event has a field "who"', severity: 'error' },
    ])
  })
})

describe('a filter', () => {
  const FILTER = `title: Our scanner
id: 5638f7c0-ac70-491d-8465-2a65075e0d90
logsource: { product: borescope }
filter:
  rules: [login_refused]
  selection: { source.ip: 192.0.2.9 }
  condition: not selection
`
  it('stands in the rule that it names, whatever file it is in', () => {
    const { rules, filters, problems } = read(FILTER, RULE)
    expect(problems).toEqual([])
    expect(filters).toHaveLength(1)
    const { matches } = compileRule(rules[0], DOCUMENTS)
    const refused = { 'event.action': 'ppp.authentication.failed', '@timestamp': '', 'event.id': '' }
    expect(matches({ ...refused, 'source.ip': '192.0.2.8' })).toBe(true)
    expect(matches({ ...refused, 'source.ip': '192.0.2.9' })).toBe(false)
  })

  it.each([
    ['source.ip', 'source.ib', 6, 'no event has a field "source.ib"'],
    ['source.ip: 192.0.2.9', "source.ip|re: '('", 6, 'lacks a )'],
  ])('that is wrong (%s made %s) is refused, and its rule goes on', (from, to, line, message) => {
    const { rules, filters, problems } = read(FILTER.replace(from, to), RULE)
    expect(filters).toEqual([])
    expect(rules).toHaveLength(1)
    expect(problems).toMatchObject([
      { file: 'ppp/0.yml', line, severity: 'error', message: expect.stringContaining(message) },
    ])
  })

  it('that names a rule which is not there is a warning', () => {
    expect(read(FILTER.replace('[login_refused]', '[login_refused, gone]'), RULE).problems).toMatchObject([
      { file: 'ppp/0.yml', line: 4, severity: 'warning', message: expect.stringContaining('no rule "gone"') },
    ])
  })
})

describe('a folder of rules', () => {
  let folder = ''
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it('is read with its folders; a wrong file does not stop the others', () => {
    folder = mkdtempSync(join(tmpdir(), 'rules-'))
    mkdirSync(join(folder, 'ppp', 'deep'), { recursive: true })
    writeFileSync(join(folder, 'ppp', 'deep', 'a.yml'), RULE)
    writeFileSync(join(folder, 'many.yaml'), CORRELATION)
    writeFileSync(join(folder, 'broken.yml'), 'title: [')
    writeFileSync(join(folder, 'large.yml'), '#'.repeat((1 << 20) + 1))
    writeFileSync(join(folder, 'README.md'), '# not a rule')
    writeFileSync(join(folder, 'many.test.yml'), 'tests: []')
    const { rules, correlations, problems } = loadRules(folder)
    expect(rules.map(categoryOf)).toEqual(['ppp/deep'])
    expect(correlations.map(categoryOf)).toEqual([undefined])
    expect(problems.map(({ file }) => file)).toEqual(['large.yml', 'broken.yml'])
  })

  it('that is not there is an error', () => {
    expect(() => loadRules('/nowhere/at/all')).toThrow('ENOENT')
  })
})
