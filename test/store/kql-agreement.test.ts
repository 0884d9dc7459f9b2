import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { EventDocument } from '../../src/events/fields.ts'
import { Codec, insertEvent } from '../../src/store/codec.ts'
import { parseQuery } from '../../src/store/kql.ts'
import { compileDsl } from '../../src/store/kql-dsl.ts'
import { compilePredicate } from '../../src/store/kql-predicate.ts'
import { compileSql, registerFunctions } from '../../src/store/kql-sql.ts'
import { createIndexes, createSchema, ENTER_SPANS, numberFields, readNumbering } from '../../src/store/layout.ts'
import { matchesDsl } from '../support/query-dsl.ts'
import { document, START_US } from './documents.ts'
import { documents, queries } from './random-queries.ts'

describe('a query', () => {
  test('finds the same in memory, in SQL and in the query DSL, over random documents and random queries', () => {
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
            const compiled = { ...compileDsl(query) }
            const matching = docs.flatMap((one, i) => (matchesDsl(compiled, one) ? [i + 1] : []))
            if (String(matching) !== String(expected))
              throw new Error(`${JSON.stringify(text)}: DSL ${matching}, predicate ${expected}`)
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

  test('is bounded in depth in SQL where it is long', () => {
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
  createIndexes(database)
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
  database.prepare(ENTER_SPANS).run(0)
  const find = (text: string) => {
    const { where, parameters } = compileSql(parseQuery(text, START_US), numbering)
    const rows = database.prepare(`SELECT e.id FROM events e WHERE ${where} ORDER BY e.id`).all(...parameters)
    return rows.map((row) => row['id'])
  }
  return { database, find }
}
