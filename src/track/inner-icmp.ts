/**
 * Echo requests and replies: what is no system's ping is told. Pings that are what they seem cost a look at their first
 * packets.
 */
import { hashWindow } from '../base/hash.ts'
import { u16 } from '../base/bytes.ts'
import { measurePayload, type PayloadMeasures, pingPattern } from '../wire/icmp-payload.ts'
import type { DatagramProtocol, DatagramReader, InnerFlow, Side } from './inner-protocol.ts'

/** Packets after which an honest ping is left alone. */
const HONEST_MAX = 64
/** After so many packets that are none, a flow is told while it goes on. */
const EARLY = 16
/** Requests that wait for their replies. */
const WAITING = 8

class Echo implements DatagramReader {
  readonly #flow: InnerFlow
  #requests = 0
  #replies = 0
  #altered = 0
  #patternless = 0
  #lengthMax = 0
  #pattern = 'empty'
  #last: PayloadMeasures | null = null
  #isToldEarly = false
  /** Sequence number, length and hash of the last requests, one slot each. */
  readonly #waiting = new Int32Array(WAITING * 3).fill(-1)

  constructor(flow: InnerFlow) {
    this.#flow = flow
  }

  read(side: Side, bytes: Uint8Array, start: number, end: number, wireEnd: number): boolean {
    const isRequest = bytes[start] === 8 || bytes[start] === 128
    const slot = (u16(bytes, start + 6) % WAITING) * 3
    const sequence = u16(bytes, start + 6)
    const length = wireEnd - start - 8
    // What the capture cut cannot be compared.
    const digest = wireEnd > end ? 0 : hashWindow(bytes, start + 8, end) | 0
    this.#lengthMax = Math.max(this.#lengthMax, length)
    if (isRequest) {
      if (this.#requests++ === 0 && this.#replies === 0) this.#flow.client = side
      this.#waiting[slot] = sequence
      this.#waiting[slot + 1] = length
      this.#waiting[slot + 2] = digest
      this.#look(bytes, start + 8, end)
    } else {
      this.#replies++
      const isKnown = this.#waiting[slot] === sequence && digest !== 0 && this.#waiting[slot + 2] !== 0
      if (isKnown && (this.#waiting[slot + 1] !== length || this.#waiting[slot + 2] !== digest)) this.#altered++
    }
    const odd = this.#altered + this.#patternless
    if (odd >= EARLY && !this.#isToldEarly) {
      this.#isToldEarly = true
      this.#tell('so far')
    }
    return odd > 0 || this.#requests + this.#replies < HONEST_MAX
  }

  end(): void {
    if (this.#altered + this.#patternless > 0) this.#tell('in all')
  }

  #look(bytes: Uint8Array, start: number, end: number): void {
    this.#pattern = pingPattern(bytes, start, end)
    if (this.#pattern !== 'other') return
    this.#patternless++
    this.#last = measurePayload(bytes, start, end)
  }

  #tell(when: string): void {
    this.#flow.tell(
      'icmp.echo.observed',
      `${this.#requests} echo requests ${when}, ${this.#patternless} without the pattern of a system; ${this.#altered} replies give back something else`,
      {
        'icmp.echo.pattern': this.#patternless > 0 ? 'other' : this.#pattern,
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
  recognise: () => true,
  open: (flow) => new Echo(flow),
}
