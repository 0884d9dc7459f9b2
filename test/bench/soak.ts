/** The figures of a sensor that watches for a while, for `npm run bench -- --only soak`. */
import { cachedMix } from './generate.ts'
import { runCase } from './run.ts'
import type { Course, Soak } from './soak-case.ts'
import { isRising } from './trend.ts'

/** A capture of tunnels at work, over and over: some seconds of it at whatever rate, so that things fall silent as often. */
const PASS_SECONDS = 5
const PACKETS_PER_TUNNEL = 500

export function measureSoak(minutes: number, packetsPerSecond: number, scratch: string): Soak {
  const packets = packetsPerSecond * PASS_SECONDS
  const mix = cachedMix({ packets, tunnels: Math.ceil(packets / PACKETS_PER_TUNNEL) })
  return runCase<Soak>('soak-case.ts', [String(minutes), String(packetsPerSecond), mix, scratch])
}

const BYTES: Readonly<Record<Exclude<keyof Soak['memory'], 'waiting'>, string>> = {
  rss: 'resident',
  files: '  pages of files',
  heap: '  heap of the packets',
  store: '  heap of the thread of the store',
  rest: '  what else there is',
  buffers: '    of that, buffers of JavaScript',
  live: 'live in the heap of the packets',
}

/** A change of less than this share over the time that was measured is none. */
const GROWTH_MIN = 0.01

/** The figures as lines for people. */
export function soakLines(soak: Soak): string[] {
  const number = (value: number) => Math.round(value).toLocaleString('en')
  const growth = (first: number, last: number) => (first === 0 ? '' : ` (${((last / first - 1) * 100).toFixed(1)} %)`)
  const ms = (seconds: number) => `${(seconds * 1000).toFixed(1)} ms`
  const { p50, p99, max } = soak.loopDelay
  const measuredMinutes = soak.minutes - soak.warmUpMinutes
  const isGrowing = ({ trend, first }: Course) => isRising(trend, measuredMinutes, first * GROWTH_MIN)
  const row = (title: string, { first, last, trend }: Course, unit: number, name: string) =>
    `    ${title.padEnd(38)}  ${`${number(first / unit)}${name}`.padStart(8)}  ${`${number(last / unit)}${name}`.padStart(8)}` +
    `${growth(first, last)}, ${((trend.perStep * 60) / unit).toFixed(1)}${name} an hour`
  const kinds = Object.entries(BYTES) as [keyof typeof BYTES, string][]
  const verdict = isGrowing(soak.memory.rss) || isGrowing(soak.memory.live) ? 'memory grows' : 'memory does not grow'
  const tables = Object.entries(soak.tables).filter(([, [first, last]]) => first + last > 0)
  return [
    `a sensor that watches for ${soak.minutes} minutes: ${number(soak.packets)} packets (${number(soak.packets / soak.minutes / 60)}/s), ${number(soak.lost)} lost`,
    `  ${number(soak.events)} events, ${number(soak.alerts)} alerts, ${number(soak.dropped)} given up`,
    `  event loop late by ${ms(p50)} (half), ${ms(p99)} (99 %), ${ms(max)} at most`,
    `  state of ${number(soak.stateBytes / 1e3)} kB${soak.stateSaved ? '' : ', never saved'}`,
    `  ${verdict}; after ${soak.warmUpMinutes} minutes and at the end (medians of two fifths of the rest), and its slope:`,
    ...kinds.map(([kind, title]) => row(title, soak.memory[kind], 1e6, ' MB')),
    row('events that wait for the store', soak.memory.waiting, 1, ''),
    `  entries of tables after ${soak.warmUpMinutes} minutes and at the end:`,
    ...tables.map(
      ([name, [first, last]]) =>
        `    ${name.padEnd(38)}  ${number(first).padStart(8)}  ${number(last).padStart(8)}${growth(first, last)}`,
    ),
  ]
}
