/**
 * IKE SAs by the two hosts that have them: which one made an SA of ESP or AH, and which one a newer one follows. Neither is
 * said in the clear, so that both are inferred from addresses, ports and time.
 */
import { equal } from '../base/bytes.ts'
import { SECOND_US } from '../base/time.ts'
import type { Frame } from '../dissect/frame.ts'
import { addressPair, type Exchange, isSettingUp, pairOf } from './ike-exchange.ts'
import type { IkeEnding, IkeLookup, IkeParent } from './ike-lookup.ts'
import { INITIATOR, RESPONDER } from './role.ts'

/** SAs of one pair of hosts that are told apart: clients behind one address, or a flood. A further one ends the oldest. */
const PER_PAIR_MAX = 256
/** The first exchange in a new SA of version 2 has one of these numbers; the old one made it just before. */
const FIRST_IDS = 2
const REKEYED_US = 120 * SECOND_US
const SECONDS = /^(\d+) seconds$/

type EndListener = (uid: string, timeUs: number, ending: IkeEnding) => void

export class IkePeers implements IkeLookup {
  readonly #byPair = new Map<number, Exchange[]>()
  /** By both SPIs, whatever the addresses: the one that was added last. */
  readonly #bySpis = new Map<string, Exchange>()
  /** Under which SPIs an SA was added: they may still change. */
  readonly #spis = new Map<Exchange, string>()
  readonly #listeners: EndListener[] = []

  /** An SA that may have children: established, or about to be. */
  add(exchange: Exchange): void {
    this.#forgetSpis(exchange)
    const spis = spisOf(exchange)
    this.#bySpis.set(spis, exchange)
    this.#spis.set(exchange, spis)
    const pair = pairOf(exchange)
    const known = this.#byPair.get(pair)
    if (known === undefined) this.#byPair.set(pair, [exchange])
    else if (!known.includes(exchange)) {
      if (known.length >= PER_PAIR_MAX) known.shift()
      known.push(exchange)
    }
  }

  has(exchange: Exchange): boolean {
    return this.#byPair.get(pairOf(exchange))?.includes(exchange) ?? false
  }

  remove(exchange: Exchange): void {
    this.#forgetSpis(exchange)
    const pair = pairOf(exchange)
    const known = this.#byPair.get(pair)
    const at = known?.indexOf(exchange) ?? -1
    if (known === undefined || at === -1) return
    known.splice(at, 1)
    if (known.length === 0) this.#byPair.delete(pair)
  }

  #forgetSpis(exchange: Exchange): void {
    const spis = this.#spis.get(exchange)
    if (spis === undefined) return
    this.#spis.delete(exchange)
    if (this.#bySpis.get(spis) === exchange) this.#bySpis.delete(spis)
  }

  onEnded(listener: EndListener): void {
    this.#listeners.push(listener)
  }

  ended({ uid }: Exchange, timeUs: number, ending: IkeEnding): void {
    for (const listener of this.#listeners) listener(uid, timeUs, ending)
  }

  parentOf(frame: Frame): IkeParent | null {
    const { timeUs } = frame
    const all = (this.#byPair.get(addressPair(frame)) ?? []).filter(
      (exchange) => exchange.startUs <= timeUs && exchange.ending === undefined && isBetween(exchange, frame),
    )
    if (all.length === 0) return null
    if (all.length === 1) return parent(all[0], frame, 'only')
    const withPorts = frame.hasUdp ? all.filter((exchange) => hasPorts(exchange, frame)) : []
    if (withPorts.length === 1) return parent(withPorts[0], frame, 'ports')
    return parent(latest(withPorts.length === 0 ? all : withPorts, timeUs), frame, 'latest')
  }

  /** The same SA of version 2 where it was before an end moved to another address (MOBIKE, RFC 4555); null if it was not seen there. */
  sameElsewhere(exchange: Exchange): Exchange | null {
    const other = this.#bySpis.get(spisOf(exchange))
    const isSame = other !== undefined && other !== exchange && other.version === 2 && exchange.version === 2
    return isSame && other.state === 'established' ? other : null
  }

  /** The newest established SA between the same ends that `exchange` comes after; null if there is none. */
  predecessorOf(exchange: Exchange): Exchange | null {
    let newest: Exchange | null = null
    for (const other of this.#byPair.get(pairOf(exchange)) ?? []) {
      if (other === exchange || other.successor !== undefined || !hasSameEnds(other, exchange)) continue
      // Not so of one that was never established.
      const isEarlier = other.establishedUs < exchange.lastUs
      if (isEarlier && (newest === null || other.establishedUs > newest.establishedUs)) newest = other
    }
    return newest
  }

  /** Whether `exchange`, whose beginning nobody saw, can be what another one of the same ends was rekeyed to. */
  isRekeyed(exchange: Exchange, messageId: number): boolean {
    if (exchange.version !== 2 || messageId >= FIRST_IDS) return false
    return (this.#byPair.get(pairOf(exchange)) ?? []).some((other) => {
      const child = other.conversation?.children.at(exchange.startUs)
      return (
        other !== exchange &&
        other.version === 2 &&
        other.childExchanges > 0 &&
        child !== undefined &&
        exchange.startUs - child.lastUs < REKEYED_US &&
        hasSameEnds(other, exchange)
      )
    })
  }
}

function spisOf({ initiatorSpi, responderSpi }: Exchange): string {
  return `${initiatorSpi} ${responderSpi}`
}

function isBetween({ addresses, addressLength: length }: Exchange, { ip }: Frame): boolean {
  if (length !== ip.addressLength) return false
  const first = equal(addresses[INITIATOR], 0, ip.bytes, ip.sourceAt, length) ? INITIATOR : RESPONDER
  return (
    equal(addresses[first], 0, ip.bytes, ip.sourceAt, length) &&
    equal(addresses[1 - first], 0, ip.bytes, ip.destinationAt, length)
  )
}

function isInitiators({ addresses, addressLength, ports }: Exchange, { ip, hasUdp, sourcePort }: Frame): boolean {
  if (!equal(addresses[INITIATOR], 0, ip.bytes, ip.sourceAt, addressLength)) return false
  const isBoth = equal(addresses[RESPONDER], 0, ip.bytes, ip.sourceAt, addressLength)
  return !isBoth || !hasUdp || sourcePort === ports[INITIATOR]
}

function hasPorts(exchange: Exchange, frame: Frame): boolean {
  const sender = isInitiators(exchange, frame) ? INITIATOR : RESPONDER
  return exchange.ports[sender] === frame.sourcePort && exchange.ports[1 - sender] === frame.destinationPort
}

/** Whichever end began: addresses and ports are the same. */
function hasSameEnds(a: Exchange, b: Exchange): boolean {
  if (a.addressLength !== b.addressLength || a.isTcp !== b.isTcp) return false
  const isStraight = equal(a.addresses[INITIATOR], 0, b.addresses[INITIATOR], 0, a.addressLength)
  const other = isStraight ? RESPONDER : INITIATOR
  if (!isStraight && !equal(a.addresses[INITIATOR], 0, b.addresses[RESPONDER], 0, a.addressLength)) return false
  if (!equal(a.addresses[RESPONDER], 0, b.addresses[other], 0, a.addressLength)) return false
  return a.ports[INITIATOR] === b.ports[1 - other] && a.ports[RESPONDER] === b.ports[other]
}

/** The one whose newest child exchange came last before that time. */
function latest(exchanges: readonly Exchange[], timeUs: number): Exchange {
  const when = (exchange: Exchange) => exchange.conversation?.children.at(timeUs)?.startUs ?? exchange.startUs
  return exchanges.reduce((best, exchange) => (when(exchange) >= when(best) ? exchange : best))
}

function parent(exchange: Exchange, frame: Frame, basis: IkeParent['basis']): IkeParent {
  const { uid, version, hosts, establishedUs, chosen } = exchange
  const seconds = chosen?.lifetime === undefined ? undefined : SECONDS.exec(chosen.lifetime)?.[1]
  return {
    uid,
    version,
    initiator: hosts?.['source.ip'] ?? '',
    responder: hosts?.['destination.ip'] ?? '',
    isFromInitiator: isInitiators(exchange, frame),
    establishedUs: isSettingUp(exchange) || Number.isNaN(establishedUs) ? undefined : establishedUs,
    suite: chosen?.text,
    lifetimeSeconds: seconds === undefined ? undefined : Number(seconds),
    child: exchange.conversation?.children.at(frame.timeUs),
    basis,
  }
}
