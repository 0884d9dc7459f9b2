/**
 * L2TPv3 data for sessions that nobody saw set up: of tunnels that are set up by hand, from before the capture, or guesses. A
 * few messages to one number that read as a whole make a session that exists; others are reported.
 */
import { hex } from '../base/bytes.ts'
import { SECOND_US } from '../base/time.ts'
import type { Frame } from '../dissect/frame.ts'
import { LayoutSampler } from '../dissect/layout-sampler.ts'
import type { Emit, RaisedEvent } from '../events/catalogue.ts'
import { V3_ODD_RESERVED_BITS } from '../wire/l2tpv3.ts'
import { PSEUDOWIRE } from '../wire/l2tpv3-avp.ts'
import { findingEvent, foundIn } from './control-message.ts'
import type { Dialect } from './dialect.ts'

const STRANGERS_MAX = 4096
const STRANGER_US = 60 * SECOND_US
/** So many times the messages that adopt a session adopt one that nobody can read. */
const UNREADABLE_FACTOR = 8
const SUBLAYER_LENGTH = 4

export class Stranger {
  readonly sampler = new LayoutSampler()
  readonly firstUs: number
  packets = 0
  /** Of the outer IP packets. */
  bytes = 0
  /** The report of its first message, while the capture is young enough that the session may just be older. */
  held: RaisedEvent | null

  constructor(firstUs: number, held: RaisedEvent | null) {
    this.firstUs = firstUs
    this.held = held
  }

  /** The Ethernet stations of its first message; null if it carries no Ethernet. */
  get stations(): Stations | null {
    return stationsOf(this.sampler)
  }
}

/** Who speaks to whom inside a session, in one direction. */
export interface Stations {
  readonly source: string
  readonly destination: string
}

export function stationsOf({ samples, layout }: LayoutSampler): Stations | null {
  const isEthernet = layout?.pseudowireType === PSEUDOWIRE.ETHERNET
  if (layout === null || !isEthernet || samples.length === 0) return null
  const { bytes, start } = samples[0]
  const at = start + layout.cookieLength + (layout.sublayer === 0 ? 0 : SUBLAYER_LENGTH)
  return { destination: hex(bytes, at, at + 6), source: hex(bytes, at + 6, at + 12) }
}

/** Whether two directions are those of one session: the stations of one answer those of the other. Undefined: one cannot say. */
export function areMirrored(there: Stations | null, back: Stations | null): boolean | undefined {
  if (there === null || back === null) return undefined
  if (!isGroup(back.destination)) return back.destination === there.source
  return isGroup(there.destination) ? undefined : there.destination === back.source
}

function isGroup(station: string): boolean {
  return (Number.parseInt(station.slice(0, 2), 16) & 1) === 1
}

export class Strangers {
  readonly #emit: Emit
  readonly #dialect: Dialect
  readonly #adoptAfter: number
  readonly #byKey = new Map<string, Stranger>()
  /** The first packet of the capture. */
  #startUs = Number.NaN

  constructor(emit: Emit, dialect: Dialect, adoptAfter: number) {
    this.#emit = emit
    this.#dialect = dialect
    this.#adoptAfter = adoptAfter
  }

  /** A data message to an unknown session; answers with what is known of it if by now it is believed to exist. */
  observe(frame: Frame): Stranger | null {
    const key = keyOf(frame)
    const known = this.#byKey.get(key) ?? this.#meet(frame, key)
    const { bytes, payloadStart, payloadEnd, messageEnd, oddities } = frame.l2tpv3
    known.packets++
    known.bytes += frame.ip.wireEnd - frame.ip.headerStart
    known.sampler.take(bytes, payloadStart, payloadEnd, messageEnd)
    const { layout } = known.sampler
    const isRead = layout !== null && layout.confidence !== 'guess'
    // Another protocol on the port has the version in some of its messages, and other bits beside it.
    const isOdd = (oddities & V3_ODD_RESERVED_BITS) !== 0
    if (isOdd || known.packets < this.#adoptAfter * (isRead ? 1 : UNREADABLE_FACTOR)) return null
    this.#byKey.delete(key)
    return known
  }

  expire(nowUs: number): void {
    if (Number.isNaN(this.#startUs)) this.#startUs = nowUs
    for (const [key, stranger] of this.#byKey) {
      if (nowUs - stranger.firstUs <= STRANGER_US) break
      this.#giveUp(key)
    }
  }

  /** The end of the capture: what was held back is told. */
  finish(): void {
    for (const key of this.#byKey.keys()) this.#giveUp(key)
  }

  #meet(frame: Frame, key: string): Stranger {
    if (this.#byKey.size >= STRANGERS_MAX) this.#giveUp(this.#byKey.keys().next().value as string)
    const report = findingEvent('l2tp.control.unknown', foundIn(frame, this.#dialect), 'session_unknown', 'data')
    const isYoung = frame.timeUs - this.#startUs < STRANGER_US
    if (!isYoung) this.#emit(report)
    const stranger = new Stranger(frame.timeUs, isYoung ? report : null)
    this.#byKey.set(key, stranger)
    return stranger
  }

  #giveUp(key: string): void {
    const held = this.#byKey.get(key)?.held
    this.#byKey.delete(key)
    if (held !== undefined && held !== null) this.#emit(held)
  }
}

function keyOf({ ip, l2tpv3, sourcePort, destinationPort }: Frame): string {
  let key = ''
  const end = ip.sourceAt + ip.addressLength * 2
  for (let at = ip.sourceAt; at < end; at++) key += String.fromCharCode(ip.bytes[at])
  return `${key} ${sourcePort} ${destinationPort} ${l2tpv3.sessionId}`
}
