/** A sensor that is cut off in mid-stream, and another one that goes on from what it left. */
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { openCapture } from '../../src/capture/sources.ts'
import type { EventDocument } from '../../src/events/fields.ts'
import type { SavedEntry } from '../../src/track/saved.ts'
import { type SensorOptions, TestSensor } from './sensor.ts'

export type Packet = { readonly timeUs: number; readonly bytes: Uint8Array }

export async function packetsOf(url: URL): Promise<Packet[]> {
  const source = await openCapture(fileURLToPath(url))
  const { frame } = new TestSensor().sensor
  const packets: Packet[] = []
  while (await source.fill())
    while (source.next(frame)) packets.push({ timeUs: frame.timeUs, bytes: frame.bytes.slice(frame.start, frame.end) })
  await source.close()
  return packets
}

/** As it comes back from a file. */
export function saved(run: TestSensor): SavedEntry[] {
  return [...run.sensor.trackers.save()].map((entry) => JSON.parse(JSON.stringify(entry)))
}

/** `missed`: packets of so many microseconds pass while nobody looks; `silentUs`: so long nothing passes. */
export function cutOff(packets: readonly Packet[], at: number, options: SensorOptions, missed = 0, silentUs = 0) {
  const first = new TestSensor(options)
  for (const { bytes, timeUs } of packets.slice(0, at)) first.see(bytes, timeUs)
  const savedUs = first.sensor.nowUs
  const entries = saved(first)
  first.sensor.bus.origin = null
  first.sensor.trackers.suspend()
  const second = new TestSensor(options)
  const { leftOut, problems } = second.sensor.trackers.restore(entries, { savedUs, nowUs: savedUs + missed + silentUs })
  expect(problems).toEqual([])
  expect(leftOut).toBe(0)
  for (const { bytes, timeUs } of packets.slice(at)) {
    if (timeUs >= savedUs + missed) second.see(bytes, timeUs + silentUs)
  }
  second.finish()
  return { first: first.events, second: second.events, entries }
}

export function wholeOf(packets: readonly Packet[], options: SensorOptions): readonly EventDocument[] {
  const whole = new TestSensor(options)
  for (const { bytes, timeUs } of packets) whole.see(bytes, timeUs)
  return whole.finish()
}

/** Events in full, but for where in which capture they are; for those whose actions match. */
export function inFull(events: readonly EventDocument[], actions: RegExp): string[] {
  return events
    .filter((event) => actions.test(event['event.action']))
    .map((event) => {
      const fields = Object.entries(event).filter(
        ([name]) => !/^(borescope\.(frame\.|capture)|event\.sequence)/.test(name),
      )
      return JSON.stringify(Object.fromEntries(fields))
    })
    .sort()
}

/** The entry without its record, and with each field of it of another type. */
export function* damaged(entry: SavedEntry): Generator<SavedEntry> {
  const record = entry['saved'] as Record<string, unknown>
  yield { ...entry, saved: null }
  if (typeof record !== 'object') return
  for (const field of Object.keys(record)) yield { ...entry, saved: { ...record, [field]: [['not this']] } }
}
