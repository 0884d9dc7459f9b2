/** A query as a condition on the tables of the embedded store; it finds what `kql-predicate.ts` finds in memory. */
import type { DatabaseSync } from 'node:sqlite'
import { type FieldName, FIELDS } from '../events/fields.ts'
import { storedRange } from './address.ts'
import { textsTest } from './kql-predicate.ts'
import type { NumberRange, QueryNode, WordTest } from './kql-tree.ts'
import { homeOf, type Numbering, type SqlValue } from './layout.ts'
import { isList } from './values.ts'
import { globOf, matchesWildcard, prefixOf } from './wildcard.ts'
import { wordsOf } from './words.ts'

export interface Condition {
  /** A condition on `events e`. */
  readonly where: string
  readonly parameters: SqlValue[]
}

/** Compiles a query for a file with this numbering of its fields. */
export function compileSql(query: QueryNode, numbering: Numbering): Condition {
  const compiler = new Compiler(numbering)
  const where = compiler.compile(query)
  return { where, parameters: compiler.parameters }
}

/**
 * What SQL cannot say. GLOB ends at a NUL character, which a hostile name may well contain; and of texts only the message
 * is in the full-text index.
 */
export function registerFunctions(database: DatabaseSync): void {
  database.function('matches_wildcard', { deterministic: true }, (value, pattern) =>
    typeof value === 'string' && matchesWildcard(value, JSON.parse(pattern as string)) ? 1 : 0,
  )
  database.function('has_words', { deterministic: true }, (value, tests) =>
    typeof value === 'string' && textsTest(JSON.parse(tests as string))([wordsOf(value).join(' ')]) ? 1 : 0,
  )
}

class Compiler {
  readonly parameters: SqlValue[] = []
  readonly #numbering: Numbering

  constructor(numbering: Numbering) {
    this.#numbering = numbering
  }

  compile(query: QueryNode): string {
    switch (query.type) {
      case 'all':
        return '1'
      case 'and':
      case 'or':
        return balanced(
          query.children.map((child) => this.compile(child)),
          query.type === 'and' ? ' AND ' : ' OR ',
        )
      case 'not':
        // A missing field makes a comparison NULL, and what is not true is what the user means.
        return `(${this.compile(query.child)}) IS NOT TRUE`
      case 'exists':
        return this.#exists(query.field)
      case 'equals':
        return this.#onField(query.field, (value) => `${value} = ${this.#bind(sqlValue(query.value))}`)
      case 'wildcard':
        return this.#onField(query.field, (value) => this.#wildcard(value, query.parts))
      case 'range':
        return this.#onField(query.field, (value) => this.#range(value, query.range))
      case 'network':
        return this.#onField(query.field, (value) => this.#network(value, query.low, query.high))
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

  #bind(value: SqlValue): string {
    this.parameters.push(value)
    return '?'
  }

  /** A condition on the value of a field, wherever it lives; on a list, that an element meets it. */
  #onField(field: FieldName, condition: (value: string) => string): string {
    const number = this.#numbering.get(field)
    if (number === undefined) return '0'
    switch (homeOf(field)) {
      case 'column':
        return `(${condition(`e."${field}"`)})`
      case 'common':
        return `e.common IN (SELECT c.id FROM commons c WHERE ${inJson('c.fields', field, number, condition)})`
      case 'rest':
        return inJson('e.rest', field, number, condition)
      case 'terms':
        return `e.id IN (SELECT t.event FROM terms t WHERE t.field = ${number} AND (${condition('t.value')}))`
      case 'addresses':
        return `e.id IN (SELECT a.event FROM addresses a WHERE a.field = ${number} AND (${condition('a.value')}))`
    }
  }

  #exists(field: FieldName): string {
    const number = this.#numbering.get(field)
    if (number === undefined) return '0'
    const home = homeOf(field)
    if (home === 'column') return `e."${field}" IS NOT NULL`
    const json = home === 'common' ? 'c.fields' : 'e.rest'
    const path = `${json}, '$."${number}"'`
    const exists = isList(field) ? `json_array_length(${path}) > 0` : `json_extract(${path}) IS NOT NULL`
    return home === 'common' ? `e.common IN (SELECT c.id FROM commons c WHERE ${exists})` : exists
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

  #network(value: string, low: string, high: string): string {
    const families: string[] = []
    const { v4, v6 } = storedRange({ low, high })
    for (const range of [v4, v6]) {
      if (range === null) continue
      const [from, to] = range
      families.push(
        from === to ? `${value} = ${this.#bind(from)}` : `${value} BETWEEN ${this.#bind(from)} AND ${this.#bind(to)}`,
      )
    }
    return families.length === 0 ? '0' : families.join(' OR ')
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
      `WHERE v.term GLOB ${this.#bind(globOf(parts))}${column})`
    )
  }
}

function inJson(json: string, field: FieldName, number: number, condition: (value: string) => string): string {
  if (isList(field)) {
    return `EXISTS (SELECT 1 FROM json_each(${json}, '$."${number}"') j WHERE ${condition('j.value')})`
  }
  const value = `json_extract(${json}, '$."${number}"')`
  const { kind } = FIELDS[field]
  // JSON.stringify writes the shortest digits that give the number back, and SQLite would read those as 64 exact bits.
  return `(${condition(kind === 'long' || kind === 'float' ? `CAST(${value} AS REAL)` : value)})`
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
