/** Turns documents into rows of the embedded store (see `layout.ts`) and rows into documents. */
import type { DatabaseSync } from 'node:sqlite'
import { isoMicroseconds } from '../base/time.ts'
import type { FieldKind } from '../events/declaration.ts'
import { type EventDocument, FIELDS, type FieldName, isField } from '../events/fields.ts'
import { addressKey, addressText, storedAddress } from './address.ts'
import { instantUs } from './dates.ts'
import { isKeyed, storedAddressKey, textKey } from './keys.ts'
import {
  COLUMNS,
  FIELD_NAMES,
  type Home,
  homeOf,
  isInteger,
  type Numbering,
  REPEATED,
  repetition,
  type SqlValue,
} from './layout.ts'
import { flawOf, NO_IDENTITY } from './values.ts'
import { indexedMessage, indexedNames } from './words.ts'

/** An event as it goes into the tables. */
export interface EncodedEvent {
  readonly columns: SqlValue[]
  readonly common: string
  readonly rest: string | null
  /** Bits of {@link repetition}. */
  readonly repeats: number
  readonly names: string
  readonly message: string
}

interface Plan {
  readonly field: FieldName
  readonly kind: FieldKind
  readonly home: Home
  readonly number: number
  readonly column: number
  readonly isKeyed: boolean
  readonly repetition: ReturnType<typeof repetition>
  /** That of the field which came next the last time: it mostly does again, and need not be looked up. */
  next: Plan | null
}

/** An address as it is stored, and whether that gives its text back. */
interface Address {
  readonly stored: number | Uint8Array
  readonly isCanonical: boolean
  readonly key: string
}

/** The parts of a row that grow while a document is read. */
interface Draft {
  readonly columns: SqlValue[]
  readonly rest: Record<string, unknown>
  readonly keys: Set<string>
}

const ADDRESSES_CACHED_MAX = 16_384

/** For one file: its numbering says how fields are called in it. */
export class Codec {
  readonly #plans = new Map<string, Plan>()
  readonly #start: Pick<Plan, 'next'> = { next: null }
  readonly #names = new Map<string, FieldName>()
  readonly #addresses = new Map<string, Address>()

  constructor(numbering: Numbering) {
    for (const [field, number] of numbering) {
      if (!isField(field)) continue
      const column = (COLUMNS as readonly FieldName[]).indexOf(field)
      const { kind } = FIELDS[field]
      this.#plans.set(field, {
        ...{ field, kind, home: homeOf(field), number, column },
        ...{ isKeyed: isKeyed(field), repetition: repetition(field), next: null },
      })
      this.#names.set(String(number), field)
    }
  }

  /** The rows of a document, or why it cannot be stored. */
  encode(document: EventDocument): EncodedEvent | string {
    const draft: Draft = { columns: new Array<SqlValue>(COLUMNS.length).fill(null), rest: {}, keys: new Set() }
    const common: Record<string, unknown> = {}
    let repeats = 0
    let before = this.#start
    for (const name in document) {
      const value: unknown = document[name as FieldName]
      if (value === undefined) continue
      const plan = before.next?.field === name ? before.next : this.#plans.get(name)
      if (plan === undefined) return `there is no field "${name}"`
      before.next = plan
      before = plan
      if (plan.repetition !== null && this.#isRepeated(plan, value, document)) {
        repeats |= plan.repetition.bit
        continue
      }
      const flaw = plan.kind === 'ip' && this.#address(value) !== null ? null : flawOf(plan.kind, value)
      if (flaw !== null) return `${name}: ${flaw}`
      if (plan.home === 'common') common[plan.number] = value
      else if (plan.home === 'column') this.#intoColumn(plan, value as string | number, draft)
      else this.#intoRest(plan, value, draft)
    }
    const { columns, rest, keys } = draft
    if (columns[0] === null || columns[1] === null) return NO_IDENTITY
    const restJson = JSON.stringify(rest)
    return {
      columns,
      common: JSON.stringify(common),
      rest: restJson === '{}' ? null : restJson,
      repeats,
      names: indexedNames(document, keys),
      message: indexedMessage(document),
    }
  }

  /** Whether a value is what {@link REPEATED} says. Then it is sound if the fields are that it repeats. */
  #isRepeated({ kind, repetition }: Plan, value: unknown, document: EventDocument): boolean {
    const of = repetition?.of ?? []
    if (kind !== 'keyword[]' && kind !== 'ip[]') return value === document[of[0]]
    if (!Array.isArray(value)) return false
    let place = 0
    for (const field of of) {
      const one = document[field] as unknown
      if (one === undefined) continue
      if (one === '' || value.indexOf(one) !== place) return false
      if (kind === 'ip[]' && this.#address(one)?.isCanonical !== true) return false
      place++
    }
    return place > 0 && place === value.length
  }

  /** Text that the column cannot give back as it was is kept beside it. */
  #intoColumn(plan: Plan, value: string | number, { columns, rest, keys }: Draft): void {
    if (plan.kind === 'ip') {
      const { stored, isCanonical, key } = this.#address(value) as Address
      columns[plan.column] = stored
      keys.add(key)
      if (!isCanonical) rest[plan.number] = value
      return
    }
    if (plan.kind === 'date') {
      const timeUs = instantUs(value as string) as number
      columns[plan.column] = timeUs
      if (isoMicroseconds(timeUs) !== value) rest[plan.number] = value
      return
    }
    columns[plan.column] = value
    if (plan.isKeyed) keys.add(textKey(value as string))
  }

  #intoRest({ kind, number, isKeyed }: Plan, value: unknown, { rest, keys }: Draft): void {
    if (kind === 'ip[]') {
      rest[number] = (value as readonly string[]).map((text) => {
        const { stored, isCanonical, key } = this.#address(text) as Address
        keys.add(key)
        return isCanonical ? jsonAddress(stored) : text
      })
      return
    }
    rest[number] = value
    if (isKeyed) for (const text of value as readonly string[]) keys.add(textKey(text))
  }

  #address(text: unknown): Address | null {
    if (typeof text !== 'string') return null
    const known = this.#addresses.get(text)
    if (known !== undefined) return known
    const sortable = addressKey(text)
    if (sortable === null) return null
    const stored = storedAddress(sortable)
    const address = { stored, isCanonical: addressText(stored) === text, key: storedAddressKey(stored) }
    if (this.#addresses.size >= ADDRESSES_CACHED_MAX) this.#addresses.clear()
    this.#addresses.set(text, address)
    return address
  }

  /** The document of a row that {@link SELECTED} selected, its fields in the order of FIELDS. */
  decode(row: readonly SqlValue[], wanted: ReadonlySet<FieldName> | null): EventDocument {
    const found: Record<string, unknown> = {}
    for (let i = 0; i < COLUMNS.length; i++) if (row[i] !== null) found[COLUMNS[i]] = columnValue(COLUMNS[i], row[i])
    const [common, rest, repeats] = row.slice(COLUMNS.length) as [string, string | null, number]
    for (const json of [common, rest]) {
      if (json === null) continue
      for (const [number, value] of Object.entries(JSON.parse(json))) {
        const name = this.#names.get(number)
        if (name === undefined) continue
        found[name] = FIELDS[name].kind === 'ip[]' ? (value as JsonAddress[]).map(jsonAddressText) : value
      }
    }
    if (repeats !== 0) repeat(found, repeats)
    const document: Record<string, unknown> = {}
    for (const name of FIELD_NAMES) {
      if (found[name] !== undefined && (wanted === null || wanted.has(name))) document[name] = found[name]
    }
    return document as EventDocument
  }
}

const REPETITIONS = (Object.keys(REPEATED) as (keyof typeof REPEATED)[]).map(
  (field) => [field, repetition(field) as NonNullable<ReturnType<typeof repetition>>] as const,
)

/** Adds what a document repeats. */
function repeat(found: Record<string, unknown>, repeats: number): void {
  for (const [field, { of, bit }] of REPETITIONS) {
    if ((repeats & bit) === 0) continue
    const isList = FIELDS[field].kind.endsWith('[]')
    found[field] = isList ? of.map((one) => found[one]).filter((one) => one !== undefined) : found[of[0]]
  }
}

const COMMONS_CACHED_MAX = 16_384

/**
 * The function that puts an encoded event into the tables, and gives its number; null if its event.id is there already. Then
 * comes {@link ENTER_SPANS}, in the same commit. It remembers rows of `commons`: after a rollback make a new one.
 */
export function insertEvent(database: DatabaseSync): (event: EncodedEvent) => number | null {
  const names = ['common', 'repeats', ...COLUMNS.map((name) => `"${name}"`), 'rest']
  const marks = names.map(() => '?').join(', ')
  const event = database.prepare(`INSERT OR IGNORE INTO events (${names.join(', ')}) VALUES (${marks})`)
  const words = database.prepare('INSERT INTO words (rowid, names, message) VALUES (?, ?, ?)')
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
    const row = event.run(commonId(encoded.common), encoded.repeats, ...encoded.columns, encoded.rest)
    if (row.changes === 0) return null
    words.run(row.lastInsertRowid, encoded.names, encoded.message)
    return Number(row.lastInsertRowid)
  }
}

/** Integers are read as REAL: they came from JavaScript numbers, and node:sqlite refuses integers above 2^53. */
export const SELECTED = [
  ...COLUMNS.map((field) => (isInteger(field) ? `CAST(e."${field}" AS REAL)` : `e."${field}"`)),
  'c.fields',
  'e.rest',
  'e.repeats',
].join(', ')

export const SELECTED_FROM = 'events e JOIN commons c ON c.id = e.common'

/** What the document holds for a stored value of a column. */
export function columnValue(field: FieldName, stored: SqlValue): string | number | null {
  const { kind } = FIELDS[field]
  if (stored !== null && kind === 'date') return isoMicroseconds(stored as number)
  if (stored !== null && kind === 'ip') return addressText(stored as number | Uint8Array)
  return stored as string | number | null
}

/** An address in a list in JSON: IPv4 as a number, IPv6 as 32 hexadecimal digits; as text what these would not give back. */
export type JsonAddress = number | string

const HEXADECIMAL = /^[0-9A-F]{32}$/

function jsonAddress(stored: number | Uint8Array): JsonAddress {
  return typeof stored === 'number' ? stored : Buffer.from(stored).toString('hex').toUpperCase()
}

/** The address in a list in JSON as it is stored in columns. */
export function storedJsonAddress(value: JsonAddress): number | Uint8Array {
  if (typeof value === 'number') return value
  return HEXADECIMAL.test(value) ? Buffer.from(value, 'hex') : storedAddress(addressKey(value) as string)
}

/** The address in a list in JSON as it was written. */
export function jsonAddressText(value: JsonAddress): string {
  return typeof value === 'number' || HEXADECIMAL.test(value) ? addressText(storedJsonAddress(value)) : value
}
