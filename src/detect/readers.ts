/**
 * What reads one field of documents, each field a function of its own. In one function for all names the runtime searches the
 * document for the name every time; a function that knows a single name remembers where the documents that it has seen hold it.
 */
import type { EventDocument } from '../events/fields.ts'

type Reader = (document: EventDocument) => unknown

const readers = new Map<string, Reader>()

/** The same function each time for the same name, of which nothing is required: it is written into the function as a quoted text. */
export function readerOf(name: string): Reader {
  const known = readers.get(name)
  if (known !== undefined) return known
  // Closures over the name would share what the runtime remembers.
  const reader = new Function('document', `return document[${JSON.stringify(name)}]`) as Reader
  readers.set(name, reader)
  return reader
}
