/** `borescope rules …` from outside: output and exit codes. */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const ROOT = resolve(import.meta.dirname, '../..')
const RULE = 'Password guessing against one VPN account'

let scratch: string
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'borescope-rules-'))
  cpSync(join(ROOT, 'rules/login'), join(scratch, 'login'), { recursive: true })
  const { code } = borescope('replay', '--quiet', join(ROOT, 'pcaps/l2tp-bruteforce-mschapv2.pcap'))
  expect(code).toBe(0)
})
afterAll(() => rmSync(scratch, { recursive: true }))

function borescope(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(join(ROOT, 'bin/borescope'), args, {
    cwd: scratch,
    env: { PATH: process.env['PATH'], HOME: scratch },
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  })
  return { code: status, stdout, stderr }
}

function changed(file: string, from: string | RegExp, to: string): string {
  const path = join(scratch, file.replaceAll('/', '-'))
  writeFileSync(path, readFileSync(join(ROOT, 'rules', file), 'utf8').replace(from, to))
  return path
}

describe('rules export', () => {
  test('writes rules for Kibana, questions in ES|QL, and Sigma; what is left out is told with its reason', () => {
    const kibana = borescope('rules', 'export', '-o', 'kibana.ndjson')
    const lines = readFileSync(join(scratch, 'kibana.ndjson'), 'utf8').trimEnd().split('\n')
    expect(kibana.stderr).toContain(`${lines.length} rules exported, 5 rules left out\n`)
    expect(kibana.stderr).toMatch(
      /^left out: SSH login succeeded .*: it counts what .* finds, which is a correlation itself$/m,
    )
    for (const line of lines) expect(JSON.parse(line)).toHaveProperty('rule_id')
    const esql = borescope('rules', 'export', '--format', 'esql', join(ROOT, 'rules/login/password-guessing.yml'))
    expect(esql.stdout).toMatch(
      /^\/\/ Password guessing against one VPN account \([0-9a-f-]{36}\), ES\|QL\nFROM logs-borescope/,
    )
    expect(esql.stderr).toBe('1 rule exported, 0 rules left out\n')
    expect(borescope('rules', 'export', '-o', '-').stdout).toBe(borescope('rules', 'export').stdout)
    const sigma = borescope('rules', 'export', '--format', 'sigma', '-o', 'all.yml')
    expect(sigma.code).toBe(0)
    const check = borescope('rules', 'check', 'all.yml')
    expect({ code: check.code, stdout: check.stdout.split('\n').at(-2) }).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^\d+ rules fine, 0 problems$/),
    })
    expect(borescope('rules', 'export', '--strict', '-o', 'x').code).toBe(1)
  })
})

describe('rules test', () => {
  test('puts every shipped rule to its tests: each fires, and each is silent', () => {
    const { code, stdout, stderr } = borescope('rules', 'test', '--complete', '--json')
    const { tests, untested, errors } = JSON.parse(stdout) as Record<string, unknown[]>
    expect({ failed: tests.filter((one) => !(one as { passed: boolean }).passed), untested, errors }).toEqual({
      failed: [],
      untested: [],
      errors: [],
    })
    expect(tests.length).toBeGreaterThan(200)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  }, 60_000)

  test('names what fails, with its line, and exits with 1', () => {
    cpSync(join(ROOT, 'rules/login/password-guessing.yml'), join(scratch, 'changed.yml'))
    const tests = readFileSync(join(ROOT, 'rules/login/password-guessing.test.yml'), 'utf8')
    writeFileSync(
      join(scratch, 'changed.test.yml'),
      tests.replace('repeat: 9', 'repeat: 90').replace(/ {6}- name: recorded[\s\S]*?silent/, '    silent'),
    )
    const { code, stdout, stderr } = borescope('rules', 'test', 'changed.test.yml')
    expect(code).toBe(1)
    expect(stdout).toMatch(
      /^FAILED +Password guessing against one VPN account +nine times +silent +198\.51\.100\.7, carol +changed\.test\.yml:\d+$/m,
    )
    expect(stderr).toMatch(/^\d+ tests passed, 1 failed\n$/)
  })

  test('runs those of one rule', () => {
    const { code, stdout } = borescope('rules', 'test', 'login', '--rule', RULE, '--json')
    expect(code).toBe(2) // The captures are not beside the copy.
    const { tests, errors } = JSON.parse(stdout) as { tests: { rule: string }[]; errors: { message: string }[] }
    expect(new Set(tests.map(({ rule }) => rule))).toEqual(new Set([RULE]))
    expect(errors.every(({ message }) => message.includes('there is no capture'))).toBe(true)
  })

  test('says which rule is meant', () => {
    const { code, stderr } = borescope('rules', 'test', '--rule', 'password guessing against one')
    expect(code).toBe(2)
    expect(stderr).toMatch(/did you mean .*Password guessing against one VPN account/)
  })
})

describe('rules lint', () => {
  test('finds nothing in the shipped rules', () => {
    expect(borescope('rules', 'lint')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('0 problems, 0 findings'),
    })
  })

  test('tells findings, and exits with 1', () => {
    const path = changed('login/account-state.yml', /references:\n( {2}- .*\n)+/, '')
    const { code, stdout } = borescope('rules', 'lint', path)
    expect(code).toBe(1)
    expect(stdout).toMatch(/^login-account-state\.yml:\d+: references: references: expected a reference$/m)
    expect(borescope('rules', 'lint', path, '--skip', 'references').code).toBe(0)
    expect(borescope('rules', 'lint', path, '--skip', 'nothing').code).toBe(2)
  })
})

describe('rules backtest', () => {
  test('shows what would have fired, by day, and stores nothing', () => {
    const before = borescope('query', '--count').stdout
    const { code, stdout, stderr } = borescope('rules', 'backtest', RULE)
    expect(code).toBe(0)
    expect(stdout).toMatch(
      /^2026-11-23 15:\d\d:\d\d +high +Password guessing against one VPN account +10\.99\.0\.66, alice +10$/m,
    )
    expect(stdout).toMatch(/^2026-11-23 +high +Password guessing against one VPN account +1 +10$/m)
    expect(stderr).toMatch(/^1 alert about \d+ events\n$/)
    expect(borescope('query', '--count').stdout).toBe(before)
  })

  test('tries a changed rule in the place of the configured one', () => {
    const path = changed('login/password-guessing.yml', 'gte: 10', 'gte: 15')
    const { code, stdout } = borescope('rules', 'backtest', path, '--json')
    expect(code).toBe(0)
    const { alerts, days } = JSON.parse(stdout) as { alerts: number; days: { rule: string; events: number }[] }
    expect({ alerts, days: days.map(({ rule, events }) => [rule, events]) }).toEqual({ alerts: 1, days: [[RULE, 15]] })
  })

  test('looks at the time, and the events, that are asked for', () => {
    expect(borescope('rules', 'backtest', '--since', '7d', '--until', '2026-01-01').stderr).toBe(
      '0 alerts about 0 events\n',
    )
    const { stderr } = borescope('rules', 'backtest', '--kql', 'event.action: l2tp.*')
    expect(stderr).toMatch(/^2 alerts about/)
  })

  test('refuses a rule that is wrong', () => {
    const path = changed('login/password-guessing.yml', 'gte: 10', 'gte: ten')
    const { code, stderr } = borescope('rules', 'backtest', path)
    expect(code).toBe(2)
    expect(stderr).toMatch(/login-password-guessing\.yml:\d+: error: correlation\.condition\.gte: expected a number/)
  })
})

describe('rules coverage', () => {
  test('counts the rules of each group for each technique', () => {
    const { code, stdout } = borescope('rules', 'coverage')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^technique +name +tactics +access +behaviour +/)
    const rows = JSON.parse(borescope('rules', 'coverage', '--json').stdout) as {
      technique: string
      groups: Record<string, string[]>
    }[]
    expect(rows.find(({ technique }) => technique === 'T1110.001')?.groups['login']).toContain(RULE)
  })
})

describe('rules', () => {
  test('take exceptions from filter files in the folders of the configuration', () => {
    const folder = mkdtempSync(join(scratch, 'own-'))
    writeFileSync(
      join(folder, 'scanner.yml'),
      `title: Our own tests
id: 0a1d7f53-39f5-4a3c-9be5-4c1c64c1c0de
logsource: { product: borescope }
filter:
  rules: [ppp_login_refused]
  selection: { source.ip: 10.99.0.66 }
  condition: not selection
`,
    )
    writeFileSync(join(scratch, 'with-filter.yaml'), `detect: { rules: [${folder}] }\n`)
    const { code, stderr, stdout } = borescope('-c', 'with-filter.yaml', 'rules', 'backtest', RULE)
    expect({ code, stdout, stderr }).toMatchObject({ code: 0, stdout: '', stderr: expect.stringMatching(/^0 alerts/) })
  })

  test('may build on the configured ones, and except from them', () => {
    const folder = mkdtempSync(join(scratch, 'build-'))
    writeFileSync(
      join(folder, 'many.yml'),
      `title: Two logins refused
id: 0a1d7f53-39f5-4a3c-9be5-4c1c64c1c0df
correlation:
  type: event_count
  rules: [ppp_login_refused]
  group-by: [source.ip]
  timespan: 1m
  condition: { gte: 2 }
level: low
---
title: Not alice
id: 0a1d7f53-39f5-4a3c-9be5-4c1c64c1c0de
logsource: { product: borescope }
filter:
  rules: [ppp_login_refused]
  selection: { user.name: alice }
  condition: not selection
`,
    )
    expect(borescope('rules', 'check', folder)).toMatchObject({ code: 0, stdout: '2 rules fine, 0 problems\n' })
    expect(borescope('rules', 'backtest', folder).stderr).toMatch(/^0 alerts about/)
    writeFileSync(join(folder, 'wrong.yml'), 'title: x\n')
    expect(borescope('rules', 'check', folder)).toMatchObject({
      code: 2,
      stdout: expect.stringMatching(/^wrong\.yml:1: error/),
    })
  })

  test('that are not there are no folder', () => {
    for (const command of ['check', 'lint', 'test', 'coverage']) {
      expect(borescope('rules', command, 'nowhere')).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('nowhere'),
      })
    }
  })
})
