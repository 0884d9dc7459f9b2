/**
 * Messages of IKE out of what carries them: datagrams of the two ports, with and without the marker of NAT traversal (RFC 3948 section
 * 2.2), and TCP streams; whole, or put together from the fragments of version 1. Those of version 2 are encrypted one by one, and stay apart.
 */
import type { Frame } from '../dissect/frame.ts'
import { IkeFragments } from '../dissect/ike-fragments.ts'
import { IkeView } from '../wire/ike.ts'
import { describeIke } from '../wire/ike-describe.ts'
import { ikePortContent, NATT_PORT, NON_ESP_MARKER_LENGTH, nattContent } from '../wire/nat-t.ts'
import type { Arrival } from './ike-exchange.ts'
import type { IkeFindings } from './ike-findings.ts'

const FRAGMENTED_MESSAGES_MAX = 64

export class IkeReader {
  readonly #findings: IkeFindings
  readonly #act: (arrival: Arrival, view: IkeView) => void
  readonly #fragments = new IkeFragments(FRAGMENTED_MESSAGES_MAX)
  readonly #view = new IkeView()
  /** A message put together from fragments. */
  readonly #whole = new IkeView()

  /** `act` is given each whole message, in a view that is reused for the next one. */
  constructor(findings: IkeFindings, act: (arrival: Arrival, view: IkeView) => void) {
    this.#findings = findings
    this.#act = act
  }

  /** A datagram to or from UDP port 500 or 4500. ESP and keepalives, which are most of it, leave at once. */
  datagram(frame: Frame): void {
    const { udp } = frame
    const { bytes, payloadStart, payloadEnd, wireEnd, sourcePort, destinationPort } = udp
    const isNatt = sourcePort === NATT_PORT || destinationPort === NATT_PORT
    const content = isNatt
      ? nattContent(bytes, payloadStart, payloadEnd, wireEnd)
      : ikePortContent(bytes, payloadStart, payloadEnd, wireEnd)
    if (content === 'esp' || content === 'keepalive') return
    const arrival = { frame, sourcePort, destinationPort, isTcp: false }
    switch (content) {
      case 'short':
        this.#findings.report(arrival, 'natt.short', `${payloadEnd - payloadStart} bytes`)
        return
      case 'ike_unmarked':
        this.#findings.report(arrival, 'natt.marker_missing', '')
        this.message(arrival, bytes, payloadStart, payloadEnd, wireEnd)
        return
      case 'ike':
        this.message(arrival, bytes, isNatt ? payloadStart + NON_ESP_MARKER_LENGTH : payloadStart, payloadEnd, wireEnd)
    }
  }

  /** A message, or a fragment of one, between `start` and `end`; on the wire it reached as far as `wireEnd`. */
  message(arrival: Arrival, bytes: Uint8Array, start: number, end: number, wireEnd: number): void {
    const flaw = this.#view.decode(bytes, start, end, wireEnd)
    if (flaw !== null) {
      this.#findings.report(arrival, flaw, `${wireEnd - start} bytes`)
      return
    }
    if (!this.#view.isFragment) {
      this.#act(arrival, this.#view)
      return
    }
    const whole = this.#reassemble(arrival)
    if (whole === null) return
    const innerFlaw = this.#whole.decode(whole, 0, whole.length)
    if (innerFlaw === null) this.#act(arrival, this.#whole)
    else this.#findings.report(arrival, innerFlaw, 'put together from fragments')
  }

  #reassemble(arrival: Arrival): Uint8Array | null {
    const { ip } = arrival.frame
    const description = describeIke(this.#view)
    this.#findings.reportFlaws(arrival, null, description)
    const [piece] = description.payloads
    if (piece?.kind !== 'fragment') return null
    const sender = Buffer.from(ip.bytes.buffer, ip.bytes.byteOffset + ip.sourceAt, ip.addressLength).toString('latin1')
    const key = `${description.initiatorSpi}${description.responderSpi}${sender} ${arrival.sourcePort} ${piece.packet}`
    const octets = this.#view.bytes.subarray(piece.start, piece.end)
    const whole = this.#fragments.add(key, piece.fragment, piece.isLast, octets)
    const { finding } = this.#fragments
    if (finding !== null && !description.flaws.includes('ike.fragment_number'))
      this.#findings.report(arrival, finding, '')
    return whole
  }
}
