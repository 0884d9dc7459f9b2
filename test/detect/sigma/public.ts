/** SigmaHQ's rules and events, where they are at hand: beside the checkout, or where BORESCOPE_SIGMA says. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SigmaLogSource } from '../../../src/detect/sigma/parse.ts'
import type { Plain } from './support.ts'

const folder = process.env['BORESCOPE_SIGMA'] ?? join(import.meta.dirname, '../../../../shared/sigma')
export const PUBLIC = { folder, present: existsSync(join(folder, 'rules')) }

interface WindowsEvent {
  readonly System: {
    readonly EventID: unknown
    readonly Channel: unknown
    readonly Provider: { readonly '#attributes': { readonly Name: unknown } }
  }
  readonly EventData?: Plain | null
  readonly UserData?: Readonly<Record<string, Plain>> | null
}

/** A file holds one event or several, one after the other. */
export function readEvents(name: string): Plain[] {
  return readFileSync(join(folder, 'events', name), 'utf8')
    .split(/^(?=\{)/m)
    .map((text) => {
      const { System, EventData, UserData } = (JSON.parse(text) as { Event: WindowsEvent }).Event
      const provider = System.Provider['#attributes'].Name
      const payload = Object.assign({}, EventData, ...Object.values(UserData ?? {}))
      return { ...payload, EventID: System.EventID, Channel: System.Channel, Provider_Name: provider }
    })
}

/** Of Sysmon's events the categories, of the other channels the services. */
const SYSMON: Readonly<Record<string, readonly string[]>> = {
  1: ['process_creation'],
  7: ['image_load'],
  10: ['process_access'],
  11: ['file_event'],
  12: ['registry_event', 'registry_add', 'registry_delete'],
  13: ['registry_event', 'registry_set'],
}
const SERVICES: Readonly<Record<string, string>> = {
  Security: 'security',
  'Microsoft-Windows-TaskScheduler/Operational': 'taskscheduler',
  'Microsoft-Windows-WMI-Activity/Operational': 'wmi',
}

export function sourcesOf(event: Plain): SigmaLogSource[] {
  const product = 'windows'
  const service = SERVICES[String(event['Channel'])]
  if (service !== undefined) return [{ product, category: undefined, service }]
  return (SYSMON[String(event['EventID'])] ?? []).map((category) => ({ product, category, service: 'sysmon' }))
}
