import { describe, expect, test } from 'vitest'
import { CATALOGUE, type EventName } from '../../../src/events/catalogue.ts'
import { FIELDS, isField } from '../../../src/events/fields.ts'
import { leavesOf, MAPPED_MAX, mappedCount, mappingOf, STREAMS } from '../../../src/store/cluster/mapping.ts'
import { WORDS_FIELD } from '../../../src/store/kql-dsl.ts'
import { NAME_FIELDS } from '../../../src/store/words.ts'

const ALL = { dataStreams: true, words: true, constantKeyword: true }
const NONE = { dataStreams: false, words: false, constantKeyword: false }

test('every event has a stream, and there it may carry each of its fields', () => {
  for (const name of Object.keys(CATALOGUE) as EventName[]) {
    const { dataset, kind, always, may } = CATALOGUE[name]
    const stream = STREAMS.get(`${kind === 'metric' ? 'metrics' : 'logs'}-borescope.${dataset}`)
    expect([...always, ...may].filter((field) => stream?.fields.has(field) !== true)).toEqual([])
  }
})

describe.each([...STREAMS])('%s', (key, stream) => {
  test('has a name that a data stream may have', () => {
    expect(key).toMatch(/^(logs|metrics)-borescope\.[a-z0-9]+$/)
  })

  test.each([
    ['everything', ALL],
    ['nothing', NONE],
  ] as const)('is mapped where a server can do %s', (_, abilities) => {
    const mapping = mappingOf(stream, abilities)
    const { properties } = mapping
    expect(mapping).toMatchObject({ dynamic: false, date_detection: false })
    expect(mappedCount(properties)).toBeLessThan(MAPPED_MAX)
    const leaves = leavesOf(properties)
    for (const field of stream.fields) expect(leaves.has(field)).toBe(true)
    const added = [...leaves.keys()].filter((name) => !isField(name) || !stream.fields.has(name))
    expect(added.sort()).toEqual([
      'borescope.store.order',
      'borescope.store.time_us',
      WORDS_FIELD,
      'data_stream.dataset',
      'data_stream.namespace',
      'data_stream.type',
    ])
  })
})

test('a field is mapped as its kind asks for', () => {
  const { properties } = mappingOf(STREAMS.get('logs-borescope.ppp') as never, ALL)
  const leaves = leavesOf(properties)
  const types = { date: 'date_nanos', float: 'double', ip: 'ip', long: 'long', boolean: 'boolean', text: 'text' }
  for (const [name, type] of leaves) {
    if (!isField(name)) continue
    const kind = FIELDS[name].kind.replace('[]', '')
    expect({ name, type }).toEqual({ name, type: types[kind as keyof typeof types] ?? 'keyword' })
  }
  const at = (name: string) =>
    name
      .split('.')
      .reduce<Record<string, never>>((node, part) => node[part]?.['properties'] ?? node[part], properties as never)
  expect(at('user.name')).toMatchObject({ ignore_above: 8191, copy_to: WORDS_FIELD })
  expect(at('message')).toMatchObject({ norms: false, analyzer: 'borescope_words', copy_to: WORDS_FIELD })
  expect(at('event.dataset')).not.toHaveProperty('copy_to')
  expect(NAME_FIELDS).toContain('user.name')
})
