import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { EventDocument } from '../../src/events/fields.ts'
import { eventsOfFile } from '../support/sensor.ts'

const CAPTURES = join(import.meta.dirname, '../../pcaps')

/** Without what numbers the events of a run. */
function told(events: readonly EventDocument[]): unknown[] {
  return events.map(({ 'event.sequence': _, ...event }) => event)
}

describe('with track.flows off', () => {
  for (const capture of readdirSync(CAPTURES).filter((name) => name.endsWith('.pcap'))) {
    test(`${capture} gives every event but those about flows`, async () => {
      const path = join(CAPTURES, capture)
      const all = await eventsOfFile(path, { track: { flows: true } })
      const without = await eventsOfFile(path, { track: { flows: false } })

      expect(told(without)).toEqual(told(all.filter((event) => event['flow.uid'] === undefined)))
    })
  }

  test('there are flows to leave out', async () => {
    const all = await eventsOfFile(join(CAPTURES, 'l2tp-inner-attack.pcap'), { track: { flows: true } })

    expect(all.some((event) => event['event.action'] === 'flow.closed')).toBe(true)
  })
})
