/**
 * IKE security associations: who asked whom, what was offered and chosen, how it ended.
 *
 * An SA is found by its initiator's cookie (IKEv2: SPI) and the two addresses; ports move when NAT traversal does. What
 * follows from what was not, or not readably, sent is marked as inferred.
 */
import { mixPair } from '../base/hash.ts'
import { PairTable } from '../base/pair-table.ts'
import { Pool } from '../base/pool.ts'
import { SECOND_US } from '../base/time.ts'
import { Timers } from '../base/timers.ts'
import type { Frame } from '../dissect/frame.ts'
import type { Emit } from '../events/catalogue.ts'
import { exchangeName, IKE_EXCHANGE, IkeView } from '../wire/ike.ts'
import { describeIke, type IkeDescription } from '../wire/ike-describe.ts'
import { ikePortContent, NATT_PORT, NON_ESP_MARKER_LENGTH, nattContent } from '../wire/nat-t.ts'
import type { Anomalies } from './anomalies.ts'
import { FullTable } from './full-table.ts'
import { countFields, describeExchange, names } from './ike-events.ts'
import {
  addressPair,
  adoptResponder,
  begin,
  type ClosedBy,
  contentOf,
  digestOf,
  Exchange,
  type ExchangeState,
  givenUp,
  guessedSender,
  INITIATOR,
  isAccepted,
  isFirstRequest,
  isOver,
  isRefusal,
  isResponderRight,
  isSame,
  isSettingUp,
  isSetUp,
  learn,
  pairOf,
  PHASE1_MODES,
  RESPONDER,
  type Role,
  roleOf,
  uidOf,
} from './ike-exchange.ts'
import { IkeFragments } from '../dissect/ike-fragments.ts'

/** An SA that ended is remembered while its peers may still repeat themselves. */
const LINGER_US = 35 * SECOND_US
/** IKE_AUTH without a further request for this long is over: with EAP it has several rounds. */
const SETTLE_US = 3 * SECOND_US

const FRAGMENTED_MESSAGES_MAX = 64
/** One record in so many may belong to an SA whose beginning nobody saw. */
const CANDIDATE_SHARE = 8
const CANDIDATE_MESSAGES = 3

const INVALID_KE_PAYLOAD = 17

export interface IkeLimits {
  readonly ikeExchangesMax: number
  /** A set-up that makes no progress is half-open, and given up, after this. */
  readonly setupTimeoutUs: number
  /** An established SA without any message is taken for gone after this. */
  readonly ikeIdleUs: number
}

export class IkeTracker {
  readonly #emit: Emit
  readonly #anomalies: Anomalies
  readonly #limits: IkeLimits
  readonly #byCookie: PairTable
  readonly #exchanges: Pool<Exchange>
  readonly #timers = new Timers()
  readonly #fragments = new IkeFragments(FRAGMENTED_MESSAGES_MAX)
  readonly #view = new IkeView()
  /** A message put together from fragments. */
  readonly #whole = new IkeView()
  /** For what is told and not followed, when the table is full. */
  readonly #untracked = new Exchange(-1)
  readonly #expire = (index: number) => this.#expired(index)
  #candidates = 0
  readonly #full: FullTable
  #nowUs = 0

  constructor(emit: Emit, anomalies: Anomalies, limits: IkeLimits) {
    this.#emit = emit
    this.#full = new FullTable(emit)
    this.#anomalies = anomalies
    this.#limits = limits
    this.#byCookie = new PairTable(limits.ikeExchangesMax)
    this.#exchanges = new Pool(limits.ikeExchangesMax, (index) => new Exchange(index))
  }

  /** SAs followed, half-open ones and those that just ended included. */
  get size(): number {
    return this.#exchanges.size
  }

  /** A datagram to or from UDP port 500 or 4500. ESP and keepalives, which are most of it, leave at once. */
  observe(frame: Frame): void {
    const { udp } = frame
    const { bytes, payloadStart, payloadEnd, wireEnd } = udp
    const isNatt = udp.sourcePort === NATT_PORT || udp.destinationPort === NATT_PORT
    const content = isNatt
      ? nattContent(bytes, payloadStart, payloadEnd, wireEnd)
      : ikePortContent(bytes, payloadStart, payloadEnd)
    switch (content) {
      case 'esp':
      case 'keepalive':
        return
      case 'short':
        this.#report(frame, 'natt.short', `${payloadEnd - payloadStart} bytes`)
        return
      case 'ike_unmarked':
        this.#report(frame, 'natt.marker_missing', '')
        this.#decode(frame, payloadStart)
        return
      case 'ike':
        this.#decode(frame, isNatt ? payloadStart + NON_ESP_MARKER_LENGTH : payloadStart)
    }
  }

  expire(nowUs: number): void {
    this.#nowUs = nowUs
    this.#timers.advance(nowUs, this.#expire)
  }

  /** The end of the capture: everything that is open is told. */
  finish(nowUs: number): void {
    this.#nowUs = nowUs
    for (const index of this.#exchanges.used()) {
      const exchange = this.#exchanges.at(index)
      this.#end(exchange, nowUs, 'capture_end', 'the capture ended')
      this.#forget(exchange)
    }
  }

  #decode(frame: Frame, start: number): void {
    const { bytes, payloadEnd, wireEnd } = frame.udp
    const flaw = this.#view.decode(bytes, start, payloadEnd, wireEnd)
    if (flaw !== null) {
      this.#report(frame, flaw, `${wireEnd - start} bytes`)
      return
    }
    if (!this.#view.isFragment) {
      this.#message(frame, this.#view)
      return
    }
    const whole = this.#reassemble(frame)
    if (whole === null) return
    const innerFlaw = this.#whole.decode(whole, 0, whole.length)
    if (innerFlaw === null) this.#message(frame, this.#whole)
    else this.#report(frame, innerFlaw, 'put together from fragments')
  }

  #reassemble(frame: Frame): Uint8Array | null {
    const { ip, udp } = frame
    const description = describeIke(this.#view)
    this.#reportFlaws(frame, null, description)
    const [piece] = description.payloads
    if (piece?.kind !== 'fragment') return null
    const sender = Buffer.from(ip.bytes.buffer, ip.bytes.byteOffset + ip.sourceAt, ip.addressLength).toString('latin1')
    const key = `${description.initiatorSpi}${description.responderSpi}${sender} ${udp.sourcePort} ${piece.packet}`
    return this.#fragments.add(key, piece.fragment, piece.isLast, udp.bytes.subarray(piece.start, piece.end))
  }

  #message(frame: Frame, view: IkeView): void {
    let exchange = this.#find(frame, view)
    if (exchange !== null && isOver(exchange) && this.#beginsAnew(exchange, view)) {
      this.#forget(exchange)
      exchange = null
    }
    if (exchange === null) {
      const isFirst = isFirstRequest(view)
      exchange = this.#open(frame, view, isFirst ? INITIATOR : guessedSender(view), isFirst ? 'opening' : 'candidate')
      if (exchange === null) {
        if (isFirst) this.#startUntracked(frame, view)
        return
      }
    }
    this.#follow(frame, view, exchange)
  }

  /** A peer that uses a cookie again, as scanners do. The same bytes again are a repetition. */
  #beginsAnew(exchange: Exchange, view: IkeView): boolean {
    return isFirstRequest(view) && !exchange.isRepeated(INITIATOR, digestOf(view))
  }

  #follow(frame: Frame, view: IkeView, exchange: Exchange): void {
    const role = roleOf(frame, view, exchange)
    const end = exchange.ends[role]
    end.packets++
    end.bytes += frame.ip.wireEnd - frame.ip.headerStart
    exchange.lastUs = Math.max(exchange.lastUs, frame.timeUs)
    if (exchange.isRepeated(role, digestOf(view))) {
      exchange.retransmissions++
      return
    }
    if (!view.isUnanswered && !isResponderRight(exchange, view)) {
      this.#report(frame, 'ike.responder_spi', `${view.responderSpi} instead of ${exchange.responderSpi}`, exchange)
      // Which of several answers counts, the initiator says: the first may be a forgery.
      if (role === RESPONDER || !isSettingUp(exchange)) return
      adoptResponder(exchange, view)
    }
    exchange.messages++
    if (frame.udp.sourcePort === NATT_PORT || frame.udp.destinationPort === NATT_PORT) exchange.isFloated = true
    const isBegun = exchange.uid !== ''
    if (!isBegun) exchange.uid = uidOf(exchange)
    const description = view.isOpaque ? null : describeIke(view)
    if (description !== null) {
      this.#reportFlaws(frame, exchange, description)
      learn(frame, view, exchange, role, description)
    }
    if (!isBegun && exchange.state === 'opening') this.#emitStarted(exchange, frame.timeUs)
    if (exchange.state === 'candidate') this.#consider(exchange, view)
    if (view.version === 1) this.#advance1(frame, view, exchange, role, description)
    else this.#advance2(frame, view, exchange, role, description)
    if (!isBegun) this.#schedule(exchange)
  }

  /** An SA whose beginning was not seen is one when both ends speak of it, or one of them again and again. */
  #consider(exchange: Exchange, view: IkeView): void {
    const [first, second] = exchange.ends
    if ((first.packets === 0 || second.packets === 0) && exchange.messages < CANDIDATE_MESSAGES) return
    this.#candidates--
    exchange.isAdopted = true
    exchange.state = isSetUp(view) ? 'answered' : 'established'
    this.#schedule(exchange)
  }

  // --- IKEv1

  #advance1(frame: Frame, view: IkeView, exchange: Exchange, role: Role, description: IkeDescription | null): void {
    switch (view.exchangeType) {
      case IKE_EXCHANGE.INFORMATIONAL:
        this.#informational1(frame, exchange, role, description)
        return
      case IKE_EXCHANGE.QUICK:
        this.#countChild(exchange, view)
        this.#establish(exchange, frame.timeUs)
        return
      case IKE_EXCHANGE.TRANSACTION:
      case IKE_EXCHANGE.NEW_GROUP:
        this.#establish(exchange, frame.timeUs)
        return
    }
    const mode = PHASE1_MODES[view.exchangeType]
    if (mode === undefined) return
    const step = Math.min(mode[contentOf(description)] + role, mode.last)
    if (step > exchange.step) {
      exchange.step = step
      exchange.phase = `${exchangeName(1, view.exchangeType)} mode message ${step}`
      if (exchange.state === 'failed') exchange.state = 'answered'
    }
    if (exchange.state === 'opening' && step > 1) exchange.state = 'answered'
    if (step === mode.last) this.#establish(exchange, frame.timeUs)
    else if (description !== null) this.#notified(frame, exchange, role, description)
  }

  #informational1(frame: Frame, exchange: Exchange, role: Role, description: IkeDescription | null): void {
    if (description !== null) {
      this.#notified(frame, exchange, role, description)
      return
    }
    exchange.informationals++
    const mode = PHASE1_MODES[exchange.mode]
    if (!isSettingUp(exchange) || mode === undefined || exchange.step < mode.authenticates) return
    const who = role === INITIATOR ? 'initiator' : 'responder'
    exchange.isInferred = true
    this.#fail(
      exchange,
      frame.timeUs,
      who,
      `authentication failed: the ${who} answered ${exchange.phase} with an encrypted notification`,
      'failure',
    )
  }

  // --- IKEv2

  #advance2(frame: Frame, view: IkeView, exchange: Exchange, role: Role, description: IkeDescription | null): void {
    const name = exchangeName(2, view.exchangeType)
    switch (view.exchangeType) {
      case IKE_EXCHANGE.IKE_SA_INIT:
      case IKE_EXCHANGE.IKE_SESSION_RESUME:
        if (exchange.authRounds === 0) exchange.phase = `${name} ${view.isResponse ? 'response' : 'request'}`
        if (view.isResponse && exchange.state === 'opening' && exchange.responderSpi !== undefined)
          exchange.state = 'answered'
        if (description !== null) this.#notified(frame, exchange, role, description)
        return
      case IKE_EXCHANGE.IKE_AUTH:
        this.#authenticate(view, exchange)
        return
      case IKE_EXCHANGE.INFORMATIONAL_V2:
        if (description !== null) this.#notified(frame, exchange, role, description)
        else this.#informational2(frame, view, exchange)
        return
      case IKE_EXCHANGE.CREATE_CHILD_SA:
        if (!view.isResponse) this.#countChild(exchange, view)
        this.#establish(exchange, frame.timeUs)
        return
      case IKE_EXCHANGE.IKE_INTERMEDIATE:
        exchange.phase = `${name} ${view.isResponse ? 'response' : 'request'}`
        return
    }
  }

  #authenticate(view: IkeView, exchange: Exchange): void {
    if (exchange.state === 'established' || exchange.state === 'closed') return
    // A late further round, by somebody who typed a password: it had not ended after all.
    if (exchange.state === 'failed' || exchange.state === 'opening') exchange.state = 'answered'
    if (view.isResponse) {
      exchange.authLength += view.length
      exchange.phase = 'IKE_AUTH response'
    } else {
      if (view.messageId !== exchange.authId) exchange.authRounds++
      exchange.authLength = 0
      exchange.phase = 'IKE_AUTH request'
    }
    exchange.authId = view.messageId
    this.#schedule(exchange)
  }

  #informational2(frame: Frame, view: IkeView, exchange: Exchange): void {
    if (!view.isResponse) exchange.informationals++
    if (isSettingUp(exchange) && exchange.authLength > 0) this.#settle(exchange, frame.timeUs)
  }

  /** IKE_AUTH is over: what it came to is judged by the length of the last response. */
  #settle(exchange: Exchange, timeUs: number): void {
    if (isAccepted(exchange)) {
      this.#establish(exchange, timeUs)
      return
    }
    exchange.isInferred = true
    this.#fail(
      exchange,
      timeUs,
      'responder',
      `authentication failed: the last IKE_AUTH response holds no child SA (${exchange.authLength} bytes)`,
      'failure',
    )
  }

  // --- both

  /** Notifications and deletes in the clear: nobody vouches for them, and peers act on them while an SA is set up. */
  #notified(frame: Frame, exchange: Exchange, role: Role, { payloads }: IkeDescription): void {
    const who = role === INITIATOR ? 'initiator' : 'responder'
    for (const payload of payloads) {
      if (payload.kind === 'delete') {
        if (isSettingUp(exchange)) this.#fail(exchange, frame.timeUs, who, `the ${who} deleted the SA`, 'failure')
        else this.#report(frame, 'ike.unprotected_delete', payload.protocol, exchange)
      }
      if (payload.kind !== 'notify' || !isRefusal(exchange.version, payload.notification)) continue
      const name = payload.notificationName
      if (!isSettingUp(exchange)) {
        if (exchange.state === 'established') this.#report(frame, 'ike.unprotected_notification', name, exchange)
        exchange.notification ??= name
        continue
      }
      exchange.notification = name
      // The initiator is asked to try again with the same SPI, or may go on with another answer.
      if (role === INITIATOR || (exchange.version === 2 && payload.notification === INVALID_KE_PAYLOAD)) continue
      this.#fail(
        exchange,
        frame.timeUs,
        who,
        `the ${who} refused ${exchange.phase === '' ? 'the exchange' : exchange.phase} with ${name}`,
        'failure',
      )
    }
  }

  #countChild(exchange: Exchange, view: IkeView): void {
    if (view.messageId === exchange.lastChildId) return
    exchange.lastChildId = view.messageId
    exchange.childExchanges++
  }

  #establish(exchange: Exchange, timeUs: number): void {
    if (exchange.state === 'established' || exchange.state === 'closed' || exchange.state === 'candidate') return
    exchange.state = 'established'
    exchange.isInferred = false
    const { chosen } = exchange
    this.#emit({
      name: 'ike.exchange.established',
      timeUs,
      message: `IKEv${exchange.version} SA established: ${names(exchange)}${chosen === null ? '' : `, ${chosen.text}`}`,
      fields: describeExchange(exchange),
    })
    this.#schedule(exchange)
  }

  #fail(exchange: Exchange, timeUs: number, closedBy: ClosedBy, reason: string, outcome: 'failure' | 'unknown'): void {
    exchange.state = 'failed'
    this.#emit({
      name: 'ike.exchange.failed',
      timeUs,
      message: `IKEv${exchange.version} SA did not come about: ${names(exchange)}, ${reason}`,
      fields: {
        ...describeExchange(exchange),
        ...countFields(exchange),
        'event.outcome': outcome,
        'event.reason': reason,
        'ike.closed_by': closedBy,
        'ike.failure.inferred': exchange.isInferred || undefined,
      },
    })
    this.#schedule(exchange)
  }

  #close(exchange: Exchange, timeUs: number, closedBy: ClosedBy, reason: string): void {
    exchange.state = 'closed'
    this.#emit({
      name: 'ike.exchange.closed',
      timeUs,
      message: `IKEv${exchange.version} SA closed: ${names(exchange)}, ${reason}`,
      fields: {
        ...describeExchange(exchange),
        ...countFields(exchange),
        'event.reason': reason,
        'ike.closed_by': closedBy,
      },
    })
    this.#schedule(exchange)
  }

  /** Nothing more comes. */
  #end(exchange: Exchange, timeUs: number, closedBy: 'silence' | 'capture_end', reason: string): void {
    switch (exchange.state) {
      case 'candidate':
        if (exchange.notification === undefined) return
        this.#candidates--
        exchange.isAdopted = true
        this.#fail(exchange, timeUs, closedBy, `${exchange.notification} for an exchange that was not seen`, 'failure')
        return
      case 'established':
        this.#close(exchange, timeUs, closedBy, reason)
        return
      case 'opening':
      case 'answered':
        break
      default:
        return
    }
    if (exchange.authLength > 0) {
      this.#settle(exchange, timeUs)
      // Accepted just now: the same silence, or end, is what closes it.
      if (closedBy === 'capture_end') this.#end(exchange, timeUs, closedBy, reason)
      return
    }
    const isRefused = exchange.notification !== undefined
    const isUnverified = exchange.mode === IKE_EXCHANGE.MAIN && exchange.step === 5 && closedBy === 'silence'
    exchange.isInferred = isUnverified
    const outcome = closedBy === 'silence' || isRefused ? 'failure' : 'unknown'
    this.#fail(exchange, timeUs, closedBy, `${givenUp(exchange)}, ${reason}`, outcome)
  }

  #emitStarted(exchange: Exchange, timeUs: number): void {
    const mode = exchangeName(exchange.version, exchange.mode)
    this.#emit({
      name: 'ike.exchange.started',
      timeUs,
      message: `IKEv${exchange.version} ${exchange.version === 1 ? `${mode} mode` : mode} begun: ${names(exchange)}, ${exchange.offeredCount} transforms offered`,
      fields: describeExchange(exchange),
    })
  }

  /** The table is full: the request is told all the same, for it may be part of the flood that filled it. */
  #startUntracked(frame: Frame, view: IkeView): void {
    const exchange = this.#untracked
    begin(exchange, frame, view, INITIATOR, 'opening')
    exchange.uid = uidOf(exchange)
    learn(frame, view, exchange, INITIATOR, describeIke(view))
    this.#emitStarted(exchange, frame.timeUs)
  }

  // --- life and death

  #open(frame: Frame, view: IkeView, sender: Role, state: ExchangeState): Exchange | null {
    const isCandidate = state === 'candidate'
    if (isCandidate && this.#candidates * CANDIDATE_SHARE >= this.#exchanges.capacity) return null
    const index = this.#exchanges.take()
    if (index === -1) {
      this.#full.tell('ike_exchanges', this.#exchanges.capacity, frame.timeUs, 'IKE exchanges')
      return null
    }
    if (isCandidate) this.#candidates++
    const exchange = this.#exchanges.at(index)
    begin(exchange, frame, view, sender, state)
    this.#insert(frame, view, index)
    return exchange
  }

  #find(frame: Frame, view: IkeView): Exchange | null {
    const pair = addressPair(frame)
    const index = this.#byCookie.find(mixPair(view.initiatorHigh, pair), mixPair(view.initiatorLow, pair))
    if (index === -1) return null
    const exchange = this.#exchanges.at(index)
    return isSame(exchange, frame, view) ? exchange : null
  }

  /** Keys of two SAs are alike once in 2^64, or when somebody means them to be: then the older one is not found any more. */
  #insert(frame: Frame, view: IkeView, index: number): void {
    const pair = addressPair(frame)
    this.#byCookie.insert(mixPair(view.initiatorHigh, pair), mixPair(view.initiatorLow, pair), index)
  }

  #schedule(exchange: Exchange): void {
    this.#timers.schedule(exchange.index, this.#deadline(exchange))
  }

  #deadline(exchange: Exchange): number {
    const { state, lastUs } = exchange
    if (state === 'failed' || state === 'closed') return lastUs + LINGER_US
    if (state === 'established') return lastUs + this.#limits.ikeIdleUs
    return (
      lastUs +
      (exchange.authLength > 0 ? Math.min(SETTLE_US, this.#limits.setupTimeoutUs) : this.#limits.setupTimeoutUs)
    )
  }

  #expired(index: number): void {
    if (!this.#exchanges.isUsed(index)) return
    const exchange = this.#exchanges.at(index)
    const dueUs = this.#deadline(exchange)
    if (dueUs > this.#nowUs) {
      this.#timers.schedule(index, dueUs)
      return
    }
    if (isOver(exchange) || exchange.state === 'candidate') {
      this.#end(exchange, dueUs, 'silence', '')
      this.#forget(exchange)
      return
    }
    this.#end(exchange, dueUs, 'silence', `silent for ${Math.round((dueUs - exchange.lastUs) / SECOND_US)} s`)
  }

  #forget(exchange: Exchange): void {
    this.#timers.cancel(exchange.index)
    if (exchange.state === 'candidate') this.#candidates--
    const pair = pairOf(exchange)
    const high = mixPair(exchange.initiatorHigh, pair)
    const low = mixPair(exchange.initiatorLow, pair)
    if (this.#byCookie.find(high, low) === exchange.index) this.#byCookie.remove(high, low)
    this.#exchanges.free(exchange.index)
  }

  #reportFlaws(frame: Frame, exchange: Exchange | null, { flaws, exchange: name }: IkeDescription): void {
    for (const flaw of new Set(flaws)) this.#report(frame, flaw, name, exchange)
  }

  #report(frame: Frame, finding: string, detail: string, exchange: Exchange | null = null): void {
    this.#anomalies.report(frame, finding, 'ike', detail, 'udp', {
      'network.protocol': 'ike',
      ...(exchange === null ? {} : { 'ike.uid': exchange.uid, 'borescope.lineage': [exchange.uid] }),
    })
  }
}
