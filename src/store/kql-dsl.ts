/**
 * A query in the query DSL that Elasticsearch 8 and 9 and OpenSearch 2 and 3 share; it finds what `kql-predicate.ts` finds
 * in memory. Everything stands in filter context: nothing is scored, and nodes may cache it.
 *
 * It relies on how the fields are mapped: `keyword` without a normalizer, `ip`, `long`, `boolean`, `double` for a float
 * (four bytes would round), `date_nanos` (a `date` has no microseconds), `text` analysed as {@link WORDS_ANALYSIS} says; and
 * on a text field of its own, {@link WORDS_FIELD}, into which `message` and the fields of `NAME_FIELDS` are copied.
 */
import { isoMicroseconds } from '../base/time.ts'
import { FIELDS, type FieldName } from '../events/fields.ts'
import { type AddressRange, addressText, storedAddress } from './address.ts'
import type { NumberRange, QueryNode, WordTest } from './kql-tree.ts'
import { StoreError } from './search.ts'
import { prefixOf } from './wildcard.ts'
import { NOT_WORD } from './words.ts'

/** Where bare words are looked for: `copy_to` fills it, no document holds it. */
export const WORDS_FIELD = 'borescope.words'

/** The `analysis` of an index under which the words of a text are those of `words.ts`. */
export const WORDS_ANALYSIS = {
  tokenizer: { borescope_words: { type: 'pattern', pattern: NOT_WORD.source } },
  analyzer: { borescope_words: { type: 'custom', tokenizer: 'borescope_words', filter: ['lowercase'] } },
} as const

/** OpenSearch's default of `indices.query.bool.max_clause_count`, and the least that Elasticsearch computes. */
const COMPARISONS_MAX = 1024
/** Two below the least default of `indices.query.bool.max_nested_depth`, which leaves the store a `bool` of its own. */
const DEPTH_MAX = 18

/** A clause of the query DSL. */
export type Clause = Readonly<Record<string, unknown>>

/** A `bool` clause whose conditions must all hold. */
export interface Conditions {
  readonly bool: { readonly filter: readonly Clause[]; readonly must_not?: readonly Clause[] }
}

/**
 * Compiles a query for a cluster.
 *
 * @throws {StoreError} if it has more comparisons than a cluster takes, or is nested too deep
 */
export function compileDsl(query: QueryNode): Conditions {
  const compiled = allOf(flattened(query, 'and'))
  const { comparisons, depth } = measured(compiled as unknown as Clause)
  if (comparisons > COMPARISONS_MAX) {
    const hint = 'name fewer fields (a wildcard in a field name counts once for every field)'
    throw new StoreError(`the query makes ${comparisons} comparisons, a cluster takes ${COMPARISONS_MAX}: ${hint}`)
  }
  if (depth > DEPTH_MAX) {
    throw new StoreError(
      `the query has ${depth} conditions inside each other, a cluster takes ${DEPTH_MAX}: flatten it`,
    )
  }
  return compiled
}

const NOTHING: Clause = { match_none: {} }

/** The operands of a chain of one operator, however it is grouped. */
function flattened(query: QueryNode, operator: 'and' | 'or'): QueryNode[] {
  if (query.type === operator) return query.children.flatMap((child) => flattened(child, operator))
  if (query.type === 'not' && query.child.type === 'not') return flattened(query.child.child, operator)
  return [query]
}

function allOf(queries: readonly QueryNode[]): Conditions {
  const filter: Clause[] = []
  const mustNot: Clause[] = []
  for (const query of queries) {
    // Not (a or b): neither a nor b.
    if (query.type === 'not') mustNot.push(...alternatives(flattened(query.child, 'or')))
    else filter.push(compile(query))
  }
  return { bool: { filter, ...(mustNot.length === 0 ? {} : { must_not: mustNot }) } }
}

function compile(query: QueryNode): Clause {
  switch (query.type) {
    case 'and':
    case 'not':
      return { ...allOf(flattened(query, 'and')) }
    case 'or':
      return anyOf(alternatives(flattened(query, 'or')))
    default:
      return leaf(query)
  }
}

function anyOf(clauses: readonly Clause[]): Clause {
  return clauses.length === 1 ? clauses[0] : { bool: { should: clauses, minimum_should_match: 1 } }
}

/** Several values of one field are one clause: they count once, however many they are. */
function alternatives(queries: readonly QueryNode[]): Clause[] {
  const clauses: Clause[] = []
  const values = new Map<FieldName, unknown[]>()
  for (const query of queries) {
    const value = query.type === 'equals' ? termOf(query.field, query.value) : undefined
    if (query.type !== 'equals' || value === undefined) {
      clauses.push(compile(query))
      continue
    }
    const known = values.get(query.field)
    if (known !== undefined) known.push(value)
    else values.set(query.field, [value])
  }
  for (const [field, all] of values) {
    clauses.push(all.length === 1 ? { term: { [field]: all[0] } } : { terms: { [field]: all } })
  }
  return clauses
}

type Leaf = Exclude<QueryNode, { readonly type: 'and' | 'or' | 'not' }>

function leaf(query: Leaf): Clause {
  switch (query.type) {
    case 'all':
      return { match_all: {} }
    case 'exists':
      return { exists: { field: query.field } }
    case 'equals': {
      const value = termOf(query.field, query.value)
      return value === undefined ? NOTHING : { term: { [query.field]: value } }
    }
    case 'wildcard':
      return wildcard(query.field, query.parts)
    case 'range':
      return range(query.field, query.range)
    case 'network':
      return network(query.field, query)
    case 'words':
      return anyOf(query.words.map((test) => words(query.field ?? WORDS_FIELD, test)))
  }
}

/** What a long and a date_nanos hold: beyond that, and between two whole numbers, a cluster would refuse the query. */
const INT64_BOUND = 2 ** 63

function termOf(field: FieldName, value: string | number | boolean): string | number | boolean | undefined {
  if (FIELDS[field].kind !== 'long') return value
  return Number.isInteger(value) && Math.abs(value as number) < INT64_BOUND ? value : undefined
}

function wildcard(field: string, parts: readonly string[]): Clause {
  const prefix = prefixOf(parts)
  if (prefix !== null) return { prefix: { [field]: { value: prefix } } }
  return { wildcard: { [field]: { value: parts.map((part) => part.replace(/[*?\\]/g, '\\$&')).join('*') } } }
}

function range(field: FieldName, range: NumberRange): Clause {
  const { kind } = FIELDS[field]
  return kind === 'date' ? dates(field, range) : kind === 'long' ? integers(field, range) : bounded(field, range)
}

function bounded(field: FieldName, { low, lowIncluded, high, highIncluded }: NumberRange): Clause {
  return {
    range: {
      [field]: {
        ...(low === undefined ? {} : { [lowIncluded ? 'gte' : 'gt']: low }),
        ...(high === undefined ? {} : { [highIncluded ? 'lte' : 'lt']: high }),
      },
    },
  }
}

/** Bounds that no long reaches hold for every long or for none. */
function integers(field: FieldName, { low, lowIncluded, high, highIncluded }: NumberRange): Clause {
  if ((low ?? 0) >= INT64_BOUND || (high ?? 0) < -INT64_BOUND) return NOTHING
  const isLow = low !== undefined && low >= -INT64_BOUND
  const isHigh = high !== undefined && high < INT64_BOUND
  if (!isLow && !isHigh) return { exists: { field } }
  return bounded(field, {
    ...(isLow ? { low: Math.ceil(low), lowIncluded: lowIncluded || !Number.isInteger(low) } : {}),
    ...(isHigh ? { high: Math.floor(high), highIncluded: highIncluded || !Number.isInteger(high) } : {}),
  })
}

/**
 * A date_nanos lies between 1970 and 2262, and a time of ours below 2256. Bounds are microseconds of which the first is in
 * and the last is out, so that a document's nanoseconds, which a microsecond includes, change nothing.
 */
function dates(field: FieldName, { low, lowIncluded, high, highIncluded }: NumberRange): Clause {
  const first = low === undefined ? 0 : lowIncluded ? low : low + 1
  const end = high === undefined ? Number.POSITIVE_INFINITY : highIncluded ? high + 1 : high
  if (first > Number.MAX_SAFE_INTEGER || end <= 0) return NOTHING
  if (first <= 0 && end > Number.MAX_SAFE_INTEGER) return { exists: { field } }
  return {
    range: {
      [field]: {
        ...(first <= 0 ? {} : { gte: isoMicroseconds(first) }),
        ...(end > Number.MAX_SAFE_INTEGER ? {} : { lt: isoMicroseconds(end) }),
      },
    },
  }
}

function network(field: FieldName, { low, high }: AddressRange): Clause {
  if (low > high) return NOTHING
  const from = addressText(storedAddress(low))
  if (low === high) return { term: { [field]: from } }
  return { range: { [field]: { gte: from, lte: addressText(storedAddress(high)) } } }
}

function words(field: string, test: WordTest): Clause {
  if ('phrase' in test) {
    const { phrase } = test
    return phrase.length === 1 ? { term: { [field]: phrase[0] } } : { match_phrase: { [field]: phrase.join(' ') } }
  }
  const all = test.patterns.map((parts) =>
    parts.length === 1 ? { term: { [field]: parts[0] } } : wildcard(field, parts),
  )
  return all.length === 1 ? all[0] : { bool: { filter: all } }
}

interface Measure {
  readonly comparisons: number
  /** Clauses inside each other, the innermost included. */
  readonly depth: number
}

function measured(clause: Clause): Measure {
  const { bool } = clause
  if (bool === undefined) return { comparisons: 1, depth: 1 }
  const inner = Object.values(bool as Conditions['bool'])
    .filter((clauses) => Array.isArray(clauses))
    .flat()
    .map(measured)
  return {
    comparisons: inner.reduce((sum, { comparisons }) => sum + comparisons, 0),
    depth: 1 + Math.max(0, ...inner.map(({ depth }) => depth)),
  }
}
