/**
 * The attributes of L2TP control messages (RFC 2661 section 4.4 and the registry that L2TPv2 and L2TPv3 share): what each is
 * called, and how its value is read.
 *
 * The tables are the specification: a kind says how many octets a value has and how it is read, `AVPS` and `VENDORS` say which
 * attribute has which kind. Secrets (the response of proxy authentication, which with PAP is the password) are never copied:
 * their length is.
 */
import { hex, hexWord, text, u16, u32, u64 } from '../base/bytes.ts'
import { DISCONNECT_CAUSES, ERROR_CODES, inWords, resultInWords, type Words } from './l2tp-tables.ts'
import { L2TPV3_KINDS } from './l2tpv3-avp.ts'

/** The length of an AVP has ten bits, its header six octets. */
const VALUE_OCTETS_MAX = 0x03ff - 6

/** What no name holds: control characters, and what was not UTF-8. */
const NOT_TEXT = /[\p{Cc}\uFFFD]/u

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

const ANY_LENGTH = [0, VALUE_OCTETS_MAX] as const
const LIST_LENGTH = [2, VALUE_OCTETS_MAX] as const

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
export const RECORD_KINDS = {
  resultCode: { octets: LIST_LENGTH, read: readResultCode },
  q931Cause: { octets: [3, VALUE_OCTETS_MAX], read: readQ931Cause },
  callErrors: { octets: [26, 26], read: readCallErrors },
  accm: { octets: [10, 10], read: readAccm },
  disconnectCause: { octets: [5, VALUE_OCTETS_MAX], read: readDisconnectCause },
} as const satisfies Record<string, Kind<object>>

const KINDS = { ...SCALAR_KINDS, ...RECORD_KINDS }

export type AvpKind = keyof typeof KINDS
export type ScalarKind = keyof typeof SCALAR_KINDS
export type RecordKind = keyof typeof RECORD_KINDS
export type ScalarOf<K extends ScalarKind> = ReturnType<(typeof SCALAR_KINDS)[K]['read']>
export type RecordOf<K extends RecordKind> = ReturnType<(typeof RECORD_KINDS)[K]['read']>
/** What `readAvp` answers with. */
export type AvpValue = ReturnType<(typeof KINDS)[AvpKind]['read']>

const FRAMING_BITS = { 1: 'synchronous', 2: 'asynchronous' } as const
const BEARER_BITS = { 1: 'digital', 2: 'analog', 4: 'broadband' } as const

/** The lists of names that were given out: there are few, and every tunnel and call has some. */
const NAMED = new Map<Words, Map<number, readonly string[]>>()

function flagNames(names: Words, bits: number): readonly string[] {
  const known = NAMED.get(names)?.get(bits)
  if (known !== undefined) return known
  const set: string[] = []
  let unnamed = bits
  for (const [bit, name] of Object.entries(names)) {
    if (bits & Number(bit)) set.push(name)
    unnamed &= ~Number(bit)
  }
  if (unnamed !== 0) set.push(`0x${hexWord(unnamed)}`)
  else NAMED.set(names, (NAMED.get(names) ?? new Map()).set(bits, set))
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

/** What the tables say of an attribute. */
export function rowOf(vendorId: number, type: number): AvpRow | undefined {
  const rows: Readonly<Record<number, AvpRow>> | undefined = vendorId === 0 ? AVPS : VENDORS[vendorId]?.avps
  return rows?.[type]
}

/** How many octets a value of it has, at the least and at the most. */
export function octetsOf([, kind, octets]: AvpRow): readonly [min: number, max: number] {
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
