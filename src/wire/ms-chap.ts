/**
 * The messages of MS-CHAP (RFC 2433) and MS-CHAPv2 (RFC 2759), which CHAP and EAP both carry. Their callers check the lengths.
 */
import { hex } from '../base/bytes.ts'

/** Lengths in octets. */
export const MS_CHAP_RESPONSE = 49
export const MS_CHAP_CHALLENGE = 8
export const MS_CHAP_V2_CHALLENGE = 16
export const CHANGE_PASSWORD_1 = 68
export const CHANGE_PASSWORD_2 = 1114
export const CHANGE_PASSWORD_3 = 582

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

export function msChapResponse(bytes: Uint8Array, at: number): MsChapResponse {
  return {
    version: 1,
    lmResponse: hex(bytes, at, at + 24),
    ntResponse: hex(bytes, at + 24, at + 48),
    usesNtResponse: bytes[at + 48] === 1,
  }
}

export function msChapV2Response(bytes: Uint8Array, at: number): MsChapV2Response {
  return {
    version: 2,
    peerChallenge: hex(bytes, at, at + 16),
    ntResponse: hex(bytes, at + 24, at + 48),
    flags: bytes[at + 48],
    ...(!isZero(bytes, at + 16, at + 24) && { reserved: hex(bytes, at + 16, at + 24) }),
  }
}

/** `S=<40 hex digits> M=<text>`; null when the message has another form. */
export function msChapSuccess(message: string): MsChapSuccess | null {
  const match = /^S=([0-9A-Fa-f]{40})(?:\s+M=(.*))?/s.exec(message)
  if (match === null) return null
  const [, authenticatorResponse, words] = match
  return words === undefined ? { authenticatorResponse } : { authenticatorResponse, message: words }
}

/** `E=<n> R=<0|1> C=<hex digits> V=<n> M=<text>`, all but the first optional; null when the message has another form. */
export function msChapFailure(message: string): MsChapFailure | null {
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

export function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] !== 0) return false
  return true
}
