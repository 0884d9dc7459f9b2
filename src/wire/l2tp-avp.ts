/**
 * L2TP attribute-value pairs (RFC 2661 section 4 and the registry that L2TPv2 and L2TPv3 share).
 *
 * Control messages are rare, so this side copies: `describeControl` turns a message into plain values for trackers and
 * events. The tables are the specification: a kind says how many octets a value has and how it is read, `AVPS` and
 * `VENDORS` say which attribute has which kind, and the type of `L2tpControl` derives from both. Secrets (the response
 * of proxy authentication, which with PAP is the password) are never copied: their length is.
 */
import { hex, NO_BYTES, text, u16, u32, u64 } from '../base/bytes.ts'
import { type L2tpMessage, messageName } from './l2tp.ts'
import { L2TPV3_KINDS, meaningOf } from './l2tpv3-avp.ts'

const FLAG_MANDATORY = 0x8000
const FLAG_HIDDEN = 0x4000
const RESERVED_BITS = 0x3c00
const LENGTH_BITS = 0x03ff
const HEADER_LENGTH = 6

const MESSAGE_TYPE = 0
const ASSIGNED_TUNNEL_ID = 9
const ASSIGNED_SESSION_ID = 14
const RANDOM_VECTOR = 36
const MESSAGE_DIGEST = 59

/** Strings longer than this overflow the buffers of known implementations. */
const TEXT_OCTETS_MAX = 254
/** A message is described up to this many AVPs; a legal one has some twenty. */
const AVPS_DESCRIBED_MAX = 256

// --- Codes in words -------------------------------------------------------------------------------------------------

type Words = Readonly<Record<number, string>>

/** Result codes of StopCCN (RFC 2661 section 4.4.2, RFC 3308). */
export const STOPCCN_RESULTS = {
  0: 'reserved',
  1: 'general request to clear control connection',
  2: 'general error',
  3: 'control connection already exists',
  4: 'requester not authorized to establish a control connection',
  5: 'protocol version of requester not supported',
  6: 'requester is being shut down',
  7: 'finite state machine error or timeout',
  8: 'mismatching CCDS value',
} as const satisfies Words

/** Result codes of CDN (RFC 2661 section 4.4.2 and the documents that extended it). */
export const CDN_RESULTS = {
  0: 'reserved',
  1: 'loss of carrier or circuit disconnect',
  2: 'general error',
  3: 'administrative reasons',
  4: 'no appropriate facilities available, temporary condition',
  5: 'no appropriate facilities available, permanent condition',
  6: 'invalid destination',
  7: 'no carrier detected',
  8: 'busy signal detected',
  9: 'no dial tone',
  10: 'call not established within the time allotted by the LAC',
  11: 'no appropriate framing detected',
  12: 'mismatching SDS value',
  13: 'losing tie breaker',
  14: 'unsupported pseudowire type',
  15: 'sequencing required without valid L2-Specific Sublayer',
  16: 'finite state machine error or timeout',
  17: 'Frame Relay PVC deleted permanently',
  18: 'Frame Relay PVC inactive for an extended period',
  19: 'mismatched Frame Relay header length',
  20: 'HDLC link deleted permanently',
  21: 'HDLC link inactive for an extended period',
  22: 'OAM cell emulation not supported by the other end',
  23: 'mismatching interface MTU',
  24: 'attempt to connect to non-existent forwarder',
  25: 'attempt to connect to unauthorized forwarder',
  26: 'loop detected',
  27: 'attachment circuit bound to different PE',
  28: 'attachment circuit bound to different remote attachment circuit',
  30: 'refused because of TDM pseudowire parameters',
  31: 'sequencing not supported',
} as const satisfies Words

/** Result codes of the end of a multicast session, MSEN (RFC 4045). */
const MSEN_RESULTS = {
  0: 'reserved',
  1: 'no multicast traffic for the group',
  2: 'general error',
  3: 'no more receivers',
  4: 'no more receivers, filter mode changed',
} as const satisfies Words

/** General error codes (RFC 2661 section 4.4.2, RFC 3931 section 5.4.2, tunnel switching). */
export const ERROR_CODES = {
  0: 'no general error',
  1: 'no control connection exists yet',
  2: 'length is wrong',
  3: 'field value out of range or reserved field not zero',
  4: 'insufficient resources',
  5: 'invalid session ID',
  6: 'vendor-specific error',
  7: 'try another',
  8: 'unknown AVP with the M bit',
  9: 'try another directed',
  10: 'next hop unreachable',
  11: 'next hop busy',
  12: 'tunnel switching aggregator busy',
} as const satisfies Words

/** PPP disconnect cause codes (RFC 3145 section 3). */
export const DISCONNECT_CAUSES = {
  0: 'no information available',
  1: 'administrative disconnect',
  2: 'LCP renegotiation at LNS disabled and no proxy LCP information',
  3: 'normal disconnection, LCP Terminate-Request sent',
  4: 'compulsory encryption refused',
  5: 'LCP timeout',
  6: 'no recognizable LCP packets received',
  7: 'LCP magic number error, link possibly looped back',
  8: 'LCP echo request timeout',
  9: 'unexpected endpoint discriminator for existing multilink bundle',
  10: 'unexpected MRRU for existing multilink bundle',
  11: 'unexpected short sequence number option for existing multilink bundle',
  12: 'compulsory call-back refused',
  13: 'authentication timeout',
  14: 'unexpected authenticated name for existing multilink bundle',
  15: 'authentication protocol unacceptable',
  16: 'authentication failed: bad name, password or secret',
  17: 'NCP timeout',
  18: 'no NCPs available',
  19: 'NCP failed to converge on acceptable addresses',
  20: 'user not permitted to use any addresses',
} as const satisfies Words

/** Proxy Authen Type (RFC 2661 section 4.4.5 and the registry). */
export const PROXY_AUTHEN_TYPES = {
  0: 'reserved',
  1: 'textual exchange',
  2: 'PPP CHAP',
  3: 'PPP PAP',
  4: 'none',
  5: 'MS-CHAPv1',
  7: 'EAP',
} as const satisfies Words

function inWords(table: Words, code: number): string | undefined {
  return table[code]
}

function resultInWords(messageType: number | undefined, code: number): string | undefined {
  if (messageType === 4) return inWords(STOPCCN_RESULTS, code)
  if (messageType === 14) return inWords(CDN_RESULTS, code)
  if (messageType === 27) return inWords(MSEN_RESULTS, code)
  return undefined
}

// --- Kinds of values ------------------------------------------------------------------------------------------------

/** Result Code: error code and message only if the AVP is long enough for them. */
export interface ResultCode {
  readonly resultCode: number
  /** In words, for StopCCN, CDN and MSEN. */
  readonly resultText?: string
  readonly errorCode?: number
  readonly errorText?: string
  /** Free text from the peer. */
  readonly errorMessage?: string
}

/** Q.931 Cause Code (RFC 2661 section 4.4.3). */
export interface Q931Cause {
  readonly q931Cause: number
  readonly q931Message: number
  readonly q931Advisory?: string
}

/** Call Errors of a WAN-Error-Notify (RFC 2661 section 4.4.6). */
export interface CallErrors {
  readonly crcErrors: number
  readonly framingErrors: number
  readonly hardwareOverruns: number
  readonly bufferOverruns: number
  readonly timeoutErrors: number
  readonly alignmentErrors: number
}

/** ACCM of a Set-Link-Info (RFC 2661 section 4.4.6). */
export interface Accm {
  readonly sendAccm: number
  readonly receiveAccm: number
}

/** PPP Disconnect Cause Code (RFC 3145 section 2). */
export interface DisconnectCause {
  readonly disconnectCode: number
  readonly disconnectText?: string
  /** PPP protocol number of the control protocol concerned; 0 for global causes. */
  readonly disconnectProtocol: number
  /** 0 global, 1 at the peer, 2 at the local end. */
  readonly disconnectDirection: number
  /** Free text from the peer. */
  readonly disconnectMessage?: string
}

/** `octets`: how many a value must have, [least, most]. `read` is called with at least the least. */
interface Kind<Value> {
  readonly octets: readonly [min: number, max: number]
  readonly read: (bytes: Uint8Array, start: number, end: number, messageType: number | undefined) => Value
}

const ANY_LENGTH = [0, LENGTH_BITS - HEADER_LENGTH] as const
const LIST_LENGTH = [2, LENGTH_BITS - HEADER_LENGTH] as const

/** Values of one piece. */
const SCALAR_KINDS = {
  u8: { octets: [1, 1], read: (bytes, at) => bytes[at] },
  u16: { octets: [2, 2], read: (bytes, at) => u16(bytes, at) },
  u32: { octets: [4, 4], read: (bytes, at) => u32(bytes, at) },
  /** Rates and speeds; above 2^53 rounded. */
  u64: { octets: [8, 8], read: (bytes, at) => Number(u64(bytes, at)) },
  u16List: { octets: LIST_LENGTH, read: readU16List },
  messageType: { octets: [2, 2], read: (bytes, at) => u16(bytes, at) },
  /** Version and revision, "1.0". */
  protocolVersion: { octets: [2, 2], read: (bytes, at) => `${bytes[at]}.${bytes[at + 1]}` },
  framing: { octets: [4, 4], read: (bytes, at) => flagNames(FRAMING_BITS, u32(bytes, at)) },
  bearer: { octets: [4, 4], read: (bytes, at) => flagNames(BEARER_BITS, u32(bytes, at)) },
  proxyAuthenType: { octets: [2, 2], read: (bytes, at) => u16(bytes, at) },
  /** One reserved octet, then the identifier. */
  identifier: { octets: [2, 2], read: (bytes, at) => bytes[at + 1] },
  /** No value: the presence of the AVP is the message. */
  flag: { octets: [0, 0], read: () => true },
  text: { octets: ANY_LENGTH, read: readText },
  /** Text where it is text, else hexadecimal: identifiers that each operator fills in its own way. */
  label: { octets: ANY_LENGTH, read: readLabel },
  hex: { octets: ANY_LENGTH, read: (bytes, start, end) => hex(bytes, start, end) },
  /** A copy, for those who compute with it. */
  octets: { octets: ANY_LENGTH, read: (bytes, start, end) => bytes.slice(start, end) },
  /** A value that must not be shown: its length in octets. */
  secretLength: { octets: ANY_LENGTH, read: (_bytes, start, end) => end - start },
  ...L2TPV3_KINDS,
} as const satisfies Record<string, Kind<number | string | boolean | object>>

/** Values of several named pieces. */
const RECORD_KINDS = {
  resultCode: { octets: LIST_LENGTH, read: readResultCode },
  q931Cause: { octets: [3, LENGTH_BITS - HEADER_LENGTH], read: readQ931Cause },
  callErrors: { octets: [26, 26], read: readCallErrors },
  accm: { octets: [10, 10], read: readAccm },
  disconnectCause: { octets: [5, LENGTH_BITS - HEADER_LENGTH], read: readDisconnectCause },
} as const satisfies Record<string, Kind<object>>

const KINDS = { ...SCALAR_KINDS, ...RECORD_KINDS }

export type AvpKind = keyof typeof KINDS
type ScalarKind = keyof typeof SCALAR_KINDS
type RecordKind = keyof typeof RECORD_KINDS
type ScalarOf<K extends ScalarKind> = ReturnType<(typeof SCALAR_KINDS)[K]['read']>
type RecordOf<K extends RecordKind> = ReturnType<(typeof RECORD_KINDS)[K]['read']>
/** What `readAvp` answers with. */
export type AvpValue = ReturnType<(typeof KINDS)[AvpKind]['read']>

const FRAMING_BITS = { 1: 'synchronous', 2: 'asynchronous' } as const
const BEARER_BITS = { 1: 'digital', 2: 'analog', 4: 'broadband' } as const

function flagNames(names: Words, bits: number): readonly string[] {
  const set: string[] = []
  let unnamed = bits
  for (const [bit, name] of Object.entries(names)) {
    if (bits & Number(bit)) set.push(name)
    unnamed &= ~Number(bit)
  }
  if (unnamed !== 0) set.push(`0x${(unnamed >>> 0).toString(16).padStart(8, '0')}`)
  return set
}

/** Some peers send the zeros that end or pad a C string: they are not part of the text. */
function readText(bytes: Uint8Array, start: number, end: number): string {
  let textEnd = end
  while (textEnd > start && bytes[textEnd - 1] === 0) textEnd--
  return text(bytes, start, textEnd)
}

function readLabel(bytes: Uint8Array, start: number, end: number): string {
  const label = readText(bytes, start, end)
  return label === '' || NOT_TEXT.test(label) ? hex(bytes, start, end) : label
}

function readU16List(bytes: Uint8Array, start: number, end: number): readonly number[] {
  const list: number[] = []
  for (let at = start; at + 2 <= end; at += 2) list.push(u16(bytes, at))
  return list
}

function readResultCode(bytes: Uint8Array, start: number, end: number, messageType: number | undefined): ResultCode {
  const resultCode = u16(bytes, start)
  const resultText = resultInWords(messageType, resultCode)
  const result = { resultCode, ...(resultText === undefined ? {} : { resultText }) }
  if (end - start < 4) return result
  const errorCode = u16(bytes, start + 2)
  const errorText = inWords(ERROR_CODES, errorCode)
  return {
    ...result,
    errorCode,
    ...(errorText === undefined ? {} : { errorText }),
    ...(end - start > 4 ? { errorMessage: readText(bytes, start + 4, end) } : {}),
  }
}

function readQ931Cause(bytes: Uint8Array, start: number, end: number): Q931Cause {
  return {
    q931Cause: u16(bytes, start),
    q931Message: bytes[start + 2],
    ...(end - start > 3 ? { q931Advisory: readText(bytes, start + 3, end) } : {}),
  }
}

function readCallErrors(bytes: Uint8Array, start: number): CallErrors {
  const at = start + 2 // two reserved octets keep the counters aligned
  return {
    crcErrors: u32(bytes, at),
    framingErrors: u32(bytes, at + 4),
    hardwareOverruns: u32(bytes, at + 8),
    bufferOverruns: u32(bytes, at + 12),
    timeoutErrors: u32(bytes, at + 16),
    alignmentErrors: u32(bytes, at + 20),
  }
}

function readAccm(bytes: Uint8Array, start: number): Accm {
  return { sendAccm: u32(bytes, start + 2), receiveAccm: u32(bytes, start + 6) }
}

function readDisconnectCause(bytes: Uint8Array, start: number, end: number): DisconnectCause {
  const disconnectCode = u16(bytes, start)
  const disconnectText = inWords(DISCONNECT_CAUSES, disconnectCode)
  return {
    disconnectCode,
    ...(disconnectText === undefined ? {} : { disconnectText }),
    disconnectProtocol: u16(bytes, start + 2),
    disconnectDirection: bytes[start + 4],
    ...(end - start > 5 ? { disconnectMessage: readText(bytes, start + 5, end) } : {}),
  }
}

// --- Attributes -----------------------------------------------------------------------------------------------------

/** `octets` fixes the length of a value whose kind leaves it open. */
type AvpRow = readonly [name: string, kind: AvpKind, octets?: number]

/** The attributes of the IETF (vendor 0). One line here is all it takes to report another. */
export const AVPS = {
  // RFC 2661
  0: ['messageType', 'messageType'],
  1: ['result', 'resultCode'],
  2: ['protocolVersion', 'protocolVersion'],
  3: ['framingCapabilities', 'framing'],
  4: ['bearerCapabilities', 'bearer'],
  5: ['tieBreaker', 'hex', 8],
  6: ['firmwareRevision', 'u16'],
  7: ['hostName', 'text'],
  8: ['vendorName', 'text'],
  9: ['assignedTunnelId', 'u16'],
  10: ['receiveWindow', 'u16'],
  11: ['challenge', 'octets'],
  12: ['q931', 'q931Cause'],
  13: ['challengeResponse', 'octets', 16],
  14: ['assignedSessionId', 'u16'],
  15: ['callSerialNumber', 'u32'],
  16: ['minimumBps', 'u32'],
  17: ['maximumBps', 'u32'],
  18: ['bearerType', 'bearer'],
  19: ['framingType', 'framing'],
  21: ['calledNumber', 'text'],
  22: ['callingNumber', 'text'],
  23: ['subAddress', 'text'],
  24: ['txConnectSpeed', 'u32'],
  25: ['physicalChannelId', 'u32'],
  26: ['initialReceivedLcpConfReq', 'octets'],
  27: ['lastSentLcpConfReq', 'octets'],
  28: ['lastReceivedLcpConfReq', 'octets'],
  29: ['proxyAuthenType', 'proxyAuthenType'],
  30: ['proxyAuthenName', 'text'],
  31: ['proxyAuthenChallenge', 'octets'],
  32: ['proxyAuthenId', 'identifier'],
  33: ['proxyAuthenResponseLength', 'secretLength'],
  34: ['callErrors', 'callErrors'],
  35: ['accm', 'accm'],
  36: ['randomVector', 'hex'],
  37: ['privateGroupId', 'label'],
  38: ['rxConnectSpeed', 'u32'],
  39: ['sequencingRequired', 'flag'],
  // RFC 3301: ATM access networks
  40: ['rxMinimumBps', 'u32'],
  41: ['rxMaximumBps', 'u32'],
  42: ['serviceCategory', 'hex'],
  43: ['serviceName', 'text'],
  44: ['callingSubAddress', 'label'],
  45: ['vpiVci', 'hex', 4],
  // RFC 3145, RFC 3308 and RFC 3437: disconnect cause, differentiated services, LCP options
  46: ['disconnect', 'disconnectCause'],
  47: ['ccds', 'u16List'],
  48: ['sds', 'u16List'],
  49: ['lcpWantOptions', 'octets'],
  50: ['lcpAllowOptions', 'octets'],
  51: ['lnsLastSentLcpConfReq', 'octets'],
  52: ['lnsLastReceivedLcpConfReq', 'octets'],
  // RFC 3573 and RFC 3817: modem on hold, PPPoE relay
  53: ['modemOnHoldCapable', 'hex'],
  54: ['modemOnHoldStatus', 'hex'],
  55: ['pppoeRelay', 'hex'],
  56: ['pppoeRelayResponseCapability', 'hex'],
  57: ['pppoeRelayForwardCapability', 'hex'],
  // RFC 3931: L2TPv3
  58: ['extendedVendorAvp', 'extendedVendor'],
  59: ['messageDigest', 'hex'],
  60: ['routerId', 'u32'],
  61: ['assignedControlConnectionId', 'u32'],
  62: ['pseudowireCapabilities', 'u16List'],
  63: ['localSessionId', 'u32'],
  64: ['remoteSessionId', 'u32'],
  65: ['assignedCookie', 'hex'],
  66: ['remoteEndId', 'label'],
  67: ['applicationCode', 'hex'],
  68: ['pseudowireType', 'u16'],
  69: ['l2SpecificSublayer', 'u16'],
  70: ['dataSequencing', 'u16'],
  71: ['circuitStatus', 'circuitStatus'],
  72: ['preferredLanguage', 'text'],
  73: ['nonce', 'hex'],
  74: ['txConnectSpeedV3', 'u64'],
  75: ['rxConnectSpeedV3', 'u64'],
  // RFC 4951 and RFC 4045: failover, multicast
  76: ['failoverCapability', 'failoverCapability'],
  77: ['tunnelRecovery', 'idPair'],
  78: ['suggestedControlSequence', 'controlSequence'],
  79: ['failoverSessionState', 'idPair'],
  80: ['multicastCapability', 'hex'],
  81: ['newOutgoingSessions', 'hex'],
  82: ['newOutgoingSessionsAcknowledgement', 'hex'],
  83: ['withdrawOutgoingSessions', 'hex'],
  84: ['multicastPacketsPriority', 'hex'],
  // RFC 4591, 4454, 4667, 4720: Frame Relay, ATM and layer 2 VPN over L2TPv3
  85: ['frameRelayHeaderLength', 'u16'],
  86: ['atmMaximumConcatenatedCells', 'u16'],
  87: ['oamEmulationRequired', 'hex'],
  88: ['atmAlarmStatus', 'atmAlarmStatus'],
  89: ['attachmentGroupId', 'label'],
  90: ['localEndId', 'label'],
  91: ['interfaceMtu', 'u16'],
  92: ['fcsRetention', 'u16'],
  // Tunnel switching, RFC 4623, 5085, 5515, 5611, 6073, 7886 and 9601
  93: ['tunnelSwitchingAggregatorId', 'label'],
  94: ['maximumReceiveUnit', 'u16'],
  95: ['maximumReassembledReceiveUnit', 'u16'],
  96: ['vccvCapability', 'vccv'],
  97: ['connectSpeedUpdate', 'connectSpeedUpdate'],
  98: ['connectSpeedUpdateEnable', 'flag'],
  99: ['tdmPseudowire', 'hex'],
  100: ['rtp', 'hex'],
  101: ['pseudowireSwitchingPoint', 'hex'],
  102: ['sbfdTargetDiscriminators', 'u32List'],
  103: ['ecnCapability', 'hex'],
} as const satisfies Record<number, AvpRow>

/** AVPs that a message may carry several times. */
const REPEATABLE = new Set([RANDOM_VECTOR, 58, MESSAGE_DIGEST, 79, 81, 82, 83, 93, 97, 101])

interface Vendor {
  readonly name: string
  readonly avps: Readonly<Record<number, AvpRow>>
}

/** The vendors seen in L2TP by their enterprise numbers, and those of their attributes that are public. */
export const VENDORS: Readonly<Record<number, Vendor>> = {
  9: {
    name: 'Cisco',
    avps: {
      0: ['ciscoMessageType', 'u16'],
      1: ['ciscoAssignedConnectionId', 'u32'],
      2: ['ciscoPseudowireCapabilities', 'u16List'],
      3: ['ciscoLocalSessionId', 'u32'],
      4: ['ciscoRemoteSessionId', 'u32'],
      5: ['ciscoAssignedCookie', 'hex'],
      6: ['ciscoRemoteEndId', 'label'],
      7: ['ciscoPseudowireType', 'u16'],
      8: ['ciscoCircuitStatus', 'circuitStatus'],
      9: ['ciscoTieBreaker', 'hex', 8],
      10: ['ciscoDraftAvpVersion', 'u16'],
      11: ['ciscoAtmMaximumConcatenatedCells', 'u16'],
      12: ['ciscoMessageDigest', 'hex'],
      13: ['ciscoNonce', 'hex'],
      14: ['ciscoInterfaceMtu', 'u16'],
      108: ['ciscoOamEmulationRequired', 'hex'],
      109: ['ciscoAtmAlarmStatus', 'hex'],
    },
  },
  193: {
    name: 'Ericsson',
    avps: {
      0: ['ericssonMessageType', 'u16'],
      1: ['ericssonTransportConfiguration', 'hex'],
      2: ['ericssonPacketLoss', 'hex'],
      3: ['ericssonProtocolVersion', 'hex'],
      4: ['ericssonConnectionType', 'hex'],
      5: ['ericssonCrc32Enabled', 'hex'],
      6: ['ericssonStnName', 'text'],
      7: ['ericssonAbisLowerMode', 'hex'],
      8: ['ericssonTeiToScMap', 'hex'],
      9: ['ericssonChannelStatusList', 'hex'],
      10: ['ericssonExtendedProtocolVersion', 'hex'],
      11: ['ericssonChannelStatusList2', 'hex'],
    },
  },
  311: { name: 'Microsoft', avps: { 1: ['microsoftCorrelationId', 'hex', 16] } },
  529: { name: 'Ascend', avps: {} },
  2011: { name: 'Huawei', avps: {} },
  2352: { name: 'Redback', avps: {} },
  2636: { name: 'Juniper', avps: {} },
  3561: {
    name: 'Broadband Forum',
    avps: {
      1: ['agentCircuitId', 'text'],
      2: ['agentRemoteId', 'text'],
      129: ['actualDataRateUpstream', 'u64'],
      130: ['actualDataRateDownstream', 'u64'],
      131: ['minimumDataRateUpstream', 'u64'],
      132: ['minimumDataRateDownstream', 'u64'],
      133: ['attainableDataRateUpstream', 'u64'],
      134: ['attainableDataRateDownstream', 'u64'],
      135: ['maximumDataRateUpstream', 'u64'],
      136: ['maximumDataRateDownstream', 'u64'],
      137: ['minimumDataRateUpstreamLowPower', 'u64'],
      138: ['minimumDataRateDownstreamLowPower', 'u64'],
      139: ['maximumInterleavingDelayUpstream', 'u32'],
      140: ['actualInterleavingDelayUpstream', 'u32'],
      141: ['maximumInterleavingDelayDownstream', 'u32'],
      142: ['actualInterleavingDelayDownstream', 'u32'],
      144: ['accessLoopEncapsulation', 'hex', 3],
      145: ['ancpAccessLineType', 'u32'],
      254: ['iwfSession', 'u32'],
    },
  },
  4491: {
    name: 'CableLabs',
    avps: {
      1: ['depiResultCode', 'hex'],
      2: ['depiResourceAllocationRequest', 'hex'],
      3: ['depiResourceAllocationReply', 'hex'],
      4: ['depiLocalMtu', 'u16'],
      5: ['docsisSyncControl', 'hex'],
      6: ['eqamCapabilityBits', 'hex'],
      7: ['depiRemoteMtu', 'u16'],
      8: ['depiLocalUdpPort', 'u16'],
      9: ['dprSessionType', 'hex'],
      10: ['dprSessionStatus', 'hex'],
      100: ['qamChannelTsidGroup', 'hex'],
      101: ['qamChannelFrequency', 'hex'],
      102: ['qamChannelPower', 'hex'],
      103: ['qamChannelModulation', 'hex'],
      104: ['qamChannelJ83Annex', 'hex'],
      105: ['qamChannelSymbolRate', 'hex'],
      106: ['qamChannelInterleaveDepth', 'hex'],
      107: ['qamChannelRfBlockMuting', 'hex'],
      200: ['depiRedundancyCapabilities', 'hex'],
    },
  },
  4874: { name: 'Juniper (Unisphere)', avps: {} },
  10415: { name: '3GPP', avps: {} },
  14988: { name: 'MikroTik', avps: {} },
}

function rowOf(vendorId: number, type: number): AvpRow | undefined {
  const rows: Readonly<Record<number, AvpRow>> | undefined = vendorId === 0 ? AVPS : VENDORS[vendorId]?.avps
  return rows?.[type]
}

function octetsOf([, kind, octets]: AvpRow): readonly [min: number, max: number] {
  return octets === undefined ? KINDS[kind].octets : [octets, octets]
}

/**
 * The value of an attribute as its table reads it: undefined if the attribute is unknown or the value too short. What
 * a value has beyond its fixed length is ignored. `messageType` chooses the words for a result code.
 */
export function readAvp(
  vendorId: number,
  type: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  messageType?: number,
): AvpValue | undefined {
  const row = rowOf(vendorId, type)
  if (row === undefined || end - start < octetsOf(row)[0]) return undefined
  return KINDS[row[1]].read(bytes, start, end, messageType)
}

/**
 * Whether the octets could be the value of the attribute: the length fits, and text is text. True for what is unknown.
 * It tells the right secret of a hidden AVP from a wrong one.
 */
export function isPlausible(vendorId: number, type: number, bytes: Uint8Array, start: number, end: number): boolean {
  const row = rowOf(vendorId, type)
  if (row === undefined) return true
  const [min, max] = octetsOf(row)
  if (end - start < min || end - start > max) return false
  return row[1] !== 'text' || !NOT_TEXT.test(readText(bytes, start, end))
}

// --- The cursor -----------------------------------------------------------------------------------------------------

/**
 * `l2tp.avp_truncated`: the message ends inside the header of an AVP.
 * `l2tp.avp_length`: an AVP says that it is shorter than its header, or longer than the message.
 */
export type AvpFlaw = 'l2tp.avp_truncated' | 'l2tp.avp_length'

/** Where AVPs are: the view of a control message. `messageEnd` is the end on the wire, past `payloadEnd` if snapped. */
export interface AvpWindow {
  readonly bytes: Uint8Array
  readonly payloadStart: number
  readonly payloadEnd: number
  readonly messageEnd: number
}

/** Walks the AVPs of one control message: `while (avps.next()) …`, then look at `avps.flaw` and `avps.isSnapped`. */
export class AvpCursor {
  bytes: Uint8Array = NO_BYTES
  vendorId = 0
  type = 0
  /** The whole AVP, its header included, in octets. */
  length = 0
  isMandatory = false
  isHidden = false
  /** The four reserved bits of the header as a number, 0 in a legal AVP. */
  reservedBits = 0
  valueStart = 0
  valueEnd = 0
  /** The Random Vector in force: the last one before this AVP (RFC 2661 section 4.3). */
  hasVector = false
  vectorStart = 0
  vectorEnd = 0
  flaw: AvpFlaw | null = null
  /** The walk ended because the capture did, not the message. */
  isSnapped = false
  #at = 0
  #end = 0
  #messageEnd = 0

  over(message: AvpWindow): this {
    this.bytes = message.bytes
    this.#at = message.payloadStart
    this.#end = message.payloadEnd
    this.#messageEnd = message.messageEnd
    this.hasVector = false
    this.vectorStart = 0
    this.vectorEnd = 0
    this.flaw = null
    this.isSnapped = false
    return this
  }

  next(): boolean {
    if (this.flaw !== null || this.isSnapped) return false
    const { bytes } = this
    const at = this.#at
    if (at === this.#messageEnd) return false
    if (this.#messageEnd - at < HEADER_LENGTH) return this.#stop('l2tp.avp_truncated')
    if (this.#end - at < HEADER_LENGTH) return this.#snap()
    const head = u16(bytes, at)
    const length = head & LENGTH_BITS
    if (length < HEADER_LENGTH || at + length > this.#messageEnd) return this.#stop('l2tp.avp_length')
    if (at + length > this.#end) return this.#snap()

    this.isMandatory = (head & FLAG_MANDATORY) !== 0
    this.isHidden = (head & FLAG_HIDDEN) !== 0
    this.reservedBits = (head & RESERVED_BITS) >> 10
    this.length = length
    this.vendorId = u16(bytes, at + 2)
    this.type = u16(bytes, at + 4)
    this.valueStart = at + HEADER_LENGTH
    this.valueEnd = at + length
    this.#at = this.valueEnd
    if (this.type === RANDOM_VECTOR && this.vendorId === 0 && !this.isHidden) {
      this.hasVector = true
      this.vectorStart = this.valueStart
      this.vectorEnd = this.valueEnd
    }
    return true
  }

  #stop(flaw: AvpFlaw): false {
    this.flaw = flaw
    return false
  }

  #snap(): false {
    this.isSnapped = true
    return false
  }
}

// --- What is wrong with an AVP --------------------------------------------------------------------------------------

/** What can be wrong with an AVP that can be walked over, and what that means. */
export const AVP_FINDINGS = {
  'l2tp.avp_order': 'The first AVP is not the Message Type, or a Message Type stands later.',
  'l2tp.avp_duplicate': 'An AVP that may stand once stands again; the first one counts.',
  'l2tp.avp_fixed_length': 'The value is shorter or longer than its attribute has it.',
  'l2tp.avp_unknown_mandatory': 'An AVP that no document defines, or with reserved bits, is marked mandatory.',
  'l2tp.avp_vendor_mandatory': 'An AVP of a vendor is marked mandatory.',
  'l2tp.avp_reserved_bits': 'Reserved bits of the AVP header are set: a receiver treats it as unknown.',
  'l2tp.avp_oversized': 'A string is longer than 254 octets.',
  'l2tp.avp_suspicious_text': 'A string holds control characters, printf conversions or shell substitutions.',
  'l2tp.avp_empty_text': 'Host Name or Vendor Name is empty.',
  'l2tp.avp_zero_id': 'A tunnel or session ID of 0 is assigned.',
  'l2tp.avp_no_vector': 'A hidden AVP has no Random Vector before it.',
  'l2tp.avp_hidden_forbidden': 'The Message Type or the Random Vector itself is hidden.',
  'l2tp.avp_hidden_short': 'A hidden AVP is too short for the original length that it must hold.',
  'l2tp.avp_excess': 'The message has more AVPs than are described.',
  'l2tp.message_unknown': 'The message type is unknown and marked mandatory.',
} as const
export type AvpFinding = keyof typeof AVP_FINDINGS

/** What no name holds: control characters, and what was not UTF-8. */
const NOT_TEXT = /[\p{Cc}\uFFFD]/u
/** Control and format characters, shell substitutions and chains, printf conversions. */
const SUSPICIOUS = /[\p{Cc}\p{Cf}`]|\$[({]|&&|\|\||%[-+#*.\d]*(?:hh?|ll?|[jzt])?[nspxX]/u

/** Messages that assign an ID; StopCCN and CDN may repeat a 0 where none was assigned yet. */
const ASSIGNING = new Set<number | undefined>([1, 2, 7, 8, 10, 11])
const ID_ATTRIBUTES = new Set([ASSIGNED_TUNNEL_ID, ASSIGNED_SESSION_ID, 61, 63])
const NAME_ATTRIBUTES = new Set([7, 8])

function findInHeader(avp: AvpCursor, isFirst: boolean, found: AvpFinding[]): void {
  const { vendorId, type, isMandatory, isHidden, reservedBits } = avp
  // A vendor's own messages begin with the vendor's own message type.
  if (isFirst ? type !== MESSAGE_TYPE : type === MESSAGE_TYPE && vendorId === 0) found.push('l2tp.avp_order')
  if (reservedBits !== 0) found.push('l2tp.avp_reserved_bits')
  if (isMandatory && vendorId !== 0) found.push('l2tp.avp_vendor_mandatory')
  else if (isMandatory && (reservedBits !== 0 || rowOf(0, type) === undefined)) found.push('l2tp.avp_unknown_mandatory')
  if (!isHidden) return
  if (vendorId === 0 && (type === MESSAGE_TYPE || type === RANDOM_VECTOR)) found.push('l2tp.avp_hidden_forbidden')
  else if (!avp.hasVector) found.push('l2tp.avp_no_vector')
  if (avp.valueEnd - avp.valueStart < 2) found.push('l2tp.avp_hidden_short')
}

function findInValue(
  avp: AvpCursor,
  octets: number,
  value: AvpValue | undefined,
  messageType: number | undefined,
  found: AvpFinding[],
): void {
  const row = rowOf(avp.vendorId, avp.type)
  if (row === undefined) return
  const [min, max] = octetsOf(row)
  if (octets < min || octets > max) found.push('l2tp.avp_fixed_length')
  const isName = row[1] === 'text' || row[1] === 'label'
  if (isName && octets > TEXT_OCTETS_MAX) found.push('l2tp.avp_oversized')
  if (value !== undefined && isSuspicious(value)) found.push('l2tp.avp_suspicious_text')
  if (avp.vendorId !== 0) return
  if (value === '' && NAME_ATTRIBUTES.has(avp.type)) found.push('l2tp.avp_empty_text')
  if (value === 0 && ID_ATTRIBUTES.has(avp.type) && ASSIGNING.has(messageType)) found.push('l2tp.avp_zero_id')
  if (avp.type === MESSAGE_TYPE && avp.isMandatory && typeof value === 'number' && messageName(value) === 'unknown') {
    found.push('l2tp.message_unknown')
  }
}

function isSuspicious(value: AvpValue): boolean {
  if (typeof value === 'string') return SUSPICIOUS.test(value)
  if (typeof value !== 'object' || value instanceof Uint8Array) return false
  return Object.values(value).some((piece) => typeof piece === 'string' && SUSPICIOUS.test(piece))
}

// --- Describing a message -------------------------------------------------------------------------------------------

/** What became of a hidden AVP. `secretIndex` says which of the candidate secrets it was. */
export type Recovery =
  | { readonly verdict: 'recovered'; readonly secretIndex: number; readonly value: Uint8Array }
  | { readonly verdict: 'wrong_secret' | 'no_vector' | 'no_secret' }

/** Undoes the hiding of the AVP under the cursor, or says why not. */
export type Recover = (avp: AvpCursor) => Recovery

type UnionToIntersection<U> = (U extends unknown ? (u: U) => void : never) extends (i: infer I) => void ? I : never
type Scalars = {
  readonly [T in keyof typeof AVPS as (typeof AVPS)[T][1] extends ScalarKind
    ? (typeof AVPS)[T][0]
    : never]?: (typeof AVPS)[T][1] extends ScalarKind ? ScalarOf<(typeof AVPS)[T][1]> : never
}
type Records = Partial<UnionToIntersection<RecordOf<RecordKind>>>

/**
 * A control message as trackers see it: plain values by name, no reference to the capture buffer. Only AVPs of vendor 0
 * that a receiver would accept; of duplicates the first.
 */
export type L2tpControl = { readonly message: L2tpMessage | 'unknown' } & Scalars & Records

/** One AVP, as an event lists it. */
export interface AvpDescription {
  readonly type: number
  /** 'unknown' if no table has it. */
  readonly name: string
  readonly vendorId: number
  readonly vendorName?: string
  readonly mandatory: boolean
  readonly hidden: boolean
  /** The whole AVP, its header included, in octets. */
  readonly length: number
  /** Octets as hexadecimal. Absent if hidden and not recovered, or too short. */
  readonly value?: Exclude<AvpValue, Uint8Array>
  /** A code point, or a list of them, in words. */
  readonly meaning?: string
  /** For a hidden AVP, if there was an attempt to recover it. */
  readonly recovery?: Recovery['verdict']
  readonly secretIndex?: number
  readonly findings: readonly AvpFinding[]
}

export interface ControlDescription {
  /** Absent if there was no readable Message Type. */
  readonly messageType?: number
  readonly messageName: L2tpMessage | 'unknown'
  readonly avps: readonly AvpDescription[]
  readonly control: L2tpControl
  /** Everything found on any AVP, each name once, in the order of appearance. */
  readonly findings: readonly AvpFinding[]
  /** Why the walk over the AVPs stopped early. What stands before is described: it is evidence. */
  readonly flaw: AvpFlaw | null
  /** The capture cut the message: what follows was there, but nobody knows it. */
  readonly isSnapped: boolean
}

/** Copies a control message out of the capture buffer. `recover` is asked about each hidden AVP. */
export function describeControl(message: AvpWindow, avps: AvpCursor, recover?: Recover): ControlDescription {
  const described: AvpDescription[] = []
  const control: Record<string, unknown> = { message: 'unknown' }
  const findings = new Set<AvpFinding>()
  const seen = new Set<number>()
  let messageType: number | undefined

  avps.over(message)
  for (let index = 0; avps.next(); index++) {
    const found: AvpFinding[] = []
    findInHeader(avps, index === 0, found)
    const key = avps.vendorId * 0x10000 + avps.type
    const isRepeated = seen.has(key) && !(avps.vendorId === 0 && REPEATABLE.has(avps.type))
    if (isRepeated) found.push('l2tp.avp_duplicate')

    const recovery = avps.isHidden ? recover?.(avps) : undefined
    let value: AvpValue | undefined
    if (!avps.isHidden) value = readShown(avps, messageType, found)
    else if (recovery?.verdict === 'recovered') value = readRecovered(avps, recovery.value, messageType, found)

    if (avps.vendorId === 0 && avps.reservedBits === 0 && !seen.has(key) && value !== undefined) {
      if (avps.type === MESSAGE_TYPE && typeof value === 'number') {
        messageType = value
        control['message'] = messageName(value)
      }
      enter(control, avps.type, value)
    }
    seen.add(key)
    if (index < AVPS_DESCRIBED_MAX) described.push(describeAvp(avps, value, recovery, found))
    else found.push('l2tp.avp_excess')
    for (const finding of found) findings.add(finding)
  }
  return {
    ...(messageType === undefined ? {} : { messageType }),
    messageName: messageType === undefined ? 'unknown' : messageName(messageType),
    avps: described,
    control: control as L2tpControl,
    findings: [...findings],
    flaw: avps.flaw,
    isSnapped: avps.isSnapped,
  }
}

function readShown(avp: AvpCursor, messageType: number | undefined, found: AvpFinding[]): AvpValue | undefined {
  const { vendorId, type, bytes, valueStart, valueEnd } = avp
  const value = readAvp(vendorId, type, bytes, valueStart, valueEnd, messageType)
  findInValue(avp, valueEnd - valueStart, value, messageType, found)
  if (value === undefined && rowOf(vendorId, type) === undefined) return hex(bytes, valueStart, valueEnd)
  return value
}

function readRecovered(
  avp: AvpCursor,
  plain: Uint8Array,
  messageType: number | undefined,
  found: AvpFinding[],
): AvpValue | undefined {
  const value = readAvp(avp.vendorId, avp.type, plain, 0, plain.length, messageType)
  findInValue(avp, plain.length, value, messageType, found)
  // Somebody hid what no table knows: it may be a secret, so it stays one.
  return value
}

function enter(control: Record<string, unknown>, type: number, value: AvpValue): void {
  const row = rowOf(0, type)
  if (row === undefined) return
  if (row[1] in RECORD_KINDS) Object.assign(control, value)
  else control[row[0]] = value
}

function describeAvp(
  avp: AvpCursor,
  value: AvpValue | undefined,
  recovery: Recovery | undefined,
  findings: readonly AvpFinding[],
): AvpDescription {
  const vendorName = VENDORS[avp.vendorId]?.name
  const name = rowOf(avp.vendorId, avp.type)?.[0] ?? 'unknown'
  const meaning = meaningOf(name, value)
  return {
    type: avp.type,
    name,
    vendorId: avp.vendorId,
    ...(vendorName === undefined ? {} : { vendorName }),
    mandatory: avp.isMandatory,
    hidden: avp.isHidden,
    length: avp.length,
    ...(value === undefined ? {} : { value: value instanceof Uint8Array ? hex(value, 0, value.length) : value }),
    ...(meaning === undefined ? {} : { meaning }),
    ...(recovery === undefined ? {} : { recovery: recovery.verdict }),
    ...(recovery?.verdict === 'recovered' ? { secretIndex: recovery.secretIndex } : {}),
    findings,
  }
}
