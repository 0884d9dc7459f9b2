/**
 * EAP (RFC 3748) with the methods that dial-up and VPN peers use.
 *
 * It begins with the header that `PppControlView` reads, so the describer takes a decoded one. Authentication is rare in the
 * traffic of a link, so the describer allocates a plain record; what stands before the first flaw is kept, the flaw named.
 *
 * Octets that are a secret by themselves (the answer of a token, a new password) never leave this file: a record has their
 * length only. Challenges and the responses to them travel in the clear and are told.
 */
import { hex, text, u16, u24, u32 } from '../base/bytes.ts'
import {
  CHANGE_PASSWORD_3,
  MS_CHAP_RESPONSE,
  MS_CHAP_V2_CHALLENGE,
  type MsChapFailure,
  type MsChapPasswordChange,
  type MsChapSuccess,
  type MsChapV2Response,
  msChapFailure,
  msChapSuccess,
  msChapV2Response,
} from './ms-chap.ts'
import type { Mutable } from './mutable.ts'
import type { PppControlView } from './ppp-control.ts'

export const EAP_CODE = { REQUEST: 1, RESPONSE: 2, SUCCESS: 3, FAILURE: 4, INITIATE: 5, FINISH: 6 } as const

const EAP_CODES: Readonly<Record<number, string>> = {
  1: 'Request',
  2: 'Response',
  3: 'Success',
  4: 'Failure',
  5: 'Initiate',
  6: 'Finish',
}

/** EAP types that code acts on. */
export const EAP_TYPE = {
  IDENTITY: 1,
  NOTIFICATION: 2,
  NAK: 3,
  MD5_CHALLENGE: 4,
  OTP: 5,
  GTC: 6,
  TLS: 13,
  LEAP: 17,
  SIM: 18,
  TTLS: 21,
  AKA: 23,
  PEAP: 25,
  MS_CHAP_V2: 26,
  FAST: 43,
  PSK: 47,
  AKA_PRIME: 50,
  GPSK: 51,
  PWD: 52,
  TEAP: 55,
  EXPANDED: 254,
} as const

/** IANA "EAP Method Types". Type 26 is what peers send as EAP-MSCHAPv2; the registry's 29 of that name is not in use. */
const EAP_TYPES: Readonly<Record<number, string>> = {
  1: 'Identity',
  2: 'Notification',
  3: 'Nak',
  4: 'MD5-Challenge',
  5: 'OTP',
  6: 'GTC',
  9: 'RSA-PKA',
  10: 'DSS-Unilateral',
  11: 'KEA',
  12: 'KEA-VALIDATE',
  13: 'EAP-TLS',
  14: 'Defender-Token',
  15: 'SecurID',
  16: 'Arcot',
  17: 'LEAP',
  18: 'EAP-SIM',
  19: 'SRP-SHA1',
  21: 'EAP-TTLS',
  22: 'Remote-Access-Service',
  23: 'EAP-AKA',
  24: '3Com-Wireless',
  25: 'PEAP',
  26: 'EAP-MSCHAPv2',
  27: 'MAKE',
  28: 'CRYPTOCard',
  29: 'EAP-MSCHAP-V2 (29)',
  30: 'DynamID',
  31: 'Rob-EAP',
  32: 'EAP-POTP',
  33: 'MS-Authentication-TLV',
  34: 'SentriNET',
  35: 'Actiontec-Wireless',
  36: 'Cogent-Biometrics',
  37: 'AirFortress',
  38: 'HTTP-Digest',
  39: 'SecureSuite',
  40: 'DeviceConnect',
  41: 'SPEKE',
  42: 'MOBAC',
  43: 'EAP-FAST',
  44: 'ZoneLabs',
  45: 'EAP-Link',
  46: 'EAP-PAX',
  47: 'EAP-PSK',
  48: 'EAP-SAKE',
  49: 'EAP-IKEv2',
  50: "EAP-AKA'",
  51: 'EAP-GPSK',
  52: 'EAP-pwd',
  53: 'EAP-EKE',
  54: 'EAP-PT-TLS',
  55: 'TEAP',
  56: 'EAP-NOOB',
  254: 'Expanded',
  255: 'Experimental',
}

/** Initiate and Finish number their types apart (RFC 6696 section 5.3). */
const EAP_RE_AUTHENTICATION_TYPES: Readonly<Record<number, string>> = { 1: 'Re-auth-Start', 2: 'Re-auth' }

/** The name of an EAP method type, or 'unknown'. */
export function eapTypeName(type: number): string {
  return EAP_TYPES[type] ?? 'unknown'
}

const MS_CHAP_V2_OP_CODES: Readonly<Record<number, string>> = {
  1: 'Challenge',
  2: 'Response',
  3: 'Success',
  4: 'Failure',
  7: 'Change-Password',
}

const SIM_SUBTYPES: Readonly<Record<number, string>> = {
  1: 'AKA-Challenge',
  2: 'AKA-Authentication-Reject',
  4: 'AKA-Synchronization-Failure',
  5: 'AKA-Identity',
  10: 'SIM-Start',
  11: 'SIM-Challenge',
  12: 'Notification',
  13: 'Re-authentication',
  14: 'Client-Error',
}

const PWD_EXCHANGES: Readonly<Record<number, string>> = { 1: 'ID', 2: 'Commit', 3: 'Confirm' }

const GPSK_OP_CODES: Readonly<Record<number, string>> = {
  1: 'GPSK-1',
  2: 'GPSK-2',
  3: 'GPSK-3',
  4: 'GPSK-4',
  5: 'Fail',
  6: 'Protected-Fail',
}

export interface EapDesiredType {
  readonly type: number
  readonly name: string
  /** Expanded Nak only (RFC 3748 section 5.3.2). */
  readonly vendorId?: number
}

/** What the data of a Request or Response say, by the shape of their type. */
export type EapMethod =
  | { readonly kind: 'identity-request'; readonly message: string }
  | { readonly kind: 'identity'; readonly identity: string }
  | { readonly kind: 'notification'; readonly message: string }
  | { readonly kind: 'nak'; readonly desired: readonly EapDesiredType[] }
  | { readonly kind: 'md5'; readonly valueSize: number; readonly value: string; readonly name: string }
  /** OTP and GTC: what the user is asked, and how many octets were answered. */
  | { readonly kind: 'token'; readonly message?: string; readonly responseLength?: number }
  | EapTls
  | EapMsChapV2
  | EapSim
  | EapPwd
  /** EAP-PSK and EAP-GPSK. */
  | {
      readonly kind: 'shared-key'
      readonly messageName: string
      readonly serverIdentity?: string
      readonly peerIdentity?: string
    }
  | { readonly kind: 'leap'; readonly version: number; readonly value: string; readonly name: string }
  | { readonly kind: 'expanded'; readonly vendorId: number; readonly vendorType: number; readonly dataLength: number }
  | { readonly kind: 'opaque'; readonly dataLength: number }

/** EAP-TLS, EAP-TTLS, PEAP, EAP-FAST and TEAP (RFC 5216, RFC 5281, RFC 4851, RFC 7170). */
export interface EapTls {
  readonly kind: 'tls'
  readonly lengthIncluded: boolean
  readonly moreFragments: boolean
  readonly start: boolean
  /** Zero for EAP-TLS, which has none. */
  readonly version: number
  /** Octets of the whole TLS message, where the fragment tells them. */
  readonly tlsLength?: number
  /** TEAP: octets of TLVs outside the tunnel. */
  readonly outerTlvLength?: number
  /** Octets of TLS in this packet. */
  readonly dataLength: number
}

/** draft-kamath-pppext-eap-mschapv2. */
export interface EapMsChapV2 {
  readonly kind: 'mschapv2'
  readonly opCode: number
  readonly opCodeName: string
  readonly msChapIdentifier?: number
  /** Hex digits. */
  readonly challenge?: string
  /** Challenge: the system that asks. Response: the user. */
  readonly name?: string
  readonly response?: MsChapV2Response
  /** Success and Failure, as sent. */
  readonly message?: string
  readonly success?: MsChapSuccess
  readonly failure?: MsChapFailure
  readonly passwordChange?: MsChapPasswordChange
}

/** EAP-SIM, EAP-AKA and EAP-AKA' (RFC 4186, RFC 4187, RFC 9048). */
export interface EapSim {
  readonly kind: 'sim'
  readonly subtype: number
  readonly subtypeName: string
  /** Attribute types, in order. */
  readonly attributes: readonly number[]
  /** AT_IDENTITY: a pseudonym, or the permanent identity with the subscriber's IMSI. */
  readonly identity?: string
  readonly notification?: number
  readonly clientError?: number
}

/** RFC 5931. */
export interface EapPwd {
  readonly kind: 'pwd'
  readonly exchange: number
  readonly exchangeName: string
  readonly lengthIncluded: boolean
  readonly moreFragments: boolean
  readonly totalLength?: number
  /** IKE group number. */
  readonly group?: number
  readonly randomFunction?: number
  readonly prf?: number
  readonly identity?: string
}

export type EapFlaw =
  | 'eap.truncated'
  | 'eap.length'
  | 'eap.code'
  | 'eap.md5_value_size'
  | 'eap.tls_length'
  | 'eap.mschapv2_length'
  | 'eap.mschapv2_value_size'
  | 'eap.mschapv2_format'
  | 'eap.sim_attribute'

export interface EapRecord {
  readonly code: number
  readonly codeName: string
  readonly identifier: number
  readonly length: number
  /** Request, Response, Initiate and Finish. */
  readonly type?: number
  readonly typeName?: string
  readonly method?: EapMethod
  readonly flaw?: EapFlaw
}

type EapDraft = Mutable<EapRecord>

export function describeEap(control: PppControlView): EapRecord {
  const { bytes, code, identifier, length, dataStart: at, dataEnd } = control
  const record: EapDraft = { code, codeName: EAP_CODES[code] ?? 'unknown', identifier, length }
  const flaw = describeEapCode(record, bytes, at, dataEnd)
  if (flaw !== null) record.flaw = flaw
  return record
}

function describeEapCode(record: EapDraft, bytes: Uint8Array, at: number, end: number): EapFlaw | null {
  const { code } = record
  if (code === EAP_CODE.SUCCESS || code === EAP_CODE.FAILURE) return at === end ? null : 'eap.length'
  if (code < EAP_CODE.REQUEST || code > EAP_CODE.FINISH) return 'eap.code'
  if (at === end) return 'eap.truncated'
  record.type = bytes[at]
  if (code === EAP_CODE.INITIATE || code === EAP_CODE.FINISH) {
    record.typeName = EAP_RE_AUTHENTICATION_TYPES[record.type] ?? 'unknown'
    return null
  }
  record.typeName = eapTypeName(record.type)
  return describeType(record, record.type, bytes, at + 1, end)
}

function describeType(record: EapDraft, type: number, bytes: Uint8Array, at: number, end: number): EapFlaw | null {
  switch (type) {
    case EAP_TYPE.IDENTITY:
      record.method = identity(record.code, bytes, at, end)
      return null
    case EAP_TYPE.NOTIFICATION:
      record.method = { kind: 'notification', message: text(bytes, at, end) }
      return null
    case EAP_TYPE.NAK:
      record.method = { kind: 'nak', desired: desiredTypes(bytes, at, end) }
      return at === end ? 'eap.truncated' : null
    case EAP_TYPE.MD5_CHALLENGE:
      return describeMd5(record, bytes, at, end)
    case EAP_TYPE.OTP:
    case EAP_TYPE.GTC:
      record.method =
        record.code === EAP_CODE.REQUEST
          ? { kind: 'token', message: text(bytes, at, end) }
          : { kind: 'token', responseLength: end - at }
      return null
    case EAP_TYPE.TLS:
    case EAP_TYPE.TTLS:
    case EAP_TYPE.PEAP:
    case EAP_TYPE.FAST:
    case EAP_TYPE.TEAP:
      return describeTls(record, type, bytes, at, end)
    case EAP_TYPE.MS_CHAP_V2:
      return describeMsChapV2(record, bytes, at, end)
    case EAP_TYPE.SIM:
    case EAP_TYPE.AKA:
    case EAP_TYPE.AKA_PRIME:
      return describeSim(record, bytes, at, end)
    case EAP_TYPE.PWD:
      return describePwd(record, bytes, at, end)
    case EAP_TYPE.PSK:
      return describePsk(record, bytes, at, end)
    case EAP_TYPE.GPSK:
      return describeGpsk(record, bytes, at, end)
    case EAP_TYPE.LEAP:
      return describeLeap(record, bytes, at, end)
    case EAP_TYPE.EXPANDED:
      return describeExpanded(record, bytes, at, end)
    default:
      record.method = { kind: 'opaque', dataLength: end - at }
      return null
  }
}

/** Options may follow a zero octet (RFC 3748 section 5.1); they are for the peer, not part of what is shown. */
function identity(code: number, bytes: Uint8Array, start: number, end: number): EapMethod {
  const zero = bytes.subarray(start, end).indexOf(0)
  const words = text(bytes, start, zero === -1 ? end : start + zero)
  return code === EAP_CODE.REQUEST
    ? { kind: 'identity-request', message: words }
    : { kind: 'identity', identity: words }
}

function desiredTypes(bytes: Uint8Array, start: number, end: number): EapDesiredType[] {
  const desired: EapDesiredType[] = []
  for (let at = start; at < end; at++) {
    // Zero stands for "no alternative" (RFC 3748 section 5.3.1).
    desired.push({ type: bytes[at], name: bytes[at] === 0 ? 'none' : eapTypeName(bytes[at]) })
  }
  return desired
}

function describeMd5(record: EapDraft, bytes: Uint8Array, at: number, end: number): EapFlaw | null {
  if (at === end) return 'eap.truncated'
  const valueSize = bytes[at]
  const valueEnd = at + 1 + valueSize
  if (valueSize === 0 || valueEnd > end) return 'eap.md5_value_size'
  record.method = {
    kind: 'md5',
    valueSize,
    value: hex(bytes, at + 1, valueEnd),
    name: text(bytes, valueEnd, end),
  }
  return null
}

function describeTls(record: EapDraft, type: number, bytes: Uint8Array, start: number, end: number): EapFlaw | null {
  // An acknowledgement of a fragment may lack even the flags in old EAP-TLS peers; RFC 5216 section 3.2 wants them.
  if (start === end) return 'eap.truncated'
  const flags = bytes[start]
  const lengthIncluded = (flags & 0x80) !== 0
  const hasOuterTlvs = type === EAP_TYPE.TEAP && (flags & 0x10) !== 0
  const method: Mutable<EapTls> = {
    kind: 'tls',
    lengthIncluded,
    moreFragments: (flags & 0x40) !== 0,
    start: (flags & 0x20) !== 0,
    version: type === EAP_TYPE.TLS ? 0 : flags & 0x07,
    dataLength: 0,
  }
  record.method = method
  let at = start + 1
  if (end - at < (lengthIncluded ? 4 : 0) + (hasOuterTlvs ? 4 : 0)) return 'eap.truncated'
  if (lengthIncluded) {
    method.tlsLength = u32(bytes, at)
    at += 4
  }
  if (hasOuterTlvs) {
    method.outerTlvLength = u32(bytes, at)
    at += 4
    if (method.outerTlvLength > end - at) return 'eap.tls_length'
  }
  method.dataLength = end - at - (method.outerTlvLength ?? 0)
  // A fragment that says how long the message is cannot hold more than the message.
  return method.tlsLength !== undefined && method.dataLength > method.tlsLength ? 'eap.tls_length' : null
}

function describeMsChapV2(record: EapDraft, bytes: Uint8Array, start: number, end: number): EapFlaw | null {
  if (start === end) return 'eap.truncated'
  const opCode = bytes[start]
  const method: Mutable<EapMsChapV2> = {
    kind: 'mschapv2',
    opCode,
    opCodeName: MS_CHAP_V2_OP_CODES[opCode] ?? 'unknown',
  }
  record.method = method
  // The peer acknowledges Success and Failure with the OpCode alone.
  if (record.code === EAP_CODE.RESPONSE && (opCode === 3 || opCode === 4)) return null
  if (end - start < 4) return 'eap.mschapv2_length'
  method.msChapIdentifier = bytes[start + 1]
  const flaw = describeOpCode(method, bytes, start + 4, end)
  // Peers are lenient about MS-Length, so what it counts wrongly is told all the same.
  return flaw ?? (u16(bytes, start + 2) === end - start ? null : 'eap.mschapv2_length')
}

function describeOpCode(method: Mutable<EapMsChapV2>, bytes: Uint8Array, at: number, end: number): EapFlaw | null {
  switch (method.opCode) {
    case 1:
    case 2: {
      const valueSize = method.opCode === 1 ? MS_CHAP_V2_CHALLENGE : MS_CHAP_RESPONSE
      if (at === end) return 'eap.truncated'
      if (bytes[at] !== valueSize || at + 1 + valueSize > end) return 'eap.mschapv2_value_size'
      if (method.opCode === 1) method.challenge = hex(bytes, at + 1, at + 1 + valueSize)
      else method.response = msChapV2Response(bytes, at + 1)
      method.name = text(bytes, at + 1 + valueSize, end)
      return null
    }
    case 3: {
      method.message = text(bytes, at, end)
      const success = msChapSuccess(method.message)
      if (success === null) return 'eap.mschapv2_format'
      method.success = success
      return null
    }
    case 4: {
      method.message = text(bytes, at, end)
      const failure = msChapFailure(method.message)
      if (failure === null) return 'eap.mschapv2_format'
      method.failure = failure
      return null
    }
    case 7:
      if (end - at < CHANGE_PASSWORD_3) return 'eap.mschapv2_length'
      method.passwordChange = { version: 3, flags: u16(bytes, at + CHANGE_PASSWORD_3 - 2) }
      return null
    default:
      return null
  }
}

const AT_NOTIFICATION = 12
const AT_IDENTITY = 14
const AT_CLIENT_ERROR_CODE = 22

function describeSim(record: EapDraft, bytes: Uint8Array, start: number, end: number): EapFlaw | null {
  if (start === end) return 'eap.truncated'
  const attributes: number[] = []
  const subtype = bytes[start]
  const method: Mutable<EapSim> = {
    kind: 'sim',
    subtype,
    subtypeName: SIM_SUBTYPES[subtype] ?? 'unknown',
    attributes,
  }
  record.method = method
  if (end - start < 3) return 'eap.truncated'
  for (let at = start + 3; at < end; ) {
    // The length of an attribute counts words of 4 octets (RFC 4186 section 8.1).
    const attributeEnd = at + bytes[at + 1] * 4
    if (end - at < 4 || attributeEnd === at || attributeEnd > end) return 'eap.sim_attribute'
    const type = bytes[at]
    attributes.push(type)
    const value = u16(bytes, at + 2)
    if (type === AT_NOTIFICATION) method.notification = value
    else if (type === AT_CLIENT_ERROR_CODE) method.clientError = value
    else if (type === AT_IDENTITY) {
      if (value > attributeEnd - at - 4) return 'eap.sim_attribute'
      method.identity = text(bytes, at + 4, at + 4 + value)
    }
    at = attributeEnd
  }
  return null
}

function describePwd(record: EapDraft, bytes: Uint8Array, start: number, end: number): EapFlaw | null {
  if (start === end) return 'eap.truncated'
  const head = bytes[start]
  const exchange = head & 0x3f
  const lengthIncluded = (head & 0x80) !== 0
  const method: Mutable<EapPwd> = {
    kind: 'pwd',
    exchange,
    exchangeName: PWD_EXCHANGES[exchange] ?? 'unknown',
    lengthIncluded,
    moreFragments: (head & 0x40) !== 0,
  }
  record.method = method
  let at = start + 1
  if (lengthIncluded) {
    if (end - at < 2) return 'eap.truncated'
    method.totalLength = u16(bytes, at)
    at += 2
  }
  // Only the ID exchange is plain: group, random function, PRF, a token of 4 octets, password preparation, identity.
  if (exchange !== 1) return null
  if (end - at < 9) return 'eap.truncated'
  method.group = u16(bytes, at)
  method.randomFunction = bytes[at + 2]
  method.prf = bytes[at + 3]
  method.identity = text(bytes, at + 9, end)
  return null
}

/** RFC 4764 section 5: T in the flags numbers the message; 0 names the server after RAND_S, 1 the peer after three blocks. */
function describePsk(record: EapDraft, bytes: Uint8Array, start: number, end: number): EapFlaw | null {
  if (start === end) return 'eap.truncated'
  const message = bytes[start] >> 6
  const base = { kind: 'shared-key', messageName: `PSK-${message}` } as const
  record.method = base
  const identityAt = start + 1 + (message === 0 ? 16 : 48)
  if (message > 1) return null
  if (end < identityAt) return 'eap.truncated'
  const name = text(bytes, identityAt, end)
  record.method = message === 0 ? { ...base, serverIdentity: name } : { ...base, peerIdentity: name }
  return null
}

/** RFC 5433 section 9: GPSK-1 begins with the server's identity, GPSK-2 with the peer's and then the server's. */
function describeGpsk(record: EapDraft, bytes: Uint8Array, start: number, end: number): EapFlaw | null {
  if (start === end) return 'eap.truncated'
  const opCode = bytes[start]
  const base = { kind: 'shared-key', messageName: GPSK_OP_CODES[opCode] ?? 'unknown' } as const
  record.method = base
  if (opCode !== 1 && opCode !== 2) return null
  const first = start + 1
  if (end - first < 2) return 'eap.truncated'
  const second = first + 2 + u16(bytes, first)
  if (second > end) return 'eap.length'
  const name = text(bytes, first + 2, second)
  record.method = opCode === 1 ? { ...base, serverIdentity: name } : { ...base, peerIdentity: name }
  if (opCode === 1) return null
  if (end - second < 2) return 'eap.truncated'
  const serverEnd = second + 2 + u16(bytes, second)
  if (serverEnd > end) return 'eap.length'
  record.method = { ...record.method, serverIdentity: text(bytes, second + 2, serverEnd) }
  return null
}

function describeLeap(record: EapDraft, bytes: Uint8Array, at: number, end: number): EapFlaw | null {
  if (end - at < 3) return 'eap.truncated'
  const valueEnd = at + 3 + bytes[at + 2]
  if (valueEnd > end) return 'eap.length'
  const value = hex(bytes, at + 3, valueEnd)
  record.method = { kind: 'leap', version: bytes[at], value, name: text(bytes, valueEnd, end) }
  return null
}

/** RFC 3748 section 5.7: a vendor and its type; vendor 0 is the IETF, whose types mean what they mean unexpanded. */
function describeExpanded(record: EapDraft, bytes: Uint8Array, at: number, end: number): EapFlaw | null {
  if (end - at < 7) return 'eap.truncated'
  const vendorId = u24(bytes, at)
  const vendorType = u32(bytes, at + 3)
  if (vendorId === 0 && vendorType === EAP_TYPE.NAK) return describeExpandedNak(record, bytes, at + 7, end)
  if (vendorId === 0 && vendorType < EAP_TYPE.EXPANDED) return describeType(record, vendorType, bytes, at + 7, end)
  record.method = { kind: 'expanded', vendorId, vendorType, dataLength: end - at - 7 }
  return null
}

function describeExpandedNak(record: EapDraft, bytes: Uint8Array, start: number, end: number): EapFlaw | null {
  const desired: EapDesiredType[] = []
  record.method = { kind: 'nak', desired }
  let at = start
  for (; at + 8 <= end; at += 8) {
    const vendorId = u24(bytes, at + 1)
    const type = u32(bytes, at + 4)
    const name = vendorId !== 0 ? 'vendor' : type === 0 ? 'none' : eapTypeName(type)
    desired.push({ type, name, vendorId })
  }
  return at === end && desired.length > 0 ? null : 'eap.truncated'
}
