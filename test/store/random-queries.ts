/** Random documents and queries that fit each other, for comparing ways of running a query. */
import fc from 'fast-check'
import { isoMicroseconds } from '../../src/base/time.ts'
import { type EventDocument, FIELDS, type FieldName } from '../../src/events/fields.ts'
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
  'error.message',
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
    'ΑΣ',
    'ας',
    'İi',
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

export const documents = fc
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
export const { query: queries } = fc.letrec<{ query: string }>((tie) => ({
  query: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    fc
      .tuple(tie('query'), fc.constantFrom('and', 'or', 'AND NOT'), tie('query'))
      .map(([a, op, b]) => `(${a}) ${op} (${b})`),
    tie('query').map((query) => `not (${query})`),
  ),
}))
