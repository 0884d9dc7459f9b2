/**
 * Makes src/detect/attack-data.json: `node scripts/attack-data.ts <source.json>`.
 *
 * The source is an ATT&CK STIX 2 bundle (`enterprise-attack.json`) or a compact table
 * `{ attack_spec, techniques: { id: { n, t } }, tactics: [{ id, n }], redirects_…: { old: new } }`.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import type { AttackData } from '../src/detect/attack.ts'

const NOTICE =
  '© The MITRE Corporation. This work is reproduced and distributed with the permission of The MITRE Corporation. ' +
  'MITRE ATT&CK and ATT&CK are registered trademarks of The MITRE Corporation. Terms of use: ' +
  'https://attack.mitre.org/resources/legal-and-branding/terms-of-use/'

interface StixObject {
  readonly type: string
  readonly id: string
  readonly name?: string
  readonly revoked?: boolean
  readonly x_mitre_deprecated?: boolean
  readonly x_mitre_shortname?: string
  readonly x_mitre_version?: string
  readonly external_references?: readonly { readonly source_name: string; readonly external_id?: string }[]
  readonly kill_chain_phases?: readonly { readonly kill_chain_name: string; readonly phase_name: string }[]
  readonly relationship_type?: string
  readonly source_ref?: string
  readonly target_ref?: string
}

interface CompactTable {
  readonly attack_spec: string
  readonly techniques: Readonly<Record<string, { readonly n: string; readonly t: readonly string[] }>>
  readonly tactics: readonly { readonly id: string; readonly n: string }[]
}

type Techniques = Record<string, { name: string; tactics: string[] }>
type Tactics = Record<string, { id: string; name: string }>

function fromBundle(objects: readonly StixObject[]): AttackData {
  const techniques: Techniques = {}
  const tactics: Tactics = {}
  const revoked: Record<string, string> = {}
  const idOf = (object: StixObject) =>
    object.external_references?.find(({ source_name }) => source_name === 'mitre-attack')?.external_id ?? ''
  const ids = new Map(objects.map((object) => [object.id, idOf(object)]))
  for (const object of objects) {
    const id = idOf(object)
    if (object.type === 'x-mitre-tactic') tactics[object.x_mitre_shortname ?? ''] = { id, name: object.name ?? '' }
    if (object.type === 'attack-pattern' && !object.revoked && !object.x_mitre_deprecated) {
      const phases = object.kill_chain_phases ?? []
      const shortNames = phases.filter(({ kill_chain_name }) => kill_chain_name === 'mitre-attack')
      techniques[id] = { name: object.name ?? '', tactics: shortNames.map(({ phase_name }) => phase_name) }
    }
    if (object.type === 'relationship' && object.relationship_type === 'revoked-by') {
      const before = ids.get(object.source_ref ?? '') ?? ''
      const after = ids.get(object.target_ref ?? '') ?? ''
      if (before.startsWith('T') && after.startsWith('T')) revoked[before] = after
    }
  }
  const collection = objects.find(({ type }) => type === 'x-mitre-collection')
  const version = `enterprise v${collection?.x_mitre_version ?? 'unknown'}`
  return { notice: NOTICE, version, techniques, tactics, revoked }
}

function fromTable(table: CompactTable): AttackData {
  const techniques: Techniques = {}
  const tactics: Tactics = {}
  const revoked: Record<string, string> = {}
  for (const { id, n } of table.tactics) tactics[n.toLowerCase().replaceAll(' ', '-')] = { id, name: n }
  for (const [key, value] of Object.entries(table)) if (key.startsWith('redirects_')) Object.assign(revoked, value)
  for (const [id, { n, t }] of Object.entries(table.techniques)) {
    if (revoked[id] === undefined) techniques[id] = { name: n, tactics: [...t] }
  }
  return { notice: NOTICE, version: table.attack_spec, techniques, tactics, revoked }
}

function sorted<T>(record: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** One technique a line: small, and a new version of ATT&CK is a readable difference. */
function print(data: AttackData): string {
  const table = (record: Readonly<Record<string, unknown>>) =>
    Object.entries(sorted(record))
      .map(([key, value]) => `    ${JSON.stringify(key)}: ${JSON.stringify(value)}`)
      .join(',\n')
  return `{
  "notice": ${JSON.stringify(data.notice)},
  "version": ${JSON.stringify(data.version)},
  "tactics": {\n${table(data.tactics)}\n  },
  "techniques": {\n${table(data.techniques)}\n  },
  "revoked": {\n${table(data.revoked)}\n  }
}
`
}

const [source] = process.argv.slice(2)
if (source === undefined) {
  process.stderr.write('usage: node scripts/attack-data.ts <enterprise-attack.json or compact table>\n')
  process.exit(2)
}
const input = JSON.parse(readFileSync(source, 'utf8'))
const data = Array.isArray(input.objects) ? fromBundle(input.objects) : fromTable(input)
writeFileSync(new URL('../src/detect/attack-data.json', import.meta.url), print(data))
