/**
 * `npm run bench`: how fast, and in how much memory, beside other tools on the same file in the same run.
 *
 * Each case is a process of its own, and the cases take turns: machines are noisy, so ratios mean more than figures, and the
 * median of the rounds more than any of them. `--json` prints one object; `--packets N` and `--rounds N` change the size.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { cachedMix } from './generate.ts'
import { cachedIpsec } from './generate-ipsec.ts'
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
  readonly run: (mix: string) => Result | null
}

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    packets: { type: 'string', default: '2000000' },
    rounds: { type: 'string', default: '3' },
  },
})
const packets = Number(values.packets)
const rounds = Number(values.rounds)
/** Control messages cost many times what data does. */
const IKE_PACKETS = Math.max(9, Math.floor(packets / 10))
const SLICE = Math.min(packets, 20_000)
const scratch = mkdtempSync(join(tmpdir(), 'borescope-bench-run-'))

const CASES: readonly Case[] = [
  {
    name: 'walk',
    says: 'bare header walk: Ethernet, IP, UDP, L2TP, a count per tunnel',
    packets,
    run: (mix) => own('walk', mix),
  },
  {
    name: 'replay',
    says: 'the packet path of replay: all trackers and inner flows, events raised',
    packets,
    run: (mix) => own('replay', mix),
  },
  {
    name: 'command',
    says: 'borescope replay --no-store: the same with rules and summary',
    packets,
    run: (mix) => own('command', mix),
  },
  {
    name: 'tenfold',
    says: 'replay, with the same traffic ten times over',
    packets: packets * 10,
    run: (mix) => own('tenfold', mix),
  },
  {
    name: 'esp',
    says: 'the packet path on ESP of 500 peers, native and in UDP, that cannot be opened',
    packets,
    run: () => own('replay', cachedIpsec('esp', packets)),
  },
  {
    name: 'ike',
    says: 'the packet path on IKEv1 set-ups one after the other, every one told',
    packets: IKE_PACKETS,
    run: () => own('replay', cachedIpsec('ike', IKE_PACKETS)),
  },
  { name: 'store', says: 'borescope replay into the embedded store', packets, run: (mix) => own('store', mix) },
  {
    name: 'tcpdump',
    says: 'tcpdump -r FILE -w /dev/null',
    packets,
    run: (mix) => timed('tcpdump', ['-r', mix, '-w', '/dev/null'], packets),
  },
  {
    name: 'tshark',
    says: `tshark -T ek, the first ${SLICE.toLocaleString('en')} packets`,
    packets: SLICE,
    run: (mix) => timed('tshark', ['-r', mix, '-T', 'ek', '-c', String(SLICE)], SLICE),
  },
]
/** Once is enough for what takes long and serves as a yardstick only. */
const ONCE = new Set(['tshark', 'tenfold'])

const mix = cachedMix({ packets })
const results = new Map<string, Result[]>(CASES.map(({ name }) => [name, []]))
for (let round = 0; round < rounds; round++) {
  for (const { name, run } of CASES) {
    if (round > 0 && ONCE.has(name)) continue
    if (!values.json) process.stderr.write(`round ${round + 1} of ${rounds}: ${name}\x1b[K\r`)
    const result = run(mix)
    if (result !== null) results.get(name)?.push(result)
  }
}
rmSync(scratch, { recursive: true })

interface Figure {
  readonly packets: number
  readonly packetsPerSecond: number
  readonly rssBytes?: number
  /** Against the bare walk of the same run. */
  readonly ofWalk: number
}

const figures: Record<string, Figure> = {}
for (const { name } of CASES) {
  const runs = results.get(name) ?? []
  if (runs.length === 0) continue
  const rate = median(runs.map(({ packets: count, seconds }) => count / seconds))
  const rss = Math.max(...runs.map(({ rssBytes }) => rssBytes ?? 0))
  figures[name] = {
    packets: runs[0].packets,
    packetsPerSecond: Math.round(rate),
    ...(rss > 0 ? { rssBytes: rss } : {}),
    ofWalk: figures['walk'] === undefined ? 1 : Number((rate / figures['walk'].packetsPerSecond).toPrecision(3)),
  }
}

if (values.json) process.stdout.write(`${JSON.stringify(figures)}\n`)
else {
  process.stderr.write('\x1b[K')
  const lines = CASES.map(({ name, says }) => {
    const figure = figures[name]
    if (figure === undefined) return `${name.padEnd(8)}  not measured: the program is not installed`
    const memory = figure.rssBytes === undefined ? '' : `${Math.round(figure.rssBytes / 1e6)} MB`
    const rate = figure.packetsPerSecond.toLocaleString('en')
    return `${name.padEnd(8)}  ${rate.padStart(12)}  ${String(figure.ofWalk).padStart(8)}  ${memory.padStart(8)}  ${says}`
  })
  process.stdout.write(
    `${'case'.padEnd(8)}  ${'packets/s'.padStart(12)}  ${'of walk'.padStart(8)}  ${'memory'.padStart(8)}\n${lines.join('\n')}\n`,
  )
}

function own(name: string, file: string): Result {
  return runCase('case.ts', [name, file, scratch])
}

/** A whole process of somebody else's, its start included; null if it is not installed. */
function timed(program: string, options: readonly string[], count: number): Result | null {
  const startedMs = performance.now()
  const { error } = spawnSync(program, options, { stdio: 'ignore' })
  return error === undefined ? { packets: count, seconds: (performance.now() - startedMs) / 1000 } : null
}

function median(rates: readonly number[]): number {
  const sorted = [...rates].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]
}
