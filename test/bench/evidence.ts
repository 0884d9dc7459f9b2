/** The figures of keeping evidence for `npm run bench`: what it costs a replay, and how soon a tunnel is taken out again. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { DiskResult, ExtractResult, ReplayResult } from './evidence-case.ts'
import { cachedMix, LONG_TIMES } from './generate.ts'
import { median } from './median.ts'
import { runCase } from './run.ts'

const WAYS = ['headers', 'whole', 'compressed'] as const

interface Way {
  /** By the clock, and by the processor time of the packet path and of all threads. */
  readonly ratio: number
  readonly pathRatio: number
  readonly allRatio: number
  readonly megabytesPerSecond: number
  readonly bytes: number
  readonly dropped: number
  /** So many bytes one after another, until they are on the disk: what nothing is written faster than. */
  readonly diskMegabytesPerSecond: number
}

export interface EvidenceFigures {
  readonly packetsPerSecond: number
  /** Of the speed without keeping anything, by what is kept of data; medians of alternating runs. */
  readonly ways: Readonly<Record<string, Way>>
  /** Out of the largest of those stores. */
  readonly extract: ExtractResult
}

interface Pair {
  readonly without: ReplayResult
  readonly result: ReplayResult
  readonly diskSeconds: number
}

function wayOf(pairs: readonly Pair[]): Way {
  return {
    ratio: median(pairs.map(({ without, result }) => without.seconds / result.seconds)),
    pathRatio: median(pairs.map(({ without, result }) => without.pathSeconds / result.pathSeconds)),
    allRatio: median(pairs.map(({ without, result }) => without.allSeconds / result.allSeconds)),
    megabytesPerSecond: median(pairs.map(({ result }) => result.bytes / result.seconds / 1e6)),
    bytes: pairs[0].result.bytes,
    dropped: Math.max(...pairs.map(({ result }) => result.dropped)),
    diskMegabytesPerSecond: median(pairs.map(({ result, diskSeconds }) => result.bytes / diskSeconds / 1e6)),
  }
}

export function measureEvidence(
  packets: number,
  rounds: number,
  scratch: string,
  tell: (what: string) => void,
): EvidenceFigures {
  const mix = cachedMix({ packets })
  const folder = join(scratch, 'evidence')
  const run = (how: string, capture = mix): ReplayResult => {
    rmSync(folder, { recursive: true, force: true })
    return runCase<ReplayResult>('evidence-case.ts', ['replay', capture, folder, how])
  }
  const disk = (bytes: number) =>
    runCase<DiskResult>('evidence-case.ts', ['disk', join(scratch, 'disk'), String(bytes)]).seconds
  const bare: number[] = []
  const runs = new Map<string, Pair[]>()
  for (let round = 0; round < rounds; round++) {
    for (const how of WAYS) {
      tell(`evidence: ${how}, round ${round + 1}`)
      const without = run('none')
      const result = run(how)
      bare.push(without.packets / without.seconds)
      runs.set(how, [...(runs.get(how) ?? []), { without, result, diskSeconds: disk(result.bytes) }])
    }
  }
  tell('evidence: the longer run')
  const longMix = cachedMix({ packets: packets * LONG_TIMES })
  const without = run('none', longMix)
  const result = run('headers', longMix)
  runs.set(`headers, ${LONG_TIMES} times as long`, [{ without, result, diskSeconds: disk(result.bytes) }])
  const ways = Object.fromEntries([...runs].map(([how, pairs]) => [how, wayOf(pairs)]))
  tell('evidence: extraction')
  run('whole')
  const extract = runCase<ExtractResult>('evidence-case.ts', ['extract', folder])
  rmSync(folder, { recursive: true })
  return { packetsPerSecond: Math.round(median(bare)), ways, extract }
}

/** The figures as lines for people. */
export function evidenceLines({ packetsPerSecond, ways, extract }: EvidenceFigures): string[] {
  const { storePackets, storeBytes, milliseconds, packets, bytesRead } = extract
  return [
    `evidence: the sensor alone ${packetsPerSecond.toLocaleString('en')} packets/s; while it keeps`,
    ...Object.entries(ways).map(([how, way]) => {
      const [clock, path, all] = [way.ratio, way.pathRatio, way.allRatio].map(
        (ratio) => `${(ratio * 100).toFixed(0)} %`,
      )
      const written = `${way.megabytesPerSecond.toFixed(0)} MB/s written of the ${way.diskMegabytesPerSecond.toFixed(0)} MB/s that the disk takes, ${(way.bytes / 1e6).toFixed(0)} MB, ${way.dropped} packets dropped`
      return `  ${how.padEnd(26)}${clock} of the speed (processor: packet path ${path}, all threads ${all}), ${written}`
    }),
    `  a tunnel out of ${storePackets.toLocaleString('en')} packets (${(storeBytes / 1e6).toFixed(0)} MB): ${milliseconds.toFixed(0)} ms for ${packets.toLocaleString('en')} packets, ${(bytesRead / 1e6).toFixed(1)} MB read`,
  ]
}
