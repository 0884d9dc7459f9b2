/** Random queries over random documents: a live server finds what the predicate finds in memory. */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseQuery } from '../../../src/store/kql.ts'
import { compileDsl } from '../../../src/store/kql-dsl.ts'
import { compilePredicate } from '../../../src/store/kql-predicate.ts'
import { QueryError } from '../../../src/store/query-error.ts'
import { unavailable } from '../../support/servers/servers.ts'
import { idsOf } from '../contract.ts'
import { documents, queries } from '../random-queries.ts'
import { LiveStores } from './live.ts'

const DOCUMENTS = fc
  .sample(documents, { numRuns: 120, seed: 20260301 })
  .map((one, i) => ({ ...one, 'event.id': `id${String(i).padStart(3, '0')}` }))

/** Without those that the clock decides, and those that no store is asked. */
const QUERIES = fc.sample(queries, { numRuns: 200, seed: 20260302 }).filter((query) => {
  if (query.includes('now')) return false
  try {
    return compileDsl(parseQuery(query)) !== null
  } catch (error) {
    if (error instanceof QueryError) return false
    throw error
  }
})

for (const kind of ['opensearch3', 'opensearch2', 'elasticsearch'] as const) {
  describe.skipIf(await unavailable(kind))(kind, () => {
    let stores: LiveStores
    beforeAll(async () => {
      stores = await LiveStores.on(kind)
    })
    afterAll(() => stores.remove())

    test('finds what the predicate finds', async () => {
      const store = await stores.open()
      try {
        expect(await store.write(DOCUMENTS)).toMatchObject({ stored: DOCUMENTS.length, rejected: [] })
        const sort = [{ field: 'event.id', descending: false }] as const
        let divided = 0
        for (const kql of QUERIES) {
          const expected = DOCUMENTS.filter(compilePredicate(parseQuery(kql))).map((one) => one['event.id'])
          expect({ kql, found: await idsOf(store, { kql, sort }) }).toEqual({ kql, found: expected })
          if (expected.length > 0 && expected.length < DOCUMENTS.length) divided++
        }
        expect(divided).toBeGreaterThan(75)
      } finally {
        await store.close()
      }
    })
  })
}
