/**
 * The life of an IKE SA: how it comes to be established, or fails to, what it comes after, and how it ends, by the look of its
 * last messages or in silence. What follows from what was not, or not readably, sent is marked as inferred.
 */
import { SECOND_US } from '../base/time.ts'
import { Timers } from '../base/timers.ts'
import { IKE_EXCHANGE, type IkeView } from '../wire/ike.ts'
import {
  type ClosedBy,
  type Exchange,
  givenUp,
  isAccepted,
  isOver,
  isSetUp,
  type Relation,
  roleName,
} from './ike-exchange.ts'
import type { IkeEnding } from './ike-lookup.ts'
import type { IkePeers } from './ike-peers.ts'
import type { IkePostures } from './ike-posture.ts'
import type { IkeTable } from './ike-table.ts'
import { type IkeTeller, silence } from './ike-teller.ts'
import { NO_PAUSE, silentSince } from './saved.ts'

/** An SA that ended is remembered while its peers may still repeat themselves. */
const LINGER_US = 35 * SECOND_US
/** IKE_AUTH without a further request for this long is over: with EAP it has several rounds. */
const SETTLE_US = 3 * SECOND_US
/** Silent for this long, and followed by another one of the same ends, an SA is taken for gone. */
const REPLACED_US = 600 * SECOND_US
/** Messages of one end after which an SA whose beginning nobody saw is one. */
const CANDIDATE_MESSAGES = 3
/** Checks in a row without an answer after which the peer is gone. */
const UNANSWERED_MIN = 2

export interface IkeTimeouts {
  /** A set-up that makes no progress is half-open, and given up, after this. */
  readonly setupTimeoutUs: number
  /** An established SA without any message is taken for gone after this. */
  readonly ikeIdleUs: number
}

export class IkeLifecycle {
  /** While the sensor did not run, nobody was silent. */
  pause = NO_PAUSE
  /** When it was last told the time. */
  nowUs = 0
  readonly #timeouts: IkeTimeouts
  readonly #table: IkeTable
  readonly #peers: IkePeers
  readonly #teller: IkeTeller
  readonly #postures: IkePostures
  readonly #timers = new Timers()
  readonly #expire = (index: number) => this.#expired(index)

  constructor(timeouts: IkeTimeouts, table: IkeTable, peers: IkePeers, teller: IkeTeller, postures: IkePostures) {
    this.#timeouts = timeouts
    this.#table = table
    this.#peers = peers
    this.#teller = teller
    this.#postures = postures
  }

  *expire(nowUs: number): Generator<void> {
    this.nowUs = nowUs
    yield* this.#timers.advance(nowUs, this.#expire)
  }

  /** The end of the capture: everything that is open is told. */
  finish(nowUs: number): void {
    this.nowUs = nowUs
    for (const index of this.#table.exchanges.used()) {
      const exchange = this.#table.exchanges.at(index)
      this.#end(exchange, nowUs, 'capture_end', 'the capture ended')
      this.forget(exchange)
    }
  }

  /** Its record may be that of another SA from now on. Nothing is told. */
  forget(exchange: Exchange): void {
    this.#timers.cancel(exchange.index)
    this.#peers.remove(exchange)
    this.#table.forget(exchange)
  }

  // --- its set-up

  /** An SA whose beginning was not seen is one when both ends speak of it, or one of them again and again. */
  consider(exchange: Exchange, view: IkeView): void {
    const [first, second] = exchange.ends
    if ((first.packets === 0 || second.packets === 0) && exchange.messages < CANDIDATE_MESSAGES) return
    this.#table.adopt(exchange)
    const former = this.#peers.sameElsewhere(exchange)
    if (isSetUp(view)) exchange.state = 'answered'
    else if (former !== null) {
      exchange.state = 'answered'
      exchange.chosen = former.chosen
      exchange.chosenGrade = former.chosenGrade
      this.establish(exchange, exchange.lastUs, false, former)
    } else if (this.#peers.isRekeyed(exchange, view.messageId)) {
      exchange.state = 'answered'
      this.establish(exchange, exchange.lastUs, true)
    } else {
      exchange.state = 'established'
      exchange.establishedUs = exchange.startUs
      this.#peers.add(exchange)
    }
    this.schedule(exchange)
  }

  /**
   * It is in use: by its last message, or by what only an SA in use has. `isRekeyed`: it is what another one was rekeyed to. `former`:
   * the same SA between other addresses.
   */
  establish(exchange: Exchange, timeUs: number, isRekeyed = false, former: Exchange | null = null): void {
    if (exchange.state === 'established' || exchange.state === 'closed' || exchange.state === 'candidate') return
    exchange.state = 'established'
    exchange.isInferred = false
    exchange.establishedUs = exchange.lastUs
    this.#peers.add(exchange)
    this.#succeed(exchange, isRekeyed, former)
    this.#teller.established(exchange, timeUs)
    this.#postures.established(exchange, timeUs)
    this.schedule(exchange)
  }

  /** A message where the SA was before it moved: it has come back. */
  comeBack(exchange: Exchange): void {
    const other = this.#peers.sameElsewhere(exchange)
    exchange.successor = undefined
    this.#peers.add(exchange)
    this.schedule(exchange)
    if (other === null) return
    other.successor = { uid: exchange.uid, relation: 'move' }
    this.schedule(other)
  }

  /** IKE_AUTH is over: what it came to is judged by the length of the last response. */
  settle(exchange: Exchange, timeUs: number): void {
    if (isAccepted(exchange)) {
      exchange.conversation?.children.completeLast()
      this.establish(exchange, timeUs)
      return
    }
    exchange.isInferred = true
    this.fail(
      exchange,
      timeUs,
      'responder',
      `authentication failed: the last IKE_AUTH response holds no child SA (${exchange.authLength} bytes)`,
      'failure',
    )
  }

  /** It did not come about; `reason` is told. */
  fail(exchange: Exchange, timeUs: number, closedBy: ClosedBy, reason: string, outcome: 'failure' | 'unknown'): void {
    exchange.state = 'failed'
    this.#teller.failed(exchange, timeUs, closedBy, reason, outcome)
    this.#postures.chosen(exchange, timeUs)
    this.#conclude(exchange, timeUs, 'failed')
    this.schedule(exchange)
  }

  /** Links the SA to the one of the same ends that it comes after, or that it was before it moved. */
  #succeed(exchange: Exchange, isRekeyed: boolean, former: Exchange | null): void {
    const before = former ?? this.#peers.predecessorOf(exchange)
    if (before === null) return
    const relation = former !== null ? 'move' : isRekeyed ? 'rekey' : this.#relation(before, exchange)
    before.successor = { uid: exchange.uid, relation }
    exchange.predecessor = { uid: before.uid, relation }
    exchange.generation = before.generation + 1
    if (before.state === 'established') this.schedule(before)
  }

  /** An SA that was deleted, by its look, before the next one began was not renewed: somebody came again. */
  #relation(before: Exchange, { startUs }: Exchange): Relation {
    const hasEnded = before.ending !== undefined || this.#deletion(before) !== null
    return hasEnded && before.lastUs < startUs ? 'reconnection' : 'reauthentication'
  }

  // --- its end

  /** Nothing more comes. */
  #end(exchange: Exchange, timeUs: number, closedBy: 'silence' | 'capture_end', reason: string): void {
    switch (exchange.state) {
      case 'candidate':
        if (exchange.notification === undefined) return
        this.#table.adopt(exchange)
        this.fail(exchange, timeUs, closedBy, `${exchange.notification} for an exchange that was not seen`, 'failure')
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
      this.settle(exchange, timeUs)
      // Accepted just now: the same silence, or end, is what closes it.
      if (closedBy === 'capture_end') this.#end(exchange, timeUs, closedBy, reason)
      return
    }
    const isRefused = exchange.notification !== undefined
    const isUnverified = exchange.mode === IKE_EXCHANGE.MAIN && exchange.step === 5 && closedBy === 'silence'
    exchange.isInferred = isUnverified
    const outcome = closedBy === 'silence' || isRefused ? 'failure' : 'unknown'
    this.fail(exchange, timeUs, closedBy, `${givenUp(exchange)}, ${reason}`, outcome)
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
    this.schedule(exchange)
  }

  /** Whoever follows the children of the SA hears how it ended. */
  #conclude(exchange: Exchange, timeUs: number, ending: IkeEnding): void {
    exchange.ending = ending
    this.#peers.ended(exchange, timeUs, ending)
  }

  /** Who deleted an established SA, by the look of its last message. One that moved said its last word elsewhere. */
  #deletion({ version, chosen, lastUs, successor, conversation }: Exchange) {
    if (successor?.relation === 'move') return null
    const deletion = conversation?.liveness.deletion(version, chosen?.text, lastUs, successor !== undefined) ?? null
    if (deletion === null) return null
    return { role: deletion.role, dueUs: silentSince(lastUs, this.pause) + deletion.afterUs }
  }

  // --- its time

  /** After whatever may change when silence counts. */
  schedule(exchange: Exchange): void {
    this.#timers.schedule(exchange.index, this.#deadline(exchange))
  }

  #deadline(exchange: Exchange): number {
    const { state } = exchange
    const lastUs = silentSince(exchange.lastUs, this.pause)
    const { ikeIdleUs, setupTimeoutUs } = this.#timeouts
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
    if (!this.#table.exchanges.isUsed(index)) return
    const exchange = this.#table.exchanges.at(index)
    const dueUs = this.#deadline(exchange)
    if (dueUs > this.nowUs) {
      this.#timers.schedule(index, dueUs)
      return
    }
    if (isOver(exchange) || exchange.state === 'candidate') {
      this.#end(exchange, dueUs, 'silence', '')
      this.forget(exchange)
      return
    }
    this.#end(exchange, dueUs, 'silence', silence(silentSince(exchange.lastUs, this.pause), dueUs))
  }
}

/** XAUTH asked for a name and a password, and no child SA came of it: a login that worked is there for something. */
function isLoginFailed({ transactions, childExchanges, isAdopted }: Exchange): boolean {
  return transactions > 0 && childExchanges === 0 && !isAdopted
}
