/** Packets to begin with: those of the captures in `pcaps/`, and of a folder of more if there is one. */
import { existsSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { capturePaths } from '../../src/capture/paths.ts'
import { openCapture } from '../../src/capture/sources.ts'
import { Frame } from '../../src/dissect/frame.ts'
import type { Seed, Workshop } from './fuzzers.ts'

const OWN = resolve(import.meta.dirname, '../../pcaps')
const MORE = process.env['BORESCOPE_CAPTURES'] ?? resolve(import.meta.dirname, '../../../shared/captures')
/** Of one capture: floods would crowd out the rest. */
const PACKETS_MAX = 400

export async function openWorkshop({ everything }: { everything: boolean }): Promise<Workshop> {
  const folders = everything && existsSync(MORE) ? [OWN, MORE] : [OWN]
  const { captures } = await capturePaths(folders)
  const corpus: Seed[] = []
  const frame = new Frame()
  for (const path of captures) {
    const source = await openCapture(path)
    let taken = 0
    while (taken < PACKETS_MAX && (await source.fill())) {
      while (taken < PACKETS_MAX && source.next(frame)) {
        if (frame.end - frame.start > 2000) continue
        corpus.push({ bytes: frame.bytes.slice(frame.start, frame.end), linkType: frame.linkType })
        taken++
      }
    }
    await source.close()
  }
  return { corpus, file: join(mkdtempSync(join(tmpdir(), 'borescope-fuzz-')), 'mutated.pcap') }
}
