import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Upcoming, UPCOMING_MAX } from '../src/base/upcoming.ts'
import { emptyPacket } from '../src/capture/packet.ts'
import { openCapture } from '../src/capture/sources.ts'
import { loadConfig } from '../src/config.ts'
import type { EventDocument } from '../src/events/fields.ts'
import { Lookahead } from '../src/lookahead.ts'
import { Sensor } from '../src/sensor.ts'

const CAPTURES = join(import.meta.dirname, '../pcaps')

async function eventsOf(capture: string, followedMin: number): Promise<readonly EventDocument[]> {
  const sensor = new Sensor(loadConfig(undefined, {}).config, 'test')
  const events: EventDocument[] = []
  sensor.bus.subscribe((event) => events.push(event))
  const ahead = new Lookahead(sensor.trackers, followedMin)
  const source = await openCapture(join(CAPTURES, capture))
  while (await source.fill()) while (ahead.next(source, sensor.frame)) sensor.observe()
  sensor.finish()
  await source.close()
  return events
}

describe('a look ahead changes no event of', () => {
  test.each(readdirSync(CAPTURES).filter((name) => name.endsWith('.pcap')))('%s', async (capture) => {
    expect(await eventsOf(capture, 0)).toEqual(await eventsOf(capture, Number.POSITIVE_INFINITY))
  })
})

/** Packets without end, of which some are known before. */
class Endless {
  readonly said: number
  previews = 0

  constructor(said: number) {
    this.said = said
  }

  next(): boolean {
    return true
  }

  preview(upcoming: Upcoming): void {
    this.previews++
    for (let i = 0; i < this.said; i++) upcoming.add(0, 0)
  }
}

test.each([
  ['whenever what was known is used up', 0, 8, 2],
  ['before each packet, where nothing is known', 0, 0, 16],
  ['not while little is followed', 1, 8, 0],
])('a source is asked %s', (_, followedMin, said, previews) => {
  const { trackers } = new Sensor(loadConfig(undefined, {}).config, 'test')
  const ahead = new Lookahead(trackers, followedMin)
  const source = new Endless(said)
  for (let i = 0; i < 16; i++) expect(ahead.next(source, emptyPacket())).toBe(true)
  expect(source.previews).toBe(previews)
})

test('a source that knows nothing of its packets gives them all the same', () => {
  const { trackers } = new Sensor(loadConfig(undefined, {}).config, 'test')
  const ahead = new Lookahead(trackers, 0)
  let left = UPCOMING_MAX + 1
  const source = { next: () => left-- > 0 }
  let given = 0
  while (ahead.next(source, emptyPacket())) given++
  expect(given).toBe(UPCOMING_MAX + 1)
})
