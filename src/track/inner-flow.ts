/**
 * Flows inside tunnels, keyed by what carries them, addresses, protocol and ports: two clients with the same private address
 * in two sessions are two. IPv6 addresses are interned to a number first; then every key is a handful of integers.
 */
import { Endpoints } from '../base/endpoints.ts'
import { SECOND_US } from '../base/time.ts'
import { Timers } from '../base/timers.ts'
import type { Ahead } from '../dissect/ahead.ts'
import type { Frame } from '../dissect/frame.ts'
import { RecentViews } from '../dissect/recent-views.ts'
import type { RaisedEvent } from '../events/catalogue.ts'
import { IP_PROTOCOL } from '../wire/ip.ts'
import { TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from '../wire/tcp.ts'
import { indexOf, OWNERS_MAX, ownerOf } from './carrier.ts'
import { doubled, FIRST_ROWS } from '../base/growing.ts'
import {
  ANSWERED,
  BY_INITIATOR,
  CARRIER_ENDED,
  FELL_IDLE,
  FIN_FIRST,
  FIN_SECOND,
  FIRST_IS_LOW,
  flowEnd,
  type FlowListener,
  FlowRecord,
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
  SENSOR_STOPPED,
  SEEN_SYN,
  SEEN_SYN_ACK,
} from './flow-record.ts'
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
import { InnerProtocols, type ProtocolLimits, WATCHED } from './inner-protocols.ts'

import { NO_PAUSE, type Pause, silentSince } from './saved.ts'
import { FlowBatch, type FlowRow, type SavedFlows } from './saved-flows.ts'

const NONE = -1
const NO_VIEW = new DataView(new ArrayBuffer(0))

const WANTED = WATCHED << MEMORY_SHIFT

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

export class InnerFlowTracker {
  readonly #listener: FlowListener
  readonly #limits: FlowLimits
  readonly #table: FlowTable
  /** IPv6 addresses as integers; a flow holds both of its own. */
  readonly #addresses: Endpoints
  readonly #timers = new Timers()
  readonly #expire = (flow: number) => this.#expired(flow)
  #nowUs = 0
  /** In which nobody looked: it is no silence. */
  #pause = NO_PAUSE
  readonly #full: FullTable
  /** Of each owner, by the index of the carrier: the first of the list of its flows and one, or 0. */
  readonly #firstOf: Int32Array<ArrayBuffer>[] = Array.from({ length: OWNERS_MAX }, () => new Int32Array(FIRST_ROWS))
  readonly #record = new FlowRecord()
  readonly #low = new Uint8Array(4)
  readonly #high = new Uint8Array(4)
  /** Of each flow, its place in the order in which they were opened. */
  #born = new Float64Array(FIRST_ROWS)
  /** The place of the flow that was opened last; who follows flows beside others sets it before each packet. */
  born = 0
  /** Those that the second that has begun ends. */
  readonly #due: number[] = []
  readonly #views = new RecentViews()
  /** Of the bytes of the current packet. */
  #view: DataView = NO_VIEW
  // The key of the current packet.
  #keyLow = 0
  #keyHigh = 0
  #keyPorts = 0
  #keyKind = 0
  #senderIsLow = false
  /** `#readKey` has already held both IPv6 addresses for a flow that must be new. */
  #heldForOpening = false
  readonly #protocols: InnerProtocols

  constructor(listener: FlowListener, limits: FlowLimits) {
    this.#listener = listener
    this.#full = new FullTable((event) => listener.raise(event))
    this.#limits = limits
    this.#table = new FlowTable(limits.flowsMax)
    this.#addresses = new Endpoints(limits.flowsMax * 2)
    this.#protocols = new InnerProtocols(this, limits)
  }

  /** Flows whose application is being read. */
  get conversations(): number {
    return this.#protocols.size
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
    const view = this.#views.of(inner.bytes)
    this.#view = view
    let sourcePort = 0
    let destinationPort = 0
    let tcpFlags = 0
    if (inner.fragmentOffset === 0) {
      if (protocol === IP_PROTOCOL.TCP || protocol === IP_PROTOCOL.UDP) {
        if (captured >= 4) {
          const ports = view.getInt32(at)
          sourcePort = ports >>> 16
          destinationPort = ports & 0xffff
        }
        if (protocol === IP_PROTOCOL.TCP && captured >= 14) tcpFlags = view.getUint8(at + 13)
      } else if ((protocol === IP_PROTOCOL.ICMP || protocol === IP_PROTOCOL.ICMPV6) && captured >= 2) {
        this.#observeIcmp(frame, carrier, sender, captured)
        return
      }
    }
    const flow = this.#flowOf(frame, carrier, sender, protocol, sourcePort, destinationPort, tcpFlags, 0)
    if (flow === NONE) return
    frame.trail.flow = flow
    this.#count(flow, frame, tcpFlags)
  }

  /** Has the processor read what `observe` will need for packets to come, of IPv4 with ports. */
  prefetch(ahead: Ahead): void {
    const { count, carrier, innerProtocol, source, destination, ports, flow, places } = ahead
    const table = this.#table
    const { words } = table
    for (let i = 0; i < count; i++) {
      const from = source[i]
      const to = destination[i]
      const isLow = from < to
      const word = ports[i]
      flow[i] = table.hashOf(
        carrier[i],
        isLow ? from : to,
        isLow ? to : from,
        isLow ? word : (word << 16) | (word >>> 16),
        innerProtocol[i],
      )
      places[i] = table.placeOf(flow[i])
    }
    ahead.fetch(table.slots)
    for (let i = 0; i < count; i++) {
      flow[i] = table.guess(flow[i])
      places[i] = flow[i] === NONE ? 0 : flow[i] * ROW + STATE
    }
    ahead.fetch(words)
    for (let i = 0; i < count; i++) {
      const isRead = flow[i] !== NONE && (words[flow[i] * ROW + STATE] & WANTED) !== 0
      places[i] = isRead ? this.#protocols.placeOf(flow[i]) : 0
    }
    ahead.fetch(this.#protocols.notes)
  }

  /** Tells the flows apart that one row holds one after another. */
  serialOf(flow: number): number {
    return this.#table.serials[flow]
  }

  /** Yields after each. In the order in which they fell silent, so that it does not matter who else follows flows. */
  *expire(nowUs: number): Generator<void> {
    this.#nowUs = nowUs
    yield* this.#timers.advance(nowUs, this.#expire)
    const due = this.#due
    if (due.length === 0) return
    due.sort((a, b) => this.#dueUs(a) - this.#dueUs(b) || this.#born[a] - this.#born[b])
    for (const flow of due) {
      this.#close(flow, flowEnd(this.#table.words[flow * ROW + STATE]), this.#dueUs(flow))
      yield
    }
    due.length = 0
  }

  /** Its flows end, the youngest first. */
  carrierClosed(carrier: number): void {
    const firsts = this.#firstOf[ownerOf(carrier)]
    const at = indexOf(carrier)
    if (at >= firsts.length) return
    for (let flow = firsts[at] - 1; flow !== NONE; flow = firsts[at] - 1)
      this.#close(flow, CARRIER_ENDED, this.#table.doubles[flow * DOUBLES + LAST_US])
  }

  /** All of them end with the sensor. Yields after each. */
  *finish(): Generator<void> {
    const table = this.#table
    for (const flow of [...table.used()]) {
      this.#close(flow, SENSOR_STOPPED, table.doubles[flow * DOUBLES + LAST_US])
      yield
    }
  }

  // --- over a restart of the sensor

  /** `nameOf` gives the id of a carrier by its key, `toldOf` how many events were told of a flow. */
  *save(nameOf: (carrier: number) => string, toldOf: (flow: number) => number): Generator<SavedFlows> {
    const batch = new FlowBatch()
    for (const flow of this.#table.used()) {
      const { carrier, low, high, born } = this.recordOf(flow)
      batch.add(this.#table.row(flow), { carrier: nameOf(carrier), low, high, born, told: toldOf(flow) })
      if (batch.isFull) yield batch.take()
    }
    yield batch.take()
  }

  /** Before the flows of before it are taken up. */
  resume(pause: Pause): void {
    this.#pause = pause
  }

  /** Takes up a flow in a carrier that was taken up; of several the oldest comes first. -1 if there is no room, or such a flow already. */
  restore({ row, low: lowAddress, high: highAddress }: FlowRow, carrier: number): number {
    const table = this.#table
    const at = (place: number) => row[place - CARRIER]
    const kind = at(KIND)
    let [low, high, ports, state] = [at(LOW), at(HIGH), at(PORTS), at(STATE)]
    if (lowAddress !== null && highAddress !== null) {
      low = this.#addresses.hold(lowAddress, 0, 16, 0)
      high = this.#addresses.hold(highAddress, 0, 16, 0)
      // The key has them in the order of numbers that are other ones by now.
      if (low > high) [low, high, ports, state] = [high, low, (ports << 16) | (ports >>> 16), state ^ FIRST_IS_LOW]
    }
    const isNew = low !== high || lowAddress === null || low !== NONE
    const isThere = isNew && table.find(carrier, low, high, ports, kind) === NONE
    const flow = isThere ? table.insert(carrier, low, high, ports, kind) : NONE
    if (flow === NONE) {
      if (lowAddress !== null) this.#letGo(low, high)
      return NONE
    }
    table.words.set(row.subarray(STATE - CARRIER), flow * ROW + STATE)
    table.words[flow * ROW + STATE] = state
    this.#bear(flow)
    this.#chain(flow, carrier)
    this.#timers.schedule(flow, this.#dueUs(flow))
    return flow
  }

  /** ICMP has no ports: the identifier of an echo keeps two pings apart, type and code stand for the rest. */
  #observeIcmp(frame: Frame, carrier: number, sender: 0 | 1, captured: number): void {
    const { inner } = frame
    const at = inner.payloadStart
    const type = inner.bytes[at]
    const code = inner.bytes[at + 1]
    const isEcho = inner.protocol === IP_PROTOCOL.ICMP ? type === 8 || type === 0 : type === 128 || type === 129
    const port = isEcho && captured >= 6 ? this.#view.getUint16(at + 4) : (type << 8) | code
    const flow = this.#flowOf(frame, carrier, sender, inner.protocol, port, port, 0, (type << 8) | code)
    if (flow === NONE) return
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
      const lastUs = silentSince(table.doubles[known * DOUBLES + LAST_US], this.#pause)
      if (!isReopened && frame.timeUs - lastUs < this.#idleUs(protocol, state)) return known
      this.#close(known, isReopened ? flowEnd(state) : FELL_IDLE, frame.timeUs)
      // Closing may have let go of the interned addresses.
      if (!this.#readKey(frame, protocol, sourcePort, destinationPort)) return NONE
    }
    return this.#open(frame, carrier, sender, protocol, tcpFlags, icmp)
  }

  /** False if an IPv6 address found no room. */
  #readKey({ inner }: Frame, protocol: number, sourcePort: number, destinationPort: number): boolean {
    let source: number
    let destination: number
    if (inner.addressLength === 4) {
      source = this.#view.getInt32(inner.sourceAt)
      destination = this.#view.getInt32(inner.destinationAt)
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

  #open(frame: Frame, carrier: number, sender: 0 | 1, protocol: number, tcpFlags: number, icmp: number): number {
    const table = this.#table
    const flow = table.insert(carrier, this.#keyLow, this.#keyHigh, this.#keyPorts, this.#keyKind)
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
    this.#bear(flow)
    this.#chain(flow, carrier)
    this.#timers.schedule(flow, frame.timeUs + this.#idleUs(protocol, state))
    return flow
  }

  /** The youngest of the flows of its carrier. */
  #chain(flow: number, carrier: number): void {
    const table = this.#table
    const owner = ownerOf(carrier)
    const at = indexOf(carrier)
    while (at >= this.#firstOf[owner].length) this.#firstOf[owner] = doubled(this.#firstOf[owner])
    const first = this.#firstOf[owner][at] - 1
    table.next[flow] = first
    table.previous[flow] = NONE
    if (first !== NONE) table.previous[first] = flow
    this.#firstOf[owner][at] = flow + 1
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
    const dueUs = this.#dueUs(flow)
    if (dueUs > this.#nowUs) this.#timers.schedule(flow, dueUs)
    else this.#due.push(flow)
  }

  #dueUs(flow: number): number {
    const { words, doubles } = this.#table
    const row = flow * ROW
    const lastUs = silentSince(doubles[flow * DOUBLES + LAST_US], this.#pause)
    return lastUs + this.#idleUs(words[row + KIND] & PROTOCOL_BITS, words[row + STATE])
  }

  #close(flow: number, end: number, timeUs: number): void {
    const table = this.#table
    const row = flow * ROW
    const { words } = table
    if ((words[row + STATE] & WANTED) !== 0) {
      const memory = this.#protocols.closed(flow, timeUs)
      if (memory !== NONE) words[row + STATE] = (words[row + STATE] & ~MEMORY_BITS) | (memory << MEMORY_SHIFT)
    }
    this.#listener.flowClosed(this.recordOf(flow), end, timeUs)
    this.#timers.cancel(flow)
    if ((words[row + KIND] & IS_IPV6) !== 0) this.#letGo(words[row + LOW], words[row + HIGH])
    const carrier = words[row + CARRIER]
    const next = table.next[flow]
    const previous = table.previous[flow]
    if (previous === NONE) this.#firstOf[ownerOf(carrier)][indexOf(carrier)] = next + 1
    else table.next[previous] = next
    if (next !== NONE) table.previous[next] = previous
    table.remove(flow)
  }

  #bear(flow: number): void {
    if (flow >= this.#born.length) {
      const grown = new Float64Array(this.#born.length * 2)
      grown.set(this.#born)
      this.#born = grown
    }
    this.#born[flow] = ++this.born
  }

  #letGo(low: number, high: number): void {
    this.#addresses.release(low)
    this.#addresses.release(high)
    this.#heldForOpening = false
  }

  // --- for the readers of what a flow carries

  said(flow: number, what: Said): void {
    this.#listener.said(this.recordOf(flow), what)
  }

  found(flow: number, what: Found): void {
    this.#listener.found(this.recordOf(flow), what)
  }

  raise(event: RaisedEvent): void {
    this.#listener.raise(event)
  }

  isByInitiator(flow: number): boolean {
    return (this.#table.words[flow * ROW + STATE] & BY_INITIATOR) !== 0
  }

  /** A flow as those see it who tell of it, until the next one is asked for. Of a row that is in use. */
  recordOf(flow: number): FlowRecord {
    const { words, doubles } = this.#table
    const row = flow * ROW
    const double = flow * DOUBLES
    const record = this.#record
    const isIpv6 = (words[row + KIND] & IS_IPV6) !== 0
    record.number = flow
    record.carrier = words[row + CARRIER]
    record.kind = words[row + KIND]
    record.state = words[row + STATE]
    record.ports = words[row + PORTS]
    record.low = this.#address(words[row + LOW], isIpv6, this.#low)
    record.high = this.#address(words[row + HIGH], isIpv6, this.#high)
    record.firstUs = doubles[double + FIRST_US]
    record.lastUs = doubles[double + LAST_US]
    record.packets[0] = words[row + PACKETS] >>> 0
    record.packets[1] = words[row + PACKETS + 1] >>> 0
    record.bytes[0] = doubles[double + BYTES]
    record.bytes[1] = doubles[double + BYTES + 1]
    record.born = this.#born[flow]
    return record
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

function tcpState(flags: number, isFirst: boolean): number {
  let state = 0
  if ((flags & TCP_SYN) !== 0) state |= (flags & TCP_ACK) !== 0 ? SEEN_SYN_ACK : SEEN_SYN
  if ((flags & TCP_FIN) !== 0) state |= isFirst ? FIN_FIRST : FIN_SECOND
  if ((flags & TCP_RST) !== 0) state |= isFirst ? RST_FIRST : RST_SECOND
  return state
}
