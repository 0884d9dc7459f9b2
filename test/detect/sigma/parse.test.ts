import { describe, expect, it } from 'vitest'
import { parseSigma, parseTimespanUs } from '../../../src/detect/sigma/parse.ts'

const RULE = `title: A rule
id: 5638f7c0-ac70-491d-8465-2a65075e0d86
name: a_rule
status: test
description: What it finds.
author: Somebody
references:
  - https://example.org/1
date: 2026-01-02
tags:
  - attack.t1110.001
logsource:
  product: Borescope
  service: ppp
detection:
  sel:
    user.name|contains: 'x'
  condition: sel
falsepositives: none
level: high
borescope:
  entity: [user.name]
`

const CORRELATION = `title: Many
correlation:
  type: event_count
  rules: [a_rule]
  group-by: [source.ip]
  timespan: 5m
  condition: { gte: 10 }
`

const problem = (text: string) => parseSigma(text, 'x.yml').problems[0]

describe('a rule file', () => {
  it('gives a rule with all that it says', () => {
    const { rules, correlations, problems } = parseSigma(RULE, 'ppp/x.yml')
    expect(problems).toEqual([])
    expect(correlations).toEqual([])
    expect(rules).toHaveLength(1)
    expect(rules[0]).toMatchObject({
      kind: 'rule',
      file: 'ppp/x.yml',
      line: 1,
      title: 'A rule',
      id: '5638f7c0-ac70-491d-8465-2a65075e0d86',
      name: 'a_rule',
      status: 'test',
      references: ['https://example.org/1'],
      tags: ['attack.t1110.001'],
      falsepositives: ['none'],
      level: 'high',
      logsource: { product: 'borescope', service: 'ppp', category: undefined },
      custom: { borescope: { entity: ['user.name'] } },
      condition: { kind: 'selection', name: 'sel' },
    })
    expect(rules[0].lines).toMatchObject({ tags: 10, borescope: 21 })
    expect(rules[0].detections.get('sel')).toEqual({
      kind: 'item',
      item: {
        key: 'detection.sel.user.name|contains',
        line: 17,
        field: 'user.name',
        modifiers: ['contains'],
        values: ['x'],
      },
    })
  })

  it('may hold several documents, and an empty one', () => {
    const { rules, correlations, problems } = parseSigma(`${RULE}---\n${CORRELATION}---\n`, 'x.yml')
    expect(problems).toEqual([])
    expect(rules).toHaveLength(1)
    expect(correlations).toHaveLength(1)
    expect(correlations[0]).toMatchObject({
      line: 24,
      type: 'event_count',
      rules: ['a_rule'],
      groupBy: ['source.ip'],
      timespanUs: 300_000_000,
      criteria: [{ comparison: 'gte', value: 10 }],
      generate: false,
    })
  })

  it('goes on with the next document after a wrong one', () => {
    const { rules, problems } = parseSigma(`title: x\n---\n${RULE}`, 'x.yml')
    expect(rules).toHaveLength(1)
    expect(problems).toHaveLength(1)
  })

  it('may use anchors', () => {
    const { rules, problems } = parseSigma(
      RULE.replace("contains: 'x'", 'contains: &v [x, y]\n    message|contains: *v'),
      'x.yml',
    )
    expect(problems).toEqual([])
    expect(rules[0].detections.get('sel')).toMatchObject({ kind: 'all', parts: [{}, { item: { values: ['x', 'y'] } }] })
  })

  it('may not unfold into something huge', () => {
    const lines = ['bomb:', '  a0: &a0 [x, x]']
    for (let i = 1; i < 30; i++) lines.push(`  a${i}: &a${i} [*a${i - 1}, *a${i - 1}]`)
    expect(problem(`${RULE}${lines.join('\n')}\n`)).toMatchObject({ key: 'bomb' })
  })

  it.each([
    ['', '', 1, 'no document'],
    ['# nothing\n', '', 1, 'no document'],
    ['title: [', '', 1, 'not valid YAML'],
    ['title: a\ntitle: b\n', '', 2, 'not valid YAML'],
    ['- a\n', '', 1, 'expected a map'],
    ['title: x\n', '', 1, 'expected `detection`, `correlation` or `filter`'],
    ['action: global\ntitle: x\n', 'action', 1, 'not supported'],
    ['title: x\nfilter: {}\n', 'filter.rules', 2, 'ids or names of rules'],
    [RULE.replace('title: A rule\n', ''), 'title', 1, 'expected a title'],
    [RULE.replace('A rule', 'x'.repeat(300)), 'title', 1, 'at most'],
    [RULE.replace('level: high', 'level: grave'), 'level', 20, 'expected one of informational'],
    [RULE.replace('status: test', 'status: good'), 'status', 4, 'expected one of stable'],
    [RULE.replace('logsource:', 'logsauce:'), 'logsource', 1, 'expected a log source'],
    [RULE.replace('  condition: sel\n', ''), 'detection.condition', 15, 'expected a condition'],
    [RULE.replace('condition: sel', 'condition: []'), 'detection.condition', 18, 'expected a condition'],
    [RULE.replace('condition: sel', 'condition: other'), 'detection.condition', 18, 'not a search identifier'],
    [RULE.replace("'x'", '{ y: 1 }'), 'detection.sel.user.name|contains', 17, 'single value'],
    [`${RULE}correlation: {}\n`, 'correlation', 23, 'not several of them'],
  ])('%j is refused at %s, line %i: %s', (text, key, line, reason) => {
    expect(problem(text)).toMatchObject({ file: 'x.yml', key, line, message: expect.stringContaining(reason) })
  })
})

describe('a correlation', () => {
  it.each(['gte: 10, lt: 3', 'eq: 0', 'lt: 1', 'eq: 2.5', 'gt: 4, lt: 5', 'eq: 3, neq: 3'])(
    'is refused if no number of events is { %s }',
    (condition) => {
      expect(problem(CORRELATION.replace('gte: 10', condition))).toMatchObject({
        key: 'correlation.condition',
        line: 7,
        message: 'no number of events is like that',
      })
    },
  )

  it.each([
    ['event_count', 'lt: 2'],
    ['event_count', 'gte: 0'],
    ['event_count', 'gt: 4, lt: 6'],
    ['event_count', 'gte: 3, neq: 3'],
    ['value_count', 'field: a, eq: 0'],
    ['value_sum', 'field: a, lt: 0'],
    ['value_avg', 'field: a, gt: 2, lt: 3'],
    ['value_avg', 'field: a, eq: 2.5'],
    ['temporal', 'eq: 1'],
  ])('%s may ask for { %s }', (type, condition) => {
    const text = CORRELATION.replace('event_count', type).replace('gte: 10', condition)
    expect(parseSigma(text, 'x.yml').problems).toEqual([])
  })

  it('of the temporal kind wants all its rules unless it says otherwise', () => {
    const text = CORRELATION.replace('event_count', 'temporal')
      .replace('[a_rule]', '[a, b]')
      .replace(/ {2}condition.*\n/, '')
    expect(parseSigma(text, 'x.yml').correlations[0].criteria).toEqual([{ comparison: 'gte', value: 2 }])
  })

  it('reads ranges, aliases and generate', () => {
    const range = CORRELATION.replace('{ gte: 10 }', '{ gt: 10, lte: 20 }')
    const text = `${range}  aliases:\n    who:\n      a_rule: source.ip\ngenerate: true\n`
    const [correlation] = parseSigma(text, 'x.yml').correlations
    expect(correlation.criteria).toEqual([
      { comparison: 'gt', value: 10 },
      { comparison: 'lte', value: 20 },
    ])
    expect(correlation.aliases.get('who')?.get('a_rule')).toBe('source.ip')
    expect(correlation.generate).toBe(true)
  })

  it.each([
    [CORRELATION.replace('event_count', 'event_sum'), 'correlation.type', 3, 'expected one of event_count'],
    [CORRELATION.replace('  type: event_count\n', ''), 'correlation.type', 2, 'expected one of event_count'],
    [CORRELATION.replace('[a_rule]', '[]'), 'correlation.rules', 2, 'ids or names'],
    [CORRELATION.replace('5m', '5 minutes'), 'correlation.timespan', 6, 'as in 15m'],
    [CORRELATION.replace('  timespan: 5m\n', ''), 'correlation.timespan', 2, 'expected a time span'],
    [CORRELATION.replace(/ {2}condition.*\n/, ''), 'correlation.condition', 2, 'expected a condition'],
    [CORRELATION.replace('gte: 10', 'ge: 10'), 'correlation.condition.ge', 7, 'expected field'],
    [CORRELATION.replace('gte: 10', 'gte: ten'), 'correlation.condition.gte', 7, 'expected a number'],
    [CORRELATION.replace('gte: 10', 'gte: 10, field: x'), 'correlation.condition.field', 7, 'takes no field'],
    [CORRELATION.replace('gte: 10', ''), 'correlation.condition', 7, 'expected one of gt'],
    [CORRELATION.replace('event_count', 'value_count'), 'correlation.condition.field', 7, 'needs the field'],
    [
      CORRELATION.replace('event_count', 'value_sum').replace('gte: 10', 'gte: 10, field: [a, b]'),
      'correlation.condition.field',
      7,
      'takes one field',
    ],
    [
      CORRELATION.replace('event_count', 'value_percentile').replace('gte: 10', 'gte: 10, field: a'),
      'correlation.condition.percentile',
      7,
      '1 to 100',
    ],
    [CORRELATION.replace('group-by', 'groupby'), 'correlation.groupby', 5, 'unknown key'],
    [CORRELATION.replace('gte: 10', 'gte: .nan'), 'correlation.condition.gte', 7, 'expected a number'],
    [CORRELATION.replace('gte: 10', 'gte: .inf'), 'correlation.condition.gte', 7, 'expected a number'],
    [`${CORRELATION}generate: maybe\n`, 'generate', 8, 'expected true or false'],
    [
      CORRELATION.replace('event_count', 'temporal').replace('[a_rule]', '[a, b]').replace('gte: 10', 'gte: 3'),
      'correlation.condition',
      7,
      'no number of rules is like that',
    ],
    [
      CORRELATION.replace('event_count', 'value_avg').replace('gte: 10', 'field: a, gt: 2.5, lt: 2.5'),
      'correlation.condition',
      7,
      'no number is like that',
    ],
  ])('%j is refused at %s, line %i: %s', (text, key, line, reason) => {
    expect(problem(text)).toMatchObject({ key, line, message: expect.stringContaining(reason) })
  })
})

describe('a time span', () => {
  it.each([
    ['30s', 30_000_000],
    ['15m', 900_000_000],
    ['2h', 7_200_000_000],
    ['1d', 86_400_000_000],
    ['0s', null],
    ['1w', null],
    ['s', null],
    ['1.5h', null],
    ['', null],
  ])('%j is %s µs', (text, expected) => {
    expect(parseTimespanUs(text)).toBe(expected)
  })
})
