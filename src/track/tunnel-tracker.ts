/**
 * L2TP tunnels as a bystander sees them: who asked for one, who answered, what it carried, how it ended.
 *
 * A message names the tunnel by the number that its receiver assigned (RFC 2661 section 3.1), so a tunnel is found by
 * (receiver, tunnel id): the initiator's half is known from the SCCRQ, the responder's from the SCCRP. The control
 * connections of version 3 (RFC 3931 section 3.3) live the same life; what is different there its dialect says.
 */
import { hash } from 'node:crypto'
import { i32 } from '../base/bytes.ts'
import type { Endpoints } from '../base/endpoints.ts'
import { SECOND_US } from '../base/time.ts'
import { Timers } from '../base/timers.ts'
import type { Ahead } from '../dissect/ahead.ts'
import type { Frame } from '../dissect/frame.ts'
import type { PlainDataView } from '../dissect/plain-data.ts'
import type { Emit } from '../events/catalogue.ts'
import { IP_PROTOCOL } from '../wire/ip.ts'
import { L2TP_PORT } from '../wire/l2tp.ts'
import { Allowances } from './allowances.ts'
import type { Anomalies } from './anomalies.ts'
import { AvpFindings } from './avp-findings.ts'
import { Candidates } from './candidates.ts'
import type { Arrival } from './control-channel.ts'
import {
  type ControlMessage,
  type Finding,
  type FindingEventName,
  type FindingFields,
  type FoundMessage,
  findingEvent,
  foundIn,
  keepMessage,
  stopReason,
} from './control-message.ts'
import type { Dialect, SpokenMessage } from './dialect.ts'
import { FullTable } from './full-table.ts'
import { Meter } from './meter.ts'
import { vlanOf } from './outer.ts'
import { INITIATOR, RESPONDER, type Role } from './role.ts'
import { NO_PAUSE, type Pause, silentSince, type Uptake } from './saved.ts'
import { loadTunnel, type SavedSession, type SavedTunnel, saveTunnel } from './saved-tunnel.ts'
import { type ClosedBy, isTunnelMessage, NO_ID, type Tunnel, type TunnelMessage } from './tunnel.ts'
import { TunnelAuthentication } from './tunnel-authentication.ts'
import { TunnelEvents } from './tunnel-events.ts'
import { TunnelTable } from './tunnel-table.ts'

/** A tunnel that ended is remembered while its peers may still repeat themselves: a full retransmission cycle (RFC 2661 section 5.7). */
const LINGER_US = 35 * SECOND_US

export interface TunnelLimits {
  readonly tunnelsMax: number
  /** A set-up that makes no progress is half-open, and given up, after this. */
  readonly setupTimeoutUs: number
  /** An open tunnel without any packet is taken for dead after this. */
  readonly idleTimeoutUs: number
  /** Datagrams to an unknown tunnel before it is adopted. */
  readonly adoptAfter: number
  /** Unanswered requests for tunnels that are told of one responder in a minute. */
  readonly requestsPerMinute: number
}

/** The session tracker, as tunnels need it. */
export interface TunnelSessions {
  /** The key of the session that the message is about; -1 if it is about none. */
  control(tunnel: Tunnel, sender: Role, message: ControlMessage): number
  save(tunnel: Tunnel): SavedSession[]
  /** False if there is no room. */
  restore(tunnel: Tunnel, saved: SavedSession, pause: Pause): boolean
  tunnelClosed(tunnel: Tunnel, timeUs: number, closedBy: ClosedBy, reason: string): void
  /** Of version 3: it is open from now on, for data between its ends. */
  tunnelOpened?(tunnel: Tunnel): void
  /** Of version 3: nothing is remembered of it from now on. */
  tunnelForgotten?(tunnel: Tunnel): void
  /** Of version 3: the end in that role has another port from now on. */
  tunnelMoved?(tunnel: Tunnel, role: Role): void
  /** Of version 3: the tunnel between the hosts of the frame of which only data was seen; null if there is none. */
  unmanaged?(frame: Frame): Tunnel | null
}

/** Message type of the explicit acknowledgement of version 3, which takes no place in the sequence. */
const ACK = 'ACK'

/** Responders whose requests are counted: as many as a sensor sees servers, and more. */
const RESPONDERS_MAX = 4096

/** No 32-bit address. */
const NOT_SEEN = Number.NaN

export class TunnelTracker {
  readonly events: TunnelEvents
  readonly #emit: Emit
  readonly #anomalies: Anomalies
  readonly #limits: TunnelLimits
  readonly #dialect: Dialect
  readonly #authentication: TunnelAuthentication
  readonly #avps: AvpFindings
  readonly #learnPort: (port: number) => void
  readonly #table: TunnelTable
  readonly #timers = new Timers()
  readonly #candidates: Candidates
  readonly #requests: Allowances
  /**
   * By sending role. The mark is the IPv4 address from which that role's data came last, once it was found to be the peer's. The pass
   * stands for that, and for the names by which messages find the tunnel.
   */
  readonly #meter = new Meter()
  #sessions: TunnelSessions | null = null
  #successor: TunnelTracker | null = null
  readonly #fullEndpoints: FullTable
  readonly #fullTunnels: FullTable
  readonly #expire = (index: number) => this.#expired(index)
  #nowUs = 0
  #pause = NO_PAUSE

  constructor(
    endpoints: Endpoints,
    emit: Emit,
    anomalies: Anomalies,
    dialect: Dialect,
    secrets: readonly Uint8Array[],
    limits: TunnelLimits,
    learnPort: (port: number) => void,
  ) {
    this.events = new TunnelEvents(endpoints, emit)
    this.#table = new TunnelTable(endpoints, limits.tunnelsMax, (index) => this.#meter.renewPass(index))
    this.#emit = emit
    this.#fullEndpoints = new FullTable(emit)
    this.#fullTunnels = new FullTable(emit)
    this.#anomalies = anomalies
    this.#limits = limits
    this.#dialect = dialect
    this.#authentication = new TunnelAuthentication(dialect, secrets, this.events, anomalies)
    this.#avps = new AvpFindings(dialect, emit, anomalies)
    this.#learnPort = learnPort
    this.#candidates = new Candidates(emit, dialect, limits.adoptAfter)
    this.#requests = new Allowances(limits.requestsPerMinute, RESPONDERS_MAX)
  }

  /** The two trackers know each other; this closes the ring at start. */
  attach(sessions: TunnelSessions): void {
    this.#sessions = sessions
  }

  /** The tracker of version 3 is told of what offers both. */
  offerTo(successor: TunnelTracker): void {
    this.#successor = successor
  }

  /** Requests for tunnels that were not told. */
  get suppressed(): number {
    return this.#requests.suppressed
  }

  get size(): number {
    return this.#table.tunnels.size
  }

  at(index: number): Tunnel {
    return this.#table.tunnels.at(index)
  }

  /**
   * The tunnel that the message in the frame belongs to, counted: its index times two, plus the role of the receiver. -1 if
   * nobody assigned the id, which is reported from here; the packet path is two look-ups and three additions.
   */
  find(frame: Frame): number {
    const { ip, l2tp } = frame
    const found = this.#table.find(frame, l2tp.tunnelId)
    if (found === -1) return -1
    frame.trail.tunnel = found >> 1
    this.#meter.count(found >> 1, 1 - (found & 1), ip.wireEnd - ip.headerStart, frame)
    return found
  }

  /** The same for a plain data message, not counted yet. -1 also if its source is not known to be the peer. */
  findPlain({ source, receiver, receiverPort, tunnelId }: PlainDataView): number {
    const found = this.#table.findIpv4(receiver, receiverPort, tunnelId)
    return found === -1 || this.#meter.mark(found >> 1, 1 - (found & 1)) !== source ? -1 : found
  }

  /** Stands for all by which `findPlain` finds the tunnel: another number once any of it has changed. */
  passOf(index: number): number {
    return this.#meter.pass(index)
  }

  countPlain(frame: Frame, found: number): void {
    frame.trail.tunnel = found >> 1
    this.#meter.count(found >> 1, 1 - (found & 1), frame.plain.ipLength, frame)
  }

  /** Has the processor read what `find` will need for messages to come, and says in `ahead.tunnel` what it will answer. */
  prefetch(ahead: Ahead): void {
    this.#table.prefetch(ahead)
    const { count, tunnel, places } = ahead
    for (let i = 0; i < count; i++) places[i] = tunnel[i] === -1 ? 0 : this.#meter.placeOf(tunnel[i] >> 1)
    ahead.fetch(this.#meter.words)
  }

  /** The same for a control message of any dialect. */
  findControl(frame: Frame): number {
    const { ip } = frame
    const found = this.#table.find(frame, this.#dialect.header(frame).tunnelId)
    if (found === -1) return -1
    this.#mark(frame, found >> 1)
    this.#meter.count(found >> 1, 1 - (found & 1), ip.wireEnd - ip.headerStart, frame)
    return found
  }

  /** Every control message, and everything to a tunnel that is not known, leaves the packet path by this door. `found` is what `find` said. */
  observeControl(frame: Frame, found: number): void {
    const { isAcknowledgement } = this.#dialect.header(frame)
    if (found === -1) {
      this.#observeUnknown(frame)
      return
    }
    const tunnel = this.at(found >> 1)
    const sender = (1 - (found & 1)) as Role
    if (!this.#isFromPeer(tunnel, sender, frame)) {
      this.#foreignSource(tunnel, sender, frame)
      return
    }
    if (tunnel.state === 'established') this.#followPort(tunnel, sender, frame)
    if (isAcknowledgement) this.#acknowledge(frame, tunnel, sender, 'ZLB')
    else this.#observeMessage(frame, tunnel, sender, this.#dialect.describe(frame))
  }

  /** A data message to a tunnel that is known came from a host that is not its peer. */
  isForeign(frame: Frame, found: number): boolean {
    const { ip } = frame
    const sender = (1 - (found & 1)) as Role
    const isIpv4 = ip.addressLength === 4
    if (isIpv4 && this.#meter.mark(found >> 1, sender) === i32(ip.bytes, ip.sourceAt)) return false
    const tunnel = this.at(found >> 1)
    if (this.#isFromPeer(tunnel, sender, frame)) {
      if (isIpv4 && tunnel.state !== 'opening') this.#meter.setMark(tunnel.index, sender, i32(ip.bytes, ip.sourceAt))
      return false
    }
    this.#foreignSource(tunnel, sender, frame)
    return true
  }

  *expire(nowUs: number): Generator<void> {
    this.#nowUs = nowUs
    yield* this.#timers.advance(nowUs, this.#expire)
    this.#candidates.expire(nowUs)
  }

  /** The end of the capture: everything that is open is told, a tunnel at a time. */
  *finish(nowUs: number): Generator<void> {
    this.#nowUs = nowUs
    for (const index of this.#table.tunnels.used()) {
      const tunnel = this.at(index)
      if (tunnel.state !== 'closed') this.#close(tunnel, nowUs, 'capture_end', 'the capture ended')
      this.#forget(tunnel)
      yield
    }
    this.#candidates.finish()
  }

  /** Every tunnel with its sessions; entries may be taken one after the other while packets go on. */
  *save(): Generator<SavedTunnel> {
    for (const index of this.#table.tunnels.used()) {
      const tunnel = this.at(index)
      const sessions = this.#sessions?.save(tunnel) ?? []
      yield saveTunnel(tunnel, this.#table.endpointsOf(tunnel), this.#meter.save(index), sessions)
    }
  }

  /**
   * Takes up what `save` gave; for a tracker that has seen no packet of it. False if there is no room; sessions that find none are counted.
   */
  restore(saved: SavedTunnel, pause: Pause, uptake: Uptake): boolean {
    this.#pause = pause
    const { savedUs, nowUs } = pause
    const tunnel = this.#table.resume(saved.endpoints, saved.traffic.lastUs)
    if (tunnel === null) return false
    const { index } = tunnel
    tunnel.version = this.#dialect.version
    loadTunnel(tunnel, saved, nowUs > savedUs)
    this.#meter.open(index, nowUs)
    this.#meter.restore(index, saved.traffic)
    for (const role of [INITIATOR, RESPONDER] as const) {
      this.#meter.setMark(index, role, NOT_SEEN)
      if (saved.ids[role] !== NO_ID) this.#assign(tunnel, role, saved.ids[role], nowUs)
      if (tunnel.protection === null) this.#learnPort(saved.endpoints[role][1])
    }
    if (saved.lacking !== -1) this.#table.list(tunnel, saved.lacking)
    for (const session of saved.sessions.toReversed())
      if (this.#sessions?.restore(tunnel, session, pause) === false) uptake.leftOut++
    tunnel.sessions = saved.sessionCount
    if (tunnel.state === 'established') this.#sessions?.tunnelOpened?.(tunnel)
    this.#timers.schedule(index, this.#deadline(tunnel))
    return true
  }

  /** Raises that a control message does not fit, by its number, its state, or the tunnel or session it names. */
  report(
    name: FindingEventName,
    tunnel: Tunnel,
    found: FoundMessage,
    finding: Finding,
    message: string,
    more: Partial<FindingFields> = {},
  ): void {
    tunnel.controlAnomalies++
    this.#emit(
      findingEvent(name, found, finding, message, {
        'l2tp.tunnel.uid': tunnel.uid,
        'l2tp.tunnel.state': tunnel.state,
        'borescope.lineage': tunnel.lineage,
        ...more,
      }),
    )
  }

  // --- known tunnels

  #observeMessage(frame: Frame, tunnel: Tunnel, sender: Role, description: SpokenMessage): void {
    const message = keepMessage(frame, this.#dialect, description)
    if (!this.#authentication.isAuthentic(frame, tunnel, sender, message)) return
    if (this.#dialect.version === 3 && message.name === ACK) {
      this.#acknowledge(frame, tunnel, sender, ACK)
      return
    }
    if (message.name === 'SCCRP' && this.#isRestart(tunnel, sender, message)) {
      this.#restart(frame, tunnel)
      return
    }
    this.#acknowledge(frame, tunnel, sender, message.name)
    const channel = tunnel.channels[sender]
    const { expectedNs } = channel
    const arrival = channel.arrive(message.ns, message.digest, tunnel.ends[1 - sender].window ?? 0, message)
    if (arrival === 'retransmission') return
    if (arrival === 'conflict' || arrival === 'beyond_window') this.#reportNumber(tunnel, message, arrival, expectedNs)
    if (arrival === 'conflict') return
    this.#avps.report(frame, tunnel, description)
    message.isLate = arrival === 'late'
    if (arrival === 'next' || arrival === 'late') {
      const carrier = this.#act(tunnel, sender, message)
      if (carrier !== -1) frame.trail.carrier = carrier
    }
    this.#release(tunnel, sender, frame)
  }

  #reportNumber(tunnel: Tunnel, message: ControlMessage, arrival: Arrival, expectedNs: number): void {
    const finding = arrival === 'conflict' ? 'ns_conflict' : 'ns_beyond_window'
    this.report('l2tp.control.out_of_order', tunnel, message, finding, message.name, {
      'l2tp.message.expected_ns': expectedNs === -1 ? undefined : expectedNs,
    })
  }

  /** The Nr and the Ns of any message say something about what went before, in both directions. */
  #acknowledge(frame: Frame, tunnel: Tunnel, sender: Role, name: string): void {
    const { ns, nr } = this.#dialect.header(frame)
    const other = (1 - sender) as Role
    if (!tunnel.channels[other].acknowledge(nr)) {
      this.report('l2tp.control.out_of_order', tunnel, foundIn(frame, this.#dialect), 'nr_ahead', name)
    }
    tunnel.channels[sender].announce(ns)
    this.#release(tunnel, other, frame)
    this.#release(tunnel, sender, frame)
  }

  /** What was held after a gap, and has been acted on by now. */
  #release(tunnel: Tunnel, sender: Role, { timeUs }: Frame): void {
    const channel = tunnel.channels[sender]
    for (let message = channel.release(); message !== null; message = channel.release()) {
      message.timeUs = timeUs
      this.#act(tunnel, sender, message)
    }
  }

  /** The key of the session that the message was about; -1 if it was about none. */
  #act(tunnel: Tunnel, sender: Role, message: ControlMessage): number {
    const { name } = message
    // The other end may not have heard of the StopCCN, or may still repeat what it sent before.
    if (tunnel.state === 'closed' && tunnel.stoppedBy === 1 - sender) return -1
    if (isTunnelMessage(name)) {
      this.#advance(tunnel, sender, name, message)
      return -1
    }
    // The handshake must have been completed out of sight.
    if (tunnel.state === 'answered' && tunnel.isBehind) this.#establish(tunnel, message.timeUs)
    if (tunnel.state === 'established') return this.#sessions?.control(tunnel, sender, message) ?? -1
    if (!message.isLate)
      this.report('l2tp.control.unexpected', tunnel, message, name === 'unknown' ? 'message' : 'state', name)
    return -1
  }

  #advance(tunnel: Tunnel, sender: Role, name: TunnelMessage, message: ControlMessage): void {
    const before = tunnel.state
    const after = tunnel.after(name, sender)
    if (after === 'unexpected_state' || after === 'unexpected_role') {
      // Without the beginning nobody knows who opened the tunnel.
      if (message.isLate || (tunnel.isAdopted && name !== 'SCCRQ')) return
      this.report('l2tp.control.unexpected', tunnel, message, after === 'unexpected_state' ? 'state' : 'role', name)
      return
    }
    if (before === after) return
    if (after === 'answered') this.#answer(tunnel, message)
    else if (after === 'established') {
      if (name === 'SCCCN') this.#authentication.verify(tunnel, INITIATOR, 'SCCCN', message)
      this.#establish(tunnel, message.timeUs)
    } else {
      tunnel.result = message.control
      tunnel.stoppedBy = sender
      const { assignedTunnelId } = message.control
      if (tunnel.ids[sender] === NO_ID && assignedTunnelId !== undefined)
        this.#assign(tunnel, sender, assignedTunnelId, message.timeUs)
      this.#close(tunnel, message.timeUs, sender === INITIATOR ? 'initiator' : 'responder', stopReason(message.control))
    }
  }

  /** The responder may answer from another address and port than it was asked at (RFC 2661 section 8.1). */
  #answer(tunnel: Tunnel, message: ControlMessage): void {
    const { control, address, port, timeUs } = message
    if (!this.#table.move(tunnel, RESPONDER, address, 0, address.length, port)) {
      this.#tellFullEndpoints(timeUs)
      return
    }
    tunnel.enter('answered', timeUs)
    tunnel.introduce(RESPONDER, control)
    this.#meter.setMark(tunnel.index, RESPONDER, NOT_SEEN)
    this.#learnPort(port)
    this.#assignOrList(tunnel, RESPONDER, control.assignedTunnelId, timeUs)
    tunnel.withdraw?.(timeUs)
    tunnel.withdraw = null
    if (!tunnel.isTold) this.#tellRequest(tunnel, timeUs, 0)
    this.#authentication.verify(tunnel, RESPONDER, 'SCCRP', message)
    this.#timers.schedule(tunnel.index, timeUs + this.#limits.setupTimeoutUs)
  }

  #establish(tunnel: Tunnel, timeUs: number): void {
    tunnel.enter('established', timeUs)
    this.#sessions?.tunnelOpened?.(tunnel)
    this.events.opened(tunnel, timeUs)
    this.#timers.schedule(tunnel.index, timeUs + this.#limits.idleTimeoutUs)
  }

  /** A NAT gave a peer another port in mid-life: the answers will go there. */
  #followPort(tunnel: Tunnel, sender: Role, { ip, sourcePort, timeUs }: Frame): void {
    if (this.#table.endpoints.port(tunnel.endpoints[sender]) === sourcePort) return
    if (!this.#table.move(tunnel, sender, ip.bytes, ip.sourceAt, ip.addressLength, sourcePort)) {
      this.#tellFullEndpoints(timeUs)
      return
    }
    const id = tunnel.ids[sender]
    if (id !== NO_ID) this.#assign(tunnel, sender, id, timeUs)
    this.#sessions?.tunnelMoved?.(tunnel, sender)
    this.#learnPort(sourcePort)
  }

  #tellFullEndpoints(timeUs: number): void {
    this.#fullEndpoints.tell('endpoints', this.#table.endpoints.capacity, timeUs)
  }

  // --- tunnels that nobody knows yet

  #observeUnknown(frame: Frame): void {
    const header = this.#dialect.header(frame)
    const { tunnelId } = header
    if (!header.isControl) {
      if (this.#candidates.observe(frame, 'data')) this.#adopt(frame)
      return
    }
    if (header.isAcknowledgement) {
      if (tunnelId !== 0 && this.#candidates.observe(frame, 'ZLB')) this.#adopt(frame)
      return
    }
    const description = this.#dialect.describe(frame)
    const { messageName: name } = description
    if (name === 'SCCRQ' && tunnelId === 0) this.#request(frame, description)
    else if (name === 'StopCCN' && tunnelId === 0 && this.#stopBeforeAnswer(frame, description)) return
    else if ((name === 'SCCRP' || name === 'SCCCN') && this.#completeHalf(frame))
      this.observeControl(frame, this.findControl(frame))
    else {
      this.#avps.report(frame, null, description)
      if (this.#candidates.observe(frame, name)) this.#adopt(frame)
    }
  }

  /** An SCCRQ: the first of a new attempt, or one more of a known one. */
  #request(frame: Frame, description: SpokenMessage): void {
    const message = keepMessage(frame, this.#dialect, description)
    const earlier = this.#table.findAtSender(frame, message.control.assignedTunnelId ?? NO_ID)
    if (earlier !== -1) {
      const tunnel = this.at(earlier >> 1)
      if (isSameAttempt(tunnel, earlier & 1, message)) {
        tunnel.requests++
        if (tunnel.state === 'established' || tunnel.state === 'closed') tunnel.repeated = message
        this.#count(tunnel, INITIATOR, frame)
        if (tunnel.state !== 'closed') this.#observeMessage(frame, tunnel, INITIATOR, description)
        return
      }
      this.#replace(tunnel, frame.timeUs, 'the peer started again with the same tunnel id')
    }
    this.#avps.report(frame, null, description)
    const tunnel = this.#open(frame, INITIATOR)
    if (tunnel === null) {
      this.#requestUntracked(message)
      return
    }
    this.#begin(tunnel, message)
    this.#authentication.isAuthentic(frame, tunnel, INITIATOR, message)
    this.#count(tunnel, INITIATOR, frame)
    const { uid } = tunnel
    this.#successor?.expect(frame, message, (timeUs) => this.#withdraw(tunnel, uid, timeUs))
  }

  #begin(tunnel: Tunnel, message: ControlMessage): void {
    const { timeUs } = message
    this.#prepare(tunnel, message)
    const suppressed = this.#requests.take(this.events.address(tunnel, RESPONDER), timeUs, tunnel.uid)
    if (suppressed !== -1) this.#tellRequest(tunnel, timeUs, suppressed)
  }

  #prepare(tunnel: Tunnel, message: ControlMessage): void {
    const { control, timeUs } = message
    tunnel.introduce(INITIATOR, control)
    tunnel.requestDigest = message.digest
    tunnel.requests = 1
    tunnel.channels[INITIATOR].arrive(message.ns, message.digest, 0, message)
    this.#assignOrList(tunnel, INITIATOR, control.assignedTunnelId, timeUs)
    if (tunnel.lacking === -1) this.#table.list(tunnel, RESPONDER)
    tunnel.uid = this.#uid(tunnel)
    this.#learnPort(message.port)
    this.#timers.schedule(tunnel.index, timeUs + this.#limits.setupTimeoutUs)
  }

  /**
   * Of version 3: an SCCRQ of version 2 offers version 3 as well (RFC 3931 section 4.7.3). It is told of only if the answer
   * is of version 3: then `withdraw` ends what version 2 made of it.
   */
  expect(frame: Frame, request: ControlMessage, withdraw: (timeUs: number) => void): void {
    const { assignedControlConnectionId, nonce } = request.control
    const tunnel = assignedControlConnectionId === undefined ? null : this.#open(frame, INITIATOR)
    if (tunnel === null || assignedControlConnectionId === undefined) return
    const { challenge: _, ...rest } = request.control
    const control = {
      ...rest,
      assignedTunnelId: assignedControlConnectionId,
      ...(nonce === undefined ? {} : { challenge: Uint8Array.from(Buffer.from(nonce, 'hex')) }),
    }
    this.#prepare(tunnel, { ...request, version: 3, control })
    tunnel.withdraw = withdraw
    this.#count(tunnel, INITIATOR, frame)
  }

  /** The peer answers an offer of this tunnel in version 3. `uid` tells whether the record still is that tunnel. */
  #withdraw(tunnel: Tunnel, uid: string, timeUs: number): void {
    if (tunnel.uid !== uid || tunnel.state !== 'opening') return
    tunnel.stoppedBy = RESPONDER
    this.#close(tunnel, timeUs, 'responder', 'the peer answered in version 3')
  }

  #tellRequest(tunnel: Tunnel, timeUs: number, suppressed: number): void {
    tunnel.isTold = true
    this.events.requested(tunnel, timeUs, suppressed)
  }

  /** The same SCCRQ again was more than a repetition: the responder answers it with another tunnel. */
  #isRestart(tunnel: Tunnel, sender: Role, message: ControlMessage): boolean {
    const isOther = message.control.assignedTunnelId !== tunnel.ids[RESPONDER]
    return tunnel.repeated !== null && sender === RESPONDER && message.ns === 0 && isOther
  }

  #restart(frame: Frame, old: Tunnel): void {
    const request = old.repeated as ControlMessage
    this.#replace(old, frame.timeUs, 'the peer started again with the same tunnel id')
    const tunnel = this.#open(frame, RESPONDER)
    if (tunnel === null) return
    this.#begin(tunnel, { ...request, timeUs: frame.timeUs })
    this.observeControl(frame, this.findControl(frame))
  }

  /** The table is full: the request is told all the same, for it may be part of the flood that filled it. */
  #requestUntracked({ outer, control, timeUs, ns }: ControlMessage): void {
    const uid = `t-${hash('sha1', `${timeUs} ${ns} ${JSON.stringify(outer)}`).slice(0, 12)}`
    const suppressed = this.#requests.take(outer['destination.ip'], timeUs, uid)
    if (suppressed === -1) return
    this.#emit({
      name: 'l2tp.tunnel.requested',
      timeUs,
      message: `${outer['source.ip']} asks ${outer['destination.ip']} for an L2TP tunnel`,
      fields: {
        ...outer,
        'l2tp.version': this.#dialect.version,
        'l2tp.tunnel.uid': uid,
        'l2tp.tunnel.initiator_id': control.assignedTunnelId,
        'l2tp.initiator.host_name': control.hostName,
        'l2tp.initiator.vendor_name': control.vendorName,
        'borescope.suppressed': suppressed === 0 ? undefined : suppressed,
        'borescope.lineage': [uid],
      },
    })
  }

  /** A StopCCN to tunnel 0 takes an SCCRQ back: its sender names itself in Assigned Tunnel ID. */
  #stopBeforeAnswer(frame: Frame, description: SpokenMessage): boolean {
    const { assignedTunnelId } = description.control
    if (assignedTunnelId === undefined) return false
    const found = this.#table.findAtSender(frame, assignedTunnelId)
    if (found === -1) return false
    const tunnel = this.at(found >> 1)
    const role = (found & 1) as Role
    this.#count(tunnel, role, frame)
    this.#observeMessage(frame, tunnel, role, description)
    return true
  }

  /** Gives the one tunnel between these endpoints that lacks the receiver's id the one in the frame. False if there is none. */
  #completeHalf(frame: Frame): boolean {
    const { tunnelId } = this.#dialect.header(frame)
    // Zero names no tunnel.
    const half = tunnelId === 0 ? -1 : this.#table.findHalf(frame)
    if (half === -1) return false
    this.#assign(this.at(half >> 1), (half & 1) as Role, tunnelId, frame.timeUs)
    return true
  }

  #adopt(frame: Frame): void {
    const { udp, timeUs } = frame
    const { tunnelId } = this.#dialect.header(frame)
    if (tunnelId === 0) return
    if (this.#completeHalf(frame)) {
      const tunnel = this.at(this.findControl(frame) >> 1)
      // Its set-up was completed out of sight.
      if (tunnel.state === 'opening') this.#establish(tunnel, timeUs)
      return
    }
    // Who opened it is not known. A client's port is seldom 1701 behind a NAT, a server's always is.
    const isAnswer = frame.hasUdp && udp.destinationPort !== L2TP_PORT && udp.sourcePort === L2TP_PORT
    const sender: Role = isAnswer ? RESPONDER : INITIATOR
    const tunnel = this.#manage(frame, tunnelId) ?? this.#adoptNew(frame, sender)
    if (tunnel === null) return
    const receiver = tunnel.endpoints[sender] === this.#table.senderOf(frame) ? ((1 - sender) as Role) : sender
    this.#assign(tunnel, receiver, tunnelId, timeUs)
    this.#table.list(tunnel, (1 - receiver) as Role)
    this.#count(tunnel, (1 - receiver) as Role, frame)
    if (tunnel.uid !== '') return
    tunnel.uid = this.#uid(tunnel)
    this.#sessions?.tunnelOpened?.(tunnel)
    this.events.adopted(tunnel, timeUs)
  }

  /** A record for a tunnel from before the capture. It has no name yet. */
  #adoptNew(frame: Frame, sender: Role): Tunnel | null {
    const { timeUs } = frame
    const tunnel = this.#open(frame, sender)
    if (tunnel === null) return null
    tunnel.uid = ''
    tunnel.isAdopted = true
    tunnel.isTold = true
    tunnel.enter('established', timeUs)
    for (const channel of tunnel.channels) channel.reset(-1)
    this.#timers.schedule(tunnel.index, timeUs + this.#limits.idleTimeoutUs)
    this.#learnPort(frame.sourcePort)
    return tunnel
  }

  /** The control connection of a tunnel of which only data had been seen shows itself. */
  #manage(frame: Frame, tunnelId: number): Tunnel | null {
    const tunnel = this.#sessions?.unmanaged?.(frame) ?? null
    if (tunnel === null || tunnelId === 0) return null
    tunnel.isUnmanaged = false
    return tunnel
  }

  /** Of version 3: a tunnel between the hosts of the frame, of which data is all that is seen. Null if there is no room. */
  adoptUnmanaged(frame: Frame, startUs: number): Tunnel | null {
    const tunnel = this.#adoptNew(frame, INITIATOR)
    if (tunnel === null) return null
    tunnel.startUs = startUs
    tunnel.isUnmanaged = true
    tunnel.uid = this.#uid(tunnel)
    this.#sessions?.tunnelOpened?.(tunnel)
    this.events.adopted(tunnel, frame.timeUs)
    return tunnel
  }

  /** Of version 3: data from before the tunnel, or its session, was known to be there. */
  countEarlier(tunnel: Tunnel, sender: Role, packets: number, bytes: number): void {
    this.#meter.add(tunnel.index, sender, packets, bytes)
  }

  /** Of version 3: a data message of a session of the tunnel; `sender` sent it. */
  countData(tunnel: Tunnel, sender: Role, frame: Frame): void {
    this.#count(tunnel, sender, frame)
  }

  // --- life and death

  /** A record for a tunnel between the hosts of the frame, which `sender` sent; null if there is no room. */
  #open(frame: Frame, sender: Role): Tunnel | null {
    const { timeUs } = frame
    const tunnel = this.#table.open(frame, sender)
    if (tunnel === null) {
      this.#fullTunnels.tell('tunnels', this.#table.tunnels.capacity, timeUs)
      return null
    }
    const { index } = tunnel
    tunnel.version = this.#dialect.version
    tunnel.transport = frame.ip.protocol === IP_PROTOCOL.L2TP ? '115' : 'udp'
    tunnel.vlan = vlanOf(frame)
    tunnel.protection = frame.protection
    this.#meter.open(index, timeUs)
    this.#meter.setMark(index, INITIATOR, NOT_SEEN)
    this.#meter.setMark(index, RESPONDER, NOT_SEEN)
    return tunnel
  }

  #close(tunnel: Tunnel, timeUs: number, closedBy: ClosedBy, reason: string): void {
    const { state } = tunnel
    const meter = this.#meter
    const { index } = tunnel
    const traffic = {
      packets: [meter.packets(index, INITIATOR), meter.packets(index, RESPONDER)],
      bytes: [meter.bytes(index, INITIATOR), meter.bytes(index, RESPONDER)],
      lastUs: meter.lastUs(index),
    } as const
    this.#sessions?.tunnelClosed(tunnel, timeUs, closedBy, closedBy === 'capture_end' ? reason : `tunnel: ${reason}`)
    tunnel.enter('closed', timeUs)
    if (state === 'established') this.events.closed(tunnel, timeUs, closedBy, reason, traffic)
    else if (tunnel.isTold)
      this.events.failed(
        tunnel,
        timeUs,
        state,
        closedBy,
        tunnel.stoppedBy === -1 ? halfOpenReason(tunnel, state, reason) : reason,
        traffic,
      )
    this.#timers.schedule(tunnel.index, timeUs + LINGER_US)
  }

  /** Another tunnel takes the place of this one. */
  #replace(tunnel: Tunnel, timeUs: number, reason: string): void {
    if (tunnel.state !== 'closed') this.#close(tunnel, timeUs, 'silence', reason)
    this.#forget(tunnel)
  }

  #expired(index: number): void {
    if (!this.#table.tunnels.isUsed(index)) return
    const tunnel = this.at(index)
    if (tunnel.state === 'closed') {
      this.#linger(tunnel)
      return
    }
    const isOpen = tunnel.state === 'established'
    const timeoutUs = isOpen ? this.#limits.idleTimeoutUs : this.#limits.setupTimeoutUs
    const dueUs = this.#deadline(tunnel)
    if (dueUs > this.#nowUs) {
      this.#timers.schedule(index, dueUs)
      return
    }
    this.#close(
      tunnel,
      dueUs,
      'silence',
      `${isOpen ? 'silent' : 'no progress'} for ${Math.round(timeoutUs / SECOND_US)} s`,
    )
    // Peers that are silent repeat nothing; if they speak after all, the tunnel is adopted.
    if (isOpen) this.#forget(tunnel)
  }

  /** A set-up must make progress, an open tunnel must carry something. */
  #deadline({ index, state, stateUs }: Tunnel): number {
    const isOpen = state === 'established'
    const sinceUs = isOpen ? this.#meter.lastUs(index) : stateUs
    const { idleTimeoutUs, setupTimeoutUs } = this.#limits
    const timeoutUs = state === 'closed' ? LINGER_US : isOpen ? idleTimeoutUs : setupTimeoutUs
    return silentSince(sinceUs, this.#pause) + timeoutUs
  }

  /**
   * A closed tunnel is forgotten when its peers are quiet. If one goes on, it has not heard; if both do, the tunnel is alive
   * whatever the StopCCN said: forgotten, it will be adopted.
   */
  #linger(tunnel: Tunnel): void {
    const { index, lingering } = tunnel
    const packets = [this.#meter.packets(index, INITIATOR), this.#meter.packets(index, RESPONDER)] as const
    const isQuiet = silentSince(this.#meter.lastUs(index), this.#pause) + LINGER_US <= this.#nowUs
    const doBothGoOn = tunnel.isLingering && packets[0] > lingering[0] && packets[1] > lingering[1]
    if (isQuiet || doBothGoOn) {
      this.#forget(tunnel)
      return
    }
    tunnel.isLingering = true
    lingering[0] = packets[0]
    lingering[1] = packets[1]
    this.#timers.schedule(index, this.#nowUs + LINGER_US)
  }

  #forget(tunnel: Tunnel): void {
    this.#timers.cancel(tunnel.index)
    this.#sessions?.tunnelForgotten?.(tunnel)
    this.#table.forget(tunnel)
  }

  #assign(tunnel: Tunnel, role: Role, id: number, timeUs: number): void {
    const earlier = this.#table.assign(tunnel, role, id)
    if (earlier !== null) this.#replace(earlier, timeUs, 'its tunnel id was assigned again')
  }

  /** A message may lack the id of its sender, or the capture may have cut it off: then the answer will show it. */
  #assignOrList(tunnel: Tunnel, role: Role, id: number | undefined, timeUs: number): void {
    if (id === undefined) this.#table.list(tunnel, role)
    else this.#assign(tunnel, role, id, timeUs)
  }

  #mark({ trail }: Frame, index: number): void {
    if (this.#dialect.version === 3) trail.tunnelV3 = index
    else trail.tunnel = index
  }

  #count(tunnel: Tunnel, sender: Role, frame: Frame): void {
    this.#mark(frame, tunnel.index)
    this.#meter.count(tunnel.index, sender, frame.ip.wireEnd - frame.ip.headerStart, frame)
  }

  /** Compares addresses only: a NAT may move a peer to another port. The responder may answer an SCCRQ from where it likes. */
  #isFromPeer(tunnel: Tunnel, sender: Role, { ip }: Frame): boolean {
    if (tunnel.state === 'opening' && sender === RESPONDER) return true
    return this.#table.endpoints.hasAddress(tunnel.endpoints[sender], ip.bytes, ip.sourceAt, ip.addressLength)
  }

  #foreignSource(tunnel: Tunnel, sender: Role, frame: Frame): void {
    const header = this.#dialect.header(frame)
    tunnel.controlAnomalies++
    this.#meter.discount(tunnel.index, sender, frame.ip.wireEnd - frame.ip.headerStart)
    this.#anomalies.report(
      frame,
      'l2tp.foreign_source',
      this.#dialect.protocol,
      `the tunnel's peer is ${this.events.address(tunnel, sender)}`,
      frame.hasUdp ? 'udp' : 'ip',
      {
        'l2tp.tunnel.uid': tunnel.uid,
        'l2tp.tunnel.target_id': header.tunnelId,
        'l2tp.session.target_id': header.sessionId,
        'borescope.lineage': tunnel.lineage,
      },
    )
  }

  #uid(tunnel: Tunnel): string {
    const {
      'source.ip': from,
      'source.port': fromPort,
      'destination.ip': to,
      'destination.port': toPort,
    } = this.events.hostFields(tunnel)
    return `t-${hash('sha1', `${from} ${fromPort} ${to} ${toPort} ${tunnel.ids[INITIATOR]} ${tunnel.ids[RESPONDER]} ${tunnel.startUs}`).slice(0, 12)}`
  }
}

/** One more SCCRQ of a set-up that goes on, or the same one after it: whether that is more than a repetition the answer will tell. */
function isSameAttempt(tunnel: Tunnel, role: number, message: ControlMessage): boolean {
  if (role !== INITIATOR || tunnel.isAdopted) return false
  if (tunnel.state === 'opening' || tunnel.state === 'answered') return true
  const isAfterSilence = tunnel.state === 'closed' && tunnel.stoppedBy === -1
  return message.digest === tunnel.requestDigest && !isAfterSilence
}

function halfOpenReason(tunnel: Tunnel, state: Tunnel['state'], reason: string): string {
  if (state === 'opening') return `no answer to ${tunnel.requests} SCCRQ, ${reason}`
  return `half-open: SCCRP was not followed by SCCCN, ${reason}`
}
