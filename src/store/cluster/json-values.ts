/** Values of fields as JSON, if they are such as the field holds and the index takes as they are. */
import type { FieldKind } from '../../events/declaration.ts'
import { instantUs } from '../dates.ts'
import { isAddress, isWhole } from '../values.ts'

/**
 * The JSON of a value, but for the quotes of a text; null if `flawOf` has something to say of it, or if it is a date that an
 * index does not hold whole.
 */
export type WriteValue = (value: unknown) => string | null

/** The first microsecond that a date_nanos cannot hold: its nanoseconds are 64 bits. */
export const NANOS_END_US = 2 ** 63 / 1000
/** More than six digits after the point. */
const BELOW_MICROSECOND = /\.\d{7,}Z$/
const MICROSECOND_LENGTH = '2026-01-31T23:59:59.123456Z'.length

export function isBelowMicrosecond(date: string): boolean {
  return date.length > MICROSECOND_LENGTH && BELOW_MICROSECOND.test(date)
}

/** What JSON writes otherwise than it is: controls, quotes, backslashes, and halves of surrogate pairs. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const ESCAPED = /[\u0000-\u001f"\\\ud800-\udfff]/

/** What stands between the quotes. Most texts need no more than the look whether they are to be escaped. */
export function escaped(text: string): string {
  return ESCAPED.test(text) ? JSON.stringify(text).slice(1, -1) : text
}

const text: WriteValue = (value) => (typeof value === 'string' ? escaped(value) : null)
const ip: WriteValue = (value) => (isAddress(value) ? value : null)

const list =
  (write: WriteValue): WriteValue =>
  (value) => {
    if (!Array.isArray(value)) return null
    let json = ''
    for (const item of value) {
      const one = write(item)
      if (one === null) return null
      json += json === '' ? `"${one}"` : `,"${one}"`
    }
    return `[${json}]`
  }

const date: WriteValue = (value) => {
  const timeUs = typeof value === 'string' ? instantUs(value) : null
  if (timeUs === null || timeUs < 0 || timeUs >= NANOS_END_US) return null
  return isBelowMicrosecond(value as string) ? null : (value as string)
}

/** Whether the JSON of a value stands between quotes. */
export function isQuoted(kind: FieldKind): boolean {
  return kind === 'keyword' || kind === 'text' || kind === 'ip' || kind === 'date'
}

export const WRITERS: Readonly<Record<FieldKind, WriteValue>> = {
  keyword: text,
  'keyword[]': list(text),
  text,
  ip,
  'ip[]': list(ip),
  long: (value) => (isWhole(value) ? `${value}` : null),
  float: (value) => (Number.isFinite(value) ? `${value}` : null),
  boolean: (value) => (typeof value === 'boolean' ? `${value}` : null),
  date,
}
