/**
 * The options that PPP negotiates: of LCP (RFC 1661, RFC 1570), and of the Network Control Protocols (IPCP RFC 1332 and 1877,
 * IPV6CP RFC 5072, CCP RFC 1962, ECP RFC 1968, BCP RFC 3518, BACP and BAP RFC 2125, CBCP).
 *
 * `PppOptionCursor` walks options and allocates nothing; `describePppOptions` copies them, values typed by the tables below.
 */
import { addressText } from '../base/address.ts'
import { hex, hexWord, NO_BYTES, text, u16, u32 } from '../base/bytes.ts'
import { PPP, pppProtocolName } from './ppp.ts'

export type PppOptionFlaw = 'ppp.option_truncated' | 'ppp.option_length'

/** Walks Type-Length-Value options: `while (options.next()) …`, then look at `options.flaw`. */
export class PppOptionCursor {
  bytes: Uint8Array = NO_BYTES
  type = 0
  /** The whole option, its two octets of header included. */
  length = 0
  valueStart = 0
  valueEnd = 0
  flaw: PppOptionFlaw | null = null
  #at = 0
  #end = 0

  over(bytes: Uint8Array, start: number, end: number): this {
    this.bytes = bytes
    this.#at = start
    this.#end = end
    this.flaw = null
    return this
  }

  next(): boolean {
    const at = this.#at
    if (at >= this.#end || this.flaw !== null) return false
    if (this.#end - at < 2) return this.#stop('ppp.option_truncated')
    const length = this.bytes[at + 1]
    if (length < 2 || length > this.#end - at) return this.#stop('ppp.option_length')
    this.type = this.bytes[at]
    this.length = length
    this.valueStart = at + 2
    this.valueEnd = at + length
    this.#at = this.valueEnd
    return true
  }

  #stop(flaw: PppOptionFlaw): false {
    this.flaw = flaw
    return false
  }
}

/** LCP option types that code acts on. */
export const LCP = {
  MRU: 1,
  ACCM: 2,
  AUTHENTICATION_PROTOCOL: 3,
  QUALITY_PROTOCOL: 4,
  MAGIC_NUMBER: 5,
  PROTOCOL_FIELD_COMPRESSION: 7,
  ADDRESS_AND_CONTROL_FIELD_COMPRESSION: 8,
  CALLBACK: 13,
  MRRU: 17,
  SHORT_SEQUENCE_NUMBER: 18,
  ENDPOINT_DISCRIMINATOR: 19,
  MULTILINK_HEADER_FORMAT: 27,
} as const

/**
 * What an Endpoint-Discriminator of LCP names, class and address in hexadecimal digits; undefined for the null class, which is as good
 * as no option (RFC 1990 section 5.1.3).
 */
export function endpointName(bytes: Uint8Array, start: number, end: number): string | undefined {
  return start === end || bytes[start] === 0 ? undefined : hex(bytes, start, end)
}

/** IPCP option types that code acts on. */
export const IPCP = {
  IP_ADDRESSES: 1,
  IP_COMPRESSION_PROTOCOL: 2,
  IP_ADDRESS: 3,
  PRIMARY_DNS: 129,
  PRIMARY_NBNS: 130,
  SECONDARY_DNS: 131,
  SECONDARY_NBNS: 132,
} as const

/** IPV6CP option types that code acts on. */
export const IPV6CP = { INTERFACE_IDENTIFIER: 1, IPV6_COMPRESSION_PROTOCOL: 2 } as const

/** CCP option types that code acts on. */
export const CCP = { OUI: 0, PREDICTOR_1: 1, STAC_LZS: 17, MPPE: 18, BSD_COMPRESS: 21, DEFLATE: 26 } as const

/** ECP option types that code acts on. */
export const ECP = { OUI: 0, DESE: 1, TRIPLE_DESE: 2, DESE_BIS: 3 } as const

/** The bits of CCP option 18 (RFC 3078 section 2.1, RFC 2118 section 2). */
export const MPPE = {
  STATELESS: 0x01000000,
  KEY_56_BITS: 0x80,
  KEY_128_BITS: 0x40,
  KEY_40_BITS: 0x20,
  OBSOLETE: 0x10,
  MPPC: 0x01,
} as const

/** CHAP algorithms (IANA "PPP Authentication Algorithms"), the last octet of LCP option 3. */
export const CHAP_ALGORITHM = {
  MD5: 5,
  SHA1: 6,
  SHA256: 7,
  SHA3_256: 8,
  MS_CHAP: 0x80,
  MS_CHAP_V2: 0x81,
} as const

const CHAP_ALGORITHMS: Readonly<Record<number, string>> = {
  5: 'MD5',
  6: 'SHA-1',
  7: 'SHA-256',
  8: 'SHA3-256',
  128: 'MS-CHAP',
  129: 'MS-CHAP-V2',
}

/** The name of a CHAP algorithm, or 'unknown'. */
export function chapAlgorithmName(algorithm: number): string {
  return CHAP_ALGORITHMS[algorithm] ?? 'unknown'
}

type OptionKind = keyof typeof READERS
type OptionTable = Readonly<Record<number, readonly [name: string, kind: OptionKind]>>

const LCP_OPTIONS: OptionTable = {
  0: ['Vendor-Specific', 'vendor'],
  1: ['Maximum-Receive-Unit', 'u16'],
  2: ['Async-Control-Character-Map', 'bits32'],
  3: ['Authentication-Protocol', 'authentication'],
  4: ['Quality-Protocol', 'quality'],
  5: ['Magic-Number', 'bits32'],
  6: ['Quality-Protocol (deprecated)', 'hex'],
  7: ['Protocol-Field-Compression', 'empty'],
  8: ['Address-and-Control-Field-Compression', 'empty'],
  9: ['FCS-Alternatives', 'fcs'],
  10: ['Self-Describing-Pad', 'u8'],
  11: ['Numbered-Mode', 'numberedMode'],
  12: ['Multi-Link-Procedure (deprecated)', 'hex'],
  13: ['Callback', 'callback'],
  14: ['Connect-Time (deprecated)', 'hex'],
  15: ['Compound-Frames (deprecated)', 'hex'],
  16: ['Nominal-Data-Encapsulation (deprecated)', 'hex'],
  17: ['Multilink-MRRU', 'u16'],
  18: ['Multilink-Short-Sequence-Number-Header-Format', 'empty'],
  19: ['Multilink-Endpoint-Discriminator', 'endpoint'],
  20: ['Proprietary', 'hex'],
  21: ['DCE-Identifier', 'u8'],
  22: ['Multi-Link-Plus-Procedure', 'hex'],
  23: ['Link-Discriminator', 'u16'],
  24: ['LCP-Authentication-Option', 'hex'],
  25: ['Consistent-Overhead-Byte-Stuffing', 'hex'],
  26: ['Prefix-Elision', 'prefixElision'],
  27: ['Multilink-Header-Format', 'multilinkHeader'],
  28: ['Internationalization', 'internationalization'],
  29: ['Simple-Data-Link-on-SONET/SDH', 'empty'],
}

const IPCP_OPTIONS: OptionTable = {
  1: ['IP-Addresses', 'addresses'],
  2: ['IP-Compression-Protocol', 'compression'],
  3: ['IP-Address', 'address'],
  4: ['Mobile-IPv4', 'address'],
  129: ['Primary-DNS-Server-Address', 'address'],
  130: ['Primary-NBNS-Server-Address', 'address'],
  131: ['Secondary-DNS-Server-Address', 'address'],
  132: ['Secondary-NBNS-Server-Address', 'address'],
}

const IPV6CP_OPTIONS: OptionTable = {
  1: ['Interface-Identifier', 'interfaceIdentifier'],
  2: ['IPv6-Compression-Protocol', 'compression'],
}

const CCP_OPTIONS: OptionTable = {
  0: ['OUI', 'vendor'],
  1: ['Predictor-1', 'empty'],
  2: ['Predictor-2', 'empty'],
  3: ['Puddle-Jumper', 'hex'],
  16: ['Hewlett-Packard-PPC', 'hex'],
  17: ['Stac-LZS', 'stac'],
  18: ['MPPE/MPPC', 'mppe'],
  19: ['Gandalf-FZA', 'gandalf'],
  20: ['V.42bis', 'hex'],
  21: ['BSD-Compress', 'bsdCompress'],
  23: ['LZS-DCP', 'lzsDcp'],
  24: ['MVRCA', 'mvrca'],
  25: ['DCE', 'u8'],
  26: ['Deflate', 'deflate'],
  27: ['V.44/LZJH', 'v44'],
}

const ECP_OPTIONS: OptionTable = {
  0: ['OUI', 'vendor'],
  1: ['DESE', 'hex'],
  2: ['3DESE', 'hex'],
  3: ['DESE-bis', 'hex'],
}

const BCP_OPTIONS: OptionTable = {
  1: ['Bridge-Identification', 'bridge'],
  2: ['Line-Identification', 'bridge'],
  3: ['MAC-Support', 'u8'],
  4: ['Tinygram-Compression', 'u8'],
  5: ['LAN-Identification', 'u8'],
  6: ['MAC-Address', 'mac'],
  7: ['Spanning-Tree-Protocol', 'hex'],
  8: ['IEEE-802-Tagged-Frame', 'u8'],
  9: ['Management-Inline', 'empty'],
  10: ['Bridge-Control-Packet-Indicator', 'empty'],
}

const IPXCP_OPTIONS: OptionTable = {
  1: ['IPX-Network-Number', 'bits32'],
  2: ['IPX-Node-Number', 'mac'],
  3: ['IPX-Compression-Protocol', 'hex'],
  4: ['IPX-Routing-Protocol', 'u16'],
  5: ['IPX-Router-Name', 'text'],
  6: ['IPX-Configuration-Complete', 'empty'],
}

const NBFCP_OPTIONS: OptionTable = {
  1: ['Name-Projection', 'hex'],
  2: ['Peer-Information', 'hex'],
  3: ['Multicast-Filtering', 'hex'],
  4: ['IEEE-MAC-Address-Required', 'empty'],
}

const ATCP_OPTIONS: OptionTable = {
  1: ['AppleTalk-Address', 'hex'],
  2: ['Routing-Protocol', 'hex'],
  3: ['Suppress-Broadcasts', 'hex'],
  4: ['AT-Compression-Protocol', 'hex'],
  6: ['Server-Information', 'hex'],
  7: ['Zone-Information', 'text'],
  8: ['Default-Router-Address', 'hex'],
}

const CBCP_OPTIONS: OptionTable = {
  1: ['No-Callback', 'cbcp'],
  2: ['Callback-User-Specified', 'cbcp'],
  3: ['Callback-Admin-Specified', 'cbcp'],
  4: ['Callback-List', 'cbcp'],
}

const BAP_OPTIONS: OptionTable = {
  1: ['Link-Type', 'linkType'],
  2: ['Phone-Delta', 'phoneDelta'],
  3: ['No-Phone-Number-Needed', 'empty'],
  4: ['Reason', 'text'],
  5: ['Link-Discriminator', 'u16'],
  6: ['Call-Status', 'callStatus'],
}

const OPTIONS_BY_PROTOCOL: Readonly<Record<number, OptionTable>> = {
  [PPP.LCP]: LCP_OPTIONS,
  [PPP.IPCP]: IPCP_OPTIONS,
  [PPP.IPV6CP]: IPV6CP_OPTIONS,
  [PPP.CCP]: CCP_OPTIONS,
  [PPP.ILCCP]: CCP_OPTIONS,
  [PPP.ECP]: ECP_OPTIONS,
  [PPP.ILECP]: ECP_OPTIONS,
  [PPP.BCP]: BCP_OPTIONS,
  [PPP.IPXCP]: IPXCP_OPTIONS,
  [PPP.NBFCP]: NBFCP_OPTIONS,
  [PPP.ATCP]: ATCP_OPTIONS,
  [PPP.OSINLCP]: { 1: ['Align-NPDU', 'u8'] },
  [PPP.BACP]: { 1: ['Favored-Peer', 'bits32'] },
  [PPP.CBCP]: CBCP_OPTIONS,
  [PPP.BAP]: BAP_OPTIONS,
}

const FCS_ALTERNATIVES = [
  [0x01, 'Null FCS'],
  [0x02, 'CCITT 16-bit FCS'],
  [0x04, 'CCITT 32-bit FCS'],
] as const

const CALLBACK_OPERATIONS = [
  'user authentication',
  'dialing string',
  'location identifier',
  'E.164 number',
  'X.500 distinguished name',
  'unassigned',
  'CBCP',
]

const ENDPOINT_CLASSES = [
  'Null',
  'Locally Assigned Address',
  'IP Address',
  'IEEE 802.1 MAC Address',
  'PPP Magic-Number Block',
  'Public Switched Network Directory Number',
]

const MULTILINK_HEADER_FORMATS: Readonly<Record<number, string>> = {
  2: 'long sequence number with classes',
  6: 'short sequence number with classes',
}

/** What an option says, beyond its type. Fields that its kind does not have are absent. */
export interface PppOptionValue {
  /** The one value of a simple option: a number, an address, '0x' and 8 digits for bit fields, text, or bare hex digits. */
  readonly value?: number | string
  /** A PPP protocol number: of authentication, quality monitoring or header compression. */
  readonly protocol?: number
  readonly protocolName?: string
  /** The CHAP algorithm of an Authentication-Protocol option. */
  readonly algorithm?: number
  readonly algorithmName?: string
  /** Hundredths of a second between Link-Quality-Reports, 0 when the receiver need not send any (RFC 1989 section 2.2). */
  readonly reportingPeriodCentiseconds?: number
  /** What a number or a bit field stands for, in words. */
  readonly meaning?: string
  readonly operation?: number
  readonly operationName?: string
  readonly window?: number
  readonly classNumber?: number
  readonly className?: string
  /** 6 hex digits. */
  readonly oui?: string
  readonly kind?: number
  /** What the tables do not read, in hex digits. */
  readonly data?: string
  readonly sourceAddress?: string
  readonly destinationAddress?: string
  readonly maxSlotId?: number
  readonly compressSlotId?: boolean
  readonly tcpSpace?: number
  readonly nonTcpSpace?: number
  readonly fMaxPeriod?: number
  readonly fMaxTime?: number
  readonly maxHeader?: number
  readonly maxCid?: number
  readonly mrru?: number
  /** The types of suboptions, in order. */
  readonly suboptions?: readonly number[]
  /** ROHC profiles (RFC 3241 section 2.2). */
  readonly profiles?: readonly number[]
  /** MPPE key lengths offered or chosen, in bits; none when only MPPC compression is. */
  readonly keyLengthsBits?: readonly number[]
  readonly stateless?: boolean
  readonly mppc?: boolean
  readonly historyCount?: number
  readonly checkMode?: number
  readonly processMode?: number
  readonly version?: number | string
  readonly features?: number
  readonly packetByPacket?: boolean
  readonly contexts?: number
  readonly dictionaryBits?: number
  readonly windowBits?: number
  readonly method?: number
  readonly check?: number
  readonly mode?: number
  readonly dictionarySize?: number
  readonly historyLength?: number
  readonly lanNumber?: number
  readonly bridgeNumber?: number
  readonly classes?: number
  /** IANA MIBenum of a character set. */
  readonly mibEnum?: number
  readonly language?: string
  readonly delaySeconds?: number
  readonly phoneNumbers?: readonly string[]
  readonly uniqueDigits?: number
  readonly linkSpeedKbps?: number
  readonly status?: number
  readonly action?: number
}

export interface PppOption extends PppOptionValue {
  readonly type: number
  readonly name: string
  readonly length: number
  /** The value is not as long as its kind demands; `data` has it as it came. */
  readonly flaw?: 'ppp.option_value'
}

/** A reader answers undefined when the window cannot hold a value of its kind. */
type OptionReader = (bytes: Uint8Array, start: number, end: number) => PppOptionValue | undefined

function fixed(length: number, read: (bytes: Uint8Array, at: number) => PppOptionValue): OptionReader {
  return (bytes, start, end) => (end - start === length ? read(bytes, start) : undefined)
}

function atLeast(length: number, read: OptionReader): OptionReader {
  return (bytes, start, end) => (end - start >= length ? read(bytes, start, end) : undefined)
}

const READERS = {
  empty: fixed(0, () => ({})),
  hex: (bytes: Uint8Array, start: number, end: number) => ({ value: hex(bytes, start, end) }),
  text: (bytes: Uint8Array, start: number, end: number) => ({ value: text(bytes, start, end) }),
  u8: fixed(1, (bytes, at) => ({ value: bytes[at] })),
  u16: fixed(2, (bytes, at) => ({ value: u16(bytes, at) })),
  bits32: fixed(4, (bytes, at) => ({ value: bits32(bytes, at) })),
  address: fixed(4, (bytes, at) => ({ value: addressText(bytes, at, 4) })),
  addresses: fixed(8, (bytes, at) => ({
    sourceAddress: addressText(bytes, at, 4),
    destinationAddress: addressText(bytes, at + 4, 4),
  })),
  mac: fixed(6, (bytes, at) => ({ value: mac(bytes, at) })),
  interfaceIdentifier: fixed(8, (bytes, at) => ({
    value: hex(bytes, at, at + 8).replace(/(....)(?=.)/g, '$1:'),
  })),
  vendor: atLeast(4, (bytes, start, end) => ({
    oui: hex(bytes, start, start + 3),
    kind: bytes[start + 3],
    ...rest(bytes, start + 4, end),
  })),
  authentication: atLeast(2, readAuthentication),
  quality: atLeast(2, readQuality),
  compression: atLeast(2, readCompression),
  fcs: fixed(1, (bytes, at) => ({
    value: bytes[at],
    meaning: FCS_ALTERNATIVES.filter(([bit]) => bytes[at] & bit)
      .map(([, name]) => name)
      .join(', '),
  })),
  numberedMode: atLeast(1, (bytes, start, end) => ({ window: bytes[start], ...rest(bytes, start + 1, end) })),
  callback: atLeast(1, (bytes, start, end) => ({
    operation: bytes[start],
    operationName: CALLBACK_OPERATIONS[bytes[start]] ?? 'unknown',
    ...(end - start > 1 && { value: readable(bytes, start + 1, end) }),
  })),
  endpoint: atLeast(1, readEndpoint),
  prefixElision: atLeast(1, (bytes, start, end) => ({ classNumber: bytes[start], ...rest(bytes, start + 1, end) })),
  multilinkHeader: fixed(2, (bytes, at) => ({
    value: bytes[at],
    meaning: MULTILINK_HEADER_FORMATS[bytes[at]] ?? 'unknown',
    classes: bytes[at + 1],
  })),
  internationalization: atLeast(4, (bytes, start, end) => ({
    mibEnum: u32(bytes, start),
    language: text(bytes, start + 4, end),
  })),
  stac: fixed(3, (bytes, at) => ({ historyCount: u16(bytes, at), checkMode: bytes[at + 2] & 0x07 })),
  mppe: fixed(4, readMppe),
  gandalf: atLeast(1, (bytes, start, end) => ({ historyCount: bytes[start], version: hex(bytes, start + 1, end) })),
  bsdCompress: fixed(1, (bytes, at) => ({ version: bytes[at] >> 5, dictionaryBits: bytes[at] & 0x1f })),
  lzsDcp: fixed(4, (bytes, at) => ({
    historyCount: u16(bytes, at),
    checkMode: bytes[at + 2],
    processMode: bytes[at + 3],
  })),
  // pppd offers an early form of Deflate under this number too; the two cannot be told apart by their value.
  mvrca: fixed(2, (bytes, at) => ({
    features: bytes[at] >> 6,
    packetByPacket: (bytes[at] & 0x20) !== 0,
    historyCount: bytes[at] & 0x1f,
    contexts: bytes[at + 1],
  })),
  deflate: fixed(2, (bytes, at) => ({
    windowBits: (bytes[at] >> 4) + 8,
    method: bytes[at] & 0x0f,
    check: bytes[at + 1] & 0x03,
  })),
  v44: atLeast(4, (bytes, start, end) => ({
    mode: u16(bytes, start),
    dictionarySize: u16(bytes, start + 2),
    ...(end - start >= 6 && { historyLength: u16(bytes, start + 4) }),
  })),
  bridge: fixed(2, (bytes, at) => ({ lanNumber: u16(bytes, at) >> 4, bridgeNumber: bytes[at + 1] & 0x0f })),
  cbcp: readCallbackChoice,
  linkType: fixed(3, (bytes, at) => ({ linkSpeedKbps: u16(bytes, at), kind: bytes[at + 2] })),
  phoneDelta: readPhoneDelta,
  callStatus: fixed(2, (bytes, at) => ({ status: bytes[at], action: bytes[at + 1] })),
} satisfies Record<string, OptionReader>

function readAuthentication(bytes: Uint8Array, start: number, end: number): PppOptionValue | undefined {
  const protocol = u16(bytes, start)
  const named = { protocol, protocolName: pppProtocolName(protocol) }
  if (protocol !== PPP.CHAP) return { ...named, ...rest(bytes, start + 2, end) }
  if (end - start < 3) return undefined
  const algorithm = bytes[start + 2]
  return { ...named, algorithm, algorithmName: chapAlgorithmName(algorithm), ...rest(bytes, start + 3, end) }
}

function readQuality(bytes: Uint8Array, start: number, end: number): PppOptionValue {
  const protocol = u16(bytes, start)
  const named = { protocol, protocolName: pppProtocolName(protocol) }
  return protocol === PPP.LQR && end - start === 6
    ? { ...named, reportingPeriodCentiseconds: u32(bytes, start + 2) }
    : { ...named, ...rest(bytes, start + 2, end) }
}

/** VJ (RFC 1332 section 4), IP header compression (RFC 3544 section 2.1), ROHC (RFC 3241 section 2.1). */
function readCompression(bytes: Uint8Array, start: number, end: number): PppOptionValue {
  const protocol = u16(bytes, start)
  const named = { protocol, protocolName: pppProtocolName(protocol) }
  const at = start + 2
  if (protocol === PPP.VJ_COMPRESSED && end - at === 2) {
    return { ...named, maxSlotId: bytes[at], compressSlotId: bytes[at + 1] !== 0 }
  }
  if (protocol === PPP.IPHC_FULL_HEADER && end - at >= 10) {
    const parameters = {
      tcpSpace: u16(bytes, at),
      nonTcpSpace: u16(bytes, at + 2),
      fMaxPeriod: u16(bytes, at + 4),
      fMaxTime: u16(bytes, at + 6),
      maxHeader: u16(bytes, at + 8),
    }
    return { ...named, ...parameters, suboptions: suboptionTypes(bytes, at + 10, end) }
  }
  if (protocol === PPP.ROHC_SMALL_CID && end - at >= 6) {
    const parameters = { maxCid: u16(bytes, at), mrru: u16(bytes, at + 2), maxHeader: u16(bytes, at + 4) }
    const suboptions = suboptionTypes(bytes, at + 6, end)
    return { ...named, ...parameters, suboptions, profiles: rohcProfiles(bytes, at + 6, end) }
  }
  return { ...named, ...rest(bytes, at, end) }
}

function suboptionTypes(bytes: Uint8Array, start: number, end: number): number[] {
  const types: number[] = []
  const suboptions = new PppOptionCursor().over(bytes, start, end)
  while (suboptions.next()) types.push(suboptions.type)
  return types
}

function rohcProfiles(bytes: Uint8Array, start: number, end: number): number[] {
  const profiles: number[] = []
  const suboptions = new PppOptionCursor().over(bytes, start, end)
  while (suboptions.next()) {
    if (suboptions.type !== 1) continue
    for (let at = suboptions.valueStart; at + 2 <= suboptions.valueEnd; at += 2) profiles.push(u16(bytes, at))
  }
  return profiles
}

/** RFC 1990 section 5.1.3. */
function readEndpoint(bytes: Uint8Array, start: number, end: number): PppOptionValue {
  const classNumber = bytes[start]
  const at = start + 1
  const named = { classNumber, className: ENDPOINT_CLASSES[classNumber] ?? 'unknown' }
  if (at === end) return named
  if (classNumber === 1 || classNumber === 5) return { ...named, value: readable(bytes, at, end) }
  if (classNumber === 2 && end - at === 4) return { ...named, value: addressText(bytes, at, 4) }
  if (classNumber === 3 && end - at === 6) return { ...named, value: mac(bytes, at) }
  return { ...named, value: hex(bytes, at, end) }
}

function readMppe(bytes: Uint8Array, at: number): PppOptionValue {
  const bits = u32(bytes, at)
  const keyLengthsBits: number[] = []
  if (bits & MPPE.KEY_40_BITS) keyLengthsBits.push(40)
  if (bits & MPPE.KEY_56_BITS) keyLengthsBits.push(56)
  if (bits & MPPE.KEY_128_BITS) keyLengthsBits.push(128)
  return {
    value: bits32(bytes, at),
    stateless: (bits & MPPE.STATELESS) !== 0,
    keyLengthsBits,
    mppc: (bits & MPPE.MPPC) !== 0,
  }
}

/** Microsoft's CBCP: one octet of delay, then addresses, each a type octet and digits that end with a zero octet. */
function readCallbackChoice(bytes: Uint8Array, start: number, end: number): PppOptionValue {
  if (start === end) return {}
  const phoneNumbers: string[] = []
  for (let at = start + 1; at < end; ) {
    const zero = bytes.subarray(at + 1, end).indexOf(0)
    const numberEnd = zero === -1 ? end : at + 1 + zero
    phoneNumbers.push(text(bytes, at + 1, numberEnd))
    at = numberEnd + 1
  }
  return { delaySeconds: bytes[start], ...(phoneNumbers.length > 0 && { phoneNumbers }) }
}

/** RFC 2125 section 6.2: suboptions 1 Unique-Digits, 2 Subscriber-Number, 3 Phone-Number-Sub-Address. */
function readPhoneDelta(bytes: Uint8Array, start: number, end: number): PppOptionValue | undefined {
  let uniqueDigits: number | undefined
  const phoneNumbers: string[] = []
  const suboptions = new PppOptionCursor().over(bytes, start, end)
  while (suboptions.next()) {
    if (suboptions.type === 1 && suboptions.length === 3) uniqueDigits = bytes[suboptions.valueStart]
    else if (suboptions.type === 2 || suboptions.type === 3) {
      phoneNumbers.push(text(bytes, suboptions.valueStart, suboptions.valueEnd))
    }
  }
  if (suboptions.flaw !== null) return undefined
  return { ...(uniqueDigits !== undefined && { uniqueDigits }), ...(phoneNumbers.length > 0 && { phoneNumbers }) }
}

function rest(bytes: Uint8Array, start: number, end: number): { data?: string } {
  return start < end ? { data: hex(bytes, start, end) } : {}
}

export function bits32(bytes: Uint8Array, at: number): string {
  return `0x${hexWord(u32(bytes, at))}`
}

function mac(bytes: Uint8Array, at: number): string {
  return hex(bytes, at, at + 6).replace(/(..)(?=.)/g, '$1:')
}

/** Whether a field that an implementation may fill with text or with binary holds text: no control characters. */
export function isText(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const octet = bytes[at]
    if (octet === 0x7f || (octet < 0x20 && octet !== 0x09 && octet !== 0x0a && octet !== 0x0d)) return false
  }
  return start < end && !text(bytes, start, end).includes('\ufffd')
}

function readable(bytes: Uint8Array, start: number, end: number): string {
  return isText(bytes, start, end) ? text(bytes, start, end) : hex(bytes, start, end)
}

/** Copies options that stand by themselves, as in the AVPs with which L2TP hands over what a peer negotiated. */
export function describePppOptions(
  protocol: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  cursor: PppOptionCursor,
): { options: PppOption[]; flaw: PppOptionFlaw | 'ppp.option_value' | null } {
  const options: PppOption[] = []
  const table = OPTIONS_BY_PROTOCOL[protocol]
  let flaw: PppOptionFlaw | 'ppp.option_value' | null = null
  cursor.over(bytes, start, end)
  while (cursor.next()) {
    const option = describeOption(table?.[cursor.type], bytes, cursor)
    flaw ??= option.flaw ?? null
    options.push(option)
  }
  return { options, flaw: flaw ?? cursor.flaw }
}

function describeOption(row: OptionTable[number] | undefined, bytes: Uint8Array, cursor: PppOptionCursor): PppOption {
  const { type, length, valueStart, valueEnd } = cursor
  if (row === undefined) return { type, name: 'unknown', length, value: hex(bytes, valueStart, valueEnd) }
  const [name, kind] = row
  const read: OptionReader = READERS[kind]
  const value = read(bytes, valueStart, valueEnd)
  if (value !== undefined) return { type, name, length, ...value }
  return { type, name, length, data: hex(bytes, valueStart, valueEnd), flaw: 'ppp.option_value' }
}
