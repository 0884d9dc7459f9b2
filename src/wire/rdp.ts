/**
 * The beginning of Remote Desktop connections: TPKT (RFC 1006), the connection TPDUs of X.224 (ITU-T X.224 section 13), and
 * in them the cookie and the negotiation of what protects the connection (MS-RDPBCGR sections 2.2.1.1 and 2.2.1.2). After
 * them nearly always TLS begins.
 */
import { NO_BYTES, text, u16 } from '../base/bytes.ts'
import type { Mutable } from './mutable.ts'

export const RDP_PORT = 3389

const TPKT_HEADER = 4
const TPKT_VERSION = 3
const CONNECTION_HEADER = 7
const NEGOTIATION_LENGTH = 8
const COOKIE_MAX = 256

const TPDU = { CONNECTION_REQUEST: 0xe0, CONNECTION_CONFIRM: 0xd0 } as const

const TPDU_NAMES: Readonly<Record<number, string>> = {
  208: 'connection_confirm',
  224: 'connection_request',
  128: 'disconnect_request',
  112: 'error',
  240: 'data',
}

const NEGOTIATION = { REQUEST: 1, RESPONSE: 2, FAILURE: 3 } as const

/** Bits of what a client asks for, from the least one; none of them is RDP's own security. */
const PROTOCOLS = ['TLS', 'CredSSP', 'RDSTLS', 'CredSSP_EX', 'RDSAAD'] as const

const FAILURES: Readonly<Record<number, string>> = {
  1: 'SSL_REQUIRED_BY_SERVER',
  2: 'SSL_NOT_ALLOWED_BY_SERVER',
  3: 'SSL_CERT_NOT_ON_SERVER',
  4: 'INCONSISTENT_FLAGS',
  5: 'HYBRID_REQUIRED_BY_SERVER',
  6: 'SSL_WITH_USER_AUTH_REQUIRED_BY_SERVER',
  7: 'ENTRA_AUTH_REQUIRED_BY_SERVER',
}

/** `rdp.tpkt_length`: shorter than a header. `rdp.tpdu_length`: the TPDU leads out of its packet, or is too short for its kind. */
export type RdpFlaw = 'rdp.truncated' | 'rdp.tpkt_version' | 'rdp.tpkt_length' | 'rdp.tpdu_length' | 'rdp.negotiation'

/** A reusable window on one TPKT and the TPDU in it. */
export class TpktView {
  bytes: Uint8Array = NO_BYTES
  /** With the header. */
  length = 0
  /** Of the X.224 header, without itself. */
  headerLength = 0
  tpdu = 0
  destinationReference = 0
  sourceReference = 0
  /** What follows the fixed part of a connection TPDU, within its header; of others what follows the header. */
  dataStart = 0
  dataEnd = 0
  packetEnd = 0
  isWhole = false

  decode(bytes: Uint8Array, start: number, end: number): RdpFlaw | null {
    this.isWhole = false
    if (end > start && bytes[start] !== TPKT_VERSION) return 'rdp.tpkt_version'
    if (end - start < TPKT_HEADER + 2) return 'rdp.truncated'
    const length = u16(bytes, start + 2)
    if (length < TPKT_HEADER + 3) return 'rdp.tpkt_length'
    const headerLength = bytes[start + 4]
    const headerEnd = start + 5 + headerLength
    this.bytes = bytes
    this.length = length
    this.headerLength = headerLength
    this.tpdu = bytes[start + 5] & 0xf0
    this.packetEnd = start + length
    this.isWhole = this.packetEnd <= end
    this.dataStart = this.dataEnd = this.packetEnd
    const isConnection = this.tpdu === TPDU.CONNECTION_REQUEST || this.tpdu === TPDU.CONNECTION_CONFIRM
    if (headerEnd > this.packetEnd || headerLength < (isConnection ? CONNECTION_HEADER - 1 : 2))
      return 'rdp.tpdu_length'
    if (!this.isWhole) return null
    this.destinationReference = isConnection ? u16(bytes, start + 6) : 0
    this.sourceReference = isConnection ? u16(bytes, start + 8) : 0
    this.dataStart = isConnection ? start + 4 + CONNECTION_HEADER : headerEnd
    this.dataEnd = isConnection ? headerEnd : this.packetEnd
    return null
  }
}

const probe = new TpktView()

/**
 * Whether octets begin a Remote Desktop connection: a connection request with a cookie or a negotiation in it, or on its port
 * with nothing. Other protocols share TPKT and X.224. Undefined if there are too few to say.
 */
export function looksLikeRdp(
  bytes: Uint8Array,
  start: number,
  end: number,
  isExpectedPort: boolean,
): boolean | undefined {
  const flaw = probe.decode(bytes, start, end)
  if (flaw === 'rdp.truncated') return undefined
  if (flaw !== null || probe.tpdu !== TPDU.CONNECTION_REQUEST) return false
  if (!probe.isWhole) return probe.length > 1024 ? false : undefined
  const { dataStart, dataEnd } = probe
  if (dataStart === dataEnd) return isExpectedPort
  return startsWith(bytes, dataStart, dataEnd, COOKIE) || isNegotiation(bytes, dataStart, dataEnd)
}

const COOKIE = 'Cookie: '
const USER_COOKIE = 'Cookie: mstshash='

function startsWith(bytes: Uint8Array, start: number, end: number, words: string): boolean {
  if (end - start < words.length) return false
  for (let i = 0; i < words.length; i++) if (bytes[start + i] !== words.charCodeAt(i)) return false
  return true
}

function isNegotiation(bytes: Uint8Array, start: number, end: number): boolean {
  const type = bytes[start]
  return end - start >= NEGOTIATION_LENGTH && type >= 1 && type <= 3 && u16le(bytes, start + 2) === NEGOTIATION_LENGTH
}

function u16le(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8)
}

function u32le(bytes: Uint8Array, at: number): number {
  return (u16le(bytes, at) | (u16le(bytes, at + 2) << 16)) >>> 0
}

export interface RdpNegotiation {
  readonly type: 'request' | 'response' | 'failure'
  readonly flags: number
  /** Of a request: what the client can do. */
  readonly requestedProtocols?: readonly string[]
  /** Of a request: the bits. */
  readonly requested?: number
  /** Of a response. */
  readonly selectedProtocol?: string
  readonly selected?: number
  readonly failureCode?: number
  readonly failureName?: string
}

export interface RdpDescription {
  readonly tpdu: string
  readonly length: number
  readonly destinationReference?: number
  readonly sourceReference?: number
  /** `Cookie: mstshash=`: whom the client is about to log in, often cut to nine characters. */
  readonly user?: string
  /** Where a load balancer shall lead the client. */
  readonly routingToken?: string
  readonly negotiation?: RdpNegotiation
  readonly flaw?: RdpFlaw
}

/** Describes a whole TPKT that `decode` accepted. */
export function describeRdp(view: TpktView): RdpDescription {
  const { bytes, dataStart, dataEnd, tpdu } = view
  const told: Mutable<RdpDescription> = {
    tpdu: TPDU_NAMES[tpdu] ?? `0x${tpdu.toString(16)}`,
    length: view.length,
  }
  const isRequest = tpdu === TPDU.CONNECTION_REQUEST
  if (!isRequest && tpdu !== TPDU.CONNECTION_CONFIRM) return told
  told.destinationReference = view.destinationReference
  told.sourceReference = view.sourceReference
  let at = dataStart
  if (isRequest && startsWith(bytes, at, dataEnd, COOKIE)) {
    let lineEnd = at
    while (lineEnd < dataEnd && bytes[lineEnd] !== 0x0d && bytes[lineEnd] !== 0x0a) lineEnd++
    const isUser = startsWith(bytes, at, dataEnd, USER_COOKIE)
    const wordsStart = at + (isUser ? USER_COOKIE : COOKIE).length
    const words = text(bytes, wordsStart, Math.min(lineEnd, wordsStart + COOKIE_MAX))
    if (isUser) told.user = words
    else told.routingToken = words
    at = lineEnd
    while (at < dataEnd && (bytes[at] === 0x0d || bytes[at] === 0x0a)) at++
  }
  if (at < dataEnd) {
    if (isNegotiation(bytes, at, dataEnd)) told.negotiation = describeNegotiation(bytes, at)
    else told.flaw = 'rdp.negotiation'
  }
  return told
}

function describeNegotiation(bytes: Uint8Array, at: number): RdpNegotiation {
  const flags = bytes[at + 1]
  const value = u32le(bytes, at + 4)
  switch (bytes[at]) {
    case NEGOTIATION.REQUEST:
      return {
        type: 'request',
        flags,
        requested: value,
        requestedProtocols: value === 0 ? ['RDP'] : PROTOCOLS.filter((_, bit) => (value & (1 << bit)) !== 0),
      }
    case NEGOTIATION.RESPONSE:
      return {
        type: 'response',
        flags,
        selected: value,
        selectedProtocol: value === 0 ? 'RDP' : (PROTOCOLS.find((_, bit) => value === 1 << bit) ?? String(value)),
      }
    default:
      return { type: 'failure', flags, failureCode: value, failureName: FAILURES[value] ?? String(value) }
  }
}
