/** Events of everything that was recorded, for questions about what is found in them. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { EventDocument } from '../../src/events/fields.ts'
import { replayEvents } from '../support/replay.ts'

const PCAPS = join(import.meta.dirname, '../../pcaps')
const LAB = resolve(process.env['BORESCOPE_CAPTURES'] ?? join(import.meta.dirname, '../../../shared/captures'), 'lab')

/** Whether the collection of captures is there that lies beside the project. */
export const HAS_LAB = existsSync(LAB)

/** The captures of the project and of the lab, and one of a sensor in trouble: too small a table, too short a file. */
export async function recordedEvents(): Promise<EventDocument[]> {
  const folders = HAS_LAB ? [PCAPS, LAB] : [PCAPS]
  const events: EventDocument[] = []
  for (const folder of folders) {
    for (const name of readdirSync(folder).filter((file) => file.endsWith('.pcap')))
      for (const event of await replayEvents(join(folder, name), { secrets: ['tunnelsecret'] }))
        events.push({ ...event, 'borescope.capture': name })
  }
  for (const event of await troubleEvents()) events.push(event)
  return events
}

async function troubleEvents(): Promise<EventDocument[]> {
  const scratch = mkdtempSync(join(tmpdir(), 'borescope-trouble-'))
  try {
    const short = join(scratch, 'short.pcap')
    writeFileSync(short, readFileSync(join(PCAPS, 'l2tp-flood-real.pcap')).subarray(0, -5))
    return await replayEvents(short, {
      change: (config) => {
        config.track.tunnelsMax = 2
      },
    })
  } finally {
    rmSync(scratch, { recursive: true })
  }
}
