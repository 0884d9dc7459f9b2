import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { EcsFlat } from '@elastic/ecs'
import { describe, expect, test } from 'vitest'
import { CATALOGUE } from '../../src/events/catalogue.ts'
import type { FieldDeclaration } from '../../src/events/declaration.ts'
import { type EventDocument, FIELDS, isField, nest } from '../../src/events/fields.ts'

interface EcsField {
  readonly type: string
  readonly normalize: readonly string[]
}

const ECS = EcsFlat as unknown as Readonly<Record<string, EcsField>>
const DECLARED: readonly (readonly [string, FieldDeclaration])[] = Object.entries(FIELDS)

/** ECS types that a kind of ours fits. */
const COMPATIBLE: Readonly<Record<string, readonly string[]>> = {
  keyword: ['keyword', 'constant_keyword', 'wildcard'],
  text: ['match_only_text', 'text'],
  ip: ['ip'],
  long: ['long'],
  float: ['float', 'scaled_float'],
  boolean: ['boolean'],
  date: ['date'],
}

describe('a field marked as ECS', () => {
  test.each(DECLARED.filter(([, { ecs }]) => ecs))('%s is one, of a kind that fits', (name, { kind }) => {
    const standard = ECS[name]
    expect(standard).toBeDefined()
    expect(COMPATIBLE[kind.replace('[]', '')]).toContain(standard.type)
    expect(standard.normalize.includes('array')).toBe(kind.endsWith('[]'))
  })
})

test('no name is declared by two families', async () => {
  const folder = join(import.meta.dirname, '../../src/events')
  const declared: string[] = []
  for (const file of readdirSync(folder)) {
    const families = Object.entries((await import(join(folder, file))) as object)
    for (const [name, table] of families) {
      if (/_(FIELDS|EVENTS)$/.test(name)) declared.push(...Object.keys(table as object))
    }
  }
  expect(declared.toSorted()).toEqual([...Object.keys(FIELDS), ...Object.keys(CATALOGUE)].toSorted())
})

test('a field of our own is none of ECS', () => {
  expect(DECLARED.filter(([name, { ecs }]) => !ecs && name in ECS).map(([name]) => name)).toEqual([])
})

test('no field holds both a value and further fields, neither ours nor in ECS', () => {
  const names = DECLARED.map(([name]) => name)
  const clashes = names.flatMap((name) =>
    [...names, ...Object.keys(ECS)].filter((other) => other.startsWith(`${name}.`)),
  )
  expect(clashes.filter((name) => name in FIELDS)).toEqual([])
  for (const clash of clashes) expect(ECS[clash.slice(0, clash.lastIndexOf('.'))]).toBeDefined()
})

test('names are lower case with dots and underscores, and every field is explained in a sentence', () => {
  for (const [name, { says }] of DECLARED) {
    expect(name).toMatch(/^(@timestamp|[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*)$/)
    expect(says).toMatch(/[.…]$/)
  }
})

test('a name is a field only if it is declared', () => {
  expect(isField('source.ip')).toBe(true)
  expect(isField('source.ipp')).toBe(false)
  expect(isField('toString')).toBe(false)
  expect(isField('__proto__')).toBe(false)
})

describe('nest', () => {
  const base = { '@timestamp': '2026-01-01T00:00:00.000000Z', 'event.id': 'a', 'event.action': 'x' }

  test('unfolds the dots and leaves out what is undefined', () => {
    const document: EventDocument = {
      ...base,
      'source.ip': '192.0.2.1',
      'threat.technique.subtechnique.id': ['T1110.003'],
      'related.ip': ['192.0.2.1'],
    }
    expect(nest({ ...document, 'user.name': undefined } as unknown as EventDocument)).toEqual({
      '@timestamp': '2026-01-01T00:00:00.000000Z',
      event: { id: 'a', action: 'x' },
      source: { ip: '192.0.2.1' },
      threat: { technique: { subtechnique: { id: ['T1110.003'] } } },
      related: { ip: ['192.0.2.1'] },
    })
  })

  test('keeps every declared field', () => {
    const document = Object.fromEntries(DECLARED.map(([name], i) => [name, i])) as unknown as EventDocument
    const nested = nest(document)
    for (const [i, [name]] of DECLARED.entries()) {
      const value = name.split('.').reduce<unknown>((node, part) => (node as Record<string, unknown>)[part], nested)
      expect(value).toBe(i)
    }
  })

  test('leaves the document as it is', () => {
    const document = Object.freeze({ ...base, 'source.port': 1701 })
    nest(document)
    expect(document).toEqual({ ...base, 'source.port': 1701 })
  })
})
