/**
 * IPv4 (RFC 791, 815) and IPv6 (RFC 8200 section 4.5, RFC 5722) reassembly, bounded in datagrams and in bytes.
 *
 * What fragments do is evidence: overlaps, tiny first fragments, sizes beyond 65,535 and floods are findings. Among IPv4
 * fragments that overlap the first byte to arrive counts (as BSD and Windows do; Linux drops the datagram); an IPv6 datagram
 * with an overlap is dropped, as RFC 5722 demands of every receiver.
 *
 * A datagram that is whole is remembered for the same time, because an overlap may come late: whoever makes a sensor read one
 * datagram and the server another (RFC 1858, RFC 3128) sends the piece that the server is to read after the one that only the
 * sensor saw. What comes late with the same bytes is a copy; what differs is an overlap, unless it turns out to be the next
 * datagram under an identification that came round.
 */
import { addressText } from '../base/address.ts'
import { equal, hex } from '../base/bytes.ts'
import { SECOND_US } from '../base/time.ts'
import { type IpFlaw, IpView } from '../wire/ip.ts'
import type { Frame } from './frame.ts'

export type FragmentFinding =
  | 'ip.fragment_overlap'
  | 'ip.fragment_tiny'
  | 'ip.fragment_oversize'
  | 'ip.fragment_length'
  | 'ip.fragment_flood'
  | 'ip.fragment_incomplete'
  | 'ip.fragment_nested'

/**
 * Told of a finding about the current frame, whose IP view names the hosts; or, with the hosts given, about a datagram that
 * began long ago.
 */
export type ReportFragment = (finding: FragmentFinding | IpFlaw, detail: string, hosts?: FragmentHosts) => void

/** The addresses of a datagram, as text. */
export interface FragmentHosts {
  readonly source: string
  readonly destination: string
  readonly version: 4 | 6
}

/** A first fragment must hold the transport header and some; 8 bytes of UDP and a whole L2TP header are 20 or so. */
const FIRST_FRAGMENT_MIN = 28
const DATAGRAM_MAX = 65_535
const HEADER_ROOM = 256
/**
 * What comes this soon after its datagram was whole belongs to it: the same bytes are a copy, made by the SPAN port, and others an
 * overlap, since no sender uses up 65,536 identifications in this time.
 */
const COPY_US = 10_000

class Datagram {
  key = ''
  /** Source and destination, one after the other. */
  readonly addresses = new Uint8Array(32)
  addressLength = 0
  firstUs = 0
  wholeUs = 0
  /** IP header(s), then the payload at HEADER_ROOM. */
  buffer = new Uint8Array(HEADER_ROOM + 4096)
  headerLength = 0
  /** Of the payload; -1 until the last fragment came. */
  totalLength = -1
  /** Sorted, disjoint [start, end) pairs of what has arrived. */
  covered: number[] = []
  isSpoiled = false
  /** Whether it differs from a whole datagram under its identification, and whether that was told. */
  rivalry: 'none' | 'untold' | 'told' = 'none'

  reset(key: string, { ip, timeUs }: Frame): void {
    this.key = key
    this.addressLength = ip.addressLength
    for (let i = 0; i < ip.addressLength * 2; i++) this.addresses[i] = ip.bytes[ip.sourceAt + i]
    this.firstUs = timeUs
    this.headerLength = 0
    this.totalLength = -1
    this.covered.length = 0
    this.isSpoiled = false
    this.rivalry = 'none'
  }

  ensure(payloadLength: number): void {
    const needed = HEADER_ROOM + payloadLength
    if (needed <= this.buffer.length) return
    let length = this.buffer.length
    while (length < needed) length *= 2
    const buffer = new Uint8Array(length)
    buffer.set(this.buffer)
    this.buffer = buffer
  }
}

export interface DefragmentLimits {
  /** Datagrams under reassembly at one time; and as many that were whole are remembered. */
  readonly datagramsMax: number
  /** Fragments (disjoint pieces) of one datagram. */
  readonly piecesMax: number
  readonly timeoutSeconds: number
}

export class Defragmenter {
  readonly #limits: DefragmentLimits
  readonly #report: ReportFragment
  /** In order of arrival: the oldest is the first of the map. */
  readonly #open = new Map<string, Datagram>()
  readonly #spare: Datagram[] = []
  /** Datagrams that are whole, the one that was completed first in front. The frame points into the last one until the next call. */
  readonly #whole = new Map<string, Datagram>()
  readonly #wholeView = new IpView()

  constructor(limits: DefragmentLimits, report: ReportFragment) {
    this.#limits = limits
    this.#report = report
  }

  /** Datagrams waiting for fragments. */
  get size(): number {
    return this.#open.size
  }

  /** Datagrams that are whole, with which late fragments are compared. */
  get remembered(): number {
    return this.#whole.size
  }

  /**
   * Takes the fragment in `frame.ip`. True when it completed its datagram: then `frame.ip` (and what is decoded from it)
   * reads the whole datagram, until the next packet.
   */
  complete(frame: Frame): boolean {
    this.#expire(frame.timeUs)
    const { ip } = frame
    if (ip.isSnapped || !this.#isSound(frame)) return false // cut by the capture: the datagram can never be whole
    const key = keyOf(frame)
    const whole = this.#whole.get(key)
    const rivalry = whole === undefined ? 'none' : this.#compare(whole, frame)
    if (rivalry === 'settled') return false
    const datagram = this.#datagramOf(key, frame)
    if (rivalry === 'told' || datagram.rivalry === 'none') datagram.rivalry = rivalry
    if (!datagram.isSpoiled) this.#place(datagram, frame)
    const { covered, totalLength } = datagram
    if (
      datagram.isSpoiled ||
      datagram.headerLength === 0 ||
      covered.length !== 2 ||
      covered[0] !== 0 ||
      covered[1] !== totalLength
    ) {
      return false
    }
    this.#open.delete(key)
    this.#remember(datagram, frame.timeUs)
    return this.#deliver(datagram, frame)
  }

  /**
   * A fragment under the identification of a datagram that is whole. `settled` needs nothing more: it is a copy, or an overlap
   * that spoils what it would begin. The other answers are the rivalry of the datagram that it belongs to.
   */
  #compare(whole: Datagram, frame: Frame): 'settled' | Datagram['rivalry'] {
    const { ip } = frame
    const sinceUs = Math.abs(frame.timeUs - whole.wholeUs)
    if (sinceUs >= this.#limits.timeoutSeconds * SECOND_US) {
      this.#forget(whole)
      return 'none'
    }
    const isSoon = sinceUs <= COPY_US
    if (isPartOf(whole, frame)) return isSoon ? 'settled' : 'none'
    // Who sets no identification sends every datagram under 0 (RFC 6864 section 4): that one is the same says nothing.
    if (ip.version === 4 && ip.id === 0) return 'none'
    if (ip.version === 4 && !isSoon) return 'untold'
    const end = ip.fragmentOffset + ip.payloadEnd - ip.payloadStart
    this.#report('ip.fragment_overlap', `bytes ${ip.fragmentOffset} to ${end} differ from a datagram that is whole`)
    return ip.version === 6 ? 'settled' : 'told'
  }

  /** What is wrong with a fragment on its own. A tiny one is told and used all the same. */
  #isSound({ ip }: Frame): boolean {
    const length = ip.payloadEnd - ip.payloadStart
    const end = ip.fragmentOffset + length
    if (end > DATAGRAM_MAX) {
      this.#report('ip.fragment_oversize', `fragment ends at byte ${end}`)
      return false
    }
    if (length === 0 || (ip.moreFragments && length % 8 !== 0)) {
      this.#report(
        'ip.fragment_length',
        `${length} bytes in a fragment ${ip.moreFragments ? 'that is not the last' : 'that is the last'}`,
      )
      return false
    }
    if (ip.moreFragments && ip.fragmentOffset === 0 && length < FIRST_FRAGMENT_MIN) {
      this.#report('ip.fragment_tiny', `first fragment of ${length} bytes`)
    }
    return true
  }

  #datagramOf(key: string, frame: Frame): Datagram {
    const known = this.#open.get(key)
    if (known !== undefined) return known
    if (this.#open.size >= this.#limits.datagramsMax) {
      const oldest = this.#open.values().next().value as Datagram
      this.#report('ip.fragment_flood', `${this.#open.size} datagrams wait for fragments; the oldest was given up`)
      this.#drop(oldest)
    }
    const datagram = this.#spare.pop() ?? new Datagram()
    datagram.reset(key, frame)
    this.#open.set(key, datagram)
    return datagram
  }

  #place(datagram: Datagram, frame: Frame): void {
    const { ip } = frame
    const length = ip.payloadEnd - ip.payloadStart
    const start = ip.fragmentOffset
    const end = start + length
    datagram.ensure(end)
    if (!ip.moreFragments) {
      if (datagram.totalLength !== -1 && datagram.totalLength !== end) {
        this.#spoil(
          datagram,
          'ip.fragment_overlap',
          `two last fragments, ending at ${datagram.totalLength} and at ${end}`,
        )
        return
      }
      datagram.totalLength = end
    }
    const lastByte = Math.max(end, datagram.covered.at(-1) ?? 0)
    if (datagram.totalLength !== -1 && lastByte > datagram.totalLength) {
      this.#spoil(
        datagram,
        'ip.fragment_overlap',
        `bytes up to ${lastByte} beyond the last fragment, which ends at ${datagram.totalLength}`,
      )
      return
    }
    if (start === 0 && datagram.headerLength === 0) this.#keepHeader(datagram, frame)
    const overlap = this.#overlapOf(datagram, frame, length)
    if (overlap === 'same') return
    if (overlap === 'conflict') {
      const detail = `bytes ${start} to ${end} overlap earlier ones`
      if (ip.version === 6) {
        this.#spoil(datagram, 'ip.fragment_overlap', detail)
        return
      }
      this.#report('ip.fragment_overlap', detail)
    }
    this.#copyMissing(datagram, frame, start, end)
    if (datagram.covered.length > this.#limits.piecesMax * 2) {
      this.#spoil(datagram, 'ip.fragment_flood', `more than ${this.#limits.piecesMax} pieces of one datagram`)
    }
  }

  /** `same` is a retransmitted fragment: wholly covered, equal bytes. Anything else that touches covered bytes is a conflict. */
  #overlapOf(datagram: Datagram, frame: Frame, length: number): 'none' | 'same' | 'conflict' {
    const start = frame.ip.fragmentOffset
    const end = start + length
    const { covered, buffer } = datagram
    for (let i = 0; i < covered.length; i += 2) {
      if (end <= covered[i] || start >= covered[i + 1]) continue
      const isInside = start >= covered[i] && end <= covered[i + 1]
      return isInside && equal(buffer, HEADER_ROOM + start, frame.ip.bytes, frame.ip.payloadStart, length)
        ? 'same'
        : 'conflict'
    }
    return 'none'
  }

  /** Copies what no earlier fragment brought, and merges the covered ranges. */
  #copyMissing(datagram: Datagram, frame: Frame, start: number, end: number): void {
    const { covered, buffer } = datagram
    const { bytes, payloadStart } = frame.ip
    let at = start
    for (let i = 0; i < covered.length && at < end; i += 2) {
      if (covered[i + 1] <= at) continue
      const gapEnd = Math.min(covered[i], end)
      if (gapEnd > at)
        buffer.set(bytes.subarray(payloadStart + at - start, payloadStart + gapEnd - start), HEADER_ROOM + at)
      at = Math.max(at, covered[i + 1])
    }
    if (at < end) buffer.set(bytes.subarray(payloadStart + at - start, payloadStart + end - start), HEADER_ROOM + at)
    datagram.covered = merged(covered, start, end)
  }

  #keepHeader(datagram: Datagram, frame: Frame): void {
    const { ip } = frame
    // Of IPv6 only the fixed header is kept: extension headers of the first fragment do not matter to what is inside.
    const length = ip.version === 6 ? 40 : ip.payloadStart - ip.headerStart
    datagram.headerLength = length
    datagram.buffer.set(ip.bytes.subarray(ip.headerStart, ip.headerStart + length), HEADER_ROOM - length)
    if (ip.version === 6) datagram.buffer[HEADER_ROOM - 40 + 6] = ip.protocol
  }

  /** Patches the header into that of an unfragmented packet and points the frame's IP view at it. */
  #deliver(datagram: Datagram, frame: Frame): boolean {
    const { buffer, headerLength, totalLength } = datagram
    const start = HEADER_ROOM - headerLength
    if (frame.ip.version === 4) {
      const length = headerLength + totalLength
      buffer[start + 2] = length >> 8
      buffer[start + 3] = length & 0xff
      buffer[start + 6] = 0
      buffer[start + 7] = 0
      if (length > DATAGRAM_MAX) {
        this.#report('ip.fragment_oversize', `datagram of ${length} bytes`)
        return false
      }
    } else {
      buffer[start + 4] = totalLength >> 8
      buffer[start + 5] = totalLength & 0xff
    }
    // Looked at aside first: a finding is about the frame, whose view must go on naming the hosts.
    const flaw = this.#wholeView.decode(buffer, start, HEADER_ROOM + totalLength)
    if (flaw !== null || this.#wholeView.isFragment) {
      this.#report(flaw ?? 'ip.fragment_nested', 'in a datagram put together from fragments')
      return false
    }
    return frame.ip.decode(buffer, start, HEADER_ROOM + totalLength) === null
  }

  /** A spoiled datagram stays, so that its further fragments fall on it, until its time is over. */
  #spoil(datagram: Datagram, finding: FragmentFinding, detail: string): void {
    datagram.isSpoiled = true
    this.#report(finding, detail)
  }

  #remember(datagram: Datagram, timeUs: number): void {
    const { key } = datagram
    const earlier = this.#whole.get(key)
    if (earlier !== undefined) this.#forget(earlier)
    else if (this.#whole.size >= this.#limits.datagramsMax) this.#forget(this.#whole.values().next().value as Datagram)
    datagram.wholeUs = timeUs
    this.#whole.set(key, datagram)
  }

  #forget(datagram: Datagram): void {
    this.#whole.delete(datagram.key)
    this.#spare.push(datagram)
  }

  #expire(nowUs: number): void {
    const limitUs = nowUs - this.#limits.timeoutSeconds * SECOND_US
    for (const datagram of this.#open.values()) {
      if (datagram.firstUs > limitUs) break
      if (!datagram.isSpoiled && datagram.rivalry !== 'told') this.#reportUnfinished(datagram)
      this.#drop(datagram)
    }
    for (const datagram of this.#whole.values()) {
      if (datagram.wholeUs > limitUs) break
      this.#forget(datagram)
    }
  }

  #reportUnfinished(datagram: Datagram): void {
    const { rivalry } = datagram
    const hosts = hostsOf(datagram)
    const { source, destination } = hosts
    const { timeoutSeconds } = this.#limits
    if (rivalry === 'none') {
      const detail = `${source} to ${destination}: fragments missing after ${timeoutSeconds} s`
      this.#report('ip.fragment_incomplete', detail, hosts)
      return
    }
    const detail = `${source} to ${destination}: parts of another datagram than the whole one before, and no more for ${timeoutSeconds} s`
    this.#report('ip.fragment_overlap', detail, hosts)
  }

  #drop(datagram: Datagram): void {
    this.#open.delete(datagram.key)
    this.#spare.push(datagram)
  }
}

/** IPv6 knows a datagram by addresses and identification, whatever protocol a later fragment names (RFC 8200 section 4.5). */
function keyOf({ ip, link }: Frame): string {
  const addresses = hex(ip.bytes, ip.sourceAt, ip.sourceAt + ip.addressLength * 2)
  return `${addresses}/${ip.version === 4 ? ip.protocol : 'v6'}/${ip.id}/${link.vlanId}`
}

function hostsOf({ addresses, addressLength }: Datagram): FragmentHosts {
  return {
    source: addressText(addresses, 0, addressLength),
    destination: addressText(addresses, addressLength, addressLength),
    version: addressLength === 4 ? 4 : 6,
  }
}

/** Whether a fragment says of its place in a whole datagram what is there: the same bytes, and the same end. */
function isPartOf({ buffer, totalLength }: Datagram, { ip }: Frame): boolean {
  const length = ip.payloadEnd - ip.payloadStart
  const start = ip.fragmentOffset
  const end = start + length
  const fits = ip.moreFragments ? end < totalLength : end === totalLength
  return fits && equal(buffer, HEADER_ROOM + start, ip.bytes, ip.payloadStart, length)
}

/** Sorted disjoint ranges with one more in it. */
function merged(covered: readonly number[], start: number, end: number): number[] {
  const ranges: number[] = []
  let from = start
  let to = end
  let i = 0
  for (; i < covered.length && covered[i + 1] < from; i += 2) ranges.push(covered[i], covered[i + 1])
  for (; i < covered.length && covered[i] <= to; i += 2) {
    from = Math.min(from, covered[i])
    to = Math.max(to, covered[i + 1])
  }
  ranges.push(from, to)
  for (; i < covered.length; i += 2) ranges.push(covered[i], covered[i + 1])
  return ranges
}
