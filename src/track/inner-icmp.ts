/** Echo requests and replies, from the first one on that is no system's ping. */
import { hashWindow } from '../base/hash.ts'
import { u16 } from '../base/bytes.ts'
import { measurePayload, type PayloadMeasures, pingPattern } from '../wire/icmp-payload.ts'
import type { DatagramProtocol, DatagramReader, InnerFlow, Side } from './inner-protocol.ts'

const HEADER = 8
/** After so many packets that are none, a flow is told while it goes on. */
const EARLY = 16
/** Requests that wait for their replies. */
const WAITING = 8

class Echo implements DatagramReader {
  readonly #flow: InnerFlow
  #requests = 0
  #replies = 0
  #altered: number
  #patternless = 0
  #lengthMax = 0
  #last: PayloadMeasures | null = null
  #isToldEarly = false
  /** Sequence number and digest of the last requests. */
  readonly #waiting = new Int32Array(WAITING * 2).fill(-1)

  /** `altered` replies were found before. */
  constructor(flow: InnerFlow, altered: number) {
    this.#flow = flow
    this.#altered = altered
  }

  read(side: Side, bytes: Uint8Array, start: number, end: number, wireEnd: number): boolean {
    if (end - start < HEADER) return true
    const isRequest = bytes[start] === 8 || bytes[start] === 128
    const slot = (u16(bytes, start + 6) % WAITING) * 2
    const sequence = u16(bytes, start + 6)
    // What the capture cut cannot be compared.
    const digest = echoDigest(bytes, start, end, wireEnd)
    this.#lengthMax = Math.max(this.#lengthMax, wireEnd - start - HEADER)
    const isKnown = this.#waiting[slot] === sequence && digest !== 0 && this.#waiting[slot + 1] !== 0
    if (isRequest) {
      if (this.#requests++ === 0 && this.#replies === 0) this.#flow.client = side
      this.#waiting[slot] = sequence
      this.#waiting[slot + 1] = digest
    } else {
      if (this.#replies++ === 0 && this.#requests === 0) this.#flow.client = side === 0 ? 1 : 0
      if (isKnown && this.#waiting[slot + 1] !== digest) this.#altered++
    }
    // A reply that repeats its request says nothing new.
    if (isRequest || !isKnown || this.#waiting[slot + 1] !== digest) this.#look(bytes, start + HEADER, end)
    const odd = this.#altered + this.#patternless
    if (odd >= EARLY && !this.#isToldEarly) {
      this.#isToldEarly = true
      this.#tell('so far')
    }
    return true
  }

  end(): void {
    if (this.#altered + this.#patternless > 0) this.#tell('in all')
  }

  #look(bytes: Uint8Array, start: number, end: number): void {
    if (pingPattern(bytes, start, end) !== 'other') return
    this.#patternless++
    this.#last = measurePayload(bytes, start, end)
  }

  #tell(when: string): void {
    this.#flow.tell(
      'icmp.echo.observed',
      `${this.#requests} echo requests and ${this.#replies} replies ${when}, ${this.#patternless} without the pattern of a system; ${this.#altered} replies give back something else`,
      {
        'icmp.echo.requests': this.#requests,
        'icmp.echo.replies': this.#replies,
        'icmp.echo.altered': this.#altered,
        'icmp.echo.patternless': this.#patternless,
        'icmp.echo.length_max': this.#lengthMax,
        'icmp.echo.distinct': this.#last?.distinct,
        'icmp.echo.printable': this.#last?.printable,
      },
    )
  }
}

export const ECHO: DatagramProtocol = {
  name: 'icmp',
  recognise: (bytes, start, end) => pingPattern(bytes, Math.min(start + HEADER, end), end) === 'other',
  open: (flow) => new Echo(flow, 0),
}

/** From a reply on that gives back something else than was sent. */
export const ALTERED_ECHO: DatagramProtocol = {
  ...ECHO,
  recognise: () => true,
  open: (flow) => new Echo(flow, 1),
}

/** The length and the octets of a payload in one number; 0 if the capture cut it. */
export function echoDigest(bytes: Uint8Array, start: number, end: number, wireEnd: number): number {
  if (wireEnd > end) return 0
  return (hashWindow(bytes, Math.min(start + HEADER, end), end) ^ Math.imul(end - start, 0x9e3779b1)) | 1
}
