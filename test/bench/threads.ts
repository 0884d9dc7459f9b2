/** How much faster two threads are than one, in a short run and in a long one, and what they take for it: the same captures, by turns. */
import { cachedMix, LONG_TIMES, type MixOptions } from './generate.ts'
import { median } from './median.ts'
import { runCase } from './run.ts'

interface Result {
  readonly packets: number
  readonly seconds: number
  readonly cpuSeconds: number
  readonly rssBytes: number
  readonly long: { readonly seconds: number } | null
}

const SHAPES: Readonly<Record<string, MixOptions>> = {
  'many tunnels': {},
  'one tunnel': { tunnels: 1, sessionsPerTunnel: 2000 },
  'one session': { tunnels: 1, sessionsPerTunnel: 1 },
}

export interface ThreadsFigure {
  readonly packets: number
  /** With one thread and with two. */
  readonly packetsPerSecond: readonly [number, number]
  readonly cpuSeconds: readonly [number, number]
  readonly rssBytes: readonly [number, number]
  /** Of two against one, the median of the rounds. */
  readonly faster: number
  /** The same with `LONG_TIMES` as many packets, once; null where that was not measured. */
  readonly longFaster: number | null
}

/** The others would fill some gigabytes more. */
const LONG_SHAPE = 'many tunnels'

export type ThreadsFigures = Readonly<Record<string, ThreadsFigure>>

/** Of each shape of traffic, events raised only, and with the rules. */
export function measureThreads(packets: number, rounds: number, tell: (what: string) => void): ThreadsFigures {
  const figures: Record<string, ThreadsFigure> = {}
  for (const [shape, options] of Object.entries(SHAPES)) {
    const mix = cachedMix({ ...options, packets })
    for (const rules of ['events', 'rules']) {
      const runs: [Result, Result][] = []
      for (let round = 0; round < rounds; round++) {
        tell(`${shape}, ${rules}: round ${round + 1} of ${rounds}`)
        const isLong = shape === LONG_SHAPE && round === 0
        const long = isLong ? [cachedMix({ ...options, packets: packets * LONG_TIMES })] : []
        const run = (threads: string) => runCase<Result>('threads-case.ts', [threads, mix, rules, ...long])
        runs.push([run('1'), run('2')])
      }
      figures[`${shape}, ${rules}`] = figureOf(runs)
    }
  }
  return figures
}

function figureOf(runs: readonly (readonly [Result, Result])[]): ThreadsFigure {
  const [longOne, longTwo] = runs[0].map(({ long }) => long)
  const of = (value: (result: Result) => number): [number, number] => [
    median(runs.map(([one]) => value(one))),
    median(runs.map(([, two]) => value(two))),
  ]
  return {
    packets: runs[0][0].packets,
    packetsPerSecond: of(({ packets, seconds }) => Math.round(packets / seconds)),
    cpuSeconds: of(({ cpuSeconds }) => cpuSeconds),
    rssBytes: of(({ rssBytes }) => rssBytes),
    faster: Number(median(runs.map(([one, two]) => one.seconds / two.seconds)).toFixed(2)),
    longFaster: longOne && longTwo ? Number((longOne.seconds / longTwo.seconds).toFixed(2)) : null,
  }
}

/** The figures as lines for people. */
export function threadsLines(figures: ThreadsFigures): string[] {
  const lines = Object.entries(figures).map(
    ([name, { packetsPerSecond, cpuSeconds, rssBytes, faster, longFaster }]) => {
      const rates = packetsPerSecond.map((rate) => rate.toLocaleString('en').padStart(12)).join('')
      const cpu = cpuSeconds.map((seconds) => seconds.toFixed(2).padStart(7)).join('')
      const memory = rssBytes.map((bytes) => `${Math.round(bytes / 1e6)} MB`.padStart(8)).join('')
      return `${name.padEnd(20)}${rates}  ${faster.toFixed(2).padStart(6)}  ${(longFaster?.toFixed(2) ?? '').padStart(6)}  ${cpu}${memory}`
    },
  )
  return [
    `${'threads'.padEnd(20)}${'1: packets/s'.padStart(12)}${'2'.padStart(12)}  ${'faster'.padStart(6)}  ${`× ${LONG_TIMES}`.padStart(6)}  ${'1: CPU s'.padStart(7)}${'2'.padStart(6)}${'1: RSS'.padStart(8)}${'2'.padStart(8)}`,
    ...lines,
  ]
}
