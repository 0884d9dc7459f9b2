/** SigmaHQ's rules and events, where they are at hand: beside the checkout, or where BORESCOPE_SIGMA says. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SigmaLogSource } from '../../../src/detect/sigma/parse.ts'
import type { Plain } from './support.ts'

const folder = process.env['BORESCOPE_SIGMA'] ?? join(import.meta.dirname, '../../../../shared/sigma')
const missing = ['rules', 'events'].filter((part) => !existsSync(join(folder, part)))
/** `missing` are the folders that it lacks. */
export const PUBLIC = { folder, present: missing.length === 0, missing }

interface WindowsEvent {
  readonly System: {
    readonly EventID: unknown
    readonly Channel: unknown
    readonly Provider: { readonly '#attributes': { readonly Name: unknown } }
  }
  readonly EventData?: Plain | null
  readonly UserData?: Readonly<Record<string, Plain>> | null
}

/** The names of the files of events, which are the ids of their rules. */
export function eventFiles(): string[] {
  return readdirSync(join(folder, 'events'))
    .filter((name) => name.endsWith('.json'))
    .sort()
}

/** A file holds one event or several, one after the other. */
export function readEvents(name: string): Plain[] {
  return readFileSync(join(folder, 'events', name), 'utf8')
    .split(/^(?=\{)/m)
    .map((text) => windowsFields((JSON.parse(text) as { Event: WindowsEvent }).Event))
}

/** What rules see of an event. */
export function windowsFields({ System, EventData, UserData }: WindowsEvent): Plain {
  const provider = System.Provider['#attributes'].Name
  const fields: Record<string, unknown> = {}
  for (const payload of [EventData, ...Object.values(UserData ?? {})]) {
    for (const [name, value] of Object.entries(payload ?? {})) {
      // Defender writes `Threat Name`, its rules `ThreatName`.
      if (name !== '#attributes') fields[name.replaceAll(' ', '')] = contentOf(value)
    }
  }
  return { ...fields, EventID: contentOf(System.EventID), Channel: System.Channel, Provider_Name: provider }
}

/** An element with attributes has its content apart from them: a text, a number, or a list of what several elements hold. */
function contentOf(value: unknown): unknown {
  return typeof value === 'object' && value !== null && '#text' in value ? value['#text'] : value
}

/** Of Sysmon's events the categories, of the other channels the services. */
const SYSMON: Readonly<Record<string, readonly string[]>> = {
  1: ['process_creation'],
  3: ['network_connection'],
  6: ['driver_load'],
  7: ['image_load'],
  8: ['create_remote_thread'],
  9: ['raw_access_thread'],
  10: ['process_access'],
  11: ['file_event'],
  12: ['registry_event', 'registry_add', 'registry_delete'],
  13: ['registry_event', 'registry_set'],
  14: ['registry_event', 'registry_rename'],
  15: ['create_stream_hash'],
  17: ['pipe_created'],
  18: ['pipe_created'],
  19: ['wmi_event'],
  20: ['wmi_event'],
  21: ['wmi_event'],
  22: ['dns_query'],
}
const SERVICES: Readonly<Record<string, string>> = {
  Security: 'security',
  System: 'system',
  'Microsoft-Windows-Bits-Client/Operational': 'bits-client',
  'Microsoft-Windows-TaskScheduler/Operational': 'taskscheduler',
  'Microsoft-Windows-WMI-Activity/Operational': 'wmi',
  'Microsoft-Windows-Windows Defender/Operational': 'windefend',
  'Microsoft-Windows-Windows Firewall With Advanced Security/Firewall': 'firewall-as',
}

export function sourcesOf(event: Plain): SigmaLogSource[] {
  const product = 'windows'
  const service = SERVICES[String(event['Channel'])]
  if (service !== undefined) return [{ product, category: undefined, service }]
  return (SYSMON[String(event['EventID'])] ?? []).map((category) => ({ product, category, service: 'sysmon' }))
}
