/**
 * A request to a web address for every notification. Requests can be signed as Standard Webhooks 1.0 says, so that a receiver
 * knows who sent them and when. Redirects are not followed: a notification goes where the configuration says, or nowhere.
 */
import { createHmac } from 'node:crypto'
import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'
import { clip, printable } from '../base/printable.ts'
import { type EventDocument, nest } from '../events/fields.ts'
import { DeliveryError, type DeliveryResult, type Rejection } from './destination.ts'
import type { Sink, SinkAnswer } from './sink.ts'
import { fillTemplate, type Json } from './template.ts'
import { type TlsOptions, tlsOptions } from './tls-options.ts'
import { pagerDutyBody, slackBody, teamsBody } from './webhook-bodies.ts'

export const PRESETS = ['slack', 'teams', 'pagerduty'] as const

export interface WebhookOptions {
  /** May hold a secret in its path or query, as the addresses of Slack and Teams do: only its origin is shown. */
  readonly url: string
  readonly method: 'POST' | 'PUT'
  readonly headers: Readonly<Record<string, string>>
  readonly preset?: (typeof PRESETS)[number] | undefined
  /** Of PagerDuty. */
  readonly routingKey?: string | undefined
  /** Without it, and without a preset, the nested document is sent as it is. */
  readonly body?: Json | undefined
  /** Signs requests: `whsec_` and base64, or any text. */
  readonly signingSecret?: string | undefined
  readonly proxy?: string | undefined
  readonly tls: TlsOptions
  readonly timeoutMs: number
}

interface Answer {
  readonly status: number
  readonly text: string
  readonly retryAfterMs: number | undefined
}

const ANSWER_BYTES_MAX = 4096
const PAUSE_MS_MAX = 24 * 3600 * 1000
/** What someone has to mend, at the address or in the configuration, is no fault of the notification: it waits. */
const MENDABLE = new Set([401, 403, 404, 405, 407, 408, 410, 425, 429])

export class WebhookSink implements Sink {
  readonly #options: WebhookOptions
  readonly #agent: HttpAgent | HttpsAgent
  readonly #now: () => number
  /** The peer asked not to be called before. */
  #pausedUntilMs = 0
  answer: SinkAnswer | null = null

  /** `now` gives milliseconds since the epoch, for the time stamp of signatures and for Retry-After. */
  constructor(options: WebhookOptions, now: () => number = Date.now) {
    this.#options = options
    this.#now = now
    const { url, proxy, tls } = options
    const { protocol, hostname } = new URL(url)
    const proxyEnv = proxy === undefined ? {} : { proxyEnv: { HTTP_PROXY: proxy, HTTPS_PROXY: proxy } }
    this.#agent =
      protocol === 'https:'
        ? new HttpsAgent({ ...tlsOptions(tls, hostname), ...proxyEnv })
        : new HttpAgent({ ...proxyEnv })
  }

  get target(): string {
    return new URL(this.#options.url).origin
  }

  preview(batch: readonly EventDocument[]): string {
    const { method, headers, signingSecret } = this.#options
    const lines = [`${method} ${this.target}/…`, 'content-type: application/json']
    for (const name of Object.keys(headers)) lines.push(`${name.toLowerCase()}: ********`)
    if (signingSecret !== undefined) lines.push('webhook-id, webhook-timestamp, webhook-signature: (signed)')
    const bodies = batch.map((document) => this.#redact(JSON.stringify(this.#bodyOf(document), null, 2)))
    return [...lines, '', ...bodies].join('\n')
  }

  async write(batch: readonly EventDocument[], signal?: AbortSignal): Promise<DeliveryResult> {
    const pauseMs = this.#pausedUntilMs - this.#now()
    if (pauseMs > 0) {
      throw new DeliveryError(`${this.target} asked to be left alone`, { retry: 'later', afterMs: pauseMs })
    }
    const rejected: Rejection[] = []
    for (const [index, document] of batch.entries()) {
      const failure = await this.#deliver(document, signal)
      if (failure === null) continue
      const { reason, isFinal, afterMs } = failure
      if (isFinal) {
        rejected.push({ index, id: document['event.id'], reason })
        continue
      }
      if (afterMs !== undefined) this.#pausedUntilMs = this.#now() + afterMs
      if (index === 0) {
        throw new DeliveryError(reason, { retry: 'later', ...(afterMs === undefined ? {} : { afterMs }) })
      }
      const later = batch.slice(index).map((waiting, at) => ({ index: index + at, id: waiting['event.id'], reason }))
      return { stored: index - rejected.length, duplicates: 0, rejected, later }
    }
    return { stored: batch.length - rejected.length, duplicates: 0, rejected, later: [] }
  }

  async close(): Promise<void> {
    this.#agent.destroy()
  }

  async #deliver(
    document: EventDocument,
    signal: AbortSignal | undefined,
  ): Promise<{ reason: string; isFinal: boolean; afterMs?: number | undefined } | null> {
    let answer: Answer
    try {
      answer = await this.#send(document, signal)
    } catch (error) {
      const reason = this.#redact(`${this.target}: ${error instanceof Error ? error.message : error}`)
      this.answer = { accepted: false, text: reason }
      return { reason, isFinal: false }
    }
    const { status, text, retryAfterMs } = answer
    const isFine = status >= 200 && status < 300
    const isRedirect = status >= 300 && status < 400
    const says = isRedirect ? 'redirects are not followed: configure the final address' : this.#redact(text)
    const reason = clip(`HTTP ${status}${says === '' ? '' : `: ${printable(says)}`}`, 500)
    this.answer = { accepted: isFine, text: reason }
    if (isFine) return null
    const isFinal = !isRedirect && status < 500 && !MENDABLE.has(status)
    return { reason: `${this.target}: ${reason}`, isFinal, afterMs: retryAfterMs }
  }

  async #send(document: EventDocument, signal: AbortSignal | undefined): Promise<Answer> {
    const { url, method, headers, signingSecret, timeoutMs } = this.#options
    const body = Buffer.from(JSON.stringify(this.#bodyOf(document)))
    const ending = AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(signal === undefined ? [] : [signal])])
    const send = url.startsWith('https:') ? requestHttps : requestHttp
    const request = send(url, {
      method,
      agent: this.#agent,
      signal: ending,
      headers: {
        'user-agent': 'Borescope',
        'content-type': 'application/json',
        'content-length': body.length,
        ...headers,
        ...(signingSecret === undefined ? {} : signature(signingSecret, document['event.id'], this.#now(), body)),
      },
    })
    try {
      const response = await responseTo(request, body)
      return {
        status: response.statusCode ?? 0,
        text: await beginningOf(response),
        retryAfterMs: retryAfter(response.headers['retry-after'], this.#now()),
      }
    } catch (error) {
      if (ending.aborted && signal?.aborted !== true) throw new Error(`no answer within ${timeoutMs} ms`)
      throw error
    }
  }

  #bodyOf(document: EventDocument): unknown {
    const { preset, body, routingKey } = this.#options
    if (preset === 'slack') return slackBody(document)
    if (preset === 'teams') return teamsBody(document)
    if (preset === 'pagerduty') return pagerDutyBody(document, routingKey ?? '')
    return body === undefined ? nest(document) : fillTemplate(body, document)
  }

  /** Peers like to repeat what they were sent. */
  #redact(text: string): string {
    const { url, headers, routingKey, signingSecret, proxy } = this.#options
    const { pathname, search } = new URL(url)
    const secrets = [
      url,
      `${pathname}${search}`,
      routingKey,
      signingSecret,
      ...passwordsIn(url),
      ...(proxy === undefined ? [] : passwordsIn(proxy)),
      ...Object.values(headers),
    ]
    return secrets.reduce<string>(
      (rest, secret) => (secret === undefined || secret.length < 4 ? rest : rest.replaceAll(secret, '********')),
      text,
    )
  }
}

/** What an address says of its password, as written and as meant. */
function passwordsIn(url: string): string[] {
  const { username, password } = new URL(url)
  if (password === '') return []
  const [user, secret] = [username, password].map(decoded)
  return [password, secret, Buffer.from(`${user}:${secret}`).toString('base64')]
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/**
 * The headers of Standard Webhooks 1.0: an HMAC-SHA256 of id, time and body. The id stays the same when a request is
 * repeated; the time lets a receiver refuse what is old.
 */
export function signature(secret: string, id: string, nowMs: number, body: Uint8Array): Record<string, string> {
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : Buffer.from(secret)
  const timestamp = String(Math.floor(nowMs / 1000))
  const mac = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64')
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${mac}` }
}

function responseTo(request: ClientRequest, body: Buffer): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.on('response', resolve)
    request.on('error', reject)
    request.end(body)
  })
}

/** The status has said already what became of the request: a body that breaks off changes nothing. */
async function beginningOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      chunks.push(chunk)
      length += chunk.length
      // Leaving the loop closes the connection: an endless answer ends here.
      if (length >= ANSWER_BYTES_MAX) break
    }
  } catch {
    chunks.push(Buffer.from(' (the answer broke off)'))
  }
  return Buffer.concat(chunks).toString().slice(0, ANSWER_BYTES_MAX).trim()
}

/** RFC 9110, 10.2.3: seconds, or a date. */
function retryAfter(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - nowMs
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), PAUSE_MS_MAX)
}
