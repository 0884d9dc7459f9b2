/** What very many tunnels, sessions and flows take at once, and what a packet costs among them, against a few. */
import { runCase } from './run.ts'

interface ScaleFigure {
  readonly tunnels: number
  readonly sessions: number
  readonly flows: number
  /** When all of them are open, and the most until then. */
  readonly rssBytes: number
  readonly rssMaxBytes: number
  /** The JavaScript heap, with what is free in it, and buffers outside of it. */
  readonly heapBytes: number
  readonly buffersBytes: number
  /** Processor time of one packet of data in a session chosen at random. */
  readonly packetNs: number
}

/** Sessions of each tunnel, and flows of each session. */
const SESSIONS = 10
const FLOWS = 2
const FEW_TUNNELS = 100

export function measureScale(tunnels: number, tell: (what: string) => void): readonly ScaleFigure[] {
  return [FEW_TUNNELS, Math.ceil(tunnels / 10), tunnels].map((count) => {
    tell(`${count * SESSIONS} sessions at once`)
    return runCase<ScaleFigure>('scale-case.ts', [count, SESSIONS, FLOWS].map(String))
  })
}

export function scaleLines(figures: readonly ScaleFigure[]): string[] {
  const [few] = figures
  return [
    'Followed at once',
    ...figures.map(
      ({ tunnels, sessions, flows, rssBytes, rssMaxBytes, packetNs }) =>
        `${tunnels.toLocaleString('en')} tunnels, ${sessions.toLocaleString('en')} sessions, ${flows.toLocaleString('en')} flows: ` +
        `${mebibytes(rssBytes)} (at most ${mebibytes(rssMaxBytes)}), ${Math.round(packetNs)} ns a packet (${(packetNs / few.packetNs).toFixed(1)} times that of few)`,
    ),
  ]
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`
}
