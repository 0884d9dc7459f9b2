/**
 * PPTP control connections (RFC 2637 sections 2 and 3.1): who opened one over TCP, what the ends say of themselves, how it
 * ended. What its messages say of calls goes to the tracker of those.
 */
import { hash } from 'node:crypto'
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
import { FullTable } from './full-table.ts'
import { vlanOf } from './outer.ts'
import type { PptpCallTracker } from './pptp-call-tracker.ts'
import { NO_ENDPOINT, PptpConnection } from './pptp-connection.ts'
import { CLIENT, CONNECTED, type PptpClosedBy, resultFields, roleName, SERVER } from './pptp-message.ts'
import { isPptpStart } from './pptp-stream.ts'
import type { Role } from './role.ts'
import {
  NO_PAUSE,
  type Pause,
  type SavedEndpoint,
  type SavedEntry,
  type Saves,
  silentSince,
  type Uptake,
} from './saved.ts'
import { checkCall, checkConnection, loadConnection, type SavedConnection, saveConnection } from './saved-pptp.ts'

export interface PptpConnectionLimits {
  readonly pptpConnectionsMax: number
  readonly setupTimeoutUs: number
  readonly idleTimeoutUs: number
}

/** How long segments still belong to a connection that has ended. */
const LINGER_US = 30 * SECOND_US

/** What is saved over a restart. */
const CONNECTION = 'pptp.connection/1'
const CALL = 'pptp.call/1'

export class PptpConnectionTracker implements Saves {
  readonly savedKinds = [CONNECTION, CALL]
  readonly #calls: PptpCallTracker
  readonly #emit: Emit
  readonly #anomalies: Anomalies
  readonly #limits: PptpConnectionLimits
  readonly #endpoints: Endpoints
  readonly #connections: Pool<PptpConnection>
  /** Source and destination of a segment → connection times two plus the sender's role. */
  readonly #byEnds: PairTable
  readonly #timers = new Timers()
  readonly #full: FullTable
  readonly #expire = (index: number) => this.#expired(index)
  #nowUs = 0
  #pause = NO_PAUSE

  constructor(calls: PptpCallTracker, emit: Emit, anomalies: Anomalies, limits: PptpConnectionLimits) {
    this.#calls = calls
    this.#emit = emit
    this.#anomalies = anomalies
    this.#limits = limits
    this.#endpoints = new Endpoints(limits.pptpConnectionsMax * 2)
    this.#connections = new Pool(limits.pptpConnectionsMax, (index) => new PptpConnection(index))
    this.#byEnds = new PairTable(limits.pptpConnectionsMax * 2)
    this.#full = new FullTable(emit)
  }

  get size(): number {
    return this.#connections.size
  }

  at(index: number): PptpConnection {
    return this.#connections.at(index)
  }

  /** A segment on the port of the control connection. */
  observe(frame: Frame): void {
    const { tcp, timeUs } = frame
    const connection = this.#connectionOf(frame)
    if (connection === null) return
    frame.trail.connection = connection.index
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

  *expire(nowUs: number): Generator<void> {
    this.#nowUs = nowUs
    yield* this.#timers.advance(nowUs, this.#expire)
  }

  /** The end of the capture: everything that is open is told. */
  *finish(nowUs: number): Generator<void> {
    this.#nowUs = nowUs
    for (const index of this.#connections.used()) {
      const connection = this.#connections.at(index)
      if (connection.state !== 'closed') this.#close(connection, nowUs, 'capture_end', 'the capture ended')
      this.#forget(connection)
      yield
    }
  }

  // --- over a restart of the sensor

  /** Connections with their calls, then the calls without one. */
  *save(): Generator<SavedEntry> {
    const endpointOf = (id: number): SavedEndpoint => [
      Buffer.from(this.#endpoints.bytes(id)).toString('hex'),
      this.#endpoints.port(id),
    ]
    for (const index of this.#connections.used()) {
      const connection = this.#connections.at(index)
      const ends = connection.endpoints.map(endpointOf)
      yield { kind: CONNECTION, saved: saveConnection(connection, ends, this.#calls.saveOf(connection)) }
    }
    for (const saved of this.#calls.saveOthers()) yield { kind: CALL, saved }
  }

  restore(entries: readonly SavedEntry[], pause: Pause, uptake: Uptake): void {
    this.#pause = pause
    for (const { kind, saved } of entries)
      uptake.take(kind, () =>
        kind === CALL
          ? this.#calls.restore(checkCall(saved), null, pause)
          : this.#resume(checkConnection(saved), pause, uptake),
      )
  }

  /** False if there is no room; calls that find none are counted. */
  #resume(saved: SavedConnection, pause: Pause, uptake: Uptake): boolean {
    const { savedUs, nowUs } = pause
    const [client, server] = saved.endpoints.map(([address, port]) => {
      const bytes = Buffer.from(address, 'hex')
      return this.#endpoints.hold(bytes, 0, bytes.length, port)
    })
    const connection = this.#take(client, server, saved.startUs ?? nowUs)
    if (connection === null) return false
    loadConnection(connection, saved, nowUs > savedUs)
    for (const call of saved.calls.toReversed()) if (!this.#calls.restore(call, connection, pause)) uptake.leftOut++
    connection.calls = saved.callCount
    const { state, finishedBy, finishedUs } = connection
    const { idleTimeoutUs, setupTimeoutUs } = this.#limits
    const timeoutUs = state === 'established' ? idleTimeoutUs : setupTimeoutUs
    if (state === 'closed') this.#timers.schedule(connection.index, nowUs + LINGER_US)
    else if (finishedBy !== -1) this.#timers.schedule(connection.index, silentSince(finishedUs, pause) + LINGER_US)
    else this.#timers.schedule(connection.index, silentSince(connection.lastUs, pause) + timeoutUs)
    return true
  }

  /** The connection of the segment in the frame; null if nobody speaks PPTP there. */
  #connectionOf(frame: Frame): PptpConnection | null {
    const found = this.#find(frame)
    if (found === -1) return this.#open(frame)
    const connection = this.#connections.at(found >> 1)
    if (connection.state !== 'closed' || !isStartRequest(frame)) return connection
    // The same ports again.
    this.#forget(connection)
    return this.#open(frame)
  }

  #find({ ip, tcp }: Frame): number {
    const source = this.#endpoints.find(ip.bytes, ip.sourceAt, ip.addressLength, tcp.sourcePort)
    if (source === NO_ENDPOINT) return -1
    const destination = this.#endpoints.find(ip.bytes, ip.destinationAt, ip.addressLength, tcp.destinationPort)
    return destination === NO_ENDPOINT ? -1 : this.#byEnds.find(source, destination)
  }

  /** Only a message opens one: ports are knocked at for many reasons. */
  #open(frame: Frame): PptpConnection | null {
    const { ip, tcp, timeUs } = frame
    if (!isPptpStart(tcp.bytes, tcp.payloadStart, tcp.payloadEnd)) return null
    const source = this.#endpoints.hold(ip.bytes, ip.sourceAt, ip.addressLength, tcp.sourcePort)
    const destination = this.#endpoints.hold(ip.bytes, ip.destinationAt, ip.addressLength, tcp.destinationPort)
    const [client, server] = tcp.destinationPort === PPTP_PORT ? [source, destination] : [destination, source]
    const connection = this.#take(client, server, timeUs)
    if (connection === null) {
      this.#full.tell('pptp_connections', this.#connections.capacity, timeUs, 'PPTP control connections')
      return null
    }
    connection.vlan = vlanOf(frame)
    connection.protection = frame.protection
    connection.uid = `p-${hash('sha1', `${this.#names(connection)} ${timeUs}`).slice(0, 12)}`
    this.#timers.schedule(connection.index, timeUs + this.#limits.setupTimeoutUs)
    return connection
  }

  /** A record for a connection between two ends, which are held; null, and they are let go, if there is no room. */
  #take(client: number, server: number, timeUs: number): PptpConnection | null {
    const index = client === NO_ENDPOINT || server === NO_ENDPOINT ? -1 : this.#connections.take()
    if (index === -1) {
      this.#endpoints.release(client)
      this.#endpoints.release(server)
      return null
    }
    const connection = this.#connections.at(index)
    connection.reset(timeUs)
    connection.endpoints[CLIENT] = client
    connection.endpoints[SERVER] = server
    this.#byEnds.insert(client, server, index * 2 + CLIENT)
    this.#byEnds.insert(server, client, index * 2 + SERVER)
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
      this.#adopt(connection, frame.timeUs)
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
        this.#close(connection, frame.timeUs, roleName(sender === CLIENT ? SERVER : CLIENT), stopReason(connection))
        return
      default:
        this.#calls.control(frame, connection, sender, message)
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
      this.#close(connection, frame.timeUs, 'server', reason)
      return
    }
    connection.stop = null
    this.#establish(connection, frame.timeUs)
    this.#emit({
      name: 'pptp.connection.opened',
      timeUs: frame.timeUs,
      message: `PPTP control connection open: ${this.#names(connection)}`,
      fields: this.#describe(connection),
    })
  }

  #adopt(connection: PptpConnection, timeUs: number): void {
    connection.isAdopted = true
    this.#establish(connection, timeUs)
    this.#emit({
      name: 'pptp.connection.adopted',
      timeUs,
      message: `PPTP control connection already open: ${this.#names(connection)}`,
      fields: this.#describe(connection),
    })
  }

  #establish(connection: PptpConnection, timeUs: number): void {
    connection.state = 'established'
    this.#timers.schedule(connection.index, timeUs + this.#limits.idleTimeoutUs)
  }

  /** The first FIN ends one direction only: the last words of the other end are waited for. */
  #finishTcp(connection: PptpConnection, timeUs: number, sender: Role, isReset: boolean): void {
    const { finishedBy } = connection
    if (!isReset && finishedBy === -1) {
      connection.finishedBy = sender
      connection.finishedUs = timeUs
      this.#timers.schedule(connection.index, timeUs + LINGER_US)
    } else if (isReset || finishedBy !== sender) this.#endTcp(connection, timeUs, sender, 'reset')
  }

  #endTcp(connection: PptpConnection, timeUs: number, sender: Role, how: 'reset' | 'closed'): void {
    const { stoppedBy, finishedBy } = connection
    const who = finishedBy === -1 ? sender : finishedBy
    if (stoppedBy !== -1) this.#close(connection, timeUs, roleName(stoppedBy), stopReason(connection))
    else {
      const words = finishedBy === -1 ? how : 'closed'
      this.#close(connection, timeUs, roleName(who), `TCP connection ${words} by the ${roleName(who)}`)
    }
  }

  #close(connection: PptpConnection, timeUs: number, closedBy: PptpClosedBy, reason: string): void {
    const { state, index } = connection
    this.#calls.connectionClosed(connection, timeUs, closedBy, reason)
    connection.state = 'closed'
    const fields = {
      ...this.#describe(connection),
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
    this.#timers.schedule(index, timeUs + LINGER_US)
  }

  #forget(connection: PptpConnection): void {
    this.#timers.cancel(connection.index)
    const [client, server] = connection.endpoints
    this.#byEnds.remove(client, server)
    this.#byEnds.remove(server, client)
    this.#endpoints.release(client)
    this.#endpoints.release(server)
    for (const stream of connection.streams) stream.release()
    this.#connections.free(connection.index)
  }

  #expired(index: number): void {
    if (!this.#connections.isUsed(index)) return
    const connection = this.#connections.at(index)
    if (connection.state === 'closed') {
      this.#forget(connection)
      return
    }
    if (connection.finishedBy !== -1) {
      this.#endTcp(connection, connection.finishedUs, connection.finishedBy, 'closed')
      return
    }
    const isOpen = connection.state === 'established'
    const timeoutUs = isOpen ? this.#limits.idleTimeoutUs : this.#limits.setupTimeoutUs
    const lastUs = Math.max(connection.lastUs, this.#calls.lastOf(connection))
    const dueUs = silentSince(lastUs, this.#pause) + timeoutUs
    if (dueUs > this.#nowUs) {
      this.#timers.schedule(index, dueUs)
      return
    }
    const reason = isOpen ? `silent for ${Math.round(timeoutUs / SECOND_US)} s` : 'nobody answered the request'
    this.#close(connection, dueUs, 'silence', reason)
    // Peers that are silent repeat nothing; if they speak after all, the connection is adopted.
    this.#forget(connection)
  }

  #describe(connection: PptpConnection) {
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

  #report(frame: Frame, connection: PptpConnection, name: string, detail: string): void {
    this.#anomalies.report(frame, name, 'pptp', detail, 'ip', connection.findingFields(frame))
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

function stopReason({ stoppedBy, stop }: PptpConnection): string {
  if (stoppedBy === -1) return 'stopped'
  const why = stop?.reasonName === undefined || stop.reason === 1 ? '' : ` (${stop.reasonName.toLowerCase()})`
  return `stopped by the ${roleName(stoppedBy)}${why}`
}
