/** Opening the file of the embedded store: who may read it, whether it is ours, and what to do if it is not. */
import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { makeFolder } from '../base/folder.ts'
import { registerFunctions } from './kql-sql.ts'
import { APPLICATION_ID, createIndexes, createSchema, numberFields, SCHEMA_VERSION } from './layout.ts'
import { StoreError } from './search.ts'

const MAGIC = 'SQLite format 3\0'
/** Another process may hold the write lock for as long as one commit takes. */
const BUSY_TIMEOUT_MS = 10_000

/** What SQLite says of JSON in a row that it cannot read, with the result code of any other error. */
const MALFORMED_JSON = 'malformed JSON'

/** Opens the file for writing; creates it, readable by its owner only, if there is none. */
export function openForWriting(path: string): DatabaseSync {
  return explained(path, () => {
    makeFolder(dirname(path), 0o700)
    closeSync(openSync(path, 'a', 0o600))
    refuseOtherFormats(path)
    const database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS })
    try {
      if (statSync(path).size === 0) database.exec('PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL')
      database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 67108864')
      // A checkpoint waits for the disk twice, and meanwhile nothing is written: every 64 MiB, as a page that was changed often is moved
      // once then. At 16 MiB it took a quarter of the time at 10,000 events a second.
      database.exec('PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 8000')
      database.exec('BEGIN IMMEDIATE')
      if (pragma(database, 'user_version') === 0 && tableCount(database) === 0) createSchema(database)
      else refuseOtherSchemas(database, path)
      createIndexes(database)
      numberFields(database)
      database.exec('COMMIT')
      return database
    } catch (error) {
      database.close()
      throw error
    }
  })
}

/** Opens an existing file for reading. Readers and a writer do not wait for each other. */
export function openForReading(path: string): DatabaseSync {
  return explained(path, () => {
    if (!existsSync(path))
      throw new StoreError(`there is no event store at ${path}: store events first, or name another path`)
    refuseOtherFormats(path)
    const database = new DatabaseSync(path, { readOnly: true, timeout: BUSY_TIMEOUT_MS })
    try {
      // What is sorted stays in memory up to the size of the cache, and then goes to a temporary file.
      database.exec('PRAGMA cache_size = -16384; PRAGMA mmap_size = 2147418112')
      refuseOtherSchemas(database, path)
      registerFunctions(database)
      return database
    } catch (error) {
      database.close()
      throw error
    }
  })
}

/** Runs what touches the file; errors of SQLite and of the file system come out as StoreErrors that name it. */
export function explained<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw explain(path, error)
  }
}

function explain(path: string, error: unknown): unknown {
  const { errcode, code, message } = error as { errcode?: number; code?: string; message?: string }
  if (code === 'ERR_SQLITE_ERROR') {
    // The low byte is the primary result code; 11 is SQLITE_CORRUPT, 26 SQLITE_NOTADB, 13 SQLITE_FULL, 5 SQLITE_BUSY,
    // 10 SQLITE_IOERR.
    const primary = (errcode ?? 0) & 255
    if (primary === 11 || primary === 26 || message === MALFORMED_JSON) return damaged(path, message)
    if (primary === 13) {
      const full = `no space is left for the event store ${path}: free some, or lower its retention`
      return new StoreError(full, { retry: 'later' })
    }
    const retry = primary === 5 || primary === 10 ? 'later' : 'never'
    return new StoreError(`the event store ${path} failed: ${message}`, { retry })
  }
  if (error instanceof SyntaxError) return damaged(path, MALFORMED_JSON)
  if (code === 'EACCES' || code === 'EPERM' || code === 'EISDIR' || code === 'ENOTDIR' || code === 'EROFS') {
    return new StoreError(`the event store ${path} cannot be opened (${code}): check the path and its permissions`)
  }
  return error
}

function damaged(path: string, message: string | undefined): StoreError {
  const advice = 'move it away (with its -wal and -shm files) and replay the captures, or put back a copy'
  return new StoreError(`the event store ${path} is damaged (${message}): ${advice}`)
}

function refuseOtherFormats(path: string): void {
  if (statSync(path).size === 0) return
  const head = Buffer.alloc(MAGIC.length)
  const file = openSync(path, 'r')
  try {
    readSync(file, head, 0, head.length, 0)
  } finally {
    closeSync(file)
  }
  if (head.toString('latin1') !== MAGIC) {
    throw new StoreError(`${path} is no event store (it is no SQLite file): name another path, or move the file away`)
  }
}

function refuseOtherSchemas(database: DatabaseSync, path: string): void {
  if (pragma(database, 'application_id') !== APPLICATION_ID) {
    throw new StoreError(`${path} is the database of another program: name another path, or move the file away`)
  }
  const version = pragma(database, 'user_version')
  if (version === SCHEMA_VERSION) return
  const advice =
    version > SCHEMA_VERSION
      ? 'use the newer Borescope that wrote it, or name another path'
      : 'move it away and replay the captures, or name another path'
  throw new StoreError(
    `the event store ${path} has schema ${version}, this Borescope knows ${SCHEMA_VERSION}: ${advice}`,
  )
}

export function pragma(database: DatabaseSync, name: string): number {
  const row = database.prepare(`PRAGMA ${name}`).get()
  return Number(Object.values(row ?? {})[0] ?? 0)
}

function tableCount(database: DatabaseSync): number {
  return Number(database.prepare('SELECT count(*) AS n FROM sqlite_schema').get()?.['n'])
}
