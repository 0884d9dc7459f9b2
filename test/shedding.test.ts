import { expect, test } from 'vitest'
import type { RaisedEvent } from '../src/events/catalogue.ts'
import type { DestinationStatus } from '../src/output/delivery-status.ts'
import { Shedding } from '../src/shedding.ts'

function watched() {
  const told: RaisedEvent[] = []
  const shedding = new Shedding((event) => told.push(event))
  let seconds = 0
  return {
    told,
    shedding,
    /** The counts a second later. */
    look(dropped: Record<string, number>) {
      seconds++
      shedding.look([{ name: 'store', dropped } as unknown as DestinationStatus], seconds * 1000, seconds * 1e6)
    },
    brief: () => told.splice(0).map(({ name, fields }) => ({ name, ...fields })),
  }
}

const SHED = { name: 'sensor.events.shed', 'delivery.destination': 'store' }

test('losses are told at once, then every ten seconds with what was lost since, and their end', () => {
  const { look, brief, shedding } = watched()
  look({})
  expect(brief()).toEqual([])
  look({ 'queue_full.flows': 5 })
  expect(brief()).toEqual([{ ...SHED, 'delivery.dropped': 5, 'delivery.drop_reasons': ['queue_full.flows'] }])
  expect(shedding.destinations).toEqual(['store'])
  for (let i = 1; i < 10; i++) look({ 'queue_full.flows': 5 + i })
  expect(brief()).toEqual([])
  look({ 'queue_full.flows': 15, 'queue_full.events': 1 })
  expect(brief()).toEqual([
    { ...SHED, 'delivery.dropped': 11, 'delivery.drop_reasons': ['queue_full.flows', 'queue_full.events'] },
  ])
  const last = { 'queue_full.flows': 16, 'queue_full.events': 1 }
  for (let i = 0; i < 10; i++) look(last)
  expect(brief()).toEqual([])
  look(last)
  expect(brief()).toEqual([
    { ...SHED, 'delivery.dropped': 1, 'delivery.drop_reasons': ['queue_full.flows'] },
    {
      name: 'sensor.delivery.recovered',
      'delivery.destination': 'store',
      'delivery.dropped': 17,
      'event.duration': 11e9,
    },
  ])
  expect(shedding.destinations).toEqual([])
  look(last)
  expect(brief()).toEqual([])
})

test('every event that was lost is in one report, whatever the course', () => {
  const { look, told } = watched()
  let dropped = 0
  const course = [0, 3, 0, 0, 2, ...Array(30).fill(0), 7, 1, 1, 1, ...Array(30).fill(0), 4, ...Array(12).fill(0)]
  for (const more of course) {
    dropped += more
    look({ 'spool_full.flows': dropped })
  }
  const sums = (name: RaisedEvent['name']) =>
    told
      .filter((event) => event.name === name)
      .reduce((sum, { fields }) => sum + ((fields as { 'delivery.dropped'?: number })['delivery.dropped'] ?? 0), 0)
  expect(sums('sensor.events.shed')).toBe(dropped)
  expect(sums('sensor.delivery.recovered')).toBe(dropped)
})
