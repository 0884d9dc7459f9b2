/**
 * Notifications of IKE: their names (RFC 2408, section 3.14; RFC 7296, section 3.10 and the IANA registry; the private ones
 * that are met in the field) and what their data say.
 */
import { addressText } from '../base/address.ts'
import { hex, text, u16, u32 } from '../base/bytes.ts'
import { isPrintable } from './ike-identity.ts'
import { type IkeAttribute, readAttributes } from './ike-proposal.ts'
import {
  IKE_GROUPS,
  IKE_PHASE1_ATTRIBUTES,
  IKE_PHASE2_ATTRIBUTES,
  IKE_V1_TRANSFORMS,
  IKE_V2_AUTHENTICATION_METHODS,
  IKE_V2_PAYLOADS,
  IKE_V2_TRANSFORM_TYPES,
  nameOf,
} from './ike-tables.ts'

type Names = Readonly<Record<number, string>>

/** Error notifications lie below, status notifications at and above this number, in both versions. */
export const IKE_STATUS_NOTIFICATION_MIN = 16384

/** Notifications that code acts on. */
export const IKE_NOTIFICATION = {
  /** IKEv2. */
  INVALID_KE_PAYLOAD: 17,
  NAT_DETECTION_SOURCE_IP: 16388,
  NAT_DETECTION_DESTINATION_IP: 16389,
  COOKIE: 16390,
  REDIRECT_SUPPORTED: 16406,
  REDIRECT: 16407,
  FRAGMENTATION_SUPPORTED: 16430,
  USE_PPK: 16435,
  INTERMEDIATE_EXCHANGE_SUPPORTED: 16438,
  USE_PPK_INT: 16445,
  FULL_TRANSCRIPT_AUTH: 16447,
  /** IKEv1. */
  INITIAL_CONTACT: 24578,
} as const

const V1_NOTIFICATIONS: Names = {
  1: 'INVALID-PAYLOAD-TYPE',
  2: 'DOI-NOT-SUPPORTED',
  3: 'SITUATION-NOT-SUPPORTED',
  4: 'INVALID-COOKIE',
  5: 'INVALID-MAJOR-VERSION',
  6: 'INVALID-MINOR-VERSION',
  7: 'INVALID-EXCHANGE-TYPE',
  8: 'INVALID-FLAGS',
  9: 'INVALID-MESSAGE-ID',
  10: 'INVALID-PROTOCOL-ID',
  11: 'INVALID-SPI',
  12: 'INVALID-TRANSFORM-ID',
  13: 'ATTRIBUTES-NOT-SUPPORTED',
  14: 'NO-PROPOSAL-CHOSEN',
  15: 'BAD-PROPOSAL-SYNTAX',
  16: 'PAYLOAD-MALFORMED',
  17: 'INVALID-KEY-INFORMATION',
  18: 'INVALID-ID-INFORMATION',
  19: 'INVALID-CERT-ENCODING',
  20: 'INVALID-CERTIFICATE',
  21: 'CERT-TYPE-UNSUPPORTED',
  22: 'INVALID-CERT-AUTHORITY',
  23: 'INVALID-HASH-INFORMATION',
  24: 'AUTHENTICATION-FAILED',
  25: 'INVALID-SIGNATURE',
  26: 'ADDRESS-NOTIFICATION',
  27: 'NOTIFY-SA-LIFETIME',
  28: 'CERTIFICATE-UNAVAILABLE',
  29: 'UNSUPPORTED-EXCHANGE-TYPE',
  30: 'UNEQUAL-PAYLOAD-LENGTHS',
  12345: 'NOTIFY-STATUS (Microsoft)',
  16384: 'CONNECTED',
  24576: 'RESPONDER-LIFETIME',
  24577: 'REPLAY-STATUS',
  24578: 'INITIAL-CONTACT',
  36136: 'R-U-THERE',
  36137: 'R-U-THERE-ACK',
  40501: 'UNITY-LOAD-BALANCE',
  40502: 'UNITY-UNKNOWN',
  40503: 'UNITY-GROUP-HASH',
}

const V2_NOTIFICATIONS: Names = {
  1: 'UNSUPPORTED_CRITICAL_PAYLOAD',
  4: 'INVALID_IKE_SPI',
  5: 'INVALID_MAJOR_VERSION',
  7: 'INVALID_SYNTAX',
  9: 'INVALID_MESSAGE_ID',
  11: 'INVALID_SPI',
  14: 'NO_PROPOSAL_CHOSEN',
  17: 'INVALID_KE_PAYLOAD',
  24: 'AUTHENTICATION_FAILED',
  34: 'SINGLE_PAIR_REQUIRED',
  35: 'NO_ADDITIONAL_SAS',
  36: 'INTERNAL_ADDRESS_FAILURE',
  37: 'FAILED_CP_REQUIRED',
  38: 'TS_UNACCEPTABLE',
  39: 'INVALID_SELECTORS',
  40: 'UNACCEPTABLE_ADDRESSES',
  41: 'UNEXPECTED_NAT_DETECTED',
  42: 'USE_ASSIGNED_HoA',
  43: 'TEMPORARY_FAILURE',
  44: 'CHILD_SA_NOT_FOUND',
  45: 'INVALID_GROUP_ID',
  46: 'AUTHORIZATION_FAILED',
  47: 'STATE_NOT_FOUND',
  48: 'TS_MAX_QUEUE',
  49: 'REGISTRATION_FAILED',
  16384: 'INITIAL_CONTACT',
  16385: 'SET_WINDOW_SIZE',
  16386: 'ADDITIONAL_TS_POSSIBLE',
  16387: 'IPCOMP_SUPPORTED',
  16388: 'NAT_DETECTION_SOURCE_IP',
  16389: 'NAT_DETECTION_DESTINATION_IP',
  16390: 'COOKIE',
  16391: 'USE_TRANSPORT_MODE',
  16392: 'HTTP_CERT_LOOKUP_SUPPORTED',
  16393: 'REKEY_SA',
  16394: 'ESP_TFC_PADDING_NOT_SUPPORTED',
  16395: 'NON_FIRST_FRAGMENTS_ALSO',
  16396: 'MOBIKE_SUPPORTED',
  16397: 'ADDITIONAL_IP4_ADDRESS',
  16398: 'ADDITIONAL_IP6_ADDRESS',
  16399: 'NO_ADDITIONAL_ADDRESSES',
  16400: 'UPDATE_SA_ADDRESSES',
  16401: 'COOKIE2',
  16402: 'NO_NATS_ALLOWED',
  16403: 'AUTH_LIFETIME',
  16404: 'MULTIPLE_AUTH_SUPPORTED',
  16405: 'ANOTHER_AUTH_FOLLOWS',
  16406: 'REDIRECT_SUPPORTED',
  16407: 'REDIRECT',
  16408: 'REDIRECTED_FROM',
  16409: 'TICKET_LT_OPAQUE',
  16410: 'TICKET_REQUEST',
  16411: 'TICKET_ACK',
  16412: 'TICKET_NACK',
  16413: 'TICKET_OPAQUE',
  16414: 'LINK_ID',
  16415: 'USE_WESP_MODE',
  16416: 'ROHC_SUPPORTED',
  16417: 'EAP_ONLY_AUTHENTICATION',
  16418: 'CHILDLESS_IKEV2_SUPPORTED',
  16419: 'QUICK_CRASH_DETECTION',
  16420: 'IKEV2_MESSAGE_ID_SYNC_SUPPORTED',
  16421: 'IPSEC_REPLAY_COUNTER_SYNC_SUPPORTED',
  16422: 'IKEV2_MESSAGE_ID_SYNC',
  16423: 'IPSEC_REPLAY_COUNTER_SYNC',
  16424: 'SECURE_PASSWORD_METHODS',
  16425: 'PSK_PERSIST',
  16426: 'PSK_CONFIRM',
  16427: 'ERX_SUPPORTED',
  16428: 'IFOM_CAPABILITY',
  16429: 'GROUP_SENDER',
  16430: 'IKEV2_FRAGMENTATION_SUPPORTED',
  16431: 'SIGNATURE_HASH_ALGORITHMS',
  16432: 'CLONE_IKE_SA_SUPPORTED',
  16433: 'CLONE_IKE_SA',
  16434: 'PUZZLE',
  16435: 'USE_PPK',
  16436: 'PPK_IDENTITY',
  16437: 'NO_PPK_AUTH',
  16438: 'INTERMEDIATE_EXCHANGE_SUPPORTED',
  16439: 'IP4_ALLOWED',
  16440: 'IP6_ALLOWED',
  16441: 'ADDITIONAL_KEY_EXCHANGE',
  16442: 'USE_AGGFRAG',
  16443: 'SUPPORTED_AUTH_METHODS',
  16444: 'SA_RESOURCE_INFO',
  16445: 'USE_PPK_INT',
  16446: 'PPK_IDENTITY_KEY',
  16447: 'IKE_SA_INIT_FULL_TRANSCRIPT_AUTH',
}

/**
 * Numbers of the private ranges of IKEv2 mean what the vendor says: 3GPP (TS 24.302 and TS 24.502), Microsoft, strongSwan,
 * Libreswan. Where two of them use one number both are named.
 */
const V2_PRIVATE: Names = {
  8192: 'PDN_CONNECTION_REJECTION (3GPP) or ME_CONNECT_FAILED (strongSwan)',
  8193: 'MAX_CONNECTION_REACHED (3GPP)',
  8241: 'SEMANTIC_ERROR_IN_THE_TFT_OPERATION (3GPP)',
  8242: 'SYNTACTICAL_ERROR_IN_THE_TFT_OPERATION (3GPP)',
  8244: 'SEMANTIC_ERRORS_IN_PACKET_FILTERS (3GPP)',
  8245: 'SYNTACTICAL_ERRORS_IN_PACKET_FILTERS (3GPP)',
  9000: 'NON_3GPP_ACCESS_TO_EPC_NOT_ALLOWED (3GPP)',
  9001: 'USER_UNKNOWN (3GPP)',
  9002: 'NO_APN_SUBSCRIPTION (3GPP)',
  9003: 'AUTHORIZATION_REJECTED (3GPP)',
  9006: 'ILLEGAL_ME (3GPP)',
  10500: 'NETWORK_FAILURE (3GPP)',
  11001: 'RAT_TYPE_NOT_ALLOWED (3GPP)',
  11005: 'IMEI_NOT_ACCEPTED (3GPP)',
  11011: 'PLMN_NOT_ALLOWED (3GPP)',
  11055: 'UNAUTHENTICATED_EMERGENCY_NOT_SUPPORTED (3GPP)',
  12345: 'NOTIFY_STATUS (Microsoft)',
  15500: 'CONGESTION (3GPP)',
  40960: 'NULL_AUTH (Libreswan)',
  40961: 'REACTIVATION_REQUESTED_CAUSE (3GPP) or USE_BEET_MODE (strongSwan)',
  40962: 'ME_MEDIATION (strongSwan)',
  40963: 'ME_ENDPOINT (strongSwan)',
  40964: 'ME_CALLBACK (strongSwan)',
  40965: 'ME_CONNECTID (strongSwan)',
  40966: 'ME_CONNECTKEY (strongSwan)',
  40967: 'ME_CONNECTAUTH (strongSwan)',
  40968: 'ME_RESPONSE (strongSwan)',
  40969: 'RADIUS_ATTRIBUTE (strongSwan)',
  41041: 'BACKOFF_TIMER (3GPP)',
  41050: 'PDN_TYPE_IPv4_ONLY_ALLOWED (3GPP)',
  41051: 'PDN_TYPE_IPv6_ONLY_ALLOWED (3GPP)',
  41101: 'DEVICE_IDENTITY (3GPP)',
  41112: 'EMERGENCY_SUPPORT (3GPP)',
  41134: 'EMERGENCY_CALL_NUMBERS (3GPP)',
  41288: 'NBIFOM_GENERIC_CONTAINER (3GPP)',
  41304: 'P-CSCF_RESELECTION_SUPPORT (3GPP)',
  41501: 'PTI (3GPP)',
  42011: 'IKEV2_MULTIPLE_BEARER_PDN_CONNECTIVITY (3GPP)',
  42014: 'EPS_QOS (3GPP)',
  42015: 'EXTENDED_EPS_QOS (3GPP)',
  42017: 'TFT (3GPP)',
  42020: 'MODIFIED_BEARER (3GPP)',
  42094: 'APN_AMBR (3GPP)',
  42095: 'EXTENDED_APN_AMBR (3GPP)',
  51015: 'N1_MODE_CAPABILITY (3GPP)',
  51115: 'N1_MODE_INFORMATION (3GPP)',
  55501: '5G_QOS_INFO (3GPP)',
  55502: 'NAS_IP4_ADDRESS (3GPP)',
  55503: 'NAS_IP6_ADDRESS (3GPP)',
  55504: 'UP_IP4_ADDRESS (3GPP)',
  55505: 'UP_IP6_ADDRESS (3GPP)',
  55506: 'NAS_TCP_PORT (3GPP)',
  55507: 'N3GPP_BACKOFF_TIMER (3GPP)',
}

export function notificationName(version: number, notification: number): string {
  if (version === 1) return nameOf(V1_NOTIFICATIONS, notification)
  return V2_NOTIFICATIONS[notification] ?? nameOf(V2_PRIVATE, notification)
}

/** What the data of a notification say, by the names of the fields. */
export type NotificationDetails = Readonly<Record<string, unknown>>

type Reader = (bytes: Uint8Array, start: number, end: number, protocol: number) => NotificationDetails | undefined

const LIST_MAX = 64
const TEXT_MAX = 512
/** Printable data shorter than this is chance. */
const TEXT_MIN = 8

const HASH_ALGORITHMS: Names = {
  1: 'SHA1',
  2: 'SHA2-256',
  3: 'SHA2-384',
  4: 'SHA2-512',
  5: 'Identity',
  6: 'STREEBOG_256',
  7: 'STREEBOG_512',
}
const PASSWORD_METHODS: Names = { 1: 'PACE', 2: 'AugPAKE', 3: 'Secure PSK Authentication' }
const GATEWAY_TYPES: Names = { 1: 'IPv4', 2: 'IPv6', 3: 'FQDN' }
const PPK_TYPES: Names = { 1: 'PPK_ID_OPAQUE', 2: 'PPK_ID_FIXED' }
const ROHC_ATTRIBUTES: Names = {
  1: 'MAX_CID',
  2: 'ROHC_PROFILE',
  3: 'ROHC_INTEG',
  4: 'ROHC_ICV_LEN',
  5: 'MRRU',
}

const V1_DATA: Readonly<Record<number, Reader>> = {
  12345: atLeast(4, (bytes, start) => ({ status: u32(bytes, start) })),
  24576: (bytes, start, end, protocol) => ({
    attributes: lifetimes(protocol === 1 ? IKE_PHASE1_ATTRIBUTES : IKE_PHASE2_ATTRIBUTES, bytes, start, end),
  }),
  24577: atLeast(4, (bytes, start) => ({ replayDetection: u32(bytes, start) === 1 })),
  36136: atLeast(4, (bytes, start) => ({ sequence: u32(bytes, start) })),
  36137: atLeast(4, (bytes, start) => ({ sequence: u32(bytes, start) })),
  40501: atLeast(4, (bytes, start) => ({ address: addressText(bytes, start, 4) })),
}

const V2_DATA: Readonly<Record<number, Reader>> = {
  1: atLeast(1, (bytes, start) => ({
    payloadType: bytes[start],
    payload: IKE_V2_PAYLOADS[bytes[start]]?.[0] ?? String(bytes[start]),
  })),
  9: atLeast(4, (bytes, start) => ({ messageId: u32(bytes, start) })),
  11: atLeast(4, (bytes, start) => ({ spi: hex(bytes, start, start + 4) })),
  17: atLeast(2, (bytes, start) => ({ groupNumber: u16(bytes, start), group: nameOf(IKE_GROUPS, u16(bytes, start)) })),
  12345: atLeast(4, (bytes, start) => ({ status: u32(bytes, start) })),
  16385: atLeast(4, (bytes, start) => ({ windowSize: u32(bytes, start) })),
  16387: atLeast(3, (bytes, start) => ({
    cpi: u16(bytes, start),
    transformId: bytes[start + 2],
    transform: nameOf(IKE_V1_TRANSFORMS[4], bytes[start + 2]),
  })),
  16397: atLeast(4, (bytes, start) => ({ address: addressText(bytes, start, 4) })),
  16398: atLeast(16, (bytes, start) => ({ address: addressText(bytes, start, 16) })),
  16403: atLeast(4, (bytes, start) => ({ lifetimeSeconds: u32(bytes, start) })),
  16406: () => undefined,
  16407: gateway,
  16408: gateway,
  16409: atLeast(4, (bytes, start, end) => ({ lifetimeSeconds: u32(bytes, start), ticketLength: end - start - 4 })),
  16413: (_bytes, start, end) => ({ ticketLength: end - start }),
  16416: (bytes, start, end) => ({
    attributes: readAttributes(named(ROHC_ATTRIBUTES), bytes, start, end, []).map(({ name, value }) => ({
      name,
      value,
    })),
  }),
  16419: (_bytes, start, end) => ({ tokenLength: end - start }),
  16422: atLeast(12, (bytes, start) => ({
    nonce: u32(bytes, start),
    expectedSendMessageId: u32(bytes, start + 4),
    expectedReceiveMessageId: u32(bytes, start + 8),
  })),
  16424: (bytes, start, end) => ({ methods: words(PASSWORD_METHODS, bytes, start, end) }),
  16431: (bytes, start, end) => ({ algorithms: words(HASH_ALGORITHMS, bytes, start, end) }),
  16434: atLeast(3, (bytes, start, end) => ({
    prf: nameOf(IKE_V2_TRANSFORM_TYPES[2][1], u16(bytes, start)),
    difficulty: bytes[start + 2],
    cookieLength: end - start - 3,
  })),
  16436: atLeast(1, ppkIdentity),
  16442: atLeast(1, (bytes, start) => ({ flags: bytes[start] })),
  16443: (bytes, start, end) => ({ methods: announcedMethods(bytes, start, end) }),
  55502: atLeast(4, (bytes, start) => ({ address: addressText(bytes, start, 4) })),
  55503: atLeast(16, (bytes, start) => ({ address: addressText(bytes, start, 16) })),
  55504: atLeast(4, (bytes, start) => ({ address: addressText(bytes, start, 4) })),
  55505: atLeast(16, (bytes, start) => ({ address: addressText(bytes, start, 16) })),
  55506: atLeast(2, (bytes, start) => ({ port: u16(bytes, start) })),
}

/** The data of a notification, field by field; undefined if nothing is known of them, or they are too short. */
export function notificationDetails(
  version: number,
  notification: number,
  protocol: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): NotificationDetails | undefined {
  const read = (version === 1 ? V1_DATA : V2_DATA)[notification]
  if (read !== undefined) return read(bytes, start, end, protocol)
  // Some write a sentence; attacks write a command.
  const last = Math.min(end, start + TEXT_MAX)
  return last - start >= TEXT_MIN && isPrintable(bytes, start, last) ? { text: text(bytes, start, last) } : undefined
}

function atLeast(octets: number, read: Reader): Reader {
  return (bytes, start, end, protocol) => (end - start < octets ? undefined : read(bytes, start, end, protocol))
}

function lifetimes(
  names: typeof IKE_PHASE1_ATTRIBUTES,
  bytes: Uint8Array,
  start: number,
  end: number,
): readonly IkeAttribute[] {
  return readAttributes(names, bytes, start, end, [])
}

/** Where a client is sent, or from where it came (RFC 5685, section 8). */
function gateway(bytes: Uint8Array, start: number, end: number): NotificationDetails | undefined {
  if (end - start < 2) return undefined
  const type = bytes[start]
  const length = bytes[start + 1]
  const from = start + 2
  const to = from + length
  if (to > end) return undefined
  return {
    gatewayTypeNumber: type,
    gatewayType: nameOf(GATEWAY_TYPES, type),
    gateway: gatewayText(type, bytes, from, to),
    ...(to < end ? { nonceLength: end - to } : {}),
  }
}

function gatewayText(type: number, bytes: Uint8Array, from: number, to: number): string {
  const length = to - from
  if (type === 1 && length === 4) return addressText(bytes, from, 4)
  if (type === 2 && length === 16) return addressText(bytes, from, 16)
  return type === 3 ? text(bytes, from, to) : hex(bytes, from, to)
}

function words(names: Names, bytes: Uint8Array, start: number, end: number): readonly string[] {
  const list: string[] = []
  for (let at = start; at + 1 < end && list.length < LIST_MAX; at += 2) list.push(nameOf(names, u16(bytes, at)))
  return list
}

/** RFC 8784, section 5.1. */
function ppkIdentity(bytes: Uint8Array, start: number, end: number): NotificationDetails {
  const from = start + 1
  const last = Math.min(end, from + TEXT_MAX)
  return {
    ppkIdType: nameOf(PPK_TYPES, bytes[start]),
    ppkId: isPrintable(bytes, from, last) ? text(bytes, from, last) : hex(bytes, from, last),
  }
}

/** RFC 9593, section 3.2: each announcement begins with its length and its method. */
function announcedMethods(bytes: Uint8Array, start: number, end: number): readonly string[] {
  const list: string[] = []
  for (let at = start; end - at >= 2 && list.length < LIST_MAX; ) {
    const length = bytes[at]
    if (length < 2 || at + length > end) break
    list.push(nameOf(IKE_V2_AUTHENTICATION_METHODS, bytes[at + 1]))
    at += length
  }
  return list
}

function named(names: Names): Readonly<Record<number, readonly [string]>> {
  return Object.fromEntries(Object.entries(names).map(([type, name]) => [type, [name] as const]))
}
