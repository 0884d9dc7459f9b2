/** What is told of tunnels from their shape, beside what really ran through them. */
import { type EspShape, espLengthOf } from '../../src/track/esp-overhead.ts'
import { EspTraffic, type Stretch } from '../../src/track/esp-traffic.ts'
import type { L2tpEvidence, L2tpFinding } from '../../src/track/l2tp-in-esp.ts'
import type { TrafficClass } from '../../src/track/traffic-class.ts'
import type { Purpose, TruthPacket } from './tunnel-truth.ts'

/** `mixed`: no one use has seven tenths of the packets. `other`: a use that no class is made for, or an unknown one. */
export type Use = Exclude<TrafficClass, 'unclear'> | 'mixed' | 'other'

const SIGNALLING: ReadonlySet<Purpose> = new Set([
  'SCCRQ',
  'SCCRP',
  'SCCCN',
  'StopCCN',
  'ICRQ',
  'ICRP',
  'ICCN',
  'CDN',
  'control',
  'lcp',
  'authentication',
  'authenticated',
  'refused',
  'ncp',
])
/** What a tunnel carries while nobody uses it. */
const QUIET: ReadonlySet<Purpose> = new Set(['ZLB', 'HELLO', 'echo', 'background'])
const USES: Partial<Record<Purpose, Use | 'bulk'>> = {
  ping: 'periodic',
  beacon: 'periodic',
  voice: 'voice',
  typing: 'interactive',
  web: 'web',
  bulk: 'bulk',
}
/** Fewer packets of a user in a window are idle still, unless they come again and again. */
const USED_PACKETS_MIN = 4
const MAJORITY = 0.7

/** What a window was really used for. */
export function useOf(packets: readonly TruthPacket[], initiator: string): Use {
  const counts = new Map<Use | 'bulk', number>()
  let signalling = 0
  const bulk = { up: 0, down: 0 }
  for (const { purpose, from, innerLength } of packets) {
    if (SIGNALLING.has(purpose)) signalling++
    if (SIGNALLING.has(purpose) || QUIET.has(purpose)) continue
    const use = USES[purpose] ?? 'other'
    counts.set(use, (counts.get(use) ?? 0) + 1)
    if (use === 'bulk') bulk[from === initiator ? 'up' : 'down'] += innerLength
  }
  const [[use, most] = ['idle', 0] as const] = [...counts].sort((a, b) => b[1] - a[1])
  const used = [...counts.values()].reduce((a, b) => a + b, 0)
  if (used === 0 || (used < USED_PACKETS_MIN && use !== 'periodic')) return signalling > 0 ? 'signalling' : 'idle'
  if (signalling >= MAJORITY * (used + signalling)) return 'signalling'
  if (most < MAJORITY * (used + signalling)) return 'mixed'
  if (use === 'bulk') return bulk.up > bulk.down ? 'bulk_up' : 'bulk_down'
  return use
}

/** The packets of each pair of associations; in clear, of each pair of hosts. */
export function pairsOf(packets: readonly TruthPacket[]): TruthPacket[][] {
  const partners = partnersOf(packets)
  const pairs = new Map<string, TruthPacket[]>()
  for (const packet of packets) {
    const key = [packet.from, packet.to].sort().join(' ') + (partners.get(packet.spi) ?? packet.spi)
    const pair = pairs.get(key)
    if (pair === undefined) pairs.set(key, [packet])
    else pair.push(packet)
  }
  return [...pairs.values()]
}

/** For each SPI the name of its pair: with the SPI of the other direction that was in use at the same time for longest. */
function partnersOf(packets: readonly TruthPacket[]): Map<string, string> {
  const lives = new Map<string, { from: string; to: string; firstUs: number; lastUs: number }>()
  for (const { spi, from, to, timeUs } of packets) {
    const life = lives.get(spi)
    if (life === undefined) lives.set(spi, { from, to, firstUs: timeUs, lastUs: timeUs })
    else life.lastUs = timeUs
  }
  const names = new Map<string, string>()
  for (const [spi, life] of lives) {
    if (names.has(spi)) continue
    let longest = 0
    let partner = ''
    for (const [other, { from, to, firstUs, lastUs }] of lives) {
      const overlap = Math.min(lastUs, life.lastUs) - Math.max(firstUs, life.firstUs)
      if (names.has(other) || from !== life.to || to !== life.from || overlap <= longest) continue
      longest = overlap
      partner = other
    }
    names.set(spi, spi)
    if (partner !== '') names.set(partner, spi)
  }
  return names
}

export interface Found {
  readonly finding: L2tpFinding
  readonly evidence: L2tpEvidence
}

export interface Observed {
  readonly stretches: readonly Stretch[]
  readonly found: readonly Found[]
}

/** What is told of one pair. Packets in clear are put into ESP of that shape. */
export function observe(pair: readonly TruthPacket[], windowUs: number, shape: EspShape | null): Observed {
  const stretches: Stretch[] = []
  const found: Found[] = []
  const traffic = new EspTraffic(
    {
      classified: (_, stretch) => stretches.push(stretch),
      inferred: (_, finding, evidence) => found.push({ finding, evidence }),
    },
    windowUs,
  )
  traffic.open(0, true, pair[0])
  for (const packet of pair) {
    const length = shape === null ? packet.espLength : espLengthOf(shape, packet.innerLength)
    traffic.count(0, packet.from === pair[0].from ? 0 : 1, length, packet)
  }
  traffic.close(0, pair[pair.length - 1].timeUs)
  return { stretches, found }
}

/** Windows by what they were used for and what was said of them. */
export class Confusion {
  readonly #counts = new Map<string, number>()

  add(truth: Use, said: TrafficClass): void {
    const key = `${truth} ${said}`
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
  }

  /** The windows of one pair. */
  addPair(pair: readonly TruthPacket[], stretches: readonly Stretch[], windowUs: number): void {
    let at = 0
    for (const stretch of stretches)
      for (let window = 1; window <= stretch.windows; window++) {
        const endUs = stretch.startUs + window * windowUs
        const from = at
        while (at < pair.length && pair[at].timeUs < endUs) at++
        this.add(useOf(pair.slice(from, at), pair[0].from), stretch.class)
      }
  }

  count(truth: Use, said: TrafficClass): number {
    return this.#counts.get(`${truth} ${said}`) ?? 0
  }

  /** Windows of a use that is a class. */
  get total(): number {
    return this.#sum(() => true)
  }

  get right(): number {
    return this.#sum((truth, said) => truth === said)
  }

  /** Of what was said to be of that class, the share that was; and how often it was said. */
  precision(said: TrafficClass): { share: number; of: number } {
    const of = this.#sum((_, each) => each === said)
    return { share: of === 0 ? 0 : this.count(said as Use, said) / of, of }
  }

  toString(): string {
    const truths: readonly Use[] = [...CLASSES, 'mixed', 'other']
    const columns: readonly TrafficClass[] = [...CLASSES, 'unclear']
    const line = (head: string, cells: readonly (string | number)[]) =>
      head.padEnd(12) + cells.map((cell) => String(cell).padStart(12)).join('')
    return [
      line('truth', columns),
      ...truths.map((truth) =>
        line(
          truth,
          columns.map((said) => this.count(truth, said)),
        ),
      ),
    ].join('\n')
  }

  #sum(isCounted: (truth: string, said: string) => boolean): number {
    let sum = 0
    for (const [key, count] of this.#counts) {
      const [truth, said] = key.split(' ')
      if (truth !== 'mixed' && truth !== 'other' && isCounted(truth, said)) sum += count
    }
    return sum
  }
}

const CLASSES = [
  'idle',
  'signalling',
  'periodic',
  'interactive',
  'voice',
  'web',
  'bulk_up',
  'bulk_down',
] as const satisfies readonly Use[]

/** How often something happened, was found, was found where it did not happen. */
export interface Score {
  happened: number
  found: number
  wrong: number
}

export interface Scores {
  readonly setUp: Score
  readonly loggedIn: Score
  readonly notLoggedIn: Score
  readonly tornDown: Score
}

export function noScores(): Scores {
  const none = (): Score => ({ happened: 0, found: 0, wrong: 0 })
  return { setUp: none(), loggedIn: none(), notLoggedIn: none(), tornDown: none() }
}

const NEAR_US = 2_000_000

/** Counts what was found in one pair. An end that is told must be near a StopCCN or CDN, a set-up near its ICCN. */
export function score(pair: readonly TruthPacket[], found: readonly Found[], scores: Scores): void {
  const at = (...purposes: readonly Purpose[]) =>
    pair.filter(({ purpose }) => purposes.includes(purpose)).map(({ timeUs }) => timeUs)
  const told = (finding: L2tpFinding) => found.filter((each) => each.finding === finding)
  const setUps = told('set_up').map(({ evidence }) => evidence.setUpUs)
  match(at('ICCN'), setUps, scores.setUp)
  const logins = told('logged_in').map(({ evidence }) => evidence.setUpUs)
  const refusals = told('not_logged_in').map(({ evidence }) => evidence.setUpUs)
  match(outcomesOf(pair, 'authenticated'), logins, scores.loggedIn)
  match(outcomesOf(pair, 'refused'), refusals, scores.notLoggedIn)
  const ends = told('torn_down').map(({ evidence }) => evidence.closedUs)
  const farewells = at('StopCCN', 'CDN')
  match(lastOfEach(pair), ends, scores.tornDown, farewells)
}

/** When the sessions were set up whose login had that outcome. */
function outcomesOf(pair: readonly TruthPacket[], outcome: Purpose): number[] {
  const times: number[] = []
  let setUpUs = 0
  for (const { purpose, timeUs } of pair) {
    if (purpose === 'ICCN') setUpUs = timeUs
    if (purpose === outcome && setUpUs > 0) {
      times.push(setUpUs)
      setUpUs = 0
    }
  }
  return times
}

/** For each session that ended, its last StopCCN or CDN: further ones are repeated, or belong to no session. */
function lastOfEach(pair: readonly TruthPacket[]): number[] {
  const times: number[] = []
  let endUs = 0
  let isUp = false
  for (const { purpose, timeUs } of pair) {
    if (purpose === 'ICCN') {
      if (isUp && endUs > 0) times.push(endUs)
      isUp = true
      endUs = 0
    }
    if (isUp && (purpose === 'StopCCN' || purpose === 'CDN')) endUs = timeUs
  }
  if (isUp && endUs > 0) times.push(endUs)
  return times
}

/** `excused`: times at which something else of the kind happened, so that a finding there is not wrong. */
function match(
  happened: readonly number[],
  found: readonly number[],
  into: Score,
  excused: readonly number[] = [],
): void {
  const isNear = (a: number) => (b: number) => Math.abs(a - b) <= NEAR_US
  into.happened += happened.length
  into.found += happened.filter((time) => found.some(isNear(time))).length
  into.wrong += found.filter((time) => ![...happened, ...excused].some(isNear(time))).length
}
