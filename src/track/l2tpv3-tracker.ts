/**
 * L2TPv3 (RFC 3931): control connections and sessions over UDP and over IP, sessions that were set up by hand, and what they
 * carry.
 *
 * Control connections and the set-up of sessions are those of L2TPv2 in other words: the same trackers follow them. Data is
 * different: a message names its session by a number that is the receiver's alone, whatever the control connection, and only
 * the agreement of the session says where the payload begins.
 */
import type { Endpoints } from '../base/endpoints.ts'
import { PairTable } from '../base/pair-table.ts'
import type { Frame } from '../dissect/frame.ts'
import type { Emit } from '../events/catalogue.ts'
import { FrameRelayView } from '../wire/frame-relay.ts'
import { PSEUDOWIRE } from '../wire/l2tpv3-avp.ts'
import { isAtmCell, type L2tpV3Layout, L2tpV3DataView } from '../wire/l2tpv3-data.ts'
import { ETHERTYPE, LINKTYPE, LinkView } from '../wire/link.ts'
import { PPP } from '../wire/ppp.ts'
import type { Anomalies } from './anomalies.ts'
import { type ControlMessage, foundIn } from './control-message.ts'
import { Version3 } from './dialect.ts'
import type { Inside } from './inside.ts'
import { areMirrored, type Stranger, Strangers, stationsOf } from './l2tpv3-strangers.ts'
import { type Direction, V3Session } from './l2tpv3-session.ts'
import { INITIATOR, RESPONDER, type Role } from './role.ts'
import type { Pause } from './saved.ts'
import type { SavedV3Session } from './saved-l2tpv3.ts'
import type { SavedSession } from './saved-tunnel.ts'
import { NO_SESSION, type Session } from './session.ts'
import type { SessionColumns } from './session-columns.ts'
import { type SessionLimits, SessionTracker, type SessionVariety } from './session-tracker.ts'
import type { SessionDetails, SessionSum } from './session-events.ts'
import { type ClosedBy, NO_ENDPOINT, NO_ID, type Tunnel } from './tunnel.ts'
import type { TunnelSessions } from './tunnel-sessions.ts'
import { type TunnelLimits, TunnelTracker } from './tunnel-tracker.ts'

export interface L2tpV3Limits extends TunnelLimits, SessionLimits {}

const NONE = -1
/** Session ids that nobody assigned, remembered so that each is told once. */
const GUESSES_MAX = 65_536
/** Sessions of one tunnel among which the other half of a new one is looked for. */
const HALVES_MAX = 256
const SET_UP: ReadonlySet<string> = new Set(['ICRQ', 'ICRP', 'ICCN', 'OCRQ', 'OCRP', 'OCCN'])

export class L2tpV3Tracker implements TunnelSessions, SessionVariety {
  readonly tunnels: TunnelTracker
  readonly sessions: SessionTracker
  readonly #endpoints: Endpoints
  readonly #emit: Emit
  readonly #anomalies: Anomalies
  readonly #dialect: Version3
  readonly #strangers: Strangers
  /** (receiver, session id) → index of the session times two plus the role of the receiver. */
  readonly #byReceiver: PairTable
  /** (endpoint, endpoint), the lower first → index of the tunnel that was opened between them last. */
  readonly #byEnds: PairTable
  /** (receiver, session id) of data that nobody asked for. */
  #guesses = new PairTable(GUESSES_MAX)
  readonly #data = new L2tpV3DataView()
  readonly #link = new LinkView()
  readonly #relay = new FrameRelayView()

  constructor(
    endpoints: Endpoints,
    emit: Emit,
    anomalies: Anomalies,
    inside: Inside,
    secrets: readonly Uint8Array[],
    limits: L2tpV3Limits,
    learnPort: (port: number) => void,
  ) {
    this.#endpoints = endpoints
    this.#emit = emit
    this.#anomalies = anomalies
    this.#dialect = new Version3(secrets)
    this.#byReceiver = new PairTable(limits.sessionsMax * 2)
    this.#byEnds = new PairTable(limits.tunnelsMax)
    this.#strangers = new Strangers(emit, this.#dialect, limits.adoptAfter)
    this.tunnels = new TunnelTracker(endpoints, emit, anomalies, this.#dialect, secrets, limits, (port) => {
      // Over IP there are none.
      if (port !== 0) learnPort(port)
    })
    this.sessions = new SessionTracker(this.tunnels, inside, emit, limits, this.#dialect, this)
    this.tunnels.attach(this)
  }

  /** An L2TPv3 message, control or data, that the dissector found whole. */
  observe(frame: Frame): void {
    if (frame.l2tpv3.isControl) this.tunnels.observeControl(frame, this.tunnels.findControl(frame))
    else this.#observeData(frame)
  }

  *expire(nowUs: number): Generator<void> {
    yield* this.sessions.expire(nowUs)
    yield* this.tunnels.expire(nowUs)
    this.#strangers.expire(nowUs)
  }

  *finish(nowUs: number): Generator<void> {
    yield* this.tunnels.finish(nowUs)
    this.#strangers.finish()
  }

  // --- data

  #observeData(frame: Frame): void {
    const { l2tpv3, ip } = frame
    if (l2tpv3.sessionId === 0) {
      this.#report(frame, 'l2tpv3.session_zero', 'data for the session that stands for control', null, null)
      return
    }
    const receiver = this.#endpoints.find(ip.bytes, ip.destinationAt, ip.addressLength, frame.destinationPort)
    const found = receiver === NO_ENDPOINT ? NONE : this.#byReceiver.find(receiver, l2tpv3.sessionId)
    if (found === NONE) {
      this.#observeUnknown(frame, receiver)
      return
    }
    const session = this.sessions.at(found >> 1) as V3Session
    const role = (found & 1) as Role
    const tunnel = this.tunnels.at(session.tunnel)
    const sender = (1 - role) as Role
    this.tunnels.countData(tunnel, sender, frame)
    if (this.tunnels.isForeign(frame, tunnel.index * 2 + role)) return
    if (!this.sessions.isOpenFor(session, frame)) return
    if (this.#read(frame, session, tunnel, role)) this.sessions.carry(session, sender, frame)
  }

  /** Reads a data message as its receiver does. False if the receiver drops it. */
  #read(frame: Frame, session: V3Session, tunnel: Tunnel, role: Role): boolean {
    const { bytes, payloadStart, payloadEnd, messageEnd } = frame.l2tpv3
    const direction = session.directions[role]
    const { wanted } = direction
    if (!direction.isNegotiated && direction.settled === null) {
      direction.sample(bytes, payloadStart, payloadEnd, messageEnd)
    }
    const isNegotiated = wanted?.isKnown === true
    const layout: L2tpV3Layout | null = isNegotiated ? null : (direction.settled ?? direction.sampler.layout)
    if (!isNegotiated && layout === null) return true
    const cookie = isNegotiated ? wanted.cookie : direction.cookie
    const cookieLength = isNegotiated ? cookie.length : (layout?.cookieLength ?? 0)
    const sublayer = isNegotiated ? wanted.sublayer : (layout?.sublayer ?? 0)
    const data = this.#data
    const flaw = data.decode(bytes, payloadStart, payloadEnd, messageEnd, cookieLength, sublayer)
    if (flaw !== null) {
      if (messageEnd === payloadEnd) this.#report(frame, flaw, 'data', session, tunnel)
      return messageEnd !== payloadEnd
    }
    if ((isNegotiated || cookie.length > 0) && !data.hasCookie(cookie)) {
      this.#mismatch(frame, session, tunnel, direction)
      return false
    }
    direction.strangers = 0
    if (data.hasSequence) {
      session.isSequenced = true
      direction.observeSequence(data.sequence)
    }
    this.#payload(frame, direction.pseudowireType, direction.isSure)
    return true
  }

  /** Whoever does not know the cookie is not the peer (RFC 3931 section 8.2). */
  #mismatch(frame: Frame, session: V3Session, tunnel: Tunnel, direction: Direction): void {
    session.mismatches++
    direction.mismatch()
    this.#report(frame, 'l2tpv3.cookie_mismatch', `session ${frame.l2tpv3.sessionId}`, session, tunnel)
  }

  /** What the pseudowire carries, as far as to an IP header or a PPP frame in the frame. */
  #payload(frame: Frame, pseudowireType: number, isSure: boolean): void {
    const { bytes, payloadStart, payloadEnd, payloadWireEnd, isControlChannel, isFragment, sublayerFlags } = this.#data
    if (isControlChannel || isFragment || payloadStart >= payloadEnd) return
    switch (pseudowireType) {
      case PSEUDOWIRE.ETHERNET:
      case PSEUDOWIRE.ETHERNET_VLAN:
        this.#linked(frame, bytes, payloadStart, payloadEnd, LINKTYPE.ETHERNET, isSure)
        return
      case PSEUDOWIRE.PPP:
        this.#ppp(frame, bytes, payloadStart, payloadEnd, payloadWireEnd)
        return
      case PSEUDOWIRE.HDLC:
        if (bytes[payloadStart] === 0xff) this.#ppp(frame, bytes, payloadStart, payloadEnd, payloadWireEnd)
        else this.#linked(frame, bytes, payloadStart, payloadEnd, LINKTYPE.C_HDLC, isSure)
        return
      case PSEUDOWIRE.IP:
        this.#ip(frame, bytes, payloadStart, payloadEnd, isSure)
        return
      case PSEUDOWIRE.FRAME_RELAY: {
        const relay = this.#relay
        const flaw = relay.decode(bytes, payloadStart, payloadEnd)
        if (flaw === null && isIp(relay.etherType)) this.#ip(frame, bytes, relay.payloadStart, payloadEnd, isSure)
        return
      }
      case PSEUDOWIRE.ATM_AAL5:
        if (!isAtmCell(sublayerFlags)) this.#snap(frame, bytes, payloadStart, payloadEnd, isSure)
    }
  }

  #linked(frame: Frame, bytes: Uint8Array, start: number, end: number, linkType: number, isSure: boolean): void {
    const link = this.#link
    if (link.decode(bytes, start, end, linkType) !== null) return
    if (isIp(link.etherType)) this.#ip(frame, bytes, link.payloadStart, link.payloadEnd, isSure)
  }

  /** LLC and SNAP, as AAL5 frames begin (RFC 2684 section 5.1). */
  #snap(frame: Frame, bytes: Uint8Array, start: number, end: number, isSure: boolean): void {
    if (end - start < 8 || bytes[start] !== 0xaa || bytes[start + 1] !== 0xaa) return
    if (isIp((bytes[start + 6] << 8) | bytes[start + 7])) this.#ip(frame, bytes, start + 8, end, isSure)
  }

  #ppp(frame: Frame, bytes: Uint8Array, start: number, end: number, wireEnd: number): void {
    const { ppp } = frame
    if (ppp.decode(bytes, start, end, wireEnd) !== null) return
    frame.hasPpp = true
    if (ppp.protocol === PPP.IPV4 || ppp.protocol === PPP.IPV6) this.#ip(frame, bytes, ppp.payloadStart, end, true)
  }

  #ip(frame: Frame, bytes: Uint8Array, start: number, end: number, isSure: boolean): void {
    const flaw = frame.inner.decode(bytes, start, end)
    frame.hasInner = flaw === null
    // Of a layout that is a guess a flaw says only that it was a wrong one.
    if (flaw === null || !isSure || frame.l2tpv3.messageEnd > frame.l2tpv3.payloadEnd) return
    frame.flaw = flaw
    frame.flawLayer = 'inner.ip'
  }

  // --- data of sessions that nobody set up

  #observeUnknown(frame: Frame, receiver: number): void {
    const tunnel = this.#between(frame)
    // What was under way when the tunnel closed, and will not know it for a while.
    if (tunnel?.state === 'closed') return
    if (tunnel !== null && !tunnel.isBehind) {
      this.#guess(frame, receiver, tunnel)
      return
    }
    const stranger = this.#strangers.observe(frame)
    if (stranger === null) return
    const carrying = tunnel ?? this.tunnels.adoptUnmanaged(frame, stranger.firstUs)
    if (carrying !== null) this.#adopt(frame, stranger, carrying)
  }

  #adopt(frame: Frame, stranger: Stranger, tunnel: Tunnel): void {
    const { ip, sourcePort, l2tpv3, timeUs } = frame
    const source = this.#endpoints.find(ip.bytes, ip.sourceAt, ip.addressLength, sourcePort)
    const sender: Role = tunnel.endpoints[INITIATOR] === source ? INITIATOR : RESPONDER
    const receiver = (1 - sender) as Role
    const half = this.#halfOf(tunnel, receiver, stranger)
    const { sessionId } = l2tpv3
    const session = this.sessions.adoptData(tunnel, receiver, sessionId, half, stranger.firstUs) as V3Session | null
    if (session === null) return
    // This message will count itself.
    const [packets, bytes] = [stranger.packets - 1, stranger.bytes - (ip.wireEnd - ip.headerStart)]
    this.sessions.countEarlier(session, sender, packets, bytes)
    this.tunnels.countEarlier(tunnel, sender, packets, bytes)
    session.directions[receiver].sampler.inherit(stranger.sampler)
    if (half === NO_SESSION) this.sessions.events.adopted(session, tunnel, timeUs)
    this.#observeData(frame)
  }

  /** The session of which the other direction is known already. */
  #halfOf(tunnel: Tunnel, receiver: Role, { stations }: Stranger): number {
    const only = this.sessions.halfOf(tunnel, receiver)
    const sender = (1 - receiver) as Role
    let looked = 0
    for (let index = tunnel.firstSession; index !== NO_SESSION && looked < HALVES_MAX; looked++) {
      const session = this.sessions.at(index) as V3Session
      index = session.next
      if (session.lacking !== receiver || session.state === 'closed') continue
      const isMirrored = areMirrored(stationsOf(session.directions[sender].sampler), stations)
      if (isMirrored === true || (isMirrored === undefined && session.index === only)) return session.index
    }
    return NO_SESSION
  }

  /** A number that nobody assigned, in a tunnel whose set-up was seen: each is told once. */
  #guess(frame: Frame, receiver: number, tunnel: Tunnel): void {
    const { sessionId } = frame.l2tpv3
    if (this.#guesses.find(receiver, sessionId) !== NONE) return
    if (this.#guesses.size >= GUESSES_MAX) this.#guesses = new PairTable(GUESSES_MAX)
    this.#guesses.insert(receiver, sessionId, 1)
    this.tunnels.report('l2tp.control.unknown', tunnel, foundIn(frame, this.#dialect), 'session_unknown', 'data')
  }

  #between({ ip, sourcePort, destinationPort }: Frame): Tunnel | null {
    const source = this.#endpoints.find(ip.bytes, ip.sourceAt, ip.addressLength, sourcePort)
    const destination = this.#endpoints.find(ip.bytes, ip.destinationAt, ip.addressLength, destinationPort)
    if (source === NO_ENDPOINT || destination === NO_ENDPOINT) return null
    const index = this.#byEnds.find(Math.min(source, destination), Math.max(source, destination))
    if (index === NONE) return null
    const tunnel = this.tunnels.at(index)
    // A peer that moved leaves its old place, which may be the number of somebody else by now.
    const { endpoints } = tunnel
    return endpoints.includes(source) && endpoints.includes(destination) ? tunnel : null
  }

  // --- what the tunnel tracker tells

  control(tunnel: Tunnel, sender: Role, message: ControlMessage): number {
    return this.sessions.control(tunnel, sender, message)
  }

  tunnelOpened(tunnel: Tunnel): void {
    const [first, second] = tunnel.endpoints
    this.#byEnds.insert(Math.min(first, second), Math.max(first, second), tunnel.index)
  }

  tunnelMoved(tunnel: Tunnel, role: Role): void {
    for (let index = tunnel.firstSession; index !== NO_SESSION; ) {
      const session = this.sessions.at(index) as V3Session
      index = session.next
      const id = session.idOf(role)
      if (id === NO_ID || session.filed[role] === NONE) continue
      this.unassigned(session, tunnel, role, id)
      this.assigned(session, tunnel, role, id)
    }
    if (tunnel.state === 'established') this.tunnelOpened(tunnel)
  }

  save(tunnel: Tunnel): SavedSession[] {
    return this.sessions.save(tunnel)
  }

  restore(tunnel: Tunnel, saved: SavedSession, pause: Pause): boolean {
    return this.sessions.restore(tunnel, saved, pause)
  }

  tunnelClosed(tunnel: Tunnel, timeUs: number, closedBy: ClosedBy, reason: string): void {
    this.sessions.tunnelClosed(tunnel, timeUs, closedBy, reason)
  }

  tunnelForgotten(tunnel: Tunnel): void {
    const [first, second] = tunnel.endpoints
    const [low, high] = [Math.min(first, second), Math.max(first, second)]
    if (this.#byEnds.find(low, high) === tunnel.index) this.#byEnds.remove(low, high)
  }

  unmanaged(frame: Frame): Tunnel | null {
    const tunnel = this.#between(frame)
    return tunnel?.isUnmanaged && tunnel.state !== 'closed' ? tunnel : null
  }

  // --- what the session tracker asks and tells

  make(index: number, columns: SessionColumns): Session {
    return new V3Session(index, columns)
  }

  heard(session: Session, tunnel: Tunnel, sender: Role, message: ControlMessage): void {
    const { agreement, name, control, timeUs } = message
    if (agreement === undefined) return
    const own = session as V3Session
    if (SET_UP.has(name)) own.agree(sender, control.messageType, agreement)
    const status = agreement.circuitStatus
    if (status === undefined) return
    const before = own.circuitStatus?.join()
    own.circuitStatus = status
    if (name !== 'SLI' || before === status.join()) return
    const words = status.length === 0 ? 'down' : status.join(', ')
    this.#emit({
      name: 'l2tp.session.circuit_changed',
      timeUs,
      message: `${this.tunnels.events.address(tunnel, sender)} says that its circuit is ${words}`,
      fields: { ...this.sessions.events.describe(session, tunnel), 'l2tp.session.circuit_status': status },
    })
  }

  assigned(session: Session, tunnel: Tunnel, role: Role, id: number): void {
    const endpoint = tunnel.endpoints[role]
    if (endpoint === NO_ENDPOINT) return
    if (this.#byReceiver.insert(endpoint, id, session.index * 2 + role)) (session as V3Session).filed[role] = endpoint
  }

  unassigned(session: Session, _tunnel: Tunnel, role: Role, id: number): void {
    const { filed } = session as V3Session
    const endpoint = filed[role]
    filed[role] = NONE
    if (endpoint === NONE) return
    if (this.#byReceiver.find(endpoint, id) === session.index * 2 + role) this.#byReceiver.remove(endpoint, id)
  }

  describe(session: Session): SessionDetails {
    return (session as V3Session).details
  }

  sum(session: Session): SessionSum {
    return (session as V3Session).sum
  }

  saveMore(session: Session): SavedV3Session {
    return (session as V3Session).save()
  }

  restoreMore(session: Session, saved: SavedV3Session): void {
    ;(session as V3Session).restore(saved)
  }

  #report(frame: Frame, name: string, detail: string, session: V3Session | null, tunnel: Tunnel | null): void {
    this.#anomalies.report(frame, name, 'l2tpv3', detail, frame.hasUdp ? 'udp' : 'ip', {
      'l2tp.session.target_id': frame.l2tpv3.sessionId,
      'l2tp.tunnel.uid': tunnel?.uid,
      'l2tp.session.uid': session?.uid,
      'borescope.lineage': session === null || tunnel === null ? undefined : [...tunnel.lineage, session.uid],
    })
  }
}

function isIp(etherType: number): boolean {
  return etherType === ETHERTYPE.IPV4 || etherType === ETHERTYPE.IPV6
}
