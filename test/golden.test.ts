/**
 * Capture in, events out: what each capture in `pcaps/` must give, as files to be reviewed. `UPDATE=1` rewrites them.
 *
 * Constant fields are left out; of each kind of event the first 40 are kept, and the totals at the end cover the rest.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { EventDocument } from '../src/events/fields.ts'
import { replayEvents } from './support/replay.ts'

const CAPTURES = join(import.meta.dirname, '../pcaps')
const GOLDEN = join(import.meta.dirname, 'golden')
const KEPT = 40
const LEFT_OUT =
  /^(observer|ecs|related)\.|^event\.(module|kind|category|type|dataset|sequence)$|^borescope\.(capture|frame\.offset)$|^rule\.(description|reference)$|^threat\./

describe('the events of', () => {
  for (const capture of readdirSync(CAPTURES).filter((name) => name.endsWith('.pcap'))) {
    test(capture, async () => {
      const events = await replayEvents(join(CAPTURES, capture), { secrets: ['tunnelsecret'] })
      const text = golden(events)
      const path = join(GOLDEN, `${capture}.ndjson`)
      if (process.env['UPDATE'] === '1') {
        mkdirSync(GOLDEN, { recursive: true })
        writeFileSync(path, text)
      }
      expect(existsSync(path), `${path} is missing: UPDATE=1 writes it`).toBe(true)
      expect(text).toBe(readFileSync(path, 'utf8'))
    })
  }
})

function golden(events: readonly EventDocument[]): string {
  const counts = new Map<string, number>()
  const lines: string[] = []
  for (const event of events) {
    const name = event['event.action']
    const count = (counts.get(name) ?? 0) + 1
    counts.set(name, count)
    if (count > KEPT) continue
    const { '@timestamp': time, 'event.action': action, message, ...rest } = event
    const fields = Object.entries(rest).filter(([field, value]) => value !== undefined && !LEFT_OUT.test(field))
    lines.push(
      JSON.stringify({ time, action, message, ...Object.fromEntries(fields.sort(([a], [b]) => (a < b ? -1 : 1))) }),
    )
  }
  lines.push(JSON.stringify({ totals: Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1))) }))
  return `${lines.join('\n')}\n`
}
