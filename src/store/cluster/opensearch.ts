/** OpenSearch 2 and 3, through its official client. */
import type { Call, ClusterClient, Connection, Reply } from './client.ts'
import { bodyOf, clientOver, isCompressed, retryAfterMs } from './client.ts'
import { type ClusterOptions, type ClusterStore, openClusterStore } from './store.ts'

/** Opens a store in OpenSearch 2 or 3. */
export async function openOpenSearchStore(options: ClusterOptions): Promise<ClusterStore> {
  return openClusterStore(await openSearchClient(options.connection), options)
}

/** Loaded when it is needed: the client is large. */
export async function openSearchClient(connection: Connection): Promise<ClusterClient> {
  const { Client } = await import('@opensearch-project/opensearch')
  const { username, password, ca } = connection
  const client = new Client({
    nodes: [...connection.nodes],
    ...(username === undefined ? {} : { auth: { username, password: password ?? '' } }),
    ssl: { rejectUnauthorized: connection.verifyTls, ...(ca === undefined ? {} : { ca }) },
    requestTimeout: connection.requestTimeoutMs,
    ...(isCompressed(connection) ? { compression: 'gzip', suggestCompression: true } : {}),
    // A node that is down is passed over at once; waiting is the business of whoever writes.
    maxRetries: connection.nodes.length - 1,
    nodeSelector: 'round-robin',
  })
  return clientOver(
    'opensearch',
    connection,
    (call) => send(client.transport, call),
    () => client.close(),
  )
}

interface Transport {
  request(
    parameters: { method: string; path: string; querystring?: Record<string, unknown>; body?: string | Buffer },
    options: { headers: Record<string, string> },
  ): Promise<{ statusCode: number | null; body: unknown; headers?: unknown }> & { abort(): void }
}

async function send(transport: Transport, call: Call): Promise<Reply> {
  const { method, path, query, signal } = call
  const { isLines, sent } = bodyOf(call)
  const underWay = transport.request(
    {
      method,
      path,
      ...(query === undefined ? {} : { querystring: { ...query } }),
      ...sent,
    },
    { headers: { 'content-type': isLines ? 'application/x-ndjson' : 'application/json' } },
  )
  // Without a result: what a listener returns is waited for, and its rejection ends the process.
  const abort = () => void underWay.abort()
  signal?.addEventListener('abort', abort)
  if (signal?.aborted) abort()
  try {
    const reply = await underWay
    return { status: reply.statusCode ?? 0, body: reply.body, afterMs: retryAfterMs(reply.headers) }
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}
