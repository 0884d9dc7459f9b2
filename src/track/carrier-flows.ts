/**
 * The flows inside carriers, as the trackers of carriers see them: packets go down to whoever follows the flows, in this
 * thread or in another, and before the first of them what the carrier is called.
 *
 * Whoever tells of flows need not see the carrier: for those its names are a message of their own, given with its first packet
 * and whenever they change.
 */
import { doubled, FIRST_ROWS } from '../base/growing.ts'
import type { Ahead } from '../dissect/ahead.ts'
import type { Frame } from '../dissect/frame.ts'
import { type Carrier, type CarrierIdentity, type Carriers, indexOf, OWNERS_MAX, ownerOf } from './carrier.ts'

/** What flows tell of their carrier: its ids, its user, and the addresses of its ends. */
export interface CarrierNames {
  readonly uid: string
  readonly userName: string | undefined
  readonly initiator: string | undefined
  readonly responder: string | undefined
  readonly identity: CarrierIdentity
}

/** What a carrier is called now. */
export function namesOf(carrier: Carrier): CarrierNames {
  const { owner } = carrier
  const hosts = owner.hosts(carrier, 0)
  return {
    uid: carrier.uid,
    userName: carrier.userName,
    initiator: hosts['source.ip'],
    responder: hosts['destination.ip'],
    identity: owner.identify(carrier),
  }
}

/** Who follows the flows. Everything comes in the order in which it happened. */
export interface FlowSink {
  carrierNamed(carrier: number, names: CarrierNames): void
  /** `frame.inner` has been read; `carrier` is the key of what it came in, `sender` the end that sent it. */
  observe(frame: Frame, carrier: number, sender: 0 | 1): void
  /** The same packets, before their turn: a chance to have at hand what they will need. */
  prefetch(ahead: Ahead): void
  /** With the carrier everything inside it ends, and its key may name another. */
  carrierClosed(carrier: number): void
  /** Those that are closed as the answer is walked; none where others do it. */
  expire(nowUs: number): Iterable<void>
  /** The sensor stops, and another one will go on: flows that are not saved are told as they are. */
  suspend(): void
  /** Flows that live, those whose application is being read, and events that were counted instead of told, as far as this thread knows. */
  readonly size: number
  readonly conversations: number
  readonly suppressed: number
}

const NAMED = 1

export class CarrierFlows {
  readonly #carriers: Carriers
  readonly #sink: FlowSink
  /** Of each owner, by the index of the carrier: whether its names were given. */
  readonly #named: Uint8Array<ArrayBuffer>[] = Array.from({ length: OWNERS_MAX }, () => new Uint8Array(FIRST_ROWS))

  constructor(carriers: Carriers, sink: FlowSink) {
    this.#carriers = carriers
    this.#sink = sink
  }

  get size(): number {
    return this.#sink.size
  }

  get conversations(): number {
    return this.#sink.conversations
  }

  get suppressed(): number {
    return this.#sink.suppressed
  }

  /** The packet path. */
  observe(frame: Frame, carrier: number, sender: 0 | 1): void {
    if (this.#named[ownerOf(carrier)][indexOf(carrier)] !== NAMED) this.#name(this.#carriers.at(carrier))
    this.#sink.observe(frame, carrier, sender)
  }

  /** Has the processor read what `observe` will need for packets to come, whose carriers are known. */
  prefetch(ahead: Ahead): void {
    const { count, carrier } = ahead
    let touched = 0
    for (let i = 0; i < count; i++)
      if (carrier[i] !== -1) touched ^= this.#named[ownerOf(carrier[i])][indexOf(carrier[i])]
    ahead.touched ^= touched
    this.#sink.prefetch(ahead)
  }

  /** Flows in it were taken up: from now on it has a name, and they end with it. */
  resumed(carrier: Carrier): void {
    if (!this.#isNamed(carrier)) this.#name(carrier)
  }

  /** What flows tell of the carrier has changed. */
  carrierRenamed(carrier: Carrier): void {
    if (this.#isNamed(carrier)) this.#name(carrier)
  }

  carrierClosed(carrier: Carrier): void {
    if (!this.#isNamed(carrier)) return
    this.#sink.carrierClosed(carrier.key)
    this.#named[ownerOf(carrier.key)][indexOf(carrier.key)] = 0
  }

  expire(nowUs: number): Iterable<void> {
    return this.#sink.expire(nowUs)
  }

  suspend(): void {
    this.#sink.suspend()
  }

  #isNamed({ key }: Carrier): boolean {
    return this.#named[ownerOf(key)][indexOf(key)] === NAMED
  }

  #name(carrier: Carrier): void {
    const { key } = carrier
    const number = ownerOf(key)
    while (indexOf(key) >= this.#named[number].length) this.#named[number] = doubled(this.#named[number])
    this.#named[number][indexOf(key)] = NAMED
    this.#sink.carrierNamed(key, namesOf(carrier))
  }
}
