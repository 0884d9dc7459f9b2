/**
 * The authentication protocols of PPP's own: PAP (RFC 1334) and CHAP (RFC 1994) with its Microsoft forms (RFC 2433, RFC 2759).
 *
 * Both begin with the header that `PppControlView` reads, so each describer takes a decoded one. Authentication is rare in the
 * traffic of a link, so the describers allocate plain records; what stands before the first flaw is kept, the flaw named.
 *
 * Octets that are a secret by themselves (a PAP password, a new password) never leave this file: a record has their length
 * only. Challenges and the responses to them travel in the clear and are told.
 */
import { hex, text, u16 } from '../base/bytes.ts'
import {
  CHANGE_PASSWORD_1,
  CHANGE_PASSWORD_2,
  CHANGE_PASSWORD_3,
  isZero,
  MS_CHAP_CHALLENGE,
  MS_CHAP_RESPONSE,
  MS_CHAP_V2_CHALLENGE,
  type MsChapFailure,
  type MsChapPasswordChange,
  type MsChapResponse,
  type MsChapSuccess,
  type MsChapV2Response,
  msChapFailure,
  msChapResponse,
  msChapSuccess,
  msChapV2Response,
} from './ms-chap.ts'
import type { Mutable } from './mutable.ts'
import type { PppControlView } from './ppp-control.ts'
import { CHAP_ALGORITHM, chapAlgorithmName } from './ppp-options.ts'

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
