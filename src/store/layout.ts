/**
 * How the embedded store keeps an event, in the fewest bytes that still answer queries from indexes.
 *
 * Each field has one home:
 * - `column`: a column of `events` that bears its name; what most queries and every chart ask for. Addresses and dates are
 *   always columns, because they are compared in another form than they are written.
 * - `common`: what all events of one sort share (names, categories, observer, rule). Each combination is stored once in
 *   `commons`, and an event points at it: some 20 fields in one or two bytes.
 * - `rest`: a JSON object in the event, reached with json_extract.
 * - `terms`, `addresses`: lists that are searched. Their elements stand in an indexed side table, the list in `rest`.
 *
 * In `commons` and `rest` a field is called by its number in the table `fields`, for brevity.
 */
import type { DatabaseSync } from 'node:sqlite'
import { isoMicroseconds } from '../base/time.ts'
import type { FieldKind } from '../events/declaration.ts'
import { type EventDocument, FIELDS, type FieldName, isField } from '../events/fields.ts'
import { addressKey, addressText, storedAddress } from './address.ts'
import { instantUs } from './dates.ts'
import { flawOf, NO_IDENTITY } from './values.ts'
import { messageWords, nameWords } from './words.ts'

export const SCHEMA_VERSION = 1
/** "Bore" in ASCII: `PRAGMA application_id` tells our files from other programs' databases. */
export const APPLICATION_ID = 0x426f7265

const FIELD_NAMES = Object.keys(FIELDS) as FieldName[]

const COLUMNS = [
  '@timestamp',
  'event.id',
  'event.start',
  'event.end',
  'event.duration',
  'event.severity',
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

const TERMS = [
  'borescope.lineage',
  'related.user',
  'related.hosts',
  'alert.evidence',
] as const satisfies readonly FieldName[]

/** Columns with an index of their own, over the events that have them. */
const INDEXED = [
  'source.ip',
  'destination.ip',
  'outer.source.ip',
  'ppp.client.ip',
  'user.name',
  'l2tp.tunnel.uid',
  'l2tp.session.uid',
  'flow.uid',
] as const satisfies readonly (typeof COLUMNS)[number][]

export type Home = 'column' | 'common' | 'rest' | 'terms' | 'addresses'

export function homeOf(field: FieldName): Home {
  if ((COLUMNS as readonly FieldName[]).includes(field)) return 'column'
  if ((COMMON as readonly FieldName[]).includes(field)) return 'common'
  if ((TERMS as readonly FieldName[]).includes(field)) return 'terms'
  return FIELDS[field].kind === 'ip[]' ? 'addresses' : 'rest'
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

/** AUTOINCREMENT: the full-text index must never see the number of a deleted event again. */
const SCHEMA = `
CREATE TABLE fields (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE commons (id INTEGER PRIMARY KEY, fields TEXT NOT NULL UNIQUE);
CREATE TABLE events (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  common INTEGER NOT NULL REFERENCES commons (id),
  ${COLUMNS.map(columnDeclaration).join(',\n  ')},
  rest TEXT
);
CREATE UNIQUE INDEX events_event_id ON events ("event.id");
CREATE INDEX events_timestamp ON events ("@timestamp");
CREATE INDEX events_common ON events (common, "@timestamp");
${INDEXED.map((field) => `CREATE INDEX "events_${field}" ON events ("${field}") WHERE "${field}" IS NOT NULL;`).join('\n')}
CREATE TABLE terms (field INTEGER, value TEXT, event INTEGER, PRIMARY KEY (field, value, event)) WITHOUT ROWID;
CREATE TABLE addresses (field INTEGER, value INTEGER, event INTEGER, PRIMARY KEY (field, value, event)) WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5(
  message, names, content='', contentless_delete=1, tokenize="ascii tokenchars '_'"
);
CREATE VIRTUAL TABLE words_vocabulary USING fts5vocab('words', 'row');
CREATE VIRTUAL TABLE words_places USING fts5vocab('words', 'instance');
`

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

/** An event as it goes into the tables. */
export interface EncodedEvent {
  readonly columns: SqlValue[]
  readonly common: string
  readonly rest: string | null
  readonly terms: [field: number, value: string][]
  readonly addresses: [field: number, value: number | Uint8Array][]
  readonly messageWords: string
  readonly nameWords: string
}

interface Plan {
  readonly kind: FieldKind
  readonly home: Home
  readonly number: number
  readonly column: number
}

/** Turns documents into rows and rows into documents, for one file. */
export class Codec {
  readonly #plans = new Map<string, Plan>()
  readonly #names = new Map<string, FieldName>()

  constructor(numbering: Numbering) {
    for (const [name, number] of numbering) {
      if (!isField(name)) continue
      const column = (COLUMNS as readonly FieldName[]).indexOf(name)
      this.#plans.set(name, { kind: FIELDS[name].kind, home: homeOf(name), number, column })
      this.#names.set(String(number), name)
    }
  }

  /** The rows of a document, or why it cannot be stored. */
  encode(document: EventDocument): EncodedEvent | string {
    const columns: SqlValue[] = COLUMNS.map(() => null)
    const common: Record<string, unknown> = {}
    const rest: Record<string, unknown> = {}
    const encoded = { columns, terms: [] as [number, string][], addresses: [] as [number, number | Uint8Array][] }
    let restCount = 0
    for (const [name, value] of Object.entries(document)) {
      if (value === undefined) continue
      const plan = this.#plans.get(name)
      if (plan === undefined) return `there is no field "${name}"`
      const flaw = flawOf(plan.kind, value)
      if (flaw !== null) return `${name}: ${flaw}`
      if (plan.home === 'common') common[plan.number] = value
      else if (plan.home !== 'column' || !this.#intoColumn(plan, value as string | number, columns)) {
        rest[plan.number] = value
        restCount++
        if (plan.home === 'terms') for (const term of value as string[]) encoded.terms.push([plan.number, term])
        if (plan.home === 'addresses') {
          for (const address of value as string[]) {
            encoded.addresses.push([plan.number, storedAddress(addressKey(address) as string)])
          }
        }
      }
    }
    if (columns[0] === null || columns[1] === null) return NO_IDENTITY
    return {
      ...encoded,
      common: JSON.stringify(common),
      rest: restCount === 0 ? null : JSON.stringify(rest),
      messageWords: messageWords(document),
      nameWords: nameWords(document),
    }
  }

  /** False if the column cannot give the text back as it was; then the text is kept beside it. */
  #intoColumn(plan: Plan, value: string | number, columns: SqlValue[]): boolean {
    if (plan.kind === 'ip') {
      const stored = storedAddress(addressKey(value as string) as string)
      columns[plan.column] = stored
      return addressText(stored) === value
    }
    if (plan.kind === 'date') {
      const timeUs = instantUs(value as string) as number
      columns[plan.column] = timeUs
      return isoMicroseconds(timeUs) === value
    }
    columns[plan.column] = value
    return true
  }

  /** The document of a row that `SELECTED` selected, its fields in the order of FIELDS. */
  decode(row: readonly SqlValue[], wanted: ReadonlySet<FieldName> | null): EventDocument {
    const found: Record<string, unknown> = {}
    for (let i = 0; i < COLUMNS.length; i++) if (row[i] !== null) found[COLUMNS[i]] = columnValue(COLUMNS[i], row[i])
    for (const json of [row[COLUMNS.length], row[COLUMNS.length + 1]]) {
      if (json === null) continue
      for (const [number, value] of Object.entries(JSON.parse(json as string))) {
        const name = this.#names.get(number)
        if (name !== undefined) found[name] = value
      }
    }
    const document: Record<string, unknown> = {}
    for (const name of FIELD_NAMES) {
      if (found[name] !== undefined && (wanted === null || wanted.has(name))) document[name] = found[name]
    }
    return document as EventDocument
  }
}

const COMMONS_CACHED_MAX = 16_384

/**
 * The function that puts an encoded event into the tables; false if its event.id is there already. It remembers rows of
 * `commons`: after a rollback make a new one.
 */
export function insertEvent(database: DatabaseSync): (event: EncodedEvent) => boolean {
  const names = ['common', ...COLUMNS.map((name) => `"${name}"`), 'rest']
  const marks = names.map(() => '?').join(', ')
  const event = database.prepare(`INSERT OR IGNORE INTO events (${names.join(', ')}) VALUES (${marks})`)
  const words = database.prepare('INSERT INTO words (rowid, message, names) VALUES (?, ?, ?)')
  const term = database.prepare('INSERT OR IGNORE INTO terms VALUES (?, ?, ?)')
  const address = database.prepare('INSERT OR IGNORE INTO addresses VALUES (?, ?, ?)')
  const common = database.prepare('INSERT OR IGNORE INTO commons (fields) VALUES (?)')
  const findCommon = database.prepare('SELECT id FROM commons WHERE fields = ?')
  const commons = new Map<string, number>()

  function commonId(fields: string): number {
    const known = commons.get(fields)
    if (known !== undefined) return known
    common.run(fields)
    const id = Number(findCommon.get(fields)?.['id'])
    if (commons.size >= COMMONS_CACHED_MAX) commons.clear()
    commons.set(fields, id)
    return id
  }

  return (encoded) => {
    const row = event.run(commonId(encoded.common), ...encoded.columns, encoded.rest)
    if (row.changes === 0) return false
    const id = row.lastInsertRowid
    words.run(id, encoded.messageWords, encoded.nameWords)
    for (const [field, value] of encoded.terms) term.run(field, value, id)
    for (const [field, value] of encoded.addresses) address.run(field, value, id)
    return true
  }
}

/** Integers are read as REAL: they came from JavaScript numbers, and node:sqlite refuses integers above 2^53. */
export const SELECTED = [
  ...COLUMNS.map((field) => (isInteger(field) ? `CAST(e."${field}" AS REAL)` : `e."${field}"`)),
  'c.fields',
  'e.rest',
].join(', ')

export const SELECTED_FROM = 'events e JOIN commons c ON c.id = e.common'

export function isInteger(field: FieldName): boolean {
  return FIELDS[field].kind === 'long' || FIELDS[field].kind === 'date'
}

/** What the document holds for a stored value of a column. */
export function columnValue(field: FieldName, stored: SqlValue): string | number | null {
  const { kind } = FIELDS[field]
  if (stored !== null && kind === 'date') return isoMicroseconds(stored as number)
  if (stored !== null && kind.startsWith('ip')) return addressText(stored as number | Uint8Array)
  return stored as string | number | null
}
