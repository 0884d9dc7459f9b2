/** Writes batches with `_bulk`, and says of each event what became of it. */
import type { EventDocument } from '../../events/fields.ts'
import { type Rejection, StoreError, type WriteResult } from '../search.ts'
import { ask, type ClusterClient, causeText, type ErrorCause } from './client.ts'
import { type Encoded, Encoder } from './documents.ts'
import { Generations } from './generations.ts'
import { Lines } from './lines.ts'
import type { Templates } from './templates.ts'

interface BulkReply {
  readonly items: readonly { readonly create: BulkItem }[]
}

interface BulkItem {
  readonly _index: string
  readonly status: number
  readonly error?: ErrorCause
}

/** A document of the batch on its way. */
interface Sending {
  readonly index: number
  readonly encoded: Encoded
}

const WANTED = 'errors,items.*._index,items.*.status,items.*.error'
/** Ids in one query: below the least default bound of a search's size. */
const IDS_MAX = 10_000
/** They are answered with 400, and say nothing about the event. */
const NOT_THE_EVENT = new Set(['index_closed_exception', 'validation_exception', 'cluster_block_exception'])

export class Writer {
  readonly #client: ClusterClient
  readonly #templates: Templates
  readonly #generations: Generations
  readonly #encoder: Encoder
  readonly #namespace: string
  /** The order of storing: microseconds of the clock when the store was opened, counted on from there. */
  #order = Date.now() * 1000 + Math.floor(Math.random() * 1000)

  constructor(client: ClusterClient, templates: Templates, pattern: string, namespace: string) {
    this.#client = client
    this.#templates = templates
    this.#generations = new Generations(client, pattern)
    this.#encoder = new Encoder(namespace)
    this.#namespace = namespace
  }

  async write(batch: readonly EventDocument[], signal?: AbortSignal): Promise<WriteResult> {
    const rejected: Rejection[] = []
    const later: Rejection[] = []
    const encoded: Sending[] = []
    const lines = new Lines()
    for (const [index, document] of batch.entries()) {
      const outcome = this.#encoder.encode(document, this.#order++, lines)
      if (typeof outcome === 'string') rejected.push({ index, id: idOf(document), reason: outcome })
      else encoded.push({ index, encoded: outcome })
    }
    const mapped = await this.#mapped(encoded, rejected)
    const known = await this.#known(mapped)
    const sending = mapped.filter((one) => !known.has(one))
    let duplicates = known.size
    const stored: { sent: Sending; item: BulkItem }[] = []
    for (const [i, item] of (await this.#send(sending, lines, signal)).entries()) {
      const sent = sending[i]
      const verdict = verdictOf(item)
      if (verdict === 'stored') stored.push({ sent, item })
      else if (verdict === 'duplicate') duplicates++
      else {
        const reason = item.error === undefined ? `status ${item.status}` : causeText(item.error)
        const list = verdict === 'rejected' ? rejected : later
        list.push({ index: sent.index, id: sent.encoded.id, reason })
      }
    }
    const doubled = await this.#withdraw(stored)
    const byIndex = (a: Rejection, b: Rejection) => a.index - b.index
    return {
      stored: stored.length - doubled,
      duplicates: duplicates + doubled,
      rejected: rejected.sort(byIndex),
      later: later.sort(byIndex),
    }
  }

  /** Without those whose fields their stream cannot map. */
  async #mapped(sending: readonly Sending[], rejected: Rejection[]): Promise<readonly Sending[]> {
    const beyond = Map.groupBy(
      sending.filter(({ encoded }) => encoded.beyond.length > 0),
      ({ encoded }) => encoded.stream,
    )
    const refused = new Set<Sending>()
    for (const [stream, those] of beyond) {
      try {
        await this.#templates.extend(stream, [...new Set(those.flatMap(({ encoded }) => encoded.beyond))])
      } catch (error) {
        if (!(error instanceof StoreError) || error.retry === 'later') throw error
        for (const one of those) {
          refused.add(one)
          rejected.push({ index: one.index, id: one.encoded.id, reason: error.message })
        }
      }
    }
    return refused.size === 0 ? sending : sending.filter((one) => !refused.has(one))
  }

  /** Those that an older index of their stream holds. */
  async #known(sending: readonly Sending[]): Promise<ReadonlySet<Sending>> {
    const known = new Set<Sending>()
    for (const [stream, those] of Map.groupBy(sending, ({ encoded }) => encoded.stream)) {
      for (let from = 0; from < those.length; from += IDS_MAX) {
        const part = those.slice(from, from + IDS_MAX)
        const found = await this.#generations.older(
          this.#target(stream),
          part.map(({ encoded }) => encoded),
        )
        for (const one of part) if (found.has(one.encoded.id)) known.add(one)
      }
    }
    return known
  }

  async #send(
    sending: readonly Sending[],
    lines: Lines,
    signal: AbortSignal | undefined,
  ): Promise<readonly BulkItem[]> {
    if (sending.length === 0) return []
    const body = bodyOf(sending, lines)
    const call = { method: 'POST', path: '/_bulk', query: { filter_path: WANTED }, body, signal } as const
    const { items } = await ask<Partial<BulkReply>>(this.#client, call)
    if (items?.length !== sending.length) {
      const says = `${this.#client.name} answered for ${items?.length ?? 0} of ${sending.length} events`
      throw new StoreError(says, { retry: 'later' })
    }
    return items.map(({ create }) => create)
  }

  /**
   * A stream that was rolled over since it was last looked at has an older index that nobody asked: copies of what that
   * holds are taken out again. Gives how many.
   */
  async #withdraw(stored: readonly { readonly sent: Sending; readonly item: BulkItem }[]): Promise<number> {
    const moved: (typeof stored)[number][] = []
    for (const [stream, those] of Map.groupBy(stored, ({ sent }) => sent.encoded.stream)) {
      for (const [index, inIndex] of Map.groupBy(those, ({ item }) => item._index)) {
        if (!(await this.#generations.isWriteIndex(this.#target(stream), index))) moved.push(...inIndex)
      }
    }
    if (moved.length === 0) return 0
    await this.#generations.reload()
    const known = await this.#known(moved.map(({ sent }) => sent))
    const copies = moved.filter(({ sent }) => known.has(sent))
    if (copies.length === 0) return 0
    const lines = copies.map(({ sent, item }) =>
      JSON.stringify({ delete: { _index: item._index, _id: sent.encoded.id } }),
    )
    await ask(this.#client, { method: 'POST', path: '/_bulk', body: `${lines.join('\n')}\n` })
    return copies.length
  }

  #target(stream: string): string {
    return `${stream}-${this.#namespace}`
  }
}

/** The lines of those documents: most often it is all that there are. */
function bodyOf(sending: readonly Sending[], lines: Lines): Buffer {
  const bytes = sending.reduce((sum, { encoded: { from, until } }) => sum + until - from, 0)
  if (bytes === lines.length) return lines.range(0, bytes)
  return Buffer.concat(sending.map(({ encoded: { from, until } }) => lines.range(from, until)))
}

function verdictOf({ status, error }: BulkItem): 'stored' | 'duplicate' | 'rejected' | 'later' {
  if (status < 300) return 'stored'
  if (status === 409) return 'duplicate'
  return status === 400 && !NOT_THE_EVENT.has(error?.type ?? '') ? 'rejected' : 'later'
}

function idOf(document: EventDocument): string {
  const id: unknown = document['event.id']
  return typeof id === 'string' ? id : ''
}
