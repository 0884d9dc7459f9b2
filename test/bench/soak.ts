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

/** The figures as lines for people. */
export function soakLines(soak: Soak): string[] {
  const number = (value: number) => Math.round(value).toLocaleString('en')
  const megabytes = ([first, last]: readonly [number, number]) =>
    `${number(first / 1e6)} MB after the warm-up, ${number(last / 1e6)} MB at the end (${((last / first - 1) * 100).toFixed(1)} %)`
  const ms = (seconds: number) => `${(seconds * 1000).toFixed(1)} ms`
  const { p50, p99, max } = soak.loopDelay
  return [
    `a sensor that watches for ${soak.minutes} minutes: ${number(soak.packets)} packets (${number(soak.packets / soak.minutes / 60)}/s), ${number(soak.lost)} lost`,
    `  ${number(soak.events)} events, ${number(soak.alerts)} alerts, ${number(soak.dropped)} given up`,
    `  memory: ${megabytes(soak.rssBytes)}; heap in use: ${megabytes(soak.heapBytes)}`,
    `  event loop late by ${ms(p50)} (half), ${ms(p99)} (99 %), ${ms(max)} at most`,
    `  state of ${number(soak.stateBytes / 1e3)} kB${soak.stateSaved ? '' : ', never saved'}; at the end ${Object.entries(
      soak.tables,
    )
      .filter(([, size]) => size > 0)
      .map(([name, size]) => `${number(size)} ${name}`)
      .join(', ')}`,
  ]
}
