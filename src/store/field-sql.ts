/** The fields of events in SQL, over `events e` and, for what events share, `commons c`; see `layout.ts` for where they are. */
import { FIELDS, type FieldName } from '../events/fields.ts'
import { homeOf, type Numbering, repetition } from './layout.ts'
import { isList } from './values.ts'

/** The value of a field that is no list. A field that the file does not know is NULL. */
export function scalarSql(field: FieldName, numbering: Numbering): string {
  const own = homeOf(field) === 'column' ? `e."${field}"` : `json_extract(${jsonSql(field, numbering)})`
  const repeated = repetition(field)
  return repeated === null ? own : `iif(e.repeats & ${repeated.bit}, ${scalarSql(repeated.of[0], numbering)}, ${own})`
}

/** The arguments by which functions of JSON find a field that is in JSON. */
export function jsonSql(field: FieldName, numbering: Numbering): string {
  return `${homeOf(field) === 'common' ? 'c.fields' : 'e.rest'}, '$."${numbering.get(field) ?? 0}"'`
}

/**
 * The join that gives a row for each element of a list, and one of NULL for an event without any; nothing for any other
 * field. Addresses are values of JSON (see JsonAddress in `codec.ts`).
 */
export function elementsSql(field: FieldName, numbering: Numbering, alias: string): string {
  if (!isList(field)) return ''
  const kept = jsonSql(field, numbering)
  const repeated = repetition(field)
  if (repeated === null) return `LEFT JOIN json_each(${kept}) ${alias}`
  const columns = repeated.of.map((one) =>
    FIELDS[one].kind === 'ip' ? `iif(typeof(e."${one}") = 'blob', hex(e."${one}"), e."${one}")` : `e."${one}"`,
  )
  const list = `iif(e.repeats & ${repeated.bit}, json_array(${columns.join(', ')}), json_extract(${kept}))`
  return `LEFT JOIN json_each(${list}) ${alias} ON ${alias}.type <> 'null'`
}
