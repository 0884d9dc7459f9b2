/**
 * Tells what happens to IKE SAs, and keeps a flood from filling the index: of the SAs that one host begins, and of those that
 * one host is asked for, so many a minute are told from their beginning to their end, the others are counted.
 */
import { SECOND_US } from '../base/time.ts'
import type { Emit } from '../events/catalogue.ts'
import { exchangeName } from '../wire/ike.ts'
import { Allowances } from './allowances.ts'
import { countFields, describeExchange, names } from './ike-events.ts'
import type { ClosedBy, Exchange } from './ike-exchange.ts'

/** Hosts whose SAs are counted: as many as a sensor sees gateways, and more. */
const HOSTS_MAX = 4096

export class IkeTeller {
  readonly #emit: Emit
  readonly #asked: Allowances
  readonly #asking: Allowances

  constructor(emit: Emit, perMinute: number) {
    this.#emit = emit
    this.#asked = new Allowances(perMinute, HOSTS_MAX)
    this.#asking = new Allowances(perMinute, HOSTS_MAX)
  }

  /** SAs that were not told, or only from where they were established. */
  get suppressed(): number {
    return this.#asked.suppressed + this.#asking.suppressed
  }

  /** How much of what they may tell hosts have had, by who they are. */
  get allowances() {
    return { asked: this.#asked, asking: this.#asking }
  }

  started(exchange: Exchange, timeUs: number): void {
    const suppressed = this.#allow(exchange, timeUs, '')
    if (suppressed === -1) return
    const { version, mode, offeredCount } = exchange
    const name = exchangeName(version, mode)
    this.#emit({
      name: 'ike.exchange.started',
      timeUs,
      message: `IKEv${version} ${version === 1 ? `${name} mode` : name} begun: ${names(exchange)}, ${offeredCount} ${offeredCount === 1 ? 'transform' : 'transforms'} offered`,
      fields: { ...describeExchange(exchange), 'borescope.suppressed': suppressed === 0 ? undefined : suppressed },
    })
  }

  /** Told even if its beginning was not, unless these come in floods as well. */
  established(exchange: Exchange, timeUs: number): void {
    if (this.#allow(exchange, timeUs, 'established ') === -1) return
    const { version, chosen, predecessor } = exchange
    const after = predecessor === undefined ? '' : `, ${WORDS[predecessor.relation]} ${predecessor.uid}`
    this.#emit({
      name: 'ike.exchange.established',
      timeUs,
      message: `IKEv${version} SA established: ${names(exchange)}${chosen === null ? '' : `, ${chosen.text}`}${after}`,
      fields: describeExchange(exchange),
    })
  }

  failed(exchange: Exchange, timeUs: number, closedBy: ClosedBy, reason: string, outcome: 'failure' | 'unknown'): void {
    // What was not begun before our eyes had no chance to be told.
    if (!exchange.isTold && (!exchange.isAdopted || this.#allow(exchange, timeUs, 'failed ') === -1)) return
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
  }

  closed(exchange: Exchange, timeUs: number, closedBy: ClosedBy, reason: string, outcome?: 'failure'): void {
    if (!exchange.isTold && this.#allow(exchange, timeUs, 'closed ') === -1) return
    this.#emit({
      name: 'ike.exchange.closed',
      timeUs,
      message: `IKEv${exchange.version} SA closed: ${names(exchange)}, ${reason}${after(exchange)}`,
      fields: {
        ...describeExchange(exchange),
        ...countFields(exchange),
        'event.outcome': outcome,
        'event.reason': reason,
        'ike.closed_by': closedBy,
        'ike.end': exchange.ending ?? 'silence',
        'ike.successor.uid': exchange.successor?.uid,
      },
    })
  }

  /** How many were left out before it; -1 if it is to be left out too. */
  #allow(exchange: Exchange, timeUs: number, what: string): number {
    if (exchange.isTold) return 0
    const { hosts, uid } = exchange
    const before = this.#asking.take(`${what}${hosts?.['source.ip']}`, timeUs, uid)
    if (before === -1) return -1
    const beforeToo = this.#asked.take(`${what}${hosts?.['destination.ip']}`, timeUs, uid)
    if (beforeToo === -1) return -1
    exchange.isTold = true
    return before + beforeToo
  }
}

function after({ successor }: Exchange): string {
  return successor === undefined ? '' : `; ${successor.uid} came after it`
}

const WORDS = {
  rekey: 'rekeyed from',
  reauthentication: 'reauthenticating',
  reconnection: 'again after',
  move: 'moved from',
} as const

/** How long nothing came, in words. */
export function silence(sinceUs: number, nowUs: number): string {
  return `silent for ${Math.round((nowUs - sinceUs) / SECOND_US)} s`
}
