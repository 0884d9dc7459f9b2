/** Documents as JSON text: flat, as one lies in the spool and in the quarantine, and nested, as files hold them for others. */
import { inspect } from 'node:util'
import { type EventDocument, nest } from '../events/fields.ts'

/** Never throws: a value that JSON cannot hold becomes a text, at which the destination will take offence. */
export function asJson(document: EventDocument): string {
  try {
    return JSON.stringify(document)
  } catch {
    const entries = Object.entries(document).map(([name, value]) => [name, isJson(value) ? value : inspect(value)])
    return JSON.stringify(Object.fromEntries(entries))
  }
}

/** One nested document a line. */
export function asNdjson(batch: readonly EventDocument[]): string {
  let lines = ''
  for (const document of batch) lines += `${JSON.stringify(nest(document))}\n`
  return lines
}

function isJson(value: unknown): boolean {
  try {
    JSON.stringify(value)
    return true
  } catch {
    return false
  }
}
