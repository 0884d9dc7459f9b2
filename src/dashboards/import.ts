/**
 * Puts saved objects into a running Kibana or OpenSearch Dashboards, through the import API that both have:
 * `POST /api/saved_objects/_import`, a multipart form with one NDJSON file.
 */
import { type IncomingMessage, request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Product } from './saved-object.ts'

/** The address, an answer, or an object is not as it should be; the message says what to do. */
export class DashboardsError extends Error {
  override readonly name = 'DashboardsError'
}

export interface DashboardsServer {
  /** Of the product, with its base path if it has one. */
  readonly url: URL
  /** Empty for none. An API key goes before user and password. */
  readonly username: string
  readonly password: string
  readonly apiKey: string
  /** The certificates (PEM) of authorities to trust; empty for those that the machine trusts. */
  readonly ca: string
  /** Of Kibana; empty for the default one. */
  readonly space: string
  /** Of OpenSearch Dashboards; empty for the user's default one. */
  readonly tenant: string
}

export interface RefusedObject {
  readonly type: string
  readonly id: string
  readonly title: string
  readonly reason: string
}

export interface ImportReport {
  readonly imported: number
  readonly refused: readonly RefusedObject[]
}

export const PRODUCT_NAMES: Readonly<Record<Product, string>> = {
  kibana: 'Kibana',
  opensearch: 'OpenSearch Dashboards',
}

/** Each product names itself in a header of every answer, and wants one of its own in every request that changes something. */
const NAME_HEADERS: Readonly<Record<Product, string>> = { kibana: 'kbn-name', opensearch: 'osd-name' }
const XSRF_HEADERS: Readonly<Record<Product, string>> = { kibana: 'kbn-xsrf', opensearch: 'osd-xsrf' }

const TIMEOUT_MS = 60_000
const ANSWER_BYTES_MAX = 16 * 1024 * 1024

/** Which product answers at the address. Throws a `DashboardsError` if it is neither. */
export async function identify(server: DashboardsServer): Promise<Product> {
  const { status, headers } = await call(server, 'GET', 'api/status', {})
  for (const product of ['kibana', 'opensearch'] as const)
    if (headers[NAME_HEADERS[product]] !== undefined) return product
  const isCluster = headers['x-elastic-product'] !== undefined || headers['x-opensearch-version'] !== undefined
  throw new DashboardsError(
    isCluster
      ? `${shown(server.url)} is the cluster itself: name the address of its Kibana or OpenSearch Dashboards, often on port 5601`
      : `${shown(server.url)} answers with ${status}, but as neither Kibana nor OpenSearch Dashboards; behind a proxy that hides which one it is, say so with --for`,
  )
}

/** Imports the objects, over those with the same ids. Throws a `DashboardsError` if the whole request was refused. */
export async function importObjects(server: DashboardsServer, product: Product, ndjson: string): Promise<ImportReport> {
  if (product === 'kibana' && server.tenant !== '')
    throw new DashboardsError(`${shown(server.url)} is Kibana, which has no tenants: use --space`)
  if (product === 'opensearch' && server.space !== '')
    throw new DashboardsError(`${shown(server.url)} is OpenSearch Dashboards, which has no spaces: use --tenant`)
  const path = server.space === '' ? '' : `s/${encodeURIComponent(server.space)}/`
  const form = new FormData()
  form.set('file', new Blob([ndjson], { type: 'application/ndjson' }), 'borescope.ndjson')
  // A response knows how to write a form, and with which boundary.
  const encoded = new Response(form)
  const answer = await call(
    server,
    'POST',
    `${path}api/saved_objects/_import?overwrite=true`,
    {
      'content-type': encoded.headers.get('content-type')!,
      [XSRF_HEADERS[product]]: 'borescope',
      ...(server.tenant === '' ? {} : { securitytenant: server.tenant }),
    },
    Buffer.from(await encoded.arrayBuffer()),
  )
  if (answer.status !== 200) throw new DashboardsError(refusal(server, product, answer))
  return report(server, answer)
}

interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

function call(
  server: DashboardsServer,
  method: 'GET' | 'POST',
  path: string,
  headers: Readonly<Record<string, string>>,
  body?: Buffer,
): Promise<Answer> {
  const isSecure = server.url.protocol === 'https:'
  // `kibana:5601` is an address too, of a protocol that is called kibana.
  if (!isSecure && server.url.protocol !== 'http:')
    throw new DashboardsError(`${server.url.href}: expected an address that begins with https:// or http://`)
  const url = new URL(path, server.url.href.endsWith('/') ? server.url : `${server.url.href}/`)
  const options = {
    method,
    headers: { ...authorization(server), ...headers, ...(body === undefined ? {} : { 'content-length': body.length }) },
    timeout: TIMEOUT_MS,
    ...(isSecure && server.ca !== '' ? { ca: server.ca } : {}),
  }
  return new Promise<Answer>((resolve, reject) => {
    const fail = (error: Error): void => reject(new DashboardsError(unreachable(server.url, error)))
    const sent = (isSecure ? httpsRequest : httpRequest)(url, options, (response) => {
      const pieces: Buffer[] = []
      let length = 0
      response.on('data', (piece: Buffer) => {
        length += piece.length
        pieces.push(piece)
        if (length > ANSWER_BYTES_MAX) response.destroy(new Error(`an answer of more than ${ANSWER_BYTES_MAX} octets`))
      })
      response.on('error', fail)
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(pieces).toString('utf8'),
        }),
      )
    })
    sent.on('timeout', () => sent.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} seconds`)))
    sent.on('error', fail)
    sent.end(body)
  })
}

function authorization({ username, password, apiKey }: DashboardsServer): Record<string, string> {
  if (apiKey !== '') return { authorization: `ApiKey ${apiKey}` }
  if (username !== '') return { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` }
  return {}
}

/** Without what may stand before the host: a password belongs into no message. */
function shown({ protocol, host, pathname }: URL): string {
  return `${protocol}//${host}${pathname === '/' ? '' : pathname}`
}

function unreachable(url: URL, error: NodeJS.ErrnoException): string {
  const code = error.code ?? ''
  const says = error.message === '' ? code : error.message
  if (/CERT|SELF_SIGNED|UNABLE_TO_(VERIFY|GET)/.test(code))
    return `${shown(url)}: its certificate is not trusted (${says}); name the certificate of its authority with --ca`
  if (code === 'EPROTO') return `${shown(url)} does not speak TLS: try http:// (${says})`
  return `${shown(url)} cannot be reached: ${says}`
}

function refusal(server: DashboardsServer, product: Product, { status, headers, body }: Answer): string {
  const where = `${PRODUCT_NAMES[product]} at ${shown(server.url)}`
  const says = messageOf(body)
  // OpenSearch Dashboards sends whoever has not logged in to its log-in page.
  if (status === 401 || (status >= 300 && status < 400 && /login/.test(headers.location ?? ''))) {
    const given = server.apiKey !== '' ? 'the API key' : server.username !== '' ? `user ${server.username}` : 'nobody'
    return `${where} refuses ${given}: set dashboards.username and dashboards.password, or dashboards.apiKey, in the configuration or as BORESCOPE_DASHBOARDS__PASSWORD`
  }
  if (status === 403) return `${where}: this user may not import saved objects${tail(says)}`
  if (status === 404) return `${where} has no import API there: a wrong base path, or no such space${tail(says)}`
  return `${where} refuses the import with ${status}${tail(says)}`
}

function tail(says: string): string {
  return says === '' ? '' : `: ${says}`
}

function messageOf(body: string): string {
  const parsed = parseObject(body)
  return typeof parsed?.['message'] === 'string' ? parsed['message'] : ''
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null
  } catch {
    return null
  }
}

function report(server: DashboardsServer, { body }: Answer): ImportReport {
  const parsed = parseObject(body)
  const imported = parsed?.['successCount']
  if (parsed === null || typeof imported !== 'number')
    throw new DashboardsError(`${shown(server.url)} answers the import with something else than a result`)
  const errors = Array.isArray(parsed['errors']) ? (parsed['errors'] as unknown[]) : []
  return { imported, refused: errors.map(refusedObject) }
}

interface ImportFailure {
  readonly type?: string
  readonly id?: string
  readonly title?: string
  readonly meta?: { readonly title?: string }
  readonly error?: {
    readonly type?: string
    readonly message?: string
    readonly references?: readonly { readonly type: string; readonly id: string }[]
  }
}

function refusedObject(failure: unknown): RefusedObject {
  const { type = '', id = '', title, meta, error } = (failure ?? {}) as ImportFailure
  return { type, id, title: meta?.title ?? title ?? '', reason: reasonOf(error) }
}

function reasonOf(error: ImportFailure['error']): string {
  switch (error?.type) {
    case 'missing_references':
      return `it needs ${(error.references ?? []).map(({ type, id }) => `${type} ${id}`).join(', ')}, which is not there`
    case 'unsupported_type':
      return 'this product has no such objects'
    case 'conflict':
    case 'ambiguous_conflict':
      return 'another object stands in its place'
    default:
      return error?.message ?? error?.type ?? 'no reason given'
  }
}
