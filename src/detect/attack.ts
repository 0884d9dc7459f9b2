/** MITRE ATT&CK (Enterprise): names, tactics and links of techniques, from the shipped table. */
import table from './attack-data.json' with { type: 'json' }

/** The shape of attack-data.json. Techniques that were revoked stand in `revoked` alone, with their successors. */
export interface AttackData {
  readonly notice: string
  readonly version: string
  readonly techniques: Readonly<Record<string, { readonly name: string; readonly tactics: readonly string[] }>>
  /** By short name, as tags have it: `credential-access`. */
  readonly tactics: Readonly<Record<string, { readonly id: string; readonly name: string }>>
  readonly revoked: Readonly<Record<string, string>>
}

const DATA: AttackData = table

/** The major version of ATT&CK whose techniques the table names. */
export const TABLE_VERSION = /v(\d+)/.exec(DATA.version)![1]

/** True for a technique or sub-technique that may be used: `T1110`, `T1110.001`. */
export function isTechnique(id: string): boolean {
  return Object.hasOwn(DATA.techniques, id)
}

/** Undefined if the table has no name for it. */
export function techniqueName(id: string): string | undefined {
  return Object.hasOwn(DATA.techniques, id) ? DATA.techniques[id].name : undefined
}

/** Short names of the tactics that the technique serves. */
export function techniqueTactics(id: string): readonly string[] {
  return Object.hasOwn(DATA.techniques, id) ? DATA.techniques[id].tactics : []
}

/** What took the place of a revoked technique; undefined if `id` is not revoked. */
export function techniqueSuccessor(id: string): string | undefined {
  return Object.hasOwn(DATA.revoked, id) ? DATA.revoked[id] : undefined
}

/** `https://attack.mitre.org/techniques/T1110/001/` */
export function techniqueUrl(id: string): string {
  return `https://attack.mitre.org/techniques/${id.replace('.', '/')}/`
}

/** By short name, as tags have it: `credential-access`. */
export function tactic(shortName: string): { readonly id: string; readonly name: string } | undefined {
  return Object.hasOwn(DATA.tactics, shortName) ? DATA.tactics[shortName] : undefined
}

/**
 * The tactics in the order of an attack, as the matrix has them. Their ids have no order: Defense Impairment came with version 19.
 */
const KILL_CHAIN = [
  'reconnaissance',
  'resource-development',
  'initial-access',
  'execution',
  'persistence',
  'privilege-escalation',
  'stealth',
  'defense-impairment',
  'credential-access',
  'discovery',
  'lateral-movement',
  'collection',
  'command-and-control',
  'exfiltration',
  'impact',
]

/** Where a tactic, by its id, stands in the order of an attack, from 0; unknown ones come last. */
export function tacticRank(id: string): number {
  const rank = KILL_CHAIN.indexOf(tacticShortName(id) ?? '')
  return rank === -1 ? KILL_CHAIN.length : rank
}

/** Version 19 gave TA0005 another name, under which older rules have their tags. */
const FORMER_NAMES: Readonly<Record<string, string>> = { 'defense-evasion': 'stealth' }

/** The short name of a tactic by its id: `TA0006` is `credential-access`. */
export function tacticShortName(id: string): string | undefined {
  return Object.keys(DATA.tactics).find((name) => DATA.tactics[name].id === id)
}

/** Undefined if `tag` is not about ATT&CK; the rest of the tag in the form of the table otherwise. */
export function attackTag(
  tag: string,
): { readonly kind: 'technique' | 'tactic' | 'other'; readonly id: string } | undefined {
  if (!tag.startsWith('attack.')) return undefined
  const rest = tag.slice('attack.'.length)
  if (/^t\d{4}(\.\d{3})?$/i.test(rest)) return { kind: 'technique', id: rest.toUpperCase() }
  // Groups and software: ATT&CK has them, the table does not.
  if (/^[gs]\d{4}$/i.test(rest)) return { kind: 'other', id: rest.toUpperCase() }
  const shortName = rest.replaceAll('_', '-')
  return { kind: 'tactic', id: FORMER_NAMES[shortName] ?? shortName }
}
