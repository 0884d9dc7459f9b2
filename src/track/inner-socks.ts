/**
 * SOCKS inside flows: what the proxy was asked for, by whom, and whether it did it. What goes through it is recognised anew.
 *
 * Few octets begin it, so a flow is taken for SOCKS only once the answer fits the question: before that nothing is told, and what
 * turns out to be something else loses the name. Each side is read by itself, since a client need not wait for answers.
 */
import {
  looksLikeSocks,
  readCredentials,
  readMethods,
  readSocks4Reply,
  readSocks4Request,
  readSocks5Reply,
  readSocks5Request,
  SOCKS_METHOD,
  type SocksFlaw,
  type SocksReply,
  type SocksRequest,
  socksMethodName,
} from '../wire/socks.ts'
import { CLIENT, DONE, type InnerFlow, type Side, type StreamProtocol, type StreamReader } from './inner-protocol.ts'

/** What one side says next. */
type ClientStage = 'greeting' | 'request' | 'sent'
type ServerStage = 'choice' | 'verdict' | 'reply'

/** What a step answers instead of the place where the next message begins. */
const WAIT = -1
const END = -2
/** It is not SOCKS after all. */
const OTHER = -3

class Socks implements StreamReader {
  readonly #flow: InnerFlow
  #clientStage: ClientStage = 'greeting'
  #serverStage: ServerStage = 'choice'
  #version: 4 | 5 = 5
  #offered: readonly number[] = []
  #method: number | undefined
  #user: string | undefined
  #request: SocksRequest | null = null
  #reply: SocksReply | null = null
  /** Why there was no request, or no answer to it. */
  #reason = 'no_answer'
  /** The answer of the server has fitted. */
  #isConfirmed = false
  #isTold = false

  constructor(flow: InnerFlow, client: Side) {
    this.#flow = flow
    flow.client = client
  }

  read(side: Side, bytes: Uint8Array, start: number, end: number): number {
    let at = start
    while (at < end) {
      const next = side === this.#flow.client ? this.#said(bytes, at, end) : this.#answered(bytes, at, end)
      if (next === WAIT) break
      if (next === END) return DONE
      if (next === OTHER) {
        this.#flow.handOver(null)
        break
      }
      at = next
      // What follows a granted request is not the proxy's.
      if (this.#reply !== null) break
    }
    return at - start
  }

  gap(): boolean {
    return false
  }

  end(): void {
    if (this.#isConfirmed) this.#tell()
    else this.#flow.disown()
  }

  #said(bytes: Uint8Array, at: number, end: number): number {
    if (this.#clientStage === 'sent') return WAIT
    if (this.#clientStage === 'greeting') {
      this.#version = bytes[at] === 4 ? 4 : 5
      this.#clientStage = 'request'
      if (this.#version === 4) return this.#said(bytes, at, end)
      const greeting = readMethods(bytes, at, end)
      if (greeting === 'more') {
        this.#clientStage = 'greeting'
        return WAIT
      }
      this.#offered = greeting.methods
      return greeting.next
    }
    if (this.#version === 5 && this.#user === undefined && this.#logsIn(bytes[at])) {
      const credentials = readCredentials(bytes, at, end)
      if (typeof credentials === 'string') return this.#failed(credentials)
      this.#user = credentials.user
      return credentials.next
    }
    const request = this.#version === 4 ? readSocks4Request(bytes, at, end) : readSocks5Request(bytes, at, end)
    if (typeof request === 'string') return this.#failed(request)
    this.#request = request
    this.#user ??= request.user
    this.#clientStage = 'sent'
    return request.next
  }

  /** Credentials come where the server wants them; before it has said so, by their first octet. */
  #logsIn(first: number): boolean {
    if (this.#method !== undefined) return this.#method === SOCKS_METHOD.PASSWORD
    return first === 1 && this.#offered.includes(SOCKS_METHOD.PASSWORD)
  }

  #answered(bytes: Uint8Array, at: number, end: number): number {
    if (this.#version === 4) return this.#replied(readSocks4Reply(bytes, at, end))
    switch (this.#serverStage) {
      case 'choice':
        return end - at < 2 ? WAIT : this.#chosen(bytes, at, end)
      case 'verdict':
        return end - at < 2 ? WAIT : this.#judged(bytes[at + 1], at + 2)
      default:
        return this.#replied(readSocks5Reply(bytes, at, end))
    }
  }

  #chosen(bytes: Uint8Array, at: number, end: number): number {
    const method = bytes[at + 1]
    const next = at + 2
    const isOffered = this.#offered.includes(method) || method === SOCKS_METHOD.NO_ACCEPTABLE
    // Of a connection whose beginning was not seen, what a client says next can look like an answer; it is longer.
    const isAnswer = this.#flow.client === CLIENT || next === end
    if (bytes[at] !== 5 || !isOffered || !isAnswer) return OTHER
    this.#isConfirmed = true
    this.#method = method
    if (method === SOCKS_METHOD.NO_ACCEPTABLE) return this.#refused('no_acceptable_method')
    this.#serverStage = method === SOCKS_METHOD.PASSWORD ? 'verdict' : 'reply'
    if (method === SOCKS_METHOD.NONE || method === SOCKS_METHOD.PASSWORD) return next
    // What follows belongs to the method, and may be encrypted.
    this.#reason = 'method_not_read'
    return END
  }

  /** Any status but zero is a refusal (RFC 1929 section 2). */
  #judged(status: number, next: number): number {
    if (status !== 0) return this.#refused('authentication_refused')
    this.#serverStage = 'reply'
    return next
  }

  #replied(reply: SocksReply | SocksFlaw | 'more'): number {
    if (reply === 'more') return WAIT
    // Version 4 has no other answer: it is the first one that can fit.
    if (!this.#isConfirmed && (typeof reply === 'string' || this.#request === null)) return OTHER
    if (typeof reply === 'string') return this.#failed(reply)
    this.#isConfirmed = true
    this.#reply = reply
    this.#tell()
    if (!reply.isSuccess || this.#request?.command !== 'connect') return END
    this.#flow.handOver(null)
    return reply.next
  }

  #refused(reason: string): typeof END {
    this.#reason = reason
    return END
  }

  #failed(flaw: SocksFlaw | 'more'): number {
    if (flaw === 'more') return WAIT
    if (!this.#isConfirmed) return OTHER
    this.#flow.report(flaw, 'socks', '')
    this.#reason = 'malformed'
    return END
  }

  #tell(): void {
    if (this.#isTold) return
    this.#isTold = true
    const request = this.#request
    const reply = this.#reply
    const version = request?.version ?? String(this.#version)
    const isRefused =
      reply === null && (this.#reason === 'no_acceptable_method' || this.#reason === 'authentication_refused')
    const outcome = reply === null ? (isRefused ? 'failure' : 'unknown') : reply.isSuccess ? 'success' : 'failure'
    const target = request === null ? '' : `${request.command} ${request.host}:${request.port}, `
    this.#flow.tell(
      'socks.requested',
      `SOCKS ${version}${this.#user === undefined ? '' : ` as ${this.#user}`}: ${target}${reply?.name ?? this.#reason}`,
      {
        'event.outcome': outcome,
        'event.reason': outcome === 'success' ? undefined : (reply?.name ?? this.#reason),
        'socks.version': version,
        'socks.command': request?.command,
        'socks.request.host': request?.host,
        'socks.request.port': request?.port,
        'socks.reply': reply?.name,
        'socks.bound.host': reply?.isSuccess ? reply.host : undefined,
        'socks.bound.port': reply?.isSuccess ? reply.port : undefined,
        'socks.authentication.method': this.#methodName(),
        'socks.authentication.user': this.#user,
        'socks.server.end': this.#flow.clientIsInitiator ? 'responder' : 'initiator',
      },
    )
  }

  #methodName(): string | undefined {
    if (this.#method === undefined || this.#method === SOCKS_METHOD.NO_ACCEPTABLE) return undefined
    return socksMethodName(this.#method)
  }
}

/** Either side may be the client: who serves others from a host that cannot be reached connects to them first. */
export const SOCKS: StreamProtocol = {
  name: 'socks',
  recognise: (bytes, start, end) => {
    const verdict = looksLikeSocks(bytes, start, end)
    return verdict === undefined ? 'more' : verdict ? 'yes' : 'no'
  },
  open: (flow, side) => new Socks(flow, side),
}
