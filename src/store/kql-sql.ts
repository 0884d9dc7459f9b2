/** A query as a condition on the tables of the embedded store; it finds what `kql-predicate.ts` finds in memory. */
import type { DatabaseSync } from 'node:sqlite'
import { type FieldName, FIELDS } from '../events/fields.ts'
import { storedRange } from './address.ts'
import { type JsonAddress, storedJsonAddress } from './codec.ts'
import { jsonSql, scalarSql } from './field-sql.ts'
import { isKeyed, KEY_MARKS, keyRanges, textKey } from './keys.ts'
import { textsTest } from './kql-predicate.ts'
import type { NumberRange, QueryNode, WordTest } from './kql-tree.ts'
import { homeOf, type Numbering, repetition, SPAN, type SqlValue, TALKERS } from './layout.ts'
import { isList } from './values.ts'
import { globOf, matchesWildcard, prefixOf } from './wildcard.ts'
import { wordsOf } from './words.ts'

export interface Condition {
  /** A condition on `events e`. */
  readonly where: string
  readonly parameters: SqlValue[]
}

/**
 * Compiles a query for a file with this numbering of its fields.
 *
 * @param isWide that most events are of the time that is asked for, so that the index of times finds nothing faster
 */
export function compileSql(query: QueryNode, numbering: Numbering, isWide = false): Condition {
  const compiler = new Compiler(numbering, isWide)
  const where = compiler.compile(query)
  return { where, parameters: compiler.parameters }
}

/**
 * What SQL cannot say. GLOB ends at a NUL character, which a hostile name may well contain; of texts only the message
 * is in the full-text index; and addresses in lists are not always in the form in which they are compared.
 */
export function registerFunctions(database: DatabaseSync): void {
  database.function('matches_wildcard', { deterministic: true }, (value, pattern) =>
    typeof value === 'string' && matchesWildcard(value, JSON.parse(pattern as string)) ? 1 : 0,
  )
  database.function('has_words', { deterministic: true }, (value, tests) =>
    typeof value === 'string' && textsTest(JSON.parse(tests as string))([wordsOf(value).join(' ')]) ? 1 : 0,
  )
  database.function('stored_address', { deterministic: true }, (value) => storedJsonAddress(value as JsonAddress))
}

class Compiler {
  readonly parameters: SqlValue[] = []
  readonly #numbering: Numbering

  readonly #isWide: boolean

  constructor(numbering: Numbering, isWide: boolean) {
    this.#numbering = numbering
    this.#isWide = isWide
  }

  compile(query: QueryNode): string {
    switch (query.type) {
      case 'all':
        return '1'
      case 'and':
        return balanced(
          query.children.map((child) => this.compile(child)),
          ' AND ',
        )
      case 'or':
        return balanced(this.#alternatives(query.children), ' OR ')
      case 'not':
        // A missing field makes a comparison NULL, and what is not true is what the user means.
        return `(${this.compile(query.child)}) IS NOT TRUE`
      case 'exists':
        return this.#exists(query.field)
      case 'equals':
        return this.#either(query.field, [sqlValue(query.value)])
      case 'wildcard':
        return this.#found(query.field, this.#keysFrom(query.field, query.parts[0]), () =>
          this.#onField(query.field, (value) => this.#wildcard(value, query.parts)),
        )
      case 'range':
        return this.#onField(query.field, (value) => this.#range(value, query.range))
      case 'network':
        return this.#network(query.field, query.low, query.high)
      case 'words': {
        const { field, words } = query
        if (field !== null && field !== 'message') {
          return this.#onField(field, (value) => `has_words(${value}, ${this.#bind(JSON.stringify(words))})`)
        }
        return balanced(
          words.map((test) => this.#words(field, test)),
          ' OR ',
        )
      }
    }
  }

  /** Several values of one field are one look-up. */
  #alternatives(queries: readonly QueryNode[]): string[] {
    const values = new Map<FieldName, (string | number)[]>()
    const others: QueryNode[] = []
    for (const query of queries) {
      if (query.type !== 'equals') others.push(query)
      else if (!values.get(query.field)?.push(sqlValue(query.value))) values.set(query.field, [sqlValue(query.value)])
    }
    const conditions = others.map((query) => this.compile(query))
    for (const [field, all] of values) conditions.push(this.#either(field, all))
    return conditions
  }

  /** That the field has one of the values. */
  #either(field: FieldName, values: readonly (string | number)[]): string {
    const keys = isKeyed(field) ? [...new Set(values.map((value) => textKey(String(value))))] : null
    return this.#found(field, keys === null ? null : () => [this.#oneOf(keys)], () =>
      this.#onField(field, (value) => `${value} ${this.#oneOf(values)}`),
    )
  }

  #oneOf(values: readonly (string | number)[]): string {
    if (values.length === 1) return `= ${this.#bind(values[0])}`
    return `IN (${values.map((value) => this.#bind(value)).join(', ')})`
  }

  /** The keys of texts that begin so; null if there is no beginning, or the field has no keys. */
  #keysFrom(field: FieldName, beginning: string): (() => string[]) | null {
    if (beginning === '' || !isKeyed(field)) return null
    const first = textKey(beginning)
    return () => [`BETWEEN ${this.#bind(first)} AND ${this.#bind(`${first}\u{10ffff}`)}`]
  }

  /**
   * A condition that holds only for events with certain keys (null if it has none): those are looked up first. For a talker
   * its index is faster, in which each span is looked at.
   */
  #found(field: FieldName, keys: (() => string[]) | null, condition: () => string): string {
    if ((TALKERS as readonly FieldName[]).includes(field)) {
      return `(${SPAN} IN (SELECT s.span FROM spans s) AND ${condition()})`
    }
    if (keys === null) return condition()
    // Not one query with OR: that table numbers the rows of each look-up from 1, and SQLite would take them for the same.
    const lookups = keys().map((one) => `SELECT p.doc FROM words_places p WHERE p.term ${one}`)
    return `(e.id IN (${lookups.join(' UNION ALL ')}) AND ${condition()})`
  }

  #bind(value: SqlValue): string {
    this.parameters.push(value)
    return '?'
  }

  /** A condition on the value of a field, wherever it lives; on a list, that an element meets it. */
  #onField(field: FieldName, condition: (value: string) => string): string {
    if (!this.#numbering.has(field)) return '0'
    if (!isList(field)) {
      const value = scalarSql(field, this.#numbering)
      return this.#where(
        field,
        comparable(field, condition)(this.#isWide && field === '@timestamp' ? `+${value}` : value),
      )
    }
    const element =
      FIELDS[field].kind === 'ip[]' ? "iif(j.type = 'integer', j.value, stored_address(j.value))" : 'j.value'
    const repeated = repetition(field)
    const columns = repeated?.of.map((one) => `(${condition(`e."${one}"`)})`)
    const kept = `EXISTS (SELECT 1 FROM json_each(${jsonSql(field, this.#numbering)}) j WHERE ${condition(element)})`
    if (repeated === null || columns === undefined) return this.#where(field, kept)
    return `iif(e.repeats & ${repeated.bit}, ${columns.join(' OR ')}, ${kept})`
  }

  #exists(field: FieldName): string {
    if (!this.#numbering.has(field)) return '0'
    if (!isList(field)) return this.#where(field, `(${scalarSql(field, this.#numbering)} IS NOT NULL)`)
    const kept = this.#where(field, `json_array_length(${jsonSql(field, this.#numbering)}) > 0`)
    const repeated = repetition(field)
    return repeated === null ? kept : `(e.repeats & ${repeated.bit} OR ${kept})`
  }

  /** A condition on what events share is asked once for each combination. */
  #where(field: FieldName, condition: string): string {
    return homeOf(field) === 'common' ? `e.common IN (SELECT c.id FROM commons c WHERE ${condition})` : condition
  }

  /** A prefix is a range, which an index can serve; anything else is compared value by value. */
  #wildcard(value: string, parts: readonly string[]): string {
    const prefix = prefixOf(parts)
    if (prefix !== null) {
      const after = successor(prefix)
      const from = `${value} >= ${this.#bind(prefix)}`
      return after === null ? from : `${from} AND ${value} < ${this.#bind(after)}`
    }
    const exact = `matches_wildcard(${value}, ${this.#bind(JSON.stringify(parts))})`
    if (parts.some((part) => part.includes('\0'))) return exact
    return `CASE WHEN instr(${value}, char(0)) THEN ${exact} ELSE ${value} GLOB ${this.#bind(globOf(parts))} END`
  }

  #range(value: string, { low, lowIncluded, high, highIncluded }: NumberRange): string {
    const sides: string[] = []
    if (low !== undefined) sides.push(`${value} ${lowIncluded ? '>=' : '>'} ${this.#bind(low)}`)
    if (high !== undefined) sides.push(`${value} ${highIncluded ? '<=' : '<'} ${this.#bind(high)}`)
    return sides.join(' AND ')
  }

  #network(field: FieldName, low: string, high: string): string {
    const stored = storedRange({ low, high })
    const families = [stored.v4, stored.v6].filter((range) => range !== null)
    if (families.length === 0) return '0'
    const ranges = keyRanges(stored)
    const keys = ranges === null ? null : () => ranges.map(([from, to]) => this.#between(from, to))
    return this.#found(field, keys, () =>
      this.#onField(field, (value) => families.map(([from, to]) => `${value} ${this.#between(from, to)}`).join(' OR ')),
    )
  }

  #between(from: SqlValue, to: SqlValue): string {
    return from === to ? `= ${this.#bind(from)}` : `BETWEEN ${this.#bind(from)} AND ${this.#bind(to)}`
  }

  #words(field: 'message' | null, test: WordTest): string {
    if ('phrase' in test) return this.#match(field, `"${test.phrase.join(' ')}"`)
    const all = test.patterns.map((parts) => {
      if (parts.length === 1) return this.#match(field, `"${parts[0]}"`)
      const prefix = prefixOf(parts)
      return prefix === null ? this.#vocabulary(field, parts) : this.#match(field, `"${prefix}" *`)
    })
    return `(${all.join(' AND ')})`
  }

  #match(field: 'message' | null, expression: string): string {
    const query = field === null ? expression : `{${field}} : ${expression}`
    return `e.id IN (SELECT w.rowid FROM words w WHERE w.words MATCH ${this.#bind(query)})`
  }

  /** The distinct words are few beside the events: they are scanned, and only the matching ones looked up. */
  #vocabulary(field: 'message' | null, parts: readonly string[]): string {
    const column = field === null ? '' : ` AND p.col = '${field}'`
    return (
      'e.id IN (SELECT p.doc FROM words_vocabulary v CROSS JOIN words_places p ON p.term = v.term ' +
      `WHERE v.term GLOB ${this.#bind(globOf(parts))} AND ${NO_KEY}${column})`
    )
  }
}

const NO_KEY = `substr(v.term, 1, 1) NOT IN ('${KEY_MARKS.join("', '")}')`

/** JSON.stringify writes the shortest digits that give a number back, and SQLite would read those as 64 exact bits. */
function comparable(field: FieldName, condition: (value: string) => string): (value: string) => string {
  const { kind } = FIELDS[field]
  const isInexact = homeOf(field) !== 'column' && (kind === 'long' || kind === 'float')
  return (value) => `(${condition(isInexact ? `CAST(${value} AS REAL)` : value)})`
}

function sqlValue(value: string | number | boolean): string | number {
  return typeof value === 'boolean' ? Number(value) : value
}

/** Joined by halves: SQLite bounds the depth of an expression, and a plain chain is as deep as it is long. */
function balanced(terms: readonly string[], operator: string): string {
  if (terms.length === 1) return terms[0]
  const middle = terms.length >> 1
  return `(${balanced(terms.slice(0, middle), operator)}${operator}${balanced(terms.slice(middle), operator)})`
}

/** The least text above everything that begins with the prefix, in the order of UTF-8 bytes; null if there is none. */
function successor(prefix: string): string | null {
  const points = Array.from(prefix, (character) => character.codePointAt(0) as number)
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    if (last === 0x10ffff) continue
    // Surrogates are no characters of UTF-8.
    return String.fromCodePoint(...points, last === 0xd7ff ? 0xe000 : last + 1)
  }
  return null
}
