/**
 * Turns the packets of peers that speak L2TPv2 into those of peers that speak version 3: what happens between them, and to
 * their packets on the way, stays the same, and so does the truth.
 *
 * A tunnel id becomes a control connection id of 32 bits, a session its own number together with that of its tunnel, since
 * in version 3 the receiver alone keeps sessions apart. Every receiver wants a cookie and the default sublayer.
 */
import { AvpCursor } from '../../src/wire/l2tp-avp.ts'
import { L2tpView } from '../../src/wire/l2tp.ts'
import { IpView } from '../../src/wire/ip.ts'
import { UdpView } from '../../src/wire/udp.ts'
import { avp, be16, be32, concat, datagram, ethernet, ipv4, md5 } from './craft.ts'
import { V3_AVP, V3_MESSAGE, v3Control, v3Data, v3Message, v3Signed } from './craft-l2tpv3.ts'
import type { Packet } from './network.ts'
import { addressText } from '../../src/base/address.ts'

export interface TranslationOptions {
  readonly overIp?: boolean
  /** Signs every control message. */
  readonly secret?: string
}

const PPP_PSEUDOWIRE = 7
const L2TP_OVER_IP = 115
const SESSION_SETUP: ReadonlySet<number> = new Set([V3_MESSAGE.icrq, V3_MESSAGE.icrp, V3_MESSAGE.ocrq, V3_MESSAGE.ocrp])
/** Attributes of version 2 that say in version 3 what they said before. */
const KEPT: ReadonlySet<number> = new Set([1, 7, 8, 10, 15, 34])

export function connectionId(tunnelId: number): number {
  return tunnelId === 0 ? 0 : 0x40000000 + tunnelId
}

/** `tunnelId` is that of the same receiver. */
export function sessionIdOf(tunnelId: number, sessionId: number): number {
  return sessionId === 0 ? 0 : ((tunnelId << 16) | sessionId) >>> 0
}

export function translated(packets: readonly Packet[], options: TranslationOptions = {}): Packet[] {
  const translation = new Translation(options)
  // A peer knows its own number even while the message that tells it is lost.
  for (const { bytes } of packets) translation.frame(bytes)
  translation.begin()
  return packets.map(({ timeUs, bytes }) => ({ timeUs, bytes: translation.frame(bytes) }))
}

class Translation {
  readonly #options: TranslationOptions
  readonly #ip = new IpView()
  readonly #udp = new UdpView()
  readonly #l2tp = new L2tpView()
  readonly #avps = new AvpCursor()
  /** Tunnel ids: what an end assigned, by its endpoint and what its peer assigned; and of the SCCRQ of an endpoint. */
  readonly #own = new Map<string, number>()
  readonly #numbers = new Map<string, number>()

  constructor(options: TranslationOptions) {
    this.#options = options
  }

  begin(): void {
    this.#numbers.clear()
  }

  frame(bytes: Uint8Array): Uint8Array {
    const [ip, udp, l2tp] = [this.#ip, this.#udp, this.#l2tp]
    if (
      ip.decode(bytes, 14, bytes.length) !== null ||
      udp.decode(bytes, ip.payloadStart, ip.payloadEnd, ip.wireEnd) !== null ||
      l2tp.decode(bytes, udp.payloadStart, udp.payloadEnd) !== null
    ) {
      throw new Error('the peers sent what cannot be read')
    }
    const [source, target] = [ip.sourceAt, ip.destinationAt].map((at) => addressText(ip.bytes, at, ip.addressLength))
    const { sourcePort, destinationPort: targetPort } = udp
    const message = l2tp.isControl
      ? this.#control(`${source}:${sourcePort}`, `${target}:${targetPort}`)
      : this.#data(`${target}:${targetPort}`)
    if (!this.#options.overIp) return datagram(message, { source, target, sourcePort, targetPort, ip: { id: ip.id } })
    return ethernet(ipv4(message, { source, target, protocol: L2TP_OVER_IP, id: ip.id }))
  }

  #control(from: string, to: string): Uint8Array {
    const { tunnelId, sessionId, ns, nr, isAcknowledgement } = this.#l2tp
    const overIp = this.#options.overIp === true
    const fields = { controlConnectionId: connectionId(tunnelId), ns, nr, overIp }
    const own = this.#own.get(`${from} ${tunnelId}`) ?? 0
    if (isAcknowledgement) {
      if (this.#options.secret === undefined && tunnelId % 2 === 0) return v3Control([], fields)
      return this.#message(V3_MESSAGE.ack, [], fields, own, tunnelId)
    }
    const { type, avps, assignedTunnelId, assignedSessionId } = this.#read()
    if (assignedTunnelId !== 0) {
      this.#own.set(`${from} ${tunnelId}`, assignedTunnelId)
      // Its peer names it by the number that it has just assigned, and has for its own what stands in the header.
      if (tunnelId !== 0) this.#own.set(`${to} ${assignedTunnelId}`, tunnelId)
      avps.push(avp(V3_AVP.assignedControlConnectionId, be32(connectionId(assignedTunnelId))))
    }
    const mine = assignedTunnelId || (this.#own.get(`${from} ${tunnelId}`) ?? 0)
    if (type >= V3_MESSAGE.ocrq && type !== V3_MESSAGE.ack) {
      const local = assignedSessionId === 0 ? 0 : sessionIdOf(mine, assignedSessionId)
      if (local !== 0) avps.push(avp(V3_AVP.localSessionId, be32(local)))
      avps.push(avp(V3_AVP.remoteSessionId, be32(sessionIdOf(tunnelId, sessionId))))
      if (SESSION_SETUP.has(type)) {
        avps.push(avp(V3_AVP.assignedCookie, cookieOf(local)), avp(V3_AVP.l2SpecificSublayer, be16(1)))
      }
      if (type === V3_MESSAGE.icrq || type === V3_MESSAGE.ocrq) {
        avps.push(avp(V3_AVP.pseudowireType, be16(PPP_PSEUDOWIRE)))
      }
    }
    if (this.#options.secret !== undefined && (type === V3_MESSAGE.sccrq || type === V3_MESSAGE.sccrp)) {
      avps.push(avp(V3_AVP.nonce, nonceOf(mine)))
    }
    return this.#message(type, avps, fields, mine, tunnelId)
  }

  #message(
    type: number,
    avps: readonly Uint8Array[],
    fields: {
      readonly controlConnectionId: number
      readonly ns: number
      readonly nr: number
      readonly overIp: boolean
    },
    mine: number,
    yours: number,
  ): Uint8Array {
    const { secret } = this.#options
    if (secret === undefined) return v3Message(type, avps, fields)
    const digest = type === V3_MESSAGE.sccrq ? { secret } : { secret, nonces: [nonceOf(mine), nonceOf(yours)] as const }
    return v3Signed(type, avps, digest, fields)
  }

  #read() {
    const avps: Uint8Array[] = []
    let type = 0
    let assignedTunnelId = 0
    let assignedSessionId = 0
    const cursor = this.#avps.over(this.#l2tp)
    while (cursor.next()) {
      const value = cursor.bytes.slice(cursor.valueStart, cursor.valueEnd)
      const number = (value[0] << 8) | value[1]
      if (cursor.type === 0) type = number
      else if (cursor.type === 9) assignedTunnelId = number
      else if (cursor.type === 14) assignedSessionId = number
      else if (KEPT.has(cursor.type)) avps.push(avp(cursor.type, value))
    }
    return { type, avps, assignedTunnelId, assignedSessionId }
  }

  #data(to: string): Uint8Array {
    const { bytes, payloadStart, payloadEnd, tunnelId, sessionId } = this.#l2tp
    const id = sessionIdOf(tunnelId, sessionId)
    const number = this.#numbers.get(`${to} ${id}`) ?? 0
    this.#numbers.set(`${to} ${id}`, number + 1)
    const overIp = this.#options.overIp === true
    const fields = { sessionId: id, cookie: cookieOf(id), sublayer: number, overIp }
    return v3Data(bytes.slice(payloadStart, payloadEnd), fields)
  }
}

/** Four octets for even sessions, eight for odd ones. */
function cookieOf(session: number): Uint8Array {
  return md5(concat(be32(session), be16(65))).slice(0, session % 2 === 0 ? 4 : 8)
}

function nonceOf(tunnelId: number): Uint8Array {
  return md5(concat(be32(tunnelId), be16(73)))
}
