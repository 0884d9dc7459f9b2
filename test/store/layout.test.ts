import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { createIndexes, createSchema, ENTER_SPANS, LEAVE_SPANS } from '../../src/store/layout.ts'

/** How SQLite goes about a statement. */
function planOf(database: DatabaseSync, sql: string): string[] {
  return database
    .prepare(`EXPLAIN QUERY PLAN ${sql}`)
    .all(...(sql.includes('?') ? [1] : []))
    .map(({ detail }) => String(detail))
}

/** What `PRAGMA optimize` says of a store with three million events. */
const STATISTICS = [
  ['events_user.name_talk', '2924436 2001 2001 2 2 1'],
  ['events_destination.ip_talk', '2924436 2001 445 2 2 2'],
  ['events_source.ip_talk', '2924436 2001 67 2 2 2'],
  ['events_common', '2924436 2001 1'],
  ['events_timestamp', '2924436 2'],
  ['events_event_id', '2924436 1'],
] as const

test.each(['without', 'with'])('spans are entered and left without reading all events, %s statistics', (which) => {
  const database = new DatabaseSync(':memory:')
  createSchema(database)
  createIndexes(database)
  if (which === 'with') {
    database.exec('ANALYZE sqlite_schema')
    const insert = database.prepare("INSERT INTO sqlite_stat1 VALUES ('events', ?, ?)")
    for (const [index, statistics] of STATISTICS) insert.run(index, statistics)
    database.exec('ANALYZE sqlite_schema')
  }
  expect(planOf(database, ENTER_SPANS)).toContain('SEARCH e USING INTEGER PRIMARY KEY (rowid>?)')
  expect(planOf(database, LEAVE_SPANS)).toContain('SEARCH e USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)')
  database.close()
})
