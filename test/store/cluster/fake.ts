/** A server in this process that answers as a test says: what a real one does not do when it is asked to. */
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'

export interface FakeRequest {
  readonly method: string
  /** With the query. */
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface FakeAnswer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON, unless it is a text. */
  readonly body?: unknown
}

export type Behaviour = (request: FakeRequest) => FakeAnswer | 'hang' | 'reset'

export class FakeServer implements AsyncDisposable {
  readonly requests: readonly FakeRequest[]
  readonly url: string
  readonly #server: Server

  private constructor(server: Server, url: string, requests: readonly FakeRequest[]) {
    this.#server = server
    this.url = url
    this.requests = requests
  }

  static async listening(behave: Behaviour, tls?: { key: string; cert: string }): Promise<FakeServer> {
    const requests: FakeRequest[] = []
    const listener: RequestListener = async (request, response) => {
      const raw = await buffer(request).catch(() => Buffer.alloc(0))
      const isPacked = request.headers['content-encoding'] === 'gzip'
      const body = (isPacked ? gunzipSync(raw) : raw).toString()
      const received = { method: request.method ?? '', path: request.url ?? '', headers: request.headers, body }
      requests.push(received)
      const answer = behave(received)
      if (answer === 'hang') return
      if (answer === 'reset') {
        request.socket.resetAndDestroy()
        return
      }
      const { status = 200, headers = {}, body: content = {} } = answer
      const isText = typeof content === 'string'
      response.writeHead(status, {
        'content-type': isText ? 'text/plain' : 'application/json',
        'x-elastic-product': 'Elasticsearch',
        ...headers,
      })
      response.end(isText ? content : JSON.stringify(content))
    }
    const server = tls === undefined ? createServer(listener) : (createTlsServer(tls, listener) as unknown as Server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    return new FakeServer(server, `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`, requests)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

/** Answers like a fresh and bare cluster that keeps nothing, but for the paths that the test answers itself. */
export function freshCluster(
  product: 'elasticsearch' | 'opensearch',
  own: (request: FakeRequest) => ReturnType<Behaviour> | null = () => null,
): Behaviour {
  return (request) => {
    const answer = own(request)
    if (answer !== null) return answer
    const { method, path } = request
    if (path === '/') {
      const version = product === 'opensearch' ? { number: '3.9.0', distribution: 'opensearch' } : { number: '9.2.0' }
      return { body: { version } }
    }
    if (path.startsWith('/_data_stream')) return { body: { data_streams: [] } }
    if (path.endsWith('/_mapping')) return { status: 404 }
    if (/^\/_(plugins|ilm|license|security|nodes|cluster)\b/.test(path)) return { status: 400 }
    if (method === 'GET' && /^\/_(component|index)_template/.test(path)) return { status: 404 }
    return { body: {} }
  }
}
