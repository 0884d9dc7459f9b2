/**
 * The part of the query DSL that `kql-dsl.ts` writes, run over documents in memory, as a cluster runs it over fields mapped
 * as `kql-dsl.ts` says. Written from the reference of the query DSL, not from our compiler: a clause or a
 * parameter that it does not know throws.
 */
import { isIP } from 'node:net'
import { type EventDocument, FIELDS, type FieldName } from '../../src/events/fields.ts'
import { WORDS_FIELD } from '../../src/store/kql-dsl.ts'
import { NAME_FIELDS } from '../../src/store/words.ts'

type Json = Readonly<Record<string, unknown>>

/** What an index holds of a field: its values, or the words of each of its values in their order. */
interface Indexed {
  readonly type: 'keyword' | 'ip' | 'long' | 'double' | 'boolean' | 'date_nanos' | 'text'
  readonly values: readonly (string | bigint | number | boolean)[]
  readonly texts: readonly (readonly string[])[]
}

const TYPES = { float: 'double', date: 'date_nanos' } as const

/** Whether a document matches a query. */
export function matchesDsl(query: Json, document: EventDocument): boolean {
  const [[name, body], ...more] = Object.entries(query) as [string, Json][]
  if (more.length > 0) throw new Error(`a clause has one name: ${Object.keys(query)}`)
  switch (name) {
    case 'match_all':
      return true
    case 'match_none':
      return false
    case 'bool':
      return matchesBool(body, document)
    case 'exists': {
      const { field, ...unknown } = body
      refuse(unknown)
      const { values, texts } = indexed(field as string, document)
      return values.length > 0 || texts.length > 0
    }
    case 'term': {
      const [field, value] = only(body)
      return hasTerm(indexed(field, document), value)
    }
    case 'terms': {
      const [field, values] = only(body)
      const index = indexed(field, document)
      return (values as unknown[]).some((value) => hasTerm(index, value))
    }
    case 'prefix': {
      const [field, { value, ...unknown }] = only(body) as [string, Json]
      refuse(unknown)
      return terms(indexed(field, document)).some((term) => term.startsWith(value as string))
    }
    case 'wildcard': {
      const [field, { value, ...unknown }] = only(body) as [string, Json]
      refuse(unknown)
      const pattern = wildcardPattern(value as string)
      return terms(indexed(field, document)).some((term) => pattern.test(term))
    }
    case 'match_phrase': {
      const [field, text] = only(body)
      return hasPhrase(indexed(field, document), analysed(text as string))
    }
    case 'range': {
      const [field, bounds] = only(body) as [string, Json]
      return inRange(indexed(field, document), bounds)
    }
  }
  throw new Error(`unknown clause: ${name}`)
}

function matchesBool(body: Json, document: EventDocument): boolean {
  const { filter = [], must_not: mustNot = [], should = [], minimum_should_match: least, ...unknown } = body
  refuse(unknown)
  const holds = (clause: Json) => matchesDsl(clause, document)
  if ((should as Json[]).length > 0 && least !== 1) throw new Error('should without minimum_should_match only scores')
  return (
    (filter as Json[]).every(holds) &&
    !(mustNot as Json[]).some(holds) &&
    ((should as Json[]).length === 0 || (should as Json[]).some(holds))
  )
}

function refuse(unknown: Json): void {
  if (Object.keys(unknown).length > 0) throw new Error(`unknown parameters: ${Object.keys(unknown)}`)
}

function only(body: Json): [string, unknown] {
  const entries = Object.entries(body)
  if (entries.length !== 1) throw new Error(`a clause names one field: ${Object.keys(body)}`)
  return entries[0]
}

function indexed(name: string, document: EventDocument): Indexed {
  if (name === WORDS_FIELD) {
    const copied = ['message', ...NAME_FIELDS] as const
    return { type: 'text', values: [], texts: copied.flatMap((field) => listOf(document[field]).map(analysed)) }
  }
  const kind = FIELDS[name as FieldName].kind.replace('[]', '') as keyof typeof TYPES
  const type = (TYPES[kind] ?? kind) as Indexed['type']
  const values = listOf(document[name as FieldName])
  if (type === 'text') return { type, values: [], texts: values.map(analysed) }
  return { type, values: values.map((value) => stored(type, value)), texts: [] }
}

function listOf<T>(value: T | readonly T[] | undefined): readonly T[] {
  if (value === undefined) return []
  return Array.isArray(value) ? value : [value as T]
}

/** The pattern tokenizer and the lowercase filter, which lowers each character by itself. */
function analysed(text: unknown): string[] {
  const words = String(text).split(/[^\p{L}\p{N}\p{M}_]+/u)
  return words.filter((word) => word !== '').map((word) => Array.from(word, lowered).join(''))
}

function lowered(character: string): string {
  return character === 'İ' ? 'i' : character.toLowerCase()
}

function stored(type: Indexed['type'], value: unknown): string | bigint | number | boolean {
  switch (type) {
    case 'ip':
      return addressBytes(value as string)
    case 'long': {
      // The number crosses as JSON text.
      const whole = BigInt(JSON.stringify(value))
      if (whole > 2n ** 63n - 1n || whole < -(2n ** 63n)) throw new Error(`${value} is no long`)
      return whole
    }
    case 'date_nanos': {
      const [, second, fraction = ''] =
        /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$/.exec(value as string) ?? []
      if (second === undefined) throw new Error(`${value} is no strict_date_optional_time`)
      const nanos = BigInt(Date.parse(`${second}Z`)) * 1_000_000n + BigInt(fraction.padEnd(9, '0'))
      if (nanos < 0n || nanos >= 2n ** 63n) throw new Error(`${value} is outside of date_nanos`)
      return nanos
    }
    default:
      return value as string | number | boolean
  }
}

/** 128 bits, as an index holds an address of either family. */
function addressBytes(text: string): bigint {
  const family = isIP(text)
  if (family === 0) throw new Error(`${text} is no address`)
  if (family === 4) return 0xffff_0000_0000n + text.split('.').reduce((sum, octet) => sum * 256n + BigInt(octet), 0n)
  // The URL parser writes an address in one form, without dots.
  const [head, tail] = new URL(`http://[${text}]`).hostname.slice(1, -1).split('::')
  const groups = (part: string | undefined) => (part === undefined || part === '' ? [] : part.split(':'))
  const zeros = Array.from({ length: 8 - groups(head).length - groups(tail).length }, () => '0')
  const all = tail === undefined ? groups(head) : [...groups(head), ...zeros, ...groups(tail)]
  return all.reduce((sum, group) => sum * 65_536n + BigInt(`0x${group}`), 0n)
}

function hasTerm(index: Indexed, value: unknown): boolean {
  if (index.type === 'text') return index.texts.flat().includes(value as string)
  return index.values.includes(stored(index.type, value))
}

function terms({ type, values, texts }: Indexed): readonly string[] {
  if (type === 'text') return texts.flat()
  if (type !== 'keyword') throw new Error(`no patterns on ${type}`)
  return values as string[]
}

function hasPhrase({ type, texts }: Indexed, phrase: readonly string[]): boolean {
  if (type !== 'text') throw new Error(`no phrases on ${type}`)
  return texts.some((text) => text.some((_, at) => phrase.every((word, i) => text[at + i] === word)))
}

function inRange({ type, values }: Indexed, bounds: Json): boolean {
  if (type === 'keyword' || type === 'text' || type === 'boolean') throw new Error(`no ranges on ${type}`)
  const { gt, gte, lt, lte, ...unknown } = bounds
  refuse(unknown)
  return values.some(
    (value) =>
      (gt === undefined || value > stored(type, gt)) &&
      (gte === undefined || value >= stored(type, gte)) &&
      (lt === undefined || value < stored(type, lt)) &&
      (lte === undefined || value <= stored(type, lte)),
  )
}

/** `*` is any text, `?` any character, and a backslash takes the meaning of what follows. */
function wildcardPattern(text: string): RegExp {
  const source = text.replace(/\\(.)|(.)/gsu, (_, escaped: string | undefined, plain: string) => {
    if (escaped === undefined && plain === '*') return '.*'
    if (escaped === undefined && plain === '?') return '.'
    return `\\u{${(escaped ?? plain).codePointAt(0)?.toString(16)}}`
  })
  return new RegExp(`^${source}$`, 'su')
}
