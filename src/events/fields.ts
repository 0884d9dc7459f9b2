/**
 * Every field that an event may carry, declared once in the file of its family: its kind, whether ECS defines it, and what
 * it says.
 *
 * TypeScript types, the embedded store's columns, index mappings, the query language's checks, the rules' field check and
 * the field reference of the README follow from this table. Names are dotted and flat: an event is one flat record in
 * memory, and becomes a nested document when it leaves the process.
 */
import { ALERT_FIELDS } from './alert.ts'
import { APPLICATION_FIELDS } from './application.ts'
import { COMMON_FIELDS } from './common.ts'
import { BASELINE_FIELDS } from './baseline.ts'
import type { FieldDeclaration } from './declaration.ts'
import { ENRICHMENT_FIELDS } from './enrichment.ts'
import { ESP_FIELDS } from './esp.ts'
import { ESP_TRAFFIC_FIELDS } from './esp-traffic.ts'
import { FLOW_FIELDS } from './flow.ts'
import { IKE_FIELDS } from './ike.ts'
import { INCIDENT_FIELDS } from './incident.ts'
import { INTEL_FIELDS } from './intel.ts'
import { L2TP_FIELDS } from './l2tp.ts'
import { PPP_FIELDS } from './ppp.ts'
import { PPPOE_FIELDS } from './pppoe.ts'
import { PPTP_FIELDS } from './pptp.ts'
import { SENSOR_FIELDS } from './sensor.ts'
import { WINDOWS_FIELDS } from './windows.ts'

export const FIELDS = {
  ...COMMON_FIELDS,
  ...L2TP_FIELDS,
  ...PPP_FIELDS,
  ...PPTP_FIELDS,
  ...PPPOE_FIELDS,
  ...FLOW_FIELDS,
  ...APPLICATION_FIELDS,
  ...WINDOWS_FIELDS,
  ...IKE_FIELDS,
  ...ESP_FIELDS,
  ...ESP_TRAFFIC_FIELDS,
  ...SENSOR_FIELDS,
  ...ALERT_FIELDS,
  ...INCIDENT_FIELDS,
  ...INTEL_FIELDS,
  ...BASELINE_FIELDS,
  ...ENRICHMENT_FIELDS,
} as const satisfies Record<string, FieldDeclaration>

export type FieldName = keyof typeof FIELDS

interface KindValues {
  keyword: string
  'keyword[]': readonly string[]
  text: string
  ip: string
  'ip[]': readonly string[]
  long: number
  float: number
  boolean: boolean
  date: string
}

export type FieldValue<F extends FieldName> = KindValues[(typeof FIELDS)[F]['kind']]

/** An event as it crosses the waist: one flat record of declared fields. */
export type EventDocument = { readonly [F in FieldName]?: FieldValue<F> } & {
  readonly '@timestamp': string
  readonly 'event.id': string
  readonly 'event.action': string
}

export function isField(name: string): name is FieldName {
  return Object.hasOwn(FIELDS, name)
}

/** The document with its dots unfolded, as ECS writes it: `{ source: { ip: … } }`; time and sentence come first. */
export function nest(document: EventDocument): Record<string, unknown> {
  const root: Record<string, unknown> = { '@timestamp': document['@timestamp'], message: document.message }
  for (const [name, value] of Object.entries(document)) {
    if (value === undefined) continue
    const parts = name.split('.')
    const last = parts.length - 1
    let node = root
    for (let i = 0; i < last; i++) {
      node[parts[i]] ??= {}
      node = node[parts[i]] as Record<string, unknown>
    }
    node[parts[last]] = value
  }
  return root
}
