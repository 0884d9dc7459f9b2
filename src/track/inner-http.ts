/** HTTP/1 inside flows: one event a request, with its answer. Bodies are passed over, so a connection is followed to its end. */
import {
  chunkLine,
  describeHttpRequest,
  describeHttpResponse,
  type HttpBody,
  HttpHeadView,
  type HttpRequest,
  type HttpResponse,
  isWinRm,
  looksLikeHttp,
  requestBody,
  responseBody,
} from '../wire/http.ts'
import {
  CLIENT,
  DONE,
  type InnerFlow,
  type OwnFields,
  SERVER,
  type Side,
  SKIP_REST,
  type StreamProtocol,
  type StreamReader,
} from './inner-protocol.ts'

/** Requests that wait for their answers. */
const WAITING_MAX = 32
const CR = 0x0d
const LF = 0x0a

type Place = 'head' | 'chunks' | 'trailers' | 'lost'

interface Waiting {
  readonly request: HttpRequest
  readonly timeUs: number
}

const view = new HttpHeadView()

class Http implements StreamReader {
  readonly #flow: InnerFlow
  readonly #places: [Place, Place] = ['head', 'head']
  /** How far the head of each side was searched for its end. */
  readonly #searched: [number, number] = [0, 0]
  /** Octets of its first line, once that is whole. */
  readonly #lines: [number, number] = [0, 0]
  #waiting: Waiting[] = []
  #hasBegun = false
  /** Answers were among the octets that were lost: the next one is for the last request, if for any. */
  #hasLostAnswers = false
  /** Both directions belong to somebody else from here on. */
  #isTunnel = false

  constructor(flow: InnerFlow) {
    this.#flow = flow
  }

  read(side: Side, bytes: Uint8Array, start: number, end: number): number {
    let at = start
    while (at < end && !this.#isTunnel) {
      const next = this.#step(side, bytes, at, end)
      if (next === DONE || next === SKIP_REST) return next
      if (next === at) break
      at = next
    }
    return at - start
  }

  gap(side: Side): boolean {
    this.#places[side] = 'lost'
    this.#searched[side] = 0
    this.#lines[side] = 0
    this.#hasLostAnswers ||= side !== this.#flow.client
    return true
  }

  end(): void {
    this.#tellWaiting()
  }

  /** Where reading goes on after the next piece; `at` if more must come first. */
  #step(side: Side, bytes: Uint8Array, at: number, end: number): number {
    switch (this.#places[side]) {
      case 'chunks':
        return this.#chunk(side, bytes, at, end)
      case 'trailers':
        return this.#trailer(side, bytes, at, end)
      case 'lost':
        if (looksLikeHttp(bytes, at, end) !== true) return end
        this.#places[side] = 'head'
        return this.#head(side, bytes, at, end)
      default:
        return this.#head(side, bytes, at, end)
    }
  }

  #head(side: Side, bytes: Uint8Array, at: number, end: number): number {
    // Some clients send an empty line after a body (RFC 9112 section 2.2).
    if (bytes[at] === CR || bytes[at] === LF) return at + 1
    const flaw = view.decode(bytes, at, end, this.#searched[side], this.#lines[side])
    if (flaw !== null) {
      this.#flow.report(flaw, 'http', '')
      this.#tellWaiting()
      return DONE
    }
    this.#searched[side] = view.isWhole ? 0 : view.searched
    this.#lines[side] = view.isWhole ? 0 : view.lineLength
    if (!view.isWhole) return at
    if (!this.#hasBegun) this.#flow.client = view.isRequest === (side === CLIENT) ? CLIENT : SERVER
    this.#hasBegun = true
    return view.isRequest ? this.#request(side) : this.#response(side)
  }

  #request(side: Side): number {
    const request = this.#flawless(describeHttpRequest(view))
    // The preface of HTTP/2, which is another protocol.
    if (view.version === 20) return DONE
    if (this.#waiting.length === WAITING_MAX) this.#tell(this.#waiting.shift() as Waiting, undefined)
    this.#waiting.push({ request, timeUs: this.#flow.timeUs })
    return this.#body(side, requestBody(request))
  }

  #response(side: Side): number {
    const response = this.#flawless(describeHttpResponse(view))
    const { status } = response
    // What is provisional is followed by the answer itself (RFC 9110 section 15.2).
    if (status < 200 && status !== 101) return view.headEnd
    while (this.#hasLostAnswers && this.#waiting.length > 1) this.#tell(this.#waiting.shift() as Waiting, undefined)
    this.#hasLostAnswers = false
    const waiting = this.#waiting.shift()
    if (waiting !== undefined) this.#tell(waiting, response)
    const method = waiting?.request.method
    if (status === 101 || (method === 'CONNECT' && status < 300)) {
      this.#isTunnel = true
      this.#flow.handOver(null)
      return view.headEnd
    }
    return this.#body(side, responseBody(response, method))
  }

  #flawless<T extends { readonly flaw?: string; readonly findings?: readonly string[] }>(head: T): T {
    const wrong = head.flaw ?? head.findings?.[0]
    if (wrong !== undefined) this.#flow.report(wrong, 'http', '')
    return head
  }

  #body(side: Side, body: HttpBody): number {
    if (body.kind === 'rest') return SKIP_REST
    if (body.kind === 'chunked') this.#places[side] = 'chunks'
    return body.kind === 'length' ? view.headEnd + body.length : view.headEnd
  }

  #chunk(side: Side, bytes: Uint8Array, at: number, end: number): number {
    const line = chunkLine(bytes, at, end)
    if (line === 'more') return at
    if (line === 'http.chunk') {
      this.#flow.report(line, 'http', '')
      this.#places[side] = 'lost'
      return end
    }
    if (line.size === 0) this.#places[side] = 'trailers'
    return line.next + line.size
  }

  /** Fields after the last chunk, which an empty line ends. */
  #trailer(side: Side, bytes: Uint8Array, at: number, end: number): number {
    const lineEnd = bytes.subarray(at, end).indexOf(LF)
    if (lineEnd === -1) return at
    const isEmpty = lineEnd === 0 || (lineEnd === 1 && bytes[at] === CR)
    if (isEmpty) this.#places[side] = 'head'
    return at + lineEnd + 1
  }

  #tellWaiting(): void {
    for (const waiting of this.#waiting) this.#tell(waiting, undefined)
    this.#waiting = []
  }

  #tell({ request, timeUs }: Waiting, response: HttpResponse | undefined): void {
    const { method, target } = request
    const isRemoteManagement = isWinRm(request, this.#flow.serverPort)
    const { domain, port } = hostOf(request)
    const authority = port === undefined ? domain : `${domain}:${port}`
    const words = target.startsWith('/') ? `${method} ${authority ?? ''}${target}` : `${method} ${target}`
    this.#flow.tell(
      isRemoteManagement ? 'winrm.requested' : 'http.requested',
      `${words}: ${response === undefined ? 'no answer' : response.status}`,
      {
        'http.request.method': method,
        'url.original': target,
        'url.domain': domain,
        'url.port': port,
        ...requestFields(request),
        ...(response === undefined ? {} : responseFields(response)),
        'event.duration': response === undefined ? undefined : Math.round((this.#flow.timeUs - timeUs) * 1000),
      },
    )
  }
}

function requestFields(request: HttpRequest) {
  const { target, credentials, proxyCredentials = credentials } = request
  const origin = target.replace(/^[a-z][a-z0-9+.-]{0,31}:\/\/[^/?#]*/i, '')
  const [path, ...query] = origin.split('?')
  const { scheme, user } = credentials ?? proxyCredentials ?? {}
  return {
    'http.version': request.version,
    'url.path': request.method === 'CONNECT' || path === '' ? undefined : path,
    'url.query': query.length === 0 ? undefined : query.join('?'),
    'http.request.referrer': request.referrer,
    'http.request.mime_type': request.contentType,
    'http.request.body.bytes': request.contentLength,
    'http.authentication.scheme': scheme,
    'http.authentication.user': user,
    'user_agent.original': request.userAgent,
  } satisfies Partial<OwnFields<'http.requested'>>
}

function responseFields({ status, contentType, contentLength, server }: HttpResponse) {
  return {
    'event.outcome': status < 400 ? 'success' : 'failure',
    'http.response.status_code': status,
    'http.response.mime_type': contentType,
    'http.response.body.bytes': contentLength,
    'http.response.server': server,
  } satisfies Partial<OwnFields<'http.requested'>>
}

/** The host that the request is for, and its port where it is named. */
function hostOf({ method, target, host }: HttpRequest): { readonly domain?: string; readonly port?: number } {
  const authority =
    method === 'CONNECT' ? target : (/^[a-z][a-z0-9+.-]{0,31}:\/\/(?:[^/?#@]*@)?([^/?#]*)/i.exec(target)?.[1] ?? host)
  const [, domain = '', port] = /^(.*?)(?::(\d{1,5}))?$/.exec(authority ?? '') ?? []
  return { ...(domain === '' ? {} : { domain }), ...(port === undefined ? {} : { port: Number(port) }) }
}

export const HTTP: StreamProtocol = {
  name: 'http',
  recognise: (bytes, start, end) => {
    const verdict = looksLikeHttp(bytes, start, end)
    return verdict === undefined ? 'more' : verdict ? 'yes' : 'no'
  },
  open: (flow) => new Http(flow),
}
