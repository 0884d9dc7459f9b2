/** Two ends of an L2TPv3 control connection, over UDP or over IP, whose every message a test writes out. */
import type { EventName } from '../../src/events/catalogue.ts'
import type { EventDocument } from '../../src/events/fields.ts'
import * as craft from '../support/craft.ts'
import {
  type DigestFields,
  V3_MESSAGE,
  v3Control,
  type V3ControlFields,
  v3Data,
  type V3DataFields,
  v3Message,
  v3Signed,
} from '../support/craft-l2tpv3.ts'
import { named, type SensorOptions, TestSensor } from '../support/sensor.ts'
import { START_US } from './support.ts'

export type End = 'near' | 'far'
export const NEAR = '198.51.100.7'
export const FAR = '192.0.2.1'
const SECOND_US = 1_000_000
const L2TP_OVER_IP = 115

export interface V3Options extends SensorOptions {
  readonly overIp?: boolean
  /** Signs every message with this secret. */
  readonly signedWith?: string
}

export interface V3Change extends V3ControlFields {
  readonly source?: string
  readonly sourcePort?: number
  readonly targetPort?: number
  /** Signs this message with another secret; null: not at all. */
  readonly secret?: string | null
}

export class V3Peers {
  readonly run: TestSensor
  timeUs = START_US
  readonly ns: Record<End, number> = { near: 0, far: 0 }
  /** What each end assigned. */
  readonly connectionIds: Record<End, number> = { near: 0x80000001, far: 0x90000002 }
  readonly sessionIds: Record<End, number> = { near: 0xa0000011, far: 0xb0000022 }
  readonly nonces: Record<End, Uint8Array> = {
    near: craft.fromHex('0102030405060708'),
    far: craft.fromHex('a1b2c3d4e5f60718'),
  }
  readonly #overIp: boolean
  readonly #secret: string | undefined

  constructor(options: V3Options = {}) {
    const { overIp = false, signedWith, ...sensor } = options
    this.#overIp = overIp
    this.#secret = signedWith
    this.run = new TestSensor({ ...sensor, capture: { duplicateWindowMs: 0, ...sensor.capture } })
  }

  wait(seconds: number): this {
    this.timeUs += seconds * SECOND_US
    return this
  }

  /** A control message with the next Ns of its sender. */
  send(from: End, type: number, avps: readonly Uint8Array[] = [], change: V3Change = {}): this {
    const to = from === 'near' ? 'far' : 'near'
    const { source, sourcePort, targetPort, secret, ...header } = change
    const fields = {
      controlConnectionId: this.connectionIds[to],
      ns: this.ns[from],
      nr: this.ns[to],
      overIp: this.#overIp,
      ...header,
    }
    const signature = secret === undefined ? this.#secret : (secret ?? undefined)
    const digest: DigestFields | null =
      signature === undefined
        ? null
        : type === V3_MESSAGE.sccrq
          ? { secret: signature }
          : { secret: signature, nonces: [this.nonces[from], this.nonces[to]] }
    if (header.ns === undefined && type !== V3_MESSAGE.ack) this.ns[from] = (this.ns[from] + 1) & 0xffff
    return this.raw(
      from,
      digest === null ? v3Message(type, avps, fields) : v3Signed(type, avps, digest, fields),
      change,
    )
  }

  zlb(from: End): this {
    const to = from === 'near' ? 'far' : 'near'
    const fields = {
      controlConnectionId: this.connectionIds[to],
      ns: this.ns[from],
      nr: this.ns[to],
      overIp: this.#overIp,
    }
    return this.raw(from, v3Control([], fields))
  }

  data(from: End, payload: Uint8Array, fields: V3DataFields & V3Change = {}): this {
    const to = from === 'near' ? 'far' : 'near'
    return this.raw(from, v3Data(payload, { sessionId: this.sessionIds[to], overIp: this.#overIp, ...fields }), fields)
  }

  raw(from: End, message: Uint8Array, ends: V3Change = {}): this {
    const [near, far] = from === 'near' ? [NEAR, FAR] : [FAR, NEAR]
    const source = ends.source ?? near
    const frame = this.#overIp
      ? craft.ethernet(craft.ipv4(message, { protocol: L2TP_OVER_IP, source, target: far }))
      : craft.datagram(message, {
          source,
          target: far,
          sourcePort: ends.sourcePort ?? craft.L2TP_PORT,
          targetPort: ends.targetPort ?? craft.L2TP_PORT,
        })
    this.timeUs += 1000
    this.run.see(frame, this.timeUs)
    return this
  }

  #nonceAvps(end: End): Uint8Array[] {
    return this.#secret === undefined ? [] : [craft.avp(73, this.nonces[end])]
  }

  sccrq(change: V3Change = {}): this {
    const { near } = this.connectionIds
    const avps = [
      ...this.#nonceAvps('near'),
      craft.avp(7, 'pe1'),
      craft.avp(60, craft.be32(0xc6336407)),
      craft.avp(61, craft.be32(near)),
      craft.avp(62, craft.concat(craft.be16(5), craft.be16(7))),
    ]
    return this.send('near', V3_MESSAGE.sccrq, avps, { controlConnectionId: 0, ...change })
  }

  sccrp(change: V3Change = {}): this {
    const avps = [...this.#nonceAvps('far'), craft.avp(7, 'pe2'), craft.avp(61, craft.be32(this.connectionIds.far))]
    return this.send('far', V3_MESSAGE.sccrp, avps, change)
  }

  scccn(change: V3Change = {}): this {
    return this.send('near', V3_MESSAGE.scccn, [], change)
  }

  /** The whole handshake. */
  open(): this {
    return this.sccrq().sccrp().scccn().send('far', V3_MESSAGE.ack)
  }

  /** Local and remote session id of a sender. */
  ids(from: End): Uint8Array[] {
    const to = from === 'near' ? 'far' : 'near'
    return [craft.avp(63, craft.be32(this.sessionIds[from])), craft.avp(64, craft.be32(this.sessionIds[to]))]
  }

  icrq(pseudowireType = 5, wanted: readonly Uint8Array[] = []): this {
    const avps = [
      craft.avp(63, craft.be32(this.sessionIds.near)),
      craft.avp(64, craft.be32(0)),
      craft.avp(15, craft.be32(5)),
      craft.avp(66, 'circuit 7'),
      craft.avp(68, craft.be16(pseudowireType)),
      craft.avp(71, craft.be16(3)),
      ...wanted,
    ]
    return this.send('near', V3_MESSAGE.icrq, avps)
  }

  icrp(wanted: readonly Uint8Array[] = []): this {
    return this.send('far', V3_MESSAGE.icrp, [...this.ids('far'), ...wanted])
  }

  iccn(): this {
    return this.send('near', V3_MESSAGE.iccn, this.ids('near'))
  }

  /** A session in an open control connection; `near` and `far` are what each end wants before data. */
  call(pseudowireType = 5, near: readonly Uint8Array[] = [], far: readonly Uint8Array[] = []): this {
    return this.icrq(pseudowireType, near).icrp(far).iccn().send('far', V3_MESSAGE.ack)
  }

  finish(): readonly EventDocument[] {
    return this.run.finish()
  }

  /** The events of a name so far. */
  told(name: EventName): readonly EventDocument[] {
    return named(this.run.events, name)
  }

  /** The names of the anomalies so far. */
  get anomalies(): (string | undefined)[] {
    return this.told('protocol.anomaly').map((event) => event['anomaly.name'])
  }

  /** What was found wrong with control messages so far: finding and message. */
  get findings(): string[] {
    return this.run.events
      .filter((event) => event['l2tp.message.finding'] !== undefined)
      .map((event) => `${event['l2tp.message.finding']} ${event['l2tp.message.type']}`)
  }
}
