/**
 * How fast the packet path is, and in how much memory, beside other tools on the same file in the same run. Each case is a
 * process of its own, and the cases take turns.
 */
import { spawnSync } from 'node:child_process'
import { cachedMix, LONG_TIMES } from './generate.ts'
import { cachedIpsec } from './generate-ipsec.ts'
import { median } from './median.ts'
import { runCase } from './run.ts'

interface Result {
  readonly packets: number
  readonly seconds: number
  readonly rssBytes?: number | undefined
}

interface Case {
  readonly name: string
  readonly says: string
  /** The packets of the mix that the case is given; tools that are slow get the first ones only. */
  readonly packets: number
  /** The case that it is compared with; the walk of the same mix. */
  readonly walk?: string
  readonly run: (mix: string) => Result | null
}

/** `tshark` gets no more packets than this. */
const SLICE_MAX = 20_000

function casesOf(packets: number, scratch: string): readonly Case[] {
  /** Control messages cost many times what data does. */
  const ikePackets = Math.max(9, Math.floor(packets / 10))
  const slice = Math.min(packets, SLICE_MAX)
  const longMix = () => cachedMix({ packets: packets * LONG_TIMES })
  return [
    {
      name: 'walk',
      says: 'bare header walk: Ethernet, IP, UDP, L2TP, a count per tunnel',
      packets,
      run: (mix) => own(scratch, 'walk', mix),
    },
    {
      name: 'replay',
      says: 'the packet path of replay: all trackers and inner flows, events raised',
      packets,
      run: (mix) => own(scratch, 'replay', mix),
    },
    {
      name: 'tunnels',
      says: 'the same with track.flows off: all trackers but that of inner flows',
      packets,
      run: (mix) => own(scratch, 'tunnels', mix),
    },
    {
      name: 'command',
      says: 'borescope replay --no-store: the same with rules and summary',
      packets,
      run: (mix) => own(scratch, 'command', mix),
    },
    {
      name: 'long walk',
      says: `the walk, over ${LONG_TIMES} times the packets`,
      packets: packets * LONG_TIMES,
      run: () => own(scratch, 'walk', longMix()),
    },
    {
      name: 'long replay',
      says: `replay, the same set-ups with ${LONG_TIMES} times the data`,
      packets: packets * LONG_TIMES,
      walk: 'long walk',
      run: () => own(scratch, 'replay', longMix()),
    },
    {
      name: 'long tunnels',
      says: `tunnels, the same set-ups with ${LONG_TIMES} times the data`,
      packets: packets * LONG_TIMES,
      walk: 'long walk',
      run: () => own(scratch, 'tunnels', longMix()),
    },
    {
      name: 'esp',
      says: 'the packet path on ESP of 500 peers, native and in UDP, that cannot be opened',
      packets,
      run: () => own(scratch, 'replay', cachedIpsec('esp', packets)),
    },
    {
      name: 'ike',
      says: 'the packet path on IKEv1 set-ups one after the other, every one told',
      packets: ikePackets,
      run: () => own(scratch, 'replay', cachedIpsec('ike', ikePackets)),
    },
    {
      name: 'store',
      says: 'borescope replay into the embedded store',
      packets,
      run: (mix) => own(scratch, 'store', mix),
    },
    {
      name: 'tcpdump',
      says: 'tcpdump -r FILE -w /dev/null',
      packets,
      run: (mix) => timed('tcpdump', ['-r', mix, '-w', '/dev/null'], packets),
    },
    {
      name: 'ndpi',
      says: 'ndpiReader -i FILE: the protocols of flows, most packets in tunnels unknown',
      packets,
      run: (mix) => timed('ndpiReader', ['-i', mix, '-q'], packets),
    },
    {
      name: 'tshark',
      says: `tshark -T ek, the first ${slice.toLocaleString('en')} packets`,
      packets: slice,
      run: (mix) => timed('tshark', ['-r', mix, '-T', 'ek', '-c', String(slice)], slice),
    },
  ]
}

/** Once is enough for what takes long and serves as a yardstick only. */
const ONCE = new Set(['tshark', 'ndpi'])

export interface PacketFigure {
  readonly says: string
  readonly packets: number
  readonly packetsPerSecond: number
  readonly rssBytes?: number
  /** Against the bare walk of the mix in the same run, or of the longer one. */
  readonly ofWalk: number
}

/** The figures of each case, or null for a program that is not installed. */
export type PacketFigures = Readonly<Record<string, PacketFigure | null>>

/** The medians of some rounds over so many packets. */
export function measurePackets(
  packets: number,
  rounds: number,
  scratch: string,
  tell: (what: string) => void,
): PacketFigures {
  const cases = casesOf(packets, scratch)
  const mix = cachedMix({ packets })
  const results = new Map<string, Result[]>(cases.map(({ name }) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (const { name, run } of cases) {
      if (round > 0 && ONCE.has(name)) continue
      tell(`round ${round + 1} of ${rounds}: ${name}`)
      const result = run(mix)
      if (result !== null) results.get(name)?.push(result)
    }
  }
  const figures: Record<string, PacketFigure | null> = {}
  for (const { name, says, walk = 'walk' } of cases)
    figures[name] = figureOf(says, results.get(name) ?? [], figures[walk])
  return figures
}

function figureOf(says: string, runs: readonly Result[], walk: PacketFigure | null | undefined): PacketFigure | null {
  if (runs.length === 0) return null
  const rate = median(runs.map(({ packets, seconds }) => packets / seconds))
  const rss = Math.max(...runs.map(({ rssBytes }) => rssBytes ?? 0))
  return {
    says,
    packets: runs[0].packets,
    packetsPerSecond: Math.round(rate),
    ...(rss > 0 ? { rssBytes: rss } : {}),
    ofWalk: walk ? Number((rate / walk.packetsPerSecond).toPrecision(3)) : 1,
  }
}

/** The figures as lines for people. */
export function packetLines(figures: PacketFigures): string[] {
  const lines = Object.entries(figures).map(([name, figure]) => {
    if (figure === null) return `${name.padEnd(12)}  not measured: the program is not installed`
    const memory = figure.rssBytes === undefined ? '' : `${Math.round(figure.rssBytes / 1e6)} MB`
    const rate = figure.packetsPerSecond.toLocaleString('en')
    return `${name.padEnd(12)}  ${rate.padStart(12)}  ${String(figure.ofWalk).padStart(8)}  ${memory.padStart(8)}  ${figure.says}`
  })
  return [
    `${'case'.padEnd(12)}  ${'packets/s'.padStart(12)}  ${'of walk'.padStart(8)}  ${'memory'.padStart(8)}`,
    ...lines,
  ]
}

function own(scratch: string, name: string, file: string): Result {
  return runCase('case.ts', [name, file, scratch])
}

/** A whole process of somebody else's, its start included; null if it is not installed. */
function timed(program: string, options: readonly string[], count: number): Result | null {
  const startedMs = performance.now()
  const { error } = spawnSync(program, options, { stdio: 'ignore' })
  return error === undefined ? { packets: count, seconds: (performance.now() - startedMs) / 1000 } : null
}
