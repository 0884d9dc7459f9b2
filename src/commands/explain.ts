/** How a query is understood, and what each kind of store is asked for it. */
import { FIELDS } from '../events/fields.ts'
import { compileDsl } from '../store/kql-dsl.ts'
import { compileSql } from '../store/kql-sql.ts'
import { type Selection, selectionQuery } from '../store/search.ts'
import { paint } from './terminal.ts'

/** Of a file that this version created; an older one has other numbers for some fields. */
const NUMBERING = new Map(Object.keys(FIELDS).map((field, i) => [field, i + 1]))

/**
 * The tree of a selection, its condition in the embedded store, and its query on a cluster.
 *
 * @throws {QueryError}
 */
export function explainQuery(selection: Selection): string {
  const query = selectionQuery(selection)
  const { where, parameters } = compileSql(query, NUMBERING)
  const places = new Set(['start', 'end'])
  const tree = JSON.stringify(query, (key, value) => (places.has(key) ? undefined : value), 2)
  return [
    paint('bold', 'Query'),
    tree,
    '',
    paint('bold', 'Embedded store (SQL)'),
    where,
    JSON.stringify(parameters, (_, value) =>
      value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value,
    ),
    '',
    paint('bold', 'Cluster (query DSL)'),
    JSON.stringify(compileDsl(query), null, 2),
  ].join('\n')
}
