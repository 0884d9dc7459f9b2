/**
 * The calls of PPTP (RFC 2637 section 2): set up by a control connection, carried in GRE packets, with PPP inside.
 *
 * A call is named by the number that the receiver of a packet assigned, and by both addresses. One whose set-up was not seen
 * is found by its packets, and its two directions by being the only ones between the two hosts.
 */
import { hash } from 'node:crypto'
import { addressText } from '../base/address.ts'
import { Endpoints } from '../base/endpoints.ts'
import { PairTable } from '../base/pair-table.ts'
import { Pool } from '../base/pool.ts'
import { isoMicroseconds, SECOND_US } from '../base/time.ts'
import { Timers } from '../base/timers.ts'
import type { Frame } from '../dissect/frame.ts'
import type { Emit } from '../events/catalogue.ts'
import { PPTP, type PptpMessage } from '../wire/pptp.ts'
import type { Anomalies } from './anomalies.ts'
import type { CarrierOwner } from './carrier.ts'
import { FullTable } from './full-table.ts'
import { Halves } from './halves.ts'
import type { Inside } from './inside.ts'
import { Meter } from './meter.ts'
import { vlanOf } from './outer.ts'
import { NO_ID, PptpCall } from './pptp-call.ts'
import { NO_CALL, NO_ENDPOINT, type PptpConnection } from './pptp-connection.ts'
import { CLIENT, CONNECTED, type PptpClosedBy, resultFields, roleName, SERVER } from './pptp-message.ts'
import type { Role } from './role.ts'
import { NO_PAUSE, type Pause, silentSince } from './saved.ts'
import { loadCall, type SavedCall, saveCall } from './saved-pptp.ts'
import { SequenceMeter } from './sequence-meter.ts'
import { Sightings } from './sightings.ts'
import { trafficOf } from './traffic.ts'

export interface PptpCallLimits {
  readonly pptpCallsMax: number
  readonly setupTimeoutUs: number
  readonly idleTimeoutUs: number
  /** GRE packets of an unknown call after which it counts as one that was open before the capture. */
  readonly adoptAfter: number
}

/** How long packets still belong to a call that has ended. */
const LINGER_US = 30 * SECOND_US

export class PptpCallTracker implements CarrierOwner {
  readonly #inside: Inside
  readonly #emit: Emit
  readonly #anomalies: Anomalies
  readonly #limits: PptpCallLimits
  /** Hosts, which have no port here, and hosts with a call id in its place. */
  readonly #endpoints: Endpoints
  readonly #calls: Pool<PptpCall>
  /** Receiver with its call id, and sender, of a GRE packet → call times two plus the receiver's role. */
  readonly #byReceiver: PairTable
  /** Calls of which one id is not known, by sender and receiver of the packets that will show it. */
  readonly #halves: Halves
  readonly #sightings: Sightings
  readonly #meter = new Meter()
  readonly #sequences = new SequenceMeter()
  readonly #timers = new Timers()
  readonly #full: FullTable
  readonly #expire = (index: number) => this.#expired(index)
  #nowUs = 0
  #pause = NO_PAUSE

  constructor(inside: Inside, emit: Emit, anomalies: Anomalies, limits: PptpCallLimits) {
    this.#inside = inside
    this.#emit = emit
    this.#anomalies = anomalies
    this.#limits = limits
    const { pptpCallsMax, adoptAfter } = limits
    this.#endpoints = new Endpoints(pptpCallsMax * 4)
    const number = inside.admit(this)
    this.#calls = new Pool(pptpCallsMax, (index) => new PptpCall(index, this, number))
    this.#byReceiver = new PairTable(pptpCallsMax * 2)
    this.#halves = new Halves(pptpCallsMax)
    this.#sightings = new Sightings(adoptAfter)
    this.#full = new FullTable(emit)
  }

  get size(): number {
    return this.#calls.size
  }

  at(index: number): PptpCall {
    return this.#calls.at(index)
  }

  *carriers(): Generator<PptpCall> {
    for (const index of this.#calls.used()) yield this.#calls.at(index)
  }

  /** A GRE packet of version 1 that carries PPP, or acknowledges some. */
  observe(frame: Frame): void {
    const { ip, gre } = frame
    const found = this.#find(frame)
    if (found === -1) {
      this.#observeUnknown(frame)
      return
    }
    const index = found >> 1
    const sender = (1 - (found & 1)) as Role
    const call = this.#calls.at(index)
    if (call.state === 'closed') return
    if (call.state !== 'established') this.#establish(call, frame.timeUs)
    this.#meter.count(index, sender, ip.wireEnd - ip.headerStart, frame)
    if (gre.hasSequence) this.#sequences.observe(index * 2 + sender, gre.sequence)
    if (frame.flaw !== null) this.#reportInside(frame, call)
    this.#inside.observe(frame, call, sender)
  }

  *expire(nowUs: number): Generator<void> {
    this.#nowUs = nowUs
    yield* this.#timers.advance(nowUs, this.#expire)
  }

  /** The end of the capture: everything that is open is told. */
  *finish(nowUs: number): Generator<void> {
    this.#nowUs = nowUs
    for (const index of this.#calls.used()) {
      const call = this.#calls.at(index)
      this.#close(call, nowUs, 'capture_end', 'the capture ended', null)
      this.#forget(call)
      yield
    }
  }

  // --- by the control connection

  /** A message of an open control connection that is about a call. */
  control(frame: Frame, connection: PptpConnection, sender: Role, message: PptpMessage): void {
    switch (message.controlType) {
      case PPTP.OUTGOING_CALL_REQUEST:
      case PPTP.INCOMING_CALL_REQUEST:
        this.#request(frame, connection, sender, message)
        return
      case PPTP.OUTGOING_CALL_REPLY:
      case PPTP.INCOMING_CALL_REPLY:
        this.#answer(frame, connection, sender, message)
        return
      default:
        this.#act(frame, connection, sender, message)
    }
  }

  /** The calls of a control connection end with it. */
  connectionClosed(connection: PptpConnection, timeUs: number, closedBy: PptpClosedBy, reason: string): void {
    for (let at = connection.firstCall; at !== NO_CALL; ) {
      const call = this.#calls.at(at)
      at = call.next
      if (call.clearedBy !== -1)
        this.#close(call, timeUs, roleName(call.clearedBy), `cleared by the ${roleName(call.clearedBy)}`, null)
      else {
        const words = closedBy === 'capture_end' ? reason : `control connection: ${reason}`
        this.#close(call, timeUs, closedBy, words, null)
      }
      this.#unchain(call)
    }
  }

  /** The last sign of life of any call of a connection; -Infinity if it has none. */
  lastOf(connection: PptpConnection): number {
    let lastUs = Number.NEGATIVE_INFINITY
    for (let at = connection.firstCall; at !== NO_CALL; at = this.#calls.at(at).next)
      lastUs = Math.max(lastUs, this.#meter.lastUs(at))
    return lastUs
  }

  // --- over a restart of the sensor

  /** The calls of a connection, the newest first. */
  saveOf(connection: PptpConnection): SavedCall[] {
    const saved: SavedCall[] = []
    for (let at = connection.firstCall; at !== NO_CALL; at = this.#calls.at(at).next) saved.push(this.#save(at))
    return saved
  }

  /** The calls that have no connection, or none any more. */
  *saveOthers(): Generator<SavedCall> {
    for (const index of this.#calls.used()) if (this.#calls.at(index).connection === null) yield this.#save(index)
  }

  #save(index: number): SavedCall {
    const call = this.#calls.at(index)
    return saveCall(call, {
      hosts: call.hosts.map((host) => Buffer.from(this.#endpoints.bytes(host)).toString('hex')),
      traffic: this.#meter.save(index),
      sequences: [this.#sequences.save(index * 2), this.#sequences.save(index * 2 + 1)],
    })
  }

  /** Takes up a call, of a connection that was taken up; of several the oldest comes first. False if there is no room. */
  restore(saved: SavedCall, connection: PptpConnection | null, pause: Pause): boolean {
    this.#pause = pause
    const { savedUs, nowUs } = pause
    const hosts = saved.hosts.map((host) => Buffer.from(host, 'hex'))
    const [client, server] = hosts.map((host) => this.#endpoints.hold(host, 0, host.length, 0))
    const call = this.#take(client, server, connection, saved.startUs ?? nowUs)
    if (call === null) return false
    const { index } = call
    loadCall(call, saved)
    this.#meter.restore(index, saved.traffic)
    for (const role of [CLIENT, SERVER] as const) {
      this.#sequences.restore(index * 2 + role, saved.sequences[role], nowUs > savedUs)
      if (saved.ids[role] !== NO_ID) this.#enter(call, role, saved.ids[role], hosts[role], 0, hosts[role].length)
    }
    if (saved.lacking !== -1) this.#list(call, saved.lacking)
    const { setupTimeoutUs, idleTimeoutUs } = this.#limits
    if (call.state === 'closed') this.#timers.schedule(index, nowUs + LINGER_US)
    else if (call.state !== 'established')
      this.#timers.schedule(index, silentSince(call.startUs, pause) + setupTimeoutUs)
    else if (connection === null) this.#timers.schedule(index, silentSince(saved.traffic.lastUs, pause) + idleTimeoutUs)
    return true
  }

  #request(frame: Frame, connection: PptpConnection, sender: Role, message: PptpMessage): void {
    const { callId = 0 } = message
    const earlier = this.#callOf(frame, sender, sender, callId)
    if (earlier !== null) {
      this.#close(earlier, frame.timeUs, 'silence', 'its call id was assigned again', null)
      this.#forget(earlier)
    }
    const call = this.#open(frame, connection, sender)
    if (call === null) return
    frame.trail.carrier = call.key
    call.kind = message.controlType === PPTP.OUTGOING_CALL_REQUEST ? 'outgoing' : 'incoming'
    call.asker = sender
    call.request = message
    this.#assign(frame, call, sender, sender, callId)
    this.#list(call, (1 - sender) as Role)
    call.uid = this.#uidOf(call)
    this.#timers.schedule(call.index, frame.timeUs + this.#limits.setupTimeoutUs)
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
      this.#close(call, frame.timeUs, roleName(sender), `refused: ${message.resultName}`, message)
      return
    }
    if (call.ids[sender] === NO_ID) this.#assign(frame, call, sender, sender, callId)
    if (call.state === 'established') return
    if (message.controlType === PPTP.INCOMING_CALL_REPLY) call.state = 'answered'
    else this.#establish(call, frame.timeUs)
  }

  #act(frame: Frame, connection: PptpConnection, sender: Role, message: PptpMessage): void {
    const { controlType, timeUs, callId, peerCallId } = { ...message, timeUs: frame.timeUs }
    const receiver = (1 - sender) as Role
    switch (controlType) {
      case PPTP.INCOMING_CALL_CONNECTED: {
        const call = this.#callOf(frame, sender, receiver, peerCallId ?? 0)
        if (call !== null && call.state !== 'established' && call.state !== 'closed') this.#establish(call, timeUs)
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
    this.#close(call, timeUs, roleName(clearedBy === -1 ? sender : clearedBy), reason, message)
  }

  /** The call whose id `role` assigned. `sender` is the role that sent the packet in the frame. */
  #callOf({ ip, trail }: Frame, sender: Role, role: Role, callId: number): PptpCall | null {
    const [own, other] = role === sender ? [ip.sourceAt, ip.destinationAt] : [ip.destinationAt, ip.sourceAt]
    const receiver = this.#endpoints.find(ip.bytes, own, ip.addressLength, callId)
    const host = this.#endpoints.find(ip.bytes, other, ip.addressLength, 0)
    const found = receiver === NO_ENDPOINT || host === NO_ENDPOINT ? -1 : this.#byReceiver.find(receiver, host)
    if (found === -1) return null
    const call = this.#calls.at(found >> 1)
    trail.carrier = call.key
    return call
  }

  // --- by their packets

  #find({ ip, gre }: Frame): number {
    const receiver = this.#endpoints.find(ip.bytes, ip.destinationAt, ip.addressLength, gre.callId)
    if (receiver === NO_ENDPOINT) return -1
    const sender = this.#endpoints.find(ip.bytes, ip.sourceAt, ip.addressLength, 0)
    return sender === NO_ENDPOINT ? -1 : this.#byReceiver.find(receiver, sender)
  }

  #observeUnknown(frame: Frame): void {
    if (this.#completeHalf(frame)) {
      this.observe(frame)
      return
    }
    if (!frame.hasPpp) return
    const { ip, gre } = frame
    const key = `${addressText(ip.bytes, ip.sourceAt, ip.addressLength)} ${addressText(ip.bytes, ip.destinationAt, ip.addressLength)} ${gre.callId}`
    if (this.#sightings.observe(key) && this.#adopt(frame)) this.observe(frame)
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
    if (call.state === 'requested') this.#establish(call, timeUs)
    return true
  }

  /** Who is the client is not known; the first sender stands for it, and PPP tells who logs in. */
  #adopt(frame: Frame): boolean {
    const call = this.#open(frame, null, CLIENT)
    if (call === null) return false
    call.isAdopted = true
    call.state = 'established'
    this.#assign(frame, call, CLIENT, SERVER, frame.gre.callId)
    this.#list(call, CLIENT)
    call.uid = this.#uidOf(call)
    this.#timers.schedule(call.index, frame.timeUs + this.#limits.idleTimeoutUs)
    this.#emit({
      name: 'pptp.call.adopted',
      timeUs: frame.timeUs,
      message: `PPTP call already open: ${this.#names(call)}`,
      fields: this.#describe(call),
    })
    return true
  }

  // --- life and death

  #open(frame: Frame, connection: PptpConnection | null, sender: Role): PptpCall | null {
    const { ip, timeUs } = frame
    const source = this.#endpoints.hold(ip.bytes, ip.sourceAt, ip.addressLength, 0)
    const destination = this.#endpoints.hold(ip.bytes, ip.destinationAt, ip.addressLength, 0)
    const [client, server] = sender === CLIENT ? [source, destination] : [destination, source]
    const call = this.#take(client, server, connection, timeUs)
    if (call === null) {
      this.#full.tell('pptp_calls', this.#calls.capacity, timeUs, 'PPTP calls')
      return null
    }
    if (connection !== null) connection.calls++
    call.vlan = vlanOf(frame)
    call.protection = connection?.protection ?? frame.protection
    return call
  }

  /** A record for a call between two hosts, which are held; null, and they are let go, if there is no room. */
  #take(client: number, server: number, connection: PptpConnection | null, timeUs: number): PptpCall | null {
    const index = client === NO_ENDPOINT || server === NO_ENDPOINT ? -1 : this.#calls.take()
    if (index === -1) {
      this.#endpoints.release(client)
      this.#endpoints.release(server)
      return null
    }
    const call = this.#calls.at(index)
    call.reset(connection, timeUs)
    call.hosts[CLIENT] = client
    call.hosts[SERVER] = server
    this.#meter.open(index, timeUs)
    this.#sequences.open(index * 2)
    this.#sequences.open(index * 2 + 1)
    if (connection !== null) {
      call.next = connection.firstCall
      if (call.next !== NO_CALL) this.#calls.at(call.next).previous = index
      connection.firstCall = index
    }
    return call
  }

  #establish(call: PptpCall, timeUs: number): void {
    call.state = 'established'
    this.#timers.cancel(call.index)
    this.#emit({
      name: 'pptp.call.opened',
      timeUs,
      message: `PPTP call open: ${this.#names(call)}`,
      fields: this.#describe(call),
    })
  }

  #close(call: PptpCall, timeUs: number, closedBy: PptpClosedBy, reason: string, message: PptpMessage | null): void {
    const { state, index } = call
    if (state === 'closed') return
    this.#inside.carrierClosed(call, timeUs, reason)
    this.#unlist(call)
    call.state = 'closed'
    this.#timers.schedule(index, timeUs + LINGER_US)
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
        message: `PPTP call closed: ${this.#names(call)}, ${reason}`,
        fields: {
          ...this.#describe(call),
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
      message: `PPTP call did not come about: ${this.#names(call)}, ${reason}`,
      fields: {
        ...this.#describe(call),
        ...cause,
        'pptp.call.state': state,
        'event.outcome': closedBy === 'capture_end' ? 'unknown' : 'failure',
        'event.start': isoMicroseconds(call.startUs),
        'event.end': isoMicroseconds(endUs),
        'event.duration': Math.round((endUs - call.startUs) * 1000),
      },
    })
  }

  #expired(index: number): void {
    if (!this.#calls.isUsed(index)) return
    const call = this.#calls.at(index)
    if (call.state === 'closed') {
      this.#forget(call)
      return
    }
    if (call.state !== 'established') {
      const dueUs = Math.min(silentSince(call.startUs, this.#pause) + this.#limits.setupTimeoutUs, this.#nowUs)
      this.#close(call, dueUs, 'silence', 'nobody answered the request', null)
      return
    }
    const { idleTimeoutUs } = this.#limits
    const dueUs = silentSince(this.#meter.lastUs(index), this.#pause) + idleTimeoutUs
    if (dueUs > this.#nowUs) {
      this.#timers.schedule(index, dueUs)
      return
    }
    this.#close(call, dueUs, 'silence', `silent for ${Math.round(idleTimeoutUs / SECOND_US)} s`, null)
    this.#forget(call)
  }

  #forget(call: PptpCall): void {
    const { index } = call
    this.#timers.cancel(index)
    this.#unlist(call)
    this.#unchain(call)
    for (const role of [CLIENT, SERVER] as const) {
      this.#unassign(call, role)
      this.#endpoints.release(call.hosts[role])
    }
    this.#calls.free(index)
  }

  #unchain(call: PptpCall): void {
    const { connection } = call
    if (connection === null) return
    if (call.previous !== NO_CALL) this.#calls.at(call.previous).next = call.next
    else connection.firstCall = call.next
    if (call.next !== NO_CALL) this.#calls.at(call.next).previous = call.previous
    call.connection = null
    call.next = NO_CALL
    call.previous = NO_CALL
  }

  /** `role` assigned the id. `sender` is the role that sent the packet in the frame, which has both addresses. */
  #assign({ ip }: Frame, call: PptpCall, sender: Role, role: Role, callId: number): void {
    this.#enter(call, role, callId, ip.bytes, role === sender ? ip.sourceAt : ip.destinationAt, ip.addressLength)
  }

  /** The same, with the address of `role`. */
  #enter(call: PptpCall, role: Role, callId: number, bytes: Uint8Array, at: number, length: number): void {
    if (call.lacking === role) this.#unlist(call)
    this.#unassign(call, role)
    call.ids[role] = callId
    const receiver = this.#endpoints.hold(bytes, at, length, callId)
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
    const { connection } = call
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

  #describe(call: PptpCall) {
    const { connection, request, answer } = call
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

  #names({ hosts }: PptpCall): string {
    return `${this.#endpoints.address(hosts[CLIENT])} → ${this.#endpoints.address(hosts[SERVER])}`
  }

  #uidOf(call: PptpCall): string {
    return `c-${hash('sha1', `${this.#names(call)} ${call.ids.join(' ')} ${call.startUs}`).slice(0, 12)}`
  }

  /** About a message of the control connection. */
  #report(frame: Frame, connection: PptpConnection, name: string, detail: string): void {
    this.#anomalies.report(frame, name, 'pptp', detail, 'ip', connection.findingFields(frame))
  }

  /** PPP that cannot be read, or IP in it. */
  #reportInside(frame: Frame, call: PptpCall): void {
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
