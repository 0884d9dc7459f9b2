/** A document as flat JSON text, as it lies in the spool and in the quarantine. */
import { inspect } from 'node:util'
import type { EventDocument } from '../events/fields.ts'

/** Never throws: a value that JSON cannot hold becomes a text, at which the destination will take offence. */
export function asJson(document: EventDocument): string {
  try {
    return JSON.stringify(document)
  } catch {
    const entries = Object.entries(document).map(([name, value]) => [name, isJson(value) ? value : inspect(value)])
    return JSON.stringify(Object.fromEntries(entries))
  }
}

function isJson(value: unknown): boolean {
  try {
    JSON.stringify(value)
    return true
  } catch {
    return false
  }
}
