import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { alertsAbout, loadRuleTests, readRuleTests } from '../../src/detect/rule-tests.ts'
import { loadRules, readRules } from '../../src/detect/rules.ts'

const RULE = `title: Login refused
id: 5638f7c0-ac70-491d-8465-2a65075e0d86
name: login_refused
logsource: { product: borescope, service: ppp }
detection:
  sel: { event.action: ppp.authentication.failed }
  condition: sel
level: low
`
const MANY = `title: Many logins refused
id: 5638f7c0-ac70-491d-8465-2a65075e0d87
correlation:
  type: value_count
  rules: [login_refused]
  group-by: [source.ip]
  timespan: 5m
  condition: { field: user.name, gte: 3 }
level: high
`
const TESTS = `tests:
  - fires:
      - name: five users
        events:
          - event: ppp.authentication.failed
            repeat: 5
            every: 30s
            fields: { source.ip: 192.0.2.1, user.name: 'u{n}' }
        entities: [192.0.2.1]
    silent:
      - name: two users
        events:
          - event: ppp.authentication.failed
            repeat: 9
            fields: { source.ip: 192.0.2.1, user.name: 'u{7+n%2}', source.port: '{1000+n}' }
`
const SET = readRules([
  { file: 'ppp/many.yml', text: `${RULE}---\n${MANY}` },
  { file: 'two.yml', text: RULE.replace('0d86', '0d88').replace('Login', 'A login').replace('login_refused', 'x') },
])
const read = (text: string, file = 'ppp/many.test.yml') => readRuleTests(text, file, '/nowhere', SET)
const oneEvent = (event: string) =>
  TESTS.replace(/ {10}- event: [\s\S]*?entities/, `          - ${event}\n        entities`)

describe('a file of tests', () => {
  it('is about the rule beside it that raises alerts', () => {
    const { tests, problems } = read(TESTS)
    expect(problems).toEqual([])
    expect(tests.map(({ rule, name, fires, line }) => [rule.title, name, fires, line])).toEqual([
      ['Many logins refused', 'five users', true, 3],
      ['Many logins refused', 'two users', false, 11],
    ])
  })

  it.each(['Many logins refused', 'many logins REFUSED', '5638f7c0-ac70-491d-8465-2a65075e0d87', 'login_refused', 'x'])(
    'may name the rule: %s',
    (name) => {
      const { tests, problems } = read(TESTS.replace('- fires', `- rule: ${name}\n    fires`), 'elsewhere.test.yml')
      expect(problems).toEqual([])
      expect(tests).toHaveLength(2)
    },
  )

  it('unfolds series', () => {
    const [first, second] = read(TESTS).tests
    const users = (events: typeof first.events) => events!.map((event) => [event['@timestamp'], event['user.name']])
    expect(users(first.events).slice(0, 2)).toEqual([
      ['2026-01-01T00:00:00.000000Z', 'u0'],
      ['2026-01-01T00:00:30.000000Z', 'u1'],
    ])
    expect(
      users(second.events)
        .slice(0, 3)
        .map(([, user]) => user),
    ).toEqual(['u7', 'u8', 'u7'])
    expect(second.events![8]).toMatchObject({ 'source.port': 1008, 'event.dataset': 'borescope.ppp' })
    expect(new Set(second.events!.map((event) => event['event.id'])).size).toBe(9)
    expect(alertsAbout(SET, first.events!).map((alert) => alert['rule.name'])).toContain('Many logins refused')
  })

  it('puts events into the order of their time, from any start', () => {
    const text = `tests:
  - silent:
      - name: two series
        start: 2026-03-01T03:00:00Z
        events:
          - { event: ppp.authentication.failed, repeat: 2, every: 2s, fields: { user.name: a } }
          - { event: ppp.authentication.failed, at: 1s, repeat: 2, every: 500ms, fields: { user.name: b } }
          - { event: ppp.authentication.failed, fields: { user.name: c } }
`
    const [{ events }] = read(text).tests
    expect(events!.map((event) => [event['@timestamp'].slice(17, 23), event['user.name']])).toEqual([
      ['00.000', 'a'],
      ['01.000', 'b'],
      ['01.500', 'b'],
      ['02.000', 'a'],
      ['02.000', 'c'],
    ])
  })

  it.each([
    ['tests: [', '', 1, 'not valid YAML'],
    ['other: 1\n', 'tests', 1, 'expected array'],
    [TESTS.replace('silent:', 'quiet:'), 'tests.0', 2, 'Unrecognized key'],
    [TESTS.replace('- fires', '- rule: Nobody\n    fires'), 'tests.0.rule', 2, 'no rule "Nobody"'],
    [oneEvent('event: ppp.login'), 'tests.0.fires.0.events.0.event', 5, 'no event of this name'],
    [oneEvent('{ event: ppp.authentication.failed, at: 5 }'), 'tests.0.fires.0.events.0.at', 5, 'expected string'],
    [oneEvent('{ event: ppp.authentication.failed, at: 5w }'), 'tests.0.fires.0.events.0.at', 5, 'as in 1.5s'],
    [
      oneEvent('{ event: ppp.authentication.failed, fields: { user: a } }'),
      'tests.0.fires.0.events.0.fields.user',
      5,
      'no event has a field',
    ],
    [
      oneEvent('{ event: ppp.authentication.failed, fields: { flow.uid: a } }'),
      'tests.0.fires.0.events.0.fields.flow.uid',
      5,
      'does not carry flow.uid',
    ],
    [
      oneEvent('{ event: ppp.authentication.failed, fields: { source.port: many } }'),
      'tests.0.fires.0.events.0.fields.source.port',
      5,
      'is a number',
    ],
    [
      oneEvent('{ event: ppp.authentication.failed, fields: { user.name: 5 } }'),
      'tests.0.fires.0.events.0.fields.user.name',
      5,
      'is a text',
    ],
    [
      oneEvent('{ event: ppp.authentication.failed, fields: { user.name: [a] } }'),
      'tests.0.fires.0.events.0.fields.user.name',
      5,
      'is no list',
    ],
    [
      oneEvent('{ event: ppp.authentication.failed, fields: { borescope.lineage: a } }'),
      'tests.0.fires.0.events.0.fields.borescope.lineage',
      5,
      'is a list',
    ],
    [oneEvent('{ event: ppp.authentication.failed, repeat: 100001 }'), 'tests.0.fires.0.events.0.repeat', 5, 'Too big'],
    [
      TESTS.replace('name: five users', 'name: five users\n        capture: a.pcap'),
      'tests.0.fires.0',
      3,
      'either events, or a capture',
    ],
    [
      TESTS.replace(/events:[\s\S]*?entities/, 'capture: a.pcap\n        entities'),
      'tests.0.fires.0',
      3,
      'no capture /nowhere/a.pcap',
    ],
    [
      TESTS.replace('name: two users', 'name: two users\n        entities: [x]'),
      'tests.0.silent.0',
      11,
      'names no entities',
    ],
  ])('%j is refused at %s, line %i: %s', (text, key, line, message) => {
    const { problems } = read(text)
    expect(problems[0]).toMatchObject({ file: 'ppp/many.test.yml', key, line, severity: 'error' })
    expect(problems[0].message).toContain(message)
  })

  it('without a rule beside it must name one', () => {
    expect(read(TESTS, 'other.test.yml')).toMatchObject({ tests: [], problems: [{ key: 'tests.0.rule' }] })
  })
})

describe('folders of tests', () => {
  let folder = ''
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it('are read with their folders, and single files too', () => {
    folder = mkdtempSync(join(tmpdir(), 'rule-tests-'))
    mkdirSync(join(folder, 'ppp'))
    writeFileSync(join(folder, 'ppp', 'many.yml'), `${RULE}---\n${MANY}`)
    writeFileSync(join(folder, 'ppp', 'many.test.yml'), TESTS)
    writeFileSync(join(folder, 'ppp', 'broken.test.yml'), 'tests: 5')
    const set = loadRules(folder)
    const { tests, problems } = loadRuleTests([folder], set)
    expect(tests).toHaveLength(2)
    expect(problems).toMatchObject([{ file: 'ppp/broken.test.yml', line: 1 }])
    const single = join(folder, 'ppp', 'many.yml')
    expect(loadRuleTests([join(folder, 'ppp', 'many.test.yml')], loadRules(single)).tests).toHaveLength(2)
  })
})
