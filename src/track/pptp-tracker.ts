/**
 * PPTP (RFC 2637): control connections over TCP, the calls that they set up, and the GRE packets that carry the calls' PPP.
 *
 * A call is named by the number that the receiver of a packet assigned, and by both addresses. One whose set-up was not seen
 * is found by its packets, and its two directions by being the only ones between the two hosts.
 */
import { hash } from 'node:crypto'
import { addressText } from '../base/address.ts'
import { u16 } from '../base/bytes.ts'
import { Endpoints } from '../base/endpoints.ts'
import { PairTable } from '../base/pair-table.ts'
import { Pool } from '../base/pool.ts'
import { isoMicroseconds, SECOND_US } from '../base/time.ts'
import { Timers } from '../base/timers.ts'
import type { Frame } from '../dissect/frame.ts'
import type { Emit } from '../events/catalogue.ts'
import { PPTP, type PptpFlaw, type PptpMessage, PPTP_PORT } from '../wire/pptp.ts'
import { TCP_FIN, TCP_RST } from '../wire/tcp.ts'
import type { Anomalies } from './anomalies.ts'
import { type CarrierOwner, type Carriers, keyOf } from './carrier.ts'
import { FullTable } from './full-table.ts'
import { Halves } from './halves.ts'
import type { InnerFlowTracker } from './inner-flow.ts'
import { Meter } from './meter.ts'
import { vlanOf } from './outer.ts'
import type { PppLinkTracker } from './ppp-tracker.ts'
import { NO_CALL, NO_CONNECTION, NO_ENDPOINT, NO_ID, PptpCall, type PptpClosedBy, PptpConnection } from './pptp.ts'
import { isPptpStart } from './pptp-stream.ts'
import type { Role } from './role.ts'
import { SequenceMeter } from './sequence-meter.ts'
import { trafficOf } from './traffic.ts'

export interface PptpLimits {
  readonly pptpConnectionsMax: number
  readonly pptpCallsMax: number
  readonly setupTimeoutUs: number
  readonly idleTimeoutUs: number
  /** GRE packets of an unknown call after which it counts as one that was open before the capture. */
  readonly adoptAfter: number
}

const CLIENT = 0
const SERVER = 1
const CONNECTED = 1
/** How long packets still belong to a connection or a call that has ended. */
const LINGER_US = 30 * SECOND_US
/** Unknown calls whose packets are being counted. */
const CANDIDATES_MAX = 4096

export class PptpTracker implements CarrierOwner {
  readonly #links: PppLinkTracker
  readonly #flows: InnerFlowTracker
  readonly #emit: Emit
  readonly #anomalies: Anomalies
  readonly #limits: PptpLimits
  readonly #endpoints: Endpoints
  readonly #connections: Pool<PptpConnection>
  readonly #calls: Pool<PptpCall>
  /** Source and destination of a segment → connection times two plus the sender's role. */
  readonly #byEnds: PairTable
  /** Receiver with its call id, and sender, of a GRE packet → call times two plus the receiver's role. */
  readonly #byReceiver: PairTable
  /** Calls of which one id is not known, by sender and receiver of the packets that will show it. */
  readonly #halves: Halves
  readonly #candidates = new Map<string, number>()
  readonly #meter = new Meter()
  readonly #sequences = new SequenceMeter()
  readonly #connectionTimers = new Timers()
  readonly #callTimers = new Timers()
  readonly #number: number
  readonly #fullConnections: FullTable
  readonly #fullCalls: FullTable
  readonly #expireConnection = (index: number) => this.#connectionExpired(index)
  readonly #expireCall = (index: number) => this.#callExpired(index)
  #nowUs = 0

  constructor(
    links: PppLinkTracker,
    flows: InnerFlowTracker,
    carriers: Carriers,
    emit: Emit,
    anomalies: Anomalies,
    limits: PptpLimits,
  ) {
    this.#links = links
    this.#flows = flows
    this.#emit = emit
    this.#anomalies = anomalies
    this.#limits = limits
    const { pptpConnectionsMax, pptpCallsMax } = limits
    this.#endpoints = new Endpoints(pptpConnectionsMax * 2 + pptpCallsMax * 4)
    this.#connections = new Pool(pptpConnectionsMax, (index) => new PptpConnection(index))
    this.#number = carriers.admit(this)
    this.#calls = new Pool(pptpCallsMax, (index) => new PptpCall(index, this, this.#number))
    this.#byEnds = new PairTable(pptpConnectionsMax * 2)
    this.#byReceiver = new PairTable(pptpCallsMax * 2)
    this.#halves = new Halves(pptpCallsMax)
    this.#fullConnections = new FullTable(emit)
    this.#fullCalls = new FullTable(emit)
  }

  get size(): number {
    return this.#calls.size
  }

  at(index: number): PptpCall {
    return this.#calls.at(index)
  }

  /** A segment on the port of the control connection. */
  observeControl(frame: Frame): void {
    const { tcp, timeUs } = frame
    const connection = this.#connectionOf(frame)
    if (connection === null) return
    const sender = this.#senderOf(connection, frame)
    if (connection.state !== 'closed') connection.lastUs = timeUs
    const { bytes, payloadStart, payloadEnd } = tcp
    const finding = connection.streams[sender].push(
      tcp.sequence,
      bytes,
      payloadStart,
      payloadEnd,
      Math.max(0, frame.ip.wireEnd - payloadEnd),
      (message, flaw) => this.#act(frame, connection, sender, message, flaw),
    )
    if (finding !== null) this.#report(frame, connection, finding, '')
    if ((tcp.flags & (TCP_FIN | TCP_RST)) !== 0 && connection.state !== 'closed')
      this.#finishTcp(connection, timeUs, sender, (tcp.flags & TCP_RST) !== 0)
  }

  /** A GRE packet of version 1 that carries PPP, or acknowledges some. */
  observeCall(frame: Frame): void {
    const { ip, gre } = frame
    const found = this.#findCall(frame)
    if (found === -1) {
      this.#observeUnknown(frame)
      return
    }
    const index = found >> 1
    const sender = (1 - (found & 1)) as Role
    const call = this.#calls.at(index)
    if (call.state === 'closed') return
    if (call.state !== 'established') this.#establishCall(call, frame.timeUs)
    this.#meter.count(index, sender, ip.wireEnd - ip.headerStart, frame)
    if (gre.hasSequence) this.#sequences.observe(index * 2 + sender, gre.sequence)
    if (frame.flaw !== null) this.#reportInCall(frame, call)
    if (frame.hasInner || (frame.hasPpp && this.#links.observe(frame, call, sender)))
      this.#flows.observe(frame, keyOf(this.#number, index), sender)
  }

  expire(nowUs: number): void {
    this.#nowUs = nowUs
    this.#callTimers.advance(nowUs, this.#expireCall)
    this.#connectionTimers.advance(nowUs, this.#expireConnection)
  }

  /** The end of the capture: everything that is open is told. */
  *finish(nowUs: number): Generator<void> {
    this.#nowUs = nowUs
    for (const index of this.#connections.used()) {
      const connection = this.#connections.at(index)
      if (connection.state !== 'closed') this.#closeConnection(connection, nowUs, 'capture_end', 'the capture ended')
      this.#forgetConnection(connection)
      yield
    }
    for (const index of this.#calls.used()) {
      const call = this.#calls.at(index)
      this.#closeCall(call, nowUs, 'capture_end', 'the capture ended', null)
      this.#forgetCall(call)
      yield
    }
  }

  // --- control connections

  /** The connection of the segment in the frame; null if nobody speaks PPTP there. */
  #connectionOf(frame: Frame): PptpConnection | null {
    const found = this.#findConnection(frame)
    if (found === -1) return this.#openConnection(frame)
    const connection = this.#connections.at(found >> 1)
    if (connection.state !== 'closed' || !isStartRequest(frame)) return connection
    // The same ports again.
    this.#forgetConnection(connection)
    return this.#openConnection(frame)
  }

  #findConnection({ ip, tcp }: Frame): number {
    const source = this.#endpoints.find(ip.bytes, ip.sourceAt, ip.addressLength, tcp.sourcePort)
    if (source === NO_ENDPOINT) return -1
    const destination = this.#endpoints.find(ip.bytes, ip.destinationAt, ip.addressLength, tcp.destinationPort)
    return destination === NO_ENDPOINT ? -1 : this.#byEnds.find(source, destination)
  }

  /** Only a message opens one: ports are knocked at for many reasons. */
  #openConnection(frame: Frame): PptpConnection | null {
    const { ip, tcp, timeUs } = frame
    if (!isPptpStart(tcp.bytes, tcp.payloadStart, tcp.payloadEnd)) return null
    const source = this.#endpoints.hold(ip.bytes, ip.sourceAt, ip.addressLength, tcp.sourcePort)
    const destination = this.#endpoints.hold(ip.bytes, ip.destinationAt, ip.addressLength, tcp.destinationPort)
    const index = source === NO_ENDPOINT || destination === NO_ENDPOINT ? -1 : this.#connections.take()
    if (index === -1) {
      this.#endpoints.release(source)
      this.#endpoints.release(destination)
      this.#fullConnections.tell('pptp_connections', this.#connections.capacity, timeUs, 'PPTP control connections')
      return null
    }
    const connection = this.#connections.at(index)
    connection.reset(timeUs)
    const sender: Role = tcp.destinationPort === PPTP_PORT ? CLIENT : SERVER
    connection.endpoints[sender] = source
    connection.endpoints[1 - sender] = destination
    connection.vlan = vlanOf(frame)
    connection.protection = frame.protection
    this.#byEnds.insert(source, destination, index * 2 + sender)
    this.#byEnds.insert(destination, source, index * 2 + (1 - sender))
    connection.uid = `p-${hash('sha1', `${this.#names(connection)} ${timeUs}`).slice(0, 12)}`
    this.#connectionTimers.schedule(index, timeUs + this.#limits.setupTimeoutUs)
    return connection
  }

  #senderOf(connection: PptpConnection, { ip, tcp }: Frame): Role {
    const source = this.#endpoints.find(ip.bytes, ip.sourceAt, ip.addressLength, tcp.sourcePort)
    return source === connection.endpoints[CLIENT] ? CLIENT : SERVER
  }

  #act(frame: Frame, connection: PptpConnection, sender: Role, message: PptpMessage, flaw: PptpFlaw | null): void {
    if (connection.state === 'closed') return
    if (flaw !== null) this.#report(frame, connection, flaw, `control message type ${message.controlType}`)
    // Whatever comes without the beginning, the beginning came before the capture.
    if (connection.state === 'opening' && !isBeginning(message.controlType) && flaw === null)
      this.#adoptConnection(connection, frame.timeUs)
    switch (message.controlType) {
      case PPTP.START_REQUEST:
      case PPTP.START_REPLY:
        this.#start(frame, connection, sender, message)
        return
      case PPTP.STOP_REQUEST:
        connection.stoppedBy = sender
        connection.stop = message
        return
      case PPTP.STOP_REPLY:
        this.#closeConnection(
          connection,
          frame.timeUs,
          roleName(sender === CLIENT ? SERVER : CLIENT),
          stopReason(connection),
        )
        return
      case PPTP.OUTGOING_CALL_REQUEST:
      case PPTP.INCOMING_CALL_REQUEST:
        this.#request(frame, connection, sender, message)
        return
      case PPTP.OUTGOING_CALL_REPLY:
      case PPTP.INCOMING_CALL_REPLY:
        this.#answer(frame, connection, sender, message)
        return
      default:
        this.#actOnCall(frame, connection, sender, message)
    }
  }

  #start(frame: Frame, connection: PptpConnection, sender: Role, message: PptpMessage): void {
    const isReply = message.controlType === PPTP.START_REPLY
    if (connection.state !== 'opening' || isReply !== (sender === SERVER)) {
      this.#report(frame, connection, 'pptp.unexpected_message', `${message.messageName} by the ${roleName(sender)}`)
      return
    }
    connection.introduce(sender, message)
    if (!isReply) return
    connection.stop = message
    if (message.resultCode !== CONNECTED) {
      const reason = `refused: ${message.resultName}`
      this.#closeConnection(connection, frame.timeUs, 'server', reason)
      return
    }
    connection.stop = null
    this.#establish(connection, frame.timeUs)
    this.#emit({
      name: 'pptp.connection.opened',
      timeUs: frame.timeUs,
      message: `PPTP control connection open: ${this.#names(connection)}`,
      fields: this.#describeConnection(connection),
    })
  }

  #adoptConnection(connection: PptpConnection, timeUs: number): void {
    connection.isAdopted = true
    this.#establish(connection, timeUs)
    this.#emit({
      name: 'pptp.connection.adopted',
      timeUs,
      message: `PPTP control connection already open: ${this.#names(connection)}`,
      fields: this.#describeConnection(connection),
    })
  }

  #establish(connection: PptpConnection, timeUs: number): void {
    connection.state = 'established'
    this.#connectionTimers.schedule(connection.index, timeUs + this.#limits.idleTimeoutUs)
  }

  /** The first FIN ends one direction only: the last words of the other end are waited for. */
  #finishTcp(connection: PptpConnection, timeUs: number, sender: Role, isReset: boolean): void {
    const { finishedBy } = connection
    if (!isReset && finishedBy === -1) {
      connection.finishedBy = sender
      connection.finishedUs = timeUs
      this.#connectionTimers.schedule(connection.index, timeUs + LINGER_US)
    } else if (isReset || finishedBy !== sender) this.#endTcp(connection, timeUs, sender, 'reset')
  }

  #endTcp(connection: PptpConnection, timeUs: number, sender: Role, how: 'reset' | 'closed'): void {
    const { stoppedBy, finishedBy } = connection
    const who = finishedBy === -1 ? sender : finishedBy
    if (stoppedBy !== -1) this.#closeConnection(connection, timeUs, roleName(stoppedBy), stopReason(connection))
    else {
      const words = finishedBy === -1 ? how : 'closed'
      this.#closeConnection(connection, timeUs, roleName(who), `TCP connection ${words} by the ${roleName(who)}`)
    }
  }

  #closeConnection(connection: PptpConnection, timeUs: number, closedBy: PptpClosedBy, reason: string): void {
    const { state, index } = connection
    for (let at = connection.firstCall; at !== NO_CALL; ) {
      const call = this.#calls.at(at)
      at = call.next
      if (call.clearedBy !== -1)
        this.#closeCall(call, timeUs, roleName(call.clearedBy), `cleared by the ${roleName(call.clearedBy)}`, null)
      else {
        const words = closedBy === 'capture_end' ? reason : `control connection: ${reason}`
        this.#closeCall(call, timeUs, closedBy, words, null)
      }
      this.#unchain(call, connection)
    }
    connection.state = 'closed'
    const fields = {
      ...this.#describeConnection(connection),
      ...resultFields(connection.stop),
      'event.reason': reason,
      'pptp.closed_by': closedBy,
      'event.start': isoMicroseconds(connection.startUs),
      'event.end': isoMicroseconds(connection.lastUs),
      'event.duration': Math.round((connection.lastUs - connection.startUs) * 1000),
    }
    if (state === 'established') {
      this.#emit({
        name: 'pptp.connection.closed',
        timeUs,
        message: `PPTP control connection closed: ${this.#names(connection)}, ${reason}`,
        fields: { ...fields, 'pptp.connection.calls': connection.calls },
      })
    } else if (state === 'opening') {
      this.#emit({
        name: 'pptp.connection.failed',
        timeUs,
        message: `PPTP control connection did not come about: ${this.#names(connection)}, ${reason}`,
        fields: { ...fields, 'event.outcome': closedBy === 'capture_end' ? 'unknown' : 'failure' },
      })
    }
    this.#connectionTimers.schedule(index, timeUs + LINGER_US)
  }

  #forgetConnection(connection: PptpConnection): void {
    this.#connectionTimers.cancel(connection.index)
    const [client, server] = connection.endpoints
    this.#byEnds.remove(client, server)
    this.#byEnds.remove(server, client)
    this.#endpoints.release(client)
    this.#endpoints.release(server)
    for (const stream of connection.streams) stream.release()
    this.#connections.free(connection.index)
  }

  #connectionExpired(index: number): void {
    if (!this.#connections.isUsed(index)) return
    const connection = this.#connections.at(index)
    if (connection.state === 'closed') {
      this.#forgetConnection(connection)
      return
    }
    if (connection.finishedBy !== -1) {
      this.#endTcp(connection, connection.finishedUs, connection.finishedBy, 'closed')
      return
    }
    const isOpen = connection.state === 'established'
    const timeoutUs = isOpen ? this.#limits.idleTimeoutUs : this.#limits.setupTimeoutUs
    const dueUs = this.#lastOf(connection) + timeoutUs
    if (dueUs > this.#nowUs) {
      this.#connectionTimers.schedule(index, dueUs)
      return
    }
    const reason = isOpen ? `silent for ${Math.round(timeoutUs / SECOND_US)} s` : 'nobody answered the request'
    this.#closeConnection(connection, dueUs, 'silence', reason)
    // Peers that are silent repeat nothing; if they speak after all, the connection is adopted.
    this.#forgetConnection(connection)
  }

  /** The last sign of life of a connection or of any of its calls. */
  #lastOf(connection: PptpConnection): number {
    let lastUs = connection.lastUs
    for (let at = connection.firstCall; at !== NO_CALL; at = this.#calls.at(at).next)
      lastUs = Math.max(lastUs, this.#meter.lastUs(at))
    return lastUs
  }

  // --- calls, by the control connection

  #request(frame: Frame, connection: PptpConnection, sender: Role, message: PptpMessage): void {
    const { callId = 0 } = message
    const earlier = this.#callOf(frame, sender, sender, callId)
    if (earlier !== null) {
      this.#closeCall(earlier, frame.timeUs, 'silence', 'its call id was assigned again', null)
      this.#forgetCall(earlier)
    }
    const call = this.#openCall(frame, connection, sender)
    if (call === null) return
    call.kind = message.controlType === PPTP.OUTGOING_CALL_REQUEST ? 'outgoing' : 'incoming'
    call.asker = sender
    call.request = message
    this.#assign(frame, call, sender, sender, callId)
    this.#list(call, (1 - sender) as Role)
    call.uid = this.#uidOf(call)
    this.#callTimers.schedule(call.index, frame.timeUs + this.#limits.setupTimeoutUs)
  }

  #answer(frame: Frame, connection: PptpConnection, sender: Role, message: PptpMessage): void {
    const { callId = 0, peerCallId = 0, resultCode } = message
    const asker = (1 - sender) as Role
    const call = this.#callOf(frame, sender, asker, peerCallId)
    if (call === null) {
      if (!connection.isAdopted) this.#report(frame, connection, 'pptp.call_unknown', message.messageName)
      return
    }
    if (call.state !== 'requested' && !(call.state === 'established' && call.answer === null)) {
      this.#report(
        frame,
        connection,
        'pptp.unexpected_message',
        `${message.messageName} in a call that is ${call.state}`,
      )
      return
    }
    call.answer = message
    if (resultCode !== CONNECTED) {
      this.#closeCall(call, frame.timeUs, roleName(sender), `refused: ${message.resultName}`, message)
      return
    }
    if (call.ids[sender] === NO_ID) this.#assign(frame, call, sender, sender, callId)
    if (call.state === 'established') return
    if (message.controlType === PPTP.INCOMING_CALL_REPLY) call.state = 'answered'
    else this.#establishCall(call, frame.timeUs)
  }

  #actOnCall(frame: Frame, connection: PptpConnection, sender: Role, message: PptpMessage): void {
    const { controlType, timeUs, callId, peerCallId } = { ...message, timeUs: frame.timeUs }
    const receiver = (1 - sender) as Role
    switch (controlType) {
      case PPTP.INCOMING_CALL_CONNECTED: {
        const call = this.#callOf(frame, sender, receiver, peerCallId ?? 0)
        if (call !== null && call.state !== 'established' && call.state !== 'closed') this.#establishCall(call, timeUs)
        return
      }
      case PPTP.CALL_CLEAR_REQUEST:
      case PPTP.CALL_DISCONNECT_NOTIFY: {
        // The number is the sender's own; some write the other end's.
        const call =
          this.#callOf(frame, sender, sender, callId ?? 0) ?? this.#callOf(frame, sender, receiver, callId ?? 0)
        if (call === null || call.state === 'closed') return
        if (controlType === PPTP.CALL_CLEAR_REQUEST) call.clearedBy = sender
        else this.#disconnect(call, timeUs, sender, message)
        return
      }
      case PPTP.WAN_ERROR_NOTIFY: {
        const call = this.#callOf(frame, sender, receiver, peerCallId ?? 0)
        if (call !== null) call.wanErrors += wanErrors(message)
        return
      }
      case PPTP.SET_LINK_INFO:
        if (this.#callOf(frame, sender, receiver, peerCallId ?? 0) === null && !connection.isAdopted)
          this.#report(frame, connection, 'pptp.call_unknown', message.messageName)
    }
  }

  #disconnect(call: PptpCall, timeUs: number, sender: Role, message: PptpMessage): void {
    const { clearedBy } = call
    const words = `disconnected: ${message.resultName}`
    const reason = clearedBy === -1 ? words : `cleared by the ${roleName(clearedBy)}`
    this.#closeCall(call, timeUs, roleName(clearedBy === -1 ? sender : clearedBy), reason, message)
  }

  /** The call whose id `role` assigned. `sender` is the role that sent the packet in the frame. */
  #callOf({ ip }: Frame, sender: Role, role: Role, callId: number): PptpCall | null {
    const [own, other] = role === sender ? [ip.sourceAt, ip.destinationAt] : [ip.destinationAt, ip.sourceAt]
    const receiver = this.#endpoints.find(ip.bytes, own, ip.addressLength, callId)
    const host = this.#endpoints.find(ip.bytes, other, ip.addressLength, 0)
    const found = receiver === NO_ENDPOINT || host === NO_ENDPOINT ? -1 : this.#byReceiver.find(receiver, host)
    return found === -1 ? null : this.#calls.at(found >> 1)
  }

  // --- calls, by their packets

  #findCall({ ip, gre }: Frame): number {
    const receiver = this.#endpoints.find(ip.bytes, ip.destinationAt, ip.addressLength, gre.callId)
    if (receiver === NO_ENDPOINT) return -1
    const sender = this.#endpoints.find(ip.bytes, ip.sourceAt, ip.addressLength, 0)
    return sender === NO_ENDPOINT ? -1 : this.#byReceiver.find(receiver, sender)
  }

  #observeUnknown(frame: Frame): void {
    if (this.#completeHalf(frame)) {
      this.observeCall(frame)
      return
    }
    if (!frame.hasPpp) return
    const { ip, gre } = frame
    const key = `${addressText(ip.bytes, ip.sourceAt, ip.addressLength)} ${addressText(ip.bytes, ip.destinationAt, ip.addressLength)} ${gre.callId}`
    const packets = (this.#candidates.get(key) ?? 0) + 1
    this.#candidates.delete(key)
    if (packets < this.#limits.adoptAfter) {
      if (this.#candidates.size >= CANDIDATES_MAX)
        this.#candidates.delete(this.#candidates.keys().next().value as string)
      this.#candidates.set(key, packets)
      return
    }
    if (this.#adoptCall(frame)) this.observeCall(frame)
  }

  /** Gives the one call between these hosts that lacks the receiver's id the one in the frame. */
  #completeHalf(frame: Frame): boolean {
    const { ip, gre, timeUs } = frame
    const sender = this.#endpoints.find(ip.bytes, ip.sourceAt, ip.addressLength, 0)
    const receiver = this.#endpoints.find(ip.bytes, ip.destinationAt, ip.addressLength, 0)
    const half = sender === NO_ENDPOINT || receiver === NO_ENDPOINT ? -1 : this.#halves.only(sender, receiver)
    if (half === -1) return false
    const call = this.#calls.at(half >> 1)
    const role = (half & 1) as Role
    this.#assign(frame, call, (1 - role) as Role, role, gre.callId)
    if (call.state === 'requested') this.#establishCall(call, timeUs)
    return true
  }

  /** Who is the client is not known; the first sender stands for it, and PPP tells who logs in. */
  #adoptCall(frame: Frame): boolean {
    const call = this.#openCall(frame, null, CLIENT)
    if (call === null) return false
    call.isAdopted = true
    call.state = 'established'
    this.#assign(frame, call, CLIENT, SERVER, frame.gre.callId)
    this.#list(call, CLIENT)
    call.uid = this.#uidOf(call)
    this.#callTimers.schedule(call.index, frame.timeUs + this.#limits.idleTimeoutUs)
    this.#emit({
      name: 'pptp.call.adopted',
      timeUs: frame.timeUs,
      message: `PPTP call already open: ${this.#hostNames(call)}`,
      fields: this.#describeCall(call),
    })
    return true
  }

  // --- life and death of calls

  #openCall(frame: Frame, connection: PptpConnection | null, sender: Role): PptpCall | null {
    const { ip, timeUs } = frame
    const source = this.#endpoints.hold(ip.bytes, ip.sourceAt, ip.addressLength, 0)
    const destination = this.#endpoints.hold(ip.bytes, ip.destinationAt, ip.addressLength, 0)
    const index = source === NO_ENDPOINT || destination === NO_ENDPOINT ? -1 : this.#calls.take()
    if (index === -1) {
      this.#endpoints.release(source)
      this.#endpoints.release(destination)
      this.#fullCalls.tell('pptp_calls', this.#calls.capacity, timeUs, 'PPTP calls')
      return null
    }
    const call = this.#calls.at(index)
    call.reset(connection?.index ?? NO_CONNECTION, timeUs)
    call.hosts[sender] = source
    call.hosts[1 - sender] = destination
    call.vlan = vlanOf(frame)
    call.protection = connection?.protection ?? frame.protection
    this.#meter.open(index, timeUs)
    this.#sequences.open(index * 2)
    this.#sequences.open(index * 2 + 1)
    if (connection !== null) {
      connection.calls++
      call.next = connection.firstCall
      if (call.next !== NO_CALL) this.#calls.at(call.next).previous = index
      connection.firstCall = index
    }
    return call
  }

  #establishCall(call: PptpCall, timeUs: number): void {
    call.state = 'established'
    this.#callTimers.cancel(call.index)
    this.#emit({
      name: 'pptp.call.opened',
      timeUs,
      message: `PPTP call open: ${this.#hostNames(call)}`,
      fields: this.#describeCall(call),
    })
  }

  #closeCall(
    call: PptpCall,
    timeUs: number,
    closedBy: PptpClosedBy,
    reason: string,
    message: PptpMessage | null,
  ): void {
    const { state, index } = call
    if (state === 'closed') return
    this.#flows.carrierClosed(call)
    this.#links.carrierClosed(call, timeUs, reason)
    this.#unlist(call)
    call.state = 'closed'
    this.#callTimers.schedule(index, timeUs + LINGER_US)
    const cause = {
      ...resultFields(message),
      'event.reason': reason,
      'pptp.closed_by': closedBy,
      'pptp.call.q931_cause': message?.causeCode === 0 ? undefined : message?.causeCode,
      'pptp.call.statistics': message?.callStatistics === '' ? undefined : message?.callStatistics,
      'pptp.call.wan_errors': call.wanErrors === 0 ? undefined : call.wanErrors,
    }
    if (state === 'established') {
      this.#emit({
        name: 'pptp.call.closed',
        timeUs,
        message: `PPTP call closed: ${this.#hostNames(call)}, ${reason}`,
        fields: {
          ...this.#describeCall(call),
          ...cause,
          ...this.traffic(call),
          'pptp.call.lost': this.#sequences.lost(index * 2) + this.#sequences.lost(index * 2 + 1),
          'pptp.call.reordered': this.#sequences.reordered(index * 2) + this.#sequences.reordered(index * 2 + 1),
        },
      })
      return
    }
    const endUs = this.#meter.lastUs(index)
    this.#emit({
      name: 'pptp.call.failed',
      timeUs,
      message: `PPTP call did not come about: ${this.#hostNames(call)}, ${reason}`,
      fields: {
        ...this.#describeCall(call),
        ...cause,
        'pptp.call.state': state,
        'event.outcome': closedBy === 'capture_end' ? 'unknown' : 'failure',
        'event.start': isoMicroseconds(call.startUs),
        'event.end': isoMicroseconds(endUs),
        'event.duration': Math.round((endUs - call.startUs) * 1000),
      },
    })
  }

  #callExpired(index: number): void {
    if (!this.#calls.isUsed(index)) return
    const call = this.#calls.at(index)
    if (call.state === 'closed') {
      this.#forgetCall(call)
      return
    }
    if (call.state !== 'established') {
      const dueUs = Math.min(call.startUs + this.#limits.setupTimeoutUs, this.#nowUs)
      this.#closeCall(call, dueUs, 'silence', 'nobody answered the request', null)
      return
    }
    const { idleTimeoutUs } = this.#limits
    const dueUs = this.#meter.lastUs(index) + idleTimeoutUs
    if (dueUs > this.#nowUs) {
      this.#callTimers.schedule(index, dueUs)
      return
    }
    this.#closeCall(call, dueUs, 'silence', `silent for ${Math.round(idleTimeoutUs / SECOND_US)} s`, null)
    this.#forgetCall(call)
  }

  #forgetCall(call: PptpCall): void {
    const { index } = call
    this.#callTimers.cancel(index)
    this.#unlist(call)
    if (call.connection !== NO_CONNECTION) this.#unchain(call, this.#connections.at(call.connection))
    for (const role of [CLIENT, SERVER] as const) {
      this.#unassign(call, role)
      this.#endpoints.release(call.hosts[role])
    }
    this.#calls.free(index)
  }

  #unchain(call: PptpCall, connection: PptpConnection): void {
    if (call.previous !== NO_CALL) this.#calls.at(call.previous).next = call.next
    else connection.firstCall = call.next
    if (call.next !== NO_CALL) this.#calls.at(call.next).previous = call.previous
    call.connection = NO_CONNECTION
    call.next = NO_CALL
    call.previous = NO_CALL
  }

  /** `role` assigned the id. `sender` is the role that sent the packet in the frame, which has both addresses. */
  #assign({ ip }: Frame, call: PptpCall, sender: Role, role: Role, callId: number): void {
    if (call.lacking === role) this.#unlist(call)
    this.#unassign(call, role)
    call.ids[role] = callId
    const receiver = this.#endpoints.hold(
      ip.bytes,
      role === sender ? ip.sourceAt : ip.destinationAt,
      ip.addressLength,
      callId,
    )
    if (receiver === NO_ENDPOINT) return
    call.receivers[role] = receiver
    this.#byReceiver.insert(receiver, call.hosts[1 - role], call.index * 2 + role)
  }

  #unassign(call: PptpCall, role: Role): void {
    const receiver = call.receivers[role]
    if (receiver === NO_ENDPOINT) return
    const host = call.hosts[1 - role]
    if (this.#byReceiver.find(receiver, host) === call.index * 2 + role) this.#byReceiver.remove(receiver, host)
    this.#endpoints.release(receiver)
    call.receivers[role] = NO_ENDPOINT
  }

  #list(call: PptpCall, lacking: Role): void {
    const { hosts } = call
    if (this.#halves.add(hosts[1 - lacking], hosts[lacking], call.index * 2 + lacking)) call.lacking = lacking
  }

  #unlist(call: PptpCall): void {
    const { hosts, lacking } = call
    if (lacking === -1) return
    this.#halves.remove(hosts[1 - lacking], hosts[lacking], call.index * 2 + lacking)
    call.lacking = -1
  }

  // --- telling

  identify(call: PptpCall) {
    const connection = call.connection === NO_CONNECTION ? null : this.#connections.at(call.connection)
    const lineage = connection?.lineage ?? call.protection?.lineage ?? []
    return {
      'esp.tunnel.uid': call.protection?.uid,
      'ike.uid': call.protection?.ikeUid,
      'pptp.connection.uid': connection?.uid,
      'pptp.call.uid': call.uid,
      'borescope.lineage': [...lineage, call.uid],
    }
  }

  hosts(call: PptpCall, source: Role) {
    const [from, to] = [call.hosts[source], call.hosts[1 - source]]
    return {
      'source.ip': this.#endpoints.address(from),
      'destination.ip': this.#endpoints.address(to),
      'network.type': this.#endpoints.isIpv6(from) ? 'ipv6' : 'ipv4',
      'network.transport': 'gre',
      'network.protocol': 'pptp',
      'network.vlan.id': call.vlan,
    }
  }

  traffic(call: PptpCall, source: Role = CLIENT) {
    return trafficOf(this.#meter, call.index, source, call.startUs)
  }

  #describeCall(call: PptpCall) {
    const connection = call.connection === NO_CONNECTION ? null : this.#connections.at(call.connection)
    const { request, answer } = call
    const speed = answer?.connectSpeed
    return {
      ...this.hosts(call, CLIENT),
      ...this.identify(call),
      'pptp.client.host_name': connection?.parties[CLIENT].hostName,
      'pptp.server.host_name': connection?.parties[SERVER].hostName,
      'pptp.call.kind': call.kind,
      'pptp.call.client_id': known(call.ids[CLIENT]),
      'pptp.call.server_id': known(call.ids[SERVER]),
      'pptp.call.adopted': call.isAdopted || undefined,
      'pptp.call.called_number': words(request?.phoneNumber ?? request?.dialedNumber),
      'pptp.call.calling_number': words(request?.dialingNumber),
      'pptp.call.sub_address': words(request?.subaddress),
      'pptp.call.connect_speed': speed === 0 ? undefined : speed,
      'user.name': call.userName,
    }
  }

  #describeConnection(connection: PptpConnection) {
    const [client, server] = connection.parties
    const [source, destination] = connection.endpoints
    return {
      'source.ip': this.#endpoints.address(source),
      'source.port': this.#endpoints.port(source),
      'destination.ip': this.#endpoints.address(destination),
      'destination.port': this.#endpoints.port(destination),
      'network.type': this.#endpoints.isIpv6(source) ? 'ipv6' : 'ipv4',
      'network.transport': 'tcp',
      'network.protocol': 'pptp',
      'network.vlan.id': connection.vlan,
      'esp.tunnel.uid': connection.protection?.uid,
      'ike.uid': connection.protection?.ikeUid,
      'pptp.connection.uid': connection.uid,
      'pptp.connection.adopted': connection.isAdopted || undefined,
      'pptp.client.host_name': client.hostName,
      'pptp.client.vendor_name': client.vendorName,
      'pptp.client.firmware': client.firmware,
      'pptp.server.host_name': server.hostName,
      'pptp.server.vendor_name': server.vendorName,
      'pptp.server.firmware': server.firmware,
      'borescope.lineage': connection.lineage,
    }
  }

  #names({ endpoints }: PptpConnection): string {
    const [client, server] = endpoints.map((id) => `${this.#endpoints.address(id)}:${this.#endpoints.port(id)}`)
    return `${client} → ${server}`
  }

  #hostNames({ hosts }: PptpCall): string {
    return `${this.#endpoints.address(hosts[CLIENT])} → ${this.#endpoints.address(hosts[SERVER])}`
  }

  #uidOf(call: PptpCall): string {
    return `c-${hash('sha1', `${this.#hostNames(call)} ${call.ids.join(' ')} ${call.startUs}`).slice(0, 12)}`
  }

  #report(frame: Frame, connection: PptpConnection, name: string, detail: string): void {
    this.#anomalies.report(frame, name, 'pptp', detail, 'ip', {
      'source.port': frame.tcp.sourcePort,
      'destination.port': frame.tcp.destinationPort,
      'network.transport': 'tcp',
      'network.protocol': 'pptp',
      'pptp.connection.uid': connection.uid,
      'borescope.lineage': connection.lineage,
    })
  }

  /** PPP that cannot be read, or IP in it. */
  #reportInCall(frame: Frame, call: PptpCall): void {
    const identity = this.identify(call)
    this.#anomalies.report(frame, frame.flaw ?? '', frame.flawLayer, 'in a call', 'ip', {
      'network.transport': 'gre',
      'network.protocol': 'pptp',
      'pptp.connection.uid': identity['pptp.connection.uid'],
      'pptp.call.uid': call.uid,
      'borescope.lineage': identity['borescope.lineage'],
    })
  }
}

/** Whether a segment begins with a Start-Control-Connection-Request. */
function isStartRequest({ tcp }: Frame): boolean {
  const { bytes, payloadStart, payloadEnd } = tcp
  return isPptpStart(bytes, payloadStart, payloadEnd) && u16(bytes, payloadStart + 8) === PPTP.START_REQUEST
}

function isBeginning(controlType: number): boolean {
  return controlType === PPTP.START_REQUEST || controlType === PPTP.START_REPLY
}

function roleName(role: Role): 'client' | 'server' {
  return role === CLIENT ? 'client' : 'server'
}

function stopReason({ stoppedBy, stop }: PptpConnection): string {
  if (stoppedBy === -1) return 'stopped'
  const why = stop?.reasonName === undefined || stop.reason === 1 ? '' : ` (${stop.reasonName.toLowerCase()})`
  return `stopped by the ${roleName(stoppedBy)}${why}`
}

/** The reason of a Stop-Control-Connection-Request stands where the result of others does. */
function resultFields(message: PptpMessage | null) {
  if (message === null) return {}
  const { resultCode, resultName, errorCode, errorName, reason, reasonName } = message
  return {
    'pptp.result.code': resultCode ?? reason,
    'pptp.result.text': resultName ?? reasonName,
    'pptp.error.code': errorCode === 0 ? undefined : errorCode,
    'pptp.error.text': errorCode === 0 ? undefined : errorName,
  }
}

function wanErrors(message: PptpMessage): number {
  const { crcErrors = 0, framingErrors = 0, hardwareOverruns = 0 } = message
  const { bufferOverruns = 0, timeoutErrors = 0, alignmentErrors = 0 } = message
  return crcErrors + framingErrors + hardwareOverruns + bufferOverruns + timeoutErrors + alignmentErrors
}

function known(id: number): number | undefined {
  return id === NO_ID ? undefined : id
}

function words(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}
