/**
 * What a running sensor answers on its own host, over HTTP, with GET only:
 *
 * - `/metrics`: for Prometheus;
 * - `/healthz`: whether the process is alive, and its packet loop turns;
 * - `/readyz`: whether it captures and delivers, and if not why;
 * - `/status`: everything, as JSON.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface EndpointsOptions {
  readonly host: string
  /** 0 takes one that is free. */
  readonly port: number
  /** Whether hosts may ask by a name, as others do. */
  readonly anyName: boolean
  /** Why the packet loop seems to stand still; null if it turns. */
  readonly stuck: () => string | null
  /** Why it does not capture and deliver; empty if it does. */
  readonly troubles: () => readonly string[]
  readonly status: () => object
  readonly metrics: () => Promise<string>
}

interface Answer {
  readonly code: number
  readonly type: string
  readonly body: string
}

/** Whoever asks slower than this, or keeps silent, is hung up on. */
const REQUEST_MS = 5000
const CONNECTIONS_MAX = 32
const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8'
const TEXT = 'text/plain; charset=utf-8'

export class Endpoints {
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
  }

  /** Rejects with the system's error if the address cannot be had. */
  static async open(options: EndpointsOptions): Promise<Endpoints> {
    const server = createServer({ requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS }, (request, response) => {
      void answer(options, request, response)
    })
    server.maxConnections = CONNECTIONS_MAX
    server.keepAliveTimeout = REQUEST_MS
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(options.port, options.host, resolve)
    })
    // The sensor decides how long the process lives.
    server.unref()
    return new Endpoints(server)
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  close(): Promise<void> {
    this.#server.closeAllConnections()
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }
}

async function answer(options: EndpointsOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  let result: Answer
  try {
    result = await resultOf(options, request)
  } catch (error) {
    result = { code: 500, type: TEXT, body: `${(error as Error).message}\n` }
  }
  response.writeHead(result.code, {
    'content-type': result.type,
    'content-length': Buffer.byteLength(result.body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(result.code === 405 ? { allow: 'GET, HEAD' } : {}),
  })
  response.end(request.method === 'HEAD' ? undefined : result.body)
}

/** A page in a browser of this host may let its name point here (DNS rebinding): names of others are not answered to. */
function isPlainHost(host: string): boolean {
  return /^(localhost|[\d.]+|\[[\da-f:]+\])?(:\d+)?$/i.test(host)
}

async function resultOf(options: EndpointsOptions, { method, url, headers }: IncomingMessage): Promise<Answer> {
  if (!options.anyName && !isPlainHost(headers.host ?? '')) return { code: 421, type: TEXT, body: 'ask by address\n' }
  if (method !== 'GET' && method !== 'HEAD') return { code: 405, type: TEXT, body: 'only GET\n' }
  switch ((url ?? '').split('?', 1)[0]) {
    case '/metrics':
      return { code: 200, type: METRICS_TYPE, body: await options.metrics() }
    case '/healthz': {
      const stuck = options.stuck()
      return { code: stuck === null ? 200 : 503, type: TEXT, body: `${stuck ?? 'alive'}\n` }
    }
    case '/readyz': {
      const troubles = options.troubles()
      const body = troubles.length === 0 ? 'ready' : troubles.join('\n')
      return { code: troubles.length === 0 ? 200 : 503, type: TEXT, body: `${body}\n` }
    }
    case '/status':
      return { code: 200, type: 'application/json', body: `${JSON.stringify(options.status(), null, 2)}\n` }
    default:
      return { code: 404, type: TEXT, body: 'here are /metrics, /healthz, /readyz and /status\n' }
  }
}
