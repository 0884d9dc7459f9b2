import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isoMicroseconds } from '../../src/base/time.ts'
import { type EventDocument, FIELDS, type FieldName } from '../../src/events/fields.ts'
import { parseQuery } from '../../src/store/kql.ts'
import { compilePredicate } from '../../src/store/kql-predicate.ts'
import { compileSql, registerFunctions } from '../../src/store/kql-sql.ts'
import { Codec, createSchema, insertEvent, numberFields, readNumbering } from '../../src/store/layout.ts'
import { document, START_US } from './documents.ts'

/** One field of every kind in every home. */
const USED = [
  'event.action',
  'event.category',
  'event.severity',
  'event.start',
  'event.risk_score',
  'source.ip',
  'source.port',
  'user.name',
  'message',
  'related.ip',
  'related.user',
  'borescope.lineage',
  'l2tp.tunnel.adopted',
  'l2tp.message.ns',
  'l2tp.error.message',
  'ppp.compression',
  'ppp.dns',
  'l2tp.version',
  'threat.technique.id',
] as const satisfies readonly FieldName[]

/** Few and similar values, so that queries hit; among them what SQL, GLOB, JSON and FTS treat in a special way. */
const texts = fc.oneof(
  fc.constantFrom(
    'a',
    'A',
    'ab',
    'abc',
    'b',
    '',
    'a b',
    'b a',
    'a*',
    '*',
    '?',
    '[a]',
    "a'b",
    '"a"',
    'a\0b',
    '\0',
    'é',
    'É',
  ),
  fc.constantFrom(
    '5',
    'true',
    'null',
    'a.b',
    'a_b',
    'and',
    'or',
    'x not',
    'a:b',
    '\\',
    'a\\b',
    '{a}',
    '(b)',
    '%',
    '😀',
    '\ue000',
  ),
  fc.string({
    unit: fc.constantFrom('a', 'b', ' ', '*', '\0', '_', '-', 'ß', '😀', '\ud7ff', '\uffff', '\u{10ffff}'),
    maxLength: 5,
  }),
)
const addresses = fc.constantFrom(
  ...['10.0.0.1', '10.0.0.2', '10.255.0.1', '0.0.0.0', '255.255.255.255', '::', '::1', '2001:db8::1', '2001:DB8:0::1'],
  ...['::ffff:10.0.0.1', '::ffff:0:1', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '::fffe:ffff:ffff', '::1:0:0:0'],
)
const networks = fc.oneof(
  addresses,
  fc.constantFrom(
    '10.0.0.0/8',
    '10.0.0.0/31',
    '0.0.0.0/0',
    '::/0',
    '2001:db8::/32',
    '::ffff:0:0/96',
    '::/80',
    '::fffe:0:0/95',
  ),
)
const numbers = fc.constantFrom(0, -0, 1, 5, 1701, -3, 2 ** 31, 2 ** 53, 2 ** 62, 1.7e18)
const instants = fc.integer({ min: 0, max: 5 }).map((i) => isoMicroseconds(START_US + i * 43_200_000_000))
const dates = fc.oneof(
  instants,
  fc.constantFrom('2026', '2026-03', '2026-03-02', '2026-03-01T12', 'now', 'now-1d/d', '2026-03-02||+12h'),
)

function valuesFor(field: FieldName): fc.Arbitrary<unknown> {
  switch (FIELDS[field].kind) {
    case 'keyword':
    case 'text':
      return texts
    case 'keyword[]':
      return fc.array(texts, { maxLength: 3 })
    case 'ip':
      return addresses
    case 'ip[]':
      return fc.array(addresses, { maxLength: 3 })
    case 'long':
      return numbers
    case 'float':
      return fc.oneof(numbers, fc.constantFrom(0.5, -1.25))
    case 'date':
      return instants
    case 'boolean':
      return fc.boolean()
  }
}

const documents = fc
  .record(Object.fromEntries(USED.map((field) => [field, fc.option(valuesFor(field), { nil: undefined })])))
  .map((fields) => document('', fields as Partial<EventDocument>))

const quoted = (text: string) => `"${text.replace(/["\\]/g, '\\$&')}"`
const escaped = (text: string) => text.replace(/[\\():<>"*{}]/g, '\\$&')
const unquoted = texts.filter((text) => text.trim() !== '' && !/\b(and|or|not)\b/.test(text)).map(escaped)
const wild = fc.tuple(texts, fc.constantFrom('*', '**'), texts).map(([a, star, b]) => {
  const inner = (text: string) => escaped(text.replace(/\s|and|or|not/g, ''))
  return `${inner(a)}${star}${inner(b)}`
})
const words = fc.oneof(texts.map(quoted), unquoted, wild)

function literalOf(field: FieldName): fc.Arbitrary<string> {
  const kind = FIELDS[field].kind
  if (kind.startsWith('ip')) return networks
  if (kind === 'long' || kind === 'float') return fc.oneof(numbers.map(String), fc.constant('0.5'))
  if (kind === 'date') return dates
  if (kind === 'boolean') return fc.constantFrom('true', 'false')
  return words
}

const isRanged = (field: FieldName) => /^(ip|long|float|date)/.test(FIELDS[field].kind)
const operators = fc.constantFrom(' < ', ' <= ', '>', '>=')
const fieldTerm = fc.constantFrom(...USED).chain((field) => {
  const literal = literalOf(field)
  const one = literal.map((value) => `${field}: ${value}`)
  const list = fc.tuple(literal, fc.constantFrom('and', 'or', 'and not'), literal)
  const forms = [one, one, list.map(([a, op, b]) => `${field}: (${a} ${op} ${b})`), fc.constant(`${field}: *`)]
  if (isRanged(field)) forms.push(fc.tuple(operators, literal).map(([op, value]) => `${field}${op}${value}`))
  return fc.oneof(...forms)
})
const anyField = fc.tuple(fc.constantFrom('*', 'l2tp.*', '*.ip', 'event.*', '*.id'), words)
const leaf = fc.oneof(
  { weight: 6, arbitrary: fieldTerm },
  words,
  anyField.map(([field, value]) => `${field}: ${value}`),
)
const { query: queries } = fc.letrec<{ query: string }>((tie) => ({
  query: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    fc
      .tuple(tie('query'), fc.constantFrom('and', 'or', 'AND NOT'), tie('query'))
      .map(([a, op, b]) => `(${a}) ${op} (${b})`),
    tie('query').map((query) => `not (${query})`),
  ),
}))

describe('a query in SQL', () => {
  test('finds what the predicate finds, over random documents and random queries', () => {
    let hits = 0
    let asked = 0
    fc.assert(
      fc.property(
        fc.array(documents, { minLength: 6, maxLength: 12 }),
        fc.array(queries, { minLength: 20, maxLength: 20 }),
        (contents, asks) => {
          const docs = contents.map((one, i) => ({ ...one, 'event.id': `id${i}` }))
          const { database, find } = storeOf(docs)
          for (const text of asks) {
            let query: ReturnType<typeof parseQuery>
            try {
              query = parseQuery(text, START_US)
            } catch {
              continue
            }
            const matches = compilePredicate(query)
            const expected = docs.flatMap((one, i) => (matches(one) ? [i + 1] : []))
            const found = find(text)
            if (String(found) !== String(expected))
              throw new Error(`${JSON.stringify(text)}: SQL ${found}, predicate ${expected}`)
            asked++
            if (expected.length > 0 && expected.length < docs.length) hits++
          }
          database.close()
        },
      ),
      { numRuns: 250, seed: 20260301 },
    )
    // The generator is worth something only if most queries are valid and many of them divide the documents.
    expect(asked).toBeGreaterThan(4000)
    expect(hits).toBeGreaterThan(1500)
  })

  test('is bounded in depth where the query is long', () => {
    const { database, find } = storeOf([document('x', { 'source.port': 7 })])
    const ports = Array.from({ length: 1500 }, (_, i) => i)
    expect(find(`source.port: (${ports.join(' or ')})`)).toEqual([1])
    expect(
      find(
        ports
          .map((port) => `l2tp.message.ns: ${port}`)
          .slice(0, 600)
          .join(' and '),
      ),
    ).toEqual([])
    database.close()
  })
})

function storeOf(docs: readonly EventDocument[]) {
  const database = new DatabaseSync(':memory:')
  createSchema(database)
  numberFields(database)
  registerFunctions(database)
  const numbering = readNumbering(database)
  const codec = new Codec(numbering)
  const insert = insertEvent(database)
  for (const one of docs) {
    const encoded = codec.encode(one)
    if (typeof encoded === 'string') throw new Error(encoded)
    insert(encoded)
  }
  const find = (text: string) => {
    const { where, parameters } = compileSql(parseQuery(text, START_US), numbering)
    const rows = database.prepare(`SELECT e.id FROM events e WHERE ${where} ORDER BY e.id`).all(...parameters)
    return rows.map((row) => row['id'])
  }
  return { database, find }
}
