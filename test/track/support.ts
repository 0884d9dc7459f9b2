/** Two peers whose every message a test writes out, with Ns and Nr kept for it unless it says otherwise. */
import type { EventName } from '../../src/events/catalogue.ts'
import type { EventDocument } from '../../src/events/fields.ts'
import * as craft from '../support/craft.ts'
import { named, type SensorOptions, TestSensor } from '../support/sensor.ts'

export type Side = 'client' | 'server'
type Build = (header: craft.L2tpControlFields) => Uint8Array

export const CLIENT = '198.51.100.7'
export const SERVER = '192.0.2.1'
export const START_US = 1_700_000_000_000_000
const SECOND_US = 1_000_000

export interface Change extends craft.L2tpControlFields {
  readonly source?: string
  readonly sourcePort?: number
  readonly target?: string
  readonly targetPort?: number
}

export class Peers {
  readonly run: TestSensor
  timeUs = START_US
  readonly ns: Record<Side, number> = { client: 0, server: 0 }
  /** What each side assigned. */
  readonly tunnelIds: Record<Side, number> = { client: 100, server: 200 }
  readonly sessionIds: Record<Side, number> = { client: 11, server: 22 }

  constructor(options: SensorOptions = {}) {
    this.run = new TestSensor({ ...options, capture: { duplicateWindowMs: 0, ...options.capture } })
  }

  wait(seconds: number): this {
    this.timeUs += seconds * SECOND_US
    return this
  }

  /** A control message with the next Ns of its sender. */
  send(from: Side, build: Build, change: Change = {}): this {
    const to = from === 'client' ? 'server' : 'client'
    const { source, sourcePort, target, targetPort, ...header } = change
    const bytes = build({ tunnelId: this.tunnelIds[to], ns: this.ns[from], nr: this.ns[to], ...header })
    if (header.ns === undefined && build !== craft.zlb) this.ns[from] = (this.ns[from] + 1) & 0xffff
    return this.raw(from, bytes, change)
  }

  data(from: Side, ppp: Uint8Array, fields: craft.L2tpDataFields & Change = {}): this {
    const to = from === 'client' ? 'server' : 'client'
    return this.raw(
      from,
      craft.l2tpData(ppp, { tunnelId: this.tunnelIds[to], sessionId: this.sessionIds[to], ...fields }),
      fields,
    )
  }

  raw(from: Side, payload: Uint8Array, ends: Change = {}): this {
    const [source, target] = from === 'client' ? [CLIENT, SERVER] : [SERVER, CLIENT]
    const frame = craft.datagram(payload, {
      source: ends.source ?? source,
      target: ends.target ?? target,
      sourcePort: ends.sourcePort ?? craft.L2TP_PORT,
      targetPort: ends.targetPort ?? craft.L2TP_PORT,
    })
    this.timeUs += 1000
    this.run.see(frame, this.timeUs)
    return this
  }

  sccrq = (change: Change & craft.StartFields = {}): this =>
    this.send(
      'client',
      (header) => craft.sccrq({ ...header, hostName: 'lac', assignedTunnelId: this.tunnelIds.client, ...pick(change) }),
      { tunnelId: 0, ...change },
    )

  sccrp = (change: Change & craft.StartFields = {}): this =>
    this.send(
      'server',
      (header) => craft.sccrp({ ...header, hostName: 'lns', assignedTunnelId: this.tunnelIds.server, ...pick(change) }),
      change,
    )

  scccn = (change: Change & craft.ControlMessageFields = {}): this =>
    this.send('client', (header) => craft.scccn({ ...header, ...pick(change) }), change)

  /** The whole handshake. */
  open(): this {
    return this.sccrq().sccrp().scccn().send('server', craft.zlb)
  }

  icrq = (change: Change = {}): this =>
    this.send(
      'client',
      (header) => craft.icrq({ ...header, assignedSessionId: this.sessionIds.client, callSerialNumber: 5 }),
      change,
    )

  icrp = (change: Change = {}): this =>
    this.send(
      'server',
      (header) =>
        craft.icrp({ sessionId: this.sessionIds.client, assignedSessionId: this.sessionIds.server, ...header }),
      change,
    )

  iccn = (change: Change = {}): this =>
    this.send('client', (header) => craft.iccn({ sessionId: this.sessionIds.server, ...header }), change)

  /** An incoming call in an open tunnel. */
  call(): this {
    return this.icrq().icrp().iccn().send('server', craft.zlb)
  }

  finish(): readonly EventDocument[] {
    return this.run.finish()
  }

  /** The events of a name so far. */
  told(name: EventName): readonly EventDocument[] {
    return named(this.run.events, name)
  }

  /** What was found wrong with control messages so far: finding and message. */
  get findings(): string[] {
    return this.run.events
      .filter((event) => event['l2tp.message.finding'] !== undefined)
      .map((event) => `${event['l2tp.message.finding']} ${event['l2tp.message.type']}`)
  }
}

/** The fields of a message, without those of the datagram. */
function pick<T extends Change>({ source, sourcePort, target, targetPort, tunnelId, ns, nr, ...fields }: T) {
  return fields
}
