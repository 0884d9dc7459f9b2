/**
 * What a message says against its standard although every length in it is right: RFC 2408 and 2409, RFC 7296, RFC 7383. Only
 * what no implementation does by habit is a finding: each of these has been the form of an attack.
 */
import { IKE_EXCHANGE, type IkeView } from './ike.ts'
import { IKE_NOTIFICATION, IKE_STATUS_NOTIFICATION_MIN } from './ike-notify.ts'
import type { IkePayload, IkePayloadOf } from './ike-payload.ts'
import { IKE_V1_EXCHANGES, IKE_V2_EXCHANGES } from './ike-tables.ts'

/**
 * `ike.exchange_type`: an exchange that is neither registered nor private. `ike.flags`: bits that must be zero.
 * `ike.message_id`: not zero where an IKE SA begins.
 * `ike.responder_spi_zero`: an SA is accepted by a responder that names no SPI of its own.
 * `ike.payload_missing`: one that the first messages cannot do without.
 * `ike.error_in_request`: an error notification in the very first request, which answers nothing.
 * `ike.critical_unknown`: a payload that nobody registered, and that must be understood.
 * `ike.ke_length`, `ike.ke_value`: a public value that is none of its group.
 * `ike.nonce_length`, `ike.cookie_length`, `ike.identity_length`: outside what the standard allows.
 * `ike.attribute_oversized`: an attribute of an SA that is larger than the largest prime.
 * `ike.fragment_number`: zero, or more than there are.
 */
export type IkeFinding =
  | 'ike.exchange_type'
  | 'ike.flags'
  | 'ike.message_id'
  | 'ike.responder_spi_zero'
  | 'ike.payload_missing'
  | 'ike.error_in_request'
  | 'ike.critical_unknown'
  | 'ike.ke_length'
  | 'ike.ke_value'
  | 'ike.nonce_length'
  | 'ike.cookie_length'
  | 'ike.identity_length'
  | 'ike.attribute_oversized'
  | 'ike.fragment_number'

/** Where findings are noted: an array of them, or of more. */
interface FindingList {
  readonly length: number
  push(finding: IkeFinding): unknown
}

const PRIVATE_EXCHANGES_MIN = 240
const V1_FLAGS = 0x07
const V2_FLAGS = 0x38
const NONCE_LENGTHS = [
  [8, 256],
  [16, 256],
] as const
const COOKIE_LENGTH_MAX = 64
const IDENTITY_LENGTH_MAX = 512
const ID_NULL = 13
/** The prime of the largest registered group. */
const ATTRIBUTE_LENGTH_MAX = 1024
/** Some leave out zeros that a number begins with. */
const LEADING_ZEROS_MAX = 2

/** Octets of a public value: of both ends, or of the initiator and of the responder (a key and a ciphertext). */
const KE_LENGTHS: Readonly<Record<number, readonly [initiator: number, responder: number]>> = {
  1: [96, 96],
  2: [128, 128],
  5: [192, 192],
  14: [256, 256],
  15: [384, 384],
  16: [512, 512],
  17: [768, 768],
  18: [1024, 1024],
  19: [64, 64],
  20: [96, 96],
  21: [132, 132],
  22: [128, 128],
  23: [256, 256],
  24: [256, 256],
  25: [48, 48],
  26: [56, 56],
  27: [56, 56],
  28: [64, 64],
  29: [96, 96],
  30: [128, 128],
  31: [32, 32],
  32: [56, 56],
  33: [64, 64],
  34: [128, 128],
  35: [800, 768],
  36: [1184, 1088],
  37: [1568, 1568],
}

/** Whether a public value of so many octets can be one of the group; true for groups of unknown length. */
export function isKeyExchangeLength(group: number, isInitiator: boolean, length: number): boolean {
  const expected = KE_LENGTHS[group]?.[isInitiator ? 0 : 1]
  return expected === undefined || (length <= expected && length >= expected - LEADING_ZEROS_MAX)
}

/** Notes the findings of one message. Those about what is not there only of a message that could be walked to its end. */
export function checkMessage(message: IkeView, payloads: readonly IkePayload[], findings: FindingList): void {
  const isWhole = findings.length === 0
  checkHeader(message, findings)
  for (const payload of payloads) CHECKS[payload.kind]?.(payload as never, message, findings)
  if (message.isEncrypted || message.isFragment || !isWhole) return
  if (message.version === 1) checkPhase1(message, payloads, findings)
  else if (message.exchangeType === IKE_EXCHANGE.IKE_SA_INIT) checkInit(message, payloads, findings)
}

function checkHeader(message: IkeView, findings: FindingList): void {
  const { version, exchangeType, flags } = message
  const names = version === 1 ? IKE_V1_EXCHANGES : IKE_V2_EXCHANGES
  if (names[exchangeType] === undefined && exchangeType < PRIVATE_EXCHANGES_MIN) findings.push('ike.exchange_type')
  if ((flags & ~(version === 1 ? V1_FLAGS : V2_FLAGS)) !== 0) findings.push('ike.flags')
  if (message.messageId !== 0 && isBeginning(message)) findings.push('ike.message_id')
}

/** Exchanges that make an IKE SA, and have no message id of their own. */
function isBeginning({ version, exchangeType }: IkeView): boolean {
  return version === 1
    ? exchangeType === IKE_EXCHANGE.MAIN || exchangeType === IKE_EXCHANGE.AGGRESSIVE
    : exchangeType === IKE_EXCHANGE.IKE_SA_INIT
}

type Check<K extends IkePayload['kind']> = (payload: IkePayloadOf<K>, message: IkeView, findings: FindingList) => void

const CHECKS: { readonly [K in IkePayload['kind']]?: Check<K> } = {
  sa: ({ proposals }, _message, findings) => {
    const isOversized = proposals.some(({ transforms }) =>
      transforms.some(({ attributes }) => attributes.some(({ length }) => length > ATTRIBUTE_LENGTH_MAX)),
    )
    if (isOversized) findings.push('ike.attribute_oversized')
  },
  ke: ({ groupNumber, data, dataLength }, message, findings) => {
    if (groupNumber !== undefined && !isKeyExchangeLength(groupNumber, !message.isResponse, dataLength))
      findings.push('ike.ke_length')
    if (isNoValue(data)) findings.push('ike.ke_value')
  },
  nonce: ({ length }, { version }, findings) => {
    const [least, most] = NONCE_LENGTHS[version - 1]
    if (length - 4 < least || length - 4 > most) findings.push('ike.nonce_length')
  },
  id: ({ idTypeNumber, dataLength }, _message, findings) => {
    const isEmpty = dataLength === 0 && idTypeNumber !== ID_NULL
    if (isEmpty || dataLength > IDENTITY_LENGTH_MAX) findings.push('ike.identity_length')
  },
  notify: ({ notification, length, spi }, { version }, findings) => {
    const dataLength = length - 8 - spi.length / 2
    if (version === 2 && notification === IKE_NOTIFICATION.COOKIE && (dataLength < 1 || dataLength > COOKIE_LENGTH_MAX))
      findings.push('ike.cookie_length')
  },
  encrypted: ({ fragment, fragments }, _message, findings) => {
    if (fragment === undefined || fragments === undefined) return
    if (fragment === 0 || fragment > fragments) findings.push('ike.fragment_number')
  },
  fragment: ({ fragment }, _message, findings) => {
    if (fragment === 0) findings.push('ike.fragment_number')
  },
  other: ({ isCritical }, _message, findings) => {
    if (isCritical) findings.push('ike.critical_unknown')
  },
}

/** Nothing but zeros, a one behind zeros, or nothing but ones. */
function isNoValue(digits: string): boolean {
  return /^0+1?$/.test(digits) || /^f+$/.test(digits)
}

function checkPhase1(message: IkeView, payloads: readonly IkePayload[], findings: FindingList): void {
  const { exchangeType, isUnanswered } = message
  if (!isUnanswered || !isBeginning(message)) return
  const isAggressive = exchangeType === IKE_EXCHANGE.AGGRESSIVE
  checkPresence(payloads, isAggressive ? ['sa', 'ke', 'nonce', 'id'] : ['sa'], findings)
  if (hasError(payloads)) findings.push('ike.error_in_request')
}

function checkInit(message: IkeView, payloads: readonly IkePayload[], findings: FindingList): void {
  if (message.isResponse) {
    // A refusal, a cookie and a redirection stand alone.
    if (!payloads.some(({ kind }) => kind === 'sa')) return
    if (message.isUnanswered) findings.push('ike.responder_spi_zero')
  } else if (hasError(payloads)) findings.push('ike.error_in_request')
  checkPresence(payloads, ['sa', 'ke', 'nonce'], findings)
}

function checkPresence(
  payloads: readonly IkePayload[],
  kinds: readonly IkePayload['kind'][],
  findings: FindingList,
): void {
  if (!kinds.every((wanted) => payloads.some(({ kind }) => kind === wanted))) findings.push('ike.payload_missing')
}

function hasError(payloads: readonly IkePayload[]): boolean {
  return payloads.some((payload) => payload.kind === 'notify' && payload.notification < IKE_STATUS_NOTIFICATION_MIN)
}
