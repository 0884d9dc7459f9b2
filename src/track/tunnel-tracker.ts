/**
 * L2TP tunnels as a bystander sees them: which one a message belongs to, and what it says. What a request begins is in
 * `tunnel-requests.ts`, how tunnels come and go in `tunnel-lifecycle.ts`.
 *
 * A message names the tunnel by the number that its receiver assigned (RFC 2661 section 3.1), so a tunnel is found by
 * (receiver, tunnel id): the initiator's half is known from the SCCRQ, the responder's from the SCCRP. The control
 * connections of version 3 (RFC 3931 section 3.3) live the same life; what is different there its dialect says.
 */
import { i32 } from '../base/bytes.ts'
import type { Endpoints } from '../base/endpoints.ts'
import type { Ahead } from '../dissect/ahead.ts'
import type { Frame } from '../dissect/frame.ts'
import type { PlainDataView } from '../dissect/plain-data.ts'
import type { Emit } from '../events/catalogue.ts'
import { L2TP_PORT } from '../wire/l2tp.ts'
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
import { INITIATOR, RESPONDER, type Role } from './role.ts'
import type { Pause, Uptake } from './saved.ts'
import type { SavedTunnel } from './saved-tunnel.ts'
import { isTunnelMessage, NO_ID, type Tunnel, type TunnelMessage } from './tunnel.ts'
import { TunnelAuthentication } from './tunnel-authentication.ts'
import { TunnelEvents } from './tunnel-events.ts'
import { NOT_SEEN, TunnelLifecycle, type TunnelLifecycleLimits } from './tunnel-lifecycle.ts'
import type { TunnelSessions } from './tunnel-sessions.ts'
import { isRestart, isSameAttempt, mayBeRestart, TunnelRequests } from './tunnel-requests.ts'
import { TunnelTable } from './tunnel-table.ts'

export interface TunnelLimits extends TunnelLifecycleLimits {
  readonly tunnelsMax: number
  /** Datagrams to an unknown tunnel before it is adopted. */
  readonly adoptAfter: number
  /** Unanswered requests for tunnels that are told of one responder in a minute. */
  readonly requestsPerMinute: number
}

/** Message type of the explicit acknowledgement of version 3, which takes no place in the sequence. */
const ACK = 'ACK'

export class TunnelTracker {
  readonly events: TunnelEvents
  readonly #emit: Emit
  readonly #anomalies: Anomalies
  readonly #dialect: Dialect
  readonly #authentication: TunnelAuthentication
  readonly #avps: AvpFindings
  readonly #learnPort: (port: number) => void
  readonly #table: TunnelTable
  readonly #lifecycle: TunnelLifecycle
  readonly #candidates: Candidates
  readonly #requests: TunnelRequests
  /**
   * By sending role. The mark is the IPv4 address from which that role's data came last, once it was found to be the peer's. The pass
   * stands for that, and for the names by which messages find the tunnel.
   */
  readonly #meter = new Meter()
  #sessions: TunnelSessions | null = null
  #successor: TunnelTracker | null = null
  readonly #fullEndpoints: FullTable

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
    this.#anomalies = anomalies
    this.#dialect = dialect
    this.#lifecycle = new TunnelLifecycle(
      this.#table,
      this.#meter,
      this.events,
      emit,
      dialect.version,
      learnPort,
      limits,
    )
    this.#authentication = new TunnelAuthentication(dialect, secrets, this.events, anomalies)
    this.#avps = new AvpFindings(dialect, emit, anomalies)
    this.#learnPort = learnPort
    this.#candidates = new Candidates(emit, dialect, limits.adoptAfter)
    this.#requests = new TunnelRequests(
      this.#table,
      this.#lifecycle,
      this.events,
      emit,
      dialect.version,
      learnPort,
      limits.requestsPerMinute,
    )
  }

  /** The two trackers know each other; this closes the ring at start. */
  attach(sessions: TunnelSessions): void {
    this.#sessions = sessions
    this.#lifecycle.attach(sessions)
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

  /** Whether what `findPlain` found is a tunnel that has ended: nothing that it carries is followed. */
  isClosed(found: number): boolean {
    return found !== -1 && this.at(found >> 1).state === 'closed'
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
    else if (!this.#isRepeated(frame, tunnel, sender))
      this.#observeMessage(frame, tunnel, sender, this.#dialect.describe(frame))
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
    yield* this.#lifecycle.expire(nowUs)
    this.#candidates.expire(nowUs)
  }

  /** The end of the capture: everything that is open is told, a tunnel at a time. */
  *finish(nowUs: number): Generator<void> {
    yield* this.#lifecycle.finish(nowUs)
    this.#candidates.finish()
  }

  /** Every tunnel with its sessions; entries may be taken one after the other while packets go on. */
  save(): Generator<SavedTunnel> {
    return this.#lifecycle.save()
  }

  /**
   * Takes up what `save` gave; for a tracker that has seen no packet of it. False if there is no room; sessions that find none are counted.
   */
  restore(saved: SavedTunnel, pause: Pause, uptake: Uptake): boolean {
    return this.#lifecycle.restore(saved, pause, uptake)
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

  /**
   * A message that its receiver has: what it says is known, and only its acknowledgement may be news. In version 3 each is signed anew.
   */
  #isRepeated(frame: Frame, tunnel: Tunnel, sender: Role): boolean {
    const channel = tunnel.channels[sender]
    const { ns } = this.#dialect.header(frame)
    if (this.#dialect.version === 3 || mayBeRestart(tunnel, sender, ns)) return false
    if (!channel.hasSeen(ns, () => this.#dialect.contentOf(frame))) return false
    this.#acknowledge(frame, tunnel, sender, null)
    channel.retransmissions++
    return true
  }

  #observeMessage(
    frame: Frame,
    tunnel: Tunnel,
    sender: Role,
    description: SpokenMessage,
    message = keepMessage(frame, this.#dialect, description),
  ): void {
    if (!this.#authentication.isAuthentic(frame, tunnel, sender, message)) return
    if (this.#dialect.version === 3 && message.name === ACK) {
      this.#acknowledge(frame, tunnel, sender, ACK)
      return
    }
    if (message.name === 'SCCRP' && isRestart(tunnel, sender, message)) {
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

  /** The Nr and the Ns of any message say something about what went before, in both directions. `name` is null if it has not been described. */
  #acknowledge(frame: Frame, tunnel: Tunnel, sender: Role, name: string | null): void {
    const { ns, nr } = this.#dialect.header(frame)
    const other = (1 - sender) as Role
    if (!tunnel.channels[other].acknowledge(nr)) {
      const words = name ?? this.#dialect.describe(frame).messageName
      this.report('l2tp.control.out_of_order', tunnel, foundIn(frame, this.#dialect), 'nr_ahead', words)
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
    if (tunnel.state === 'answered' && tunnel.isBehind) this.#lifecycle.establish(tunnel, message.timeUs)
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
      this.#lifecycle.establish(tunnel, message.timeUs)
    } else {
      tunnel.result = message.control
      tunnel.stoppedBy = sender
      const { assignedTunnelId } = message.control
      if (tunnel.ids[sender] === NO_ID && assignedTunnelId !== undefined)
        this.#lifecycle.assign(tunnel, sender, assignedTunnelId, message.timeUs)
      this.#lifecycle.close(
        tunnel,
        message.timeUs,
        sender === INITIATOR ? 'initiator' : 'responder',
        stopReason(message.control),
      )
    }
  }

  /** The responder may answer from another address and port than it was asked at (RFC 2661 section 8.1). */
  #answer(tunnel: Tunnel, message: ControlMessage): void {
    const { control, ends, timeUs } = message
    const { bytes, sourceAt, addressLength } = ends.ip
    if (!this.#table.move(tunnel, RESPONDER, bytes, sourceAt, addressLength, ends.sourcePort)) {
      this.#tellFullEndpoints(timeUs)
      return
    }
    tunnel.enter('answered', timeUs)
    tunnel.introduce(RESPONDER, control)
    this.#meter.setMark(tunnel.index, RESPONDER, NOT_SEEN)
    this.#learnPort(ends.sourcePort)
    this.#lifecycle.assignOrList(tunnel, RESPONDER, control.assignedTunnelId, timeUs)
    tunnel.withdraw?.(timeUs)
    tunnel.withdraw = null
    if (!tunnel.isTold) this.#requests.tell(tunnel, timeUs, 0)
    this.#authentication.verify(tunnel, RESPONDER, 'SCCRP', message)
    this.#lifecycle.watch(tunnel)
  }

  /** A NAT gave a peer another port in mid-life: the answers will go there. */
  #followPort(tunnel: Tunnel, sender: Role, { ip, sourcePort, timeUs }: Frame): void {
    if (this.#table.endpoints.port(tunnel.endpoints[sender]) === sourcePort) return
    if (!this.#table.move(tunnel, sender, ip.bytes, ip.sourceAt, ip.addressLength, sourcePort)) {
      this.#tellFullEndpoints(timeUs)
      return
    }
    const id = tunnel.ids[sender]
    if (id !== NO_ID) this.#lifecycle.assign(tunnel, sender, id, timeUs)
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
        if (tunnel.state !== 'closed') this.#observeMessage(frame, tunnel, INITIATOR, description, message)
        return
      }
      this.#lifecycle.replace(tunnel, frame.timeUs, 'the peer started again with the same tunnel id')
    }
    this.#avps.report(frame, null, description)
    const tunnel = this.#lifecycle.open(frame, INITIATOR)
    if (tunnel === null) {
      this.#requests.tellUntracked(message)
      return
    }
    this.#requests.begin(tunnel, message)
    this.#authentication.isAuthentic(frame, tunnel, INITIATOR, message)
    this.#count(tunnel, INITIATOR, frame)
    const { uid } = tunnel
    this.#successor?.expect(frame, message, (timeUs) => this.#requests.withdraw(tunnel, uid, timeUs))
  }

  /**
   * Of version 3: an SCCRQ of version 2 offers version 3 as well (RFC 3931 section 4.7.3). It is told of only if the answer
   * is of version 3: then `withdraw` ends what version 2 made of it.
   */
  expect(frame: Frame, request: ControlMessage, withdraw: (timeUs: number) => void): void {
    const tunnel = this.#requests.expect(frame, request, withdraw)
    if (tunnel !== null) this.#count(tunnel, INITIATOR, frame)
  }

  #restart(frame: Frame, old: Tunnel): void {
    const request = old.repeated as ControlMessage
    this.#lifecycle.replace(old, frame.timeUs, 'the peer started again with the same tunnel id')
    const tunnel = this.#lifecycle.open(frame, RESPONDER)
    if (tunnel === null) return
    this.#requests.begin(tunnel, { ...request, timeUs: frame.timeUs })
    this.observeControl(frame, this.findControl(frame))
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
    this.#lifecycle.assign(this.at(half >> 1), (half & 1) as Role, tunnelId, frame.timeUs)
    return true
  }

  #adopt(frame: Frame): void {
    const { udp, timeUs } = frame
    const { tunnelId } = this.#dialect.header(frame)
    if (tunnelId === 0) return
    if (this.#completeHalf(frame)) {
      const tunnel = this.at(this.findControl(frame) >> 1)
      // Its set-up was completed out of sight.
      if (tunnel.state === 'opening') this.#lifecycle.establish(tunnel, timeUs)
      return
    }
    // Who opened it is not known. A client's port is seldom 1701 behind a NAT, a server's always is.
    const isAnswer = frame.hasUdp && udp.destinationPort !== L2TP_PORT && udp.sourcePort === L2TP_PORT
    const sender: Role = isAnswer ? RESPONDER : INITIATOR
    const tunnel = this.#manage(frame, tunnelId) ?? this.#adoptNew(frame, sender)
    if (tunnel === null) return
    const receiver = tunnel.endpoints[sender] === this.#table.senderOf(frame) ? ((1 - sender) as Role) : sender
    this.#lifecycle.assign(tunnel, receiver, tunnelId, timeUs)
    this.#table.list(tunnel, (1 - receiver) as Role)
    this.#count(tunnel, (1 - receiver) as Role, frame)
    if (tunnel.uid !== '') return
    tunnel.uid = this.events.uidOf(tunnel)
    this.#sessions?.tunnelOpened?.(tunnel)
    this.events.adopted(tunnel, timeUs)
  }

  /** A record for a tunnel from before the capture. It has no name yet. */
  #adoptNew(frame: Frame, sender: Role): Tunnel | null {
    const { timeUs } = frame
    const tunnel = this.#lifecycle.open(frame, sender)
    if (tunnel === null) return null
    tunnel.uid = ''
    tunnel.isAdopted = true
    tunnel.isTold = true
    tunnel.enter('established', timeUs)
    for (const channel of tunnel.channels) channel.reset(-1)
    this.#lifecycle.watch(tunnel)
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
    tunnel.uid = this.events.uidOf(tunnel)
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
}
