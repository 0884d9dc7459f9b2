/**
 * Events in a cluster: Elasticsearch 8 and 9, OpenSearch 2 and 3. Each dataset is a data stream
 * `logs-borescope.<dataset>-<namespace>`; queries go over all of them.
 *
 * What was written is found at once by whoever wrote it: a query refreshes the indices if something was written since the
 * last one. Others find it after the interval of refreshing (five seconds).
 */
import type { EventDocument } from '../../events/fields.ts'
import { instantUs } from '../dates.ts'
import {
  type Aggregation,
  type Bucket,
  type Group,
  type Retention,
  type Search,
  type Selection,
  StoreError,
  type StoreStats,
  type WriteResult,
} from '../search.ts'
import { ask, type ClusterClient, type Connection, PRODUCT_NAMES } from './client.ts'
import type { Lifecycle } from './lifecycle.ts'
import { STORE_FIELDS } from './mapping.ts'
import { Reader, sortBy } from './reader.ts'
import { Templates } from './templates.ts'
import { Writer } from './writer.ts'

export interface ClusterOptions {
  readonly connection: Connection
  readonly namespace: string
  /** For a process that only asks: no template is touched. */
  readonly readOnly?: boolean
  readonly shards: number
  readonly replicas: number
  readonly lifecycle: Lifecycle
  /** Of Borescope, for the templates. */
  readonly version: string
}

/** Deletions of one request. */
const DELETIONS = 5000

/** What a server says of itself at `GET /`. */
interface ServerInfo {
  readonly version?: { readonly number?: string; readonly distribution?: string; readonly build_flavor?: string }
}

/** The streams of a store, as a pattern of index names. */
export function streamPattern(namespace: string): string {
  return `logs-borescope.*-${namespace},metrics-borescope.*-${namespace}`
}

/** The store behind a client, which it closes with itself. */
export async function openClusterStore(client: ClusterClient, options: ClusterOptions): Promise<ClusterStore> {
  try {
    await refuseOtherProducts(client)
    const templates = new Templates(client, options)
    if (!options.readOnly) await templates.install()
    return new ClusterStore(client, templates, options)
  } catch (error) {
    await client.close()
    throw error
  }
}

/**
 * What the server is.
 *
 * @throws {StoreError} if it is not what the client is for
 */
export async function refuseOtherProducts(
  client: ClusterClient,
): Promise<{ readonly number: string; readonly flavour: string | null }> {
  const { version } = await ask<ServerInfo>(client, { method: 'GET', path: '/' })
  const product = version?.distribution === 'opensearch' ? 'opensearch' : 'elasticsearch'
  const major = Number.parseInt(version?.number ?? '', 10)
  const found = `${client.name} is ${PRODUCT_NAMES[product]} ${version?.number ?? 'without a version'}`
  if (product !== client.product) throw new StoreError(`${found}: set store.kind to ${product}`, { retry: 'later' })
  const [least, name] = product === 'opensearch' ? [2, '2 and 3'] : [8, '8 and 9']
  if (!(major >= least)) throw new StoreError(`${found}: Borescope stores into ${name}`, { retry: 'later' })
  return { number: version?.number ?? '', flavour: version?.build_flavor ?? null }
}

export class ClusterStore {
  readonly #client: ClusterClient
  readonly #pattern: string
  readonly #writer: Writer | null
  readonly #reader: Reader
  /** Something may have been written that a query would not find yet; at first by another process. */
  #isStale = true
  #isClosed = false

  constructor(client: ClusterClient, templates: Templates, { namespace, readOnly }: ClusterOptions) {
    this.#client = client
    this.#pattern = streamPattern(namespace)
    this.#reader = new Reader(client, this.#pattern)
    this.#writer = readOnly ? null : new Writer(client, templates, this.#pattern, namespace)
  }

  /** Resolves when the primary shards and their replicas have the events in their translogs. */
  async write(batch: readonly EventDocument[], signal?: AbortSignal): Promise<WriteResult> {
    this.#refuseClosed()
    if (this.#writer === null) throw this.#readOnlyError()
    if (batch.length === 0) return { stored: 0, duplicates: 0, rejected: [], later: [] }
    try {
      return await this.#writer.write(batch, signal)
    } finally {
      this.#isStale = true
    }
  }

  async *search(search: Search): AsyncGenerator<EventDocument> {
    await this.#refresh()
    yield* this.#reader.search(search)
  }

  async count(selection: Selection): Promise<number> {
    await this.#refresh()
    return this.#reader.count(selection)
  }

  async aggregate(selection: Selection, aggregation: Aggregation): Promise<Group[]> {
    await this.#refresh()
    return this.#reader.aggregate(selection, aggregation)
  }

  async histogram(selection: Selection, intervalMs: number): Promise<Bucket[]> {
    await this.#refresh()
    return this.#reader.histogram(selection, intervalMs)
  }

  async get(id: string): Promise<EventDocument | null> {
    await this.#refresh()
    return this.#reader.get(id)
  }

  async stats(): Promise<StoreStats> {
    await this.#refresh()
    return this.#reader.stats()
  }

  /** By age, event by event; for the size of a cluster its life cycle is there. */
  async prune({ maxAgeMs, maxBytes, now }: Retention): Promise<number> {
    this.#refuseClosed()
    if (this.#writer === null) throw this.#readOnlyError()
    if (maxBytes !== undefined) {
      throw new StoreError(`${this.#client.name} is not bounded by its size: set store.deleteAfterDays`)
    }
    if (maxAgeMs === undefined) return 0
    const nowUs = now === undefined ? Date.now() * 1000 : instantUs(now)
    if (nowUs === null) throw new StoreError(`"${now}" is no ISO 8601 date in UTC`)
    await this.#refresh()
    const query = { range: { [STORE_FIELDS.timeUs]: { lt: nowUs - maxAgeMs * 1000 } } }
    const sort = [sortBy(STORE_FIELDS.timeUs, 'long', false), sortBy(STORE_FIELDS.order, 'long', false)]
    let deleted = 0
    let lines: string[] = []
    const send = async () => {
      deleted += await this.#delete(lines)
      lines = []
    }
    for await (const { _index, _id } of this.#reader.hits({ query, sort, ...{ _source: false } })) {
      lines.push(JSON.stringify({ delete: { _index, _id } }))
      if (lines.length === DELETIONS) await send()
    }
    if (lines.length > 0) await send()
    return deleted
  }

  async #delete(lines: readonly string[]): Promise<number> {
    this.#isStale = true
    const call = { method: 'POST', path: '/_bulk', body: `${lines.join('\n')}\n` } as const
    const { items } = await ask<{ items: { delete: { status: number } }[] }>(this.#client, call)
    return items.filter((item) => item.delete.status === 200).length
  }

  /** Makes what was written visible to the queries of other processes, and lets the connections go. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    if (this.#writer !== null) await this.#refresh().catch(() => undefined)
    this.#isClosed = true
    await this.#client.close()
  }

  async #refresh(): Promise<void> {
    this.#refuseClosed()
    if (!this.#isStale) return
    this.#isStale = false
    const query = { ignore_unavailable: true, allow_no_indices: true }
    // Who may not refresh waits for the interval.
    await this.#client.request({ method: 'POST', path: `/${this.#pattern}/_refresh`, query })
  }

  #refuseClosed(): void {
    if (this.#isClosed) throw new StoreError(`the event store ${this.#client.name} is closed`)
  }

  #readOnlyError(): StoreError {
    return new StoreError(`the event store ${this.#client.name} was opened for reading only`)
  }
}
