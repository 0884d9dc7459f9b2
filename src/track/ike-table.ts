/**
 * The SAs of IKE that are followed, under what they are found: the initiator's cookie (IKEv2: SPI) and the two addresses. Ports
 * move when NAT traversal does.
 */
import { mixPair } from '../base/hash.ts'
import { PairTable } from '../base/pair-table.ts'
import { Pool } from '../base/pool.ts'
import type { Frame } from '../dissect/frame.ts'
import type { Emit } from '../events/catalogue.ts'
import type { IkeView } from '../wire/ike.ts'
import { FullTable } from './full-table.ts'
import { addressPair, type Arrival, begin, Exchange, type ExchangeState, isSame, pairOf } from './ike-exchange.ts'
import type { Role } from './role.ts'
import { loadExchange, type SavedExchange } from './saved-ike.ts'

/** One record in so many may belong to an SA whose beginning nobody saw. */
const CANDIDATE_SHARE = 8

export class IkeTable {
  readonly exchanges: Pool<Exchange>
  readonly #byCookie: PairTable
  readonly #full: FullTable
  #candidates = 0

  constructor(emit: Emit, capacity: number) {
    this.exchanges = new Pool(capacity, (index) => new Exchange(index))
    this.#byCookie = new PairTable(capacity)
    this.#full = new FullTable(emit)
  }

  /** The SA of a message; null if there is none. */
  find(frame: Frame, view: IkeView): Exchange | null {
    const pair = addressPair(frame)
    const index = this.#byCookie.find(mixPair(view.initiatorHigh, pair), mixPair(view.initiatorLow, pair))
    if (index === -1) return null
    const exchange = this.exchanges.at(index)
    return isSame(exchange, frame, view) ? exchange : null
  }

  /** A record of the SA whose first message `sender` sent; null if there is no room. */
  open(arrival: Arrival, view: IkeView, sender: Role, state: ExchangeState): Exchange | null {
    const { frame } = arrival
    const isCandidate = state === 'candidate'
    if (isCandidate && this.#candidates * CANDIDATE_SHARE >= this.exchanges.capacity) return null
    const index = this.exchanges.take()
    if (index === -1) {
      this.#full.tell('ike_exchanges', this.exchanges.capacity, frame.timeUs, 'IKE exchanges')
      return null
    }
    if (isCandidate) this.#candidates++
    const exchange = this.exchanges.at(index)
    begin(exchange, arrival, view, sender, state)
    this.#insert(view, addressPair(frame), index)
    return exchange
  }

  /** The same of one that a restarted sensor takes up, as `loadExchange` does. */
  resume(saved: SavedExchange, missedUs: number, offers: ReadonlyMap<string, readonly string[]>): Exchange | null {
    const index = this.exchanges.take()
    if (index === -1) return null
    const exchange = this.exchanges.at(index)
    loadExchange(exchange, saved, missedUs, offers)
    if (exchange.state === 'candidate') this.#candidates++
    this.#insert(exchange, pairOf(exchange), index)
    return exchange
  }

  /** A candidate, about to have another state: it is an SA, though its beginning was not seen. */
  adopt(exchange: Exchange): void {
    this.#candidates--
    exchange.isAdopted = true
  }

  forget(exchange: Exchange): void {
    if (exchange.state === 'candidate') this.#candidates--
    const pair = pairOf(exchange)
    const high = mixPair(exchange.initiatorHigh, pair)
    const low = mixPair(exchange.initiatorLow, pair)
    if (this.#byCookie.find(high, low) === exchange.index) this.#byCookie.remove(high, low)
    this.exchanges.free(exchange.index)
  }

  /** Keys of two SAs are alike once in 2^64, or when somebody means them to be: then the older one is not found any more. */
  #insert(of: Pick<Exchange, 'initiatorHigh' | 'initiatorLow'>, pair: number, index: number): void {
    this.#byCookie.insert(mixPair(of.initiatorHigh, pair), mixPair(of.initiatorLow, pair), index)
  }
}
