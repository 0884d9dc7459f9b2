import { describe, expect, it } from 'vitest'
import { lintRules } from '../../src/detect/lint.ts'
import { readRules } from '../../src/detect/rules.ts'

const RULE = `title: Login refused
id: 5638f7c0-ac70-491d-8465-2a65075e0d86
name: login_refused
description: ${'A peer refused a login over PPP, as it does where the password is wrong. '.repeat(2)}
references: [https://example.org]
falsepositives: [Typing errors]
tags: [attack.t1110.001]
logsource: { product: borescope, service: ppp }
detection:
  sel: { event.action: ppp.authentication.failed, user.name: root }
  condition: sel
level: high
`
const MANY = `title: Many logins refused
id: 5638f7c0-ac70-491d-8465-2a65075e0d87
description: ${'A peer refused many logins over PPP, as it does where the password is guessed. '.repeat(2)}
references: [https://example.org]
falsepositives: [Typing errors]
tags: [attack.t1110.001]
correlation:
  type: event_count
  rules: [login_refused]
  group-by: [source.ip]
  timespan: 5m
  condition: { gte: 3 }
level: high
`

function lint(...texts: string[]): string[] {
  const set = readRules(texts.map((text, i) => ({ file: `${i}.yml`, text })))
  expect(set.problems.filter(({ severity }) => severity === 'error')).toEqual([])
  return lintRules(set).map(({ file, line, key, check, message }) => `${file}:${line} ${check} ${key}: ${message}`)
}

describe('a linter', () => {
  it('finds nothing where there is nothing', () => {
    expect(lint(RULE)).toEqual([])
    expect(lint(RULE, MANY)).toEqual([])
  })

  it.each([
    [/description: .*\n/, '', '0.yml:1 description description: expected a description'],
    [/description: .*\n/, 'description: No.\n', '0.yml:4 description description: the description has fewer than'],
    [/references: .*\n/, '', '0.yml:1 references references'],
    [/falsepositives: .*\n/, '', '0.yml:1 falsepositives falsepositives'],
    [/tags: .*\n/, 'tags: [attack.persistence]\n', '0.yml:7 attack tags'],
    [/description: .*\n/, `description: ${'Refused. '.repeat(8)}\n`, '0.yml:12 level level: level high without'],
    [/ppp.authentication.failed/, 'ppp.login', '0.yml:9 event event.action: there is no event "ppp.login"'],
    [/ppp.authentication.failed/, 'flow.closed', '0.yml:9 event event.action: flow.closed is not of the service ppp'],
    [/event.action: ppp.authentication.failed, /, '', '0.yml:9 event detection: the rule does not name its events'],
    [
      /user.name/,
      'flow.uid',
      '0.yml:10 field detection.sel.flow.uid: ppp.authentication.failed does not carry flow.uid',
    ],
    [
      / {2}condition/,
      '  other: { user.name: x }\n  condition',
      '0.yml:9 unused detection.other: the condition never asks',
    ],
  ])('finds what %s made "%s" does: %s', (from, to, finding) => {
    const findings = lint(RULE.replace(from, to))
    expect(
      findings.some((text) => text.startsWith(finding)),
      findings.join('\n'),
    ).toBe(true)
  })

  it('finds titles that two rules share', () => {
    expect(lint(RULE, RULE.replace('0d86', '0d89').replace('name: login', 'name: other'))).toEqual([
      '1.yml:1 title title: the title is that of 0.yml:1',
    ])
  })

  it('finds groups that never begin', () => {
    expect(lint(RULE, MANY.replace('source.ip', 'flow.uid'))).toEqual([
      '1.yml:7 field correlation: the events of "Login refused" do not carry flow.uid: they are never counted',
    ])
  })

  it('asks less of rules that raise no alerts', () => {
    const quiet = RULE.replace(/falsepositives: .*\n|tags: .*\n/g, '').replace(
      /description: .*\n/,
      'description: No.\n',
    )
    expect(lint(quiet, MANY)).toEqual([])
    expect(lint(quiet).length).toBeGreaterThan(2)
  })
})
