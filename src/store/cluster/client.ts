/**
 * How the store talks to a cluster: one function that sends a request and gives the reply, behind which the two official
 * clients stand (`elasticsearch.ts`, `opensearch.ts`). What goes wrong becomes a StoreError that says what to do.
 */
import { type Retry, StoreError } from '../search.ts'

export type Product = 'elasticsearch' | 'opensearch'

/** How a cluster is reached. */
export interface Connection {
  /** Base URLs, asked in turn. */
  readonly nodes: readonly string[]
  readonly username?: string
  readonly password?: string
  /** Of Elasticsearch: an encoded API key. */
  readonly apiKey?: string
  /** The certificate of the authority that signed those of the nodes, in PEM. */
  readonly ca?: string
  readonly verifyTls: boolean
  readonly requestTimeoutMs: number
  /** `auto`: unless all nodes are on this machine, where it only costs time. */
  readonly compression: boolean | 'auto'
}

const HERE = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/

/** Whether requests and replies are compressed. */
export function isCompressed({ nodes, compression }: Connection): boolean {
  return compression === 'auto' ? !nodes.every((node) => HERE.test(new URL(node).hostname)) : compression
}

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly path: string
  readonly query?: Readonly<Record<string, string | number | boolean>>
  /** An object is sent as JSON; a text, or its octets, as lines of JSON. */
  readonly body?: object | string | Buffer
  readonly signal?: AbortSignal | undefined
}

export interface Reply {
  readonly status: number
  /** What the JSON of the reply holds; a text if it was none. */
  readonly body: unknown
  /** From a Retry-After header. */
  readonly afterMs: number | undefined
}

/** A body as a client takes it, and whether it is lines. */
export function bodyOf({ body }: Call): {
  readonly isLines: boolean
  readonly sent: { readonly body?: string | Buffer }
} {
  const isLines = typeof body === 'string' || Buffer.isBuffer(body)
  if (body === undefined) return { isLines, sent: {} }
  return { isLines, sent: { body: isLines ? body : JSON.stringify(body) } }
}

/** Any reply resolves, whatever its status; no reply rejects with a StoreError. */
export interface ClusterClient {
  readonly product: Product
  /** The nodes, for messages. */
  readonly name: string
  request(call: Call): Promise<Reply>
  close(): Promise<void>
}

export const PRODUCT_NAMES = { elasticsearch: 'Elasticsearch', opensearch: 'OpenSearch' } as const

/** The body of a reply that must be a success. */
export async function ask<T>(client: ClusterClient, call: Call): Promise<T> {
  const reply = await client.request(call)
  if (reply.status < 300) return reply.body as T
  throw refusal(client, call, reply)
}

/** The error that a reply stands for. */
export function refusal(client: ClusterClient, call: Call, reply: Reply): StoreError {
  const { status, afterMs } = reply
  const reason = reasonOf(reply)
  const where = `${client.name} (${call.method} ${call.path})`
  const error = (says: string, retry: Retry) => new StoreError(says, { retry, afterMs })
  if (status === 401) {
    return error(
      `${where} knows these credentials not: check the user and password, or the API key: ${reason}`,
      'later',
    )
  }
  if (status === 403) return error(`${where} allows this not: give the user the privilege: ${reason}`, 'later')
  if (status === 413) return error(`${where} takes no request of this size: ${reason}`, 'smaller')
  if (status === 429 || status === 502 || status === 503 || status === 504) {
    return error(`${where} is overloaded or not ready (${status}): ${reason}`, 'later')
  }
  // A cluster without a quorum, or in the middle of an election, answers with 500.
  return error(`${where} failed with ${status}: ${reason}`, status >= 500 ? 'later' : 'never')
}

interface ErrorBody {
  readonly error?: string | { readonly type?: string; readonly reason?: string; readonly caused_by?: ErrorCause }
}

export interface ErrorCause {
  readonly type?: string
  readonly reason?: string
  readonly caused_by?: ErrorCause
}

/** The outermost reason and the innermost one, which says most. */
export function reasonOf({ body }: Pick<Reply, 'body'>): string {
  if (typeof body === 'string') return body.slice(0, 200) || 'no reason given'
  const { error } = (body ?? {}) as ErrorBody
  if (error === undefined) return 'no reason given'
  return typeof error === 'string' ? error : causeText(error)
}

export function causeText(cause: ErrorCause): string {
  let inner = cause
  while (inner.caused_by !== undefined) inner = inner.caused_by
  const outer = cause.reason ?? cause.type ?? 'no reason given'
  return inner === cause || inner.reason === undefined || outer.includes(inner.reason)
    ? outer
    : `${outer}: ${inner.reason}`
}

/** What the clients throw, as far as it matters. */
interface ClientError {
  readonly name?: string
  readonly message?: string
  readonly code?: string
  readonly cause?: ClientError
  readonly meta?: { readonly statusCode?: number | null; readonly body?: unknown; readonly headers?: unknown }
}

/** A client over the one of a product: what that throws for an answer is an answer, and silence has a reason. */
export function clientOver(
  product: ClusterClient['product'],
  { nodes }: Connection,
  send: (call: Call) => Promise<Reply>,
  close: () => Promise<void>,
): ClusterClient {
  const name = nodes.join(', ')
  return {
    product,
    name,
    request: async (call) => {
      try {
        return await send(call)
      } catch (error) {
        const reply = replyOf(error)
        if (reply !== null) return reply
        throw silence({ name, product }, error)
      }
    },
    close,
  }
}

/** The reply that a client turned into an error, or null if there was none. */
function replyOf(thrown: unknown): Reply | null {
  const { name, meta } = thrown as ClientError
  if (name !== 'ResponseError' || typeof meta?.statusCode !== 'number') return null
  return { status: meta.statusCode, body: meta.body, afterMs: retryAfterMs(meta.headers) }
}

/** `Retry-After` in milliseconds: seconds, or a date (RFC 9110 section 10.2.3). */
export function retryAfterMs(headers: unknown): number | undefined {
  const value = (headers as Record<string, unknown> | null | undefined)?.['retry-after']
  if (typeof value !== 'string') return undefined
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now()
  return Number.isNaN(ms) ? undefined : Math.max(0, ms)
}

/** The error for a request to which there was no reply. */
function silence(client: Pick<ClusterClient, 'name' | 'product'>, thrown: unknown): StoreError {
  const { name } = thrown as ClientError
  const later = { retry: 'later' } as const
  const product = PRODUCT_NAMES[client.product]
  if (name === 'TimeoutError') {
    return new StoreError(
      `${client.name} did not answer in time: see what it is busy with, or raise store.requestTimeoutSeconds`,
      later,
    )
  }
  if (name === 'RequestAbortedError') return new StoreError(`the request to ${client.name} was broken off`, later)
  if (name === 'ProductNotSupportedError') {
    return new StoreError(`${client.name} is no Elasticsearch: set store.kind to what it is (opensearch?)`, later)
  }
  const says = messageOf(thrown as ClientError)
  if (/certificate|self.signed|altname|SSL|TLS|EPROTO/i.test(says)) {
    return new StoreError(
      `the certificate of ${client.name} is not trusted (${says}): name that of its authority in store.caFile`,
      later,
    )
  }
  return new StoreError(
    `${client.name} cannot be reached (${says}): is ${product} running there, and is store.nodes right?`,
    later,
  )
}

function messageOf({ message, code, cause }: ClientError): string {
  const own = [code, message].filter((part) => part !== undefined && part !== '').join(' ')
  if (own !== '') return own
  return cause === undefined ? 'no reason given' : messageOf(cause)
}
