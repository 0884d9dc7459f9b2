import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { isTechnique, techniqueTactics } from '../../src/detect/attack.ts'
import { type AttackLayer, attackLayer, ruleUses, type TechniqueUse } from '../../src/detect/attack-layer.ts'
import { readRules } from '../../src/detect/rules.ts'
import { builtinRules } from '../support/replay.ts'

const METADATA = z.strictObject({ name: z.string(), value: z.string() })
const COLOR = z.string().regex(/^#[0-9a-f]{6}$/)

/** Version 4.5 of the layer format, as far as a layer of ours goes: what it has, and nothing that it has not. */
const LAYER = z.strictObject({
  name: z.string().min(1),
  versions: z.strictObject({
    attack: z.string().regex(/^\d+$/).optional(),
    navigator: z.string().regex(/^(4\.9|[5-9]\.\d+)\.\d+$/),
    layer: z.literal('4.5'),
  }),
  domain: z.enum(['enterprise-attack', 'mobile-attack', 'ics-attack']),
  description: z.string(),
  sorting: z.union([z.literal(0), z.literal(1), z.literal(2), z.literal(3)]),
  layout: z.strictObject({
    layout: z.enum(['side', 'flat', 'mini']),
    showID: z.boolean(),
    showName: z.boolean(),
    showAggregateScores: z.boolean(),
    countUnscored: z.boolean(),
    aggregateFunction: z.enum(['average', 'min', 'max', 'sum']),
    expandedSubtechniques: z.enum(['none', 'all', 'annotated']),
  }),
  hideDisabled: z.boolean(),
  techniques: z.array(
    z.strictObject({
      techniqueID: z.string().regex(/^T\d{4}(\.\d{3})?$/),
      tactic: z
        .string()
        .regex(/^[a-z-]+$/)
        .optional(),
      score: z.number(),
      comment: z.string(),
      enabled: z.boolean(),
      links: z.array(z.strictObject({ label: z.string(), url: z.url({ protocol: /^https$/ }) })),
      metadata: z.array(METADATA),
    }),
  ),
  gradient: z
    .strictObject({ colors: z.array(COLOR).min(2), minValue: z.number(), maxValue: z.number() })
    .refine(({ minValue, maxValue }) => maxValue > minValue),
  legendItems: z.array(z.strictObject({ label: z.string(), color: COLOR })),
  metadata: z.array(METADATA),
})

const OPTIONS = { name: 'test', description: 'of a test', unit: 'rule', metadata: [] } as const

function layerOf(...uses: readonly Partial<TechniqueUse>[]): AttackLayer {
  const whole = uses.map((use) => ({ technique: 'T1110', tactics: [], rule: 'a rule', count: 1, ...use }))
  return attackLayer(whole, OPTIONS)
}

function scores(layer: AttackLayer): string[] {
  return layer.techniques.map(({ techniqueID, tactic, score }) => `${techniqueID} ${tactic ?? '*'} ${score}`)
}

describe('a layer of the ATT&CK Navigator', () => {
  it('is in the format, of all rules that are shipped', () => {
    const layer = attackLayer(ruleUses(builtinRules()), { ...OPTIONS, metadata: [{ name: 'rules', value: '1' }] })
    expect(LAYER.safeParse(layer).error).toBeUndefined()
    expect(layer.techniques.length).toBeGreaterThan(20)
    for (const { techniqueID, tactic } of layer.techniques) {
      expect(isTechnique(techniqueID)).toBe(true)
      // Of the successors of revoked techniques the table does not know the tactics.
      const known = techniqueTactics(techniqueID)
      expect(known.length === 0 ? [undefined] : known).toContain(tactic)
    }
    expect(layer.gradient.maxValue).toBe(Math.max(...layer.techniques.map(({ score }) => score)))
  })

  it('is in the format when there is nothing to show', () => {
    const layer = layerOf()
    expect(LAYER.safeParse(layer).error).toBeUndefined()
    expect(layer.techniques).toEqual([])
  })

  it('adds up what rules show, and names them, the most frequent first', () => {
    const layer = attackLayer(
      [
        { technique: 'T1110.001', tactics: ['credential-access'], rule: 'guessing', count: 2 },
        { technique: 'T1110.001', tactics: [], rule: 'another', count: 3 },
        { technique: 'T1110.001', tactics: [], rule: 'guessing', count: 2 },
      ],
      { ...OPTIONS, unit: 'alert' },
    )
    expect(layer.techniques).toEqual([
      {
        techniqueID: 'T1110.001',
        tactic: 'credential-access',
        score: 7,
        comment: '7 alerts\nguessing (4)\nanother (3)',
        enabled: true,
        links: [{ label: 'ATT&CK: Password Guessing', url: 'https://attack.mitre.org/techniques/T1110/001/' }],
        metadata: [],
      },
    ])
    expect(layer.gradient).toMatchObject({ minValue: 0, maxValue: 7 })
    expect(layer.legendItems.at(-1)?.label).toBe('7 alerts')
  })

  it('names twenty rules of a technique and counts the others', () => {
    const layer = layerOf(...Array.from({ length: 23 }, (_, i) => ({ rule: `rule ${i}` })))
    const lines = layer.techniques[0].comment.split('\n')
    expect(lines).toHaveLength(22)
    expect(lines[0]).toBe('23 rules')
    expect(lines.at(-1)).toBe('and 3 more rules')
  })

  it('shows a technique under the tactics that were tagged, or under all that it serves', () => {
    expect(techniqueTactics('T1078').length).toBeGreaterThan(2)
    expect(scores(layerOf({ technique: 'T1078', tactics: ['initial-access', 'impact'] }))).toEqual([
      'T1078 initial-access 1',
    ])
    expect(scores(layerOf({ technique: 'T1078', tactics: ['impact'] }))).toEqual(
      [...techniqueTactics('T1078')].sort().map((tactic) => `T1078 ${tactic} 1`),
    )
  })

  it('counts what was revoked for its successor', () => {
    const layer = layerOf({ technique: 'T1562.004' }, { technique: 'T1686' })
    expect(scores(layer)).toEqual(['T1686 defense-impairment 2'])
    expect(layer.techniques[0].metadata).toEqual([{ name: 'tagged as', value: 'T1562.004' }])
    expect(layer.versions).toEqual({ attack: '19', navigator: '5.2.0', layer: '4.5' })
    expect(LAYER.safeParse(layer).error).toBeUndefined()
  })

  it('says which techniques ATT&CK does not have', () => {
    const layer = layerOf({ technique: 'T9999' }, { technique: 'T1110' })
    expect(scores(layer)).toEqual(['T1110 credential-access 1'])
    expect(layer.metadata).toContainEqual({ name: 'not in ATT&CK', value: 'T9999' })
  })

  it('takes techniques and tactics of a rule from its tags, each once', () => {
    const text = [
      'title: Guessing',
      'id: 5c9c3a1e-2a4f-4b7e-9a58-0f6c1a1d2b3c',
      'level: low',
      'logsource: { product: borescope }',
      'detection: { a: { event.action: ppp.authentication.failed }, condition: a }',
      'tags: [attack.credential-access, attack.t1110, attack.T1110.001, attack.t1110, attack.g0016, cve.2026-1]',
    ].join('\n')
    const set = readRules([{ file: 'guessing.yml', text }])
    expect(set.problems.filter(({ severity }) => severity === 'error')).toEqual([])
    expect(ruleUses(set)).toEqual([
      { technique: 'T1110', tactics: ['credential-access'], rule: 'Guessing', count: 1 },
      { technique: 'T1110.001', tactics: ['credential-access'], rule: 'Guessing', count: 1 },
    ])
  })
})
