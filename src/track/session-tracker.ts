/**
 * L2TP sessions: the calls inside a tunnel (RFC 2661 sections 5.2, 7.4 and 7.5), and the data messages that they carry.
 *
 * Like a tunnel, a session is named by the number that the receiver of a message assigned. Role 0 is the initiator of the
 * tunnel, role 1 its responder, whoever asked for the session.
 */
import { PairTable } from '../base/pair-table.ts'
import { Pool } from '../base/pool.ts'
import { Timers } from '../base/timers.ts'
import type { Ahead } from '../dissect/ahead.ts'
import type { Frame } from '../dissect/frame.ts'
import type { Emit } from '../events/catalogue.ts'
import type { L2tpControl } from '../wire/l2tp-avp.ts'
import { callFacts } from './call-facts.ts'
import { type CarrierOwner, keyOf } from './carrier.ts'
import { type ControlMessage, type Finding, foundIn, stopReason } from './control-message.ts'
import type { Dialect } from './dialect.ts'
import { doubled, FIRST_ROWS } from '../base/growing.ts'
import { FullTable } from './full-table.ts'
import { Halves } from './halves.ts'
import type { Inside } from './inside.ts'
import { Meter } from './meter.ts'
import { packedOf } from './packed-ppp.ts'
import type { Role } from './role.ts'
import { NO_PAUSE, type Pause, silentSince } from './saved.ts'
import type { SavedV3Session } from './saved-l2tpv3.ts'
import { loadSession, type SavedSession, saveSession } from './saved-tunnel.ts'
import {
  ESTABLISHED_AFTER_GAP,
  isSessionMessage,
  NO_SESSION,
  SENT_BY_ASKER,
  Session,
  type SessionMessage,
  type SessionState,
  TRANSITIONS,
} from './session.ts'
import { SessionColumns } from './session-columns.ts'
import { type SessionDetails, SessionEvents, type SessionSum } from './session-events.ts'
import { trafficOf } from './traffic.ts'
import { type ClosedBy, NO_ID, type Tunnel } from './tunnel.ts'
import type { TunnelSessions } from './tunnel-sessions.ts'
import type { TunnelTracker } from './tunnel-tracker.ts'

export interface SessionLimits {
  readonly sessionsMax: number
  readonly setupTimeoutUs: number
  /** Data messages to an unknown session of an adopted tunnel before it is adopted. */
  readonly adoptAfter: number
}

/** What the sessions of a version have beyond those of version 2. */
export interface SessionVariety {
  make(index: number, columns: SessionColumns): Session
  /** A message about the session was acted on. */
  heard(session: Session, tunnel: Tunnel, sender: Role, message: ControlMessage): void
  /** `id` is what the end in that role is sent data by, from now on, or no more. */
  assigned(session: Session, tunnel: Tunnel, role: Role, id: number): void
  unassigned(session: Session, tunnel: Tunnel, role: Role, id: number): void
  describe(session: Session): SessionDetails
  /** What is told when it ends. */
  sum(session: Session): SessionSum
  /** What it adds to a session, as plain values, and back. */
  saveMore(session: Session): SavedV3Session
  restoreMore(session: Session, saved: SavedV3Session): void
}

const SEQUENCE_UNKNOWN = -1
/** The first mark of a session that carries data. */
const ESTABLISHED = 1
/** The second mark of a session whose data messages are numbered. */
const SEQUENCED = 1
const HALF = 0x8000
/** How far the number of the last message lies ahead of the one that is due. */
const AGAIN = 0xffff
/** Session ids that nobody assigned, remembered so that each is told once. */
const GUESSES_MAX = 65_536

export class SessionTracker implements TunnelSessions, CarrierOwner {
  readonly events: SessionEvents
  readonly #tunnels: TunnelTracker
  readonly #inside: Inside
  readonly #limits: SessionLimits
  readonly #dialect: Dialect
  readonly #variety: SessionVariety | null
  readonly #byReceiver: PairTable
  readonly #sessions: Pool<Session>
  /** Among the owners of carriers. */
  readonly #number: number
  readonly #timers = new Timers()
  /** By sending role. Its marks are what the packet path asks of a session; the pass stands for them, and for the names of the session. */
  readonly #meter = new Meter()
  /** Per session and sending role: index * 2 + role. */
  #lost = new Int32Array(FIRST_ROWS * 2)
  #reordered = new Int32Array(FIRST_ROWS * 2)
  #expectedNs = new Int32Array(FIRST_ROWS * 2)
  /** Sessions of which one id is not known: (tunnel, the role that lacks it) → index. */
  readonly #halves: Halves
  /** Messages to (tunnel and receiver, session id) that nobody assigned. */
  #guesses: PairTable
  readonly #full: FullTable
  #nowUs = 0
  #pause = NO_PAUSE
  readonly #expire = (index: number) => this.#expired(index)

  constructor(
    tunnels: TunnelTracker,
    inside: Inside,
    emit: Emit,
    limits: SessionLimits,
    dialect: Dialect,
    variety: SessionVariety | null = null,
  ) {
    this.#tunnels = tunnels
    this.#inside = inside
    this.events = new SessionEvents(tunnels, emit, dialect.version, variety)
    this.#full = new FullTable(emit)
    this.#limits = limits
    this.#dialect = dialect
    this.#variety = variety
    this.#byReceiver = new PairTable(limits.sessionsMax * 2)
    this.#halves = new Halves(limits.sessionsMax)
    this.#guesses = new PairTable(GUESSES_MAX)
    this.#number = inside.admit(this)
    const columns = new SessionColumns(this, this.#number)
    this.#sessions = new Pool(limits.sessionsMax, (index) =>
      variety === null ? new Session(index, columns) : variety.make(index, columns),
    )
  }

  get size(): number {
    return this.#sessions.size
  }

  at(index: number): Session {
    return this.#sessions.at(index)
  }

  *carriers(): Generator<Session> {
    for (const index of this.#sessions.used()) yield this.#sessions.at(index)
  }

  /** A data message of a known tunnel: one look-up and some additions. `found` is the tunnel's index times two plus the receiver's role. */
  observeData(frame: Frame, found: number): void {
    const { ip, l2tp } = frame
    const index = this.#byReceiver.find(found, l2tp.sessionId)
    if (index === NO_SESSION) {
      this.#observeUnknown(frame, found)
      return
    }
    if (this.#tunnels.isForeign(frame, found)) return
    if (this.#meter.mark(index, 0) !== ESTABLISHED && !this.#isLive(this.#sessions.at(index), frame, frame.hasPpp))
      return
    const sender = (1 - (found & 1)) as Role
    frame.trail.carrier = keyOf(this.#number, index)
    this.#meter.count(index, sender, ip.wireEnd - ip.headerStart, frame)
    if (l2tp.hasSequence) this.#observeSequence(index, index * 2 + sender, l2tp.ns)
    // Not by way of the record, which most packets do without.
    const { links, flows } = this.#inside
    if (frame.hasInner) flows.observe(frame, keyOf(this.#number, index), sender)
    else if (frame.hasPpp) {
      const carrier = links.observe(frame, this.#sessions.at(index), sender)
      if (carrier !== -1) flows.observe(frame, carrier, sender)
    }
  }

  /** The session of a plain data message, if it is open; else -1. `found` is the tunnel as before. */
  findOpen(found: number, sessionId: number): number {
    const index = this.#byReceiver.find(found, sessionId)
    return index === NO_SESSION || this.#meter.mark(index, 0) !== ESTABLISHED ? NO_SESSION : index
  }

  /** Stands for all by which `findOpen` finds the session, as that of a tunnel does. */
  passOf(index: number): number {
    return this.#meter.pass(index)
  }

  /** A plain data message of an open session, from the peer. */
  carryPlain(frame: Frame, found: number, index: number): void {
    const { ipLength, hasSequence, ns } = frame.plain
    const sender = (1 - (found & 1)) as Role
    const carrier = keyOf(this.#number, index)
    frame.trail.carrier = carrier
    this.#meter.count(index, sender, ipLength, frame)
    if (hasSequence) this.#observeSequence(index, index * 2 + sender, ns)
    this.#inside.flows.observe(frame, carrier, sender)
  }

  /** Has the processor read what `observeData` will need for messages to come, whose tunnels are known. */
  prefetch(ahead: Ahead): void {
    const { count, tunnel, sessionId, carrier, places } = ahead
    const table = this.#byReceiver
    for (let i = 0; i < count; i++) places[i] = table.placeOf(tunnel[i], sessionId[i])
    ahead.fetch(table.words)
    for (let i = 0; i < count; i++) {
      const index = tunnel[i] === -1 ? NO_SESSION : table.find(tunnel[i], sessionId[i])
      carrier[i] = index === NO_SESSION ? -1 : keyOf(this.#number, index)
      places[i] = index === NO_SESSION ? 0 : this.#meter.placeOf(index)
    }
    ahead.fetch(this.#meter.words)
    this.#inside.flows.prefetch(ahead)
  }

  // --- data whose header another tracker reads

  /** Whether data may belong to the session: it is open, or from what the capture shows may be. */
  isOpenFor(session: Session, frame: Frame): boolean {
    return this.#meter.mark(session.index, 0) === ESTABLISHED || this.#isLive(session, frame, true)
  }

  /** Counts a data message, and goes on with what the frame says is inside. */
  carry(session: Session, sender: Role, frame: Frame): void {
    const { ip } = frame
    frame.trail.carrier = session.key
    this.#meter.count(session.index, sender, ip.wireEnd - ip.headerStart, frame)
    this.#inside.observe(frame, session, sender)
  }

  /** A session that its data shows: the one of the tunnel that lacks this number, or a new one. */
  adoptData(tunnel: Tunnel, receiver: Role, sessionId: number, half: number, timeUs: number): Session | null {
    if (half === NO_SESSION) return this.#adopt(tunnel, (1 - receiver) as Role, sessionId, timeUs, undefined, null)
    const session = this.#sessions.at(half)
    this.#assign(session, receiver, sessionId, timeUs)
    return session
  }

  /** Data from before the session was known to be there. */
  countEarlier(session: Session, sender: Role, packets: number, bytes: number): void {
    this.#meter.add(session.index, sender, packets, bytes)
  }

  /** The session of the tunnel that lacks the receiver's number, if there is exactly one; else -1. */
  halfOf(tunnel: Tunnel, receiver: Role): number {
    return this.#halves.only(tunnel.index, receiver)
  }

  *expire(nowUs: number): Generator<void> {
    this.#nowUs = nowUs
    yield* this.#timers.advance(nowUs, this.#expire)
  }

  // --- over a restart of the sensor

  /** The sessions of a tunnel, the newest first. */
  save(tunnel: Tunnel): SavedSession[] {
    const saved: SavedSession[] = []
    for (let index = tunnel.firstSession; index !== NO_SESSION; ) {
      const session = this.#sessions.at(index)
      saved.push(
        saveSession(session, {
          traffic: this.#meter.save(index),
          sequence:
            this.#meter.mark(index, 1) === SEQUENCED
              ? [this.#sequenceAt(index * 2), this.#sequenceAt(index * 2 + 1)]
              : null,
          link: packedOf(session.link, session.userName),
          more: this.#variety?.saveMore(session),
        }),
      )
      index = session.next
    }
    return saved
  }

  /** Takes up a session that `save` gave, in a tunnel that was taken up; of several the oldest comes first. False if there is no room. */
  restore(tunnel: Tunnel, saved: SavedSession, pause: Pause): boolean {
    this.#pause = pause
    const { savedUs, nowUs } = pause
    const session = this.#open(tunnel, nowUs)
    if (session === null) return false
    const { index } = session
    loadSession(session, saved)
    session.link = saved.link
    this.#meter.restore(index, saved.traffic)
    this.#enter(session, saved.state)
    for (const [sender, [lost, reordered, expected]] of (saved.sequence ?? []).entries()) {
      this.#meter.setMark(index, 1, SEQUENCED)
      this.#lost[index * 2 + sender] = lost
      this.#reordered[index * 2 + sender] = reordered
      // Nobody knows how many passed meanwhile.
      if (nowUs === savedUs) this.#expectedNs[index * 2 + sender] = expected
    }
    if (saved.more !== undefined) this.#variety?.restoreMore(session, saved.more)
    for (const role of [0, 1] as const)
      if (saved.ids[role] !== NO_ID) this.#assign(session, role, saved.ids[role], nowUs)
    if (saved.lacking !== -1) this.#list(session, saved.lacking)
    const isOpening = saved.state === 'requested' || saved.state === 'answered'
    if (isOpening) this.#timers.schedule(index, this.#setupDueUs(session))
    return true
  }

  #sequenceAt(at: number) {
    return [this.#lost[at], this.#reordered[at], this.#expectedNs[at]] as const
  }

  // --- control messages of an open tunnel

  control(tunnel: Tunnel, sender: Role, message: ControlMessage): number {
    const { name } = message
    if (!isSessionMessage(name)) {
      if (name === 'unknown') this.#tunnels.report('l2tp.control.unexpected', tunnel, message, 'message', name)
      return -1
    }
    const index = this.#sessionOf(tunnel, sender, name, message)
    if (index !== NO_SESSION) {
      this.#advance(this.#sessions.at(index), tunnel, sender, name, message)
      return keyOf(this.#number, index)
    }
    if (name === 'ICRQ' || name === 'OCRQ') return this.#request(tunnel, sender, name, message)?.key ?? -1
    if (!tunnel.isBehind) this.#tunnels.report('l2tp.control.unknown', tunnel, message, 'session_unknown', name)
    else if (name !== 'CDN' && !message.isLate)
      return this.#adopt(tunnel, sender, message.sessionId, message.timeUs, name, message)?.key ?? -1
    return -1
  }

  tunnelClosed(tunnel: Tunnel, timeUs: number, closedBy: ClosedBy, reason: string): void {
    for (let index = tunnel.firstSession; index !== NO_SESSION; ) {
      const session = this.#sessions.at(index)
      index = session.next
      this.#close(session, tunnel, timeUs, closedBy, reason, null)
      this.#forget(session, tunnel)
    }
  }

  /** By the id in the header; a request has none, and a CDN may come before its sender knows the other's: then by the sender's own. */
  #sessionOf(
    tunnel: Tunnel,
    sender: Role,
    name: SessionMessage,
    { sessionId, control, timeUs }: ControlMessage,
  ): number {
    if (sessionId !== 0) {
      const found = this.#byReceiver.find(tunnel.index * 2 + (1 - sender), sessionId)
      return found === NO_SESSION && tunnel.isBehind && name !== 'CDN'
        ? this.#completeHalf(tunnel, (1 - sender) as Role, sessionId, timeUs)
        : found
    }
    if (control.assignedSessionId === undefined) return NO_SESSION
    const own = this.#byReceiver.find(tunnel.index * 2 + sender, control.assignedSessionId)
    // A request with a number that is taken is a new session in place of an old one.
    if (own === NO_SESSION || (name !== 'ICRQ' && name !== 'OCRQ')) return own
    this.#replace(this.#sessions.at(own), tunnel, timeUs, 'the peer asked again with the same session id')
    return NO_SESSION
  }

  #request(tunnel: Tunnel, sender: Role, name: 'ICRQ' | 'OCRQ', message: ControlMessage): Session | null {
    const { control, timeUs } = message
    const session = this.#open(tunnel, timeUs)
    if (session === null) return null
    session.kind = name === 'ICRQ' ? 'incoming' : 'outgoing'
    session.asker = sender
    session.call = callFacts(control, null)
    if (control.assignedSessionId !== undefined) this.#assign(session, sender, control.assignedSessionId, timeUs)
    this.#list(session, (1 - sender) as Role)
    session.uid = this.events.uidOf(session, tunnel)
    this.#variety?.heard(session, tunnel, sender, message)
    this.#timers.schedule(session.index, timeUs + this.#limits.setupTimeoutUs)
    this.events.requested(session, tunnel, name, timeUs)
    return session
  }

  #advance(session: Session, tunnel: Tunnel, sender: Role, name: SessionMessage, message: ControlMessage): void {
    const { control, timeUs } = message
    const before = session.state
    // The other end may not have heard of the CDN, or may still repeat what it sent before.
    if (before === 'closed' && session.stoppedBy === 1 - sender) return
    const after = this.#after(session, tunnel, sender, name)
    if (after === 'state' || after === 'role') {
      if (session.isImplied && SENT_BY_ASKER[name] !== undefined) {
        this.#learn(session, sender, message)
        this.#variety?.heard(session, tunnel, sender, message)
      } else if (!session.isAdopted && !message.isLate) this.#reportUnexpected(session, tunnel, message, after)
      return
    }
    this.#variety?.heard(session, tunnel, sender, message)
    if (after === before) return
    if (after === 'closed') {
      session.stoppedBy = sender
      // Remembered until the tunnel ends or the number is used again: both peers may still repeat themselves.
      this.#close(session, tunnel, timeUs, sender === 0 ? 'initiator' : 'responder', stopReason(control), control)
      return
    }
    if (SENT_BY_ASKER[name] !== undefined) this.#learn(session, sender, message)
    if (after === 'established') {
      session.isImplied = before === 'requested'
      this.#establish(session, tunnel, timeUs, control)
    } else this.#enter(session, after)
  }

  /** What a message of the set-up says of the session. */
  #learn(session: Session, sender: Role, { control, timeUs }: ControlMessage): void {
    const { assignedSessionId } = control
    if (assignedSessionId !== undefined && session.idOf(sender) === NO_ID)
      this.#assign(session, sender, assignedSessionId, timeUs)
    session.call = callFacts(control, session.call)
  }

  /** The state after a message of a role, or what is wrong with it. */
  #after(session: Session, tunnel: Tunnel, sender: Role, name: SessionMessage): SessionState | 'state' | 'role' {
    const isBefore = session.state === 'requested' || session.state === 'answered'
    const implied = isBefore && tunnel.isBehind && ESTABLISHED_AFTER_GAP.has(name) ? 'established' : undefined
    const state = TRANSITIONS[session.kind ?? 'incoming'][session.state][name] ?? implied
    if (state === undefined) return 'state'
    const isByAsker = SENT_BY_ASKER[name]
    const isRightRole =
      isByAsker === undefined || session.kind === undefined || isByAsker === (sender === session.asker)
    return isRightRole ? state : 'role'
  }

  #reportUnexpected(session: Session, tunnel: Tunnel, message: ControlMessage, finding: Finding): void {
    this.#tunnels.report('l2tp.control.unexpected', tunnel, message, finding, message.name, {
      'l2tp.session.uid': session.uid,
      'l2tp.session.state': session.state,
      'borescope.lineage': [...tunnel.lineage, session.uid],
    })
  }

  #establish(session: Session, tunnel: Tunnel, timeUs: number, control: L2tpControl | null): void {
    this.#enter(session, 'established')
    this.#timers.cancel(session.index)
    this.#inside.links.noteProxied(session, control, timeUs)
    this.events.opened(session, tunnel, timeUs)
  }

  // --- data before the set-up, after the end, and of sessions that nobody knows

  /** The mark tells the packet path, which does not look at the session itself. */
  #enter(session: Session, state: SessionState): void {
    session.state = state
    this.#meter.setMark(session.index, 0, state === 'established' ? ESTABLISHED : 0)
  }

  #isLive(session: Session, frame: Frame, isSound: boolean): boolean {
    if (session.state === 'closed') return false
    const tunnel = this.#tunnels.at(session.tunnel)
    if (isSound && tunnel.isBehind) {
      session.isImplied = true
      this.#establish(session, tunnel, frame.timeUs, null)
    }
    return true
  }

  #observeUnknown(frame: Frame, found: number): void {
    const { sessionId } = frame.l2tp
    const tunnel = this.#tunnels.at(found >> 1)
    if (tunnel.state === 'closed' || this.#tunnels.isForeign(frame, found)) return
    const receiver = (found & 1) as Role
    const times = Math.max(this.#guesses.find(found, sessionId), 0) + 1
    // No session has the number zero (RFC 2661 section 4.4.4).
    if (tunnel.isBehind && sessionId !== 0) {
      this.#remember(found, sessionId, times)
      if (!frame.hasPpp || times < this.#limits.adoptAfter) return
      const half = this.#completeHalf(tunnel, receiver, sessionId, frame.timeUs)
      const adopt = () => this.#adopt(tunnel, (1 - receiver) as Role, sessionId, frame.timeUs, undefined, null)
      if (half !== NO_SESSION || adopt() !== null) this.observeData(frame, found)
    } else if (times === 1) {
      this.#remember(found, sessionId, times)
      this.#tunnels.report('l2tp.control.unknown', tunnel, foundIn(frame, this.#dialect), 'session_unknown', 'data')
    }
  }

  #remember(found: number, sessionId: number, times: number): void {
    if (this.#guesses.insert(found, sessionId, times)) return
    this.#guesses = new PairTable(GUESSES_MAX)
    this.#guesses.insert(found, sessionId, times)
  }

  /** A session from before the capture, or whose set-up the capture missed. */
  #adopt(
    tunnel: Tunnel,
    sender: Role,
    sessionId: number,
    timeUs: number,
    name: SessionMessage | undefined,
    message: ControlMessage | null,
  ): Session | null {
    const session = this.#open(tunnel, timeUs)
    if (session === null) return null
    const control = message?.control ?? null
    session.isAdopted = true
    this.#enter(session, 'established')
    if (name !== undefined && name !== 'WEN' && name !== 'SLI') {
      session.kind = name.startsWith('O') ? 'outgoing' : 'incoming'
      session.asker = SENT_BY_ASKER[name] ? sender : ((1 - sender) as Role)
    }
    session.call = control === null ? null : callFacts(control, null)
    const receiver = (1 - sender) as Role
    if (sessionId !== 0) this.#assign(session, receiver, sessionId, timeUs)
    if (control?.assignedSessionId !== undefined) this.#assign(session, sender, control.assignedSessionId, timeUs)
    if (session.idOf(sender) === NO_ID) this.#list(session, sender)
    session.uid = this.events.uidOf(session, tunnel)
    if (message !== null) this.#variety?.heard(session, tunnel, sender, message)
    // Of a session that only its data shows, the data says first how it is laid out.
    if (message !== null || this.#variety === null) this.events.adopted(session, tunnel, timeUs)
    return session
  }

  /** The one session of the tunnel that lacks the receiver's id gets it; -1 if there is none, or more than one. */
  #completeHalf(tunnel: Tunnel, receiver: Role, sessionId: number, timeUs: number): number {
    const half = this.#halves.only(tunnel.index, receiver)
    if (half !== NO_SESSION) this.#assign(this.#sessions.at(half), receiver, sessionId, timeUs)
    return half
  }

  // --- life and death

  #open(tunnel: Tunnel, timeUs: number): Session | null {
    const index = this.#sessions.take()
    if (index === -1) {
      this.#full.tell('sessions', this.#limits.sessionsMax, timeUs)
      return null
    }
    if (index * 2 >= this.#expectedNs.length) this.#grow()
    const session = this.#sessions.at(index)
    session.reset(tunnel.index, timeUs)
    this.#meter.open(index, timeUs)
    for (const array of [this.#lost, this.#reordered]) array.fill(0, index * 2, index * 2 + 2)
    this.#expectedNs.fill(SEQUENCE_UNKNOWN, index * 2, index * 2 + 2)
    session.next = tunnel.firstSession
    if (tunnel.firstSession !== NO_SESSION) this.#sessions.at(tunnel.firstSession).previous = index
    tunnel.firstSession = index
    tunnel.sessions++
    return session
  }

  #close(
    session: Session,
    tunnel: Tunnel,
    timeUs: number,
    closedBy: ClosedBy,
    reason: string,
    control: L2tpControl | null,
  ): void {
    const before = session.state
    if (before === 'closed') return
    this.#timers.cancel(session.index)
    this.#inside.carrierClosed(session, timeUs, reason)
    this.#unlist(session)
    this.#enter(session, 'closed')
    const lastUs = this.#meter.lastUs(session.index)
    const end = { timeUs, closedBy, reason, control, lastUs }
    if (before === 'established')
      this.events.closed(session, tunnel, end, { ...this.traffic(session), ...this.#sum(session) })
    else this.events.failed(session, tunnel, end, before)
  }

  #expired(index: number): void {
    if (!this.#sessions.isUsed(index)) return
    const session = this.#sessions.at(index)
    if (session.state !== 'requested' && session.state !== 'answered') return
    const reason =
      session.state === 'requested'
        ? 'half-open: nobody answered the request'
        : 'half-open: the answer was not confirmed'
    const tunnel = this.#tunnels.at(session.tunnel)
    this.#close(session, tunnel, Math.min(this.#setupDueUs(session), this.#nowUs), 'silence', reason, null)
  }

  #setupDueUs({ startUs }: Session): number {
    return silentSince(startUs, this.#pause) + this.#limits.setupTimeoutUs
  }

  /** Another session takes the place of this one. */
  #replace(session: Session, tunnel: Tunnel, timeUs: number, reason: string): void {
    this.#close(session, tunnel, timeUs, 'silence', reason, null)
    this.#forget(session, tunnel)
  }

  #forget(session: Session, tunnel: Tunnel): void {
    this.#timers.cancel(session.index)
    this.#unlist(session)
    for (const role of [0, 1] as const) if (session.idOf(role) !== NO_ID) this.#unassign(session, role)
    if (session.previous !== NO_SESSION) this.#sessions.at(session.previous).next = session.next
    else tunnel.firstSession = session.next
    if (session.next !== NO_SESSION) this.#sessions.at(session.next).previous = session.previous
    this.#sessions.free(session.index)
  }

  #assign(session: Session, role: Role, id: number, timeUs: number): void {
    if (session.lacking === role) this.#unlist(session)
    if (session.idOf(role) !== NO_ID) this.#unassign(session, role)
    session.setId(role, id)
    if (id === 0) return
    const key = session.tunnel * 2 + role
    const earlier = this.#byReceiver.find(key, id)
    if (earlier !== NO_SESSION && earlier !== session.index) {
      this.#replace(
        this.#sessions.at(earlier),
        this.#tunnels.at(session.tunnel),
        timeUs,
        'its session id was assigned again',
      )
    }
    this.#byReceiver.insert(key, id, session.index)
    this.#variety?.assigned(session, this.#tunnels.at(session.tunnel), role, id)
  }

  #list(session: Session, lacking: Role): void {
    if (this.#halves.add(session.tunnel, lacking, session.index)) session.lacking = lacking
  }

  #unlist(session: Session): void {
    if (session.lacking === -1) return
    this.#halves.remove(session.tunnel, session.lacking, session.index)
    session.lacking = -1
  }

  #unassign(session: Session, role: Role): void {
    const key = session.tunnel * 2 + role
    this.#meter.renewPass(session.index)
    if (this.#byReceiver.find(key, session.idOf(role)) === session.index)
      this.#byReceiver.remove(key, session.idOf(role))
    this.#variety?.unassigned(session, this.#tunnels.at(session.tunnel), role, session.idOf(role))
  }

  /** Data messages with Ns (RFC 2661 section 5.4): what is missing, and what comes late. */
  #observeSequence(index: number, at: number, ns: number): void {
    const expected = this.#expectedNs[at]
    this.#meter.setMark(index, 1, SEQUENCED)
    const ahead = expected === SEQUENCE_UNKNOWN ? 0 : (ns - expected) & 0xffff
    if (ahead < HALF) {
      this.#lost[at] += ahead
      this.#expectedNs[at] = (ns + 1) & 0xffff
    } else {
      this.#reordered[at]++
      // The last one once more fills no gap.
      if (ahead !== AGAIN && this.#lost[at] > 0) this.#lost[at]--
    }
  }

  #sum(session: Session): SessionSum {
    if (this.#variety !== null) return this.#variety.sum(session)
    if (this.#meter.mark(session.index, 1) !== SEQUENCED) return {}
    const at = session.index * 2
    return {
      'l2tp.session.sequenced': true,
      'l2tp.session.lost': this.#lost[at] + this.#lost[at + 1],
      'l2tp.session.reordered': this.#reordered[at] + this.#reordered[at + 1],
    }
  }

  #grow(): void {
    this.#lost = doubled(this.#lost)
    this.#reordered = doubled(this.#reordered)
    this.#expectedNs = doubled(this.#expectedNs)
  }

  // --- as the owner of carriers

  identify(session: Session) {
    return this.events.identify(session)
  }

  hosts(session: Session, source: Role) {
    return this.events.hosts(session, source)
  }

  /** Outer IP bytes and packets of the data messages, the tunnel's initiator as the source unless `source` says otherwise. */
  traffic(session: Session, source: Role = 0) {
    return trafficOf(this.#meter, session.index, source, session.startUs)
  }
}
