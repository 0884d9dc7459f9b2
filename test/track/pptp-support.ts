/** A client and a server of PPTP whose every packet a test writes out. */
import type { EventName } from '../../src/events/catalogue.ts'
import type { EventDocument } from '../../src/events/fields.ts'
import * as craft from '../support/craft.ts'
import * as pptp from '../support/pptp.ts'
import { named, type SensorOptions, TestSensor } from '../support/sensor.ts'
import { START_US } from './support.ts'

type Side = 'client' | 'server'

export const CLIENT = '198.51.100.7'
export const SERVER = '192.0.2.1'

export class Peers {
  readonly run: TestSensor
  timeUs = START_US
  readonly next: Record<Side, number> = { client: 1000, server: 5000 }
  readonly callIds: Record<Side, number> = { client: 11, server: 22 }
  readonly sequences: Record<Side, number> = { client: 0, server: 0 }
  clientPort = 40_000

  constructor(options: SensorOptions = {}) {
    this.run = new TestSensor({ ...options, capture: { duplicateWindowMs: 0, ...options.capture } })
  }

  wait(seconds: number): this {
    this.timeUs += seconds * 1e6
    return this
  }

  /** A segment of the control connection. */
  tcp(from: Side, payload: Uint8Array, fields: craft.TcpFields = {}): this {
    const sequence = fields.sequence ?? this.next[from]
    if (fields.sequence === undefined) this.next[from] += payload.length
    const ports =
      from === 'client'
        ? { sourcePort: this.clientPort, targetPort: 1723 }
        : { sourcePort: 1723, targetPort: this.clientPort }
    return this.#see(from, craft.tcp(payload, { ...ports, ...fields, sequence }), 6)
  }

  flags(from: Side, flags: number): this {
    return this.tcp(from, new Uint8Array(0), { flags })
  }

  /** A packet of the call: the number in it is the receiver's. */
  gre(from: Side, frame: Uint8Array, fields: pptp.EnhancedGreFields = {}): this {
    const to = from === 'client' ? 'server' : 'client'
    const sequence = fields.sequence ?? this.sequences[from]++
    return this.#see(from, pptp.enhancedGre(frame, { callId: this.callIds[to], sequence, ...fields }), 47)
  }

  #see(from: Side, payload: Uint8Array, protocol: number): this {
    const [source, target] = from === 'client' ? [CLIENT, SERVER] : [SERVER, CLIENT]
    this.timeUs += 1000
    this.run.see(craft.ethernet(craft.ipv4(payload, { source, target, protocol })), this.timeUs)
    return this
  }

  start(): this {
    return this.tcp('client', pptp.startRequest({ hostName: 'laptop', vendorName: 'Microsoft' })).tcp(
      'server',
      pptp.startReply({ hostName: 'gate', vendorName: 'linux', firmware: 7 }),
    )
  }

  call(): this {
    const { client: callId, server } = this.callIds
    return this.tcp('client', pptp.outgoingCallRequest({ callId, phoneNumber: '5551' })).tcp(
      'server',
      pptp.outgoingCallReply({ callId: server, peerCallId: callId }),
    )
  }

  finish(): readonly EventDocument[] {
    return this.run.finish()
  }

  told(name: EventName): readonly EventDocument[] {
    return named(this.run.events, name)
  }

  get anomalies(): unknown[] {
    return this.told('protocol.anomaly').map((event) => event['anomaly.name'])
  }
}
