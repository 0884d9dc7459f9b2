/**
 * What kind of use a window of encrypted traffic looks like, by rules that can be read, with the numbers that decided.
 *
 * Only lengths, times and directions are known, so a class is an inference: a game looks like a call, a large page like a download.
 * Keepalives are taken away first: packets too short for what a user sends, or short ones that come at a steady pace.
 */
import { type Cadence, type DirectionShape, SLOTS, type TrafficWindow } from './traffic-shape.ts'

/**
 * `idle`: nothing but keepalives. `signalling`: a tunnel is set up, a user logs in, or both end. `periodic`: packets at a steady
 * slow pace that are no keepalives. `interactive`: someone types and reads. `unclear`: no rule fits.
 */
export const TRAFFIC_CLASSES = [
  'idle',
  'signalling',
  'periodic',
  'interactive',
  'voice',
  'web',
  'bulk_up',
  'bulk_down',
  'unclear',
] as const
export type TrafficClass = (typeof TRAFFIC_CLASSES)[number]

/** What is known of the pair beside the window. */
export interface TrafficContext {
  /** A packet of up to so many octets of ESP that comes at a steady pace is a keepalive. */
  readonly keepaliveLength: number
  /** Packets of the window that set up, logged in or tore down. */
  readonly signallingPackets: number
  /** Whether something that is no keepalive comes at a steady pace, and is still due. */
  readonly isAwaiting: boolean
  /** The class of the window before. */
  readonly before?: TrafficClass | undefined
}

/** The numbers that rules look at, keepalives and signalling taken away. Rates are a second. */
export interface TrafficEvidence {
  readonly packets: number
  readonly bytes: number
  readonly packetRate: number
  /** Packets a second while there was traffic. */
  readonly activeRate: number
  readonly byteRate: number
  readonly upBytes: number
  readonly downBytes: number
  /** Packets a second in the slower direction. */
  readonly packetRateMin: number
  /** Octets of the heavier direction for each of the lighter one. */
  readonly dominance: number
  /** Mean length, in the direction where it is longer. */
  readonly lengthMean: number
  /** Deviation of the length over its mean, in the direction where it is larger. */
  readonly lengthVariation: number
  /** Packets longer than 304 octets in the lighter direction: what asks, not what acknowledges. */
  readonly requests: number
  /** Share of packets longer than 1,024 octets, in the heavier direction. */
  readonly largeShare: number
  /** Share of gaps of 8 to 65 ms, in the direction where it is smaller. */
  readonly steadyShare: number
  /** Share of the window in which there was traffic, in the direction where it is larger. */
  readonly activeShare: number
  /** Changes of direction for each packet. */
  readonly turnShare: number
  /** Share of packets that came at a steady slow pace; 1 for none while they are still due. */
  readonly cadenceShare: number
  /** The period at which bursts come, or 0. */
  readonly beatSeconds: number
  readonly signallingShare: number
  /** 1 if the window before was bulk in the direction that is heavier in this one. */
  readonly continuation: number
  readonly bursts: number
  readonly keepalives: number
}

export interface TrafficVerdict {
  readonly class: TrafficClass
  /** 0 to 1: how far the numbers are from the thresholds that decided. */
  readonly margin: number
  /** 0 to 1: how often the class was right where the keys were known, and less where the margin is small. */
  readonly confidence: number
  readonly evidence: TrafficEvidence
  /** What decided, in words: `packet_rate_min 50.1 is at least 1`. */
  readonly because: readonly string[]
}

interface Condition {
  readonly of: keyof TrafficEvidence
  readonly atLeast?: number
  readonly atMost?: number
}

interface Rule {
  readonly class: TrafficClass
  /** The reason of the thresholds. */
  readonly why: string
  readonly when: readonly Condition[]
}

/** The first that holds decides. Bulk is named by the heavier direction afterwards. */
const RULES: readonly Rule[] = [
  {
    class: 'signalling',
    why: 'about half of the packets, or more, belong to a set-up, a login or a tear-down that was recognised as such',
    when: [{ of: 'signallingShare', atLeast: 0.45 }],
  },
  {
    class: 'idle',
    why: 'hosts are never quite silent: neighbour discovery and the like are a packet every few seconds',
    when: [
      { of: 'packetRate', atMost: 0.5 },
      { of: 'byteRate', atMost: 100 },
      { of: 'cadenceShare', atMost: 0.49 },
    ],
  },
  {
    class: 'periodic',
    why: 'timers keep their period, people do not',
    when: [{ of: 'cadenceShare', atLeast: 0.5 }],
  },
  {
    class: 'voice',
    why: 'a codec sends a short frame of much the same length every 10 to 60 ms, both ways; one side may be silent for a while',
    when: [
      { of: 'packets', atLeast: 60 },
      { of: 'activeRate', atLeast: 20 },
      { of: 'activeRate', atMost: 260 },
      { of: 'packetRateMin', atLeast: 1 },
      { of: 'lengthMean', atMost: 420 },
      { of: 'lengthVariation', atMost: 0.5 },
      { of: 'steadyShare', atLeast: 0.55 },
    ],
  },
  {
    class: 'periodic',
    why: 'a program that reports now and then sends a few packets each time, always after the same pause',
    when: [
      { of: 'beatSeconds', atLeast: 1.5 },
      { of: 'byteRate', atMost: 5_000 },
    ],
  },
  {
    class: 'bulk_down',
    why: 'full packets one way and acknowledgements the other, for a good part of the window',
    when: [
      { of: 'byteRate', atLeast: 10_000 },
      { of: 'dominance', atLeast: 6 },
      { of: 'largeShare', atLeast: 0.6 },
      { of: 'activeShare', atLeast: 0.55 },
    ],
  },
  {
    class: 'bulk_down',
    why: 'much at once, and hardly anything that asks for it: a file, not a page',
    when: [
      { of: 'bytes', atLeast: 400_000 },
      { of: 'dominance', atLeast: 6 },
      { of: 'largeShare', atLeast: 0.6 },
      { of: 'requests', atMost: 2 },
    ],
  },
  {
    class: 'bulk_down',
    why: 'the rest of a file whose transfer began before',
    when: [
      { of: 'continuation', atLeast: 1 },
      { of: 'dominance', atLeast: 6 },
      { of: 'largeShare', atLeast: 0.6 },
      { of: 'requests', atMost: 2 },
    ],
  },
  {
    class: 'interactive',
    why: 'short packets that answer each other, at the pace of hands and eyes',
    when: [
      { of: 'packets', atLeast: 4 },
      { of: 'packetRate', atMost: 40 },
      { of: 'byteRate', atMost: 6_000 },
      { of: 'lengthMean', atMost: 320 },
      { of: 'turnShare', atLeast: 0.2 },
      { of: 'dominance', atMost: 6 },
    ],
  },
  {
    class: 'web',
    why: 'requests, and answers of several full packets, in bursts with pauses to read',
    when: [
      { of: 'bytes', atLeast: 3_000 },
      { of: 'dominance', atLeast: 1.5 },
      { of: 'largeShare', atLeast: 0.15 },
      { of: 'turnShare', atLeast: 0.02 },
      { of: 'activeShare', atMost: 0.8 },
    ],
  },
]

/** Of the windows that were said to be of a class, the share that was, where the keys were known (docs/decisions/0007). */
const PRECISION: Readonly<Record<TrafficClass, number>> = {
  idle: 0.7,
  signalling: 0.95,
  periodic: 0.97,
  interactive: 0.8,
  voice: 0.97,
  web: 0.94,
  bulk_up: 0.94,
  bulk_down: 0.94,
  unclear: 0,
}
/** What is taken off at a threshold; from this margin on nothing is. */
const DOUBT = 0.35
const MARGIN_ENOUGH = 0.5

const LARGE_FROM = 7
const REQUEST_FROM = 4
const STEADY_GAPS = [4, 5, 6] as const
/** The last window of a pair may be cut short: then rates are those of at least so long. */
const SECONDS_MIN = 5
/** Fewer gaps have no rhythm. */
const RHYTHM_MIN = 20

export function classify(window: TrafficWindow, context: TrafficContext): TrafficVerdict {
  const evidence = gather(window, context)
  for (const rule of RULES) {
    if (!rule.when.every((condition) => holds(condition, evidence))) continue
    const found = named(rule.class, evidence)
    const margin = Math.min(...rule.when.map((condition) => marginOf(condition, evidence)))
    return {
      class: found,
      margin,
      confidence: PRECISION[found] * (1 - DOUBT * (1 - Math.min(1, margin / MARGIN_ENOUGH))),
      evidence,
      because: rule.when.map((condition) => inWords(condition, evidence)),
    }
  }
  return { class: 'unclear', margin: 0, confidence: PRECISION.unclear, evidence, because: [] }
}

function named(found: TrafficClass, { upBytes, downBytes }: TrafficEvidence): TrafficClass {
  return found === 'bulk_down' ? bulkOf(upBytes, downBytes) : found
}

function bulkOf(upBytes: number, downBytes: number): TrafficClass {
  return upBytes > downBytes ? 'bulk_up' : 'bulk_down'
}

function gather(window: TrafficWindow, context: TrafficContext): TrafficEvidence {
  const { keepaliveLength, signallingPackets } = context
  const [up, down] = window.directions
  const seconds = Math.max(SECONDS_MIN, window.durationUs / 1e6)
  const keepalives = window.cadences.filter(({ length }) => length <= keepaliveLength && length > window.floor)
  const cadences = window.cadences.filter(({ length }) => length > keepaliveLength)
  const seen = up.packets + down.packets
  const packets = Math.max(0, seen - packetsOf(keepalives) - signallingPackets)
  const upBytes = Math.max(0, up.bytes - bytesOf(keepalives, 0))
  const downBytes = Math.max(0, down.bytes - bytesOf(keepalives, 1))
  const heavier = upBytes > downBytes ? up : down
  const activeShare = Math.max(up.activeSlots, down.activeSlots) / SLOTS
  const spoken = [up, down].filter((direction) => direction.packets > 0)
  const rhythms = [up, down].filter((direction) => total(direction.gaps) >= RHYTHM_MIN)
  return {
    packets,
    bytes: upBytes + downBytes,
    packetRate: packets / seconds,
    activeRate: packets / (seconds * Math.max(1 / SLOTS, activeShare)),
    byteRate: packets === 0 ? 0 : (upBytes + downBytes) / seconds,
    upBytes,
    downBytes,
    packetRateMin: Math.min(up.packets, down.packets) / seconds,
    dominance: Math.max(upBytes, downBytes) / Math.max(1, Math.min(upBytes, downBytes)),
    lengthMean: Math.max(up.lengthMean, down.lengthMean),
    lengthVariation: Math.max(0, ...spoken.map(({ lengthDeviation, lengthMean }) => lengthDeviation / lengthMean)),
    requests: (heavier === up ? down : up).lengths.slice(REQUEST_FROM).reduce(sum, 0),
    largeShare: heavier.lengths.slice(LARGE_FROM).reduce(sum, 0) / Math.max(1, heavier.packets),
    steadyShare: rhythms.length === 0 ? 0 : Math.min(...rhythms.map(steadyShareOf)),
    activeShare,
    turnShare: window.turns / Math.max(1, seen),
    cadenceShare: packets === 0 ? Number(context.isAwaiting) : packetsOf(cadences) / packets,
    beatSeconds: window.beatUs / 1e6,
    signallingShare: Math.min(1, signallingPackets / Math.max(1, seen + up.smallPackets + down.smallPackets)),
    continuation: Number(context.before === bulkOf(upBytes, downBytes)),
    bursts: window.bursts,
    keepalives: packetsOf(keepalives) + up.smallPackets + down.smallPackets,
  }
}

function packetsOf(cadences: readonly Cadence[]): number {
  return cadences.reduce((all, { packets }) => all + packets, 0)
}

function bytesOf(cadences: readonly Cadence[], of: number): number {
  return cadences.reduce((all, { direction, packets, length }) => all + (direction === of ? packets * length : 0), 0)
}

function steadyShareOf({ gaps }: DirectionShape): number {
  return STEADY_GAPS.reduce((all, at) => all + gaps[at], 0) / total(gaps)
}

function total(counts: readonly number[]): number {
  return counts.reduce(sum, 0)
}

function sum(a: number, b: number): number {
  return a + b
}

function holds({ of, atLeast, atMost }: Condition, evidence: TrafficEvidence): boolean {
  const value = evidence[of]
  return (atLeast === undefined || value >= atLeast) && (atMost === undefined || value <= atMost)
}

/** 0 at the threshold, 1 at twice, or half, of it. */
function marginOf({ of, atLeast, atMost }: Condition, evidence: TrafficEvidence): number {
  const value = evidence[of]
  const factor = atLeast !== undefined ? value / atLeast : (atMost ?? value) / Math.max(value, Number.MIN_VALUE)
  return Math.min(1, Math.max(0, Math.log2(factor)))
}

/** With the names that the numbers have in events. */
function inWords({ of, atLeast, atMost }: Condition, evidence: TrafficEvidence): string {
  const name = of.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
  const value = Number(evidence[of].toPrecision(3))
  return atLeast !== undefined ? `${name} ${value} is at least ${atLeast}` : `${name} ${value} is at most ${atMost}`
}
