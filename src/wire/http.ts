/**
 * HTTP/1.0 and HTTP/1.1 heads (RFC 9112): the first line, the header fields that tell something to a bystander, and how long
 * the body is, so that a reader of a stream finds the next head.
 *
 * Passwords and tokens stay where they are: of credentials only the scheme and, where it stands in clear, the user is told,
 * and what a target carries in parameters with telling names is left out.
 */
import { NO_BYTES, text } from '../base/bytes.ts'
import type { Mutable } from './mutable.ts'

/** No server takes a longer head. */
export const HTTP_HEAD_MAX = 65_536
const LINE_MAX = 16_384
const FIELDS_MAX = 256
const VALUE_MAX = 1024
const TARGET_MAX = 2048

const CR = 0x0d
const LF = 0x0a
const SPACE = 0x20
const TAB = 0x09
const COLON = 0x3a

/** Methods of RFC 9110, WebDAV (RFC 4918) and what Microsoft's services use: what a connection may begin with. */
export const HTTP_METHODS = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'CONNECT',
  'OPTIONS',
  'TRACE',
  'PATCH',
  'PROPFIND',
  'PROPPATCH',
  'MKCOL',
  'COPY',
  'MOVE',
  'LOCK',
  'UNLOCK',
  'SEARCH',
  'REPORT',
  'SUBSCRIBE',
  'UNSUBSCRIBE',
  'NOTIFY',
  'M-SEARCH',
  'RPC_IN_DATA',
  'RPC_OUT_DATA',
  'PRI',
] as const

/**
 * `http.start_line`: neither a request nor a status line. `http.line_length`: a line longer than any server takes.
 * `http.head_length`: the head does not end within its bound. `http.field`: a line that is no header field.
 * `http.fields`: more header fields than any server takes.
 */
export type HttpFlaw = 'http.start_line' | 'http.line_length' | 'http.head_length' | 'http.field' | 'http.fields'

/**
 * A reusable window on one head. `decode` answers null with `isWhole` false when the octets end before the head does: then it
 * is called again with more.
 */
export class HttpHeadView {
  bytes: Uint8Array = NO_BYTES
  start = 0
  isWhole = false
  isRequest = false
  /** 9 for HTTP/0.9, 10 for HTTP/1.0, 11 for HTTP/1.1; 20 for the preface of HTTP/2. */
  version = 0
  methodStart = 0
  methodEnd = 0
  targetStart = 0
  targetEnd = 0
  status = 0
  fieldsStart = 0
  /** Where the body begins; of a head that is not whole, the end of the octets. */
  headEnd = 0
  /** The first line has been read. */
  hasStartLine = false
  /** How far a head that is not whole was searched, and how long its first line is (0 if not even that is whole): from `start`. */
  searched = 0
  lineLength = 0

  /** `searched` and `lineLength` are what the view held after an earlier call for the same head: nothing is searched twice. */
  decode(bytes: Uint8Array, start: number, end: number, searched = 0, lineLength = 0): HttpFlaw | null {
    this.bytes = bytes
    this.start = start
    this.isWhole = false
    this.hasStartLine = false
    this.lineLength = lineLength
    if (lineLength === 0) {
      const at = indexOfLine(bytes, start + searched, Math.min(end, start + LINE_MAX))
      this.searched = end - start
      if (at === -1) return end - start >= LINE_MAX ? 'http.line_length' : null
      this.lineLength = at + 1 - start
    }
    const lineFeed = start + this.lineLength - 1
    const lineEnd = lineFeed > start && bytes[lineFeed - 1] === CR ? lineFeed - 1 : lineFeed
    if (!this.#startLine(start, lineEnd)) return 'http.start_line'
    this.hasStartLine = true
    this.fieldsStart = nextLine(bytes, lineEnd)
    if (this.version === 9) {
      this.headEnd = this.fieldsStart
      this.isWhole = true
      return null
    }
    const from = lineLength === 0 ? this.fieldsStart : Math.max(this.fieldsStart, start + searched)
    const headEnd = headEndOf(bytes, from, this.fieldsStart, end)
    this.searched = Math.max(0, end - start - 3)
    this.headEnd = headEnd === -1 ? end : headEnd
    if (headEnd === -1) return end - start >= HTTP_HEAD_MAX ? 'http.head_length' : null
    this.isWhole = true
    return null
  }

  #startLine(start: number, end: number): boolean {
    const { bytes } = this
    const version = versionAt(bytes, start, end)
    if (version !== 0) {
      this.isRequest = false
      this.version = version
      this.status = statusAt(bytes, start + 8, end)
      return this.status !== 0
    }
    const methodEnd = tokenEnd(bytes, start, end)
    if (methodEnd === start || bytes[methodEnd] !== SPACE) return false
    this.isRequest = true
    this.status = 0
    this.methodStart = start
    this.methodEnd = methodEnd
    this.targetStart = methodEnd + 1
    // The version is the last word; a target with spaces in it is wrong, but servers take it.
    let versionStart = end
    while (versionStart > this.targetStart && bytes[versionStart - 1] !== SPACE) versionStart--
    this.version = versionStart > this.targetStart && versionStart + 8 === end ? versionAt(bytes, versionStart, end) : 0
    this.targetEnd = versionStart - 1
    if (this.version !== 0) return true
    // HTTP/0.9, which servers still take: GET, one word, and nothing more.
    this.version = 9
    this.targetEnd = end
    return versionStart === this.targetStart && end > versionStart && isGet(bytes, start, methodEnd)
  }
}

function isGet(bytes: Uint8Array, start: number, end: number): boolean {
  return end - start === 3 && bytes[start] === 0x47 && bytes[start + 1] === 0x45 && bytes[start + 2] === 0x54
}

/** Where a line ends, without its CR LF; LF alone ends it too (RFC 9112 section 2.2). -1 if it does not. */
function lineEndOf(bytes: Uint8Array, start: number, end: number): number {
  const at = indexOfLine(bytes, start, end)
  return at > start && bytes[at - 1] === CR ? at - 1 : at
}

/** Where the next LF is, or -1. */
function indexOfLine(bytes: Uint8Array, start: number, end: number): number {
  for (let at = start; at < end; at++) if (bytes[at] === LF) return at
  return -1
}

function nextLine(bytes: Uint8Array, lineEnd: number): number {
  return bytes[lineEnd] === CR ? lineEnd + 2 : lineEnd + 1
}

/** The octet after the empty line; -1 if there is none. */
function headEndOf(bytes: Uint8Array, from: number, fieldsStart: number, end: number): number {
  for (let at = indexOfLine(bytes, from, end); at !== -1; at = indexOfLine(bytes, at + 1, end)) {
    const previous = bytes[at - 1] === CR ? at - 2 : at - 1
    if (previous < fieldsStart || bytes[previous] === LF) return at + 1
  }
  return -1
}

function versionAt(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < 8) return 0
  const isHttp =
    bytes[start] === 0x48 &&
    bytes[start + 1] === 0x54 &&
    bytes[start + 2] === 0x54 &&
    bytes[start + 3] === 0x50 &&
    bytes[start + 4] === 0x2f &&
    bytes[start + 6] === 0x2e
  const major = bytes[start + 5] - 0x30
  const minor = bytes[start + 7] - 0x30
  return isHttp && major >= 1 && major <= 2 && minor >= 0 && minor <= 9 ? major * 10 + minor : 0
}

function statusAt(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < 4 || bytes[start] !== SPACE) return 0
  let status = 0
  for (let at = start + 1; at < start + 4; at++) {
    const digit = bytes[at] - 0x30
    if (digit < 0 || digit > 9) return 0
    status = status * 10 + digit
  }
  return status >= 100 && (start + 4 === end || bytes[start + 4] === SPACE) ? status : 0
}

function tokenEnd(bytes: Uint8Array, start: number, end: number): number {
  let at = start
  while (at < end && TOKEN_OCTETS[bytes[at]] === 1) at++
  return at
}

/** The octets of a token (RFC 9110 section 5.6.2). */
const TOKEN_OCTETS = new Uint8Array(256)
for (const octet of Buffer.from("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"))
  TOKEN_OCTETS[octet] = 1

/** Walks the header fields of a whole head: `while (fields.next())`, then look at `flaw`. */
export class HttpFieldCursor {
  nameStart = 0
  nameEnd = 0
  valueStart = 0
  valueEnd = 0
  flaw: HttpFlaw | null = null
  #bytes: Uint8Array = NO_BYTES
  #at = 0
  #end = 0
  #count = 0

  over({ bytes, fieldsStart, headEnd }: HttpHeadView): this {
    this.#bytes = bytes
    this.#at = fieldsStart
    this.#end = headEnd
    this.#count = 0
    this.flaw = null
    return this
  }

  next(): boolean {
    const bytes = this.#bytes
    while (this.#at < this.#end) {
      const start = this.#at
      const lineEnd = lineEndOf(bytes, start, this.#end)
      if (lineEnd <= start) return false
      this.#at = nextLine(bytes, lineEnd)
      // A line that begins with white space goes on with the one before (RFC 9112 section 5.2): obsolete, and of no interest.
      if (bytes[start] === SPACE || bytes[start] === TAB) continue
      if (this.#count++ === FIELDS_MAX) return this.#stop('http.fields')
      this.nameStart = start
      this.nameEnd = tokenEnd(bytes, start, lineEnd)
      if (this.nameEnd === start || bytes[this.nameEnd] !== COLON) {
        this.flaw ??= 'http.field'
        continue
      }
      this.valueStart = this.nameEnd + 1
      this.valueEnd = lineEnd
      while (this.valueStart < this.valueEnd && isBlank(bytes[this.valueStart])) this.valueStart++
      while (this.valueEnd > this.valueStart && isBlank(bytes[this.valueEnd - 1])) this.valueEnd--
      return true
    }
    return false
  }

  #stop(flaw: HttpFlaw): false {
    this.flaw = flaw
    return false
  }
}

function isBlank(octet: number): boolean {
  return octet === SPACE || octet === TAB
}

/**
 * Whether octets begin an HTTP/1 connection. Undefined if there are too few to say. A client begins with a method, a server
 * with its version.
 */
export function looksLikeHttp(bytes: Uint8Array, start: number, end: number): boolean | undefined {
  if (end > start && !FIRST_OCTETS.has(bytes[start])) return false
  const length = Math.min(end - start, LONGEST_BEGINNING)
  const words = String.fromCharCode(...bytes.subarray(start, start + length))
  if (BEGINNINGS.some((beginning) => words.startsWith(beginning))) return true
  return BEGINNINGS.some((beginning) => beginning.startsWith(words)) ? undefined : false
}

const BEGINNINGS: readonly string[] = [...HTTP_METHODS.map((method) => `${method} `), 'HTTP/1.']
const FIRST_OCTETS: ReadonlySet<number> = new Set(BEGINNINGS.map((beginning) => beginning.charCodeAt(0)))
const LONGEST_BEGINNING = Math.max(...BEGINNINGS.map(({ length }) => length))

// ----------------------------------------------------------------------------------------------------------- description

/** How the body that follows a head is delimited (RFC 9112 section 6.3). */
export type HttpBody =
  | { readonly kind: 'length'; readonly length: number }
  | { readonly kind: 'chunked' }
  /** Until the connection ends. */
  | { readonly kind: 'rest' }

export interface HttpCredentials {
  /** `Basic`, `Digest`, `Bearer`, `NTLM`, `Negotiate` … */
  readonly scheme: string
  /** Of Basic and Digest. */
  readonly user?: string
  /** Negotiate that carries NTLM instead of Kerberos. */
  readonly isNtlm?: true
}

interface HttpHead {
  readonly version: string
  readonly headLength: number
  readonly fieldCount: number
  readonly contentType?: string
  /** As stated. */
  readonly contentLength?: number
  readonly transferEncoding?: string
  readonly upgrade?: string
  readonly flaw?: HttpFlaw
  /** `http.conflicting_length`: two receivers may find two different ends of the body. */
  readonly findings?: readonly string[]
}

export interface HttpRequest extends HttpHead {
  readonly method: string
  /** Without what looks like a secret. */
  readonly target: string
  readonly host?: string
  readonly userAgent?: string
  readonly referrer?: string
  readonly credentials?: HttpCredentials
  readonly proxyCredentials?: HttpCredentials
  readonly forwardedFor?: string
}

export interface HttpResponse extends HttpHead {
  readonly status: number
  readonly server?: string
  readonly location?: string
  /** Schemes that the server asks for. */
  readonly challenges?: readonly string[]
}

type Told = Mutable<HttpRequest & HttpResponse>

const fields = new HttpFieldCursor()

/** Reads the head of a request; of one that is not whole, what has come of it. */
export function describeHttpRequest(view: HttpHeadView): HttpRequest {
  const { bytes, methodStart, methodEnd, targetStart, targetEnd } = view
  return {
    method: text(bytes, methodStart, Math.min(methodEnd, methodStart + 32)),
    target: safeTarget(text(bytes, targetStart, Math.min(targetEnd, targetStart + TARGET_MAX))),
    ...describeFields(view, REQUEST_FIELDS),
  } as HttpRequest
}

export function describeHttpResponse(view: HttpHeadView): HttpResponse {
  return { status: view.status, ...describeFields(view, RESPONSE_FIELDS) } as HttpResponse
}

type FieldReader = (value: string, told: Told) => void

const COMMON_FIELDS: Readonly<Record<string, FieldReader>> = {
  'content-type': (value, told) => {
    told.contentType = value
  },
  'content-length': (value, told) => {
    const length = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN
    const isSecond = told.contentLength !== undefined && told.contentLength !== length
    if (isSecond || Number.isNaN(length)) told.findings = ['http.conflicting_length']
    if (!Number.isNaN(length)) told.contentLength ??= length
  },
  'transfer-encoding': (value, told) => {
    told.transferEncoding = told.transferEncoding === undefined ? value : `${told.transferEncoding}, ${value}`
  },
  upgrade: (value, told) => {
    told.upgrade = value
  },
}

const REQUEST_FIELDS: Readonly<Record<string, FieldReader>> = {
  ...COMMON_FIELDS,
  host: (value, told) => {
    told.host ??= value
  },
  'user-agent': (value, told) => {
    told.userAgent ??= value
  },
  referer: (value, told) => {
    told.referrer ??= safeTarget(value)
  },
  authorization: (value, told) => {
    told.credentials ??= describeCredentials(value)
  },
  'proxy-authorization': (value, told) => {
    told.proxyCredentials ??= describeCredentials(value)
  },
  'x-forwarded-for': (value, told) => {
    told.forwardedFor ??= value
  },
}

const RESPONSE_FIELDS: Readonly<Record<string, FieldReader>> = {
  ...COMMON_FIELDS,
  server: (value, told) => {
    told.server ??= value
  },
  location: (value, told) => {
    told.location ??= safeTarget(value)
  },
  'www-authenticate': challenge,
  'proxy-authenticate': challenge,
}

function challenge(value: string, told: Told): void {
  const schemes = told.challenges ?? []
  const [scheme] = value.split(/[ ,]/, 1)
  if (schemes.length < 8 && !schemes.includes(scheme)) told.challenges = [...schemes, scheme]
}

function describeFields(view: HttpHeadView, readers: Readonly<Record<string, FieldReader>>): Partial<Told> {
  const { bytes, start, headEnd, version } = view
  const told = {} as Told
  let fieldCount = 0
  fields.over(view)
  while (fields.next()) {
    fieldCount++
    const { nameStart, nameEnd, valueStart, valueEnd } = fields
    if (nameEnd - nameStart > 32) continue
    const name = text(bytes, nameStart, nameEnd).toLowerCase()
    if (Object.hasOwn(readers, name))
      readers[name](text(bytes, valueStart, Math.min(valueEnd, valueStart + VALUE_MAX)), told)
  }
  if (told.contentLength !== undefined && told.transferEncoding !== undefined)
    told.findings = ['http.conflicting_length']
  return {
    ...told,
    version: `${Math.floor(version / 10)}.${version % 10}`,
    headLength: headEnd - start,
    fieldCount,
    ...(fields.flaw === null ? {} : { flaw: fields.flaw }),
  }
}

/** The scheme of credentials, and whose they are: never what proves it. */
function describeCredentials(value: string): HttpCredentials {
  const [scheme, ...rest] = value.split(' ')
  const proof = rest.join(' ')
  switch (scheme.toLowerCase()) {
    case 'basic': {
      const [user, ...password] = Buffer.from(proof, 'base64').toString('utf8').split(':')
      // Without a colon the whole may be the password.
      return password.length === 0 ? { scheme } : { scheme, user: user.slice(0, 256) }
    }
    case 'digest': {
      const user = /(?:^|[ ,])username="([^"]{0,256})"/.exec(proof)?.[1]
      return user === undefined ? { scheme } : { scheme, user }
    }
    case 'negotiate':
      return proof.startsWith('TlRMTVNTU') ? { scheme, isNtlm: true } : { scheme }
    default:
      return { scheme: /^[\w-]{1,32}$/.test(scheme) ? scheme : 'unknown' }
  }
}

const PARAMETERS = /([?&;])([^=&;?#]*)=([^&;#]*)/g
const SECRET_NAME =
  /passw|passphrase|pwd|secret|token|api_?key|credential|signature|session_?id|^(?:pass|auth|sig|apikey)$/i
const USER_INFORMATION = /^([a-z][a-z0-9+.-]{0,31}:\/\/[^/?#:@\s]*):[^/?#@\s]*@/i

/** A target or URL without the password before the host, and without the values of parameters that are called like secrets. */
export function safeTarget(target: string): string {
  return target
    .replace(USER_INFORMATION, '$1@')
    .replace(PARAMETERS, (whole, separator: string, name: string) =>
      SECRET_NAME.test(name.slice(0, 64)) ? `${separator}${name}=…` : whole,
    )
}

/** How the body after a request ends. */
export function requestBody({ contentLength = 0, transferEncoding }: HttpRequest): HttpBody {
  if (transferEncoding !== undefined && /\bchunked\s*$/i.test(transferEncoding)) return { kind: 'chunked' }
  return { kind: 'length', length: contentLength }
}

/** How the body after a response ends; `method` is that of the request it answers. */
export function responseBody(response: HttpResponse, method: string | undefined): HttpBody {
  const { status, contentLength, transferEncoding } = response
  const isEmpty = method === 'HEAD' || status < 200 || status === 204 || status === 304
  if (isEmpty || (method === 'CONNECT' && status < 300)) return { kind: 'length', length: 0 }
  if (transferEncoding !== undefined && /\bchunked\s*$/i.test(transferEncoding)) return { kind: 'chunked' }
  return contentLength === undefined ? { kind: 'rest' } : { kind: 'length', length: contentLength }
}

const CHUNK_LINE_MAX = 1024

/**
 * The line before a chunk (RFC 9112 section 7.1). `size` counts the octets of the chunk with the CR LF after it, 0 marks the
 * last one, after which trailer fields and an empty line follow.
 */
export function chunkLine(
  bytes: Uint8Array,
  start: number,
  end: number,
): { readonly next: number; readonly size: number } | 'more' | 'http.chunk' {
  const lineEnd = lineEndOf(bytes, start, Math.min(end, start + CHUNK_LINE_MAX))
  if (lineEnd === -1) return end - start >= CHUNK_LINE_MAX ? 'http.chunk' : 'more'
  const [digits] = /^[0-9a-f]{1,12}(?=$|[; \t])/i.exec(text(bytes, start, lineEnd)) ?? []
  if (digits === undefined) return 'http.chunk'
  const size = Number.parseInt(digits, 16)
  return { next: nextLine(bytes, lineEnd), size: size === 0 ? 0 : size + 2 }
}

export const WINRM_PORTS: ReadonlySet<number> = new Set([5985, 5986])

/** Windows Remote Management: SOAP over HTTP, by its path, its port or its client (MS-WSMV section 2.1). */
export function isWinRm({ target, userAgent = '' }: HttpRequest, serverPort: number): boolean {
  return /^(?:https?:\/\/[^/]+)?\/wsman\b/i.test(target) || WINRM_PORTS.has(serverPort) || /\bWinRM\b/i.test(userAgent)
}
