/**
 * IKE messages as plain values: the header, and every payload with its fields, numbers as well as names (RFC 2408, section 3;
 * RFC 2407; RFC 7296, section 3). The slow side: for what is told of a message, not for the packet path.
 *
 * What authenticates (HASH, SIG, AUTH) is told by its length only: of a pre-shared key it lets guesses be tested.
 */
import { addressText } from '../base/address.ts'
import { hex, u16, u32 } from '../base/bytes.ts'
import { eapTypeName } from './eap.ts'
import { readCertificate } from './ike-certificate.ts'
import { checkMessage, type IkeFinding } from './ike-check.ts'
import { type ConfigAttribute, readConfigAttributes } from './ike-config.ts'
import { DER, derElement, objectIdentifier } from './ike-der.ts'
import { describeGdoi } from './ike-gdoi.ts'
import { distinguishedName, identityText } from './ike-identity.ts'
import { notificationDetails, notificationName } from './ike-notify.ts'
import type { IkePayload, IkeSelector, PayloadFields, PayloadHead } from './ike-payload.ts'
import { describeSa, type IkeSaFlaw } from './ike-proposal.ts'
import {
  bitNames,
  IKE_CERTIFICATE_ENCODINGS,
  IKE_CONFIG_TYPES,
  IKE_DOIS,
  IKE_EAP_CODES,
  IKE_GROUPS,
  IKE_ID_TYPES,
  IKE_TRAFFIC_SELECTORS,
  IKE_V1_FLAGS,
  IKE_V1_PAYLOADS,
  IKE_V1_PROTOCOLS,
  IKE_V2_AUTHENTICATION_METHODS,
  IKE_V2_FLAGS,
  IKE_V2_ID_TYPES,
  IKE_V2_PAYLOADS,
  IKE_V2_PROTOCOLS,
  type IkePayloadKind,
  nameOf,
} from './ike-tables.ts'
import { exchangeName, IKE_PAYLOAD, IkePayloadCursor, type IkePayloadFlaw, type IkeView } from './ike.ts'
import { vendorOf } from './ike-vendor.ts'
import { IP_PROTOCOL_NAMES } from './ip.ts'

/**
 * `ike.field_length`: the body of a payload is too short for its fields. `ike.trailing_data`: the datagram goes on after the
 * message. `ike.extra_data`: the message goes on after its last payload.
 */
export type IkeMessageFlaw =
  | IkePayloadFlaw
  | IkeSaFlaw
  | IkeFinding
  | 'ike.field_length'
  | 'ike.trailing_data'
  | 'ike.extra_data'

/** A message as plain values; `start` and `end` of vendor ids and fragments still point into the capture buffer. */
export interface IkeDescription {
  readonly initiatorSpi: string
  readonly responderSpi: string
  readonly nextPayload: number
  readonly version: string
  readonly exchangeType: number
  readonly exchange: string
  readonly flags: number
  readonly flagNames: readonly string[]
  readonly messageId: number
  readonly length: number
  /** IKEv1 with the E flag: how much ciphertext there is. */
  readonly encryptedLength?: number
  /** How much stands behind the last payload. */
  readonly extraLength?: number
  /** In wire order. What stands before the first flaw is kept: it is evidence. */
  readonly payloads: readonly IkePayload[]
  readonly flaws: readonly IkeMessageFlaw[]
}

const PAYLOADS_MAX = 256
/** Certificates of one message that are read: a chain has three or four, and each takes the time of many messages. */
const CERTIFICATES_MAX = 8
const LIST_MAX = 256
/** Hexadecimal digits stand for so many octets at the most: the largest key exchange in use has 1,568. */
const DATA_MAX = 4096
const SHA1_LENGTH = 20
const DIGITAL_SIGNATURE = 14
const cursor = new IkePayloadCursor()
/** In the message at hand, so far. */
let certificates = 0

/** Copies a message out of the buffer: header, then payloads in wire order. */
export function describeIke(message: IkeView): IkeDescription {
  const { version, minorVersion, exchangeType, flags: flagBits } = message
  const payloads: IkePayload[] = []
  const flaws: IkeMessageFlaw[] = []
  certificates = 0
  cursor.over(message)
  while (payloads.length < PAYLOADS_MAX && cursor.next()) payloads.push(describePayload(message, cursor, flaws))
  if (cursor.flaw !== null) flaws.push(cursor.flaw)
  if (message.trailing > 0) flaws.push('ike.trailing_data')
  const extraLength = message.isEncrypted ? 0 : cursor.rest
  if (extraLength > 0) flaws.push('ike.extra_data')
  checkMessage(message, payloads, flaws)
  return {
    initiatorSpi: message.initiatorSpi,
    responderSpi: message.responderSpi,
    nextPayload: message.nextPayload,
    version: `${version}.${minorVersion}`,
    exchangeType,
    exchange: exchangeName(version, exchangeType),
    flags: flagBits,
    flagNames: bitNames(version === 1 ? IKE_V1_FLAGS : IKE_V2_FLAGS, flagBits),
    messageId: message.messageId,
    length: message.length,
    ...(message.isEncrypted ? { encryptedLength: message.messageEnd - message.payloadStart } : {}),
    ...(extraLength > 0 ? { extraLength } : {}),
    payloads,
    flaws,
  }
}

function describePayload(message: IkeView, payload: IkePayloadCursor, flaws: IkeMessageFlaw[]): IkePayload {
  const { version } = message
  const { type, length, isCritical, followingType, reserved, valueStart, valueEnd } = payload
  const [name, kind] = (version === 1 ? IKE_V1_PAYLOADS : IKE_V2_PAYLOADS)[type] ?? [String(type), 'other']
  const head: PayloadHead = {
    type,
    name,
    length,
    isCritical,
    nextType: followingType,
    ...(reserved === 0 ? {} : { reserved }),
  }
  if (valueEnd - valueStart < leastLength(version, kind)) {
    flaws.push('ike.field_length')
    return { ...head, kind: 'other', dataLength: valueEnd - valueStart }
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
  ke: readKeyExchange,
  id: readIdentity,
  cert: ({ bytes }, start, end) => ({
    kind: 'cert',
    encodingNumber: bytes[start],
    encoding: nameOf(IKE_CERTIFICATE_ENCODINGS, bytes[start]),
    dataLength: end - start - 1,
    ...(++certificates > CERTIFICATES_MAX ? {} : readCertificate(bytes[start], bytes, start + 1, end)),
  }),
  certreq: ({ version, bytes }, start, end) => ({
    kind: 'certreq',
    encodingNumber: bytes[start],
    encoding: nameOf(IKE_CERTIFICATE_ENCODINGS, bytes[start]),
    dataLength: end - start - 1,
    authorities: version === 1 ? authorityName(bytes, start + 1, end) : authorityHashes(bytes, start + 1, end),
  }),
  hash: (_message, start, end) => ({ kind: 'hash', dataLength: end - start }),
  auth: readAuthentication,
  nonce: ({ bytes }, start, end) => ({ kind: 'nonce', nonce: limitedHex(bytes, start, end) }),
  notify: readNotify,
  delete: readDelete,
  vendor: ({ bytes }, start, end) => {
    const vendor = vendorOf(bytes, start, end)
    return {
      kind: 'vendor',
      value: limitedHex(bytes, start, end),
      ...(vendor === undefined ? {} : { vendor: vendor.name, vendorKind: vendor.kind }),
      start,
      end,
    }
  },
  natd: ({ bytes }, start, end) => ({ kind: 'natd', hash: limitedHex(bytes, start, end) }),
  natoa: ({ bytes }, start, end) => ({
    kind: 'natoa',
    idTypeNumber: bytes[start],
    idType: nameOf(IKE_ID_TYPES, bytes[start]),
    address: identityText(bytes[start], bytes, start + 4, end),
  }),
  ts: readSelectors,
  config: readConfig,
  eap: readEap,
  encrypted: ({ bytes }, start, end, type) =>
    type === IKE_PAYLOAD.V2_SKF && end - start >= 4
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
  gdoi: ({ bytes }, start, end, type) => ({ kind: 'gdoi', ...describeGdoi(type, bytes, start, end) }),
  data: ({ bytes }, start, end) => ({ kind: 'data', dataLength: end - start, data: limitedHex(bytes, start, end) }),
  other: (_message, start, end) => ({ kind: 'other', dataLength: end - start }),
}

function limitedHex(bytes: Uint8Array, start: number, end: number): string {
  return hex(bytes, start, Math.min(end, start + DATA_MAX))
}

function readKeyExchange({ version, bytes }: IkeView, start: number, end: number): PayloadFields {
  const dataStart = version === 1 ? start : start + 4
  const data = { dataLength: end - dataStart, data: limitedHex(bytes, dataStart, end) }
  if (version === 1) return { kind: 'ke', ...data }
  const groupNumber = u16(bytes, start)
  return { kind: 'ke', groupNumber, group: nameOf(IKE_GROUPS, groupNumber), ...data }
}

function readIdentity({ version, bytes }: IkeView, start: number, end: number): PayloadFields {
  const idTypeNumber = bytes[start]
  const identity = {
    kind: 'id',
    idTypeNumber,
    idType: nameOf(version === 1 ? IKE_ID_TYPES : IKE_V2_ID_TYPES, idTypeNumber),
    value: identityText(idTypeNumber, bytes, start + 4, end),
    dataLength: end - start - 4,
  } as const
  if (version === 2) return identity
  const protocol = bytes[start + 1]
  return { ...identity, protocol, ...protocolNamed(protocol), port: u16(bytes, start + 2) }
}

/** Protocol 0 is any, and has no name. */
function protocolNamed(protocol: number): { readonly protocolName?: string } {
  const protocolName = protocol === 0 ? undefined : IP_PROTOCOL_NAMES[protocol]
  return protocolName === undefined ? {} : { protocolName }
}

function authorityName(bytes: Uint8Array, start: number, end: number): readonly string[] {
  const name = distinguishedName(bytes, start, end)
  return name === undefined ? [] : [name]
}

function authorityHashes(bytes: Uint8Array, start: number, end: number): readonly string[] {
  const hashes: string[] = []
  for (let at = start; end - at >= SHA1_LENGTH && hashes.length < LIST_MAX; at += SHA1_LENGTH)
    hashes.push(hex(bytes, at, at + SHA1_LENGTH))
  return hashes
}

function readAuthentication({ bytes }: IkeView, start: number, end: number): PayloadFields {
  const methodNumber = bytes[start]
  const algorithm = methodNumber === DIGITAL_SIGNATURE ? signatureAlgorithm(bytes, start + 4, end) : undefined
  return {
    kind: 'auth',
    methodNumber,
    method: nameOf(IKE_V2_AUTHENTICATION_METHODS, methodNumber),
    ...(algorithm === undefined ? {} : { algorithm }),
    dataLength: end - start - 4,
  }
}

/** RFC 7427, section 3: the length of an AlgorithmIdentifier, the identifier, the signature. */
function signatureAlgorithm(bytes: Uint8Array, start: number, end: number): string | undefined {
  if (end - start < 1 || start + 1 + bytes[start] > end) return undefined
  const identifier = derElement(bytes, start + 1, start + 1 + bytes[start])
  const oid = identifier === null ? null : derElement(bytes, identifier.start, identifier.end)
  return oid === null || oid.tag !== DER.OBJECT_IDENTIFIER ? undefined : objectIdentifier(bytes, oid.start, oid.end)
}

/** IKEv1 names the domain of interpretation before what both versions have. */
function domain({ version, bytes }: IkeView, start: number): { readonly doi?: string; readonly doiNumber?: number } {
  if (version === 2) return {}
  const doiNumber = u32(bytes, start)
  return { doi: nameOf(IKE_DOIS, doiNumber), doiNumber }
}

function readNotify(
  message: IkeView,
  start: number,
  end: number,
  _type: number,
  flaws: IkeMessageFlaw[],
): PayloadFields {
  const { version, bytes } = message
  const at = version === 1 ? start + 4 : start
  const spiStart = at + 4
  let spiEnd = spiStart + bytes[at + 1]
  if (spiEnd > end) {
    flaws.push('ike.field_length')
    spiEnd = end
  }
  const protocolNumber = bytes[at]
  const notification = u16(bytes, at + 2)
  const details = notificationDetails(version, notification, protocolNumber, bytes, spiEnd, end)
  return {
    kind: 'notify',
    ...domain(message, start),
    notification,
    notificationName: notificationName(version, notification),
    protocol: protocolName(version, protocolNumber),
    protocolNumber,
    spi: hex(bytes, spiStart, spiEnd),
    data: limitedHex(bytes, spiEnd, end),
    ...(details === undefined ? {} : { details }),
  }
}

function readDelete(
  message: IkeView,
  start: number,
  end: number,
  _type: number,
  flaws: IkeMessageFlaw[],
): PayloadFields {
  const { version, bytes } = message
  const at = version === 1 ? start + 4 : start
  const spiLength = bytes[at + 1]
  const spiCount = u16(bytes, at + 2)
  const spis: string[] = []
  if (at + 4 + spiLength * spiCount > end) flaws.push('ike.field_length')
  else if (spiLength > 0) {
    for (let i = 0; i < spiCount && i < LIST_MAX; i++)
      spis.push(hex(bytes, at + 4 + i * spiLength, at + 4 + (i + 1) * spiLength))
  }
  return {
    kind: 'delete',
    ...domain(message, start),
    protocol: protocolName(version, bytes[at]),
    protocolNumber: bytes[at],
    spiLength,
    spiCount,
    spis,
  }
}

function readSelectors(
  { bytes }: IkeView,
  start: number,
  end: number,
  _type: number,
  flaws: IkeMessageFlaw[],
): PayloadFields {
  const selectors: IkeSelector[] = []
  const selectorCount = bytes[start]
  let at = start + 4
  for (let left = selectorCount; left > 0; left--) {
    const length = end - at < 8 ? 0 : u16(bytes, at + 2)
    if (length < 8 || at + length > end) {
      flaws.push('ike.field_length')
      break
    }
    selectors.push(selectorAt(bytes, at, length))
    at += length
  }
  return { kind: 'ts', selectorCount, selectors }
}

function selectorAt(bytes: Uint8Array, at: number, length: number): IkeSelector {
  const typeNumber = bytes[at]
  const addressLength = typeNumber === 7 && length === 16 ? 4 : typeNumber === 8 && length === 40 ? 16 : 0
  const address = (from: number) =>
    addressLength === 0 ? limitedHex(bytes, at + 8, at + length) : addressText(bytes, from, addressLength)
  return {
    typeNumber,
    type: nameOf(IKE_TRAFFIC_SELECTORS, typeNumber),
    protocol: bytes[at + 1],
    ...protocolNamed(bytes[at + 1]),
    length,
    startPort: u16(bytes, at + 4),
    endPort: u16(bytes, at + 6),
    startAddress: address(at + 8),
    endAddress: address(at + 8 + addressLength),
  }
}

function readConfig(
  { version, bytes }: IkeView,
  start: number,
  end: number,
  _type: number,
  flaws: IkeMessageFlaw[],
): PayloadFields {
  const attributes: ConfigAttribute[] = []
  if (!readConfigAttributes(version, bytes, start + 4, end, attributes)) flaws.push('ike.field_length')
  return {
    kind: 'config',
    configTypeNumber: bytes[start],
    configType: nameOf(IKE_CONFIG_TYPES, bytes[start]),
    ...(version === 1 ? { identifier: u16(bytes, start + 2) } : {}),
    attributes,
  }
}

function readEap({ bytes }: IkeView, start: number, end: number): PayloadFields {
  const eapType = end - start > 4 ? bytes[start + 4] : undefined
  return {
    kind: 'eap',
    codeNumber: bytes[start],
    code: nameOf(IKE_EAP_CODES, bytes[start]),
    identifier: bytes[start + 1],
    eapLength: u16(bytes, start + 2),
    ...(eapType === undefined ? {} : { eapType, eapTypeName: eapTypeName(eapType) }),
  }
}

function protocolName(version: number, protocol: number): string {
  return nameOf(version === 1 ? IKE_V1_PROTOCOLS : IKE_V2_PROTOCOLS, protocol)
}
