/**
 * The authentication protocols of PPP: PAP (RFC 1334), CHAP (RFC 1994) with its Microsoft forms (RFC 2433, RFC 2759), and EAP
 * (RFC 3748) with the methods that dial-up and VPN peers use.
 *
 * All of them begin with the header that `PppControlView` reads, so each describer takes a decoded one. Authentication is rare
 * in the traffic of a link, so the describers allocate plain records; what stands before the first flaw is kept, the flaw named.
 *
 * Octets that are a secret by themselves (a PAP password, the answer of a token, a new password) never leave this file: a record
 * has their length only. Challenges and the responses to them travel in the clear and are told.
 */
import { hex, text, u16, u24, u32 } from '../base/bytes.ts'
import { CHAP_ALGORITHM, chapAlgorithmName, type Mutable, type PppControlView } from './ppp-options.ts'

// ---------------------------------------------------------------------------------------------------------------- PAP

export const PAP_CODE = { AUTHENTICATE_REQUEST: 1, AUTHENTICATE_ACK: 2, AUTHENTICATE_NAK: 3 } as const

const PAP_CODES: Readonly<Record<number, string>> = {
  1: 'Authenticate-Request',
  2: 'Authenticate-Ack',
  3: 'Authenticate-Nak',
}

export type PapFlaw = 'pap.truncated' | 'pap.length' | 'pap.code'

export interface PapRecord {
  readonly code: number
  readonly codeName: string
  readonly identifier: number
  readonly length: number
  /** Authenticate-Request: who the peer says it is. */
  readonly peerId?: string
  readonly passwordLength?: number
  /** Ack and Nak. Absent where the sender left out even the length of the message, which deployed servers do. */
  readonly message?: string
  readonly flaw?: PapFlaw
}

export function describePap(control: PppControlView): PapRecord {
  const { bytes, code, identifier, length, dataStart: at, dataEnd } = control
  const record: Mutable<PapRecord> = { code, codeName: PAP_CODES[code] ?? 'unknown', identifier, length }
  let flaw: PapFlaw | null = null
  if (code === PAP_CODE.AUTHENTICATE_REQUEST) flaw = describePapRequest(control, record)
  else if (code !== PAP_CODE.AUTHENTICATE_ACK && code !== PAP_CODE.AUTHENTICATE_NAK) flaw = 'pap.code'
  else if (at < dataEnd) {
    const messageEnd = Math.min(at + 1 + bytes[at], dataEnd)
    record.message = text(bytes, at + 1, messageEnd)
    if (at + 1 + bytes[at] !== dataEnd) flaw = 'pap.length'
  }
  if (flaw !== null) record.flaw = flaw
  return record
}

/** The peer's name is told only when both lengths fit: a false first length would show the password as part of the name. */
function describePapRequest(control: PppControlView, record: Mutable<PapRecord>): PapFlaw | null {
  const { bytes, dataStart: at, dataEnd } = control
  if (at === dataEnd) return 'pap.truncated'
  const passwordAt = at + 1 + bytes[at]
  if (passwordAt > dataEnd) return 'pap.length'
  if (passwordAt === dataEnd) return 'pap.truncated'
  const passwordEnd = passwordAt + 1 + bytes[passwordAt]
  if (passwordEnd !== dataEnd) return 'pap.length'
  record.peerId = text(bytes, at + 1, passwordAt)
  record.passwordLength = bytes[passwordAt]
  return null
}

// --------------------------------------------------------------------------------------------------- MS-CHAP, in CHAP and EAP

/** Lengths in octets. */
const MS_CHAP_RESPONSE = 49
const MS_CHAP_CHALLENGE = 8
const MS_CHAP_V2_CHALLENGE = 16
const CHANGE_PASSWORD_1 = 68
const CHANGE_PASSWORD_2 = 1114
const CHANGE_PASSWORD_3 = 582

/** Error numbers of Failure messages (RFC 2433 section 6, RFC 2759 section 6). */
const MS_CHAP_ERRORS: Readonly<Record<number, string>> = {
  646: 'RESTRICTED_LOGON_HOURS',
  647: 'ACCT_DISABLED',
  648: 'PASSWD_EXPIRED',
  649: 'NO_DIALIN_PERMISSION',
  691: 'AUTHENTICATION_FAILURE',
  709: 'CHANGING_PASSWORD',
}

/** RFC 2433 section 5. Hex digits. */
export interface MsChapResponse {
  readonly version: 1
  readonly lmResponse: string
  readonly ntResponse: string
  /** Whether the sender wants its NT response used, not the weaker LM response. */
  readonly usesNtResponse: boolean
}

/** RFC 2759 section 4. Hex digits. */
export interface MsChapV2Response {
  readonly version: 2
  readonly peerChallenge: string
  readonly ntResponse: string
  readonly flags: number
  /** The 8 octets that must be zero, where they are not. */
  readonly reserved?: string
}

/** RFC 2759 section 5: the server proves that it knows the password. */
export interface MsChapSuccess {
  /** 40 hex digits, as sent. */
  readonly authenticatorResponse: string
  readonly message?: string
}

/** RFC 2759 section 6. */
export interface MsChapFailure {
  readonly errorCode: number
  readonly errorName: string
  readonly retryAllowed?: boolean
  /** The challenge to use for the retry, in hex digits. */
  readonly challenge?: string
  readonly version?: number
  readonly message?: string
}

/** Change-Password packets (RFC 2433 sections 9 and 10, RFC 2759 section 7): that one came, and no encrypted password. */
export interface MsChapPasswordChange {
  readonly version: 1 | 2 | 3
  readonly flags: number
  /** Version 1 tells it in the clear. */
  readonly newPasswordLength?: number
}

function msChapResponse(bytes: Uint8Array, at: number): MsChapResponse {
  return {
    version: 1,
    lmResponse: hex(bytes, at, at + 24),
    ntResponse: hex(bytes, at + 24, at + 48),
    usesNtResponse: bytes[at + 48] === 1,
  }
}

function msChapV2Response(bytes: Uint8Array, at: number): MsChapV2Response {
  return {
    version: 2,
    peerChallenge: hex(bytes, at, at + 16),
    ntResponse: hex(bytes, at + 24, at + 48),
    flags: bytes[at + 48],
    ...(!isZero(bytes, at + 16, at + 24) && { reserved: hex(bytes, at + 16, at + 24) }),
  }
}

/** `S=<40 hex digits> M=<text>`; null when the message has another form. */
function msChapSuccess(message: string): MsChapSuccess | null {
  const match = /^S=([0-9A-Fa-f]{40})(?:\s+M=(.*))?/s.exec(message)
  if (match === null) return null
  const [, authenticatorResponse, words] = match
  return words === undefined ? { authenticatorResponse } : { authenticatorResponse, message: words }
}

/** `E=<n> R=<0|1> C=<hex digits> V=<n> M=<text>`, all but the first optional; null when the message has another form. */
function msChapFailure(message: string): MsChapFailure | null {
  const wordsAt = message.search(/(?:^|\s)M=/)
  const fields = wordsAt === -1 ? message : message.slice(0, wordsAt)
  const error = /^\s*E=(\d{1,10})/.exec(fields)
  if (error === null) return null
  const errorCode = Number(error[1])
  const retry = /\sR=([01])/.exec(fields)
  const challenge = /\sC=([0-9A-Fa-f]+)/.exec(fields)
  const version = /\sV=(\d{1,10})/.exec(fields)
  return {
    errorCode,
    errorName: MS_CHAP_ERRORS[errorCode] ?? 'unknown',
    ...(retry !== null && { retryAllowed: retry[1] === '1' }),
    ...(challenge !== null && { challenge: challenge[1].toLowerCase() }),
    ...(version !== null && { version: Number(version[1]) }),
    ...(wordsAt !== -1 && { message: message.slice(message.indexOf('M=', wordsAt) + 2) }),
  }
}

function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] !== 0) return false
  return true
}

// --------------------------------------------------------------------------------------------------------------- CHAP

export const CHAP_CODE = { CHALLENGE: 1, RESPONSE: 2, SUCCESS: 3, FAILURE: 4 } as const

const CHAP_CODES: Readonly<Record<number, string>> = {
  1: 'Challenge',
  2: 'Response',
  3: 'Success',
  4: 'Failure',
  5: 'Change-Password-1',
  6: 'Change-Password-2',
  7: 'Change-Password-3',
}

export type ChapFlaw =
  | 'chap.truncated'
  | 'chap.value_size'
  | 'chap.code'
  | 'mschap.challenge_length'
  | 'mschap.response_length'
  | 'mschap.success_format'
  | 'mschap.failure_format'
  | 'mschap.change_password_length'

export interface ChapRecord {
  readonly code: number
  readonly codeName: string
  readonly identifier: number
  readonly length: number
  /** Absent when it was not given and the packet does not betray it. */
  readonly algorithm?: number
  readonly algorithmName?: string
  /** Whether the algorithm was taken from the shape of the packet instead of from LCP. */
  readonly algorithmGuessed?: boolean
  readonly valueSize?: number
  /** Challenge, or the response to one, in hex digits. */
  readonly value?: string
  /** Challenge: the system that asks. Response: the user. */
  readonly name?: string
  /** Success and Failure, as sent. */
  readonly message?: string
  readonly msChapResponse?: MsChapResponse | MsChapV2Response
  readonly msChapSuccess?: MsChapSuccess
  readonly msChapFailure?: MsChapFailure
  readonly passwordChange?: MsChapPasswordChange
  readonly flaw?: ChapFlaw
}

/** `algorithm` is the last octet of the LCP option that agreed on CHAP, undefined when nobody saw it. */
export function describeChap(control: PppControlView, algorithm: number | undefined): ChapRecord {
  const { code, identifier, length } = control
  const record: Mutable<ChapRecord> = { code, codeName: CHAP_CODES[code] ?? 'unknown', identifier, length }
  if (algorithm !== undefined) setAlgorithm(record, algorithm, false)
  const flaw = describeChapCode(control, record)
  if (flaw !== null) record.flaw = flaw
  return record
}

function describeChapCode(control: PppControlView, record: Mutable<ChapRecord>): ChapFlaw | null {
  switch (control.code) {
    case CHAP_CODE.CHALLENGE:
      return describeChapValue(control, record) ?? checkChallenge(record)
    case CHAP_CODE.RESPONSE:
      return describeChapValue(control, record) ?? describeResponse(control, record)
    case CHAP_CODE.SUCCESS:
      return describeSuccess(control, record)
    case CHAP_CODE.FAILURE:
      return describeFailure(control, record)
    case 5:
    case 6:
    case 7:
      return describePasswordChange(control, record)
    default:
      return 'chap.code'
  }
}

function setAlgorithm(record: Mutable<ChapRecord>, algorithm: number, isGuessed: boolean): void {
  record.algorithm = algorithm
  record.algorithmName = chapAlgorithmName(algorithm)
  record.algorithmGuessed = isGuessed
}

function describeChapValue(control: PppControlView, record: Mutable<ChapRecord>): ChapFlaw | null {
  const { bytes, dataStart: at, dataEnd } = control
  if (at === dataEnd) return 'chap.truncated'
  const valueSize = bytes[at]
  record.valueSize = valueSize
  if (valueSize === 0 || at + 1 + valueSize > dataEnd) return 'chap.value_size'
  record.value = hex(bytes, at + 1, at + 1 + valueSize)
  record.name = text(bytes, at + 1 + valueSize, dataEnd)
  return null
}

/** A challenge of any size fits the algorithms of RFC 1994, and sizes alone do not tell them from Microsoft's. */
function checkChallenge(record: Mutable<ChapRecord>): ChapFlaw | null {
  const { algorithm, valueSize } = record
  if (algorithm === CHAP_ALGORITHM.MS_CHAP && valueSize !== MS_CHAP_CHALLENGE) return 'mschap.challenge_length'
  if (algorithm === CHAP_ALGORITHM.MS_CHAP_V2 && valueSize !== MS_CHAP_V2_CHALLENGE) return 'mschap.challenge_length'
  return null
}

function describeResponse(control: PppControlView, record: Mutable<ChapRecord>): ChapFlaw | null {
  const valueAt = control.dataStart + 1
  if (record.algorithm === undefined) guessFromResponse(control.bytes, valueAt, record)
  const isV1 = record.algorithm === CHAP_ALGORITHM.MS_CHAP
  if (!isV1 && record.algorithm !== CHAP_ALGORITHM.MS_CHAP_V2) return checkDigest(record)
  if (record.valueSize !== MS_CHAP_RESPONSE) return 'mschap.response_length'
  record.msChapResponse = isV1 ? msChapResponse(control.bytes, valueAt) : msChapV2Response(control.bytes, valueAt)
  return null
}

/** Octets of the digest that answers a challenge. */
const DIGEST_LENGTHS: Readonly<Record<number, number>> = {
  [CHAP_ALGORITHM.MD5]: 16,
  [CHAP_ALGORITHM.SHA1]: 20,
  [CHAP_ALGORITHM.SHA256]: 32,
  [CHAP_ALGORITHM.SHA3_256]: 32,
}

function checkDigest({ algorithm, valueSize }: ChapRecord): ChapFlaw | null {
  const length = algorithm === undefined ? undefined : DIGEST_LENGTHS[algorithm]
  return length === undefined || length === valueSize ? null : 'chap.value_size'
}

/**
 * Digests tell themselves by their size. Of the two forms with 49 octets, version 2 has zeros in octets 16 to 23 and in the
 * last; version 1 may have the former (no LM response) but then has the last one set.
 */
function guessFromResponse(bytes: Uint8Array, at: number, record: Mutable<ChapRecord>): void {
  if (record.valueSize === 16) setAlgorithm(record, CHAP_ALGORITHM.MD5, true)
  else if (record.valueSize === 20) setAlgorithm(record, CHAP_ALGORITHM.SHA1, true)
  else if (record.valueSize === MS_CHAP_RESPONSE) {
    const isV2 = isZero(bytes, at + 16, at + 24) && bytes[at + 48] === 0
    setAlgorithm(record, isV2 ? CHAP_ALGORITHM.MS_CHAP_V2 : CHAP_ALGORITHM.MS_CHAP, true)
  }
}

function describeSuccess(control: PppControlView, record: Mutable<ChapRecord>): ChapFlaw | null {
  record.message = text(control.bytes, control.dataStart, control.dataEnd)
  if (record.algorithm !== undefined && record.algorithm !== CHAP_ALGORITHM.MS_CHAP_V2) return null
  const success = msChapSuccess(record.message)
  if (success === null) return record.algorithm === undefined ? null : 'mschap.success_format'
  if (record.algorithm === undefined) setAlgorithm(record, CHAP_ALGORITHM.MS_CHAP_V2, true)
  record.msChapSuccess = success
  return null
}

function describeFailure(control: PppControlView, record: Mutable<ChapRecord>): ChapFlaw | null {
  record.message = text(control.bytes, control.dataStart, control.dataEnd)
  const { algorithm } = record
  if (algorithm !== undefined && algorithm !== CHAP_ALGORITHM.MS_CHAP && algorithm !== CHAP_ALGORITHM.MS_CHAP_V2)
    return null
  const failure = msChapFailure(record.message)
  if (failure === null) return algorithm === undefined ? null : 'mschap.failure_format'
  // V tells the newest Change-Password form that the server takes: only MS-CHAP version 2 has a third (RFC 2759 section 6).
  if (algorithm === undefined) {
    setAlgorithm(record, failure.version === 3 ? CHAP_ALGORITHM.MS_CHAP_V2 : CHAP_ALGORITHM.MS_CHAP, true)
  }
  record.msChapFailure = failure
  return null
}

function describePasswordChange(control: PppControlView, record: Mutable<ChapRecord>): ChapFlaw | null {
  const { bytes, code, dataStart: at, dataEnd } = control
  if (record.algorithm === undefined) {
    setAlgorithm(record, code === 7 ? CHAP_ALGORITHM.MS_CHAP_V2 : CHAP_ALGORITHM.MS_CHAP, true)
  }
  const length = code === 5 ? CHANGE_PASSWORD_1 : code === 6 ? CHANGE_PASSWORD_2 : CHANGE_PASSWORD_3
  if (dataEnd - at < length) return 'mschap.change_password_length'
  const flags = u16(bytes, at + length - 2)
  record.passwordChange =
    code === 5
      ? { version: 1, flags, newPasswordLength: u16(bytes, at + length - 4) }
      : { version: code === 6 ? 2 : 3, flags }
  return null
}

// ---------------------------------------------------------------------------------------------------------------- EAP

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
