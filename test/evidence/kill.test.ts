/** kill -9 at any moment, again and again: what was on the disk is there, whole, and the next process goes on. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { PacketBlock } from '../../src/evidence/blocks.ts'
import { EvidenceReader } from '../../src/evidence/reader.ts'
import { recover } from '../../src/evidence/recovery.ts'
import { Random } from '../support/random.ts'
import { ALL_TIME, readCapture } from './support.ts'

const CAPTURE = join(import.meta.dirname, '../../pcaps/l2tp-inner-attack.pcap')
const KILLS = 8

/** Runs the process until it has said so many lines; gives the packets that it said last were on the disk. */
async function runUntil(folder: string, compress: string, lines: number): Promise<number> {
  const script = fileURLToPath(new URL('./keep-forever.ts', import.meta.url))
  const child = spawn(process.execPath, [script, CAPTURE, folder, compress], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise<NodeJS.Signals | null>((resolve) => child.on('close', (_, signal) => resolve(signal)))
  let said = 0
  let seen = 0
  for await (const line of createInterface({ input: child.stdout })) {
    said = Number(line)
    if (++seen === lines) child.kill('SIGKILL')
  }
  expect(await ended).toBe('SIGKILL')
  return said
}

test.each(['no', 'yes'])(
  'what was written is there after every kill (compressed: %s)',
  { timeout: 300_000 },
  async (compress) => {
    const folder = mkdtempSync(join(tmpdir(), 'borescope-evidence-kill-'))
    const random = new Random(compress === 'yes' ? 21 : 22)
    const originals = new Set(
      (await readCapture(CAPTURE)).map(({ bytes, timeUs }) => `${timeUs} ${bytes.toString('hex')}`),
    )
    const store = join(folder, 'e')
    let before = 0
    try {
      for (let kill = 0; kill < KILLS; kill++) {
        const said = await runUntil(store, compress, 1 + random.below(40))
        // As the next process does first.
        const { problems } = recover(store, null)
        expect(problems.every(({ name }) => name === 'evidence.truncated')).toBe(true)
        const reader = new EvidenceReader(store, null)
        const block = new PacketBlock()
        let packets = 0
        for (const { segment, offsets } of reader.select({ things: null, ...ALL_TIME, hasContext: false })) {
          for (const offset of offsets) {
            const where = segment.at(offset, reader.problems)
            if (where === null || !block.decode(where.bytes, where.at, where.bytes.length)) continue
            const bytes = Buffer.from(where.bytes.slice(block.start, block.end)).toString('hex')
            if (!originals.has(`${block.timeUs} ${bytes}`)) expect(bytes).toBe('a packet of the capture')
            packets++
          }
        }
        expect(reader.problems).toEqual([])
        const numbers = reader.segments.map(({ file }) => file.number)
        expect(numbers).toEqual([...new Set(numbers)])
        reader.close()
        expect(packets).toBeGreaterThanOrEqual(before + said)
        before = packets
      }
      expect(before).toBeGreaterThan(1000)
    } finally {
      rmSync(folder, { recursive: true })
    }
  },
)
