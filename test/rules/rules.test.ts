import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { attackTag, isTechnique, techniqueTactics } from '../../src/detect/attack.ts'
import { lintRules } from '../../src/detect/lint.ts'
import { carriedBy, loadRuleTests } from '../../src/detect/rule-tests.ts'
import { raisesAlerts } from '../../src/detect/rules.ts'
import { fieldsOf } from '../../src/detect/sigma/compile.ts'
import type { Detection, SigmaHeader, SigmaRule } from '../../src/detect/sigma/parse.ts'
import { CATALOGUE, type EventName } from '../../src/events/catalogue.ts'
import { eventsOfFile } from '../support/sensor.ts'
import { alertsOf, RULES, RULES_FOLDER } from './events.ts'

const ALL: readonly SigmaHeader[] = [...RULES.rules, ...RULES.correlations]
const ALERTING = raisesAlerts(RULES)
const TESTS = loadRuleTests([RULES_FOLDER], RULES)

function named(rule: SigmaRule): readonly EventName[] {
  const names: string[] = []
  const visit = (detection: Detection): void => {
    if (detection.kind !== 'item') for (const part of detection.parts) visit(part)
    else if (detection.item.field === 'event.action') names.push(...detection.item.values.map(String))
  }
  for (const detection of rule.detections.values()) visit(detection)
  return names as EventName[]
}

describe('the shipped rules', () => {
  it('load without a problem', () => {
    expect(RULES.problems).toEqual([])
    expect(ALL.length).toBeGreaterThan(0)
  })

  it.each(ALL.map((rule) => [`${rule.file}: ${rule.title}`, rule] as const))(
    '%s says all that an analyst needs',
    (_, rule) => {
      expect(rule.description?.length).toBeGreaterThan(ALERTING.includes(rule) ? 150 : 20)
      expect(rule.status).toBe('stable')
      expect(rule.author).toBe('Borescope')
      expect(rule.level).toBeDefined()
      expect(rule.falsepositives.length).toBeGreaterThan(0)
      expect(rule.references.every((reference) => reference.startsWith('https://'))).toBe(true)
      expect(rule.references.length).toBeGreaterThan(0)
      if (ALERTING.includes(rule)) expect(rule.tags.some((tag) => /^attack\.t\d/.test(tag))).toBe(true)
      for (const tag of rule.tags) {
        if (/^attack\.t\d/.test(tag)) expect(isTechnique(tag.slice('attack.'.length).toUpperCase()), tag).toBe(true)
      }
    },
  )

  it.each(RULES.rules.map((rule) => [rule.title, rule] as const))(
    '"%s" reads only what its events carry',
    (_, rule) => {
      const names = named(rule)
      expect(names.length).toBeGreaterThan(0)
      for (const name of names) expect(Object.hasOwn(CATALOGUE, name), name).toBe(true)
      for (const { field } of fieldsOf(rule))
        expect(
          names.some((name) => carriedBy(name).has(field)),
          field,
        ).toBe(true)
      const policy = rule.custom['borescope'] as { entity: string[] } | undefined
      for (const field of policy?.entity ?? [])
        expect(
          names.some((name) => carriedBy(name).has(field)),
          field,
        ).toBe(true)
    },
  )

  it('tag only tactics that one of their techniques serves', () => {
    const wrong = ALL.flatMap(({ file, tags }) => {
      const parsed = tags.map(attackTag).filter((tag) => tag !== undefined)
      const served = new Set(
        parsed.filter(({ kind }) => kind === 'technique').flatMap(({ id }) => techniqueTactics(id)),
      )
      return parsed.filter(({ kind, id }) => kind === 'tactic' && !served.has(id)).map(({ id }) => `${file}: ${id}`)
    })
    expect(wrong).toEqual([])
  })

  it('have nothing that a linter could find', () => {
    expect(lintRules(RULES)).toEqual([])
  })

  it('about posture are never above low', () => {
    const posture = ALERTING.filter(({ file }) => file.startsWith('posture/'))
    expect(posture.length).toBeGreaterThan(0)
    for (const { level, title } of posture) expect(['informational', 'low'], title).toContain(level)
  })

  it('have titles that no two share', () => {
    const titles = ALL.map(({ title }) => title)
    expect(titles.filter((title, index) => titles.indexOf(title) !== index)).toEqual([])
  })

  it('stand in the README with their level', () => {
    const readme = readFileSync(join(RULES_FOLDER, 'README.md'), 'utf8')
    for (const { title, file, level } of ALERTING) expect(readme).toContain(`| [${title}](${file}) | ${level} |`)
  })

  it('have a test on which they fire, and one that comes near, beside them', () => {
    expect(TESTS.problems).toEqual([])
    const tested = (isHit: boolean) =>
      new Set(TESTS.tests.filter(({ fires }) => fires === isHit).map(({ rule }) => rule))
    const [hits, misses] = [tested(true), tested(false)]
    expect(ALERTING.filter((rule) => !hits.has(rule) || !misses.has(rule)).map(({ title }) => title)).toEqual([])
  })
})

describe.each(ALERTING.map((rule) => [rule.title, rule] as const))('%s', (_, rule) => {
  const tests = TESTS.tests.filter((test) => test.rule === rule)

  it.each(tests.map((test) => [test.fires ? 'fires' : 'is silent', test.name, test] as const))(
    '%s: %s',
    async (_, __, test) => {
      const events = test.events ?? (await eventsOfFile(test.captures[0]))
      const about = alertsOf(events).filter((alert) => alert['rule.id'] === rule.id)
      expect(events.length).toBeGreaterThan(0)
      expect(test.captures.length).toBeLessThan(2)
      const entities = about.map((alert) => alert['alert.entity'])
      if (test.fires) expect(entities).toEqual(test.entities ?? entities.slice(0, 1))
      else expect(entities).toEqual([])
      for (const alert of about) {
        expect(alert['rule.level']).toBe(rule.level)
        expect(alert['alert.evidence']?.length).toBeGreaterThan(0)
      }
    },
  )
})
