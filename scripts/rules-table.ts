/**
 * Writes what follows from the rules and their tests: the table in rules/README.md, and docs/detection-coverage.md.
 *
 *     node scripts/rules-table.ts
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { loadRuleTests } from '../src/detect/rule-tests.ts'
import { loadRules } from '../src/detect/rules.ts'
import type { Detection, SigmaCorrelation, SigmaRule } from '../src/detect/sigma/parse.ts'
import { CAPTURES, HAS_CAPTURES } from '../test/rules/captures.ts'
import { figuresText, measure } from '../test/rules/figures.ts'

const FOLDER = join(import.meta.dirname, '../rules')
const LEVELS = ['critical', 'high', 'medium', 'low', 'informational']
const SIGNS = { gt: '>', gte: '≥', lt: '<', lte: '≤', eq: '=', neq: '≠' } as const
const SPANS: readonly (readonly [number, string])[] = [
  [86_400, 'd'],
  [3600, 'h'],
  [60, 'min'],
  [1, 's'],
]

const set = loadRules(FOLDER)
const byName = new Map([...set.rules, ...set.correlations].flatMap((rule) => (rule.name ? [[rule.name, rule]] : [])))
const silent = new Set(set.correlations.filter(({ generate }) => !generate).flatMap(({ rules }) => rules))
const generating = new Set(set.correlations.filter(({ generate }) => generate).flatMap(({ rules }) => rules))

const alerting = [...set.rules, ...set.correlations]
  .filter(({ name }) => name === undefined || !silent.has(name) || generating.has(name))
  .sort(
    (a, b) =>
      compare(a.file.split('/')[0], b.file.split('/')[0]) ||
      LEVELS.indexOf(a.level ?? '') - LEVELS.indexOf(b.level ?? '') ||
      compare(a.title, b.title),
  )
const rows = alerting.map((rule) => {
  const events = [...new Set(eventsOf(rule))].map((name) => `\`${name}\``)
  const cells = [`[${rule.title}](${rule.file})`, rule.level, techniquesOf(rule), events.join(' '), when(rule)]
  return `| ${cells.join(' | ')} |`
})

const path = join(FOLDER, 'README.md')
const table = ['| Rule | Level | ATT&CK | Events | When |', '| --- | --- | --- | --- | --- |', ...rows].join('\n')
const readme = readFileSync(path, 'utf8')
writeFileSync(
  path,
  readme.replace(/<!-- rules -->[\s\S]*<!-- \/rules -->/, () => `<!-- rules -->\n${table}\n<!-- /rules -->`),
)

const { tests } = loadRuleTests([FOLDER], set)
const coverage = alerting.map((rule) => {
  const own = tests.filter((test) => test.rule === rule)
  const captures = own
    .filter(({ fires }) => fires)
    .flatMap((test) => test.captures.map((path) => `\`${basename(path)}\``))
  const [hits, misses] = [true, false].map((fires) => own.filter((test) => test.fires === fires).length)
  const cells = [
    `[${rule.title}](../rules/${rule.file})`,
    rule.level,
    techniquesOf(rule),
    hits,
    misses,
    captures.join(' '),
  ]
  return `| ${cells.join(' | ')} |`
})
const coveragePath = join(import.meta.dirname, '../docs/detection-coverage.md')
const FIGURES = /<!-- figures -->\n([\s\S]*)\n<!-- \/figures -->/
const known = FIGURES.exec(readFileSync(coveragePath, 'utf8'))?.[1] ?? ''
if (!HAS_CAPTURES) process.stderr.write(`No captures at ${CAPTURES}: the figures stay as they were.\n`)
const figures = HAS_CAPTURES ? figuresText(await measure()) : known

const techniques = new Set(alerting.flatMap((rule) => techniquesOf(rule).split(' ')).filter((id) => id !== ''))
const lines = [
  '# What is detected, and how that is tested',
  '',
  `${alerting.length} rules that raise alerts, for ${techniques.size} techniques and sub-techniques of MITRE ATT&CK. Hits are tests on which a rule fires, misses`,
  'are near ones on which it is silent; where a hit is a recorded capture, it is named. `borescope rules test` runs them all.',
  'This file is made from the rules, their tests and recorded captures (`npm run docs`).',
  '',
  '## Figures',
  '',
  '<!-- figures -->',
  figures,
  '<!-- /figures -->',
  '',
  '## Rules',
  '',
  '| Rule | Level | ATT&CK | Hits | Misses | Captures |',
  '| --- | --- | --- | --- | --- | --- |',
  ...coverage,
  '',
]
writeFileSync(coveragePath, lines.join('\n'))

function techniquesOf({ tags }: SigmaRule | SigmaCorrelation): string {
  return tags
    .filter((tag) => /^attack\.t\d/.test(tag))
    .map((tag) => tag.slice(7).toUpperCase())
    .join(' ')
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function eventsOf(rule: SigmaRule | SigmaCorrelation): string[] {
  if ('rules' in rule) {
    return rule.rules.flatMap((name) => {
      const part = byName.get(name)
      return part === undefined ? [] : eventsOf(part)
    })
  }
  const names: string[] = []
  const visit = (detection: Detection): void => {
    if (detection.kind !== 'item') for (const part of detection.parts) visit(part)
    else if (detection.item.field === 'event.action') names.push(...detection.item.values.map(String))
  }
  for (const detection of rule.detections.values()) visit(detection)
  return names
}

function when(rule: SigmaRule | SigmaCorrelation): string {
  if (!('rules' in rule)) return 'one event'
  return `${what(rule)} in ${span(rule.timespanUs)} by ${rule.groupBy.map((field) => `\`${field}\``).join(', ')}`
}

function what({ type, criteria, fields }: SigmaCorrelation): string {
  if (type === 'temporal') return 'together,'
  if (type === 'temporal_ordered') return 'in this order,'
  const bounds = criteria.map(({ comparison, value }) => `${SIGNS[comparison]} ${value}`).join(' and ')
  const names = fields.map((field) => `\`${field}\``).join(', ')
  if (type === 'event_count') return bounds
  return type === 'value_count' ? `${bounds} values of ${names}` : `${type.slice(6)} of ${names} ${bounds}`
}

function span(timespanUs: number): string {
  const seconds = timespanUs / 1e6
  const [size, unit] = SPANS.find(([length]) => seconds % length === 0) ?? [1, 's']
  return `${seconds / size} ${unit}`
}
