/** What an event takes in memory while something remembers it. */
import { textBytes } from '../base/memory.ts'
import type { EventDocument } from './fields.ts'

/** What a document takes beside its values, and a value beside its text; the names of fields are shared. */
const DOCUMENT_BYTES = 100
const VALUE_BYTES = 16

/** By an estimate, in bytes. */
export function documentBytes(document: EventDocument): number {
  let bytes = DOCUMENT_BYTES
  for (const value of Object.values(document)) {
    bytes += VALUE_BYTES
    if (typeof value === 'string') bytes += textBytes(value)
    else if (Array.isArray(value)) {
      for (const element of value) bytes += VALUE_BYTES + (typeof element === 'string' ? textBytes(element) : 0)
    }
  }
  return bytes
}
