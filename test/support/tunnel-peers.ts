/**
 * The two ends of a tunnel as state machines: reliable control messages, calls, and the PPP link of each call.
 */
import * as craft from './craft.ts'
import { talk } from './inner-flows.ts'
import type { Count, Network } from './network.ts'
import { type LinkEnd, PppLink, type PppMessage } from './ppp-peer.ts'
import type { CallPlan, Role, TunnelPlan } from './scenario.ts'

interface ControlMessage {
  readonly name: keyof typeof craft.L2TP_MESSAGE | 'zlb'
  readonly ns: number
  readonly nr: number
  readonly call: CallPlan | null
}

interface Pending {
  readonly name: ControlMessage['name']
  readonly ns: number
  readonly call: CallPlan | null
  readonly build: (header: craft.L2tpControlFields) => Uint8Array
  isSent: boolean
}

const WINDOW = 4
const RETRANSMISSIONS_MAX = 10
const RETRANSMIT_US = 1_000_000
const RETRANSMIT_MAX_US = 8_000_000

/** Reliable delivery of control messages (RFC 2661 section 5.8), and what both ends do alike. */
abstract class TunnelEnd implements LinkEnd {
  readonly role: Role
  readonly network: Network
  readonly plan: TunnelPlan
  peer: TunnelEnd | null = null
  isDead = false
  readonly #links = new Map<CallPlan, PppLink>()
  readonly #closed = new Set<CallPlan>()
  readonly #queue: Pending[] = []
  readonly #sequences = new Map<CallPlan, number>()
  #ns = 0
  #nr = 0
  #retransmissions = 0
  #timer = 0
  #hasAcknowledged = false
  #isStopping = false
  #isEstablished = false
  #ipId: number

  constructor(role: Role, network: Network, plan: TunnelPlan) {
    this.role = role
    this.network = network
    this.plan = plan
    this.#ipId = network.random.below(0x10000)
  }

  /** Acts on a message that has arrived in order. */
  protected abstract onControl(message: ControlMessage): void

  protected sendControl(name: Pending['name'], call: CallPlan | null, build: Pending['build']): void {
    this.#queue.push({ name, ns: this.#ns, call, build, isSent: false })
    this.#ns = (this.#ns + 1) & 0xffff
    this.#transmit()
  }

  receive(message: ControlMessage): void {
    const acknowledged = this.#queue.findIndex(
      (pending) => pending.isSent && pending.ns === ((message.nr - 1) & 0xffff),
    )
    if (acknowledged !== -1) {
      this.#queue.splice(0, acknowledged + 1)
      this.#retransmissions = 0
      this.#timer++
      this.#transmit()
    }
    if (message.name === 'zlb') return
    const ahead = (message.ns - this.#nr) & 0xffff
    if (ahead > 0 && ahead < 0x8000) return
    this.#hasAcknowledged = false
    if (ahead === 0) {
      this.#nr = (this.#nr + 1) & 0xffff
      if (!this.isDead) this.onControl(message)
    }
    if (!this.#hasAcknowledged) this.#put({ name: 'zlb', ns: this.#ns, call: null, build: craft.zlb, isSent: false })
  }

  receiveData(call: CallPlan, message: PppMessage): void {
    if (!this.#closed.has(call)) this.#links.get(call)?.receive(message)
  }

  sendPpp(call: CallPlan, frame: Uint8Array, message: PppMessage | null, flow: Count | null = null): void {
    if (this.isDead || this.#closed.has(call)) return
    const { truth } = this.plan
    const isClient = this.role === 'client'
    const sequence = this.#sequences.get(call) ?? 0
    this.#sequences.set(call, (sequence + 1) & 0xffff)
    const payload = craft.l2tpData(frame, {
      tunnelId: isClient ? truth.serverTunnelId : truth.clientTunnelId,
      sessionId: isClient ? call.truth.serverSessionId : call.truth.clientSessionId,
      length: call.hasLength,
      ...(call.hasSequence ? { ns: sequence } : {}),
    })
    const counts: Count[] = [
      [truth.traffic, frame.length],
      [isClient ? call.truth.up : call.truth.down, frame.length],
      ...(flow === null ? [] : [flow]),
    ]
    this.network.send(this.#frame(payload), counts, () => {
      if (message !== null) this.peer?.receiveData(call, message)
    })
  }

  hangUp(call: CallPlan, result: number): void {
    if (this.isDead || this.#closed.has(call)) return
    call.truth.closedBy ??= this.role
    this.#close(call)
    const isClient = this.role === 'client'
    const { clientSessionId, serverSessionId } = call.truth
    const sessionId = isClient ? serverSessionId : clientSessionId
    const assignedSessionId = isClient ? clientSessionId : serverSessionId
    this.sendControl('cdn', call, (header) => craft.cdn({ ...header, sessionId, assignedSessionId, result }))
    this.#stopIfIdle()
  }

  /** Called at either end; the flows start when both have called. */
  networkOpened(call: CallPlan): void {
    if (++call.endsOpen < 2 || this.peer === null) return
    call.truth.networkUp = true
    const [client, server] = this.role === 'client' ? [this, this.peer] : [this.peer, this]
    talk(this.network, call, {
      send: (isUp, frame, count) => (isUp ? client : server).sendPpp(call, frame, null, count),
      hangUp: () => (call.hangsUp === 'client' ? client : server).hangUp(call, 3),
    })
  }

  protected established(): void {
    if (this.#isEstablished) return
    this.#isEstablished = true
    if (++this.plan.endsEstablished === 2) this.plan.truth.established = true
    this.#keepAlive()
  }

  protected callEstablished(call: CallPlan): void {
    if (this.#links.has(call) || this.#closed.has(call)) return
    if (++call.endsEstablished === 2) call.truth.established = true
    if (this.role === 'server' && this.network.random.chance(0.2)) {
      const sessionId = call.truth.clientSessionId
      this.sendControl('sli', call, (header) => craft.sli({ ...header, sessionId }))
    }
    if (this.role === 'client' && this.network.random.chance(0.1)) {
      const sessionId = call.truth.serverSessionId
      this.sendControl('wen', call, (header) => craft.wen({ ...header, sessionId }))
    }
    const link = new PppLink(this, call)
    this.#links.set(call, link)
    link.start()
  }

  protected onCdn(call: CallPlan): void {
    this.#close(call)
    this.#stopIfIdle()
  }

  protected onStop(): void {
    for (const call of this.plan.calls) this.#close(call)
    this.isDead = true
  }

  protected startFields(): craft.StartFields {
    const { truth } = this.plan
    return this.role === 'client'
      ? { assignedTunnelId: truth.clientTunnelId, hostName: truth.hostName, vendorName: 'Example LAC' }
      : { assignedTunnelId: truth.serverTunnelId, hostName: 'lns.example', vendorName: 'Example LNS' }
  }

  #close(call: CallPlan): void {
    this.#closed.add(call)
    this.#links.get(call)?.stop()
  }

  #stopIfIdle(): void {
    if (this.plan.stops !== this.role || this.#isStopping || this.#closed.size < this.plan.calls.length) return
    this.#isStopping = true
    this.network.after(500_000, () => {
      if (this.isDead) return
      this.plan.truth.closedBy ??= this.role
      const assignedTunnelId = this.startFields().assignedTunnelId ?? 0
      this.sendControl('stopccn', null, (header) => craft.stopccn({ ...header, assignedTunnelId, result: 1 }))
    })
  }

  #keepAlive(): void {
    this.network.after(this.network.settings.helloUs, () => {
      if (this.isDead || this.#isStopping) return
      if (this.#queue.length === 0) this.sendControl('hello', null, craft.hello)
      this.#keepAlive()
    })
  }

  #transmit(): void {
    const unsent = this.#queue.slice(0, WINDOW).filter((pending) => !pending.isSent)
    for (const pending of unsent) {
      pending.isSent = true
      this.#put(pending)
    }
    if (this.#queue.length > 0) this.#armTimer()
  }

  #armTimer(): void {
    const generation = ++this.#timer
    const waitUs = Math.min(RETRANSMIT_MAX_US, RETRANSMIT_US * 2 ** this.#retransmissions)
    this.network.after(waitUs, () => {
      if (generation !== this.#timer || this.#queue.length === 0) return
      if (++this.#retransmissions > RETRANSMISSIONS_MAX) {
        this.onStop()
        return
      }
      for (const pending of this.#queue) if (pending.isSent) this.#put(pending)
      this.#armTimer()
    })
  }

  #put({ name, ns, call, build }: Pending): void {
    const { truth } = this.plan
    const toServer = name === 'sccrq' ? 0 : truth.serverTunnelId
    const tunnelId = this.role === 'client' ? toServer : truth.clientTunnelId
    const nr = this.#nr
    this.#hasAcknowledged = true
    const frame = this.#frame(build({ tunnelId, ns, nr }))
    this.network.send(frame, [[truth.traffic, 0]], () => this.peer?.receive({ name, ns, nr, call }))
  }

  #frame(payload: Uint8Array): Uint8Array {
    const { client, server } = this.plan.truth
    const [from, to] = this.role === 'client' ? [client, server] : [server, client]
    const macs = ['02:00:00:00:00:01', '02:00:00:00:00:02']
    const [source, target] = this.role === 'client' ? macs : macs.toReversed()
    const { vlan } = this.network.settings
    this.#ipId = (this.#ipId + 1) & 0xffff
    return craft.datagram(payload, {
      source: from.address,
      target: to.address,
      sourcePort: from.port,
      targetPort: to.port,
      ip: from.address.includes(':') ? {} : { id: this.#ipId },
      ethernet: { source, target, vlans: vlan === null ? [] : [{ id: vlan }], sizeMin: 60 },
    })
  }
}

/** The client's end: opens the tunnel, and the incoming calls. */
export class Lac extends TunnelEnd {
  readonly #challenge: Uint8Array

  constructor(network: Network, plan: TunnelPlan) {
    super('client', network, plan)
    this.#challenge = network.random.bytes(16)
  }

  start(): void {
    const secret = this.network.settings.tunnelSecret
    const more = secret === null ? [] : [craft.avp(craft.AVP.challenge, this.#challenge)]
    this.sendControl('sccrq', null, (header) => craft.sccrq({ ...header, ...this.startFields(), more }))
  }

  get challenge(): Uint8Array {
    return this.#challenge
  }

  protected override onControl({ name, call }: ControlMessage): void {
    if (name === 'sccrp') this.#connect()
    else if (name === 'icrp' && call !== null) this.#connectCall(call)
    else if (name === 'ocrq' && call !== null) this.#answer(call)
    else if (name === 'cdn' && call !== null) this.onCdn(call)
    else if (name === 'stopccn') this.onStop()
  }

  #connect(): void {
    const { random, settings } = this.network
    const secret = settings.tunnelSecret
    const response = () => craft.challengeResponse(craft.L2TP_MESSAGE.scccn, secret ?? '', (this.peer as Lns).challenge)
    const more = secret === null ? [] : [craft.avp(craft.AVP.challengeResponse, response())]
    this.sendControl('scccn', null, (header) => craft.scccn({ ...header, more }))
    this.established()
    for (const call of this.plan.calls) {
      if (!call.truth.isOutgoing) this.network.after(random.below(2_000_000), () => this.#call(call))
    }
  }

  #call(call: CallPlan): void {
    if (this.isDead) return
    const { random, settings } = this.network
    const { tunnelSecret: secret, hiddenAvps } = settings
    const callingNumber = '+15550199'
    const randomVector = random.bytes(16)
    const hidden = () => [
      craft.avp(craft.AVP.randomVector, randomVector),
      craft.hiddenAvp(craft.AVP.callingNumber, callingNumber, { secret: secret ?? '', randomVector }),
    ]
    const more = hiddenAvps && secret !== null ? hidden() : [craft.avp(craft.AVP.callingNumber, callingNumber)]
    const fields = { assignedSessionId: call.truth.clientSessionId, callSerialNumber: random.next(), more }
    this.sendControl('icrq', call, (header) => craft.icrq({ ...header, ...fields }))
  }

  #connectCall(call: CallPlan): void {
    const sessionId = call.truth.serverSessionId
    this.sendControl('iccn', call, (header) => craft.iccn({ ...header, sessionId }))
    this.callEstablished(call)
  }

  #answer(call: CallPlan): void {
    const { clientSessionId, serverSessionId } = call.truth
    const ids = { sessionId: serverSessionId, assignedSessionId: clientSessionId }
    this.sendControl('ocrp', call, (header) => craft.ocrp({ ...header, ...ids }))
    this.sendControl('occn', call, (header) => craft.occn({ ...header, sessionId: serverSessionId }))
    this.callEstablished(call)
  }
}

/** The server's end of one tunnel: answers, and opens the outgoing calls. */
export class Lns extends TunnelEnd {
  readonly #challenge: Uint8Array

  constructor(network: Network, plan: TunnelPlan) {
    super('server', network, plan)
    this.#challenge = network.random.bytes(16)
  }

  get challenge(): Uint8Array {
    return this.#challenge
  }

  protected override onControl({ name, call }: ControlMessage): void {
    if (name === 'sccrq') this.#reply()
    else if (name === 'scccn') this.#connected()
    else if (name === 'icrq' && call !== null) this.#answer(call)
    else if ((name === 'iccn' || name === 'occn') && call !== null) this.callEstablished(call)
    else if (name === 'cdn' && call !== null) this.onCdn(call)
    else if (name === 'stopccn') this.onStop()
  }

  #reply(): void {
    const secret = this.network.settings.tunnelSecret
    const authentication = (shared: string) => [
      craft.avp(
        craft.AVP.challengeResponse,
        craft.challengeResponse(craft.L2TP_MESSAGE.sccrp, shared, (this.peer as Lac).challenge),
      ),
      craft.avp(craft.AVP.challenge, this.#challenge),
    ]
    const more = secret === null ? [] : authentication(secret)
    this.sendControl('sccrp', null, (header) => craft.sccrp({ ...header, ...this.startFields(), more }))
  }

  #connected(): void {
    this.established()
    const { random } = this.network
    for (const call of this.plan.calls) {
      if (call.truth.isOutgoing) this.network.after(random.below(2_000_000), () => this.#call(call))
    }
  }

  #call(call: CallPlan): void {
    if (this.isDead) return
    const fields = { assignedSessionId: call.truth.serverSessionId, callSerialNumber: this.network.random.next() }
    this.sendControl('ocrq', call, (header) => craft.ocrq({ ...header, ...fields }))
  }

  #answer(call: CallPlan): void {
    const { clientSessionId, serverSessionId } = call.truth
    const ids = { sessionId: clientSessionId, assignedSessionId: serverSessionId }
    this.sendControl('icrp', call, (header) => craft.icrp({ ...header, ...ids }))
  }
}
