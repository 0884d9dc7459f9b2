/**
 * Every capture of the shared collection is read to its end or to a named fault, and twice the same.
 *
 * The collection is not part of the project (many of its captures have no licence). It is looked for beside the project,
 * or where BORESCOPE_CAPTURES says.
 */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { emptyPacket, type Packet } from '../../src/capture/packet.ts'
import { CaptureError, openCapture } from '../../src/capture/sources.ts'

const FOLDER = resolve(process.env['BORESCOPE_CAPTURES'] ?? join(import.meta.dirname, '../../../shared/captures'))
const NOT_CAPTURES = /\.(md|json|tsv)$/

const isAbsent = !existsSync(FOLDER)
if (isAbsent) {
  process.stderr.write(
    `\nSKIPPED test/capture/public.test.ts: no captures at ${FOLDER}; set BORESCOPE_CAPTURES to a folder of them\n\n`,
  )
}

function captures(): string[] {
  return readdirSync(FOLDER, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !NOT_CAPTURES.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}

/** The packets as one digest, with the count, the fault and what was skipped; or why the capture was refused. */
async function reading(path: string, packet: Packet): Promise<string> {
  try {
    const source = await openCapture(path)
    const digest = createHash('sha256')
    let count = 0
    while (await source.fill()) {
      while (source.next(packet)) {
        count++
        checkWindow(packet, path)
        digest.update(`${packet.timeUs} ${packet.timeNs} ${packet.originalLength} ${packet.linkType} ${packet.offset} `)
        digest.update(packet.bytes.subarray(packet.start, packet.end))
      }
    }
    await source.close()
    const skipped = JSON.stringify([...source.notes.skipped])
    return `${count} packets, ${source.fault?.name ?? 'to the end'}, skipped ${skipped}, ${digest.digest('hex')}`
  } catch (error) {
    if (error instanceof CaptureError) return `refused: ${error.code}`
    throw error
  }
}

function checkWindow({ bytes, start, end, timeUs, timeNs }: Packet, path: string): void {
  const isSound = start >= 0 && start <= end && end <= bytes.length && Number.isSafeInteger(timeUs) && timeUs >= 0
  if (!isSound || timeNs < 0 || timeNs > 999)
    throw new Error(`${path}: window ${start}..${end}, time ${timeUs}.${timeNs}`)
}

test.skipIf(isAbsent)('every shared capture is read to its end or to a named fault, twice the same', async () => {
  const paths = captures()
  expect(paths.length).toBeGreaterThan(0)
  const packet = emptyPacket()
  for (const path of paths) {
    const first = await reading(path, packet)
    expect(await reading(path, packet), relative(FOLDER, path)).toBe(first)
  }
})
