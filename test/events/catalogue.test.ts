import { EcsFlat } from '@elastic/ecs'
import { describe, expect, test } from 'vitest'
import { CATALOGUE } from '../../src/events/catalogue.ts'
import { ENRICHMENT_FIELDS } from '../../src/events/enrichment.ts'
import { FIELDS, isField } from '../../src/events/fields.ts'

interface Allowed {
  readonly name: string
  readonly expected_event_types?: readonly string[]
}

function allowed(field: 'event.kind' | 'event.category' | 'event.type'): readonly Allowed[] {
  return (EcsFlat[field] as unknown as { allowed_values: readonly Allowed[] }).allowed_values
}

const EVENTS = Object.entries(CATALOGUE)
const BASE = [
  '@timestamp',
  'message',
  'ecs.version',
  'event.id',
  'event.kind',
  'event.category',
  'event.type',
  'event.action',
  'event.dataset',
  'event.module',
  'event.sequence',
  'observer.name',
  'observer.product',
  'observer.type',
  'observer.version',
]

describe.each(EVENTS)('%s', (name, { says, dataset, kind, category, type, always, may }) => {
  test('is named for a thing and what happened to it, and says so in a sentence', () => {
    expect(name).toMatch(/^[a-z0-9]+(\.[a-z_]+)+$/)
    expect(says).toMatch(/^[A-Z].*\.$/)
    expect(dataset).toMatch(/^[a-z0-9]+$/)
  })

  test('has a kind, categories and types that ECS allows', () => {
    expect(allowed('event.kind').map((value) => value.name)).toContain(kind)
    const categories = allowed('event.category')
    for (const value of category) expect(categories.map((known) => known.name)).toContain(value)
    for (const value of type) expect(allowed('event.type').map((known) => known.name)).toContain(value)
    const expected = categories
      .filter((known) => (category as readonly string[]).includes(known.name))
      .flatMap((known) => known.expected_event_types ?? [])
    // An error may concern anything, whatever ECS expects of the category.
    for (const value of type) if ((value as string) !== 'error') expect(expected).toContain(value)
  })

  test('names declared fields, none twice, none that the bus fills in', () => {
    const names: readonly string[] = [...always, ...may]
    expect(names.filter((field) => !isField(field))).toEqual([])
    expect(names.filter((field) => BASE.includes(field) || field.startsWith('related.'))).toEqual([])
    expect(new Set(always).size).toBe(always.length)
    expect(new Set(may).size).toBe(may.length)
  })
})

test('every field that is about an event is carried by one', () => {
  const carried = new Set<string>(EVENTS.flatMap(([, { always, may }]) => [...always, ...may]))
  const filledIn = (name: string) =>
    BASE.includes(name) ||
    /^(related|observer)\./.test(name) ||
    /^borescope\.(capture|frame)/.test(name) ||
    Object.hasOwn(ENRICHMENT_FIELDS, name)
  expect(Object.keys(FIELDS).filter((name) => !carried.has(name) && !filledIn(name))).toEqual([])
})
