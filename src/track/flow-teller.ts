/**
 * What is told of inner flows: their ends, and what their applications say and do wrong. It hears of flows in the order in
 * which things happened and knows the names of what carries them, whichever thread follows the packets.
 */
import { addressText } from '../base/address.ts'
import { communityId } from '../base/community-id.ts'
import { isoMicroseconds, SECOND_US } from '../base/time.ts'
import type { Emit, RaisedEvent } from '../events/catalogue.ts'
import { eventIdOf } from '../events/event-id.ts'
import type { FieldValue } from '../events/fields.ts'
import type { INNER_FLOW, INNER_FLOW_MAY } from '../events/flow.ts'
import { IP_PROTOCOL, IP_PROTOCOL_NAMES } from '../wire/ip.ts'
import { Allowances } from './allowances.ts'
import type { CarrierNames } from './carrier-flows.ts'
import { flowDigest, flowUid } from './flow-name.ts'
import {
  ANSWERED,
  BY_INITIATOR,
  FIN_FIRST,
  FIN_SECOND,
  FIRST_IS_LOW,
  FLOW_ENDS,
  flowEnd,
  type FlowListener,
  type FlowRecord,
  type Found,
  ICMP_SHIFT,
  IS_IPV6,
  isFinished,
  MEMORY_BITS,
  MEMORY_SHIFT,
  PROTOCOL_BITS,
  RST_FIRST,
  RST_SECOND,
  type Said,
  SEEN_SYN,
  SEEN_SYN_ACK,
} from './flow-record.ts'
import type { Side } from './inner-protocol.ts'
import { protocolNameOf } from './inner-protocols.ts'
import { SlidingSums } from './sliding-sums.ts'

export interface TellerLimits {
  readonly conversationsMax: number
  /** Events of one name about the flows of one carrier in a minute, and of one flow in all. */
  readonly carrierEventsPerMinute: number
  readonly flowEventsMax: number
}

/** Findings of one name about the flows of one carrier in a minute. */
const FINDINGS_PER_MINUTE = 10
/** How long what one host sends another is added up; flows with less are not worth a place, and sums below are not worth a field. */
const SENT_WINDOW_US = 3600 * SECOND_US
const SENT_FLOW_MIN = 10_000
const SENT_MIN = 1_000_000

type FlowFieldName = Exclude<(typeof INNER_FLOW)[number], 'network.protocol'> | (typeof INNER_FLOW_MAY)[number]

/** Who sends in a flow to whom, and in what. */
interface FlowEnds {
  readonly names: CarrierNames
  readonly source: string
  readonly destination: string
}

/** The fields by which events name a flow and what it runs in. */
type FlowFields = { readonly [F in FlowFieldName]?: FieldValue<F> | undefined }

export class FlowTeller implements FlowListener {
  readonly #emit: Emit
  readonly #limits: TellerLimits
  readonly #namesOf: (carrier: number) => CarrierNames
  readonly #allowances: Allowances
  readonly #findings: Allowances
  readonly #sent: SlidingSums
  /** Events told of the flows that live, by their numbers. */
  readonly #told = new Map<number, number>()
  /** Events that were one too many for their flow. */
  #beyondFlow = 0

  /** `namesOf` says what the carrier with that key is called now. */
  constructor(emit: Emit, limits: TellerLimits, namesOf: (carrier: number) => CarrierNames) {
    this.#emit = emit
    this.#limits = limits
    this.#namesOf = namesOf
    // As many carriers talk at one time as there are conversations, at most.
    this.#allowances = new Allowances(limits.carrierEventsPerMinute, limits.conversationsMax)
    this.#findings = new Allowances(FINDINGS_PER_MINUTE, limits.conversationsMax)
    // Each pair of hosts has a sum for itself, and one for each port.
    this.#sent = new SlidingSums(SENT_WINDOW_US, limits.conversationsMax * 2)
  }

  /** Events that were counted instead of told. */
  get suppressed(): number {
    return this.#allowances.suppressed + this.#findings.suppressed + this.#beyondFlow
  }

  /** How many events were told of a flow that lives, by its number. */
  toldOf(flow: number): number {
    return this.#told.get(flow) ?? 0
  }

  /** So many were told of it before the sensor was started again. */
  resume(flow: number, told: number): void {
    if (told > 0) this.#told.set(flow, told)
  }

  raise(event: RaisedEvent): void {
    this.#emit(event)
  }

  /** The flow with that number has ended, and nothing is told of it: the next flow may have the number. */
  forget(flow: number): void {
    this.#told.delete(flow)
  }

  flowClosed(flow: FlowRecord, end: number, timeUs: number): void {
    this.#told.delete(flow.number)
    const { state, kind, firstUs, lastUs } = flow
    const isTcp = (kind & PROTOCOL_BITS) === IP_PROTOCOL.TCP
    const ends = this.#endsOf(flow, 0)
    const { source, destination, sourcePort, destinationPort, hasPorts, isIcmp, transport, uid } = ends
    const { names } = ends
    const { identity } = names
    const reason = FLOW_ENDS[isFinished(state) ? flowEnd(state) : end]
    const { packets, bytes } = flow
    this.#emit({
      name: 'flow.closed',
      timeUs,
      // A flow ends once: what names it names its event.
      id: eventIdOf(timeUs, ends.digest.slice(20, 32)),
      message: hasPorts
        ? `${transport} ${source}:${sourcePort} → ${destination}:${destinationPort}, ${reason}`
        : `${transport} ${source} → ${destination}, ${reason}`,
      fields: {
        'source.ip': source,
        'destination.ip': destination,
        'source.port': hasPorts ? sourcePort : undefined,
        'destination.port': hasPorts ? destinationPort : undefined,
        'network.type': ends.isIpv6 ? 'ipv6' : 'ipv4',
        'network.transport': transport,
        'network.protocol': isIcmp ? undefined : protocolNameOf((state & MEMORY_BITS) >> MEMORY_SHIFT),
        'network.community_id': ends.communityId,
        'flow.uid': uid,
        'flow.carrier': names.uid,
        'flow.tcp.state': isTcp ? tcpStateName(state) : undefined,
        'flow.icmp.type': isIcmp ? ends.icmpType : undefined,
        'flow.icmp.code': isIcmp ? ends.icmpCode : undefined,
        'flow.sent.bytes': this.#sentWithin(ends, '', bytes[0], timeUs),
        'flow.sent.port_bytes': hasPorts ? this.#sentWithin(ends, destinationPort, bytes[0], timeUs) : undefined,
        'event.reason': reason,
        'event.start': isoMicroseconds(firstUs),
        'event.end': isoMicroseconds(lastUs),
        'event.duration': Math.round((lastUs - firstUs) * 1000),
        'source.packets': packets[0],
        'source.bytes': bytes[0],
        'destination.packets': packets[1],
        'destination.bytes': bytes[1],
        'network.packets': packets[0] + packets[1],
        'network.bytes': bytes[0] + bytes[1],
        'l2tp.tunnel.uid': identity['l2tp.tunnel.uid'],
        'l2tp.session.uid': identity['l2tp.session.uid'],
        'pptp.connection.uid': identity['pptp.connection.uid'],
        'pptp.call.uid': identity['pptp.call.uid'],
        'pppoe.session.uid': identity['pppoe.session.uid'],
        'esp.tunnel.uid': identity['esp.tunnel.uid'],
        'ike.uid': identity['ike.uid'],
        'outer.source.ip': ends.outerSource,
        'outer.destination.ip': ends.outerDestination,
        'user.name': names.userName,
        'borescope.lineage': [...identity['borescope.lineage'], uid],
      },
    })
  }

  said(flow: FlowRecord, { name, timeUs, client, protocolName, message, own }: Said): void {
    const told = this.#told.get(flow.number) ?? 0
    if (told >= this.#limits.flowEventsMax) {
      this.#beyondFlow++
      return
    }
    const fields = this.#fieldsOf(flow, client)
    const suppressed = this.#allowances.take(
      `${name} ${fields['flow.carrier']}`,
      timeUs,
      `${told} ${fields['flow.uid']}`,
    )
    if (suppressed === -1) return
    this.#told.set(flow.number, told + 1)
    this.#emit({
      name,
      timeUs,
      message,
      // Two requests in one packet may be the same in everything else.
      identity: `${name} ${fields['flow.uid']} ${told}`,
      fields: {
        ...fields,
        'network.protocol': protocolName,
        'borescope.suppressed': suppressed === 0 ? undefined : suppressed,
        ...own,
      },
    } as unknown as RaisedEvent)
  }

  found(flow: FlowRecord, { name, timeUs, client, protocolName, layer, detail }: Found): void {
    const fields = this.#fieldsOf(flow, client)
    const suppressed = this.#findings.take(
      `${name} ${fields['flow.carrier']}`,
      timeUs,
      `${detail} ${fields['flow.uid']}`,
    )
    if (suppressed === -1) return
    this.#emit({
      name: 'protocol.anomaly',
      timeUs,
      message: `A flow from ${fields['source.ip']} to ${fields['destination.ip']} broke the rules of ${layer}: ${name}${detail === '' ? '' : ` (${detail})`}`,
      identity: `${name} ${fields['flow.uid']} ${timeUs} ${detail}`,
      fields: {
        ...fields,
        'network.protocol': protocolName === '' ? undefined : protocolName,
        'anomaly.name': name,
        'anomaly.layer': layer,
        'anomaly.detail': detail === '' ? undefined : detail,
        'anomaly.suppressed': suppressed === 0 ? undefined : suppressed,
      },
    })
  }

  /** For what a flow carries. The client of an application need not be who opened the flow. */
  #fieldsOf(flow: FlowRecord, client: Side): FlowFields {
    const ends = this.#endsOf(flow, client)
    const { names, uid } = ends
    const { identity } = names
    return {
      'source.ip': ends.source,
      'destination.ip': ends.destination,
      'source.port': ends.hasPorts ? ends.sourcePort : undefined,
      'destination.port': ends.hasPorts ? ends.destinationPort : undefined,
      'network.type': ends.isIpv6 ? 'ipv6' : 'ipv4',
      'network.transport': ends.transport,
      'network.community_id': ends.communityId,
      'flow.uid': uid,
      'flow.carrier': names.uid,
      'l2tp.tunnel.uid': identity['l2tp.tunnel.uid'],
      'l2tp.session.uid': identity['l2tp.session.uid'],
      'pptp.connection.uid': identity['pptp.connection.uid'],
      'pptp.call.uid': identity['pptp.call.uid'],
      'pppoe.session.uid': identity['pppoe.session.uid'],
      'esp.tunnel.uid': identity['esp.tunnel.uid'],
      'ike.uid': identity['ike.uid'],
      'outer.source.ip': ends.outerSource,
      'outer.destination.ip': ends.outerDestination,
      'user.name': names.userName,
      'borescope.lineage': [...identity['borescope.lineage'], uid],
    }
  }

  /** What the flows between two hosts in a carrier have sent within the window: to one port, or to all. */
  #sentWithin({ names, source, destination }: FlowEnds, port: number | '', bytes: number, timeUs: number) {
    if (bytes < SENT_FLOW_MIN) return undefined
    const sum = this.#sent.add(`${names.uid} ${source} ${destination} ${port}`, bytes, timeUs)
    return sum < SENT_MIN ? undefined : sum
  }

  /** The two ends of a flow in words, the given side first, and what names it. */
  #endsOf(flow: FlowRecord, side: Side) {
    const { kind, state, ports, firstUs } = flow
    const protocol = kind & PROTOCOL_BITS
    const names = this.#namesOf(flow.carrier)
    const firstIsLow = (state & FIRST_IS_LOW) !== 0
    const first = firstIsLow ? flow.low : flow.high
    const second = firstIsLow ? flow.high : flow.low
    const lowPort = ports >>> 16
    const highPort = ports & 0xffff
    const firstPort = firstIsLow ? lowPort : highPort
    const secondPort = firstIsLow ? highPort : lowPort
    const hasPorts = protocol === IP_PROTOCOL.TCP || protocol === IP_PROTOCOL.UDP
    const isIcmp = protocol === IP_PROTOCOL.ICMP || protocol === IP_PROTOCOL.ICMPV6
    const icmpType = (state >>> (ICMP_SHIFT + 8)) & 255
    const icmpCode = (state >>> ICMP_SHIFT) & 255
    const firstText = addressText(first, 0, first.length)
    const secondText = addressText(second, 0, second.length)
    const digest = flowDigest(names.uid, protocol, firstText, firstPort, secondText, secondPort, firstUs)
    const isByInitiator = ((state & BY_INITIATOR) !== 0) === (side === 0)
    return {
      names,
      digest,
      uid: flowUid(digest),
      source: side === 0 ? firstText : secondText,
      destination: side === 0 ? secondText : firstText,
      sourcePort: side === 0 ? firstPort : secondPort,
      destinationPort: side === 0 ? secondPort : firstPort,
      outerSource: isByInitiator ? names.initiator : names.responder,
      outerDestination: isByInitiator ? names.responder : names.initiator,
      isIpv6: (kind & IS_IPV6) !== 0,
      hasPorts,
      isIcmp,
      icmpType,
      icmpCode,
      transport: IP_PROTOCOL_NAMES[protocol] ?? String(protocol),
      communityId: isIcmp
        ? communityId(first, second, protocol, icmpType, icmpCode, true)
        : communityId(first, second, protocol, firstPort, secondPort, hasPorts),
    }
  }
}

function tcpStateName(state: number): string {
  const isOpened = (state & SEEN_SYN_ACK) !== 0
  if ((state & RST_SECOND) !== 0 && (state & SEEN_SYN) !== 0 && !isOpened) return 'refused'
  if ((state & (RST_FIRST | RST_SECOND)) !== 0) return 'reset'
  if ((state & (FIN_FIRST | FIN_SECOND)) === (FIN_FIRST | FIN_SECOND)) return 'closed'
  if ((state & SEEN_SYN) !== 0 && (state & ANSWERED) === 0) return 'attempted'
  return isOpened ? 'established' : 'partial'
}
