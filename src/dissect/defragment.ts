/**
 * IPv4 (RFC 791, 815) and IPv6 (RFC 8200 section 4.5, RFC 5722) reassembly, bounded in datagrams and in bytes.
 *
 * What fragments do is evidence: overlaps, tiny first fragments, sizes beyond 65,535 and floods are findings. Among IPv4
 * fragments that overlap the first byte to arrive counts (as BSD and Windows do; Linux drops the datagram); an IPv6 datagram
 * with an overlap is dropped, as RFC 5722 demands of every receiver.
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
 * Told of a finding about the current frame, whose IP view names the hosts. `ip.fragment_incomplete` is about a datagram
 * that began long ago: its detail names the hosts.
 */
export type ReportFragment = (finding: FragmentFinding | IpFlaw, detail: string) => void

/** A first fragment must hold the transport header and some; 8 bytes of UDP and a whole L2TP header are 20 or so. */
const FIRST_FRAGMENT_MIN = 28
const DATAGRAM_MAX = 65_535
const HEADER_ROOM = 256
/** A fragment of a datagram that was completed this short a time ago is a copy, made by the SPAN port. */
const COPY_US = 10_000

class Datagram {
  key = ''
  /** Source and destination, for people. */
  hosts = ''
  firstUs = 0
  /** IP header(s), then the payload at HEADER_ROOM. */
  buffer = new Uint8Array(HEADER_ROOM + 4096)
  headerLength = 0
  /** Of the payload; -1 until the last fragment came. */
  totalLength = -1
  /** Sorted, disjoint [start, end) pairs of what has arrived. */
  covered: number[] = []
  isSpoiled = false

  reset(key: string, hosts: string, firstUs: number): void {
    this.key = key
    this.hosts = hosts
    this.firstUs = firstUs
    this.headerLength = 0
    this.totalLength = -1
    this.covered.length = 0
    this.isSpoiled = false
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
  /** Datagrams under reassembly at one time. */
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
  /** When datagrams were completed, the oldest first. */
  readonly #completed = new Map<string, number>()
  readonly #whole = new IpView()
  /** The datagram that the frame points into, given back at the next call. */
  #delivered: Datagram | null = null

  constructor(limits: DefragmentLimits, report: ReportFragment) {
    this.#limits = limits
    this.#report = report
  }

  /** Datagrams waiting for fragments. */
  get size(): number {
    return this.#open.size
  }

  /**
   * Takes the fragment in `frame.ip`. True when it completed its datagram: then `frame.ip` (and what is decoded from it)
   * reads the whole datagram, until the next packet.
   */
  complete(frame: Frame): boolean {
    this.#recycle()
    this.#expire(frame.timeUs)
    const { ip } = frame
    if (ip.isSnapped || !this.#isSound(frame)) return false // cut by the capture: the datagram can never be whole
    const key = keyOf(frame)
    const completedUs = this.#completed.get(key)
    if (completedUs !== undefined && Math.abs(frame.timeUs - completedUs) <= COPY_US) return false
    const datagram = this.#datagramOf(key, frame)
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
    this.#remember(key, frame.timeUs)
    this.#delivered = datagram
    return this.#deliver(datagram, frame)
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
    datagram.reset(key, hostsOf(frame), frame.timeUs)
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
    const flaw = this.#whole.decode(buffer, start, HEADER_ROOM + totalLength)
    if (flaw !== null || this.#whole.isFragment) {
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

  #remember(key: string, timeUs: number): void {
    this.#completed.delete(key)
    this.#completed.set(key, timeUs)
    if (this.#completed.size > this.#limits.datagramsMax)
      this.#completed.delete(this.#completed.keys().next().value as string)
  }

  #expire(nowUs: number): void {
    const limitUs = nowUs - this.#limits.timeoutSeconds * SECOND_US
    for (const datagram of this.#open.values()) {
      if (datagram.firstUs > limitUs) return
      if (!datagram.isSpoiled)
        this.#report(
          'ip.fragment_incomplete',
          `${datagram.hosts}: fragments missing after ${this.#limits.timeoutSeconds} s`,
        )
      this.#drop(datagram)
    }
  }

  #drop(datagram: Datagram): void {
    this.#open.delete(datagram.key)
    this.#spare.push(datagram)
  }

  #recycle(): void {
    if (this.#delivered !== null) this.#spare.push(this.#delivered)
    this.#delivered = null
  }
}

/** IPv6 knows a datagram by addresses and identification, whatever protocol a later fragment names (RFC 8200 section 4.5). */
function keyOf({ ip, link }: Frame): string {
  const addresses = hex(ip.bytes, ip.sourceAt, ip.sourceAt + ip.addressLength * 2)
  return `${addresses}/${ip.version === 4 ? ip.protocol : 'v6'}/${ip.id}/${link.vlanId}`
}

function hostsOf({ ip }: Frame): string {
  const { bytes, addressLength } = ip
  return `${addressText(bytes, ip.sourceAt, addressLength)} to ${addressText(bytes, ip.destinationAt, addressLength)}`
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
