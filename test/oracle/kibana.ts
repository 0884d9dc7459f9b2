/**
 * What Kibana makes of a query, by the KQL of Kibana 7 (`@cybernetex/kbn-es-query`, Apache-2.0), in the clauses that
 * `test/support/query-dsl.ts` runs: what `match`, `query_string` and date rounding mean on fields that are mapped as ours.
 */
import { createRequire } from 'node:module'
import { isoMicroseconds } from '../../src/base/time.ts'
import { FIELDS, type FieldName } from '../../src/events/fields.ts'
import { addressRange } from '../../src/store/address.ts'
import { period } from '../../src/store/dates.ts'
import { WORDS_FIELD } from '../../src/store/kql-dsl.ts'
import { lowered, NOT_WORD, wordsOf } from '../../src/store/words.ts'

type Json = Readonly<Record<string, unknown>>

interface KbnEsQuery {
  fromKueryExpression(query: string): object
  toElasticsearchQuery(tree: object, indexPattern: object): Json
}

// Its types are sources of their own, for a compiler of years ago.
const require = createRequire(import.meta.url)
const { fromKueryExpression, toElasticsearchQuery } = require('@cybernetex/kbn-es-query') as KbnEsQuery

/** A value that a cluster would refuse for this field. */
class Misfit extends Error {}

const TYPES = { keyword: 'string', text: 'string', long: 'number', float: 'number', ip: 'ip', boolean: 'boolean' }
const INDEX_PATTERN = {
  title: 'logs-borescope.*',
  fields: Object.entries(FIELDS).map(([name, { kind }]) => {
    const plain = kind.replace('[]', '') as keyof typeof TYPES | 'date'
    return { name, type: plain === 'date' ? 'date' : TYPES[plain], scripted: false }
  }),
}

/** Where ours means something else on purpose. */
export const ARGUED = {
  punctuation:
    'between spaces, what punctuation divides is looked for in a row and with its wildcards: Kibana looks for any of its words, so that 10.1.2.3 finds every event with a 10, a 1, a 2 or a 3',
  spaces: 'a wildcard does not end at a space: Kibana 7 makes two patterns of it, later versions one, as we do',
  numbers: 'on a field of names a number stays as it was typed: Kibana 7 makes 7 of 007, later versions do not',
  unicode: 'a character can be written as \\u and its number: Kibana knew that in versions before and after this one',
} as const

export interface Kibana {
  readonly clause: Json
  readonly argued: ReadonlySet<keyof typeof ARGUED>
}

/** What Kibana makes of the query, or null if it or a cluster refuses it. */
export function kibanaClause(query: string, nowUs: number): Kibana | null {
  try {
    const argued = new Set<keyof typeof ARGUED>()
    if (/\\u[0-9a-f]{4}/.test(query)) argued.add('unicode')
    const clause = translated(toElasticsearchQuery(fromKueryExpression(query), INDEX_PATTERN), nowUs, argued)
    return { clause, argued }
  } catch (error) {
    if (error instanceof Misfit || (error as Error).name === 'KQLSyntaxError') return null
    throw error
  }
}

type Argued = Set<keyof typeof ARGUED>

function translated(clause: Json, nowUs: number, argued: Argued): Json {
  const [[name, body]] = Object.entries(clause) as [string, Json][]
  switch (name) {
    case 'bool': {
      const each = (part: unknown) => [part ?? []].flat().map((one) => translated(one as Json, nowUs, argued))
      const { minimum_should_match: least, should, filter, must_not: mustNot } = body
      const not = each(mustNot)
      return should === undefined
        ? { bool: { filter: each(filter), must_not: not } }
        : { bool: { should: each(should), minimum_should_match: least } }
    }
    case 'match':
    case 'match_phrase': {
      const [[field, value]] = Object.entries(body)
      return matching(field as FieldName, value, name === 'match_phrase', argued)
    }
    case 'multi_match':
      return worded(WORDS_FIELD, String(body['query']), body['type'] === 'phrase', argued)
    case 'query_string': {
      const [field] = (body['fields'] ?? [WORDS_FIELD]) as string[]
      return patterned(field, body['query'] as string, argued)
    }
    case 'range': {
      const [[field, bounds]] = Object.entries(body) as [FieldName, Json][]
      return ranged(field, bounds, nowUs)
    }
    default:
      return clause
  }
}

function matching(field: FieldName, value: unknown, phrase: boolean, argued: Argued): Json {
  switch (FIELDS[field]?.kind) {
    case undefined:
      return { match_none: {} }
    case 'text':
      return worded(field, String(value), phrase, argued)
    case 'ip':
    case 'ip[]': {
      const text = String(value)
      const network = addressRange(text)
      if (network === null) throw new Misfit()
      if (!text.includes('/')) return { term: { [field]: text } }
      return { range: { [field]: { gte: colons(network.low), lte: colons(network.high) } } }
    }
    case 'long':
      return Number.isInteger(numeric(value)) && Math.abs(numeric(value)) < 2 ** 63
        ? { term: { [field]: numeric(value) } }
        : { match_none: {} }
    case 'float':
      return { term: { [field]: numeric(value) } }
    case 'boolean':
      if (String(value) !== 'true' && String(value) !== 'false') throw new Misfit()
      return { term: { [field]: String(value) === 'true' } }
    default:
      if (typeof value === 'number') argued.add('numbers')
      return { term: { [field]: String(value) } }
  }
}

/** A bound between two whole numbers is the next one inside; one of more than 64 bits is an error. */
function between(operator: string, bound: number): [string, number] {
  if (Math.abs(bound) >= 2 ** 63) throw new Misfit()
  if (Number.isInteger(bound)) return [operator, bound]
  return operator[0] === 'l' ? ['lte', Math.floor(bound)] : ['gte', Math.ceil(bound)]
}

function colons(key: string): string {
  return (key.match(/.{4}/g) as string[]).join(':')
}

function numeric(value: unknown): number {
  const number = value === '' ? Number.NaN : Number(value)
  if (!Number.isFinite(number)) throw new Misfit()
  return number
}

function worded(field: string, text: string, phrase: boolean, argued: Argued): Json {
  const words = wordsOf(text)
  if (words.length === 0) throw new Misfit()
  if (!phrase && words.length !== text.trim().split(/\s+/).length) argued.add('punctuation')
  if (phrase) return { match_phrase: { [field]: text } }
  return { bool: { should: words.map((word) => ({ term: { [field]: word } })), minimum_should_match: 1 } }
}

/** A query_string in which Kibana escaped everything but stars. */
function patterned(field: string, text: string, argued: Argued): Json {
  if (text === '*') return { match_all: {} }
  const kind = FIELDS[field as FieldName]?.kind ?? 'text'
  const isText = kind === 'text'
  if (!isText && !kind.startsWith('keyword')) throw new Misfit()
  const pieces = text.split(/\s+/)
  if (!isText && pieces.length > 1) argued.add('spaces')
  if (isText && pieces.some((piece) => NOT_WORD.test(piece.replaceAll('*', '')))) argued.add('punctuation')
  const should = pieces.map((piece) => {
    const pattern = piece.replace(/\\(.)|(\*)|(.)/gsu, (_, escaped, star, plain) => star ?? reserved(escaped ?? plain))
    return { wildcard: { [field]: { value: isText ? lowered(pattern) : pattern } } }
  })
  return { bool: { should, minimum_should_match: 1 } }
}

function reserved(character: string): string {
  return /[*?\\]/.test(character) ? `\\${character}` : character
}

function ranged(field: FieldName, bounds: Json, nowUs: number): Json {
  const { kind } = FIELDS[field]
  if (kind.startsWith('keyword') || kind === 'text' || kind === 'boolean') throw new Misfit()
  const entries = Object.entries(bounds).map(([operator, value]) => {
    if (kind === 'ip' || kind === 'ip[]') {
      const network = addressRange(String(value))
      if (network === null || String(value).includes('/')) throw new Misfit()
      return [operator, String(value)]
    }
    if (kind === 'long') return between(operator, numeric(value))
    if (kind === 'float') return [operator, numeric(value)]
    const named = period(String(value), nowUs)
    if (named === null || named.fromUs < 0 || named.untilUs > Number.MAX_SAFE_INTEGER) throw new Misfit()
    // To the last nanosecond for gt and lte, to the first for gte and lt (Elasticsearch, range query, date math).
    const up = operator === 'gt' || operator === 'lte'
    return [operator, isoMicroseconds(up ? named.untilUs - 1 : named.fromUs).replace('Z', up ? '999Z' : '000Z')]
  })
  return { range: { [field]: Object.fromEntries(entries) } }
}
