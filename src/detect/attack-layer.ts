/**
 * Layers for the MITRE ATT&CK Navigator: which techniques rules look for, or alerts have shown. The format is version 4.5 of
 * the layer file format (attack-navigator, layers/spec/v4.5/layerformat.md).
 */
import {
  attackTag,
  isTechnique,
  TABLE_VERSION,
  techniqueName,
  techniqueSuccessor,
  techniqueTactics,
  techniqueUrl,
} from './attack.ts'
import type { RuleSet } from './rules.ts'

/** That a rule looks for a technique, or has shown it. */
export interface TechniqueUse {
  /** As it was tagged: `T1110.001`. What was revoked since counts for its successor. */
  readonly technique: string
  /** Short names of the tactics that were tagged beside it; those that the technique does not serve are ignored. */
  readonly tactics: readonly string[]
  readonly rule: string
  readonly count: number
}

export interface LayerTechnique {
  readonly techniqueID: string
  /** Absent for every tactic of the technique. */
  readonly tactic?: string
  readonly score: number
  readonly comment: string
  readonly enabled: true
  readonly links: readonly { readonly label: string; readonly url: string }[]
  readonly metadata: readonly LayerMetadata[]
}

interface LayerMetadata {
  readonly name: string
  readonly value: string
}

export interface AttackLayer {
  readonly name: string
  readonly versions: { readonly attack: string; readonly navigator: string; readonly layer: '4.5' }
  readonly domain: 'enterprise-attack'
  readonly description: string
  readonly sorting: 3
  readonly layout: {
    readonly layout: 'side'
    readonly showID: true
    readonly showName: true
    readonly showAggregateScores: true
    readonly countUnscored: false
    readonly aggregateFunction: 'sum'
    readonly expandedSubtechniques: 'annotated'
  }
  readonly hideDisabled: false
  readonly techniques: readonly LayerTechnique[]
  readonly gradient: { readonly colors: readonly string[]; readonly minValue: number; readonly maxValue: number }
  readonly legendItems: readonly { readonly label: string; readonly color: string }[]
  readonly metadata: readonly LayerMetadata[]
}

export interface LayerOptions {
  readonly name: string
  readonly description: string
  /** What a score counts, in the singular. */
  readonly unit: 'rule' | 'alert'
  /** Told beside what the layer says itself. */
  readonly metadata: readonly LayerMetadata[]
}

/** The Navigator of the time of the table; any from 4.9 on reads version 4.5. */
const NAVIGATOR = '5.2.0'
const COLORS = ['#fff7bc', '#fec44f', '#d95f0e'] as const
/** Rules that a comment names. */
const NAMES_MAX = 20

/** What the rules of a set look for, by their tags. */
export function ruleUses(set: Pick<RuleSet, 'rules' | 'correlations'>): TechniqueUse[] {
  return [...set.rules, ...set.correlations].flatMap(({ title, tags }) => {
    const parsed = tags.map(attackTag).filter((tag) => tag !== undefined)
    const tactics = parsed.filter(({ kind }) => kind === 'tactic').map(({ id }) => id)
    const given = parsed.filter(({ kind }) => kind === 'technique').map(({ id }) => id)
    // A rule that names a technique and what took its place looks for one.
    const techniques = new Map(given.map((id) => [techniqueSuccessor(id) ?? id, id]))
    return [...techniques.values()].map((technique) => ({ technique, tactics, rule: title, count: 1 }))
  })
}

interface Cell {
  readonly technique: string
  readonly tactic: string | undefined
  /** How often each rule used it. */
  readonly rules: Map<string, number>
  /** What the technique was called where it was tagged, if it was revoked since. */
  readonly formerly: Set<string>
}

export function attackLayer(uses: Iterable<TechniqueUse>, options: LayerOptions): AttackLayer {
  const cells = new Map<string, Cell>()
  const unknown = new Set<string>()
  for (const { technique: tagged, tactics, rule, count } of uses) {
    const technique = techniqueSuccessor(tagged) ?? tagged
    if (!isTechnique(technique)) {
      unknown.add(tagged)
      continue
    }
    for (const tactic of placesOf(technique, tactics)) {
      const key = `${technique} ${tactic ?? ''}`
      const cell = cells.get(key) ?? { technique, tactic, rules: new Map(), formerly: new Set() }
      cells.set(key, cell)
      cell.rules.set(rule, (cell.rules.get(rule) ?? 0) + count)
      if (technique !== tagged) cell.formerly.add(tagged)
    }
  }
  const techniques = [...cells.values()].sort(byTechnique).map((cell) => layerTechnique(cell, options.unit))
  const most = Math.max(1, ...techniques.map(({ score }) => score))
  const { name, description, unit, metadata } = options
  return {
    name,
    versions: {
      attack: TABLE_VERSION,
      navigator: NAVIGATOR,
      layer: '4.5',
    },
    domain: 'enterprise-attack',
    description,
    sorting: 3,
    layout: {
      layout: 'side',
      showID: true,
      showName: true,
      showAggregateScores: true,
      countUnscored: false,
      aggregateFunction: 'sum',
      expandedSubtechniques: 'annotated',
    },
    hideDisabled: false,
    techniques,
    gradient: { colors: COLORS, minValue: 0, maxValue: most },
    legendItems: [
      { label: `no ${unit}`, color: COLORS[0] },
      { label: counted(most, unit), color: COLORS[COLORS.length - 1] },
    ],
    metadata: [
      ...metadata,
      { name: 'techniques', value: String(new Set(techniques.map(({ techniqueID }) => techniqueID)).size) },
      ...(unknown.size === 0 ? [] : [{ name: 'not in ATT&CK', value: [...unknown].sort().join(' ') }]),
    ],
  }
}

/** The tactics under which a use shows: those tagged, if the technique serves them, else all that it serves. */
function placesOf(technique: string, tagged: readonly string[]): readonly (string | undefined)[] {
  const served = techniqueTactics(technique)
  const both = served.filter((tactic) => tagged.includes(tactic))
  if (both.length > 0) return both
  return served.length > 0 ? served : [undefined]
}

function byTechnique(a: Cell, b: Cell): number {
  if (a.technique !== b.technique) return a.technique < b.technique ? -1 : 1
  return (a.tactic ?? '') < (b.tactic ?? '') ? -1 : 1
}

function layerTechnique({ technique, tactic, rules, formerly }: Cell, unit: LayerOptions['unit']): LayerTechnique {
  const byCount = [...rules].sort(([nameA, a], [nameB, b]) => b - a || (nameA < nameB ? -1 : 1))
  const score = byCount.reduce((sum, [, count]) => sum + count, 0)
  const named = byCount.slice(0, NAMES_MAX).map(([name, count]) => (unit === 'rule' ? name : `${name} (${count})`))
  const more = byCount.length - named.length
  return {
    techniqueID: technique,
    ...(tactic === undefined ? {} : { tactic }),
    score,
    comment: [counted(score, unit), ...named, ...(more > 0 ? [`and ${counted(more, 'more rule')}`] : [])].join('\n'),
    enabled: true,
    links: [{ label: `ATT&CK: ${techniqueName(technique) ?? technique}`, url: techniqueUrl(technique) }],
    metadata: formerly.size === 0 ? [] : [{ name: 'tagged as', value: [...formerly].sort().join(' ') }],
  }
}

function counted(count: number, singular: string): string {
  return `${count} ${singular}${count === 1 ? '' : 's'}`
}
