/**
 * What capturing costs: a fast sender on one end of a cable, and on the other in turn the bare walk of the ring, the same through
 * libpcap and cap (which is built for it), the packet loop of the sensor around it, `borescope watch`, and tcpdump. All take every
 * packet. It takes root.
 *
 * A listener that has just started compiles: it is sent some seconds of the traffic before the measurement. The sender takes as
 * much of a processor as it can get, and at full speed all of one; what is left is the listener's.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { LiveNetwork, type Running, whyNoCapture } from '../support/live-network.ts'
import { capPackage } from './cap-package.ts'
import { cachedMix } from './generate.ts'
import { median } from './median.ts'
import { FLAGS } from './run.ts'

/** Packets a second; 0 is as many as go. */
const RATES = [200_000, 0] as const
const SECONDS = 5
const WARM_UP = { packetsPerSecond: 100_000, seconds: 4 } as const

interface Listener {
  readonly name: string
  readonly says: string
  readonly command: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  /** What it says when it listens. */
  readonly ready: string
  readonly signal: NodeJS.Signals
  readonly read: (stdout: string, stderr: string) => { packets: number; lost: number; delayMs?: number }
}

const script = (...args: string[]) => [process.execPath, ...FLAGS, join(import.meta.dirname, 'live-case.ts'), ...args]
const own = (name: string, says: string, ...args: string[]): Listener => ({
  name,
  says,
  command: script(...args),
  ready: 'watching',
  signal: 'SIGTERM',
  read: (stdout) => JSON.parse(stdout),
})

const LISTENERS: readonly Listener[] = [
  own('ring', 'bare walk of the ring', 'walk', 'ring', 'b1'),
  own('libpcap', 'the same through libpcap', 'walk', 'libpcap', 'b1'),
  own('cap', 'the same through cap', 'walk', 'cap', 'b1'),
  own('loop', 'the packet loop of watch around the bare walk', 'loop', 'b1'),
  {
    ...own('trackers', 'borescope watch --no-store without rules: every tracker', 'watch', 'b1'),
    environment: { BORESCOPE_DETECT__BUILTIN: 'false' },
  },
  own('watch', 'borescope watch --no-store: every tracker and all rules', 'watch', 'b1'),
  own('habits', 'the same with --baseline: all habits, too', 'watch', 'b1', '--baseline'),
  own('threads', 'watch on two threads, with two rings', 'watch', 'b1', '--threads', '2'),
  {
    name: 'tcpdump',
    says: 'tcpdump -w /dev/null',
    command: ['tcpdump', '-i', 'b1', '-n', '-B', '65536', '-w', '/dev/null'],
    ready: 'listening',
    signal: 'SIGINT',
    read: (_, stderr) => ({
      packets: Number(/^(\d+) packets? captured/m.exec(stderr)?.[1]),
      lost: Number(/^(\d+) packets? dropped by kernel/m.exec(stderr)?.[1]),
    }),
  },
]

interface Result {
  readonly sent: number
  readonly sentPerSecond: number
  readonly packets: number
  readonly lost: number
  readonly cpuNs: number
  /** How long its main thread could have worked and had no processor. */
  readonly starvedNs: number
  readonly seconds: number
  readonly delayMs?: number | undefined
}

export interface LiveFigure {
  readonly says: string
  readonly packetsPerSecond: number
  readonly deliveredPercent: number
  readonly lost: number
  readonly cpuNsPerPacket: number
  /** Of the time: on a machine that others use, whoever is starved loses packets and knows no better. */
  readonly starvedPercent: number
  readonly delayMs?: number | undefined
}

/** By the rate, then by the listener. A string says why nothing was measured. */
export type LiveFigures = Readonly<Record<string, Readonly<Record<string, LiveFigure | string>>>> | string

export async function measureLive(packets: number, rounds: number, tell: (what: string) => void): Promise<LiveFigures> {
  const reason = whyNoCapture()
  if (reason !== null) return reason
  const mix = cachedMix({ packets })
  const network = new LiveNetwork('bench')
  network.pair('b0', 'b1')
  const missing = new Map<string, string>()
  const miss = (name: string, why: string) => {
    process.stderr.write(`\nNOT MEASURED ${name}: ${why}\n\n`)
    missing.set(name, why)
  }
  tell('cap')
  const cap = capPackage()
  if ('missing' in cap) miss('cap', cap.missing)
  else network.environment['NODE_PATH'] = cap.nodePath
  try {
    const figures: Record<string, Record<string, LiveFigure | string>> = {}
    for (const rate of RATES) {
      const results = new Map<string, Result[]>(LISTENERS.map(({ name }) => [name, []]))
      for (let round = 0; round < rounds; round++) {
        for (const listener of LISTENERS.filter(({ name }) => !missing.has(name))) {
          tell(`${rate || 'all'} packets/s, round ${round + 1} of ${rounds}: ${listener.name}`)
          const result = await listen(network, listener, mix, rate)
          if (typeof result === 'string') miss(listener.name, result)
          else results.get(listener.name)?.push(result)
        }
      }
      const at = rate === 0 ? 'at full speed' : `at ${rate.toLocaleString('en')} packets/s`
      figures[at] = Object.fromEntries(
        LISTENERS.map(({ name, says }) => [name, missing.get(name) ?? figureOf(says, results.get(name) ?? [])]),
      )
    }
    return figures
  } finally {
    await network.close()
  }
}

/** The string says why it does not listen. */
async function listen(network: LiveNetwork, listener: Listener, mix: string, rate: number): Promise<Result | string> {
  const running = network.startWith({ ...listener.environment }, ...(listener.command as [string, ...string[]]))
  try {
    await running.says(listener.ready)
  } catch {
    return (await running.ended).stderr.trim()
  }
  // Whoever starts is still at it, and pages of the ring are touched for the first time.
  await delay(2000)
  const warmUp = blast(network, mix, WARM_UP.packetsPerSecond, WARM_UP.seconds, 0)
  await delay(500)
  const [before, starvedBefore] = [cpuNs(running), starvedNs(running)]
  const sent = blast(network, mix, rate, SECONDS, 1)
  await delay(500)
  const [spent, starved] = [cpuNs(running) - before, starvedNs(running) - starvedBefore]
  const { stdout, stderr } = await running.stop(listener.signal)
  const counts = listener.read(stdout, stderr)
  return {
    ...counts,
    packets: counts.packets - warmUp.packets,
    sent: sent.packets,
    sentPerSecond: sent.packets / sent.seconds,
    seconds: sent.seconds,
    cpuNs: spent,
    starvedNs: starved,
  }
}

/** Clients of the first pass are those of `firstPass`: whoever listens has not seen them before. */
function blast(network: LiveNetwork, mix: string, rate: number, seconds: number, firstPass: number) {
  const script = join(import.meta.dirname, 'blast.ts')
  const printed = network.run(process.execPath, script, 'b0', mix, ...[rate, seconds, firstPass].map(String))
  return JSON.parse(printed) as { readonly packets: number; readonly seconds: number }
}

function starvedNs({ child }: Running): number {
  return Number(readFileSync(`/proc/${child.pid}/schedstat`, 'utf8').split(' ')[1])
}

/** Of all threads of the process: to the nanosecond, where what /proc/PID/stat tells is some hundredths of what is measured off. */
function cpuNs({ child }: Running): number {
  const tasks = `/proc/${child.pid}/task`
  const spent = readdirSync(tasks).map((task) => readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ')[0])
  return spent.reduce((sum, ns) => sum + Number(ns), 0)
}

function figureOf(says: string, runs: readonly Result[]): LiveFigure {
  const delays = runs.flatMap(({ delayMs }) => (delayMs === undefined ? [] : [delayMs]))
  return {
    says,
    packetsPerSecond: Math.round(median(runs.map(({ sentPerSecond }) => sentPerSecond))),
    deliveredPercent: Number(median(runs.map(({ packets, sent }) => (packets / sent) * 100)).toFixed(1)),
    lost: median(runs.map(({ lost }) => lost)),
    cpuNsPerPacket: Math.round(median(runs.map(({ cpuNs, packets }) => cpuNs / packets))),
    starvedPercent: Math.round(median(runs.map((run) => run.starvedNs / 1e7 / run.seconds))),
    ...(delays.length === 0 ? {} : { delayMs: Number(median(delays).toFixed(1)) }),
  }
}

export function liveLines(figures: LiveFigures): string[] {
  if (typeof figures === 'string') return [`capturing was not measured: ${figures}`]
  return Object.entries(figures).flatMap(([at, listeners]) => [
    `${at.padEnd(24)}  ${'sent/s'.padStart(9)}  ${'delivered'.padStart(9)}  ${'lost'.padStart(8)}  CPU ns/packet  starved  loop p99`,
    ...Object.entries(listeners).map(([name, figure]) =>
      typeof figure === 'string' ? `${name.padEnd(24)}  not measured: ${figure}` : line(name, figure),
    ),
  ])
}

function line(name: string, figure: LiveFigure): string {
  const { packetsPerSecond, deliveredPercent, lost, cpuNsPerPacket, starvedPercent, delayMs, says } = figure
  const columns = [
    name.padEnd(24),
    packetsPerSecond.toLocaleString('en').padStart(9),
    `${deliveredPercent} %`.padStart(9),
    lost.toLocaleString('en').padStart(8),
    String(cpuNsPerPacket).padStart(13),
    `${starvedPercent} %`.padStart(7),
    (delayMs === undefined ? '' : `${delayMs} ms`).padStart(8),
    says,
  ]
  return columns.join('  ')
}
