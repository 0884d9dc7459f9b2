/** The figures of docs/detection-coverage.md are those that the rules have: `node scripts/rules-table.ts` writes them. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { raisesAlerts } from '../../src/detect/rules.ts'
import { CAPTURES, HAS_CAPTURES } from './captures.ts'
import { RULES } from './events.ts'
import { type Figures, figuresText, measure } from './figures.ts'
import { groupOf } from './groups.ts'

if (!HAS_CAPTURES) {
  process.stderr.write(
    `\nSKIPPED test/rules/figures.test.ts: no captures at ${CAPTURES}; set BORESCOPE_CAPTURES to a folder of them\n\n`,
  )
}

it('every rule is of a group of threats, or about the sensor', () => {
  const rules = [...RULES.rules, ...RULES.correlations]
  expect(rules.filter((rule) => groupOf(rule) === undefined).map(({ file }) => file)).toEqual([])
  expect(new Set(rules.filter((rule) => groupOf(rule) === null).map(({ file }) => file.split('/')[0]))).toEqual(
    new Set(['sensor']),
  )
})

describe.skipIf(!HAS_CAPTURES)('the figures', () => {
  let figures: Figures

  it('are those of the document', async () => {
    figures = await measure()
    const text = readFileSync(join(import.meta.dirname, '../../docs/detection-coverage.md'), 'utf8')
    expect(/<!-- figures -->\n([\s\S]*)\n<!-- \/figures -->/.exec(text)?.[1]).toBe(figuresText(figures))
  }, 120_000)

  it('are of all rules that raise alerts', () => {
    const grouped = Object.values(figures.groups).reduce((sum, { rules }) => sum + rules, 0)
    expect(grouped + figures.sensorRules).toBe(raisesAlerts(RULES).length)
    expect(figuresText(figures)).toContain(`${grouped} are about threats; 1 is about the sensor itself`)
  })

  it('hold no false alert, and none that is missed', () => {
    const groups = Object.values(figures.groups)
    const parts = groups.flatMap((group) => [group.lab, group.public, group.streams])
    expect(parts.reduce((sum, { unexpected }) => sum + unexpected, 0)).toBe(0)
    expect(parts.reduce((sum, { expected, found }) => sum + expected - found, 0)).toBe(0)
    for (const { streams } of groups) expect(streams.expected).toBeGreaterThan(0)
  })
})
