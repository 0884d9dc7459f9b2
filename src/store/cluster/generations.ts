/**
 * The backing indices of data streams, and which of them may hold an event already.
 *
 * `create` refuses an id that its own index holds; a stream that was rolled over has older indices, which it does not ask.
 * No event is created in these any more, so their span of time is asked for once: what lies outside of it is new, and only
 * what lies inside is looked up by its id before it is written.
 */
import { ask, type ClusterClient } from './client.ts'
import { STORE_FIELDS } from './mapping.ts'

interface Span {
  readonly fromUs: number
  readonly untilUs: number
}

interface StreamState {
  /** The index that takes new events; null if there is none yet. */
  readonly writeIndex: string | null
  readonly older: readonly Span[]
}

export interface Sought {
  readonly id: string
  readonly timeUs: number
}

interface DataStreams {
  readonly data_streams: readonly {
    readonly name: string
    readonly indices: readonly { readonly index_name: string }[]
  }[]
}

interface Spans {
  readonly aggregations?: {
    readonly indices: {
      readonly buckets: readonly {
        readonly key: string
        readonly first: { readonly value: number | null }
        readonly last: { readonly value: number | null }
      }[]
    }
  }
}

const INDICES_MAX = 10_000

export class Generations {
  readonly #client: ClusterClient
  readonly #pattern: string
  #streams: ReadonlyMap<string, StreamState> | null = null

  /** `pattern` names the streams of a store. */
  constructor(client: ClusterClient, pattern: string) {
    this.#client = client
    this.#pattern = pattern
  }

  /** Which of these events of a stream are in its older indices. */
  async older(stream: string, sought: readonly Sought[]): Promise<ReadonlySet<string>> {
    this.#streams ??= await this.#load()
    const state = this.#streams.get(stream)
    if (state === undefined || state.older.length === 0) return new Set()
    const within = sought.filter(({ timeUs }) =>
      state.older.some(({ fromUs, untilUs }) => timeUs >= fromUs && timeUs <= untilUs),
    )
    return this.#find(stream, within, state.writeIndex)
  }

  /** Whether the index into which an event was written is the one that was known to take new events. */
  async isWriteIndex(stream: string, index: string): Promise<boolean> {
    this.#streams ??= await this.#load()
    const state = this.#streams.get(stream)
    // An index that is no backing index has no older ones.
    return state?.writeIndex === index || !index.startsWith('.ds-')
  }

  /** The streams were rolled over, or made: what is known of them is asked for again. */
  async reload(): Promise<void> {
    this.#streams = await this.#load()
  }

  async #load(): Promise<ReadonlyMap<string, StreamState>> {
    const reply = await this.#client.request({ method: 'GET', path: `/_data_stream/${this.#pattern}` })
    // Without data streams there are no older indices.
    if (reply.status >= 300) return new Map()
    const streams = (reply.body as DataStreams).data_streams
    const spans = streams.some(({ indices }) => indices.length > 1) ? await this.#spans() : new Map<string, Span>()
    return new Map(
      streams.map(({ name, indices }) => {
        const names = indices.map(({ index_name }) => index_name)
        const older = names.slice(0, -1).flatMap((index) => spans.get(index) ?? [])
        return [name, { writeIndex: names.at(-1) ?? null, older }]
      }),
    )
  }

  async #spans(): Promise<Map<string, Span>> {
    // What was written just before the roll-over is to be found as well.
    await this.#client.request({ method: 'POST', path: `/${this.#pattern}/_refresh` })
    const bounds = { first: { min: { field: STORE_FIELDS.timeUs } }, last: { max: { field: STORE_FIELDS.timeUs } } }
    const body = { size: 0, aggs: { indices: { terms: { field: '_index', size: INDICES_MAX }, aggs: bounds } } }
    const path = `/${this.#pattern}/_search`
    const { aggregations } = await ask<Spans>(this.#client, { method: 'POST', path, body })
    const spans = new Map<string, Span>()
    for (const { key, first, last } of aggregations?.indices.buckets ?? []) {
      if (first.value !== null && last.value !== null) spans.set(key, { fromUs: first.value, untilUs: last.value })
    }
    return spans
  }

  async #find(stream: string, sought: readonly Sought[], writeIndex: string | null): Promise<ReadonlySet<string>> {
    if (sought.length === 0) return new Set()
    const times = sought.map(({ timeUs }) => timeUs)
    const between = { gte: Math.min(...times), lte: Math.max(...times) }
    const filter = [{ range: { [STORE_FIELDS.timeUs]: between } }, { ids: { values: sought.map(({ id }) => id) } }]
    const notIn = writeIndex === null ? [] : [{ term: { _index: writeIndex } }]
    const body = { size: sought.length, _source: false, query: { bool: { filter, must_not: notIn } } }
    const call = { method: 'POST', path: `/${stream}/_search`, query: { ignore_unavailable: true }, body } as const
    const found = await ask<{ hits: { hits: readonly { _id: string }[] } }>(this.#client, call)
    return new Set(found.hits.hits.map(({ _id }) => _id))
  }
}
