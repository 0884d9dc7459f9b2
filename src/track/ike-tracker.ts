/**
 * IKE security associations: who asked whom, what was offered and chosen, how it ended. Here each message finds its SA and is
 * held against those before it; what then comes of it is said in `ike-progress.ts` and `ike-lifecycle.ts`.
 */
import type { Frame } from '../dissect/frame.ts'
import type { Emit } from '../events/catalogue.ts'
import { exchangeName, IKE_EXCHANGE, IKE_PAYLOAD, type IkeView } from '../wire/ike.ts'
import { describeIke, type IkeDescription } from '../wire/ike-describe.ts'
import { NATT_PORT } from '../wire/nat-t.ts'
import type { Anomalies } from './anomalies.ts'
import {
  adoptResponder,
  type Arrival,
  begin,
  beginInit,
  digestOf,
  Exchange,
  guessedSender,
  hasCookie,
  isFirstRequest,
  isInit,
  isOver,
  isResponderRight,
  isSettingUp,
  notePorts,
  roleOf,
  uidOf,
} from './ike-exchange.ts'
import { IkeFindings } from './ike-findings.ts'
import { learn } from './ike-learn.ts'
import { IkeLifecycle, type IkeTimeouts } from './ike-lifecycle.ts'
import type { IkeLookup } from './ike-lookup.ts'
import { IkePeers } from './ike-peers.ts'
import { IkePostures } from './ike-posture.ts'
import { IkeProgress } from './ike-progress.ts'
import { IkeReader } from './ike-reader.ts'
import { IkeTable } from './ike-table.ts'
import { IkeTeller } from './ike-teller.ts'
import { INITIATOR, RESPONDER, type Role } from './role.ts'
import type { Pause, SavedEntry, Saves, Uptake } from './saved.ts'
import { checkExchange, checkOffer, type SavedExchange, saveExchange } from './saved-ike.ts'

export interface IkeLimits extends IkeTimeouts {
  readonly ikeExchangesMax: number
  /** Hosts, each as gateway and as peer, whose posture is remembered. */
  readonly ikePosturesMax: number
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
  readonly #table: IkeTable
  readonly #findings: IkeFindings
  readonly #reader: IkeReader
  readonly #peers = new IkePeers()
  readonly #postures: IkePostures
  readonly #teller: IkeTeller
  readonly #life: IkeLifecycle
  readonly #progress: IkeProgress
  /** For what is told and not followed, when the table is full. */
  readonly #untracked = new Exchange(-1)

  constructor(emit: Emit, anomalies: Anomalies, limits: IkeLimits) {
    this.#table = new IkeTable(emit, limits.ikeExchangesMax)
    this.#findings = new IkeFindings(anomalies)
    this.#reader = new IkeReader(this.#findings, (arrival, view) => this.#message(arrival, view))
    this.#postures = new IkePostures(emit, limits.ikePosturesMax)
    this.#teller = new IkeTeller(emit, limits.requestsPerMinute)
    this.#life = new IkeLifecycle(limits, this.#table, this.#peers, this.#teller, this.#postures)
    this.#progress = new IkeProgress(this.#findings, this.#peers, this.#life)
  }

  /** SAs followed, half-open ones and those that just ended included. */
  get size(): number {
    return this.#table.exchanges.size
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
    return this.#table.exchanges.at(index).uid
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
    yield* this.#life.expire(nowUs)
  }

  /** The end of the capture: everything that is open is told. */
  finish(nowUs: number): void {
    this.#life.finish(nowUs)
  }

  // --- over a restart of the sensor

  /** SAs in use first; before each what it offered, if that was not saved yet. Messages of which fragments lack are not kept. */
  *save(): Generator<SavedEntry> {
    const offers = new Set<string>()
    const uids = new Set<string>()
    for (const isInUse of [true, false]) {
      for (const index of this.#table.exchanges.used()) {
        const exchange = this.#table.exchanges.at(index)
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
      for (const saved of allowances.save(this.#life.nowUs)) yield { kind: ALLOWANCE, of, saved }
  }

  restore(entries: readonly SavedEntry[], pause: Pause, uptake: Uptake): void {
    this.#life.pause = pause
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
    const { pause } = this.#life
    const exchange = this.#table.resume(saved, pause.nowUs - pause.savedUs, offers)
    if (exchange === null) return false
    if (saved.isPeer) peers.push(exchange)
    this.#life.schedule(exchange)
    return true
  }

  // --- messages

  #message(arrival: Arrival, view: IkeView): void {
    let exchange = this.#table.find(arrival.frame, view)
    if (exchange !== null && isOver(exchange) && this.#beginsAnew(exchange, view)) {
      this.#life.forget(exchange)
      exchange = null
    }
    if (exchange === null) {
      const isFirst = isFirstRequest(view)
      exchange = this.#table.open(
        arrival,
        view,
        isFirst ? INITIATOR : guessedSender(view),
        isFirst ? 'opening' : 'candidate',
      )
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
    if (exchange.state === 'candidate') this.#life.consider(exchange, view)
    else if (exchange.state === 'established' && exchange.successor?.relation === 'move') this.#life.comeBack(exchange)
    if (view.version === 2) this.#number(arrival, view, exchange, role, description)
    this.#progress.advance(arrival, view, exchange, role, description)
    if (!isBegun) this.#life.schedule(exchange)
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

  /** IKEv2: whether the number of a message can be, in its place. */
  #number(arrival: Arrival, view: IkeView, exchange: Exchange, role: Role, description: IkeDescription | null): void {
    const { messageId, isResponse } = view
    if (isInit(view)) {
      if (role === INITIATOR) beginInit(exchange, description)
      // A responder that is busy by the time of a repeated request answers that one with a cookie, whatever it said before.
      else if (isResponse && !(exchange.retransmissions > 0 && hasCookie(description))) exchange.initAnswers++
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

  /** The table is full: the request is told all the same, for it may be part of the flood that filled it. */
  #startUntracked(arrival: Arrival, view: IkeView): void {
    const exchange = this.#untracked
    begin(exchange, arrival, view, INITIATOR, 'opening')
    exchange.uid = uidOf(exchange)
    learn(arrival, view, exchange, INITIATOR, describeIke(view))
    this.#teller.started(exchange, arrival.frame.timeUs)
  }
}
