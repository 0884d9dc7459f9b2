/** What the comparisons with tshark have in common: where captures are, whether there is anything to compare, our own reading. */
import { existsSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { capturePaths } from '../../src/capture/paths.ts'
import { openCapture } from '../../src/capture/sources.ts'
import { Frame } from '../../src/dissect/frame.ts'
import { Describer, type DescriberOptions, type PacketDescription } from '../../src/dissect/layers.ts'
import type { Entry } from './fields.ts'
import { TSHARK_VERSION } from './tshark.ts'

/** The folder of captures that lies beside the checkout, or that BORESCOPE_CAPTURES names. */
export const CAPTURES = resolve(
  process.env['BORESCOPE_CAPTURES'] ?? join(import.meta.dirname, '../../../shared/captures'),
)
const OWN = join(import.meta.dirname, '../../pcaps')
/** Compared packets of one capture, from its beginning. */
export const PACKETS_MAX = 20_000

/** Why captures cannot be compared; null if they can. */
export const MISSING =
  TSHARK_VERSION === ''
    ? 'tshark is not installed (Debian package tshark)'
    : existsSync(CAPTURES)
      ? null
      : `there are no captures at ${CAPTURES}; set BORESCOPE_CAPTURES`

/** A comparison that is skipped says so. */
export function warnIfMissing(comparison: string): void {
  if (MISSING !== null) process.stderr.write(`\n*** ${comparison} does not run: ${MISSING}.\n\n`)
}

/** Captures in folders below CAPTURES, and those in `pcaps/` that lie there under no such name. */
export async function capturesIn(folders: readonly string[]): Promise<string[]> {
  const { captures } = await capturePaths(folders.map((folder) => join(CAPTURES, folder)).filter(existsSync))
  const known = new Set(captures.map((path) => basename(path)))
  const own = await capturePaths([OWN])
  return [...captures, ...own.captures.filter((path) => !known.has(basename(path)))]
}

/** Describes the packets of a capture, one after the other. Gives how many there were. */
export async function describeCapture(
  path: string,
  look: (description: PacketDescription) => void,
  options: Partial<DescriberOptions> = {},
  packetsMax: number = PACKETS_MAX,
): Promise<number> {
  const describer = new Describer({
    l2tpPorts: [1701],
    secrets: [],
    fragments: { datagramsMax: 1024, piecesMax: 64, timeoutSeconds: 30 },
    linksMax: 4096,
    ...options,
  })
  const source = await openCapture(path)
  const frame = new Frame()
  let packets = 0
  try {
    while (await source.fill()) {
      while (source.next(frame)) {
        if (packets >= packetsMax) return packets
        packets++
        look(describer.describe(frame))
      }
    }
  } finally {
    await source.close()
  }
  return packets
}

/** The values of each name, in their order. */
export function grouped(entries: readonly Entry[]): Map<string, string[]> {
  const groups = new Map<string, string[]>()
  for (const { name, value } of entries) {
    const group = groups.get(name)
    if (group === undefined) groups.set(name, [value])
    else group.push(value)
  }
  return groups
}
