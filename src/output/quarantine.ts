/**
 * Events that a destination refuses for good, with its reasons: one JSON object a line in a file that people look into. It is
 * bounded: what comes when it is full is dropped, because the first ones tell what is wrong.
 */
import * as fs from 'node:fs'
import { dirname } from 'node:path'
import type { EventDocument } from '../events/fields.ts'
import { asJson } from './json.ts'

export interface Quarantined {
  /** When it was refused, by the clock of the machine; ISO 8601. */
  readonly time: string
  readonly reason: string
  /** The event.id, or an empty text if there is none. */
  readonly id: string
  readonly event: EventDocument
}

/** What the quarantine asks of the file system; tests put failures in between. */
export type QuarantineFiles = Pick<typeof fs, 'appendFileSync' | 'mkdirSync' | 'statSync'>

export class Quarantine {
  /** What is wrong with the file, if something is. */
  trouble: string | null = null
  readonly #path: string
  readonly #bytesMax: number
  readonly #files: QuarantineFiles
  #bytes: number

  constructor(path: string, bytesMax: number, files: QuarantineFiles = fs) {
    this.#path = path
    this.#bytesMax = bytesMax
    this.#files = files
    this.#bytes = this.#size()
  }

  get bytes(): number {
    return this.#bytes
  }

  /** `full` and `failed`: the event is not there. */
  add(document: EventDocument, reason: string): 'kept' | 'full' | 'failed' {
    const head = JSON.stringify({ time: new Date().toISOString(), reason, id: String(document['event.id'] ?? '') })
    const line = `${head.slice(0, -1)},"event":${asJson(document)}}\n`
    const length = Buffer.byteLength(line)
    // Somebody may have emptied it in the meantime.
    if (this.#bytes + length > this.#bytesMax) this.#bytes = this.#size()
    if (this.#bytes + length > this.#bytesMax) return 'full'
    try {
      if (this.#bytes === 0) this.#files.mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 })
      this.#files.appendFileSync(this.#path, line, { mode: 0o600 })
    } catch (error) {
      this.trouble = (error as Error).message
      return 'failed'
    }
    this.#bytes += length
    return 'kept'
  }

  #size(): number {
    try {
      return this.#files.statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0
    } catch (error) {
      this.trouble = (error as Error).message
      return 0
    }
  }
}

/** What is in a quarantine file. Lines that a crash or a full disk cut short are counted. */
export function readQuarantine(path: string): { readonly events: readonly Quarantined[]; readonly unreadable: number } {
  if (!fs.existsSync(path)) return { events: [], unreadable: 0 }
  const events: Quarantined[] = []
  let unreadable = 0
  for (const line of fs.readFileSync(path, 'utf8').split('\n')) {
    if (line === '') continue
    try {
      events.push(JSON.parse(line) as Quarantined)
    } catch {
      unreadable++
    }
  }
  return { events, unreadable }
}
