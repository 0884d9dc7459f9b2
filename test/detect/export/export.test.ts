import { describe, expect, it } from 'vitest'
import { DOCUMENTS } from '../../../src/detect/documents.ts'
import { exportKibana, exportQueries } from '../../../src/detect/export/export.ts'
import { expressionOf, readsForeignText, Unexportable } from '../../../src/detect/export/expression.ts'
import { eqlOf, esqlOf, kqlOf } from '../../../src/detect/export/languages.ts'
import { loadRuleTests } from '../../../src/detect/rule-tests.ts'
import { raisesAlerts, readRules } from '../../../src/detect/rules.ts'
import { compileRule } from '../../../src/detect/sigma/compile.ts'
import type { SigmaRule } from '../../../src/detect/sigma/parse.ts'
import type { EventDocument } from '../../../src/events/fields.ts'
import { parseQuery } from '../../../src/store/kql.ts'
import { compilePredicate } from '../../../src/store/kql-predicate.ts'
import { kibanaClause } from '../../oracle/kibana.ts'
import { RULES, RULES_FOLDER } from '../../rules/events.ts'
import { evaluator } from './evaluate.ts'

/** Every event of the test streams. */
const EVENTS: readonly EventDocument[] = loadRuleTests([RULES_FOLDER], RULES).tests.flatMap(
  ({ events }) => events ?? [],
)

/** No shipped rule needs ES|QL for Kibana; what users write may. */
const SUMS = `
title: Flow
id: d98c9d8c-2b9e-44da-87e3-370e2857e3db
name: flow
logsource: { product: borescope, service: flow }
detection:
  selection: { event.action: flow.closed, source.bytes|gte: 10000 }
  condition: selection
---
title: Much sent
id: fefa7533-14c3-4a85-9766-9778c872a460
level: medium
correlation:
  type: value_sum
  rules: [flow]
  group-by: [flow.carrier, source.ip, destination.ip]
  timespan: 1h
  condition: { field: source.bytes, gt: 500000000 }
`

function ruleOf(detection: string): SigmaRule {
  const text = `title: T\nid: 5638f7c0-ac70-491d-8465-2a65075e0d86\nlevel: low\nlogsource: { product: borescope, service: http }\ndetection:\n${detection}\n`
  const { rules, problems } = readRules([{ file: 'x.yml', text }])
  expect(problems).toEqual([])
  return rules[0]
}

/** What a rule in another language finds, or why it cannot be written. */
function found(write: () => string, run: (text: string) => (event: EventDocument) => boolean): string[] | string {
  try {
    const matches = run(write())
    return EVENTS.filter(matches).map((event) => event['event.id'])
  } catch (error) {
    if (error instanceof Unexportable) return error.message
    throw error
  }
}

describe('every shipped rule in another language finds the same events', () => {
  const sigma = (rule: SigmaRule) => {
    const { matches } = compileRule(rule, DOCUMENTS)
    const { service } = rule.logsource
    const isOf = (event: EventDocument) => service === undefined || event['event.dataset'] === `borescope.${service}`
    return EVENTS.filter((event) => isOf(event) && matches(event)).map((event) => event['event.id'])
  }

  it.each([
    ['KQL', kqlOf, (text: string) => compilePredicate(parseQuery(text))],
    ['EQL', eqlOf, evaluator],
    ['ES|QL', esqlOf, evaluator],
  ] as const)('%s', (_, write, run) => {
    const refused: string[] = []
    let hits = 0
    for (const rule of RULES.rules) {
      // KQL tells upper from lower case: such rules become EQL.
      if (write === kqlOf && readsForeignText(expressionOf(rule))) continue
      const theirs = found(() => write(expressionOf(rule)), run)
      if (typeof theirs === 'string') refused.push(`${rule.title}: ${theirs}`)
      else {
        expect(theirs, rule.title).toEqual(sigma(rule))
        hits += theirs.length
      }
    }
    expect(hits).toBeGreaterThan(1000)
    expect(refused).toMatchSnapshot()
  })
})

describe('the shipped rules for Kibana', () => {
  const { rules, leftOut } = exportKibana(RULES)
  const sums = readRules([{ file: 'sums.yml', text: SUMS }])
  const all = [...rules, ...exportKibana(sums).rules]

  it('are all that raise alerts, but for those that are told with their reasons', () => {
    expect(rules.length + leftOut.length).toBe(raisesAlerts(RULES).length)
    expect(leftOut).toMatchSnapshot()
    const types = rules.map(({ type }) => type)
    expect([...new Set(types)].sort()).toEqual(['eql', 'query', 'threshold'])
  })

  it('have what its detection engine asks of each type', () => {
    for (const rule of all) {
      expect(rule['name']).toEqual(expect.any(String))
      expect(['low', 'medium', 'high', 'critical']).toContain(rule['severity'])
      expect(rule['risk_score']).toBeGreaterThan(0)
      expect(rule['from']).toMatch(/^now-\d+s$/)
      expect(rule['query']).toEqual(expect.any(String))
      const language = { query: 'kuery', threshold: 'kuery', eql: 'eql', esql: 'esql' }[rule.type]
      expect(rule['language']).toBe(language)
      if (rule.type === 'esql') expect(rule).not.toHaveProperty('index')
      else expect(rule['index']).toEqual(['logs-borescope.*-*', 'metrics-borescope.*-*'])
    }
    expect(new Set(all.map(({ rule_id }) => rule_id)).size).toBe(all.length)
  })

  it('tell techniques below the tactics that they serve', () => {
    const rule = rules.find(({ name }) => name === 'Password guessing against one VPN account')
    expect(rule?.['threat']).toEqual([
      {
        framework: 'MITRE ATT&CK',
        tactic: { id: 'TA0006', name: 'Credential Access', reference: 'https://attack.mitre.org/tactics/TA0006/' },
        technique: [
          {
            id: 'T1110',
            name: 'Brute Force',
            reference: 'https://attack.mitre.org/techniques/T1110/',
            subtechnique: [
              {
                id: 'T1110.001',
                name: 'Password Guessing',
                reference: 'https://attack.mitre.org/techniques/T1110/001/',
              },
            ],
          },
        ],
      },
    ])
  })

  it('count as the correlations do', () => {
    const named = (name: string) => all.find((rule) => rule['name'] === name)
    expect(named('Password guessing against one VPN account')).toMatchObject({
      type: 'threshold',
      threshold: { field: ['source.ip', 'user.name'], value: 10, cardinality: [] },
      query: '(event.dataset: "borescope.ppp" and event.action: "ppp.authentication.failed")',
      from: 'now-960s',
    })
    expect(named('Ping sweep from inside a VPN session')).toMatchObject({
      threshold: {
        field: ['flow.carrier', 'source.ip'],
        value: 1,
        cardinality: [{ field: 'destination.ip', value: 15 }],
      },
    })
    expect(named('VPN login succeeded after password guessing')).toMatchObject({
      type: 'eql',
      query: [
        'sequence by source.ip, user.name with maxspan=1800s',
        '  [any where (?event.dataset : "borescope.ppp" and ?event.action : "ppp.authentication.failed")] with runs=8',
        '  [any where (?event.dataset : "borescope.ppp" and ?event.action : "ppp.authentication.succeeded")]',
      ].join('\n'),
    })
    expect(named('Much sent')?.['query']).toBe(
      [
        'FROM logs-borescope.*-*,metrics-borescope.*-*',
        '| WHERE (event.dataset == "borescope.flow" AND (event.action == "flow.closed" AND source.bytes >= 10000))',
        '| WHERE flow.carrier IS NOT NULL',
        '| WHERE source.ip IS NOT NULL',
        '| WHERE destination.ip IS NOT NULL',
        '| STATS measure = SUM(source.bytes), events = COUNT(*), sensors = COUNT_DISTINCT(observer.name), first = MIN(@timestamp), last = MAX(@timestamp) BY flow.carrier, source.ip, destination.ip',
        '| WHERE measure > 500000000',
      ].join('\n'),
    )
  })
})

it('the shipped rules are questions in ES|QL, or in EQL where order counts', () => {
  const { rules, leftOut } = exportQueries(RULES)
  expect(rules.length + leftOut.length).toBe(raisesAlerts(RULES).length)
  expect(leftOut).toMatchSnapshot()
  const guessing = rules.find(({ title }) => title === 'Password guessing against one VPN account')
  expect(guessing?.query).toContain('@timestamp >= NOW() - 600 seconds AND')
})

describe('values', () => {
  const texts = (detection: string) => {
    const expression = expressionOf(ruleOf(detection))
    return [kqlOf(expression), eqlOf(expression), esqlOf(expression)].map((text) => text.replace(/^.*?(and|AND) /, ''))
  }

  it('are quoted, and patterns escaped', () => {
    expect(texts("  s: { url.original|contains: 'a\"b c' }\n  condition: s")).toEqual([
      'url.original: *a\\"b c*)',
      '?url.original like~ "*a\\"b c*")',
      'TO_LOWER(url.original) LIKE "*a\\"b c*")',
    ])
    expect(texts("  s: { user_agent.original: 'x' }\n  condition: s")[2]).toBe('TO_LOWER(user_agent.original) == "x")')
  })

  it('that a language cannot say are refused, with the reason', () => {
    const refusal = (detection: string) => {
      try {
        const expression = expressionOf(ruleOf(detection))
        kqlOf(expression)
        return 'written'
      } catch (error) {
        return (error as Error).message
      }
    }
    expect(refusal('  s: [ word ]\n  condition: s')).toBe('it searches for words in all fields')
    expect(refusal("  s: { url.original|re: 'a+' }\n  condition: s")).toBe('the modifier re has no counterpart')
    expect(refusal("  s: { url.original: 'a?c' }\n  condition: s")).toBe('KQL has no wildcard for one character')
    expect(refusal("  s: { url.original|contains: ' cannot find' }\n  condition: s")).toMatch('with "not" and a space')
    expect(refusal("  s: { url.original|endswith: 'a ' }\n  condition: s")).toMatch('begins or ends with a space')
  })

  it.each([
    'a b',
    'this or that and more',
    'android or',
    'x) or (y: *',
    'a"b',
    'a\\\\b',
    'two\nlines\tand more',
    '\r\nx',
  ])('that an attacker or a rule brings along stay values: %j', (value) => {
    const rule = ruleOf(`  s: { url.original|contains: ${JSON.stringify(value)} }\n  condition: s`)
    const kql = kqlOf(expressionOf(rule))
    expect(kibanaClause(kql, 0), kql).not.toBeNull()
    const event = { 'event.dataset': 'borescope.http', 'url.original': `<${value.replaceAll('\\\\', '\\')}>` }
    const others = { ...event, 'url.original': 'something else' }
    const theirs = [
      compilePredicate(parseQuery(kql)),
      evaluator(eqlOf(expressionOf(rule))),
      evaluator(esqlOf(expressionOf(rule))),
    ]
    for (const matches of theirs) {
      expect(matches(event as unknown as EventDocument)).toBe(true)
      expect(matches(others as unknown as EventDocument)).toBe(false)
    }
  })

  it.each(['cannot', 'this or', 'this and'])(
    'at the end of a text are no words that join what follows: %j',
    (value) => {
      const rule = ruleOf(`  s: { url.original|endswith: '${value}', event.action: http.requested }\n  condition: s`)
      const kql = kqlOf(expressionOf(rule))
      expect(kibanaClause(kql, 0), kql).not.toBeNull()
      const matches = compilePredicate(parseQuery(kql))
      const event = {
        'event.dataset': 'borescope.http',
        'event.action': 'http.requested',
        'url.original': `I ${value}`,
      }
      expect(matches(event as unknown as EventDocument), kql).toBe(true)
      expect(matches({ ...event, 'event.action': 'other' } as unknown as EventDocument), kql).toBe(false)
    },
  )

  it('that an event lacks do not keep it from being found by a rule that leaves others out', () => {
    const rule = ruleOf(
      '  s: { event.action: http.requested }\n  filter: { user_agent.original|contains: ours }\n  condition: s and not filter',
    )
    const event = { 'event.dataset': 'borescope.http', 'event.action': 'http.requested' } as unknown as EventDocument
    const ours = { ...event, 'user_agent.original': 'Ours/1' }
    for (const text of [eqlOf(expressionOf(rule)), esqlOf(expressionOf(rule))]) {
      expect(evaluator(text)(event), text).toBe(true)
      expect(evaluator(text)(ours), text).toBe(false)
    }
  })

  it('of correlations that are content with a part of their rules stay what they are', () => {
    const part = (type: string) => `${SUMS.slice(0, SUMS.lastIndexOf('---'))}---
title: Other
id: d98c9d8c-2b9e-44da-87e3-370e2857e3dc
name: other
logsource: { product: borescope, service: flow }
detection: { s: { event.action: flow.opened }, condition: s }
---
title: Any of both
id: fefa7533-14c3-4a85-9766-9778c872a461
level: low
correlation: { type: ${type}, rules: [flow, other], group-by: [source.ip], timespan: 1h, condition: { gte: 1 } }
`
    const exported = (type: string) => exportKibana(readRules([{ file: 'x.yml', text: part(type) }]))
    expect(exported('temporal').rules[0]['query']).toContain('WHERE measure >= 1')
    expect(exported('temporal_ordered').leftOut).toMatchObject([
      { reason: expect.stringContaining('a part of its rules') },
    ])
  })
})
