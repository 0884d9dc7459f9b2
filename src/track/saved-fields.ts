/**
 * Records whose fields are plain values: which of them are saved over a restart, and what shape they must have when they come back.
 * What a new record has anyway is not written, so that an entry says only what is special about it.
 */

/** Why a saved entry is not taken up. */
export class SavedFault extends Error {
  override readonly name = 'SavedFault'
}

export type Check = (value: unknown) => boolean

/** The fields of a record that are saved, and what each must be. */
export type Fields<T> = { readonly [K in keyof T]?: Check }

export const isText: Check = (value) => typeof value === 'string'
export const isFlag: Check = (value) => typeof value === 'boolean'
export const isNumber: Check = (value) => Number.isFinite(value)
export const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0
export const isWord: Check = (value) => Number.isInteger(value) && Math.abs(value as number) <= 0xffff_ffff
/** Octets as hexadecimal digits. */
export const isHex: Check = (value) => typeof value === 'string' && /^([0-9a-f]{2})*$/.test(value)

export function oneOf(...values: readonly unknown[]): Check {
  return (value) => values.includes(value)
}

export function listOf(check: Check, lengthMax = 65_536): Check {
  return (value) => Array.isArray(value) && value.length <= lengthMax && value.every(check)
}

/** One for each role. */
export function pairOf(check: Check): Check {
  return (value) => Array.isArray(value) && value.length === 2 && value.every(check)
}

/** A list with a fixed place for each value. */
export function rowOf(...checks: readonly Check[]): Check {
  return (value) => Array.isArray(value) && value.length === checks.length && checks.every((is, at) => is(value[at]))
}

export function orNull(check: Check): Check {
  return (value) => value === null || check(value)
}

/** An object whose fields, as far as they are there, are what they must be. */
export function shapeOf(fields: Readonly<Record<string, Check>>, required: readonly string[] = []): Check {
  return (value) => wrongField(value, fields, required) === null
}

/** Throws SavedFault. */
export function checkFields(
  value: unknown,
  fields: Readonly<Record<string, Check>>,
  required: readonly string[],
): void {
  const wrong = wrongField(value, fields, required)
  if (wrong !== null) throw new SavedFault(wrong)
}

/** Of a record the fields that `F` names, if they are not as in a new one. */
export type SavedFields<T, F> = { [K in keyof T & keyof F]?: T[K] | undefined }

export function saveFields<T extends object, F extends Fields<T>>(
  record: T,
  blank: Pick<T, keyof T & keyof F>,
  fields: F,
): SavedFields<T, F> {
  const saved: SavedFields<T, F> = {}
  for (const field of Object.keys(fields) as (keyof T & keyof F)[])
    if (!Object.is(record[field], blank[field])) saved[field] = record[field]
  return saved
}

/** From values that were checked; what was not written is as in a new record. */
export function loadFields<T extends object, F extends Fields<T>>(
  record: T,
  saved: SavedFields<T, F>,
  blank: Pick<T, keyof T & keyof F>,
  fields: F,
): void {
  for (const field of Object.keys(fields) as (keyof T & keyof F)[]) record[field] = saved[field] ?? blank[field]
}

function wrongField(
  value: unknown,
  fields: Readonly<Record<string, Check>>,
  required: readonly string[],
): string | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'it is no record'
  const record = value as Readonly<Record<string, unknown>>
  const missing = required.find((field) => record[field] === undefined)
  if (missing !== undefined) return `${missing} is missing`
  for (const [field, is] of Object.entries(fields))
    if (record[field] !== undefined && !is(record[field])) return `${field} is not what it must be`
  return null
}
