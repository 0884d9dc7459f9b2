/** Packets to begin with: those of the captures in `pcaps/`, crafted ones, and of a folder of more if there is one. */
import { existsSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { capturePaths } from '../../src/capture/paths.ts'
import { openCapture } from '../../src/capture/sources.ts'
import { Frame } from '../../src/dissect/frame.ts'
import { LINKTYPE } from '../../src/wire/link.ts'
import { pppoeConversation, pptpConversation } from '../support/neighbours.ts'
import { simulate } from '../support/traffic.ts'
import { translated, type TranslationOptions } from '../support/translate-l2tpv3.ts'
import type { Seed, Workshop } from './fuzzers.ts'

const OWN = [resolve(import.meta.dirname, '../../pcaps'), resolve(import.meta.dirname, '../captures')]
const MORE = process.env['BORESCOPE_CAPTURES'] ?? resolve(import.meta.dirname, '../../../shared/captures')
/** Peers that speak L2TPv3, which no capture in `pcaps/` shows from its set-up on; the secret is the one that fuzzers configure. */
const CONVERSATIONS: readonly TranslationOptions[] = [{ secret: 'fuzz' }, { overIp: true }]
/** Of one capture: floods would crowd out the rest. */
const PACKETS_MAX = 400

export async function openWorkshop({ everything }: { everything: boolean }): Promise<Workshop> {
  const folders = everything && existsSync(MORE) ? [...OWN, MORE] : OWN
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
  for (const way of CONVERSATIONS) {
    const { packets } = simulate({ clients: 2, flowsPerSession: 1, seed: 3 })
    const frames = translated(packets, way).slice(0, PACKETS_MAX)
    corpus.push(...frames.map(({ bytes }) => ({ bytes, linkType: LINKTYPE.ETHERNET })))
  }
  for (const bytes of [...pptpConversation(), ...pppoeConversation()])
    corpus.push({ bytes, linkType: LINKTYPE.ETHERNET })
  return { corpus, file: join(mkdtempSync(join(tmpdir(), 'borescope-fuzz-')), 'mutated.pcap') }
}
