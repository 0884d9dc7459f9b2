/**
 * SOCKS, by which a client asks a proxy for connections: version 4 and its extension 4A (both by their published descriptions,
 * there is no RFC), version 5 (RFC 1928) and its login with user and password (RFC 1929).
 *
 * Passwords are passed over: nothing here returns one.
 */
import { addressText } from '../base/address.ts'
import { text, u16 } from '../base/bytes.ts'

/** Of a user or a name in version 4, where nothing but a zero ends them; in version 5 one octet holds their length. */
const TEXT_MAX = 255
const REPLY4_LENGTH = 8

/** Of version 5, section 3; what a client offers and a server chooses. */
export const SOCKS_METHOD = { NONE: 0, GSSAPI: 1, PASSWORD: 2, NO_ACCEPTABLE: 0xff } as const

/** Registered with IANA; from 128 on they are private. */
const METHODS = [
  'none',
  'gssapi',
  'password',
  'chap',
  '4',
  'cram',
  'tls',
  'nds',
  'multi_authentication_framework',
  'json_parameter_block',
] as const
const METHOD_PRIVATE = 0x80

export function socksMethodName(method: number): string {
  return METHODS[method] ?? String(method)
}

export type SocksCommand = 'connect' | 'bind' | 'udp_associate'

const COMMANDS: readonly (SocksCommand | undefined)[] = [undefined, 'connect', 'bind', 'udp_associate']

/** Section 6. */
const REPLIES5 = [
  'succeeded',
  'general_failure',
  'not_allowed',
  'network_unreachable',
  'host_unreachable',
  'connection_refused',
  'ttl_expired',
  'command_not_supported',
  'address_type_not_supported',
] as const
/** From 90 on. */
const REPLIES4 = ['succeeded', 'rejected', 'identd_unreachable', 'identd_other_user'] as const
const REPLY4_FIRST = 90

/**
 * `socks.request`, `socks.reply`: a field without a meaning (version, command, type of address, reserved octet). `socks.credentials`:
 * not those of RFC 1929. `socks.text_length`: a user or name of version 4 that is longer than 255 octets.
 */
export type SocksFlaw = 'socks.request' | 'socks.reply' | 'socks.credentials' | 'socks.text_length'

/** What a message is when its octets are not whole. */
export type SocksMore = 'more'

export interface SocksRequest {
  readonly version: '4' | '4a' | '5'
  readonly command: SocksCommand
  /** An address, or a name that the server is to look up. */
  readonly host: string
  readonly port: number
  /** Of version 4. */
  readonly user?: string
  /** Where the octets after it begin. */
  readonly next: number
}

export interface SocksReply {
  readonly code: number
  /** `succeeded`, or why not; the number where it has no name. */
  readonly name: string
  readonly isSuccess: boolean
  /** Where the server listens, or from where it connects; 0.0.0.0 where it does not say. */
  readonly host: string
  readonly port: number
  readonly next: number
}

/** Whether octets begin what a client says. Undefined if there are too few to say. */
export function looksLikeSocks(bytes: Uint8Array, start: number, end: number): boolean | undefined {
  if (start === end) return undefined
  if (bytes[start] === 5) return looksLikeGreeting(bytes, start, end)
  return bytes[start] === 4 ? looksLikeRequest4(bytes, start, end) : false
}

/** A number of methods, each a known one and none twice. */
function looksLikeGreeting(bytes: Uint8Array, start: number, end: number): boolean | undefined {
  if (end - start < 2) return undefined
  const methodsEnd = start + 2 + bytes[start + 1]
  if (methodsEnd === start + 2) return false
  for (let at = start + 2; at < Math.min(methodsEnd, end); at++) {
    const method = bytes[at]
    if (method === SOCKS_METHOD.NO_ACCEPTABLE || (method >= METHODS.length && method < METHOD_PRIVATE)) return false
    for (let before = start + 2; before < at; before++) if (bytes[before] === method) return false
  }
  return methodsEnd <= end ? true : undefined
}

/** A command, a port, an address to which one can connect, and a user of visible characters. */
function looksLikeRequest4(bytes: Uint8Array, start: number, end: number): boolean | undefined {
  if (end - start >= 2 && bytes[start + 1] !== 1 && bytes[start + 1] !== 2) return false
  if (end - start < 9) return undefined
  if (u16(bytes, start + 2) === 0 || bytes[start + 4] >= 240) return false
  const isNamed = isNameMark(bytes, start + 4)
  if (bytes[start + 4] === 0 && !isNamed) return false
  const userEnd = visibleEnd(bytes, start + 8, end)
  if (userEnd < 0 || !isNamed) return userEnd === UNFINISHED ? undefined : userEnd !== WRONG
  const nameEnd = visibleEnd(bytes, userEnd + 1, end)
  if (nameEnd === UNFINISHED) return undefined
  return nameEnd !== WRONG && nameEnd > userEnd + 1
}

const UNFINISHED = -1
const WRONG = -2

/** Where the zero is that ends visible characters. */
function visibleEnd(bytes: Uint8Array, start: number, end: number): number {
  for (let at = start; at < end; at++) {
    if (bytes[at] === 0) return at
    if (bytes[at] < 0x20 || bytes[at] === 0x7f || at - start >= TEXT_MAX) return WRONG
  }
  return UNFINISHED
}

/** 0.0.0.x, which no host has: a name follows (4A). */
function isNameMark(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === 0 && bytes[at + 1] === 0 && bytes[at + 2] === 0 && bytes[at + 3] !== 0
}

/** The methods that a client of version 5 offers. */
export function readMethods(
  bytes: Uint8Array,
  start: number,
  end: number,
): { readonly methods: readonly number[]; readonly next: number } | SocksMore {
  if (end - start < 2) return 'more'
  const next = start + 2 + bytes[start + 1]
  return next > end ? 'more' : { methods: [...bytes.subarray(start + 2, next)], next }
}

/** The user of RFC 1929; the password behind it is passed over. */
export function readCredentials(
  bytes: Uint8Array,
  start: number,
  end: number,
): { readonly user: string; readonly next: number } | SocksFlaw | SocksMore {
  if (start === end) return 'more'
  if (bytes[start] !== 1) return 'socks.credentials'
  if (end - start < 2) return 'more'
  const userEnd = start + 2 + bytes[start + 1]
  if (userEnd >= end) return 'more'
  const next = userEnd + 1 + bytes[userEnd]
  return next > end ? 'more' : { user: text(bytes, start + 2, userEnd), next }
}

export function readSocks4Request(bytes: Uint8Array, start: number, end: number): SocksRequest | SocksFlaw | SocksMore {
  if (end - start < 9) return 'more'
  const command = COMMANDS[bytes[start + 1]]
  if (bytes[start] !== 4 || command === undefined || command === 'udp_associate') return 'socks.request'
  const userEnd = bytes.indexOf(0, start + 8)
  if (userEnd === -1 || userEnd >= end) return unfinished(start + 8, end)
  const user = text(bytes, start + 8, userEnd)
  const port = u16(bytes, start + 2)
  const own = { command, port, ...(user === '' ? {} : { user }) }
  if (!isNameMark(bytes, start + 4))
    return { version: '4', host: addressText(bytes, start + 4, 4), next: userEnd + 1, ...own }
  const nameEnd = bytes.indexOf(0, userEnd + 1)
  if (nameEnd === -1 || nameEnd >= end) return unfinished(userEnd + 1, end)
  return { version: '4a', host: text(bytes, userEnd + 1, nameEnd), next: nameEnd + 1, ...own }
}

function unfinished(start: number, end: number): SocksFlaw | SocksMore {
  return end - start > TEXT_MAX ? 'socks.text_length' : 'more'
}

export function readSocks4Reply(bytes: Uint8Array, start: number, end: number): SocksReply | SocksFlaw | SocksMore {
  if (end - start < REPLY4_LENGTH) return 'more'
  const code = bytes[start + 1]
  const name = REPLIES4[code - REPLY4_FIRST]
  if (bytes[start] !== 0 || name === undefined) return 'socks.reply'
  return {
    code,
    name,
    isSuccess: code === REPLY4_FIRST,
    host: addressText(bytes, start + 4, 4),
    port: u16(bytes, start + 2),
    next: start + REPLY4_LENGTH,
  }
}

export function readSocks5Request(bytes: Uint8Array, start: number, end: number): SocksRequest | SocksFlaw | SocksMore {
  if (end - start < 4) return 'more'
  const command = COMMANDS[bytes[start + 1]]
  if (bytes[start] !== 5 || command === undefined || bytes[start + 2] !== 0) return 'socks.request'
  const place = readPlace(bytes, start + 3, end)
  if (place === null) return 'socks.request'
  return place === 'more' ? place : { version: '5', command, ...place }
}

export function readSocks5Reply(bytes: Uint8Array, start: number, end: number): SocksReply | SocksFlaw | SocksMore {
  if (end - start < 4) return 'more'
  const code = bytes[start + 1]
  if (bytes[start] !== 5 || bytes[start + 2] !== 0) return 'socks.reply'
  const place = readPlace(bytes, start + 3, end)
  if (place === null) return 'socks.reply'
  return place === 'more' ? place : { code, name: REPLIES5[code] ?? String(code), isSuccess: code === 0, ...place }
}

/** Type, address and port; null if there is no such type. */
function readPlace(
  bytes: Uint8Array,
  at: number,
  end: number,
): { readonly host: string; readonly port: number; readonly next: number } | SocksMore | null {
  const type = bytes[at]
  if (type !== 1 && type !== 3 && type !== 4) return null
  if (type === 3 && at + 1 >= end) return 'more'
  const hostAt = type === 3 ? at + 2 : at + 1
  const length = type === 1 ? 4 : type === 4 ? 16 : bytes[at + 1]
  const hostEnd = hostAt + length
  if (hostEnd + 2 > end) return 'more'
  const host = type === 3 ? text(bytes, hostAt, hostEnd) : addressText(bytes, hostAt, length)
  return { host, port: u16(bytes, hostEnd), next: hostEnd + 2 }
}
