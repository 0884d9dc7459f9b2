/**
 * Tunnels that somebody speaks to and that nobody saw opened: from before the capture, or guesses. A few datagrams to the
 * same number make one that existed; a lone one is reported.
 */
import { SECOND_US } from '../base/time.ts'
import type { Frame } from '../dissect/frame.ts'
import type { Emit, RaisedEvent } from '../events/catalogue.ts'
import { ODD_RESERVED_BITS } from '../wire/l2tp.ts'
import { findingEvent, foundIn } from './control-message.ts'
import type { Dialect } from './dialect.ts'

interface Candidate {
  readonly firstUs: number
  packets: number
  /** The report of its first message, while the capture is young enough that the tunnel may just be older. */
  held: RaisedEvent | null
}

const CANDIDATES_MAX = 4096
const CANDIDATE_US = 60 * SECOND_US

export class Candidates {
  readonly #emit: Emit
  readonly #dialect: Dialect
  readonly #adoptAfter: number
  readonly #byKey = new Map<string, Candidate>()
  /** The first packet of the capture. */
  #startUs = Number.NaN

  constructor(emit: Emit, dialect: Dialect, adoptAfter: number) {
    this.#emit = emit
    this.#dialect = dialect
    this.#adoptAfter = adoptAfter
  }

  /** A message to an unknown tunnel, `message` its type; true if by now the tunnel is believed to exist. */
  observe(frame: Frame, message: string): boolean {
    const key = keyOf(frame, this.#dialect.header(frame).tunnelId)
    const known = this.#byKey.get(key)
    if (known === undefined) {
      if (this.#byKey.size >= CANDIDATES_MAX) this.#giveUp(this.#byKey.keys().next().value as string)
      const report = findingEvent('l2tp.control.unknown', foundIn(frame, this.#dialect), 'tunnel_unknown', message)
      const isYoung = frame.timeUs - this.#startUs < CANDIDATE_US
      this.#byKey.set(key, { firstUs: frame.timeUs, packets: 1, held: isYoung ? report : null })
      if (!isYoung) this.#emit(report)
    }
    const candidate = known ?? (this.#byKey.get(key) as Candidate)
    if (known !== undefined) candidate.packets++
    // Half a handshake, a farewell, or data that is no PPP or has bits that no sender of ours sets, make nothing exist.
    if (
      candidate.packets < this.#adoptAfter ||
      message === 'SCCRP' ||
      message === 'StopCCN' ||
      (message === 'data' && (!frame.hasPpp || (frame.l2tp.oddities & ODD_RESERVED_BITS) !== 0))
    )
      return false
    this.#byKey.delete(key)
    return true
  }

  expire(nowUs: number): void {
    if (Number.isNaN(this.#startUs)) this.#startUs = nowUs
    for (const [key, candidate] of this.#byKey) {
      if (nowUs - candidate.firstUs <= CANDIDATE_US) break
      this.#giveUp(key)
    }
  }

  /** The end of the capture: what was held back is told. */
  finish(): void {
    for (const key of this.#byKey.keys()) this.#giveUp(key)
  }

  #giveUp(key: string): void {
    const held = this.#byKey.get(key)?.held
    this.#byKey.delete(key)
    if (held !== undefined && held !== null) this.#emit(held)
  }
}

function keyOf({ ip, sourcePort, destinationPort }: Frame, tunnelId: number): string {
  let key = ''
  const end = ip.sourceAt + ip.addressLength * 2
  for (let at = ip.sourceAt; at < end; at++) key += String.fromCharCode(ip.bytes[at])
  return `${key} ${sourcePort} ${destinationPort} ${tunnelId}`
}
