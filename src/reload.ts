/** What of a configuration may change while the sensor runs, and what waits for a restart. */
import type { Config } from './config-schema.ts'

/** Read again at a reload: sections, and keys of sections. */
const RELOADED: ReadonlySet<string> = new Set([
  'detect.rules',
  'detect.builtin',
  'enrich',
  'intel',
  'alerts',
  'dashboards',
  'secrets.espKeys',
  'service.logLevel',
])

/** The keys that differ and are not read again, as `store.path`. Never their values: there are secrets among them. */
export function keysForRestart(running: Config, wanted: Config): string[] {
  return differing(running, wanted, '')
}

function differing(before: unknown, after: unknown, path: string): string[] {
  if (RELOADED.has(path) || JSON.stringify(before) === JSON.stringify(after)) return []
  if (!isSection(before) || !isSection(after)) return [path]
  const names = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...names].flatMap((name) => differing(before[name], after[name], path === '' ? name : `${path}.${name}`))
}

function isSection(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
