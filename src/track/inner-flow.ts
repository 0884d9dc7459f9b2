/**
 * Flows inside tunnels, keyed by what carries them, addresses, protocol and ports: two clients with the same private address
 * in two sessions are two. IPv6 addresses are interned to a number first; then every key is a handful of integers.
 */
import { hash } from 'node:crypto'
import { addressText } from '../base/address.ts'
import { i32, u16 } from '../base/bytes.ts'
import { communityId } from '../base/community-id.ts'
import { Endpoints } from '../base/endpoints.ts'
import { isoMicroseconds, SECOND_US } from '../base/time.ts'
import { Timers } from '../base/timers.ts'
import type { Frame } from '../dissect/frame.ts'
import type { Emit } from '../events/catalogue.ts'
import { eventIdOf } from '../events/event-id.ts'
import { IP_PROTOCOL, IP_PROTOCOL_NAMES } from '../wire/ip.ts'
import { TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from '../wire/tcp.ts'
import type { Carrier, CarrierIdentity, Carriers } from './carrier.ts'
import {
  BYTES,
  CARRIER,
  DOUBLES,
  FIRST_US,
  FlowTable,
  HIGH,
  KIND,
  LAST_US,
  LOW,
  PACKETS,
  PORTS,
  ROW,
  STATE,
} from './flow-table.ts'
import { FullTable } from './full-table.ts'
import type { Side } from './inner-protocol.ts'
import { type FlowFields, InnerProtocols, type ProtocolLimits, protocolNameOf, WATCHED } from './inner-protocols.ts'

const NONE = -1

// Bits of the state of a flow. "First" is the side that opened it, "second" the other.
const SEEN_SYN = 1
const SEEN_SYN_ACK = 2
const FIN_FIRST = 4
const FIN_SECOND = 8
const RST_FIRST = 16
const RST_SECOND = 32
/** The tunnel's initiator opened the flow. */
const BY_INITIATOR = 64
/** The first side is the lower one of the key, in which addresses are ordered. */
const FIRST_IS_LOW = 128
const ANSWERED = 256
/** What the readers of application protocols want remembered: whether packets are still wanted, and the protocol. */
const MEMORY_SHIFT = 9
const MEMORY_BITS = 0x7f << MEMORY_SHIFT
const WANTED = WATCHED << MEMORY_SHIFT
/** Type and code of an ICMP flow's first packet, 8 bits each. */
const ICMP_SHIFT = 16

// Of the kind of a flow: the IP protocol, and this.
const IS_IPV6 = 256
const PROTOCOL_BITS = 255

export interface FlowLimits extends ProtocolLimits {
  readonly flowsMax: number
  readonly tcpIdleUs: number
  readonly otherIdleUs: number
}

/** What tells a SYN that opens a connection, with or without ECN's flags. */
const OPENING_FLAGS = TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN
const ENDED = FIN_FIRST | FIN_SECOND | RST_FIRST | RST_SECOND

/** After FIN from both sides or RST: how long stragglers still belong to the flow. */
const CLOSING_US = 5 * SECOND_US

/** What flows tell of their carrier: the addresses of its ends, and its ids. */
interface FlowNames {
  readonly initiator: string | undefined
  readonly responder: string | undefined
  readonly identity: CarrierIdentity
}

export class InnerFlowTracker {
  readonly #emit: Emit
  readonly #limits: FlowLimits
  readonly #carriers: Carriers
  readonly #table: FlowTable
  /** IPv6 addresses as integers; a flow holds both of its own. */
  readonly #addresses: Endpoints
  readonly #timers = new Timers()
  readonly #expire = (flow: number) => this.#expired(flow)
  #nowUs = 0
  readonly #full: FullTable
  readonly #first = new Uint8Array(4)
  readonly #second = new Uint8Array(4)
  #namesUid = ''
  #names: FlowNames | null = null
  // The key of the current packet.
  #keyLow = 0
  #keyHigh = 0
  #keyPorts = 0
  #keyKind = 0
  #senderIsLow = false
  /** `#readKey` has already held both IPv6 addresses for a flow that must be new. */
  #heldForOpening = false
  readonly #protocols: InnerProtocols

  constructor(carriers: Carriers, emit: Emit, limits: FlowLimits) {
    this.#carriers = carriers
    this.#emit = emit
    this.#full = new FullTable(emit)
    this.#limits = limits
    this.#table = new FlowTable(limits.flowsMax)
    this.#addresses = new Endpoints(limits.flowsMax * 2)
    this.#protocols = new InnerProtocols(this, emit, limits)
  }

  /** Flows whose application is being read. */
  get conversations(): number {
    return this.#protocols.size
  }

  /** Events about applications that were counted instead of told. */
  get suppressed(): number {
    return this.#protocols.suppressed
  }

  get size(): number {
    return this.#table.size
  }

  /** The packet path: one look-up and a few additions. `frame.inner` has been read; `carrier` is the key of what it came in, `sender` the end that sent it. */
  observe(frame: Frame, carrier: number, sender: 0 | 1): void {
    const { inner } = frame
    const protocol = inner.protocol
    const at = inner.payloadStart
    const captured = inner.payloadEnd - at
    let sourcePort = 0
    let destinationPort = 0
    let tcpFlags = 0
    if (inner.fragmentOffset === 0) {
      if (protocol === IP_PROTOCOL.TCP || protocol === IP_PROTOCOL.UDP) {
        if (captured >= 4) {
          sourcePort = u16(inner.bytes, at)
          destinationPort = u16(inner.bytes, at + 2)
        }
        if (protocol === IP_PROTOCOL.TCP && captured >= 14) tcpFlags = inner.bytes[at + 13]
      } else if ((protocol === IP_PROTOCOL.ICMP || protocol === IP_PROTOCOL.ICMPV6) && captured >= 2) {
        this.#observeIcmp(frame, carrier, sender, captured)
        return
      }
    }
    const flow = this.#flowOf(frame, carrier, sender, protocol, sourcePort, destinationPort, tcpFlags, 0)
    if (flow === NONE) return
    frame.trail.carrier = carrier
    frame.trail.flow = flow
    this.#count(flow, frame, tcpFlags)
  }

  /** Tells the flows apart that one row holds one after another. */
  serialOf(flow: number): number {
    return this.#table.serials[flow]
  }

  /** What events call a flow. Of a row that is in use. */
  uidOf(flow: number): string {
    const { words, doubles } = this.#table
    const row = flow * ROW
    const isIpv6 = (words[row + KIND] & IS_IPV6) !== 0
    const firstIsLow = (words[row + STATE] & FIRST_IS_LOW) !== 0
    const first = this.#address(words[row + (firstIsLow ? LOW : HIGH)], isIpv6, this.#first)
    const second = this.#address(words[row + (firstIsLow ? HIGH : LOW)], isIpv6, this.#second)
    const [low, high] = [words[row + PORTS] >>> 16, words[row + PORTS] & 0xffff]
    const digest = digestOf(
      this.#carriers.at(words[row + CARRIER]).uid,
      words[row + KIND] & PROTOCOL_BITS,
      addressText(first, 0, first.length),
      firstIsLow ? low : high,
      addressText(second, 0, second.length),
      firstIsLow ? high : low,
      doubles[flow * DOUBLES + FIRST_US],
    )
    return uidOf(digest)
  }

  expire(nowUs: number): void {
    this.#nowUs = nowUs
    this.#timers.advance(nowUs, this.#expire)
  }

  carrierClosed(carrier: Carrier): void {
    while (carrier.firstFlow !== NONE) {
      const flow = carrier.firstFlow
      this.#close(flow, carrier, 'session closed', this.#table.doubles[flow * DOUBLES + LAST_US])
    }
  }

  /** All of them end with the sensor. Yields after each. */
  *finish(): Generator<void> {
    const table = this.#table
    for (const flow of table.flows()) {
      const carrier = this.#carriers.at(table.words[flow * ROW + CARRIER])
      this.#close(flow, carrier, 'sensor stopped', table.doubles[flow * DOUBLES + LAST_US])
      yield
    }
  }

  /** ICMP has no ports: the identifier of an echo keeps two pings apart, type and code stand for the rest. */
  #observeIcmp(frame: Frame, carrier: number, sender: 0 | 1, captured: number): void {
    const { inner } = frame
    const at = inner.payloadStart
    const type = inner.bytes[at]
    const code = inner.bytes[at + 1]
    const isEcho = inner.protocol === IP_PROTOCOL.ICMP ? type === 8 || type === 0 : type === 128 || type === 129
    const port = isEcho && captured >= 6 ? u16(inner.bytes, at + 4) : (type << 8) | code
    const flow = this.#flowOf(frame, carrier, sender, inner.protocol, port, port, 0, (type << 8) | code)
    if (flow === NONE) return
    frame.trail.carrier = carrier
    frame.trail.flow = flow
    this.#count(flow, frame, 0)
  }

  #flowOf(
    frame: Frame,
    carrier: number,
    sender: 0 | 1,
    protocol: number,
    sourcePort: number,
    destinationPort: number,
    tcpFlags: number,
    icmp: number,
  ): number {
    if (!this.#readKey(frame, protocol, sourcePort, destinationPort)) return NONE
    const table = this.#table
    const known = table.find(carrier, this.#keyLow, this.#keyHigh, this.#keyPorts, this.#keyKind)
    if (known !== NONE) {
      const state = table.words[known * ROW + STATE]
      const isReopened = (tcpFlags & OPENING_FLAGS) === TCP_SYN && (state & ENDED) !== 0
      if (!isReopened && frame.timeUs - table.doubles[known * DOUBLES + LAST_US] < this.#idleUs(protocol, state))
        return known
      this.#close(known, this.#carriers.at(carrier), isReopened ? closedReason(state) : 'idle', frame.timeUs)
      // Closing may have let go of the interned addresses.
      if (!this.#readKey(frame, protocol, sourcePort, destinationPort)) return NONE
    }
    return this.#open(frame, this.#carriers.at(carrier), sender, protocol, tcpFlags, icmp)
  }

  /** False if an IPv6 address found no room. */
  #readKey({ inner }: Frame, protocol: number, sourcePort: number, destinationPort: number): boolean {
    let source: number
    let destination: number
    if (inner.addressLength === 4) {
      source = i32(inner.bytes, inner.sourceAt)
      destination = i32(inner.bytes, inner.destinationAt)
      this.#keyKind = protocol
    } else {
      source = this.#addresses.find(inner.bytes, inner.sourceAt, 16, 0)
      destination = this.#addresses.find(inner.bytes, inner.destinationAt, 16, 0)
      // Not interned yet: hold both now, #open keeps them.
      if (source === -1 || destination === -1) {
        source = this.#addresses.hold(inner.bytes, inner.sourceAt, 16, 0)
        destination = this.#addresses.hold(inner.bytes, inner.destinationAt, 16, 0)
        if (source === -1 || destination === -1) {
          this.#addresses.release(source)
          this.#addresses.release(destination)
          return false
        }
        this.#heldForOpening = true
      }
      this.#keyKind = protocol | IS_IPV6
    }
    const isLow = source < destination || (source === destination && sourcePort <= destinationPort)
    this.#senderIsLow = isLow
    this.#keyLow = isLow ? source : destination
    this.#keyHigh = isLow ? destination : source
    this.#keyPorts = isLow ? (sourcePort << 16) | destinationPort : (destinationPort << 16) | sourcePort
    return true
  }

  #open(frame: Frame, carrier: Carrier, sender: 0 | 1, protocol: number, tcpFlags: number, icmp: number): number {
    const table = this.#table
    const flow = table.insert(carrier.key, this.#keyLow, this.#keyHigh, this.#keyPorts, this.#keyKind)
    if (flow === NONE) {
      if (this.#heldForOpening) this.#letGo(this.#keyLow, this.#keyHigh)
      this.#full.tell('flows', this.#limits.flowsMax, frame.timeUs, 'inner flows')
      return NONE
    }
    if ((this.#keyKind & IS_IPV6) !== 0 && !this.#heldForOpening) {
      this.#addresses.holdAgain(this.#keyLow)
      this.#addresses.holdAgain(this.#keyHigh)
    }
    this.#heldForOpening = false
    // Who answers a SYN did not open the connection, even if the capture began with the answer.
    const isAnswer = protocol === IP_PROTOCOL.TCP && (tcpFlags & (TCP_SYN | TCP_ACK)) === (TCP_SYN | TCP_ACK)
    const firstIsLow = this.#senderIsLow !== isAnswer
    const openerIsInitiator = (sender === 0) !== isAnswer
    const state =
      (openerIsInitiator ? BY_INITIATOR : 0) |
      (firstIsLow ? FIRST_IS_LOW : 0) |
      (this.#protocols.isWatched(protocol) ? WANTED : 0) |
      (icmp << ICMP_SHIFT)
    table.words[flow * ROW + STATE] = state
    table.doubles[flow * DOUBLES + FIRST_US] = frame.timeUs
    table.doubles[flow * DOUBLES + LAST_US] = frame.timeUs
    table.next[flow] = carrier.firstFlow
    table.previous[flow] = NONE
    if (carrier.firstFlow !== NONE) table.previous[carrier.firstFlow] = flow
    carrier.firstFlow = flow
    this.#timers.schedule(flow, frame.timeUs + this.#idleUs(protocol, state))
    return flow
  }

  #count(flow: number, frame: Frame, tcpFlags: number): void {
    const { inner } = frame
    const { words, doubles } = this.#table
    const row = flow * ROW
    const state = words[row + STATE]
    const isFirst = this.#senderIsLow === ((state & FIRST_IS_LOW) !== 0)
    const side = isFirst ? 0 : 1
    words[row + PACKETS + side]++
    doubles[flow * DOUBLES + BYTES + side] += inner.wireEnd - inner.headerStart
    doubles[flow * DOUBLES + LAST_US] = frame.timeUs
    if (!isFirst || tcpFlags !== 0) words[row + STATE] = state | (isFirst ? 0 : ANSWERED) | tcpState(tcpFlags, isFirst)
    if ((tcpFlags & (TCP_FIN | TCP_RST)) !== 0) {
      this.#timers.schedule(flow, frame.timeUs + this.#idleUs(inner.protocol, words[row + STATE]))
    }
    if ((state & WANTED) !== 0 && !inner.isFragment) {
      const packets = words[row + PACKETS] + words[row + PACKETS + 1]
      const memory = this.#protocols.observe(flow, frame, side, packets)
      words[row + STATE] = (words[row + STATE] & ~MEMORY_BITS) | (memory << MEMORY_SHIFT)
    }
  }

  #idleUs(protocol: number, state: number): number {
    if (protocol !== IP_PROTOCOL.TCP) return this.#limits.otherIdleUs
    return isFinished(state) ? CLOSING_US : this.#limits.tcpIdleUs
  }

  #expired(flow: number): void {
    const { words, doubles } = this.#table
    const row = flow * ROW
    const state = words[row + STATE]
    const dueUs = doubles[flow * DOUBLES + LAST_US] + this.#idleUs(words[row + KIND] & PROTOCOL_BITS, state)
    if (dueUs > this.#nowUs) {
      this.#timers.schedule(flow, dueUs)
      return
    }
    this.#close(flow, this.#carriers.at(words[row + CARRIER]), closedReason(state), dueUs)
  }

  #close(flow: number, carrier: Carrier, reason: string, timeUs: number): void {
    const table = this.#table
    const row = flow * ROW
    const { words } = table
    if ((words[row + STATE] & WANTED) !== 0) {
      const memory = this.#protocols.closed(flow, timeUs)
      if (memory !== 0) words[row + STATE] = (words[row + STATE] & ~MEMORY_BITS) | (memory << MEMORY_SHIFT)
    }
    const state = words[row + STATE]
    this.#tell(flow, carrier, isFinished(state) ? closedReason(state) : reason, timeUs)
    this.#timers.cancel(flow)
    if ((words[row + KIND] & IS_IPV6) !== 0) this.#letGo(words[row + LOW], words[row + HIGH])
    const next = table.next[flow]
    const previous = table.previous[flow]
    if (previous === NONE) carrier.firstFlow = next
    else table.next[previous] = next
    if (next !== NONE) table.previous[next] = previous
    table.remove(flow)
  }

  #letGo(low: number, high: number): void {
    this.#addresses.release(low)
    this.#addresses.release(high)
    this.#heldForOpening = false
  }

  /** For the readers of what a flow carries. The client of an application need not be who opened the flow. */
  fieldsOf(flow: number, client: Side): FlowFields {
    const ends = this.#endsOf(flow, client)
    const { carrier, identity, uid } = ends
    return {
      'source.ip': ends.source,
      'destination.ip': ends.destination,
      'source.port': ends.hasPorts ? ends.sourcePort : undefined,
      'destination.port': ends.hasPorts ? ends.destinationPort : undefined,
      'network.type': ends.isIpv6 ? 'ipv6' : 'ipv4',
      'network.transport': ends.transport,
      'network.community_id': ends.communityId,
      'flow.uid': uid,
      'flow.carrier': carrier.uid,
      'l2tp.tunnel.uid': identity['l2tp.tunnel.uid'],
      'l2tp.session.uid': identity['l2tp.session.uid'],
      'pptp.connection.uid': identity['pptp.connection.uid'],
      'pptp.call.uid': identity['pptp.call.uid'],
      'pppoe.session.uid': identity['pppoe.session.uid'],
      'esp.tunnel.uid': identity['esp.tunnel.uid'],
      'ike.uid': identity['ike.uid'],
      'outer.source.ip': ends.outerSource,
      'outer.destination.ip': ends.outerDestination,
      'user.name': carrier.userName,
      'borescope.lineage': [...identity['borescope.lineage'], uid],
    }
  }

  #tell(flow: number, carrier: Carrier, reason: string, timeUs: number): void {
    const { words, doubles } = this.#table
    const row = flow * ROW
    const state = words[row + STATE]
    const isTcp = (words[row + KIND] & PROTOCOL_BITS) === IP_PROTOCOL.TCP
    const ends = this.#endsOf(flow, 0)
    const { source, destination, sourcePort, destinationPort, hasPorts, isIcmp, transport, identity, uid } = ends
    const double = flow * DOUBLES
    const firstUs = doubles[double + FIRST_US]
    const lastUs = doubles[double + LAST_US]
    const sentPackets = words[row + PACKETS] >>> 0
    const receivedPackets = words[row + PACKETS + 1] >>> 0
    const sentBytes = doubles[double + BYTES]
    const receivedBytes = doubles[double + BYTES + 1]
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
        'flow.carrier': carrier.uid,
        'flow.tcp.state': isTcp ? tcpStateName(state) : undefined,
        'flow.icmp.type': isIcmp ? ends.icmpType : undefined,
        'flow.icmp.code': isIcmp ? ends.icmpCode : undefined,
        'event.reason': reason,
        'event.start': isoMicroseconds(firstUs),
        'event.end': isoMicroseconds(lastUs),
        'event.duration': Math.round((lastUs - firstUs) * 1000),
        'source.packets': sentPackets,
        'source.bytes': sentBytes,
        'destination.packets': receivedPackets,
        'destination.bytes': receivedBytes,
        'network.packets': sentPackets + receivedPackets,
        'network.bytes': sentBytes + receivedBytes,
        'l2tp.tunnel.uid': identity['l2tp.tunnel.uid'],
        'l2tp.session.uid': identity['l2tp.session.uid'],
        'pptp.connection.uid': identity['pptp.connection.uid'],
        'pptp.call.uid': identity['pptp.call.uid'],
        'pppoe.session.uid': identity['pppoe.session.uid'],
        'esp.tunnel.uid': identity['esp.tunnel.uid'],
        'ike.uid': identity['ike.uid'],
        'outer.source.ip': ends.outerSource,
        'outer.destination.ip': ends.outerDestination,
        'user.name': carrier.userName,
        'borescope.lineage': [...identity['borescope.lineage'], uid],
      },
    })
  }

  /** The two ends of a flow in words, the given side first, and what names it. */
  #endsOf(flow: number, side: Side) {
    const { words, doubles } = this.#table
    const row = flow * ROW
    const state = words[row + STATE]
    const kind = words[row + KIND]
    const protocol = kind & PROTOCOL_BITS
    const isIpv6 = (kind & IS_IPV6) !== 0
    const carrier = this.#carriers.at(words[row + CARRIER])
    const firstIsLow = (state & FIRST_IS_LOW) !== 0
    const first = this.#address(words[row + (firstIsLow ? LOW : HIGH)], isIpv6, this.#first)
    const second = this.#address(words[row + (firstIsLow ? HIGH : LOW)], isIpv6, this.#second)
    const lowPort = words[row + PORTS] >>> 16
    const highPort = words[row + PORTS] & 0xffff
    const firstPort = firstIsLow ? lowPort : highPort
    const secondPort = firstIsLow ? highPort : lowPort
    const hasPorts = protocol === IP_PROTOCOL.TCP || protocol === IP_PROTOCOL.UDP
    const isIcmp = protocol === IP_PROTOCOL.ICMP || protocol === IP_PROTOCOL.ICMPV6
    const icmpType = (state >>> (ICMP_SHIFT + 8)) & 255
    const icmpCode = (state >>> ICMP_SHIFT) & 255
    const firstText = addressText(first, 0, first.length)
    const secondText = addressText(second, 0, second.length)
    const firstUs = doubles[flow * DOUBLES + FIRST_US]
    const digest = digestOf(carrier.uid, protocol, firstText, firstPort, secondText, secondPort, firstUs)
    const { initiator, responder, identity } = this.#namesOf(carrier)
    const isByInitiator = ((state & BY_INITIATOR) !== 0) === (side === 0)
    return {
      carrier,
      identity,
      digest,
      uid: uidOf(digest),
      source: side === 0 ? firstText : secondText,
      destination: side === 0 ? secondText : firstText,
      sourcePort: side === 0 ? firstPort : secondPort,
      destinationPort: side === 0 ? secondPort : firstPort,
      outerSource: isByInitiator ? initiator : responder,
      outerDestination: isByInitiator ? responder : initiator,
      isIpv6,
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

  /** Flows mostly end in company, with their carrier: the last answer is the next one. */
  #namesOf(carrier: Carrier): FlowNames {
    if (this.#names === null || this.#namesUid !== carrier.uid) {
      const hosts = carrier.owner.hosts(carrier, 0)
      this.#namesUid = carrier.uid
      this.#names = {
        initiator: hosts['source.ip'],
        responder: hosts['destination.ip'],
        identity: carrier.owner.identify(carrier),
      }
    }
    return this.#names
  }

  /** An address of IPv4 is written into `room`. */
  #address(word: number, isIpv6: boolean, room: Uint8Array): Uint8Array {
    if (isIpv6) return this.#addresses.bytes(word)
    room[0] = word >>> 24
    room[1] = word >>> 16
    room[2] = word >>> 8
    room[3] = word
    return room
  }
}

/** What names a flow: what carries it, its ends, and when it began. */
function digestOf(
  carrier: string,
  protocol: number,
  first: string,
  firstPort: number,
  second: string,
  secondPort: number,
  firstUs: number,
): string {
  return hash('sha1', `${carrier} ${protocol} ${first} ${firstPort} ${second} ${secondPort} ${firstUs}`)
}

function uidOf(digest: string): string {
  return `f-${digest.slice(0, 12)}`
}

function tcpState(flags: number, isFirst: boolean): number {
  let state = 0
  if ((flags & TCP_SYN) !== 0) state |= (flags & TCP_ACK) !== 0 ? SEEN_SYN_ACK : SEEN_SYN
  if ((flags & TCP_FIN) !== 0) state |= isFirst ? FIN_FIRST : FIN_SECOND
  if ((flags & TCP_RST) !== 0) state |= isFirst ? RST_FIRST : RST_SECOND
  return state
}

function isFinished(state: number): boolean {
  return (state & (RST_FIRST | RST_SECOND)) !== 0 || (state & (FIN_FIRST | FIN_SECOND)) === (FIN_FIRST | FIN_SECOND)
}

function closedReason(state: number): string {
  if ((state & (RST_FIRST | RST_SECOND)) !== 0) return 'reset'
  return (state & (FIN_FIRST | FIN_SECOND)) === (FIN_FIRST | FIN_SECOND) ? 'finished' : 'idle'
}

function tcpStateName(state: number): string {
  const isOpened = (state & SEEN_SYN_ACK) !== 0
  if ((state & RST_SECOND) !== 0 && (state & SEEN_SYN) !== 0 && !isOpened) return 'refused'
  if ((state & (RST_FIRST | RST_SECOND)) !== 0) return 'reset'
  if ((state & (FIN_FIRST | FIN_SECOND)) === (FIN_FIRST | FIN_SECOND)) return 'closed'
  if ((state & SEEN_SYN) !== 0 && (state & ANSWERED) === 0) return 'attempted'
  return isOpened ? 'established' : 'partial'
}
