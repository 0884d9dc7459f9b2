/**
 * What trackers remember of open things, as plain values that survive a restart of the sensor: ids, ends, names, counters. No
 * packets, no keys, no passwords. An entry stands for one thing with all that is inside, so that entries may be taken one after
 * the other while packets go on.
 */
import type { Protection } from '../dissect/frame.ts'

/** One line of a saved state: what kind of thing it is, and whatever that kind needs. */
export interface SavedEntry {
  readonly kind: string
  readonly [key: string]: unknown
}

/** When a state was saved and when it is taken up, on the clock of the packets. */
export interface Pause {
  readonly savedUs: number
  readonly nowUs: number
}

/** An address in hexadecimal digits, and a port. */
export type SavedEndpoint = readonly [address: string, port: number]

/** Packets and octets of both roles, and the time of the last packet. */
export interface SavedMeter {
  readonly packets: readonly [number, number]
  readonly bytes: readonly [number, number]
  readonly lastUs: number
}

export type SavedProtection = Protection | null
