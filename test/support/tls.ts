/** TLS records and handshake messages. */
import { be8, be16, concat, utf8 } from './craft.ts'

/** A length of `size` octets, then the parts. */
export function vector(size: 1 | 2 | 3, ...parts: readonly Uint8Array[]): Uint8Array {
  const body = concat(...parts)
  const { length } = body
  const prefix = size === 1 ? be8(length) : size === 2 ? be16(length) : concat(be8(length >>> 16), be16(length))
  return concat(prefix, body)
}

export function tlsRecord(contentType: number, fragment: Uint8Array, version = 0x0301): Uint8Array {
  return concat(be8(contentType), be16(version), vector(2, fragment))
}

export function handshakeMessage(type: number, body: Uint8Array): Uint8Array {
  return concat(be8(type), vector(3, body))
}

export type Extension = readonly [type: number, data: Uint8Array]

function extensionList(extensions: readonly Extension[]): Uint8Array {
  return extensions.length === 0
    ? new Uint8Array(0)
    : vector(2, ...extensions.map(([type, data]) => concat(be16(type), vector(2, data))))
}

export interface ClientHelloFields {
  readonly version?: number
  readonly sessionId?: Uint8Array
  readonly suites?: readonly number[]
  readonly extensions?: readonly Extension[]
}

/** The body of a ClientHello. */
export function clientHello(fields: ClientHelloFields = {}): Uint8Array {
  const { version = 0x0303, sessionId = new Uint8Array(0), suites = [0x1301], extensions = [] } = fields
  return concat(
    be16(version),
    new Uint8Array(32).fill(0x11),
    vector(1, sessionId),
    vector(2, ...suites.map(be16)),
    vector(1, be8(0)),
    extensionList(extensions),
  )
}

export interface ServerHelloFields {
  readonly version?: number
  readonly random?: Uint8Array
  readonly suite?: number
  readonly extensions?: readonly Extension[]
}

/** The body of a ServerHello. */
export function serverHello(fields: ServerHelloFields = {}): Uint8Array {
  const { version = 0x0303, random = new Uint8Array(32).fill(0x22), suite = 0x1301, extensions = [] } = fields
  return concat(be16(version), random, be8(0), be16(suite), be8(0), extensionList(extensions))
}

export function serverName(name: string): Extension {
  return [0, vector(2, be8(0), vector(2, utf8(name)))]
}

export function alpn(...names: readonly string[]): Extension {
  return [16, vector(2, ...names.map((name) => vector(1, Uint8Array.from(Buffer.from(name, 'latin1')))))]
}

export function groups(...numbers: readonly number[]): Extension {
  return [10, vector(2, ...numbers.map(be16))]
}

export function pointFormats(...numbers: readonly number[]): Extension {
  return [11, vector(1, ...numbers.map(be8))]
}

export function signatureAlgorithms(...numbers: readonly number[]): Extension {
  return [13, vector(2, ...numbers.map(be16))]
}

export function supportedVersions(...numbers: readonly number[]): Extension {
  return [43, vector(1, ...numbers.map(be16))]
}

export function keyShares(...numbers: readonly number[]): Extension {
  return [51, vector(2, ...numbers.map((group) => concat(be16(group), vector(2, new Uint8Array(4)))))]
}
