/**
 * How the embedded store lays an event out, in the fewest bytes that still answer queries from indexes.
 *
 * Each field has one home:
 * - `column`: a column of `events` that bears its name; what most queries and every chart ask for. Addresses and dates are
 *   always columns, because they are compared in another form than they are written.
 * - `common`: what all events of one sort share (names, categories, observer, rule). Each combination is stored once in
 *   `commons`, and an event points at it: some 20 fields in one or two bytes.
 * - `rest`: a JSON object in the event, reached with json_extract.
 *
 * In `commons` and `rest` a field is called by its number in the table `fields`, for brevity. What only repeats other fields
 * of the same event is a bit in the column `repeats` (see {@link REPEATED}).
 *
 * Single events are found by `words`, a full-text index of the words and of the keys of each event (see `keys.ts`). It is
 * log-structured: it is written in sequence, where an index of random values would have each of its pages written again and
 * again. For the same reason the indexes of `events` grow at their ends, or in their newest span.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { FieldKind } from '../events/declaration.ts'
import { FIELDS, type FieldName } from '../events/fields.ts'

export const SCHEMA_VERSION = 2
/** "Bore" in ASCII: `PRAGMA application_id` tells our files from other programs' databases. */
export const APPLICATION_ID = 0x426f7265

export const FIELD_NAMES = Object.keys(FIELDS) as FieldName[]

export const COLUMNS = [
  '@timestamp',
  'event.id',
  'event.start',
  'event.end',
  'event.duration',
  'event.severity',
  'event.reason',
  'event.sequence',
  'source.ip',
  'source.port',
  'source.bytes',
  'source.packets',
  'destination.ip',
  'destination.port',
  'destination.bytes',
  'destination.packets',
  'network.bytes',
  'network.packets',
  'network.community_id',
  'outer.source.ip',
  'outer.destination.ip',
  'ppp.client.ip',
  'ppp.server.ip',
  'user.name',
  'l2tp.tunnel.uid',
  'l2tp.session.uid',
  'flow.uid',
  'ike.uid',
  'esp.tunnel.uid',
  'borescope.frame.number',
  'borescope.frame.offset',
  'message',
] as const satisfies readonly FieldName[]

const COMMON = [
  'ecs.version',
  'event.kind',
  'event.category',
  'event.type',
  'event.action',
  'event.dataset',
  'event.module',
  'event.outcome',
  'observer.name',
  'observer.product',
  'observer.type',
  'observer.version',
  'borescope.capture',
  'network.transport',
  'network.protocol',
  'network.type',
  'network.direction',
  'source.role',
  'destination.role',
  'flow.tcp.state',
  'l2tp.version',
  'anomaly.name',
  'anomaly.layer',
  'rule.id',
  'rule.name',
  'rule.description',
  'rule.reference',
  'rule.category',
  'rule.level',
  'threat.framework',
  'threat.tactic.id',
  'threat.tactic.name',
  'threat.technique.id',
  'threat.technique.name',
  'threat.technique.reference',
  'threat.technique.subtechnique.id',
  'threat.technique.subtechnique.name',
] as const satisfies readonly FieldName[]

/**
 * Fields that mostly repeat others of the same event. A list does if it holds the values of these columns that the event has,
 * in this order; any other field, if it has the value of this column. Then the event holds a bit instead, in the order of
 * this table.
 */
export const REPEATED = {
  'related.ip': [
    'source.ip',
    'destination.ip',
    'outer.source.ip',
    'outer.destination.ip',
    'ppp.client.ip',
    'ppp.server.ip',
  ],
  'related.user': ['user.name'],
  'borescope.lineage': ['ike.uid', 'esp.tunnel.uid', 'l2tp.tunnel.uid', 'l2tp.session.uid', 'flow.uid'],
  'event.end': ['@timestamp'],
  'flow.carrier': ['l2tp.session.uid'],
} as const satisfies Partial<Record<FieldName, readonly (typeof COLUMNS)[number][]>>

/** The columns that a field may repeat, and its bit in `repeats`; null for any other field. */
export function repetition(field: FieldName): { readonly of: readonly FieldName[]; readonly bit: number } | null {
  const place = Object.keys(REPEATED).indexOf(field)
  return place === -1 ? null : { of: REPEATED[field as keyof typeof REPEATED], bit: 1 << place }
}

/**
 * Columns by which one asks who talks most. Their indexes hold all that the answer takes (when, how much, what sort of
 * event), so that it is read from the index alone: a tenth of the time.
 */
export const TALKERS = [
  'source.ip',
  'destination.ip',
  'user.name',
] as const satisfies readonly (typeof COLUMNS)[number][]

/**
 * So many events make a span. The indexes of talkers hold one span after the other, so that events are added to the newest
 * one only, which fits into the cache; an answer puts the spans together. The table `spans` has the first and last
 * `@timestamp` of each, so that those of other times are passed over.
 */
const SPAN_EVENTS_LOG2 = 14
/** The span of an event of `events e`. */
export const SPAN = `(e.id >> ${SPAN_EVENTS_LOG2})`

/**
 * Enters the events from the one with this number on into `spans`. NOT INDEXED leaves the numbers to find them by: the indexes of
 * talkers are in the order of spans, so that SQLite would rather read one of them as a whole than sort.
 */
export const ENTER_SPANS =
  `INSERT INTO spans SELECT ${SPAN}, min(e."@timestamp"), max(e."@timestamp") ` +
  'FROM events e NOT INDEXED WHERE e.id >= ? GROUP BY 1 ' +
  'ON CONFLICT (span) DO UPDATE SET first = min(first, excluded.first), last = max(last, excluded.last)'
/** Takes away the spans of which no event is left. */
export const LEAVE_SPANS =
  'DELETE FROM spans WHERE NOT EXISTS (SELECT 1 FROM events e ' +
  `WHERE e.id BETWEEN span << ${SPAN_EVENTS_LOG2} AND (span + 1 << ${SPAN_EVENTS_LOG2}) - 1)`

export type Home = 'column' | 'common' | 'rest'

export function homeOf(field: FieldName): Home {
  if ((COLUMNS as readonly FieldName[]).includes(field)) return 'column'
  return (COMMON as readonly FieldName[]).includes(field) ? 'common' : 'rest'
}

const SQL_TYPES: Record<FieldKind, string> = {
  keyword: 'TEXT',
  'keyword[]': 'TEXT',
  text: 'TEXT',
  ip: 'INTEGER',
  'ip[]': 'TEXT',
  long: 'INTEGER',
  float: 'REAL',
  boolean: 'INTEGER',
  date: 'INTEGER',
}

function columnDeclaration(field: FieldName): string {
  const required = field === '@timestamp' || field === 'event.id' ? ' NOT NULL' : ''
  return `"${field}" ${SQL_TYPES[FIELDS[field].kind]}${required}`
}

/**
 * AUTOINCREMENT: the full-text index must never see the number of a deleted event again. In that index the names come first,
 * because of the first column an entry does not say that it is of it. Eight of its segments become one, not four: a tenth
 * less is written, and nothing is found later.
 */
const SCHEMA = `
CREATE TABLE fields (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE commons (id INTEGER PRIMARY KEY, fields TEXT NOT NULL UNIQUE);
CREATE TABLE events (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  common INTEGER NOT NULL REFERENCES commons (id),
  repeats INTEGER NOT NULL,
  ${COLUMNS.map(columnDeclaration).join(',\n  ')},
  rest TEXT
);
CREATE TABLE spans (span INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL);
CREATE UNIQUE INDEX events_event_id ON events ("event.id");
CREATE VIRTUAL TABLE words USING fts5(
  names, message, content='', contentless_delete=1, tokenize="ascii tokenchars '_'"
);
INSERT INTO words (words, rank) VALUES ('automerge', 8);
CREATE VIRTUAL TABLE words_vocabulary USING fts5vocab('words', 'row');
CREATE VIRTUAL TABLE words_places USING fts5vocab('words', 'instance');
`

/** Indexes of `events` by their names, with what follows `ON events`. */
const INDEXES: ReadonlyMap<string, string> = new Map([
  ['events_timestamp', '("@timestamp")'],
  ['events_common', '(common, "@timestamp")'],
  ...TALKERS.map(
    (field) =>
      [
        `events_${field}_talk`,
        `((id >> ${SPAN_EVENTS_LOG2}), "${field}", "@timestamp", "network.bytes", common)`,
      ] as const,
  ),
])

/** Brings the indexes of a file to those of this version: an older file gets the newer ones when it is next written to. */
export function createIndexes(database: DatabaseSync): void {
  const present = database
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'events' AND sql LIKE 'CREATE INDEX%'")
    .all()
    .map(({ name }) => name as string)
  for (const name of present) if (!INDEXES.has(name)) database.exec(`DROP INDEX "${name}"`)
  for (const [name, what] of INDEXES) database.exec(`CREATE INDEX IF NOT EXISTS "${name}" ON events ${what}`)
}

/** Creates the tables in an empty database. */
export function createSchema(database: DatabaseSync): void {
  database.exec(SCHEMA)
  database.exec(`PRAGMA application_id = ${APPLICATION_ID}`)
  database.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`)
}

/** The number of each field in this file. A field that the file does not know yet has none. */
export type Numbering = ReadonlyMap<string, number>

export function readNumbering(database: DatabaseSync): Numbering {
  const rows = database.prepare('SELECT name, number FROM fields').all() as unknown as {
    name: string
    number: number
  }[]
  return new Map(rows.map(({ name, number }) => [name, number]))
}

/** Gives a number to every field that has none: to all in a new file, to later ones in an old file. */
export function numberFields(database: DatabaseSync): void {
  const insert = database.prepare('INSERT INTO fields (name) VALUES (?)')
  const known = readNumbering(database)
  for (const field of FIELD_NAMES) if (!known.has(field)) insert.run(field)
}

export type SqlValue = string | number | null | Uint8Array

export function isInteger(field: FieldName): boolean {
  return FIELDS[field].kind === 'long' || FIELDS[field].kind === 'date'
}
