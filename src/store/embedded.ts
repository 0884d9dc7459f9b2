/**
 * The embedded store: one SQLite file in WAL mode. A worker thread writes, this thread reads; other processes may read
 * the same file at any time. What `write` has acknowledged survives `kill -9`; a power failure may take the last commits,
 * never the file.
 */
import { existsSync, statSync } from 'node:fs'
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import { isoMicroseconds } from '../base/time.ts'
import { type EventDocument, FIELDS, type FieldName } from '../events/fields.ts'
import { Codec, columnValue, type JsonAddress, jsonAddressText, SELECTED, SELECTED_FROM } from './codec.ts'
import { explained, openForReading, openForWriting } from './database.ts'
import { instantUs } from './dates.ts'
import { elementsSql, scalarSql } from './field-sql.ts'
import { compileSql } from './kql-sql.ts'
import { homeOf, isInteger, type Numbering, readNumbering, SPAN, type SqlValue, TALKERS } from './layout.ts'
import {
  type Aggregation,
  type Bucket,
  type Group,
  type GroupOrder,
  LARGEST_FIRST,
  type Metric,
  type Retention,
  type Search,
  type Selection,
  type Sort,
  selectionBounds,
  selectionQuery,
  StoreError,
  type StoreStats,
  type WriteResult,
} from './search.ts'
import { isList, refuseInterval, refuseMetric, refuseOrder } from './values.ts'
import { WriteQueue, type WriteQueueOptions } from './write-queue.ts'

export interface EmbeddedOptions extends WriteQueueOptions {
  /** For a process that only asks: nothing is created, no worker is started. */
  readonly readOnly?: boolean
}

/** Documents between two turns of the event loop while a search streams. */
const PAGE = 256
const BUCKETS_MAX = 65_536
/** Events that are looked up faster than an index of all is read. */
const LOOKED_UP_MAX = 16_384

/**
 * Opens the store at `path`, and creates it unless `readOnly`.
 *
 * @throws {StoreError} if the file is foreign, damaged, of another version, or not accessible
 */
export async function openEmbeddedStore(options: EmbeddedOptions): Promise<EmbeddedStore> {
  // Here and not in the worker, so that what is wrong with the file is thrown by this call.
  if (!options.readOnly) openForWriting(options.path).close()
  return new EmbeddedStore(options)
}

export class EmbeddedStore {
  readonly #path: string
  readonly #queue: WriteQueue | null
  #reader: DatabaseSync | null
  readonly #numbering: Numbering
  readonly #codec: Codec

  constructor(options: EmbeddedOptions) {
    this.#path = options.path
    const reader = openForReading(options.path)
    this.#reader = reader
    this.#numbering = explained(options.path, () => readNumbering(reader))
    this.#codec = new Codec(this.#numbering)
    this.#queue = options.readOnly ? null : new WriteQueue(options)
  }

  /** Resolves when the batch is committed. Documents that do not fit their fields are rejected alone. */
  write(batch: readonly EventDocument[]): Promise<WriteResult> {
    if (this.#queue === null) return Promise.reject(this.#readOnlyError())
    return this.#queue.write(batch)
  }

  /** Documents as they were when the search began; the search holds that state of the file until it ends. */
  async *search(search: Search): AsyncGenerator<EventDocument> {
    const { where, parameters } = this.#condition(search)
    const wanted = search.fields === undefined ? null : new Set(search.fields)
    const sort = search.sort ?? []
    const from = fromFor(sort.map(({ field }) => field))
    // What is sorted are numbers of events, and not events: a million of them fits into memory. The cross joins keep the order.
    const sql =
      `SELECT ${SELECTED} FROM ` +
      `(SELECT e.id FROM ${from} WHERE ${where} ORDER BY ${this.#order(sort)} LIMIT ?) s ` +
      'CROSS JOIN events e ON e.id = s.id CROSS JOIN commons c ON c.id = e.common'
    // A connection of its own: the snapshot of a slow reader must not become the snapshot of other queries.
    const database = openForReading(this.#path)
    try {
      const statement = explained(this.#path, () => database.prepare(sql))
      statement.setReturnArrays(true)
      const rows = statement.iterate(...parameters, search.limit ?? -1) as unknown as Iterator<SqlValue[]>
      for (let count = 1; ; count++) {
        const document = explained(this.#path, () => {
          const row = rows.next()
          return row.done ? null : this.#codec.decode(row.value, wanted)
        })
        if (document === null) return
        yield document
        if (count % PAGE === 0) await setImmediate()
      }
    } finally {
      database.close()
    }
  }

  async count(selection: Selection): Promise<number> {
    const { where, parameters } = this.#condition(selection)
    const [[count]] = this.#rows(`SELECT count(*) FROM events e WHERE ${where}`, parameters)
    return count as number
  }

  /** Groups by the values of fields, with counts; see {@link Aggregation}. */
  async aggregate(selection: Selection, aggregation: Aggregation): Promise<Group[]> {
    refuseOrder(aggregation)
    const { by, limit, metric, order = LARGEST_FIRST } = aggregation
    const isSpanned = isBySpan(by, metric)
    const { where, parameters } = isSpanned ? this.#spannedCondition(selection) : this.#condition(selection)
    const joins = by.map((field, i) => elementsSql(field, this.#numbering, `k${i}`)).filter((join) => join !== '')
    const keys = by.map((field, i) => (isList(field) ? `k${i}.value` : scalarSql(field, this.#numbering)))
    const from = [fromFor(metric === undefined ? by : [...by, metric.field]), ...joins].join(' ')
    const selected = [
      ...keys.map((key, i) => (isInteger(by[i]) ? `CAST(${key} AS REAL)` : key)),
      'count(*) AS n',
      'CAST(min(e."@timestamp") AS REAL)',
      'CAST(max(e."@timestamp") AS REAL)',
      ...(metric === undefined ? [] : [this.#metric(metric)]),
    ]
    const places = keys.map((_, i) => String(i + 1))
    const ordered = `ORDER BY ${[...groupOrder(order, by.length + 4), ...places].join(', ')} LIMIT ?`
    const sql = isSpanned
      ? `${bySpan(selected, from, where, metric)} ${ordered}`
      : `SELECT ${selected.join(', ')} FROM ${from} WHERE ${where}${groups(places)} ${ordered}`
    return this.#rows(sql, [...parameters, limit]).map((row) => ({
      key: by.map((field, i) => keyValue(field, row[i])),
      count: row[by.length] as number,
      first: isoMicroseconds(row[by.length + 1] as number),
      last: isoMicroseconds(row[by.length + 2] as number),
      ...(metric === undefined ? {} : { metric: row[by.length + 3] as number | null }),
    }))
  }

  /** How many events fall into each interval of time. */
  async histogram(selection: Selection, intervalMs: number): Promise<Bucket[]> {
    refuseInterval(intervalMs)
    const { where, parameters } = this.#condition(selection)
    const intervalUs = Math.min(Math.round(intervalMs * 1000), Number.MAX_SAFE_INTEGER)
    // Division of integers is twice as fast as that of reals, and rounds towards zero.
    const bucket = `e."@timestamp" / ${intervalUs} - (e."@timestamp" % ${intervalUs} < 0)`
    const sql = `SELECT ${bucket} AS bucket, count(*) FROM events e WHERE ${where} GROUP BY bucket ORDER BY bucket LIMIT ?`
    const rows = this.#rows(sql, [...parameters, BUCKETS_MAX + 1])
    if (rows.length > BUCKETS_MAX) {
      throw new StoreError(
        `the histogram has more than ${BUCKETS_MAX} intervals: ask for longer ones, or for less time`,
      )
    }
    return rows.map(([index, count]) => ({
      from: isoMicroseconds((index as number) * intervalUs),
      count: count as number,
    }))
  }

  /** The event with this id, or the only one whose id begins so; null if there is none. */
  async get(id: string): Promise<EventDocument | null> {
    const select = `SELECT ${SELECTED} FROM ${SELECTED_FROM} WHERE e."event.id"`
    const [exact] = this.#rows(`${select} = ?`, [id])
    if (exact !== undefined) return explained(this.#path, () => this.#codec.decode(exact, null))
    if (id === '') return null
    const found = this.#rows(`${select} >= ? AND e."event.id" < ? LIMIT 2`, [id, `${id}\u{10ffff}`])
    if (found.length > 1) throw new StoreError(`more than one event id begins with "${id}": give more of it`)
    return found.length === 0 ? null : explained(this.#path, () => this.#codec.decode(found[0], null))
  }

  async stats(): Promise<StoreStats> {
    const sql =
      'SELECT (SELECT count(*) FROM events), (SELECT CAST(min("@timestamp") AS REAL) FROM events), ' +
      '(SELECT CAST(max("@timestamp") AS REAL) FROM events)'
    const [[events, oldest, newest]] = this.#rows(sql, [])
    let bytesOnDisk = 0
    for (const path of [this.#path, `${this.#path}-wal`]) if (existsSync(path)) bytesOnDisk += statSync(path).size
    return {
      events: events as number,
      bytesOnDisk,
      oldest: oldest === null ? null : isoMicroseconds(oldest as number),
      newest: newest === null ? null : isoMicroseconds(newest as number),
    }
  }

  /** Takes away the oldest events until the retention is met; says how many. */
  async prune({ maxAgeMs, maxBytes, now }: Retention): Promise<number> {
    if (this.#queue === null) throw this.#readOnlyError()
    const nowUs = now === undefined ? Date.now() * 1000 : instantUs(now)
    if (nowUs === null) throw new StoreError(`"${now}" is no ISO 8601 date in UTC`)
    return this.#queue.prune(maxAgeMs === undefined ? null : nowUs - maxAgeMs * 1000, maxBytes ?? null)
  }

  /** Commits what waits, then closes the file. */
  async close(): Promise<void> {
    this.#reader?.close()
    this.#reader = null
    await this.#queue?.close()
  }

  #rows(sql: string, parameters: readonly SQLInputValue[]): SqlValue[][] {
    return explained(this.#path, () => {
      if (this.#reader === null) throw new StoreError(`the event store ${this.#path} is closed`)
      const statement: StatementSync = this.#reader.prepare(sql)
      statement.setReturnArrays(true)
      return statement.all(...parameters) as unknown as SqlValue[][]
    })
  }

  #condition(selection: Selection, isWide = false) {
    return compileSql(selectionQuery(selection), this.#numbering, isWide)
  }

  /** With the spans in which events of that time are. */
  #spannedCondition(selection: Selection) {
    const { where, parameters } = this.#condition(selection, this.#isWide(selection))
    const { fromUs, untilUs } = selectionBounds(selection)
    const spans = `SELECT %(s.span) FROM spans s WHERE s.last >= ? AND s.first < ?`
    const between = `${SPAN} BETWEEN (${spans.replace('%', 'min')}) AND (${spans.replace('%', 'max')})`
    return { where: `${where} AND ${between}`, parameters: [...parameters, fromUs, untilUs, fromUs, untilUs] }
  }

  /** Whether more events are of the time that is asked for than are looked up one by one. */
  #isWide({ since, until }: Selection): boolean {
    const { where, parameters } = this.#condition({ ...(since && { since }), ...(until && { until }) })
    const sql = `SELECT count(*) FROM (SELECT 1 FROM events e WHERE ${where} LIMIT ${LOOKED_UP_MAX + 1})`
    return (this.#rows(sql, parameters)[0][0] as number) > LOOKED_UP_MAX
  }

  #metric({ of, field }: Metric): string {
    refuseMetric({ of, field })
    const value = scalarSql(field, this.#numbering)
    if (of === 'distinct') return `count(DISTINCT ${value})`
    const name = { sum: 'sum', average: 'avg', minimum: 'min', maximum: 'max' }[of]
    return `${name}(CAST(${value} AS REAL))`
  }

  #order(sort: readonly Sort[]): string {
    const terms = sort.map(({ field, descending }) => {
      if (isList(field)) throw new StoreError(`${field} is a list, which has no order`)
      const value = scalarSql(field, this.#numbering)
      // A column that is never missing can be read from its index in order, if nothing stands before it.
      const last = field === '@timestamp' || field === 'event.id' ? '' : `${value} IS NULL, `
      return `${last}${value}${descending ? ' DESC' : ''}`
    })
    if (terms.length === 0) terms.push('e."@timestamp"')
    const descending = sort.length > 0 && sort[sort.length - 1].descending
    return [...terms, descending ? 'e.id DESC' : 'e.id'].join(', ')
  }

  #readOnlyError(): StoreError {
    return new StoreError(`the event store ${this.#path} was opened for reading only`)
  }
}

/** Terms of an ORDER BY; the metric stands in that column of the result. */
function groupOrder({ by, descending }: GroupOrder, column: number): string[] {
  const direction = descending ? 'DESC' : 'ASC'
  return by === 'count' ? [`n ${direction}`] : [`${column} ${direction} NULLS LAST`, 'n DESC']
}

/** The tables that these fields are in. Without that of what events share, an index alone may answer. */
function fromFor(fields: readonly FieldName[]): string {
  return fields.some((field) => homeOf(field) === 'common') ? SELECTED_FROM : 'events e'
}

function keyValue(field: FieldName, stored: SqlValue): string | number | boolean | null {
  const { kind } = FIELDS[field]
  if (stored === null) return null
  if (kind === 'boolean') return stored === 1
  if (kind === 'ip[]') return jsonAddressText(stored as JsonAddress)
  return isList(field) ? (stored as string) : columnValue(field, stored)
}

function groups(places: readonly string[]): string {
  return places.length === 0 ? ' HAVING n > 0' : ` GROUP BY ${places.join(', ')}`
}

/** What puts the metrics of spans together to that of all. */
const WHOLE = { sum: 'sum', minimum: 'min', maximum: 'max' } as const

function isBySpan(by: readonly FieldName[], metric: Metric | undefined): boolean {
  const isTalker = by.length === 1 && (TALKERS as readonly FieldName[]).includes(by[0])
  return isTalker && (metric === undefined || metric.of in WHOLE)
}

/** Groups of one talker: those of each span, in the order of the index, then all spans of each talker together. */
function bySpan(selected: readonly string[], from: string, where: string, metric: Metric | undefined): string {
  const [key, count, first, last, value] = selected
  const inner = `${key} AS k, ${count}, ${first} AS f, ${last} AS l${value === undefined ? '' : `, ${value} AS m`}`
  const whole = metric === undefined ? '' : `, ${WHOLE[metric.of as keyof typeof WHOLE]}(m)`
  return (
    `SELECT k, sum(n) AS n, min(f), max(l)${whole} FROM ` +
    `(SELECT ${inner} FROM ${from} WHERE ${where} GROUP BY ${SPAN}, ${key}) GROUP BY k`
  )
}
