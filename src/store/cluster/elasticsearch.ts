/** Elasticsearch 8 and 9, through its official client. */
import type { Call, ClusterClient, Connection, Reply } from './client.ts'
import { bodyOf, clientOver, isCompressed, retryAfterMs } from './client.ts'
import { type ClusterOptions, type ClusterStore, openClusterStore } from './store.ts'

/** The API of version 8, which 9 speaks too: the client's own header says 9, and version 8 refuses that. */
const JSON_TYPE = 'application/vnd.elasticsearch+json; compatible-with=8'
const LINES_TYPE = 'application/vnd.elasticsearch+x-ndjson; compatible-with=8'

/** Opens a store in Elasticsearch 8 or 9. */
export async function openElasticsearchStore(options: ClusterOptions): Promise<ClusterStore> {
  return openClusterStore(await elasticsearchClient(options.connection), options)
}

/** Loaded when it is needed: the client is large. */
export async function elasticsearchClient(connection: Connection): Promise<ClusterClient> {
  const { Client } = await import('@elastic/elasticsearch')
  const { username, password, apiKey, ca } = connection
  const auth =
    apiKey !== undefined ? { apiKey } : username === undefined ? undefined : { username, password: password ?? '' }
  const client = new Client({
    nodes: [...connection.nodes],
    ...(auth === undefined ? {} : { auth }),
    tls: { rejectUnauthorized: connection.verifyTls, ...(ca === undefined ? {} : { ca }) },
    requestTimeout: connection.requestTimeoutMs,
    compression: isCompressed(connection),
    // A node that is down is passed over at once; waiting is the business of whoever writes.
    maxRetries: connection.nodes.length - 1,
  })
  return clientOver(
    'elasticsearch',
    connection,
    (call) => send(client.transport, call),
    () => client.close(),
  )
}

interface Transport {
  request(
    parameters: { method: string; path: string; querystring?: Record<string, unknown>; body?: string | Buffer },
    options: { meta: true; headers: Record<string, string>; signal?: AbortSignal },
  ): Promise<{ statusCode?: number | null; body: unknown; headers?: unknown }>
}

async function send(transport: Transport, call: Call): Promise<Reply> {
  const { method, path, query, signal } = call
  const { isLines, sent } = bodyOf(call)
  const reply = await transport.request(
    {
      method,
      path,
      ...(query === undefined ? {} : { querystring: query }),
      ...sent,
    },
    {
      meta: true,
      headers: { accept: JSON_TYPE, 'content-type': isLines ? LINES_TYPE : JSON_TYPE },
      ...(signal === undefined ? {} : { signal }),
    },
  )
  return { status: reply.statusCode ?? 0, body: reply.body, afterMs: retryAfterMs(reply.headers) }
}
