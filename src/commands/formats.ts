/** Documents as a program or a person wants them: table, JSON, NDJSON, CSV. */
import { InvalidArgumentError } from 'commander'
import { type EventDocument, type FieldName, isField, FIELDS, nest } from '../events/fields.ts'
import { UsageError } from './context.ts'
import { type Column, print, printable, table, when, write } from './terminal.ts'

export const FORMATS = ['table', 'json', 'ndjson', 'csv'] as const
export type Format = (typeof FORMATS)[number]

/** The fields of a comma-separated list. */
export function parseFields(text: string): FieldName[] {
  return text.split(',').map((part) => parseField(part.trim()))
}

export function parseField(name: string): FieldName {
  if (isField(name)) return name
  const like = Object.keys(FIELDS).filter((field) => field.includes(name))
  const hint =
    like.length > 0 && like.length <= 8 ? `; did you mean ${like.join(', ')}` : "; 'borescope fields' lists them"
  throw new UsageError(`there is no field ${name}${hint}`)
}

/** A number of rows or events, for an option. */
export function parseCount(text: string): number {
  const count = Number(text)
  if (!Number.isSafeInteger(count) || count < 1) throw new InvalidArgumentError('expected a whole number from 1.')
  return count
}

/** Of one analysis. */
export const THREADS_MAX = 64

export function parseThreads(text: string, says = 'expected a number'): number {
  const threads = Number(text)
  if (Number.isInteger(threads) && threads >= 1 && threads <= THREADS_MAX) return threads
  throw new InvalidArgumentError(`${says} from 1 to ${THREADS_MAX}.`)
}

/** A table knows the widths of its columns when all rows are there. */
export const TABLE_ROWS_MAX = 10_000

/** Writes documents as they come, in bounded memory; a table is drawn when all are there. */
export async function printDocuments(
  documents: AsyncIterable<EventDocument>,
  format: Format,
  fields: readonly FieldName[],
): Promise<number> {
  switch (format) {
    case 'ndjson':
      return each(documents, (document) => print(JSON.stringify(nest(document))))
    case 'csv':
      await print(fields.join(','))
      return each(documents, (document) => print(fields.map((field) => csv(document[field])).join(',')))
    case 'json': {
      let before = '[\n  '
      const count = await each(documents, async (document) => {
        await write(before + JSON.stringify(nest(document), null, 2).replaceAll('\n', '\n  '))
        before = ',\n  '
      })
      await print(count === 0 ? '[]' : '\n]')
      return count
    }
    case 'table': {
      const rows: EventDocument[] = []
      const count = await each(documents, (document) => void rows.push(document))
      if (count > 0) await print(table(fields.map(columnOf), rows))
      return count
    }
  }
}

async function each(
  documents: AsyncIterable<EventDocument>,
  act: (document: EventDocument) => Promise<void> | void,
): Promise<number> {
  let count = 0
  for await (const document of documents) {
    await act(document)
    count++
  }
  return count
}

function columnOf(field: FieldName): Column<EventDocument> {
  return {
    title: field,
    value: (document) => cell(field, document[field]),
    right: FIELDS[field].kind === 'long',
    widthMax: field === 'message' ? 110 : 48,
  }
}

function cell(field: FieldName, value: unknown): string | undefined {
  if (value === undefined) return undefined
  if (Array.isArray(value)) return value.join(' ')
  return FIELDS[field].kind === 'date' ? when(String(value), true) : String(value)
}

/**
 * RFC 4180; a text that a spreadsheet would take for a formula gets a leading apostrophe. Files get texts as they are, a terminal
 * without control characters.
 */
export function csv(value: unknown): string {
  if (value === undefined || value === null) return ''
  const whole = Array.isArray(value) ? value.join(' ') : String(value)
  const text = process.stdout.isTTY ? printable(whole) : whole
  const harmless = typeof value !== 'number' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless
}
