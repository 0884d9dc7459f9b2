/**
 * How far a message brings an IKE SA: phase 1 and what needs it (IKEv1, RFC 2409), IKE_SA_INIT, IKE_AUTH and what follows them
 * (IKEv2, RFC 7296), and what is said in the clear. What is encrypted is judged by its place and its length only.
 */
import { exchangeName, IKE_EXCHANGE, type IkeView } from '../wire/ike.ts'
import type { IkeDescription } from '../wire/ike-describe.ts'
import { IKE_NOTIFICATION } from '../wire/ike-notify.ts'
import {
  type Arrival,
  contentOf,
  type Exchange,
  isRefusal,
  isSettingUp,
  PHASE1_MODES,
  revive,
  roleName,
} from './ike-exchange.ts'
import type { IkeFindings } from './ike-findings.ts'
import type { IkeLifecycle } from './ike-lifecycle.ts'
import type { IkePeers } from './ike-peers.ts'
import { INITIATOR, RESPONDER, type Role } from './role.ts'

export class IkeProgress {
  readonly #findings: IkeFindings
  readonly #peers: IkePeers
  readonly #life: IkeLifecycle

  constructor(findings: IkeFindings, peers: IkePeers, life: IkeLifecycle) {
    this.#findings = findings
    this.#peers = peers
    this.#life = life
  }

  /** By a message that `role` sent, and did not repeat; `description` is null if it is encrypted. */
  advance(arrival: Arrival, view: IkeView, exchange: Exchange, role: Role, description: IkeDescription | null): void {
    if (view.version === 1) this.#advance1(arrival, view, exchange, role, description)
    else this.#advance2(arrival, view, exchange, role, description)
  }

  // --- IKEv1

  #advance1(arrival: Arrival, view: IkeView, exchange: Exchange, role: Role, description: IkeDescription | null): void {
    const { timeUs } = arrival.frame
    switch (view.exchangeType) {
      case IKE_EXCHANGE.INFORMATIONAL:
        this.#informational1(arrival, view, exchange, role, description)
        return
      case IKE_EXCHANGE.QUICK:
        this.#checkOrder(arrival, view, exchange)
        this.#countChild(exchange, view, exchange.converse().children.starterOf(view.messageId) ?? role, timeUs)
        this.#life.establish(exchange, timeUs)
        return
      case IKE_EXCHANGE.TRANSACTION:
        this.#checkOrder(arrival, view, exchange)
        if (view.messageId !== exchange.lastTransactionId) exchange.transactions++
        exchange.lastTransactionId = view.messageId
        this.#life.establish(exchange, timeUs)
        return
      case IKE_EXCHANGE.NEW_GROUP:
        this.#life.establish(exchange, timeUs)
        return
    }
    const mode = PHASE1_MODES[view.exchangeType]
    if (mode === undefined) return
    const step = Math.min(mode[contentOf(description)] + role, mode.last)
    if (step > exchange.step) {
      exchange.step = step
      exchange.phase = `${exchangeName(1, view.exchangeType)} mode message ${step}`
      if (exchange.state === 'failed') revive(exchange)
    }
    if (exchange.state === 'opening' && step > 1) exchange.state = 'answered'
    if (step === mode.last) this.#life.establish(exchange, timeUs)
    else if (description !== null) this.#notified(arrival, exchange, role, description)
  }

  #informational1(
    arrival: Arrival,
    view: IkeView,
    exchange: Exchange,
    role: Role,
    description: IkeDescription | null,
  ): void {
    if (description !== null) {
      this.#notified(arrival, exchange, role, description)
      return
    }
    const { timeUs } = arrival.frame
    exchange.informationals++
    exchange.converse().liveness.message1(role, view.messageId, view.length, timeUs)
    const mode = PHASE1_MODES[exchange.mode]
    if (!isSettingUp(exchange) || mode === undefined || exchange.step < mode.authenticates) {
      if (exchange.state === 'established') this.#life.schedule(exchange)
      return
    }
    const who = roleName(role)
    exchange.isInferred = true
    this.#life.fail(
      exchange,
      timeUs,
      who,
      `authentication failed: the ${who} answered ${exchange.phase} with an encrypted notification`,
      'failure',
    )
  }

  // --- IKEv2

  #advance2(arrival: Arrival, view: IkeView, exchange: Exchange, role: Role, description: IkeDescription | null): void {
    const name = exchangeName(2, view.exchangeType)
    const { timeUs } = arrival.frame
    switch (view.exchangeType) {
      case IKE_EXCHANGE.IKE_SA_INIT:
      case IKE_EXCHANGE.IKE_SESSION_RESUME:
        if (exchange.authRounds === 0) exchange.phase = `${name} ${view.isResponse ? 'response' : 'request'}`
        if (view.isResponse && exchange.state === 'opening' && exchange.responderSpi !== undefined)
          exchange.state = 'answered'
        if (description !== null) this.#notified(arrival, exchange, role, description)
        return
      case IKE_EXCHANGE.IKE_AUTH:
        this.#authenticate(view, exchange, timeUs)
        return
      case IKE_EXCHANGE.INFORMATIONAL_V2:
        if (description !== null) this.#notified(arrival, exchange, role, description)
        else this.#informational2(arrival, view, exchange, role)
        return
      case IKE_EXCHANGE.CREATE_CHILD_SA:
        this.#checkOrder(arrival, view, exchange)
        this.#countChild(exchange, view, view.isResponse ? other(role) : role, timeUs)
        this.#life.establish(exchange, timeUs)
        return
      case IKE_EXCHANGE.IKE_INTERMEDIATE:
        exchange.phase = `${name} ${view.isResponse ? 'response' : 'request'}`
        return
    }
  }

  #authenticate(view: IkeView, exchange: Exchange, timeUs: number): void {
    if (exchange.state === 'established' || exchange.state === 'closed') return
    // A late further round, by somebody who typed a password: it had not ended after all.
    if (exchange.state === 'failed' || exchange.state === 'opening') revive(exchange)
    if (view.isResponse) {
      exchange.authLength += view.length
      exchange.phase = 'IKE_AUTH response'
    } else {
      if (view.messageId !== exchange.authId) exchange.authRounds++
      if (exchange.authRounds === 1) this.#beginFirstChild(exchange, timeUs)
      exchange.authLength = 0
      exchange.phase = 'IKE_AUTH request'
    }
    exchange.authId = view.messageId
    this.#life.schedule(exchange)
  }

  /** ESP may come before the end of IKE_AUTH can be told. */
  #beginFirstChild(exchange: Exchange, timeUs: number): void {
    const { children } = exchange.converse()
    if (children.count === 0) children.note(2, exchange.authId, INITIATOR, timeUs)
    this.#peers.add(exchange)
  }

  #informational2(arrival: Arrival, view: IkeView, exchange: Exchange, role: Role): void {
    const { timeUs } = arrival.frame
    const { messageId, length } = view
    const { liveness } = exchange.converse()
    if (view.isResponse) liveness.response2(role, messageId, length, exchange.chosen?.text)
    else {
      exchange.informationals++
      liveness.request2(role, messageId, length, timeUs)
    }
    if (isSettingUp(exchange) && exchange.authLength > 0) this.#life.settle(exchange, timeUs)
    else if (exchange.state === 'established') this.#life.schedule(exchange)
  }

  // --- both

  /** Notifications and deletes in the clear: nobody vouches for them, and peers act on them while an SA is set up. */
  #notified(arrival: Arrival, exchange: Exchange, role: Role, { payloads }: IkeDescription): void {
    const who = roleName(role)
    const { timeUs } = arrival.frame
    for (const payload of payloads) {
      if (payload.kind === 'delete') {
        if (isSettingUp(exchange)) this.#life.fail(exchange, timeUs, who, `the ${who} deleted the SA`, 'failure')
        else this.#findings.report(arrival, 'ike.unprotected_delete', payload.protocol, exchange)
      }
      if (payload.kind !== 'notify' || !isRefusal(exchange.version, payload.notification)) continue
      const name = payload.notificationName
      if (!isSettingUp(exchange)) {
        if (exchange.state === 'established')
          this.#findings.report(arrival, 'ike.unprotected_notification', name, exchange)
        exchange.notification ??= name
        continue
      }
      exchange.notification = name
      // The initiator is asked to try again with the same SPI, or may go on with another answer.
      const isRetry = exchange.version === 2 && payload.notification === IKE_NOTIFICATION.INVALID_KE_PAYLOAD
      if (role === INITIATOR || isRetry) continue
      this.#life.fail(
        exchange,
        timeUs,
        who,
        `the ${who} refused ${exchange.phase === '' ? 'the exchange' : exchange.phase} with ${name}`,
        'failure',
      )
    }
  }

  /** What needs an SA that is complete, on one that cannot be: nobody has authenticated yet. */
  #checkOrder(arrival: Arrival, view: IkeView, exchange: Exchange): void {
    if (exchange.isAdopted || !isSettingUp(exchange)) return
    const mode = PHASE1_MODES[exchange.mode]
    const isEarly =
      view.version === 2 ? exchange.authRounds === 0 : mode !== undefined && exchange.step < mode.authenticates
    if (!isEarly) return
    const after = exchange.phase === '' ? 'the first message' : exchange.phase
    this.#findings.report(
      arrival,
      'ike.exchange_order',
      `${exchangeName(view.version, view.exchangeType)} after ${after}`,
      exchange,
    )
  }

  #countChild(exchange: Exchange, { version, messageId }: IkeView, starter: Role, timeUs: number): void {
    const { children } = exchange.converse()
    const before = children.count
    children.note(version, messageId, starter, timeUs)
    exchange.childExchanges += children.count - before
  }
}

function other(role: Role): Role {
  return role === INITIATOR ? RESPONDER : INITIATOR
}
