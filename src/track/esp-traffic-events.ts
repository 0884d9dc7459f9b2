/** What is told of the use of encrypted pairs: the events, field by field. */
import { isoMicroseconds, SECOND_US } from '../base/time.ts'
import type { Emit } from '../events/catalogue.ts'
import type { Allowances } from './allowances.ts'
import type { EspTunnel } from './esp-association.ts'
import type { EspEvents } from './esp-events.ts'
import { alignmentDoubt, type EspLengths, innerBounds, possibleShapes } from './esp-overhead.ts'
import type { Stretch, TrafficTold } from './esp-traffic.ts'
import { L2TP_CONFIDENCE, type L2tpEvidence, type L2tpFinding } from './l2tp-in-esp.ts'
import { SlidingSums } from './sliding-sums.ts'
import type { TrafficClass } from './traffic-class.ts'
import { LENGTH_EDGES, type TrafficWindow } from './traffic-shape.ts'

const USES: Readonly<Record<TrafficClass, string>> = {
  idle: 'nothing but keepalives',
  signalling: 'setting up, logging in or tearing down',
  periodic: 'something that comes at a steady pace',
  interactive: 'short questions and answers',
  voice: 'a call',
  web: 'browsing',
  bulk_up: 'sending much',
  bulk_down: 'fetching much',
  unclear: 'something that no rule describes',
}
const FINDINGS: Readonly<Record<L2tpFinding, string>> = {
  set_up: 'set up an L2TP tunnel and a session',
  logged_in: 'logged in over L2TP',
  not_logged_in: 'did not get in over L2TP: the session ended before it carried anything',
  torn_down: 'closed the L2TP tunnel',
}
const SET_UP = ['SCCRQ', 'SCCRP', 'SCCCN', 'ICRQ', 'ICRP', 'ICCN'] as const
/** Of a pair of which only one direction was seen, fewer packets are no use of anything. */
const ONE_WAY_PACKETS = 10
/** Suites are named while they are few: all of them say nothing. */
const SHAPES_TOLD = 8
const DOUBT_MAX = 0.01
/** How long stretches of bulk are added up, and of how many pairs. */
const BULK_WINDOW_US = 4 * 3600 * SECOND_US
const BULK_PAIRS_MAX = 16_384

export class EspTrafficEvents implements TrafficTold {
  readonly #events: EspEvents
  readonly #emit: Emit
  readonly #allowances: Allowances
  readonly #tunnelAt: (index: number) => EspTunnel
  readonly #bulk = new SlidingSums(BULK_WINDOW_US, BULK_PAIRS_MAX)

  constructor(events: EspEvents, emit: Emit, allowances: Allowances, tunnelAt: (index: number) => EspTunnel) {
    this.#events = events
    this.#emit = emit
    this.#allowances = allowances
    this.#tunnelAt = tunnelAt
  }

  classified(index: number, stretch: Stretch): void {
    const tunnel = this.#tunnelAt(index)
    const packets = stretch.packets[0] + stretch.packets[1]
    if (!tunnel.isOpen && packets < ONE_WAY_PACKETS) return
    const bulkBytes = this.#bulkBytes(tunnel, stretch)
    const suppressed = this.#allowances.take(`${tunnel.uid} traffic`, stretch.endUs, stretch.verdict.class)
    if (suppressed !== -1) this.#classified(tunnel, stretch, bulkBytes, suppressed)
  }

  inferred(index: number, finding: L2tpFinding, evidence: L2tpEvidence): void {
    const tunnel = this.#tunnelAt(index)
    // What can be read need not be inferred.
    if (tunnel.isRead) return
    const suppressed = this.#allowances.take(`${tunnel.uid} ${finding}`, evidence.setUpUs, '')
    if (suppressed !== -1) this.#inferred(tunnel, finding, evidence, suppressed)
  }

  #bulkBytes({ uid }: EspTunnel, { verdict, bytes, endUs }: Stretch): number | undefined {
    if (verdict.class === 'bulk_up') return this.#bulk.add(`${uid} up`, bytes[0], endUs)
    if (verdict.class === 'bulk_down') return this.#bulk.add(`${uid} down`, bytes[1], endUs)
    return undefined
  }

  #classified(tunnel: EspTunnel, stretch: Stretch, bulkBytes: number | undefined, suppressed: number): void {
    const { verdict, window, lengths, packets, bytes, startUs, endUs } = stretch
    const { evidence } = verdict
    const seconds = Math.max(1, Math.round((endUs - startUs) / 1e6))
    this.#emit({
      name: 'esp.traffic.classified',
      timeUs: endUs,
      message: `${this.#events.namesOf(tunnel)}: ${USES[verdict.class]} for ${seconds} s, as it looks${sureness(verdict.confidence)}`,
      fields: {
        ...this.#events.describeTunnel(tunnel),
        'event.start': isoMicroseconds(startUs),
        'event.end': isoMicroseconds(endUs),
        'event.duration': Math.round((endUs - startUs) * 1000),
        'source.bytes': bytes[0],
        'source.packets': packets[0],
        'destination.bytes': bytes[1],
        'destination.packets': packets[1],
        'network.bytes': bytes[0] + bytes[1],
        'network.packets': packets[0] + packets[1],
        'esp.traffic.class': verdict.class,
        'esp.traffic.confidence': round(verdict.confidence),
        'esp.traffic.because': [...verdict.because],
        'esp.traffic.windows': stretch.windows,
        'esp.traffic.packets': evidence.packets,
        'esp.traffic.bytes': evidence.bytes,
        'esp.traffic.bulk_bytes': bulkBytes,
        'esp.traffic.packet_rate': round(evidence.packetRate),
        'esp.traffic.packet_rate_min': round(evidence.packetRateMin),
        'esp.traffic.active_rate': round(evidence.activeRate),
        'esp.traffic.byte_rate': round(evidence.byteRate),
        'esp.traffic.dominance': round(evidence.dominance),
        'esp.traffic.length_mean': round(evidence.lengthMean),
        'esp.traffic.length_variation': round(evidence.lengthVariation),
        'esp.traffic.lengths': lengthsInWords(window),
        'esp.traffic.gaps': gapsInWords(window),
        'esp.traffic.large_share': round(evidence.largeShare),
        'esp.traffic.requests': evidence.requests,
        'esp.traffic.steady_share': round(evidence.steadyShare),
        'esp.traffic.active_share': round(evidence.activeShare),
        'esp.traffic.turn_share': round(evidence.turnShare),
        'esp.traffic.cadence_share': round(evidence.cadenceShare),
        'esp.traffic.signalling_share': round(evidence.signallingShare),
        'esp.traffic.continuation': evidence.continuation,
        'esp.traffic.bursts': evidence.bursts,
        'esp.traffic.burst_bytes_max': window.burstBytesMax,
        'esp.traffic.keepalives': evidence.keepalives,
        'esp.traffic.beat_seconds': evidence.beatSeconds === 0 ? undefined : round(evidence.beatSeconds),
        'esp.traffic.keepalive_seconds': keepaliveSeconds(stretch),
        ...suiteFields(lengths),
        ...innerFields(window, lengths),
        'borescope.suppressed': suppressed === 0 ? undefined : suppressed,
      },
    })
  }

  #inferred(tunnel: EspTunnel, finding: L2tpFinding, evidence: L2tpEvidence, suppressed: number): void {
    const { initiator, carriages, lengths, closedBy, closedUs } = evidence
    const confidence = L2TP_CONFIDENCE[finding]
    const isLogin = finding === 'logged_in' || finding === 'not_logged_in'
    const endUs = finding === 'set_up' ? evidence.setUpUs : finding === 'torn_down' ? closedUs : evidence.lastUs
    this.#emit({
      name: 'esp.content.inferred',
      timeUs: endUs,
      message: `${this.#events.namesOf(tunnel, initiator)}: the first ${FINDINGS[finding]}, as it looks${sureness(confidence)}`,
      fields: {
        ...this.#events.describeTunnel(tunnel, initiator),
        'event.start': isoMicroseconds(evidence.askedUs),
        'event.end': isoMicroseconds(endUs),
        'event.outcome': isLogin ? (finding === 'logged_in' ? 'success' : 'failure') : undefined,
        'esp.suites': carriages.flatMap(({ shape }) => shape.suites).filter(isFirst),
        'esp.l2tp.finding': finding,
        'esp.l2tp.confidence': confidence,
        'esp.l2tp.modes': carriages.map(({ mode }) => mode).filter(isFirst),
        'esp.l2tp.lengths': SET_UP.map((message, at) => `${message} ${lengths[at]}`),
        'esp.l2tp.set_up_packets': evidence.setUpPackets,
        'esp.l2tp.packets': evidence.packets,
        'esp.l2tp.user_packets': evidence.userPackets,
        'esp.l2tp.method': isLogin && evidence.isMsChap ? 'MS-CHAP' : undefined,
        'esp.l2tp.closed_by':
          finding === 'torn_down' && closedBy !== null
            ? closedBy === initiator
              ? 'initiator'
              : 'responder'
            : undefined,
        'borescope.suppressed': suppressed === 0 ? undefined : suppressed,
      },
    })
  }
}

/** Suites with a finer alignment than it looks are left out once chance can hardly have shown only those lengths. */
function suiteFields(lengths: EspLengths) {
  const shapes = possibleShapes(lengths)
  const alignment = Math.max(0, ...shapes.map((shape) => shape.alignment))
  if (alignment === 0) return {}
  const doubt = alignmentDoubt(lengths)
  const likely = doubt <= DOUBT_MAX ? shapes.filter((shape) => shape.alignment === alignment) : shapes
  return {
    'esp.suites': likely.length > SHAPES_TOLD ? undefined : likely.flatMap(({ suites }) => suites),
    'esp.alignment': alignment,
    'esp.alignment_doubt': round(doubt),
  }
}

function innerFields({ directions }: TrafficWindow, lengths: EspLengths) {
  const longest = Math.max(...directions.map(({ lengthMax }) => lengthMax))
  const bounds = longest === 0 ? null : innerBounds(possibleShapes(lengths), longest)
  return bounds === null ? {} : { 'esp.inner.longest_min': bounds.min, 'esp.inner.longest_max': bounds.max }
}

function lengthsInWords({ directions }: TrafficWindow): string[] {
  return sums(directions.map(({ lengths }) => lengths)).flatMap((count, at) => {
    const from = at === 0 ? 0 : LENGTH_EDGES[at - 1] + 1
    return count === 0 ? [] : [`${from}-${LENGTH_EDGES[at] ?? ''}: ${count}`]
  })
}

function gapsInWords({ directions }: TrafficWindow): string[] {
  const all = sums(directions.map(({ gaps }) => gaps))
  return all.flatMap((count, at) => {
    const from = at === 0 ? 0 : 2 ** (at - 1)
    return count === 0 ? [] : [`${from}-${at === all.length - 1 ? '' : 2 ** at}: ${count}`]
  })
}

function sums(lists: readonly (readonly number[])[]): number[] {
  return lists[0].map((_, at) => lists.reduce((sum, list) => sum + list[at], 0))
}

function keepaliveSeconds({ window, keepaliveLength }: Stretch): number | undefined {
  const periods = window.cadences.filter(({ length }) => length <= keepaliveLength).map(({ periodUs }) => periodUs)
  return periods.length === 0 ? undefined : round(Math.min(...periods) / 1e6)
}

function sureness(confidence: number): string {
  return confidence === 0 ? '' : ` (${Math.round(confidence * 100)} %)`
}

function isFirst(each: string, at: number, all: readonly string[]): boolean {
  return all.indexOf(each) === at
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000
}
