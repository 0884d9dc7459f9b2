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
import { exchangeName, IKE_EXCHANGE, IKE_PAYLOAD, type IkeView } from '../wire/ike.ts'
import { describeIke, type IkeDescription } from '../wire/ike-describe.ts'
import { IKE_NOTIFICATION } from '../wire/ike-notify.ts'
import { NATT_PORT } from '../wire/nat-t.ts'
import type { Anomalies } from './anomalies.ts'
import { FullTable } from './full-table.ts'
import {
  addressPair,
  adoptResponder,
  type Arrival,
  begin,
  type ClosedBy,
  contentOf,
  digestOf,
  Exchange,
  type ExchangeState,
  givenUp,
  guessedSender,
  isAccepted,
  isFirstRequest,
  isInit,
  isOver,
  isRefusal,
  isResponderRight,
  isSame,
  isSettingUp,
  isSetUp,
  notePorts,
  pairOf,
  PHASE1_MODES,
  type Relation,
  roleName,
  roleOf,
  uidOf,
} from './ike-exchange.ts'
import { IkeFindings } from './ike-findings.ts'
import { learn } from './ike-learn.ts'
import type { IkeEnding, IkeLookup } from './ike-lookup.ts'
import { IkePeers } from './ike-peers.ts'
import { IkePostures } from './ike-posture.ts'
import { IkeReader } from './ike-reader.ts'
import { INITIATOR, RESPONDER, type Role } from './role.ts'
import { NO_PAUSE, type Pause, type SavedEntry, type Saves, silentSince, type Uptake } from './saved.ts'
import { checkExchange, checkOffer, loadExchange, type SavedExchange, saveExchange } from './saved-ike.ts'
import { IkeTeller, silence } from './ike-teller.ts'

/** An SA that ended is remembered while its peers may still repeat themselves. */
const LINGER_US = 35 * SECOND_US
/** IKE_AUTH without a further request for this long is over: with EAP it has several rounds. */
const SETTLE_US = 3 * SECOND_US
/** Silent for this long, and followed by another one of the same ends, an SA is taken for gone. */
const REPLACED_US = 600 * SECOND_US

/** One record in so many may belong to an SA whose beginning nobody saw. */
const CANDIDATE_SHARE = 8
const CANDIDATE_MESSAGES = 3
/** Checks in a row without an answer after which the peer is gone. */
const UNANSWERED_MIN = 2

export interface IkeLimits {
  readonly ikeExchangesMax: number
  /** Hosts, each as gateway and as peer, whose posture is remembered. */
  readonly ikePosturesMax: number
  /** A set-up that makes no progress is half-open, and given up, after this. */
  readonly setupTimeoutUs: number
  /** An established SA without any message is taken for gone after this. */
  readonly ikeIdleUs: number
  /** SAs that are told of one host in a minute. */
  readonly requestsPerMinute: number
}

/** What is saved over a restart. */
const OFFER = 'ike.offer/1'
const EXCHANGE = 'ike.exchange/1'
const POSTURE = 'ike.posture/1'
const ALLOWANCE = 'ike.allowance/1'

export class IkeTracker implements Saves {
  readonly savedKinds = [OFFER, EXCHANGE, POSTURE, ALLOWANCE]
  readonly #findings: IkeFindings
  readonly #limits: IkeLimits
  readonly #byCookie: PairTable
  readonly #exchanges: Pool<Exchange>
  readonly #timers = new Timers()
  readonly #reader: IkeReader
  /** For what is told and not followed, when the table is full. */
  readonly #untracked = new Exchange(-1)
  readonly #expire = (index: number) => this.#expired(index)
  readonly #peers = new IkePeers()
  readonly #postures: IkePostures
  readonly #teller: IkeTeller
  #candidates = 0
  #pause = NO_PAUSE
  readonly #full: FullTable
  #nowUs = 0

  constructor(emit: Emit, anomalies: Anomalies, limits: IkeLimits) {
    this.#full = new FullTable(emit)
    this.#findings = new IkeFindings(anomalies)
    this.#reader = new IkeReader(this.#findings, (arrival, view) => this.#message(arrival, view))
    this.#limits = limits
    this.#byCookie = new PairTable(limits.ikeExchangesMax)
    this.#exchanges = new Pool(limits.ikeExchangesMax, (index) => new Exchange(index))
    this.#postures = new IkePostures(emit, limits.ikePosturesMax)
    this.#teller = new IkeTeller(emit, limits.requestsPerMinute)
  }

  /** SAs followed, half-open ones and those that just ended included. */
  get size(): number {
    return this.#exchanges.size
  }

  /** SAs, postures and findings that were counted, and not told. */
  get suppressed(): number {
    return this.#teller.suppressed + this.#postures.suppressed + this.#findings.suppressed
  }

  /** Who made an SA of ESP or AH, and when that ends. */
  get lookup(): IkeLookup {
    return this.#peers
  }

  /** What events call the exchange at an index of the trail. */
  uidOf(index: number): string {
    return this.#exchanges.at(index).uid
  }

  /** A datagram to or from UDP port 500 or 4500. */
  observe(frame: Frame): void {
    this.#reader.datagram(frame)
  }

  /** A message that came out of a TCP stream (RFC 9329), in a window of other bytes than the frame's. */
  observeStream(
    frame: Frame,
    sourcePort: number,
    destinationPort: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    this.#reader.message({ frame, sourcePort, destinationPort, isTcp: true }, bytes, start, end, end)
  }

  *expire(nowUs: number): Generator<void> {
    this.#nowUs = nowUs
    yield* this.#timers.advance(nowUs, this.#expire)
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

  // --- over a restart of the sensor

  /** SAs in use first; before each what it offered, if that was not saved yet. Messages of which fragments lack are not kept. */
  *save(): Generator<SavedEntry> {
    const offers = new Set<string>()
    const uids = new Set<string>()
    for (const isInUse of [true, false]) {
      for (const index of this.#exchanges.used()) {
        const exchange = this.#exchanges.at(index)
        const { uid, state, offered, offeredHash } = exchange
        if ((isInUse && state !== 'established') || uid === '' || uids.has(uid)) continue
        if (offeredHash !== undefined && !offers.has(offeredHash)) {
          offers.add(offeredHash)
          yield { kind: OFFER, saved: { hash: offeredHash, texts: offered } }
        }
        uids.add(uid)
        yield { kind: EXCHANGE, saved: saveExchange(exchange, this.#peers.has(exchange)) }
      }
      if (isInUse) for (const saved of this.#postures.save()) yield { kind: POSTURE, saved }
    }
    for (const [of, allowances] of Object.entries(this.#allowances))
      for (const saved of allowances.save(this.#nowUs)) yield { kind: ALLOWANCE, of, saved }
  }

  restore(entries: readonly SavedEntry[], pause: Pause, uptake: Uptake): void {
    this.#pause = pause
    const offers = new Map<string, readonly string[]>()
    const peers: Exchange[] = []
    for (const { kind, of, saved } of entries)
      uptake.take(kind, () => {
        switch (kind) {
          case OFFER: {
            const { hash, texts } = checkOffer(saved)
            offers.set(hash, texts)
            return true
          }
          case EXCHANGE:
            return this.#resume(checkExchange(saved), offers, peers)
          case POSTURE:
            return this.#postures.restore(saved)
          default:
            return this.#restoreAllowance(String(of), saved)
        }
      })
    // As they were added: the newest last.
    for (const exchange of peers.sort((a, b) => a.startUs - b.startUs)) this.#peers.add(exchange)
  }

  #restoreAllowance(of: string, saved: unknown): boolean {
    const allowances = Object.entries(this.#allowances).find(([name]) => name === of)?.[1]
    allowances?.restore(saved)
    return allowances !== undefined
  }

  get #allowances() {
    return { ...this.#teller.allowances, postures: this.#postures.allowances, findings: this.#findings.allowances }
  }

  /** False if there is no room. */
  #resume(saved: SavedExchange, offers: ReadonlyMap<string, readonly string[]>, peers: Exchange[]): boolean {
    const index = this.#exchanges.take()
    if (index === -1) return false
    const exchange = this.#exchanges.at(index)
    loadExchange(exchange, saved, this.#pause.nowUs - this.#pause.savedUs, offers)
    if (exchange.state === 'candidate') this.#candidates++
    if (saved.isPeer) peers.push(exchange)
    this.#insert(exchange, pairOf(exchange), index)
    this.#schedule(exchange)
    return true
  }

  #message(arrival: Arrival, view: IkeView): void {
    let exchange = this.#find(arrival.frame, view)
    if (exchange !== null && isOver(exchange) && this.#beginsAnew(exchange, view)) {
      this.#forget(exchange)
      exchange = null
    }
    if (exchange === null) {
      const isFirst = isFirstRequest(view)
      exchange = this.#open(arrival, view, isFirst ? INITIATOR : guessedSender(view), isFirst ? 'opening' : 'candidate')
      if (exchange === null) {
        if (isFirst) this.#startUntracked(arrival, view)
        return
      }
    }
    this.#follow(arrival, view, exchange)
  }

  /** A peer that uses a cookie again, as scanners do. The same bytes again are a repetition. */
  #beginsAnew(exchange: Exchange, view: IkeView): boolean {
    return isFirstRequest(view) && !exchange.isRepeated(INITIATOR, digestOf(view))
  }

  #follow(arrival: Arrival, view: IkeView, exchange: Exchange): void {
    const { frame } = arrival
    frame.trail.exchange = exchange.index
    const isBegun = exchange.uid !== ''
    if (!isBegun) exchange.uid = uidOf(exchange)
    const role = roleOf(arrival, view, exchange)
    const end = exchange.ends[role]
    end.packets++
    end.bytes += frame.ip.wireEnd - frame.ip.headerStart
    exchange.lastUs = Math.max(exchange.lastUs, frame.timeUs)
    const digest = digestOf(view)
    if (exchange.isRepeated(role, digest)) {
      exchange.retransmissions++
      return
    }
    if (!view.isUnanswered && !isResponderRight(exchange, view)) {
      this.#findings.report(
        arrival,
        'ike.responder_spi',
        `${view.responderSpi} instead of ${exchange.responderSpi}`,
        exchange,
      )
      // Which of several answers counts, the initiator says: the first may be a forgery.
      if (role === RESPONDER || !isSettingUp(exchange)) return
      adoptResponder(exchange, view)
    }
    if (!this.#isNewMessage(arrival, view, exchange, role, digest)) return
    exchange.messages++
    notePorts(exchange, arrival, role)
    if (arrival.isTcp) exchange.isTcp = true
    else if (arrival.sourcePort === NATT_PORT || arrival.destinationPort === NATT_PORT) exchange.isFloated = true
    const description = view.isOpaque ? null : describeIke(view)
    if (description !== null) {
      this.#findings.reportFlaws(arrival, exchange, description)
      for (const finding of learn(arrival, view, exchange, role, description))
        this.#findings.report(arrival, finding, exchange.chosen?.text ?? '', exchange)
    }
    if (!isBegun && exchange.state === 'opening') this.#teller.started(exchange, frame.timeUs)
    if (exchange.state === 'candidate') this.#consider(exchange, view)
    if (view.version === 2) this.#number(arrival, view, exchange, role)
    if (view.version === 1) this.#advance1(arrival, view, exchange, role, description)
    else this.#advance2(arrival, view, exchange, role, description)
    if (!isBegun) this.#schedule(exchange)
  }

  /** False for a fragment of IKEv2 that adds nothing to how far the SA came: one is enough for each message. */
  #isNewMessage(arrival: Arrival, view: IkeView, exchange: Exchange, role: Role, digest: number): boolean {
    if (view.version !== 2 || view.nextPayload !== IKE_PAYLOAD.V2_SKF) return true
    const [piece] = describeIke(view).payloads
    if (piece?.kind !== 'encrypted' || piece.fragment === undefined || piece.fragments === undefined) return true
    const { skf } = exchange.converse()
    const { messageId, isResponse } = view
    const place = skf.fragment(role, messageId, isResponse, piece.fragment, piece.fragments, digest)
    if (skf.finding !== null)
      this.#findings.report(arrival, skf.finding, `fragment ${piece.fragment} of ${piece.fragments}`, exchange)
    if (place === 'repeated') exchange.retransmissions++
    if (place === 'further' && view.exchangeType === IKE_EXCHANGE.IKE_AUTH && isResponse)
      exchange.authLength += view.length
    return place === 'first'
  }

  /** An SA whose beginning was not seen is one when both ends speak of it, or one of them again and again. */
  #consider(exchange: Exchange, view: IkeView): void {
    const [first, second] = exchange.ends
    if ((first.packets === 0 || second.packets === 0) && exchange.messages < CANDIDATE_MESSAGES) return
    this.#candidates--
    exchange.isAdopted = true
    if (isSetUp(view)) exchange.state = 'answered'
    else if (this.#peers.isRekeyed(exchange, view.messageId)) {
      exchange.state = 'answered'
      this.#establish(exchange, exchange.lastUs, true)
    } else {
      exchange.state = 'established'
      exchange.establishedUs = exchange.startUs
      this.#peers.add(exchange)
    }
    this.#schedule(exchange)
  }

  /** IKEv2: whether the number of a message can be, in its place. */
  #number(arrival: Arrival, view: IkeView, exchange: Exchange, role: Role): void {
    const { messageId, isResponse } = view
    if (isInit(view)) {
      if (role === INITIATOR) exchange.initAnswers = 0
      else if (isResponse) exchange.initAnswers++
      // Of an exchange whose requests the capture does not have, nothing can be said.
      if (exchange.initAnswers > 1 && exchange.ends[INITIATOR].packets > 0)
        this.#findings.report(arrival, 'ike.response_conflict', 'IKE_SA_INIT', exchange)
      return
    }
    const { ids } = exchange.converse()
    const finding = isResponse ? ids.response(role, messageId) : ids.request(role, messageId)
    if (finding !== null)
      this.#findings.report(arrival, finding, `${exchangeName(2, view.exchangeType)} ${messageId}`, exchange)
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
        this.#establish(exchange, timeUs)
        return
      case IKE_EXCHANGE.TRANSACTION:
        this.#checkOrder(arrival, view, exchange)
        if (view.messageId !== exchange.lastTransactionId) exchange.transactions++
        exchange.lastTransactionId = view.messageId
        this.#establish(exchange, timeUs)
        return
      case IKE_EXCHANGE.NEW_GROUP:
        this.#establish(exchange, timeUs)
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
    if (step === mode.last) this.#establish(exchange, timeUs)
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
      if (exchange.state === 'established') this.#schedule(exchange)
      return
    }
    const who = roleName(role)
    exchange.isInferred = true
    this.#fail(
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
        this.#establish(exchange, timeUs)
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
    this.#schedule(exchange)
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
    if (isSettingUp(exchange) && exchange.authLength > 0) this.#settle(exchange, timeUs)
    else if (exchange.state === 'established') this.#schedule(exchange)
  }

  /** IKE_AUTH is over: what it came to is judged by the length of the last response. */
  #settle(exchange: Exchange, timeUs: number): void {
    if (isAccepted(exchange)) {
      exchange.conversation?.children.completeLast()
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
  #notified(arrival: Arrival, exchange: Exchange, role: Role, { payloads }: IkeDescription): void {
    const who = roleName(role)
    const { timeUs } = arrival.frame
    for (const payload of payloads) {
      if (payload.kind === 'delete') {
        if (isSettingUp(exchange)) this.#fail(exchange, timeUs, who, `the ${who} deleted the SA`, 'failure')
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
      this.#fail(
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

  #establish(exchange: Exchange, timeUs: number, isRekeyed = false): void {
    if (exchange.state === 'established' || exchange.state === 'closed' || exchange.state === 'candidate') return
    exchange.state = 'established'
    exchange.isInferred = false
    exchange.establishedUs = exchange.lastUs
    this.#peers.add(exchange)
    this.#succeed(exchange, isRekeyed)
    this.#teller.established(exchange, timeUs)
    this.#postures.established(exchange, timeUs)
    this.#schedule(exchange)
  }

  /** Links the SA to the one of the same ends that it comes after. */
  #succeed(exchange: Exchange, isRekeyed: boolean): void {
    const before = this.#peers.predecessorOf(exchange)
    if (before === null) return
    const relation = isRekeyed ? 'rekey' : this.#relation(before, exchange)
    before.successor = { uid: exchange.uid, relation }
    exchange.predecessor = { uid: before.uid, relation }
    exchange.generation = before.generation + 1
    if (before.state === 'established') this.#schedule(before)
  }

  /** An SA that was deleted, by its look, before the next one began was not renewed: somebody came again. */
  #relation(before: Exchange, { startUs }: Exchange): Relation {
    const hasEnded = before.ending !== undefined || this.#deletion(before) !== null
    return hasEnded && before.lastUs < startUs ? 'reconnection' : 'reauthentication'
  }

  #fail(exchange: Exchange, timeUs: number, closedBy: ClosedBy, reason: string, outcome: 'failure' | 'unknown'): void {
    exchange.state = 'failed'
    this.#teller.failed(exchange, timeUs, closedBy, reason, outcome)
    this.#postures.chosen(exchange, timeUs)
    this.#conclude(exchange, timeUs, 'failed')
    this.#schedule(exchange)
  }

  #close(exchange: Exchange, timeUs: number, closedBy: 'silence' | 'capture_end', reason: string): void {
    const deletion = this.#deletion(exchange)
    const isDeleted = deletion !== null && deletion.dueUs <= timeUs
    const isOver = isDeleted || closedBy === 'silence'
    exchange.state = 'closed'
    exchange.conversation?.skf.finish()
    const hasFailed = isOver && isLoginFailed(exchange)
    const login = hasFailed ? '; the login did not succeed, as far as can be seen' : ''
    const outcome = hasFailed ? 'failure' : undefined
    const { lastUs, successor, conversation } = exchange
    if (isDeleted) {
      const who = roleName(deletion.role)
      // What the old one made the new one inherits.
      const isInherited = successor !== undefined && successor.relation !== 'reconnection'
      this.#conclude(exchange, lastUs, isInherited ? 'replaced' : 'deleted')
      this.#teller.closed(exchange, timeUs, who, `deleted by the ${who}, as far as can be seen${login}`, outcome)
    } else {
      this.#conclude(exchange, lastUs, successor !== undefined && isOver ? 'replaced' : closedBy)
      const lost = conversation?.liveness.unanswered ?? 0
      const unanswered = lost >= UNANSWERED_MIN ? `${lost} checks unanswered, ` : ''
      this.#teller.closed(exchange, timeUs, closedBy, `${unanswered}${reason}${login}`, outcome)
    }
    this.#schedule(exchange)
  }

  /** Whoever follows the children of the SA hears how it ended. */
  #conclude(exchange: Exchange, timeUs: number, ending: IkeEnding): void {
    exchange.ending = ending
    this.#peers.ended(exchange, timeUs, ending)
  }

  /** Who deleted an established SA, by the look of its last message. */
  #deletion({ version, chosen, lastUs, successor, conversation }: Exchange) {
    const deletion = conversation?.liveness.deletion(version, chosen?.text, lastUs, successor !== undefined) ?? null
    if (deletion === null) return null
    return { role: deletion.role, dueUs: silentSince(lastUs, this.#pause) + deletion.afterUs }
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

  /** The table is full: the request is told all the same, for it may be part of the flood that filled it. */
  #startUntracked(arrival: Arrival, view: IkeView): void {
    const exchange = this.#untracked
    begin(exchange, arrival, view, INITIATOR, 'opening')
    exchange.uid = uidOf(exchange)
    learn(arrival, view, exchange, INITIATOR, describeIke(view))
    this.#teller.started(exchange, arrival.frame.timeUs)
  }

  // --- life and death

  #open(arrival: Arrival, view: IkeView, sender: Role, state: ExchangeState): Exchange | null {
    const { frame } = arrival
    const isCandidate = state === 'candidate'
    if (isCandidate && this.#candidates * CANDIDATE_SHARE >= this.#exchanges.capacity) return null
    const index = this.#exchanges.take()
    if (index === -1) {
      this.#full.tell('ike_exchanges', this.#exchanges.capacity, frame.timeUs, 'IKE exchanges')
      return null
    }
    if (isCandidate) this.#candidates++
    const exchange = this.#exchanges.at(index)
    begin(exchange, arrival, view, sender, state)
    this.#insert(view, addressPair(frame), index)
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
  #insert(of: Pick<Exchange, 'initiatorHigh' | 'initiatorLow'>, pair: number, index: number): void {
    this.#byCookie.insert(mixPair(of.initiatorHigh, pair), mixPair(of.initiatorLow, pair), index)
  }

  #schedule(exchange: Exchange): void {
    this.#timers.schedule(exchange.index, this.#deadline(exchange))
  }

  #deadline(exchange: Exchange): number {
    const { state } = exchange
    const lastUs = silentSince(exchange.lastUs, this.#pause)
    const { ikeIdleUs, setupTimeoutUs } = this.#limits
    switch (state) {
      case 'failed':
      case 'closed':
        return lastUs + LINGER_US
      case 'established': {
        const idleUs = exchange.successor === undefined ? ikeIdleUs : Math.min(ikeIdleUs, REPLACED_US)
        const deletion = this.#deletion(exchange)
        // A little later than it may be believed: whoever repeats a delete has not finished.
        return Math.min(lastUs + idleUs, deletion === null ? Number.POSITIVE_INFINITY : deletion.dueUs + SETTLE_US)
      }
      default:
        return lastUs + (exchange.authLength > 0 ? Math.min(SETTLE_US, setupTimeoutUs) : setupTimeoutUs)
    }
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
    this.#end(exchange, dueUs, 'silence', silence(silentSince(exchange.lastUs, this.#pause), dueUs))
  }

  #forget(exchange: Exchange): void {
    this.#timers.cancel(exchange.index)
    if (exchange.state === 'candidate') this.#candidates--
    this.#peers.remove(exchange)
    const pair = pairOf(exchange)
    const high = mixPair(exchange.initiatorHigh, pair)
    const low = mixPair(exchange.initiatorLow, pair)
    if (this.#byCookie.find(high, low) === exchange.index) this.#byCookie.remove(high, low)
    this.#exchanges.free(exchange.index)
  }
}

/** It goes on, whatever seemed to have ended it. */
function revive(exchange: Exchange): void {
  exchange.state = 'answered'
  exchange.ending = undefined
}

function other(role: Role): Role {
  return role === INITIATOR ? RESPONDER : INITIATOR
}

/** XAUTH asked for a name and a password, and no child SA came of it: a login that worked is there for something. */
function isLoginFailed({ transactions, childExchanges, isAdopted }: Exchange): boolean {
  return transactions > 0 && childExchanges === 0 && !isAdopted
}
