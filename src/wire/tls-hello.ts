/**
 * The hellos of TLS: what a client offers and what a server chooses (RFC 5246 section 7.4.1, RFC 8446 section 4.1), with the
 * extensions that tell something to a bystander (RFC 6066, 7301, 8446, 9849).
 */
import { equal, NO_BYTES, text, u16 } from '../base/bytes.ts'
import type { Mutable } from './mutable.ts'
import { isGrease, TLS_EXTENSION } from './tls-tables.ts'

const RANDOM_LENGTH = 32
const LIST_MAX = 64
const NAME_LENGTH_MAX = 255

/**
 * `tls.hello_truncated`: a hello ends inside its fixed fields. `tls.session_id_length`, `tls.cipher_suites_length`,
 * `tls.compression_length`, `tls.extensions_length`: a length leads out of the hello, is zero where it must not be, or odd.
 */
export type TlsHelloFlaw =
  | 'tls.hello_truncated'
  | 'tls.session_id_length'
  | 'tls.cipher_suites_length'
  | 'tls.compression_length'
  | 'tls.extensions_length'

/** A reusable window on the body of a ClientHello or ServerHello. After a flaw the windows reached so far are valid, the others empty. */
export class TlsHelloView {
  bytes: Uint8Array = NO_BYTES
  /** As written at the head of the hello; TLS 1.3 keeps 0x0303 there. */
  version = 0
  randomStart = 0
  sessionIdLength = 0
  /** Of a ServerHello the one that it chose. */
  suitesStart = 0
  suitesEnd = 0
  compressionStart = 0
  compressionEnd = 0
  extensionsStart = 0
  extensionsEnd = 0

  decodeClient(bytes: Uint8Array, start: number, end: number): TlsHelloFlaw | null {
    const at = this.#head(bytes, start, end)
    if (typeof at === 'string') return at
    if (end - at < 2) return 'tls.hello_truncated'
    const suitesLength = u16(bytes, at)
    if (suitesLength < 2 || (suitesLength & 1) === 1 || at + 2 + suitesLength > end) return 'tls.cipher_suites_length'
    this.suitesStart = at + 2
    this.suitesEnd = at + 2 + suitesLength
    if (this.suitesEnd === end) return 'tls.hello_truncated'
    const compressionLength = bytes[this.suitesEnd]
    if (compressionLength === 0 || this.suitesEnd + 1 + compressionLength > end) return 'tls.compression_length'
    this.compressionStart = this.suitesEnd + 1
    this.compressionEnd = this.compressionStart + compressionLength
    return this.#extensions(this.compressionEnd, end)
  }

  decodeServer(bytes: Uint8Array, start: number, end: number): TlsHelloFlaw | null {
    const at = this.#head(bytes, start, end)
    if (typeof at === 'string') return at
    if (end - at < 3) return 'tls.hello_truncated'
    this.suitesStart = at
    this.suitesEnd = at + 2
    this.compressionStart = at + 2
    this.compressionEnd = at + 3
    return this.#extensions(at + 3, end)
  }

  #head(bytes: Uint8Array, start: number, end: number): TlsHelloFlaw | number {
    this.bytes = bytes
    this.suitesStart = this.suitesEnd = end
    this.compressionStart = this.compressionEnd = end
    this.extensionsStart = this.extensionsEnd = end
    this.sessionIdLength = 0
    this.version = 0
    if (end - start < 2 + RANDOM_LENGTH + 1) return 'tls.hello_truncated'
    this.version = u16(bytes, start)
    this.randomStart = start + 2
    const at = start + 2 + RANDOM_LENGTH
    const sessionIdLength = bytes[at]
    if (sessionIdLength > 32 || at + 1 + sessionIdLength > end) return 'tls.session_id_length'
    this.sessionIdLength = sessionIdLength
    return at + 1 + sessionIdLength
  }

  #extensions(at: number, end: number): TlsHelloFlaw | null {
    // SSL 3.0 and early TLS know no extensions.
    if (at === end) return null
    if (end - at < 2) return 'tls.extensions_length'
    const extensionsEnd = at + 2 + u16(this.bytes, at)
    this.extensionsStart = at + 2
    this.extensionsEnd = Math.min(extensionsEnd, end)
    return extensionsEnd === end ? null : 'tls.extensions_length'
  }
}

/** `tls.extension_length`: an extension leads out of the list of them. */
export type TlsExtensionFlaw = 'tls.extension_length'

/** Walks the extensions of a hello: `while (extensions.next())`, then look at `flaw`. */
export class TlsExtensionCursor {
  type = 0
  dataStart = 0
  dataEnd = 0
  flaw: TlsExtensionFlaw | null = null
  #bytes: Uint8Array = NO_BYTES
  #at = 0
  #end = 0

  over({ bytes, extensionsStart, extensionsEnd }: TlsHelloView): this {
    this.#bytes = bytes
    this.#at = extensionsStart
    this.#end = extensionsEnd
    this.flaw = null
    return this
  }

  next(): boolean {
    if (this.#at === this.#end || this.flaw !== null) return false
    const at = this.#at
    if (this.#end - at < 4 || at + 4 + u16(this.#bytes, at + 2) > this.#end) {
      this.flaw = 'tls.extension_length'
      return false
    }
    this.type = u16(this.#bytes, at)
    this.dataStart = at + 4
    this.dataEnd = at + 4 + u16(this.#bytes, at + 2)
    this.#at = this.dataEnd
    return true
  }
}

type HelloFlaw = TlsHelloFlaw | TlsExtensionFlaw | 'tls.extension_data'

/** What a client offers, GREASE values among it, in its order. Lists are bounded. */
export interface TlsClientHello {
  readonly version: number
  readonly sessionIdLength: number
  readonly cipherSuites: readonly number[]
  readonly compressionMethods: readonly number[]
  readonly extensions: readonly number[]
  readonly serverName?: string
  readonly alpn?: readonly string[]
  readonly versions?: readonly number[]
  readonly groups?: readonly number[]
  readonly keyShareGroups?: readonly number[]
  readonly pointFormats?: readonly number[]
  readonly signatureAlgorithms?: readonly number[]
  readonly hasSessionTicket?: true
  readonly hasPreSharedKey?: true
  readonly hasEarlyData?: true
  readonly hasGrease?: true
  /** The real name of the server is encrypted; `serverName` is that of a front (RFC 9849). */
  readonly hasEch?: true
  readonly flaw?: HelloFlaw
}

/** What a server chose. */
export interface TlsServerHello {
  /** As written at the head of the hello. */
  readonly version: number
  /** Of TLS 1.3, where the head keeps silent. */
  readonly selectedVersion?: number
  readonly isHelloRetryRequest?: true
  /** The server speaks TLS 1.3 (or 1.2), and was asked for less (RFC 8446 section 4.1.3). */
  readonly downgradedFrom?: number
  readonly sessionIdLength: number
  readonly cipherSuite?: number
  readonly compressionMethod?: number
  readonly extensions: readonly number[]
  readonly alpn?: readonly string[]
  readonly group?: number
  readonly flaw?: HelloFlaw
}

/** The highest version that a client offers, or that a server chose, GREASE aside. */
export function highestVersion({ version, versions = [] }: TlsClientHello): number {
  return versions.reduce((highest, offered) => (isGrease(offered) ? highest : Math.max(highest, offered)), 0) || version
}

const hello = new TlsHelloView()
const extensions = new TlsExtensionCursor()

/** Reads the body of a ClientHello. What stands before the first flaw is kept. */
export function describeClientHello(bytes: Uint8Array, start: number, end: number): TlsClientHello {
  let flaw: HelloFlaw | null = hello.decodeClient(bytes, start, end)
  const types: number[] = []
  const told: Mutable<TlsClientHello> = {
    version: hello.version,
    sessionIdLength: hello.sessionIdLength,
    cipherSuites: numbers(bytes, hello.suitesStart, hello.suitesEnd, 2),
    compressionMethods: numbers(bytes, hello.compressionStart, hello.compressionEnd, 1),
    extensions: types,
  }
  extensions.over(hello)
  while (extensions.next()) {
    if (types.length < NUMBERS_MAX) types.push(extensions.type)
    const reader = CLIENT_EXTENSIONS[extensions.type]
    if (reader?.(bytes, extensions.dataStart, extensions.dataEnd, told) === false) flaw ??= 'tls.extension_data'
  }
  flaw ??= extensions.flaw
  if ([...told.cipherSuites, ...types].some(isGrease)) told.hasGrease = true
  if (flaw !== null) told.flaw = flaw
  return told
}

/** Numbers of a list that are kept. */
const NUMBERS_MAX = 1024

function numbers(bytes: Uint8Array, start: number, end: number, size: 1 | 2): number[] {
  const list: number[] = []
  for (let at = start; at + size <= end && list.length < NUMBERS_MAX; at += size)
    list.push(size === 1 ? bytes[at] : u16(bytes, at))
  return list
}

/** Reads the data of an extension into the description; false if it is malformed. */
type ExtensionReader<T> = (bytes: Uint8Array, start: number, end: number, told: Mutable<T>) => boolean

const CLIENT_EXTENSIONS: Readonly<Record<number, ExtensionReader<TlsClientHello>>> = {
  [TLS_EXTENSION.SERVER_NAME]: readServerName,
  [TLS_EXTENSION.ALPN]: readProtocols,
  [TLS_EXTENSION.SUPPORTED_GROUPS]: (bytes, start, end, told) => {
    told.groups = numbers(bytes, start + 2, end, 2)
    return end - start >= 2 && start + 2 + u16(bytes, start) === end
  },
  [TLS_EXTENSION.SIGNATURE_ALGORITHMS]: (bytes, start, end, told) => {
    told.signatureAlgorithms = numbers(bytes, start + 2, end, 2)
    return end - start >= 2 && start + 2 + u16(bytes, start) === end
  },
  [TLS_EXTENSION.POINT_FORMATS]: (bytes, start, end, told) => {
    told.pointFormats = numbers(bytes, start + 1, end, 1)
    return end > start && start + 1 + bytes[start] === end
  },
  [TLS_EXTENSION.SUPPORTED_VERSIONS]: (bytes, start, end, told) => {
    told.versions = numbers(bytes, start + 1, end, 2)
    return end > start && start + 1 + bytes[start] === end
  },
  [TLS_EXTENSION.KEY_SHARE]: readKeyShares,
  [TLS_EXTENSION.SESSION_TICKET]: (_bytes, _start, _end, told) => {
    told.hasSessionTicket = true
    return true
  },
  [TLS_EXTENSION.PRE_SHARED_KEY]: (_bytes, _start, _end, told) => {
    told.hasPreSharedKey = true
    return true
  },
  [TLS_EXTENSION.EARLY_DATA]: (_bytes, _start, _end, told) => {
    told.hasEarlyData = true
    return true
  },
  [TLS_EXTENSION.ECH]: readEch,
  [TLS_EXTENSION.ESNI]: readEch,
}

/** RFC 6066 section 3: a list of names of which only one kind was ever defined, and one of it may stand. */
function readServerName(bytes: Uint8Array, start: number, end: number, told: Mutable<TlsClientHello>): boolean {
  if (end - start < 5 || start + 2 + u16(bytes, start) !== end) return false
  const length = u16(bytes, start + 3)
  if (bytes[start + 2] !== 0 || start + 5 + length > end || length === 0) return false
  told.serverName = text(bytes, start + 5, start + 5 + Math.min(length, NAME_LENGTH_MAX))
  return true
}

/** RFC 7301 section 3.1. Octets become characters one by one: names need not be text. */
function readProtocols(
  bytes: Uint8Array,
  start: number,
  end: number,
  told: { alpn?: readonly string[] | undefined },
): boolean {
  if (end - start < 2 || start + 2 + u16(bytes, start) !== end) return false
  const names: string[] = []
  let at = start + 2
  for (; at < end && at + 1 + bytes[at] <= end; at += 1 + bytes[at])
    if (names.length < LIST_MAX) names.push(String.fromCharCode(...bytes.subarray(at + 1, at + 1 + bytes[at])))
  told.alpn = names
  return at === end
}

function readKeyShares(bytes: Uint8Array, start: number, end: number, told: Mutable<TlsClientHello>): boolean {
  if (end - start < 2 || start + 2 + u16(bytes, start) !== end) return false
  const groups: number[] = []
  let at = start + 2
  for (; at + 4 <= end && at + 4 + u16(bytes, at + 2) <= end; at += 4 + u16(bytes, at + 2))
    if (groups.length < LIST_MAX) groups.push(u16(bytes, at))
  told.keyShareGroups = groups
  return at === end
}

function readEch(_bytes: Uint8Array, _start: number, _end: number, told: Mutable<TlsClientHello>): boolean {
  told.hasEch = true
  return true
}

/** The hash by which a ServerHello says that it is a HelloRetryRequest (RFC 8446 section 4.1.3), by its first octets. */
const RETRY_RANDOM = Uint8Array.from(
  Buffer.from('cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c', 'hex'),
)
/** "DOWNGRD", then 0 or 1. */
const DOWNGRADE = Uint8Array.of(0x44, 0x4f, 0x57, 0x4e, 0x47, 0x52, 0x44)

/** Reads the body of a ServerHello. */
export function describeServerHello(bytes: Uint8Array, start: number, end: number): TlsServerHello {
  let flaw: HelloFlaw | null = hello.decodeServer(bytes, start, end)
  const types: number[] = []
  const told: Mutable<TlsServerHello> = {
    version: hello.version,
    sessionIdLength: hello.sessionIdLength,
    extensions: types,
  }
  if (hello.version !== 0) readRandom(bytes, hello.randomStart, told)
  if (hello.suitesEnd > hello.suitesStart) {
    told.cipherSuite = u16(bytes, hello.suitesStart)
    told.compressionMethod = bytes[hello.compressionStart]
  }
  extensions.over(hello)
  while (extensions.next()) {
    if (types.length < NUMBERS_MAX) types.push(extensions.type)
    const reader = SERVER_EXTENSIONS[extensions.type]
    if (reader?.(bytes, extensions.dataStart, extensions.dataEnd, told) === false) flaw ??= 'tls.extension_data'
  }
  flaw ??= extensions.flaw
  if (flaw !== null) told.flaw = flaw
  return told
}

const SERVER_EXTENSIONS: Readonly<Record<number, ExtensionReader<TlsServerHello>>> = {
  [TLS_EXTENSION.ALPN]: readProtocols,
  [TLS_EXTENSION.SUPPORTED_VERSIONS]: (bytes, start, end, told) => {
    if (end - start !== 2) return false
    told.selectedVersion = u16(bytes, start)
    return true
  },
  // A HelloRetryRequest names the group alone.
  [TLS_EXTENSION.KEY_SHARE]: (bytes, start, end, told) => {
    if (end - start < 2) return false
    told.group = u16(bytes, start)
    return true
  },
}

function readRandom(bytes: Uint8Array, start: number, told: Mutable<TlsServerHello>): void {
  if (equal(bytes, start, RETRY_RANDOM, 0, RANDOM_LENGTH)) told.isHelloRetryRequest = true
  const mark = bytes[start + RANDOM_LENGTH - 1]
  if (mark < 2 && equal(bytes, start + RANDOM_LENGTH - 8, DOWNGRADE, 0, DOWNGRADE.length))
    told.downgradedFrom = mark === 1 ? 0x0304 : 0x0303
}
