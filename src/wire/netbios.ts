/**
 * NetBIOS over TCP and UDP (RFC 1001, RFC 1002) as far as SMB rides on it: the session service on port 139, whose four-octet
 * frame direct SMB on port 445 has kept ([MS-SMB2] section 2.1), and the datagram service on port 138.
 */
import { NO_BYTES, u16, u24 } from '../base/bytes.ts'

export const NETBIOS_SESSION_PORT = 139
export const NETBIOS_DATAGRAM_PORT = 138
export const SMB_PORT = 445

export const NETBIOS_FRAME_LENGTH = 4

const SESSION_TYPES: Readonly<Record<number, string>> = {
  0: 'message',
  129: 'request',
  130: 'positive response',
  131: 'negative response',
  132: 'retarget response',
  133: 'keepalive',
}
const MESSAGE = 0
const REQUEST = 0x81
const NEGATIVE = 0x83

/** Answers to a session request (RFC 1002 section 4.3.4). */
const SESSION_ERRORS: Readonly<Record<number, string>> = {
  128: 'not listening on called name',
  129: 'not listening for calling name',
  130: 'called name not present',
  131: 'insufficient resources',
  143: 'unspecified error',
}

/** `netbios.truncated`: shorter than the frame. `netbios.type`: no type of RFC 1002. `netbios.length`: the frame ends outside the packet. */
export type NetbiosFlaw = 'netbios.truncated' | 'netbios.type' | 'netbios.length'

/** A reusable window on one frame of the session service. */
export class NetbiosView {
  bytes: Uint8Array = NO_BYTES
  type = 0
  /** Without the frame's own four octets. */
  length = 0
  payloadStart = 0
  payloadEnd = 0
  /** Where the payload ends on the wire; beyond `payloadEnd` if the rest is in later segments or was not captured. */
  payloadWireEnd = 0

  /**
   * `end` is the end of what is at hand; the stream goes on, so that a longer frame is no flaw. On port 445 the length has 24
   * bits; on port 139 it has 17, and the bits above are zero in all that is sent.
   */
  decode(bytes: Uint8Array, start: number, end: number): NetbiosFlaw | null {
    this.bytes = bytes
    this.payloadStart = end
    this.payloadEnd = end
    this.payloadWireEnd = end
    if (end - start < NETBIOS_FRAME_LENGTH) return 'netbios.truncated'
    this.type = bytes[start]
    if (SESSION_TYPES[this.type] === undefined) return 'netbios.type'
    this.length = u24(bytes, start + 1)
    if (this.type !== MESSAGE && this.length > CONTROL_MAX) return 'netbios.length'
    this.payloadStart = start + NETBIOS_FRAME_LENGTH
    this.payloadWireEnd = this.payloadStart + this.length
    this.payloadEnd = Math.min(this.payloadWireEnd, end)
    return null
  }

  get isMessage(): boolean {
    return this.type === MESSAGE
  }
}

/** Other frames than messages hold two names at most. */
const CONTROL_MAX = 600

export interface NetbiosDescription {
  readonly type: number
  readonly typeName: string
  readonly length: number
  /** Session requests: who is called, and who calls; the last octet of a name is what it stands for. */
  readonly calledName?: string
  readonly callingName?: string
  readonly errorName?: string
}

export function describeNetbios(frame: NetbiosView): NetbiosDescription {
  const { bytes, type, length, payloadStart: at, payloadEnd } = frame
  const description = { type, typeName: SESSION_TYPES[type] ?? 'unknown', length }
  if (type === REQUEST && payloadEnd - at >= 2 * NAME_LENGTH)
    return {
      ...description,
      calledName: netbiosName(bytes, at),
      callingName: netbiosName(bytes, at + NAME_LENGTH),
    }
  if (type === NEGATIVE && payloadEnd > at)
    return { ...description, errorName: SESSION_ERRORS[bytes[at]] ?? String(bytes[at]) }
  return description
}

/** Length octet, 32 letters, end of name: a name without a scope. */
const NAME_LENGTH = 34
const LETTERS = 32
const LETTER_A = 0x41

/** The first-level encoding (RFC 1001 section 14.1): each half octet a letter from A. `NAME<20>`; empty for what is no name. */
export function netbiosName(bytes: Uint8Array, at: number): string {
  if (bytes[at] !== LETTERS) return ''
  let name = ''
  for (let i = 0; i < LETTERS; i += 2) {
    const high = bytes[at + 1 + i] - LETTER_A
    const low = bytes[at + 2 + i] - LETTER_A
    if (high < 0 || high > 15 || low < 0 || low > 15) return ''
    const octet = high * 16 + low
    if (i === LETTERS - 2) return `${name.trimEnd()}<${octet.toString(16).padStart(2, '0')}>`
    name += octet >= 0x20 && octet < 0x7f ? String.fromCharCode(octet) : '.'
  }
  return name
}

const DATAGRAM_HEADER_LENGTH = 14

const DATAGRAM_TYPES: Readonly<Record<number, string>> = {
  16: 'direct unique',
  17: 'direct group',
  18: 'broadcast',
  19: 'error',
  20: 'query request',
  21: 'positive query response',
  22: 'negative query response',
}

export interface NetbiosDatagram {
  readonly type: number
  readonly typeName: string
  readonly datagramId: number
  readonly sourceName?: string
  readonly destinationName?: string
  /** The user data of a whole datagram, in the buffer. */
  readonly payload?: { readonly start: number; readonly end: number }
}

/** RFC 1002 section 4.4; null if this is no datagram of NetBIOS. */
export function describeNetbiosDatagram(bytes: Uint8Array, start: number, end: number): NetbiosDatagram | null {
  if (end - start < DATAGRAM_HEADER_LENGTH) return null
  const type = bytes[start]
  const typeName = DATAGRAM_TYPES[type]
  if (typeName === undefined) return null
  const datagram = { type, typeName, datagramId: u16(bytes, start + 2) }
  const namesAt = start + DATAGRAM_HEADER_LENGTH
  const payloadAt = namesAt + 2 * NAME_LENGTH
  if (type > 18 || payloadAt > end) return datagram
  // A datagram in pieces has its offset at the end of the header; only the beginning names what it holds.
  const isFirst = u16(bytes, start + 12) === 0
  return {
    ...datagram,
    sourceName: netbiosName(bytes, namesAt),
    destinationName: netbiosName(bytes, namesAt + NAME_LENGTH),
    ...(isFirst ? { payload: { start: payloadAt, end } } : {}),
  }
}
