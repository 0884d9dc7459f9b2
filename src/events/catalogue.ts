/**
 * Every event that the sensor can raise, declared once, a file for each family. Types, documentation, and the check of rules
 * follow from it.
 *
 * An event says what was seen, never what it means: meaning begins to the right of the waist. Names are
 * `<thing>.<what happened>` in the past tense.
 */
import { ALERT_EVENTS } from './alert.ts'
import { APPLICATION_EVENTS } from './application.ts'
import { BASELINE_EVENTS } from './baseline.ts'
import type { EventShape } from './declaration.ts'
import type { FieldName, FieldValue } from './fields.ts'
import { ESP_EVENTS } from './esp.ts'
import { ESP_TRAFFIC_EVENTS } from './esp-traffic.ts'
import { FLOW_EVENTS } from './flow.ts'
import { IKE_EVENTS } from './ike.ts'
import { L2TP_EVENTS } from './l2tp.ts'
import { PPP_EVENTS } from './ppp.ts'
import { PPPOE_EVENTS } from './pppoe.ts'
import { PPTP_EVENTS } from './pptp.ts'
import { SENSOR_EVENTS } from './sensor.ts'
import { WINDOWS_EVENTS } from './windows.ts'

interface EventDeclaration extends EventShape {
  readonly always: readonly FieldName[]
  readonly may: readonly FieldName[]
}

export const CATALOGUE = {
  ...L2TP_EVENTS,
  ...PPP_EVENTS,
  ...PPTP_EVENTS,
  ...PPPOE_EVENTS,
  ...FLOW_EVENTS,
  ...APPLICATION_EVENTS,
  ...WINDOWS_EVENTS,
  ...IKE_EVENTS,
  ...ESP_EVENTS,
  ...ESP_TRAFFIC_EVENTS,
  ...SENSOR_EVENTS,
  ...ALERT_EVENTS,
  ...BASELINE_EVENTS,
} as const satisfies Record<string, EventDeclaration>

export type EventName = keyof typeof CATALOGUE

type Always<N extends EventName> = (typeof CATALOGUE)[N]['always'][number]
type May<N extends EventName> = (typeof CATALOGUE)[N]['may'][number]

/** An event as it is raised: its name, its time in microseconds since the epoch, one sentence, and its own fields. */
export type RaisedEvent<N extends EventName = EventName> = {
  [E in N]: {
    readonly name: E
    readonly timeUs: number
    readonly message: string
    /** `event.id`, 20 hexadecimal digits, if whoever raises the event has a hash that only this one can have. */
    readonly id?: string
    /** An object of this event alone: it becomes the document. */
    readonly fields: { readonly [F in Always<E>]: FieldValue<F> } & {
      readonly [F in Exclude<May<E>, Always<E>>]?: FieldValue<F> | undefined
    }
  }
}[N]

/** What trackers and detectors are given to raise events with. */
export type Emit = (event: RaisedEvent) => void
