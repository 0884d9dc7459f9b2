/**
 * PPPoE (RFC 2516): hosts that look for an access concentrator, the sessions that they get, and the PPP links in them.
 *
 * A session is named by both stations, its number and the VLAN. Where the access concentrator carries the frames on in an
 * L2TP session that is seen too, the two are tied to each other.
 */
import { hash } from 'node:crypto'
import { hex } from '../base/bytes.ts'
import { Endpoints } from '../base/endpoints.ts'
import { PairTable } from '../base/pair-table.ts'
import { Pool } from '../base/pool.ts'
import { isoMicroseconds, SECOND_US } from '../base/time.ts'
import { Timers } from '../base/timers.ts'
import type { Frame } from '../dissect/frame.ts'
import type { Emit } from '../events/catalogue.ts'
import { describePppoe, PPPOE, type PppoeRecord, PppoeTagCursor } from '../wire/pppoe.ts'
import type { Anomalies } from './anomalies.ts'
import type { Carrier, CarrierOwner } from './carrier.ts'
import { FullTable } from './full-table.ts'
import type { Inside } from './inside.ts'
import { Meter } from './meter.ts'
import { vlanOf } from './outer.ts'
import {
  learnTags,
  newDetails,
  NO_ENDPOINT,
  type PppoeAttempt,
  type PppoeClosedBy,
  type PppoeDetails,
  PppoeSession,
} from './pppoe.ts'
import type { Role } from './role.ts'
import { NO_PAUSE, type Pause, type SavedEntry, type Saves, silentSince, type Uptake } from './saved.ts'
import { isText, SavedFault } from './saved-fields.ts'
import {
  checkPppoeSession,
  loadPppoeAttempt,
  loadPppoeSession,
  type SavedPppoeSession,
  savePppoeSession,
} from './saved-pppoe.ts'
import { Sightings } from './sightings.ts'
import { trafficOf } from './traffic.ts'

export interface PppoeLimits {
  /** Also of the hosts that look for one at one time. */
  readonly pppoeSessionsMax: number
  readonly setupTimeoutUs: number
  readonly idleTimeoutUs: number
  /** Frames of an unknown session after which it counts as one that was open before the capture. */
  readonly adoptAfter: number
}

const HOST = 0
const CONCENTRATOR = 1
/** How long frames still belong to a session that has ended. */
const LINGER_US = 30 * SECOND_US
/** A PADS again within this is a repetition. */
const REPEATED_US = 10 * SECOND_US
const CONCENTRATORS_MAX = 4096

/** As frames without one have it. */
const NO_VLAN = -1

// A session's name in one direction: destination and source, VLAN, session id.
const NAME_LENGTH = 16
const MAC_LENGTH = 6
const VLAN_AT = 12
const SESSION_ID_AT = 14

/** What is saved over a restart. */
const SESSION = 'pppoe.session/1'
const ATTEMPT = 'pppoe.attempt/1'
const STATION = 'pppoe.concentrator/1'

export class PppoeTracker implements CarrierOwner, Saves {
  readonly savedKinds = [SESSION, ATTEMPT, STATION]
  readonly #inside: Inside
  readonly #emit: Emit
  readonly #anomalies: Anomalies
  readonly #limits: PppoeLimits
  readonly #names: Endpoints
  /** The name of a frame → session times two plus the receiver's role. */
  readonly #byName: PairTable
  readonly #sessions: Pool<PppoeSession>
  readonly #attempts = new Map<string, PppoeAttempt>()
  readonly #sightings: Sightings
  readonly #concentrators = new Set<string>()
  readonly #meter = new Meter()
  readonly #timers = new Timers()
  readonly #tags = new PppoeTagCursor()
  readonly #fullSessions: FullTable
  readonly #fullAttempts: FullTable
  readonly #name = new Uint8Array(NAME_LENGTH)
  readonly #expire = (index: number) => this.#expired(index)
  #nowUs = 0
  #pause = NO_PAUSE

  constructor(inside: Inside, emit: Emit, anomalies: Anomalies, limits: PppoeLimits) {
    this.#inside = inside
    this.#emit = emit
    this.#anomalies = anomalies
    this.#limits = limits
    this.#names = new Endpoints(limits.pppoeSessionsMax * 2)
    this.#byName = new PairTable(limits.pppoeSessionsMax * 2)
    const number = inside.admit(this)
    this.#sessions = new Pool(limits.pppoeSessionsMax, (index) => new PppoeSession(index, this, number))
    this.#sightings = new Sightings(limits.adoptAfter)
    this.#fullSessions = new FullTable(emit)
    this.#fullAttempts = new FullTable(emit)
    inside.links.sameLinks.attach((first, second, timeUs) => this.#relate(first, second, timeUs))
  }

  get size(): number {
    return this.#sessions.size
  }

  at(index: number): PppoeSession {
    return this.#sessions.at(index)
  }

  *carriers(): Generator<PppoeSession> {
    for (const index of this.#sessions.used()) yield this.#sessions.at(index)
  }

  /** Discovery, or a frame of a session that carries none of our other protocols. */
  observe(frame: Frame): void {
    if (frame.link.pppoeAt === -1) this.#observeDiscovery(frame)
    else this.#observeSession(frame, true)
  }

  /** A frame of a session whose IP packet others follow: it is counted. */
  count(frame: Frame): void {
    this.#observeSession(frame, false)
  }

  *expire(nowUs: number): Generator<void> {
    this.#nowUs = nowUs
    yield* this.#timers.advance(nowUs, this.#expire)
    for (const [key, attempt] of this.#attempts) {
      const dueUs = silentSince(attempt.lastUs, this.#pause) + this.#limits.setupTimeoutUs
      if (dueUs > nowUs) continue
      this.#attempts.delete(key)
      this.#fail(attempt, dueUs, 'silence', unansweredReason(attempt), null)
      yield
    }
  }

  /** The end of the capture: everything that is open is told. */
  *finish(nowUs: number): Generator<void> {
    this.#nowUs = nowUs
    for (const [key, attempt] of this.#attempts) {
      this.#attempts.delete(key)
      this.#fail(attempt, nowUs, 'capture_end', 'the capture ended', null)
      yield
    }
    for (const index of this.#sessions.used()) {
      const session = this.#sessions.at(index)
      this.#close(session, nowUs, 'capture_end', 'the capture ended', null)
      this.#forget(session)
      yield
    }
  }

  // --- over a restart of the sensor

  *save(): Generator<SavedEntry> {
    for (const index of this.#sessions.used()) {
      const session = this.#sessions.at(index)
      const names = session.endpoints.map((name) => Buffer.from(this.#names.bytes(name)).toString('hex'))
      yield { kind: SESSION, saved: savePppoeSession(session, names, this.#meter.save(index)) }
    }
    for (const saved of this.#attempts.values()) yield { kind: ATTEMPT, saved }
    for (const saved of this.#concentrators) yield { kind: STATION, saved }
  }

  restore(entries: readonly SavedEntry[], pause: Pause, uptake: Uptake): void {
    this.#pause = pause
    for (const { kind, saved } of entries)
      uptake.take(kind, () => {
        if (kind === SESSION) return this.#resume(checkPppoeSession(saved), pause)
        if (kind === ATTEMPT) return this.#resumeAttempt(loadPppoeAttempt(saved))
        if (!isText(saved)) throw new SavedFault('it is no station')
        const hasRoom = this.#concentrators.size < CONCENTRATORS_MAX
        if (hasRoom) this.#concentrators.add(saved as string)
        return hasRoom
      })
  }

  #resumeAttempt(attempt: PppoeAttempt): boolean {
    if (this.#attempts.size >= this.#limits.pppoeSessionsMax) return false
    this.#attempts.set(`${attempt.host} ${attempt.vlan ?? NO_VLAN}`, attempt)
    return true
  }

  /** False if there is no room. */
  #resume(saved: SavedPppoeSession, { nowUs }: Pause): boolean {
    const names = saved.names.map((name) => this.#names.hold(Buffer.from(name, 'hex'), 0, NAME_LENGTH, 0))
    const session = this.#take(names[0], names[1])
    if (session === null) return false
    const { index } = session
    session.reset(saved.sessionId ?? 0, nowUs)
    loadPppoeSession(session, saved)
    for (const role of [HOST, CONCENTRATOR] as const) this.#enter(session, role, names[role])
    this.#meter.open(index, nowUs)
    this.#meter.restore(index, saved.traffic)
    const idleUs = silentSince(saved.traffic.lastUs, this.#pause) + this.#limits.idleTimeoutUs
    this.#timers.schedule(index, session.isClosed ? nowUs + LINGER_US : idleUs)
    return true
  }

  // --- sessions

  #observeSession(frame: Frame, isOwn: boolean): void {
    const { bytes, link } = frame
    const { pppoeAt } = link
    const sessionId = (bytes[pppoeAt + 2] << 8) | bytes[pppoeAt + 3]
    const found = this.#find(frame, sessionId)
    if (found === -1) {
      if (isOwn && this.#isOpenByNow(frame, sessionId)) this.#observeSession(frame, isOwn)
      return
    }
    const index = found >> 1
    const session = this.#sessions.at(index)
    if (session.isClosed) return
    const sender = (1 - (found & 1)) as Role
    this.#meter.count(index, sender, (bytes[pppoeAt + 4] << 8) | bytes[pppoeAt + 5], frame)
    if (!isOwn) return
    if (frame.flaw !== null) this.#report(frame, session, sender, frame.flaw, frame.flawLayer)
    this.#inside.observe(frame, session, sender)
  }

  #find(frame: Frame, sessionId: number): number {
    this.#nameOf(frame, sessionId, false)
    const name = this.#names.find(this.#name, 0, NAME_LENGTH, 0)
    return name === NO_ENDPOINT ? -1 : this.#byName.find(name, 0)
  }

  /** Writes the name of the frame's session, in its direction or the other one, into `#name`. */
  #nameOf({ bytes, link }: Frame, sessionId: number, isReversed: boolean): void {
    const name = this.#name
    const { stationsAt, vlanId } = link
    if (stationsAt === -1) name.fill(0, 0, VLAN_AT)
    else {
      const [first, second] = isReversed ? [stationsAt + MAC_LENGTH, stationsAt] : [stationsAt, stationsAt + MAC_LENGTH]
      for (let i = 0; i < MAC_LENGTH; i++) {
        name[i] = bytes[first + i]
        name[MAC_LENGTH + i] = bytes[second + i]
      }
    }
    name[VLAN_AT] = vlanId >> 8
    name[VLAN_AT + 1] = vlanId
    name[SESSION_ID_AT] = sessionId >> 8
    name[SESSION_ID_AT + 1] = sessionId
  }

  /** Frames of a session that nobody saw opened; true when there are enough of them. */
  #isOpenByNow(frame: Frame, sessionId: number): boolean {
    if (!frame.hasPpp || sessionId === 0) return false
    const key = `${stationsOf(frame).toSorted().join(' ')} ${frame.link.vlanId} ${sessionId}`
    return this.#sightings.observe(key) && this.#adopt(frame, sessionId)
  }

  #adopt(frame: Frame, sessionId: number): boolean {
    const [source] = stationsOf(frame)
    // Without its discovery only a station that is known to be a concentrator tells who is who.
    const sender: Role = this.#concentrators.has(source) ? CONCENTRATOR : HOST
    const session = this.#open(frame, sessionId, sender, newDetails())
    if (session === null) return false
    session.isAdopted = true
    this.#emit({
      name: 'pppoe.session.adopted',
      timeUs: frame.timeUs,
      message: `PPPoE session ${sessionId} already open: ${this.#words(session)}`,
      fields: { ...this.#describe(session), 'pppoe.session.id': sessionId },
    })
    return true
  }

  #open(frame: Frame, sessionId: number, sender: Role, details: PppoeDetails): PppoeSession | null {
    const { timeUs } = frame
    this.#nameOf(frame, sessionId, false)
    const toReceiver = this.#names.hold(this.#name, 0, NAME_LENGTH, 0)
    this.#nameOf(frame, sessionId, true)
    const toSender = this.#names.hold(this.#name, 0, NAME_LENGTH, 0)
    const session = this.#take(toReceiver, toSender)
    if (session === null) {
      this.#fullSessions.tell('pppoe_sessions', this.#sessions.capacity, timeUs, 'PPPoE sessions')
      return null
    }
    frame.trail.carrier = session.key
    const receiver = (1 - sender) as Role
    session.reset(sessionId, timeUs)
    const [source, destination] = stationsOf(frame)
    session.stations[sender] = source
    session.stations[receiver] = destination
    session.vlan = vlanOf(frame)
    session.details = details
    session.uid = `o-${hash('sha1', `${session.stations.join(' ')} ${session.vlan} ${sessionId} ${timeUs}`).slice(0, 12)}`
    this.#enter(session, sender, toSender)
    this.#enter(session, receiver, toReceiver)
    this.#meter.open(session.index, timeUs)
    this.#timers.schedule(session.index, timeUs + this.#limits.idleTimeoutUs)
    return session
  }

  /** A record for a session with these names, which are held; null, and they are let go, if there is no room. */
  #take(first: number, second: number): PppoeSession | null {
    const index = first === NO_ENDPOINT || second === NO_ENDPOINT ? -1 : this.#sessions.take()
    if (index !== -1) return this.#sessions.at(index)
    this.#names.release(first)
    this.#names.release(second)
    return null
  }

  /** In frames to `role` the session is called this. */
  #enter(session: PppoeSession, role: Role, name: number): void {
    session.endpoints[role] = name
    this.#byName.insert(name, 0, session.index * 2 + role)
  }

  #close(
    session: PppoeSession,
    timeUs: number,
    closedBy: PppoeClosedBy,
    reason: string,
    record: PppoeRecord | null,
  ): void {
    if (session.isClosed) return
    this.#inside.carrierClosed(session, timeUs, reason)
    session.isClosed = true
    this.#timers.schedule(session.index, timeUs + LINGER_US)
    this.#emit({
      name: 'pppoe.session.closed',
      timeUs,
      message: `PPPoE session ${session.sessionId} closed: ${this.#words(session)}, ${reason}`,
      fields: {
        ...this.#describe(session),
        ...errorFields(record),
        ...this.traffic(session),
        'pppoe.session.id': session.sessionId,
        'event.reason': reason,
        'pppoe.closed_by': closedBy,
      },
    })
  }

  #expired(index: number): void {
    if (!this.#sessions.isUsed(index)) return
    const session = this.#sessions.at(index)
    if (session.isClosed) {
      this.#forget(session)
      return
    }
    const { idleTimeoutUs } = this.#limits
    const dueUs = silentSince(this.#meter.lastUs(index), this.#pause) + idleTimeoutUs
    if (dueUs > this.#nowUs) {
      this.#timers.schedule(index, dueUs)
      return
    }
    this.#close(session, dueUs, 'silence', `silent for ${Math.round(idleTimeoutUs / SECOND_US)} s`, null)
    this.#forget(session)
  }

  #forget(session: PppoeSession): void {
    this.#timers.cancel(session.index)
    for (const endpoint of session.endpoints) {
      this.#byName.remove(endpoint, 0)
      this.#names.release(endpoint)
    }
    this.#sessions.free(session.index)
  }

  // --- discovery

  #observeDiscovery(frame: Frame): void {
    const { pppoe, timeUs } = frame
    const record = describePppoe(pppoe, this.#tags)
    const [source, destination] = stationsOf(frame)
    for (const finding of [...(record.flaw === undefined ? [] : [record.flaw]), ...(record.findings ?? [])])
      this.#anomalies.report(frame, finding, 'pppoe', record.codeName, 'none', {
        ...stationFields(source, destination),
        'network.vlan.id': vlanOf(frame),
      })
    switch (record.code) {
      case PPPOE.PADI: {
        const attempt = this.#attemptOf(frame, source)
        if (attempt !== null) learnTags(attempt.details, record.tags ?? [])
        return
      }
      case PPPOE.PADO:
        this.#offer(frame, record, source, destination)
        return
      case PPPOE.PADR: {
        const attempt = this.#attemptOf(frame, source)
        if (attempt === null) return
        attempt.state = 'requested'
        attempt.concentrator = destination
        learnTags(attempt.details, record.tags ?? [])
        return
      }
      case PPPOE.PADS:
        this.#confirm(frame, record, source, destination)
        return
      case PPPOE.PADT: {
        const found = this.#find(frame, record.sessionId)
        if (found === -1) return
        const sender = (1 - (found & 1)) as Role
        frame.trail.carrier = this.#sessions.at(found >> 1).key
        const who = sender === HOST ? 'client' : 'server'
        this.#close(this.#sessions.at(found >> 1), timeUs, who, `terminated by the ${who}${errorWords(record)}`, record)
      }
    }
  }

  /** The attempt of a host, begun if it has none; null if there is no room. */
  #attemptOf(frame: Frame, host: string): PppoeAttempt | null {
    const { timeUs } = frame
    const key = `${host} ${frame.link.vlanId}`
    const known = this.#attempts.get(key)
    if (known !== undefined) {
      frame.trail.discovery = known.uid
      known.lastUs = timeUs
      return known
    }
    if (this.#attempts.size >= this.#limits.pppoeSessionsMax) {
      this.#fullAttempts.tell('pppoe_attempts', this.#limits.pppoeSessionsMax, timeUs, 'PPPoE discoveries')
      return null
    }
    const attempt: PppoeAttempt = {
      uid: `o-${hash('sha1', `${key} ${timeUs}`).slice(0, 12)}`,
      host,
      vlan: vlanOf(frame),
      startUs: timeUs,
      details: newDetails(),
      state: 'discovering',
      concentrator: undefined,
      lastUs: timeUs,
    }
    this.#attempts.set(key, attempt)
    frame.trail.discovery = attempt.uid
    return attempt
  }

  #offer(frame: Frame, record: PppoeRecord, source: string, destination: string): void {
    const tags = record.tags ?? []
    const details = newDetails()
    learnTags(details, tags)
    this.#meet(frame, source, details)
    const attempt = this.#attempts.get(`${destination} ${frame.link.vlanId}`)
    if (attempt === undefined) return
    frame.trail.discovery = attempt.uid
    attempt.lastUs = frame.timeUs
    attempt.details.offers++
    if (attempt.state !== 'discovering') return
    attempt.state = 'offered'
    attempt.concentrator = source
    attempt.details.acName = details.acName
  }

  /** A station that offers service is told once: another one than the operator's is worth a look. */
  #meet(frame: Frame, station: string, { acName, serviceName }: PppoeDetails): void {
    if (station === '' || this.#concentrators.has(station)) return
    if (this.#concentrators.size >= CONCENTRATORS_MAX) this.#concentrators.clear()
    this.#concentrators.add(station)
    this.#emit({
      name: 'pppoe.concentrator.seen',
      timeUs: frame.timeUs,
      message: `${station}${acName === undefined ? '' : ` (${acName})`} offers PPPoE`,
      fields: {
        'source.mac': station,
        'network.protocol': 'pppoe',
        'network.vlan.id': vlanOf(frame),
        'pppoe.ac_name': acName,
        'pppoe.service_name': serviceName,
      },
    })
  }

  #confirm(frame: Frame, record: PppoeRecord, source: string, destination: string): void {
    const { timeUs } = frame
    const { sessionId } = record
    const key = `${destination} ${frame.link.vlanId}`
    const attempt = this.#attempts.get(key)
    const error = errorFields(record)
    if (sessionId === 0 || error['pppoe.error.name'] !== undefined) {
      if (attempt === undefined) return
      frame.trail.discovery = attempt.uid
      this.#attempts.delete(key)
      attempt.concentrator = source
      this.#fail(attempt, timeUs, 'server', `refused${errorWords(record)}`, record)
      return
    }
    const earlier = this.#find(frame, sessionId)
    if (earlier !== -1) {
      const session = this.#sessions.at(earlier >> 1)
      if (!session.isClosed && attempt === undefined && timeUs - session.startUs < REPEATED_US) return
      this.#close(session, timeUs, 'silence', 'its session id was given again', null)
      this.#forget(session)
    }
    this.#attempts.delete(key)
    const details = attempt?.details ?? newDetails()
    learnTags(details, record.tags ?? [])
    this.#meet(frame, source, details)
    const session = this.#open(frame, sessionId, CONCENTRATOR, details)
    if (session === null) return
    if (attempt !== undefined) session.uid = attempt.uid
    this.#emit({
      name: 'pppoe.session.opened',
      timeUs,
      message: `PPPoE session ${sessionId} open: ${this.#words(session)}`,
      fields: { ...this.#describe(session), 'pppoe.session.id': sessionId },
    })
  }

  #fail(
    attempt: PppoeAttempt,
    timeUs: number,
    closedBy: PppoeClosedBy,
    reason: string,
    record: PppoeRecord | null,
  ): void {
    const { uid, host, vlan, startUs, details, state, concentrator, lastUs } = attempt
    this.#emit({
      name: 'pppoe.session.failed',
      timeUs,
      message: `${host} got no PPPoE session: ${reason}`,
      fields: {
        ...stationFields(host, concentrator ?? ''),
        'network.vlan.id': vlan,
        'pppoe.session.uid': uid,
        'borescope.lineage': [uid],
        ...detailFields(details),
        ...errorFields(record),
        'pppoe.session.state': state,
        'pppoe.closed_by': closedBy,
        'event.reason': reason,
        'event.outcome': closedBy === 'capture_end' ? 'unknown' : 'failure',
        'event.start': isoMicroseconds(startUs),
        'event.end': isoMicroseconds(lastUs),
        'event.duration': Math.round((lastUs - startUs) * 1000),
      },
    })
  }

  // --- the other side of the access concentrator

  /** The same link was seen in two carriers. */
  #relate(first: Carrier, second: Carrier, timeUs: number): void {
    const [own, other] = first.owner === this ? [first, second] : [second, first]
    if (own.owner !== this) return
    const session = own as PppoeSession
    const identity = other.owner.identify(other)
    const sessionUid = identity['l2tp.session.uid']
    if (sessionUid === undefined || session.upstream?.sessionUid === sessionUid) return
    const tunnelUid = identity['l2tp.tunnel.uid']
    session.upstream = { tunnelUid, sessionUid, lineage: identity['borescope.lineage'] }
    other.accessUid = session.uid
    for (const carrier of [session, other]) this.#inside.flows.carrierRenamed(carrier)
    this.#emit({
      name: 'pppoe.session.forwarded',
      timeUs,
      message: `PPPoE session ${session.sessionId} goes on in an L2TP session: ${this.#words(session)}`,
      fields: {
        ...this.#describe(session),
        'pppoe.session.id': session.sessionId,
        'l2tp.tunnel.uid': tunnelUid ?? '',
        'l2tp.session.uid': sessionUid,
      },
    })
  }

  // --- telling

  identify(session: PppoeSession) {
    const { upstream, uid } = session
    return {
      'l2tp.tunnel.uid': upstream?.tunnelUid,
      'l2tp.session.uid': upstream?.sessionUid,
      'pppoe.session.uid': uid,
      'borescope.lineage': [...(upstream?.lineage ?? []), uid],
    }
  }

  hosts(session: PppoeSession, source: Role) {
    const [from, to] = [session.stations[source], session.stations[1 - source]]
    return { ...stationFields(from, to), 'network.vlan.id': session.vlan }
  }

  traffic(session: PppoeSession, source: Role = HOST) {
    return trafficOf(this.#meter, session.index, source, session.startUs)
  }

  #describe(session: PppoeSession) {
    return {
      ...this.hosts(session, HOST),
      ...this.identify(session),
      ...detailFields(session.details),
      'pppoe.session.adopted': session.isAdopted || undefined,
      'user.name': session.userName,
    }
  }

  #words({ stations, details }: PppoeSession): string {
    const [host, concentrator] = stations
    if (host === '') return 'stations unknown'
    return `${host} → ${concentrator}${details.acName === undefined ? '' : ` (${details.acName})`}`
  }

  #report(frame: Frame, session: PppoeSession, sender: Role, name: string, layer: string): void {
    const identity = this.identify(session)
    this.#anomalies.report(frame, name, layer, 'in a session', 'none', {
      ...this.hosts(session, sender),
      'pppoe.session.uid': identity['pppoe.session.uid'],
      'borescope.lineage': identity['borescope.lineage'],
    })
  }
}

/** Source and destination of the frame, as ECS writes them; empty where it has no stations. */
function stationsOf({ bytes, link }: Frame): [source: string, destination: string] {
  const { stationsAt } = link
  if (stationsAt === -1) return ['', '']
  return [station(bytes, stationsAt + MAC_LENGTH), station(bytes, stationsAt)]
}

function station(bytes: Uint8Array, at: number): string {
  return hex(bytes, at, at + MAC_LENGTH)
    .toUpperCase()
    .replace(/..(?!$)/g, '$&-')
}

function stationFields(source: string, destination: string) {
  return {
    ...(source === '' ? {} : { 'source.mac': source }),
    ...(destination === '' ? {} : { 'destination.mac': destination }),
    'network.protocol': 'pppoe',
  }
}

function detailFields({ serviceName, acName, circuitId, remoteId, maxPayload, offers }: PppoeDetails) {
  return {
    'pppoe.service_name': serviceName,
    'pppoe.ac_name': acName,
    'pppoe.circuit_id': circuitId,
    'pppoe.remote_id': remoteId,
    'pppoe.max_payload': maxPayload,
    'pppoe.offers': offers === 0 ? undefined : offers,
  }
}

/** The first error tag of a packet. */
function errorFields(record: PppoeRecord | null) {
  const error = record?.tags?.find(({ name }) => name.endsWith('-Error'))
  if (error === undefined) return { 'pppoe.error.name': undefined, 'pppoe.error.message': undefined }
  const message = String(error.value ?? '')
  return { 'pppoe.error.name': error.name, 'pppoe.error.message': message === '' ? undefined : message }
}

function errorWords(record: PppoeRecord): string {
  const { 'pppoe.error.name': name, 'pppoe.error.message': message } = errorFields(record)
  if (name === undefined) return ''
  return message === undefined ? `: ${name}` : `: ${name}, "${message}"`
}

function unansweredReason({ state }: PppoeAttempt): string {
  switch (state) {
    case 'discovering':
      return 'no access concentrator answered'
    case 'offered':
      return 'no offer was taken up'
    default:
      return 'the access concentrator did not confirm'
  }
}
