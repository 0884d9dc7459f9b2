/**
 * What an engine remembers, as a document that survives a restart: lines of JSON between a head, which names the format, its
 * version and who wrote it, and an end, which holds the number of lines and a SHA-256 of everything before it. A document that
 * is torn, changed or of another version is refused as a whole.
 */
import { createHash } from 'node:crypto'

/** One line: what kind of thing it is, and whatever that kind needs. */
export interface StateEntry {
  readonly kind: string
  readonly [key: string]: unknown
}

/** How the host's events and summaries become plain JSON, and come back; null for what is none. */
export interface StateCodec<E, S> {
  saveEvent(event: E): unknown
  loadEvent(value: unknown): E | null
  saveSummary(summary: S): unknown
  loadSummary(value: unknown): S | null
}

/** What became of the entries of a document. */
export interface Restored {
  restored: number
  /** Entries of rules that are no longer there or that say something else now. */
  outdated: number
}

/** Why a document is refused. */
export class StateError extends Error {
  override readonly name = 'StateError'
}

const FORMAT = 'sigma-state'
const VERSION = 1
/** Enough for the number and the hash of the last line. */
const END_BYTES = 160

/** A piece ends with the line that makes it this long: to put a large document together in one go would take a tenth of a second. */
export const PIECE_CHARACTERS = 1 << 18

/** A document that is written entry by entry, and given away piece by piece; `writer` is whose state it is. */
export class StateWriter {
  readonly #hash = createHash('sha256')
  #pieces: string[] = []
  #piece = ''
  #lines = 0
  readonly #bytesMax: number
  #bytes = END_BYTES
  #leftOut = 0

  constructor(writer: string, bytesMax: number) {
    this.#bytesMax = bytesMax
    if (!this.#append({ format: FORMAT, version: VERSION, writer })) {
      throw new StateError(`${bytesMax} bytes hold no state`)
    }
  }

  /** The most important ones come first: what would make the document larger than it may be is left out, and all after it. */
  add(entry: StateEntry): void {
    if (this.#leftOut > 0 || !this.#append(entry)) this.#leftOut++
  }

  /** The pieces that are whole, one behind the other; they are not kept. */
  take(): readonly string[] {
    const pieces = this.#pieces
    if (pieces.length > 0) this.#pieces = []
    return pieces
  }

  /** What is left of the document, in pieces, one behind the other. */
  end(): { readonly pieces: readonly string[]; readonly leftOut: number } {
    const entries = this.#lines - 1
    const end = { entries, leftOut: this.#leftOut, sha256: this.#hash.digest('hex') }
    return { pieces: [...this.#pieces, `${this.#piece}${JSON.stringify(end)}\n`], leftOut: this.#leftOut }
  }

  #append(value: unknown): boolean {
    const line = `${JSON.stringify(value)}\n`
    const length = Buffer.byteLength(line)
    if (this.#bytes + length > this.#bytesMax) return false
    this.#bytes += length
    this.#hash.update(line)
    this.#lines++
    this.#piece += line
    if (this.#piece.length >= PIECE_CHARACTERS) {
      this.#pieces.push(this.#piece)
      this.#piece = ''
    }
    return true
  }
}

/** All entries in one go. */
export function writeState(
  entries: Iterable<StateEntry>,
  writer: string,
  bytesMax: number,
): { readonly text: string; readonly leftOut: number } {
  const state = new StateWriter(writer, bytesMax)
  for (const entry of entries) state.add(entry)
  const { pieces, leftOut } = state.end()
  return { text: pieces.join(''), leftOut }
}

/** The entries of a document, in their order. Throws StateError. */
export function readState(text: string, writer: string, bytesMax: number): StateEntry[] {
  if (Buffer.byteLength(text) > bytesMax) throw new StateError(`the state is larger than ${bytesMax} bytes`)
  const endAt = text.lastIndexOf('\n', text.length - 2) + 1
  const end = text.endsWith('\n') && endAt > 0 ? parseLine(text.slice(endAt)) : null
  if (end === null) throw new StateError('the state is torn: its last line is missing')
  const body = text.slice(0, endAt)
  if (end['sha256'] !== createHash('sha256').update(body).digest('hex')) {
    throw new StateError('the state was changed after it was written: its hash is another one')
  }
  const [head, ...entries] = body.slice(0, -1).split('\n').map(parseLine)
  if (head?.['format'] !== FORMAT || head['version'] !== VERSION) {
    throw new StateError(`expected ${FORMAT} of version ${VERSION}`)
  }
  if (head['writer'] !== writer) throw new StateError(`the state is not that of ${writer}`)
  if (end['entries'] !== entries.length) throw new StateError('the state has another number of entries than it says')
  return entries.map((entry) => {
    if (typeof entry?.['kind'] !== 'string') throw new StateError('the state holds something that is no entry')
    return entry as StateEntry
  })
}

function parseLine(line: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null
  } catch {
    return null
  }
}
