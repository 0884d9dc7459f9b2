/**
 * ISAKMP and IKE messages: IKEv1 (RFC 2408, section 3; RFC 2409) and IKEv2 (RFC 7296, section 3).
 *
 * Both versions share the 28-byte header and the chain of payloads. What is encrypted stays a length: IKEv1 encrypts the
 * whole body when the E flag is set, IKEv2 carries everything after IKE_SA_INIT in an SK or SKF payload.
 */
import { addressText } from '../base/address.ts'
import { hex, NO_BYTES, u16, u32 } from '../base/bytes.ts'
import { certificateSubject, identityText } from './ike-identity.ts'
import { describeSa, type IkeSa, type IkeSaFlaw } from './ike-proposal.ts'
import {
  IKE_CERTIFICATE_ENCODINGS,
  IKE_CONFIG_ATTRIBUTES,
  IKE_CONFIG_TYPES,
  IKE_EAP_CODES,
  IKE_GROUPS,
  IKE_ID_TYPES,
  IKE_TRAFFIC_SELECTORS,
  IKE_V1_EXCHANGES,
  IKE_V1_NOTIFICATIONS,
  IKE_V1_PAYLOADS,
  IKE_V1_PROTOCOLS,
  IKE_V2_AUTHENTICATION_METHODS,
  IKE_V2_EXCHANGES,
  IKE_V2_NOTIFICATIONS,
  IKE_V2_PAYLOADS,
  IKE_V2_PROTOCOLS,
  type IkePayloadKind,
  nameOf,
} from './ike-tables.ts'
import { vendorName } from './ike-vendor.ts'

export const IKE_PORT = 500
export const IKE_HEADER_LENGTH = 28
const PAYLOAD_HEADER_LENGTH = 4

const FLAG_V1_ENCRYPTION = 0x01
const FLAG_V2_INITIATOR = 0x08
const FLAG_V2_RESPONSE = 0x20
const FLAG_V2_CRITICAL = 0x80

export const IKE_EXCHANGE = {
  BASE: 1,
  MAIN: 2,
  AUTHENTICATION_ONLY: 3,
  AGGRESSIVE: 4,
  INFORMATIONAL: 5,
  TRANSACTION: 6,
  QUICK: 32,
  NEW_GROUP: 33,
  IKE_SA_INIT: 34,
  IKE_AUTH: 35,
  CREATE_CHILD_SA: 36,
  INFORMATIONAL_V2: 37,
  IKE_SESSION_RESUME: 38,
  IKE_INTERMEDIATE: 43,
} as const

const V1_FRAGMENT = 132
const V2_SK = 46
const V2_SKF = 53

/**
 * `ike.truncated`: shorter than the header. `ike.version`: neither 1 nor 2. `ike.length`: the length field is shorter than
 * the header or longer than the datagram. `ike.initiator_spi`: zero, which names no exchange.
 */
export type IkeFlaw = 'ike.truncated' | 'ike.version' | 'ike.length' | 'ike.initiator_spi'

/** A reusable window on one message. After a flaw it is not to be read. */
export class IkeView {
  bytes: Uint8Array = NO_BYTES
  start = 0
  /** The cookie or SPI of each end, as two 32-bit halves. */
  initiatorHigh = 0
  initiatorLow = 0
  responderHigh = 0
  responderLow = 0
  nextPayload = 0
  /** 1 or 2. */
  version = 0
  minorVersion = 0
  exchangeType = 0
  flags = 0
  messageId = 0
  length = 0
  /** Bytes of the datagram after the message: nobody should send any. */
  trailing = 0
  /** IKEv1 with the E flag: everything after the header is ciphertext. */
  isEncrypted = false
  /** IKEv2. */
  isResponse = false
  /** IKEv2: the sender is the end that began the IKE SA. */
  isFromInitiator = false
  payloadStart = 0
  /** Where the captured bytes of the message end. */
  payloadEnd = 0
  /** Where the message ended on the wire. */
  messageEnd = 0

  /** `wireEnd` is where the datagram ended on the wire; the capture may have cut it at `end`. */
  decode(bytes: Uint8Array, start: number, end: number, wireEnd: number = end): IkeFlaw | null {
    if (end - start < IKE_HEADER_LENGTH) return 'ike.truncated'
    const version = bytes[start + 17] >> 4
    if (version !== 1 && version !== 2) return 'ike.version'
    const length = u32(bytes, start + 24)
    if (length < IKE_HEADER_LENGTH || length > wireEnd - start) return 'ike.length'
    this.initiatorHigh = u32(bytes, start)
    this.initiatorLow = u32(bytes, start + 4)
    if (this.initiatorHigh === 0 && this.initiatorLow === 0) return 'ike.initiator_spi'
    this.bytes = bytes
    this.start = start
    this.responderHigh = u32(bytes, start + 8)
    this.responderLow = u32(bytes, start + 12)
    this.nextPayload = bytes[start + 16]
    this.version = version
    this.minorVersion = bytes[start + 17] & 0x0f
    this.exchangeType = bytes[start + 18]
    const flags = bytes[start + 19]
    this.flags = flags
    this.messageId = u32(bytes, start + 20)
    this.length = length
    this.trailing = wireEnd - start - length
    // A fragment travels in the clear, whatever the flags of the message that it is a piece of.
    this.isEncrypted = version === 1 && (flags & FLAG_V1_ENCRYPTION) !== 0 && this.nextPayload !== V1_FRAGMENT
    this.isResponse = version === 2 && (flags & FLAG_V2_RESPONSE) !== 0
    this.isFromInitiator = version === 2 && (flags & FLAG_V2_INITIATOR) !== 0
    this.payloadStart = start + IKE_HEADER_LENGTH
    this.messageEnd = start + length
    this.payloadEnd = Math.min(this.messageEnd, end)
    return null
  }

  /** 16 hexadecimal digits. */
  get initiatorSpi(): string {
    return hex(this.bytes, this.start, this.start + 8)
  }

  get responderSpi(): string {
    return hex(this.bytes, this.start + 8, this.start + 16)
  }

  /** The responder's half is still zero: this is the first message of an exchange, or a repetition of it. */
  get isUnanswered(): boolean {
    return this.responderHigh === 0 && this.responderLow === 0
  }

  /** Nothing of the message but its header and lengths can be read. */
  get isOpaque(): boolean {
    return this.isEncrypted || (this.version === 2 && (this.nextPayload === V2_SK || this.nextPayload === V2_SKF))
  }

  get isFragment(): boolean {
    return this.version === 1 && this.nextPayload === V1_FRAGMENT
  }
}

/** `ike.payload_truncated`: no room for a payload's header, or the capture cut it. `ike.payload_length`: it ends outside the message. */
export type IkePayloadFlaw = 'ike.payload_truncated' | 'ike.payload_length'

/** Walks the payloads of one message: `while (payloads.next()) …`, then look at `payloads.flaw`. Stops before what is encrypted. */
export class IkePayloadCursor {
  type = 0
  isCritical = false
  /** With the generic header. */
  length = 0
  valueStart = 0
  valueEnd = 0
  /** The payload that follows; of SK and SKF the first one inside. */
  nextType = 0
  flaw: IkePayloadFlaw | null = null
  #bytes: Uint8Array = NO_BYTES
  #version = 0
  #at = 0
  #end = 0
  #messageEnd = 0

  over(message: IkeView): this {
    this.#bytes = message.bytes
    this.#version = message.version
    this.#at = message.payloadStart
    this.#end = message.payloadEnd
    this.#messageEnd = message.messageEnd
    this.nextType = message.isEncrypted ? 0 : message.nextPayload
    this.flaw = null
    return this
  }

  next(): boolean {
    if (this.nextType === 0) return false
    const at = this.#at
    if (this.#end - at < PAYLOAD_HEADER_LENGTH) return this.#stop('ike.payload_truncated')
    const bytes = this.#bytes
    const length = u16(bytes, at + 2)
    if (length < PAYLOAD_HEADER_LENGTH || at + length > this.#messageEnd) return this.#stop('ike.payload_length')
    if (at + length > this.#end) return this.#stop('ike.payload_truncated')
    const type = this.nextType
    this.type = type
    this.isCritical = this.#version === 2 && (bytes[at + 1] & FLAG_V2_CRITICAL) !== 0
    this.length = length
    this.valueStart = at + PAYLOAD_HEADER_LENGTH
    this.valueEnd = at + length
    this.#at = at + length
    // SK and SKF are the last payload: their next payload lies inside the ciphertext. A v1 fragment is alone.
    const isLast = this.#version === 2 ? type === V2_SK || type === V2_SKF : type === V1_FRAGMENT
    this.nextType = isLast ? 0 : bytes[at]
    return true
  }

  #stop(flaw: IkePayloadFlaw): false {
    this.flaw = flaw
    return false
  }
}

/** `ike.field_length`: the body of a payload is too short for its fields. `ike.trailing_data`: the datagram goes on after the message. */
type IkeMessageFlaw = IkePayloadFlaw | IkeSaFlaw | 'ike.field_length' | 'ike.trailing_data'

interface PayloadHead {
  readonly type: number
  readonly name: string
  readonly length: number
  readonly isCritical: boolean
}

interface Selector {
  readonly type: string
  readonly protocol: number
  readonly startPort: number
  readonly endPort: number
  readonly startAddress: string
  readonly endAddress: string
}

/** The fields of a payload, by its kind. Values in `data`, `hash`, `spi`, `nonce` and `value` are hexadecimal. */
type PayloadFields =
  | ({ readonly kind: 'sa' } & IkeSa)
  | { readonly kind: 'ke'; readonly group?: string; readonly dataLength: number }
  | {
      readonly kind: 'id'
      readonly idType: string
      readonly value: string
      readonly protocol?: number
      readonly port?: number
    }
  | { readonly kind: 'cert'; readonly encoding: string; readonly dataLength: number; readonly subject?: string }
  | { readonly kind: 'certreq'; readonly encoding: string; readonly dataLength: number }
  | { readonly kind: 'hash'; readonly dataLength: number }
  | { readonly kind: 'auth'; readonly method: string; readonly dataLength: number }
  | { readonly kind: 'nonce'; readonly nonce: string }
  | {
      readonly kind: 'notify'
      readonly notification: number
      readonly notificationName: string
      readonly protocol: string
      readonly spi: string
      readonly data: string
    }
  | { readonly kind: 'delete'; readonly protocol: string; readonly spis: readonly string[] }
  | {
      readonly kind: 'vendor'
      readonly value: string
      readonly vendor?: string
      readonly start: number
      readonly end: number
    }
  | { readonly kind: 'natd'; readonly hash: string }
  | { readonly kind: 'natoa'; readonly idType: string; readonly address: string }
  | { readonly kind: 'ts'; readonly selectors: readonly Selector[] }
  | {
      readonly kind: 'config'
      readonly configType: string
      readonly attributes: readonly { readonly name: string; readonly length: number }[]
    }
  | { readonly kind: 'eap'; readonly code: string; readonly identifier: number; readonly eapType?: number }
  | { readonly kind: 'encrypted'; readonly dataLength: number; readonly fragment?: number; readonly fragments?: number }
  | {
      readonly kind: 'fragment'
      readonly packet: number
      readonly fragment: number
      readonly isLast: boolean
      readonly start: number
      readonly end: number
    }
  | { readonly kind: 'other' }

export type IkePayload = PayloadHead & PayloadFields

/** A message as plain values; `start` and `end` of vendor ids and fragments still point into the capture buffer. */
export interface IkeDescription {
  readonly initiatorSpi: string
  readonly responderSpi: string
  readonly version: string
  readonly exchangeType: number
  readonly exchange: string
  readonly flags: number
  readonly messageId: number
  readonly length: number
  /** IKEv1 with the E flag: how much ciphertext there is. */
  readonly encryptedLength?: number
  /** In wire order. What stands before the first flaw is kept: it is evidence. */
  readonly payloads: readonly IkePayload[]
  readonly flaws: readonly IkeMessageFlaw[]
}

const PAYLOADS_MAX = 256
const LIST_MAX = 256
const cursor = new IkePayloadCursor()

/** Copies a message out of the buffer: header, then payloads in wire order. */
export function describeIke(message: IkeView): IkeDescription {
  const { version, minorVersion, exchangeType } = message
  const payloads: IkePayload[] = []
  const flaws: IkeMessageFlaw[] = []
  cursor.over(message)
  while (payloads.length < PAYLOADS_MAX && cursor.next()) payloads.push(describePayload(message, cursor, flaws))
  if (cursor.flaw !== null) flaws.push(cursor.flaw)
  if (message.trailing > 0) flaws.push('ike.trailing_data')
  return {
    initiatorSpi: message.initiatorSpi,
    responderSpi: message.responderSpi,
    version: `${version}.${minorVersion}`,
    exchangeType,
    exchange: exchangeName(version, exchangeType),
    flags: message.flags,
    messageId: message.messageId,
    length: message.length,
    ...(message.isEncrypted ? { encryptedLength: message.messageEnd - message.payloadStart } : {}),
    payloads,
    flaws,
  }
}

export function exchangeName(version: number, exchangeType: number): string {
  return nameOf(version === 1 ? IKE_V1_EXCHANGES : IKE_V2_EXCHANGES, exchangeType)
}

function notificationName(version: number, notification: number): string {
  return nameOf(version === 1 ? IKE_V1_NOTIFICATIONS : IKE_V2_NOTIFICATIONS, notification)
}

function describePayload(message: IkeView, payload: IkePayloadCursor, flaws: IkeMessageFlaw[]): IkePayload {
  const { version } = message
  const { type, length, isCritical, valueStart, valueEnd } = payload
  const [name, kind] = (version === 1 ? IKE_V1_PAYLOADS : IKE_V2_PAYLOADS)[type] ?? [String(type), 'other']
  const head: PayloadHead = { type, name, length, isCritical }
  if (valueEnd - valueStart < leastLength(version, kind)) {
    flaws.push('ike.field_length')
    return { ...head, kind: 'other' }
  }
  return { ...head, ...FIELDS[kind](message, valueStart, valueEnd, type, flaws) }
}

type FieldReader = (
  message: IkeView,
  start: number,
  end: number,
  type: number,
  flaws: IkeMessageFlaw[],
) => PayloadFields

/** Octets that the fixed fields of a payload take, after its generic header: IKEv1, IKEv2. */
const LEAST_LENGTHS: Partial<Record<IkePayloadKind, readonly [number, number]>> = {
  ke: [0, 4],
  id: [4, 4],
  cert: [1, 1],
  certreq: [1, 1],
  auth: [4, 4],
  notify: [8, 4],
  delete: [8, 4],
  natoa: [4, 4],
  ts: [4, 4],
  config: [4, 4],
  eap: [4, 4],
  fragment: [4, 4],
}

function leastLength(version: number, kind: IkePayloadKind): number {
  return LEAST_LENGTHS[kind]?.[version - 1] ?? 0
}

const FIELDS: Readonly<Record<IkePayloadKind, FieldReader>> = {
  sa: ({ version, bytes }, start, end, _type, flaws) => ({
    kind: 'sa',
    ...describeSa(version, bytes, start, end, flaws),
  }),
  ke: ({ version, bytes }, start, end) =>
    version === 1
      ? { kind: 'ke', dataLength: end - start }
      : { kind: 'ke', group: nameOf(IKE_GROUPS, u16(bytes, start)), dataLength: end - start - 4 },
  id: ({ version, bytes }, start, end) => ({
    kind: 'id',
    idType: nameOf(IKE_ID_TYPES, bytes[start]),
    value: identityText(bytes[start], bytes, start + 4, end),
    ...(version === 1 ? { protocol: bytes[start + 1], port: u16(bytes, start + 2) } : {}),
  }),
  cert: ({ bytes }, start, end) => {
    const subject = bytes[start] === 4 || bytes[start] === 5 ? certificateSubject(bytes, start + 1, end) : undefined
    const encoding = nameOf(IKE_CERTIFICATE_ENCODINGS, bytes[start])
    return { kind: 'cert', encoding, dataLength: end - start - 1, ...(subject === undefined ? {} : { subject }) }
  },
  certreq: ({ bytes }, start, end) => ({
    kind: 'certreq',
    encoding: nameOf(IKE_CERTIFICATE_ENCODINGS, bytes[start]),
    dataLength: end - start - 1,
  }),
  hash: (_message, start, end) => ({ kind: 'hash', dataLength: end - start }),
  auth: ({ bytes }, start, end) => ({
    kind: 'auth',
    method: nameOf(IKE_V2_AUTHENTICATION_METHODS, bytes[start]),
    dataLength: end - start - 4,
  }),
  nonce: ({ bytes }, start, end) => ({ kind: 'nonce', nonce: hex(bytes, start, end) }),
  notify: readNotify,
  delete: readDelete,
  vendor: ({ bytes }, start, end) => {
    const vendor = vendorName(bytes, start, end)
    return { kind: 'vendor', value: hex(bytes, start, end), ...(vendor === undefined ? {} : { vendor }), start, end }
  },
  natd: ({ bytes }, start, end) => ({ kind: 'natd', hash: hex(bytes, start, end) }),
  natoa: ({ bytes }, start, end) => ({
    kind: 'natoa',
    idType: nameOf(IKE_ID_TYPES, bytes[start]),
    address: identityText(bytes[start], bytes, start + 4, end),
  }),
  ts: readSelectors,
  config: readConfig,
  eap: ({ bytes }, start, end) => ({
    kind: 'eap',
    code: nameOf(IKE_EAP_CODES, bytes[start]),
    identifier: bytes[start + 1],
    ...(end - start > 4 ? { eapType: bytes[start + 4] } : {}),
  }),
  encrypted: ({ bytes }, start, end, type) =>
    type === V2_SKF && end - start >= 4
      ? {
          kind: 'encrypted',
          dataLength: end - start - 4,
          fragment: u16(bytes, start),
          fragments: u16(bytes, start + 2),
        }
      : { kind: 'encrypted', dataLength: end - start },
  fragment: ({ bytes }, start, end) => ({
    kind: 'fragment',
    packet: u16(bytes, start),
    fragment: bytes[start + 2],
    isLast: (bytes[start + 3] & 1) !== 0,
    start: start + 4,
    end,
  }),
  other: () => ({ kind: 'other' }),
}

function readNotify(
  { version, bytes }: IkeView,
  start: number,
  end: number,
  _type: number,
  flaws: IkeMessageFlaw[],
): PayloadFields {
  const at = version === 1 ? start + 4 : start
  const spiStart = at + 4
  let spiEnd = spiStart + bytes[at + 1]
  if (spiEnd > end) {
    flaws.push('ike.field_length')
    spiEnd = end
  }
  const notification = u16(bytes, at + 2)
  return {
    kind: 'notify',
    notification,
    notificationName: notificationName(version, notification),
    protocol: protocolName(version, bytes[at]),
    spi: hex(bytes, spiStart, spiEnd),
    data: hex(bytes, spiEnd, end),
  }
}

function readDelete(
  { version, bytes }: IkeView,
  start: number,
  end: number,
  _type: number,
  flaws: IkeMessageFlaw[],
): PayloadFields {
  const at = version === 1 ? start + 4 : start
  const spiLength = bytes[at + 1]
  const count = u16(bytes, at + 2)
  const spis: string[] = []
  if (at + 4 + spiLength * count > end) flaws.push('ike.field_length')
  else if (spiLength > 0) {
    for (let i = 0; i < count && i < LIST_MAX; i++)
      spis.push(hex(bytes, at + 4 + i * spiLength, at + 4 + (i + 1) * spiLength))
  }
  return { kind: 'delete', protocol: protocolName(version, bytes[at]), spis }
}

function readSelectors(
  { bytes }: IkeView,
  start: number,
  end: number,
  _type: number,
  flaws: IkeMessageFlaw[],
): PayloadFields {
  const selectors: Selector[] = []
  let at = start + 4
  for (let left = bytes[start]; left > 0; left--) {
    const length = end - at < 8 ? 0 : u16(bytes, at + 2)
    if (length < 8 || at + length > end) {
      flaws.push('ike.field_length')
      break
    }
    const addressLength = bytes[at] === 7 && length === 16 ? 4 : bytes[at] === 8 && length === 40 ? 16 : 0
    const address = (from: number) =>
      addressLength === 0 ? hex(bytes, at + 8, at + length) : addressText(bytes, from, addressLength)
    selectors.push({
      type: nameOf(IKE_TRAFFIC_SELECTORS, bytes[at]),
      protocol: bytes[at + 1],
      startPort: u16(bytes, at + 4),
      endPort: u16(bytes, at + 6),
      startAddress: address(at + 8),
      endAddress: address(at + 8 + addressLength),
    })
    at += length
  }
  return { kind: 'ts', selectors }
}

function readConfig(
  { version, bytes }: IkeView,
  start: number,
  end: number,
  _type: number,
  flaws: IkeMessageFlaw[],
): PayloadFields {
  const attributes: { name: string; length: number }[] = []
  for (let at = start + 4; at < end && attributes.length < LIST_MAX; ) {
    const isShort = version === 1 && (bytes[at] & 0x80) !== 0
    const length = isShort || end - at < 4 ? 0 : u16(bytes, at + 2)
    if (end - at < 4 + length) {
      flaws.push('ike.field_length')
      break
    }
    attributes.push({ name: nameOf(IKE_CONFIG_ATTRIBUTES, u16(bytes, at) & 0x7fff), length: isShort ? 2 : length })
    at += 4 + length
  }
  return { kind: 'config', configType: nameOf(IKE_CONFIG_TYPES, bytes[start]), attributes }
}

function protocolName(version: number, protocol: number): string {
  return nameOf(version === 1 ? IKE_V1_PROTOCOLS : IKE_V2_PROTOCOLS, protocol)
}
