/** The figures of a sensor that watches for a while, for `npm run bench -- --only soak`. */
import { cachedMix } from './generate.ts'
import { runCase } from './run.ts'
import type { Soak } from './soak-case.ts'

/** A capture of tunnels at work, over and over: some seconds of it at whatever rate, so that things fall silent as often. */
const PASS_SECONDS = 5
const PACKETS_PER_TUNNEL = 500

export function measureSoak(minutes: number, packetsPerSecond: number, scratch: string): Soak {
  const packets = packetsPerSecond * PASS_SECONDS
  const mix = cachedMix({ packets, tunnels: Math.ceil(packets / PACKETS_PER_TUNNEL) })
  return runCase<Soak>('soak-case.ts', [String(minutes), String(packetsPerSecond), mix, scratch])
}

const MEMORY: Readonly<Record<keyof Soak['memory'], string>> = {
  rss: 'resident',
  anonymous: 'of that, neither code nor files',
  heap: 'heap in use',
  live: 'of that, after a collection',
  outside: 'buffers outside the heap',
  store: 'heap in use of the thread of the store',
}

/** The figures as lines for people. */
export function soakLines(soak: Soak): string[] {
  const number = (value: number) => Math.round(value).toLocaleString('en')
  const growth = (first: number, last: number) => (first === 0 ? '' : ` (${((last / first - 1) * 100).toFixed(1)} %)`)
  const ms = (seconds: number) => `${(seconds * 1000).toFixed(1)} ms`
  const { p50, p99, max } = soak.loopDelay
  const kinds = Object.entries(soak.memory) as [keyof Soak['memory'], readonly [number, number]][]
  const tables = Object.entries(soak.tables).filter(([, [first, last]]) => first + last > 0)
  return [
    `a sensor that watches for ${soak.minutes} minutes: ${number(soak.packets)} packets (${number(soak.packets / soak.minutes / 60)}/s), ${number(soak.lost)} lost`,
    `  ${number(soak.events)} events, ${number(soak.alerts)} alerts, ${number(soak.dropped)} given up`,
    `  event loop late by ${ms(p50)} (half), ${ms(p99)} (99 %), ${ms(max)} at most`,
    `  state of ${number(soak.stateBytes / 1e3)} kB${soak.stateSaved ? '' : ', never saved'}`,
    `  memory after ${soak.warmUpMinutes} minutes and at the end (medians of a quarter of the rest):`,
    ...kinds.map(
      ([kind, [first, last]]) =>
        `    ${MEMORY[kind].padEnd(38)}  ${`${number(first / 1e6)} MB`.padStart(8)}  ${`${number(last / 1e6)} MB`.padStart(8)}${growth(first, last)}`,
    ),
    `  entries of tables after ${soak.warmUpMinutes} minutes and at the end:`,
    ...tables.map(
      ([name, [first, last]]) =>
        `    ${name.padEnd(38)}  ${number(first).padStart(8)}  ${number(last).padStart(8)}${growth(first, last)}`,
    ),
  ]
}
