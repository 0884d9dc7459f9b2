/**
 * One end of a PPP link: LCP, authentication, and the network protocols, each repeated until it is answered.
 */
import * as craft from './craft.ts'
import type { Network } from './network.ts'
import type { AuthenticationMethod, CallPlan, Role } from './scenario.ts'

export interface PppMessage {
  readonly protocol: number
  readonly code: number
  readonly id: number
  readonly body: readonly Uint8Array[]
}

/** What a link needs of the end of the tunnel that carries it. */
export interface LinkEnd {
  readonly role: Role
  readonly network: Network
  sendPpp(call: CallPlan, frame: Uint8Array, message: PppMessage): void
  hangUp(call: CallPlan, result: number): void
  networkOpened(call: CallPlan): void
}

const PPP_RETRY_US = 3_000_000
const PPP_TRIES_MAX = 10
const CODE = craft.PPP_CODE

/** Sends something until it is answered. */
class Retry {
  readonly #network: Network
  readonly #giveUp: () => void
  #generation = 0

  constructor(network: Network, giveUp: () => void) {
    this.#network = network
    this.#giveUp = giveUp
  }

  start(send: () => void): void {
    const generation = ++this.#generation
    const attempt = (tries: number) => {
      if (generation !== this.#generation) return
      if (tries === PPP_TRIES_MAX) return this.#giveUp()
      send()
      this.#network.after(PPP_RETRY_US, () => attempt(tries + 1))
    }
    attempt(0)
  }

  stop(): void {
    this.#generation++
  }
}

/** One control protocol of PPP at one end: open when either end has accepted the other's options (RFC 1661 section 4). */
class Negotiation {
  isOpen = false
  readonly #link: PppLink
  readonly #protocol: number
  readonly #retry: Retry
  readonly #judge: (options: Uint8Array) => readonly Uint8Array[] | null
  readonly #opened: () => void
  #options: readonly Uint8Array[]
  #id = 1
  #hasAccepted = false
  #isAccepted = false

  /** `judge` returns what the peer should ask for instead, or null to accept. */
  constructor(
    link: PppLink,
    protocol: number,
    options: readonly Uint8Array[],
    judge: (options: Uint8Array) => readonly Uint8Array[] | null,
    opened: () => void,
  ) {
    this.#link = link
    this.#protocol = protocol
    this.#options = options
    this.#judge = judge
    this.#opened = opened
    this.#retry = new Retry(link.end.network, () => link.fail())
  }

  start(): void {
    this.#retry.start(() => this.#send(CODE.configureRequest, this.#id, this.#options))
  }

  stop(): void {
    this.#retry.stop()
  }

  receive({ code, id, body }: PppMessage): void {
    if (code === CODE.configureRequest) {
      const better = this.#judge(craft.concat(...body))
      this.#send(better === null ? CODE.configureAck : CODE.configureNak, id, better ?? body)
      if (better === null) this.#hasAccepted = true
    } else if (id !== this.#id) {
      return
    } else if (code === CODE.configureAck) {
      this.#isAccepted = true
      this.stop()
    } else if (code === CODE.configureNak && !this.#isAccepted) {
      this.#id++
      this.#options = body
      this.start()
    }
    if (this.isOpen || !this.#hasAccepted || !this.#isAccepted) return
    this.isOpen = true
    this.#opened()
  }

  #send(code: number, id: number, options: readonly Uint8Array[]): void {
    this.#link.send({ protocol: this.#protocol, code, id, body: options })
  }
}

const AUTHENTICATION_OPTION: Record<AuthenticationMethod, Uint8Array> = {
  pap: craft.be16(craft.PPP.pap),
  'chap-md5': craft.concat(craft.be16(craft.PPP.chap), craft.be8(craft.CHAP_ALGORITHM.md5)),
  mschapv2: craft.concat(craft.be16(craft.PPP.chap), craft.be8(craft.CHAP_ALGORITHM.msChapV2)),
  'eap-md5': craft.be16(craft.PPP.eap),
}

/** The server proves who the client is; either repeats its last packet until it hears the next. */
class Authentication {
  readonly #link: PppLink
  readonly #done: (success: boolean) => void
  readonly #retry: Retry
  readonly #challenge: Uint8Array
  #step: 'identity' | 'challenge' = 'challenge'
  #result: boolean | null = null

  constructor(link: PppLink, done: (success: boolean) => void) {
    this.#link = link
    this.#done = done
    this.#retry = new Retry(link.end.network, () => link.fail())
    this.#challenge = link.end.network.random.bytes(16)
  }

  start(): void {
    const { method, user } = this.#link.call.truth
    const { password } = this.#link.call
    const isClient = this.#link.end.role === 'client'
    if (method === 'pap') {
      if (isClient) this.#repeat(craft.papRequest(1, user, password))
    } else if (!isClient) {
      this.#step = method === 'eap-md5' ? 'identity' : 'challenge'
      this.#ask()
    }
  }

  stop(): void {
    this.#retry.stop()
  }

  receive(message: PppMessage): void {
    const { end } = this.#link
    if (end.role === 'client') this.#onServer(message)
    else this.#onClient(message)
  }

  #ask(): void {
    const { method } = this.#link.call.truth
    if (method !== 'eap-md5') this.#repeat(craft.chapChallenge(9, this.#challenge, 'lns'))
    else if (this.#step === 'identity') this.#repeat(craft.eapIdentity(craft.EAP_CODE.request, 1))
    else this.#repeat(craft.eapMd5(craft.EAP_CODE.request, 2, this.#challenge, 'lns'))
  }

  /** At the server. */
  #onClient({ code, id, body }: PppMessage): void {
    const { method } = this.#link.call.truth
    const answer = method === 'pap' ? 1 : 2
    if (code !== answer) return
    const isIdentity = method === 'eap-md5' && id === 1
    if (!isIdentity) this.#decide(id, craft.concat(...body))
    else if (this.#step === 'identity') {
      this.#step = 'challenge'
      this.#ask()
    }
  }

  #decide(id: number, response: Uint8Array): void {
    this.#retry.stop()
    const isFirst = this.#result === null
    this.#result = this.#link.call.isPasswordRight
    this.#sendOnce(this.#resultFrame(this.#result, id, response))
    if (isFirst) this.#done(this.#result)
  }

  #resultFrame(success: boolean, id: number, response: Uint8Array): Uint8Array {
    const { method } = this.#link.call.truth
    if (method === 'pap') return craft.papResult(success, id, success ? 'Login ok' : 'Login incorrect')
    if (method === 'eap-md5') return craft.eap(success ? craft.EAP_CODE.success : craft.EAP_CODE.failure, id)
    if (method === 'chap-md5') return craft.chapResult(success, id, success ? 'Welcome' : 'Access denied')
    const text = success ? craft.msChapV2Success(response) : craft.msChapV2Failure(691, this.#challenge)
    return craft.chapResult(success, id, text)
  }

  /** At the client. */
  #onServer({ protocol, code, id, body }: PppMessage): void {
    if (this.#result !== null) return
    if (protocol !== craft.PPP.pap && code === 1) {
      this.#respond(id, craft.concat(...body))
    } else {
      this.#result = code === (protocol === craft.PPP.pap ? 2 : 3)
      this.#retry.stop()
      this.#done(this.#result)
    }
  }

  #respond(id: number, question: Uint8Array): void {
    const { truth, password } = this.#link.call
    const { user, method } = truth
    if (method === 'eap-md5' && question[0] === craft.EAP_TYPE.identity) {
      this.#sendOnce(craft.eapIdentity(craft.EAP_CODE.response, id, user))
    } else if (method === 'eap-md5') {
      const value = craft.chapMd5(id, password, question.subarray(2, 2 + question[1]))
      this.#repeat(craft.eapMd5(craft.EAP_CODE.response, id, value, user))
    } else {
      const challenge = question.subarray(1, 1 + question[0])
      const isMd5 = method === 'chap-md5'
      const value = isMd5
        ? craft.chapMd5(id, password, challenge)
        : craft.msChapV2Response(password, challenge, this.#challenge)
      this.#repeat(craft.chapResponse(id, value, user))
    }
  }

  #repeat(frame: Uint8Array): void {
    this.#retry.start(() => this.#sendOnce(frame))
  }

  #sendOnce(frame: Uint8Array): void {
    // Every authentication packet here has the bytes FF 03, so its packet starts after four bytes.
    const protocol = (frame[2] << 8) | frame[3]
    const message = { protocol, code: frame[4], id: frame[5], body: [frame.subarray(8)] }
    this.#link.end.sendPpp(this.#link.call, frame, message)
  }
}

/** The PPP link of one call at one end: LCP, authentication, then the network protocols. */
export class PppLink {
  readonly end: LinkEnd
  readonly call: CallPlan
  readonly #lcp: Negotiation
  readonly #authentication: Authentication
  readonly #network: readonly (readonly [protocol: number, negotiation: Negotiation])[]
  #isAuthenticated = false
  #isOver = false

  constructor(end: LinkEnd, call: CallPlan) {
    this.end = end
    this.call = call
    const accept = () => null
    this.#lcp = new Negotiation(this, craft.PPP.lcp, this.#lcpOptions(), accept, () => this.#authentication.start())
    this.#authentication = new Authentication(this, (success) => this.#authenticated(success))
    const ipcp = this.#ipcp()
    const interfaceId = craft.pppOption(craft.IPV6CP_OPTION.interfaceId, end.network.random.bytes(8))
    const ipv6cp = new Negotiation(this, craft.PPP.ipv6cp, [interfaceId], accept, () => this.#opened())
    this.#network = call.truth.hasIpv6cp
      ? [
          [craft.PPP.ipcp, ipcp],
          [craft.PPP.ipv6cp, ipv6cp],
        ]
      : [[craft.PPP.ipcp, ipcp]]
  }

  start(): void {
    this.#lcp.start()
  }

  stop(): void {
    this.#isOver = true
    this.#lcp.stop()
    this.#authentication.stop()
    for (const [, negotiation] of this.#network) negotiation.stop()
  }

  /** Nothing came back for too long: the call is hung up for administrative reasons. */
  fail(): void {
    if (!this.#isOver) this.end.hangUp(this.call, 3)
  }

  send(message: PppMessage): void {
    const packet = craft.pppPacket(message.code, message.id, craft.concat(...message.body))
    this.end.sendPpp(this.call, craft.ppp(message.protocol, packet), message)
  }

  receive(message: PppMessage): void {
    if (this.#isOver) return
    const { protocol, code, id } = message
    if (protocol === craft.PPP.lcp) {
      if (code === CODE.terminateRequest) this.send({ protocol, code: CODE.terminateAck, id, body: [] })
      else this.#lcp.receive(message)
    } else if (protocol === craft.PPP.pap || protocol === craft.PPP.chap || protocol === craft.PPP.eap) {
      if (this.#lcp.isOpen) this.#authentication.receive(message)
    } else if (this.#isAuthenticated) {
      this.#network.find(([known]) => known === protocol)?.[1].receive(message)
    }
  }

  #lcpOptions(): Uint8Array[] {
    const { ppp, truth } = this.call
    const options = [
      craft.pppOption(craft.LCP_OPTION.mru, craft.be16(1400)),
      craft.pppOption(craft.LCP_OPTION.magic, this.end.network.random.bytes(4)),
    ]
    if (this.end.role === 'server') {
      options.push(craft.pppOption(craft.LCP_OPTION.authentication, AUTHENTICATION_OPTION[truth.method]))
    }
    if (ppp.shortProtocol) options.push(craft.pppOption(craft.LCP_OPTION.pfc, new Uint8Array(0)))
    if (ppp.addressControl === false) options.push(craft.pppOption(craft.LCP_OPTION.acfc, new Uint8Array(0)))
    return options
  }

  #ipcp(): Negotiation {
    const option = (address: string) => craft.pppOption(craft.IPCP_OPTION.address, craft.ipBytes(address))
    if (this.end.role === 'client') {
      return new Negotiation(
        this,
        craft.PPP.ipcp,
        [option('0.0.0.0')],
        () => null,
        () => this.#opened(),
      )
    }
    const right = option(this.call.truth.clientAddress)
    const judge = (asked: Uint8Array) => (Buffer.compare(asked, right) === 0 ? null : [right])
    return new Negotiation(this, craft.PPP.ipcp, [option('10.0.0.1')], judge, () => this.#opened())
  }

  #authenticated(success: boolean): void {
    const isServer = this.end.role === 'server'
    if (isServer) this.call.truth.authentication = success ? 'success' : 'failure'
    if (success) {
      this.#isAuthenticated = true
      for (const [, negotiation] of this.#network) negotiation.start()
    } else if (isServer) {
      const body = [craft.utf8('Authentication failed')]
      this.send({ protocol: craft.PPP.lcp, code: CODE.terminateRequest, id: 2, body })
      this.end.network.after(1_000_000, () => this.end.hangUp(this.call, 2))
    }
  }

  #opened(): void {
    if (this.#network.every(([, negotiation]) => negotiation.isOpen)) this.end.networkOpened(this.call)
  }
}
